/* Refusals that are remembered for a short while, so that a client that tries again and again does
   not have everything fetched and verified each time. In memory alone. */
#include "trust_parts.h"

#include <pthread.h>
#include <stdlib.h>

struct refusal {
    unsigned char key[TRUST_KEY_BYTES];
    uint64_t until_ms; /* monotonic; 0: free */
    unsigned reason;
    char text[sizeof((struct trust_verdict *)0)->text], digest[SIGN_DIGEST_BYTES + 1];
};

struct trust_refusals {
    pthread_mutex_t lock;  /* guards all below */
    struct refusal *items; /* TRUST_REFUSALS_MAX, once there is one */
    size_t next;           /* to be replaced */
};

struct trust_refusals *trust_refusals_new(void)
{
    struct trust_refusals *refusals = calloc(1, sizeof *refusals);
    if (refusals)
        pthread_mutex_init(&refusals->lock, NULL);
    return refusals;
}

void trust_refusals_free(struct trust_refusals *refusals)
{
    if (!refusals)
        return;
    pthread_mutex_destroy(&refusals->lock);
    free(refusals->items);
    free(refusals);
}

static uint64_t seconds_of(const struct trust_verdict *verdict)
{
    bool unreached = verdict->reason == TRUST_REGISTRY_ERROR || verdict->reason == TRUST_NOT_FOUND;
    return unreached ? TRUST_UNREACHED_S : TRUST_REFUSED_S;
}

void trust_refusals_add(struct trust_refusals *refusals, const unsigned char key[TRUST_KEY_BYTES],
                        const struct trust_verdict *verdict)
{
    uint64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&refusals->lock);
    if (!refusals->items)
        refusals->items = calloc(TRUST_REFUSALS_MAX, sizeof *refusals->items);
    if (refusals->items) {
        struct refusal *refusal = &refusals->items[refusals->next];
        refusals->next = (refusals->next + 1) % TRUST_REFUSALS_MAX;
        refusal->until_ms = now_ms + seconds_of(verdict) * 1000;
        refusal->reason = verdict->reason;
        memcpy(refusal->key, key, TRUST_KEY_BYTES);
        memcpy(refusal->text, verdict->text, sizeof refusal->text);
        memcpy(refusal->digest, verdict->digest, sizeof refusal->digest);
    }
    pthread_mutex_unlock(&refusals->lock);
}

bool trust_refusals_find(struct trust_refusals *refusals, const unsigned char key[TRUST_KEY_BYTES],
                         struct trust_verdict *out)
{
    bool known = false;
    uint64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&refusals->lock);
    for (size_t i = 0; i < TRUST_REFUSALS_MAX && refusals->items && !known; i++) {
        const struct refusal *refusal = &refusals->items[i];
        known = refusal->until_ms > now_ms && memcmp(refusal->key, key, TRUST_KEY_BYTES) == 0;
        if (!known)
            continue;
        *out = (struct trust_verdict){.reason = refusal->reason};
        memcpy(out->text, refusal->text, sizeof out->text);
        memcpy(out->digest, refusal->digest, sizeof out->digest);
    }
    pthread_mutex_unlock(&refusals->lock);
    return known;
}
