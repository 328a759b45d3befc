/* request_json.c - requests that are JSON documents, and the options in them. */
#include "api/request_json.h"

#include <math.h>
#include <string.h>

#include "api/base64.h"
#include "api/config.h"
#include "api/json.h"
#include "api/nearest.h"

/* Keys whose strings are base64: they are cut out before the document is parsed. */
static const char *const blob_keys[] = {"b64", "image", NULL};

/* What a request document has beside options. */
static const char *const own_keys[] = {"layers", "render", "image", "config",
                                       "weights"};
enum { N_OWN_KEYS = sizeof own_keys / sizeof *own_keys };

/* True if an option, or a part of a body, is what stands at the pointer. */
static bool given_at(const char *pointer, bool body)
{
    static const char *const parts[] = {"/image", "/config", "/weights"};

    for (size_t i = 0; body && i < sizeof parts / sizeof *parts; i++)
        if (strcmp(pointer, parts[i]) == 0)
            return true;
    return option_stands_at(pointer);
}

cJSON *request_parse(struct request_reader *r, const char *what,
                     const struct bytes *text, struct json_blobs *blobs)
{
    cJSON *json = json_parse(what, text, blobs, r->limits, r->arena, r->err);

    /* Only a key that stands twice has a place. */
    if (!json && r->err->n_items && given_at(r->err->items[0].pointer, blobs))
        r->err->code = ERROR_PART_DUPLICATE;
    return json;
}

/* ---- options ---- */

static const char *key_at(const void *context, size_t i)
{
    return i < N_OWN_KEYS ? own_keys[i] : options_row(context, i - N_OWN_KEYS).name;
}

/* nearest is NULL if nothing is near. */
static bool unknown_key(struct request_reader *r, const cJSON *member,
                        const char *pointer, enum error_code code, const char *nearest)
{
    char hint[NEAREST_TEXT_SIZE];

    error_at(r->err, code, pointer, "%.64s is not an option%s", member->string,
             nearest_hint(nearest, hint));
    json_error_value(r->err, member);
    return false;
}

static bool set_option(struct request_reader *r, const char *name, const cJSON *value,
                       const char *pointer)
{
    return options_set_json(&r->request->options, name, value, pointer, r->arena,
                            r->err);
}

/* For an unknown member of a group; a name is what a generator has. */
static const char *nearest_in_group(const struct options *options, const char *group,
                                    const char *key)
{
    return strcmp(group, "input") == 0 && strcmp(key, "name") == 0
               ? option_name(OPTION_GENERATOR)
               : options_nearest(options, key);
}

/* An option, or a group of them; of a group a member, unless that is NULL. */
static bool take_member(struct request_reader *r, const cJSON *member,
                        const char *pointer, enum error_code unknown,
                        const char *of_group)
{
    const char *key = member->string;
    const bool group = strcmp(key, "input") == 0 || strcmp(key, "render") == 0;
    char place[JSON_POINTER_SIZE];
    const cJSON *item;
    bool ok = true;

    if (!of_group && group && cJSON_IsObject(member)) {
        cJSON_ArrayForEach(item, member)
        {
            if (json_enough(r->err))
                break;
            json_pointer(pointer, item->string, place);
            ok = take_member(r, item, place, unknown, key) && ok;
        }
        return ok;
    }
    const struct options *options = &r->request->options;
    if (options_find(options, key) == OPTION_TOTAL)
        return unknown_key(r, member, pointer, unknown,
                           of_group ? nearest_in_group(options, of_group, key)
                                    : nearest_name(key, key_at, options));
    return set_option(r, key, member, pointer);
}

bool request_take_options(struct request_reader *r, const char *pointer,
                          enum error_code unknown)
{
    cJSON *config = r->request->config, *next;
    char place[JSON_POINTER_SIZE];
    bool ok = true;

    if (!cJSON_IsObject(config) || config_is_keras(config))
        return true;
    for (cJSON *member = config->child; member && !json_enough(r->err); member = next) {
        next = member->next;
        if (strcmp(member->string, "layers") == 0)
            continue;
        json_pointer(pointer, member->string, place);
        ok = take_member(r, member, place, unknown, NULL) && ok;
        cJSON_Delete(cJSON_DetachItemViaPointer(config, member));
    }
    return ok;
}

/* ---- base64 ---- */

