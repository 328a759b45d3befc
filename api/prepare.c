/* prepare.c - from decoded samples to the numbers that the network sees. */
#include "api/prepare.h"

#include <assert.h>
#include <string.h>

static float luma(float r, float g, float b)
{
    return r * 0.2989f + g * 0.587f + b * 0.114f;
}

/* The weights add up to 0.9999; a gray background is not to be darkened by them. */
static void set_background(struct preparation *p, const double *rgb)
{
    for (size_t c = 0; c < 3; c++)
        p->background[c] = (float)rgb[c] * (p->full / 255.0f);
    const float *b = p->background;
    p->gray = b[0] == b[1] && b[1] == b[2] ? b[0] : luma(b[0], b[1], b[2]);
}

/* keras.applications' formulas, on pixels of 0 to 255:
 *     tf     x / 127.5 - 1
 *     caffe  BGR, x - mean
 *     torch  (x / 255 - mean) / std */
static bool set_preprocess(struct preparation *p, int mode, struct error *err)
{
    static const float caffe_mean[3] = {103.939f, 116.779f, 123.68f};
    static const float torch_mean[3] = {0.485f, 0.456f, 0.406f};
    static const float torch_std[3] = {0.229f, 0.224f, 0.225f};

    p->factor = p->full == 65535.0f ? (float)(1 / 257.0) : 1.0f;
    if (mode == PREPROCESS_TF) {
        p->divisor = 127.5f;
        for (size_t c = 0; c < p->channels; c++)
            p->mean[c] = 1.0f;
        return true;
    }
    if (p->channels != 3)
        return error_option(err, ERROR_OPTION_INVALID, "preprocess",
                            "%s needs 3 channels, the input has %zu",
                            mode == PREPROCESS_CAFFE ? "caffe" : "torch", p->channels);
    if (mode == PREPROCESS_CAFFE) {
        p->reverse = true;
        memcpy(p->mean, caffe_mean, sizeof caffe_mean);
    } else {
        p->divisor = 255.0f;
        memcpy(p->mean, torch_mean, sizeof torch_mean);
        memcpy(p->std, torch_std, sizeof torch_std);
    }
    return true;
}

static bool set_list(float *to, size_t channels, const struct option_list *list,
                     const char *option, struct error *err)
{
    if (list->n != 1 && list->n != channels)
        return error_option(err, ERROR_OPTION_INVALID, option,
                            "%s has %zu numbers, the input has %zu channels", option,
                            list->n, channels);
    for (size_t c = 0; c < channels; c++)
        to[c] = (float)list->items[list->n == 1 ? 0 : c];
    return true;
}

static bool set_steps(struct preparation *p, const struct options *options,
                      struct error *err)
{
    if (OPTION_GIVEN(options, RESCALE))
        p->factor = (float)options->rescale;
    p->reverse = options->channel_order == ORDER_BGR;
    if (p->reverse && p->channels != 3 && p->channels != 4)
        return error_option(err, ERROR_OPTION_INVALID, "channel_order",
                            "bgr needs 3 or 4 channels, the input has %zu",
                            p->channels);
    return (!OPTION_GIVEN(options, MEAN) ||
            set_list(p->mean, p->channels, &options->mean, "mean", err)) &&
           (!OPTION_GIVEN(options, STD) ||
            set_list(p->std, p->channels, &options->std, "std", err));
}

/* A preprocess is the whole of the steps that these options are about. */
static bool check_alone(const struct options *options, struct error *err)
{
    const char *other = OPTION_GIVEN(options, RESCALE)         ? "rescale"
                        : OPTION_GIVEN(options, MEAN)          ? "mean"
                        : OPTION_GIVEN(options, STD)           ? "std"
                        : OPTION_GIVEN(options, CHANNEL_ORDER) ? "channel_order"
                                                               : NULL;

    return !other || error_option(err, ERROR_OPTION_INVALID, other,
                                  "%s and preprocess exclude each other", other);
}

static bool is_plain(const struct preparation *p)
{
    bool plain = !p->reverse && p->divisor == 1.0f;

    for (size_t c = 0; c < p->channels; c++)
        plain = plain && p->mean[c] == 0.0f && p->std[c] == 1.0f;
    return plain;
}

bool prepare_init(struct preparation *p, const struct options *options,
                  const struct kernels *kernels, float full, size_t channels,
                  struct error *err)
{
    assert(channels <= PREPARE_MAX_CHANNELS);
    *p = (struct preparation){
        .channels = channels,
        .full = full,
        .factor = (float)(1.0 / (double)full),
        .divisor = 1.0f,
        .period = PREPARE_PERIOD / channels * channels,
        .kernels = kernels,
    };
    for (size_t c = 0; c < channels; c++)
        p->std[c] = 1.0f;
    set_background(p, options->background);

    const bool done =
        options->preprocess == PREPROCESS_NONE
            ? set_steps(p, options, err)
            : check_alone(options, err) && set_preprocess(p, options->preprocess, err);
    p->plain = is_plain(p);
    for (size_t i = channels; i < p->period; i++) {
        p->mean[i] = p->mean[i - channels];
        p->std[i] = p->std[i - channels];
    }
    return done;
}

/* Gray or RGB, with alpha or without, become RGB or RGBA in place, from the last pixel
 * on. */
