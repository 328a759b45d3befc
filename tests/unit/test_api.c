/* test_api.c - requests to replies, without sockets. */
#include "api/api.h"

#include "tests/unit/api_harness.h"

#include "api/colormap.h"
#include "api/fixed_limit.h"
#include "api/preset.h"
#include "engine/layer.h"

static struct api_settings settings;
static struct api_session *session;

static void set_up(void)
{
    cr_assert(api_settings_init(&settings, NULL));
    cr_assert((session = api_session_new(&settings, &parallel_serial)));
}

static void tear_down(void)
{
    api_session_free(session);
}

TestSuite(api, .init = set_up, .fini = tear_down);

static struct api_reply get(const char *path, const char *query)
{
    return answer(session, &(struct ask)GET(path, query));
}

/* ---- the lesson ---- */

struct lesson {
    const char *query;
    double side[4]; /* of Input, Filter, Detect, Condense */
    const char *condense;
};

static void expect_stages(const struct lesson *lesson, const cJSON *stages)
{
    static const char *const names[] = {"Input", "Filter", "Detect", "Condense"};

    cr_assert_eq(cJSON_GetArraySize(stages), 4);
    for (int i = 0; i < 4; i++) {
        const cJSON *stage = cJSON_GetArrayItem(stages, i);
        const cJSON *shape = json_member(stage, "shape");
        const cJSON *picture = cJSON_GetArrayItem(json_member(stage, "images"), 0);
        const double expected[] = {lesson->side[i], lesson->side[i], 1};

        cr_expect_str_eq(text_of(stage, "name"), names[i]);
        cr_expect_eq(number_of(stage, "index"), i);
        for (int k = 0; k < 3; k++)
            cr_expect_eq(cJSON_GetNumberValue(cJSON_GetArrayItem(shape, k)),
                         expected[k], "%s: %s", lesson->query, names[i]);
        cr_expect_eq(number_of(picture, "width"), lesson->side[i]);
    }
}

Test(api, the_lesson_in_one_line)
{
    static const struct lesson lessons[] = {
        {"input=circle&size=64&r_shrink=3&val=1",
         {64, 62, 62, 31},
         "tests/data/lesson/s1_condense.npy"},
        {"input=circle&size=64&r_shrink=3&val=1&conv_stride=3",
         {64, 21, 21, 11},
         "tests/data/lesson/s3_condense.npy"},
    };
    char query[128];

    for (size_t i = 0; i < COUNT(lessons); i++) {
        struct api_reply reply = get("/v1/extract", lessons[i].query);
        cr_assert_eq(reply.status, 200);
        cJSON *json = parse(&reply);
        expect_stages(&lessons[i], json_member(json, "stages"));
        cJSON_Delete(json);
        api_reply_release(&reply);

        const struct bytes file = read_file(lessons[i].condense);
        const size_t n = (size_t)(lessons[i].side[3] * lessons[i].side[3]) * 4;
        snprintf(query, sizeof query, "%s&format=npy", lessons[i].query);
        reply = get("/extract", query);
        cr_assert(reply.status == 200 && reply.body_size > n && file.size > n);
        cr_expect_arr_eq((char *)reply.body + reply.body_size - n,
                         file.data + file.size - n, n);
        api_reply_release(&reply);
        free_file(file);
    }
}

/* ---- routes ---- */

