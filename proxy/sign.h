/* Is this image signed by one of these keys? The formats and their rules, on bytes that others have
   fetched: nothing here opens a file, a socket or a clock. Callers go step by step: list what to
   fetch, fetch it, judge it, keep the verdict that got furthest. Everything fails closed. */
#ifndef PROXY_SIGN_H
#define PROXY_SIGN_H

#include "sign_encoding.h"
#include "sign_key.h"
#include "sign_trust.h"

#include <time.h>

enum {
    SIGN_MANIFEST_MAX = 4 << 20, /* bytes of a manifest or index: the limit of registries */
    SIGN_BLOB_MAX = 128 << 10,   /* bytes of a payload, bundle or envelope; usual: below 10 KiB */
    SIGN_CANDIDATES_MAX = 32,    /* signatures looked at for one image */
    SIGN_KEYS_MAX = 8,           /* keys of one rule */
    SIGN_CHILDREN_MAX = 256,     /* platforms of an index; usual: below 20 */
};

/* Why an image is refused, ordered by how far its signature got. Only SIGN_OK allows. */
enum sign_reason {
    SIGN_NO_SIGNATURE,        /* nothing that claims to be one */
    SIGN_LIMIT,               /* larger or more than what is looked at */
    SIGN_GPG_UNSUPPORTED,     /* Red Hat simple signing */
    SIGN_DCT_UNSUPPORTED,     /* Docker Content Trust, Notary v1 */
    SIGN_COSE_UNSUPPORTED,    /* Notation's CBOR envelope */
    SIGN_KEYLESS_UNSUPPORTED, /* a certificate of Fulcio instead of a key */
    SIGN_FORMAT_NOT_ALLOWED,  /* a format that the rule does not name */
    SIGN_BAD_MANIFEST,        /* of the image, its index or its signature */
    SIGN_BLOB_DIGEST,         /* the bytes are not those of the digest */
    SIGN_BAD_BUNDLE,          /* sigstore bundle with other parts than it must have */
    SIGN_BAD_ENVELOPE,        /* the same of Notation's */
    SIGN_BAD_ENCODING,        /* base64 */
    SIGN_WEAK_KEY,            /* a key that the rule must not have */
    SIGN_UNTRUSTED,           /* no chain to the trust store, or another identity */
    SIGN_BAD_SIGNATURE,       /* by none of the keys */
    SIGN_BAD_PAYLOAD,         /* well signed, and not a signature of an image */
    SIGN_EXPIRED,             /* Notation */
    SIGN_DIGEST_MISMATCH,     /* well signed, for another image */
    SIGN_IDENTITY_MISMATCH,   /* well signed, for another name */
    SIGN_CHILD_NOT_IN_INDEX,  /* the index is signed, and does not list the manifest */
    SIGN_OK,
    SIGN_REASONS
};

enum sign_format { SIGN_COSIGN_SIMPLE, SIGN_SIGSTORE_BUNDLE, SIGN_NOTATION_JWS, SIGN_FORMATS };

/* How the name in a signature binds (SIGN_REPOSITORY: the name without its tag). */
enum sign_identity { SIGN_REPOSITORY, SIGN_EXACT, SIGN_ANY };

/* One entry of a policy, as far as signatures go. All borrowed. */
struct sign_rule {
    unsigned formats; /* BIT(SIGN_COSIGN_SIMPLE) ...; zero allows none */
    const struct sign_key *const *keys;
    size_t key_count;
    enum sign_identity identity;
    struct str signed_repository;   /* name in signatures, for mirrors; p NULL: the image's own */
    const struct sign_trust *trust; /* Notation; NULL: none */
};

/* What is asked for. */
struct sign_image {
    struct str repository; /* "docker.io/library/nginx": image_ref.name */
    struct str tag;        /* empty: by digest alone */
    struct str digest;     /* that must be signed */
    struct str media_type; /* of its manifest; Notation binds it */
    size_t size;           /* bytes of its manifest; likewise */
    time_t now;            /* for certificates and expiry */
};

struct sign_verdict {
    enum sign_reason reason;
    enum sign_format format;              /* with SIGN_OK */
    char key[SIGN_FINGERPRINT_BYTES + 1]; /* that has signed; empty: none */
    char text[256];                       /* one sentence without a trailing dot */
    time_t until;                         /* with SIGN_OK: good before that; 0: for ever */
};

