/*
 * kernels_neon.c - four floats at a time, on 64-bit ARM.
 *
 * The register blocks are counted, not measured: tests run it by emulation. An add
 * takes one of its factors from a lane, so floats that are the same for all lanes are
 * loaded one by one and need not be spread.
 */
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define ISA            neon
#define LANES          4
#define FILTER_VECS    4
#define PIXELS         6  /* 24 sums, 4 weights and a pixel: 29 of the 32 registers */
#define PIXELS_NARROW  14 /* 14 sums, 5 addresses apart; 3 weights of near taps */
#define LINE_VECS      4
#define BLOCK_VECS     4 /* 3x3: 12 sums, 9 weights, an input; others 16, 1 and 4 */
#define CHANNEL_PIXELS 6 /* of two rows 12 sums, 13 inputs two apart, 2 weights */

#define vec               float32x4_t
#define v_set1            vdupq_n_f32
#define v_load            vld1q_f32
#define v_store           vst1q_f32
#define v_stream          v_store
#define v_fence()         ((void)0)
#define v_keep(a)         __asm__("" : "+w"(a))
#define v_even            vuzp1q_f32
#define v_odd             vuzp2q_f32
#define ivec              uint8x16_t /* the bytes of the lanes */
#define v_pick(p, i)      lanes_at(v_load(p), i)
#define v_pick_n(p, n, i) lanes_at(v_load_n(p, n), i)
#define v_add             vaddq_f32
#define v_sub             vsubq_f32
#define v_mul             vmulq_f32
#define v_div             vdivq_f32
#define v_sqrt            vsqrtq_f32
#define v_madd(a, b, c)   vfmaq_f32(c, a, b)
#define v_abs             vabsq_f32
#define v_swap_2(a)       vextq_f32(a, a, 2)
#define v_swap_1          vrev64q_f32

#define dvec            float64x2_t
#define DOUBLES         2
#define d_set1          vdupq_n_f64
#define d_load(p)       vcvt_f64_f32(vld1_f32(p))
#define d_store         vst1q_f64
#define d_add           vaddq_f64
#define d_sub           vsubq_f64
#define d_mul           vmulq_f64
#define d_madd(a, b, c) vfmaq_f64(c, a, b)

static inline float32x4_t v_load_n(const float *p, size_t n)
{
    const float32x2_t none = vdup_n_f32(0);

    switch (n) {
    case 0:
        return vcombine_f32(none, none);
    case 1:
        return vcombine_f32(vld1_lane_f32(p, none, 0), none);
    case 2:
        return vcombine_f32(vld1_f32(p), none);
    case 3:
        return vcombine_f32(vld1_f32(p), vld1_lane_f32(p + 2, none, 0));
    default:
        return vld1q_f32(p);
    }
}

static inline void v_store_n(float *p, float32x4_t a, size_t n)
{
    switch (n) {
    case 0:
        break;
    case 1:
        vst1q_lane_f32(p, a, 0);
        break;
    case 3:
        vst1q_lane_f32(p + 2, a, 2); /* and the first two */
        __attribute__((fallthrough));
    case 2:
        vst1_f32(p, vget_low_f32(a));
        break;
    default:
        vst1q_f32(p, a);
    }
}

static inline float32x4_t v_load_2(const float *p)
{
    const float32x4_t low = vld1q_f32(p), high = vld1q_f32(p + 3);

    return vuzp1q_f32(low, vextq_f32(high, high, 1));
}

static inline float32x4_t v_load_3(const float *p)
{
    return __builtin_shufflevector(vld1q_f32(p), vld1q_f32(p + 6), 0, 3, 4, 7);
}

static inline void v_load_thirds(const float *p, float32x4_t x[3])
{
    const float32x4x3_t thirds = vld3q_f32(p);

    for (int k = 0; k < 3; k++)
        x[k] = thirds.val[k];
}

static inline float32x4_t v_at(const float *p, const int32_t *at)
{
    return (float32x4_t){p[at[0]], p[at[1]], p[at[2]], p[at[3]]};
}

static inline float32x4_t words_as_floats(uint8x16_t bytes)
{
    return vcvtq_f32_u32(vreinterpretq_u32_u8(bytes));
}

static inline float32x4_t v_load_u8(const uint8_t *p)
{
    const uint8x16_t lanes = {0, 16, 16, 16, 1, 16, 16, 16,
                              2, 16, 16, 16, 3, 16, 16, 16}; /* 16: none */
    uint8x16_t bytes = vdupq_n_u8(0);

    memcpy(&bytes, p, LANES);
    return words_as_floats(vqtbl1q_u8(bytes, lanes));
}

static inline void v_load_thirds_u8(const uint8_t *p, float32x4_t x[3])
{
    const uint8x16_t lanes = {0, 16, 16, 16, 3, 16, 16, 16,
                              6, 16, 16, 16, 9, 16, 16, 16};
    uint8x16_t bytes = vdupq_n_u8(0);

    memcpy(&bytes, p, 3 * LANES);
    for (uint8_t k = 0; k < 3; k++)
        x[k] = words_as_floats(vqtbl1q_u8(bytes, vaddq_u8(lanes, vdupq_n_u8(k))));
}

static inline float32x4_t v_gather(const float *p, size_t step)
{
    return (float32x4_t){p[0], p[step], p[2 * step], p[3 * step]};
}

static inline uint8x16_t i_load(const int32_t *p)
{
    const int32x4_t first_bytes = vdupq_n_s32(0x03020100);

    return vreinterpretq_u8_s32(vmlaq_n_s32(first_bytes, vld1q_s32(p), 0x04040404));
}

static inline float32x4_t lanes_at(float32x4_t a, uint8x16_t i)
{
    return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(a), i));
}

/* FMAX and FMIN treat NaNs and zeros otherwise. */
static inline float32x4_t v_max(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline float32x4_t v_min(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline float32x4_t v_less(float32x4_t a, float32x4_t b, float32x4_t x,
                                 float32x4_t y)
{
    return vbslq_f32(vcltq_f32(a, b), x, y);
}

static inline float32x4_t v_first(float32x4_t a, float32x4_t b, size_t n)
{
    const uint32x4_t lanes = {0, 1, 2, 3};

    return vbslq_f32(vcltq_u32(lanes, vdupq_n_u32((uint32_t)n)), a, b);
}

static inline float32x4_t v_copysign(float32x4_t magnitude, float32x4_t sign)
{
    return vbslq_f32(vdupq_n_u32(0x80000000), sign, magnitude);
}

static inline float32x4_t v_pow2(float32x4_t shifted)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23));
}

static inline void v_store_u8(uint8_t *p, float32x4_t a)
{
    const uint16x4_t halves = vmovn_u32(vcvtq_u32_f32(a));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));

    memcpy(p, &bytes, LANES);
}

#include "engine/kernels_body.h"
