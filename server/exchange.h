/*
 * exchange.h - one request and its answer, from the request line to the last byte.
 *
 * The I/O thread owns an exchange, but for the time between exchange_submit and the
 * moment its connection is resumed: then a worker does. It lives until three have let
 * go of it: libmicrohttpd, the worker, and the answer whose body it holds.
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "server/access.h"
#include "server/budget.h"
#include "server/connections.h"
#include "server/options.h"
#include "server/screen.h"
#include "server/workers.h"

/* Bytes a second that a client must send or take, beyond the read timeout. */
enum { LEAST_RATE = 65536 };

/* What all exchanges share. */
struct server {
    const struct options *options;
    struct access *access;
    struct workers *workers;
    struct api_session **sessions; /* one for each worker */
    struct shelf *shelf;           /* of weights, theirs in common; NULL: none */
    pthread_mutex_t shelf_lock;
    struct connections *connections;
    struct budget budget;   /* of bodies and replies */
    atomic_size_t started;  /* exchanges, ever */
    atomic_size_t freed;    /* of them, with all that they held */
    atomic_size_t inflight; /* exchanges whose head has been read */
    atomic_bool draining;   /* not ready any more; answers close */
    atomic_bool closed;     /* no new work */
};

enum exchange_stage {
    EXCHANGE_TARGET,  /* only the request line is known */
    EXCHANGE_BODY,    /* being received */
    EXCHANGE_WORK,    /* suspended: with the workers */
    EXCHANGE_ANSWERED /* the answer is being sent */
};

struct exchange {
    struct job job; /* first: a job of ours is an exchange */
    struct server *server;
    struct connection *connection;
    struct MHD_Connection *mhd;
    enum exchange_stage stage;
    atomic_int references;
    pthread_mutex_t lock; /* of suspended, and orders worker and I/O thread */
    bool suspended;

    char id[ID_MAX + 1], method[16], trace[TRACE_SIZE]; /* trace "": there is none */

    char *target;       /* as it came */
    const char *query;  /* points into it */
    char *decoded;      /* what precedes the query, percent-decoded */
    char *path;         /* points into that, behind the prefix */
    const char *route;  /* its label; static, or a page's path */
    uint64_t client;    /* a number for who asks: the address, or the key */
    const char *origin; /* to be allowed, NULL for none */
    const char *content_type, *accept, *if_none_match; /* or NULL */
    char *joined[2]; /* the last two, where they came in several lines */
    struct framing framing;

    unsigned char *body;
    size_t body_size, body_capacity, received;
    size_t held;    /* bytes of the budget that this exchange holds */
    bool displaced; /* from the queue, by another client */
    bool needs_worker, takes_body;
    bool refused; /* reply holds the reason; the body is swallowed */
    bool closing; /* after the answer */

    struct api_reply reply;
    const char *policy; /* Content-Security-Policy */
    int status;
    size_t sent;

    /* clock_ns(), 0 where it was not reached */
    int64_t began, complete, run, done, answered;
};

/* NULL if there is no memory. */
struct exchange *exchange_new(struct server *server, struct connection *connection,
                              struct MHD_Connection *mhd, const char *target);
void exchange_release(struct exchange *exchange);

/* Read the head: method, ids, origin, and the headers that are kept. */
void exchange_read_head(struct exchange *exchange, const char *method);

/* NULL if there is none. For the I/O thread only. */
const char *exchange_header(const struct exchange *exchange, const char *name);

/* Take bytes of the budget; false, with a refusal, if there is no room for them. */
bool exchange_hold(struct exchange *exchange, size_t bytes) MUST_CHECK;

/* The reply is complete, and held from now on, unless it is small enough to count as
 * part of its connection. One that finds no room becomes a refusal. */
void exchange_hold_reply(struct exchange *exchange);

/* Forget the body, and what was held for it. */
void exchange_drop_body(struct exchange *exchange);

/* Set reply to a problem. The form with an error takes any; the other is for the
 * plain ones. Count it as a refusal. What was measured of the reply before is kept. */
void exchange_fail(struct exchange *exchange, const struct error *err);
void exchange_refuse(struct exchange *exchange, enum error_code code,
                     const char *format, ...) FORMATTED(3, 4);

/* Hand the exchange to the workers and suspend the connection. False at once, with a
 * refusal, if they take no more. The handler is called again when they are done. */
bool exchange_submit(struct exchange *exchange) MUST_CHECK;

#endif
