/*
 * huffman.c - prefix codes as deflate has them.
 *
 * The lengths are found in place in the sorted counts: A. Moffat and J. Katajainen,
 * "In-place calculation of minimum-redundancy codes" (1995).
 */
#include "api/huffman.h"

#include <assert.h>

enum {
    LONGEST = 15,   /* code of deflate */
    DIGIT_BITS = 6, /* of the sort */
    DIGITS = 1 << DIGIT_BITS,
};

struct symbol {
    uint32_t count;
    uint16_t value;
};

/* By count, equal ones in their order: a radix sort from the lowest digit on. Returns
 * where the sorted ones are, `symbols` or `other`. */
static struct symbol *sort(struct symbol *symbols, struct symbol *other, size_t n,
                           uint32_t most)
{
    for (unsigned shift = 0; shift < 32 && most >> shift; shift += DIGIT_BITS) {
        size_t starts[DIGITS + 1] = {0};
        for (size_t i = 0; i < n; i++)
            starts[(symbols[i].count >> shift) % DIGITS + 1]++;
        for (size_t d = 0; d < DIGITS; d++)
            starts[d + 1] += starts[d];
        for (size_t i = 0; i < n; i++)
            other[starts[(symbols[i].count >> shift) % DIGITS]++] = symbols[i];
        struct symbol *sorted = other;
        other = symbols;
        symbols = sorted;
    }
    return symbols;
}

/* Of n >= 2 sorted counts, each replaced by the depth of its leaf in the tree: first by
 * the parents of the inner nodes, which become their depths. */
static void find_depths(uint32_t *a, size_t n)
{
    size_t root = 0, leaf = 2, next;

    a[0] += a[1];
    for (next = 1; next < n - 1; next++) {
        uint32_t sum = 0;
        for (int child = 0; child < 2; child++)
            if (leaf >= n || (root < next && a[root] < a[leaf])) {
                sum += a[root];
                a[root++] = (uint32_t)next;
            } else {
                sum += a[leaf++];
            }
        a[next] = sum;
    }
    a[n - 2] = 0;
    for (next = n - 2; next-- > 0;)
        a[next] = a[a[next]] + 1;

    size_t free = 1, inner = n - 1; /* places on a level; inner nodes not yet seen */
    next = n;
    for (uint32_t depth = 0; free > 0; depth++) {
        size_t used = 0;
        for (; inner > 0 && a[inner - 1] == depth; inner--)
            used++;
        for (; free > used; free--)
            a[--next] = depth;
        free = 2 * used;
    }
}

/* How many codes have which length, when none may be longer than limit: those that were
 * are, and shorter ones give way until the code is whole again. */
static void limit_lengths(uint32_t numbers[LONGEST + 1], unsigned limit)
{
    uint32_t space = 0; /* taken, of 1 << limit */

    for (unsigned l = 1; l <= limit; l++)
        space += numbers[l] << (limit - l);
    for (; space > UINT32_C(1) << limit; space--) {
        unsigned l = limit - 1;
        while (numbers[l] == 0)
            l--;
        /* One of length l and one of the longest become two of length l + 1. */
        numbers[l]--;
        numbers[l + 1] += 2;
        numbers[limit]--;
    }
}

void huffman_lengths(const uint32_t *counts, size_t n, unsigned limit, uint8_t *lengths)
{
    struct symbol symbols[2][HUFFMAN_SYMBOLS];
    uint32_t depths[HUFFMAN_SYMBOLS] = {0}, numbers[LONGEST + 1] = {0}, most = 0;
    size_t used = 0;

    assert(n <= HUFFMAN_SYMBOLS && limit <= LONGEST);
    for (size_t i = 0; i < n; i++) {
        lengths[i] = 0;
        if (counts[i])
            symbols[0][used++] = (struct symbol){counts[i], (uint16_t)i};
        most |= counts[i];
    }
    assert(used >= 2);
    const struct symbol *sorted = sort(symbols[0], symbols[1], used, most);
    for (size_t i = 0; i < used; i++)
        depths[i] = sorted[i].count;
    find_depths(depths, used);
    for (size_t i = 0; i < used; i++)
        numbers[depths[i] < limit ? depths[i] : limit]++;
    limit_lengths(numbers, limit);
    for (unsigned l = limit; l > 0; l--) /* the rarest get the longest */
        for (; numbers[l] > 0; numbers[l]--)
            lengths[(sorted++)->value] = (uint8_t)l;
}

/* The lowest n bits, the first one last. */
static uint16_t reverse(unsigned code, unsigned n)
{
    unsigned x = (code & 0x5555) << 1 | (code >> 1 & 0x5555);

    x = (x & 0x3333) << 2 | (x >> 2 & 0x3333);
    x = (x & 0x0f0f) << 4 | (x >> 4 & 0x0f0f);
    x = (x & 0x00ff) << 8 | (x >> 8 & 0x00ff);
    return (uint16_t)(x >> (16 - n));
}

void huffman_codes(const uint8_t *lengths, size_t n, uint16_t *codes)
{
    unsigned numbers[LONGEST + 1] = {0}, next[LONGEST + 2] = {0};

    for (size_t i = 0; i < n; i++)
        numbers[lengths[i]]++;
    numbers[0] = 0;
    for (unsigned l = 0; l <= LONGEST; l++)
        next[l + 1] = (next[l] + numbers[l]) << 1;
    for (size_t i = 0; i < n; i++)
        codes[i] = lengths[i] ? reverse(next[lengths[i]]++, lengths[i]) : 0;
}
