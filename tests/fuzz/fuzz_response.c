/* libFuzzer target for response heads. The first byte holds how it is asked for and passed on, the
   second where the head is cut. Cut or not, the scan says the same; what is passed on is without
   fault, and framed as the daemon's was. */
#include "http_response.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 4096 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static enum head_status scan(struct str bytes, size_t cut, size_t *length,
                             struct http_refusal *refusal)
{
    struct head_scan state = {0, 0, 0};
    enum head_status status = head_scan(&state, str_head(bytes, cut), false, MAX, length, refusal);
    return status == HEAD_MORE ? head_scan(&state, bytes, false, MAX, length, refusal) : status;
}

/* Nothing of the daemon's connection goes on; what stands there of ours stands once. */
static void check_fields(const struct http_head *head, const struct response_plan *plan)
{
    static const char *const names[] = {"Keep-Alive", "Proxy-Connection", "TE", "Trailer",
                                        "Upgrade"};
    size_t connections = 0, framings = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            must(!str_ieq(head->fields[i].name, str_of(names[k])));
        connections += str_ieq(head->fields[i].name, STR("Connection"));
        framings += str_ieq(head->fields[i].name, STR("Content-Length")) ||
                    str_ieq(head->fields[i].name, STR("Transfer-Encoding"));
    }
    must(connections == (plan->close && head->status >= 200) && framings <= 1);
}

static void check_written(const struct http_response *http, const struct response_plan *plan)
{
    static char text[MAX * 2 + 256];
    static struct http_response again;
    size_t length = 0, end = 0, small = 0;
    struct http_refusal refusal;
    must(http_response_write(http, plan, text, sizeof(text), &length));
    char *tight = malloc(length);
    must(tight && http_response_write(http, plan, tight, length, &small) && small == length);
    must(memcmp(tight, text, length) == 0);
    must(!http_response_write(http, plan, tight, length - 1, &small) && small == length);
    free(tight);
    if (http->head.field_count + 2 > HEADERS_MAX)
        return; /* with our own there may be more than the scan takes */
    struct str head = {text, length};
    struct head_scan state = {0, 0, 0};
    enum head_status status = head_scan(&state, head, false, sizeof(text), &end, &refusal);
    must(status == HEAD_DONE && end == length);
    if (plan->tunnel || http->head.status < 100)
        return;
    must(http_response_read(head, plan->to_head, &again, &refusal));
    must(again.head.status == http->head.status);
    must(again.head.minor == (plan->http10 ? 0 : 1));
    if (http->framing == FRAMING_CHUNKED && plan->http10)
        must(again.framing == FRAMING_EOF);
    else
        must(again.framing == http->framing);
    must(http->framing != FRAMING_LENGTH || again.length == http->length);
    check_fields(&again.head, plan);
    must(!plan->close || http->head.status < 200 || !again.keep_alive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_response http;
    if (size < 2)
        return 0;
    struct response_plan plan = {.http10 = data[0] & 1,
                                 .close = data[0] & 2,
                                 .tunnel = data[0] & 4,
                                 .to_head = data[0] & 8,
                                 .builder = data[0] & 16 ? "1" : NULL};
    struct str bytes = {(const char *)data + 2, size - 2 < 2 * MAX ? size - 2 : 2 * MAX};
    size_t length = 0, other_length = 0;
    struct http_refusal refusal = {0, NULL}, other = {0, NULL};
    enum head_status whole = scan(bytes, bytes.n, &length, &refusal);
    must(scan(bytes, data[1], &other_length, &other) == whole);
    must(whole != HEAD_BAD || (refusal.why && refusal.why == other.why));
    if (whole != HEAD_DONE)
        return 0;
    must(length == other_length && length <= bytes.n);
    char *copy = malloc(length);
    must(copy != NULL);
    memcpy(copy, bytes.p, length);
    if (http_response_read((struct str){copy, length}, plan.to_head, &http, &refusal)) {
        must(http.framing != FRAMING_LENGTH || http.length > 0);
        must(!plan.to_head || http.framing == FRAMING_NONE);
        check_written(&http, &plan);
    } else {
        must(refusal.status == 502 && refusal.why);
    }
    free(copy);
    return 0;
}
