/* kernels.c - the choice of the table for this CPU. */
#include "engine/kernels.h"

#include <stdbool.h>
#include <string.h>

#define DECLARE(isa, usable) extern const struct kernels kernels_##isa;
FOR_EACH_ISA(DECLARE)
#undef DECLARE

static const struct kernels *const tables[] = {
#define POINT(isa, usable) &kernels_##isa,
    FOR_EACH_ISA(POINT)
#undef POINT
};

enum { N_TABLES = sizeof tables / sizeof *tables };

static bool usable(size_t i)
{
    const bool has[] = {
#define TEST(isa, test) (test) != 0,
        FOR_EACH_ISA(TEST)
#undef TEST
    };
    return has[i];
}

const char *kernels_name(size_t i)
{
    return i < N_TABLES ? tables[i]->name : NULL;
}

const struct kernels *kernels_nth(size_t n)
{
    for (size_t i = 0; i < N_TABLES; i++)
        if (usable(i) && n-- == 0)
            return tables[i];
    return NULL;
}

const struct kernels *kernels_find(const char *name)
{
    for (size_t i = N_TABLES; i-- > 0;)
        if (usable(i) && (!name || strcmp(name, tables[i]->name) == 0))
            return tables[i];
    return NULL;
}
