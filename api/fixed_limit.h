/*
 * fixed_limit.h - the limits that no setting moves.
 *
 * Each is a constant of the file that enforces it. GET /v1/limits prints them below
 * those of engine/limits.h, and an error names its row.
 */
#ifndef API_FIXED_LIMIT_H
#define API_FIXED_LIMIT_H

#include <stddef.h>

#include "engine/error.h"

/* X(ID, name, constant, what it bounds) */
#define FOR_EACH_FIXED_LIMIT(X)                                                        \
    X(CONFIG_DEPTH, "max_config_depth", JSON_MAX_DEPTH, "levels of a JSON document")   \
    X(CONFIG_VALUES, "max_config_values", JSON_MAX_VALUES,                             \
      "values of a JSON document")                                                     \
    X(CONFIG_KEYS, "max_config_keys", JSON_MAX_KEYS, "keys of a JSON document")        \
    X(BASE64_STRINGS, "max_base64_strings", JSON_MAX_BLOBS,                            \
      "strings of base64 in a JSON body")                                              \
    X(PARTS, "max_parts", MULTIPART_MAX_PARTS, "parts of a form")                      \
    X(OPTION_BYTES, "max_option_bytes", REQUEST_MAX_OPTION,                            \
      "bytes of an option in a form")                                                  \
    X(NAME_BYTES, "max_name_bytes", CONFIG_LAYER_MAX_NAME, "bytes of a layer's name")  \
    X(ARRAY_CHANNELS, "max_array_channels", IMAGE_MAX_CHANNELS,                        \
      "channels of an .npy array")

enum fixed_limit {
#define ENUMERATE(id, name, constant, what) FIXED_LIMIT_##id,
    FOR_EACH_FIXED_LIMIT(ENUMERATE)
#undef ENUMERATE
};

struct fixed_limit_row {
    const char *name, *what;
    double max;
};
/* NULL past the end. */
const struct fixed_limit_row *fixed_limit_row(size_t i);

/* Attach the limit that was met to the error. Returns false. */
bool fixed_limit_error(struct error *err, enum fixed_limit limit, double actual);

#endif
