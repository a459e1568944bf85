/* The built-in roles: what each is for passes, what it is not for is refused, and of the attacks
   that tests/cases holds none passes any of them, but for what attacks/exceptions.json lists. */
#include "case_helper.h"

#include "cmd.h"
#include "question.h"

#include <dirent.h>

enum { FILES_MAX = 256, ALLOWED_MAX = 256, /* values of exceptions.json */ FAILURES_SHOWN = 60 };

/* ---- case files ------------------------------------------------------------------------------ */

/* What `sockwarden test` says of every case file of a folder. */
static size_t run_folder(const char *folder)
{
    static char paths[FILES_MAX][PATH_MAX_BYTES];
    char *argv[FILES_MAX + 1] = {(char *)(uintptr_t) "test"};
    size_t count = 0;
    DIR *open = opendir(source_path(folder, ""));
    assert_non_null(open);
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (!str_ends(str_of(entry->d_name), STR(".json")))
            continue;
        assert_true(count < FILES_MAX);
        snprintf(paths[count], sizeof paths[count], "%s", source_path(folder, entry->d_name));
        argv[count + 1] = paths[count];
        count++;
    }
    closedir(open);
    assert_int_equal(cmd_test((int)count + 1, argv), 0);
    return count;
}

static void consumers_pass(void **state)
{
    (void)state;
    assert_true(run_folder("tests/cases/consumers") > 35);
}

static void cases_pass(void **state)
{
    (void)state;
    assert_true(run_folder("policy/builtin/cases") > 35);
}

/* ---- attacks --------------------------------------------------------------------------------- */

/* Whose the objects are that an attack names. */
enum owned { OWNED_BY_NOBODY, OWNED_BY_HIM, OWNED_COUNT };

static struct policy *policy;
static struct case_policies loaded;
static const struct role *role; /* that is attacked */
static enum owned owned;
static size_t attacks, passed;

/* What is let through on purpose: role by role, with the reason. */
static struct json exceptions;
static struct arena exceptions_arena;
static bool used[ALLOWED_MAX][ALLOWED_MAX]; /* by the indexes of the nodes: attack, role */

/* "create.jsonl", "priv001": the name that the corpus has given. */
static bool is_attack(const struct json *doc)
{
    struct str name = json_get(doc, doc->nodes, STR("name"))->text;
    if (json_get(doc, doc->nodes, STR("policy")) || name.n < 4 ||
        !str_is(json_get(doc, doc->nodes, STR("expect"))->text, "deny"))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (i < name.n - 3 ? !ascii_alpha(name.p[i]) : !ascii_digit(name.p[i]))
            return false;
    return true;
}

/* The element of the list that names the text; NULL: none. */
static const struct json_node *named(const struct json_node *entry, const char *key,
                                     struct str text)
{
    const struct json_node *list = json_get(&exceptions, entry, str_of(key));
    for (const struct json_node *n = json_child(&exceptions, list); n;
         n = json_next(&exceptions, n))
        if (str_is(n->text, "*") || str_eq(n->text, text))
            return n;
    return NULL;
}

static bool is_exception(struct str attack)
{
    struct str plain = str_of(role_name(role)), prefix = STR("builtin:");
    if (str_starts(plain, prefix))
        plain = str_skip(plain, prefix.n);
    for (const struct json_node *n = json_child(&exceptions, exceptions.nodes); n;
         n = json_next(&exceptions, n)) {
        const struct json_node *by_attack = named(n, "attacks", attack);
        const struct json_node *by_role = named(n, "roles", plain);
        if (!by_attack || !by_role)
            continue;
        used[by_attack - exceptions.nodes][by_role - exceptions.nodes] = true;
        return true;
    }
    return false;
}

