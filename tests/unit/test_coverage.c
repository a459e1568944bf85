/* Which rows of the three tables the cases of tests/cases reach: each route, parameter and body
   field has a case that passes with it and one that is refused because of it. Cases that need the
   daemon's state, and those given as raw bytes, do not count. */
#include "case_helper.h"
#include "checks.h"

#include <dirent.h>

enum { ROWS_MAX = 512, SHOWN_MAX = 3000 };

struct mark {
    bool allowed;
    bool denied;
    bool judged; /* denied by the policy, not for its form */
    bool opened; /* denied since the policy does not open it */
};

static struct case_policies loaded;
static struct mark route_marks[ROWS_MAX], param_marks[ROWS_MAX], field_marks[OP_COUNT][ROWS_MAX];
static size_t lacking;

static void mark_denied(struct mark *mark, const struct decision *decision)
{
    mark->denied = true;
    mark->judged = mark->judged || decision->status == 403;
    mark->opened = mark->opened || (decision->rule && strcmp(decision->rule, "open") == 0);
}

/* ---- the rows of a body -------------------------------------------------------------------- */

struct body {
    const struct body_schema *schema;
    const struct json *doc;
    const struct decision *decision;
    bool found; /* the field of the denial */
};

/* An object of which no member is defined has no other value than the empty one. */
static bool has_members(const struct body_schema *schema, size_t row)
{
    enum field_type type = schema->fields[row].type;
    bool last = row + 1 == schema->count;
    return (type != T_OBJECT && type != T_OBJECTS) ||
           (!last && schema->fields[row + 1].depth > schema->fields[row].depth);
}

/* What the check of the object above refused is also that object's denial. */
static void mark_above(const struct body_schema *schema, size_t row,
                       const struct decision *decision)
{
    int depth = schema->fields[row].depth;
    while (decision->status == 403 && row > 0 && schema->fields[row].check == check_by_parent) {
        for (depth--; row > 0 && schema->fields[row].depth != depth;)
            row--;
        if (schema->fields[row].depth == depth && schema->fields[row].mark == GOVERNED)
            mark_denied(&field_marks[schema->op][row], decision);
    }
}

/* A value belongs to a row; own: it is the row's value itself, not an entry of it. */
static void seen(struct body *body, size_t row, const struct json_node *node, bool own)
{
    struct mark *mark = &field_marks[body->schema->op][row];
    char path[FIELD_MAX];
    if (body->decision->verdict == VERDICT_ALLOW) {
        bool counts = !json_empty(node) || body->schema->fields[row].sees_empty ||
                      !has_members(body->schema, row);
        mark->allowed = mark->allowed || (own && counts);
        return;
    }
    node_path(body->doc, node, path, sizeof path);
    if (strcmp(path, body->decision->field) != 0)
        return;
    mark_denied(mark, body->decision);
    mark_above(body->schema, row, body->decision);
    body->found = true;
}

static void visit_struct(struct body *body, size_t first, int depth,
                         const struct json_node *object);

static void visit_value(struct body *body, size_t row, const struct json_node *node, bool own)
{
    static const unsigned structs =
        BIT(T_OBJECT) | BIT(T_OBJECTS) | BIT(T_MAP_OBJECT) | BIT(T_MAP_OBJECTS);
    const struct field *field = &body->schema->fields[row];
    bool holds = (structs & BIT(field->type)) != 0;
    seen(body, row, node, own);
    if (holds && node->kind == JSON_OBJECT && (field->type == T_OBJECT || !own)) {
        visit_struct(body, row + 1, field->depth + 1, node);
        return;
    }
    for (const struct json_node *n = json_child(body->doc, node); n; n = json_next(body->doc, n))
        visit_value(body, row, n, false);
}

/* The row that Go would take for this name; exact spelling goes first. schema->count: none. */
static size_t row_named(const struct body_schema *schema, size_t first, int depth, struct str name)
{
    size_t like = schema->count;
    for (size_t row = first; row < schema->count && schema->fields[row].depth >= depth; row++) {
        if (schema->fields[row].depth != depth)
            continue;
        if (str_is(name, schema->fields[row].name))
            return row;
        if (json_fold_eq(name, str_of(schema->fields[row].name)))
            like = row;
    }
    return like;
}

static void visit_struct(struct body *body, size_t first, int depth, const struct json_node *object)
{
    for (const struct json_node *n = json_child(body->doc, object); n;
         n = json_next(body->doc, n)) {
        size_t row = row_named(body->schema, first, depth, n->key);
        if (row < body->schema->count)
            visit_value(body, row, n, true);
    }
}

/* A list of structs, or of what the first row describes. */
static void visit_root(struct body *body)
{
    const struct json_node *root = body->doc->nodes;
    if (body->schema->root == T_OBJECT) {
        visit_struct(body, 0, 1, root);
        return;
    }
    for (const struct json_node *n = json_child(body->doc, root); n; n = json_next(body->doc, n)) {
        if (body->schema->root == T_OBJECTS && n->kind == JSON_OBJECT)
            visit_struct(body, 0, 1, n);
        else
            visit_value(body, 0, n, true);
    }
}

/* A requirement names a field that is absent. */
static void mark_absent(const struct body_schema *schema, const struct decision *decision)
{
    char path[FIELD_MAX];
    for (size_t row = 0; row < schema->count; row++) {
        row_path(schema, row, path, sizeof path);
        if (strcmp(path, decision->field) == 0)
            mark_denied(&field_marks[schema->op][row], decision);
    }
}

