/*
 * header.h - the values of HTTP and MIME headers: a word, then parameters
 * (RFC 9110, section 5.6).
 */
#ifndef API_HEADER_H
#define API_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "api/bytes.h"
#include "engine/attributes.h"

/* Equal ASCII text in any case. */
bool header_equal(const struct bytes *text, const char *word);

/* What stands before the first ';', without white space around it: "image/png". */
struct bytes header_word(const struct bytes *value);

/* One parameter: ; name=token or ; name="quoted". */
struct header_parameter {
    struct bytes name;
    struct bytes value; /* without its quotes, escapes not undone */
    bool quoted;
};

/* The parameter at *at, an offset into the value, which moves past it; begin after the
 * word. At the end name.data is NULL. False if there is something else at *at. */
bool header_next(const struct bytes *value, size_t *at,
                 struct header_parameter *parameter) MUST_CHECK;

/* A byte of a token. */
bool header_is_token(unsigned char c);

#endif
