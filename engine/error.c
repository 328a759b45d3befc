/* error.c - every kind of failure that a client may be told of. */
#include "engine/error.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *title;
    int status;
} rows[ERROR_COUNT] = {[ERROR_NONE] = {"none", "No error", 200},
#define ROW(name, code, status, title) [ERROR_##name] = {#code, title, status},
                       FOR_EACH_ERROR(ROW)
#undef ROW
};

const char *error_code_name(enum error_code code)
{
    return rows[code].name;
}

int error_code_status(enum error_code code)
{
    return rows[code].status;
}

const char *error_code_title(enum error_code code)
{
    return rows[code].title;
}

/* The buffers inside are terminated strings: clearing their first bytes is enough,
 * and cheaper than 20 KB of zeros a request. */
void error_init(struct error *err)
{
    err->code = ERROR_NONE;
    err->detail[0] = '\0';
    err->n_items = 0;
    err->limit = (struct error_limit){0};
    err->retry_after = 0;
}

/* The first failure gives the whole its code and detail. */
static void record(struct error *err, enum error_code code, const char *detail)
{
    if (err->code != ERROR_NONE)
        return;
    err->code = code;
    snprintf(err->detail, sizeof err->detail, "%s", detail);
}

/* A new item, or NULL if there is no room: then it is only counted. */
static struct error_item *add_item(struct error *err)
{
    const size_t i = err->n_items++;

    if (i >= ERROR_MAX_ITEMS)
        return NULL;
    struct error_item *item = &err->items[i];
    item->pointer[0] = item->parameter[0] = item->detail[0] = item->value[0] = '\0';
    item->line = item->column = 0;
    return item;
}

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
    char detail[ERROR_DETAIL_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    record(err, code, detail);
    return false;
}

/* One of pointer and parameter is "". */
static void fill_item(struct error *err, const char *pointer, const char *parameter,
                      const char *detail)
{
    struct error_item *item = add_item(err);

    if (item) {
        snprintf(item->pointer, sizeof item->pointer, "%s", pointer);
        snprintf(item->parameter, sizeof item->parameter, "%s", parameter);
        snprintf(item->detail, sizeof item->detail, "%s", detail);
    }
}

static void record_item(struct error *err, enum error_code code, const char *pointer,
                        const char *parameter, const char *format, va_list args)
{
    char detail[ERROR_DETAIL_SIZE];

    vsnprintf(detail, sizeof detail, format, args);
    record(err, code, detail);
    fill_item(err, pointer, parameter, detail);
}

bool error_at(struct error *err, enum error_code code, const char *pointer,
              const char *format, ...)
{
    va_list args;

    va_start(args, format);
    record_item(err, code, pointer, "", format, args);
    va_end(args);
    return false;
}

bool error_option(struct error *err, enum error_code code, const char *parameter,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    record_item(err, code, "", parameter, format, args);
    va_end(args);
    return false;
}

/* The item recorded last; NULL if there is none, or it is only counted. */
static struct error_item *last_item(struct error *err)
{
    if (err->n_items == 0 || err->n_items > ERROR_MAX_ITEMS)
        return NULL;
    return &err->items[err->n_items - 1];
}

void error_value(struct error *err, const char *format, ...)
{
    struct error_item *item = last_item(err);
    va_list args;

    if (!item)
        return;
    va_start(args, format);
    const int n = vsnprintf(item->value, sizeof item->value, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof item->value)
        item->value[0] = '\0'; /* half a JSON value is worse than none */
}

void error_place(struct error *err, size_t line, size_t column)
{
    struct error_item *item = last_item(err);

    if (!item)
        return;
    item->line = line;
    item->column = column;
}

bool error_blame(struct error *err, const char *pointer, const char *parameter)
{
    fill_item(err, pointer ? pointer : "", parameter ? parameter : "", err->detail);
    return false;
}

bool error_limit(struct error *err, const char *name, const char *env, double max,
                 double actual)
{
    if (!err->limit.name)
        err->limit = (struct error_limit){name, env, max, actual};
    return false;
}

bool error_take(struct error *err, enum error_code code, const char *parameter,
                const struct error *found)
{
    const struct error_limit *limit = &found->limit;

    error_option(err, code, parameter, "%s", found->detail);
    if (found->n_items)
        error_place(err, found->items[0].line, found->items[0].column);
    return limit->name
               ? error_limit(err, limit->name, limit->env, limit->max, limit->actual)
               : false;
}
