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

/* What passed already, so that a name that stands there a thousand times costs no more than one. It
   holds for the role that it was judged by, within as many objects. */
struct passed {
    const struct role *role; /* NULL: not judged yet */
    size_t depth;            /* check_depth() of the check that judged it */
    bool waits;              /* it passed for now: so it does each time */
};

/* What one decision has made of one fact. It ends with the decision, as the arena may. */
struct looked {
    struct json doc; /* nodes NULL: not read yet */
    bool visible;    /* judge_visible() has passed */
    bool named;      /* the rules of images pass the names that the daemon has for it */
    struct passed conforming;
    struct passed stored[2]; /* a volume, by whether the restart rule holds */
};

/* Asks what is known of an object. found: its document, whose nodes are in the check's arena, and
   the fact with the full ID. The answer is read once in a decision, and that is taken off its
   work. */
struct found {
    struct json doc;
    const struct fact *fact;
    struct looked *looked;
    struct answer *answer; /* where it is kept; NULL: nowhere */
};
enum look check_look(struct check *check, enum fact_kind kind, struct str name,
                     struct found *found);

/* The fact of that name, answered or not; NULL: nobody has asked. */
const struct fact *check_fact(const struct check *check, enum fact_kind kind, struct str name);

/* The same for what is made by asking: body is POSTed, in the arena of the facts. */
enum look check_make(struct check *check, enum fact_kind kind, struct str name, struct str body,
                     struct found *found);

/* Scans a JSON object of the daemon's within the check's work. False: it is none, or costs too
   much; then work or arena tells, and every refusal with them. */
bool check_scan(struct check *check, struct str text, struct json *doc);
/* Takes the same off the check's work for one that was scanned before, so that what was read by
   others changes no decision. */
bool check_scanned(struct check *check, const struct json *doc);

/* How many existing objects are being judged around this one. */
size_t check_depth(const struct check *check);
/* Has it passed already, under this role and at this depth? Then the check waits if that did. */
bool passed_before(struct check *check, const struct passed *passed);
/* Notes that it has passed for the check. */
void passed_note(const struct check *check, bool waits, struct passed *passed);

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
