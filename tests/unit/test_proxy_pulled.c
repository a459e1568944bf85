/* Pulls that a signature has decided, from the daemon's answer to its end: what the daemon is
   asked, what the client gets and when, and what is left when somebody leaves. The decision is the
   test's own: what policies say is tested elsewhere. */
#include "conn_helper.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEX     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID      "sha256:" HEX
#define DIGEST  "sha256:d123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define EVIL    "sha256:e123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OUR_OWN " HTTP/1.1\r\nHost: docker\r\nUser-Agent: sockwarden\r\n\r\n"
#define NAME    "docker.io/acme/app"

#define PULL     "POST /images/create?fromImage=acme/app&tag=1.2 HTTP/1.1\r\nHost: d\r\n\r\n"
#define PULL_1_0 "POST /images/create?fromImage=acme/app&tag=1.2 HTTP/1.0\r\n\r\n"
#define LOOK     "GET /images/" NAME "@" DIGEST "/json" OUR_OWN
#define TAG      "POST /images/" ID "/tag?repo=" NAME "&tag=1.2" OUR_OWN
#define REMOVE   "DELETE /images/" NAME "@" DIGEST OUR_OWN
#define HEAD     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define CHUNKS   HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define LINE     "{\"status\":\"Pulling\"}\r\n"
#define PIECE    "16\r\n" LINE "\r\n"
#define LAST     "0\r\n\r\n"
#define TAGGED   "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
#define GONE     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
#define BUSY     "HTTP/1.1 409 Conflict\r\nContent-Length: 18\r\n\r\n{\"message\":\"busy\"}"
#define NONE     "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
#define BROKEN   "nonsense\r\n\r\n"
#define SIGNED   "{\"Verdict\":\"signed\",\"Ids\":[\"" DIGEST "\",\"" ID "\"]}"

static struct world world;

/* What the decision says of the next pull. */
static const char *verdict; /* NULL: the policy lists the digest */
static const char *tag;     /* "": by digest alone */
static bool pulls = true;

void __real_policy_decide_again(const struct role *role, const struct request *request,
                                struct facts *facts, struct readings *read, struct arena *arena,
                                struct decision *decision);
void __wrap_policy_decide_again(const struct role *role, const struct request *request,
                                struct facts *facts, struct readings *read, struct arena *arena,
                                struct decision *decision);

void __wrap_policy_decide_again(const struct role *role, const struct request *request,
                                struct facts *facts, struct readings *read, struct arena *arena,
                                struct decision *decision)
{
    __real_policy_decide_again(role, request, facts, read, arena, decision);
    if (request->route->op != OP_ImageCreate || decision->verdict != VERDICT_ALLOW || !pulls)
        return;
    decision->pull = (struct pull){.name = STR(NAME),
                                   .digest = STR(DIGEST),
                                   .tag = str_of(tag),
                                   .fact = verdict ? 0 : FACTS_MAX};
    decision->signature = (struct signed_note){.key = "SHA256:k", .format = "cosign-simple"};
    facts->items[0] = (struct fact){.kind = FACT_SIGNATURE,
                                    .state = FACT_FOUND,
                                    .name = STR(NAME ":1.2"),
                                    .text = str_of(verdict ? verdict : "")};
    facts->count = verdict ? 1 : 0;
}

/* ---- the world ------------------------------------------------------------------------------- */

static int open_world(void **state)
{
    (void)state;
    verdict = SIGNED;
    tag = "1.2";
    pulls = true;
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

static void again(void)
{
    world_connect(&world);
    world_settle(&world);
    actor_forget(&world.daemon);
}

static void client_sends(const char *text)
{
    actor_forget(&world.client);
    assert_true(actor_write(&world.client, str_of(text)));
    world_settle(&world);
}

static void daemon_sends(const char *text)
{
    actor_forget(&world.daemon);
    assert_true(actor_write(&world.daemon, str_of(text)));
    world_settle(&world);
}

#define daemon_got(text) assert_string_equal(world.daemon.in, text)

/* The daemon's answer to the look: the image has this ID. */
static void daemon_says(const char *members)
{
    char text[1024];
    snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n{%s}",
             strlen(members) + 2, members);
    daemon_sends(text);
}

