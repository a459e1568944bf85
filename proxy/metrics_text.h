/* The text format of Prometheus, version 0.0.4: families, samples, labels. It knows nothing of what
   is counted. https://prometheus.io/docs/instrumenting/exposition_formats/ */
#ifndef PROXY_METRICS_TEXT_H
#define PROXY_METRICS_TEXT_H

#include "base.h"

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Grows; p is the caller's to free. */
struct metrics_text {
    char *p;
    size_t len, cap;
    bool failed; /* out of memory: what is there is not whole */
};

/* A label value is any bytes: it is escaped, and what is not UTF-8 replaced. */
struct metrics_label {
    const char *name;
    struct str value;
};

/* HELP and TYPE, before the samples of that name. help is plain ASCII without backslash. */
void metrics_text_family(struct metrics_text *text, const char *name, const char *type,
                         const char *help);
/* name{labels} value */
void metrics_text_sample(struct metrics_text *text, const char *name,
                         const struct metrics_label *labels, size_t count, uint64_t value);
/* The same for a number of nanoseconds, written in seconds without loss. */
void metrics_text_seconds(struct metrics_text *text, const char *name,
                          const struct metrics_label *labels, size_t count, uint64_t ns);
/* _bucket, _sum and _count of a histogram in seconds. bounds in ns, 0 behind the last; buckets are
   not cumulative, and one more than the bounds. At most one label. */
void metrics_text_histogram(struct metrics_text *text, const char *name,
                            const struct metrics_label *labels, size_t count,
                            const uint64_t *bounds, const uint64_t *buckets, uint64_t sum_ns);

#endif
