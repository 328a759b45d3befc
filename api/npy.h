/*
 * npy.h - NumPy's array files (format versions 1.0 to 3.0), read and written.
 * archive.h has their archives, .npz.
 */
#ifndef API_NPY_H
#define API_NPY_H

#include "api/buffer.h"
#include "api/bytes.h"
#include "engine/tensor.h"

/* The signed integers are for weights only, among which Keras stores counters. */
enum npy_type { NPY_U8, NPY_U16, NPY_F16, NPY_F32, NPY_F64, NPY_I32, NPY_I64 };
enum { NPY_MAX_RANK = 8 };

struct npy {
    enum npy_type type;
    bool big_endian, fortran;
    size_t rank, dim[NPY_MAX_RANK];
    const unsigned char *data;
    size_t count; /* elements; data holds them all */
};

/* True if the bytes begin as such a file does. */
bool npy_recognise(const struct bytes *file);

/* Read the header and check that the data is there. On failure *reason says what is
 * wrong (static text). */
bool npy_open(const struct bytes *file, struct npy *npy,
              const char **reason) MUST_CHECK;

/* n elements from the first-th on as float32 in row-major order, as they are (no
 * scaling). */
void npy_read(const struct npy *npy, size_t first, size_t n, float *out);

/* Bytes per element. */
size_t npy_type_size(enum npy_type type);

/* IEEE 754 binary16 as float32: exact. */
float npy_half(uint16_t bits);

/* Append a file: little endian, row-major. The header alone is written where values is
 * NULL. */
void npy_write_f32(struct buffer *out, const struct shape *shape, const float *values);
void npy_write_f64(struct buffer *out, const struct shape *shape, const double *values);

#endif
