/*
 * config_layer.h - one element of a config's list of layers.
 *
 * The workings of config.c; nobody else needs them.
 */
#ifndef API_CONFIG_LAYER_H
#define API_CONFIG_LAYER_H

#include <cjson/cJSON.h>

#include "engine/arena.h"
#include "engine/layer.h"

enum { CONFIG_LAYER_MAX_NAME = 128 }; /* bytes */

/* The keys of a layer, NULL-terminated: beside "config" in Keras' form; parameters of
 * every layer that mean nothing here, and those that must be null; those of an
 * InputLayer, and of them the ones that hold its shape. */
extern const char *const config_layer_wrapper_keys[];
extern const char *const config_layer_ignored_keys[];
extern const char *const config_layer_null_keys[];
extern const char *const config_layer_input_keys[];
extern const char *const config_layer_shape_keys[];

/* What holds for a whole document. */
struct config_reader {
    const struct limits *limits;
    struct arena *arena;
    struct error *err;
    uint64_t seed;    /* of initializers that name none */
    bool exact;       /* a Keras document: class names in their case, {"class_name",
                         "config"} for every layer */
    enum keras keras; /* of layers in that form; a flat layer is Keras 3 */
};

struct config_layer {
    bool is_input;             /* an InputLayer: no stage, and layer is not filled in */
    struct shape input;        /* the input it declares; rank 0: none */
    const char *input_pointer; /* where */
    struct layer layer;        /* name NULL where none is given; no inputs yet */
};

/* Read an element, which stands at the pointer; label names it in messages. False if
 * faults were recorded. Faults that remain do not keep other elements from being
 * read. */
bool config_layer_read(const struct config_reader *reader, const cJSON *json,
                       const char *label, const char *pointer,
                       struct config_layer *out) MUST_CHECK;

/* True if the kind takes the short form of this name: "kernel", "bias" or "seed". */
bool config_layer_has_short_form(const struct layer_kind *kind, const char *name);

/* False if dtype (NULL: none) is anything but float32, in any of Keras' forms. */
bool config_is_float32(const cJSON *dtype);

/* Record every key of an object that is not among the known ones, NULL-terminated.
 * what names the object in messages. */
bool config_check_keys(const struct config_reader *reader, const cJSON *object,
                       const char *what, const char *pointer,
                       const char *const *known) MUST_CHECK;

#endif
