/* Private to sign_*.c: pieces that several formats are made of. */
#ifndef PROXY_SIGN_PARTS_H
#define PROXY_SIGN_PARTS_H

#include "sign.h"

/* Scans a manifest or index with "schemaVersion": 2; NULL: refused. */
const struct json_node *sign_parts_open(struct str bytes, struct arena *arena, struct json *doc,
                                        struct sign_verdict *verdict);
/* Reads an object with mediaType, digest and size; false without a reason when it is none. */
bool sign_parts_descriptor(const struct json *doc, const struct json_node *node,
                           struct sign_descriptor *out);
/* Asks each key of the rule; the verdict names the one that has signed. */
bool sign_parts_verify(const struct sign_rule *rule, struct str message, struct str signature,
                       struct sign_verdict *verdict);
/* The digits of a digest. */
struct str sign_parts_hex(struct str digest);

#endif
