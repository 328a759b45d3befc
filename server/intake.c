/*
 * intake.c - see intake.h
 *
 * An answer queued in libmicrohttpd's first call closes the connection, so only a
 * refusal that must close is given there: one of a request that cannot be told from its
 * successor, one whose client waits for "100 Continue", one whose body is too large to
 * be swallowed. Every other refusal swallows the body first, because a client that
 * writes all before it reads would not see the answer.
 */
#include "server/intake.h"

#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/clock.h"
#include "server/local.h"

#define EVERY_METHOD "GET, HEAD, POST, OPTIONS"

enum {
    SWALLOW_FACTOR = 16,    /* times the body limit that is swallowed */
    FIRST_CAPACITY = 65536, /* of a body of unknown length */
};

static double body_limit(const struct exchange *x)
{
    return x->server->options->api.limits.max_body_bytes;
}

int64_t intake_deadline(const struct exchange *x)
{
    const double rate = (double)x->received / LEAST_RATE;

    return x->began + clock_from_seconds(x->server->options->read_timeout + rate);
}

static enum MHD_Result refuse_now(struct exchange *x)
{
    x->closing = true;
    x->complete = clock_ns();
    return answer_send(x);
}

static bool is_preflight(const struct exchange *x)
{
    return !strcmp(x->method, "OPTIONS") &&
           exchange_header(x, "Access-Control-Request-Method");
}

static void refuse_method(struct exchange *x, const char *allow)
{
    exchange_refuse(x, ERROR_METHOD_NOT_ALLOWED, "this path allows %s", allow);
    api_reply_header(&x->reply, "Allow", "%s", allow);
}

static void answer_options(struct exchange *x, const char *allow)
{
    x->reply = (struct api_reply){.status = 204};
    api_reply_header(&x->reply, "Allow", "%s", allow);
    if (!is_preflight(x) || !x->origin)
        return;
    api_reply_header(&x->reply, "Access-Control-Allow-Methods", "%s", allow);
    api_reply_header(&x->reply, "Access-Control-Allow-Headers", "%s",
                     "Authorization, Content-Type, Accept, X-Request-Id, "
                     "If-None-Match, traceparent");
    api_reply_header(&x->reply, "Access-Control-Max-Age", "600");
}

/* What is known of the path. */
static struct api_route find_route(struct exchange *x)
{
    const char *method = x->method;
    struct api_route route = {0};

    if (local_find(x)) {
        route = (struct api_route){
            .label = x->route,
            .allow = "GET, HEAD, OPTIONS",
            .method_allowed = !strcmp(method, "GET") || !strcmp(method, "HEAD"),
        };
    } else if (!strcmp(x->path, "*") && !strcmp(method, "OPTIONS")) {
        route = (struct api_route){.label = "*", .allow = EVERY_METHOD};
    } else {
        route = api_route(method, x->path);
        x->needs_worker = route.label != NULL;
    }
    if (route.label)
        x->route = route.label;
    return route;
}

static void refuse_unauthorized(struct exchange *x)
{
    exchange_refuse(x, ERROR_UNAUTHORIZED,
                    "this server wants a key: send Authorization: Bearer <key>");
    api_reply_header(&x->reply, "WWW-Authenticate", "Bearer");
}

