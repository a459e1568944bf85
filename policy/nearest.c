/* Edit distance between a mistyped word and the known ones, for messages only: no decision ever
   rests on it. */
#include "nearest.h"

/* Case and the choice between '-' and '_' count as nothing. */
static char folded(char c)
{
    return c == '-' ? '_' : ascii_lower(c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Both are at most NEAREST_NAME_MAX bytes. */
static size_t distance_between(struct str a, struct str b)
{
    size_t row[NEAREST_NAME_MAX + 1];
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t changed = diagonal + (folded(a.p[i - 1]) != folded(b.p[j - 1]));
            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.n];
}

struct nearest nearest_to(struct str word)
{
    /* One slip in a short word, one in four letters of a long one. */
    return (struct nearest){.word = word, .distance = 2 + word.n / 4};
}

void nearest_offer(struct nearest *nearest, struct str name)
{
    struct str word = nearest->word;
    if (word.n == 0 || word.n > NEAREST_NAME_MAX || name.n == 0 || name.n > NEAREST_NAME_MAX)
        return;
    size_t distance = distance_between(word, name);
    if (distance >= nearest->distance || distance >= least(word.n, name.n))
        return;
    nearest->best = name;
    nearest->distance = distance;
}

void nearest_offer_words(struct nearest *nearest, const struct nearest_word *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_ieq(nearest->word, str_of(words[i].word))) {
            nearest->best = str_of(words[i].name);
            nearest->distance = 0;
            return;
        }
}
