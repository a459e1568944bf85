/* Which commands in containers were made through the proxy, and through which role: ExecStart names
   only an ID, which anybody may have made. Remembered for as long as the proxy runs, up to a bound;
   what was forgotten counts as made by others. */
#ifndef PROXY_EXEC_TABLE_H
#define PROXY_EXEC_TABLE_H

#include "base.h"

enum {
    EXECS_MAX = 1 << 16,   /* commands that are remembered; then the oldest is forgotten */
    EXEC_ID_MAX = 128,     /* bytes of an ID; dockerd's have 64 */
    EXEC_ANSWER_MAX = 4096 /* bytes of the answer that tells an ID; dockerd's have 74 */
};

struct exec_table; /* shared by all loops; has its own lock, under which nothing waits */

/* NULL when out of memory. */
struct exec_table *exec_table_new(void);
void exec_table_free(struct exec_table *table);
/* The role is known by its name, so that it stays the same over a new policy. An ID that is too
   long or for which there is no memory is not remembered. */
void exec_table_add(struct exec_table *table, struct str id, const char *role);
/* Was it made through that role? */
bool exec_table_has(struct exec_table *table, struct str id, const char *role);

#endif
