/* What all signature formats share: reasons, verdicts, and bytes that must have a digest. */
#include "sign.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const reason_names[SIGN_REASONS] = {
    [SIGN_NO_SIGNATURE] = "no_signature",
    [SIGN_LIMIT] = "limit",
    [SIGN_GPG_UNSUPPORTED] = "gpg_unsupported",
    [SIGN_DCT_UNSUPPORTED] = "content_trust_unsupported",
    [SIGN_COSE_UNSUPPORTED] = "cose_unsupported",
    [SIGN_KEYLESS_UNSUPPORTED] = "keyless_unsupported",
    [SIGN_FORMAT_NOT_ALLOWED] = "format_not_allowed",
    [SIGN_BAD_MANIFEST] = "bad_manifest",
    [SIGN_BLOB_DIGEST] = "blob_digest",
    [SIGN_BAD_BUNDLE] = "bad_bundle",
    [SIGN_BAD_ENVELOPE] = "bad_envelope",
    [SIGN_BAD_ENCODING] = "bad_encoding",
    [SIGN_WEAK_KEY] = "weak_key",
    [SIGN_UNTRUSTED] = "untrusted_certificate",
    [SIGN_BAD_SIGNATURE] = "bad_signature",
    [SIGN_BAD_PAYLOAD] = "bad_payload",
    [SIGN_EXPIRED] = "expired",
    [SIGN_DIGEST_MISMATCH] = "digest_mismatch",
    [SIGN_IDENTITY_MISMATCH] = "identity_mismatch",
    [SIGN_CHILD_NOT_IN_INDEX] = "child_not_in_index",
    [SIGN_OK] = "ok",
};

static const char *const format_names[SIGN_FORMATS] = {
    [SIGN_COSIGN_SIMPLE] = "cosign-simple",
    [SIGN_SIGSTORE_BUNDLE] = "sigstore-bundle",
    [SIGN_NOTATION_JWS] = "notation-jws",
};

const char *sign_reason_name(enum sign_reason reason)
{
    return reason_names[reason];
}

const char *sign_format_name(enum sign_format format)
{
    return format_names[format];
}

bool sign_format_find(struct str name, enum sign_format *out, struct sign_verdict *verdict)
{
    static const struct {
        const char *name;
        enum sign_reason reason;
        const char *text;
    } unsupported[] = {
        {"cosign-keyless", SIGN_KEYLESS_UNSUPPORTED,
         "keyless signatures (Fulcio, Rekor) are not supported: sign with a key"},
        {"notation-cose", SIGN_COSE_UNSUPPORTED,
         "Notation's COSE envelopes are not supported: sign with --signature-format jws"},
        {"gpg", SIGN_GPG_UNSUPPORTED,
         "OpenPGP signatures (Red Hat simple signing) are not supported: sign with cosign"},
        {"content-trust", SIGN_DCT_UNSUPPORTED,
         "Docker Content Trust is not supported, and its servers are gone: sign with cosign"},
    };
    for (size_t i = 0; i < SIGN_FORMATS; i++) {
        *out = (enum sign_format)i;
        if (str_is(name, format_names[i]))
            return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
        if (str_is(name, unsupported[i].name))
            return sign_refuse(verdict, unsupported[i].reason, "%s", unsupported[i].text);
    return sign_refuse(verdict, SIGN_FORMAT_NOT_ALLOWED,
                       "unknown signature format '%.*s'; known are cosign-simple, sigstore-bundle "
                       "and notation-jws",
                       STR_ARG(str_head(name, 64)));
}

bool sign_refuse(struct sign_verdict *verdict, enum sign_reason reason, const char *format, ...)
{
    char raw[512];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    *verdict = (struct sign_verdict){.reason = reason};
    text_sentence(verdict->text, sizeof verdict->text, str_of(raw));
    return false;
}

void sign_nothing(struct sign_verdict *verdict)
{
    sign_refuse(verdict, SIGN_NO_SIGNATURE, "there is no signature");
}

void sign_keep(struct sign_verdict *best, const struct sign_verdict *one)
{
    if (one->reason >= best->reason)
        *best = *one;
}

bool sign_fetched(const struct sign_descriptor *descriptor, struct str bytes,
                  struct sign_verdict *verdict)
{
    if (bytes.n == descriptor->size && sign_digest_of(bytes, descriptor->digest))
        return true;
    return sign_refuse(verdict, SIGN_BLOB_DIGEST, "the bytes of %.*s are not those of that digest",
                       STR_ARG(descriptor->digest));
}
