/*
 * subject.h - what the tasks with pictures work on.
 *
 * Also read by C++.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "api/codec.h"
#include "api/picture.h"
#include "tests/bench/rows.h"

struct job;

struct subject {
    struct buffer file;     /* to be decoded, or sent */
    const char *query;      /* of the request */
    struct picture picture; /* to be encoded, or prepared */
    struct image_info info; /* of the picture that is prepared, as these say */
    struct options options;
    /* What comes of decoding or of preparing, the picture too. */
    size_t width, height, channels;
    struct job *job; /* owns the picture; NULL if there is none */
};

/* Ends the program with a message if the row is wrong. */
void subject_init(struct subject *subject, const struct row *row, struct arena *arena);
void subject_release(struct subject *subject);

/* Of a picture to be encoded: samples of a pixel, and whether the colours of an indexed
 * one are gray. */
size_t subject_channels(const struct picture *picture);
bool subject_is_gray(const struct picture *picture);

/* Samples as numbers. */
void subject_widen(const uint8_t *samples, size_t n, float *values);

/* The samples of the picture's file, by libpng's own reader: width x height x RGB. */
void subject_read_png(const struct subject *subject, const void *file, size_t size,
                      float *values);

#endif
