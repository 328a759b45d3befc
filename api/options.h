/*
 * options.h - the options of a request, by name.
 *
 * The same options may stand in the query, as text parts of a form, and as members
 * of a JSON request document. One table names them; reading, messages, the nearest
 * name of an unknown one and the catalogue all come from it.
 *
 * As text, a pair is "h,w" (or "[h,w]") and one number serves for both; a list is
 * "a,b". In JSON they are numbers and arrays.
 */
#ifndef API_OPTIONS_H
#define API_OPTIONS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/tensor.h"

/* The named values of the choices, in the contract's order; the first is the default.
 * Each list X(constant, name) becomes an enum here and the names in options.c. */
#define FOR_EACH_FORMAT(X)                                                             \
    X(FORMAT_JSON, "json")                                                             \
    X(FORMAT_MULTIPART, "multipart")                                                   \
    X(FORMAT_PNG, "png")                                                               \
    X(FORMAT_FIGURE, "figure")                                                         \
    X(FORMAT_SVG, "svg")                                                               \
    X(FORMAT_PDF, "pdf")                                                               \
    X(FORMAT_ZIP, "zip")                                                               \
    X(FORMAT_NPZ, "npz")                                                               \
    X(FORMAT_SAFETENSORS, "safetensors")                                               \
    X(FORMAT_NPY, "npy")
#define FOR_EACH_IMAGES(X) X(IMAGES_PNG, "png") X(IMAGES_NONE, "none")
#define FOR_EACH_VALUES(X)                                                             \
    X(VALUES_NONE, "none") X(VALUES_LIST, "list") X(VALUES_BASE64, "base64")
#define FOR_EACH_COLOR(X)                                                              \
    X(COLOR_AUTO, "auto")                                                              \
    X(COLOR_GRAY, "gray") X(COLOR_RGB, "rgb") X(COLOR_RGBA, "rgba")
#define FOR_EACH_RESIZE_METHOD(X)                                                      \
    X(RESIZE_BILINEAR, "bilinear")                                                     \
    X(RESIZE_NEAREST, "nearest")                                                       \
    X(RESIZE_AREA, "area")                                                             \
    X(RESIZE_BICUBIC, "bicubic")
#define FOR_EACH_CHANNEL_ORDER(X) X(ORDER_RGB, "rgb") X(ORDER_BGR, "bgr")
#define FOR_EACH_PREPROCESS(X)                                                         \
    X(PREPROCESS_NONE, "none")                                                         \
    X(PREPROCESS_TF, "tf")                                                             \
    X(PREPROCESS_CAFFE, "caffe")                                                       \
    X(PREPROCESS_TORCH, "torch")
#define FOR_EACH_GENERATOR(X)                                                          \
    X(GENERATOR_CIRCLE, "circle")                                                      \
    X(GENERATOR_TWO_DOTS, "two_dots")
#define FOR_EACH_NORMALIZE(X)                                                          \
    X(NORMALIZE_CHANNEL, "channel")                                                    \
    X(NORMALIZE_STAGE, "stage")                                                        \
    X(NORMALIZE_NONE, "none")
#define FOR_EACH_LAYOUT(X)                                                             \
    X(LAYOUT_MOSAIC, "mosaic") X(LAYOUT_SEPARATE, "separate") X(LAYOUT_RGB, "rgb")

#define OPTION_CONSTANT(id, name) id,
enum reply_format { FOR_EACH_FORMAT(OPTION_CONSTANT) FORMAT_COUNT };
enum option_images { FOR_EACH_IMAGES(OPTION_CONSTANT) };
enum option_values { FOR_EACH_VALUES(OPTION_CONSTANT) };
enum option_color { FOR_EACH_COLOR(OPTION_CONSTANT) };
enum option_resize_method { FOR_EACH_RESIZE_METHOD(OPTION_CONSTANT) };
enum option_channel_order { FOR_EACH_CHANNEL_ORDER(OPTION_CONSTANT) };
enum option_preprocess { FOR_EACH_PREPROCESS(OPTION_CONSTANT) };
enum option_generator { GENERATOR_NONE = -1, FOR_EACH_GENERATOR(OPTION_CONSTANT) };
enum option_normalize { FOR_EACH_NORMALIZE(OPTION_CONSTANT) };
enum option_layout { FOR_EACH_LAYOUT(OPTION_CONSTANT) };

