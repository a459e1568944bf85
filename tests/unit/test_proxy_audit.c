/* The audit sink: whole lines, full pipes, files that are full, and the batch of a turn. */
#include "audit.h"

#include "log.h"
#include "loop.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LARGE = 300 << 10 };

static char folder[] = "/tmp/sockwarden-audit-XXXXXX";
static char path[64], other[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    signal(SIGXFSZ, SIG_IGN);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(folder);
}

static int remove_files(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return 0;
}

static void expect_file(const char *name, const char *wanted)
{
    char text[4096];
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, wanted);
}

static struct audit_sink *open_sink(const char *first, const char *second)
{
    const char *targets[] = {first, second};
    struct err err = {.set = false};
    struct audit_sink *sink = audit_open(targets, second ? 2 : 1, &err);
    if (!sink)
        fail_msg("%s", err.text);
    return sink;
}

static void test_file(void **state)
{
    (void)state;
    struct stat st;
    struct audit_sink *sink = open_sink(path, NULL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(audit_write(sink, STR("{\"a\":1}\n")));
    assert_true(audit_write(sink, STR("")));
    assert_true(audit_write(sink, STR("b\nc\n")));
    audit_close(sink);
    sink = open_sink(path, other); /* appends */
    assert_true(audit_write(sink, STR("d\n")));
    audit_close(sink);
    expect_file(path, "{\"a\":1}\nb\nc\nd\n");
    expect_file(other, "d\n");
}

static void test_none(void **state)
{
    (void)state;
    struct audit_sink *sink = open_sink("none", "none");
    assert_true(audit_write(sink, STR("x\n")));
    audit_close(sink);
    audit_close(NULL);
    sink = audit_open(NULL, 0, NULL);
    assert_non_null(sink);
    assert_true(audit_write(sink, STR("x\n")));
    audit_close(sink);
}

static void test_cannot_open(void **state)
{
    (void)state;
    struct err err = {.set = false};
    const char *missing[] = {path, "/nonexistent/folder/log"};
    assert_null(audit_open(missing, 2, &err));
    assert_non_null(strstr(err.text, "/nonexistent/folder/log"));
    assert_non_null(strstr(err.text, "folder must exist"));
    err.set = false;
    assert_null(audit_open((const char *const[]){folder}, 1, &err));
    assert_non_null(strstr(err.text, folder));
    const char *many[AUDIT_TARGETS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = path;
    err.set = false;
    assert_null(audit_open(many, ARRAY_LEN(many), &err));
    assert_non_null(strstr(err.text, "more than 8"));
}

/* Writes lines while files may have so many bytes. */
static bool write_limited(struct audit_sink *sink, rlim_t size, struct str lines)
{
    struct rlimit old, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = size;
    fflush(NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    bool ok = audit_write(sink, lines);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    return ok;
}

/* Wherever a file is full, it ends in a whole line, and takes lines again once there is room. */
static void test_half_line_cut(void **state)
{
    (void)state;
    struct str lines = STR("first\nsecond\nthird\n");
    for (size_t room = 0; room <= lines.n; room++) {
        unlink(path);
        struct audit_sink *sink = open_sink(path, NULL);
        assert_true(audit_write(sink, STR("before\n")));
        assert_int_equal(write_limited(sink, 7 + room, lines), room == lines.n);
        char wanted[64] = "before\n";
        size_t whole = str_rfind(str_head(lines, room), '\n');
        memcpy(wanted + 7, lines.p, whole == room ? 0 : whole + 1);
        expect_file(path, wanted);
        assert_true(audit_write(sink, STR("after\n")));
        strcat(wanted, "after\n");
        expect_file(path, wanted);
        audit_close(sink);
    }
}

/* One full target is a failure, and the others get their lines all the same. */
static void test_other_target(void **state)
{
    (void)state;
    struct audit_sink *sink = open_sink(path, other);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs("0123456789\n", file);
    fclose(file);
    assert_false(write_limited(sink, 11, STR("line\n")));
    audit_close(sink);
    expect_file(path, "0123456789\n");
    expect_file(other, "line\n");
}

/* Reads a pipe slowly, to its end. */
struct reader {
    int fd;
    size_t n;
    unsigned sum;
};

static void *read_slowly(void *arg)
{
    struct reader *reader = arg;
    char bytes[4096];
    poll(NULL, 0, 50); /* until the pipe is full */
    for (;;) {
        ssize_t n = read(reader->fd, bytes, sizeof(bytes));
        if (n <= 0)
            return NULL;
        for (ssize_t i = 0; i < n; i++)
            reader->sum = reader->sum * 31 + (unsigned char)bytes[i];
        reader->n += (size_t)n;
    }
}

/* Standard output is a pipe that does not block and is full: every byte gets through, in order. */
static void test_full_pipe(void **state)
{
    (void)state;
    static char lines[LARGE];
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(lines); i++) {
        lines[i] = (char)(i % 100 == 99 ? '\n' : 'a' + i % 26);
        sum = sum * 31 + (unsigned char)lines[i];
    }
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    struct reader reader = {.fd = fds[0]};
    pthread_t thread;
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(fds[1], STDOUT_FILENO);
    close(fds[1]);
    int made = pthread_create(&thread, NULL, read_slowly, &reader);
    struct audit_sink *sink = open_sink("-", NULL);
    bool ok = made == 0 && audit_write(sink, (struct str){lines, sizeof(lines)});
    audit_close(sink); /* leaves standard output open */
    bool still = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
    dup2(saved, STDOUT_FILENO);
    close(saved);
    pthread_join(thread, NULL);
    close(fds[0]);
    assert_true(ok && still);
    assert_int_equal(reader.n, sizeof(lines));
    assert_int_equal(reader.sum, sum);
}

static size_t take(int fd, char *dst, size_t most)
{
    ssize_t n = read(fd, dst, most);
    return n > 0 ? (size_t)n : 0;
}

/* A pipe of two pages that nobody reads for a while: the write fails in time, later ones at once;
   when it is read again, page by page, the line that was taken in part is completed first, and no
   line that follows is torn. */
static void test_unread_pipe(void **state)
{
    (void)state;
    enum { PAGE = 4096, LONG = 5 * PAGE };
    static char lines[2 + LONG], got[3 * LONG];
    lines[0] = 'a';
    memset(lines + 2, 'b', LONG);
    lines[1] = lines[1 + LONG] = '\n';
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fcntl(fd, F_SETPIPE_SZ, 2 * PAGE) >= 2 * PAGE);
    struct audit_sink *sink = open_sink(path, NULL);
    uint64_t begun = clock_now_ms();
    assert_false(audit_write(sink, (struct str){lines, sizeof(lines)}));
    uint64_t waited = clock_now_ms() - begun;
    assert_in_range(waited, 1000, 8000);
    begun = clock_now_ms();
    for (int i = 0; i < 10; i++)
        assert_false(audit_write(sink, STR("refused\n")));
    assert_true(clock_now_ms() - begun < 500);
    size_t n = 0;
    bool ok = false;
    for (int i = 0; i < 20 && !ok; i++) {
        n += take(fd, got + n, PAGE);
        ok = audit_write(sink, STR("next\n"));
    }
    assert_true(ok && audit_write(sink, STR("last\n")));
    for (size_t part; (part = take(fd, got + n, PAGE)) > 0;)
        n += part;
    audit_close(sink);
    close(fd);
    assert_int_equal(n, sizeof(lines) + 10);
    assert_memory_equal(got, lines, sizeof(lines));
    assert_memory_equal(got + sizeof(lines), "next\nlast\n", 10);
}

/* Interrupts the thread that waits for the pipe, by a signal every now and then. */
static void *interrupt(void *arg)
{
    const pthread_t *target = arg;
    for (int i = 0; i < 3; i++) {
        poll(NULL, 0, 100);
        pthread_kill(*target, SIGUSR1);
    }
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
}

static atomic_bool has_returned;

/* Frees the writer that would else hang for good. */
static void *read_late(void *arg)
{
    char bytes[4096];
    for (int i = 0; i < 90 && !has_returned; i++)
        poll(NULL, 0, 100);
    while (take(*(int *)arg, bytes, sizeof(bytes)) > 0)
        continue;
    return NULL;
}

/* A signal does not make a full pipe look like one with room. */
static void test_unread_pipe_signal(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal}, old;
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fcntl(fd, F_SETPIPE_SZ, 4096) >= 4096);
    struct audit_sink *sink = open_sink(path, NULL);
    static char page[4096];
    memset(page, '\n', sizeof(page));
    assert_true(audit_write(sink, (struct str){page, sizeof(page)}));
    sigaction(SIGUSR1, &action, &old);
    pthread_t self = pthread_self(), sender, reader;
    assert_int_equal(pthread_create(&sender, NULL, interrupt, &self), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_late, &fd), 0);
    uint64_t begun = clock_now_ms();
    bool ok = audit_write(sink, STR("line\n"));
    uint64_t waited = clock_now_ms() - begun;
    has_returned = true;
    pthread_join(sender, NULL);
    pthread_join(reader, NULL);
    sigaction(SIGUSR1, &old, NULL);
    audit_close(sink);
    close(fd);
    assert_false(ok);
    assert_in_range(waited, 1000, 8000);
}

