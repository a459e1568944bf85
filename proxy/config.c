/* The settings table and its reading; see config.h. Flags win over the environment, that wins over
   the defaults. */
#include "config.h"

#include "address.h"
#include "bounds.h"
#include "dropin.h"
#include "nearest.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum kind {
    TEXT,
    LIST,
    SWITCH,
    COUNT,
    SECONDS,
    BYTES,
    MODE,
    LEVEL,
    FORMAT,
    FAILURE,
    ENFORCE,
    ON_OFF
};

struct option {
    const char *name;
    char letter; /* 0: none */
    enum kind kind;
    size_t offset;        /* of the value in struct config */
    size_t count_offset;  /* LIST: of its length */
    size_t capacity;      /* LIST */
    uint64_t min, max;    /* COUNT, SECONDS, BYTES */
    const char *fallback; /* NULL: zero */
    const char *argument; /* for --help */
    const char *text;
};

#define AT(field) offsetof(struct config, field)
// clang-format off
static const struct option options[] = {
    {"host", 'H', LIST, AT(hosts), AT(host_count), CONFIG_HOSTS_MAX, 0, 0, "unix:///run/sockwarden/docker.sock", "ADDRESS",
     "listen on unix:///path, tcp://IP:PORT (with TLS) or fd://[NAME] (systemd's sockets); repeatable"},
    {"upstream", 0, TEXT, AT(upstream), 0, 0, 0, 0, "unix:///var/run/docker.sock", "ADDRESS",
     "the real Docker daemon, unix:///path"},
    {"policy", 0, TEXT, AT(policy), 0, 0, 0, 0, NULL, "FILE",
     "JSON policy; without it the built-in role builtin:default serves everybody"},
    {"role", 0, TEXT, AT(role), 0, 0, 0, 0, NULL, "NAME",
     "this role for everybody: of the policy, else built in (`sockwarden roles`)"},
    {"tlsverify", 0, SWITCH, AT(tls_verify), 0, 0, 0, 0, "true", "",
     "demand a client certificate on tcp addresses; --tlsverify=false turns it off"},
    {"tlscacert", 0, TEXT, AT(tls_ca), 0, 0, 0, 0, NULL, "FILE",
     "the CAs that sign the clients' certificates"},
    {"tlscert", 0, TEXT, AT(tls_cert), 0, 0, 0, 0, NULL, "FILE",
     "the server's certificate, then its chain"},
    {"tlskey", 0, TEXT, AT(tls_key), 0, 0, 0, 0, NULL, "FILE",
     "its key, readable by its owner only"},
    {"tlscrl", 0, TEXT, AT(tls_crl), 0, 0, 0, 0, NULL, "FILE",
     "revocation lists of those CAs"},
    {"insecure-tcp", 0, SWITCH, AT(insecure_tcp), 0, 0, 0, 0, NULL, "",
     "serve plain HTTP on tcp addresses"},
    {"socket-mode", 0, MODE, AT(socket_mode), 0, 0, 0, 0, "0660", "MODE",
     "permissions of the Unix sockets that are made"},
    {"socket-group", 0, TEXT, AT(socket_group), 0, 0, 0, 0, NULL, "GROUP",
     "their group (name or number)"},
    {"socket-user", 0, TEXT, AT(socket_user), 0, 0, 0, 0, NULL, "USER",
     "their owner (name or number)"},
    {"audit-log", 0, LIST, AT(audit_logs), AT(audit_count), AUDIT_TARGETS_MAX, 0, 0, "-", "FILE",
     "audit lines as JSON: a file, - for standard output, syslog, journald, none; repeatable"},
    {"audit-failure", 0, FAILURE, AT(audit_continue), 0, 0, 0, 0, "deny", "deny|continue",
     "when a line cannot be written: answer 503 to everything but pings, or go on"},
    {"audit-uses", 0, ON_OFF, AT(audit_uses), 0, 0, 0, 0, "on", "on|off",
     "note what writes need of a role, for learn, report and test; --mode audit always does"},
    {"log-level", 0, LEVEL, AT(log_level), 0, 0, 0, 0, "info", "LEVEL",
     "operator's log on standard error: error, warn, info, debug"},
    {"log-format", 0, FORMAT, AT(log_format), 0, 0, 0, 0, NULL, "text|json",
     "of that log; text on a terminal, else json"},
    {"admin", 0, TEXT, AT(admin), 0, 0, 0, 0, NULL, "ADDRESS",
     "serve /metrics, /healthz and /readyz by plain HTTP on unix:///path or tcp://IP:PORT"},
    {"mode", 0, ENFORCE, AT(audit_mode), 0, 0, 0, 0, "enforce", "enforce|audit",
     "audit: let through what the policy refuses, and record that it would be denied"},
    {"workers", 0, COUNT, AT(workers), 0, 0, 1, 64, NULL, "N",
     "event loops; default: as many as CPUs, at most 4, and the first 16 connections share one"},
    {"user", 0, TEXT, AT(user), 0, 0, 0, 0, NULL, "NAME[:GROUP]",
     "become this user once all is open, keeping the group of the daemon's socket"},
    {"sandbox", 0, ON_OFF, AT(sandbox), 0, 0, 0, 0, "on", "on|off",
     "limit system calls (seccomp) and files (Landlock) to what serving needs"},
    {"host-root", 0, TEXT, AT(host_root), 0, 0, 0, 0, "/", "PATH|none",
     "where the daemon's file system is seen, to look at bind sources; none: by name only"},
    {"key-dir", 0, TEXT, AT(key_dir), 0, 0, 0, 0, "/etc/sockwarden/keys", "PATH",
     "the keys and trust stores that images.signed names"},
    {"signature-store", 0, TEXT, AT(signature_store), 0, 0, 0, 0, NULL, "PATH",
     "signatures of images as files, for images.signed with the source store"},
    {"trust-cache", 0, TEXT, AT(trust_cache), 0, 0, 0, 0, NULL, "FILE",
     "remember there which images were found signed; without it until the end"},
    {"trust-ttl", 0, SECONDS, AT(trust_ttl), 0, 0, 0, 1 << 30, "0", "SECONDS",
     "for how long that holds; 0: as long as rule and keys stay the same"},
    {"max-connections", 0, COUNT, AT(max_connections), 0, 0, 1, 1000000, "4096", "N",
     "client connections at a time; more wait"},
    {"max-body", 0, BYTES, AT(max_body), 0, 0, 1024, 256 << 20, "1m", "BYTES",
     "of a body that is inspected; larger ones are refused"},
    {"max-head", 0, BYTES, AT(max_head), 0, 0, 1024, 1 << 20, "64k", "BYTES",
     "of a request's head"},
    {"head-timeout", 0, SECONDS, AT(head_timeout), 0, 0, 0, 86400, "15", "SECONDS",
     "from the first byte of a request to the end of its head"},
    {"body-timeout", 0, SECONDS, AT(body_timeout), 0, 0, 0, 86400, "60", "SECONDS",
     "between bytes of a request's body"},
    {"upstream-timeout", 0, SECONDS, AT(upstream_timeout), 0, 0, 0, 86400, "0", "SECONDS",
     "until the daemon's answer begins; 0 waits for ever"},
    {"idle-timeout", 0, SECONDS, AT(idle_timeout), 0, 0, 0, 86400, "120", "SECONDS",
     "for keep-alive connections without a request; streams and tunnels have none"},
    {"stop-timeout", 0, SECONDS, AT(stop_timeout), 0, 0, 0, 86400, "10", "SECONDS",
     "for what runs when TERM or INT comes"},
    {"registry-auth", 0, TEXT, AT(registry_auth), 0, 0, 0, 0, NULL, "FILE",
     "logins of registries that are asked for signatures, in the form of docker's config.json"},
    {"registry-ca", 0, TEXT, AT(registry_ca), 0, 0, 0, 0, NULL, "FILE",
     "CAs of those registries, in the place of the system's"},
    {"registry-private", 0, LIST, AT(registry_private), AT(registry_private_count), CONFIG_REGISTRIES_MAX, 0, 0, NULL, "HOST[:PORT]",
     "this registry, token server or blob store may have a private or loopback address; repeatable"},
    {"registry-plain-http", 0, LIST, AT(registry_plain), AT(registry_plain_count), CONFIG_REGISTRIES_MAX, 0, 0, NULL, "HOST[:PORT]",
     "this registry is asked by plain HTTP; repeatable"},
    {"registry-token-host", 0, LIST, AT(registry_tokens), AT(registry_tokens_count), CONFIG_REGISTRIES_MAX, 0, 0, NULL, "HOST[:PORT]",
     "a token server that registries of other names may send to; repeatable"},
    {"registry-proxy", 0, TEXT, AT(registry_proxy), 0, 0, 0, 0, NULL, "URL",
     "ask registries through this HTTP proxy, http://HOST:PORT; the environment is not looked at"},
    {"registry-direct", 0, LIST, AT(registry_direct), AT(registry_direct_count), CONFIG_REGISTRIES_MAX, 0, 0, NULL, "HOST[:PORT]",
     "this one is asked without that proxy; repeatable"},
    {"registry-timeout", 0, SECONDS, AT(registry_timeout), 0, 0, 1, 120, "20", "SECONDS",
     "for one question to a registry, with its token and redirects"},
};
// clang-format on

