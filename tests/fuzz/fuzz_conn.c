/* libFuzzer target for the connection machine. The input is a script: a byte says what happens and
   how much of what follows it concerns. The client's and the daemon's bytes are the input's. The
   loop is turned by hand; time passes, memory runs out and the audit log fails when it says so.
   Until a tunnel stands, the daemon receives whole, rebuilt requests of what the role allows, one
   at a time and each written down before, the proxy's own look-ups, or nothing; the client gets
   framed answers, one for a request. In the end all ends by itself and is counted back. */
#include "fuzz_conn_checks.h"

#include <signal.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS_MAX = 8, STEPS_MAX = 64 };

static struct world world;
static struct policy *owned_policy;
static const struct role *roles[2]; /* what may be done, and what only by the owner, in limits */
static char owner[32];
static bool roles_used[2]; /* by this input */
static struct heads client_sent, head_asked, daemon_sent;
static bool client_whole; /* all that the client has got is there, and can be framed */

static void close_world(void)
{
    world_close(&world);
    policy_free(owned_policy);
}

static void open_roles(void)
{
    static const char text[] =
        "{\"version\":1,\"roles\":{\"owned\":{\"extends\":\"builtin:default\",\"owner\":{\"label\":"
        "\"com.example.o\",\"value\":\"uid-${uid}\"},\"limits\":{\"connections\":2,\"streams\":1}}}"
        "}";
    struct err_list errors = {0};
    owned_policy = policy_load(str_of(text), &errors);
    world_must(owned_policy != NULL, errors.count ? errors.items[0].err.text : "policy_load");
    err_list_free(&errors);
    roles[0] = world.snapshot.role;
    roles[1] = policy_role(owned_policy, STR("owned"));
    snprintf(owner, sizeof(owner), "uid-%u", (unsigned)getuid());
}

/* The world is opened once: making sockets is slow. Clients and daemons come and go. */
static void open_once(void)
{
    static bool opened;
    if (opened)
        return;
    opened = true;
    signal(SIGPIPE, SIG_IGN); /* as the program does: splice(2) has no flag against it */
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    world_open(&world, "default", "none");
    world.config.max_body = 1024;
    world.config.max_head = 1024;
    open_roles();
    atexit(close_world);
}

static bool follows(enum follow follow)
{
    return follow != FOLLOW_RESPONSE;
}

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A question of the proxy's own, with no field of any client: a GET of one object; for an owner the
   making of a volume; the removal of a container that came out other than it was judged. */
static bool is_lookup(const struct http_request *read)
{
    bool own = read->head.field_count >= 2 && str_is(read->head.fields[1].name, "User-Agent") &&
               str_is(read->head.fields[1].value, "sockwarden");
    if (own && str_is(read->head.method, "POST"))
        return roles_used[1] && str_is(read->head.target, "/volumes/create") &&
               read->head.field_count == 4;
    return own && read->head.field_count == 2 && read->framing == FRAMING_NONE &&
           (str_is(read->head.method, "GET") || str_is(read->head.method, "DELETE"));
}

/* By one of the roles that were in force. */
static bool may_pass(const struct request *request, struct arena *arena)
{
    struct decision decision;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        struct facts facts = {.arena = arena, .owner = str_of(owner)};
        if (!roles_used[i])
            continue;
        policy_decide(roles[i], request, &facts, arena, &decision);
        if (decision.verdict != VERDICT_DENY)
            return true;
    }
    return false;
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
    for (unsigned got = 1; bytes.n; got++) {
        struct head_scan scan = {0, 0, 0};
        struct http_refusal refusal;
        struct decision decision; /* of a target that is none */
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
        must(got <= daemon_sent.count + 1); /* the next one waits for the answer to the last */
        bool lookup = is_lookup(&http);
        if (!lookup)
            must_be_written(request.route->op);
        if (http.framing == FRAMING_LENGTH) {
            must(http.length <= 1024 + 256); /* with labels that are added */
            if (http.length > bytes.n)
                bytes.n = 0;
            else
                request.body = str_head(bytes, (size_t)http.length);
            bytes = str_skip(bytes, (size_t)http.length);
        }
        bool whole = http.framing != FRAMING_LENGTH || request.body.p;
        if (whole && !lookup)
            must(may_pass(&request, &arena) && is_pinned(&request));
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
    daemon_sent = (struct heads){0, 0};
}

static void drop_client(void)
{
    actor_read(&world.client);
    if (client_whole)
        check_answers((struct str){world.client.in, world.client.n}, client_sent.count);
    actor_close(&world.client);
    actor_forget(&world.client);
}

