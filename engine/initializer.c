/* initializer.c - how weights begin when none are given. */
#include "engine/initializer.h"

#include <math.h>
#include <string.h>

#include "engine/activation.h"
#include "engine/generate.h"
#include "engine/hash.h"

static const struct initializer_row initializers[] = {
#define ROW(id, name, class_name, a, a_default, b, b_default)                          \
    {name, class_name, a, b, a_default, b_default},
    FOR_EACH_INITIALIZER(ROW)
#undef ROW
};

const struct initializer_row *initializer_row(size_t id)
{
    return id < INIT_COUNT ? &initializers[id] : NULL;
}

bool initializer_find(const char *name, struct initializer *found)
{
    for (size_t i = 0; i < INIT_COUNT; i++)
        if (strcmp(initializers[i].name, name) == 0 ||
            strcmp(initializers[i].class_name, name) == 0) {
            *found = (struct initializer){.id = (enum initializer_id)i,
                                          .seed = found->seed,
                                          .a = initializers[i].a_default,
                                          .b = initializers[i].b_default};
            return true;
        }
    return false;
}

/* Keras' fans: the receptive field times the input or output channels. */
static void fans(const struct shape *shape, double *in, double *out)
{
    double field = 1;

    for (size_t i = 0; i + 2 < shape->rank; i++)
        field *= (double)shape->dim[i];
    *in =
        field * (double)(shape->rank > 1 ? shape->dim[shape->rank - 2] : shape->dim[0]);
    *out = field * (double)shape->dim[shape->rank - 1];
}

/* A standard normal number by Marsaglia's polar method (1964). */
static double draw_normal(uint64_t *state)
{
    double x, y, r;

    do {
        x = 2 * generate_uniform(state) - 1;
        y = 2 * generate_uniform(state) - 1;
        r = x * x + y * y;
    } while (r >= 1 || r == 0);
    return x * sqrt(-2 * activation_log(r) / r);
}

/* The same, drawn again while it is beyond two standard deviations. */
static double draw_truncated(uint64_t *state)
{
    double z;

    do
        z = draw_normal(state);
    while (z < -2 || z > 2);
    return z;
}

/* What an initializer draws from, and how wide. */
struct distribution {
    enum { FIXED, UNIFORM, NORMAL, TRUNCATED } kind;
    double center, width; /* half the interval, or the standard deviation */
};

/* Variance scaling (Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998): the
 * variance is scale / fan. A truncated normal is widened to have it all the same. */
static struct distribution scaled(double scale, double fan, bool uniform)
{
    const double truncated_stddev = 0.87962566103423978; /* of a normal cut at 2 */

    if (uniform)
        return (struct distribution){UNIFORM, 0, sqrt(3 * scale / fan)};
    return (struct distribution){TRUNCATED, 0, sqrt(scale / fan) / truncated_stddev};
}

static struct distribution distribution_of(const struct initializer *init,
                                           const struct shape *shape)
{
    const double a = (double)init->a, b = (double)init->b;
    double in, out;

    fans(shape, &in, &out);
    switch (init->id) {
    case INIT_GLOROT_UNIFORM:
    case INIT_GLOROT_NORMAL:
        return scaled(1, (in + out) / 2, init->id == INIT_GLOROT_UNIFORM);
    case INIT_HE_UNIFORM:
    case INIT_HE_NORMAL:
        return scaled(2, in, init->id == INIT_HE_UNIFORM);
    case INIT_LECUN_UNIFORM:
    case INIT_LECUN_NORMAL:
        return scaled(1, in, init->id == INIT_LECUN_UNIFORM);
    case INIT_RANDOM_UNIFORM:
        return (struct distribution){UNIFORM, (a + b) / 2, (b - a) / 2};
    case INIT_RANDOM_NORMAL:
        return (struct distribution){NORMAL, a, b};
    case INIT_TRUNCATED_NORMAL:
        return (struct distribution){TRUNCATED, a, b};
    case INIT_ONES:
        return (struct distribution){FIXED, 1, 0};
    case INIT_CONSTANT:
        return (struct distribution){FIXED, a, 0};
    case INIT_ZEROS:
    case INIT_COUNT:
        break;
    }
    return (struct distribution){FIXED, 0, 0};
}

void initializer_fill(const struct initializer *init, const char *name,
                      const struct shape *shape, float *out)
{
    const struct distribution d = distribution_of(init, shape);
    const size_t n = shape_elements(shape);
    /* every weight draws a sequence of its own */
    uint64_t state = init->seed ^ hash_bytes(HASH_START, name, strlen(name));

    for (size_t i = 0; i < n; i++) {
        double z = 0;
        if (d.kind == UNIFORM)
            z = 2 * generate_uniform(&state) - 1;
        else if (d.kind == NORMAL)
            z = draw_normal(&state);
        else if (d.kind == TRUNCATED)
            z = draw_truncated(&state);
        out[i] = (float)(d.center + d.width * z);
    }
}
