/*
 * param.h - one parameter of a layer, from JSON, by its row of the layer table.
 *
 * A fault stands at the parameter and names what would be right; false is returned and
 * the caller reads on.
 */
#ifndef API_PARAM_H
#define API_PARAM_H

#include <cjson/cJSON.h>

#include "engine/arena.h"
#include "engine/layer.h"

/* The row of this name, or NULL. */
const struct layer_param *param_find(const struct layer_kind *kind, const char *name);

/* Read the value and store it in the layer; arrays live in the arena. */
bool param_read(struct layer *layer, const struct layer_param *param,
                const cJSON *value, const struct limits *limits, struct arena *arena,
                struct error *err) MUST_CHECK;

/* True if the number lies in the row's range and within its limit. */
bool param_check(const struct layer *layer, const struct layer_param *param,
                 double number, const struct limits *limits,
                 struct error *err) MUST_CHECK;

/* The activation of this name, for a document of a Keras generation; why not, into
 * reason of PARAM_REASON_SIZE bytes: "must be linear or relu, not 'Relu'; did you ...".
 */
enum { PARAM_REASON_SIZE = 280 };
bool param_activation(const char *name, enum keras keras, struct activation *found,
                      char *reason) MUST_CHECK;

/* The position of a name in any case among the NULL-terminated values, -1 if it is
 * none of them; then the reason as above. */
int param_choice(const char *name, const char *const *values, char *reason);

#endif
