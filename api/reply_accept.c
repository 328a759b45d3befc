/* reply_accept.c - which kind of reply the client wants (RFC 9110, section 12.5.1). */
#include "api/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/header.h"
#include "api/reply_parts.h"

const char *const reply_media_types[FORMAT_COUNT] = {
    [FORMAT_JSON] = "application/json",
    [FORMAT_MULTIPART] = "multipart/form-data",
    [FORMAT_PNG] = "image/png",
    [FORMAT_FIGURE] = NULL, /* image/png means one stage's picture */
    [FORMAT_SVG] = "image/svg+xml",
    [FORMAT_PDF] = "application/pdf",
    [FORMAT_ZIP] = "application/zip",
    [FORMAT_NPZ] = "application/x-npz",
    [FORMAT_SAFETENSORS] = "application/x-safetensors",
    [FORMAT_NPY] = "application/x-npy",
};

/* How well a media range of Accept fits; specificity 0 where none does. */
struct match {
    int specificity; /* 1: any type, 2: any subtype, 3: this very type */
    double q;
    size_t place; /* in the list */
};

static int specificity(const struct bytes *range, const char *type)
{
    const size_t major = (size_t)(strchr(type, '/') - type) + 1; /* "image/" */
    struct bytes prefix = *range;

    if (header_equal(range, type))
        return 3;
    if (header_equal(range, "*/*") || header_equal(range, "*"))
        return 1;
    if (range->size != major + 1 || range->data[major] != '*')
        return 0;
    prefix.size = major;
    char head[64] = "";
    memcpy(head, type, major < sizeof head ? major : sizeof head - 1);
    return header_equal(&prefix, head) ? 2 : 0;
}

/* 0 to 1 with at most three decimals; anything else is no preference at all. */
static double read_q(const struct bytes *value)
{
    char text[8] = "";

    if (value->size == 0 || value->size >= sizeof text)
        return 1;
    memcpy(text, value->data, value->size);
    const double q =
        strspn(text, "0123456789.") == value->size ? strtod(text, NULL) : 1;
    return q < 1 ? q : 1;
}

static double quality(const struct bytes *element)
{
    struct header_parameter parameter;
    const struct bytes word = header_word(element);
    size_t at = (size_t)(word.data - element->data) + word.size;

    while (header_next(element, &at, &parameter) && parameter.name.data)
        if (header_equal(&parameter.name, "q"))
            return read_q(&parameter.value);
    return 1;
}

/* The next element of the list; data NULL at the end. */
static struct bytes next_element(const char **at)
{
    struct bytes element = {(const unsigned char *)*at, 0};
    bool quoted = false;

    if (!**at)
        return (struct bytes){NULL, 0};
    for (; **at && (quoted || **at != ','); ++*at) {
        quoted ^= **at == '"';
        element.size++;
    }
    *at += **at == ',';
    return element;
}

/* The most specific range that covers a type speaks for it. */
static struct match match_type(const char *accept, const char *type)
{
    struct match best = {0};
    struct bytes element;

    for (size_t place = 0; (element = next_element(&accept)).data; place++) {
        const struct bytes range = header_word(&element);
        const int s = specificity(&range, type);
        if (s > best.specificity)
            best = (struct match){s, quality(&element), place};
    }
    return best;
}

static bool is_better(const struct match *a, const struct match *b)
{
    if (a->q != b->q)
        return a->q > b->q;
    if (a->specificity != b->specificity)
        return a->specificity > b->specificity;
    return a->specificity > 0 && a->place < b->place;
}

static bool not_acceptable(const char *const *types, size_t n, struct error *err)
{
    char list[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < n; i++)
        if (types[i])
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s",
                                     i ? ", " : "", types[i]);
    return error_set(err, ERROR_NOT_ACCEPTABLE, "Accept names none of: %s", list);
}

bool reply_choose(const char *accept, const char *const *types, size_t n,
                  size_t *chosen, struct error *err)
{
    struct match best = {0};

    *chosen = 0;
    if (!accept || strspn(accept, " \t,") == strlen(accept))
        return true;
    for (size_t i = 0; i < n; i++) {
        const struct match match =
            types[i] ? match_type(accept, types[i]) : (struct match){0};
        if (match.q > 0 && is_better(&match, &best)) {
            best = match;
            *chosen = i;
        }
    }
    return best.q > 0 || not_acceptable(types, n, err);
}

/* Browsers name SVG before "image/" and a star in every <img>: that asks for any
 * picture. */
static bool is_any_picture(const char *accept)
{
    const struct match svg = match_type(accept, reply_media_types[FORMAT_SVG]);
    const struct match png = match_type(accept, reply_media_types[FORMAT_PNG]);

    return png.specificity == 2 && png.q >= svg.q;
}

bool reply_negotiate(const struct options *options, const char *accept,
                     enum reply_format *format, struct error *err)
{
    size_t chosen;

    if (OPTION_GIVEN(options, FORMAT)) {
        *format = (enum reply_format)options->format;
        return true;
    }
    const bool found =
        reply_choose(accept, reply_media_types, FORMAT_COUNT, &chosen, err);
    *format = (enum reply_format)chosen;
    if (found && *format == FORMAT_SVG && is_any_picture(accept))
        *format = FORMAT_PNG;
    return found;
}

bool reply_shows_render(enum reply_format format)
{
    return format != FORMAT_NPZ && format != FORMAT_SAFETENSORS && format != FORMAT_NPY;
}

bool reply_has_pictures(enum reply_format format, const struct options *options)
{
    switch (format) {
    case FORMAT_JSON:
    case FORMAT_MULTIPART:
        return options->images != IMAGES_NONE;
    case FORMAT_PNG:
    case FORMAT_ZIP:
        return true;
    default:
        return false;
    }
}
