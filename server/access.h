/*
 * access.h - who may call: API keys, and the web pages of other origins (CORS).
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/options.h"

struct access;

/* Reads the keys and the origins of the options; NULL, and a line in message, if keys
 * are asked for and there are none, or their file cannot be read whole. */
struct access *access_new(const struct options *options, char *message,
                          size_t size) MUST_CHECK;
void access_free(struct access *access);

/* The value of an Authorization header, NULL if there was none. True if no keys are
 * set. Takes as long for a wrong key as for a right one. */
bool access_allowed(const struct access *access, const char *authorization);

/* The value for Access-Control-Allow-Origin; NULL if that origin may not call. */
const char *access_origin(const struct access *access, const char *origin);

#endif
