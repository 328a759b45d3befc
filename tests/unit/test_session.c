/* test_session.c - what holds for every request on a session: the same bytes on every
 * CPU and any threads, memory as planned, no trace of the one before, no crash. */
#include "api/api.h"

#include "tests/unit/api_harness.h"
#include "tests/unit/odd_parallel.h"

#include "api/buffer.h"
#include "api/safetensors.h"

static struct api_settings settings;

static void set_up(void)
{
    cr_assert(api_settings_init(&settings, NULL));
}

TestSuite(session, .init = set_up);

static struct api_session *new_session(const struct parallel *parallel)
{
    struct api_session *session = api_session_new(&settings, parallel);

    cr_assert(session);
    return session;
}

static struct api_reply answer_alone(const struct ask *ask,
                                     const struct parallel *parallel)
{
    struct api_session *session = new_session(parallel);
    struct api_reply reply = answer(session, ask);

    api_session_free(session);
    return reply;
}

/* ---- the same bytes ---- */

#define NETWORK                                                                        \
    "[{\"type\":\"conv2d\",\"filters\":19,\"kernel_size\":[3,5],\"padding\":\"same\"," \
    "\"activation\":\"tanh\"},"                                                        \
    "{\"type\":\"average_pooling2d\",\"pool_size\":3,\"padding\":\"same\"},"           \
    "{\"type\":\"conv2d\",\"filters\":5,\"kernel_size\":2,\"strides\":2,"              \
    "\"activation\":\"sigmoid\"},"                                                     \
    "{\"type\":\"max_pooling2d\"},{\"type\":\"activation\","                           \
    "\"activation\":\"softmax\"}]"

Test(session, every_cpu_and_any_threads_give_the_same_bytes)
{
    static const struct ask asks[] = {
        GET("/v1/extract", "input=circle&size=151&format=npz"),
        GET("/v1/extract", "input=circle&size=90,210&conv_stride=3&format=npy"),
        GET("/v1/extract", "input=circle&size=99&gamma=0.7&format=png"),
        POST("input=circle&size=97,151&format=npz", JSON, NETWORK),
        POST("input=circle&size=97&split_activation=true&format=npz", JSON, NETWORK),
        POST("input=circle&size=97&format=zip", JSON, NETWORK),
    };
    const struct parallel *const parallels[] = {&parallel_serial, &odd_parallel};

    for (size_t i = 0; i < COUNT(asks); i++) {
        settings.kernels = kernels_nth(0);
        struct api_reply first = answer_alone(&asks[i], &parallel_serial);
        cr_assert_eq(first.status, 200);
        for (size_t k = 0; (settings.kernels = kernels_nth(k)); k++)
            for (size_t p = 0; p < COUNT(parallels); p++) {
                struct api_reply reply = answer_alone(&asks[i], parallels[p]);
                cr_expect(same_body(&first, &reply), "row %zu on %s, %zu slots", i,
                          settings.kernels->name, parallels[p]->width);
                api_reply_release(&reply);
            }
        api_reply_release(&first);
    }
}

/* ---- limits ---- */

Test(session, limits_are_met_before_anything_is_decoded)
{
    static const struct {
        struct ask ask;
        const char *code, *limit;
    } rows[] = {
        {GET("/v1/extract", "input=circle&size=3000"), "plan_too_large",
         "max_request_memory"},
        {GET("/v1/extract", "input=circle&size=12000"), "image_too_many_pixels",
         "max_pixels"},
        {POST("input=circle&size=999", JSON, NETWORK), "plan_too_large", "max_macs"},
        {POST("input=circle&layout=separate", JSON, NETWORK), "plan_too_large",
         "max_images"},
    };

    settings.limits.max_request_memory = 64 * MIB;
    settings.limits.max_macs = 1e8;
    settings.limits.max_images = 10;
    struct api_session *session = new_session(&parallel_serial);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = answer(session, &rows[i].ask);
        cJSON *json = parse(&reply);
        const cJSON *limit = json_member(json, "limit");
        cr_expect_str_eq(text_of(json, "code"), rows[i].code);
        cr_expect_str_eq(text_of(limit, "name"), rows[i].limit, "row %zu: %s", i,
                         text_of(json, "detail"));
        cr_expect_gt(number_of(limit, "actual"), number_of(limit, "max"));
        cr_expect_eq(strncmp(text_of(limit, "env"), "CONVSCOPE_MAX_", 14), 0);
        cr_expect(reply.ms.decode == 0 && reply.ms.compute == 0 && reply.pixels == 0);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
    api_session_free(session);
}

