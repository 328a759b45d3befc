/*
 * metrics.h - what is counted, and its text for a scraper.
 *
 * Any thread may record and print.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "server/connections.h"

/* X(NAME, name of the label) */
#define FOR_EACH_STEP(X)                                                               \
    X(READ, "read")                                                                    \
    X(QUEUE, "queue")                                                                  \
    X(PLAN, "plan")                                                                    \
    X(WEIGHTS, "weights")                                                              \
    X(DECODE, "decode")                                                                \
    X(COMPUTE, "compute")                                                              \
    X(ENCODE, "encode")                                                                \
    X(WRITE, "write")

enum step {
#define ENUMERATE(id, name) STEP_##id,
    FOR_EACH_STEP(ENUMERATE)
#undef ENUMERATE
        STEPS
};

/* A request that has ended. */
struct metrics_request {
    const char *route, *method;
    int status;
    double seconds;
    double step_ms[STEPS]; /* 0: was not reached */
    double body_bytes, response_bytes, pixels;
};

/* X(field, type, name, what): numbers that others keep, read when they are printed */
#define FOR_EACH_READING(X)                                                            \
    X(queue_depth, "gauge", "convscope_queue_depth", "Requests waiting for a worker")  \
    X(queue_capacity, "gauge", "convscope_queue_capacity", "Requests that may wait")   \
    X(workers, "gauge", "convscope_workers", "Worker threads")                         \
    X(workers_busy, "gauge", "convscope_workers_busy", "Workers that run a request")   \
    X(inflight_bytes, "gauge", "convscope_inflight_bytes",                             \
      "Bytes of request bodies and replies held")                                      \
    X(inflight_limit, "gauge", "convscope_inflight_limit_bytes",                       \
      "Most bytes of request bodies and replies")                                      \
    X(started, "counter", "convscope_http_requests_started_total",                     \
      "Requests whose request line was read")                                          \
    X(inflight_requests, "gauge", "convscope_inflight_requests",                       \
      "Requests that have begun and not ended")                                        \
    X(connections, "gauge", "convscope_connections", "Open connections")               \
    X(cache_bytes, "gauge", "convscope_weights_cache_bytes",                           \
      "Bytes of packed weights kept for later requests")                               \
    X(cache_hits, "counter", "convscope_weights_cache_hits_total",                     \
      "Layers whose packed weights were found")                                        \
    X(cache_misses, "counter", "convscope_weights_cache_misses_total",                 \
      "Layers whose packed weights were looked for and not found")                     \
    X(log_lost, "counter", "convscope_log_lines_lost_total",                           \
      "Log lines that nobody read in time")

struct metrics_readings {
#define DECLARE(field, type, name, what) double field;
    FOR_EACH_READING(DECLARE)
#undef DECLARE
    double late[CONNECTION_PHASES]; /* connections that missed a deadline */
    const char *isa;
};

void metrics_record(const struct metrics_request *request);
void metrics_layer(const char *type, double ms); /* type: static */
void metrics_reject(enum error_code reason);
void metrics_client_closed(enum connection_phase phase);

/* The text exposition; the caller frees it. NULL if there is no memory. */
char *metrics_print(const struct metrics_readings *readings, size_t *size) MUST_CHECK;

#endif
