/* reply.c - a finished extraction becomes a reply of the kind that was asked for. */
#include "api/reply.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "api/archive.h"
#include "api/npy.h"
#include "api/reply_parts.h"
#include "api/safetensors.h"

/* What a writer of one kind of reply works with. */
struct job {
    struct api_reply *reply;
    const struct extraction *extraction;
    const struct options *options;
    struct arena *arena;
    struct error *err;
};

static bool too_large(const struct buffer *body, struct error *err)
{
    const struct limit_row *row = limits_row(0);

    for (size_t i = 0; row->offset != offsetof(struct limits, max_response_bytes); i++)
        row = limits_row(i);
    error_set(err, ERROR_PLAN_TOO_LARGE,
              "the reply is larger than %zu bytes (%s); ask for fewer stages, or leave "
              "out images or values",
              body->limit, row->env);
    return error_limit(err, row->name, row->env, (double)body->limit,
                       (double)body->limit + 1);
}

bool reply_body(struct api_reply *reply, const char *content_type, struct buffer *body,
                struct error *err)
{
    if (body->failed) {
        const bool over = body->over_limit;
        buffer_release(body);
        return over ? too_large(body, err)
                    : error_set(err, ERROR_MEMORY_PRESSURE, "no memory for the reply");
    }
    reply->status = 200;
    reply->content_type = content_type;
    reply->body = body->bytes;
    reply->body_size = body->size;
    *body = (struct buffer){.limit = body->limit};
    return true;
}

static bool no_memory(struct job *job)
{
    return error_set(job->err, ERROR_PLAN_TOO_LARGE, "no memory for the reply");
}

static struct buffer new_body(const struct job *job)
{
    struct buffer body;

    buffer_init(&body, (size_t)job->extraction->limits->max_response_bytes);
    buffer_watch(&body, job->extraction->parallel);
    return body;
}

static bool write_json(struct job *job)
{
    struct buffer body = new_body(job);

    reply_write_json(&body, job->extraction, job->options, REPLY_EMBEDDED);
    return reply_body(job->reply, "application/json", &body, job->err);
}

/* ---- multipart ---- */

/* The type of a reply is a static string, so these are all there are. Nothing that we
 * write but a PNG can hold CRLF and two dashes, so one of these will be free. */
#define FOR_EACH_BOUNDARY(X)                                                           \
    X("convscope-8e1f6a0b4c7d2935")                                                    \
    X("convscope-c05b9d7e31fa4826")                                                    \
    X("convscope-2a94e6f8b01d7c53")                                                    \
    X("convscope-f7380c5d96eb214a")

static const struct boundary {
    const char *text, *content_type;
} boundaries[] = {
#define ROW(text) {"\r\n--" text, "multipart/form-data; boundary=" text},
    FOR_EACH_BOUNDARY(ROW)
#undef ROW
};

enum { N_BOUNDARIES = sizeof boundaries / sizeof *boundaries };

static bool holds(const struct bytes *bytes, const char *text)
{
    const size_t n = strlen(text);
    const unsigned char *at = bytes->data, *end = at + bytes->size;

    while (at && (size_t)(end - at) >= n &&
           (at = memchr(at, '\r', (size_t)(end - at)))) {
        if ((size_t)(end - at) >= n && memcmp(at, text, n) == 0)
            return true;
        at++;
    }
    return false;
}

static bool is_free(const struct extraction *extraction, const struct boundary *b)
{
    for (size_t i = 0; i < extraction->n_stages; i++) {
        const struct stage *stage = &extraction->stages[i];
        for (size_t k = 0; stage->pngs && k < stage->pictures.n; k++)
            if (holds(&stage->pngs[k], b->text))
                return false;
    }
    return true;
}

/* As HTML's forms write a name. */
static void write_field_name(struct buffer *out, const char *name)
{
    for (; *name; name++) {
        const unsigned char c = (unsigned char)*name;
        if (c < 0x20 || c == '"' || c == 0x7f)
            buffer_print(out, "%%%02X", c);
        else
            buffer_append(out, name, 1);
    }
}

