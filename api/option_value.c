/*
 * option_value.c - one value of an option: checked and stored, by type.
 *
 * What can be numbers is read as numbers first, from text or JSON alike; one function
 * for each type then does the rest.
 */
#include "api/option_value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/colormap.h"
#include "api/json.h"
#include "api/nearest.h"
#include "api/preset.h"

struct numbers {
    size_t n;
    double items[OPTION_MAX_LIST];
};

static bool fault(const struct option_setter *s, const char *format, ...)
    FORMATTED(2, 3);

static bool fault(const struct option_setter *s, const char *format, ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (s->pointer)
        error_at(s->err, ERROR_OPTION_INVALID, s->pointer, "%s %s", s->rule->name,
                 what);
    else
        error_option(s->err, ERROR_OPTION_INVALID,
                     s->within ? s->within : s->rule->name, "%s %s", s->rule->name,
                     what);
    if (s->json)
        json_error_value(s->err, s->json);
    else
        json_error_text(s->err, s->text);
    return false;
}

static bool no_memory(const struct option_setter *s)
{
    return json_no_memory("the query or form", s->err);
}

static void *field(const struct option_setter *s)
{
    return (char *)s->options + s->rule->offset;
}

/* A number as JSON writes it, or nearly: no hexadecimal, no "inf". */
static bool read_number(const char **text, double *number)
{
    const char *start = *text + strspn(*text, " ");
    char *end;

    *number = strtod(start, &end);
    if (end == start || strspn(start, "+-.0123456789eE") < (size_t)(end - start) ||
        !isfinite(*number))
        return false;
    *text = end + strspn(end, " ");
    return true;
}

/* "3", "3,5" or "[3,5]"; n is 0 if the text is anything else. */
static struct numbers text_numbers(const char *text)
{
    struct numbers value = {0};
    size_t n = 0;

    text += strspn(text, " ");
    const bool bracket = *text == '[';
    text += bracket;
    do {
        if (n == OPTION_MAX_LIST || !read_number(&text, &value.items[n++]))
            return value;
    } while (*text == ',' && *text++);
    if (bracket && *text++ != ']')
        return value;
    if (text[strspn(text, " ")] == '\0')
        value.n = n;
    return value;
}

/* A number or an array of numbers; n is 0 if it is anything else. */
static struct numbers json_numbers(const cJSON *json)
{
    struct numbers value = {0};
    size_t n = 0;
    const cJSON *item;

    if (json_number(json, &value.items[0]))
        value.n = 1;
    if (!cJSON_IsArray(json))
        return value;
    cJSON_ArrayForEach(item, json)
    {
        if (n == OPTION_MAX_LIST || !json_number(item, &value.items[n++]))
            return value;
    }
    value.n = n;
    return value;
}

static bool in_range(const struct option_setter *s, const struct numbers *value,
                     bool integral)
{
    const struct option_rule *rule = s->rule;

    for (size_t i = 0; i < value->n; i++) {
        const double number = value->items[i];
        if (number < rule->minimum || number > rule->maximum ||
            (integral && number != trunc(number)))
            return fault(s, "must be %s from %.15g to %.15g",
                         integral ? "an integer" : "a number", rule->minimum,
                         rule->maximum);
    }
    return true;
}

static bool set_int(const struct option_setter *s, const struct numbers *value)
{
    if (value->n != 1)
        return fault(s, "must be one integer");
    if (!in_range(s, value, true))
        return false;
    *(int *)field(s) = (int)value->items[0];
    return true;
}

static bool set_pair(const struct option_setter *s, const struct numbers *value)
{
    int *pair = field(s);

    if (value->n != 1 && value->n != 2)
        return fault(s, "must be an integer, or two: height, width");
    if (!in_range(s, value, true))
        return false;
    pair[0] = (int)value->items[0];
    pair[1] = (int)value->items[value->n - 1];
    return true;
}

static bool set_float(const struct option_setter *s, const struct numbers *value)
{
    if (value->n != 1)
        return fault(s, "must be one number");
    if (!in_range(s, value, false))
        return false;
    *(double *)field(s) = value->items[0];
    return true;
}

static bool set_floats(const struct option_setter *s, const struct numbers *value)
{
    double *pair = field(s);

    if (value->n != 2)
        return fault(s, "must be two numbers");
    if (!in_range(s, value, false))
        return false;
    if (s->rule->offset == offsetof(struct options, range) &&
        value->items[0] >= value->items[1])
        return fault(s, "must be two numbers, the lower one first");
    pair[0] = value->items[0];
    pair[1] = value->items[1];
    return true;
}

static bool set_list(const struct option_setter *s, const struct numbers *value)
{
    struct option_list *list = field(s);

    if (value->n == 0)
        return fault(s, "must be 1 to %d numbers", OPTION_MAX_LIST);
    if (!in_range(s, value, false))
        return false;
    list->n = value->n;
    memcpy(list->items, value->items, value->n * sizeof *value->items);
    return true;
}

