/* The strict scan: bytes to an array of nodes, with no second way of reading them. What it accepts,
   Go's encoding/json and cJSON read in the same way; see include/json.h for what is refused. It
   builds no tree to change, and what names and types are legal is for the schema. */
#include "json.h"

#include "bounds.h"
#include "utf8.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COUNT_BLOCK = 128,        /* bytes counted at a time; their number fits a byte */
    COUNT_EXACT_FROM = 4096,  /* values; a higher estimate is worth a second, exact count */
    NAMES_PAIRWISE_MAX = 8,   /* members that are compared each with each */
    NAMES_STACK_SLOTS = 256,  /* slots of the name table that need no allocation */
    NAMES_PROBES_PER_NAME = 8 /* above it somebody has chosen names that collide: sort instead */
};

struct frame {
    uint32_t node; /* the open array or object */
    uint32_t last; /* its newest child; 0: none yet */
};

struct scan {
    struct str source;
    const char *at;
    const char *end;
    struct arena *arena;
    struct err *err;
    struct json_node *nodes;
    uint32_t count;
    size_t cap;
    size_t depth;
    struct frame stack[JSON_DEPTH_MAX];
};

/* ---- errors -------------------------------------------------------------------------------- */

static void place_of(struct str source, size_t offset, int *line, int *column)
{
    const char *p = source.p;
    const char *end = source.n ? p + (offset < source.n ? offset : source.n) : p;
    size_t lines = 1;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline)
            break;
        lines++;
        p = newline + 1;
    }
    size_t bytes = (size_t)(end - p) + 1;
    *line = lines < INT32_MAX ? (int)lines : INT32_MAX;
    *column = bytes < INT32_MAX ? (int)bytes : INT32_MAX;
}

void json_place(const struct json *doc, uint32_t offset, int *line, int *column)
{
    place_of(doc->source, offset, line, column);
}

static bool PRINTF_LIKE(3, 4) fail(struct scan *s, const char *at, const char *format, ...)
{
    char text[sizeof s->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int line;
    int column;
    place_of(s->source, (size_t)(at - s->source.p), &line, &column);
    return err_set(s->err, line, column, "%s", text);
}

static bool fail_memory(struct scan *s)
{
    return fail(s, s->at, "not enough memory for so large a document");
}

/* "expected ..., got ..." at the current place. */
static bool fail_expected(struct scan *s, const char *expected)
{
    if (s->at == s->end)
        return fail(s, s->at, "expected %s, got the end of the text", expected);
    unsigned char c = (unsigned char)*s->at;
    if (c == '"')
        return fail(s, s->at, "expected %s, got a string", expected);
    if (c > ' ' && c < 0x7F)
        return fail(s, s->at, "expected %s, got \"%c\"", expected, c);
    return fail(s, s->at, "expected %s, got the byte 0x%02x", expected, c);
}

/* ---- strings ------------------------------------------------------------------------------- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static bool plain_byte(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* The first byte from p on that is a quote, a backslash, a control character or not ASCII; or end.
 */
static inline const char *skip_plain(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        word = le64toh(word);
        uint64_t quote = word ^ EACH('"');
        uint64_t backslash = word ^ EACH('\\');
        /* Each difference sets the top bit of the bytes it looks for, and of others only where the
           word has it too, or above a true hit by a borrow: so the lowest mark is always true. */
        uint64_t marks =
            ((quote - EACH(1)) | (backslash - EACH(1)) | (word - EACH(0x20)) | word) & EACH(0x80);
        if (marks)
            return p + __builtin_ctzll(marks) / 8;
    }
    while (p < end && plain_byte(*p))
        p++;
    return p;
}

/* Four hex digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        if (!ascii_hex(p[i]))
            return -1;
        value = value << 4 | ascii_hex_value(p[i]);
    }
    return (int32_t)value;
}

/* Reads \uXXXX at p, with its second half where it is a surrogate. Returns its length, or 0 with
   the reason. */
