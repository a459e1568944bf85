/* What a loop counts: numbers that only its own thread adds to and that the scraping thread reads,
   so no lock and no locked instruction stands in a request's way. Nothing is allocated after the
   start. How they are written out is metrics_write.c's. */
#ifndef PROXY_METRICS_H
#define PROXY_METRICS_H

#include "policy.h"
#include "tls.h"

#include <stdatomic.h>

enum {
    METRICS_NAMES_MAX = 128,   /* roles, or listeners, that get a label of their own */
    METRICS_NAME_BYTES = 256,  /* of one, with its NUL */
    METRICS_SERIES_MAX = 1536, /* requests told apart by labels; the rest is counted as "other" */
    METRICS_SERIES_SLOTS = 2048,
    METRICS_BUCKETS_MAX = 18, /* of a histogram, with the last, which has no bound */
    /* Names that are in no table. */
    METRICS_NAME_OTHER = METRICS_NAMES_MAX,
    METRICS_NAME_NONE,
};

/* As the labels of requests; WOULD_DENY: refused by the policy, and let through by --mode audit. */
enum metrics_decision { METRICS_DENY, METRICS_ALLOW, METRICS_WOULD_DENY, METRICS_DECISIONS };

enum metrics_refusal {
    METRICS_REFUSED_MALFORMED,
    METRICS_REFUSED_ORIGIN,
    METRICS_REFUSED_LATE,
    METRICS_REFUSED_LARGE,
    METRICS_REFUSED_BUSY,
    METRICS_REFUSED_TLS,
    METRICS_REFUSED_OTHER,
    METRICS_REFUSALS,
};

enum metrics_upstream {
    METRICS_UPSTREAM_MISSING, /* no socket there */
    METRICS_UPSTREAM_REFUSED, /* nobody listens */
    METRICS_UPSTREAM_DENIED,  /* we may not open it */
    METRICS_UPSTREAM_BUSY,    /* it took no connection in time */
    METRICS_UPSTREAM_TIMEOUT, /* --upstream-timeout */
    METRICS_UPSTREAM_BROKEN,  /* it closed before, or in, an answer */
    METRICS_UPSTREAM_INVALID, /* an answer that cannot be passed on */
    METRICS_UPSTREAM_OTHER,
    METRICS_UPSTREAMS,
};

/* What came of a pull that a signature has decided, when the daemon was done. */
enum metrics_pull {
    METRICS_PULL_VERIFIED,
    METRICS_PULL_UNTAGGED, /* verified, and the daemon did not give it its tag */
    METRICS_PULL_REFUSED,  /* the daemon has another image, or does not say which */
    METRICS_PULLS,
};

/* What an exchange may count as while it is open. */
enum metrics_span { METRICS_NO_SPAN, METRICS_STREAM, METRICS_TUNNEL, METRICS_SPANS };

struct metrics_names {
    atomic_uint count;
    unsigned last; /* the one met last */
    char names[METRICS_NAMES_MAX][METRICS_NAME_BYTES];
};

/* key 0: free. See metrics_key_*(). */
struct metrics_series {
    _Atomic uint32_t key;
    _Atomic uint64_t count;
};

/* buckets[i] counts what is at most the i-th bound and above the one before. */
struct metrics_histogram {
    _Atomic uint64_t buckets[METRICS_BUCKETS_MAX];
    _Atomic uint64_t sum_ns;
};

struct metrics {
    struct metrics_names roles, listeners;
    struct metrics_series series[METRICS_SERIES_SLOTS];
    size_t series_count;
    _Atomic uint64_t overflow[METRICS_DECISIONS]; /* requests for which there was no slot */
    _Atomic uint64_t refusals[METRICS_REFUSALS];
    _Atomic uint64_t limits[LIMIT_COUNT]; /* requests and connections beyond a limit */
    struct metrics_histogram response[CLASS_COUNT], decision;
    _Atomic uint64_t connections[METRICS_NAMES_MAX + 1]; /* accepted, by listener */
    _Atomic uint64_t open[METRICS_SPANS];
    _Atomic uint64_t bytes_in, bytes_out; /* from and to clients */
    _Atomic uint64_t upstream_errors[METRICS_UPSTREAMS];
    _Atomic uint64_t pulls[METRICS_PULLS];
    _Atomic uint64_t handshakes_full, handshakes_resumed;
    _Atomic uint64_t handshake_failures[TLS_FAILURES];
};

/* Zeroed; NULL when out of memory. The functions below take NULL for "nothing is counted". */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* A decided request. op OP_COUNT: of no known operation; role NULL: of no role. */
void metrics_count_request(struct metrics *metrics, enum operation op, const char *role,
                           const char *listener, enum metrics_decision decision);
/* What never became a request, by the status of its answer; 0: a handshake. */
void metrics_count_refusal(struct metrics *metrics, int status);
/* What a client may not do more of just now; each, whether or not it has an audit line. */
void metrics_count_limit(struct metrics *metrics, enum limit limit);
/* The head of the answer to an allowed request has been sent; its first byte came at began_ns of
   clock_now_ns(). */
void metrics_observe_response(struct metrics *metrics, enum operation op, uint64_t began_ns);
/* A decision that began then has been taken. */
void metrics_observe_decision(struct metrics *metrics, uint64_t began_ns);
void metrics_count_connection(struct metrics *metrics, const char *listener);
/* Begins, and ends, to count as open; *span says as what, and ending twice is fine. */
void metrics_open(struct metrics *metrics, enum metrics_span *span, enum metrics_span what);
void metrics_close(struct metrics *metrics, enum metrics_span *span);

/* How many of a connection's bytes have been counted. */
struct metrics_bytes {
    uint64_t in, out;
};
/* Adds what is new; in and out are the connection's totals. */
void metrics_count_bytes(struct metrics *metrics, struct metrics_bytes *seen, uint64_t in,
                         uint64_t out);

void metrics_count_upstream_error(struct metrics *metrics, enum metrics_upstream kind);
/* The same for an errno of connecting. */
void metrics_count_upstream_errno(struct metrics *metrics, int error);
void metrics_count_pull(struct metrics *metrics, enum metrics_pull outcome);
void metrics_count_handshake(struct metrics *metrics, bool resumed);
void metrics_count_handshake_failure(struct metrics *metrics, enum tls_failure why);

/* A reload of the process has succeeded or failed; from any thread. */
void metrics_count_reload(bool success);

/* ---- for metrics_write.c ------------------------------------------------------------------- */

struct metrics_reloads {
    uint64_t succeeded, failed;
    int64_t last_success; /* seconds since the epoch; 0: none yet */
};
struct metrics_reloads metrics_reloads_read(void);

/* Upper bounds of the buckets in ns, ascending, 0 behind the last. */
extern const uint64_t metrics_response_bounds[METRICS_BUCKETS_MAX];
extern const uint64_t metrics_decision_bounds[METRICS_BUCKETS_MAX];

static inline enum operation metrics_key_op(uint32_t key)
{
    return (enum operation)(key & 0xff);
}
static inline unsigned metrics_key_role(uint32_t key)
{
    return key >> 8 & 0xff;
}
static inline unsigned metrics_key_listener(uint32_t key)
{
    return key >> 16 & 0xff;
}
static inline enum metrics_decision metrics_key_decision(uint32_t key)
{
    return (enum metrics_decision)(key >> 24 & 3);
}

#endif
