/* cosign's tag scheme: a manifest with a layer for each signature, and payloads in the form of
   simple signing. Certificates and logs beside them are not looked at.
   https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md */
#include "sign_parts.h"

#include "image.h"

#define LAYER_TYPE       "application/vnd.dev.cosign.simplesigning.v1+json"
#define ANNOTATION       "dev.cosignproject.cosign/signature"
#define CERTIFICATE_NOTE "dev.sigstore.cosign/certificate"

struct str sign_cosign_tag(struct str digest, struct arena *arena)
{
    const struct str parts[] = {STR("sha256-"), sign_parts_hex(digest), STR(".sig")};
    if (!sign_digest_valid(digest))
        return (struct str){NULL, 0};
    return arena_join(arena, parts, ARRAY_LEN(parts));
}

/* ---- the signature's manifest -------------------------------------------------------------- */

/* A layer that is none of cosign's signatures is passed over, as cosign does. */
static bool take_layer(const struct json *doc, const struct json_node *layer,
                       struct sign_candidates *out, struct sign_verdict *verdict)
{
    const struct json_node *notes = sign_json_get(doc, layer, "annotations", JSON_OBJECT);
    struct str signature = sign_json_text(doc, notes, ANNOTATION);
    struct sign_descriptor *one = &out->items[out->count];
    if (!str_is(sign_json_text(doc, layer, "mediaType"), LAYER_TYPE) || !signature.p)
        return true;
    if (!sign_parts_descriptor(doc, layer, one))
        return sign_refuse(verdict, SIGN_BAD_MANIFEST, "a signature with a bad descriptor");
    if (one->size > SIGN_BLOB_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "a payload of more than %d bytes", SIGN_BLOB_MAX);
    one->signature = signature;
    one->certificate = json_get(doc, notes, STR(CERTIFICATE_NOTE)) != NULL;
    out->count++;
    return true;
}

bool sign_cosign_list(struct str bytes, struct arena *arena, struct sign_candidates *out,
                      struct sign_verdict *verdict)
{
    struct json doc;
    out->count = 0;
    const struct json_node *root = sign_parts_open(bytes, arena, &doc, verdict);
    if (!root)
        return false;
    const struct json_node *type = json_get(&doc, root, STR("mediaType"));
    const struct json_node *layers = sign_json_get(&doc, root, "layers", JSON_ARRAY);
    if (!layers || json_get(&doc, root, STR("manifests")) ||
        (type && !str_is(type->text, "application/vnd.oci.image.manifest.v1+json")))
        return sign_refuse(verdict, SIGN_BAD_MANIFEST,
                           "the signature's manifest is not one of OCI");
    if (layers->count > SIGN_CANDIDATES_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "more than %d signatures", SIGN_CANDIDATES_MAX);
    for (const struct json_node *layer = json_child(&doc, layers); layer;
         layer = json_next(&doc, layer))
        if (!take_layer(&doc, layer, out, verdict))
            return false;
    if (out->count == 0)
        return sign_refuse(verdict, SIGN_NO_SIGNATURE, "no layer is a signature of cosign");
    return true;
}

/* ---- the payload --------------------------------------------------------------------------- */

/* critical, when the payload has the members of a signature and no others; else NULL. */
static const struct json_node *payload_critical(const struct json *doc)
{
    static const char *const whole[] = {"critical", "optional", NULL};
    static const char *const critical[] = {"identity", "image", "type", NULL};
    static const char *const identity[] = {"docker-reference", NULL};
    static const char *const image[] = {"docker-manifest-digest", NULL};
    const struct json_node *root = &doc->nodes[0];
    if (!sign_json_only(doc, root, whole))
        return NULL;
    const struct json_node *optional = json_get(doc, root, STR("optional"));
    const struct json_node *node = json_get(doc, root, STR("critical"));
    if (!optional || (optional->kind != JSON_NULL && optional->kind != JSON_OBJECT) ||
        !sign_json_only(doc, node, critical) ||
        !sign_json_only(doc, json_get(doc, node, STR("identity")), identity) ||
        !sign_json_only(doc, json_get(doc, node, STR("image")), image) ||
        !str_is(sign_json_text(doc, node, "type"), "cosign container image signature"))
        return NULL;
    return node;
}

