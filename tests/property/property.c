/*
 * property.c - random networks: what must hold for every one of them.
 *
 * property [--seed N] [--count N]: one network for each seed from N on. Of each, read
 * from its JSON by the config reader, planned and run:
 *
 *   - shapes and weights are what the reference says;
 *   - every layer's values are within the bound of its kind (judge.c) of a definition
 * in double precision, which reads the engine's own input of that layer;
 *   - the run takes no more memory than was planned, nor writes beyond it;
 *   - a random choice of stages, on any CPU's kernels and any split of the work, gives
 *     the same bits;
 *   - a request over the api takes no more memory than POST /v1/plan says;
 *   - a document with a fault is refused with a pointer to it.
 *
 * On a failure the seed and the document are printed; --seed N --count 1 repeats it.
 */
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/config.h"
#include "api/json.h"
#include "engine/generate.h"
#include "engine/weights.h"
#include "tests/property/judge.h"
#include "tests/property/random_layer.h"
#include "tests/property/random_network.h"
#include "tests/property/request.h"
#include "tests/unit/odd_parallel.h"

enum { ARENA = 512 << 20, GUARD = 1 << 16, MAX_FAILURES = 3 };
enum { ALL_TABLES_EVERY = 8 }; /* networks */

/* One network being tried. */
struct trial {
    struct random_network *network;
    struct arena *arena;
    uint64_t seed; /* of what comes next */
    cJSON *json;
    struct config config;
    struct plan plan; /* of the run that keeps every stage */
    struct stage_request all[RANDOM_LAYERS];
};

static unsigned long long current_seed;

static bool fail(const struct trial *t, const char *format, ...) FORMATTED(2, 3);

static bool fail(const struct trial *t, const char *format, ...)
{
    char shape[SHAPE_TEXT_SIZE];
    va_list args;

    printf("FAILED --seed %llu --count 1: ", (unsigned long long)t->network->seed);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n  input %s\n  config %s\n", shape_print(&t->network->input, shape),
           t->network->json);
    return false;
}

/* ---- read, plan ---- */

static bool plan(struct trial *t, const struct stage_request *wanted, size_t width,
                 struct plan *out, struct error *err)
{
    error_init(err);
    return network_plan(&t->config.network, &t->network->input, wanted, width,
                        &limits_default, t->arena, out, err);
}

static bool read_config(struct trial *t, struct error *err)
{
    const char *json = t->network->json;
    const struct bytes text = {(const unsigned char *)json, strlen(json)};
    struct options options;

    error_init(err);
    options_init(&options);
    t->json = json_parse("config", &text, NULL, &limits_default, t->arena, err);
    return t->json && config_read(&t->config, t->json, "", &options, &limits_default,
                                  t->arena, err);
}

static bool check_refusal(const struct trial *t, bool accepted, const struct error *err)
{
    const char *pointer = t->network->pointer;

    if (accepted)
        return fail(t, "a fault at %s was accepted", pointer);
    if (err->code != ERROR_CONFIG_INVALID || err->n_items == 0 || !*err->detail)
        return fail(t, "the fault at %s is told as %s: %s", pointer,
                    error_code_name(err->code), err->detail);
    if (strncmp(err->items[0].pointer, pointer, strlen(pointer)) != 0)
        return fail(t, "the fault at %s is told of %s: %s", pointer,
                    err->items[0].pointer, err->detail);
    return true;
}

static bool check_plan(const struct trial *t)
{
    const struct random_network *network = t->network;
    char want[SHAPE_TEXT_SIZE], have[SHAPE_TEXT_SIZE];
    const struct shape *in = &network->input;

    if (t->plan.n_layers != network->n_layers)
        return fail(t, "%zu layers became %zu", network->n_layers, t->plan.n_layers);
    for (size_t i = 0; i < network->n_layers; in = &network->shapes[i++]) {
        const struct layer_plan *layer = &t->plan.layers[i];
        struct reference_weight weight = {0};

        if (!shape_equal(&layer->out, &network->shapes[i]))
            return fail(t, "layers[%zu] gives %s, not %s", i,
                        shape_print(&layer->out, have),
                        shape_print(&network->shapes[i], want));
        for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
            if (!reference_weight(&network->layers[i], in, w, &weight))
                weight = (struct reference_weight){0};
            if (!shape_equal(&layer->weight_shape[w], &weight.shape))
                return fail(t, "layers[%zu] has weight %zu of %s, not %s", i, w,
                            shape_print(&layer->weight_shape[w], have),
                            shape_print(&weight.shape, want));
        }
    }
    return true;
}

