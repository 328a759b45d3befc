/*
 * test_network.c - layers against their definitions, and the plan's promises: the same
 * bits for every table of kernels and every way of splitting the work, memory never
 * above what was planned.
 */
#include "tests/property/reference.h"
#include "tests/unit/check.h"
#include "tests/unit/odd_parallel.h"
#include "tests/unit/run_network.h"

#include <limits.h>

enum { ARENA = 64 << 20 };

/* ---- one layer against its definition ---- */

static struct layer random_conv(uint64_t *seed, int *channels)
{
    static const int group_counts[] = {1, 1, 1, 2, 3};
    struct layer layer = new_layer("Conv2D", "conv", 0);

    layer.groups = group_counts[draw(seed, 0, 4)];
    *channels = layer.groups * draw(seed, 1, 4);
    layer.filters = layer.groups * draw(seed, 1, draw(seed, 0, 3) ? 12 : 40);
    for (int i = 0; i < 2; i++) {
        layer.kernel_size[i] = draw(seed, 1, 5);
        layer.strides[i] = draw(seed, 1, 3);
    }
    if (layer.strides[0] == 1 && layer.strides[1] == 1)
        layer.dilation_rate[0] = draw(seed, 1, 3),
        layer.dilation_rate[1] = draw(seed, 1, 3);
    layer.padding = draw(seed, 0, 1);
    layer.use_bias = draw(seed, 0, 1);
    layer.weights[0].initializer.seed = *seed;
    layer.weights[1].initializer =
        (struct initializer){.id = INIT_GLOROT_UNIFORM, .seed = *seed};
    return layer;
}

static struct layer random_pool(uint64_t *seed, int *channels)
{
    struct layer layer =
        new_layer(draw(seed, 0, 1) ? "MaxPooling2D" : "AveragePooling2D", "pool", 0);

    *channels = draw(seed, 1, 20);
    for (int i = 0; i < 2; i++) {
        layer.pool_size[i] = draw(seed, 1, 5);
        layer.strides[i] = draw(seed, 0, 4);
    }
    layer.padding = draw(seed, 0, 1);
    return layer;
}

static struct layer random_transpose(uint64_t *seed, int *channels)
{
    struct layer layer = new_layer("Conv2DTranspose", "transpose", 0);

    *channels = draw(seed, 1, 6);
    layer.filters = draw(seed, 1, 20);
    for (int i = 0; i < 2; i++) {
        layer.kernel_size[i] = draw(seed, 1, 5);
        layer.strides[i] = draw(seed, 1, 4);
        layer.output_padding[i] = draw(seed, -1, layer.strides[i] - 1);
    }
    if (layer.strides[0] == 1 && layer.strides[1] == 1)
        layer.dilation_rate[0] = layer.dilation_rate[1] = draw(seed, 1, 3);
    layer.padding = draw(seed, 0, 1);
    layer.use_bias = draw(seed, 0, 1);
    layer.weights[0].initializer.seed = *seed;
    layer.weights[1].initializer =
        (struct initializer){.id = INIT_GLOROT_UNIFORM, .seed = *seed};
    return layer;
}

static struct layer random_windowed(uint64_t *seed, int *channels)
{
    switch (draw(seed, 0, 3)) {
    case 0:
        return random_pool(seed, channels);
    case 1:
        return random_transpose(seed, channels);
    default:
        return random_conv(seed, channels);
    }
}

static void compare(const struct layer *layer, const struct layer_plan *plan,
                    const struct reference *want, size_t round)
{
    cr_assert(shape_equal(&plan->out, &want->shape), "round %zu", round);
    for (size_t i = 0; i < shape_elements(&plan->out); i++)
        cr_assert_leq(fabs((double)plan->output.values[i] - want->v[i]),
                      want->roundings * 0x1p-24 * want->magnitude[i] + 1e-30,
                      "round %zu, %s, value %zu", round, layer->kind->class_name, i);
}

/* One random layer: against its definition, then every table and a wilder split of the
 * work against the first result. */
