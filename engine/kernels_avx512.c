/* kernels_avx512.c - sixteen floats at a time. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define ISA            avx512
#define LANES          16
#define FILTER_VECS    2
#define PIXELS         14 /* 28 sums, 2 weights and a pixel: 31 of the 32 registers */
#define PIXELS_NARROW  14
#define LINE_VECS      4
#define BLOCK_VECS     2 /* 3x3: 6 sums, 9 weights, an input; more left 62 columns over */
#define CHANNEL_PIXELS 8 /* of two rows 16 sums, 10 inputs, 2 weights */

#define vec                __m512
#define v_set1             _mm512_set1_ps
#define v_load             _mm512_loadu_ps
#define v_store            _mm512_storeu_ps
#define v_stream           _mm512_stream_ps
#define v_fence            _mm_sfence
#define v_keep(a)          __asm__("" : "+v"(a))
#define v_load_n(p, n)     _mm512_maskz_loadu_ps(first_lanes(n), p)
#define v_store_n(p, a, n) _mm512_mask_storeu_ps(p, first_lanes(n), a)
#define ivec               __m512i
#define i_load(p)          _mm512_loadu_si512(p)
#define v_pick(p, i)       _mm512_permutexvar_ps(i, v_load(p))
#define v_pick_n(p, n, i)  _mm512_permutexvar_ps(i, v_load_n(p, n))
#define v_add              _mm512_add_ps
#define v_sub              _mm512_sub_ps
#define v_mul              _mm512_mul_ps
#define v_div              _mm512_div_ps
#define v_sqrt             _mm512_sqrt_ps
#define v_madd             _mm512_fmadd_ps
#define v_max              _mm512_max_ps /* a > b ? a : b */
#define v_min              _mm512_min_ps /* a < b ? a : b */
#define v_first(a, b, n)   _mm512_mask_blend_ps(first_lanes(n), b, a)
#define v_swap_8(a)        _mm512_shuffle_f32x4(a, a, _MM_SHUFFLE(1, 0, 3, 2))
#define v_swap_4(a)        _mm512_shuffle_f32x4(a, a, _MM_SHUFFLE(2, 3, 0, 1))
#define v_swap_2(a)        _mm512_permute_ps(a, _MM_SHUFFLE(1, 0, 3, 2))
#define v_swap_1(a)        _mm512_permute_ps(a, _MM_SHUFFLE(2, 3, 0, 1))

#define dvec      __m512d
#define DOUBLES   8
#define d_set1    _mm512_set1_pd
#define d_load(p) _mm512_cvtps_pd(_mm256_loadu_ps(p))
#define d_store   _mm512_storeu_pd
#define d_add     _mm512_add_pd
#define d_sub     _mm512_sub_pd
#define d_mul     _mm512_mul_pd
#define d_madd    _mm512_fmadd_pd

static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline __m512 v_even(__m512 a, __m512 b)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(a, even, b);
}

static inline __m512 v_odd(__m512 a, __m512 b)
{
    const __m512i odd =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(a, odd, b);
}

static inline __m512 v_load_2(const float *p)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(_mm512_loadu_ps(p), even, _mm512_loadu_ps(p + 15));
}

static inline __m512 v_load_3(const float *p)
{
    const __m512i begin =
        _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
    const __m512i end =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 19, 22, 25, 28, 31);
    const __m512 low =
        _mm512_permutex2var_ps(_mm512_loadu_ps(p), begin, _mm512_loadu_ps(p + 16));
    return _mm512_permutex2var_ps(low, end, _mm512_loadu_ps(p + 30));
}

static inline void v_load_thirds(const float *p, __m512 x[3])
{
    const __m512 a = v_load(p), b = v_load(p + 16), c = v_load(p + 32);
    const __m512i threes =
        _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45);

    for (int k = 0; k < 3; k++) {
        const __m512i at = _mm512_add_epi32(threes, _mm512_set1_epi32(k));
        const __mmask16 in_c = _mm512_cmpge_epi32_mask(at, _mm512_set1_epi32(32));
        x[k] =
            _mm512_mask_permutexvar_ps(_mm512_permutex2var_ps(a, at, b), in_c, at, c);
    }
}

static inline __m512 v_gather(const float *p, size_t step)
{
    const __m512i lanes =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_i32gather_ps(_mm512_mullo_epi32(lanes, _mm512_set1_epi32((int)step)),
                               p, sizeof *p);
}

static inline __m512 v_at(const float *p, const int32_t *at)
{
    return _mm512_i32gather_ps(_mm512_loadu_si512(at), p, sizeof *p);
}

static inline __m512 v_load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
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

static inline void v_load_thirds_u8(const uint8_t *p, __m512 x[3])
{
    for (int k = 0; k < 3; k++)
        x[k] = _mm512_cvtepi32_ps(_mm512_inserti64x4(
            _mm512_castsi256_si512(thirds_u8(p, k)), thirds_u8(p + 24, k), 1));
}

static inline __m512 v_less(__m512 a, __m512 b, __m512 x, __m512 y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

static inline __m512 v_abs(__m512 a)
{
    return _mm512_abs_ps(a);
}

static inline __m512 v_copysign(__m512 magnitude, __m512 sign)
{
    const __m512i bit = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(
        _mm512_or_si512(_mm512_castps_si512(magnitude),
                        _mm512_and_si512(bit, _mm512_castps_si512(sign))));
}

static inline __m512 v_pow2(__m512 shifted)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(shifted), 23));
}

static inline void v_store_u8(uint8_t *p, __m512 a)
{
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm512_cvtusepi32_epi8(_mm512_cvttps_epi32(a)));
}

#include "engine/kernels_body.h"
