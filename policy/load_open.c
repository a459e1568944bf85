/* Names of operations, and the entries of `open`: each must name a query parameter or a body field
   that the tables know, and that opening has an effect on. */
#include "load.h"
#include "checks.h"

#include <stdio.h>

bool operation_find(struct str name, enum operation *out)
{
    for (enum operation op = 0; op < OP_COUNT; op++)
        if (str_is(name, operation_name(op))) {
            *out = op;
            return true;
        }
    return false;
}

void operation_offer_all(struct nearest *nearest)
{
    for (enum operation op = 0; op < OP_COUNT; op++)
        nearest_offer(nearest, str_of(operation_name(op)));
}

static void no_effect(struct loader *loader, const struct json_node *node, const char *why)
{
    char shown[QUOTED_MAX];
    load_warning(loader, node->offset, "open: %s has no effect: %s", quoted(shown, node->text),
                 why);
}

static bool open_param(struct loader *loader, const struct json_node *node, enum operation op,
                       struct str name)
{
    const struct param_row *row = param_find(op, name);
    if (row) {
        if (row->opened_only || row->check)
            return true;
        no_effect(loader, node, "this parameter is not refused");
        return false;
    }
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < param_rows_count; i++)
        if (param_rows[i].op == op)
            nearest_offer(&nearest, str_of(param_rows[i].name));
    load_error(loader, node->offset, "open: %s has no parameter %s%s", operation_name(op),
               quoted(shown, name), hint_of(hint, &nearest));
    return false;
}

/* The row that a refusal would name by this path, or schema->count with the nearest path in hint.
 */
static size_t field_at(const struct body_schema *schema, struct str path, char hint[HINT_MAX])
{
    char names[2][FIELD_MAX];
    int spare = 0;
    struct nearest nearest = nearest_to(path);
    for (size_t row = 0; row < schema->count; row++) {
        row_path(schema, row, names[spare], FIELD_MAX);
        struct str name = str_of(names[spare]);
        if (str_eq(name, path))
            return row;
        size_t before = nearest.distance;
        nearest_offer(&nearest, name);
        struct str last = str_skip(name, name.n > path.n ? name.n - path.n : name.n);
        if (nearest.distance == before && str_eq(last, path)) { /* the path is cut in front */
            nearest.best = name;
            nearest.distance = 0;
        }
        if (nearest.best.p == names[spare])
            spare = !spare;
    }
    hint_of(hint, &nearest);
    return schema->count;
}

/* Of the fields that a key governs, those where `open` has a say beside it. */
static bool asks_open(const struct field *field)
{
    static enum finding (*const checks[])(struct check * check, const struct json_node *value) = {
        check_isolation,      check_stop_timeout,  check_target,         check_binds,
        check_mounts,         check_tmpfs,         check_volume_targets, check_network_scope,
        check_ipam_driver,    check_mount_type,    check_stop_grace,     check_service_runtime,
        check_config_runtime, check_secret_file,   check_config_file,    check_ports,
        check_publish_all,    check_service_ports, check_template,       check_service_env,
        check_replicas,       check_health_test,   check_parallelism,
    };
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (field->check == checks[i])
            return true;
    return false;
}

static bool open_field(struct loader *loader, const struct json_node *node, enum operation op,
                       struct str path)
{
    const struct body_schema *schema = schema_find(op);
    if (!schema) {
        load_error(loader, node->offset,
                   "open: the body of %s is not in the tables of this version, so no field of it "
                   "can be opened",
                   operation_name(op));
        return false;
    }
    char shown[QUOTED_MAX], hint[HINT_MAX];
    size_t row = field_at(schema, path, hint);
    if (row == schema->count) {
        load_error(loader, node->offset, "open: %s has no body field %s%s", operation_name(op),
                   quoted(shown, path), hint);
        return false;
    }
    const struct field *field = &schema->fields[row];
    if (field->mark == GOVERNED && !asks_open(field))
        no_effect(loader, node, "a key of the role governs this field");
    else if (field->mark == HARMLESS)
        no_effect(loader, node, "this field is not refused");
    else if (field->mark == STRUCTURE)
        no_effect(loader, node, "name a field inside it");
    return field->mark == OPENED || field->mark == GOVERNED;
}

bool load_open_entry(struct loader *loader, const struct json_node *node)
{
    if (!load_expect(loader, node, JSON_STRING, "an entry of open",
                     "text such as \"ContainerTop?ps_args\""))
        return false;
    struct str text = node->text;
    size_t at = str_find(text, '?');
    if (at == text.n)
        at = str_find(text, ':');
    char shown[QUOTED_MAX], hint[HINT_MAX];
    if (at == text.n || at + 1 == text.n) {
        load_error(loader, node->offset,
                   "open: %s is neither \"Operation?parameter\" nor \"Operation:Field.Path\"",
                   quoted(shown, text));
        return false;
    }
    enum operation op;
    if (!operation_find(str_head(text, at), &op)) {
        struct nearest nearest = nearest_to(str_head(text, at));
        operation_offer_all(&nearest);
        load_error(loader, node->offset, "open: unknown operation %s%s",
                   quoted(shown, nearest.word), hint_of(hint, &nearest));
        return false;
    }
    struct str rest = str_skip(text, at + 1);
    return text.p[at] == '?' ? open_param(loader, node, op, rest)
                             : open_field(loader, node, op, rest);
}