static bool check_random_layer(size_t round, struct arena *arena)
{
    uint64_t seed = round * 977 + 5;
    int channels;
    struct layer layer = random_windowed(&seed, &channels);
    const struct shape shape =
        SHAPE((size_t)draw(&seed, 1, 40), (size_t)draw(&seed, 1, 70), (size_t)channels);
    struct network network = {1, &layer};
    const struct stage_request wanted = {.output = true};
    const size_t n = shape_elements(&shape);
    float *input = guarded_floats(n);
    struct plan plan, again;
    struct error err;

    arena_reset(arena, ARENA);
    fill_random(input, n, 4, seed);
    if (!run(&network, &shape, input, &wanted, kernels_find("portable"),
             &parallel_serial, arena, &plan, &err)) {
        cr_assert_eq(err.code, ERROR_CONFIG_INVALID, "%s", err.detail);
        return false; /* does not fit: its message is tested elsewhere */
    }
    struct reference want = reference_layer(&layer, &shape, input);
    compare(&layer, &plan.layers[0], &want, round);
    for (size_t k = 0; kernels_nth(k); k++) {
        cr_assert(run(&network, &shape, input, &wanted, kernels_nth(k), &odd_parallel,
                      arena, &again, &err));
        cr_assert(same_bits(plan.layers[0].output.values, again.layers[0].output.values,
                            shape_elements(&plan.layers[0].out)),
                  "round %zu, %s", round, kernels_nth(k)->name);
    }
    reference_free(&want);
    return true;
}

Test(network, random_layers_are_their_definitions)
{
    struct arena arena;
    size_t ran = 0;

    cr_assert(arena_init(&arena, ARENA));
    for (size_t round = 0; round < 600; round++)
        ran += check_random_layer(round, &arena);
    cr_assert_gt(ran, 400, "only %zu layers fitted", ran);
    arena_release(&arena);
}

/* ---- every kind ---- */

/* A layer of this kind with parameters that its table allows, drawn at random. */
static struct layer random_layer(size_t kind, uint64_t *seed)
{
    struct layer layer = new_layer(layer_kind_at(kind)->class_name, "layer", 0);

    for (int i = 0; i < 2; i++) {
        layer.kernel_size[i] = draw(seed, 1, 4);
        layer.strides[i] = draw(seed, 1, 3);
        layer.output_padding[i] = draw(seed, -1, layer.strides[i] - 1);
        layer.pool_size[i] = draw(seed, 1, 9);
        layer.size[i] = draw(seed, 1, 3);
    }
    for (int i = 0; i < 4; i++)
        layer.margins[i] = draw(seed, 0, 2);
    layer.dilation_rate[0] = layer.dilation_rate[1] =
        layer.strides[0] * layer.strides[1] == 1 ? draw(seed, 1, 2) : 1;
    layer.filters = draw(seed, 1, 40);
    layer.units = draw(seed, 1, 40);
    layer.depth_multiplier = draw(seed, 1, 3);
    layer.groups = 1;
    layer.padding = draw(seed, 0, 1);
    layer.interpolation = draw(seed, 0, 1);
    layer.keepdims = draw(seed, 0, 1);
    layer.axis = (struct int_list){draw(seed, 0, 3) ? 1 : 2, {draw(seed, 1, 3)}};
    layer.axis.items[1] = layer.axis.items[0] % 3 + 1;
    layer.center = draw(seed, 0, 1);
    layer.scale = draw(seed, 0, 1);
    layer.rms_scaling = draw(seed, 0, 1);
    layer.invert = draw(seed, 0, 1);
    const int turn = draw(seed, 0, 2), turned = draw(seed, 0, 1);
    for (int i = 0; i < 3; i++)
        layer.dims.items[i] = 1 + (turn + (turned ? 3 - i : i)) % 3;
    layer.dims.n = 3;
    layer.axes = (struct int_list){draw(seed, 0, 2), {1, 2}};
    layer.shape = (struct int_list){1, {-1}};
    for (size_t i = 0; i < LAYER_MAX_WEIGHTS; i++)
        layer.weights[i].initializer = (struct initializer){
            .id = INIT_RANDOM_UNIFORM, .seed = *seed, .params = {0.1f, 1}};
    return layer;
}

/* Every table of kernels and every split of the work: the same bits, in the memory that
 * was planned. */
