/*
 * request.c - the three ways in, made one.
 *
 * cJSON documents are owned by request->config from the moment they are parsed, so
 * that request_release frees them whatever fails later.
 */
#include "api/request.h"

#include <stdio.h>
#include <string.h>

#include "api/config.h"
#include "api/fixed_limit.h"
#include "api/header.h"
#include "api/json.h"
#include "api/multipart.h"
#include "api/nearest.h"
#include "api/request_json.h"

static bool raw_type(const struct bytes *type)
{
    static const char *const names[] = {"application/octet-stream",
                                        "application/x-www-form-urlencoded", NULL};
    const struct bytes start = {type->data, type->size < 6 ? type->size : 6};

    if (type->size == 0 || header_equal(&start, "image/"))
        return true;
    for (const char *const *name = names; *name; name++)
        if (header_equal(type, *name))
            return true;
    return false;
}

/* A body that is the image itself. No bytes at all, where the type does not promise
 * any, are no image. */
static bool read_raw(struct request_reader *r, const struct bytes *type)
{
    const bool silent =
        type->size == 0 || (type->data[0] | 32) == 'a'; /* application */

    if (r->body.size == 0 && silent && !header_equal(type, "application/octet-stream"))
        return true;
    if (!(r->parts & PART_IMAGE))
        return error_option(r->err, ERROR_PART_UNKNOWN, "image",
                            "this path takes no image");
    r->request->image = r->body;
    return true;
}

/* The names of parts, then those of options. */
static const char *const part_names[] = {"image", "file", "config", "weights"};
enum { N_PART_NAMES = sizeof part_names / sizeof *part_names };

static const char *part_at(const void *context, size_t i)
{
    return i < N_PART_NAMES ? part_names[i]
                            : options_row(context, i - N_PART_NAMES).name;
}

static bool unknown_part(struct request_reader *r, const char *name)
{
    char hint[NEAREST_TEXT_SIZE];

    return error_option(
        r->err, ERROR_PART_UNKNOWN, name, "%.64s is not a part or an option%s", name,
        nearest_hint(nearest_name(name, part_at, &r->request->options), hint));
}

/* True if the part may stand here, for the first time. */
static bool check_part(struct request_reader *r, const char *name, unsigned which)
{
    if (!(r->parts & which))
        return error_option(r->err, ERROR_PART_UNKNOWN, name, "this path takes no %s",
                            name);
    if (r->seen & which)
        return error_option(r->err, ERROR_PART_DUPLICATE, name, "%s is given twice",
                            name);
    r->seen |= which;
    return true;
}

/* True for what is left of a file's name where the @ before it was forgotten. */
static bool is_file_name(const struct bytes *text)
{
    static const char extension[] = ".json";
    const size_t n = sizeof extension - 1;

    return text->size > n && text->size <= 80 && text->data[0] != '"' &&
           !memchr(text->data, '\n', text->size) &&
           memcmp(text->data + text->size - n, extension, n) == 0;
}

static bool read_config(struct request_reader *r, const struct bytes *text)
{
    if (is_file_name(text)) {
        error_at(
            r->err, ERROR_JSON_MALFORMED, "",
            "config is the text '%.*s', no JSON; to send a file write config=@%.*s "
            "(curl -F)",
            (int)text->size, text->data, (int)text->size, text->data);
        error_place(r->err, 1, 1);
        return false;
    }
    r->request->config = request_parse(r, "config", text, NULL);
    return r->request->config && request_take_options(r, "", ERROR_CONFIG_INVALID);
}

static bool read_option(struct request_reader *r, const struct part *part)
{
    const char *text;

    if (part->data.size > REQUEST_MAX_OPTION) {
        error_option(r->err, ERROR_OPTION_INVALID, part->name,
                     "%s has %zu bytes; an option has at most %d", part->name,
                     part->data.size, REQUEST_MAX_OPTION);
        return fixed_limit_error(r->err, FIXED_LIMIT_OPTION_BYTES,
                                 (double)part->data.size);
    }
    if (memchr(part->data.data, 0, part->data.size))
        return error_option(r->err, ERROR_OPTION_INVALID, part->name,
                            "%s has a zero byte in it", part->name);
    text = arena_copy(r->arena, part->data.data, part->data.size);
    if (!text)
        return json_no_memory("the form", r->err);
    return options_set_text(&r->request->options, part->name, text, r->arena, r->err);
}

