/*
 * api_harness.h - what the tests of api_call share: asking, and reading what comes.
 */
#ifndef TESTS_API_HARNESS_H
#define TESTS_API_HARNESS_H

#include "tests/unit/codec.h"

#include "api/api.h"
#include "api/json.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A request as a row of a table: what is NULL is absent. */
struct ask {
    const char *method, *path, *query, *type, *body;
    const char *accept, *tag; /* tag: If-None-Match */
    size_t body_size;         /* 0: body is a string */
};

#define GET(path_, query_)                                                             \
    {                                                                                  \
        .method = "GET", .path = (path_), .query = (query_)                            \
    }
#define POST(query_, type_, body_)                                                     \
    {                                                                                  \
        .method = "POST", .path = "/v1/extract", .query = (query_), .type = (type_),   \
        .body = (body_)                                                                \
    }

#define JSON "application/json"
#define FORM "multipart/form-data; boundary=XX"
#define PART(name, data)                                                               \
    "--XX\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" data "\r\n"
#define END "--XX--\r\n"

static inline struct api_reply answer(struct api_session *session,
                                      const struct ask *ask)
{
    const char *body = ask->body ? ask->body : "";
    const struct api_request request = {
        .id = "test-1",
        .method = ask->method,
        .path = ask->path,
        .query = ask->query ? ask->query : "",
        .content_type = ask->type,
        .accept = ask->accept,
        .if_none_match = ask->tag,
        .body = ask->body,
        .body_size = ask->body_size ? ask->body_size : strlen(body),
    };
    struct api_reply reply;

    memset(&reply, 0xa5, sizeof reply); /* it need not be initialised */
    api_call(session, &request, &reply);
    cr_assert_eq(reply.error == ERROR_NONE, reply.status < 400);
    cr_assert_eq(reply.content_type != NULL, reply.body != NULL);
    return reply;
}

static inline const char *header(const struct api_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->n_headers; i++)
        if (strcmp(reply->headers[i].name, name) == 0)
            return reply->headers[i].value;
    return NULL;
}

/* The body by the strict reader: a reply is as clean as we want requests to be. */
static inline cJSON *parse(const struct api_reply *reply)
{
    const struct bytes text = {reply->body, reply->body_size};
    struct arena arena = new_arena(64 << 20);
    struct error err;

    error_init(&err);
    cJSON *json = json_parse("reply", &text, NULL, &limits_default, &arena, &err);
    cr_assert(json, "%s", err.detail);
    arena_release(&arena);
    return json;
}

static inline const char *text_of(const cJSON *object, const char *key)
{
    const char *text = json_string(json_member(object, key));

    return text ? text : "(none)";
}

static inline double number_of(const cJSON *object, const char *key)
{
    double value = NAN;

    return json_number(json_member(object, key), &value) ? value : NAN;
}

static inline bool same_body(const struct api_reply *a, const struct api_reply *b)
{
    return a->status == b->status && a->body_size == b->body_size &&
           (a->body_size == 0 || memcmp(a->body, b->body, a->body_size) == 0);
}

/* Take the measured times out of an extraction's JSON: the rest must not vary. */
static inline void forget_times(struct api_reply *reply)
{
    cJSON *stage, *json = parse(reply);

    cJSON_DeleteItemFromObject(json, "timing_ms");
    cJSON_ArrayForEach(stage, json_member(json, "stages"))
        cJSON_DeleteItemFromObject(stage, "duration_ms");
    api_reply_release(reply);
    reply->body = cJSON_PrintUnformatted(json);
    reply->body_size = strlen(reply->body);
    cJSON_Delete(json);
}

#endif
