/*
 * layer.h - the table of layer kinds.
 *
 * A kind is one row: its Keras name, its parameters, its shape rule and its run
 * function. Everything else reads the table: the config reader and its messages,
 * the defaults, GET /v1/layers, the JSON Schema, the playground's form. Adding a
 * kind is adding a row.
 *
 * Parameter names, defaults and rules are Keras'.
 */
#ifndef ENGINE_LAYER_H
#define ENGINE_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/activation.h"
#include "engine/error.h"
#include "engine/initializer.h"
#include "engine/limits.h"
#include "engine/parallel.h"
#include "engine/tensor.h"

enum padding { PADDING_VALID, PADDING_SAME };

enum param_type {
    PARAM_INT,         /* int */
    PARAM_PAIR,        /* int[2], height then width; one number serves for both */
    PARAM_BOOL,        /* bool */
    PARAM_CHOICE,      /* int: index into values; any case, as Keras lower-cases */
    PARAM_FLOAT,       /* float */
    PARAM_PADS,        /* int[4]: n, [h, w] or [[top, bottom], [left, right]] */
    PARAM_INTS,        /* struct int_list: an array of integers, or one */
    PARAM_FLOATS,      /* struct tensor: a number (rank 0) or nested arrays of them;
                          leading axes of length 1 are left out; null: no values */
    PARAM_ACTIVATION,  /* struct activation; null means linear */
    PARAM_INITIALIZER, /* struct initializer */
    PARAM_IGNORED,     /* a Keras key without meaning here; any value */
};

enum param_flags {
    PARAM_REQUIRED = 1,         /* must be given */
    PARAM_REQUIRED_KERAS_3 = 2, /* must be given where the document is Keras 3 */
    PARAM_NULLABLE = 4,         /* null means the default */
    PARAM_MAY_BE_EMPTY = 8,     /* of PARAM_INTS: null and [] mean no integers */
};

struct layer_param {
    const char *name; /* NULL ends a table */
    enum param_type type;
    size_t offset;             /* of the value in struct layer */
    size_t maximum_offset;     /* of the limit in struct limits, 0: none; see LIMITED */
    double minimum, maximum;   /* inclusive; of each number of a pair */
    double fallback;           /* the default */
    const char *const *values; /* of PARAM_CHOICE, NULL-terminated */
    unsigned flags;
};

/* Filters given in the document, as they stand there. */
struct filter_bank {
    size_t filters, height, width;
    size_t channels;     /* 0: each filter is 2-D, repeated over the input channels */
    const float *values; /* channels ? [height][width][channels][filters]
                                     : [filters][height][width]; NULL: none given */
};

enum { LAYER_MAX_WEIGHTS = 4, LAYER_MAX_INTS = 4, LAYER_PASSES = 2 };

struct int_list {
    int n;
    int items[LAYER_MAX_INTS];
};

/* One weight tensor of a layer. Its shape is in the plan. */
struct weight {
    const char *name;    /* "kernel" */
    const float *values; /* set by weights_bind; owned by the arena or the upload */
    struct initializer initializer;
};

struct layer {
    const struct layer_kind *kind;
    const char *name;    /* unique in the network */
    const char *label;   /* for messages: "layers[2]" */
    const char *pointer; /* JSON pointer of the object that holds its parameters */
    enum keras keras;

    /* Where its inputs come from: 0 is the network's input, i + 1 is layer i. */
    const size_t *inputs;
    size_t n_inputs;

    /* Parameters, by Keras' names. A kind uses those that its table lists. */
    int filters;
    int kernel_size[2];
    int strides[2]; /* of a pool: 0 means pool_size */
    int padding;    /* enum padding */
    int dilation_rate[2];
    int output_padding[2]; /* of Conv2DTranspose; -1: none given */
    int groups;
    bool use_bias;
    int pool_size[2];
    int data_format; /* only channels_last */
    int depth_multiplier;
    int units;
    int margins[4]; /* top, bottom, left, right: of a padding or a cropping */
    int size[2];
    int interpolation;
    bool keepdims, center, scale, rms_scaling, invert;
    float epsilon, factor, offset;
    float unused; /* of what matters in training only: checked, as Keras checks it */
    struct int_list axis, axes, shape, dims;
    struct tensor mean, variance; /* of Normalization; values NULL: weights */
    struct activation activation;

    /* Weights given in the document; values NULL where none are. */
    struct filter_bank bank;
    const float *bias;
    size_t n_bias; /* 1 serves for all filters */

    struct weight weights[LAYER_MAX_WEIGHTS];
};

struct pads {
    size_t top, bottom, left, right;
};

/* How a part of the output depends on the input, which tells whether a layer can run on
 * what the layer before it has just made, part by part. */
enum follows {
    FOLLOWS_NOT,   /* in no such way */
    FOLLOWS_CELLS, /* each row on the same row; the output may take the input's place */
    FOLLOWS_ROWS,  /* each row on step[0] rows of its own, none of them padding above */
};

struct shelf_entry;

