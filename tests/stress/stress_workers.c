/*
 * stress_workers.c - the workers under load, for ThreadSanitizer.
 *
 * A plain main, because Criterion does not start under TSan. Every round makes a pool,
 * floods it from several threads with jobs that loop in parallel, cancels some, lets
 * some expire, and checks that every accepted job ended exactly once, that every item
 * of every loop ran exactly once, and that no two calls shared a slot.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/workers.h"

enum { ROUNDS = 40, WORKERS = 4, CAPACITY = 8, CLIENTS = 3, JOBS = 40, ITEMS = 200 };

struct task {
    struct job job;
    struct workers *workers;
    size_t n;
    bool accepted, may_end_early;
    atomic_int ran, dropped;
    atomic_int items[ITEMS];
    atomic_bool slots[WORKERS];
};

struct client {
    pthread_t thread;
    struct workers *workers;
    unsigned seed;
    uint64_t number;
    struct task tasks[JOBS];
};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "stress_workers: %s\n", what);
    exit(1);
}

static unsigned draw(unsigned *seed, unsigned below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % below;
}

static void item(void *context, size_t i, size_t slot)
{
    struct task *task = context;

    check(slot < WORKERS, "a slot beyond the width");
    check(!atomic_exchange(&task->slots[slot], true), "two calls in one slot");
    task->items[i]++;
    for (volatile int spin = 0; spin < 300; spin++)
        ;
    atomic_store(&task->slots[slot], false);
}

static void run(struct job *job, size_t worker)
{
    struct task *task = (struct task *)job;
    const struct parallel *parallel = workers_parallel(task->workers, worker);

    parallel->run(parallel->self, task->n, item, task);
    for (size_t i = 0; i < WORKERS; i++)
        check(!task->slots[i], "run returned while a call was at work");
    if (!task->may_end_early)
        for (size_t i = 0; i < task->n; i++)
            check(task->items[i] == 1, "an item did not run exactly once");
    task->ran++;
}

static void drop(struct job *job)
{
    ((struct task *)job)->dropped++;
}

static void prepare(struct task *task, struct client *client)
{
    const unsigned kind = draw(&client->seed, 8);

    task->job.run = run;
    task->job.drop = drop;
    task->job.deadline = clock_ns() + clock_from_seconds(kind == 0 ? 0.0005 : 60);
    task->job.start_by = task->job.deadline;
    task->job.client = client->number;
    task->workers = client->workers;
    task->n = draw(&client->seed, 4) ? draw(&client->seed, ITEMS) : 1;
    task->may_end_early = kind < 2;
}

/* Who is displaced must have been there, of another client. */
static bool submit(struct task *task)
{
    struct job *displaced;
    const bool accepted =
        workers_submit(task->workers, &task->job, &displaced) == WORKERS_ACCEPT;

    if (displaced) {
        check(accepted, "a refused job took a place");
        check(displaced->client != task->job.client, "a client displaced itself");
        displaced->drop(displaced);
    }
    return accepted;
}

static void *submit_all(void *arg)
{
    struct client *client = arg;

    for (size_t i = 0; i < JOBS; i++) {
        struct task *task = &client->tasks[i];
        prepare(task, client);
        task->accepted = submit(task);
        if (task->may_end_early && draw(&client->seed, 2))
            atomic_store(&task->job.cancelled, true);
        if (draw(&client->seed, 3) == 0)
            usleep(draw(&client->seed, 400));
    }
    return NULL;
}

static void check_ended(const struct client *client)
{
    for (size_t i = 0; i < JOBS; i++) {
        const struct task *task = &client->tasks[i];
        check(task->ran + task->dropped == task->accepted,
              "a job did not end exactly once");
    }
}

static size_t round_of(unsigned seed)
{
    struct workers *workers = workers_new(WORKERS, CAPACITY);
    struct client *clients = calloc(CLIENTS, sizeof *clients);
    size_t accepted = 0;

    check(workers && clients, "no memory or threads");
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].workers = workers;
        clients[i].seed = seed * 31 + (unsigned)i;
        clients[i].number = i;
        check(!pthread_create(&clients[i].thread, NULL, submit_all, &clients[i]),
              "no thread");
    }
    for (int i = 0; i < 20; i++) {
        workers_sweep(workers);
        check(workers_load(workers).queued <= CAPACITY + WORKERS,
              "the queue overflowed");
        usleep(200);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    while (workers_load(workers).queued || workers_load(workers).busy)
        usleep(100);
    workers_free(workers);
    for (size_t i = 0; i < CLIENTS; i++) {
        check_ended(&clients[i]);
        for (size_t j = 0; j < JOBS; j++)
            accepted += clients[i].tasks[j].accepted;
    }
    free(clients);
    return accepted;
}

