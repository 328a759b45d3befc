/* reply_json.c - an extraction as JSON. */
#include "api/reply_parts.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/base64.h"

void reply_file_name(char name[REPLY_FILE_NAME_SIZE], const struct stage *stage,
                     size_t picture, const char *extension)
{
    char safe[REPLY_STAGE_NAME_SIZE];
    size_t n = 0;

    for (const char *from = stage->name; *from && n + 1 < sizeof safe; from++) {
        const bool kept = isalnum((unsigned char)*from) || strchr("._-", *from);
        safe[n++] = *from;
        if (!kept)
            safe[n - 1] = '_';
    }
    safe[n] = '\0';
    if (stage->pictures.n > 1)
        snprintf(name, REPLY_FILE_NAME_SIZE, "%02zu_%s_%03d.%s", stage->index, safe,
                 stage->pictures.pictures[picture].channel, extension);
    else
        snprintf(name, REPLY_FILE_NAME_SIZE, "%02zu_%s.%s", stage->index, safe,
                 extension);
}

void reply_write_pad(struct buffer *out, const struct pads *pad)
{
    buffer_print(out,
                 ",\"pad\":{\"top\":%zu,\"bottom\":%zu,\"left\":%zu,\"right\":%zu}",
                 pad->top, pad->bottom, pad->left, pad->right);
}

static void write_float(struct buffer *out, const char *name, float value)
{
    buffer_print(out, ",\"%s\":", name);
    buffer_json_float(out, value);
}

/* Milliseconds to the microsecond. */
static void write_ms(struct buffer *out, const char *name, double ms)
{
    buffer_print(out, "\"%s\":", name);
    buffer_json_number(out, round(ms * 1e3) / 1e3);
}

static void write_image(struct buffer *out, const struct image_info *image)
{
    buffer_print(out, "\"image\":{\"format\":\"%s\",\"width\":%zu,\"height\":%zu",
                 image->format_name, image->width, image->height);
    buffer_print(out, ",\"bit_depth\":%d}", image->bit_depth);
}

static void write_statistics(struct buffer *out, const struct statistics *s)
{
    const float none = NAN; /* null, as every number that is not finite */

    buffer_text(out, ",\"stats\":{\"min\":");
    buffer_json_float(out, s->finite ? s->min : none);
    write_float(out, "max", s->finite ? s->max : none);
    buffer_json_member(out, "mean", s->finite ? s->mean : (double)none);
    buffer_json_member(out, "std", s->finite ? s->std : (double)none);
    buffer_print(out, ",\"nan\":%zu,\"inf\":%zu,\"constant\":%s}", s->nan, s->inf,
                 statistics_constant(s) ? "true" : "false");
}

static void write_range(struct buffer *out, const char *name, const float *values,
                        size_t n, bool list)
{
    buffer_print(out, ",\"%s\":%s", name, list ? "[" : "");
    for (size_t i = 0; i < n; i++) {
        buffer_text(out, i ? "," : "");
        buffer_json_float(out, values[i]);
    }
    if (n == 0 && !list)
        buffer_text(out, "null");
    buffer_text(out, list ? "]" : "");
}

static void write_render(struct buffer *out, const struct stage *stage)
{
#define NAME(id, name) name,
    static const char *const normalize_names[] = {FOR_EACH_NORMALIZE(NAME)};
    static const char *const layout_names[] = {FOR_EACH_LAYOUT(NAME)};
#undef NAME
    const struct render *render = &stage->render;
    const struct picture_set *set = &stage->pictures;
    /* An Input in colour is shown as it is: clipped, not normalised. */
    const int normalize =
        set->rgb && stage->index == 0 ? NORMALIZE_NONE : render->normalize;
    const bool list = normalize == NORMALIZE_CHANNEL && !render->has_range;

    buffer_text(out, ",\"render\":{\"colormap\":");
    if (set->rgb)
        buffer_text(out, "null");
    else
        buffer_json_string(out, colormap_at((size_t)render->colormap)->name);
    buffer_print(out, ",\"normalize\":\"%s\"", normalize_names[normalize]);
    write_range(out, "vmin", set->vmin, set->n_ranges, list);
    write_range(out, "vmax", set->vmax, set->n_ranges, list);
    buffer_json_member(out, "gamma", render->gamma);
    buffer_print(out,
                 ",\"layout\":\"%s\",\"columns\":%zu,\"gap\":%zu,\"cell\":[%zu,%zu]}",
                 set->rgb ? layout_names[LAYOUT_RGB] : layout_names[render->layout],
                 set->columns, set->gap, set->cell[0], set->cell[1]);
}

static void write_picture(struct buffer *out, const struct stage *stage, size_t i,
                          enum reply_json kind)
{
    const struct picture *picture = &stage->pictures.pictures[i];
    const struct bytes *png = &stage->pngs[i];
    char name[REPLY_FILE_NAME_SIZE];

    buffer_text(out, i ? ",{\"channel\":" : "{\"channel\":");
    if (picture->channel < 0)
        buffer_text(out, "null");
    else
        buffer_print(out, "%d", picture->channel);
    buffer_print(out, ",\"width\":%zu,\"height\":%zu,\"bytes\":%zu", picture->width,
                 picture->height, png->size);
    if (kind == REPLY_EMBEDDED) {
        buffer_text(out, ",\"png\":\"");
        buffer_base64(out, png->data, png->size);
    } else {
        reply_file_name(name, stage, i, "png");
        buffer_print(out, ",\"file\":\"%s", name);
    }
    buffer_text(out, "\"}");
}

