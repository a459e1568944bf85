/* Notation's envelopes in the form of JWS. Plugins, time stamps and revocation are not looked at:
   what an envelope calls critical and is none of ours refuses it.
   https://github.com/notaryproject/specifications/blob/main/specs/signature-envelope-jws.md */
#include "sign_parts.h"

#define SCHEME  "io.cncf.notary.signingScheme"
#define SIGNED  "io.cncf.notary.authenticSigningTime"
#define EXPIRY  "io.cncf.notary.expiry"
#define CONTENT "application/vnd.cncf.notary.payload.v1+json"

/* The parts of an envelope as they stand in it, and decoded. */
struct envelope {
    struct json doc;
    struct json protected;
    struct str protected_text, payload_text;
    struct str payload, signature;
};

static bool read_envelope(struct str bytes, struct arena *arena, struct envelope *out,
                          struct sign_verdict *verdict)
{
    static const char *const whole[] = {"payload", "protected", "header", "signature", NULL};
    struct err err = {0};
    struct str text;
    if (!sign_json_scan(bytes, arena, &out->doc, &err))
        return sign_refuse(verdict, SIGN_BAD_ENVELOPE, "an envelope is not strict JSON: %s",
                           err.text);
    const struct json_node *root = &out->doc.nodes[0];
    out->protected_text = sign_json_text(&out->doc, root, "protected");
    out->payload_text = sign_json_text(&out->doc, root, "payload");
    out->signature = sign_json_text(&out->doc, root, "signature");
    if (!sign_json_only(&out->doc, root, whole) || !out->protected_text.p || !out->payload_text.p ||
        !out->signature.p)
        return sign_refuse(verdict, SIGN_BAD_ENVELOPE, "an envelope with other parts than JWS has");
    if (!sign_base64url_decode(out->protected_text, arena, &text) ||
        !sign_base64url_decode(out->payload_text, arena, &out->payload) ||
        !sign_base64url_decode(out->signature, arena, &out->signature))
        return sign_refuse(verdict, SIGN_BAD_ENCODING, "a part of the envelope is not base64url");
    if (!sign_json_scan(text, arena, &out->protected, &err))
        return sign_refuse(verdict, SIGN_BAD_ENVELOPE, "protected is not strict JSON: %s",
                           err.text);
    return true;
}

/* The chain of header.x5c, judged; NULL: refused. */
static struct sign_leaf *read_leaf(const struct sign_rule *rule, const struct sign_image *image,
                                   const struct envelope *envelope, struct arena *arena,
                                   struct sign_verdict *verdict)
{
    struct str certificates[SIGN_CHAIN_MAX];
    size_t count = 0;
    struct err err = {0};
    const struct json *doc = &envelope->doc;
    const struct json_node *header = sign_json_get(doc, &doc->nodes[0], "header", JSON_OBJECT);
    const struct json_node *list = sign_json_get(doc, header, "x5c", JSON_ARRAY);
    if (!list || list->count == 0 || list->count > SIGN_CHAIN_MAX) {
        sign_refuse(verdict, SIGN_BAD_ENVELOPE, "an envelope without x5c, or with more than %d",
                    SIGN_CHAIN_MAX);
        return NULL;
    }
    for (const struct json_node *one = json_child(doc, list); one; one = json_next(doc, one))
        if (one->kind != JSON_STRING ||
            !sign_base64_decode(one->text, arena, &certificates[count++])) {
            sign_refuse(verdict, SIGN_BAD_ENCODING, "a certificate in x5c is not base64");
            return NULL;
        }
    struct sign_leaf *leaf = sign_trust_chain(rule->trust, certificates, count, image->now, &err);
    if (!leaf)
        sign_refuse(verdict, SIGN_UNTRUSTED, "%s", err.text);
    return leaf;
}

/* ---- the protected header ------------------------------------------------------------------ */

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_digits(struct str text, size_t at, size_t n, int64_t low, int64_t high,
                        int64_t *out)
{
    for (size_t i = at; i < at + n; i++)
        if (i >= text.n || !ascii_digit(text.p[i]))
            return false;
    return str_to_int(str_head(str_skip(text, at), n), out) && *out >= low && *out <= high;
}

