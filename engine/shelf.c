/*
 * shelf.c - computed floats that outlive the request that made them.
 *
 * The guard protects everything in struct shelf, and of an entry all but its key and
 * its values, which do not change once it is published. An entry that is pinned is not
 * freed, so these can be read without the guard.
 *
 * Published entries are listed: in the chain of their hash, and by the time of their
 * last use. One that is taken off the list while it is pinned goes with its last pin.
 */
#include "engine/shelf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/arena.h"
#include "engine/hash.h"

enum { CHAINS = 4096, SAMPLES = 256, OWN_MAPPING = 128 << 10 };

struct shelf_entry {
    struct shelf_entry *next;          /* of its chain */
    struct shelf_entry *newer, *older; /* used after it, before it */
    uint64_t hash, visit;              /* visit: the last that used it */
    size_t bytes, pins;
    bool listed;
    float *values;
    struct shelf_key key; /* its own copy */
};

struct shelf {
    struct shelf_guard guard;
    size_t limit, bytes;
    uint64_t visits, hits, misses;
    struct shelf_entry *newest, *oldest;
    struct shelf_entry *chains[CHAINS];
};

static void nothing(void *self)
{
    (void)self;
}

static void lock(struct shelf *shelf)
{
    shelf->guard.lock(shelf->guard.self);
}

static void unlock(struct shelf *shelf)
{
    shelf->guard.unlock(shelf->guard.self);
}

/* ---- keys ---- */

/* Of the sizes, and of some bytes spread evenly over each part. */
static uint64_t hash_of(const struct shelf_key *key)
{
    uint64_t hash = HASH_START;

    for (size_t i = 0; i < key->n; i++) {
        const char *bytes = key->parts[i].bytes;
        const size_t size = key->parts[i].size, unit = sizeof(float);
        const size_t step = (size / (SAMPLES * unit) + 1) * unit;

        hash = hash_bytes(hash, &size, sizeof size);
        for (size_t at = 0; at < size; at += step)
            hash = hash_bytes(hash, bytes + at, unit < size - at ? unit : size - at);
    }
    return hash;
}

static bool equal(const struct shelf_key *a, const struct shelf_key *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->parts[i].size != b->parts[i].size)
            return false;
    for (size_t i = 0; i < a->n; i++)
        if (memcmp(a->parts[i].bytes, b->parts[i].bytes, a->parts[i].size) != 0)
            return false;
    return true;
}

/* ---- the list; called with the guard held ---- */

static struct shelf_entry **chain_of(struct shelf *shelf, uint64_t hash)
{
    return &shelf->chains[hash % CHAINS];
}

static struct shelf_entry *find_hash(struct shelf *shelf, uint64_t hash)
{
    struct shelf_entry *entry = *chain_of(shelf, hash);

    while (entry && entry->hash != hash)
        entry = entry->next;
    return entry;
}

static void unlink_use(struct shelf *shelf, struct shelf_entry *entry)
{
    *(entry->newer ? &entry->newer->older : &shelf->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &shelf->oldest) = entry->newer;
}

static void link_use(struct shelf *shelf, struct shelf_entry *entry, uint64_t visit)
{
    entry->visit = visit;
    entry->newer = NULL;
    entry->older = shelf->newest;
    *(shelf->newest ? &shelf->newest->newer : &shelf->oldest) = entry;
    shelf->newest = entry;
}

static void take_off(struct shelf *shelf, struct shelf_entry *entry)
{
    struct shelf_entry **at = chain_of(shelf, entry->hash);

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    unlink_use(shelf, entry);
    entry->listed = false;
}

static bool is_idle(const struct shelf_entry *entry, uint64_t visit)
{
    return entry->pins == 0 && entry->visit + SHELF_KEPT_VISITS < visit;
}

/* Takes off what need bytes more have to replace, and returns it as a chain, to be
 * freed outside of the guard. False, with nothing done, if they do not fit. */
static bool make_room(struct shelf *shelf, size_t need, uint64_t visit,
                      struct shelf_entry **evicted)
{
    size_t room = shelf->limit - shelf->bytes;

    *evicted = NULL;
    for (struct shelf_entry *e = shelf->oldest; e && room < need; e = e->newer)
        if (is_idle(e, visit))
            room += e->bytes;
    if (room < need)
        return false;
    for (struct shelf_entry *e = shelf->oldest, *newer;
         shelf->limit - shelf->bytes < need; e = newer) {
        newer = e->newer;
        if (!is_idle(e, visit))
            continue;
        take_off(shelf, e);
        shelf->bytes -= e->bytes;
        e->next = *evicted;
        *evicted = e;
    }
    return true;
}

/* ---- entries ---- */

/* Large entries are mappings of their own: what is evicted goes back to the system.
 * With malloc it stayed in the heaps of the threads that made it, twice the limit and
 * more. */
