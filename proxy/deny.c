/* Our own answers; see deny.h. */
#include "deny.h"

#include "json.h"

#include <stdio.h>

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

size_t deny_write(const struct deny_plan *plan, char *dst, size_t cap)
{
    char body[BODY_MAX];
    struct json_out out = {.p = body, .cap = sizeof(body)};
    json_out_open(&out, '{');
    json_out_member(&out, "message", str_of(plan->message));
    json_out_close(&out, '}');
    if (out.len > out.cap)
        return 0;
    /* Without Content-Type: application/json the docker CLI prints the raw body. */
    int n = snprintf(dst, cap,
                     "HTTP/1.%d %d %s\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n%s%s\r\n%.*s",
                     plan->http10 ? 0 : 1, plan->status, deny_phrase(plan->status), out.len,
                     plan->status == 429 ? "Retry-After: 1\r\n" : "",
                     plan->close ? "Connection: close\r\n" : "", plan->to_head ? 0 : (int)out.len,
                     body);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}
