/*
 * conv_transpose.c - Conv2DTranspose: each input cell adds its window to the output.
 *
 * Seen from the output: with `cut` cells cut off before it, output row y gets kernel
 * row ky from input row (y + cut - ky * dilation) / stride where that is whole. So the
 * outputs of one phase, (y + cut) mod stride, are an ordinary convolution with every
 * stride-th row of the kernel, turned around; likewise the columns. The sum is taken in
 * the order of the input's rows, columns and channels.
 */
#include "engine/conv_transpose.h"

#include <string.h>

#include "engine/conv_panels.h"
#include "engine/window.h"

/* One axis. */
struct axis {
    size_t in, out, kernel, stride, dilation;
    size_t cut; /* cells of the full output before the first that is kept */
};

/* The kernel's cells that serve one phase, and how their inputs lie. */
struct phase {
    size_t n; /* cells: first, first + step, ... */
    size_t first, step;
    size_t apart; /* input cells from one to the next */
};

static struct phase phase_of(const struct axis *a, size_t phase)
{
    if (a->stride == 1)
        return (struct phase){a->kernel, 0, 1, a->dilation};
    const size_t n = phase < a->kernel ? size_parts(a->kernel - phase, a->stride) : 0;
    return (struct phase){n, phase, a->stride, 1};
}

/* Input cells before the first one that a window may touch. */
static size_t margin(const struct axis *a)
{
    return size_parts((a->kernel - 1) * a->dilation, a->stride);
}

/* The input cell, counted with the margin, where the window of output i begins. */
static size_t begin(const struct axis *a, const struct phase *phase, size_t i)
{
    return (i + a->cut) / a->stride + margin(a) - (phase->n - 1) * phase->apart;
}

static void axes_of(const struct layer *layer, const struct layer_plan *plan,
                    struct axis axes[2])
{
    for (size_t i = 0; i < 2; i++) {
        const size_t extent =
            (size_t)(layer->kernel_size[i] - 1) * (size_t)layer->dilation_rate[i] + 1;
        axes[i] = (struct axis){
            .in = plan->in.dim[i],
            .out = plan->out.dim[i],
            .kernel = (size_t)layer->kernel_size[i],
            .stride = (size_t)layer->strides[i],
            .dilation = (size_t)layer->dilation_rate[i],
            .cut = extent - 1 - (i == 0 ? plan->pad.top : plan->pad.left),
        };
    }
}

/* Keras' deconv_output_length, and TensorFlow's padding for that size: the one that the
 * convolution from the output to the input would have. padding is -1 for none given.
 * Returns the output's size; before and after are the pads of the equivalent
 * convolution over the input spread out by the stride. */
static size_t infer_axis(size_t in, size_t extent, size_t stride, int padding,
                         bool same, size_t *before, size_t *after)
{
    const size_t reach = (in - 1) * stride + extent;
    size_t out;

    if (padding < 0)
        out = same ? in * stride : reach + (stride > extent ? stride - extent : 0);
    else
        out = reach + (size_t)padding - (same ? 2 * (extent / 2) : 0);
    const size_t cut = same && reach > out ? (reach - out) / 2 : 0;
    *before = extent - 1 - cut;
    *after = out + cut - ((in - 1) * stride + 1);
    return out;
}

/* Input cells that n outputs touch, at most. */
static size_t touched(const struct axis *a, size_t n)
{
    return (n - 1) / a->stride + 2 + margin(a);
}

/* Every output has at most one input cell along this axis, and that there is: nothing
 * outside the input is touched. */
static bool touches_one(const struct axis *a)
{
    return a->kernel <= a->stride && a->dilation == 1 &&
           (a->out - 1 + a->cut) / a->stride < a->in;
}

static bool copied(const struct axis axes[2])
{
    return !touches_one(&axes[0]) || !touches_one(&axes[1]);
}

static size_t runs_floats(const struct layer_plan *plan, const struct axis axes[2])
{
    const size_t taps = axes[0].kernel * axes[1].kernel * plan->in.dim[2];
    const size_t runs = axes[0].kernel * axes[1].kernel + taps / CONV_TAPS;

    return size_whole(runs * sizeof(struct filters_run) / sizeof(float), KERNEL_LANES);
}

