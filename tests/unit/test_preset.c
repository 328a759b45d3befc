/* test_preset.c - the ready-made networks: what they cost, that they run, how they are
 * asked for; and the schema of configs as a document. */
#include "api/preset.h"

#include "tests/unit/api_harness.h"

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

TestSuite(preset, .init = set_up, .fini = tear_down);

static struct api_reply get(const char *path, const char *query)
{
    return answer(session, &(struct ask)GET(path, query));
}

/* expected ends at its first 0. */
static bool is_shape(const cJSON *shape, const double *expected)
{
    int n = 0;

    while (n < 3 && expected[n] > 0)
        n++;
    if (cJSON_GetArraySize(shape) != n)
        return false;
    for (int i = 0; i < n; i++)
        if (cJSON_GetNumberValue(cJSON_GetArrayItem(shape, i)) != expected[i])
            return false;
    return true;
}

/* Parameters and last shape as Keras has them: keras.applications' summaries, LeNet's
 * known 61,706, 9 of a 3 x 3 kernel. */
static const struct fact {
    const char *name, *input;
    double params, shape[3];
} facts[] = {
    {"lesson", "64,64,1", 9, {31, 31, 1}},
    {"lesson_stride3", "64,64,1", 9, {11, 11, 1}},
    {"edges", "64,64,1", 81, {64, 64, 9}},
    {"pyramid", "64,64,1", 36, {4, 4, 1}},
    {"lenet", "32,32,1", 61706, {10}},
    {"vgg16_block1", "224,224,3", 38720, {112, 112, 64}},
    {"vgg16", "224,224,3", 14714688, {7, 7, 512}},
    {"vgg19", "224,224,3", 20024384, {7, 7, 512}},
    {"resnet50_stem", "224,224,3", 9728, {56, 56, 64}},
    {"mobilenet_stem", "224,224,3", 13248, {56, 56, 128}},
};

