/* How a constraint passes a value. What the value means is the checks' business. */
#include "role.h"

static bool matches_one(const struct entries *entries, struct str value)
{
    for (size_t i = 0; i < entries->count; i++)
        if (entries->items[i].literal ? str_eq(entries->items[i].text, value)
                                      : glob_match(entries->items[i].text, value))
            return true;
    return false;
}

bool constraint_passes(const struct constraint *constraint, struct str value)
{
    if (matches_one(&constraint->deny, value))
        return false;
    return constraint->any || matches_one(&constraint->allow, value);
}

bool constraint_names(const struct constraint *constraint, struct str value)
{
    if (matches_one(&constraint->deny, value))
        return false;
    for (size_t i = 0; i < constraint->allow.count; i++)
        if (constraint->allow.items[i].literal && str_eq(constraint->allow.items[i].text, value))
            return true;
    return false;
}

bool role_allows(const struct role *role, enum operation op)
{
    return role && (unsigned)op < OP_COUNT && role->ops[op] == OP_ALLOWED;
}
