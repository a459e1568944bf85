/* The connection machine from end to end: what reaches the daemon, and what the client gets. */
#include "conn_actions.h"

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
        TEST(test_daemon_talks_nonsense),
        TEST(test_daemon_talks_unasked),
        TEST(test_interim),
        TEST(test_http10),
        cmocka_unit_test_setup_teardown(test_opaque, open_all, close_world),
        cmocka_unit_test_setup_teardown(test_opaque_broken, open_all, close_world),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
