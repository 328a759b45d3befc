/*
 * photo.c - see photo.h
 *
 * Things with edges and shading before a textured ground, seen by a sensor with noise:
 * what the filters and the tables of a PNG file meet in a photograph. Chosen so that
 * libpng at its defaults makes 0.53 of its raw size at 512 x 512; of common test
 * photographs it makes 0.46 to 0.62.
 */
#include "tests/bench/photo.h"

#include <math.h>
#include <stdlib.h>

#include "engine/generate.h"

enum { OCTAVES = 7, GRID = 256, N_THINGS = 40, CHANNELS = 3 };

static const double noise = 6.5; /* of the sensor, of 255, at most */

struct thing {
    double x, y, radius, shade, color[CHANNELS];
};

struct scene {
    float grid[GRID * GRID]; /* of random values */
    struct thing things[N_THINGS];
};

static struct scene *draw_scene(uint64_t *seed)
{
    struct scene *scene = malloc(sizeof *scene);

    if (!scene)
        abort();
    for (size_t i = 0; i < GRID * GRID; i++)
        scene->grid[i] = (float)generate_uniform(seed);
    for (size_t i = 0; i < N_THINGS; i++) {
        struct thing *t = &scene->things[i];
        t->x = generate_uniform(seed);
        t->y = generate_uniform(seed);
        t->radius = 0.02 + 0.12 * generate_uniform(seed);
        t->shade = generate_uniform(seed);
        for (size_t c = 0; c < CHANNELS; c++)
            t->color[c] = 0.15 + 0.7 * generate_uniform(seed);
    }
    return scene;
}

static double at(const struct scene *scene, size_t x, size_t y)
{
    return (double)scene->grid[y % GRID * GRID + x % GRID];
}

/* Values of the grid, joined smoothly. */
static double smooth(const struct scene *scene, double x, double y)
{
    const size_t left = (size_t)x, top = (size_t)y;
    const double u = x - (double)left, v = y - (double)top;
    const double a = u * u * (3 - 2 * u), b = v * v * (3 - 2 * v);

    return (at(scene, left, top) * (1 - a) + at(scene, left + 1, top) * a) * (1 - b) +
           (at(scene, left, top + 1) * (1 - a) + at(scene, left + 1, top + 1) * a) * b;
}

/* 0 to 1: the finer, the fainter, as in nature. */
static double texture(const struct scene *scene, double x, double y)
{
    double sum = 0, strength = 0.33, scale = 4;

    for (int octave = 0; octave < OCTAVES; octave++) {
        sum += strength * smooth(scene, x * scale, y * scale);
        strength *= 0.7;
        scale *= 2;
    }
    return sum;
}

static const struct thing *seen_at(const struct scene *scene, double x, double y)
{
    for (size_t i = 0; i < N_THINGS; i++) {
        const struct thing *t = &scene->things[i];
        if (hypot(x - t->x, y - t->y) < t->radius)
            return t;
    }
    return NULL;
}

static void draw_pixel(const struct scene *scene, double x, double y, uint64_t *seed,
                       uint8_t *rgb)
{
    static const double ground[CHANNELS] = {0.9, 0.8, 0.65};
    const struct thing *t = seen_at(scene, x, y);
    const double light =
        t ? 0.6 + 0.5 * (t->x - x + t->y - y) / t->radius * t->shade : 1;
    const double grain = texture(scene, x, y);

    for (size_t c = 0; c < CHANNELS; c++) {
        const double color = t ? t->color[c] * (0.6 + 0.8 * grain) : ground[c] * grain;
        const double value = 255 * color * light + noise * (generate_uniform(seed) +
                                                            generate_uniform(seed) - 1);
        rgb[c] = (uint8_t)fmin(fmax(value, 0), 255);
    }
}

void photo_draw(uint8_t *rgb, size_t size)
{
    uint64_t seed = 1;
    struct scene *scene = draw_scene(&seed);

    for (size_t y = 0; y < size; y++)
        for (size_t x = 0; x < size; x++)
            draw_pixel(scene, (double)x / (double)size, (double)y / (double)size, &seed,
                       rgb + (y * size + x) * CHANNELS);
    free(scene);
}
