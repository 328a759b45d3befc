/*
 * conv.c - convolution layers.
 *
 * Two loops, chosen by shape alone. Where there are many filters, lanes are filters and
 * the map is read as it lies (convolve_filters). Where there are few, lanes are outputs
 * along a row (convolve_row); for that the rows are split into one plane per channel
 * and per phase of the stride, so that the outputs of a tap lie side by side.
 *
 * A call first copies the rows that it needs, zero-padded, into scratch, so that the
 * loops know no padding; an unpadded map is read in place where the loop allows it.
 */
#include "engine/conv.h"

#include <string.h>

#include "engine/kernels.h"
#include "engine/window.h"

/* What infer, pack and run agree on; derived from the layer and its plan. */
struct geometry {
    size_t kh, kw, sy, sx, dy, dx;
    size_t ey, ex; /* zeros spread the input out: cells per cell */
    bool transposed;
    size_t groups, channels, filters; /* of a group */
    size_t taps;                      /* of a filter */
    size_t padded;                    /* filters of a group, in whole vectors */
    bool by_row;                      /* convolve_row, not convolve_filters */
    bool in_place;                    /* reads the input as it lies */
    size_t width;                     /* of a padded row */
    size_t phases, phase_width;       /* by_row: planes of a channel, and their width */
    size_t pitch;                     /* floats from one row that is read to the next */
    size_t runs, run;                 /* pieces of input that lie side by side */
    size_t offsets;                   /* floats that the list of offsets takes */
};

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static struct geometry geometry_of(const struct layer *layer,
                                   const struct layer_plan *plan)
{
    const size_t groups = plan->groups;
    const bool transposed = plan->spread[0] > 0;
    struct geometry g = {
        .kh = (size_t)layer->kernel_size[0],
        .kw = (size_t)layer->kernel_size[1],
        .sy = transposed ? 1 : (size_t)layer->strides[0],
        .sx = transposed ? 1 : (size_t)layer->strides[1],
        .dy = (size_t)layer->dilation_rate[0],
        .dx = (size_t)layer->dilation_rate[1],
        .ey = transposed ? plan->spread[0] : 1,
        .ex = transposed ? plan->spread[1] : 1,
        .transposed = transposed,
        .groups = groups,
        .channels = plan->in.dim[2] / groups,
        .filters = plan->filters / groups,
    };
    const struct pads *pad = &plan->pad;
    const bool no_pad = !pad->top && !pad->bottom && !pad->left && !pad->right &&
                        g.ey == 1 && g.ex == 1;

    g.taps = g.kh * g.kw * g.channels;
    g.padded = round_up(g.filters, KERNEL_LANES);
    g.width = (plan->in.dim[1] - 1) * g.ex + 1 + pad->left + pad->right;
    g.by_row = g.filters < KERNEL_LANES / 2;
    if (g.by_row) {
        g.phases = g.sx;
        g.phase_width = (g.width + g.sx - 1) / g.sx;
        g.in_place = no_pad && plan->in.dim[2] == 1 && g.sx == 1;
        g.pitch = plan->in.dim[2] * g.phases * g.phase_width;
        g.runs = g.taps;
        g.run = 1;
    } else {
        const bool joined = groups == 1 && g.dx == 1; /* a kernel row is one piece */
        g.in_place = no_pad;
        g.pitch = g.width * plan->in.dim[2];
        g.runs = joined ? g.kh : g.kh * g.kw;
        g.run = joined ? g.kw * g.channels : g.channels;
    }
    g.offsets = round_up(g.runs * sizeof(ptrdiff_t) / sizeof(float), KERNEL_LANES);
    return g;
}

static bool check_strides(const struct layer *layer, struct error *err)
{
    const int *s = layer->strides, *d = layer->dilation_rate;

    if ((s[0] > 1 || s[1] > 1) && (d[0] > 1 || d[1] > 1))
        return layer_fault(layer, "dilation_rate", err,
                           "%dx%d cannot go with strides %dx%d: one of them must be 1",
                           d[0], d[1], s[0], s[1]);
    return true;
}

