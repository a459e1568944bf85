/* The part of Go's regular expressions (https://pkg.go.dev/regexp/syntax) that paths are written
   with, and globs, as steps of an automaton. It compares nothing itself: import_match.c walks the
   steps. What is not understood is an error with its name, never taken for something else. */
#ifndef PROXY_REGEXP_H
#define PROXY_REGEXP_H

#include "arena.h"
#include "err.h"

enum {
    REGEXP_LENGTH_MAX = 4096, /* bytes of one expression */
    REGEXP_STEPS_MAX = 8192,  /* of all expressions together */
    REGEXP_RULES_MAX = 512,
};

enum regexp_kind {
    STEP_BYTE,  /* one byte of the set, then next */
    STEP_SPLIT, /* next or other */
    STEP_BEGIN, /* next, where nothing was read yet */
    STEP_END,   /* next, where nothing follows */
    STEP_MATCH, /* the rule holds where nothing follows */
};

struct regexp_bytes {
    uint64_t words[4]; /* a bit for each byte */
};

struct regexp_step {
    enum regexp_kind kind;
    uint32_t next, other;
    uint32_t rule;             /* STEP_MATCH */
    struct regexp_bytes bytes; /* STEP_BYTE */
};

struct regexp_program {
    struct arena *arena;
    struct regexp_step *steps; /* REGEXP_STEPS_MAX in the arena */
    size_t step_count;
    uint32_t starts[REGEXP_RULES_MAX];
    size_t rule_count;
    size_t work; /* spent on writing steps: counts of counts multiply */
};

static inline bool regexp_has(const struct regexp_bytes *bytes, unsigned char c)
{
    return bytes->words[c >> 6] >> (c & 63) & 1;
}

/* An empty program; false: out of memory. The arena must outlive it. */
bool regexp_open(struct arena *arena, struct regexp_program *out);

/* Adds an expression that has to match the whole text, as the next rule. False with err set: it is
   not understood, or too large; the program is as before. */
bool regexp_add(struct regexp_program *program, struct str pattern, struct err *err);

/* Adds a glob over paths: one star is any run without a slash, two are any run, and a slash with
   two stars at the end is also nothing at all. wide: slash, two stars and slash may be one slash.
 */
bool regexp_add_glob(struct regexp_program *program, struct str glob, bool wide, struct err *err);

#endif
