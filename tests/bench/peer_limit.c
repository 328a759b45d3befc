/*
 * peer_limit.c - what the machine could do at most, measured as if it were a peer.
 *
 * fma: as many multiply-adds as the problem has, on registers alone, with the widest
 * vectors of this CPU. stream, stream-nt: read once as many bytes as the problem's
 * input and weights have and write once as many as its wanted outputs have, with
 * ordinary or non-temporal stores. The -serial ones use one thread even where more may
 * work, since handing over costs more than it gains on small problems.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/bench/peer.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* A way to do it with the vectors of one instruction set. */
struct vectors {
    double flops_per_step;
    float (*fma)(size_t steps);
    float (*read)(const float *from, size_t n);
    void (*copy)(float *to, const float *from, size_t n, bool around_cache);
    void (*fill)(float *to, size_t n, bool around_cache);
};

/* Enough independent sums to hide the latency of a multiply-add. */
enum {
    SUMS = 12,
    UNIT = 64,
    LARGE_PAGE = 2 << 20,
    SMALL_PAGE = 4096
}; /* UNIT: floats that a loop takes at once */

/* The same loops for each width: vec, its size, and how to store around the cache. */
#define VECTORS(isa, target, vec, lanes, set1, load, store, stream, madd, fence)       \
    target static float fma_##isa(size_t steps)                                        \
    {                                                                                  \
        vec sums[SUMS], a = set1(0.999f), b = set1(0.001f);                            \
        _Alignas(vec) float out[lanes];                                                \
        for (int i = 0; i < SUMS; i++)                                                 \
            sums[i] = set1((float)i);                                                  \
        for (size_t s = 0; s < steps; s++) {                                           \
            _Pragma("GCC unroll 12") for (int i = 0; i < SUMS; i++) sums[i] =          \
                madd(sums[i], a, b);                                                   \
        }                                                                              \
        for (int i = 1; i < SUMS; i++)                                                 \
            sums[0] = madd(sums[i], a, sums[0]);                                       \
        store(out, sums[0]);                                                           \
        return out[0];                                                                 \
    }                                                                                  \
    target static float read_##isa(const float *from, size_t n)                        \
    {                                                                                  \
        vec sums[UNIT / lanes], one = set1(1);                                         \
        _Alignas(vec) float out[lanes];                                                \
        for (int k = 0; k < UNIT / lanes; k++)                                         \
            sums[k] = set1(0);                                                         \
        for (size_t i = 0; i < n; i += UNIT) {                                         \
            _Pragma("GCC unroll 16") for (int k = 0; k < UNIT / lanes; k++) sums[k] =  \
                madd(load(from + i + k * lanes), one, sums[k]);                        \
        }                                                                              \
        for (int k = 1; k < UNIT / lanes; k++)                                         \
            sums[0] = madd(sums[k], one, sums[0]);                                     \
        store(out, sums[0]);                                                           \
        return out[0];                                                                 \
    }                                                                                  \
    target static void copy_##isa(float *to, const float *from, size_t n, bool around) \
    {                                                                                  \
        if (around)                                                                    \
            for (size_t i = 0; i < n; i += lanes)                                      \
                stream(to + i, load(from + i));                                        \
        else                                                                           \
            for (size_t i = 0; i < n; i += lanes)                                      \
                store(to + i, load(from + i));                                         \
        fence();                                                                       \
    }                                                                                  \
    target static void fill_##isa(float *to, size_t n, bool around)                    \
    {                                                                                  \
        const vec one = set1(1);                                                       \
        if (around)                                                                    \
            for (size_t i = 0; i < n; i += lanes)                                      \
                stream(to + i, one);                                                   \
        else                                                                           \
            for (size_t i = 0; i < n; i += lanes)                                      \
                store(to + i, one);                                                    \
        fence();                                                                       \
    }                                                                                  \
    static const struct vectors isa = {2.0 * SUMS * lanes, fma_##isa, read_##isa,      \
                                       copy_##isa, fill_##isa};

#if defined(__x86_64__)
VECTORS(avx512, __attribute__((target("avx512f"))), __m512, 16, _mm512_set1_ps,
        _mm512_load_ps, _mm512_store_ps, _mm512_stream_ps, _mm512_fmadd_ps, _mm_sfence)
VECTORS(avx2, __attribute__((target("avx2,fma"))), __m256, 8, _mm256_set1_ps,
        _mm256_load_ps, _mm256_store_ps, _mm256_stream_ps, _mm256_fmadd_ps, _mm_sfence)
#endif

typedef float quad __attribute__((vector_size(16)));
#define QUAD_SET1(x)       ((quad){x, x, x, x})
#define QUAD_LOAD(p)       (*(const quad *)(const void *)(p))
#define QUAD_STORE(p, v)   (*(quad *)(void *)(p) = (v))
#define QUAD_MADD(a, b, c) ((a) * (b) + (c))
#define NOTHING()          ((void)0)
VECTORS(portable, , quad, 4, QUAD_SET1, QUAD_LOAD, QUAD_STORE, QUAD_STORE, QUAD_MADD,
        NOTHING)

static const struct vectors *widest(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &avx2;
#endif
    return &portable;
}

struct state {
    const struct vectors *vectors;
    const struct parallel *parallel;
    size_t steps;   /* of fma; 0: stream */
    size_t in, out; /* floats, multiples of UNIT */
    bool around_cache;
    float *from, *to;
    volatile float sink; /* so that nothing is left out */
};

/* In large pages where the system has them, and touched. */
static float *take(size_t floats)
{
    const size_t bytes = (floats * sizeof(float) / LARGE_PAGE + 1) * LARGE_PAGE;
    float *memory = aligned_alloc(LARGE_PAGE, bytes);

    if (!memory)
        abort();
    madvise(memory, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < bytes; i += SMALL_PAGE)
        memory[i / sizeof *memory] = 0;
    return memory;
}

static void *prepare(const struct problem *problem, const char *variant,
                     const struct parallel *parallel)
{
    const bool serial = strstr(variant, "serial"),
               fma = strncmp(variant, "fma", 3) == 0;

    if (serial && parallel->width == 1)
        return NULL;

    struct state *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->vectors = widest();
    s->parallel = serial ? &parallel_serial : parallel;
    if (fma) {
        s->steps = (size_t)(2 * problem->macs / s->vectors->flops_per_step) + 1;
        return s;
    }
    s->around_cache = strstr(variant, "nt");
    s->in = ((size_t)problem->bytes_read / sizeof(float) + UNIT - 1) / UNIT * UNIT;
    s->out = ((size_t)problem->bytes_written / sizeof(float) + UNIT - 1) / UNIT * UNIT;
    s->from = take(s->in);
    s->to = take(s->out);
    return s;
}

/* Piece i of n, in units. */
static size_t piece(size_t floats, size_t i, size_t n)
{
    return floats / UNIT * i / n * UNIT;
}

static void run_piece(void *context, size_t i, size_t slot)
{
    struct state *s = context;
    const size_t n = s->parallel->width;

    (void)slot;
    if (s->steps) {
        s->sink = s->vectors->fma(s->steps / n + 1);
        return;
    }
    const size_t in = piece(s->in, i, n), out = piece(s->out, i, n);
    const size_t n_in = piece(s->in, i + 1, n) - in;
    const size_t n_out = piece(s->out, i + 1, n) - out;
    const size_t both = n_in < n_out ? n_in : n_out;
    s->vectors->copy(s->to + out, s->from + in, both, s->around_cache);
    s->sink = s->vectors->read(s->from + in + both, n_in - both);
    s->vectors->fill(s->to + out + both, n_out - both, s->around_cache);
}

static void run(void *self)
{
    struct state *s = self;

    s->parallel->run(s->parallel->self, s->parallel->width, run_piece, s);
}

static void release(void *self)
{
    struct state *s = self;

    free(s->from);
    free(s->to);
    free(s);
}

static const char *variant(size_t i)
{
    static const char *const names[] = {"fma",           "stream",
                                        "stream-nt",     "fma-serial",
                                        "stream-serial", "stream-nt-serial"};

    return i < sizeof names / sizeof *names ? names[i] : NULL;
}

const struct peer peer_limit = {
    .name = "limit",
    .variant = variant,
    .prepare = prepare,
    .run = run,
    .release = release,
};