static bool check_kind(size_t kind, size_t round, struct arena *arena)
{
    uint64_t seed = round * 7919 + kind;
    struct layer layer = random_layer(kind, &seed);
    struct network network = {1, &layer};
    const struct shape shape =
        SHAPE((size_t)draw(&seed, 1, 30), (size_t)draw(&seed, 1, 30),
              (size_t)draw(&seed, 1, 20));
    const struct stage_request wanted = {.output = true};
    float *input = guarded_floats(shape_elements(&shape));
    struct plan first, again;
    struct error err;

    arena_reset(arena, ARENA);
    fill_random(input, shape_elements(&shape), 4, seed);
    if (!run(&network, &shape, input, &wanted, kernels_find("portable"),
             &parallel_serial, arena, &first, &err)) {
        cr_assert_eq(err.code, ERROR_CONFIG_INVALID, "%s", err.detail);
        return false;
    }
    for (size_t k = 0; kernels_nth(k); k++) {
        cr_assert(run(&network, &shape, input, &wanted, kernels_nth(k), &odd_parallel,
                      arena, &again, &err));
        cr_assert(
            same_bits(first.layers[0].output.values, again.layers[0].output.values,
                      shape_elements(&first.layers[0].out)),
            "%s, round %zu, %s", layer.kind->class_name, round, kernels_nth(k)->name);
    }
    return true;
}

Test(network, every_kind_gives_the_same_bits)
{
    struct arena arena;

    cr_assert(arena_init(&arena, ARENA));
    for (size_t kind = 0; layer_kind_at(kind); kind++) {
        size_t ran = 0;
        for (size_t round = 0; round < 60; round++)
            ran += check_kind(kind, round, &arena);
        cr_assert_gt(ran, 20, "only %zu of %s fitted", ran,
                     layer_kind_at(kind)->class_name);
    }
    arena_release(&arena);
}

/* A window may lie wholly in the padding for some of its cells. */
Test(network, pools_may_be_far_larger_than_the_map)
{
    struct arena arena;

    cr_assert(arena_init(&arena, ARENA));
    for (size_t width = 1; width <= 5; width++)
        for (int size = 1; size <= 63; size += 2)
            for (int stride = 1; stride <= 4; stride++) {
                struct layer layer = new_layer("MaxPooling2D", "pool", 0);
                struct network network = {1, &layer};
                const struct shape shape = SHAPE(width, 6 - width, 2);
                const struct stage_request wanted = {.output = true};
                float input[5 * 5 * 2];
                struct plan plan;
                struct error err;

                layer.pool_size[0] = layer.pool_size[1] = size;
                layer.strides[0] = layer.strides[1] = stride;
                layer.padding = PADDING_SAME;
                fill_random(input, 50, 1, width);
                arena_reset(&arena, ARENA);
                cr_assert(run(&network, &shape, input, &wanted, kernels_find(NULL),
                              &parallel_serial, &arena, &plan, &err));
                struct reference want = reference_layer(&layer, &shape, input);
                compare(&layer, &plan.layers[0], &want, (size_t)size);
                reference_free(&want);
            }
    arena_release(&arena);
}

/* ---- corners that random layers found ---- */

/* The axis is not the last one, but nothing lies between its neighbours. */
Test(network, batch_normalization_of_rows_of_one_cell)
{
    static const float mean[] = {1, 2, 3}, variance[] = {1, 1, 1};
    const struct named_tensor tensors[] = {
        {"bn/moving_mean", {SHAPE(3), (float *)(uintptr_t)mean}},
        {"bn/moving_variance", {SHAPE(3), (float *)(uintptr_t)variance}},
    };
    const struct weights_upload upload = {2, tensors};
    const struct stage_request wanted = {.output = true};
    const struct shape shape = SHAPE(3, 1, 1);
    const float input[] = {10, 10, 10};
    struct layer layer = new_layer("BatchNormalization", "bn", 0);
    struct network network = {1, &layer};
    struct arena arena;
    struct plan plan;
    struct error err;

    layer.axis = (struct int_list){1, {1}};
    layer.scale = layer.center = false;
    layer.epsilon = 0;
    error_init(&err);
    cr_assert(arena_init(&arena, ARENA));
    cr_assert(network_plan(&network, &shape, &wanted, 1, &limits_default, &arena, &plan,
                           &err) &&
                  weights_bind(&network, &plan, &upload, NULL, &parallel_serial, &arena,
                               &err) &&
                  network_run(&network, &plan, &wanted, input, kernels_find(NULL),
                              &parallel_serial, &arena, &err),
              "%s", err.detail);
    cr_assert_arr_eq(plan.layers[0].output.values, ((float[]){9, 8, 7}), sizeof input);
    arena_release(&arena);
}

