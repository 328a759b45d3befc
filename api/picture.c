/*
 * picture.c - tensors become pictures as matplotlib's imshow paints them.
 *
 * An indexed picture is painted map by map into the cells of a mosaic; a single map is
 * a mosaic of one. Where they lie is picture_layout.c's matter, the file that they
 * become picture_png.c's.
 */
#include "api/picture_layout.h"

#include <math.h>
#include <string.h>

#include "engine/activation.h"

void render_from_options(struct render *render, const struct options *options)
{
    *render = (struct render){
        .colormap = options->colormap,
        .normalize = (enum option_normalize)options->normalize,
        .layout = (enum option_layout)options->layout,
        .has_range = OPTION_GIVEN(options, RANGE),
        .range = {options->range[0], options->range[1]},
        .gamma = OPTION_GIVEN(options, GAMMA) ? options->gamma : 1,
        .channel = OPTION_GIVEN(options, CHANNEL) ? options->channel : -1,
        .columns = OPTION_GIVEN(options, COLUMNS) ? options->columns : 0,
        .gap = options->gap,
        .scale = options->scale,
    };
}

/* Rows are worked on in bands, each with all its channels: a map is read once. */
enum { BANDS = PICTURE_BANDS, BAND_VALUES = 1 << 15 };

/* What the painting of a stage needs to know. */
struct painter {
    const struct render *render;
    const struct kernels *kernels;
    const struct parallel *parallel;
    struct arena *arena;
    struct picture_layout layout;
    struct extent e;     /* of the layout, */
    size_t first, n;     /* and the channels shown */
    const float *values; /* of the stage, after gamma */
    float *low, *high;   /* n of each: the range of each map */
    float *odd;          /* 0 where a map holds only finite numbers */
    uint8_t **maps;      /* where each map is painted */
    size_t pitch;        /* from a row there to the next */
    float *from, *to;    /* n of each: what the first index and the last stand for */
};

static size_t bands_of(const struct painter *p)
{
    const size_t n = p->e.height * p->e.width * p->e.channels / BAND_VALUES;
    const size_t most = p->e.height < BANDS ? p->e.height : BANDS;

    return n < 1 ? 1 : n < most ? n : most;
}

/* Where band i of n begins. */
static size_t band_at(const struct painter *p, size_t i)
{
    return p->e.height * i / bands_of(p);
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the pictures");
}

static bool cancelled(const struct painter *p, struct error *err)
{
    return parallel_cancelled(p->parallel) &&
           !error_set(err, ERROR_CLIENT_CLOSED, "cancelled while painting");
}

/* The values of a stage, and those after gamma. */
struct curve {
    const struct painter *painter;
    float *values;
};

static void apply_band(void *context, size_t i, size_t slot)
{
    const struct curve *curve = context;
    const struct painter *p = curve->painter;
    const size_t row = p->e.width * p->e.channels, first = band_at(p, i) * row;
    const size_t n = band_at(p, i + 1) * row - first;

    (void)slot;
    memcpy(curve->values + first, p->values + first, n * sizeof *curve->values);
    activation_power(curve->values + first, n, (float)p->render->gamma);
}

static bool apply_gamma(struct painter *p, struct error *err)
{
    const size_t n = p->e.height * p->e.width * p->e.channels;

    if (p->render->gamma == 1)
        return true;
    struct curve curve = {p, arena_take(p->arena, n, sizeof *curve.values)};
    if (!curve.values)
        return no_memory(err);
    p->parallel->run(p->parallel->self, bands_of(p), apply_band, &curve);
    p->values = curve.values;
    return !cancelled(p, err);
}

/* Each band has ranges of its own: BANDS times n. */
struct measure {
    const struct painter *painter;
    float *low, *high, *odd;
};

