/* What each client uses at this moment: connections, streams, room for bodies, and how fast it
   asks. One table for all loops; a client is a text that the caller makes of who asks. Who is
   counted how, and what becomes of who is over, is throttle.c's. It reads no clock. */
#ifndef PROXY_USAGE_H
#define PROXY_USAGE_H

#include "policy.h"

#include <stdatomic.h>

enum {
    USAGE_KEY_MAX = 512,   /* bytes of a client's text */
    USAGE_IDLE_MAX = 4096, /* clients without a connection that are remembered; the oldest go */
    USAGE_CROWD_MAX = 16, /* connections beyond its limit that a client may have open, to be told */
    /* What a client that is over may still ping, so that nobody takes it for dead. */
    USAGE_PINGS_PER_SECOND = 2,
    USAGE_PING_BURST = 10,
};

/* A client's numbers. The table's lock guards the first block; the rest changes by itself. */
struct usage {
    struct usage *next;          /* of the chain */
    struct usage *older, *newer; /* among those without a connection */
    size_t chain;
    unsigned connections; /* open ones, with the crowd */
    unsigned crowd;       /* of these beyond the limit */
    struct str key;       /* behind this struct */

    atomic_uint streams;
    atomic_size_t body_bytes;
    atomic_size_t fact_bytes;     /* of the daemon's answers to look-ups for its requests */
    atomic_size_t unread_bytes;   /* of filtered answers that it has not taken yet */
    _Atomic uint64_t requests_ns; /* when the requests so far have been worked off by the rate */
    _Atomic uint64_t pings_ns;    /* the same for pings beyond that */
    _Atomic uint64_t told_s[LIMIT_COUNT]; /* second of the last audit line, plus 1 */
    _Atomic uint64_t untold[LIMIT_COUNT]; /* refusals since then */
};

struct usage_table;

enum usage_place {
    USAGE_WELCOME,
    USAGE_CROWDED,     /* one too many: to be told, and closed */
    USAGE_TURNED_AWAY, /* too many of these, too: to be closed at once */
};

/* NULL when out of memory. */
struct usage_table *usage_table_new(void);
/* All connections have left. */
void usage_table_free(struct usage_table *table);
/* Clients that are known just now. */
size_t usage_table_count(struct usage_table *table);

/* One more connection of the client, who may have max; it counts until usage_leave(), wherever its
   place is. NULL when out of memory. */
struct usage *usage_join(struct usage_table *table, struct str key, uint64_t max, uint64_t now_ns,
                         enum usage_place *place);
/* The usage may be gone afterwards. */
void usage_leave(struct usage_table *table, struct usage *usage, enum usage_place place,
                 uint64_t now_ns);

/* One more request by a rate a second, of which burst may come at once; both at least 1. False: it
   is over, and nothing has been taken. A bucket, kept as the time when it will be full again. */
bool usage_take_request(struct usage *usage, uint64_t rate, uint64_t burst, uint64_t now_ns);
/* The same for a ping of who is over. */
bool usage_take_ping(struct usage *usage, uint64_t now_ns);
/* One more stream; it counts until usage_give_stream(). */
bool usage_take_stream(struct usage *usage, uint64_t max);
void usage_give_stream(struct usage *usage);

/* Notes a refusal. How many the audit line to be written now stands for; 0: none is due, there was
   one in this second. */
uint64_t usage_refuse(struct usage *usage, enum limit limit, uint64_t now_s);
/* The same for refusals that are noted and that no line tells yet. */
uint64_t usage_untold(struct usage *usage, enum limit limit, uint64_t now_s);

#endif
