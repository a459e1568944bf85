/* An event loop's side of the registry helper: a source (trust_source.h) that asks registries. It
   takes whatever the helper says as the word of a stranger: an answer is bytes, which the asker
   verifies, and what is no packet ends the line for good. */
#ifndef PROXY_REGISTRY_H
#define PROXY_REGISTRY_H

#include "loop.h"
#include "registry_login.h"
#include "trust_source.h"

struct registry_line;

enum {
    REGISTRY_PENDING_MAX = REGISTRY_JOBS_MAX + REGISTRY_QUEUE_MAX, /* questions of a line */
    REGISTRY_GRACE_S = 5, /* seconds that the helper has beside those that it gives registries */
};

/* fd: of registry_spawn(), which it takes over. index 0 tells the log for all lines. seconds: of
   --registry-timeout. NULL when out of memory; fd is then closed. */
struct registry_line *registry_line_open(struct loop *loop, int fd, unsigned index,
                                         unsigned seconds);
/* Whoever still waits is forgotten, and his fetch not touched any more. NULL is fine. */
void registry_line_close(struct registry_line *line);
/* From now on registries are asked with these logins, which stay until others are set. NULL: none.
 */
void registry_line_use(struct registry_line *line, const struct registry_logins *logins);
/* To fetch by; as long as the line. NULL where line is NULL. */
const struct trust_source *registry_line_source(struct registry_line *line);

/* ---- for metrics_write.c ------------------------------------------------------------------- */

struct registry_counts {
    bool up;                           /* as far as is known */
    uint64_t outcomes[TRUST_DEAD + 1]; /* answers, by enum trust_outcome */
    uint64_t deaths;                   /* of helpers */
};
struct registry_counts registry_counts_read(void);

#endif