static void write_part(struct buffer *out, const struct boundary *b,
                       const struct stage *stage, size_t i)
{
    char file_name[REPLY_FILE_NAME_SIZE];

    reply_file_name(file_name, stage, i, "png");
    buffer_print(out, "%s\r\nContent-Disposition: form-data; name=\"", b->text);
    write_field_name(out, stage->name);
    buffer_print(out, "\"; filename=\"%s\"\r\nContent-Type: image/png\r\n\r\n",
                 file_name);
    buffer_append(out, stage->pngs[i].data, stage->pngs[i].size);
}

/* About, all together. */
static size_t size_of_parts(const struct extraction *extraction)
{
    size_t size = 1024;

    for (size_t i = 0; i < extraction->n_stages; i++) {
        const struct stage *stage = &extraction->stages[i];
        for (size_t k = 0; stage->pngs && k < stage->pictures.n; k++)
            size += stage->pngs[k].size + strlen(stage->name) + 256;
    }
    return size;
}

static bool write_multipart(struct job *job)
{
    const struct extraction *extraction = job->extraction;
    const struct boundary *b = boundaries;
    struct buffer body = new_body(job);

    while (b < boundaries + N_BOUNDARIES - 1 && !is_free(extraction, b))
        b++;
    buffer_print(&body,
                 "%s\r\nContent-Disposition: form-data; name=\"meta\"\r\n"
                 "Content-Type: application/json\r\n\r\n",
                 b->text + strlen("\r\n"));
    reply_write_json(&body, extraction, job->options, REPLY_NAMED);
    buffer_expect(&body, size_of_parts(extraction));
    for (size_t i = 0; i < extraction->n_stages; i++) {
        const struct stage *stage = &extraction->stages[i];
        for (size_t k = 0; stage->pngs && k < stage->pictures.n; k++)
            write_part(&body, b, stage, k);
    }
    buffer_print(&body, "%s--\r\n", b->text);
    return reply_body(job->reply, b->content_type, &body, job->err);
}

/* ---- one stage ---- */

static const struct stage *find_stage(const struct extraction *extraction,
                                      const char *name)
{
    for (size_t i = 0; i < extraction->n_stages; i++)
        if (strcmp(extraction->stages[i].name, name) == 0)
            return &extraction->stages[i];
    return NULL;
}

static bool unknown_stage(struct job *job)
{
    const struct extraction *extraction = job->extraction;
    char names[192] = "";
    size_t used = 0;

    for (size_t i = 0; i < extraction->n_stages && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                 i ? ", " : "", extraction->stages[i].name);
    return error_option(job->err, ERROR_OPTION_INVALID, "stage",
                        "there is no stage '%.64s'; there are: %s", job->options->stage,
                        names);
}

/* The stage that was asked for, the last by default. */
static const struct stage *choose_stage(struct job *job)
{
    const struct extraction *extraction = job->extraction;
    const struct stage *stage = &extraction->stages[extraction->n_stages - 1];

    if (job->options->stage)
        stage = find_stage(extraction, job->options->stage);
    if (!stage)
        unknown_stage(job);
    return stage;
}

/* RFC 6266: the name in ASCII, and in UTF-8 where that loses something. Too long a one
 * is told in ASCII only. */
static void add_disposition(struct api_reply *reply, const struct stage *stage,
                            const char *file, const char *extension)
{
    char name[80] = "";
    size_t n = 0;
    bool ascii = true;
    const char *from = stage->name;

    for (; *from && n + 4 < sizeof name; from++) {
        const unsigned char c = (unsigned char)*from;
        const bool plain = isalnum(c) || strchr("._-", c);
        ascii &= c < 0x80;
        n += (size_t)snprintf(name + n, sizeof name - n, plain ? "%c" : "%%%02X",
                              c == '/' ? '_' : c);
    }
    if (ascii || *from)
        api_reply_header(reply, "Content-Disposition", "inline; filename=\"%s\"", file);
    else
        api_reply_header(reply, "Content-Disposition",
                         "inline; filename=\"%s\"; filename*=UTF-8''%02zu_%s.%s", file,
                         stage->index, name, extension);
}

