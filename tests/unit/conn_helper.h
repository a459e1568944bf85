/* The connection machine in one process: a worker whose loop is turned by hand, clients on socket
   pairs, and a daemon that is the test itself behind a listening Unix socket. */
#ifndef TESTS_CONN_HELPER_H
#define TESTS_CONN_HELPER_H

#include "exec_table.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORLD_ROOM = 256 << 10, QUIET_TURNS = 4 };

/* One end that the test plays: what it has received so far. */
struct actor {
    int fd;     /* -1: not there */
    bool ended; /* its peer will send no more */
    size_t n;
    char in[WORLD_ROOM]; /* NUL-terminated */
};

struct world {
    struct config config;
    struct snapshot snapshot;
    struct shared shared;
    struct worker worker;
    struct audit_sink *sink;
    EVP_MD *sha256;
    char folder[40];
    char socket_path[64], socket_name[80], audit_path[64];
    int listen_fd;       /* -1: the daemon is away */
    unsigned accepted;   /* connections that the daemon has got */
    struct task stopper; /* ends a turn */
    struct actor client, daemon;
};

static inline void world_must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "the test's own part fails: %s: %s\n", what, strerror(errno));
    abort();
}

static inline void world_stop(void *arg)
{
    ((struct world *)arg)->worker.context.loop.stop = true;
}

static inline void world_listen(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unlink(world->socket_path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->socket_path);
    world->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    world_must(bind(world->listen_fd, (const struct sockaddr *)(const void *)&address,
                    sizeof(address)) == 0 &&
                   listen(world->listen_fd, 16) == 0,
               "listen");
}

static inline void actor_close(struct actor *actor)
{
    if (actor->fd >= 0)
        close(actor->fd);
    actor->fd = -1;
}

static inline void actor_forget(struct actor *actor)
{
    actor->n = 0;
    actor->in[0] = '\0';
    actor->ended = false;
}

/* Takes in what there is. */
static inline bool actor_read(struct actor *actor)
{
    size_t before = actor->n;
    while (actor->fd >= 0 && !actor->ended && actor->n + 1 < sizeof(actor->in)) {
        ssize_t n = recv(actor->fd, actor->in + actor->n, sizeof(actor->in) - 1 - actor->n, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            actor->ended = n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        if (n <= 0)
            break;
        actor->n += (size_t)n;
    }
    actor->in[actor->n] = '\0';
    return actor->n != before;
}

/* False: the peer takes no (more) bytes. */
static inline bool actor_write(const struct actor *actor, struct str bytes)
{
    return actor->fd >= 0 && send(actor->fd, bytes.p, bytes.n, MSG_NOSIGNAL) == (ssize_t)bytes.n;
}

/* role: a built-in one. audit: a target, NULL: a file in the world's folder. */
static inline void world_open(struct world *world, const char *role, const char *audit)
{
    memset(world, 0, sizeof(*world));
    world->client.fd = world->daemon.fd = world->listen_fd = -1;
    snprintf(world->folder, sizeof(world->folder), "/tmp/sockwarden-conn-XXXXXX");
    world_must(mkdtemp(world->folder) != NULL, "mkdtemp");
    snprintf(world->socket_path, sizeof(world->socket_path), "%s/d.sock", world->folder);
    snprintf(world->socket_name, sizeof(world->socket_name), "unix://%s", world->socket_path);
    snprintf(world->audit_path, sizeof(world->audit_path), "%s/audit", world->folder);
    char upstream[128];
    snprintf(upstream, sizeof(upstream), "--upstream=%s", world->socket_name);
    char *argv[] = {(char[]){"test"}, upstream, (char[]){"--max-body=4096"},
                    (char[]){"--max-head=2048"}, NULL};
    world_must(config_read(4, argv, &world->config, NULL), "config_read");
    world->config.upstream = world->socket_name;
    atomic_init(&world->snapshot.references, 1);
    world->snapshot.policy = policy_builtin();
    world_must(world->snapshot.policy != NULL, "policy_builtin");
    world->snapshot.role = policy_role(world->snapshot.policy, str_of(role));
    world_must(world->snapshot.role != NULL, "policy_role");
    snprintf(world->snapshot.hash, sizeof(world->snapshot.hash), "builtin");
    const char *targets[] = {audit ? audit : world->audit_path};
    world->sink = audit_open(targets, 1, NULL);
    world->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    world->shared.execs = exec_table_new();
    world->shared.usages = usage_table_new();
    world_must(world->sink && world->sha256 && world->shared.execs && world->shared.usages,
               "audit_open");
    world_must(worker_open(&world->worker, 0, &world->config, &world->snapshot, &world->shared,
                           world->sink, world->sha256),
               "worker_open");
    world->stopper = (struct task){.run = world_stop, .arg = world};
    world_listen(world);
}

static inline void world_close(struct world *world)
{
    actor_close(&world->client);
    actor_close(&world->daemon);
    if (world->listen_fd >= 0)
        close(world->listen_fd);
    worker_close(&world->worker);
    world_must(atomic_load(&world->shared.connections) == 0, "connections are counted as open");
    world_must(atomic_load(&world->shared.fact_bytes) == 0, "answers are counted as held");
    world_must(atomic_load(&world->shared.lookup_lines) == 0, "look-ups are counted as open");
    exec_table_free(world->shared.execs);
    usage_table_free(world->shared.usages);
    audit_close(world->sink);
    EVP_MD_free(world->sha256);
    policy_free(world->snapshot.policy);
    config_free(&world->config);
    unlink(world->socket_path);
    unlink(world->audit_path);
    rmdir(world->folder);
}

/* A new client; the one before is closed. */
static inline void world_connect(struct world *world)
{
    int fds[2];
    actor_close(&world->client);
    actor_forget(&world->client);
    world_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
               "socketpair");
    world->client.fd = fds[1];
    struct handoff handoff = {.fd = fds[0], .listener = "test"};
    handoff.address.ss_family = AF_UNIX;
    worker_give(&world->worker, &handoff);
}

/* One turn of the loop, without waiting. */
static inline void world_turn(struct world *world)
{
    struct loop *loop = &world->worker.context.loop;
    loop->stop = false;
    loop_again(loop, &world->stopper);
    loop_run(loop);
}

/* The daemon takes one connection at a time; a new one replaces the one it had. */
static inline bool world_accept(struct world *world)
{
    int fd = world->listen_fd < 0
                 ? -1
                 : accept4(world->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    actor_read(&world->daemon);
    actor_close(&world->daemon);
    world->daemon.fd = fd;
    world->daemon.ended = false;
    world->accepted++;
    return true;
}

/* Turns until nothing moves any more. */
static inline void world_settle(struct world *world)
{
    for (int quiet = 0, turns = 0; quiet < QUIET_TURNS; quiet++, turns++) {
        world_must(turns < 20000, "it does not settle");
        world_turn(world);
        bool moved = world_accept(world);
        moved |= actor_read(&world->client);
        moved |= actor_read(&world->daemon);
        if (moved)
            quiet = 0;
    }
}

#endif
