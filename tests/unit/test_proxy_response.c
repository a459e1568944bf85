/* Response heads: framing, what is refused, and the head that the client gets. */
#include "http_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct response_plan keep = {.close = false};
static const struct response_plan closing = {.close = true};
static const struct response_plan old = {.http10 = true, .close = true};
static const struct response_plan tunnel = {.tunnel = true};
static const struct response_plan to_head = {.to_head = true};
static const struct response_plan builder = {.builder = "1"};

// clang-format off
static const struct read_row {
    const char *bytes;
    bool to_head;
    enum framing framing;
    uint64_t length;
    bool keep_alive;
    const struct response_plan *plan; /* NULL: not written */
    const char *wanted;
} read_rows[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, FRAMING_LENGTH, 5, true, &keep,
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, FRAMING_LENGTH, 5, true, &closing,
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, FRAMING_NONE, 0, true, &keep,
     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, FRAMING_NONE, 5, true, &to_head,
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\n\r\n", true, FRAMING_NONE, 0, true, &to_head, "HTTP/1.1 200 OK\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, FRAMING_NONE, 0, true, &to_head, "HTTP/1.1 200 OK\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n", false, FRAMING_CHUNKED, 0, true, &keep,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, FRAMING_CHUNKED, 0, true, &old,
     "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\n\r\n", false, FRAMING_EOF, 0, true, &closing, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"},
    {"HTTP/1.1 204 No Content\r\n\r\n", false, FRAMING_NONE, 0, true, &keep, "HTTP/1.1 204 No Content\r\n\r\n"},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, FRAMING_NONE, 5, true, &keep, "HTTP/1.1 204 No Content\r\n\r\n"},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, FRAMING_NONE, 5, true, &keep,
     "HTTP/1.1 304 Not Modified\r\n\r\n"},
    {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", false, FRAMING_NONE, 0, true, NULL, NULL},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, FRAMING_LENGTH, 5, false, &keep,
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", false, FRAMING_LENGTH, 5, false, &keep,
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
    {"HTTP/1.1 500\r\nContent-Length: 5\r\n\r\n", false, FRAMING_LENGTH, 5, true, &keep,
     "HTTP/1.1 500 \r\nContent-Length: 5\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nA: \tcaf\xc3\xa9 and a tab\there \t\r\nContent-Length: 5\r\n\r\n", false, FRAMING_LENGTH, 5, true, &keep,
     "HTTP/1.1 200 OK\r\nA: caf\xc3\xa9 and a tab\there\r\nContent-Length: 5\r\n\r\n"},
    {"HTTP/1.1 500 \r\nContent-Length: 5\r\n\r\n", false, FRAMING_LENGTH, 5, true, &keep,
     "HTTP/1.1 500 \r\nContent-Length: 5\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nServer: Docker/20\r\nApi-Version: 1.41\r\nConnection: X-Secret, close\r\nX-Secret: 1\r\nKeep-Alive: 5\r\n"
     "Proxy-Connection: x\r\nTE: y\r\nUpgrade: h2c\r\nContent-Type: a/b\r\nX-Secrets: 2\r\nContent-Length: 3\r\n\r\n",
     false, FRAMING_LENGTH, 3, false, &keep,
     "HTTP/1.1 200 OK\r\nServer: Docker/20\r\nApi-Version: 1.41\r\nContent-Type: a/b\r\nX-Secrets: 2\r\nContent-Length: 3\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nBuilder-Version: 2\r\nContent-Length: 2\r\n\r\n", false, FRAMING_LENGTH, 2, true, &builder,
     "HTTP/1.1 200 OK\r\nBuilder-Version: 1\r\nContent-Length: 2\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nBuilder-Version: 2\r\nContent-Length: 2\r\n\r\n", false, FRAMING_LENGTH, 2, true, &keep,
     "HTTP/1.1 200 OK\r\nBuilder-Version: 2\r\nContent-Length: 2\r\n\r\n"},
    {"HTTP/1.1 101 UPGRADED\r\nContent-Type: a/b\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", false, FRAMING_NONE, 0, true, &tunnel,
     "HTTP/1.1 101 UPGRADED\r\nContent-Type: a/b\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"},
    {"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", false, FRAMING_NONE, 0, true, &keep,
     "HTTP/1.1 101 UPGRADED\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n", false, FRAMING_EOF, 0, true, &tunnel,
     "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"},
    {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", false, FRAMING_NONE, 0, true, &tunnel,
     "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"},
    {"HTTP/1.1 200 OK\r\nX: \r\nY:\r\nContent-Length: 0\r\n\r\n", false, FRAMING_NONE, 0, true, &closing,
     "HTTP/1.1 200 OK\r\nX: \r\nY: \r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
};

static const struct bad_row {
    const char *bytes;
    size_t n; /* 0: a text */
} bad_rows[] = {
    {"HTTP/2 200 OK\r\n\r\n", 0},
    {"HTTP/1.2 200 OK\r\n\r\n", 0},
    {"HTTP/1.1 2000 OK\r\n\r\n", 0},
    {"HTTP/1.1 abc OK\r\n\r\n", 0},
    {"HTTP/1.1 20 OK\r\n\r\n", 0},
    {"HTTP/1.1 200OK\r\n\r\n", 0},
    {"HTTP/1.1  200 OK\r\n\r\n", 0},
    {"HTTP/1.1\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nA: aaaaaaaaaaaaaaaaaaaa\x7f\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nA: aaaaaaaa\x1f" "aaaaaaaaaaaaaaaa\r\n\r\n", 0},
    {"http/1.1 200 OK\r\n\r\n", 0},
    {"ICY 200 OK\r\n\r\n", 0},
    {" HTTP/1.1 200 OK\r\n\r\n", 0},
    {"\r\nHTTP/1.1 200 OK\r\n\r\n", 0},
    {"{\"message\":\"no\"}\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nA: b\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nA b\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 0},
    {"HTTP/1.1 200 O\0K\r\n\r\n", 20},
    {"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", 25},
    {"HTTP/1.1 200 O\rK\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", 0},
    {"HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", 0},
};
// clang-format on

/* The scan in one piece, after every split and the walk byte by byte gave the same. */
static enum head_status scan_all(struct str bytes, size_t *length, struct http_refusal *refusal)
{
    struct head_scan scan = {0, 0, 0};
    enum head_status whole = head_scan(&scan, bytes, false, 4096, length, refusal);
    for (size_t at = 0; at <= bytes.n; at++) {
        struct http_refusal other = {0, NULL};
        size_t other_length = 0;
        scan = (struct head_scan){0, 0, 0};
        enum head_status status =
            head_scan(&scan, str_head(bytes, at), false, 4096, &other_length, &other);
        if (status == HEAD_MORE)
            status = head_scan(&scan, bytes, false, 4096, &other_length, &other);
        if (status != whole || (whole == HEAD_DONE && other_length != *length) ||
            (whole == HEAD_BAD && other.why != refusal->why))
            fail_msg("split at %zu it is %d, not %d: %.*s", at, status, whole, STR_ARG(bytes));
    }
    return whole;
}

static void test_written(const struct read_row *row, const struct http_response *http)
{
    struct str wanted = str_of(row->wanted);
    for (size_t cap = 0; cap <= wanted.n; cap++) {
        char *text = malloc(cap + 1);
        assert_non_null(text);
        size_t length = 0;
        bool fits = http_response_write(http, row->plan, text, cap, &length);
        if (fits != (cap == wanted.n) || (fits && !str_eq((struct str){text, length}, wanted)))
            fail_msg("%s: written in %zu bytes as\n%.*s", row->bytes, cap,
                     (int)(length < cap ? length : cap), text);
        free(text);
    }
    struct http_refusal refusal;
    size_t length = 0;
    assert_int_equal(scan_all(wanted, &length, &refusal), HEAD_DONE);
}

static void test_read(void **state)
{
    (void)state;
    static struct http_response http;
    for (size_t i = 0; i < ARRAY_LEN(read_rows); i++) {
        const struct read_row *row = &read_rows[i];
        struct str bytes = str_of(row->bytes);
        struct http_refusal refusal = {0, NULL};
        size_t length = 0;
        assert_int_equal(scan_all(bytes, &length, &refusal), HEAD_DONE);
        assert_int_equal(length, bytes.n);
        if (!http_response_read(bytes, row->to_head, &http, &refusal))
            fail_msg("%s: %s", row->bytes, refusal.why);
        if (http.framing != row->framing || http.length != row->length ||
            http.keep_alive != row->keep_alive)
            fail_msg("%s: framing %d, length %llu, keep %d", row->bytes, http.framing,
                     (unsigned long long)http.length, http.keep_alive);
        if (row->plan)
            test_written(row, &http);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static struct http_response http;
    for (size_t i = 0; i < ARRAY_LEN(bad_rows); i++) {
        struct str bytes = {bad_rows[i].bytes,
                            bad_rows[i].n ? bad_rows[i].n : strlen(bad_rows[i].bytes)};
        struct http_refusal refusal = {0, NULL};
        size_t length = 0;
        enum head_status status = scan_all(bytes, &length, &refusal);
        if (status == HEAD_MORE ||
            (status == HEAD_DONE &&
             http_response_read(str_head(bytes, length), false, &http, &refusal)))
            fail_msg("taken: %s", bad_rows[i].bytes);
        assert_true(refusal.status != 0 && refusal.why != NULL);
        assert_true(status == HEAD_BAD || refusal.status == 502);
    }
}

static void test_slices(void **state)
{
    (void)state;
    static struct http_response http;
    struct http_refusal refusal;
    assert_true(http_response_read(STR("HTTP/1.1 404 No  such: thing\r\nContent-Type: a/b; c\r\n"
                                       "Upgrade: tcp\r\nContent-Length: 1\r\n\r\n"),
                                   false, &http, &refusal));
    assert_int_equal(http.head.status, 404);
    assert_true(str_is(http.head.phrase, "No  such: thing"));
    assert_true(str_is(http.content_type, "a/b; c"));
    assert_true(str_is(http.upgrade, "tcp"));
    assert_true(http_response_read(STR("HTTP/1.1 200 OK\r\n\r\n"), false, &http, &refusal));
    assert_null(http.content_type.p);
    assert_null(http.upgrade.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
