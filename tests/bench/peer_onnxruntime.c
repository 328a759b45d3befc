/*
 * peer_onnxruntime.c - ONNX Runtime: the network as one model.
 *
 * The library does the rest by itself when a session is made, outside the timing: it
 * fuses, it packs weights, and it puts what brings maps into its own layout and back
 * into the model, which is timed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/onnx_network.h"
#include "tests/bench/onnxruntime.h"
#include "tests/bench/peer.h"

enum { MAX_LAYERS = 64 };

/* Its threads wait for more work so long before they sleep: shorter than the pause
 * between turns. */
#define SPIN_US "10000"

struct state {
    const struct problem *problem;
    struct ort_session *session;
    struct ort_value *input;
    float *input_values;
    size_t n_outputs; /* that are wanted */
    char names[MAX_LAYERS][ONNX_NAME];
    const char *output_names[MAX_LAYERS];
    struct ort_value *outputs[MAX_LAYERS];
    float *output_values[MAX_LAYERS]; /* by layer */
};

static const struct ort_api *ort;

/* True if all is well; else says what is not. */
static bool good(struct ort_status *status)
{
    if (!status)
        return true;
    fprintf(stderr, "bench: onnxruntime: %s\n", ort->message(status));
    ort->status_free(status);
    return false;
}

/* One for the whole program: the library lives as long. */
static struct ort_env *environment(void)
{
    static struct ort_env *env;

    if (!env) {
        ort = OrtGetApiBase()->table(ORT_TABLE);
        if (!ort || !good(ort->env_new(ORT_LOG_ERROR, "bench", &env)))
            return NULL;
    }
    return env;
}

static bool open_session(struct state *s, const struct buffer *model, size_t threads)
{
    struct ort_env *env = environment();
    struct ort_options *options;

    if (!env || !good(ort->options_new(&options)))
        return false;
    const bool opened =
        good(ort->options_set_threads(options, (int)threads)) &&
        good(ort->options_set(options, "session.intra_op.spin_duration_us", SPIN_US)) &&
        good(ort->session_new(env, model->bytes, model->size, options, &s->session));
    ort->options_free(options);
    return opened;
}

/* A tensor with memory of ours. */
static bool make_tensor(float **values, const struct onnx_dims *dims,
                        struct ort_value **value)
{
    struct ort_memory_info *info;
    size_t bytes = sizeof **values;

    for (size_t i = 0; i < dims->rank; i++)
        bytes *= (size_t)dims->dim[i];
    if (!(*values = aligned_alloc(64, (bytes + 63) / 64 * 64)))
        abort();
    if (!good(ort->cpu_memory_info(ORT_ARENA_ALLOCATOR, ORT_MEMORY_DEFAULT, &info)))
        return false;
    const bool made = good(
        ort->tensor_new(info, *values, bytes, dims->dim, dims->rank, ORT_FLOAT, value));
    ort->memory_info_free(info);
    return made;
}

static bool make_tensors(struct state *s)
{
    const struct problem *p = s->problem;
    const struct onnx_dims input = onnx_network_input(p);

    if (!make_tensor(&s->input_values, &input, &s->input))
        return false;
    onnx_network_turn(s->input_values, p->input, p, &p->plan.input, false);
    for (size_t i = 0; i < p->network.n_layers; i++) {
        const struct onnx_dims dims = onnx_network_output(p, i);
        if (!p->wanted[i].output)
            continue;
        if (!make_tensor(&s->output_values[i], &dims, &s->outputs[s->n_outputs]))
            return false;
        s->output_names[s->n_outputs++] = onnx_network_name(i, s->names[i]);
    }
    return true;
}

static void release(void *self)
{
    struct state *s = self;

    for (size_t i = 0; i < s->n_outputs; i++)
        ort->value_free(s->outputs[i]);
    for (size_t i = 0; i < MAX_LAYERS; i++)
        free(s->output_values[i]);
    if (s->input)
        ort->value_free(s->input);
    free(s->input_values);
    if (s->session)
        ort->session_free(s->session);
    free(s);
}

static void *prepare(const struct problem *problem, const char *variant,
                     const struct parallel *parallel)
{
    struct buffer model;

    (void)variant;
    if (problem->task != TASK_LAYERS || problem->network.n_layers > MAX_LAYERS)
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->problem = problem;
    const bool opened = onnx_network_write(&model, problem) &&
                        open_session(s, &model, parallel->width) && make_tensors(s);
    buffer_release(&model);
    if (opened)
        return s;
    release(s);
    return NULL;
}

static void run(void *self)
{
    struct state *s = self;
    const struct ort_value *input = s->input;

    if (!good(ort->run(s->session, NULL, (const char *[]){ONNX_INPUT_NAME}, &input, 1,
                       s->output_names, s->n_outputs, s->outputs)))
        abort();
}

static void output(void *self, size_t layer, float *values)
{
    const struct state *s = self;

    onnx_network_turn(values, s->output_values[layer], s->problem,
                      &s->problem->plan.layers[layer].out, true);
}

const struct peer peer_onnxruntime = {
    .name = "onnxruntime",
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
};
