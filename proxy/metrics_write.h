/* All metrics of the process in the text format of Prometheus. */
#ifndef PROXY_METRICS_WRITE_H
#define PROXY_METRICS_WRITE_H

#include "audit.h"
#include "metrics.h"
#include "metrics_text.h"
#include "process.h"
#include "trust.h"

/* What is not counted but looked up when somebody asks. */
struct metrics_view {
    const struct metrics *const *loops;
    size_t loop_count;
    const char *policy_hash;
    unsigned connections, connections_max; /* of clients */
    struct audit_counts audit;
    bool audit_failing;
    struct trust *trust; /* in signed images; NULL: none */
    bool audit_mode;     /* --mode audit */
    int64_t not_after;   /* of the server's certificate, seconds since the epoch; 0: no TLS */
    struct process_state process;
};

/* Appends every family. text->failed: out of memory. */
void metrics_write(const struct metrics_view *view, struct metrics_text *text);

#endif
