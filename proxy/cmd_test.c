/* sockwarden test: runs policy cases that a user has written for the own policy. What --policy does
   with audit logs stands in cmd_test_log.c. */
#include "cmd.h"

#include "case_file.h"
#include "redact.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct tally {
    size_t passed, failed;
    bool verbose;
};

enum { WHY_MAX = REASON_MAX + 512 };

/* Why a case failed. Always false. */
PRINTF_LIKE(2, 3)
static bool differ(char why[WHY_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, WHY_MAX, format, args);
    va_end(args);
    return false;
}

/* ---- field paths --------------------------------------------------------------------------- */

/* The next byte of a path without its [indexes]; 0 at the end. */
static char next_plain(struct str *path)
{
    while (path->n && path->p[0] == '[')
        *path = str_skip(*path, str_find(*path, ']') + 1);
    char c = path->n ? path->p[0] : '\0';
    *path = str_skip(*path, 1);
    return c;
}

/* Is field the wanted one or deeper in it? Indexes count for nothing. */
static bool field_matches(struct str field, struct str wanted)
{
    for (;;) {
        char want = next_plain(&wanted), got = next_plain(&field);
        if (!want)
            return !got || got == '.';
        if (want != got)
            return false;
    }
}

/* ---- comparing ----------------------------------------------------------------------------- */

/* Text behind `expected`: "deny of HostConfig.Binds by containers.binds". */
static const char *verdict_text(char *dst, size_t cap, const char *verdict, struct str field,
                                struct str rule)
{
    char shown_field[FIELD_MAX], shown_rule[96];
    snprintf(dst, cap, "%s%s%s%s%s", verdict, field.n ? " of " : "",
             field.n ? text_shorten(shown_field, sizeof(shown_field), field) : "",
             rule.n ? " by " : "",
             rule.n ? text_shorten(shown_rule, sizeof(shown_rule), rule) : "");
    return dst;
}

static bool compare_text(const char *what, struct str wanted, const char *got, const char *reason,
                         char why[WHY_MAX])
{
    char shown[FIELD_MAX];
    if (!wanted.p || str_is(wanted, got ? got : ""))
        return true;
    return differ(why, "expected %s %s, got %s%s%s%s%s", what,
                  text_shorten(shown, sizeof(shown), wanted), got && got[0] ? what : "none",
                  got && got[0] ? " " : "", got && got[0] ? got : "", reason[0] ? ": " : "",
                  reason);
}

/* A request that is not one, or of an unknown path, says nothing of the policy: a slip in the case
   would pass as a refusal. */
static bool compare_refusal(const struct policy_case *one, const struct answer *answer,
                            char why[WHY_MAX])
{
    const struct decision *got = &answer->decision;
    const struct json_node *status = one->given[CASE_STATUS];
    struct str field = case_text(one, CASE_FIELD);
    int64_t wanted = 0;
    int given = got->status ? got->status : 403;
    char shown[FIELD_MAX];
    if (!status && !field.p && !one->given[CASE_RULE] && (given != 403 || !answer->request))
        return differ(why,
                      "expected deny by the policy, got %d for the request itself: %s; if that is "
                      "meant, write \"status\": %d",
                      given, got->reason, given);
    if (status && json_int(status, &wanted) && wanted != given)
        return differ(why, "expected status %d, got %d: %s", (int)wanted, given, got->reason);
    if (field.p && !field_matches(str_of(got->field), field))
        return differ(why, "expected deny of %s, got deny of %s: %s",
                      text_shorten(shown, sizeof(shown), field),
                      got->field[0] ? got->field : "no field", got->reason);
    return compare_text("rule", case_text(one, CASE_RULE), got->rule, got->reason, why);
}

/* "need of container \"web\"": what was not known. */
static const char *need_text(char *dst, size_t cap, const struct facts *facts)
{
    char shown[VALUE_MAX];
    size_t used = (size_t)snprintf(dst, cap, "need of");
    const char *before = "";
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->state != FACT_WANTED || used >= cap)
            continue;
        used +=
            (size_t)snprintf(dst + used, cap - used, "%s %s", before, fact_kind_name(fact->kind));
        if (fact->name.n > 0 && used < cap)
            used += (size_t)snprintf(dst + used, cap - used, " \"%s\"",
                                     text_shorten(shown, sizeof(shown), fact->name));
        before = ",";
    }
    return dst;
}

static bool compare_verdict(const struct policy_case *one, const struct answer *answer,
                            char why[WHY_MAX])
{
    static const char *const verdicts[] = {
        [VERDICT_DENY] = "deny", [VERDICT_ALLOW] = "allow", [VERDICT_NEED] = "need"};
    const struct decision *got = &answer->decision;
    const struct role *role = answer->by.role;
    struct str expect = case_text(one, CASE_EXPECT);
    char text[512], wanted[512];
    if (str_is(expect, verdicts[got->verdict]))
        return true;
    verdict_text(wanted, sizeof(wanted),
                 str_is(expect, "allow")  ? "allow"
                 : str_is(expect, "deny") ? "deny"
                                          : "need",
                 case_text(one, CASE_FIELD), case_text(one, CASE_RULE));
    if (got->verdict == VERDICT_NEED)
        return differ(why, "expected %s, got %s: give it in \"facts\"", wanted,
                      need_text(text, sizeof(text), &answer->facts));
    if (got->verdict == VERDICT_ALLOW)
        return differ(why, "expected %s, got allow by role \"%s\"", wanted,
                      role ? role_name(role) : "");
    return differ(why, "expected %s, got %s: %s", wanted,
                  verdict_text(text, sizeof(text), "deny", str_of(got->field), str_of(got->rule)),
                  got->reason);
}