/* ---- weights ---- */

/* Values that keep the outputs about as large as the inputs. */
static void fill_weight(struct trial *t, const struct reference_weight *weight,
                        float *values)
{
    const size_t n = shape_elements(&weight->shape);
    const size_t last = weight->shape.dim[weight->shape.rank - 1];
    const bool kernel = strstr(weight->name, "kernel") != NULL;
    const bool variance = strstr(weight->name, "variance") != NULL;
    const double scale = kernel ? sqrt(3.0 * (double)last / (double)n) : 1;

    for (size_t i = 0; i < n; i++) {
        const double x = 2 * generate_uniform(&t->seed) - 1;
        values[i] = (float)(variance ? fabs(x) + 0.05 : x * scale);
    }
}

/* Upload weights for every layer, named and shaped as the reference says; the reference
 * gets the same. */
static bool upload_weights(struct trial *t, struct error *err)
{
    struct random_network *network = t->network;
    const struct shape *in = &network->input;
    struct named_tensor tensors[RANDOM_LAYERS * LAYER_MAX_WEIGHTS];
    struct weights_upload upload = {.tensors = tensors};

    for (size_t i = 0; i < network->n_layers; in = &network->shapes[i++]) {
        struct layer *layer = &network->layers[i];
        struct reference_weight weight;
        for (size_t w = 0; reference_weight(layer, in, w, &weight); w++) {
            if (!weight.name)
                continue;
            const size_t n = shape_elements(&weight.shape);
            float *values = arena_take(t->arena, n, sizeof *values);
            const char *name = arena_print(
                t->arena, "%s/%s", t->config.network.layers[i].name, weight.name);
            if (!values || !name)
                return error_set(err, ERROR_INTERNAL, "no memory for the weights");
            fill_weight(t, &weight, values);
            layer->weights[w].values = values;
            tensors[upload.n++] = (struct named_tensor){name, {weight.shape, values}};
        }
    }
    return weights_bind(&t->config.network, &t->plan, &upload, NULL, &parallel_serial,
                        t->arena, err);
}

/* Weights by their initializers; the reference reads what came out. */
static bool initialise_weights(struct trial *t, struct error *err)
{
    struct network *network = &t->config.network;

    if (!weights_bind(network, &t->plan, NULL, NULL, &parallel_serial, t->arena, err))
        return false;
    for (size_t i = 0; i < network->n_layers; i++)
        for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++)
            t->network->layers[i].weights[w].values =
                network->layers[i].weights[w].values;
    return true;
}

/* ---- run ---- */

/* Fill the memory that comes next with NaNs, so that what is read before it is written
 * shows. */
static bool fill_ahead(struct arena *arena, size_t bytes)
{
    const size_t used = arena->used;
    unsigned char *memory = arena_take(arena, bytes, 1);

    if (memory)
        memset(memory, 0xff, bytes);
    arena_rewind(arena, used);
    arena->peak = used;
    return memory != NULL;
}

/* True if nothing was written to the bytes that come next. */
static bool untouched(struct arena *arena, size_t bytes)
{
    const size_t used = arena->used;
    const unsigned char *memory = arena_take(arena, bytes, 1);
    size_t i = 0;

    while (memory && i < bytes && memory[i] == 0xff)
        i++;
    arena_rewind(arena, used);
    return i == bytes;
}

/* Plan and run, and hold the run to its plan. */
static bool run(struct trial *t, const struct stage_request *wanted,
                const struct kernels *kernels, const struct parallel *parallel,
                struct plan *out)
{
    struct error err;

