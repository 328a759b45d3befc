/* picture_layout.c - where the maps of a stage lie in its pictures. */
#include "api/picture_layout.h"

/* A stage as maps of height x width. */
static struct extent maps_of(const struct shape *shape)
{
    struct extent e = shape_extent(shape);

    if (shape->rank == 1)
        e = (struct extent){1, shape->dim[0], 1};
    else if (shape->rank == 2)
        e = (struct extent){shape->dim[0], shape->dim[1], 1};
    else if (shape->rank == 4)
        e = (struct extent){shape->dim[0], shape->dim[1],
                            shape->dim[2] * shape->dim[3]};
    return e;
}

bool picture_check(const struct shape *shape, const struct render *render,
                   struct error *err)
{
    const size_t channels = maps_of(shape).channels;

    if (render->channel >= 0 && (size_t)render->channel >= channels)
        return error_option(err, ERROR_OPTION_INVALID, "channel",
                            "there is no channel %d in a stage of %zu channels",
                            render->channel, channels);
    if (render->channel < 0 && render->layout == LAYOUT_RGB && channels != 3)
        return error_option(err, ERROR_OPTION_INVALID, "layout",
                            "rgb needs 3 channels, the stage has %zu", channels);
    if (render->has_range && !((float)render->range[0] < (float)render->range[1]))
        return error_option(err, ERROR_OPTION_INVALID, "range",
                            "the lower end %.9g is not below the upper end %.9g",
                            render->range[0], render->range[1]);
    return true;
}

static struct mosaic mosaic_of(const struct extent *e, size_t n,
                               const struct render *render)
{
    struct mosaic m = {.n = n, .columns = 1, .gap = n > 1 ? (size_t)render->gap : 0};

    if (n > 1 && render->columns > 0)
        m.columns = (size_t)render->columns < n ? (size_t)render->columns : n;
    else
        while (m.columns * m.columns < n)
            m.columns++;
    const size_t rows = (n + m.columns - 1) / m.columns;
    m.width = m.columns * (e->width + m.gap) - m.gap;
    m.height = rows * (e->height + m.gap) - m.gap;
    return m;
}

/* A vector is a strip that can be seen. */
static struct cell cell_of(const struct shape *shape, const struct render *render)
{
    const size_t scale = (size_t)render->scale, n = shape->dim[0];
    const size_t strip = 16, wide = 256; /* pixels */

    if (shape->rank != 1)
        return (struct cell){scale, scale};
    const size_t width = n < wide / strip ? strip : n < wide ? wide / n : 1;
    return (struct cell){width * scale, strip * scale};
}

void picture_lay_out(struct picture_layout *l, const struct shape *shape, bool input,
                     const struct render *render)
{
    const bool one = render->channel >= 0;
    const struct extent e = maps_of(shape);

    *l = (struct picture_layout){
        .maps = e,
        .first = one ? (size_t)render->channel : 0,
        .n = one ? 1 : e.channels,
        .rgb = !one && e.channels == 3 && (input || render->layout == LAYOUT_RGB),
        .pictures = 1,
        .cell = cell_of(shape, render),
    };
    if (l->rgb) {
        l->mosaic = mosaic_of(&e, 1, render);
        return;
    }
    if (render->layout == LAYOUT_SEPARATE)
        l->pictures = l->n;
    l->mosaic = mosaic_of(&e, l->n / l->pictures, render);
}

size_t picture_place(const struct picture_layout *l, size_t i)
{
    const struct mosaic *m = &l->mosaic;
    const size_t y = i / m->columns * (l->maps.height + m->gap);
    const size_t x = i % m->columns * (l->maps.width + m->gap);

    return y * m->width + x;
}

size_t picture_count(const struct shape *shape, bool input, const struct render *render)
{
    struct picture_layout l;

    picture_lay_out(&l, shape, input, render);
    return l.pictures;
}

double picture_measure_bytes(const struct shape *shape, const struct render *render)
{
    const double values = (double)shape_elements(shape) * sizeof(float);

    return (render->gamma != 1 ? values : 0) +
           (double)maps_of(shape).channels * 3 * PICTURE_BANDS * sizeof(float) +
           16 * ARENA_ALIGN;
}

/* Of one picture. */
static double pixels_of(const struct picture_layout *l)
{
    return (double)l->mosaic.width * (double)l->mosaic.height * (double)l->cell.width *
           (double)l->cell.height;
}

double picture_cells(const struct shape *shape, bool input, const struct render *render)
{
    struct picture_layout l;

    picture_lay_out(&l, shape, input, render);
    return (double)l.pictures * pixels_of(&l);
}

void picture_cells_of(const struct shape *shape, const struct render *render,
                      size_t cells[2])
{
    struct picture_layout l;

    picture_lay_out(&l, shape, false, render);
    cells[0] = l.mosaic.height;
    cells[1] = l.mosaic.width;
}

static double width_of(const struct picture_layout *l)
{
    return (double)l->mosaic.width * (double)l->cell.width;
}

static double height_of(const struct picture_layout *l)
{
    return (double)l->mosaic.height * (double)l->cell.height;
}

double picture_bytes(const struct shape *shape, bool input, const struct render *render)
{
    struct picture_layout l;

    picture_lay_out(&l, shape, input, render);
    const double cells = (double)l.mosaic.width * (double)l.mosaic.height;
    const double pixels = pixels_of(&l), n = (double)l.pictures;
    /* Indices and, if need be, their holes; or RGBA: before and after enlarging. */
    const double painted =
        (l.rgb ? 4 : 2) * (pixels + (pixels > cells ? cells : 0)) + 8 * ARENA_ALIGN;
    const double file = picture_write_bytes(width_of(&l), height_of(&l));

    return picture_measure_bytes(shape, render) + n * (painted + file) +
           (double)l.n *
               (sizeof(struct picture) + sizeof(uint8_t *) + 2 * sizeof(float)) +
           16 * ARENA_ALIGN;
}

double picture_scratch(const struct shape *shape, bool input,
                       const struct render *render, int level, size_t slots)
{
    struct picture_layout l;

    picture_lay_out(&l, shape, input, render);
    return picture_write_scratch(width_of(&l), height_of(&l), level, slots);
}
