/*
 * reply.h - a finished extraction becomes a reply of the kind that was asked for.
 */
#ifndef API_REPLY_H
#define API_REPLY_H

#include "api/api.h"
#include "api/figure.h"
#include "api/image.h"
#include "api/picture.h"
#include "engine/layer.h"

/* One stage of the reply: Input, a layer's output, or name/pre. */
struct stage {
    size_t index; /* position in the network, Input is 0 */
    const char *name, *class_name;
    struct tensor tensor;
    struct pads pad; /* zeros where no window slides */
    double params, macs;
    size_t receptive_field[2];
    double duration_ms; /* NaN: on another stage of the same fused step */
    struct statistics stats;
    struct render render;
    struct picture_set pictures;
    struct bytes *pngs; /* one file per picture, the arena's; NULL: none were made */
};

struct extraction {
    const char *id;
    struct image_info image;
    struct shape input; /* of the tensor that the network saw */
    size_t n_stages;
    struct stage *stages; /* in the order of the reply */
    size_t n_warnings;
    const char **warnings;
    double queue_ms;
    struct api_times ms;
    struct figure figure; /* of the kinds that are one; its panels are not set */
    int png_level;
    const struct limits *limits;
    const struct parallel *parallel; /* is asked whether the reply is still wanted */
};

/* Of n media types, NULL for none, the one that an Accept header likes best: the
 * highest q, then the one named most specifically, then the one named first; the first
 * of all without a header. ERROR_NOT_ACCEPTABLE names the types. */
bool reply_choose(const char *accept, const char *const *types, size_t n,
                  size_t *chosen, struct error *err) MUST_CHECK;

/* The kind of reply: format= wins, else Accept, else JSON. Of the kinds that Accept
 * takes, the one with the highest q; of equal ones the one named most specifically,
 * then the one named first; but "image" with a star at the same q wins over SVG, for
 * that is what browsers send for any <img>. ERROR_NOT_ACCEPTABLE names the kinds. */
bool reply_negotiate(const struct options *options, const char *accept,
                     enum reply_format *format, struct error *err) MUST_CHECK;

/* True if the kind is one figure of all stages: a PNG, an SVG or a PDF. */
bool reply_is_figure(enum reply_format format);

/* The figure that options ask for, of n panels; lesson: of the pipeline that stands in
 * where no layers are given. False if it has no room or is larger than allowed. */
bool reply_plan_figure(struct figure *figure, enum reply_format format,
                       const struct options *options, size_t n, bool lesson,
                       const struct limits *limits, struct error *err) MUST_CHECK;

/* Bytes of memory that such a figure takes beside its panels' pictures, which have so
 * many cells together, with a PNG of that level made in so many slots; for the plan. */
double reply_figure_bytes(const struct figure *figure, enum reply_format format,
                          double cells, int png_level, size_t slots);

/* True if the kind tells or shows how stages are painted, not only their numbers. */
bool reply_shows_render(enum reply_format format);

/* True if the kind needs pictures as files. */
bool reply_has_pictures(enum reply_format format, const struct options *options);

/* Write status 200, the body and its headers. options say which stage (png, npy) and
 * what a JSON reply holds. With values=list or base64 a stage has "values": its float32
 * numbers in row-major order, flat, as an array (null where not finite) or as the
 * base64 of little-endian bytes. A stage's "render" is all that it takes to paint its
 * pictures from them: beside the contract's members "layout", "columns" and "gap" of
 * the mosaic, and "cell", the pixels of a cell. */
bool reply_extraction(struct api_reply *reply, enum reply_format format,
                      const struct extraction *extraction,
                      const struct options *options, struct arena *arena,
                      struct error *err) MUST_CHECK;

/* ,"pad":{...} of a stage or of a planned layer. */
void reply_write_pad(struct buffer *out, const struct pads *pad);

/* Hand a finished buffer over as the body of a 200; it is empty then. If it failed,
 * it is released and the limit named. */
bool reply_body(struct api_reply *reply, const char *content_type, struct buffer *body,
                struct error *err) MUST_CHECK;

#endif
