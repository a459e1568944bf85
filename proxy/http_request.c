/* Request heads; see http_request.h. */
#include "http_request.h"

/* Sets *slot from a field that may stand only once. */
static bool once(struct str *slot, struct str value, const char *why, struct http_refusal *refusal)
{
    if (slot->p)
        return http_refuse(refusal, 400, why);
    *slot = value;
    return true;
}

struct fields {
    struct str length, coding, expect, connection_upgrade;
    bool close, keep_alive;
};

static bool read_connection(struct str value, struct fields *fields)
{
    fields->close |= list_has(value, STR("close"));
    fields->keep_alive |= list_has(value, STR("keep-alive"));
    return true;
}

static bool read_field(const struct http_field *field, struct http_request *out,
                       struct fields *fields, struct http_refusal *refusal)
{
    struct str name = field->name, value = field->value;
    if (str_ieq(name, STR("Content-Length")))
        return once(&fields->length, value, "Content-Length is given twice", refusal);
    if (str_ieq(name, STR("Transfer-Encoding")))
        return once(&fields->coding, value, "Transfer-Encoding is given twice", refusal);
    if (str_ieq(name, STR("Host")))
        return once(&out->host, value, "Host is given twice", refusal);
    if (str_ieq(name, STR("Content-Type")))
        return once(&out->content_type, value, "Content-Type is given twice", refusal);
    if (str_ieq(name, STR("Expect")))
        return once(&fields->expect, value, "Expect is given twice", refusal);
    if (str_ieq(name, STR("Origin")))
        return once(&out->origin, value, "Origin is given twice", refusal);
    if (str_ieq(name, STR("Upgrade")))
        return once(&out->upgrade, value, "Upgrade is given twice", refusal);
    if (str_ieq(name, STR("Connection")))
        return read_connection(value, fields);
    return true;
}

static bool read_framing(const struct fields *fields, struct http_request *out,
                         struct http_refusal *refusal)
{
    if (fields->coding.p) {
        if (fields->length.p)
            return http_refuse(refusal, 400,
                               "Content-Length together with Transfer-Encoding is refused");
        if (out->head.minor == 0)
            return http_refuse(refusal, 400, "Transfer-Encoding does not exist in HTTP/1.0");
        if (!str_ieq(fields->coding, STR("chunked")))
            return http_refuse(refusal, 400, "the only Transfer-Encoding taken is chunked");
        out->framing = FRAMING_CHUNKED;
        return true;
    }
    if (!fields->length.p)
        return true;
    int64_t length;
    if (!str_to_int(fields->length, &length) || !ascii_digit(fields->length.p[0]))
        return http_refuse(refusal, 400, "Content-Length must be 1 to 18 digits");
    out->length = (uint64_t)length;
    out->framing = length > 0 ? FRAMING_LENGTH : FRAMING_NONE;
    return true;
}

bool http_request_read(struct str bytes, struct http_request *out, struct http_refusal *refusal)
{
    struct fields fields = {.close = false};
    out->framing = FRAMING_NONE;
    out->length = 0;
    out->expect_continue = false;
    out->content_type = out->origin = out->host = out->upgrade = (struct str){NULL, 0};
    if (!head_read(bytes, true, &out->head, refusal))
        return false;
    for (size_t i = 0; i < out->head.field_count; i++)
        if (!read_field(&out->head.fields[i], out, &fields, refusal))
            return false;
    if (!read_framing(&fields, out, refusal))
        return false;
    bool http11 = out->head.minor == 1;
    if (http11 && !out->host.p)
        return http_refuse(refusal, 400, "the Host header is missing");
    if (fields.expect.p && !str_ieq(fields.expect, STR("100-continue")))
        return http_refuse(refusal, 417, "the only Expect taken is 100-continue");
    out->expect_continue = fields.expect.p && http11 && out->framing != FRAMING_NONE;
    out->keep_alive = http11 && !fields.close;
    if (!http11)
        out->upgrade = (struct str){NULL, 0};
    return true;
}

bool http_request_same_origin(const struct http_request *http)
{
    struct str origin = http->origin;
    if (str_starts(origin, STR("http://")))
        origin = str_skip(origin, 7);
    else if (str_starts(origin, STR("https://")))
        origin = str_skip(origin, 8);
    else
        return false;
    return origin.n > 0 && str_ieq(origin, http->host);
}

/* ---- the head that is sent on -------------------------------------------------------------- */

/* Which of the client's headers the daemon gets, beside those that we set. */
static bool goes_on(struct str name, enum follow follow)
{
    static const struct str always[] = {
        {"User-Agent", 10},        {"Accept", 6},  {"X-Registry-Auth", 15},
        {"X-Registry-Config", 17}, {"Version", 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        if (str_ieq(name, always[i]))
            return true;
    if (follow == FOLLOW_WS)
        return str_ieq(str_head(name, 14), STR("Sec-WebSocket-"));
    if (follow == FOLLOW_H2C)
        return str_ieq(str_head(name, 24), STR("X-Docker-Expose-Session-"));
    return false;
}

static void put_framing(struct head_out *out, const struct body_plan *plan, bool bodiless)
{
    if (plan->content_type)
        head_put_field(out, STR("Content-Type"), str_of(plan->content_type));
    if (plan->framing == FRAMING_CHUNKED) {
        head_put(out, STR("Transfer-Encoding: chunked\r\n"));
    } else if (plan->framing == FRAMING_LENGTH || !bodiless) {
        head_put_length(out, plan->length);
    }
}

/* Never the client's word: what the tunnel speaks is the route's. */
struct str http_tunnel_protocol(enum follow follow)
{
    return follow == FOLLOW_WS ? STR("websocket") : follow == FOLLOW_H2C ? STR("h2c") : STR("tcp");
}

bool http_request_write(const struct http_request *http, const struct request *request,
                        const struct body_plan *plan, char *dst, size_t cap, size_t *len)
{
    struct head_out out = {.p = dst, .cap = cap};
    const struct route *route = request->route;
    head_put(&out, str_of(route->method));
    head_put(&out, STR(" "));
    size_t target = 0;
    size_t room = out.n < cap ? cap - out.n : 0;
    if (!request_target(request, dst + out.n, room, &target))
        return false;
    out.n += target;
    head_put(&out, STR(" HTTP/1.1\r\nHost: docker\r\n"));
    for (size_t i = 0; i < http->head.field_count; i++)
        if (goes_on(http->head.fields[i].name, route->follow))
            head_put_field(&out, http->head.fields[i].name, http->head.fields[i].value);
    if (route->follow != FOLLOW_RESPONSE && http->upgrade.p) {
        head_put(&out, STR("Connection: Upgrade\r\n"));
        head_put_field(&out, STR("Upgrade"), http_tunnel_protocol(route->follow));
    }
    bool bodiless = str_is(http->head.method, "GET") || str_is(http->head.method, "HEAD") ||
                    (str_is(http->head.method, "DELETE") && plan->framing == FRAMING_NONE);
    put_framing(&out, plan, bodiless);
    head_put(&out, STR("\r\n"));
    *len = out.n;
    return out.n <= cap;
}
