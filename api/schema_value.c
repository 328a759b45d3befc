/* schema_value.c - the JSON Schema of what a layer's parameters may hold. */
#include <float.h>

#include "api/catalogue.h"
#include "api/config_layer.h"
#include "api/param.h"
#include "api/schema_parts.h"
#include "engine/generate.h"

/* ---- parameters ---- */

/* "type" and range of one number of the parameter. */
static void write_number(const struct schema *s, const struct layer_param *param,
                         bool nullable)
{
    const bool real = param->type == PARAM_FLOAT || param->type == PARAM_FLOATS;

    schema_key(s, "type");
    if (nullable)
        schema_text(s, real ? "['number','null']" : "['integer','null']");
    else
        schema_string(s, real ? "number" : "integer");
    schema_range(s, param->minimum, catalogue_highest(param, s->limits));
}

/* One number, or an array of this many. */
static void write_numbers(const struct schema *s, const struct layer_param *param,
                          bool nullable, int least, int most)
{
    schema_text(s, "'anyOf':[{");
    write_number(s, param, nullable);
    schema_text(s, "},{'type':'array'");
    buffer_print(s->out, ",\"minItems\":%d,\"maxItems\":%d", least, most);
    schema_text(s, "'items':{");
    write_number(s, param, false);
    schema_text(s, "}}]");
}

/* Both sides alike, or each of them as an integer or a pair. */
static void write_pads(const struct schema *s, const struct layer_param *param)
{
    schema_text(s, "'anyOf':[{");
    write_number(s, param, false);
    schema_text(s, "},{'type':'array','minItems':2,'maxItems':2,'items':{");
    write_numbers(s, param, false, 2, 2);
    schema_text(s, "}}]");
}

static void write_value(const struct schema *s, const struct layer_param *param)
{
    const bool may_be_empty = param->flags & PARAM_MAY_BE_EMPTY;
    const bool nullable = param->flags & PARAM_NULLABLE;

    switch (param->type) {
    case PARAM_INT:
    case PARAM_FLOAT:
        write_number(s, param, nullable);
        break;
    case PARAM_PAIR:
        write_numbers(s, param, nullable, 2, 2);
        break;
    case PARAM_INTS:
        write_numbers(s, param, nullable || may_be_empty, !may_be_empty,
                      LAYER_MAX_INTS);
        break;
    case PARAM_FLOATS:
        schema_text(s, "'anyOf':[{");
        write_number(s, param, true);
        schema_text(s, "},{'type':'array','minItems':1}]"); /* nested to any depth */
        break;
    case PARAM_PADS:
        write_pads(s, param);
        break;
    case PARAM_BOOL:
        schema_text(s, "'type':'boolean'");
        break;
    case PARAM_CHOICE:
        schema_choice(s, param->values, nullable);
        break;
    case PARAM_ACTIVATION:
        schema_ref(s, "activation", "");
        break;
    case PARAM_INITIALIZER:
        schema_ref(s, "initializer", "");
        break;
    case PARAM_IGNORED:
        schema_text(s, "'description':'of no meaning here'");
        break;
    }
}

void schema_param(const struct schema *s, const struct layer_param *param)
{
    write_value(s, param);
    if (param->type == PARAM_IGNORED || param->flags & PARAM_REQUIRED)
        return;
    schema_key(s, "default");
    catalogue_default(s->out, param);
}

/* ---- names in Keras' forms ---- */

/* A name of "<name>_name", or an object that holds it: as "config" if that is a string,
 * else as "class_name". write_more writes what else holds of the object, and may be
 * NULL; other: what a value that is no object may be. */
static void named_def(const struct schema *s, const char *name,
                      void (*write_more)(const struct schema *), const char *other)
{
    schema_key(s, name);
    schema_text(s, "{'if':{'type':'object'},'then':{'type':'object','properties':{"
                   "'class_name':true,'config':true},'if':{'properties':{'config':{"
                   "'type':'string'}},'required':['config']},'then':{'properties':{"
                   "'config':{");
    schema_ref(s, name, "_name");
    schema_text(s,
                "}}},'else':{'required':['class_name'],'properties':{'class_name':{");
    schema_ref(s, name, "_name");
    schema_text(s, "}}}");
    if (write_more)
        write_more(s);
    schema_text(s, "},'else':{");
    schema_text(s, other);
    schema_text(s, "}}");
}

/* Keras 3 has every name of Keras 2. */
static void activation_defs(const struct schema *s)
{
    const struct activation_row *row;

    schema_text(s, "'activation_name':{'enum':[");
    for (size_t i = 0; (row = activation_row(i)); i++)
        if (row->keras & KERAS_3)
            schema_string(s, row->name);
    schema_text(s, "]}");
    named_def(s, "activation", NULL,
              "'anyOf':[{'type':'null'},{'$ref':'#/$defs/activation_name'}]");
}

static void initializer_names(const struct schema *s, const struct initializer_row *row)
{
    schema_string(s, row->name);
    schema_string(s, row->class_name);
    if (row->alias)
        schema_string(s, row->alias);
}

static void initializer_param(const struct schema *s,
                              const struct initializer_param *param)
{
    schema_key(s, param->name);
    schema_text(s, "{");
    if (param->values)
        schema_choice(s, param->values, false);
    else
        schema_text(s, "'type':'number'");
    if (param->positive)
        schema_text(s, "'exclusiveMinimum':0");
    schema_text(s, "'default':");
    if (param->values)
        buffer_json_string(s->out, param->values[(size_t)param->fallback]);
    else
        buffer_json_float(s->out, param->fallback);
    schema_text(s, "}");
}

