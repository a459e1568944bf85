/* Keys in order, each linked to the longest other that it begins with: what begins a text is found
   by one search and a walk, however many keys there are. Private to policy/. */
#ifndef POLICY_PREFIX_H
#define POLICY_PREFIX_H

#include "base.h"

#define PREFIX_NONE UINT32_MAX
enum { PREFIX_FROM = 16 /* a list that is shorter is looked through as it is */ };

struct prefix {
    struct str key; /* borrowed */
    uint32_t item;  /* what it stands for */
    uint32_t up;    /* position of the longest key that this one begins with, or PREFIX_NONE; of two
                       equal ones the second leads to the first */
};

struct prefixes {
    const struct prefix *sorted; /* borrowed */
    size_t count;                /* below PREFIX_NONE */
};

/* Puts `count` keys with their items in order, and links them. */
void prefix_link(struct prefix *keys, size_t count);

/* The position of the longest key that the text begins with, or PREFIX_NONE; `up` leads from there
   to all others. */
uint32_t prefix_find(const struct prefixes *prefixes, struct str text);

#endif
