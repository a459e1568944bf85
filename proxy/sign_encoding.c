/* Digests, base64 and strict JSON of signatures. It knows no format. */
#include "sign_encoding.h"

#include <openssl/evp.h>
#include <stdlib.h>

bool sign_digest_valid(struct str digest)
{
    if (digest.n != SIGN_DIGEST_BYTES || !str_starts(digest, STR("sha256:")))
        return false;
    for (size_t i = 7; i < digest.n; i++)
        if (!ascii_digit(digest.p[i]) && (digest.p[i] < 'a' || digest.p[i] > 'f'))
            return false;
    return true;
}

bool sign_digest_write(struct str bytes, char out[SIGN_DIGEST_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(bytes.n ? bytes.p : "", bytes.n, hash, &length, EVP_sha256(), NULL) != 1 ||
        length != 32)
        return false;
    memcpy(out, "sha256:", 7);
    for (size_t i = 0; i < 32; i++) {
        out[7 + 2 * i] = digits[hash[i] >> 4];
        out[8 + 2 * i] = digits[hash[i] & 15];
    }
    out[SIGN_DIGEST_BYTES] = 0;
    return true;
}

bool sign_digest_of(struct str bytes, struct str digest)
{
    char real[SIGN_DIGEST_BYTES + 1];
    return sign_digest_valid(digest) && sign_digest_write(bytes, real) && str_is(digest, real);
}

/* ---- base64 -------------------------------------------------------------------------------- */

/* 0 to 63, or -1. */
static int digit_value(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_digit(c))
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

/* text holds digits alone. The bits that are left over must be zero, or two texts would mean the
   same bytes. */
static bool decode_digits(struct str text, bool url, char *out, size_t *n)
{
    uint32_t bits = 0;
    unsigned held = 0;
    *n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int value = digit_value(text.p[i], url);
        if (value < 0)
            return false;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        out[(*n)++] = (char)(unsigned char)(bits >> held & 0xff);
    }
    return text.n % 4 != 1 && (bits & (BIT(held) - 1)) == 0;
}

bool sign_base64url_decode(struct str text, struct arena *arena, struct str *out)
{
    char *bytes = arena_alloc(arena, text.n + 1, 1);
    if (!bytes)
        return false;
    *out = (struct str){bytes, 0};
    return decode_digits(text, true, bytes, &out->n);
}

bool sign_base64_decode(struct str text, struct arena *arena, struct str *out)
{
    char *digits = arena_alloc(arena, text.n + 1, 1);
    char *bytes = arena_alloc(arena, text.n + 1, 1);
    if (!digits || !bytes)
        return false;
    struct str plain = {digits, 0};
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\r' && text.p[i] != '\n')
            digits[plain.n++] = text.p[i];
    if (plain.n % 4 != 0)
        return false;
    for (int i = 0; i < 2 && plain.n > 0 && plain.p[plain.n - 1] == '='; i++)
        plain.n--;
    *out = (struct str){bytes, 0};
    return decode_digits(plain, false, bytes, &out->n);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static int compare_texts(const void *left, const void *right)
{
    const struct str *a = left, *b = right;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return a->n ? memcmp(a->p, b->p, a->n) : 0;
}

/* Sorted, since whoever writes the document chooses how many names there are, and how alike. */
static bool names_differ(const struct json *doc, const struct json_node *object,
                         struct arena *scratch)
{
    if (object->count < 2)
        return true;
    struct str *names = arena_alloc(scratch, object->count, sizeof *names);
    size_t n = 0;
    for (const struct json_node *a = names ? json_child(doc, object) : NULL; a;
         a = json_next(doc, a)) {
        char *folded = arena_alloc(scratch, a->key.n ? a->key.n : 1, 1);
        if (!folded)
            return false;
        names[n++] = (struct str){folded, json_fold(a->key, folded)};
    }
    if (!names)
        return false;
    qsort(names, n, sizeof *names, compare_texts);
    for (size_t i = 1; i < n; i++)
        if (str_eq(names[i - 1], names[i]))
            return false;
    return true;
}

static bool too_deep(const struct json *doc, uint32_t index)
{
    int depth = 1;
    for (; index; index = doc->nodes[index].parent)
        if (++depth > SIGN_JSON_DEPTH_MAX)
            return true;
    return false;
}

static bool members_hold(const struct json *out, struct arena *scratch, struct err *err)
{
    for (size_t i = 0; i < out->count; i++) {
        const struct json_node *node = &out->nodes[i];
        if (too_deep(out, (uint32_t)i))
            return err_set(err, 0, 0, "JSON deeper than %d levels", SIGN_JSON_DEPTH_MAX);
        if (node->kind != JSON_OBJECT)
            continue;
        if (node->count > SIGN_JSON_MEMBERS_MAX)
            return err_set(err, 0, 0, "an object with more than %d members", SIGN_JSON_MEMBERS_MAX);
        if (!names_differ(out, node, scratch))
            return scratch->full
                       ? err_set(err, 0, 0, "out of memory")
                       : err_set(err, 0, 0, "two members whose names differ only in case");
        arena_reset(scratch);
    }
    return true;
}

bool sign_json_scan(struct str source, struct arena *arena, struct json *out, struct err *err)
{
    struct arena scratch = {.limit = 0};
    bool ok = json_scan(source, arena, out, err) && members_hold(out, &scratch, err);
    arena_free(&scratch);
    return ok;
}

const struct json_node *sign_json_get(const struct json *doc, const struct json_node *object,
                                      const char *name, enum json_kind kind)
{
    const struct json_node *node = json_get(doc, object, str_of(name));
    return node && node->kind == kind ? node : NULL;
}

struct str sign_json_text(const struct json *doc, const struct json_node *object, const char *name)
{
    const struct json_node *node = sign_json_get(doc, object, name, JSON_STRING);
    if (!node)
        return (struct str){NULL, 0};
    return node->text.p ? node->text : STR("");
}

bool sign_json_only(const struct json *doc, const struct json_node *node, const char *const names[])
{
    if (!node || node->kind != JSON_OBJECT)
        return false;
    for (const struct json_node *member = json_child(doc, node); member;
         member = json_next(doc, member)) {
        size_t i = 0;
        while (names[i] && !str_is(member->key, names[i]))
            i++;
        if (!names[i])
            return false;
    }
    return true;
}
