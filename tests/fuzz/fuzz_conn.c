/* libFuzzer target for the connection machine. The input is a script: a byte says what happens and
   how much of what follows it concerns. The client's and the daemon's bytes are the input's. The
   loop is turned by hand. Until a tunnel stands, the daemon receives whole, rebuilt requests of
   what the role allows, the proxy's own look-ups, or nothing; at the end everything is closed and
   counted back. */
#include "../unit/conn_helper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS_MAX = 8, STEPS_MAX = 64 };

static struct world world;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void close_world(void)
{
    world_close(&world);
}

/* The world is opened once: making sockets is slow. Clients and daemons come and go. */
static void open_once(void)
{
    static bool opened;
    if (opened)
        return;
    opened = true;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    world_open(&world, "default", "none");
    world.config.max_body = 1024;
    world.config.max_head = 1024;
    atexit(close_world);
}

static bool follows(enum follow follow)
{
    return follow != FOLLOW_RESPONSE;
}

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A question of the proxy's own: a GET of one object, with no field of any client. */
static bool is_lookup(const struct http_request *read)
{
    return str_is(read->head.method, "GET") && read->framing == FRAMING_NONE &&
           read->head.field_count == 2 && str_is(read->head.fields[1].name, "User-Agent") &&
           str_is(read->head.fields[1].value, "sockwarden");
}

/* Only what was judged is sent on to act upon: a container by its full ID. */
static bool is_pinned(const struct request *sent)
{
    switch (sent->route->op) {
    case OP_ContainerExec:
    case OP_ContainerStart:
    case OP_ContainerAttach:
    case OP_ContainerRestart:
        for (size_t i = 0; i < sent->name.n; i++)
            if (!ascii_hex(sent->name.p[i]))
                return false;
        return sent->name.n == 64;
    default:
        return true;
    }
}

/* What has come to the daemon on one connection: heads that the policy allows with the bodies that
   belong to them. Goes no further than a request that may have become a tunnel. */
static void check_daemon(struct str bytes)
{
    static struct http_request http;
    static struct request request;
    while (bytes.n) {
        struct head_scan scan = {0, 0, 0};
        struct http_refusal refusal;
        struct decision decision;
        struct arena arena = {0};
        size_t length = 0;
        enum head_status status = head_scan(&scan, bytes, true, WORLD_ROOM, &length, &refusal);
        must(status != HEAD_BAD);
        if (status == HEAD_MORE)
            return; /* the daemon hung up while it came */
        must(http_request_read(str_head(bytes, length), &http, &refusal));
        must(request_parse(http.head.method, http.head.target, &arena, &request, &decision));
        must(str_is(http.host, "docker") && http.framing != FRAMING_CHUNKED);
        bytes = str_skip(bytes, length);
        if (is_lookup(&http)) {
            arena_free(&arena);
            continue;
        }
        if (http.framing == FRAMING_LENGTH) {
            must(http.length <= 1024);
            if (http.length > bytes.n)
                bytes.n = 0;
            else
                request.body = str_head(bytes, (size_t)http.length);
            bytes = str_skip(bytes, (size_t)http.length);
        }
        bool whole = http.framing != FRAMING_LENGTH || request.body.p;
        if (whole) {
            policy_decide(world.snapshot.role, &request, NULL, &arena, &decision);
            must(decision.verdict != VERDICT_DENY && is_pinned(&request));
        }
        bool tunnel = follows(request.route->follow);
        arena_free(&arena);
        if (tunnel || !whole)
            return;
    }
}

static void drop_daemon(void)
{
    actor_read(&world.daemon);
    check_daemon((struct str){world.daemon.in, world.daemon.n});
    actor_close(&world.daemon);
    actor_forget(&world.daemon);
}

static void turn(void)
{
    world_turn(&world);
    actor_read(&world.client);
    actor_read(&world.daemon);
    if (world.client.n > WORLD_ROOM / 2)
        world.client.n = 0;
    if (world.daemon.n > WORLD_ROOM / 2)
        drop_daemon();
    int fd = accept4(world.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        drop_daemon();
        world.daemon.fd = fd;
    }
}