static void mark_body(const struct case_row *row, const struct request *request,
                      const struct decision *decision, struct arena *arena)
{
    struct json doc;
    struct err err = {0};
    const struct body_schema *schema = schema_find(request->route->op);
    if (!schema || request->route->body != BODY_JSON || !json_scan(row->body, arena, &doc, &err) ||
        doc.count == 0)
        return;
    struct body body = {.schema = schema, .doc = &doc, .decision = decision};
    visit_root(&body);
    if (decision->verdict == VERDICT_DENY && !body.found && decision->field[0])
        mark_absent(schema, decision);
}

/* ---- one case ------------------------------------------------------------------------------ */

static void mark_params(const struct request *request, const struct decision *decision)
{
    for (size_t i = 0; i < request->param_count; i++) {
        const struct param *param = &request->params[i];
        struct mark *mark = &param_marks[param->row - param_rows];
        bool absent =
            param->value.n == 0 || (param->row->type == PARAM_BOOL && param_false(param->value));
        if (decision->verdict == VERDICT_ALLOW)
            mark->allowed = mark->allowed || !absent;
    }
}

/* "?name", or the bare name where the target itself is refused. */
static void mark_param_denied(const struct request *request, const struct decision *decision,
                              bool parsed)
{
    bool query = decision->field[0] == '?';
    if (!query && parsed)
        return;
    const struct param_row *row =
        param_find(request->route->op, str_of(decision->field + (query ? 1 : 0)));
    if (row)
        mark_denied(&param_marks[row - param_rows], decision);
}

static bool names_no_field(const struct decision *decision)
{
    return !decision->field[0] || strcmp(decision->field, "the path") == 0 ||
           strcmp(decision->field, "the archive") == 0;
}

/* The rows that a case with a known route reaches; parsed: so was its target. */
static void mark_case(const struct case_row *row, const struct request *request,
                      const struct decision *decision, bool parsed, struct arena *arena)
{
    struct mark *route = &route_marks[request->route - routes];
    if (decision->verdict == VERDICT_ALLOW)
        route->allowed = true;
    else if (parsed && decision->status == 403 && names_no_field(decision))
        mark_denied(route, decision);
    mark_params(request, decision);
    if (decision->verdict == VERDICT_DENY)
        mark_param_denied(request, decision, parsed);
    if (parsed)
        mark_body(row, request, decision, arena);
}

static void count_case(const char *file, const struct json *doc)
{
    static struct request request;
    static struct decision decision;
    struct arena arena = {0};
    struct case_row row;
    (void)file;
    if (case_read(&loaded, doc, &arena, &row)) {
        bool parsed = request_parse(row.method, row.target, &arena, &request, &decision);
        case_decide(&row, &arena, &request, &decision);
        if (request.route)
            mark_case(&row, &request, &decision, parsed, &arena);
    }
    arena_free(&arena);
}

static int count_all(void **state)
{
    (void)state;
    DIR *folder = opendir(source_path("tests/cases", ""));
    if (!folder)
        return -1;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct str name = str_of(entry->d_name);
        if (str_ends(name, STR(".jsonl")))
            case_each(entry->d_name, count_case);
    }
    closedir(folder);
    return 0;
}

static int policies_free(void **state)
{
    (void)state;
    case_policies_free(&loaded);
    return 0;
}

/* ---- what is lacking ----------------------------------------------------------------------- */

static void lack(const char *what, const char *table, enum operation op, const char *name)
{
    if (++lacking <= SHOWN_MAX)
        print_error("no %s: %s %s %s\n", what, table, operation_name(op), name);
}

static void judge_mark(const struct mark *mark, const char *table, enum operation op,
                       const char *name)
{
    if (!mark->allowed)
        lack("allow", table, op, name);
    if (!mark->denied)
        lack("deny", table, op, name);
}

static void every_route_has_cases(void **state)
{
    (void)state;
    lacking = 0;
    assert_true(routes_count < ROWS_MAX);
    for (size_t i = 0; i < routes_count; i++)
        judge_mark(&route_marks[i], "route", routes[i].op, routes[i].path);
    assert_int_equal(lacking, 0);
}

static void every_parameter_has_cases(void **state)
{
    (void)state;
    lacking = 0;
    assert_true(param_rows_count < ROWS_MAX);
    for (size_t i = 0; i < param_rows_count; i++) {
        const struct param_row *row = &param_rows[i];
        judge_mark(&param_marks[i], "parameter", row->op, row->name);
        if (row->opened_only && param_marks[i].denied && !param_marks[i].opened)
            lack("deny by open", "parameter", row->op, row->name);
        if (row->check && param_marks[i].denied && !param_marks[i].judged)
            lack("deny by policy", "parameter", row->op, row->name);
    }
    assert_int_equal(lacking, 0);
}

static void fields_of(const struct body_schema *schema)
{
    char path[FIELD_MAX];
    assert_true(schema->count < ROWS_MAX);
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *field = &schema->fields[i];
        const struct mark *mark = &field_marks[schema->op][i];
        row_path(schema, i, path, sizeof path);
        judge_mark(mark, "field", schema->op, path);
        if (field->mark == OPENED && mark->denied && !mark->opened)
            lack("deny by open", "field", schema->op, path);
        bool by_form = field->check == check_by_parent || field->check == check_checkpoint;
        if (field->mark == GOVERNED && !by_form && mark->denied && !mark->judged)
            lack("deny by policy", "field", schema->op, path);
    }
}

static void every_field_has_cases(void **state)
{
    (void)state;
    lacking = 0;
    for (int op = 0; op < OP_COUNT; op++)
        if (schema_find((enum operation)op))
            fields_of(schema_find((enum operation)op));
    assert_int_equal(lacking, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_has_cases),
        cmocka_unit_test(every_parameter_has_cases),
        cmocka_unit_test(every_field_has_cases),
    };
    return cmocka_run_group_tests(tests, count_all, policies_free);
}
