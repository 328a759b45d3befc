/*
 * bench.c - the engine against the machine and against the peers found on it.
 *
 *     bench [--rows REGEX] [--threads N] [--quick] [--json FILE] [--markdown]
 *
 * Each row is computed by the engine, with every table of kernels that this CPU has, by
 * every peer that has such layers, and by the machine itself (peer_limit.c). First the
 * outputs are compared: work that is not equal is not timed, and fails the run. Then
 * all take turns, round after round, since a shared machine is never the same for
 * long; a turn repeats the row until it took a while, and the fastest turn counts.
 *
 *   ms           of one run of the engine, with all that a request would pay for it
 *   ratio        ms of the best peer / ms: above 1 the engine is faster
 *   limit share  limit / ms, where limit is the larger of
 *                  - the time of as many multiply-adds on registers alone
 *                  - the time to read the input and the weights once and to write the
 *                    wanted outputs once, at the rate that memory of this size allows
 *                A Winograd convolution may be above 1: it multiplies less often.
 *
 * Exits 0; 1 if outputs differ; 2 if it cannot run.
 */
#include <getopt.h>
#include <math.h>
#include <regex.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "engine/stopwatch.h"
#include "server/workers.h"
#include "tests/bench/peer.h"
#include "tests/bench/result.h"
#include "tests/bench/rows.h"

enum { MAX_THREADS = 2, MAX_CONTENDERS = 32 };

static const double tolerance = 1e-3; /* of the largest magnitude of an output */
static const double cold_ms = 5;      /* above it warm caches make no difference */

struct effort {
    double turn_ms, row_ms; /* of a turn, at least; of a row at a number of threads,
                               about at most */
    int min_rounds, max_rounds;
};
static const struct effort thorough = {2, 5000, 3, 40}, quick = {1, 700, 2, 15};

struct contender {
    const struct peer *peer;
    const char *variant;
    void *state;
    size_t repeats;
    double ms, layers_ms;
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
    if (!peer->variants)
        enter(m, peer, NULL);
    for (size_t i = 0; peer->variants && peer->variants[i]; i++)
        enter(m, peer, peer->variants[i]);
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

