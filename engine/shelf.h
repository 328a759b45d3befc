/*
 * shelf.h - computed floats that outlive the request that made them.
 *
 *     entry = shelf_find(shelf, &key, &visit);
 *     if (!entry && (entry = shelf_reserve(shelf, &key, n, &visit))) {
 *         ... fill shelf_values(entry) ...
 *         shelf_publish(shelf, entry);
 *     }
 *     ... use shelf_values(entry), if there is one ...
 *     shelf_unpin(shelf, entry);
 *
 * A key is everything that the floats follow from, byte for byte, and is compared in
 * full: who does not have the same bytes does not get the floats. A hash of a sample of
 * it only finds the candidate: of two keys with one hash the first is found until it is
 * old enough to make room, and what is filled for the other is its caller's alone.
 *
 * All entries together, with their keys, never take more bytes than the limit. The ones
 * used longest ago make room for new ones, but for those that are pinned, and those
 * that one of the last SHELF_KEPT_VISITS visits used: else two networks that do not fit
 * together would drive each other out with each request, and both gain nothing.
 *
 * Any thread may call, if the guard is a mutex. Filling and comparing happen outside of
 * it.
 */
#ifndef ENGINE_SHELF_H
#define ENGINE_SHELF_H

#include <stddef.h>
#include <stdint.h>

#include "engine/attributes.h"

/* The mutex that the engine is given, as it knows no threads. */
struct shelf_guard {
    void (*lock)(void *self);
    void (*unlock)(void *self);
    void *self;
};

enum { SHELF_KEY_PARTS = 5, SHELF_KEPT_VISITS = 8 };

struct shelf_key {
    size_t n;
    struct {
        const void *bytes;
        size_t size;
    } parts[SHELF_KEY_PARTS];
};

struct shelf;
struct shelf_entry;

/* A shelf of at most so many bytes. The guard is copied; NULL: only one thread calls.
 * NULL if there is no memory. */
struct shelf *shelf_new(size_t limit, const struct shelf_guard *guard) MUST_CHECK;

/* No entry may be pinned. */
void shelf_free(struct shelf *shelf);

/* What stands under the key, pinned; NULL if nothing does. *visit is 0 in the first
 * call of a request and then left alone: it counts the requests that come here. */
struct shelf_entry *shelf_find(struct shelf *shelf, const struct shelf_key *key,
                               uint64_t *visit) MUST_CHECK;

/* Room for n floats, pinned, that only the caller sees until it publishes them; NULL if
 * there is none. */
struct shelf_entry *shelf_reserve(struct shelf *shelf, const struct shelf_key *key,
                                  size_t n, uint64_t *visit) MUST_CHECK;
void shelf_publish(struct shelf *shelf, struct shelf_entry *entry);

/* The caller is done with it. Frees what was not published. */
void shelf_unpin(struct shelf *shelf, struct shelf_entry *entry);

/* Aligned as an arena's memory is. To be written only before publishing. */
float *shelf_values(struct shelf_entry *entry);

struct shelf_readings {
    size_t bytes;          /* taken */
    uint64_t hits, misses; /* of shelf_find */
};
struct shelf_readings shelf_read(struct shelf *shelf);

#endif
