/*
 * conv_winograd.c - 3x3 convolutions over deep maps, by Winograd's F(4x4, 3x3).
 *
 * The map is cut into tiles of 4x4 outputs. Each is transformed to 36 values a channel,
 * which go to as many planes; each plane is multiplied with its matrix of transformed
 * weights; and the products are transformed back. That is a quarter of the definition's
 * products.
 *
 * Where the planes of the whole map are not too large, all parts share them: the tiles
 * are transformed once, and each plane and its weights, which are many there, are read
 * once. Else each part has planes of its own.
 *
 * Error: with the points of kernels_winograd.h at most some 5e-6 of the largest output
 * (measured against double precision over 16 to 512 channels; the definition's own
 * order has 3e-6). An infinity, a NaN or a number of 2^48 and more would spread over
 * its tile, so a row of tiles whose input holds one is computed by the definition, from
 * the weights as they are; so is all of a layer with such weights.
 */
#include "engine/conv_panels.h"

#include <math.h>
#include <string.h>

enum {
    TILE = 4,
    WINDOW = 6,
    POSITIONS = WINDOW * WINDOW,
    CHANNELS_MIN = 16,
    FILTERS_MIN = 32,
    TILES = 56,     /* of a part with planes of its own: they pay for the weights */
    TILES_MIN = 14, /* a register block */
    TILES_FEW = 4,  /* of the whole map: 8x8 cells */
    WEIGHTS_NEAR = 1 << 20,  /* floats of transformed weights */
    FILTERS_PART = 128,      /* splitting filters repeats the transform of the input */
    SHARED_MAX = 4 << 20,    /* floats of planes that are shared */
    STEPS_MIN = 1 << 17,     /* of a part of the products: some 40 us */
    TRANSFORM_STEPS = 192,   /* of a vector of channels of a tile, either way */
    HEADER = KERNEL_LANES,   /* packed[0]: whether the weights are tame */
    PACKED = 4 * CONV_PANEL, /* floats of a position that are packed at a time */
    PACK_CHANNELS = 512,     /* of a part of the packing: some 5 ms */
};

static size_t count_tiles(size_t cells)
{
    return size_parts(cells, TILE);
}

/* Weights that no cache holds are fetched for each run, and four times as many as the
 * definition has: of 512 channels 38 MB instead of 9. Over few tiles that takes longer
 * than the products that it saves. */
static bool pays(const struct conv_shape *s)
{
    const size_t tiles = count_tiles(s->out.height) * count_tiles(s->out.width);

    return tiles > TILES_FEW ||
           POSITIONS * s->in.channels * s->out.channels <= WEIGHTS_NEAR;
}

static bool fits(const struct conv_shape *s)
{
    return s->kh == 3 && s->kw == 3 && s->sy == 1 && s->sx == 1 && s->dy == 1 &&
           s->dx == 1 && s->groups == 1 && s->in.channels >= CHANNELS_MIN &&
           s->out.channels >= FILTERS_MIN && s->out.channels % KERNEL_LANES == 0 &&
           s->out.height >= TILE && s->out.width >= TILE && pays(s);
}

/* Tiles of a part: fewer where the map is so deep that they would take many times
 * CONV_STEPS_MAX. */
static size_t tiles_of(const struct conv_shape *s)
{
    const size_t filters =
        s->out.channels < FILTERS_PART ? s->out.channels : FILTERS_PART;
    const size_t most = 4 * (size_t)CONV_STEPS_MAX /
                        (POSITIONS * s->in.channels * filters / KERNEL_LANES);

    return most > TILES ? TILES : most < TILES_MIN ? TILES_MIN : most;
}

static struct extent tile_of(const struct conv_shape *s)
{
    const size_t across = count_tiles(s->out.width), down = count_tiles(s->out.height);
    const size_t tiles = tiles_of(s), columns = across <= 2 * tiles ? across : tiles;
    const size_t most = tiles / columns > 0 ? tiles / columns : 1;
    const size_t parts = size_parts(down, most);
    struct extent tile = {.height = size_parts(down, parts) * TILE,
                          .width = columns * TILE,
                          .channels = s->out.channels};

    if (tile.width > s->out.width)
        tile.width = s->out.width;
    const double steps = (double)POSITIONS * (double)(tile.height / TILE * columns) *
                         (double)s->in.channels * (double)s->out.channels /
                         KERNEL_LANES;
    if (steps > CONV_STEPS_MAX && s->out.channels > FILTERS_PART)
        tile.channels = FILTERS_PART;
    return tile;
}

/* Floats from one position's weights to the next's: an odd number of vectors. A power
 * of two would put what is written at a time in the same few sets of the cache. */
