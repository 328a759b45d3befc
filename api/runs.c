/*
 * runs.c - bytes become one block of deflate: Huffman codes and runs of one byte.
 *
 * The bytes are walked twice, once to count and once to write. If the next eight are
 * all the same as the one before, a run begins, which deflate calls a match at distance
 * 1; else the next four are literals.
 */
#include "api/runs.h"

#include <endian.h>
#include <string.h>

#include "api/huffman.h"

/* What a walk does is a constant where its loop is compiled. */
#define INLINED static inline __attribute__((always_inline))

enum {
    END = 256, /* symbols: of the block's end, of the shortest run, */
    FIRST_RUN = 257,
    LONGEST_RUN = 285,
    SYMBOLS = 286,
    RUN_MIN = 3,
    RUN_MAX = 258,
    CODE_MAX = 14, /* bits: four of them and seven left over fit into 64 */
    STEP = 4,
    TABLES = 4, /* of counts: the same byte again must not wait for the one before */
    LENGTH_SYMBOLS = 19, /* of the code in which codes are described */
    LENGTH_CODE_MAX = 7,
};

/* ---- bits ---- */

struct bits {
    uint64_t waiting;
    unsigned n; /* of them; 7 at most after each flush */
    uint8_t *out;
};

INLINED void put(struct bits *bits, uint64_t value, unsigned n)
{
    bits->waiting |= value << bits->n;
    bits->n += n;
}

/* Whole bytes go out; eight are written. */
INLINED void flush(struct bits *bits)
{
    const uint64_t bytes = htole64(bits->waiting);

    memcpy(bits->out, &bytes, sizeof bytes);
    bits->out += bits->n / 8;
    bits->waiting >>= bits->n & ~7u;
    bits->n %= 8;
}

/* ---- the walk ---- */

struct code {
    uint8_t lengths[SYMBOLS];
    uint16_t codes[SYMBOLS];
    uint32_t literals[256]; /* code << 8 | length: one load for both */
};

struct counts {
    uint32_t literals[TABLES][256];
    uint32_t symbols[SYMBOLS]; /* runs; at the end all */
    uint32_t extra;            /* bits behind them, the one of the distance included */
};

/* The symbol of a run's length, and how many bits follow that say what is left of it.
 */
struct run {
    unsigned symbol, bits, rest;
};

INLINED struct run run_of(size_t length)
{
    const unsigned n = (unsigned)length - RUN_MIN;

    if (length == RUN_MAX)
        return (struct run){LONGEST_RUN, 0, 0};
    if (n < 8)
        return (struct run){FIRST_RUN + n, 0, 0};
    const unsigned bits = 29 - (unsigned)__builtin_clz(n);
    return (struct run){FIRST_RUN + 4 * bits + (n >> bits), bits,
                        n & ((1u << bits) - 1)};
}

INLINED void put_symbol(struct bits *bits, const struct code *code, unsigned symbol)
{
    put(bits, code->codes[symbol], code->lengths[symbol]);
}

INLINED void take_run(size_t length, struct counts *counts, const struct code *code,
                      struct bits *bits)
{
    const struct run run = run_of(length);

    if (counts) {
        counts->symbols[run.symbol]++;
        counts->extra += run.bits + 1;
    } else {
        put_symbol(bits, code, run.symbol);
        put(bits, run.rest, run.bits + 1); /* and the distance: a zero */
        flush(bits);
    }
}

INLINED void take_four(const uint8_t *bytes, struct counts *counts,
                       const struct code *code, struct bits *bits)
{
    if (counts) {
        for (size_t i = 0; i < STEP; i++)
            counts->literals[i][bytes[i]]++;
        return;
    }
    const uint32_t a = code->literals[bytes[0]], b = code->literals[bytes[1]],
                   c = code->literals[bytes[2]], d = code->literals[bytes[3]];
    const uint64_t low = a >> 8 | (uint64_t)(b >> 8) << (a & 63);
    const uint64_t high = c >> 8 | (uint64_t)(d >> 8) << (c & 63);
    put(bits, low | high << ((a + b) & 63), (a + b + c + d) & 63);
    flush(bits);
}

