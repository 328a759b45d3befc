/* local.c - see local.h */
#include "server/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/log.h"
#include "server/metrics.h"
#include "server/pages.h"

/* The page runs its own script and talks to this server only. */
#define PAGE_POLICY                                                                    \
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' "         \
    "'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "                \
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"

/* The body is copied; without memory the answer is a failure. */
static void set_body(struct exchange *x, const char *content_type, const void *bytes,
                     size_t size)
{
    void *body = malloc(size ? size : 1);

    if (!body) {
        exchange_refuse(x, ERROR_MEMORY_PRESSURE, "no memory for the answer");
        return;
    }
    x->reply = (struct api_reply){.status = 200,
                                  .content_type = content_type,
                                  .body = memcpy(body, bytes, size),
                                  .body_size = size};
}

static void set_text(struct exchange *x, const char *text)
{
    set_body(x, "application/json", text, strlen(text));
}

static void live(struct exchange *x)
{
    set_text(x, "{\"status\":\"live\"}\n");
}

static void ready(struct exchange *x)
{
    if (x->server->draining)
        exchange_refuse(x, ERROR_DRAINING, "the server is shutting down");
    else
        set_text(x, "{\"status\":\"ready\"}\n");
}

static void version(struct exchange *x)
{
    char more[80];

    snprintf(more, sizeof more, "\"libmicrohttpd\":\"%s\"", MHD_get_version());
    api_version(&x->server->options->api, more, &x->reply);
}

/* False without memory. */
static bool print_metrics(struct server *server, struct api_reply *reply)
{
    const struct workers_load load = workers_load(server->workers);
    const struct shelf_readings shelf =
        server->shelf ? shelf_read(server->shelf) : (struct shelf_readings){0};
    struct metrics_readings readings = {
        .queue_depth = (double)load.queued,
        .queue_capacity = (double)load.capacity,
        .workers = (double)load.workers,
        .workers_busy = (double)load.busy,
        .inflight_bytes = (double)budget_held(&server->budget),
        .inflight_limit = server->options->max_inflight_memory,
        .started = (double)server->started,
        .inflight_requests = (double)server->inflight,
        .connections = (double)connections_count(server->connections),
        .cache_bytes = (double)shelf.bytes,
        .cache_hits = (double)shelf.hits,
        .cache_misses = (double)shelf.misses,
        .log_lost = (double)log_lost(),
        .isa = server->options->api.kernels->name,
    };
    size_t size = 0;

    for (int i = 0; i < CONNECTION_PHASES; i++)
        readings.late[i] =
            (double)connections_late(server->connections, (enum connection_phase)i);
    char *text = metrics_print(&readings, &size);
    if (!text)
        return false;
    *reply =
        (struct api_reply){.status = 200,
                           .content_type = "text/plain; version=0.0.4; charset=utf-8",
                           .body = text,
                           .body_size = size};
    return true;
}

static void metrics(struct exchange *x)
{
    if (!print_metrics(x->server, &x->reply))
        exchange_refuse(x, ERROR_MEMORY_PRESSURE, "no memory for the answer");
}

static void no_icon(struct exchange *x)
{
    x->reply = (struct api_reply){.status = 204};
    api_reply_header(&x->reply, "Cache-Control", "public, max-age=86400");
}

static const struct local {
    const char *path;
    void (*answer)(struct exchange *x);
    bool probe;
} locals[] = {
    {"/livez", live, true},           {"/readyz", ready, true},
    {"/healthz", ready, true},        {"/health", ready, true},
    {"/metrics", metrics, true},      {"/version", version, true},
    {"/favicon.ico", no_icon, false},
};

static const struct local *find(const char *path)
{
    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++)
        if (!strcmp(locals[i].path, path))
            return &locals[i];
    return NULL;
}

static void answer_page(struct exchange *x, const struct page *page)
{
    const char *known = x->if_none_match;
    char etag[24];

    page_etag(page, etag);
    x->policy = PAGE_POLICY;
    set_body(x, page->content_type, page->bytes, page->size);
    exchange_hold_reply(x);
    if (x->refused)
        return;
    if (x->reply.status == 200 && known && strstr(known, etag))
        x->reply.status = 304; /* libmicrohttpd leaves the body out */
    api_reply_header(&x->reply, "ETag", "%s", etag);
    api_reply_header(&x->reply, "Cache-Control", "no-cache");
}

/* Metrics that have an address of their own are not shown to clients. */
static bool is_hidden(const struct exchange *x, const struct local *local)
{
    return local->answer == metrics && *x->server->options->metrics_bind;
}

bool local_find(struct exchange *x)
{
    const struct local *local = find(x->path);
    struct page page;

    if (local && !is_hidden(x, local))
        x->route = local->path;
    else if (x->server->options->ui && page_find(x->path, &page))
        x->route = page.path;
    else
        return false;
    return true;
}

bool local_is_probe(const struct exchange *x)
{
    const struct local *local = find(x->path);

    return local && local->probe;
}

void local_answer(struct exchange *x)
{
    const struct local *local = find(x->path);
    struct page page;

    if (x->server->options->ui && page_find(x->path, &page)) {
        answer_page(x, &page);
        return;
    }
    local->answer(x);
    if (local->probe)
        api_reply_header(&x->reply, "Cache-Control", "no-store");
}

void local_monitor(struct server *server, const char *path, struct api_reply *reply)
{
    const struct local *local = find(path);

    if (!local || !local->probe || local->answer == version)
        return;
    if (local->answer == metrics) {
        if (!print_metrics(server, reply))
            reply->status = 500;
        return;
    }
    reply->status = local->answer == ready && server->draining ? 503 : 200;
}