/* If the class is the row's, the keys of "config" are its parameters. */
static void initializer_config(const struct schema *s,
                               const struct initializer_row *row)
{
    schema_text(s, "{'if':{'properties':{'class_name':{'enum':[");
    initializer_names(s, row);
    schema_text(s, "]},'config':{'type':'object'}},'required':['class_name','config']},"
                   "'then':{'properties':{'config':{'type':'object','properties':{"
                   "'dtype':true,'seed':{'anyOf':[{'type':'null'},{'$ref':"
                   "'#/$defs/seed'}]}");
    for (size_t k = 0; k < INITIALIZER_MAX_PARAMS && row->params[k].name; k++)
        initializer_param(s, &row->params[k]);
    schema_text(s, "},'additionalProperties':false}}}}");
}

static void initializer_configs(const struct schema *s)
{
    const struct initializer_row *row;

    schema_text(s, "'allOf':[{'properties':{'config':{'type':['object','string']}}}");
    for (size_t i = 0; (row = initializer_row(i)); i++)
        initializer_config(s, row);
    schema_text(s, "]");
}

static void initializer_defs(const struct schema *s)
{
    const struct initializer_row *row;

    schema_text(s, "'initializer_name':{'enum':[");
    for (size_t i = 0; (row = initializer_row(i)); i++)
        initializer_names(s, row);
    schema_text(s, "]}");
    named_def(s, "initializer", initializer_configs,
              "'$ref':'#/$defs/initializer_name'");
}

/* ---- weights in the document ---- */

/* "rank1" to "rank4": arrays of float32. That they are not ragged cannot be said. */
static void rank_defs(const struct schema *s)
{
    schema_text(s, "'rank1':{'type':'array','minItems':1,'items':{'type':'number'");
    schema_range(s, -(double)FLT_MAX, (double)FLT_MAX);
    schema_text(s, "}}");
    for (int rank = 2; rank <= 4; rank++)
        buffer_print(s->out,
                     ",\"rank%d\":{\"type\":\"array\",\"minItems\":1,\"items\":"
                     "{\"$ref\":\"#/$defs/rank%d\"}}",
                     rank, rank - 1);
}

static void kernel_defs(const struct schema *s)
{
    const struct named_kernel *kernel;

    schema_text(s, "'kernel_name':{'enum':[");
    for (size_t i = 0; (kernel = named_kernel_at(i)); i++)
        schema_string(s, kernel->name);
    schema_text(s, "]}");
    schema_text(s,
                "'kernel':{'description':'a name of the catalogue, a 2-D array, a "
                "list of either, or height x width x channels x filters','anyOf':[{"
                "'$ref':'#/$defs/kernel_name'},{'type':'array','minItems':1,'items':{"
                "'$ref':'#/$defs/kernel_name'}},{'$ref':'#/$defs/rank2'},{'$ref':"
                "'#/$defs/rank3'},{'$ref':'#/$defs/rank4'}]}");
    schema_text(s, "'lesson_kernel':{'anyOf':[{'$ref':'#/$defs/kernel_name'},{"
                   "'type':'string','pattern':'^\\\\s*\\\\['},{'type':'array',"
                   "'maxItems':1,'$ref':'#/$defs/kernel'},{'$ref':'#/$defs/rank2'}]}");
    schema_text(s, "'bias':{'anyOf':[{'type':'number'");
    schema_range(s, -(double)FLT_MAX, (double)FLT_MAX);
    schema_text(s, "},{'$ref':'#/$defs/rank1'}]}");
}

/* ---- the rest ---- */

/* A known or unknown (null) length, and one that must be known. */
#define LENGTH   "{'type':['integer','null'],'minimum':1,'maximum':2147483647}"
#define CHANNELS "{'type':'integer','minimum':1,'maximum':2147483647}"
/* A part of a layer's name: no control character, not . or .. */
#define PART "(?!\\\\.{1,2}(?:/|$))[^/\\\\u0000-\\\\u001f\\\\u007f]+"

void schema_value_defs(const struct schema *s)
{
    const struct layer_kind *conv2d = layer_kind_find("Conv2D", true);

    activation_defs(s);
    initializer_defs(s);
    rank_defs(s);
    kernel_defs(s);
    schema_text(s, "'padding':{");
    schema_choice(s, param_find(conv2d, "padding")->values, false);
    schema_text(s, "},'seed':{'type':'integer','minimum':0,"
                   "'maximum':9007199254740992}");
    schema_text(s,
                "'name':{'description':'parts between slashes, none of them empty, . "
                "or ..','type':'string','pattern':'^(?!Input$)" PART "(?:/" PART
                ")*$','maxLength':");
    buffer_print(s->out, "%d}", CONFIG_LAYER_MAX_NAME);
    schema_text(s,
                "'dtype':{'anyOf':[{'enum':['float32',null]},{'type':'object',"
                "'properties':{'config':{'type':'object','properties':{'name':{"
                "'const':'float32'}},'required':['name']}},'required':['config']}]}");
    schema_text(s, "'shape':{'description':'height, width, channels','type':'array',"
                   "'minItems':3,'maxItems':3,'prefixItems':[" LENGTH "," LENGTH
                   "," CHANNELS "]}");
    schema_text(s, "'batch_shape':{'description':'batch, height, width, channels',"
                   "'type':'array','minItems':4,'maxItems':4,'prefixItems':[" LENGTH
                   "," LENGTH "," LENGTH "," CHANNELS "]}");
}
