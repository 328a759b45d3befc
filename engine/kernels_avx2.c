/* kernels_avx2.c - eight floats at a time. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define ISA            avx2
#define LANES          8
#define FILTER_VECS    2
#define PIXELS         6  /* 12 sums, 2 weights and a pixel: 15 of the 16 registers */
#define PIXELS_NARROW  12 /* 12 sums, 4 addresses apart */
#define LINE_VECS      4
#define BLOCK_VECS     2 /* 3x3: 6 sums, 9 weights, an input; others 8, 1 and 2 */
#define CHANNEL_PIXELS 4 /* of two rows 8 sums, 6 inputs, 2 weights */

#define vec                __m256
#define v_set1             _mm256_set1_ps
#define v_load             _mm256_loadu_ps
#define v_store            _mm256_storeu_ps
#define v_stream           _mm256_stream_ps
#define v_fence            _mm_sfence
#define v_keep(a)          __asm__("" : "+x"(a))
#define v_load_n(p, n)     _mm256_maskload_ps(p, first_lanes(n))
#define v_store_n(p, a, n) _mm256_maskstore_ps(p, first_lanes(n), a)
#define ivec               __m256i
#define i_load(p)          _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define v_pick(p, i)       _mm256_permutevar8x32_ps(v_load(p), i)
#define v_pick_n(p, n, i)  _mm256_permutevar8x32_ps(v_load_n(p, n), i)
#define v_add              _mm256_add_ps
#define v_sub              _mm256_sub_ps
#define v_mul              _mm256_mul_ps
#define v_div              _mm256_div_ps
#define v_sqrt             _mm256_sqrt_ps
#define v_madd             _mm256_fmadd_ps
#define v_max              _mm256_max_ps /* a > b ? a : b */
#define v_min              _mm256_min_ps /* a < b ? a : b */
#define v_first(a, b, n)   _mm256_blendv_ps(b, a, _mm256_castsi256_ps(first_lanes(n)))
#define v_swap_4(a)        _mm256_permute2f128_ps(a, a, 1)
#define v_swap_2(a)        _mm256_permute_ps(a, _MM_SHUFFLE(1, 0, 3, 2))
#define v_swap_1(a)        _mm256_permute_ps(a, _MM_SHUFFLE(2, 3, 0, 1))

#define dvec      __m256d
#define DOUBLES   4
#define d_set1    _mm256_set1_pd
#define d_load(p) _mm256_cvtps_pd(_mm_loadu_ps(p))
#define d_store   _mm256_storeu_pd
#define d_add     _mm256_add_pd
#define d_sub     _mm256_sub_pd
#define d_mul     _mm256_mul_pd
#define d_madd    _mm256_fmadd_pd

static inline __m256i first_lanes(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline __m256 unmix(__m256 pairs)
{
    return _mm256_castpd_ps(
        _mm256_permute4x64_pd(_mm256_castps_pd(pairs), _MM_SHUFFLE(3, 1, 2, 0)));
}

static inline __m256 v_even(__m256 a, __m256 b)
{
    return unmix(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
}

static inline __m256 v_odd(__m256 a, __m256 b)
{
    return unmix(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
}

static inline __m256 v_load_2(const float *p)
{
    const __m256 low = _mm256_loadu_ps(p), high = _mm256_loadu_ps(p + 7);

    return unmix(_mm256_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 2, 0)));
}

static inline __m256 v_gather(const float *p, size_t step)
{
    return _mm256_setr_ps(p[0], p[step], p[2 * step], p[3 * step], p[4 * step],
                          p[5 * step], p[6 * step], p[7 * step]);
}

/* Of three vectors that reach as far as the last one no two want the same lane. */
static inline __m256 v_load_3(const float *p)
{
    const __m256 low = _mm256_blend_ps(v_load(p), v_load(p + 7), 0x24);
    const __m256 all = _mm256_blend_ps(low, v_load(p + 14), 0x92);

    return _mm256_permutevar8x32_ps(all, _mm256_setr_epi32(0, 3, 6, 2, 5, 1, 4, 7));
}

/* Of three vectors side by side no two want the same lane, either. */
static inline void v_load_thirds(const float *p, __m256 x[3])
{
    const __m256 a = v_load(p), b = v_load(p + 8), c = v_load(p + 16);
    const __m256 first = _mm256_blend_ps(_mm256_blend_ps(a, b, 0x92), c, 0x24);
    const __m256 second = _mm256_blend_ps(_mm256_blend_ps(a, b, 0x24), c, 0x49);
    const __m256 third = _mm256_blend_ps(_mm256_blend_ps(a, b, 0x49), c, 0x92);

    x[0] = _mm256_permutevar8x32_ps(first, _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5));
    x[1] = _mm256_permutevar8x32_ps(second, _mm256_setr_epi32(1, 4, 7, 2, 5, 0, 3, 6));
    x[2] = _mm256_permutevar8x32_ps(third, _mm256_setr_epi32(2, 5, 0, 3, 6, 1, 4, 7));
}

static inline __m256 v_at(const float *p, const int32_t *at)
{
    return _mm256_setr_ps(p[at[0]], p[at[1]], p[at[2]], p[at[3]], p[at[4]], p[at[5]],
                          p[at[6]], p[at[7]]);
}

static inline __m256 v_load_u8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

/* Of eight pixels of three bytes the k-th of each as a word: four pixels in either
 * half, the upper one's from its fifth byte on, so that it ends with the last. */
static inline __m256i thirds_u8(const uint8_t *p, int k)
{
    const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(p + 8));
    const __m256i at = _mm256_setr_epi32(0, 3, 6, 9, 4, 7, 10, 13);
    const __m256i alone = _mm256_set1_epi32(k - 0x7f7f8000);

    return _mm256_shuffle_epi8(_mm256_set_m128i(high, low),
                               _mm256_add_epi32(at, alone));
}

static inline void v_load_thirds_u8(const uint8_t *p, __m256 x[3])
{
    for (int k = 0; k < 3; k++)
        x[k] = _mm256_cvtepi32_ps(thirds_u8(p, k));
}

static inline __m256 v_less(__m256 a, __m256 b, __m256 x, __m256 y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

static inline __m256 v_abs(__m256 a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

static inline __m256 v_copysign(__m256 magnitude, __m256 sign)
{
    return _mm256_or_ps(magnitude, _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}

static inline __m256 v_pow2(__m256 shifted)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23));
}

static inline void v_store_u8(uint8_t *p, __m256 a)
{
    const __m256i words = _mm256_cvttps_epi32(a);
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words),
                                           _mm256_extracti128_si256(words, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(halves, halves));
}

#include "engine/kernels_body.h"
