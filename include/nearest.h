/* "Did you mean ...?": the known name that is closest to a mistyped one. */
#ifndef SOCKWARDEN_NEAREST_H
#define SOCKWARDEN_NEAREST_H

#include "base.h"

enum { NEAREST_NAME_MAX = 64 }; /* bytes; longer words are nobody's typing error */

struct nearest {
    struct str word; /* as mistyped */
    struct str best; /* borrowed; p NULL: nothing is close enough */
    size_t distance; /* of best */
};

struct nearest nearest_to(struct str word);
/* Offers a known name; the closest one wins, of equals the first. */
void nearest_offer(struct nearest *nearest, struct str name);

/* A word that people use for a name that is spelled otherwise. */
struct nearest_word {
    const char *word, *name;
};
/* Offers the name of the first row whose word this is, in any case; it wins over all others. */
void nearest_offer_words(struct nearest *nearest, const struct nearest_word *words, size_t count);

#endif
