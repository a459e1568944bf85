/* What images.signed of a role says, and what is asked about signatures, for whoever verifies them.
   Nothing is verified here. */
#include "checks.h"

bool policy_signed_entry(const struct policy *policy, size_t role, size_t index,
                         struct signed_entry *out)
{
    if (role >= policy->role_count)
        return false;
    const struct entries *list = &policy->roles[role]->keys[KEY_IMAGES_SIGNED].allow;
    if (index >= list->count)
        return false;
    *out = *list->items[index].signature;
    return true;
}

bool role_has_signed(const struct role *role)
{
    return role->keys[KEY_IMAGES_SIGNED].allow.count > 0;
}

bool role_signed_entry(const struct role *role, struct str repository, struct signed_entry *out)
{
    const struct entries *list = &role->keys[KEY_IMAGES_SIGNED].allow;
    for (size_t i = 0; i < list->count; i++)
        if (entry_matches(&list->items[i], repository, false, NULL)) {
            *out = *list->items[i].signature;
            return true;
        }
    return false;
}

bool fact_signature(const struct fact *fact, struct signature_question *out)
{
    struct str name = fact->name;
    size_t at = str_find(name, '@'), hash = str_find(name, '#');
    size_t slash = str_rfind(name, '/');
    *out = (struct signature_question){0};
    if (fact->kind != FACT_SIGNATURE || slash == name.n)
        return false;
    if (at < name.n) {
        out->repository = str_head(name, at);
        out->digest = str_skip(name, at + 1);
    } else if (hash < name.n) {
        out->repository = str_head(name, hash);
        out->id = str_skip(name, hash + 1);
    } else {
        size_t colon = slash + str_find(str_skip(name, slash), ':');
        out->repository = str_head(name, colon);
        out->tag = str_skip(name, colon + 1);
    }
    return out->repository.n > slash + 1 && (out->tag.n || out->digest.n || out->id.n);
}
