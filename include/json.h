/* Strict JSON in, JSON out. The scan is our own (RFC 8259, UTF-8, no duplicate names); the writer
   is our own for the hot path, cJSON for what people read. See policy/json.c. */
#ifndef SOCKWARDEN_JSON_H
#define SOCKWARDEN_JSON_H

#include "arena.h"
#include "err.h"

// clang-format off
enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
// clang-format on

/* One value. Nodes stand in document order; node 0 is the root. */
struct json_node {
    enum json_kind kind;
    uint32_t parent;     /* index; 0 for the root itself */
    uint32_t next;       /* index of the next sibling; 0: none */
    uint32_t child;      /* index of the first element or member; 0: none */
    uint32_t count;      /* elements or members */
    uint32_t offset;     /* of the value's first byte in the document (for a string, its quote) */
    uint32_t end;        /* offset behind its last byte */
    uint32_t key_offset; /* of the member name's opening quote; 0 when not a member */
    struct str key;      /* decoded member name; empty when not a member (p is NULL then) */
    struct str text;     /* string: decoded value; number: as written; else empty */
};

struct json {
    struct str source;             /* the bytes that were scanned (borrowed) */
    const struct json_node *nodes; /* in the arena */
    size_t count;
};

/* Scans one document. Refused, with line, column and reason in err: anything but whitespace before
   or after the value, bytes that are not UTF-8, a byte order mark, U+0000 in any spelling, lone
   surrogates, raw control characters, numbers that are not JSON's, depth over JSON_DEPTH_MAX, two
   members of one object with the same decoded name. Nodes and decoded texts live in the arena (a
   text without escapes is a slice of the source). source.n must be below 4 GiB. */
bool json_scan(struct str source, struct arena *arena, struct json *out, struct err *err);

/* The member of that exact name, or NULL. object may be NULL or of any kind. */
const struct json_node *json_get(const struct json *doc, const struct json_node *object,
                                 struct str name);
static inline const struct json_node *json_at(const struct json *doc, uint32_t index)
{
    return index ? &doc->nodes[index] : NULL;
}
/* For walking: first child and next sibling, NULL at the end. */
static inline const struct json_node *json_child(const struct json *doc,
                                                 const struct json_node *node)
{
    return json_at(doc, node->child);
}
static inline const struct json_node *json_next(const struct json *doc,
                                                const struct json_node *node)
{
    return json_at(doc, node->next);
}

/* The bytes of a value as they stand in the source. */
static inline struct str json_raw(const struct json *doc, const struct json_node *node)
{
    return str_skip(str_head(doc->source, node->end), node->offset);
}

/* Line and column (from 1) of an offset. */
void json_place(const struct json *doc, uint32_t offset, int *line, int *column);

/* null, false, "", 0 (also -0, 0.0, 0e5), [] and {}: what dockerd takes as absent. */
bool json_empty(const struct json_node *node);

/* An integer as Go reads it into an int64: no fraction, no exponent, in range. */
bool json_int(const struct json_node *node, int64_t *out);

/* Equal under the folding by which Go's encoding/json matches member names: ASCII case, U+017F
   folds to s, U+212A to k (https://pkg.go.dev/encoding/json, foldName). */
bool json_fold_eq(struct str a, struct str b);
/* Writes the name in its folded form, which is never longer than it, and gives its length: names
   that are equal by json_fold_eq() have the same one. */
size_t json_fold(struct str name, char *dst);

/* Appends to a buffer that the caller owns; never writes past cap. len goes on counting, so a
   caller sees that it did not fit (len > cap). */
struct json_out {
    char *p;
    size_t cap;
    size_t len;
    bool comma; /* the next member needs one before it */
};

void json_out_open(struct json_out *out, char bracket);    /* '{' or '[' */
void json_out_close(struct json_out *out, char bracket);   /* '}' or ']' */
void json_out_name(struct json_out *out, struct str name); /* of a member; known plain ASCII */
static inline void json_out_key(struct json_out *out, const char *name)
{
    json_out_name(out, str_of(name));
}
/* As it is, with no comma before it; what follows gets one. */
void json_out_raw(struct json_out *out, struct str text);
/* Quoted and escaped; NUL and bytes that are not UTF-8 become U+FFFD, other control characters
   \u00XX: json_scan() takes whatever is written. */
void json_out_str(struct json_out *out, struct str text);
void json_out_uint(struct json_out *out, uint64_t value);
void json_out_int(struct json_out *out, int64_t value);
/* name and value in one; an empty text (p NULL) writes nothing. */
void json_out_text(struct json_out *out, struct str name, struct str text);
static inline void json_out_member(struct json_out *out, const char *name, struct str text)
{
    json_out_text(out, str_of(name), text);
}

/* Writes bytes for people: printable UTF-8 stays, control characters, '"' and '\',
   invisible or direction-changing characters and broken UTF-8 become \xNN, longer than cap - 1 ends
   in "...". Always NUL-terminated. Returns dst. */
char *text_shorten(char *dst, size_t cap, struct str text);
/* The same of a sentence that stands by itself: '"' and '\' stay. */
char *text_sentence(char *dst, size_t cap, struct str text);

/* By cJSON, for what is not on the hot path. The caller frees the text; NULL on failure. */
/* The value on several lines. Numbers above 2^53 lose their last digits. */
char *json_print_pretty(struct str json, size_t *len);

#endif
