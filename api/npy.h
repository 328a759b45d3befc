/*
 * npy.h - NumPy's array files (format versions 1.0 to 3.0), read and written, and
 * archives of them (.npz).
 */
#ifndef API_NPY_H
#define API_NPY_H

#include "api/buffer.h"
#include "api/request.h"
#include "engine/weights.h"

enum npy_type { NPY_U8, NPY_U16, NPY_F16, NPY_F32, NPY_F64 };

struct npy {
    enum npy_type type;
    bool big_endian, fortran;
    size_t rank, dim[8];
    const unsigned char *data;
    size_t count; /* elements; data holds them all */
};

/* Read the header and check that the data is there. On failure *reason says what is
 * wrong (static text). */
bool npy_open(const struct bytes *file, struct npy *npy,
              const char **reason) MUST_CHECK;

/* All elements as float32 in row-major order, as they are (no scaling). */
void npy_values(const struct npy *npy, float *out);

/* Append a file: little endian, row-major. */
void npy_write_f32(struct buffer *out, const struct shape *shape, const float *values);
void npy_write_f64(struct buffer *out, const struct shape *shape, const double *values);

/* Read every array of an .npz (stored or deflated), float16/32/64, into the arena. */
bool npz_read(const struct bytes *file, struct arena *arena,
              struct weights_upload *weights, struct error *err) MUST_CHECK;

#endif
