/* How a constraint passes a value, and what comparing may cost. What the value means is the checks'
   business. */
#include "role.h"

bool work_take(struct work *work, uint64_t units)
{
    if (!work)
        return true;
    if (work->spent || work->left < units) {
        work->spent = true;
        return false;
    }
    work->left -= units;
    return true;
}

bool entry_matches(const struct entry *entry, struct str value, bool wide, struct work *work)
{
    enum { ENTRY_COST = 16, BYTES_A_UNIT = 16 };
    if (!entry->literal)
        return glob_find(entry->text, value, wide, work);
    size_t bytes = entry->text.n == value.n ? value.n : 0;
    return work_take(work, ENTRY_COST + bytes / BYTES_A_UNIT) && str_eq(entry->text, value);
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