/* Whole names are compared, in their normal form. */
static bool reference_holds(const struct sign_rule *rule, const struct sign_image *image,
                            struct str reference, struct arena *arena)
{
    struct image_ref named;
    struct image_ref wanted;
    struct str name = rule->signed_repository.p ? rule->signed_repository : image->repository;
    if (rule->identity == SIGN_ANY)
        return true;
    if (!image_parse(reference, arena, &named) || !image_parse(name, arena, &wanted) ||
        wanted.tag.n || wanted.digest.n || !str_eq(named.name, wanted.name))
        return false;
    if (named.digest.n && !str_eq(named.digest, image->digest))
        return false;
    if (rule->identity == SIGN_REPOSITORY)
        return true;
    return rule->identity == SIGN_EXACT && image->tag.n > 0 && str_eq(named.tag, image->tag);
}

static bool judge_payload(const struct sign_rule *rule, const struct sign_image *image,
                          struct str payload, struct arena *arena, struct sign_verdict *verdict)
{
    struct json doc;
    struct err err = {0};
    if (!sign_json_scan(payload, arena, &doc, &err))
        return sign_refuse(verdict, SIGN_BAD_PAYLOAD, "the payload is not strict JSON: %s",
                           err.text);
    const struct json_node *critical = payload_critical(&doc);
    struct str digest =
        sign_json_text(&doc, json_get(&doc, critical, STR("image")), "docker-manifest-digest");
    struct str reference =
        sign_json_text(&doc, json_get(&doc, critical, STR("identity")), "docker-reference");
    if (!critical || !reference.p || !sign_digest_valid(digest))
        return sign_refuse(verdict, SIGN_BAD_PAYLOAD,
                           "the payload is not that of a container image signature");
    if (!str_eq(digest, image->digest))
        return sign_refuse(verdict, SIGN_DIGEST_MISMATCH, "signed is %.*s, not %.*s",
                           STR_ARG(digest), STR_ARG(image->digest));
    if (!reference_holds(rule, image, reference, arena))
        return sign_refuse(verdict, SIGN_IDENTITY_MISMATCH, "signed as '%.*s', which is not %s",
                           STR_ARG(str_head(reference, 128)),
                           rule->identity == SIGN_EXACT ? "this name and tag" : "this name");
    return true;
}

bool sign_cosign_judge(const struct sign_rule *rule, const struct sign_image *image,
                       const struct sign_descriptor *layer, struct str payload, struct arena *arena,
                       struct sign_verdict *verdict)
{
    struct str signature;
    *verdict = (struct sign_verdict){0};
    if (!(rule->formats & BIT(SIGN_COSIGN_SIMPLE)))
        return sign_refuse(verdict, SIGN_FORMAT_NOT_ALLOWED, "cosign-simple is not in formats");
    if (payload.n > SIGN_BLOB_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "a payload of more than %d bytes", SIGN_BLOB_MAX);
    if (!sign_fetched(layer, payload, verdict))
        return false;
    if (!sign_base64_decode(layer->signature, arena, &signature))
        return sign_refuse(verdict, SIGN_BAD_ENCODING, "the signature is not base64");
    struct sign_verdict signer = {0};
    if (!sign_parts_verify(rule, payload, signature, &signer)) {
        *verdict = signer;
        if (layer->certificate && signer.reason == SIGN_BAD_SIGNATURE)
            sign_refuse(verdict, SIGN_KEYLESS_UNSUPPORTED,
                        "a keyless signature (Fulcio), which is not supported: sign with a key");
        return false;
    }
    if (!judge_payload(rule, image, payload, arena, verdict))
        return false;
    *verdict = signer;
    verdict->reason = SIGN_OK;
    verdict->format = SIGN_COSIGN_SIMPLE;
    return true;
}
