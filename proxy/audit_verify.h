/* Checks chains of audit lines as they stream by, with bounded memory: bytes of files in, in order,
   and one verdict out. Files are opened and read by the caller. */
#ifndef PROXY_AUDIT_VERIFY_H
#define PROXY_AUDIT_VERIFY_H

#include "audit_chain.h"

enum { AUDIT_SEEN_MAX = 4096 }; /* last lines that are known again when they come in wrong order */

struct audit_place {
    const char *file; /* borrowed from audit_verify_file() */
    uint64_t line;    /* from 1; 0: no place */
};

struct audit_verifier {
    struct audit_hasher hasher;
    struct audit_text line; /* begin of a line whose end has not come */
    bool too_long;          /* it has more than AUDIT_LINE_MAX bytes; the rest is dropped */
    struct audit_place at;  /* the last line, or the file that was begun */
    char last[AUDIT_HASH_LEN];
    uint64_t lines; /* that hold */

    bool behind;                 /* the first line continues other lines, */
    char before[AUDIT_HASH_LEN]; /* of which the last has this hash */
    uint64_t lost, torn;         /* lines `lost` and `torn`, where the first are, */
    struct audit_place lost_at, torn_at;
    uint64_t lost_lines; /* and how many lines those say are lost */

    struct audit_place half; /* a line that is none, unless the next one explains it */
    uint64_t half_bytes;
    char half_hash[AUDIT_HASH_LEN];
    const char *half_why;

    struct audit_place broken; /* the first break; line 0: none */
    char why[400];
    bool searching; /* for the line before it, whose hash is wanted */
    char wanted[AUDIT_HASH_LEN];

    struct seen {
        char hash[AUDIT_HASH_LEN];
        struct audit_place at;
    } * seen; /* a ring of the last AUDIT_SEEN_MAX */
};

/* False: out of memory. */
bool audit_verify_open(struct audit_verifier *verifier);
void audit_verify_close(struct audit_verifier *verifier);
/* What follows is of this file; name must live as long as the verifier. */
void audit_verify_file(struct audit_verifier *verifier, const char *name);
/* The next bytes of it. False: nothing that follows can change the verdict. */
bool audit_verify_feed(struct audit_verifier *verifier, struct str bytes);
/* The file ends here. */
void audit_verify_file_end(struct audit_verifier *verifier);
/* Is the chain whole? False: broken and why tell. */
bool audit_verify_verdict(struct audit_verifier *verifier);

#endif
