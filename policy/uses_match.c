/* What entries of a policy open of what requests have used; for `report`. Entries are read by the
   loader itself, so that they mean what they mean there. */
#include "checks.h"
#include "load.h"

bool policy_names_path(struct str path)
{
    return path_is_vital(path);
}

static bool range_holds(const struct port_range *outer, const struct port_range *inner)
{
    return (outer->any_ip || (!inner->any_ip && memcmp(outer->ip, inner->ip, 16) == 0)) &&
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
        valid = strcmp(use->key, "archive") == 0 ||
                (key_find(use->key, &key) && (key_rows[key].shapes & SHAPE_BOOL));
    else if (key_find(use->key, &key))
        valid = policy_learns(use->key, &shape) && shape == USE_LIST &&
                load_entry(&loader, key, &node, &read);
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
