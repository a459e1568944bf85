/* sockwarden serve: assembles the daemon from its parts, and takes it down again. */
#include "cmd.h"

#include "address.h"
#include "admin.h"
#include "confine.h"
#include "dropin.h"
#include "exec_table.h"
#include "host_warn.h"
#include "lookup.h"
#include "peer_container.h"
#include "registry_spawn.h"
#include "reload.h"
#include "bypass.h"
#include "upstream.h"
#include "usage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct daemon {
    struct config config;
    struct reload reload; /* holds what is served now */
    struct shared shared;
    struct audit_sink *sink;
    EVP_MD *sha256;
    struct worker *workers;
    size_t worker_count; /* opened ones */
    struct server server;
    struct admin admin;
    struct event *signals[2];
    struct event *deadline; /* of a stop */
    struct drop drop;
    struct host_root host_root;
    struct registry_lines registries;
    struct systemd_notifier notifier;
    struct event *watchdog; /* NULL: nobody wants to hear */
    int stopping;           /* how many times it was asked for */
    uint64_t stop_ms;       /* monotonic: when what still runs is cut */
    bool cut;               /* it has been */
};

/* ---- signals ------------------------------------------------------------------------------- */

enum { LAST_WORDS_MS = 1000 }; /* for what has been ended to reach the clients */

static void end_loops(struct daemon *daemon, enum worker_end end)
{
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_tell(&daemon->workers[i], end);
}

static void on_stop_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct daemon *daemon = arg;
    uint64_t now = clock_now_ms();
    unsigned left = atomic_load(&daemon->shared.connections);
    if (left == 0 || now >= daemon->stop_ms + LAST_WORDS_MS) {
        end_loops(daemon, WORKER_STOPS);
    } else if (now >= daemon->stop_ms && !daemon->cut) {
        daemon->cut = true;
        log_info("--stop-timeout is over: %u connections are ended", left);
        end_loops(daemon, WORKER_CUTS);
    }
}

static void on_stop_signal(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    struct daemon *daemon = arg;
    if (daemon->stopping++ > 0) {
        end_loops(daemon, WORKER_STOPS);
        return;
    }
    daemon->reload.stopping = true;
    log_info("%s: no new connections; what runs may finish within %u s",
             number == SIGINT ? "SIGINT" : "SIGTERM", daemon->config.stop_timeout);
    systemd_notify(&daemon->notifier, "STOPPING=1\nSTATUS=stopping; what runs may finish");
    listeners_take_rest(&daemon->server);
    listeners_close(&daemon->server);
    end_loops(daemon, WORKER_DRAINS);
    daemon->stop_ms = clock_now_ms() + (uint64_t)daemon->config.stop_timeout * 1000;
    struct timeval tick = {.tv_sec = 0, .tv_usec = 20000};
    event_add(daemon->deadline, &tick);
}

static bool watch_signals(struct daemon *daemon)
{
    struct event_base *base = daemon->workers[0].context.loop.base;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* an audit file at the limit of its size is a failed write */
    /* What libevent restores at the end, so that a late second signal cannot end us by itself. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    daemon->signals[0] = evsignal_new(base, SIGTERM, on_stop_signal, daemon);
    daemon->signals[1] = evsignal_new(base, SIGINT, on_stop_signal, daemon);
    daemon->deadline = event_new(base, -1, EV_PERSIST, on_stop_tick, daemon);
    for (size_t i = 0; i < ARRAY_LEN(daemon->signals); i++)
        if (!daemon->signals[i] || event_add(daemon->signals[i], NULL) != 0)
            return false;
    return daemon->deadline != NULL && reload_watch(&daemon->reload);
}

/* One that comes before all is loaded waits until then, and does not end us. */
static void hold_hup(bool hold)
{
    sigset_t hup;
    if (hold)
        signal(SIGHUP, SIG_IGN); /* what libevent restores; later it would drop one that waits */
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &hup, NULL);
}

/* ---- systemd ------------------------------------------------------------------------------- */

/* Silence while a loop hangs: systemd then restarts the service. */
static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct daemon *daemon = arg;
    if (workers_answer(daemon->workers, daemon->worker_count))
        systemd_notify(&daemon->notifier, "WATCHDOG=1");
}

