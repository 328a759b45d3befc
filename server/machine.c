/* machine.c - see machine.h */
#include "server/machine.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"

/* The numbers a file begins with, at most two; "max" is none, and so is no file. */
static int read_numbers(const char *folder, const char *name, double numbers[2])
{
    char path[1200];
    FILE *file;
    int n = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "re");
    if (file) {
        n = fscanf(file, "%lf %lf", &numbers[0], &numbers[1]);
        fclose(file);
    }
    return n;
}

static double cpus_of(const char *folder)
{
    double quota[2], period[2];

    if (read_numbers(folder, "cpu.max", quota) == 2 && quota[1] > 0)
        return quota[0] / quota[1];
    if (read_numbers(folder, "cpu.cfs_quota_us", quota) == 1 && quota[0] > 0 &&
        read_numbers(folder, "cpu.cfs_period_us", period) == 1 && period[0] > 0)
        return quota[0] / period[0];
    return INFINITY;
}

static double memory_of(const char *folder)
{
    double bytes[2];

    if (read_numbers(folder, "memory.max", bytes) == 1 ||
        read_numbers(folder, "memory.limit_in_bytes", bytes) == 1)
        return bytes[0];
    return INFINITY;
}

/* The smallest limit from a group upwards. A container often sees its own group as
 * the root of the mount, while the path is the one outside: missing folders are
 * skipped. */
static double smallest(const char *mount, const char *group,
                       double (*limit_of)(const char *folder))
{
    char folder[1100];
    double least = limit_of(mount);

    snprintf(folder, sizeof folder, "%s%s", mount, group);
    while (strlen(folder) > strlen(mount)) {
        least = fmin(least, limit_of(folder));
        *strrchr(folder, '/') = '\0';
    }
    return least;
}

static bool lists(const char *controllers, const char *wanted)
{
    const size_t n = strlen(wanted);

    for (const char *at = controllers; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, wanted, n) && (at[n] == ',' || at[n] == '\0'))
            return true;
    }
    return false;
}

/* Lines of /proc/self/cgroup are "4:cpu,cpuacct:/path", version 2's is "0::/path". */
static double group_limit(const char *controller, double (*limit_of)(const char *))
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    double least = INFINITY;
    char line[1000], mount[300];

    while (file && fgets(line, sizeof line, file)) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(++controllers, ':') : NULL;

        if (!group)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (*controllers == '\0')
            least = fmin(least, smallest(ROOT, group, limit_of));
        if (!lists(controllers, controller))
            continue;
        snprintf(mount, sizeof mount, ROOT "/%s", controller);
        least = fmin(least, smallest(mount, group, limit_of));
    }
    if (file)
        fclose(file);
    return least;
}

size_t machine_cpus(void)
{
    const double quota = ceil(group_limit("cpu", cpus_of));
    cpu_set_t set;
    double cpus = 1;

    if (!sched_getaffinity(0, sizeof set, &set))
        cpus = CPU_COUNT(&set);
    return (size_t)fmax(1, fmin(cpus, quota));
}

double machine_memory(void)
{
    const double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGE_SIZE);

    return fmin(all, group_limit("memory", memory_of));
}

size_t machine_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur;
}
