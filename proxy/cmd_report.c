/* sockwarden report: what of a policy's roles the audit logs never used, and what was denied. */
#include "cmd.h"

#include "learn.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENTRY_SHOWN = 160, REASON_SHOWN = 200 };

struct report {
    const struct json *doc; /* the policy */
    struct learned *learned;
    struct json_out *json;         /* NULL: as text */
    const struct learn_role *role; /* being reported; NULL: it is not in the logs */
    struct use *uses;              /* of the role */
    size_t use_count;
};

/* ---- uses of a role -------------------------------------------------------------------------- */

static bool find_role(struct report *report, struct str name)
{
    struct learned *learned = report->learned;
    report->role = NULL;
    report->use_count = 0;
    for (size_t i = 0; i < learned->role_count; i++)
        if (str_eq(learned->roles[i].name, name))
            report->role = &learned->roles[i];
    if (!report->role)
        return true;
    size_t index = (size_t)(report->role - learned->roles);
    report->uses = arena_alloc(&learned->arena, learned->use_count + 1, sizeof(struct use));
    for (size_t i = 0; report->uses && i < LEARN_USES_MAX; i++)
        if (learned->uses[i].count > 0 && learned->uses[i].role == index)
            report->uses[report->use_count++] = learned->uses[i].use;
    return report->uses != NULL;
}

static bool key_is_used(const struct report *report, const char *key)
{
    for (size_t i = 0; i < report->use_count; i++)
        if (strcmp(report->uses[i].key, key) == 0)
            return true;
    return false;
}

/* ---- what is told ---------------------------------------------------------------------------- */

static void tell_unused(const struct report *report, const char *key, struct str entry)
{
    char shown[ENTRY_SHOWN];
    if (!report->json) {
        printf("  never used  %-28s \"%s\"\n", key, text_shorten(shown, sizeof(shown), entry));
        return;
    }
    json_out_open(report->json, '{');
    json_out_member(report->json, "key", str_of(key));
    json_out_member(report->json, "entry", entry);
    json_out_close(report->json, '}');
}

static void report_allow(const struct report *report, const struct json_node *allow)
{
    for (const struct json_node *n = json_child(report->doc, allow); n;
         n = json_next(report->doc, n)) {
        bool used = false;
        for (unsigned op = 0; op < OP_COUNT && report->role; op++)
            used |= report->role->ops[op] > 0 && policy_allow_holds(n->text, (enum operation)op);
        if (!used)
            tell_unused(report, "allow", n->text);
    }
}

static void report_open(const struct report *report, const struct json_node *open)
{
    for (const struct json_node *n = json_child(report->doc, open); n;
         n = json_next(report->doc, n)) {
        bool used = false;
        for (size_t i = 0; i < report->use_count; i++)
            used |=
                strcmp(report->uses[i].key, "open") == 0 && str_eq(report->uses[i].value, n->text);
        if (!used)
            tell_unused(report, "open", n->text);
    }
}

static struct str entry_text(const struct report *report, const struct json_node *entry)
{
    const struct json_node *source = json_get(report->doc, entry, STR("source"));
    return source ? source->text : entry->text;
}

/* true, a list, or {"allow": list}; the rest opens nothing. */
static void report_key(const struct report *report, const char *key, const struct json_node *value)
{
    const struct json_node *list = json_get(report->doc, value, STR("allow"));
    list = list ? list : value;
    if (value->kind == JSON_TRUE && !key_is_used(report, key))
        tell_unused(report, key, STR("true"));
    if (list->kind != JSON_ARRAY)
        return;
    for (const struct json_node *n = json_child(report->doc, list); n;
         n = json_next(report->doc, n))
        if (policy_entry_uses(key, report->doc, n, report->uses, report->use_count) == 0)
            tell_unused(report, key, entry_text(report, n));
}

/* Keys whose use no audit line tells (names, labels, limits) are passed over; so are log options,
   of which it tells the safe ones only with their values. */
static void report_group(const struct report *report, const struct json_node *group)
{
    for (const struct json_node *n = json_child(report->doc, group); n;
         n = json_next(report->doc, n)) {
        char key[96];
        enum use_shape shape;
        snprintf(key, sizeof(key), "%.*s.%.*s", STR_ARG(group->key), STR_ARG(n->key));
        if (policy_learns(key, &shape) && strcmp(key, "containers.log_options") != 0)
            report_key(report, key, n);
    }
}

