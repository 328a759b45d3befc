/*
 * test_group.c - layers that run together, part by part: which ones do, that they give
 * the same bits as layers that run alone, and how long a part takes.
 */
#include "tests/unit/odd_parallel.h"
#include "tests/unit/run_network.h"

enum { ARENA = 256 << 20, LAYERS = 4 };

/* One layer of a chain; fields that its kind lacks are not looked at. */
struct link {
    const char *kind;
    int filters, kernel, stride, padding, pool;
    enum activation_id activation;
};

static void set_link(struct layer *layer, const struct link *link, size_t i)
{
    static const char *const names[LAYERS] = {"a", "b", "c", "d"};

    *layer = new_layer(link->kind, names[i], i);
    layer->filters = link->filters;
    layer->padding = link->padding;
    for (int axis = 0; axis < 2; axis++) {
        layer->kernel_size[axis] = link->kernel;
        layer->strides[axis] = link->stride;
        layer->pool_size[axis] = link->pool;
    }
    if (link->activation)
        layer->activation.id = link->activation;
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++)
        layer->weights[w].initializer = (struct initializer){
            .id = INIT_RANDOM_UNIFORM, .seed = i + w + 1, .params = {-0.5f, 1}};
}

/* ---- which layers run together ---- */

enum { SAME = PADDING_SAME, VALID = PADDING_VALID };

static const struct {
    const char *what;
    size_t shape[3], n_groups;
    struct link links[LAYERS]; /* up to the first without a kind */
} chains[] = {
    {"conv, relu, pool",
     {30, 41, 3},
     1,
     {{"Conv2D", 5, 3, 1, SAME, 0, 0},
      {.kind = "Activation", .activation = ACTIVATION_RELU},
      {.kind = "MaxPooling2D", .pool = 2}}},
    {"conv with relu, average pool with tanh after it",
     {30, 41, 3},
     1,
     {{"Conv2D", 20, 3, 1, SAME, 0, ACTIVATION_RELU},
      {.kind = "AveragePooling2D", .pool = 2},
      {.kind = "Activation", .activation = ACTIVATION_TANH}}},
    {"a pool of 3 every 3, odd rows left over",
     {35, 23, 2},
     1,
     {{"Conv2D", 4, 3, 1, VALID, 0, 0}, {.kind = "MaxPooling2D", .pool = 3}}},
    {"a pool of 2 every 3 leaves rows out",
     {34, 23, 2},
     1,
     {{"Conv2D", 4, 3, 1, SAME, 0, 0},
      {.kind = "MaxPooling2D", .pool = 2, .stride = 3}}},
    {"two pools",
     {50, 30, 1},
     1,
     {{"Conv2D", 3, 5, 1, SAME, 0, ACTIVATION_SOFTMAX},
      {.kind = "MaxPooling2D", .pool = 2},
      {.kind = "AveragePooling2D", .pool = 3}}},
    {"a pool of 3 every 2 shares rows",
     {30, 41, 3},
     2,
     {{"Conv2D", 5, 3, 1, SAME, 0, 0},
      {.kind = "MaxPooling2D", .pool = 3, .stride = 2}}},
    {"a pool with padding above",
     {30, 41, 3},
     2,
     {{"Conv2D", 5, 3, 1, SAME, 0, 0},
      {.kind = "MaxPooling2D", .pool = 4, .padding = SAME}}},
    {"a conv after a conv",
     {30, 20, 3},
     2,
     {{"Conv2D", 5, 3, 1, SAME, 0, 0}, {"Conv2D", 5, 3, 1, SAME, 0, 0}}},
    {"winograd, batch normalisation, relu, pool",
     {30, 41, 16},
     1,
     {{"Conv2D", 32, 3, 1, SAME, 0, 0},
      {.kind = "BatchNormalization"},
      {.kind = "ReLU"},
      {.kind = "MaxPooling2D", .pool = 2}}},
    {"winograd before a pool of 3, which its tiles do not divide into",
     {120, 61, 16},
     2,
     {{"Conv2D", 32, 3, 1, SAME, 0, 0}, {.kind = "MaxPooling2D", .pool = 3}}},
    {"depthwise, softmax layer, pool",
     {30, 41, 12},
     1,
     {{"DepthwiseConv2D", 0, 3, 1, SAME, 0, 0},
      {.kind = "Softmax"},
      {.kind = "MaxPooling2D", .pool = 2}}},
    {"separable, leaky relu, pool",
     {30, 41, 5},
     1,
     {{"SeparableConv2D", 24, 3, 1, SAME, 0, 0},
      {.kind = "LeakyReLU"},
      {.kind = "AveragePooling2D", .pool = 2}}},
    {"a global pool reads everything",
     {30, 41, 5},
     2,
     {{"Conv2D", 24, 3, 1, SAME, 0, 0}, {.kind = "GlobalAveragePooling2D"}}},
};
enum { N_CHAINS = sizeof chains / sizeof *chains };

