/* A table with chains, and a list of those without a connection by age; see usage.h. */
#include "usage.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define SECOND_NS UINT64_C(1000000000)

enum { CHAINS = 1 << 12 };

struct usage_table {
    pthread_mutex_t lock;
    struct usage *oldest, *newest; /* without a connection */
    size_t idle, count;
    uint64_t seed; /* else who chooses his name chooses the chain */
    struct usage *chains[CHAINS];
};

struct usage_table *usage_table_new(void)
{
    struct usage_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    pthread_mutex_init(&table->lock, NULL);
    if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
        table->seed = (uint64_t)(uintptr_t)table;
    return table;
}

/* FNV-1a from a seed. */
static size_t chain_of(const struct usage_table *table, struct str key)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ table->seed;
    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
    return (size_t)(hash >> 32) % CHAINS;
}

/* ---- those without a connection -------------------------------------------------------------- */

static void idle_add(struct usage_table *table, struct usage *usage)
{
    usage->older = table->newest;
    usage->newer = NULL;
    *(table->newest ? &table->newest->newer : &table->oldest) = usage;
    table->newest = usage;
    table->idle++;
}

static void idle_remove(struct usage_table *table, struct usage *usage)
{
    *(usage->older ? &usage->older->newer : &table->oldest) = usage->newer;
    *(usage->newer ? &usage->newer->older : &table->newest) = usage->older;
    usage->older = usage->newer = NULL;
    table->idle--;
}

static void forget_oldest(struct usage_table *table)
{
    struct usage *usage = table->oldest;
    struct usage **link = &table->chains[usage->chain];
    while (*link != usage)
        link = &(*link)->next;
    *link = usage->next;
    table->oldest = usage->newer;
    if (table->oldest)
        table->oldest->older = NULL;
    else
        table->newest = NULL;
    table->idle--;
    table->count--;
    free(usage);
}

/* Nothing would be different if it were met for the first time. */
static bool is_blank(const struct usage *usage, uint64_t now_ns)
{
    bool blank =
        atomic_load(&usage->requests_ns) <= now_ns && atomic_load(&usage->pings_ns) <= now_ns;
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        blank &= atomic_load(&usage->untold[i]) == 0 &&
                 atomic_load(&usage->told_s[i]) <= now_ns / SECOND_NS;
    return blank;
}

static void clean(struct usage_table *table, uint64_t now_ns)
{
    while (table->oldest && (table->idle > USAGE_IDLE_MAX || is_blank(table->oldest, now_ns)))
        forget_oldest(table);
}

void usage_table_free(struct usage_table *table)
{
    if (!table)
        return;
    while (table->oldest)
        forget_oldest(table);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

size_t usage_table_count(struct usage_table *table)
{
    pthread_mutex_lock(&table->lock);
    size_t count = table->count;
    pthread_mutex_unlock(&table->lock);
    return count;
}

/* ---- connections ----------------------------------------------------------------------------- */

static struct usage *usage_new(struct usage_table *table, struct str key, size_t chain)
{
    struct usage *usage = calloc(1, sizeof(*usage) + key.n);
    if (!usage)
        return NULL;
    char *text = (char *)(usage + 1);
    memcpy(text, key.p, key.n);
    usage->key = (struct str){text, key.n};
    usage->chain = chain;
    usage->next = table->chains[chain];
    table->chains[chain] = usage;
    table->count++;
    return usage;
}

static enum usage_place place_of(struct usage *usage, uint64_t max)
{
    bool full = usage->connections - usage->crowd >= max;
    usage->connections++;
    if (!full)
        return USAGE_WELCOME;
    usage->crowd++;
    return usage->crowd <= USAGE_CROWD_MAX ? USAGE_CROWDED : USAGE_TURNED_AWAY;
}

struct usage *usage_join(struct usage_table *table, struct str key, uint64_t max, uint64_t now_ns,
                         enum usage_place *place)
{
    size_t chain = chain_of(table, key);
    pthread_mutex_lock(&table->lock);
    struct usage *usage = table->chains[chain];
    while (usage && !str_eq(usage->key, key))
        usage = usage->next;
    if (!usage)
        usage = usage_new(table, key, chain);
    else if (usage->connections == 0)
        idle_remove(table, usage);
    if (usage)
        *place = place_of(usage, max);
    clean(table, now_ns);
    pthread_mutex_unlock(&table->lock);
    return usage;
}

void usage_leave(struct usage_table *table, struct usage *usage, enum usage_place place,
                 uint64_t now_ns)
{
    pthread_mutex_lock(&table->lock);
    if (place != USAGE_WELCOME)
        usage->crowd--;
    if (--usage->connections == 0)
        idle_add(table, usage);
    clean(table, now_ns);
    pthread_mutex_unlock(&table->lock);
}

/* ---- rates and sums -------------------------------------------------------------------------- */

static bool take(_Atomic uint64_t *full_ns, uint64_t rate, uint64_t burst, uint64_t now_ns)
{
    uint64_t each = SECOND_NS / rate, before = atomic_load(full_ns), start;
    do {
        start = before > now_ns ? before : now_ns;
        if (start - now_ns > (burst - 1) * each)
            return false;
    } while (!atomic_compare_exchange_weak(full_ns, &before, start + each));
    return true;
}

bool usage_take_request(struct usage *usage, uint64_t rate, uint64_t burst, uint64_t now_ns)
{
    return take(&usage->requests_ns, rate, burst, now_ns);
}

bool usage_take_ping(struct usage *usage, uint64_t now_ns)
{
    return take(&usage->pings_ns, USAGE_PINGS_PER_SECOND, USAGE_PING_BURST, now_ns);
}

bool usage_take_stream(struct usage *usage, uint64_t max)
{
    if (atomic_fetch_add(&usage->streams, 1) < max)
        return true;
    atomic_fetch_sub(&usage->streams, 1);
    return false;
}

void usage_give_stream(struct usage *usage)
{
    atomic_fetch_sub(&usage->streams, 1);
}

/* ---- refusals -------------------------------------------------------------------------------- */

uint64_t usage_untold(struct usage *usage, enum limit limit, uint64_t now_s)
{
    uint64_t told = atomic_load(&usage->told_s[limit]);
    if (told == now_s + 1 || atomic_load(&usage->untold[limit]) == 0 ||
        !atomic_compare_exchange_strong(&usage->told_s[limit], &told, now_s + 1))
        return 0;
    return atomic_exchange(&usage->untold[limit], 0);
}

uint64_t usage_refuse(struct usage *usage, enum limit limit, uint64_t now_s)
{
    atomic_fetch_add(&usage->untold[limit], 1);
    return usage_untold(usage, limit, now_s);
}
