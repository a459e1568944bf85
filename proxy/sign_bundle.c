/* sigstore bundles of version 0.3 as cosign writes them with a key: a DSSE envelope around a
   statement of in-toto. Certificates are refused, logs and timestamps not looked at.
   https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
   https://github.com/secure-systems-lab/dsse/blob/master/protocol.md */
#include "sign_parts.h"

#define PAYLOAD_TYPE "application/vnd.in-toto+json"

/* Is there such a member, other than null, by which protobuf means none? */
static bool has(const struct json *doc, const struct json_node *object, const char *name)
{
    const struct json_node *node = json_get(doc, object, str_of(name));
    return node && node->kind != JSON_NULL;
}

/* The envelope of a bundle that a key has signed; NULL: refused. */
static const struct json_node *bundle_envelope(const struct json *doc, struct sign_verdict *verdict)
{
    static const char *const whole[] = {"mediaType", "verificationMaterial", "dsseEnvelope",
                                        "messageSignature", NULL};
    const struct json_node *root = &doc->nodes[0];
    struct str type = sign_json_text(doc, root, "mediaType");
    const struct json_node *material =
        sign_json_get(doc, root, "verificationMaterial", JSON_OBJECT);
    const char *why = NULL;
    if (!sign_json_only(doc, root, whole))
        why = "a bundle with unknown members";
    else if (!str_is(type, "application/vnd.dev.sigstore.bundle.v0.3+json") &&
             !str_is(type, "application/vnd.dev.sigstore.bundle+json;version=0.3"))
        why = "a bundle of another version than 0.3";
    else if (has(doc, material, "certificate") || has(doc, material, "x509CertificateChain")) {
        sign_refuse(verdict, SIGN_KEYLESS_UNSUPPORTED,
                    "a keyless signature (Fulcio), which is not supported: sign with a key");
        return NULL;
    } else if (!sign_json_get(doc, material, "publicKey", JSON_OBJECT))
        why = "a bundle without a public key";
    else if (has(doc, root, "messageSignature"))
        why = "a bundle with messageSignature: an image's holds an attestation";
    else if (!sign_json_get(doc, root, "dsseEnvelope", JSON_OBJECT))
        why = "a bundle without dsseEnvelope";
    if (!why)
        return sign_json_get(doc, root, "dsseEnvelope", JSON_OBJECT);
    sign_refuse(verdict, SIGN_BAD_BUNDLE, "%s", why);
    return NULL;
}

/* Payload and signature in base64, of an envelope with exactly one signature. */
static bool envelope_parts(const struct json *doc, const struct json_node *envelope,
                           struct str *payload, struct str *signature, struct sign_verdict *verdict)
{
    static const char *const whole[] = {"payload", "payloadType", "signatures", NULL};
    static const char *const entry[] = {"sig", "keyid", NULL};
    const struct json_node *list = sign_json_get(doc, envelope, "signatures", JSON_ARRAY);
    if (!sign_json_only(doc, envelope, whole) || !list || list->count != 1 ||
        !sign_json_only(doc, json_child(doc, list), entry))
        return sign_refuse(verdict, SIGN_BAD_BUNDLE, "an envelope with other than one signature");
    if (!str_is(sign_json_text(doc, envelope, "payloadType"), PAYLOAD_TYPE))
        return sign_refuse(verdict, SIGN_BAD_BUNDLE, "an envelope whose payloadType is not %s",
                           PAYLOAD_TYPE);
    *payload = sign_json_text(doc, envelope, "payload");
    *signature = sign_json_text(doc, json_child(doc, list), "sig");
    return (payload->p && signature->p) ||
           sign_refuse(verdict, SIGN_BAD_BUNDLE, "an envelope without payload or signature");
}

/* The bytes that DSSE signs. */
static struct str pae(struct str payload, struct arena *arena)
{
    char type_digits[DECIMAL_MAX];
    char digits[DECIMAL_MAX];
    const struct str parts[] = {STR("DSSEv1 "), decimal_text(type_digits, sizeof PAYLOAD_TYPE - 1),
                                STR(" "),       STR(PAYLOAD_TYPE),
                                STR(" "),       decimal_text(digits, payload.n),
                                STR(" "),       payload};
    return arena_join(arena, parts, ARRAY_LEN(parts));
}

