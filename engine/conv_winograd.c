/*
 * conv_winograd.c - 3x3 convolutions over deep maps, by Winograd's F(4x4, 3x3).
 *
 * The map is cut into tiles of 4x4 outputs. Each is transformed to 36 values a channel,
 * one matrix [tile][channel] for each; each is multiplied with the matrix
 * [channel][filter] of transformed weights; and the products are transformed back. That
 * is a quarter of the definition's products.
 *
 * Error: with the points of kernels_winograd.h at most some 5e-6 of the largest output
 * (measured against double precision over 16 to 512 channels; the definition's own
 * order has 3e-6). An infinity, a NaN or a number of 2^48 and more would spread over
 * its tile, so a part whose input holds one is computed by the definition, from the
 * weights as they are; so is all of a layer with such weights.
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
    TILES = 56,            /* of a part: matrices that the second-level cache holds */
    TILES_MIN = 14,        /* a register block */
    FILTERS_PART = 128,    /* splitting filters repeats the transform of the input */
    HEADER = KERNEL_LANES, /* packed[0]: whether the weights are tame */
};

static bool fits(const struct conv_shape *s)
{
    return s->kh == 3 && s->kw == 3 && s->sy == 1 && s->sx == 1 && s->dy == 1 &&
           s->dx == 1 && s->groups == 1 && s->in.channels >= CHANNELS_MIN &&
           s->out.channels >= FILTERS_MIN && s->out.channels % KERNEL_LANES == 0 &&
           s->out.height >= TILE && s->out.width >= TILE;
}