static bool watch_loops(struct daemon *daemon)
{
    uint64_t ms = daemon->notifier.watchdog_ms / 4;
    if (ms == 0)
        return true;
    struct timeval tick = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};
    daemon->watchdog =
        event_new(daemon->workers[0].context.loop.base, -1, EV_PERSIST, on_watchdog, daemon);
    return daemon->watchdog && event_add(daemon->watchdog, &tick) == 0;
}

/* ---- start --------------------------------------------------------------------------------- */

/* Two descriptors a connection, those of look-ups and of pipes, and some of our own. */
static void raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    rlim_t want = (rlim_t)config->max_connections * 2 + LOOKUP_FURTHER_MAX + 64 +
                  (rlim_t)config->workers * BYPASS_PIPES_MAX * 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
        return;
    struct rlimit beyond = {want, want}; /* root may, in most containers, too */
    if (want > limit.rlim_max && setrlimit(RLIMIT_NOFILE, &beyond) == 0)
        return;
    limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < want)
        log_warn("only %llu descriptors are allowed, too few for --max-connections %u; raise the "
                 "limit (ulimit -n, LimitNOFILE=)",
                 (unsigned long long)limit.rlim_cur, config->max_connections);
}

/* Who does not see the daemon's process sees no container's, either. */
static void warn_of_blindness(const struct daemon *daemon, int fd)
{
    struct ucred cred = {0, (uid_t)-1, (gid_t)-1};
    socklen_t length = sizeof(cred);
    const struct snapshot *snapshot = daemon->reload.snapshot;
    if (snapshot->role || !policy_needs_container(snapshot->policy, NULL) ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) != 0)
        return;
    if (cred.pid != 0) {
        if (!container_sees(cred.pid))
            log_warn("\"clients\" of the policy ask for containers, and /proc does not show other "
                     "users' processes (hidepid; of the systemd unit: ProtectProc=default is "
                     "needed), so whoever would be told by them is refused");
        return;
    }
    log_warn(
        "\"clients\" of the policy ask for containers, and from here no process of another "
        "container can be seen, so those entries match nobody: run sockwarden in the host's pid "
        "namespace (docker run --pid=host, compose: pid: host)");
}

/* Tells at start what every request would tell later; the daemon may also come up after us. */
static void probe_upstream(const struct daemon *daemon)
{
    const struct context *context = &daemon->workers[0].context;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&context->upstream;
    if (connect(fd, address, sizeof(context->upstream)) != 0 && errno != EAGAIN) {
        char message[600];
        upstream_explain(context, errno, message, sizeof(message));
        log_warn("%s", message);
    } else {
        warn_of_blindness(daemon, fd);
    }
    close(fd);
}

static bool open_workers(struct daemon *daemon)
{
    unsigned count = daemon->config.workers;
    daemon->workers = calloc(count, sizeof(*daemon->workers));
    daemon->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    daemon->shared.execs = exec_table_new();
    daemon->shared.usages = usage_table_new();
    if (!daemon->workers || !daemon->sha256 || !daemon->shared.execs || !daemon->shared.usages) {
        log_error("out of memory");
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        daemon->worker_count++;
        if (!worker_open(&daemon->workers[i], i, &daemon->config, daemon->reload.snapshot,
                         &daemon->shared, daemon->sink, daemon->sha256)) {
            log_error("cannot make event loop %u: %s", i, strerror(errno));
            return false;
        }
    }
    daemon->server.workers = daemon->workers;
    daemon->server.worker_count = daemon->worker_count;
    return true;
}

/* Is the daemon's socket one of our own listeners under another path? */
static bool upstream_is_own(const struct daemon *daemon)
{
    struct stat upstream, own;
    if (stat(address_unix_path(daemon->config.upstream), &upstream) != 0)
        return false;
    for (size_t i = 0; i < daemon->server.count; i++) {
        const char *path = daemon->server.listeners[i].path;
        if (path[0] && stat(path, &own) == 0 && own.st_dev == upstream.st_dev &&
            own.st_ino == upstream.st_ino)
            return true;
    }
    return false;
}

