/*
 * bench.c - the engine against the machine and against the peers found on it.
 *
 *     bench [--rows REGEX] [--threads N] [--quick] [--json FILE] [--markdown]
 *
 * Each row is computed by the engine, with every table of kernels that this CPU has, by
 * every peer that has such layers, and by the machine itself (peer_limit.c), in turns
 * (match.c). Printed are:
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
#include <regex.h>
#include <stdlib.h>

#include "tests/bench/machine.h"
#include "tests/bench/match.h"

enum { MAX_THREADS = 2 };

static const struct effort thorough = {5, 3000, 3, 30}, quick = {4, 400, 2, 8};

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

static struct results results;

static bool measure_row(const struct settings *s, struct workers **workers,
                        const struct row *row)
{
    struct problem problem;
    bool good = true;

    problem_init(&problem, row);
    for (size_t threads = 1; threads <= s->threads; threads++) {
        struct result *result = &results.all[results.n++];
        good &= match_play(workers[threads], row, &problem, s->effort, result);
        result_print(result, stdout);
    }
    problem_release(&problem);
    return good;
}

static void add_sums(void)
{
    size_t i = results.n;

    for (results_add_sums(&results); i < results.n; i++)
        result_print(&results.all[i], stdout);
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

    machine_print(stdout);
    result_print_heading(stdout);
    for (size_t i = 0; row_nth(i); i++)
        if (chosen(&settings, row_nth(i)))
            good &= measure_row(&settings, workers, row_nth(i));
    add_sums();
    results_print_phases(&results, stdout);
    if (settings.markdown)
        results_print_markdown(&results, stdout);
    if (settings.json)
        write_json(settings.json);
    for (size_t n = 1; n <= settings.threads; n++)
        workers_free(workers[n]);
    if (!settings.all_rows)
        regfree(&settings.rows);
    return good ? 0 : 1;
}