static void measure_band(void *context, size_t i, size_t slot)
{
    const struct measure *m = context;
    const struct painter *p = m->painter;
    const size_t top = band_at(p, i), cells = (band_at(p, i + 1) - top) * p->e.width;
    float *low = m->low + i * p->n, *high = m->high + i * p->n;

    (void)slot;
    for (size_t c = 0; c < p->n; c++) {
        low[c] = INFINITY;
        high[c] = -INFINITY;
        m->odd[i * p->n + c] = 0;
    }
    p->kernels->range(low, high, m->odd + i * p->n,
                      p->values + top * p->e.width * p->e.channels + p->first, cells,
                      p->e.channels, p->n);
}

static void join_bands(const struct measure *m)
{
    const struct painter *p = m->painter;

    for (size_t c = 0; c < p->n; c++) {
        float low = INFINITY, high = -INFINITY, odd = 0;
        for (size_t i = 0; i < bands_of(p); i++) {
            low = fminf(low, m->low[i * p->n + c]);
            high = fmaxf(high, m->high[i * p->n + c]);
            odd += m->odd[i * p->n + c];
        }
        p->low[c] = low <= high ? low : NAN;
        p->high[c] = low <= high ? high : NAN;
        p->odd[c] = odd;
    }
}

static void share_range(struct painter *p, float low, float high)
{
    for (size_t i = 0; i < p->n; i++) {
        p->low[i] = low;
        p->high[i] = high;
    }
}

/* The range of the whole stage, not only of the channels shown. */
static void share_stage_range(struct painter *p)
{
    float low = INFINITY, high = -INFINITY, odd = 0;

    p->kernels->range(&low, &high, &odd, p->values,
                      p->e.height * p->e.width * p->e.channels, 1, 1);
    share_range(p, low <= high ? low : NAN, low <= high ? high : NAN);
}

static bool measure(struct painter *p, bool unit, struct error *err)
{
    const struct render *render = p->render;
    struct measure m = {.painter = p,
                        .low = arena_take(p->arena, BANDS * p->n, sizeof *m.low),
                        .high = arena_take(p->arena, BANDS * p->n, sizeof *m.high),
                        .odd = arena_take(p->arena, BANDS * p->n, sizeof *m.odd)};

    p->low = m.low; /* of the first band, which is joined first */
    p->high = m.high;
    p->odd = m.odd;
    if (!m.low || !m.high || !m.odd)
        return no_memory(err);
    p->parallel->run(p->parallel->self, bands_of(p), measure_band, &m);
    if (cancelled(p, err))
        return false;
    join_bands(&m);

    if (render->has_range)
        share_range(p, (float)render->range[0], (float)render->range[1]);
    else if (unit || render->normalize == NORMALIZE_NONE)
        share_range(p, 0, 1);
    else if (render->normalize == NORMALIZE_STAGE)
        share_stage_range(p);
    return true;
}

static void paint_band(void *context, size_t i, size_t slot)
{
    const struct painter *p = context;
    const size_t row = p->e.width * p->e.channels;

    (void)slot;
    for (size_t y = band_at(p, i); y < band_at(p, i + 1); y++)
        p->kernels->quantize(p->maps, y * p->pitch, p->values + y * row + p->first,
                             p->e.width, p->e.channels, p->n, p->from, p->to);
}

/* What the first index stands for, and the last. */
static void set_ends(const struct painter *p, float *from, float *to)
{
    for (size_t i = 0; i < p->n; i++) {
        const bool flat = !(p->low[i] < p->high[i]); /* or nothing finite: index 0 */
        from[i] = flat ? 0 : p->low[i];
        to[i] = flat ? INFINITY : p->high[i];
    }
}

/* All maps, into the places that are laid out for them. */
static bool paint_values(struct painter *p, struct error *err)
{
    p->from = arena_take(p->arena, p->n, sizeof *p->from);
    p->to = arena_take(p->arena, p->n, sizeof *p->to);
    if (!p->from || !p->to)
        return no_memory(err);
    set_ends(p, p->from, p->to);
    p->parallel->run(p->parallel->self, bands_of(p), paint_band, p);
    return true;
}