/* Decode a cut-out string into the arena. */
static bool decode(struct request_reader *r, const struct bytes *text,
                   struct bytes *out, const char *pointer, enum error_code code)
{
    unsigned char *bytes = arena_take(r->arena, base64_bound(text->size), 1);
    size_t bad;

    if (!bytes)
        return json_no_memory("the base64 data", r->err);
    out->data = bytes;
    return base64_decode(text, bytes, &out->size, &bad) ||
           error_at(
               r->err, code, pointer,
               "the string is not base64 with padding (RFC 4648): see character %zu",
               bad + 1);
}

/* Browsers' data URLs: what counts follows the comma. */
static struct bytes skip_data_url(const struct bytes *text)
{
    const unsigned char *comma = NULL;

    if (text->size > 5 && memcmp(text->data, "data:", 5) == 0)
        comma = memchr(text->data, ',', text->size);
    if (!comma)
        return *text;
    return (struct bytes){comma + 1, (size_t)(text->data + text->size - comma - 1)};
}

static bool read_image(struct request_reader *r, const struct json_blobs *blobs,
                       const cJSON *image)
{
    const cJSON *b64 = cJSON_IsObject(image) ? json_member(image, "b64") : image;
    const struct bytes *text = json_blob(blobs, b64);
    const char *pointer = b64 == image ? "/image" : "/image/b64";

    if (!(r->parts & PART_IMAGE))
        return error_at(r->err, ERROR_PART_UNKNOWN, "/image",
                        "this path takes no image");
    if (!text || (b64 != image && (image->child != b64 || b64->next)))
        return error_at(r->err, ERROR_OPTION_INVALID, pointer,
                        "image must be {\"b64\":\"...\"} or a string of base64");
    const struct bytes data = skip_data_url(text);
    return decode(r, &data, &r->request->image, pointer, ERROR_IMAGE_UNDECODABLE);
}

/* ---- weights ---- */

static bool read_shape(const cJSON *json, struct shape *shape)
{
    const cJSON *item;
    double number;

    shape->rank = 0;
    if (!cJSON_IsArray(json) || !json->child ||
        cJSON_GetArraySize(json) > SHAPE_MAX_RANK)
        return false;
    cJSON_ArrayForEach(item, json)
    {
        if (!json_integer(item, &number) || number < 1 || number > 0x1p31)
            return false;
        shape->dim[shape->rank++] = (size_t)number;
    }
    return true;
}