static bool client_has(const char *text)
{
    return strstr(world.client.in, text) != NULL;
}

static bool client_has_end(void)
{
    return world.client.n >= 5 && strcmp(world.client.in + world.client.n - 5, LAST) == 0;
}

/* Up to where the daemon has pulled, and is asked what. */
static void pulled(void)
{
    client_sends(PULL);
    assert_non_null(strstr(world.daemon.in, "POST /images/create?fromImage="));
    daemon_sends(CHUNKS PIECE);
    daemon_got("");
    assert_true(client_has(LINE)); /* progress goes on at once */
    daemon_sends(PIECE LAST);
    daemon_got(LOOK);
    assert_false(client_has_end());
}

static void audit_holds(const char *text)
{
    static char lines[WORLD_ROOM];
    FILE *file = fopen(world.audit_path, "r");
    assert_non_null(file);
    size_t n = fread(lines, 1, sizeof(lines) - 1, file);
    fclose(file);
    lines[n] = '\0';
    if (!strstr(lines, text))
        fail_msg("%s is not in %s", text, lines + n - (n > 900 ? 900 : n));
}

/* ---- what is well ---------------------------------------------------------------------------- */

static void is_tagged(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) { /* over one connection of the client */
        pulled();
        daemon_says("\"Id\":\"" ID "\"");
        daemon_got(TAG);
        assert_false(client_has_end());
        daemon_sends(TAGGED);
        daemon_got("");
        assert_true(client_has(CHUNKS PIECE PIECE LAST) && client_has_end());
        audit_holds("\"record\":\"verify\"");
        audit_holds("\"decision\":\"allow\",\"image\":\"" NAME "@" DIGEST "\",\"image_id\":\"" ID
                    "\",\"tag\":\"1.2\",\"key\":\"SHA256:k\",\"format\":\"cosign-simple\"");
        assert_int_equal(world.worker.context.conn_count, 1);
    }
    assert_int_equal(world.worker.context.inquiry_count, 1);
}

static void has_no_tag(void **state)
{
    (void)state;
    tag = "";
    pulled();
    daemon_says("\"Id\":\"" ID "\"");
    daemon_got("");
    assert_true(client_has_end() && !client_has("error"));
}

static const struct {
    const char *verdict, *inspect;
    bool passes;
} ids[] = {
    {SIGNED, "\"Id\":\"" ID "\"", true},
    {SIGNED, "\"Id\":\"" DIGEST "\"", true}, /* containerd's store */
    {NULL, "\"Id\":\"" EVIL "\"", true},
    {NULL, "\"Id\":\"x\"", false},
    {SIGNED, "\"Id\":\"" EVIL "\"", false},
    {SIGNED, "\"Id\":\"" EVIL "\",\"RepoDigests\":[\"acme/app@" DIGEST "\"]", false},
    {SIGNED, "\"Id\":\"" HEX "\"", false},
    {SIGNED, "\"Id\":\"sha256:0123\"", false},
    {SIGNED, "\"Id\":\"\"", false},
    {SIGNED, "\"Id\":[\"" ID "\"]", false},
    {SIGNED, "\"id\":\"" ID "\"", false},
    {SIGNED, "", false},
    {SIGNED, "\"Id\":\"" ID "\",\"Id\":\"" EVIL "\"", false},
    {"{\"Ids\":[]}", "\"Id\":\"" ID "\"", false},
    {"{\"Ids\":[\"\",7,{}]}", "\"Id\":\"" ID "\"", false},
    {"{\"Ids\":\"" ID "\"}", "\"Id\":\"" ID "\"", false},
    {"[\"" ID "\"]", "\"Id\":\"" ID "\"", false},
    {"{}", "\"Id\":\"" ID "\"", false},
    {"x", "\"Id\":\"" ID "\"", false},
};

