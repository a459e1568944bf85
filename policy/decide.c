/* The one way through: every request is decided here, and one line allows. */
#include "checks.h"
#include "existing.h"
#include "redact.h"
#include "uses.h"

#include <stdio.h>

/* ---- before the body ------------------------------------------------------------------------- */

static struct check check_for(const struct role *role, const struct request *request,
                              struct arena *arena, struct decision *decision, struct work *work)
{
    *work = (struct work){.left = WORK_MAX};
    arena->full = false;
    decision_clear(decision);
    decision->edits.arena = arena;
    return (struct check){
        .role = role, .request = request, .arena = arena, .decision = decision, .work = work};
}

/* Without a version the daemon's newest one is meant, which api.max may exclude. */
static bool no_version_passes(struct check *check)
{
    const struct role *role = check->role;
    struct decision *decision = check->decision;
    if (role->api_max == API_MINOR_ANY || operation_class(check->request->route->op) == CLASS_PING)
        return true;
    decision->status = 400;
    decision->rule = "api";
    snprintf(decision->reason, sizeof(decision->reason),
             "sockwarden: the request names no API version, which means the daemon's newest one, "
             "and api.max of the policy is %d.%d: name a version in the path, as /v%d.%d/...",
             API_MAJOR, role->api_max, API_MAJOR, role->api_max);
    return false;
}

/* The daemon's own words, which clients know. */
static bool version_passes(struct check *check)
{
    const struct role *role = check->role;
    const struct request *request = check->request;
    struct decision *decision = check->decision;
    bool old = request->api_major < API_MAJOR ||
               (request->api_major == API_MAJOR && request->api_minor < role->api_min);
    bool new = request->api_major > API_MAJOR ||
               (request->api_major == API_MAJOR && request->api_minor > role->api_max);
    if (!request->versioned)
        return no_version_passes(check);
    if (!old && !new)
        return true;
    decision->status = 400;
    decision->rule = "api";
    snprintf(decision->value, sizeof(decision->value), "%d.%d", request->api_major,
             request->api_minor);
    snprintf(decision->reason, sizeof(decision->reason),
             old ? "client version %s is too old. Minimum supported API version is %d.%d, please "
                   "upgrade your client to a newer version"
                 : "client version %s is too new. Maximum supported API version is %d.%d",
             decision->value, API_MAJOR, old ? role->api_min : role->api_max);
    return false;
}

static bool is_tunnel(enum operation op)
{
    return op == OP_Session || op == OP_Grpc;
}

static bool reads_or_writes_files(enum operation op)
{
    return op == OP_ContainerArchive || op == OP_ContainerArchiveInfo ||
           op == OP_PutContainerArchive;
}

/* What an operation needs of a role beside `allow`. */
static const char *needs_also(const struct check *check, enum operation op)
{
    if (reads_or_writes_files(op) && check->role->archive != ARCHIVE_ALWAYS)
        return ", \"archive\": true";
    if (is_tunnel(op) && !check_key(check, KEY_BUILDS_BUILDKIT)->any)
        return ", \"builds\": {\"buildkit\": true}";
    if (op == OP_PluginCreate && !check_key(check, KEY_PLUGINS_UNCONSTRAINED)->any)
        return ", \"plugins\": {\"unconstrained\": true}";
    return "";
}

static bool operation_passes(struct check *check)
{
    const enum operation op = check->request->route->op;
    char allow_with[ALLOW_WITH_MAX];
    if (check->role->ops[op] == OP_ALLOWED)
        return true;
    snprintf(allow_with, sizeof(allow_with), "\"allow\": [\"%s\"]%s", operation_name(op),
             needs_also(check, op));
    if (check->role->ops[op] == OP_DENIED)
        refuse_plain(check, (struct str){NULL, 0}, "deny", NULL,
                     "its \"deny\" holds this operation, and wins over \"allow\"");
    else
        refuse_plain(check, (struct str){NULL, 0}, "allow", allow_with,
                     "its \"allow\" does not hold this operation%s",
                     is_tunnel(op) ? ", which BuildKit needs; for the classic builder set "
                                     "DOCKER_BUILDKIT=0, which docker from version 23 on needs"
                                   : "");
    return false;
}

