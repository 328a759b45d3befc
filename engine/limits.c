/* limits.c - every limit that a request can meet. */
#include "engine/limits.h"

#include <stdio.h>

const struct limits limits_default = {
#define DEFAULT(field, name, value, what) .field = value,
    FOR_EACH_LIMIT(DEFAULT)
#undef DEFAULT
};

static const struct limit_row rows[] = {
#define ROW(field, name, value, what)                                                  \
    {#field, "CONVSCOPE_" #name, what, offsetof(struct limits, field)},
    FOR_EACH_LIMIT(ROW)
#undef ROW
};

enum { N_ROWS = sizeof rows / sizeof *rows };

const struct limit_row *limits_row(size_t i)
{
    return i < N_ROWS ? &rows[i] : NULL;
}

static double value_at(const struct limits *limits, size_t offset)
{
    return *(const double *)((const char *)limits + offset);
}

bool limit_check(const struct limits *limits, size_t offset, double actual,
                 enum error_code code, struct error *err, const char *format, ...)
{
    const double max = value_at(limits, offset);
    char detail[ERROR_DETAIL_SIZE];
    va_list args;

    if (actual <= max)
        return true;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);

    const struct limit_row *row = rows;
    while (row->offset != offset)
        row++;
    error_set(err, code, "%s; the limit is %.15g (%s)", detail, max, row->env);
    return error_limit(err, row->name, row->env, max, actual);
}
