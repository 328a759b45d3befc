/* pool.c - pooling layers. */
#include "engine/pool.h"

#include <math.h>
#include <string.h>

#include "engine/kernels.h"
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

typedef void fold_row(float *acc, const float *in, size_t step, size_t n);

static void fill(float *x, float value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

/* The cells of an axis that a window at output position i covers: [begin, end). */
static void covered(const struct layer_plan *plan, size_t axis, size_t i, size_t *begin,
                    size_t *end)
{
    const size_t before = axis == 0 ? plan->pad.top : plan->pad.left;
    const size_t start = i * plan->step[axis], stop = start + plan->window[axis];

    *begin = start > before ? start - before : 0;
    *end = stop - before < plan->in.dim[axis] ? stop - before : plan->in.dim[axis];
}

/* Fold a row of columns along x into out. For each offset in the window the outputs
 * that it serves lie side by side, so one channel, or stride 1, is one long fold. */
static void fold_along(const struct layer_plan *plan, fold_row *fold,
                       const float *column, float *out)
{
    const size_t width = plan->in.dim[1], channels = plan->in.dim[2];
    const size_t left = plan->pad.left, step = plan->step[1], n_out = plan->out.dim[1];

    for (size_t k = 0; k < plan->window[1]; k++) {
        const size_t first = k >= left ? 0 : (left - k + step - 1) / step;
        if (first >= n_out || first * step + k >= width + left)
            continue;
        const size_t most = (width + left - k - 1) / step + 1; /* beyond: padding */
        const size_t last = most < n_out ? most : n_out;
        const float *in = column + (first * step + k - left) * channels;

        if (step == 1)
            fold(out + first * channels, in, 1, (last - first) * channels);
        else if (channels == 1)
            fold(out + first, in, step, last - first);
        else
            for (size_t x = first; x < last; x++, in += step * channels)
                fold(out + x * channels, in, 1, channels);
    }
}

/* One row of the output: down the columns into scratch, then along the row. */
static void fold_window(const struct layer_task *task, fold_row *fold, float identity,
                        size_t y)
{
    const struct layer_plan *plan = task->plan;
    const size_t row = plan->in.dim[1] * plan->in.dim[2];
    const size_t out_row = plan->out.dim[1] * plan->out.dim[2];
    float *out = layer_task_out(task, y);
    size_t begin, end;

    covered(plan, 0, y, &begin, &end);
    fill(task->scratch, identity, row);
    for (size_t r = begin; r < end; r++)
        fold(task->scratch, layer_task_in(task, r), 1, row);
    fill(out, identity, out_row);
    fold_along(plan, fold, task->scratch, out);
}

void max_pool2d_run(const struct layer_task *task)
{
    for (size_t y = task->box.top; y < task->box.bottom; y++)
        fold_window(task, task->kernels->max_row, -INFINITY, y);
}

void average_pool2d_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const size_t channels = plan->out.dim[2];

    for (size_t y = task->box.top; y < task->box.bottom; y++) {
        size_t top, bottom, left, right;

        fold_window(task, task->kernels->add_row, 0.0f, y);
        covered(plan, 0, y, &top, &bottom);
        for (size_t x = 0; x < plan->out.dim[1]; x++) {
            float *out = layer_task_out(task, y) + x * channels;
            covered(plan, 1, x, &left, &right);
            const float cells = (float)((bottom - top) * (right - left));
            for (size_t c = 0; c < channels; c++)
                out[c] /= cells;
        }
    }
}

/* ---- global pools ---- */

enum { CELLS_IN_A_ROW = 8, LEVELS = 32 };

bool global_pool2d_infer(const struct layer *layer, struct layer_plan *plan,
                         struct error *err)
{
    if (!window_needs_map(layer, plan, err))
        return false;
    const size_t channels = plan->in.dim[2];
    plan->out = layer->keepdims ? SHAPE(1, 1, channels) : SHAPE(channels);
    plan->window[0] = plan->in.dim[0];
    plan->window[1] = plan->in.dim[1];
    layer_undivided(plan);
    plan->scratch = (LEVELS + 1) * channels;
    return true;
}

void global_max_pool2d_run(const struct layer_task *task)
{
    const size_t channels = task->plan->in.dim[2];
    const size_t cells = task->plan->in.dim[0] * task->plan->in.dim[1];

    fill(task->out, -INFINITY, channels);
    for (size_t i = 0; i < cells; i++)
        task->kernels->max_row(task->out, task->in + i * channels, 1, channels);
}

/* Pairs are added as a binary counter carries: level k holds the sum of 2^k leaves. */
void global_average_pool2d_run(const struct layer_task *task)
{
    const size_t channels = task->plan->in.dim[2];
    const size_t cells = task->plan->in.dim[0] * task->plan->in.dim[1];
    float *leaf = task->scratch, *levels = leaf + channels;
    size_t leaves = 0;

    for (size_t i = 0; i < cells; leaves++) {
        fill(leaf, 0, channels);
        for (size_t k = 0; k < CELLS_IN_A_ROW && i < cells; k++, i++)
            task->kernels->add_row(leaf, task->in + i * channels, 1, channels);
        size_t level = 0;
        for (; leaves >> level & 1; level++)
            task->kernels->add_row(leaf, levels + level * channels, 1, channels);
        memcpy(levels + level * channels, leaf, channels * sizeof *leaf);
    }
    fill(task->out, 0, channels);
    for (size_t level = 0; leaves >> level; level++)
        if (leaves >> level & 1)
            task->kernels->add_row(task->out, levels + level * channels, 1, channels);
    for (size_t c = 0; c < channels; c++)
        task->out[c] /= (float)cells;
}