static bool check_parameters(const struct layer *layer, const struct layer_plan *plan,
                             struct error *err)
{
    const size_t groups = (size_t)layer->groups, channels = plan->in.dim[2];

    if (!check_strides(layer, err))
        return false;
    if (channels % groups != 0)
        return layer_fault(layer, "groups", err,
                           "%zu does not divide the %zu input channels", groups,
                           channels);
    if ((size_t)layer->filters % groups != 0)
        return layer_fault(layer, "groups", err, "%zu does not divide the %d filters",
                           groups, layer->filters);
    return true;
}

/* Rows of input that a call for `grain` rows of output touches. */
static size_t rows_touched(const struct geometry *g, size_t grain)
{
    return (grain - 1) * g->sy + (g->kh - 1) * g->dy + 1;
}

static void set_cost(const struct layer *layer, struct layer_plan *plan)
{
    const struct geometry g = geometry_of(layer, plan);
    const size_t out_width = plan->out.dim[1];
    const size_t lanes =
        g.by_row ? round_up(out_width, KERNEL_LANES) * g.filters : out_width * g.padded;

    plan->macs = (double)plan->out.dim[0] * (double)out_width * (double)plan->filters *
                 (double)g.taps;
    plan->packed = g.groups * (g.taps + 1) * (g.by_row ? g.filters : g.padded);

    plan->items = plan->out.dim[0];
    plan->item_cost = (double)g.groups * (double)g.taps * (double)lanes / KERNEL_LANES;
    plan->grain = layer_grain(plan->items, plan->item_cost);
    plan->scratch = g.offsets + (g.by_row ? round_up(out_width, KERNEL_LANES) : 0);
    if (!g.in_place)
        plan->scratch += rows_touched(&g, plan->grain) * g.pitch;
}

static bool infer_window(const struct layer *layer, struct layer_plan *plan,
                         struct error *err)
{
    struct window axes[2];

    if (!window_infer(layer, layer->kernel_size, layer->strides, layer->dilation_rate,
                      "kernel_size", plan, axes, err))
        return false;
    plan->out = SHAPE(axes[0].out, axes[1].out, 0);
    return true;
}

bool conv2d_infer(const struct layer *layer, struct layer_plan *plan, struct error *err)
{
    if (!infer_window(layer, plan, err) || !check_parameters(layer, plan, err))
        return false;
    plan->groups = (size_t)layer->groups;
    plan->filters = plan->out.dim[2] = (size_t)layer->filters;
    plan->weight_shape[0] =
        SHAPE((size_t)layer->kernel_size[0], (size_t)layer->kernel_size[1],
              plan->in.dim[2] / plan->groups, plan->filters);
    if (layer->use_bias)
        plan->weight_shape[1] = SHAPE(plan->filters);
    set_cost(layer, plan);
    return true;
}

/* A depthwise kernel (h, w, channels, multiplier) lies in memory as that of a
 * convolution with a group for every channel, (h, w, 1, channels * multiplier). */
static bool infer_depthwise(const struct layer *layer, struct layer_plan *plan,
                            struct error *err)
{
    if (!infer_window(layer, plan, err) || !check_strides(layer, err))
        return false;
    const size_t channels = plan->in.dim[2],
                 multiplier = (size_t)layer->depth_multiplier;
    plan->groups = channels;
    plan->filters = plan->out.dim[2] = channels * multiplier;
    plan->weight_shape[0] = SHAPE((size_t)layer->kernel_size[0],
                                  (size_t)layer->kernel_size[1], channels, multiplier);
    set_cost(layer, plan);
    return true;
}

bool depthwise_conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err)
{
    if (!infer_depthwise(layer, plan, err))
        return false;
    if (layer->use_bias)
        plan->weight_shape[1] = SHAPE(plan->filters);
    return true;
}

