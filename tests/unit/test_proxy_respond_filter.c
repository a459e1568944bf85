/* Answers from which something is hidden, through the connection machine: the framing that the
   client gets, what breaks off, and what comes after. */
#include "conn_helper.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OWN         "4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c"
#define OTHER       "77aa1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c"
#define MINE        "\"Labels\":{\"com.example.owner\":\"me\"}"
#define C_OWN       "{\"Id\":\"" OWN "\"}"
#define C_OTHER     "{\"Id\":\"" OTHER "\"}"
#define GET(target) "GET " target " HTTP/1.1\r\nHost: d\r\n\r\n"
#define JSON        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define OK2         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
#define OWNED       "\"owner\":{\"label\":\"com.example.owner\",\"value\":\"me\"}"

static struct world world;
#define REDACT(kinds) "\"responses\":{\"redact\":[" kinds "]}"
#define EVERYTHING    "\"env\",\"labels\",\"binds\""

static const char plain[] = "\"api\":{\"min\":\"1.24\"}";

/* role: members of a role that allows everything. */
static void open_as(const char *role, bool own)
{
    char text[512];
    struct err_list errors = {0};
    world_open(&world, "all", NULL);
    policy_free(world.snapshot.policy);
    snprintf(text, sizeof(text), "{\"version\":1,\"roles\":{\"default\":{\"allow\":[\"*\"],%s}}}",
             role);
    world.snapshot.policy = policy_load(str_of(text), &errors);
    err_list_free(&errors);
    assert_non_null(world.snapshot.policy);
    world.snapshot.role = policy_default_role(world.snapshot.policy);
    if (own)
        assert_true(policy_own_container(world.snapshot.policy, STR(OWN)));
    world_connect(&world);
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

/* The body that the client has got, unframed: up to *whole, which says whether its end came. */
static struct str unframed(bool *whole)
{
    static char out[WORLD_ROOM];
    size_t n = 0;
    const char *head = strstr(world.client.in, "\r\n\r\n");
    const char *length = strstr(world.client.in, "Content-Length: ");
    *whole = false;
    if (!head)
        return STR("");
    const char *at = head + 4;
    if (length && length < head) {
        *whole = strlen(at) == strtoul(length + 16, NULL, 10);
        return str_of(at);
    }
    if (!strstr(world.client.in, "Transfer-Encoding: chunked\r\n"))
        return str_of(at);
    for (;;) {
        char *end = NULL;
        unsigned long size = strtoul(at, &end, 16);
        if (end == at || strncmp(end, "\r\n", 2) != 0 || strlen(end) < size + 4)
            break;
        memcpy(out + n, end + 2, size);
        n += size;
        at = end + 2 + size + 2;
        *whole = size == 0;
        if (size == 0)
            break;
    }
    return (struct str){out, n};
}

#define LISTED  GET("/v1.41/containers/json")
#define CHUNKS  JSON "Transfer-Encoding: chunked\r\n\r\n"
#define EVENTS  GET("/v1.41/events")
#define USAGE   GET("/v1.41/system/df")
#define NETWORK GET("/v1.41/networks/n")
#define TASKS   GET("/v1.41/tasks")
#define INSPECT GET("/v1.41/containers/c/json")
#define FULL                                                                            \
    "{\"Id\":\"1\",\"Config\":{\"Env\":[\"A=b\"],\"Labels\":{\"c\":\"d\"}},\"SizeRw\":" \
    "9007199254740993}\n"
#define BARE                                                                                      \
    "{\"Id\":\"1\",\"Config\":{\"Env\":[],\"Labels\":{\"c\":\"d\"}},\"SizeRw\":9007199254740993}" \
    "\n"
#define MAKE                                                           \
    "POST /v1.41/volumes/create HTTP/1.1\r\nHost: d\r\nContent-Type: " \
    "application/json\r\nContent-Length: 2\r\n\r\n{}"

// clang-format off
static const struct row {
    const char *label, *role;
    bool own;
    const char *request;
    char framing;       /* of the daemon's answer: 'l'ength, 'c'hunks, 'r'aw: all of it is in text */
    const char *text;
    const char *status; /* of what the client gets */
    const char *body;
    bool whole; /* it has got all of it, and may go on */
} rows[] = {
    {"a list in chunks", plain, true, LISTED, 'c', "[" C_OWN ",{\"A\":1} ]\n", "HTTP/1.1 200", "[{\"A\":1} ]\n", true},
    {"trailers are dropped", plain, true, LISTED, 'r', CHUNKS "2\r\n[]\r\n0\r\nX: y\r\n\r\n", "HTTP/1.1 200", "[]", true},
    {"a list with its length", plain, true, LISTED, 'l', "[" C_OWN "]\n", "HTTP/1.1 200", "[]\n", true},
    {"a list of others", plain, true, LISTED, 'l', "[" C_OTHER "]\n", "HTTP/1.1 200", "[" C_OTHER "]\n", true},
    {"no list", plain, true, LISTED, 'l', "null\n", "HTTP/1.1 200", "null\n", true},
    {"nothing at all", plain, true, LISTED, 'l', "", "HTTP/1.1 200", "", false},
    {"a list that is cut", plain, true, LISTED, 'l', "[{}", "HTTP/1.1 200", "[{}", false},
    {"a list that is none", plain, true, LISTED, 'l', "[5]", "HTTP/1.1 200", NULL, false},
    {"broken chunks", plain, true, LISTED, 'r', CHUNKS "2\r\n[]zz", "HTTP/1.1 200", "[]", false},
    {"an error passes", plain, true, LISTED, 'r', "HTTP/1.1 500 E\r\nContent-Length: 3\r\n\r\n[5]", "HTTP/1.1 500", "[5]", true},
    {"compressed", plain, true, LISTED, 'r', JSON "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n[5]", "HTTP/1.1 502", NULL, true},
    {"encoded as it is", plain, true, LISTED, 'r', JSON "Content-Encoding: identity\r\nContent-Length: 3\r\n\r\n[ ]", "HTTP/1.1 200", "[ ]", true},
    {"nothing to hide", plain, false, LISTED, 'l', "[5]", "HTTP/1.1 200", "[5]", true},
    {"no place for it", plain, true, GET("/v1.41/volumes"), 'l', "[5]", "HTTP/1.1 200", "[5]", true},
    {"the daemon's own filter does it", OWNED, false, LISTED, 'l', "[5]", "HTTP/1.1 200", "[5]", true},
    {"networks of old versions", plain, true, GET("/v1.27/networks"), 'c', "[{\"Containers\":{\"" OWN "\":{}}}]\n",
     "HTTP/1.1 200", "[{\"Containers\":{}}]\n", true},
    {"networks of new versions", plain, true, GET("/v1.28/networks"), 'l', "[5]", "HTTP/1.1 200", "[5]", true},
    {"tasks have no label filter", OWNED, false, TASKS, 'c', "[{\"ID\":\"1\"},{\"ID\":\"2\"," MINE "},{}]  ", "HTTP/1.1 200",
     "[{\"ID\":\"2\"," MINE "}]  ", true},
    {"tasks of the own container", plain, true, TASKS, 'c',
     "[{\"ID\":\"1\"},{\"Status\":{\"ContainerStatus\":{\"ContainerID\":\"" OWN "\"}}}]", "HTTP/1.1 200", "[{\"ID\":\"1\"}]", true},
    {"usage", plain, true, USAGE, 'c', "{\"Containers\":[" C_OWN "],\"A\":1}\n", "HTTP/1.1 200", "{\"Containers\":[],\"A\":1}\n", true},
    {"usage of owners", OWNED, false, USAGE, 'l', "{\"LayersSize\":1,\"Containers\":[{\"Id\":\"1\"},{\"Id\":\"2\"," MINE "}]}", "HTTP/1.1 200",
     "{\"LayersSize\":1,\"Containers\":[{\"Id\":\"2\"," MINE "}]}", true},
    {"usage that is none", plain, true, USAGE, 'l', "[]", "HTTP/1.1 502", NULL, true},
    {"usage that is empty", plain, true, USAGE, 'l', "", "HTTP/1.1 502", NULL, true},
    {"usage in broken chunks", plain, true, USAGE, 'r', CHUNKS "2\r\n{}zz", "HTTP/1.1 502", NULL, true},
    {"usage too large", plain, true, USAGE, 'r', JSON "Content-Length: 4194305\r\n\r\n{}", "HTTP/1.1 502", NULL, true},
    {"usage, compressed", plain, true, USAGE, 'r', JSON "Content-Encoding: x\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 502", NULL, true},
    {"a network", plain, true, NETWORK, 'l', "{\"Containers\":{\"" OWN "\":{} }}\n", "HTTP/1.1 200", "{\"Containers\":{}}\n", true},
    {"an event that breaks", plain, true, EVENTS, 'r', CHUNKS "8\r\n{\"A\":1}\n\r\nzz", "HTTP/1.1 200", "{\"A\":1}\n", false},
    {"events that end", plain, true, EVENTS, 'c', "{\"A\":1}\n{\"id\":\"" OWN "\"}\n{\"A\":2}\n", "HTTP/1.1 200", "{\"A\":1}\n{\"A\":2}\n", true},
    {"HTTP/1.0", plain, true, "GET /v1.41/containers/json HTTP/1.0\r\n\r\n", 'c', "[" C_OWN "]\n", "HTTP/1.0 200", "[]\n", false},
    {"redacted, with its length", REDACT("\"env\""), false, INSPECT, 'l', FULL, "HTTP/1.1 200", BARE, true},
    {"redacted, in chunks", REDACT("\"env\""), false, INSPECT, 'c', FULL, "HTTP/1.1 200", BARE, true},
    {"redacted, HTTP/1.0", REDACT("\"env\""), false, "GET /v1.41/containers/c/json HTTP/1.0\r\n\r\n", 'c', FULL, "HTTP/1.0 200", BARE, true},
    {"redacted, nothing of it there", REDACT("\"binds\""), false, INSPECT, 'c', FULL, "HTTP/1.1 200", FULL, true},
    {"redacted, an error passes", REDACT(EVERYTHING), false, INSPECT, 'r', "HTTP/1.1 404 N\r\nContent-Length: 3\r\n\r\n[5]", "HTTP/1.1 404", "[5]", true},
    {"redacted, a redirection", REDACT("\"env\""), false, INSPECT, 'r', "HTTP/1.1 301 M\r\nLocation: /x\r\nContent-Length: 5\r\n\r\nMoved", "HTTP/1.1 502", NULL, true},
    {"redacted, another status", REDACT("\"env\""), false, INSPECT, 'r', "HTTP/1.1 203 N\r\nContent-Length: 29\r\n\r\n{\"Config\":{\"Env\":[\"A=bcde\"]}}", "HTTP/1.1 203",
     "{\"Config\":{\"Env\":[]}}", true},
    {"redacted, compressed", REDACT("\"env\""), false, INSPECT, 'r', JSON "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 502", NULL, true},
    {"redacted, too large", REDACT("\"env\""), false, INSPECT, 'r', JSON "Content-Length: 4194305\r\n\r\n{}", "HTTP/1.1 502", NULL, true},
    {"redacted, malformed", REDACT("\"env\""), false, INSPECT, 'l', "{\"Config\":{\"Env\":[}}", "HTTP/1.1 502", NULL, true},
    {"redacted, of no known shape", REDACT("\"env\""), false, INSPECT, 'l', "{\"Config\":5}", "HTTP/1.1 502", NULL, true},
    {"redacted, empty", REDACT("\"env\""), false, INSPECT, 'l', "", "HTTP/1.1 502", NULL, true},
    {"redacted, of other answers nothing", REDACT(EVERYTHING), false, GET("/v1.41/version"), 'l', "[5]", "HTTP/1.1 200", "[5]", true},
    {"redacted, a volume that is made", REDACT("\"binds\""), false, MAKE, 'r', "HTTP/1.1 201 C\r\nContent-Length: 18\r\n\r\n{\"Mountpoint\":\"/\"}", "HTTP/1.1 201",
     "{\"Mountpoint\":\"\"}", true},
    {"redacted, volumes", REDACT("\"labels\""), false, GET("/v1.41/volumes"), 'c', "{\"Volumes\":[{\"Labels\":{\"a\":\"b\"}},{}],\"Warnings\":null}\n", "HTTP/1.1 200",
     "{\"Volumes\":[{\"Labels\":{}},{}],\"Warnings\":null}\n", true},
    {"redacted, a list", REDACT("\"labels\""), false, LISTED, 'c', "[{\"Id\":\"1\",\"Labels\":{\"a\":\"b\"}}, {\"Labels\":null}]", "HTTP/1.1 200",
     "[{\"Id\":\"1\",\"Labels\":{}}, {\"Labels\":null}]", true},
    {"redacted, a list of no known shape", REDACT("\"binds\""), false, LISTED, 'l', "[{},{\"Mounts\":\"/srv\"}]", "HTTP/1.1 200", NULL, false},
    {"redacted and hidden", REDACT("\"labels\""), true, LISTED, 'c', "[" C_OWN ",{\"Labels\":{\"a\":\"b\"}}]", "HTTP/1.1 200", "[{\"Labels\":{}}]", true},
    {"redacted and owned", REDACT("\"labels\"") "," OWNED, false, TASKS, 'c', "[{\"ID\":\"1\"},{\"ID\":\"2\"," MINE "}]", "HTTP/1.1 200",
     "[{\"ID\":\"2\",\"Labels\":{}}]", true},
    {"redacted networks of old versions", REDACT("\"labels\""), true, GET("/v1.27/networks"), 'c', "[{" MINE ",\"Containers\":{\"" OWN "\":{}}}]\n",
     "HTTP/1.1 200", "[{\"Labels\":{},\"Containers\":{}}]\n", true},
    {"a redacted network", REDACT("\"labels\""), true, NETWORK, 'l', "{" MINE ",\"Containers\":{\"" OWN "\":{}}}\n", "HTTP/1.1 200", "{\"Labels\":{},\"Containers\":{}}\n", true},
    {"redacted usage", REDACT("\"labels\""), true, USAGE, 'c', "{\"Containers\":[" C_OWN ",{" MINE "}],\"A\":1}\n", "HTTP/1.1 200", "{\"Containers\":[{\"Labels\":{}}],\"A\":1}\n", true},
    {"redacted events", REDACT("\"labels\""), false, EVENTS, 'c', "{\"Actor\":{\"Attributes\":{\"a.b\":\"c\",\"name\":\"n\"}}}\n{\"A\":1}\n", "HTTP/1.1 200",
     "{\"Actor\":{\"Attributes\":{\"name\":\"n\"}}}\n{\"A\":1}\n", true},
    {"HTTP/1.0 with its length", plain, true, "GET /v1.41/system/df HTTP/1.0\r\n\r\n", 'c', "{\"A\":1}", "HTTP/1.0 200", "{\"A\":1}", true},
};
// clang-format on

/* The daemon's answer to the row's request. */
static struct str answer_of(const struct row *row)
{
    static char out[4096];
    size_t n = strlen(row->text), half = n / 2;
    int length = 0;
    if (row->framing == 'r')
        return str_of(row->text);
    if (row->framing == 'l')
        length = snprintf(out, sizeof(out), JSON "Content-Length: %zu\r\n\r\n%s", n, row->text);
    else
        length = snprintf(out, sizeof(out), CHUNKS "%zx\r\n%.*s\r\n%zX\r\n%s\r\n0\r\n\r\n", half,
                          (int)half, row->text, n - half, row->text + half);
    return (struct str){out, (size_t)length};
}

static bool row_holds(const struct row *row, const char *how)
{
    bool whole = false;
    struct str body = unframed(&whole);
    bool right = strncmp(world.client.in, row->status, strlen(row->status)) == 0 &&
                 (!row->body || str_is(body, row->body)) && whole == row->whole;
    if (!right)
        print_error("%s, %s: the client got \"%s\"\n", row->label, how, world.client.in);
    return right;
}

/* The connection goes on, or has ended. */
static bool goes_on(const struct row *row)
{
    bool old = strstr(row->request, "HTTP/1.0") != NULL;
    if (world.client.ended == (old || !row->whole))
        return true;
    print_error("%s: the connection %s\n", row->label,
                world.client.ended ? "has ended" : "goes on");
    return false;
}

static void test_rows(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        open_as(rows[i].role, rows[i].own);
        struct str answer = answer_of(&rows[i]);
        client_sends(rows[i].request);
        assert_true(actor_write(&world.daemon, answer));
        world_settle(&world);
        wrong += !row_holds(&rows[i], "at once") || !goes_on(&rows[i]);
        world_close(&world);
        open_as(rows[i].role, rows[i].own);
        client_sends(rows[i].request);
        for (size_t at = 0; at < answer.n; at++) {
            actor_write(&world.daemon, (struct str){answer.p + at, 1});
            world_settle(&world);
        }
        wrong += !row_holds(&rows[i], "byte by byte");
        world_close(&world);
    }
    assert_int_equal(wrong, 0);
}

