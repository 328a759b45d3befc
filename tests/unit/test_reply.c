/* test_reply.c - every kind of reply, read back by other means. */
#include "tests/unit/codec.h"

#include <cjson/cJSON.h>
#include <zip.h>

#include "api/archive.h"
#include "api/base64.h"
#include "api/config_layer.h"
#include "api/npy.h"
#include "api/reply.h"
#include "api/safetensors.h"

static struct arena arena;
static struct error err;
static struct options options;
static struct api_reply reply;
static struct limits limits;
static struct stage stages[3];
static struct extraction extraction;

static float input_values[] = {0, 0.25f, 0.5f, 1};
static float conv_values[] = {1, NAN, 3, -1, 2, 5, INFINITY, 7};
static float vector_values[] = {1.5f, 1.5f, 1.5f};

static void fill_stage(struct stage *stage, size_t index, const char *name,
                       struct shape shape, float *values)
{
    *stage = (struct stage){
        .index = index,
        .name = name,
        .class_name = index ? "Conv2D" : "InputLayer",
        .tensor = {shape, values},
        .pad = {1, 2, 3, 4},
        .params = 10,
        .macs = 1e10,
        .receptive_field = {3, 5},
        .duration_ms = index == 1 ? NAN : 0.12345678,
        .stats = statistics_of(kernels_find(NULL), values, shape_elements(&shape), 1),
    };
    const struct picture_context context = {&stage->render, kernels_find(NULL),
                                            &parallel_serial, &arena};
    render_from_options(&stage->render, &options);
    cr_assert(
        picture_paint(&stage->tensor, index == 0, &context, &stage->pictures, &err));
    stage->pngs = arena_alloc(&arena, stage->pictures.n, sizeof *stage->pngs);
    for (size_t i = 0; i < stage->pictures.n; i++) {
        const struct picture *picture = &stage->pictures.pictures[i];
        cr_assert(picture_write(&picture, 1, 1, &parallel_serial, &arena,
                                &stage->pngs[i], &err));
    }
}

/* Input, a layer of two channels with holes, a constant vector. */
static void set_up(void)
{
    static const char *warnings[] = {"beware \"this\""};

    arena = new_arena(16 << 20);
    error_init(&err);
    limits = limits_default;
    options_init(&options);
    fill_stage(&stages[0], 0, "Input", SHAPE(2, 2, 1), input_values);
    fill_stage(&stages[1], 1, "b1/conv \xc3\xa9", SHAPE(2, 2, 2), conv_values);
    fill_stage(&stages[2], 2, "last", SHAPE(3), vector_values);
    extraction = (struct extraction){
        .id = "req-1",
        .image = {.format_name = "png", .width = 2, .height = 2, .bit_depth = 8},
        .input = SHAPE(2, 2, 1),
        .n_stages = 3,
        .stages = stages,
        .n_warnings = 1,
        .warnings = warnings,
        .queue_ms = 1,
        .ms =
            {.plan = 0.5, .weights = 1.5, .decode = 2, .compute = 3, .encode = 4.0008},
        .limits = &limits,
        .parallel = &parallel_serial,
    };
    reply = (struct api_reply){0};
}

static void tear_down(void)
{
    free(reply.body);
    arena_release(&arena);
}

TestSuite(reply, .init = set_up, .fini = tear_down);

static struct bytes send(enum reply_format format, const char *content_type)
{
    free(reply.body);
    reply = (struct api_reply){0};
    cr_assert(reply_extraction(&reply, format, &extraction, &options, &arena, &err),
              "%s", err.detail);
    cr_assert_eq(reply.status, 200);
    cr_assert_eq(strncmp(reply.content_type, content_type, strlen(content_type)), 0,
                 "%s", reply.content_type);
    return (struct bytes){reply.body, reply.body_size};
}

static const char *header(const char *name)
{
    for (size_t i = 0; i < reply.n_headers; i++)
        if (strcmp(reply.headers[i].name, name) == 0)
            return reply.headers[i].value;
    return "";
}

static cJSON *parse(struct bytes text)
{
    cJSON *json = cJSON_ParseWithLength((const char *)text.data, text.size);

    cr_assert(json, "%.*s", (int)text.size, (const char *)text.data);
    return json;
}