static size_t weights_plane(const struct conv_shape *s)
{
    return s->in.channels * s->out.channels + KERNEL_LANES;
}

/* The planes of some tiles, and in front of them, for each row of tiles, whether it is
 * left to the definition. */
struct planes {
    size_t across, down, tiles;
    size_t pitch; /* as in struct winograd_call */
    size_t in_plane, out_plane;
    float *wild, *in, *out;
};

static size_t plane_floats(size_t tiles, size_t channels)
{
    return size_whole(channels, KERNEL_LANES) * tiles | KERNEL_LANES;
}

static struct planes planes_of(const struct conv_shape *s, size_t height, size_t width,
                               size_t filters)
{
    struct planes p = {.across = count_tiles(width), .down = count_tiles(height)};

    p.tiles = p.across * p.down;
    p.pitch = p.tiles * KERNEL_LANES;
    p.in_plane = plane_floats(p.tiles, s->in.channels);
    p.out_plane = plane_floats(p.tiles, filters);
    return p;
}

static size_t planes_size(const struct planes *p)
{
    return size_whole(p->down, KERNEL_LANES) + POSITIONS * (p->in_plane + p->out_plane);
}

static void planes_place(struct planes *p, float *memory)
{
    p->wild = memory;
    p->in = memory + size_whole(p->down, KERNEL_LANES);
    p->out = p->in + POSITIONS * p->in_plane;
}

/* The cells under a row of tiles. */
static size_t copy_size(const struct conv_shape *s, size_t width)
{
    return size_whole(WINDOW * (count_tiles(width) * TILE + 2) * s->in.channels,
                      KERNEL_LANES);
}

static struct conv_needs needs(const struct conv_shape *s)
{
    const struct extent tile = tile_of(s);
    const struct planes p = planes_of(s, tile.height, tile.width, tile.channels);

    return (struct conv_needs){
        .packed = HEADER + s->out.channels + POSITIONS * weights_plane(s),
        .pack_parts = size_parts(s->out.channels, CONV_PANEL) *
                      size_parts(s->in.channels, PACK_CHANNELS),
        .scratch = copy_size(s, tile.width) + planes_size(&p),
        .tile = tile,
    };
}

/* One number for each filter of a panel. */
typedef double panel[CONV_PANEL];

/* G g: three weights of a line to six values. */
static void transform_line(panel *g, size_t step, panel *to)
{
    const double a = 0.70710678118654752440, b = 1.41421356237309504880;

    for (size_t f = 0; f < CONV_PANEL; f++) {
        const double g0 = g[0][f], g1 = g[step][f], g2 = g[2 * step][f];
        const double near = (g0 + 0.5 * g2) * (-2.0 / 3), near_odd = g1 * (a * -2 / 3);
        const double far = (g0 + 2 * g2) * (1.0 / 6), far_odd = g1 * (b / 6);
        to[0][f] = g0;
        to[1][f] = near + near_odd;
        to[2][f] = near - near_odd;
        to[3][f] = far + far_odd;
        to[4][f] = far - far_odd;
        to[5][f] = g2;
    }
}

/* The filters of a panel over one channel, to its place in each position: in double
 * precision, rounded once. */
static void transform_weights(const float *kernel, size_t tap, size_t width,
                              float to[POSITIONS][PACKED], size_t at)
{
    panel g[9] = {{0}}, half[3 * WINDOW], line[WINDOW];

    for (size_t i = 0; i < 9; i++)
        for (size_t f = 0; f < width; f++)
            g[i][f] = (double)kernel[i * tap + f];
    for (size_t y = 0; y < 3; y++)
        transform_line(g + y * 3, 1, half + y * WINDOW);
    for (size_t x = 0; x < WINDOW; x++) {
        transform_line(half + x, WINDOW, line);
        for (size_t y = 0; y < WINDOW; y++)
            for (size_t f = 0; f < width; f++)
                to[y * WINDOW + x][at + f] = (float)line[y][f];
    }
}

static bool are_tame(const float *kernel, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(kernel[i]) < 0x1p48f))
            return false;
    return true;
}

/* The header, the biases, then for each position panels of [channel][filter]. */
static void pack(const struct conv_shape *s, const float *kernel, const float *bias,
                 float *packed)
{
    const size_t filters = s->out.channels;

    packed[0] = are_tame(kernel, 9 * s->in.channels * filters);
    memset(packed + HEADER, 0, filters * sizeof *packed);
    if (bias)
        memcpy(packed + HEADER, bias, filters * sizeof *packed);
}

