/* test_request.c - the three ways in, made one. */
#include "api/request.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/base64.h"
#include "api/config.h"

static struct arena arena;
static struct error err;
static struct request request;

static void set_up(void)
{
    cr_assert(arena_init(&arena, 256 << 20));
    error_init(&err);
}

static void tear_down(void)
{
    arena_release(&arena);
}

TestSuite(request, .init = set_up, .fini = tear_down);

enum { ALL_PARTS = PART_IMAGE | PART_CONFIG | PART_WEIGHTS };

static bool read_method(const char *method, const char *type, const char *query,
                        const char *body)
{
    const struct api_request from = {.id = "test",
                                     .method = method,
                                     .path = "/v1/extract",
                                     .query = query,
                                     .content_type = type,
                                     .body = body,
                                     .body_size = strlen(body)};

    request_release(&request);
    arena_reset(&arena, SIZE_MAX);
    error_init(&err);
    const bool ok =
        request_read(&request, &from, ALL_PARTS, NULL, &limits_default, &arena, &err);
    cr_expect_eq(ok, err.code == ERROR_NONE, "%s: %s", body, err.detail);
    return ok;
}

static bool read_request(const char *type, const char *query, const char *body)
{
    return read_method("POST", type, query, body);
}

static bool image_is(const char *text)
{
    return request.image.data && request.image.size == strlen(text) &&
           memcmp(request.image.data, text, strlen(text)) == 0;
}

/* The config that is left, as JSON; the caller frees it. */
static void expect_config(const char *text)
{
    char *shown = cJSON_PrintUnformatted(request.config);

    cr_expect_str_eq(shown, text);
    cJSON_free(shown);
}

Test(request, takes_the_body_as_the_image)
{
    static const char *const types[] = {"image/png",
                                        "IMAGE/JPEG",
                                        "image/webp; q=1",
                                        "application/octet-stream",
                                        "application/x-www-form-urlencoded",
                                        "",
                                        NULL};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        cr_assert(read_request(types[i], "gamma=2", "PNG"), "%s", err.detail);
        cr_expect(image_is("PNG"));
        cr_expect(request.options.gamma == 2 && !request.config &&
                  !request.has_weights);
    }
}

/* Nothing at all may go with a generated input; an image type promises an image. */
Test(request, tells_no_image_from_an_empty_one)
{
    cr_assert(read_request(NULL, "input=circle", ""));
    cr_expect_null(request.image.data);
    cr_assert(read_request("application/x-www-form-urlencoded", "", ""));
    cr_expect_null(request.image.data);
    cr_assert(read_request("image/png", "", ""));
    cr_expect(request.image.data && request.image.size == 0);
    cr_assert(read_request("application/octet-stream", "", ""));
    cr_expect(request.image.data && request.image.size == 0);
    cr_assert(read_method("GET", "application/json", "input=circle", ""));
    cr_expect_null(request.image.data);
    cr_expect_not(read_request("application/json", "", ""));
    cr_expect_eq(err.code, ERROR_JSON_MALFORMED);
}

Test(request, refuses_other_media_types)
{
    static const char *const types[] = {"text/plain",
                                        "multipart/mixed; boundary=X",
                                        "multipart/form-dataX; boundary=X",
                                        "application/xml",
                                        "application/jsonp",
                                        "image",
                                        "video/mp4"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        cr_expect_not(read_request(types[i], "", "PNG"), "%s", types[i]);
        cr_expect_eq(err.code, ERROR_MEDIA_TYPE_UNSUPPORTED);
    }
}

#define FORM "multipart/form-data; boundary=XX"
#define TEXT(name, value)                                                              \
    "--XX\r\nContent-Disposition: form-data; name=" name "\r\n\r\n" value "\r\n"
#define UPLOAD(name, data)                                                             \
    "--XX\r\nContent-Disposition: form-data; name=\"" name                             \
    "\"; filename=\"../x\"\r\nContent-Type: text/x\r\n\r\n" data "\r\n"
#define END    "--XX--\r\n"
#define LAYERS "[{\"type\":\"max_pooling2d\"}]"

