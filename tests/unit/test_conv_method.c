/*
 * test_conv_method.c - the methods of convolution, each called by itself where it fits:
 * the chain of fused adds to the bit (Winograd's: within its error), part by part as
 * well as at once, in the memory it said it needs.
 */
#include "tests/unit/kernel_case.h"

#include <stdio.h>

#include "engine/conv_method.h"

static const struct {
    const char *name;
    const struct conv_method *method;
    size_t rows, columns, filters; /* a part begins at a multiple of these */
} methods[] = {{"winograd", &conv_winograd, 4, 4, 32},
               {"channels", &conv_channels, 1, 1, SIZE_MAX},
               {"groups", &conv_groups, 1, 1, SIZE_MAX},
               {"columns", &conv_columns, 1, 1, SIZE_MAX},
               {"filters", &conv_filters, 1, 1, 32}};
enum { N_METHODS = sizeof methods / sizeof *methods, WINOGRAD = 0 };

/* A convolution, its numbers, and what should come out. */
struct problem {
    struct conv_shape shape;
    float *in, *kernel, *bias; /* bias may be NULL */
    float floor;
    size_t n_in, n_kernel, n_out;
    float *chain;  /* in the declared order */
    double *exact; /* of the definition */
    double scale;  /* the largest |exact| */
};

static float *floats(size_t n)
{
    float *memory = malloc((n + 1) * sizeof *memory);

    cr_assert_not_null(memory);
    return memory;
}

/* One input value under a window; 0 in the padding. */
static float input_at(const struct problem *p, size_t y, size_t x, size_t c)
{
    const struct conv_shape *s = &p->shape;

    if (y < s->top || y - s->top >= s->in.height || x < s->left ||
        x - s->left >= s->in.width)
        return 0;
    return p->in[((y - s->top) * s->in.width + x - s->left) * s->in.channels + c];
}

static struct sum sum_at(const struct problem *p, size_t y, size_t x, size_t f)
{
    const struct conv_shape *s = &p->shape;
    const size_t channels = s->in.channels / s->groups;
    const size_t group = f / (s->out.channels / s->groups);
    struct sum sum = sum_from(p->bias ? p->bias[f] : 0.0f);

    for (size_t ky = 0; ky < s->kh; ky++)
        for (size_t kx = 0; kx < s->kw; kx++)
            for (size_t c = 0; c < channels; c++)
                sum_add(&sum,
                        input_at(p, y * s->sy + ky * s->dy, x * s->sx + kx * s->dx,
                                 group * channels + c),
                        p->kernel[((ky * s->kw + kx) * channels + c) * s->out.channels +
                                  f]);
    return sum;
}

static void solve(struct problem *p)
{
    const struct extent *out = &p->shape.out;

    p->scale = 0;
    for (size_t i = 0; i < p->n_out; i++) {
        const size_t f = i % out->channels, cell = i / out->channels;
        const struct sum sum = sum_at(p, cell / out->width, cell % out->width, f);
        p->chain[i] = sum_end(&sum, p->floor);
        p->exact[i] = fmax((double)p->floor, sum.exact);
        p->scale = fmax(p->scale, fabs(sum.exact));
    }
}

static void problem_init(struct problem *p, const struct conv_shape *s, bool bias,
                         uint64_t seed)
{
    *p = (struct problem){.shape = *s, .floor = seed % 3 ? -INFINITY : 0.0f};
    p->n_in = s->in.height * s->in.width * s->in.channels;
    p->n_kernel = conv_method_taps(s) * s->out.channels;
    p->n_out = s->out.height * s->out.width * s->out.channels;
    p->in = guarded_floats(p->n_in);
    p->kernel = guarded_floats(p->n_kernel);
    p->bias = bias ? guarded_floats(s->out.channels) : NULL;
    p->chain = floats(p->n_out);
    p->exact = malloc(p->n_out * sizeof *p->exact);
    cr_assert_not_null(p->exact);
    fill_random(p->in, p->n_in, 4, seed);
    fill_random(p->kernel, p->n_kernel, 1, seed + 1);
    if (bias)
        fill_random(p->bias, s->out.channels, 1, seed + 2);
    solve(p);
}

