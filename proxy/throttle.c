/* Limits of a client; see throttle.h. */
#include "throttle.h"

#include "usage.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
    SHARE = 4,      /* of what all may use, a client without a limit gets one part of so many */
    SHARE_MIN = 64, /* connections; compose and IDEs hold a dozen */
    BURST_MIN = 20, /* requests; a single `docker compose up` begins with as many */
};

/* Coarse, and never ahead of the exact one by which requests are counted. */
static uint64_t now_ns(void)
{
    return clock_now_ms() * 1000000;
}

/* ---- what the peer may ----------------------------------------------------------------------- */

/* 0: no limit. Streams may be limited to none, but then the role has said so. */
static uint64_t limit_of(const struct exchange *exchange, enum limit limit)
{
    const struct config *config = exchange->context->config;
    uint64_t value = 0, share = config->max_connections / SHARE;
    if (role_limit(exchange->served.role, limit, &value))
        return value;
    switch (limit) {
    case LIMIT_CONNECTIONS:
    case LIMIT_STREAMS:
        return share > SHARE_MIN ? share : SHARE_MIN;
    case LIMIT_BODY_BYTES:
        return (uint64_t)config->max_body * (BODIES_HELD_MAX / SHARE);
    case LIMIT_BURST:
        value = limit_of(exchange, LIMIT_REQUESTS_PER_SECOND);
        return value > BURST_MIN ? value : BURST_MIN;
    default:
        return 0;
    }
}

/* ---- who it is ------------------------------------------------------------------------------- */

/* An IPv6 address stands for its /64, which a host has for itself. */
static struct str address_part(const char *address, char dst[16])
{
    bool v6 = strchr(address, ':') != NULL;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, address, dst) != 1)
        return str_of(address);
    return (struct str){dst, v6 ? 8 : 4};
}

static struct str identity_part(const struct identity *peer, char dst[16], char *kind)
{
    const struct peer_container *container = peer->container;
    if (peer->certificate) {
        *kind = 'k';
        return peer->certificate->spki;
    }
    if (container && container->state == PEER_CONTAINER_KNOWN) {
        *kind = 'c';
        return str_of(container->id);
    }
    if (peer->unix_peer) {
        *kind = 'u';
        memcpy(dst, &peer->uid, sizeof(peer->uid));
        return (struct str){dst, sizeof(peer->uid)};
    }
    *kind = 'a';
    return address_part(identity_address(peer), dst);
}

/* All that is added is shorter than there is room: a role's name, and a digest. */
static size_t add(char key[USAGE_KEY_MAX], size_t at, struct str text)
{
    text = str_head(text, USAGE_KEY_MAX - 1 - at);
    if (text.n > 0)
        memcpy(key + at, text.p, text.n);
    return at + text.n;
}

