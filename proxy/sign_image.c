/* Manifests and indexes of images: which bytes they are, which ID they give, which children they
   list. It verifies no signature.
   https://github.com/opencontainers/image-spec/blob/main/manifest.md
   https://distribution.github.io/distribution/spec/manifest-v2-2/ */
#include "sign_parts.h"

static const struct {
    const char *media_type;
    bool is_index;
} kinds[] = {
    {"application/vnd.oci.image.manifest.v1+json", false},
    {"application/vnd.docker.distribution.manifest.v2+json", false},
    {"application/vnd.oci.image.index.v1+json", true},
    {"application/vnd.docker.distribution.manifest.list.v2+json", true},
};

struct str sign_parts_hex(struct str digest)
{
    return str_skip(digest, 7);
}

const struct json_node *sign_parts_open(struct str bytes, struct arena *arena, struct json *doc,
                                        struct sign_verdict *verdict)
{
    struct err err = {0};
    int64_t version = 0;
    if (bytes.n > SIGN_MANIFEST_MAX) {
        sign_refuse(verdict, SIGN_LIMIT, "a manifest of more than %d bytes", SIGN_MANIFEST_MAX);
        return NULL;
    }
    if (!sign_json_scan(bytes, arena, doc, &err)) {
        sign_refuse(verdict, SIGN_BAD_MANIFEST, "a manifest is not strict JSON: %s", err.text);
        return NULL;
    }
    const struct json_node *schema =
        sign_json_get(doc, &doc->nodes[0], "schemaVersion", JSON_NUMBER);
    if (!schema || !json_int(schema, &version) || version != 2) {
        sign_refuse(verdict, SIGN_BAD_MANIFEST, "a manifest whose schemaVersion is not 2");
        return NULL;
    }
    return &doc->nodes[0];
}

bool sign_parts_descriptor(const struct json *doc, const struct json_node *node,
                           struct sign_descriptor *out)
{
    int64_t size = -1;
    *out = (struct sign_descriptor){0};
    const struct json_node *number = node ? sign_json_get(doc, node, "size", JSON_NUMBER) : NULL;
    if (!number || !json_int(number, &size) || size < 0 || size >= INT64_C(1) << 53)
        return false;
    out->size = (size_t)size;
    out->digest = sign_json_text(doc, node, "digest");
    out->media_type = sign_json_text(doc, node, "mediaType");
    return sign_digest_valid(out->digest) && out->media_type.n > 0;
}

bool sign_parts_verify(const struct sign_rule *rule, struct str message, struct str signature,
                       struct sign_verdict *verdict)
{
    if (rule->key_count > SIGN_KEYS_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "more than %d keys", SIGN_KEYS_MAX);
    for (size_t i = 0; i < rule->key_count; i++) {
        if (!sign_key_verify(rule->keys[i], message, signature))
            continue;
        memcpy(verdict->key, sign_key_fingerprint(rule->keys[i]), sizeof verdict->key);
        return true;
    }
    return sign_refuse(verdict, SIGN_BAD_SIGNATURE,
                       "it is signed, but by none of the entry's keys");
}

/* ---- manifests ----------------------------------------------------------------------------- */

/* Daemons match names in any case, and read a document with rootfs as the config of an image, whose
   digest would be an ID. */
static bool names_hold(const struct json *doc)
{
    static const char *const names[] = {"schemaVersion", "mediaType", "manifests", "layers",
                                        "config",        "fsLayers",  "rootfs"};
    for (const struct json_node *member = json_child(doc, &doc->nodes[0]); member;
         member = json_next(doc, member))
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (json_fold_eq(member->key, str_of(names[i])) &&
                (!str_is(member->key, names[i]) || str_is(member->key, "rootfs")))
                return false;
    return true;
}

/* A document that reads as both kinds would be one thing to us and another to the daemon
   (CVE-2021-41190). */
