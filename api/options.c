/* options.c - the options of a request, by name. */
#include "api/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/nearest.h"
#include "api/option_value.h"

static const char *const type_names[] = {
#define NAME(id, name) [OPTION_TYPE_##id] = name,
    FOR_EACH_OPTION_TYPE(NAME)
#undef NAME
};

#define NAME(id, name) name,
static const char *const format_names[] = {FOR_EACH_FORMAT(NAME) NULL};
static const char *const images_names[] = {FOR_EACH_IMAGES(NAME) NULL};
static const char *const values_names[] = {FOR_EACH_VALUES(NAME) NULL};
static const char *const color_names[] = {FOR_EACH_COLOR(NAME) NULL};
static const char *const resize_method_names[] = {FOR_EACH_RESIZE_METHOD(NAME) NULL};
static const char *const channel_order_names[] = {FOR_EACH_CHANNEL_ORDER(NAME) NULL};
static const char *const preprocess_names[] = {FOR_EACH_PREPROCESS(NAME) NULL};
static const char *const generator_names[] = {FOR_EACH_GENERATOR(NAME) NULL};
static const char *const normalize_names[] = {FOR_EACH_NORMALIZE(NAME) NULL};
static const char *const layout_names[] = {FOR_EACH_LAYOUT(NAME) NULL};
static const char *const op_names[] = {FOR_EACH_OP(NAME) NULL};
#undef NAME

static const struct option_rule rows[OPTION_TOTAL] = {
#define ROW(id, name, type, field, min, max, names, what)                              \
    [OPTION_##id] = {                                                                  \
        name, OPTION_TYPE_##type, offsetof(struct options, field), min, max, names,    \
        what},
    FOR_EACH_OPTION(ROW) FOR_EACH_OTHER_OPTION(ROW)
#undef ROW
};

void options_init(struct options *options)
{
    *options = (struct options){
        .kernel = "bottom_sobel",
        .conv_stride = {1, 1},
        .conv_padding = "valid",
        .activation = "relu",
        .pool_size = {2, 2},
        .pool_stride = {2, 2},
        .pool_padding = "same",
        .gamma = 1,
        .figsize = {10, 10},
        .subplot_shape = {2, 2},
        .dpi = 100,
        .background = {255, 255, 255},
        .generator = GENERATOR_NONE,
        .size = {64, 64},
        .x = 3,
        .y = 5,
        .channel = -1,
        .gap = 1,
        .scale = 1,
        .label = true,
        .text_size = 28,
        .input_size = {7, 7},
        .kernel_size = {3, 3},
        .strides = {1, 1},
        .padding = "valid",
        .dilation = {1, 1},
        .fps = 2,
        .max_frames = 100,
    };
}

enum option_id option_find(const char *name)
{
    size_t i = 0;

    while (i < OPTION_COUNT && strcmp(rows[i].name, name) != 0)
        i++;
    return (enum option_id)i;
}

static enum option_id accepted_at(const struct options *options, size_t i)
{
    if (options->accepted)
        return options->accepted[i];
    return i < OPTION_COUNT ? (enum option_id)i : OPTION_TOTAL;
}

enum option_id options_find(const struct options *options, const char *name)
{
    enum option_id id;
    size_t i = 0;

    while ((id = accepted_at(options, i)) != OPTION_TOTAL &&
           strcmp(rows[id].name, name) != 0)
        i++;
    return id;
}

static const char *accepted_name(const void *context, size_t i)
{
    const enum option_id id = accepted_at(context, i);

    return id < OPTION_TOTAL ? rows[id].name : NULL;
}

const char *options_nearest(const struct options *options, const char *name)
{
    return nearest_name(name, accepted_name, options);
}

bool option_stands_at(const char *pointer)
{
    static const char *const groups[] = {"/config", "/input", "/render", "/generator"};

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const size_t n = strlen(groups[i]);
        if (strncmp(pointer, groups[i], n) == 0 && pointer[n] == '/')
            pointer += n;
    }
    return pointer[0] == '/' && option_find(pointer + 1) != OPTION_COUNT;
}

/* True if the option, or its alias, has not been set yet. */
static bool check_once(const struct option_setter *s)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        if (!s->options->given[i] || rows[i].offset != s->rule->offset)
            continue;
        return &rows[i] == s->rule
                   ? error_option(s->err, ERROR_PART_DUPLICATE, s->rule->name,
                                  "%s is given twice", s->rule->name)
                   : error_option(s->err, ERROR_PART_DUPLICATE, s->rule->name,
                                  "%s is given twice: it is the same as %s",
                                  s->rule->name, rows[i].name);
    }
    return true;
}

