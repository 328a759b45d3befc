/* test_arena.c - memory that is released all at once. */
#include "tests/unit/check.h"

#include "engine/arena.h"

Test(arena, memory_is_aligned_and_zeroed_even_when_used_before)
{
    struct arena arena;

    cr_assert(arena_init(&arena, 1 << 20));
    for (int round = 0; round < 3; round++) {
        for (size_t n = 1; n < 2000; n = n * 3 + 1) {
            unsigned char *p = arena_alloc(&arena, n, 1);
            cr_assert_eq((uintptr_t)p % ARENA_ALIGN, 0);
            for (size_t i = 0; i < n; i++)
                cr_assert_eq(p[i], 0);
            memset(p, 0xff, n);
        }
        arena_reset(&arena, 1 << 20);
    }
    arena_release(&arena);
}

Test(arena, the_budget_holds)
{
    struct arena arena;

    cr_assert(arena_init(&arena, 1 << 20));
    arena_reset(&arena, 4096);
    cr_assert_null(arena_alloc(&arena, 4097, 1));
    cr_assert_null(arena_alloc(&arena, SIZE_MAX, 1));
    cr_assert_null(arena_alloc(&arena, SIZE_MAX / 2, 3));
    cr_assert_null(arena_copy(&arena, "", SIZE_MAX));
    cr_assert_not_null(arena_alloc(&arena, 1000, 1));
    cr_assert_leq(arena.peak, 4096);
    arena_reset(&arena, SIZE_MAX);
    cr_assert_eq(arena.budget, arena.reserved);
    arena_release(&arena);
}

Test(arena, text_is_copied_and_printed)
{
    struct arena arena;

    cr_assert(arena_init(&arena, 1 << 20));
    cr_assert_str_eq(arena_copy(&arena, "abcdef", 3), "abc");
    cr_assert_str_eq(arena_print(&arena, "%d-%s", 7, "x"), "7-x");
    arena_release(&arena);
}

Test(arena, rewinding_frees_what_came_after)
{
    struct arena arena;

    cr_assert(arena_init(&arena, 1 << 20));
    void *kept = arena_take(&arena, 100, 1);
    const size_t mark = arena.used;
    void *first = arena_take(&arena, 100, 1);
    arena_rewind(&arena, mark);
    cr_assert_eq(arena_take(&arena, 100, 1), first);
    cr_assert_neq(kept, first);
    arena_release(&arena);
}

/* Pages of a large request return to the system: they read as zero after a reset. */
Test(arena, large_memory_goes_back)
{
    const size_t size = 64 << 20;
    struct arena arena;

    cr_assert(arena_init(&arena, size));
    char *p = arena_take(&arena, size / 2, 1);
    memset(p, 1, size / 2);
    arena_reset(&arena, size);
    cr_assert_lt(arena.dirty, size / 2);
    p = arena_alloc(&arena, size / 2, 1);
    for (size_t i = 0; i < size / 2; i += 999)
        cr_assert_eq(p[i], 0);
    arena_release(&arena);
}

Test(arena, a_limit_holds_until_the_reset_and_only_lowers)
{
    struct arena arena;

    cr_assert(arena_init(&arena, 1 << 20));
    cr_assert(arena_take(&arena, 1000, 1));
    arena_limit(&arena, 4096);
    arena_limit(&arena, 1 << 19);
    cr_assert_null(arena_take(&arena, 4096, 1));
    cr_assert(arena_take(&arena, 2048, 1));
    arena_limit(&arena, 0); /* what is used stays */
    cr_assert_null(arena_take(&arena, 64, 1));
    arena_reset(&arena, 1 << 20);
    cr_assert(arena_take(&arena, 1 << 19, 1));
    arena_release(&arena);
}