/* X(ID, name, TYPE, field of struct options, minimum, maximum,
 *   NULL-terminated names of a CHOICE or NULL, what it does)
 * Types: INT int · PAIR int[2] · FLOAT double · FLOATS double[2] · LIST of up to
 * OPTION_MAX_LIST doubles · CHOICE int · BOOL bool · TEXT char * · JSON char *, a word
 * or the text of a JSON array · NAMES list of strings · SHAPE struct shape · COLORMAP
 * int, a row of colormap.h · PRESET int, a row of preset.h · RGB double[3], 0..255, as
 * "r,g,b", "#rrggbb", "white" or "black" · GENERATOR int, a name or a JSON object of
 * one and the generator's options · TITLES struct option_titles, a boolean or a list of
 * strings.
 */
#define FOR_EACH_OPTION_TYPE(X)                                                        \
    X(INT, "int")                                                                      \
    X(PAIR, "int_pair")                                                                \
    X(FLOAT, "float")                                                                  \
    X(FLOATS, "float_pair")                                                            \
    X(LIST, "float_list")                                                              \
    X(CHOICE, "choice")                                                                \
    X(BOOL, "bool")                                                                    \
    X(TEXT, "string")                                                                  \
    X(JSON, "string_or_array")                                                         \
    X(NAMES, "string_list")                                                            \
    X(SHAPE, "shape")                                                                  \
    X(COLORMAP, "colormap")                                                            \
    X(PRESET, "preset")                                                                \
    X(RGB, "rgb")                                                                      \
    X(GENERATOR, "choice_or_object")                                                   \
    X(TITLES, "bool_or_string_list")
#define FOR_EACH_OPTION(X)                                                             \
    X(FORMAT, "format", CHOICE, format, 0, 0, format_names, "kind of reply")           \
    X(STAGE, "stage", TEXT, stage, 0, 0, NULL, "the one stage of a png or npy reply")  \
    X(STAGES, "stages", NAMES, stages, 0, 0, NULL, "stages to return, in this order")  \
    X(OPS, "ops", NAMES, stages, 0, 0, NULL, "alias of stages")                        \
    X(SPLIT_ACTIVATION, "split_activation", BOOL, split_activation, 0, 0, NULL,        \
      "add each layer's pre-activation as a stage name/pre")                           \
    X(IMAGES, "images", CHOICE, images, 0, 0, images_names,                            \
      "pictures in a JSON reply")                                                      \
    X(VALUES, "values", CHOICE, values, 0, 0, values_names,                            \
      "float32 numbers in a JSON reply")                                               \
    X(PRESET, "preset", PRESET, preset, 0, 0, NULL,                                    \
      "a network of GET /v1/presets in place of layers")                               \
    X(KERNEL, "kernel", JSON, kernel, 0, 0, NULL,                                      \
      "the lesson's kernel: a catalogue name or a JSON 2-D array")                     \
    X(CONV_STRIDE, "conv_stride", PAIR, conv_stride, 1, 1e6, NULL,                     \
      "strides of the lesson's convolution")                                           \
    X(CONV_PADDING, "conv_padding", TEXT, conv_padding, 0, 0, NULL, "valid or same")   \
    X(ACTIVATION, "activation", TEXT, activation, 0, 0, NULL,                          \
      "activation of the lesson's Detect")                                             \
    X(POOL_SIZE, "pool_size", PAIR, pool_size, 1, 1e6, NULL, "window of the pool")     \
    X(POOL_STRIDE, "pool_stride", PAIR, pool_stride, 1, 1e6, NULL,                     \
      "strides of the pool")                                                           \
    X(POOL_PADDING, "pool_padding", TEXT, pool_padding, 0, 0, NULL, "same or valid")   \
    X(GAMMA, "gamma", FLOAT, gamma, 0, 1e3, NULL,                                      \
      "exponent applied to Detect and Condense before they are painted")               \
    X(FIGSIZE, "figsize", FLOATS, figsize, 0.1, 100, NULL,                             \
      "inches, width then height")                                                     \
    X(SUBPLOT_SHAPE, "subplot_shape", PAIR, subplot_shape, 1, 64, NULL,                \
      "rows and columns of a figure")                                                  \
    X(DPI, "dpi", FLOAT, dpi, 1, 2400, NULL, "dots per inch of a figure")              \
    X(TITLES, "titles", TITLES, titles, 0, 0, NULL,                                    \
      "of a figure's panels: true for the stages' names, false, or a list")            \
    X(SHAPES, "shapes", BOOL, shapes, 0, 0, NULL, "stages' shapes under the titles")   \
    X(COLORBAR, "colorbar", BOOL, colorbar, 0, 0, NULL,                                \
      "a bar of colours beside each panel")                                            \
    X(COLOR, "color", CHOICE, color, 0, 0, color_names, "channels of the input")       \
    X(RESIZE, "resize", PAIR, resize, 1, 1e6, NULL,                                    \
      "height,width that the image is given before anything is computed")              \
    X(RESIZE_METHOD, "resize_method", CHOICE, resize_method, 0, 0,                     \
      resize_method_names, "antialiased when shrinking, but for nearest")              \
    X(RESCALE, "rescale", FLOAT, rescale, -1e6, 1e6, NULL,                             \
      "factor in place of 1/255 (1/65535 for 16 bits)")                                \
    X(MEAN, "mean", LIST, mean, -1e6, 1e6, NULL, "subtracted, one per channel or one") \
    X(STD, "std", LIST, std, 1e-12, 1e6, NULL, "divided by, one per channel or one")   \
    X(CHANNEL_ORDER, "channel_order", CHOICE, channel_order, 0, 0,                     \
      channel_order_names, "rgb or bgr")                                               \
    X(PREPROCESS, "preprocess", CHOICE, preprocess, 0, 0, preprocess_names,            \
      "keras.applications' modes")                                                     \
    X(BACKGROUND, "background", RGB, background, 0, 255, NULL,                         \
      "colour under transparent pixels")                                               \
    X(INPUT, "input", CHOICE, generator, 0, 0, generator_names,                        \
      "a generated input in place of an image")                                        \
    X(GENERATOR, "generator", GENERATOR, generator, 0, 0, generator_names,             \
      "the same, with its options: {\"name\":\"circle\",\"size\":[64,64]}")            \
    X(SIZE, "size", PAIR, size, 1, 12000, NULL, "of the generated input")              \
    X(VAL, "val", FLOAT, val, -1e6, 1e6, NULL, "value of the circle's cells")          \
    X(R_SHRINK, "r_shrink", INT, r_shrink, -12000, 12000, NULL,                        \
      "how much smaller the circle's radius is than half the height")                  \
    X(DOT_X, "x", INT, x, 0, 11999, NULL, "of two_dots")                               \
    X(DOT_Y, "y", INT, y, 0, 11999, NULL, "of two_dots")                               \
    X(SEED, "seed", INT, seed, 0, 2147483647, NULL,                                    \
      "of initializers and random values")                                             \
    X(INPUT_SHAPE, "input_shape", SHAPE, input_shape, 1, 1e6, NULL,                    \
      "h,w,c of a plan without an image")                                              \
    X(COLORMAP, "colormap", COLORMAP, colormap, 0, 0, NULL, "colours of a map")        \
    X(NORMALIZE, "normalize", CHOICE, normalize, 0, 0, normalize_names,                \
      "what vmin and vmax are taken over")                                             \
    X(RANGE, "range", FLOATS, range, -1e30, 1e30, NULL, "vmin,vmax for all pictures")  \
    X(CHANNEL, "channel", INT, channel, 0, 1e6, NULL, "one map only")                  \
    X(LAYOUT, "layout", CHOICE, layout, 0, 0, layout_names,                            \
      "how several maps are shown")                                                    \
    X(COLUMNS, "columns", INT, columns, 1, 4096, NULL, "of a mosaic")                  \
    X(GAP, "gap", INT, gap, 0, 64, NULL, "cells between the maps of a mosaic")         \
    X(SCALE, "scale", INT, scale, 1, 64, NULL, "pixels per cell")