/* A member by a path such as "stages.1.stats". */
static const cJSON *at(const cJSON *json, const char *path)
{
    char copy[128];

    snprintf(copy, sizeof copy, "%s", path);
    for (char *rest = copy, *key; (key = strsep(&rest, "."));)
        json = cJSON_IsArray(json)
                   ? cJSON_GetArrayItem(json, (int)strtol(key, NULL, 10))
                   : cJSON_GetObjectItemCaseSensitive(json, key);
    cr_assert(json, "there is no %s", path);
    return json;
}

static double number(const cJSON *json, const char *path)
{
    cr_assert(cJSON_IsNumber(at(json, path)), "%s", path);
    return at(json, path)->valuedouble;
}

static void expect_keys(const cJSON *object, const char *keys)
{
    char found[256] = "";
    size_t n = 0;

    for (const cJSON *item = object->child; item; item = item->next)
        n += (size_t)snprintf(found + n, sizeof found - n, "%s%s", n ? " " : "",
                              item->string);
    cr_assert_str_eq(found, keys);
}

/* ---- JSON ---- */

Test(reply, json_has_the_contracts_keys_in_order)
{
    cJSON *json = parse(send(FORMAT_JSON, "application/json"));

    expect_keys(json, "id image input_shape stages warnings timing_ms");
    expect_keys(at(json, "image"), "format width height bit_depth");
    expect_keys(at(json, "stages.0"),
                "index name class_name shape pad params macs receptive_field stats "
                "render duration_ms images");
    expect_keys(at(json, "stages.0.pad"), "top bottom left right");
    expect_keys(at(json, "stages.0.stats"), "min max mean std nan inf constant");
    expect_keys(at(json, "stages.0.render"),
                "colormap normalize vmin vmax gamma layout columns gap cell");
    expect_keys(at(json, "stages.0.images.0"), "channel width height bytes png");
    expect_keys(at(json, "timing_ms"),
                "queue plan weights decode compute encode total");
    cJSON_Delete(json);
}

Test(reply, json_says_what_was_found)
{
    cJSON *json = parse(send(FORMAT_JSON, "application/json"));

    cr_assert_str_eq(at(json, "id")->valuestring, "req-1");
    cr_assert_eq(cJSON_GetArraySize(at(json, "input_shape")), 3);
    cr_assert_str_eq(at(json, "warnings.0")->valuestring, "beware \"this\"");
    cr_assert_eq(number(json, "timing_ms.total"), 12.001);
    cr_assert_str_eq(at(json, "stages.1.name")->valuestring, "b1/conv \xc3\xa9");
    cr_assert_eq(number(json, "stages.1.pad.bottom"), 2);
    cr_assert_eq(number(json, "stages.1.macs"), 1e10);
    cr_assert_eq(number(json, "stages.1.receptive_field.1"), 5);
    cr_assert_eq(number(json, "stages.1.stats.nan"), 1);
    cr_assert_eq(number(json, "stages.1.stats.inf"), 1);
    cr_assert_eq(number(json, "stages.1.stats.max"), 7);
    cr_assert(cJSON_IsNull(at(json, "stages.1.duration_ms")));
    cr_assert_eq(number(json, "stages.2.duration_ms"), 0.123);
    cr_assert(cJSON_IsTrue(at(json, "stages.2.stats.constant")));
    cr_assert_eq(cJSON_GetArraySize(at(json, "stages.2.shape")), 1);

    /* normalize=channel: a range for each map; a mosaic shows no one channel */
    cr_assert_eq(cJSON_GetArraySize(at(json, "stages.1.render.vmin")), 2);
    cr_assert_eq(number(json, "stages.1.render.vmin.1"), -1);
    cr_assert(cJSON_IsNull(at(json, "stages.1.images.0.channel")));
    cr_assert_eq(number(json, "stages.0.images.0.channel"), 0);
    cr_assert_str_eq(at(json, "stages.0.render.colormap")->valuestring, "magma");
    cJSON_Delete(json);
}

