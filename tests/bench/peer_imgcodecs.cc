/*
 * peer_imgcodecs.cc - OpenCV's imencode and imdecode, as they come.
 *
 * It knows no palettes: a picture in colours is blue, green and red to it, and its file
 * is larger.
 */
#include <cstring>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <vector>

extern "C" {
#include "tests/bench/peer.h"
}

namespace
{

struct state {
    const struct problem *problem;
    cv::Mat picture;
    std::vector<uchar> file;
};

cv::Mat matrix_of(const struct picture &picture)
{
    const int height = static_cast<int>(picture.height);
    const int width = static_cast<int>(picture.width);
    const bool rgb = picture.kind == picture::PICTURE_RGB;

    if (!rgb && subject_is_gray(&picture))
        return cv::Mat(height, width, CV_8U, picture.samples).clone();
    cv::Mat to(height, width, CV_8UC3);
    for (int i = 0; i < width * height; i++) {
        const uint8_t *s = picture.samples + i * (rgb ? 3 : 1);
        const uint32_t color =
            rgb ? static_cast<uint32_t>(s[0] << 16 | s[1] << 8 | s[2])
                : picture.colormap->rgb[*s];
        uchar *bgr = to.ptr() + i * 3;
        for (int c = 0; c < 3; c++)
            bgr[c] = static_cast<uchar>(color >> 8 * c);
    }
    return to;
}

void *prepare(const struct problem *problem, const char *, const struct parallel *)
{
    if (problem->task != TASK_ENCODE && problem->task != TASK_DECODE)
        return nullptr;
    const struct buffer &file = problem->subject.file;
    state *s = new state;

    s->problem = problem;
    if (problem->task == TASK_ENCODE)
        s->picture = matrix_of(problem->subject.picture);
    else
        s->file.assign(file.bytes, file.bytes + file.size);
    return s;
}

void run(void *self)
{
    state *s = static_cast<state *>(self);

    if (s->problem->task == TASK_ENCODE)
        cv::imencode(".png", s->picture, s->file);
    else
        s->picture = cv::imdecode(s->file, s->problem->subject.channels == 1
                                               ? cv::IMREAD_GRAYSCALE
                                               : cv::IMREAD_COLOR);
}

void output(void *self, size_t i, float *values)
{
    const state *s = static_cast<state *>(self);
    const size_t n = problem_output_count(s->problem, i);

    if (s->problem->task == TASK_ENCODE)
        return subject_read_png(&s->problem->subject, s->file.data(), s->file.size(),
                                values);
    const size_t channels = s->problem->subject.channels;
    for (size_t k = 0; k < n; k++) /* blue, green, red */
        values[k] = s->picture.ptr()[k - k % channels + (channels - 1 - k % channels)];
}

void tell(void *self, struct account *account)
{
    const state *s = static_cast<state *>(self);

    account->bytes =
        s->problem->task == TASK_ENCODE ? static_cast<double>(s->file.size()) : 0;
}

void release(void *self)
{
    delete static_cast<state *>(self);
}

} // namespace

extern "C" {
extern const struct peer peer_imgcodecs;
const struct peer peer_imgcodecs = {"opencv", nullptr, prepare, run,
                                    output,   release, tell};
}
