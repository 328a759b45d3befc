/* header.c - the values of HTTP and MIME headers. */
#include "api/header.h"

#include <string.h>

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

bool header_equal(const struct bytes *text, const char *word)
{
    if (text->size != strlen(word))
        return false;
    for (size_t i = 0; i < text->size; i++)
        if (lower(text->data[i]) != lower((unsigned char)word[i]))
            return false;
    return true;
}

static bool blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

struct bytes header_word(const struct bytes *value)
{
    size_t first = 0, last = 0;

    while (last < value->size && value->data[last] != ';')
        last++;
    while (first < last && blank(value->data[first]))
        first++;
    while (last > first && blank(value->data[last - 1]))
        last--;
    return (struct bytes){value->data + first, last - first};
}

bool header_is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip_blanks(const struct bytes *value, size_t *at)
{
    while (*at < value->size && blank(value->data[*at]))
        ++*at;
}

static bool quoted(const struct bytes *value, size_t *at, struct bytes *inside)
{
    const size_t start = ++*at;

    for (; *at < value->size; ++*at) {
        const unsigned char c = value->data[*at];
        if (c == '"') {
            *inside = (struct bytes){value->data + start, *at - start};
            ++*at;
            return true;
        }
        /* Only \" and \\ are escapes: browsers once sent C:\paths as they are. */
        if (c == '\\' && *at + 1 < value->size &&
            (value->data[*at + 1] == '"' || value->data[*at + 1] == '\\'))
            ++*at;
    }
    return false;
}

/* Anything up to white space or the next parameter: names of files are not always
 * tokens, though they should be. */
static void bare(const struct bytes *value, size_t *at, struct bytes *inside)
{
    const size_t start = *at;

    while (*at < value->size && value->data[*at] != ';' && value->data[*at] != '"' &&
           !blank(value->data[*at]))
        ++*at;
    *inside = (struct bytes){value->data + start, *at - start};
}

bool header_next(const struct bytes *value, size_t *at,
                 struct header_parameter *parameter)
{
    *parameter = (struct header_parameter){0};
    skip_blanks(value, at);
    while (*at < value->size && value->data[*at] == ';') {
        ++*at;
        skip_blanks(value, at);
    }
    if (*at == value->size)
        return true;

    const size_t start = *at;
    while (*at < value->size && header_is_token(value->data[*at]))
        ++*at;
    parameter->name = (struct bytes){value->data + start, *at - start};
    if (*at == start || *at == value->size || value->data[*at] != '=')
        return false;
    ++*at;
    parameter->quoted = *at < value->size && value->data[*at] == '"';
    if (!parameter->quoted)
        bare(value, at, &parameter->value);
    else if (!quoted(value, at, &parameter->value))
        return false;
    skip_blanks(value, at);
    return *at == value->size || value->data[*at] == ';';
}