/* An answer without a body has nothing to empty. */
static void test_nothing_new(void **state)
{
    (void)state;
    open_as(REDACT(EVERYTHING), false);
    client_sends(INSPECT);
    daemon_sends("HTTP/1.1 304 N\r\n\r\n");
    assert_string_equal(world.client.in, "HTTP/1.1 304 N\r\n\r\n");
    assert_false(world.client.ended);
    world_close(&world);
}

/* Of what waits for a container the head passes at once: clients start it only then. */
static void test_wait(void **state)
{
    (void)state;
    bool whole;
    open_as(REDACT("\"binds\"") ",\"existing\":\"any\"", false);
    client_sends("POST /v1.41/containers/c/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n"
                 "Content-Length: 0\r\n\r\n");
    daemon_sends(CHUNKS);
    assert_non_null(strstr(world.client.in, "HTTP/1.1 200"));
    daemon_sends("31\r\n{\"StatusCode\":1,\"Error\":{\"Message\":\"no /srv/x\"}}\n\r\n0\r\n\r\n");
    assert_true(str_is(unframed(&whole), "{\"StatusCode\":1,\"Error\":{\"Message\":\"\"}}\n"));
    assert_true(whole);
    world_close(&world);
}

/* Each event passes when it is whole, and no sooner. */
static void test_events(void **state)
{
    (void)state;
    bool whole;
    open_as(plain, true);
    client_sends(EVENTS);
    daemon_sends(CHUNKS);
    assert_non_null(strstr(world.client.in, "HTTP/1.1 200"));
    daemon_sends("8\r\n{\"A\":1}\n\r\n");
    assert_true(str_is(unframed(&whole), "{\"A\":1}\n"));
    daemon_sends("48\r\n{\"id\":\"" OWN);
    assert_true(str_is(unframed(&whole), "{\"A\":1}\n"));
    daemon_sends("\"\r\n");
    daemon_sends("2\r\n}\n\r\n");
    assert_true(str_is(unframed(&whole), "{\"A\":1}\n"));
    daemon_sends("8\r\n{\"A\":2}\n\r\n");
    assert_true(str_is(unframed(&whole), "{\"A\":1}\n{\"A\":2}\n"));
    assert_false(whole);
    actor_close(&world.client); /* the daemon hears of it */
    world_settle(&world);
    assert_true(world.daemon.ended);
    world_close(&world);
}

