/* The cases of tests/cases, in-process: verdict, status, field and rule of the library alone. Cases
   given as raw bytes, and those whose headers only the proxy reads, are left to tests/proxy. */
#include "case_helper.h"

#include <dirent.h>

enum { FAILURES_SHOWN = 60 };

static struct case_policies loaded;
static size_t cases_run, cases_skipped, cases_failed;

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
static const char *judge(const struct case_row *row, const struct decision *decision)
{
    bool allow = str_is(case_text(row, "expect"), "allow");
    if (allow)
        return decision->verdict == VERDICT_ALLOW ? NULL : "is refused";
    if (decision->verdict != VERDICT_DENY)
        return "is not refused";
    if (decision->status < 400 || decision->status > 499)
        return "has no status of a refusal";
    if (!decision->reason[0])
        return "has no reason";
    const struct json_node *status = json_get(row->doc, row->row, STR("status"));
    int64_t wanted;
    if (status && (!json_int(status, &wanted) || wanted != decision->status))
        return "has another status";
    struct str field = case_text(row, "field");
    if (field.p && !field_fits(decision->field, field))
        return "has another field";
    struct str rule = case_text(row, "rule");
    if (rule.p && (!decision->rule || !str_is(rule, decision->rule)))
        return "has another rule";
    return NULL;
}

static void run_case(const char *file, const struct json *doc)
{
    static struct request request;
    static struct decision decision;
    struct arena arena = {0};
    struct case_row row;
    if (!case_read(&loaded, doc, &arena, &row)) {
        cases_skipped++;
        arena_free(&arena);
        return;
    }
    case_decide(&row, &arena, &request, &decision);
    const char *wrong = judge(&row, &decision);
    cases_run++;
    if (wrong && ++cases_failed <= FAILURES_SHOWN)
        print_error("%s/%.*s %s: verdict %d, status %d, field \"%s\", rule %s, \"%s\" (%.*s)\n",
                    file, STR_ARG(case_text(&row, "name")), wrong, (int)decision.verdict,
                    decision.status, decision.field, decision.rule ? decision.rule : "none",
                    decision.reason, STR_ARG(case_text(&row, "why")));
    arena_free(&arena);
}

static void run_named(void **state)
{
    size_t failed = cases_failed;
    case_each(*state, run_case);
    assert_int_equal(cases_failed - failed, 0);
}

static int policies_free(void **state)
{
    (void)state;
    case_policies_free(&loaded);
    print_message("cases: %zu run, %zu left to tests/proxy, %zu failed\n", cases_run, cases_skipped,
                  cases_failed);
    return 0;
}

// clang-format off
static const char *const files[] = {
    "create.jsonl", "exec.jsonl", "images.jsonl", "volumes.jsonl", "networks.jsonl", "json.jsonl",
    "framing.jsonl", "targets.jsonl", "operations.jsonl", "benign.jsonl", "archive.jsonl",
    "build.jsonl", "second.jsonl", "fields.jsonl", "toplevel.jsonl", "params.jsonl", "routes.jsonl",
    "swarm.jsonl", "plugins.jsonl", "signed.jsonl", "stateful.jsonl", "stateful-disk.jsonl",
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
    DIR *folder = opendir(source_path("tests/cases", ""));
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct str name = str_of(entry->d_name);
        if (str_ends(name, STR(".jsonl")) && !file_is_named(name))
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
