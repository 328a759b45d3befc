/* picture_png.c - pictures become the smallest PNGs that show them exactly. */
#include "api/picture.h"

#include <string.h>

#include "api/png.h"

/* How the indices of a picture are written. */
struct mapping {
    const struct picture *picture;
    int bit_depth;
    bool same;          /* every sample of the file is the index itself */
    uint8_t entry[256]; /* index -> sample of the file */
};

static size_t count_used(const bool used[256])
{
    size_t n = 0;

    for (size_t i = 0; i < 256; i++)
        n += used[i];
    return n;
}

/* In a large picture that uses most of them, to find out the others takes longer than
 * their entries are worth: it keeps them all. */
static void find_used(const struct picture *picture, bool used[256])
{
    const size_t n = picture->width * picture->height, block = 4096, large = 1 << 16;
    const size_t enough = n < large || picture->transparent ? 256 : 128;
    size_t found = 0;

    memset(used, 0, 256 * sizeof *used);
    for (size_t i = 0; i < n && found < enough; i += block) {
        for (size_t k = i; k < i + block && k < n; k++)
            used[picture->samples[k]] = true;
        found = count_used(used);
    }
    if (found >= enough)
        memset(used, true, 256 * sizeof *used);
}

/* The transparent entry comes first: tRNS then has one byte. */
static void make_palette(const struct picture *picture, const bool used[256],
                         struct png_encoding *e, struct mapping *m)
{
    e->color = PNG_PALETTE;
    e->transparent_first = picture->transparent && !picture->ground;
    if (picture->transparent)
        e->palette[e->n_palette++] = picture->ground & 0xffffff;
    for (size_t i = 0; i < 256; i++)
        if (used[i] && !(picture->transparent && i == picture->hole)) {
            m->entry[i] = (uint8_t)e->n_palette;
            e->palette[e->n_palette++] = picture->colormap->rgb[i];
        }
    e->bit_depth = e->n_palette <= 2    ? 1
                   : e->n_palette <= 4  ? 2
                   : e->n_palette <= 16 ? 4
                                        : 8;
}

/* The fewest bits that hold these grays exactly; 0 if there are other colours. */
static int gray_depth(const struct picture *picture, const bool used[256])
{
    int depth = 1;

    for (size_t i = 0; i < 256; i++) {
        const uint32_t rgb = picture->colormap->rgb[i], v = rgb & 255;
        if (!used[i])
            continue;
        if (rgb != v * 0x10101)
            return 0;
        while (depth < 8 && v % (255u / ((1u << depth) - 1)) != 0)
            depth *= 2;
    }
    return depth;
}

/* Grays that need no more bits than a palette would save the palette. */
static void prefer_gray(const struct picture *picture, const bool used[256],
                        struct png_encoding *e, struct mapping *m)
{
    const int depth = picture->transparent ? 0 : gray_depth(picture, used);

    if (depth == 0 || depth > e->bit_depth)
        return;
    e->color = PNG_GRAY;
    e->bit_depth = depth;
    for (size_t i = 0; i < 256; i++)
        m->entry[i] =
            (uint8_t)((picture->colormap->rgb[i] & 255) / (255u / ((1u << depth) - 1)));
}

static void write_indices(const void *context, size_t y, uint8_t *row)
{
    const struct mapping *m = context;
    const size_t width = m->picture->width;
    const uint8_t *from = m->picture->samples + y * width;
    const int bits = m->bit_depth;

    if (m->same) {
        memcpy(row, from, width);
        return;
    }
    if (bits == 8) {
        for (size_t x = 0; x < width; x++)
            row[x] = m->entry[from[x]];
        return;
    }
    memset(row, 0, (width * (size_t)bits + 7) / 8);
    for (size_t x = 0; x < width; x++) {
        const size_t bit = x * (size_t)bits;
        row[bit / 8] |= (uint8_t)(m->entry[from[x]] << (8 - bits - bit % 8));
    }
}

/* All indices are in use and some cells are holes: colours one by one. Holes that have
 * a ground are opaque, as all else. */
