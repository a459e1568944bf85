/* Questions about signatures and their answers, for the gate of images.signed. Private to policy/.
 */
#ifndef POLICY_SIGNED_H
#define POLICY_SIGNED_H

#include "facts.h"

/* Units of work to compare with one digest. */
enum { LISTED_COST = 12 };

/* An answer to a question about a signature. */
struct signed_answer {
    bool is_signed; /* and Digest is one */
    struct found found;
};

/* FAILED: nobody can tell now. */
enum asked { ASKED_WAITS, ASKED_FAILED, ASKED_ANSWERED };

/* Asks a FACT_SIGNATURE. separator: ":" for a tag, "@" for a digest, "#" for an ID. What was asked
   by tag before answers for the digest that came of it, which the request that is sent on has. */
enum asked ask_signature(struct check *check, struct str repository, const char *separator,
                         struct str what, struct signed_answer *out);
/* Was a tag asked for that stands for this digest? */
bool find_by_digest(struct check *check, struct str repository, struct str digest,
                    struct signed_answer *out);
/* Is it one of the IDs that the signed image may have? */
bool answer_has_id(const struct check *check, const struct signed_answer *answer, struct str id);
/* Not known which IDs the digest has: the daemon's own list of digests tells, into which only a
   pull and a push write. */
bool answer_unmapped(const struct signed_answer *answer);
/* "sha256:" and 64 digits. */
bool is_sha256(struct str text);

#endif
