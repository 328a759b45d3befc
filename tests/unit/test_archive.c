/* test_archive.c - .npz files made by NumPy, damaged ones, and zip archives of ours. */
#include "tests/unit/codec.h"

#include "api/archive.h"

static float value_at(size_t n)
{
    return (float)(100 * (n / 12) + 10 * (n / 4 % 3) + n % 4) - 6.5f;
}

static const char *const files[] = {"tests/data/arrays/stored.npz",
                                    "tests/data/arrays/deflated.npz"};

Test(archive, npz_files_of_numpy_are_read)
{
    struct arena arena = new_arena(1 << 20);

    for (size_t i = 0; i < 2; i++) {
        const struct bytes file = read_file(files[i]);
        struct weights_upload weights;
        struct error err;
        error_init(&err);
        cr_assert(npz_read(&file, &parallel_serial, &arena, &weights, &err), "%s",
                  err.detail);
        cr_assert_eq(weights.n, 2);
        const struct tensor *kernel = &weights.tensors[0].tensor;
        cr_assert_str_eq(weights.tensors[0].name, "conv/kernel");
        cr_assert(shape_equal(&kernel->shape, &SHAPE(2, 3, 4)));
        for (size_t n = 0; n < 24; n++)
            cr_assert_eq(kernel->values[n], value_at(n));
        const struct tensor *bias = &weights.tensors[1].tensor;
        cr_assert_str_eq(weights.tensors[1].name, "conv/bias");
        cr_assert(shape_equal(&bias->shape, &SHAPE(4)));
        for (size_t n = 0; n < 4; n++)
            cr_assert_eq(bias->values[n], (float)n);
        free_file(file);
    }
    arena_release(&arena);
}

/* Any answer will do but a crash, or values other than those of the file. */
static void read_damaged(const struct bytes *file, struct arena *arena)
{
    struct weights_upload weights;
    struct error err;

    error_init(&err);
    arena_reset(arena, 1 << 20);
    if (!npz_read(file, &parallel_serial, arena, &weights, &err)) {
        cr_assert(err.code == ERROR_WEIGHTS_INVALID || err.code == ERROR_PLAN_TOO_LARGE,
                  "%s", err.detail);
        return;
    }
    for (size_t i = 0; i < weights.n; i++)
        cr_assert_leq(shape_elements(&weights.tensors[i].tensor.shape), 24);
}

Test(archive, damaged_npz_files_are_refused)
{
    struct arena arena = new_arena(1 << 20);

    for (size_t i = 0; i < 2; i++) {
        const struct bytes file = read_file(files[i]);
        for (size_t n = 0; n < file.size; n++) {
            struct weights_upload weights;
            struct error err;
            const struct bytes part = exact_copy(file.data, n);
            error_init(&err);
            cr_assert(!npz_read(&part, &parallel_serial, &arena, &weights, &err),
                      "%zu bytes", n);
            free_file(part);
        }
        for (size_t n = 0; n < file.size; n++) {
            const struct bytes copy = exact_copy(file.data, file.size);
            unsigned char *byte = (unsigned char *)(uintptr_t)copy.data + n;
            for (int flip = 1; flip < 256; flip = flip * 4 - 1) {
                *byte ^= (unsigned char)flip;
                read_damaged(&copy, &arena);
                *byte ^= (unsigned char)flip;
            }
            free_file(copy);
        }
        free_file(file);
    }
    arena_release(&arena);
}

static struct bytes write_zip(const struct archive_entry *entries, size_t n,
                              struct buffer *out)
{
    struct error err;

    error_init(&err);
    buffer_init(out, 1 << 20);
    cr_assert(archive_write(out, entries, n, &err), "%s", err.detail);
    cr_assert(!out->failed);
    return (struct bytes){out->bytes, out->size};
}

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const unsigned char *)text, strlen(text)};
}

