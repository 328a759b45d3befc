/*
 * options.c - see options.h
 *
 * A setting is kept as text, with its source, until all sources have been seen; then
 * the text that won is parsed, whatever it came from.
 */
#include "server/options.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/machine.h"

#define PREFIX "CONVSCOPE_"

enum { PREFIX_LENGTH = sizeof PREFIX - 1, LIMITS_MAX = 64, NAME_SIZE = 64 };
enum type { TEXT, SECRET, COUNT, BYTES, SECONDS, CHOICE };
enum source { DEFAULT, COMPUTED, ENVIRONMENT, FLAG };

static const char *const source_names[] = {"default", "computed", "environment",
                                           "flag"};
static const char *const log_format_names[] = {"json", "text", NULL};
static const char *const log_level_names[] = {"debug", "info", "warn", "error", NULL};
static const char *const on_off_names[] = {"off", "on", NULL};

struct setting {
    const char *name; /* QUEUE_SIZE */
    enum type type;
    size_t offset; /* in struct options */
    const char *initial;
    double least, greatest;
    const char *const *choices;
    const char *what;

    const char *value; /* NULL: the initial one */
    enum source source;
    char printed[32]; /* an initial value that was a number */
};

enum setting_id {
#define ENUMERATE(field, name, type, value, least, greatest, choices, what) SET_##name,
    FOR_EACH_SETTING(ENUMERATE)
#undef ENUMERATE
        FIRST_LIMIT
};

static struct setting settings[FIRST_LIMIT + LIMITS_MAX] = {
#define ROW(field, name, type, value, least, greatest, choices, what)                  \
    {#name,   type,  offsetof(struct options, field),                                  \
     value,   least, greatest,                                                         \
     choices, what,  NULL,                                                             \
     DEFAULT, ""},
    FOR_EACH_SETTING(ROW)
#undef ROW
};
static size_t n_settings;

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);

    return n >= m && !strcmp(text + n - m, end);
}

/* The engine's limits become settings under their own names. */
static void add_limits(void)
{
    const struct limit_row *row;

    n_settings = FIRST_LIMIT;
    for (size_t i = 0; i < LIMITS_MAX && (row = limits_row(i)); i++) {
        struct setting *s = &settings[n_settings++];
        const char *name = row->env + PREFIX_LENGTH;
        const bool bytes = ends_with(name, "_BYTES") || ends_with(name, "_MEMORY");
        const size_t offset = offsetof(struct options, api.limits) + row->offset;

        *s = (struct setting){.name = name,
                              .type = bytes ? BYTES : COUNT,
                              .offset = offset,
                              .initial = s->printed,
                              .least = 1,
                              .greatest = 1e15,
                              .what = row->what};
        snprintf(s->printed, sizeof s->printed, "%.0f",
                 *(const double *)((const char *)&limits_default + row->offset));
    }
}

/* "--queue-size" for QUEUE_SIZE */
static void print_flag(char flag[NAME_SIZE], const struct setting *s)
{
    int n = snprintf(flag, NAME_SIZE, "--%s", s->name);

    for (int i = 2; i < n && i < NAME_SIZE - 1; i++)
        flag[i] = s->name[i - 2] == '_' ? '-' : (char)tolower(s->name[i - 2]);
}

/* The setting that a flag's first n bytes name, or NULL. */
static struct setting *find_flag(const char *arg, size_t n)
{
    char flag[NAME_SIZE];

    for (size_t i = 0; i < n_settings; i++) {
        print_flag(flag, &settings[i]);
        if (strlen(flag) == n && !strncmp(flag, arg, n))
            return &settings[i];
    }
    return NULL;
}

static size_t least_of(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Letters to insert, delete or replace, case aside. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_SIZE], n = strnlen(b, NAME_SIZE - 1);

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= strnlen(a, NAME_SIZE - 1); i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const bool same = toupper((unsigned char)a[i - 1]) == b[j - 1];
            const size_t changed = diagonal + !same;
            diagonal = row[j];
            row[j] = least_of(row[j] + 1, row[j - 1] + 1, changed);
        }
    }
    return row[n];
}

