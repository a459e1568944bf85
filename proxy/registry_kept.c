/* What registries have wanted lately, so that not every question is asked three times: tokens, and
   whether the login itself is wanted. Nothing is kept for longer than REGISTRY_TOKEN_S_MAX, and
   never the login. */
#include "registry_job.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { SPARE_S = 5 }; /* a token is not used in its last seconds */

/* Whoever asks as somebody else, or for another repository, has another key. */
static bool kept_key(const struct registry_job *job, unsigned char key[32])
{
    const struct registry_login *login = &job->ask.login;
    const struct str parts[] = {job->ask.host,   job->ask.repository, login->user,
                                login->password, login->identity,     login->token};
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; i < ARRAY_LEN(parts) && ok; i++) {
        uint64_t n = parts[i].n;
        ok = EVP_DigestUpdate(md, &n, sizeof(n)) == 1 &&
             EVP_DigestUpdate(md, parts[i].p, parts[i].n) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(md, key, NULL) == 1;
    EVP_MD_CTX_free(md);
    return ok;
}

static void drop(struct registry_kept *kept)
{
    if (kept->header)
        registry_wipe(kept->header, strlen(kept->header));
    *kept = (struct registry_kept){.header = NULL};
}

static struct registry_kept *find(struct registry_fetcher *fetcher, const unsigned char key[32])
{
    uint64_t now = registry_now_ms();
    struct registry_kept *found = NULL;
    for (size_t i = 0; i < REGISTRY_TOKENS_MAX; i++) {
        struct registry_kept *kept = &fetcher->kept[i];
        if (kept->header && now >= kept->until_ms)
            drop(kept);
        if (kept->header && memcmp(kept->key, key, sizeof(kept->key)) == 0)
            found = kept;
    }
    return found;
}

static struct registry_kept *find_for(struct registry_job *job)
{
    unsigned char key[32];
    return kept_key(job, key) ? find(job->fetcher, key) : NULL;
}

void registry_kept_use(struct registry_job *job)
{
    struct registry_kept *kept = find_for(job);
    if (!kept)
        return;
    job->authorization = kept->header[0] ? arena_copy(&job->arena, str_of(kept->header))
                                         : registry_basic_header(&job->ask.login, &job->arena);
    job->cached = job->authorization.n > 0;
}

void registry_kept_forget(struct registry_job *job)
{
    struct registry_kept *kept = find_for(job);
    if (kept)
        drop(kept);
    job->cached = false;
    job->authorization = (struct str){NULL, 0};
}

/* The one of this key, else a free one, else the one that ends first. */
static struct registry_kept *choose(struct registry_fetcher *fetcher, const unsigned char key[32])
{
    struct registry_kept *first = find(fetcher, key);
    for (size_t i = 0; i < REGISTRY_TOKENS_MAX && !first; i++)
        if (!fetcher->kept[i].header)
            first = &fetcher->kept[i];
    if (first)
        return first;
    first = &fetcher->kept[0];
    for (size_t i = 1; i < REGISTRY_TOKENS_MAX; i++)
        if (fetcher->kept[i].until_ms < first->until_ms)
            first = &fetcher->kept[i];
    return first;
}

void registry_kept_keep(struct registry_job *job)
{
    unsigned char key[32];
    if (job->cached || job->authorization.n == 0 || job->token_seconds <= SPARE_S ||
        !kept_key(job, key))
        return;
    struct registry_kept *kept = choose(job->fetcher, key);
    drop(kept);
    memcpy(kept->key, key, sizeof(key));
    kept->header = job->by_basic ? strdup("") : strndup(job->authorization.p, job->authorization.n);
    kept->until_ms = registry_now_ms() + (uint64_t)(job->token_seconds - SPARE_S) * 1000;
}
