/* Streams on socket pairs: reading, sending, queueing, half-closing, breaking. */
#include "stream_helper.h"

enum { BUFFER = 4096, LARGE = 1 << 20 };

static struct loop loop;
static struct end end;

static int open_end(void **state)
{
    (void)state;
    assert_true(loop_open(&loop, BUFFER));
    end_open(&end, &loop);
    return 0;
}

static int close_end(void **state)
{
    (void)state;
    end_close(&end);
    stream_close(&end.stream); /* safe */
    loop_close(&loop);
    return 0;
}

static void test_read(void **state)
{
    (void)state;
    assert_int_equal(stream_fill(&end.stream), STREAM_AGAIN);
    assert_null(end.stream.in);
    peer_write(&end, "hello");
    assert_int_equal(stream_fill(&end.stream), STREAM_AGAIN); /* nobody has told us yet */
    turn(&loop);
    assert_int_equal(end.ready, 1);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    expect_pending(&end.stream, "hello");
    assert_int_equal(stream_fill(&end.stream), STREAM_AGAIN);
    stream_consume(&end.stream, 2);
    expect_pending(&end.stream, "llo");
    peer_write(&end, " world");
    turn(&loop);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    expect_pending(&end.stream, "llo world");
    stream_consume(&end.stream, 9);
    assert_null(end.stream.in); /* an idle stream holds no buffer */
    assert_null(stream_pending(&end.stream).p);
    assert_int_equal(end.stream.bytes_in, 11);
    stream_consume(&end.stream, 0);
}

static void test_read_now(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(write(fds[1], "early", 5), 5);
    struct stream stream;
    assert_true(stream_open(&stream, &loop, fds[0], true, end_ready, &end));
    assert_int_equal(stream_fill(&stream), STREAM_OK);
    expect_pending(&stream, "early");
    stream_close(&stream);
    assert_false(stream_is_open(&stream));
    assert_int_equal(stream_fill(&stream), STREAM_BROKEN);
    assert_int_equal(send_text(&stream, "x"), STREAM_BROKEN);
    assert_int_equal(stream_flush(&stream), STREAM_BROKEN);
    close(fds[1]);
}

/* The end that comes together with the last bytes brings no event of its own. */
static void test_end_with_bytes(void **state)
{
    (void)state;
    peer_write(&end, "bye");
    shutdown(end.peer, SHUT_WR);
    turn(&loop);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    assert_int_equal(stream_fill(&end.stream), STREAM_EOF);
    assert_int_equal(stream_fill(&end.stream), STREAM_EOF);
    expect_pending(&end.stream, "bye");
    assert_false(stream_peer_gone(&end.stream));
    /* The other direction goes on. */
    char text[16];
    bool ended;
    assert_int_equal(send_text(&end.stream, "answer"), STREAM_OK);
    peer_read(&end, text, sizeof(text), &ended);
    assert_string_equal(text, "answer");
    assert_false(ended);
    stream_end(&end.stream);
    assert_int_equal(peer_read(&end, text, sizeof(text), &ended), 0);
    assert_true(ended);
}

static void test_end_later(void **state)
{
    (void)state;
    peer_write(&end, "bye");
    turn(&loop);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    assert_int_equal(stream_fill(&end.stream), STREAM_AGAIN);
    end_hang_up(&end);
    turn(&loop);
    assert_int_equal(end.ready, 2);
    assert_int_equal(stream_fill(&end.stream), STREAM_EOF);
    assert_true(stream_peer_gone(&end.stream));
}

static void test_half_close(void **state)
{
    (void)state;
    char text[16];
    bool ended;
    stream_end(&end.stream);
    peer_read(&end, text, sizeof(text), &ended);
    assert_true(ended);
    peer_write(&end, "still");
    turn(&loop);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    expect_pending(&end.stream, "still");
    assert_int_equal(send_text(&end.stream, "x"), STREAM_BROKEN);
    assert_true(end.stream.lost_out && end.stream.error == EPIPE);
}

static void test_full(void **state)
{
    (void)state;
    static char bytes[2 * BUFFER];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i % 251);
    assert_int_equal(write(end.peer, bytes, sizeof(bytes)), sizeof(bytes));
    turn(&loop);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    assert_int_equal(stream_pending(&end.stream).n, BUFFER);
    assert_int_equal(stream_fill(&end.stream), STREAM_FULL);
    stream_consume(&end.stream, 1000);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK); /* moved down to make room */
    assert_int_equal(stream_pending(&end.stream).n, BUFFER);
    assert_memory_equal(stream_pending(&end.stream).p, bytes + 1000, BUFFER);
    size_t seen = 1000;
    while (seen < sizeof(bytes)) {
        struct str pending = stream_pending(&end.stream);
        assert_memory_equal(pending.p, bytes + seen, pending.n);
        seen += pending.n;
        stream_consume(&end.stream, pending.n);
        assert_int_equal(stream_fill(&end.stream), seen < sizeof(bytes) ? STREAM_OK : STREAM_AGAIN);
    }
}

