/* What the tests of imported configurations share: a source, read and written as a policy, and what
   that lets through. */
#ifndef TESTS_IMPORT_HELPER_H
#define TESTS_IMPORT_HELPER_H

#include "import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A source, read and written as a policy. */
struct read {
    struct import import;
    struct policy *policy; /* NULL: none came of it */
};

static inline bool import_text(struct import *import, enum import_kind kind, struct str text)
{
    struct import_settings settings;
    switch (kind) {
    case IMPORT_CETUSGUARD:
        return import_cetusguard(import, text, false);
    case IMPORT_SOCKGUARD:
        return import_sockguard(import, text);
    case IMPORT_WOLLOMATIC:
        return import_read_flags(import, text, &settings) && import_wollomatic(import, &settings);
    case IMPORT_ENVIRONMENT:
    case IMPORT_TECNATIVA:
    case IMPORT_LINUXSERVER:
        return import_read_settings(import, text, &settings) &&
               import_sections(import, &settings, kind);
    }
    return false;
}

static inline struct read *read_source(enum import_kind kind, const char *text)
{
    struct read *read = calloc(1, sizeof(*read));
    assert_non_null(read);
    import_open(&read->import);
    if (!import_text(&read->import, kind, str_of(text)))
        return read;
    struct err_list errors = {NULL, 0, 0};
    struct str json = import_write(&read->import);
    assert_non_null(json.p);
    read->policy = policy_load(json, &errors);
    for (size_t i = 0; i < errors.count; i++)
        if (!errors.items[i].warning)
            print_error("%s\n%.*s\n", errors.items[i].err.text, STR_ARG(json));
    assert_int_equal(errors.errors, 0);
    err_list_free(&errors);
    return read;
}

static inline void read_free(struct read *read)
{
    policy_free(read->policy);
    import_free(&read->import);
    free(read);
}

static inline bool lets_role(const struct read *read, const char *role, const char *method,
                             const char *target)
{
    struct arena arena = {.head = NULL};
    struct request request;
    struct decision decision;
    bool known = request_parse(str_of(method), str_of(target), &arena, &request, &decision);
    bool allowed = known && read->policy && policy_role(read->policy, str_of(role)) &&
                   role_allows(policy_role(read->policy, str_of(role)), request.route->op);
    arena_free(&arena);
    return allowed;
}

static inline bool lets(const struct read *read, const char *method, const char *target)
{
    return lets_role(read, "default", method, target);
}

static inline bool has_note(const struct read *read, enum import_gravity gravity, int line,
                            const char *part)
{
    for (const struct import_note *note = read->import.notes; note; note = note->next)
        if (note->gravity == gravity && (line < 0 || note->line == line) &&
            strstr(note->text, part))
            return true;
    return false;
}

static inline void expect(const struct read *read, const char *source, const char *method,
                          const char *target, bool expected)
{
    if (lets(read, method, target) != expected)
        fail_msg("%s: %s %s: expected %s", source, method, target, expected ? "let" : "refused");
}

#endif