static size_t build(size_t c, struct layer *layers)
{
    size_t n = 0;

    for (; n < LAYERS && chains[c].links[n].kind; n++)
        set_link(&layers[n], &chains[c].links[n], n);
    return n;
}

/* The parts of a group report one duration, with its last layer; what comes after the
 * last stage that is wanted does not run. */
static void check_durations(const struct plan *plan, const struct stage_request *wanted,
                            size_t c)
{
    size_t needed = plan->n_layers;

    while (needed > 0 && !wanted[needed - 1].output && !wanted[needed - 1].pre)
        needed--;
    for (size_t g = 0; g < plan->n_groups; g++)
        for (size_t i = plan->groups[g].first; i <= plan->groups[g].last; i++) {
            const double ms = plan->layers[i].duration_ms;
            const bool none =
                i >= needed || (i < plan->groups[g].last && i + 1 < needed);
            cr_assert(none ? isnan(ms) != 0 : ms >= 0, "%s: layer %zu took %g",
                      chains[c].what, i, ms);
        }
}

static void compare_stages(const struct plan *whole, const struct plan *part,
                           const struct stage_request *wanted, size_t c,
                           unsigned choice)
{
    for (size_t i = 0; i < whole->n_layers; i++) {
        const struct layer_plan *a = &whole->layers[i], *b = &part->layers[i];
        const size_t n = shape_elements(&a->out);

        cr_assert_eq(b->output.values != NULL, wanted[i].output);
        cr_assert_eq(b->pre.values != NULL, wanted[i].pre);
        if (wanted[i].output)
            cr_assert(same_bits(a->output.values, b->output.values, n),
                      "%s: choice %x, layer %zu", chains[c].what, choice, i);
        if (wanted[i].pre)
            cr_assert(same_bits(a->pre.values, b->pre.values, n),
                      "%s: choice %x, layer %zu before its activation", chains[c].what,
                      choice, i);
    }
}

/* Each layer by itself, from the output of the one before, gives the same bits. */
static void check_alone(const struct plan *whole, struct layer *layers,
                        const float *input, size_t c, struct arena *arena)
{
    const struct stage_request wanted = {true, true};

    for (size_t i = 0; i < whole->n_layers; i++) {
        struct layer layer = layers[i];
        struct network network = {1, &layer};
        struct plan plan;
        struct error err;

        layer.inputs = &inputs[0];
        cr_assert(run(&network, &whole->layers[i].in,
                      i ? whole->layers[i - 1].output.values : input, &wanted,
                      kernels_find("portable"), &parallel_serial, arena, &plan, &err),
                  "%s", err.detail);
        cr_assert(same_bits(plan.layers[0].output.values,
                            whole->layers[i].output.values,
                            shape_elements(&plan.layers[0].out)),
                  "%s: layer %zu alone", chains[c].what, i);
    }
}

/* Every choice of outputs and of stages before activations, against all of them. */
static void check_chain(size_t c, struct arena *arena)
{
    const struct shape in =
        SHAPE(chains[c].shape[0], chains[c].shape[1], chains[c].shape[2]);
    struct stage_request wanted[LAYERS];
    struct layer layers[LAYERS];
    struct network network = {build(c, layers), layers};
    float *input = guarded_floats(shape_elements(&in));
    struct plan whole, part;
    struct error err;

    arena_reset(arena, ARENA);
    fill_random(input, shape_elements(&in), 1, c);
    memset(wanted, 1, sizeof wanted);
    cr_assert(run(&network, &in, input, wanted, kernels_find(NULL), &parallel_serial,
                  arena, &whole, &err),
              "%s: %s", chains[c].what, err.detail);
    cr_assert_eq(whole.n_groups, chains[c].n_groups, "%s: %zu groups", chains[c].what,
                 whole.n_groups);
    check_alone(&whole, layers, input, c, arena);
    for (unsigned choice = 0; choice < 1u << 2 * network.n_layers; choice++) {
        const size_t before = arena->used;
        for (size_t i = 0; i < network.n_layers; i++)
            wanted[i] =
                (struct stage_request){choice >> 2 * i & 1, choice >> (2 * i + 1) & 1};
        cr_assert(run(&network, &in, input, wanted, kernels_find(NULL), &odd_parallel,
                      arena, &part, &err));
        compare_stages(&whole, &part, wanted, c, choice);
        check_durations(&part, wanted, c);
        arena_rewind(arena, before);
    }
}