/* Options of other requests: the picture of a kernel, an animation. */
#define FOR_EACH_OP(X)                                                                 \
    X(OP_CONV, "conv")                                                                 \
    X(OP_MAX_POOL, "max_pool")                                                         \
    X(OP_AVERAGE_POOL, "average_pool")
#define FOR_EACH_OTHER_OPTION(X)                                                       \
    X(LABEL, "label", BOOL, label, 0, 0, NULL, "write each number into its cell")      \
    X(DIGITS, "digits", INT, digits, -15, 15, NULL, "round numbers to so many digits") \
    X(TEXT_SIZE, "text_size", FLOAT, text_size, 1, 400, NULL, "points of the numbers") \
    X(OP, "op", CHOICE, op, 0, 0, op_names, "what the window does")                    \
    X(INPUT_SIZE, "input_size", PAIR, input_size, 1, 512, NULL,                        \
      "of the grid that the window slides over")                                       \
    X(KERNEL_SIZE, "kernel_size", PAIR, kernel_size, 1, 63, NULL, "of the window")     \
    X(STRIDES, "strides", PAIR, strides, 1, 512, NULL, "steps of the window")          \
    X(PADDING, "padding", TEXT, padding, 0, 0, NULL, "at the edges: valid or same")    \
    X(DILATION, "dilation", PAIR, dilation, 1, 512, NULL,                              \
      "distance of the window's cells")                                                \
    X(LAYER, "layer", TEXT, layer, 0, 0, NULL, "the layer of the config to show")      \
    X(FPS, "fps", FLOAT, fps, 0.1, 50, NULL, "steps shown in a second")                \
    X(MAX_FRAMES, "max_frames", INT, max_frames, 2, 1000, NULL,                        \
      "at most so many, spread evenly")