static void say_warning(const char *sentence, void *arg)
{
    (void)arg;
    log_warn("%s", sentence);
}

static bool open_listeners(struct daemon *daemon)
{
    struct err err = {.set = false};
    identity_learn_numbers();
    daemon->server.config = &daemon->config;
    daemon->server.loop = &daemon->workers[0].context.loop;
    daemon->server.shared = &daemon->shared;
    daemon->server.tls = daemon->reload.snapshot->tls;
    if (!listeners_open(&daemon->server, &err)) {
        log_error("%s", err.text);
        return false;
    }
    if (upstream_is_own(daemon)) {
        log_error("--upstream %s is one of the own --host addresses: the proxy would ask itself",
                  daemon->config.upstream);
        return false;
    }
    if (!snapshot_tell_listeners(daemon->reload.snapshot, &daemon->server))
        return false;
    for (size_t i = 0; i < daemon->server.count; i++)
        host_root_add_listener(&daemon->host_root, daemon->server.listeners[i].fd);
    if (!listeners_start(&daemon->server, &err) ||
        !admin_start(&daemon->admin, &daemon->server, &err)) {
        log_error("%s", err.text);
        return false;
    }
    return true;
}

static void announce(const struct daemon *daemon)
{
    const struct config *config = &daemon->config;
    char served[128 + POLICY_NAME_MAX];
    snapshot_describe(daemon->reload.snapshot, served, sizeof(served));
    log_info("sockwarden %s serves %s (%s) in front of %s", SOCKWARDEN_VERSION, served,
             config_policy_name(config), config->upstream);
    if (config->audit_mode)
        log_warn("--mode audit: NOTHING IS REFUSED BY THE POLICY; what it would refuse goes on to "
                 "the daemon and is recorded with \"would_deny\". Learn a policy from the audit "
                 "log (sockwarden learn), then start with --mode enforce");
    for (size_t i = 0; i < daemon->server.count; i++) {
        const struct listener *listener = &daemon->server.listeners[i];
        bool is_unix = listener->path[0] != '\0';
        log_info("listening on %s; for the docker CLI: export DOCKER_HOST=%s%s%s", listener->name,
                 is_unix ? "unix://" : "", is_unix ? listener->path : listener->name,
                 listener->tls ? " DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=FOLDER" : "");
    }
    if (config->admin)
        log_info("metrics and health on %s: /metrics, /healthz, /readyz", config->admin);
    dropin_tell(config, daemon->reload.snapshot->hash);
    char state[240 + POLICY_NAME_MAX];
    snprintf(state, sizeof(state), "READY=1\nSTATUS=%sserves %s", config_mode_phrase(config),
             served);
    systemd_notify(&daemon->notifier, state);
}

