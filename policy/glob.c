/* Matching of '*', '**' and '?'. No classes, braces or escapes: what is written is what is meant.
 */
#include "role.h"

/* Units of work, as measured. */
enum { GLOB_COST = 40, STATES_COST = 200, STATE_COST = 5, STEP_COST = 2, BYTES_A_UNIT = 16 };

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
    if (!work_take(work, cost))
        return false;
    pass_stars(pattern, reached);
    for (size_t i = 0; i < text.n; i++) {
        if (!read_byte(pattern, reached, text.p[i], wide))
            return false;
        pass_stars(pattern, reached);
    }
    return reached[pattern.n];
}

/* Does a '*' that stops at '/' follow a '**'? Only then the first place where a piece between two
   stars fits need not be the best one. */
static bool stops_after_globstar(struct str pattern, bool wide)
{
    bool globstar = false;
    for (size_t i = 0; i < pattern.n && !wide; i++) {
        if (globstar && element_at(pattern, i) == ELEMENT_STAR)
            return true;
        globstar = globstar || element_at(pattern, i) == ELEMENT_GLOBSTAR;
    }
    return false;
}

/* Takes the first place where each piece between two stars fits. */
static bool match_pieces(struct str pattern, struct str text, bool wide, struct work *work)
{
    if (!work_take(work, STEP_COST * (uint64_t)(pattern.n + 1) * (text.n + 1)))
        return false;
    size_t piece = 0; /* behind the newest star; 0: none yet */
    size_t from = 0;  /* where its piece is tried */
    bool crosses = false;
    size_t p = 0;
    for (size_t t = 0; p < pattern.n || t < text.n;) {
        if (p < pattern.n && pattern.p[p] == '*') {
            crosses = wide || element_at(pattern, p) == ELEMENT_GLOBSTAR;
            while (p < pattern.n && pattern.p[p] == '*')
                p++;
            piece = p;
            from = t;
        } else if (p < pattern.n && t < text.n &&
                   (pattern.p[p] == '?' ? wide || text.p[t] != '/' : pattern.p[p] == text.p[t])) {
            p++;
            t++;
        } else if (piece == 0 || from == text.n || (text.p[from] == '/' && !crosses)) {
            return false;
        } else {
            from++;
            if (crosses && piece < pattern.n && !is_wild(pattern.p[piece]))
                from += str_find(str_skip(text, from), pattern.p[piece]);
            p = piece;
            t = from;
        }
    }
    return true;
}

/* The pattern begins with a wildcard. Its plain end decides most cases by comparison. */
static bool match_wild(struct str pattern, struct str text, bool wide, struct work *work)
{
    while (!is_wild(pattern.p[pattern.n - 1])) {
        if (text.n == 0 || text.p[text.n - 1] != pattern.p[pattern.n - 1])
            return false;
        pattern.n--;
        text.n--;
    }
    if (str_eq(pattern, STR("**")))
        return true;
    if (str_eq(pattern, STR("*")))
        return wide || (work_take(work, text.n / BYTES_A_UNIT) && str_find(text, '/') == text.n);
    if (pattern.n > GLOB_MAX)
        return false;
    return stops_after_globstar(pattern, wide) ? match_states(pattern, text, wide, work)
                                               : match_pieces(pattern, text, wide, work);
}

bool glob_find(struct str pattern, struct str text, bool wide, struct work *work)
{
    /* Twice the pattern: its plain ends are looked for and compared. */
    if (!work_take(work, GLOB_COST + 2 * (uint64_t)pattern.n))
        return false;
    size_t same = 0;
    while (same < pattern.n && !is_wild(pattern.p[same]) && same < text.n &&
           text.p[same] == pattern.p[same])
        same++;
    struct str rest = str_skip(pattern, same);
    text = str_skip(text, same);
    if (rest.n == 0 || !is_wild(rest.p[0]))
        return text.n == 0 && (rest.n == 0 || (same > 0 && str_eq(rest, STR("/**"))));
    bool below = rest.n > 3 && str_ends(rest, STR("/**"));
    return match_wild(rest, text, wide, work) ||
           (below && match_wild(str_head(rest, rest.n - 3), text, wide, work));
}

struct str glob_begins(struct str pattern)
{
    size_t plain = str_find(str_head(pattern, str_find(pattern, '*')), '?');
    /* "/srv/ci/" and two stars match the folder itself, too. */
    bool folder = plain > 0 && plain < pattern.n && pattern.p[plain - 1] == '/';
    return str_head(pattern, plain - folder);
}

bool glob_match(struct str pattern, struct str text)
{
    return glob_find(pattern, text, false, NULL);
}
