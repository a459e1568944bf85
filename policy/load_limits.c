/* `limits` of a role: what one client may use at a time. */
#include "load.h"

#include <stdio.h>

enum { COUNT_MAX = 1000000 };

static const struct {
    bool bytes;
    int64_t min, max;
    const char *wanted;
} rows[LIMIT_COUNT] = {
    [LIMIT_REQUESTS_PER_SECOND] = {false, 1, COUNT_MAX, "a whole number from 1 to 1000000"},
    [LIMIT_BURST] = {false, 1, COUNT_MAX, "a whole number from 1 to 1000000"},
    [LIMIT_CONNECTIONS] = {false, 1, COUNT_MAX, "a whole number from 1 to 1000000"},
    [LIMIT_STREAMS] = {false, 0, COUNT_MAX, "a whole number from 0 to 1000000"},
    [LIMIT_BODY_BYTES] = {true, 1, INT64_MAX,
                          "a whole number of bytes from 1, or text such as \"512k\" or \"2m\""},
};

static void load_limit(struct loader *loader, enum limit limit, const struct json_node *node,
                       struct role *role)
{
    char shown[QUOTED_MAX];
    int64_t value = -1;
    bool number = node->kind == JSON_NUMBER;
    bool text = number || (rows[limit].bytes && node->kind == JSON_STRING);
    bool good = rows[limit].bytes ? text && load_bytes(node->text, &value)
                                  : number && json_int(node, &value);
    role->limits[limit].set = true;
    if (good && value >= rows[limit].min && value <= rows[limit].max)
        role->limits[limit].value = (uint64_t)value;
    else
        load_error(loader, node->offset, "%s expects %s, got %s", limit_rule(limit),
                   rows[limit].wanted, text ? quoted(shown, node->text) : kind_name(node));
}

static void unknown_limit(struct loader *loader, const struct json_node *member)
{
    static const struct nearest_word words[] = {
        {"rate", "requests_per_second"},
        {"rps", "requests_per_second"},
        {"requests", "requests_per_second"},
        {"max_body", "body_bytes"},
        {"body", "body_bytes"},
        {"max_connections", "connections"},
    };
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    for (enum limit limit = 0; limit < LIMIT_COUNT; limit++)
        nearest_offer(&nearest, str_of(limit_name(limit)));
    nearest_offer_words(&nearest, words, ARRAY_LEN(words));
    load_error(loader, member->key_offset, "unknown key %s in limits%s", quoted(shown, member->key),
               hint_of(hint, &nearest));
}

void load_limits(struct loader *loader, const struct json_node *node, struct role *role)
{
    if (!load_expect(loader, node, JSON_OBJECT, "limits",
                     "an object such as {\"requests_per_second\": 20}"))
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        enum limit limit = 0;
        if (load_description(loader, m))
            continue;
        while (limit < LIMIT_COUNT && !str_is(m->key, limit_name(limit)))
            limit++;
        if (limit < LIMIT_COUNT)
            load_limit(loader, limit, m, role);
        else
            unknown_limit(loader, m);
    }
}

void load_warn_limits(struct loader *loader, const struct draft *draft)
{
    const struct json_node *node = json_get(draft->doc, draft->node, STR("limits"));
    const struct limit_value *limits = draft->merged->role.limits;
    if (node && draft->own.role.limits[LIMIT_BURST].set && !limits[LIMIT_REQUESTS_PER_SECOND].set)
        load_warning(loader, node->key_offset,
                     "limits.burst has no effect without limits.requests_per_second");
}