INLINED void take_one(uint8_t byte, struct counts *counts, const struct code *code,
                      struct bits *bits)
{
    if (counts) {
        counts->literals[0][byte]++;
        return;
    }
    put(bits, code->literals[byte] >> 8, code->literals[byte] & 0xff);
    flush(bits);
}

/* How many bytes from `at` on are the same as the one before. */
static size_t same_from(const uint8_t *bytes, size_t at, size_t n)
{
    const size_t start = at;

    while (at + 8 <= n) {
        uint64_t here, before;
        memcpy(&here, bytes + at, 8);
        memcpy(&before, bytes + at - 1, 8);
        if (here != before)
            return at - start + (size_t)__builtin_ctzll(le64toh(here ^ before)) / 8;
        at += 8;
    }
    while (at < n && bytes[at] == bytes[at - 1])
        at++;
    return at - start;
}

INLINED bool same_eight(const uint8_t *bytes)
{
    uint64_t here, before;

    memcpy(&here, bytes, 8);
    memcpy(&before, bytes - 1, 8);
    return here == before;
}

/* Either count or write. */
INLINED void walk(const uint8_t *bytes, size_t n, struct counts *counts,
                  const struct code *code, struct bits *bits)
{
    size_t i = 1;

    take_one(bytes[0], counts, code, bits);
    while (i + 8 <= n) {
        if (!same_eight(bytes + i)) {
            take_four(bytes + i, counts, code, bits);
            i += STEP;
            continue;
        }
        size_t left = same_from(bytes, i, n);
        for (size_t run; left >= RUN_MIN; left -= run, i += run) {
            run = left < RUN_MAX ? left : RUN_MAX;
            take_run(run, counts, code, bits);
        }
    }
    for (; i < n; i++)
        take_one(bytes[i], counts, code, bits);
}

/* ---- the codes ---- */

/* What the header says: lengths of codes, in which runs are symbols of their own. */
struct header {
    size_t n; /* of symbols */
    uint8_t symbols[SYMBOLS + 1], extras[SYMBOLS + 1];
    uint32_t counts[LENGTH_SYMBOLS];
    uint8_t lengths[LENGTH_SYMBOLS];
    uint16_t codes[LENGTH_SYMBOLS];
    size_t n_lengths; /* of those that are sent */
    size_t bits;      /* in all */
};

/* In this order their lengths are sent. */
static const uint8_t length_order[LENGTH_SYMBOLS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                     11, 4,  12, 3, 13, 2, 14, 1, 15};

/* Symbols 16 to 18 repeat the length before 3 to 6 times, 0 3 to 10 times, or 0 11 to
 * 138 times; how often is said by so many bits behind them. */
enum { REPEAT = 16, ZEROS = 17, MANY_ZEROS = 18 };
static const uint8_t repeat_bits[LENGTH_SYMBOLS] = {
    [REPEAT] = 2, [ZEROS] = 3, [MANY_ZEROS] = 7};
static const uint8_t repeat_least[LENGTH_SYMBOLS] = {
    [REPEAT] = 3, [ZEROS] = 3, [MANY_ZEROS] = 11};

static void add(struct header *h, unsigned symbol, size_t times)
{
    h->symbols[h->n] = (uint8_t)symbol;
    h->extras[h->n++] = (uint8_t)(times - repeat_least[symbol]);
    h->counts[symbol]++;
    h->bits += repeat_bits[symbol];
}

/* So many equal lengths. */
static void add_lengths(struct header *h, uint8_t length, size_t n)
{
    const unsigned symbol = length ? REPEAT : ZEROS;

    if (length && n) {
        add(h, length, 0);
        n--;
    }
    while (n >= 3) {
        const unsigned used = !length && n > 10 ? MANY_ZEROS : symbol;
        const size_t most = repeat_least[used] + (1u << repeat_bits[used]) - 1;
        const size_t times = n < most ? n : most;
        add(h, used, times);
        n -= times;
    }
    for (; n > 0; n--)
        add(h, length, 0);
}

static void describe(struct header *h, const uint8_t *lengths, size_t n)
{
    for (size_t i = 0, same; i < n; i += same) {
        same = 1;
        while (i + same < n && lengths[i + same] == lengths[i])
            same++;
        add_lengths(h, lengths[i], same);
    }
}

