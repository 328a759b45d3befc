/*
 * exchange.c - see exchange.h
 *
 * Suspending and resuming. The I/O thread submits the job and suspends the connection
 * under the exchange's lock; a worker that is done takes the same lock before it
 * resumes. So it never resumes a connection that is not suspended yet, and resumes it
 * exactly once. Resuming is the only call into libmicrohttpd that a worker makes.
 */
#include "server/exchange.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/clock.h"

enum {
    MAX_RETRY_AFTER = 60, /* seconds */
    SMALL_REPLY = 16384   /* bytes: it counts as part of its connection */
};

/* Unique in this process by its counter, and elsewhere by the random start. */
static void make_id(char id[ID_MAX + 1])
{
    static uint64_t start, count; /* the I/O thread's */

    if (!start && getrandom(&start, sizeof start, 0) != sizeof start)
        start = (uint64_t)clock_ns();
    snprintf(id, ID_MAX + 1, "%016lx%08lx", start, (unsigned long)++count);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; what is no escape stays. */
static void percent_decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from; to++) {
        const int high = *from == '%' ? hex_digit(from[1]) : -1;
        const int low = high >= 0 ? hex_digit(from[2]) : -1;
        *to = low >= 0 ? (char)(high * 16 + low) : *from;
        from += low >= 0 ? 3 : 1;
    }
    *to = '\0';
}

/* "http://host/path" is served like "/path". */
static char *skip_authority(char *target)
{
    static char root[] = "/";
    char *path;

    if (strncasecmp(target, "http://", 7) && strncasecmp(target, "https://", 8))
        return target;
    path = strchr(strstr(target, "//") + 2, '/');
    return path ? path : root;
}

static void find_path(struct exchange *x)
{
    const char *prefix = x->server->options->path_prefix;
    const size_t n = strlen(prefix);

    x->path = skip_authority(x->decoded);
    if (n && !strncmp(x->path, prefix, n) && (x->path[n] == '/' || !x->path[n])) {
        x->path[n - 1] = '/'; /* for "/prefix" alone */
        x->path += x->path[n] ? n : n - 1;
    }
    percent_decode(x->path);
}

struct exchange *exchange_new(struct server *server, struct connection *connection,
                              struct MHD_Connection *mhd, const char *target)
{
    struct exchange *x = calloc(1, sizeof *x);
    const size_t before_query = strcspn(target, "?");

    if (!x)
        return NULL;
    x->target = strdup(target);
    x->decoded = strndup(target, before_query);
    if (!x->target || !x->decoded) {
        free(x->target);
        free(x->decoded);
        free(x);
        return NULL;
    }
    x->query = x->target + before_query + (target[before_query] == '?');
    pthread_mutex_init(&x->lock, NULL);
    x->references = 1;
    x->server = server;
    x->connection = connection;
    x->client = connection_client(connection);
    x->mhd = mhd;
    x->began = clock_ns();
    x->route = "other";
    /* An SVG of ours holds its pictures as data. */
    x->policy = "default-src 'none'; img-src data:; sandbox";
    make_id(x->id);
    server->started++;
    find_path(x);
    return x;
}

void exchange_release(struct exchange *x)
{
    if (atomic_fetch_sub(&x->references, 1) > 1)
        return;
    exchange_drop_body(x);
    api_reply_release(&x->reply);
    budget_give(&x->server->budget, x->client, x->held);
    pthread_mutex_destroy(&x->lock);
    free(x->target);
    free(x->decoded);
    free(x->joined[0]);
    free(x->joined[1]);
    x->server->freed++;
    free(x);
}

const char *exchange_header(const struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, name);
}

/* Lines of one name are one list (RFC 9110, section 5.2). */
struct lines {
    const char *name, *first;
    FILE *joined; /* open from the second line on */
    char *text;
    size_t size;
};

static enum MHD_Result join(void *context, enum MHD_ValueKind kind, const char *name,
                            const char *value)
{
    struct lines *lines = context;

    (void)kind;
    if (strcasecmp(name, lines->name) || !value)
        return MHD_YES;
    if (!lines->first) {
        lines->first = value;
        return MHD_YES;
    }
    if (!lines->joined) {
        lines->joined = open_memstream(&lines->text, &lines->size);
        if (!lines->joined)
            return MHD_NO;
        fputs(lines->first, lines->joined);
    }
    fprintf(lines->joined, ", %s", value);
    return MHD_YES;
}

/* The value of all lines of that name; NULL if there is none. What has to be made for
 * it is *owned. */
