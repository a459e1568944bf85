/* What audit logs tell of who used what: counted by client or by role, for `learn` and `report`.
   learn.c counts, learn_policy.c writes the policy that opens just that. */
#ifndef PROXY_LEARN_H
#define PROXY_LEARN_H

#include "audit_entry.h"

#include <stdio.h>

enum {
    LEARN_ROLES_MAX = 256,    /* clients, or roles, that are told apart */
    LEARN_WHO_MAX = 512,      /* of all of them: ways to know one */
    LEARN_USES_MAX = 1 << 14, /* of all of them */
    LEARN_TEXT_MAX = 2 << 20, /* bytes that their values take in the policy, which may have 4 MiB */
    LEARN_REASONS_MAX = 1 << 12 /* kinds of refusals and gaps */
};

/* By what a client is known, the surest first. */
enum learn_trait {
    LEARN_CERT_CN,
    LEARN_COMPOSE, /* value: service, more: project */
    LEARN_CONTAINER,
    LEARN_UID,
    LEARN_ADDRESS,
    LEARN_LISTENER, /* by that alone */
    LEARN_TRAITS
};

struct learn_who {
    size_t role;
    enum learn_trait trait;
    struct str value, more, listener;
    uint64_t count;
};

struct learn_role {
    struct str name; /* of the log's client or role; p NULL: made of who it is */
    uint64_t requests, would_deny;
    uint64_t ops[OP_COUNT];
    struct str first, last; /* times */
};

struct learn_use {
    size_t role;
    struct use use;
    struct str folder; /* of a bind, while the policy is written */
    uint64_t count;
    bool restarts; /* of a bind: by a container that the daemon may start again */
};

enum learn_kind { LEARN_LACK, LEARN_DENIED, LEARN_WOULD_DENY };

/* A refusal, or what could not be learnt. */
struct learn_reason {
    enum learn_kind kind;
    size_t role;
    enum operation op;
    struct str rule, text; /* text: of the first one */
    uint64_t count;
};

struct learned {
    bool by_role; /* the log's roles are told apart; else its clients */
    struct arena arena;
    struct learn_role roles[LEARN_ROLES_MAX];
    size_t role_count;
    struct learn_who who[LEARN_WHO_MAX];
    size_t who_count;
    struct learn_use *uses; /* by hash: LEARN_USES_MAX slots, free where count is 0 */
    size_t use_count, use_bytes;
    struct learn_reason reasons[LEARN_REASONS_MAX];
    size_t reason_count;
    uint64_t allowed, denied, left_out; /* left_out: requests beyond these bounds */
};

/* NULL: out of memory. */
struct learned *learned_new(bool by_role);
void learned_free(struct learned *learned);
/* For audit_file_read(). */
void learned_take(void *learned, const struct audit_entry *entry);

/* The policy that opens what was seen, as JSON on one line; it belongs to the arena of learned. p
   NULL: out of memory. */
struct str learned_policy(struct learned *learned);

/* Prints JSON that was written without blanks for people, and a newline. False: out of memory, or
   the file cannot be written. */
bool learned_print(struct str json, FILE *file);

#endif
