/* What checks ask beside the request, and how the answers are read. Private to policy/.

   A check that needs a fact calls check_look(). When the answer is not there yet (LOOK_WAIT) the
   check passes for now: the decision cannot allow while something is wanted, and is taken again. So
   one round asks for all that can be asked at once, and a refusal that needs no fact needs no
   look. */
#ifndef POLICY_FACTS_H
#define POLICY_FACTS_H

#include "schema.h"

enum look {
    LOOK_WAIT,    /* not known yet: pass for now */
    LOOK_FOUND,   /* it is in doc */
    LOOK_MISSING, /* there is no such object */
    LOOK_REFUSED  /* it cannot be known; the decision says why */
};

/* Asks what is known of an object. found: its document, whose nodes are in the check's arena, and
   the fact with the full ID. */
struct found {
    struct json doc;
    const struct fact *fact;
};
enum look check_look(struct check *check, enum fact_kind kind, struct str name,
                     struct found *found);

/* The same for what is made by asking: body is POSTed, in the arena of the facts. */
enum look check_make(struct check *check, enum fact_kind kind, struct str name, struct str body,
                     struct found *found);

/* What is made by asking is asked for only when all else is known: while other facts are wanted,
   takes it off the list. */
void facts_make_last(struct facts *facts);

/* What a full ID was asked by: the policy's lists hold names, and the request that is sent on has
   IDs in their place. The value itself when it was asked by nothing else. */
struct str name_as_asked(const struct check *check, enum fact_kind kind, struct str value);

/* The node at a dotted path of exact names in a fact's document, or NULL; its text, or empty. */
const struct json_node *fact_at(const struct found *found, const char *path);
struct str fact_text(const struct found *found, const char *path);

/* The object of the request does not exist, for this client: 404 in the daemon's words. */
enum finding refuse_missing(struct check *check, enum fact_kind kind, struct str name);

#endif
