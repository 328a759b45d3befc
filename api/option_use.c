/* option_use.c - which of the options that are given can do nothing in a request. */
#include "api/option_use.h"

#include "api/reply.h"

/* ---- the input ---- */

static const struct {
    enum option_id option;
    int generator; /* that it is of; GENERATOR_NONE: any */
    const char *what;
} of_generators[] = {
    {OPTION_SIZE, GENERATOR_NONE, "a generated input: input=circle or two_dots"},
    {OPTION_VAL, GENERATOR_CIRCLE, "input=circle"},
    {OPTION_R_SHRINK, GENERATOR_CIRCLE, "input=circle"},
    {OPTION_DOT_X, GENERATOR_TWO_DOTS, "input=two_dots"},
    {OPTION_DOT_Y, GENERATOR_TWO_DOTS, "input=two_dots"},
};
enum { N_OF_GENERATORS = sizeof of_generators / sizeof *of_generators };

static const enum option_id of_images[] = {
    OPTION_RESIZE,        OPTION_RESIZE_METHOD, OPTION_COLOR,
    OPTION_RESCALE,       OPTION_MEAN,          OPTION_STD,
    OPTION_CHANNEL_ORDER, OPTION_PREPROCESS,    OPTION_BACKGROUND,
};
enum { N_OF_IMAGES = sizeof of_images / sizeof *of_images };

static bool useless(const struct options *options, enum option_id id, const char *what,
                    struct error *err)
{
    const char *name = option_name(id);

    if (!options->given[id])
        return false;
    error_option(err, ERROR_OPTION_INVALID, name, "%s is for %s", name, what);
    return true;
}

/* True if there are pixels to be prepared: a generated input is an image too. */
static bool has_pixels(const struct options *options, enum input_source source)
{
    return source == INPUT_FROM_IMAGE || options->generator != GENERATOR_NONE;
}

bool option_use_check(const struct options *options, enum input_source source,
                      struct error *err)
{
    const int made = options->generator;
    const size_t refused = has_pixels(options, source)  ? 0
                           : source == INPUT_FROM_SHAPE ? 1 /* resize */
                                                        : N_OF_IMAGES;
    bool ok = true;

    for (size_t i = 0; i < N_OF_GENERATORS; i++) {
        const int of = of_generators[i].generator;
        if (made == GENERATOR_NONE || (of != GENERATOR_NONE && of != made))
            ok = !useless(options, of_generators[i].option, of_generators[i].what,
                          err) &&
                 ok;
    }
    for (size_t i = 0; i < refused; i++)
        ok = !useless(options, of_images[i], "an image, and there is none", err) && ok;
    return ok;
}

/* ---- the reply ---- */

/* What decides whether an option is of use. */
struct reply_facts {
    const struct options *options;
    enum reply_format format;
    bool own_colors;
};

static bool is_figure(const struct reply_facts *f)
{
    return reply_is_figure(f->format);
}

static bool is_pixels(const struct reply_facts *f)
{
    return reply_shows_render(f->format);
}

static bool is_enlarged(const struct reply_facts *f)
{
    return is_pixels(f) && !is_figure(f);
}

static bool holds_images(const struct reply_facts *f)
{
    return f->format == FORMAT_JSON || f->format == FORMAT_MULTIPART;
}

static bool holds_values(const struct reply_facts *f)
{
    return holds_images(f) || f->format == FORMAT_ZIP;
}

static bool is_mapped(const struct reply_facts *f)
{
    return is_pixels(f) && !f->own_colors;
}

static bool is_mosaic(const struct reply_facts *f)
{
    return is_mapped(f) && f->options->layout == LAYOUT_MOSAIC;
}

static bool is_normalized(const struct reply_facts *f)
{
    return is_mapped(f) && !OPTION_GIVEN(f->options, RANGE);
}

static bool is_resized(const struct reply_facts *f)
{
    return OPTION_GIVEN(f->options, RESIZE);
}

static const struct {
    enum option_id option;
    bool (*used)(const struct reply_facts *facts);
    const char *what;
} of_replies[] = {
    {OPTION_FIGSIZE, is_figure, "figures: format=figure, svg or pdf"},
    {OPTION_SUBPLOT_SHAPE, is_figure, "figures: format=figure, svg or pdf"},
    {OPTION_DPI, is_figure, "figures: format=figure, svg or pdf"},
    {OPTION_TITLES, is_figure, "figures: format=figure, svg or pdf"},
    {OPTION_SHAPES, is_figure, "figures: format=figure, svg or pdf"},
    {OPTION_COLORBAR, is_figure, "figures: format=figure, svg or pdf"},
    {OPTION_IMAGES, holds_images, "format=json or multipart"},
    {OPTION_VALUES, holds_values, "format=json, multipart or zip"},
    {OPTION_COLORMAP, is_mapped, "pictures, but an Input of three channels"},
    {OPTION_NORMALIZE, is_normalized,
     "pictures without range, but an Input of three channels"},
    {OPTION_RANGE, is_pixels, "pictures"},
    {OPTION_GAMMA, is_pixels, "pictures"},
    {OPTION_CHANNEL, is_pixels, "pictures"},
    {OPTION_LAYOUT, is_mapped, "pictures, but an Input of three channels"},
    {OPTION_COLUMNS, is_mosaic, "pictures with layout=mosaic"},
    {OPTION_GAP, is_mosaic, "pictures with layout=mosaic"},
    {OPTION_SCALE, is_enlarged, "pictures that are no figure"},
    {OPTION_RESIZE_METHOD, is_resized, "resize"},
};
enum { N_OF_REPLIES = sizeof of_replies / sizeof *of_replies };

size_t option_use_warn(const struct options *options, const struct option_reply *reply,
                       struct arena *arena, const char **warnings)
{
    const struct reply_facts facts = {options, reply->format, reply->own_colors};
    size_t n = 0;

    for (size_t i = 0; i < N_OF_REPLIES; i++)
        if (options->given[of_replies[i].option] && !of_replies[i].used(&facts))
            warnings[n++] =
                arena_print(arena, "%s does nothing here: it is for %s",
                            option_name(of_replies[i].option), of_replies[i].what);
    for (size_t i = 0; i < N_OF_IMAGES && !has_pixels(options, reply->source); i++)
        if (options->given[of_images[i]])
            warnings[n++] =
                arena_print(arena, "%s does nothing here: it is for an image",
                            option_name(of_images[i]));
    for (size_t i = 0; i < n; i++)
        if (!warnings[i])
            return 0;
    return n;
}
