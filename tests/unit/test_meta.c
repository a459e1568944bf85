/* The three tables against the definitions of the Engine API in tests/api: every route, parameter
   and body field of any daemon is a row, every row is one of these, and says what it is about. What
   the rows decide is tested by the cases. */
#include "api_helper.h"
#include "checks.h"

enum { SHOWN_MAX = 400, SAMPLE_MAX = 512, LINES_MAX = 2048 };

static size_t missing;

static void miss(const char *what, const char *operation, struct str name, const char *why)
{
    if (++missing <= SHOWN_MAX)
        print_error("%s %s %.*s %s\n", what, operation, STR_ARG(name), why);
}

/* ---- routes -------------------------------------------------------------------------------- */

static bool route_named[LINES_MAX];

/* The target of a path pattern: each {name} becomes a name. */
static struct str target_of(struct str pattern, char *dst)
{
    size_t n = (size_t)snprintf(dst, SAMPLE_MAX, "/v1.41");
    for (; pattern.n; pattern = str_skip(pattern, str_find(pattern, '}') + 1)) {
        struct str fixed = str_head(pattern, str_find(pattern, '{'));
        bool named = fixed.n < pattern.n;
        n += (size_t)snprintf(dst + n, SAMPLE_MAX - n, "%.*s%s", STR_ARG(fixed),
                              named ? "sample" : "");
        assert_true(n < SAMPLE_MAX);
        if (!named)
            break;
    }
    return (struct str){dst, n};
}

static void route_line(const struct api_line *line)
{
    struct str method = line->column[0], path = line->column[1], operation = line->column[2];
    static struct request request;
    static struct decision decision;
    char target[SAMPLE_MAX];
    struct arena arena = {0};
    bool known = request_parse(method, target_of(path, target), &arena, &request, &decision);
    if (str_is(operation, "-")) {
        if (known)
            miss("route", "-", path, "is refused by design, but a row knows it");
    } else if (!known) {
        miss("route", line->file, path, "is no row");
    } else {
        route_named[request.route - routes] = true;
        if (!str_is(operation, operation_name(request.route->op)))
            miss("route", operation_name(request.route->op), path, "has another operation");
    }
    arena_free(&arena);
}

static void every_route_is_a_row(void **state)
{
    (void)state;
    missing = 0;
    api_each("routes.tsv", route_line);
    for (size_t i = 0; i < routes_count; i++)
        if (!route_named[i])
            miss("route", operation_name(routes[i].op), str_of(routes[i].path),
                 "is in no definition");
    assert_int_equal(missing, 0);
}

/* ---- parameters ---------------------------------------------------------------------------- */

static bool param_named[LINES_MAX];

static void param_name(const char *file, struct str operation, struct str name)
{
    enum operation op = api_operation(operation);
    const struct param_row *row = op < OP_COUNT ? param_find(op, name) : NULL;
    char text[128];
    snprintf(text, sizeof text, "%.*s", STR_ARG(operation));
    if (str_starts(name, STR("header ")))
        return;
    if (row)
        param_named[row - param_rows] = true;
    else
        miss("parameter", text, name, file);
}

static void param_line(const struct api_line *line)
{
    param_name("is no row (params.tsv)", line->column[0], line->column[1]);
}

static void older_param_line(const struct api_line *line)
{
    if (str_is(line->column[0], "param"))
        param_name("is no row (older.tsv)", line->column[1], line->column[2]);
}

static void every_parameter_is_a_row(void **state)
{
    (void)state;
    missing = 0;
    assert_true(param_rows_count < LINES_MAX);
    api_each("params.tsv", param_line);
    api_each("older.tsv", older_param_line);
    for (size_t i = 0; i < param_rows_count; i++)
        if (!param_named[i])
            miss("parameter", operation_name(param_rows[i].op), str_of(param_rows[i].name),
                 "is in no definition");
    assert_int_equal(missing, 0);
}

/* ---- body fields --------------------------------------------------------------------------- */

static bool field_named[OP_COUNT][LINES_MAX];

static bool field_find(enum operation op, struct str path)
{
    const struct body_schema *schema = op < OP_COUNT ? schema_find(op) : NULL;
    char text[FIELD_MAX];
    for (size_t row = 0; schema && row < schema->count; row++) {
        row_path(schema, row, text, sizeof text);
        if (str_is(path, text))
            return field_named[op][row] = true;
    }
    return false;
}

/* The path with the spelling that is read in place of the one that is written. */
static struct str slip_operation, slip_path;
static bool slip_found;

static void slip_line(const struct api_line *line)
{
    struct str written = line->column[1], read = line->column[2];
    struct str rest = str_skip(slip_path, written.n);
    char path[FIELD_MAX];
    if (slip_found || !str_eq(line->column[0], slip_operation) || !str_starts(slip_path, written) ||
        (rest.n && rest.p[0] != '.' && rest.p[0] != '['))
        return;
    snprintf(path, sizeof path, "%.*s%.*s", STR_ARG(read), STR_ARG(rest));
    slip_found = field_find(api_operation(slip_operation), str_of(path));
}

static bool slip_find(struct str operation, struct str path)
{
    slip_operation = operation;
    slip_path = path;
    slip_found = false;
    api_each("slips.tsv", slip_line);
    return slip_found;
}

static const struct route *route_of(enum operation op)
{
    for (size_t i = 0; i < routes_count; i++)
        if (routes[i].op == op)
            return &routes[i];
    return NULL;
}

