/*
 * schema_parts.h - the parts of the JSON Schema of a config.
 *
 * The workings of schema.c; nobody else needs them. What is written goes on where the
 * text is: a comma is put before a member or an item unless it is the first.
 */
#ifndef API_SCHEMA_PARTS_H
#define API_SCHEMA_PARTS_H

#include "api/buffer.h"
#include "engine/arena.h"
#include "engine/layer.h"

struct schema {
    struct buffer *out;
    const struct limits *limits;
    struct arena *arena;
};

/* JSON of ours, with ' for "; it may be a piece that closes what is open. */
void schema_text(const struct schema *schema, const char *text);
void schema_string(const struct schema *schema, const char *text);
/* "name": */
void schema_key(const struct schema *schema, const char *name);
/* "$ref":"#/$defs/<name><suffix>" */
void schema_ref(const struct schema *schema, const char *name, const char *suffix);
/* "enum":[...] of NULL-terminated names. */
void schema_enum(const struct schema *schema, const char *const *names);
/* "name":true for each of the names. */
void schema_any(const struct schema *schema, const char *const *names);
/* "properties":{"name":true},"required":["name"] */
void schema_has(const struct schema *schema, const char *name);
/* {"type":"string","pattern":...}: the name in any case, and where loose is set with
 * underscores anywhere. */
void schema_pattern(const struct schema *schema, const char *name, bool loose);
/* "anyOf":[...]: the names in any case, offered as they are; null if that is one too.
 */
void schema_choice(const struct schema *schema, const char *const *names,
                   bool nullable);
/* "minimum":..,"maximum":.. */
void schema_range(const struct schema *schema, double minimum, double maximum);

/* schema_layer.c: "layer" and "keras_layer", and a definition for each kind. */
void schema_layer_defs(const struct schema *schema);

/* schema_value.c: the members of a parameter's schema. */
void schema_param(const struct schema *schema, const struct layer_param *param);
/* schema_value.c: "activation", "initializer", "kernel", "name", "dtype", "shape", ...
 */
void schema_value_defs(const struct schema *schema);

/* schema_option.c: "options", "group" and "generator". */
void schema_option_defs(const struct schema *schema);
/* schema_option.c: "request", a document of options and layers. */
void schema_request_def(const struct schema *schema);

#endif
