/* problem.c - failures as problem documents (RFC 9457). */
#include "api/api.h"

#include <string.h>

#include "api/buffer.h"

static void member(struct buffer *out, const char *name, const char *value)
{
    buffer_json_string(out, name);
    buffer_text(out, ":");
    buffer_json_string(out, value);
}

static void write_place(struct buffer *out, const struct error_item *item)
{
    if (item->line)
        buffer_print(out, ",\"line\":%zu,\"column\":%zu", item->line, item->column);
}

static void write_item(struct buffer *out, const struct error_item *item)
{
    buffer_text(out, "{");
    if (item->parameter[0])
        member(out, "parameter", item->parameter);
    else
        member(out, "pointer", item->pointer);
    buffer_text(out, ",");
    member(out, "detail", item->detail);
    if (item->value[0])
        buffer_print(out, ",\"value\":%s", item->value);
    write_place(out, item);
    buffer_text(out, "}");
}

static void write_limit(struct buffer *out, const struct error_limit *limit)
{
    buffer_text(out, ",\"limit\":{");
    member(out, "name", limit->name);
    buffer_text(out, ",\"max\":");
    buffer_json_number(out, limit->max);
    buffer_text(out, ",\"actual\":");
    buffer_json_number(out, limit->actual);
    if (limit->env) { /* a few limits are fixed */
        buffer_text(out, ",");
        member(out, "env", limit->env);
    }
    buffer_text(out, "}");
}

static void write_problem(struct buffer *out, const struct error *err, const char *id)
{
    const size_t kept = err->n_items < ERROR_MAX_ITEMS ? err->n_items : ERROR_MAX_ITEMS;

    buffer_print(out, "{\"type\":\"/problems/%s\",", error_code_name(err->code));
    member(out, "title", error_code_title(err->code));
    buffer_print(out, ",\"status\":%d,", error_code_status(err->code));
    member(out, "detail", err->detail);
    buffer_print(out, ",\"instance\":\"urn:request:%s\",\"code\":\"%s\",", id,
                 error_code_name(err->code));
    member(out, "request_id", id);
    buffer_text(out, ",\"errors\":[");
    for (size_t i = 0; i < kept; i++) {
        if (i)
            buffer_text(out, ",");
        write_item(out, &err->items[i]);
    }
    buffer_text(out, "],");
    if (err->n_items > kept)
        buffer_print(out, "\"errors_omitted\":%zu,", err->n_items - kept);
    member(out, "error", err->detail);
    if (kept)
        write_place(out, &err->items[0]);
    if (err->limit.name)
        write_limit(out, &err->limit);
    buffer_text(out, "}\n");
}

void api_problem(const struct error *err, const char *request_id,
                 struct api_reply *reply)
{
    struct buffer body;

    *reply =
        (struct api_reply){.status = error_code_status(err->code), .error = err->code};
    api_reply_header(reply, "X-Error-Code", "%s", error_code_name(err->code));
    if (err->retry_after > 0)
        api_reply_header(reply, "Retry-After", "%d", err->retry_after);

    buffer_init(&body, 1 << 20);
    write_problem(&body, err, request_id);
    if (body.failed) { /* no memory: status and headers still tell */
        buffer_release(&body);
        return;
    }
    reply->content_type = "application/problem+json";
    reply->body = body.bytes;
    reply->body_size = body.size;
}