static void only_verified_ids_pass(void **state)
{
    (void)state;
    tag = "";
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        verdict = ids[i].verdict;
        pulled();
        daemon_says(ids[i].inspect);
        if (ids[i].passes != (world.daemon.n == 0))
            fail_msg("row %zu: the daemon got \"%s\"", i, world.daemon.in);
        if (!ids[i].passes)
            daemon_sends(GONE);
        assert_true(client_has_end());
        assert_true(client_has("\"errorDetail\"") == !ids[i].passes);
    }
}

/* ---- what is not ----------------------------------------------------------------------------- */

static void is_removed(void **state)
{
    (void)state;
    pulled();
    daemon_says("\"Id\":\"" EVIL "\"");
    daemon_got(REMOVE);
    assert_false(client_has("error"));
    daemon_sends(GONE);
    assert_true(client_has("{\"errorDetail\":{\"message\":\"sockwarden: " NAME "@" DIGEST));
    assert_true(client_has("(id_mismatch); it has been removed\",\"\"") == false);
    assert_true(client_has("(id_mismatch); it has been removed\"}\r\n\r\n" LAST));
    audit_holds("\"decision\":\"deny\"");
    audit_holds("\"image_id\":\"" EVIL
                "\",\"key\":\"SHA256:k\",\"format\":\"cosign-simple\",\"removed\":true");
    client_sends("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"); /* and the client goes on */
    assert_non_null(strstr(world.daemon.in, "GET /_ping"));
}

static void is_gone_already(void **state)
{
    (void)state;
    pulled();
    daemon_sends(NONE);
    daemon_got(REMOVE);
    daemon_sends(NONE);
    assert_true(client_has("; it has been removed\"") && client_has_end());
}

static void is_not_removed(void **state)
{
    static const char *const answers[] = {BUSY, BROKEN, "HTTP/1.1 200 OK\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        pulled();
        daemon_says("\"Id\":\"" EVIL "\"");
        daemon_got(REMOVE);
        daemon_sends(answers[i]);
        assert_true(client_has("; it has no tag, and cannot be removed: ") && client_has_end());
        audit_holds("\"removed\":false");
        again();
    }
}

static void cannot_be_looked_at(void **state)
{
    static const char *const answers[] = {BUSY, BROKEN, "HTTP/1.1 500 No\r\n\r\n", NONE};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        pulled();
        daemon_sends(answers[i]);
        daemon_got(REMOVE);
        daemon_sends(GONE);
        assert_true(client_has("\"errorDetail\"") && client_has_end());
        again();
    }
}

/* It is signed, and stays; only the tag is missing. */
static void is_not_tagged(void **state)
{
    static const char *const answers[] = {BUSY, BROKEN, NONE};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        pulled();
        daemon_says("\"Id\":\"" ID "\"");
        daemon_got(TAG);
        daemon_sends(answers[i]);
        daemon_got("");
        assert_true(client_has("cannot be given its tag 1.2: ") && client_has_end());
        audit_holds("\"decision\":\"allow\",\"reason\":\"" NAME "@" DIGEST
                    " has been pulled, and cannot be given");
        again();
    }
}

static void daemon_goes_away(void **state)
{
    (void)state;
    client_sends(PULL);
    close(world.listen_fd);
    world.listen_fd = -1;
    daemon_sends(CHUNKS PIECE LAST);
    assert_true(client_has("cannot be looked at") && client_has("cannot be removed"));
    assert_true(client_has_end());
}

