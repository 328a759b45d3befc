/*
 * option_use.h - which of the options that are given can do nothing in a request.
 *
 * What contradicts the input is refused: a client who says size=64 beside an image
 * would wonder at the picture. What only has no use in this kind of reply is a warning:
 * the next request, with the same options, may be for another kind.
 */
#ifndef API_OPTION_USE_H
#define API_OPTION_USE_H

#include "api/options.h"
#include "engine/arena.h"

/* Of what the input is made, beside a generator, which the options tell. */
enum input_source {
    INPUT_FROM_IMAGE,
    INPUT_FROM_SHAPE, /* a plan's: nothing but a shape */
    INPUT_FROM_PATTERN,
};

/* False, with a fault for each, if options are given that this input has no use for:
 * those of another generator, or of the preparation of an image where there is none. Of
 * a shape only what would change it is refused. */
bool option_use_check(const struct options *options, enum input_source source,
                      struct error *err) MUST_CHECK;

/* What the reply is, beside the options. */
struct option_reply {
    enum input_source source;
    enum reply_format format;
    bool own_colors; /* there is one picture, an Input of three channels */
};

/* A sentence for each option that does nothing in such a reply, into warnings, which
 * has room for OPTION_COUNT. Returns their number; without memory there are none. */
size_t option_use_warn(const struct options *options, const struct option_reply *reply,
                       struct arena *arena, const char **warnings);

#endif
