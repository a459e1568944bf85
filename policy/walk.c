/* The walk through a JSON body by its schema: every name is known and unambiguous, every value has
   the type that the daemon reads, and each row's check has its say. */
#include "checks.h"

enum {
    NO_ROW = -1,
    INDEX_MAX = 128, /* rows of one struct that an index holds; ContainerCreate has 111 */
    UNKNOWN_MAX = 64 /* names of one object that no row knows: each is compared with all others */
};

/* What depends on the role. The rest of a walk is the same for every one. */
enum visit_kind {
    VISIT_CHECK,    /* the row's check */
    VISIT_OPEN,     /* a value that the policy must open */
    VISIT_EMBEDDED, /* the same of what stands at the top level for old daemons */
    VISIT_UNKNOWN,  /* a name that no row knows */
};

static enum finding walk_value(struct check *check, size_t row, const struct json_node *node);
static enum finding visit(struct check *check, struct visit visit);
static struct visit visit_of(const struct check *check, enum visit_kind what, size_t row,
                             const struct json_node *node);

/* ---- rows ------------------------------------------------------------------------------------ */

/* The rows of one struct: from first on, as long as they are not above depth. */
struct rows {
    const struct body_schema *schema;
    size_t first;
    size_t next; /* where the next member is expected, since clients write members in order */
    int depth;
};

static struct rows rows_below(const struct check *check, size_t row)
{
    const struct field *field = &check->schema->fields[row];
    return (struct rows){check->schema, row + 1, row + 1, field->depth + 1};
}

static struct rows rows_top(const struct check *check)
{
    return (struct rows){check->schema, 0, 0, 1};
}

static bool row_in(const struct rows *rows, size_t row)
{
    return row < rows->schema->count && rows->schema->fields[row].depth >= rows->depth;
}

static bool row_is(const struct rows *rows, size_t row, struct str name)
{
    const struct field *field = &rows->schema->fields[row];
    return field->name[0] == name.p[0] && strncmp(field->name, name.p, name.n) == 0 &&
           field->name[name.n] == '\0';
}

/* Finds rows of one struct when its members are not in order: a byte for each row. */
struct row_index {
    bool built;
    size_t count;
    unsigned char tags[INDEX_MAX];
    uint16_t rows[INDEX_MAX];
};

static unsigned char tag_of(const char *name, size_t n)
{
    return (unsigned char)((unsigned char)name[0] * 7u + (unsigned char)name[n - 1] * 3u + n);
}

static void index_build(struct row_index *index, const struct rows *rows)
{
    index->built = true;
    index->count = 0;
    for (size_t row = rows->first; row_in(rows, row) && index->count < INDEX_MAX; row++) {
        const struct field *field = &rows->schema->fields[row];
        if (field->depth != rows->depth)
            continue;
        index->tags[index->count] = tag_of(field->name, strlen(field->name));
        index->rows[index->count++] = (uint16_t)row;
    }
}

static ptrdiff_t index_find(const struct row_index *index, const struct rows *rows, struct str name)
{
    unsigned char tag = tag_of(name.p, name.n);
    for (size_t i = 0; i < index->count; i++) {
        const unsigned char *at = memchr(index->tags + i, tag, index->count - i);
        if (!at)
            return NO_ROW;
        i = (size_t)(at - index->tags);
        if (row_is(rows, index->rows[i], name))
            return index->rows[i];
    }
    return NO_ROW;
}

/* The row of that exact name, or NO_ROW. name holds no NUL: the scan refuses it. */
static ptrdiff_t row_find(const struct rows *rows, struct row_index *index, struct str name)
{
    enum { AHEAD = 24 /* rows to look at: those of fields that were left out */ };
    if (name.n == 0)
        return NO_ROW;
    if (!index->built) {
        size_t ahead = 0;
        for (size_t row = rows->next; ahead < AHEAD && row_in(rows, row); row++) {
            if (rows->schema->fields[row].depth != rows->depth)
                continue;
            if (row_is(rows, row, name))
                return (ptrdiff_t)row;
            ahead++;
        }
        index_build(index, rows);
    }
    return index_find(index, rows, name);
}

/* A row whose name Go would take for this one, which is ASCII: then only case can differ. */
static const char *row_folding(const struct rows *rows, struct str name)
{
    for (size_t row = rows->first; row_in(rows, row); row++) {
        const struct field *field = &rows->schema->fields[row];
        if (field->depth == rows->depth && name.n > 0 &&
            ascii_lower(field->name[0]) == ascii_lower(name.p[0]) &&
            str_ieq(str_of(field->name), name))
            return field->name;
    }
    return NULL;
}

/* ---- names that no row knows ----------------------------------------------------------------- */

