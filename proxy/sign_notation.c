/* Notation's envelopes are refused. */
#include "sign_parts.h"

bool sign_notation_judge(const struct sign_rule *rule, const struct sign_image *image,
                         struct str bytes, struct arena *arena, struct sign_verdict *verdict)
{
    (void)rule;
    (void)image;
    (void)bytes;
    (void)arena;
    return sign_refuse(verdict, SIGN_FORMAT_NOT_ALLOWED, "notation-jws is not in this build");
}
