/*
 * test_normalization.c - LayerNormalization, Normalization and Permute against their
 * definitions in double precision, on maps of every rank.
 */
#include "tests/unit/odd_parallel.h"
#include "tests/unit/run_network.h"

#include <float.h>

enum { ARENA = 64 << 20, MOST = 8 * 8 * 8 * 8 };

static struct arena arena;
static struct error err;

static void set_up(void)
{
    cr_assert(arena_init(&arena, ARENA));
}

static void tear_down(void)
{
    arena_release(&arena);
}

TestSuite(normalization, .init = set_up, .fini = tear_down);

/* Runs one layer on every table of kernels, which must agree; its output. */
static const float *output_of(struct layer *layer, const struct shape *shape,
                              const float *input, struct shape *out)
{
    struct network network = {1, layer};
    const struct stage_request wanted = {.output = true};
    const struct kernels *kernels;
    struct plan first, again;

    arena_reset(&arena, ARENA);
    cr_assert(run(&network, shape, input, &wanted, kernels_nth(0), &parallel_serial,
                  &arena, &first, &err),
              "%s", err.detail);
    *out = first.layers[0].out;
    for (size_t k = 0; (kernels = kernels_nth(k)); k++) {
        cr_assert(run(&network, shape, input, &wanted, kernels, &odd_parallel, &arena,
                      &again, &err));
        cr_assert(same_bits(first.layers[0].output.values,
                            again.layers[0].output.values, shape_elements(out)),
                  "%s on %s", layer->kind->class_name, kernels->name);
    }
    return first.layers[0].output.values;
}

static struct shape random_shape(uint64_t *seed, size_t rank)
{
    struct shape shape = {.rank = rank};

    for (size_t i = 0; i < rank; i++)
        shape.dim[i] = (size_t)draw(seed, 1, 8);
    return shape;
}

/* From 1 to rank distinct axes in any order, counted from either end. */
static void random_axes(uint64_t *seed, int rank, struct int_list *list)
{
    int axes[SHAPE_MAX_RANK];

    for (int i = 0; i < rank; i++) {
        const int at = draw(seed, 0, i);
        axes[i] = axes[at];
        axes[at] = i + 1;
    }
    list->n = draw(seed, 1, rank);
    for (int i = 0; i < list->n; i++)
        list->items[i] = draw(seed, 0, 1) ? axes[i] : axes[i] - rank - 1;
}

static void coordinates(const struct shape *shape, size_t i, size_t *at)
{
    for (size_t axis = shape->rank; axis-- > 0; i /= shape->dim[axis])
        at[axis] = i % shape->dim[axis];
}

static bool lists(const struct int_list *list, const struct shape *shape, size_t axis)
{
    for (int i = 0; i < list->n; i++)
        if (list->items[i] == (int)axis + 1 ||
            list->items[i] == (int)axis - (int)shape->rank)
            return true;
    return false;
}

/* Whether two cells agree in the axes that the list names, or in the others. */
static bool agree(const struct int_list *list, const struct shape *shape, size_t i,
                  size_t j, bool in_listed)
{
    size_t a[SHAPE_MAX_RANK], b[SHAPE_MAX_RANK];

    coordinates(shape, i, a);
    coordinates(shape, j, b);
    for (size_t axis = 0; axis < shape->rank; axis++)
        if (lists(list, shape, axis) == in_listed && a[axis] != b[axis])
            return false;
    return true;
}

/* Which number of a weight belongs to cell i: its place in row-major order among the
 * cells that differ in the listed axes. */
static size_t weight_of(const struct int_list *list, const struct shape *shape,
                        size_t i)
{
    size_t at[SHAPE_MAX_RANK], k = 0;

    coordinates(shape, i, at);
    for (size_t axis = 0; axis < shape->rank; axis++)
        if (lists(list, shape, axis))
            k = k * shape->dim[axis] + at[axis];
    return k;
}

/* Mean and population variance of the cells that are normalised with cell i. */
static void statistics_around(const struct layer *layer, const struct shape *shape,
                              const float *x, size_t i, double *mean, double *variance)
{
    const size_t n = shape_elements(shape);
    double count = 0;

    *mean = *variance = 0;
    for (size_t j = 0; j < n; j++)
        if (agree(&layer->axis, shape, i, j, false)) {
            *mean += (double)x[j];
            count++;
        }
    *mean /= count;
    for (size_t j = 0; j < n; j++)
        if (agree(&layer->axis, shape, i, j, false))
            *variance += ((double)x[j] - *mean) * ((double)x[j] - *mean);
    *variance /= count;
}

