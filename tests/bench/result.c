/* result.c - see result.h */
#include "tests/bench/result.h"

#include <string.h>

static bool is_engine(const struct timing *timing)
{
    return strcmp(timing->peer, "engine") == 0;
}

const struct timing *result_best_peer(const struct result *result)
{
    const struct timing *best = NULL;

    for (size_t i = 0; i < result->n_timings; i++) {
        const struct timing *t = &result->timings[i];
        if (!is_engine(t) && (!best || t->ms < best->ms))
            best = t;
    }
    return best;
}

const char *result_timing_name(const struct timing *timing, char *text)
{
    snprintf(text, RESULT_TEXT, "%s%s%s", timing->peer, timing->variant ? "-" : "",
             timing->variant ? timing->variant : "");
    return text;
}

/* ---- sums ---- */

static bool same(const struct timing *a, const struct timing *b)
{
    char name[RESULT_TEXT], other[RESULT_TEXT];

    return strcmp(result_timing_name(a, name), result_timing_name(b, other)) == 0;
}

static const struct timing *find(const struct result *result,
                                 const struct timing *wanted)
{
    for (size_t i = 0; i < result->n_timings; i++)
        if (same(&result->timings[i], wanted))
            return &result->timings[i];
    return NULL;
}

static void add(struct result *sum, const struct result *result)
{
    const double count = (double)result->count;
    size_t kept = 0;

    for (size_t i = 0; i < sum->n_timings; i++) {
        struct timing t = sum->timings[i];
        const struct timing *more = find(result, &t);
        if (!more)
            continue;
        t.ms += count * more->ms;
        t.layers_ms += count * more->layers_ms;
        sum->timings[kept++] = t;
    }
    sum->n_timings = kept;
    sum->limit_ms += count * result->limit_ms;
}

void results_add_to_group(struct results *sums, const struct result *result)
{
    struct result *sum = sums->all;

    if (!result->group)
        return;
    while (sum < sums->all + sums->n &&
           (strcmp(sum->name, result->group) != 0 || sum->threads != result->threads))
        sum++;
    if (sum == sums->all + sums->n) {
        sums->n++;
        *sum = *result;
        sum->name = result->group;
        sum->group = NULL;
        sum->limit_ms = 0;
        for (size_t i = 0; i < sum->n_timings; i++)
            sum->timings[i].ms = sum->timings[i].layers_ms = 0;
    }
    add(sum, result);
}

/* ---- printing ---- */

/* The engine with its other tables, and all peers: " avx2 0.123", with what stands
 * between them. */
static void print_timings(const struct result *result, bool engine, const char *between,
                          FILE *out)
{
    const char *separator = "";
    char name[RESULT_TEXT];

    for (size_t i = engine; i < result->n_timings; i++) {
        const struct timing *t = &result->timings[i];
        if (is_engine(t) != engine)
            continue;
        fprintf(out, "%s%s %.4g", separator,
                engine ? t->variant : result_timing_name(t, name), t->ms);
        separator = between;
    }
}

void result_print_heading(FILE *out)
{
    fprintf(out, "%-24s %1s %10s %10s %10s %-16s %6s %6s  %s\n", "row", "t", "ms",
            "in layers", "peer ms", "best peer", "ratio", "limit", "others, ms");
}

void result_print(const struct result *result, FILE *out)
{
    const struct timing *engine = &result->timings[0], *best = result_best_peer(result);
    char name[RESULT_TEXT] = "-";

    fprintf(out, "%-24s %zu %10.4f %10.4f ", result->name, result->threads, engine->ms,
            engine->layers_ms);
    if (best)
        fprintf(out, "%10.4f %-16s %6.2f ", best->ms, result_timing_name(best, name),
                best->ms / engine->ms);
    else
        fprintf(out, "%10s %-16s %6s ", "-", "-", "-");
    fprintf(out, "%5.0f%%  ", 100 * result->limit_ms / engine->ms);
    print_timings(result, true, ", ", out);
    fprintf(out, "; ");
    print_timings(result, false, ", ", out);
    fprintf(out, "\n");
    fflush(out);
}

void results_print_markdown(const struct results *results, FILE *out)
{
    char name[RESULT_TEXT];

    fprintf(out, "| row | threads | ms | best peer | its ms | ratio | of the limit | "
                 "other ISAs | all peers |\n"
                 "| --- | --: | --: | --- | --: | --: | --: | --- | --- |\n");
    for (size_t i = 0; i < results->n; i++) {
        const struct result *r = &results->all[i];
        const struct timing *best = result_best_peer(r);
        fprintf(out, "| %s | %zu | %.4g | ", r->name, r->threads, r->timings[0].ms);
        if (best)
            fprintf(out, "%s | %.4g | %.2f", result_timing_name(best, name), best->ms,
                    best->ms / r->timings[0].ms);
        else
            fprintf(out, "| |");
        fprintf(out, " | %.0f %% | ", 100 * r->limit_ms / r->timings[0].ms);
        print_timings(r, true, ", ", out);
        fprintf(out, " | ");
        print_timings(r, false, ", ", out);
        fprintf(out, " |\n");
    }
}

static void print_json_timings(const struct result *result, bool engine, FILE *out)
{
    const char *separator = "";
    char name[RESULT_TEXT];

    for (size_t i = 0; i < result->n_timings; i++) {
        const struct timing *t = &result->timings[i];
        if (is_engine(t) != engine)
            continue;
        fprintf(out, "%s\"%s\":%.6g", separator,
                engine ? t->variant : result_timing_name(t, name), t->ms);
        separator = ",";
    }
}

void results_print_json(const struct results *results, FILE *out)
{
    char name[RESULT_TEXT];

    for (size_t i = 0; i < results->n; i++) {
        const struct result *r = &results->all[i];
        const struct timing *engine = &r->timings[0], *best = result_best_peer(r);
        fprintf(out, "%s{\"layer\":\"%s\",\"threads\":%zu,\"ms\":%.6g,",
                i ? ",\n " : "[", r->name, r->threads, engine->ms);
        if (best)
            fprintf(out, "\"best_peer\":\"%s\",\"peer_ms\":%.6g,\"ratio\":%.4g,",
                    result_timing_name(best, name), best->ms, best->ms / engine->ms);
        else
            fprintf(out, "\"best_peer\":null,\"peer_ms\":null,\"ratio\":null,");
        fprintf(out, "\"limit_share\":%.4g,\"limit_ms\":%.6g,\"layers_ms\":%.6g,",
                r->limit_ms / engine->ms, r->limit_ms, engine->layers_ms);
        fprintf(out, "\"isas\":{");
        print_json_timings(r, true, out);
        fprintf(out, "},\"peers\":{");
        print_json_timings(r, false, out);
        fprintf(out, "}}");
    }
    fprintf(out, "%s]\n", results->n ? "" : "[");
}
