/*
 * workers.c - see workers.h
 *
 * One mutex guards everything in struct workers and struct worker but the atomics,
 * and of a published loop its count of helpers. Jobs and parallel bodies run outside
 * it. Items of a loop are handed out by an atomic counter, so they need no lock.
 *
 * Fairness is start-time fair queueing with jobs of equal weight (Goyal, Vin and Cheng,
 * 1996): a job's turn is the one after its client's last job, but not before the turn
 * that is being served, and the queue is sorted by turn. Two clients whose numbers
 * share a place in the table of clients may forget each other's last job: then one is
 * served a turn too early.
 *
 * A loop is published only while somebody is idle: until then its owner pays one load
 * per item. It lives on the owner's stack, and the owner leaves only when it has
 * withdrawn the loop and no helper is left inside.
 *
 * To sleep and to be woken takes longer than many a loop. So while a job runs, who is
 * idle watches for its next loop a little while before it sleeps, and so does an owner
 * for its last helper. And Linux likes to wake a thread on the CPU of whoever woke it:
 * an owner that nobody helps yet makes way once, and a helper that finds itself on its
 * owner's CPU steps aside.
 */
#include "server/workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "server/clock.h"

struct loop {
    parallel_body *body;
    void *context;
    size_t n;
    atomic_size_t next;    /* item to be handed out */
    atomic_size_t helpers; /* written under the lock */
};

enum { CLIENTS_LOG = 10, WATCH_NS = 50000 };

/* When a client's next job has its turn. */
struct client {
    uint64_t client, next;
};

struct worker {
    struct workers *all;
    size_t index;
    pthread_t thread;
    struct parallel parallel;
    pthread_cond_t helped; /* the last helper left the loop */
    struct loop *loop;     /* published, */
    int cpu;               /* from here */
    struct job *job;       /* changes only while no helper can ask for it */
    uint64_t client;       /* of the job */
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job or a loop came, or stopping was set */
    struct job *head;    /* sorted by turn */
    uint64_t turn;       /* of the job that was taken last */
    double mean_s;       /* of recent jobs, */
    size_t measured;     /* this many */
    struct client clients[1 << CLIENTS_LOG];
    size_t capacity;
    size_t n, started, busy;
    atomic_size_t queued, idle; /* written under the lock */
    atomic_size_t published;    /* loops so far; written under the lock */
    atomic_bool stopping;       /* written under the lock */
    struct worker *workers;
};

static bool in_vain(const struct workers *w, const struct job *job)
{
    return atomic_load_explicit(&w->stopping, memory_order_relaxed) ||
           atomic_load_explicit(&job->cancelled, memory_order_relaxed) ||
           clock_ns() >= job->deadline;
}

static bool cancelled(void *self)
{
    const struct worker *me = self;

    return in_vain(me->all, me->job);
}

/* The next item of the loop, unless nothing is left to do. */
static bool take_item(struct worker *owner, struct loop *loop, size_t *i)
{
    if (cancelled(owner)) {
        atomic_store_explicit(&loop->next, loop->n, memory_order_relaxed);
        return false;
    }
    *i = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed);
    return *i < loop->n;
}

static size_t items_left(const struct loop *loop)
{
    const size_t next = atomic_load_explicit(&loop->next, memory_order_relaxed);

    return next < loop->n ? loop->n - next : 0;
}