/* A panel over PACK_CHANNELS, some at a time: the positions lie far apart. */
static void pack_part(const struct conv_shape *s, const float *kernel, size_t part,
                      float *packed)
{
    const size_t channels = s->in.channels, filters = s->out.channels;
    const size_t deep = size_parts(channels, PACK_CHANNELS);
    const size_t first = part / deep * CONV_PANEL, top = part % deep * PACK_CHANNELS;
    const size_t width = size_least(filters - first, CONV_PANEL);
    const size_t last = size_least(top + PACK_CHANNELS, channels);
    float some[POSITIONS][PACKED];

    packed += HEADER + filters + first * channels + top * width;
    for (size_t c = top, n; c < last; c += n, packed += n * width) {
        n = size_least(last - c, PACKED / CONV_PANEL);
        for (size_t k = 0; k < n; k++)
            transform_weights(kernel + (c + k) * filters + first, channels * filters,
                              width, some, k * width);
        for (size_t i = 0; i < POSITIONS; i++)
            memcpy(packed + i * weights_plane(s), some[i], n * width * sizeof *packed);
    }
}

/* One row of tiles, by the definition, from the weights as Keras has them. */
static void run_definition(const struct conv_call *call, const struct box *box,
                           const float *copy, size_t columns)
{
    const struct conv_shape *s = call->shape;
    const size_t pitch = columns * s->in.channels, run = 3 * s->in.channels;
    const struct filters_run runs[] = {
        {0, run}, {(ptrdiff_t)pitch, run}, {(ptrdiff_t)(2 * pitch), run}};

    for (size_t y = box->top; y < box->bottom; y++)
        call->kernels->convolve_filters(&(struct filters_call){
            .out = conv_method_out(call, y, box->left) + box->first,
            .out_step = s->out.channels,
            .in = copy + (y - box->top) * pitch,
            .in_step = s->in.channels,
            .runs = runs,
            .n_runs = 3,
            .weights = call->kernel + box->first,
            .weight_step = s->out.channels,
            .bias = call->packed + HEADER + box->first,
            .floor = call->floor,
            .filters = box->last - box->first,
            .n = box->right - box->left,
        });
}

static bool tame_weights(const struct conv_call *call)
{
    return call->packed[0] != 0;
}

/* The row of tiles under output row y of a box, as row `row` of the planes. */
static void transform_in(const struct conv_call *call, const struct planes *p,
                         const struct box *box, size_t y, size_t row)
{
    const size_t channels = call->shape->in.channels, columns = p->across * TILE + 2;
    float *copy = call->scratch;

    p->wild[row] = 1;
    if (!tame_weights(call))
        return;
    conv_method_copy(call, y, box->left, WINDOW, columns, channels, copy);
    if (!call->kernels->tame(copy, WINDOW * columns * channels))
        return;
    p->wild[row] = 0;
    call->kernels->winograd_in(&(struct winograd_call){
        .map = copy,
        .map_pitch = columns * channels,
        .planes = p->in + row * p->across * KERNEL_LANES,
        .plane = p->in_plane,
        .pitch = p->pitch,
        .channels = channels,
        .tiles = p->across,
    });
}

/* The products of a plane with filters first to last - 1; the planes begin with filter
 * box->first. */
static void multiply(const struct conv_call *call, const struct planes *p, size_t plane,
                     size_t first, size_t last)
{
    const struct conv_shape *s = call->shape;
    const size_t channels = s->in.channels, all = s->out.channels;
    const float *weights = call->packed + HEADER + all + plane * weights_plane(s);

    for (size_t f = first, width; f < last && tame_weights(call); f += width) {
        width = all - f < CONV_PANEL ? all - f : CONV_PANEL;
        call->kernels->winograd_multiply(&(struct tiles_call){
            .out = p->out + plane * p->out_plane + (f - call->box.first) * p->tiles,
            .out_pitch = p->pitch,
            .in = p->in + plane * p->in_plane,
            .in_pitch = p->pitch,
            .weights = weights + f * channels,
            .soon = weights + (f + width < last ? f + width : f) * channels,
            .channels = channels,
            .filters = width,
            .tiles = p->tiles,
        });
    }
}

/* The other way: row `row` of the planes to output row y of the box and three more. */
static void transform_out(const struct conv_call *call, const struct planes *p,
                          const struct box *box, size_t y, size_t row)
{
    const struct conv_shape *s = call->shape;
    const size_t rows = box->bottom - y < TILE ? box->bottom - y : TILE;
    const size_t columns = p->across * TILE + 2;

    if (p->wild[row]) {
        struct box part = *box;
        part.top = y;
        part.bottom = y + rows;
        conv_method_copy(call, y, box->left, WINDOW, columns, s->in.channels,
                         call->scratch);
        run_definition(call, &part, call->scratch, columns);
        return;
    }
    call->kernels->winograd_out(&(struct winograd_call){
        .map = conv_method_out(call, y, box->left) + box->first,
        .map_pitch = s->out.width * s->out.channels,
        .map_step = s->out.channels,
        .planes = p->out + row * p->across * KERNEL_LANES,
        .plane = p->out_plane,
        .pitch = p->pitch,
        .channels = box->last - box->first,
        .tiles = p->across,
        .rows = rows,
        .columns = box->right - box->left,
        .bias = call->packed + HEADER + box->first,
        .floor = call->floor,
    });
}

