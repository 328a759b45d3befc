/* buffer.c - a growing buffer of bytes, and JSON written straight into it. */
#include "api/buffer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/base64.h"

enum {
    FIRST_CAPACITY = 4096,
    PIECE = 3 << 16, /* bytes that are copied between two questions; of base64 too */
};

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){.limit = limit};
}

void buffer_watch(struct buffer *buffer, const struct parallel *parallel)
{
    buffer->parallel = parallel;
    buffer->ask_at = buffer->size + PIECE;
}

bool buffer_wanted(struct buffer *buffer)
{
    buffer->failed =
        buffer->failed || (buffer->parallel && parallel_cancelled(buffer->parallel));
    return !buffer->failed;
}

void buffer_release(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){.limit = buffer->limit};
}

static bool resize(struct buffer *buffer, size_t capacity)
{
    unsigned char *bytes = realloc(buffer->bytes, capacity);

    if (!bytes)
        return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

static bool grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;

    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    return resize(buffer, capacity);
}

void buffer_expect(struct buffer *buffer, size_t n)
{
    if (n <= buffer->limit - buffer->size && n > buffer->capacity - buffer->size)
        (void)resize(buffer, buffer->size + n); /* else it grows as it can */
}

unsigned char *buffer_reserve(struct buffer *buffer, size_t n)
{
    if (buffer->size >= buffer->ask_at && buffer->parallel) {
        buffer->ask_at = buffer->size + PIECE;
        buffer_wanted(buffer);
    }
    if (buffer->failed)
        return NULL;
    if (n > buffer->limit - buffer->size) {
        buffer->failed = buffer->over_limit = true;
        return NULL;
    }
    const size_t needed = buffer->size + n;
    if ((needed > buffer->capacity || !buffer->bytes) && !grow(buffer, needed)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->bytes + buffer->size;
}

static void append_piece(struct buffer *buffer, const void *bytes, size_t n)
{
    unsigned char *to = buffer_reserve(buffer, n);

    if (to && n) {
        memcpy(to, bytes, n);
        buffer->size += n;
    }
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t n)
{
    const unsigned char *from = bytes;

    if (n > PIECE)
        buffer_reserve(buffer, n); /* all of it grows at once */
    for (; n > PIECE && !buffer->failed; n -= PIECE, from += PIECE)
        append_piece(buffer, from, PIECE);
    append_piece(buffer, from, n);
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_quoted(struct buffer *buffer, const char *text)
{
    for (; *text; text++)
        buffer_append(buffer, *text == '\'' ? "\"" : text, 1);
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
    char small[256];
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof small) {
        buffer_append(buffer, small, (size_t)n);
        return;
    }

    /* The final NUL needs room too, though it is not part of the text. */
    char *to = n < 0 ? NULL : (char *)buffer_reserve(buffer, (size_t)n + 1);
    if (!to) {
        buffer->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    buffer->size += (size_t)n;
}

static void append_base64(struct buffer *buffer, const unsigned char *from, size_t n)
{
    unsigned char *to = buffer_reserve(buffer, base64_size(n));

    if (!to)
        return;
    base64_encode(to, from, n);
    buffer->size += base64_size(n);
}

void buffer_base64(struct buffer *buffer, const void *bytes, size_t n)
{
    const unsigned char *from = bytes;

    if (n > PIECE)
        buffer_reserve(buffer, n > SIZE_MAX / 2 ? SIZE_MAX : n / 3 * 4 + 4);
    for (; n > PIECE && !buffer->failed; n -= PIECE, from += PIECE)
        append_base64(buffer, from, PIECE);
    append_base64(buffer, from, n);
}

/* Bytes of the UTF-8 sequence at s, 0 if it is not one: overlong forms, surrogates and
 * numbers over U+10FFFF are refused by the bounds of the second byte. */
static size_t utf8_length(const unsigned char *s)
{
    unsigned low = 0x80, high = 0xbf;
    size_t n;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        n = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        n = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        n = 4;
    else
        return 0;

    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return n;
}

/* A character that may not stand for itself in a JSON string. */
static void put_escaped(struct buffer *buffer, unsigned char c)
{
    switch (c) {
    case '"':
        buffer_text(buffer, "\\\"");
        break;
    case '\\':
        buffer_text(buffer, "\\\\");
        break;
    case '\n':
        buffer_text(buffer, "\\n");
        break;
    case '\r':
        buffer_text(buffer, "\\r");
        break;
    case '\t':
        buffer_text(buffer, "\\t");
        break;
    default:
        buffer_print(buffer, "\\u%04x", c);
    }
}

static bool stands_for_itself(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void buffer_json_string(struct buffer *buffer, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    buffer_text(buffer, "\"");
    while (*s) {
        size_t n = 0;
        while (stands_for_itself(s[n]))
            n++;
        buffer_append(buffer, s, n);
        s += n;
        if (*s >= 0x80) {
            n = utf8_length(s);
            buffer_append(buffer, n ? (const char *)s : "\xef\xbf\xbd", n ? n : 3);
            s += n ? n : 1;
        } else if (*s) {
            put_escaped(buffer, *s++);
        }
    }
    buffer_text(buffer, "\"");
}

/* Whole numbers are common, and the shortest form of a double below 2^53 is its
 * digits. -0 takes the long way, which keeps its sign. */
static bool put_whole(struct buffer *buffer, double value, double below)
{
    if (!(value > -below && value < below) || value != floor(value) ||
        (value == 0 && signbit(value)))
        return false;
    buffer_print(buffer, "%lld", (long long)value);
    return true;
}

void buffer_json_float(struct buffer *buffer, float value)
{
    char text[32];

    if (!isfinite(value)) {
        buffer_text(buffer, "null");
        return;
    }
    if (put_whole(buffer, (double)value, 1e7))
        return;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    buffer_text(buffer, text);
}

void buffer_json_number(struct buffer *buffer, double value)
{
    char text[32];

    if (!isfinite(value)) {
        buffer_text(buffer, "null");
        return;
    }
    if (put_whole(buffer, value, 1e15))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buffer_text(buffer, text);
}

void buffer_json_member(struct buffer *buffer, const char *name, double value)
{
    buffer_print(buffer, ",\"%s\":", name);
    buffer_json_number(buffer, value);
}

void buffer_json_shape(struct buffer *buffer, const char *name,
                       const struct shape *shape)
{
    buffer_print(buffer, "\"%s\":[", name);
    for (size_t i = 0; i < shape->rank; i++)
        buffer_print(buffer, "%s%zu", i ? "," : "", shape->dim[i]);
    buffer_text(buffer, "]");
}