    if (!plan(t, wanted, parallel->width, out, &err))
        return fail(t, "planned once, but not again: %s", err.detail);
    const size_t before = t->arena->used;
    if (!fill_ahead(t->arena, (size_t)out->bytes + GUARD))
        return fail(t, "the arena of the test is too small");
    if (!network_run(&t->config.network, out, wanted, t->network->values, kernels,
                     parallel, t->arena, &err))
        return fail(t, "%s", err.detail);
    const double peak = (double)(t->arena->peak - before);
    if (peak > out->bytes)
        return fail(t, "the run took %.0f bytes, its plan says %.0f", peak, out->bytes);
    if (!untouched(t->arena, GUARD / 2))
        return fail(t, "%s wrote beyond the memory that was planned", kernels->name);
    return true;
}

static bool judge_layer(const struct trial *t, size_t i, const struct shape *in,
                        const float *input)
{
    const struct layer *layer = &t->network->layers[i];
    const struct layer_plan *plan = &t->plan.layers[i];
    const bool split = layer->activation.id != ACTIVATION_LINEAR;
    char fault[JUDGE_FAULT];

    struct reference want = reference_layer(layer, in, input);
    bool good = judge_values(judge_row(layer, in), &want,
                             split ? plan->pre.values : plan->output.values, fault);
    reference_free(&want);
    if (good && split) {
        const struct activation_row *row = activation_row(layer->activation.id);
        want = reference_activation(&layer->activation, &plan->out, plan->pre.values);
        good = judge_values(row->name, &want, plan->output.values, fault);
        reference_free(&want);
    }
    return good || fail(t, "layers[%zu]: %s", i, fault);
}

static bool judge_layers(const struct trial *t)
{
    const struct shape *in = &t->network->input;
    const float *input = t->network->values;

    for (size_t i = 0; i < t->network->n_layers; i++) {
        if (!judge_layer(t, i, in, input))
            return false;
        in = &t->plan.layers[i].out;
        input = t->plan.layers[i].output.values;
    }
    return true;
}

/* ---- the same bits ---- */

static bool same_tensor(const struct trial *t, size_t i, const struct tensor *want,
                        const struct tensor *got, const char *how)
{
    for (size_t k = 0; k < shape_elements(&want->shape); k++) {
        const float a = want->values[k], b = got->values[k];
        if (memcmp(&a, &b, sizeof a) != 0 && !(isnan(a) && isnan(b)))
            return fail(t, "layers[%zu]: value %zu is %.9g, on %s it is %.9g", i, k,
                        (double)a, how, (double)b);
    }
    return true;
}

/* Run again with these stages, and compare with the run that kept all. */
static bool run_again(struct trial *t, const struct stage_request *wanted,
                      const struct kernels *kernels, const struct parallel *parallel)
{
    const size_t used = t->arena->used;
    struct plan again;
    bool good = run(t, wanted, kernels, parallel, &again);
    char how[64] = "";

    for (size_t i = 0, at = 0; i < t->network->n_layers; i++)
        if (wanted[i].output && at < sizeof how)
            at += (size_t)snprintf(how + at, sizeof how - at, " %zu", i);
    char text[128];
    snprintf(text, sizeof text, "%s, %zu slots, with stages%s", kernels->name,
             parallel->width, how);
    for (size_t i = 0; good && i < t->network->n_layers; i++) {
        const struct layer_plan *first = &t->plan.layers[i], *now = &again.layers[i];
        if (wanted[i].output)
            good = same_tensor(t, i, &first->output, &now->output, text);
        if (good && wanted[i].pre)
            good = same_tensor(t, i, &first->pre, &now->pre, text);
    }
    arena_rewind(t->arena, used);
    return good;
}

static const struct parallel *draw_parallel(struct trial *t)
{
    return random_chance(&t->seed, 0.5) ? &parallel_serial : &odd_parallel;
}

/* At least the last output is kept: a request without stages is none. */
static bool run_some_stages(struct trial *t)
{
    const size_t n = t->network->n_layers;
    struct stage_request some[RANDOM_LAYERS] = {0};
    const double share = generate_uniform(&t->seed);
    size_t tables = 0;

    while (kernels_nth(tables))
        tables++;
    for (size_t i = 0; i < n; i++) {
        some[i].output = i + 1 == n || random_chance(&t->seed, share);
        some[i].pre = t->all[i].pre && random_chance(&t->seed, share / 2);
    }
    const size_t table = (size_t)random_between(&t->seed, 0, (int)tables - 1);
    return run_again(t, some, kernels_nth(table), draw_parallel(t));
}

