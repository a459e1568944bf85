/* The bump allocator of include/arena.h. It hands out and forgets; it never frees single pieces and
   calls no destructors. */
#include "arena.h"

#include "bounds.h"

#include <stdlib.h>

enum { ARENA_ALIGN = 16 };

/* Under AddressSanitizer each piece is a chunk of its own, so that a write past it is seen. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_EXACT 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_EXACT 1
#endif
#endif
#ifndef ARENA_EXACT
#define ARENA_EXACT 0
#endif

struct arena_chunk {
    struct arena_chunk *next; /* older */
    size_t cap;               /* bytes of data */
    size_t at;                /* bytes handed out */
    size_t dirty;             /* bytes that may be other than zero from before a reset */
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

static size_t chunk_room(const struct arena_chunk *chunk)
{
    return chunk ? chunk->cap - chunk->at : 0;
}

/* A new chunk with room for size bytes, linked; NULL without memory. */
static struct arena_chunk *chunk_add(struct arena *arena, size_t size)
{
    struct arena_chunk *head = arena->head;
    size_t cap = head ? head->cap : ARENA_CHUNK_BYTES / 2;
    cap = cap < ARENA_KEEP_BYTES / 2 ? cap * 2 : ARENA_KEEP_BYTES;
    if (ARENA_EXACT || cap < size)
        cap = size;
    /* calloc: large chunks come from the kernel as zero pages, and stay untouched until used. */
    struct arena_chunk *chunk = calloc(1, sizeof *chunk + cap);
    if (!chunk)
        return NULL;
    chunk->cap = cap;
    /* A chunk made to measure goes behind a head that still has more room. */
    if (head && cap - size < chunk_room(head)) {
        chunk->next = head->next;
        head->next = chunk;
        return chunk;
    }
    chunk->next = head;
    arena->head = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX / 2)
        return NULL;
    if (bytes == 0)
        bytes = 1;
    if (!ARENA_EXACT)
        bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    size_t used;
    if (__builtin_add_overflow(arena->used, bytes, &used) ||
        (arena->limit && used > arena->limit)) {
        arena->full = true;
        return NULL;
    }
    struct arena_chunk *chunk = arena->head;
    if (chunk_room(chunk) < bytes)
        chunk = chunk_add(arena, bytes);
    if (!chunk) {
        arena->full = true;
        return NULL;
    }
    unsigned char *piece = chunk->data + chunk->at;
    if (chunk->at < chunk->dirty) {
        size_t old = chunk->dirty - chunk->at;
        memset(piece, 0, old < bytes ? old : bytes);
    }
    chunk->at += bytes;
    arena->used = used;
    return piece;
}

struct str arena_copy(struct arena *arena, struct str s)
{
    char *copy = s.n < SIZE_MAX ? arena_alloc(arena, s.n + 1, 1) : NULL;
    if (!copy)
        return (struct str){NULL, 0};
    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    return (struct str){copy, s.n};
}

struct str arena_join(struct arena *arena, const struct str *parts, size_t count)
{
    size_t total = 1;
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(total, parts[i].n, &total))
            return (struct str){NULL, 0};
    char *whole = arena_alloc(arena, total, 1);
    if (!whole)
        return (struct str){NULL, 0};
    char *end = whole;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n > 0)
            memcpy(end, parts[i].p, parts[i].n);
        end += parts[i].n;
    }
    return (struct str){whole, total - 1};
}

static bool worth_keeping(const struct arena_chunk *chunk, const struct arena_chunk *best)
{
    return !ARENA_EXACT && chunk->cap <= ARENA_KEEP_BYTES && (!best || chunk->cap > best->cap);
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *keep = NULL;
    struct arena_chunk *chunk = arena->head;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        struct arena_chunk *drop = chunk;
        if (worth_keeping(chunk, keep)) {
            drop = keep;
            keep = chunk;
        }
        free(drop);
        chunk = next;
    }
    if (keep) {
        keep->dirty = keep->at > keep->dirty ? keep->at : keep->dirty;
        keep->at = 0;
        keep->next = NULL;
    }
    arena->head = keep;
    arena->used = 0;
    arena->full = false;
}

void arena_free(struct arena *arena)
{
    while (arena->head) {
        struct arena_chunk *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
    arena->used = 0;
}
