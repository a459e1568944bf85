/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Private to
   policy/. It does not know which characters are printable. */
#ifndef POLICY_UTF8_H
#define POLICY_UTF8_H

#include "base.h"

/* Bytes of the character that s begins with, 1 to 4; 0 when s is empty or does not begin with a
   whole valid one. */
static inline size_t utf8_length(struct str s)
{
    if (s.n == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)s.p;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    size_t n = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (s.n < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    /* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
    bool out_of_range = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
                        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F);
    return out_of_range ? 0 : n;
}

/* The code point of a character of n bytes that utf8_length() has measured. */
static inline uint32_t utf8_rune(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    if (n == 1)
        return p[0];
    uint32_t rune = p[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        rune = rune << 6 | (p[i] & 0x3Fu);
    return rune;
}

/* Writes the 1 to 4 bytes of a code point that is not a surrogate, and returns their number. */
static inline size_t utf8_write(char *dst, uint32_t rune)
{
    if (rune < 0x80) {
        dst[0] = (char)rune;
        return 1;
    }
    size_t n = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, rune >>= 6)
        dst[i] = (char)(0x80u | (rune & 0x3Fu));
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    dst[0] = (char)(lead[n] | rune);
    return n;
}

static inline bool utf8_valid(struct str s)
{
    while (s.n > 0) {
        size_t n = utf8_length(s);
        if (n == 0)
            return false;
        s = str_skip(s, n);
    }
    return true;
}

#endif
