/*
 * arena.c - memory that is released all at once.
 *
 * The address space is one mapping. Its pages are zero until they are written, so
 * arena_alloc clears only what lies below `dirty`, the high-water mark of what was
 * handed out since those pages last went back to the system.
 */
#include "engine/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif

#ifdef ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = ARENA_ALIGN }; /* between allocations, so that overruns show */
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

/* Bytes kept between requests: enough for a 512 x 512 photograph to fault none in. */
enum { WORKING_SET = 16 << 20 };

bool arena_init(struct arena *arena, size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        return false;
    /* Fewer faults and misses of the TLB: a ReLU of 16 MiB takes two thirds of the
     * time. A system that cannot is as good without. */
    (void)madvise(base, size, MADV_HUGEPAGE);
    *arena = (struct arena){.base = base, .reserved = size, .budget = size};
    ASAN_POISON_MEMORY_REGION(arena->base, size);
    return true;
}

void arena_release(struct arena *arena)
{
    if (arena->base) {
        ASAN_UNPOISON_MEMORY_REGION(arena->base, arena->reserved);
        munmap(arena->base, arena->reserved);
    }
    *arena = (struct arena){0};
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes) ||
        bytes > SIZE_MAX - RED_ZONE - ARENA_ALIGN)
        return NULL;
    const size_t whole = bytes + RED_ZONE + -bytes % ARENA_ALIGN;
    if (whole > arena->budget - arena->used)
        return NULL;

    void *memory = arena->base + arena->used;
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    arena->used += whole;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
    if (arena->used > arena->dirty)
        arena->dirty = arena->used;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    const size_t first = arena->used, dirty = arena->dirty;
    char *memory = arena_take(arena, count, size);

    if (memory && dirty > first) {
        const size_t bytes = count * size, old = dirty - first;
        memset(memory, 0, bytes < old ? bytes : old);
    }
    return memory;
}

char *arena_copy(struct arena *arena, const void *bytes, size_t n)
{
    char *copy = n == SIZE_MAX ? NULL : arena_take(arena, n + 1, 1);

    if (copy) {
        if (n)
            memcpy(copy, bytes, n);
        copy[n] = '\0';
    }
    return copy;
}

char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_take(arena, (size_t)n + 1, 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)n + 1, format, args);
        va_end(args);
    }
    return text;
}

void arena_rewind(struct arena *arena, size_t used)
{
    ASAN_POISON_MEMORY_REGION(arena->base + used, arena->used - used);
    arena->used = used;
}

void arena_limit(struct arena *arena, size_t budget)
{
    if (budget < arena->budget)
        arena->budget = budget > arena->used ? budget : arena->used;
}

void arena_reset(struct arena *arena, size_t budget)
{
    if (arena->dirty > WORKING_SET &&
        madvise(arena->base + WORKING_SET, arena->dirty - WORKING_SET, MADV_DONTNEED) ==
            0)
        arena->dirty = WORKING_SET;
    arena_rewind(arena, 0);
    arena->peak = 0;
    arena->budget = budget < arena->reserved ? budget : arena->reserved;
}
