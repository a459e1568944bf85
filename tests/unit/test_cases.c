/* The cases of tests/cases, in-process: verdict, status, field and rule of the library alone. Cases
   given as raw bytes, and those whose headers only the proxy reads, are left to tests/proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "policy.h"

enum { PATH_MAX_BYTES = 1024, POLICIES_MAX = 16, FAILURES_SHOWN = 60 };

struct loaded {
    char name[64];
    struct policy *policy;
};

static struct loaded loaded[POLICIES_MAX];
static size_t loaded_count;
static size_t cases_run, cases_skipped, cases_failed;

static const char *case_folder(void)
{
    static char path[PATH_MAX_BYTES];
    const char *root = getenv("SRCDIR");
    snprintf(path, sizeof path, "%s/tests/cases", root ? root : ".");
    return path;
}

static struct str file_read(const char *name, struct arena *arena)
{
    char path[PATH_MAX_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s", case_folder(), name);
    assert_true(length > 0 && (size_t)length < sizeof path);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s (SRCDIR is the root of the sources)", path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = arena_alloc(arena, size + 1, 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, file), size);
    fclose(file);
    return (struct str){text, size};
}

static const struct policy *policy_named(struct str name)
{
    for (size_t i = 0; i < loaded_count; i++)
        if (str_is(name, loaded[i].name))
            return loaded[i].policy;
    assert_true(loaded_count < POLICIES_MAX);
    struct loaded *slot = &loaded[loaded_count++];
    snprintf(slot->name, sizeof slot->name, "%.*s", STR_ARG(name));
    struct arena arena = {0};
    struct err_list errors = {0};
    slot->policy = policy_load(file_read(slot->name, &arena), &errors);
    for (size_t i = 0; i < errors.count; i++)
        print_error("%s:%d:%d: %s\n", slot->name, errors.items[i].err.line,
                    errors.items[i].err.column, errors.items[i].err.text);
    err_list_free(&errors);
    arena_free(&arena);
    assert_non_null(slot->policy);
    return slot->policy;
}

/* ---- the texts of a case ------------------------------------------------------------------- */

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static struct str base64_decode(struct str text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.n + 1, 1);
    assert_non_null(out);
    size_t n = 0;
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < text.n && text.p[i] != '='; i++) {
        int value = base64_value(text.p[i]);
        assert_true(value >= 0);
        bits = (bits << 6 | (unsigned)value) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[n++] = (char)(unsigned char)(bits >> count & 0xff);
        }
    }
    return (struct str){out, n};
}

/* %PADn% stands for n times 'a'; a text holds it once at most. */
static struct str pad_expand(struct str text, struct arena *arena)
{
    for (size_t at = 0; at < text.n; at++) {
        struct str rest = str_skip(text, at);
        if (!str_starts(rest, STR("%PAD")))
            continue;
        struct str tail = str_skip(rest, 4);
        size_t digits = str_find(tail, '%');
        int64_t count = 0;
        if (digits == tail.n || !str_to_int(str_head(tail, digits), &count))
            continue;
        tail = str_skip(tail, digits + 1);
        size_t pad = (size_t)count;
        char *out = arena_alloc(arena, at + pad + tail.n + 1, 1);
        assert_non_null(out);
        memcpy(out, text.p, at);
        memset(out + at, 'a', pad);
        if (tail.n)
            memcpy(out + at + pad, tail.p, tail.n);
        return (struct str){out, at + pad + tail.n};
    }
    return text;
}

static struct str text_of(const struct json *doc, const struct json_node *row, const char *name)
{
    const struct json_node *node = json_get(doc, row, str_of(name));
    return node && node->kind == JSON_STRING ? node->text : (struct str){NULL, 0};
}

static struct str body_of(const struct json *doc, const struct json_node *row, struct arena *arena)
{
    struct str coded = text_of(doc, row, "body_base64");
    if (coded.p)
        return base64_decode(coded, arena);
    struct str plain = text_of(doc, row, "body");
    return plain.p ? pad_expand(plain, arena) : plain;
}

/* False when a header is one that only the proxy reads. */
static bool headers_read(const struct json *doc, const struct json_node *row, struct str body,
                         struct str *type)
{
    const struct json_node *headers = json_get(doc, row, STR("headers"));
    *type = (struct str){NULL, 0};
    if (!headers) {
        if (body.n)
            *type = STR("application/json");
        return true;
    }
    for (const struct json_node *at = json_child(doc, headers); at; at = json_next(doc, at)) {
        if (str_ieq(at->key, STR("Content-Type")))
            *type = at->text;
        else if (!str_ieq(at->key, STR("X-Registry-Auth")))
            return false;
    }
    return true;
}

/* ---- one case ------------------------------------------------------------------------------ */

static void decide(const struct role *role, struct str method, struct str target, struct str type,
                   struct str body, struct arena *arena, struct decision *decision)
{
    static struct request request;
    memset(&request, 0, sizeof request);
    if (!request_parse(method, target, arena, &request, decision))
        return;
    if (!policy_precheck(role, &request, arena, decision))
        return;
    if (!request_check_content(&request, type, body.n > 0, decision))
        return;
    if (request.route->body != BODY_OPAQUE && body.n > 0)
        request.body = body;
    policy_decide(role, &request, arena, decision);
}

