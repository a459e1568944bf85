/* The hash chain of audit lines: each line holds the hash of the one before, and ends in its own.
   Bytes in, bytes out; nothing is written here. */
#ifndef PROXY_AUDIT_CHAIN_H
#define PROXY_AUDIT_CHAIN_H

#include "err.h"

#include <openssl/evp.h>
#include <sys/types.h>

enum {
    AUDIT_HASH_LEN = 64,         /* hex digits of SHA-256 */
    AUDIT_LINE_MAX = 128 << 10,  /* bytes of a line that is read back; written ones have 33 KiB */
    AUDIT_LINK_BYTES = 148,      /* that prev and hash add to a line */
    AUDIT_HASH_FROM_END = 64 + 3 /* of a line with its line end: hash, quote, bracket, newline */
};

struct audit_hasher {
    EVP_MD *sha256;
    EVP_MD_CTX *context;
};

bool audit_hasher_open(struct audit_hasher *hasher);
void audit_hasher_close(struct audit_hasher *hasher);
/* SHA-256 in hex digits, without a NUL. False: out of memory. */
bool audit_hash(struct audit_hasher *hasher, struct str bytes, char hex[AUDIT_HASH_LEN]);

/* What the first line of all has as prev: zeros. */
void audit_hash_zero(char hex[AUDIT_HASH_LEN]);
bool audit_hash_is_zero(struct str hex);

/* The parts of a line (without its line end) that make the chain; slices of it. */
struct audit_link {
    struct str covered; /* what its hash is of */
    struct str prev, hash;
};

/* False: the line does not end in prev and hash. */
bool audit_link_read(struct str line, struct audit_link *out);
/* Is the hash the one of the covered bytes? */
bool audit_link_holds(struct audit_hasher *hasher, const struct audit_link *link);

/* A growing text; owns p. */
struct audit_text {
    char *p;
    size_t len, cap;
};

/* Appends whole lines, each "{...}\n", with prev and hash put into each; last is the hash before
   them. False: out of memory. */
bool audit_chain_lines(struct audit_hasher *hasher, const char last[AUDIT_HASH_LEN],
                       struct str lines, struct audit_text *out);

/* How a file of earlier lines ends. */
struct audit_end {
    enum {
        AUDIT_END_EMPTY,
        AUDIT_END_LINK,    /* in a line of a chain; last is its hash */
        AUDIT_END_UNKNOWN, /* in a whole line that is none; last is zeros */
    } kind;
    char last[AUDIT_HASH_LEN];
    bool edited;   /* the hash of that last line does not hold */
    bool unended;  /* the line end is missing */
    uint64_t torn; /* bytes of half a line behind it; 0: none */
    char torn_hash[AUDIT_HASH_LEN];
};

/* Reads the last line of a file of that many bytes, and no more than twice AUDIT_LINE_MAX. False:
   err says why not: it cannot be read, or is no audit log. */
bool audit_end_read(struct audit_hasher *hasher, int fd, off_t size, struct audit_end *out,
                    struct err *err);

#endif
