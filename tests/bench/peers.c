/* peers.c - the list of peers: those that were linked, see the Makefile. */
#include "tests/bench/peer.h"

#define FOR_EACH_LIBRARY(X) X(onednn) X(opencv) X(xnnpack)

#define DECLARE(name) extern const struct peer peer_##name __attribute__((weak));
FOR_EACH_LIBRARY(DECLARE)
#undef DECLARE
extern const struct peer peer_engine, peer_picture;

const char *peer_isa(size_t i)
{
    size_t n = 0;

    while (kernels_nth(n))
        n++;
    return i < n ? kernels_nth(n - 1 - i)->name : NULL;
}

const struct peer *peer_nth(size_t i)
{
    /* clang-format off */
    static const struct peer *const all[] = {
        &peer_engine,
        &peer_picture,
#define ENTER(name) &peer_##name,
        FOR_EACH_LIBRARY(ENTER)
#undef ENTER
    };
    /* clang-format on */

    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (all[k] && i-- == 0)
            return all[k];
    return NULL;
}
