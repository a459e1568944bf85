/* Our own answers; see deny.h. */
#include "deny.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>

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

size_t deny_write(const struct deny_plan *plan, char *dst, size_t cap)
{
    size_t length = 0;
    char *body = json_print_message(plan->message, &length);
    if (!body)
        return 0;
    /* Without Content-Type: application/json the docker CLI prints the raw body. */
    int n = snprintf(dst, cap,
                     "HTTP/1.%d %d %s\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n%s%s\r\n%s",
                     plan->http10 ? 0 : 1, plan->status, deny_phrase(plan->status), length,
                     plan->status == 429 ? "Retry-After: 1\r\n" : "",
                     plan->close ? "Connection: close\r\n" : "", plan->to_head ? "" : body);
    free(body);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}
