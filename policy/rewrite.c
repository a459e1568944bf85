/* What is sent on otherwise than it was asked: IDs in place of the names that were judged, and what
   a role adds. Checks note it; request_rewrite() makes it so. */
#include "existing.h"

#include "checks.h"

/* ---- noting ---------------------------------------------------------------------------------- */

static enum finding noted(struct check *check, bool ok)
{
    if (ok)
        return FINDING_PASS;
    return refuse_plain(check, (struct str){NULL, 0}, NULL, NULL,
                        "cannot be rewritten as the policy needs it: too much of it would change");
}

enum finding pin_text(struct check *check, struct str before, struct str id, struct str behind)
{
    const struct str parts[] = {before, id, behind};
    const struct json_node *node = check->at;
    if (id.n == 0 || check_is_existing(check))
        return FINDING_PASS;
    if (!node || node->kind != JSON_STRING)
        return noted(check, false);
    struct str text = arena_join(check->arena, parts, ARRAY_LEN(parts));
    if (text.p && str_eq(text, node->text))
        return FINDING_PASS;
    return noted(check,
                 text.p && edits_replace_string(&check->decision->edits, check->body, node, text));
}

enum finding pin_param(struct check *check, const char *name, struct str value)
{
    struct decision *decision = check->decision;
    if (value.n == 0 || str_eq(request_param(check->request, name), value))
        return FINDING_PASS;
    if (decision->change_count == PARAM_CHANGES_MAX)
        return noted(check, false);
    decision->changes[decision->change_count++] = (struct param_change){name, value};
    return FINDING_PASS;
}

enum finding set_in_body(struct check *check, const char *path, struct str name, struct str value)
{
    const struct json_node *object = check->body ? body_at(check, path) : NULL;
    const struct json_node *member =
        object && object->kind == JSON_OBJECT ? json_get(check->body, object, name) : NULL;
    if (member && member->kind == JSON_STRING && str_eq(member->text, value))
        return FINDING_PASS;
    return noted(check, edits_set_path(&check->decision->edits, check->body, path, name, value));
}

/* ---- making it so ---------------------------------------------------------------------------- */

static bool set_param(struct request *request, const struct param_change *change,
                      struct arena *arena)
{
    struct str value = arena_copy(arena, change->value);
    size_t i = 0;
    while (i < request->param_count && !str_is(str_of(request->params[i].row->name), change->name))
        i++;
    const struct param_row *row = param_find(request->route->op, str_of(change->name));
    if (!value.p || !row || i == PARAMS_MAX)
        return false;
    if (i == request->param_count)
        request->param_count++;
    request->params[i] = (struct param){row, value};
    return true;
}

bool decision_rewrites(const struct decision *decision, const struct request *request)
{
    return (decision->pinned.p && !str_eq(decision->pinned, request->name)) ||
           decision->change_count > 0 || decision->edits.count > 0 || decision->edits.failed;
}

/* A body that is null, or blank, is none, as the decision took it. */
static bool body_is_none(struct str body)
{
    while (body.n > 0 && memchr(" \t\r\n", body.p[0], 4))
        body = str_skip(body, 1);
    while (body.n > 0 && memchr(" \t\r\n", body.p[body.n - 1], 4))
        body.n--;
    return body.n == 0 || str_is(body, "null");
}

bool request_rewrite(struct request *request, const struct decision *decision, struct arena *arena)
{
    if (decision->verdict != VERDICT_ALLOW)
        return false;
    if (decision->pinned.p) {
        request->name = arena_copy(arena, decision->pinned);
        if (!request->name.p)
            return false;
    }
    for (size_t i = 0; i < decision->change_count; i++)
        if (!set_param(request, &decision->changes[i], arena))
            return false;
    if (decision->edits.count == 0 && !decision->edits.failed)
        return true;
    if (body_is_none(request->body))
        request->body = STR("");
    request->body = edits_apply(&decision->edits, request->body, arena);
    return request->body.p != NULL;
}
