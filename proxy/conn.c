/* One client connection: the table of phases, the one function that changes them, the doors by
   which libevent, timers and tasks come in. No parsing and no decision here. */
#include "conn.h"

#include "lookup.h"
#include "pulled.h"
#include "stream_tls.h"
#include "throttle.h"
#include "trust.h"
#include "who.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

struct conn {
    struct conn *prev, *next; /* of the context */
    enum phase phase;
    uint16_t held;   /* doors that are open; memory stays while there is one */
    bool head_begun; /* the deadline is that of a head, not that of an idle connection */
    struct stream client;
    struct stream upstream;
    struct identity peer;
    struct exchange exchange;
    struct metrics_bytes counted; /* of the client's */
    struct timer timer;
    struct task again;   /* go on in the next turn */
    struct task forward; /* send the request on: when this turn's audit lines are written, or
                            when the daemon's socket may have room again */
};

static enum phase step_held(struct exchange *exchange)
{
    (void)exchange;
    return PHASE_WAIT; /* the task `forward` moves it on */
}

/* Who leaves meanwhile is not sent on. */
static enum phase step_connect(struct exchange *exchange)
{
    if (!exchange_client_gone(exchange))
        return PHASE_WAIT; /* until the task `forward` tries again */
    exchange->record_end = true;
    return PHASE_CLOSED;
}

/* The client gets what is queued, then our end; what it still sends is dropped. */
static enum phase step_linger(struct exchange *exchange)
{
    enum { READS_PER_TURN = 8 };
    struct stream *client = exchange->client;
    for (int reads = 0;;) {
        stream_consume(client, stream_pending(client).n);
        switch (stream_fill(client)) {
        case STREAM_OK:
        case STREAM_FULL:
            if (++reads == READS_PER_TURN)
                return PHASE_YIELD;
            continue;
        case STREAM_AGAIN:
            return PHASE_WAIT;
        case STREAM_EOF:
            return stream_queued(client) == 0 || stream_peer_gone(client) ? PHASE_CLOSED
                                                                          : PHASE_WAIT;
        case STREAM_BROKEN:
            return PHASE_CLOSED;
        }
    }
}

static const struct {
    const char *name;
    unsigned next; /* phases that may follow */
    enum phase (*step)(struct exchange *exchange);
} phases[PHASE_COUNT] = {
#define ANSWERED (BIT(PHASE_HEAD) | BIT(PHASE_DROP) | BIT(PHASE_LINGER) | BIT(PHASE_CLOSED))
    [PHASE_TLS] = {"tls", BIT(PHASE_HEAD) | BIT(PHASE_LINGER) | BIT(PHASE_CLOSED),
                   exchange_handshake},
    [PHASE_HEAD] = {"head",
                    BIT(PHASE_WHO) | BIT(PHASE_BODY) | BIT(PHASE_LOOKUP) | BIT(PHASE_HELD) |
                        ANSWERED,
                    exchange_read_head},
    [PHASE_WHO] = {"who", BIT(PHASE_HEAD) | BIT(PHASE_CLOSED), exchange_who},
    [PHASE_BODY] = {"body", BIT(PHASE_LOOKUP) | BIT(PHASE_HELD) | ANSWERED, exchange_read_body},
    [PHASE_LOOKUP] = {"lookup", BIT(PHASE_LOOKUP) | BIT(PHASE_HELD) | ANSWERED, exchange_look_up},
    [PHASE_HELD] = {"held", BIT(PHASE_CONNECT) | BIT(PHASE_RESPOND) | ANSWERED, step_held},
    [PHASE_CONNECT] = {"connect", BIT(PHASE_CONNECT) | BIT(PHASE_RESPOND) | ANSWERED, step_connect},
    [PHASE_RESPOND] = {"respond",
                       BIT(PHASE_VERIFY) | BIT(PHASE_PULLED) | BIT(PHASE_TUNNEL) | ANSWERED,
                       exchange_respond},
    [PHASE_VERIFY] = {"verify",
                      BIT(PHASE_VERIFY) | BIT(PHASE_RESPOND) | BIT(PHASE_REMOVE) | ANSWERED,
                      exchange_verify},
    [PHASE_REMOVE] = {"remove", ANSWERED, exchange_remove},
    [PHASE_PULLED] = {"pulled", BIT(PHASE_PULLED) | ANSWERED, pulled_step},
    [PHASE_TUNNEL] = {"tunnel", BIT(PHASE_LINGER) | BIT(PHASE_CLOSED), exchange_tunnel},
    [PHASE_DROP] = {"drop", BIT(PHASE_HEAD) | BIT(PHASE_LINGER) | BIT(PHASE_CLOSED), exchange_drop},
    [PHASE_LINGER] = {"linger", BIT(PHASE_CLOSED), step_linger},
    [PHASE_CLOSED] = {"closed", 0, NULL},
};

