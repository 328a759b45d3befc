/* problem.c - see problem.h */
#include "tests/bench/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/generate.h"
#include "engine/weights.h"

enum { MAX_LAYERS = 32, TEXT = 1024 };

const struct limits problem_limits = {
    .max_dimension = 1e6,
    .max_request_memory = 16 * 1024 * MIB,
    .max_layers = MAX_LAYERS,
    .max_filters = 1e6,
    .max_kernel = 1e3,
    .max_macs = 1e15,
};

static _Noreturn void wrong(const struct row *row, const char *what)
{
    fprintf(stderr, "bench: row %s: %s\n", row->name, what);
    exit(2);
}

static void *take(struct problem *problem, size_t count, size_t size)
{
    void *memory = arena_alloc(&problem->arena, count, size);

    if (!memory) {
        fprintf(stderr, "bench: no memory\n");
        exit(2);
    }
    return memory;
}

/* ---- layers from text: "Conv2D filters=64 kernel_size=3 padding=same" ---- */

static bool set_choice(int *at, const char *const *values, const char *text)
{
    for (int i = 0; values[i]; i++)
        if (strcmp(values[i], text) == 0) {
            *at = i;
            return true;
        }
    return false;
}

static bool set_param(struct layer *layer, const struct layer_param *param,
                      const char *text)
{
    void *at = (char *)layer + param->offset;

    switch (param->type) {
    case PARAM_INT:
        *(int *)at = atoi(text);
        return true;
    case PARAM_PAIR:
        ((int *)at)[0] = ((int *)at)[1] = atoi(text);
        return true;
    case PARAM_CHOICE:
        return set_choice(at, param->values, text);
    case PARAM_ACTIVATION:
        return activation_find(text, layer->keras, at);
    default:
        return false;
    }
}

static bool set_named(struct layer *layer, char *token)
{
    char *value = strchr(token, '=');

    if (!value)
        return false;
    *value++ = '\0';
    for (const struct layer_param *p = layer->kind->params; p->name; p++)
        if (strcmp(p->name, token) == 0)
            return set_param(layer, p, value);
    return false;
}

/* Weights that begin as zeros would hide mistakes. */
static void draw_weights(struct layer *layer, size_t index)
{
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
        struct initializer *start = &layer->weights[w].initializer;
        if (start->id == INIT_ZEROS)
            initializer_find("random_uniform", start);
        start->seed = index * LAYER_MAX_WEIGHTS + w;
    }
}

static void read_layer(struct problem *problem, const struct row *row, char *text)
{
    const size_t index = problem->network.n_layers;
    struct layer *layer = &problem->network.layers[index];
    size_t *input = take(problem, 1, sizeof *input);
    char *rest, *word = strtok_r(text, " ", &rest);

    *input = index;
    *layer = (struct layer){.name = row->name,
                            .label = row->name,
                            .pointer = "",
                            .keras = KERAS_3,
                            .inputs = input,
                            .n_inputs = 1};
    if (index == MAX_LAYERS || !word || !(layer->kind = layer_kind_find(word, true)))
        wrong(row, "too many layers, or no such layer");
    layer_defaults(layer);
    while ((word = strtok_r(NULL, " ", &rest)))
        if (!set_named(layer, word))
            wrong(row, word);
    draw_weights(layer, index);
    problem->network.n_layers++;
}

static void read_layers(struct problem *problem, const struct row *row)
{
    const char *layers = row->layers ? row->layers : "";
    char *text = arena_copy(&problem->arena, layers, strlen(layers));
    char *rest;

    if (!text)
        wrong(row, "no memory");
    problem->network.layers = take(problem, MAX_LAYERS + 1, sizeof(struct layer));
    for (char *one = strtok_r(text, "|", &rest); one; one = strtok_r(NULL, "|", &rest))
        if (one[strspn(one, " ")])
            read_layer(problem, row, one);
}

/* ---- the problem ---- */

static void draw_input(struct problem *problem)
{
    const size_t n = shape_elements(&problem->plan.input);
    uint64_t seed = 1;

    problem->input = take(problem, n, sizeof *problem->input);
    for (size_t i = 0; i < n; i++)
        problem->input[i] = (float)(generate_uniform(&seed) * 2 - 1);
}

/* The plan of a transposed convolution counts the zeros that it spreads, too. */
static double needed_macs(const struct layer *layer, const struct layer_plan *plan)
{
    return strcmp(layer->kind->class_name, "Conv2DTranspose") == 0
               ? (double)shape_elements(&plan->in) * layer->filters *
                     layer->kernel_size[0] * layer->kernel_size[1]
               : plan->macs;
}