/* RFC 3339 in seconds of the epoch; fractions are cut off. */
static bool read_time(struct str text, int64_t *out)
{
    int64_t year, month, day, hour, minute, second, zone_hour = 0, zone_minute = 0;
    if (!read_digits(text, 0, 4, 1970, 9999, &year) || !read_digits(text, 5, 2, 1, 12, &month) ||
        !read_digits(text, 8, 2, 1, 31, &day) || !read_digits(text, 11, 2, 0, 23, &hour) ||
        !read_digits(text, 14, 2, 0, 59, &minute) || !read_digits(text, 17, 2, 0, 60, &second) ||
        text.p[4] != '-' || text.p[7] != '-' || text.p[10] != 'T' || text.p[13] != ':' ||
        text.p[16] != ':')
        return false;
    struct str zone = str_skip(text, 19);
    if (zone.n > 1 && zone.p[0] == '.') {
        size_t n = 1;
        while (n < zone.n && ascii_digit(zone.p[n]))
            n++;
        if (n == 1)
            return false;
        zone = str_skip(zone, n);
    }
    bool ahead = zone.n > 0 && zone.p[0] == '+';
    if (!str_is(zone, "Z") && (zone.n != 6 || (!ahead && zone.p[0] != '-') || zone.p[3] != ':' ||
                               !read_digits(zone, 1, 2, 0, 23, &zone_hour) ||
                               !read_digits(zone, 4, 2, 0, 59, &zone_minute)))
        return false;
    int64_t offset = (zone_hour * 60 + zone_minute) * 60;
    *out = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second +
           (ahead ? -offset : offset);
    return true;
}

/* Is that name listed in crit? */
static bool is_critical(const struct json *doc, const struct json_node *crit, const char *name)
{
    for (const struct json_node *one = json_child(doc, crit); one; one = json_next(doc, one))
        if (str_is(one->text, name))
            return true;
    return false;
}

/* Everything critical is known here and present, and what must be critical is. */
static bool critical_holds(const struct json *doc, const struct json_node *crit)
{
    static const char *const known[] = {SCHEME, SIGNED, EXPIRY};
    const struct json_node *root = &doc->nodes[0];
    size_t listed = 0;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        bool present = json_get(doc, root, str_of(known[i])) != NULL;
        if (present != is_critical(doc, crit, known[i]))
            return false;
        listed += present;
    }
    return is_critical(doc, crit, SCHEME) && crit->count == listed;
}

static bool judge_protected(const struct sign_rule *rule, const struct sign_image *image,
                            const struct json *doc, const struct sign_leaf *leaf, time_t *until,
                            struct sign_verdict *verdict)
{
    const struct json_node *root = &doc->nodes[0];
    const struct json_node *crit = sign_json_get(doc, root, "crit", JSON_ARRAY);
    const char *scheme =
        sign_trust_is_authority(rule->trust) ? "notary.x509.signingAuthority" : "notary.x509";
    int64_t expiry = INT64_MAX;
    if (!str_is(sign_json_text(doc, root, "alg"), sign_leaf_algorithm(leaf)))
        return sign_refuse(verdict, SIGN_BAD_ENVELOPE, "alg is not %s, as the key dictates",
                           sign_leaf_algorithm(leaf));
    if (!str_is(sign_json_text(doc, root, "cty"), CONTENT))
        return sign_refuse(verdict, SIGN_BAD_ENVELOPE, "cty is not %s", CONTENT);
    if (!crit || !critical_holds(doc, crit))
        return sign_refuse(verdict, SIGN_BAD_ENVELOPE,
                           "crit lists what is not known here, or leaves out what it must list");
    if (!str_is(sign_json_text(doc, root, SCHEME), scheme))
        return sign_refuse(verdict, SIGN_UNTRUSTED, "the trust store is for the scheme %s", scheme);
    if (json_get(doc, root, STR(EXPIRY)) && !read_time(sign_json_text(doc, root, EXPIRY), &expiry))
        return sign_refuse(verdict, SIGN_BAD_ENVELOPE, "expiry is no time of RFC 3339");
    if (expiry <= image->now)
        return sign_refuse(verdict, SIGN_EXPIRED, "the signature has expired");
    *until = expiry < sign_leaf_until(leaf) ? (time_t)expiry : sign_leaf_until(leaf);
    return true;
}