/* A softmax across rows is one call, whatever follows it band by band. */
Test(network, a_softmax_across_rows_is_not_cut_in_bands)
{
    static float input[40 * 30 * 16];
    const struct shape shape = SHAPE(40, 30, 16);
    const struct stage_request all[2] = {{.output = true}, {.output = true}};
    const struct stage_request last[2] = {{0}, {.output = true}};
    struct layer layers[2] = {new_layer("Softmax", "a", 0),
                              new_layer("MaxPooling2D", "b", 1)};
    struct network network = {2, layers};
    struct plan whole, part;
    struct arena arena;
    struct error err;

    fill_random(input, shape_elements(&shape), 4, 7);
    layers[0].axis = (struct int_list){1, {1}};
    cr_assert(arena_init(&arena, ARENA));
    cr_assert(run(&network, &shape, input, all, kernels_find(NULL), &parallel_serial,
                  &arena, &whole, &err));
    cr_assert(run(&network, &shape, input, last, kernels_find(NULL), &parallel_serial,
                  &arena, &part, &err));
    cr_assert(same_bits(whole.layers[1].output.values, part.layers[1].output.values,
                        shape_elements(&whole.layers[1].out)));
    arena_release(&arena);
}

/* The two parts of a separable convolution are cut in different ways: what the
 * depthwise one needs memory for may be less than what the pointwise one takes. */
Test(network, a_separable_convolution_with_few_filters_and_a_deep_middle)
{
    static const struct {
        int multiplier, filters, stride;
    } rows[] = {{8, 1, 1}, {9, 7, 1}, {12, 1, 3}, {16, 2, 1}, {8, 17, 1}, {24, 1, 5}};
    const struct stage_request wanted = {.output = true};
    const struct shape shape = SHAPE(200, 150, 2);
    static float input[200 * 150 * 2];
    struct arena arena;

    fill_random(input, shape_elements(&shape), 1, 3);
    cr_assert(arena_init(&arena, ARENA));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct layer layer = new_layer("SeparableConv2D", "separable", 0);
        struct network network = {1, &layer};
        struct plan plan;
        struct error err;

        layer.kernel_size[0] = layer.kernel_size[1] = 3 + 2 * (int)i;
        layer.strides[0] = layer.strides[1] = rows[i].stride;
        layer.depth_multiplier = rows[i].multiplier;
        layer.filters = rows[i].filters;
        layer.padding = PADDING_SAME;
        arena_reset(&arena, ARENA);
        cr_assert(run(&network, &shape, input, &wanted, kernels_find(NULL),
                      &parallel_serial, &arena, &plan, &err));
        struct reference want = reference_layer(&layer, &shape, input);
        compare(&layer, &plan.layers[0], &want, i);
        reference_free(&want);
    }
    arena_release(&arena);
}

/* A cell that has no share in an output is not read. */
Test(network, bilinear_keeps_a_nan_to_its_neighbours)
{
    const struct stage_request wanted = {.output = true};
    const struct shape shape = SHAPE(1, 3, 1);
    const float input[] = {1, 3, NAN};
    struct layer layer = new_layer("UpSampling2D", "up", 0);
    struct network network = {1, &layer};
    struct arena arena;
    struct plan plan;
    struct error err;

    layer.interpolation = 1;
    layer.size[0] = 1;
    layer.size[1] = 3;
    cr_assert(arena_init(&arena, ARENA));
    cr_assert(run(&network, &shape, input, &wanted, kernels_find(NULL),
                  &parallel_serial, &arena, &plan, &err));
    for (size_t x = 0; x < 9; x++)
        cr_assert_eq(isnan(plan.layers[0].output.values[x]), x > 4, "x %zu", x);
    arena_release(&arena);
}