/* Given exactly the memory that a refusal says it takes, a request must do with it. */
Test(session, the_plan_is_enough_memory)
{
    static const struct ask asks[] = {
        GET("/v1/extract", "input=circle&size=500"),
        GET("/v1/extract", "input=circle&size=500&values=list&format=json"),
        POST("input=circle&size=300&format=npz", JSON, NETWORK),
        POST("input=circle&size=300&format=zip&layout=separate&scale=3", JSON, NETWORK),
        POST("input=circle&size=300&stages=activation", JSON, NETWORK),
    };

    for (size_t i = 0; i < COUNT(asks); i++) {
        struct api_reply reply;
        settings.limits.max_request_memory = 256 * 1024;
        for (int tries = 0; tries < 4; tries++) {
            reply = answer_alone(&asks[i], &odd_parallel);
            if (reply.status == 200)
                break;
            cJSON *json = parse(&reply);
            const cJSON *limit = json_member(json, "limit");
            cr_assert_str_eq(text_of(limit, "name"), "max_request_memory", "%s",
                             text_of(json, "detail"));
            settings.limits.max_request_memory = number_of(limit, "actual");
            cJSON_Delete(json);
            api_reply_release(&reply);
        }
        cr_expect_eq(reply.status, 200, "row %zu", i);
        api_reply_release(&reply);
    }
}

/* ---- cancelling ---- */

/* True from the n-th time on that it is asked. */
static bool cancelled_after(void *self)
{
    size_t *n = self;

    return *n == 0 || --*n == 0;
}

static void run_until_cancelled(void *self, size_t n, parallel_body *body,
                                void *context)
{
    for (size_t i = 0; i < n && !cancelled_after(self); i++)
        body(context, i, 0);
}

Test(session, a_cancelled_request_ends_at_the_next_chance)
{
    static const struct ask asks[] = {
        GET("/v1/extract", "input=circle&size=300"),
        GET("/v1/inputs/circle.png", "size=300"),
        POST("input=circle&size=97&format=zip", JSON, NETWORK),
    };

    for (size_t i = 0; i < COUNT(asks); i++) {
        size_t chances = 1;
        for (int status = 0; status != 200; chances++) {
            size_t left = chances;
            const struct parallel parallel = {run_until_cancelled, cancelled_after,
                                              &left, 1};
            struct api_reply reply = answer_alone(&asks[i], &parallel);
            status = reply.status;
            cr_assert_eq(reply.error, left == 0 ? ERROR_CLIENT_CLOSED : ERROR_NONE);
            cr_assert_eq(status, left == 0 ? 499 : 200);
            api_reply_release(&reply);
        }
        cr_expect_gt(chances, 2, "row %zu", i);
    }
}

/* ---- forms, as bytes ---- */

static void add_file(struct buffer *form, const char *name, const void *data, size_t n)
{
    buffer_print(form,
                 "--XX\r\nContent-Disposition: form-data; name=\"%s\"; "
                 "filename=\"f\"\r\nContent-Type: x/y\r\n\r\n",
                 name);
    buffer_append(form, data, n);
    buffer_text(form, "\r\n");
}

static void add_png(struct buffer *form)
{
    const struct ask ask = GET("/v1/inputs/circle.png", "size=40");
    struct api_reply png = answer_alone(&ask, &parallel_serial);

    add_file(form, "image", png.body, png.body_size);
    api_reply_release(&png);
}

static void add_weights(struct buffer *form)
{
    float one = 1;
    const struct named_tensor kernel = {"c/kernel", {SHAPE(1, 1, 1, 1), &one}};
    struct buffer file;

    buffer_init(&file, SIZE_MAX);
    safetensors_write(&file, &kernel, 1);
    add_file(form, "weights", file.bytes, file.size);
    buffer_release(&file);
}

enum { N_FORMS = 4 };

/* Valid forms of several kinds, as requests; the caller frees the bodies. */
static void make_forms(struct ask asks[N_FORMS])
{
    for (size_t i = 0; i < N_FORMS; i++) {
        struct buffer form;
        buffer_init(&form, SIZE_MAX);
        if (i == 0)
            buffer_text(&form, PART("conv_stride", "2,3") PART("input", "circle") PART(
                                   "kernel", "[[1,2],[3,4]]") PART("range", "0,2.5"));
        else
            add_png(&form);
        if (i == 1)
            buffer_text(&form, PART("ops", "Input,Detect") PART("gamma", "0.5")
                                   PART("colormap", "Blues_r"));
        if (i == 2)
            buffer_text(&form, PART("config", NETWORK) PART("format", "zip"));
        if (i == 3) {
            buffer_text(&form,
                        PART("config", "{\"layers\":[{\"class_name\":\"Conv2D\","
                                       "\"config\":{\"name\":\"c\",\"filters\":1,"
                                       "\"kernel_size\":[1,1],\"use_bias\":false}}],"
                                       "\"color\":\"gray\",\"format\":\"npz\"}"));
            add_weights(&form);
        }
        buffer_text(&form, END);
        asks[i] = (struct ask)POST("", FORM, (const char *)form.bytes);
        asks[i].body_size = form.size;
    }
}

static void free_forms(struct ask asks[N_FORMS])
{
    for (size_t i = 0; i < N_FORMS; i++)
        free((void *)(uintptr_t)asks[i].body);
}

/* ---- one after another ---- */

