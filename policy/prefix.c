/* Which of many keys a text begins with, see prefix.h. Between a key and a text that begins with it
   nothing stands in order that does not begin with it, too; so all such keys are on the way up from
   the last one that is not above the text. */
#include "prefix.h"

#include <stdlib.h>

static int order(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int differs = n ? memcmp(a.p, b.p, n) : 0;
    return differs ? differs : (a.n > b.n) - (a.n < b.n);
}

static int compare(const void *left, const void *right)
{
    const struct prefix *a = left, *b = right;
    int differs = order(a->key, b->key);
    return differs ? differs : (a->item > b->item) - (a->item < b->item);
}

/* From this position upwards, the first key that the text begins with. */
static uint32_t climb(const struct prefix *keys, uint32_t at, struct str text)
{
    while (at != PREFIX_NONE && !str_starts(text, keys[at].key))
        at = keys[at].up;
    return at;
}

void prefix_link(struct prefix *keys, size_t count)
{
    if (count == 0)
        return;
    qsort(keys, count, sizeof(*keys), compare);
    keys[0].up = PREFIX_NONE;
    for (uint32_t i = 1; i < count; i++)
        keys[i].up = climb(keys, i - 1, keys[i].key);
}

uint32_t prefix_find(const struct prefixes *prefixes, struct str text)
{
    size_t from = 0, to = prefixes->count; /* keys before `from` are not above the text */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (order(prefixes->sorted[middle].key, text) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from == 0 ? PREFIX_NONE : climb(prefixes->sorted, (uint32_t)from - 1, text);
}
