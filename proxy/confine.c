/* Who gets what of the sandbox; see confine.h. What a sandbox is, sandbox.c knows. */
#include "confine.h"

#include "sandbox.h"
#include "snapshot_load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A folder that we made is the user's, so that the socket in it can be removed at the end. */
static void give_folder(const struct listener *listener, const struct drop *drop)
{
    char folder[sizeof(listener->path)];
    if (!listener->made_folder)
        return;
    snprintf(folder, sizeof(folder), "%s", listener->path);
    *strrchr(folder, '/') = '\0';
    if (lchown(folder, drop->uid, drop->gid) != 0)
        log_warn("cannot give %s to the user %s: %s", folder, drop->name, strerror(errno));
}

static void give(const struct server *server, struct audit_sink *sink, const struct drop *drop)
{
    if (!drop->wanted)
        return;
    for (size_t i = 0; i < server->count; i++)
        give_folder(&server->listeners[i], drop);
    give_folder(&server->admin, drop);
    audit_give(sink, drop->uid, drop->gid);
}

/* Cgroups of clients, where the policy tells them by their containers. */
static bool reads_processes(const struct snapshot *snapshot)
{
    return !snapshot->role && policy_needs_container(snapshot->policy, NULL);
}

static void grant(struct sandbox *sandbox, const struct config *config, const struct server *server,
                  const struct audit_sink *sink)
{
    if (config->policy && strcmp(config->policy, "-") != 0)
        sandbox_grant_folder_of(sandbox, config->policy, SANDBOX_READ);
    sandbox_grant(sandbox, config->key_dir, SANDBOX_READ);
    if (config->registry_auth)
        sandbox_grant_folder_of(sandbox, config->registry_auth, SANDBOX_READ);
    if (config->signature_store)
        sandbox_grant(sandbox, config->signature_store, SANDBOX_READ | SANDBOX_LIST);
    for (size_t i = 0; i < config->audit_count; i++) {
        const char *target = config->audit_logs[i];
        if (!audit_target_is_file(target))
            continue;
        /* A pipe or a terminal is not replaced, and its folder (/dev, say) is nobody's to write. */
        if (audit_target_is_regular(sink, target))
            sandbox_grant_folder_of(sandbox, target, SANDBOX_APPEND);
        else
            sandbox_grant(sandbox, target, SANDBOX_APPEND);
    }
    const char *const files[] = {config->tls_cert, config->tls_key, config->tls_ca,
                                 config->tls_crl};
    for (size_t i = 0; i < ARRAY_LEN(files) && server->tls; i++)
        if (files[i])
            sandbox_grant_folder_of(sandbox, files[i], SANDBOX_READ);
    for (size_t i = 0; i < server->count; i++)
        if (server->listeners[i].inode)
            sandbox_grant_folder_of(sandbox, server->listeners[i].path, SANDBOX_REMOVE);
    if (server->admin.inode)
        sandbox_grant_folder_of(sandbox, server->admin.path, SANDBOX_REMOVE);
}

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool check_file(const char *what, const char *path)
{
    if (!path || strcmp(path, "-") == 0 || can_open(path, O_RDONLY))
        return true;
    int error = errno;
    log_error("%s %s could not be read again: %s; let the user that sockwarden runs as (uid %u) "
              "read it and enter its folder%s",
              what, path, strerror(error), (unsigned)geteuid(),
              error == EACCES ? ", which has to be the one of the start: replace files, not folders"
                              : "");
    return false;
}

bool confine_check_reach(const struct config *config, bool tls)
{
    bool ok = check_file("the policy", config->policy);
    ok &= check_file("--registry-auth", config->registry_auth);
    if (tls) {
        ok &= check_file("--tlscert", config->tls_cert);
        ok &= check_file("--tlskey", config->tls_key);
        ok &= check_file("--tlscacert", config->tls_ca);
        ok &= check_file("--tlscrl", config->tls_crl);
    }
    for (size_t i = 0; i < config->audit_count; i++)
        if (audit_target_is_file(config->audit_logs[i]) && is_regular(config->audit_logs[i]) &&
            !can_open(config->audit_logs[i], O_WRONLY | O_APPEND))
            log_warn("the audit log %s is written, but could not be opened again: %s; let the user "
                     "that sockwarden runs as write it",
                     config->audit_logs[i], strerror(errno));
    return ok;
}

/* The keys are read once more, as a reload does it, and the store has to be open to the user that
   serves. */
static bool check_trust(const struct config *config, const struct snapshot *snapshot)
{
    struct trust_rules *again = NULL;
    if (!snapshot->trust)
        return true;
    if (config->signature_store && !can_open(config->signature_store, O_RDONLY | O_DIRECTORY)) {
        if (errno == ENOENT)
            log_error("--signature-store %s is not there: make the folder",
                      config->signature_store);
        else
            log_error("--signature-store %s cannot be read: %s; let the user that sockwarden runs "
                      "as (uid %u) enter and list it",
                      config->signature_store, strerror(errno), (unsigned)geteuid());
        return false;
    }
    bool ok = snapshot_load_trust(config, geteuid(), snapshot->policy, &again);
    trust_rules_free(again);
    return ok;
}

bool confine(const struct config *config, const struct server *server, struct audit_sink *sink,
             const struct drop *drop, const struct snapshot *snapshot)
{
    static struct sandbox sandbox;
    struct err err = {.set = false};
    tzset(); /* reads files once, and not later */
    give(server, sink, drop);
    if (config->sandbox && reads_processes(snapshot))
        sandbox_grant(&sandbox, "/proc", SANDBOX_READ);
    if (config->sandbox)
        grant(&sandbox, config, server, sink);
    else
        log_warn("--sandbox off: system calls and files are not limited, so a flaw in this program "
                 "has all that its user has");
    if (!drop_privileges(drop, &err) || (config->sandbox && !sandbox_enter(&sandbox, &err))) {
        log_error("%s", err.text);
        return false;
    }
    /* What a reload will do has to work now, while somebody looks. */
    bool reached = confine_check_reach(config, server->tls != NULL);
    return check_trust(config, snapshot) && reached;
}
