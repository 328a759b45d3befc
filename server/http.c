/*
 * http.c - see http.h
 *
 * libmicrohttpd calls on_request three times or more for a request: when the head has
 * been read, with each piece of the body, when the body is complete (intake.c has
 * these), and once more when the workers are done and the connection is resumed.
 */
#include "server/http.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/answer.h"
#include "server/clock.h"
#include "server/exchange.h"
#include "server/intake.h"
#include "server/log.h"
#include "server/machine.h"
#include "server/monitor.h"

enum {
    HEAD_MEMORY = 32768,    /* of a connection, for its request's head */
    SPARE_CONNECTIONS = 64, /* accepted beyond the limit, to be refused with words */
    PROBE_CONNECTIONS = 8,  /* of the limit, kept for probes */
    OTHER_DESCRIPTORS = 24, /* what the process opens besides connections */
    SPARE_MS = 500,         /* for such a one to send its request */
    TRIM_MS = 1000          /* between two times that memory is given back */
};

struct http {
    struct server server;
    struct MHD_Daemon *daemon;
    struct monitor *monitor; /* NULL: there is none */
    int listening;
    bool quiesced; /* listening is ours to close */
    size_t soft_connections, hard_connections;
    size_t trimmed; /* requests that had been freed when memory was last given back */
    int64_t trim_next;
};

/* The workers are done with it. */
static enum MHD_Result conclude(struct exchange *x)
{
    pthread_mutex_lock(&x->lock);
    const bool gone = x->reply.error == ERROR_CLIENT_CLOSED;
    pthread_mutex_unlock(&x->lock);
    return gone ? MHD_NO : answer_send(x);
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}

/* The raw request line has been read. What is returned comes back as *state. */
static void *on_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct http *http = context;
    struct connection *connection = connection_of(mhd);
    struct exchange *x;

    if (!connection)
        return NULL;
    x = exchange_new(&http->server, connection, mhd, target);
    if (!x || !screen_answerable(target)) {
        connection_cut(connection);
        return x;
    }
    connection_begin(connection, intake_deadline(x));
    return x;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd,
                                  const char *url, const char *method,
                                  const char *version, const char *data, size_t *size,
                                  void **state)
{
    struct exchange *x = *state;
    const size_t n = *size;

    (void)context;
    (void)mhd;
    (void)url;
    if (!x)
        return MHD_NO;
    *size = 0;
    switch (x->stage) {
    case EXCHANGE_TARGET:
        *size = n; /* the body has to wait */
        return intake_head(x, method, version);
    case EXCHANGE_BODY:
        return n ? intake_body(x, data, n) : intake_complete(x);
    case EXCHANGE_WORK:
        return conclude(x);
    default:
        return MHD_YES;
    }
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct exchange *x = *state;
    struct http *http = context;
    const double idle = http->server.options->keepalive_timeout;

    (void)mhd;
    if (!x)
        return;
    *state = NULL;
    /* A resumed connection that turns out broken ends here without on_request. */
    connection_unwatch(x->connection);
    answer_record(x, how);
    connection_enter(x->connection, CONNECTION_IDLE,
                     clock_ns() + clock_from_seconds(idle));
    if (x->stage != EXCHANGE_TARGET)
        http->server.inflight--;
    exchange_release(x);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    const double timeout = http->server.options->read_timeout;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*state)
            connection_close(*state);
        *state = NULL;
        return;
    }
    const int fd =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *peer =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    struct connection *connection = connection_open(
        http->server.connections, fd, peer, clock_ns() + clock_from_seconds(timeout));
    if (connection && connection_is_spare(connection))
        connection_enter(connection, CONNECTION_HEADER,
                         clock_ns() + (int64_t)SPARE_MS * NS_PER_MS);
    *state = connection;
}

/* libmicrohttpd repeats itself when descriptors run out. */
static void on_message(void *context, const char *format, va_list args)
{
    enum { PER_SECOND = 10 };
    static _Atomic int64_t second;
    static atomic_int said;
    const int64_t now = clock_ns() / 1000000000;
    char text[512];

    (void)context;
    if (atomic_exchange(&second, now) != now)
        said = 0;
    if (said++ >= PER_SECOND)
        return;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_message(LOG_DEBUG, "libmicrohttpd: %s", text);
}

/* What requests have freed stays in malloc's heaps. When nobody works, let it go back
 * to the system, once a second at most. */
static void give_memory_back(struct http *http)
{
    const size_t freed = http->server.freed;
    const int64_t now = clock_ns();

    if (http->trimmed == freed || now < http->trim_next || http_computing(http))
        return;
    malloc_trim(0);
    http->trimmed = freed;
    http->trim_next = now + (int64_t)TRIM_MS * NS_PER_MS;
}

static void tick(void *context)
{
    struct http *http = context;

    workers_sweep(http->server.workers);
    give_memory_back(http);
}

