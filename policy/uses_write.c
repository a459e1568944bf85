/* What a request needs, as JSON for the audit line; what is noted, uses.c decides. */
#include "policy.h"

/* Room for the value in its longest spelling, six bytes each, and what stands around it. */
static bool has_room(const struct json_out *out, size_t begin, const struct use *use)
{
    enum { AROUND = 160 };
    return out->len - begin + 6 * use->value.n + AROUND < USES_TEXT_MAX;
}

static void write_value(const struct use *use, struct json_out *out)
{
    if (!use->read_only) {
        json_out_str(out, use->value);
        return;
    }
    json_out_open(out, '{');
    json_out_member(out, "source", use->value);
    json_out_key(out, "read_only");
    json_out_raw(out, STR("true"));
    json_out_close(out, '}');
}

static bool is_first_of_key(const struct uses *uses, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(uses->items[i].key, uses->items[at].key) == 0)
            return false;
    return true;
}

/* `true` opens all that a list could. */
static bool is_whole(const struct uses *uses, size_t first)
{
    for (size_t i = first; i < uses->count; i++)
        if (strcmp(uses->items[i].key, uses->items[first].key) == 0 && !uses->items[i].value.p)
            return true;
    return false;
}

static bool write_key(const struct uses *uses, size_t first, size_t begin, struct json_out *out)
{
    bool fits = true;
    json_out_key(out, uses->items[first].key);
    if (is_whole(uses, first)) {
        json_out_raw(out, STR("true"));
        return true;
    }
    json_out_open(out, '[');
    for (size_t i = first; i < uses->count; i++) {
        const struct use *use = &uses->items[i];
        if (strcmp(use->key, uses->items[first].key) != 0)
            continue;
        if (has_room(out, begin, use))
            write_value(use, out);
        else
            fits = false;
    }
    json_out_close(out, ']');
    return fits;
}

bool uses_write(const struct uses *uses, struct json_out *out)
{
    static const struct use none = {.key = ""};
    size_t begin = out->len;
    bool fits = true;
    json_out_open(out, '{');
    for (size_t i = 0; i < uses->count; i++) {
        if (!is_first_of_key(uses, i))
            continue;
        if (has_room(out, begin, &none))
            fits &= write_key(uses, i, begin, out);
        else
            fits = false;
    }
    json_out_close(out, '}');
    return fits;
}