/* The labels by which roles tell what is theirs. */
static struct str labelled(struct str text, struct arena *arena)
{
    struct client_identity who = {.unix_peer = true};
    struct str key = STR("\"Labels\": {"), owner = policy_owner(role, NULL, &who, arena);
    size_t at = 0;
    while (at < text.n && !str_starts(str_skip(text, at), key))
        at++;
    if (at == text.n)
        return text;
    struct str rest = str_skip(text, at + key.n);
    struct str parts[] = {
        str_head(text, at + key.n),
        STR("\"autoheal\": \"true\", \"com.centurylinklabs.watchtower.enable\": \"true\", "
            "\"org.testcontainers\": \"true\", \"com.gitlab.gitlab-runner.managed\": \"true\", "
            "\"com.docker.compose.project\": \"app\", \"io.sockwarden.owner\": \""),
        owner.n ? owner : STR("x"),
        rest.p[0] == '}' ? STR("\"") : STR("\", "),
        rest,
    };
    return arena_join(arena, parts, ARRAY_LEN(parts));
}

static void answer(const struct request *request, struct facts *facts, const struct json *doc,
                   const struct json_node *own, struct arena *arena)
{
    bool wanted[FACTS_MAX];
    for (size_t i = 0; i < facts->count; i++)
        wanted[i] = facts->items[i].state == FACT_WANTED;
    facts_answer(request, facts, doc, own, arena);
    for (size_t i = 0; i < facts->count; i++)
        if (owned == OWNED_BY_HIM && wanted[i] && facts->items[i].state == FACT_FOUND)
            facts->items[i].text = labelled(facts->items[i].text, arena);
}

static enum verdict decide(const struct case_row *row, struct arena *arena, struct decision *out)
{
    struct request *request = arena_alloc(arena, 1, sizeof *request);
    struct facts *facts = arena_alloc(arena, 1, sizeof *facts);
    struct client_identity who = {.unix_peer = true};
    assert_non_null(request);
    assert_non_null(facts);
    memset(out, 0, sizeof *out);
    if (!request_parse(row->method, row->target, arena, request, out) ||
        !policy_precheck(role, request, arena, out) ||
        !request_check_content(request, row->type, row->body.n > 0, out))
        return VERDICT_DENY;
    if (request->route->body != BODY_OPAQUE && row->body.n > 0)
        request->body = row->body;
    *facts = (struct facts){.arena = arena, .owner = policy_owner(role, NULL, &who, arena)};
    policy_decide(role, request, facts, arena, out);
    for (int round = 0; out->verdict == VERDICT_NEED && round < FACT_ROUNDS_MAX; round++) {
        answer(request, facts, row->doc, json_get(row->doc, row->row, STR("facts")), arena);
        policy_decide(role, request, facts, arena, out);
    }
    return out->verdict;
}

/* An attack on the framing of requests: bytes, and no object that would have to be looked up. */
static enum verdict decide_raw(const struct json *doc, struct arena *arena, struct decision *out)
{
    struct case_row row = {.doc = doc, .row = doc->nodes};
    struct str coded = case_text(&row, "raw_base64");
    struct str raw = coded.p ? base64_decode(coded, arena) : case_text(&row, "raw");
    static const struct asker asker;
    struct client_role by = {.role = role, .who = &asker.identity};
    struct answer answer;
    struct arena question = {0};
    char *bytes = arena_alloc(arena, raw.n + 1, 1);
    assert_non_null(bytes);
    memcpy(bytes, raw.p, raw.n);
    question_judge(&by, NULL, bytes, raw.n, &question, &answer);
    *out = answer.decision;
    arena_free(&question);
    return out->verdict;
}

static void attack_role(const char *file, const struct json *doc)
{
    struct arena arena = {0};
    struct case_row row;
    struct decision decision;
    bool plain = case_read(&loaded, doc, &arena, &row);
    enum verdict verdict = VERDICT_DENY;
    if (plain)
        verdict = decide(&row, &arena, &decision);
    else if (owned == OWNED_BY_NOBODY && !row.method.p)
        verdict = decide_raw(doc, &arena, &decision);
    if (verdict != VERDICT_DENY && !is_exception(case_text(&row, "name")) &&
        ++passed <= FAILURES_SHOWN)
        print_error("%s lets %s/%.*s pass%s%s: %.*s\n", role_name(role), file,
                    STR_ARG(case_text(&row, "name")), owned ? " when it is his" : "",
                    verdict == VERDICT_NEED ? " as far as is known" : "",
                    STR_ARG(case_text(&row, "why")));
    arena_free(&arena);
}

