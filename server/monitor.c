/*
 * monitor.c - see monitor.h
 *
 * What is answered is made by local.c for both addresses. A request with a body is not
 * for here: its connection is closed.
 */
#include "server/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/local.h"

enum { CONNECTIONS = 64, HEAD_MEMORY = 8192, BACKSTOP_S = 3600 };

struct monitor {
    struct server *server;
    struct connections *connections;
    struct MHD_Daemon *daemon;
};

static void no_tick(void *context)
{
    (void)context;
}

static int64_t deadline(const struct monitor *monitor)
{
    return clock_ns() + clock_from_seconds(monitor->server->options->read_timeout);
}

static enum MHD_Result answer(struct monitor *monitor, struct MHD_Connection *mhd,
                              const char *path)
{
    struct api_reply reply = {.status = 404};
    struct MHD_Response *response;

    local_monitor(monitor->server, path, &reply);
    response = MHD_create_response_from_buffer(reply.body_size, reply.body,
                                               MHD_RESPMEM_MUST_FREE);
    if (!response) {
        api_reply_release(&reply);
        return MHD_NO;
    }
    if (reply.content_type)
        MHD_add_response_header(response, "Content-Type", reply.content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    const enum MHD_Result queued =
        MHD_queue_response(mhd, (unsigned)reply.status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd,
                                  const char *url, const char *method,
                                  const char *version, const char *data, size_t *size,
                                  void **state)
{
    static char seen;
    struct monitor *monitor = context;

    (void)version;
    (void)data;
    if (*size || (strcmp(method, "GET") && strcmp(method, "HEAD")))
        return MHD_NO;
    if (!*state) { /* an answer now would close the connection */
        *state = &seen;
        return MHD_YES;
    }
    return answer(monitor, mhd, url);
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
            ->socket_context;

    (void)how;
    *state = NULL;
    if (connection)
        connection_enter(connection, CONNECTION_HEADER, deadline(context));
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    struct monitor *monitor = context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const int fd =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *state = connection_open(monitor->connections, fd, NULL, deadline(monitor));
    } else if (*state) {
        connection_close(*state);
        *state = NULL;
    }
}

struct monitor *monitor_start(struct server *server, int listening)
{
    struct monitor *monitor = calloc(1, sizeof *monitor);

    if (!monitor)
        return NULL;
    monitor->server = server;
    monitor->connections = connections_new(CONNECTIONS, CONNECTIONS, 0, no_tick, NULL);
    if (monitor->connections)
        monitor->daemon = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, monitor,
            MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)HEAD_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)BACKSTOP_S,
            MHD_OPTION_NOTIFY_COMPLETED, on_completed, monitor,
            MHD_OPTION_NOTIFY_CONNECTION, on_connection, monitor, MHD_OPTION_END);
    if (monitor->daemon)
        return monitor;
    close(listening);
    monitor_stop(monitor);
    return NULL;
}

void monitor_stop(struct monitor *monitor)
{
    if (!monitor)
        return;
    if (monitor->daemon)
        MHD_stop_daemon(monitor->daemon);
    connections_free(monitor->connections);
    free(monitor);
}
