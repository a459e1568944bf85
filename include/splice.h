/* Edits of a scanned JSON document in its own bytes: what no edit names stays as it is, to the last
   digit. Edits are collected first and applied together. Pure. See policy/splice.c. */
#ifndef SOCKWARDEN_SPLICE_H
#define SOCKWARDEN_SPLICE_H

#include "json.h"
#include "bounds.h"

struct splice_member;

/* The bytes from offset up to end become text; or, with members, a place in the document gets them.
 */
struct edit {
    uint32_t offset, end;
    struct str text; /* JSON; empty while members is set */
    /* Members to add: to an object that is there (offset is end), or as an object of their own that
       replaces what stands from offset to end. */
    struct splice_member *members;
    bool inside; /* the members go into an object that is there */
    bool comma;  /* and it has some already */
    bool set;    /* by edits_set_member or edits_set_path: another one may change it */
};

/* Zeroed but for the arena it is empty. Once failed it stays so, and edits_apply refuses. */
struct edits {
    struct edit *items; /* in the arena, in order of their making */
    size_t count, cap;  /* up to EDITS_MAX */
    struct arena *arena;
    bool failed;
};

/* Each takes a document and nodes of it; doc NULL means a body that does not exist and becomes an
   object. They return false, and the edits have failed, when memory or a bound is exhausted, a text
   is not UTF-8 or holds NUL, or the document has another shape than what is asked. All edits of one
   struct edits must be of the same document. */

/* The node, a string, becomes that string. */
bool edits_replace_string(struct edits *edits, const struct json *doc, const struct json_node *node,
                          struct str text);
/* The object's member of exactly that name becomes the string, or is added. A node that is null
   becomes an object. The last call for a name wins. */
bool edits_set_member(struct edits *edits, const struct json *doc, const struct json_node *object,
                      struct str name, struct str value);
/* The same, with the value true. */
bool edits_set_member_true(struct edits *edits, const struct json *doc,
                           const struct json_node *object, struct str name);
/* The same for the object at a path of member names with dots between ("Labels",
   "TaskTemplate.ContainerSpec.Labels"; "" is the document itself). Objects that are missing or null
   are made. Names of the path match as in Go's encoding/json; two that match are refused. */
bool edits_set_path(struct edits *edits, const struct json *doc, const char *path, struct str name,
                    struct str value);

/* The new bytes, in the arena; p is NULL when an edit has failed, two touch the same bytes, more
   than EDITS_ADDED_MAX bytes are added, memory is exhausted, or what comes out is not strict JSON
   (two members of one name). source is what the document was scanned from. */
struct str edits_apply(const struct edits *edits, struct str source, struct arena *arena);

#endif
