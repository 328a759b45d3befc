/*
 * kernel_case.h - what the tests of loops share: buffers with an unmapped page at
 * either end, values that go wrong first, and sums as the loops promise them.
 */
#ifndef TESTS_KERNEL_CASE_H
#define TESTS_KERNEL_CASE_H

#include "tests/unit/check.h"

#include <float.h>

#include "engine/kernels.h"

/* Where a case's arrays lie: hard against the page after them, or that before. */
enum { AT_END, AT_BEGIN, SIDES };
enum { SLOTS = 6, SLOT_FLOATS = 1 << 17 };

/* n floats of a slot; what the slot held before is lost. Freed with the process. */
static inline float *place(size_t slot, size_t n, int side)
{
    static char *slots[SLOTS];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = SLOT_FLOATS * sizeof(float);

    cr_assert(slot < SLOTS && n <= SLOT_FLOATS, "slot %zu, %zu floats", slot, n);
    if (!slots[slot]) {
        slots[slot] =
            mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(slots[slot], MAP_FAILED);
        cr_assert_eq(mprotect(slots[slot] + page, bytes, PROT_READ | PROT_WRITE), 0);
    }
    char *begin = slots[slot] + page;
    return (float *)(void *)(side == AT_END ? begin + bytes - n * sizeof(float)
                                            : begin);
}

/* Random numbers, if wild with some that go wrong first among them. */
static inline void fill_values(float *x, size_t n, bool wild, uint64_t seed)
{
    static const float extremes[] = {0.0f,     -0.0f,  INFINITY, -INFINITY, NAN,
                                     FLT_MAX,  1e-45f, -1e-45f,  FLT_MIN,   -FLT_MAX,
                                     0x1p100f, -1,     1e-30f};

    fill_random(x, n, 4, seed);
    for (size_t i = 0; wild && i < n; i++)
        if (draw(&seed, 0, 7) == 0)
            x[i] = extremes[draw(&seed, 0, sizeof extremes / sizeof *extremes - 1)];
}

/* A sum as its definition in double precision, and as the chain of fused adds in the
 * declared order, which every table must give to the bit. */
struct sum {
    float chain;
    double exact, magnitude;
    size_t terms;
};

static inline struct sum sum_from(float first)
{
    return (struct sum){first, (double)first, fabs((double)first), 1};
}

static inline void sum_add(struct sum *sum, float a, float b)
{
    const double product = (double)a * (double)b;

    sum->chain = fmaf(a, b, sum->chain);
    sum->exact += product;
    sum->magnitude += fabs(product);
    sum->terms++;
}

/* The chain, checked against the definition: each step rounds once. */
static inline float sum_end(const struct sum *sum, float floor)
{
    if (sum->magnitude < 1e38) /* no step overflows */
        cr_assert_leq(fabs((double)sum->chain - sum->exact),
                      (double)sum->terms * (FLT_EPSILON * sum->magnitude + 1e-45));
    return floor > sum->chain ? floor : sum->chain;
}

#endif
