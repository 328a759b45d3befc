/* animation_window.c - what an animation's window sees. */
#include "api/animation_window.h"

#include <math.h>

float animation_value(const struct animation_grid *g, size_t y, size_t x)
{
    return g->values[(y * g->width + x) * g->step];
}

bool animation_input(const struct animation *a, size_t y, size_t x, float *value)
{
    if (y < a->pad.top || x < a->pad.left || y - a->pad.top >= a->input.height ||
        x - a->pad.left >= a->input.width)
        return false;
    *value = animation_value(&a->input, y - a->pad.top, x - a->pad.left);
    return true;
}

struct animation_tap animation_tap(const struct animation *a, size_t position, size_t i)
{
    struct animation_tap t = {.y = i / a->window.width, .x = i % a->window.width};

    t.at_y = position / a->output.width * a->strides[0] + t.y * a->dilation[0];
    t.at_x = position % a->output.width * a->strides[1] + t.x * a->dilation[1];
    t.inside = animation_input(a, t.at_y, t.at_x, &t.value);
    if (a->op == OP_CONV)
        t.weight = animation_value(&a->window, t.y, t.x);
    return t;
}

struct animation_seen animation_look(const struct animation *a, size_t position)
{
    struct animation_seen seen = {.largest = -INFINITY};

    for (size_t i = 0; i < a->window.height * a->window.width; i++) {
        const struct animation_tap t = animation_tap(a, position, i);
        if (!t.inside)
            continue;
        seen.n++;
        seen.sum += (double)t.value * (a->op == OP_CONV ? (double)t.weight : 1);
        seen.largest = t.value > seen.largest ? t.value : seen.largest;
    }
    return seen;
}

/* ---- a pool with dilation ---- */

/* The window's cells along an axis that lie on the input: those below end from begin
 * on, of which the first is at `at`. */
struct covered {
    size_t begin, end, at;
};

static struct covered cover(size_t start, size_t dilation, size_t window, size_t before,
                            size_t size)
{
    struct covered c = {0, window, 0};

    while (c.begin < c.end && start + c.begin * dilation < before)
        c.begin++;
    while (c.begin < c.end && start + (c.end - 1) * dilation >= before + size)
        c.end--;
    if (c.begin < c.end)
        c.at = start + c.begin * dilation - before;
    return c;
}

static float fold(float a, float b, bool sum)
{
    return sum ? a + b : a > b ? a : b;
}

/* As the engine folds a window: down its columns first, then along the row. */
static float pool_cell(const struct animation *a, const struct covered *rows,
                       const struct covered *columns)
{
    const bool sum = a->op == OP_AVERAGE_POOL;
    const size_t height = rows->end - rows->begin,
                 width = columns->end - columns->begin;
    float all = NAN; /* of nothing but padding */

    for (size_t k = 0; height && k < width; k++) {
        const size_t x = columns->at + k * a->dilation[1];
        float column = animation_value(&a->input, rows->at, x);
        for (size_t r = 1; r < height; r++)
            column =
                fold(column,
                     animation_value(&a->input, rows->at + r * a->dilation[0], x), sum);
        all = k ? fold(all, column, sum) : column;
    }
    return sum ? all / (float)(height * width) : all;
}

struct pooling {
    const struct animation *animation;
    float *output;
};

static void pool_row(void *context, size_t y, size_t slot)
{
    const struct pooling *p = context;
    const struct animation *a = p->animation;
    const struct covered rows = cover(y * a->strides[0], a->dilation[0],
                                      a->window.height, a->pad.top, a->input.height);

    (void)slot;
    for (size_t x = 0; x < a->output.width; x++) {
        const struct covered columns =
            cover(x * a->strides[1], a->dilation[1], a->window.width, a->pad.left,
                  a->input.width);
        p->output[y * a->output.width + x] = pool_cell(a, &rows, &columns);
    }
}

void animation_pool(const struct animation *a, const struct parallel *parallel,
                    float *output)
{
    struct pooling p = {a, output};

    parallel->run(parallel->self, a->output.height, pool_row, &p);
}
