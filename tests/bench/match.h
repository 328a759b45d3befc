/*
 * match.h - a row at a number of threads, played by all that can compute it.
 */
#ifndef BENCH_MATCH_H
#define BENCH_MATCH_H

#include "server/workers.h"
#include "tests/bench/peer.h"
#include "tests/bench/result.h"

struct effort {
    double turn_ms; /* of a turn, at least */
    double row_ms;  /* of a row at a number of threads, about at most */
    int min_rounds, max_rounds;
};

/* Fill in result. On one of the workers, as a request would be: all of them may work.
 * False if an output differs from the engine's, and says so on stderr. */
bool match_play(struct workers *workers, const struct row *row,
                const struct problem *problem, const struct effort *effort,
                struct result *result);

/* The milliseconds of a way of the machine's limit (peer_limit.c), on one thread. */
double match_limit_ms(const struct problem *problem, const char *variant);

#endif
