/* Request heads: scanned in one piece and split at every point, read, and written again. */
#include "http_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAX = 4096 };

/* What became of a head. */
struct result {
    enum head_status status;
    size_t length;
    struct http_refusal refusal;
};

/* Scans bytes of which `first` are there at the beginning, then step more each time. The bytes lie
   at the end of their allocation, so that a sanitizer sees a look behind them. */
static struct result scan_in_steps(struct str bytes, size_t first, size_t step, bool request,
                                   size_t max)
{
    struct result result = {.status = HEAD_MORE};
    struct head_scan scan = {0, 0, 0};
    for (size_t n = first < bytes.n ? first : bytes.n;;
         n = n + step < bytes.n ? n + step : bytes.n) {
        char *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        if (n)
            memcpy(copy, bytes.p, n);
        result.status =
            head_scan(&scan, (struct str){copy, n}, request, max, &result.length, &result.refusal);
        free(copy);
        if (result.status != HEAD_MORE || n == bytes.n)
            return result;
    }
}

static bool same_result(const struct result *a, const struct result *b)
{
    return a->status == b->status && (a->status != HEAD_DONE || a->length == b->length) &&
           (a->status != HEAD_BAD ||
            (a->refusal.status == b->refusal.status && a->refusal.why == b->refusal.why));
}

/* The result in one piece, after all ways to split it have given the same. */
static struct result scan_every_way(struct str bytes, bool request, size_t max)
{
    struct result whole = scan_in_steps(bytes, bytes.n, 1, request, max);
    struct result bytewise = scan_in_steps(bytes, 0, 1, request, max);
    if (!same_result(&whole, &bytewise))
        fail_msg("byte by byte it is %d, in one piece %d: %.*s", bytewise.status, whole.status,
                 STR_ARG(bytes));
    for (size_t at = 0; at <= bytes.n; at++) {
        struct result split = scan_in_steps(bytes, at, bytes.n, request, max);
        if (!same_result(&whole, &split))
            fail_msg("split at %zu it is %d, in one piece %d: %.*s", at, split.status, whole.status,
                     STR_ARG(bytes));
    }
    return whole;
}

#define GET11  "GET /_ping HTTP/1.1\r\nHost: d\r\n"
#define POST11 "POST /a HTTP/1.1\r\nHost: d\r\n"

