/* schema_layer.c - the JSON Schema of layers, from the table of layer kinds. */
#include <stdio.h>
#include <string.h>

#include "api/config.h"
#include "api/config_layer.h"
#include "api/schema_parts.h"

/* ---- kinds ---- */

static bool is_implied(const struct layer_kind *kind, const struct layer_param *param)
{
    return kind->bank && (strcmp(param->name, "filters") == 0 ||
                          strcmp(param->name, "kernel_size") == 0);
}

/* "required":[...]: the parameters with the flag that a kernel implies, or the others.
 * Returns how many there are; none are not written. */
static size_t write_required(const struct schema *s, const struct layer_kind *kind,
                             unsigned flag, bool implied)
{
    size_t n = 0;

    for (const struct layer_param *param = kind->params; param->name; param++) {
        if (!(param->flags & flag) || is_implied(kind, param) != implied)
            continue;
        if (n++ == 0)
            schema_text(s, "'required':[");
        schema_string(s, param->name);
    }
    if (n)
        schema_text(s, "]");
    return n;
}

static void write_short_forms(const struct schema *s, const struct layer_kind *kind)
{
    static const char *const names[] = {"kernel", "bias", "seed"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (config_layer_has_short_form(kind, names[i])) {
            schema_key(s, names[i]);
            schema_text(s, "{");
            schema_ref(s, names[i], "");
            schema_text(s, "}");
        }
}

/* Its parameters, without a word on other keys: "flat" has more of them. */
static void kind_def(const struct schema *s, const struct layer_kind *kind)
{
    schema_key(s, kind->class_name);
    schema_text(s, "{'type':'object','$ref':'#/$defs/common','title':");
    buffer_json_string(s->out, kind->class_name);
    schema_key(s, "description");
    buffer_json_string(s->out, kind->what);
    schema_text(s, "'properties':{");
    for (const struct layer_param *param = kind->params; param->name; param++) {
        schema_key(s, param->name);
        schema_text(s, "{");
        schema_param(s, param);
        schema_text(s, "}");
    }
    write_short_forms(s, kind);
    schema_text(s, "}");
    write_required(s, kind, PARAM_REQUIRED, false);
    if (kind->bank) {
        schema_text(s, "'if':{");
        schema_has(s, "kernel");
        schema_text(s, "},'else':{'properties':{'filters':true,'kernel_size':true}");
        write_required(s, kind, PARAM_REQUIRED, true);
        schema_text(s, "}");
    }
    if (config_layer_has_short_form(kind, "bias"))
        schema_text(s,
                    "'allOf':[{'if':{'properties':{'bias':true},'required':['bias']},"
                    "'then':{'properties':{'use_bias':{'const':true}}}}]");
    schema_text(s, "}");
}

/* True if Keras 3 requires parameters that Keras 2 does not. */
static bool needs_keras_3(const struct layer_kind *kind)
{
    const struct layer_param *param = kind->params;

    while (param->name && !(param->flags & PARAM_REQUIRED_KERAS_3))
        param++;
    return param->name != NULL;
}

/* "properties" and "required" of those. */
static void write_keras_3(const struct schema *s, const struct layer_kind *kind)
{
    schema_text(s, "'properties':{");
    for (const struct layer_param *param = kind->params; param->name; param++)
        if (param->flags & PARAM_REQUIRED_KERAS_3)
            schema_any(s, (const char *const[]){param->name, NULL});
    schema_text(s, "}");
    write_required(s, kind, PARAM_REQUIRED_KERAS_3, false);
}

/* ---- classes ---- */

/* "<kind>.class": the ways to write the class where Keras does not say. */
static void class_def(const struct schema *s, const struct layer_kind *kind)
{
    char name[96];

    snprintf(name, sizeof name, "%s.class", kind->class_name);
    schema_key(s, name);
    schema_text(s, "{'anyOf':[");
    schema_pattern(s, kind->class_name, true);
    for (const char *const *alias = kind->aliases; alias && *alias; alias++)
        schema_pattern(s, *alias, true);
    schema_text(s, "]}");
}

/* "enum":[...]: every class and alias, and the class in snake case too. */
static void write_classes(const struct schema *s, bool snake)
{
    const struct layer_kind *kind;

    schema_text(s,
                snake ? "'enum':['InputLayer','input_layer'" : "'enum':['InputLayer'");
    for (size_t i = 0; (kind = layer_kind_at(i)); i++) {
        schema_string(s, kind->class_name);
        for (const char *const *alias = kind->aliases; alias && *alias; alias++)
            schema_string(s, *alias);
        const char *name = snake ? config_snake_case(kind->class_name, s->arena) : NULL;
        if (name)
            schema_string(s, name);
    }
    schema_text(s, "]");
}

static void class_defs(const struct schema *s)
{
    const struct layer_kind *kind;

    schema_text(s, "'InputLayer.class':{'anyOf':[");
    schema_pattern(s, "InputLayer", false);
    schema_pattern(s, "input_layer", false);
    schema_text(s, "]}");
    for (size_t i = 0; (kind = layer_kind_at(i)); i++)
        class_def(s, kind);
    schema_text(s, "'keras_class':{'description':'a class of Keras or an alias'");
    write_classes(s, false);
    schema_text(s,
                "},'class':{'description':'a class of Keras or an alias, in any case "
                "or in snake case','anyOf':[{");
    write_classes(s, true);
    schema_text(s, "},{'$ref':'#/$defs/InputLayer.class'}");
    for (size_t i = 0; (kind = layer_kind_at(i)); i++) {
        schema_text(s, "{");
        schema_ref(s, kind->class_name, ".class");
        schema_text(s, "}");
    }
    schema_text(s, "]}");
}

/* ---- layers ---- */

/* {"if":the class is this one, "then":{ : an item of "allOf" that the caller closes. */
static void when_class(const struct schema *s, const char *class_name)
{
    schema_text(s, "{'if':{'properties':{'class_name':{");
    schema_ref(s, class_name, ".class");
    schema_text(s, "},'type':{");
    schema_ref(s, class_name, ".class");
    schema_text(s, "}}},'then':{");
}

static void flat_def(const struct schema *s)
{
    const struct layer_kind *kind;

    schema_text(s,
                "'flat':{'description':'a layer with its parameters beside its type',"
                "'type':'object','properties':{");
    schema_any(s, config_layer_wrapper_keys);
    schema_text(s, "},'unevaluatedProperties':false,'allOf':[");
    when_class(s, "InputLayer");
    schema_ref(s, "InputLayer", "");
    schema_text(s, "}}");
    for (size_t i = 0; (kind = layer_kind_at(i)); i++) {
        when_class(s, kind->class_name);
        schema_ref(s, kind->class_name, "");
        if (needs_keras_3(kind))
            write_keras_3(s, kind);
        schema_text(s, "}}");
    }
    schema_text(s, "]}");
}

/* "properties":{"config":...} of the class. */
static void write_config(const struct schema *s, const char *class_name)
{
    schema_text(s, "'properties':{'config':{'type':'object'");
    schema_ref(s, class_name, "");
    schema_text(s, "'unevaluatedProperties':false}}");
}

/* A layer with a module is of Keras 3; one without may be too. */
static void wrapped_def(const struct schema *s)
{
    const struct layer_kind *kind;

    schema_text(s, "'wrapped':{'description':'a layer as Keras writes it',"
                   "'type':'object','properties':{");
    schema_any(s, config_layer_wrapper_keys);
    schema_text(s, "},'additionalProperties':false,'required':['config'],"
                   "'allOf':[{'properties':{'config':{'type':'object'}}}");
    when_class(s, "InputLayer");
    write_config(s, "InputLayer");
    schema_text(s, "}}");
    for (size_t i = 0; (kind = layer_kind_at(i)); i++) {
        when_class(s, kind->class_name);
        write_config(s, kind->class_name);
        if (kind->keras_2_only) {
            schema_text(s, "'not':{");
            schema_has(s, "module");
            schema_text(s, "}");
        }
        if (needs_keras_3(kind)) {
            schema_text(s, "'if':{");
            schema_has(s, "module");
            schema_text(s, "},'then':{'properties':{'config':{'type':'object'");
            write_keras_3(s, kind);
            schema_text(s, "}}}");
        }
        schema_text(s, "}}");
    }
    schema_text(s, "]}");
}

static void input_def(const struct schema *s)
{
    schema_text(s, "'InputLayer':{'title':'InputLayer','description':'declares the "
                   "input','type':'object','properties':{");
    schema_any(s, config_layer_input_keys);
    schema_text(s, "},'allOf':[{'properties':{'dtype':{'$ref':'#/$defs/dtype'}");
    for (const char *const *key = config_layer_shape_keys; *key; key++) {
        const bool batch = strncmp(*key, "batch_", 6) == 0;
        schema_key(s, *key);
        schema_text(s, "{");
        schema_ref(s, batch ? "batch_shape" : "shape", "");
        schema_text(s, "}");
    }
    schema_text(s, "}}],'oneOf':[");
    for (const char *const *key = config_layer_shape_keys; *key; key++) {
        schema_text(s, "{");
        schema_has(s, *key);
        schema_text(s, "}");
    }
    schema_text(s, "]}");
}

/* What every layer may have. */
static void common_def(const struct schema *s)
{
    schema_text(s, "'common':{'type':'object','properties':{'name':{'anyOf':[{'$ref':"
                   "'#/$defs/name'},{'type':'null'}]},'dtype':{'$ref':'#/$defs/dtype'},"
                   "'batch_input_shape':{'$ref':'#/$defs/batch_shape'},'input_shape':{"
                   "'$ref':'#/$defs/shape'}");
    schema_any(s, config_layer_ignored_keys);
    for (const char *const *key = config_layer_null_keys; *key; key++) {
        schema_key(s, *key);
        schema_text(s, "{'type':'null'}");
    }
    schema_text(s, "}}");
}

void schema_layer_defs(const struct schema *s)
{
    const struct layer_kind *kind;

    schema_text(s,
                "'layer':{'type':'object','properties':{'class_name':{'$ref':"
                "'#/$defs/class'},'type':{'$ref':'#/$defs/class'}},'oneOf':[{"
                "'properties':{'class_name':true},'required':['class_name']},{"
                "'properties':{'type':true},'required':['type']}],'if':{'properties':{"
                "'config':true},'required':['config']},'then':{'$ref':"
                "'#/$defs/wrapped'},'else':{'$ref':'#/$defs/flat'}}");
    schema_text(s, "'keras_layer':{'type':'object','$ref':'#/$defs/wrapped',"
                   "'properties':{'class_name':{'$ref':'#/$defs/keras_class'}},"
                   "'required':['class_name']}");
    schema_text(s, "'is_input':{'type':'object','anyOf':[{'properties':{'class_name':{"
                   "'$ref':'#/$defs/InputLayer.class'}},'required':['class_name']},{"
                   "'properties':{'type':{'$ref':'#/$defs/InputLayer.class'}},"
                   "'required':['type']}]}");
    flat_def(s);
    wrapped_def(s);
    class_defs(s);
    common_def(s);
    input_def(s);
    for (size_t i = 0; (kind = layer_kind_at(i)); i++)
        kind_def(s, kind);
}