enum {
    ANSWERS_PER_TURN = 16,
    CROWD_STEP = 64, /* connections */
    LINGER_S = 5,
    LINGER_STOPPING_S = 1,
    DROP_S = 30,
    REMOVE_S = 30,
    CONNECT_S = 30,
    TOLD_S = 5,
    TLS_S = 30
};

/* ---- the clock ----------------------------------------------------------------------------- */

static unsigned respond_timeout(const struct exchange *exchange, const struct config *config)
{
    if (!exchange->up.done) /* only while it is the client that we wait for */
        return stream_queued(exchange->upstream) == 0 ? config->body_timeout : 0;
    return exchange->has_head ? 0 : config->upstream_timeout;
}

/* A registry has its own time, where the policy asks one. */
static unsigned lookup_timeout(const struct exchange *exchange, const struct config *config)
{
    bool sooner = config->upstream_timeout > 0 && config->upstream_timeout < LOOKUP_S;
    unsigned seconds = sooner ? config->upstream_timeout : LOOKUP_S;
    bool registry = exchange->snapshot && trust_rules_want_registry(exchange->snapshot->trust);
    return registry ? seconds + config->registry_timeout : seconds;
}

/* A head has one deadline from its first byte on, not one for each of its bytes. */
static void head_clock(struct conn *conn, bool entered)
{
    const struct config *config = conn->exchange.context->config;
    /* Who does not read our answers is not read from either, so no head can be late. */
    bool begun = stream_pending(&conn->client).n > 0 && stream_queued(&conn->client) < RELAY_HIGH;
    if (!entered && conn->head_begun)
        return;
    conn->head_begun = begun;
    /* Who still reads the last answer is not idle. */
    unsigned idle = stream_queued(&conn->client) > 0 ? 0 : config->idle_timeout;
    unsigned seconds = begun ? config->head_timeout : idle;
    if (conn->exchange.place != USAGE_WELCOME) { /* it is there to be told that it is too many */
        conn->head_begun = true;
        seconds = TOLD_S;
    }
    timer_set(&conn->exchange.context->loop, &conn->timer, 1000 * (uint64_t)seconds);
}

/* Sets the deadline of the phase as it stands now. */
static void conn_clock(struct conn *conn, bool entered)
{
    const struct config *config = conn->exchange.context->config;
    unsigned seconds = 0;
    switch (conn->phase) {
    case PHASE_TLS: /* one deadline for all of it, and never none */
        if (!entered)
            return;
        seconds = config->head_timeout ? config->head_timeout : TLS_S;
        break;
    case PHASE_HEAD:
        head_clock(conn, entered);
        return;
    case PHASE_BODY:
        seconds = config->body_timeout;
        break;
    case PHASE_RESPOND:
        seconds = respond_timeout(&conn->exchange, config);
        break;
    case PHASE_TUNNEL: /* what the client has left behind is given a while */
        seconds = exchange_client_left(&conn->exchange) ? config->body_timeout : 0;
        break;
    case PHASE_LINGER: /* from when all is sent: an answer is read as slowly as the client likes */
        if (stream_queued(&conn->client) > 0 && !conn->client.lost_out)
            break;
        if (!entered && conn->timer.deadline_ms)
            return;
        seconds = conn->exchange.context->draining ? LINGER_STOPPING_S : LINGER_S;
        break;
    case PHASE_WHO:
    case PHASE_LOOKUP: /* one deadline for all rounds */
    case PHASE_VERIFY:
        if (!entered)
            return;
        seconds = lookup_timeout(&conn->exchange, config);
        break;
    case PHASE_REMOVE:
        if (!entered)
            return;
        seconds = REMOVE_S;
        break;
    case PHASE_PULLED: /* one deadline for each step */
        if (!entered)
            return;
        seconds = pulled_seconds(&conn->exchange);
        break;
    case PHASE_CONNECT:
    case PHASE_DROP:
        if (!entered)
            return; /* one deadline for all of it */
        seconds = conn->phase == PHASE_DROP ? DROP_S : CONNECT_S;
        break;
    default:
        break;
    }
    timer_set(&conn->exchange.context->loop, &conn->timer, (uint64_t)seconds * 1000);
}

/* ---- phases -------------------------------------------------------------------------------- */

/* After a crowd the heap is full of holes that malloc keeps: a connection costs 10 KiB, and 50
   while its handshake is under way. */
