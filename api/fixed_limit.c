/* fixed_limit.c - the limits that no setting moves. */
#include "api/fixed_limit.h"

#include "api/config_layer.h"
#include "api/image.h"
#include "api/json_scan.h"
#include "api/multipart.h"
#include "api/request.h"

static const struct fixed_limit_row rows[] = {
#define ROW(id, name, constant, what) {name, what, constant},
    FOR_EACH_FIXED_LIMIT(ROW)
#undef ROW
};

enum { N_ROWS = sizeof rows / sizeof *rows };

const struct fixed_limit_row *fixed_limit_row(size_t i)
{
    return i < N_ROWS ? &rows[i] : NULL;
}

bool fixed_limit_error(struct error *err, enum fixed_limit limit, double actual)
{
    return error_limit(err, rows[limit].name, NULL, rows[limit].max, actual);
}
