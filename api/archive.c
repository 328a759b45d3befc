/* archive.c - zip archives, and the .npz of NumPy, by libzip. */
#include "api/archive.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "api/npy.h"

enum {
    EOCD_SIZE = 22,       /* end of central directory, without its comment */
    COMMENT_MAX = 65535,  /* so far from the end it may begin */
    LOCATOR_SIZE = 20,    /* of a zip64 end record; it stands right before the end */
    DOS_DATE = 1 << 5 | 1 /* 1980-01-01, the first that a zip archive knows */
};

const char *archive_version(void)
{
    return zip_libzip_version();
}

static bool invalid(struct error *err, const char *name, const char *reason)
{
    return error_option(err, ERROR_WEIGHTS_INVALID, "weights", ".npz: %s%.120s%s%s",
                        name ? "array '" : "", name ? name : "", name ? "': " : "",
                        reason);
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the weights");
}

/* The heap's, not the request's. */
static bool exhausted(struct error *err)
{
    return error_set(err, ERROR_MEMORY_PRESSURE, "no memory for the archive");
}

/* libzip makes a record of every entry that the directory announces. Without zip64
 * these are at most 65535; nobody needs more. */
static bool announces_zip64(const struct bytes *file)
{
    const size_t farthest = EOCD_SIZE + COMMENT_MAX;
    size_t at = file->size > farthest ? file->size - farthest : 0;

    for (at = at < LOCATOR_SIZE ? LOCATOR_SIZE : at; at + EOCD_SIZE <= file->size; at++)
        if (memcmp(file->data + at, "PK\5\6", 4) == 0 &&
            memcmp(file->data + at - LOCATOR_SIZE, "PK\6\7", 4) == 0)
            return true;
    return false;
}

static bool check_entry(const struct zip_stat *stat, struct error *err)
{
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD |
                                ZIP_STAT_ENCRYPTION_METHOD | ZIP_STAT_NAME;

    if ((stat->valid & needed) != needed)
        return invalid(err, NULL, "the directory is incomplete");
    if (stat->encryption_method != ZIP_EM_NONE)
        return invalid(err, stat->name, "it is encrypted");
    if (stat->comp_method != ZIP_CM_STORE && stat->comp_method != ZIP_CM_DEFLATE)
        return invalid(err, stat->name, "it is neither stored nor deflated");
    const size_t n = strlen(stat->name);
    if (n <= 4 || strcmp(stat->name + n - 4, ".npy") != 0)
        return invalid(err, stat->name, "its name does not end in .npy");
    return true;
}

static bool cancelled(const struct parallel *parallel, struct error *err)
{
    return parallel_cancelled(parallel) &&
           !error_set(err, ERROR_CLIENT_CLOSED, "cancelled while reading weights");
}

/* In pieces that take milliseconds. */
static bool read_pieces(zip_file_t *file, unsigned char *to, size_t n,
                        const struct parallel *parallel)
{
    enum { PIECE = 1 << 20 };

    for (size_t at = 0; at < n; at += PIECE) {
        const size_t size = n - at < PIECE ? n - at : PIECE;
        if (parallel_cancelled(parallel) ||
            zip_fread(file, to + at, size) != (zip_int64_t)size)
            return false;
    }
    return true;
}

/* The entry's bytes in the arena; exactly as many as the directory says. */
static bool inflate_entry(zip_t *zip, const struct zip_stat *stat,
                          const struct parallel *parallel, struct arena *arena,
                          struct bytes *bytes, struct error *err)
{
    unsigned char *data = arena_take(arena, stat->size, 1);
    char more;

    if (!data)
        return no_memory(err);
    zip_file_t *file = zip_fopen_index(zip, stat->index, 0);
    if (!file && zip_error_code_zip(zip_get_error(zip)) == ZIP_ER_MEMORY)
        return exhausted(err);
    if (!file)
        return invalid(err, stat->name, zip_strerror(zip));
    const bool whole =
        read_pieces(file, data, stat->size, parallel) &&
        zip_fread(file, &more, 1) == 0; /* the end; the CRC is checked there */
    zip_fclose(file);
    *bytes = (struct bytes){data, stat->size};
    return whole || (!cancelled(parallel, err) &&
                     invalid(err, stat->name, "its data is damaged"));
}

static bool parse_array(const char *name, const struct bytes *bytes,
                        const struct parallel *parallel, struct arena *arena,
                        struct tensor *tensor, struct error *err)
{
    enum { PIECE = 1 << 20 };
    const char *reason;
    struct npy npy;

    if (!npy_open(bytes, &npy, &reason))
        return invalid(err, name, reason);
    if (npy.type == NPY_U8 || npy.type == NPY_U16)
        return invalid(err, name, "its dtype is an unsigned integer");
    if (npy.rank > SHAPE_MAX_RANK)
        return invalid(err, name, "it has more than 4 dimensions");
    tensor->shape = SHAPE(1); /* a scalar */
    if (npy.rank > 0)
        tensor->shape.rank = npy.rank;
    memcpy(tensor->shape.dim, npy.dim, npy.rank * sizeof *npy.dim);
    tensor->values = arena_take(arena, npy.count, sizeof *tensor->values);
    if (!tensor->values)
        return no_memory(err);
    for (size_t i = 0; i < npy.count; i += PIECE) {
        if (cancelled(parallel, err))
            return false;
        npy_read(&npy, i, npy.count - i < PIECE ? npy.count - i : PIECE,
                 tensor->values + i);
    }
    return true;
}

static bool read_entry(zip_t *zip, zip_uint64_t i, const struct parallel *parallel,
                       struct arena *arena, struct named_tensor *tensor,
                       struct error *err)
{
    struct zip_stat stat;
    struct bytes bytes;