/* Nobody reads any more. */
static void test_broken_pipe(void **state)
{
    (void)state;
    char why[400];
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct audit_sink *sink = open_sink(path, NULL);
    assert_true(audit_write(sink, STR("a\n")));
    close(fd);
    assert_true(audit_can_write(sink, why, sizeof(why))); /* nothing has failed yet */
    assert_false(audit_write(sink, STR("b\n")));
    assert_false(audit_can_write(sink, why, sizeof(why)));
    assert_non_null(strstr(why, "Broken pipe"));
    assert_non_null(strstr(why, path));
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(audit_can_write(sink, why, sizeof(why)));
    assert_true(audit_write(sink, STR("c\n")));
    close(fd);
    audit_close(sink);
}

static void test_batch(void **state)
{
    (void)state;
    struct audit_batch batch = {.p = NULL};
    size_t total = 0;
    for (size_t i = 0; i < 1000; i++) {
        char *p = audit_reserve(&batch, 16 << 10);
        assert_non_null(p);
        assert_true(batch.cap - batch.len >= 16 << 10);
        size_t n = (size_t)snprintf(p, 32, "%zu\n", i);
        audit_commit(&batch, n);
        total += n;
    }
    assert_int_equal(batch.len, total);
    assert_false(batch.failed);
    assert_memory_equal(batch.p, "0\n1\n2\n", 6);
    assert_memory_equal(batch.p + batch.len - 8, "998\n999\n", 8);
    assert_non_null(audit_reserve(&batch, 1 << 20));
    assert_int_equal(batch.len, total); /* what is not committed does not count */
    audit_batch_free(&batch);
    assert_true(batch.p == NULL && batch.len == 0 && batch.cap == 0);
    audit_batch_free(&batch);
}