/* The daemon's own failures end the answer as they come. */
static void daemon_fails(void **state)
{
    static const char *const messages[] = {
        "{\"errorDetail\":{\"message\":\"x\"},\"error\":\"x\"}",
        "{\"errorDetail\":{}}",
        "{\"error\":\"x\"}",
        "{\"ERRORDETAIL\":{\"message\":\"x\"}}",
        "{\"status\":\"ok\"}{\"errordetail\":{\"message\":\"x\"}}{\"status\":\"ok\"}",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        char text[1024];
        client_sends(PULL);
        snprintf(text, sizeof(text), CHUNKS "%zx\r\n%s\r\n" LAST, strlen(messages[i]), messages[i]);
        daemon_sends(text);
        daemon_got("");
        assert_true(client_has(messages[i]) && client_has_end());
        assert_false(client_has("sockwarden"));
    }
    client_sends(PULL);
    daemon_sends(CHUNKS "21\r\n{\"errorDetail\":null,\"error\":null}\r\n" LAST);
    daemon_got(LOOK);
}

static void daemon_refuses(void **state)
{
    static const char *const answers[] = {NONE, BUSY,
                                          "HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        client_sends(PULL);
        daemon_sends(answers[i]);
        daemon_got("");
        assert_string_equal(world.client.in, answers[i]);
    }
}

/* An answer that is not whole must not look so. */
static void daemon_breaks_off(void **state)
{
    static const char *const answers[] = {CHUNKS, CHUNKS PIECE, CHUNKS "5\r\n{\"a\"",
                                          HEAD "Content-Length: 30\r\n\r\n" LINE};
    static const char *const odd[] = {CHUNKS "3\r\nabc\r\n", CHUNKS "5\r\n{\"a\":\r\n" LAST,
                                      CHUNKS PIECE "zz\r\n", HEAD "Content-Length: 3\r\n\r\n{\"a"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers) + ARRAY_LEN(odd); i++) {
        bool whole = i >= ARRAY_LEN(answers);
        client_sends(PULL);
        daemon_sends(whole ? odd[i - ARRAY_LEN(answers)] : answers[i]);
        if (!whole)
            actor_close(&world.daemon);
        world_settle(&world);
        daemon_got("");
        assert_true(world.client.ended && !client_has_end());
        again();
    }
}

/* ---- framings -------------------------------------------------------------------------------- */

static void comes_with_its_length(void **state)
{
    (void)state;
    client_sends(PULL);
    daemon_sends(HEAD "Content-Length: 22\r\n\r\n" LINE);
    daemon_got(LOOK);
    daemon_says("\"Id\":\"" EVIL "\"");
    daemon_got(REMOVE);
    daemon_sends(GONE);
    assert_true(client_has("Transfer-Encoding: chunked\r\n") && !client_has("Content-Length"));
    assert_true(client_has("\"errorDetail\"") && client_has_end());
    client_sends(PULL); /* an answer without a body */
    daemon_sends(HEAD "Content-Length: 0\r\n\r\n");
    daemon_got(LOOK);
}

static void client_speaks_1_0(void **state)
{
    static const char *const answers[] = {CHUNKS PIECE LAST,
                                          HEAD "Content-Length: 22\r\n\r\n" LINE};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(answers); i++) {
        client_sends(PULL_1_0);
        daemon_sends(answers[i / 2]);
        daemon_got(LOOK);
        assert_true(client_has(LINE) && !client_has("16\r\n") && !world.client.ended);
        daemon_says(i % 2 ? "\"Id\":\"" EVIL "\"" : "\"Id\":\"" ID "\"");
        daemon_got(i % 2 ? REMOVE : TAG);
        daemon_sends(i % 2 ? GONE : TAGGED);
        assert_true(world.client.ended && !client_has("\r\n0\r\n"));
        assert_true(client_has("\"errorDetail\"") == (i % 2 == 1));
        again();
    }
}

static void comes_byte_by_byte(void **state)
{
    static const char text[] = CHUNKS PIECE PIECE LAST;
    (void)state;
    client_sends(PULL);
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        char byte[2] = {text[i], '\0'};
        daemon_sends(byte);
    }
    daemon_got(LOOK);
    daemon_says("\"Id\":\"" ID "\"");
    daemon_sends(TAGGED);
    assert_true(client_has("{\"status\"") && client_has_end());
}

/* ---- leaving --------------------------------------------------------------------------------- */