static void count(struct problem *problem)
{
    double read = (double)shape_elements(&problem->plan.input), written = 0;

    for (size_t i = 0; i < problem->plan.n_layers; i++) {
        read += problem->plan.layers[i].params;
        problem->macs +=
            needed_macs(&problem->network.layers[i], &problem->plan.layers[i]);
        if (problem->wanted[i].output)
            written += (double)problem_output_count(problem, i);
    }
    problem->bytes_read = read * sizeof(float);
    problem->bytes_written = written * sizeof(float);
    if (problem->task == TASK_PAINT)
        problem->bytes_written = read; /* a byte of each value */
}

static bool has_layers(enum task task)
{
    return task == TASK_LAYERS || task == TASK_NETWORK;
}

/* Samples read and written once; what becomes of a file's bytes is not known before. */
static void take_subject(struct problem *problem, const struct row *row)
{
    struct subject *s = &problem->subject;

    subject_init(s, row, &problem->arena);
    if (row->task == TASK_PREPARE)
        problem->bytes_read = (double)(row->height * row->width * row->channels);
    else if (row->task == TASK_ENCODE)
        problem->bytes_read = (double)(s->picture.width * s->picture.height *
                                       subject_channels(&s->picture));
    else
        problem->bytes_read = (double)s->file.size;
    if (row->task == TASK_DECODE || row->task == TASK_PREPARE)
        problem->bytes_written = (double)problem_output_count(problem, 0) *
                                 (row->task == TASK_PREPARE ? sizeof(float) : 1);
}

static void plan_layers(struct problem *problem, const struct row *row)
{
    const struct shape input = SHAPE(row->height, row->width, row->channels);
    const struct shape vector = SHAPE(row->channels);
    struct error err;

    error_init(&err);
    read_layers(problem, row);

    const size_t n = problem->network.n_layers;
    problem->wanted = take(problem, n, sizeof *problem->wanted);
    for (size_t i = 0; i < n; i++)
        problem->wanted[i].output = row->stages == ALL_STAGES || i == n - 1;
    if (!network_plan(&problem->network, row->height ? &input : &vector,
                      problem->wanted, 1, &problem_limits, &problem->arena,
                      &problem->plan, &err) ||
        !weights_bind(&problem->network, &problem->plan, NULL, NULL, &parallel_serial,
                      &problem->arena, &err))
        wrong(row, err.detail);
    draw_input(problem);
    count(problem);
}

static bool has_subject(enum task task)
{
    return task == TASK_ENCODE || task == TASK_DECODE || task == TASK_REQUEST ||
           task == TASK_PREPARE;
}

void problem_init(struct problem *problem, const struct row *row)
{
    *problem = (struct problem){.task = row->task};
    if (!arena_init(&problem->arena, (size_t)4 << 30))
        wrong(row, "no memory");
    if (has_subject(row->task))
        take_subject(problem, row);
    else
        plan_layers(problem, row);
}

void problem_release(struct problem *problem)
{
    if (has_subject(problem->task))
        subject_release(&problem->subject);
    arena_release(&problem->arena);
}

size_t problem_outputs(const struct problem *problem)
{
    if (has_layers(problem->task))
        return problem->network.n_layers;
    return problem->task == TASK_ENCODE || problem->task == TASK_DECODE;
}

bool problem_wants(const struct problem *problem, size_t output)
{
    return !has_layers(problem->task) || problem->wanted[output].output;
}

size_t problem_output_count(const struct problem *problem, size_t output)
{
    const struct subject *s = &problem->subject;

    return has_layers(problem->task) ? shape_elements(&problem->plan.layers[output].out)
                                     : s->width * s->height * s->channels;
}

struct pads problem_transpose_pads(const struct layer *layer,
                                   const struct layer_plan *plan)
{
    size_t before[2] = {plan->pad.top, plan->pad.left}, after[2];

    for (size_t i = 0; i < 2; i++) {
        const size_t reach =
            (size_t)(layer->kernel_size[i] - 1) * (size_t)layer->dilation_rate[i];
        const size_t full =
            (plan->in.dim[i] - 1) * (size_t)layer->strides[i] + reach + 1;
        before[i] = reach - before[i];
        after[i] = full - plan->out.dim[i] - before[i];
    }
    return (struct pads){before[0], after[0], before[1], after[1]};
}
