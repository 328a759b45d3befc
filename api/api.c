/* api.c - request in, reply out: routes, and what all answers have in common. */
#include "api/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/nearest.h"
#include "engine/hash.h"

/* ---- routes ---- */

enum { GET = 1, POST = 2 };
enum { CACHED = 1, OPEN = 2 /* without a key */ };

struct route {
    const char *path; /* may have one {name}, at the end or before an extension */
    unsigned methods;
    unsigned traits;
    call_handler *handler;
};

static const struct route routes[] = {
    {"/v1/extract", GET | POST, CACHED, extract_call},
    {"/extract", GET | POST, CACHED, extract_call},
    {"/v1/plan", POST, 0, plan_call},
    {"/v1/animation", GET | POST, CACHED, animation_call},
    {"/v1/layers", GET, CACHED, layers_call},
    {"/v1/activations", GET, CACHED, activations_call},
    {"/v1/kernels", GET | POST, CACHED, all_kernels_call},
    {"/v1/kernels/{name}.png", GET, CACHED, named_kernel_png_call},
    {"/v1/kernels/{name}", GET, CACHED, kernel_call},
    {"/v1/kernel.png", GET, CACHED, kernel_png_call},
    {"/v1/colormaps", GET, CACHED, colormaps_call},
    {"/v1/limits", GET, CACHED, limits_call},
    {"/v1/presets", GET, CACHED, presets_call},
    {"/v1/presets/{name}", GET, CACHED, preset_call},
    {"/v1/config.schema.json", GET, CACHED, schema_call},
    {"/v1/inputs/circle.npy", GET, CACHED, circle_npy_call},
    {"/v1/inputs/circle.png", GET, CACHED, circle_png_call},
    {"/v1/inputs/two_dots.npy", GET, CACHED, two_dots_npy_call},
    {"/v1/inputs/two_dots.png", GET, CACHED, two_dots_png_call},
    {"/problems/{name}", GET, CACHED | OPEN, problem_call},
};

enum { N_ROUTES = sizeof routes / sizeof *routes };

/* The rest of path where the route has {name}, its extension included, "" where it has
 * none; NULL: no match. */
static const char *match(const struct route *route, const char *path)
{
    const char *brace = strchr(route->path, '{');

    if (!brace)
        return strcmp(route->path, path) == 0 ? "" : NULL;
    const size_t n = (size_t)(brace - route->path);
    if (strncmp(route->path, path, n) != 0 || strchr(path + n, '/'))
        return NULL;
    const char *extension = strchr(brace, '}') + 1;
    const size_t size = strlen(path + n), end = strlen(extension);
    if (size <= end || strcmp(path + n + size - end, extension) != 0)
        return NULL;
    return path + n;
}

static const struct route *find_route(const char *path, const char **tail)
{
    for (size_t i = 0; i < N_ROUTES; i++)
        if ((*tail = match(&routes[i], path)))
            return &routes[i];
    return NULL;
}

static struct api_route describe(const struct route *route, const char *method)
{
    static const char *const allow[] = {
        [GET] = "GET, HEAD, OPTIONS",
        [POST] = "POST, OPTIONS",
        [GET | POST] = "GET, HEAD, POST, OPTIONS",
    };
    const bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const bool post = strcmp(method, "POST") == 0;

    return (struct api_route){
        .label = route->path,
        .allow = allow[route->methods],
        .method_allowed =
            (get && (route->methods & GET)) || (post && (route->methods & POST)),
        .takes_body = post && (route->methods & POST),
        .open = route->traits & OPEN,
    };
}

struct api_route api_route(const char *method, const char *path)
{
    const char *tail;
    const struct route *route = find_route(path, &tail);

    return route ? describe(route, method) : (struct api_route){0};
}

/* Paths without a {name}. */
static const char *plain_path(const void *context, size_t i)
{
    (void)context;
    for (size_t k = 0; k < N_ROUTES; k++)
        if (!strchr(routes[k].path, '{') && i-- == 0)
            return routes[k].path;
    return NULL;
}

const char *api_nearest_path(const char *path)
{
    return nearest_name(path, plain_path, NULL);
}

/* ---- replies ---- */

void api_reply_release(struct api_reply *reply)
{
    free(reply->body);
    free(reply->layers);
    reply->body = NULL;
    reply->layers = NULL;
    reply->body_size = reply->n_layers = 0;
}

void api_reply_header(struct api_reply *reply, const char *name, const char *format,
                      ...)
{
    if (reply->n_headers == API_MAX_HEADERS)
        return;
    struct api_header *header = &reply->headers[reply->n_headers++];
    char *to = header->value;
    va_list args;

    header->name = name;
    va_start(args, format);
    vsnprintf(header->value, sizeof header->value, format, args);
    va_end(args);
    for (const char *from = header->value; *from; from++)
        if ((unsigned char)*from >= 0x20 && *from != 0x7f)
            *to++ = *from;
    *to = '\0';
}

