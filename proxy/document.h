/* A JSON file that a person has written by hand: its text, and what is wrong with it, said at its
   place. What it means is for others. */
#ifndef PROXY_DOCUMENT_H
#define PROXY_DOCUMENT_H

#include "json.h"
#include "nearest.h"

enum { DOCUMENT_ANY_KIND = -1 };

struct document {
    const char *path; /* for messages; borrowed */
    struct json json; /* its texts live in text and in the arena of document_read() */
    char *text;       /* NULL: it could not be read */
    size_t length;
    size_t errors; /* that went to standard error */
};

/* Reads the file, or standard input for "-", of at most max bytes. False: it cannot be read or is
   not strict JSON, which went to standard error. document_free() in either case. */
bool document_read(const char *path, size_t max, struct arena *arena, struct document *out);
void document_free(struct document *document);

/* Says FILE:LINE:COLUMN: sentence for an offset of the file. Always false. */
bool document_fault(struct document *document, uint32_t offset, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The same for a member of a name that `where` does not have, with the nearest one that it has. */
bool document_unknown(struct document *document, const struct json_node *member, const char *where,
                      const struct nearest *nearest);
/* Is the node of this enum json_kind, or is any one good? Else it is said, and false. */
bool document_expects(struct document *document, const struct json_node *node, const char *name,
                      int kind);

#endif