/* The picture that begins with map `first` of those shown. */
struct sheet {
    const struct painter *painter;
    size_t first;
    uint8_t *samples;
};

/* Whether there is a ground to be seen: between maps, or after the last one. */
static bool has_ground(const struct sheet *c)
{
    const struct mosaic *m = &c->painter->layout.mosaic;

    return c->painter->render->ground && (m->gap || m->n % m->columns);
}

static bool has_holes(const struct sheet *c)
{
    if (has_ground(c))
        return true;
    for (size_t i = 0; i < c->painter->layout.mosaic.n; i++)
        if (c->painter->odd[c->first + i] != 0)
            return true;
    return false;
}

/* The first index that no cell has; -1 if all are in use. */
static int unused_index(const uint8_t *samples, size_t n)
{
    bool used[256] = {false};

    for (size_t i = 0; i < n; i++)
        used[samples[i]] = true;
    for (int index = 0; index < 256; index++)
        if (!used[index])
            return index;
    return -1;
}

/* Write mark where no map is. */
static void mark_ground(const struct sheet *c, uint8_t *samples, uint8_t mark)
{
    const struct extent *e = &c->painter->e;
    const struct mosaic *m = &c->painter->layout.mosaic;

    for (size_t y = 0; y < m->height; y++)
        for (size_t x = 0; x < m->width; x++) {
            const size_t row = y / (e->height + m->gap),
                         column = x / (e->width + m->gap);
            if (y % (e->height + m->gap) >= e->height ||
                x % (e->width + m->gap) >= e->width ||
                row * m->columns + column >= m->n)
                samples[y * m->width + x] = mark;
        }
}

/* Write mark where a value is not finite, and where the ground is seen. */
static void mark_holes(const struct sheet *c, uint8_t *samples, uint8_t mark)
{
    const struct extent *e = &c->painter->e;

    if (has_ground(c))
        mark_ground(c, samples, mark);
    for (size_t i = 0; i < c->painter->layout.mosaic.n; i++) {
        const float *from = c->painter->values + c->painter->first + c->first + i;
        uint8_t *to = samples + picture_place(&c->painter->layout, i);
        for (size_t y = 0; y < e->height; y++)
            for (size_t x = 0; x < e->width; x++)
                if (!isfinite(from[(y * e->width + x) * e->channels]))
                    to[y * c->painter->layout.mosaic.width + x] = mark;
    }
}

static bool punch_holes(const struct sheet *c, struct picture *picture,
                        struct error *err)
{
    const struct mosaic *m = &c->painter->layout.mosaic;
    const size_t n = m->width * m->height;
    const int index = unused_index(c->samples, n);

    picture->transparent = true;
    if (index >= 0) {
        picture->hole = (uint8_t)index;
        mark_holes(c, c->samples, picture->hole);
        return true;
    }
    picture->holes = arena_alloc(c->painter->arena, n, 1);
    if (!picture->holes)
        return no_memory(err);
    mark_holes(c, picture->holes, 1);
    return true;
}

/* Each of n cells of `size` bytes, `times` times. */
static inline void repeat_cells(uint8_t *to, const uint8_t *from, size_t n,
                                size_t times, const size_t size)
{
    for (size_t x = 0; x < n; x++, from += size)
        for (size_t i = 0; i < times; i++, to += size)
            memcpy(to, from, size);
}

static void repeat_row(uint8_t *to, const uint8_t *from, size_t n, size_t times,
                       size_t size)
{
    if (size == 1)
        repeat_cells(to, from, n, times, 1);
    else if (size == 3)
        repeat_cells(to, from, n, times, 3);
    else
        repeat_cells(to, from, n, times, 4);
}