/* Descriptors bound the connections. */
static void fit_connections(struct http *http)
{
    const size_t wanted = (size_t)http->server.options->max_connections;
    const size_t limit = machine_descriptors();
    const size_t free = limit > OTHER_DESCRIPTORS + 4 ? limit - OTHER_DESCRIPTORS : 4;
    size_t most = wanted;

    http->hard_connections = wanted + SPARE_CONNECTIONS;
    if (http->hard_connections > free) {
        http->hard_connections = free;
        most = free > 2 * SPARE_CONNECTIONS ? free - SPARE_CONNECTIONS : free / 2;
        log_message(LOG_WARN, "%zu open files allow %zu connections, not %zu", limit,
                    most, wanted);
    }
    http->soft_connections =
        most > 2 * PROBE_CONNECTIONS ? most - PROBE_CONNECTIONS : most;
}

static void lock_shelf(void *self)
{
    pthread_mutex_lock(self);
}

static void unlock_shelf(void *self)
{
    pthread_mutex_unlock(self);
}

static bool open_shelf(struct server *server)
{
    const size_t bytes = (size_t)server->options->weights_cache_bytes;
    const struct shelf_guard guard = {lock_shelf, unlock_shelf, &server->shelf_lock};

    if (bytes)
        server->shelf = shelf_new(bytes, &guard);
    return server->shelf || !bytes;
}

static bool open_sessions(struct server *server)
{
    const size_t n = (size_t)server->options->workers;

    server->sessions = calloc(n, sizeof *server->sessions);
    for (size_t i = 0; server->sessions && i < n; i++) {
        server->sessions[i] = api_session_new(&server->options->api,
                                              workers_parallel(server->workers, i));
        if (!server->sessions[i])
            return false;
        api_session_share(server->sessions[i], server->shelf);
    }
    return server->sessions != NULL;
}

static struct MHD_Daemon *start_daemon(struct http *http)
{
    /* The backstop behind our own deadlines. */
    const double timeout = http->server.options->keepalive_timeout +
                           http->server.options->read_timeout + 3600;

    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
        MHD_OPTION_LISTEN_SOCKET, http->listening, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)http->hard_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEAD_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)timeout,
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_END);
}

static void release(struct http *http)
{
    struct server *server = &http->server;

    monitor_stop(http->monitor);
    connections_free(server->connections);
    for (size_t i = 0; server->sessions && i < (size_t)server->options->workers; i++)
        api_session_free(server->sessions[i]);
    free(server->sessions);
    workers_free(server->workers);
    shelf_free(server->shelf);
    pthread_mutex_destroy(&server->shelf_lock);
    budget_release(&server->budget);
    free(http);
}

struct http *http_start(const struct options *options, struct access *access,
                        int listening, int monitoring, char *message, size_t size)
{
    struct http *http = calloc(1, sizeof *http);
    struct server *server = &http->server;

    if (!http) {
        snprintf(message, size, "out of memory");
        return NULL;
    }
    http->listening = listening;
    server->options = options;
    server->access = access;
    pthread_mutex_init(&server->shelf_lock, NULL);
    budget_init(&server->budget, (size_t)options->max_inflight_memory);
    fit_connections(http);
    server->workers =
        workers_new((size_t)options->workers, (size_t)options->queue_size);
    if (server->workers)
        server->connections =
            connections_new(http->hard_connections, http->soft_connections,
                            clock_from_seconds(options->read_timeout), tick, http);
    if (server->connections && open_shelf(server) && open_sessions(server) &&
        (monitoring < 0 || (http->monitor = monitor_start(server, monitoring))))
        http->daemon = start_daemon(http);
    if (http->daemon)
        return http;
    snprintf(message, size, "cannot start %g workers and serve: %s", options->workers,
             strerror(errno));
    release(http);
    return NULL;
}

void http_drain(struct http *http)
{
    http->server.draining = true;
}

void http_stop_accepting(struct http *http)
{
    http->server.draining = http->server.closed = true;
    http->quiesced = MHD_quiesce_daemon(http->daemon) >= 0;
    /* The I/O thread must have let go of the socket. It stays open until that thread
     * has ended; but from now on who connects is refused by the system. */
    usleep(100 * 1000);
    shutdown(http->listening, SHUT_RDWR);
    connections_cut(http->server.connections, false);
}

size_t http_inflight(const struct http *http)
{
    return http->server.inflight;
}

size_t http_computing(const struct http *http)
{
    const struct workers_load load = workers_load(http->server.workers);

    return load.busy + load.queued;
}

void http_cancel(struct http *http)
{
    http->server.closed = true;
    workers_stop(http->server.workers);
}

void http_cut(struct http *http)
{
    connections_cut(http->server.connections, true);
}

bool http_stop(struct http *http, size_t *requests)
{
    /* libmicrohttpd aborts if a connection is still suspended. */
    if (http_inflight(http) || http_computing(http))
        return false;
    MHD_stop_daemon(http->daemon);
    *requests = http->server.started;
    if (http->quiesced)
        close(http->listening);
    release(http);
    return true;
}
