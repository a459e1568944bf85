/* Signature stores, folders of keys and registries made of the vectors of tests/signatures, for
   the tests of what is built upon sign.h. */
#ifndef TESTS_TRUST_HELPER_H
#define TESTS_TRUST_HELPER_H

#include "sign_helper.h"
#include "trust_parts.h"

#include <ftw.h>
#include <sys/stat.h>

enum { PENDING_MAX = 128, ASKED_MAX = 4096 };

/* ---- files ----------------------------------------------------------------------------------- */

static inline void folder_open(char *folder, size_t cap)
{
    snprintf(folder, cap, "/tmp/sockwarden-trust-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void folder_remove(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* With the folders above it. */
static inline void file_write(const char *folder, const char *name, struct str bytes)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0755);
        *at = '/';
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
    fclose(file);
    assert_int_equal(chmod(path, 0644), 0);
}

static inline void key_copy(const char *folder, const char *name)
{
    struct arena arena = {.limit = 0};
    file_write(folder, name, source_file("tests/signatures/keys", name, &arena));
    arena_free(&arena);
}

/* ---- stores ---------------------------------------------------------------------------------- */

static inline void store_path(const struct vector *vector, const char *name, char *dst, size_t cap)
{
    snprintf(dst, cap, "%.*s/sha256-%.*s/%s", STR_ARG(vector->image.repository),
             STR_ARG(str_skip(vector->image.digest, 7)), name);
}

static inline void store_put(struct vector *vector, const char *folder, const char *name,
                             struct str bytes)
{
    char path[512];
    store_path(vector, name, path, sizeof path);
    file_write(folder, path, bytes);
}

static inline void store_put_payloads(struct vector *vector, const char *folder)
{
    struct sign_candidates found;
    struct sign_verdict ignored;
    char name[48];
    struct str list = source_file(vector->folder, "sig.json", &vector->arena);
    if (!sign_cosign_list(list, &vector->arena, &found, &ignored))
        return;
    for (size_t i = 0; i < found.count; i++) {
        snprintf(name, sizeof name, "%zu.payload", i);
        store_put(vector, folder, name, vector_blob(vector, found.items[i].digest));
        snprintf(name, sizeof name, "%zu.sig", i);
        store_put(vector, folder, name, found.items[i].signature);
    }
}

static inline void store_put_bundles(struct vector *vector, const char *folder)
{
    struct sign_candidates found;
    struct sign_verdict one;
    struct sign_descriptor blob;
    enum sign_format format;
    char name[48];
    struct str list = source_file(vector->folder, "referrers.json", &vector->arena);
    if (!sign_referrers_list(&vector->rule, list, &vector->arena, &found, &one))
        return;
    for (size_t i = 0; i < found.count; i++) {
        struct str bytes = vector_blob(vector, found.items[i].digest);
        bool read = sign_referrer_read(&vector->rule, &vector->image, &found.items[i], bytes,
                                       &vector->arena, &blob, &format, &one);
        if (!read && !sign_digest_valid(blob.digest))
            continue;
        snprintf(name, sizeof name, "%zu.bundle.json", i);
        store_put(vector, folder, name, vector_blob(vector, blob.digest));
    }
}

/* What somebody would bring of this vector. */
static inline void store_make(struct vector *vector, const char *folder)
{
    store_put(vector, folder, "1.manifest.json",
              source_file(vector->folder, "manifest.json", &vector->arena));
    if (vector_has(vector, "child.json"))
        store_put(vector, folder, "2.manifest.json",
                  source_file(vector->folder, "child.json", &vector->arena));
    if (vector_has(vector, "sig.json"))
        store_put_payloads(vector, folder);
    if (vector_has(vector, "referrers.json"))
        store_put_bundles(vector, folder);
}

static inline struct trust_subject subject_of(struct vector *vector, const struct trust_rule *rule)
{
    size_t slash = str_find(vector->image.repository, '/');
    return (struct trust_subject){.rule = rule,
                                  .image = vector->image,
                                  .host = str_head(vector->image.repository, slash),
                                  .path = str_skip(vector->image.repository, slash + 1)};
}

/* ---- registries ------------------------------------------------------------------------------ */

/* A registry that serves one vector, at once or later. */
struct registry {
    struct vector *vector;
    struct trust_source source;
    bool later;            /* answers come by registry_turn() */
    bool api;              /* it has a list of referrers */
    bool other_digest;     /* it names another digest than that of the bytes */
    enum trust_outcome as; /* other than TRUST_GOT: what is asked as the nth, by fail_at */
    size_t fail_at;        /* from 1; 0: none */
    size_t asked;          /* so far */
    size_t cancelled;
    struct {
        struct trust_want want;
        struct trust_fetch *fetch;
    } pending[PENDING_MAX];
    size_t pending_count;
};

