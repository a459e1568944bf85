/* Errors as sentences with a place. They never hold secrets, and bytes of a client only escaped. */
#ifndef SOCKWARDEN_ERR_H
#define SOCKWARDEN_ERR_H

#include "base.h"

struct err {
    bool set;
    int line;       /* from 1; 0: the error has no place in a file */
    int column;     /* from 1, in bytes; 0: unknown */
    char text[512]; /* one sentence without a trailing dot */
};

/* Sets the error unless one is set already: the first one wins. Always returns false, so that a
   function can end with `return err_set(...)`. err may be NULL. */
bool err_set(struct err *err, int line, int column, const char *format, ...) PRINTF_LIKE(4, 5);

/* Several errors of one run, in the order of their finding. Owns its array. */
struct err_list {
    struct err_item {
        struct err err;
        bool warning;
    } * items;
    size_t count;
    size_t errors; /* items that are not warnings */
};

void err_list_add(struct err_list *list, bool warning, int line, int column, const char *format,
                  ...) PRINTF_LIKE(5, 6);
void err_list_free(struct err_list *list);

#endif