static size_t read_unicode_escape(const char *p, const char *end, uint32_t *rune, const char **why)
{
    int32_t first = hex4(p + 2, end);
    *why = "a \\u escape needs four hex digits";
    if (first < 0)
        return 0;
    *why = "the character U+0000 is not accepted";
    if (first == 0)
        return 0;
    *rune = (uint32_t)first;
    if (first < 0xD800 || first > 0xDFFF)
        return 6;
    *why = "a \\u escape names one half of a surrogate pair without the other";
    bool pair = first < 0xDC00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u';
    int32_t second = pair ? hex4(p + 8, end) : -1;
    if (second < 0xDC00 || second > 0xDFFF)
        return 0;
    *rune = 0x10000u + (((uint32_t)first - 0xD800u) << 10) + ((uint32_t)second - 0xDC00u);
    return 12;
}

/* Reads the escape at p. Returns its length, or 0 with the reason. */
static size_t read_escape(const char *p, const char *end, uint32_t *rune, const char **why)
{
    static const char names[] = "\"\\/bfnrt";
    static const char means[] = "\"\\/\b\f\n\r\t";
    *why = "the text ends inside a string";
    if (end - p < 2)
        return 0;
    if (p[1] == 'u')
        return read_unicode_escape(p, end, rune, why);
    const char *at = memchr(names, p[1], sizeof names - 1);
    *why = "a backslash must be followed by one of \" \\ / b f n r t u";
    if (!at)
        return 0;
    *rune = (unsigned char)means[at - names];
    return 2;
}

/* Length of the escape or of the character beyond ASCII at p; 0 with the error set. */
static size_t check_special(struct scan *s, const char *p)
{
    unsigned char c = (unsigned char)*p;
    uint32_t rune;
    const char *why = "the text is not valid UTF-8";
    size_t n = c == '\\' ? read_escape(p, s->end, &rune, &why) : utf8_length(str_from(p, s->end));
    if (c < 0x20)
        fail(s, p, "the control character 0x%02x must be written as an escape", c);
    else if (n == 0)
        fail(s, p, "%s", why);
    return c < 0x20 ? 0 : n;
}

/* Replaces a checked text with escapes by its decoded form in the arena. */
static bool decode(struct scan *s, struct str *text)
{
    char *dst = arena_alloc(s->arena, text->n, 1); /* an escape is never shorter than its meaning */
    if (!dst)
        return fail_memory(s);
    struct str rest = *text;
    size_t n = 0;
    while (rest.n > 0) {
        size_t run = str_find(rest, '\\');
        memcpy(dst + n, rest.p, run);
        n += run;
        rest = str_skip(rest, run);
        if (rest.n == 0)
            break;
        uint32_t rune = 0;
        const char *why;
        rest = str_skip(rest, read_escape(rest.p, rest.p + rest.n, &rune, &why));
        n += utf8_write(dst + n, rune);
    }
    *text = (struct str){dst, n};
    return true;
}

/* Reads the string whose opening quote stands at the current place. */
static inline bool scan_string(struct scan *s, struct str *out)
{
    const char *start = s->at + 1;
    const char *p = skip_plain(start, s->end);
    bool escapes = false;
    while (p < s->end && *p != '"') {
        size_t n = check_special(s, p);
        if (n == 0)
            return false;
        escapes = escapes || *p == '\\';
        p = skip_plain(p + n, s->end);
    }
    if (p == s->end)
        return fail(s, p, "the text ends inside a string");
    s->at = p + 1;
    *out = str_from(start, p);
    return !escapes || decode(s, out);
}

/* ---- numbers and words --------------------------------------------------------------------- */

static bool scan_digits(struct scan *s)
{
    if (s->at == s->end || !ascii_digit(*s->at))
        return fail_expected(s, "a digit");
    while (s->at < s->end && ascii_digit(*s->at))
        s->at++;
    return true;
}

