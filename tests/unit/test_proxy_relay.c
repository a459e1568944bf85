/* The pump between two streams: framings, watermark, share of a turn, losses. */
#include "stream_helper.h"

#include "relay.h"
#include "bypass.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

enum { BUFFER = 64 << 10, LARGE = 2 << 20 };

static struct loop loop;
static struct end from, to;

static int open_ends(void **state)
{
    (void)state;
    assert_true(loop_open(&loop, BUFFER));
    end_open(&from, &loop);
    end_open(&to, &loop);
    return 0;
}

static int close_ends(void **state)
{
    (void)state;
    end_close(&from);
    end_close(&to);
    loop_close(&loop);
    return 0;
}

// clang-format off
static const struct row {
    const char *bytes;
    enum framing framing;
    uint64_t length;
    bool decode, trailers, ends; /* ends: the source closes its direction */
    enum relay_status status;
    const char *out;
    uint64_t total;
    const char *behind; /* what is left pending at the source */
} rows[] = {
    {"hello", FRAMING_LENGTH, 5, false, false, false, RELAY_DONE, "hello", 5, ""},
    {"hello world", FRAMING_LENGTH, 5, false, false, false, RELAY_DONE, "hello", 5, " world"},
    {"hell", FRAMING_LENGTH, 5, false, false, false, RELAY_WAIT, "hell", 4, ""},
    {"hell", FRAMING_LENGTH, 5, false, false, true, RELAY_FROM_LOST, "hell", 4, ""},
    {"", FRAMING_LENGTH, 5, false, false, true, RELAY_FROM_LOST, "", 0, ""},
    {"", FRAMING_LENGTH, 0, false, false, false, RELAY_DONE, "", 0, ""},
    {"x", FRAMING_NONE, 0, false, false, false, RELAY_DONE, "", 0, "x"},
    {"hello", FRAMING_EOF, 0, false, false, false, RELAY_WAIT, "hello", 5, ""},
    {"hello", FRAMING_EOF, 0, false, false, true, RELAY_DONE, "hello", 5, ""},
    {"", FRAMING_EOF, 0, false, false, true, RELAY_DONE, "", 0, ""},
    {"5\r\nhello\r\n0\r\n\r\n", FRAMING_CHUNKED, 0, false, false, false, RELAY_DONE, "5\r\nhello\r\n0\r\n\r\n", 5, ""},
    {"5\r\nhello\r\n0\r\n\r\nGET", FRAMING_CHUNKED, 0, false, false, false, RELAY_DONE, "5\r\nhello\r\n0\r\n\r\n", 5, "GET"},
    {"5\r\nhello\r\n0\r\n\r\nGET", FRAMING_CHUNKED, 0, true, false, false, RELAY_DONE, "hello", 5, "GET"},
    {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", FRAMING_CHUNKED, 0, true, false, false, RELAY_DONE, "abc", 3, ""},
    {"5\r\nhel", FRAMING_CHUNKED, 0, true, false, false, RELAY_WAIT, "hel", 3, ""},
    {"5\r\nhel", FRAMING_CHUNKED, 0, false, false, true, RELAY_FROM_LOST, "5\r\nhel", 3, ""},
    {"5\r\nhello\r\n0\r\n", FRAMING_CHUNKED, 0, false, false, true, RELAY_FROM_LOST, "5\r\nhello\r\n0\r\n", 5, ""},
    {"5;a=b\r\nhello\r\n0\r\n\r\n", FRAMING_CHUNKED, 0, false, false, false, RELAY_BAD, "", 0, NULL},
    {"1\r\na\r\nx", FRAMING_CHUNKED, 0, true, false, false, RELAY_BAD, "a", 1, NULL},
    {"0\r\nA: b\r\n\r\n", FRAMING_CHUNKED, 0, false, false, false, RELAY_BAD, "", 0, NULL},
    {"1\r\nx\r\n0\r\nA: b\r\n\r\nz", FRAMING_CHUNKED, 0, false, true, false, RELAY_DONE, "1\r\nx\r\n0\r\nA: b\r\n\r\n", 1, "z"},
    {"1\r\nx\r\n0\r\nA: b\r\n\r\nz", FRAMING_CHUNKED, 0, true, true, false, RELAY_DONE, "x", 1, "z"},
};
// clang-format on

static void check_row(const struct row *row, size_t split)
{
    struct relay relay = relay_new(&from.stream, &to.stream, row->framing, row->length);
    relay.decode = row->decode;
    relay.chunked.trailers = row->trailers;
    char first[128];
    snprintf(first, sizeof(first), "%.*s", (int)split, row->bytes);
    peer_write(&from, first);
    turn(&loop);
    enum relay_status status = split ? relay_pump(&relay) : RELAY_WAIT;
    peer_write(&from, row->bytes + split);
    if (row->ends)
        shutdown(from.peer, SHUT_WR);
    turn(&loop);
    if (status == RELAY_WAIT)
        status = relay_pump(&relay);
    char out[128];
    bool ended;
    peer_read(&to, out, sizeof(out), &ended);
    if (status != row->status || strcmp(out, row->out) != 0 || relay.total != row->total)
        fail_msg("\"%s\" split at %zu: status %d, \"%s\", %llu bytes", row->bytes, split, status,
                 out, (unsigned long long)relay.total);
    assert_int_equal(relay.done, status == RELAY_DONE);
    if (!row->behind)
        return;
    stream_fill(&from.stream);
    expect_pending(&from.stream, row->behind);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].bytes);
        /* What the walk refuses it refuses at once; what was passed before depends on the split. */
        size_t splits = rows[i].status == RELAY_BAD ? 0 : n;
        for (size_t at = 0; at <= splits; at++) {
            check_row(&rows[i], at);
            close_ends(state);
            open_ends(state);
        }
    }
}

