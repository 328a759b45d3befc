/* json.c - JSON documents, read strictly. */
#include "api/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/buffer.h"

/* The text with every blob replaced by its number. */
static bool cut_out(const struct bytes *text, const struct json_blobs *blobs,
                    struct arena *arena, struct bytes *rest)
{
    enum { DIGITS = 8 };
    size_t size = text->size + 1, n = 0;
    const unsigned char *from = text->data;

    for (size_t i = 0; i < blobs->n; i++)
        size = size - blobs->items[i].size + DIGITS;
    char *out = arena_take(arena, size, 1);
    if (!out)
        return false;
    for (size_t i = 0; i < blobs->n; i++) {
        const struct bytes *blob = &blobs->items[i];
        const size_t before = (size_t)(blob->data - from);
        memcpy(out + n, from, before);
        n += before;
        n += (size_t)snprintf(out + n, size - n, "%zu", i);
        from = blob->data + blob->size;
    }
    const size_t after = (size_t)(text->data + text->size - from);
    memcpy(out + n, from, after);
    *rest = (struct bytes){(unsigned char *)out, n + after};
    return true;
}

cJSON *json_parse(const char *what, const struct bytes *text, struct json_blobs *blobs,
                  const struct limits *limits, struct arena *arena, struct error *err)
{
    struct bytes rest = *text;

    if (!json_scan(what, text, blobs, limits, arena, err))
        return NULL;

    const size_t mark = arena->used;
    if (blobs && !cut_out(text, blobs, arena, &rest)) {
        json_no_memory(what, err);
        return NULL;
    }
    cJSON *json = cJSON_ParseWithLength((const char *)rest.data, rest.size);
    arena_rewind(arena, mark);
    if (!json) /* it passed the scan: nothing else can be wrong */
        error_set(err, ERROR_MEMORY_PRESSURE, "no memory to read %s", what);
    return json;
}

const struct bytes *json_blob(const struct json_blobs *blobs, const cJSON *item)
{
    const char *number = json_string(item);

    return number ? &blobs->items[strtoul(number, NULL, 10)] : NULL;
}

const cJSON *json_member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

bool json_number(const cJSON *item, double *value)
{
    if (!cJSON_IsNumber(item))
        return false;
    *value = item->valuedouble;
    return isfinite(*value);
}

bool json_integer(const cJSON *item, double *value)
{
    return json_number(item, value) && *value == trunc(*value);
}

bool json_boolean(const cJSON *item, bool *value)
{
    *value = cJSON_IsTrue(item);
    return cJSON_IsBool(item);
}

const char *json_string(const cJSON *item)
{
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

const char *json_kind(const cJSON *item)
{
    if (cJSON_IsObject(item))
        return "an object";
    if (cJSON_IsArray(item))
        return "an array";
    if (cJSON_IsString(item))
        return "a string";
    if (cJSON_IsNumber(item))
        return "a number";
    if (cJSON_IsNull(item))
        return "null";
    return cJSON_IsTrue(item) ? "true" : "false";
}

char *json_text(const cJSON *item, struct arena *arena)
{
    char *text = cJSON_PrintUnformatted(item);
    char *copy = text ? arena_copy(arena, text, strlen(text)) : NULL;

    cJSON_free(text);
    return copy;
}

const char *json_pointer(const char *pointer, const char *key, char *text)
{
    size_t n = (size_t)snprintf(text, JSON_POINTER_SIZE, "%s/", pointer);

    for (; *key && n + 3 < JSON_POINTER_SIZE; key++) {
        if (*key == '~' || *key == '/') {
            text[n++] = '~';
            text[n++] = *key == '~' ? '0' : '1';
        } else {
            text[n++] = *key;
        }
    }
    if (n < JSON_POINTER_SIZE)
        text[n] = '\0';
    return text;
}

const cJSON *json_at(const cJSON *root, const char *pointer)
{
    while (root && *pointer == '/') {
        char key[JSON_POINTER_SIZE];
        size_t n = 0;
        for (pointer++; *pointer && *pointer != '/' && n + 1 < sizeof key; pointer++) {
            const bool escape = *pointer == '~' && pointer[1];
            key[n++] = !escape ? *pointer : *++pointer == '1' ? '/' : '~';
        }
        key[n] = '\0';
        const bool index = n > 0 && n < 9 && strspn(key, "0123456789") == n;
        if (!cJSON_IsArray(root))
            root = json_member(root, key);
        else
            root = index ? cJSON_GetArrayItem(root, (int)strtol(key, NULL, 10)) : NULL;
    }
    return *pointer ? NULL : root;
}

bool json_enough(const struct error *err)
{
    return err->n_items >= ERROR_MAX_ITEMS;
}

const char *json_show(const cJSON *item, char shown[JSON_SHOWN_SIZE])
{
    cJSON copy = *item; /* cJSON prints only what is not const */

    if (cJSON_IsString(item))
        return json_show_text(item->valuestring, shown);
    if (!cJSON_PrintPreallocated(&copy, shown, JSON_SHOWN_SIZE, false))
        shown[0] = '\0';
    return shown;
}

const char *json_show_text(const char *text, char shown[JSON_SHOWN_SIZE])
{
    enum { KEPT = 60 };
    char cut[KEPT + sizeof "..."];
    struct buffer value;
    size_t n = strlen(text);
    const bool whole = n <= KEPT;

    for (n = whole ? n : KEPT; !whole && n > 0 && (text[n] & 0xc0) == 0x80;)
        n--; /* not inside a character */
    snprintf(cut, sizeof cut, "%.*s%s", (int)n, text, whole ? "" : "...");
    buffer_init(&value, JSON_SHOWN_SIZE - 1);
    buffer_json_string(&value, cut); /* the text may be any bytes: an option's */
    snprintf(shown, JSON_SHOWN_SIZE, "%.*s", value.failed ? 0 : (int)value.size,
             (const char *)value.bytes);
    buffer_release(&value);
    return shown;
}

void json_error_value(struct error *err, const cJSON *item)
{
    char shown[JSON_SHOWN_SIZE];

    error_value(err, "%s", json_show(item, shown));
}

void json_error_text(struct error *err, const char *text)
{
    char shown[JSON_SHOWN_SIZE];

    error_value(err, "%s", json_show_text(text, shown));
}
