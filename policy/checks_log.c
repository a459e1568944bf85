/* Log drivers and their options. Options reach code that runs as root in the daemon: a template in
   `tag` has ended it at every boot, tiny files keep it busy. */
#include "checks.h"

#include "existing.h"
#include "uses.h"

enum {
    LOG_SIZE_MIN = 64000, /* bytes: smaller files rotate without end */
    LOG_FILES_MAX = 100,
    LOG_BUFFER_MAX = 64 << 20, /* bytes of the daemon's memory */
    LOG_PAIR_MAX = 256
};

enum finding check_log_type(struct check *check, const struct json_node *value)
{
    if (check_is_existing(check) && !key_passes(check, KEY_LOG_DRIVERS, value->text) &&
        info_says(check, "LoggingDriver", value->text))
        return FINDING_PASS;
    return judge(check, KEY_LOG_DRIVERS, value->text);
}

/* "10m", "64KB", "1g": a whole number and a unit. base: 1000 or 1024, as the option has it. */
static bool size_read(struct str text, int64_t base, int64_t *out)
{
    static const char units[] = "kmg";
    size_t digits = 0;
    while (digits < text.n && ascii_digit(text.p[digits]))
        digits++;
    int64_t value;
    struct str unit = str_skip(text, digits);
    if (!str_to_int(str_head(text, digits), &value))
        return false;
    const char *at = unit.n ? memchr(units, ascii_lower(unit.p[0]), sizeof(units) - 1) : NULL;
    for (ptrdiff_t i = 0; at && i <= at - units; i++)
        if (__builtin_mul_overflow(value, base, &value))
            return false;
    unit = at ? str_skip(unit, 1) : unit;
    *out = value;
    return unit.n == 0 || str_ieq(unit, STR("b")) || (at && str_ieq(unit, STR("ib")));
}

static bool size_safe(struct str value)
{
    int64_t size;
    return size_read(value, 1000, &size) && size >= LOG_SIZE_MIN;
}

static bool files_safe(struct str value)
{
    int64_t count;
    return str_to_int(value, &count) && count >= 1 && count <= LOG_FILES_MAX;
}

static bool buffer_safe(struct str value)
{
    int64_t size;
    return size_read(value, 1024, &size) && size <= LOG_BUFFER_MAX;
}

/* Templates are programs: only the two plain ones pass. */
static bool tag_safe(struct str value)
{
    static const char *const plain[] = {"{{.ID}}", "{{.Name}}"};
    while (value.n > 0) {
        size_t skip = 1;
        if (str_starts(value, STR("{{"))) {
            skip = 0;
            for (size_t i = 0; i < ARRAY_LEN(plain); i++)
                if (str_starts(value, str_of(plain[i])))
                    skip = strlen(plain[i]);
        }
        if (skip == 0)
            return false;
        value = str_skip(value, skip);
    }
    return true;
}

static bool any_safe(struct str value)
{
    (void)value;
    return true;
}

static const struct {
    const char *name;
    bool (*safe)(struct str value);
} safe_options[] = {
    {"max-size", size_safe}, {"max-file", files_safe}, {"compress", any_safe},
    {"mode", any_safe},      {"tag", tag_safe},        {"max-buffer-size", buffer_safe},
};

static bool option_safe(struct str name, struct str value)
{
    for (size_t i = 0; i < ARRAY_LEN(safe_options); i++)
        if (str_is(name, safe_options[i].name))
            return safe_options[i].safe(value);
    return false;
}

/* By its name, or as name=value. */
static bool option_listed(const struct check *check, struct str name, struct str value)
{
    char pair[LOG_PAIR_MAX];
    if (key_passes(check, KEY_LOG_OPTIONS, name))
        return true;
    if (name.n + 1 + value.n > sizeof(pair))
        return false;
    memcpy(pair, name.p, name.n);
    pair[name.n] = '=';
    memcpy(pair + name.n + 1, value.p ? value.p : "", value.n);
    return key_passes(check, KEY_LOG_OPTIONS, (struct str){pair, name.n + 1 + value.n});
}

/* While it is learnt what the request needs: a safe option with its value, which a policy without
   the key allows, too. Values of others may be secrets. */
static bool learn_option(struct check *check, struct str name, struct str value)
{
    const struct str parts[] = {name, STR("="), value};
    if (!check->learning || !option_safe(name, value))
        return false;
    struct str pair = arena_join(check->arena, parts, ARRAY_LEN(parts));
    return pair.p && learning_note(check, KEY_LOG_OPTIONS, pair);
}

enum finding check_log_config(struct check *check, const struct json_node *value)
{
    const struct constraint *constraint = check_key(check, KEY_LOG_OPTIONS);
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        if (constraint->set ? option_listed(check, n->key, n->text) : option_safe(n->key, n->text))
            continue;
        if (check_is_existing(check) &&
            info_says(check, "LoggingDriver", place_text(check, PLACE_LOG_TYPE)))
            continue; /* the daemon's own driver comes with its own options */
        if (learn_option(check, n->key, n->text))
            continue;
        SHOWN(shown, n->key);
        if (refuse(check, KEY_LOG_OPTIONS, n->key,
                   "sets \"%s\" to a value that containers.log_options does not allow",
                   shown) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}