Test(preset, costs_what_keras_says)
{
    char query[128];
    size_t n = 0;

    for (; n < COUNT(facts) && preset_at(n); n++) {
        const struct fact *fact = &facts[n];
        cr_expect_str_eq(preset_at(n)->name, fact->name);
        snprintf(query, sizeof query, "preset=%s&input_shape=%s", fact->name,
                 fact->input);
        const struct ask ask = {.method = "POST", .path = "/v1/plan", .query = query};
        struct api_reply reply = answer(session, &ask);
        cr_assert_eq(reply.status, 200, "%s: %s", query, (char *)reply.body);
        cJSON *json = parse(&reply);
        const cJSON *layers = json_member(json, "layers");
        const cJSON *last = cJSON_GetArrayItem(layers, cJSON_GetArraySize(layers) - 1);
        cr_expect_eq(number_of(json_member(json, "totals"), "params"), fact->params,
                     "%s: %.0f", fact->name,
                     number_of(json_member(json, "totals"), "params"));
        cr_expect(is_shape(json_member(last, "shape"), fact->shape), "%s", fact->name);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
    cr_expect(n == COUNT(facts) && !preset_at(n));
}

enum { SIDE = 32, HEADER = 128 };

/* An .npy file of SIDE x SIDE pixels of ramps, uint8. Returns its size. */
static size_t make_image(unsigned char file[HEADER + SIDE * SIDE * 3], size_t channels)
{
    const size_t n = SIDE * SIDE * channels;
    char dict[HEADER];

    snprintf(dict, sizeof dict,
             "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d, %zu), }", SIDE,
             SIDE, channels);
    memcpy(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    snprintf((char *)file + 10, HEADER - 9, "%-117.117s\n", dict);
    for (size_t i = 0; i < n; i++)
        file[HEADER + i] = (unsigned char)(7 * i);
    return HEADER + n;
}

/* Every stage of each is there, and all its numbers are finite. */
Test(preset, runs)
{
    unsigned char image[HEADER + SIDE * SIDE * 3];
    char query[160];

    for (size_t i = 0; preset_at(i); i++) {
        const size_t channels = strstr(facts[i].input, ",224,3") ? 3 : 1;
        snprintf(query, sizeof query, "preset=%s&images=none", preset_at(i)->name);
        const struct ask ask = {.method = "POST",
                                .path = "/v1/extract",
                                .query = query,
                                .body = (const char *)image,
                                .body_size = make_image(image, channels)};
        struct api_reply reply = answer(session, &ask);
        cr_assert_eq(reply.status, 200, "%s: %s", query, (char *)reply.body);
        cJSON *stage, *json = parse(&reply);
        cr_expect_gt(cJSON_GetArraySize(json_member(json, "stages")), 2);
        cJSON_ArrayForEach(stage, json_member(json, "stages"))
        {
            const cJSON *stats = json_member(stage, "stats");
            cr_expect(number_of(stats, "nan") == 0 && number_of(stats, "inf") == 0,
                      "%s: %s", query, text_of(stage, "name"));
        }
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

/* Options of the lesson that give what a preset gives. */
Test(preset, the_lessons_are_the_lesson)
{
    static const char *const pairs[][2] = {{"preset=lesson", ""},
                                           {"preset=lesson_stride3", "conv_stride=3"}};
    char query[160];

    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct api_reply replies[2];
        for (size_t k = 0; k < 2; k++) {
            snprintf(query, sizeof query, "input=circle&r_shrink=3&val=1&format=npz&%s",
                     pairs[i][k]);
            replies[k] = get("/v1/extract", query);
            cr_assert_eq(replies[k].status, 200, "%s", query);
        }
        cr_expect(same_body(&replies[0], &replies[1]), "%s", pairs[i][0]);
        api_reply_release(&replies[0]);
        api_reply_release(&replies[1]);
    }
}

/* In the query, a form, a document; as the document that GET /v1/presets/ gives. */
Test(preset, is_an_option_like_any_other)
{
    static const char query[] = "input=circle&format=png&stage=detect&size=8&val=1";
    struct api_reply config = get("/v1/presets/edges", "");
    const struct ask asks[] = {
        POST("input=circle&format=png&stage=detect&size=8&val=1&preset=edges", NULL,
             NULL),
        POST(query, FORM, PART("preset", "edges") END),
        POST(query, FORM, PART("config", "{\"preset\":\"edges\"}") END),
        POST(query, JSON, "{\"preset\":\"edges\"}"),
        POST(query, JSON, "{\"config\":{\"render\":{\"preset\":\"edges\"}}}"),
        {.method = "POST",
         .path = "/v1/extract",
         .query = query,
         .type = JSON,
         .body = config.body,
         .body_size = config.body_size},
    };
    struct api_reply first = answer(session, &asks[0]);

    cr_assert_eq(first.status, 200, "%s", (char *)first.body);
    for (size_t i = 1; i < COUNT(asks); i++) {
        struct api_reply reply = answer(session, &asks[i]);
        cr_expect(same_body(&first, &reply), "row %zu: %d", i, reply.status);
        api_reply_release(&reply);
    }
    api_reply_release(&first);
    api_reply_release(&config);
}

Test(preset, says_what_is_wrong)
{
    static const struct {
        struct ask ask;
        int status;
        const char *code, *detail;
    } rows[] = {
        {GET("/v1/extract", "input=circle&preset=vgg61"), 422, "option_invalid",
         "preset must be lesson, lesson_stride3, edges, pyramid, lenet, vgg16_block1, "
         "vgg16, vgg19, resnet50_stem or mobilenet_stem; did you mean vgg16?"},
        {POST("input=circle&preset=vgg16", FORM,
              PART("config", "[{\"type\":\"relu\"}]") END),
         422, "option_invalid", "preset stands beside layers: one of them is too many"},
        {GET("/v1/extract", "input=circle&preset=vgg16&conv_stride=2"), 422,
         "option_invalid",
         "conv_stride is for the pipeline that stands in when no layers are given; "
         "here a layer has it"},
        {GET("/v1/extract", "input=circle&preset=vgg16&preset=vgg19"), 400,
         "part_duplicate", "preset is given twice"},
        {GET("/v1/presets/vgg61", ""), 404, "not_found",
         "there is no preset of that name; did you mean vgg16?"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = answer(session, &rows[i].ask);
        cJSON *json = parse(&reply);
        cr_expect_eq(reply.status, rows[i].status, "row %zu", i);
        cr_expect_str_eq(text_of(json, "code"), rows[i].code);
        cr_expect_str_eq(text_of(json, "detail"), rows[i].detail);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

/* The strict reader takes the schema, and every kind of layer has its definition;
 * tests/schema/ asks a validator. */
Test(preset, the_schema_defines_every_kind)
{
    struct api_reply reply = get("/v1/config.schema.json", "");
    const char *tag = header(&reply, "ETag");

    cr_assert_eq(reply.status, 200);
    cr_expect_str_eq(reply.content_type, "application/schema+json");
    cr_expect(tag && tag[0] == '"');
    cJSON *json = parse(&reply);
    const cJSON *defs = json_member(json, "$defs");
    for (size_t i = 0; layer_kind_at(i); i++) {
        const cJSON *def = json_member(defs, layer_kind_at(i)->class_name);
        const cJSON *members = json_member(def, "properties");
        cr_expect_str_eq(text_of(def, "description"), layer_kind_at(i)->what);
        for (const struct layer_param *param = layer_kind_at(i)->params; param->name;
             param++)
            cr_expect(json_member(members, param->name), "%s.%s",
                      layer_kind_at(i)->class_name, param->name);
    }
    cJSON_Delete(json);
    api_reply_release(&reply);
}