/* The block's header: the code's lengths, those of literals and runs and behind them
 * that of the one distance, as symbols; and the code of these. */
static void make_header(struct header *h, const struct code *code, size_t n, bool runs)
{
    uint8_t lengths[SYMBOLS + 1];

    memcpy(lengths, code->lengths, n);
    lengths[n] = runs;
    *h = (struct header){.n_lengths = LENGTH_SYMBOLS};
    describe(h, lengths, n + 1);
    huffman_lengths(h->counts, LENGTH_SYMBOLS, LENGTH_CODE_MAX, h->lengths);
    huffman_codes(h->lengths, LENGTH_SYMBOLS, h->codes);
    while (h->n_lengths > 4 && !h->lengths[length_order[h->n_lengths - 1]])
        h->n_lengths--;
    h->bits += 3 + 5 + 5 + 4 + 3 * h->n_lengths;
    for (size_t i = 0; i < LENGTH_SYMBOLS; i++)
        h->bits += (size_t)h->counts[i] * h->lengths[i];
}

static void put_header(struct bits *bits, const struct header *h, size_t n, bool last)
{
    put(bits, last | 2 << 1, 3); /* a block with codes of its own */
    put(bits, n - 257, 5);
    put(bits, 0, 5); /* one distance */
    put(bits, h->n_lengths - 4, 4);
    flush(bits);
    for (size_t i = 0; i < h->n_lengths; i++) {
        put(bits, h->lengths[length_order[i]], 3);
        flush(bits);
    }
    for (size_t i = 0; i < h->n; i++) {
        const unsigned s = h->symbols[i];
        put(bits, h->codes[s], h->lengths[s]);
        put(bits, repeat_bits[s] ? h->extras[i] : 0, repeat_bits[s]);
        flush(bits);
    }
}

/* ---- blocks ---- */

/* Count what n bytes are made of; the bits of the block's content. */
static void count(struct counts *counts, const uint8_t *bytes, size_t n)
{
    memset(counts, 0, sizeof *counts);
    walk(bytes, n, counts, NULL, NULL);
    for (size_t i = 0; i < 256; i++)
        for (size_t t = 0; t < TABLES; t++)
            counts->symbols[i] += counts->literals[t][i];
    counts->symbols[END] = 1;
}

/* Returns the bits of the content. */
static size_t make_code(struct code *code, const struct counts *counts)
{
    size_t bits = counts->extra;

    huffman_lengths(counts->symbols, SYMBOLS, CODE_MAX, code->lengths);
    huffman_codes(code->lengths, SYMBOLS, code->codes);
    for (size_t i = 0; i < 256; i++)
        code->literals[i] = (uint32_t)code->codes[i] << 8 | code->lengths[i];
    for (size_t i = 0; i < SYMBOLS; i++)
        bits += (size_t)counts->symbols[i] * code->lengths[i];
    return bits;
}

/* On to a whole byte; an empty stored block on the way, if the stream goes on. */
static uint8_t *finish(struct bits *bits, bool last)
{
    static const uint8_t empty[4] = {0, 0, 0xff, 0xff}; /* its length, twice */

    if (!last)
        put(bits, 0, 3);
    put(bits, 0, -bits->n % 8);
    flush(bits);
    if (last)
        return bits->out;
    memcpy(bits->out, empty, sizeof empty);
    return bits->out + sizeof empty;
}

size_t runs_block(const uint8_t *bytes, size_t n, bool last, uint8_t *out)
{
    struct counts counts;
    struct code code;
    struct header header;
    size_t n_symbols = SYMBOLS;

    count(&counts, bytes, n);
    const size_t content = make_code(&code, &counts);
    while (n_symbols > FIRST_RUN && !code.lengths[n_symbols - 1])
        n_symbols--;
    make_header(&header, &code, n_symbols, n_symbols > FIRST_RUN);
    if (header.bits + content >= 8 * n)
        return 0;
    struct bits bits = {.out = out};
    put_header(&bits, &header, n_symbols, last);
    walk(bytes, n, NULL, &code, &bits);
    put_symbol(&bits, &code, END);
    flush(&bits);
    return (size_t)(finish(&bits, last) - out);
}
