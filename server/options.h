/*
 * options.h - every setting, from the command line and the environment.
 *
 * One list, FOR_EACH_SETTING plus the limits of the engine, is read as flags
 * (--queue-size 8), as environment (CONVSCOPE_QUEUE_SIZE=8), and printed by --help and
 * --print-config. A flag wins over the environment.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "api/api.h"

enum log_format { LOG_JSON, LOG_TEXT };
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* X(field, NAME, type, default, least, greatest, choices, what). A default of "auto" is
 * computed in options_read. */
#define FOR_EACH_SETTING(X)                                                            \
    X(bind, BIND, TEXT, ":8080", 0, 0, NULL,                                           \
      "address and port to serve on; PORT is honoured too")                            \
    X(workers, WORKERS, COUNT, "auto", 1, 256, NULL,                                   \
      "threads that compute; auto: the CPUs this process may use")                     \
    X(queue_size, QUEUE_SIZE, COUNT, "auto", 1, 1e6, NULL,                             \
      "requests that may wait for a worker; auto: 4 x workers")                        \
    X(queue_timeout, QUEUE_TIMEOUT, SECONDS, "auto", 0.001, 86400, NULL,               \
      "waiting for a worker; auto: the request timeout")                               \
    X(max_connections, MAX_CONNECTIONS, COUNT, "1024", 16, 1e6, NULL,                  \
      "open connections, 8 of them kept for probes")                                   \
    X(max_inflight_memory, MAX_INFLIGHT_MEMORY, BYTES, "auto", 1048576, 1e15, NULL,    \
      "bytes of all bodies and replies; auto: what of 75 % of the memory is left by "  \
      "workers x max request memory and the weights cache")                            \
    X(weights_cache_bytes, WEIGHTS_CACHE_BYTES, BYTES, "auto", 0, 1e15, NULL,          \
      "bytes of weights, packed for computing, that are kept for requests with the "   \
      "same ones; 0: none; auto: an eighth of the memory, at most 512 MiB")            \
    X(request_timeout, REQUEST_TIMEOUT, SECONDS, "30", 0.001, 86400, NULL,             \
      "waiting and computing")                                                         \
    X(read_timeout, READ_TIMEOUT, SECONDS, "10", 0.1, 86400, NULL,                     \
      "headers, and a body beyond a second for each 64 KiB; likewise a reply")         \
    X(keepalive_timeout, KEEPALIVE_TIMEOUT, SECONDS, "75", 0.1, 86400, NULL,           \
      "idle connections")                                                              \
    X(shutdown_delay, SHUTDOWN_DELAY, SECONDS, "0", 0, 3600, NULL,                     \
      "from SIGTERM until no connection is accepted any more")                         \
    X(shutdown_timeout, SHUTDOWN_TIMEOUT, SECONDS, "auto", 0, 86400, NULL,             \
      "for running requests after that; auto: 2 x request timeout")                    \
    X(api_keys, API_KEYS, SECRET, "", 0, 0, NULL, "keys, separated by commas")         \
    X(api_keys_file, API_KEYS_FILE, TEXT, "", 0, 0, NULL,                              \
      "a file of keys, one a line")                                                    \
    X(cors_origins, CORS_ORIGINS, TEXT, "", 0, 0, NULL,                                \
      "origins of web pages that may call, separated by commas, or *")                 \
    X(png_level, PNG_LEVEL, COUNT, "auto", 0, 9, NULL,                                 \
      "compression of pictures, 0 (none) to 9")                                        \
    X(log_format, LOG_FORMAT, CHOICE, "auto", 0, 0, log_format_names,                  \
      "json or text; auto: text on a terminal")                                        \
    X(log_level, LOG_LEVEL, CHOICE, "info", 0, 0, log_level_names,                     \
      "debug, info, warn or error")                                                    \
    X(metrics_bind, METRICS_BIND, TEXT, "", 0, 0, NULL,                                \
      "address and port of /metrics and probes; then /metrics is nowhere else")        \
    X(path_prefix, PATH_PREFIX, TEXT, "", 0, 0, NULL, "of all paths, such as /vision") \
    X(ui, UI, CHOICE, "on", 0, 0, on_off_names, "the page at /: on or off")            \
    X(isa, ISA, TEXT, "auto", 0, 0, NULL, "instruction set; auto: the best of this CPU")

/* Numbers are double and choices int, whatever their unit. */
#define FIELD_TEXT    const char *
#define FIELD_SECRET  const char *
#define FIELD_COUNT   double
#define FIELD_BYTES   double
#define FIELD_SECONDS double
#define FIELD_CHOICE  int

struct options {
#define DECLARE(field, name, type, value, least, greatest, choices, what)              \
    FIELD_##type field;
    FOR_EACH_SETTING(DECLARE)
#undef DECLARE
    struct api_settings api;     /* the limits, the kernels, the PNG level */
    bool request_memory_lowered; /* below its default, to fit the machine */
    bool want_config, want_help, want_version, want_health;
};

/* Read the command line and the environment. On failure one line that says what is
 * wrong is in message. Unknown CONVSCOPE_ variables are not a failure: see below. */
bool options_read(struct options *options, int argc, char **argv, char *message,
                  size_t size) MUST_CHECK;

/* Calls report with one line for each CONVSCOPE_ variable that is no setting. */
void options_report_unknown(void (*report)(const char *line));

void options_print_help(FILE *out);
/* Every setting as it holds, and where it came from. */
void options_print_config(const struct options *options, FILE *out);

#endif