static void give_memory_back(struct context *context)
{
    enum { CROWD = 256 };
    if (context->conn_peak < CROWD || context->conn_count > context->conn_peak / 8)
        return;
    context->conn_peak = context->conn_count;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static void conn_close(struct conn *conn)
{
    struct context *context = conn->exchange.context;
    exchange_finish(&conn->exchange);
    throttle_leave(&conn->exchange);
    stream_close(&conn->client);
    stream_close(&conn->upstream);
    loop_cancel(&context->loop, &conn->again);
    loop_cancel(&context->loop, &conn->forward);
    timer_drop(&context->loop, &conn->timer);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        context->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    if (context->sweep == conn)
        context->sweep = conn->next;
    identity_free(&conn->peer);
    snapshot_unref(conn->exchange.snapshot);
    conn->exchange.snapshot = NULL;
    context->conn_count--;
    atomic_fetch_sub(&context->shared->connections, 1);
}

/* The one place where a phase changes. */
static void conn_enter(struct conn *conn, enum phase next)
{
    assert(next < PHASE_COUNT && (phases[conn->phase].next & BIT(next)));
    bool entered = conn->phase != next || next == PHASE_HEAD || next == PHASE_PULLED;
    if (conn->phase == PHASE_CONNECT) /* else the next request would be met by this one's retry */
        loop_cancel(&conn->exchange.context->loop, &conn->forward);
    conn->phase = next;
    switch (next) {
    case PHASE_HEAD:
        exchange_finish(&conn->exchange);
        break;
    case PHASE_CONNECT:
        loop_soon(&conn->exchange.context->loop, &conn->forward);
        break;
    case PHASE_HELD:
        loop_at_end(&conn->exchange.context->loop, &conn->forward);
        break;
    case PHASE_LINGER:
        exchange_finish(&conn->exchange);
        stream_close(&conn->upstream);
        stream_end(&conn->client);
        break;
    case PHASE_CLOSED:
        conn_close(conn);
        return;
    default:
        break;
    }
    conn_clock(conn, entered);
}

/* Goes on as far as it can without waiting. */
static void conn_step(struct conn *conn)
{
    if (conn->phase == PHASE_CLOSED)
        return;
    stream_flush(&conn->client);
    if (stream_is_open(&conn->upstream))
        stream_flush(&conn->upstream);
    for (int answered = 0; conn->phase != PHASE_CLOSED;) {
        enum phase next = phases[conn->phase].step(&conn->exchange);
        /* Refusals take no turn of their own: others get theirs, and the audit lines are written.
         */
        if (next == PHASE_HEAD && ++answered == ANSWERS_PER_TURN) {
            conn_enter(conn, next);
            next = PHASE_YIELD;
        }
        if (next == PHASE_WAIT || next == PHASE_YIELD) {
            conn_clock(conn, false);
            if (next == PHASE_YIELD)
                loop_again(&conn->exchange.context->loop, &conn->again);
            return;
        }
        conn_enter(conn, next);
    }
}

/* The daemon has closed an idle connection, or talks without being asked. */
static void check_idle_upstream(struct conn *conn)
{
    struct stream *upstream = &conn->upstream;
    if (conn->phase > PHASE_HELD || conn->phase == PHASE_LOOKUP || conn->phase == PHASE_WHO ||
        !stream_is_open(upstream) || !upstream->can_read)
        return;
    if (stream_fill(upstream) != STREAM_AGAIN)
        stream_close(upstream);
}

/* ---- doors --------------------------------------------------------------------------------- */

static void conn_hold(struct conn *conn)
{
    conn->held++;
}

static void conn_release(struct conn *conn)
{
    metrics_count_bytes(conn->exchange.context->metrics, &conn->counted, conn->client.bytes_in,
                        conn->client.bytes_out);
    if (--conn->held > 0 || conn->phase != PHASE_CLOSED)
        return;
    struct context *context = conn->exchange.context;
    free(conn);
    give_memory_back(context);
}

static void on_ready(void *arg)
{
    struct conn *conn = arg;
    conn_hold(conn);
    check_idle_upstream(conn);
    conn_step(conn);
    conn_release(conn);
}

static void on_forward(void *arg)
{
    struct conn *conn = arg;
    conn_hold(conn);
    if (conn->phase == PHASE_HELD || conn->phase == PHASE_CONNECT) {
        conn_enter(conn, exchange_forward(&conn->exchange));
        conn_step(conn);
    }
    conn_release(conn);
}

static void on_timer(void *arg)
{
    struct conn *conn = arg;
    conn_hold(conn);
    if (conn->phase != PHASE_CLOSED)
        conn_enter(conn, exchange_timeout(&conn->exchange, conn->phase));
    conn_step(conn);
    conn_release(conn);
}

/* Before the handshake nothing can be said. */
static void turn_away(struct conn *conn)
{
    conn_hold(conn);
    if (conn->phase == PHASE_HEAD)
        throttle_turn_away(&conn->exchange);
    conn_enter(conn, PHASE_CLOSED);
    conn_release(conn);
}

/* ---- life ---------------------------------------------------------------------------------- */

bool conn_open(struct context *context, int fd, const struct sockaddr_storage *address,
               const char *listener, struct tls_context *tls)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        close(fd);
    bool ok = conn && stream_open(&conn->client, &context->loop, fd, true, on_ready, conn);
    if (ok && (!identity_read(fd, address, listener, &conn->peer) ||
               (tls && !stream_start_tls(&conn->client, tls)))) {
        stream_close(&conn->client);
        identity_free(&conn->peer);
        ok = false;
    }
    if (!ok) {
        free(conn);
        atomic_fetch_sub(&context->shared->connections, 1);
        return false;
    }
    conn->upstream.fd = -1;
    conn->again = (struct task){.run = on_ready, .arg = conn};
    conn->forward = (struct task){.run = on_forward, .arg = conn};
    conn->timer = (struct timer){.fire = on_timer, .arg = conn};
    conn->exchange = (struct exchange){.context = context,
                                       .client = &conn->client,
                                       .upstream = &conn->upstream,
                                       .peer = &conn->peer,
                                       .up = {.done = true},
                                       .down = {.done = true}};
    conn->phase = tls ? PHASE_TLS : PHASE_HEAD;
    if (tls)
        throttle_join(&conn->exchange); /* by its address, until it has a name */
    else
        exchange_choose_role(&conn->exchange);
    conn->next = context->conns;
    if (conn->next)
        conn->next->prev = conn;
    context->conns = conn;
    context->conn_count++;
    metrics_count_connection(context->metrics, listener);
    if (context->conn_count > context->conn_peak) {
        context->conn_peak = context->conn_count;
        if (context->conn_peak % CROWD_STEP == 0) /* each has needed more than it keeps */
            loop_tidy_later(&context->loop);
    }
    conn_clock(conn, true);
    if (conn->exchange.place == USAGE_TURNED_AWAY)
        turn_away(conn);
    else
        on_ready(conn);
    return true;
}

