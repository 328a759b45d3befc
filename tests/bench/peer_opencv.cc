/*
 * peer_opencv.cc - OpenCV's image processing, on maps of one channel.
 *
 * A valid convolution is filter2D on the inner part of the image, whose neighbours it
 * reads; a 2x2 pool is the larger of two rows, then of two columns. Where only the
 * last stage is wanted, ReLU comes after the pool: the same result on a quarter of
 * the cells.
 */
#include <cstring>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

extern "C" {
#include "tests/bench/peer.h"
}

namespace
{

struct state {
    const struct problem *problem;
    cv::Mat input, inner, kernel;
    double bias;
    cv::Mat conv, relu, rows, left, right, pool;
};

bool is(const struct problem *p, size_t layer, const char *kind)
{
    return layer < p->network.n_layers &&
           !strcmp(p->network.layers[layer].kind->class_name, kind);
}

bool is_chain(const struct problem *p)
{
    return p->network.n_layers == 3 && is(p, 1, "Activation") &&
           p->network.layers[1].activation.id == ACTIVATION_RELU &&
           is(p, 2, "MaxPooling2D") && p->network.layers[2].pool_size[0] == 2;
}

bool fits(const struct problem *p)
{
    const struct layer &conv = p->network.layers[0];

    return p->task == TASK_LAYERS && is(p, 0, "Conv2D") && conv.strides[0] == 1 &&
           conv.filters == 1 && conv.dilation_rate[0] == 1 &&
           conv.padding == PADDING_VALID && conv.activation.id == ACTIVATION_LINEAR &&
           shape_extent(&p->plan.input).channels == 1 &&
           (p->network.n_layers == 1 || is_chain(p)) &&
           p->plan.layers[0].out.dim[0] % 2 == 0 &&
           p->plan.layers[0].out.dim[1] % 2 == 0;
}

void *prepare(const struct problem *problem, const char *,
              const struct parallel *parallel)
{
    if (!fits(problem))
        return nullptr;
    cv::setNumThreads(static_cast<int>(parallel->width));
    const struct layer &conv = problem->network.layers[0];
    const int height = static_cast<int>(problem->plan.input.dim[0]);
    const int width = static_cast<int>(problem->plan.input.dim[1]);
    const int h = conv.kernel_size[0], w = conv.kernel_size[1];
    state *s = new state;

    s->problem = problem;
    s->input = cv::Mat(height, width, CV_32F, problem->input);
    s->inner = s->input(cv::Rect(w / 2, h / 2, width - w + 1, height - h + 1));
    s->kernel = cv::Mat(h, w, CV_32F, const_cast<float *>(conv.weights[0].values));
    s->bias = conv.weights[1].values[0];
    return s;
}

/* The matrices keep their memory from run to run. */
void pool(state *s, const cv::Mat &from)
{
    const cv::Mat pairs = from.reshape(1, from.rows / 2); /* two rows side by side */
    const int width = from.cols;

    cv::max(pairs.colRange(0, width), pairs.colRange(width, 2 * width), s->rows);
    const cv::Mat columns = s->rows.reshape(2);
    cv::extractChannel(columns, s->left, 0);
    cv::extractChannel(columns, s->right, 1);
    cv::max(s->left, s->right, s->pool);
}

void run(void *self)
{
    state *s = static_cast<state *>(self);

    cv::filter2D(s->inner, s->conv, CV_32F, s->kernel, cv::Point(-1, -1), s->bias);
    if (s->problem->network.n_layers == 1)
        return;
    if (s->problem->wanted[1].output) {
        cv::max(s->conv, 0, s->relu);
        pool(s, s->relu);
    } else {
        pool(s, s->conv);
        cv::max(s->pool, 0, s->pool);
    }
}

void output(void *self, size_t layer, float *values)
{
    state *s = static_cast<state *>(self);
    const cv::Mat &from = layer == 0 ? s->conv : layer == 1 ? s->relu : s->pool;

    memcpy(values, from.ptr<float>(), from.total() * sizeof *values);
}

void release(void *self)
{
    delete static_cast<state *>(self);
}

} // namespace

extern "C" {
extern const struct peer peer_opencv;
const struct peer peer_opencv = {"opencv", nullptr, prepare, run,
                                 output,   release, nullptr};
}
