/* The text format of Prometheus; see metrics_text.h. */
#include "metrics_text.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LABELS_MAX = 8,
    NAME_MAX_BYTES = 128,
    VALUE_SHOWN_MAX = 256, /* bytes of a label's value; longer ones are cut */
};

static void put(struct metrics_text *text, struct str s)
{
    if (text->failed)
        return;
    if (text->cap - text->len < s.n) {
        size_t cap = text->cap ? text->cap * 2 : 16384;
        while (cap - text->len < s.n)
            cap *= 2;
        char *p = realloc(text->p, cap);
        if (!p) {
            text->failed = true;
            return;
        }
        text->p = p;
        text->cap = cap;
    }
    memcpy(text->p + text->len, s.p, s.n);
    text->len += s.n;
}

static void put_text(struct metrics_text *text, const char *s)
{
    put(text, str_of(s));
}

static void put_uint(struct metrics_text *text, uint64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    put(text, (struct str){digits, (size_t)n});
}

/* "0.0025": as few decimals as say it all. */
static struct str seconds_text(uint64_t ns, char *dst, size_t cap)
{
    int n = snprintf(dst, cap, "%llu.%09llu", (unsigned long long)(ns / 1000000000),
                     (unsigned long long)(ns % 1000000000));
    while (n > 0 && dst[n - 1] == '0')
        n--;
    if (n > 0 && dst[n - 1] == '.')
        n--;
    return (struct str){dst, (size_t)n};
}

void metrics_text_family(struct metrics_text *text, const char *name, const char *type,
                         const char *help)
{
    put_text(text, "# HELP ");
    put_text(text, name);
    put_text(text, " ");
    put_text(text, help);
    put_text(text, "\n# TYPE ");
    put_text(text, name);
    put_text(text, " ");
    put_text(text, type);
    put_text(text, "\n");
}

/* JSON escapes a text as this format does, but for control characters: those are shown as JSON
   writes them, behind a backslash that stands for itself. */
static void put_value(struct metrics_text *text, struct str value)
{
    char json[VALUE_SHOWN_MAX * 6 + 2];
    struct json_out out = {.p = json, .cap = sizeof(json)};
    json_out_str(&out, str_head(value, VALUE_SHOWN_MAX));
    for (struct str rest = {json, out.len}; rest.n > 0;) {
        size_t plain = str_find(rest, '\\');
        put(text, str_head(rest, plain));
        rest = str_skip(rest, plain);
        if (rest.n < 2)
            break;
        if (rest.p[1] == 'u')
            put_text(text, "\\");
        put(text, str_head(rest, 2));
        rest = str_skip(rest, 2);
    }
}

static void put_labels(struct metrics_text *text, const struct metrics_label *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_text(text, i == 0 ? "{" : ",");
        put_text(text, labels[i].name);
        put_text(text, "=");
        put_value(text, labels[i].value);
    }
    put_text(text, count > 0 ? "} " : " ");
}

void metrics_text_sample(struct metrics_text *text, const char *name,
                         const struct metrics_label *labels, size_t count, uint64_t value)
{
    put_text(text, name);
    put_labels(text, labels, count);
    put_uint(text, value);
    put_text(text, "\n");
}

void metrics_text_seconds(struct metrics_text *text, const char *name,
                          const struct metrics_label *labels, size_t count, uint64_t ns)
{
    char digits[32];
    put_text(text, name);
    put_labels(text, labels, count);
    put(text, seconds_text(ns, digits, sizeof(digits)));
    put_text(text, "\n");
}

void metrics_text_histogram(struct metrics_text *text, const char *name,
                            const struct metrics_label *labels, size_t count,
                            const uint64_t *bounds, const uint64_t *buckets, uint64_t sum_ns)
{
    char full[NAME_MAX_BYTES], bound[32];
    struct metrics_label with_le[LABELS_MAX];
    uint64_t total = 0;
    count = count < LABELS_MAX - 1 ? count : LABELS_MAX - 1;
    for (size_t i = 0; i < count; i++)
        with_le[i] = labels[i];
    snprintf(full, sizeof(full), "%s_bucket", name);
    for (size_t i = 0;; i++) {
        total += buckets[i];
        struct str le = bounds[i] ? seconds_text(bounds[i], bound, sizeof(bound)) : STR("+Inf");
        with_le[count] = (struct metrics_label){"le", le};
        metrics_text_sample(text, full, with_le, count + 1, total);
        if (!bounds[i])
            break;
    }
    snprintf(full, sizeof(full), "%s_sum", name);
    metrics_text_seconds(text, full, labels, count, sum_ns);
    snprintf(full, sizeof(full), "%s_count", name);
    metrics_text_sample(text, full, labels, count, total);
}
