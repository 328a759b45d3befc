/*
 * test_deflate.c - Huffman codes against the plain construction of their tree, and
 * parts of streams against ISA-L's inflater; zlib's opinion is in test_png.c.
 */
#include "tests/unit/check.h"

#include <isa-l/igzip_lib.h>

#include "api/deflate.h"
#include "api/huffman.h"
#include "api/runs.h"
#include "engine/arena.h"

static uint64_t seed = 11;

/* Bits of the text in an optimal code: the two rarest are joined until one is left. */
static uint64_t least_bits(const uint32_t *counts, size_t n)
{
    uint64_t nodes[HUFFMAN_SYMBOLS], bits = 0;
    size_t left = 0;

    for (size_t i = 0; i < n; i++)
        if (counts[i])
            nodes[left++] = counts[i];
    for (; left > 1; left--) {
        for (size_t rank = 0; rank < 2; rank++)
            for (size_t i = rank + 1; i < left; i++)
                if (nodes[i] < nodes[rank]) {
                    const uint64_t node = nodes[i];
                    nodes[i] = nodes[rank];
                    nodes[rank] = node;
                }
        bits += nodes[0] + nodes[1];
        nodes[0] += nodes[1];
        nodes[1] = nodes[left - 1];
    }
    return bits;
}

/* Fibonacci's numbers make the deepest trees; others are equal, or of all sizes. */
static void draw_counts(uint32_t *counts, size_t n, size_t how)
{
    uint32_t a = 1, b = 1;

    for (size_t i = 0; i < n; i++) {
        counts[i] = how == 0   ? a
                    : how == 1 ? 3
                    : how == 2 ? (uint32_t)draw(&seed, 0, 1000)
                               : 1u << draw(&seed, 0, 16) >> draw(&seed, 0, 16);
        if (i < 24) {
            const uint32_t next = a + b;
            a = b;
            b = next;
        }
    }
    counts[0] += !counts[0];
    counts[n - 1] += !counts[n - 1];
}

Test(deflate, codes_are_whole_and_shortest)
{
    static const size_t sizes[] = {2, 3, 19, 40, 286, 288};
    uint32_t counts[HUFFMAN_SYMBOLS];
    uint8_t lengths[HUFFMAN_SYMBOLS];

    for (size_t i = 0; i < 6 * 4 * 20; i++) {
        const size_t n = sizes[i % 6];
        const unsigned limit = n <= 40 ? 7 + (unsigned)(i % 9) : 14;
        uint64_t bits = 0, space = 0;
        unsigned longest = 0;
        draw_counts(counts, n, i / 6 % 4);
        huffman_lengths(counts, n, limit, lengths);
        for (size_t s = 0; s < n; s++) {
            cr_assert_eq(lengths[s] > 0, counts[s] > 0);
            bits += (uint64_t)counts[s] * lengths[s];
            space += lengths[s] ? UINT64_C(1) << (limit - lengths[s]) : 0;
            longest = lengths[s] > longest ? lengths[s] : longest;
        }
        cr_assert_eq(space, UINT64_C(1) << limit, "the code is not whole");
        cr_assert_leq(longest, limit);
        if (longest < limit)
            cr_assert_eq(bits, least_bits(counts, n));
        else
            cr_assert_geq(bits, least_bits(counts, n));
    }
}

Test(deflate, codes_are_those_of_the_rfc)
{
    /* The example of RFC 1951, section 3.2.2; bits are packed the other way round. */
    static const uint8_t lengths[] = {3, 3, 3, 3, 3, 2, 4, 4};
    static const uint16_t expected[] = {2, 6, 1, 5, 3, 0, 7, 15};
    uint16_t codes[8];

    huffman_codes(lengths, 8, codes);
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(codes[i], expected[i], "symbol %zu: %u", i, codes[i]);
}

/* n bytes before an unmapped page. */
static uint8_t *guarded_bytes(size_t n)
{
    return (uint8_t *)guarded_floats((n + 3) / 4) + (4 - n % 4) % 4;
}