static void spread(const struct preparation *p, float *pixels, size_t from, size_t to,
                   size_t n)
{
    const size_t colors = from < 3 ? 1 : 3;

    for (size_t i = n; i-- > 0;) {
        const float *pixel = pixels + i * from;
        const float alpha = from > colors ? pixel[colors] : p->full;
        const float rgb[3] = {pixel[0], pixel[colors / 2], pixel[colors - 1]};
        memcpy(pixels + i * to, rgb, sizeof rgb);
        if (to == 4)
            pixels[i * to + 3] = alpha;
    }
}

static float over(float c, float b, float alpha)
{
    return alpha >= 1.0f ? c : b + (c - b) * alpha;
}

static void composite_gray(float *pixels, float background, float unit, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pixels[i] = over(pixels[2 * i], background, pixels[2 * i + 1] * unit);
}

typedef float rgba __attribute__((vector_size(16)));

/* What a pixel stores behind its colours the next one overwrites. */
static void composite_rgb(float *pixels, const float background[3], float unit,
                          size_t n)
{
    const rgba b = {background[0], background[1], background[2]};

    for (size_t i = 0; i < n; i++) {
        rgba color;
        memcpy(&color, pixels + 4 * i, sizeof color);
        const float alpha = color[3] * unit;
        if (!(alpha >= 1.0f))
            color = b + (color - b) * alpha;
        memcpy(pixels + 3 * i, &color, sizeof color);
    }
}

/* In place, from the first pixel on. */
static void composite(const struct preparation *p, float *pixels, size_t colors,
                      size_t n)
{
    const float unit = (float)(1.0 / (double)p->full);

    if (colors == 1)
        composite_gray(pixels, p->gray, unit, n);
    else
        composite_rgb(pixels, p->background, unit, n);
}

static void rgb_from_gray(float *out, const float *gray, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = gray[i];
}

static void swap_ends(float *pixels, size_t channels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float *pixel = pixels + i * channels, first = pixel[0];
        pixel[0] = pixel[2];
        pixel[2] = first;
    }
}

static void multiply(float *values, size_t n, float factor)
{
    for (size_t i = 0; factor != 1.0f && i < n; i++)
        values[i] *= factor;
}

/* The same from one place to another. */
static void multiply_to(float *restrict out, const float *restrict values, size_t n,
                        float factor)
{
    for (size_t i = 0; i < n; i++)
        out[i] = values[i] * factor;
}

static void divide(float *values, size_t n, float divisor)
{
    for (size_t i = 0; divisor != 1.0f && i < n; i++)
        values[i] /= divisor;
}

static void normalise(const struct preparation *p, float *out, size_t n)
{
    divide(out, n * p->channels, p->divisor);
    if (p->reverse)
        swap_ends(out, p->channels, n);
    p->kernels->standardize(out, out, p->mean, p->std, p->period, n * p->channels,
                            false);
}

size_t prepare_flat_channels(const struct preparation *p, size_t colors)
{
    return p->full == 1.0f || p->channels == 1 ? colors : p->channels;
}

size_t prepare_flatten(const struct preparation *p, float *pixels, size_t from,
                       size_t n)
{
    if (p->full == 1.0f)
        return from;

    const size_t alpha = from % 2 == 0 || p->channels == 4;
    const size_t colors = prepare_flat_channels(p, from - (from % 2 == 0)) == 1 ? 1 : 3;
    if (from != colors + alpha)
        spread(p, pixels, from, colors + alpha, n);
    if (!alpha || p->channels == 4)
        return colors + alpha;
    composite(p, pixels, colors, n);
    return colors;
}

void prepare_finish(const struct preparation *p, float *out, const float *pixels,
                    size_t from, size_t n)
{
    if (from != p->channels && p->channels == 1) {
        p->kernels->gray(out, pixels, n, p->factor);
    } else if (from == p->channels && out == pixels) {
        multiply(out, n * from, p->factor);
    } else if (from == p->channels) {
        multiply_to(out, pixels, n * from, p->factor);
    } else {
        rgb_from_gray(out, pixels, n);
        multiply(out, n * p->channels, p->factor);
    }
    if (!p->plain)
        normalise(p, out, n);
}

void prepare_samples(const struct preparation *p, float *out, const uint8_t *samples,
                     size_t from, size_t n, bool around)
{
    const bool once = around && p->plain;

    if (from != p->channels)
        p->kernels->gray_u8(out, samples, n, p->factor, once);
    else
        p->kernels->widen(out, samples, n * from, p->factor, once);
    if (!p->plain)
        normalise(p, out, n);
}

void prepare_multiply_alpha(const struct preparation *p, float *pixels, size_t channels,
                            size_t n)
{
    if (p->full == 1.0f || channels != 4)
        return;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            pixels[4 * i + c] *= pixels[4 * i + 3] / p->full;
}

static float clamp(float x, float top)
{
    const float above = x < 0 ? 0 : x;

    return above > top ? top : above;
}

void prepare_divide_alpha(const struct preparation *p, float *pixels, size_t channels,
                          size_t n)
{
    const float full = p->full;

    if (full == 1.0f)
        return;
    for (size_t i = 0; i < n * channels; i++)
        pixels[i] = clamp(pixels[i], full);
    for (size_t i = 0; channels == 4 && i < n; i++)
        for (size_t c = 0; c < 3 && pixels[4 * i + 3] > 0; c++)
            pixels[4 * i + c] =
                clamp(pixels[4 * i + c] / (pixels[4 * i + 3] / full), full);
}
