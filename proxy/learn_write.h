/* What the writers of a learnt policy share: descriptions, names of roles, `clients`. */
#ifndef PROXY_LEARN_WRITE_H
#define PROXY_LEARN_WRITE_H

#include "learn.h"

enum {
    LEARN_TOLD_MAX = 2000, /* bytes of a description */
    LEARN_NAME_MAX = 64    /* of a role's name, but for what makes it differ from others */
};

/* A description that is being put together. */
struct told {
    char p[LEARN_TOLD_MAX + 64];
    size_t n;
};

/* Adds to it; what does not fit becomes "...". */
void learn_tell(struct told *told, const char *format, ...) PRINTF_LIKE(2, 3);
void learn_write_told(const struct told *told, struct json_out *out);
const char *learn_times(uint64_t count); /* "request" or "requests" */

/* A name of plain letters for the role: its client's, or of how that is known. taken: those of the
   roles before. p NULL: out of memory. */
struct str learn_role_name(struct learned *learned, size_t index, const struct str *taken);
/* The member `clients`; names: of the roles. */
void learn_write_clients(const struct learned *learned, const struct str *names,
                         struct json_out *out);

#endif
