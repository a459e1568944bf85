/* A request's head: what its fields mean, what is refused, and the head that is sent on. */
#ifndef PROXY_HTTP_REQUEST_H
#define PROXY_HTTP_REQUEST_H

#include "http_head.h"
#include "policy.h"

enum framing {
    FRAMING_NONE,    /* no body */
    FRAMING_LENGTH,  /* Content-Length */
    FRAMING_CHUNKED, /* Transfer-Encoding: chunked */
    FRAMING_EOF,     /* until the connection ends; responses only */
};

struct http_request {
    struct http_head head;
    enum framing framing;
    uint64_t length;         /* FRAMING_LENGTH: bytes of the body, above 0 */
    bool keep_alive;         /* the client would send another request */
    bool expect_continue;    /* it waits for 100 before the body */
    struct str content_type; /* p NULL: absent */
    struct str origin;       /* p NULL: absent */
    struct str host;
    struct str upgrade; /* p NULL: absent or not an HTTP/1.1 request */
};

/* Reads a complete head that head_scan() has passed. False: refusal says why. */
bool http_request_read(struct str bytes, struct http_request *out, struct http_refusal *refusal);

/* Does the Origin header's host equal Host? (An Origin is only legal on a WebSocket.) */
bool http_request_same_origin(const struct http_request *http);

/* The protocol of a route's tunnel, as its Upgrade header names it. */
struct str http_tunnel_protocol(enum follow follow);

/* What the body of the request that is sent on looks like. */
struct body_plan {
    enum framing framing;
    uint64_t length;
    const char *content_type; /* set by the route, never the client's; NULL: none */
};

/* Appends the head that is sent on: rebuilt line by line from what was understood. Headers of the
   client go on by a list only. False: does not fit in cap. */
bool http_request_write(const struct http_request *http, const struct request *request,
                        const struct body_plan *plan, char *dst, size_t cap, size_t *len);

#endif
