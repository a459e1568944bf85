/* The loop: order of tasks, cancelling, timers, buffers. */
#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { BUFFER = 4096 };

/* What happened, a letter each. */
static struct {
    struct loop loop;
    char text[64];
    size_t n;
} happened;

struct letter {
    char name;
    struct task task;
    struct timer timer;
    struct letter *cancels, *queues;
    bool stop;
    bool later;    /* it queues the other one at the end of a turn */
    unsigned soon; /* how often it tries again */
};

static void note(char name)
{
    assert_true(happened.n + 1 < sizeof(happened.text));
    happened.text[happened.n++] = name;
    happened.text[happened.n] = '\0';
}

static void run_letter(void *arg)
{
    struct letter *letter = arg;
    note(letter->name);
    if (letter->cancels) {
        loop_cancel(&happened.loop, &letter->cancels->task);
        timer_drop(&happened.loop, &letter->cancels->timer);
    }
    if (letter->queues && letter->later)
        loop_at_end(&happened.loop, &letter->queues->task);
    else if (letter->queues)
        loop_again(&happened.loop, &letter->queues->task);
    if (letter->soon && letter->soon--)
        loop_soon(&happened.loop, &letter->task);
    happened.loop.stop |= letter->stop;
}

static struct letter letter_new(char name)
{
    return (struct letter){.name = name};
}

static void letter_bind(struct letter *letter)
{
    letter->task = (struct task){.run = run_letter, .arg = letter};
    letter->timer = (struct timer){.fire = run_letter, .arg = letter};
}

static void on_turn_end(void *arg)
{
    (void)arg;
    note('.');
}

static int open_loop(void **state)
{
    (void)state;
    memset(&happened, 0, sizeof(happened));
    assert_true(loop_open(&happened.loop, BUFFER));
    happened.loop.on_turn_end = on_turn_end;
    return 0;
}

static int close_loop(void **state)
{
    (void)state;
    loop_close(&happened.loop);
    return 0;
}

#define LETTERS(n, names)                       \
    struct letter n[sizeof(names) - 1];         \
    for (size_t i = 0; i < ARRAY_LEN(n); i++) { \
        n[i] = letter_new((names)[i]);          \
        letter_bind(&n[i]);                     \
    }

static void test_order(void **state)
{
    (void)state;
    LETTERS(l, "abcz");
    l[3].stop = true;
    loop_again(&happened.loop, &l[0].task);
    loop_at_end(&happened.loop, &l[3].task);
    loop_again(&happened.loop, &l[1].task);
    loop_again(&happened.loop, &l[0].task); /* once is enough */
    loop_again(&happened.loop, &l[2].task);
    loop_run(&happened.loop);
    assert_string_equal(happened.text, "abc.z.");
}

/* What a task queues waits for the next turn, also when it queues itself. */
static void test_next_turn(void **state)
{
    (void)state;
    LETTERS(l, "abz");
    l[0].queues = &l[1];
    l[1].queues = &l[2];
    l[2].stop = true;
    loop_again(&happened.loop, &l[0].task);
    loop_run(&happened.loop);
    assert_string_equal(happened.text, "a.b.z.");
}

static void test_cancel(void **state)
{
    (void)state;
    for (size_t gone = 0; gone < 4; gone++) {
        happened.n = 0;
        happened.loop.stop = false;
        LETTERS(l, "abcdz");
        l[4].stop = true;
        for (size_t i = 0; i < 4; i++)
            loop_again(&happened.loop, &l[i].task);
        loop_at_end(&happened.loop, &l[4].task);
        loop_cancel(&happened.loop, &l[gone].task);
        loop_cancel(&happened.loop, &l[gone].task); /* harmless */
        loop_run(&happened.loop);
        assert_null(strchr(happened.text, "abcd"[gone]));
        assert_int_equal(happened.n, 6);
        assert_false(l[gone].task.queued);
        /* The list is whole: what is added goes behind the rest. */
        happened.n = 0;
        happened.loop.stop = false;
        loop_again(&happened.loop, &l[gone].task);
        loop_at_end(&happened.loop, &l[4].task);
        loop_run(&happened.loop);
        assert_int_equal(happened.text[0], "abcd"[gone]);
    }
}

