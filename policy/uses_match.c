/* What entries of a policy open of what requests have used; for `report` and `test`. Entries are
   read by the loader itself, so that they mean what they mean there. */
#include "checks.h"
#include "load.h"
#include "uses.h"

bool policy_names_path(struct str path)
{
    return path_is_vital(path);
}

static bool range_holds(const struct port_range *outer, const struct port_range *inner)
{
    return (outer->any_ip || ip_is_any(outer->ip) ||
            (!inner->any_ip && memcmp(outer->ip, inner->ip, 16) == 0)) &&
           (outer->proto == 0 || outer->proto == inner->proto) && inner->first >= outer->first &&
           inner->last <= outer->last;
}

static bool entry_opens(enum key key, const struct entry *entry, const struct use *use)
{
    struct port_range ports;
    struct cidr cidr;
    switch (key_rows[key].entries) {
    case ENTRY_PORTS:
        return ports_parse(use->value, &ports) && range_holds(&entry->ports, &ports);
    case ENTRY_CIDR:
        return cidr_parse(use->value, &cidr) && cidr_holds(&entry->cidr, &cidr);
    default:
        return (!entry->read_only || use->read_only) &&
               entry_matches(entry, use->value, false, NULL);
    }
}

static bool key_find(const char *path, enum key *out)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(path, key_path((enum key)i)) == 0) {
            *out = (enum key)i;
            return true;
        }
    return false;
}

size_t policy_entry_uses(const char *path, const struct json *doc, const struct json_node *entry,
                         const struct use *uses, size_t count)
{
    struct arena arena = {0};
    struct err_list errors = {0};
    struct loader loader = {.arena = &arena, .errors = &errors, .doc = doc};
    struct entry read = {.read_only = false};
    size_t found = 0;
    enum key key;
    if (key_find(path, &key) && load_entry(&loader, key, entry, &read))
        for (size_t i = 0; i < count; i++)
            found += strcmp(uses[i].key, path) == 0 && uses[i].value.p &&
                     entry_opens(key, &read, &uses[i]);
    err_list_free(&errors);
    arena_free(&arena);
    return found;
}

bool policy_key_closed(const char *path)
{
    enum key key;
    return key_find(path, &key) && (strcmp(key_rows[key].fallback, "[]") == 0 ||
                                    strcmp(key_rows[key].fallback, "false") == 0);
}

bool policy_use_valid(const struct use *use)
{
    struct arena arena = {0};
    struct err_list errors = {0};
    struct json_node node = {.kind = JSON_STRING, .text = use->value};
    struct json doc = {.nodes = &node, .count = 1};
    struct loader loader = {.arena = &arena, .errors = &errors, .doc = &doc};
    struct entry read = {.read_only = false};
    enum use_shape shape;
    enum key key;
    bool open = strcmp(use->key, "open") == 0, valid = false;
    if (open)
        valid = use->value.p && load_open_entry(&loader, &node);
    else if (!use->value.p)
        valid =
            strcmp(use->key, "archive") == 0 || (key_find(use->key, &key) && use_may_be_true(key));
    else if (key_find(use->key, &key))
        valid = policy_learns(use->key, &shape) && shape == USE_LIST &&
                use_is_literal(key, use->value) && load_entry(&loader, key, &node, &read);
    err_list_free(&errors);
    arena_free(&arena);
    return valid && loader.error_count == 0;
}

bool policy_address_valid(struct str text)
{
    struct cidr cidr;
    return cidr_parse(text, &cidr);
}

bool policy_allow_holds(struct str entry, enum operation op)
{
    if (str_starts(entry, STR("@")))
        return str_is(entry, class_name(operation_class(op)));
    return glob_match(entry, str_of(operation_name(op)));
}

/* ---- a role ---------------------------------------------------------------------------------- */

static struct str registry_of(struct str image)
{
    return str_head(image, str_find(image, '/'));
}

/* Is the registry of this entry named by one of the list? */
static bool registry_named(const struct entries *allow, struct str asked)
{
    for (size_t i = 0; i < allow->count; i++)
        if (glob_match(registry_of(allow->items[i].text), registry_of(asked)))
            return true;
    return false;
}

/* What no glob opens: the part of the value that an entry must begin with as it stands. */
static struct str written_part(enum key key, struct str value)
{
    if (key == KEY_BINDS && path_is_vital(value))
        return value;
    if (key == KEY_IMAGES_ALLOW && image_registry_by_address(registry_of(value)))
        return registry_of(value);
    return (struct str){NULL, 0};
}

static bool list_opens(const struct role *role, enum key key, const struct use *use)
{
    const struct constraint *constraint = &role->keys[key];
    struct str written = role->unrestricted ? STR("") : written_part(key, use->value);
    if (entries_match(&constraint->deny, use->value, true, NULL) ||
        (key == KEY_IMAGES_ALLOW &&
         entries_match(&role->keys[KEY_IMAGES_DENY].allow, use->value, true, NULL)))
        return false;
    if (constraint->any && written.n == 0)
        return true;
    for (size_t i = 0; i < constraint->allow.count; i++) {
        const struct entry *entry = &constraint->allow.items[i];
        if (str_starts(entry->text, written) && entry_opens(key, entry, use))
            return true;
    }
    return key == KEY_IMAGES_ALLOW && str_ends(use->value, STR(USE_REGISTRY_ONLY)) &&
           registry_named(&constraint->allow, use->value);
}

bool role_opens_use(const struct role *role, const struct use *use)
{
    enum key key;
    if (strcmp(use->key, "archive") == 0)
        return role->archive == ARCHIVE_ALWAYS;
    if (strcmp(use->key, "open") == 0) {
        bool open = role->unrestricted;
        for (size_t i = 0; i < role->open_count; i++)
            open |= str_eq(role->open[i], use->value);
        return open;
    }
    if (!key_find(use->key, &key))
        return false;
    /* Safe log options were noted with their values: they pass by name, or without the key. */
    if (key == KEY_LOG_OPTIONS && str_find(use->value, '=') < use->value.n) {
        struct use name = {.key = use->key};
        name.value = str_head(use->value, str_find(use->value, '='));
        if (!role->keys[key].set || list_opens(role, key, &name))
            return true;
    }
    if (key == KEY_BUILDS_UNCONSTRAINED && builds_get_round(role) == KEY_COUNT)
        return true;
    return use->value.p ? list_opens(role, key, use) : role->keys[key].any;
}
