/*
 * workers.h - a fixed number of threads, a bounded queue, and a parallel-for.
 *
 *     struct workers *workers = workers_new(4, 16);
 *     if (!workers_submit(workers, &job))
 *         ... full: say so now, nobody waits for a place ...
 *     workers_free(workers);
 *
 * Clients are served in turns: a job waits behind as many jobs of each other client as
 * it has of its own before it. When the queue is full, a client that has less in it
 * than another takes the place of the other's last job. A client that is alone has it
 * all.
 *
 * A job is run by one worker. What it does with the parallel-for of that worker is
 * shared with the workers that are idle at the time: one lonely job uses all
 * threads, and a loaded server runs one job per thread at no extra cost. A worker
 * that helps goes back to the queue as soon as a job waits there.
 *
 * Nothing here knows of HTTP. Every function may be called from any thread.
 */
#ifndef SERVER_WORKERS_H
#define SERVER_WORKERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"

enum { WORKERS_MAX = 256 };

/* The owner embeds it and fills in the members before next. It stays the owner's
 * memory; exactly one of run and drop is called for a job that was accepted, and the
 * job is not touched once that call has begun to return. */
struct job {
    void (*run)(struct job *job, size_t worker);
    /* In place of run: the job waited past its deadline, or was cancelled while it
     * waited. Called on a worker or in workers_sweep. */
    void (*drop)(struct job *job);
    int64_t deadline;      /* clock_ns() */
    int64_t start_by;      /* likewise: a job that waits longer is dropped */
    uint64_t client;       /* who wants it: any number */
    atomic_bool cancelled; /* may be set by anyone, at any time */

    struct job *next; /* this and the rest are the queue's */
    uint64_t turn;
};

struct workers;

/* capacity is the number of jobs that may wait while all workers are busy. NULL if the
 * system has no memory or threads. */
struct workers *workers_new(size_t n, size_t capacity) MUST_CHECK;

/* Stop, and wait until every accepted job has been run or dropped. */
void workers_free(struct workers *workers);

/* The parallel-for for jobs on this worker, to be given to its session. It may be
 * used only inside that worker's job, and not inside a parallel body. */
const struct parallel *workers_parallel(const struct workers *workers, size_t worker);

enum workers_answer {
    WORKERS_ACCEPT,
    WORKERS_FULL,
    WORKERS_GREEDY, /* full, and no client has more in it than this one */
    WORKERS_STOPPING
};

/* Answers at once. *displaced is NULL, or a job that lost its place: the caller has to
 * drop it. */
enum workers_answer workers_submit(struct workers *workers, struct job *job,
                                   struct job **displaced) MUST_CHECK;

/* Drop the jobs that wait in vain. To be called every now and then, or when a job
 * was cancelled; a job that nobody sweeps is dropped when a worker comes to it. */
void workers_sweep(struct workers *workers);

/* Accept no more, drop what waits, tell what runs that it is cancelled. Returns at
 * once. */
void workers_stop(struct workers *workers);
bool workers_stopping(const struct workers *workers);

struct workers_load {
    size_t workers, busy, queued, capacity;
    double backlog_s; /* until what is there now will be done, from recent jobs */
};
struct workers_load workers_load(struct workers *workers);

#endif
