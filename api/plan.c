/* plan.c - POST /v1/plan: what a request would take, without decoding or computing. */
#include <stdio.h>

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
    size_t n_warnings;
    const char **warnings = work_warnings(work, &n_warnings);

    if (!warnings)
        return work_no_memory(work);
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
    buffer_text(&body, "},\"warnings\":[");
    for (size_t i = 0; i < n_warnings; i++) {
        buffer_text(&body, i ? "," : "");
        buffer_json_string(&body, warnings[i]);
    }
    buffer_text(&body, "]}\n");
    return reply_body(call->reply, "application/json", &body, &call->err);
}

/* ---- as a table, like model.summary() ---- */

/* 1,234,567 */
static const char *grouped(char text[32], double value)
{
    char digits[32];
    const int n = snprintf(digits, sizeof digits, "%.0f", value);
    char *to = text;

    for (int i = 0; i < n && to < text + 30; i++) {
        if (i && (n - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

static void write_row(struct buffer *out, const struct layer *layer,
                      const struct layer_plan *plan)
{
    const struct pads *pad = &plan->pad;
    char name[64], shape[SHAPE_TEXT_SIZE], pads[96], field[48], params[32], macs[32],
        bytes[32];

    snprintf(name, sizeof name, "%.30s (%.24s)", layer->name, layer->kind->class_name);
    snprintf(pads, sizeof pads, "%zu,%zu,%zu,%zu", pad->top, pad->bottom, pad->left,
             pad->right);
    snprintf(field, sizeof field, "%zux%zu", plan->receptive_field[0],
             plan->receptive_field[1]);
    buffer_print(out, "%-44s %-16s %14s %-12s %18s %-10s %14s\n", name,
                 shape_print(&plan->out, shape), grouped(params, plan->params), pads,
                 grouped(macs, plan->macs), field, grouped(bytes, plan->bytes));
}

static bool reply_table(struct work *work)
{
    struct call *call = work->call;
    char shape[SHAPE_TEXT_SIZE], params[32], macs[32], bytes[32];
    struct buffer body;
    double pictures;
    const double peak = work_peak_bytes(work, &pictures);

    buffer_init(&body, (size_t)call->settings->limits.max_response_bytes);
    buffer_print(&body, "%-44s %-16s %14s %-12s %18s %-10s %14s\n", "Layer (type)",
                 "Output shape", "Params", "Pad t,b,l,r", "MACs", "Field", "Bytes");
    buffer_print(&body, "%-44s %-16s\n", "Input", shape_print(&work->input, shape));
    for (size_t i = 0; i < work->plan.n_layers; i++)
        write_row(&body, &work->config.network.layers[i], &work->plan.layers[i]);
    buffer_print(&body, "Total: %s params, %s MACs, at most %s bytes of memory\n",
                 grouped(params, work->plan.params), grouped(macs, work->plan.macs),
                 grouped(bytes, peak));
    return reply_body(call->reply, "text/plain; charset=utf-8", &body, &call->err);
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
    static const char *const types[] = {"application/json", "text/plain"};
    struct call *call = work->call;
    size_t chosen;

    if (!reply_choose(call->request->accept, types, 2, &chosen, &call->err) ||
        !work_read(work, PART_IMAGE | PART_CONFIG, NULL) ||
        !reply_negotiate(work_options(work), NULL, &work->format, &call->err) ||
        !work_probe_input(work, true))
        return false;
    assume_image(work);
    return work_select_stages(work) && work_plan(work) &&
           (chosen == 0 ? reply_plan(work) : reply_table(work));
}

bool plan_call(struct call *call)
{
    struct work work = {.call = call};

    return work_finish(&work, plan(&work));
}
