/* Writing JSON into a buffer of the caller, and texts for people. It does not check that what the
   caller builds is well-formed. */
#include "json.h"

#include "utf8.h"

static void put(struct json_out *out, const char *p, size_t n)
{
    if (n > 0 && out->len < out->cap) {
        size_t room = out->cap - out->len;
        memcpy(out->p + out->len, p, n < room ? n : room);
    }
    out->len = n > SIZE_MAX - out->len ? SIZE_MAX : out->len + n;
}

static void put_char(struct json_out *out, char c)
{
    if (out->len < out->cap)
        out->p[out->len] = c;
    if (out->len < SIZE_MAX)
        out->len++;
}

static void put_comma(struct json_out *out)
{
    if (out->comma)
        put_char(out, ',');
    out->comma = true;
}

static void put_quoted(struct json_out *out, struct str text)
{
    put_char(out, '"');
    put(out, text.p, text.n);
    put_char(out, '"');
}

void json_out_open(struct json_out *out, char bracket)
{
    put_comma(out);
    put_char(out, bracket);
    out->comma = false;
}

void json_out_close(struct json_out *out, char bracket)
{
    put_char(out, bracket);
    out->comma = true;
}

void json_out_name(struct json_out *out, struct str name)
{
    put_comma(out);
    put_quoted(out, name);
    put_char(out, ':');
    out->comma = false;
}

void json_out_raw(struct json_out *out, struct str text)
{
    put(out, text.p, text.n);
    out->comma = true;
}

/* C0, DEL and C1: what a terminal may act upon. */
static bool rune_is_control(uint32_t rune)
{
    return rune < 0x20 || (rune >= 0x7F && rune < 0xA0);
}

static void put_control(struct json_out *out, uint32_t rune)
{
    static const char digits[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', digits[rune >> 4 & 15], digits[rune & 15]};
    put(out, escape, sizeof escape);
}

static bool byte_is_plain(char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static size_t count_plain(struct str text)
{
    size_t n = 0;
    for (; text.n - n >= 8; n += 8) {
        uint64_t word = word_at(text.p + n);
        if (word_has_top_bit(word) || word_has_below(word, 0x20) || word_has(word, 0x7F) ||
            word_has(word, '"') || word_has(word, '\\'))
            break;
    }
    while (n < text.n && byte_is_plain(text.p[n]))
        n++;
    return n;
}

/* Writes the character that text begins with, escaped, and returns its length. */
static size_t put_special(struct json_out *out, struct str text)
{
    size_t n = utf8_length(text);
    if (n == 0 || text.p[0] == '\0') { /* NUL: json_scan() takes none, however it is written */
        put(out, "\xEF\xBF\xBD", 3);
        return 1;
    }
    uint32_t rune = utf8_rune(text.p, n);
    if (rune_is_control(rune)) {
        put_control(out, rune);
        return n;
    }
    if (n == 1)
        put(out, "\\", 1);
    put(out, text.p, n);
    return n;
}

void json_out_str(struct json_out *out, struct str text)
{
    size_t plain = count_plain(text);
    put_comma(out);
    if (plain == text.n) {
        put_quoted(out, text);
        return;
    }
    put_char(out, '"');
    for (; text.n > 0; plain = count_plain(text)) {
        put(out, text.p, plain);
        text = str_skip(text, plain);
        if (text.n > 0)
            text = str_skip(text, put_special(out, text));
    }
    put_char(out, '"');
}

/* The usual case: the text is plain, and there is room for all of it. */
static bool put_plain(struct json_out *out, struct str name, struct str text)
{
    enum { AROUND = 6 }; /* a comma, four quotes, a colon */
    size_t room = out->len < out->cap ? out->cap - out->len : 0;
    if (room < AROUND || name.n > room - AROUND || text.n > room - AROUND - name.n ||
        count_plain(text) != text.n)
        return false;
    char *p = out->p + out->len;
    if (out->comma)
        *p++ = ',';
    *p++ = '"';
    memcpy(p, name.p, name.n);
    p += name.n;
    memcpy(p, "\":\"", 3);
    memcpy(p + 3, text.p, text.n);
    p += 3 + text.n;
    *p++ = '"';
    out->len = (size_t)(p - out->p);
    out->comma = true;
    return true;
}

void json_out_text(struct json_out *out, struct str name, struct str text)
{
    if (!text.p || put_plain(out, name, text))
        return;
    json_out_name(out, name);
    json_out_str(out, text);
}

static void put_number(struct json_out *out, bool negative, uint64_t magnitude)
{
    char text[1 + DECIMAL_MAX];
    struct str digits = decimal_text(text + 1, magnitude);
    char *begin = text + sizeof text - digits.n;
    if (negative)
        *--begin = '-';
    put_comma(out);
    put(out, begin, (size_t)(text + sizeof text - begin));
}

void json_out_uint(struct json_out *out, uint64_t value)
{
    put_number(out, false, value);
}

void json_out_int(struct json_out *out, int64_t value)
{
    put_number(out, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* ---- texts for people ---------------------------------------------------------------------- */

/* Characters that change how others are shown: directions, line separators, invisible ones. */
static bool rune_misleads(uint32_t rune)
{
    return (rune >= 0x200B && rune <= 0x200F) || (rune >= 0x2028 && rune <= 0x202E) ||
           (rune >= 0x2060 && rune <= 0x206F) || rune == 0xFEFF || rune == 0xAD || rune == 0x61C ||
           (rune >= 0xE0000 && rune <= 0xE0FFF);
}

static bool shown_as_is(struct str text, size_t n, bool quoted)
{
    uint32_t rune = n ? utf8_rune(text.p, n) : 0;
    return n > 0 && !rune_is_control(rune) && !rune_misleads(rune) &&
           !(quoted && (rune == '"' || rune == '\\'));
}

/* What one character or byte becomes. Sets how many bytes of text it stands for. */
static size_t shown_unit(struct str text, bool quoted, char unit[4], size_t *taken)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = utf8_length(text);
    if (shown_as_is(text, n, quoted)) {
        memcpy(unit, text.p, n);
        *taken = n;
        return n;
    }
    unsigned char byte = (unsigned char)text.p[0];
    unit[0] = '\\';
    unit[1] = 'x';
    unit[2] = digits[byte >> 4];
    unit[3] = digits[byte & 15];
    *taken = 1; /* the further bytes of the character are then broken UTF-8, so follow in hex */
    return 4;
}

static char *shorten(char *dst, size_t cap, struct str text, bool quoted)
{
    static const char dots[] = "...";
    if (cap == 0)
        return dst;
    size_t room = cap - 1;
    size_t dot_count = room < sizeof dots - 1 ? room : sizeof dots - 1;
    size_t n = 0;
    size_t cut = 0; /* the last end of a character that leaves room for the dots */
    while (text.n > 0) {
        char unit[4];
        size_t taken;
        size_t add = shown_unit(text, quoted, unit, &taken);
        if (add > room - n) {
            memcpy(dst + cut, dots, dot_count);
            n = cut + dot_count;
            break;
        }
        memcpy(dst + n, unit, add);
        n += add;
        if (n <= room - dot_count)
            cut = n;
        text = str_skip(text, taken);
    }
    dst[n] = '\0';
    return dst;
}

char *text_shorten(char *dst, size_t cap, struct str text)
{
    return shorten(dst, cap, text, true);
}

char *text_sentence(char *dst, size_t cap, struct str text)
{
    return shorten(dst, cap, text, false);
}
