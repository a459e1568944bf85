/* Matching of '*', '**' and '?'. No classes, braces or escapes: what is written is what is meant.
 */
#include "role.h"

/* Units of work, as measured. */
enum { GLOB_COST = 40, STATES_COST = 200, STATE_COST = 5, BYTES_A_UNIT = 16 };

enum element { ELEMENT_BYTE, ELEMENT_ANY, ELEMENT_STAR, ELEMENT_GLOBSTAR };

static bool is_wild(char c)
{
    return c == '*' || c == '?';
}

/* The element at position at; a run of two or more stars is one '**'. */
static enum element element_at(struct str pattern, size_t at)
{
    if (pattern.p[at] == '?')
        return ELEMENT_ANY;
    if (pattern.p[at] != '*')
        return ELEMENT_BYTE;
    bool twice =
        (at + 1 < pattern.n && pattern.p[at + 1] == '*') || (at > 0 && pattern.p[at - 1] == '*');
    return twice ? ELEMENT_GLOBSTAR : ELEMENT_STAR;
}

/* Each state is a position in the pattern; reached[i] says that the text read so far can end there.
   Stars may be passed without a byte. */
static void pass_stars(struct str pattern, bool reached[])
{
    for (size_t i = 0; i < pattern.n; i++)
        if (reached[i] && pattern.p[i] == '*')
            reached[i + 1] = true;
}

/* Reads one byte. From the back, so that each state is read before it is written. Returns whether
   any state is left. */
static bool read_byte(struct str pattern, bool reached[], char c, bool wide)
{
    bool any = false;
    bool plain = wide || c != '/';
    reached[pattern.n] = false;
    for (size_t i = pattern.n; i-- > 0;) {
        if (!reached[i])
            continue;
        enum element element = element_at(pattern, i);
        bool stays = element == ELEMENT_GLOBSTAR || (element == ELEMENT_STAR && plain);
        bool moves = element == ELEMENT_BYTE ? pattern.p[i] == c : element == ELEMENT_ANY && plain;
        reached[i] = stays;
        reached[i + 1] = reached[i + 1] || moves;
        any = any || stays || moves;
    }
    return any;
}

/* All states at once: time is pattern times text at worst, whatever they hold. */
static bool match_states(struct str pattern, struct str text, bool wide, struct work *work)
{
    bool reached[GLOB_MAX + 1] = {true};
    uint64_t cost = STATES_COST + (uint64_t)STATE_COST * (pattern.n + 1) * (text.n + 1);
    if (pattern.n > GLOB_MAX || !work_take(work, cost))
        return false;
    pass_stars(pattern, reached);
    for (size_t i = 0; i < text.n; i++) {
        if (!read_byte(pattern, reached, text.p[i], wide))
            return false;
        pass_stars(pattern, reached);
    }
    return reached[pattern.n];
}

/* The plain ends of a pattern decide most cases by comparison; what remains begins and ends with a
   wildcard. */
static bool match(struct str pattern, struct str text, bool wide, struct work *work)
{
    size_t head = 0;
    while (head < pattern.n && !is_wild(pattern.p[head]))
        head++;
    if (head == pattern.n)
        return str_eq(pattern, text);
    size_t tail = 0;
    while (!is_wild(pattern.p[pattern.n - 1 - tail]))
        tail++;
    if (text.n < head + tail || !str_starts(text, str_head(pattern, head)) ||
        !str_ends(text, str_skip(pattern, pattern.n - tail)))
        return false;
    pattern = (struct str){pattern.p + head, pattern.n - head - tail};
    text = (struct str){text.p + head, text.n - head - tail};
    if (str_is(pattern, "**"))
        return true;
    if (str_is(pattern, "*"))
        return wide || (work_take(work, text.n / BYTES_A_UNIT) && str_find(text, '/') == text.n);
    return match_states(pattern, text, wide, work);
}

bool glob_find(struct str pattern, struct str text, bool wide, struct work *work)
{
    /* Twice the pattern: its plain ends are looked for and compared. */
    if (!work_take(work, GLOB_COST + 2 * (uint64_t)pattern.n))
        return false;
    if (match(pattern, text, wide, work))
        return true;
    bool below = pattern.n > 3 && str_ends(pattern, STR("/**"));
    return below && match(str_head(pattern, pattern.n - 3), text, wide, work);
}

bool glob_match(struct str pattern, struct str text)
{
    return glob_find(pattern, text, false, NULL);
}