static void write_expanded(const void *context, size_t y, uint8_t *row)
{
    const struct picture *picture = context;
    const size_t size = picture->ground ? 3 : 4;

    for (size_t x = 0; x < picture->width; x++, row += size) {
        const size_t i = y * picture->width + x;
        const bool hole = picture->holes[i];
        const uint32_t rgb =
            hole ? picture->ground : picture->colormap->rgb[picture->samples[i]];
        row[0] = (uint8_t)(rgb >> 16);
        row[1] = (uint8_t)(rgb >> 8);
        row[2] = (uint8_t)rgb;
        if (size == 4)
            row[3] = hole ? 0 : 255;
    }
}

static void write_samples(const void *context, size_t y, uint8_t *row)
{
    const struct picture *picture = context;
    const size_t size = picture->width * (picture->kind == PICTURE_RGB ? 3 : 4);

    memcpy(row, picture->samples + y * size, size);
}

static void choose_mapping(const struct picture *picture, struct png_encoding *e,
                           struct mapping *m)
{
    bool used[256];

    find_used(picture, used);
    make_palette(picture, used, e, m);
    prefer_gray(picture, used, e, m);
    m->bit_depth = e->bit_depth;
    m->same = m->bit_depth == 8;
    for (size_t i = 0; i < 256; i++)
        m->same = m->same && (!used[i] || m->entry[i] == i);
}

static void describe(const struct picture *picture, int level, struct mapping *m,
                     struct png_file *file)
{
    struct png_encoding *e = &file->encoding;

    *m = (struct mapping){.picture = picture};
    *file = (struct png_file){
        .encoding = {.width = picture->width,
                     .height = picture->height,
                     .bit_depth = 8,
                     .level = level},
        .write = picture->holes ? write_expanded : write_samples,
        .context = picture,
    };
    if (picture->kind == PICTURE_INDEXED && !picture->holes) {
        choose_mapping(picture, e, m);
        file->write = write_indices;
        file->context = m;
    } else {
        e->color = picture->kind == PICTURE_RGB || picture->ground ? PNG_RGB : PNG_RGBA;
    }
}

/* All pictures on their way to files. */
struct drafts {
    const struct picture *const *pictures;
    int level;
    struct mapping *mappings;
    struct png_file *files;
};

static void describe_one(void *context, size_t i, size_t slot)
{
    const struct drafts *d = context;

    (void)slot;
    describe(d->pictures[i], d->level, &d->mappings[i], &d->files[i]);
}

bool picture_write(const struct picture *const *pictures, size_t n, int level,
                   const struct parallel *parallel, struct arena *arena,
                   struct bytes *files, struct error *err)
{
    struct drafts d = {
        .pictures = pictures,
        .level = level,
        .mappings = arena_take(arena, n, sizeof *d.mappings),
        .files = arena_take(arena, n, sizeof *d.files),
    };

    if (!d.mappings || !d.files)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the pictures");
    parallel->run(parallel->self, n, describe_one, &d);
    if (parallel->cancelled(parallel->self))
        return error_set(err, ERROR_CLIENT_CLOSED, "cancelled while encoding");
    if (!png_write(d.files, n, parallel, arena, err))
        return false;
    for (size_t i = 0; i < n; i++)
        files[i] = d.files[i].bytes;
    return true;
}

bool picture_png(struct buffer *out, const struct picture *picture, int level,
                 struct arena *arena, struct error *err)
{
    const size_t mark = arena->used;
    struct bytes file = {NULL, 0};
    const bool done =
        picture_write(&picture, 1, level, &parallel_serial, arena, &file, err);

    if (done)
        buffer_append(out, file.data, file.size);
    arena_rewind(arena, mark);
    return done;
}

/* Of a pixel, at most: RGBA, which a palette becomes too where holes want a place
 * beside 256 indices. */
enum { PIXEL_BYTES = 4 };

double picture_write_bytes(double width, double height)
{
    return png_file_bytes(PIXEL_BYTES * width, height) + sizeof(struct mapping) +
           sizeof(struct png_file) + sizeof(struct picture *) + sizeof(struct bytes);
}

double picture_write_scratch(double width, double height, int level, size_t slots)
{
    return png_scratch_bytes(PIXEL_BYTES * width, height, level, slots);
}
