/*
 * metrics.c - see metrics.h
 *
 * One mutex guards all numbers. While they are printed, which takes less than a
 * millisecond, nobody records.
 */
#include "server/metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/clock.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

enum { ROUTES_MAX = 64, TYPES_MAX = 64, STATUSES_MAX = 48, BUCKETS_MAX = 20 };

/* Upper bounds of buckets; the first 0 ends them. */
static const double second_bounds[BUCKETS_MAX] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
static const double layer_bounds[BUCKETS_MAX] = {
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005,
    0.01, 0.025,  0.05, 0.1,  0.25,   0.5,  1,     2.5,    10};
static const double byte_bounds[BUCKETS_MAX] = {1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
static const double pixel_bounds[BUCKETS_MAX] = {4096,    16384,   65536,    262144,
                                                 1048576, 4194304, 16777216, 67108864};

struct histogram {
    uint64_t counts[BUCKETS_MAX]; /* each its own; the last is above all bounds */
    double sum;
};

/* The last row of each list takes whatever is not in it. */
static const char *const methods[] = {"GET", "POST", "HEAD", "OPTIONS", "other"};
static const char *const step_names[] = {
#define NAME(id, name) name,
    FOR_EACH_STEP(NAME)
#undef NAME
};
static const char *const phase_names[] = {
#define NAME(id, name) name,
    FOR_EACH_PHASE(NAME)
#undef NAME
};

static struct {
    size_t n_routes, n_statuses;
    const char *routes[ROUTES_MAX]; /* static strings, in the order they were met */
    int statuses[STATUSES_MAX];
    uint64_t requests[ROUTES_MAX][COUNT_OF(methods)][STATUSES_MAX];
    struct histogram duration[ROUTES_MAX], step[STEPS], body, response, pixels;
    size_t n_types;
    const char *types[TYPES_MAX]; /* of layers; likewise */
    struct histogram layer[TYPES_MAX];
    uint64_t rejected[ERROR_COUNT], client_closed[CONNECTION_PHASES];
} metrics;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void observe(struct histogram *h, const double *bounds, double value)
{
    size_t i = 0;

    while (bounds[i] > 0 && value > bounds[i])
        i++;
    h->counts[i]++;
    h->sum += value;
}

/* Where the static string stands in a list; it is added if it is new. The last place
 * of a full list takes all others. */
static size_t place(const char **list, size_t *n, size_t max, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (!strcmp(list[i], name))
            return i;
    if (*n == max)
        return max - 1;
    list[*n] = name;
    return (*n)++;
}

static size_t method_index(const char *method)
{
    size_t i = 0;

    while (i < COUNT_OF(methods) - 1 && strcmp(methods[i], method))
        i++;
    return i;
}

static size_t status_index(int status)
{
    for (size_t i = 0; i < metrics.n_statuses; i++)
        if (metrics.statuses[i] == status)
            return i;
    if (metrics.n_statuses == STATUSES_MAX)
        return STATUSES_MAX - 1;
    metrics.statuses[metrics.n_statuses] = status;
    return metrics.n_statuses++;
}

void metrics_record(const struct metrics_request *r)
{
    pthread_mutex_lock(&lock);
    const size_t route = place(metrics.routes, &metrics.n_routes, ROUTES_MAX, r->route);

    metrics.requests[route][method_index(r->method)][status_index(r->status)]++;
    observe(&metrics.duration[route], second_bounds, r->seconds);
    for (size_t i = 0; i < STEPS; i++)
        if (r->step_ms[i] > 0)
            observe(&metrics.step[i], second_bounds, r->step_ms[i] / 1e3);
    if (r->body_bytes > 0)
        observe(&metrics.body, byte_bounds, r->body_bytes);
    if (r->pixels > 0)
        observe(&metrics.pixels, pixel_bounds, r->pixels);
    observe(&metrics.response, byte_bounds, r->response_bytes);
    pthread_mutex_unlock(&lock);
}

void metrics_layer(const char *type, double ms)
{
    pthread_mutex_lock(&lock);
    const size_t i = place(metrics.types, &metrics.n_types, TYPES_MAX, type);

    observe(&metrics.layer[i], layer_bounds, ms / 1e3);
    pthread_mutex_unlock(&lock);
}

void metrics_reject(enum error_code reason)
{
    pthread_mutex_lock(&lock);
    metrics.rejected[reason]++;
    pthread_mutex_unlock(&lock);
}

void metrics_client_closed(enum connection_phase phase)
{
    pthread_mutex_lock(&lock);
    metrics.client_closed[phase]++;
    pthread_mutex_unlock(&lock);
}

static void head(FILE *out, const char *name, const char *type, const char *what)
{
    fprintf(out, "# HELP %s %s.\n# TYPE %s %s\n", name, what, name, type);
}

static void number(FILE *out, const char *name, const char *type, const char *what,
                   double value)
{
    head(out, name, type, what);
    fprintf(out, "%s %.17g\n", name, value);
}

/* label is `route="/x"`, or "" for none. */
static void print_histogram(FILE *out, const char *name, const char *label,
                            const struct histogram *h, const double *bounds)
{
    const char *comma = *label ? "," : "";
    uint64_t total = 0;
    size_t i = 0;

    for (; bounds[i] > 0; i++) {
        total += h->counts[i];
        fprintf(out, "%s_bucket{%s%sle=\"%.6g\"} %lu\n", name, label, comma, bounds[i],
                total);
    }
    total += h->counts[i];
    fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %lu\n", name, label, comma, total);
    fprintf(out, *label ? "%s_sum{%s} %.9g\n" : "%s_sum%s %.9g\n", name, label, h->sum);
    fprintf(out, *label ? "%s_count{%s} %lu\n" : "%s_count%s %lu\n", name, label,
            total);
}

static void print_requests(FILE *out)
{
    head(out, "convscope_http_requests_total", "counter", "Requests that have ended");
    for (size_t r = 0; r < metrics.n_routes; r++)
        for (size_t m = 0; m < COUNT_OF(methods); m++)
            for (size_t s = 0; s < metrics.n_statuses; s++)
                if (metrics.requests[r][m][s])
                    fprintf(out,
                            "convscope_http_requests_total{route=\"%s\",method=\"%s\","
                            "code=\"%d\"} %lu\n",
                            metrics.routes[r], methods[m], metrics.statuses[s],
                            metrics.requests[r][m][s]);
}

static void print_durations(FILE *out)
{
    const struct {
        const char *name, *what, *label;
        const char *const *values;
        size_t n;
        const struct histogram *histograms;
        const double *bounds;
    } families[] = {
        {"convscope_http_request_duration_seconds",
         "From the request line to the last byte of the answer", "route",
         metrics.routes, metrics.n_routes, metrics.duration, second_bounds},
        {"convscope_phase_duration_seconds", "Parts of a request", "phase", step_names,
         STEPS, metrics.step, second_bounds},
        {"convscope_layer_duration_seconds", "Layers that were run", "type",
         metrics.types, metrics.n_types, metrics.layer, layer_bounds},
    };
    char label[128];

    for (size_t f = 0; f < COUNT_OF(families); f++) {
        head(out, families[f].name, "histogram", families[f].what);
        for (size_t i = 0; i < families[f].n; i++) {
            snprintf(label, sizeof label, "%s=\"%s\"", families[f].label,
                     families[f].values[i]);
            print_histogram(out, families[f].name, label, &families[f].histograms[i],
                            families[f].bounds);
        }
    }
}

static void print_sizes(FILE *out)
{
    const struct {
        const char *name, *what;
        const struct histogram *histogram;
        const double *bounds;
    } sizes[] = {
        {"convscope_request_body_bytes", "Bodies received", &metrics.body, byte_bounds},
        {"convscope_response_bytes", "Bodies sent", &metrics.response, byte_bounds},
        {"convscope_image_pixels", "Pixels of images", &metrics.pixels, pixel_bounds},
    };

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        head(out, sizes[i].name, "histogram", sizes[i].what);
        print_histogram(out, sizes[i].name, "", sizes[i].histogram, sizes[i].bounds);
    }
}