static void set_needs(const struct layer *layer, struct layer_plan *plan)
{
    const struct extent out = shape_extent(&plan->out);
    const size_t taps = shape_elements(&plan->weight_shape[0]) / out.channels;
    struct axis axes[2];

    axes_of(layer, plan, axes);
    plan->macs = (double)taps * (double)plan->in.dim[0] * (double)plan->in.dim[1] *
                 (double)out.channels;
    plan->packed = conv_panels_packed(taps, out.channels);
    plan->tile = conv_panels_tile(&out, taps / (axes[0].stride * axes[1].stride) + 1,
                                  out.channels,
                                  !activation_crosses_channels(layer->activation.id));
    plan->band = plan->tile.height;
    plan->scratch = runs_floats(plan, axes);
    if (copied(axes))
        plan->scratch += touched(&axes[0], plan->tile.height) *
                         touched(&axes[1], plan->tile.width) * plan->in.dim[2];
}

bool conv2d_transpose_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err)
{
    size_t out[2], before[2], after[2];

    if (!window_needs_map(layer, plan, err) || !window_one_of_two(layer, err))
        return false;
    for (size_t i = 0; i < 2; i++) {
        const int stride = layer->strides[i], padding = layer->output_padding[i];
        const size_t extent =
            (size_t)(layer->kernel_size[i] - 1) * (size_t)layer->dilation_rate[i] + 1;
        if (padding >= stride)
            return layer_fault(layer, "output_padding", err,
                               "%d must be less than the stride %d", padding, stride);
        out[i] = infer_axis(plan->in.dim[i], extent, (size_t)stride, padding,
                            layer->padding == PADDING_SAME, &before[i], &after[i]);
        if (out[i] == 0)
            return layer_fault(layer, "output_padding", err, "leaves no output");
        plan->window[i] = size_parts(extent, (size_t)stride);
    }
    const size_t filters = (size_t)layer->filters;
    plan->pad = (struct pads){before[0], after[0], before[1], after[1]};
    plan->out = SHAPE(out[0], out[1], filters);
    plan->weight_shape[0] =
        SHAPE((size_t)layer->kernel_size[0], (size_t)layer->kernel_size[1], filters,
              plan->in.dim[2]);
    if (layer->use_bias)
        plan->weight_shape[1] = SHAPE(filters);
    set_needs(layer, plan);
    return true;
}

/* The taps of one phase of rows and columns: kernel cells by falling index, as their
 * inputs rise. kernel is [ky][kx][filter][channel]. */
static float *pack_panel(const struct layer_plan *plan, const struct phase *y,
                         const struct phase *x, const float *kernel, size_t first,
                         float *packed)
{
    const size_t channels = plan->in.dim[2], filters = plan->out.dim[2];
    const size_t kw = plan->weight_shape[0].dim[1];
    const size_t width = conv_panels_width(filters, first);
    const size_t n = width < filters - first ? width : filters - first;

    for (size_t i = y->n; i-- > 0;)
        for (size_t j = x->n; j-- > 0;) {
            const size_t cell = (y->first + i * y->step) * kw + x->first + j * x->step;
            const float *from = kernel + (cell * filters + first) * channels;
            for (size_t c = 0; c < channels; c++, packed += width)
                for (size_t f = 0; f < n; f++)
                    packed[f] = from[f * channels + c];
        }
    return packed;
}

/* Cells of the kernel that serve phases before this one. */
static size_t cells_before(const struct axis *a, size_t phase)
{
    size_t n = 0;

    for (size_t k = 0; k < a->kernel; k++)
        n += k % a->stride < phase;
    return n;
}

/* For each phase its panels, none for those without a cell; then the biases. */
void conv2d_transpose_pack(const struct layer *layer, const struct layer_plan *plan,
                           float *packed)
{
    const size_t filters = plan->out.dim[2];
    struct axis axes[2];

    axes_of(layer, plan, axes);
    memset(packed, 0, plan->packed * sizeof *packed);
    for (size_t py = 0; py < size_least(axes[0].stride, axes[0].kernel); py++)
        for (size_t px = 0; px < size_least(axes[1].stride, axes[1].kernel); px++) {
            const struct phase y = phase_of(&axes[0], py), x = phase_of(&axes[1], px);
            for (size_t f = 0; f < filters; f += CONV_PANEL)
                packed = pack_panel(plan, &y, &x, layer->weights[0].values, f, packed);
        }
    if (layer->weights[1].values)
        memcpy(packed, layer->weights[1].values, filters * sizeof *packed);
}

/* The pieces of input under a window of one phase. */
static size_t list_runs(const struct phase *y, const struct phase *x, size_t channels,
                        size_t pitch, struct filters_run *runs)
{
    size_t n = 0;

    for (size_t i = 0; i < y->n; i++) {
        const size_t row = i * y->apart * pitch;
        if (x->apart == 1)
            n = conv_panels_cut(runs, n, row, x->n * channels);
        else
            for (size_t j = 0; j < x->n; j++)
                n = conv_panels_cut(runs, n, row + j * x->apart * channels, channels);
    }
    return n;
}

