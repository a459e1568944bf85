/* The head of an HTTP/1 message: found and checked line by line as it arrives, then read once; a
   request's by llhttp, so that two readers agree on it. The checks are ours, so that they are the
   same for every version of llhttp: CRLF only, token names, no folding, no control bytes, bounded.
 */
#ifndef PROXY_HTTP_HEAD_H
#define PROXY_HTTP_HEAD_H

#include "base.h"
#include "bounds.h"

struct http_field {
    struct str name;  /* a token, as sent */
    struct str value; /* without surrounding blanks */
};

/* Slices of the bytes that were read. */
struct http_head {
    struct str method, target; /* of a request */
    int status;                /* of a response */
    struct str phrase;
    int minor; /* HTTP/1.minor: 0 or 1 */
    struct http_field fields[HEADERS_MAX];
    size_t field_count;
};

/* Why a head is not taken, and with which status it is answered. */
struct http_refusal {
    int status;
    const char *why; /* static; for people, no trailing dot */
};

/* Fills the refusal; always false. */
static inline bool http_refuse(struct http_refusal *refusal, int status, const char *why)
{
    *refusal = (struct http_refusal){status, why};
    return false;
}

/* Where the scan of a head that arrives in pieces stands. Zero before the first byte. */
struct head_scan {
    uint32_t pos;   /* bytes looked at */
    uint32_t line;  /* where the current line begins */
    uint16_t lines; /* complete ones */
};

enum head_status { HEAD_MORE, HEAD_DONE, HEAD_BAD };

/* Goes on from where the scan stands; bytes is everything from the head's first byte on. DONE:
 *length is the head with its empty line. BAD: refusal is filled, as early as it can be seen. */
enum head_status head_scan(struct head_scan *scan, struct str bytes, bool request, size_t max,
                           size_t *length, struct http_refusal *refusal);

/* Reads a complete head that head_scan() has passed. */
bool head_read(struct str bytes, bool request, struct http_head *out, struct http_refusal *refusal);

/* Writes a head. n goes on counting beyond cap, so that the end shows whether it did fit. */
struct head_out {
    char *p;
    size_t cap, n;
};

void head_put(struct head_out *out, struct str s);
void head_put_field(struct head_out *out, struct str name, struct str value);
void head_put_length(struct head_out *out, uint64_t length); /* Content-Length */

/* The next element of a comma-separated list, trimmed; false at the end. */
bool list_next(struct str *list, struct str *element);
/* Does a comma-separated list hold this token, in any case? */
bool list_has(struct str list, struct str token);

#endif
