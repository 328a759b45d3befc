/*
 * machine.h - what the bench runs on.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdio.h>

/* The CPU, its multiply-adds per second and its copy rates by size of the data, of one
 * thread, and how busy the machine is. */
void machine_print(FILE *out);

#endif
