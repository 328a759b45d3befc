/* resample.c - ZeroPadding2D, Cropping2D, UpSampling2D and Permute. */
#include "engine/resample.h"

#include <string.h>

#include "engine/kernels.h"
#include "engine/walk.h"
#include "engine/window.h"

enum { NEAREST, BILINEAR };

static void set_out(struct layer_plan *plan, size_t height, size_t width)
{
    plan->out = SHAPE(height, width, plan->in.dim[2]);
    plan->row_cost = 4 * (double)width * (double)plan->in.dim[2] / KERNEL_LANES;
}

/* ---- ZeroPadding2D and Cropping2D ---- */

static struct pads margins_of(const struct layer *layer)
{
    const int *m = layer->margins;

    return (struct pads){(size_t)m[0], (size_t)m[1], (size_t)m[2], (size_t)m[3]};
}

bool zero_padding2d_infer(const struct layer *layer, struct layer_plan *plan,
                          struct error *err)
{
    const struct pads pad = margins_of(layer);

    if (!window_needs_map(layer, plan, err))
        return false;
    plan->pad = pad;
    set_out(plan, plan->in.dim[0] + pad.top + pad.bottom,
            plan->in.dim[1] + pad.left + pad.right);
    return true;
}

void zero_padding2d_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const size_t in_row = shape_row(&plan->in), out_row = shape_row(&plan->out);

    for (size_t y = task->box.top; y < task->box.bottom; y++) {
        float *out = layer_task_out(task, y);
        memset(out, 0, out_row * sizeof *out);
        if (y >= plan->pad.top && y - plan->pad.top < plan->in.dim[0])
            memcpy(out + plan->pad.left * plan->in.dim[2],
                   layer_task_in(task, y - plan->pad.top), in_row * sizeof *out);
    }
}

bool cropping2d_infer(const struct layer *layer, struct layer_plan *plan,
                      struct error *err)
{
    const struct pads cut = margins_of(layer);

    if (!window_needs_map(layer, plan, err))
        return false;
    if (cut.top + cut.bottom >= plan->in.dim[0] ||
        cut.left + cut.right >= plan->in.dim[1])
        return layer_fault(
            layer, "cropping", err,
            "takes %zu rows and %zu columns of a %zux%zu input: nothing is "
            "left",
            cut.top + cut.bottom, cut.left + cut.right, plan->in.dim[0],
            plan->in.dim[1]);
    set_out(plan, plan->in.dim[0] - cut.top - cut.bottom,
            plan->in.dim[1] - cut.left - cut.right);
    return true;
}

void cropping2d_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const struct pads cut = margins_of(task->layer);
    const size_t out_row = shape_row(&plan->out);

    for (size_t y = task->box.top; y < task->box.bottom; y++)
        memcpy(layer_task_out(task, y),
               layer_task_in(task, y + cut.top) + cut.left * plan->in.dim[2],
               out_row * sizeof(float));
}

/* ---- UpSampling2D ---- */

bool up_sampling2d_infer(const struct layer *layer, struct layer_plan *plan,
                         struct error *err)
{
    if (!window_needs_map(layer, plan, err))
        return false;
    set_out(plan, plan->in.dim[0] * (size_t)layer->size[0],
            plan->in.dim[1] * (size_t)layer->size[1]);
    if (layer->interpolation == BILINEAR)
        plan->scratch = plan->out.dim[1] * sizeof(struct between) / sizeof(float);
    return true;
}

/* The two cells that output cell i lies between, and how far it is past the first: its
 * centre is at (i + 1/2) / factor - 1/2. One that has no share is not read: it may be
 * no number. */
static struct between locate(size_t i, size_t factor, size_t n)
{
    const size_t cell = i / factor, odd = 2 * (i % factor) + 1;
    const bool before = odd < factor; /* the cell's own centre */
    const size_t past = before ? odd + factor : odd - factor;
    const size_t low = before && cell > 0 ? cell - 1 : cell;

    if (past == 0 || (before && cell == 0) || low + 1 == n)
        return (struct between){low, low, 0};
    return (struct between){low, low + 1, (float)past / (float)(2 * factor)};
}

static void bilinear(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    struct between *across = (struct between *)(void *)task->scratch;

    for (size_t x = 0; x < plan->out.dim[1]; x++)
        across[x] = locate(x, (size_t)task->layer->size[1], plan->in.dim[1]);
    for (size_t y = task->box.top; y < task->box.bottom; y++) {
        const struct between rows =
            locate(y, (size_t)task->layer->size[0], plan->in.dim[0]);
        task->kernels->blend(&(struct blend_call){
            .out = layer_task_out(task, y),
            .in = layer_task_in(task, rows.low),
            .apart = (rows.high - rows.low) * shape_row(&plan->in),
            .part = rows.part,
            .at = across,
            .n = plan->out.dim[1],
            .channels = plan->in.dim[2],
            .around = task->around,
        });
    }
}

void up_sampling2d_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const int *size = task->layer->size;

    if (task->layer->interpolation == BILINEAR) {
        bilinear(task);
        return;
    }
    for (size_t y = task->box.top; y < task->box.bottom; y++)
        task->kernels->repeat(layer_task_out(task, y),
                              layer_task_in(task, y / (size_t)size[0]), plan->in.dim[1],
                              plan->in.dim[2], (size_t)size[1], task->around);
}

/* ---- Permute ---- */

static bool check_dims(const struct layer *layer, size_t rank, struct error *err)
{
    unsigned seen = 0;

    if ((size_t)layer->dims.n != rank)
        return layer_fault(layer, "dims", err,
                           "lists %d axes, but the input has %zu beside the batch",
                           layer->dims.n, rank);
    for (size_t i = 0; i < rank; i++)
        seen |= 1u << layer->dims.items[i];
    return seen == (2u << rank) - 2 ||
           layer_fault(layer, "dims", err, "must hold each of 1 to %zu once", rank);
}

/* The cells of the input in the order of the output. */
static struct walk permuted(const struct layer *layer, const struct shape *in)
{
    struct walk walk = {0};

    for (int i = 0; i < layer->dims.n; i++)
        walk_add(&walk, in, (size_t)layer->dims.items[i] - 1);
    return walk;
}

bool permute_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err)
{
    if (!check_dims(layer, plan->in.rank, err))
        return false;
    const struct walk walk = permuted(layer, &plan->in);
    plan->out.rank = plan->in.rank;
    for (size_t i = 0; i < plan->out.rank; i++)
        plan->out.dim[i] = walk.dim[i];
    const struct extent out = shape_extent(&plan->out);
    plan->row_cost = (double)(out.width * out.channels); /* a cell at a time */
    return true;
}

void permute_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const struct walk walk = permuted(task->layer, &plan->in);
    const struct extent out = shape_extent(&plan->out);
    const size_t row = out.width * out.channels;
    const struct box *box = &task->box;

    walk_gather(&walk, layer_task_out(task, box->top), task->in, box->top * row,
                (box->bottom - box->top) * row);
}