static const struct setting *nearest(const char *name)
{
    const struct setting *best = &settings[0];

    for (size_t i = 1; i < n_settings; i++)
        if (distance(name, settings[i].name) < distance(name, best->name))
            best = &settings[i];
    return best;
}

static bool unknown_flag(const char *arg, size_t n, char *message, size_t size)
{
    char name[NAME_SIZE] = "", flag[NAME_SIZE];

    for (size_t i = 2; i < n && i < NAME_SIZE; i++)
        name[i - 2] = arg[i] == '-' ? '_' : arg[i];
    print_flag(flag, nearest(name));
    snprintf(message, size, "unknown argument %.*s; did you mean %s? (see --help)",
             (int)n, arg, flag);
    return false;
}

/* Whether an empty value would leave the server open to all, unintended. */
static bool guards(const struct setting *s)
{
    return s == &settings[SET_API_KEYS] || s == &settings[SET_API_KEYS_FILE];
}

static bool read_environment(char *message, size_t size)
{
    static char bind_to_port[16];
    const char *port = getenv("PORT");
    char name[NAME_SIZE];

    if (port && *port) {
        snprintf(bind_to_port, sizeof bind_to_port, ":%s", port);
        settings[SET_BIND].value = bind_to_port;
        settings[SET_BIND].source = ENVIRONMENT;
    }
    for (size_t i = 0; i < n_settings; i++) {
        snprintf(name, sizeof name, PREFIX "%s", settings[i].name);
        const char *value = getenv(name);
        if (value && !*value && guards(&settings[i])) {
            snprintf(message, size, "%s is set but empty: it needs a value", name);
            return false;
        }
        if (value && *value) {
            settings[i].value = value;
            settings[i].source = ENVIRONMENT;
        }
    }
    return true;
}

static bool read_word(struct options *options, const char *arg)
{
    const struct {
        const char *word;
        bool *wanted;
    } words[] = {
        {"--print-config", &options->want_config},
        {"--help", &options->want_help},
        {"-h", &options->want_help},
        {"--version", &options->want_version},
        {"health", &options->want_health},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(arg, words[i].word))
            return *words[i].wanted = true;
    return false;
}

static bool read_flags(struct options *options, int argc, char **argv, char *message,
                       size_t size)
{
    for (int i = 1; i < argc; i++) {
        const size_t n = strcspn(argv[i], "=");

        if (read_word(options, argv[i]))
            continue;
        struct setting *s = find_flag(argv[i], n);
        if (!s)
            return unknown_flag(argv[i], n, message, size);
        const char *flag = argv[i];
        s->value = flag[n] ? flag + n + 1 : argv[++i];
        s->source = FLAG;
        if (!s->value || (!*s->value && guards(s))) {
            snprintf(message, size, "%.*s needs a value", (int)n, flag);
            return false;
        }
    }
    return true;
}

/* What a suffix multiplies by; 0 for one that the type does not know. */
static double unit_of(enum type type, const char *suffix)
{
    static const struct {
        enum type type;
        const char *suffix;
        double unit;
    } units[] = {
        {BYTES, "k", 1024},     {BYTES, "kib", 1024},     {BYTES, "m", MIB},
        {BYTES, "mib", MIB},    {BYTES, "g", 1024 * MIB}, {BYTES, "gib", 1024 * MIB},
        {COUNT, "k", 1e3},      {COUNT, "m", 1e6},        {COUNT, "g", 1e9},
        {SECONDS, "ms", 0.001}, {SECONDS, "s", 1},        {SECONDS, "m", 60},
        {SECONDS, "h", 3600},
    };

    if (!*suffix)
        return 1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i].type == type && !strcasecmp(suffix, units[i].suffix))
            return units[i].unit;
    return 0;
}

static bool parse_number(const struct setting *s, double *number)
{
    char *end;

    if (!isdigit((unsigned char)*s->value))
        return false;
    *number = strtod(s->value, &end);
    *number *= unit_of(s->type, end);
    if (unit_of(s->type, end) == 0 || !(*number >= s->least && *number <= s->greatest))
        return false;
    return s->type == SECONDS || *number == floor(*number);
}

static bool parse_choice(const struct setting *s, int *choice)
{
    for (*choice = 0; s->choices[*choice]; ++*choice)
        if (!strcasecmp(s->value, s->choices[*choice]))
            return true;
    return false;
}