Test(reply, json_embeds_the_pictures)
{
    cJSON *json = parse(send(FORMAT_JSON, "application/json"));
    unsigned char decoded[4096];
    char path[64];

    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "stages.%d.images.0.png", i);
        const char *text = at(json, path)->valuestring;
        const struct bytes base64 = {(const unsigned char *)text, strlen(text)};
        size_t size, bad;
        cr_assert(base64_decode(&base64, decoded, &size, &bad));
        cr_assert_eq(size, stages[i].pngs[0].size);
        cr_assert_eq(memcmp(decoded, stages[i].pngs[0].data, size), 0);
        snprintf(path, sizeof path, "stages.%d.images.0.bytes", i);
        cr_assert_eq(number(json, path), (double)size);
    }
    cJSON_Delete(json);
}

Test(reply, json_numbers_are_always_finite)
{
    float nothing[] = {NAN, INFINITY, -INFINITY};

    fill_stage(&stages[2], 2, "last", SHAPE(3), nothing);
    options.values = VALUES_LIST;
    cJSON *json = parse(send(FORMAT_JSON, "application/json"));
    static const char *const nulls[] = {"stats.min", "stats.max",     "stats.mean",
                                        "stats.std", "render.vmin.0", "render.vmax.0",
                                        "values.0",  "values.1",      "values.2"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        char path[64];
        snprintf(path, sizeof path, "stages.2.%s", nulls[i]);
        cr_assert(cJSON_IsNull(at(json, path)), "%s", path);
    }
    cJSON_Delete(json);
}

Test(reply, values_come_as_a_list_or_as_base64)
{
    options.values = VALUES_LIST;
    cJSON *json = parse(send(FORMAT_JSON, "application/json"));
    cr_assert_eq(cJSON_GetArraySize(at(json, "stages.1.values")), 8);
    cr_assert_eq(number(json, "stages.1.values.7"), 7);
    cr_assert_eq(number(json, "stages.0.values.1"), 0.25);
    cJSON_Delete(json);

    options.values = VALUES_BASE64;
    json = parse(send(FORMAT_JSON, "application/json"));
    const char *text = at(json, "stages.1.values")->valuestring;
    const struct bytes base64 = {(const unsigned char *)text, strlen(text)};
    unsigned char decoded[64];
    size_t size, bad;
    cr_assert(base64_decode(&base64, decoded, &size, &bad));
    cr_assert_eq(size, sizeof conv_values);
    cr_assert_eq(memcmp(decoded, conv_values, size), 0);
    cJSON_Delete(json);
}

Test(reply, without_pictures_there_are_no_images)
{
    const struct stage kept = stages[0];

    stages[0].pictures = (struct picture_set){0};
    stages[0].pngs = NULL;
    cJSON *json = parse(send(FORMAT_JSON, "application/json"));
    cr_assert(cJSON_IsArray(at(json, "stages.0.images")));
    cr_assert_eq(cJSON_GetArraySize(at(json, "stages.0.images")), 0);
    cJSON_Delete(json);
    stages[0] = kept;
}

/* ---- multipart ---- */

/* The i-th part, headers and all, of a body in which `boundary` separates. */
static struct bytes part(struct bytes body, const char *boundary, size_t i)
{
    char delimiter[80];
    const int n = snprintf(delimiter, sizeof delimiter, "\r\n--%s", boundary);
    const unsigned char *at_byte = body.data + n - 2, *end = body.data + body.size;
    const unsigned char *next = at_byte;

    cr_assert_eq(memcmp(body.data, delimiter + 2, (size_t)n - 2), 0);
    for (;; i--, at_byte = next + n) {
        for (next = at_byte; next + n <= end && memcmp(next, delimiter, (size_t)n);)
            next++;
        cr_assert_leq(next + n, end, "there are not so many parts");
        if (i == 0)
            return (struct bytes){at_byte, (size_t)(next - at_byte)};
    }
}

static void check_part(struct bytes found, const char *head, const struct bytes *png)
{
    cr_assert_gt(found.size, strlen(head));
    cr_assert_eq(memcmp(found.data, head, strlen(head)), 0, "%.*s", (int)strlen(head),
                 (const char *)found.data);
    if (!png)
        return;
    cr_assert_eq(found.size, strlen(head) + png->size);
    cr_assert_eq(memcmp(found.data + strlen(head), png->data, png->size), 0);
}

