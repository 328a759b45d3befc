/* machine.c - see machine.h */
#include "tests/bench/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/match.h"

/* A library may be more than one peer: for layers and for files. */
static bool is_first_of_name(size_t i)
{
    size_t first = 0;

    while (strcmp(peer_nth(first)->name, peer_nth(i)->name) != 0)
        first++;
    return first == i;
}

static void print_cpu(FILE *out)
{
    FILE *info = fopen("/proc/cpuinfo", "r");
    char line[256];

    while (info && fgets(line, sizeof line, info))
        if (strncmp(line, "model name", 10) == 0) {
            fprintf(out, "%s", strchr(line, ':') + 2);
            break;
        }
    if (info)
        fclose(info);
    fprintf(out, "%ld CPUs, kernels:", sysconf(_SC_NPROCESSORS_ONLN));
    for (size_t i = 0; peer_isa(i); i++)
        fprintf(out, " %s", peer_isa(i));
    fprintf(out, "; peers:");
    for (size_t i = 0; peer_nth(i); i++)
        if (is_first_of_name(i) && strcmp(peer_nth(i)->name, "engine") != 0)
            fprintf(out, " %s", peer_nth(i)->name);
    fprintf(out, "\n");
}

static void print_copy(double kib, FILE *out)
{
    const double half = kib * 1024 / 2;
    const struct problem copy = {.bytes_read = half, .bytes_written = half};
    const double plain = match_limit_ms(&copy, "stream");
    const double around = match_limit_ms(&copy, "stream-nt");

    fprintf(out, ", %.0f KiB %.0f", kib,
            2 * half / 1e6 / (plain < around ? plain : around));
}

void machine_print(FILE *out)
{
    const struct problem fma = {.macs = 1e8};
    double load[3] = {0};

    print_cpu(out);
    fprintf(out, "one thread: %.0f GFLOP/s; read and written, GB/s",
            2 * fma.macs / 1e6 / match_limit_ms(&fma, "fma"));
    for (double kib = 16; kib <= 262144; kib *= 16)
        print_copy(kib, out);
    getloadavg(load, 3);
    fprintf(out, "; load before the run %.1f\n\n", load[0]);
}