static void report_members(const struct report *report, const struct json_node *role)
{
    for (const struct json_node *n = json_child(report->doc, role); n;
         n = json_next(report->doc, n)) {
        if (str_is(n->key, "allow"))
            report_allow(report, n);
        else if (str_is(n->key, "open"))
            report_open(report, n);
        else if (str_is(n->key, "archive") && n->kind == JSON_TRUE &&
                 !key_is_used(report, "archive"))
            tell_unused(report, "archive", STR("true"));
        else if (n->kind == JSON_OBJECT)
            report_group(report, n);
    }
}

/* Behind the list: in requests that did not tell all their uses, what it names may have been used.
 */
static void tell_lacking(const struct report *report)
{
    const struct learned *learned = report->learned;
    uint64_t count = 0;
    for (size_t i = 0; report->role && i < learned->reason_count; i++)
        if (learned->reasons[i].kind == LEARN_LACK &&
            &learned->roles[learned->reasons[i].role] == report->role)
            count += learned->reasons[i].count;
    if (report->json) {
        json_out_key(report->json, "lacking");
        json_out_uint(report->json, count);
    } else if (count > 0) {
        printf("  of %llu requests not all uses are known (uses_lack): keys may have been used\n",
               (unsigned long long)count);
    }
}

static bool report_role(struct report *report, const struct json_node *role)
{
    char shown[ENTRY_SHOWN];
    if (!find_role(report, role->key))
        return false;
    uint64_t requests = report->role ? report->role->requests : 0;
    uint64_t would_deny = report->role ? report->role->would_deny : 0;
    if (report->json) {
        json_out_open(report->json, '{');
        json_out_member(report->json, "name", role->key);
        json_out_key(report->json, "requests");
        json_out_uint(report->json, requests);
        json_out_key(report->json, "would_deny");
        json_out_uint(report->json, would_deny);
        json_out_key(report->json, "unused");
        json_out_open(report->json, '[');
    } else {
        printf("role %s: %llu allowed requests, %llu of them would be denied\n",
               text_shorten(shown, sizeof(shown), role->key), (unsigned long long)requests,
               (unsigned long long)would_deny);
    }
    report_members(report, role);
    if (report->json)
        json_out_close(report->json, ']');
    tell_lacking(report);
    if (report->json)
        json_out_close(report->json, '}');
    return true;
}

/* Roles of the logs that the policy does not write: built-in ones, and those of the policy of that
   time. */
static void report_others(const struct report *report, const struct json_node *roles)
{
    const struct learned *learned = report->learned;
    struct json_out *json = report->json;
    if (json) {
        json_out_key(json, "other_roles");
        json_out_open(json, '[');
    }
    for (size_t i = 0; i < learned->role_count; i++) {
        const struct learn_role *role = &learned->roles[i];
        char shown[ENTRY_SHOWN];
        if (role->requests == 0 || json_get(report->doc, roles, role->name))
            continue;
        if (json) {
            json_out_open(json, '{');
            json_out_member(json, "name", role->name);
            json_out_key(json, "requests");
            json_out_uint(json, role->requests);
            json_out_close(json, '}');
        } else {
            printf("role %s is not written in this policy: its %llu allowed requests count for "
                   "nothing above\n",
                   text_shorten(shown, sizeof(shown), role->name),
                   (unsigned long long)role->requests);
        }
    }
    if (json)
        json_out_close(json, ']');
}

/* ---- refusals -------------------------------------------------------------------------------- */

static int reason_order(const void *left, const void *right)
{
    const struct learn_reason *a = left, *b = right;
    return (a->count < b->count) - (a->count > b->count);
}

static void tell_reason(const struct report *report, const struct learn_reason *reason)
{
    struct str role = report->learned->roles[reason->role].name;
    const char *op = reason->op < OP_COUNT ? operation_name(reason->op) : "-";
    char name[64], text[REASON_SHOWN], rule[64];
    struct json_out *json = report->json;
    if (!json) {
        printf("  %8llu  %-16s %-20s %-24s %s\n", (unsigned long long)reason->count,
               text_shorten(name, sizeof(name), role.n ? role : STR("-")), op,
               text_shorten(rule, sizeof(rule), reason->rule.n ? reason->rule : STR("-")),
               text_sentence(text, sizeof(text), reason->text));
        return;
    }
    json_out_open(json, '{');
    json_out_key(json, "count");
    json_out_uint(json, reason->count);
    json_out_member(json, "role", role);
    json_out_member(json, "operation", str_of(op));
    json_out_member(json, "rule", reason->rule);
    json_out_member(json, "reason", reason->text);
    json_out_close(json, '}');
}

