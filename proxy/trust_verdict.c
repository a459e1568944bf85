/* Verdicts on images: their reasons, and how one is put together. */
#include "trust_parts.h"

#include <stdarg.h>
#include <stdio.h>

enum { ANSWER_MAX = 8192 /* bytes; TRUST_IDS_MAX IDs take a third */ };

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
    verdict->until = 0;
    text_sentence(verdict->text, sizeof verdict->text, str_of(raw));
    return false;
}

void trust_take(struct trust_verdict *verdict, const struct sign_verdict *sign)
{
    verdict->reason = sign->reason;
    verdict->format = sign->format;
    verdict->until = sign->until;
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

static void write_ids(const struct trust_verdict *verdict, struct json_out *out)
{
    json_out_key(out, "Ids");
    json_out_open(out, '[');
    for (size_t i = 0; i < verdict->id_count; i++)
        json_out_str(out, str_of(verdict->ids[i]));
    json_out_close(out, ']');
    json_out_key(out, "Mapped");
    json_out_raw(out, verdict->mapped ? STR("true") : STR("false"));
}

static struct str or_nothing(const char *text)
{
    return text[0] ? str_of(text) : (struct str){NULL, 0};
}

struct str trust_verdict_write(const struct trust_verdict *verdict, struct arena *arena)
{
    char text[ANSWER_MAX];
    struct json_out out = {.p = text, .cap = sizeof text};
    bool good = verdict->reason == SIGN_OK;
    json_out_open(&out, '{');
    json_out_member(&out, "Verdict", good ? STR("signed") : STR("refused"));
    json_out_member(&out, "Reason", str_of(trust_reason_name(verdict->reason)));
    json_out_member(&out, "Text", or_nothing(verdict->text));
    json_out_member(&out, "Digest", or_nothing(verdict->digest));
    if (good) {
        write_ids(verdict, &out);
        json_out_member(&out, "Key", or_nothing(verdict->key));
        json_out_member(&out, "Format", str_of(sign_format_name(verdict->format)));
    }
    json_out_close(&out, '}');
    return arena_copy(arena, (struct str){text, out.len <= out.cap ? out.len : 0});
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