/* The depthwise part, then a 1x1 convolution of what it gives. */
bool separable_conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err)
{
    if (!infer_depthwise(layer, plan, err))
        return false;
    const size_t between = plan->filters, filters = (size_t)layer->filters;
    const size_t cells = plan->out.dim[0] * plan->out.dim[1];

    plan->out.dim[2] = filters;
    plan->weight_shape[1] = SHAPE(1, 1, between, filters);
    if (layer->use_bias)
        plan->weight_shape[2] = SHAPE(filters);
    plan->macs += (double)cells * (double)between * (double)filters;
    plan->packed += (between + 1) * round_up(filters, KERNEL_LANES);
    plan->scratch = round_up(plan->scratch, KERNEL_LANES) +
                    plan->grain * plan->out.dim[1] * between;
    return true;
}

/* One axis of a transposed convolution: its output size, and where the window of the
 * equivalent convolution begins and ends around the input spread out by the stride. */
struct spread {
    size_t out, before, after;
};

/* Keras' deconv_output_length, and TensorFlow's padding for that size: the one that the
 * convolution from the output to the input would have. padding is -1 for none given. */
static struct spread spread_axis(size_t in, size_t extent, size_t stride, int padding,
                                 bool same)
{
    const size_t reach = (in - 1) * stride + extent;
    struct spread s;

    if (padding < 0)
        s.out = same ? in * stride : reach + (stride > extent ? stride - extent : 0);
    else
        s.out = reach + (size_t)padding - (same ? 2 * (extent / 2) : 0);
    const size_t cut = same && reach > s.out ? (reach - s.out) / 2 : 0;
    s.before = extent - 1 - cut;
    s.after = s.out + cut - ((in - 1) * stride + 1);
    return s;
}

/* Run as a convolution of stride 1 over the input with zeros between its cells, by the
 * kernel turned by half a turn. */
bool conv2d_transpose_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err)
{
    struct spread axes[2];

    if (!window_needs_map(layer, plan, err) || !check_strides(layer, err))
        return false;
    for (size_t i = 0; i < 2; i++) {
        const int stride = layer->strides[i], padding = layer->output_padding[i];
        const size_t extent =
            (size_t)(layer->kernel_size[i] - 1) * (size_t)layer->dilation_rate[i] + 1;
        if (padding >= stride)
            return layer_fault(layer, "output_padding", err,
                               "%d must be less than the stride %d", padding, stride);
        axes[i] = spread_axis(plan->in.dim[i], extent, (size_t)stride, padding,
                              layer->padding == PADDING_SAME);
        if (axes[i].out == 0)
            return layer_fault(layer, "output_padding", err, "leaves no output");
        plan->spread[i] = (size_t)stride;
        plan->window[i] = (extent + plan->spread[i] - 1) / plan->spread[i];
    }
    plan->pad =
        (struct pads){axes[0].before, axes[0].after, axes[1].before, axes[1].after};
    plan->groups = 1;
    plan->filters = (size_t)layer->filters;
    plan->out = SHAPE(axes[0].out, axes[1].out, plan->filters);
    plan->weight_shape[0] =
        SHAPE((size_t)layer->kernel_size[0], (size_t)layer->kernel_size[1],
              plan->filters, plan->in.dim[2]);
    if (layer->use_bias)
        plan->weight_shape[1] = SHAPE(plan->filters);
    set_cost(layer, plan);
    return true;
}

/* The weight of a tap t = (ky, kx, c): kernel[t][filter], or, of a transposed
 * convolution, the kernel turned by half a turn, [ky][kx][filter][c]. */
static float weight_of(const struct geometry *g, const float *kernel, size_t t,
                       size_t filter)
{
    const size_t all = g->filters * g->groups;

    if (!g->transposed)
        return kernel[t * all + filter];
    const size_t cell = g->kh * g->kw - 1 - t / g->channels;
    return kernel[(cell * all + filter) * g->channels + t % g->channels];
}

/* A group's weights as its loop reads them: [tap][padded filter] or [filter][tap], then
 * the biases. A tap is (ky, kx, c), as the kernel has them. Returns the end. */
