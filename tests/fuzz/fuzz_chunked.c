/* libFuzzer target for chunked bodies. The first byte chooses trailers, the second the size of the
   pieces. The walk over pieces gives what the walk over the whole gives, and both give what a plain
   reader of a whole body gives. */
#include "chunked.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
    enum chunked_status status;
    size_t taken;
    char *data;
    size_t length;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct walk walk_pieces(struct str bytes, size_t step, bool trailers)
{
    struct walk walk = {.status = CHUNKED_MORE, .data = malloc(bytes.n + 1)};
    struct chunked chunked = {.trailers = trailers};
    must(walk.data != NULL);
    for (size_t at = 0; at < bytes.n && walk.status == CHUNKED_MORE; at += step) {
        struct str piece = str_head(str_skip(bytes, at), step);
        char *copy = malloc(piece.n);
        must(copy != NULL);
        memcpy(copy, piece.p, piece.n);
        for (size_t n = 0; n < piece.n && walk.status == CHUNKED_MORE;) {
            size_t taken = 0;
            struct str run;
            walk.status = chunked_walk(&chunked, (struct str){copy + n, piece.n - n}, &taken, &run);
            if (walk.status == CHUNKED_BAD)
                break;
            must(taken > 0 && taken <= piece.n - n);
            must((walk.status == CHUNKED_DATA) == (run.n > 0));
            if (run.n)
                memcpy(walk.data + walk.length, run.p, run.n);
            walk.length += run.n;
            walk.taken += taken;
            n += taken;
            if (walk.status == CHUNKED_DATA)
                walk.status = CHUNKED_MORE;
        }
        free(copy);
    }
    return walk;
}

/* A line up to CR LF; false when there is none. */
static bool take_line(struct str *rest, struct str *line)
{
    const char *end = memmem(rest->p, rest->n, "\r\n", 2);
    if (!end)
        return false;
    *line = str_from(rest->p, end);
    *rest = str_skip(*rest, line->n + 2);
    return true;
}

/* Reads a whole body the plain way; false unless it is whole and without fault. */
static bool read_plainly(struct str bytes, char *dst, size_t *length, size_t *taken)
{
    struct str rest = bytes, line;
    for (*length = 0; take_line(&rest, &line);) {
        if (line.n == 0 || line.n > 15)
            return false;
        uint64_t size = 0;
        for (size_t i = 0; i < line.n; i++) {
            if (!ascii_hex(line.p[i]))
                return false;
            size = size * 16 + ascii_hex_value(line.p[i]);
        }
        if (rest.n < 2 || size > rest.n - 2 || rest.p[size] != '\r' || rest.p[size + 1] != '\n')
            return false;
        memcpy(dst + *length, rest.p, (size_t)size);
        *length += (size_t)size;
        rest = str_skip(rest, (size_t)size + 2);
        *taken = bytes.n - rest.n;
        if (size == 0)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    bool trailers = data[0] & 1;
    struct str bytes = {(const char *)data + 2, size - 2};
    struct walk whole = walk_pieces(bytes, bytes.n, trailers);
    struct walk pieces = walk_pieces(bytes, data[1] ? data[1] : 1, trailers);
    must(whole.status == pieces.status && whole.length == pieces.length);
    must(whole.length == 0 || memcmp(whole.data, pieces.data, whole.length) == 0);
    must(whole.status == CHUNKED_BAD || whole.taken == pieces.taken);
    char *plain = malloc(bytes.n);
    size_t length = 0, taken = 0;
    must(plain != NULL);
    if (read_plainly(bytes, plain, &length, &taken)) {
        must(whole.status == CHUNKED_DONE && whole.taken == taken && whole.length == length);
        must(length == 0 || memcmp(whole.data, plain, length) == 0);
    } else {
        must(whole.status != CHUNKED_DONE || trailers);
    }
    free(plain);
    free(whole.data);
    free(pieces.data);
    return 0;
}