static void unmap(float *x, size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t pages = (n * sizeof *x + page - 1) / page;

    munmap((char *)x + n * sizeof *x - pages * page, (pages + 1) * page);
}

static void problem_release(struct problem *p)
{
    unmap(p->in, p->n_in);
    unmap(p->kernel, p->n_kernel);
    if (p->bias)
        unmap(p->bias, p->shape.out.channels);
    free(p->chain);
    free(p->exact);
}

/* ---- calling a method ---- */

enum { MARGIN = 64 };
static const float canary = -1234.5e30f;

/* Memory of exactly n floats, all NaN, with canaries before and an unmapped page
 * behind. It holds indices too, so n is made even. */
static float *watched(size_t *n)
{
    *n += *n % 2;
    float *memory = guarded_floats(*n + MARGIN) + MARGIN;

    for (size_t i = 0; i < MARGIN; i++)
        memory[(ptrdiff_t)i - MARGIN] = canary;
    for (size_t i = 0; i < *n; i++)
        memory[i] = NAN;
    return memory;
}

static void release_watched(float *memory, size_t n, const char *what)
{
    for (size_t i = 1; i <= MARGIN; i++)
        cr_assert_eq(memory[-(ptrdiff_t)i], canary, "%s: float -%zu written", what, i);
    unmap(memory - MARGIN, n + MARGIN);
}

/* The rows of input that some window of the box touches; Winograd's tiles are whole. */
static void rows_of(const struct conv_shape *s, const struct box *box, size_t unit,
                    size_t *low, size_t *high)
{
    const size_t rows = (box->bottom - box->top + unit - 1) / unit * unit;
    const size_t first = box->top * s->sy, end = first + conv_method_rows(s, rows);

    *low = first > s->top ? first - s->top : 0;
    *high = end > s->top ? end - s->top : 0;
    if (*high > s->in.height)
        *high = s->in.height;
    if (*low > *high)
        *low = *high;
}

/* One part, from a copy of the rows of input that it needs and no others, with scratch
 * memory that holds nothing useful. */
static void run_part(const struct problem *p, size_t m, const struct kernels *kernels,
                     const float *packed, const struct box *box, float *out)
{
    const struct conv_shape *s = &p->shape;
    const size_t row = s->in.width * s->in.channels;
    size_t n_scratch = methods[m].method->needs(s).scratch, low, high;
    float *scratch = watched(&n_scratch);

    rows_of(s, box, methods[m].rows, &low, &high);
    const size_t n_in = (high - low) * row;
    float *in = guarded_floats(n_in);
    if (n_in)
        memcpy(in, p->in + low * row, n_in * sizeof *in);
    methods[m].method->run(&(struct conv_call){
        .shape = s,
        .kernels = kernels,
        .packed = packed,
        .kernel = p->kernel,
        .in = in,
        .out = out + box->top * s->out.width * s->out.channels,
        .in_top = low,
        .out_top = box->top,
        .box = *box,
        .floor = p->floor,
        .scratch = scratch,
    });
    unmap(in, n_in);
    release_watched(scratch, n_scratch, methods[m].name);
}

/* The next edge of a part: a multiple of unit after at, at most `most` away; any if
 * odd, else the furthest. */
static size_t next_edge(size_t at, size_t end, size_t most, size_t unit, bool odd,
                        uint64_t *seed)
{
    if (unit == SIZE_MAX || most == 0)
        most = end;
    if (odd && unit != SIZE_MAX && most / unit > 1)
        most = unit * (size_t)draw(seed, 1, (int)(most / unit));
    return end - at > most ? at + most : end;
}

