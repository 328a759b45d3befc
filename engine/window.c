/* window.c - the sliding window. */
#include "engine/window.h"

#include <stdio.h>

#include "engine/size.h"

bool window_slide(struct window *w, size_t in, size_t size, size_t stride,
                  size_t dilation, enum padding padding)
{
    *w =
        (struct window){.in = in, .size = size, .stride = stride, .dilation = dilation};
    w->extent = (size - 1) * dilation + 1;
    if (padding == PADDING_VALID) {
        if (w->extent > in)
            return false;
        w->out = (in - w->extent) / stride + 1;
        return true;
    }
    w->out = size_parts(in, stride);
    const size_t reach = (w->out - 1) * stride + w->extent;
    const size_t total = reach > in ? reach - in : 0;
    w->before = total / 2;
    w->after = total - w->before;
    return true;
}

/* "5" for a square, else "5x3"; in a buffer of 48 bytes. */
static const char *pair_text(char *text, size_t a, size_t b)
{
    if (a == b)
        snprintf(text, 48, "%zu", a);
    else
        snprintf(text, 48, "%zux%zu", a, b);
    return text;
}

static bool does_not_fit(const struct layer *layer, const struct window axes[2],
                         const char *size_name, struct error *err)
{
    const struct window *h = &axes[0], *w = &axes[1];
    char size[48], extent[48];

    pair_text(size, h->size, w->size);
    if (h->dilation == 1 && w->dilation == 1)
        layer_fault(layer, size_name, err,
                    "%s is larger than the %zux%zu input with padding 'valid'", size,
                    h->in, w->in);
    else
        layer_fault(
            layer, size_name, err,
            "%s with dilation_rate reaches over %s cells, more than the %zux%zu "
            "input with padding 'valid'",
            size, pair_text(extent, h->extent, w->extent), h->in, w->in);
    if (h->size == w->size)
        error_value(err, "%zu", h->size);
    else
        error_value(err, "[%zu,%zu]", h->size, w->size);
    return false;
}

bool window_needs_map(const struct layer *layer, const struct layer_plan *plan,
                      struct error *err)
{
    char text[SHAPE_TEXT_SIZE];

    return plan->in.rank == 3 ||
           layer_fault(layer, "", err,
                       "needs a map of height x width x channels; its input is %s",
                       shape_print(&plan->in, text));
}

bool window_one_of_two(const struct layer *layer, struct error *err)
{
    const int *s = layer->strides, *d = layer->dilation_rate;

    if ((s[0] > 1 || s[1] > 1) && (d[0] > 1 || d[1] > 1))
        return layer_fault(layer, "dilation_rate", err,
                           "%dx%d cannot go with strides %dx%d: one of them must be 1",
                           d[0], d[1], s[0], s[1]);
    return true;
}

bool window_infer(const struct layer *layer, const int size[2], const int stride[2],
                  const int dilation[2], const char *size_name, struct layer_plan *plan,
                  struct window axes[2], struct error *err)
{
    bool fits = true;

    if (!window_needs_map(layer, plan, err))
        return false;
    for (size_t i = 0; i < 2; i++) {
        fits &=
            window_slide(&axes[i], plan->in.dim[i], (size_t)size[i], (size_t)stride[i],
                         (size_t)dilation[i], (enum padding)layer->padding);
        plan->window[i] = axes[i].extent;
        plan->step[i] = axes[i].stride;
    }
    if (!fits)
        return does_not_fit(layer, axes, size_name, err);
    plan->pad =
        (struct pads){axes[0].before, axes[0].after, axes[1].before, axes[1].after};
    return true;
}
