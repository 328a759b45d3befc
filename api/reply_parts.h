/*
 * reply_parts.h - what the kinds of reply share; private to reply*.c.
 */
#ifndef API_REPLY_PARTS_H
#define API_REPLY_PARTS_H

#include "api/config_layer.h"
#include "api/reply.h"

/* The media type of each format; NULL where Accept cannot ask for it. */
extern const char *const reply_media_types[FORMAT_COUNT];

/* The JSON of the contract: with pictures as base64; with their file names; or that
 * without what differs from one run to the next, its id and times. */
enum reply_json { REPLY_EMBEDDED, REPLY_NAMED, REPLY_REPRODUCIBLE };
void reply_write_json(struct buffer *out, const struct extraction *extraction,
                      const struct options *options, enum reply_json kind);

/* "01_Filter.png", or "01_Filter_003.png" for one of several: letters, digits and
 * "._-", all else is "_". Those of a reply are unique: no name of a stage, a layer's
 * with
 * "/pre" or a weight behind it, is cut. */
enum {
    REPLY_STAGE_NAME_SIZE = CONFIG_LAYER_MAX_NAME + 32,
    REPLY_FILE_NAME_SIZE = REPLY_STAGE_NAME_SIZE + 32,
};
void reply_file_name(char name[REPLY_FILE_NAME_SIZE], const struct stage *stage,
                     size_t picture, const char *extension);

/* Draw the extraction's figure, a file of the format. */
bool reply_write_figure(struct buffer *out, enum reply_format format,
                        const struct extraction *extraction,
                        const struct options *options, struct arena *arena,
                        struct error *err) MUST_CHECK;

#endif