static bool set_shape(const struct option_setter *s, const struct numbers *value)
{
    if (value->n != 3)
        return fault(s, "must be three integers: height, width, channels");
    if (!in_range(s, value, true))
        return false;
    *(struct shape *)field(s) = SHAPE((size_t)value->items[0], (size_t)value->items[1],
                                      (size_t)value->items[2]);
    return true;
}

static const char *colormap_name(const void *context, size_t i)
{
    const struct colormap *colormap = colormap_at(i);

    (void)context;
    return colormap ? colormap->name : NULL;
}

static const char *choice_name(const void *context, size_t i)
{
    return ((const struct option_rule *)context)->names[i];
}

/* "gray, rgb or rgba" */
static const char *list_names(name_at *at, const void *context, char *text, size_t size)
{
    size_t used = 0;
    const char *name;

    text[0] = '\0';
    for (size_t i = 0; (name = at(context, i)) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 i == 0               ? ""
                                 : at(context, i + 1) ? ", "
                                                      : " or ",
                                 name);
    return text;
}

static bool set_name(const struct option_setter *s, name_at *at)
{
    char names[160], hint[NEAREST_TEXT_SIZE];
    const char *name;

    if (!s->text)
        return fault(s, "must be one of %s",
                     list_names(at, s->rule, names, sizeof names));
    for (size_t i = 0; (name = at(s->rule, i)); i++)
        if (strcmp(name, s->text) == 0) {
            *(int *)field(s) = (int)i;
            return true;
        }
    return fault(s, "must be %s%s", list_names(at, s->rule, names, sizeof names),
                 nearest_hint(nearest_name(s->text, at, s->rule), hint));
}

static bool read_bool(const struct option_setter *s, bool *flag)
{
    static const char *const words[] = {"false", "true", "0", "1"};

    if (s->json)
        return json_boolean(s->json, flag);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(s->text, words[i]) == 0) {
            *flag = i % 2;
            return true;
        }
    return false;
}

static bool set_bool(const struct option_setter *s)
{
    return read_bool(s, field(s)) || fault(s, "must be true or false");
}

static bool set_text(const struct option_setter *s)
{
    if (!s->text || !*s->text)
        return fault(s, "must be a string that is not empty");
    char *copy = arena_copy(s->arena, s->text, strlen(s->text));
    *(const char **)field(s) = copy;
    return copy || no_memory(s);
}

static bool set_json(const struct option_setter *s)
{
    if (!s->json || !cJSON_IsArray(s->json))
        return set_text(s);
    char *copy = json_text(s->json, s->arena);
    *(const char **)field(s) = copy;
    return copy || no_memory(s);
}

/* Room for n names. */
static bool start_names(const struct option_setter *s, struct option_names *names,
                        size_t n)
{
    names->n = 0;
    names->items = arena_take(s->arena, n, sizeof *names->items);
    return names->items || no_memory(s);
}

static bool add_name(const struct option_setter *s, struct option_names *names,
                     const char *name, size_t n)
{
    while (n && name[0] == ' ') {
        name++;
        n--;
    }
    while (n && name[n - 1] == ' ')
        n--;
    if (n == 0)
        return fault(s, "must not hold an empty name");
    names->items[names->n] = arena_copy(s->arena, name, n);
    return names->items[names->n++] || no_memory(s);
}

static bool set_json_names(const struct option_setter *s, struct option_names *names)
{
    const cJSON *item;

    if (!cJSON_IsArray(s->json) || !s->json->child)
        return fault(s, "must be an array of names");
    if (!start_names(s, names, (size_t)cJSON_GetArraySize(s->json)))
        return false;
    cJSON_ArrayForEach(item, s->json)
    {
        const char *name = json_string(item);
        if (!name)
            return fault(s, "must be an array of names");
        if (!add_name(s, names, name, strlen(name)))
            return false;
    }
    return true;
}

static bool set_names(const struct option_setter *s, struct option_names *names)
{
    size_t n = 1;

    if (!s->text)
        return set_json_names(s, names);
    for (const char *c = s->text; *c; c++)
        n += *c == ',';
    if (!start_names(s, names, n))
        return false;
    for (const char *name = s->text;; name += strcspn(name, ",") + 1) {
        const size_t length = strcspn(name, ",");
        if (!add_name(s, names, name, length))
            return false;
        if (!name[length])
            return true;
    }
}

static bool set_titles(const struct option_setter *s)
{
    struct option_titles *titles = field(s);
    bool flag;

    if (read_bool(s, &flag)) {
        titles->none = !flag;
        return true;
    }
    if (!s->text && !cJSON_IsArray(s->json))
        return fault(s, "must be true, false or an array of names");
    return set_names(s, &titles->names);
}

