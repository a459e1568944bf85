/* Reading the definitions of tests/api: lines of columns parted by tabs, the first names them. */
#ifndef TESTS_API_HELPER_H
#define TESTS_API_HELPER_H

#include "case_helper.h"

enum { API_COLUMNS = 8 };

struct api_line {
    const char *file;
    int number;
    struct str column[API_COLUMNS]; /* those that are missing are empty */
};

/* Calls run for each line but the first. */
static inline void api_each(const char *file, void (*run)(const struct api_line *line))
{
    struct arena arena = {0};
    struct str text = source_file("tests/api", file, &arena);
    for (int number = 1; text.n; number++) {
        struct str rest = str_head(text, str_find(text, '\n'));
        struct api_line line = {.file = file, .number = number};
        text = str_skip(text, rest.n + 1);
        for (size_t i = 0; i < API_COLUMNS; i++) {
            line.column[i] = str_head(rest, str_find(rest, '\t'));
            rest = str_skip(rest, line.column[i].n + 1);
        }
        if (number > 1 && line.column[0].n)
            run(&line);
    }
    arena_free(&arena);
}

/* OP_COUNT: no operation has that name. */
static inline enum operation api_operation(struct str name)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (str_is(name, operation_name((enum operation)op)))
            return (enum operation)op;
    return OP_COUNT;
}

#endif