static void settle(void)
{
    for (int i = 0; i < QUIET_TURNS; i++)
        turn();
}

/* A request that is allowed, so that the fuzzer need not find one again and again. */
static struct str stock(unsigned which)
{
    static const char *const texts[] = {
        "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
        "POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
        "Upgrade: tcp\r\n\r\n",
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        "Content-Length: 13\r\n\r\n{\"Image\":\"a\"}",
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "POST /containers/a/exec HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        "Content-Length: 14\r\n\r\n{\"Cmd\":[\"id\"]}",
        "POST /exec/a1/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n{}",
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        "Content-Length: "
        "52\r\n\r\n{\"Image\":\"a\",\"HostConfig\":{\"Binds\":[\"a:/a\",\"b:/b\"]}}",
        "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"
        "{\"Id\":\"" ID64 "\",\"Config\":{},\"HostConfig\":{}}",
        "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"ID\":\"a1\",\"ProcessConfig\":{}}",
        "HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{\"Id\":\"a1\"}",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}",
        "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        "Content-Length: 45\r\n\r\n{\"Image\":\"a\",\"HostConfig\":{\"Binds\":[\"v:/x\"]}}",
        "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n"
        "{\"Name\":\"v\",\"Driver\":\"local\",\"Options\":null}",
        "HTTP/1.1 201 Created\r\nContent-Length: 73\r\n\r\n{\"Id\":\""
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}",
        "HTTP/1.1 200 OK\r\nContent-Length: 54\r\n\r\n"
        "{\"Name\":\"v\",\"Driver\":\"local\",\"Options\":{\"device\":\"/\"}}",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    };
    return str_of(texts[which % ARRAY_LEN(texts)]);
}

/* One step of the script; bytes are those that it may use. Returns how many it did. */
static size_t step(unsigned what, unsigned n, struct str bytes)
{
    struct str piece = str_head(bytes, n);
    switch (what) {
    case 0:
        actor_write(&world.client, piece);
        return piece.n;
    case 1:
        actor_write(&world.daemon, piece);
        return piece.n;
    case 2:
        actor_write(&world.client, stock(n));
        return 0;
    case 3:
        actor_write(&world.daemon, stock(n));
        return 0;
    case 4:
        shutdown(n & 1 ? world.client.fd : world.daemon.fd, n & 2 ? SHUT_RDWR : SHUT_WR);
        return 0;
    case 5:
        if (n & 1)
            actor_close(&world.client);
        else
            drop_daemon();
        return 0;
    case 6:
        if (n == 31) { /* --stop-timeout is over, and then it goes on */
            conn_cut_all(&world.worker.context);
            settle();
            world.worker.context.draining = false;
        } else if (world.worker.context.conn_count < CLIENTS_MAX)
            world_connect(&world);
        return 0;
    default:
        settle();
        return 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str script = {(const char *)data, size};
    open_once();
    world_connect(&world);
    for (int steps = 0; script.n && steps < STEPS_MAX; steps++) {
        unsigned char op = (unsigned char)script.p[0];
        unsigned n = op >> 3;
        script = str_skip(script, 1);
        if ((op & 7) < 2 && n == 31 && script.n) { /* long pieces have a byte of their own */
            n = 31 + 4u * (unsigned char)script.p[0];
            script = str_skip(script, 1);
        }
        script = str_skip(script, step(op & 7, n, script));
        turn();
    }
    settle();
    actor_close(&world.client);
    drop_daemon();
    settle();
    /* A daemon that was called at the last moment. */
    drop_daemon();
    settle();
    conn_close_all(&world.worker.context);
    must(world.worker.context.conn_count == 0 && atomic_load(&world.shared.connections) == 0);
    must(world.worker.context.loop.timers == 0);
    drop_daemon();
    while ((world.daemon.fd = accept(world.listen_fd, NULL, NULL)) >= 0)
        drop_daemon();
    return 0;
}
