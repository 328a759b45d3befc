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

void animation_pool(const struct animation *a, float *output)
{
    for (size_t i = 0; i < a->output.height * a->output.width; i++) {
        const struct animation_seen seen = animation_look(a, i);
        const float mean = (float)(seen.sum / (double)seen.n);
        output[i] = seen.n == 0            ? NAN /* nothing but padding */
                    : a->op == OP_MAX_POOL ? seen.largest
                                           : mean;
    }
}
