/* The framing of chunked bodies, walked strictly: size in hex, CR LF, data, CR LF, and a last chunk
   without trailers (a daemon's response may have some). No extensions, no blanks, no bare LF. What
   passes the walker means the same to every reader, so it may be passed on unchanged. */
#ifndef PROXY_CHUNKED_H
#define PROXY_CHUNKED_H

#include "base.h"

enum { CHUNKED_LARGE = 16 << 10 };

struct chunked {
    uint8_t state;  /* 0 at the beginning */
    uint8_t digits; /* of the size read so far */
    bool last;      /* the chunk of size 0 */
    bool large;     /* the current chunk is of CHUNKED_LARGE bytes or more */
    bool trailers;  /* lines behind the last chunk are taken; set by the caller */
    uint16_t trailer_bytes;
    uint64_t left; /* bytes of the current chunk's data */
};

enum chunked_status {
    CHUNKED_MORE, /* all of in was taken */
    CHUNKED_DATA, /* data holds bytes of the body; call again with the rest */
    CHUNKED_DONE, /* the body ended with the taken bytes */
    CHUNKED_BAD,
};

/* Takes bytes of in up to the end of a run of data, of the body, or of in. */
enum chunked_status chunked_walk(struct chunked *chunked, struct str in, size_t *taken,
                                 struct str *data);

/* Bytes of the current chunk that are still to come; 0 while its size is being read. */
uint64_t chunked_left(const struct chunked *chunked);
/* Bytes of the current chunk's data that went another way, not more than are left. */
void chunked_skip(struct chunked *chunked, uint64_t n);
/* Is all that was taken whole chunks, so that a last one may follow? */
bool chunked_is_between(const struct chunked *chunked);

#endif