static float *pack_groups(const struct geometry *g, const float *kernel,
                          const float *bias, float *packed)
{
    const size_t width = g->by_row ? g->filters : g->padded;
    const size_t tap_step = g->by_row ? 1 : width,
                 filter_step = g->by_row ? g->taps : 1;

    for (size_t group = 0; group < g->groups; group++) {
        float *biases = packed + g->taps * width;
        memset(packed, 0, (g->taps + 1) * width * sizeof *packed);
        for (size_t f = 0; f < g->filters; f++) {
            const size_t filter = group * g->filters + f;
            for (size_t t = 0; t < g->taps; t++)
                packed[t * tap_step + f * filter_step] =
                    weight_of(g, kernel, t, filter);
            biases[f] = bias ? bias[filter] : 0;
        }
        packed = biases + width;
    }
    return packed;
}

void conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                 float *packed)
{
    const struct geometry g = geometry_of(layer, plan);

    pack_groups(&g, layer->weights[0].values, layer->weights[1].values, packed);
}

/* The 1x1 convolution of a separable one: one tap of `between` channels. */
static struct geometry pointwise_geometry(const struct layer_plan *plan)
{
    return (struct geometry){
        .groups = 1,
        .channels = plan->filters,
        .filters = plan->out.dim[2],
        .taps = plan->filters,
        .padded = round_up(plan->out.dim[2], KERNEL_LANES),
    };
}

void separable_conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                           float *packed)
{
    const struct geometry depthwise = geometry_of(layer, plan);
    const struct geometry pointwise = pointwise_geometry(plan);

    packed = pack_groups(&depthwise, layer->weights[0].values, NULL, packed);
    pack_groups(&pointwise, layer->weights[1].values, layer->weights[2].values, packed);
}

/* Where each piece of a window lies, in floats from the window's corner. */
static void list_offsets(const struct geometry *g, ptrdiff_t *offsets)
{
    size_t n = 0;

    for (size_t ky = 0; ky < g->kh; ky++)
        for (size_t kx = 0; kx < g->kw && n < g->runs; kx++) {
            const size_t row = ky * g->dy * g->pitch, x = kx * g->dx;
            if (!g->by_row) {
                if (kx > 0 && g->runs == g->kh)
                    break;
                offsets[n++] = (ptrdiff_t)(row + x * g->channels * g->groups);
                continue;
            }
            const size_t cell = x % g->phases * g->phase_width + x / g->phases;
            for (size_t c = 0; c < g->channels; c++)
                offsets[n++] = (ptrdiff_t)(row + c * g->phases * g->phase_width + cell);
        }
}

/* One input row, padded left and right, split into planes of channels and phases. */
static void split_row(const struct geometry *g, const struct layer_plan *plan,
                      const float *in, float *out)
{
    const size_t channels = plan->in.dim[2], width = plan->in.dim[1];

    memset(out, 0, g->pitch * sizeof *out);
    for (size_t c = 0; c < channels; c++) {
        float *plane = out + c * g->phases * g->phase_width;
        for (size_t x = 0, at = plan->pad.left; x < width; x++, at += g->ex)
            plane[at % g->phases * g->phase_width + at / g->phases] =
                in[x * channels + c];
    }
}

static void pad_row(const struct geometry *g, const struct layer_plan *plan,
                    const float *in, float *out)
{
    const size_t channels = plan->in.dim[2], width = plan->in.dim[1];
    const size_t piece = g->ex == 1 ? width * channels : channels;

    memset(out, 0, g->pitch * sizeof *out);
    out += plan->pad.left * channels;
    for (size_t x = 0; x < width * channels; x += piece, out += g->ex * channels)
        memcpy(out, in + x, piece * sizeof *out);
}

/* The rows that outputs first to last - 1 touch, into scratch. */
static void copy_rows(const struct geometry *g, const struct layer_plan *plan,
                      const float *in, float *out, size_t first, size_t last)
{
    const size_t row = plan->in.dim[1] * plan->in.dim[2];
    const size_t n = rows_touched(g, last - first);

    for (size_t i = 0; i < n; i++, out += g->pitch) {
        const size_t at = first * g->sy + i - plan->pad.top; /* wraps above the map */
        if (at > (plan->in.dim[0] - 1) * g->ey || at % g->ey != 0)
            memset(out, 0, g->pitch * sizeof *out);
        else if (g->by_row)
            split_row(g, plan, in + at / g->ey * row, out);
        else
            pad_row(g, plan, in + at / g->ey * row, out);
    }
}

