/*
 * multipart.h - multipart/form-data (RFC 7578, RFC 2046), read strictly from a whole
 * body.
 *
 * Lines end with CRLF. A delimiter is a whole line; what only begins like one is data.
 * A preamble and an epilogue are skipped. A body that is cut off anywhere, or that has
 * no final delimiter, is refused: every message says what is wrong, and at which byte.
 */
#ifndef API_MULTIPART_H
#define API_MULTIPART_H

#include "api/bytes.h"
#include "engine/arena.h"
#include "engine/error.h"

enum {
    MULTIPART_MAX_PARTS = 64,
    MULTIPART_MAX_HEADERS = 8192, /* bytes of headers of one part */
    MULTIPART_MAX_NAME = 256,
    MULTIPART_MAX_BOUNDARY = 70
};

struct part {
    const char *name;         /* unescaped */
    bool is_file;             /* it has a file name, which nobody needs to know */
    const char *content_type; /* as sent, or NULL */
    struct bytes data;        /* in the body */
};

struct multipart {
    size_t n;
    struct part *parts; /* in the order of the body, in the arena */
};

/* True if the header value names multipart/form-data, in any case. */
bool multipart_accepts(const char *content_type);

/* Read a body by its Content-Type header; ERROR_MULTIPART_MALFORMED. */
bool multipart_read(struct multipart *form, const char *content_type,
                    const struct bytes *body, struct arena *arena,
                    struct error *err) MUST_CHECK;

#endif
