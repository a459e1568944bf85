/* The vectors of tests/signatures, judged in-process: the steps of a caller, with files for what a
   registry would answer. */
#ifndef TESTS_SIGN_HELPER_H
#define TESTS_SIGN_HELPER_H

#include "case_helper.h"
#include "sign.h"

#include <unistd.h>

struct vector {
    struct arena arena;
    char folder[256];
    struct json doc;
    struct sign_rule rule;
    struct sign_image image;
    struct sign_key *keys[SIGN_KEYS_MAX];
    bool weak_key;
};

static inline bool vector_has(const struct vector *vector, const char *name)
{
    return access(source_path(vector->folder, name), R_OK) == 0;
}

static inline struct str vector_blob(struct vector *vector, struct str digest)
{
    char name[128];
    snprintf(name, sizeof name, "blobs/%.*s", STR_ARG(str_skip(digest, 7)));
    return source_file(vector->folder, name, &vector->arena);
}

static inline struct str vector_text(const struct vector *vector, const char *name)
{
    return json_get(&vector->doc, &vector->doc.nodes[0], str_of(name))->text;
}

static inline void vector_open_key(struct vector *vector, struct str name)
{
    char file[64];
    bool weak = false;
    struct err err = {0};
    snprintf(file, sizeof file, "%.*s.pub", STR_ARG(name));
    struct str pem = source_file("tests/signatures/keys", file, &vector->arena);
    struct sign_key *key = sign_key_read(pem, &weak, &err);
    vector->weak_key = vector->weak_key || weak;
    if (key)
        vector->keys[vector->rule.key_count++] = key;
    else if (!weak)
        fail_msg("%s: %s", file, err.text);
}

static inline void vector_open(struct vector *vector, const char *name)
{
    struct err err = {0};
    *vector = (struct vector){0};
    snprintf(vector->folder, sizeof vector->folder, "tests/signatures/cases/%s", name);
    struct str text = source_file(vector->folder, "case.json", &vector->arena);
    if (!json_scan(text, &vector->arena, &vector->doc, &err))
        fail_msg("%s: %s", name, err.text);
    const struct json *doc = &vector->doc;
    const struct json_node *intended = json_get(doc, &doc->nodes[0], STR("intended"));
    vector->image = (struct sign_image){
        .repository = json_get(doc, intended, STR("repository"))->text,
        .tag = json_get(doc, intended, STR("tag"))->text,
        .digest = json_get(doc, intended, STR("digest"))->text,
    };
    struct str identity = vector_text(vector, "identity");
    vector->rule.identity = str_is(identity, "any")          ? SIGN_ANY
                            : str_is(identity, "repository") ? SIGN_REPOSITORY
                                                             : SIGN_EXACT;
    vector->rule.formats = BIT(SIGN_COSIGN_SIMPLE) | BIT(SIGN_SIGSTORE_BUNDLE);
    const struct json_node *keys = json_get(doc, &doc->nodes[0], STR("keys"));
    for (const struct json_node *key = json_child(doc, keys); key; key = json_next(doc, key))
        vector_open_key(vector, key->text);
    vector->rule.keys = (const struct sign_key *const *)vector->keys;
}

static inline void vector_close(struct vector *vector)
{
    for (size_t i = 0; i < vector->rule.key_count; i++)
        sign_key_free(vector->keys[i]);
    arena_free(&vector->arena);
}

static inline void vector_judge_simple(struct vector *vector, struct sign_verdict *best)
{
    struct sign_candidates found;
    struct str manifest = source_file(vector->folder, "sig.json", &vector->arena);
    if (!sign_cosign_list(manifest, &vector->arena, &found, best))
        return;
    for (size_t i = 0; i < found.count; i++) {
        struct sign_verdict one;
        sign_cosign_judge(&vector->rule, &vector->image, &found.items[i],
                          vector_blob(vector, found.items[i].digest), &vector->arena, &one);
        sign_keep(best, &one);
    }
}

static inline void vector_judge_bundle(struct vector *vector, struct sign_verdict *best)
{
    struct sign_candidates found;
    struct str index = source_file(vector->folder, "referrers.json", &vector->arena);
    if (!sign_referrers_list(&vector->rule, index, &vector->arena, &found, best))
        return;
    for (size_t i = 0; i < found.count; i++) {
        struct sign_verdict one = {0};
        struct sign_descriptor blob;
        enum sign_format format;
        struct str bytes = vector_blob(vector, found.items[i].digest);
        if (sign_referrer_read(&vector->rule, &vector->image, &found.items[i], bytes,
                               &vector->arena, &blob, &format, &one))
            sign_referrer_judge(&vector->rule, &vector->image, &blob, format,
                                vector_blob(vector, blob.digest), &vector->arena, &one);
        sign_keep(best, &one);
    }
}

/* best begins as "nothing found". */
static inline void vector_judge(struct vector *vector, struct sign_verdict *best)
{
    struct sign_manifest manifest;
    struct sign_manifest child;
    sign_nothing(best);
    if (vector->weak_key) {
        sign_refuse(best, SIGN_WEAK_KEY, "the rule has a weak key");
        return;
    }
    struct str bytes = source_file(vector->folder, "manifest.json", &vector->arena);
    if (!sign_manifest_read(bytes, vector->image.digest, &vector->arena, &manifest, best))
        return;
    if (vector_has(vector, "sig.json"))
        vector_judge_simple(vector, best);
    if (vector_has(vector, "referrers.json"))
        vector_judge_bundle(vector, best);
    if (best->reason != SIGN_OK || !vector_has(vector, "child.json"))
        return;
    char digest[SIGN_DIGEST_BYTES + 1];
    bytes = source_file(vector->folder, "child.json", &vector->arena);
    sign_digest_write(bytes, digest);
    if (sign_manifest_read(bytes, str_of(digest), &vector->arena, &child, best))
        sign_child_listed(&manifest, &child, best);
}

#endif