/* The daemon sees its client leave, as it would without us; later what has begun is finished. */
static void client_leaves(void **state)
{
    (void)state;
    client_sends(PULL);
    daemon_sends(CHUNKS PIECE);
    actor_close(&world.client);
    world_settle(&world);
    assert_true(world.daemon.ended);
    assert_int_equal(world.worker.context.conn_count, 0);
    for (int when = 0; when < 4; when++) {
        again();
        pulled();
        if (when % 2 == 0)
            actor_close(&world.client);
        world_settle(&world);
        daemon_says(when < 2 ? "\"Id\":\"" ID "\"" : "\"Id\":\"" EVIL "\"");
        if (when % 2 == 1)
            actor_close(&world.client);
        world_settle(&world);
        daemon_got(when < 2 ? TAG : REMOVE);
        daemon_sends(when < 2 ? TAGGED : GONE);
        assert_int_equal(world.worker.context.conn_count, 0);
    }
}

/* Cut, or ended, in each phase; close_world() counts what is left. */
static void is_stopped(void **state)
{
    (void)state;
    for (int when = 0; when < 10; when++) {
        client_sends(PULL);
        if (when / 2 > 0)
            daemon_sends(CHUNKS PIECE);
        if (when / 2 > 1)
            daemon_sends(LAST);
        if (when / 2 > 2)
            daemon_says(when / 2 == 3 ? "\"Id\":\"" ID "\"" : "\"Id\":\"" EVIL "\"");
        if (when % 2 == 0)
            conn_cut_all(&world.worker.context);
        world_settle(&world);
        assert_true(!client_has_end());
        /* What is being looked at is looked at to its end. */
        assert_true(when % 2 == 1 || (when / 2 > 1) == !world.client.ended || when == 0);
        conn_close_all(&world.worker.context);
        assert_int_equal(atomic_load(&world.shared.fact_bytes), 0);
        world.worker.context.draining = false;
        again();
    }
}

static void next_request_waits(void **state)
{
    (void)state;
    pulled();
    assert_true(actor_write(&world.client, STR("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")));
    world_settle(&world);
    daemon_got(LOOK);
    daemon_says("\"Id\":\"" ID "\"");
    daemon_got(TAG);
    daemon_sends(TAGGED);
    assert_non_null(strstr(world.daemon.in, "GET /_ping HTTP/1.1\r\n"));
}

/* ---- beside ---------------------------------------------------------------------------------- */

static void audit_mode_lets_it_be(void **state)
{
    (void)state;
    world.config.audit_mode = true;
    pulled();
    daemon_says("\"Id\":\"" EVIL "\"");
    assert_non_null(strstr(world.daemon.in, "POST /images/" EVIL "/tag?repo="));
    daemon_sends(TAGGED);
    assert_true(client_has_end() && !client_has("error"));
    audit_holds("\"decision\":\"allow\",\"would_deny\":true,\"reason\":");
    pulled();
    daemon_sends(BUSY);
    daemon_got("");
    assert_true(client_has_end() && client_has("nothing is with --mode audit"));
}

static void other_pulls_pass(void **state)
{
    (void)state;
    pulls = false;
    client_sends(PULL);
    daemon_sends(CHUNKS PIECE LAST);
    daemon_got("");
    assert_string_equal(world.client.in, CHUNKS PIECE LAST);
    assert_int_equal(world.accepted, 1);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(is_tagged),
        CASE(has_no_tag),
        CASE(only_verified_ids_pass),
        CASE(is_removed),
        CASE(is_gone_already),
        CASE(is_not_removed),
        CASE(cannot_be_looked_at),
        CASE(is_not_tagged),
        CASE(daemon_goes_away),
        CASE(daemon_fails),
        CASE(daemon_refuses),
        CASE(daemon_breaks_off),
        CASE(comes_with_its_length),
        CASE(client_speaks_1_0),
        CASE(comes_byte_by_byte),
        CASE(client_leaves),
        CASE(is_stopped),
        CASE(next_request_waits),
        CASE(audit_mode_lets_it_be),
        CASE(other_pulls_pass),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
