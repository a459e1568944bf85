/* One set from its files; see snapshot_load.h. Whatever is wrong goes to the log, and as much of it
   as can be told in one run. */
#include "snapshot_load.h"

#include "cmd.h"
#include "dropin.h"
#include "own_places.h"
#include "registry_login.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the policy ---------------------------------------------------------------------------- */

static void log_errors(const char *path, const struct err_list *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        const struct err *err = &errors->items[i].err;
        log_at(errors->items[i].warning ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "%s:%d:%d: %s", path,
               err->line, err->column, err->text);
    }
}

/* The policy's text, which standard input gives only once. */
static bool read_text(struct snapshot_source *source, char **text, size_t *length, struct err *err)
{
    const char *path = source->config->policy;
    if (strcmp(path, "-") != 0) {
        *text = file_read(path, POLICY_FILE_MAX, length, err);
        return *text != NULL;
    }
    if (!source->piped)
        source->piped = file_read(path, POLICY_FILE_MAX, &source->piped_length, err);
    *text = source->piped;
    *length = source->piped_length;
    return source->piped != NULL;
}

static struct policy *read_policy(struct snapshot_source *source, char hash[65])
{
    const char *path = source->config->policy;
    struct err err = {.set = false};
    struct err_list errors = {NULL, 0, 0};
    char *text = NULL;
    size_t length = 0;
    if (!file_private_enough(path, source->uid, &err)) {
        log_error("the policy %s", err.text);
        return NULL;
    }
    if (!read_text(source, &text, &length, &err)) {
        log_error("%s", err.text);
        return NULL;
    }
    struct policy *policy = policy_of_text((struct str){text, length}, hash, &errors);
    log_errors(path, &errors);
    err_list_free(&errors);
    if (text != source->piped)
        free(text);
    return policy;
}

static struct policy *dropin_policy(const struct config *config, char hash[65])
{
    struct err_list errors = {NULL, 0, 0};
    struct policy *policy = policy_of_text(config->dropin->policy, hash, &errors);
    log_errors("the environment", &errors);
    err_list_free(&errors);
    return policy;
}

static bool choose_role(struct snapshot *snapshot, const struct config *config)
{
    if (!config->role) {
        if (policy_client_count(snapshot->policy) == 0 && !policy_default_role(snapshot->policy))
            log_warn("the policy %s has no role \"default\" and no --role is given, so every "
                     "request is refused",
                     config->policy);
        return true;
    }
    snapshot->role = policy_want_role(snapshot->policy, str_of(config->role));
    if (snapshot->role)
        return true;
    char why[256];
    role_missing(snapshot->policy, config->role, why, sizeof(why));
    log_error("%s", why);
    return false;
}

struct trust_options trust_options_of(const struct config *config, uid_t uid)
{
    return (struct trust_options){.cache = config->trust_cache,
                                  .store = config->signature_store,
                                  .keys = config->key_dir,
                                  .ttl = config->trust_ttl,
                                  .uid = uid};
}

bool snapshot_load_trust(const struct config *config, uid_t uid, const struct policy *policy,
                         struct trust_rules **out)
{
    struct err_list errors = {NULL, 0, 0};
    const struct trust_options options = trust_options_of(config, uid);
    bool ok = trust_rules_load(&options, policy, true, out, &errors);
    for (size_t i = 0; i < errors.count; i++)
        log_error("%s: %s", config_policy_name(config), errors.items[i].err.text);
    err_list_free(&errors);
    return ok;
}

/* The keys that the policy names, and what it demands by them. */
static bool load_trust(struct snapshot *snapshot, const struct snapshot_source *source)
{
    struct err err = {.set = false};
    if (!snapshot_load_trust(source->config, source->uid, snapshot->policy, &snapshot->trust))
        return false;
    if (!snapshot->trust || own_places_tell_trust(source->config, snapshot->policy, &err))
        return true;
    log_error("%s", err.text);
    return false;
}

static bool load_logins(struct snapshot *snapshot, const struct snapshot_source *source)
{
    const char *path = source->config->registry_auth;
    struct err err = {.set = false};
    if (!path)
        return true;
    snapshot->logins = registry_logins_read(path, source->uid, &err);
    if (!snapshot->logins)
        log_error("--registry-auth %s", err.text);
    return snapshot->logins != NULL;
}

static bool load_policy(struct snapshot *snapshot, struct snapshot_source *source)
{
    const struct config *config = source->config;
    struct err err = {.set = false};
    snprintf(snapshot->hash, sizeof(snapshot->hash), "builtin");
    snapshot->policy = config->policy   ? read_policy(source, snapshot->hash)
                       : config->dropin ? dropin_policy(config, snapshot->hash)
                                        : policy_builtin();
    if (!snapshot->policy)
        return false;
    if (!own_places_tell(config, snapshot->policy, &err)) {
        log_error("%s", err.text);
        return false;
    }
    return choose_role(snapshot, config) && load_trust(snapshot, source);
}

