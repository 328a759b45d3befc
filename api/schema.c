/*
 * schema.c - GET /v1/config.schema.json: what a config may be, as JSON Schema 2020-12.
 *
 * Written from the tables that the reader reads. It refuses nothing that the reader
 * accepts; what depends on shapes, or on two values at once, it leaves to the reader.
 * Choices are chains of if, then and else, so that a validator's errors are those of
 * the form that was meant.
 */
#include <ctype.h>

#include "api/call.h"
#include "api/config.h"
#include "api/reply.h"
#include "api/schema_parts.h"

/* ---- writing ---- */

static void separate(const struct schema *s)
{
    const struct buffer *out = s->out;
    const int last = out->size ? out->bytes[out->size - 1] : '{';

    if (last != '{' && last != '[' && last != ':')
        buffer_text(s->out, ",");
}

void schema_text(const struct schema *s, const char *text)
{
    if (*text != '}' && *text != ']')
        separate(s);
    buffer_quoted(s->out, text);
}

void schema_string(const struct schema *s, const char *text)
{
    separate(s);
    buffer_json_string(s->out, text);
}

void schema_key(const struct schema *s, const char *name)
{
    schema_string(s, name);
    buffer_text(s->out, ":");
}

void schema_ref(const struct schema *s, const char *name, const char *suffix)
{
    schema_key(s, "$ref");
    buffer_print(s->out, "\"#/$defs/%s%s\"", name, suffix);
}

void schema_enum(const struct schema *s, const char *const *names)
{
    schema_text(s, "'enum':[");
    for (; *names; names++)
        schema_string(s, *names);
    schema_text(s, "]");
}

void schema_any(const struct schema *s, const char *const *names)
{
    for (; *names; names++) {
        schema_key(s, *names);
        buffer_text(s->out, "true");
    }
}

void schema_has(const struct schema *s, const char *name)
{
    schema_text(s, "'properties':{");
    schema_any(s, (const char *const[]){name, NULL});
    schema_text(s, "},'required':[");
    schema_string(s, name);
    schema_text(s, "]");
}

void schema_pattern(const struct schema *s, const char *name, bool loose)
{
    schema_text(s, "{'type':'string','pattern':'^");
    for (; *name; name++) {
        const int c = (unsigned char)*name;
        buffer_text(s->out, loose ? "_*" : "");
        if (isalpha(c))
            buffer_print(s->out, "[%c%c]", toupper(c), tolower(c));
        else
            buffer_print(s->out, "%c", c);
    }
    buffer_quoted(s->out, loose ? "_*$'}" : "$'}");
}

void schema_choice(const struct schema *s, const char *const *names, bool nullable)
{
    schema_text(s, "'anyOf':[{");
    schema_enum(s, names);
    schema_text(s, "}");
    for (; *names; names++)
        schema_pattern(s, *names, false);
    schema_text(s, nullable ? "{'type':'null'}]" : "]");
}

void schema_range(const struct schema *s, double minimum, double maximum)
{
    schema_key(s, "minimum");
    buffer_json_number(s->out, minimum);
    schema_key(s, "maximum");
    buffer_json_number(s->out, maximum);
}

/* ---- documents ---- */

#define NAMES(...)                                                                     \
    (const char *const[])                                                              \
    {                                                                                  \
        __VA_ARGS__, NULL                                                              \
    }

/* "anyOf":[...]: an object with any of the members. */
static void write_has_any(const struct schema *s, const char *const *names)
{
    schema_text(s, "'anyOf':[");
    for (; *names; names++) {
        schema_text(s, "{");
        schema_has(s, *names);
        schema_text(s, "}");
    }
    schema_text(s, "]");
}

/* "if":an object with any of the members, "then":a definition, "else":{, which the
 * caller closes. */
static void when_has(const struct schema *s, const char *const *names, const char *then)
{
    schema_text(s, "'if':{'type':'object'");
    write_has_any(s, names);
    schema_text(s, "},'then':{");
    schema_ref(s, then, "");
    schema_text(s, "},'else':{");
}

/* A list of layers of one form. An InputLayer comes first, and not alone. */
static void layers_def(const struct schema *s, const char *name, const char *item,
                       const char *what)
{
    schema_key(s, name);
    schema_text(s, "{'type':'array','minItems':1,'description':");
    buffer_json_string(s->out, what);
    schema_key(s, "maxItems");
    buffer_json_number(s->out, s->limits->max_layers);
    schema_text(s, "'prefixItems':[{");
    schema_ref(s, item, "");
    schema_text(s, "}],'items':{");
    schema_ref(s, item, "");
    schema_text(s, "'not':{'$ref':'#/$defs/is_input'}},"
                   "'contains':{'not':{'$ref':'#/$defs/is_input'}}}");
}