static void test_detach(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 10; n++) {
        peer_write(&end, "0123456789");
        turn(&loop);
        assert_int_equal(stream_fill(&end.stream), STREAM_OK);
        struct buffer *head = stream_detach(&end.stream, n);
        assert_non_null(head);
        assert_int_equal(head->end - head->off, n);
        assert_memory_equal(head->data + head->off, "0123456789", n);
        expect_pending(&end.stream, &"0123456789"[n]);
        assert_true((end.stream.in != NULL) == (n < 10));
        stream_consume(&end.stream, 10 - n);
        assert_memory_equal(head->data + head->off, "0123456789", n);
        loop_buffer_give(&loop, head);
    }
}

/* More than the socket takes is queued, sent in order as there is room, then the end. */
static void test_queue(void **state)
{
    (void)state;
    static char sent[LARGE], got[LARGE + 1];
    for (size_t i = 0; i < LARGE; i++)
        sent[i] = (char)(i * 7 % 253);
    struct iovec pieces[3] = {
        {.iov_base = sent, .iov_len = 10},
        {.iov_base = sent + 10, .iov_len = 0},
        {.iov_base = sent + 10, .iov_len = LARGE - 10 - 100},
    };
    assert_int_equal(stream_send(&end.stream, pieces, 3), STREAM_AGAIN);
    assert_true(stream_queued(&end.stream) > 0);
    struct iovec rest = {.iov_base = sent + LARGE - 100, .iov_len = 100};
    assert_int_equal(stream_send(&end.stream, &rest, 1), STREAM_AGAIN);
    stream_end(&end.stream);
    assert_false(end.stream.end_sent);
    size_t n = 0;
    bool ended = false;
    for (int i = 0; i < 1000 && !ended; i++) {
        n += peer_read(&end, got + n, sizeof(got) - n, &ended);
        unsigned before = end.ready;
        turn(&loop);
        assert_true(ended || end.ready > before || end.stream.end_sent);
        stream_flush(&end.stream);
    }
    n += ended ? 0 : peer_read(&end, got + n, sizeof(got) - n, &ended);
    assert_int_equal(n, LARGE);
    assert_memory_equal(got, sent, LARGE);
    assert_int_equal(end.stream.bytes_out, LARGE);
    assert_int_equal(stream_queued(&end.stream), 0);
    assert_null(end.stream.out);
    assert_true(end.stream.end_sent);
}

/* What is sent while there is a queue goes behind it, also when the socket has room again. */
static void test_queue_order(void **state)
{
    (void)state;
    static char sent[LARGE], got[LARGE + 16];
    memset(sent, 'a', LARGE);
    struct iovec piece = {.iov_base = sent, .iov_len = LARGE};
    assert_int_equal(stream_send(&end.stream, &piece, 1), STREAM_AGAIN);
    bool ended;
    size_t n = peer_read(&end, got, sizeof(got), &ended);
    turn(&loop);
    assert_true(end.stream.can_write);
    assert_int_equal(send_text(&end.stream, "b"), STREAM_AGAIN);
    for (int i = 0; i < 1000 && stream_flush(&end.stream) == STREAM_AGAIN; i++) {
        n += peer_read(&end, got + n, sizeof(got) - n, &ended);
        turn(&loop);
    }
    n += peer_read(&end, got + n, sizeof(got) - n, &ended);
    assert_int_equal(n, LARGE + 1);
    assert_ptr_equal(memchr(got, 'b', n), got + LARGE);
}

static void test_send_nothing(void **state)
{
    (void)state;
    assert_int_equal(send_text(&end.stream, ""), STREAM_OK);
    assert_int_equal(stream_flush(&end.stream), STREAM_OK);
    assert_null(end.stream.out);
}

/* A peer that went away may have answered before: that is still read. */
static void test_broken(void **state)
{
    (void)state;
    peer_write(&end, "last words");
    end_hang_up(&end);
    assert_int_equal(send_text(&end.stream, "x"), STREAM_BROKEN);
    assert_int_equal(send_text(&end.stream, "x"), STREAM_BROKEN);
    assert_int_equal(stream_flush(&end.stream), STREAM_BROKEN);
    assert_true(end.stream.lost_out && stream_peer_gone(&end.stream));
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    expect_pending(&end.stream, "last words");
    turn(&loop);
    assert_int_equal(stream_fill(&end.stream), STREAM_EOF);
}

/* Closing with bytes pending in both directions gives all memory back. */
static void test_close_with_bytes(void **state)
{
    (void)state;
    static char bytes[LARGE];
    struct iovec piece = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    assert_int_equal(stream_send(&end.stream, &piece, 1), STREAM_AGAIN);
    peer_write(&end, "unread");
    turn(&loop);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    assert_int_equal(loop.buffer_count, 0);
    stream_close(&end.stream);
    assert_int_equal(loop.buffer_count, 1);
    assert_int_equal(stream_queued(&end.stream), 0);
    end.ready = 0;
    turn(&loop);
    assert_int_equal(end.ready, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_end, close_end)
    const struct CMUnitTest tests[] = {
        TEST(test_read),         TEST(test_read_now),   TEST(test_end_with_bytes),
        TEST(test_end_later),    TEST(test_half_close), TEST(test_full),
        TEST(test_detach),       TEST(test_queue),      TEST(test_queue_order),
        TEST(test_send_nothing), TEST(test_broken),     TEST(test_close_with_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