/* What planning finds out about one layer. */
struct layer_plan {
    struct shape in, out;
    struct pads pad;
    size_t window[2], step[2]; /* extent and stride in input cells: receptive field */
    double macs;               /* multiply-adds; comparisons of a pool count as none */
    double params;             /* weights */
    struct shape weight_shape[LAYER_MAX_WEIGHTS]; /* rank 0: the layer has no such */
    size_t packed;     /* floats of weights rearranged for the run, made once */
    size_t kept;       /* what packed is to be, instead of 0, where weights that are
                          drawn are kept for other requests: else it costs more than it
                          saves */
    size_t packing;    /* where pack depends on the maps only by their channels and by a
                          choice that infer made: a number for that choice, not 0 */
    size_t pack_parts; /* calls of pack_part, or 0 */
    size_t scratch;    /* floats of working memory per slot */
    size_t shared;     /* floats of working memory that all slots share, or 0; then */
    size_t passes[LAYER_PASSES]; /* parts of each call of prepare */
    struct extent tile; /* of one part of the output: 0 of an axis is all of it, but
                           rows, which then follow from row_cost */
    double row_cost;    /* about how many vectorised steps an output row takes */
    size_t band;        /* rows that one call of run makes, where that is fixed: the
                           height of the tile. 0: as many as the first-level cache
                           holds, where other layers follow */
    enum follows follows;

    /* Filled in by network_plan. */
    size_t receptive_field[2];
    double bytes;     /* of the output */
    size_t packed_at; /* where its packed weights begin among those of the network */

    /* Filled in by weights_bind: holds packed_weights already; NULL: network_run
     * packs. */
    struct shelf_entry *shelved;

    /* Filled in by network_run. */
    float *packed_weights;
    struct tensor output; /* values NULL unless the stage was asked for */
    struct tensor pre;    /* before the activation; likewise */
    double duration_ms; /* NaN: part of that of a later layer, which ran with this one,
                           or not run as nobody wanted what follows from it */
};

/* A part of a map: rows [top, bottom), columns [left, right), channels [first, last).
 */
struct box {
    size_t top, bottom, left, right, first, last;
};

/* One call of a layer's run function: compute one part of the output. The maps may be
 * bands: only the rows that the call needs, from row in_top and out_top on. */
struct layer_task {
    const struct layer *layer;
    const struct layer_plan *plan;
    const struct kernels *kernels;
    const float *in;
    float *out;
    size_t in_top, out_top;
    struct box box;
    float floor;    /* of kinds that rectify: what is below becomes it; or -INFINITY */
    bool around;    /* out is best stored around the caches */
    float *scratch; /* plan->scratch floats, of this slot */
    float *shared;  /* plan->shared floats; NULL if that is 0 */
};

/* Where row y of the input and of the output lies. */
const float *layer_task_in(const struct layer_task *task, size_t y);
float *layer_task_out(const struct layer_task *task, size_t y);

struct layer_kind {
    const char *class_name;     /* Keras' */
    const char *const *aliases; /* NULL-terminated; NULL: none */
    const struct layer_param *params;
    const char *const *weights; /* names in order, NULL-terminated; NULL: none */
    const char *const *keras_3_weights; /* Keras 3's names; NULL: the same */
    const char *const *unused; /* more that an upload may hold, such as a counter */
    const enum initializer_id *starts; /* of weights that no parameter gives one */
    const char *what;                  /* one line for people */
    bool keras_2_only;                 /* Keras 3 has no such layer */
    bool bank;                   /* the document may give the kernel: filter_bank */
    enum activation_id function; /* of a layer that is one; else LINEAR, 0 */
    /* Shape, pads, weights, cost and memory from the input's shape. */
    bool (*infer)(const struct layer *layer, struct layer_plan *plan,
                  struct error *err);
    /* Fill packed from layer->weights; NULL where plan->packed is 0. */
    void (*pack)(const struct layer *layer, const struct layer_plan *plan,
                 float *packed);
    /* Where plan->pack_parts is not 0: a part of what pack leaves to do. */
    void (*pack_part)(const struct layer *layer, const struct layer_plan *plan,
                      size_t part, float *packed);
    /* Where plan->shared is not 0: part `part` of a pass over the input, whose results
     * run finds in task->shared. A pass begins when the one before has ended. */
    void (*prepare)(const struct layer_task *task, size_t pass, size_t part);
    /* Compute task->box of the output, before the activation. NULL: the output is the
     * input. */
    void (*run)(const struct layer_task *task);
    bool rectifies; /* run applies task->floor */
};

/* The kinds in the order of the table; NULL past the end. */
const struct layer_kind *layer_kind_at(size_t i);

/* Looks up a class name or alias. Exactly, or in any case and in snake case
 * ("max_pooling2d", "MAXPOOL2D"). NULL if there is none. */
const struct layer_kind *layer_kind_find(const char *name, bool exact);

/* An axis as Keras counts it, with the batch as 0 and from the end below 0, as an index
 * into a shape of this rank; false if there is none (the batch is none). */
bool layer_axis(int axis, size_t rank, size_t *found) MUST_CHECK;

/* About how many vector steps a part may take (under a millisecond): the run can only
 * be cancelled, and helpers only join, between parts. Where a part fetches or
 * transforms much before it begins, it takes a few times as many. */
enum { LAYER_STEPS_MAX = 2 << 20 };

/* Fill packed with all that pack and pack_part make; false if that was cancelled. */
bool layer_pack(const struct layer *layer, const struct layer_plan *plan, float *packed,
                const struct parallel *parallel) MUST_CHECK;

/* How many rows make a part that is worth a hand-over, given the steps of one. It
 * depends on the plan alone, never on the CPU or the number of threads. */
size_t layer_grain(size_t rows, double row_cost);

/* One part, and one call of run, makes the whole output. */
void layer_undivided(struct layer_plan *plan);

/* Set every parameter of the layer's kind to its default. */
void layer_defaults(struct layer *layer);

/* Record a fault of the named parameter of a layer ("" for the layer itself): at
 * pointer + "/" + name, with a detail that begins "layers[2].name ". Returns false. */
bool layer_fault(const struct layer *layer, const char *param, struct error *err,
                 const char *format, ...) FORMATTED(4, 5);

#endif