/* A list of numbers takes long: a reply that nobody wants any more is given up. */
static void check_wanted(struct buffer *out, const struct parallel *parallel, size_t i)
{
    if (i % 65536 == 0 && parallel->cancelled(parallel->self))
        out->failed = true;
}

static void write_values(struct buffer *out, const struct tensor *tensor, int how,
                         const struct parallel *parallel)
{
    const size_t n = shape_elements(&tensor->shape);

    if (how == VALUES_NONE)
        return;
    if (how == VALUES_BASE64) {
        buffer_text(out, ",\"values\":\"");
        buffer_base64(out, tensor->values, n * sizeof *tensor->values);
        buffer_text(out, "\"");
        return;
    }
    buffer_text(out, ",\"values\":[");
    for (size_t i = 0; i < n && !out->failed; i++) {
        check_wanted(out, parallel, i);
        if (i)
            buffer_text(out, ",");
        buffer_json_float(out, tensor->values[i]);
    }
    buffer_text(out, "]");
}

static void write_stage(struct buffer *out, const struct extraction *extraction,
                        const struct stage *stage, const struct options *options,
                        enum reply_json kind)
{
    buffer_print(out, "{\"index\":%zu,\"name\":", stage->index);
    buffer_json_string(out, stage->name);
    buffer_text(out, ",\"class_name\":");
    buffer_json_string(out, stage->class_name);
    buffer_text(out, ",");
    buffer_json_shape(out, "shape", &stage->tensor.shape);
    reply_write_pad(out, &stage->pad);
    buffer_json_member(out, "params", stage->params);
    buffer_json_member(out, "macs", stage->macs);
    buffer_print(out, ",\"receptive_field\":[%zu,%zu]", stage->receptive_field[0],
                 stage->receptive_field[1]);
    write_statistics(out, &stage->stats);
    write_render(out, stage);
    if (kind != REPLY_REPRODUCIBLE) {
        buffer_text(out, ",");
        write_ms(out, "duration_ms", stage->duration_ms);
    }
    buffer_text(out, ",\"images\":[");
    for (size_t i = 0; stage->pngs && i < stage->pictures.n; i++)
        write_picture(out, stage, i, kind);
    buffer_text(out, "]");
    write_values(out, &stage->tensor, options->values, extraction->parallel);
    buffer_text(out, "}");
}

static void write_warnings(struct buffer *out, const struct extraction *extraction)
{
    buffer_text(out, "],\"warnings\":[");
    for (size_t i = 0; i < extraction->n_warnings; i++) {
        buffer_text(out, i ? "," : "");
        buffer_json_string(out, extraction->warnings[i]);
    }
    buffer_text(out, "]");
}

static void write_timing(struct buffer *out, const struct extraction *e)
{
    double total = e->queue_ms;

    buffer_text(out, ",\"timing_ms\":{");
    write_ms(out, "queue", e->queue_ms);
#define WRITE(phase)                                                                   \
    buffer_text(out, ",");                                                             \
    write_ms(out, #phase, e->ms.phase);                                                \
    total += e->ms.phase;
    FOR_EACH_API_PHASE(WRITE)
#undef WRITE
    buffer_text(out, ",");
    write_ms(out, "total", total);
    buffer_text(out, "}");
}

/* About the size of a stage: what is large of it, and room for the rest. */
static size_t size_of(const struct stage *stage, const struct options *options,
                      enum reply_json kind)
{
    const size_t n = shape_elements(&stage->tensor.shape), per_number = 12;
    size_t size = 1024 + 128 * stage->pictures.n + 24 * stage->pictures.n_ranges;

    for (size_t i = 0; kind == REPLY_EMBEDDED && stage->pngs && i < stage->pictures.n;
         i++)
        size += base64_size(stage->pngs[i].size);
    if (options->values == VALUES_BASE64)
        size += base64_size(n * sizeof *stage->tensor.values);
    else if (options->values == VALUES_LIST)
        size += n * per_number;
    return size;
}

static void expect(struct buffer *out, const struct extraction *extraction,
                   const struct options *options, enum reply_json kind)
{
    size_t size = 1024;

    for (size_t i = 0; i < extraction->n_stages; i++)
        size += size_of(&extraction->stages[i], options, kind);
    buffer_expect(out, size);
}

void reply_write_json(struct buffer *out, const struct extraction *extraction,
                      const struct options *options, enum reply_json kind)
{
    expect(out, extraction, options, kind);
    buffer_text(out, "{");
    if (kind != REPLY_REPRODUCIBLE) {
        buffer_text(out, "\"id\":");
        buffer_json_string(out, extraction->id);
        buffer_text(out, ",");
    }
    write_image(out, &extraction->image);
    buffer_text(out, ",");
    buffer_json_shape(out, "input_shape", &extraction->input);
    buffer_text(out, ",\"stages\":[");
    for (size_t i = 0; i < extraction->n_stages; i++) {
        buffer_text(out, i ? "," : "");
        write_stage(out, extraction, &extraction->stages[i], options, kind);
    }
    write_warnings(out, extraction);
    if (kind != REPLY_REPRODUCIBLE)
        write_timing(out, extraction);
    buffer_text(out, "}\n");
}
