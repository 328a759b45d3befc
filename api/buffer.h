/*
 * buffer.h - a growing buffer of bytes, and JSON written straight into it.
 *
 * Replies are written here and handed to the server without another copy. Failure
 * (no memory, or over the limit) sticks: write on, and look at failed at the end.
 */
#ifndef API_BUFFER_H
#define API_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/attributes.h"
#include "engine/parallel.h"
#include "engine/tensor.h"

struct buffer {
    unsigned char *bytes; /* malloc'ed */
    size_t size, capacity;
    size_t limit; /* of size */
    bool failed;
    bool over_limit;                 /* failed for the limit, not for want of memory */
    const struct parallel *parallel; /* NULL: nobody can lose interest */
    size_t ask_at;                   /* the size at which it is asked again */
};

void buffer_init(struct buffer *buffer, size_t limit);
/* Writing fails from here on once the parallel-for is cancelled: it is asked every some
 * 256 KiB. */
void buffer_watch(struct buffer *buffer, const struct parallel *parallel);
/* The same question now, for who works long for few bytes; false if it has failed. */
bool buffer_wanted(struct buffer *buffer);
void buffer_release(struct buffer *buffer);

/* Room for n more bytes at the end, not counted into size yet; NULL if failed. */
unsigned char *buffer_reserve(struct buffer *buffer, size_t n);

/* So many bytes will follow, more or less: they need not be moved while it grows. */
void buffer_expect(struct buffer *buffer, size_t n);

void buffer_append(struct buffer *buffer, const void *bytes, size_t n);
void buffer_text(struct buffer *buffer, const char *text);
/* The same, with ' in the text standing for ": for JSON that is ours. */
void buffer_quoted(struct buffer *buffer, const char *text);
void buffer_print(struct buffer *buffer, const char *format, ...) FORMATTED(2, 3);

/* Standard base64 with padding (RFC 4648), without line breaks. */
void buffer_base64(struct buffer *buffer, const void *bytes, size_t n);

/* A JSON string with its quotes. The text is UTF-8; what is not is written as
 * U+FFFD. */
void buffer_json_string(struct buffer *buffer, const char *text);
/* A finite number, shortest of 9 digits (float32 survives); else null. */
void buffer_json_float(struct buffer *buffer, float value);
/* The same with 17 digits at most; an integral value is written without a point. */
void buffer_json_number(struct buffer *buffer, double value);

/* ,"name":value as buffer_json_number writes it. */
void buffer_json_member(struct buffer *buffer, const char *name, double value);
/* "name":[62,62,1] */
void buffer_json_shape(struct buffer *buffer, const char *name,
                       const struct shape *shape);

#endif
