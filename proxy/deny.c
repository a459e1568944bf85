/* Our own answers; see deny.h. */
#include "deny.h"

#include "json.h"

const char *deny_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Error";
}

enum { BODY_MAX = 4096 }; /* more than an answer may be long */

static void write_head(const struct deny_plan *plan, size_t length, struct json_out *out)
{
    char status[DECIMAL_MAX], digits[DECIMAL_MAX];
    json_out_raw(out, plan->http10 ? STR("HTTP/1.0 ") : STR("HTTP/1.1 "));
    json_out_raw(out, decimal_text(status, (uint64_t)plan->status));
    json_out_raw(out, STR(" "));
    json_out_raw(out, str_of(deny_phrase(plan->status)));
    /* Without Content-Type: application/json the docker CLI prints the raw body. */
    json_out_raw(out, STR("\r\nContent-Type: application/json\r\nContent-Length: "));
    json_out_raw(out, decimal_text(digits, length));
    if (plan->status == 429)
        json_out_raw(out, STR("\r\nRetry-After: 1"));
    if (plan->close)
        json_out_raw(out, STR("\r\nConnection: close"));
    json_out_raw(out, STR("\r\n\r\n"));
}

size_t deny_write(const struct deny_plan *plan, char *dst, size_t cap)
{
    char text[BODY_MAX];
    struct json_out body = {.p = text, .cap = sizeof(text)}, out = {.p = dst, .cap = cap};
    json_out_open(&body, '{');
    json_out_member(&body, "message", str_of(plan->message));
    json_out_close(&body, '}');
    if (body.len > body.cap)
        return 0;
    write_head(plan, body.len, &out);
    if (!plan->to_head)
        json_out_raw(&out, (struct str){text, body.len});
    return out.len < cap ? out.len : 0;
}
