/*
 * statistics.c - what a map's numbers are like.
 *
 * Blocks of STATISTICS_BLOCK values are summed by the kernels, and blocks are combined
 * pairwise, as a binary counter carries: level k holds the sum of 2^k blocks. Mean and
 * squared deviations combine by the formulas of Chan, Golub and LeVeque (1979).
 */
#include "engine/statistics.h"

#include <math.h>

struct part {
    double n, mean, deviations;
};

static struct part combine(struct part a, struct part b)
{
    if (a.n == 0)
        return b;
    if (b.n == 0)
        return a;
    const double n = a.n + b.n, delta = b.mean - a.mean;
    return (struct part){
        .n = n,
        .mean = a.mean + delta * (b.n / n),
        .deviations = a.deviations + b.deviations + delta * delta * (a.n * b.n / n),
    };
}

static void add_extremes(struct statistics *s, const struct block_statistics *block)
{
    s->nan += block->nan;
    s->inf += block->inf;
    if (block->finite == 0)
        return;
    if (s->finite == 0 || block->min < s->min)
        s->min = block->min;
    if (s->finite == 0 || block->max > s->max)
        s->max = block->max;
    s->finite += block->finite;
}

struct statistics statistics_of(const struct kernels *kernels, const float *values,
                                size_t n, size_t stride)
{
    struct statistics s = {0};
    struct part levels[64], total = {0};
    size_t blocks = 0;

    for (size_t i = 0; i < n; i += STATISTICS_BLOCK, blocks++) {
        const size_t part = n - i < STATISTICS_BLOCK ? n - i : STATISTICS_BLOCK;
        struct block_statistics block;
        size_t level = 0;

        kernels->statistics(values + i * stride, part, stride, &block);
        add_extremes(&s, &block);
        struct part sum = {(double)block.finite,
                           block.finite ? block.sum / (double)block.finite : 0,
                           block.deviations};
        for (; blocks >> level & 1; level++)
            sum = combine(levels[level], sum);
        levels[level] = sum;
    }
    for (size_t level = 0; blocks >> level; level++)
        if (blocks >> level & 1)
            total = combine(levels[level], total);
    s.mean = total.mean;
    s.std = total.n > 0 ? sqrt(total.deviations / total.n) : 0;
    return s;
}

bool statistics_constant(const struct statistics *s)
{
    return s->finite == 0 || s->min == s->max;
}
