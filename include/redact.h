/* What of the daemon's answers a role keeps from its clients (`responses.redact`): values are
   emptied where they stand, all other bytes stay. Pure. See policy/redact.c for the places. */
#ifndef SOCKWARDEN_REDACT_H
#define SOCKWARDEN_REDACT_H

#include "policy.h"

/* A set of these is what a role redacts; 0: nothing. */
enum redact_kind {
    REDACT_ENV = 1,
    REDACT_LABELS = 2,
    REDACT_BINDS = 4,
    REDACT_KINDS = 3 /* how many there are */
};

/* What an operation's answers are, as far as these kinds are concerned. */
enum redact_way {
    REDACT_REFUSED = 0, /* they may bear it in a form that is not known */
    REDACT_NOTHING,     /* they bear none of it */
    REDACT_WHOLE,       /* one document */
    REDACT_LIST,        /* a list of objects, or an object with one as its member */
    REDACT_LINES,       /* objects one behind the other */
};

const char *redact_name(enum redact_kind kind); /* "env" */

/* member: with REDACT_LIST the name of the member, or NULL: the answer is the list itself. May be
   NULL. */
enum redact_way redact_way(unsigned kinds, enum operation op, const char **member);

/* An answer of the operation (an element of its list, one of its lines) without what these kinds
   name: objects, lists and texts become empty, null stays null; of an event only the attributes
   that the daemon itself sets are left. scanned: json_scan() has taken it. False: not well-formed,
   of another shape than known, or no memory; it must not be passed on. *out is in the arena. */
bool redact_text(unsigned kinds, enum operation op, struct str text, bool scanned,
                 struct arena *arena, struct str *out);

#endif