/* Nothing is read any more above the watermark, and nothing is lost below it. */
static void test_watermark(void **state)
{
    (void)state;
    static char sent[LARGE], got[LARGE + 1];
    for (size_t i = 0; i < LARGE; i++)
        sent[i] = (char)(i * 11 % 251);
    struct relay relay = relay_new(&from.stream, &to.stream, FRAMING_LENGTH, LARGE);
    size_t written = 0, highest = 0, n = 0;
    enum relay_status status = RELAY_WAIT;
    for (int i = 0; i < 200; i++) { /* nobody reads */
        ssize_t put = write(from.peer, sent + written, LARGE - written);
        written += put > 0 ? (size_t)put : 0;
        turn(&loop);
        status = relay_pump(&relay);
        highest = stream_queued(&to.stream) > highest ? stream_queued(&to.stream) : highest;
    }
    assert_int_equal(status, RELAY_WAIT);
    assert_in_range(highest, RELAY_HIGH, RELAY_HIGH + BUFFER);
    assert_true(written < LARGE);
    for (int i = 0; i < 10000 && n < LARGE; i++) {
        bool ended;
        ssize_t put = write(from.peer, sent + written, LARGE - written);
        written += put > 0 ? (size_t)put : 0;
        n += peer_read(&to, got + n, sizeof(got) - n, &ended);
        turn(&loop);
        stream_flush(&to.stream);
        status = relay_pump(&relay);
        assert_true(stream_queued(&to.stream) <= RELAY_HIGH + BUFFER);
    }
    assert_int_equal(status, RELAY_DONE);
    assert_int_equal(n, LARGE);
    assert_memory_equal(got, sent, LARGE);
}

