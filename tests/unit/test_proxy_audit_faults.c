/* The audit sink when things fail: calls that return errors or write less than they were given,
   files that are removed or cut, and eight threads at once. */
#include "audit_helper.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/sockwarden-faults-XXXXXX";
static char path[64], other[64];

/* ---- calls that fail ------------------------------------------------------------------------ */

/* What write() answers to files next: an errno, or at most so many bytes. */
static _Thread_local struct {
    int error;    /* 0: none */
    int errors;   /* times */
    size_t most;  /* bytes; 0: all */
    bool no_cut;  /* ftruncate() fails, as on an append-only file */
    size_t calls; /* of write() since it was cleared */
} fault;

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    if (fd <= STDERR_FILENO)
        return __real_write(fd, p, n);
    fault.calls++;
    if (fault.most == 0 && fault.errors > 0) {
        fault.errors--;
        errno = fault.error;
        return -1;
    }
    size_t most = fault.most;
    if (fault.errors > 0)
        fault.most = 0; /* so much, and then the error */
    return __real_write(fd, p, most && most < n ? most : n);
}

int __wrap_ftruncate(int fd, off_t size)
{
    if (!fault.no_cut)
        return __real_ftruncate(fd, size);
    errno = EPERM;
    return -1;
}

static int set_up(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int remove_files(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    memset(&fault, 0, sizeof(fault));
    return 0;
}

#define LOST(count, reason) "\"record\":\"lost\",\"lines\":" #count ",\"reason\":\"" reason "\"}\n"

static void expect_counts(const struct audit_sink *sink, uint64_t written, uint64_t lacking)
{
    struct audit_counts counts = audit_counts_read(sink);
    assert_int_equal(counts.written, written);
    assert_int_equal(counts.lacking, lacking);
}

/* After each error the file is whole, says what it lacks, and takes lines again by itself. */
static void test_errors(void **state)
{
    (void)state;
    static const struct {
        int error;
        const char *reason;
    } rows[] = {{EROFS, LOST(2, "Read-only file system")},
                {EIO, LOST(2, "Input/output error")},
                {ENOSPC, LOST(2, "No space left on device")},
                {EDQUOT, LOST(2, "Disk quota exceeded")}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char why[400], wanted[512];
        struct audit_sink *sink = open_sink(path, other);
        assert_true(audit_write(sink, STR(LINE("a"))));
        fault.error = rows[i].error;
        fault.errors = 1;
        assert_false(audit_write(sink, STR(LINE("b") LINE("c"))));
        assert_true(audit_can_write(sink, why, sizeof(why))); /* it is mended already */
        assert_true(audit_write(sink, STR(LINE("d"))));
        expect_counts(sink, 2, 2);
        audit_close(sink);
        snprintf(wanted, sizeof(wanted), "%s%s%s", LINE("a"), rows[i].reason, LINE("d"));
        expect_file(path, wanted);
        expect_file(other, LINE("a") LINE("b") LINE("c") LINE("d"));
        remove_files(NULL);
    }
}

/* Short writes are finished, interrupted ones tried again. */
static void test_short_writes(void **state)
{
    (void)state;
    for (size_t most = 1; most < 400; most += 7) {
        struct audit_sink *sink = open_sink(path, NULL);
        fault.most = most;
        assert_true(audit_write(sink, STR(LINE("a") LINE("b"))));
        fault.most = 0;
        fault.error = EINTR;
        fault.errors = 3;
        fault.calls = 0;
        assert_true(audit_write(sink, STR(LINE("c"))));
        assert_int_equal(fault.calls, 4);
        audit_close(sink);
        expect_file(path, LINE("a") LINE("b") LINE("c"));
        remove_files(NULL);
    }
}

/* Where half a line cannot be cut off again, its end comes before anything else. */
static void test_no_cut(void **state)
{
    (void)state;
    for (size_t most = 1; most < 300; most += 13) {
        struct audit_sink *sink = open_sink(path, NULL);
        fault.no_cut = true;
        fault.most = most;
        fault.error = ENOSPC;
        fault.errors = 1;
        assert_false(audit_write(sink, STR(LINE("a") LINE("b"))));
        assert_true(audit_write(sink, STR(LINE("c"))));
        size_t whole = sizeof(LINE("a")) - 1 + AUDIT_LINK_BYTES;
        expect_counts(sink, most <= whole ? 2 : 3, most <= whole ? 1 : 0);
        audit_close(sink);
        expect_file(path, most <= whole ? LINE("a") LOST(1, "No space left on device") LINE("c")
                                        : LINE("a") LINE("b") LINE("c"));
        remove_files(NULL);
    }
}

/* What is lost is said at the end, at the latest; half a line of before belongs into its own file.
 */
static void test_last_occasions(void **state)
{
    (void)state;
    struct err err = {.set = false};
    char moved[80];
    struct audit_sink *sink = open_sink(path, NULL);
    fault.error = ENOSPC;
    fault.errors = 1;
    assert_false(audit_write(sink, STR(LINE("a"))));
    audit_close(sink);
    expect_file(path, LOST(1, "No space left on device"));
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs("{\"half", file);
    fclose(file);
    sink = open_sink(path, NULL);
    snprintf(moved, sizeof(moved), "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    assert_true(audit_reopen(sink, &err));
    assert_true(audit_write(sink, STR(LINE("b"))));
    audit_close(sink);
    expect_file(path, LINE("b"));
    size_t length;
    char *text = file_text(moved, &length);
    expect_chain((struct str){text, length}, NULL);
    assert_non_null(strstr(text, "{\"half\n{\"time\":"));
    free(text);
    unlink(moved);
}

/* A turn that fails in its middle: only the lines that are not there count as lost. */
static void test_counts(void **state)
{
    (void)state;
    const size_t line = sizeof(LINE("a")) - 1 + AUDIT_LINK_BYTES;
    static const struct {
        size_t lines, left; /* that are written before the error, and bytes of the next */
        uint64_t written, lacking;
    } rows[] = {{0, 1, 0, 3}, {1, 0, 1, 2}, {1, 5, 1, 2}, {2, 0, 2, 1}, {2, 9, 2, 1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct audit_sink *sink = open_sink(path, other);
        fault.most = rows[i].lines * line + rows[i].left;
        fault.error = ENOSPC;
        fault.errors = 1;
        assert_false(audit_write(sink, STR(LINE("a") LINE("b") LINE("c"))));
        expect_counts(sink, rows[i].written, rows[i].lacking);
        assert_true(audit_write(sink, STR(LINE("d"))));
        expect_counts(sink, rows[i].written + 1, rows[i].lacking);
        audit_close(sink);
        remove_files(NULL);
    }
}

/* What was never a line is lost all the same, in every target. */
static void test_lose(void **state)
{
    (void)state;
    struct audit_sink *sink = open_sink(path, other);
    audit_lose(sink, 2);
    expect_counts(sink, 0, 2);
    assert_true(audit_write(sink, STR(LINE("a"))));
    expect_counts(sink, 1, 2);
    audit_close(sink);
    expect_file(path, LOST(2, "Cannot allocate memory") LINE("a"));
    expect_file(other, LOST(2, "Cannot allocate memory") LINE("a"));
}

/* A turn's lines are one write. */
static void test_one_write(void **state)
{
    (void)state;
    struct audit_sink *sink = open_sink(path, NULL);
    fault.calls = 0;
    assert_true(audit_write(sink, STR(LINE("a") LINE("b") LINE("c") LINE("d"))));
    assert_int_equal(fault.calls, 1);
    audit_close(sink);
}

/* ---- files that change ---------------------------------------------------------------------- */

/* A file that is removed is made again, and the chain goes on. */
static void test_removed(void **state)
{
    (void)state;
    char why[400];
    struct audit_sink *sink = open_sink(path, NULL);
    assert_true(audit_write(sink, STR(LINE("a"))));
    assert_int_equal(unlink(path), 0);
    assert_true(audit_write(sink, STR(LINE("b"))));
    expect_file(path, LINE("b"));
    /* Something else is in its place: lines are lost until it is gone. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(audit_write(sink, STR(LINE("c"))));
    assert_false(audit_can_write(sink, why, sizeof(why)));
    assert_non_null(strstr(why, "Is a directory"));
    assert_int_equal(rmdir(path), 0);
    assert_true(audit_can_write(sink, why, sizeof(why)));
    assert_true(audit_write(sink, STR(LINE("d"))));
    expect_file(path, LOST(1, "Is a directory") LINE("d"));
    audit_close(sink);
}

/* copytruncate: no half line comes of it, and what was lost in between is a break with a name. */
static void test_cut(void **state)
{
    (void)state;
    struct audit_sink *sink = open_sink(path, NULL);
    assert_true(audit_write(sink, STR(LINE("a"))));
    size_t length, more;
    char *copy = file_text(path, &length);
    assert_int_equal(truncate(path, 0), 0);
    assert_true(audit_write(sink, STR(LINE("b"))));
    expect_file(path, LINE("b")); /* nothing was lost: both together are one chain */
    assert_true(audit_write(sink, STR(LINE("c"))));
    assert_int_equal(truncate(path, 0), 0); /* and c is lost */
    assert_true(audit_write(sink, STR(LINE("d"))));
    char *rest = file_text(path, &more);
    memcpy(copy + length, rest, more);
    expect_chain((struct str){copy, length + more}, "log:2: its prev is not the hash");
    /* In the middle of a line. */
    assert_int_equal(truncate(path, 20), 0);
    assert_true(audit_write(sink, STR(LINE("e"))));
    free(rest);
    rest = file_text(path, &more);
    expect_chain((struct str){rest, more}, "log:1: it is torn");
    assert_int_equal(rest[20], '\n');
    expect_chain((struct str){rest + 21, more - 21}, NULL);
    audit_close(sink);
    free(rest);
    free(copy);
}

/* ---- threads -------------------------------------------------------------------------------- */

enum { THREADS = 8, TURNS = 300 };

struct writer {
    struct audit_sink *sink;
    unsigned number;
    atomic_uint *running;
};

/* Turns of one to five lines; bytes that a client could choose stand in them as JSON writes them.
 */
static void *write_turns(void *arg)
{
    const struct writer *writer = arg;
    unsigned seed = writer->number * 7919 + 1;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        char bytes[8192], odd[64];
        struct json_out out = {.p = bytes, .cap = sizeof(bytes)};
        unsigned count = 1 + turn % 5;
        for (unsigned i = 0; i < count; i++) {
            for (size_t k = 0; k < sizeof(odd); k++)
                odd[k] = (char)((seed = seed * 1103515245 + 12345) >> 16);
            out.comma = false;
            json_out_open(&out, '{');
            json_out_key(&out, "of");
            char place[64];
            int n = snprintf(place, sizeof(place), "%u/%u/%u/%u", writer->number, turn, i, count);
            json_out_str(&out, (struct str){place, (size_t)n});
            json_out_member(&out, "odd", (struct str){odd, sizeof(odd)});
            json_out_close(&out, '}');
            json_out_raw(&out, STR("\n"));
        }
        if (!audit_write(writer->sink, (struct str){out.p, out.len}))
            abort();
    }
    atomic_fetch_sub(writer->running, 1);
    return NULL;
}

/* Each line is whole, printable and in its turn; turns are not mixed; threads keep their order. */
static void check_turns(struct str bytes)
{
    unsigned next[THREADS] = {0}, at = 0, thread = 0, turn = 0, count = 0;
    expect_chain(bytes, NULL);
    for (size_t i = 0; i < bytes.n; i++)
        if (((unsigned char)bytes.p[i] < 0x20 && bytes.p[i] != '\n') || bytes.p[i] == 0x7f)
            fail_msg("control character %d at %zu", bytes.p[i], i);
    while (bytes.n > 0) {
        unsigned line_thread, line_turn, line_at, line_count;
        assert_int_equal(sscanf(bytes.p, "{\"of\":\"%u/%u/%u/%u\"", &line_thread, &line_turn,
                                &line_at, &line_count),
                         4);
        if (at == count) {
            thread = line_thread;
            turn = line_turn;
            count = line_count;
            at = 0;
            assert_true(thread < THREADS);
            assert_int_equal(turn, next[thread]++);
        }
        assert_true(line_thread == thread && line_turn == turn && line_at == at++);
        bytes = str_skip(bytes, str_find(bytes, '\n') + 1);
    }
    assert_int_equal(at, count);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(next[i], TURNS);
}

/* Eight loops write at once, while the file is rotated again and again. */
static void test_threads(void **state)
{
    (void)state;
    enum { ROTATIONS = 20, ALL_MAX = 8 << 20 };
    struct audit_sink *sink = open_sink(path, other);
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    atomic_uint running = THREADS;
    char *all = malloc(ALL_MAX), moved[80];
    size_t n = 0, length;
    assert_non_null(all);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){sink, i, &running};
        assert_int_equal(pthread_create(&threads[i], NULL, write_turns, &writers[i]), 0);
    }
    snprintf(moved, sizeof(moved), "%s.1", path);
    for (int i = 0; i < ROTATIONS; i++) {
        struct err err = {.set = false};
        poll(NULL, 0, 1);
        assert_int_equal(rename(path, moved), 0);
        assert_true(audit_reopen(sink, &err));
        char *text = file_text(moved, &length);
        assert_true(n + length <= ALL_MAX);
        memcpy(all + n, text, length);
        n += length;
        free(text);
        unlink(moved);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    audit_close(sink);
    char *text = file_text(path, &length);
    memcpy(all + n, text, length);
    check_turns((struct str){all, n + length});
    free(text);
    text = file_text(other, &length);
    check_turns((struct str){text, length});
    free(text);
    free(all);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, remove_files)
    const struct CMUnitTest tests[] = {
        TEST(test_errors), TEST(test_short_writes), TEST(test_no_cut),    TEST(test_last_occasions),
        TEST(test_counts), TEST(test_lose),         TEST(test_one_write), TEST(test_removed),
        TEST(test_cut),    TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
