/*
 * isal.h - what must follow a call of ISA-L, and its CRC with that; its version.
 */
#ifndef API_ISAL_H
#define API_ISAL_H

#include <isa-l.h>
#include <stddef.h>
#include <stdint.h>

/* ISA-L's assembler returns with the upper halves of the vector registers in use (it
 * lacks vzeroupper), and compiled SSE code then waits for them at every instruction:
 * undoing a PNG's filters took twice as long after it, turning rows into floats three
 * times. */
static inline void isal_done(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroupper");
#endif
}

/* PNG's and gzip's. */
static inline uint32_t isal_crc(const unsigned char *bytes, size_t n)
{
    const uint32_t crc = crc32_gzip_refl(0, bytes, n);

    isal_done();
    return crc;
}

/* Of the headers that this was built with, "2.30.0": the library does not tell its own.
 */
#define ISAL_TEXT_OF(number) #number
#define ISAL_JOIN(major, minor, patch)                                                 \
    ISAL_TEXT_OF(major) "." ISAL_TEXT_OF(minor) "." ISAL_TEXT_OF(patch)

static inline const char *isal_version(void)
{
    return ISAL_JOIN(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION);
}

#endif
