/* The settings of the daemon: one table gives each its flag, environment variable, type, default
   and text. */
#ifndef PROXY_CONFIG_H
#define PROXY_CONFIG_H

#include "audit.h"
#include "log.h"

enum { CONFIG_HOSTS_MAX = 16, CONFIG_REGISTRIES_MAX = 32 };

struct dropin;

struct config {
    const char *hosts[CONFIG_HOSTS_MAX]; /* as given */
    size_t host_count;
    const char *upstream;                              /* as given: unix:///path */
    const char *policy;                                /* file; NULL: built in */
    const char *role;                                  /* for everybody; NULL: `default` */
    const char *tls_ca, *tls_cert, *tls_key, *tls_crl; /* PEM files; NULL: not given */
    bool tls_verify;                                   /* a client must have a certificate */
    bool insecure_tcp;
    const char *admin; /* as given: unix:///path or tcp://IP:PORT; NULL: none */
    unsigned socket_mode;
    const char *socket_group, *socket_user; /* NULL: as the process */
    const char *audit_logs[AUDIT_TARGETS_MAX];
    size_t audit_count;
    bool audit_continue; /* go on when a line cannot be written */
    bool audit_uses;     /* lines tell what writes need of a role, also without audit_mode */
    bool audit_mode;     /* what the policy refuses is let through, and recorded */
    const char *user;    /* to become; NULL: stays who it is */
    bool sandbox;
    const char *signature_store, *key_dir, *trust_cache; /* NULL: not given */
    unsigned trust_ttl;                                  /* s; 0: for ever */
    const char *host_root; /* where the daemon's file system is seen, or "none" */
    enum log_level log_level;
    enum log_format log_format;
    unsigned workers;
    unsigned together; /* connections without TLS that one worker gets before another does */
    unsigned max_connections;
    uint64_t max_body, max_head;                                                       /* bytes */
    unsigned head_timeout, body_timeout, upstream_timeout, idle_timeout, stop_timeout; /* s */
    const char *registry_auth, *registry_ca, *registry_proxy; /* NULL: not given */
    const char *registry_private[CONFIG_REGISTRIES_MAX], *registry_plain[CONFIG_REGISTRIES_MAX],
        *registry_direct[CONFIG_REGISTRIES_MAX], *registry_tokens[CONFIG_REGISTRIES_MAX];
    size_t registry_private_count, registry_plain_count, registry_direct_count,
        registry_tokens_count;
    unsigned registry_timeout; /* s */
    char *kept[8];             /* lists from the environment; owned */
    size_t kept_count;
    struct dropin *dropin; /* in the place of another proxy, by its variables; owned; NULL: no */
};

/* Reads flags over environment over defaults. argv[0] is skipped. Returns false with err set when
   something is wrong: the sentence names the option and the remedy. Strings are borrowed from argv
   and the environment, or kept until config_free(). */
bool config_read(int argc, char **argv, struct config *out, struct err *err);
void config_free(struct config *config);

/* Of config_read(): are the values of --registry-... what they are to be? */
bool config_check_registry(const struct config *config, struct err *err);

/* Where the policy comes from, for messages: its file, "built in" or "of the environment". */
const char *config_policy_name(const struct config *config);

/* For the manager's status: "AUDIT MODE, nothing is refused by the policy; " or "". Static. */
const char *config_mode_phrase(const struct config *config);

/* The table as text for --help: one entry an option. */
void config_print_options(void);

#endif