static void conn_renew(struct conn *conn)
{
    conn_hold(conn);
    enum phase next = exchange_renew(&conn->exchange, conn->phase);
    if (next != PHASE_WAIT) {
        conn_enter(conn, next);
        conn_step(conn);
    }
    conn_release(conn);
}

/* A part of them in each turn: looking at a certificate takes its time. */
static void on_sweep(void *arg)
{
    enum { CONNS_PER_TURN = 32 };
    struct context *context = arg;
    for (int i = 0; context->sweep && i < CONNS_PER_TURN; i++) {
        struct conn *conn = context->sweep;
        context->sweep = conn->next;
        conn_renew(conn);
    }
    if (context->sweep)
        loop_again(&context->loop, &context->sweeping);
}

void conn_renew_all(struct context *context, struct snapshot *snapshot)
{
    struct snapshot *old = context->snapshot;
    context->snapshot = snapshot;
    snapshot_unref(old);
    context->sweeping.run = on_sweep;
    context->sweeping.arg = context;
    context->sweep = context->conns;
    loop_again(&context->loop, &context->sweeping);
}

void conn_drain_all(struct context *context)
{
    context->draining = true;
    for (struct conn *conn = context->conns, *next; conn; conn = next) {
        next = conn->next;
        if (conn->phase == PHASE_HEAD) /* a request may have come in this very turn */
            stream_look_again(&conn->client);
        if (conn->phase <= PHASE_HEAD)
            on_ready(conn);
    }
}

void conn_cut_all(struct context *context)
{
    context->draining = true;
    for (struct conn *conn = context->conns, *next; conn; conn = next) {
        next = conn->next;
        conn_hold(conn);
        enum phase to = exchange_cut(&conn->exchange, conn->phase);
        if (to != PHASE_WAIT) {
            conn_enter(conn, to);
            conn_step(conn);
        }
        conn_release(conn);
    }
}

void conn_close_all(struct context *context)
{
    for (struct conn *conn = context->conns, *next; conn; conn = next) {
        next = conn->next;
        conn_hold(conn);
        conn->phase = PHASE_CLOSED;
        conn_close(conn);
        conn_release(conn);
    }
}