static void test_cancel_while_running(void **state)
{
    (void)state;
    LETTERS(l, "abz");
    l[0].cancels = &l[1];
    l[2].stop = true;
    loop_again(&happened.loop, &l[0].task);
    loop_again(&happened.loop, &l[1].task);
    loop_at_end(&happened.loop, &l[2].task);
    loop_run(&happened.loop);
    assert_string_equal(happened.text, "a.z.");
}

static uint64_t run_for_timer(struct timer *timer, uint64_t ms)
{
    uint64_t begun = clock_now_ms();
    happened.loop.stop = false;
    timer_set(&happened.loop, timer, ms);
    loop_run(&happened.loop);
    return clock_now_ms() - begun;
}

/* Work that is queued at the end of a turn runs at the end of the next, for which nobody waits. */
static void test_end_queues_end(void **state)
{
    (void)state;
    LETTERS(l, "abt");
    l[0].queues = &l[1];
    l[0].later = true;
    l[1].stop = true;
    uint64_t begun = clock_now_ms();
    timer_set(&happened.loop, &l[2].timer, 60000); /* something to wait for: a tick each second */
    loop_at_end(&happened.loop, &l[0].task);
    loop_again(&happened.loop, &l[2].task); /* the first turn does not wait either */
    loop_run(&happened.loop);
    timer_drop(&happened.loop, &l[2].timer);
    assert_string_equal(happened.text, "t.a..b.");
    assert_in_range(clock_now_ms() - begun, 0, 900);
}

/* Tasks that try again and again, all of them, as long as they want. */
static void test_soon(void **state)
{
    (void)state;
    LETTERS(l, "abcs");
    happened.loop.on_turn_end = NULL;
    for (size_t i = 0; i < 3; i++) {
        l[i].soon = 4;
        loop_soon(&happened.loop, &l[i].task);
    }
    loop_soon(&happened.loop, &l[0].task);
    loop_cancel(&happened.loop, &l[1].task);
    l[3].stop = true;
    run_for_timer(&l[3].timer, 1000);
    assert_string_equal(happened.text, "acacacacacs");
    assert_null(happened.loop.soon.first);
}

static void test_timer_fires(void **state)
{
    (void)state;
    LETTERS(l, "t");
    happened.loop.on_turn_end = NULL;
    l[0].stop = true;
    uint64_t took = run_for_timer(&l[0].timer, 1);
    assert_string_equal(happened.text, "t");
    assert_in_range(took, 1, 4000);
    assert_int_equal(l[0].timer.deadline_ms, 0);
    assert_int_equal(happened.loop.timers, 0);
}

/* A later deadline is only written down, an earlier one moves the timer; one that is disarmed
   leaves quietly. */
static void test_timer_moves(void **state)
{
    (void)state;
    LETTERS(l, "dels");
    happened.loop.on_turn_end = NULL;
    l[3].stop = true;
    timer_set(&happened.loop, &l[0].timer, 1); /* disarmed */
    timer_set(&happened.loop, &l[0].timer, 0);
    timer_set(&happened.loop, &l[1].timer, 100000); /* earlier */
    timer_set(&happened.loop, &l[1].timer, 1);
    timer_set(&happened.loop, &l[2].timer, 1); /* later */
    const struct timer *where = l[2].timer.next;
    timer_set(&happened.loop, &l[2].timer, 100000);
    assert_ptr_equal(l[2].timer.next, where);
    run_for_timer(&l[3].timer, 1001);
    assert_string_equal(happened.text, "es");
    assert_int_equal(happened.loop.timers, 1);
    assert_true(l[2].timer.deadline_ms != 0);
    timer_drop(&happened.loop, &l[2].timer);
    timer_drop(&happened.loop, &l[2].timer);
    timer_drop(&happened.loop, &l[0].timer); /* never armed any more */
    assert_int_equal(happened.loop.timers, 0);
}

