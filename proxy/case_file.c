/* Reads a file of policy cases; see case_file.h. Everything that could make a case pass without
   having asked what was meant is an error of the file. Nothing is judged here. */
#include "case_file.h"

#include "cmd.h"
#include "http_head.h"

#include <stdlib.h>

enum { CASE_FILE_MAX = 4 << 20 }; /* bytes */

static const struct {
    const char *name;
    int kind; /* enum json_kind */
} case_keys[CASE_KEYS] = {
    [CASE_NAME] = {"name", JSON_STRING},
    [CASE_DESCRIPTION] = {"description", JSON_STRING},
    [CASE_CLIENT] = {"client", JSON_OBJECT},
    [CASE_ROLE] = {"role", JSON_STRING},
    [CASE_REQUEST] = {"request", JSON_STRING},
    [CASE_HEADERS] = {"headers", JSON_OBJECT},
    [CASE_BODY] = {"body", DOCUMENT_ANY_KIND},
    [CASE_BODY_TEXT] = {"body_text", JSON_STRING},
    [CASE_RAW] = {"raw", JSON_STRING},
    [CASE_FACTS] = {"facts", DOCUMENT_ANY_KIND},
    [CASE_EXPECT] = {"expect", JSON_STRING},
    [CASE_STATUS] = {"status", JSON_NUMBER},
    [CASE_FIELD] = {"field", JSON_STRING},
    [CASE_RULE] = {"rule", JSON_STRING},
    [CASE_OPERATION] = {"operation", JSON_STRING},
    [CASE_EXPECT_ROLE] = {"expect_role", JSON_STRING},
    [CASE_EXPECT_CLIENT] = {"expect_client", JSON_STRING},
    [CASE_REDACTED] = {"redacted", JSON_STRING},
};

/* A file of facts that the case file names. */
struct fact_source {
    struct document document;
    struct fact_source *next;
};

/* A file on its way from text to cases. */
struct reader {
    struct case_file *file;
    struct document *document;    /* of the file */
    const struct json_node *role; /* of the whole file; NULL: none */
};

/* ---- files that it names, and facts --------------------------------------------------------- */

/* A path that stands relative to the case file; NULL: out of memory. */
static const char *near_path(struct reader *reader, struct str name)
{
    struct str path = str_of(reader->document->path);
    size_t slash = str_rfind(path, '/');
    size_t folder = name.n && name.p[0] == '/' ? 0 : slash == path.n ? 0 : slash + 1;
    char *whole = arena_alloc(&reader->file->arena, folder + name.n + 1, 1);
    if (whole) {
        memcpy(whole, path.p, folder);
        memcpy(whole + folder, name.p, name.n);
    }
    return whole;
}

static bool take_facts_file(struct reader *reader, const struct json_node *name, struct known *out)
{
    struct arena *arena = &reader->file->arena;
    const char *path = near_path(reader, name->text);
    struct fact_source *source = arena_alloc(arena, 1, sizeof(*source));
    if (!path || !source)
        return document_fault(reader->document, name->offset, "out of memory");
    source->next = reader->file->sources;
    reader->file->sources = source;
    return known_read_file(path, arena, &source->document, out) ||
           document_fault(reader->document, name->offset, "the facts %s cannot be used", path);
}

/* Facts, or the name of a file of them; next: what counts less. */
static bool take_facts(struct reader *reader, const struct json_node *node,
                       const struct known *next, const struct known **out)
{
    *out = next;
    if (!node)
        return true;
    struct known *known = arena_alloc(&reader->file->arena, 1, sizeof(*known));
    if (!known)
        return document_fault(reader->document, node->offset, "out of memory");
    known->next = next;
    *out = known;
    return node->kind == JSON_STRING
               ? take_facts_file(reader, node, known)
               : known_read(reader->document, node, &reader->file->arena, known);
}

static void free_sources(struct fact_source *source)
{
    for (; source; source = source->next)
        document_free(&source->document);
}

/* ---- one case ------------------------------------------------------------------------------ */

struct str case_text(const struct policy_case *one, enum case_key key)
{
    return one->given[key] ? one->given[key]->text : (struct str){NULL, 0};
}

