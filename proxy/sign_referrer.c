/* Referrers of OCI 1.1: the index that lists them, and the manifest that holds one signature. What
   the signature says is for sign_bundle.c and sign_notation.c.
   https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers */
#include "sign_parts.h"

#define EMPTY_DIGEST "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define EMPTY_TYPE   "application/vnd.oci.empty.v1+json"
#define NOTARY_TYPE  "application/vnd.cncf.notary.signature"
#define BUNDLE_START "application/vnd.dev.sigstore.bundle"
#define BUNDLE_TYPE  "application/vnd.dev.sigstore.bundle.v0.3+json"

/* The formats that an artifactType may hide; an absent one says nothing. */
static unsigned type_formats(struct str type)
{
    if (!type.p || str_is(type, EMPTY_TYPE))
        return BIT(SIGN_SIGSTORE_BUNDLE) | BIT(SIGN_NOTATION_JWS);
    if (str_starts(type, STR(BUNDLE_START)))
        return BIT(SIGN_SIGSTORE_BUNDLE);
    return str_is(type, NOTARY_TYPE) ? BIT(SIGN_NOTATION_JWS) : 0;
}

static bool take_referrer(const struct json *doc, const struct json_node *node,
                          struct sign_candidates *out, struct sign_verdict *verdict)
{
    if (out->count == SIGN_CANDIDATES_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "more than %d signatures", SIGN_CANDIDATES_MAX);
    struct sign_descriptor *one = &out->items[out->count];
    if (!sign_parts_descriptor(doc, node, one))
        return sign_refuse(verdict, SIGN_BAD_MANIFEST, "a referrer with a bad descriptor");
    if (one->size > SIGN_MANIFEST_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "a manifest of more than %d bytes",
                           SIGN_MANIFEST_MAX);
    out->count++;
    return true;
}

bool sign_referrers_list(const struct sign_rule *rule, struct str bytes, struct arena *arena,
                         struct sign_candidates *out, struct sign_verdict *verdict)
{
    struct json doc;
    bool others = false;
    out->count = 0;
    const struct json_node *root = sign_parts_open(bytes, arena, &doc, verdict);
    if (!root)
        return false;
    const struct json_node *type = json_get(&doc, root, STR("mediaType"));
    const struct json_node *list = sign_json_get(&doc, root, "manifests", JSON_ARRAY);
    if (!list || json_get(&doc, root, STR("layers")) ||
        (type && !str_is(type->text, "application/vnd.oci.image.index.v1+json")))
        return sign_refuse(verdict, SIGN_BAD_MANIFEST, "the referrers are no index of OCI");
    for (const struct json_node *one = json_child(&doc, list); one; one = json_next(&doc, one)) {
        unsigned formats = type_formats(sign_json_text(&doc, one, "artifactType"));
        others = others || (formats && !(formats & rule->formats));
        if ((formats & rule->formats) && !take_referrer(&doc, one, out, verdict))
            return false;
    }
    if (out->count > 0)
        return true;
    if (others)
        return sign_refuse(verdict, SIGN_FORMAT_NOT_ALLOWED,
                           "signatures are there, in formats that the rule does not name");
    return sign_refuse(verdict, SIGN_NO_SIGNATURE, "no referrer is a signature");
}

/* ---- one referrer -------------------------------------------------------------------------- */

static bool subject_holds(const struct json *doc, const struct sign_image *image)
{
    struct sign_descriptor subject;
    const struct json_node *node = sign_json_get(doc, &doc->nodes[0], "subject", JSON_OBJECT);
    return sign_parts_descriptor(doc, node, &subject) && str_eq(subject.digest, image->digest);
}

