/* sockwarden test --policy: would a policy let through what audit logs hold? A line tells
   operation, client and what the request needs of a role, and so much is judged. Names, labels,
   environment, limits, owners and what a decision looks up are not in it. */
#include "cmd.h"

#include "audit_entry.h"

#include <stdarg.h>
#include <stdio.h>

struct log_test {
    const struct policy *policy;
    const char *path;
    bool verbose;
    size_t passed, failed;
};

enum { WHY_MAX = 768 };

/* Always false. */
PRINTF_LIKE(2, 3)
static bool differ(char why[WHY_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, WHY_MAX, format, args);
    va_end(args);
    return false;
}

static const struct role *role_of(const struct policy *policy, const struct audit_entry *entry)
{
    const struct client_label labels[] = {
        {STR("com.docker.compose.project"), entry->compose_project},
        {STR("com.docker.compose.service"), entry->compose_service}};
    const struct client_identity who = {
        .unix_peer = entry->has_uid,
        .uid = (uint32_t)entry->uid,
        .gid = (uint32_t)entry->gid,
        .address = entry->address,
        .listener = entry->listener,
        .cert_cn = entry->cert_cn,
        .cert_spki = entry->cert_spki,
        .container_name = entry->container_name,
        .container_labels = labels,
        .container_label_count =
            entry->compose_project.p && entry->compose_service.p ? ARRAY_LEN(labels) : 0};
    return policy_client(policy, &who).role;
}

static bool uses_pass(const struct role *role, const struct audit_entry *entry, char why[WHY_MAX])
{
    struct audit_use_at at = {NULL, NULL};
    struct use use;
    char shown[VALUE_MAX];
    while (audit_entry_use(entry, &at, &use))
        if (!role_opens_use(role, &use))
            return differ(why, "role \"%s\" does not open %s%s%s%s%s", role_name(role), use.key,
                          use.value.p ? " to \"" : "",
                          use.value.p ? text_shorten(shown, sizeof(shown), use.value) : "",
                          use.value.p ? "\"" : "", use.read_only ? ", read-only" : "");
    if (entry->uses_lack.n == 0)
        return true;
    return differ(why, "may be refused: %s", text_sentence(shown, sizeof(shown), entry->uses_lack));
}

static bool passes(const struct policy *policy, const struct audit_entry *entry, char why[WHY_MAX])
{
    if (entry->op == OP_COUNT)
        return differ(why, "is an operation that this version does not know");
    const struct role *role = role_of(policy, entry);
    if (!role)
        return differ(why, "no entry of \"clients\" matches who asked, and there is no role "
                           "\"default\"");
    if (!role_allows(role, entry->op))
        return differ(why, "role \"%s\" does not allow the operation", role_name(role));
    return uses_pass(role, entry, why);
}

static void test_entry(void *arg, const struct audit_entry *entry)
{
    struct log_test *test = arg;
    const char *op = entry->op < OP_COUNT ? operation_name(entry->op) : "a request";
    char why[WHY_MAX];
    if (!entry->allow)
        return; /* refused then: nobody missed it */
    bool good = passes(test->policy, entry, why);
    test->passed += good;
    test->failed += !good;
    if (!good)
        printf("%s:%llu: %s: %s\n", test->path, (unsigned long long)entry->line, op, why);
    else if (test->verbose)
        printf("ok %s:%llu: %s\n", test->path, (unsigned long long)entry->line, op);
}

static int test_files(struct log_test *test, char **paths, int count)
{
    for (int i = 0; i < count; i++) {
        struct audit_reading reading;
        struct err err = {0};
        test->path = paths[i];
        if (!audit_file_read(paths[i], test_entry, test, &reading, &err))
            return cmd_fail(EXIT_FAILED, "%s", err.text);
        audit_reading_tell(paths[i], &reading);
    }
    printf("%zu passed, %zu failed\n", test->passed, test->failed);
    if (test->passed + test->failed == 0)
        return cmd_fail(EXIT_FAILED, "the logs hold no allowed request, so nothing was tested");
    return test->failed ? EXIT_FAILED : EXIT_OK;
}

int test_logs(const char *file, bool verbose, char **paths, int count)
{
    char hash[65];
    struct policy *policy = policy_read(file, hash);
    struct log_test test = {.policy = policy, .verbose = verbose};
    if (!policy)
        return EXIT_FAILED;
    int status = test_files(&test, paths, count);
    policy_free(policy);
    return status;
}
