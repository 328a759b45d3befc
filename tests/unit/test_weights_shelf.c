/* test_weights_shelf.c - weights that come from the shelf are those of the request. */
#include "tests/unit/odd_parallel.h"
#include "tests/unit/run_network.h"

#include <criterion/parameterized.h>
#include <stdio.h>

enum { ARENA = 64 << 20, SHELF = 64 << 20 };

/* A layer of each kind and way to pack, large enough for the shelf. */
struct shelved_case {
    char kind[24];
    size_t size, channels;
    int filters, kernel, groups;
};

static const struct shelved_case cases[] = {
    {"Conv2D", 12, 32, 32, 3, 1},         /* Winograd's */
    {"Conv2D", 9, 16, 24, 5, 1},          /* lanes are filters */
    {"Conv2D", 9, 16, 32, 3, 2},          /* groups */
    {"Conv2D", 20, 128, 2, 5, 1},         /* lanes are columns */
    {"Conv2DTranspose", 6, 16, 24, 3, 1}, /**/
    {"DepthwiseConv2D", 9, 256, 0, 3, 1}, /**/
    {"SeparableConv2D", 9, 64, 48, 3, 1}, /**/
    {"PReLU", 9, 40, 0, 1, 1},            /* drawn, not packed */
    {"BatchNormalization", 3, 700, 0, 1, 1},
    {"LayerNormalization", 3, 700, 0, 1, 1},
    {"Normalization", 3, 700, 0, 1, 1},
    {"Dense", 6, 64, 64, 1, 1}, /* packed */
    {"Dense", 1, 64, 50, 1, 1}, /* packed for the shelf only */
};
enum { CASES = sizeof cases / sizeof *cases };

struct fixture {
    struct arena arena;
    struct layer layer;
    struct network network;
    struct shape input;
    struct plan plan;
    struct error err;
};

static const struct stage_request wanted = {.output = true};

static struct layer layer_of(const struct shelved_case *c)
{
    struct layer layer = new_layer(c->kind, "layer", 0);

    layer.filters = layer.units = c->filters;
    layer.kernel_size[0] = layer.kernel_size[1] = c->kernel;
    layer.groups = c->groups;
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++)
        layer.weights[w].initializer =
            (struct initializer){.id = INIT_RANDOM_UNIFORM, .seed = w, {0.1f, 1}};
    return layer;
}

static void set_up(struct fixture *f, const struct layer *layer, size_t size,
                   size_t channels)
{
    *f = (struct fixture){.layer = *layer, .input = SHAPE(size, size, channels)};
    f->network = (struct network){1, &f->layer};
    error_init(&f->err);
    cr_assert(arena_init(&f->arena, ARENA));
    cr_assert(network_plan(&f->network, &f->input, &wanted, 1, &limits_default,
                           &f->arena, &f->plan, &f->err),
              "%s", f->err.detail);
}

static void tear_down(struct fixture *f, struct shelf *shelf)
{
    weights_release(&f->plan, shelf);
    arena_release(&f->arena);
}

/* Binds and runs; the output, which lives in the fixture's arena. */
static const struct tensor *outcome(struct fixture *f, struct shelf *shelf,
                                    const struct weights_upload *upload,
                                    const struct kernels *kernels)
{
    const size_t n = shape_elements(&f->input);
    float *input = arena_take(&f->arena, n, sizeof *input);

    fill_random(input, n, 1, 7);
    cr_assert(weights_bind(&f->network, &f->plan, upload, shelf, &parallel_serial,
                           &f->arena, &f->err) &&
                  network_run(&f->network, &f->plan, &wanted, input, kernels,
                              &parallel_serial, &f->arena, &f->err),
              "%s", f->err.detail);
    return &f->plan.layers[0].output;
}

/* The weights of a bound network as a client would send them. */
static struct weights_upload upload_of(const struct fixture *f,
                                       struct named_tensor *tensors)
{
    struct weights_upload upload = {0, tensors};
    static char names[LAYER_MAX_WEIGHTS][64];

    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
        const struct shape *shape = &f->plan.layers[0].weight_shape[w];
        if (!shape->rank)
            continue;
        snprintf(names[w], sizeof names[w], "layer/%s", f->layer.weights[w].name);
        tensors[upload.n++] = (struct named_tensor){
            names[w], {*shape, (float *)(uintptr_t)f->layer.weights[w].values}};
    }
    return upload;
}

