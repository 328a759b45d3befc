/* test_contract.c - what a client is told: of mistakes, and of options without use. */
#include "api/api.h"

#include "tests/unit/api_harness.h"

#include "api/buffer.h"
#include "api/fixed_limit.h"
#include "api/nearest.h"
#include "api/options.h"

static struct api_settings settings;
static struct api_session *session;

static void set_up(void)
{
    cr_assert(api_settings_init(&settings, NULL));
    settings.limits.max_kernel = 31;
    session = api_session_new(&settings, &parallel_serial);
    cr_assert(session);
}

static void tear_down(void)
{
    api_session_free(session);
}

TestSuite(contract, .init = set_up, .fini = tear_down);

#define ANIMATION(query_) GET("/v1/animation", query_)
#define LAYERS(layers)    PART("config", "{\"layers\":[" layers "]}") END
#define CIRCLE(query_)    GET("/v1/extract", "input=circle&" query_)

/* ---- mistakes ---- */

/* The only fault: its place, value (as JSON) and what is said of it. */
static const struct {
    struct ask ask;
    const char *code, *place, *value,
        *detail; /* place "": it is nowhere in particular */
} mistakes[] = {
    /* what newcomers do */
    {{.method = "GET", .path = "/v1/extrac"},
     "not_found",
     "",
     NULL,
     "there is nothing at this path; did you mean /v1/extract?"},
    {POST("", FORM, PART("image", "in.png") END), "image_format_unsupported", "image",
     NULL,
     "the image is the text 'in.png', no PNG, JPEG, WebP or .npy; to send a file "
     "write image=@in.png"},
    {POST("", NULL, "\x89PNG\x1a\x0d\x49\x48"), "image_undecodable", "image", NULL,
     "damaged, as by a transfer as text (curl: --data-binary, not -d)"},
    {POST("input=circle", FORM, PART("config", "net.json") END), "json_malformed", "",
     NULL,
     "config is the text 'net.json', no JSON; to send a file write "
     "config=@net.json"},

    /* limits name the option or the layer */
    {POST("input=circle&size=2000", FORM,
          LAYERS("{\"type\":\"conv2d\",\"filters\":2,\"kernel_size\":3},"
                 "{\"type\":\"conv2d\",\"filters\":4096,\"kernel_size\":31}")),
     "plan_too_large", "/layers/1",
     "{\"type\":\"conv2d\",\"filters\":4096,"
     "\"kernel_size\":31}",
     "the network takes 3"},
    {CIRCLE("resize=20000,10"), "image_too_many_pixels", "resize", "\"20000,10\"",
     "the resized image is 10x20000 pixels; the limit is 12000"},
    {CIRCLE("resize=9000"), "image_too_many_pixels", "resize", "\"9000\"", "81000000"},
    {CIRCLE("size=12000"), "image_too_many_pixels", "size", "\"12000\"", "144000000"},
    {CIRCLE("format=figure&figsize=99,99&dpi=2000"), "plan_too_large", "figsize",
     "\"99,99\"", "the figure is 198000x198000 pixels"},
    {{.method = "POST", .path = "/v1/plan", .query = "input_shape=20000,10,1"},
     "plan_too_large",
     "input_shape",
     "\"20000,10,1\"",
     "the input is 20000x10x1"},
    {POST("input=circle", FORM,
          LAYERS("{\"type\":\"up_sampling2d\",\"size\":1000,\"name\":\"u\"}")),
     "plan_too_large", "/layers/0",
     "{\"type\":\"up_sampling2d\",\"size\":1000,"
     "\"name\":\"u\"}",
     "layers[0] makes a map of 64000x64000x1"},
    {GET("/v1/inputs/circle.npy", "size=9000"), "option_invalid", "size", "\"9000\"",
     "size 9000x9000"},
    {GET("/v1/kernel.png", "kernel=[[1,2],[3]]"), "option_invalid", "kernel",
     "\"[[1,2],[3]]\"", "ragged"},

    /* values are told, whoever finds the fault */
    {CIRCLE("channel=9&stages=Filter"), "option_invalid", "channel", "\"9\"",
     "stage Filter: there is no channel 9"},
    {CIRCLE("layout=rgb"), "option_invalid", "layout", "\"rgb\"", "stage Input: rgb"},
    {CIRCLE("mean=1,2"), "option_invalid", "mean", "\"1,2\"", "mean has 2 numbers"},
    {CIRCLE("stage=Nope"), "option_invalid", "stage", "\"Nope\"",
     "there is no stage Nope; there are Input, Filter, Detect and Condense"},
    {CIRCLE("stage=Filtre"), "option_invalid", "stage", "\"Filtre\"",
     "there is no stage Filtre; did you mean Filter?"},
    {CIRCLE("stages=Filter,Input,Filter"), "option_invalid", "stages",
     "\"Filter,Input,Filter\"", "stages names Filter twice"},
    {CIRCLE("ops=Input,Input&format=npz"), "option_invalid", "ops", "\"Input,Input\"",
     "ops names Input twice"},
    {POST("input=circle", FORM,
          LAYERS("{\"type\":\"relu\",\"name\":\"a\"},{\"type\":\"relu\",\"name\":"
                 "\"a\"}")),
     "config_invalid", "/layers/1/name", "\"a\"",
     "layers[1].name 'a' is also the name of layers[0]"},
    {POST("input=circle", FORM,
          LAYERS("{\"type\":\"conv2d\",\"kernel_size\":[2,3],\"kernel\":\"edge\"}")),
     "config_invalid", "/layers/0/kernel_size", "[2,3]", "is 2x3, but kernel is 3x3"},
    {POST("input=circle", JSON,
          "{\"config\":{\"class_name\":\"Functional\",\"config\":{}}}"),
     "config_invalid", "/config/class_name", "\"Functional\"",
     "only Sequential models are supported"},
    {POST("input=circle", JSON,
          "{\"layers\":[{\"type\":\"max_pooling2d\",\"pool_size\":"
          "[30,31],\"strides\":1},{\"type\":\"conv2d\","
          "\"filters\":4,\"kernel_size\":3,\"groups\":2}]}"),
     "config_invalid", "/layers/1/groups", "2", "groups 2 does not divide"},

    /* faults are told once, in the words of the request */
    {ANIMATION("kernel_size=40,50"), "option_invalid", "kernel_size", "[40,50]",
     "kernel_size 40 is above the limit of 31"},
    {ANIMATION("op=max_pool&kernel_size=9"), "option_invalid", "kernel_size", "9",
     "kernel_size 9 is larger than the 7x7 input"},
    {POST("input=circle", FORM,
          LAYERS("{\"type\":\"conv2d\",\"kernel_size\":40,\"kernel\":\"edge\"}")),
     "config_invalid", "/layers/0/kernel_size", "40", "above the limit of 31"},

    /* options that contradict the input */
    {CIRCLE("x=3"), "option_invalid", "x", "\"3\"", "x is for input=two_dots"},
    {GET("/v1/extract", "input=two_dots&val=1"), "option_invalid", "val", "\"1\"",
     "val is for input=circle"},
    {POST("size=8", "image/png", "\x89PNG\r\n\x1a\n"), "option_invalid", "size",
     "\"8\"", "size is for a generated input"},
    {GET("/v1/inputs/circle.npy", "y=3"), "option_invalid", "y", "\"3\"",
     "y is for input=two_dots"},
    {GET("/v1/inputs/circle.png", "x=3"), "option_invalid", "x", "\"3\"",
     "x is for input=two_dots"},
    {GET("/v1/inputs/two_dots.npy", "seed=3"), "option_invalid", "seed", "\"3\"",
     "seed is for input=circle"},
    {GET("/v1/inputs/circle.npy", "colormap=gray"), "option_unknown", "colormap", NULL,
     "colormap is not an option"},
    {GET("/v1/inputs/circle.png", "kernel=edge"), "option_unknown", "kernel", NULL,
     "kernel is not an option"},
    {ANIMATION("rescale=2"), "option_invalid", "rescale", "\"2\"",
     "rescale is for an image, and there is none"},
    {{.method = "POST", .path = "/v1/plan", .query = "input_shape=8,8,1&resize=4"},
     "option_invalid",
     "resize",
     "\"4\"",
     "resize is for an image, and there is none"},
    {GET("/v1/extract", "input=none"), "option_invalid", "input", "\"none\"",
     "input must be circle or two_dots"},

    /* the name of something elsewhere */
    {ANIMATION("pool_size=2"), "option_unknown", "pool_size", NULL,
     "did you mean kernel_size?"},
    {POST("", FORM, PART("img", "x") END), "part_unknown", "img", NULL,
     "did you mean image?"},
    {CIRCLE("cmap=gray"), "option_unknown", "cmap", NULL, "did you mean colormap?"},
};

