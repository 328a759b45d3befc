/* peers.c - the list of peers: those that were linked, see the Makefile. */
#include "tests/bench/peer.h"

#define FOR_EACH_LIBRARY(X)                                                            \
    X(onednn)                                                                          \
    X(opencv)                                                                          \
    X(xnnpack)                                                                         \
    X(onnxruntime)                                                                     \
    X(imgcodecs)                                                                       \
    X(imgproc)                                                                         \
    X(libspng)                                                                         \
    X(libdeflate)

#define DECLARE(name) extern const struct peer peer_##name __attribute__((weak));
FOR_EACH_LIBRARY(DECLARE)
#undef DECLARE
/* What the product is built on is always there. */
#define FOR_EACH_OWN(X)                                                                \
    X(engine) X(picture) X(samples) X(file) X(request) X(libpng) X(libjpeg) X(libwebp)

#define DECLARE(name) extern const struct peer peer_##name;
FOR_EACH_OWN(DECLARE)
#undef DECLARE

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
#define ENTER(name) &peer_##name,
        FOR_EACH_OWN(ENTER)
        FOR_EACH_LIBRARY(ENTER)
#undef ENTER
    };
    /* clang-format on */

    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (all[k] && i-- == 0)
            return all[k];
    return NULL;
}
