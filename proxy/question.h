/* What would the proxy answer: raw HTTP bytes, who sends them and what is known of the daemon's
   objects in, a decision out, and nothing is sent anywhere. For the commands `explain` and `test`.
 */
#ifndef PROXY_QUESTION_H
#define PROXY_QUESTION_H

#include "known.h"

enum {
    QUESTION_BODY_MAX = 1 << 20, /* bytes; the default of --max-body */
    ASKER_SANS_MAX = 64,         /* alternative names of a certificate */
    ASKER_LABELS_MAX = 64,       /* labels of a container */
};

/* Who asks, as people write it. Texts are borrowed. */
struct asker {
    struct client_identity identity;
    struct str sans[ASKER_SANS_MAX];
    struct client_label labels[ASKER_LABELS_MAX];
};

/* One trait of who asks, by its name in `match` ("uid", "cert_cn"; "cert-cn" is the same). Returns
   NULL, or what is wrong: a phrase that goes on behind the name and its value. */
const char *asker_set(struct asker *asker, struct str name, struct str value);
/* Names of the traits in order until NULL. */
const char *asker_trait(size_t index);
/* Name of a trait, or of an option without its dashes. */
bool asker_is_trait(struct str name);

/* The role that decides: the named one, or with role.p NULL that of who asks. False: there is no
   role of that name. A policy that serves nobody gives the role NULL, which refuses. */
bool asker_role(const struct asker *asker, struct policy *policy, struct str role,
                struct client_role *out);

struct answer {
    struct decision decision;
    const struct request *request; /* in the arena; NULL: it has no operation */
    struct client_role by;         /* the client, and the role that decided */
    struct facts facts;            /* that it was decided on; in the arena. Those that are wanted
                                      are not known: the decision is VERDICT_NEED */
};

/* Judges the requests that follow on one connection in turn; the first that is not allowed is the
   answer. Chunked bodies are put together in place. The arena is reset before each request. known
   may be NULL. */
void question_judge(const struct client_role *by, const struct known *known, char *bytes, size_t n,
                    struct arena *arena, struct answer *out);

/* Does the first line end in LF alone, as editors write it? Such a request is refused. */
bool question_ends_in_lf(struct str bytes);

#endif