/* Cells of `size` bytes become rectangles of pixels; NULL without memory. */
static uint8_t *enlarge(const uint8_t *from, const struct picture *p, size_t size,
                        const struct cell *cell, struct arena *arena)
{
    const size_t row = p->width * cell->width * size;
    uint8_t *samples = arena_take(arena, p->height * cell->height, row), *to = samples;

    for (size_t y = 0; samples && y < p->height; y++, to += row) {
        repeat_row(to, from + y * p->width * size, p->width, cell->width, size);
        for (size_t i = 1; i < cell->height; i++, to += row)
            memcpy(to + row, to, row);
    }
    return samples;
}

static bool enlarge_cells(struct picture *picture, const struct cell *cell,
                          struct arena *arena, struct error *err)
{
    static const size_t sizes[] = {
        [PICTURE_INDEXED] = 1, [PICTURE_RGB] = 3, [PICTURE_RGBA] = 4};

    if (cell->width <= 1 && cell->height <= 1)
        return true;
    picture->samples =
        enlarge(picture->samples, picture, sizes[picture->kind], cell, arena);
    if (picture->holes) {
        picture->holes = enlarge(picture->holes, picture, 1, cell, arena);
        if (!picture->holes)
            return no_memory(err);
    }
    picture->width *= cell->width;
    picture->height *= cell->height;
    return picture->samples || no_memory(err);
}

bool picture_enlarge(struct picture *picture, size_t scale, struct arena *arena,
                     struct error *err)
{
    return enlarge_cells(picture, &(struct cell){scale, scale}, arena, err);
}

/* Index 0 where no map is. */
static void clear_ground(const struct painter *p, uint8_t *samples)
{
    const struct mosaic *m = &p->layout.mosaic;
    const size_t h = p->e.height + m->gap, w = p->e.width + m->gap;

    for (size_t y = 0; y < m->height; y++, samples += m->width) {
        const size_t before = y / h * m->columns; /* maps above */
        const size_t maps = m->n - before < m->columns ? m->n - before : m->columns;
        const size_t filled = y % h < p->e.height ? maps : 0;
        for (size_t i = 1; i < filled; i++)
            memset(samples + i * w - m->gap, 0, m->gap);
        const size_t end = filled ? filled * w - m->gap : 0;
        memset(samples + end, 0, m->width - end);
    }
}

/* The picture that begins with map `first` of those shown, with places for its maps. */
static bool lay_out(struct painter *p, size_t first, struct picture *picture,
                    struct error *err)
{
    const struct mosaic *m = &p->layout.mosaic;
    uint8_t *samples = arena_take(p->arena, m->height, m->width);

    if (!samples)
        return no_memory(err);
    clear_ground(p, samples);
    *picture = (struct picture){
        .channel = m->n == 1 ? (int)(p->first + first) : -1,
        .width = m->width,
        .height = m->height,
        .kind = PICTURE_INDEXED,
        .colormap = colormap_at((size_t)p->render->colormap),
        .ground = p->render->ground,
        .samples = samples,
    };
    for (size_t i = 0; i < m->n; i++)
        p->maps[first + i] = samples + picture_place(&p->layout, i);
    p->pitch = m->width;
    return true;
}

static bool finish(const struct painter *p, size_t first, struct picture *picture,
                   struct error *err)
{
    const struct sheet c = {p, first, picture->samples};

    return (!has_holes(&c) || punch_holes(&c, picture, err)) &&
           enlarge_cells(picture, &p->layout.cell, p->arena, err);
}

/* (v - low) / (high - low), clipped to 0..1, of which 255 parts, truncated. */
static uint8_t sample_of(float v, float low, float high)
{
    const float x = low < high ? (v - low) / (high - low) : 0;

    return (uint8_t)((x > 0 ? x < 1 ? x : 1.0f : 0.0f) * 255.0f);
}

static void paint_rgba_cell(const struct painter *p, const float *v, uint8_t *to)
{
    const bool hole = !(isfinite(v[0]) && isfinite(v[1]) && isfinite(v[2]));

    for (size_t c = 0; c < 3; c++)
        to[c] = hole ? 0 : sample_of(v[c], p->low[c], p->high[c]);
    to[3] = hole ? 0 : 255;
}