static void refuse_path(struct exchange *x)
{
    const char *near = api_nearest_path(x->path);

    exchange_refuse(x, ERROR_NOT_FOUND, "there is nothing at this path%s%s%s",
                    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void check_length(struct exchange *x)
{
    struct error err;

    error_init(&err);
    if (!limit_check(LIMIT(&x->server->options->api.limits, max_body_bytes),
                     (double)x->framing.length, ERROR_BODY_TOO_LARGE, &err,
                     "the request body has %llu bytes",
                     (unsigned long long)x->framing.length))
        exchange_fail(x, &err);
}

static void check_type(struct exchange *x)
{
    struct error err;

    error_init(&err);
    if (!api_takes_type(x->content_type, &err))
        exchange_fail(x, &err);
}

/* Memory for capacity bytes of body in all; a refusal if there is none. */
static bool grow_body(struct exchange *x, size_t capacity)
{
    const size_t more = capacity - x->body_capacity;

    if (!exchange_hold(x, more)) {
        exchange_drop_body(x);
        return false;
    }
    x->body_capacity += more;
    unsigned char *body = realloc(x->body, capacity);
    if (body) {
        x->body = body;
        return true;
    }
    exchange_drop_body(x);
    exchange_refuse(x, ERROR_MEMORY_PRESSURE, "no memory for the body; try again");
    return false;
}

/* Decide what is to become of the request; a refusal is left in reply. */
static void admit(struct exchange *x)
{
    const struct api_route route = find_route(x);

    x->takes_body = route.takes_body;
    if (!route.label &&
        is_preflight(x)) /* what follows it says that nothing is there */
        answer_options(x, EVERY_METHOD);
    else if (!route.label)
        refuse_path(x);
    else if (!strcmp(x->method, "OPTIONS"))
        answer_options(x, route.allow);
    else if (!route.method_allowed)
        refuse_method(x, route.allow);
    else if (x->needs_worker && x->server->closed)
        exchange_refuse(x, ERROR_DRAINING, "the server is shutting down");
    else if (x->needs_worker && !route.open &&
             !access_allowed(x->server->access, exchange_header(x, "Authorization"),
                             &x->client))
        refuse_unauthorized(x);
    else
        check_length(x);
    if (!x->reply.status && x->takes_body)
        check_type(x);
    if (!x->reply.status && x->takes_body && x->framing.length)
        grow_body(x, (size_t)x->framing.length);
}

/* Whether a refused body is not worth swallowing. */
static bool must_close(const struct exchange *x)
{
    return x->framing.expects ||
           (double)x->framing.length > SWALLOW_FACTOR * body_limit(x);
}

enum MHD_Result intake_head(struct exchange *x, const char *method, const char *version)
{
    struct error err;

    x->server->inflight++;
    x->stage = EXCHANGE_BODY;
    exchange_read_head(x, method);
    error_init(&err);
    if (!screen_target(x->target, &err) ||
        !screen_head(x->mhd, method, version, &x->framing, &err)) {
        exchange_fail(x, &err);
        return refuse_now(x);
    }
    if (connection_is_spare(x->connection)) {
        x->closing = true;
        if (!local_is_probe(x)) {
            exchange_refuse(x, ERROR_TOO_MANY_CONNECTIONS,
                            "there are too many connections; try again");
            return refuse_now(x);
        }
    }
    admit(x);
    if (x->refused && must_close(x))
        return refuse_now(x);
    connection_enter(x->connection, CONNECTION_BODY, intake_deadline(x));
    return MHD_YES;
}

/* Room for n more bytes of a body of unknown length. */
static bool make_room(struct exchange *x, size_t n)
{
    const size_t limit = (size_t)body_limit(x), needed = x->body_size + n;
    size_t capacity = x->body_capacity ? x->body_capacity : FIRST_CAPACITY;

    if (needed <= x->body_capacity)
        return true;
    if (needed > limit) {
        exchange_drop_body(x);
        x->framing.length = needed;
        check_length(x);
        return false;
    }
    while (capacity < needed)
        capacity *= 2;
    return grow_body(x, capacity < limit ? capacity : limit);
}

enum MHD_Result intake_body(struct exchange *x, const char *data, size_t n)
{
    x->received += n;
    connection_enter(x->connection, CONNECTION_BODY, intake_deadline(x));
    if ((double)x->received > SWALLOW_FACTOR * body_limit(x))
        return MHD_NO;
    if (x->reply.status || !x->takes_body || !make_room(x, n))
        return MHD_YES; /* swallowed */
    memcpy(x->body + x->body_size, data, n);
    x->body_size += n;
    return MHD_YES;
}

enum MHD_Result intake_complete(struct exchange *x)
{
    x->complete = clock_ns();
    if (!x->reply.status && !x->needs_worker)
        local_answer(x);
    if (!x->reply.status && exchange_submit(x))
        return MHD_YES;
    return answer_send(x);
}