/* Where bytes lie that a step asks for. Texts live in the caller's arena, or in the bytes that were
   read, which must stay as long. */
struct sign_descriptor {
    struct str digest;
    size_t size;
    struct str media_type;
    struct str signature; /* cosign: of the payload, as it stands in the annotation */
    bool certificate;     /* cosign: one of Fulcio's stands beside it */
    struct str os, architecture, variant; /* of an index's manifest; empty: not told */
};

struct sign_candidates {
    struct sign_descriptor items[SIGN_CANDIDATES_MAX];
    size_t count;
};

/* "no_signature": stable, for audit lines and answers. */
const char *sign_reason_name(enum sign_reason reason);
const char *sign_format_name(enum sign_format format);

/* The format of that name in a policy. False: unknown, or one that is not supported, and why. */
bool sign_format_find(struct str name, enum sign_format *out, struct sign_verdict *verdict);

/* Sets reason and sentence; always returns false. The sentence has bytes of a registry escaped. */
bool sign_refuse(struct sign_verdict *verdict, enum sign_reason reason, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* No signature was found, so far. */
void sign_nothing(struct sign_verdict *verdict);
/* best becomes the one of both that got further, the later one of equals. */
void sign_keep(struct sign_verdict *best, const struct sign_verdict *one);

/* Are these the bytes that the descriptor names? */
bool sign_fetched(const struct sign_descriptor *descriptor, struct str bytes,
                  struct sign_verdict *verdict);

/* ---- images (sign_image.c) ----------------------------------------------------------------- */

/* A manifest or index whose bytes have the digest that was asked for. */
struct sign_manifest {
    struct str media_type;
    struct str digest;
    size_t size;
    bool is_index;
    struct str config; /* digest: the image's ID with graph drivers; empty for an index */
    struct sign_descriptor *children; /* of an index */
    size_t child_count;
};

/* Reads the manifest of an image, OCI's or Docker's schema 2. */
bool sign_manifest_read(struct str bytes, struct str digest, struct arena *arena,
                        struct sign_manifest *out, struct sign_verdict *verdict);
/* Does the (signed) index list this manifest? */
bool sign_child_listed(const struct sign_manifest *index, const struct sign_manifest *child,
                       struct sign_verdict *verdict);

/* ---- cosign's tag scheme (sign_cosign.c) --------------------------------------------------- */

/* The tag of an image's signatures, "sha256-<hex>.sig"; p NULL: no digest, or no memory. */
struct str sign_cosign_tag(struct str digest, struct arena *arena);
/* The payloads that a signature manifest names. False: refused, with the reason. */
bool sign_cosign_list(struct str bytes, struct arena *arena, struct sign_candidates *out,
                      struct sign_verdict *verdict);
/* Judges one payload. */
bool sign_cosign_judge(const struct sign_rule *rule, const struct sign_image *image,
                       const struct sign_descriptor *layer, struct str payload, struct arena *arena,
                       struct sign_verdict *verdict);

/* ---- referrers (sign_referrer.c) ----------------------------------------------------------- */

/* The descriptors of an index of referrers that may be signatures in a format of the rule. */
bool sign_referrers_list(const struct sign_rule *rule, struct str bytes, struct arena *arena,
                         struct sign_candidates *out, struct sign_verdict *verdict);
/* The blob that a referrer's manifest holds; format says of which kind. */
bool sign_referrer_read(const struct sign_rule *rule, const struct sign_image *image,
                        const struct sign_descriptor *referrer, struct str bytes,
                        struct arena *arena, struct sign_descriptor *blob, enum sign_format *format,
                        struct sign_verdict *verdict);
/* Judges that blob. */
bool sign_referrer_judge(const struct sign_rule *rule, const struct sign_image *image,
                         const struct sign_descriptor *blob, enum sign_format format,
                         struct str bytes, struct arena *arena, struct sign_verdict *verdict);

/* A bundle or an envelope by itself, as a store keeps them. */
bool sign_bundle_judge(const struct sign_rule *rule, const struct sign_image *image,
                       struct str bytes, struct arena *arena, struct sign_verdict *verdict);
bool sign_notation_judge(const struct sign_rule *rule, const struct sign_image *image,
                         struct str bytes, struct arena *arena, struct sign_verdict *verdict);

#endif