/* The first output at or after i of a phase, and how many there are before `end`. */
static size_t first_of(const struct axis *a, size_t phase, size_t i, size_t end,
                       size_t *n)
{
    const size_t here = (i + a->cut) % a->stride;
    const size_t first = i + (phase + a->stride - here) % a->stride;

    *n = first < end ? size_parts(end - first, a->stride) : 0;
    return first;
}

struct source {
    const float
        *cells; /* of the input, counted with the margin, from top and left on */
    size_t top, left, pitch;
};

/* One phase of one part. p holds what all phases have in common. */
static void run_phase(const struct layer_task *task, const struct axis axes[2],
                      const struct phase *y, const struct phase *x, size_t py,
                      size_t px, const struct source *source, struct conv_panels p)
{
    const struct box *box = &task->box;
    const size_t channels = task->plan->in.dim[2];
    const size_t row = first_of(&axes[0], py, box->top, box->bottom, &p.rows);
    const size_t column = first_of(&axes[1], px, box->left, box->right, &p.n);
    struct filters_run *runs = (struct filters_run *)(void *)task->scratch;

    if (p.rows == 0 || p.n == 0)
        return;
    p.taps = y->n * x->n * channels;
    p.n_runs = p.taps ? list_runs(y, x, channels, source->pitch, runs) : 0;
    p.runs = runs;
    p.out = layer_task_out(task, row) + column * p.out_step;
    p.out_pitch = axes[0].stride * axes[1].out * p.out_step;
    p.out_step *= axes[1].stride;
    p.in = source->cells;
    if (p.taps)
        p.in += (begin(&axes[0], y, row) - source->top) * source->pitch +
                (begin(&axes[1], x, column) - source->left) * channels;
    p.in_pitch = source->pitch;
    p.in_step = channels;
    conv_panels_run(&p);
}

/* A copy of the cells that the part touches, with zeros around. */
static struct source copy_input(const struct layer_task *task,
                                const struct axis axes[2])
{
    const struct layer_plan *plan = task->plan;
    const struct box *box = &task->box;
    const size_t columns = touched(&axes[1], box->right - box->left);
    const struct conv_shape shape = {.in = shape_extent(&plan->in),
                                     .top = margin(&axes[0]),
                                     .left = margin(&axes[1])};
    const struct conv_call call = {
        .shape = &shape, .in = task->in, .in_top = task->in_top};
    float *copy = task->scratch + runs_floats(plan, axes);
    const struct source source = {.cells = copy,
                                  .top = (box->top + axes[0].cut) / axes[0].stride,
                                  .left = (box->left + axes[1].cut) / axes[1].stride,
                                  .pitch = columns * plan->in.dim[2]};

    conv_method_copy(&call, source.top, source.left,
                     touched(&axes[0], box->bottom - box->top), columns,
                     plan->in.dim[2], copy);
    return source;
}

static struct source source_of(const struct layer_task *task, const struct axis axes[2])
{
    if (copied(axes))
        return copy_input(task, axes);
    return (struct source){.cells = task->in,
                           .top = margin(&axes[0]) + task->in_top,
                           .left = margin(&axes[1]),
                           .pitch = axes[1].in * task->plan->in.dim[2]};
}

void conv2d_transpose_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const struct box *box = &task->box;
    const size_t filters = plan->out.dim[2], padded = size_whole(filters, KERNEL_LANES);
    const size_t taps = shape_elements(&plan->weight_shape[0]) / filters;
    struct axis axes[2];

    axes_of(task->layer, plan, axes);
    const struct source source = source_of(task, axes);
    struct conv_panels p = {.kernels = task->kernels,
                            .biases = plan->packed_weights + taps * padded,
                            .filters = filters,
                            .first = task->box.first,
                            .last = task->box.last,
                            .out_step = filters,
                            .floor = task->floor};
    /* The phases that the box has: a stride may be far longer. */
    for (size_t i = 0; i < size_least(axes[0].stride, box->bottom - box->top); i++)
        for (size_t j = 0; j < size_least(axes[1].stride, box->right - box->left);
             j++) {
            const size_t py = (box->top + i + axes[0].cut) % axes[0].stride;
            const size_t px = (box->left + j + axes[1].cut) % axes[1].stride;
            const struct phase y = phase_of(&axes[0], py), x = phase_of(&axes[1], px);
            const size_t cells = cells_before(&axes[0], py) * axes[1].kernel +
                                 y.n * cells_before(&axes[1], px);
            p.weights = plan->packed_weights + cells * plan->in.dim[2] * padded;
            run_phase(task, axes, &y, &x, py, px, &source, p);
        }
}
