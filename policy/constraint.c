/* How a constraint passes a value, and what comparing may cost. What the value means is the checks'
   business. */
#include "role.h"

/* Does the value differ from the entry before its first wildcard? Most do, and in the last byte. */
static bool plain_differs(const struct entry *entry, struct str value, size_t plain)
{
    return plain > 0 && (entry->text.p[plain - 1] != value.p[plain - 1] ||
                         memcmp(entry->text.p, value.p, plain) != 0);
}

bool entry_matches(const struct entry *entry, struct str value, bool wide, struct work *work)
{
    enum { ENTRY_COST = 16, BYTES_A_UNIT = 16 };
    if (entry->literal) {
        size_t bytes = entry->text.n == value.n ? value.n : 0;
        return work_take(work, ENTRY_COST + bytes / BYTES_A_UNIT) && str_eq(entry->text, value);
    }
    size_t plain = entry->plain < value.n ? entry->plain : value.n;
    return work_take(work, ENTRY_COST + plain / BYTES_A_UNIT) &&
           !plain_differs(entry, value, plain) && glob_find(entry->text, value, wide, work);
}

/* ---- lists -----------------------------------------------------------------------------------
 */

bool entries_index(struct entries *entries, struct arena *arena)
{
    if (entries->count < PREFIX_FROM || entries->count >= PREFIX_NONE)
        return true;
    struct prefix *index = arena_alloc(arena, entries->count, sizeof(*index));
    if (!index)
        return false;
    for (uint32_t i = 0; i < entries->count; i++)
        index[i] = (struct prefix){.key = glob_begins(entries->items[i].text), .item = i};
    prefix_link(index, entries->count);
    entries->index = index;
    return true;
}

struct candidates candidates_of(const struct entries *entries, struct str value, struct work *work)
{
    enum { FIND_COST = 300 };
    struct candidates candidates = {.entries = entries};
    if (!entries->index)
        return candidates;
    struct prefixes prefixes = {entries->index, entries->count};
    candidates.next = work_take(work, FIND_COST) ? prefix_find(&prefixes, value) : PREFIX_NONE;
    return candidates;
}

const struct entry *candidates_next(struct candidates *candidates)
{
    const struct entries *entries = candidates->entries;
    if (candidates->next >= entries->count)
        return NULL;
    if (!entries->index)
        return &entries->items[candidates->next++];
    const struct prefix *found = &entries->index[candidates->next];
    candidates->next = found->up;
    return &entries->items[found->item];
}

bool entries_hold(const struct entries *entries, struct str text)
{
    const struct entry *entry;
    struct candidates candidates = candidates_of(entries, text, NULL);
    while ((entry = candidates_next(&candidates)))
        if (str_eq(entry->text, text))
            return true;
    return false;
}

bool entries_match(const struct entries *entries, struct str value, bool wide, struct work *work)
{
    const struct entry *entry;
    struct candidates candidates = candidates_of(entries, value, work);
    while (!(work && work->spent) && (entry = candidates_next(&candidates)))
        if (entry_matches(entry, value, wide, work))
            return true;
    return false;
}

/* ---- constraints ------------------------------------------------------------------------------
 */

bool constraint_passes(const struct constraint *constraint, struct str value, struct work *work)
{
    if (entries_match(&constraint->deny, value, true, work) || (work && work->spent))
        return false;
    return constraint->any || entries_match(&constraint->allow, value, false, work);
}

bool constraint_names(const struct constraint *constraint, struct str value, struct work *work)
{
    if (entries_match(&constraint->deny, value, true, work))
        return false;
    const struct entry *entry;
    struct candidates candidates = candidates_of(&constraint->allow, value, work);
    while ((entry = candidates_next(&candidates)))
        if (entry->literal && entry_matches(entry, value, false, work))
            return true;
    return false;
}

bool role_allows(const struct role *role, enum operation op)
{
    return role && (unsigned)op < OP_COUNT && role->ops[op] == OP_ALLOWED;
}