static bool take_members(struct reader *reader, const struct json_node *node,
                         struct policy_case *one)
{
    bool good = true;
    const struct json *doc = &reader->document->json;
    for (const struct json_node *m = json_child(doc, node); m; m = json_next(doc, m)) {
        size_t i = 0;
        while (i < CASE_KEYS && !str_is(m->key, case_keys[i].name))
            i++;
        if (i < CASE_KEYS) {
            good &= document_expects(reader->document, m, case_keys[i].name, case_keys[i].kind);
            one->given[i] = m;
            continue;
        }
        struct nearest nearest = nearest_to(m->key);
        for (i = 0; i < CASE_KEYS; i++)
            nearest_offer(&nearest, str_of(case_keys[i].name));
        good = document_unknown(reader->document, m, "a case", &nearest);
    }
    return good;
}

/* Two keys of which one makes the other void. */
static bool check_pairs(struct reader *reader, const struct policy_case *one)
{
    static const struct {
        enum case_key winner, loser;
        const char *why;
    } pairs[] = {
        {CASE_ROLE, CASE_CLIENT, "\"role\" decides, so \"client\" would have no effect"},
        {CASE_RAW, CASE_REQUEST, "\"raw\" is the whole request, so \"request\" has no place"},
        {CASE_RAW, CASE_HEADERS, "\"raw\" is the whole request, so \"headers\" has no place"},
        {CASE_RAW, CASE_BODY, "\"raw\" is the whole request, so \"body\" has no place"},
        {CASE_RAW, CASE_BODY_TEXT, "\"raw\" is the whole request, so \"body_text\" has no place"},
        {CASE_BODY, CASE_BODY_TEXT, "a request has one body: \"body\" or \"body_text\""},
    };
    bool good = true;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (one->given[pairs[i].winner] && one->given[pairs[i].loser])
            good = document_fault(reader->document, one->given[pairs[i].loser]->key_offset, "%s",
                                  pairs[i].why);
    return good;
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return true;
    return false;
}

static bool check_request(struct reader *reader, const struct json_node *node,
                          const struct policy_case *one)
{
    const struct json_node *request = one->given[CASE_REQUEST];
    if (!request)
        return one->given[CASE_RAW] || document_fault(reader->document, node->offset,
                                                      "a case needs \"request\", such as "
                                                      "\"GET /containers/json\", or \"raw\"");
    size_t space = str_find(request->text, ' ');
    struct str target = str_skip(request->text, space + 1);
    if (space == 0 || target.n == 0 || target.p[0] != '/' || has_control(request->text) ||
        str_find(target, ' ') < target.n)
        return document_fault(
            reader->document, request->offset,
            "\"request\" wants a method and a path with one space between, such as "
            "\"GET /containers/json\"");
    return true;
}

static bool check_headers(struct reader *reader, const struct json_node *headers)
{
    bool good = true;
    const struct json *doc = &reader->document->json;
    for (const struct json_node *m = headers ? json_child(doc, headers) : NULL; m;
         m = json_next(doc, m))
        if (m->kind != JSON_STRING || has_control(m->text) || m->key.n == 0 || has_control(m->key))
            good = document_fault(reader->document, m->offset,
                                  "a header is a name and a text of one line");
    return good;
}

static bool find_operation(struct reader *reader, const struct json_node *node)
{
    struct nearest nearest = nearest_to(node->text);
    for (int op = 0; op < OP_COUNT; op++) {
        struct str name = str_of(operation_name((enum operation)op));
        if (str_eq(node->text, name))
            return true;
        nearest_offer(&nearest, name);
    }
    if (nearest.best.p)
        return document_fault(reader->document, node->offset,
                              "there is no such operation; did you mean \"%.*s\"?",
                              STR_ARG(nearest.best));
    return document_fault(reader->document, node->offset,
                          "there is no such operation: `sockwarden routes` lists all");
}

static bool check_refusal(struct reader *reader, const struct policy_case *one, bool deny)
{
    static const enum case_key keys[] = {CASE_STATUS, CASE_FIELD, CASE_RULE};
    bool good = true;
    for (size_t i = 0; !deny && i < ARRAY_LEN(keys); i++)
        if (one->given[keys[i]])
            good = document_fault(reader->document, one->given[keys[i]]->key_offset,
                                  "\"%s\" is of a refusal, and this case expects \"%.*s\"",
                                  case_keys[keys[i]].name, STR_ARG(case_text(one, CASE_EXPECT)));
    int64_t status = 0;
    const struct json_node *given = one->given[CASE_STATUS];
    if (given && (!json_int(given, &status) || status < 400 || status > 599))
        good = document_fault(reader->document, given->offset,
                              "the status of a refusal is 400 to 599");
    return good;
}