static bool next_is(const struct scan *s, char a, char b)
{
    return s->at < s->end && (*s->at == a || *s->at == b);
}

static bool scan_number(struct scan *s, struct str *out)
{
    const char *start = s->at;
    if (*s->at == '-')
        s->at++;
    const char *digits = s->at;
    if (!scan_digits(s))
        return false;
    if (*digits == '0' && s->at - digits > 1)
        return fail(s, digits, "a number must not begin with a zero that other digits follow");
    if (next_is(s, '.', '.')) {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (next_is(s, 'e', 'E')) {
        s->at++;
        if (next_is(s, '+', '-'))
            s->at++;
        if (!scan_digits(s))
            return false;
    }
    *out = str_from(start, s->at);
    return true;
}

static bool scan_word(struct scan *s, struct str word)
{
    if (!str_starts(str_from(s->at, s->end), word))
        return fail_expected(s, "a value");
    s->at += word.n;
    return true;
}

/* ---- duplicate names ----------------------------------------------------------------------- */

static bool fail_twice(struct scan *s, const struct json_node *member)
{
    char name[80];
    return fail(s, s->source.p + member->key_offset, "the name \"%s\" stands twice in one object",
                text_shorten(name, sizeof name, member->key));
}

static bool names_differ_pairwise(struct scan *s, uint32_t first)
{
    for (uint32_t a = first; a; a = s->nodes[a].next)
        for (uint32_t b = s->nodes[a].next; b; b = s->nodes[b].next)
            if (str_eq(s->nodes[a].key, s->nodes[b].key))
                return fail_twice(s, &s->nodes[b]);
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct json_node *a = *(const struct json_node *const *)left;
    const struct json_node *b = *(const struct json_node *const *)right;
    if (a->key.n != b->key.n)
        return a->key.n < b->key.n ? -1 : 1;
    int order = a->key.n ? memcmp(a->key.p, b->key.p, a->key.n) : 0;
    return order ? order : (a > b) - (a < b);
}

static bool names_differ_sorted(struct scan *s, uint32_t first, uint32_t count)
{
    const struct json_node **sorted = arena_alloc(s->arena, count, sizeof(struct json_node *));
    if (!sorted)
        return fail_memory(s);
    size_t n = 0;
    for (uint32_t i = first; i; i = s->nodes[i].next)
        sorted[n++] = &s->nodes[i];
    qsort(sorted, n, sizeof(struct json_node *), compare_names);
    for (size_t i = 1; i < n; i++)
        if (str_eq(sorted[i - 1]->key, sorted[i]->key))
            return fail_twice(s, sorted[i]);
    return true;
}

/* Length and both ends of a name, mixed: cheap, and good enough because a bad case is noticed. */
static uint64_t name_hash(struct str name)
{
    uint64_t head = 0;
    uint64_t tail = 0;
    if (name.n >= 8) {
        memcpy(&head, name.p, 8);
        memcpy(&tail, name.p + name.n - 8, 8);
    } else if (name.n >= 4) {
        memcpy(&head, name.p, 4);
        memcpy(&tail, name.p + name.n - 4, 4);
    } else if (name.n > 0) {
        head = (unsigned char)name.p[0];
        tail = (uint64_t)(unsigned char)name.p[name.n / 2] << 8 | (unsigned char)name.p[name.n - 1];
    }
    uint64_t hash = (head ^ name.n) * UINT64_C(0x9E3779B97F4A7C15) ^ tail;
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xC2B2AE3D27D4EB4F); /* high bytes reach all bits */
    return hash ^ (hash >> 32);
}

