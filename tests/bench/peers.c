/* peers.c - the list of peers: those that were linked, see the Makefile. */
#include "tests/bench/peer.h"

#define FOR_EACH_LIBRARY(X) X(onednn) X(opencv) X(xnnpack)

#define DECLARE(name) extern const struct peer peer_##name __attribute__((weak));
FOR_EACH_LIBRARY(DECLARE)
extern const struct peer peer_engine;

const struct peer *peer_nth(size_t i)
{
    static const struct peer *const all[] = {&peer_engine,
#define ENTER(name) &peer_##name,
                                             FOR_EACH_LIBRARY(ENTER)};

    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (all[k] && i-- == 0)
            return all[k];
    return NULL;
}
