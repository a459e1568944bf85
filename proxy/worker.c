/* Event loops and the way into them; see worker.h. */
#include "worker.h"

#include "lookup.h"
#include "registry.h"
#include "registry_spawn.h"
#include "trust.h"
#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* All lines of the turn in one write, before any request of the turn goes on. */
static void on_turn_end(void *arg)
{
    struct worker *worker = arg;
    struct context *context = &worker->context;
    struct audit_batch *batch = &context->batch;
    if (batch->len || batch->failed) {
        if (batch->lost)
            audit_lose(context->sink, batch->lost);
        bool written = audit_write(context->sink, (struct str){batch->p, batch->len});
        if (batch->failed || !written)
            batch->last_failed = batch->number;
        batch->number++;
        batch->len = 0;
        batch->lost = 0;
        batch->failed = false;
    }
    atomic_store(&worker->load, (unsigned)context->conn_count);
}

static bool open_handed(struct worker *worker, const struct handoff *handoff)
{
    bool ok = conn_open(&worker->context, handoff->fd, &handoff->address, handoff->listener,
                        handoff->tls);
    tls_context_unref(handoff->tls);
    return ok;
}

/* Takes over what the listener has put into the queue. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct worker *worker = arg;
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof(count));
    (void)ignored;
    atomic_store(&worker->asked, false);
    pthread_mutex_lock(&worker->lock);
    struct handoff *queue = worker->queue;
    size_t queued = worker->queued;
    enum worker_end end = worker->end;
    struct snapshot *fresh = worker->fresh;
    worker->fresh = NULL;
    worker->queue = NULL;
    worker->queued = worker->queue_cap = 0;
    pthread_mutex_unlock(&worker->lock);
    if (fresh) {
        conn_renew_all(&worker->context, fresh);
        registry_line_use(worker->context.registry, worker->context.snapshot->logins);
        atomic_store(&worker->renewing, false);
    }
    for (size_t i = 0; i < queued; i++)
        open_handed(worker, &queue[i]);
    free(queue);
    if (end >= WORKER_DRAINS && !worker->context.draining)
        conn_drain_all(&worker->context);
    if (end >= WORKER_CUTS)
        conn_cut_all(&worker->context);
    if (end == WORKER_STOPS)
        worker->context.loop.stop = true;
}

static void wake(struct worker *worker)
{
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(worker->wake_fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    /* Else it can only fail when the counter is full: then a wake-up is due anyway. */
}

static size_t buffer_size(const struct config *config)
{
    enum { RELAYED = 64 << 10 };
    return config->max_head + 16 > RELAYED ? (size_t)config->max_head + 16 : RELAYED;
}

/* Takes its socket of the registry helper over, where there is one. */
static bool open_registry(struct context *context, unsigned index)
{
    struct registry_lines *lines = context->shared->registries;
    if (!lines || index >= lines->count)
        return true;
    context->registry = registry_line_open(&context->loop, lines->fds[index], index,
                                           context->config->registry_timeout);
    lines->fds[index] = -1;
    registry_line_use(context->registry, context->snapshot->logins);
    return context->registry != NULL;
}

bool worker_open(struct worker *worker, unsigned index, const struct config *config,
                 struct snapshot *snapshot, struct shared *shared, struct audit_sink *sink,
                 EVP_MD *sha256)
{
    *worker = (struct worker){.wake_fd = -1};
    struct context *context = &worker->context;
    if (!loop_open(&context->loop, buffer_size(config)))
        return false;
    context->config = config;
    context->snapshot = snapshot_ref(snapshot);
    context->shared = shared;
    context->sink = sink;
    context->sha256 = sha256;
    context->digest = EVP_MD_CTX_new();
    context->metrics = metrics_new();
    if (!open_registry(context, index))
        return false;
    context->desk =
        trust_desk_open(shared->trust, &context->loop, registry_line_source(context->registry));
    upstream_setup(context, config->upstream);
    snprintf(context->id_prefix, sizeof(context->id_prefix), "%08lx-%x-",
             (unsigned long)time(NULL) & 0xffffffffUL, index);
    context->batch.number = 1;
    context->loop.on_turn_end = on_turn_end;
    context->loop.turn_arg = worker;
    pthread_mutex_init(&worker->lock, NULL);
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->wake_fd < 0 || !context->digest || !context->metrics || !context->desk)
        return false;
    worker->wake_event =
        event_new(context->loop.base, worker->wake_fd, EV_READ | EV_PERSIST, on_wake, worker);
    return worker->wake_event && event_add(worker->wake_event, NULL) == 0;
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    loop_run(&worker->context.loop);
    return NULL;
}

bool worker_start_thread(struct worker *worker)
{
    worker->threaded = pthread_create(&worker->thread, NULL, run, worker) == 0;
    return worker->threaded;
}

bool worker_give(struct worker *worker, const struct handoff *handoff)
{
    atomic_fetch_add(&worker->context.shared->connections, 1);
    if (!worker->threaded) {
        bool ok = open_handed(worker, handoff);
        atomic_store(&worker->load, (unsigned)worker->context.conn_count);
        return ok;
    }
    pthread_mutex_lock(&worker->lock);
    if (worker->queued == worker->queue_cap) {
        size_t cap = worker->queue_cap ? worker->queue_cap * 2 : 16;
        struct handoff *queue = realloc(worker->queue, cap * sizeof(*queue));
        if (!queue) {
            pthread_mutex_unlock(&worker->lock);
            close(handoff->fd);
            tls_context_unref(handoff->tls);
            atomic_fetch_sub(&worker->context.shared->connections, 1);
            return false;
        }
        worker->queue = queue;
        worker->queue_cap = cap;
    }
    worker->queue[worker->queued++] = *handoff;
    atomic_fetch_add(&worker->load, 1); /* before the worker can take it, and count again */
    pthread_mutex_unlock(&worker->lock);
    wake(worker);
    return true;
}

void worker_tell(struct worker *worker, enum worker_end end)
{
    pthread_mutex_lock(&worker->lock);
    if (worker->end < end)
        worker->end = end;
    pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

void worker_renew(struct worker *worker, struct snapshot *snapshot)
{
    pthread_mutex_lock(&worker->lock);
    snapshot_unref(worker->fresh);
    worker->fresh = snapshot_ref(snapshot);
    atomic_store(&worker->renewing, true);
    pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

bool workers_renewed(struct worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (atomic_load(&workers[i].renewing))
            return false;
    return true;
}

bool workers_answer(struct worker *workers, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        all &= !atomic_exchange(&workers[i].asked, true);
        wake(&workers[i]);
    }
    return all;
}

void worker_close(struct worker *worker)
{
    if (worker->threaded)
        pthread_join(worker->thread, NULL);
    struct context *context = &worker->context;
    for (size_t i = 0; i < worker->queued; i++) {
        close(worker->queue[i].fd);
        tls_context_unref(worker->queue[i].tls);
    }
    free(worker->queue);
    if (context->loop.base) {
        conn_close_all(context);
        on_turn_end(worker); /* the last audit lines */
    }
    trust_desk_close(context->desk);
    registry_line_close(context->registry);
    snapshot_unref(worker->fresh);
    snapshot_unref(context->snapshot);
    exchange_pool_free(context);
    lookup_forget(context);
    arena_free(&context->scratch);
    audit_batch_free(&context->batch);
    EVP_MD_CTX_free(context->digest);
    if (worker->wake_event)
        event_free(worker->wake_event);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    metrics_free(context->metrics);
    loop_close(&context->loop);
    pthread_mutex_destroy(&worker->lock);
}