static void attack(const char *file, const struct json *doc)
{
    if (!is_attack(doc))
        return;
    attacks++;
    for (size_t i = 0; (role = policy_role_at(policy, i)) != NULL; i++)
        for (owned = 0; owned < OWNED_COUNT; owned++)
            attack_role(file, doc);
}

static void each_file(void (*run)(const char *file, const struct json *doc))
{
    DIR *folder = opendir(source_path("tests/cases", ""));
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (str_ends(str_of(entry->d_name), STR(".jsonl")))
            case_each(entry->d_name, run);
    closedir(folder);
}

static void load_exceptions(void)
{
    struct err err = {0};
    struct str text = source_file("tests/cases/attacks", "exceptions.json", &exceptions_arena);
    if (!json_scan(text, &exceptions_arena, &exceptions, &err))
        fail_msg("exceptions.json:%d:%d: %s", err.line, err.column, err.text);
    assert_true(exceptions.count < ALLOWED_MAX);
}

/* An exception that nothing needs hides what comes later. */
static void exception_is_used(const struct json_node *entry)
{
    const struct json_node *attack_list = json_get(&exceptions, entry, STR("attacks"));
    const struct json_node *role_list = json_get(&exceptions, entry, STR("roles"));
    assert_non_null(json_get(&exceptions, entry, STR("why")));
    for (const struct json_node *a = json_child(&exceptions, attack_list); a;
         a = json_next(&exceptions, a))
        for (const struct json_node *r = json_child(&exceptions, role_list); r;
             r = json_next(&exceptions, r))
            if (!used[a - exceptions.nodes][r - exceptions.nodes])
                fail_msg("exceptions.json: %.*s refuses %.*s anyway", STR_ARG(r->text),
                         STR_ARG(a->text));
}

/* Each role as it is, and one without what it demands: an attack that is refused only because it
   lacks a label, a limit or the right name would pass with it. */
static void load_roles(void)
{
    static char text[64 << 10];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"version\": 1, \"roles\": {");
    for (size_t i = 0; builtin_role_name(i); i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "%s\"%s\": {\"extends\": \"builtin:%s\", \"containers\": {"
                              "\"names\": true, \"labels\": true, \"user\": true, "
                              "\"network_mode\": true, \"volumes\": true, "
                              "\"cap_drop\": {\"require\": []}, "
                              "\"security_opt\": {\"require\": []}, "
                              "\"read_only\": {\"require\": false}, \"mem_limit\": true, "
                              "\"cpus\": true, \"pids_limit\": true}}",
                              i ? ", " : "", builtin_role_name(i), builtin_role_name(i));
    n += (size_t)snprintf(text + n, sizeof text - n, "}}");
    assert_true(n < sizeof text);
    struct err_list errors = {0};
    policy = policy_load((struct str){text, n}, &errors);
    for (size_t i = 0; i < errors.count && !policy; i++)
        print_error("%s\n", errors.items[i].err.text);
    err_list_free(&errors);
    assert_non_null(policy);
}

static void attacks_are_refused(void **state)
{
    (void)state;
    load_roles();
    load_exceptions();
    each_file(attack);
    assert_true(attacks > 180);
    for (const struct json_node *n = json_child(&exceptions, exceptions.nodes); n;
         n = json_next(&exceptions, n))
        exception_is_used(n);
    policy_free(policy);
    case_policies_free(&loaded);
    arena_free(&exceptions_arena);
    assert_int_equal(passed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consumers_pass),
        cmocka_unit_test(cases_pass),
        cmocka_unit_test(attacks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
