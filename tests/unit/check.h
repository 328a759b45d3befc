/*
 * check.h - what the unit tests share: seeded random numbers, buffers that end at an
 * unmapped page, comparison bit for bit.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/generate.h"

/* n floats; the byte after the last one cannot be touched. Freed with the process. */
static inline float *guarded_floats(size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = n * sizeof(float);
    const size_t pages = (bytes + page - 1) / page + 1;
    char *base = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(base, MAP_FAILED);
    char *end = base + (pages - 1) * page;
    cr_assert_eq(mprotect(end, page, PROT_NONE), 0);
    return (float *)(void *)(end - bytes);
}

static inline void fill_random(float *x, size_t n, double scale, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((2 * generate_uniform(&seed) - 1) * scale);
}

static inline int draw(uint64_t *seed, int low, int high)
{
    return low + (int)(generate_uniform(seed) * (high - low + 1));
}

/* The same bits, but that any NaN equals any NaN. */
static inline int same_bits(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return 0;
    return 1;
}

#endif
