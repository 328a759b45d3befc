/* peer_libspng.c - libspng, as it comes, both ways. */
#include <spng.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/peer.h"

struct state {
    const struct problem *problem;
    void *file; /* that was made; malloc'ed by the library */
    size_t file_size;
    uint8_t *samples;
};

static void *prepare(const struct problem *problem, const char *variant,
                     const struct parallel *parallel)
{
    const struct buffer *file = &problem->subject.file;

    (void)variant, (void)parallel;
    if (problem->task != TASK_ENCODE &&
        (problem->task != TASK_DECODE || memcmp(file->bytes, "\x89PNG", 4) != 0))
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s || !(s->samples = malloc(problem_output_count(problem, 0))))
        abort();
    s->problem = problem;
    return s;
}

static void must(int error)
{
    if (error)
        abort();
}

static void set_header(spng_ctx *png, const struct picture *picture)
{
    const bool rgb = picture->kind == PICTURE_RGB;
    const bool gray = !rgb && subject_is_gray(picture);
    struct spng_ihdr header = {.width = (uint32_t)picture->width,
                               .height = (uint32_t)picture->height,
                               .bit_depth = 8,
                               .color_type = rgb    ? SPNG_COLOR_TYPE_TRUECOLOR
                                             : gray ? SPNG_COLOR_TYPE_GRAYSCALE
                                                    : SPNG_COLOR_TYPE_INDEXED};
    struct spng_plte palette = {.n_entries = 256};

    must(spng_set_ihdr(png, &header));
    if (rgb || gray)
        return;
    for (size_t i = 0; i < 256; i++) {
        const uint32_t color = picture->colormap->rgb[i];
        palette.entries[i] = (struct spng_plte_entry){
            (uint8_t)(color >> 16), (uint8_t)(color >> 8), (uint8_t)color, 255};
    }
    must(spng_set_plte(png, &palette));
}

static void encode(struct state *s)
{
    const struct picture *picture = &s->problem->subject.picture;
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    int error;

    must(spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1));
    set_header(png, picture);
    must(spng_encode_image(png, picture->samples,
                           picture->width * picture->height * subject_channels(picture),
                           SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE));
    free(s->file);
    s->file = spng_get_png_buffer(png, &s->file_size, &error);
    must(error);
    spng_ctx_free(png);
}

static void decode(struct state *s)
{
    const struct subject *subject = &s->problem->subject;
    spng_ctx *png = spng_ctx_new(0);

    must(spng_set_png_buffer(png, subject->file.bytes, subject->file.size));
    must(spng_decode_image(png, s->samples, problem_output_count(s->problem, 0),
                           subject->channels == 1 ? SPNG_FMT_G8 : SPNG_FMT_RGB8, 0));
    spng_ctx_free(png);
}

static void run(void *self)
{
    struct state *s = self;

    if (s->problem->task == TASK_DECODE)
        decode(s);
    else
        encode(s);
}

static void output(void *self, size_t i, float *values)
{
    const struct state *s = self;

    if (s->problem->task == TASK_DECODE)
        subject_widen(s->samples, problem_output_count(s->problem, i), values);
    else
        subject_read_png(&s->problem->subject, s->file, s->file_size, values);
}

static void account(void *self, struct account *account)
{
    const struct state *s = self;

    account->bytes = (double)s->file_size;
}

static void release(void *self)
{
    struct state *s = self;

    free(s->file);
    free(s->samples);
    free(s);
}

const struct peer peer_libspng = {
    .name = "libspng",
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
    .account = account,
};
