/* The operator's log: what every request could say is said once, and counted. */
#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, EACH = 1000 };

/* Standard error while a function runs; the caller frees nothing. */
static const char *said(void *(*run)(void *arg), int threads, void *arg)
{
    static char text[4096];
    int pipes[2], old = dup(STDERR_FILENO);
    pthread_t made[THREADS];
    assert_true(old >= 0 && pipe2(pipes, O_NONBLOCK) == 0);
    assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
    for (int i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&made[i], NULL, run, arg), 0);
    for (int i = 0; i < threads; i++)
        pthread_join(made[i], NULL);
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    ssize_t n = read(pipes[0], text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    close(pipes[0]);
    close(pipes[1]);
    close(old);
    return text;
}

static void *say(void *arg)
{
    for (int i = 0; i < EACH; i++)
        log_seldom(arg, LOG_LEVEL_WARN, "the daemon is %s", "away");
    return NULL;
}

static void test_once(void **state)
{
    (void)state;
    struct log_limit limit = {0, 0};
    assert_string_equal(said(say, THREADS, &limit), "sockwarden: warning: the daemon is away\n");
    assert_int_equal(atomic_load(&limit.untold), THREADS * EACH - 1);
    assert_string_equal(said(say, 1, &limit), "");
}

static void *say_again(void *arg)
{
    struct log_limit *limit = arg;
    atomic_store(&limit->until_ms, 1); /* long ago */
    return say(arg);
}

static void test_counts(void **state)
{
    (void)state;
    struct log_limit limit = {0, 0};
    said(say, 1, &limit);
    assert_string_equal(said(say_again, 1, &limit),
                        "sockwarden: warning: the daemon is away (and 999 times more before)\n");
    assert_int_equal(atomic_load(&limit.untold), EACH - 1);
}

static void test_level(void **state)
{
    (void)state;
    struct log_limit limit = {0, 0};
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    assert_string_equal(said(say, 1, &limit), "");
    assert_int_equal(atomic_load(&limit.until_ms), 0); /* nobody has been told */
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
