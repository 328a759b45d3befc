/*
 * json_scan.h - the strict scan of a JSON text, before any parser sees it.
 */
#ifndef API_JSON_SCAN_H
#define API_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "api/bytes.h"
#include "engine/arena.h"
#include "engine/error.h"
#include "engine/limits.h"

/* Keys take many times longer than numbers to check and to keep. */
enum {
    JSON_MAX_DEPTH = 64,
    JSON_MAX_VALUES = 500000,
    JSON_MAX_KEYS = 65536,
    JSON_MAX_BLOBS = 8192,
};

/* Long strings cut out of a document: the values of some keys. In the parsed document
 * the string is the number of its blob instead. */
struct json_blobs {
    const char *const *keys; /* whose values are cut out, NULL-terminated */
    size_t n;
    struct bytes *items; /* the strings as they stand in the text, escapes and all */
};

/* True if the text is a JSON document as json.h promises it, within its limits; finds
 * the blobs (NULL: there are none). what names the document in messages. */
bool json_scan(const char *what, const struct bytes *text, struct json_blobs *blobs,
               const struct limits *limits, struct arena *arena,
               struct error *err) MUST_CHECK;

/* Record that the document does not fit the arena. Returns false. */
bool json_no_memory(const char *what, struct error *err);

#endif
