/* canvas_text.c - text from outside, made fit to be drawn. */
#include "api/canvas.h"

#include <string.h>

#include "api/json_utf8.h"

static const char ellipsis[] = "\xe2\x80\xa6";

/* A control character, of ASCII or of C1. */
static bool is_control(const unsigned char *p, size_t length)
{
    return length == 1 ? *p < 0x20 || *p == 0x7f
                       : length == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

/* U+FFFE or U+FFFF, which no document may hold. */
static bool is_none(const unsigned char *p, size_t length)
{
    return length == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe;
}

void canvas_clean(char out[CANVAS_TEXT_SIZE], const char *text)
{
    const unsigned char *from = (const unsigned char *)text;
    size_t left = strlen(text), n = 0;

    while (left) {
        const size_t length = json_utf8_length(from, left), step = length + !length;
        const bool broken = !length || is_none(from, length);
        const char *put = broken ? "\xef\xbf\xbd" : (const char *)from;
        const size_t size = broken ? 3 : is_control(from, length) ? 0 : length;
        if (n + size > CANVAS_TEXT_SIZE - sizeof ellipsis) {
            memcpy(out + n, ellipsis, sizeof ellipsis);
            return;
        }
        memcpy(out + n, put, size);
        n += size;
        from += step;
        left -= step;
    }
    out[n] = '\0';
}

/* The first n characters of the text, then the ellipsis. */
static void shorten(char out[CANVAS_TEXT_SIZE + sizeof ellipsis], const char *text,
                    size_t n)
{
    size_t size = 0;

    for (; n && text[size]; n--)
        do
            size++;
        while ((text[size] & 0xc0) == 0x80);
    memcpy(out, text, size);
    memcpy(out + size, ellipsis, sizeof ellipsis);
}

void canvas_cut(struct canvas *c, const struct canvas_font *font,
                char text[CANVAS_TEXT_SIZE], double width)
{
    char shorter[CANVAS_TEXT_SIZE + sizeof ellipsis];
    size_t fits = 0, too_long = CANVAS_TEXT_SIZE;

    if (canvas_measure(c, font, text).width <= width)
        return;
    while (too_long - fits > 1) {
        const size_t n = (fits + too_long) / 2;
        shorten(shorter, text, n);
        *(canvas_measure(c, font, shorter).width <= width ? &fits : &too_long) = n;
    }
    shorten(shorter, text, fits);
    if (strlen(shorter) < CANVAS_TEXT_SIZE)
        memcpy(text, shorter, strlen(shorter) + 1);
}
