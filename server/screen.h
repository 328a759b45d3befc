/*
 * screen.h - the checks of a request's head that libmicrohttpd 0.9.75 leaves out.
 *
 * It takes the first of two Content-Lengths, lets Transfer-Encoding win over
 * Content-Length, takes "Content-Length " for another header, and answers HTTP/1.2:
 * two parties that read such a request differently can be played against each other.
 * Whatever is not plainly one request is refused, and its connection closed.
 */
#ifndef SERVER_SCREEN_H
#define SERVER_SCREEN_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"

enum { TARGET_MAX = 20000, ARGUMENTS_MAX = 64, ID_MAX = 128, TRACE_SIZE = 56 };

/* How the body comes. */
struct framing {
    uint64_t length; /* 0 if there is no Content-Length */
    bool expects;    /* Expect: 100-continue */
};

/* False for a raw request target that libmicrohttpd could not even answer. */
bool screen_answerable(const char *target);

/* What else may be wrong with it. */
bool screen_target(const char *target, struct error *err) MUST_CHECK;

/* Check version and headers; on success framing is filled in. method and version are
 * libmicrohttpd's own strings: where they lie is looked at too. */
bool screen_head(struct MHD_Connection *connection, const char *method,
                 const char *version, struct framing *framing,
                 struct error *err) MUST_CHECK;

/* True for 1 to ID_MAX letters, digits, dots, hyphens and underscores. */
bool screen_id(const char *id);

/* True for a traceparent that we can pass on (W3C Trace Context, version 00): it has
 * TRACE_SIZE - 1 characters. */
bool screen_trace(const char *trace);

#endif