static bool check_expect(struct reader *reader, const struct json_node *node,
                         const struct policy_case *one)
{
    struct str expect = case_text(one, CASE_EXPECT);
    bool deny = str_is(expect, "deny");
    if (!expect.p)
        return document_fault(reader->document, node->offset,
                              "a case needs \"expect\": \"allow\", \"deny\" or \"need\"");
    if (!deny && !str_is(expect, "allow") && !str_is(expect, "need"))
        return document_fault(reader->document, one->given[CASE_EXPECT]->offset,
                              "\"expect\" is \"allow\", \"deny\", or \"need\" where facts that "
                              "nobody gives decide");
    const struct json_node *operation = one->given[CASE_OPERATION];
    bool known = !operation || find_operation(reader, operation);
    return check_refusal(reader, one, deny) && known;
}

static bool check_name(struct reader *reader, const struct json_node *node,
                       const struct policy_case *one)
{
    struct str name = case_text(one, CASE_NAME);
    if (name.n == 0)
        return document_fault(reader->document, node->offset, "a case needs a \"name\"");
    for (const struct policy_case *other = reader->file->cases; other != one; other++)
        if (str_eq(case_text(other, CASE_NAME), name))
            return document_fault(reader->document, one->given[CASE_NAME]->offset,
                                  "line %d has this name already", other->line);
    return true;
}

/* ---- who asks ------------------------------------------------------------------------------ */

static bool set_trait(struct reader *reader, struct asker *asker, const struct json_node *member,
                      const struct json_node *value)
{
    bool number = str_is(member->key, "uid") || str_is(member->key, "gid");
    char name[64], shown[96];
    text_shorten(name, sizeof(name), member->key);
    if (!document_expects(reader->document, value, name, number ? JSON_NUMBER : JSON_STRING))
        return false;
    const char *wrong = asker_set(asker, member->key, value->text);
    return !wrong || document_fault(reader->document, value->offset, "\"%s\": \"%s\" %s", name,
                                    text_shorten(shown, sizeof(shown), value->text), wrong);
}

static bool take_trait(struct reader *reader, struct asker *asker, const struct json_node *member)
{
    const struct json *doc = &reader->document->json;
    if (str_is(member->key, "description"))
        return document_expects(reader->document, member, "description", JSON_STRING);
    struct nearest nearest = nearest_to(member->key);
    bool known = false;
    for (size_t i = 0; asker_trait(i); i++) {
        known |= str_is(member->key, asker_trait(i));
        nearest_offer(&nearest, str_of(asker_trait(i)));
    }
    if (!known)
        return document_unknown(reader->document, member, "\"client\"", &nearest);
    bool several = str_is(member->key, "cert_san") || str_is(member->key, "container_label");
    if (!several || member->kind != JSON_ARRAY)
        return set_trait(reader, asker, member, member);
    bool good = true;
    for (const struct json_node *e = json_child(doc, member); e; e = json_next(doc, e))
        good &= set_trait(reader, asker, member, e);
    return good;
}

static bool take_role(struct reader *reader, const struct json_node *node,
                      const struct asker *asker, struct client_role *out)
{
    char why[256];
    struct str name = arena_copy(&reader->file->arena, node->text);
    if (!name.p)
        return document_fault(reader->document, node->offset, "out of memory");
    if (asker_role(asker, reader->file->policy, name, out))
        return true;
    role_missing(reader->file->policy, name.p, why, sizeof(why));
    return document_fault(reader->document, node->offset, "%s", why);
}

static bool take_asker(struct reader *reader, struct policy_case *one)
{
    const struct json *doc = &reader->document->json;
    const struct json_node *client = one->given[CASE_CLIENT], *role = one->given[CASE_ROLE];
    struct asker *asker = arena_alloc(&reader->file->arena, 1, sizeof(*asker));
    bool good = asker != NULL;
    if (good && (role || (reader->role && !client)))
        return take_role(reader, role ? role : reader->role, asker, &one->by);
    for (const struct json_node *m = client ? json_child(doc, client) : NULL; good && m;
         m = json_next(doc, m))
        good = take_trait(reader, asker, m);
    return good && asker_role(asker, reader->file->policy, (struct str){NULL, 0}, &one->by);
}