static void *take_memory(size_t bytes)
{
    if (bytes < OWN_MAPPING)
        return aligned_alloc(ARENA_ALIGN, bytes);
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* As the arena's: weights are read from end to end. */
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void free_entry(struct shelf_entry *entry)
{
    if (entry->bytes < OWN_MAPPING)
        free(entry);
    else
        munmap(entry, entry->bytes);
}

static void free_chain(struct shelf_entry *entry)
{
    while (entry) {
        struct shelf_entry *next = entry->next;
        free_entry(entry);
        entry = next;
    }
}

/* Bytes of an entry in one piece: itself, its values, its key. 0: too many. */
static size_t entry_bytes(const struct shelf_key *key, size_t n)
{
    size_t bytes = sizeof(struct shelf_entry) + 2 * ARENA_ALIGN, floats;

    if (__builtin_mul_overflow(n, sizeof(float), &floats) ||
        __builtin_add_overflow(bytes, floats, &bytes))
        return 0;
    for (size_t i = 0; i < key->n; i++)
        if (__builtin_add_overflow(bytes, key->parts[i].size, &bytes))
            return 0;
    return bytes - bytes % ARENA_ALIGN;
}

static struct shelf_entry *new_entry(const struct shelf_key *key, size_t n,
                                     size_t bytes)
{
    const size_t head = sizeof(struct shelf_entry);
    char *memory = take_memory(bytes);

    if (!memory)
        return NULL;
    struct shelf_entry *entry = (struct shelf_entry *)(void *)memory;
    float *values = (float *)(void *)(memory + head + -head % ARENA_ALIGN);
    char *copy = (char *)(values + n);
    *entry = (struct shelf_entry){.bytes = bytes, .pins = 1, .values = values};
    entry->key.n = key->n;
    for (size_t i = 0; i < key->n; i++) {
        memcpy(copy, key->parts[i].bytes, key->parts[i].size);
        entry->key.parts[i].bytes = copy;
        entry->key.parts[i].size = key->parts[i].size;
        copy += key->parts[i].size;
    }
    entry->hash = hash_of(&entry->key);
    return entry;
}

static uint64_t count_visit(struct shelf *shelf, uint64_t *visit)
{
    if (*visit == 0)
        *visit = ++shelf->visits;
    return *visit;
}

/* ---- */

struct shelf *shelf_new(size_t limit, const struct shelf_guard *guard)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);

    if (!shelf)
        return NULL;
    shelf->guard = guard ? *guard : (struct shelf_guard){nothing, nothing, NULL};
    shelf->limit = limit;
    return shelf;
}

void shelf_free(struct shelf *shelf)
{
    if (!shelf)
        return;
    while (shelf->oldest) {
        struct shelf_entry *entry = shelf->oldest;
        take_off(shelf, entry);
        free_entry(entry);
    }
    free(shelf);
}

struct shelf_entry *shelf_find(struct shelf *shelf, const struct shelf_key *key,
                               uint64_t *visit)
{
    const uint64_t hash = hash_of(key);

    lock(shelf);
    count_visit(shelf, visit);
    struct shelf_entry *entry = find_hash(shelf, hash);
    if (entry)
        entry->pins++;
    else
        shelf->misses++;
    unlock(shelf);
    if (!entry)
        return NULL;

    const bool found = equal(&entry->key, key);
    lock(shelf);
    ++*(found ? &shelf->hits : &shelf->misses);
    if (found && entry->listed) {
        unlink_use(shelf, entry);
        link_use(shelf, entry, *visit);
    }
    unlock(shelf);
    if (found)
        return entry;
    shelf_unpin(shelf, entry);
    return NULL;
}

struct shelf_entry *shelf_reserve(struct shelf *shelf, const struct shelf_key *key,
                                  size_t n, uint64_t *visit)
{
    const size_t bytes = entry_bytes(key, n);
    struct shelf_entry *evicted;

    if (bytes == 0)
        return NULL;
    lock(shelf);
    const bool fits = make_room(shelf, bytes, count_visit(shelf, visit), &evicted);
    if (fits)
        shelf->bytes += bytes;
    unlock(shelf);
    free_chain(evicted);
    if (!fits)
        return NULL;

    struct shelf_entry *entry = new_entry(key, n, bytes);
    if (entry) {
        entry->visit = *visit;
        return entry;
    }
    lock(shelf);
    shelf->bytes -= bytes;
    unlock(shelf);
    return NULL;
}

/* Else whoever knows a key could drive its entry out, with one that differs where the
 * hash does not look. */
void shelf_publish(struct shelf *shelf, struct shelf_entry *entry)
{
    struct shelf_entry **chain = chain_of(shelf, entry->hash);

    lock(shelf);
    struct shelf_entry *former = find_hash(shelf, entry->hash);
    if (former && !is_idle(former, entry->visit)) {
        unlock(shelf);
        return;
    }
    if (former) {
        take_off(shelf, former);
        shelf->bytes -= former->bytes;
    }
    entry->next = *chain;
    *chain = entry;
    entry->listed = true;
    link_use(shelf, entry, entry->visit);
    unlock(shelf);
    if (former)
        free_entry(former);
}

void shelf_unpin(struct shelf *shelf, struct shelf_entry *entry)
{
    lock(shelf);
    const bool unused = --entry->pins == 0 && !entry->listed;
    if (unused)
        shelf->bytes -= entry->bytes;
    unlock(shelf);
    if (unused)
        free_entry(entry);
}

float *shelf_values(struct shelf_entry *entry)
{
    return entry->values;
}

struct shelf_readings shelf_read(struct shelf *shelf)
{
    lock(shelf);
    const struct shelf_readings readings = {shelf->bytes, shelf->hits, shelf->misses};
    unlock(shelf);
    return readings;
}
