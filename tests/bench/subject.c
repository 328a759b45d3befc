/* subject.c - see subject.h */
#include "tests/bench/subject.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/job.h"
#include "tests/bench/photo.h"
#include "tests/bench/photo_file.h"

static _Noreturn void wrong(const struct row *row, const char *what)
{
    fprintf(stderr, "bench: row %s: %s\n", row->name, what);
    exit(2);
}

static void take_photo(struct subject *subject, const struct row *row)
{
    const size_t n = row->height;

    subject->picture = (struct picture){
        .width = n, .height = n, .kind = PICTURE_RGB, .samples = malloc(n * n * 3)};
    if (!subject->picture.samples)
        wrong(row, "no memory");
    photo_draw(subject->picture.samples, n);
}

/* A stage of the lesson on the photo, painted as a reply shows it. */
static void take_stage(struct subject *subject, const struct row *row)
{
    struct job *job = subject->job = malloc(sizeof *job);
    struct buffer file;
    struct picture_set set;
    size_t channels;

    buffer_init(&file, SIZE_MAX);
    if (!job || !photo_file(&file, "png rgb", row->height, &channels))
        wrong(row, "no memory");
    job_init(job, &file, "", &parallel_serial);
    buffer_release(&file);
    for (size_t i = 0; i < job->work.n_stages; i++)
        if (strcmp(work_stage_name(&job->work, &job->work.stages[i]), row->subject) ==
            0) {
            job_paint(job, i, &set);
            subject->picture = set.pictures[0];
            return;
        }
    wrong(row, "no such stage");
}

/* The photo, of which the last sample of each pixel is the gray one. */
static void take_samples(struct subject *subject, const struct row *row,
                         struct arena *arena)
{
    struct options *options = &subject->options;
    const size_t n = row->height * row->width;
    struct error err;

    take_photo(subject, row);
    for (size_t i = 0; row->channels == 1 && i < n; i++)
        subject->picture.samples[i] = subject->picture.samples[3 * i + 2];
    options_init(options);
    error_init(&err);
    if (!options_set_query(options, row->subject, arena, &err))
        wrong(row, err.detail);
    subject->info = (struct image_info){.format = IMAGE_PNG,
                                        .width = row->width,
                                        .height = row->height,
                                        .channels = row->channels,
                                        .bit_depth = 8};
    subject->channels = options->color == COLOR_GRAY ? 1 : row->channels;
    if (OPTION_GIVEN(options, RESIZE)) {
        subject->height = (size_t)options->resize[0];
        subject->width = (size_t)options->resize[1];
    }
}

void subject_init(struct subject *subject, const struct row *row, struct arena *arena)
{
    *subject = (struct subject){
        .query = row->subject, .width = row->width, .height = row->height};
    buffer_init(&subject->file, SIZE_MAX);
    if (row->task == TASK_PREPARE) {
        take_samples(subject, row, arena);
    } else if (row->task == TASK_ENCODE) {
        if (strcmp(row->subject, "photo") == 0)
            take_photo(subject, row);
        else
            take_stage(subject, row);
        subject->width = subject->picture.width;
        subject->height = subject->picture.height;
        subject->channels = 3;
    } else if (!photo_file(&subject->file,
                           row->task == TASK_DECODE ? row->subject : "png rgb",
                           row->height, &subject->channels)) {
        wrong(row, "no such file");
    }
}

void subject_release(struct subject *subject)
{
    buffer_release(&subject->file);
    if (subject->job)
        job_release(subject->job);
    else
        free(subject->picture.samples);
    free(subject->job);
}

size_t subject_channels(const struct picture *picture)
{
    return picture->kind == PICTURE_RGB ? 3 : 1;
}

bool subject_is_gray(const struct picture *picture)
{
    for (size_t i = 0; i < 256; i++)
        if (picture->colormap->rgb[i] != (picture->colormap->rgb[i] & 255) * 0x10101)
            return false;
    return true;
}

void subject_widen(const uint8_t *samples, size_t n, float *values)
{
    for (size_t i = 0; i < n; i++)
        values[i] = samples[i];
}

void subject_read_png(const struct subject *subject, const void *file, size_t size,
                      float *values)
{
    const size_t n = subject->width * subject->height * subject->channels;
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t *samples = malloc(n);

    if (!samples)
        abort();
    memset(samples, 0, n); /* what cannot be read shows as a difference */
    if (png_image_begin_read_from_memory(&image, file, size)) {
        image.format = PNG_FORMAT_RGB;
        if (image.width == subject->width && image.height == subject->height)
            png_image_finish_read(&image, NULL, samples, 0, NULL);
    }
    png_image_free(&image);
    subject_widen(samples, n, values);
    free(samples);
}
