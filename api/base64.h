/*
 * base64.h - standard base64 (RFC 4648, section 4), read strictly: padding is
 * required, and there is no white space.
 */
#ifndef API_BASE64_H
#define API_BASE64_H

#include <stdbool.h>

#include "api/bytes.h"
#include "engine/attributes.h"

/* Characters that n bytes become, padding included. */
size_t base64_size(size_t n);

/* Write so many to out. */
void base64_encode(unsigned char *out, const unsigned char *bytes, size_t n);

/* An upper bound of the bytes that so much text stands for. */
size_t base64_bound(size_t text_size);

/* Decode into out, which has room for base64_bound(text->size) bytes. "\/" counts as
 * "/": JSON writers may escape it. False, with the position of the first byte that
 * does not belong, if the text is not base64. */
bool base64_decode(const struct bytes *text, unsigned char *out, size_t *size,
                   size_t *bad) MUST_CHECK;

#endif