Test(api, routes_by_method_and_path)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *allow; /* of a 405 */
    } rows[] = {
        {"HEAD", "/v1/layers", 200, ""},
        {"POST", "/v1/layers", 405, "GET, HEAD, OPTIONS"},
        {"get", "/v1/layers", 405, "GET, HEAD, OPTIONS"},
        {"HEAD", "/v1/plan", 405, "POST, OPTIONS"},
        {"DELETE", "/v1/extract", 405, "GET, HEAD, POST, OPTIONS"},
        {"PUT", "/extract", 405, "GET, HEAD, POST, OPTIONS"},
        {"GET", "/v1/kernels/edge", 200, ""},
        {"GET", "/v1/kernels/edgy", 404, ""},
        {"GET", "/v1/kernels/", 404, ""},
        {"GET", "/v1/kernels/edge/", 404, ""},
        {"GET", "/v1/kernels/Edge", 404, ""},
        {"GET", "/problems/config_invalid", 200, ""},
        {"GET", "/problems/none", 404, ""},
        {"GET", "/problems", 404, ""},
        {"GET", "/v1/inputs/two_dots.png", 200, ""},
        {"GET", "/v1/inputs/circle.gif", 404, ""},
        {"GET", "/v1/extract/", 404, ""},
        {"GET", "/V1/layers", 404, ""},
        {"GET", "", 404, ""},
        {"POST", "/nowhere", 404, ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct ask ask = {.method = rows[i].method, .path = rows[i].path};
        struct api_reply reply = answer(session, &ask);
        const char *allow = header(&reply, "Allow");
        cr_expect_eq(reply.status, rows[i].status, "%s %s: %d", rows[i].method,
                     rows[i].path, reply.status);
        cr_expect_str_eq(allow ? allow : "", rows[i].allow);
        api_reply_release(&reply);
    }
}

Test(api, head_is_get)
{
    struct ask ask = GET("/v1/extract", "input=circle&format=png");
    struct api_reply full = answer(session, &ask);

    ask.method = "HEAD";
    struct api_reply head = answer(session, &ask);
    cr_expect(same_body(&head, &full));
    cr_expect_str_eq(head.content_type, full.content_type);
    cr_assert_eq(head.n_headers, full.n_headers);
    for (size_t i = 0; i < head.n_headers; i++)
        cr_expect_str_eq(head.headers[i].value, full.headers[i].value);
    api_reply_release(&head);
    api_reply_release(&full);
}

