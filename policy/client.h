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
    CLIENT_KEY_COUNT
};

/* One value that a key may have; what holds it depends on the key. */
struct client_value {
    struct str text;  /* a glob, or text; of a SAN without its prefix, of a key in lower case */
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

/* An entry matches when all its conditions hold; there is at least one. */
struct client {
    const char *name;
    const struct role *role;
    const struct client_condition *conditions;
    size_t condition_count;
};

#endif