static void check_layer_normalization(struct layer *layer, const struct shape *shape,
                                      const float *x, size_t round)
{
    struct shape out;
    const float *y = output_of(layer, shape, x, &out);

    cr_assert(shape_equal(shape, &out));
    for (size_t i = 0; i < shape_elements(shape); i++) {
        const size_t k = weight_of(&layer->axis, shape, i);
        const bool rms = layer->rms_scaling;
        const double gamma =
            layer->scale || rms ? (double)layer->weights[0].values[k] : 1;
        const double beta =
            layer->center && !rms ? (double)layer->weights[1].values[k] : 0;
        double mean, variance;

        statistics_around(layer, shape, x, i, &mean, &variance);
        const double scaled = ((double)x[i] - (rms ? 0 : mean)) /
                              sqrt(variance + (double)layer->epsilon) * gamma;
        cr_assert_float_eq((double)y[i], scaled + beta,
                           (double)FLT_EPSILON * (fabs(scaled) + fabs(beta)) + 1e-12,
                           "round %zu, value %zu", round, i);
    }
}

Test(normalization, layer_normalization_is_its_definition)
{
    for (size_t round = 0; round < 150; round++) {
        uint64_t seed = round * 31 + 1;
        const size_t rank = 1 + round % SHAPE_MAX_RANK;
        struct layer layer = new_layer("LayerNormalization", "norm", 0);
        const struct shape shape =
            rank == 4 ? SHAPE(3, 2, 4, 5) : random_shape(&seed, rank);
        float x[MOST];

        random_axes(&seed, (int)rank, &layer.axis);
        layer.scale = draw(&seed, 0, 1);
        layer.center = draw(&seed, 0, 1);
        layer.rms_scaling = draw(&seed, 0, 3) == 0;
        for (size_t w = 0; w < 2; w++)
            layer.weights[w].initializer =
                (struct initializer){.id = INIT_GLOROT_UNIFORM, .seed = seed};
        fill_random(x, shape_elements(&shape), 3, seed);
        check_layer_normalization(&layer, &shape, x, round);
    }
}

/* One group of several blocks of sums, far from 0: sums in float32 would lose the
 * variance. */
Test(normalization, a_large_group_far_from_zero_keeps_its_digits)
{
    const struct shape shape = SHAPE(70, 81, 3);
    const size_t n = shape_elements(&shape);
    struct layer layer = new_layer("LayerNormalization", "norm", 0);
    float *x = guarded_floats(n);
    struct shape out;
    double mean = 0, variance = 0;

    fill_random(x, n, 1, 7);
    for (size_t i = 0; i < n; i++)
        x[i] += 5000;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    layer.axis = (struct int_list){3, {1, 2, 3}};
    const float *y = output_of(&layer, &shape, x, &out);
    for (size_t i = 0; i < n; i++) {
        const double want = ((double)x[i] - mean) / sqrt(variance + 1e-3);
        cr_assert_float_eq((double)y[i], want, 2e-7 * fabs(want) + 1e-8);
    }
}

/* What is not finite spoils the cells that are normalised with it, and no other. */
Test(normalization, a_nan_stays_in_its_group)
{
    const struct shape shape = SHAPE(4, 5, 6);
    struct layer layer = new_layer("LayerNormalization", "norm", 0);
    float x[4 * 5 * 6];
    struct shape out;

    fill_random(x, 120, 1, 3);
    x[6 * 7 + 2] = NAN;
    x[6 * 9 + 1] = INFINITY;
    const float *y = output_of(&layer, &shape, x, &out);
    for (size_t i = 0; i < 120; i++)
        cr_assert_eq(isnan(y[i]) != 0, i / 6 == 7 || i / 6 == 9, "value %zu", i);
}

/* ---- Normalization ---- */

