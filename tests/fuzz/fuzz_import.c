/* libFuzzer target for the configurations of other proxies. The first byte says whose the rest is.
   What is written is a policy without errors, and the same bytes give the same text. For rules over
   paths, a fixed path is let through by the policy only when the expression itself takes it, as
   glibc's own matching tells where both understand it. */
#include "import.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool read_text(struct import *import, unsigned kind, struct str text)
{
    struct import_settings settings;
    switch (kind % 6) {
    case IMPORT_CETUSGUARD:
        return import_cetusguard(import, text, kind & 64);
    case IMPORT_SOCKGUARD:
        return import_sockguard(import, text);
    case IMPORT_WOLLOMATIC:
        return import_read_flags(import, text, &settings) && import_wollomatic(import, &settings);
    default:
        return import_read_settings(import, text, &settings) &&
               import_sections(import, &settings, (enum import_kind)(kind % 6));
    }
}

/* The policy's text in memory of the caller's import; empty: none. */
static struct str read_policy(struct import *import, unsigned kind, struct str text)
{
    import_open(import);
    bool good = read_text(import, kind, text);
    must(!good || !import->wrong);
    must(good || import->notes); /* somebody is told why */
    return good ? import_write(import) : (struct str){NULL, 0};
}

/* Rows of which the policy must let nothing through that the expression does not take. */
static void compare(const struct import *import, struct str pattern)
{
    static const struct {
        enum operation op;
        const char *path;
    } rows[] = {
        {OP_ContainerInspect, "/containers/Web-1.b_c/json"},
        {OP_ContainerInspect, "/containers/00/json"},
        {OP_ContainerList, "/containers/json"},
        {OP_ImageInspect, "/images/a/b:c@d/json"},
        {OP_SystemInfo, "/info"},
    };
    char text[600];
    regex_t compiled;
    /* A dot takes no newline and a class of letters is as it looks: the rest may differ. */
    for (size_t i = 0; i < pattern.n; i++)
        if (!(ascii_alpha(pattern.p[i]) || ascii_digit(pattern.p[i]) ||
              (pattern.p[i] && strchr("/.*+?|_-", pattern.p[i]))))
            return;
    if (pattern.n > 500 || import->role_count == 0)
        return;
    snprintf(text, sizeof(text), "^(%.*s)$", STR_ARG(pattern));
    if (regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB) != 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool takes = regexec(&compiled, rows[i].path, 0, NULL, 0) == 0;
        for (int minor = 24; minor <= 99 && !takes; minor++) {
            char path[100];
            snprintf(path, sizeof(path), "/v1.%d%s", minor, rows[i].path);
            takes = regexec(&compiled, path, 0, NULL, 0) == 0;
        }
        must(!import->roles[0].allow[rows[i].op] || takes);
    }
    regfree(&compiled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct import first, second;
    if (size == 0)
        return 0;
    char *copy = malloc(size);
    must(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    struct str text = {copy, size - 1};
    struct str policy = read_policy(&first, data[0], text);
    if (policy.p) {
        struct err_list errors = {NULL, 0, 0};
        struct policy *loaded = policy_load(policy, &errors);
        /* Values are the source's own, so some are none of a policy; words and shape never fail. */
        must((loaded != NULL) == (errors.errors == 0));
        must(loaded || data[0] % 6 >= IMPORT_WOLLOMATIC);
        policy_free(loaded);
        err_list_free(&errors);
    }
    if (data[0] & 128) {
        must(str_eq(policy, read_policy(&second, data[0], text)));
        import_free(&second);
    }
    if (data[0] % 6 == IMPORT_CETUSGUARD && !(data[0] & 64) && str_starts(text, STR("GET ")) &&
        str_find(text, '\n') == text.n)
        compare(&first, str_trim(str_skip(text, 4)));
    import_free(&first);
    free(copy);
    return 0;
}