/* ---- shapes, as Keras gives them ---- */

static const struct {
    const char *kind;
    int size, stride, dilation, padding;
    size_t in, out, top, bottom;
} shapes[] = {
    {"Conv2D", 3, 1, 1, PADDING_VALID, 64, 62, 0, 0},
    {"Conv2D", 3, 3, 1, PADDING_VALID, 64, 21, 0, 0},
    {"Conv2D", 3, 1, 1, PADDING_SAME, 64, 64, 1, 1},
    {"Conv2D", 3, 2, 1, PADDING_SAME, 64, 32, 0, 1},
    {"Conv2D", 7, 2, 1, PADDING_SAME, 224, 112, 2, 3},
    {"Conv2D", 2, 5, 1, PADDING_SAME, 11, 3, 0, 1},
    {"Conv2D", 3, 1, 4, PADDING_VALID, 20, 12, 0, 0},
    {"Conv2D", 3, 1, 4, PADDING_SAME, 20, 20, 4, 4},
    {"MaxPooling2D", 2, 0, 1, PADDING_SAME, 21, 11, 0, 1},
    {"MaxPooling2D", 2, 0, 1, PADDING_VALID, 21, 10, 0, 0},
    {"MaxPooling2D", 3, 1, 1, PADDING_SAME, 5, 5, 1, 1},
    {"AveragePooling2D", 2, 5, 1, PADDING_SAME, 12, 3, 0, 0},
};

Test(network, shapes_and_pads_are_keras)
{
    struct arena arena;

    cr_assert(arena_init(&arena, ARENA));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct layer layer = new_layer(shapes[i].kind, "layer", 0);
        struct network network = {1, &layer};
        const struct shape in = SHAPE(shapes[i].in, shapes[i].in, 1);
        struct plan plan;
        struct error err;

        for (int k = 0; k < 2; k++) {
            layer.kernel_size[k] = layer.pool_size[k] = shapes[i].size;
            layer.strides[k] = shapes[i].stride;
            layer.dilation_rate[k] = shapes[i].dilation;
        }
        layer.filters = 1;
        layer.padding = shapes[i].padding;
        error_init(&err);
        arena_reset(&arena, ARENA);
        cr_assert(network_plan(&network, &in, &(struct stage_request){0}, 1,
                               &limits_default, &arena, &plan, &err),
                  "%s", err.detail);
        cr_assert_eq(plan.layers[0].out.dim[0], shapes[i].out, "row %zu", i);
        cr_assert_eq(plan.layers[0].pad.top, shapes[i].top, "row %zu", i);
        cr_assert_eq(plan.layers[0].pad.bottom, shapes[i].bottom, "row %zu", i);
    }
    arena_release(&arena);
}

/* ---- a chain ---- */

enum { CHAIN = 6 };

static void build_chain(struct layer *layers)
{
    static const char *const kinds[CHAIN] = {
        "Conv2D", "Conv2D", "MaxPooling2D", "Activation", "Conv2D", "AveragePooling2D"};
    static const char *const names[CHAIN] = {"a", "b", "c", "d", "e", "f"};
    static const int filters[CHAIN] = {4, 20, 0, 0, 3, 0};

    for (size_t i = 0; i < CHAIN; i++) {
        layers[i] = new_layer(kinds[i], names[i], i);
        layers[i].filters = filters[i];
        layers[i].kernel_size[0] = layers[i].kernel_size[1] = 3;
        layers[i].padding = PADDING_SAME;
    }
    layers[1].activation.id = ACTIVATION_RELU;
    layers[3].activation.id = ACTIVATION_TANH;
    layers[4].activation.id = ACTIVATION_SOFTMAX;
}

/* Whatever the caller keeps, a stage's values are the same: reused memory is not read.
 */
