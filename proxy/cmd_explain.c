/* sockwarden explain: decides one request as the proxy would, without sending it anywhere. */
#include "cmd.h"

#include "dropin.h"
#include "question.h"

#include <stdio.h>
#include <stdlib.h>

enum { QUESTION_MAX = 64 << 20 }; /* bytes of a request with its body, which may be an archive */

struct options {
    const char *policy_file;      /* NULL: built in */
    const char *role;             /* NULL: as `clients` says */
    const char *file;             /* NULL or "-": standard input */
    const char *facts[FACTS_MAX]; /* files of them */
    size_t facts_count;
    struct asker asker; /* without a word when a role is named: that decides, as in serve */
};

/* A value of who asks is part of the question, and a wrong one is a wrong question. */
static int set_asker(struct asker *asker, const char *option, const char *value)
{
    const char *wrong = asker_set(asker, str_of(option + 2), str_of(value));
    return wrong ? cmd_fail(EXIT_FAILED, "%s: %s %s", option, value, wrong) : EXIT_OK;
}

static int add_facts(struct options *out, const char *file)
{
    if (out->facts_count == ARRAY_LEN(out->facts))
        return cmd_fail(EXIT_FAILED, "--facts %s: is one file too many: join them in one", file);
    out->facts[out->facts_count++] = file;
    return EXIT_OK;
}

static int set_option(struct options *out, const char *option, const char *value)
{
    if (strcmp(option, "--policy") == 0)
        out->policy_file = value;
    else if (strcmp(option, "--role") == 0)
        out->role = value;
    else if (strcmp(option, "--facts") == 0)
        return add_facts(out, value);
    else
        return set_asker(&out->asker, option, value);
    return EXIT_OK;
}

static bool is_option(const char *argument)
{
    static const char *const names[] = {"--policy", "--role", "--facts"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(argument, names[i]) == 0)
            return true;
    return strncmp(argument, "--", 2) == 0 && !strchr(argument, '_') &&
           asker_is_trait(str_of(argument + 2));
}

static int read_options(int argc, char **argv, struct options *out)
{
    for (int i = 1; i < argc; i++) {
        int status = EXIT_OK;
        if (is_option(argv[i]) && i + 1 == argc)
            return cmd_fail(EXIT_USAGE, "%s wants a value", argv[i]);
        if (is_option(argv[i])) {
            status = set_option(out, argv[i], argv[i + 1]);
            i++;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            return cmd_fail(EXIT_USAGE, "explain has no option %s", argv[i]);
        } else if (out->file) {
            return cmd_fail(EXIT_USAGE, "explain takes one request, and %s is a second", argv[i]);
        } else {
            out->file = argv[i];
        }
        if (status != EXIT_OK)
            return status;
    }
    return EXIT_OK;
}

/* What is not known, in the form in which it can be given. */
static void write_needs(struct json_out *out, const struct facts *facts)
{
    json_out_key(out, "needs");
    json_out_open(out, '[');
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->state != FACT_WANTED)
            continue;
        json_out_open(out, '{');
        json_out_member(out, "fact", str_of(fact_kind_name(fact->kind)));
        if (fact->name.n > 0)
            json_out_member(out, "name", fact->name);
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
}

/* Parameters that are sent on with another value. */
static void write_changes(struct json_out *out, const struct decision *decision)
{
    if (decision->change_count == 0)
        return;
    json_out_key(out, "changes");
    json_out_open(out, '{');
    for (size_t i = 0; i < decision->change_count; i++)
        json_out_member(out, decision->changes[i].name, decision->changes[i].value);
    json_out_close(out, '}');
}

/* What the role writes; the proxy's defaults are not known here. */
static void write_limits(struct json_out *out, const struct role *role)
{
    uint64_t value;
    bool any = false;
    for (enum limit limit = 0; limit < LIMIT_COUNT; limit++) {
        if (!role_limit(role, limit, &value))
            continue;
        if (!any) {
            json_out_key(out, "limits");
            json_out_open(out, '{');
        }
        any = true;
        json_out_key(out, limit_name(limit));
        json_out_uint(out, value);
    }
    if (any)
        json_out_close(out, '}');
}

/* What a signature said, and what the proxy does behind a pull. */
static void write_signature(struct json_out *out, const struct decision *decision)
{
    const struct signed_note *note = &decision->signature;
    if (!note->reason[0])
        return;
    json_out_key(out, "signature");
    json_out_open(out, '{');
    json_out_member(out, "reason", str_of(note->reason));
    if (note->digest[0])
        json_out_member(out, "digest", str_of(note->digest));
    if (note->key[0])
        json_out_member(out, "key", str_of(note->key));
    if (note->format[0])
        json_out_member(out, "format", str_of(note->format));
    json_out_close(out, '}');
}

