/* pool.c - pooling layers. */
#include "engine/pool.h"

#include <math.h>

#include "engine/kernels.h"
#include "engine/size.h"
#include "engine/window.h"

/* The stride of a pool defaults to its size. */
static void strides_of(const struct layer *layer, int strides[2])
{
    for (size_t i = 0; i < 2; i++)
        strides[i] = layer->strides[i] ? layer->strides[i] : layer->pool_size[i];
}

bool pool2d_infer(const struct layer *layer, struct layer_plan *plan, struct error *err)
{
    static const int dilation[2] = {1, 1};
    struct window axes[2];
    int strides[2];

    strides_of(layer, strides);
    if (!window_infer(layer, layer->pool_size, strides, dilation, "pool_size", plan,
                      axes, err))
        return false;
    plan->out = SHAPE(axes[0].out, axes[1].out, plan->in.dim[2]);
    plan->scratch = plan->in.dim[1] * plan->in.dim[2];
    plan->row_cost = (double)plan->scratch * (double)axes[0].size / KERNEL_LANES;
    if (axes[0].before == 0 && axes[0].size <= axes[0].stride)
        plan->follows = FOLLOWS_ROWS;
    return true;
}

/* The rows that the window at output row y covers: [begin, end). */
static void covered(const struct layer_plan *plan, size_t y, size_t *begin, size_t *end)
{
    const size_t before = plan->pad.top, start = y * plan->step[0];
    const size_t stop = start + plan->window[0] - before;

    *begin = start > before ? start - before : 0;
    *end = stop < plan->in.dim[0] ? stop : plan->in.dim[0];
}

static void pool_rows(const struct layer_task *task, bool average)
{
    const struct layer_plan *plan = task->plan;
    struct pool_call call = {
        .in_pitch = plan->in.dim[1] * plan->in.dim[2],
        .columns = task->scratch,
        .width = plan->in.dim[1],
        .channels = plan->in.dim[2],
        .window = plan->window[1],
        .step = plan->step[1],
        .before = plan->pad.left,
        .n = plan->out.dim[1],
        .average = average,
        .around = task->around,
    };

    for (size_t y = task->box.top; y < task->box.bottom; y++) {
        size_t begin, end;

        covered(plan, y, &begin, &end);
        call.out = layer_task_out(task, y);
        call.in = layer_task_in(task, begin);
        call.rows = end - begin;
        task->kernels->pool_row(&call);
    }
}

void max_pool2d_run(const struct layer_task *task)
{
    pool_rows(task, false);
}

void average_pool2d_run(const struct layer_task *task)
{
    pool_rows(task, true);
}

/* ---- global pools ---- */

/* Cells that are folded at once, and channels of a part: some lines side by side. */
enum { BLOCK = 128, CHANNELS_MIN = 256 };

static size_t count_cells(const struct layer_plan *plan)
{
    return plan->in.dim[0] * plan->in.dim[1];
}

/* One block: parts are of channels, which are independent, as many as are worth it. */
static void divide_channels(struct layer_plan *plan)
{
    const size_t channels = plan->in.dim[2];
    const double cost = (double)count_cells(plan) * CHANNELS_MIN / KERNEL_LANES;
    const size_t some = size_parts(channels, CHANNELS_MIN);

    plan->tile.channels = size_least(layer_grain(some, cost) * CHANNELS_MIN, channels);
}

/* More of them are folded side by side, to cells again that run folds to one. What a
 * part reads comes from memory: a few times as long as the steps it takes. */
static size_t blocks_of_part(const struct layer_plan *plan)
{
    const double steps = (double)plan->in.dim[2] * BLOCK / KERNEL_LANES;

    return layer_grain(size_parts(count_cells(plan), BLOCK), 4 * steps);
}

bool global_pool2d_infer(const struct layer *layer, struct layer_plan *plan,
                         struct error *err)
{
    if (!window_needs_map(layer, plan, err))
        return false;
    const size_t channels = plan->in.dim[2];
    size_t cells = count_cells(plan);
    plan->out = layer->keepdims ? SHAPE(1, 1, channels) : SHAPE(channels);
    plan->window[0] = plan->in.dim[0];
    plan->window[1] = plan->in.dim[1];
    layer_undivided(plan);
    if (cells <= BLOCK) {
        divide_channels(plan);
        return true;
    }
    cells = size_parts(cells, BLOCK);
    plan->shared = cells * channels;
    plan->passes[0] = size_parts(cells, blocks_of_part(plan));
    while (cells > BLOCK) { /* each level of sums behind the one that it sums */
        cells = size_parts(cells, BLOCK);
        plan->scratch += cells * channels;
    }
    return true;
}

typedef void fold_cells(const struct kernels *kernels, float *out, const float *in,
                        size_t cells, size_t step, size_t channels);

static void largest(const struct kernels *kernels, float *out, const float *in,
                    size_t cells, size_t step, size_t channels)
{
    for (size_t c = 0; c < channels; c++)
        out[c] = -INFINITY;
    kernels->max_cells(out, in, cells, step, channels);
}

static void sum(const struct kernels *kernels, float *out, const float *in,
                size_t cells, size_t step, size_t channels)
{
    kernels->sum_cells(out, in, cells, step, channels, 1);
}

/* Blocks [first, last) of so many cells, each to a cell of out. */
static void fold_blocks(const struct layer_task *task, float *out, const float *in,
                        size_t cells, size_t first, size_t last, fold_cells *fold)
{
    const size_t channels = task->plan->in.dim[2];

    for (size_t i = first; i < last; i++)
        fold(task->kernels, out + i * channels, in + i * BLOCK * channels,
             size_least(cells - i * BLOCK, BLOCK), channels, channels);
}

static void fold_part(const struct layer_task *task, size_t part, fold_cells *fold)
{
    const size_t cells = count_cells(task->plan), grain = blocks_of_part(task->plan);
    const size_t first = part * grain;

    fold_blocks(task, task->shared, task->in, cells, first,
                size_least(first + grain, size_parts(cells, BLOCK)), fold);
}

void global_max_pool2d_prepare(const struct layer_task *task, size_t pass, size_t part)
{
    (void)pass;
    fold_part(task, part, largest);
}

void global_average_pool2d_prepare(const struct layer_task *task, size_t pass,
                                   size_t part)
{
    (void)pass;
    fold_part(task, part, sum);
}

/* The cells that are left when blocks of them were folded until one holds all. */
static const float *fold_levels(const struct layer_task *task, size_t *cells,
                                fold_cells *fold)
{
    const float *in = task->in;
    float *out = task->scratch;

    *cells = count_cells(task->plan);
    if (task->shared) {
        in = task->shared;
        *cells = size_parts(*cells, BLOCK);
    }
    while (*cells > BLOCK) {
        const size_t blocks = size_parts(*cells, BLOCK);
        fold_blocks(task, out, in, *cells, 0, blocks, fold);
        in = out;
        out += blocks * task->plan->in.dim[2];
        *cells = blocks;
    }
    return in;
}

void global_max_pool2d_run(const struct layer_task *task)
{
    const size_t first = task->box.first;
    size_t cells;
    const float *in = fold_levels(task, &cells, largest);

    largest(task->kernels, task->out + first, in + first, cells, task->plan->in.dim[2],
            task->box.last - first);
}

void global_average_pool2d_run(const struct layer_task *task)
{
    const size_t first = task->box.first;
    size_t cells;
    const float *in = fold_levels(task, &cells, sum);

    task->kernels->sum_cells(task->out + first, in + first, cells,
                             task->plan->in.dim[2], task->box.last - first,
                             (float)count_cells(task->plan));
}
