/* activation.c - the activation functions of Keras, by name. */
#include "engine/activation.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const struct activation_row rows[] = {
#define ROW(id, name, keras, alpha, formula) {name, keras, alpha, formula},
    FOR_EACH_ACTIVATION(ROW)
#undef ROW
};

const struct activation_row *activation_row(size_t i)
{
    return i < ACTIVATION_COUNT ? &rows[i] : NULL;
}

bool activation_find(const char *name, enum keras keras, struct activation *found)
{
    for (size_t i = 0; i < ACTIVATION_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0 && (rows[i].keras & keras)) {
            *found = (struct activation){.id = (enum activation_id)i,
                                         .alpha = rows[i].alpha};
            return true;
        }
    return false;
}

/* 2^n for n in [-1022, 1023]. */
static double two_to(int n)
{
    const uint64_t bits = (uint64_t)(n + 1023) << 52;
    double power;

    memcpy(&power, &bits, sizeof power);
    return power;
}

/* log2 of a positive finite x that is normal as a double: x = 2^e m, m around 1, and
 * ln m = 2 atanh((m - 1) / (m + 1)) by its series: |s| < 0.172, so 12 terms leave less
 * than a double's rounding. */
static double log2_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffff) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 0x1.6a09e667f3bcdp+0) { /* sqrt(2) */
        m *= 0.5;
        exponent++;
    }

    const double s = (m - 1) / (m + 1), square = s * s;
    double series = 0;
    for (int k = 23; k >= 1; k -= 2)
        series = series * square + 1.0 / k;
    return exponent + 2 * s * series * 0x1.71547652b82fep+0; /* 1 / ln 2 */
}

/* 2^y for |y| <= 300: y = n + f with |f| <= 1/2, and e^(f ln 2) by Taylor; 14 terms
 * leave less than a double's rounding. */
static double exp2_of(double y)
{
    const int n = (int)(y < 0 ? y - 0.5 : y + 0.5);
    const double z = (y - n) * 0x1.62e42fefa39efp-1; /* ln 2 */
    double sum = 1;

    for (int k = 14; k >= 1; k--)
        sum = 1 + sum * z / k;
    return sum * two_to(n);
}

bool activation_crosses_channels(enum activation_id id)
{
    return id == ACTIVATION_SOFTMAX || id == ACTIVATION_LOG_SOFTMAX ||
           id == ACTIVATION_SPARSEMAX;
}

double activation_log(double x)
{
    return log2_of(x) * 0x1.62e42fefa39efp-1; /* ln 2 */
}

static float power_of_positive(float x, float gamma)
{
    const double y = log2_of((double)x) * (double)gamma;

    /* Beyond 300 a float is long 0 or infinite. */
    return (float)exp2_of(y > 300 ? 300 : y < -300 ? -300 : y);
}

static float power(float x, float gamma)
{
    const bool integral = floorf(gamma) == gamma;
    const bool odd = integral && floorf(gamma / 2) * 2 != gamma;

    if (gamma == 0)
        return 1;
    if (x != x || x == 0)
        return x == 0 && !odd ? 0.0f : x;
    if (x < 0 && !integral)
        return (float)NAN;
    const float magnitude = x < 0 ? -x : x;
    const float result =
        magnitude == INFINITY ? INFINITY : power_of_positive(magnitude, gamma);
    return x < 0 && odd ? -result : result;
}

void activation_power(float *x, size_t n, float gamma)
{
    if (gamma == 1)
        return;
    for (size_t i = 0; i < n; i++)
        x[i] = power(x[i], gamma);
}
