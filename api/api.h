/*
 * api.h - request in, reply out: the only header that the server includes.
 *
 *     struct api_session *session = api_session_new(&settings, &parallel);
 *     ...
 *     api_call(session, &request, &reply);
 *     ... send reply.body ...
 *     api_reply_release(&reply);
 *
 * Nothing here knows of sockets or threads. A session is used by one thread at a
 * time; the server keeps one for each worker. api_call never fails: a failure is a
 * reply of its own (application/problem+json, RFC 9457).
 */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/kernels.h"
#include "engine/limits.h"
#include "engine/parallel.h"
#include "engine/shelf.h"

/* What the operator chose; shared by all sessions, read-only while they live. */
struct api_settings {
    struct limits limits;
    const struct kernels *kernels; /* api_settings_init sets the best of this CPU */
    int png_level;                 /* 0 (stored) to 9; see picture.h */
};

/* The defaults. isa as in kernels_find: NULL for the best; false if it is unknown or
 * this CPU lacks it. */
bool api_settings_init(struct api_settings *settings, const char *isa) MUST_CHECK;

struct api_request {
    const char *id;           /* request id, printable ASCII */
    const char *method;       /* "POST" */
    const char *path;         /* percent-decoded, without the query */
    const char *query;        /* raw, without "?"; "" if there is none */
    const char *content_type; /* header values as sent; NULL where absent */
    const char *accept;
    const char *if_none_match;
    const void *body;
    size_t body_size;
    double queue_ms; /* time spent waiting for a worker */
};

enum { API_MAX_HEADERS = 12 };

struct api_header {
    const char *name; /* static */
    char value[232];  /* without CR, LF and other control bytes */
};

/* body and layers are malloc'ed (or NULL) and outlive the session's memory: the server
 * sends and counts them later and then calls api_reply_release. */
/* How long a layer took. */
struct api_layer_time {
    const char *type; /* "Conv2D"; static */
    double ms;
};

/* X(phase): what a worker does, in order. With the time in the queue they add up to the
 * total. */
#define FOR_EACH_API_PHASE(X)                                                          \
    X(plan)    /* the request is read and planned */                                   \
    X(weights) /* uploaded ones are read, others drawn */                              \
    X(decode)  /* the image becomes numbers */                                         \
    X(compute) /* the network runs */                                                  \
    X(encode)  /* pictures are painted, the reply is written */

struct api_times { /* milliseconds */
#define DECLARE(phase) double phase;
    FOR_EACH_API_PHASE(DECLARE)
#undef DECLARE
};

struct api_reply {
    int status;
    const char *content_type;                   /* static; NULL without a body */
    struct api_header headers[API_MAX_HEADERS]; /* but Content-Type and -Length */
    size_t n_headers;
    void *body;
    size_t body_size;

    /* For metrics and the log. */
    enum error_code error; /* ERROR_NONE for an answer in the 200s and 300s */
    struct api_times ms;
    double pixels;                 /* of the input image, 0 if there was none */
    struct api_layer_time *layers; /* malloc'ed; what was run, or NULL */
    size_t n_layers;
};

void api_reply_release(struct api_reply *reply);

/* Add a header; a value that is too long is cut, control bytes are dropped. */
void api_reply_header(struct api_reply *reply, const char *name, const char *format,
                      ...) FORMATTED(3, 4);

/* What is known of a request from its first line, before the body is read. */
struct api_route {
    const char *label; /* for metrics, e.g. "/v1/kernels/{name}"; NULL: no such path */
    const char *allow; /* e.g. "GET, HEAD, OPTIONS"; the value of an Allow header */
    bool method_allowed;
    bool takes_body;
    bool open; /* documentation: no key is needed */
};
struct api_route api_route(const char *method, const char *path);

/* The path nearest to one that there is not; NULL if none is near. */
const char *api_nearest_path(const char *path);

/* Whether a body of that Content-Type (NULL: none) can be read by a route that takes
 * one; else ERROR_MEDIA_TYPE_UNSUPPORTED. */
bool api_takes_type(const char *content_type, struct error *err) MUST_CHECK;

struct api_session *api_session_new(const struct api_settings *settings,
                                    const struct parallel *parallel) MUST_CHECK;
void api_session_free(struct api_session *session);

/* Let the session keep packed weights on a shelf, for its next requests and those of
 * all sessions that share it. It must outlive them, and be guarded if they run at once.
 */
void api_session_share(struct api_session *session, struct shelf *shelf);

/* Answer the request. *reply need not be initialised. The parallel-for's cancelled()
 * stops it early; the reply then is a 499 with code client_closed, and the caller,
 * who knows why it cancelled, may send another in its place. HEAD is answered with
 * GET's headers and body, and a 304 with the body that the client has: the server
 * leaves them out. */
void api_call(struct api_session *session, const struct api_request *request,
              struct api_reply *reply);

/* A problem document for a failure that the server found itself. */
void api_problem(const struct error *err, const char *request_id,
                 struct api_reply *reply);

/* The answer of GET /version: {"name","version","commit","isa","libraries":{...}}.
 * more is appended to libraries: `"libmicrohttpd":"0.9.75"`. */
void api_version(const struct api_settings *settings, const char *more,
                 struct api_reply *reply);

#define API_VERSION "0.1.0"

#endif