/* "#rrggbb", "white" or "black" as three numbers; n is 0 if it is anything else. */
static struct numbers read_color(const char *text)
{
    if (strcmp(text, "white") == 0)
        return (struct numbers){3, {255, 255, 255}};
    if (strcmp(text, "black") == 0)
        return (struct numbers){3, {0, 0, 0}};
    if (text[0] != '#' || strlen(text) != 7 ||
        strspn(text + 1, "0123456789abcdefABCDEF") != 6)
        return (struct numbers){0};
    const unsigned long rgb = strtoul(text + 1, NULL, 16);
    return (struct numbers){3, {rgb >> 16, rgb >> 8 & 255, rgb & 255}};
}

static bool set_rgb(const struct option_setter *s, const struct numbers *value)
{
    const struct numbers color = value->n || !s->text ? *value : read_color(s->text);

    if (color.n != 3)
        return fault(s, "must be r,g,b, #rrggbb, white or black");
    if (!in_range(s, &color, false))
        return false;
    memcpy(field(s), color.items, 3 * sizeof *color.items);
    return true;
}

/* ---- a generator ---- */

static bool unknown_member(const struct option_setter *s, const char *name,
                           const char *const *known)
{
    char hint[NEAREST_TEXT_SIZE];

    nearest_hint(nearest_of(name, known), hint);
    if (s->pointer)
        error_at(s->err, ERROR_OPTION_INVALID, s->pointer, "%.64s is not an option%s",
                 name, hint);
    else
        error_option(s->err, ERROR_OPTION_INVALID, s->within,
                     "%.64s is not an option%s", name, hint);
    json_error_value(s->err, s->json);
    return false;
}

const char *const option_generator_members[] = {"name", "size", "val",  "r_shrink",
                                                "x",    "y",    "seed", NULL};

static bool set_member(struct option_setter *s, const char *name)
{
    size_t i = 0;

    while (option_generator_members[i] &&
           strcmp(option_generator_members[i], name) != 0)
        i++;
    if (!option_generator_members[i])
        return unknown_member(s, name, option_generator_members);
    return i == 0 ? set_name(s, choice_name) : option_set(s, name);
}

static bool set_members(const struct option_setter *s, const cJSON *generator)
{
    char place[JSON_POINTER_SIZE];
    const cJSON *item;
    bool ok = true;

    if (!json_member(generator, "name"))
        return fault(s, "has no name");
    cJSON_ArrayForEach(item, generator)
    {
        struct option_setter member = *s;
        if (json_enough(s->err))
            break;
        member.text = json_string(item);
        member.json = item;
        if (s->pointer)
            member.pointer = json_pointer(s->pointer, item->string, place);
        else
            member.within = s->rule->name;
        ok = set_member(&member, item->string) && ok;
    }
    return ok;
}

static bool set_text_members(const struct option_setter *s)
{
    const struct bytes bytes = {(const unsigned char *)s->text, strlen(s->text)};
    const char *name = s->rule->name;
    struct error found;

    error_init(&found);
    cJSON *json = json_parse(name, &bytes, NULL, &limits_default, s->arena, &found);
    if (!json) {
        const bool twice = found.n_items && option_stands_at(found.items[0].pointer);
        return error_take(s->err, twice ? ERROR_PART_DUPLICATE : ERROR_OPTION_INVALID,
                          name, &found);
    }
    const bool ok = set_members(s, json);
    cJSON_Delete(json);
    return ok;
}

/* "circle", or {"name":"circle","size":[64,64],...}. */
static bool set_generator(const struct option_setter *s)
{
    if (cJSON_IsObject(s->json))
        return set_members(s, s->json);
    if (!s->json && s->text[strspn(s->text, " \t\r\n")] == '{')
        return set_text_members(s);
    return set_name(s, choice_name);
}

bool option_store(const struct option_setter *s)
{
    const struct numbers numbers =
        s->json ? json_numbers(s->json) : text_numbers(s->text);
    const struct numbers *value = &numbers;

    switch (s->rule->type) {
    case OPTION_TYPE_INT:
        return set_int(s, value);
    case OPTION_TYPE_PAIR:
        return set_pair(s, value);
    case OPTION_TYPE_FLOAT:
        return set_float(s, value);
    case OPTION_TYPE_FLOATS:
        return set_floats(s, value);
    case OPTION_TYPE_LIST:
        return set_list(s, value);
    case OPTION_TYPE_CHOICE:
        return set_name(s, choice_name);
    case OPTION_TYPE_BOOL:
        return set_bool(s);
    case OPTION_TYPE_TEXT:
        return set_text(s);
    case OPTION_TYPE_JSON:
        return set_json(s);
    case OPTION_TYPE_NAMES:
        return set_names(s, field(s));
    case OPTION_TYPE_SHAPE:
        return set_shape(s, value);
    case OPTION_TYPE_COLORMAP:
        return set_name(s, colormap_name);
    case OPTION_TYPE_PRESET:
        return set_name(s, preset_name);
    case OPTION_TYPE_RGB:
        return set_rgb(s, value);
    case OPTION_TYPE_GENERATOR:
        return set_generator(s);
    case OPTION_TYPE_TITLES:
        return set_titles(s);
    }
    return false;
}