static void run(const struct conv_call *call)
{
    const struct box *box = &call->box;
    const struct conv_shape *s = call->shape;
    const size_t width = box->right - box->left;
    struct planes p =
        planes_of(s, box->bottom - box->top, width, box->last - box->first);

    planes_place(&p, call->scratch + copy_size(s, width));
    for (size_t row = 0; row < p.down; row++)
        transform_in(call, &p, box, box->top + row * TILE, row);
    for (size_t i = 0; i < POSITIONS; i++)
        multiply(call, &p, i, box->first, box->last);
    for (size_t row = 0; row < p.down; row++)
        transform_out(call, &p, box, box->top + row * TILE, row);
}

/* ---- planes that are shared ---- */

/* How the passes are cut, by the plan alone. */
struct cut {
    size_t rows;            /* of tiles, of a part of either transform */
    size_t planes, filters; /* of a part of the products */
};

static struct cut cut_of(const struct conv_shape *s)
{
    const size_t across = count_tiles(s->out.width), down = count_tiles(s->out.height);
    const size_t channels = s->in.channels, filters = s->out.channels;
    const size_t vectors = (channels < filters ? channels : filters) / KERNEL_LANES;
    const double plane =
        (double)(across * down) * (double)channels * (double)(filters / KERNEL_LANES);
    const double planes = STEPS_MIN / plane, panels = CONV_STEPS_MAX / plane;
    struct cut cut = {
        .rows = layer_grain(down, (double)(TRANSFORM_STEPS * across * vectors)),
        .planes = planes < 1           ? 1
                  : planes > POSITIONS ? POSITIONS
                                       : (size_t)planes,
        .filters = filters};

    if (panels < 1)
        cut.filters = size_whole((size_t)((double)filters * panels) + 1, CONV_PANEL);
    return cut;
}

static bool share(const struct conv_shape *s, struct conv_shared *shared)
{
    const struct extent *out = &s->out;
    const struct planes p = planes_of(s, out->height, out->width, out->channels);
    const size_t floats = planes_size(&p);

    if (floats > SHARED_MAX)
        return false;
    const struct cut cut = cut_of(s);
    *shared =
        (struct conv_shared){.floats = floats,
                             .scratch = copy_size(s, out->width),
                             .tile = {.height = cut.rows * TILE,
                                      .width = out->width,
                                      .channels = out->channels},
                             .parts = {size_parts(count_tiles(out->height), cut.rows),
                                       size_parts(POSITIONS, cut.planes) *
                                           size_parts(out->channels, cut.filters)}};
    if (shared->tile.height > out->height)
        shared->tile.height = out->height;
    return true;
}

static struct planes shared_planes(const struct conv_call *call)
{
    const struct extent *out = &call->shape->out;
    struct planes p = planes_of(call->shape, out->height, out->width, out->channels);

    planes_place(&p, call->shared);
    return p;
}

static void prepare(const struct conv_call *call, size_t pass, size_t part)
{
    const struct planes p = shared_planes(call);
    const struct cut cut = cut_of(call->shape);
    const size_t filters = call->shape->out.channels;

    if (pass == 0) {
        const struct box whole = {0};
        for (size_t row = part * cut.rows; row < p.down && row < (part + 1) * cut.rows;
             row++)
            transform_in(call, &p, &whole, row * TILE, row);
        return;
    }
    const size_t ranges = size_parts(filters, cut.filters);
    const size_t first = part % ranges * cut.filters, i = part / ranges * cut.planes;
    const size_t last = first + cut.filters < filters ? first + cut.filters : filters;
    for (size_t plane = i; plane < POSITIONS && plane < i + cut.planes; plane++)
        multiply(call, &p, plane, first, last);
}

static void finish(const struct conv_call *call)
{
    const struct planes p = shared_planes(call);

    for (size_t y = call->box.top; y < call->box.bottom; y += TILE)
        transform_out(call, &p, &call->box, y, y / TILE);
}

const struct conv_method conv_winograd = {
    .fits = fits,
    .needs = needs,
    .pack = pack,
    .pack_part = pack_part,
    .run = run,
    .share = share,
    .prepare = prepare,
    .finish = finish,
};
