/*
 * match.c - see match.h
 *
 * First the outputs are compared: work that is not equal is not timed. Then all take
 * turns, round after round, since a shared machine is never the same for long. A turn
 * repeats the row for a while in laps, and the fastest lap of all counts: others on the
 * machine only ever make it slower.
 */
#include "tests/bench/match.h"

#include <math.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "engine/stopwatch.h"

enum { MAX_CONTENDERS = 32 };

static const double tolerance = 1e-3; /* of the largest magnitude of an output */
static const double lap_ms = 0.1;     /* at least */
static const double cold_ms = 5;      /* above it warm caches make no difference */

struct contender {
    const struct peer *peer;
    const char *variant;
    void *state;
    size_t repeats; /* 0: too slow to be repeated */
    double ms;
    struct account account; /* of the fastest run */
};

/* A row at one number of threads. */
struct match {
    const struct row *row;
    const struct effort *effort;
    const struct problem *problem;
    const struct parallel *parallel;
    struct contender contenders[MAX_CONTENDERS];
    size_t n;
    bool failed;
    struct result *result;
};

extern const struct peer peer_limit;

/* ---- contenders ---- */

static void enter(struct match *m, const struct peer *peer, const char *variant)
{
    void *state = peer->prepare(m->problem, variant, m->parallel);

    if (!state)
        return;
    if (m->n == MAX_CONTENDERS)
        abort();
    m->contenders[m->n++] = (struct contender){
        .peer = peer, .variant = variant, .state = state, .ms = INFINITY};
}

static void enter_all(struct match *m, const struct peer *peer)
{
    if (!peer->variant)
        enter(m, peer, NULL);
    for (size_t i = 0; peer->variant && peer->variant(i); i++)
        enter(m, peer, peer->variant(i));
}

static void leave(struct match *m, size_t i)
{
    m->contenders[i].peer->release(m->contenders[i].state);
    memmove(&m->contenders[i], &m->contenders[i + 1],
            (m->n - i - 1) * sizeof *m->contenders);
    m->n--;
}

/* ---- are the outputs equal? ---- */

/* The largest difference, relative to the largest magnitude. */
static double difference(const float *a, const float *b, size_t n)
{
    double scale = 0, worst = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        scale = fmax(scale, fabs((double)a[i]));
        if (!(d <= worst))
            worst = d; /* a NaN stays */
    }
    return worst / (scale > 0 ? scale : 1);
}

static double worst_difference(const struct match *m, const struct contender *ours,
                               const struct contender *theirs)
{
    double worst = 0;

    for (size_t i = 0; i < problem_outputs(m->problem); i++) {
        if (!problem_wants(m->problem, i))
            continue;
        const size_t n = problem_output_count(m->problem, i);
        float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
        if (!a || !b)
            abort();
        ours->peer->output(ours->state, i, a);
        theirs->peer->output(theirs->state, i, b);
        const double d = difference(a, b, n);
        if (!(d <= worst))
            worst = d;
        free(a);
        free(b);
    }
    return worst;
}

static void take_time(struct contender *c, double ms)
{
    if (ms >= c->ms)
        return;
    c->ms = ms;
    if (c->peer->account)
        c->peer->account(c->state, &c->account);
}

static void run_once(struct contender *c)
{
    const double start = stopwatch_ms();

    c->peer->run(c->state);
    take_time(c, stopwatch_ms() - start);
}

static void check(struct match *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct contender *c = &m->contenders[i];
        run_once(c);
        if (i == 0 || !c->peer->output)
            continue;
        const double d = worst_difference(m, &m->contenders[0], c);
        if (d <= tolerance)
            continue;
        fprintf(stderr, "bench: %s: %s %s differs by %g\n", m->row->name, c->peer->name,
                c->variant ? c->variant : "", d);
        m->failed = true;
        leave(m, i--);
    }
}

/* ---- timing ---- */

/* The time of a run, as the mean of so many that a clock can tell. */
static double lap(struct contender *c)
{
    const double start = stopwatch_ms();

    for (size_t i = 0; i < c->repeats; i++)
        c->peer->run(c->state);
    const double ms = (stopwatch_ms() - start) / (double)c->repeats;

    take_time(c, ms);
    return ms;
}

static void turn(struct contender *c, double turn_ms)
{
    if (c->ms < cold_ms)
        c->peer->run(c->state); /* warms up: the one before used the caches, too */

    const double start = stopwatch_ms();
    do
        lap(c);
    while (stopwatch_ms() - start < turn_ms);
}

/* Before another library's turn: the threads of the one before may spin for more work
 * for some 20 ms, on the CPUs that the next one needs. */
