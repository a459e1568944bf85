/* A response's head: its framing, and the head that the client gets. */
#ifndef PROXY_HTTP_RESPONSE_H
#define PROXY_HTTP_RESPONSE_H

#include "http_request.h"

struct http_response {
    struct http_head head;
    enum framing framing;
    uint64_t length;
    bool keep_alive;         /* the daemon would take another request */
    struct str content_type; /* p NULL: absent */
    struct str upgrade;      /* p NULL: absent */
    bool has_connection;     /* a Connection field, which may name further ones */
};

/* Reads a complete head that head_scan() has passed. to_head: it answers a HEAD, so it has no body
   whatever it says. False: the daemon's answer cannot be framed; why says it. */
bool http_response_read(struct str bytes, bool to_head, struct http_response *out,
                        struct http_refusal *refusal);

/* How the head is changed for this client. */
struct response_plan {
    bool http10;         /* the client speaks HTTP/1.0: no chunking */
    bool close;          /* the connection ends after this response */
    bool tunnel;         /* 101 or a raw stream: no framing of ours */
    bool to_head;        /* keep Content-Length although no body follows */
    const char *builder; /* replaces the value of Builder-Version; NULL: as it is */
};

/* Appends the head for the client: the daemon's fields but the hop-by-hop ones, and our framing. */
bool http_response_write(const struct http_response *http, const struct response_plan *plan,
                         char *dst, size_t cap, size_t *len);

#endif
