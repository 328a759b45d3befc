/* test_npy.c - array files made by NumPy, and files that nobody should have made. */
#include "tests/unit/codec.h"

#include "api/npy.h"

#define ARRAYS "tests/data/arrays/"

/* The array that the files hold: 2 x 3 x 4. */
static float value_at(size_t n, float offset)
{
    return (float)(100 * (n / 12) + 10 * (n / 4 % 3) + n % 4) + offset;
}

static void check_file(const char *path, enum npy_type type, float offset)
{
    const struct bytes file = read_file(path);
    const char *reason;
    struct npy npy;
    float values[24];

    cr_assert(npy_open(&file, &npy, &reason), "%s: %s", path, reason);
    cr_assert_eq(npy.type, type, "%s", path);
    cr_assert_eq(npy.count, 24, "%s", path);
    cr_assert(npy.rank == 3 && npy.dim[0] == 2 && npy.dim[1] == 3 && npy.dim[2] == 4);
    npy_read(&npy, 0, npy.count, values);
    for (size_t n = 0; n < 24; n++)
        cr_assert_eq(values[n], value_at(n, offset), "%s: element %zu is %g", path, n,
                     (double)values[n]);
    free_file(file);
}

Test(npy, every_type_and_order_is_read)
{
    static const struct {
        const char *path;
        enum npy_type type;
        float offset;
    } files[] = {
        {ARRAYS "f8.npy", NPY_F64, -6.5f},
        {ARRAYS "f8_fortran.npy", NPY_F64, -6.5f},
        {ARRAYS "f4.npy", NPY_F32, -6.5f},
        {ARRAYS "f4_big.npy", NPY_F32, -6.5f},
        {ARRAYS "f4_big_fortran.npy", NPY_F32, -6.5f},
        {ARRAYS "f4_v2.npy", NPY_F32, -6.5f},
        {ARRAYS "f4_v3.npy", NPY_F32, -6.5f},
        {ARRAYS "f2.npy", NPY_F16, -6.5f},
        {ARRAYS "u1.npy", NPY_U8, 0},
        {ARRAYS "u2_big.npy", NPY_U16, 0},
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        check_file(files[i].path, files[i].type, files[i].offset);
}

Test(npy, what_we_write_is_what_numpy_writes)
{
    const struct {
        const char *path;
        struct shape shape;
        bool wide;
    } files[] = {
        {ARRAYS "f4.npy", SHAPE(2, 3, 4), false},
        {ARRAYS "f8.npy", SHAPE(2, 3, 4), true},
        {ARRAYS "vector.npy", SHAPE(5), false},
        {"tests/data/lesson/s1_condense.npy", SHAPE(31, 31, 1), false},
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const struct bytes file = read_file(files[i].path);
        const void *data = file.data + 128; /* NumPy's headers of small arrays */
        struct buffer out;
        buffer_init(&out, 1 << 20);
        if (files[i].wide)
            npy_write_f64(&out, &files[i].shape, data);
        else
            npy_write_f32(&out, &files[i].shape, data);
        cr_assert_eq(out.size, file.size, "%s", files[i].path);
        cr_assert_eq(memcmp(out.bytes, file.data, file.size), 0, "%s", files[i].path);
        buffer_release(&out);
        free_file(file);
    }
}

Test(npy, halves_are_exact)
{
    static const struct {
        uint16_t bits;
        float value;
    } cases[] = {
        {0x0000, 0.0f},       {0x8000, -0.0f},    {0x3c00, 1.0f},
        {0xc000, -2.0f},      {0x7bff, 65504.0f}, {0x0001, 0x1p-24f},
        {0x03ff, 0x3ffp-24f}, {0x0400, 0x1p-14f}, {0x7c00, INFINITY},
        {0xfc00, -INFINITY},  {0x7e00, NAN},      {0x3555, 0x555p-12f},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const float value = npy_half(cases[i].bits);
        cr_assert(same_bits(&value, &cases[i].value, 1), "%04x", cases[i].bits);
    }
}

/* A version 1.0 file with this dict and n bytes of data. */
static struct bytes craft(const char *dict, size_t n)
{
    const size_t length = strlen(dict);
    unsigned char *data = calloc(1, 10 + length + n);

    memcpy(data, "\x93NUMPY\x01", 8);
    data[8] = (unsigned char)length;
    data[9] = (unsigned char)(length >> 8);
    memcpy(data + 10, dict, length);
    return (struct bytes){data, 10 + length + n};
}

Test(npy, odd_but_legal_headers_are_read)
{
    static const struct {
        const char *dict;
        size_t bytes, rank, count;
    } cases[] = {
        {"{'descr':'<f4','fortran_order':False,'shape':(2,3)}", 24, 2, 6},
        {"{\"shape\": (3,), \"descr\": \"|u1\", \"fortran_order\": True}", 3, 1, 3},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }   \n", 8, 0, 1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 0L), }", 0, 2, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes file = craft(cases[i].dict, cases[i].bytes);
        const char *reason;
        struct npy npy;
        cr_assert(npy_open(&file, &npy, &reason), "%s: %s", cases[i].dict, reason);
        cr_assert_eq(npy.rank, cases[i].rank);
        cr_assert_eq(npy.count, cases[i].count);
        free_file(file);
    }
}

Test(npy, broken_headers_are_refused_with_a_reason)
{
    static const char *const cases[][2] = {
        {"", "malformed"},
        {"{", "malformed"},
        {"{}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False}", "malformed"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
         "malformed"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", "malformed"},
        {"{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}", "dtype"},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (1,)}", "dtype"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "dtype"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "dtype"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "fortran_order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
         "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': "
         "(99999999999999999999999999,)}",
         "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296)}",
         "too large"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}",
         "less data"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "less data"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes file = craft(cases[i][0], 11);
        const char *reason = "";
        struct npy npy;
        cr_assert(!npy_open(&file, &npy, &reason), "%s", cases[i][0]);
        cr_assert(strstr(reason, cases[i][1]), "%s: %s", cases[i][0], reason);
        free_file(file);
    }
}

Test(npy, a_file_cut_anywhere_is_refused)
{
    const struct bytes file = read_file(ARRAYS "f4_v2.npy");
    const char *reason;
    struct npy npy;

    for (size_t n = 0; n < file.size; n++) {
        const struct bytes part = exact_copy(file.data, n);
        cr_assert(!npy_open(&part, &npy, &reason), "%zu bytes", n);
        free_file(part);
    }
    free_file(file);
}