Test(request, reads_a_form_in_any_order)
{
    cr_assert(read_request(FORM, "gamma=2",
                           TEXT("conv_stride", "3") UPLOAD("weights", "WWW")
                               UPLOAD("config", LAYERS) UPLOAD("image", "PNG")
                                   TEXT("format", "npz") END),
              "%s", err.detail);
    cr_expect(image_is("PNG"));
    cr_expect(request.has_weights && request.weights_file.size == 3);
    cr_expect_eq(request.options.format, FORMAT_NPZ);
    cr_expect_eq(request.options.conv_stride[0], 3);
    cr_expect_eq(request.options.gamma, 2);
    cr_expect_str_eq(request.config_pointer, "");
    expect_config(LAYERS);
    cr_assert(read_request(FORM, "", UPLOAD("file", "PNG") TEXT("config", LAYERS) END));
    cr_expect(image_is("PNG") && request.config);
}

Test(request, takes_each_part_once_and_no_others)
{
    static const struct {
        const char *query, *body;
        enum error_code code;
        const char *parameter, *detail;
    } rows[] = {
        {"", UPLOAD("image", "a") UPLOAD("image", "b") END, ERROR_PART_DUPLICATE,
         "image", "image is given twice"},
        {"", UPLOAD("image", "a") UPLOAD("file", "b") END, ERROR_PART_DUPLICATE,
         "image", "image is given twice"},
        {"", TEXT("config", "[]") TEXT("config", "[]") END, ERROR_PART_DUPLICATE,
         "config", "config is given twice"},
        {"", TEXT("weights", "a") TEXT("weights", "a") END, ERROR_PART_DUPLICATE,
         "weights", "weights is given twice"},
        {"", TEXT("gamma", "1") TEXT("gamma", "1") END, ERROR_PART_DUPLICATE, "gamma",
         "gamma is given twice"},
        {"gamma=1", TEXT("gamma", "1") END, ERROR_PART_DUPLICATE, "gamma",
         "gamma is given twice"},
        {"", TEXT("imge", "1") END, ERROR_PART_UNKNOWN, "imge",
         "imge is not a part or an option; did you mean image?"},
        {"", TEXT("conv_strides", "1") END, ERROR_PART_UNKNOWN, "conv_strides",
         "conv_strides is not a part or an option; did you mean conv_stride?"},
        {"gama=1", END, ERROR_OPTION_UNKNOWN, "gama",
         "gama is not an option; did you mean gamma?"},
        {"", TEXT("gamma", "x") END, ERROR_OPTION_INVALID, "gamma",
         "gamma must be one number"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_not(read_request(FORM, rows[i].query, rows[i].body));
        cr_expect_eq(err.code, rows[i].code, "row %zu: %s", i, err.detail);
        cr_expect_str_eq(err.items[0].parameter, rows[i].parameter);
        cr_expect_str_eq(err.detail, rows[i].detail);
    }
    cr_expect_not(read_request(FORM, "", TEXT("config", " ") END));
    cr_expect_eq(err.code, ERROR_JSON_MALFORMED);
    cr_expect_not(read_request(FORM, "", "--XX\r\n"));
    cr_expect_eq(err.code, ERROR_MULTIPART_MALFORMED);
}

Test(request, refuses_parts_that_the_path_does_not_take)
{
    const char body[] = UPLOAD("weights", "W") END;
    const struct api_request from = {.method = "POST",
                                     .query = "",
                                     .content_type = FORM,
                                     .body = body,
                                     .body_size = sizeof body - 1};

    cr_expect_not(request_read(&request, &from, PART_IMAGE | PART_CONFIG, NULL,
                               &limits_default, &arena, &err));
    cr_expect_eq(err.code, ERROR_PART_UNKNOWN);
    request_release(&request);
}

Test(request, takes_the_options_out_of_a_request_document)
{
    cr_assert(
        read_request(
            FORM, "",
            TEXT("config",
                 "{\"layers\":" LAYERS
                 ",\"input\":{\"generator\":{\"name\":\"circle\",\"size\":[32,48],"
                 "\"val\":1.0,\"r_shrink\":3},\"color\":\"gray\",\"mean\":[0.5]},"
                 "\"stages\":[\"a\",\"b\"],\"render\":{\"colormap\":\"gray\",\"gap\":"
                 "2},\"format\":\"npy\"}") END),
        "%s", err.detail);
    expect_config("{\"layers\":" LAYERS "}");
    cr_expect_eq(request.options.generator, GENERATOR_CIRCLE);
    cr_expect(request.options.size[0] == 32 && request.options.size[1] == 48);
    cr_expect(request.options.val == 1 && OPTION_GIVEN(&request.options, VAL));
    cr_expect_eq(request.options.r_shrink, 3);
    cr_expect_eq(request.options.color, COLOR_GRAY);
    cr_expect_eq(request.options.mean.n, 1);
    cr_expect_eq(request.options.stages.n, 2);
    cr_expect_eq(request.options.gap, 2);
    cr_expect_eq(request.options.format, FORMAT_NPY);

    cr_assert(read_request(FORM, "",
                           TEXT("generator", "{\"name\":\"circle\",\"size\":[64,64],"
                                             "\"val\":1.0,\"r_shrink\":3}") END),
              "%s", err.detail);
    cr_expect_eq(request.options.generator, GENERATOR_CIRCLE);
    cr_expect_eq(request.options.r_shrink, 3);

    cr_assert(read_request(FORM, "", TEXT("config", "{\"input\":\"two_dots\"}") END));
    cr_expect_eq(request.options.generator, GENERATOR_TWO_DOTS);
    expect_config("{}");
}

Test(request, leaves_keras_documents_alone)
{
    static const char *const documents[] = {
        "{\"class_name\":\"Sequential\",\"config\":{\"layers\":" LAYERS "}}",
        "{\"name\":\"sequential\",\"layers\":" LAYERS "}",
        "{\"modelTopology\":{\"model_config\":{}},\"format\":\"layers-model\"}",
        LAYERS,
    };
    char body[512];

    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        snprintf(body, sizeof body, TEXT("config", "%s") END, documents[i]);
        cr_assert(read_request(FORM, "", body), "%s", err.detail);
        expect_config(documents[i]);
        cr_assert(read_request("application/json", "input=circle", documents[i]), "%s",
                  err.detail);
        expect_config(documents[i]);
        cr_expect_str_eq(request.config_pointer, "");
    }
}