/* ---- values -------------------------------------------------------------------------------- */

static bool parse_count(struct str text, bool suffixes, uint64_t *out)
{
    unsigned shift = 0;
    if (suffixes && text.n > 1) {
        switch (ascii_lower(text.p[text.n - 1])) {
        case 'k':
            shift = 10;
            break;
        case 'm':
            shift = 20;
            break;
        case 'g':
            shift = 30;
            break;
        default:
            break;
        }
        text.n -= shift ? 1 : 0;
    }
    int64_t value;
    if (!str_to_int(text, &value) || value < 0 || value > (int64_t)1 << 33)
        return false;
    *out = (uint64_t)value << shift;
    return true;
}

static bool set_number(const struct option *option, void *slot, struct str value, struct err *err)
{
    uint64_t number;
    if (!parse_count(value, option->kind == BYTES, &number) || number < option->min ||
        number > option->max)
        return err_set(err, 0, 0, "--%s takes a number from %llu to %llu, not %.*s", option->name,
                       (unsigned long long)option->min, (unsigned long long)option->max,
                       STR_ARG(value));
    if (option->kind == BYTES)
        *(uint64_t *)slot = number;
    else
        *(unsigned *)slot = (unsigned)number;
    return true;
}

static bool set_mode(const struct option *option, void *slot, struct str value, struct err *err)
{
    unsigned mode = 0;
    bool ok = value.n >= 3 && value.n <= 4;
    for (size_t i = 0; i < value.n && ok; i++) {
        ok = value.p[i] >= '0' && value.p[i] <= '7';
        mode = mode * 8 + (unsigned)(value.p[i] - '0');
    }
    if (!ok || mode > 0777)
        return err_set(err, 0, 0, "--%s takes octal permissions such as 0660, not %.*s",
                       option->name, STR_ARG(value));
    *(unsigned *)slot = mode;
    return true;
}

