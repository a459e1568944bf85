/* Containers that name volumes, from the create to the second look at the volumes: what the daemon
   is asked, what the client gets, and what is left when one of them leaves. */
#include "conn_helper.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ID          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CREATE_BODY "{\"Image\":\"a\",\"HostConfig\":{\"Binds\":[\"v:/x\"]}}"
#define CREATE                                                                          \
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n" \
    "Content-Length: 45\r\n\r\n" CREATE_BODY
#define CREATE_OUT                                                                           \
    "POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n" \
    "Content-Length: 45\r\n\r\n" CREATE_BODY
#define LOOK "GET /volumes/v HTTP/1.1\r\nHost: docker\r\nUser-Agent: sockwarden\r\n\r\n"
#define REMOVE                                                                       \
    "DELETE /containers/" ID "?force=1&v=1 HTTP/1.1\r\nHost: docker\r\nUser-Agent: " \
    "sockwarden\r\n\r\n"
#define PLAIN                                       \
    "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n" \
    "{\"Name\":\"v\",\"Driver\":\"local\",\"Options\":null}"
#define ROOT                                        \
    "HTTP/1.1 200 OK\r\nContent-Length: 54\r\n\r\n" \
    "{\"Name\":\"v\",\"Driver\":\"local\",\"Options\":{\"device\":\"/\"}}"
#define NO_VOLUME "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
#define MADE      "HTTP/1.1 201 Created\r\nContent-Length: 73\r\n\r\n{\"Id\":\"" ID "\"}"
#define GONE      "HTTP/1.1 204 No Content\r\n\r\n"
#define BUSY      "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}"
#define BROKEN    "nonsense\r\n\r\n"

static struct world world;

static int open_world(void **state)
{
    (void)state;
    world_open(&world, "default", NULL);
    world_connect(&world);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void daemon_sends(const char *text)
{
    actor_forget(&world.daemon);
    assert_true(actor_write(&world.daemon, str_of(text)));
    world_settle(&world);
}

#define daemon_got(text) assert_string_equal(world.daemon.in, text)

/* Up to where the daemon has been asked to make the container, having said this of the volume. */
static void create(const char *volume)
{
    assert_true(actor_write(&world.client, STR(CREATE)));
    world_settle(&world);
    daemon_got(LOOK);
    daemon_sends(volume);
    daemon_got(CREATE_OUT);
}

/* It is made, and the daemon is asked about the volume again. */
static void made(void)
{
    daemon_sends(MADE);
    daemon_got(LOOK);
    assert_int_equal(world.accepted, 2); /* over a line of its own: the answer stays pending */
}

static void client_got_status(const char *status)
{
    if (strncmp(world.client.in, status, strlen(status)) != 0)
        fail_msg("the client got \"%s\", not %s", world.client.in, status);
}

static void goes_on(void **state)
{
    (void)state;
    create(PLAIN);
    made();
    assert_int_equal(world.client.n, 0);
    daemon_sends(PLAIN);
    daemon_got("");
    client_got_status("HTTP/1.1 201 Created\r\n");
    assert_non_null(strstr(world.client.in, "{\"Id\":\"" ID "\"}"));
    assert_int_equal(world.worker.context.inquiry_count, 1);
}

static void comes_into_being(void **state)
{
    (void)state;
    create(NO_VOLUME);
    made();
    daemon_sends(PLAIN);
    client_got_status("HTTP/1.1 201 Created\r\n");
}

static void is_removed(void **state)
{
    (void)state;
    create(PLAIN);
    made();
    daemon_sends(ROOT);
    daemon_got(REMOVE);
    assert_int_equal(world.client.n, 0);
    daemon_sends(GONE);
    client_got_status("HTTP/1.1 403 Forbidden\r\n");
    assert_null(strstr(world.client.in, ID));
    assert_non_null(strstr(world.client.in, "the container has been removed"));
    actor_forget(&world.client);
    assert_true(actor_write(&world.client, STR(CREATE))); /* the next request is one like any */
    world_settle(&world);
    daemon_got(LOOK);
}

static void is_not_removed(void **state)
{
    static const char *const answers[] = {BUSY, BROKEN, "HTTP/1.1 200 OK\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        world.accepted = 0;
        create(PLAIN);
        made();
        daemon_sends(ROOT);
        daemon_got(REMOVE);
        daemon_sends(answers[i]);
        client_got_status("HTTP/1.1 502 Bad Gateway\r\n");
        assert_non_null(strstr(world.client.in, ID));
        world_connect(&world);
        actor_forget(&world.daemon);
    }
}

static void cannot_be_looked_at(void **state)
{
    static const char *const answers[] = {BUSY, BROKEN};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        world.accepted = 0;
        create(PLAIN);
        made();
        daemon_sends(answers[i]);
        world_settle(&world);
        daemon_got(REMOVE);
        daemon_sends(GONE);
        client_got_status("HTTP/1.1 403 Forbidden\r\n");
        world_connect(&world);
        actor_forget(&world.daemon);
    }
}

static void daemon_goes_away(void **state)
{
    (void)state;
    create(PLAIN);
    close(world.listen_fd);
    world.listen_fd = -1;
    daemon_sends(MADE);
    client_got_status("HTTP/1.1 502 Bad Gateway\r\n");
    assert_non_null(strstr(world.client.in, ID));
}

/* A client that closes at each point: what was made is looked at, and removed, all the same. */
static void client_leaves(void **state)
{
    (void)state;
    for (int when = 0; when < 3; when++) {
        world.accepted = 0;
        create(PLAIN);
        if (when == 0)
            actor_close(&world.client);
        world_settle(&world);
        made();
        if (when == 1)
            actor_close(&world.client);
        world_settle(&world);
        daemon_sends(ROOT);
        daemon_got(REMOVE);
        if (when == 2)
            actor_close(&world.client);
        daemon_sends(GONE);
        assert_int_equal(world.worker.context.conn_count, 0);
        world_connect(&world);
        actor_forget(&world.daemon);
    }
}

/* The proxy is stopped in each phase; close_world() counts what is left. */
static void is_stopped(void **state)
{
    (void)state;
    for (int when = 0; when < 3; when++) {
        world.accepted = 0;
        create(PLAIN);
        if (when > 0)
            made();
        if (when > 1)
            daemon_sends(ROOT);
        conn_close_all(&world.worker.context);
        assert_int_equal(atomic_load(&world.shared.fact_bytes), 0);
        world_connect(&world);
        actor_forget(&world.daemon);
    }
}

/* What the client sends meanwhile waits. */
static void next_request_waits(void **state)
{
    (void)state;
    create(PLAIN);
    assert_true(actor_write(&world.client, STR("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")));
    world_settle(&world);
    made();
    daemon_sends(PLAIN);
    client_got_status("HTTP/1.1 201 Created\r\n");
    assert_non_null(strstr(world.daemon.in, "GET /_ping HTTP/1.1\r\n"));
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(goes_on),        CASE(comes_into_being),    CASE(is_removed),
        CASE(is_not_removed), CASE(cannot_be_looked_at), CASE(daemon_goes_away),
        CASE(client_leaves),  CASE(is_stopped),          CASE(next_request_waits),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