static void check_same(const struct tensor *a, const struct tensor *b, const char *what)
{
    cr_assert(same_bits(a->values, b->values, shape_elements(&a->shape)), "%s", what);
}

struct case_and_isa {
    size_t c, isa;
};

ParameterizedTestParameters(weights_shelf, a_hit_gives_the_bits_of_a_miss)
{
    static struct case_and_isa params[CASES * 8];
    size_t n = 0;

    for (size_t isa = 0; kernels_nth(isa) && isa < 8; isa++)
        for (size_t c = 0; c < CASES; c++)
            params[n++] = (struct case_and_isa){c, isa};
    return cr_make_param_array(struct case_and_isa, params, n);
}
ParameterizedTest(struct case_and_isa *p, weights_shelf, a_hit_gives_the_bits_of_a_miss)
{
    const struct shelved_case *c = &cases[p->c];
    const struct layer layer = layer_of(c);
    const struct kernels *kernels = kernels_nth(p->isa);
    struct shelf *shelf = shelf_new(SHELF, NULL);
    struct named_tensor tensors[LAYER_MAX_WEIGHTS];
    struct fixture plain, tries[4];

    set_up(&plain, &layer, c->size, c->channels);
    const struct tensor *expected = outcome(&plain, NULL, NULL, kernels);
    const struct weights_upload upload = upload_of(&plain, tensors);
    const bool packed = plain.plan.layers[0].packed;
    cr_assert_null(plain.plan.layers[0].shelved);
    for (size_t i = 0; i < 4; i++) { /* drawn and found, uploaded and found */
        set_up(&tries[i], &layer, c->size, c->channels);
        check_same(expected, outcome(&tries[i], shelf, i < 2 ? NULL : &upload, kernels),
                   c->kind);
        cr_assert_eq(tries[i].plan.layers[0].shelved != NULL, i < 2 || packed);
    }
    cr_assert_eq(shelf_read(shelf).hits, packed ? 2 : 1);
    cr_assert_eq(shelf_read(shelf).misses, packed ? 2 : 1);
    for (size_t i = 0; i < 4; i++)
        tear_down(&tries[i], shelf);
    tear_down(&plain, NULL);
    shelf_free(shelf);
}

/* A Dense layer of one vector, drawn with this shelf: with what is packed beside what
 * is drawn if both fit, else without. */
static void check_dense(size_t room, bool packed)
{
    const struct shelved_case *c = &cases[CASES - 1];
    const struct layer layer = layer_of(c);
    struct shelf *shelf = shelf_new(room, NULL);
    struct fixture plain, tries[2];

    set_up(&plain, &layer, c->size, c->channels);
    const struct tensor *expected = outcome(&plain, NULL, NULL, kernels_find(NULL));
    cr_assert_eq(plain.plan.layers[0].packed, 0);
    for (size_t i = 0; i < 2; i++) {
        set_up(&tries[i], &layer, c->size, c->channels);
        check_same(expected, outcome(&tries[i], shelf, NULL, kernels_find(NULL)),
                   c->kind);
        cr_assert_not_null(tries[i].plan.layers[0].shelved);
        cr_assert_eq(tries[i].plan.layers[0].packed > 0, packed);
    }
    cr_assert_eq(shelf_read(shelf).hits, 1);
    for (size_t i = 0; i < 2; i++)
        tear_down(&tries[i], shelf);
    tear_down(&plain, NULL);
    shelf_free(shelf);
}

Test(weights_shelf, one_vector_is_packed_where_there_is_room_to_keep_it)
{
    check_dense(SHELF, true);
    check_dense(24 << 10, false);
}

/* Binds only; true if the layer was found on the shelf. */
static bool is_hit(const struct layer *layer, size_t size, size_t channels,
                   const struct weights_upload *upload, struct shelf *shelf)
{
    const uint64_t hits = shelf_read(shelf).hits;
    struct fixture f;

    set_up(&f, layer, size, channels);
    cr_assert(weights_bind(&f.network, &f.plan, upload, shelf, &parallel_serial,
                           &f.arena, &f.err),
              "%s", f.err.detail);
    cr_assert_not_null(f.plan.layers[0].shelved);
    tear_down(&f, shelf);
    return shelf_read(shelf).hits > hits;
}