/* An expectation that nothing can meet is a slip. next(): the names that there are, until NULL. */
static bool check_known(struct reader *reader, const struct json_node *node, const char *what,
                        const char *(*next)(const struct policy *policy, size_t index))
{
    if (!node || node->text.n == 0)
        return true;
    struct nearest nearest = nearest_to(node->text);
    for (size_t i = 0; next(reader->file->policy, i); i++) {
        struct str name = str_of(next(reader->file->policy, i));
        if (str_eq(name, node->text))
            return true;
        nearest_offer(&nearest, name);
    }
    if (nearest.best.p)
        return document_fault(reader->document, node->offset,
                              "there is no such %s; did you mean \"%.*s\"?", what,
                              STR_ARG(nearest.best));
    return document_fault(reader->document, node->offset, "there is no such %s", what);
}

static const char *rule_at(const struct policy *policy, size_t index)
{
    (void)policy;
    return policy_rule(index);
}

static const char *role_at(const struct policy *policy, size_t index)
{
    const struct role *role = policy_role_at(policy, index);
    return role ? role_name(role) : NULL;
}

static bool check_expectations(struct reader *reader, const struct policy_case *one)
{
    bool good = check_known(reader, one->given[CASE_RULE], "rule", rule_at);
    good &= check_known(reader, one->given[CASE_EXPECT_ROLE], "role", role_at);
    return check_known(reader, one->given[CASE_EXPECT_CLIENT], "client of the policy",
                       policy_client_name) &&
           good;
}

static void take_case(struct reader *reader, const struct json_node *node)
{
    struct policy_case *one = &reader->file->cases[reader->file->count];
    int column = 0;
    *one = (struct policy_case){.line = 0}; /* a wrong one may have been here */
    json_place(&reader->document->json, node->offset, &one->line, &column);
    if (!document_expects(reader->document, node, "cases", JSON_OBJECT) ||
        !take_members(reader, node, one))
        return;
    bool good = check_pairs(reader, one);
    good &= check_name(reader, node, one);
    good &= check_request(reader, node, one);
    good &= check_headers(reader, one->given[CASE_HEADERS]);
    good &= check_expect(reader, node, one);
    good &= take_facts(reader, one->given[CASE_FACTS], reader->file->known, &one->known);
    if (reader->file->policy) {
        good &= take_asker(reader, one);
        good &= check_expectations(reader, one);
    }
    if (good)
        reader->file->count++;
}

/* ---- the file ------------------------------------------------------------------------------ */

static void take_policy(struct reader *reader, const struct json_node *root,
                        const struct json_node *policy)
{
    char hash[65];
    if (!policy && !reader->role) {
        document_fault(reader->document, root->offset,
                       "a case file names its \"policy\", or a built-in \"role\"");
        return;
    }
    const char *path = policy ? near_path(reader, policy->text) : NULL;
    reader->file->policy = path ? policy_read(path, hash) : policy ? NULL : policy_builtin();
    if (!reader->file->policy)
        document_fault(reader->document, policy ? policy->offset : root->offset,
                       "the policy%s%s cannot be used", path ? " " : "", path ? path : "");
}

static void take_cases(struct reader *reader, const struct json_node *root,
                       const struct json_node *cases)
{
    const struct json *doc = &reader->document->json;
    if (!cases || cases->count == 0) {
        document_fault(reader->document, cases ? cases->offset : root->offset,
                       "\"cases\" holds no case, so nothing would be tested");
        return;
    }
    reader->file->cases =
        arena_alloc(&reader->file->arena, cases->count, sizeof(struct policy_case));
    if (!reader->file->cases) {
        document_fault(reader->document, cases->offset, "out of memory");
        return;
    }
    for (const struct json_node *c = json_child(doc, cases); c; c = json_next(doc, c))
        take_case(reader, c);
}

/* What stands in the file beside its cases. */
enum file_key { FILE_POLICY, FILE_ROLE, FILE_DESCRIPTION, FILE_FACTS, FILE_CASES, FILE_KEYS };

