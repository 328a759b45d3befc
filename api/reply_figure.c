/* reply_figure.c - the stages as one figure: PNG, SVG or PDF. */
#include "api/reply_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static enum canvas_kind kind_of(enum reply_format format)
{
    return format == FORMAT_SVG   ? CANVAS_SVG
           : format == FORMAT_PDF ? CANVAS_PDF
                                  : CANVAS_PIXELS;
}

bool reply_is_figure(enum reply_format format)
{
    return format == FORMAT_FIGURE || format == FORMAT_SVG || format == FORMAT_PDF;
}

double reply_figure_bytes(const struct figure *figure, enum reply_format format,
                          double cells, int png_level, size_t slots)
{
    const double panel = sizeof(struct figure_panel) + SHAPE_TEXT_SIZE + 128;

    return figure_bytes(figure, kind_of(format), cells, png_level, slots) +
           (double)figure->n * panel;
}

/* The lesson's grid is what it was asked to be; other figures get as many columns as
 * rows, or one more. */
static void choose_grid(struct figure *figure, const struct options *options,
                        bool lesson)
{
    const size_t rows = (size_t)options->subplot_shape[0];
    const size_t columns = (size_t)options->subplot_shape[1];

    figure->rows = rows;
    figure->columns = columns;
    if (OPTION_GIVEN(options, SUBPLOT_SHAPE) || (lesson && figure->n <= rows * columns))
        return;
    figure->columns = 1;
    while (figure->columns * figure->columns < figure->n)
        figure->columns++;
    figure->rows = (figure->n + figure->columns - 1) / figure->columns;
}

bool reply_plan_figure(struct figure *figure, enum reply_format format,
                       const struct options *options, size_t n, bool lesson,
                       const struct limits *limits, struct error *err)
{
    const size_t titles = options->titles.names.n;

    *figure = (struct figure){
        .figsize = {options->figsize[0], options->figsize[1]},
        .dpi = options->dpi,
        .colorbar = options->colorbar,
        .n = n,
    };
    choose_grid(figure, options, lesson);
    if (n > figure->rows * figure->columns)
        return error_option(err, ERROR_OPTION_INVALID, "subplot_shape",
                            "%zux%zu has room for %zu panels, the figure has %zu",
                            figure->rows, figure->columns,
                            figure->rows * figure->columns, n);
    if (titles && titles != n)
        return error_option(err, ERROR_OPTION_INVALID, "titles",
                            "%zu titles are given for %zu panels", titles, n);
    return figure_check(figure, kind_of(format), limits, err);
}

/* "62 × 62 × 1" */
static char *print_note(const struct stage *stage, struct arena *arena)
{
    const struct shape *shape = &stage->tensor.shape;
    char text[8 * SHAPE_TEXT_SIZE] = "";
    size_t used = 0;

    for (size_t i = 0; i < shape->rank; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu",
                                 i ? " \xc3\x97 " : "", shape->dim[i]);
    return arena_copy(arena, text, used);
}

/* " 54", after the stage's name: the picture's number where there are several. */
static const char *tail_of(const struct stage *stage, size_t k, struct arena *arena)
{
    return stage->pictures.n == 1 ? "" : arena_print(arena, " %zu", k);
}

/* The range of a panel's colours; NaN if its maps have one each. */
static float bound(const struct picture_set *set, const float *of, size_t k)
{
    return set->n_ranges == 1 ? of[0] : set->n_ranges == set->n ? of[k] : NAN;
}

static bool add_panels(struct figure_panel *panels, size_t first,
                       const struct stage *stage, const struct options *options,
                       struct arena *arena)
{
    const struct picture_set *set = &stage->pictures;
    const struct option_titles *titles = &options->titles;
    const char *note = options->shapes ? print_note(stage, arena) : NULL;

    if (options->shapes && !note)
        return false;
    for (size_t k = 0; k < set->n; k++) {
        const char *own = titles->names.n ? titles->names.items[first + k] : NULL;
        const char *tail = own ? "" : tail_of(stage, k, arena);
        if (!tail)
            return false;
        panels[first + k] = (struct figure_panel){
            .picture = &set->pictures[k],
            .title = titles->none ? NULL
                     : own        ? own
                                  : stage->name,
            .tail = tail,
            .note = note,
            .low = bound(set, set->vmin, k),
            .high = bound(set, set->vmax, k),
            .strip = stage->tensor.shape.rank == 1,
        };
    }
    return true;
}

bool reply_write_figure(struct buffer *out, enum reply_format format,
                        const struct extraction *extraction,
                        const struct options *options, struct arena *arena,
                        struct error *err)
{
    struct figure figure = extraction->figure;
    struct figure_panel *panels = arena_alloc(arena, figure.n, sizeof *panels);
    size_t n = 0;

    for (size_t i = 0; panels && i < extraction->n_stages; i++) {
        if (!add_panels(panels, n, &extraction->stages[i], options, arena))
            panels = NULL;
        n += extraction->stages[i].pictures.n;
    }
    if (!panels)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the figure");
    figure.panels = panels;
    return figure_draw(&figure, kind_of(format), extraction->png_level,
                       extraction->parallel, arena, out, err);
}