static bool bundle_parts(const struct json *doc, const struct sign_descriptor *blob,
                         struct sign_verdict *verdict)
{
    const struct json_node *config = sign_json_get(doc, &doc->nodes[0], "config", JSON_OBJECT);
    if (!str_is(blob->media_type, BUNDLE_TYPE))
        return sign_refuse(verdict, SIGN_BAD_BUNDLE, "a bundle of another version than 0.3");
    if (!str_is(sign_json_text(doc, config, "digest"), EMPTY_DIGEST))
        return sign_refuse(verdict, SIGN_BAD_BUNDLE, "a bundle whose config is not empty");
    return true;
}

static bool notary_parts(const struct json *doc, const struct sign_descriptor *blob,
                         struct sign_verdict *verdict)
{
    const struct json_node *root = &doc->nodes[0];
    const struct json_node *config = sign_json_get(doc, root, "config", JSON_OBJECT);
    if (!str_is(sign_json_text(doc, root, "artifactType"), NOTARY_TYPE) &&
        !str_is(sign_json_text(doc, config, "mediaType"), NOTARY_TYPE))
        return sign_refuse(verdict, SIGN_BAD_ENVELOPE, "an envelope in a manifest of another type");
    if (str_is(blob->media_type, "application/cose"))
        return sign_refuse(verdict, SIGN_COSE_UNSUPPORTED,
                           "a COSE envelope, which is not supported: sign with "
                           "--signature-format jws");
    return true;
}

bool sign_referrer_read(const struct sign_rule *rule, const struct sign_image *image,
                        const struct sign_descriptor *referrer, struct str bytes,
                        struct arena *arena, struct sign_descriptor *blob, enum sign_format *format,
                        struct sign_verdict *verdict)
{
    struct json doc;
    if (!sign_fetched(referrer, bytes, verdict) || !sign_parts_open(bytes, arena, &doc, verdict))
        return false;
    const struct json_node *layers = sign_json_get(&doc, &doc.nodes[0], "layers", JSON_ARRAY);
    if (!layers || layers->count != 1 || json_get(&doc, &doc.nodes[0], STR("manifests")) ||
        !sign_parts_descriptor(&doc, json_child(&doc, layers), blob))
        return sign_refuse(verdict, SIGN_BAD_MANIFEST, "a referrer with other than one layer");
    if (str_starts(blob->media_type, STR(BUNDLE_START)))
        *format = SIGN_SIGSTORE_BUNDLE;
    else if (str_is(blob->media_type, "application/jose+json") ||
             str_is(blob->media_type, "application/cose"))
        *format = SIGN_NOTATION_JWS;
    else
        return sign_refuse(verdict, SIGN_NO_SIGNATURE, "a referrer that is no signature");
    if (!(rule->formats & BIT(*format)))
        return sign_refuse(verdict, SIGN_FORMAT_NOT_ALLOWED, "%s is not in formats",
                           sign_format_name(*format));
    bool bundle = *format == SIGN_SIGSTORE_BUNDLE;
    if (!(bundle ? bundle_parts : notary_parts)(&doc, blob, verdict))
        return false;
    if (!subject_holds(&doc, image))
        return sign_refuse(verdict, bundle ? SIGN_BAD_BUNDLE : SIGN_BAD_ENVELOPE,
                           "a signature whose subject is another image");
    if (blob->size > SIGN_BLOB_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "a signature of more than %d bytes", SIGN_BLOB_MAX);
    return true;
}

bool sign_referrer_judge(const struct sign_rule *rule, const struct sign_image *image,
                         const struct sign_descriptor *blob, enum sign_format format,
                         struct str bytes, struct arena *arena, struct sign_verdict *verdict)
{
    *verdict = (struct sign_verdict){0};
    if (!sign_fetched(blob, bytes, verdict))
        return false;
    if (format == SIGN_SIGSTORE_BUNDLE)
        return sign_bundle_judge(rule, image, bytes, arena, verdict);
    if (format == SIGN_NOTATION_JWS)
        return sign_notation_judge(rule, image, bytes, arena, verdict);
    return sign_refuse(verdict, SIGN_FORMAT_NOT_ALLOWED, "no format of referrers");
}
