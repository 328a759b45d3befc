/*
 * machine.h - what this process may use of the machine: CPUs, memory, descriptors.
 *
 * Containers limit a process by control groups, version 1 or 2; the smallest limit
 * from the process's own group up to the root holds.
 */
#ifndef SERVER_MACHINE_H
#define SERVER_MACHINE_H

#include <stddef.h>

/* CPUs by affinity and quota, rounded up; at least 1. */
size_t machine_cpus(void);

/* Bytes of memory that the groups allow, at most what the machine has. */
double machine_memory(void);

/* Raise the soft limit of open files to the hard one; returns the limit. */
size_t machine_descriptors(void);

#endif
