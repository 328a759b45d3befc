/*
 * peer_request.c - a whole request by our own api, but for the network between.
 *
 * The reply tells how long decoding and computing took. Painting and encoding are done
 * once more to be timed, one stage at a time as api_call does; what is left is reading
 * the request and writing the reply. On one thread, so that all of it is time of the
 * CPU.
 */
#include <math.h>
#include <stdlib.h>

#include "engine/stopwatch.h"
#include "tests/bench/job.h"
#include "tests/bench/peer.h"

struct state {
    const struct problem *problem;
    bool alone; /* on one thread */
    struct job job;
    struct api_reply reply; /* the last */
    double ms;
    double render_ms, encode_ms; /* the fastest so far */
    size_t mark;                 /* of the job's arena, with the stages in it */
};

static void *prepare(const struct problem *problem, const char *variant,
                     const struct parallel *parallel)
{
    (void)variant;
    if (problem->task != TASK_REQUEST)
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->problem = problem;
    s->alone = parallel->width == 1;
    job_init(&s->job, &problem->subject.file, problem->subject.query, parallel);
    s->render_ms = s->encode_ms = INFINITY;
    s->mark = s->job.arena.used;
    return s;
}

static void run(void *self)
{
    struct state *s = self;
    const double start = stopwatch_ms();

    api_reply_release(&s->reply);
    api_call(s->job.session, &s->job.request, &s->reply);
    s->ms = stopwatch_ms() - start;
    if (s->reply.status != 200)
        abort();
}

static void time_pictures(struct state *s)
{
    struct job *job = &s->job;
    struct picture_set set;
    struct buffer png;
    double render_ms = 0, encode_ms = 0;

    arena_rewind(&job->arena, s->mark);
    buffer_init(&png, SIZE_MAX);
    for (size_t i = 0; i < job->work.n_stages; i++) {
        const struct tensor stage = job_stage(job, i);
        const double start = stopwatch_ms();
        statistics_of(job->settings.kernels, stage.values, shape_elements(&stage.shape),
                      1);
        job_paint(job, i, &set);
        const double painted = stopwatch_ms();
        for (size_t k = 0; k < set.n; k++)
            if (!picture_png(&png, &set.pictures[k], job->settings.png_level,
                             &job->arena, &job->call.err))
                abort();
        render_ms += painted - start;
        encode_ms += stopwatch_ms() - painted;
    }
    buffer_release(&png);
    s->render_ms = fmin(s->render_ms, render_ms);
    s->encode_ms = fmin(s->encode_ms, encode_ms);
}

static void account(void *self, struct account *account)
{
    struct state *s = self;
    double *phase = account->phase_ms;

    account->bytes = (double)s->reply.body_size;
    if (!s->alone)
        return;
    time_pictures(s);
    phase[PHASE_decode] = s->reply.ms.decode;
    phase[PHASE_compute] = s->reply.ms.compute;
    phase[PHASE_render] = s->render_ms;
    phase[PHASE_encode] = s->encode_ms;
    phase[PHASE_reply] = fmax(0, s->ms - phase[PHASE_decode] - phase[PHASE_compute] -
                                     phase[PHASE_render] - phase[PHASE_encode]);
}

static void release(void *self)
{
    struct state *s = self;

    api_reply_release(&s->reply);
    job_release(&s->job);
    free(s);
}

const struct peer peer_request = {
    .name = "engine",
    .prepare = prepare,
    .run = run,
    .release = release,
    .account = account,
};
