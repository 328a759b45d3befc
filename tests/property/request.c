/* request.c - a random network as a request over the api. */
#include "tests/property/request.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/npy.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define BOUNDARY  "a-boundary-of-the-property-test"
#define PART_HEAD "--" BOUNDARY "\r\nContent-Disposition: form-data; name="

/* The input as an array file, and the document. */
static void write_form(struct buffer *body, const struct random_network *network)
{
    buffer_init(body, 64 << 20);
    buffer_print(body, PART_HEAD "\"image\"; filename=\"x.npy\"\r\n\r\n");
    npy_write_f32(body, &network->input, network->values);
    buffer_print(body, "\r\n" PART_HEAD "\"config\"\r\n\r\n%s\r\n--" BOUNDARY "--\r\n",
                 network->json);
}

static bool call(struct api_session *session, const char *path, const char *query,
                 const struct buffer *body, struct api_reply *reply, char *fault)
{
    const struct api_request request = {
        .id = "property",
        .method = "POST",
        .path = path,
        .query = query,
        .content_type = "multipart/form-data; boundary=" BOUNDARY,
        .body = body->bytes,
        .body_size = body->size,
    };

    api_call(session, &request, reply);
    if (reply->status != 200)
        snprintf(fault, REQUEST_FAULT, "%s: %d %.*s", path, reply->status,
                 (int)reply->body_size, (const char *)reply->body);
    return reply->status == 200;
}

static double peak_of(const struct api_reply *reply)
{
    cJSON *plan = cJSON_ParseWithLength(reply->body, reply->body_size);
    const cJSON *totals = cJSON_GetObjectItem(plan, "totals");
    const double peak = cJSON_GetNumberValue(cJSON_GetObjectItem(totals, "peak_bytes"));

    cJSON_Delete(plan);
    return peak;
}

/* Ask on a session of its own: its arena has no dirty bytes but those of this request.
 */
static bool ask(const struct api_settings *settings, const char *path,
                const char *query, const struct buffer *body, struct api_reply *reply,
                double *taken, char *fault)
{
    struct api_session *session = api_session_new(settings, &parallel_serial);
    const bool good = session && call(session, path, query, body, reply, fault);

    *taken = session ? (double)session->arena.dirty : 0;
    api_session_free(session);
    return good;
}

static bool measure(const struct api_settings *settings, const char *query,
                    const struct buffer *body, double *planned, double *taken,
                    char *fault)
{
    struct api_reply reply = {0};
    bool good = ask(settings, "/v1/plan", query, body, &reply, taken, fault);

    if (good)
        *planned = peak_of(&reply);
    api_reply_release(&reply);
    if (good) {
        good = ask(settings, "/v1/extract", query, body, &reply, taken, fault);
        api_reply_release(&reply);
    }
    return good;
}

bool request_measure(const struct random_network *network, double *planned,
                     double *taken, char *fault)
{
    /* With one array for a reply the plan holds little that is not in the arena, so
     * that the rest of it is held to the measured bytes. */
    static const char *const queries[] = {
        "format=npy", "format=npy&split_activation=true", "format=json", "format=npz",
        "format=multipart&normalize=none&layout=separate"};
    const char *query = queries[network->seed / REQUEST_EVERY % COUNT(queries)];
    struct api_settings settings;
    struct buffer body;

    if (!api_settings_init(&settings, NULL))
        return false;
    settings.limits.max_images = 1e6;
    write_form(&body, network);
    const bool good = measure(&settings, query, &body, planned, taken, fault);
    buffer_release(&body);
    return good;
}
