/*
 * peer_engine.c - our own engine, once for each table of kernels.
 *
 * This is the one place that knows how a network is run in the steady state, where
 * a request repeats one before it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/weights.h"
#include "tests/bench/peer.h"

/* The portable kernels are there to be right: a problem larger than this would use up
 * the run. A value counts as some multiply-adds, for it may be an exp. */
static const double portable_most = 5e7, value_as_macs = 20;

static bool is_for_portable(const struct problem *problem)
{
    const double values = (double)shape_elements(&problem->plan.input);

    return problem->macs + values * value_as_macs <= portable_most;
}

struct state {
    const struct problem *problem;
    const struct kernels *kernels;
    const struct parallel *parallel;
    struct network network; /* the problem's, with weights of its own */
    struct shelf *shelf;    /* where these are */
    struct plan plan;
    struct arena arena;
    size_t mark; /* memory of the plan; the rest is the run's */
};

static void release(void *self)
{
    struct state *s = self;

    weights_release(&s->plan, s->shelf);
    shelf_free(s->shelf);
    arena_release(&s->arena);
    free(s);
}

/* Weights drawn and packed before, as for every request but the first with the same. */
static bool bind(struct state *s, struct error *err)
{
    const size_t n = s->problem->network.n_layers;

    s->network.n_layers = n;
    s->network.layers = arena_take(&s->arena, n, sizeof *s->network.layers);
    if (!s->network.layers)
        return false;
    memcpy(s->network.layers, s->problem->network.layers,
           n * sizeof *s->network.layers);
    return weights_bind(&s->network, &s->plan, NULL, s->shelf, &parallel_serial,
                        &s->arena, err);
}

/* What a request does before it runs. */
static void plan_network(struct state *s)
{
    const struct problem *problem = s->problem;
    struct error err;

    error_init(&err);
    if (!network_plan(&problem->network, &problem->plan.input, problem->wanted,
                      s->parallel->width, &problem_limits, &s->arena, &s->plan, &err) ||
        !bind(s, &err))
        abort(); /* problem_init planned it already */
    s->mark = s->arena.used;
}

static void *prepare(const struct problem *problem, const char *isa,
                     const struct parallel *parallel)
{
    const struct kernels *kernels = kernels_find(isa);

    if ((problem->task != TASK_LAYERS && problem->task != TASK_NETWORK) || !kernels ||
        (kernels == kernels_nth(0) && kernels_nth(1) && !is_for_portable(problem)))
        return NULL;

    struct state *s = calloc(1, sizeof *s);
    if (!s || !arena_init(&s->arena, (size_t)8 << 30))
        abort();
    s->problem = problem;
    s->kernels = kernels;
    s->parallel = parallel;
    s->shelf = shelf_new((size_t)8 << 30, NULL);
    if (!s->shelf)
        abort();
    plan_network(s);
    return s;
}

static void run(void *self)
{
    struct state *s = self;
    struct error err;

    if (s->problem->task == TASK_NETWORK) {
        weights_release(&s->plan, s->shelf);
        arena_rewind(&s->arena, 0);
        plan_network(s);
    }
    arena_rewind(&s->arena, s->mark);
    error_init(&err);
    if (!network_run(&s->network, &s->plan, s->problem->wanted, s->problem->input,
                     s->kernels, s->parallel, &s->arena, &err))
        abort();
}

static void output(void *self, size_t layer, float *values)
{
    const struct state *s = self;
    const float *from = s->plan.layers[layer].output.values;
    const size_t n = problem_output_count(s->problem, layer);

    for (size_t i = 0; i < n; i++)
        values[i] = from[i];
}

static void account(void *self, struct account *account)
{
    const struct state *s = self;

    account->layers_ms = 0;
    for (size_t i = 0; i < s->plan.n_layers; i++)
        if (!isnan(
                s->plan.layers[i].duration_ms)) /* part of a later one: counted there */
            account->layers_ms += s->plan.layers[i].duration_ms;
}

const struct peer peer_engine = {
    .name = "engine",
    .variant = peer_isa,
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
    .account = account,
};
