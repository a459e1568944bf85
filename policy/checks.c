/* Judging one value by one key, and reading values of the body. */
#include "checks.h"

#include "existing.h"

enum finding judge(struct check *check, enum key key, struct str value)
{
    if (key_passes(check, key, value))
        return FINDING_PASS;
    return refuse_value(check, key, value);
}

enum finding judge_each(struct check *check, enum key key, const struct json_node *list)
{
    if (key_passes_all(check, key))
        return FINDING_PASS;
    for (const struct json_node *item = item_first(check, list); item;
         item = item_next(check, list, item)) {
        check->at = item;
        if (judge(check, key, item->text) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

enum finding judge_names(struct check *check, enum key key, const struct json_node *map)
{
    if (key_passes_all(check, key))
        return FINDING_PASS;
    for (const struct json_node *n = json_child(check->body, map); n;
         n = json_next(check->body, n)) {
        if (key_passes(check, key, n->key))
            continue;
        SHOWN(shown, n->key);
        if (refuse(check, key, n->key, "sets \"%s\", which %s does not allow", shown,
                   key_path(key)) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

bool absent_passes(const struct check *check, enum key key)
{
    return check_key(check, key)->allow.count == 0 || key_passes(check, key, STR(""));
}

bool written_out(const struct check *check, enum key key, struct str value)
{
    const struct constraint *constraint = check_key(check, key);
    return (check->role->unrestricted && constraint->any) ||
           constraint_names(constraint, value, check->work);
}

/* An entry whose text up to the colon is written out, for values such as "container:web". */
static bool prefix_written_out(const struct check *check, enum key key, struct str value)
{
    const struct constraint *constraint = check_key(check, key);
    struct str prefix = str_head(value, str_find(value, ':') + 1);
    if (check->role->unrestricted && constraint->any)
        return true;
    const struct entry *entry;
    struct candidates candidates = candidates_of(&constraint->allow, value, check->work);
    while ((entry = candidates_next(&candidates)))
        if (str_starts(entry->text, prefix) && entry_matches(entry, value, false, check->work))
            return true;
    return false;
}

/* A container that is joined, or whose volumes are taken over. */
static enum finding judge_joined(struct check *check, struct str name)
{
    struct str id;
    if (judge_container(check, name, true, &id) != FINDING_PASS)
        return FINDING_REFUSE;
    /* A parameter is pinned by its own check. */
    return check->at ? pin_text(check, STR("container:"), id, STR("")) : FINDING_PASS;
}

enum finding judge_mode(struct check *check, enum key key, struct str value)
{
    struct str joined = STR("container:");
    bool prefixed = str_find(value, ':') < value.n;
    struct str listed = value;
    if (!str_is(value, "host") && !prefixed)
        return judge(check, key, value);
    if (str_starts(value, joined)) {
        struct str name = str_skip(value, joined.n);
        const struct str parts[] = {joined, name_as_asked(check, FACT_CONTAINER, name)};
        if (judge_container_name(check, name) != FINDING_PASS)
            return FINDING_REFUSE;
        listed = arena_join(check->arena, parts, ARRAY_LEN(parts));
        if (!listed.p)
            return FINDING_UNSURE;
    }
    if (prefixed ? prefix_written_out(check, key, listed) : written_out(check, key, value))
        return str_starts(value, joined) ? judge_joined(check, str_skip(value, joined.n))
                                         : FINDING_PASS;
    SHOWN(shown, value);
    return refuse(check, key, value, "is \"%s\", which must be written out in %s", shown,
                  key_path(key));
}

enum finding judge_container_name(struct check *check, struct str name)
{
    if (str_find(name, '/') == name.n)
        return FINDING_PASS;
    SHOWN(shown, name);
    return refuse_plain(check, name, NULL, NULL,
                        "names the container \"%s\": a name with a '/' may be a link to another "
                        "container",
                        shown);
}

enum finding judge_member(struct check *check, enum key key, const char *path)
{
    struct str value = text_at(check, path);
    check->at = body_at(check, path);
    check->field = path;
    if (value.n > 0)
        return judge(check, key, value);
    if (absent_passes(check, key))
        return FINDING_PASS;
    return refuse(check, key, value, "is not given, and %s has no \"\"", key_path(key));
}

bool name_shadows_id(struct str name)
{
    enum { SHORT_ID = 12, FULL_ID = 64 };
    if (name.n < SHORT_ID || name.n > FULL_ID)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_digit(name.p[i]) && !(name.p[i] >= 'a' && name.p[i] <= 'f'))
            return false;
    return true;
}

/* ---- reading the body ------------------------------------------------------------------------ */

const struct json_node *item_first(const struct check *check, const struct json_node *list)
{
    return list->kind == JSON_STRING ? list : json_child(check->body, list);
}

const struct json_node *item_next(const struct check *check, const struct json_node *list,
                                  const struct json_node *item)
{
    return item == list ? NULL : json_next(check->body, item);
}

static struct str text_of(const struct json_node *node)
{
    return node && node->kind == JSON_STRING ? node->text : (struct str){NULL, 0};
}

struct str text_at(const struct check *check, const char *path)
{
    return text_of(body_at(check, path));
}

struct str place_text(const struct check *check, enum place place)
{
    return text_of(place_node(check, place));
}

struct str member_text(const struct check *check, const struct json_node *object, const char *name)
{
    return text_of(json_get(check->body, object, str_of(name)));
}

bool member_true(const struct check *check, const struct json_node *object, const char *name)
{
    const struct json_node *node = json_get(check->body, object, str_of(name));
    return node && node->kind == JSON_TRUE;
}