/* The whole output in parts as planned, or odd ones, the last first. */
static void run_boxes(const struct problem *p, size_t m, const struct kernels *kernels,
                      const float *packed, bool odd, uint64_t seed, float *out)
{
    const struct extent *map = &p->shape.out;
    const struct extent tile = methods[m].method->needs(&p->shape).tile;
    const size_t unit = p->shape.groups > 1 ? SIZE_MAX : methods[m].filters;
    struct box box = {0};

    for (; box.top < map->height; box.top = box.bottom) {
        box.bottom =
            next_edge(box.top, map->height, tile.height, methods[m].rows, odd, &seed);
        for (box.left = 0; box.left < map->width; box.left = box.right) {
            box.right = next_edge(box.left, map->width, tile.width, methods[m].columns,
                                  odd, &seed);
            for (box.first = 0; box.first < map->channels; box.first = box.last) {
                box.last = next_edge(box.first, map->channels, tile.channels, unit, odd,
                                     &seed);
                run_part(p, m, kernels, packed, &box, out);
            }
        }
    }
}

/* By passes over shared memory, the last part first, in exactly that memory. */
static void run_shared(const struct problem *p, const struct conv_shared *shared,
                       const struct kernels *kernels, const float *packed, float *out)
{
    const struct conv_method *method = &conv_winograd;
    const struct extent *map = &p->shape.out;
    size_t n = shared->floats, n_scratch = shared->scratch;
    struct conv_call call = {.shape = &p->shape,
                             .kernels = kernels,
                             .packed = packed,
                             .kernel = p->kernel,
                             .in = p->in,
                             .out = out,
                             .floor = p->floor,
                             .scratch = watched(&n_scratch),
                             .shared = watched(&n)};

    for (size_t pass = 0; pass < LAYER_PASSES; pass++)
        for (size_t part = shared->parts[pass]; part-- > 0;)
            method->prepare(&call, pass, part);
    for (size_t y = 0; y < map->height; y = call.box.bottom) {
        call.box =
            (struct box){y, y + shared->tile.height, 0, map->width, 0, map->channels};
        if (call.box.bottom > map->height)
            call.box.bottom = map->height;
        method->finish(&call);
    }
    release_watched(call.scratch, n_scratch, "scratch");
    release_watched(call.shared, n, "shared");
}

static void pack_all(const struct conv_method *method, const struct problem *p,
                     float *packed)
{
    method->pack(&p->shape, p->kernel, p->bias, packed);
    for (size_t i = method->needs(&p->shape).pack_parts; i > 0; i--)
        method->pack_part(&p->shape, p->kernel, i - 1, packed);
}

/* The other way to run, where there is one: the same bits. */
static void check_shared(const struct problem *p, size_t m, const float *want)
{
    const struct conv_method *method = methods[m].method;
    struct conv_shared shared;

    if (!method->share || !method->share(&p->shape, &shared))
        return;
    size_t n_packed = method->needs(&p->shape).packed;
    float *packed = watched(&n_packed), *out = floats(p->n_out);
    pack_all(method, p, packed);
    for (size_t k = 0; kernels_nth(k); k++) {
        for (size_t i = 0; i < p->n_out; i++)
            out[i] = canary;
        run_shared(p, &shared, kernels_nth(k), packed, out);
        cr_assert(same_bits(want, out, p->n_out), "%s on %s, shared", methods[m].name,
                  kernels_nth(k)->name);
    }
    release_watched(packed, n_packed, methods[m].name);
    free(out);
}

/* Every table of kernels, in parts as planned and, where that should change nothing, in
 * odd ones. out holds the bits that all agreed on. */