/* Little-endian float32 to our own. */
static float *to_floats(struct request_reader *r, const struct bytes *data)
{
    const size_t n = data->size / 4;
    float *values = arena_take(r->arena, n, sizeof *values);

    for (size_t i = 0; values && i < n; i++) {
        const unsigned char *b = data->data + 4 * i;
        const uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 |
                              (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        memcpy(&values[i], &bits, sizeof bits);
    }
    return values;
}

static bool read_weight(struct request_reader *r, const struct json_blobs *blobs,
                        const cJSON *json, struct named_tensor *out)
{
    const struct bytes *text = json_blob(blobs, json_member(json, "b64"));
    struct shape *shape = &out->tensor.shape;
    char pointer[JSON_POINTER_SIZE];
    struct bytes data;
    size_t count;

    json_pointer("/weights", json->string, pointer);
    if (!text || cJSON_GetArraySize(json) != 2 ||
        !read_shape(json_member(json, "shape"), shape))
        return error_at(r->err, ERROR_WEIGHTS_INVALID, pointer,
                        "weights[\"%.100s\"] must be {\"shape\":[...],\"b64\":\"...\"} "
                        "with 1 to %d positive dimensions",
                        json->string, SHAPE_MAX_RANK);
    if (!decode(r, text, &data, pointer, ERROR_WEIGHTS_INVALID))
        return false;
    if (!shape_count(shape, &count) || data.size % 4 != 0 || data.size / 4 != count) {
        char shown[SHAPE_TEXT_SIZE];
        return error_at(r->err, ERROR_WEIGHTS_INVALID, pointer,
                        "weights[\"%.100s\"] has %zu bytes, which are not the float32 "
                        "values of shape %s",
                        json->string, data.size, shape_print(shape, shown));
    }
    out->name = arena_copy(r->arena, json->string, strlen(json->string));
    out->tensor.values = to_floats(r, &data);
    return (out->name && out->tensor.values) || json_no_memory("the weights", r->err);
}

static bool read_weights(struct request_reader *r, const struct json_blobs *blobs,
                         const cJSON *json)
{
    struct weights_upload *weights = &r->request->weights;
    struct named_tensor *tensors;
    const cJSON *item;
    bool ok = true;

    if (!(r->parts & PART_WEIGHTS))
        return error_at(r->err, ERROR_PART_UNKNOWN, "/weights",
                        "this path takes no weights");
    if (!cJSON_IsObject(json))
        return error_at(r->err, ERROR_WEIGHTS_INVALID, "/weights",
                        "weights must be an object, not %s", json_kind(json));
    r->request->has_weights = true;
    tensors =
        arena_alloc(r->arena, (size_t)cJSON_GetArraySize(json) + 1, sizeof *tensors);
    if (!tensors)
        return json_no_memory("the weights", r->err);
    cJSON_ArrayForEach(item, json)
    {
        if (json_enough(r->err))
            break;
        ok = read_weight(r, blobs, item, &tensors[weights->n++]) && ok;
    }
    weights->tensors = tensors;
    return ok;
}

/* ---- the document ---- */

/* Take a member out of the document; NULL if it is absent or null. The caller owns it.
 */
static cJSON *take(cJSON *document, const char *key)
{
    cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(document, key);

    if (!cJSON_IsNull(member))
        return member;
    cJSON_Delete(member);
    return NULL;
}

static bool take_image(struct request_reader *r, const struct json_blobs *blobs,
                       cJSON *document)
{
    cJSON *image = take(document, "image");
    const bool ok = !image || read_image(r, blobs, image);

    cJSON_Delete(image);
    return ok;
}

static bool take_weights(struct request_reader *r, const struct json_blobs *blobs,
                         cJSON *document)
{
    cJSON *weights = take(document, "weights");
    const bool ok = !weights || read_weights(r, blobs, weights);

    cJSON_Delete(weights);
    return ok;
}

/* model.to_json() is a string in Python: a config may be one too. */
static bool parse_string_config(struct request_reader *r)
{
    cJSON *string = r->request->config;
    const char *text = json_string(string);

    if (!text)
        return true;
    const struct bytes bytes = {(const unsigned char *)text, strlen(text)};
    r->request->config = request_parse(r, "config", &bytes, NULL);
    cJSON_Delete(string);
    return r->request->config != NULL;
}

/* The config is a member of the document, or its own layers, or it has none. */
static bool take_config(struct request_reader *r)
{
    cJSON *document = r->request->config;

    if (!(r->parts & PART_CONFIG) && json_member(document, "config"))
        return error_at(r->err, ERROR_PART_UNKNOWN, "/config",
                        "this path takes no config");
    cJSON *config = take(document, "config");
    if (!config)
        return request_take_options(r, "", ERROR_OPTION_UNKNOWN);
    const bool both = json_member(document, "layers") != NULL;
    bool ok = request_take_options(r, "", ERROR_OPTION_UNKNOWN);
    cJSON_Delete(document);
    r->request->config = config;
    r->request->config_pointer = "/config";
    if (both)
        ok = error_at(r->err, ERROR_CONFIG_INVALID, "/layers",
                      "layers stand beside config: one of them is too many");
    return parse_string_config(r) &&
           request_take_options(r, "/config", ERROR_CONFIG_INVALID) && ok;
}

/* A config that is the whole body: an array of layers, or a Keras document, which
 * unlike a request has a class or topology beside its "config". */
static bool is_bare_config(const cJSON *json)
{
    return cJSON_IsArray(json) ||
           (config_is_keras(json) &&
            (json_member(json, "class_name") || !json_member(json, "config")));
}

bool request_read_json(struct request_reader *r)
{
    struct json_blobs blobs = {.keys = blob_keys};
    cJSON *json = request_parse(r, "the body", &r->body, &blobs);

    r->request->config = json;
    if (!json)
        return false;
    if (is_bare_config(json))
        return true;
    if (!cJSON_IsObject(json))
        return error_at(r->err, ERROR_CONFIG_INVALID, "",
                        "the body must be an object or an array of layers, not %s",
                        json_kind(json));
    const bool image = take_image(r, &blobs, json);
    const bool weights = take_weights(r, &blobs, json);
    return take_config(r) && image && weights;
}
