/* sockwarden learn: audit logs in, the policy that opens just what they hold out. */
#include "cmd.h"

#include "learn.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_MAX = 20 };

bool learn_read_all(struct learned *learned, char **paths, int count)
{
    for (int i = 0; i < count; i++) {
        struct audit_reading reading;
        struct err err = {0};
        if (!audit_file_read(paths[i], learned_take, learned, &reading, &err)) {
            cmd_fail(EXIT_FAILED, "%s", err.text);
            return false;
        }
        audit_reading_tell(paths[i], &reading);
    }
    if (learned->left_out)
        fprintf(
            stderr,
            "sockwarden: %llu requests are of too many clients, hold too many values, or values "
            "and operations that this version does not know: they are left out in part\n",
            (unsigned long long)learned->left_out);
    return true;
}

/* What the policy will refuse all the same. */
static void tell_gaps(const struct learned *learned)
{
    size_t shown = 0;
    for (size_t i = 0; i < learned->reason_count; i++) {
        const struct learn_reason *reason = &learned->reasons[i];
        if (reason->kind != LEARN_LACK || ++shown > SHOWN_MAX)
            continue;
        char text[REASON_MAX];
        fprintf(stderr,
                "sockwarden: %llu request%s of %s may be refused by the policy all the same: %s\n",
                (unsigned long long)reason->count, reason->count == 1 ? "" : "s",
                operation_name(reason->op), text_sentence(text, sizeof(text), reason->text));
    }
    if (shown > SHOWN_MAX)
        fprintf(stderr, "sockwarden: and %zu more such reasons\n", shown - SHOWN_MAX);
}

/* It is read as any other policy would be; what it opens that is rarely wise is told as there. */
static bool policy_is_good(struct str text)
{
    struct err_list errors = {0};
    struct policy *policy = policy_load(text, &errors);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "sockwarden: of the policy: %s\n", errors.items[i].err.text);
    err_list_free(&errors);
    policy_free(policy);
    return policy != NULL;
}

static int print_policy(struct learned *learned)
{
    struct str text = learned_policy(learned);
    if (!text.p)
        return cmd_fail(EXIT_FAILED, "out of memory");
    if (!policy_is_good(text))
        return cmd_fail(EXIT_FAILED, "what was learnt is no valid policy, as said above");
    return learned_print(text, stdout) && fflush(stdout) == 0
               ? EXIT_OK
               : cmd_fail(EXIT_FAILED, "the policy cannot be written");
}

int cmd_learn(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1])
            return cmd_fail(EXIT_USAGE, "learn has no option %s", argv[i]);
    if (argc < 2)
        return cmd_fail(EXIT_USAGE, "learn wants audit logs: sockwarden learn AUDITLOG...");
    struct learned *learned = learned_new(false);
    if (!learned)
        return cmd_fail(EXIT_FAILED, "out of memory");
    int status = EXIT_FAILED;
    if (learn_read_all(learned, argv + 1, argc - 1)) {
        tell_gaps(learned);
        fprintf(stderr,
                "sockwarden: learnt from %llu request%s of %zu client%s; %llu refused %s left "
                "out\n",
                (unsigned long long)learned->allowed, learned->allowed == 1 ? "" : "s",
                learned->role_count, learned->role_count == 1 ? "" : "s",
                (unsigned long long)learned->denied, learned->denied == 1 ? "one is" : "ones are");
        status = learned->allowed > 0
                     ? print_policy(learned)
                     : cmd_fail(EXIT_FAILED, "there is no allowed request to learn from");
    }
    learned_free(learned);
    return status;
}
