/* test_shelf.c - floats that outlive a request: found by all of their key, bounded. */
#include "tests/unit/check.h"

#include "engine/shelf.h"

enum {
    N = 1024,
    BIG = N * sizeof(float) + 1024
}; /* an entry of N floats and its key */

static struct shelf_key key_of(const void *bytes, size_t size)
{
    return (struct shelf_key){1, {{bytes, size}}};
}

/* What a request does: find, or fill with a number and publish. True if found. */
static bool use(struct shelf *shelf, const struct shelf_key *key, float number)
{
    uint64_t visit = 0;
    struct shelf_entry *entry = shelf_find(shelf, key, &visit);
    const bool found = entry;

    if (!entry && (entry = shelf_reserve(shelf, key, N, &visit))) {
        for (size_t i = 0; i < N; i++)
            shelf_values(entry)[i] = number;
        shelf_publish(shelf, entry);
    }
    if (!entry)
        return false;
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(shelf_values(entry)[i], number);
    shelf_unpin(shelf, entry);
    return found;
}

static bool use_number(struct shelf *shelf, int number)
{
    const struct shelf_key key = key_of(&number, sizeof number);

    return use(shelf, &key, (float)number);
}

Test(shelf, finds_what_was_published)
{
    struct shelf *shelf = shelf_new(4 * BIG, NULL);

    cr_assert(!use_number(shelf, 1));
    cr_assert(!use_number(shelf, 2));
    cr_assert(use_number(shelf, 1));
    cr_assert(use_number(shelf, 2));
    const struct shelf_readings readings = shelf_read(shelf);
    cr_assert_eq(readings.hits, 2);
    cr_assert_eq(readings.misses, 2);
    shelf_free(shelf);
}

/* The hash sees few of them; every byte counts all the same. */
Test(shelf, any_other_byte_of_a_long_key_is_another_key)
{
    static char bytes[20001];
    struct shelf *shelf = shelf_new(1 << 20, NULL);
    const struct shelf_key key = key_of(bytes, sizeof bytes);

    for (size_t at = 0; at < sizeof bytes; at += 7) {
        use(shelf, &key, 0);
        cr_assert(use(shelf, &key, 0));
        bytes[at] ^= 1;
        cr_assert(!use(shelf, &key, 1), "byte %zu", at);
        bytes[at] ^= 1;
    }
    shelf_free(shelf);
}

/* The hash does not see the byte in which they differ. */
Test(shelf, a_newcomer_with_the_same_hash_drives_nothing_out_that_is_in_use)
{
    enum { AT = 5 }; /* between two samples */
    static char bytes[20001], others[sizeof bytes];
    struct shelf *shelf = shelf_new(1 << 20, NULL);
    const struct shelf_key key = key_of(bytes, sizeof bytes),
                           other = key_of(others, sizeof others);

    others[AT] = 1;
    cr_assert(!use(shelf, &key, 0));
    for (int i = 0; i < 2 * SHELF_KEPT_VISITS; i++) {
        cr_assert(!use(shelf, &other, 1));
        cr_assert(use(shelf, &key, 0));
    }
    for (int i = 0; i <= SHELF_KEPT_VISITS; i++)
        cr_assert(!use(shelf, &other, 1)); /* with the last the first is old */
    cr_assert(use(shelf, &other, 1));
    cr_assert(!use(shelf, &key, 0));
    shelf_free(shelf);
}

Test(shelf, the_same_bytes_in_other_parts_are_another_key)
{
    static const char text[] = "abcdef";
    const struct shelf_key keys[] = {
        {1, {{text, 6}}},
        {2, {{text, 6}, {text, 0}}},
        {2, {{text, 2}, {text + 2, 4}}},
        {2, {{text, 4}, {text + 4, 2}}},
        {1, {{text, 5}}},
    };
    struct shelf *shelf = shelf_new(1 << 20, NULL);

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_assert(!use(shelf, &keys[i], (float)i), "%zu", i);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_assert(use(shelf, &keys[i], (float)i), "%zu", i);
    shelf_free(shelf);
}

Test(shelf, never_takes_more_than_its_limit)
{
    struct shelf *shelf = shelf_new(5 * BIG / 2, NULL);

    for (int i = 0; i < 100; i++) {
        use_number(shelf, i);
        cr_assert_leq(shelf_read(shelf).bytes, 5 * BIG / 2);
    }
    cr_assert_geq(shelf_read(shelf).bytes, N * sizeof(float));
    shelf_free(shelf);
}

Test(shelf, a_limit_of_nothing_keeps_nothing)
{
    struct shelf *shelf = shelf_new(0, NULL);

    cr_assert(!use_number(shelf, 1));
    cr_assert(!use_number(shelf, 1));
    cr_assert_eq(shelf_read(shelf).bytes, 0);
    shelf_free(shelf);
}