static void run_method(const struct problem *p, size_t m, bool split, uint64_t seed,
                       float *out)
{
    size_t n_packed = methods[m].method->needs(&p->shape).packed;
    float *packed = watched(&n_packed), *again = floats(p->n_out);

    pack_all(methods[m].method, p, packed);
    for (size_t k = 0; kernels_nth(k); k++)
        for (int odd = 0; odd <= split; odd++) {
            float *to = k == 0 && !odd ? out : again;
            for (size_t i = 0; i < p->n_out; i++)
                to[i] = canary;
            run_boxes(p, m, kernels_nth(k), packed, odd, seed, to);
            cr_assert(same_bits(out, to, p->n_out), "%s on %s, %s parts, seed %zu",
                      methods[m].name, kernels_nth(k)->name, odd ? "odd" : "its",
                      (size_t)seed);
        }
    release_watched(packed, n_packed, methods[m].name);
    free(again);
    check_shared(p, m, out);
}

static bool fits(size_t m, const struct conv_shape *s)
{
    return !methods[m].method->fits || methods[m].method->fits(s);
}

/* 3x3 windows over a square map, as deep as the output is. */
static bool fits_winograd(size_t cells, size_t channels)
{
    const struct extent map = {.channels = channels, .height = cells, .width = cells};
    const struct conv_shape s = {.in = map,
                                 .out = map,
                                 .kh = 3,
                                 .kw = 3,
                                 .sy = 1,
                                 .sx = 1,
                                 .dy = 1,
                                 .dx = 1,
                                 .top = 1,
                                 .left = 1,
                                 .groups = 1,
                                 .padded = true};

    return conv_method_of(&s) == &conv_winograd;
}

Test(conv_method, few_tiles_do_not_pay_for_many_transformed_weights)
{
    cr_assert(fits_winograd(8, 128));
    cr_assert(!fits_winograd(8, 256));
    cr_assert(!fits_winograd(7, 512));
    cr_assert(fits_winograd(9, 512));
}

/* ---- against the definition ---- */

/* The largest error in units of the largest output. */
static double error_of(const struct problem *p, const float *out)
{
    double worst = 0;

    for (size_t i = 0; i < p->n_out; i++) {
        cr_assert_not(isnan(out[i]), "output %zu of %zu", i, p->n_out);
        worst = fmax(worst, fabs((double)out[i] - p->exact[i]) / p->scale);
    }
    return worst;
}

static void check_methods(const struct problem *p, uint64_t seed, size_t *ran)
{
    float *out = floats(p->n_out);

    for (size_t m = 0; m < N_METHODS; m++) {
        if (!fits(m, &p->shape))
            continue;
        run_method(p, m, true, seed, out);
        ran[m]++;
        if (m == WINOGRAD)
            cr_assert_lt(error_of(p, out), 2e-5, "seed %zu", (size_t)seed);
        else
            cr_assert(same_bits(p->chain, out, p->n_out), "%s, seed %zu",
                      methods[m].name, (size_t)seed);
    }
    free(out);
}

/* How far outputs reach over the input, and how many there are. */
static size_t outputs(size_t in, size_t pads, size_t kernel, size_t stride,
                      size_t dilation)
{
    const size_t extent = (kernel - 1) * dilation + 1;

    return in + pads < extent ? 0 : (in + pads - extent) / stride + 1;
}

/* Filters for `groups` groups: around the methods' limits, and beyond. */
static size_t draw_filters(uint64_t *seed, size_t groups)
{
    static const int most[] = {7, 8, 17, 40, 100};

    return groups * (size_t)draw(seed, 1, most[draw(seed, 0, 4)]);
}

static struct conv_shape any_shape(uint64_t *seed)
{
    struct conv_shape s = {.groups = (size_t)(draw(seed, 0, 2) ? 1 : draw(seed, 1, 4))};
    const bool dilated = draw(seed, 0, 3) == 0;
    const bool depthwise = draw(seed, 0, 3) == 0;