static const char *read_list(const struct exchange *x, const char *name, char **owned)
{
    struct lines lines = {.name = name};

    MHD_get_connection_values(x->mhd, MHD_HEADER_KIND, join, &lines);
    if (!lines.joined)
        return lines.first;
    fclose(lines.joined);
    *owned = lines.text;
    return lines.text ? lines.text : lines.first;
}

void exchange_read_head(struct exchange *x, const char *method)
{
    const char *id = exchange_header(x, "X-Request-Id");
    const char *trace = exchange_header(x, "traceparent");

    snprintf(x->method, sizeof x->method, "%s", method);
    if (screen_id(id))
        snprintf(x->id, sizeof x->id, "%s", id);
    if (screen_trace(trace))
        snprintf(x->trace, sizeof x->trace, "%s", trace);
    x->origin = access_origin(x->server->access, exchange_header(x, "Origin"));
    x->content_type = exchange_header(x, "Content-Type");
    x->accept = read_list(x, "Accept", &x->joined[0]);
    x->if_none_match = read_list(x, "If-None-Match", &x->joined[1]);
}

/* Seconds until what is there now will be worked off, so that those who were refused do
 * not come back all at once to find it still there. */
static int backlog(const struct exchange *x)
{
    const double seconds = ceil(workers_load(x->server->workers).backlog_s);

    return (int)fmax(1, fmin(seconds, MAX_RETRY_AFTER));
}

static int retry_after(const struct exchange *x, enum error_code code)
{
    switch (code) {
    case ERROR_QUEUE_FULL:
    case ERROR_CLIENT_BUSY:
    case ERROR_MEMORY_PRESSURE:
    case ERROR_DEADLINE_EXCEEDED:
        return backlog(x);
    case ERROR_TOO_MANY_CONNECTIONS:
        return 1;
    case ERROR_DRAINING:
        return 5;
    default:
        return 0;
    }
}

void exchange_fail(struct exchange *x, const struct error *err)
{
    const struct api_reply before = x->reply;

    api_reply_release(&x->reply);
    api_problem(err, x->id, &x->reply);
    x->reply.ms = before.ms;
    x->reply.pixels = before.pixels;
    x->refused = true;
}

void exchange_refuse(struct exchange *x, enum error_code code, const char *format, ...)
{
    char detail[ERROR_DETAIL_SIZE];
    struct error err;
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    error_init(&err);
    error_set(&err, code, "%s", detail);
    err.retry_after = retry_after(x, code);
    exchange_fail(x, &err);
}

/* True if the budget grants it; else a refusal is set. */
static bool is_granted(struct exchange *x, enum budget_answer answer)
{
    if (answer == BUDGET_SPENT)
        exchange_refuse(x, ERROR_MEMORY_PRESSURE,
                        "the memory for requests in flight is spent; try again");
    else if (answer == BUDGET_GREEDY)
        exchange_refuse(x, ERROR_CLIENT_BUSY,
                        "this client's share of the memory for requests in flight is "
                        "spent");
    return answer == BUDGET_GRANTED;
}

/* Whether any reply at all would find room; else a refusal is set. */
static bool has_room(struct exchange *x)
{
    return is_granted(x, budget_ask(&x->server->budget, x->client, x->held));
}

bool exchange_hold(struct exchange *x, size_t bytes)
{
    if (!is_granted(x, budget_take(&x->server->budget, x->client, x->held, bytes)))
        return false;
    x->held += bytes;
    return true;
}

void exchange_hold_reply(struct exchange *x)
{
    const size_t size = x->reply.body_size;

    if (size > SMALL_REPLY)
        x->refused |= !exchange_hold(x, size);
}

void exchange_drop_body(struct exchange *x)
{
    free(x->body);
    budget_give(&x->server->budget, x->client, x->body_capacity);
    x->held -= x->body_capacity;
    x->body = NULL;
    x->body_size = x->body_capacity = 0;
}

/* Working for too long is the request's own doing; waiting is the load's, so then it
 * is worth trying again. */
static void fail_late(struct exchange *x)
{
    const struct options *options = x->server->options;
    const int64_t now = clock_ns();
    const double queued = clock_ms(x->complete, x->run ? x->run : now) / 1e3;
    const double computed = clock_ms(x->run, now) / 1e3;
    struct error err;

    error_init(&err);
    error_set(&err, ERROR_DEADLINE_EXCEEDED,
              "the request was still %s after %.3g s (%.3g s queued, %.3g s computing)",
              x->run ? "computing" : "queued", queued + computed, queued, computed);
    if (!x->run)
        err.retry_after = retry_after(x, ERROR_DEADLINE_EXCEEDED);
    if (!x->run && options->queue_timeout < options->request_timeout)
        error_limit(&err, "queue_timeout", "CONVSCOPE_QUEUE_TIMEOUT",
                    options->queue_timeout, queued);
    else
        error_limit(&err, "request_timeout", "CONVSCOPE_REQUEST_TIMEOUT",
                    options->request_timeout, queued + computed);
    exchange_fail(x, &err);
}