static bool kind_holds(const struct json *doc, struct sign_manifest *out)
{
    const struct json_node *root = &doc->nodes[0];
    bool children = json_get(doc, root, STR("manifests")) != NULL;
    bool layers = json_get(doc, root, STR("layers")) != NULL ||
                  json_get(doc, root, STR("config")) != NULL ||
                  json_get(doc, root, STR("fsLayers")) != NULL;
    const struct json_node *type = json_get(doc, root, STR("mediaType"));
    if (children == layers || !names_hold(doc))
        return false;
    out->is_index = children;
    out->media_type = STR("application/vnd.oci.image.manifest.v1+json");
    if (children)
        out->media_type = STR("application/vnd.oci.image.index.v1+json");
    if (!type)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        out->media_type = str_of(kinds[i].media_type);
        if (type->kind == JSON_STRING && str_eq(type->text, out->media_type))
            return kinds[i].is_index == out->is_index;
    }
    return false;
}

/* Unsigned hints where the index is not signed: they only say what to look at first. */
static void read_platform(const struct json *doc, const struct json_node *node,
                          struct sign_descriptor *out)
{
    const struct json_node *platform = sign_json_get(doc, node, "platform", JSON_OBJECT);
    out->os = sign_json_text(doc, platform, "os");
    out->architecture = sign_json_text(doc, platform, "architecture");
    out->variant = sign_json_text(doc, platform, "variant");
}

static bool read_children(const struct json *doc, struct arena *arena, struct sign_manifest *out,
                          struct sign_verdict *verdict)
{
    const struct json_node *list = sign_json_get(doc, &doc->nodes[0], "manifests", JSON_ARRAY);
    if (!list)
        return sign_refuse(verdict, SIGN_BAD_MANIFEST, "an index whose manifests are no list");
    if (list->count > SIGN_CHILDREN_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "an index of more than %d manifests",
                           SIGN_CHILDREN_MAX);
    out->children = arena_alloc(arena, list->count + 1, sizeof *out->children);
    if (!out->children)
        return sign_refuse(verdict, SIGN_LIMIT, "out of memory");
    for (const struct json_node *one = json_child(doc, list); one; one = json_next(doc, one)) {
        struct sign_descriptor *child = &out->children[out->child_count++];
        if (!sign_parts_descriptor(doc, one, child))
            return sign_refuse(verdict, SIGN_BAD_MANIFEST, "an index with a bad descriptor");
        read_platform(doc, one, child);
    }
    return true;
}

bool sign_manifest_read(struct str bytes, struct str digest, struct arena *arena,
                        struct sign_manifest *out, struct sign_verdict *verdict)
{
    struct json doc;
    struct sign_descriptor config;
    *out = (struct sign_manifest){.digest = digest, .size = bytes.n};
    if (!sign_digest_valid(digest))
        return sign_refuse(verdict, SIGN_BAD_MANIFEST, "a digest other than sha256: and 64 digits");
    if (bytes.n > SIGN_MANIFEST_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "a manifest of more than %d bytes",
                           SIGN_MANIFEST_MAX);
    if (!sign_digest_of(bytes, digest))
        return sign_refuse(verdict, SIGN_BLOB_DIGEST, "the manifest is not that of %.*s",
                           STR_ARG(digest));
    if (!sign_parts_open(bytes, arena, &doc, verdict))
        return false;
    if (!kind_holds(&doc, out))
        return sign_refuse(verdict, SIGN_BAD_MANIFEST,
                           "neither a manifest nor an index of OCI or Docker schema 2");
    if (out->is_index)
        return read_children(&doc, arena, out, verdict);
    if (!sign_parts_descriptor(&doc, sign_json_get(&doc, &doc.nodes[0], "config", JSON_OBJECT),
                               &config))
        return sign_refuse(verdict, SIGN_BAD_MANIFEST, "a manifest without a config");
    out->config = config.digest;
    return true;
}

bool sign_child_listed(const struct sign_manifest *index, const struct sign_manifest *child,
                       struct sign_verdict *verdict)
{
    for (size_t i = 0; index->is_index && i < index->child_count; i++)
        if (str_eq(index->children[i].digest, child->digest) &&
            index->children[i].size == child->size &&
            str_eq(index->children[i].media_type, child->media_type))
            return true;
    return sign_refuse(verdict, SIGN_CHILD_NOT_IN_INDEX, "%.*s is not in the signed index",
                       STR_ARG(child->digest));
}
