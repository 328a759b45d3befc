/*
 * monitor.h - metrics and probes on an address of their own (METRICS_BIND), for those
 * who watch the server and are not its clients.
 *
 * It has a thread, connections and deadlines of its own: a crowd at the main address
 * does not reach it, and it answers until the server has drained.
 */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H

#include "server/exchange.h"

struct monitor;

/* Serve on a listening socket, which it takes over. NULL if that cannot be. */
struct monitor *monitor_start(struct server *server, int listening) MUST_CHECK;
/* NULL is fine. */
void monitor_stop(struct monitor *monitor);

#endif
