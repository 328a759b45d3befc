/* test_weights.c - weights uploaded, given in the document, or initialised. */
#include "tests/unit/check.h"

#include "engine/weights.h"

enum {
    ARENA = 4 << 20,
    FILTERS = 2,
    CHANNELS = 3,
    KERNEL = 3 * 3 * CHANNELS * FILTERS
};

static const size_t first_input[] = {0};

struct fixture {
    struct arena arena;
    struct layer layer;
    struct network network;
    struct plan plan;
    struct error err;
};

/* One planned layer of 2 filters of 3x3 on 3 channels, called conv. */
static void set_up_kind(struct fixture *f, const char *kind)
{
    const struct shape in = SHAPE(8, 8, CHANNELS);

    *f = (struct fixture){.layer = {.kind = layer_kind_find(kind, true),
                                    .name = "conv",
                                    .label = "layers[0]",
                                    .pointer = "/layers/0",
                                    .inputs = first_input,
                                    .n_inputs = 1}};
    layer_defaults(&f->layer);
    f->layer.filters = FILTERS;
    f->layer.kernel_size[0] = f->layer.kernel_size[1] = 3;
    f->network = (struct network){1, &f->layer};
    error_init(&f->err);
    cr_assert(arena_init(&f->arena, ARENA));
    cr_assert(network_plan(&f->network, &in, &(struct stage_request){0}, 1,
                           &limits_default, &f->arena, &f->plan, &f->err));
}

static void set_up(struct fixture *f)
{
    set_up_kind(f, "Conv2D");
}

static bool bind(struct fixture *f, const struct weights_upload *upload)
{
    return weights_bind(&f->network, &f->plan, upload, NULL, &parallel_serial,
                        &f->arena, &f->err);
}

static float kernel_values[KERNEL], bias_values[FILTERS];

#define TENSOR(data, ...)                                                              \
    {                                                                                  \
        SHAPE(__VA_ARGS__), data                                                       \
    }

Test(weights, a_complete_upload_is_bound_by_name)
{
    const struct named_tensor tensors[] = {
        {"conv/bias", TENSOR(bias_values, FILTERS)},
        {"conv/kernel", TENSOR(kernel_values, 3, 3, CHANNELS, FILTERS)},
    };
    struct fixture f;

    set_up(&f);
    cr_assert(bind(&f, &(struct weights_upload){2, tensors}));
    cr_assert_eq(f.layer.weights[0].values, kernel_values);
    cr_assert_eq(f.layer.weights[1].values, bias_values);
    arena_release(&f.arena);
}

/* What Keras stores beside the weights may be there; it need not. */
Test(weights, names_may_end_as_tensorflows_do)
{
    const struct named_tensor tensors[] = {
        {"conv/bias:0", TENSOR(bias_values, FILTERS)},
        {"conv/kernel:0", TENSOR(kernel_values, 3, 3, CHANNELS, FILTERS)},
    };
    struct fixture f;

    set_up(&f);
    cr_assert(bind(&f, &(struct weights_upload){2, tensors}));
    cr_assert_eq(f.layer.weights[0].values, kernel_values);
    cr_assert_eq(f.layer.weights[1].values, bias_values);
    arena_release(&f.arena);
}

Test(weights, a_depthwise_kernel_may_have_the_name_of_keras_3)
{
    static const char *const names[] = {"conv/kernel", "conv/depthwise_kernel"};
    static float bias[CHANNELS];

    for (size_t i = 0; i < 2; i++) {
        const struct named_tensor tensors[] = {
            {names[i], TENSOR(kernel_values, 3, 3, CHANNELS, 1)},
            {"conv/bias", TENSOR(bias, CHANNELS)},
        };
        struct fixture f;
        set_up_kind(&f, "DepthwiseConv2D");
        cr_assert(bind(&f, &(struct weights_upload){2, tensors}), "%s", f.err.detail);
        cr_assert_eq(f.layer.weights[0].values, kernel_values);
        arena_release(&f.arena);
    }
}