static void print_counts(FILE *out, const struct metrics_readings *readings)
{
    head(out, "convscope_rejected_total", "counter",
         "Requests that the server refused");
    for (int i = ERROR_NONE + 1; i < ERROR_COUNT; i++)
        if (metrics.rejected[i])
            fprintf(out, "convscope_rejected_total{reason=\"%s\"} %lu\n",
                    error_code_name((enum error_code)i), metrics.rejected[i]);

    head(out, "convscope_client_closed_total", "counter", "Clients that left early");
    for (size_t i = 0; i < CONNECTION_PHASES; i++)
        fprintf(out, "convscope_client_closed_total{phase=\"%s\"} %lu\n",
                phase_names[i], metrics.client_closed[i]);

    head(out, "convscope_connections_late_total", "counter",
         "Connections closed for a missed deadline");
    for (size_t i = 0; i < CONNECTION_PHASES; i++)
        fprintf(out, "convscope_connections_late_total{phase=\"%s\"} %.0f\n",
                phase_names[i], readings->late[i]);
}

static double open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    double n = -3; /* ".", ".." and the folder itself */

    if (!folder)
        return 0;
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* Fields 20, 22, 23 and 24 of /proc/self/stat: threads, start in ticks since boot,
 * virtual bytes, resident pages. */
