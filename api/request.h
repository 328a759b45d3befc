/*
 * request.h - the three ways in, made one.
 *
 * multipart/form-data, a raw image body and application/json all become the same
 * thing: options, image bytes, a parsed config and weights. Nothing is decoded yet.
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <cjson/cJSON.h>

#include "api/api.h"
#include "api/bytes.h"
#include "api/options.h"
#include "engine/weights.h"

struct request {
    struct options options;
    struct bytes image;         /* a file of any format; in the body, or in the arena */
    cJSON *config;              /* NULL if there is none; request_release frees it */
    const char *config_pointer; /* pointer of the config in its document: "" mostly,
                                   "/config" in an application/json body */
    struct bytes weights_file;  /* .safetensors or .npz as uploaded */
    /* Weights of an application/json body, already decoded; n 0 if none. */
    struct weights_upload weights;
    bool has_weights; /* either of the two */
};

enum { REQUEST_MAX_OPTION = 1 << 18 }; /* bytes of one in a form: a kernel's JSON */

/* Which parts a route takes; others are ERROR_PART_UNKNOWN. */
enum request_parts { PART_IMAGE = 1, PART_CONFIG = 2, PART_WEIGHTS = 4 };

/* Read the request by its Content-Type. The config has passed the strict JSON scan
 * and its limits but is not interpreted, except that a request document's options
 * ({"layers":..., "render":{...}, "gamma":...}) are taken into options, so that the
 * config left holds only layers. Strings and decoded base64 are in the arena; image
 * and weights bytes may lie in the request's body. On failure too, call
 * request_release. accepted are the options that the route takes; see options.h. */
bool request_read(struct request *request, const struct api_request *from,
                  unsigned parts, const enum option_id *accepted,
                  const struct limits *limits, struct arena *arena,
                  struct error *err) MUST_CHECK;
void request_release(struct request *request);

/* Faults that say no value get the one that the request has there: of an option by its
 * name, of the config by its pointer. To be called before request_release. */
void request_show_values(const struct request *request, struct error *err);

#endif
