/* test_safetensors.c - weights in the .safetensors format, good and hostile. */
#include "tests/unit/codec.h"

#include "api/safetensors.h"

static float value_at(size_t n)
{
    return (float)(100 * (n / 12) + 10 * (n / 4 % 3) + n % 4) - 6.5f;
}

Test(safetensors, every_type_is_read)
{
    static const char *const names[] = {"a/f32", "b/f16", "c/bf16", "d/f64"};
    const struct shape shapes[] = {SHAPE(2, 3, 4), SHAPE(2, 3, 4), SHAPE(24),
                                   SHAPE(4, 6)};
    const struct bytes file = read_file("tests/data/arrays/all.safetensors");
    struct arena arena = new_arena(1 << 20);
    struct weights_upload weights;
    struct error err;

    error_init(&err);
    cr_assert(safetensors_probe(&file));
    cr_assert(safetensors_read(&file, &arena, &weights, &err), "%s", err.detail);
    cr_assert_eq(weights.n, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct named_tensor *t = &weights.tensors[i];
        cr_assert_str_eq(t->name, names[i]);
        cr_assert(shape_equal(&t->tensor.shape, &shapes[i]));
        for (size_t n = 0; n < 24; n++)
            cr_assert_eq(t->tensor.values[n], value_at(n), "%s", t->name);
    }
    arena_release(&arena);
    free_file(file);
}

static struct bytes craft(const char *header, size_t n)
{
    const size_t length = strlen(header);
    unsigned char *data = calloc(1, 8 + length + n);

    for (size_t i = 0; i < 8; i++)
        data[i] = (unsigned char)(length >> 8 * i);
    memcpy(data + 8, header, length);
    return (struct bytes){data, 8 + length + n};
}

#define T(name, dtype, shape, offsets)                                                 \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape                           \
    ",\"data_offsets\":" offsets "}"

Test(safetensors, hostile_headers_are_refused_with_a_reason)
{
    static const struct {
        const char *header;
        size_t bytes;
        const char *reason;
    } cases[] = {
        {"{" T("a", "F32", "[1]", "[0,4]"), 4, "line 1"},
        {"[]", 0, "not an object"},
        {"{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[1]", "[4,8]") "}", 8,
         "a"},
        {"{\"a\":3}", 0, "'a'"},
        {"{" T("a", "U64", "[1]", "[0,8]") "}", 8, "dtype"},
        {"{" T("a", "F32", "3", "[0,4]") "}", 4, "shape"},
        {"{" T("a", "F32", "[1,1,1,1,1]", "[0,4]") "}", 4, "shape"},
        {"{" T("a", "F32", "[-1]", "[0,4]") "}", 4, "shape"},
        {"{" T("a", "F32", "[1.5]", "[0,4]") "}", 4, "shape"},
        {"{" T("a", "F32", "[2]", "[0,4]") "}", 4, "as long as"},
        {"{" T("a", "F32", "[1]", "[4,0]") "}", 4, "data_offsets"},
        {"{" T("a", "F32", "[1]", "[0,4,8]") "}", 4, "data_offsets"},
        {"{" T("a", "F32", "[1]", "[0,1e300]") "}", 4, "data_offsets"},
        {"{" T("a", "F32", "[2]", "[0,8]") "}", 4, "outside"},
        {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[0,4]") "}", 4,
         "overlaps"},
        {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[8,12]") "}", 12,
         "gap"},
        {"{" T("a", "F32", "[1]", "[0,4]") "}", 5, "left over"},
        {"{" T("a", "F32", "[4294967296,4294967296,4294967296]", "[0,4]") "}", 4,
         "as long as"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
         "alone"},
    };
    struct arena arena = new_arena(1 << 20);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes file = craft(cases[i].header, cases[i].bytes);
        struct weights_upload weights;
        struct error err;
        error_init(&err);
        cr_assert(!safetensors_read(&file, &arena, &weights, &err), "%s",
                  cases[i].header);
        expect_error(&err, ERROR_WEIGHTS_INVALID, cases[i].reason);
        cr_assert_str_eq(err.items[0].parameter, "weights");
        free_file(file);
        arena_reset(&arena, 1 << 20);
    }
    arena_release(&arena);
}

/* As Keras stores the counter of a Normalization. */
Test(safetensors, counters_and_scalars_are_read)
{
    struct arena arena = new_arena(1 << 20);
    const struct bytes file = craft(
        "{" T("count", "I64", "[]", "[0,8]") "," T("n", "I32", "[2]", "[8,16]") "}",
        16);
    unsigned char *data = (unsigned char *)(uintptr_t)file.data + file.size - 16;
    struct weights_upload weights;
    struct error err;

    memcpy(data, &(int64_t){1234567}, 8);
    memcpy(data + 8, (int32_t[]){-3, 4}, 8);
    error_init(&err);
    cr_assert(safetensors_read(&file, &arena, &weights, &err), "%s", err.detail);
    cr_assert(weights.n == 2 &&
              shape_equal(&weights.tensors[0].tensor.shape, &SHAPE(1)) &&
              shape_equal(&weights.tensors[1].tensor.shape, &SHAPE(2)));
    cr_assert_eq(weights.tensors[0].tensor.values[0], 1234567);
    cr_assert_eq(weights.tensors[1].tensor.values[0], -3);
    cr_assert_eq(weights.tensors[1].tensor.values[1], 4);
    free_file(file);
    arena_release(&arena);
}

Test(safetensors, a_file_cut_anywhere_is_refused)
{
    const struct bytes file = read_file("tests/data/arrays/all.safetensors");
    struct arena arena = new_arena(1 << 20);

    for (size_t n = 0; n < file.size; n++) {
        const struct bytes part = exact_copy(file.data, n);
        struct weights_upload weights;
        struct error err;
        error_init(&err);
        cr_assert(!safetensors_read(&part, &arena, &weights, &err), "%zu bytes", n);
        cr_assert_eq(err.code, ERROR_WEIGHTS_INVALID, "%zu: %s", n, err.detail);
        arena_reset(&arena, 1 << 20);
        free_file(part);
    }
    arena_release(&arena);
    free_file(file);
}

Test(safetensors, memory_is_bounded_by_the_arena)
{
    const struct bytes file = read_file("tests/data/arrays/all.safetensors");
    struct arena arena = new_arena(1 << 20);

    for (size_t budget = 0; budget < 1 << 12; budget += 64) {
        struct weights_upload weights;
        struct error err;
        error_init(&err);
        arena_reset(&arena, budget);
        if (!safetensors_read(&file, &arena, &weights, &err))
            cr_assert_neq(err.code, ERROR_NONE);
    }
    arena_release(&arena);
    free_file(file);
}

/* By hand, from the format's description. */
Test(safetensors, what_is_written_is_the_format)
{
    static const char header[] =
        "{\"b/x\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
    float x[] = {1, 2}, y[] = {-3};
    const struct named_tensor tensors[] = {{"b/x", {SHAPE(1, 2), x}},
                                           {"a", {SHAPE(1), y}}};
    struct buffer out;

    buffer_init(&out, 1 << 12);
    safetensors_write(&out, tensors, 2);
    const size_t n = out.size - 8 - 12;
    cr_assert_eq(n % 8, 0);
    cr_assert_eq(out.bytes[0], n);
    cr_assert_eq(memcmp(out.bytes + 8, header, sizeof header - 1), 0);
    for (size_t i = sizeof header - 1; i < n; i++)
        cr_assert_eq(out.bytes[8 + i], ' ');
    cr_assert_eq(memcmp(out.bytes + 8 + n, (float[]){1, 2, -3}, 12), 0);
    buffer_release(&out);
}