Test(group, chains_of_any_stages_are_their_layers_one_by_one)
{
    struct arena arena;

    cr_assert(arena_init(&arena, ARENA));
    for (size_t c = 0; c < N_CHAINS; c++)
        check_chain(c, &arena);
    arena_release(&arena);
}

/* ---- two readers of one output ---- */

/* The layers b and c both read a: none may overwrite it or drop it. */
Test(group, an_output_with_two_readers_is_kept_for_both)
{
    const struct shape in = SHAPE(30, 41, 3);
    static float input[30 * 41 * 3];
    struct layer layers[3];
    struct network network = {3, layers};
    struct plan whole, part;
    struct arena arena;
    struct error err;

    set_link(&layers[0], &(struct link){"Conv2D", 5, 3, 1, SAME, 0, 0}, 0);
    set_link(&layers[1],
             &(struct link){.kind = "Activation", .activation = ACTIVATION_RELU}, 1);
    set_link(&layers[2], &(struct link){.kind = "MaxPooling2D", .pool = 2}, 1);
    fill_random(input, shape_elements(&in), 1, 9);
    cr_assert(arena_init(&arena, ARENA));
    const struct stage_request all[3] = {{true, true}, {true, true}, {true, true}};
    cr_assert(run(&network, &in, input, all, kernels_find(NULL), &parallel_serial,
                  &arena, &whole, &err));
    cr_assert_eq(whole.n_groups, 3);
    for (size_t i = 0; i < 2 * shape_elements(&whole.layers[0].out); i += 2) {
        const float a = whole.layers[0].output.values[i / 2];
        cr_assert_eq(whole.layers[1].output.values[i / 2], a > 0 ? a : 0);
    }
    for (unsigned choice = 0; choice < 8; choice++) {
        const struct stage_request some[3] = {
            {choice & 1, 0}, {choice >> 1 & 1, 0}, {choice >> 2 & 1, 0}};
        cr_assert(run(&network, &in, input, some, kernels_find(NULL), &odd_parallel,
                      &arena, &part, &err));
        compare_stages(&whole, &part, some, 0, choice);
    }
    arena_release(&arena);
}

/* ---- how long a part takes ---- */

/* A run can be cancelled between parts only. Extreme layers, each near a limit, on maps
 * of at most 100 rows; those that Winograd's method takes have a quarter of the
 * products. */
static const struct {
    size_t shape[3];
    struct link link;
    int pool;     /* of a pool that follows; 0: none */
    double saved; /* times fewer products than the definition; 0: none */
} extremes[] = {
    {{100, 12000, 1}, {"Conv2D", 1, 63, 1, SAME, 0, 0}, 0, 0},
    {{100, 12000, 1}, {"Conv2D", 7, 63, 1, SAME, 0, 0}, 0, 0},
    {{100, 12000, 1}, {"Conv2D", 7, 11, 1, SAME, 0, 0}, 50, 0},
    {{100, 12000, 3}, {"Conv2D", 64, 63, 1, SAME, 0, 0}, 0, 0},
    {{63, 63, 4096}, {"Conv2D", 7, 63, 1, VALID, 0, 0}, 0, 0},
    {{64, 64, 4}, {"Conv2D", 4096, 63, 1, VALID, 0, 0}, 0, 0},
    {{20, 1000, 1024}, {"Conv2D", 4096, 1, 1, VALID, 0, 0}, 0, 0},
    {{20, 450, 2048}, {"Conv2D", 2048, 3, 1, SAME, 0, 0}, 0, 4},
    {{28, 28, 512}, {"Conv2D", 512, 3, 1, SAME, 0, 0}, 0, 4},
    {{56, 56, 256}, {"Conv2D", 256, 3, 1, SAME, 0, 0}, 0, 4},
    {{20, 12000, 64}, {"DepthwiseConv2D", 0, 63, 1, SAME, 0, 0}, 0, 0},
    {{20, 12000, 64}, {"DepthwiseConv2D", 0, 7, 1, SAME, 0, 0}, 10, 0},
    {{20, 12000, 64}, {"SeparableConv2D", 64, 63, 1, SAME, 0, 0}, 0, 0},
    {{20, 12000, 64}, {"SeparableConv2D", 1024, 3, 1, SAME, 0, 0}, 0, 0},
    {{19, 19, 728}, {"SeparableConv2D", 1024, 3, 1, SAME, 0, 0}, 2, 0},
    {{40, 3000, 3}, {"Conv2DTranspose", 64, 63, 1, SAME, 0, 0}, 0, 0},
    {{20, 1000, 512}, {"Conv2DTranspose", 512, 3, 2, SAME, 0, 0}, 0, 0},
};

