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

/* Of another library that has no such way here, the fastest that it has: a convolution
 * that Winograd's does not suit. */
static const struct timing *find(const struct result *result,
                                 const struct timing *wanted)
{
    const struct timing *other = NULL;

    for (size_t i = 0; i < result->n_timings; i++) {
        const struct timing *t = &result->timings[i];
        if (same(t, wanted))
            return t;
        if (!is_engine(t) && strcmp(t->peer, wanted->peer) == 0 &&
            (!other || t->ms < other->ms))
            other = t;
    }
    return other;
}

static bool in_group(const struct result *row, const struct result *first)
{
    return row->group && strcmp(row->group, first->group) == 0 &&
           row->threads == first->threads;
}

static bool is_summed(const struct result *sum, const struct timing *timing)
{
    for (size_t i = 0; i < sum->n_timings; i++)
        if (same(&sum->timings[i], timing))
            return true;
    return false;
}

/* One way to do all rows of the group that first is of; not if it lacks one. */
static void sum_timing(const struct results *results, const struct result *first,
                       const struct timing *way, struct result *sum)
{
    struct timing total = {.peer = way->peer, .variant = way->variant};

    for (size_t i = 0; i < results->n; i++) {
        const struct result *row = &results->all[i];
        const struct timing *t = find(row, way);
        const double count = (double)row->count;
        if (!in_group(row, first))
            continue;
        if (!t)
            return;
        total.ms += count * t->ms;
        total.account.layers_ms += count * t->account.layers_ms;
        total.account.bytes += count * t->account.bytes;
    }
    if (sum->n_timings < RESULT_MAX_TIMINGS)
        sum->timings[sum->n_timings++] = total;
}

static struct result sum_group(const struct results *results,
                               const struct result *first)
{
    struct result sum = {.name = first->group, .threads = first->threads};

    for (size_t i = 0; i < results->n; i++) {
        const struct result *row = &results->all[i];
        if (!in_group(row, first))
            continue;
        sum.limit_ms += (double)row->count * row->limit_ms;
        for (size_t k = 0; k < row->n_timings; k++)
            if (!is_summed(&sum, &row->timings[k]))
                sum_timing(results, first, &row->timings[k], &sum);
    }
    return sum;
}

static bool is_first_of_group(const struct results *results, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (in_group(&results->all[k], &results->all[i]))
            return false;
    return true;
}

void results_add_sums(struct results *results)
{
    const size_t n_rows = results->n;

    for (size_t i = 0; i < n_rows; i++)
        if (results->all[i].group && is_first_of_group(results, i)) {
            const struct result sum = sum_group(results, &results->all[i]);
            results->all[results->n++] = sum;
        }
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
        if (t->account.bytes > 0)
            fprintf(out, " (%.0f bytes)", t->account.bytes);
        separator = between;
    }
}

/* What the engine made, and how long it took otherwise. */
static void print_own(const struct result *result, FILE *out)
{
    const double bytes = result->timings[0].account.bytes;

    if (bytes > 0)
        fprintf(out, "%.0f bytes", bytes);
    print_timings(result, true, ", ", out);
}

void result_print_heading(FILE *out)
{
    fprintf(out, "%-27s %1s %10s %10s %10s %-16s %6s %6s  %s\n", "row", "t", "ms",
            "in layers", "peer ms", "best peer", "ratio", "limit", "others, ms");
}

void result_print(const struct result *result, FILE *out)
{
    const struct timing *engine = &result->timings[0], *best = result_best_peer(result);
    char name[RESULT_TEXT] = "-";

    fprintf(out, "%-27s %zu %10.4f %10.4f ", result->name, result->threads, engine->ms,
            engine->account.layers_ms);
    if (best)
        fprintf(out, "%10.4f %-16s %6.2f ", best->ms, result_timing_name(best, name),
                best->ms / engine->ms);
    else
        fprintf(out, "%10s %-16s %6s ", "-", "-", "-");
    fprintf(out, "%5.0f%%  ", 100 * result->limit_ms / engine->ms);
    print_own(result, out);
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
        print_own(r, out);
        fprintf(out, " | ");
        print_timings(r, false, ", ", out);
        fprintf(out, " |\n");
    }
}

static bool has_phases(const struct result *result)
{
    return result->timings[0].account.phase_ms[PHASE_decode] > 0;
}

static const char *const phase_names[] = {
#define NAME(name) #name,
    FOR_EACH_PHASE(NAME)
#undef NAME
};

void results_print_phases(const struct results *results, FILE *out)
{
    bool first = true;

    for (size_t i = 0; i < results->n; i++) {
        const struct result *r = &results->all[i];
        if (!has_phases(r))
            continue;
        if (first) {
            fprintf(out, "\n%-27s %10s", "time of the CPU, ms", "request");
            for (size_t p = 0; p < N_PHASES; p++)
                fprintf(out, " %10s", phase_names[p]);
            fprintf(out, "\n");
            first = false;
        }
        fprintf(out, "%-27s %10.4f", r->name, r->timings[0].ms);
        for (size_t p = 0; p < N_PHASES; p++)
            fprintf(out, " %10.4f", r->timings[0].account.phase_ms[p]);
        fprintf(out, "\n");
    }
}

static void print_json_timings(const struct result *result, bool engine, FILE *out)
{
    const char *separator = "";
    char name[RESULT_TEXT];

    for (size_t i = 0; i < result->n_timings; i++) {
        const struct timing *t = &result->timings[i];
        if (is_engine(t) != engine || (engine && !t->variant))
            continue; /* files are read and written in one way */
        fprintf(out, "%s\"%s\":%.6g", separator,
                engine ? t->variant : result_timing_name(t, name), t->ms);
        separator = ",";
    }
}

/* Bytes by who made them, and where the time of a request went. */
static void print_json_account(const struct result *result, FILE *out)
{
    const struct account *own = &result->timings[0].account;
    char name[RESULT_TEXT];

    for (size_t i = 0; own->bytes > 0 && i < result->n_timings; i++)
        fprintf(out, "%s\"%s\":%.0f", i ? "," : ",\"bytes\":{",
                result_timing_name(&result->timings[i], name),
                result->timings[i].account.bytes);
    fprintf(out, "%s", own->bytes > 0 ? "}" : "");
    for (size_t p = 0; has_phases(result) && p < N_PHASES; p++)
        fprintf(out, "%s\"%s\":%.4g", p ? "," : ",\"phase_ms\":{", phase_names[p],
                own->phase_ms[p]);
    fprintf(out, "%s", has_phases(result) ? "}" : "");
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
                r->limit_ms / engine->ms, r->limit_ms, engine->account.layers_ms);
        fprintf(out, "\"isas\":{");
        print_json_timings(r, true, out);
        fprintf(out, "},\"peers\":{");
        print_json_timings(r, false, out);
        fprintf(out, "}");
        print_json_account(r, out);
        fprintf(out, "}");
    }
    fprintf(out, "%s]\n", results->n ? "" : "[");
}