static void let_them_sleep(const struct match *m, size_t i)
{
    const size_t before = i ? i - 1 : m->n - 1;

    if (m->parallel->width > 1 && m->contenders[before].peer != m->contenders[i].peer)
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
}

static void calibrate(struct contender *c)
{
    c->repeats = 1;
    while (lap(c) * (double)c->repeats < lap_ms)
        c->repeats *= 2;
}

/* Of those that take long, only the fast ones are worth the time. */
static bool is_hopeless(const struct match *m, const struct contender *c)
{
    double fastest = INFINITY;

    for (size_t i = 0; i < m->n; i++)
        if (m->contenders[i].peer != &peer_limit)
            fastest = fmin(fastest, m->contenders[i].ms);
    return c != &m->contenders[0] && c->ms > m->effort->row_ms / 4 &&
           c->ms > 1.5 * fastest;
}

static void take_turns(struct match *m)
{
    const double start = stopwatch_ms();

    for (size_t i = 0; i < m->n; i++) {
        struct contender *c = &m->contenders[i];
        for (int again = 0; again < 2 && is_hopeless(m, c); again++)
            run_once(c); /* the first one may have started threads */
        if (!is_hopeless(m, c))
            calibrate(c);
    }
    for (int round = 0; round < m->effort->max_rounds; round++) {
        if (round >= m->effort->min_rounds &&
            stopwatch_ms() - start > m->effort->row_ms)
            break;
        for (size_t i = 0; i < m->n; i++) {
            let_them_sleep(m, i);
            if (m->contenders[i].repeats)
                turn(&m->contenders[i], m->effort->turn_ms);
        }
    }
}

/* ---- a row ---- */

static double fastest_limit(const struct match *m, const char *prefix)
{
    double ms = INFINITY;

    for (size_t i = 0; i < m->n; i++) {
        const struct contender *c = &m->contenders[i];
        if (c->peer == &peer_limit && strncmp(c->variant, prefix, strlen(prefix)) == 0)
            ms = fmin(ms, c->ms);
    }
    return ms;
}

static void write_result(const struct match *m)
{
    struct result *r = m->result;

    *r = (struct result){.name = m->row->name,
                         .group = m->row->group,
                         .count = m->row->count,
                         .threads = m->parallel->width,
                         .limit_ms =
                             fmax(fastest_limit(m, "fma"), fastest_limit(m, "stream"))};
    for (size_t i = 0; i < m->n && r->n_timings < RESULT_MAX_TIMINGS; i++) {
        const struct contender *c = &m->contenders[i];
        if (c->peer != &peer_limit)
            r->timings[r->n_timings++] =
                (struct timing){c->peer->name, c->variant, c->ms, c->account};
    }
}

static void play(struct match *m)
{
    for (size_t i = 0; peer_nth(i); i++)
        enter_all(m, peer_nth(i));
    enter_all(m, &peer_limit);
    check(m);
    take_turns(m);
    write_result(m);
    while (m->n)
        leave(m, m->n - 1);
}

/* ---- on a worker, as in the server ---- */

struct errand {
    struct job job; /* first: a job is its errand */
    struct workers *workers;
    struct match *match;
    sem_t done;
};

static void run_errand(struct job *job, size_t worker)
{
    struct errand *errand = (struct errand *)job;

    errand->match->parallel = workers_parallel(errand->workers, worker);
    play(errand->match);
    sem_post(&errand->done);
}

static void drop_errand(struct job *job)
{
    (void)job;
    abort(); /* nobody stops the workers while an errand is on */
}

bool match_play(struct workers *workers, const struct row *row,
                const struct problem *problem, const struct effort *effort,
                struct result *result)
{
    struct match match = {
        .row = row, .effort = effort, .problem = problem, .result = result};
    struct errand errand = {.job = {.run = run_errand,
                                    .drop = drop_errand,
                                    .deadline = INT64_MAX,
                                    .start_by = INT64_MAX},
                            .workers = workers,
                            .match = &match};

    sem_init(&errand.done, 0, 0);
    struct job *displaced;
    if (workers_submit(workers, &errand.job, &displaced) != WORKERS_ACCEPT)
        abort();
    sem_wait(&errand.done);
    sem_destroy(&errand.done);
    return !match.failed;
}

double match_limit_ms(const struct problem *problem, const char *variant)
{
    const struct effort effort = {5, 100, 10, 10};
    struct match m = {
        .effort = &effort, .problem = problem, .parallel = &parallel_serial};

    enter(&m, &peer_limit, variant);
    run_once(&m.contenders[0]);
    take_turns(&m);
    const double ms = m.contenders[0].ms;
    leave(&m, 0);
    return ms;
}