/* The next number of "29.5.1-rc.1"; false when there is none. */
static bool take_number(struct str *text, int64_t *out)
{
    size_t digits = 0;
    while (digits < text->n && ascii_digit(text->p[digits]))
        digits++;
    bool ok = str_to_int(str_head(*text, digits), out);
    *text = str_skip(*text, digits);
    return ok;
}

/* 29.5.1 has the fixes of CVE-2026-41567, -41568 and -42306. What follows the third number (of a
   distribution, a candidate) says nothing that could be compared. */
static bool version_is_fixed(struct str version)
{
    static const int64_t fixed[] = {29, 5, 1};
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        int64_t number = 0;
        if (!take_number(&version, &number) || number < fixed[i])
            return false;
        if (number > fixed[i])
            return true;
        if (i + 1 < ARRAY_LEN(fixed) && !str_starts(version, STR(".")))
            return false;
        version = str_skip(version, 1);
    }
    return true;
}

static bool archive_fixed(struct check *check)
{
    struct found found;
    enum look look = check_look(check, FACT_VERSION, STR(""), &found);
    if (look != LOOK_FOUND)
        return look == LOOK_WAIT;
    struct str version = fact_text(&found, "Version");
    if (version_is_fixed(version))
        return true;
    SHOWN(shown, version);
    refuse_plain(check, version, "archive", "\"archive\": true",
                 "copying from and to containers needs a daemon that a container cannot lead out "
                 "of itself by it (29.5.1 and newer), as \"archive\": \"fixed\" says, and this one "
                 "is \"%s\"",
                 shown);
    return false;
}

static bool archive_passes(struct check *check)
{
    const enum operation op = check->request->route->op;
    if (!reads_or_writes_files(op) || check->role->archive == ARCHIVE_ALWAYS)
        return true;
    if (check->role->archive == ARCHIVE_FIXED)
        return archive_fixed(check);
    refuse_plain(check, (struct str){NULL, 0}, "archive", "\"archive\": true",
                 "copying from and to containers is off, since daemons before 29.5.1 can be led "
                 "out of a container by it");
    return false;
}

/* What would show by another way what the role's clients are not to see: parameters that have it
   told along. */
static const struct {
    enum operation op;
    unsigned kinds;
    bool is_bool; /* of texts "false" is none, but one that ps reads */
    const char *param, *field, *why;
} told_along[] = {
    {OP_ContainerTop, REDACT_ENV, false, "ps_args", "?ps_args",
     "has ps on the host print what it is told to, environments among it, which responses.redact "
     "keeps from this role"},
    {OP_ContainerLogs, REDACT_ENV | REDACT_LABELS, true, "details", "?details",
     "has labels and variables of the container printed that its log options name, which "
     "responses.redact keeps from this role"},
};

