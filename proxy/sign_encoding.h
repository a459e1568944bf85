/* Digests, base64 and strict JSON, as signature formats want them. */
#ifndef PROXY_SIGN_ENCODING_H
#define PROXY_SIGN_ENCODING_H

#include "json.h"

enum {
    SIGN_DIGEST_BYTES = 7 + 64,   /* "sha256:" and 64 digits */
    SIGN_JSON_DEPTH_MAX = 32,     /* levels */
    SIGN_JSON_MEMBERS_MAX = 1024, /* of one object */
};

/* "sha256:" and 64 lower-case hex digits; nothing else is a digest here. */
bool sign_digest_valid(struct str digest);
/* Writes the SHA-256 of the bytes that way, with a NUL behind it. False: OpenSSL refuses. */
bool sign_digest_write(struct str bytes, char out[SIGN_DIGEST_BYTES + 1]);
/* Is this the SHA-256 of the bytes, written that way? */
bool sign_digest_of(struct str bytes, struct str digest);

/* Base64 of RFC 4648 section 4, padded and canonical; CR and LF are passed over, as Go's decoder
   does. False for anything else. */
bool sign_base64_decode(struct str text, struct arena *arena, struct str *out);
/* Base64url of section 5, without padding and canonical; nothing is passed over. */
bool sign_base64url_decode(struct str text, struct arena *arena, struct str *out);

/* json_scan(), and refused as well: depth over SIGN_JSON_DEPTH_MAX, objects with more than
   SIGN_JSON_MEMBERS_MAX members, and two members whose names Go's decoder takes for the same. */
bool sign_json_scan(struct str source, struct arena *arena, struct json *out, struct err *err);

/* The member of that name and kind, or NULL. */
const struct json_node *sign_json_get(const struct json *doc, const struct json_node *object,
                                      const char *name, enum json_kind kind);
/* The text of a string member; p NULL when it is not there, or not a string. */
struct str sign_json_text(const struct json *doc, const struct json_node *object, const char *name);
/* Is node an object with only these members (NULL ends the list)? */
bool sign_json_only(const struct json *doc, const struct json_node *node,
                    const char *const names[]);

#endif
