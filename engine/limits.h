/*
 * limits.h - every limit that a request can meet.
 *
 * One list: the server makes settings of it, GET /v1/limits prints it, and an
 * error names its row. Counts are inclusive maxima.
 */
#ifndef ENGINE_LIMITS_H
#define ENGINE_LIMITS_H

#include <stddef.h>

#include "engine/attributes.h"
#include "engine/error.h"

#define MIB (1024.0 * 1024.0)

/* X(field, NAME of the setting, default, what it bounds) */
#define FOR_EACH_LIMIT(X)                                                              \
    X(max_body_bytes, MAX_BODY_BYTES, 64 * MIB, "bytes of a request body")             \
    X(max_config_bytes, MAX_CONFIG_BYTES, 4 * MIB, "bytes of a JSON config")           \
    X(max_pixels, MAX_PIXELS, 25e6, "pixels of an image")                              \
    X(max_dimension, MAX_DIMENSION, 12000, "width or height of an image or map")       \
    X(max_request_memory, MAX_REQUEST_MEMORY, 1024 * MIB, "bytes of one request")      \
    X(max_layers, MAX_LAYERS, 1024, "layers of a network")                             \
    X(max_filters, MAX_FILTERS, 4096, "filters or units of a layer")                   \
    X(max_kernel, MAX_KERNEL, 63, "height or width of a kernel or pool")               \
    X(max_images, MAX_IMAGES, 4096, "pictures of a reply")                             \
    X(max_macs, MAX_MACS, 1e12, "multiply-adds of a request")                          \
    X(max_response_bytes, MAX_RESPONSE_BYTES, 256 * MIB, "bytes of a reply")

struct limits {
#define DECLARE(field, name, value, what) double field;
    FOR_EACH_LIMIT(DECLARE)
#undef DECLARE
};

extern const struct limits limits_default;

/* A row of the list, to print it. Returns NULL past the end. */
struct limit_row {
    const char *name; /* "max_pixels" */
    const char *env;  /* "CONVSCOPE_MAX_PIXELS" */
    const char *what; /* "pixels of an image" */
    size_t offset;    /* of the double in struct limits */
};
const struct limit_row *limits_row(size_t i);

/* False, with the limit recorded on err, if actual is above it. detail says what
 * was counted. LIMIT(limits, max_pixels) names the row. */
bool limit_check(const struct limits *limits, size_t offset, double actual,
                 enum error_code code, struct error *err, const char *format, ...)
    FORMATTED(6, 7) MUST_CHECK;
#define LIMIT(from, field) (from), offsetof(struct limits, field)

#endif