static bool set_switch(const struct option *option, void *slot, struct str value, struct err *err)
{
    bool on = str_is(value, "1") || str_is(value, "true") || value.n == 0;
    if (!on && !str_is(value, "0") && !str_is(value, "false"))
        return err_set(err, 0, 0, "--%s is a switch: true or false, not %.*s", option->name,
                       STR_ARG(value));
    *(bool *)slot = on;
    return true;
}

static bool set_word(const struct option *option, void *slot, struct str value, struct err *err)
{
    bool ok = false;
    if (option->kind == LEVEL) {
        ok = log_level_parse(value, slot);
    } else if (option->kind == FORMAT) {
        ok = str_is(value, "text") || str_is(value, "json");
        *(enum log_format *)slot = str_is(value, "json") ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    } else if (option->kind == FAILURE) {
        ok = str_is(value, "deny") || str_is(value, "continue");
        *(bool *)slot = str_is(value, "continue");
    } else if (option->kind == ENFORCE) {
        ok = str_is(value, "enforce") || str_is(value, "audit");
        *(bool *)slot = str_is(value, "audit");
    } else if (option->kind == ON_OFF) {
        ok = str_is(value, "on") || str_is(value, "off");
        *(bool *)slot = str_is(value, "on");
    }
    return ok || err_set(err, 0, 0, "--%s takes %s, not %.*s", option->name,
                         option->kind == LEVEL ? "error, warn, info or debug" : option->argument,
                         STR_ARG(value));
}

