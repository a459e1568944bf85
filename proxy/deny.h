/* Answers that we give ourselves: always JSON, always with a length, one line of text. */
#ifndef PROXY_DENY_H
#define PROXY_DENY_H

#include "base.h"

struct deny_plan {
    int status;
    const char *message; /* for the user; one line */
    bool http10;
    bool close;   /* the connection ends after this answer */
    bool to_head; /* a HEAD gets no body */
};

/* Head and body into dst; the length, or 0 when it does not fit. */
size_t deny_write(const struct deny_plan *plan, char *dst, size_t cap);

/* The standard phrase of a status that we use. */
const char *deny_phrase(int status);

#endif