    for (size_t i = 0; i < m->problem->network.n_layers; i++) {
        if (!m->problem->wanted[i].output)
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

static void check(struct match *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct contender *c = &m->contenders[i];
        c->peer->run(c->state);
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

static double turn(struct contender *c)
{
    if (!(c->ms > cold_ms && c->ms < INFINITY))
        c->peer->run(c->state); /* warms up: the one before used the caches, too */

    const double start = stopwatch_ms();
    for (size_t i = 0; i < c->repeats; i++)
        c->peer->run(c->state);
    const double ms = (stopwatch_ms() - start) / (double)c->repeats;

    if (ms < c->ms) {
        c->ms = ms;
        c->layers_ms = c->peer->layers_ms ? c->peer->layers_ms(c->state) : 0;
    }
    return ms;
}

/* So many repeats that a turn takes as long as it should. */
static void calibrate(struct contender *c, double turn_ms)
{
    for (c->repeats = 1;; c->repeats *= 4) {
        const double ms = turn(c) * (double)c->repeats;
        if (ms >= turn_ms)
            return;
        if (ms >= turn_ms / 8) {
            c->repeats = (size_t)((double)c->repeats * turn_ms / ms) + 1;
            return;
        }
    }
}

static void take_turns(struct match *m)
{
    const double start = stopwatch_ms();

    for (size_t i = 0; i < m->n; i++)
        calibrate(&m->contenders[i], m->effort->turn_ms);
    for (int round = 0; round < m->effort->max_rounds; round++) {
        if (round >= m->effort->min_rounds &&
            stopwatch_ms() - start > m->effort->row_ms)
            break;
        for (size_t i = 0; i < m->n; i++)
            if (i == 0 || m->contenders[i].ms < m->effort->row_ms / 4)
                turn(&m->contenders[i]);
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
                (struct timing){c->peer->name, c->variant, c->ms, c->layers_ms};
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

struct task {
    struct job job; /* first: a job is its task */
    struct workers *workers;
    struct match *match;
    sem_t done;
};

static void run_task(struct job *job, size_t worker)
{
    struct task *task = (struct task *)job;

    task->match->parallel = workers_parallel(task->workers, worker);
    play(task->match);
    sem_post(&task->done);
}

static void drop_task(struct job *job)
{
    (void)job;
    abort(); /* nobody stops the workers while a task is on */
}

static void play_on(struct workers *workers, struct match *match)
{
    struct task task = {
        .job = {.run = run_task, .drop = drop_task, .deadline = INT64_MAX},
        .workers = workers,
        .match = match};

    sem_init(&task.done, 0, 0);
    if (!workers_submit(workers, &task.job))
        abort();
    sem_wait(&task.done);
    sem_destroy(&task.done);
}

/* ---- the program ---- */

struct settings {
    regex_t rows;
    bool all_rows, markdown;
    const char *json;
    size_t threads;
    const struct effort *effort;
};

static bool chosen(const struct settings *s, const struct row *row)
{
    return s->all_rows || regexec(&s->rows, row->name, 0, NULL, 0) == 0 ||
           (row->group && regexec(&s->rows, row->group, 0, NULL, 0) == 0);
}

static _Noreturn void fail(const char *what, const char *which)
{
    fprintf(stderr, "bench: %s %s\n", what, which);
    exit(2);
}

static void read_settings(struct settings *s, int argc, char **argv)
{
    static const struct option options[] = {{"rows", required_argument, NULL, 'r'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"quick", no_argument, NULL, 'q'},
                                            {"markdown", no_argument, NULL, 'm'},
                                            {0}};
    int option;

    *s = (struct settings){
        .all_rows = true, .threads = MAX_THREADS, .effort = &thorough};
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r') {
            s->all_rows = false;
            if (regcomp(&s->rows, optarg, REG_EXTENDED | REG_NOSUB))
                fail("not a regular expression:", optarg);
        } else if (option == 'j') {
            s->json = optarg;
        } else if (option == 't') {
            s->threads = (size_t)atoi(optarg);
            if (s->threads < 1 || s->threads > MAX_THREADS)
                fail("threads must be 1 or 2, not", optarg);
        } else if (option == 'q') {
            s->effort = &quick;
        } else if (option == 'm') {
            s->markdown = true;
        } else {
            exit(2);
        }
    }
}

static struct results results, sums;

static bool measure_row(const struct settings *s, struct workers **workers,
                        const struct row *row)
{
    struct problem problem;
    bool good = true;

    problem_init(&problem, row);
    for (size_t threads = 1; threads <= s->threads; threads++) {
        struct match match = {.row = row,
                              .effort = s->effort,
                              .problem = &problem,
                              .result = &results.all[results.n]};
        play_on(workers[threads], &match);
        result_print(&results.all[results.n], stdout);
        results_add_to_group(&sums, &results.all[results.n++]);
        good &= !match.failed;
    }
    problem_release(&problem);
    return good;
}

static void append_sums(void)
{
    for (size_t i = 0; i < sums.n; i++) {
        results.all[results.n++] = sums.all[i];
        result_print(&sums.all[i], stdout);
    }
}

static void write_json(const char *path)
{
    FILE *file = fopen(path, "w");

    if (!file)
        fail("cannot write", path);
    results_print_json(&results, file);
    if (fclose(file))
        fail("cannot write", path);
}

int main(int argc, char **argv)
{
    struct workers *workers[MAX_THREADS + 1] = {0};
    struct settings settings;
    bool good = true;

    read_settings(&settings, argc, argv);
    for (size_t n = 1; n <= settings.threads; n++)
        if (!(workers[n] = workers_new(n, 1)))
            fail("no", "threads");

    result_print_heading(stdout);
    for (size_t i = 0; row_nth(i); i++)
        if (chosen(&settings, row_nth(i)))
            good &= measure_row(&settings, workers, row_nth(i));
    append_sums();

    if (settings.markdown)
        results_print_markdown(&results, stdout);
    if (settings.json)
        write_json(settings.json);
    for (size_t n = 1; n <= settings.threads; n++)
        workers_free(workers[n]);
    return good ? 0 : 1;
}
