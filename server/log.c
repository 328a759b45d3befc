/*
 * log.c - see log.h
 *
 * One mutex guards the ring. The writer copies a piece out under it and writes the
 * piece outside.
 */
#include "server/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RING_SIZE = 1 << 20, PIECE_SIZE = 1 << 14, LINE_SIZE = 4096 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    pthread_t writer;
    bool running, stopping;
    enum log_format format;
    enum log_level level;
    char ring[RING_SIZE];
    size_t head, used;
    atomic_uint_fast64_t lost;
} logger = {.lock = PTHREAD_MUTEX_INITIALIZER,
            .filled = PTHREAD_COND_INITIALIZER,
            .emptied = PTHREAD_COND_INITIALIZER,
            .level = LOG_INFO,
            .format = LOG_TEXT};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* A line under construction; what does not fit is cut. */
struct line {
    size_t n;
    char text[LINE_SIZE];
};

static void add(struct line *line, const char *format, ...) FORMATTED(2, 3);
static void add(struct line *line, const char *format, ...)
{
    const size_t room = sizeof line->text - line->n;
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(line->text + line->n, room, format, args);
    va_end(args);
    if (n > 0)
        line->n += (size_t)n < room ? (size_t)n : room - 1;
}

/* Printable ASCII as it is; the rest, quotes and backslashes as JSON escapes. A byte
 * above 0x7e is shown as the Latin-1 character of its number: what a client sent need
 * not be UTF-8, and a log line must be. */
static void add_escaped(struct line *line, const char *text)
{
    enum { SHOWN = 512 };

    for (size_t i = 0; text[i] && i < SHOWN; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            add(line, "\\%c", c);
        else if (c < 0x20 || c > 0x7e)
            add(line, "\\u%04x", c);
        else
            add(line, "%c", c);
    }
}

static void add_string(struct line *line, const char *name, const char *text)
{
    add(line, ",\"%s\":\"", name);
    add_escaped(line, text);
    add(line, "\"");
}

static void begin(struct line *line, enum log_level level)
{
    struct timespec now;
    struct tm utc;
    char date[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    line->n = 0;
    add(line,
        logger.format == LOG_JSON ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\""
                                  : "%s.%03ldZ %-5s",
        date, now.tv_nsec / 1000000, level_names[level]);
}

/* Waits for a reader, even of a pipe that does not block: half a line is none. */
static size_t write_all(const char *bytes, size_t n)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    size_t written = 0;

    while (written < n) {
        const ssize_t step = write(STDOUT_FILENO, bytes + written, n - written);
        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0 && errno == EAGAIN && (poll(&out, 1, -1) >= 0 || errno == EINTR))
            continue;
        if (step <= 0)
            break;
        written += (size_t)step;
    }
    return written;
}

static void count_lost(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        logger.lost += bytes[i] == '\n';
}

static void *write_until_stopped(void *arg)
{
    static char piece[PIECE_SIZE];

    (void)arg;
    pthread_mutex_lock(&logger.lock);
    while (logger.used || !logger.stopping) {
        if (!logger.used) {
            pthread_cond_broadcast(&logger.emptied);
            pthread_cond_wait(&logger.filled, &logger.lock);
            continue;
        }
        size_t n = logger.used < PIECE_SIZE ? logger.used : PIECE_SIZE;
        if (n > RING_SIZE - logger.head)
            n = RING_SIZE - logger.head;
        memcpy(piece, logger.ring + logger.head, n);
        pthread_mutex_unlock(&logger.lock);
        const size_t written = write_all(piece, n);
        count_lost(piece + written, n - written);
        pthread_mutex_lock(&logger.lock);
        logger.head = (logger.head + n) % RING_SIZE;
        logger.used -= n;
    }
    pthread_cond_broadcast(&logger.emptied);
    pthread_mutex_unlock(&logger.lock);
    return NULL;
}

