/* A bump allocator: many small pieces, one release. Used for what lives as long as one request or
   one policy. Not thread-safe: one arena per user. */
#ifndef SOCKWARDEN_ARENA_H
#define SOCKWARDEN_ARENA_H

#include "base.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *head; /* newest chunk */
    size_t used;              /* bytes handed out since the last reset */
    size_t limit;             /* bytes that may be handed out; 0: no limit */
    bool full; /* something went beyond the limit, or the memory, since the last reset */
};

/* Zeroed memory, aligned for any type; NULL when the limit or the memory is exhausted. It belongs
   to the arena. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);

/* A copy of s in the arena, followed by a NUL that does not count; p is NULL on failure. */
struct str arena_copy(struct arena *arena, struct str s);

/* The parts one behind the other in the arena, with such a NUL; p is NULL on failure. */
struct str arena_join(struct arena *arena, const struct str *parts, size_t count);

/* Forgets everything that was handed out; keeps one chunk of at most ARENA_KEEP_BYTES for reuse. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
