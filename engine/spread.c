/* spread.c - numbers broadcast over a map, as the kernels want them. */
#include "engine/spread.h"

#include <string.h>

#include "engine/size.h"

enum { LONG_ENOUGH = 256 }; /* floats after which a kernel may well begin anew */

/* After how many values of the input the numbers come again. */
static size_t period_of(const struct shape *kept, const struct shape *in)
{
    size_t period = 1, axis = 0;

    while (axis < kept->rank && kept->dim[axis] == 1)
        axis++;
    for (; axis < in->rank; axis++)
        period *= in->dim[axis];
    return period;
}

/* The numbers differ from row to row: they are spread over each as it comes. */
static bool rows_differ(const struct layer_plan *plan, const struct shape *kept)
{
    return period_of(kept, &plan->in) > shape_row(&plan->in);
}

void spread_plan(struct layer_plan *plan, const struct shape *kept)
{
    const size_t period = period_of(kept, &plan->in);

    if (rows_differ(plan, kept)) {
        plan->packed = 2 * shape_elements(kept);
        plan->scratch = 2 * shape_row(&plan->in);
    } else {
        plan->packed = 2 * size_whole(LONG_ENOUGH, period);
    }
}

/* In place: from the end on, since number i is taken from one that is not behind it. */
static void repeat(float *numbers, size_t n, const struct layer_plan *plan,
                   const struct shape *kept)
{
    const size_t period = period_of(kept, &plan->in);

    if (shape_elements(kept) < period)
        for (size_t i = period; i-- > 0;)
            numbers[i] = numbers[shape_broadcast(kept, &plan->in, i)];
    for (size_t i = period; i < n; i += period)
        memcpy(numbers + i, numbers, period * sizeof *numbers);
}

void spread_pack(const struct layer_plan *plan, const struct shape *kept, float *packed)
{
    const size_t n = plan->packed / 2;

    if (rows_differ(plan, kept))
        return;
    repeat(packed, n, plan, kept);
    repeat(packed + n, n, plan, kept);
}

/* The numbers of row y, from the first half and from the second. */
static void spread_row(const struct layer_task *task, const struct shape *kept,
                       size_t y, float *first, float *second)
{
    const struct layer_plan *plan = task->plan;
    const size_t row = shape_row(&plan->in),
                 channels = shape_extent(&plan->in).channels;
    const bool alike = kept->dim[kept->rank - 1] == 1;

    for (size_t i = 0; i < row; i += channels) {
        const float *from =
            plan->packed_weights + shape_broadcast(kept, &plan->in, y * row + i);
        for (size_t c = 0; c < channels; c++) {
            first[i + c] = from[alike ? 0 : c];
            second[i + c] = from[plan->packed / 2 + (alike ? 0 : c)];
        }
    }
}

void spread_run(const struct layer_task *task, const struct shape *kept,
                spread_kernel *kernel)
{
    const struct layer_plan *plan = task->plan;
    const size_t row = shape_row(&plan->in), n = plan->packed / 2, top = task->box.top;
    float *first = task->scratch, *second = first + row;

    if (!rows_differ(plan, kept)) {
        kernel(layer_task_out(task, top), layer_task_in(task, top),
               plan->packed_weights, plan->packed_weights + n, n,
               (task->box.bottom - top) * row, task->around);
        return;
    }
    for (size_t y = top; y < task->box.bottom; y++) {
        spread_row(task, kept, y, first, second);
        kernel(layer_task_out(task, y), layer_task_in(task, y), first, second, row, row,
               task->around);
    }
}