/* ---- the payload --------------------------------------------------------------------------- */

static bool judge_payload(const struct sign_rule *rule, const struct sign_image *image,
                          struct str payload, struct arena *arena, struct sign_verdict *verdict)
{
    static const char *const whole[] = {"targetArtifact", NULL};
    struct json doc;
    struct err err = {0};
    struct sign_descriptor target;
    if (!sign_json_scan(payload, arena, &doc, &err))
        return sign_refuse(verdict, SIGN_BAD_PAYLOAD, "the payload is not strict JSON: %s",
                           err.text);
    const struct json_node *root = &doc.nodes[0];
    if (!sign_json_only(&doc, root, whole) ||
        !sign_parts_descriptor(&doc, sign_json_get(&doc, root, "targetArtifact", JSON_OBJECT),
                               &target))
        return sign_refuse(verdict, SIGN_BAD_PAYLOAD, "the payload names no artifact");
    if (!str_eq(target.digest, image->digest) || target.size != image->size ||
        !str_eq(target.media_type, image->media_type))
        return sign_refuse(verdict, SIGN_DIGEST_MISMATCH, "signed is %.*s, not %.*s",
                           STR_ARG(target.digest), STR_ARG(image->digest));
    if (rule->identity != SIGN_ANY)
        return sign_refuse(
            verdict, SIGN_IDENTITY_MISMATCH,
            "Notation names no repository: its entry of images.signed needs \"identity\": \"any\"");
    return true;
}

/* The signature comes before everything that the envelope says. */
static bool judge_leaf(const struct sign_rule *rule, const struct sign_image *image,
                       const struct envelope *envelope, const struct sign_leaf *leaf,
                       struct arena *arena, time_t *until, struct sign_verdict *verdict)
{
    const struct str parts[] = {envelope->protected_text, STR("."), envelope->payload_text};
    struct str message = arena_join(arena, parts, ARRAY_LEN(parts));
    if (!message.p)
        return sign_refuse(verdict, SIGN_LIMIT, "out of memory");
    if (!sign_leaf_verify(leaf, message, envelope->signature))
        return sign_refuse(verdict, SIGN_BAD_SIGNATURE, "a signature not by its certificate");
    return judge_protected(rule, image, &envelope->protected, leaf, until, verdict) &&
           judge_payload(rule, image, envelope->payload, arena, verdict);
}

bool sign_notation_judge(const struct sign_rule *rule, const struct sign_image *image,
                         struct str bytes, struct arena *arena, struct sign_verdict *verdict)
{
    struct envelope envelope;
    *verdict = (struct sign_verdict){0};
    if (!(rule->formats & BIT(SIGN_NOTATION_JWS)))
        return sign_refuse(verdict, SIGN_FORMAT_NOT_ALLOWED, "notation-jws is not in formats");
    if (!rule->trust)
        return sign_refuse(verdict, SIGN_UNTRUSTED, "the rule has no trust store");
    if (bytes.n > SIGN_BLOB_MAX)
        return sign_refuse(verdict, SIGN_LIMIT, "an envelope of more than %d bytes", SIGN_BLOB_MAX);
    if (!read_envelope(bytes, arena, &envelope, verdict))
        return false;
    struct sign_leaf *leaf = read_leaf(rule, image, &envelope, arena, verdict);
    if (!leaf)
        return false;
    time_t until = 0;
    bool good = judge_leaf(rule, image, &envelope, leaf, arena, &until, verdict);
    if (good) {
        *verdict =
            (struct sign_verdict){.reason = SIGN_OK, .format = SIGN_NOTATION_JWS, .until = until};
        memcpy(verdict->key, sign_leaf_fingerprint(leaf), sizeof verdict->key);
    }
    sign_leaf_free(leaf);
    return good;
}
