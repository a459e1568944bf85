/* The audit sink: whole lines, full pipes, files that are full, and the batch of a turn. */
#include "audit_helper.h"

#include "log.h"
#include "loop.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGE = 300000 };

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

static void test_file(void **state)
{
    (void)state;
    struct stat st;
    struct audit_sink *sink = open_sink(path, NULL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(audit_write(sink, STR(LINE("a"))));
    assert_true(audit_write(sink, STR("")));
    assert_true(audit_write(sink, STR(LINE("b") LINE("c"))));
    audit_close(sink);
    sink = open_sink(path, other); /* appends */
    assert_true(audit_write(sink, STR(LINE("d"))));
    audit_close(sink);
    expect_file(path, LINE("a") LINE("b") LINE("c") LINE("d"));
    expect_file(other, LINE("d"));
}

static void test_none(void **state)
{
    (void)state;
    struct audit_sink *sink = open_sink("none", "none");
    assert_true(audit_write(sink, STR(LINE("x"))));
    audit_close(sink);
    audit_close(NULL);
    sink = audit_open(NULL, 0, NULL);
    assert_non_null(sink);
    assert_true(audit_write(sink, STR(LINE("x"))));
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
        many[i] = "/dev/null";
    err.set = false;
    assert_null(audit_open(many, ARRAY_LEN(many), &err));
    assert_non_null(strstr(err.text, "more than 8"));
    err.set = false;
    assert_null(audit_open((const char *const[]){path, other, path}, 3, &err));
    assert_non_null(strstr(err.text, "are one file"));
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

/* Wherever a file is full, it ends in a whole line, and takes lines again once there is room. What
   it lacks is said there. */
static void test_half_line_cut(void **state)
{
    (void)state;
    static const char *const texts[] = {LINE("before"), LINE("first"), LINE("second"),
                                        LINE("third")};
    struct str lines = STR(LINE("first") LINE("second") LINE("third"));
    size_t ends[ARRAY_LEN(texts)], total = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        ends[i] = total += strlen(texts[i]) + AUDIT_LINK_BYTES;
    for (size_t size = ends[0]; size <= total; size++) {
        unlink(path);
        struct audit_sink *sink = open_sink(path, NULL);
        assert_true(audit_write(sink, STR(LINE("before"))));
        assert_int_equal(write_limited(sink, size, lines), size == total);
        char wanted[400] = "";
        int lost = 0;
        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
            if (ends[i] <= size)
                strcat(wanted, texts[i]);
            else
                lost++;
        expect_file(path, wanted);
        assert_true(audit_write(sink, STR(LINE("after"))));
        size_t n = strlen(wanted);
        if (lost)
            n += (size_t)snprintf(
                wanted + n, sizeof(wanted) - n,
                "\"record\":\"lost\",\"lines\":%d,\"reason\":\"File too large\"}\n", lost);
        snprintf(wanted + n, sizeof(wanted) - n, "%s", LINE("after"));
        expect_file(path, wanted);
        audit_close(sink);
    }
}

/* One full target is a failure, and the others get their lines all the same. */
static void test_other_target(void **state)
{
    (void)state;
    struct audit_sink *sink = open_sink(path, NULL);
    assert_true(audit_write(sink, STR(LINE("old"))));
    audit_close(sink);
    sink = open_sink(path, other);
    assert_false(write_limited(sink, sizeof(LINE("old")) - 1 + AUDIT_LINK_BYTES, STR(LINE("new"))));
    expect_file(path, LINE("old"));
    expect_file(other, LINE("new"));
    audit_close(sink);
}

/* Reads a pipe slowly, to its end. */
struct reader {
    int fd;
    size_t n;
    char *got;
};

static void *read_slowly(void *arg)
{
    struct reader *reader = arg;
    poll(NULL, 0, 50); /* until the pipe is full */
    for (;;) {
        ssize_t n = read(reader->fd, reader->got + reader->n, 4096);
        if (n <= 0)
            return NULL;
        reader->n += (size_t)n;
    }
}

/* Standard output is a pipe that does not block and is full: every byte gets through, in order. */
static void test_full_pipe(void **state)
{
    (void)state;
    static char lines[LARGE + 1], got[4 * LARGE], bare[4 * LARGE];
    for (size_t i = 0; i < LARGE; i += 100)
        snprintf(lines + i, 101, "{\"n\":\"%091zu\"}\n", i);
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    struct reader reader = {.fd = fds[0], .got = got};
    pthread_t thread;
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(fds[1], STDOUT_FILENO);
    close(fds[1]);
    int made = pthread_create(&thread, NULL, read_slowly, &reader);
    struct audit_sink *sink = open_sink("-", NULL);
    bool ok = made == 0 && audit_write(sink, (struct str){lines, LARGE});
    audit_close(sink); /* leaves standard output open */
    bool still = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
    dup2(saved, STDOUT_FILENO);
    close(saved);
    pthread_join(thread, NULL);
    close(fds[0]);
    assert_true(ok && still);
    expect_chain((struct str){got, reader.n}, NULL);
    assert_int_equal(strip_chain((struct str){got, reader.n}, bare), LARGE);
    assert_memory_equal(bare, lines, LARGE);
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
    static char lines[sizeof(LINE("a")) - 1 + LONG], got[3 * LONG], bare[3 * LONG];
    strcpy(lines, LINE("a") "{\"l\":\"");
    memset(lines + sizeof(LINE("a")) + 5, 'b', LONG - 8);
    memcpy(lines + sizeof(lines) - 3, "\"}\n", 3);
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
        assert_false(audit_write(sink, STR(LINE("refused"))));
    assert_true(clock_now_ms() - begun < 500);
    size_t n = 0;
    bool ok = false;
    for (int i = 0; i < 20 && !ok; i++) {
        n += take(fd, got + n, PAGE);
        ok = audit_write(sink, STR(LINE("next")));
    }
    assert_true(ok && audit_write(sink, STR(LINE("last"))));
    for (size_t part; (part = take(fd, got + n, PAGE)) > 0;)
        n += part;
    audit_close(sink);
    close(fd);
    expect_chain((struct str){got, n}, NULL);
    strip_chain((struct str){got, n}, bare);
    assert_memory_equal(bare, lines, sizeof(lines));
    struct str behind = str_of(bare + sizeof(lines));
    struct str lost = STR("\"record\":\"lost\",\"lines\":");
    assert_true(str_starts(behind, lost));
    behind = str_skip(behind, lost.n);
    assert_in_range(atoi(behind.p), 10, 30); /* those refused above, and while it was read */
    behind = str_skip(behind, str_find(behind, ','));
    assert_string_equal(behind.p, ",\"reason\":\"nobody reads it\"}\n" LINE("next") LINE("last"));
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
    memset(page, 'x', sizeof(page));
    memcpy(page, "{\"l\":\"", 6);
    memcpy(page + sizeof(page) - AUDIT_LINK_BYTES - 3, "\"}\n", 3);
    assert_true(audit_write(sink, (struct str){page, sizeof(page) - AUDIT_LINK_BYTES}));
    sigaction(SIGUSR1, &action, &old);
    pthread_t self = pthread_self(), sender, reader;
    assert_int_equal(pthread_create(&sender, NULL, interrupt, &self), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_late, &fd), 0);
    uint64_t begun = clock_now_ms();
    bool ok = audit_write(sink, STR(LINE("line")));
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
    assert_true(audit_write(sink, STR(LINE("a"))));
    close(fd);
    assert_true(audit_can_write(sink, why, sizeof(why))); /* nothing has failed yet */
    assert_false(audit_write(sink, STR(LINE("b"))));
    assert_false(audit_can_write(sink, why, sizeof(why)));
    assert_non_null(strstr(why, "Broken pipe"));
    assert_non_null(strstr(why, path));
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(audit_can_write(sink, why, sizeof(why)));
    assert_true(audit_write(sink, STR(LINE("c"))));
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

/* The second file's first line holds the hash of the last one of the first. */
static void expect_continued(const char *first, const char *second)
{
    size_t lengths[2];
    char *texts[] = {file_text(first, &lengths[0]), file_text(second, &lengths[1])};
    char *both = malloc(lengths[0] + lengths[1]);
    assert_non_null(both);
    memcpy(both, texts[0], lengths[0]);
    memcpy(both + lengths[0], texts[1], lengths[1]);
    expect_chain((struct str){both, lengths[0] + lengths[1]}, NULL);
    free(both);
    free(texts[0]);
    free(texts[1]);
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
    assert_true(audit_write(sink, STR(LINE("a"))));
    assert_int_equal(rename(path, moved), 0);
    assert_true(audit_target_is_regular(sink, path)); /* as it was */
    assert_false(audit_target_is_regular(sink, "none"));
    assert_true(audit_write(sink, STR(LINE("b"))));
    assert_true(audit_reopen(sink, &err));
    assert_true(audit_write(sink, STR(LINE("c"))));
    assert_true(audit_reopen(sink, &err)); /* nothing was moved */
    assert_true(audit_write(sink, STR(LINE("d"))));
    audit_close(sink);
    expect_file(moved, LINE("a") LINE("b"));
    expect_file(path, LINE("c") LINE("d"));
    expect_continued(moved, path);
    unlink(moved);
    sink = open_sink("-", NULL);
    assert_false(audit_has_files(sink));
    assert_false(audit_target_is_regular(sink, "-"));
    assert_true(audit_reopen(sink, &err));
    audit_close(sink);
}

/* When one cannot be opened, all stay. */
static void test_reopen_fails(void **state)
{
    (void)state;
    char moved[80], moved_other[80];
    struct err err = {.set = false};
    snprintf(moved, sizeof(moved), "%s.1", path);
    struct audit_sink *sink = open_sink(path, other);
    assert_int_equal(rename(path, moved), 0);
    snprintf(moved_other, sizeof(moved_other), "%s.2", path);
    assert_int_equal(rename(other, moved_other), 0);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_false(audit_reopen(sink, &err));
    assert_non_null(strstr(err.text, other));
    int reader = open(other, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    err.set = false;
    assert_false(audit_reopen(sink, &err));
    assert_non_null(strstr(err.text, "no file any more"));
    close(reader);
    assert_true(audit_write(sink, STR(LINE("a"))));
    audit_close(sink);
    expect_file(moved, LINE("a"));
    expect_file(path, "");
    expect_file(moved_other, LINE("a"));
    unlink(moved);
    unlink(moved_other);
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
