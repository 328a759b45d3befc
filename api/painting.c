/* painting.c - rows of samples become a tensor. */
#include "api/painting.h"

#include <string.h>

/* Rows and columns change places in the second half of them. */
static const struct {
    bool flip_x, flip_y;
} turns[9] = {
    [2] = {true, false}, [3] = {true, true}, [4] = {false, true},
    [6] = {false, true}, [7] = {true, true}, [8] = {true, false},
};

/* Put a row of an image that is not upright into its place, pixel for pixel. */
static void turn_row(const struct painting *p, size_t y, const float *row)
{
    const bool across = image_is_turned(p->info);
    const size_t channels = p->prepare.channels;
    const size_t height = p->out->shape.dim[0], width = p->out->shape.dim[1];
    const size_t columns = across ? height : width, rows = across ? width : height;
    const size_t to_y = turns[p->info->orientation].flip_y ? rows - 1 - y : y;

    for (size_t x = 0; x < columns; x++) {
        const size_t to_x = turns[p->info->orientation].flip_x ? columns - 1 - x : x;
        const size_t at = across ? to_x * width + to_y : to_y * width + to_x;
        memcpy(p->out->values + at * channels, row + x * channels,
               channels * sizeof *row);
    }
}

/* Columns of the tensor, as the file's rows lie. */
static size_t columns_of(const struct painting *p)
{
    return p->out->shape.dim[image_is_turned(p->info) ? 0 : 1];
}

/* Where row y is made: in its place, if the file is upright. */
static float *row_at(const struct painting *p, size_t y)
{
    return p->turned ? p->turned
                     : p->out->values + y * columns_of(p) * p->prepare.channels;
}

/* Row y, of the size that it is to have. */
static void finish_row(const struct painting *p, size_t y, const float *pixels)
{
    prepare_finish(&p->prepare, row_at(p, y), pixels, p->channels, columns_of(p));
    if (p->turned)
        turn_row(p, y, p->turned);
}

/* Whether the caches cannot keep the tensor, in the row's place, until it is read. */
static bool is_far(const struct painting *p)
{
    return !p->turned &&
           shape_elements(&p->out->shape) * sizeof *p->out->values >= KERNEL_FAR;
}

static void finish_samples(const struct painting *p, size_t y, const uint8_t *samples)
{
    prepare_samples(&p->prepare, row_at(p, y), samples, p->channels, columns_of(p),
                    is_far(p));
    if (p->turned)
        turn_row(p, y, p->turned);
}

static bool finish_resized(void *context, size_t y, float *pixels)
{
    const struct painting *p = context;

    if (p->multiply)
        prepare_divide_alpha(&p->prepare, pixels, p->channels, columns_of(p));
    finish_row(p, y, pixels);
    return !parallel_cancelled(p->parallel);
}

void painting_floats(const struct painting *p, size_t y, float *row, size_t channels)
{
    prepare_flatten(&p->prepare, row, channels, p->columns);
    if (!p->resize) {
        finish_row(p, y, row);
        return;
    }
    if (p->multiply)
        prepare_multiply_alpha(&p->prepare, row, p->channels, p->columns);
    resize_row(p->resize, row);
}

void painting_row(void *context, const struct pixel_row *row)
{
    const struct painting *p = context;
    const size_t n = p->columns * row->channels;
    const bool flat = row->channels == p->channels && row->channels % 2 == 1;

    if (row->u8 && flat && p->resize) {
        resize_row_u8(p->resize, row->u8);
    } else if (row->u8 && flat) {
        finish_samples(p, row->y, row->u8);
    } else {
        if (row->u8)
            p->prepare.kernels->widen(p->row, row->u8, n, 1, false);
        else
            for (size_t i = 0; i < n; i++)
                p->row[i] = (float)row->u16[i];
        painting_floats(p, row->y, p->row, row->channels);
    }
}

/* What the resize has to do, as the file's rows lie; false if nothing. */
static bool resize_sizes(const struct image_info *info, const struct options *options,
                         size_t channels, struct resize_sizes *sizes)
{
    const bool across = image_is_turned(info);
    const size_t from[2] = {info->height, info->width};

    *sizes = (struct resize_sizes){
        .method = options->resize_method,
        .from = {from[across], from[!across]},
        .channels = channels,
    };
    if (!OPTION_GIVEN(options, RESIZE))
        return false;
    sizes->to[0] = (size_t)options->resize[across];
    sizes->to[1] = (size_t)options->resize[!across];
    return sizes->to[0] != sizes->from[0] || sizes->to[1] != sizes->from[1];
}

bool painting_keeps_size(const struct image_info *info, const struct options *options)
{
    struct resize_sizes sizes;

    return !resize_sizes(info, options, 1, &sizes);
}

double painting_bytes(const struct image_info *info, const struct options *options,
                      size_t channels)
{
    const size_t side = info->width > info->height ? info->width : info->height;
    const size_t flat = info->format == IMAGE_NPY ? info->channels : 4;
    double h = (double)info->height, w = (double)info->width;
    struct resize_sizes sizes;
    double bytes = 8 * 2 * ARENA_ALIGN + (double)side * 4 * sizeof(float);

    if (resize_sizes(info, options, flat, &sizes)) {
        h = options->resize[0];
        w = options->resize[1];
        bytes += resize_bytes(&sizes);
    }
    if (info->orientation > 1)
        bytes += (h + w) * (double)channels * sizeof(float);
    return bytes;
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the image");
}

bool painting_init(struct painting *p, const struct image_info *info,
                   const struct options *options, const struct kernels *kernels,
                   float full, const struct parallel *parallel, struct tensor *out,
                   struct arena *arena, struct error *err)
{
    const size_t *dim = out->shape.dim;
    struct resize_sizes sizes;

    *p = (struct painting){.info = info, .out = out, .parallel = parallel};
    if (!prepare_init(&p->prepare, options, kernels, full, dim[2], err))
        return false;
    p->channels = prepare_flat_channels(&p->prepare, info->channels);
    const bool resized = resize_sizes(info, options, p->channels, &sizes);
    p->columns = sizes.from[1];
    p->multiply = options->resize_method != RESIZE_NEAREST;
    p->row = arena_take(arena, p->columns, 4 * sizeof *p->row);
    if (resized)
        p->resize = resize_new(&sizes, kernels, finish_resized, p, arena);
    if (info->orientation > 1)
        p->turned = arena_take(arena, dim[0] + dim[1], dim[2] * sizeof *p->turned);
    return (p->row && (!resized || p->resize) && (info->orientation <= 1 || p->turned))
               ? true
               : no_memory(err);
}