static void add_stage_headers(struct api_reply *reply, const struct stage *stage,
                              const char *extension)
{
    char name[3 * 72 + 1] = "", shape[SHAPE_TEXT_SIZE], file[REPLY_FILE_NAME_SIZE];
    size_t n = 0;

    for (const char *from = stage->name; *from && n + 4 < sizeof name; from++) {
        const unsigned char c = (unsigned char)*from;
        const bool kept = c > 0x20 && c < 0x7f && !strchr("%\",;\\", c);
        n += (size_t)snprintf(name + n, sizeof name - n, kept ? "%c" : "%%%02X", c);
    }
    api_reply_header(reply, "X-Stage", "%s", name);
    shape_print(&stage->tensor.shape, shape);
    for (char *x = shape; (x = strchr(x, 'x'));)
        *x = ',';
    api_reply_header(reply, "X-Shape", "%s", shape);
    reply_file_name(file, stage, 0, extension);
    add_disposition(reply, stage, file, extension);
}

static bool write_png(struct job *job)
{
    const struct stage *stage = choose_stage(job);
    struct buffer body = new_body(job);

    if (!stage)
        return false;
    if (stage->pictures.n != 1)
        return error_option(job->err, ERROR_OPTION_INVALID, "layout",
                            "a png reply is one picture, stage '%.64s' has %zu; choose "
                            "a map by channel=",
                            stage->name, stage->pictures.n);
    buffer_append(&body, stage->pngs->data, stage->pngs->size);
    if (!reply_body(job->reply, "image/png", &body, job->err))
        return false;
    add_stage_headers(job->reply, stage, "png");
    return true;
}

static bool write_npy(struct job *job)
{
    const struct stage *stage = choose_stage(job);
    struct buffer body = new_body(job);

    if (!stage)
        return false;
    npy_write_f32(&body, &stage->tensor.shape, stage->tensor.values);
    if (!reply_body(job->reply, "application/x-npy", &body, job->err))
        return false;
    add_stage_headers(job->reply, stage, "npy");
    return true;
}

/* ---- figures ---- */

static bool write_figure(struct job *job, enum reply_format format,
                         const char *content_type, const char *extension)
{
    struct buffer body = new_body(job);

    if (!reply_write_figure(&body, format, job->extraction, job->options, job->arena,
                            job->err)) {
        buffer_release(&body);
        return false;
    }
    if (!reply_body(job->reply, content_type, &body, job->err))
        return false;
    api_reply_header(job->reply, "Content-Disposition",
                     "inline; filename=\"figure.%s\"", extension);
    return true;
}

static bool write_png_figure(struct job *job)
{
    return write_figure(job, FORMAT_FIGURE, "image/png", "png");
}

static bool write_svg(struct job *job)
{
    return write_figure(job, FORMAT_SVG, reply_media_types[FORMAT_SVG], "svg");
}

static bool write_pdf(struct job *job)
{
    return write_figure(job, FORMAT_PDF, reply_media_types[FORMAT_PDF], "pdf");
}

/* ---- archives ---- */

static bool send_archive(struct job *job, enum reply_format format, struct buffer *body)
{
    if (!reply_body(job->reply, reply_media_types[format], body, job->err))
        return false;
    api_reply_header(job->reply, "Content-Disposition",
                     "attachment; filename=\"extraction.%s\"",
                     format == FORMAT_ZIP   ? "zip"
                     : format == FORMAT_NPZ ? "npz"
                                            : "safetensors");
    return true;
}

static bool send_entries(struct job *job, enum reply_format format,
                         const struct archive_entry *entries, size_t n)
{
    struct buffer body = new_body(job);

    if (archive_write(&body, entries, n, job->err))
        return send_archive(job, format, &body);
    buffer_release(&body);
    return false;
}

static bool add_pictures(struct job *job, const struct stage *stage,
                         struct archive_entry *entries, size_t *n)
{
    for (size_t k = 0; k < stage->pictures.n; k++) {
        char name[REPLY_FILE_NAME_SIZE];
        reply_file_name(name, stage, k, "png");
        entries[*n] = (struct archive_entry){
            .name = arena_copy(job->arena, name, strlen(name)),
            .body = stage->pngs[k],
        };
        if (!entries[(*n)++].name)
            return no_memory(job);
    }
    return true;
}

