/* What requests are judged by, and with whom TLS is spoken: one set, immutable and counted. A
   reload makes another; who still holds this one goes on with it. snapshot_load.c makes them. */
#ifndef PROXY_SNAPSHOT_H
#define PROXY_SNAPSHOT_H

#include "policy.h"
#include "tls.h"

#include <stdatomic.h>

struct registry_logins;
struct trust_rules;

struct snapshot {
    atomic_uint references;
    struct policy *policy;
    const struct role *role;   /* of everybody (--role); NULL: policy_client() gives each his own */
    struct trust_rules *trust; /* what the policy demands of signatures; NULL: nothing */
    struct registry_logins *logins; /* --registry-auth; NULL: none */
    struct tls_context *tls;        /* of new connections; NULL when no listener needs one */
    char hash[65];                  /* SHA-256 of the policy's text in hex, or "builtin" */
};

struct snapshot *snapshot_ref(struct snapshot *snapshot);
/* NULL is fine. The last one frees it, in whichever thread. */
void snapshot_unref(struct snapshot *snapshot);

#endif