Test(weights, a_counter_is_passed_over)
{
    const struct named_tensor tensors[] = {
        {"adapted/mean", TENSOR(kernel_values, CHANNELS)},
        {"adapted/variance", TENSOR(kernel_values, CHANNELS)},
        {"adapted/count", TENSOR(kernel_values, 1)},
        {"other/count", TENSOR(kernel_values, 1)},
    };

    for (size_t n = 2; n <= 4; n++) {
        struct fixture f;

        set_up(&f);
        f.layer = (struct layer){.kind = layer_kind_find("Normalization", true),
                                 .name = "adapted",
                                 .label = "layers[0]",
                                 .pointer = "/layers/0",
                                 .inputs = first_input,
                                 .n_inputs = 1};
        layer_defaults(&f.layer);
        cr_assert(network_plan(&f.network, &SHAPE(8, 8, CHANNELS),
                               &(struct stage_request){0}, 1, &limits_default, &f.arena,
                               &f.plan, &f.err));
        cr_assert_eq(bind(&f, &(struct weights_upload){n, tensors}), n < 4);
        if (n == 4)
            cr_assert_str_eq(f.err.detail,
                             "other/count belongs to no layer of the network");
        arena_release(&f.arena);
    }
}

Test(weights, every_fault_of_an_upload_is_named)
{
    const struct named_tensor tensors[] = {
        {"conv/kernel", TENSOR(kernel_values, FILTERS, CHANNELS, 3, 3)},
        {"other/kernel", TENSOR(bias_values, 1)},
    };
    struct fixture f;

    set_up(&f);
    cr_assert_not(bind(&f, &(struct weights_upload){2, tensors}));
    cr_assert_eq(f.err.code, ERROR_WEIGHTS_INVALID);
    cr_assert_eq(f.err.n_items, 3);
    cr_assert_str_eq(
        f.err.items[0].detail,
        "conv/kernel (layers[0]) needs shape 3x3x3x2, the upload has 2x3x3x3");
    cr_assert_str_eq(f.err.items[1].detail, "conv/bias (layers[0]) is missing from the "
                                            "upload; its shape is 2");
    cr_assert_str_eq(f.err.items[2].detail,
                     "other/kernel belongs to no layer of the network");
    arena_release(&f.arena);
}

Test(weights, values_that_are_not_finite_are_refused)
{
    const struct named_tensor tensors[] = {
        {"conv/bias", TENSOR(bias_values, FILTERS)},
        {"conv/kernel", TENSOR(kernel_values, 3, 3, CHANNELS, FILTERS)},
    };
    static const float bad[] = {NAN, INFINITY, -INFINITY};

    for (size_t i = 0; i < 3; i++) {
        struct fixture f;

        set_up(&f);
        kernel_values[17] = bad[i];
        cr_assert_not(bind(&f, &(struct weights_upload){2, tensors}));
        cr_assert_str_eq(f.err.detail,
                         "conv/kernel (layers[0]) has values that are not finite");
        arena_release(&f.arena);
    }
}

Test(weights, two_dimensional_kernels_repeat_over_the_channels)
{
    static const float bank[FILTERS * 9] = {1,  2,  3,  4,  5,  6,  7,  8,  9,
                                            10, 20, 30, 40, 50, 60, 70, 80, 90};
    static const float bias[1] = {0.5f};
    struct fixture f;

    set_up(&f);
    f.layer.bank = (struct filter_bank){FILTERS, 3, 3, 0, bank};
    f.layer.bias = bias;
    f.layer.n_bias = 1;
    cr_assert(bind(&f, NULL));
    for (size_t cell = 0; cell < 9; cell++)
        for (size_t c = 0; c < CHANNELS; c++)
            for (size_t k = 0; k < FILTERS; k++)
                cr_assert_eq(
                    f.layer.weights[0].values[(cell * CHANNELS + c) * FILTERS + k],
                    bank[k * 9 + cell]);
    for (size_t k = 0; k < FILTERS; k++)
        cr_assert_eq(f.layer.weights[1].values[k], 0.5f);
    arena_release(&f.arena);
}

Test(weights, hwio_kernels_must_have_the_inputs_channels)
{
    struct fixture f;

    set_up(&f);
    kernel_values[17] = 0;
    f.layer.bank = (struct filter_bank){FILTERS, 3, 3, 4, kernel_values};
    cr_assert_not(bind(&f, NULL));
    cr_assert_str_eq(f.err.detail, "layers[0].kernel has 4 input channels, the layer's "
                                   "input has 3");
    arena_release(&f.arena);
}