/* Runs of all lengths, literals of few values or of many. */
static void draw_bytes(uint8_t *bytes, size_t n, size_t how)
{
    for (size_t i = 0, run; i < n; i += run) {
        const int value = draw(&seed, 0, how % 3 == 0 ? 255 : how % 3 == 1 ? 3 : 40);
        run = draw(&seed, 0, 3) ? 1 : (size_t)draw(&seed, 1, how % 2 ? 20 : 600);
        run = how < 6 ? run : how == 6 ? n : 1;
        run = run < n - i ? run : n - i;
        memset(bytes + i, value, run);
    }
}

static void inflates_to(const uint8_t *stream, size_t size, const uint8_t *bytes,
                        size_t n)
{
    static struct inflate_state state;
    uint8_t *out = guarded_bytes(n);

    isal_inflate_init(&state);
    state.next_in = (uint8_t *)(uintptr_t)stream;
    state.avail_in = (uint32_t)size;
    state.next_out = out;
    state.avail_out = (uint32_t)n;
    cr_assert_eq(isal_inflate(&state), ISAL_DECOMP_OK);
    cr_assert_eq(state.block_state, ISAL_BLOCK_FINISH);
    cr_assert(state.avail_in == 0 && state.avail_out == 0);
    cr_assert_eq(memcmp(out, bytes, n), 0);
}

Test(deflate, blocks_of_any_size_hold_their_bytes)
{
    for (size_t n = 1; n < 70000; n = n < 80 ? n + 1 : n * 3 / 2)
        for (size_t how = 0; how < 8; how++) {
            uint8_t *bytes = guarded_bytes(n), *out = guarded_bytes(n + RUNS_SLACK);
            draw_bytes(bytes, n, how);
            const size_t size = runs_block(bytes, n, true, out);
            cr_assert_leq(size, n);
            if (size)
                inflates_to(out, size, bytes, n);
            if (how == 6 && n >= 80)
                cr_assert(size > 0 && size < 20 + n / 500, "%zu of %zu", size, n);
        }
}

Test(deflate, parts_of_every_level_make_a_stream)
{
    struct arena arena;

    cr_assert(arena_init(&arena, 8 << 20));
    for (size_t i = 0; i < 10 * 8 * 4; i++) {
        const int level = (int)(i % 10);
        const size_t n = (size_t)draw(&seed, 3, i % 7 ? 3000 : 200000);
        const size_t cuts[] = {0, n / 3, n - 1, n};
        uint8_t *bytes = guarded_bytes(n + DEFLATE_BEYOND);
        uint8_t *stream = malloc(3 * deflate_bound(n));
        uint32_t adler = 1;
        size_t size = 0;
        draw_bytes(bytes, n, i / 10 % 8);
        for (size_t k = 0; k < 3; k++) {
            const size_t part = cuts[k + 1] - cuts[k];
            uint8_t *out = guarded_bytes(deflate_bound(part));
            arena_reset(&arena, 8 << 20);
            void *work = arena_take(&arena, 1, deflate_work_bytes(level));
            memset(work, (int)i, deflate_work_bytes(level)); /* whatever it holds */
            const size_t made =
                deflate_part(level, bytes + cuts[k], part, k == 2, work, out);
            cr_assert_leq(made, deflate_bound(part));
            memcpy(stream + size, out, made);
            size += made;
            adler =
                deflate_adler_join(adler, deflate_adler(bytes + cuts[k], part), part);
        }
        inflates_to(stream, size, bytes, n);
        cr_assert_eq(adler, deflate_adler(bytes, n));
        free(stream);
    }
    arena_release(&arena);
}

/* Its terms are at their largest where all bytes are. */
Test(deflate, checksums_are_joined_at_any_length)
{
    const size_t n = 300000;
    uint8_t *bytes = malloc(n + DEFLATE_BEYOND);

    memset(bytes, 255, n);
    for (size_t cut = 1; cut < n; cut = cut * 2 + 1)
        cr_assert_eq(deflate_adler_join(deflate_adler(bytes, cut),
                                        deflate_adler(bytes + cut, n - cut), n - cut),
                     deflate_adler(bytes, n));
    free(bytes);
}