/* A source that always has more gives way to the others. */
static void test_yield(void **state)
{
    (void)state;
    int room = 4 * RELAY_SHARE;
    static char bytes[RELAY_SHARE + BUFFER];
    if (setsockopt(from.peer, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0)
        skip(); /* only root may have so much in a socket */
    assert_int_equal(write(from.peer, bytes, sizeof(bytes)), sizeof(bytes));
    struct relay relay = relay_new(&from.stream, NULL, FRAMING_LENGTH, sizeof(bytes));
    turn(&loop);
    assert_int_equal(relay_pump(&relay), RELAY_YIELD);
    assert_in_range(relay.total, RELAY_SHARE, RELAY_SHARE + BUFFER - 1);
    assert_int_equal(relay_pump(&relay), RELAY_DONE); /* no event is needed for the rest */
    assert_int_equal(relay.total, sizeof(bytes));
}

static void test_sink_lost(void **state)
{
    (void)state;
    struct relay relay = relay_new(&from.stream, &to.stream, FRAMING_LENGTH, 10);
    end_hang_up(&to);
    peer_write(&from, "hello");
    turn(&loop);
    assert_int_equal(relay_pump(&relay), RELAY_TO_LOST);
    relay.to = NULL; /* what is still to come is dropped */
    peer_write(&from, "worldbehind");
    turn(&loop);
    assert_int_equal(relay_pump(&relay), RELAY_DONE);
    expect_pending(&from.stream, "behind");
    assert_int_equal(relay.total, 10);
}

static void test_count(void **state)
{
    (void)state;
    bool bad = true;
    struct relay relay = relay_new(&from.stream, &to.stream, FRAMING_LENGTH, 7);
    assert_int_equal(relay_count(&relay, STR("hello"), &bad), 5);
    assert_true(!bad && !relay.done && relay.to == &to.stream);
    assert_int_equal(relay_count(&relay, STR("world"), &bad), 2);
    assert_true(!bad && relay.done && relay.total == 7);
    assert_int_equal(relay_count(&relay, STR("more"), &bad), 0);
    relay = relay_new(&from.stream, &to.stream, FRAMING_CHUNKED, 0);
    assert_int_equal(relay_count(&relay, STR("3\r\nabc\r\n0\r"), &bad), 10);
    assert_int_equal(relay_count(&relay, STR("\n\r\nxyz"), &bad), 3);
    assert_true(!bad && relay.done && relay.total == 3);
    relay = relay_new(&from.stream, &to.stream, FRAMING_CHUNKED, 0);
    relay_count(&relay, STR("x"), &bad);
    assert_true(bad);
    relay = relay_new(&from.stream, &to.stream, FRAMING_EOF, 0);
    assert_int_equal(relay_count(&relay, STR("hello"), &bad), 5);
    assert_false(bad || relay.done);
    char out[16];
    bool ended;
    assert_int_equal(peer_read(&to, out, sizeof(out), &ended), 0); /* it only counts */
}

/* Two relays: the half-close of one direction leaves the other alone. */
static void test_tunnel(void **state)
{
    (void)state;
    struct relay up = relay_new(&from.stream, &to.stream, FRAMING_EOF, 0);
    struct relay down = relay_new(&to.stream, &from.stream, FRAMING_EOF, 0);
    peer_write(&from, "in\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
    shutdown(from.peer, SHUT_WR);
    turn(&loop);
    assert_int_equal(relay_pump(&up), RELAY_DONE);
    stream_end(&to.stream);
    char out[64];
    bool ended;
    peer_read(&to, out, sizeof(out), &ended);
    assert_string_equal(out, "in\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
    assert_true(ended);
    peer_write(&to, "out");
    turn(&loop);
    assert_int_equal(relay_pump(&down), RELAY_WAIT);
    peer_read(&from, out, sizeof(out), &ended);
    assert_string_equal(out, "out");
    assert_false(ended);
    end_hang_up(&to);
    turn(&loop);
    assert_int_equal(relay_pump(&down), RELAY_DONE);
}

/* ---- large bodies ---------------------------------------------------------------------------- */

static char body[3 * LARGE], arrived[3 * LARGE + 1];
static size_t step_max; /* bytes of one write */
static bool had_pipe;

/* Sends the body, reads what arrives, until the relay says something else or the sink has left off
   reading for good. Returns the bytes that have arrived. */
static size_t carry(struct relay *relay, size_t sent, size_t length, bool slow,
                    enum relay_status *status)
{
    size_t written = 0, n = 0;
    bool ended;
    *status = RELAY_WAIT;
    had_pipe = false;
    for (int i = 0; i < 20000 && (written < sent || n < length || *status == RELAY_WAIT); i++) {
        size_t step = sent - written < step_max ? sent - written : step_max;
        ssize_t put = write(from.peer, body + written, step);
        written += put > 0 ? (size_t)put : 0;
        turn(&loop);
        had_pipe |= to.stream.bypass != NULL;
        if (*status == RELAY_WAIT || *status == RELAY_YIELD)
            *status = relay_pump(relay);
        else
            stream_flush(&to.stream);
        if (*status != RELAY_WAIT && *status != RELAY_YIELD && *status != RELAY_DONE)
            break;
        size_t room = sizeof(arrived) - n;
        if (!slow || i % 8 == 0)
            n += peer_read(&to, arrived + n, slow && room > 5001 ? 5001 : room, &ended);
    }
    return n;
}

static size_t make_body(enum framing framing, size_t chunk)
{
    size_t n = 0;
    for (size_t at = 0; at < LARGE; at++) {
        if (framing == FRAMING_CHUNKED && at % chunk == 0)
            n += (size_t)snprintf(body + n, sizeof(body) - n, "%s%zx\r\n", at ? "\r\n" : "",
                                  LARGE - at < chunk ? LARGE - at : chunk);
        body[n++] = (char)(at * 11 % 251);
    }
    return framing == FRAMING_CHUNKED
               ? n + (size_t)snprintf(body + n, sizeof(body) - n, "\r\n0\r\n\r\n")
               : n;
}

/* Both framings, with and without a pipe: the same bytes, the same count, and the pipe is gone. */
static void test_large(void **state)
{
    // clang-format off
    static const struct {
        enum framing framing;
        size_t chunk;
        bool slow, copies, pipe;
        const char *behind;
        size_t step;
    } cases[] = {
        {FRAMING_LENGTH, 0, false, false, true, "", LARGE},
        {FRAMING_LENGTH, 0, true, false, true, "", LARGE},
        {FRAMING_LENGTH, 0, false, true, false, "", LARGE},
        {FRAMING_LENGTH, 0, false, false, true, "GET", LARGE},
        {FRAMING_CHUNKED, LARGE, false, false, true, "", LARGE},
        {FRAMING_CHUNKED, LARGE, true, false, true, "GET", LARGE},
        {FRAMING_CHUNKED, 128 << 10, false, false, true, "GET", LARGE},
        {FRAMING_CHUNKED, 32 << 10, true, false, true, "", LARGE},
        {FRAMING_CHUNKED, 32 << 10, false, false, true, "GET", LARGE},
        {FRAMING_CHUNKED, 32 << 10, false, false, true, "GET", (32 << 10) + 7}, /* cut in the sizes */
        {FRAMING_CHUNKED, 32 << 10, true, false, true, "", (32 << 10) + 9},
        {FRAMING_CHUNKED, 32 << 10, false, false, true, "", 4001},
        {FRAMING_CHUNKED, 300001, true, false, true, "", LARGE},
        {FRAMING_CHUNKED, 32 << 10, false, true, false, "", LARGE},
        {FRAMING_CHUNKED, 16399, false, false, true, "", LARGE},
        {FRAMING_CHUNKED, 16383, false, false, false, "", LARGE},
        {FRAMING_CHUNKED, 5, false, false, false, "GET", LARGE},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t sent = make_body(cases[i].framing, cases[i].chunk);
        size_t whole = sent;
        sent += (size_t)snprintf(body + sent, sizeof(body) - sent, "%s", cases[i].behind);
        struct relay relay = relay_new(&from.stream, &to.stream, cases[i].framing, LARGE);
        enum relay_status status;
        relay.splices = true;
        to.stream.copies = cases[i].copies;
        step_max = cases[i].step;
        size_t n = carry(&relay, sent, whole, cases[i].slow, &status);
        assert_int_equal(status, RELAY_DONE);
        if (had_pipe != cases[i].pipe)
            fail_msg("case %zu: %s pipe", i, had_pipe ? "a" : "no");
        assert_int_equal(n, whole);
        assert_memory_equal(arrived, body, whole);
        assert_int_equal(relay.total, LARGE);
        assert_int_equal(to.stream.bytes_out, whole);
        assert_int_equal(stream_queued(&to.stream), 0);
        assert_int_equal(loop.pipes, 0);
        assert_null(to.stream.bypass);
        stream_fill(&from.stream);
        expect_pending(&from.stream, cases[i].behind);
        close_ends(state);
        open_ends(state);
    }
}

/* What breaks the framing behind large chunks is seen as ever, and nothing of it is passed on. */
static void test_large_bad(void **state)
{
    static const char *const sizes[] = {"8000;x\r\n", "\n8000\r\n", "8000\n",
                                        "-1\r\n",     "8000\r8",    "80000000000000000\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t whole = 0;
        for (int chunk = 0; chunk < 20; chunk++) {
            whole += (size_t)snprintf(body + whole, sizeof(body) - whole, "8000\r\n");
            memset(body + whole, 'x', 32 << 10);
            whole += 32 << 10;
            whole += (size_t)snprintf(body + whole, sizeof(body) - whole, "\r\n");
        }
        size_t sent =
            whole + (size_t)snprintf(body + whole, sizeof(body) - whole, "%s%040d", sizes[i], 0);
        struct relay relay = relay_new(&from.stream, &to.stream, FRAMING_CHUNKED, 0);
        enum relay_status status;
        relay.splices = true;
        step_max = LARGE;
        size_t n = carry(&relay, sent, whole + 1, false, &status);
        assert_int_equal(status, RELAY_BAD);
        assert_true(had_pipe);
        assert_true(n <= whole && memcmp(arrived, body, n) == 0);
        assert_int_equal(relay.total, 20 * (32 << 10));
        close_ends(state);
        open_ends(state);
    }
}

/* What a client has sent without copying it is still its own to change. Of its chunks' data it may
   do so as long as it likes, and not of their sizes, which have been judged. */
static void test_large_changed(void **state)
{
    enum { CHUNK = 64 << 10, BEFORE = RELAY_LARGE };
    (void)state;
    enum relay_status status;
    struct relay relay = relay_new(&from.stream, &to.stream, FRAMING_CHUNKED, 0);
    relay.splices = true;
    step_max = LARGE;
    size_t before = (size_t)snprintf(body, sizeof(body), "%x\r\n", BEFORE) + BEFORE;
    size_t n = carry(&relay, before, before, false, &status);
    assert_int_equal(n, before);
    assert_int_equal(status, RELAY_WAIT);

    char pages[CHUNK + 16] = "\r\n10000\r\n";
    size_t head = strlen(pages), length = head + CHUNK;
    memset(pages + head, 'x', CHUNK);
    int file = memfd_create("body", 0);
    assert_int_equal(write(file, pages, length), length);
    for (off_t at = 0; (size_t)at < length;)
        assert_true(sendfile(from.peer, file, &at, length - (size_t)at) > 0);
    while (status != RELAY_DONE && relay.total < BEFORE + CHUNK) {
        turn(&loop);
        status = relay_pump(&relay);
    }
    assert_int_equal(pwrite(file, "\r\n0\r\n\r\nGET", 10, 0), 10);
    bool ended;
    for (n = 0; n < length; stream_flush(&to.stream))
        n += peer_read(&to, arrived + n, sizeof(arrived) - n, &ended);
    assert_memory_equal(arrived, pages, head);
    assert_int_equal(n, length);
    close(file);
}

/* The sink leaves with bytes in the pipe; then the source does, in the middle of the body. */
static void test_large_lost(void **state)
{
    (void)state;
    enum relay_status status = RELAY_WAIT;
    struct relay relay = relay_new(&from.stream, &to.stream, FRAMING_LENGTH, LARGE);
    relay.splices = true;
    size_t written = 0;
    for (int i = 0; i < 200 && bypass_held(&to.stream) == 0; i++) {
        bool ended;
        ssize_t put = write(from.peer, body + written, LARGE - written);
        written += put > 0 ? (size_t)put : 0;
        turn(&loop);
        status = relay_pump(&relay);
        if (relay.total < RELAY_LARGE)
            peer_read(&to, arrived, sizeof(arrived), &ended);
    }
    assert_true(bypass_held(&to.stream) > 0);
    assert_int_equal(loop.pipes, 1);
    assert_int_equal(status, RELAY_WAIT);
    end_hang_up(&to);
    turn(&loop);
    assert_int_equal(relay_pump(&relay), RELAY_TO_LOST);
    assert_int_equal(to.stream.error, EPIPE);
    relay.to = NULL;
    end_hang_up(&from);
    turn(&loop);
    while ((status = relay_pump(&relay)) == RELAY_YIELD)
        ;
    assert_int_equal(status, RELAY_FROM_LOST);
    assert_true(relay.total < LARGE && !relay.done);
    stream_close(&to.stream);
    assert_int_equal(loop.pipes, 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ends, close_ends)
    const struct CMUnitTest tests[] = {
        TEST(test_rows),      TEST(test_watermark),     TEST(test_yield), TEST(test_sink_lost),
        TEST(test_count),     TEST(test_tunnel),        TEST(test_large), TEST(test_large_lost),
        TEST(test_large_bad), TEST(test_large_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