    s.in.channels = depthwise ? (size_t)draw(seed, 1, 40)
                              : s.groups * (size_t)draw(seed, 1, draw(seed, 2, 12));
    if (depthwise)
        s.groups = s.in.channels;
    s.out.channels = depthwise ? s.groups * (size_t)(1 + draw(seed, 0, 2) / 2)
                               : draw_filters(seed, s.groups);
    s.in.height = (size_t)draw(seed, 1, 24);
    s.in.width = (size_t)draw(seed, 1, 50);
    s.kh = (size_t)draw(seed, 1, 5);
    s.kw = (size_t)(draw(seed, 0, 1) ? (int)s.kh : draw(seed, 1, 7));
    s.sy = dilated ? 1 : (size_t)draw(seed, 1, 3);
    s.sx = dilated ? 1 : (size_t)draw(seed, 1, 4);
    s.dy = dilated ? (size_t)draw(seed, 1, 3) : 1;
    s.dx = dilated ? (size_t)draw(seed, 1, 3) : 1;
    return s;
}

/* A 3x3 window, every step one cell. */
static const struct conv_shape three = {
    .kh = 3, .kw = 3, .sy = 1, .sx = 1, .dy = 1, .dx = 1, .groups = 1};

static struct conv_shape deep_shape(uint64_t *seed)
{
    struct conv_shape s = three;

    s.in = (struct extent){(size_t)draw(seed, 4, 22), (size_t)draw(seed, 4, 40),
                           (size_t)draw(seed, 16, 40)};
    s.out.channels = 16 * (size_t)draw(seed, 2, 5);
    return s;
}

/* Groups with few filters, enough of them to fill a vector or nearly. */
static struct conv_shape grouped_shape(uint64_t *seed)
{
    struct conv_shape s = any_shape(seed);
    const size_t filters = (size_t)draw(seed, 1, 8);

    s.groups = (size_t)draw(seed, (int)(14 / filters + 1), (int)(60 / filters));
    s.in.channels = s.groups * (size_t)draw(seed, 1, (int)filters);
    s.out.channels = s.groups * filters;
    return s;
}

static struct conv_shape draw_shape(uint64_t round, uint64_t *seed)
{
    switch (round % 8) {
    case 0:
        return deep_shape(seed);
    case 4:
        return grouped_shape(seed);
    default:
        return any_shape(seed);
    }
}

/* Pads it at random; false if no window fits. */
static bool pad(struct conv_shape *s, uint64_t *seed)
{
    const bool some = draw(seed, 0, 2) > 0;
    size_t pads[4];

    for (size_t i = 0; i < 4; i++)
        pads[i] = some ? (size_t)draw(seed, 0, (int)(i < 2 ? s->kh : s->kw)) : 0;
    s->top = pads[0];
    s->left = pads[2];
    s->padded = pads[0] || pads[1] || pads[2] || pads[3];
    s->out.height = outputs(s->in.height, pads[0] + pads[1], s->kh, s->sy, s->dy);
    s->out.width = outputs(s->in.width, pads[2] + pads[3], s->kw, s->sx, s->dx);
    return s->out.height > 0 && s->out.width > 0;
}

Test(conv_method, every_method_is_the_definition)
{
    size_t ran[N_METHODS] = {0};

    for (uint64_t round = 0; round < 300; round++) {
        uint64_t seed = round * 7919;
        struct conv_shape s = draw_shape(round, &seed);
        struct problem p;

        if (!pad(&s, &seed))
            continue;
        problem_init(&p, &s, draw(&seed, 0, 3) > 0, round);
        check_methods(&p, round, ran);
        problem_release(&p);
    }
    for (size_t m = 0; m < N_METHODS; m++) {
        printf("  %-9s %zu convolutions\n", methods[m].name, ran[m]);
        cr_assert_gt(ran[m], 20, "%s", methods[m].name);
    }
}

/* Layers that are split along every axis: a wide map, many filters, deep windows. Then
 * one where the taps of a kernel row lie at 0, 3, 6, 1 and 4: no row of five, but so
 * long; and one where a long stride left a single column, that takes no step. */