Test(request, points_into_documents)
{
    static const struct {
        const char *type, *body;
        enum error_code code;
        const char *pointer, *detail;
    } rows[] = {
        {FORM, TEXT("config", "{\"layrs\":[]}") END, ERROR_CONFIG_INVALID, "/layrs",
         "layrs is not an option; did you mean layers?"},
        {FORM, TEXT("config", "{\"render\":{\"color_map\":1}}") END,
         ERROR_CONFIG_INVALID, "/render/color_map",
         "color_map is not an option; did you mean colormap?"},
        {FORM, TEXT("config", "{\"render\":{\"gap\":-1}}") END, ERROR_OPTION_INVALID,
         "/render/gap", "gap must be an integer from 0 to 64"},
        {FORM, TEXT("config", "{\"input\":{\"generator\":{\"size\":3}}}") END,
         ERROR_OPTION_INVALID, "/input/generator", "generator has no name"},
        {FORM, TEXT("config", "{\"input\":{\"name\":\"circle\"}}") END,
         ERROR_CONFIG_INVALID, "/input/name",
         "name is not an option; did you mean generator?"},
        {FORM, TEXT("config", "{\"render\":{\"name\":\"magma\"}}") END,
         ERROR_CONFIG_INVALID, "/render/name", "name is not an option"},
        {FORM,
         TEXT("config", "{\"generator\":{\"name\":\"circle\",\"r_shink\":3}}") END,
         ERROR_OPTION_INVALID, "/generator/r_shink",
         "r_shink is not an option; did you mean r_shrink?"},
        {FORM, TEXT("config", "{\"input\":{\"render\":{\"gap\":1}}}") END,
         ERROR_CONFIG_INVALID, "/input/render", "render is not an option"},
        {"application/json", "{\"config\":{\"layers\":[],\"gap\":99}}",
         ERROR_OPTION_INVALID, "/config/gap", "gap must be an integer from 0 to 64"},
        {"application/json", "{\"config\":{\"gapp\":99}}", ERROR_CONFIG_INVALID,
         "/config/gapp", "gapp is not an option; did you mean gap?"},
        {"application/json", "{\"gama\":1}", ERROR_OPTION_UNKNOWN, "/gama",
         "gama is not an option; did you mean gamma?"},
        {"application/json", "{\"config\":[],\"layers\":[]}", ERROR_CONFIG_INVALID,
         "/layers", "layers stand beside config: one of them is too many"},
        {"application/json", "{\"kernel\":\"edge\",\"kernel\":\"edge\"}",
         ERROR_PART_DUPLICATE, "/kernel",
         "the body: line 1, column 18: the key \"kernel\" stands twice in an object"},
        {"application/json", "{\"image\":\"\",\"image\":\"\"}", ERROR_PART_DUPLICATE,
         "/image",
         "the body: line 1, column 13: the key \"image\" stands twice in an object"},
        {"application/json", "{\"config\":{\"layers\":[{\"kernel\":1,\"kernel\":1}]}}",
         ERROR_CONFIG_INVALID, "/config/layers/0/kernel",
         "the body: line 1, column 34: the key \"kernel\" stands twice in an object"},
        {FORM, TEXT("config", "{\"render\":{\"gap\":1,\"gap\":2}}") END,
         ERROR_PART_DUPLICATE, "/render/gap",
         "config: line 1, column 20: the key \"gap\" stands twice in an object"},
        {FORM, TEXT("config", "{\"layers\":[],\"layers\":[]}") END,
         ERROR_CONFIG_INVALID, "/layers",
         "config: line 1, column 14: the key \"layers\" stands twice in an object"},
        {FORM, TEXT("config", "{\"stage\":\"\\u0000\"}") END, ERROR_CONFIG_INVALID, "",
         "config: line 1, column 11: \\u0000 is not accepted in a string"},
        {FORM, TEXT("config", "[") END, ERROR_JSON_MALFORMED, "",
         "config: line 1, column 2: the text ends where a value should be"},
        {"application/json", "3", ERROR_CONFIG_INVALID, "",
         "the body must be an object or an array of layers, not a number"},
        {"application/json", "{\"image\":3}", ERROR_OPTION_INVALID, "/image",
         "image must be {\"b64\":\"...\"} or a string of base64"},
        {"application/json", "{\"image\":{\"b64\":0}}", ERROR_OPTION_INVALID,
         "/image/b64", "image must be {\"b64\":\"...\"} or a string of base64"},
        {"application/json", "{\"image\":{\"b64\":\"QUI=\",\"x\":1}}",
         ERROR_OPTION_INVALID, "/image/b64",
         "image must be {\"b64\":\"...\"} or a string of base64"},
        {"application/json", "{\"image\":{\"b64\":\"QU I=\"}}", ERROR_IMAGE_UNDECODABLE,
         "/image/b64",
         "the string is not base64 with padding (RFC 4648): see character 3"},
        {"application/json", "{\"weights\":[]}", ERROR_WEIGHTS_INVALID, "/weights",
         "weights must be an object, not an array"},
        {"application/json",
         "{\"weights\":{\"a/b\":{\"shape\":[2],\"b64\":\"AAAAAA==\"}}}",
         ERROR_WEIGHTS_INVALID, "/weights/a~1b",
         "weights[\"a/b\"] has 4 bytes, which are not the float32 values of shape 2"},
        {"application/json", "{\"weights\":{\"a/b\":{\"shape\":[0],\"b64\":\"\"}}}",
         ERROR_WEIGHTS_INVALID, "/weights/a~1b",
         "weights[\"a/b\"] must be {\"shape\":[...],\"b64\":\"...\"} with 1 to 4 "
         "positive "
         "dimensions"},
        {"application/json",
         "{\"weights\":{\"a/b\":{\"shape\":[2147483648,2147483648,4],\"b64\":\"\"}}}",
         ERROR_WEIGHTS_INVALID, "/weights/a~1b",
         "weights[\"a/b\"] has 0 bytes, which are not the float32 values of shape "
         "2147483648x2147483648x4"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_not(read_request(rows[i].type, "", rows[i].body), "%s", rows[i].body);
        cr_expect_eq(err.code, rows[i].code, "%s: %s", rows[i].body, err.detail);
        cr_expect_str_eq(err.detail, rows[i].detail);
        cr_expect(err.n_items > 0);
        cr_expect_str_eq(err.items[0].pointer, rows[i].pointer);
    }
}

Test(request, reads_a_json_body)
{
    cr_assert(
        read_request("application/json; charset=utf-8", "gap=3",
                     "{\"image\":{\"b64\":\"UE5H\"},\"config\":{\"layers\":" LAYERS
                     ",\"gamma\":2},\"weights\":{\"c/kernel\":{\"shape\":[1,1,1,2],"
                     "\"b64\":\"AACAPwAAAMA=\"},\"c/bias\":{\"b64\":\"AACAPw==\","
                     "\"shape\":[1]}},\"format\":\"png\"}"),
        "%s", err.detail);
    cr_expect(image_is("PNG"));
    cr_expect_str_eq(request.config_pointer, "/config");
    expect_config("{\"layers\":" LAYERS "}");
    cr_expect(request.options.gamma == 2 && request.options.gap == 3);
    cr_expect_eq(request.options.format, FORMAT_PNG);
    cr_expect(request.has_weights && !request.weights_file.data);
    cr_assert_eq(request.weights.n, 2);
    const struct named_tensor *kernel = &request.weights.tensors[0];
    cr_expect_str_eq(kernel->name, "c/kernel");
    cr_expect(shape_equal(&kernel->tensor.shape, &SHAPE(1, 1, 1, 2)));
    cr_expect(kernel->tensor.values[0] == 1 && kernel->tensor.values[1] == -2);
}

Test(request, reads_other_shapes_of_a_json_body)
{
    cr_assert(
        read_request("application/json", "",
                     "{\"image\":\"data:image\\/png;base64,UE5H\",\"layers\":" LAYERS
                     ",\"gamma\":2,\"weights\":null}"),
        "%s", err.detail);
    cr_expect(image_is("PNG") && !request.has_weights);
    cr_expect_str_eq(request.config_pointer, "");
    expect_config("{\"layers\":" LAYERS "}");

    cr_assert(read_request("application/json", "",
                           "{\"image\":\"UE5H\",\"config\":\"[{\\\"type\\\":1}]\"}"));
    expect_config("[{\"type\":1}]");
    cr_expect_not(read_request("application/json", "", "{\"config\":\"[\"}"));
    cr_expect_eq(err.code, ERROR_JSON_MALFORMED);
    cr_assert(read_request("application/json", "", "{\"image\":{\"b64\":\"\"}}"));
    cr_expect(request.image.data && request.image.size == 0);
    cr_assert(read_request("application/json", "", "{}"));
    cr_expect_null(request.image.data);
}

/* RFC 4648, section 10, and what is not base64. */
Test(request, decodes_base64_strictly)
{
    static const struct {
        const char *text, *bytes; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"+/+/", "\xfb\xff\xbf"},
        {"+\\/+\\/", "\xfb\xff\xbf"},
        {"Z", NULL},
        {"Zg", NULL},
        {"Zg=", NULL},
        {"Zg===", NULL},
        {"Zm9v\n", NULL},
        {"Zm 9v", NULL},
        {"Zh==", NULL},
        {"Zm9=", NULL},
        {"-_-_", NULL},
        {"Zg==Zg==", NULL},
        {"====", NULL},
        {"Zm9v=", NULL},
        {"\\Zm9", NULL},
        {"Zm9\\", NULL},
    };
    unsigned char out[64];
    size_t size, bad;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct bytes text = {(const unsigned char *)rows[i].text,
                                   strlen(rows[i].text)};
        cr_expect_leq(text.size / 4 * 3, base64_bound(text.size));
        const bool ok = base64_decode(&text, out, &size, &bad);
        cr_expect_eq(ok, rows[i].bytes != NULL, "%s", rows[i].text);
        if (ok)
            cr_expect(size == strlen(rows[i].bytes) &&
                      memcmp(out, rows[i].bytes, size) == 0);
    }
}

/* A body of 8 MB of base64 does not count for the limit of a config. */
Test(request, takes_large_images_in_json)
{
    enum { GROUPS = 2 << 20 };
    char *body = malloc(GROUPS * 4 + 64),
         *to = body + sprintf(body, "{\"image\":{\"b64\":\"");

    for (size_t i = 0; i < GROUPS; i++)
        to = stpcpy(to, "AAAA");
    strcpy(to, "\"}}");
    cr_assert(read_request("application/json", "", body), "%s", err.detail);
    cr_expect_eq(request.image.size, GROUPS * 3);
    free(body);
}