Test(reply, multipart_has_the_meta_and_a_part_for_each_picture)
{
    static const char meta[] = "\r\nContent-Disposition: form-data; name=\"meta\"\r\n"
                               "Content-Type: application/json\r\n\r\n";
    const struct bytes body = send(FORMAT_MULTIPART, "multipart/form-data; boundary=");
    const char *boundary = strchr(reply.content_type, '=') + 1;
    struct bytes first = part(body, boundary, 0);

    check_part(first, meta, NULL);
    first.data += sizeof meta - 1;
    first.size -= sizeof meta - 1;
    cJSON *json = parse(first);
    expect_keys(at(json, "stages.0.images.0"), "channel width height bytes file");
    cr_assert_str_eq(at(json, "stages.1.images.0.file")->valuestring,
                     "01_b1_conv___.png");
    cJSON_Delete(json);
    check_part(part(body, boundary, 1),
               "\r\nContent-Disposition: form-data; name=\"Input\"; "
               "filename=\"00_Input.png\"\r\nContent-Type: image/png\r\n\r\n",
               stages[0].pngs);
    check_part(part(body, boundary, 2),
               "\r\nContent-Disposition: form-data; name=\"b1/conv \xc3\xa9\"; "
               "filename=\"01_b1_conv___.png\"\r\nContent-Type: image/png\r\n\r\n",
               stages[1].pngs);
    cr_assert_eq(memcmp(body.data + body.size - 4, "--\r\n", 4), 0);
}

Test(reply, multipart_avoids_a_boundary_that_a_picture_holds)
{
    send(FORMAT_MULTIPART, "multipart/form-data; boundary=");
    const char *first = strchr(reply.content_type, '=') + 1;

    const struct bytes png = stages[1].pngs[0];
    stages[1].pngs[0] =
        (struct bytes){(unsigned char *)arena_print(&arena, "%.8s\r\n--%s--\r\n",
                                                    (const char *)png.data, first),
                       strlen(first) + 16};
    const struct bytes body = send(FORMAT_MULTIPART, "multipart/form-data; boundary=");
    const char *second = strchr(reply.content_type, '=') + 1;
    cr_assert_str_neq(first, second);
    check_part(part(body, second, 2),
               "\r\nContent-Disposition: form-data; name=\"b1/conv \xc3\xa9\"; "
               "filename=\"01_b1_conv___.png\"\r\nContent-Type: image/png\r\n\r\n",
               stages[1].pngs);
}

Test(reply, odd_names_stay_inside_their_quotes)
{
    stages[0].name = "a\"b\r\nc";
    const struct bytes body = send(FORMAT_MULTIPART, "multipart/form-data; boundary=");
    check_part(part(body, strchr(reply.content_type, '=') + 1, 1),
               "\r\nContent-Disposition: form-data; name=\"a%22b%0D%0Ac\"; "
               "filename=\"00_a_b__c.png\"\r\n",
               NULL);
}

/* ---- one stage ---- */

Test(reply, png_is_the_last_stage_or_the_one_named)
{
    const struct bytes png = stages[1].pngs[0];

    options.stage = "b1/conv \xc3\xa9";
    const struct bytes body = send(FORMAT_PNG, "image/png");
    cr_assert_eq(body.size, png.size);
    cr_assert_eq(memcmp(body.data, png.data, png.size), 0);
    cr_assert_str_eq(header("X-Stage"), "b1/conv%20%C3%A9");
    cr_assert_str_eq(header("X-Shape"), "2,2,2");
    cr_assert_str_eq(header("Content-Disposition"),
                     "inline; filename=\"01_b1_conv___.png\"; "
                     "filename*=UTF-8''01_b1%5Fconv%20%C3%A9.png");

    options.stage = NULL;
    send(FORMAT_PNG, "image/png");
    cr_assert_str_eq(header("X-Stage"), "last");
    cr_assert_str_eq(header("Content-Disposition"), "inline; filename=\"02_last.png\"");
    cr_assert_str_eq(header("X-Shape"), "3");
}

