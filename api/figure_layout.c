/*
 * figure_layout.c - where the panels of a figure go: matplotlib 3.6's tight_layout.
 *
 * matplotlib begins with its default subplot positions, fits each picture into its cell
 * (keeping its shape, in the middle), and measures how far picture and title reach
 * beyond the cell, which may be a negative number. The largest of these, and a padding
 * of 1.08 times the 10 point font, become the new margins and gaps. One round of this
 * is what a saved figure shows. Where titles or colour bars would then lie on a
 * neighbour, which matplotlib lets happen, there are more rounds.
 * (matplotlib/_tight_layout.py, _auto_adjust_subplotpars; gridspec.py,
 * get_grid_positions; transforms.py, Bbox.shrunk_to_aspect.)
 */
#include "api/figure.h"

#include <math.h>

/* Pixels, y upwards as matplotlib counts. */
struct grid {
    double left, bottom;    /* of the lowest row, the first column */
    double width, height;   /* of a cell */
    double across, between; /* gaps between columns, between rows */
};

struct layout {
    const struct figure *figure;
    const struct figure_text *text;
    double width, height;
    struct grid grid;
};

static struct grid default_grid(const struct layout *l)
{
    const double n = (double)l->figure->columns, m = (double)l->figure->rows;
    const double gap = 0.2; /* of a cell */
    const double w = 0.775 * l->width / (n + gap * (n - 1));
    const double h = 0.77 * l->height / (m + gap * (m - 1));

    return (struct grid){0.125 * l->width, 0.11 * l->height, w, h, gap * w, gap * h};
}

static struct canvas_box cell_of(const struct layout *l, size_t i)
{
    const struct grid *g = &l->grid;
    const size_t row = i / l->figure->columns, column = i % l->figure->columns;

    return (struct canvas_box){g->left + (double)column * (g->width + g->across),
                               g->bottom + (double)(l->figure->rows - 1 - row) *
                                               (g->height + g->between),
                               g->width, g->height};
}

/* The picture within its cell; a colour bar takes room at its right. */
static struct canvas_box fit(const struct layout *l, size_t i)
{
    const double thinnest = 1.0 / 12; /* strip, of its width */
    const struct figure_panel *panel = &l->figure->panels[i];
    const struct picture *p = panel->picture;
    const double shape = (double)p->height / (double)p->width;
    const double aspect = panel->strip && shape < thinnest ? thinnest : shape;
    const struct canvas_box cell = cell_of(l, i);
    const double room = fmax(cell.width - l->text->bar, 1);
    struct canvas_box box = {0, 0, room, room * aspect};

    if (box.height > cell.height)
        box = (struct canvas_box){0, 0, cell.height / aspect, cell.height};
    box.x = cell.x + (cell.width - l->text->bar - box.width) / 2;
    box.y = cell.y + (cell.height - box.height) / 2;
    return box;
}

/* How far a panel reaches beyond its cell; 0 where there is none. */
struct reach {
    double left, right, top, bottom;
};

static struct reach reach_of(const struct layout *l, size_t i)
{
    const struct figure_text *text = l->text;
    const struct canvas_box cell = cell_of(l, i);

    if (i >= l->figure->n)
        return (struct reach){0};
    const struct canvas_box box = fit(l, i);
    const double title = text->title.size > 0 && l->figure->panels[i].title
                             ? text->title_pad + text->ascent
                             : 0;
    /* matplotlib counts 3.5 points of ticks, drawn or not. */
    const double ticks = l->figure->frame ? 3.5 / 72 * l->figure->dpi : 0;
    return (struct reach){
        .left = cell.x - box.x + ticks,
        .right = box.x + box.width + text->bar - cell.x - cell.width,
        .top = box.y + box.height + title - cell.y - cell.height,
        .bottom = cell.y - box.y + ticks,
    };
}

/* The largest sums of what reaches into each gap, and into the margins. */
static struct reach measure(const struct layout *l, double *across, double *between)
{
    const size_t rows = l->figure->rows, columns = l->figure->columns;
    struct reach margin = {0};

    *across = *between = -INFINITY;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            const size_t i = r * columns + c;
            const struct reach here = reach_of(l, i);
            if (c > 0)
                *across = fmax(*across, here.left + reach_of(l, i - 1).right);
            else
                margin.left = fmax(margin.left, here.left);
            if (r > 0)
                *between = fmax(*between, here.top + reach_of(l, i - columns).bottom);
            else
                margin.top = fmax(margin.top, here.top);
            if (c + 1 == columns)
                margin.right = fmax(margin.right, here.right);
            if (r + 1 == rows)
                margin.bottom = fmax(margin.bottom, here.bottom);
        }
    return margin;
}

/* A fine grid has no room for matplotlib's padding. */
static double padding(const struct layout *l)
{
    const double pitch = fmin(l->width / (double)l->figure->columns,
                              l->height / (double)l->figure->rows);

    return fmin(1.08 * 10 / 72 * l->figure->dpi, 0.1 * pitch);
}

static void tighten(struct layout *l)
{
    const double n = (double)l->figure->columns, m = (double)l->figure->rows;
    const double pad = padding(l);
    double across, between;
    const struct reach margin = measure(l, &across, &between);

    across = n > 1 ? across + pad : 0;
    between = m > 1 ? between + pad : 0;
    const struct grid grid = {
        .left = margin.left + pad,
        .bottom = margin.bottom + pad,
        .width =
            (l->width - margin.left - margin.right - 2 * pad - across * (n - 1)) / n,
        .height =
            (l->height - margin.top - margin.bottom - 2 * pad - between * (m - 1)) / m,
        .across = across,
        .between = between,
    };
    if (grid.width > 0 && grid.height > 0) /* else as it was, as matplotlib does */
        l->grid = grid;
}

/* True if nothing lies on its neighbour or beyond the page. */
static bool is_clear(const struct layout *l)
{
    const struct grid *g = &l->grid;
    const double n = (double)l->figure->columns, m = (double)l->figure->rows;
    const double right = g->left + n * g->width + (n - 1) * g->across;
    const double top = g->bottom + m * g->height + (m - 1) * g->between;
    double across, between;
    const struct reach margin = measure(l, &across, &between);

    return across <= g->across && between <= g->between && margin.left <= g->left &&
           margin.bottom <= g->bottom && right + margin.right <= l->width &&
           top + margin.top <= l->height;
}

void figure_layout(const struct figure *figure, const struct figure_text *text,
                   struct canvas_box *boxes)
{
    const struct canvas_page page = figure_page(figure);
    struct layout l = {
        .figure = figure,
        .text = text,
        .width = figure->figsize[0] * figure->dpi,
        .height = figure->figsize[1] * figure->dpi,
    };

    l.grid = default_grid(&l);
    for (int round = 0; round == 0 || (round < 5 && !is_clear(&l)); round++)
        tighten(&l);
    for (size_t i = 0; i < figure->n; i++) {
        boxes[i] = fit(&l, i);
        boxes[i].y = (double)page.height - boxes[i].y - boxes[i].height;
    }
}
