/* An event loop's line to the registry helper, with a helper that says what a row wants it to. */
#include "registry.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The SHA-256 of "hello". */
#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

struct world {
    struct loop loop;
    struct registry_line *line;
    const struct trust_source *source;
    int helper; /* the other side; -1: closed */
    struct arena arena;
};

struct asked {
    struct world *world;
    struct trust_fetch fetch;
    int answers;
    struct asked *again; /* asked when this one is answered */
    bool cancels;        /* or cancelled */
};

static const struct trust_want want = {.kind = TRUST_MANIFEST,
                                       .host = {"r.example", 9},
                                       .repository = {"a/b", 3},
                                       .reference = {"1", 1},
                                       .max = 100};

static char packet[REGISTRY_PACKET_MAX];

static void open_world(struct world *world)
{
    int pair[2];
    *world = (struct world){.helper = -1};
    assert_true(loop_open(&world->loop, 4096));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    world->helper = pair[1];
    world->line = registry_line_open(&world->loop, pair[0], 0, 5);
    world->source = registry_line_source(world->line);
}

static void close_world(struct world *world)
{
    registry_line_close(world->line);
    if (world->helper >= 0)
        close(world->helper);
    loop_close(&world->loop);
    arena_free(&world->arena);
}

static void turn(struct world *world)
{
    event_base_loop(world->loop.base, EVLOOP_NONBLOCK);
}

static void on_done(void *arg)
{
    struct asked *asked = arg;
    asked->answers++;
    if (asked->again && asked->cancels)
        asked->world->source->cancel(asked->world->source->self, &asked->again->fetch);
    else if (asked->again)
        assert_false(
            asked->world->source->fetch(asked->world->source->self, &want, &asked->again->fetch));
}

static void prepare(struct world *world, struct asked *asked)
{
    asked->world = world;
    asked->fetch = (struct trust_fetch){.on_done = on_done, .arg = asked, .arena = &world->arena};
}

static bool ask(struct world *world, struct asked *asked)
{
    prepare(world, asked);
    return world->source->fetch(world->source->self, &want, &asked->fetch);
}

static void say(struct world *world, size_t n)
{
    assert_int_equal(send(world->helper, packet, n, 0), (ssize_t)n);
    turn(world);
}

static void say_head(struct world *world, uint64_t id, unsigned outcome, uint32_t size,
                     struct str digest, struct str error)
{
    const struct registry_head head = {
        .id = id, .outcome = outcome, .size = size, .digest = digest, .error = error};
    say(world, registry_write_head(&head, packet));
}

static void say_data(struct world *world, uint64_t id, struct str bytes)
{
    const struct registry_data data = {.id = id, .bytes = bytes};
    say(world, registry_write_data(&data, packet));
}

static struct registry_ask hear(struct world *world)
{
    static char heard[REGISTRY_PACKET_MAX];
    struct registry_ask out;
    ssize_t n = recv(world->helper, heard, sizeof(heard), MSG_DONTWAIT);
    assert_true(n > 0);
    assert_true(registry_read_ask((struct str){heard, (size_t)n}, &out));
    return out;
}

static void test_answers(void **state)
{
    struct world world;
    struct asked one = {.answers = 0}, two = {.answers = 0}, three = {.answers = 0};
    (void)state;
    open_world(&world);
    assert_false(ask(&world, &one));
    struct registry_ask heard = hear(&world);
    assert_true(str_is(heard.host, "r.example") && heard.max == 100 && heard.id == 1);
    assert_false(ask(&world, &two));
    assert_false(ask(&world, &three));
    say_head(&world, 2, TRUST_ABSENT, 0, STR(""), STR(""));
    assert_true(two.answers == 1 && two.fetch.outcome == TRUST_ABSENT);
    say_head(&world, 1, TRUST_GOT, 5, STR(HELLO), STR(""));
    say_data(&world, 1, STR("he"));
    assert_int_equal(one.answers, 0);
    say_data(&world, 1, STR("llo"));
    assert_true(one.answers == 1 && one.fetch.outcome == TRUST_GOT);
    assert_true(str_is(one.fetch.bytes, "hello") && str_is(one.fetch.digest, HELLO));
    say_head(&world, 3, TRUST_ERROR, 0, STR(""), STR("no \x1b[31m"));
    assert_true(three.answers == 1 && three.fetch.outcome == TRUST_ERROR);
    assert_null(strchr(three.fetch.error, '\x1b'));
    close_world(&world);
}

