/*
 * kernels_portable.c - one float at a time: the reference that every other table
 * matches bit for bit.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define ISA         portable
#define LANES       1
#define FILTER_VECS 2
#define PIXELS      2
#define LINE_VECS   2
#define STRIP_3     2
#define STRIP_5     1
#define STRIP_7     1

#define vec                float
#define v_set1(x)          (x)
#define v_load(p)          (*(p))
#define v_store(p, a)      (*(p) = (a))
#define v_load_n(p, n)     ((void)(n), *(p))
#define v_store_n(p, a, n) ((void)(n), (void)(*(p) = (a)))
#define v_load_2(p)        (*(p))
#define v_load_3(p)        (*(p))
#define v_gather(p, step)  ((void)(step), *(p))
#define v_add(a, b)        ((a) + (b))
#define v_sub(a, b)        ((a) - (b))
#define v_mul(a, b)        ((a) * (b))
#define v_div(a, b)        ((a) / (b))
#define v_sqrt(a)          sqrtf(a)
#define v_madd(a, b, c)    fmaf(a, b, c)
#define v_max(a, b)        ((a) > (b) ? (a) : (b))
#define v_min(a, b)        ((a) < (b) ? (a) : (b))
#define v_floor(a)         floorf(a)
#define v_less(a, b, x, y) ((a) < (b) ? (x) : (y))

static inline float v_abs(float a)
{
    uint32_t bits;
    memcpy(&bits, &a, sizeof bits);
    bits &= 0x7fffffff;
    memcpy(&a, &bits, sizeof a);
    return a;
}

static inline float v_copysign(float magnitude, float sign)
{
    return copysignf(magnitude, sign);
}

static inline float v_pow2(float n)
{
    const uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

static inline void v_store_u8(uint8_t *p, float a)
{
    *p = (uint8_t)a;
}

#include "engine/kernels_body.h"
