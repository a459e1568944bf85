/* The event loops: one in the main thread, the others in threads of their own, each with its own
   connections. They share what context.h names, and nothing else. */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "conn.h"

#include <pthread.h>

/* A socket on its way from the listener to the loop that will serve it. */
struct handoff {
    int fd;
    struct sockaddr_storage address;
    const char *listener;
    struct tls_context *tls; /* NULL: plain; a reference goes with it */
};

/* How far a stop has come. */
enum worker_end {
    WORKER_SERVES,
    WORKER_DRAINS, /* what runs is finished, nothing new is taken */
    WORKER_CUTS,   /* what still runs is ended, as well as can be */
    WORKER_STOPS,  /* and then the loop */
};

struct worker {
    struct context context;
    pthread_t thread;
    bool threaded;        /* has a thread of its own */
    pthread_mutex_t lock; /* guards the queue and the flags below */
    struct handoff *queue;
    size_t queued, queue_cap;
    enum worker_end end;
    struct snapshot *fresh; /* of a reload, not yet taken over; a reference */
    int wake_fd;            /* eventfd: something of the above has changed */
    struct event *wake_event;
    atomic_bool renewing; /* a new snapshot has not been taken over yet */
    atomic_bool asked;    /* whether it still turns, and it has not answered yet */
    atomic_uint load;     /* connections given to this worker and not closed */
};

/* Opens a worker that serves by snapshot, of which it takes a reference; index makes its request
 * ids unique. */
bool worker_open(struct worker *worker, unsigned index, const struct config *config,
                 struct snapshot *snapshot, struct shared *shared, struct audit_sink *sink,
                 EVP_MD *sha256);
bool worker_start_thread(struct worker *worker);
/* From the listener's thread: the worker takes socket and reference over, and it counts as a
   connection from now on. False: it has been closed. */
bool worker_give(struct worker *worker, const struct handoff *handoff);
/* From any thread: goes on to that end. */
void worker_tell(struct worker *worker, enum worker_end end);
/* From the main thread, once all have taken over the one before: serves by this snapshot as soon as
   its loop wakes up. */
void worker_renew(struct worker *worker, struct snapshot *snapshot);
/* Has each worker taken over what it was given last? */
bool workers_renewed(struct worker *workers, size_t count);
/* Have all workers turned since this was called last? Asks them again. */
bool workers_answer(struct worker *workers, size_t count);
/* Joins the thread, closes connections and the loop. */
void worker_close(struct worker *worker);

#endif