static bool ascii_only(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] >= 0x80)
            return false;
    return true;
}

/* Another member of the object, before this one, that Go would take for the same. */
static bool folds_before(const struct check *check, const struct json_node *object,
                         const struct json_node *member)
{
    for (const struct json_node *n = json_child(check->body, object); n && n != member;
         n = json_next(check->body, n))
        if (json_fold_eq(n->key, member->key))
            return true;
    return false;
}

/* Some clients repeat the query's parameters and their own options in the body. */
static bool repeats_query(const struct check *check, const struct rows *rows, struct str name)
{
    return rows->depth == 1 &&
           (str_is(name, "authconfig") || param_find(check->request->route->op, name));
}

static enum finding judge_unknown(struct check *check, const struct rows *rows,
                                  const struct json_node *member)
{
    const struct json_node *object = &check->body->nodes[member->parent];
    check->at = member;
    if (!ascii_only(member->key))
        return refuse_unclear(check, member->key, "is not a plain ASCII name of a field");
    const char *like = row_folding(rows, member->key);
    if (like)
        return refuse_unclear(check, member->key,
                              "could be understood in two ways: the daemon reads it as %s", like);
    if (folds_before(check, object, member))
        return refuse_unclear(check, member->key,
                              "could be understood in two ways: another name differs only in case");
    if (repeats_query(check, rows, member->key) || member->kind == JSON_NULL)
        return FINDING_PASS;
    /* A newer daemon shows what nobody has asked it for. */
    if (check->role->unknown_fields || (check->outer && json_empty(member)))
        return FINDING_PASS;
    return refuse_plain(check, member->key, "unknown_fields", "\"unknown_fields\": \"allow\"",
                        "is a field that this version does not know");
}

static enum finding walk_unknown(struct check *check, const struct rows *rows,
                                 const struct json_node *member)
{
    struct visit unknown = visit_of(check, VISIT_UNKNOWN, rows->first, member);
    unknown.depth = (uint8_t)rows->depth;
    return visit(check, unknown);
}

