/*
 * nearest.h - "did you mean": the known name nearest to an unknown one.
 */
#ifndef API_NEAREST_H
#define API_NEAREST_H

#include <stddef.h>

/* The i-th known name, NULL past the end. */
typedef const char *name_at(const void *context, size_t i);

/* The name nearest to an unknown one, ignoring case and underscores: one that means
 * the same elsewhere ("img", "pool_size" of an animation); one spelled nearly so; where
 * none is near, one that ends in such a word ("soble": "left_sobel"), or one that
 * begins as it does or the other way round ("pad", "padding"); else NULL. */
const char *nearest_name(const char *name, name_at *at, const void *context);

/* The same among the names of a NULL-terminated array. */
const char *nearest_of(const char *name, const char *const *names);

/* "; did you mean relu?" into text, of NEAREST_TEXT_SIZE bytes, or "" for NULL.
 * Returns text. */
enum { NEAREST_TEXT_SIZE = 96 };
const char *nearest_hint(const char *nearest, char *text);

#endif
