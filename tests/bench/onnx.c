/*
 * onnx.c - see onnx.h
 *
 * A field of a protobuf message is a tag, its number and how it is stored, and its
 * value; a message within a message is its length and its fields. Parts of a message
 * that comes more than once are put together by whoever reads it, so that each piece
 * here is a graph of its own.
 */
#include "tests/bench/onnx.h"

#include <string.h>

enum { VERSION_OF_FORMAT = 9, VERSION_OF_OPERATORS = 20, FLOAT32 = 1 };

enum stored { VARINT = 0, SIZED = 2, FIXED32 = 5 };

/* The numbers of the fields, by message. */
enum { MODEL_IR_VERSION = 1, MODEL_GRAPH = 7, MODEL_OPSET = 8, OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4 };
enum { ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW_DATA = 9 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1 };
enum { TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1 };

static void add_varint(struct buffer *to, uint64_t value)
{
    unsigned char byte;

    do {
        byte = (unsigned char)((value & 127) | (value > 127 ? 128 : 0));
        buffer_append(to, &byte, 1);
    } while (value >>= 7);
}

static void add_tag(struct buffer *to, unsigned field, enum stored how)
{
    add_varint(to, field << 3 | how);
}

static void add_int(struct buffer *to, unsigned field, int64_t value)
{
    add_tag(to, field, VARINT);
    add_varint(to, (uint64_t)value);
}

/* What comes before the n bytes of a field. */
static void add_head(struct buffer *to, unsigned field, size_t n)
{
    add_tag(to, field, SIZED);
    add_varint(to, n);
}

static void add_sized(struct buffer *to, unsigned field, const void *bytes, size_t n)
{
    add_head(to, field, n);
    buffer_append(to, bytes, n);
}

static void add_text(struct buffer *to, unsigned field, const char *text)
{
    add_sized(to, field, text, strlen(text));
}

static void begin(struct buffer *message)
{
    buffer_init(message, SIZE_MAX);
}

/* Adds the message and releases it. */
static void add_message(struct buffer *to, unsigned field, struct buffer *message)
{
    to->failed |= message->failed;
    add_sized(to, field, message->bytes, message->size);
    buffer_release(message);
}

static void add_to_graph(struct buffer *model, unsigned field, struct buffer *message)
{
    struct buffer graph;

    begin(&graph);
    add_message(&graph, field, message);
    add_message(model, MODEL_GRAPH, &graph);
}

void onnx_begin(struct buffer *model)
{
    struct buffer opset;

    begin(model);
    add_int(model, MODEL_IR_VERSION, VERSION_OF_FORMAT);
    begin(&opset);
    add_int(&opset, OPSET_VERSION, VERSION_OF_OPERATORS);
    add_message(model, MODEL_OPSET, &opset);
}

static void add_value(struct buffer *model, unsigned field, const char *name,
                      const struct onnx_dims *dims)
{
    struct buffer value, type, tensor, shape, dim;

    begin(&shape);
    for (size_t i = 0; i < dims->rank; i++) {
        begin(&dim);
        add_int(&dim, DIM_VALUE, dims->dim[i]);
        add_message(&shape, SHAPE_DIM, &dim);
    }
    begin(&tensor);
    add_int(&tensor, TENSOR_TYPE_ELEMENT, FLOAT32);
    add_message(&tensor, TENSOR_TYPE_SHAPE, &shape);
    begin(&type);
    add_message(&type, TYPE_TENSOR, &tensor);
    begin(&value);
    add_text(&value, VALUE_NAME, name);
    add_message(&value, VALUE_TYPE, &type);
    add_to_graph(model, field, &value);
}

void onnx_input(struct buffer *model, const char *name, const struct onnx_dims *dims)
{
    add_value(model, GRAPH_INPUT, name, dims);
}

void onnx_output(struct buffer *model, const char *name, const struct onnx_dims *dims)
{
    add_value(model, GRAPH_OUTPUT, name, dims);
}

/* Weights may have hundreds of megabytes: they are copied once, behind all heads. */
void onnx_constant(struct buffer *model, const char *name, const struct onnx_dims *dims,
                   const float *values)
{
    struct buffer graph, tensor;
    size_t bytes = sizeof *values;

    begin(&tensor);
    for (size_t i = 0; i < dims->rank; i++) {
        add_int(&tensor, TENSOR_DIMS, dims->dim[i]);
        bytes *= (size_t)dims->dim[i];
    }
    add_int(&tensor, TENSOR_DATA_TYPE, FLOAT32);
    add_text(&tensor, TENSOR_NAME, name);
    add_head(&tensor, TENSOR_RAW_DATA, bytes);
    begin(&graph);
    add_head(&graph, GRAPH_INITIALIZER, tensor.size + bytes);
    add_head(model, MODEL_GRAPH, graph.size + tensor.size + bytes);
    buffer_append(model, graph.bytes, graph.size);
    buffer_append(model, tensor.bytes, tensor.size);
    buffer_append(model, values, bytes);
    buffer_release(&graph);
    buffer_release(&tensor);
}

static void add_attribute(struct buffer *node, const struct onnx_attribute *attribute)
{
    /* By onnx_attribute.type. */
    static const int types[] = {
        [ONNX_INT] = 2, [ONNX_INTS] = 7, [ONNX_FLOAT] = 1, [ONNX_TEXT] = 3};
    struct buffer message;

    begin(&message);
    add_text(&message, ATTRIBUTE_NAME, attribute->name);
    add_int(&message, ATTRIBUTE_TYPE, types[attribute->type]);
    if (attribute->type == ONNX_INT)
        add_int(&message, ATTRIBUTE_I, attribute->ints.dim[0]);
    for (size_t i = 0; attribute->type == ONNX_INTS && i < attribute->ints.rank; i++)
        add_int(&message, ATTRIBUTE_INTS, attribute->ints.dim[i]);
    if (attribute->type == ONNX_FLOAT) {
        add_tag(&message, ATTRIBUTE_F, FIXED32);
        buffer_append(&message, &attribute->number, sizeof attribute->number);
    }
    if (attribute->type == ONNX_TEXT)
        add_text(&message, ATTRIBUTE_S, attribute->text);
    add_message(node, NODE_ATTRIBUTE, &message);
}

void onnx_node(struct buffer *model, const char *op, const char *const *inputs,
               const char *output, const struct onnx_attribute *attributes)
{
    struct buffer node;

    begin(&node);
    while (*inputs)
        add_text(&node, NODE_INPUT, *inputs++);
    add_text(&node, NODE_OUTPUT, output);
    add_text(&node, NODE_OP_TYPE, op);
    for (; attributes && attributes->name; attributes++)
        add_attribute(&node, attributes);
    add_to_graph(model, GRAPH_NODE, &node);
}