static const struct conv_shape large[] = {
    {.in = {12, 20, 256}, .out = {0, 0, 256}, .kh = 3, .kw = 3},
    {.in = {31, 2400, 16}, .out = {0, 0, 16}, .kh = 31, .kw = 31, .groups = 16},
    {.in = {9, 70, 256}, .out = {0, 0, 256}, .kh = 3, .kw = 3, .groups = 64},
    {.in = {63, 1500, 1}, .out = {0, 0, 7}, .kh = 63, .kw = 63},
    {.in = {3, 900, 40}, .out = {0, 0, 40}, .kh = 3, .kw = 3, .sx = 2},
    {.in = {3, 40, 1500}, .out = {0, 0, 70}, .kh = 1, .kw = 1},
    {.in = {9, 8, 1}, .out = {0, 0, 1}, .kh = 5, .kw = 5, .sx = 3},
    {.in = {7, 5, 11}, .out = {0, 1, 19}, .kh = 1, .kw = 1},
};

Test(conv_method, large_layers_are_their_definitions_in_parts)
{
    size_t ran[N_METHODS] = {0};

    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        struct conv_shape s = large[i];
        struct problem p;

        s.sy = s.dy = s.dx = 1;
        s.sx = s.sx ? s.sx : 1;
        s.groups = s.groups ? s.groups : 1;
        s.out.height = outputs(s.in.height, 0, s.kh, 1, 1);
        if (s.out.width == 0)
            s.out.width = outputs(s.in.width, 0, s.kw, s.sx, 1);
        problem_init(&p, &s, true, i);
        check_methods(&p, i, ran);
        problem_release(&p);
    }
    for (size_t m = 0; m < N_METHODS; m++)
        cr_assert_gt(ran[m], 0, "%s", methods[m].name);
}

/* ---- Winograd's error ---- */

/* A padded 3x3 layer of 32 filters on a 4x12 map: one row of tiles. */
static void winograd_problem(struct problem *p, size_t channels, uint64_t seed)
{
    struct conv_shape s = three;

    s.in = (struct extent){4, 12, channels};
    s.out = (struct extent){4, 12, 32};
    s.top = s.left = 1;
    s.padded = true;
    problem_init(p, &s, true, seed);
    p->floor = -INFINITY;
}

/* What conv_winograd.c says of it, over inputs of either sign and of one. */
Test(conv_method, winograd_is_as_exact_as_it_says)
{
    double worst = 0;

    for (size_t channels = 16; channels <= 512; channels *= 2)
        for (int positive = 0; positive < 2; positive++) {
            double most = 0, chain = 0;
            for (uint64_t seed = 0; seed < 2; seed++) {
                struct problem p;
                float *out;

                winograd_problem(&p, channels, 3 * seed + 1);
                for (size_t i = 0; positive && i < p.n_in; i++)
                    p.in[i] = fabsf(p.in[i]);
                solve(&p);
                out = floats(p.n_out);
                run_method(&p, WINOGRAD, false, seed, out);
                most = fmax(most, error_of(&p, out));
                chain = fmax(chain, error_of(&p, p.chain));
                free(out);
                problem_release(&p);
            }
            printf("  %3zu channels, %-11s winograd %.1e, definition %.1e of the "
                   "largest output\n",
                   channels, positive ? "positive:" : "both signs:", most, chain);
            worst = fmax(worst, most);
        }
    cr_assert_lt(worst, 5e-6);
}

/* Its weights are packed in parts of 512 channels; sums of so many are less exact, by
 * the definition too. */
Test(conv_method, winograd_of_a_deep_map)
{
    struct problem p;

    winograd_problem(&p, 2052, 1);
    float *const out = floats(p.n_out);
    solve(&p);
    run_method(&p, WINOGRAD, false, 1, out);
    cr_assert_lt(error_of(&p, out), 1.5e-5);
    free(out);
    problem_release(&p);
}

/* ---- what Winograd leaves to the definition ---- */

static const float wild[] = {NAN, INFINITY, -INFINITY, 0x1p50f, -0x1p48f};
enum { N_WILD = sizeof wild / sizeof *wild };

