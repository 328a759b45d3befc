/*
 * preset.h - networks that are ready to run, by name.
 *
 * A preset is a config document of flat layers, as a client might send it. Weights are
 * not among them: the layers' initializers stand in, or the client uploads some.
 */
#ifndef API_PRESET_H
#define API_PRESET_H

#include <cjson/cJSON.h>

#include "api/buffer.h"
#include "engine/arena.h"
#include "engine/error.h"

struct preset {
    const char *name;
    const char *what; /* one line for people */
    const struct preset_layer *layers;
    const unsigned *vgg; /* of a VGG: the convolutions of each block, then 0 */
};

/* In the order of the table; NULL past the end. */
const struct preset *preset_at(size_t i);

/* The same as a name_at of nearest.h. */
const char *preset_name(const void *context, size_t i);

/* Write the config document. */
void preset_write(const struct preset *preset, struct buffer *out);

/* The same as a document that the caller frees with cJSON_Delete; NULL on failure. */
cJSON *preset_config(const struct preset *preset, struct arena *arena,
                     struct error *err) MUST_CHECK;

#endif