static bool start_threads(struct daemon *daemon)
{
    /* Signals belong to the main thread. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool ok = true;
    for (size_t i = 1; i < daemon->worker_count && ok; i++)
        ok = worker_start_thread(&daemon->workers[i]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!ok)
        log_error("cannot start a thread: %s", strerror(errno));
    return ok;
}

/* What has to be known before anything is opened. */
static bool prepare(struct daemon *daemon)
{
    struct err err = {.set = false};
    const struct config *config = &daemon->config;
    const char *upstream = address_unix_path(config->upstream);
    bool ok = systemd_read_sockets(&daemon->server.inherited, &err) &&
              drop_find(config->user, upstream, &daemon->drop, &err) &&
              host_root_open(config->host_root, upstream, &daemon->host_root, &err);
    daemon->shared.host_root = &daemon->host_root;
    if (!ok)
        log_error("%s", err.text);
    systemd_open_notifier(&daemon->notifier);
    raise_descriptor_limit(config);
    return ok;
}

static bool load(struct daemon *daemon)
{
    struct reload *reload = &daemon->reload;
    reload->source = (struct snapshot_source){.config = &daemon->config, .uid = daemon->drop.uid};
    reload->server = &daemon->server;
    reload->notifier = &daemon->notifier;
    reload->snapshot = snapshot_load(&reload->source);
    if (!reload->snapshot)
        log_error("nothing is served until what the lines above say is mended");
    return reload->snapshot != NULL;
}

/* Before threads and sandbox, and where the policy wants it: else there is no such process. */
static bool start_registry(struct daemon *daemon)
{
    struct err err = {.set = false};
    if (!trust_rules_want_registry(daemon->reload.snapshot->trust))
        return true;
    if (!registry_spawn(&daemon->config, daemon->config.workers, &daemon->registries, &err)) {
        log_error("%s", err.text);
        return false;
    }
    daemon->shared.registries = &daemon->registries;
    daemon->reload.registry = true;
    log_info("registries are asked for signatures by a process of its own");
    return true;
}

static bool open_trust(struct daemon *daemon)
{
    struct err err = {.set = false};
    const struct trust_options options = trust_options_of(&daemon->config, daemon->drop.uid);
    daemon->shared.trust = trust_open(&options, &err);
    if (!daemon->shared.trust)
        log_error("%s", err.text);
    return daemon->shared.trust != NULL;
}

/* As the user that serves, who sees less than root. */
static void warn_of_binds(const struct daemon *daemon)
{
    if (daemon->host_root.by_name)
        log_warn("--host-root none: bind sources are judged by name only, so that a symbolic link "
                 "below an allowed path leads wherever it points");
    host_warn(&daemon->host_root, daemon->reload.snapshot->policy, true, say_warning, NULL);
}

static bool start(struct daemon *daemon)
{
    struct err err = {.set = false};
    const struct config *config = &daemon->config;
    if (!prepare(daemon) || !load(daemon) || !start_registry(daemon) || !open_trust(daemon))
        return false;
    daemon->sink = daemon->reload.sink = audit_open(config->audit_logs, config->audit_count, &err);
    if (!daemon->sink) {
        log_error("%s", err.text);
        return false;
    }
    if (!open_workers(daemon) || !watch_signals(daemon) || !watch_loops(daemon) ||
        !open_listeners(daemon) ||
        !confine(config, &daemon->server, daemon->sink, &daemon->drop, daemon->reload.snapshot))
        return false;
    probe_upstream(daemon);
    warn_of_binds(daemon);
    return start_threads(daemon);
}

static void take_down(struct daemon *daemon)
{
    admin_close(&daemon->admin);
    listener_close(&daemon->server.admin);
    listeners_close(&daemon->server);
    for (size_t i = 0; i < ARRAY_LEN(daemon->signals); i++)
        if (daemon->signals[i])
            event_free(daemon->signals[i]);
    if (daemon->deadline)
        event_free(daemon->deadline);
    if (daemon->watchdog)
        event_free(daemon->watchdog);
    reload_close(&daemon->reload);
    end_loops(daemon, WORKER_STOPS);
    for (size_t i = daemon->worker_count; i > 0; i--)
        worker_close(&daemon->workers[i - 1]);
    free(daemon->workers);
    EVP_MD_free(daemon->sha256);
    exec_table_free(daemon->shared.execs);
    usage_table_free(daemon->shared.usages);
    trust_close(daemon->shared.trust);
    registry_lines_close(&daemon->registries);
    audit_close(daemon->sink);
    host_root_close(&daemon->host_root);
    systemd_close_notifier(&daemon->notifier);
}

/* What the kernel refused it, say. It must not write between our lines by itself. */
static void on_libevent_says(int severity, const char *text)
{
    if (severity == EVENT_LOG_ERR)
        log_error("libevent: %s", text);
    else if (severity == EVENT_LOG_WARN)
        log_warn("libevent: %s", text);
}

int cmd_serve(int argc, char **argv)
{
    static struct daemon daemon = {.notifier.fd = -1, .host_root.fd = -1};
    struct err err = {.set = false};
    if (!config_read(argc, argv, &daemon.config, &err))
        return cmd_fail(EXIT_USAGE, "%s", err.text);
    log_setup(daemon.config.log_level, daemon.config.log_format);
    event_set_log_callback(on_libevent_says);
    hold_hup(true);
    bool ok = start(&daemon);
    if (ok) {
        hold_hup(false);
        announce(&daemon);
        loop_run(&daemon.workers[0].context.loop);
        log_info("stopped");
    }
    take_down(&daemon);
    config_free(&daemon.config);
    return ok ? EXIT_OK : EXIT_FAILED;
}
