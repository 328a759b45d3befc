/*
 * test_initializer.c - what weights begin with: names, moments, bounds, orthogonality.
 */
#include "tests/unit/check.h"

#include "engine/initializer.h"

enum { MANY = 200000 };

static struct initializer initializer_of(const char *name, float a, float b, float c)
{
    struct initializer init = {.seed = 11};

    cr_assert(initializer_find(name, &init), "%s", name);
    init.params[0] = a;
    init.params[1] = b;
    init.params[2] = c;
    return init;
}

static void fill(const struct initializer *init, const char *name,
                 const struct shape *shape, float *out, double *scratch)
{
    cr_assert(initializer_fill(init, name, shape, out, scratch, &parallel_serial));
}

/* Names as Keras 2 and 3 spell them. */
Test(initializer, every_spelling_is_known)
{
    static const struct {
        const char *name;
        enum initializer_id id;
    } rows[] = {
        {"orthogonal", INIT_ORTHOGONAL},
        {"Orthogonal", INIT_ORTHOGONAL},
        {"OrthogonalInitializer", INIT_ORTHOGONAL},
        {"identity", INIT_IDENTITY},
        {"Identity", INIT_IDENTITY},
        {"IdentityInitializer", INIT_IDENTITY},
        {"variance_scaling", INIT_VARIANCE_SCALING},
        {"VarianceScaling", INIT_VARIANCE_SCALING},
        {"uniform", INIT_RANDOM_UNIFORM},
        {"normal", INIT_RANDOM_NORMAL},
        {"zero", INIT_ZEROS},
        {"one", INIT_ONES},
    };
    struct initializer found = {.seed = 5};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(initializer_find(rows[i].name, &found), "%s", rows[i].name);
        cr_assert_eq(found.id, rows[i].id, "%s", rows[i].name);
        cr_assert_eq(found.seed, 5);
    }
    cr_assert_not(initializer_find("ORTHOGONAL", &found));
    cr_assert(initializer_find("Orthogonal", &found) && found.params[0] == 1);
    cr_assert(initializer_find("truncated_normal", &found) && found.params[1] == 0.05f);
}

/* The mean and variance of each, and bounds: a 2 x 2 kernel of 25 channels and 2000
 * filters has the fans 100 and 8000. */
static const struct {
    const char *name;
    float params[3];
    double mean, variance, most; /* most: of |x - mean|, 0: none */
} moments[] = {
    {"random_uniform", {-1, 3}, 1, 16.0 / 12, 2},
    {"random_normal", {0.5f, 2}, 0.5, 4, 0},
    /* of a normal cut at 2: 0.87962566^2 */
    {"truncated_normal", {-1, 0.5f}, -1, 0.25 * 0.773741302, 1},
    {"glorot_uniform", {0}, 0, 1 / 4050.0, 0.0272165527},
    {"glorot_normal", {0}, 0, 1 / 4050.0, 0.0357274},
    {"he_uniform", {0}, 0, 2 / 100.0, 0.244948975},
    {"he_normal", {0}, 0, 2 / 100.0, 0.321547},
    {"lecun_uniform", {0}, 0, 1 / 100.0, 0.173205081},
    {"lecun_normal", {0}, 0, 1 / 100.0, 0.227370},
    {"variance_scaling", {3, 0, 0}, 0, 3 / 100.0, 0.393817},
    {"variance_scaling", {3, 1, 0}, 0, 3 / 8000.0, 0.0440301},
    {"variance_scaling", {3, 2, 0}, 0, 3 / 4050.0, 0.0618817},
    {"variance_scaling", {3, 2, 1}, 0, 3 / 4050.0, 0},
    {"variance_scaling", {3, 1, 2}, 0, 3 / 8000.0, 0.0335410197},
    {"variance_scaling", {3, 1, 3}, 0, 3 / 8000.0, 0.0440301},
};

Test(initializer, distributions_have_their_moments_and_bounds)
{
    static float x[MANY];

    for (size_t row = 0; row < sizeof moments / sizeof *moments; row++) {
        const float *params = moments[row].params;
        const struct initializer init =
            initializer_of(moments[row].name, params[0], params[1], params[2]);
        const struct shape shape = SHAPE(2, 2, 25, 2000);
        double mean = 0, variance = 0, most = 0;

        fill(&init, "conv/kernel", &shape, x, NULL);
        for (size_t i = 0; i < MANY; i++)
            mean += (double)x[i] / MANY;
        for (size_t i = 0; i < MANY; i++) {
            const double d = (double)x[i] - moments[row].mean;
            variance += d * d / MANY;
            most = fabs(d) > most ? fabs(d) : most;
        }
        /* 5 standard errors; of a variance at most sqrt(2 / n) of it, for a normal */
        cr_assert_float_eq(mean, moments[row].mean,
                           5 * sqrt(moments[row].variance / MANY), "row %zu: %g", row,
                           mean);
        cr_assert_float_eq(variance, moments[row].variance,
                           5 * sqrt(2.0 / MANY) * moments[row].variance, "row %zu: %g",
                           row, variance);
        if (moments[row].most > 0)
            cr_assert(most <= moments[row].most * 1.00001 &&
                          most > moments[row].most * 0.99,
                      "row %zu: up to %g", row, most);
        else
            cr_assert_gt(most, 3.5 * sqrt(moments[row].variance), "row %zu", row);
    }
}

