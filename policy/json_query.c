/* Questions to scanned JSON: a member by name, a number's value, emptiness, Go's name folding. */
#include "json.h"

const struct json_node *json_get(const struct json *doc, const struct json_node *object,
                                 struct str name)
{
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    const struct json_node *member = json_child(doc, object);
    while (member && !str_eq(member->key, name))
        member = json_next(doc, member);
    return member;
}

/* Is the number zero: no digit but 0 before an exponent. */
static bool number_is_zero(struct str text)
{
    for (size_t i = 0; i < text.n && ascii_lower(text.p[i]) != 'e'; i++)
        if (text.p[i] >= '1' && text.p[i] <= '9')
            return false;
    return true;
}

bool json_empty(const struct json_node *node)
{
    switch (node->kind) {
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_NUMBER:
        return number_is_zero(node->text);
    case JSON_STRING:
        return node->text.n == 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return node->count == 0;
    case JSON_TRUE:
        break;
    }
    return false;
}

bool json_int(const struct json_node *node, int64_t *out)
{
    if (node->kind != JSON_NUMBER || node->text.n == 0)
        return false;
    bool negative = node->text.p[0] == '-';
    struct str digits = str_skip(node->text, negative);
    int64_t value = 0;
    for (size_t i = 0; i < digits.n; i++) {
        int digit = digits.p[i] - '0';
        if (!ascii_digit(digits.p[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, negative ? digit : -digit, &value))
            return false;
    }
    *out = value;
    return digits.n > 0;
}

/* Takes one character or byte off s in its folded form. */
static char fold_next(struct str *s)
{
    size_t n = 1;
    char c = ascii_lower(s->p[0]);
    if (str_starts(*s, STR("\xC5\xBF"))) { /* U+017F, long s */
        n = 2;
        c = 's';
    } else if (str_starts(*s, STR("\xE2\x84\xAA"))) { /* U+212A, Kelvin sign */
        n = 3;
        c = 'k';
    }
    *s = str_skip(*s, n);
    return c;
}

bool json_fold_eq(struct str a, struct str b)
{
    while (a.n > 0 && b.n > 0)
        if (fold_next(&a) != fold_next(&b))
            return false;
    return a.n == b.n;
}

size_t json_fold(struct str name, char *dst)
{
    size_t n = 0;
    while (name.n > 0)
        dst[n++] = fold_next(&name);
    return n;
}
