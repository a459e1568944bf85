/* What the tests of the policy loader share. */
#ifndef TESTS_LOAD_HELPER_H
#define TESTS_LOAD_HELPER_H

#include "role.h"

#include <stdio.h>

/* A policy of one role, on one line: the role's text begins in column 33. */
#define ROLE(text) "{\"version\":1,\"roles\":{\"default\":" text "}}"
/* A role `default` and more. */
#define ROLES(text) "{\"version\":1,\"roles\":{\"default\":{}," text "}}"

/* "LINE:COLUMN: sentence\n" each, "W" before a warning. */
static inline void print_errors(const struct err_list *list, char *dst, size_t cap)
{
    size_t at = 0;
    dst[0] = '\0';
    for (size_t i = 0; i < list->count && at < cap; i++)
        at += (size_t)snprintf(dst + at, cap - at, "%s%d:%d: %s\n",
                               list->items[i].warning ? "W" : "", list->items[i].err.line,
                               list->items[i].err.column, list->items[i].err.text);
}

#endif