/* Finish the line and hand it to the writer. */
static void submit(struct line *line)
{
    /* A line that was cut still ends as one. */
    if (line->n > sizeof line->text - 2)
        line->n = sizeof line->text - 2;
    line->text[line->n++] = '\n';

    pthread_mutex_lock(&logger.lock);
    const bool fits = logger.used + line->n <= RING_SIZE;
    if (!logger.running) {
        fwrite(line->text, 1, line->n, stderr);
    } else if (fits) {
        for (size_t i = 0; i < line->n; i++)
            logger.ring[(logger.head + logger.used + i) % RING_SIZE] = line->text[i];
        logger.used += line->n;
        pthread_cond_signal(&logger.filled);
    } else {
        logger.lost++;
    }
    pthread_mutex_unlock(&logger.lock);
}

static void add_request_json(struct line *line, const struct log_request *r)
{
    const struct metrics_request *m = r->metrics;

    add_string(line, "id", r->id);
    if (*r->trace)
        add_string(line, "traceparent", r->trace);
    add_string(line, "method", m->method);
    add_string(line, "path", r->path);
    add(line, ",\"status\":%d", m->status);
    add_string(line, "code", r->code);
    add(line, ",\"bytes_in\":%.0f,\"bytes_out\":%.0f,\"ms\":{", m->body_bytes,
        m->response_bytes);
#define ADD(id, name) add(line, "\"" name "\":%.3f,", m->step_ms[STEP_##id]);
    FOR_EACH_STEP(ADD)
#undef ADD
    add(line, "\"total\":%.3f}", m->seconds * 1e3);
    add_string(line, "peer", r->peer);
    add(line, "}");
}

static void add_request_text(struct line *line, const struct log_request *r)
{
    const struct metrics_request *m = r->metrics;

    add(line, " ");
    add_escaped(line, m->method);
    add(line, " ");
    add_escaped(line, r->path);
    add(line, " %d%s%s %.0f -> %.0f bytes, %.1f ms (queue %.1f, compute %.1f) %s %s",
        m->status, *r->code ? " " : "", r->code, m->body_bytes, m->response_bytes,
        m->seconds * 1e3, m->step_ms[STEP_QUEUE], m->step_ms[STEP_COMPUTE], r->peer,
        r->id);
}

bool log_start(enum log_format format, enum log_level level)
{
    logger.format = format;
    logger.level = level;
    logger.running = !pthread_create(&logger.writer, NULL, write_until_stopped, NULL);
    return logger.running;
}

void log_stop(void)
{
    struct timespec until;

    if (!logger.running)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_mutex_lock(&logger.lock);
    while (logger.used && !pthread_cond_clockwait(&logger.emptied, &logger.lock,
                                                  CLOCK_MONOTONIC, &until))
        ;
    /* A writer that hangs in a full pipe is left there: the process ends anyway. */
    const bool hangs = logger.used > 0;
    logger.stopping = true;
    logger.running = false;
    pthread_cond_signal(&logger.filled);
    pthread_mutex_unlock(&logger.lock);
    if (hangs)
        pthread_detach(logger.writer);
    else
        pthread_join(logger.writer, NULL);
}

void log_message(enum log_level level, const char *format, ...)
{
    struct line line;
    char text[1024];
    va_list args;

    if (level < logger.level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    begin(&line, level);
    if (logger.format == LOG_JSON) {
        add_string(&line, "message", text);
        add(&line, "}");
    } else {
        add(&line, " ");
        add_escaped(&line, text);
    }
    submit(&line);
}

/* Our own failures are errors, shed load is a warning. */
static enum log_level level_of(int status)
{
    if (status < 500)
        return LOG_INFO;
    return status == 503 ? LOG_WARN : LOG_ERROR;
}

void log_line(const struct log_request *request)
{
    const enum log_level level = level_of(request->metrics->status);
    struct line line;

    if (level < logger.level)
        return;
    begin(&line, level);
    if (logger.format == LOG_JSON)
        add_request_json(&line, request);
    else
        add_request_text(&line, request);
    submit(&line);
}

uint64_t log_lost(void)
{
    return logger.lost;
}