/* The statistics as weights; as numbers of the document they are in the next test. */
Test(normalization, normalization_is_its_definition)
{
    for (size_t round = 0; round < 150; round++) {
        uint64_t seed = round * 77 + 3;
        const size_t rank = 1 + round % SHAPE_MAX_RANK;
        struct layer layer = new_layer("Normalization", "norm", 0);
        const struct shape shape =
            rank == 4 ? SHAPE(3, 2, 4, 5) : random_shape(&seed, rank);
        struct shape out;
        float x[MOST];

        random_axes(&seed, (int)rank, &layer.axis);
        if (round % 10 == 0)
            layer.axis.n = 0; /* one mean and variance for all */
        layer.invert = draw(&seed, 0, 1);
        for (size_t w = 0; w < 2; w++)
            layer.weights[w].initializer = (struct initializer){
                .id = INIT_RANDOM_UNIFORM,
                .seed = seed,
                .params = {round % 7 ? 0.1f : 0, round % 7 ? 2 : 0}};
        fill_random(x, shape_elements(&shape), 3, seed);
        const float *y = output_of(&layer, &shape, x, &out);
        for (size_t i = 0; i < shape_elements(&shape); i++) {
            const size_t k = weight_of(&layer.axis, &shape, i);
            const double mean = (double)layer.weights[0].values[k];
            const double root = sqrt((double)layer.weights[1].values[k]);
            const double deviation = root > 1e-7 ? root : 1e-7;
            const double want = layer.invert ? mean + (double)x[i] * deviation
                                             : ((double)x[i] - mean) / deviation;
            const double size = (fabs((double)x[i]) + fabs(mean)) *
                                (layer.invert ? 1 + deviation : 1 / deviation);
            cr_assert_float_eq((double)y[i], want, 2 * (double)FLT_EPSILON * size,
                               "round %zu, value %zu", round, i);
        }
    }
}

