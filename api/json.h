/*
 * json.h - JSON documents, read strictly.
 *
 * A document is scanned before cJSON sees it: the grammar of RFC 8259, UTF-8, no
 * byte order mark, no lone surrogates, no \u0000, no number that overflows, no key
 * twice in an object, at most JSON_MAX_DEPTH levels, JSON_MAX_VALUES values and
 * JSON_MAX_KEYS keys. What cJSON would let through or change silently never reaches it.
 */
#ifndef API_JSON_H
#define API_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/json_scan.h"

/* Parse a text; what names it in messages ("config"). NULL on failure:
 * ERROR_JSON_MALFORMED with line and column, ERROR_CONFIG_INVALID likewise for \u0000
 * and, with its pointer, for a key that stands twice, or ERROR_CONFIG_TOO_LARGE with
 * the limit. The caller frees the document with cJSON_Delete. blobs may be NULL; else
 * its keys are set, and the cut-out strings count neither for max_config_bytes nor are
 * they copied. */
cJSON *json_parse(const char *what, const struct bytes *text, struct json_blobs *blobs,
                  const struct limits *limits, struct arena *arena,
                  struct error *err) MUST_CHECK;

/* The blob that stands where item is; NULL if item is not a string. item must be the
 * value of one of blobs->keys. */
const struct bytes *json_blob(const struct json_blobs *blobs, const cJSON *item);

/* A member of an object by its exact key; NULL if there is none. */
const cJSON *json_member(const cJSON *object, const char *key);

/* The number, if item is one (finite, since it was scanned). */
bool json_number(const cJSON *item, double *value) MUST_CHECK;
/* The number, if it is integral too (2.0 is). It may be beyond any integer type. */
bool json_integer(const cJSON *item, double *value) MUST_CHECK;
bool json_boolean(const cJSON *item, bool *value) MUST_CHECK;
/* The string, or NULL if item is none. */
const char *json_string(const cJSON *item);

/* "a string", "null", ...: what a value is, for messages. */
const char *json_kind(const cJSON *item);

/* The value as JSON text in the arena; NULL if there is no memory. */
char *json_text(const cJSON *item, struct arena *arena) MUST_CHECK;

/* What stands at a pointer (RFC 6901) below the root; NULL if nothing does. */
const cJSON *json_at(const cJSON *root, const char *pointer);

/* pointer/key, the key escaped as RFC 6901 wants it, into text of JSON_POINTER_SIZE
 * bytes; returns text. Too long a pointer is cut. */
enum { JSON_POINTER_SIZE = 192 };
const char *json_pointer(const char *pointer, const char *key, char *text);

/* True once there is no room for more faults: a reader of hostile documents stops. */
bool json_enough(const struct error *err);

/* The value as JSON for a person, strings cut; "" if it is longer than shown has room
 * for. Returns shown. */
enum { JSON_SHOWN_SIZE = sizeof((struct error_item *)0)->value };
const char *json_show(const cJSON *item, char shown[JSON_SHOWN_SIZE]);
const char *json_show_text(const char *text, char shown[JSON_SHOWN_SIZE]);

/* Attach the value to the fault recorded last, if it is short; a long string is cut. */
void json_error_value(struct error *err, const cJSON *item);
/* The same with a string as the value. */
void json_error_text(struct error *err, const char *text);

#endif