static void test_digest(void **state)
{
    static const struct {
        const char *digest;
        enum trust_outcome outcome;
    } rows[] = {
        {"", TRUST_GOT},
        {HELLO, TRUST_GOT},
        {"sha256:0cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", TRUST_ERROR},
        {"sha512:00", TRUST_ERROR},
        {"x", TRUST_ERROR},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world world;
        struct asked one = {.answers = 0};
        open_world(&world);
        assert_false(ask(&world, &one));
        say_head(&world, 1, TRUST_GOT, 5, str_of(rows[i].digest), STR(""));
        say_data(&world, 1, STR("hello"));
        if (one.answers != 1 || one.fetch.outcome != rows[i].outcome)
            fail_msg("%s: %d", rows[i].digest, one.fetch.outcome);
        assert_true((one.fetch.bytes.n > 0) == (rows[i].outcome == TRUST_GOT));
        close_world(&world);
    }
}

/* Each of these ends the line, and whoever waits is told. */
static void test_hostile(void **state)
{
    (void)state;
    for (int row = 0; row < 9; row++) {
        struct world world;
        struct asked one = {.answers = 0}, later = {.answers = 0};
        open_world(&world);
        assert_false(ask(&world, &one));
        switch (row) {
        case 0:
            say_head(&world, 2, TRUST_ABSENT, 0, STR(""), STR("")); /* never asked */
            break;
        case 1:
            say_data(&world, 1, STR("x")); /* no head */
            break;
        case 2:
            say_head(&world, 1, TRUST_GOT, 101, STR(""),
                     STR("")); /* more than the question allows */
            break;
        case 3:
            say_head(&world, 1, TRUST_GOT, 5, STR(""), STR(""));
            say_data(&world, 1, STR("123456"));
            break;
        case 4:
            say_head(&world, 1, TRUST_GOT, 5, STR(""), STR(""));
            say_data(&world, 0, STR("12345"));
            break;
        case 5:
            say_head(&world, 1, TRUST_GOT, 5, STR(""), STR(""));
            say_head(&world, 1, TRUST_GOT, 5, STR(""), STR(""));
            break;
        case 6:
            packet[0] = 99;
            say(&world, 1);
            break;
        case 7:
            say(&world, registry_write_ask(&(struct registry_ask){.host = STR("h"),
                                                                  .repository = STR("r"),
                                                                  .reference = STR("t")},
                                           packet));
            break;
        default:
            close(world.helper);
            world.helper = -1;
            turn(&world);
        }
        if (one.answers != 1 || one.fetch.outcome != TRUST_DEAD || one.fetch.bytes.p)
            fail_msg("row %d: %d answers, outcome %d", row, one.answers, one.fetch.outcome);
        assert_true(ask(&world, &later));
        assert_int_equal(later.fetch.outcome, TRUST_DEAD);
        close_world(&world);
    }
}

static void test_death(void **state)
{
    struct world world;
    struct asked one = {.answers = 0}, two = {.answers = 0}, again = {.answers = 0};
    uint64_t deaths = registry_counts_read().deaths;
    (void)state;
    open_world(&world);
    prepare(&world, &again);
    one.again = &again;
    assert_false(ask(&world, &one));
    assert_false(ask(&world, &two));
    say_head(&world, 1, TRUST_GOT, 5, STR(""), STR(""));
    say_data(&world, 1, STR("he"));
    say(&world, registry_write_gone(SIGKILL, packet));
    assert_true(one.answers == 1 && two.answers == 1 && again.answers == 0);
    assert_true(one.fetch.outcome == TRUST_DEAD && two.fetch.outcome == TRUST_DEAD);
    assert_int_equal(registry_counts_read().deaths, deaths + 1);
    assert_false(registry_counts_read().up);
    /* The next helper answers what the last one has not read, which nobody waits for. */
    say_head(&world, 2, TRUST_GOT, 3, STR(""), STR(""));
    say_data(&world, 2, STR("old"));
    say_head(&world, 3, TRUST_GOT, 3, STR(""), STR(""));
    say_data(&world, 3, STR("new"));
    assert_true(again.answers == 1 && str_is(again.fetch.bytes, "new"));
    assert_true(registry_counts_read().up);
    close_world(&world);
}

