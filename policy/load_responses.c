/* `responses` of a role: what its clients do not get to see of answers. */
#include "load.h"
#include "redact.h"

#include <stdio.h>

static void load_kind(struct loader *loader, const struct json_node *node, struct role *role)
{
    static const struct nearest_word words[] = {{"environment", "env"},
                                                {"annotations", "labels"},
                                                {"mounts", "binds"},
                                                {"volumes", "binds"}};
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(node->text);
    if (!load_expect(loader, node, JSON_STRING, "an entry of responses.redact", "text"))
        return;
    for (unsigned i = 0; i < REDACT_KINDS; i++) {
        if (str_is(node->text, redact_name(BIT(i)))) {
            role->redacts |= BIT(i);
            return;
        }
        nearest_offer(&nearest, str_of(redact_name(BIT(i))));
    }
    nearest_offer_words(&nearest, words, ARRAY_LEN(words));
    hint_of(hint, &nearest);
    load_error(loader, node->offset,
               "responses.redact holds \"env\", \"labels\" or \"binds\", not %s%s",
               quoted(shown, node->text), hint);
}

void load_responses(struct loader *loader, const struct json_node *node, struct role *role)
{
    char shown[QUOTED_MAX];
    if (!load_expect(loader, node, JSON_OBJECT, "responses",
                     "an object such as {\"redact\": [\"env\"]}"))
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        if (load_description(loader, m))
            continue;
        if (!str_is(m->key, "redact"))
            load_error(loader, m->key_offset, "unknown key %s in responses, which has \"redact\"",
                       quoted(shown, m->key));
        else if (load_expect(loader, m, JSON_ARRAY, "responses.redact",
                             "a list of \"env\", \"labels\" and \"binds\""))
            for (const struct json_node *n = json_child(loader->doc, m); n;
                 n = json_next(loader->doc, n))
                load_kind(loader, n, role);
    }
}

/* Clients change these by writing back all that they have read. */
void load_warn_responses(struct loader *loader, const struct draft *draft)
{
    static const struct {
        enum operation op;
        unsigned kinds;
    } rows[] = {
        {OP_ServiceUpdate, REDACT_ENV | REDACT_LABELS | REDACT_BINDS},
        {OP_NodeUpdate, REDACT_LABELS},
        {OP_SwarmUpdate, REDACT_LABELS},
        {OP_SecretUpdate, REDACT_LABELS},
        {OP_ConfigUpdate, REDACT_LABELS},
    };
    const struct json_node *node = json_get(draft->doc, draft->node, STR("responses"));
    const struct role *role = &draft->merged->role;
    char ops[128] = "";
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((role->redacts & rows[i].kinds) && role->ops[rows[i].op] == OP_ALLOWED)
            at += (size_t)snprintf(ops + at, sizeof ops - at, "%s%s", at > 0 ? ", " : "",
                                   operation_name(rows[i].op));
    if (at > 0)
        load_warning(loader, node ? node->key_offset : draft->node->offset,
                     "responses.redact and %s: a client that reads a specification and writes it "
                     "back changed, as docker does, empties what it did not get to see",
                     ops);
}
