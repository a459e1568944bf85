/* HUP; see reload.h. The main thread loads and checks; each loop then takes the new set over by its
   own wake-up, so that no request meets a lock. */
#include "reload.h"

#include "confine.h"
#include "peer_container.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { TICK_US = 2000, HASH_SHOWN = 12 };

/* ---- what is said -------------------------------------------------------------------------- */

static void tell_manager(const struct reload *reload, const char *failure)
{
    char served[128 + POLICY_NAME_MAX], state[400 + POLICY_NAME_MAX];
    snapshot_describe(reload->snapshot, served, sizeof(served));
    snprintf(state, sizeof(state), "READY=1\nSTATUS=%s%sserves %s", failure,
             config_mode_phrase(reload->source.config), served);
    systemd_notify(reload->notifier, state);
}

static void describe_tls(const struct snapshot *old, const struct snapshot *fresh, char *dst,
                         size_t cap)
{
    char day[32];
    struct tm tm;
    dst[0] = '\0';
    if (!fresh->tls)
        return;
    time_t end = tls_context_not_after(fresh->tls);
    if (!gmtime_r(&end, &tm) || strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        day[0] = '\0';
    snprintf(dst, cap, "; TLS files %s, certificate until %s",
             fresh->tls == old->tls ? "unchanged" : "loaded", day);
}

static void describe(struct reload *reload, const struct snapshot *fresh)
{
    const struct config *config = reload->source.config;
    const struct snapshot *old = reload->snapshot;
    char policy[80], tls[80];
    if (strcmp(old->hash, fresh->hash) == 0)
        snprintf(policy, sizeof(policy), "unchanged (%.*s)", HASH_SHOWN, fresh->hash);
    else
        snprintf(policy, sizeof(policy), "%.*s -> %.*s", HASH_SHOWN, old->hash, HASH_SHOWN,
                 fresh->hash);
    describe_tls(old, fresh, tls, sizeof(tls));
    snprintf(reload->said, sizeof(reload->said), "reloaded: policy %s %s%s%s",
             config_policy_name(config), policy, tls,
             audit_has_files(reload->sink) ? "; audit files opened again" : "");
}

/* ---- loading ------------------------------------------------------------------------------- */

/* The same files give the same context, with its sessions. */
static void keep_tls(const struct snapshot *old, struct snapshot *fresh)
{
    if (!fresh->tls || !tls_context_same(old->tls, fresh->tls))
        return;
    tls_context_unref(fresh->tls);
    fresh->tls = tls_context_ref(old->tls);
}

/* The sandbox was opened for what the policy of the start asked for. */
static bool sees_clients(const struct snapshot *fresh)
{
    if (fresh->role || !policy_needs_container(fresh->policy, NULL) || container_sees(getpid()))
        return true;
    log_error(
        "\"clients\" of the policy ask for containers, which the policy of the start did not, "
        "so the sandbox keeps /proc closed: restart sockwarden with this policy");
    return false;
}

/* Helpers are started before the sandbox is closed, or never. */
static bool has_registry(const struct reload *reload, const struct snapshot *fresh)
{
    if (reload->registry || !trust_rules_want_registry(fresh->trust))
        return true;
    log_error("images.signed wants registries to be asked, which the policy of the start did not, "
              "so no registry helper was started: restart sockwarden with this policy");
    return false;
}

/* NULL: the log says why. The audit files are the last step, since they cannot be taken back. */
static struct snapshot *load(struct reload *reload)
{
    const struct config *config = reload->source.config;
    struct err err = {.set = false};
    if (!confine_check_reach(config, reload->server->tls != NULL))
        return NULL;
    struct snapshot *fresh = snapshot_load(&reload->source);
    if (!fresh)
        return NULL;
    keep_tls(reload->snapshot, fresh);
    if (sees_clients(fresh) && has_registry(reload, fresh) &&
        snapshot_tell_listeners(fresh, reload->server)) {
        if (audit_reopen(reload->sink, &err))
            return fresh;
        log_error("%s", err.text);
    }
    snapshot_unref(fresh);
    return NULL;
}

static void hand_out(struct reload *reload, struct snapshot *fresh)
{
    struct server *server = reload->server;
    struct snapshot *old = reload->snapshot;
    reload->snapshot = fresh;
    server->tls = fresh->tls;
    for (size_t i = 0; i < server->worker_count; i++)
        worker_renew(&server->workers[i], fresh);
    if (old->tls && old->tls != fresh->tls)
        tls_context_forget_sessions(old->tls);
    snapshot_unref(old);
}

static void begin(struct reload *reload)
{
    struct timeval tick = {.tv_sec = 0, .tv_usec = TICK_US};
    log_info("SIGHUP: reloading");
    systemd_notify_reloading(reload->notifier);
    struct snapshot *fresh = load(reload);
    if (!fresh) {
        log_error("not reloaded: mend what the lines above say, and reload again; the old policy, "
                  "certificates and audit files stay in use");
        tell_manager(reload, "last reload failed, see the log; ");
        metrics_count_reload(false);
        return;
    }
    describe(reload, fresh);
    hand_out(reload, fresh);
    reload->waiting = true;
    event_add(reload->tick, &tick);
}

/* ---- events -------------------------------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct reload *reload = arg;
    if (!workers_renewed(reload->server->workers, reload->server->worker_count))
        return;
    event_del(reload->tick);
    reload->waiting = false;
    log_info("%s", reload->said);
    metrics_count_reload(true);
    bool again = reload->again && !reload->stopping;
    reload->again = false;
    if (again)
        begin(reload);
    else if (!reload->stopping)
        tell_manager(reload, "");
}

static void on_hup(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    struct reload *reload = arg;
    if (reload->stopping)
        log_info("SIGHUP: nothing is reloaded while stopping");
    else if (reload->waiting)
        reload->again = true;
    else
        begin(reload);
}

bool reload_watch(struct reload *reload)
{
    struct event_base *base = reload->server->workers[0].context.loop.base;
    reload->hup = evsignal_new(base, SIGHUP, on_hup, reload);
    reload->tick = event_new(base, -1, EV_PERSIST, on_tick, reload);
    return reload->hup && reload->tick && event_add(reload->hup, NULL) == 0;
}

void reload_close(struct reload *reload)
{
    if (reload->hup)
        event_free(reload->hup);
    if (reload->tick)
        event_free(reload->tick);
    reload->hup = reload->tick = NULL;
    snapshot_unref(reload->snapshot);
    reload->snapshot = NULL;
    snapshot_source_free(&reload->source);
}
