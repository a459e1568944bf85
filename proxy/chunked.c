/* Chunked framing; see chunked.h. */
#include "chunked.h"

enum { SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, ENDED };
enum {
    SIZE_DIGITS_MAX = 15, /* hex digits: 2^60 bytes is beyond anything */
    TRAILERS_MAX = 8192,  /* bytes */
};

/* One byte of framing. False: it may not stand here. */
static bool step(struct chunked *c, char byte)
{
    switch (c->state) {
    case SIZE:
        if (byte == '\r') {
            c->last = c->left == 0;
            c->large = c->left >= CHUNKED_LARGE;
            c->state = SIZE_LF;
            return c->digits > 0;
        }
        c->left = c->left * 16 + (ascii_hex(byte) ? ascii_hex_value(byte) : 0);
        return ascii_hex(byte) && ++c->digits <= SIZE_DIGITS_MAX;
    case SIZE_LF:
        c->state = c->last ? DATA_CR : DATA;
        return byte == '\n';
    case DATA_CR:
        c->state = DATA_LF;
        if (c->last && c->trailers && byte != '\r' && byte != '\n')
            c->state = TRAILER;
        return byte == '\r' || (c->state == TRAILER && ++c->trailer_bytes <= TRAILERS_MAX);
    case DATA_LF:
        c->state = c->last ? ENDED : SIZE;
        c->digits = 0;
        c->left = 0;
        return byte == '\n';
    case TRAILER: /* up to the end of its line; the next may be another, or the empty one */
        if (byte == '\n')
            c->state = DATA_CR;
        return ++c->trailer_bytes <= TRAILERS_MAX;
    default:
        return false;
    }
}

enum chunked_status chunked_walk(struct chunked *chunked, struct str in, size_t *taken,
                                 struct str *data)
{
    size_t i = 0;
    *data = (struct str){NULL, 0};
    while (i < in.n) {
        if (chunked->state == DATA) {
            size_t n = in.n - i < chunked->left ? in.n - i : (size_t)chunked->left;
            *data = (struct str){in.p + i, n};
            chunked->left -= n;
            if (chunked->left == 0)
                chunked->state = DATA_CR;
            *taken = i + n;
            return CHUNKED_DATA;
        }
        if (!step(chunked, in.p[i++]))
            return CHUNKED_BAD;
        if (chunked->state == ENDED) {
            *taken = i;
            return CHUNKED_DONE;
        }
    }
    *taken = i;
    return CHUNKED_MORE;
}

uint64_t chunked_left(const struct chunked *chunked)
{
    return chunked->state == DATA ? chunked->left : 0;
}

void chunked_skip(struct chunked *chunked, uint64_t n)
{
    chunked->left -= n;
    if (chunked->left == 0)
        chunked->state = DATA_CR;
}

bool chunked_is_between(const struct chunked *chunked)
{
    return chunked->state == SIZE && chunked->digits == 0;
}