static bool reopen(struct audit_sink *sink, const char *first, const char *second, struct err *err)
{
    const char *targets[] = {first, second};
    return audit_reopen(sink, targets, second ? 2 : 1, err);
}

/* The lines behind a reopening go to the files of these names; what is no file stays. */
static void test_reopen(void **state)
{
    (void)state;
    char moved[80];
    struct err err = {.set = false};
    snprintf(moved, sizeof(moved), "%s.1", path);
    struct audit_sink *sink = open_sink("none", path);
    assert_true(audit_has_files(sink));
    assert_true(audit_write(sink, STR("a\n")));
    assert_int_equal(rename(path, moved), 0);
    assert_true(audit_write(sink, STR("b\n")));
    assert_true(reopen(sink, "none", path, &err));
    assert_true(audit_write(sink, STR("c\n")));
    assert_true(reopen(sink, "none", path, &err)); /* nothing was moved */
    assert_true(audit_write(sink, STR("d\n")));
    audit_close(sink);
    expect_file(moved, "a\nb\n");
    expect_file(path, "c\nd\n");
    unlink(moved);
    sink = open_sink("-", NULL);
    assert_false(audit_has_files(sink));
    assert_true(reopen(sink, "-", NULL, &err));
    audit_close(sink);
}

/* When one cannot be opened, all stay. */
static void test_reopen_fails(void **state)
{
    (void)state;
    char moved[80];
    struct err err = {.set = false};
    snprintf(moved, sizeof(moved), "%s.1", path);
    struct audit_sink *sink = open_sink(path, other);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_false(reopen(sink, path, other, &err));
    assert_non_null(strstr(err.text, other));
    int reader = open(other, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    err.set = false;
    assert_false(reopen(sink, path, other, &err));
    assert_non_null(strstr(err.text, "no file any more"));
    close(reader);
    assert_true(audit_write(sink, STR("a\n")));
    audit_close(sink);
    expect_file(moved, "a\n");
    expect_file(path, "");
    unlink(moved);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, remove_files)
    const struct CMUnitTest tests[] = {
        TEST(test_file),         TEST(test_none),
        TEST(test_cannot_open),  TEST(test_half_line_cut),
        TEST(test_other_target), TEST(test_full_pipe),
        TEST(test_unread_pipe),  TEST(test_unread_pipe_signal),
        TEST(test_broken_pipe),  TEST(test_batch),
        TEST(test_reopen),       TEST(test_reopen_fails),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
