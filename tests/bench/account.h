/*
 * account.h - what a run tells of itself, beside how long it took.
 *
 * Also read by C++.
 */
#ifndef BENCH_ACCOUNT_H
#define BENCH_ACCOUNT_H

/* Where the time of a request goes. */
#define FOR_EACH_PHASE(X) X(decode) X(compute) X(render) X(encode) X(reply)

enum phase {
#define ENUMERATE(name) PHASE_##name,
    FOR_EACH_PHASE(ENUMERATE)
#undef ENUMERATE
        N_PHASES
};

/* 0: does not apply. */
struct account {
    double layers_ms; /* within layers */
    double bytes;     /* of the file that was made */
    double phase_ms[N_PHASES];
};

#endif