static void test_cancel(void **state)
{
    struct world world;
    struct asked one = {.answers = 0}, two = {.answers = 0}, three = {.answers = 0};
    (void)state;
    open_world(&world);
    assert_false(ask(&world, &one));
    assert_false(ask(&world, &two));
    assert_false(ask(&world, &three));
    say_head(&world, 1, TRUST_GOT, 5, STR(""), STR(""));
    world.source->cancel(world.source->self, &one.fetch); /* within its body */
    say_data(&world, 1, STR("hello"));
    two.again = &three;
    two.cancels = true;
    say(&world, registry_write_gone(0, packet));
    assert_true(one.answers == 0 && two.answers == 1 && three.answers == 0);
    world.source->cancel(world.source->self, &three.fetch); /* once more is nothing */
    close_world(&world);
}

static void test_limits(void **state)
{
    static struct asked many[REGISTRY_PENDING_MAX + 1];
    struct world world;
    struct asked one = {.answers = 0};
    (void)state;
    open_world(&world);
    /* The helper reads nothing: its socket is full first, or the line's own limit is met. */
    size_t waiting = 0;
    while (waiting <= REGISTRY_PENDING_MAX && !ask(&world, &many[waiting]))
        waiting++;
    assert_true(waiting <= REGISTRY_PENDING_MAX);
    assert_int_equal(many[waiting].fetch.outcome, TRUST_DEAD);
    registry_line_close(world.line);
    world.line = NULL;
    close_world(&world);
    open_world(&world);
    assert_false(ask(&world, &one));
    world.loop.now_ms += 11000;
    world.loop.stop = false;
    struct timer *timer = world.loop.wheel[0].next;
    for (size_t i = 0; i < LOOP_WHEEL_SLOTS; i++)
        if (world.loop.wheel[i].next != &world.loop.wheel[i])
            timer = world.loop.wheel[i].next;
    timer->fire(timer->arg);
    assert_true(one.answers == 1 && one.fetch.outcome == TRUST_DEAD);
    close_world(&world);
}

static void test_logins(void **state)
{
    static const char text[] =
        "{\"auths\":{\"r.example\":{\"username\":\"own\",\"password\":\"p\"}}}";
    struct world world;
    struct asked one = {.answers = 0}, two = {.answers = 0}, three = {.answers = 0},
                 four = {.answers = 0};
    struct trust_want mine = want;
    struct err err = {.set = false};
    bool helpers;
    struct registry_logins *logins = registry_logins_parse(str_of(text), &helpers, &err);
    (void)state;
    open_world(&world);
    assert_false(ask(&world, &one));
    assert_int_equal(hear(&world).login.user.n, 0);
    mine.auth = STR("eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InA6cSJ9");
    prepare(&world, &two);
    assert_false(world.source->fetch(world.source->self, &mine, &two.fetch));
    assert_true(str_is(hear(&world).login.user, "u"));
    registry_line_use(world.line, logins);
    prepare(&world, &three);
    assert_false(world.source->fetch(world.source->self, &mine, &three.fetch));
    assert_true(str_is(hear(&world).login.user, "own"));
    registry_line_use(world.line, NULL);
    mine.auth = STR("!!!");
    prepare(&world, &four);
    assert_true(world.source->fetch(world.source->self, &mine, &four.fetch));
    assert_int_equal(four.fetch.outcome, TRUST_ERROR);
    close_world(&world);
    registry_logins_free(logins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_digest),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_death),
        cmocka_unit_test(test_cancel),  cmocka_unit_test(test_limits),
        cmocka_unit_test(test_logins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