/* Stopping under load: what was accepted still ends, by run or drop. */
static void stop_in_the_middle(unsigned seed)
{
    struct workers *workers = workers_new(WORKERS, CAPACITY);
    struct client *client = calloc(1, sizeof *client);

    check(workers && client, "no memory or threads");
    client->workers = workers;
    client->seed = seed;
    for (size_t i = 0; i < JOBS; i++) {
        prepare(&client->tasks[i], client);
        client->tasks[i].may_end_early = true;
        client->tasks[i].accepted = submit(&client->tasks[i]);
    }
    workers_free(workers);
    check_ended(client);
    free(client);
}

static void full_is_refused_at_once(void)
{
    struct workers *workers = workers_new(1, 2);
    struct client *client = calloc(1, sizeof *client);
    size_t accepted = 0;

    check(workers && client, "no memory or threads");
    client->workers = workers;
    for (size_t i = 0; i < JOBS; i++) {
        struct task *task = &client->tasks[i];
        prepare(task, client);
        task->n = ITEMS;
        task->job.deadline = task->job.start_by = clock_ns() + clock_from_seconds(60);
        task->may_end_early = true;
        task->accepted = submit(task);
        accepted += task->accepted;
    }
    check(accepted >= 3 && accepted < JOBS, "a queue of 2 took all jobs, or none");
    workers_free(workers);
    check_ended(client);
    free(client);
}

/* A job that holds the only worker until it is let go, and notes when it was run. */
struct turn {
    struct job job;
    int order;
    bool dropped;
};
static atomic_bool gate;
static atomic_int served;

static void take_turn(struct job *job, size_t worker)
{
    (void)worker;
    while (!gate)
        usleep(100);
    ((struct turn *)job)->order = ++served;
}

static void lose_turn(struct job *job)
{
    ((struct turn *)job)->dropped = true;
}

static enum workers_answer queue_turn(struct workers *workers, struct turn *turn,
                                      uint64_t client)
{
    const int64_t late = clock_ns() + clock_from_seconds(60);
    struct job *displaced;

    turn->job = (struct job){.run = take_turn,
                             .drop = lose_turn,
                             .deadline = late,
                             .start_by = late,
                             .client = client};
    const enum workers_answer answer = workers_submit(workers, &turn->job, &displaced);
    if (displaced)
        displaced->drop(displaced);
    return answer;
}

/* One client has all places; another comes. */
static void clients_take_turns(void)
{
    struct workers *workers = workers_new(1, 4);
    struct turn hog[7] = {0}, guest[3] = {0};

    check(workers, "no memory or threads");
    check(queue_turn(workers, &hog[0], 1) == WORKERS_ACCEPT, "the first was refused");
    while (!workers_load(workers).busy)
        usleep(100);
    for (size_t i = 1; i < 5; i++)
        check(queue_turn(workers, &hog[i], 1) == WORKERS_ACCEPT,
              "who is alone may have all places");
    check(queue_turn(workers, &hog[5], 1) == WORKERS_FULL, "full for who is alone");
    for (size_t i = 0; i < 2; i++)
        check(queue_turn(workers, &guest[i], 2) == WORKERS_ACCEPT,
              "a guest found no place");
    check(hog[4].dropped && hog[3].dropped && !hog[2].dropped, "the wrong ones lost");
    check(queue_turn(workers, &hog[6], 1) == WORKERS_GREEDY, "the hog is told");
    check(queue_turn(workers, &guest[2], 2) == WORKERS_GREEDY, "so is a greedy guest");
    gate = true;
    while (workers_load(workers).queued || workers_load(workers).busy)
        usleep(100);
    check(guest[0].order == 2 && guest[1].order < hog[2].order, "turns were not taken");
    workers_free(workers);
}

int main(void)
{
    size_t accepted = 0;

    clients_take_turns();
    full_is_refused_at_once();
    for (unsigned i = 0; i < ROUNDS; i++) {
        accepted += round_of(i);
        stop_in_the_middle(i);
    }
    printf("stress_workers: %zu jobs in %d rounds\n", accepted, ROUNDS);
    return 0;
}
