/* What somebody knows of a daemon's objects, written down: the facts of `explain --facts FILE` and
   of case files. A list (or one object alone) of

     {"fact": KIND, "name": NAME, "found": {...}}     what an inspect of it shows
     {"fact": KIND, "name": NAME, "missing": TEXT}    there is none, in the daemon's words
     {"fact": KIND, "name": NAME, "failed": TEXT}     it cannot be had, and why

   and of objects as `docker inspect` prints them, whose kind their members tell. What was found
   answers to the names that it says of itself, too. No daemon is asked. */
#ifndef PROXY_KNOWN_H
#define PROXY_KNOWN_H

#include "document.h"
#include "policy.h"

enum { KNOWN_FILE_MAX = 16 << 20 }; /* bytes of a file of facts; one decision asks for 32 */

struct known_fact {
    enum fact_kind kind;
    enum fact_state state;
    struct str name; /* as given; p NULL: only what it says of itself */
    struct str text; /* JSON, or the sentence */
    const struct json *json;
    const struct json_node *found; /* in json; NULL: there is none */
};

struct known {
    struct known_fact *items;
    size_t count;
    const struct known *next; /* what is known beside, and counts less; may be NULL */
};

/* Reads them from a value of a document. False: it has errors, which went to standard error. The
   document and the arena outlive what is known. */
bool known_read(struct document *document, const struct json_node *node, struct arena *arena,
                struct known *out);
/* The same of a whole file. */
bool known_read_file(const char *path, struct arena *arena, struct document *document,
                     struct known *out);

/* Fills in what is wanted and known: true when nothing is wanted any more. What nobody can write
   down beforehand has an answer without being given: a host path is judged by its name, and an exec
   was made by who starts it. known may be NULL. */
bool known_answer(const struct known *known, struct facts *facts);

#endif
