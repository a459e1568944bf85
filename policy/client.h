/* The entries of `clients`: what was loaded of them. Private to policy/. */
#ifndef POLICY_CLIENT_H
#define POLICY_CLIENT_H

#include "role.h"

/* The keys of `match`. */
enum client_key {
    CLIENT_CERT_CN,
    CLIENT_CERT_OU,
    CLIENT_CERT_SAN,
    CLIENT_CERT_SPKI,
    CLIENT_UID,
    CLIENT_GID,
    CLIENT_ADDRESS,
    CLIENT_LISTENER,
    CLIENT_CONTAINER_NAME, /* this and what follows ask for the peer's container */
    CLIENT_CONTAINER_LABEL,
    CLIENT_CONTAINER_IMAGE,
    CLIENT_COMPOSE_PROJECT,
    CLIENT_COMPOSE_SERVICE,
    CLIENT_KEY_COUNT
};

static inline bool client_key_asks_container(enum client_key key)
{
    return key >= CLIENT_CONTAINER_NAME;
}

/* One value that a key may have; what holds it depends on the key. */
struct client_value {
    struct str text;  /* a glob, or text; of a SAN without its prefix, of a key in lower case; of a
                         label its value, p NULL: any */
    struct str label; /* key of the label */
    struct cidr cidr; /* address, SAN "IP:" */
    uint32_t id;      /* uid, gid */
    char san;         /* 'D' DNS (text in lower case), 'U' URI, 'I' IP, 'e' email (lower case) */
};

/* A key holds when any of its values does. */
struct client_condition {
    enum client_key key;
    const struct client_value *values;
    size_t count;
};

/* Bytes of a name that is compared without regard to case; DNS names have 253, addresses 320. */
enum { CLIENT_FOLDED_MAX = 1024 };

/* An entry matches when all its conditions hold; there is at least one. */
struct client {
    const char *name;
    const struct role *role;
    const struct client_condition *conditions;
    size_t condition_count;
};

/* By key, the beginnings of the values by which entries are found; the items are their numbers. */
struct client_index {
    struct prefixes keys[CLIENT_KEY_COUNT];
    const uint32_t *always; /* numbers of the others, upwards */
    size_t always_count;
};

/* The index of that many entries, *out NULL where they are few; false: out of memory. */
bool client_index_new(const struct client *clients, size_t count, struct arena *arena,
                      const struct client_index **out);

/* The first entry that passes the test, of those that may match at all; SIZE_MAX: none. */
typedef bool client_test(size_t number, const void *arg);
size_t client_index_first(const struct client_index *index, const struct client_identity *identity,
                          client_test *test, const void *arg);

#endif
