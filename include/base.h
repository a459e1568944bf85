/* Slices, scope cleanup and small helpers that every file may use. No I/O, no allocation. */
#ifndef SOCKWARDEN_BASE_H
#define SOCKWARDEN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes. It is not NUL-terminated and may hold NUL. */
struct str {
    const char *p;
    size_t n; /* bytes */
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/* For printf: "%.*s". Messages are short, so the cast loses nothing that is shown. */
#define STR_ARG(s) (int)((s).n > 4096 ? 4096 : (s).n), ((s).p ? (s).p : "")

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)       (1u << (n))

/* Runs fn(&variable) when the variable leaves its scope. */
#define AUTO(fn)               __attribute__((cleanup(fn)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str str_from(const char *begin, const char *end)
{
    return (struct str){begin, (size_t)(end - begin)};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_of(text));
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* The rest of s after its first n bytes; empty when s is shorter. */
static inline struct str str_skip(struct str s, size_t n)
{
    return n >= s.n ? (struct str){s.p, 0} : (struct str){s.p + n, s.n - n};
}

/* The first n bytes of s; all of s when it is shorter. */
static inline struct str str_head(struct str s, size_t n)
{
    return (struct str){s.p, n < s.n ? n : s.n};
}

/* Position of the first c in s, or s.n. */
static inline size_t str_find(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

/* ---- eight bytes at once; the answers say whether, not where ---- */

#define WORD_ONES (UINT64_MAX / 255)

/* p points to at least eight bytes. */
static inline uint64_t word_at(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* Is a byte below n, which is at most 128? */
static inline bool word_has_below(uint64_t word, unsigned n)
{
    return ((word - WORD_ONES * n) & ~word & WORD_ONES * 128) != 0;
}

static inline bool word_has(uint64_t word, unsigned char c)
{
    return word_has_below(word ^ WORD_ONES * c, 1);
}

static inline bool word_has_top_bit(uint64_t word)
{
    return (word & WORD_ONES * 128) != 0;
}

/* Position of the last c in s, or s.n. */
static inline size_t str_rfind(struct str s, char c)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == c)
            return i - 1;
    return s.n;
}

/* Without the blanks and tabs around it. */
static inline struct str str_trim(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_skip(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* ASCII only, whatever the locale says. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_hex(char c)
{
    return ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Value of a hex digit; the caller has checked ascii_hex(). */
static inline unsigned ascii_hex_value(char c)
{
    return (unsigned)(ascii_digit(c) ? c - '0' : ascii_lower(c) - 'a' + 10);
}

static inline bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

/* A decimal number of 1 to 18 digits with an optional minus; false on anything else. */
static inline bool str_to_int(struct str s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    struct str digits = negative ? str_skip(s, 1) : s;
    if (digits.n == 0 || digits.n > 18)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (!ascii_digit(digits.p[i]))
            return false;
        value = value * 10 + (digits.p[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

enum {
    DECIMAL_MAX = 20, /* digits of the largest uint64_t */
};

/* value in decimal, written to the end of digits, which the result borrows. */
static inline struct str decimal_text(char digits[DECIMAL_MAX], uint64_t value)
{
    size_t at = DECIMAL_MAX;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return (struct str){digits + at, DECIMAL_MAX - at};
}

#endif