/* A 2 x 3 x 2 map of ones; statistics of the document, and where they end up. */
static const struct {
    struct int_list axis;
    enum keras keras;
    struct shape given;
    float want[12]; /* the mean of each cell; given are 1, 2, 3 ... */
} broadcasts[] = {
    {{1, {-1}}, KERAS_3, {1, {2}}, {1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2}},
    {{1, {3}}, KERAS_2, {1, {2}}, {1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2}},
    {{1, {-1}}, KERAS_3, {0, {0}}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {{0, {0}}, KERAS_3, {0, {0}}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {{0, {0}}, KERAS_2, {0, {0}}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {{1, {1}}, KERAS_3, {3, {2, 1, 1}}, {1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2}},
    {{1, {1}}, KERAS_2, {1, {2}}, {1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2}},
    {{2, {2, 3}}, KERAS_3, {2, {3, 2}}, {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}},
    {{2, {3, 2}}, KERAS_3, {2, {3, 1}}, {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3}},
    {{2, {1, 3}}, KERAS_2, {2, {2, 2}}, {1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}},
};

Test(normalization, statistics_of_the_document_are_broadcast)
{
    static float numbers[] = {1, 2, 3, 4, 5, 6}, four[] = {4};
    const struct shape shape = SHAPE(2, 3, 2);
    const float x[12] = {0};

    for (size_t row = 0; row < sizeof broadcasts / sizeof *broadcasts; row++) {
        struct layer layer = new_layer("Normalization", "norm", 0);
        struct shape out;

        layer.keras = broadcasts[row].keras;
        layer.axis = broadcasts[row].axis;
        layer.mean = (struct tensor){broadcasts[row].given, numbers};
        layer.variance = (struct tensor){{0}, four};
        const float *y = output_of(&layer, &shape, x, &out);
        for (size_t i = 0; i < 12; i++)
            cr_assert_eq(y[i], -broadcasts[row].want[i] / 2, "row %zu, value %zu", row,
                         i);
    }
}

/* ---- Permute and the identities ---- */

Test(normalization, permute_is_its_definition)
{
    for (size_t round = 0; round < 100; round++) {
        uint64_t seed = round + 1;
        const size_t rank = 1 + round % SHAPE_MAX_RANK;
        const struct shape shape = random_shape(&seed, rank);
        struct layer layer = new_layer("Permute", "permute", 0);
        struct shape out;
        float x[MOST];

        do
            random_axes(&seed, (int)rank, &layer.dims);
        while (layer.dims.n < (int)rank);
        for (size_t i = 0; i < rank; i++)
            if (layer.dims.items[i] < 0)
                layer.dims.items[i] += (int)rank + 1;
        fill_random(x, shape_elements(&shape), 1, seed);
        const float *y = output_of(&layer, &shape, x, &out);
        cr_assert_eq(out.rank, rank);
        for (size_t i = 0; i < shape_elements(&out); i++) {
            size_t to[SHAPE_MAX_RANK], from[SHAPE_MAX_RANK], k = 0;
            coordinates(&out, i, to);
            for (size_t axis = 0; axis < rank; axis++)
                from[layer.dims.items[axis] - 1] = to[axis];
            for (size_t axis = 0; axis < rank; axis++)
                k = k * shape.dim[axis] + from[axis];
            cr_assert_eq(y[i], x[k], "round %zu, value %zu", round, i);
        }
    }
}

Test(normalization, layers_of_training_pass_everything_through)
{
    static const char *const kinds[] = {
        "Dropout",      "SpatialDropout2D",       "GaussianNoise", "GaussianDropout",
        "AlphaDropout", "ActivityRegularization", "Identity"};
    const struct shape shape = SHAPE(3, 4, 5);
    float x[60];
    struct shape out;

    fill_random(x, 60, 2, 9);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct layer layer = new_layer(kinds[i], "layer", 0);
        const float *y = output_of(&layer, &shape, x, &out);
        cr_assert(shape_equal(&shape, &out) && same_bits(x, y, 60), "%s", kinds[i]);
    }
}

/* ---- refusals ---- */

static const struct {
    const char *kind, *want;
    struct int_list list; /* axis or dims */
    struct shape mean;    /* of Normalization; rank 0: none */
    enum keras keras;
} refusals[] = {
    {"LayerNormalization",
     "axis 0 is no axis of the 8x6x3 input (the batch is 0)",
     {1, {0}},
     {0},
     KERAS_3},
    {"LayerNormalization",
     "axis -4 is no axis of the 8x6x3 input (the batch is 0)",
     {2, {3, -4}},
     {0},
     KERAS_3},
    {"LayerNormalization", "axis has axis 3 twice", {2, {3, -1}}, {0}, KERAS_3},
    {"Normalization",
     "axis 4 is no axis of the 8x6x3 input (the batch is 0)",
     {1, {4}},
     {0},
     KERAS_3},
    {"Normalization",
     "mean of shape 2 does not broadcast to 1x1x3",
     {1, {-1}},
     {1, {2}},
     KERAS_3},
    {"Normalization",
     "mean of shape 8 does not broadcast to 8x1x1",
     {1, {1}},
     {1, {8}},
     KERAS_3},
    {"Normalization",
     "mean of shape 8x2 does not broadcast to 3",
     {1, {3}},
     {2, {8, 2}},
     KERAS_2},
    {"Normalization",
     "mean of shape 3 does not broadcast to one number",
     {0, {0}},
     {1, {3}},
     KERAS_2},
    {"Permute",
     "dims lists 2 axes, but the input has 3 beside the batch",
     {2, {1, 2}},
     {0},
     KERAS_3},
    {"Permute", "dims must hold each of 1 to 3 once", {3, {1, 2, 2}}, {0}, KERAS_3},
    {"Permute", "dims must hold each of 1 to 3 once", {3, {1, 2, 4}}, {0}, KERAS_3},
};

Test(normalization, refusals_name_the_axes)
{
    static float numbers[16];
    const struct shape in = SHAPE(8, 6, 3);

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct layer layer = new_layer(refusals[i].kind, "norm", 0);
        struct network network = {1, &layer};
        const struct stage_request none = {0};
        struct plan plan;

        layer.keras = refusals[i].keras;
        layer.axis = layer.dims = refusals[i].list;
        if (refusals[i].mean.rank) {
            layer.mean = (struct tensor){refusals[i].mean, numbers};
            layer.variance = layer.mean;
        }
        error_init(&err);
        arena_reset(&arena, ARENA);
        cr_assert_not(network_plan(&network, &in, &none, 1, &limits_default, &arena,
                                   &plan, &err));
        cr_assert_eq(err.code, ERROR_CONFIG_INVALID);
        cr_assert_str_eq(err.detail + strlen("norm."), refusals[i].want);
    }
}
