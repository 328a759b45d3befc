/* initializer.c - how weights begin when none are given. */
#include "engine/initializer.h"

#include <math.h>
#include <string.h>

#include "engine/activation.h"
#include "engine/generate.h"
#include "engine/hash.h"

enum { FAN_IN, FAN_OUT, FAN_AVG };
static const char *const modes[] = {"fan_in", "fan_out", "fan_avg", NULL};

/* Old documents say normal for the truncated one. */
enum { TRUNCATED_NORMAL, UNTRUNCATED_NORMAL, UNIFORM, OLD_NORMAL };
static const char *const distributions[] = {"truncated_normal", "untruncated_normal",
                                            "uniform", "normal", NULL};

static const struct initializer_row initializers[] = {
#define NONE                                                                           \
    {                                                                                  \
        NULL, 0, false, NULL                                                           \
    }
#define NUMBER(key, value)                                                             \
    {                                                                                  \
        key, value, false, NULL                                                        \
    }
#define POSITIVE(key, value)                                                           \
    {                                                                                  \
        key, value, true, NULL                                                         \
    }
#define CHOICE(key, names)                                                             \
    {                                                                                  \
        key, 0, false, names                                                           \
    }
#define ROW(id, name, class_name, alias, ...) {name, class_name, alias, {__VA_ARGS__}},
    FOR_EACH_INITIALIZER(ROW)
#undef ROW
};

const struct initializer_row *initializer_row(size_t id)
{
    return id < INIT_COUNT ? &initializers[id] : NULL;
}

bool initializer_find(const char *name, struct initializer *found)
{
    for (size_t i = 0; i < INIT_COUNT; i++) {
        const struct initializer_row *row = &initializers[i];
        if (strcmp(row->name, name) != 0 && strcmp(row->class_name, name) != 0 &&
            (!row->alias || strcmp(row->alias, name) != 0))
            continue;
        found->id = (enum initializer_id)i;
        for (size_t k = 0; k < INITIALIZER_MAX_PARAMS; k++)
            found->params[k] = row->params[k].fallback;
        return true;
    }
    return false;
}

const char *initializer_misfit(const struct initializer *init,
                               const struct shape *shape)
{
    if (init->id == INIT_IDENTITY && shape->rank != 2)
        return "makes matrices of 2 axes";
    if (init->id == INIT_ORTHOGONAL && shape->rank < 2)
        return "makes matrices of at least 2 axes";
    return NULL;
}

/* ---- numbers of a distribution ---- */

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

static double draw_truncated(uint64_t *state)
{
    double z;

    do
        z = draw_normal(state);
    while (z < -2 || z > 2);
    return z;
}

/* From -1 to 1. */
static double draw_uniform(uint64_t *state)
{
    return 2 * generate_uniform(state) - 1;
}

/* What an initializer draws from, and how wide. */
struct distribution {
    double (*draw)(uint64_t *state); /* NULL: every number is the center */
    double center, width;            /* half the interval, or the standard deviation */
};

static struct distribution scaled(double scale, double fan, int distribution)
{
    const double truncated_stddev = 0.87962566103423978; /* of a normal cut at 2 */
    const double stddev = sqrt(scale / fan);

    if (distribution == UNIFORM)
        return (struct distribution){draw_uniform, 0, sqrt(3 * scale / fan)};
    if (distribution == UNTRUNCATED_NORMAL)
        return (struct distribution){draw_normal, 0, stddev};
    return (struct distribution){draw_truncated, 0, stddev / truncated_stddev};
}

static struct distribution distribution_of(const struct initializer *init,
                                           const struct shape *shape)
{
    const double a = (double)init->params[0], b = (double)init->params[1];
    double fan[3];

    fans(shape, &fan[FAN_IN], &fan[FAN_OUT]);
    fan[FAN_AVG] = (fan[FAN_IN] + fan[FAN_OUT]) / 2;
    switch (init->id) {
    case INIT_GLOROT_UNIFORM:
        return scaled(1, fan[FAN_AVG], UNIFORM);
    case INIT_GLOROT_NORMAL:
        return scaled(1, fan[FAN_AVG], TRUNCATED_NORMAL);
    case INIT_HE_UNIFORM:
        return scaled(2, fan[FAN_IN], UNIFORM);
    case INIT_HE_NORMAL:
        return scaled(2, fan[FAN_IN], TRUNCATED_NORMAL);
    case INIT_LECUN_UNIFORM:
        return scaled(1, fan[FAN_IN], UNIFORM);
    case INIT_LECUN_NORMAL:
        return scaled(1, fan[FAN_IN], TRUNCATED_NORMAL);
    case INIT_VARIANCE_SCALING:
        return scaled(a, fan[(int)b], (int)init->params[2]);
    case INIT_RANDOM_UNIFORM:
        return (struct distribution){draw_uniform, (a + b) / 2, (b - a) / 2};
    case INIT_RANDOM_NORMAL:
        return (struct distribution){draw_normal, a, b};
    case INIT_TRUNCATED_NORMAL:
        return (struct distribution){draw_truncated, a, b};
    case INIT_ONES:
        return (struct distribution){NULL, 1, 0};
    case INIT_CONSTANT:
        return (struct distribution){NULL, a, 0};
    case INIT_ZEROS:
    case INIT_ORTHOGONAL:
    case INIT_IDENTITY:
    case INIT_COUNT:
        break;
    }
    return (struct distribution){NULL, 0, 0};
}

