/*
 * connections.h - every open connection, its deadline, and who has gone.
 *
 * libmicrohttpd's own timer starts anew with every byte, and a suspended connection
 * has none. So one thread of ours, the guard, closes a connection whose absolute
 * deadline has passed, and sees a client go while a worker is busy for it.
 *
 * What the guard does is shutdown(): libmicrohttpd then finds the connection closed
 * and cleans up as ever.
 */
#ifndef SERVER_CONNECTIONS_H
#define SERVER_CONNECTIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "api/api.h"

/* X(NAME, name): what a connection is doing, and so what its deadline is for */
#define FOR_EACH_PHASE(X)                                                              \
    X(HEADER, "header")                                                                \
    X(BODY, "body")                                                                    \
    X(WORK, "work") /* has no deadline: the job has */                                 \
    X(WRITE, "write")                                                                  \
    X(IDLE, "idle")

enum connection_phase {
#define ENUMERATE(id, name) CONNECTION_##id,
    FOR_EACH_PHASE(ENUMERATE)
#undef ENUMERATE
        CONNECTION_PHASES
};

struct connection;
struct connections;

/* Idle connections beyond soft are closed; when there is next to no room left, so are
 * spare ones that have been silent since they came. An idle one that receives something
 * has head_ns from then on for the head of a request. The guard calls tick(context)
 * every 100 ms and after a client has gone. NULL if the system lacks something. */
struct connections *connections_new(size_t capacity, size_t soft, int64_t head_ns,
                                    void (*tick)(void *context),
                                    void *context) MUST_CHECK;
void connections_free(struct connections *connections);

/* NULL if there are capacity of them already. Beyond soft it is a spare one. */
struct connection *connection_open(struct connections *connections, int fd,
                                   const struct sockaddr *peer, int64_t deadline);
/* Before the descriptor is closed. */
void connection_close(struct connection *connection);

/* The phase begins; it must end by the deadline. While a spare connection's request is
 * being read, an earlier deadline holds on. */
void connection_enter(struct connection *connection, enum connection_phase phase,
                      int64_t deadline);

/* The first line of a request is there: from now on it is the header that is waited
 * for, until the deadline that there has been since the request began, or else this
 * one. */
void connection_begin(struct connection *connection, int64_t deadline);

/* Set *gone when the client closes or breaks the connection, until unwatched. */
void connection_watch(struct connection *connection, atomic_bool *gone);
void connection_unwatch(struct connection *connection);

/* Close it now. */
void connection_cut(struct connection *connection);

/* True if it missed a deadline: then *phase is the one it was in. */
bool connection_late(struct connection *connection, enum connection_phase *phase);
bool connection_is_spare(const struct connection *connection);
/* The client's address, without the port. */
const char *connection_peer(const struct connection *connection);
/* A number for the client, to share the workers fairly: one for each IPv4 address, and
 * for each /64 of IPv6, which is what one network is given. */
uint64_t connection_client(const struct connection *connection);

size_t connections_count(struct connections *connections);
/* Closed for a missed deadline, by phase. */
uint64_t connections_late(struct connections *connections, enum connection_phase phase);
/* Close those that are idle, or all. */
void connections_cut(struct connections *connections, bool all);

#endif
