/* How a refusal is written down: the sentence for the user, the field, the rule, and the change of
   policy that would allow it. It decides nothing. */
#include "checks.h"
#include "redact.h"
#include "uses.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    KEY_SHOWN_MAX = 64, /* bytes of one name of a map in a path */
    OPEN_COST = 30      /* units of work to compare with one entry of `open` */
};

/* Text in a fixed buffer; what does not fit is cut. */
struct text {
    char *p;
    size_t cap;
    size_t n;
};

static void add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(struct text *text, const char *format, ...)
{
    if (text->n + 1 >= text->cap)
        return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->p + text->n, text->cap - text->n, format, args);
    va_end(args);
    if (n > 0)
        text->n += (size_t)n;
    if (text->n >= text->cap)
        text->n = text->cap - 1;
}

/* What a variadic function was asked to say, in the array dst. */
#define SAY(dst, format)                           \
    do {                                           \
        va_list args;                              \
        va_start(args, format);                    \
        vsnprintf(dst, sizeof(dst), format, args); \
        va_end(args);                              \
    } while (0)

static void add_str(struct text *text, struct str piece)
{
    size_t room = text->cap - text->n - 1;
    size_t n = piece.n < room ? piece.n : room;
    if (n > 0)
        memcpy(text->p + text->n, piece.p, n);
    text->n += n;
    text->p[text->n] = '\0';
}

static struct text text_in(char *dst, size_t cap)
{
    dst[0] = '\0';
    return (struct text){dst, cap, 0};
}

/* ---- paths ----------------------------------------------------------------------------------- */

static size_t index_among(const struct json *doc, const struct json_node *list,
                          const struct json_node *element)
{
    size_t index = 0;
    for (const struct json_node *n = json_child(doc, list); n && n != element;
         n = json_next(doc, n))
        index++;
    return index;
}

void node_path(const struct json *doc, const struct json_node *node, char *dst, size_t cap)
{
    const struct json_node *chain[JSON_DEPTH_MAX + 1];
    size_t count = 0;
    for (; node != doc->nodes && count < ARRAY_LEN(chain); node = &doc->nodes[node->parent])
        chain[count++] = node;
    struct text text = text_in(dst, cap);
    while (count > 0) {
        const struct json_node *part = chain[--count];
        const struct json_node *parent = &doc->nodes[part->parent];
        char name[KEY_SHOWN_MAX];
        if (parent->kind == JSON_ARRAY)
            add(&text, "[%zu]", index_among(doc, parent, part));
        else
            add(&text, "%s%s", text.n ? "." : "", text_shorten(name, sizeof(name), part->key));
    }
}

void row_path(const struct body_schema *schema, size_t row, char *dst, size_t cap)
{
    size_t chain[JSON_DEPTH_MAX];
    size_t count = 0;
    int depth = schema->fields[row].depth + 1;
    for (size_t i = row + 1; i-- > 0 && depth > 1 && count < ARRAY_LEN(chain);)
        if (schema->fields[i].depth == depth - 1) {
            chain[count++] = i;
            depth--;
        }
    struct text text = text_in(dst, cap);
    while (count > 0) {
        const struct field *field = &schema->fields[chain[--count]];
        add(&text, "%s%s", text.n ? "." : "", field->name);
        if (count == 0)
            break;
        if (field->type == T_MAP_OBJECT || field->type == T_MAP_OBJECTS)
            add(&text, ".{}");
        if (field->type == T_OBJECTS || field->type == T_MAP_OBJECTS)
            add(&text, "[]");
    }
}

static void write_field(const struct check *check, char *dst, size_t cap)
{
    struct text text = text_in(dst, cap);
    if (check->at && check->body)
        node_path(check->body, check->at, dst, cap);
    else if (check->field)
        add_str(&text, str_of(check->field));
}

/* ---- the sentence ---------------------------------------------------------------------------- */

struct refusal {
    int status;
    struct str value;
    const char *rule;
    const char *allow_with; /* NULL or "": nothing would */
};

/* The request that all is about, also while an existing object is judged. */
static const struct request *asked(const struct check *check)
{
    while (check->outer)
        check = check->outer;
    return check->request;
}

/* Would the sentence tell the client of an existing object what its answers are emptied of? The
   audit line still has field and value. */
static bool is_redacted(const struct check *check)
{
    unsigned kinds = check->outer ? role_redacts(check->role) : 0;
    if ((kinds & REDACT_ENV) && str_starts(str_of(check->decision->field), STR("Env")))
        return true;
    return (kinds & (REDACT_LABELS | REDACT_BINDS)) != 0;
}

