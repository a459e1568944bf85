/* Counting; see metrics.h. */
#include "metrics.h"

#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static_assert(OP_COUNT < 256 && METRICS_NAME_NONE < 256, "both have one byte of a key");

#define MICRO UINT64_C(1000)
#define MILLI UINT64_C(1000000)

// clang-format off
const uint64_t metrics_response_bounds[METRICS_BUCKETS_MAX] = {
    500 * MICRO, 1 * MILLI, 2500 * MICRO, 5 * MILLI, 10 * MILLI, 25 * MILLI, 50 * MILLI, 100 * MILLI,
    250 * MILLI, 500 * MILLI, 1000 * MILLI, 2500 * MILLI, 5000 * MILLI, 10000 * MILLI, 30000 * MILLI,
    60000 * MILLI,
};
const uint64_t metrics_decision_bounds[METRICS_BUCKETS_MAX] = {
    1 * MICRO, 2500, 5 * MICRO, 10 * MICRO, 25 * MICRO, 50 * MICRO, 100 * MICRO, 250 * MICRO,
    500 * MICRO, 1 * MILLI, 2500 * MICRO, 5 * MILLI, 10 * MILLI, 50 * MILLI,
};
// clang-format on

static struct {
    _Atomic uint64_t succeeded, failed;
    _Atomic int64_t last_success;
} reloads;

/* Only the loop's own thread writes, so this is a plain addition that others may read. */
static void add(_Atomic uint64_t *number, uint64_t n)
{
    uint64_t now = atomic_load_explicit(number, memory_order_relaxed);
    atomic_store_explicit(number, now + n, memory_order_relaxed);
}

struct metrics *metrics_new(void)
{
    return calloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

/* ---- labels -------------------------------------------------------------------------------- */

static unsigned name_add(struct metrics_names *names, const char *name, unsigned count)
{
    size_t length = strlen(name);
    if (count == METRICS_NAMES_MAX || length >= METRICS_NAME_BYTES)
        return METRICS_NAME_OTHER;
    memcpy(names->names[count], name, length + 1);
    atomic_store_explicit(&names->count, count + 1, memory_order_release);
    return count;
}

/* By content: a reload brings the same names at other addresses. */
static unsigned name_find(struct metrics_names *names, const char *name)
{
    unsigned count = atomic_load_explicit(&names->count, memory_order_relaxed);
    if (names->last < count && strcmp(names->names[names->last], name) == 0)
        return names->last;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(names->names[i], name) == 0)
            return names->last = i;
    return name_add(names, name, count);
}

/* NULL: there are too many. */
static _Atomic uint64_t *series_find(struct metrics *metrics, uint32_t key)
{
    static_assert(METRICS_SERIES_SLOTS == 1 << 11, "the hash has as many bits");
    size_t at = (key * UINT32_C(2654435761)) >> (32 - 11);
    for (;; at = (at + 1) % METRICS_SERIES_SLOTS) {
        struct metrics_series *series = &metrics->series[at];
        uint32_t there = atomic_load_explicit(&series->key, memory_order_relaxed);
        if (there == key)
            return &series->count;
        if (there != 0)
            continue;
        if (metrics->series_count == METRICS_SERIES_MAX)
            return NULL;
        metrics->series_count++;
        atomic_store_explicit(&series->key, key, memory_order_release);
        return &series->count;
    }
}

/* ---- requests ------------------------------------------------------------------------------ */

void metrics_count_request(struct metrics *metrics, enum operation op, const char *role,
                           const char *listener, enum metrics_decision decision)
{
    if (!metrics)
        return;
    unsigned by = role ? name_find(&metrics->roles, role) : METRICS_NAME_NONE;
    unsigned at = name_find(&metrics->listeners, listener);
    uint32_t key = UINT32_C(1) << 31 | (uint32_t)op | by << 8 | at << 16 | (uint32_t)decision << 24;
    _Atomic uint64_t *count = series_find(metrics, key);
    add(count ? count : &metrics->overflow[decision], 1);
}

