/*
 * peer_imgproc.cc - OpenCV's image processing, on pictures.
 *
 * Near to what is wanted, and not the same, so outputs are not compared: samples are
 * rounded to 8 bits after each step; gray weighs 0.299, not 0.2989; colour indices are
 * half an index less, rounded. Least, largest, mean and deviation take it two passes.
 * Bilinear is not run: it reads four pixels for each that comes out, however small the
 * picture becomes (no anti-aliasing), which is another task.
 */
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

extern "C" {
#include "tests/bench/peer.h"
}

namespace
{

struct state {
    const struct problem *problem;
    cv::Mat source, resized, gray, out;
    std::vector<cv::Mat> maps;
    double least, largest;
    cv::Scalar mean, deviation;
};

bool fits(const struct problem *p)
{
    const struct options &o = p->subject.options;
    const bool bilinear = o.given[OPTION_RESIZE] && o.resize_method == RESIZE_BILINEAR;

    return (p->task == TASK_PREPARE && !bilinear) || p->task == TASK_STATISTICS ||
           p->task == TASK_PAINT;
}

cv::Mat matrix(size_t height, size_t width, int depth, size_t channels, void *values)
{
    return cv::Mat(static_cast<int>(height), static_cast<int>(width),
                   CV_MAKETYPE(depth, static_cast<int>(channels)), values);
}

void *prepare(const struct problem *problem, const char *,
              const struct parallel *parallel)
{
    if (!fits(problem))
        return nullptr;
    cv::setNumThreads(static_cast<int>(parallel->width));
    const struct subject &s = problem->subject;
    const struct extent e = shape_extent(&problem->plan.input);
    state *to = new state;

    to->problem = problem;
    to->source = problem->task == TASK_PREPARE
                     ? matrix(s.info.height, s.info.width, CV_8U, s.info.channels,
                              s.picture.samples)
                     : matrix(e.height, e.width, CV_32F, e.channels, problem->input);
    return to;
}

void prepare_samples(state *s)
{
    const struct subject &to = s->problem->subject;
    const cv::Mat *from = &s->source;

    if (to.options.given[OPTION_RESIZE]) {
        cv::resize(s->source, s->resized,
                   cv::Size(static_cast<int>(to.width), static_cast<int>(to.height)), 0,
                   0, cv::INTER_AREA);
        from = &s->resized;
    }
    if (to.channels < to.info.channels) {
        cv::cvtColor(*from, s->gray, cv::COLOR_RGB2GRAY);
        from = &s->gray;
    }
    from->convertTo(s->out, CV_32F, 1 / 255.0);
}

void measure(state *s)
{
    const cv::Mat values = s->source.reshape(1);

    cv::minMaxLoc(values, &s->least, &s->largest);
    cv::meanStdDev(values, s->mean, s->deviation);
}

/* Maps side by side, with a gap; three are the colours of one picture. */
void paint(state *s)
{
    const int n = s->source.channels(), h = s->source.rows, w = s->source.cols;
    int columns = 1;

    if (n == 3) {
        cv::minMaxLoc(s->source.reshape(1), &s->least, &s->largest);
        s->source.convertTo(s->out, CV_8U, 255, -0.5);
        return;
    }
    while (columns * columns < n)
        columns++;
    const int rows = (n + columns - 1) / columns;
    s->out.create(rows * (h + 1) - 1, columns * (w + 1) - 1, CV_8U);
    s->out.setTo(0);
    cv::split(s->source, s->maps);
    for (int i = 0; i < n; i++) {
        cv::Mat place =
            s->out(cv::Rect(i % columns * (w + 1), i / columns * (h + 1), w, h));
        cv::minMaxLoc(s->maps[static_cast<size_t>(i)], &s->least, &s->largest);
        const double scale = 256 / (s->largest - s->least);
        s->maps[static_cast<size_t>(i)].convertTo(place, CV_8U, scale,
                                                  -s->least * scale - 0.5);
    }
}

void run(void *self)
{
    state *s = static_cast<state *>(self);

    if (s->problem->task == TASK_PREPARE)
        prepare_samples(s);
    else if (s->problem->task == TASK_STATISTICS)
        measure(s);
    else
        paint(s);
}

void release(void *self)
{
    delete static_cast<state *>(self);
}

} // namespace

extern "C" {
extern const struct peer peer_imgproc;
const struct peer peer_imgproc = {"opencv", nullptr, prepare, run,
                                  nullptr,  release, nullptr};
}
