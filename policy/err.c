/* Errors as sentences. It formats and collects; it prints nothing. */
#include "err.h"

#include "bounds.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void PRINTF_LIKE(4, 0)
    err_fill(struct err *err, int line, int column, const char *format, va_list args)
{
    err->set = true;
    err->line = line;
    err->column = column;
    if (vsnprintf(err->text, sizeof err->text, format, args) < 0)
        err->text[0] = '\0';
}

bool err_set(struct err *err, int line, int column, const char *format, ...)
{
    if (!err || err->set)
        return false;
    va_list args;
    va_start(args, format);
    err_fill(err, line, column, format, args);
    va_end(args);
    return false;
}

void err_list_add(struct err_list *list, bool warning, int line, int column, const char *format,
                  ...)
{
    size_t warnings = list->count > list->errors ? list->count - list->errors : 0;
    size_t same_kind = warning ? warnings : list->errors;
    /* An error counts even where there is no room to tell it: nothing may pass for want of memory.
     */
    list->errors += !warning;
    if (same_kind >= POLICY_ERRORS_MAX)
        return;
    struct err_item *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return;
    list->items = items;
    struct err_item *item = &items[list->count++];
    *item = (struct err_item){.warning = warning};
    va_list args;
    va_start(args, format);
    err_fill(&item->err, line, column, format, args);
    va_end(args);
}

void err_list_free(struct err_list *list)
{
    free(list->items);
    *list = (struct err_list){0};
}