static bool add_to_list(const struct option *option, struct config *config, const char *value,
                        struct err *err)
{
    const char **list = (const char **)(void *)((char *)config + option->offset);
    size_t *count = (size_t *)(void *)((char *)config + option->count_offset);
    if (*count == option->capacity)
        return err_set(err, 0, 0, "--%s may be given %zu times at most", option->name,
                       option->capacity);
    list[(*count)++] = value;
    return true;
}

static bool set_value(const struct option *option, struct config *config, const char *value,
                      struct err *err)
{
    void *slot = (char *)config + option->offset;
    switch (option->kind) {
    case LIST:
        return add_to_list(option, config, value, err);
    case TEXT:
        if (*value == '\0')
            return err_set(err, 0, 0, "--%s must not be empty", option->name);
        *(const char **)slot = value;
        return true;
    case SWITCH:
        return set_switch(option, slot, str_of(value), err);
    case COUNT:
    case SECONDS:
    case BYTES:
        return set_number(option, slot, str_of(value), err);
    case MODE:
        return set_mode(option, slot, str_of(value), err);
    case LEVEL:
    case FORMAT:
    case FAILURE:
    case ENFORCE:
    case ON_OFF:
        return set_word(option, slot, str_of(value), err);
    }
    return false;
}

/* ---- sources ------------------------------------------------------------------------------- */

static const struct option *find_option(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (str_is(name, options[i].name))
            return &options[i];
    return NULL;
}

/* Part of the contract of the command line, and not served yet. */
static const char *const later[] = {
    "bare-lf",
};

static bool unknown_option(const char *argument, struct str name, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (str_is(name, later[i]))
            return err_set(err, 0, 0,
                           "this version does not have --%s yet, so it is refused "
                           "rather than ignored",
                           later[i]);
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        nearest_offer(&nearest, str_of(options[i].name));
    if (nearest.best.p)
        return err_set(err, 0, 0, "unknown option %s; did you mean --%.*s?", argument,
                       STR_ARG(nearest.best));
    return err_set(err, 0, 0, "unknown option %s; `sockwarden --help` lists them", argument);
}

/* One flag at argv[*at]; moves *at over a separate value. */
static bool read_flag(int argc, char **argv, int *at, bool given[], struct config *config,
                      struct err *err)
{
    const char *argument = argv[*at];
    const struct option *option = NULL;
    const char *value = NULL;
    if (argument[0] == '-' && argument[1] == '-') {
        struct str body = str_of(argument + 2);
        struct str name = str_head(body, str_find(body, '='));
        option = find_option(name);
        if (!option)
            return unknown_option(argument, name, err);
        if (name.n < body.n)
            value = name.p + name.n + 1;
    } else if (argument[0] == '-' && argument[1]) {
        for (size_t i = 0; i < ARRAY_LEN(options); i++)
            if (options[i].letter && options[i].letter == argument[1])
                option = &options[i];
        if (!option)
            return unknown_option(argument, str_of(argument + 1), err);
        if (argument[2])
            value = argument + (argument[2] == '=' ? 3 : 2);
    } else {
        return err_set(err, 0, 0, "unexpected argument %s; `sockwarden --help` shows the commands",
                       argument);
    }
    if (!value && option->kind == SWITCH)
        value = "true";
    if (!value && ++*at >= argc)
        return err_set(err, 0, 0, "--%s wants a value: --%s %s", option->name, option->name,
                       option->argument);
    given[option - options] = true;
    return set_value(option, config, value ? value : argv[*at], err);
}

/* A list in the environment is separated by commas; its pieces point into a copy that the
   configuration keeps. */
static bool read_list(const struct option *option, struct config *config, const char *text,
                      struct err *err)
{
    if (config->kept_count == ARRAY_LEN(config->kept))
        return err_set(err, 0, 0, "too many lists in the environment");
    char *copy = strdup(text);
    if (!copy)
        return err_set(err, 0, 0, "out of memory");
    config->kept[config->kept_count++] = copy;
    for (char *piece = copy, *next; piece; piece = next) {
        next = strchr(piece, ',');
        if (next)
            *next++ = '\0';
        if (*piece && !add_to_list(option, config, piece, err))
            return false;
    }
    const size_t *count =
        (const size_t *)(const void *)((const char *)config + option->count_offset);
    return *count > 0 || err_set(err, 0, 0, "--%s must not be empty", option->name);
}