/* Glorot and Bengio: uniform in +-sqrt(6 / (fan_in + fan_out)), here fans 27 and 18. */
Test(weights, what_is_given_is_judged_on_the_plan)
{
    static const float values[3 * 3 * 2 * FILTERS];
    struct fixture f;

    set_up(&f);
    f.layer.bank = (struct filter_bank){FILTERS, 3, 3, 2, values};
    f.layer.bias = values;
    f.layer.n_bias = FILTERS + 1;
    cr_assert_not(weights_check(&f.network, &f.plan, &f.err));
    cr_expect_eq(f.err.n_items, 2);
    cr_expect_str_eq(f.err.items[0].detail,
                     "layers[0].kernel has 2 input channels, the "
                     "layer's input has 3");
    cr_expect_str_eq(f.err.items[1].detail,
                     "layers[0].bias has 3 numbers for 2 filters");
    arena_release(&f.arena);
}

Test(weights, glorot_uniform_keeps_its_bounds_and_its_seed)
{
    const double limit = sqrt(6.0 / (27 + 18));
    struct fixture f, g, h;
    double sum = 0;

    set_up(&f);
    set_up(&g);
    set_up(&h);
    h.layer.weights[0].initializer.seed = 1;
    cr_assert(bind(&f, NULL) && bind(&g, NULL) && bind(&h, NULL));
    const float *a = f.layer.weights[0].values;
    for (size_t i = 0; i < KERNEL; i++) {
        cr_assert_leq(fabs((double)a[i]), limit);
        sum += (double)a[i];
    }
    /* the mean of n uniform numbers: 4 standard errors */
    cr_assert_lt(fabs(sum / KERNEL), 4 * limit / sqrt(3.0 * KERNEL));
    cr_assert_arr_eq(a, g.layer.weights[0].values, KERNEL * sizeof *a);
    cr_assert_neq(memcmp(a, h.layer.weights[0].values, KERNEL * sizeof *a), 0);
    cr_assert_eq(f.layer.weights[1].values[0], 0.0f);
    arena_release(&f.arena);
    arena_release(&g.arena);
    arena_release(&h.arena);
}

/* ---- initializers that do not suit ---- */

Test(weights, an_initializer_that_does_not_suit_is_told_with_its_parameter)
{
    struct fixture f;

    set_up(&f);
    cr_assert(weights_check(&f.network, &f.plan, &f.err));
    cr_assert(initializer_find("identity", &f.layer.weights[0].initializer));
    cr_assert(initializer_find("orthogonal", &f.layer.weights[1].initializer));
    cr_assert_not(weights_check(&f.network, &f.plan, &f.err));
    cr_assert_eq(f.err.code, ERROR_CONFIG_INVALID);
    cr_assert_eq(f.err.n_items, 2);
    cr_assert_str_eq(f.err.items[0].pointer, "/layers/0/kernel_initializer");
    cr_assert_str_eq(f.err.items[0].detail,
                     "layers[0].kernel_initializer identity makes matrices of 2 axes; "
                     "kernel has the shape 3x3x3x2");
    cr_assert_str_eq(f.err.items[1].detail,
                     "layers[0].bias_initializer orthogonal makes matrices of at least "
                     "2 axes; bias has the shape 2");
    arena_release(&f.arena);
}

/* What the document gives needs no initializer. */
Test(weights, what_is_given_is_not_drawn)
{
    static const float bank[FILTERS * 9] = {1};
    struct fixture f;

    set_up(&f);
    cr_assert(initializer_find("orthogonal", &f.layer.weights[0].initializer));
    cr_assert_eq(weights_cost(&f.network, &f.plan), 100 * 2.0 * 27 * 2 * 2);
    cr_assert(initializer_find("identity", &f.layer.weights[0].initializer));
    f.layer.bank = (struct filter_bank){FILTERS, 3, 3, 0, bank};
    cr_assert(weights_check(&f.network, &f.plan, &f.err));
    cr_assert_eq(weights_cost(&f.network, &f.plan), 0);
    arena_release(&f.arena);
}

Test(weights, drawing_stays_within_its_bytes)
{
    struct fixture f;

    set_up(&f);
    cr_assert(initializer_find("orthogonal", &f.layer.weights[0].initializer));
    const size_t before = f.arena.used;
    cr_assert(bind(&f, NULL));
    cr_assert_leq((double)(f.arena.peak - before), weights_bytes(&f.network, &f.plan));
    cr_assert_leq((double)(f.arena.used - before),
                  (KERNEL + FILTERS) * sizeof(float) + 4.0 * 2 * ARENA_ALIGN,
                  "working memory is kept");
    arena_release(&f.arena);
}
