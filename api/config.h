/*
 * config.h - a JSON config becomes a network, by reading the layer table.
 *
 * Understood: {"layers":[...]}, a bare array of layers, Keras' model.to_json() and
 * get_config() of a Sequential model of either generation, TensorFlow.js'
 * model.json. A layer is {"class_name":..., "config":{...}} or flat, {"type":...}.
 * No layer kind is known here by name; the lesson's are in lesson.h.
 */
#ifndef API_CONFIG_H
#define API_CONFIG_H

#include <cjson/cJSON.h>

#include "api/options.h"
#include "engine/network.h"

struct config {
    struct network network;
    struct shape input; /* declared by the document: binding; rank 0 if it is not.
                           An unknown (null) dimension is 0. */
    const char *input_pointer; /* where it is declared */
    bool lesson;               /* no layers were given: the lesson's pipeline */
    bool gray; /* the first convolution has 2-D kernels: color=auto is gray */
};

/* Read the layers of json (NULL, or an object without layers: the lesson's pipeline
 * from the options). The options may name a preset instead of layers: the network then
 * is its document's, and faults that the plan finds point into that. Unknown keys,
 * kinds and values are faults with the nearest name; independent faults are recorded
 * together. pointer is the config's place in the document as sent. */
bool config_read(struct config *config, const cJSON *json, const char *pointer,
                 const struct options *options, const struct limits *limits,
                 struct arena *arena, struct error *err) MUST_CHECK;

/* The keys of a document's wrappers, NULL-terminated: a TensorFlow.js file, a model, a
 * Sequential model's own config. */
extern const char *const config_tfjs_keys[];
extern const char *const config_model_keys[];
extern const char *const config_sequential_keys[];

/* Keras' snake case of a class name, in the arena: MaxPooling2D is max_pooling2d. NULL
 * if there is no memory. */
char *config_snake_case(const char *class_name, struct arena *arena);

/* True if json is a Keras document: a serialised model, not one of our requests. */
bool config_is_keras(const cJSON *json);

#endif