static size_t count_tiles(size_t cells)
{
    return (cells + TILE - 1) / TILE;
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
    const size_t parts = (down + most - 1) / most;
    struct extent tile = {.height = (down + parts - 1) / parts * TILE,
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

/* Floats from one tile's channels to the next's: an odd number of vectors. A power of
 * two would put all tiles of a register block in the same few sets of the cache. */
static size_t pitch_of(size_t channels)
{
    return conv_round_up(channels, KERNEL_LANES) | KERNEL_LANES;
}

/* Floats from one position's weights to the next's; likewise. */
static size_t weights_plane(const struct conv_shape *s)
{
    return s->in.channels * s->out.channels + KERNEL_LANES;
}

/* Floats of the pieces of scratch memory for a box of this size. */
struct pieces {
    size_t copy, in, out;
};

static struct pieces pieces_of(const struct conv_shape *s, size_t height, size_t width,
                               size_t filters)
{
    const size_t across = count_tiles(width), down = count_tiles(height);
    const size_t tiles = across * down;

    return (struct pieces){
        .copy = conv_round_up((down * TILE + 2) * (across * TILE + 2) * s->in.channels,
                              KERNEL_LANES),
        .in = POSITIONS * tiles * pitch_of(s->in.channels),
        .out = POSITIONS * tiles * pitch_of(filters),
    };
}

static struct conv_needs needs(const struct conv_shape *s)
{
    const struct extent tile = tile_of(s);
    const struct pieces p = pieces_of(s, tile.height, tile.width, tile.channels);

    return (struct conv_needs){
        .packed = HEADER + s->out.channels + POSITIONS * weights_plane(s),
        .scratch = p.copy + p.in + p.out,
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

/* The filters of a panel over one channel: in double precision, rounded once. */
static void transform_panel(const float *kernel, size_t tap, size_t width, float *to,
                            size_t plane)
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
                to[(y * WINDOW + x) * plane + f] = (float)line[y][f];
    }
}

static bool tame_weights(const float *kernel, size_t n)
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
    const size_t channels = s->in.channels, filters = s->out.channels;
    const size_t tap = channels * filters;

    packed[0] = tame_weights(kernel, 9 * tap);
    packed += HEADER;
    memset(packed, 0, filters * sizeof *packed);
    if (bias)
        memcpy(packed, bias, filters * sizeof *packed);
    packed += filters;
    for (size_t first = 0, width; first < filters; first += width) {
        width = filters - first < CONV_PANEL ? filters - first : CONV_PANEL;
        for (size_t c = 0; c < channels; c++)
            transform_panel(kernel + c * filters + first, tap, width,
                            packed + first * channels + c * width, weights_plane(s));
    }
}

/* The definition, from the weights as Keras has them. */
static void run_definition(const struct conv_call *call, const float *copy,
                           size_t columns)
{
    const struct conv_shape *s = call->shape;
    const size_t pitch = columns * s->in.channels, run = 3 * s->in.channels;
    const struct filters_run runs[] = {
        {0, run}, {(ptrdiff_t)pitch, run}, {(ptrdiff_t)(2 * pitch), run}};

    for (size_t y = call->box.top; y < call->box.bottom; y++)
        call->kernels->convolve_filters(&(struct filters_call){
            .out = conv_method_out(call, y, call->box.left) + call->box.first,
            .out_step = s->out.channels,
            .in = copy + (y - call->box.top) * pitch,
            .in_step = s->in.channels,
            .runs = runs,
            .n_runs = 3,
            .weights = call->kernel + call->box.first,
            .weight_step = s->out.channels,
            .bias = call->packed + HEADER + call->box.first,
            .floor = call->floor,
            .filters = call->box.last - call->box.first,
            .n = call->box.right - call->box.left,
        });
}

/* products[position][tile][filter] of a range of filters. */
static void multiply(const struct conv_call *call, const float *in, float *products,
                     size_t tiles)
{
    const struct conv_shape *s = call->shape;
    const size_t channels = s->in.channels, all = s->out.channels;
    const size_t filters = call->box.last - call->box.first;
    const size_t in_pitch = pitch_of(channels), out_pitch = pitch_of(filters);
    const float *weights = call->packed + HEADER + all;
    static const float zeros[CONV_PANEL] = {0};

    for (size_t i = 0; i < POSITIONS; i++) {
        const struct filters_run run = {0, channels};
        for (size_t f = 0, width; f < filters; f += width) {
            const size_t first = call->box.first + f;
            width = all - first < CONV_PANEL ? all - first : CONV_PANEL;
            call->kernels->convolve_filters(&(struct filters_call){
                .out = products + i * tiles * out_pitch + f,
                .out_step = out_pitch,
                .in = in + i * tiles * in_pitch,
                .in_step = in_pitch,
                .runs = &run,
                .n_runs = 1,
                .weights = weights + i * weights_plane(s) + first * channels,
                .weight_step = width,
                .bias = zeros,
                .floor = -INFINITY,
                .filters = width,
                .n = tiles,
            });
        }
    }
}

static void run(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    const struct box *box = &call->box;
    const size_t height = box->bottom - box->top, width = box->right - box->left;
    const size_t filters = box->last - box->first;
    const size_t across = count_tiles(width), down = count_tiles(height);
    const size_t columns = across * TILE + 2, rows = down * TILE + 2;
    const struct pieces p = pieces_of(s, height, width, filters);
    float *copy = call->scratch, *in = copy + p.copy, *out = in + p.in;

    conv_method_copy(call, box->top, box->left, rows, columns, s->in.channels, copy);
    if (call->packed[0] == 0 ||
        !call->kernels->tame(copy, rows * columns * s->in.channels)) {
        run_definition(call, copy, columns);
        return;
    }

    struct winograd_call part = {
        .map_pitch = columns * s->in.channels,
        .plane = across * down * pitch_of(s->in.channels),
        .pitch = pitch_of(s->in.channels),
        .channels = s->in.channels,
        .tiles = across,
    };
    for (size_t y = 0; y < down; y++) {
        part.map = copy + y * TILE * part.map_pitch;
        part.planes = in + y * across * part.pitch;
        call->kernels->winograd_in(&part);
    }
    multiply(call, in, out, across * down);

    part.map_pitch = s->out.width * s->out.channels;
    part.map_step = s->out.channels;
    part.pitch = pitch_of(filters);
    part.plane = across * down * part.pitch;
    part.channels = filters;
    part.columns = width;
    part.bias = call->packed + HEADER + box->first;
    part.floor = call->floor;
    for (size_t y = 0; y < down; y++) {
        part.map = conv_method_out(call, box->top + y * TILE, box->left) + box->first;
        part.planes = out + y * across * part.pitch;
        part.rows = height - y * TILE < TILE ? height - y * TILE : TILE;
        call->kernels->winograd_out(&part);
    }
}

const struct conv_method conv_winograd = {fits, needs, pack, run};