/* ---- the statement ------------------------------------------------------------------------- */

static bool subject_listed(const struct json *doc, const struct json_node *subjects,
                           struct str digest)
{
    for (const struct json_node *one = json_child(doc, subjects); one; one = json_next(doc, one)) {
        const struct json_node *digests = sign_json_get(doc, one, "digest", JSON_OBJECT);
        if (str_eq(sign_json_text(doc, digests, "sha256"), sign_parts_hex(digest)))
            return true;
    }
    return false;
}

static bool judge_statement(const struct sign_rule *rule, const struct sign_image *image,
                            struct str payload, struct arena *arena, struct sign_verdict *verdict)
{
    struct json doc;
    struct err err = {0};
    if (!sign_json_scan(payload, arena, &doc, &err))
        return sign_refuse(verdict, SIGN_BAD_PAYLOAD, "the statement is not strict JSON: %s",
                           err.text);
    const struct json_node *root = &doc.nodes[0];
    const struct json_node *subjects = sign_json_get(&doc, root, "subject", JSON_ARRAY);
    if (!str_is(sign_json_text(&doc, root, "_type"), "https://in-toto.io/Statement/v1") ||
        !subjects)
        return sign_refuse(verdict, SIGN_BAD_PAYLOAD, "no statement of in-toto 1");
    if (!str_is(sign_json_text(&doc, root, "predicateType"), "https://sigstore.dev/cosign/sign/v1"))
        return sign_refuse(verdict, SIGN_BAD_PAYLOAD,
                           "an attestation of something else than a signature");
    if (!sign_digest_valid(image->digest) || !subject_listed(&doc, subjects, image->digest))
        return sign_refuse(verdict, SIGN_DIGEST_MISMATCH, "no subject is %.*s",
                           STR_ARG(image->digest));
    if (rule->identity != SIGN_ANY)
        return sign_refuse(
            verdict, SIGN_IDENTITY_MISMATCH,
            "a bundle names no repository: its entry of images.signed needs \"identity\": \"any\"");
    return true;
}

bool sign_bundle_judge(const struct sign_rule *rule, const struct sign_image *image,
                       struct str bytes, struct arena *arena, struct sign_verdict *verdict)
{
    struct json doc;
    struct err err = {0};
    struct str payload;
    struct str signature;
    *verdict = (struct sign_verdict){0};
    if (!(rule->formats & BIT(SIGN_SIGSTORE_BUNDLE)))
        return sign_refuse(verdict, SIGN_FORMAT_NOT_ALLOWED, "sigstore-bundle is not in formats");
    if (bytes.n > SIGN_BLOB_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "a bundle of more than %d bytes", SIGN_BLOB_MAX);
    if (!sign_json_scan(bytes, arena, &doc, &err))
        return sign_refuse(verdict, SIGN_BAD_BUNDLE, "a bundle is not strict JSON: %s", err.text);
    const struct json_node *envelope = bundle_envelope(&doc, verdict);
    if (!envelope || !envelope_parts(&doc, envelope, &payload, &signature, verdict))
        return false;
    if (!sign_base64_decode(payload, arena, &payload) ||
        !sign_base64_decode(signature, arena, &signature))
        return sign_refuse(verdict, SIGN_BAD_ENCODING, "payload or signature is not base64");
    struct str message = pae(payload, arena);
    if (!message.p)
        return sign_refuse(verdict, SIGN_LIMIT, "out of memory");
    struct sign_verdict signer = {0};
    if (!sign_parts_verify(rule, message, signature, &signer)) {
        *verdict = signer;
        return false;
    }
    if (!judge_statement(rule, image, payload, arena, verdict))
        return false;
    *verdict = signer;
    verdict->reason = SIGN_OK;
    verdict->format = SIGN_SIGSTORE_BUNDLE;
    return true;
}
