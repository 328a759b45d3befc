/* nearest.c - "did you mean": the known name nearest to an unknown one. */
#include "api/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LENGTH = 48 }; /* a longer name is near to none */

/* What other tools, or other paths, call something, and the names that it may have
 * here. */
static const char *const synonyms[][2] = {
    {"img", "image"},
    {"picture", "image"},
    {"photo", "image"},
    {"upload", "image"},
    {"model", "config"},
    {"network", "config"},
    {"layers", "config"},
    {"cmap", "colormap"},
    {"figure_size", "figsize"},
    {"pool_size", "kernel_size"},
    {"pool_stride", "strides"},
    {"conv_stride", "strides"},
    {"stride", "conv_stride"},
    {"pool_padding", "padding"},
    {"conv_padding", "padding"},
    {"padding", "conv_padding"},
    {"dilation", "dilation_rate"},
    {"dilation_rate", "dilation"},
    {"image_size", "resize"},
    {"image_size", "input_size"},
    {"out_channels", "filters"},
    {"fc", "Dense"},
    {"maxpool", "MaxPooling2D"},
    {"avgpool", "AveragePooling2D"},
    {"batchnorm2d", "BatchNormalization"},
    {"batchnorm", "BatchNormalization"},
};
enum { N_SYNONYMS = sizeof synonyms / sizeof *synonyms };

/* The letters that count. Returns their number, 0 if there are too many. */
static size_t fold(const char *name, char *out)
{
    size_t n = 0;

    for (; *name; name++) {
        if (*name == '_' || *name == '-')
            continue;
        if (n == MAX_LENGTH)
            return 0;
        out[n++] = (char)tolower((unsigned char)*name);
    }
    return n;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, drop, change, or swap with their neighbour: the restricted
 * Damerau-Levenshtein distance. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][MAX_LENGTH + 1];
    size_t *older = rows[0], *old = rows[1], *row = rows[2];

    for (size_t j = 0; j <= m; j++)
        old[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(old[j - 1] + (a[i - 1] != b[j - 1]),
                           least(old[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], older[j - 2] + 1);
        }
        size_t *const free_row = older;
        older = old;
        old = row;
        row = free_row;
    }
    return old[m];
}

/* One name is the beginning of the other: "pad", "padding". */
static bool begins(const char *a, size_t n, const char *b, size_t m)
{
    const size_t shorter = least(n, m);

    return shorter >= 3 && memcmp(a, b, shorter) == 0;
}

static bool same(const char *name, const char *other)
{
    char a[MAX_LENGTH], b[MAX_LENGTH];
    const size_t n = fold(name, a);

    return n && n == fold(other, b) && memcmp(a, b, n) == 0;
}

/* Of the names, one that means the same; NULL if there is none. */
static const char *synonym(const char *name, name_at *at, const void *context)
{
    const char *known;

    for (size_t k = 0; k < N_SYNONYMS; k++)
        for (size_t i = 0; same(name, synonyms[k][0]) && (known = at(context, i)); i++)
            if (strcmp(known, synonyms[k][1]) == 0)
                return known;
    return NULL;
}

/* How far a known name is from the n letters: what is spelled nearly so is nearest,
 * then what ends in such a word ("sobel": "left_sobel"), then beginnings. */
static size_t rank(const char *a, size_t n, const char *known)
{
    const size_t near = n < 3 ? 0 : n < 6 ? 1 : n < 12 ? 2 : 3; /* steps */
    const char *last = strrchr(known, '_');
    char b[MAX_LENGTH], word[MAX_LENGTH];
    const size_t m = fold(known, b), steps = distance(a, n, b, m);

    if (m && steps <= near)
        return steps;
    const size_t w = last && n >= 3 ? fold(last, word) : 0;
    const size_t word_steps = w ? distance(a, n, word, w) : SIZE_MAX;
    if (word_steps <= near)
        return word_steps + MAX_LENGTH;
    return m && begins(a, n, b, m) ? steps + 2 * MAX_LENGTH : SIZE_MAX;
}

static const char *nearest_spelled(const char *name, name_at *at, const void *context)
{
    char a[MAX_LENGTH];
    const size_t n = fold(name, a);
    size_t best = SIZE_MAX;
    const char *nearest = NULL, *known;

    for (size_t i = 0; n && (known = at(context, i)); i++) {
        const size_t found = rank(a, n, known);
        if (found < best) {
            best = found;
            nearest = known;
        }
    }
    return nearest;
}

const char *nearest_name(const char *name, name_at *at, const void *context)
{
    const char *known = synonym(name, at, context);

    return known ? known : nearest_spelled(name, at, context);
}

static const char *array_at(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

const char *nearest_of(const char *name, const char *const *names)
{
    return nearest_name(name, array_at, names);
}

const char *nearest_hint(const char *nearest, char *text)
{
    text[0] = '\0';
    if (nearest)
        snprintf(text, NEAREST_TEXT_SIZE, "; did you mean %.64s?", nearest);
    return text;
}
