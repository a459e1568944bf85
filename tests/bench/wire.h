/* What the benchmark's daemon, pump and load generator share: addresses, sockets that do not block,
   the clock, and finding the end of an HTTP message. It checks nothing that is not needed for that:
   both ends are ours. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "base.h"

enum {
    WIRE_HEAD_MAX = 8192,     /* bytes of a head */
    WIRE_BLOCK = 256 * 1024,  /* bytes that are read at once */
    WIRE_EVENTS = 256,        /* that epoll gives at once */
    WIRE_DESCRIPTORS = 65536, /* that a program asks for */
};

/* Where the body of a message ends. */
enum wire_framing { WIRE_NONE, WIRE_LENGTH, WIRE_CHUNKED };
struct wire_body {
    enum wire_framing framing;
    uint64_t left; /* bytes of the body, or of the chunk with its line end */
    bool in_size;  /* within the line of a chunk's size */
    bool last;     /* the chunk of size 0 has come */
    bool ended;
};

struct wire_head {
    struct str line; /* the first one, without its end */
    size_t size;     /* bytes with the empty line; 0: not whole yet */
    bool upgrade;    /* it has a field of that name */
    struct wire_body body;
};

/* Ends the program with this message. */
_Noreturn void wire_fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* Nanoseconds of the monotonic clock. */
uint64_t wire_now(void);

/* Raises the limit of descriptors as far as it goes. */
void wire_raise_limits(void);

/* A listener that does not block at "unix:PATH" or "tcp:PORT" of 127.0.0.1; fails otherwise. */
int wire_listen(const char *address);

/* The next connection, which does not block, or -1. */
int wire_accept(int listener);

/* A connection that does not block and may not be ready yet; fails when it is refused. Connections
   over TCP come from many addresses of the loopback network, since each has few ports. */
int wire_connect(const char *address);

/* Registers a descriptor with an epoll instance for good, edge-triggered in both directions. */
void wire_register(int epoll, int fd, void *owner);

/* The head that text begins with; its body says how the message goes on. */
struct wire_head wire_parse(struct str text);

/* How many of n bytes belong to the body, which it takes note of. */
size_t wire_take(struct wire_body *body, const char *bytes, size_t n);

#endif
