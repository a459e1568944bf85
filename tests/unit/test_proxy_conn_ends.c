/* How connections end: client or daemon leaves in any phase, the proxy stops, an audit line cannot
   be written. */
#include "conn_actions.h"

/* Lines that are lost: the write of that number fails. */
static unsigned writes, failing_write;

bool __real_audit_write(struct audit_sink *sink, struct str lines);
bool __wrap_audit_write(struct audit_sink *sink, struct str lines);

bool __wrap_audit_write(struct audit_sink *sink, struct str lines)
{
    return ++writes != failing_write && __real_audit_write(sink, lines);
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
        TEST(test_client_gone),
        TEST(test_daemon_gone),
        TEST(test_daemon_away),
        TEST(test_audit_failure),
        TEST(test_drain),
        TEST(test_close_in_every_phase),
        TEST(test_cut_in_every_phase),
        TEST(test_line_lost_at_end),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