static void connect_client(void)
{
    drop_client();
    world_connect(&world);
    client_sent = head_asked = (struct heads){0, 0};
    client_whole = true;
}

/* What a HEAD asks for has no body, whatever its answer says, and is not told from others here. */
static void client_sends(struct str bytes)
{
    heads_count(&client_sent, "HTTP/1.", bytes);
    heads_count(&head_asked, "HEAD", bytes);
    if (!actor_write(&world.client, bytes) || head_asked.count > 0)
        client_whole = false;
}

static void daemon_sends(struct str bytes)
{
    heads_count(&daemon_sent, "HTTP/1.", bytes);
    actor_write(&world.daemon, bytes);
}

/* A long time passes: whatever waits has waited too long. */
static void pass_time(void)
{
    struct loop *loop = &world.worker.context.loop;
    for (size_t i = 0; i < LOOP_WHEEL_SLOTS; i++) {
        const struct timer *head = &loop->wheel[i];
        for (struct timer *timer = head->next; timer != head; timer = timer->next)
            timer->deadline_ms = timer->deadline_ms ? 1 : 0;
    }
    loop->tick -= LOOP_WHEEL_SLOTS;
}

static void check_bounds(void)
{
    const struct loop *loop = &world.worker.context.loop;
    size_t body = atomic_load(&world.shared.body_bytes);
    must(body <= (size_t)world.config.max_body * BODIES_HELD_MAX);
    must(loop->buffer_count <= 64 && world.worker.context.conn_count <= CLIENTS_MAX);
}

static void turn(void)
{
    memory.turning = true;
    world_turn(&world);
    memory.turning = false;
    check_bounds();
    actor_read(&world.client);
    actor_read(&world.daemon);
    if (world.client.n > WORLD_ROOM / 2) {
        client_whole = false;
        world.client.n = 0;
    }
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

/* What is nobody's doing. */
static void happen(unsigned what)
{
    enum { TIME = 16, AUDIT, ROLE, MEMORY };
    bool owned = world.snapshot.role == roles[1];
    if (what == TIME)
        pass_time();
    if (what == AUDIT)
        written.failing = !written.failing;
    if (what == ROLE) {
        world.snapshot.role = roles[!owned];
        roles_used[!owned] = true;
    }
    if (what >= MEMORY)
        memory.at = what - MEMORY + 1;
}

/* One step of the script; bytes are those that it may use. Returns how many it did. */
static size_t step(unsigned what, unsigned n, struct str bytes)
{
    struct str piece = str_head(bytes, n);
    switch (what) {
    case 0:
        client_sends(piece);
        return piece.n;
    case 1:
        daemon_sends(piece);
        return piece.n;
    case 2:
        client_sends(stock(n));
        return 0;
    case 3:
        daemon_sends(stock(n));
        return 0;
    case 4:
        shutdown(n & 1 ? world.client.fd : world.daemon.fd, n & 2 ? SHUT_RDWR : SHUT_WR);
        return 0;
    case 5:
        if (n & 1)
            drop_client();
        else
            drop_daemon();
        return 0;
    case 6:
        if (n == 31) { /* --stop-timeout is over, and then it goes on */
            conn_cut_all(&world.worker.context);
            settle();
            world.worker.context.draining = false;
        } else if (world.worker.context.conn_count < CLIENTS_MAX)
            connect_client();
        return 0;
    default:
        happen(n);
        settle();
        return 0;
    }
}

static void begin(void)
{
    open_once();
    memset(&written, 0, sizeof(written));
    world.snapshot.role = roles[0];
    roles_used[0] = true;
    roles_used[1] = false;
    memory.at = 0;
    connect_client();
}

/* All leave: then nothing stays, but for what waits a while, and that goes, too. */
static void end(void)
{
    memory.at = 0;
    settle();
    drop_client();
    drop_daemon();
    settle();
    drop_daemon(); /* one that was called at the last moment */
    settle();
    for (int i = 0; i < 4; i++) { /* a look-up, its refusal, what lingers */
        pass_time();
        settle();
        drop_daemon();
    }
    must(world.worker.context.conn_count == 0 && atomic_load(&world.shared.connections) == 0);
    must(atomic_load(&world.shared.fact_bytes) == 0 && world.worker.context.loop.timers == 0);
    must(atomic_load(&world.shared.lookup_lines) == 0);
    while ((world.daemon.fd = accept(world.listen_fd, NULL, NULL)) >= 0)
        drop_daemon();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str script = {(const char *)data, size};
    begin();
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
    end();
    return 0;
}
