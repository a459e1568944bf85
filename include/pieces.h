/* JSON in pieces, without nodes: where a value ends, and the elements of an array or members of an
   object one by one. It checks brackets and quotes only; what a piece holds is for json_scan.
   Bodies of any number of values can so be taken apart. See policy/pieces.c. */
#ifndef SOCKWARDEN_PIECES_H
#define SOCKWARDEN_PIECES_H

#include "json.h"

/* How far the walk over one value has come; zeroed before its first byte. */
struct json_span {
    uint32_t depth; /* open brackets */
    bool begun, string, escape, plain;
    bool done; /* the value has ended */
};

/* Takes the bytes of in that belong to the value and returns their number. A number or word ends
   before the byte that is none of it, or with the document: then done stays false. The first byte
   must not be a blank. */
size_t json_span_take(struct json_span *span, struct str in);

/* An array or object that is taken apart. */
struct json_pieces {
    struct str rest; /* behind what was taken */
    char close;      /* the bracket that ends it */
    bool more;       /* a comma was read: a piece must follow */
    bool bad;        /* it is not well-formed */
    struct str tail; /* at the end: blanks before the bracket, and it */
};

struct json_piece {
    struct str all;   /* from behind the separator to before the next, blanks and name included */
    struct str name;  /* as written, escapes and all, without quotes; p NULL in an array */
    struct str value; /* as written */
};

/* Begins; value is an array or object as written, without blanks around it. */
struct json_pieces json_pieces_of(struct str value);
/* The next piece; false at the end, or with bad set. */
bool json_pieces_next(struct json_pieces *pieces, struct json_piece *out);

#endif