Test(archive, what_is_no_array_is_refused)
{
    static const char head[] = "\x93NUMPY\x01\0\x3f\0{'descr': '<u2', 'fortran_order': "
                               "False, 'shape': (1,), }       \n";
    const struct bytes integers = {(const unsigned char *)head, sizeof head - 1};
    const struct {
        struct archive_entry entries[2];
        size_t n;
        const char *reason;
    } cases[] = {
        {{{"readme.txt", {NULL, 0}, bytes_of("hello")}}, 1, ".npy"},
        {{{".npy", {NULL, 0}, bytes_of("hello")}}, 1, ".npy"},
        {{{"a.npy", {NULL, 0}, bytes_of("hello")}}, 1, "'a': it is not a .npy file"},
        {{{"a.npy", {NULL, 0}, {NULL, 0}}}, 1, "'a': it is not a .npy file"},
        {{{"a.npy", integers, {integers.data, 4}}}, 1, "'a': its dtype"},
    };
    struct arena arena = new_arena(1 << 20);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weights_upload weights;
        struct buffer zip;
        struct error err;
        const struct bytes file = write_zip(cases[i].entries, cases[i].n, &zip);
        error_init(&err);
        cr_assert(!npz_read(&file, &parallel_serial, &arena, &weights, &err),
                  "case %zu", i);
        expect_error(&err, ERROR_WEIGHTS_INVALID, cases[i].reason);
        buffer_release(&zip);
    }
    arena_release(&arena);
}

/* As Keras stores the counter of a Normalization. */
Test(archive, counters_and_scalars_are_read)
{
    static const char head[] = "\x93NUMPY\x01\0\x3f\0{'descr': '<i8', 'fortran_order': "
                               "False, 'shape': (), }       \n";
    const int64_t count = -1234567;
    const struct archive_entry entry = {"n/count.npy",
                                        {(const unsigned char *)head, sizeof head - 1},
                                        {(const unsigned char *)&count, sizeof count}};
    struct arena arena = new_arena(1 << 20);
    struct weights_upload weights;
    struct buffer zip;
    struct error err;
    const struct bytes file = write_zip(&entry, 1, &zip);

    error_init(&err);
    cr_assert(npz_read(&file, &parallel_serial, &arena, &weights, &err), "%s",
              err.detail);
    cr_assert_str_eq(weights.tensors[0].name, "n/count");
    cr_assert(shape_equal(&weights.tensors[0].tensor.shape, &SHAPE(1)));
    cr_assert_eq(weights.tensors[0].tensor.values[0], -1234567);
    buffer_release(&zip);
    arena_release(&arena);
}

/* The directory of a bomb promises what the arena will not give. */
Test(archive, memory_is_bounded_by_the_arena)
{
    const struct bytes file = read_file(files[1]);
    struct arena arena = new_arena(1 << 20);

    for (size_t budget = 0; budget < 4096; budget += 64) {
        struct weights_upload weights;
        struct error err;
        error_init(&err);
        arena_reset(&arena, budget);
        if (!npz_read(&file, &parallel_serial, &arena, &weights, &err))
            expect_error(&err, ERROR_PLAN_TOO_LARGE, "no memory");
    }
    arena_release(&arena);
    free_file(file);
}

/* Offsets and values from PKWARE's APPNOTE. */
Test(archive, zip_files_are_stored_without_times)
{
    const struct archive_entry entries[] = {
        {"one.txt", bytes_of("hel"), bytes_of("lo")},
        {"d\xc3\xa9j\xc3\xa0.txt", {NULL, 0}, bytes_of("vu")},
    };
    struct buffer first, second;
    const struct bytes a = write_zip(entries, 2, &first);
    const struct bytes b = write_zip(entries, 2, &second);

    cr_assert_eq(a.size, b.size);
    cr_assert_eq(memcmp(a.data, b.data, a.size), 0);
    cr_assert_eq(memcmp(a.data, "PK\3\4", 4), 0);
    cr_assert_eq(a.data[8] | a.data[9], 0, "stored");
    cr_assert_eq(memcmp(a.data + 10, "\0\0\x21\0", 4), 0, "1980-01-01 00:00");
    cr_assert_eq(memcmp(a.data + 14, "\x86\xa6\x10\x36", 4), 0, "CRC of hello");
    cr_assert_eq(a.data[18], 5);
    cr_assert_eq(memcmp(a.data + 30, "one.txthello", 12), 0);
    buffer_release(&first);
    buffer_release(&second);
}
