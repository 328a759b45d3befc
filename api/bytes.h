/*
 * bytes.h - a run of bytes that somebody else owns.
 */
#ifndef API_BYTES_H
#define API_BYTES_H

#include <stddef.h>

struct bytes {
    const unsigned char *data; /* NULL: absent */
    size_t size;
};

#endif