/* Both connections go on, with the next answer as it is. */
static void test_keep_alive(void **state)
{
    (void)state;
    static const char *const first[] = {LISTED, USAGE};
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        open_as(plain, true);
        client_sends(first[i]);
        daemon_sends(i ? JSON "Content-Length: 2\r\n\r\n{}" : CHUNKS "2\r\n[]\r\n0\r\n\r\n");
        actor_forget(&world.client);
        client_sends(GET("/_ping"));
        daemon_sends(OK2);
        assert_string_equal(world.client.in, OK2);
        assert_int_equal(world.accepted, 1);
        world_close(&world);
    }
}

/* The daemon leaves in the middle. */
static void test_cut(void **state)
{
    (void)state;
    static const struct {
        const char *request, *answer, *status;
    } cuts[] = {
        {LISTED, JSON "Content-Length: 20\r\n\r\n[{},", "HTTP/1.1 200"},
        {LISTED, CHUNKS "2\r\n[]\r\n", "HTTP/1.1 200"},
        {EVENTS, CHUNKS "2\r\n{}\r\n", "HTTP/1.1 200"},
        {USAGE, JSON "Content-Length: 20\r\n\r\n{", "HTTP/1.1 502"},
        {USAGE, CHUNKS "2\r\n{}\r\n", "HTTP/1.1 502"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        bool whole;
        open_as(plain, true);
        client_sends(cuts[i].request);
        daemon_sends(cuts[i].answer);
        actor_close(&world.daemon);
        world_settle(&world);
        assert_int_equal(strncmp(world.client.in, cuts[i].status, 12), 0);
        unframed(&whole);
        assert_int_equal(whole, cuts[i].status[9] == '5');
        assert_int_equal(world.client.ended, cuts[i].status[9] != '5');
        world_close(&world);
    }
}

/* Who does not read holds up only what he asked for, in bounded memory. */
static void test_slow_reader(void **state)
{
    (void)state;
    enum { EVENT_ROOM = 4096, EVENTS_MAX = 20000 };
    static char event[EVENT_ROOM + 32];
    size_t sent = 0;
    open_as(plain, true);
    client_sends(EVENTS);
    daemon_sends(CHUNKS);
    int n = snprintf(event, sizeof(event), "%x\r\n{\"A\":\"", EVENT_ROOM);
    memset(event + n, 'x', EVENT_ROOM - 9);
    memcpy(event + n + EVENT_ROOM - 9, "\"}\n\r\n", 6);
    struct actor client = world.client;
    world.client.fd = -1; /* nobody reads */
    while (sent < EVENTS_MAX && actor_write(&world.daemon, str_of(event))) {
        sent++;
        world_settle(&world);
    }
    assert_true(sent > 1 && sent < EVENTS_MAX);
    world.client.fd = client.fd;
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_nothing_new),
        cmocka_unit_test(test_wait),        cmocka_unit_test(test_events),
        cmocka_unit_test(test_keep_alive),  cmocka_unit_test(test_cut),
        cmocka_unit_test(test_slow_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
