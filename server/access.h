/*
 * access.h - who may call: API keys, and the web pages of other origins (CORS).
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/options.h"

struct access;

/* Reads the keys and the origins of the options; NULL, and a line in message, if keys
 * are asked for and there are none, or their file cannot be read whole, or an origin is
 * none. */
struct access *access_new(const struct options *options, char *message,
                          size_t size) MUST_CHECK;
void access_free(struct access *access);

/* Read the file of keys anew, while others ask. False, with a line in message and the
 * keys as they were, if that fails. *n is the number of keys; without a file nothing
 * is read. */
bool access_reload(struct access *access, size_t *n, char *message,
                   size_t size) MUST_CHECK;

/* authorization is the value of that header, NULL if there was none. True if no keys
 * are set. Takes as long for a wrong key as for a right one. Whose key it is, *client
 * tells afterwards: a number made of the key. */
bool access_allowed(struct access *access, const char *authorization, uint64_t *client);

/* The value for Access-Control-Allow-Origin; NULL if that origin may not call. */
const char *access_origin(const struct access *access, const char *origin);

#endif