static bool take_file_keys(struct reader *reader, const struct json_node *root,
                           const struct json_node *given[FILE_KEYS])
{
    static const struct {
        const char *name;
        int kind;
    } keys[FILE_KEYS] = {[FILE_POLICY] = {"policy", JSON_STRING},
                         [FILE_ROLE] = {"role", JSON_STRING},
                         [FILE_DESCRIPTION] = {"description", JSON_STRING},
                         [FILE_FACTS] = {"facts", DOCUMENT_ANY_KIND},
                         [FILE_CASES] = {"cases", JSON_ARRAY}};
    const struct json *doc = &reader->document->json;
    for (const struct json_node *m = json_child(doc, root); m; m = json_next(doc, m)) {
        struct nearest nearest = nearest_to(m->key);
        size_t i = 0;
        for (size_t k = 0; k < FILE_KEYS; k++)
            nearest_offer(&nearest, str_of(keys[k].name));
        while (i < FILE_KEYS && !str_is(m->key, keys[i].name))
            i++;
        if (i == FILE_KEYS)
            document_unknown(reader->document, m, "a case file", &nearest);
        else if (document_expects(reader->document, m, keys[i].name, keys[i].kind))
            given[i] = m;
        else
            return false;
    }
    return true;
}

static void take_document(struct reader *reader)
{
    const struct json_node *given[FILE_KEYS] = {NULL};
    const struct json_node *root = &reader->document->json.nodes[0];
    struct client_role role;
    if (root->kind != JSON_OBJECT) {
        document_fault(reader->document, root->offset,
                       "a case file is an object with \"policy\" and \"cases\"");
        return;
    }
    if (!take_file_keys(reader, root, given))
        return;
    reader->role = given[FILE_ROLE];
    take_policy(reader, root, given[FILE_POLICY]);
    take_facts(reader, given[FILE_FACTS], NULL, &reader->file->known);
    if (reader->role && reader->file->policy && !take_role(reader, reader->role, NULL, &role))
        return;
    take_cases(reader, root, given[FILE_CASES]);
}

bool case_file_read(const char *path, struct case_file *out)
{
    struct reader reader = {.file = out, .document = &out->document};
    *out = (struct case_file){.policy = NULL};
    if (!document_read(path, CASE_FILE_MAX, &out->arena, &out->document))
        return false;
    take_document(&reader);
    return out->document.errors == 0;
}

void case_file_free(struct case_file *file)
{
    policy_free(file->policy);
    free_sources(file->sources);
    document_free(&file->document);
    arena_free(&file->arena);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static bool has_header(const struct case_file *file, const struct json_node *headers,
                       const char *name)
{
    const struct json *doc = &file->document.json;
    const struct json_node *m = headers ? json_child(doc, headers) : NULL;
    while (m && !str_ieq(m->key, str_of(name)))
        m = json_next(doc, m);
    return m != NULL;
}

/* The body as it stands in the file: numbers keep their digits, members their order. */
static struct str case_body(const struct case_file *file, const struct policy_case *one)
{
    const struct json_node *body = one->given[CASE_BODY];
    if (!body)
        return case_text(one, CASE_BODY_TEXT);
    return (struct str){file->document.json.source.p + body->offset, body->end - body->offset};
}

static void put_request(const struct case_file *file, const struct policy_case *one,
                        struct head_out *out)
{
    const struct json_node *headers = one->given[CASE_HEADERS];
    struct str body = case_body(file, one), request = case_text(one, CASE_REQUEST);
    bool posts = str_starts(request, STR("POST ")) || str_starts(request, STR("PUT "));
    head_put(out, request);
    head_put(out, STR(" HTTP/1.1\r\n"));
    if (!has_header(file, headers, "Host"))
        head_put_field(out, STR("Host"), STR("docker"));
    for (const struct json_node *m = headers ? json_child(&file->document.json, headers) : NULL; m;
         m = json_next(&file->document.json, m))
        head_put_field(out, m->key, m->text);
    if (body.n && !has_header(file, headers, "Content-Type"))
        head_put_field(out, STR("Content-Type"), STR("application/json"));
    if ((body.n || posts) && !has_header(file, headers, "Content-Length") &&
        !has_header(file, headers, "Transfer-Encoding"))
        head_put_length(out, body.n);
    head_put(out, STR("\r\n"));
    head_put(out, body);
}

char *case_bytes(const struct case_file *file, const struct policy_case *one, size_t *length)
{
    struct str raw = case_text(one, CASE_RAW);
    struct head_out out = {NULL, 0, 0};
    if (raw.p)
        head_put(&out, raw);
    else
        put_request(file, one, &out);
    out = (struct head_out){malloc(out.n + 1), out.n, 0};
    if (out.p && raw.p)
        head_put(&out, raw);
    else if (out.p)
        put_request(file, one, &out);
    *length = out.n;
    return out.p;
}
