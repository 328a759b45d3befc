/* gif.c - frames become an animated GIF; the one file that knows giflib. */
#include "api/gif.h"

#include <math.h>
#include <string.h>

#include <gif_lib.h>

struct gif {
    struct gif_spec spec;
    GifFileType *file;
    struct buffer *out;
    struct error *err;
    uint8_t *shown; /* the last frame */
    uint8_t *row;
    bool started, failed;
};

#define TEXT_OF(number)           #number
#define JOIN(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *gif_version(void)
{
    return JOIN(GIFLIB_MAJOR, GIFLIB_MINOR, GIFLIB_RELEASE);
}

static int write_bytes(GifFileType *file, const GifByteType *bytes, int n)
{
    buffer_append(file->UserData, bytes, (size_t)n);
    return n;
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY_PRESSURE, "no memory for the animation");
}

/* The palette, filled up to a power of two; the last entry is never seen. */
static ColorMapObject *make_palette(const struct gif_spec *spec)
{
    int n = 2;

    while ((size_t)n < spec->n_colors + 1)
        n *= 2;
    ColorMapObject *map = GifMakeMapObject(n, NULL);
    for (size_t i = 0; map && i < spec->n_colors; i++)
        map->Colors[i] = (GifColorType){(GifByteType)(spec->palette[i] >> 16),
                                        (GifByteType)(spec->palette[i] >> 8),
                                        (GifByteType)spec->palette[i]};
    return map;
}

/* The header, and what browsers read as: repeat for ever. */
static bool start_file(struct gif *gif)
{
    static const GifByteType forever[] = {1, 0, 0};
    ColorMapObject *palette = make_palette(&gif->spec);
    GifFileType *f = gif->file;

    EGifSetGifVersion(f, true);
    const bool done = palette &&
                      EGifPutScreenDesc(f, (int)gif->spec.width, (int)gif->spec.height,
                                        8, 0, palette) == GIF_OK &&
                      EGifPutExtensionLeader(f, APPLICATION_EXT_FUNC_CODE) == GIF_OK &&
                      EGifPutExtensionBlock(f, 11, "NETSCAPE2.0") == GIF_OK &&
                      EGifPutExtensionBlock(f, sizeof forever, forever) == GIF_OK &&
                      EGifPutExtensionTrailer(f) == GIF_OK;
    GifFreeMapObject(palette);
    return done;
}

struct gif *gif_new(const struct gif_spec *spec, struct arena *arena,
                    struct buffer *out, struct error *err)
{
    struct gif *gif = arena_alloc(arena, 1, sizeof *gif);
    int code;

    if (!gif || !(gif->shown = arena_take(arena, spec->height, spec->width)) ||
        !(gif->row = arena_take(arena, spec->width, 1)) ||
        !(gif->file = EGifOpen(out, write_bytes, &code))) {
        no_memory(err);
        return NULL;
    }
    gif->spec = *spec;
    gif->out = out;
    gif->err = err;
    gif->failed = !start_file(gif);
    return gif;
}

struct rectangle {
    size_t left, top, right, bottom;
};

/* The rectangle around all that differs from what is shown; one cell if nothing does.
 */
static struct rectangle find_change(const struct gif *gif, const uint8_t *indices)
{
    const size_t w = gif->spec.width, h = gif->spec.height;
    struct rectangle r = {w, h, 0, 0};

    if (!gif->started)
        return (struct rectangle){0, 0, w, h};
    for (size_t y = 0; y < h; y++) {
        const uint8_t *now = indices + y * w, *before = gif->shown + y * w;
        if (memcmp(now, before, w) == 0)
            continue;
        size_t left = 0, right = w;
        while (now[left] == before[left])
            left++;
        while (now[right - 1] == before[right - 1])
            right--;
        r.left = left < r.left ? left : r.left;
        r.right = right > r.right ? right : r.right;
        r.top = y < r.top ? y : r.top;
        r.bottom = y + 1;
    }
    return r.bottom ? r : (struct rectangle){0, 0, 1, 1};
}

static bool put_control(struct gif *gif, double seconds)
{
    GifByteType bytes[4];
    const double hundredths = round(seconds * 100);
    const GraphicsControlBlock control = {
        .DisposalMode = DISPOSE_DO_NOT,
        .DelayTime = (int)(hundredths < 65535 ? hundredths : 65535),
        .TransparentColor = gif->file->SColorMap->ColorCount - 1,
    };

    EGifGCBToExtension(&control, bytes);
    return EGifPutExtension(gif->file, GRAPHICS_EXT_FUNC_CODE, sizeof bytes, bytes) ==
           GIF_OK;
}

static bool put_row(struct gif *gif, const uint8_t *indices, const struct rectangle *r,
                    size_t y)
{
    const size_t at = y * gif->spec.width + r->left, n = r->right - r->left;
    const GifByteType same = (GifByteType)(gif->file->SColorMap->ColorCount - 1);

    for (size_t i = 0; i < n; i++) {
        const bool changed = !gif->started || indices[at + i] != gif->shown[at + i];
        gif->row[i] = changed ? indices[at + i] : same;
    }
    return EGifPutLine(gif->file, gif->row, (int)n) == GIF_OK;
}

void gif_frame(struct gif *gif, const uint8_t *indices, double seconds)
{
    const struct rectangle r = find_change(gif, indices);

    gif->failed =
        gif->failed || !put_control(gif, seconds) ||
        EGifPutImageDesc(gif->file, (int)r.left, (int)r.top, (int)(r.right - r.left),
                         (int)(r.bottom - r.top), false, NULL) != GIF_OK;
    for (size_t y = r.top; y < r.bottom && !gif->failed; y++)
        gif->failed = !put_row(gif, indices, &r, y);
    memcpy(gif->shown, indices, gif->spec.width * gif->spec.height);
    gif->started = true;
}

bool gif_finish(struct gif *gif)
{
    int code;
    const bool closed = EGifCloseFile(gif->file, &code) == GIF_OK;

    return gif->out->failed || (closed && !gif->failed) || no_memory(gif->err);
}

/* giflib's own tables are about 50 KB. */
double gif_bytes(size_t width, size_t height)
{
    return (double)width * (double)(height + 1) + 1e5;
}