static void write_answer(struct json_out *out, const struct answer *answer)
{
    static const char *const verdicts[] = {
        [VERDICT_DENY] = "deny", [VERDICT_ALLOW] = "allow", [VERDICT_NEED] = "need"};
    const struct decision *decision = &answer->decision;
    json_out_open(out, '{');
    json_out_member(out, "decision", str_of(verdicts[decision->verdict]));
    if (decision->verdict == VERDICT_DENY) {
        json_out_key(out, "status");
        json_out_int(out, decision->status ? decision->status : 403);
    }
    if (answer->request)
        json_out_member(out, "operation", str_of(operation_name(answer->request->route->op)));
    json_out_member(out, "client", str_of(answer->by.client));
    if (answer->by.role)
        json_out_member(out, "role", str_of(role_name(answer->by.role)));
    write_limits(out, answer->by.role);
    if (decision->reason[0])
        json_out_member(out, "reason", str_of(decision->reason));
    if (decision->field[0])
        json_out_member(out, "field", str_of(decision->field));
    if (decision->value[0])
        json_out_member(out, "value", str_of(decision->value));
    json_out_member(out, "rule", str_of(decision->rule));
    if (decision->allow_with[0])
        json_out_member(out, "allow_with", str_of(decision->allow_with));
    if (decision->verdict == VERDICT_NEED)
        write_needs(out, &answer->facts);
    if (decision->verdict == VERDICT_ALLOW) {
        json_out_member(out, "pinned", decision->pinned);
        write_changes(out, decision);
    }
    if (decision->verdict != VERDICT_NEED)
        write_signature(out, decision);
    json_out_close(out, '}');
}

static void print_answer(const struct answer *answer)
{
    static char text[FACTS_MAX * (FACT_NAME_MAX * 6 + 64) + (16 << 10)]; /* \u00XX is six bytes */
    struct json_out out = {.p = text, .cap = sizeof(text)};
    write_answer(&out, answer);
    struct str json = str_head((struct str){text, out.len}, out.cap);
    size_t length = 0;
    char *pretty = out.len <= out.cap ? json_print_pretty(json, &length) : NULL;
    printf("%.*s\n", pretty ? (int)length : (int)json.n, pretty ? pretty : text);
    free(pretty);
}

static int judge(const struct options *options, const struct client_role *by,
                 const struct known *known)
{
    struct err err = {.set = false};
    size_t n = 0;
    char *bytes = file_read(options->file ? options->file : "-", QUESTION_MAX, &n, &err);
    if (!bytes)
        return cmd_fail(EXIT_FAILED, "%s", err.text);
    struct arena arena = {.head = NULL};
    struct answer answer;
    question_judge(by, known, bytes, n, &arena, &answer);
    print_answer(&answer);
    if (question_ends_in_lf((struct str){bytes, n}))
        cmd_fail(0, "to end the lines of the head in CR LF: "
                    "sed '1,/^$/s/$/\\r/' FILE | sockwarden explain");
    int status = answer.decision.verdict == VERDICT_ALLOW ? EXIT_OK : EXIT_REFUSED;
    free(bytes);
    arena_free(&arena);
    return status;
}

/* Files that are given first count more. */
static int explain(const struct options *options, struct policy *policy)
{
    struct client_role by;
    if (!asker_role(&options->asker, policy, str_of(options->role), &by)) {
        char why[256];
        role_missing(policy, options->role, why, sizeof(why));
        return cmd_fail(EXIT_FAILED, "%s", why);
    }
    static struct document documents[FACTS_MAX];
    struct known known[FACTS_MAX] = {{.count = 0}};
    struct arena arena = {.head = NULL};
    bool good = true;
    for (size_t i = 0; i < options->facts_count; i++) {
        good &= known_read_file(options->facts[i], &arena, &documents[i], &known[i]);
        known[i].next = i + 1 < options->facts_count ? &known[i + 1] : NULL;
    }
    int status = good ? judge(options, &by, known) : EXIT_FAILED;
    for (size_t i = 0; i < options->facts_count; i++)
        document_free(&documents[i]);
    arena_free(&arena);
    return status;
}

/* Without a policy and a role: what serve would take, that is what variables of a
   docker-socket-proxy let through, or the built-in roles. */
static struct policy *policy_of_serve(void)
{
    static struct config config;
    char name[] = "serve", *argv[] = {name, NULL}, hash[65];
    struct err_list errors = {NULL, 0, 0};
    bool dropin = config_read(1, argv, &config, NULL) && config.dropin;
    struct policy *policy =
        dropin ? policy_of_text(config.dropin->policy, hash, &errors) : policy_builtin();
    err_list_free(&errors);
    config_free(&config);
    return policy;
}

int cmd_explain(int argc, char **argv)
{
    static struct options options;
    int status = read_options(argc, argv, &options);
    if (status != EXIT_OK)
        return status;
    char hash[65];
    struct policy *policy = options.policy_file ? policy_read(options.policy_file, hash)
                            : options.role      ? policy_builtin()
                                                : policy_of_serve();
    if (!policy)
        return EXIT_FAILED;
    status = explain(&options, policy);
    policy_free(policy);
    return status;
}
