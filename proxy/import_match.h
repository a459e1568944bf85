/* Which operations do rules over methods and paths let through? An operation is let through when
   its rules take every path that it has, whatever the names in it: the expressions become one
   automaton, and the paths of each route are walked through it. So nothing is guessed by example,
   and no operation is opened that the rules let through for some names only. */
#ifndef PROXY_IMPORT_MATCH_H
#define PROXY_IMPORT_MATCH_H

#include "import.h"
#include "regexp.h"

struct import_rule {
    const char *const *methods; /* until NULL; NULL: any */
    bool allow;                 /* else it forbids */
    int line;
    struct str label; /* for notes; empty: the line tells */
    bool decides;     /* out: the first rule for some path of an operation */
};

struct import_rules {
    struct regexp_program program;
    struct import_rule rules[REGEXP_RULES_MAX];
    bool versions; /* do the expressions see the version before the path? */
};

/* No rules; NULL: out of memory, which is noted. Lives in the import's arena. */
struct import_rules *import_rules_new(struct import *import, bool versions);

/* Adds a rule behind the others: the first that matches decides. An expression that is not
   understood is noted: false when that is more than a rule less. */
bool import_rules_add_regexp(struct import *import, struct import_rules *rules,
                             const struct import_rule *rule, struct str pattern);
bool import_rules_add_glob(struct import *import, struct import_rules *rules,
                           const struct import_rule *rule, struct str glob);

/* Lets the role do what the rules let through, and notes what they let through in part. False: it
   cannot be told, which is noted. */
bool import_rules_apply(struct import *import, struct import_rules *rules,
                        struct import_role *role);

#endif
