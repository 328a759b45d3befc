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

/* Cells that are added at once, and channels of a part: some lines side by side. */
enum { BLOCK = 128, CHANNELS_MIN = 256 };

/* Channels are independent, so parts are of channels: as many as are worth it. */
static void divide_channels(struct layer_plan *plan)
{
    const size_t channels = plan->in.dim[2], cells = plan->in.dim[0] * plan->in.dim[1];
    const double cost = (double)cells * CHANNELS_MIN / KERNEL_LANES;
    const size_t some = size_parts(channels, CHANNELS_MIN);

    layer_undivided(plan);
    plan->tile.channels = size_least(layer_grain(some, cost) * CHANNELS_MIN, channels);
}

bool global_pool2d_infer(const struct layer *layer, struct layer_plan *plan,
                         struct error *err)
{
    if (!window_needs_map(layer, plan, err))
        return false;
    const size_t channels = plan->in.dim[2];
    plan->out = layer->keepdims ? SHAPE(1, 1, channels) : SHAPE(channels);
    plan->window[0] = plan->in.dim[0];
    plan->window[1] = plan->in.dim[1];
    divide_channels(plan);
    for (size_t cells = plan->in.dim[0] * plan->in.dim[1]; cells > BLOCK;) {
        cells = size_parts(cells, BLOCK); /* of each level of sums */
        plan->scratch += cells * plan->tile.channels;
    }
    return true;
}

void global_max_pool2d_run(const struct layer_task *task)
{
    const size_t channels = task->plan->in.dim[2];
    const size_t cells = task->plan->in.dim[0] * task->plan->in.dim[1];
    const size_t first = task->box.first, last = task->box.last;

    for (size_t c = first; c < last; c++)
        task->out[c] = -INFINITY;
    for (size_t i = 0; i < cells; i += BLOCK)
        task->kernels->max_cells(task->out + first, task->in + i * channels + first,
                                 size_least(cells - i, BLOCK), channels, last - first);
}

/* The sums of blocks of cells are cells again, until one is left: each level behind the
 * one that it sums. */
void global_average_pool2d_run(const struct layer_task *task)
{
    const size_t all = task->plan->in.dim[0] * task->plan->in.dim[1];
    const size_t first = task->box.first, channels = task->box.last - first;
    const float *in = task->in + first;
    size_t step = task->plan->in.dim[2];
    float *sums = task->scratch;
    size_t cells = all;

    for (; cells > BLOCK; cells = size_parts(cells, BLOCK)) {
        for (size_t i = 0; i < cells; i += BLOCK)
            task->kernels->sum_cells(sums + i / BLOCK * channels, in + i * step,
                                     size_least(cells - i, BLOCK), step, channels, 1);
        in = sums;
        step = channels;
        sums += size_parts(cells, BLOCK) * channels;
    }
    task->kernels->sum_cells(task->out + first, in, cells, step, channels, (float)all);
}
