/* What was read of one request: of its body, and of what the daemon says of the objects in it. It
   is the same for every role, so that who judges once more reads nothing again. Private to
   policy/. */
#ifndef POLICY_READING_H
#define POLICY_READING_H

#include "json.h"

/* One thing that the walk through a document asked of the role, in the order of asking. */
struct visit {
    uint32_t node;
    uint16_t row;  /* of an unknown name: the first one beside it */
    uint8_t depth; /* of an unknown name: of the rows beside it */
    uint8_t what;  /* enum visit_kind, see walk.c */
};

/* A document, scanned and walked through. */
struct reading {
    struct json doc;      /* nodes NULL: not scanned yet */
    struct visit *visits; /* of a walk through all of it, where walked */
    uint32_t count, cap;
    bool walked;
};

/* The answer that a fact holds. */
struct answer {
    struct str of;       /* the fact's text; another text is another answer */
    struct json doc;     /* nodes NULL: not scanned yet */
    struct reading made; /* of a container: the body of its create */
};

struct readings {
    struct reading body;
    struct answer *answers; /* by the facts' indices */
    size_t answer_count;
};

#endif