static bool redaction_passes(struct check *check)
{
    const enum operation op = check->request->route->op;
    unsigned kinds = role_redacts(check->role);
    for (size_t i = 0; i < ARRAY_LEN(told_along); i++) {
        struct str value =
            told_along[i].op == op ? request_param(check->request, told_along[i].param) : STR("");
        bool given = told_along[i].is_bool ? !param_false(value) : value.n > 0;
        if (!(told_along[i].kinds & kinds) || !given)
            continue;
        check->field = told_along[i].field;
        refuse_plain(check, value, "responses.redact", NULL, "%s", told_along[i].why);
        check->field = NULL;
        return false;
    }
    if (redact_way(kinds, op, NULL) != REDACT_REFUSED)
        return true;
    refuse_plain(check, (struct str){NULL, 0}, "responses.redact", NULL,
                 "it cannot be told where its answer holds what responses.redact keeps from this "
                 "role");
    return false;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static bool is_integer(struct str value)
{
    struct str digits = str_starts(value, STR("-")) ? str_skip(value, 1) : value;
    for (size_t i = 0; i < digits.n; i++)
        if (!ascii_digit(digits.p[i]))
            return false;
    return digits.n > 0;
}

static enum finding param_judge(struct check *check, const struct param *param)
{
    const struct param_row *row = param->row;
    char field[FIELD_MAX];
    bool absent = param->value.n == 0 || (row->type == PARAM_BOOL && param_false(param->value));
    if (absent)
        return FINDING_PASS;
    struct str name = str_head(str_of(row->name), sizeof(field) - 2);
    field[0] = '?';
    if (name.n > 0)
        memcpy(field + 1, name.p, name.n);
    field[name.n + 1] = '\0';
    check->field = field;
    struct str shown = row->secret ? (struct str){NULL, 0} : param->value;
    enum finding finding = FINDING_PASS;
    if (row->type == PARAM_INT && !is_integer(param->value))
        finding = refuse_unclear(check, shown, "must be an integer");
    if (finding == FINDING_PASS && row->opened_only)
        finding = refuse_unless_open(check, shown, "is refused unless the policy opens it: %s",
                                     row->note);
    if (finding == FINDING_PASS && row->check)
        finding = row->check(check, param->value);
    check->field = NULL;
    return finding;
}

static bool params_pass(struct check *check)
{
    const struct request *request = check->request;
    for (size_t i = 0; i < request->param_count; i++)
        if (param_judge(check, &request->params[i]) != FINDING_PASS)
            return false;
    return judge_operation(check) == FINDING_PASS;
}

/* ---- the body -------------------------------------------------------------------------------- */

static bool is_blank(struct str body)
{
    for (size_t i = 0; i < body.n; i++)
        if (!memchr(" \t\r\n", body.p[i], 4))
            return false;
    return true;
}

static bool body_refused(struct check *check, const char *why)
{
    return refuse_malformed(check->decision, "", (struct str){NULL, 0}, "%s %s",
                            operation_name(check->request->route->op), why);
}

/* The request's body as a decision has read it, or NULL. */
static const struct json *doc_of(const struct request *request, const struct readings *read)
{
    struct str body = request->body;
    bool same = read && read->body.doc.nodes && read->body.doc.source.p == body.p &&
                read->body.doc.source.n == body.n;
    return same ? &read->body.doc : NULL;
}

/* The body's document, scanned once for whoever judges it; NULL: refused. */
static const struct json *body_read(struct check *check)
{
    struct err err = {0};
    struct str body = check->request->body;
    struct reading *reading = &check->read->body;
    struct json doc = reading->doc;
    check->reading = reading;
    if (doc_of(check->request, check->read))
        return &reading->doc;
    *reading = (struct reading){.walked = false};
    if (json_scan(body, check->arena, &doc, &err) && doc.count > 0) {
        reading->doc = doc;
        return &reading->doc;
    }
    refuse_malformed(check->decision, "", (struct str){NULL, 0},
                     "the body is not strict JSON: line %d, column %d: %s", err.line, err.column,
                     err.text);
    return NULL;
}

static bool body_inspected(struct check *check, const struct body_schema *schema)
{
    const struct json *doc = body_read(check);
    if (!doc)
        return false;
    if (doc->nodes[0].kind == JSON_NULL && schema->optional)
        return existing_passes(check);
    if (doc->nodes[0].kind != (schema->root == T_OBJECT ? JSON_OBJECT : JSON_ARRAY))
        return body_refused(check, schema->root == T_OBJECT ? "needs a JSON object as its body"
                                                            : "needs a JSON list as its body");
    check->body = doc;
    bool passes = body_walk(check, schema) == FINDING_PASS &&
                  (!schema->whole || schema->whole(check) == FINDING_PASS);
    if (check->request->route->op == OP_ContainerUpdate)
        check->update = doc;
    check->at = NULL;
    passes = passes && existing_passes(check);
    check->body = NULL;
    check->update = NULL;
    check->at = NULL;
    return passes;
}

/* Bodies of other routes are dropped, but a start that brings one means something by it. */
static bool start_passes(struct check *check)
{
    if (is_blank(check->request->body))
        return true;
    const struct json *doc = body_read(check);
    if (!doc)
        return false;
    const struct json_node *root = &doc->nodes[0];
    if (root->kind == JSON_NULL || (root->kind == JSON_OBJECT && root->count == 0))
        return true;
    return body_refused(check, "takes no body: old daemons would replace the container's "
                               "HostConfig by it");
}

static bool body_passes(struct check *check)
{
    const struct request *request = check->request;
    const struct body_schema *schema = schema_find(request->route->op);
    if (request->route->op == OP_ContainerStart)
        return start_passes(check) && existing_passes(check);
    if (request->route->body != BODY_JSON)
        return existing_passes(check);
    if (!schema)
        return body_refused(check, "has a body that no table describes");
    if (!is_blank(request->body))
        return body_inspected(check, schema);
    return schema->optional ? existing_passes(check) : body_refused(check, "needs a JSON body");
}

/* ---- the decision ---------------------------------------------------------------------------- */

static bool precheck(struct check *check)
{
    if (!check->role || !check->request->route) {
        refuse_plain(check, (struct str){NULL, 0}, NULL, NULL,
                     "no entry of \"clients\" matches this client and the policy has no role "
                     "\"default\"; add one of them, or start the proxy with --role NAME");
        return false;
    }
    return version_passes(check) && operation_passes(check) && archive_passes(check) &&
           redaction_passes(check) && params_pass(check);
}

/* A refusal always has a status and a sentence, also where a check could not tell. */
static bool refused(struct check *check)
{
    if (check->decision->status == 0)
        refuse_plain(check, (struct str){NULL, 0}, NULL, NULL,
                     "it cannot be told what this request means");
    return false;
}

bool policy_precheck(const struct role *role, const struct request *request, struct arena *arena,
                     struct decision *decision)
{
    struct work work;
    struct check check = check_for(role, request, arena, decision, &work);
    return (precheck(&check) && !work.spent && !arena->full) || refused(&check);
}

size_t decision_narrow(struct arena *arena)
{
    size_t limit = arena->limit;
    size_t end = arena->used + DECISION_BYTES_MAX;
    if (!limit || limit > end)
        arena->limit = end;
    return limit;
}

/* Room for what is made and read of the facts that are known; false: out of memory. */
static bool may_read(struct check *check)
{
    struct arena *arena = check->arena;
    size_t known = check->facts ? check->facts->count : 0;
    check->looked = arena_alloc(arena, known, sizeof(*check->looked));
    if (check->read)
        return check->looked;
    struct readings *read = arena_alloc(arena, 1, sizeof(*read));
    if (!read)
        return false;
    read->answers = arena_alloc(arena, known, sizeof(*read->answers));
    read->answer_count = known;
    check->read = read;
    return check->looked && read->answers;
}

static void decide(struct check *check)
{
    struct decision *decision = check->decision;
    size_t limit = decision_narrow(check->arena);
    bool passes = may_read(check) && precheck(check) && body_passes(check) && !check->work->spent &&
                  !check->arena->full && decision->status == 0;
    check->arena->limit = limit;
    decision->read = check->read;
    check->looked = NULL; /* it ends here */
    if (!passes) {
        refused(check);
    } else if (check->waits) {
        facts_make_last(check->facts);
        decision->verdict = VERDICT_NEED;
    } else {
        decision->verdict = VERDICT_ALLOW;
    }
}

void policy_decide_again(const struct role *role, const struct request *request,
                         struct facts *facts, struct readings *read, struct arena *arena,
                         struct decision *decision)
{
    struct work work;
    struct check check = check_for(role, request, arena, decision, &work);
    check.facts = facts;
    check.read = read;
    decide(&check);
}

void policy_decide(const struct role *role, const struct request *request, struct facts *facts,
                   struct arena *arena, struct decision *decision)
{
    policy_decide_again(role, request, facts, NULL, arena, decision);
}

void decide_learning(struct learning *learning, const struct request *request, struct facts *facts,
                     struct arena *arena, struct decision *decision)
{
    struct work work;
    struct check check = check_for(learning->role, request, arena, decision, &work);
    check.facts = facts;
    check.learning = learning;
    check.read = learning->read;
    decide(&check);
    learning->read = check.read;
}

/* ---- the image ------------------------------------------------------------------------------- */

/* Behind the string that begins at i, or source.n: its end is the first quote with an even number
   of backslashes before it. */
static size_t string_end(struct str source, size_t i)
{
    for (size_t end = i + 1; end < source.n; end++) {
        end += str_find(str_skip(source, end), '"');
        size_t slash = end;
        while (slash > i + 1 && source.p[slash - 1] == '\\')
            slash--;
        if ((end - slash) % 2 == 0)
            return end < source.n ? end + 1 : source.n;
    }
    return source.n;
}

/* What a string literal says; without escapes that is what it holds. */
static struct str string_text(struct str literal, struct arena *arena)
{
    struct json doc;
    struct err err = {0};
    if (literal.n < 2 || literal.p[literal.n - 1] != '"')
        return (struct str){NULL, 0};
    if (str_find(literal, '\\') == literal.n)
        return str_head(str_skip(literal, 1), literal.n - 2);
    return json_scan(literal, arena, &doc, &err) && doc.count == 1 ? doc.nodes[0].text
                                                                   : (struct str){NULL, 0};
}

/* The top-level member "Image", without a second scan: the body was refused before it was kept. */
static struct str image_unread(struct str body, struct arena *arena)
{
    static const struct str name = {"\"Image\"", 7};
    int depth = 0;
    for (size_t i = 0; i < body.n;) {
        char c = body.p[i];
        if (c != '"') {
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
            i++;
            continue;
        }
        size_t end = string_end(body, i);
        bool found = depth == 1 && str_eq(str_head(str_skip(body, i), end - i), name);
        i = end;
        while (found && i < body.n && memchr(" \t\r\n:", body.p[i], 5))
            i++;
        if (found && i < body.n && body.p[i] == '"')
            return string_text(str_head(str_skip(body, i), string_end(body, i) - i), arena);
    }
    return (struct str){NULL, 0};
}

/* The text at a path of a body that was read. */
static struct str text_along(const struct json *doc, const struct str *path, size_t count)
{
    const struct json_node *node = doc->nodes;
    for (size_t i = 0; i < count; i++)
        node = json_get(doc, node, path[i]);
    return node && node->kind == JSON_STRING ? node->text : (struct str){NULL, 0};
}

static struct str image_of_create(const struct request *request, const struct readings *read,
                                  struct arena *arena)
{
    static const struct str path[] = {{"Image", 5}};
    const struct json *doc = doc_of(request, read);
    return doc ? text_along(doc, path, ARRAY_LEN(path)) : image_unread(request->body, arena);
}

static struct str image_of_service(const struct request *request, const struct readings *read,
                                   struct arena *arena)
{
    static const struct str path[] = {{"TaskTemplate", 12}, {"ContainerSpec", 13}, {"Image", 5}};
    const struct json *doc = doc_of(request, read);
    struct json own;
    struct err err = {0};
    if (!doc && json_scan(request->body, arena, &own, &err) && own.count > 0)
        doc = &own;
    return doc ? text_along(doc, path, ARRAY_LEN(path)) : (struct str){NULL, 0};
}

static struct str image_of_pull(const struct request *request, struct arena *arena)
{
    struct str image = request_param(request, "fromImage");
    struct str tag = request_param(request, "tag");
    if (image.n == 0 || tag.n == 0)
        return image;
    bool digest = str_find(tag, ':') < tag.n;
    const struct str parts[] = {image, digest ? STR("@") : STR(":"), tag};
    struct str whole = arena_join(arena, parts, ARRAY_LEN(parts));
    return whole.p ? whole : image;
}

struct str request_image(const struct request *request, const struct readings *read,
                         struct arena *arena)
{
    if (!request->route)
        return (struct str){NULL, 0};
    switch (request->route->op) {
    case OP_ContainerCreate:
        return image_of_create(request, read, arena);
    case OP_ServiceCreate:
    case OP_ServiceUpdate:
        return image_of_service(request, read, arena);
    case OP_ImageCreate:
        return image_of_pull(request, arena);
    default:
        return (struct str){NULL, 0};
    }
}
