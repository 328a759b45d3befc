/* schema_option.c - the JSON Schema of a request document's options. */
#include <string.h>

#include "api/colormap.h"
#include "api/lesson.h"
#include "api/nearest.h"
#include "api/options.h"
#include "api/preset.h"
#include "api/schema_parts.h"

/* An array of this many numbers; one number serves where one is enough. */
static void write_numbers(const struct schema *s, const struct option_row *row,
                          bool integral, int least, int most)
{
    const char *type = integral ? "integer" : "number";

    if (least == 1) {
        schema_text(s, "'anyOf':[{'type':");
        buffer_json_string(s->out, type);
        schema_range(s, row->minimum, row->maximum);
        schema_text(s, "},{");
    }
    schema_text(s, "'type':'array'");
    buffer_print(s->out, ",\"minItems\":%d,\"maxItems\":%d,\"items\":{\"type\":\"%s\"",
                 least, most, type);
    schema_range(s, row->minimum, row->maximum);
    schema_text(s, "}");
    if (least == 1)
        schema_text(s, "}]");
}

/* "enum":[...] */
static void write_names(const struct schema *s, name_at *at, const void *context)
{
    const char *name;

    schema_text(s, "'enum':[");
    for (size_t i = 0; (name = at(context, i)); i++)
        schema_string(s, name);
    schema_text(s, "]");
}

static const char *colormap_name(const void *context, size_t i)
{
    const struct colormap *colormap = colormap_at(i);

    (void)context;
    return colormap ? colormap->name : NULL;
}

static const char *value_name(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

static void write_value(const struct schema *s, const struct option_row *row)
{
    switch (row->type_id) {
    case OPTION_TYPE_INT:
        write_numbers(s, row, true, 1, 1);
        break;
    case OPTION_TYPE_PAIR:
        write_numbers(s, row, true, 1, 2);
        break;
    case OPTION_TYPE_FLOAT:
        write_numbers(s, row, false, 1, 1);
        break;
    case OPTION_TYPE_FLOATS:
        write_numbers(s, row, false, 2, 2);
        break;
    case OPTION_TYPE_LIST:
        write_numbers(s, row, false, 1, OPTION_MAX_LIST);
        break;
    case OPTION_TYPE_SHAPE:
        write_numbers(s, row, true, 3, 3);
        break;
    case OPTION_TYPE_RGB:
        schema_text(s, "'anyOf':[{'enum':['white','black']},"
                       "{'type':'string','pattern':'^#[0-9a-fA-F]{6}$'},{");
        write_numbers(s, row, false, 3, 3);
        schema_text(s, "}]");
        break;
    case OPTION_TYPE_CHOICE:
        write_names(s, value_name, row->values);
        break;
    case OPTION_TYPE_COLORMAP:
        write_names(s, colormap_name, NULL);
        break;
    case OPTION_TYPE_PRESET:
        write_names(s, preset_name, NULL);
        break;
    case OPTION_TYPE_BOOL:
        schema_text(s, "'type':'boolean'");
        break;
    case OPTION_TYPE_TEXT:
        schema_text(s, "'type':'string','minLength':1");
        break;
    case OPTION_TYPE_JSON:
        schema_text(s, "'type':['string','array']");
        break;
    case OPTION_TYPE_NAMES:
        schema_text(s, "'anyOf':[{'type':'string','minLength':1},{'type':'array',"
                       "'minItems':1,'items':{'type':'string','minLength':1}}]");
        break;
    case OPTION_TYPE_TITLES:
        schema_text(s, "'anyOf':[{'type':'boolean'},{'type':'string','minLength':1},"
                       "{'type':'array','minItems':1,'items':{'type':'string',"
                       "'minLength':1}}]");
        break;
    case OPTION_TYPE_GENERATOR:
        schema_text(s, "'anyOf':[{");
        write_names(s, value_name, row->values);
        schema_text(s, "},{'$ref':'#/$defs/generator'}]");
        break;
    }
}

/* Options that hold what a layer would: the lesson's. */
static const struct {
    enum option_id option;
    const char *definition;
} lesson_values[] = {
    {OPTION_KERNEL, "lesson_kernel"},
    {OPTION_ACTIVATION, "activation_name"},
    {OPTION_CONV_PADDING, "padding"},
    {OPTION_POOL_PADDING, "padding"},
};

static void write_option(const struct schema *s, enum option_id id)
{
    const struct option_row row = option_row(id);

    schema_key(s, row.name);
    schema_text(s, "{'description':");
    buffer_json_string(s->out, row.what);
    for (size_t i = 0; i < sizeof lesson_values / sizeof *lesson_values; i++)
        if (lesson_values[i].option == id)
            schema_ref(s, lesson_values[i].definition, "");
    write_value(s, &row);
    schema_text(s, "}");
}

/* An alias stands for the same field: not both may be given. */
static void write_aliases(const struct schema *s)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        for (size_t k = i + 1; k < OPTION_COUNT; k++) {
            const struct option_row a = option_row(i), b = option_row(k);
            if (a.offset != b.offset || i == OPTION_INPUT)
                continue;
            schema_text(s, "{'not':{'properties':{");
            schema_any(s, (const char *const[]){a.name, b.name, NULL});
            schema_text(s, "},'required':[");
            schema_string(s, a.name);
            schema_string(s, b.name);
            schema_text(s, "]}}");
        }
}

