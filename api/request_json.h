/*
 * request_json.h - requests that are JSON documents, and the options in them.
 *
 * The workings of request.c; nobody else needs them.
 */
#ifndef API_REQUEST_JSON_H
#define API_REQUEST_JSON_H

#include "api/json.h"
#include "api/request.h"

struct request_reader {
    struct request *request;
    struct bytes body;
    unsigned parts; /* that the path takes */
    unsigned seen;
    const struct limits *limits;
    struct arena *arena;
    struct error *err;
};

/* json_parse, but that an option which stands twice is ERROR_PART_DUPLICATE. */
cJSON *request_parse(struct request_reader *reader, const char *what,
                     const struct bytes *text, struct json_blobs *blobs) MUST_CHECK;

/* Read an application/json body: {"image":..., "config":..., "weights":..., options},
 * or a config as it is. */
bool request_read_json(struct request_reader *reader) MUST_CHECK;

/* Take the options out of request->config, which stands at the pointer, if it is a
 * request document: only its layers remain. unknown is the code of a key that is no
 * option. */
bool request_take_options(struct request_reader *reader, const char *pointer,
                          enum error_code unknown) MUST_CHECK;

#endif