static bool is_auto(const struct setting *s)
{
    return s->type != TEXT && s->type != SECRET && !strcmp(s->value, "auto");
}

static bool bad_value(const struct setting *s, char *message, size_t size)
{
    char flag[NAME_SIZE], wanted[200];

    print_flag(flag, s);
    if (s->type == CHOICE)
        snprintf(wanted, sizeof wanted, "%s", s->what);
    else
        snprintf(wanted, sizeof wanted, "a %s from %.15g to %.15g%s",
                 s->type == SECONDS ? "time in seconds" : "whole number", s->least,
                 s->greatest,
                 s->type == SECONDS ? " (ms, s, m and h may follow)"
                                    : " (K, M and G may follow)");
    snprintf(message, size, "%s%s '%s' (%s) is not valid: it takes %s",
             s->source == FLAG ? "" : PREFIX, s->source == FLAG ? flag : s->name,
             s->value, source_names[s->source], wanted);
    return false;
}

static bool parse(struct options *options, struct setting *s, char *message,
                  size_t size)
{
    void *field = (char *)options + s->offset;
    bool ok = true;

    if (!s->value)
        s->value = s->initial;
    if (s->type == TEXT || s->type == SECRET)
        *(const char **)field = s->value;
    else if (is_auto(s) && s->type == CHOICE)
        *(int *)field = -1;
    else if (is_auto(s))
        *(double *)field = -1;
    else if (s->type == CHOICE)
        ok = parse_choice(s, field);
    else
        ok = parse_number(s, field);
    return ok || bad_value(s, message, size);
}

static void compute(enum setting_id id, double *field, double value)
{
    if (*field >= 0)
        return;
    *field = value;
    settings[id].source = COMPUTED;
}

/* To value, unless somebody has set it, or it is lower. */
static bool lower_limit(const char *flag, double *limit, double value)
{
    struct setting *s = find_flag(flag, strlen(flag));

    if (s->source != DEFAULT || value >= *limit)
        return false;
    *limit = value;
    s->source = COMPUTED;
    return true;
}

/* Requests in flight get what the workers and the weights cache leave of three quarters
 * of the memory. If that is next to nothing, the workers get a half, and they a quarter
 * with the cache. A body or a reply that is larger than what is in flight would never
 * find room. */
static void compute_memory(struct options *o)
{
    const double memory = machine_memory(), least = 64 * MIB;

    compute(SET_WEIGHTS_CACHE_BYTES, &o->weights_cache_bytes,
            floor(fmin(memory / 8, 512 * MIB)));
    const double rest = memory * 0.75 - o->weights_cache_bytes;
    double left = rest - o->workers * o->api.limits.max_request_memory;

    if (o->max_inflight_memory < 0 && left < least) {
        o->request_memory_lowered =
            lower_limit("--max-request-memory", &o->api.limits.max_request_memory,
                        floor(memory / 2 / o->workers));
        left = fmax(memory / 4 - o->weights_cache_bytes, MIB);
    }
    compute(SET_MAX_INFLIGHT_MEMORY, &o->max_inflight_memory, floor(left));
    lower_limit("--max-body-bytes", &o->api.limits.max_body_bytes,
                o->max_inflight_memory);
    lower_limit("--max-response-bytes", &o->api.limits.max_response_bytes,
                o->max_inflight_memory);
}

static void compute_defaults(struct options *o)
{
    double png_level = o->png_level;

    compute(SET_WORKERS, &o->workers, fmin((double)machine_cpus(), 256));
    compute(SET_QUEUE_SIZE, &o->queue_size, 4 * o->workers);
    compute_memory(o);
    compute(SET_QUEUE_TIMEOUT, &o->queue_timeout, o->request_timeout);
    compute(SET_SHUTDOWN_TIMEOUT, &o->shutdown_timeout, 2 * o->request_timeout);
    compute(SET_PNG_LEVEL, &png_level, o->api.png_level);
    o->png_level = png_level;
    o->api.png_level = (int)png_level;
    if (o->log_format < 0) {
        o->log_format = isatty(STDOUT_FILENO) ? LOG_TEXT : LOG_JSON;
        settings[SET_LOG_FORMAT].source = COMPUTED;
    }
}

