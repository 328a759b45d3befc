/* plan.c - POST /v1/plan: what a request would take, without decoding or computing. */
#include "api/work.h"

static void write_layer(struct buffer *out, const struct layer *layer,
                        const struct layer_plan *plan, size_t index)
{
    buffer_print(out, "%s{\"index\":%zu,\"name\":", index > 1 ? "," : "", index);
    buffer_json_string(out, layer->name);
    buffer_print(out, ",\"class_name\":\"%s\",", layer->kind->class_name);
    buffer_json_shape(out, "shape", &plan->out);
    reply_write_pad(out, &plan->pad);
    buffer_json_member(out, "params", plan->params);
    buffer_json_member(out, "macs", plan->macs);
    buffer_print(out, ",\"receptive_field\":[%zu,%zu]", plan->receptive_field[0],
                 plan->receptive_field[1]);
    buffer_json_member(out, "bytes", plan->bytes);
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
    buffer_json_shape(&body, "input_shape", &work->input);
    buffer_text(&body, ",\"layers\":[");
    for (size_t i = 0; i < work->plan.n_layers; i++)
        write_layer(&body, &work->config.network.layers[i], &work->plan.layers[i],
                    i + 1);
    buffer_print(&body, "],\"totals\":{\"layers\":%zu", work->plan.n_layers);
    buffer_json_member(&body, "params", work->plan.params);
    buffer_json_member(&body, "macs", work->plan.macs);
    buffer_json_member(&body, "peak_bytes", peak);
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
    struct call *call = work->call;

    if (!work_read(work, PART_IMAGE | PART_CONFIG) ||
        !reply_negotiate(work_options(work), NULL, &work->format, &call->err) ||
        !work_probe_input(work, true))
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