/* The manifest's bytes must live until the archive is written. */
static bool zip_with(struct job *job, const struct buffer *manifest)
{
    const struct extraction *extraction = job->extraction;
    size_t n = 1;

    for (size_t i = 0; i < extraction->n_stages; i++)
        n += extraction->stages[i].pictures.n;
    struct archive_entry *entries = arena_alloc(job->arena, n, sizeof *entries);
    if (!entries)
        return no_memory(job);

    entries[0] = (struct archive_entry){.name = "manifest.json",
                                        .body = {manifest->bytes, manifest->size}};
    n = 1;
    for (size_t i = 0; i < extraction->n_stages; i++)
        if (!add_pictures(job, &extraction->stages[i], entries, &n))
            return false;
    return send_entries(job, FORMAT_ZIP, entries, n);
}

static bool write_zip(struct job *job)
{
    struct buffer manifest = new_body(job);

    reply_write_json(&manifest, job->extraction, job->options, REPLY_REPRODUCIBLE);
    if (manifest.failed) /* reply_body knows what to say */
        return reply_body(job->reply, "application/zip", &manifest, job->err);
    const bool done = zip_with(job, &manifest);
    buffer_release(&manifest);
    return done;
}

static bool make_npy_entry(struct job *job, const struct stage *stage,
                           struct archive_entry *entry)
{
    const struct tensor *tensor = &stage->tensor;
    struct buffer head;

    buffer_init(&head, SIZE_MAX);
    npy_write_f32(&head, &tensor->shape, NULL);
    *entry = (struct archive_entry){
        .name = arena_print(job->arena, "%s.npy", stage->name),
        .head = {head.failed
                     ? NULL
                     : (unsigned char *)arena_copy(job->arena, head.bytes, head.size),
                 head.size},
        .body = {(const unsigned char *)tensor->values,
                 shape_elements(&tensor->shape) * sizeof *tensor->values},
    };
    buffer_release(&head);
    return (entry->name && entry->head.data) || no_memory(job);
}

static bool write_npz(struct job *job)
{
    const struct extraction *extraction = job->extraction;
    struct archive_entry *entries =
        arena_alloc(job->arena, extraction->n_stages, sizeof *entries);

    if (!entries)
        return no_memory(job);
    for (size_t i = 0; i < extraction->n_stages; i++)
        if (!make_npy_entry(job, &extraction->stages[i], &entries[i]))
            return false;
    return send_entries(job, FORMAT_NPZ, entries, extraction->n_stages);
}

static bool write_safetensors(struct job *job)
{
    const struct extraction *extraction = job->extraction;
    struct named_tensor *tensors =
        arena_alloc(job->arena, extraction->n_stages, sizeof *tensors);
    struct buffer body = new_body(job);

    if (!tensors)
        return no_memory(job);
    for (size_t i = 0; i < extraction->n_stages; i++)
        tensors[i] = (struct named_tensor){extraction->stages[i].name,
                                           extraction->stages[i].tensor};
    safetensors_write(&body, tensors, extraction->n_stages);
    return send_archive(job, FORMAT_SAFETENSORS, &body);
}

bool reply_extraction(struct api_reply *reply, enum reply_format format,
                      const struct extraction *extraction,
                      const struct options *options, struct arena *arena,
                      struct error *err)
{
    static bool (*const writers[FORMAT_COUNT])(struct job *) = {
        [FORMAT_JSON] = write_json, [FORMAT_MULTIPART] = write_multipart,
        [FORMAT_PNG] = write_png,   [FORMAT_ZIP] = write_zip,
        [FORMAT_NPZ] = write_npz,   [FORMAT_SAFETENSORS] = write_safetensors,
        [FORMAT_NPY] = write_npy,   [FORMAT_FIGURE] = write_png_figure,
        [FORMAT_SVG] = write_svg,   [FORMAT_PDF] = write_pdf,
    };
    struct job job = {reply, extraction, options, arena, err};

    return writers[format](&job);
}
