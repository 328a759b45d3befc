/* main.c - start, serve until told to stop, drain, exit. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/address.h"
#include "server/clock.h"
#include "server/health.h"
#include "server/http.h"
#include "server/log.h"

enum { OK, FAILED, MISUSED }; /* exit statuses */

/* When patience with requests has ended: for computations to heed that, for their
 * answers to leave, for connections to close. */
enum { HEED_MS = 2000, LEAVE_MS = 1000, CLOSE_MS = 1000 };

static int fail(int status, const char *message)
{
    fprintf(stderr, "convscope: %s\n", message);
    return status;
}

static void warn(const char *line)
{
    log_message(LOG_WARN, "%s", line);
}

/* Signals are waited for, never handled. */
static void block_signals(sigset_t *ending)
{
    sigset_t all;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
    sigaddset(ending, SIGINT);
    all = *ending;
    sigaddset(&all, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void reload(struct access *access)
{
    char message[512];
    size_t n;

    if (access_reload(access, &n, message, sizeof message))
        log_message(LOG_INFO, "hangup: %zu API keys are read", n);
    else
        log_message(LOG_ERROR, "hangup: %s; the %zu keys from before stay", message, n);
}

/* Serve until a signal ends it; which one. SIGHUP reads the keys anew, but where there
 * is a terminal to hang up and no file of keys it is an end like others. */
static int await_end(const sigset_t *ending, const struct options *options,
                     struct access *access)
{
    const bool hangs_up = isatty(STDOUT_FILENO) && !*options->api_keys_file;
    sigset_t awaited = *ending;
    int number;

    sigaddset(&awaited, SIGHUP);
    while (sigwait(&awaited, &number) == 0 && number == SIGHUP && !hangs_up)
        reload(access);
    return number;
}

/* Wait, but leave the process at once if a second signal comes. */
static void wait_or_leave(const sigset_t *ending, double seconds)
{
    const struct timespec time = {(time_t)seconds,
                                  (long)((seconds - (double)(time_t)seconds) * 1e9)};

    if (sigtimedwait(ending, NULL, &time) < 0)
        return;
    log_message(LOG_WARN, "a second signal: leaving at once, %s",
                "requests are cut off");
    log_stop();
    _exit(FAILED);
}

/* Wait until none are left, or patience ends. */
static void await(const struct http *http, size_t (*left)(const struct http *http),
                  double seconds, const sigset_t *ending)
{
    const int64_t patience = clock_ns() + clock_from_seconds(seconds);

    while (left(http) && clock_ns() < patience)
        wait_or_leave(ending, 0.01);
}

static void end_requests(struct http *http, const sigset_t *ending)
{
    if (http_inflight(http))
        log_message(LOG_WARN, "%zu requests did not end in time", http_inflight(http));
    http_cancel(http);
    await(http, http_computing, HEED_MS / 1e3, ending);
    if (http_computing(http))
        return;
    await(http, http_inflight, LEAVE_MS / 1e3, ending);
    http_cut(http);
    await(http, http_inflight, CLOSE_MS / 1e3, ending);
}

static int drain(struct http *http, const struct options *options,
                 const sigset_t *ending)
{
    size_t requests;

    http_drain(http);
    wait_or_leave(ending, options->shutdown_delay);
    http_stop_accepting(http);
    await(http, http_inflight, options->shutdown_timeout, ending);
    end_requests(http, ending);
    if (http_stop(http, &requests)) {
        log_message(LOG_INFO, "stopped after %zu requests", requests);
        log_stop();
        return OK;
    }
    log_message(LOG_ERROR, "a computation does not end; leaving without it");
    log_stop();
    _exit(FAILED);
}

/* For a person who just started it: where the page is, and what to type. */
static void greet(const struct options *options, const char *url)
{
    const bool wanted = options->log_format == LOG_TEXT || isatty(STDERR_FILENO);
    const char *prefix = options->path_prefix;

    if (!wanted)
        return;
    fprintf(stderr, "\n  convscope %s\n", API_VERSION);
    if (options->ui)
        fprintf(stderr, "  open  %s%s/\n", url, prefix);
    fprintf(
        stderr,
        "  try   curl '%s%s/extract?input=circle&r_shrink=3&format=png' -o out.png\n"
        "  or    curl -F image=@picture.png %s%s/extract\n\n",
        url, prefix, url, prefix);
}

static int serve(const struct options *options, struct access *access,
                 const sigset_t *ending)
{
    char message[512], url[ADDRESS_SIZE];
    const int listening = address_listen(options->bind, message, sizeof message);
    int monitoring = -1;
    struct http *http;

    if (listening < 0)
        return fail(FAILED, message);
    if (*options->metrics_bind) {
        monitoring = address_listen(options->metrics_bind, message, sizeof message);
        if (monitoring < 0)
            return fail(FAILED, message);
    }
    address_url(listening, url);
    if (!log_start((enum log_format)options->log_format,
                   (enum log_level)options->log_level))
        return fail(FAILED, "cannot start the thread that writes the log");
    http = http_start(options, access, listening, monitoring, message, sizeof message);
    if (!http) {
        log_stop();
        return fail(FAILED, message);
    }
    log_message(LOG_INFO, "listening on %s with %g workers, %s", url, options->workers,
                options->api.kernels->name);
    if (options->request_memory_lowered)
        log_message(LOG_INFO,
                    "the memory fits %g workers if a request takes %.0f bytes at most "
                    "(CONVSCOPE_MAX_REQUEST_MEMORY)",
                    options->workers, options->api.limits.max_request_memory);
    greet(options, url);
    const int ended_by = await_end(ending, options, access);
    log_message(LOG_INFO, "%s: shutting down", strsignal(ended_by));
    return drain(http, options, ending);
}

/* Descriptors 0 to 2 must be open: else a socket would get such a number, and the log
 * would be written into it. */
static void open_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct options options;
    struct access *access;
    char message[512];
    sigset_t ending;

    open_standard_streams();
    mallopt(M_ARENA_MAX, 1); /* of several malloc_trim leaves the tops */
    const bool valid = options_read(&options, argc, argv, message, sizeof message);
    if (options.want_help)
        return options_print_help(stdout), OK;
    if (options.want_version)
        return puts("convscope " API_VERSION), OK;
    if (!valid)
        return fail(MISUSED, message);
    options_report_unknown(warn);
    if (options.want_config)
        return options_print_config(&options, stdout), OK;
    if (options.want_health)
        return health_check(&options);

    access = access_new(&options, message, sizeof message);
    if (!access)
        return fail(MISUSED, message);
    block_signals(&ending);
    const int status = serve(&options, access, &ending);
    access_free(access);
    return status;
}
