/*
 * arena.h - memory that is released all at once.
 *
 * Everything one request needs comes from one arena and dies when the arena is
 * reset, so request code has no free() and no cleanup path. A worker keeps its
 * arena between requests: address space is reserved once, pages are touched as
 * they are used, and the ones beyond a small working set go back at each reset.
 *
 * An arena belongs to one thread.
 */
#ifndef ENGINE_ARENA_H
#define ENGINE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/attributes.h"

enum { ARENA_ALIGN = 64 }; /* a cache line, and the widest vector */

struct arena {
    char *base;
    size_t reserved; /* bytes of address space */
    size_t budget;   /* bytes that may be used now, at most reserved */
    size_t used;
    size_t peak;  /* largest value of used since the last reset */
    size_t dirty; /* bytes from base on that may hold old data */
};

/* Reserves size bytes of address space. False if the system has none. */
bool arena_init(struct arena *arena, size_t size) MUST_CHECK;
void arena_release(struct arena *arena);

/* count zeroed objects, aligned to ARENA_ALIGN; NULL if the budget is spent. */
void *arena_alloc(struct arena *arena, size_t count, size_t size) MUST_CHECK;

/* The same without the zeroing, for memory that is written whole. */
void *arena_take(struct arena *arena, size_t count, size_t size) MUST_CHECK;

/* A copy of n bytes and a final NUL; NULL if the budget is spent. */
char *arena_copy(struct arena *arena, const void *bytes, size_t n) MUST_CHECK;

/* printf into the arena; NULL if the budget is spent. */
char *arena_print(struct arena *arena, const char *format, ...)
    FORMATTED(2, 3) MUST_CHECK;

/* Forget every allocation made since used had this value. */
void arena_rewind(struct arena *arena, size_t used);

/* Use at most budget bytes from here on, what is used already included; never more than
 * was allowed before. */
void arena_limit(struct arena *arena, size_t budget);

/* Forget every allocation, and use at most budget bytes from here on. Pointers
 * into the arena are dead; pages beyond the working set return to the system. */
void arena_reset(struct arena *arena, size_t budget);

#endif