/* Without "[...]": list indexes count for nothing. */
static struct str field_plain(const char *field, char *dst, size_t cap)
{
    size_t n = 0;
    bool inside = false;
    for (const char *at = field; *at && n + 1 < cap; at++) {
        inside = inside || *at == '[';
        if (!inside)
            dst[n++] = *at;
        if (*at == ']')
            inside = false;
    }
    dst[n] = '\0';
    return (struct str){dst, n};
}

static bool field_fits(const char *got, struct str wanted)
{
    char plain[FIELD_MAX];
    struct str field = field_plain(got, plain, sizeof plain);
    return str_starts(field, wanted) && (field.n == wanted.n || field.p[wanted.n] == '.');
}

/* What is wrong, or NULL. */
static const char *judge(const struct json *doc, const struct json_node *row,
                         const struct decision *decision)
{
    bool allow = str_is(text_of(doc, row, "expect"), "allow");
    if (allow)
        return decision->verdict == VERDICT_ALLOW ? NULL : "is refused";
    if (decision->verdict != VERDICT_DENY)
        return "is not refused";
    if (decision->status < 400 || decision->status > 499)
        return "has no status of a refusal";
    if (!decision->reason[0])
        return "has no reason";
    const struct json_node *status = json_get(doc, row, STR("status"));
    int64_t wanted;
    if (status && (!json_int(status, &wanted) || wanted != decision->status))
        return "has another status";
    struct str field = text_of(doc, row, "field");
    if (field.p && !field_fits(decision->field, field))
        return "has another field";
    struct str rule = text_of(doc, row, "rule");
    if (rule.p && (!decision->rule || !str_is(rule, decision->rule)))
        return "has another rule";
    return NULL;
}

static void run_case(const char *file, const struct json *doc, const struct json_node *row)
{
    struct arena arena = {0};
    struct str body = body_of(doc, row, &arena), type;
    struct str method = text_of(doc, row, "method");
    if (!method.p || !headers_read(doc, row, body, &type)) {
        cases_skipped++;
        arena_free(&arena);
        return;
    }
    struct str name = text_of(doc, row, "policy");
    const struct policy *policy = policy_named(name.p ? name : STR("reference.json"));
    static struct decision decision;
    memset(&decision, 0, sizeof decision);
    decide(policy_default_role(policy), method, pad_expand(text_of(doc, row, "target"), &arena),
           type, body, &arena, &decision);
    const char *wrong = judge(doc, row, &decision);
    cases_run++;
    if (wrong && ++cases_failed <= FAILURES_SHOWN)
        print_error("%s/%.*s %s: verdict %d, status %d, field \"%s\", rule %s, \"%s\" (%.*s)\n",
                    file, STR_ARG(text_of(doc, row, "name")), wrong, (int)decision.verdict,
                    decision.status, decision.field, decision.rule ? decision.rule : "none",
                    decision.reason, STR_ARG(text_of(doc, row, "why")));
    arena_free(&arena);
}

static void run_file(const char *name)
{
    struct arena text_arena = {0};
    struct str text = file_read(name, &text_arena);
    for (int line = 1; text.n; line++) {
        size_t n = str_find(text, '\n');
        struct arena arena = {0};
        struct json doc;
        struct err err = {0};
        if (!json_scan(str_head(text, n), &arena, &doc, &err))
            fail_msg("%s:%d:%d: %s", name, line, err.column, err.text);
        run_case(name, &doc, &doc.nodes[0]);
        arena_free(&arena);
        text = str_skip(text, n + 1);
    }
    arena_free(&text_arena);
}

static void run_named(void **state)
{
    size_t failed = cases_failed;
    run_file(*state);
    assert_int_equal(cases_failed - failed, 0);
}

static int policies_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < loaded_count; i++)
        policy_free(loaded[i].policy);
    print_message("cases: %zu run, %zu left to tests/proxy, %zu failed\n", cases_run, cases_skipped,
                  cases_failed);
    return 0;
}

// clang-format off
static const char *const files[] = {
    "create.jsonl", "exec.jsonl", "images.jsonl", "volumes.jsonl", "networks.jsonl", "json.jsonl",
    "framing.jsonl", "targets.jsonl", "operations.jsonl", "benign.jsonl", "archive.jsonl",
};
// clang-format on

static bool file_is_named(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (str_is(name, files[i]))
            return true;
    return false;
}

static void every_file_is_run(void **state)
{
    (void)state;
    DIR *folder = opendir(case_folder());
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct str name = str_of(entry->d_name);
        if (str_ends(name, STR(".jsonl")) && !str_is(name, "stateful.jsonl") &&
            !file_is_named(name))
            fail_msg("%s is run by nobody", entry->d_name);
    }
    closedir(folder);
    assert_true(cases_run > 500);
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LEN(files) + 1];
    memset(tests, 0, sizeof tests);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        tests[i] =
            (struct CMUnitTest){files[i], run_named, NULL, NULL, (void *)(uintptr_t)files[i]};
    tests[ARRAY_LEN(files)] =
        (struct CMUnitTest){"every file is run", every_file_is_run, NULL, NULL, NULL};
    return cmocka_run_group_tests(tests, NULL, policies_free);
}
