/* The connection machine from end to end: what reaches the daemon, what the client gets, and who
   hears of whose leaving. */
#include "conn_helper.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PING     "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
#define PING_OUT "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
#define LIST     "GET /v1.41/containers/json?x=1&all=1 HTTP/1.1\r\nHost: d\r\nCookie: c\r\n\r\n"
#define EVENTS   "GET /events HTTP/1.1\r\nHost: d\r\n\r\n"
#define LIST_OUT "GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: docker\r\n\r\n"
#define OK2      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
#define PRIVILEGED                                                                      \
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n" \
    "Content-Length: 46\r\n\r\n{\"Image\":\"a\",\"HostConfig\":{\"Privileged\":true}}"
#define CREATE_BODY "{\"Image\":\"a\"}"
#define CREATE                                                                          \
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n" \
    "Content-Length: 13\r\n\r\n" CREATE_BODY
#define CREATE_CHUNKED                                                                  \
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n" \
    "Transfer-Encoding: chunked\r\n\r\n6\r\n{\"Imag\r\n7\r\ne\":\"a\"}\r\n0\r\n\r\n"
#define CREATE_OUT                                                                           \
    "POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n" \
    "Content-Length: 13\r\n\r\n" CREATE_BODY
#define ATTACH                                                                          \
    "POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n" \
    "Upgrade: tcp\r\n\r\n"
#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LOOK "GET /containers/a/json HTTP/1.1\r\nHost: docker\r\nUser-Agent: sockwarden\r\n\r\n"
#define FOUND                                               \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" \
    "49\r\n{\"Id\":\"" ID64 "\",\r\n1c\r\n\"Config\":{},\"HostConfig\":{}}\r\n0\r\n\r\n"
#define ATTACH_OUT                                                           \
    "POST /containers/" ID64 "/attach?stream=1 HTTP/1.1\r\nHost: docker\r\n" \
    "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
#define SWITCH "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

static struct world world;

/* Lines that are lost: the write of that number fails. */
static unsigned writes, failing_write;

bool __real_audit_write(struct audit_sink *sink, struct str lines);
bool __wrap_audit_write(struct audit_sink *sink, struct str lines);

bool __wrap_audit_write(struct audit_sink *sink, struct str lines)
{
    return ++writes != failing_write && __real_audit_write(sink, lines);
}

static int open_world(void **state)
{
    (void)state;
    world_open(&world, "default", NULL);
    world_connect(&world);
    return 0;
}

static int open_all(void **state)
{
    (void)state;
    world_open(&world, "all", NULL);
    world_connect(&world);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void client_sends(const char *text)
{
    assert_true(actor_write(&world.client, str_of(text)));
    world_settle(&world);
}

static void daemon_sends(const char *text)
{
    assert_true(actor_write(&world.daemon, str_of(text)));
    world_settle(&world);
}

#define daemon_got(text) assert_string_equal(world.daemon.in, text)
#define client_got(text) assert_string_equal(world.client.in, text)

static void client_got_status(const char *status)
{
    if (strncmp(world.client.in, status, strlen(status)) != 0)
        fail_msg("the client got \"%s\", not %s", world.client.in, status);
    assert_non_null(strstr(world.client.in, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(world.client.in, "{\"message\":\"sockwarden"));
}

/* Asks on the connection that is open, and reads the answer. */
static void ping_works(void)
{
    actor_forget(&world.client);
    world.daemon.n = 0;
    client_sends(PING);
    daemon_got(PING_OUT);
    daemon_sends(OK2);
    client_got(OK2);
}

/* Asks to attach; the daemon is asked for the container first, over the same connection. */
static void attach_begins(const char *text)
{
    unsigned accepted = world.accepted;
    client_sends(text);
    daemon_got(LOOK);
    world.daemon.n = 0;
    daemon_sends(FOUND);
    daemon_got(ATTACH_OUT);
    assert_true(world.accepted <= accepted + 1);
}

static size_t audit_lines(const char *record)
{
    char text[64 << 10], wanted[64];
    FILE *file = fopen(world.audit_path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    snprintf(wanted, sizeof(wanted), "\"record\":\"%s\"", record);
    size_t count = 0;
    for (const char *p = text; (p = strstr(p, wanted)); p++)
        count++;
    return count;
}

static void test_allow(void **state)
{
    (void)state;
    client_sends(LIST);
    daemon_got(LIST_OUT);
    assert_int_equal(audit_lines("request"), 1); /* before the daemon had a byte */
    daemon_sends(
        "HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n");
    daemon_sends("\r\n");
    client_got(
        "HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n");
    ping_works();
    ping_works();
    assert_int_equal(world.accepted, 1); /* both connections are kept */
    assert_false(world.client.ended);
    actor_close(&world.client);
    world_settle(&world);
    assert_int_equal(world.worker.context.conn_count, 0);
    assert_true(world.daemon.ended);
}

/* However a request is cut, the daemon gets it whole or not at all. */
static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {{LIST, LIST_OUT}, {CREATE, CREATE_OUT}, {CREATE_CHUNKED, CREATE_OUT}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_of(rows[i].in);
        for (size_t at = 1; at < in.n; at++) {
            world.daemon.n = 0;
            world.daemon.in[0] = '\0';
            actor_forget(&world.client);
            assert_true(actor_write(&world.client, str_head(in, at)));
            world_settle(&world);
            daemon_got("");
            assert_true(actor_write(&world.client, str_skip(in, at)));
            world_settle(&world);
            daemon_got(rows[i].out);
            daemon_sends(OK2);
            client_got(OK2);
        }
    }
    assert_int_equal(world.accepted, 1);
}

static void test_deny(void **state)
{
    (void)state;
    client_sends(PRIVILEGED);
    client_got_status("HTTP/1.1 403 ");
    assert_int_equal(world.accepted, 0); /* the daemon was not even called */
    assert_int_equal(audit_lines("request"), 1);
    assert_false(world.client.ended);
    actor_forget(&world.client);
    client_sends("GET /debug/vars HTTP/1.1\r\nHost: d\r\n\r\n");
    client_got_status("HTTP/1.1 403 ");
    actor_forget(&world.client);
    client_sends("HEAD /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_non_null(strstr(world.client.in, "403 Forbidden"));
    assert_null(strstr(world.client.in, "message")); /* a HEAD gets no body */
    assert_int_equal(world.accepted, 0);
    ping_works();
}

// clang-format off
static const struct bad_row {
    const char *bytes, *status;
} bad_rows[] = {
    {"GET /_ping HTTP/1.1\nHost: d\r\n\r\n", "HTTP/1.1 400 "},
    {"\x16\x03\x01", "HTTP/1.1 400 "},
    {"GET //_ping HTTP/1.1\r\nHost: d\r\n\r\n", "HTTP/1.1 400 "},
    {"GET http://d/_ping HTTP/1.1\r\nHost: d\r\n\r\n", "HTTP/1.1 400 "},
    {"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1."},
    {"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\n{}\r\n", "HTTP/1.1 400 "},
    {"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", "HTTP/1.1 400 "},
    {"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 4097\r\n\r\n", "HTTP/1.1 413 "},
    {"POST /containers/create?name=x HTTP/1.1\r\nHost: d\r\nContent-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 400 "},
    {"GET /_ping HTTP/1.1\r\nHost: d\r\nOrigin: http://d\r\n\r\n", "HTTP/1.1 403 "},
};
// clang-format on

/* After a refusal of this kind nothing on the connection is trusted any more. */
static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_rows); i++) {
        const struct bad_row *row = &bad_rows[i];
        world_connect(&world);
        client_sends(row->bytes);
        if (strncmp(world.client.in, row->status, strlen(row->status)) != 0)
            fail_msg("%s: \"%s\"", row->bytes, world.client.in);
        assert_non_null(strstr(world.client.in, "\r\nConnection: close\r\n"));
        assert_true(world.client.ended);
        actor_write(&world.client, STR(PING));
        world_settle(&world);
        assert_int_equal(world.accepted, 0);
    }
}

static void test_body_limit(void **state)
{
    (void)state;
    client_sends("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17 && !world.client.ended; i++) {
        char chunk[300];
        memset(chunk, ' ', sizeof(chunk));
        memcpy(chunk, "100\r\n", 5);
        memcpy(chunk + 5 + 256, "\r\n", 2);
        actor_write(&world.client, (struct str){chunk, 5 + 256 + 2});
        world_settle(&world);
    }
    client_got_status("HTTP/1.1 413 ");
    assert_int_equal(world.accepted, 0);
}

/* Two requests in one piece: each is judged on its own, in order. */
static void test_pipeline(void **state)
{
    (void)state;
    client_sends(PING PRIVILEGED LIST);
    daemon_got(PING_OUT);
    client_got("");
    daemon_sends(OK2);
    assert_int_equal(strncmp(world.client.in, OK2 "HTTP/1.1 403 ", strlen(OK2) + 13), 0);
    daemon_got(PING_OUT LIST_OUT);
    daemon_sends(OK2);
    assert_true(str_ends((struct str){world.client.in, world.client.n}, STR(OK2)));
}

/* The body of a refused request is dropped, and never read as the next one. */
static void test_refused_body_dropped(void **state)
{
    (void)state;
    char head[256];
    snprintf(head, sizeof(head),
             "POST /swarm/init HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n",
             strlen(LIST LIST));
    client_sends(head);
    client_got_status("HTTP/1.1 403 ");
    assert_false(world.client.ended);
    client_sends(LIST LIST PING);
    daemon_got(PING_OUT);
    assert_int_equal(world.accepted, 1);
}

/* A body that ends too early is no request, however complete its text looks. */
static void test_body_cut(void **state)
{
    (void)state;
    static const char *const begun[] = {
        "Content-Length: 14\r\n\r\n" CREATE_BODY,
        "Transfer-Encoding: chunked\r\n\r\nd\r\n" CREATE_BODY,
        "Transfer-Encoding: chunked\r\n\r\nd\r\n" CREATE_BODY "\r\n0\r\n\r",
    };
    for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
        world_connect(&world);
        client_sends("POST /containers/create HTTP/1.1\r\nHost: d\r\n"
                     "Content-Type: application/json\r\n");
        client_sends(begun[i]);
        shutdown(world.client.fd, SHUT_WR);
        world_settle(&world);
        assert_true(world.client.ended);
        assert_int_equal(world.accepted, 0);
    }
}

static void test_expect(void **state)
{
    (void)state;
    client_sends("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                 "Expect: 100-continue\r\nContent-Length: 13\r\n\r\n");
    client_got("HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(world.accepted, 0);
    client_sends(CREATE_BODY);
    daemon_got(CREATE_OUT);
}

/* Raw in both directions: what looks like HTTP is not read as such any more. */
static void test_tunnel(void **state)
{
    (void)state;
    attach_begins(ATTACH "early");
    daemon_sends(SWITCH "first");
    client_got(SWITCH "first");
    daemon_got(ATTACH_OUT "early");
    client_sends(PRIVILEGED PING);
    daemon_got(ATTACH_OUT "early" PRIVILEGED PING);
    daemon_sends("HTTP/1.1 403 No\r\n\r\n");
    client_got(SWITCH "firstHTTP/1.1 403 No\r\n\r\n");
    assert_int_equal(audit_lines("request"), 1);
    assert_int_equal(audit_lines("end"), 0);
    shutdown(world.client.fd, SHUT_WR);
    world_settle(&world);
    assert_true(world.daemon.ended); /* passed on */
    daemon_sends("last");
    assert_true(str_ends((struct str){world.client.in, world.client.n}, STR("last")));
    assert_false(world.client.ended);
    actor_close(&world.daemon);
    world_settle(&world);
    assert_true(world.client.ended);
    assert_int_equal(audit_lines("end"), 1);
    actor_close(&world.client);
    world_settle(&world);
    assert_int_equal(world.worker.context.conn_count, 0);
}

/* The daemon declines: the connection is an ordinary one again. */
static void test_tunnel_declined(void **state)
{
    (void)state;
    attach_begins(ATTACH);
    daemon_sends("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}");
    client_got("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}");
    world.daemon.n = 0;
    actor_forget(&world.client);
    client_sends(PRIVILEGED);
    client_got_status("HTTP/1.1 403 ");
    daemon_got("");
}

static void test_client_gone(void **state)
{
    (void)state;
    static const char cut[] = "POST /containers/create HTTP/1.1\r\nHost: d\r\n"
                              "Content-Type: application/json\r\nContent-Length: 5\r\n\r\n{";
    static const char *const begun[] = {"", "GET /_pi", PING, ATTACH, cut};
    for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
        world_connect(&world);
        world.daemon.ended = false;
        unsigned accepted = world.accepted;
        client_sends(begun[i]);
        bool asked = world.accepted != accepted;
        assert_int_equal(asked, i == 2 || i == 3);
        actor_close(&world.client);
        world_settle(&world);
        assert_int_equal(world.worker.context.conn_count, 0);
        assert_true(!asked || world.daemon.ended);
    }
    /* In a tunnel. */
    world_connect(&world);
    world.daemon.n = 0;
    attach_begins(ATTACH);
    daemon_sends(SWITCH);
    world.daemon.n = 0;
    actor_close(&world.client);
    world_settle(&world);
    assert_true(world.daemon.ended);
    actor_write(&world.daemon, STR("x"));
    world_settle(&world);
    assert_int_equal(world.worker.context.conn_count, 0);
}

static void test_daemon_gone(void **state)
{
    (void)state;
    client_sends(PING);
    actor_close(&world.daemon); /* before its answer */
    world_settle(&world);
    client_got_status("HTTP/1.1 502 ");
    ping_works(); /* on a new connection to it */
    assert_int_equal(world.accepted, 2);
    actor_close(&world.daemon); /* while idle */
    world_settle(&world);
    ping_works();
    assert_int_equal(world.accepted, 3);
    actor_forget(&world.client);
    client_sends(LIST);
    daemon_sends("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
    actor_close(&world.daemon); /* in the middle */
    world_settle(&world);
    client_got("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
    assert_true(world.client.ended);
    assert_int_equal(world.worker.context.conn_count, 0);
}

static void test_daemon_away(void **state)
{
    (void)state;
    close(world.listen_fd);
    world.listen_fd = -1;
    client_sends(PING LIST);
    client_got_status("HTTP/1.1 502 ");
    assert_non_null(strstr(strstr(world.client.in, "502 ") + 4, "502 "));
    unlink(world.socket_path);
    actor_forget(&world.client);
    client_sends(PING);
    client_got_status("HTTP/1.1 502 ");
    world_listen(&world);
    ping_works();
}

// clang-format off
static const char *const nonsense[] = {
    "hello\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nOK",
    "HTTP/1.1 200 OK\r\n\r\nno length",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
};
// clang-format on

static void test_daemon_talks_nonsense(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
        world_connect(&world);
        client_sends(PING);
        daemon_sends(nonsense[i]);
        client_got_status("HTTP/1.1 502 ");
        assert_true(world.daemon.ended);
        ping_works();
    }
}

/* What the daemon says without being asked is never somebody's answer. */
static void test_daemon_talks_unasked(void **state)
{
    (void)state;
    ping_works();
    daemon_sends(OK2);
    assert_true(world.daemon.ended);
    client_got(OK2); /* of the ping */
    ping_works();
    actor_forget(&world.client);
    client_sends(PING);
    daemon_sends(OK2 OK2); /* twice for one request */
    client_got(OK2);
    ping_works();
    assert_int_equal(world.accepted, 3);
}

static void test_interim(void **state)
{
    (void)state;
    client_sends(PING);
    daemon_sends("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    client_got("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    daemon_sends(OK2);
    client_got("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK2);
}

static void test_http10(void **state)
{
    (void)state;
    client_sends("GET /containers/json HTTP/1.0\r\n\r\n");
    daemon_got("GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n");
    daemon_sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n");
    client_got("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n[]");
    assert_true(world.client.ended);
}

/* A body that is not inspected goes on as it comes, and no further than it reaches. */
static void test_opaque(void **state)
{
    (void)state;
    client_sends("PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n");
    static const char head[] =
        "PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: docker\r\n"
        "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n";
    size_t n = strlen(head);
    assert_memory_equal(world.daemon.in, head, n);
    assert_string_equal(world.daemon.in + n, "10\r\n0123456789abcdef\r\n");
    client_sends("0\r\n\r\n" PING);
    assert_string_equal(world.daemon.in + n, "10\r\n0123456789abcdef\r\n0\r\n\r\n");
    daemon_sends(OK2);
    client_got(OK2);
    assert_string_equal(world.daemon.in + n, "10\r\n0123456789abcdef\r\n0\r\n\r\n" PING_OUT);
}

static void test_opaque_broken(void **state)
{
    (void)state;
    client_sends("POST /build HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX");
    assert_true(world.daemon.ended);
    client_got_status("HTTP/1.1 400 ");
    assert_true(world.client.ended);
}

static void test_audit_failure(void **state)
{
    world_close(&world);
    world_open(&world, "default", "/dev/full");
    world_connect(&world);
    client_sends(LIST);
    client_got_status("HTTP/1.1 503 ");
    assert_int_equal(world.accepted, 0);
    ping_works();
    world.config.audit_continue = true;
    world.daemon.n = 0;
    client_sends(LIST);
    daemon_got(LIST_OUT);
    (void)state;
}

static void test_drain(void **state)
{
    (void)state;
    client_sends(LIST);
    conn_drain_all(&world.worker.context);
    daemon_sends(OK2);
    client_got("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK");
    assert_true(world.client.ended);
    world.worker.context.draining = false;
    world_connect(&world);
    world_settle(&world);
    assert_false(world.client.ended);
    conn_drain_all(&world.worker.context);
    world_settle(&world);
    assert_true(world.client.ended); /* it had no request */
}

/* Closing the worker in the middle of everything gives all memory back. */
static void test_close_in_every_phase(void **state)
{
    (void)state;
    static const char *const begun[] = {"", "GET /", PING, PRIVILEGED, ATTACH};
    for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
        world_connect(&world);
        assert_true(*begun[i] == '\0' || actor_write(&world.client, str_of(begun[i])));
        if (i % 2)
            world_turn(&world);
        else
            world_settle(&world);
        world_close(&world);
        world_open(&world, "default", NULL);
        world_connect(&world);
    }
    attach_begins(ATTACH);
    daemon_sends(SWITCH);
}

/* --stop-timeout is over: what each gets, and all are gone. */
static void test_cut_in_every_phase(void **state)
{
    (void)state;
    static const char *const last = "\r\n0\r\n\r\n";
    static const struct {
        const char *name, *client, *daemon, *status;
        bool ended_well;
    } rows[] = {
        {"idle", "", NULL, NULL, false},
        {"head", "GET /", NULL, "503 ", false},
        {"body",
         "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
         "Content-Length: 9\r\n\r\n{",
         NULL, "503 ", false},
        {"no answer", LIST, NULL, "504 ", false},
        {"half a head", LIST, "HTTP/1.1 200 OK\r\nA", "504 ", false},
        {"half a list", LIST, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", "200 ", false},
        {"a list in chunks", LIST,
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n", "200 ", false},
        {"events", EVENTS, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
         "200 ", true},
        {"half an event", EVENTS, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}",
         "200 ", false},
        {"half a size", EVENTS, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n2",
         "200 ", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_connect(&world);
        assert_true(!*rows[i].client || actor_write(&world.client, str_of(rows[i].client)));
        world_settle(&world);
        if (rows[i].daemon)
            daemon_sends(rows[i].daemon);
        conn_cut_all(&world.worker.context);
        world_settle(&world);
        const char *got = world.client.in, *end = strstr(got, last);
        bool well = end && end[strlen(last)] == '\0';
        if (!world.client.ended || well != rows[i].ended_well ||
            (rows[i].status ? !strstr(got, rows[i].status) : *got != '\0'))
            fail_msg("%s: ended %d, got \"%s\"", rows[i].name, world.client.ended, got);
        actor_close(&world.client);
        world_settle(&world);
        assert_int_equal(world.worker.context.conn_count, 0);
        world.worker.context.draining = false;
    }
    world_connect(&world);
}

/* The first request is answered by the proxy in the end of a turn, so that the line of the second
   is written behind that of the others: that it is lost counts, although the next is written. */
static void test_line_lost_at_end(void **state)
{
    (void)state;
    close(world.listen_fd);
    unlink(world.socket_path);
    assert_true(actor_write(&world.client, str_of(LIST LIST)));
    writes = 0;
    failing_write = 2;
    while (writes < 2)
        world_turn(&world);
    world_listen(&world);
    world_connect(&world);
    assert_true(
        actor_write(&world.client, str_of("GET /nobody/knows HTTP/1.1\r\nHost: d\r\n\r\n")));
    world_settle(&world);
    failing_write = 0;
    assert_true(writes >= 3);
    daemon_got("");
    assert_non_null(strstr(world.client.in, "HTTP/1.1 403 "));
    world_connect(&world);
    client_sends(LIST);
    daemon_got(LIST_OUT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(test_allow),
        TEST(test_split),
        TEST(test_deny),
        TEST(test_bad),
        TEST(test_body_limit),
        TEST(test_pipeline),
        TEST(test_refused_body_dropped),
        TEST(test_body_cut),
        TEST(test_expect),
        TEST(test_tunnel),
        TEST(test_tunnel_declined),
        TEST(test_client_gone),
        TEST(test_daemon_gone),
        TEST(test_daemon_away),
        TEST(test_daemon_talks_nonsense),
        TEST(test_daemon_talks_unasked),
        TEST(test_interim),
        TEST(test_http10),
        TEST(test_line_lost_at_end),
        cmocka_unit_test_setup_teardown(test_opaque, open_all, close_world),
        cmocka_unit_test_setup_teardown(test_opaque_broken, open_all, close_world),
        TEST(test_audit_failure),
        TEST(test_drain),
        TEST(test_close_in_every_phase),
        TEST(test_cut_in_every_phase),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
