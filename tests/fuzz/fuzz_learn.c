/* libFuzzer target for the reading of audit logs: each line of the input is taken in, and what is
   learnt of them all is a policy that loads. A first byte of '+' counts by role, as report does. */
#include "learn.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void load(struct learned *learned)
{
    struct err_list errors = {0};
    struct str text = learned_policy(learned);
    must(text.p != NULL);
    struct policy *policy = policy_load(text, &errors);
    for (size_t i = 0; !policy && i < errors.count; i++)
        fprintf(stderr, "%s\n", errors.items[i].err.text);
    must(policy != NULL);
    err_list_free(&errors);
    policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    bool by_role = size > 0 && data[0] == '+';
    struct learned *learned = learned_new(by_role);
    struct arena arena = {0};
    must(learned != NULL);
    rest = str_skip(rest, by_role);
    while (rest.n > 0) {
        struct audit_entry entry;
        size_t n = str_find(rest, '\n');
        if (audit_entry_read(str_head(rest, n), &arena, &entry) == AUDIT_LINE_REQUEST)
            learned_take(learned, &entry);
        arena_reset(&arena);
        rest = str_skip(rest, n + 1);
    }
    if (!by_role)
        load(learned);
    arena_free(&arena);
    learned_free(learned);
    return 0;
}