/* One wild number anywhere under a row of tiles, its padding's neighbours too, and the
 * row is the definition to the bit; a number just below is none. */
Test(conv_method, winograd_leaves_wild_inputs_to_the_definition)
{
    for (size_t i = 0; i < 40; i++) {
        uint64_t seed = i;
        struct problem p;
        float *out;

        winograd_problem(&p, 16 + i % 3, 3 * i + 1);
        out = floats(p.n_out);
        p.in[draw(&seed, 0, (int)p.n_in - 1)] = wild[i % N_WILD];
        solve(&p);
        run_method(&p, WINOGRAD, false, i, out);
        cr_assert(same_bits(p.chain, out, p.n_out), "round %zu", i);

        p.in[draw(&seed, 0, (int)p.n_in - 1)] = 0; /* another, or the wild one */
        for (size_t k = 0; k < p.n_in; k++)
            p.in[k] = fabsf(p.in[k]) < 0x1p48f ? p.in[k] : -0x1.fffffep47f;
        solve(&p);
        run_method(&p, WINOGRAD, false, i, out);
        cr_assert_not(same_bits(p.chain, out, p.n_out), "round %zu", i);
        free(out);
        problem_release(&p);
    }
}

Test(conv_method, winograd_leaves_wild_weights_to_the_definition)
{
    for (size_t i = 0; i < 20; i++) {
        uint64_t seed = i;
        struct problem p;
        float *out;

        winograd_problem(&p, 17, 3 * i + 1);
        out = floats(p.n_out);
        run_method(&p, WINOGRAD, false, i, out);
        cr_assert_not(same_bits(p.chain, out, p.n_out), "round %zu", i);
        p.kernel[draw(&seed, 0, (int)p.n_kernel - 1)] = wild[i % N_WILD];
        solve(&p);
        run_method(&p, WINOGRAD, false, i, out);
        cr_assert(same_bits(p.chain, out, p.n_out), "round %zu", i);
        free(out);
        problem_release(&p);
    }
}

/* A NaN reaches the nine outputs whose windows hold it, and no part but those that read
 * it changes: 36 rows are at least two parts. */
Test(conv_method, a_nan_in_one_part_leaves_the_others_alone)
{
    enum { HEIGHT = 36, WIDTH = 60, CHANNELS = 16, FILTERS = 32, Y = 30, X = 50 };
    struct conv_shape s = three;
    s.in = (struct extent){HEIGHT, WIDTH, CHANNELS};
    s.out = (struct extent){HEIGHT, WIDTH, FILTERS};
    s.top = s.left = 1;
    s.padded = true;
    const struct extent tile = conv_winograd.needs(&s).tile;
    const size_t first = Y / tile.height * tile.height;
    struct problem p;

    problem_init(&p, &s, true, 1);
    float *before = floats(p.n_out), *after = floats(p.n_out);
    size_t n_packed = conv_winograd.needs(&s).packed;
    float *packed = watched(&n_packed);

    pack_all(&conv_winograd, &p, packed);
    run_boxes(&p, WINOGRAD, kernels_find(NULL), packed, false, 0, before);
    p.in[(Y * WIDTH + X) * CHANNELS + 3] = NAN;
    run_boxes(&p, WINOGRAD, kernels_find(NULL), packed, false, 0, after);
    for (size_t i = 0; i < p.n_out; i++) {
        const size_t x = i / FILTERS % WIDTH, y = i / FILTERS / WIDTH;
        cr_assert_eq(isnan(after[i]) != 0,
                     y + 1 >= Y && y <= Y + 1 && x + 1 >= X && x <= X + 1,
                     "row %zu, column %zu", y, x);
        if (y < first)
            cr_assert(same_bits(&before[i], &after[i], 1), "row %zu, column %zu", y, x);
    }
    cr_assert(first > 0 && first + tile.height >= HEIGHT, "parts of %zu rows",
              tile.height);
    release_watched(packed, n_packed, "packed");
    free(before);
    free(after);
    problem_release(&p);
}
