/*
 * error.h - every kind of failure that a client may be told of.
 *
 * A function that can fail returns bool (or NULL) and takes a struct error last.
 * Setting an error returns false, so that failing is one statement:
 *
 *     return error_set(err, ERROR_INTERNAL, "out of file descriptors");
 *
 * Independent faults of one document are reported together: a reader that finds
 * one adds an item and reads on; err->n_items tells at the end whether it failed.
 * The first code and detail set are the ones that the error as a whole carries.
 */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/attributes.h"

/* X(name, code as clients see it, HTTP status, title). The status stands here so
 * that the list exists once; nothing in the engine reads it. */
#define FOR_EACH_ERROR(X)                                                              \
    X(MULTIPART_MALFORMED, multipart_malformed, 400, "Malformed multipart body")       \
    X(PART_MISSING, part_missing, 400, "A part is missing")                            \
    X(PART_DUPLICATE, part_duplicate, 400, "A part or option stands twice")            \
    X(PART_UNKNOWN, part_unknown, 400, "Unknown part")                                 \
    X(OPTION_UNKNOWN, option_unknown, 400, "Unknown option")                           \
    X(JSON_MALFORMED, json_malformed, 400, "Malformed JSON")                           \
    X(REQUEST_MALFORMED, request_malformed, 400, "Malformed HTTP request")             \
    X(UNAUTHORIZED, unauthorized, 401, "Unauthorized")                                 \
    X(NOT_FOUND, not_found, 404, "Not found")                                          \
    X(METHOD_NOT_ALLOWED, method_not_allowed, 405, "Method not allowed")               \
    X(NOT_ACCEPTABLE, not_acceptable, 406, "No acceptable representation")             \
    X(BODY_TOO_LARGE, body_too_large, 413, "Request body too large")                   \
    X(CONFIG_TOO_LARGE, config_too_large, 413, "Config too large")                     \
    X(TARGET_TOO_LONG, target_too_long, 414, "Request target too long")                \
    X(MEDIA_TYPE_UNSUPPORTED, media_type_unsupported, 415, "Unsupported media type")   \
    X(IMAGE_FORMAT_UNSUPPORTED, image_format_unsupported, 415,                         \
      "Unsupported image format")                                                      \
    X(EXPECTATION_FAILED, expectation_failed, 417, "Expectation failed")               \
    X(CONFIG_INVALID, config_invalid, 422, "Invalid config")                           \
    X(OPTION_INVALID, option_invalid, 422, "Invalid option")                           \
    X(WEIGHTS_INVALID, weights_invalid, 422, "Invalid weights")                        \
    X(IMAGE_UNDECODABLE, image_undecodable, 422, "Undecodable image")                  \
    X(IMAGE_TOO_MANY_PIXELS, image_too_many_pixels, 422, "Image too large")            \
    X(PLAN_TOO_LARGE, plan_too_large, 422, "Plan over a limit")                        \
    X(CLIENT_BUSY, client_busy, 429, "Too many requests of one client")                \
    X(CLIENT_CLOSED, client_closed, 499, "Client closed the connection")               \
    X(INTERNAL, internal, 500, "Internal error")                                       \
    X(QUEUE_FULL, queue_full, 503, "Queue full")                                       \
    X(DRAINING, draining, 503, "Shutting down")                                        \
    X(MEMORY_PRESSURE, memory_pressure, 503, "Out of memory budget")                   \
    X(TOO_MANY_CONNECTIONS, too_many_connections, 503, "Too many connections")         \
    X(DEADLINE_EXCEEDED, deadline_exceeded, 504, "Deadline exceeded")                  \
    X(VERSION_UNSUPPORTED, version_unsupported, 505, "HTTP version not supported")

enum error_code {
    ERROR_NONE,
#define ENUMERATE(name, code, status, title) ERROR_##name,
    FOR_EACH_ERROR(ENUMERATE)
#undef ENUMERATE
        ERROR_COUNT
};

enum { ERROR_MAX_ITEMS = 32, ERROR_DETAIL_SIZE = 320 };

/* One fault, and where it stands. */
struct error_item {
    char pointer[192];              /* JSON pointer into the document as sent, or "" */
    char parameter[64];             /* name of the option or part, or "" */
    char detail[ERROR_DETAIL_SIZE]; /* for a person */
    char value[96];                 /* the offending value as JSON, or "" */
    size_t line, column;            /* in the text, from 1; 0: not known */
};

/* The limit that was met; name is NULL where none was. */
struct error_limit {
    const char *name; /* static, e.g. "max_pixels" */
    const char *env;  /* static, e.g. "CONVSCOPE_MAX_PIXELS"; NULL: no setting */
    double max, actual;
};

struct error {
    enum error_code code; /* ERROR_NONE: nothing failed */
    char detail[ERROR_DETAIL_SIZE];
    size_t n_items; /* may exceed ERROR_MAX_ITEMS: the rest is counted only */
    struct error_item items[ERROR_MAX_ITEMS];
    struct error_limit limit;
    int retry_after; /* seconds, 0 for none */
};

/* "config_invalid" */
const char *error_code_name(enum error_code code);
/* 422 */
int error_code_status(enum error_code code);
/* "Invalid config" */
const char *error_code_title(enum error_code code);

void error_init(struct error *err);

/* Record a failure without a place. Returns false. */
bool error_set(struct error *err, enum error_code code, const char *format, ...)
    FORMATTED(3, 4);

/* Record a failure at a JSON pointer. Returns false; the caller may read on. */
bool error_at(struct error *err, enum error_code code, const char *pointer,
              const char *format, ...) FORMATTED(4, 5);

/* Record a failure of an option or a part, by name. Returns false. */
bool error_option(struct error *err, enum error_code code, const char *parameter,
                  const char *format, ...) FORMATTED(4, 5);

/* Attach the offending value, as JSON text, to the item recorded last. */
void error_value(struct error *err, const char *format, ...) FORMATTED(2, 3);

/* Attach where in the text it stands, to the item recorded last. */
void error_place(struct error *err, size_t line, size_t column);

/* A failure that was recorded without a place, as of a limit, has this one: an item
 * with its detail. One of pointer and parameter is NULL. Returns false. */
bool error_blame(struct error *err, const char *pointer, const char *parameter);

/* Record what a reader found in the text of an option, as a failure of the option, with
 * its place in the text and its limit. Returns false. */
bool error_take(struct error *err, enum error_code code, const char *parameter,
                const struct error *found);

/* Attach the limit that was met. Returns false. */
bool error_limit(struct error *err, const char *name, const char *env, double max,
                 double actual);

#endif