Test(reply, an_unknown_stage_is_refused_with_the_names)
{
    static const enum reply_format formats[] = {FORMAT_PNG, FORMAT_NPY};

    options.stage = "Filtre";
    for (size_t i = 0; i < 2; i++) {
        error_init(&err);
        cr_assert(
            !reply_extraction(&reply, formats[i], &extraction, &options, &arena, &err));
        expect_error(&err, ERROR_OPTION_INVALID, "Input, b1/conv");
        cr_assert_str_eq(err.items[0].parameter, "stage");
    }
}

Test(reply, npy_is_the_stages_tensor)
{
    options.stage = "b1/conv \xc3\xa9";
    const struct bytes body = send(FORMAT_NPY, "application/x-npy");
    const char *reason;
    struct npy npy;
    float values[8];

    cr_assert(npy_open(&body, &npy, &reason));
    cr_assert(npy.rank == 3 && npy.type == NPY_F32);
    npy_read(&npy, 0, npy.count, values);
    cr_assert_eq(memcmp(values, conv_values, sizeof values), 0);
    cr_assert_str_eq(header("X-Shape"), "2,2,2");
}

/* ---- archives ---- */

Test(reply, zip_holds_a_manifest_and_the_pictures)
{
    static const char *const names[] = {"manifest.json", "00_Input.png",
                                        "01_b1_conv___.png", "02_last.png"};
    const struct bytes body = send(FORMAT_ZIP, "application/zip");
    zip_source_t *source = zip_source_buffer_create(body.data, body.size, 0, NULL);
    zip_t *zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, NULL);
    static unsigned char data[1 << 16];

    cr_assert(zip);
    cr_assert_eq(zip_get_num_entries(zip, 0), 4);
    for (zip_uint64_t i = 0; i < 4; i++) {
        cr_assert_str_eq(zip_get_name(zip, i, 0), names[i]);
        zip_file_t *file = zip_fopen_index(zip, i, 0);
        const zip_int64_t n = zip_fread(file, data, sizeof data);
        cr_assert_gt(n, 0);
        if (i == 0)
            cJSON_Delete(parse((struct bytes){data, (size_t)n}));
        else
            cr_assert(n == (zip_int64_t)stages[i - 1].pngs[0].size &&
                      !memcmp(data, stages[i - 1].pngs[0].data, (size_t)n));
        zip_fclose(file);
    }
    zip_discard(zip);
    cr_assert_str_eq(header("Content-Disposition"),
                     "attachment; filename=\"extraction.zip\"");
}

/* "name" and "name/pre" of one layer, the name as long as it may be. */
Test(reply, zip_takes_the_longest_names)
{
    char name[CONFIG_LAYER_MAX_NAME + 1], pre[sizeof name + 4];

    memset(name, 'n', CONFIG_LAYER_MAX_NAME);
    name[CONFIG_LAYER_MAX_NAME] = '\0';
    snprintf(pre, sizeof pre, "%s/pre", name);
    stages[1].name = pre;
    stages[2].name = name;
    stages[1].index = stages[2].index = 1;
    send(FORMAT_ZIP, "application/zip");
}

static void check_tensors(const struct weights_upload *found)
{
    cr_assert_eq(found->n, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct tensor *a = &found->tensors[i].tensor, *b = &stages[i].tensor;
        cr_assert_str_eq(found->tensors[i].name, stages[i].name);
        cr_assert(shape_equal(&a->shape, &b->shape));
        cr_assert(same_bits(a->values, b->values, shape_elements(&a->shape)));
    }
}

Test(reply, npz_and_safetensors_hold_every_stage)
{
    struct weights_upload found;
    struct bytes body = send(FORMAT_NPZ, "application/x-npz");
    cr_assert(npz_read(&body, &parallel_serial, &arena, &found, &err), "%s",
              err.detail);
    check_tensors(&found);
    body = send(FORMAT_SAFETENSORS, "application/x-safetensors");
    cr_assert(safetensors_read(&body, &arena, &found, &err), "%s", err.detail);
    check_tensors(&found);
}