/* ---- TLS ----------------------------------------------------------------------------------- */

/* Who may change these files, or put others in their place, says who the clients are. */
static bool check_tls_files(const struct snapshot_source *source)
{
    const struct config *config = source->config;
    const struct {
        const char *option, *path;
    } files[] = {{"--tlscert", config->tls_cert},
                 {"--tlskey", config->tls_key},
                 {"--tlscacert", config->tls_ca},
                 {"--tlscrl", config->tls_crl}};
    bool ok = true;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct err err = {.set = false};
        if (!files[i].path || file_private_enough(files[i].path, source->uid, &err))
            continue;
        log_error("%s %s", files[i].option, err.text);
        ok = false;
    }
    return ok;
}

static bool needs_tls(const struct config *config)
{
    bool needed = false;
    for (size_t i = 0; i < config->host_count && !config->insecure_tcp; i++)
        needed |= str_starts(str_of(config->hosts[i]), STR("tcp://")) ||
                  (config->tls_cert && str_starts(str_of(config->hosts[i]), STR("fd://")));
    return needed;
}

/* Only when a listener needs it: files that nobody uses may be missing. */
static bool load_tls(struct snapshot *snapshot, const struct snapshot_source *source)
{
    const struct config *config = source->config;
    struct tls_files files = {.cert = config->tls_cert,
                              .key = config->tls_key,
                              .ca = config->tls_ca,
                              .crl = config->tls_crl,
                              .verify = config->tls_verify};
    struct err err = {.set = false};
    if (!needs_tls(config)) {
        if (config->tls_cert || config->tls_key || config->tls_ca || config->tls_crl)
            log_warn("TLS files are given, but no --host tcp://IP:PORT, so they are not used");
        return true;
    }
    snapshot->tls = tls_context_new(&files, &err);
    if (!snapshot->tls)
        log_error("%s", err.text);
    else if (!config->tls_verify)
        log_warn("--tlsverify=false: whoever reaches the TLS address is served without a "
                 "certificate; only his address tells who he is");
    return snapshot->tls && check_tls_files(source);
}

/* ---- the whole ----------------------------------------------------------------------------- */

struct snapshot *snapshot_load(struct snapshot_source *source)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot) {
        log_error("out of memory");
        return NULL;
    }
    atomic_init(&snapshot->references, 1);
    bool ok = load_policy(snapshot, source);
    ok &= load_tls(snapshot, source);
    ok &= load_logins(snapshot, source);
    if (ok)
        return snapshot;
    snapshot_unref(snapshot);
    return NULL;
}

void snapshot_source_free(struct snapshot_source *source)
{
    free(source->piped);
    source->piped = NULL;
}

/* ---- listeners ----------------------------------------------------------------------------- */

/* A listener's name is matched as it was given, to the byte. */
static void warn_of_unheard(const struct server *server, const struct policy *policy)
{
    struct str names[LISTENERS_MAX];
    for (size_t i = 0; i < server->count; i++)
        names[i] = str_of(server->listeners[i].name);
    for (size_t i = 0; i < policy_client_count(policy); i++) {
        const char *name = policy_client_unheard(policy, i, names, server->count);
        if (name)
            log_warn("the client \"%s\" is never met: its \"listener\" matches none of the --host "
                     "addresses; write one as it is given there, such as \"%s\"",
                     name, server->listeners[0].name);
    }
}

bool snapshot_tell_listeners(struct snapshot *snapshot, const struct server *server)
{
    struct err err = {.set = false};
    for (size_t i = 0; i < server->count; i++)
        if (!own_places_tell_socket(snapshot->policy, server->listeners[i].fd, &err)) {
            log_error("%s", err.text);
            return false;
        }
    if (server->admin.name && !own_places_tell_socket(snapshot->policy, server->admin.fd, &err)) {
        log_error("%s", err.text);
        return false;
    }
    if (!snapshot->role)
        warn_of_unheard(server, snapshot->policy);
    return true;
}

void snapshot_describe(const struct snapshot *snapshot, char *dst, size_t cap)
{
    const struct role *role = snapshot->role;
    size_t clients = role ? 0 : policy_client_count(snapshot->policy);
    if (!role)
        role = policy_default_role(snapshot->policy);
    const char *name = role ? role_name(role) : NULL;
    if (clients > 0)
        snprintf(dst, cap, "%zu %s of its policy%s%s", clients, clients == 1 ? "client" : "clients",
                 name ? ", all others with role " : "; all others are refused", name ? name : "");
    else
        snprintf(dst, cap, "role %s", name ? name : "none: all is refused");
}
