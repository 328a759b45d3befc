/* plan.c - POST /v1/plan: what a request would take, without decoding or computing. */
#include "api/work.h"

static void write_pair(struct buffer *out, const char *name, const size_t pair[2])
{
    buffer_print(out, ",\"%s\":[%zu,%zu]", name, pair[0], pair[1]);
}

static void write_shape(struct buffer *out, const char *name, const struct shape *shape)
{
    buffer_print(out, "\"%s\":[", name);
    for (size_t i = 0; i < shape->rank; i++)
        buffer_print(out, "%s%zu", i ? "," : "", shape->dim[i]);
    buffer_text(out, "]");
}

static void write_number(struct buffer *out, const char *name, double value)
{
    buffer_print(out, ",\"%s\":", name);
    buffer_json_number(out, value);
}

static void write_layer(struct buffer *out, const struct layer *layer,
                        const struct layer_plan *plan, size_t index)
{
    buffer_print(out, "%s{\"index\":%zu,\"name\":", index > 1 ? "," : "", index);
    buffer_json_string(out, layer->name);
    buffer_print(out, ",\"class_name\":\"%s\",", layer->kind->class_name);
    write_shape(out, "shape", &plan->out);
    buffer_print(out,
                 ",\"pad\":{\"top\":%zu,\"bottom\":%zu,\"left\":%zu,\"right\":%zu}",
                 plan->pad.top, plan->pad.bottom, plan->pad.left, plan->pad.right);
    write_number(out, "params", plan->params);
    write_number(out, "macs", plan->macs);
    write_pair(out, "receptive_field", plan->receptive_field);
    write_number(out, "bytes", plan->bytes);
    buffer_text(out, "}");
}

static bool reply_plan(struct work *work)
{
    struct call *call = work->call;
    struct buffer body;
    double pictures;
    const double peak = work_peak_bytes(work, &pictures);

    buffer_init(&body, (size_t)call->settings->limits.max_response_bytes);
    buffer_text(&body, "{");
    write_shape(&body, "input_shape", &work->input);
    buffer_text(&body, ",\"layers\":[");
    for (size_t i = 0; i < work->plan.n_layers; i++)
        write_layer(&body, &work->config.network.layers[i], &work->plan.layers[i],
                    i + 1);
    buffer_print(&body, "],\"totals\":{\"layers\":%zu", work->plan.n_layers);
    write_number(&body, "params", work->plan.params);
    write_number(&body, "macs", work->plan.macs);
    write_number(&body, "peak_bytes", peak);
    buffer_text(&body, "},\"warnings\":[]}\n");
    return reply_body(call->reply, "application/json", &body, &call->err);
}

/* With only an input shape there is no image to name; an array of it serves. */
static void assume_image(struct work *work)
{
    if (work->image.format_name)
        return;
    work->image = (struct image_info){
        .format = IMAGE_NPY,
        .format_name = "npy",
        .width = work->input.dim[1],
        .height = work->input.dim[0],
        .channels = work->input.dim[2],
        .bit_depth = 32,
    };
}

static bool plan(struct work *work)
{
    if (!work_read(work, PART_IMAGE | PART_CONFIG) || !work_probe_input(work, true))
        return false;
    assume_image(work);
    return work_select_stages(work) && work_plan(work) && reply_plan(work);
}

bool plan_call(struct call *call)
{
    struct work work = {.call = call};
    const bool done = plan(&work);

    request_release(&work.request);
    return done;
}