/* "env,binds": what the answer to the request is emptied of. */
static bool compare_redacted(const struct policy_case *one, const struct answer *answer,
                             char why[WHY_MAX])
{
    char text[32] = "";
    size_t n = 0;
    unsigned kinds = answer->request ? role_redacts(answer->by.role) : 0;
    for (unsigned i = 0; i < REDACT_KINDS; i++)
        if (redact_way(kinds & BIT(i), answer->request ? answer->request->route->op : 0, NULL) !=
            REDACT_NOTHING)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? "," : "",
                                  redact_name(BIT(i)));
    return compare_text("redaction", case_text(one, CASE_REDACTED), text, "", why);
}

static bool compare(const struct policy_case *one, const struct answer *answer, char why[WHY_MAX])
{
    const struct decision *got = &answer->decision;
    const char *role = answer->by.role ? role_name(answer->by.role) : NULL;
    const char *operation = answer->request ? operation_name(answer->request->route->op) : NULL;
    return compare_verdict(one, answer, why) &&
           compare_text("role", case_text(one, CASE_EXPECT_ROLE), role, got->reason, why) &&
           compare_text("client", case_text(one, CASE_EXPECT_CLIENT), answer->by.client,
                        got->reason, why) &&
           (got->verdict != VERDICT_DENY || compare_refusal(one, answer, why)) &&
           compare_redacted(one, answer, why) &&
           compare_text("operation", case_text(one, CASE_OPERATION), operation, got->reason, why);
}

/* ---- running ------------------------------------------------------------------------------- */

static bool run_case(const struct case_file *file, const struct policy_case *one,
                     struct arena *arena, char why[WHY_MAX])
{
    size_t n = 0;
    struct answer answer;
    char *bytes = case_bytes(file, one, &n);
    if (!bytes)
        return differ(why, "out of memory");
    question_judge(&one->by, one->known, bytes, n, arena, &answer);
    bool good = compare(one, &answer, why);
    free(bytes);
    return good;
}

/* Lines of an audit log begin like this, whatever their record. */
static void hint_at_log(const char *path, const struct document *document)
{
    struct str text = {document->text, document->length};
    struct str line = str_head(text, str_find(text, '\n'));
    bool record = false;
    for (struct str rest = line; rest.n > 0 && !record; rest = str_skip(rest, 1))
        record = str_starts(rest, STR("\"record\":\""));
    if (record && str_starts(line, STR("{\"time\":\"")))
        fprintf(stderr,
                "%s: this looks like an audit log, and which policy is to be tried on it is not "
                "said: sockwarden test --policy FILE AUDITLOG...\n",
                path);
}

/* A file with errors runs no case, and counts as one that failed. */
static void run_file(const char *path, struct tally *tally)
{
    struct case_file file;
    struct arena arena = {.head = NULL};
    char why[WHY_MAX], name[256];
    bool readable = case_file_read(path, &file);
    for (size_t i = 0; readable && i < file.count; i++) {
        const struct policy_case *one = &file.cases[i];
        bool good = run_case(&file, one, &arena, why);
        text_shorten(name, sizeof(name), case_text(one, CASE_NAME));
        tally->passed += good;
        tally->failed += !good;
        if (!good)
            printf("%s:%d: %s: %s\n", path, one->line, name, why);
        else if (tally->verbose)
            printf("ok %s:%d: %s\n", path, one->line, name);
    }
    tally->failed += !readable;
    if (!readable)
        hint_at_log(path, &file.document);
    arena_free(&arena);
    case_file_free(&file);
}

/* Options out, files to the front. The count of files; -1: an error, told. */
static int read_options(int argc, char **argv, bool *verbose, const char **policy)
{
    int files = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0 || strcmp(argv[i], "--verbose") == 0)
            *verbose = true;
        else if (str_starts(str_of(argv[i]), STR("--policy=")))
            *policy = argv[i] + strlen("--policy=");
        else if (strcmp(argv[i], "--policy") == 0 && i + 1 < argc)
            *policy = argv[++i];
        else if (strcmp(argv[i], "--policy") == 0)
            return cmd_fail(-1, "--policy wants a value: --policy FILE");
        else if (argv[i][0] == '-' && argv[i][1])
            return cmd_fail(-1, "test has no option %s", argv[i]);
        else
            argv[files++] = argv[i];
    }
    return files > 0 ? files
                     : cmd_fail(-1, "test wants at least one file: sockwarden test CASEFILE..., or "
                                    "sockwarden test --policy FILE AUDITLOG...");
}

int cmd_test(int argc, char **argv)
{
    struct tally tally = {0, 0, false};
    const char *policy = NULL;
    int files = read_options(argc, argv, &tally.verbose, &policy);
    if (files < 0)
        return EXIT_USAGE;
    if (policy)
        return test_logs(policy, tally.verbose, argv, files);
    for (int i = 0; i < files; i++)
        run_file(argv[i], &tally);
    printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
    return tally.failed ? EXIT_FAILED : EXIT_OK;
}
