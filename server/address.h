/*
 * address.h - "127.0.0.1:8080", ":8080" or "[::1]:8080" made a socket.
 *
 * Without a host all addresses are meant, IPv4 and IPv6.
 */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <stddef.h>

#include "api/api.h"

enum { ADDRESS_SIZE = 80 };

/* A listening socket, or -1 and one line in message that says why not. */
int address_listen(const char *bind, char *message, size_t size) MUST_CHECK;

/* A connection to whoever listens there, over loopback where no host is given; -1 if
 * nobody does. */
int address_connect(const char *bind) MUST_CHECK;

/* "http://127.0.0.1:8080" of a listening socket; localhost for all addresses. */
void address_url(int listening, char url[ADDRESS_SIZE]);

#endif
