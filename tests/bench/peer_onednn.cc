/*
 * peer_onednn.cc - oneDNN: each layer a primitive, in the layouts that it chooses.
 *
 * Weights are rearranged and the input is brought into the first primitive's layout
 * outside the timing; what must be rearranged between two layers is timed. An
 * activation is fused into the convolution before it unless that stage is wanted.
 */
#include <omp.h>

#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

extern "C" {
#include "tests/bench/peer.h"
}

using namespace dnnl;

namespace
{

using tag = memory::format_tag;
using args = std::unordered_map<int, memory>;
constexpr auto f32 = memory::data_type::f32;
constexpr auto inference = prop_kind::forward_inference;

struct step {
    primitive what;
    args with;
};

struct state {
    const struct problem *problem = nullptr;
    bool winograd = false, rows = false; /* the variants */
    engine cpu{engine::kind::cpu, 0};
    stream queue{cpu};
    memory now;       /* what the next layer reads */
    bool own = false; /* now is ours: not the input, not a wanted stage */
    bool any_winograd = false;
    std::vector<step> steps;
    std::vector<memory> outputs;
};

struct unsupported {
};

memory::dim dim(size_t n)
{
    return static_cast<memory::dim>(n);
}

/* Batch 1, channels before height and width: oneDNN's logical order. */
memory::dims dims_of(const struct shape &shape)
{
    const struct extent e = shape_extent(&shape);

    if (shape.rank == 1)
        return {1, dim(e.channels)};
    return {1, dim(e.channels), dim(e.height), dim(e.width)};
}

memory::desc rows_of(const struct shape &shape)
{
    return {dims_of(shape), f32, shape.rank == 1 ? tag::nc : tag::nhwc};
}

memory::desc any_of(const struct shape &shape)
{
    return {dims_of(shape), f32, tag::any};
}

memory rearranged(state &s, memory from, const memory::desc &wanted)
{
    if (from.get_desc() == wanted)
        return from;
    memory to(wanted, s.cpu);
    reorder(from, to).execute(s.queue, from, to);
    s.queue.wait();
    return to;
}

memory ours(state &s, const memory::desc &desc, const float *values)
{
    return memory(desc, s.cpu, const_cast<float *>(values));
}

/* The layer's input in the layout that it asks for. */
memory source(state &s, const memory::desc &wanted)
{
    if (s.steps.empty())
        return s.now = rearranged(s, s.now, wanted);
    if (s.now.get_desc() != wanted) {
        memory to(wanted, s.cpu);
        s.steps.push_back(
            {reorder(s.now, to), {{DNNL_ARG_FROM, s.now}, {DNNL_ARG_TO, to}}});
        s.now = to;
    }
    return s.now;
}

void append(state &s, const primitive &what, args with, const memory &to)
{
    with[DNNL_ARG_DST] = to;
    s.steps.push_back({what, with});
    s.now = to;
    s.own = true;
}

algorithm algorithm_of(const struct activation &activation)
{
    switch (activation.id) {
    case ACTIVATION_RELU:
        return algorithm::eltwise_relu;
    case ACTIVATION_SIGMOID:
        return algorithm::eltwise_logistic;
    case ACTIVATION_TANH:
        return algorithm::eltwise_tanh;
    case ACTIVATION_ELU:
        return algorithm::eltwise_elu;
    case ACTIVATION_SOFTPLUS:
        return algorithm::eltwise_soft_relu;
    case ACTIVATION_GELU:
        return algorithm::eltwise_gelu_erf;
    case ACTIVATION_SWISH:
        return algorithm::eltwise_swish;
    default:
        throw unsupported();
    }
}

float alpha_of(const struct activation &activation)
{
    return activation.id == ACTIVATION_SWISH ? 1 : activation.alpha;
}

primitive_attr fused(const struct activation &activation)
{
    primitive_attr attr;
    post_ops ops;

    if (activation.id != ACTIVATION_LINEAR)
        ops.append_eltwise(1, algorithm_of(activation), alpha_of(activation), 0);
    attr.set_post_ops(ops);
    return attr;
}

void add_activation(state &s, const struct activation &activation)
{
    if (activation.id == ACTIVATION_LINEAR)
        return;
    const memory from = s.now;
    const memory to = s.own ? from : memory(from.get_desc(), s.cpu);
    if (activation.id == ACTIVATION_SOFTMAX) {
        softmax_forward::primitive_desc pd({inference, from.get_desc(), 1}, s.cpu);
        append(s, softmax_forward(pd), {{DNNL_ARG_SRC, from}}, to);
        return;
    }
    eltwise_forward::primitive_desc pd(
        {inference, algorithm_of(activation), from.get_desc(), alpha_of(activation), 0},
        s.cpu);
    append(s, eltwise_forward(pd), {{DNNL_ARG_SRC, from}}, to);
}

/* What a convolution's weights look like, in Keras' order of memory. */
struct weights {
    memory::dims dims, strides;
};

weights weights_of(const struct layer &layer, const struct layer_plan &plan)
{
    const memory::dim h = layer.kernel_size[0], w = layer.kernel_size[1];
    const memory::dim in = dim(shape_extent(&plan.in).channels);
    const memory::dim out = dim(shape_extent(&plan.out).channels);

    if (!strcmp(layer.kind->class_name, "Conv2DTranspose"))
        return {{out, in, h, w}, {in, 1, w * out * in, out * in}};
    if (!strcmp(layer.kind->class_name, "DepthwiseConv2D"))
        return {{in, out / in, 1, h, w}, {out / in, 1, out, w * out, out}};
    if (layer.groups == 1)
        return {{out, in, h, w}, {1, out, w * in * out, in * out}};
    const memory::dim g = layer.groups, o = out / g, i = in / g;
    return {{g, o, i, h, w}, {o, 1, out, w * i * out, i * out}};
}

/* The geometry that convolutions and pools share. */
struct window {
    memory::dims strides, dilates, before, after;
};

window window_of(const int *strides, const int *dilation, const struct pads &pad)
{
    return {{strides[0], strides[1]},
            {dilation[0] - 1, dilation[1] - 1},
            {dim(pad.top), dim(pad.left)},
            {dim(pad.bottom), dim(pad.right)}};
}

template <class Op>
typename Op::primitive_desc describe(state &s, algorithm how, const struct layer &layer,
                                     const struct layer_plan &plan,
                                     const primitive_attr &attr)
{
    const bool transpose = how == algorithm::deconvolution_direct;
    const window w =
        window_of(layer.strides, layer.dilation_rate,
                  transpose ? problem_transpose_pads(&layer, &plan) : plan.pad);
    const memory::dims bias = {dim(shape_extent(&plan.out).channels)};
    const typename Op::desc desc(
        inference, how, any_of(plan.in), {weights_of(layer, plan).dims, f32, tag::any},
        {bias, f32, tag::x}, any_of(plan.out), w.strides, w.dilates, w.before, w.after);

    return typename Op::primitive_desc(desc, attr, s.cpu);
}

template <class Op>
void add_described(state &s, const typename Op::primitive_desc &pd,
                   const struct layer &layer, const memory::desc &kernel)
{
    const memory weights =
        rearranged(s, ours(s, kernel, layer.weights[0].values), pd.weights_desc());
    const memory from = source(s, pd.src_desc());

    append(s, Op(pd),
           {{DNNL_ARG_SRC, from},
            {DNNL_ARG_WEIGHTS, weights},
            {DNNL_ARG_BIAS, ours(s, pd.bias_desc(), layer.weights[1].values)}},
           memory(pd.dst_desc(), s.cpu));
}

void add_convolution(state &s, const struct layer &layer, const struct layer_plan &plan,
                     const struct activation &activation)
{
    const primitive_attr attr = fused(activation);
    const weights w = weights_of(layer, plan);
    const memory::desc kernel(w.dims, f32, w.strides);

    if (!strcmp(layer.kind->class_name, "Conv2DTranspose")) {
        add_described<deconvolution_forward>(
            s,
            describe<deconvolution_forward>(s, algorithm::deconvolution_direct, layer,
                                            plan, attr),
            layer, kernel);
        return;
    }
    auto pd = describe<convolution_forward>(s, algorithm::convolution_auto, layer, plan,
                                            attr);
    if (s.winograd && shape_extent(&plan.in).channels >= 16) { /* else hopeless */
        try {
            pd = describe<convolution_forward>(s, algorithm::convolution_winograd,
                                               layer, plan, attr);
            s.any_winograd = true;
        } catch (const dnnl::error &) { /* it has none for this shape */
        }
    }
    add_described<convolution_forward>(s, pd, layer, kernel);
}

void add_pool(state &s, algorithm how, const memory::dims &size, const window &w,
              const struct layer_plan &plan)
{
    const memory::desc from = s.now.get_desc();
    memory::dims out = dims_of(plan.out);

    out.resize(4, 1); /* of a global pool: a vector for Keras */
    pooling_forward::primitive_desc pd({inference,
                                        how,
                                        from,
                                        {out, f32, tag::any},
                                        w.strides,
                                        size,
                                        w.before,
                                        w.after},
                                       s.cpu);
    append(s, pooling_forward(pd), {{DNNL_ARG_SRC, s.now}},
           memory(pd.dst_desc(), s.cpu));
}

void add_dense(state &s, const struct layer &layer, const struct activation &activation)
{
    const memory::dims from = s.now.get_desc().dims();
    const memory::dim units = layer.units;
    memory::dims dims = from, strides = {1, units};

    dims[0] = units;
    if (dims.size() == 4) /* flattened: height, width, channels, units in memory */
        strides = {1, units, dims[3] * dims[1] * units, dims[1] * units};
    const inner_product_forward::desc desc(
        inference, {from, f32, tag::any}, {dims, f32, tag::any}, {{units}, f32, tag::x},
        {{1, units}, f32, tag::any});
    add_described<inner_product_forward>(
        s, inner_product_forward::primitive_desc(desc, fused(activation), s.cpu), layer,
        {dims, f32, strides});
}

void add_normalization(state &s, const struct layer &layer)
{
    const memory::desc desc = s.now.get_desc();
    const memory::desc per_channel({desc.dims()[1]}, f32, tag::x);
    batch_normalization_forward::primitive_desc pd(
        {inference, desc, layer.epsilon,
         normalization_flags::use_global_stats | normalization_flags::use_scale |
             normalization_flags::use_shift},
        s.cpu);

    append(s, batch_normalization_forward(pd),
           {{DNNL_ARG_SRC, s.now},
            {DNNL_ARG_SCALE, ours(s, per_channel, layer.weights[0].values)},
            {DNNL_ARG_SHIFT, ours(s, per_channel, layer.weights[1].values)},
            {DNNL_ARG_MEAN, ours(s, per_channel, layer.weights[2].values)},
            {DNNL_ARG_VARIANCE, ours(s, per_channel, layer.weights[3].values)}},
           memory(desc, s.cpu));
}

void add_resampling(state &s, const struct layer &layer, const struct layer_plan &plan)
{
    const algorithm how = layer.interpolation ? algorithm::resampling_linear
                                              : algorithm::resampling_nearest;
    resampling_forward::primitive_desc pd(
        {inference, how, s.now.get_desc(), any_of(plan.out)}, s.cpu);

    append(s, resampling_forward(pd), {{DNNL_ARG_SRC, s.now}},
           memory(pd.dst_desc(), s.cpu));
}

void add_layer(state &s, const struct layer &layer, const struct layer_plan &plan,
               const struct activation &activation)
{
    const char *kind = layer.kind->class_name;
    static const int one[2] = {1, 1};

    if (!strcmp(kind, "Conv2D") || !strcmp(kind, "Conv2DTranspose") ||
        !strcmp(kind, "DepthwiseConv2D"))
        return add_convolution(s, layer, plan, activation);
    if (!strcmp(kind, "Dense") && activation.id != ACTIVATION_SOFTMAX)
        return add_dense(s, layer, activation);
    if (!strcmp(kind, "Dense"))
        add_dense(s, layer, {});
    else if (!strcmp(kind, "MaxPooling2D") || !strcmp(kind, "AveragePooling2D"))
        add_pool(s,
                 *kind == 'M' ? algorithm::pooling_max
                              : algorithm::pooling_avg_exclude_padding,
                 {layer.pool_size[0], layer.pool_size[1]},
                 window_of(layer.strides[0] ? layer.strides : layer.pool_size, one,
                           plan.pad),
                 plan);
    else if (!strcmp(kind, "GlobalAveragePooling2D"))
        add_pool(s, algorithm::pooling_avg_exclude_padding,
                 {dim(plan.in.dim[0]), dim(plan.in.dim[1])},
                 {{1, 1}, {0, 0}, {0, 0}, {0, 0}}, plan);
    else if (!strcmp(kind, "BatchNormalization"))
        add_normalization(s, layer);
    else if (!strcmp(kind, "UpSampling2D"))
        add_resampling(s, layer, plan);
    else if (strcmp(kind, "Activation") && strcmp(kind, "Flatten"))
        throw unsupported();
    add_activation(s, activation);
}

/* Layers that work on any layout get the one that oneDNN is said to be best at, blocks
 * of channels, and in the variant that is for that, rows of channels like ours. */
tag layout_of_input(const state &s)
{
    const struct plan &plan = s.problem->plan;
    const char *first = s.problem->network.layers[0].kind->class_name;
    const bool chooses = strstr(first, "Conv2D") || !strcmp(first, "Dense");
    const bool blocks = shape_extent(&plan.input).channels % 16 == 0;

    if (s.rows && (chooses || !blocks))
        throw unsupported(); /* it is the same as auto */
    if (plan.input.rank == 1)
        return tag::nc;
    return blocks && !s.rows ? tag::nChw16c : tag::nhwc;
}

bool can_fuse(const struct problem *problem, size_t i)
{
    const struct network &n = problem->network;

    return i + 1 < n.n_layers && !problem->wanted[i].output &&
           !strcmp(n.layers[i].kind->class_name, "Conv2D") &&
           !strcmp(n.layers[i + 1].kind->class_name, "Activation") &&
           n.layers[i].activation.id == ACTIVATION_LINEAR &&
           n.layers[i + 1].activation.id != ACTIVATION_SOFTMAX;
}

void add_layers(state &s)
{
    const struct problem *p = s.problem;
    const size_t n = p->network.n_layers;

    s.now = rearranged(s, ours(s, rows_of(p->plan.input), p->input),
                       {dims_of(p->plan.input), f32, layout_of_input(s)});
    s.outputs.resize(n);
    for (size_t i = 0; i < n; i++) {
        const size_t at = i;
        const bool fuse = can_fuse(p, i);
        add_layer(s, p->network.layers[at], p->plan.layers[at],
                  p->network.layers[at + fuse].activation);
        i += fuse;
        s.outputs[i] = s.now;
        s.own = s.own && !p->wanted[i].output;
    }
    if (s.winograd && !s.any_winograd)
        throw unsupported();
}

void *prepare(const struct problem *problem, const char *variant,
              const struct parallel *parallel)
{
    if (problem->task != TASK_LAYERS)
        return nullptr;
    omp_set_num_threads(static_cast<int>(parallel->width));
    state *s = new state;
    s->problem = problem;
    s->winograd = !strcmp(variant, "winograd");
    s->rows = !strcmp(variant, "nhwc");
    try {
        add_layers(*s);
        return s;
    } catch (const dnnl::error &) {
    } catch (const unsupported &) {
    }
    delete s;
    return nullptr;
}

void run(void *self)
{
    state *s = static_cast<state *>(self);

    for (const step &one : s->steps)
        one.what.execute(s->queue, one.with);
    s->queue.wait();
}

void output(void *self, size_t layer, float *values)
{
    state *s = static_cast<state *>(self);
    memory from = s->outputs[layer];
    memory::desc desc = from.get_desc();
    memory to({desc.dims(), f32, desc.dims().size() == 2 ? tag::nc : tag::nhwc}, s->cpu,
              values);

    reorder(from, to).execute(s->queue, from, to);
    s->queue.wait();
}

void release(void *self)
{
    delete static_cast<state *>(self);
}

const char *variant(size_t i)
{
    static const char *const names[] = {"auto", "winograd", "nhwc"};

    return i < sizeof names / sizeof *names ? names[i] : nullptr;
}

} // namespace

extern "C" {
extern const struct peer peer_onednn;
const struct peer peer_onednn = {"onednn", variant, prepare, run,
                                 output,   release, nullptr};
}