static void refuse_greedy(struct exchange *x)
{
    exchange_refuse(
        x, ERROR_CLIENT_BUSY,
        "the queue is full, and more than its share of it is this client's");
}

/* Memory ran out under a job, which is the load's doing: it may try again. */
static void refuse_exhausted(struct exchange *x)
{
    api_reply_header(&x->reply, "Retry-After", "%d",
                     retry_after(x, ERROR_MEMORY_PRESSURE));
    x->refused = true;
}

/* The job ended early; tell why. */
static void fail_unfinished(struct exchange *x)
{
    if (x->job.cancelled)
        exchange_refuse(x, ERROR_CLIENT_CLOSED, "the client closed the connection");
    else if (workers_stopping(x->server->workers))
        exchange_refuse(x, ERROR_DRAINING, "the server is shutting down");
    else if (x->displaced)
        refuse_greedy(x);
    else
        fail_late(x);
}

/* The worker's last act: the exchange is the I/O thread's again. */
static void finish(struct exchange *x)
{
    exchange_drop_body(x);
    exchange_hold_reply(x);

    x->done = clock_ns();
    pthread_mutex_lock(&x->lock);
    if (x->suspended) {
        x->suspended = false;
        MHD_resume_connection(x->mhd);
    }
    pthread_mutex_unlock(&x->lock);
    exchange_release(x);
}

static void run(struct job *job, size_t worker)
{
    struct exchange *x = (struct exchange *)job;

    if (!has_room(x)) {
        finish(x);
        return;
    }
    x->run = clock_ns();
    const struct api_request request = {
        .id = x->id,
        .method = x->method,
        .path = x->path,
        .query = x->query,
        .content_type = x->content_type,
        .accept = x->accept,
        .if_none_match = x->if_none_match,
        .body = x->body,
        .body_size = x->body_size,
        .queue_ms = clock_ms(x->complete, x->run),
    };
    api_call(x->server->sessions[worker], &request, &x->reply);
    if (x->reply.error == ERROR_CLIENT_CLOSED)
        fail_unfinished(x);
    else if (x->reply.error == ERROR_MEMORY_PRESSURE)
        refuse_exhausted(x);
    finish(x);
}

static void drop(struct job *job)
{
    struct exchange *x = (struct exchange *)job;

    fail_unfinished(x);
    finish(x);
}

static void refuse_job(struct exchange *x, enum workers_answer answer)
{
    if (answer == WORKERS_STOPPING)
        exchange_refuse(x, ERROR_DRAINING, "the server is shutting down");
    else if (answer == WORKERS_GREEDY)
        refuse_greedy(x);
    else
        exchange_refuse(x, ERROR_QUEUE_FULL,
                        "all workers are busy and the queue is full; try again");
}

static void prepare_job(struct exchange *x)
{
    const struct options *options = x->server->options;
    struct job *job = &x->job;

    job->run = run;
    job->drop = drop;
    job->client = x->client;
    job->deadline = x->complete + clock_from_seconds(options->request_timeout);
    job->start_by = x->complete + clock_from_seconds(options->queue_timeout);
}

bool exchange_submit(struct exchange *x)
{
    struct job *displaced;

    if (!has_room(x)) {
        exchange_drop_body(x);
        return false;
    }
    x->stage = EXCHANGE_WORK;
    prepare_job(x);
    x->references++;
    connection_enter(x->connection, CONNECTION_WORK, 0);
    connection_watch(x->connection, &x->job.cancelled);

    pthread_mutex_lock(&x->lock);
    const enum workers_answer answer =
        workers_submit(x->server->workers, &x->job, &displaced);
    x->suspended = answer == WORKERS_ACCEPT;
    if (x->suspended)
        MHD_suspend_connection(x->mhd);
    pthread_mutex_unlock(&x->lock);
    if (displaced) {
        ((struct exchange *)displaced)->displaced = true;
        drop(displaced);
    }
    if (answer == WORKERS_ACCEPT)
        return true;

    connection_unwatch(x->connection);
    exchange_release(x);
    exchange_drop_body(x);
    refuse_job(x, answer);
    return false;
}