/* True if an If-None-Match header names the tag (or any). */
static bool listed(const char *header, const char *tag)
{
    return header && (strcmp(header, "*") == 0 || strstr(header, tag));
}

/* A large body takes a while: in pieces, until nobody wants it any more. */
static uint64_t hash_body(const struct call *call)
{
    enum { PIECE = 1 << 20 };
    const char *body = call->reply->body;
    const size_t n = call->reply->body_size;
    uint64_t hash = HASH_START;

    for (size_t i = 0; i < n && !parallel_cancelled(call->parallel); i += PIECE)
        hash = hash_bytes(hash, body + i, n - i < PIECE ? n - i : PIECE);
    return hash;
}

/* The hash of the body; of a reply that holds an id or times, of what was asked for, as
 * a weak tag: another such reply says the same. */
static void make_tag(char *tag, size_t size, const struct call *call)
{
    const struct api_request *request = call->request;
    const char *const parts[] = {request->path, request->query,
                                 request->accept ? request->accept : "", API_VERSION};
    uint64_t hash = call->unique ? HASH_START : hash_body(call);

    for (size_t i = 0; call->unique && i < sizeof parts / sizeof *parts; i++)
        hash = hash_bytes(hash, parts[i], strlen(parts[i]) + 1);
    snprintf(tag, size, "%s\"%016llx\"", call->unique ? "W/" : "",
             (unsigned long long)hash);
}

/* Let a cacheable answer be cached, and say so where the client has it already. */
static void add_validators(struct call *call)
{
    struct api_reply *reply = call->reply;
    char tag[24];

    make_tag(tag, sizeof tag, call);
    api_reply_header(reply, "ETag", "%s", tag);
    api_reply_header(reply, "Cache-Control", "max-age=300");
    if (listed(call->request->if_none_match, tag))
        reply->status = 304;
}

/* ---- sessions ---- */

bool api_settings_init(struct api_settings *settings, const char *isa)
{
    *settings = (struct api_settings){
        .limits = limits_default, .kernels = kernels_find(isa), .png_level = 1};
    return settings->kernels != NULL;
}

struct api_session *api_session_new(const struct api_settings *settings,
                                    const struct parallel *parallel)
{
    struct api_session *session = calloc(1, sizeof *session);

    if (!session)
        return NULL;
    session->settings = settings;
    session->parallel = parallel;
    if (!arena_init(&session->arena, (size_t)settings->limits.max_request_memory)) {
        free(session);
        return NULL;
    }
    return session;
}

void api_session_free(struct api_session *session)
{
    if (!session)
        return;
    arena_release(&session->arena);
    free(session);
}

void api_session_share(struct api_session *session, struct shelf *shelf)
{
    session->shelf = shelf;
}

static bool answer(struct call *call)
{
    const struct api_request *request = call->request;
    const struct route *route = find_route(request->path, &call->tail);
    char hint[NEAREST_TEXT_SIZE];

    if (!route)
        return error_set(&call->err, ERROR_NOT_FOUND, "there is nothing at this path%s",
                         nearest_hint(api_nearest_path(request->path), hint));
    const struct api_route facts = describe(route, request->method);
    if (!facts.method_allowed) {
        error_set(&call->err, ERROR_METHOD_NOT_ALLOWED, "this path allows %s",
                  facts.allow);
        return false;
    }
    if (!route->handler(call))
        return false;
    if ((route->traits & CACHED) && !facts.takes_body)
        add_validators(call);
    return !parallel_cancelled(call->parallel);
}

/* Whatever a phase said that was interrupted: that is the reason. */
static void tell_cancelled(struct call *call)
{
    error_init(&call->err);
    error_set(&call->err, ERROR_CLIENT_CLOSED, "the request was cancelled");
}

void api_call(struct api_session *session, const struct api_request *request,
              struct api_reply *reply)
{
    struct call call = {
        .session = session,
        .settings = session->settings,
        .parallel = session->parallel,
        .arena = &session->arena,
        .request = request,
        .tail = "",
        .reply = reply,
    };

    *reply = (struct api_reply){.status = 200};
    error_init(&call.err);
    const bool answered = answer(&call);
    arena_reset(&session->arena, (size_t)session->settings->limits.max_request_memory);
    if (answered)
        return;
    if (parallel_cancelled(call.parallel))
        tell_cancelled(&call);

    const struct api_reply before = *reply;
    api_reply_release(reply);
    api_problem(&call.err, request->id, reply);
    if (call.err.code == ERROR_METHOD_NOT_ALLOWED)
        api_reply_header(reply, "Allow", "%s",
                         api_route(request->method, request->path).allow);
    reply->ms = before.ms;
    reply->pixels = before.pixels;
}