static inline bool registry_file(struct registry *registry, const char *name, struct str *out)
{
    if (!vector_has(registry->vector, name))
        return false;
    *out = source_file(registry->vector->folder, name, &registry->vector->arena);
    return true;
}

static inline bool registry_blob(struct registry *registry, struct str digest, struct str *out)
{
    char name[128];
    struct vector *vector = registry->vector;
    char own[SIGN_DIGEST_BYTES + 1];
    if (registry_file(registry, "child.json", out) && sign_digest_write(*out, own) &&
        str_is(digest, own))
        return true;
    if (str_eq(digest, vector->image.digest))
        return registry_file(registry, "manifest.json", out);
    snprintf(name, sizeof name, "blobs/%.*s", STR_ARG(str_skip(digest, 7)));
    return registry_file(registry, name, out);
}

static inline bool registry_find(struct registry *registry, const struct trust_want *want,
                                 struct str *out)
{
    struct str hex = str_skip(registry->vector->image.digest, 7);
    struct str name = want->reference;
    if (want->kind == TRUST_REFERRERS)
        return registry->api && registry_file(registry, "referrers.json", out);
    if (want->kind == TRUST_BLOB || str_starts(name, STR("sha256:")))
        return registry_blob(registry, name, out);
    if (!str_starts(name, STR("sha256-")))
        return str_eq(name, registry->vector->image.tag) &&
               registry_file(registry, "manifest.json", out);
    struct str rest = str_skip(name, 7);
    if (str_eq(rest, hex))
        return !registry->api && registry_file(registry, "referrers.json", out);
    return str_starts(rest, hex) && str_ends(rest, STR(".sig")) &&
           registry_file(registry, "sig.json", out);
}

static inline void registry_answer(struct registry *registry, const struct trust_want *want,
                                   struct trust_fetch *fetch)
{
    struct str bytes = {NULL, 0};
    char digest[SIGN_DIGEST_BYTES + 1];
    bool fails = registry->asked == registry->fail_at && registry->fail_at > 0;
    fetch->outcome = fails                                   ? registry->as
                     : registry_find(registry, want, &bytes) ? TRUST_GOT
                                                             : TRUST_ABSENT;
    if (fetch->outcome == TRUST_GOT && bytes.n > want->max)
        fetch->outcome = TRUST_LARGE;
    if (fetch->outcome == TRUST_ERROR || fetch->outcome == TRUST_DEAD)
        snprintf(fetch->error, sizeof fetch->error, "answers 503");
    if (fetch->outcome != TRUST_GOT)
        return;
    fetch->bytes = arena_copy(fetch->arena, bytes);
    sign_digest_write(registry->other_digest ? STR("x") : bytes, digest);
    if (want->kind == TRUST_MANIFEST)
        fetch->digest = arena_copy(fetch->arena, str_of(digest));
}

static inline bool registry_fetch(void *self, const struct trust_want *want,
                                  struct trust_fetch *fetch)
{
    struct registry *registry = self;
    assert_true(++registry->asked < ASKED_MAX);
    assert_true(want->host.n > 0 && want->repository.n > 0 && want->reference.n > 0);
    if (!registry->later) {
        registry_answer(registry, want, fetch);
        return true;
    }
    assert_true(registry->pending_count < PENDING_MAX);
    registry->pending[registry->pending_count].want = *want;
    registry->pending[registry->pending_count++].fetch = fetch;
    fetch->pending = registry;
    return false;
}

static inline void registry_cancel(void *self, struct trust_fetch *fetch)
{
    struct registry *registry = self;
    size_t kept = 0;
    registry->cancelled++;
    for (size_t i = 0; i < registry->pending_count; i++)
        if (registry->pending[i].fetch != fetch)
            registry->pending[kept++] = registry->pending[i];
    assert_int_equal(kept + 1, registry->pending_count);
    registry->pending_count = kept;
}

/* Gives the answer that was asked for first. False: nothing is asked. */
static inline bool registry_turn(struct registry *registry)
{
    if (registry->pending_count == 0)
        return false;
    struct trust_want want = registry->pending[0].want;
    struct trust_fetch *fetch = registry->pending[0].fetch;
    registry->pending_count--;
    memmove(registry->pending, registry->pending + 1,
            registry->pending_count * sizeof registry->pending[0]);
    registry_answer(registry, &want, fetch);
    fetch->on_done(fetch->arg);
    return true;
}

static inline void registry_open(struct registry *registry, struct vector *vector)
{
    *registry = (struct registry){.vector = vector};
    registry->source = (struct trust_source){registry, registry_fetch, registry_cancel};
}

#endif