Test(reply, a_reply_over_the_limit_names_it)
{
    size_t panels = 0;

    for (size_t i = 0; i < extraction.n_stages; i++)
        panels += extraction.stages[i].pictures.n;
    for (int format = 0; format < FORMAT_COUNT; format++) {
        if (format == FORMAT_PNG) /* its PNG exists already, under the same limit */
            continue;
        limits.max_response_bytes = 100;
        error_init(&err);
        cr_assert(reply_plan_figure(&extraction.figure, (enum reply_format)format,
                                    &options, panels, false, &limits, &err));
        cr_assert(!reply_extraction(&reply, (enum reply_format)format, &extraction,
                                    &options, &arena, &err),
                  "format %d", format);
        expect_error(&err, ERROR_PLAN_TOO_LARGE, "larger than 100 bytes");
        cr_assert_str_eq(err.limit.name, "max_response_bytes");
        cr_assert_str_eq(err.limit.env, "CONVSCOPE_MAX_RESPONSE_BYTES");
    }
}

/* ---- negotiation ---- */

Test(reply, accept_chooses_the_kind)
{
    static const struct {
        const char *accept;
        int format; /* -1: refused */
    } cases[] = {
        {NULL, FORMAT_JSON},
        {"", FORMAT_JSON},
        {"*/*", FORMAT_JSON},
        {"application/json", FORMAT_JSON},
        {"APPLICATION/JSON; charset=utf-8", FORMAT_JSON},
        {"image/png", FORMAT_PNG},
        {"image/*", FORMAT_PNG},
        {"multipart/form-data", FORMAT_MULTIPART},
        {"application/zip", FORMAT_ZIP},
        {"application/x-npz", FORMAT_NPZ},
        {"application/x-safetensors", FORMAT_SAFETENSORS},
        {"application/x-npy", FORMAT_NPY},
        {"application/*", FORMAT_JSON},
        {"image/png;q=0.5, application/json;q=0.4", FORMAT_PNG},
        {"image/png;q=0.5,application/json;q=0.6", FORMAT_JSON},
        {"image/png, */*;q=0.1", FORMAT_PNG},
        {"application/zip, image/png", FORMAT_ZIP},
        {"image/png, application/zip", FORMAT_PNG},
        {"*/*, application/json;q=0", FORMAT_MULTIPART},
        {"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
         FORMAT_PNG},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
         FORMAT_JSON},
        {"application/json, text/plain, */*", FORMAT_JSON},
        {"text/html", -1},
        {"application/json;q=0", -1},
        {"image/jpeg, text/*", -1},
        {"application/jsonx", -1},
        {"garbage", -1},
        {"text/plain;x=\"a,application/json\"", -1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum reply_format format;
        error_init(&err);
        const bool done = reply_negotiate(&options, cases[i].accept, &format, &err);
        cr_assert_eq(done, cases[i].format >= 0, "%s", cases[i].accept);
        if (done)
            cr_assert_eq((int)format, cases[i].format, "%s: %d", cases[i].accept,
                         (int)format);
        else
            expect_error(&err, ERROR_NOT_ACCEPTABLE,
                         "application/json, multipart/form-data, image/png");
    }
}

Test(reply, the_format_option_wins)
{
    enum reply_format format;

    options.format = FORMAT_NPZ;
    options.given[OPTION_FORMAT] = true;
    cr_assert(reply_negotiate(&options, "image/png", &format, &err));
    cr_assert_eq((int)format, FORMAT_NPZ);
}

Test(reply, pictures_are_made_only_where_they_are_sent)
{
    static const bool with[FORMAT_COUNT] = {[FORMAT_JSON] = true,
                                            [FORMAT_MULTIPART] = true,
                                            [FORMAT_PNG] = true,
                                            [FORMAT_ZIP] = true};

    for (int f = 0; f < FORMAT_COUNT; f++)
        cr_assert_eq(reply_has_pictures((enum reply_format)f, &options), with[f]);
    options.images = IMAGES_NONE;
    cr_assert(!reply_has_pictures(FORMAT_JSON, &options));
    cr_assert(reply_has_pictures(FORMAT_PNG, &options));
}
