/* Which entries of `clients` somebody may be, of many. Each entry stands in one index, that of the
   key that tells most; those without such a key are always tried. Whether an entry matches,
   client.c says. */
#include "client.h"

/* The keys that have an index, the most telling first. */
static const enum client_key indexed[] = {
    CLIENT_CERT_SPKI,       CLIENT_CERT_CN,
    CLIENT_CERT_SAN,        CLIENT_UID,
    CLIENT_CONTAINER_NAME,  CLIENT_COMPOSE_PROJECT,
    CLIENT_COMPOSE_SERVICE, CLIENT_ADDRESS,
    CLIENT_CERT_OU,         CLIENT_GID,
    CLIENT_LISTENER,
};

/* ---- making it -------------------------------------------------------------------------------
 */

/* What all that the value holds for begins with; empty: it cannot be told. */
static struct str value_key(enum client_key key, const struct client_value *value)
{
    enum { BITS = 8 };
    if (key == CLIENT_UID || key == CLIENT_GID)
        return (struct str){(const char *)&value->id, sizeof(value->id)};
    if (key == CLIENT_ADDRESS)
        return (struct str){(const char *)value->cidr.ip, value->cidr.bits / BITS};
    if (key == CLIENT_CERT_SAN && value->san == 'I')
        return (struct str){NULL, 0};
    return glob_begins(value->text);
}

static bool condition_tells(const struct client_condition *condition)
{
    for (size_t i = 0; i < condition->count; i++)
        if (value_key(condition->key, &condition->values[i]).n == 0)
            return false;
    return condition->count > 0;
}

/* The condition by which the entry is found, or NULL. */
static const struct client_condition *telling(const struct client *client)
{
    for (size_t k = 0; k < ARRAY_LEN(indexed); k++)
        for (size_t i = 0; i < client->condition_count; i++)
            if (client->conditions[i].key == indexed[k] && condition_tells(&client->conditions[i]))
                return &client->conditions[i];
    return NULL;
}

/* The values by which entries are found under this key; into keys where that is given. */
static size_t gather(const struct client *clients, size_t count, enum client_key key,
                     struct prefix *keys)
{
    size_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct client_condition *condition = telling(&clients[i]);
        if (!condition || condition->key != key)
            continue;
        for (size_t k = 0; keys && k < condition->count; k++)
            keys[found + k] =
                (struct prefix){.key = value_key(key, &condition->values[k]), .item = i};
        found += condition->count;
    }
    return found;
}

static bool index_key(const struct client *clients, size_t count, enum client_key key,
                      struct arena *arena, struct prefixes *out)
{
    size_t found = gather(clients, count, key, NULL);
    if (found == 0)
        return true;
    struct prefix *keys = found < PREFIX_NONE ? arena_alloc(arena, found, sizeof(*keys)) : NULL;
    if (!keys)
        return false;
    gather(clients, count, key, keys);
    prefix_link(keys, found);
    *out = (struct prefixes){keys, found};
    return true;
}

bool client_index_new(const struct client *clients, size_t count, struct arena *arena,
                      const struct client_index **out)
{
    *out = NULL;
    if (count < PREFIX_FROM || count >= PREFIX_NONE)
        return true;
    struct client_index *index = arena_alloc(arena, 1, sizeof(*index));
    uint32_t *always = arena_alloc(arena, count, sizeof(*always));
    if (!index || !always)
        return false;
    for (size_t k = 0; k < ARRAY_LEN(indexed); k++)
        if (!index_key(clients, count, indexed[k], arena, &index->keys[indexed[k]]))
            return false;
    for (uint32_t i = 0; i < count; i++)
        if (!telling(&clients[i]))
            always[index->always_count++] = i;
    index->always = always;
    *out = index;
    return true;
}

/* ---- asking it -------------------------------------------------------------------------------
 */

struct search {
    const struct client_index *index;
    client_test *test;
    const void *arg;
    size_t best;
};

static void look(struct search *search, enum client_key key, struct str text)
{
    const struct prefixes *prefixes = &search->index->keys[key];
    if (prefixes->count == 0 || !text.p)
        return;
    for (uint32_t at = prefix_find(prefixes, text); at != PREFIX_NONE;
         at = prefixes->sorted[at].up) {
        size_t item = prefixes->sorted[at].item;
        if (item < search->best && search->test(item, search->arg))
            search->best = item;
    }
}

/* As the names of certificates are compared; what is longer matches nothing. */
static void look_folded(struct search *search, enum client_key key, struct str text)
{
    char lower[CLIENT_FOLDED_MAX];
    if (!text.p || text.n > sizeof(lower))
        return;
    for (size_t i = 0; i < text.n; i++)
        lower[i] = ascii_lower(text.p[i]);
    look(search, key, (struct str){lower, text.n});
}

static void look_sans(struct search *search, const struct client_identity *identity)
{
    for (size_t i = 0; i < identity->cert_san_count; i++) {
        struct str rest = {NULL, 0};
        if (client_san_kind(identity->cert_sans[i], &rest) == 'U')
            look(search, CLIENT_CERT_SAN, rest);
        else
            look_folded(search, CLIENT_CERT_SAN, rest);
    }
}

static void look_labels(struct search *search, const struct client_identity *identity)
{
    for (size_t i = 0; i < identity->container_label_count; i++) {
        const struct client_label *label = &identity->container_labels[i];
        if (str_is(label->key, "com.docker.compose.project"))
            look(search, CLIENT_COMPOSE_PROJECT, label->value);
        else if (str_is(label->key, "com.docker.compose.service"))
            look(search, CLIENT_COMPOSE_SERVICE, label->value);
    }
}

static void look_unix(struct search *search, const struct client_identity *identity)
{
    if (!identity->unix_peer)
        return;
    look(search, CLIENT_UID, (struct str){(const char *)&identity->uid, sizeof(identity->uid)});
    look(search, CLIENT_GID, (struct str){(const char *)&identity->gid, sizeof(identity->gid)});
}

size_t client_index_first(const struct client_index *index, const struct client_identity *identity,
                          client_test *test, const void *arg)
{
    uint8_t ip[16];
    struct search search = {index, test, arg, SIZE_MAX};
    look_folded(&search, CLIENT_CERT_SPKI, identity->cert_spki);
    look(&search, CLIENT_CERT_CN, identity->cert_cn);
    look(&search, CLIENT_CERT_OU, identity->cert_ou);
    look_sans(&search, identity);
    look_unix(&search, identity);
    look(&search, CLIENT_CONTAINER_NAME, identity->container_name);
    look_labels(&search, identity);
    look(&search, CLIENT_LISTENER, identity->listener);
    if (identity->address.n > 0 && ip_parse(identity->address, ip))
        look(&search, CLIENT_ADDRESS, (struct str){(const char *)ip, sizeof(ip)});
    for (size_t i = 0; i < index->always_count && index->always[i] < search.best; i++)
        if (test(index->always[i], arg))
            search.best = index->always[i];
    return search.best;
}
