/* safetensors.c - weights by name in the .safetensors format. */
#include "api/safetensors.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/npy.h"

enum { LENGTH_SIZE = 8 };

/* A tensor as the header describes it. */
struct entry {
    const char *name; /* of the parsed header */
    int type;         /* row of types */
    struct shape shape;
    size_t begin, end; /* bytes of the data */
};

static void from_f32(float *out, const unsigned char *data, size_t n)
{
    if (n)
        memcpy(out, data, n * sizeof *out);
}

static void from_f16(float *out, const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = npy_half((uint16_t)(data[2 * i] | data[2 * i + 1] << 8));
}

/* The upper half of a float32. */
static void from_bf16(float *out, const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = (uint32_t)data[2 * i] << 16 | (uint32_t)data[2 * i + 1]
                                                                << 24;
        memcpy(&out[i], &bits, sizeof bits);
    }
}

static void from_f64(float *out, const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, data + i * sizeof value, sizeof value);
        out[i] = (float)value;
    }
}

static void from_i32(float *out, const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t value;
        memcpy(&value, data + i * sizeof value, sizeof value);
        out[i] = (float)value;
    }
}

static void from_i64(float *out, const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        memcpy(&value, data + i * sizeof value, sizeof value);
        out[i] = (float)value;
    }
}

/* The integers are there for counters, which Keras stores among the weights. */
static const struct {
    const char *name;
    size_t size;
    void (*convert)(float *out, const unsigned char *data, size_t n);
} types[] = {
    {"F32", 4, from_f32}, {"F16", 2, from_f16}, {"BF16", 2, from_bf16},
    {"F64", 8, from_f64}, {"I32", 4, from_i32}, {"I64", 8, from_i64},
};

enum { N_TYPES = sizeof types / sizeof *types };

static bool invalid(struct error *err, const char *name, const char *reason)
{
    return error_option(err, ERROR_WEIGHTS_INVALID, "weights",
                        ".safetensors: %s%.120s%s%s", name ? "tensor '" : "",
                        name ? name : "", name ? "': " : "", reason);
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the weights");
}

static uint64_t header_length(const struct bytes *file)
{
    uint64_t length = 0;

    for (size_t i = 0; i < LENGTH_SIZE; i++)
        length |= (uint64_t)file->data[i] << 8 * i;
    return length;
}

bool safetensors_probe(const struct bytes *file)
{
    return file->size > LENGTH_SIZE && file->data[LENGTH_SIZE] == '{' &&
           header_length(file) <= file->size - LENGTH_SIZE;
}

/* The header as a document; the strict reader refuses a name that stands twice. */
static cJSON *parse_header(const struct bytes *text, struct arena *arena,
                           struct error *err)
{
    struct error why;

    error_init(&why);
    cJSON *json = json_parse("the header of the .safetensors file", text, NULL,
                             &limits_default, arena, &why);
    if (!json)
        error_option(err, ERROR_WEIGHTS_INVALID, "weights", "%.250s", why.detail);
    return json;
}

static bool read_size(const cJSON *item, size_t *size)
{
    double value;

    if (!json_integer(item, &value) || value < 0 || value > 0x1p53)
        return false;
    *size = (size_t)value;
    return true;
}

static bool read_shape(const cJSON *item, struct shape *shape)
{
    *shape = (struct shape){0};
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) > SHAPE_MAX_RANK)
        return false;
    for (item = item->child; item; item = item->next)
        if (!read_size(item, &shape->dim[shape->rank++]))
            return false;
    if (shape->rank == 0)
        *shape = SHAPE(1); /* a scalar */
    return true;
}

