/*
 * kernels_portable.c - one float at a time: the reference that every other table
 * matches bit for bit.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define ISA            portable
#define LANES          1
#define FILTER_VECS    2
#define PIXELS         2
#define PIXELS_NARROW  2
#define LINE_VECS      2
#define BLOCK_VECS     2
#define CHANNEL_PIXELS 2

#define vec                 float
#define v_set1(x)           (x)
#define v_load(p)           (*(p))
#define v_store(p, a)       (*(p) = (a))
#define v_stream            v_store
#define v_fence()           ((void)0)
#define v_keep(a)           ((void)(a))
#define v_load_n(p, n)      ((void)(n), *(p))
#define v_store_n(p, a, n)  ((void)(n), (void)(*(p) = (a)))
#define v_even(a, b)        ((void)(b), (a))
#define v_odd(a, b)         ((void)(a), (b))
#define v_load_2(p)         (*(p))
#define v_load_3(p)         (*(p))
#define v_load_thirds(p, x) memcpy(x, p, 3 * sizeof(float))
#define v_at(p, at)         ((p)[*(at)])
#define v_load_u8(p)        ((float)*(p))
#define v_gather(p, step)   ((void)(step), *(p))
#define ivec                int32_t
#define i_load(p)           (*(p))
#define v_pick(p, i)        ((p)[i])
#define v_pick_n(p, n, i)   ((void)(n), (p)[i])
#define v_add(a, b)         ((a) + (b))
#define v_sub(a, b)         ((a) - (b))
#define v_mul(a, b)         ((a) * (b))
#define v_div(a, b)         ((a) / (b))
#define v_sqrt(a)           sqrtf(a)
#define v_madd(a, b, c)     fmaf(a, b, c)
#define v_max(a, b)         ((a) > (b) ? (a) : (b))
#define v_min(a, b)         ((a) < (b) ? (a) : (b))
#define v_less(a, b, x, y)  ((a) < (b) ? (x) : (y))
#define v_first(a, b, n)    ((void)(n), (void)(b), (a))

#define dvec            double
#define DOUBLES         1
#define d_set1(x)       (x)
#define d_load(p)       ((double)*(p))
#define d_store(p, a)   (*(p) = (a))
#define d_add(a, b)     ((a) + (b))
#define d_sub(a, b)     ((a) - (b))
#define d_mul(a, b)     ((a) * (b))
#define d_madd(a, b, c) fma(a, b, c)

static inline void v_load_thirds_u8(const uint8_t *p, float x[3])
{
    for (int k = 0; k < 3; k++)
        x[k] = p[k];
}

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

static inline float v_pow2(float shifted)
{
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 23;
    memcpy(&shifted, &bits, sizeof shifted);
    return shifted;
}

static inline void v_store_u8(uint8_t *p, float a)
{
    *p = (uint8_t)a;
}

#include "engine/kernels_body.h"