/* The same of n pixels without holes. */
static void paint_opaque(const struct painter *p, uint8_t *samples, size_t n)
{
    float from[3], to[3];

    set_ends(p, from, to);
    p->kernels->colors(samples, p->values, n, from, to);
}

static bool paint_rgb(const struct painter *p, struct picture *picture,
                      struct error *err)
{
    const bool opaque = p->odd[0] == 0 && p->odd[1] == 0 && p->odd[2] == 0;
    const size_t n = p->e.height * p->e.width, size = opaque ? 3 : 4;

    *picture = (struct picture){
        .channel = -1,
        .width = p->e.width,
        .height = p->e.height,
        .kind = opaque ? PICTURE_RGB : PICTURE_RGBA,
        .transparent = !opaque,
        .samples = arena_take(p->arena, n, size),
    };
    if (!picture->samples)
        return no_memory(err);
    if (opaque)
        paint_opaque(p, picture->samples, n);
    else
        for (size_t i = 0; i < n; i++)
            paint_rgba_cell(p, p->values + 3 * i, picture->samples + 4 * i);
    return enlarge_cells(picture, &p->layout.cell, p->arena, err);
}

static bool paint_all(struct painter *p, struct picture_set *out, struct error *err)
{
    const size_t each = p->layout.mosaic.n;

    p->maps = arena_take(p->arena, p->n, sizeof *p->maps);
    if (!p->maps)
        return no_memory(err);
    for (size_t i = 0; i < out->n; i++)
        if (!lay_out(p, i * each, &out->pictures[i], err))
            return false;
    if (!paint_values(p, err))
        return false;
    for (size_t i = 0; i < out->n; i++)
        if (cancelled(p, err) || !finish(p, i * each, &out->pictures[i], err))
            return false;
    return true;
}

/* Ready to paint: the maps that are shown, and their ranges. */
static bool start(struct painter *p, const struct tensor *stage, bool input,
                  const struct picture_context *context, struct picture_set *out,
                  struct error *err)
{
    const struct render *render = context->render;
    const struct picture_layout *l = &p->layout;

    *p = (struct painter){
        .render = render,
        .kernels = context->kernels,
        .parallel = context->parallel,
        .arena = context->arena,
        .values = stage->values,
    };
    if (!picture_check(&stage->shape, render, err))
        return false;
    picture_lay_out(&p->layout, &stage->shape, input, render);
    p->e = l->maps;
    p->first = l->first;
    p->n = l->n;
    const bool unit = l->rgb && input;
    if (!apply_gamma(p, err) || !measure(p, unit, err))
        return false;
    const bool one =
        render->has_range || render->normalize != NORMALIZE_CHANNEL || unit;
    *out = (struct picture_set){
        .rgb = l->rgb,
        .columns = l->mosaic.columns,
        .gap = l->mosaic.gap,
        .cell = {l->cell.height, l->cell.width},
        .vmin = p->low,
        .vmax = p->high,
        .n_ranges = one ? 1 : p->n,
    };
    return true;
}

bool picture_measure(const struct tensor *stage, bool input,
                     const struct picture_context *context, struct picture_set *out,
                     struct error *err)
{
    struct painter p;

    return start(&p, stage, input, context, out, err);
}

bool picture_paint(const struct tensor *stage, bool input,
                   const struct picture_context *context, struct picture_set *out,
                   struct error *err)
{
    struct painter p;

    if (!start(&p, stage, input, context, out, err))
        return false;
    out->n = p.layout.pictures;
    out->pictures = arena_alloc(context->arena, out->n, sizeof *out->pictures);
    if (!out->pictures)
        return no_memory(err);
    return out->rgb ? paint_rgb(&p, out->pictures, err) : paint_all(&p, out, err);
}
