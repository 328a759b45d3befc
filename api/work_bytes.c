/* work_bytes.c - the memory that a request takes at its peak. */
#include "api/work.h"

#include <math.h>

#include "api/generated.h"
#include "engine/weights.h"

static bool has_pictures(struct work *work)
{
    return reply_is_figure(work->format) ||
           reply_has_pictures(work->format, work_options(work));
}

/* What the reply may take at most: tensors as they are or as text, and pictures. */
static double reply_bytes(struct work *work, double *pictures)
{
    const struct options *options = work_options(work);
    const double per_value = options->values == VALUES_LIST ? 24 : 8;
    const int level = work->call->settings->png_level;
    const size_t slots = work->call->parallel->width;
    double bytes = 1 << 16, cells = 0, scratch = 0;

    *pictures = 0;
    for (size_t i = 0; i < work->n_stages; i++) {
        const struct shape *shape = work_stage_shape(work, &work->stages[i]);
        const struct render render = work_render(work, &work->stages[i]);
        const bool input = work->stages[i].index == 0;
        bytes += 4096;
        if (options->values != VALUES_NONE || !has_pictures(work))
            bytes += (double)shape_elements(shape) * per_value;
        if (has_pictures(work)) {
            bytes += picture_bytes(shape, input, &render);
            scratch =
                fmax(scratch, picture_scratch(shape, input, &render, level, slots));
            *pictures += (double)picture_count(shape, input, &render);
            cells += picture_cells(shape, input, &render);
        } else {
            bytes += picture_measure_bytes(shape, &render);
        }
    }
    if (reply_is_figure(work->format))
        bytes +=
            reply_figure_bytes(&work->result.figure, work->format, cells, level, slots);
    return bytes + scratch;
}

/* Of an upload; if it is compressed, what the network needs: as doubles, and as floats.
 */
static double upload_bytes(const struct work *work)
{
    const double file = (double)work->request.weights_file.size;

    return file > 0 ? fmax(4 * file, 12 * work->plan.params + 65536) : 0;
}

/* What decoding takes beside the tensor that it makes, and gives back. */
static double decode_bytes(const struct work *work, double tensor)
{
    const struct options *options = &work->request.options;
    const double made =
        options->generator == GENERATOR_NONE ? 0 : generated_bytes(options);

    return made + image_bytes(&work->image, options, work->input.dim[2]) - tensor;
}

/* Peak memory of the request; the plan's totals.peak_bytes. */
double work_peak_bytes(struct work *work, double *pictures)
{
    const double tensor = (double)shape_elements(&work->input) * sizeof(float);

    return ceil((double)work->call->arena->used +
                weights_bytes(&work->config.network, &work->plan) + upload_bytes(work) +
                tensor +
                fmax(decode_bytes(work, tensor),
                     work->plan.bytes + reply_bytes(work, pictures)));
}
