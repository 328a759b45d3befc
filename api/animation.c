/* animation.c - a window slides over a grid. */
#include "api/animation.h"

#include <string.h>

#include "api/animation_frame.h"
#include "api/gif.h"

enum { MEMORY_SLOTS = 4096, LAST_FRAME_S = 2 };

/* Colours of a frame and the palette's position of each, so far. */
struct matcher {
    uint32_t palette[GIF_MAX_COLORS];
    size_t n;
    uint32_t color[MEMORY_SLOTS]; /* 0: free, for colours here are opaque */
    uint8_t index[MEMORY_SLOTS];
};

struct movie {
    const struct animation *animation;
    const struct parallel *parallel;
    struct animation_frame frame;
    struct gif *gif;
    struct matcher matcher;
    size_t n_pixels;
    uint32_t *base;   /* what all later frames share */
    uint32_t *last;   /* the last frame, and */
    uint8_t *indices; /* its positions in the palette */
};

/* The largest grid of the same form that has room; its output shrinks likewise. */
static struct animation_grid largest(const struct animation *a)
{
    enum { STEPS = 1000 };
    struct animation smaller = *a;

    for (size_t i = STEPS; i > 0; i--) {
        smaller.input.height = (a->input.height * i + STEPS - 1) / STEPS;
        smaller.input.width = (a->input.width * i + STEPS - 1) / STEPS;
        smaller.output.height = a->output.height * i / STEPS + 1;
        smaller.output.width = a->output.width * i / STEPS + 1;
        if (animation_layout_of(&smaller).width)
            break;
    }
    return smaller.input;
}

bool animation_check(const struct animation *a, struct error *err)
{
    if (animation_layout_of(a).width)
        return true;
    const struct animation_grid most = largest(a);
    return error_set(err, ERROR_PLAN_TOO_LARGE,
                     "a window over %zux%zu cells is too large to be shown; %zux%zu of "
                     "them have room: take a smaller input, or a later layer",
                     a->input.height, a->input.width, most.height, most.width);
}

static uint8_t nearest(const struct matcher *m, uint32_t rgb)
{
    int best = 1 << 30;
    size_t found = 0;

    for (size_t i = 0; i < m->n && best > 0; i++) {
        int distance = 0;
        for (int shift = 0; shift <= 16; shift += 8) {
            const int d =
                (int)(m->palette[i] >> shift & 255) - (int)(rgb >> shift & 255);
            distance += d * d;
        }
        if (distance < best) {
            best = distance;
            found = i;
        }
    }
    return (uint8_t)found;
}

static uint8_t match(struct matcher *m, uint32_t argb)
{
    const size_t slot = (argb * UINT32_C(2654435761)) >> 20;

    if (m->color[slot] != argb) {
        m->color[slot] = argb;
        m->index[slot] = nearest(m, argb);
    }
    return m->index[slot];
}

/* ---- frames ---- */

static size_t n_positions(const struct animation *a)
{
    return a->output.height * a->output.width;
}

static size_t n_frames(const struct animation *a)
{
    const size_t n = n_positions(a);

    return n < a->max_frames ? n : a->max_frames;
}

/* The first and the last position are always shown. */
static size_t position_of(const struct animation *a, size_t frame)
{
    const size_t n = n_positions(a), frames = n_frames(a);

    return frames > 1 ? (2 * frame * (n - 1) + frames - 1) / (2 * (frames - 1)) : 0;
}

static void write_frame(struct movie *m, double seconds)
{
    const uint32_t *pixels = canvas_pixels(m->frame.canvas);
    const size_t width = m->frame.layout.width, bytes = width * sizeof *pixels;

    for (size_t at = 0; at < m->n_pixels; at += width) {
        if (memcmp(pixels + at, m->last + at, bytes) == 0)
            continue;
        for (size_t i = at; i < at + width; i++)
            if (pixels[i] != m->last[i])
                m->indices[i] = match(&m->matcher, m->last[i] = pixels[i]);
    }
    gif_frame(m->gif, m->indices, seconds);
}

static bool write_frames(struct movie *m, struct error *err)
{
    const struct animation *a = m->animation;
    const size_t frames = n_frames(a), bytes = m->n_pixels * sizeof *m->base;
    size_t done = 0;

    animation_frame_base(&m->frame);
    for (size_t i = 0; i < frames; i++) {
        const size_t position = position_of(a, i);
        const double longer = i + 1 == frames ? LAST_FRAME_S : 0;
        if (m->parallel->cancelled(m->parallel->self))
            return error_set(err, ERROR_CLIENT_CLOSED, "cancelled while drawing");
        for (; done < position; done++)
            animation_frame_done(&m->frame, done);
        memcpy(m->base, canvas_pixels(m->frame.canvas), bytes);
        animation_frame_window(&m->frame, position);
        write_frame(m, 1 / a->fps + longer);
        canvas_restore(m->frame.canvas, m->base);
    }
    return true;
}

/* ---- the whole ---- */

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the animation");
}

static bool start(struct movie *m, struct arena *arena, struct buffer *out,
                  struct error *err)
{
    const struct animation_layout *l = &m->frame.layout;
    const struct gif_spec spec = {l->width, l->height, m->matcher.n,
                                  m->matcher.palette};
    const struct canvas_page page = {l->width, l->height, 100};

    m->n_pixels = l->width * l->height;
    m->base = arena_take(arena, m->n_pixels, sizeof *m->base);
    m->last = arena_alloc(arena, m->n_pixels, sizeof *m->last);
    m->indices = arena_take(arena, m->n_pixels, 1);
    if (!m->base || !m->last || !m->indices)
        return no_memory(err);
    m->frame.canvas = canvas_new(CANVAS_PIXELS, &page, arena, NULL, err);
    if (!m->frame.canvas)
        return false;
    animation_frame_init(&m->frame);
    m->gif = gif_new(&spec, arena, out, err);
    return m->gif != NULL;
}

bool animation_draw(const struct animation *animation, const struct parallel *parallel,
                    struct arena *arena, struct buffer *out, struct error *err)
{
    struct movie *m = arena_alloc(arena, 1, sizeof *m);

    if (!animation_check(animation, err))
        return false;
    if (!m)
        return no_memory(err);
    m->animation = animation;
    m->parallel = parallel;
    m->frame.animation = animation;
    m->frame.layout = animation_layout_of(animation);
    m->matcher.n = animation_frame_colors(m->matcher.palette, GIF_MAX_COLORS);
    const bool started = start(m, arena, out, err);
    const bool drawn = started && write_frames(m, err);
    const bool closed = !m->gif || gif_finish(m->gif);
    const bool finished = !m->frame.canvas || canvas_finish(m->frame.canvas);
    return drawn && closed && finished;
}

/* The page, what all frames share, positions in the palette, a pool's output; a first
 * frame that hardly shrinks, and what the window touches in each. */
double animation_bytes(const struct animation *a)
{
    const struct animation_layout l = animation_layout_of(a);
    const double pixels = (double)l.width * (double)l.height;
    const struct canvas_page page = {l.width, l.height, 100};

    return canvas_bytes(CANVAS_PIXELS, &page) + 10 * pixels +
           (double)n_positions(a) * sizeof(float) + gif_bytes(l.width, l.height) +
           sizeof(struct movie) + (double)n_frames(a) * 16384;
}