static void report_reasons(const struct report *report, enum learn_kind kind, const char *name,
                           const char *title)
{
    const struct learned *learned = report->learned;
    size_t count = 0;
    for (size_t i = 0; i < learned->reason_count; i++)
        count += learned->reasons[i].kind == kind;
    if (report->json) {
        json_out_key(report->json, name);
        json_out_open(report->json, '[');
    } else if (count > 0) {
        printf("%s\n  %8s  %-16s %-20s %-24s %s\n", title, "count", "role", "operation", "rule",
               "reason of the first");
    } else {
        printf("%s: none\n", title);
    }
    for (size_t i = 0; i < learned->reason_count; i++)
        if (learned->reasons[i].kind == kind)
            tell_reason(report, &learned->reasons[i]);
    if (report->json)
        json_out_close(report->json, ']');
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool report_all(struct report *report)
{
    const struct json_node *roles = json_get(report->doc, report->doc->nodes, STR("roles"));
    bool ok = true;
    if (report->json) {
        json_out_open(report->json, '{');
        json_out_key(report->json, "roles");
        json_out_open(report->json, '[');
    }
    for (const struct json_node *n = roles ? json_child(report->doc, roles) : NULL; n && ok;
         n = json_next(report->doc, n))
        ok = str_is(n->key, "description") || report_role(report, n);
    if (report->json)
        json_out_close(report->json, ']');
    report_others(report, roles);
    report_reasons(report, LEARN_DENIED, "denied", "denied");
    report_reasons(report, LEARN_WOULD_DENY, "would_deny", "would be denied (--mode audit)");
    if (report->json)
        json_out_close(report->json, '}');
    return ok;
}

static int print_json(const struct report *as_text)
{
    struct json_out out = {.p = NULL};
    struct report report = *as_text;
    report.json = &out;
    bool ok = report_all(&report); /* how long it is */
    size_t cap = out.len;
    out = (struct json_out){.p = malloc(cap + 1), .cap = cap};
    ok = ok && out.p && report_all(&report) && out.len <= cap &&
         learned_print((struct str){out.p, out.len}, stdout);
    free(out.p);
    return ok ? EXIT_OK : cmd_fail(EXIT_FAILED, "out of memory");
}

static int report_policy(const char *file, struct str text, struct learned *learned, bool json)
{
    struct arena arena = {0};
    struct json doc;
    struct err err = {0};
    struct report report = {.doc = &doc, .learned = learned};
    int status = EXIT_OK;
    qsort(learned->reasons, learned->reason_count, sizeof(learned->reasons[0]), reason_order);
    if (!json_scan(text, &arena, &doc, &err))
        status = cmd_fail(EXIT_FAILED, "%s:%d:%d: %s", file, err.line, err.column, err.text);
    else if (json)
        status = print_json(&report);
    else if (!report_all(&report))
        status = cmd_fail(EXIT_FAILED, "out of memory");
    arena_free(&arena);
    return status;
}

/* A policy with errors opens nothing, so nothing could be said of it. */
static bool policy_loads(const char *file)
{
    char hash[65];
    struct policy *policy = policy_read(file, hash);
    policy_free(policy);
    return policy != NULL;
}

int cmd_report(int argc, char **argv)
{
    const char *file = NULL;
    bool json = false;
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--json") == 0)
            json = true;
        else if (strcmp(argv[at], "--policy") != 0)
            return cmd_fail(EXIT_USAGE, "report has no option %s", argv[at]);
        else if (++at < argc)
            file = argv[at];
        else
            return cmd_fail(EXIT_USAGE, "--policy wants a value: --policy FILE");
    }
    if (!file || at == argc)
        return cmd_fail(EXIT_USAGE, "report wants a policy and audit logs: sockwarden report "
                                    "--policy FILE [--json] AUDITLOG...");
    struct err err = {0};
    size_t length = 0;
    char *text = policy_loads(file) ? file_read(file, POLICY_FILE_MAX, &length, &err) : NULL;
    if (!text)
        return err.set ? cmd_fail(EXIT_FAILED, "%s", err.text) : EXIT_FAILED;
    struct learned *learned = learned_new(true);
    int status = EXIT_FAILED;
    if (!learned)
        cmd_fail(EXIT_FAILED, "out of memory");
    else if (learn_read_all(learned, argv + at, argc - at))
        status = report_policy(file, (struct str){text, length}, learned, json);
    learned_free(learned);
    free(text);
    return status;
}