    zip_stat_init(&stat);
    if (zip_stat_index(zip, i, 0, &stat) != 0)
        return invalid(err, NULL, zip_strerror(zip));
    if (!check_entry(&stat, err))
        return false;
    tensor->name = arena_copy(arena, stat.name, strlen(stat.name) - strlen(".npy"));
    if (!tensor->name)
        return no_memory(err);
    return inflate_entry(zip, &stat, parallel, arena, &bytes, err) &&
           parse_array(tensor->name, &bytes, parallel, arena, &tensor->tensor, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_unique(const struct weights_upload *weights, struct arena *arena,
                         struct error *err)
{
    const char **names = arena_take(arena, weights->n, sizeof *names);

    if (!names)
        return no_memory(err);
    for (size_t i = 0; i < weights->n; i++)
        names[i] = weights->tensors[i].name;
    qsort(names, weights->n, sizeof *names, by_name);
    for (size_t i = 1; i < weights->n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return invalid(err, names[i], "it stands twice in the archive");
    return true;
}

static bool read_all(zip_t *zip, const struct parallel *parallel, struct arena *arena,
                     struct weights_upload *weights, struct error *err)
{
    const zip_int64_t n = zip_get_num_entries(zip, 0);
    struct named_tensor *tensors = arena_alloc(arena, (size_t)n, sizeof *tensors);

    if (!tensors)
        return no_memory(err);
    for (zip_int64_t i = 0; i < n; i++)
        if (!read_entry(zip, (zip_uint64_t)i, parallel, arena, &tensors[i], err))
            return false;
    *weights = (struct weights_upload){(size_t)n, tensors};
    return check_unique(weights, arena, err);
}

bool npz_read(const struct bytes *file, const struct parallel *parallel,
              struct arena *arena, struct weights_upload *weights, struct error *err)
{
    zip_error_t why;

    if (file->size < EOCD_SIZE) /* libzip would take no bytes for an empty archive */
        return invalid(err, NULL, "the file is too short");
    if (announces_zip64(file))
        return invalid(err, NULL, "archives in zip64 format are not read");
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(file->data, file->size, 0, &why);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &why) : NULL;
    if (!zip) {
        if (zip_error_code_zip(&why) == ZIP_ER_MEMORY)
            exhausted(err);
        else
            invalid(err, NULL, zip_error_strerror(&why));
        zip_source_free(source);
        zip_error_fini(&why);
        return false;
    }
    const bool done = read_all(zip, parallel, arena, weights, err);
    zip_discard(zip); /* frees the source too */
    zip_error_fini(&why);
    return done;
}

/* libzip only reads what it is given, but takes it without const. */
static zip_uint8_t *lent(const unsigned char *data)
{
    return (zip_uint8_t *)(uintptr_t)data;
}

static bool add_entry(zip_t *zip, const struct archive_entry *entry)
{
    zip_buffer_fragment_t parts[2];
    zip_uint64_t n = 0;

    if (entry->head.size)
        parts[n++] = (zip_buffer_fragment_t){lent(entry->head.data), entry->head.size};
    if (entry->body.size)
        parts[n++] = (zip_buffer_fragment_t){lent(entry->body.data), entry->body.size};
    zip_source_t *source = zip_source_buffer_fragment(zip, parts, n, 0);
    if (!source)
        return false;
    const zip_int64_t i = zip_file_add(zip, entry->name, source, ZIP_FL_ENC_UTF_8);
    if (i < 0) {
        zip_source_free(source);
        return false;
    }
    const zip_uint64_t index = (zip_uint64_t)i;
    return zip_set_file_compression(zip, index, ZIP_CM_STORE, 0) == 0 &&
           zip_file_set_dostime(zip, index, 0, DOS_DATE, 0) == 0;
}

/* libzip asks while it writes: not 0 ends that. */
static int is_unwanted(zip_t *zip, void *out)
{
    (void)zip;
    return !buffer_wanted(out);
}

static bool fill(zip_source_t *target, const struct archive_entry *entries, size_t n,
                 struct buffer *out)
{
    zip_source_keep(target); /* a reference of ours outlives the archive's */
    zip_t *zip = zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, NULL);

    if (!zip) {
        zip_source_free(target);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!add_entry(zip, &entries[i])) {
            zip_discard(zip);
            return false;
        }
    zip_register_cancel_callback_with_state(zip, is_unwanted, NULL, out);
    if (zip_close(zip) == 0)
        return true;
    zip_discard(zip);
    return false;
}

static bool copy_pieces(struct buffer *out, zip_source_t *source, size_t n)
{
    enum { PIECE = 1 << 20 };

    for (size_t at = 0; at < n; at += PIECE) {
        const size_t size = n - at < PIECE ? n - at : PIECE;
        unsigned char *to = buffer_reserve(out, size);
        if (!to || zip_source_read(source, to, size) != (zip_int64_t)size)
            return false;
        out->size += size;
    }
    return true;
}

static bool copy_out(struct buffer *out, zip_source_t *source)
{
    struct zip_stat stat;
    bool whole = false;

    if (zip_source_stat(source, &stat) != 0 || zip_source_open(source) != 0)
        return false;
    if (buffer_reserve(out, stat.size))
        whole = copy_pieces(out, source, stat.size);
    zip_source_close(source);
    return whole || out->failed;
}

bool archive_write(struct buffer *out, const struct archive_entry *entries, size_t n,
                   struct error *err)
{
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, NULL);
    const bool done = source && fill(source, entries, n, out) && copy_out(out, source);

    zip_source_free(source);
    return done || exhausted(err);
}