Test(network, any_choice_of_stages_gives_the_same_values)
{
    const struct shape in = SHAPE(30, 41, 3);
    struct stage_request all[CHAIN], some[CHAIN];
    struct layer layers[CHAIN];
    struct network network = {CHAIN, layers};
    struct plan whole, part;
    struct arena arena;
    struct error err;
    float input[30 * 41 * 3];

    build_chain(layers);
    fill_random(input, 30 * 41 * 3, 1, 3);
    cr_assert(arena_init(&arena, ARENA));
    memset(all, 1, sizeof all);
    cr_assert(run(&network, &in, input, all, kernels_find(NULL), &parallel_serial,
                  &arena, &whole, &err),
              "%s", err.detail);
    for (unsigned choice = 1; choice < 1u << CHAIN; choice++) {
        const size_t before = arena.used;
        for (size_t i = 0; i < CHAIN; i++)
            some[i] =
                (struct stage_request){choice >> i & 1, choice >> i & 1 && i == 1};
        cr_assert(run(&network, &in, input, some, kernels_find(NULL), &odd_parallel,
                      &arena, &part, &err));
        for (size_t i = 0; i < CHAIN; i++) {
            cr_assert_eq(part.layers[i].output.values != NULL, some[i].output);
            if (some[i].output)
                cr_assert(same_bits(part.layers[i].output.values,
                                    whole.layers[i].output.values,
                                    shape_elements(&whole.layers[i].out)),
                          "choice %x, layer %zu", choice, i);
            if (some[i].pre)
                cr_assert(same_bits(part.layers[i].pre.values,
                                    whole.layers[i].pre.values,
                                    shape_elements(&whole.layers[i].out)));
        }
        arena_rewind(&arena, before);
    }
    arena_release(&arena);
}

Test(network, plan_counts_what_a_network_costs)
{
    const struct shape in = SHAPE(32, 32, 3);
    struct layer layers[CHAIN];
    struct network network = {CHAIN, layers};
    struct stage_request none[CHAIN] = {0}, all[CHAIN];
    struct plan plan, keep;
    struct arena arena;
    struct error err;

    build_chain(layers);
    memset(all, 1, sizeof all);
    error_init(&err);
    cr_assert(arena_init(&arena, ARENA));
    cr_assert(
        network_plan(&network, &in, none, 1, &limits_default, &arena, &plan, &err));
    cr_assert_eq(plan.layers[0].params, 3 * 3 * 3 * 4 + 4.0);
    cr_assert_eq(plan.layers[0].macs, 32 * 32 * 4 * 27.0);
    cr_assert_eq(plan.params, 112 + (36 * 20 + 20) + (9 * 20 * 3 + 3.0));
    /* 3, then 3 more each side; a 2x2 pool of stride 2; a 3x3 that sees every 2nd cell
     */
    static const size_t fields[CHAIN] = {3, 5, 6, 6, 10, 12};
    for (size_t i = 0; i < CHAIN; i++)
        cr_assert_eq(plan.layers[i].receptive_field[0], fields[i], "layer %zu", i);
    cr_assert(
        network_plan(&network, &in, all, 1, &limits_default, &arena, &keep, &err));
    cr_assert_lt(plan.bytes, keep.bytes, "memory of unwanted stages is not reused");
    arena_release(&arena);
}

/* ---- refusals ---- */

static const struct {
    const char *kind, *want;
    int size[2], stride, dilation, groups, filters;
} refusals[] = {
    {"Conv2D",
     "layers[2].kernel_size 9 is larger than the 8x6 input with padding 'valid'",
     {9, 9},
     1,
     1,
     1,
     1},
    {"Conv2D",
     "layers[2].kernel_size 3x7 is larger than the 8x6 input with padding 'valid'",
     {3, 7},
     1,
     1,
     1,
     1},
    {"MaxPooling2D",
     "layers[2].pool_size 7 is larger than the 8x6 input with padding 'valid'",
     {7, 7},
     1,
     1,
     1,
     1},
    {"Conv2D",
     "layers[2].kernel_size 3 with dilation_rate reaches over 7 cells, more than the "
     "8x6 "
     "input with padding 'valid'",
     {3, 3},
     1,
     3,
     1,
     1},
    {"Conv2D",
     "layers[2].dilation_rate 2x2 cannot go with strides 2x2: one of them must be 1",
     {1, 1},
     2,
     2,
     1,
     1},
    {"Conv2D",
     "layers[2].groups 2 does not divide the 3 input channels",
     {1, 1},
     1,
     1,
     2,
     2},
    {"Conv2D", "layers[2].groups 3 does not divide the 4 filters", {1, 1}, 1, 1, 3, 4},
};

