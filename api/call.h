/*
 * call.h - one request on its way through the api: what its handler is given.
 *
 * A handler fills call->reply and returns true, or records what failed in call->err and
 * returns false: api_call then makes a problem document of it.
 */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/api.h"
#include "api/buffer.h"
#include "engine/arena.h"

struct api_session {
    const struct api_settings *settings;
    const struct parallel *parallel;
    struct shelf *shelf; /* NULL: none */
    struct arena arena;  /* of the call that is running */
};

struct call {
    struct api_session *session;
    const struct api_settings *settings;
    const struct parallel *parallel;
    struct arena *arena;
    const struct api_request *request;
    const char *tail; /* what stands for the {name} of the route's path and the
                         extension behind it, or "" */
    struct api_reply *reply;
    bool unique; /* the reply holds an id or times: no other request gets the same */
    struct error err;
};

typedef bool call_handler(struct call *call);

/* extract.c: POST and GET /v1/extract, POST /v1/kernels; plan.c: POST /v1/plan */
call_handler extract_call, layer_kernels_call, plan_call;

/* inputs.c: GET /v1/inputs/circle.npy, circle.png, two_dots.npy, two_dots.png */
call_handler circle_npy_call, circle_png_call, two_dots_npy_call, two_dots_png_call;

/* animation_call.c: GET and POST /v1/animation */
call_handler animation_call;

/* show_kernel.c: GET /v1/kernel.png, /v1/kernels/{name}.png; GET and POST /v1/kernels
 */
call_handler kernel_png_call, named_kernel_png_call, all_kernels_call;

/* catalogue.c: GET /v1/layers and the like, printed from the tables */
call_handler layers_call, activations_call, kernels_call, kernel_call, colormaps_call,
    limits_call, presets_call, preset_call, problem_call;

/* schema.c: GET /v1/config.schema.json */
call_handler schema_call;

#endif
