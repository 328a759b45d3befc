/*
 * health.h - the container's HEALTHCHECK: a client that asks whether the server that
 * has these settings is ready.
 */
#ifndef SERVER_HEALTH_H
#define SERVER_HEALTH_H

#include "server/options.h"

/* The exit status: 0 if it is. Otherwise a line on standard error says why not. */
int health_check(const struct options *options);

#endif
