/* A table of IDs with chains, and a list of the same entries by age; see exec_table.h. */
#include "exec_table.h"

#include <pthread.h>
#include <stdlib.h>

enum { CHAINS = 1 << 13 };

struct entry {
    struct entry *next;  /* of the chain */
    struct entry *newer; /* by age */
    size_t chain;
    struct str id, role; /* behind this struct */
};

struct exec_table {
    pthread_mutex_t lock;
    struct entry *oldest, *newest;
    size_t count;
    struct entry *chains[CHAINS];
};

struct exec_table *exec_table_new(void)
{
    struct exec_table *table = calloc(1, sizeof(*table));
    if (table)
        pthread_mutex_init(&table->lock, NULL);
    return table;
}

void exec_table_free(struct exec_table *table)
{
    if (!table)
        return;
    for (struct entry *entry = table->oldest, *newer; entry; entry = newer) {
        newer = entry->newer;
        free(entry);
    }
    pthread_mutex_destroy(&table->lock);
    free(table);
}

/* FNV-1a. The daemon chooses the IDs at random, so nobody can fill one chain. */
static size_t chain_of(struct str id)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < id.n; i++)
        hash = (hash ^ (unsigned char)id.p[i]) * 16777619U;
    return hash % CHAINS;
}

/* Takes the oldest entry out; the caller frees it. */
static struct entry *take_oldest(struct exec_table *table)
{
    struct entry *entry = table->oldest;
    struct entry **link = &table->chains[entry->chain];
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    table->oldest = entry->newer;
    if (!table->oldest)
        table->newest = NULL;
    table->count--;
    return entry;
}

static void append(struct exec_table *table, struct entry *entry)
{
    entry->next = table->chains[entry->chain];
    table->chains[entry->chain] = entry;
    if (table->newest)
        table->newest->newer = entry;
    else
        table->oldest = entry;
    table->newest = entry;
    table->count++;
}

void exec_table_add(struct exec_table *table, struct str id, const char *role)
{
    struct str name = str_of(role);
    struct entry *entry = NULL, *old = NULL;
    if (id.n > 0 && id.n <= EXEC_ID_MAX)
        entry = malloc(sizeof(*entry) + id.n + name.n);
    if (!entry)
        return;
    char *text = (char *)(entry + 1);
    memcpy(text, id.p, id.n);
    memcpy(text + id.n, name.p, name.n);
    *entry =
        (struct entry){.chain = chain_of(id), .id = {text, id.n}, .role = {text + id.n, name.n}};
    pthread_mutex_lock(&table->lock);
    if (table->count == EXECS_MAX)
        old = take_oldest(table);
    append(table, entry);
    pthread_mutex_unlock(&table->lock);
    free(old);
}

bool exec_table_has(struct exec_table *table, struct str id, const char *role)
{
    struct str name = str_of(role);
    pthread_mutex_lock(&table->lock);
    const struct entry *entry = table->chains[chain_of(id)];
    while (entry && !str_eq(entry->id, id))
        entry = entry->next;
    bool has = entry && str_eq(entry->role, name);
    pthread_mutex_unlock(&table->lock);
    return has;
}