static void write_reason(struct check *check, const struct refusal *refusal, const char *why)
{
    struct decision *decision = check->decision;
    const struct request *request = asked(check);
    struct text text = text_in(decision->reason, sizeof(decision->reason));
    add_str(&text, STR("sockwarden: "));
    if (refusal->status == 403 && check->role && request && request->route) {
        SHOWN(name, str_of(check->role->name));
        add(&text, "role \"%s\" refuses %s: ", name, operation_name(request->route->op));
    }
    if (check->outer) {
        SHOWN(subject, check->subject);
        add(&text, "the %s \"%s\" is not as this role would have made it: ",
            fact_kind_name(check->subject_kind), subject);
    }
    if (is_redacted(check)) {
        add(&text, "what it has is told in the audit log, since responses.redact keeps it from "
                   "this role; a policy with \"existing\": \"any\" would allow it");
        return;
    }
    add_str(&text, str_of(decision->field));
    add_str(&text, decision->field[0] ? STR(" ") : STR(""));
    add_str(&text, str_of(why));
    if (decision->allow_with[0])
        add(&text, "; a policy with %s%s would allow it", decision->allow_with,
            check->outer ? ", or with \"existing\": \"any\"," : "");
    else if (check->outer)
        add_str(&text, STR("; a policy with \"existing\": \"any\" would allow it"));
}

static enum finding settle(struct check *check, const struct refusal *refusal, const char *why)
{
    static const struct refusal too_much = {403, {NULL, 0}, NULL, NULL};
    bool spent = check->work && check->work->spent;
    bool full = check->arena && check->arena->full;
    struct decision *decision = check->decision;
    if (decision->status != 0)
        return FINDING_REFUSE;
    if ((spent || full) && refusal->status == too_much.status) {
        refusal = &too_much; /* what the comparisons said since is nothing */
        why = spent ? "names too much to be compared with the entries of the policy; ask for less "
                      "in one request"
                    : "needs more memory than one decision may take; ask for less in one request";
    }
    decision->verdict = VERDICT_DENY;
    decision->status = refusal->status;
    decision->close = refusal->status == 400;
    decision->rule = refusal->rule;
    write_field(check, decision->field, sizeof(decision->field));
    text_shorten(decision->value, sizeof(decision->value), refusal->value);
    struct text allow = text_in(decision->allow_with, sizeof(decision->allow_with));
    add_str(&allow, str_of(refusal->allow_with));
    write_reason(check, refusal, why);
    return FINDING_REFUSE;
}

/* ---- what would allow it --------------------------------------------------------------------- */

enum { ENTRIES_SHOWN_MAX = 8 };

static void add_quoted(struct text *text, struct str value)
{
    char quoted[VALUE_MAX * 2];
    struct json_out out = {.p = quoted, .cap = sizeof(quoted) - 1};
    json_out_str(&out, value);
    quoted[out.len <= out.cap ? out.len : 0] = '\0';
    add(text, "%s", out.len <= out.cap ? quoted : "\"...\"");
}

/* `true` cannot stand beside an entry; this glob means the same. */
static const char *everything(enum entry_kind kind)
{
    return kind == ENTRY_PATH ? "/**" : kind == ENTRY_CAPABILITY ? "*" : "**";
}

/* A list replaces what the key held, so what passes today is written out with it. */
static void add_list(struct text *text, const struct key_row *row,
                     const struct constraint *constraint, struct str value)
{
    const struct entries *now = &constraint->allow;
    add(text, "[");
    if (constraint->any)
        add(text, "\"%s\", ", everything(row->entries));
    for (size_t i = 0; i < now->count && now->count <= ENTRIES_SHOWN_MAX; i++) {
        if (now->items[i].read_only)
            add(text, "{\"source\": ");
        add_quoted(text, now->items[i].text);
        add(text, now->items[i].read_only ? ", \"read_only\": true}, " : ", ");
    }
    if (now->count > ENTRIES_SHOWN_MAX)
        add(text, "..., ");
    add_quoted(text, value);
    add(text, "]");
}

void suggest_entry(const struct check *check, enum key key, struct str value, char *dst, size_t cap)
{
    static const struct constraint none = {.any = false};
    const struct key_row *row = &key_rows[key];
    const struct constraint *constraint = check->learning ? &none : check_key(check, key);
    struct text text = text_in(dst, cap);
    if (row->shapes & SHAPE_LIST) {
        add(&text, "\"%s\": {\"%s\": ", row->group, row->name);
        add_list(&text, row, constraint, value);
        add(&text, "}");
    } else if (row->shapes & SHAPE_BOOL) {
        add(&text, "\"%s\": {\"%s\": true}", row->group, row->name);
    }
}