Test(api, what_is_cacheable_has_a_tag)
{
    static const struct {
        const char *before, *after; /* of the tag, in If-None-Match */
        int status;
    } rows[] = {
        {"", "", 304}, {"W/", "", 304}, {"\"0\", ", ", \"1\"", 304}, {"\"0", "", 200}};
    struct ask ask = GET("/v1/extract", "input=circle&format=png");
    struct api_reply first = answer(session, &ask);
    const char *tag = header(&first, "ETag");
    char condition[64];

    cr_assert(tag && tag[0] == '"' && header(&first, "Cache-Control"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *bare = rows[i].status == 304 ? tag : tag + 1;
        snprintf(condition, sizeof condition, "%s%s%s", rows[i].before, bare,
                 rows[i].after);
        ask.tag = condition;
        struct api_reply next = answer(session, &ask);
        cr_expect_eq(next.status, rows[i].status, "%s", condition);
        cr_expect_eq(next.body_size, first.body_size); /* for its Content-Length */
        cr_expect_str_eq(header(&next, "ETag"), tag);
        api_reply_release(&next);
    }
    api_reply_release(&first);
}

Test(api, posts_and_failures_have_no_tag)
{
    static const struct ask asks[] = {POST("input=circle", NULL, NULL),
                                      GET("/v1/extract", "input=square"),
                                      GET("/nowhere", NULL)};

    for (size_t i = 0; i < COUNT(asks); i++) {
        struct ask ask = asks[i];
        ask.tag = "*";
        struct api_reply reply = answer(session, &ask);
        cr_expect(reply.status != 304 && !header(&reply, "ETag"));
        api_reply_release(&reply);
    }
}

/* ---- catalogues ---- */

static const char *layer_name(size_t i)
{
    return layer_kind_at(i) ? layer_kind_at(i)->class_name : NULL;
}

static const char *kernel_name(size_t i)
{
    return named_kernel_at(i) ? named_kernel_at(i)->name : NULL;
}

static const char *colormap_name(size_t i)
{
    return colormap_at(i) ? colormap_at(i)->name : NULL;
}

/* Settings first. */
static const char *limit_name(size_t i)
{
    size_t n = 0;

    while (limits_row(n))
        n++;
    if (i < n)
        return limits_row(i)->name;
    return fixed_limit_row(i - n) ? fixed_limit_row(i - n)->name : NULL;
}

static const char *preset_name_at(size_t i)
{
    return preset_name(NULL, i);
}

/* Only those that a document may name. */
static const char *activation_name(size_t n)
{
    for (size_t i = 0; activation_row(i); i++)
        if (activation_row(i)->keras != KERAS_NONE && n-- == 0)
            return activation_row(i)->name;
    return NULL;
}

Test(api, catalogues_list_every_row)
{
    static const struct {
        const char *path, *member, *key;
        const char *(*name)(size_t i);
    } rows[] = {
        {"/v1/layers", "layers", "class_name", layer_name},
        {"/v1/activations", "activations", "name", activation_name},
        {"/v1/kernels", "kernels", "name", kernel_name},
        {"/v1/colormaps", "colormaps", "name", colormap_name},
        {"/v1/limits", "limits", "name", limit_name},
        {"/v1/presets", "presets", "name", preset_name_at},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = get(rows[i].path, "");
        cr_assert_eq(reply.status, 200);
        cJSON *json = parse(&reply);
        const cJSON *list = json_member(json, rows[i].member);
        size_t n = 0;
        for (; rows[i].name(n); n++)
            cr_expect_str_eq(text_of(cJSON_GetArrayItem(list, (int)n), rows[i].key),
                             rows[i].name(n), "%s", rows[i].path);
        cr_expect_eq((size_t)cJSON_GetArraySize(list), n, "%s", rows[i].path);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

/* ---- problems ---- */

struct bad {
    struct ask ask;
    const char *code, *place; /* a pointer, a parameter, or "" */
};

#define LAYERS(text) "{\"layers\":[" text "]}"
#define POOL         "{\"type\":\"max_pooling2d\"}"

static const struct bad bad_requests[] = {
    {GET("/v1/extract", ""), "part_missing", "image"},
    {GET("/v1/extract", "input=square"), "option_invalid", "input"},
    {GET("/v1/extract", "input=circle&stride=2"), "option_unknown", "stride"},
    {GET("/v1/extract", "input=circle&size=8&size=9"), "part_duplicate", "size"},
    {GET("/v1/extract", "input=circle&size=%zz"), "request_malformed", ""},
    {GET("/v1/extract", "input=circle&size=%ff"), "option_invalid", "size"},
    {GET("/v1/extract", "input=circle&kernel=edgy"), "option_invalid", "kernel"},
    {GET("/v1/extract", "input=circle&kernel=[[1,2],[3]]"), "option_invalid", "kernel"},
    {GET("/v1/extract", "input=circle&conv_stride=0"), "option_invalid", "conv_stride"},
    {GET("/v1/extract", "input=circle&activation=rectifier"), "option_invalid",
     "activation"},
    {GET("/v1/extract", "input=circle&pool_padding=full"), "option_invalid",
     "pool_padding"},
    {GET("/v1/extract", "input=circle&stage=Pool"), "option_invalid", "stage"},
    {GET("/v1/extract", "input=circle&ops=Input,Pool"), "option_invalid", "ops"},
    {GET("/v1/inputs/two_dots.npy", "size=4&x=4&y=1"), "option_invalid", "x"},
    {{.method = "GET",
      .path = "/v1/extract",
      .query = "input=circle",
      .accept = "text/html"},
     "not_acceptable",
     ""},
    {POST("", "text/plain", "x"), "media_type_unsupported", ""},
    {POST("", "image/png", "GIF89a"), "image_format_unsupported", "image"},
    {POST("", "image/png", "\x89PNG\r\n\x1a\n"), "image_undecodable", "image"},
    {POST("", FORM, PART("image", "x")), "multipart_malformed", ""},
    {POST("", FORM, PART("picture", "x") END), "part_unknown", "picture"},
    {POST("", FORM, PART("gamma", "1") PART("gamma", "1") END), "part_duplicate",
     "gamma"},
    {POST("input=circle", FORM, PART("weights", "x") END), "weights_invalid",
     "weights"},
    {POST("input=circle", FORM, PART("config", "{") END), "json_malformed", ""},
    {POST("input=circle", FORM,
          PART("config", LAYERS(POOL ",{\"type\":\"pool\"}")) END),
     "config_invalid", "/layers/1/type"},
    {POST("input=circle", FORM,
          PART("config", "[{\"type\":\"max_pooling2d\",\"pool_size\":99}]") END),
     "config_invalid", "/0/pool_size"},
    {POST("input=circle&conv_stride=2", FORM, PART("config", LAYERS(POOL)) END),
     "option_invalid", "conv_stride"},
    {POST("input=circle", JSON,
          "{\"config\":{\"layers\":[{\"type\":\"conv2d\",\"filters\":-1,"
          "\"kernel_size\":3}]}}"),
     "config_invalid", "/config/layers/0/filters"},
    {POST("input=circle", JSON, "{\"gamma\":\"x\"}"), "option_invalid", "/gamma"},
    {{.method = "POST", .path = "/v1/plan", .query = ""}, "part_missing", "image"},
    {GET("/v1/kernels/bottom", NULL), "not_found", ""},
    {{.method = "PUT", .path = "/v1/plan"}, "method_not_allowed", ""},
};

static int status_of(const char *code)
{
    for (int i = ERROR_NONE + 1; i < ERROR_COUNT; i++)
        if (strcmp(error_code_name((enum error_code)i), code) == 0)
            return error_code_status((enum error_code)i);
    return 0;
}

/* What every problem document says; its first place, or "". */
static cJSON *expect_problem(const struct api_reply *reply, const char **place)
{
    cJSON *json = parse(reply);
    const char *code = text_of(json, "code");
    const cJSON *item = cJSON_GetArrayItem(json_member(json, "errors"), 0);
    const char *key = json_member(item, "pointer") ? "pointer" : "parameter";

    cr_expect_str_eq(reply->content_type, "application/problem+json");
    cr_expect_str_eq(header(reply, "X-Error-Code"), code);
    cr_expect_str_eq(error_code_name(reply->error), code);
    cr_expect_eq(number_of(json, "status"), reply->status);
    cr_expect_eq(status_of(code), reply->status);
    cr_expect_str_eq(strrchr(text_of(json, "type"), '/') + 1, code);
    cr_expect_str_eq(text_of(json, "request_id"), "test-1");
    cr_expect_str_eq(text_of(json, "error"), text_of(json, "detail"));
    *place = item ? text_of(item, key) : "";
    return json;
}

Test(api, problems_name_what_is_wrong_and_where)
{
    for (size_t i = 0; i < COUNT(bad_requests); i++) {
        const struct bad *bad = &bad_requests[i];
        struct api_reply reply = answer(session, &bad->ask);
        const char *place;
        cr_assert(reply.status >= 400, "row %zu: %d", i, reply.status);
        cJSON *json = expect_problem(&reply, &place);
        cr_expect_str_eq(text_of(json, "code"), bad->code, "row %zu: %s", i,
                         text_of(json, "detail"));
        cr_expect_str_eq(place, bad->place, "row %zu: %s", i, text_of(json, "detail"));
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

/* Faults of a document's options and of its layers are told together. */
Test(api, options_hide_no_layers)
{
    static const char body[] =
        "{\"config\":{\"layers\":[{\"type\":\"conv2d\",\"filters\":0,\"kernel_size\":"
        "3},{\"type\":\"conv9d\"}],\"render\":{\"gap\":-1},\"gammma\":1},"
        "\"layers\":[],\"scale\":0}";
    static const char *const pointers[] = {
        "/scale",  "/config/render/gap",       "/config/gammma",
        "/layers", "/config/layers/0/filters", "/config/layers/1/type"};
    const struct ask ask = POST("input=circle", JSON, body);
    struct api_reply reply = answer(session, &ask);
    cJSON *json = parse(&reply);
    const cJSON *errors = json_member(json, "errors");

    cr_expect_eq(reply.status, 422);
    cr_assert_eq(cJSON_GetArraySize(errors), COUNT(pointers), "%s", (char *)reply.body);
    for (size_t i = 0; i < COUNT(pointers); i++) {
        const cJSON *item = errors->child;
        while (item && strcmp(text_of(item, "pointer"), pointers[i]) != 0)
            item = item->next;
        cr_expect(item, "%s: %s", pointers[i], (char *)reply.body);
    }
    cJSON_Delete(json);
    api_reply_release(&reply);
}