static bool run_every_table(struct trial *t)
{
    for (size_t k = 0; kernels_nth(k); k++)
        if (!run_again(t, t->all, kernels_nth(k), &odd_parallel))
            return false;
    return true;
}

/* ---- over the api ---- */

static bool check_request(struct trial *t)
{
    double planned, taken;
    char fault[REQUEST_FAULT];

    if (t->network->input.dim[2] > REQUEST_CHANNELS)
        return true; /* more than an array file may have */
    if (!request_measure(t->network, &planned, &taken, fault))
        return fail(t, "%s", fault);
    return taken <= planned ||
           fail(t, "the request took %.0f bytes, its plan says %.0f", taken, planned);
}

/* ---- one network ---- */

static bool check_values(struct trial *t)
{
    struct error err;

    error_init(&err);
    const bool bound = random_chance(&t->seed, 0.8) ? upload_weights(t, &err)
                                                    : initialise_weights(t, &err);
    if (!bound)
        return fail(t, "%s", err.detail);
    return run(t, t->all, kernels_find(NULL), &parallel_serial, &t->plan) &&
           judge_layers(t) && run_some_stages(t) &&
           (t->network->seed % ALL_TABLES_EVERY || run_every_table(t)) &&
           (t->network->seed % REQUEST_EVERY || check_request(t));
}

static bool check_network(struct trial *t)
{
    struct error err;

    for (size_t i = 0; i < t->network->n_layers; i++)
        t->all[i] = (struct stage_request){true, t->network->layers[i].activation.id !=
                                                     ACTIVATION_LINEAR};
    const bool accepted = read_config(t, &err) && plan(t, t->all, 1, &t->plan, &err);
    if (t->network->invalid)
        return check_refusal(t, accepted, &err);
    if (!accepted)
        return fail(t, "refused: %s", err.detail);
    return check_plan(t) && check_values(t);
}

/* How many of what was tried. */
struct count {
    size_t networks, refused, hostile, failed;
};

static void try_seed(uint64_t seed, struct arena *arena, struct count *count)
{
    struct random_network network;
    struct trial trial = {.network = &network, .arena = arena, .seed = ~seed};

    current_seed = seed;
    arena_reset(arena, ARENA);
    random_network_init(&network, seed);
    count->networks++;
    count->refused += network.invalid;
    count->hostile += network.hostile;
    count->failed += !check_network(&trial);
    cJSON_Delete(trial.json);
    random_network_release(&network);
}

/* Every kind of layer must be drawn and defined, or nothing is proven of it. */
static bool check_kinds(bool many)
{
    const struct layer_kind *kind;
    bool good = true;

    for (size_t i = 0; (kind = layer_kind_at(i)); i++) {
        if (!reference_knows(kind))
            printf("FAILED: %s has no definition in reference.c\n", kind->class_name);
        else if (many && judge_count(kind->class_name) == 0)
            printf("FAILED: no %s was drawn\n", kind->class_name);
        else
            continue;
        good = false;
    }
    return good;
}

static void crashed(int number)
{
    char text[64];
    const int n = snprintf(text, sizeof text, "crashed (signal %d) at --seed %llu\n",
                           number, current_seed);

    if (n > 0 && write(STDOUT_FILENO, text, (size_t)n) < n)
        _exit(3);
    signal(number, SIG_DFL);
    raise(number);
}

static unsigned long long option(int argc, char **argv, const char *name,
                                 unsigned long long fallback)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return strtoull(argv[i + 1], NULL, 10);
    return fallback;
}

int main(int argc, char **argv)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    const unsigned long long first = option(argc, argv, "--seed", 1);
    const unsigned long long n = option(argc, argv, "--count", 400);
    struct count count = {0};
    struct arena arena;

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], crashed);
    if (!arena_init(&arena, ARENA))
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t i = 0; i < n && count.failed < MAX_FAILURES; i++)
        try_seed(first + i, &arena, &count);
    arena_release(&arena);
    judge_print();
    count.failed += !check_kinds(n >= 400 && !count.failed);
    printf("property: %zu networks, %zu failed (%zu with a fault to refuse, %zu with "
           "extreme values)\n",
           count.networks, count.failed, count.refused, count.hostile);
    return count.failed > 0;
}
