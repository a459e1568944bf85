/* Who still holds a set; see snapshot.h. */
#include "snapshot.h"

#include "registry_login.h"
#include "trust.h"

#include <stdlib.h>

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add(&snapshot->references, 1);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (!snapshot || atomic_fetch_sub(&snapshot->references, 1) != 1)
        return;
    trust_rules_free(snapshot->trust);
    registry_logins_free(snapshot->logins);
    policy_free(snapshot->policy);
    tls_context_unref(snapshot->tls);
    free(snapshot);
}
