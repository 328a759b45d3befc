/*
 * json_utf8.h - the characters of a JSON text, or of one to be drawn.
 */
#ifndef API_JSON_UTF8_H
#define API_JSON_UTF8_H

#include <stddef.h>

/* Length of the UTF-8 sequence at p, of at most n bytes; 0 if it is none: no overlong
 * forms, no surrogates, nothing above U+10FFFF. */
size_t json_utf8_length(const unsigned char *p, size_t n);

/* Write a character as UTF-8, at most 4 bytes. Returns how many. */
size_t json_utf8_put(char *out, int code);

#endif