static enum finding walk_struct(struct check *check, struct rows rows,
                                const struct json_node *object)
{
    struct row_index index;
    index.built = false;
    unsigned unknown = 0;
    for (const struct json_node *member = json_child(check->body, object); member;
         member = json_next(check->body, member)) {
        ptrdiff_t row = row_find(&rows, &index, member->key);
        if (row == NO_ROW) {
            check->at = member;
            if (++unknown > UNKNOWN_MAX)
                return refuse_unclear(check, member->key, "is one unknown field too many");
            if (walk_unknown(check, &rows, member) != FINDING_PASS)
                return FINDING_REFUSE;
            continue;
        }
        rows.next = (size_t)row + 1;
        if (walk_value(check, (size_t)row, member) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* ---- types ----------------------------------------------------------------------------------- */

static const char *const type_names[] = {
    [T_BOOL] = "true or false",
    [T_INT] = "an integer",
    [T_NUMBER] = "a number",
    [T_STRING] = "text",
    [T_STRINGS] = "a list of texts",
    [T_STRSLICE] = "a list of texts",
    [T_INTS] = "a list of integers",
    [T_STRING_LISTS] = "a list of lists of texts",
    [T_OBJECT] = "an object",
    [T_OBJECTS] = "a list of objects",
    [T_MAP_STRING] = "an object of texts",
    [T_MAP_EMPTY] = "an object of empty objects",
    [T_MAP_OBJECT] = "an object of objects",
    [T_MAP_OBJECTS] = "an object of lists of objects",
    [T_EMBEDDED] = "what HostConfig holds under that name",
};

static enum finding wrong_type(struct check *check, size_t row, const struct json_node *node)
{
    check->at = node;
    const struct field *field = &check->schema->fields[row];
    return refuse_unclear(check, field->secret ? STR("") : node->text, "must be %s, as field %s is",
                          type_names[field->type], field->name);
}

static bool is_scalar(enum field_type type, const struct json_node *node)
{
    int64_t value;
    switch (type) {
    case T_BOOL:
        return node->kind == JSON_TRUE || node->kind == JSON_FALSE;
    case T_INT:
        return node->kind == JSON_NUMBER && json_int(node, &value);
    case T_NUMBER:
        return node->kind == JSON_NUMBER;
    case T_STRING:
        return node->kind == JSON_STRING;
    default:
        return false;
    }
}

/* Each value of a list or map is of the plain type. */
static enum finding walk_scalars(struct check *check, size_t row, enum field_type type,
                                 const struct json_node *node)
{
    for (const struct json_node *n = json_child(check->body, node); n;
         n = json_next(check->body, n))
        if (!is_scalar(type, n))
            return wrong_type(check, row, n);
    return FINDING_PASS;
}

static enum finding walk_empties(struct check *check, size_t row, const struct json_node *node)
{
    for (const struct json_node *n = json_child(check->body, node); n;
         n = json_next(check->body, n))
        if (n->kind != JSON_OBJECT || n->count > 0)
            return wrong_type(check, row, n);
    return FINDING_PASS;
}

static enum finding walk_string_lists(struct check *check, size_t row, const struct json_node *node)
{
    for (const struct json_node *n = json_child(check->body, node); n;
         n = json_next(check->body, n)) {
        if (n->kind != JSON_ARRAY)
            return wrong_type(check, row, n);
        if (walk_scalars(check, row, T_STRING, n) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* Each value of a list or map is a struct. null is none: one made the daemon panic. */
static enum finding walk_structs(struct check *check, size_t row, const struct json_node *node)
{
    for (const struct json_node *n = json_child(check->body, node); n;
         n = json_next(check->body, n)) {
        if (n->kind != JSON_OBJECT)
            return wrong_type(check, row, n);
        if (walk_struct(check, rows_below(check, row), n) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

static enum finding walk_struct_lists(struct check *check, size_t row, const struct json_node *node)
{
    for (const struct json_node *n = json_child(check->body, node); n;
         n = json_next(check->body, n)) {
        if (n->kind == JSON_NULL)
            continue; /* an absent list, not an absent struct */
        if (n->kind != JSON_ARRAY)
            return wrong_type(check, row, n);
        if (walk_structs(check, row, n) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

static enum finding walk_list(struct check *check, size_t row, enum field_type type,
                              const struct json_node *node)
{
    switch (type) {
    case T_STRINGS:
    case T_STRSLICE:
        return walk_scalars(check, row, T_STRING, node);
    case T_INTS:
        return walk_scalars(check, row, T_INT, node);
    case T_STRING_LISTS:
        return walk_string_lists(check, row, node);
    case T_OBJECTS:
        return walk_structs(check, row, node);
    default:
        return wrong_type(check, row, node);
    }
}

static enum finding walk_object(struct check *check, size_t row, enum field_type type,
                                const struct json_node *node)
{
    switch (type) {
    case T_OBJECT:
        return walk_struct(check, rows_below(check, row), node);
    case T_MAP_STRING:
        return walk_scalars(check, row, T_STRING, node);
    case T_MAP_EMPTY:
        return walk_empties(check, row, node);
    case T_MAP_OBJECT:
        return walk_structs(check, row, node);
    case T_MAP_OBJECTS:
        return walk_struct_lists(check, row, node);
    default:
        return wrong_type(check, row, node);
    }
}

static enum finding walk_type(struct check *check, size_t row, const struct json_node *node)
{
    enum field_type type = check->schema->fields[row].type;
    if (is_scalar(type, node) || (type == T_STRSLICE && node->kind == JSON_STRING))
        return FINDING_PASS;
    if (node->kind == JSON_ARRAY)
        return walk_list(check, row, type, node);
    if (node->kind == JSON_OBJECT)
        return walk_object(check, row, type, node);
    return wrong_type(check, row, node);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void point_at(struct check *check, size_t row, const struct json_node *node)
{
    check->row = row;
    check->at = node;
}

/* The row of HostConfig that a top-level name stands for. */
static ptrdiff_t embedded_row(const struct check *check, const char *name)
{
    struct row_index index;
    struct rows rows = rows_top(check);
    index.built = false;
    ptrdiff_t host = row_find(&rows, &index, STR("HostConfig"));
    if (host == NO_ROW)
        return NO_ROW;
    rows = rows_below(check, (size_t)host);
    index.built = false;
    return row_find(&rows, &index, str_of(name));
}

static enum finding walk_embedded(struct check *check, size_t row, const struct json_node *node)
{
    ptrdiff_t inner = embedded_row(check, check->schema->fields[row].name);
    point_at(check, row, node);
    if (inner == NO_ROW)
        return FINDING_UNSURE;
    if (json_empty(node) && !check->schema->fields[inner].sees_empty)
        return FINDING_PASS;
    if (visit(check, visit_of(check, VISIT_EMBEDDED, row, node)) != FINDING_PASS)
        return FINDING_REFUSE;
    return walk_value(check, (size_t)inner, node);
}

static enum finding walk_value(struct check *check, size_t row, const struct json_node *node)
{
    const struct field *field = &check->schema->fields[row];
    if (node->kind == JSON_NULL)
        return FINDING_PASS;
    if (field->type == T_EMBEDDED)
        return walk_embedded(check, row, node);
    bool empty = json_empty(node);
    point_at(check, row, node);
    if (field->mark == OPENED && !empty &&
        visit(check, visit_of(check, VISIT_OPEN, row, node)) != FINDING_PASS)
        return FINDING_REFUSE;
    if (walk_type(check, row, node) != FINDING_PASS)
        return FINDING_REFUSE;
    if (field->mark != GOVERNED || (empty && !field->sees_empty))
        return FINDING_PASS;
    return visit(check, visit_of(check, VISIT_CHECK, row, node));
}

/* A body that is a list: of structs, or of what the first row describes. */
static enum finding walk_root_list(struct check *check, const struct json_node *list)
{
    bool structs = check->schema->root == T_OBJECTS;
    for (const struct json_node *n = json_child(check->body, list); n;
         n = json_next(check->body, n)) {
        point_at(check, 0, n);
        if (structs && n->kind != JSON_OBJECT)
            return refuse_unclear(check, STR(""), "must be an object");
        if (n->kind == JSON_NULL)
            return refuse_unclear(check, STR(""), "is null in a list");
        if ((structs ? walk_struct(check, rows_top(check), n) : walk_value(check, 0, n)) !=
            FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* ---- what the role is asked ------------------------------------------------------------------ */

static struct visit visit_of(const struct check *check, enum visit_kind what, size_t row,
                             const struct json_node *node)
{
    return (struct visit){
        .node = (uint32_t)(node - check->body->nodes), .row = (uint16_t)row, .what = (uint8_t)what};
}

static enum finding visit_judge(struct check *check, const struct visit *visit)
{
    const struct json_node *node = &check->body->nodes[visit->node];
    const struct field *field = &check->schema->fields[visit->row];
    const struct rows rows = {check->schema, visit->row, visit->row, visit->depth};
    point_at(check, visit->row, node);
    switch ((enum visit_kind)visit->what) {
    case VISIT_CHECK:
        return field->check(check, node);
    case VISIT_OPEN:
        return refuse_unless_open(check, field->secret ? STR("") : node->text,
                                  "is refused unless the policy opens it: %s", field->note);
    case VISIT_EMBEDDED:
        return refuse_unless_open(check, node->text,
                                  "stands at the top level, where daemons before version 27 read "
                                  "it as part of HostConfig; write it as HostConfig.%s",
                                  field->name);
    case VISIT_UNKNOWN:
        return judge_unknown(check, &rows, node);
    }
    return FINDING_UNSURE;
}

/* False: out of memory. */
static bool visit_note(struct check *check, const struct visit *visit)
{
    enum { FIRST = 64 };
    struct reading *reading = check->reading;
    if (reading->count == reading->cap) {
        uint32_t cap = reading->cap ? 2 * reading->cap : FIRST;
        struct visit *visits = arena_alloc(check->arena, cap, sizeof(*visits));
        if (!visits)
            return false;
        if (reading->count > 0)
            memcpy(visits, reading->visits, reading->count * sizeof(*visits));
        reading->visits = visits;
        reading->cap = cap;
    }
    reading->visits[reading->count++] = *visit;
    return true;
}

static enum finding visit(struct check *check, struct visit visit)
{
    if (!visit_note(check, &visit))
        return FINDING_UNSURE;
    return visit_judge(check, &visit);
}

static enum finding visit_again(struct check *check)
{
    const struct reading *reading = check->reading;
    for (uint32_t i = 0; i < reading->count; i++)
        if (visit_judge(check, &reading->visits[i]) != FINDING_PASS)
            return FINDING_REFUSE;
    return FINDING_PASS;
}

enum finding body_walk(struct check *check, const struct body_schema *schema)
{
    const struct json_node *root = check->body->nodes;
    struct reading *reading = check->reading;
    check->schema = schema;
    if (reading->walked)
        return visit_again(check);
    reading->count = 0;
    enum finding finding = schema->root == T_OBJECT ? walk_struct(check, rows_top(check), root)
                                                    : walk_root_list(check, root);
    reading->walked = finding == FINDING_PASS;
    return finding;
}

const char *place_path(const struct check *check, enum place place)
{
    const struct body_schema *schema = check->schema;
    return schema && schema->places ? schema->places[place] : NULL;
}

const struct json_node *place_node(const struct check *check, enum place place)
{
    const char *path = place_path(check, place);
    return path ? body_at(check, path) : NULL;
}

const struct json_node *body_at(const struct check *check, const char *path)
{
    const struct json_node *node = check->body->nodes;
    struct str rest = str_of(path);
    while (node && rest.n > 0) {
        struct str name = str_head(rest, str_find(rest, '.'));
        rest = str_skip(rest, name.n + 1);
        node = json_get(check->body, node, name);
    }
    return node;
}