/* Drives the wheel without the clock: far deadlines go round and fire once, at their second. */
static void test_wheel_far(void **state)
{
    (void)state;
    LETTERS(l, "nfx");
    struct loop *loop = &happened.loop;
    loop->on_turn_end = NULL;
    timer_set(loop, &l[0].timer, 5000);
    timer_set(loop, &l[1].timer, 1000 * 1000);
    timer_set(loop, &l[2].timer, 1000 * 1000);
    timer_drop(loop, &l[2].timer);
    uint64_t second = l[1].timer.deadline_ms / 1000;
    /* The loop's seconds are moved back under it, as if it had slept. */
    loop->tick -= 2000;
    l[2].stop = true;
    loop_again(loop, &l[2].task);
    loop_run(loop);
    assert_string_equal(happened.text, "x"); /* nothing was due */
    assert_int_equal(loop->timers, 2);
    assert_true(l[1].timer.deadline_ms / 1000 == second);
    l[0].timer.deadline_ms -= 5001;
    l[1].timer.deadline_ms -= 1000 * 1000 + 1;
    loop->stop = false;
    loop->tick -= 2000; /* every slot comes round */
    loop_again(loop, &l[2].task);
    loop_run(loop);
    assert_int_equal(happened.n, 4);
    assert_non_null(strchr(happened.text, 'n'));
    assert_non_null(strchr(happened.text, 'f'));
    assert_int_equal(loop->timers, 0);
}

/* A timer that fires may drop another one that is due, and set itself again. */
static void test_timer_drops_other(void **state)
{
    (void)state;
    LETTERS(l, "abs");
    struct loop *loop = &happened.loop;
    loop->on_turn_end = NULL;
    l[0].cancels = &l[1];
    l[1].cancels = &l[0];
    timer_set(loop, &l[0].timer, 10);
    timer_set(loop, &l[1].timer, 10);
    l[2].stop = true;
    run_for_timer(&l[2].timer, 1100);
    assert_int_equal(happened.n, 2);
    assert_int_equal(happened.text[0], 'a');
    assert_int_equal(loop->timers, 0);
}

static void test_buffers(void **state)
{
    (void)state;
    struct loop *loop = &happened.loop;
    struct buffer *a = loop_buffer_take(loop), *b = loop_buffer_take(loop);
    assert_true(a && b && a != b);
    assert_int_equal(a->cap, BUFFER);
    memset(a->data, 'x', a->cap);
    a->off = 3;
    a->end = 7;
    loop_buffer_give(loop, a);
    loop_buffer_give(loop, NULL);
    assert_int_equal(loop->buffer_count, 1);
    struct buffer *again = loop_buffer_take(loop);
    assert_ptr_equal(again, a);
    assert_true(again->off == 0 && again->end == 0 && again->next == NULL);
    loop_buffer_give(loop, again);
    loop_buffer_give(loop, b);
    struct buffer *many[100];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = loop_buffer_take(loop);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        loop_buffer_give(loop, many[i]);
    assert_true(loop->buffer_count > 0 && loop->buffer_count < ARRAY_LEN(many));
}

/* What a burst has needed goes a second after it, and the timer with it. */
static void test_tidy(void **state)
{
    (void)state;
    struct loop *loop = &happened.loop;
    struct buffer *many[100];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = loop_buffer_take(loop);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        loop_buffer_give(loop, many[i]);
    size_t kept = loop->buffer_count;
    assert_int_equal(loop->timers, 1);
    LETTERS(l, "z");
    l[0].stop = true;
    timer_set(loop, &l[0].timer, LOOP_TIDY_MS + 1000);
    loop_run(loop);
    assert_true(loop->buffer_count > 0 && loop->buffer_count < kept / 2);
    assert_int_equal(loop->timers, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)
    const struct CMUnitTest tests[] = {
        TEST(test_order),          TEST(test_next_turn),
        TEST(test_cancel),         TEST(test_cancel_while_running),
        TEST(test_end_queues_end), TEST(test_soon),
        TEST(test_timer_fires),    TEST(test_timer_moves),
        TEST(test_wheel_far),      TEST(test_timer_drops_other),
        TEST(test_buffers),        TEST(test_tidy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
