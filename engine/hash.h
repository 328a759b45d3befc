/*
 * hash.h - FNV-1a, 64 bits: for tags and for telling names apart, not for secrets.
 */
#ifndef ENGINE_HASH_H
#define ENGINE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* Goes on from the hash of what came before, or from HASH_START. */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *from = bytes;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ from[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