static bool unknown(const struct option_setter *s, const char *name)
{
    char hint[NEAREST_TEXT_SIZE];

    if (!*name && !s->pointer)
        return error_option(s->err, ERROR_OPTION_UNKNOWN, name,
                            "an option without a name");
    nearest_hint(options_nearest(s->options, name), hint);
    if (s->pointer)
        return error_at(s->err, ERROR_OPTION_UNKNOWN, s->pointer,
                        "%.64s is not an option%s", name, hint);
    return error_option(s->err, ERROR_OPTION_UNKNOWN, name, "%.64s is not an option%s",
                        name, hint);
}

/* What the option is set to, for messages; NULL if it is long, or memory is short. */
static const char *show(const struct option_setter *s)
{
    char shown[JSON_SHOWN_SIZE];

    if (s->json)
        json_show(s->json, shown);
    else
        json_show_text(s->text, shown);
    return *shown ? arena_copy(s->arena, shown, strlen(shown)) : NULL;
}

bool option_set(struct option_setter *s, const char *name)
{
    const enum option_id id = options_find(s->options, name);

    if (id == OPTION_TOTAL)
        return unknown(s, name);
    s->rule = &rows[id];
    if (!check_once(s))
        return false;
    s->options->given[id] = true;
    s->options->shown[id] = show(s);
    return option_store(s);
}

bool options_set_text(struct options *options, const char *name, const char *text,
                      struct arena *arena, struct error *err)
{
    struct option_setter s = {
        .options = options, .text = text, .arena = arena, .err = err};

    return option_set(&s, name);
}

bool options_set_json(struct options *options, const char *name, const cJSON *value,
                      const char *pointer, struct arena *arena, struct error *err)
{
    struct option_setter s = {.options = options,
                              .text = json_string(value),
                              .json = value,
                              .pointer = pointer,
                              .arena = arena,
                              .err = err};

    return option_set(&s, name);
}

/* Undo the percent encoding of n bytes; NULL if there is no memory, or, with the error
 * recorded, if an escape is invalid. */
static char *decode(const char *text, size_t n, struct arena *arena, struct error *err)
{
    char *out = arena_take(arena, n + 1, 1), *to = out;

    if (!out)
        json_no_memory("the query", err);
    for (size_t i = 0; out && i < n; i++) {
        char hex[3] = {0};
        if (text[i] != '%') {
            *to++ = text[i];
            if (text[i] == '+')
                to[-1] = ' ';
            continue;
        }
        for (size_t k = 0; k < 2 && i + 1 < n && isxdigit((unsigned char)text[i + 1]);
             k++)
            hex[k] = text[++i];
        if (!hex[1] || strcmp(hex, "00") == 0) {
            error_set(err, ERROR_REQUEST_MALFORMED,
                      "the query has an invalid percent escape in '%.*s'",
                      n < 64 ? (int)n : 64, text);
            return NULL;
        }
        *to++ = (char)strtoul(hex, NULL, 16);
    }
    if (out)
        *to = '\0';
    return out;
}

bool options_set_query(struct options *options, const char *query, struct arena *arena,
                       struct error *err)
{
    while (*query) {
        const size_t n = strcspn(query, "&");
        const size_t name_size = strcspn(query, "=&");
        const size_t skip = name_size < n ? name_size + 1 : n;

        if (n > 0) {
            const char *name = decode(query, name_size, arena, err);
            const char *text = name ? decode(query + skip, n - skip, arena, err) : NULL;
            if (!text || !options_set_text(options, name, text, arena, err))
                return false;
        }
        query += n + (query[n] == '&');
    }
    return true;
}

const char *option_name(enum option_id id)
{
    return rows[id].name;
}

void options_show_values(const struct options *options, struct error *err)
{
    for (size_t i = 0; i < err->n_items && i < ERROR_MAX_ITEMS; i++) {
        struct error_item *item = &err->items[i];
        if (item->value[0] || !item->parameter[0])
            continue;
        const enum option_id id = options_find(options, item->parameter);
        if (id != OPTION_TOTAL && options->shown[id])
            snprintf(item->value, sizeof item->value, "%s", options->shown[id]);
    }
}

static struct option_row row_of(size_t i)
{
    return (struct option_row){.name = rows[i].name,
                               .type = type_names[rows[i].type],
                               .what = rows[i].what,
                               .type_id = rows[i].type,
                               .offset = rows[i].offset,
                               .minimum = rows[i].minimum,
                               .maximum = rows[i].maximum,
                               .values = rows[i].names};
}

struct option_row option_row(size_t i)
{
    return i < OPTION_COUNT ? row_of(i) : (struct option_row){0};
}

struct option_row options_row(const struct options *options, size_t i)
{
    const enum option_id id = accepted_at(options, i);

    return id < OPTION_TOTAL ? row_of(id) : (struct option_row){0};
}