/* ---- matrices ---- */

/* The weight as a matrix, columns being its last axis; what is decomposed has the
 * longer side as its rows. */
struct matrix {
    size_t rows, columns, longer, shorter;
};

static struct matrix matrix_of(const struct shape *shape)
{
    const size_t columns = shape->dim[shape->rank - 1];
    const size_t rows = shape_elements(shape) / columns;

    return rows > columns ? (struct matrix){rows, columns, rows, columns}
                          : (struct matrix){rows, columns, columns, rows};
}

static void identity(float gain, const struct matrix *m, float *out)
{
    for (size_t i = 0; i < m->rows * m->columns; i++)
        out[i] = i / m->columns == i % m->columns ? gain : 0;
}

/* In 8 lanes, which compilers make vectors of. */
static double dot(const double *a, const double *b, size_t n)
{
    enum { LANES = 8 };
    const size_t whole = n - n % LANES;
    double lanes[LANES] = {0};

    for (size_t i = 0; i < whole; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] += a[i + l] * b[i + l];
    for (size_t i = whole; i < n; i++)
        lanes[i - whole] += a[i] * b[i];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lanes[l] += lanes[l + half];
    return lanes[0];
}

/* Take out of v what lies along the unit vector q. */
static void project_out(double *v, const double *q, size_t n)
{
    const double along = dot(v, q, n);

    for (size_t i = 0; i < n; i++)
        v[i] -= along * q[i];
}

/* Make n vectors of this length, end to end, orthonormal: Gram and Schmidt, modified
 * and done twice, which is as good as Householder's way (Giraud et al. 2005). Some
 * vectors go together, so that those before them are read from memory once for all. */
static bool orthonormalize(double *vectors, size_t n, size_t length,
                           const struct parallel *parallel)
{
    enum { TOGETHER = 16, TIMES = 2 };

    for (size_t first = 0; first < n; first += TOGETHER) {
        const size_t last = n - first < TOGETHER ? n : first + TOGETHER;
        for (size_t k = 0; k < TIMES * first; k++) {
            if (parallel_cancelled(parallel))
                return false;
            for (size_t j = first; j < last; j++)
                project_out(vectors + j * length, vectors + k % first * length, length);
        }
        for (size_t j = first; j < last; j++) {
            double *v = vectors + j * length;
            for (size_t k = 0; k < TIMES * (j - first); k++)
                project_out(v, vectors + (first + k % (j - first)) * length, length);
            const double norm = sqrt(dot(v, v, length));
            for (size_t i = 0; i < length; i++)
                v[i] /= norm;
        }
    }
    return true;
}

static bool orthogonal(float gain, const struct matrix *m, uint64_t *state, float *out,
                       double *vectors, const struct parallel *parallel)
{
    for (size_t i = 0; i < m->longer; i++) {
        if (parallel_cancelled(parallel))
            return false;
        for (size_t j = 0; j < m->shorter; j++)
            vectors[j * m->longer + i] = draw_normal(state);
    }
    if (!orthonormalize(vectors, m->shorter, m->longer, parallel))
        return false;
    for (size_t i = 0; i < m->rows; i++)
        for (size_t j = 0; j < m->columns; j++)
            *out++ = (float)((double)gain * (m->rows > m->columns
                                                 ? vectors[j * m->longer + i]
                                                 : vectors[i * m->longer + j]));
    return true;
}

double initializer_cost(const struct initializer *init, const struct shape *shape)
{
    const double weight = 100; /* 2e9 a second were measured */

    if (init->id != INIT_ORTHOGONAL || initializer_misfit(init, shape))
        return 0;
    const struct matrix m = matrix_of(shape);
    return weight * 2 * (double)m.longer * (double)m.shorter * (double)m.shorter;
}

size_t initializer_scratch(const struct initializer *init, const struct shape *shape)
{
    return init->id == INIT_ORTHOGONAL ? shape_elements(shape) : 0;
}

static void draw(const struct distribution *d, uint64_t *state, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(d->center + (d->draw ? d->width * d->draw(state) : 0));
}

bool initializer_fill(const struct initializer *init, const char *name,
                      const struct shape *shape, float *out, double *scratch,
                      const struct parallel *parallel)
{
    enum { AT_ONCE = 1 << 16 }; /* 4 ms of truncated normal numbers */
    uint64_t state = init->seed ^ hash_bytes(HASH_START, name, strlen(name));

    if (init->id == INIT_IDENTITY || init->id == INIT_ORTHOGONAL) {
        const struct matrix m = matrix_of(shape);
        if (init->id == INIT_ORTHOGONAL)
            return orthogonal(init->params[0], &m, &state, out, scratch, parallel);
        identity(init->params[0], &m, out);
        return true;
    }
    const struct distribution d = distribution_of(init, shape);
    const size_t n = shape_elements(shape);
    for (size_t i = 0; i < n; i += AT_ONCE) {
        if (parallel_cancelled(parallel))
            return false;
        draw(&d, &state, out + i, n - i < AT_ONCE ? n - i : AT_ONCE);
    }
    return true;
}