/* What may differ between two requests, one thing at a time. */
static void change(struct layer *layer, int what)
{
    switch (what) {
    case 0:
        layer->weights[0].initializer.seed++;
        break;
    case 1:
        layer->weights[1].initializer.params[1] = 2;
        break;
    case 2:
        layer->weights[0].initializer.id = INIT_RANDOM_NORMAL;
        break;
    case 3:
        layer->name = "other"; /* draws a sequence of its own */
        break;
    case 4:
        layer->filters++;
        break;
    case 5:
        layer->kernel_size[1] = 5;
        break;
    case 6:
        layer->strides[0] = layer->strides[1] = 2;
        break;
    case 7:
        layer->groups = 2;
        layer->filters = 32;
        break;
    case 8:
        layer->use_bias = false;
        break;
    default:
        cr_assert_fail("no such change");
    }
}

Test(weights_shelf, whatever_differs_is_a_miss)
{
    const struct layer layer = layer_of(&cases[0]);
    struct shelf *shelf = shelf_new(SHELF, NULL);

    cr_assert(!is_hit(&layer, 12, 32, NULL, shelf));
    cr_assert(is_hit(&layer, 12, 32, NULL, shelf));
    for (int what = 0; what <= 8; what++) {
        struct layer other = layer;
        change(&other, what);
        cr_assert(!is_hit(&other, 12, 32, NULL, shelf), "%d", what);
        cr_assert(is_hit(&other, 12, 32, NULL, shelf), "%d", what);
    }
    cr_assert(!is_hit(&layer, 12, 34, NULL, shelf));
    cr_assert(is_hit(&layer, 12, 32, NULL, shelf));
    shelf_free(shelf);
}

/* Winograd's way and the others pack differently; one way packs for all sizes. */
Test(weights_shelf, maps_of_other_sizes_share_what_is_packed_alike)
{
    const struct layer layer = layer_of(&cases[0]);
    struct shelf *shelf = shelf_new(SHELF, NULL);
    struct fixture large, small;

    set_up(&large, &layer, 40, 32);
    set_up(&small, &layer, 3, 32);
    cr_assert_neq(large.plan.layers[0].packing, small.plan.layers[0].packing);
    tear_down(&large, NULL);
    tear_down(&small, NULL);
    cr_assert(!is_hit(&layer, 40, 32, NULL, shelf));
    cr_assert(is_hit(&layer, 47, 32, NULL, shelf));
    cr_assert(!is_hit(&layer, 3, 32, NULL, shelf));
    shelf_free(shelf);
}

Test(weights_shelf, an_upload_hits_only_with_all_of_its_bits)
{
    const struct layer layer = layer_of(&cases[0]);
    struct shelf *shelf = shelf_new(SHELF, NULL);
    struct named_tensor tensors[LAYER_MAX_WEIGHTS];
    struct fixture f;

    set_up(&f, &layer, 12, 32);
    outcome(&f, NULL, NULL, kernels_find(NULL));
    const struct weights_upload upload = upload_of(&f, tensors);
    float *values = tensors[0].tensor.values;
    const size_t n = shape_elements(&tensors[0].tensor.shape);
    is_hit(&layer, 12, 32, &upload, shelf);
    for (size_t at = 0; at < n; at += n / 50) {
        const float before = values[at];
        cr_assert(is_hit(&layer, 12, 32, &upload, shelf));
        values[at] = nextafterf(before, INFINITY);
        cr_assert(!is_hit(&layer, 12, 32, &upload, shelf), "%zu", at);
        values[at] = before;
        is_hit(&layer, 12, 32, &upload, shelf);
    }
    values[3] = 0.0f;
    cr_assert(!is_hit(&layer, 12, 32, &upload, shelf));
    values[3] = -0.0f;
    cr_assert(!is_hit(&layer, 12, 32, &upload, shelf), "-0 is not 0");
    tear_down(&f, NULL);
    shelf_free(shelf);
}