enum finding refuse(struct check *check, enum key key, struct str value, const char *why, ...)
{
    char allow_with[ALLOW_WITH_MAX];
    if (learning_note(check, key, value))
        return FINDING_PASS;
    suggest_entry(check, key, value, allow_with, sizeof(allow_with));
    struct refusal refusal = {403, value, key_path(key), allow_with};
    char said[REASON_MAX];
    SAY(said, why);
    return settle(check, &refusal, said);
}

enum finding refuse_with(struct check *check, enum key key, struct str value,
                         const char *allow_with, const char *why, ...)
{
    struct refusal refusal = {403, value, key_path(key), allow_with};
    char said[REASON_MAX];
    if (learning_apply(check, allow_with))
        return FINDING_PASS;
    SAY(said, why);
    return settle(check, &refusal, said);
}

enum finding refuse_plain(struct check *check, struct str value, const char *rule,
                          const char *allow_with, const char *why, ...)
{
    struct refusal refusal = {403, value, rule, allow_with};
    char said[REASON_MAX];
    if (learning_apply(check, allow_with))
        return FINDING_PASS;
    SAY(said, why);
    return settle(check, &refusal, said);
}

enum finding refuse_value(struct check *check, enum key key, struct str value)
{
    SHOWN(shown, value);
    return refuse(check, key, value, "is \"%s\", which %s does not allow", shown, key_path(key));
}

/* What a container has may also have come by an update that the role opens. */
static bool opened_for_update(const struct check *check, const char *path)
{
    struct str host = STR("HostConfig.");
    return check->outer && check->subject_kind == FACT_CONTAINER &&
           str_starts(str_of(path), host) &&
           role_opens(check->role, OP_ContainerUpdate, ':', path + host.n);
}

enum finding refuse_unless_open(struct check *check, struct str value, const char *why, ...)
{
    char path[FIELD_MAX];
    char allow_with[ALLOW_WITH_MAX];
    const enum operation op = check->request->route->op;
    char separator = ':';
    struct text text = text_in(path, sizeof(path));
    if (check->at) {
        row_path(check->schema, check->row, path, sizeof(path));
    } else {
        separator = '?'; /* a parameter: its field is written "?name" */
        add_str(&text, str_of(check->field + 1));
    }
    if (check_spend(check, check->role->open_count * OPEN_COST) &&
        (role_opens(check->role, op, separator, path) || opened_for_update(check, path)))
        return FINDING_PASS;
    if (learning_open(check, op, separator, path))
        return FINDING_PASS;
    text = text_in(allow_with, sizeof(allow_with));
    add(&text, "\"open\": [\"%s%c%s\"]", operation_name(op), separator, path);
    struct refusal refusal = {403, value, "open", allow_with};
    char said[REASON_MAX];
    SAY(said, why);
    return settle(check, &refusal, said);
}

enum finding refuse_unclear(struct check *check, struct str value, const char *why, ...)
{
    struct refusal refusal = {400, value, NULL, NULL};
    char said[REASON_MAX];
    SAY(said, why);
    return settle(check, &refusal, said);
}

bool refuse_malformed(struct decision *decision, const char *field, struct str value,
                      const char *why, ...)
{
    if (decision->status != 0)
        return false;
    decision->verdict = VERDICT_DENY;
    decision->status = 400;
    decision->close = true;
    struct text name = text_in(decision->field, sizeof(decision->field));
    if (field)
        add(&name, "%s", field);
    text_shorten(decision->value, sizeof(decision->value), value);
    struct text text = text_in(decision->reason, sizeof(decision->reason));
    add(&text, "sockwarden: ");
    char said[REASON_MAX];
    SAY(said, why);
    add(&text, "%s", said);
    return false;
}

bool role_opens(const struct role *role, enum operation op, char separator, const char *path)
{
    if (role->unrestricted)
        return true;
    struct str operation = str_of(operation_name(op));
    struct str rest = str_of(path);
    for (size_t i = 0; i < role->open_count; i++) {
        struct str entry = role->open[i];
        if (entry.n == operation.n + 1 + rest.n && str_starts(entry, operation) &&
            entry.p[operation.n] == separator && str_ends(entry, rest))
            return true;
    }
    return false;
}