static bool names_differ_hashed(struct scan *s, uint32_t first, uint32_t count)
{
    uint32_t on_stack[NAMES_STACK_SLOTS] = {0};
    uint32_t *slots = on_stack;
    size_t size = NAMES_STACK_SLOTS;
    while (size / 2 < count)
        size *= 2;
    if (size > NAMES_STACK_SLOTS)
        slots = arena_alloc(s->arena, size, sizeof *slots);
    if (!slots)
        return fail_memory(s);
    uint64_t probes = (uint64_t)count * NAMES_PROBES_PER_NAME;
    for (uint32_t i = first; i; i = s->nodes[i].next) {
        struct str name = s->nodes[i].key;
        size_t slot = (size_t)name_hash(name) & (size - 1);
        for (; slots[slot]; slot = (slot + 1) & (size - 1)) {
            if (str_eq(s->nodes[slots[slot]].key, name))
                return fail_twice(s, &s->nodes[i]);
            if (probes-- == 0)
                return names_differ_sorted(s, first, count);
        }
        slots[slot] = i;
    }
    return true;
}

/* ---- structure ----------------------------------------------------------------------------- */

static inline void skip_space(struct scan *s)
{
    const char *p = s->at;
    while (p < s->end && (unsigned char)*p <= ' ' &&
           (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    s->at = p;
}

/* Appends a node to the open container; NULL with the error set. */
static inline struct json_node *add_node(struct scan *s)
{
    if (s->count >= s->cap) {
        fail_memory(s);
        return NULL;
    }
    uint32_t index = s->count++;
    struct json_node *node = &s->nodes[index];
    if (s->depth > 0) {
        struct frame *frame = &s->stack[s->depth - 1];
        struct json_node *parent = &s->nodes[frame->node];
        *(frame->last ? &s->nodes[frame->last].next : &parent->child) = index;
        frame->last = index;
        parent->count++;
        node->parent = frame->node;
    }
    node->offset = (uint32_t)(s->at - s->source.p);
    return node;
}

static bool open_container(struct scan *s, struct json_node *node, enum json_kind kind)
{
    node->kind = kind;
    if (s->depth == JSON_DEPTH_MAX)
        return fail(s, s->at, "more than %d levels of objects and arrays", JSON_DEPTH_MAX);
    s->stack[s->depth++] = (struct frame){(uint32_t)(node - s->nodes), 0};
    s->at++;
    return true;
}

static bool close_container(struct scan *s, struct json_node *node)
{
    s->at++;
    node->end = (uint32_t)(s->at - s->source.p);
    s->depth--;
    if (node->kind != JSON_OBJECT || node->count < 2)
        return true;
    return node->count <= NAMES_PAIRWISE_MAX ? names_differ_pairwise(s, node->child)
                                             : names_differ_hashed(s, node->child, node->count);
}

static bool scan_plain_value(struct scan *s, struct json_node *node)
{
    switch (*s->at) {
    case '"':
        node->kind = JSON_STRING;
        return scan_string(s, &node->text);
    case 't':
        node->kind = JSON_TRUE;
        return scan_word(s, STR("true"));
    case 'f':
        node->kind = JSON_FALSE;
        return scan_word(s, STR("false"));
    case 'n':
        node->kind = JSON_NULL;
        return scan_word(s, STR("null"));
    default:
        node->kind = JSON_NUMBER;
        if (*s->at != '-' && !ascii_digit(*s->at))
            return fail_expected(s, "a value");
        return scan_number(s, &node->text);
    }
}

/* Reads a plain value whole, or the opening of a container. */
static bool scan_value(struct scan *s, struct str key, uint32_t key_offset)
{
    if (s->at == s->end)
        return fail_expected(s, "a value");
    struct json_node *node = add_node(s);
    if (!node)
        return false;
    node->key = key;
    node->key_offset = key_offset;
    if (*s->at == '{')
        return open_container(s, node, JSON_OBJECT);
    if (*s->at == '[')
        return open_container(s, node, JSON_ARRAY);
    if (!scan_plain_value(s, node))
        return false;
    node->end = (uint32_t)(s->at - s->source.p);
    return true;
}

static bool scan_member(struct scan *s)
{
    if (s->at == s->end || *s->at != '"')
        return fail_expected(s, "a member's name in quotes");
    uint32_t key_offset = (uint32_t)(s->at - s->source.p);
    struct str key;
    if (!scan_string(s, &key))
        return false;
    skip_space(s);
    if (!next_is(s, ':', ':'))
        return fail_expected(s, "a \":\" after a member's name");
    s->at++;
    skip_space(s);
    return scan_value(s, key, key_offset);
}

/* Goes on in the innermost open container: its end, or its next element or member. */
static bool scan_step(struct scan *s)
{
    struct json_node *open = &s->nodes[s->stack[s->depth - 1].node];
    bool object = open->kind == JSON_OBJECT;
    skip_space(s);
    if (s->at < s->end && *s->at == (object ? '}' : ']'))
        return close_container(s, open);
    if (open->count > 0) {
        if (!next_is(s, ',', ','))
            return fail_expected(s, object ? "a \",\" or \"}\" after a member"
                                           : "a \",\" or \"]\" after an element");
        s->at++;
        skip_space(s);
    }
    return object ? scan_member(s) : scan_value(s, (struct str){NULL, 0}, 0);
}

static bool scan_document(struct scan *s)
{
    if (str_starts(s->source, STR("\xEF\xBB\xBF")))
        return fail(s, s->at, "the text begins with a byte order mark; remove it");
    skip_space(s);
    if (!scan_value(s, (struct str){NULL, 0}, 0))
        return false;
    while (s->depth > 0)
        if (!scan_step(s))
            return false;
    skip_space(s);
    if (s->at < s->end)
        return fail_expected(s, "nothing more after the value");
    return true;
}

/* ---- how many values ----------------------------------------------------------------------- */

/* Each value but the root follows a comma or an opening bracket. '[' and '{' differ in one bit. */
static inline bool marks_value(char c)
{
    return c == ',' || (c | 0x20) == '{';
}

static size_t count_marks(struct str s)
{
    size_t total = 0;
    for (; s.n >= COUNT_BLOCK; s = str_skip(s, COUNT_BLOCK)) {
        unsigned char block = 0;
        for (size_t i = 0; i < COUNT_BLOCK; i++)
            block = (unsigned char)(block + marks_value(s.p[i]));
        total += block;
    }
    for (size_t i = 0; i < s.n; i++)
        total += marks_value(s.p[i]);
    return total;
}

/* The same without what stands in strings. */
static size_t count_marks_outside(struct str s)
{
    const char *end = s.p + s.n;
    size_t total = 0;
    bool inside = false;
    for (const char *p = s.p; p < end;) {
        inside ^= *p == '"';
        total += !inside && marks_value(*p);
        p += *p == '\\' && inside && end - p > 1 ? 2 : 1;
        p = inside ? skip_plain(p, end) : p;
    }
    return total;
}

/* An upper bound, so that the nodes are one allocation. */
static size_t count_values(struct str source)
{
    size_t count = count_marks(source);
    if (count >= COUNT_EXACT_FROM)
        count = count_marks_outside(source);
    return count + 1;
}

bool json_scan(struct str source, struct arena *arena, struct json *out, struct err *err)
{
    *out = (struct json){.source = source};
    if (source.n >= UINT32_MAX)
        return err_set(err, 0, 0, "a JSON text must be shorter than 4 GiB");
    if (source.n == 0)
        return err_set(err, 1, 1, "expected a value, got an empty text");
    struct scan s = {
        .source = source, .at = source.p, .end = source.p + source.n, .arena = arena, .err = err};
    s.cap = count_values(source);
    if (s.cap > JSON_VALUES_MAX)
        return err_set(err, 1, 1, "the document holds more than %d values", JSON_VALUES_MAX);
    s.nodes = arena_alloc(arena, s.cap, sizeof *s.nodes);
    if (!s.nodes)
        return fail_memory(&s);
    if (!scan_document(&s))
        return false;
    out->nodes = s.nodes;
    out->count = s.count;
    return true;
}