static void generator_def(const struct schema *s)
{
    schema_text(s, "'generator':{'type':'object','required':['name'],"
                   "'additionalProperties':false,'properties':{'name':{");
    write_names(s, value_name, option_row(OPTION_GENERATOR).values);
    schema_text(s, "}");
    for (const char *const *name = option_generator_members + 1; *name; name++)
        write_option(s, option_find(*name));
    schema_text(s, "}}");
}

/* Layers, or a preset in their place, leave no room for the lesson's options. */
static void no_lesson_def(const struct schema *s)
{
    schema_text(s, "'no_lesson':{'type':'object','properties':{");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (lesson_owns((enum option_id)i)) {
            schema_key(s, option_row(i).name);
            buffer_text(s->out, "false");
        }
    for (size_t i = 0; i < 2; i++) {
        schema_key(s, i ? "render" : "input");
        schema_text(s, "{'if':{'type':'object'},'then':{'$ref':'#/$defs/no_lesson'}}");
    }
    schema_text(s, "}}");
}

/* input may also be a group of options: request and group each add what it is there. */
void schema_option_defs(const struct schema *s)
{
    schema_text(s, "'options':{'type':'object','properties':{");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (i != OPTION_INPUT)
            write_option(s, (enum option_id)i);
    schema_text(s, "},'allOf':[");
    write_aliases(s);
    schema_text(s, "]}");
    schema_text(s, "'group':{'description':'options, kept together','type':'object',"
                   "'$ref':'#/$defs/options','properties':{");
    write_option(s, OPTION_INPUT);
    schema_text(s, "},'unevaluatedProperties':false}");
    no_lesson_def(s);
    generator_def(s);
}

void schema_request_def(const struct schema *s)
{
    schema_text(s, "'request':{'description':'layers and options; without layers the "
                   "lesson is what runs','type':'object','$ref':'#/$defs/options',"
                   "'properties':{'layers':{'$ref':'#/$defs/layers'},'render':{'$ref':"
                   "'#/$defs/group'},'input':{'if':{'type':'object'},'then':{'$ref':"
                   "'#/$defs/group'},'else':{");
    write_names(s, value_name, option_row(OPTION_INPUT).values);
    schema_text(s, "}}},'unevaluatedProperties':false,'allOf':[{'if':{");
    schema_has(s, "layers");
    schema_text(s, "},'then':{'$ref':'#/$defs/no_lesson','properties':{'preset':false}}"
                   "},{'if':{");
    schema_has(s, option_row(OPTION_PRESET).name);
    schema_text(s, "},'then':{'$ref':'#/$defs/no_lesson'}}]}");
}