static void variable_name(const char *option, char name[64])
{
    size_t n = (size_t)snprintf(name, 64, "SOCKWARDEN_");
    for (const char *p = option; *p && n + 1 < 64; p++)
        name[n++] = *p == '-' ? '_' : (char)(*p - (ascii_alpha(*p) ? 'a' - 'A' : 0));
    name[n] = '\0';
}

/* A mistyped variable must not leave a setting at its default in silence. What Kubernetes sets for
   a service of our name is not meant for us. */
static bool check_variable(struct str name, struct err *err)
{
    struct nearest nearest = nearest_to(name);
    if (str_starts(name, STR("SOCKWARDEN_SERVICE_")) || str_starts(name, STR("SOCKWARDEN_PORT")))
        return true;
    static char names[ARRAY_LEN(options)][64];
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        variable_name(options[i].name, names[i]);
        if (str_is(name, names[i]))
            return true;
        nearest_offer(&nearest, str_of(names[i]));
    }
    if (nearest.best.p)
        return err_set(err, 0, 0, "unknown environment variable %.*s; did you mean %.*s?",
                       STR_ARG(name), STR_ARG(nearest.best));
    return err_set(err, 0, 0,
                   "unknown environment variable %.*s; `sockwarden --help` lists the "
                   "options that have one",
                   STR_ARG(name));
}

static bool check_environment(struct err *err)
{
    for (char **entry = environ; *entry; entry++) {
        struct str name = str_of(*entry);
        name = str_head(name, str_find(name, '='));
        if (str_starts(name, STR("SOCKWARDEN_")) && !check_variable(name, err))
            return false;
    }
    return true;
}

static bool read_environment(const struct option *option, struct config *config, struct err *err)
{
    char name[64];
    variable_name(option->name, name);
    const char *value = getenv(name);
    if (!value) {
        if (!option->fallback)
            return true;
        return set_value(option, config, option->fallback, err);
    }
    bool ok = option->kind == LIST ? read_list(option, config, value, err)
                                   : set_value(option, config, value, err);
    if (!ok && err) {
        char sentence[sizeof(err->text)];
        snprintf(sentence, sizeof(sentence), "%s", err->text);
        snprintf(err->text, sizeof(err->text), "%.400s (environment variable %s)", sentence, name);
    }
    return ok;
}

/* Going to sleep and waking up cost more than a request does, and a loop that finds more of them in
   a turn sleeps less: so a few connections stay together, unless the number of loops was chosen. */
static void choose_workers(struct config *config)
{
    enum { DEFAULT_MAX = 4, FEW = 16 };
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    config->together = config->workers ? 1 : FEW;
    if (!config->workers)
        config->workers = cpus < 1 ? 1 : cpus > DEFAULT_MAX ? DEFAULT_MAX : (unsigned)cpus;
}

static bool check_host(const char *host, struct err *err)
{
    struct sockaddr_storage address;
    socklen_t length;
    bool loopback;
    if (strncmp(host, "tcp://", 6) == 0)
        return address_parse_tcp(host + 6, &address, &length, &loopback) ||
               err_set(err, 0, 0, "--host %s: expected tcp://IP:PORT, for IPv6 tcp://[IP]:PORT",
                       host);
    return address_unix_path(host) || strncmp(host, "fd://", 5) == 0 ||
           err_set(err, 0, 0, "--host %s: expected unix:///path, tcp://IP:PORT or fd://[NAME]",
                   host);
}

/* A place of its own: not that of clients, and not the daemon's. */
static bool check_admin(const struct config *config, struct err *err)
{
    const char *admin = config->admin;
    struct sockaddr_storage address;
    socklen_t length;
    bool loopback;
    if (!admin)
        return true;
    bool tcp = strncmp(admin, "tcp://", 6) == 0 &&
               address_parse_tcp(admin + 6, &address, &length, &loopback);
    if (!tcp && !address_unix_path(admin))
        return err_set(err, 0, 0,
                       "--admin %s: expected unix:///path or tcp://IP:PORT, for IPv6 "
                       "tcp://[IP]:PORT",
                       admin);
    if (strcmp(admin, config->upstream) == 0)
        return err_set(err, 0, 0, "--admin %s is the address of --upstream: give it one of its own",
                       admin);
    for (size_t i = 0; i < config->host_count; i++)
        if (strcmp(admin, config->hosts[i]) == 0)
            return err_set(err, 0, 0,
                           "--admin %s is one of the --host addresses: clients of Docker must not "
                           "meet it, so give it one of its own",
                           admin);
    return true;
}

