/* JSON in pieces; see include/pieces.h. */
#include "pieces.h"

#include <endian.h>

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static bool is_blank(char c)
{
    return memchr(" \n\r\t", c, 4) != NULL;
}

/* Does a number or word end before c? */
static bool ends_plain(char c)
{
    return memchr(" \n\r\t,]}:\"{[", c, 11) != NULL;
}

/* The first quote or backslash from p on, or end. */
static const char *find_mark(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        word = le64toh(word);
        uint64_t quote = word ^ EACH('"');
        uint64_t backslash = word ^ EACH('\\');
        /* Marks above the lowest may be false by a borrow; the lowest is always true. */
        uint64_t marks =
            (((quote - EACH(1)) & ~quote) | ((backslash - EACH(1)) & ~backslash)) & EACH(0x80);
        if (marks)
            return p + __builtin_ctzll(marks) / 8;
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Inside of a string: up to behind its quote, or end. */
static const char *take_string(struct json_span *span, const char *p, const char *end)
{
    while (p < end) {
        if (span->escape) {
            span->escape = false;
            p++;
            continue;
        }
        p = find_mark(p, end);
        if (p == end)
            break;
        if (*p++ == '"') {
            span->string = false;
            break;
        }
        span->escape = true;
    }
    return p;
}

/* Outside of strings: up to behind the next quote or bracket, or end. */
static const char *take_outside(struct json_span *span, const char *p, const char *end)
{
    static const signed char marks[256] = {['{'] = 1, ['['] = 1, ['}'] = -1, [']'] = -1, ['"'] = 2};
    signed char mark = 0;
    while (p < end && mark == 0)
        mark = marks[(unsigned char)*p++];
    span->string = mark == 2;
    span->depth += mark == 1;
    span->depth -= mark == -1 && span->depth > 0;
    return p;
}

static size_t take_plain(struct json_span *span, struct str in)
{
    size_t n = 0;
    while (n < in.n && !ends_plain(in.p[n]))
        n++;
    span->done = n < in.n;
    return n;
}

size_t json_span_take(struct json_span *span, struct str in)
{
    const char *p = in.p;
    const char *end = p + in.n;
    if (in.n == 0 || span->done)
        return 0;
    if (!span->begun) {
        span->begun = true;
        span->plain = *p != '"' && *p != '{' && *p != '[';
    }
    if (span->plain)
        return take_plain(span, in);
    while (p < end) {
        p = span->string ? take_string(span, p, end) : take_outside(span, p, end);
        if (!span->string && span->depth == 0) {
            span->done = true;
            break;
        }
    }
    return (size_t)(p - in.p);
}

/* ---- pieces -------------------------------------------------------------------------------- */

struct json_pieces json_pieces_of(struct str value)
{
    bool array = str_starts(value, STR("["));
    return (struct json_pieces){.rest = str_skip(value, 1),
                                .close = array ? ']' : '}',
                                .bad = !array && !str_starts(value, STR("{"))};
}

static void skip_blanks(struct str *s)
{
    while (s->n > 0 && is_blank(s->p[0]))
        *s = str_skip(*s, 1);
}

/* The whole value at the beginning of rest; empty when there is none. */
static struct str take_value(struct str *rest)
{
    struct json_span span = {0};
    struct str value = str_head(*rest, json_span_take(&span, *rest));
    *rest = str_skip(*rest, value.n);
    return span.done ? value : str_head(value, 0);
}

static bool take_name(struct json_pieces *pieces, struct json_piece *out)
{
    struct str name = str_starts(pieces->rest, STR("\"")) ? take_value(&pieces->rest) : STR("");
    if (name.n < 2)
        return false;
    out->name = str_head(str_skip(name, 1), name.n - 2);
    skip_blanks(&pieces->rest);
    bool colon = str_starts(pieces->rest, STR(":"));
    pieces->rest = str_skip(pieces->rest, 1);
    skip_blanks(&pieces->rest);
    return colon;
}

static bool bad(struct json_pieces *pieces)
{
    pieces->bad = true;
    return false;
}

bool json_pieces_next(struct json_pieces *pieces, struct json_piece *out)
{
    const char *start = pieces->rest.p;
    *out = (struct json_piece){.name = {NULL, 0}};
    if (pieces->bad || pieces->tail.p)
        return false;
    skip_blanks(&pieces->rest);
    if (pieces->rest.n > 0 && pieces->rest.p[0] == pieces->close && !pieces->more) {
        pieces->tail = str_from(start, pieces->rest.p + 1);
        return pieces->rest.n == 1 ? false : bad(pieces);
    }
    if (pieces->close == '}' && !take_name(pieces, out))
        return bad(pieces);
    out->value = take_value(&pieces->rest);
    skip_blanks(&pieces->rest);
    if (out->value.n == 0 || pieces->rest.n == 0)
        return bad(pieces);
    out->all = str_from(start, pieces->rest.p);
    pieces->more = pieces->rest.p[0] == ',';
    if (pieces->more) {
        pieces->rest = str_skip(pieces->rest, 1);
        return true;
    }
    return pieces->rest.p[0] == pieces->close ? true : bad(pieces);
}