enum option_op { FOR_EACH_OP(OPTION_CONSTANT) };
#undef OPTION_CONSTANT

enum option_type {
#define ENUMERATE(id, name) OPTION_TYPE_##id,
    FOR_EACH_OPTION_TYPE(ENUMERATE)
#undef ENUMERATE
};

/* OPTION_COUNT are those of an extraction, OPTION_TOTAL all. */
enum option_id {
#define ENUMERATE(id, name, type, field, min, max, names, what) OPTION_##id,
    FOR_EACH_OPTION(ENUMERATE) OPTION_COUNT,
    OPTION_BEFORE_OTHERS = OPTION_COUNT - 1,
    FOR_EACH_OTHER_OPTION(ENUMERATE)
#undef ENUMERATE
        OPTION_TOTAL
};

enum { OPTION_MAX_LIST = 64 };

struct option_list {
    size_t n;
    double items[OPTION_MAX_LIST];
};

struct option_names {
    size_t n;
    const char **items; /* in the arena */
};

struct option_titles {
    bool none;                 /* false was given */
    struct option_names names; /* n 0: none were given */
};

struct options {
    /* Those that the request may have, closed by OPTION_TOTAL; NULL: an extraction's.
     */
    const enum option_id *accepted;
    bool given[OPTION_TOTAL];        /* the client set it */
    const char *shown[OPTION_TOTAL]; /* to this, as JSON, if it is short; else NULL */

    int format; /* enum reply_format, if given */
    const char *stage;
    struct option_names stages;
    bool split_activation;
    int images, values;
    int preset; /* if given */

    const char *kernel;
    int conv_stride[2];
    const char *conv_padding, *activation;
    int pool_size[2], pool_stride[2];
    const char *pool_padding;
    double gamma;
    double figsize[2];
    int subplot_shape[2];
    double dpi;
    struct option_titles titles;
    bool shapes, colorbar;

    int color, resize[2], resize_method, channel_order, preprocess;
    double rescale;
    struct option_list mean, std;
    double background[3];

    int generator, size[2], r_shrink, x, y, seed;
    double val;
    struct shape input_shape;

    int colormap, normalize, channel, layout, columns, gap, scale;
    double range[2];

    bool label;
    int digits;
    double text_size;

    int op, input_size[2], kernel_size[2], strides[2], dilation[2], max_frames;
    double fps;
    const char *padding, *layer;
};

#define OPTION_GIVEN(options, ID) ((options)->given[OPTION_##ID])

/* The defaults of the contract (design: request). */
void options_init(struct options *options);

/* The option of an extraction of this name, or OPTION_COUNT. */
enum option_id option_find(const char *name);
/* "kernel_size" */
const char *option_name(enum option_id id);
/* The option that the request may have, of this name, or OPTION_TOTAL. */
enum option_id options_find(const struct options *options, const char *name);
/* The name nearest to an unknown one, for "did you mean"; NULL if none is near. */
const char *options_nearest(const struct options *options, const char *name);
/* True if the pointer is an option's place in a request document: at the top, in a
 * group of options, or either of them within "config". */
bool option_stands_at(const char *pointer);

/* Set an option from text. Twice is ERROR_PART_DUPLICATE, an unknown name
 * ERROR_OPTION_UNKNOWN, a bad value ERROR_OPTION_INVALID. Strings go to the arena. */
bool options_set_text(struct options *options, const char *name, const char *text,
                      struct arena *arena, struct error *err) MUST_CHECK;

/* The same from JSON; value stands at the pointer, which faults carry. */
bool options_set_json(struct options *options, const char *name, const cJSON *value,
                      const char *pointer, struct arena *arena,
                      struct error *err) MUST_CHECK;

/* Every option of a raw query string, percent-decoded ("+" is a space). An invalid
 * escape is ERROR_REQUEST_MALFORMED. */
bool options_set_query(struct options *options, const char *query, struct arena *arena,
                       struct error *err) MUST_CHECK;

/* Faults of options, by name, that say no value get the one that was given. */
void options_show_values(const struct options *options, struct error *err);

/* What an object of a generator may hold: its name, and options. NULL-terminated. */
extern const char *const option_generator_members[];

/* A row of the table as JSON-able facts, for the catalogue; name NULL past the end. */
struct option_row {
    const char *name, *type, *what;
    enum option_type type_id;
    size_t offset; /* in struct options: aliases share it */
    double minimum, maximum;
    const char *const *values; /* names of a choice, or NULL */
};
struct option_row option_row(size_t i);
/* The i-th option that the request may have. */
struct option_row options_row(const struct options *options, size_t i);

#endif
