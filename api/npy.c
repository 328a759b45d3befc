/*
 * npy.c - NumPy's array files, read and written.
 *
 * The header is a Python dict literal. What NumPy writes, and what its documentation
 * allows, is a flat dict of a string, a boolean and a tuple of integers; nothing more
 * is read.
 */
#include "api/npy.h"

#include <stdio.h>
#include <string.h>

enum {
    MAGIC_SIZE = 6,
    HEADER_MAX = 64 << 10, /* bytes of the dict */
    DATA_ALIGN = 64,       /* NumPy aligns the data so */
};

/* The machine's own byte order is little endian, as every one that we build for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little endian");

static const struct {
    const char *code; /* without the byte order */
    size_t size;
} types[] = {
    [NPY_U8] = {"u1", 1},  [NPY_U16] = {"u2", 2}, [NPY_F16] = {"f2", 2},
    [NPY_F32] = {"f4", 4}, [NPY_F64] = {"f8", 8}, [NPY_I32] = {"i4", 4},
    [NPY_I64] = {"i8", 8},
};

enum { N_TYPES = sizeof types / sizeof *types };

bool npy_recognise(const struct bytes *file)
{
    return file->size >= MAGIC_SIZE && memcmp(file->data, "\x93NUMPY", MAGIC_SIZE) == 0;
}

size_t npy_type_size(enum npy_type type)
{
    return types[type].size;
}

/* The dict while it is read. */
struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

/* True, and past it, if the next character is this one. */
static bool accept(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool accept_word(struct cursor *c, const char *word)
{
    const size_t n = strlen(word);

    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes; its text, or NULL. */
static const char *read_string(struct cursor *c, size_t *n)
{
    const char quote = accept(c, '\'') ? '\'' : accept(c, '"') ? '"' : '\0';
    const char *text = c->at;

    if (!quote)
        return NULL;
    while (c->at < c->end && *c->at != quote)
        c->at++;
    if (c->at == c->end)
        return NULL;
    *n = (size_t)(c->at++ - text);
    return text;
}

static bool read_type(struct cursor *c, struct npy *npy, const char **reason)
{
    size_t n;
    const char *text = read_string(c, &n);

    *reason = "its dtype is not one of float16, float32, float64, uint8, uint16, "
              "int32, int64";
    if (!text || n != 3 || !strchr("<>|=", text[0]))
        return false;
    for (size_t i = 0; i < N_TYPES; i++)
        if (memcmp(text + 1, types[i].code, 2) == 0) {
            npy->type = (enum npy_type)i;
            npy->big_endian = text[0] == '>';
            return true;
        }
    return false;
}

static bool read_order(struct cursor *c, struct npy *npy, const char **reason)
{
    npy->fortran = accept_word(c, "True");
    *reason = "fortran_order is neither True nor False";
    return npy->fortran || accept_word(c, "False");
}

static bool read_dimension(struct cursor *c, size_t *value)
{
    bool any = false;

    skip_space(c);
    for (*value = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        any = true;
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (size_t)(*c->at - '0'), value))
            return false;
    }
    accept_word(c, "L"); /* Python 2 wrote it */
    return any;
}

static bool read_shape(struct cursor *c, struct npy *npy, const char **reason)
{
    *reason = "its shape is not a tuple of at most 8 whole numbers";
    if (!accept(c, '('))
        return false;
    for (npy->rank = 0; !accept(c, ')'); npy->rank++) {
        if (npy->rank == NPY_MAX_RANK || !read_dimension(c, &npy->dim[npy->rank]))
            return false;
        if (!accept(c, ',')) {
            npy->rank++;
            return accept(c, ')');
        }
    }
    return true;
}

/* One "key: value"; seen has a bit for each key that was read. */
static bool read_entry(struct cursor *c, struct npy *npy, unsigned *seen,
                       const char **reason)
{
    static const struct {
        const char *key;
        bool (*read)(struct cursor *, struct npy *, const char **);
    } keys[] = {
        {"descr", read_type}, {"fortran_order", read_order}, {"shape", read_shape}};
    size_t n, k = 0;
    const char *text = read_string(c, &n);

    while (text && k < 3 && (strlen(keys[k].key) != n || memcmp(keys[k].key, text, n)))
        k++;
    if (!text || k == 3 || (*seen >> k & 1) || !accept(c, ':'))
        return false;
    *seen |= 1u << k;
    return keys[k].read(c, npy, reason);
}

static bool read_dict(struct cursor *c, struct npy *npy, const char **reason)
{
    static const char malformed[] = "its header is malformed";
    unsigned seen = 0;

    *reason = malformed;
    if (!accept(c, '{'))
        return false;
    while (!accept(c, '}')) {
        if (!read_entry(c, npy, &seen, reason))
            return false;
        *reason = malformed;
        if (!accept(c, ',')) {
            if (!accept(c, '}'))
                return false;
            break;
        }
    }
    return seen == 7;
}

/* The product of the dimensions, and whether the data is as long. */
static bool measure(struct npy *npy, size_t available, const char **reason)
{
    size_t bytes;

    npy->count = 1;
    for (size_t i = 0; i < npy->rank; i++)
        if (__builtin_mul_overflow(npy->count, npy->dim[i], &npy->count)) {
            *reason = "its shape is too large";
            return false;
        }
    *reason = "it holds less data than its shape says";
    return !__builtin_mul_overflow(npy->count, npy_type_size(npy->type), &bytes) &&
           bytes <= available;
}

