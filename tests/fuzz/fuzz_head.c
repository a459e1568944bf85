/* libFuzzer target for request heads. Two bytes choose where the head is cut, the rest is the
   stream. Cut or not, the scan says the same; what is read holds nothing that two readers could
   read in two ways; and the head that is sent on is without fault. */
#include "http_request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 4096 };

struct result {
    enum head_status status;
    size_t length;
    struct http_refusal refusal;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* In pieces of step bytes, each time in memory of its own. */
static struct result scan(struct str bytes, size_t first, size_t step)
{
    struct result result = {.status = HEAD_MORE};
    struct head_scan state = {0, 0, 0};
    for (size_t n = first < bytes.n ? first : bytes.n;;
         n = n + step < bytes.n ? n + step : bytes.n) {
        char *copy = malloc(n + 1);
        must(copy != NULL);
        memcpy(copy, bytes.p, n);
        result.status =
            head_scan(&state, (struct str){copy, n}, true, MAX, &result.length, &result.refusal);
        free(copy);
        if (result.status != HEAD_MORE || n == bytes.n)
            return result;
    }
}

static void check_same(const struct result *a, const struct result *b)
{
    must(a->status == b->status);
    must(a->status != HEAD_DONE || a->length == b->length);
    must(a->status != HEAD_BAD ||
         (a->refusal.why == b->refusal.why && a->refusal.status == b->refusal.status));
}

/* No bare LF or CR, no NUL, no folded line, no line without a name. */
static void check_bytes(struct str head)
{
    must(str_ends(head, STR("\r\n\r\n")));
    for (size_t i = 0; i < head.n; i++) {
        char c = head.p[i];
        must(c != '\0' && (c != '\n' || (i > 0 && head.p[i - 1] == '\r')));
        must(c != '\r' || (i + 1 < head.n && head.p[i + 1] == '\n'));
        if (c == '\n' && i + 1 < head.n)
            must(head.p[i + 1] != ' ' && head.p[i + 1] != '\t' && head.p[i + 1] != ':');
    }
}

/* How often a header of that name stands there, by a reader of our own. */
static size_t count_lines(struct str head, const char *name)
{
    size_t count = 0, n = strlen(name);
    for (size_t i = 0; i + n + 2 < head.n; i++)
        count += head.p[i] == '\n' && str_ieq(str_head(str_skip(head, i + 1), n), str_of(name)) &&
                 head.p[i + 1 + n] == ':';
    return count;
}

static void check_read(struct str head, const struct http_request *http)
{
    check_bytes(head);
    size_t lengths = count_lines(head, "Content-Length");
    size_t codings = count_lines(head, "Transfer-Encoding");
    must(lengths + codings <= 1 && count_lines(head, "Host") <= 1);
    must(http->framing != FRAMING_EOF);
    must((http->framing == FRAMING_CHUNKED) == (codings == 1));
    must(http->framing != FRAMING_LENGTH || (lengths == 1 && http->length > 0));
    must(http->head.minor == 1 ? http->host.p != NULL : http->framing != FRAMING_CHUNKED);
    struct str rest = str_skip(head, str_find(head, ' ') + 1);
    must(str_eq(http->head.target, str_head(rest, str_find(rest, ' '))));
    size_t lines = 0;
    for (size_t i = 0; i < head.n; i++)
        lines += head.p[i] == '\n';
    must(http->head.field_count == lines - 2 && http->head.field_count <= HEADERS_MAX);
}

static void check_written(const struct http_request *http)
{
    static struct request request;
    static struct http_request again;
    static char text[MAX * 3 + 1024];
    struct arena arena = {0};
    struct decision decision;
    struct http_refusal refusal;
    size_t length = 0;
    struct body_plan plan = {http->framing, http->length, NULL};
    bool room = http->head.field_count + 5 <= HEADERS_MAX; /* for our own */
    if (request_parse(http->head.method, http->head.target, &arena, &request, &decision) && room) {
        must(http_request_write(http, &request, &plan, text, sizeof(text), &length));
        struct str head = {text, length};
        struct head_scan state = {0, 0, 0};
        size_t end = 0;
        must(head_scan(&state, head, true, sizeof(text), &end, &refusal) == HEAD_DONE &&
             end == length);
        must(http_request_read(head, &again, &refusal));
        must(again.framing == http->framing && again.length == http->length);
        must(str_is(again.host, "docker") && again.head.minor == 1);
        check_read(head, &again);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_request http;
    if (size < 2)
        return 0;
    size_t cut = data[0], step = data[1] ? data[1] : 1;
    struct str bytes = {(const char *)data + 2, size - 2 < 2 * MAX ? size - 2 : 2 * MAX};
    struct result whole = scan(bytes, bytes.n, 1);
    struct result pieces = scan(bytes, cut, step);
    check_same(&whole, &pieces);
    must(whole.status != HEAD_BAD || (whole.refusal.status >= 400 && whole.refusal.why));
    if (whole.status != HEAD_DONE)
        return 0;
    must(whole.length <= bytes.n && whole.length <= MAX);
    struct str head = str_head(bytes, whole.length);
    char *copy = malloc(head.n);
    must(copy != NULL);
    memcpy(copy, head.p, head.n);
    struct http_refusal refusal = {0, NULL};
    if (http_request_read((struct str){copy, head.n}, &http, &refusal)) {
        check_read((struct str){copy, head.n}, &http);
        check_written(&http);
    } else {
        must(refusal.status >= 400 && refusal.why);
    }
    free(copy);
    return 0;
}