/* An object of these keys; rest is the schemas of those that matter. */
static void wrapper_def(const struct schema *s, const char *name, const char *what,
                        const char *const *keys, const char *rest)
{
    schema_key(s, name);
    schema_text(s, "{'type':'object','description':");
    buffer_json_string(s->out, what);
    schema_text(s, "'properties':{");
    schema_any(s, keys);
    schema_text(s, "},'additionalProperties':false");
    schema_text(s, rest);
    schema_text(s, "}");
}

static void document_defs(const struct schema *s)
{
    layers_def(s, "layers", "layer", "layers in either form");
    layers_def(s, "keras_layers", "keras_layer", "layers as Keras writes them");
    wrapper_def(s, "tfjs", "TensorFlow.js' model.json", config_tfjs_keys,
                "'required':['modelTopology'],"
                "'allOf':[{'properties':{'modelTopology':{'$ref':'#/$defs/saved'}}}]");
    wrapper_def(s, "model_file", "a model in its file's topology", config_model_keys,
                "'required':['model_config'],"
                "'allOf':[{'properties':{'model_config':{'$ref':'#/$defs/inner'}}}]");
    wrapper_def(s, "model", "Keras' model.to_json() of a Sequential model",
                config_model_keys,
                "'required':['class_name','config'],'allOf':[{'properties':{"
                "'class_name':{'const':'Sequential'},'config':{'if':{'type':'array'},"
                "'then':{'$ref':'#/$defs/keras_layers'},"
                "'else':{'$ref':'#/$defs/sequential'}}}}]");
    wrapper_def(s, "sequential", "Keras' get_config() of a Sequential model",
                config_sequential_keys,
                "'required':['layers'],'allOf':[{'properties':{"
                "'layers':{'$ref':'#/$defs/keras_layers'},"
                "'dtype':{'$ref':'#/$defs/dtype'}}}]");
}

/* What stands in a model's file, under "modelTopology" and under "model_config". */
static void inner_defs(const struct schema *s)
{
    schema_text(s, "'saved':{");
    when_has(s, NAMES("model_config"), "model_file");
    schema_text(s, "'$ref':'#/$defs/inner'}}");
    schema_text(s, "'inner':{'if':{'type':'array'},'then':{'$ref':'#/$defs/layers'},"
                   "'else':{");
    when_has(s, NAMES("class_name", "config"), "model");
    when_has(s, config_sequential_keys + 1, "sequential");
    schema_text(s, "'type':'object','properties':{'layers':{'$ref':'#/$defs/layers'}},"
                   "'required':['layers'],'additionalProperties':false}}}}");
}

/* Keys of a model's config make a document Keras' only beside layers. */
static void write_root(const struct schema *s)
{
    schema_text(s, "'if':{'type':'array'},'then':{'$ref':'#/$defs/layers'},'else':{");
    when_has(s, NAMES("modelTopology"), "tfjs");
    when_has(s, NAMES("model_config"), "model_file");
    when_has(s, NAMES("class_name", "config"), "model");
    schema_text(s, "'if':{'type':'object'");
    schema_has(s, "layers");
    write_has_any(s, config_sequential_keys + 1);
    schema_text(s, "},'then':{'$ref':'#/$defs/sequential'},"
                   "'else':{'$ref':'#/$defs/request'}}}}}");
}

static void write_schema(const struct schema *s)
{
    schema_text(s, "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
                   "'$id':'config.schema.json','title':'convscope config',"
                   "'description':'The layers of a network, and how it is shown: a "
                   "request document, an array of layers, or what Keras or "
                   "TensorFlow.js saved of a Sequential model.','type':['array',"
                   "'object']");
    write_root(s);
    schema_text(s, "'$defs':{");
    document_defs(s);
    inner_defs(s);
    schema_request_def(s);
    schema_option_defs(s);
    schema_layer_defs(s);
    schema_value_defs(s);
    schema_text(s, "}}");
    buffer_text(s->out, "\n");
}

bool schema_call(struct call *call)
{
    const struct limits *limits = &call->settings->limits;
    struct buffer body;
    const struct schema schema = {&body, limits, call->arena};

    buffer_init(&body, (size_t)limits->max_response_bytes);
    write_schema(&schema);
    return reply_body(call->reply, "application/schema+json", &body, &call->err);
}