static void publish(struct worker *me, struct loop *loop)
{
    struct workers *w = me->all;
    size_t wanted = items_left(loop);

    pthread_mutex_lock(&w->lock);
    me->loop = loop;
    me->cpu = sched_getcpu();
    w->published++;
    for (size_t idle = w->idle; idle && wanted; idle--, wanted--)
        pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void withdraw(struct worker *me, struct loop *loop)
{
    struct workers *w = me->all;

    pthread_mutex_lock(&w->lock);
    me->loop = NULL;
    pthread_mutex_unlock(&w->lock);
    for (const int64_t end = clock_ns() + WATCH_NS; loop->helpers && clock_ns() < end;)
        relax();
    pthread_mutex_lock(&w->lock);
    while (loop->helpers)
        pthread_cond_wait(&me->helped, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static void run_loop(void *self, size_t n, parallel_body *body, void *context)
{
    struct worker *me = self;
    struct loop loop = {.body = body, .context = context, .n = n};
    bool published = false, made_way = false;
    size_t i;

    while (take_item(me, &loop, &i)) {
        if (!published && items_left(&loop) > 0 &&
            atomic_load_explicit(&me->all->idle, memory_order_relaxed)) {
            publish(me, &loop);
            published = true;
        } else if (published && !made_way && !loop.helpers) {
            sched_yield();
            made_way = true;
        }
        body(context, i, 0);
    }
    if (published)
        withdraw(me, &loop);
}

/* Onto another CPU than this one, if there is any that may be used. */
static void step_aside(int cpu)
{
    cpu_set_t all, others;

    if (sched_getcpu() != cpu || sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    others = all;
    CPU_CLR((size_t)cpu, &others);
    if (sched_setaffinity(0, sizeof others, &others) == 0) /* moves at once */
        sched_setaffinity(0, sizeof all, &all);
}

/* Called, and returns, with the lock held. */
static void help(struct worker *me, struct worker *owner)
{
    struct workers *w = me->all;
    struct loop *loop = owner->loop;
    /* Slot 0 is the owner's, so those before it move up by one. */
    const size_t slot = me->index < owner->index ? me->index + 1 : me->index;
    const int cpu = owner->cpu;
    size_t i;

    loop->helpers++;
    pthread_mutex_unlock(&w->lock);
    step_aside(cpu);
    while (!atomic_load_explicit(&w->queued, memory_order_relaxed) &&
           take_item(owner, loop, &i))
        loop->body(loop->context, i, slot);
    pthread_mutex_lock(&w->lock);
    if (--loop->helpers == 0)
        pthread_cond_signal(&owner->helped);
}

/* The worker whose published loop has the fewest helpers; NULL if none needs any. */
static struct worker *find_loop(struct workers *w)
{
    struct worker *best = NULL;

    for (size_t i = 0; i < w->n; i++) {
        struct loop *loop = w->workers[i].loop;
        if (loop && items_left(loop) && (!best || loop->helpers < best->loop->helpers))
            best = &w->workers[i];
    }
    return best;
}

static struct job *take_job(struct workers *w)
{
    struct job *job = w->head;

    if (!job)
        return NULL;
    w->head = job->next;
    w->turn = job->turn;
    w->queued--;
    return job;
}

/* A moving mean over about the last ten jobs. */
static void note_time(struct workers *w, double seconds)
{
    enum { ABOUT = 10 };

    w->measured += w->measured < ABOUT;
    w->mean_s += (seconds - w->mean_s) / (double)w->measured;
}

/* Called, and returns, with the lock held. */
static void run_job(struct worker *me, struct job *job)
{
    struct workers *w = me->all;
    const int64_t start = clock_ns();
    const bool vain = in_vain(w, job) || start >= job->start_by;

    w->busy++;
    me->job = job;
    me->client = job->client;
    pthread_mutex_unlock(&w->lock);
    if (vain)
        job->drop(job);
    else
        job->run(job, me->index);
    pthread_mutex_lock(&w->lock);
    me->job = NULL;
    w->busy--;
    if (!vain)
        note_time(w, clock_ms(start, clock_ns()) / 1e3);
}

/* Whether a job or a loop came soon. Called, and returns, with the lock held. */
static bool watch(struct workers *w)
{
    const size_t published = w->published;
    const int64_t end = clock_ns() + WATCH_NS;

    if (!w->busy)
        return false;
    pthread_mutex_unlock(&w->lock);
    while (!w->queued && !w->stopping && w->published == published && clock_ns() < end)
        relax();
    pthread_mutex_lock(&w->lock);
    return w->queued || w->stopping || w->published != published;
}

static void *work_until_stopped(void *arg)
{
    struct worker *me = arg;
    struct workers *w = me->all;
    struct worker *owner;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct job *job = take_job(w);

        if (job) {
            run_job(me, job);
        } else if ((owner = find_loop(w))) {
            help(me, owner);
        } else if (w->stopping) {
            break;
        } else {
            w->idle++;
            if (!watch(w))
                pthread_cond_wait(&w->work, &w->lock);
            w->idle--;
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static bool start(struct workers *w, size_t index)
{
    struct worker *me = &w->workers[index];

    *me = (struct worker){.all = w, .index = index};
    me->parallel = (struct parallel){run_loop, cancelled, me, w->n};
    pthread_cond_init(&me->helped, NULL);
    return pthread_create(&me->thread, NULL, work_until_stopped, me) == 0;
}

struct workers *workers_new(size_t n, size_t capacity)
{
    struct workers *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    w->n = n;
    w->capacity = capacity;
    w->workers = calloc(n, sizeof *w->workers);
    if (!w->workers)
        goto fail;

    /* The first workers scan the whole array while the last ones are being made. */
    pthread_mutex_lock(&w->lock);
    while (w->started < n && start(w, w->started))
        w->started++;
    pthread_mutex_unlock(&w->lock);
    if (w->started == n)
        return w;

fail:
    workers_free(w);
    return NULL;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    workers_stop(w);
    for (size_t i = 0; i < w->started; i++) {
        pthread_join(w->workers[i].thread, NULL);
        pthread_cond_destroy(&w->workers[i].helped);
    }
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w->workers);
    free(w);
}

const struct parallel *workers_parallel(const struct workers *w, size_t worker)
{
    return &w->workers[worker].parallel;
}

/* A worker without a job is about to take one. */
static bool is_full(const struct workers *w)
{
    return w->queued >= w->capacity + (w->n - w->busy);
}

static struct client *find_client(struct workers *w, uint64_t client)
{
    const uint64_t hash = client * 0x9e3779b97f4a7c15u; /* Fibonacci hashing */

    return &w->clients[hash >> (64 - CLIENTS_LOG)];
}

static uint64_t find_turn(struct workers *w, uint64_t client)
{
    const struct client *known = find_client(w, client);

    return known->client == client && known->next > w->turn ? known->next : w->turn;
}

/* Its client has jobs here, and so has another. */
static bool is_greedy(const struct workers *w, uint64_t client)
{
    size_t own = 0, others = 0;

    for (size_t i = 0; i < w->n; i++)
        if (w->workers[i].job)
            ++*(w->workers[i].client == client ? &own : &others);
    for (const struct job *job = w->head; job; job = job->next)
        ++*(job->client == client ? &own : &others);
    return own && others;
}

/* After all that have the same turn or an earlier one. */
static void insert(struct workers *w, struct job *job)
{
    struct job **at = &w->head;

    while (*at && (*at)->turn <= job->turn)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    w->queued++;
    *find_client(w, job->client) = (struct client){job->client, job->turn + 1};
}

/* The last job leaves the queue if its turn comes after the given one. */
static struct job *displace(struct workers *w, uint64_t turn)
{
    struct job **at = &w->head;

    if (!*at)
        return NULL;
    while ((*at)->next)
        at = &(*at)->next;
    struct job *last = *at;
    if (last->turn <= turn)
        return NULL;
    *at = NULL;
    w->queued--;
    if (find_client(w, last->client)->client == last->client)
        find_client(w, last->client)->next = last->turn;
    return last;
}

enum workers_answer workers_submit(struct workers *w, struct job *job,
                                   struct job **displaced)
{
    enum workers_answer answer = WORKERS_ACCEPT;

    *displaced = NULL;
    pthread_mutex_lock(&w->lock);
    job->turn = find_turn(w, job->client);
    if (w->stopping)
        answer = WORKERS_STOPPING;
    else if (is_full(w) && !(*displaced = displace(w, job->turn)))
        answer = is_greedy(w, job->client) ? WORKERS_GREEDY : WORKERS_FULL;
    if (answer == WORKERS_ACCEPT) {
        insert(w, job);
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    return answer;
}

void workers_sweep(struct workers *w)
{
    struct job *dropped = NULL, **at = &w->head;
    const int64_t now = clock_ns();

    pthread_mutex_lock(&w->lock);
    while (*at) {
        struct job *job = *at;
        if (in_vain(w, job) || now >= job->start_by) {
            *at = job->next;
            job->next = dropped;
            dropped = job;
            w->queued--;
        } else {
            at = &job->next;
        }
    }
    pthread_mutex_unlock(&w->lock);

    while (dropped) {
        struct job *job = dropped;
        dropped = job->next;
        job->drop(job);
    }
}

void workers_stop(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
}

bool workers_stopping(const struct workers *w)
{
    return w->stopping;
}

struct workers_load workers_load(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    const double jobs = (double)(w->busy + w->queued);
    const struct workers_load load = {w->n, w->busy, w->queued, w->capacity,
                                      jobs * w->mean_s / (double)w->n};
    pthread_mutex_unlock(&w->lock);
    return load;
}