/* One output row by convolve_row; `line` holds a row of one filter. */
static void run_by_row(const struct geometry *g, const struct layer_task *task,
                       const float *rows, const ptrdiff_t *offsets, float *line,
                       float *out)
{
    const size_t width = task->plan->out.dim[1], all = g->filters * g->groups;
    const float *weights = task->plan->packed_weights;

    for (size_t group = 0; group < g->groups; group++) {
        const float *in = rows + group * g->channels * g->phases * g->phase_width;
        const float *biases = weights + g->filters * g->taps;
        for (size_t f = 0; f < g->filters; f++) {
            float *to = all == 1 ? out : line;
            task->kernels->convolve_row(to, in, weights + f * g->taps, offsets, g->taps,
                                        biases[f], width);
            if (all > 1)
                for (size_t x = 0; x < width; x++)
                    out[x * all + group * g->filters + f] = line[x];
        }
        weights = biases + g->filters;
    }
}

static void run_by_filters(const struct geometry *g, const struct layer_task *task,
                           const float *rows, const ptrdiff_t *offsets, float *out)
{
    const size_t all = g->filters * g->groups, step = g->channels * g->groups;
    const float *weights = task->plan->packed_weights;

    for (size_t group = 0; group < g->groups; group++) {
        const float *biases = weights + g->taps * g->padded;
        task->kernels->convolve_filters(out + group * g->filters, all,
                                        rows + group * g->channels, g->sx * step,
                                        offsets, g->runs, g->run, weights, biases,
                                        g->filters, task->plan->out.dim[1]);
        weights = biases + g->padded;
    }
}

/* Outputs first to last - 1 of all groups; out is where the first of them goes. */
static void run_groups(const struct layer_task *task, size_t first, size_t last,
                       float *out)
{
    const struct layer_plan *plan = task->plan;
    const struct geometry g = geometry_of(task->layer, plan);
    ptrdiff_t *offsets = (ptrdiff_t *)(void *)task->scratch;
    float *line = task->scratch + g.offsets;
    float *copy = line + (g.by_row ? round_up(plan->out.dim[1], KERNEL_LANES) : 0);
    const float *rows = g.in_place ? task->in + first * g.sy * g.pitch : copy;

    list_offsets(&g, offsets);
    if (!g.in_place)
        copy_rows(&g, plan, task->in, copy, first, last);
    for (size_t y = first; y < last; y++) {
        if (g.by_row)
            run_by_row(&g, task, rows, offsets, line, out);
        else
            run_by_filters(&g, task, rows, offsets, out);
        rows += g.sy * g.pitch;
        out += plan->out.dim[1] * plan->filters;
    }
}

void conv2d_run(const struct layer_task *task, size_t first, size_t last)
{
    const struct shape *out = &task->plan->out;

    run_groups(task, first, last, task->out + first * out->dim[1] * out->dim[2]);
}

void separable_conv2d_run(const struct layer_task *task, size_t first, size_t last)
{
    static const ptrdiff_t here[] = {0};
    const struct layer_plan *plan = task->plan;
    const struct geometry depthwise = geometry_of(task->layer, plan);
    const struct geometry g = pointwise_geometry(plan);
    const size_t width = plan->out.dim[1];
    const size_t depthwise_width =
        depthwise.by_row ? depthwise.filters : depthwise.padded;
    const float *weights = plan->packed_weights +
                           depthwise.groups * (depthwise.taps + 1) * depthwise_width;
    float *between =
        task->scratch + plan->scratch - plan->grain * width * plan->filters;

    run_groups(task, first, last, between);
    task->kernels->convolve_filters(task->out + first * width * g.filters, g.filters,
                                    between, g.channels, here, 1, g.channels, weights,
                                    weights + g.taps * g.padded, g.filters,
                                    (last - first) * width);
}
