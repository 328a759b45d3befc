/*
 * judge.c - the engine's values against a reference.
 *
 * The bound of a value is that of its roundings (reference.h): for a convolution of
 * 1700 taps, 1e-5 of the sum of its terms' sizes. A row of the table below replaces it
 * by a share of the layer's largest value.
 */
#include "tests/property/judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char winograd[] = "Conv2D (Winograd's shapes)";

static const struct {
    const char *row;
    double share; /* of the layer's largest value */
} bounds[] = {
    {winograd, 1e-4},
};

#define TINY 1e-36 /* below it float32, or e^-x on the way, has fewer bits */
#define HUGE 3e38  /* beyond it a float32 sum may overflow on its way */

static struct tally {
    const char *row;
    size_t layers, values, open;
    double of_bound, of_scale;
} tallies[96];

static struct tally *tally_of(const char *row)
{
    struct tally *t = tallies;

    while (t->row && strcmp(t->row, row) != 0)
        t++;
    t->row = row;
    return t;
}

const char *judge_row(const struct layer *l, const struct shape *in)
{
    const bool plain = l->strides[0] == 1 && l->strides[1] == 1 &&
                       l->dilation_rate[0] == 1 && l->dilation_rate[1] == 1 &&
                       l->groups == 1;

    if (strcmp(l->kind->class_name, "Conv2D") == 0 && plain && l->kernel_size[0] == 3 &&
        l->kernel_size[1] == 3 && in->dim[2] >= 16 && l->filters >= 16)
        return winograd;
    return l->kind->class_name;
}

size_t judge_count(const char *row)
{
    return tally_of(row)->layers;
}

/* The largest finite value. */
static double scale_of(const struct reference *want, size_t n)
{
    double scale = 0;

    for (size_t i = 0; i < n; i++)
        if (isfinite(want->v[i]) && want->magnitude[i] < HUGE)
            scale = fmax(scale, fabs(want->v[i]));
    return scale;
}

static double bound_of(const char *row, const struct reference *want, size_t i,
                       double scale)
{
    for (size_t k = 0; k < COUNT(bounds); k++)
        if (strcmp(bounds[k].row, row) == 0)
            return bounds[k].share * scale + TINY;
    return want->roundings * 0x1p-24 * want->magnitude[i] + TINY;
}

/* The same infinity, or both no number. */
static bool same_special(double want, double got)
{
    return isnan(want) ? isnan(got) : want == got;
}

static void describe(const char *row, const struct reference *want, size_t i,
                     const float *got, double bound, char *fault)
{
    const struct shape *shape = &want->shape;
    size_t rest = i, place[SHAPE_MAX_RANK] = {0};
    int n = snprintf(fault, JUDGE_FAULT, "%s: value [", row);

    for (size_t axis = shape->rank; axis-- > 0; rest /= shape->dim[axis])
        place[axis] = rest % shape->dim[axis];
    for (size_t axis = 0; axis < shape->rank; axis++)
        n += snprintf(fault + n, (size_t)(JUDGE_FAULT - n), "%s%zu", axis ? "," : "",
                      place[axis]);
    char text[SHAPE_TEXT_SIZE];
    snprintf(fault + n, (size_t)(JUDGE_FAULT - n),
             "] of %s is %.9g, not %.9g: %.3g off, where %.3g is allowed",
             shape_print(shape, text), (double)got[i], want->v[i],
             fabs((double)got[i] - want->v[i]), bound);
}

bool judge_values(const char *row, const struct reference *want, const float *got,
                  char *fault)
{
    const size_t n = shape_elements(&want->shape);
    const double scale = scale_of(want, n);
    struct tally *t = tally_of(row);

    t->layers++;
    t->values += n;
    for (size_t i = 0; i < n; i++) {
        const double bound = bound_of(row, want, i, scale);
        const double error = fabs((double)got[i] - want->v[i]);

        if (want->magnitude[i] >= HUGE) {
            t->open++;
            continue;
        }
        if (isfinite(want->v[i]) ? !(error <= bound)
                                 : !same_special(want->v[i], (double)got[i])) {
            describe(row, want, i, got, bound, fault);
            return false;
        }
        if (!isfinite(want->v[i]))
            continue;
        t->of_bound = fmax(t->of_bound, error / bound);
        t->of_scale = fmax(t->of_scale, error / (scale + TINY));
    }
    return true;
}

void judge_print(void)
{
    printf("%-30s %8s %11s %7s %12s %12s\n", "kind", "layers", "values", "open",
           "of bound", "of scale");
    for (const struct tally *t = tallies; t->row; t++)
        printf("%-30s %8zu %11zu %7zu %12.3g %12.3g\n", t->row, t->layers, t->values,
               t->open, t->of_bound, t->of_scale);
}
