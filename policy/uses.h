/* Learning what a request needs of a role; see request_uses(). Private to policy/: the refusals
   (refuse.c) come here before they are written down. */
#ifndef POLICY_USES_H
#define POLICY_USES_H

#include "schema.h"

/* One request that is judged over and over by a role that opens nothing at first, and then what the
   refusals have asked for. */
struct learning {
    struct role *role;              /* all is judged by it */
    struct arena *arena;            /* of its entries and of the texts of uses */
    struct uses *uses;              /* what it had to open */
    unsigned pass;                  /* which time this is */
    unsigned char passes[USES_MAX]; /* in which each use was noted */
    bool more;                      /* something was added in this pass */
    struct readings *read;          /* by the decision, or by the first pass; NULL: not yet */
};

/* In place of a refusal by the key for this value: the role opens it. True: judge on as if it had
   passed. False: nobody learns here, or it cannot be opened so: refuse. */
bool learning_note(struct check *check, enum key key, struct str value);
/* The same by the text that says what would allow it. */
bool learning_apply(struct check *check, const char *allow_with);
/* The same for a registry that the daemon talks to: an entry of images.allow that names it and none
   of its images. */
bool learning_registry(struct check *check, struct str registry);
/* The same for a site that contexts of builds come from: all of it, since what stands behind it may
   be a secret. */
bool learning_site(struct check *check, struct str site);
/* Does an entry that is this value open just what was seen? */
bool use_is_literal(enum key key, struct str value);
/* Does `true` of the key open just what was seen? */
bool use_may_be_true(enum key key);
/* The same for one entry of `open`. */
bool learning_open(struct check *check, enum operation op, char separator, const char *path);

/* Lets the arena grow by what one decision may take, whatever is in it before. Gives its own limit.
   (decide.c) */
size_t decision_narrow(struct arena *arena);
/* policy_decide() while something is learnt. (decide.c) */
void decide_learning(struct learning *learning, const struct request *request, struct facts *facts,
                     struct arena *arena, struct decision *decision);

#endif
