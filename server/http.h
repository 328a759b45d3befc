/*
 * http.h - the server proper: connections in, answers out.
 *
 * One libmicrohttpd thread does all I/O and never computes; workers do. To end it:
 *
 *     http_drain(http);           not ready any more, but serving
 *     http_stop_accepting(http);  nothing new; what has begun goes on
 *     ... until http_inflight(http) is 0 or patience ends ...
 *     http_cancel(http);          what computes is to end
 *     ... until http_computing(http) is 0 or patience ends ...
 *     http_cut(http);             every connection is closed
 *     ... until http_inflight(http) is 0 or patience ends ...
 *     http_stop(http);
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "server/access.h"
#include "server/options.h"

struct http;

/* Serve on a listening socket and, unless monitoring is negative, metrics and probes on
 * another; it takes both over. options and access must outlive it. NULL, and a line in
 * message, if that cannot be. */
struct http *http_start(const struct options *options, struct access *access,
                        int listening, int monitoring, char *message,
                        size_t size) MUST_CHECK;

void http_drain(struct http *http);
void http_stop_accepting(struct http *http);
void http_cancel(struct http *http);
void http_cut(struct http *http);

/* Requests whose head was read and whose answer has not been sent. */
size_t http_inflight(const struct http *http);
/* Those of them that the workers have. */
size_t http_computing(const struct http *http);

/* End all threads and free everything; *requests is how many there have been. False,
 * with nothing freed, if some are still in flight: then only leaving the process helps.
 */
bool http_stop(struct http *http, size_t *requests) MUST_CHECK;

#endif