static const struct ask mixed[] = {
    GET("/v1/extract", "input=circle&seed=1"),
    GET("/v1/extract", "input=circle&size=300&format=npz"),
    GET("/v1/extract", "input=two_dots&size=9&format=png&scale=7"),
    GET("/v1/extract", "input=circle&conv_stride=0"),
    GET("/v1/extract", "input=circle&size=12000"),
    GET("/v1/inputs/circle.npy", "size=33&seed=4"),
    GET("/v1/layers", NULL),
    GET("/v1/kernels/edgy", NULL),
    POST("input=circle&values=base64", JSON, NETWORK),
    POST("input=circle", JSON, "{\"config\":[{\"type\":\"conv2d\"}]}"),
    POST("input=circle", JSON, "{\"config\":["),
    POST("", "image/png", "\x89PNG\r\n\x1a\n"),
    {.method = "POST", .path = "/v1/plan", .query = "input_shape=9,9,3"},
};

enum { N_MIXED = COUNT(mixed), N_ASKS = N_MIXED + N_FORMS };

static struct api_reply answer_timeless(struct api_session *session,
                                        const struct ask *ask)
{
    struct api_reply reply = answer(session, ask);

    if (reply.status == 200 && strcmp(reply.content_type, JSON) == 0)
        forget_times(&reply);
    return reply;
}

Test(session, no_request_leaves_a_trace_in_the_next)
{
    struct api_session *session = new_session(&parallel_serial);
    struct api_reply first[N_ASKS];
    struct ask asks[N_ASKS];
    uint64_t seed = 8;

    memcpy(asks, mixed, sizeof mixed);
    make_forms(asks + N_MIXED);
    for (size_t i = 0; i < N_ASKS; i++) {
        struct api_session *alone = new_session(&parallel_serial);
        first[i] = answer_timeless(alone, &asks[i]);
        api_session_free(alone);
    }
    for (size_t i = 0; i < 200; i++) {
        const size_t k = (size_t)(generate_uniform(&seed) * N_ASKS);
        struct api_reply reply = answer_timeless(session, &asks[k]);
        cr_expect(same_body(&reply, &first[k]), "row %zu", k);
        api_reply_release(&reply);
    }
    for (size_t i = 0; i < N_ASKS; i++)
        api_reply_release(&first[i]);
    free_forms(asks + N_MIXED);
    api_session_free(session);
}

/* ---- hostile bodies ---- */

static size_t below(uint64_t *seed, size_t n)
{
    return (size_t)(generate_uniform(seed) * (double)n);
}

/* Change, remove, repeat or cut off something; bytes has room for twice n. */
static size_t mutate(unsigned char *bytes, size_t n, uint64_t *seed)
{
    static const char telling[] = "\r\n-\";:=,{}[]0123456789eX\\/";
    const size_t at = below(seed, n), rest = n - at;
    const size_t span = 1 + below(seed, rest < 16 ? rest : 16);

    switch (below(seed, 9)) {
    case 0:
        memmove(bytes + at, bytes + at + span, rest - span);
        return n - span;
    case 1:
        memmove(bytes + at + span, bytes + at, rest);
        return n + span;
    case 2:
        return below(seed, 8) ? n : at + 1;
    case 3:
    case 4:
        bytes[at] = (unsigned char)below(seed, 256);
        return n;
    default:
        bytes[at] = (unsigned char)telling[below(seed, sizeof telling)];
        return n;
    }
}

static struct api_reply answer_mutated(struct api_session *session, struct ask ask,
                                       uint64_t *seed)
{
    unsigned char *bytes = malloc(2 * ask.body_size);
    size_t n = ask.body_size;

    memcpy(bytes, ask.body, n);
    for (size_t i = 0; i < 1 + below(seed, 4) && n > 1 && n + 16 < 2 * ask.body_size;
         i++)
        n = mutate(bytes, n, seed);
    const struct bytes exact = exact_copy(bytes, n);
    ask.body = (const char *)exact.data;
    ask.body_size = n;
    struct api_reply reply = answer(session, &ask);
    free_file(exact);
    free(bytes);
    return reply;
}

Test(session, mutated_forms_get_a_clear_answer)
{
    uint64_t seed = 2024;
    size_t good = 0;
    struct ask forms[N_FORMS];

    settings.limits.max_pixels = 1e5;
    settings.limits.max_macs = 1e8;
    settings.limits.max_request_memory = 64 * MIB;
    make_forms(forms);
    struct api_session *session = new_session(&parallel_serial);
    for (size_t i = 0; i < N_FORMS; i++) {
        struct api_reply reply = answer(session, &forms[i]);
        cr_assert_eq(reply.status, 200, "form %zu: %s", i, (char *)reply.body);
        api_reply_release(&reply);
    }
    for (size_t i = 0; i < 5000; i++) {
        struct api_reply reply = answer_mutated(session, forms[i % N_FORMS], &seed);
        const int s = reply.status;
        cr_assert(s == 200 || s == 400 || s == 413 || s == 415 || s == 422,
                  "mutation %zu: %d", i, s);
        if (s != 200)
            cJSON_Delete(parse(&reply));
        good += s == 200;
        api_reply_release(&reply);
    }
    cr_expect(good > 100 && good < 4000, "%zu of the mutants are valid", good);
    api_session_free(session);
    free_forms(forms);
}