// clang-format off
static const struct refuse_row {
    const char *bytes;
    size_t n; /* 0: a NUL-terminated text */
    int status;
    const char *says;
} refuse_rows[] = {
    /* by the scan */
    {"\x16\x03\x01", 0, 400, "TLS"},
    {"\r\nGET / HTTP/1.1\r\n\r\n", 0, 400, "capital"},
    {" GET / HTTP/1.1\r\n\r\n", 0, 400, "capital"},
    {"get / HTTP/1.1\r\n\r\n", 0, 400, "capital"},
    {"\0", 1, 400, "capital"},
    {"\xff", 0, 400, "capital"},
    {"GeT / HTTP/1.1\r\n\r\n", 0, 400, "capital"},
    {"M-SEARCH / HTTP/1.1\r\n\r\n", 0, 400, "capital"},
    {"GET / HTTP/1.1\nHost: d\r\n\r\n", 0, 400, "bare LF"},
    {GET11 "A: b\n\r\n", 0, 400, "bare LF"},
    {GET11 "\n", 0, 400, "bare LF"},
    {"G\n", 0, 400, "bare LF"},
    {GET11 "A: b\rc\r\n\r\n", 0, 400, "bare CR"},
    {GET11 "A: b\r\r\n\r\n", 0, 400, "bare CR"},
    {GET11 "\rA: b\r\n\r\n", 0, 400, "bare CR"},
    {"GET /\r HTTP/1.1\r\n\r\n", 0, 400, "bare CR"},
    {"GET /\0 HTTP/1.1\r\n\r\n", 20, 400, "control"},
    {"GET / HTTP/1.1\r\nA: b\0\r\n\r\n", 25, 400, "control"},
    {GET11 "A: \x01\r\n\r\n", 0, 400, "control"},
    {GET11 "A: \x7f\r\n\r\n", 0, 400, "control"},
    {GET11 "A\x0b: b\r\n\r\n", 0, 400, "control"},
    {"GET /\r\n\r\n", 0, 400, "request line"},
    {"GET\r\n\r\n", 0, 400, "request line"},
    {"GET  / HTTP/1.1\r\n\r\n", 0, 400, "request line"},
    {"GET /  HTTP/1.1\r\n\r\n", 0, 400, "request line"},
    {"GET / HTTP/1.1 \r\n\r\n", 0, 400, "request line"},
    {"GET / x HTTP/1.1\r\n\r\n", 0, 400, "request line"},
    {"GET\t/ HTTP/1.1\r\n\r\n", 0, 400, "request line"},
    {"GET /\tx HTTP/1.1\r\n\r\n", 0, 400, "request line"},
    {"GET / HTTP/1.2\r\n\r\n", 0, 400, "HTTP/1.1 and"},
    {"GET / HTTP/2.0\r\n\r\n", 0, 400, "HTTP/1.1 and"},
    {"GET / HTTP/0.9\r\n\r\n", 0, 400, "HTTP/1.1 and"},
    {"GET / HTTP/1.10\r\n\r\n", 0, 400, "HTTP/1.1 and"},
    {"GET / http/1.1\r\n\r\n", 0, 400, "HTTP/1.1 and"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 400, "HTTP/1.1 and"},
    {GET11 "A: b\r\n c: d\r\n\r\n", 0, 400, "folded"},
    {GET11 "A: b\r\n\tc\r\n\r\n", 0, 400, "folded"},
    {"GET / HTTP/1.1\r\n Host: d\r\n\r\n", 0, 400, "folded"},
    {GET11 "A\r\n\r\n", 0, 400, "no colon"},
    {GET11 ": b\r\n\r\n", 0, 400, "empty name"},
    {GET11 "A : b\r\n\r\n", 0, 400, "header name"},
    {GET11 "A\tb: b\r\n\r\n", 0, 400, "header name"},
    {GET11 "A(b): b\r\n\r\n", 0, 400, "header name"},
    {GET11 "\xc3\xa9: b\r\n\r\n", 0, 400, "header name"},
    {GET11 "\"A\": b\r\n\r\n", 0, 400, "header name"},

    /* by the reading */
    {"GET / HTTP/1.1\r\n\r\n", 0, 400, "Host"},
    {GET11 "host: d\r\n\r\n", 0, 400, "Host is given twice"},
    {POST11 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 5, 5\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: -5\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: +5\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 0x5\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 5 5\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 5_0\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length:\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: \r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 1234567890123456789\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Length: 18446744073709551621\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: gzip\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: identity\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: gzip, chunked\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: chunked, chunked\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: chunked;q=1\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: \"chunked\"\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding:\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400, ""},
    {POST11 "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400, ""},
    {"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400, ""},
    {POST11 "Content-Type: a/b\r\nContent-Type: a/c\r\n\r\n", 0, 400, "Content-Type is given twice"},
    {POST11 "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 0, 400, "Expect is given twice"},
    {POST11 "Expect: 200-ok\r\n\r\n", 0, 417, "100-continue"},
    {POST11 "Origin: a\r\nOrigin: a\r\n\r\n", 0, 400, "Origin is given twice"},
    {POST11 "Upgrade: tcp\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 0, 400, "Upgrade is given twice"},
};

static const struct accept_row {
    const char *bytes;
    const char *method, *target;
    int minor;
    enum framing framing;
    uint64_t length;
    bool keep_alive, expect;
    const char *upgrade; /* NULL: absent */
} accept_rows[] = {
    {GET11 "\r\n", "GET", "/_ping", 1, FRAMING_NONE, 0, true, false, NULL},
    {"GET /_ping HTTP/1.0\r\n\r\n", "GET", "/_ping", 0, FRAMING_NONE, 0, false, false, NULL},
    {"GET /_ping HTTP/1.0\r\nHost: d\r\nConnection: keep-alive\r\n\r\n", "GET", "/_ping", 0, FRAMING_NONE, 0, false, false, NULL},
    {"HEAD /_ping HTTP/1.1\r\nHost:\r\n\r\n", "HEAD", "/_ping", 1, FRAMING_NONE, 0, true, false, NULL},
    {GET11 "Connection: close\r\n\r\n", "GET", "/_ping", 1, FRAMING_NONE, 0, false, false, NULL},
    {GET11 "Connection: keep-alive , CLOSE\r\n\r\n", "GET", "/_ping", 1, FRAMING_NONE, 0, false, false, NULL},
    {GET11 "Connection: keep-alive\r\nConnection: close\r\n\r\n", "GET", "/_ping", 1, FRAMING_NONE, 0, false, false, NULL},
    {GET11 "Connection: closed\r\n\r\n", "GET", "/_ping", 1, FRAMING_NONE, 0, true, false, NULL},
    {GET11 "X:\r\nY: \t \r\n\r\n", "GET", "/_ping", 1, FRAMING_NONE, 0, true, false, NULL},
    {GET11 "X: \xc3\xa9\xff\r\n\r\n", "GET", "/_ping", 1, FRAMING_NONE, 0, true, false, NULL},
    {POST11 "Content-Length: 0\r\n\r\n", "POST", "/a", 1, FRAMING_NONE, 0, true, false, NULL},
    {POST11 "Content-Length: 007\r\n\r\n", "POST", "/a", 1, FRAMING_LENGTH, 7, true, false, NULL},
    {POST11 "Content-Length: \t12 \r\n\r\n", "POST", "/a", 1, FRAMING_LENGTH, 12, true, false, NULL},
    {POST11 "content-LENGTH: 123456789012345678\r\n\r\n", "POST", "/a", 1, FRAMING_LENGTH, 123456789012345678, true, false, NULL},
    {"POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\n", "POST", "/a", 0, FRAMING_LENGTH, 3, false, false, NULL},
    {POST11 "Transfer-Encoding: chunked\r\n\r\n", "POST", "/a", 1, FRAMING_CHUNKED, 0, true, false, NULL},
    {POST11 "transfer-encoding:\tCHUNKED \r\n\r\n", "POST", "/a", 1, FRAMING_CHUNKED, 0, true, false, NULL},
    {POST11 "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", "POST", "/a", 1, FRAMING_LENGTH, 1, true, true, NULL},
    {POST11 "Expect: 100-continue\r\n\r\n", "POST", "/a", 1, FRAMING_NONE, 0, true, false, NULL},
    {"POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "POST", "/a", 0, FRAMING_LENGTH, 1, false, false, NULL},
    {POST11 "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "POST", "/a", 1, FRAMING_NONE, 0, true, false, "tcp"},
    {"POST /a HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "POST", "/a", 0, FRAMING_NONE, 0, false, false, NULL},
    {"GET /containers/json?a=%20&b HTTP/1.1\r\nHost: d\r\n\r\n", "GET", "/containers/json?a=%20&b", 1, FRAMING_NONE, 0, true, false, NULL},
    {"PUT /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "PUT", "/a", 1, FRAMING_NONE, 0, true, false, NULL},
};
// clang-format on

static void test_refused(void **state)
{
    (void)state;
    static struct http_request http;
    for (size_t i = 0; i < ARRAY_LEN(refuse_rows); i++) {
        const struct refuse_row *row = &refuse_rows[i];
        struct str bytes = {row->bytes, row->n ? row->n : strlen(row->bytes)};
        struct result result = scan_every_way(bytes, true, MAX);
        if (result.status == HEAD_DONE &&
            http_request_read(str_head(bytes, result.length), &http, &result.refusal))
            fail_msg("row %zu was taken: %s", i, row->bytes);
        if (result.status == HEAD_MORE || result.refusal.status != row->status ||
            !strstr(result.refusal.why, row->says))
            fail_msg("row %zu (%s): scan %d, %d %s", i, row->bytes, result.status,
                     result.refusal.status, result.refusal.why ? result.refusal.why : "");
    }
}

static void test_accepted(void **state)
{
    (void)state;
    static struct http_request http;
    for (size_t i = 0; i < ARRAY_LEN(accept_rows); i++) {
        const struct accept_row *row = &accept_rows[i];
        char text[512];
        /* What follows a head is not looked at. */
        size_t n = (size_t)snprintf(text, sizeof(text), "%s\n\x16 behind\r\n", row->bytes);
        struct str head = str_of(row->bytes);
        struct result result = scan_every_way((struct str){text, n}, true, MAX);
        if (result.status != HEAD_DONE || result.length != head.n)
            fail_msg("row %zu (%s): scan %d, %zu bytes", i, row->bytes, result.status,
                     result.length);
        if (!http_request_read(head, &http, &result.refusal))
            fail_msg("row %zu (%s): %s", i, row->bytes, result.refusal.why);
        if (!str_is(http.head.method, row->method) || !str_is(http.head.target, row->target) ||
            http.head.minor != row->minor || http.framing != row->framing ||
            http.length != row->length || http.keep_alive != row->keep_alive ||
            http.expect_continue != row->expect || !str_eq(http.upgrade, str_of(row->upgrade)) ||
            (http.upgrade.p != NULL) != (row->upgrade != NULL))
            fail_msg("row %zu (%s): read as something else", i, row->bytes);
    }
}

/* Every beginning of a good head asks for more. */
static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accept_rows); i++) {
        struct str head = str_of(accept_rows[i].bytes);
        for (size_t n = 0; n < head.n; n++)
            if (scan_in_steps(str_head(head, n), n, 1, true, MAX).status != HEAD_MORE)
                fail_msg("row %zu: %zu bytes are no beginning", i, n);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static struct http_request http;
    struct str head = STR(GET11 "\r\n");
    struct result result = scan_every_way(head, true, head.n);
    assert_int_equal(result.status, HEAD_DONE);
    result = scan_every_way(head, true, head.n - 1);
    assert_int_equal(result.status, HEAD_BAD);
    assert_int_equal(result.refusal.status, 431);
    result = scan_every_way(str_head(head, head.n - 1), true, head.n - 1); /* said at once */
    assert_int_equal(result.status, HEAD_BAD);
    assert_int_equal(result.refusal.status, 431);
    for (size_t lines = HEADERS_MAX; lines <= HEADERS_MAX + 1; lines++) {
        char text[2048];
        size_t n = (size_t)snprintf(text, sizeof(text), "GET /_ping HTTP/1.1\r\nHost: d\r\n");
        for (size_t i = 1; i < lines; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "A: b\r\n");
        n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
        struct str bytes = {text, n};
        result = scan_in_steps(bytes, n, 1, true, MAX);
        if (lines > HEADERS_MAX) {
            assert_int_equal(result.status, HEAD_BAD);
            assert_int_equal(result.refusal.status, 431);
        } else {
            assert_int_equal(result.status, HEAD_DONE);
            assert_true(http_request_read(bytes, &http, &result.refusal));
            assert_int_equal(http.head.field_count, HEADERS_MAX);
        }
    }
}

static void test_fields(void **state)
{
    (void)state;
    struct http_head head;
    struct http_refusal refusal;
    assert_true(head_read(STR("GET / HTTP/1.1\r\nHost: d\r\nEmpty:\r\nBlank: \t \r\n"
                              "X-Y: \t a  b:c \t\r\nx!#$%&'*+.^_`|~9: \xff\r\n\r\n"),
                          true, &head, &refusal));
    static const char *const wanted[][2] = {
        {"Host", "d"},
        {"Empty", ""},
        {"Blank", ""},
        {"X-Y", "a  b:c"},
        {"x!#$%&'*+.^_`|~9", "\xff"},
    };
    assert_int_equal(head.field_count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!str_is(head.fields[i].name, wanted[i][0]) ||
            !str_is(head.fields[i].value, wanted[i][1]))
            fail_msg("%.*s is %.*s", STR_ARG(head.fields[i].name), STR_ARG(head.fields[i].value));
    /* A reading of bytes that the scan would not have passed takes no part of them. */
    assert_false(head_read(STR("GET / HTTP/1.1\r\nHost: d\r\n"), true, &head, &refusal));
    assert_false(head_read(STR("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"), true, &head, &refusal));
    assert_false(head_read(STR("GET / HTTP/1.1\r\n\r\nx"), true, &head, &refusal));
}

// clang-format off
static const struct write_row {
    const char *head;
    struct body_plan plan;
    const char *wanted;
} write_rows[] = {
    {"GET /v1.41/containers/json?x=1&all=1 HTTP/1.0\r\nHost: evil\r\nUser-Agent: Docker/1\r\nAccept: a/b\r\n"
     "Cookie: c\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close, User-Agent\r\nTE: trailers\r\nContent-Type: a/b\r\n\r\n",
     {FRAMING_NONE, 0, NULL},
     "GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: docker\r\nUser-Agent: Docker/1\r\nAccept: a/b\r\n\r\n"},
    {"HEAD /_ping HTTP/1.1\r\nHost: d\r\n\r\n", {FRAMING_NONE, 0, NULL},
     "HEAD /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"},
    {"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/JSON; a=b\r\nTransfer-Encoding: chunked\r\n\r\n",
     {FRAMING_LENGTH, 12, "application/json"},
     "POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"},
    {"POST /containers/a/start HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
     {FRAMING_NONE, 0, NULL},
     "POST /containers/a/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"},
    {"POST /containers/a/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
     {FRAMING_NONE, 0, NULL},
     "POST /containers/a/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"},
    {"POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
     {FRAMING_NONE, 0, NULL},
     "POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"},
    {"GET /containers/a/attach/ws HTTP/1.1\r\nHost: d\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nsec-websocket-version: 13\r\n"
     "Sec-WebSocket: x\r\nOrigin: http://d\r\n\r\n", {FRAMING_NONE, 0, NULL},
     "GET /containers/a/attach/ws HTTP/1.1\r\nHost: docker\r\nSec-WebSocket-Key: k\r\nsec-websocket-version: 13\r\n"
     "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
    {"POST /session HTTP/1.1\r\nHost: d\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: u\r\nX-Docker-Other: o\r\n"
     "Sec-WebSocket-Key: k\r\n\r\n", {FRAMING_NONE, 0, NULL},
     "POST /session HTTP/1.1\r\nHost: docker\r\nX-Docker-Expose-Session-Uuid: u\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
     "Content-Length: 0\r\n\r\n"},
    {"PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n",
     {FRAMING_CHUNKED, 0, "application/x-tar"},
     "PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\n"
     "Transfer-Encoding: chunked\r\n\r\n"},
    {"DELETE /containers/a HTTP/1.1\r\nHost: d\r\n\r\n", {FRAMING_NONE, 0, NULL},
     "DELETE /containers/a HTTP/1.1\r\nHost: docker\r\n\r\n"},
    {"POST /images/a/push HTTP/1.1\r\nHost: d\r\nX-Registry-Auth: e30=\r\nX-Registry-Config: e30=\r\nAuthorization: b\r\n\r\n",
     {FRAMING_NONE, 0, NULL},
     "POST /images/a/push HTTP/1.1\r\nHost: docker\r\nX-Registry-Auth: e30=\r\nX-Registry-Config: e30=\r\nContent-Length: 0\r\n\r\n"},
};
// clang-format on

static void test_written(void **state)
{
    (void)state;
    static struct http_request http;
    static struct request request;
    for (size_t i = 0; i < ARRAY_LEN(write_rows); i++) {
        const struct write_row *row = &write_rows[i];
        struct http_refusal refusal;
        struct decision decision;
        struct arena arena = {0};
        struct str wanted = str_of(row->wanted);
        assert_true(http_request_read(str_of(row->head), &http, &refusal));
        assert_true(request_parse(http.head.method, http.head.target, &arena, &request, &decision));
        for (size_t cap = 0; cap <= wanted.n; cap++) {
            char *text = malloc(cap + 1);
            assert_non_null(text);
            size_t length = 0;
            bool fits = http_request_write(&http, &request, &row->plan, text, cap, &length);
            if (fits != (cap == wanted.n))
                fail_msg("row %zu: %zu bytes of room for %zu: %d", i, cap, wanted.n, fits);
            if (fits && !str_eq((struct str){text, length}, wanted))
                fail_msg("row %zu: written as\n%.*s", i, (int)length, text);
            free(text);
        }
        /* What is sent on is itself a head without fault. */
        struct result result = scan_every_way(wanted, true, MAX);
        assert_int_equal(result.status, HEAD_DONE);
        assert_int_equal(result.length, wanted.n);
        assert_true(http_request_read(wanted, &http, &refusal));
        arena_free(&arena);
    }
}

static void test_lists(void **state)
{
    (void)state;
    // clang-format off
    static const struct { const char *list, *token; bool has; } rows[] = {
        {"close", "close", true}, {"Close", "cLOSE", true}, {" close ", "close", true}, {"a,close", "close", true},
        {"a , close\t, b", "close", true}, {",,close,", "close", true}, {"", "close", false}, {",", "close", false},
        {"closed", "close", false}, {"clos", "close", false}, {"a close", "close", false}, {"a;close", "close", false},
        {"close;q=1", "close", false},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (list_has(str_of(rows[i].list), str_of(rows[i].token)) != rows[i].has)
            fail_msg("\"%s\" in \"%s\": wanted %d", rows[i].token, rows[i].list, rows[i].has);
    struct str list = STR(" a,, b ,c"), element;
    assert_true(list_next(&list, &element) && str_is(element, "a"));
    assert_true(list_next(&list, &element) && str_is(element, "b"));
    assert_true(list_next(&list, &element) && str_is(element, "c"));
    assert_false(list_next(&list, &element));
}

static void test_origin(void **state)
{
    (void)state;
    // clang-format off
    static const struct { const char *origin, *host; bool same; } rows[] = {
        {"http://d:1", "d:1", true}, {"https://D:1", "d:1", true}, {"http://d", "d:1", false}, {"http://", "", false},
        {"null", "null", false}, {"ws://d", "d", false}, {"http://d/", "d", false}, {"http://evil@d", "d", false},
    };
    // clang-format on
    static struct http_request http;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        http.origin = str_of(rows[i].origin);
        http.host = str_of(rows[i].host);
        if (http_request_same_origin(&http) != rows[i].same)
            fail_msg("%s of %s: wanted %d", rows[i].origin, rows[i].host, rows[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_written),
        cmocka_unit_test(test_lists),    cmocka_unit_test(test_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