/* A kernel in the document is a value, whatever stands in the initializer beside it. */
Test(weights_shelf, a_given_kernel_is_its_values)
{
    static float bank[9 * 9], bias[32];
    struct layer layer = layer_of(&cases[0]);
    struct shelf *shelf = shelf_new(SHELF, NULL);

    fill_random(bank, 81, 1, 1);
    layer.filters = 9;
    layer.bank = (struct filter_bank){9, 3, 3, 0, bank};
    layer.bias = bias;
    layer.n_bias = 9;
    cr_assert(!is_hit(&layer, 12, 32, NULL, shelf));
    cr_assert(is_hit(&layer, 12, 32, NULL, shelf));
    layer.weights[0].initializer.seed++;
    layer.weights[1].initializer.seed++;
    cr_assert(is_hit(&layer, 12, 32, NULL, shelf));
    bank[40] += 1;
    cr_assert(!is_hit(&layer, 12, 32, NULL, shelf));
    bias[8] = 1;
    cr_assert(!is_hit(&layer, 12, 32, NULL, shelf));
    layer.bias = NULL;
    cr_assert(!is_hit(&layer, 12, 32, NULL, shelf));
    shelf_free(shelf);
}

/* epsilon and the flags are folded into what is packed. */
Test(weights_shelf, parameters_that_are_packed_count)
{
    struct layer layer = layer_of(&cases[8]);
    struct shelf *shelf = shelf_new(SHELF, NULL);

    cr_assert(!is_hit(&layer, 3, 700, NULL, shelf));
    layer.epsilon = 0.5f;
    cr_assert(!is_hit(&layer, 3, 700, NULL, shelf));
    layer.scale = false;
    cr_assert(!is_hit(&layer, 3, 700, NULL, shelf));
    cr_assert(is_hit(&layer, 3, 700, NULL, shelf));
    shelf_free(shelf);
}

Test(weights_shelf, small_layers_never_come_to_the_shelf)
{
    struct shelved_case small = cases[0];
    struct shelf *shelf = shelf_new(SHELF, NULL);
    struct fixture f;

    small.filters = 3;
    const struct layer layer = layer_of(&small);
    set_up(&f, &layer, 12, 1);
    outcome(&f, shelf, NULL, kernels_find(NULL));
    cr_assert_null(f.plan.layers[0].shelved);
    cr_assert_eq(shelf_read(shelf).misses, 0);
    tear_down(&f, shelf);
    shelf_free(shelf);
}

Test(weights_shelf, what_was_half_packed_is_not_kept)
{
    const struct layer layer =
        layer_of(&(struct shelved_case){"Conv2D", 8, 32, 96, 3, 1});
    struct shelf *shelf = shelf_new(SHELF, NULL);
    size_t left = 2; /* of three panels of 32 filters */
    const struct parallel some = cut_parallel(&left);
    struct fixture plain, whole, half;

    set_up(&half, &layer, 8, 32);
    cr_assert_eq(half.plan.layers[0].pack_parts, 3);
    cr_assert_not(weights_bind(&half.network, &half.plan, NULL, shelf, &some,
                               &half.arena, &half.err));
    cr_expect_eq(half.err.code, ERROR_CLIENT_CLOSED);
    tear_down(&half, shelf);
    cr_expect_eq(shelf_read(shelf).bytes, 0);

    set_up(&plain, &layer, 8, 32);
    set_up(&whole, &layer, 8, 32);
    check_same(outcome(&plain, NULL, NULL, kernels_nth(0)),
               outcome(&whole, shelf, NULL, kernels_nth(0)), "after half of it");
    cr_expect_eq(shelf_read(shelf).hits, 0);
    tear_down(&whole, shelf);
    tear_down(&plain, NULL);
    shelf_free(shelf);
}

/* Nothing fits: the request is computed as without a shelf. */
Test(weights_shelf, a_full_shelf_changes_no_bit)
{
    const struct layer layer = layer_of(&cases[0]);
    struct shelf *shelf = shelf_new(100, NULL);
    struct fixture f, plain;

    set_up(&f, &layer, 12, 32);
    set_up(&plain, &layer, 12, 32);
    check_same(outcome(&plain, NULL, NULL, kernels_find(NULL)),
               outcome(&f, shelf, NULL, kernels_find(NULL)), "full");
    cr_assert_null(f.plan.layers[0].shelved);
    tear_down(&f, shelf);
    tear_down(&plain, NULL);
    shelf_free(shelf);
}