Test(network, refusals_explain_themselves_in_numbers)
{
    const struct shape in = SHAPE(8, 6, 3);
    struct arena arena;

    cr_assert(arena_init(&arena, ARENA));
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct layer layer = new_layer(refusals[i].kind, "layers[2]", 0);
        struct network network = {1, &layer};
        struct plan plan;
        struct error err;

        layer.pointer = "/layers/2";
        for (int k = 0; k < 2; k++) {
            layer.kernel_size[k] = layer.pool_size[k] = refusals[i].size[k];
            layer.strides[k] = refusals[i].stride;
            layer.dilation_rate[k] = refusals[i].dilation;
        }
        layer.groups = refusals[i].groups;
        layer.filters = refusals[i].filters;
        error_init(&err);
        cr_assert_not(network_plan(&network, &in, &(struct stage_request){0}, 1,
                                   &limits_default, &arena, &plan, &err));
        cr_assert_str_eq(err.detail, refusals[i].want);
        cr_assert_eq(err.code, ERROR_CONFIG_INVALID);
        cr_assert_eq(strncmp(err.items[0].pointer, "/layers/2/", 10), 0);
    }
    arena_release(&arena);
}

Test(network, limits_are_met_on_the_plan)
{
    static const struct {
        size_t field;
        double value;
        const char *name;
    } rows[] = {
        {offsetof(struct limits, max_layers), 5, "max_layers"},
        {offsetof(struct limits, max_dimension), 31, "max_dimension"},
        {offsetof(struct limits, max_macs), 1e5, "max_macs"},
        {offsetof(struct limits, max_request_memory), 1e4, "max_request_memory"},
    };
    const struct shape in = SHAPE(32, 32, 3);
    struct layer layers[CHAIN];
    struct network network = {CHAIN, layers};
    const struct stage_request none[CHAIN] = {0};
    struct arena arena;

    build_chain(layers);
    cr_assert(arena_init(&arena, ARENA));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct limits limits = limits_default;
        struct plan plan;
        struct error err;

        *(double *)(void *)((char *)&limits + rows[i].field) = rows[i].value;
        error_init(&err);
        cr_assert_not(
            network_plan(&network, &in, none, 1, &limits, &arena, &plan, &err));
        cr_assert_eq(err.code, ERROR_PLAN_TOO_LARGE);
        cr_assert_str_eq(err.limit.name, rows[i].name);
        cr_assert_eq(err.limit.max, rows[i].value);
        cr_assert_gt(err.limit.actual, rows[i].value);
    }
    arena_release(&arena);
}

static bool always(void *self)
{
    (void)self;
    return true;
}

Test(network, a_cancelled_run_stops)
{
    const struct shape in = SHAPE(32, 32, 3);
    struct layer layers[CHAIN];
    struct network network = {CHAIN, layers};
    const struct stage_request last[CHAIN] = {[CHAIN - 1] = {.output = true}};
    struct parallel cancelled = parallel_serial;
    static float input[32 * 32 * 3];
    struct arena arena;
    struct plan plan;
    struct error err;

    cancelled.cancelled = always;
    build_chain(layers);
    cr_assert(arena_init(&arena, ARENA));
    cr_assert_not(run(&network, &in, input, last, kernels_find(NULL), &cancelled,
                      &arena, &plan, &err));
    cr_assert_eq(err.code, ERROR_CLIENT_CLOSED);
    arena_release(&arena);
}

/* ---- numbers from hostile documents ---- */

/* Rows that once wrapped a product, divided by it, or went around its loops for hours:
 * each is planned and run, and is its definition, or is refused. */
