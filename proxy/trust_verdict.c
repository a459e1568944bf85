/* Verdicts on images: their reasons, and how one is put together. */
#include "trust_parts.h"

#include <stdarg.h>
#include <stdio.h>

const char *trust_reason_name(unsigned reason)
{
    static const char *const names[] = {
        [TRUST_REGISTRY_ERROR - SIGN_REASONS] = "registry_error",
        [TRUST_NOT_FOUND - SIGN_REASONS] = "not_found",
        [TRUST_TAG_UNRESOLVED - SIGN_REASONS] = "tag_unresolved",
        [TRUST_ID_UNKNOWN - SIGN_REASONS] = "id_unknown",
    };
    if (reason < SIGN_REASONS)
        return sign_reason_name((enum sign_reason)reason);
    return reason < TRUST_REASONS ? names[reason - SIGN_REASONS] : "unknown";
}

bool trust_refuse(struct trust_verdict *verdict, unsigned reason, const char *format, ...)
{
    char raw[512];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    verdict->reason = reason;
    verdict->key[0] = '\0';
    verdict->id_count = 0;
    verdict->mapped = false;
    text_sentence(verdict->text, sizeof verdict->text, str_of(raw));
    return false;
}

void trust_take(struct trust_verdict *verdict, const struct sign_verdict *sign)
{
    verdict->reason = sign->reason;
    verdict->format = sign->format;
    memcpy(verdict->key, sign->key, sizeof verdict->key);
    memcpy(verdict->text, sign->text, sizeof verdict->text);
}

void trust_add_id(struct trust_verdict *verdict, struct str id)
{
    for (size_t i = 0; i < verdict->id_count; i++)
        if (str_is(id, verdict->ids[i]))
            return;
    if (verdict->id_count == TRUST_IDS_MAX || id.n != SIGN_DIGEST_BYTES)
        return;
    char *slot = verdict->ids[verdict->id_count++];
    memcpy(slot, id.p, id.n);
    slot[id.n] = '\0';
}

void trust_say(const struct trust_steps *steps, const char *format, ...)
{
    char raw[512], line[512];
    va_list args;
    if (!steps || !steps->say)
        return;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    steps->say(steps->arg, text_sentence(line, sizeof line, str_of(raw)));
}