static bool read_part(struct request_reader *r, const struct part *part)
{
    if (strcmp(part->name, "image") == 0 || strcmp(part->name, "file") == 0) {
        r->request->image = part->data;
        return check_part(r, "image", PART_IMAGE);
    }
    if (strcmp(part->name, "config") == 0)
        return check_part(r, "config", PART_CONFIG) && read_config(r, &part->data);
    if (strcmp(part->name, "weights") == 0) {
        r->request->weights_file = part->data;
        r->request->has_weights = true;
        return check_part(r, "weights", PART_WEIGHTS);
    }
    if (options_find(&r->request->options, part->name) == OPTION_TOTAL)
        return unknown_part(r, part->name);
    return read_option(r, part);
}

static bool read_form(struct request_reader *r, const char *content_type)
{
    struct multipart form;

    if (!multipart_read(&form, content_type, &r->body, r->arena, r->err))
        return false;
    for (size_t i = 0; i < form.n; i++)
        if (!read_part(r, &form.parts[i]))
            return false;
    return true;
}

static struct bytes type_of(const char *content_type)
{
    const struct bytes value = {(const unsigned char *)content_type,
                                strlen(content_type)};

    return header_word(&value);
}

bool api_takes_type(const char *content_type, struct error *err)
{
    const struct bytes type = type_of(content_type ? content_type : "");

    if (raw_type(&type) || header_equal(&type, "application/json") ||
        multipart_accepts(content_type))
        return true;
    return error_set(err, ERROR_MEDIA_TYPE_UNSUPPORTED,
                     "Content-Type '%.*s' is not accepted: send multipart/form-data, "
                     "application/json, or an image as the body",
                     type.size < 64 ? (int)type.size : 64, type.data);
}

static bool read_body(struct request_reader *r, const struct api_request *from)
{
    const char *content_type = from->content_type ? from->content_type : "";
    const struct bytes type = type_of(content_type);

    if (r->body.size == 0 && strcmp(from->method, "POST") != 0)
        return true; /* a GET may have a type and still no body */
    if (multipart_accepts(content_type))
        return read_form(r, content_type);
    if (header_equal(&type, "application/json"))
        return request_read_json(r);
    return api_takes_type(content_type, r->err) && read_raw(r, &type);
}

bool request_read(struct request *request, const struct api_request *from,
                  unsigned parts, const enum option_id *accepted,
                  const struct limits *limits, struct arena *arena, struct error *err)
{
    static const unsigned char nothing[1];
    struct request_reader r = {.request = request,
                               .parts = parts,
                               .limits = limits,
                               .arena = arena,
                               .err = err};

    *request = (struct request){.config_pointer = ""};
    options_init(&request->options);
    request->options.accepted = accepted;
    r.body = (struct bytes){from->body ? from->body : nothing, from->body_size};
    return options_set_query(&request->options, from->query, arena, err) &&
           read_body(&r, from);
}

void request_release(struct request *request)
{
    cJSON_Delete(request->config);
    request->config = NULL;
}

void request_show_values(const struct request *request, struct error *err)
{
    const char *const document = request->config_pointer;
    const size_t n = document ? strlen(document) : 0; /* NULL: nothing was read */

    options_show_values(&request->options, err);
    for (size_t i = 0; i < err->n_items && i < ERROR_MAX_ITEMS; i++) {
        struct error_item *item = &err->items[i];
        const cJSON *at = NULL;
        if (document && !item->value[0] && !item->parameter[0] &&
            strncmp(item->pointer, document, n) == 0)
            at = json_at(request->config, item->pointer + n);
        if (at)
            json_show(at, item->value);
    }
}
