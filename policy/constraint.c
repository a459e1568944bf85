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

bool entries_match(const struct entries *entries, struct str value, bool wide, struct work *work)
{
    for (size_t i = 0; i < entries->count && !(work && work->spent); i++)
        if (entry_matches(&entries->items[i], value, wide, work))
            return true;
    return false;
}

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
    for (size_t i = 0; i < constraint->allow.count; i++) {
        const struct entry *entry = &constraint->allow.items[i];
        if (entry->literal && entry_matches(entry, value, false, work))
            return true;
    }
    return false;
}

bool role_allows(const struct role *role, enum operation op)
{
    return role && (unsigned)op < OP_COUNT && role->ops[op] == OP_ALLOWED;
}