/* Keras: Q of A = QR with a positive diagonal of R, where A is normal. A normal weight
 * of the same name and seed is that A. */
static void check_orthogonal(const struct shape *shape, float gain)
{
    const size_t columns = shape->dim[shape->rank - 1];
    const size_t rows = shape_elements(shape) / columns;
    const size_t m = rows > columns ? rows : columns, n = rows + columns - m;
    const struct initializer normal = initializer_of("random_normal", 0, 1, 0);
    const struct initializer init = initializer_of("orthogonal", gain, 0, 0);
    float *q = malloc(m * n * sizeof *q), *a = malloc(m * n * sizeof *a);
    double *scratch = malloc(initializer_scratch(&init, shape) * sizeof *scratch);

    fill(&init, "w", shape, q, scratch);
    fill(&normal, "w", &SHAPE(m, n), a, NULL);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double product = 0, r = 0; /* of Q^T Q and of R = Q^T A */
            for (size_t k = 0; k < m; k++) {
                const double qi =
                    (double)(rows > columns ? q[k * n + i] : q[i * m + k]);
                const double qj =
                    (double)(rows > columns ? q[k * n + j] : q[j * m + k]);
                product += qi * qj;
                r += qi * (double)a[k * n + j];
            }
            const double square = (double)gain * (double)gain;
            cr_assert_float_eq(product, i == j ? square : 0, 1e-6 * square,
                               "%zux%zu: %zu.%zu is %g", rows, columns, i, j, product);
            if (i == j)
                cr_assert_gt(r / (double)gain, 0, "%zux%zu", rows, columns);
            else if (i > j)
                cr_assert_float_eq(r, 0, 1e-4 * fabs((double)gain), "%zux%zu", rows,
                                   columns);
        }
    free(q);
    free(a);
    free(scratch);
}

Test(initializer, orthogonal_is_keras_orthogonal)
{
    static const struct shape shapes[] = {
        {2, {1, 1}},    {2, {1, 9}},        {2, {9, 1}},        {2, {7, 7}},
        {2, {50, 33}},  {4, {3, 3, 8, 16}}, {4, {3, 3, 4, 90}}, {4, {1, 1, 17, 16}},
        {3, {5, 2, 3}}, {2, {128, 128}},
    };

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int gain = -1; gain <= 3; gain += 2)
            check_orthogonal(&shapes[i], (float)gain);
}

Test(initializer, identity_is_a_diagonal)
{
    const struct initializer init = initializer_of("identity", 2.5f, 0, 0);

    for (size_t columns = 1; columns < 6; columns++) {
        float x[3 * 5];
        fill(&init, "w", &SHAPE(3, columns), x, NULL);
        for (size_t i = 0; i < 3 * columns; i++)
            cr_assert_eq(x[i], i / columns == i % columns ? 2.5f : 0.0f);
    }
}

Test(initializer, matrices_need_their_axes)
{
    const struct initializer identity = initializer_of("identity", 1, 0, 0);
    const struct initializer orthogonal = initializer_of("orthogonal", 1, 0, 0);

    cr_assert_not_null(initializer_misfit(&identity, &SHAPE(3)));
    cr_assert_null(initializer_misfit(&identity, &SHAPE(3, 4)));
    cr_assert_not_null(initializer_misfit(&identity, &SHAPE(1, 1, 3, 3)));
    cr_assert_not_null(initializer_misfit(&orthogonal, &SHAPE(3)));
    cr_assert_null(initializer_misfit(&orthogonal, &SHAPE(3, 4)));
    cr_assert_null(initializer_misfit(&orthogonal, &SHAPE(1, 1, 3, 3)));
    /* the shorter side counts twice, whichever it is */
    cr_assert_eq(initializer_cost(&orthogonal, &SHAPE(2, 5, 3)), 100 * 2.0 * 10 * 9);
    cr_assert_eq(initializer_cost(&orthogonal, &SHAPE(3, 10)), 100 * 2.0 * 10 * 9);
    cr_assert_eq(initializer_cost(&identity, &SHAPE(3, 10)), 0);
}

/* Wanted for so many questions yet. */
static bool count_down(void *self)
{
    size_t *left = self;

    return *left == 0 || --*left == 0;
}

Test(initializer, what_is_no_longer_wanted_is_not_drawn_to_its_end)
{
    static const char *const names[] = {"random_uniform", "random_normal",
                                        "truncated_normal", "zeros", "orthogonal"};
    const struct shape shape = SHAPE(1024, 512);
    float *x = malloc(shape_elements(&shape) * sizeof *x);
    double *scratch = malloc(shape_elements(&shape) * sizeof *scratch);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t asked = 1; asked <= 8; asked++) {
            const struct initializer init = initializer_of(names[i], 0, 1, 0);
            size_t left = asked;
            const struct parallel parallel = {.cancelled = count_down, .self = &left};
            cr_assert_not(initializer_fill(&init, "w", &shape, x, scratch, &parallel),
                          "%s is asked less than %zu times", names[i], asked);
        }
    free(x);
    free(scratch);
}