static int find_type(const char *name)
{
    for (int i = 0; name && i < N_TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return i;
    return -1;
}

static bool read_offsets(const cJSON *item, struct entry *entry)
{
    return cJSON_IsArray(item) && cJSON_GetArraySize(item) == 2 &&
           read_size(item->child, &entry->begin) &&
           read_size(item->child->next, &entry->end) && entry->begin <= entry->end;
}

static bool read_entry(const cJSON *item, struct entry *entry, struct error *err)
{
    size_t bytes;

    entry->name = item->string;
    entry->type = find_type(json_string(json_member(item, "dtype")));
    if (!cJSON_IsObject(item) || cJSON_GetArraySize(item) != 3)
        return invalid(err, entry->name,
                       "it is not described by dtype, shape and data_offsets alone");
    if (entry->type < 0)
        return invalid(err, entry->name,
                       "its dtype is not F32, F16, BF16, F64, I32 or I64");
    if (!read_shape(json_member(item, "shape"), &entry->shape))
        return invalid(err, entry->name, "its shape is not at most 4 whole numbers");
    if (!read_offsets(json_member(item, "data_offsets"), entry))
        return invalid(err, entry->name, "its data_offsets are not two whole numbers");
    if (!shape_count(&entry->shape, &bytes) ||
        __builtin_mul_overflow(bytes, types[entry->type].size, &bytes) ||
        bytes != entry->end - entry->begin)
        return invalid(err, entry->name, "its data is not as long as its shape says");
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Sorted, the tensors must lie end to end from the first byte to the last. */
static bool check_layout(struct entry *entries, size_t n, size_t data_size,
                         struct error *err)
{
    size_t at = 0;

    if (n > 1)
        qsort(entries, n, sizeof *entries, by_offset);
    for (size_t i = 0; i < n; at = entries[i++].end) {
        if (entries[i].end > data_size)
            return invalid(err, entries[i].name, "its data lies outside of the file");
        if (entries[i].begin < at)
            return invalid(err, entries[i].name, "its data overlaps another tensor's");
        if (entries[i].begin > at)
            return invalid(err, entries[i].name, "there is a gap before its data");
    }
    return at == data_size || invalid(err, NULL, "bytes are left over at the end");
}

static bool read_entries(const cJSON *header, struct entry *entries, size_t *n,
                         struct error *err)
{
    *n = 0;
    for (const cJSON *item = header->child; item; item = item->next) {
        if (strcmp(item->string, "__metadata__") == 0)
            continue;
        if (!read_entry(item, &entries[(*n)++], err))
            return false;
    }
    return true;
}

static bool convert(const struct entry *entry, const unsigned char *data,
                    struct arena *arena, struct named_tensor *tensor, struct error *err)
{
    const size_t n = shape_elements(&entry->shape);
    float *values = arena_take(arena, n, sizeof *values);

    *tensor = (struct named_tensor){
        .name = arena_copy(arena, entry->name, strlen(entry->name)),
        .tensor = {entry->shape, values},
    };
    if (!values || !tensor->name)
        return no_memory(err);
    types[entry->type].convert(values, data + entry->begin, n);
    return true;
}

static bool read_tensors(const cJSON *header, const struct bytes *data,
                         struct arena *arena, struct weights_upload *weights,
                         struct error *err)
{
    const size_t most = (size_t)cJSON_GetArraySize(header);
    struct entry *entries = arena_take(arena, most, sizeof *entries);
    struct named_tensor *tensors = arena_alloc(arena, most, sizeof *tensors);
    size_t n;

    if (!entries || !tensors)
        return no_memory(err);
    if (!read_entries(header, entries, &n, err) ||
        !check_layout(entries, n, data->size, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!convert(&entries[i], data->data, arena, &tensors[i], err))
            return false;
    *weights = (struct weights_upload){n, tensors};
    return true;
}

bool safetensors_read(const struct bytes *file, struct arena *arena,
                      struct weights_upload *weights, struct error *err)
{
    if (file->size < LENGTH_SIZE)
        return invalid(err, NULL, "the file is too short");
    const uint64_t length = header_length(file);
    if (length > file->size - LENGTH_SIZE)
        return invalid(err, NULL, "the header is longer than the file");

    const struct bytes text = {file->data + LENGTH_SIZE, length};
    const struct bytes data = {text.data + length, file->size - LENGTH_SIZE - length};
    cJSON *header = parse_header(&text, arena, err);
    if (!header)
        return false;
    const bool done = cJSON_IsObject(header)
                          ? read_tensors(header, &data, arena, weights, err)
                          : invalid(err, NULL, "the header is not an object");
    cJSON_Delete(header);
    return done;
}

static void write_header(struct buffer *out, const struct named_tensor *tensors,
                         size_t n)
{
    size_t at = 0;

    buffer_text(out, "{");
    for (size_t i = 0; i < n; i++) {
        const struct shape *shape = &tensors[i].tensor.shape;
        const size_t end = at + shape_elements(shape) * sizeof(float);
        buffer_text(out, i ? "," : "");
        buffer_json_string(out, tensors[i].name);
        buffer_text(out, ":{\"dtype\":\"F32\",\"shape\":[");
        for (size_t k = 0; k < shape->rank; k++)
            buffer_print(out, "%s%zu", k ? "," : "", shape->dim[k]);
        buffer_print(out, "],\"data_offsets\":[%zu,%zu]}", at, end);
        at = end;
    }
    buffer_text(out, "}");
}

void safetensors_write(struct buffer *out, const struct named_tensor *tensors, size_t n)
{
    const size_t start = out->size;

    buffer_append(out, (unsigned char[LENGTH_SIZE]){0}, LENGTH_SIZE);
    write_header(out, tensors, n);
    while (!out->failed && (out->size - start) % LENGTH_SIZE != 0)
        buffer_text(out, " "); /* the data begins aligned */
    if (out->failed)
        return;
    const size_t length = out->size - start - LENGTH_SIZE;
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        out->bytes[start + i] = (unsigned char)(length >> 8 * i);
    for (size_t i = 0; i < n; i++)
        buffer_append(out, tensors[i].tensor.values,
                      shape_elements(&tensors[i].tensor.shape) * sizeof(float));
}