void metrics_count_refusal(struct metrics *metrics, int status)
{
    static const struct {
        int status;
        enum metrics_refusal why;
    } classes[] = {
        {0, METRICS_REFUSED_TLS},         {400, METRICS_REFUSED_MALFORMED},
        {403, METRICS_REFUSED_ORIGIN},    {408, METRICS_REFUSED_LATE},
        {413, METRICS_REFUSED_LARGE},     {414, METRICS_REFUSED_LARGE},
        {417, METRICS_REFUSED_MALFORMED}, {429, METRICS_REFUSED_BUSY},
        {431, METRICS_REFUSED_LARGE},     {503, METRICS_REFUSED_BUSY},
    };
    enum metrics_refusal why = METRICS_REFUSED_OTHER;
    if (!metrics)
        return;
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (classes[i].status == status)
            why = classes[i].why;
    add(&metrics->refusals[why], 1);
}

void metrics_count_limit(struct metrics *metrics, enum limit limit)
{
    if (metrics)
        add(&metrics->limits[limit], 1);
}

void metrics_count_pull(struct metrics *metrics, enum metrics_pull outcome)
{
    if (metrics)
        add(&metrics->pulls[outcome], 1);
}

static void observe(struct metrics_histogram *histogram, const uint64_t *bounds, uint64_t began_ns)
{
    uint64_t now = clock_now_ns(), ns = now > began_ns ? now - began_ns : 0;
    size_t i = 0;
    while (bounds[i] && ns > bounds[i])
        i++;
    add(&histogram->buckets[i], 1);
    add(&histogram->sum_ns, ns);
}

void metrics_observe_response(struct metrics *metrics, enum operation op, uint64_t began_ns)
{
    if (metrics && op < OP_COUNT)
        observe(&metrics->response[operation_class(op)], metrics_response_bounds, began_ns);
}

void metrics_observe_decision(struct metrics *metrics, uint64_t began_ns)
{
    if (metrics)
        observe(&metrics->decision, metrics_decision_bounds, began_ns);
}

/* ---- connections --------------------------------------------------------------------------- */

void metrics_count_connection(struct metrics *metrics, const char *listener)
{
    if (metrics)
        add(&metrics->connections[name_find(&metrics->listeners, listener)], 1);
}

void metrics_open(struct metrics *metrics, enum metrics_span *span, enum metrics_span what)
{
    metrics_close(metrics, span);
    *span = what;
    if (metrics)
        add(&metrics->open[what], 1);
}

void metrics_close(struct metrics *metrics, enum metrics_span *span)
{
    if (metrics && *span != METRICS_NO_SPAN)
        add(&metrics->open[*span], UINT64_MAX);
    *span = METRICS_NO_SPAN;
}

void metrics_count_bytes(struct metrics *metrics, struct metrics_bytes *seen, uint64_t in,
                         uint64_t out)
{
    if (!metrics)
        return;
    add(&metrics->bytes_in, in - seen->in);
    add(&metrics->bytes_out, out - seen->out);
    *seen = (struct metrics_bytes){in, out};
}

/* ---- the rest ------------------------------------------------------------------------------ */

void metrics_count_upstream_error(struct metrics *metrics, enum metrics_upstream kind)
{
    if (metrics)
        add(&metrics->upstream_errors[kind], 1);
}

void metrics_count_upstream_errno(struct metrics *metrics, int error)
{
    enum metrics_upstream kind = METRICS_UPSTREAM_OTHER;
    if (error == ENOENT)
        kind = METRICS_UPSTREAM_MISSING;
    else if (error == ECONNREFUSED)
        kind = METRICS_UPSTREAM_REFUSED;
    else if (error == EACCES || error == EPERM)
        kind = METRICS_UPSTREAM_DENIED;
    else if (error == EPIPE || error == ECONNRESET)
        kind = METRICS_UPSTREAM_BROKEN;
    metrics_count_upstream_error(metrics, kind);
}

void metrics_count_handshake(struct metrics *metrics, bool resumed)
{
    if (metrics)
        add(resumed ? &metrics->handshakes_resumed : &metrics->handshakes_full, 1);
}

void metrics_count_handshake_failure(struct metrics *metrics, enum tls_failure why)
{
    if (metrics)
        add(&metrics->handshake_failures[why], 1);
}

void metrics_count_reload(bool success)
{
    atomic_fetch_add(success ? &reloads.succeeded : &reloads.failed, 1);
    if (success)
        atomic_store(&reloads.last_success, (int64_t)time(NULL));
}

struct metrics_reloads metrics_reloads_read(void)
{
    return (struct metrics_reloads){
        .succeeded = atomic_load(&reloads.succeeded),
        .failed = atomic_load(&reloads.failed),
        .last_success = atomic_load(&reloads.last_success),
    };
}
