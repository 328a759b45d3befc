/*
 * local.h - the answers that need no worker: probes, metrics, version, the page.
 *
 * They are given on the I/O thread, whatever the queue holds.
 */
#ifndef SERVER_LOCAL_H
#define SERVER_LOCAL_H

#include "server/exchange.h"

/* True if the path is one of these; then the exchange's route is set. */
bool local_find(struct exchange *exchange);
/* True for a path that must be answered even when nothing else is. */
bool local_is_probe(const struct exchange *exchange);

/* Set reply, for GET and HEAD. */
void local_answer(struct exchange *exchange);

/* The reply of GET /metrics or of a probe, for the monitor's thread; untouched for any
 * other path. */
void local_monitor(struct server *server, const char *path, struct api_reply *reply);

#endif