bool npy_open(const struct bytes *file, struct npy *npy, const char **reason)
{
    const unsigned char *head = file->data;

    *npy = (struct npy){0};
    *reason = "it is not a .npy file of format 1, 2 or 3";
    if (!npy_recognise(file) || file->size < 10 || head[6] < 1 || head[6] > 3)
        return false;
    *reason = "it ends inside its header";
    const size_t start = head[6] == 1 ? 10 : 12;
    if (file->size < start)
        return false;
    size_t length = head[8] | (size_t)head[9] << 8;
    if (start == 12)
        length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
    if (length > file->size - start)
        return false;
    *reason = "its header is too long";
    if (length > HEADER_MAX)
        return false;

    struct cursor c = {(const char *)head + start, (const char *)head + start + length};
    if (!read_dict(&c, npy, reason))
        return false;
    npy->data = head + start + length;
    return measure(npy, file->size - start - length, reason);
}

float npy_half(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    uint32_t wide;
    float value;

    if (exponent == 0) { /* zero or subnormal: a multiple of 2^-24 */
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    wide = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static float element(const struct npy *npy, const unsigned char *at)
{
    const size_t size = npy_type_size(npy->type);
    uint64_t bits = 0;
    uint32_t low;
    float single;
    double wide;

    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)at[npy->big_endian ? size - 1 - i : i] << 8 * i;
    switch (npy->type) {
    case NPY_F16:
        return npy_half((uint16_t)bits);
    case NPY_F32:
        low = (uint32_t)bits;
        memcpy(&single, &low, sizeof single);
        return single;
    case NPY_F64:
        memcpy(&wide, &bits, sizeof wide);
        return (float)wide;
    case NPY_I32:
        return (float)(int32_t)bits;
    case NPY_I64:
        return (float)(int64_t)bits;
    default:
        return (float)bits;
    }
}

/* The strides of a column-major array walk it in row-major order. */
static void transpose(const struct npy *npy, size_t first, size_t count, float *out)
{
    const size_t size = npy_type_size(npy->type);
    size_t stride[NPY_MAX_RANK], index[NPY_MAX_RANK], at = 0, step = size;

    for (size_t i = 0; i < npy->rank; i++) {
        stride[i] = step;
        step *= npy->dim[i];
    }
    for (size_t i = npy->rank; i-- > 0; first /= npy->dim[i]) {
        index[i] = first % npy->dim[i];
        at += index[i] * stride[i];
    }
    for (size_t n = 0; n < count; n++) {
        out[n] = element(npy, npy->data + at);
        for (size_t i = npy->rank; i-- > 0;) {
            at += stride[i];
            if (++index[i] < npy->dim[i])
                break;
            at -= stride[i] * npy->dim[i];
            index[i] = 0;
        }
    }
}

static void narrow(const unsigned char *doubles, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        double wide;
        memcpy(&wide, doubles + i * sizeof wide, sizeof wide);
        out[i] = (float)wide;
    }
}

void npy_read(const struct npy *npy, size_t first, size_t n, float *out)
{
    const size_t size = npy_type_size(npy->type);
    const unsigned char *from = npy->data + first * size;

    if (n == 0)
        return;
    if (npy->fortran && npy->rank > 1)
        transpose(npy, first, n, out);
    else if (npy->type == NPY_F32 && !npy->big_endian)
        memcpy(out, from, n * sizeof *out);
    else if (npy->type == NPY_F64 && !npy->big_endian)
        narrow(from, n, out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = element(npy, from + i * size);
}

/* Version 1.0; spaces and a line feed fill it up to the alignment, as NumPy does. */
static void write_header(struct buffer *out, const char *type,
                         const struct shape *shape)
{
    char dict[160] = "";
    size_t n = (size_t)snprintf(
        dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);

    for (size_t i = 0; i < shape->rank; i++)
        n += (size_t)snprintf(dict + n, sizeof dict - n, "%s%zu%s", i ? " " : "",
                              shape->dim[i], i + 1 < shape->rank || i == 0 ? "," : "");
    n += (size_t)snprintf(dict + n, sizeof dict - n, "), }");

    const size_t head = MAGIC_SIZE + 4, pad = DATA_ALIGN - (head + n + 1) % DATA_ALIGN;
    const size_t length = n + pad % DATA_ALIGN + 1;
    buffer_append(out, "\x93NUMPY\x01\x00", MAGIC_SIZE + 2);
    buffer_append(out, (uint8_t[]){(uint8_t)length, (uint8_t)(length >> 8)}, 2);
    buffer_append(out, dict, n);
    buffer_print(out, "%*s\n", (int)(length - n - 1), "");
}

void npy_write_f32(struct buffer *out, const struct shape *shape, const float *values)
{
    write_header(out, "<f4", shape);
    if (values)
        buffer_append(out, values, shape_elements(shape) * sizeof *values);
}

void npy_write_f64(struct buffer *out, const struct shape *shape, const double *values)
{
    write_header(out, "<f8", shape);
    if (values)
        buffer_append(out, values, shape_elements(shape) * sizeof *values);
}
