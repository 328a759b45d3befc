/*
 * log.h - lines for whoever runs the server, JSON or text, on standard output.
 *
 * Logging never waits: a line goes into a bounded ring and a thread of its own writes
 * it out. If nobody reads the log, lines are lost, and counted. Text from clients is
 * escaped, so that a line is always one line. Any thread may log.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "server/metrics.h"
#include "server/options.h"

/* What is said of one request: what is counted of it, and who, where, why. */
struct log_request {
    const struct metrics_request *metrics;
    const char *id, *path, *peer;
    const char *trace; /* traceparent, or "" */
    const char *code;  /* of the error, or "" */
};

/* Before it is called, and after log_stop, messages go to standard error. */
bool log_start(enum log_format format, enum log_level level) MUST_CHECK;
/* Write what is left, for at most a second. */
void log_stop(void);

void log_message(enum log_level level, const char *format, ...) FORMATTED(2, 3);
void log_line(const struct log_request *request);

/* Lines that found no room, since the start. */
uint64_t log_lost(void);

#endif