/* tcp means TLS, and that needs files; plain HTTP is served when it is asked for, and only then. */
static bool check_tls(const struct config *config, struct err *err)
{
    const char *host = NULL;
    for (size_t i = 0; i < config->host_count && !host; i++)
        if (strncmp(config->hosts[i], "tcp://", 6) == 0)
            host = config->hosts[i];
    if (config->insecure_tcp) {
        if (!config->tls_cert && !config->tls_key)
            return true;
        return err_set(err, 0, 0,
                       "--insecure-tcp serves plain HTTP, and --%s is for TLS: leave one of them "
                       "away",
                       config->tls_cert ? "tlscert" : "tlskey");
    }
    const char *missing = !config->tls_cert                       ? "tlscert"
                          : !config->tls_key                      ? "tlskey"
                          : config->tls_verify && !config->tls_ca ? "tlscacert"
                                                                  : NULL;
    if (host && missing)
        return err_set(
            err, 0, 0,
            "--host %s: tcp means TLS, and --%s is missing; it wants --tlscert, --tlskey "
            "and, for the clients' certificates, --tlscacert. certs-example/make-certs.sh "
            "makes all three; --insecure-tcp serves plain HTTP to whoever reaches the "
            "address",
            host, missing);
    return true;
}

const char *config_policy_name(const struct config *config)
{
    return config->policy ? config->policy : config->dropin ? "of the environment" : "built in";
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config->kept_count; i++)
        free(config->kept[i]);
    config->kept_count = 0;
    dropin_free(config->dropin);
    config->dropin = NULL;
}

static bool was_given(const char *name, const bool given[])
{
    char variable[64];
    variable_name(name, variable);
    return given[find_option(str_of(name)) - options] || getenv(variable);
}

/* Whoever says what is served, or where, does not want the place of another proxy. */
static bool read_dropin(const bool given[], struct config *out, struct err *err)
{
    const struct dropin_given kept = {.upstream = was_given("upstream", given),
                                      .log_level = was_given("log-level", given)};
    return was_given("policy", given) || was_given("role", given) || was_given("host", given) ||
           dropin_read(environ, &kept, out, err);
}

bool config_read(int argc, char **argv, struct config *out, struct err *err)
{
    bool given[ARRAY_LEN(options)] = {false};
    *out = (struct config){
        .log_format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON,
    };
    for (int at = 1; at < argc; at++)
        if (!read_flag(argc, argv, &at, given, out, err))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (!given[i] && !read_environment(&options[i], out, err))
            return false;
    if (!check_environment(err) || !read_dropin(given, out, err))
        return false;
    choose_workers(out);
    if (!address_unix_path(out->upstream))
        return err_set(err, 0, 0, "--upstream %s: expected unix:///path", out->upstream);
    if (strlen(address_unix_path(out->upstream)) > 107)
        return err_set(err, 0, 0, "--upstream: the path of a Unix socket has 107 bytes at most");
    for (size_t i = 0; i < out->host_count; i++)
        if (!check_host(out->hosts[i], err))
            return false;
    if (!check_admin(out, err) || !check_tls(out, err) || !config_check_registry(out, err))
        return false;
    for (size_t i = 0; i < out->host_count; i++)
        if (strcmp(out->hosts[i], out->upstream) == 0)
            return err_set(err, 0, 0,
                           "--upstream %s is one of the own --host addresses: the "
                           "proxy would ask itself",
                           out->upstream);
    return true;
}

const char *config_mode_phrase(const struct config *config)
{
    return config->audit_mode ? "AUDIT MODE, nothing is refused by the policy; " : "";
}

void config_print_options(void)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option *option = &options[i];
        char left[64];
        snprintf(left, sizeof(left), "  %c%c%s --%s %s", option->letter ? '-' : ' ',
                 option->letter ? option->letter : ' ', option->letter ? "," : " ", option->name,
                 option->argument);
        printf("%-36s %s", left, option->text);
        if (option->fallback && *option->fallback)
            printf(" [%s]", option->fallback);
        printf("\n");
    }
}