/* Small ones come from the heap, large ones are mappings. */
Test(shelf, entries_of_any_size_are_made_and_freed)
{
    struct shelf *shelf = shelf_new(8 << 20, NULL);
    uint64_t visit = 0;

    for (size_t n = 1; n < 1 << 20; n += n / 3 + 1) {
        const struct shelf_key key = key_of(&n, sizeof n);
        struct shelf_entry *entry = shelf_reserve(shelf, &key, n, &visit);

        cr_assert_eq((uintptr_t)shelf_values(entry) % 64, 0);
        for (size_t i = 0; i < n; i++)
            shelf_values(entry)[i] = (float)n;
        if (n % 2)
            shelf_publish(shelf, entry);
        shelf_unpin(shelf, entry);
        visit += SHELF_KEPT_VISITS + 1;
    }
    shelf_free(shelf);
}

Test(shelf, an_absurd_size_is_refused)
{
    struct shelf *shelf = shelf_new(SIZE_MAX, NULL);
    const struct shelf_key key = key_of("a", 1);
    uint64_t visit = 0;

    cr_assert_null(shelf_reserve(shelf, &key, SIZE_MAX / 2, &visit));
    cr_assert_null(shelf_reserve(shelf, &key, SIZE_MAX / 8, &visit));
    cr_assert_eq(shelf_read(shelf).bytes, 0);
    shelf_free(shelf);
}

Test(shelf, the_one_used_longest_ago_makes_room)
{
    struct shelf *shelf = shelf_new(3 * BIG, NULL);

    for (int i = 0; i < 3; i++)
        use_number(shelf, i);
    for (int i = 0; i <= SHELF_KEPT_VISITS; i++) {
        cr_assert(use_number(shelf, 0));
        cr_assert(use_number(shelf, 2));
    }
    cr_assert(!use_number(shelf, 3)); /* in the place of 1 */
    cr_assert(use_number(shelf, 3));
    cr_assert(use_number(shelf, 0));
    cr_assert(use_number(shelf, 2));
    cr_assert(!use_number(shelf, 1));
    shelf_free(shelf);
}

/* Two that do not fit together, in turn: one of them gains. */
Test(shelf, what_is_used_again_and_again_stays)
{
    struct shelf *shelf = shelf_new(BIG, NULL);

    use_number(shelf, 1);
    for (int i = 0; i < 50; i++) {
        cr_assert(!use_number(shelf, 2));
        cr_assert(use_number(shelf, 1));
    }
    for (int i = 0; i <= SHELF_KEPT_VISITS; i++)
        use_number(shelf, 2);
    cr_assert(use_number(shelf, 2));
    shelf_free(shelf);
}

Test(shelf, a_pinned_entry_stays_whatever_comes)
{
    struct shelf *shelf = shelf_new(BIG, NULL);
    const int number = 1;
    const struct shelf_key key = key_of(&number, sizeof number);
    uint64_t visit = 0;

    use_number(shelf, number);
    struct shelf_entry *entry = shelf_find(shelf, &key, &visit);
    for (int i = 2; i < 40; i++)
        cr_assert(!use_number(shelf, i));
    cr_assert_eq(shelf_values(entry)[N - 1], (float)number);
    shelf_unpin(shelf, entry);
    for (int i = 2; i < 4; i++)
        use_number(shelf, i);
    cr_assert(use_number(shelf, 2));
    shelf_free(shelf);
}

/* Two workers may make the same; the second one goes when its maker is done. */
Test(shelf, the_first_of_two_with_one_key_is_found)
{
    struct shelf *shelf = shelf_new(4 * BIG, NULL);
    const struct shelf_key key = key_of("same", 4);
    uint64_t visits[2] = {0};
    struct shelf_entry *entries[2];

    for (size_t i = 0; i < 2; i++) {
        cr_assert_null(shelf_find(shelf, &key, &visits[i]));
        entries[i] = shelf_reserve(shelf, &key, N, &visits[i]);
        shelf_values(entries[i])[0] = (float)i;
    }
    for (size_t i = 0; i < 2; i++)
        shelf_publish(shelf, entries[i]);
    const size_t both = shelf_read(shelf).bytes;
    cr_assert_eq(shelf_values(entries[1])[0], 1);
    shelf_unpin(shelf, entries[1]);
    cr_assert_eq(shelf_read(shelf).bytes, both / 2);
    struct shelf_entry *found = shelf_find(shelf, &key, &visits[1]);
    cr_assert_eq(found, entries[0]);
    shelf_unpin(shelf, found);
    shelf_unpin(shelf, entries[0]);
    shelf_free(shelf);
}

Test(shelf, what_was_not_published_is_not_found_and_goes)
{
    struct shelf *shelf = shelf_new(4 * BIG, NULL);
    const struct shelf_key key = key_of("half", 4);
    uint64_t visit = 0;
    struct shelf_entry *entry = shelf_reserve(shelf, &key, N, &visit);

    cr_assert_null(shelf_find(shelf, &key, &visit));
    shelf_unpin(shelf, entry);
    cr_assert_eq(shelf_read(shelf).bytes, 0);
    shelf_free(shelf);
}