/* Of a role: what uid 0 uses as one role takes nothing from it as another. */
static struct str key_of(const struct exchange *exchange, char key[USAGE_KEY_MAX])
{
    char part[16];
    struct str role = exchange->served.role ? str_of(role_name(exchange->served.role)) : STR("");
    struct str who = identity_part(exchange->peer, part, key);
    size_t n = add(key, 1, role);
    key[n++] = '\0';
    return (struct str){key, add(key, n, who)};
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void explain(const struct exchange *exchange, enum limit limit, int status, char *dst,
                    size_t cap)
{
    const struct role *role = exchange->served.role;
    unsigned long long most = limit_of(exchange, limit);
    uint64_t written;
    char who[POLICY_NAME_MAX + 16] = "";
    const char *source = role_limit(role, limit, &written) ? "" : ", by default";
    if (role)
        snprintf(who, sizeof(who), "role \"%s\": ", role_name(role));
    switch (limit) {
    case LIMIT_CONNECTIONS:
        snprintf(dst, cap,
                 "%sone client may hold %llu connections%s (limits.connections), and this one "
                 "holds them all",
                 who, most, source);
        break;
    case LIMIT_STREAMS:
        snprintf(dst, cap,
                 "%sone client may follow %llu streams%s (limits.streams: events, logs -f, stats, "
                 "attach, exec), and this one follows as many",
                 who, most, source);
        break;
    case LIMIT_BODY_BYTES:
        snprintf(dst, cap,
                 status == 413
                     ? "%sthe body is larger than %llu bytes%s (limits.body_bytes)"
                     : "%sthe bodies that one client sends at a time may hold %llu bytes%s "
                       "(limits.body_bytes), and those of this one do",
                 who, most, source);
        break;
    default:
        snprintf(dst, cap,
                 "%sone client may send %llu requests a second (limits.requests_per_second) and "
                 "%llu at once (limits.burst), and this one sends more",
                 who, most, (unsigned long long)limit_of(exchange, LIMIT_BURST));
    }
}

/* One line for each client, limit and second, however many there are. */
static void note(struct exchange *exchange, enum limit limit, int status, const char *why)
{
    metrics_count_limit(exchange->context->metrics, limit);
    uint64_t count =
        exchange->usage ? usage_refuse(exchange->usage, limit, clock_now_ms() / 1000) : 1;
    if (count > 0)
        record_limited(exchange, limit_rule(limit), why, status, count);
}

/* What was refused in a second that had its line already. */
static void tell_the_rest(struct exchange *exchange, uint64_t now_s)
{
    char why[400];
    for (enum limit limit = 0; limit < LIMIT_COUNT; limit++) {
        if (atomic_load_explicit(&exchange->usage->untold[limit], memory_order_relaxed) == 0)
            continue;
        uint64_t count = usage_untold(exchange->usage, limit, now_s);
        if (count == 0)
            continue;
        explain(exchange, limit, 0, why, sizeof(why));
        record_limited(exchange, limit_rule(limit), why, 0, count);
    }
}

enum phase throttle_refuse(struct exchange *exchange, enum limit limit, int status)
{
    char why[400], message[sizeof(why) + 16];
    if (exchange->place != USAGE_WELCOME)
        return throttle_turn_away(exchange);
    explain(exchange, limit, status, why, sizeof(why));
    note(exchange, limit, status, why);
    snprintf(message, sizeof(message), "sockwarden: %s", why);
    return exchange_answer(exchange, status, message, limit == LIMIT_BODY_BYTES);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void note_crowd(struct exchange *exchange)
{
    char why[400];
    uint64_t started_ns = exchange->started_ns;
    explain(exchange, LIMIT_CONNECTIONS, 429, why, sizeof(why));
    exchange_begin(exchange, 0);
    note(exchange, LIMIT_CONNECTIONS, 429, why);
    exchange->started_ns = started_ns;
}

void throttle_join(struct exchange *exchange)
{
    struct usage_table *table = exchange->context->shared->usages;
    char text[USAGE_KEY_MAX];
    struct str key = key_of(exchange, text);
    /* What was let in as a peer that is known stays, should a reload give it another role. */
    bool stays = exchange->usage && exchange->known;
    exchange->known = exchange->snapshot && !exchange->nameless;
    if (!table || (exchange->usage && str_eq(exchange->usage->key, key)))
        return;
    throttle_leave(exchange);
    exchange->usage =
        usage_join(table, key, stays ? UINT64_MAX : limit_of(exchange, LIMIT_CONNECTIONS), now_ns(),
                   &exchange->place);
    if (!exchange->usage)
        exchange->place = USAGE_TURNED_AWAY; /* nobody goes uncounted */
    else if (exchange->place != USAGE_WELCOME)
        note_crowd(exchange);
}

void throttle_leave(struct exchange *exchange)
{
    uint64_t now = now_ns();
    if (!exchange->usage)
        return;
    tell_the_rest(exchange, now / 1000000000);
    usage_leave(exchange->context->shared->usages, exchange->usage, exchange->place, now);
    exchange->usage = NULL;
    exchange->place = USAGE_WELCOME;
}

enum phase throttle_turn_away(struct exchange *exchange)
{
    char why[400], message[sizeof(why) + 16];
    if (!exchange->usage)
        return exchange_answer(exchange, 503, "sockwarden: out of memory", true), PHASE_CLOSED;
    explain(exchange, LIMIT_CONNECTIONS, 429, why, sizeof(why));
    snprintf(message, sizeof(message), "sockwarden: %s", why);
    enum phase next = exchange_answer(exchange, 429, message, true);
    return exchange->place == USAGE_TURNED_AWAY ? PHASE_CLOSED : next;
}

/* ---- requests -------------------------------------------------------------------------------- */

bool throttle_admits(struct exchange *exchange, bool ping)
{
    struct usage *usage = exchange->usage;
    uint64_t rate = limit_of(exchange, LIMIT_REQUESTS_PER_SECOND);
    if (exchange->place != USAGE_WELCOME)
        return exchange->place == USAGE_CROWDED && ping && usage_take_ping(usage, clock_now_ns());
    if (rate == 0 || !usage)
        return true;
    uint64_t now = clock_now_ns();
    bool admits = usage_take_request(usage, rate, limit_of(exchange, LIMIT_BURST), now) ||
                  (ping && usage_take_ping(usage, now));
    if (admits)
        tell_the_rest(exchange, now / 1000000000);
    return admits;
}

bool throttle_admits_stream(struct exchange *exchange)
{
    struct usage *usage = exchange->usage;
    if (!usage || !request_streams(&exchange->inquiry->request))
        return true;
    exchange->streaming = usage_take_stream(usage, limit_of(exchange, LIMIT_STREAMS));
    return exchange->streaming;
}

void throttle_end_stream(struct exchange *exchange)
{
    if (exchange->streaming)
        usage_give_stream(exchange->usage);
    exchange->streaming = false;
}

void throttle_body(const struct exchange *exchange, struct body *body)
{
    uint64_t most = limit_of(exchange, LIMIT_BODY_BYTES);
    if (body->limit > most) {
        body->limit = (size_t)most;
        body->peer_bound = true;
    }
    body->peer_held = exchange->usage ? &exchange->usage->body_bytes : NULL;
    body->peer_max = (size_t)most;
}