static const struct hostile_row {
    const char *kinds[4];
    size_t in[3];
    int filters[4], kernel[4], strides[4][2];
    bool softmax; /* of the last layer */
    bool refused;
} hostile_rows[] = {
    {{"Conv2D", "Conv2D"},
     {1, 1, 3},
     {2, 1},
     {1, 1},
     {{1, 1}, {1227133513, 1073741824}},
     false,
     false},
    {{"Conv2D"}, {64, 64, 1}, {1}, {1}, {{6000, 6000}}, false, false},
    {{"DepthwiseConv2D"}, {9, 9, 16}, {1}, {3}, {{INT_MAX, INT_MAX}}, false, false},
    {{"Conv2D", "Conv2D"},
     {24, 24, 3},
     {32, 160},
     {1, 3},
     {{1, 1}, {1, 1}},
     true,
     false},
    {{"Conv2D", "SeparableConv2D"},
     {1, 3000, 1},
     {512, 8},
     {1, 1},
     {{1, 1}, {1, 1}},
     false,
     false},
    {{"Conv2D", "MaxPooling2D", "MaxPooling2D", "MaxPooling2D"},
     {8, 8, 3},
     {16},
     {3, 1, 1, 1},
     {{1, 1}, {1 << 30, 1 << 30}, {1 << 30, 1 << 30}, {16, 16}},
     false,
     false},
    {{"Conv2DTranspose"}, {1, 1, 1}, {1}, {1}, {{INT_MAX, INT_MAX}}, false, true},
    {{"Conv2DTranspose"}, {8, 8, 64}, {64}, {3}, {{1, 1}}, true, false},
    {{"Conv2DTranspose"}, {1, 1, 2}, {3}, {2}, {{50, 50}}, false, false},
};

static size_t build_hostile(const struct hostile_row *row, struct layer *layers)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    size_t n = 0;

    for (; n < 4 && row->kinds[n]; n++) {
        layers[n] = new_layer(row->kinds[n], names[n], n);
        layers[n].filters = row->filters[n];
        for (size_t i = 0; i < 2; i++) {
            layers[n].kernel_size[i] = layers[n].pool_size[i] = row->kernel[n];
            layers[n].strides[i] = row->strides[n][i];
        }
    }
    if (row->softmax)
        layers[n - 1].activation.id = ACTIVATION_SOFTMAX;
    return n;
}

/* The last layer against its definition, on what the engine gave it. */
static void check_hostile(const struct hostile_row *row,
                          const struct parallel *parallel, struct arena *arena)
{
    const struct shape shape = SHAPE(row->in[0], row->in[1], row->in[2]);
    const struct stage_request wanted[4] = {
        {true, true}, {true, true}, {true, true}, {true, true}};
    float *input = guarded_floats(shape_elements(&shape));
    struct layer layers[4];
    struct network network = {build_hostile(row, layers), layers};
    const size_t last = network.n_layers - 1;
    struct plan plan;
    struct error err;

    arena_reset(arena, ARENA);
    fill_random(input, shape_elements(&shape), 1, 5);
    if (!run(&network, &shape, input, wanted, kernels_find(NULL), parallel, arena,
             &plan, &err)) {
        cr_assert(row->refused, "%s: %s", row->kinds[last], err.detail);
        return;
    }
    const struct layer_plan *p = &plan.layers[last];
    const float *in = last ? plan.layers[last - 1].output.values : input;
    struct reference want = reference_layer(&layers[last], &p->in, in);
    const size_t n = shape_elements(&p->out), channels = shape_extent(&p->out).channels;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        cr_assert_float_eq((double)p->pre.values[i], want.v[i], 1e-4,
                           "%s: value %zu is %g, not %g", row->kinds[last], i,
                           (double)p->pre.values[i], want.v[i]);
        sum += (double)p->output.values[i];
    }
    if (row->softmax)
        cr_assert_float_eq(sum, (double)(n / channels), 1e-3);
    reference_free(&want);
}

Test(network, hostile_numbers_are_computed_or_refused)
{
    struct arena arena;

    cr_assert(arena_init(&arena, ARENA));
    for (size_t i = 0; i < sizeof hostile_rows / sizeof *hostile_rows; i++) {
        check_hostile(&hostile_rows[i], &parallel_serial, &arena);
        check_hostile(&hostile_rows[i], &odd_parallel, &arena);
    }
    arena_release(&arena);
}