static void read_stat(double *threads, double *start, double *size, double *resident)
{
    char line[1024] = "";
    FILE *file = fopen("/proc/self/stat", "re");
    const char *after_name;

    if (file) {
        line[fread(line, 1, sizeof line - 1, file)] = '\0';
        fclose(file);
    }
    after_name = strrchr(line, ')');
    if (after_name)
        sscanf(after_name,
               ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
               "%lf %*d %lf %lf %lf",
               threads, start, size, resident);
}

/* When the machine was started, in seconds of the wall clock. */
static double boot_time(void)
{
    struct timespec now, up;

    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    return (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void print_process(FILE *out)
{
    double threads = 0, start = 0, size = 0, resident = 0;
    struct rusage usage;
    struct rlimit files;

    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &files);
    read_stat(&threads, &start, &size, &resident);
    const struct {
        const char *name, *type, *what;
        double value;
    } rows[] = {
        {"process_cpu_seconds_total", "counter", "CPU time, user and system",
         seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime)},
        {"process_open_fds", "gauge", "Open file descriptors", open_descriptors()},
        {"process_max_fds", "gauge", "Most file descriptors", (double)files.rlim_cur},
        {"process_resident_memory_bytes", "gauge", "Resident memory",
         resident * (double)sysconf(_SC_PAGE_SIZE)},
        {"process_virtual_memory_bytes", "gauge", "Address space", size},
        {"process_threads", "gauge", "Threads", threads},
        {"process_start_time_seconds", "gauge", "Start, in seconds since 1970",
         boot_time() + start / (double)sysconf(_SC_CLK_TCK)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        number(out, rows[i].name, rows[i].type, rows[i].what, rows[i].value);
}

char *metrics_print(const struct metrics_readings *readings, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);

    if (!out)
        return NULL;
    pthread_mutex_lock(&lock);
    print_requests(out);
    print_durations(out);
    print_sizes(out);
    print_counts(out, readings);
    pthread_mutex_unlock(&lock);
#define PRINT(field, type, name, what) number(out, name, type, what, readings->field);
    FOR_EACH_READING(PRINT)
#undef PRINT
    head(out, "convscope_build_info", "gauge", "The build; always 1");
    fprintf(out,
            "convscope_build_info{version=\"" API_VERSION
            "\",commit=\"" CONVSCOPE_COMMIT "\",isa=\"%s\"} 1\n",
            readings->isa);
    print_process(out);
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}