/* The kernels are chosen first: api_settings_init writes the limits too. */
static bool choose_kernels(struct options *options, char *message, size_t size)
{
    const char *isa = settings[SET_ISA].value ? settings[SET_ISA].value : "auto";
    size_t used;
    const struct kernels *kernels;

    if (api_settings_init(&options->api, strcmp(isa, "auto") ? isa : NULL))
        return true;
    used = (size_t)snprintf(message, size,
                            PREFIX "ISA '%s' is not an instruction set that this "
                                   "build and this CPU have: it takes auto",
                            isa);
    for (size_t i = 0; (kernels = kernels_nth(i)) && used < size; i++)
        used += (size_t)snprintf(message + used, size - used, ", %s", kernels->name);
    return false;
}

static bool check_prefix(const char *prefix, char *message, size_t size)
{
    if (!*prefix || (prefix[0] == '/' && prefix[strlen(prefix) - 1] != '/'))
        return true;
    snprintf(message, size,
             PREFIX "PATH_PREFIX '%s' must begin with / and not end with one", prefix);
    return false;
}

bool options_read(struct options *options, int argc, char **argv, char *message,
                  size_t size)
{
    *options = (struct options){0};
    add_limits();
    if (!read_environment(message, size) ||
        !read_flags(options, argc, argv, message, size) ||
        !choose_kernels(options, message, size))
        return false;
    for (size_t i = 0; i < n_settings; i++)
        if (!parse(options, &settings[i], message, size))
            return false;
    if (!check_prefix(options->path_prefix, message, size))
        return false;
    compute_defaults(options);
    return true;
}

static bool is_setting(const char *name, size_t n)
{
    for (size_t i = 0; i < n_settings; i++)
        if (strlen(settings[i].name) == n && !strncmp(settings[i].name, name, n))
            return true;
    return false;
}

void options_report_unknown(void (*report)(const char *line))
{
    char line[256], name[NAME_SIZE];

    for (char **entry = environ; *entry; entry++) {
        const char *at = *entry + PREFIX_LENGTH;
        const size_t n = strcspn(*entry, "=") - PREFIX_LENGTH;

        if (strncmp(*entry, PREFIX, PREFIX_LENGTH) || is_setting(at, n))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(n < 60 ? n : 60), at);
        snprintf(line, sizeof line,
                 PREFIX "%s is no setting and has no effect; did you mean " PREFIX
                        "%s?",
                 name, nearest(name)->name);
        report(line);
    }
}

void options_print_help(FILE *out)
{
    char flag[NAME_SIZE];

    fputs("convscope - shows what a convolutional network sees, over HTTP\n\n"
          "  convscope [settings]           serve\n"
          "  convscope health [settings]    ask the server that runs with these "
          "settings\n"
          "  convscope --print-config       show every setting and where it came from\n"
          "  convscope --version\n\n"
          "Every setting is a flag, and an environment variable: --queue-size 8 is\n"
          "CONVSCOPE_QUEUE_SIZE=8. Flags win. K, M and G may follow a number.\n\n",
          out);
    for (size_t i = 0; i < n_settings; i++) {
        print_flag(flag, &settings[i]);
        fprintf(out, "  %-24s %s%s%s%s\n", flag, settings[i].what,
                *settings[i].initial ? " (" : "", settings[i].initial,
                *settings[i].initial ? ")" : "");
    }
}

static void print_value(const struct options *options, const struct setting *s,
                        FILE *out)
{
    const void *field = (const char *)options + s->offset;

    if (s->type == SECRET)
        fputs(*s->value ? "(set, not shown)" : "", out);
    else if (s->type == TEXT)
        fputs(*(const char *const *)field, out);
    else if (s->type == CHOICE)
        fputs(s->choices[*(const int *)field], out);
    else
        fprintf(out, "%.15g", *(const double *)field);
}

void options_print_config(const struct options *options, FILE *out)
{
    for (size_t i = 0; i < n_settings; i++) {
        fprintf(out, PREFIX "%s=", settings[i].name);
        print_value(options, &settings[i], out);
        fprintf(out, "  # %s\n", source_names[settings[i].source]);
    }
}
