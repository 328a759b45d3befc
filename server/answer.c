/* answer.c - see answer.h */
#include "server/answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/metrics.h"

#define EXPOSED                                                                        \
    "X-Request-Id, X-Error-Code, X-Stage, X-Shape, X-Warning, Server-Timing, ETag, "   \
    "Retry-After, Content-Disposition"

static bool has_header(const struct api_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->n_headers; i++)
        if (!strcasecmp(reply->headers[i].name, name))
            return true;
    return false;
}

static void add_timing(struct exchange *x, struct MHD_Response *response)
{
    const struct api_reply *reply = &x->reply;
    char timing[300];
    int n = snprintf(timing, sizeof timing, "queue;dur=%.3f",
                     clock_ms(x->complete, x->run));

#define ADD(phase)                                                                     \
    n += snprintf(timing + n, sizeof timing - (size_t)n, ", " #phase ";dur=%.3f",      \
                  reply->ms.phase);
    FOR_EACH_API_PHASE(ADD)
#undef ADD
    snprintf(timing + n, sizeof timing - (size_t)n, ", total;dur=%.3f",
             clock_ms(x->complete, x->answered));
    MHD_add_response_header(response, "Server-Timing", timing);
}

static void add_cors(struct exchange *x, struct MHD_Response *response)
{
    if (!x->origin)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", x->origin);
    MHD_add_response_header(response, "Access-Control-Expose-Headers", EXPOSED);
}

static void add_headers(struct exchange *x, struct MHD_Response *response)
{
    const struct api_reply *reply = &x->reply;
    const bool store = strcmp(x->method, "POST") && reply->status < 400;

    for (size_t i = 0; i < reply->n_headers; i++)
        MHD_add_response_header(response, reply->headers[i].name,
                                reply->headers[i].value);
    if (reply->content_type)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    if (!store && !has_header(reply, "Cache-Control"))
        MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Request-Id", x->id);
    MHD_add_response_header(response, "Vary", "Accept, Origin");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy", x->policy);
    add_timing(x, response);
    add_cors(x, response);
    if (x->closing || x->server->draining)
        MHD_add_response_header(response, "Connection", "close");
}

/* libmicrohttpd needs the body no more. */
static void sent(void *context)
{
    struct exchange *x = context;

    api_reply_release(&x->reply);
    exchange_release(x);
}

enum MHD_Result answer_send(struct exchange *x)
{
    const double timeout = x->server->options->read_timeout;
    struct MHD_Response *response;
    enum MHD_Result queued;

    x->stage = EXCHANGE_ANSWERED;
    x->answered = clock_ns();
    x->status = x->reply.status;
    x->sent = x->reply.body_size;
    for (size_t i = 0; i < x->reply.n_layers; i++)
        metrics_layer(x->reply.layers[i].type, x->reply.layers[i].ms);
    x->references++;
    response = MHD_create_response_from_buffer_with_free_callback_cls(
        x->reply.body_size, x->reply.body_size ? x->reply.body : x->id, sent, x);
    if (!response) {
        exchange_release(x);
        return MHD_NO;
    }
    add_headers(x, response);
    connection_enter(x->connection, CONNECTION_WRITE,
                     x->answered +
                         clock_from_seconds(timeout + (double)x->sent / LEAST_RATE));
    queued = MHD_queue_response(x->mhd, (unsigned)x->reply.status, response);
    MHD_destroy_response(response);
    return queued;
}

/* What a request that we did not answer ended as. */
static int unanswered_status(struct exchange *x, bool late)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_HTTP_STATUS);

    if (late)
        return 408;
    if (x->stage == EXCHANGE_BODY && x->refused) /* while its body was still to come */
        return x->reply.status;
    if (x->stage == EXCHANGE_TARGET && info && info->http_status)
        return (int)info->http_status; /* libmicrohttpd refused it */
    return 499;
}

/* Whether what is to be sent includes the body. */
static bool has_body(const struct exchange *x)
{
    return strcmp(x->method, "HEAD") && x->status != 304;
}

void answer_record(struct exchange *x, enum MHD_RequestTerminationCode how)
{
    const bool whole = how == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    const int64_t now = clock_ns();
    enum connection_phase phase;
    const bool late = connection_late(x->connection, &phase);
    const char *code = x->reply.error ? error_code_name(x->reply.error) : "";
    int status = x->status;

    if (!x->answered)
        status = unanswered_status(x, late);
    else if (!whole)
        status = 499;
    if (status == 499) {
        metrics_client_closed(phase);
        code = error_code_name(ERROR_CLIENT_CLOSED);
    }
    const struct metrics_request m = {
        .route = x->route,
        .method = x->method,
        .status = status,
        .seconds = clock_ms(x->began, now) / 1e3,
        .step_ms = {[STEP_READ] = clock_ms(x->began, x->complete),
                    [STEP_QUEUE] = clock_ms(x->complete, x->run),
                    [STEP_PLAN] = x->reply.ms.plan,
                    [STEP_WEIGHTS] = x->reply.ms.weights,
                    [STEP_DECODE] = x->reply.ms.decode,
                    [STEP_COMPUTE] = x->reply.ms.compute,
                    [STEP_ENCODE] = x->reply.ms.encode,
                    [STEP_WRITE] = clock_ms(x->answered, now)},
        .body_bytes = (double)x->received,
        .response_bytes = whole && has_body(x) ? (double)x->sent : 0,
        .pixels = x->reply.pixels,
    };
    if (x->refused && x->reply.error && x->reply.error != ERROR_CLIENT_CLOSED)
        metrics_reject(x->reply.error);
    metrics_record(&m);
    log_line(&(struct log_request){.metrics = &m,
                                   .id = x->id,
                                   .path = x->path,
                                   .peer = connection_peer(x->connection),
                                   .trace = x->trace,
                                   .code = code});
}