/* A body that is no object: a stream, or a list. */
static bool whole_known(enum operation op, struct str type)
{
    const struct route *route = op < OP_COUNT ? route_of(op) : NULL;
    const struct body_schema *schema = op < OP_COUNT ? schema_find(op) : NULL;
    if (!str_starts(type, STR("array")))
        return route && route->body == BODY_OPAQUE;
    return schema && schema->root != T_OBJECT;
}

static void field_name(const char *file, struct str operation, struct str path, struct str type)
{
    enum operation op = api_operation(operation);
    char text[128];
    snprintf(text, sizeof text, "%.*s", STR_ARG(operation));
    bool known = str_is(path, "(whole)") ? whole_known(op, type)
                                         : field_find(op, path) || slip_find(operation, path);
    if (!known)
        miss("field", text, path, file);
}

static void field_line(const struct api_line *line)
{
    field_name("is no row (fields.tsv)", line->column[0], line->column[1], line->column[2]);
}

static void older_field_line(const struct api_line *line)
{
    if (!str_is(line->column[0], "param"))
        field_name("is no row (older.tsv)", line->column[1], line->column[2], line->column[3]);
}

static void unnamed_fields(enum operation op, const struct body_schema *schema)
{
    char path[FIELD_MAX];
    assert_true(schema->count < LINES_MAX);
    for (size_t row = 0; row < schema->count; row++)
        if (!field_named[op][row]) {
            row_path(schema, row, path, sizeof path);
            miss("field", operation_name(op), str_of(path), "is in no definition");
        }
}

static void every_field_is_a_row(void **state)
{
    (void)state;
    missing = 0;
    api_each("fields.tsv", field_line);
    api_each("older.tsv", older_field_line);
    for (int op = 0; op < OP_COUNT; op++)
        if (schema_find((enum operation)op))
            unnamed_fields((enum operation)op, schema_find((enum operation)op));
    assert_int_equal(missing, 0);
}

/* A body that may be sent and that no table describes is one that only unrestricted roles may
   send. */
static void every_json_body_has_a_schema(void **state)
{
    (void)state;
    missing = 0;
    for (size_t i = 0; i < routes_count; i++)
        if (routes[i].body == BODY_JSON && !schema_find(routes[i].op))
            miss("body", operation_name(routes[i].op), str_of(routes[i].path), "has no schema");
    assert_int_equal(missing, 0);
}

/* ---- what rows say ------------------------------------------------------------------------- */

static bool says_something(const char *note, const char *name)
{
    return note && strlen(note) >= 5 && strcmp(note, name) != 0;
}

static void field_sound(enum operation op, const struct body_schema *schema, size_t row)
{
    const struct field *field = &schema->fields[row];
    char path[FIELD_MAX];
    row_path(schema, row, path, sizeof path);
    const char *name = operation_name(op);
    if (field->mark < HARMLESS || field->mark > STRUCTURE)
        miss("field", name, str_of(path), "has no mark");
    if ((field->mark == GOVERNED) != (field->check != NULL))
        miss("field", name, str_of(path), "has a check without being governed, or the reverse");
    if (!says_something(field->note, field->name))
        miss("field", name, str_of(path), "has no note");
    if (field->depth < 1 || (row == 0 && field->depth != 1) ||
        (row > 0 && field->depth > schema->fields[row - 1].depth + 1))
        miss("field", name, str_of(path), "has a depth that its place does not allow");
}

static void every_row_says_what_it_is(void **state)
{
    (void)state;
    missing = 0;
    for (size_t i = 0; i < routes_count; i++)
        if (!says_something(routes[i].gist, operation_name(routes[i].op)))
            miss("route", operation_name(routes[i].op), str_of(routes[i].path), "has no gist");
    for (size_t i = 0; i < param_rows_count; i++)
        if (!says_something(param_rows[i].note, param_rows[i].name))
            miss("parameter", operation_name(param_rows[i].op), str_of(param_rows[i].name),
                 "has no note");
    for (int op = 0; op < OP_COUNT; op++) {
        const struct body_schema *schema = schema_find((enum operation)op);
        for (size_t row = 0; schema && row < schema->count; row++)
            field_sound((enum operation)op, schema, row);
    }
    assert_int_equal(missing, 0);
}

/* Two rows of one struct that Go would take for the same name would hide each other, which only
   harmless ones may. */
static void twin_check(enum operation op, const struct body_schema *schema, size_t row)
{
    const struct field *field = &schema->fields[row];
    for (size_t i = row + 1; i < schema->count && schema->fields[i].depth >= field->depth; i++)
        if (schema->fields[i].depth == field->depth &&
            !(schema->fields[i].mark == HARMLESS && field->mark == HARMLESS) &&
            json_fold_eq(str_of(schema->fields[i].name), str_of(field->name)))
            miss("field", operation_name(op), str_of(field->name), "stands twice in one struct");
}

static void no_row_stands_twice(void **state)
{
    (void)state;
    missing = 0;
    for (int op = 0; op < OP_COUNT; op++) {
        const struct body_schema *schema = schema_find((enum operation)op);
        for (size_t row = 0; schema && row < schema->count; row++)
            twin_check((enum operation)op, schema, row);
    }
    for (size_t i = 0; i < param_rows_count; i++)
        if (param_find(param_rows[i].op, str_of(param_rows[i].name)) != &param_rows[i])
            miss("parameter", operation_name(param_rows[i].op), str_of(param_rows[i].name),
                 "stands twice");
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_a_row),         cmocka_unit_test(every_parameter_is_a_row),
        cmocka_unit_test(every_field_is_a_row),         cmocka_unit_test(every_row_says_what_it_is),
        cmocka_unit_test(every_json_body_has_a_schema), cmocka_unit_test(no_row_stands_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