/* Vector steps of KERNEL_LANES multiply-adds of the group's first layer. */
static double steps_of_part(const struct layer_plan *plan)
{
    const struct extent out = shape_extent(&plan->out), *tile = &plan->tile;
    const double share = fmin(1, (double)tile->height / (double)out.height) *
                         fmin(1, (double)tile->width / (double)out.width) *
                         fmin(1, (double)tile->channels / (double)out.channels);

    /* with memory that is shared, the last pass multiplies */
    return (plan->shared ? 1 / (double)plan->passes[LAYER_PASSES - 1] : share) *
           plan->macs / KERNEL_LANES;
}

static double steps_of_extreme(size_t i, struct arena *arena)
{
    const struct shape in =
        SHAPE(extremes[i].shape[0], extremes[i].shape[1], extremes[i].shape[2]);
    const struct link pool = {.kind = "MaxPooling2D", .pool = extremes[i].pool};
    const struct stage_request wanted[2] = {{0}, {.output = true}};
    struct layer layers[2];
    struct network network = {extremes[i].pool ? 2 : 1, layers};
    struct plan plan;
    struct error err;

    set_link(&layers[0], &extremes[i].link, 0);
    if (extremes[i].pool)
        set_link(&layers[1], &pool, 1);
    error_init(&err);
    arena_reset(arena, ARENA);
    cr_assert(
        network_plan(&network, &in, wanted, 1, &limits_default, arena, &plan, &err),
        "%zu: %s", i, err.detail);
    return steps_of_part(&plan.layers[0]) /
           (extremes[i].saved > 0 ? extremes[i].saved : 1);
}

Test(group, no_part_takes_long)
{
    struct arena arena;

    cr_assert(arena_init(&arena, ARENA));
    for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++)
        cr_assert_leq(steps_of_extreme(i, &arena), 4.01 * LAYER_STEPS_MAX,
                      "%s of row %zu", extremes[i].link.kind, i);
    arena_release(&arena);
}

/* Of whole rows, and of the passes before. */
static size_t parts_of(const struct layer_plan *plan)
{
    size_t parts = (plan->out.dim[0] + plan->tile.height - 1) / plan->tile.height;

    for (size_t pass = 0; pass < LAYER_PASSES; pass++)
        parts += plan->passes[pass];
    return parts;
}

/* No part more than were allowed, and nothing of the layers behind. */
Test(group, a_run_that_is_cancelled_stops_between_parts)
{
    const struct shape in = SHAPE(64, 64, 16);
    const struct stage_request wanted[2] = {{.output = true}, {.output = true}};
    static float input[64 * 64 * 16];
    struct layer layers[2];
    struct network network = {2, layers};
    struct arena arena;

    for (size_t i = 0; i < 2; i++)
        set_link(&layers[i], &(struct link){"Conv2D", 64, 3, 1, SAME, 0, 0}, i);
    cr_assert(arena_init(&arena, ARENA));
    for (size_t parts = 1; parts < 64; parts++) {
        size_t left = parts;
        const struct parallel some = cut_parallel(&left);
        struct plan plan;
        struct error err;

        arena_reset(&arena, ARENA);
        const bool done = run(&network, &in, input, wanted, kernels_find(NULL), &some,
                              &arena, &plan, &err);
        const size_t packing = plan.layers[0].pack_parts + plan.layers[1].pack_parts;
        const size_t first = packing + parts_of(&plan.layers[0]);
        const size_t all = first + parts_of(&plan.layers[1]);
        cr_assert(packing == 4 && first > 9 && all > first + 5 && all < 60,
                  "%zu, %zu, %zu parts", packing, first, all);
        cr_assert_eq(done, parts > all, "%zu parts", parts);
        cr_assert_eq(plan.layers[0].output.values != NULL, parts > first);
        cr_assert_eq(plan.layers[1].output.values != NULL, done);
        if (!done)
            cr_assert_eq(err.code, ERROR_CLIENT_CLOSED);
    }
    arena_release(&arena);
}
