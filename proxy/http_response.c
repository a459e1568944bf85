/* Response heads; see http_response.h. */
#include "http_response.h"

static bool read_framing(struct str length, struct str coding, bool to_head,
                         struct http_response *out, struct http_refusal *refusal)
{
    int status = out->head.status;
    bool bodiless = to_head || status < 200 || status == 204 || status == 304;
    if (coding.p) {
        if (length.p)
            return http_refuse(refusal, 502, "it has both Content-Length and Transfer-Encoding");
        if (!str_ieq(coding, STR("chunked")))
            return http_refuse(refusal, 502, "its Transfer-Encoding is not chunked");
        out->framing = bodiless ? FRAMING_NONE : FRAMING_CHUNKED;
    } else if (length.p) {
        int64_t value;
        if (!str_to_int(length, &value) || !ascii_digit(length.p[0]))
            return http_refuse(refusal, 502, "its Content-Length is not a number");
        out->length = (uint64_t)value;
        out->framing = bodiless || value == 0 ? FRAMING_NONE : FRAMING_LENGTH;
    } else {
        out->framing = bodiless ? FRAMING_NONE : FRAMING_EOF;
    }
    return true;
}

bool http_response_read(struct str bytes, bool to_head, struct http_response *out,
                        struct http_refusal *refusal)
{
    struct str length = {NULL, 0}, coding = {NULL, 0};
    bool closes = false;
    out->has_connection = false;
    out->length = 0;
    out->content_type = out->upgrade = (struct str){NULL, 0};
    if (!head_read(bytes, false, &out->head, refusal))
        return http_refuse(refusal, 502, refusal->why);
    if (out->head.status < 100 || out->head.status > 599)
        return http_refuse(refusal, 502, "its status is none that HTTP knows");
    for (size_t i = 0; i < out->head.field_count; i++) {
        struct str name = out->head.fields[i].name, value = out->head.fields[i].value;
        if (str_ieq(name, STR("Content-Length"))) {
            if (length.p)
                return http_refuse(refusal, 502, "it has two lengths");
            length = value;
        } else if (str_ieq(name, STR("Transfer-Encoding"))) {
            if (coding.p)
                return http_refuse(refusal, 502, "it has two transfer encodings");
            coding = value;
        } else if (str_ieq(name, STR("Connection"))) {
            out->has_connection = true;
            closes |= list_has(value, STR("close"));
        } else if (str_ieq(name, STR("Content-Type"))) {
            out->content_type = value;
        } else if (str_ieq(name, STR("Upgrade"))) {
            out->upgrade = value;
        }
    }
    out->keep_alive = out->head.minor == 1 && !closes;
    return read_framing(length, coding, to_head, out, refusal);
}

/* ---- the head that the client gets --------------------------------------------------------- */

/* Fields that belong to one connection only, or are written anew. */
static bool hop_by_hop(struct str name)
{
    switch (name.n) {
    case 2:
        return str_ieq(name, STR("TE"));
    case 7:
        return str_ieq(name, STR("Trailer")) || str_ieq(name, STR("Upgrade"));
    case 10:
        return str_ieq(name, STR("Connection")) || str_ieq(name, STR("Keep-Alive"));
    case 14:
        return str_ieq(name, STR("Content-Length"));
    case 16:
        return str_ieq(name, STR("Proxy-Connection"));
    case 17:
        return str_ieq(name, STR("Transfer-Encoding"));
    default:
        return false;
    }
}

/* Is the field named by a Connection field of the response? */
static bool named_by_connection(const struct http_head *head, struct str name)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (str_ieq(head->fields[i].name, STR("Connection")) &&
            list_has(head->fields[i].value, name))
            return true;
    return false;
}

static void put_framing(struct head_out *out, const struct http_response *http,
                        const struct response_plan *plan)
{
    int status = http->head.status;
    if (plan->tunnel) {
        if (http->upgrade.p && status == 101) {
            head_put(out, STR("Connection: Upgrade\r\n"));
            head_put_field(out, STR("Upgrade"), http->upgrade);
        }
        return;
    }
    bool bodiless = status < 200 || status == 204 || status == 304;
    if (http->framing == FRAMING_CHUNKED && !plan->http10) {
        head_put(out, STR("Transfer-Encoding: chunked\r\n"));
    } else if (http->framing == FRAMING_LENGTH ||
               (http->framing == FRAMING_NONE && !bodiless && (!plan->to_head || http->length))) {
        head_put_length(out, http->length);
    }
    if (plan->close && status >= 200)
        head_put(out, STR("Connection: close\r\n"));
}

bool http_response_write(const struct http_response *http, const struct response_plan *plan,
                         char *dst, size_t cap, size_t *len)
{
    struct head_out out = {.p = dst, .cap = cap};
    const struct http_head *head = &http->head;
    char digits[DECIMAL_MAX]; /* always three of them */
    head_put(&out, plan->http10 ? STR("HTTP/1.0 ") : STR("HTTP/1.1 "));
    head_put(&out, decimal_text(digits, (uint64_t)head->status));
    head_put(&out, STR(" "));
    head_put(&out, head->phrase);
    head_put(&out, STR("\r\n"));
    for (size_t i = 0; i < head->field_count; i++) {
        struct str name = head->fields[i].name;
        if (hop_by_hop(name) || (http->has_connection && named_by_connection(head, name)))
            continue;
        bool builder = plan->builder && str_ieq(name, STR("Builder-Version"));
        head_put_field(&out, name, builder ? str_of(plan->builder) : head->fields[i].value);
    }
    put_framing(&out, http, plan);
    head_put(&out, STR("\r\n"));
    *len = out.n;
    return out.n <= cap;
}