Test(contract, mistakes_have_place_value_and_reason)
{
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        struct api_reply reply = answer(session, &mistakes[i].ask);
        cr_assert(reply.status >= 400, "row %zu: %d", i, reply.status);
        cJSON *json = parse(&reply);
        const cJSON *errors = json_member(json, "errors");
        const cJSON *item = cJSON_GetArrayItem(errors, 0);
        const cJSON *value = json_member(item, "value");
        char *shown = value ? cJSON_PrintUnformatted(value) : NULL;
        const char *key = mistakes[i].place[0] == '/' ? "pointer" : "parameter";

        cr_expect_str_eq(text_of(json, "code"), mistakes[i].code, "row %zu", i);
        cr_expect(strstr(text_of(json, "detail"), mistakes[i].detail), "row %zu: %s", i,
                  text_of(json, "detail"));
        if (*mistakes[i].place) {
            cr_expect_eq(cJSON_GetArraySize(errors), 1, "row %zu: %s", i,
                         (char *)reply.body);
            cr_expect_str_eq(text_of(item, key), mistakes[i].place, "row %zu", i);
        }
        cr_expect_str_eq(shown ? shown : "", mistakes[i].value ? mistakes[i].value : "",
                         "row %zu", i);
        cJSON_free(shown);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

/* A limit that is no setting has its row in /v1/limits, and no env. */
Test(contract, fixed_limits_are_named)
{
    static const struct {
        const char *text, *repeated;
        size_t times;
        const char *code, *name;
    } rows[] = {
        {"", "[", 65, "json_malformed", "max_config_depth"},
        {"[1", ",1", 500000, "config_too_large", "max_config_values"},
        {"[", "{\"a\":1},", 65537, "config_too_large", "max_config_keys"},
        {"[{\"type\":\"relu\",\"name\":\"", "n", 129, "config_invalid",
         "max_name_bytes"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer body;
        buffer_init(&body, 1 << 22);
        buffer_text(&body, rows[i].text);
        for (size_t k = 0; k < rows[i].times; k++)
            buffer_text(&body, rows[i].repeated);
        buffer_text(&body, i == COUNT(rows) - 1 ? "\"}]" : "]");
        const struct ask ask = {.method = "POST",
                                .path = "/v1/extract",
                                .query = "input=circle",
                                .type = JSON,
                                .body = (const char *)body.bytes,
                                .body_size = body.size};
        struct api_reply reply = answer(session, &ask);
        cJSON *json = parse(&reply);
        const cJSON *limit = json_member(json, "limit");
        size_t row = 0;
        while (fixed_limit_row(row) &&
               strcmp(fixed_limit_row(row)->name, text_of(limit, "name")) != 0)
            row++;
        cr_expect_str_eq(text_of(json, "code"), rows[i].code);
        cr_expect_str_eq(text_of(limit, "name"), rows[i].name);
        cr_assert(fixed_limit_row(row), "%s", rows[i].name);
        cr_expect_eq(number_of(limit, "max"), fixed_limit_row(row)->max);
        cr_expect(number_of(limit, "actual") > fixed_limit_row(row)->max);
        cr_expect(!json_member(limit, "env"));
        cJSON_Delete(json);
        api_reply_release(&reply);
        buffer_release(&body);
    }
}

Test(contract, faults_in_a_text_have_line_and_column)
{
    static const struct {
        struct ask ask;
        double line, column;
    } rows[] = {
        {POST("input=circle", FORM, PART("config", "[\n {\"type\":}]") END), 2, 10},
        {POST("input=circle", JSON, "{\"gamma\":1,\n\n\"gamma\":2}"), 3, 1},
        {GET("/v1/extract", "input=circle&kernel=[[1,]]"), 1, 5},
        {GET("/v1/kernel.png", "kernel=[[1,]]"), 1, 5},
        {ANIMATION("kernel=[[1,]]"), 1, 5},
        {GET("/v1/extract", "generator={\"name\":}"), 1, 9},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = answer(session, &rows[i].ask);
        cr_assert(reply.status >= 400);
        cJSON *json = parse(&reply);
        const cJSON *item = cJSON_GetArrayItem(json_member(json, "errors"), 0);
        cr_expect_eq(number_of(item, "line"), rows[i].line, "row %zu: %s", i,
                     text_of(item, "detail"));
        cr_expect_eq(number_of(item, "column"), rows[i].column, "row %zu: %s", i,
                     text_of(item, "detail"));
        cr_expect_eq(number_of(json, "line"), rows[i].line);
        cr_expect_eq(number_of(json, "column"), rows[i].column);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

Test(contract, a_hint_knows_what_others_call_it)
{
    static const char *const layer[] = {"filters", "kernel_size", "strides", NULL};
    static const char *const lesson[] = {"conv_stride", "pool_stride", NULL};
    static const char *const kernel[] = {"edge", "bottom_sobel", "left_sobel", NULL};
    static const struct {
        const char *name, *const *known;
        const char *nearest;
    } rows[] = {
        {"soble", kernel, "bottom_sobel"},
        {"left_soble", kernel, "left_sobel"},
        {"so", kernel, NULL},
        {"edgy", kernel, "edge"},
        {"out_channels", layer, "filters"},
        {"stride", layer, "strides"},
        {"Pool-Size", layer, "kernel_size"},
        {"stride", lesson, "conv_stride"},
        {"out_channels", lesson, NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *found = nearest_of(rows[i].name, rows[i].known);
        cr_expect_str_eq(found ? found : "", rows[i].nearest ? rows[i].nearest : "",
                         "%s", rows[i].name);
    }
}

/* ---- options without use ---- */

static const struct {
    const char *query, *warning; /* NULL: there is none */
} uses[] = {
    {"figsize=3,3", "figsize does nothing here: it is for figures"},
    {"dpi=50", "dpi does nothing here"},
    {"titles=false", "titles does nothing here"},
    {"subplot_shape=1,4", "subplot_shape does nothing here"},
    {"shapes=true", "shapes does nothing here"},
    {"colorbar=true", "colorbar does nothing here"},
    {"figsize=3,3&format=figure", NULL},
    {"dpi=50&titles=false&format=svg", NULL},
    {"scale=2", NULL},
    {"scale=2&format=figure",
     "scale does nothing here: it is for pictures that are no"},
    {"colormap=gray&format=npz", "colormap does nothing here: it is for pictures"},
    {"colormap=gray&images=none", NULL}, /* the JSON says how it would be painted */
    {"images=none&format=png", "images does nothing here: it is for format=json"},
    {"values=list&format=png", "values does nothing here: it is for format=json"},
    {"range=0,1", NULL},
    {"range=0,1&normalize=stage",
     "normalize does nothing here: it is for pictures wit"},
    {"columns=2&layout=separate", "columns does nothing here: it is for pictures with"},
    {"columns=2&gap=0", NULL},
    {"resize_method=area", "resize_method does nothing here: it is for resize"},
    {"resize_method=area&resize=8", NULL},
};

Test(contract, options_without_use_are_warned_of)
{
    for (size_t i = 0; i < COUNT(uses); i++) {
        char query[160];
        snprintf(query, sizeof query, "input=circle&size=16&%s", uses[i].query);
        const struct ask ask = GET("/v1/extract", query);
        struct api_reply reply = answer(session, &ask);
        cr_assert_eq(reply.status, 200, "%s: %s", query, (char *)reply.body);
        const bool is_json = strcmp(reply.content_type, "application/json") == 0;
        cJSON *json = is_json ? parse(&reply) : NULL;
        const cJSON *first = cJSON_GetArrayItem(json_member(json, "warnings"), 0);
        const char *told = is_json ? json_string(first) : header(&reply, "X-Warning");
        if (uses[i].warning)
            cr_expect(told && strstr(told, uses[i].warning), "%s: %s", query, told);
        else
            cr_expect(!told, "%s: %s", query, told);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

/* ---- the reply ---- */

static cJSON *stages_of(const char *query, const char *type, const char *body)
{
    const struct ask ask = POST(query, type, body);
    struct api_reply reply = answer(session, &ask);
    cJSON *json = parse(&reply);

    cr_assert_eq(reply.status, 200, "%s", (char *)reply.body);
    api_reply_release(&reply);
    return json;
}

/* The layers of the lesson run together. Their time is told, whatever is shown. */
Test(contract, no_time_is_lost)
{
    static const char *const shown[] = {"Input,Filter,Detect,Condense", "Filter",
                                        "Detect,Filter", "Input,Detect", "Condense"};

    for (size_t i = 0; i < COUNT(shown); i++) {
        char query[80];
        snprintf(query, sizeof query, "input=circle&images=none&stages=%s", shown[i]);
        cJSON *json = stages_of(query, NULL, NULL);
        const cJSON *times = json_member(json, "timing_ms"), *time, *stage;
        double sum = 0, layers = 0;
        cJSON_ArrayForEach(time, times) sum += time->valuedouble;
        cJSON_ArrayForEach(
            stage,
            json_member(
                json, "stages")) if (cJSON_IsNumber(json_member(stage, "duration_ms")))
            layers += number_of(stage, "duration_ms");
        cr_expect_float_eq(sum, 2 * number_of(times, "total"), 0.01, "%s", shown[i]);
        cr_expect(layers > 0 && layers <= number_of(times, "compute"), "%s", shown[i]);
        cJSON_Delete(json);
    }
}

/* Of one map or of three in their own colours there is no mosaic. */
Test(contract, only_a_mosaic_has_columns)
{
    static const struct {
        const char *query;
        double columns[2], gap[2]; /* of Input, in colour, and of 8 filters */
    } rows[] = {
        {"", {1, 3}, {0, 1}},
        {"&gap=4&columns=2", {1, 2}, {0, 4}},
        {"&layout=separate", {1, 1}, {0, 0}},
        {"&channel=0", {1, 1}, {0, 0}},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char query[80];
        snprintf(query, sizeof query, "input=circle&color=rgb&images=none%s",
                 rows[i].query);
        cJSON *json =
            stages_of(query, FORM,
                      LAYERS("{\"type\":\"conv2d\",\"filters\":8,\"kernel_size\":3}"));
        for (int k = 0; k < 2; k++) {
            const cJSON *render = json_member(
                cJSON_GetArrayItem(json_member(json, "stages"), k), "render");
            cr_expect_eq(number_of(render, "columns"), rows[i].columns[k], "%s %d",
                         rows[i].query, k);
            cr_expect_eq(number_of(render, "gap"), rows[i].gap[k], "%s %d",
                         rows[i].query, k);
        }
        cJSON_Delete(json);
    }
}

/* What the message of a window that is too large promises is true. */
Test(contract, an_animation_of_the_size_that_is_told_is_drawn)
{
    static const struct ask large = ANIMATION("input=circle&size=900,700&max_frames=2");
    struct api_reply reply = answer(session, &large);
    cJSON *json = parse(&reply);
    unsigned height = 0, width = 0;
    const char *said = strchr(text_of(json, "detail"), ';');

    cr_expect_str_eq(text_of(json, "code"), "plan_too_large");
    cr_assert(said && sscanf(said, "; %ux%u of them", &height, &width) == 2, "%s",
              said);
    cJSON_Delete(json);
    api_reply_release(&reply);

    char query[80];
    snprintf(query, sizeof query, "input=circle&size=900,700&max_frames=2&resize=%u,%u",
             height, width);
    const struct ask resized = ANIMATION(query);
    reply = answer(session, &resized);
    cr_expect_eq(reply.status, 200, "%s", query);
    api_reply_release(&reply);
}

/* What one needs no key for is said where the routes are. */
Test(contract, problems_are_open)
{
    static const struct {
        const char *path;
        bool open;
    } rows[] = {{"/problems/config_invalid", true},
                {"/v1/kernels", false},
                {"/v1/extract", false}};

    for (size_t i = 0; i < COUNT(rows); i++)
        cr_expect_eq(api_route("GET", rows[i].path).open, rows[i].open, "%s",
                     rows[i].path);
}
