/*
 * multipart.c - multipart/form-data, read strictly from a whole body.
 *
 * The reader stands at the start of a delimiter line, reads the line, the headers up
 * to the empty line, and then searches the next "CRLF--boundary" that is a whole line.
 */
#include "api/multipart.h"

#include <string.h>

#include "api/fixed_limit.h"
#include "api/header.h"

struct reader {
    struct bytes body;
    size_t at;
    char delimiter[4 + MULTIPART_MAX_BOUNDARY + 1]; /* CRLF, "--", the boundary */
    size_t delimiter_size;
    struct multipart *form;
    struct arena *arena;
    struct error *err;
};

static const char media_type[] = "multipart/form-data";

static bool malformed(struct reader *r, size_t at, const char *what)
{
    return error_set(r->err, ERROR_MULTIPART_MALFORMED, "%s at byte %zu of the body",
                     what, at);
}

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const unsigned char *)text, strlen(text)};
}

bool multipart_accepts(const char *content_type)
{
    const struct bytes value = text_bytes(content_type), word = header_word(&value);

    return header_equal(&word, media_type);
}

static bool is_boundary(const struct bytes *text)
{
    if (text->size < 1 || text->size > MULTIPART_MAX_BOUNDARY)
        return false;
    for (size_t i = 0; i < text->size; i++) {
        const unsigned char c = text->data[i];
        const bool alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alphanumeric && (!c || !strchr("'()+_,-./:=? ", c)))
            return false;
    }
    return text->data[text->size - 1] != ' ';
}

static bool read_boundary(struct reader *r, const char *content_type)
{
    const struct bytes value = text_bytes(content_type), word = header_word(&value);
    size_t at = (size_t)(word.data + word.size - value.data);
    struct header_parameter parameter;
    struct bytes boundary = {0};

    do {
        if (!header_next(&value, &at, &parameter))
            return error_set(r->err, ERROR_MULTIPART_MALFORMED,
                             "the parameters of Content-Type are malformed");
        if (!parameter.name.data || !header_equal(&parameter.name, "boundary"))
            continue;
        if (boundary.data)
            return error_set(r->err, ERROR_MULTIPART_MALFORMED,
                             "Content-Type names two boundaries");
        boundary = parameter.value;
    } while (parameter.name.data);

    if (!boundary.data)
        return error_set(r->err, ERROR_MULTIPART_MALFORMED,
                         "Content-Type names no boundary");
    if (!is_boundary(&boundary))
        return error_set(r->err, ERROR_MULTIPART_MALFORMED,
                         "the boundary must have 1 to %d legal characters",
                         MULTIPART_MAX_BOUNDARY);
    memcpy(r->delimiter, "\r\n--", 4);
    memcpy(r->delimiter + 4, boundary.data, boundary.size);
    r->delimiter_size = 4 + boundary.size;
    return true;
}

/* The first place of the needle in body from `at` on, or NULL. */
static const unsigned char *search(const struct reader *r, size_t at,
                                   const char *needle, size_t n)
{
    const unsigned char *from = r->body.data + at, *end = r->body.data + r->body.size;

    while ((size_t)(end - from) >= n) {
        from = memchr(from, needle[0], (size_t)(end - from) - n + 1);
        if (!from || memcmp(from, needle, n) == 0)
            return from;
        from++;
    }
    return NULL;
}

static bool starts(const struct reader *r, size_t at, const char *text, size_t n)
{
    return r->body.size - at >= n && memcmp(r->body.data + at, text, n) == 0;
}

/* What follows the boundary at `at`: the offset of the next line, 0 if this is no
 * delimiter line. A final delimiter may end the body without a line end. */
static size_t delimiter_end(const struct reader *r, size_t at, bool *final)
{
    *final = starts(r, at, "--", 2);
    if (*final)
        at += 2;
    while (at < r->body.size && (r->body.data[at] == ' ' || r->body.data[at] == '\t'))
        at++;
    if (starts(r, at, "\r\n", 2))
        return at + 2;
    return *final && at == r->body.size ? at : 0;
}

/* Find the next delimiter line. *start is where its CRLF begins, *next the line after
 * it. */
static bool find_delimiter(const struct reader *r, size_t *start, size_t *next,
                           bool *final)
{
    size_t at = r->at;

    for (;;) {
        const unsigned char *hit = search(r, at, r->delimiter, r->delimiter_size);
        if (!hit)
            return false;
        *start = (size_t)(hit - r->body.data);
        *next = delimiter_end(r, *start + r->delimiter_size, final);
        if (*next)
            return true;
        at = *start + 2;
    }
}

/* Why there is no delimiter from here on. */
static bool missing_delimiter(struct reader *r, const char *what)
{
    const char *bare = r->delimiter + 1; /* "\n--boundary" */
    const size_t n = r->delimiter_size - 1;
    const unsigned char *hit = search(r, r->at, bare, n);
    const bool first = r->at == 0 && starts(r, 0, bare + 1, n - 1);
    const size_t after = first ? n - 1 : hit ? (size_t)(hit - r->body.data) + n : 0;

    if (after && starts(r, after, "\n", 1))
        return malformed(r, after,
                         "lines must end with CRLF, but one ends with LF alone");
    return malformed(r, r->body.size, what);
}

/* Move to the first part: the delimiter may open the body, or follow a preamble. */
static bool skip_preamble(struct reader *r, bool *final)
{
    const size_t n = r->delimiter_size - 2;
    size_t start, next = 0;

    if (starts(r, 0, r->delimiter + 2, n))
        next = delimiter_end(r, n, final);
    if (!next) {
        if (!find_delimiter(r, &start, &next, final))
            return missing_delimiter(r,
                                     "no delimiter line of the boundary up to the end");
        if (*final)
            return malformed(r, start, "a final delimiter before any part");
    }
    r->at = next;
    return true;
}

/* One header line without its CRLF; an empty one ends the headers. */
static bool read_line(struct reader *r, size_t first, struct bytes *line)
{
    const size_t start = r->at;
    size_t at = start;

    for (; at < r->body.size && r->body.data[at] != '\r'; at++) {
        const unsigned char c = r->body.data[at];
        if (c == '\n')
            return malformed(r, at,
                             "lines must end with CRLF, but one ends with LF alone");
        if ((c < ' ' && c != '\t') || c == 127)
            return malformed(r, at, "control character in a part's headers");
        if (at - first >= MULTIPART_MAX_HEADERS)
            return malformed(r, at, "the headers of a part are too long");
    }
    if (r->body.size - at < 2)
        return malformed(r, r->body.size,
                         "the body ends inside the headers of a part,");
    if (r->body.data[at + 1] != '\n')
        return malformed(r, at, "CR without LF in a part's headers");
    *line = (struct bytes){r->body.data + start, at - start};
    r->at = at + 2;
    return true;
}

/* Undo \" and \\ of a quoted string, and the %22 that browsers write for a quote. */
static char *unescape(struct reader *r, const struct header_parameter *parameter)
{
    const struct bytes *value = &parameter->value;
    char *out = arena_take(r->arena, value->size + 1, 1);
    size_t n = 0;

    for (size_t i = 0; out && i < value->size; i++) {
        const unsigned char c = value->data[i], *rest = value->data + i;
        if (parameter->quoted && c == '\\' && i + 1 < value->size &&
            (rest[1] == '"' || rest[1] == '\\')) {
            out[n++] = (char)rest[1];
            i++;
        } else if (value->size - i >= 3 && memcmp(rest, "%22", 3) == 0) {
            out[n++] = '"';
            i += 2;
        } else {
            out[n++] = (char)c;
        }
    }
    if (out)
        out[n] = '\0';
    return out;
}

static bool read_name(struct reader *r, size_t at, struct part *part,
                      const struct header_parameter *parameter)
{
    if (part->name)
        return malformed(r, at, "a part with two names");
    if (parameter->value.size == 0)
        return malformed(r, at, "a part with an empty name");
    if (parameter->value.size > MULTIPART_MAX_NAME)
        return malformed(r, at, "a part with too long a name");
    part->name = unescape(r, parameter);
    return part->name || error_set(r->err, ERROR_PLAN_TOO_LARGE,
                                   "the form does not fit the memory of a request");
}

/* Content-Disposition: form-data; name="..."; filename="..." */
static bool read_disposition(struct reader *r, size_t at, struct part *part,
                             const struct bytes *value)
{
    const struct bytes word = header_word(value);
    size_t next = (size_t)(word.data + word.size - value->data);
    struct header_parameter parameter;

    if (!header_equal(&word, "form-data"))
        return malformed(r, at, "Content-Disposition is not form-data");
    if (part->name)
        return malformed(r, at, "a second Content-Disposition");
    for (;;) {
        if (!header_next(value, &next, &parameter))
            return malformed(r, at, "malformed Content-Disposition");
        if (!parameter.name.data)
            break;
        if (header_equal(&parameter.name, "filename") ||
            header_equal(&parameter.name, "filename*"))
            part->is_file = true;
        if (header_equal(&parameter.name, "name") &&
            !read_name(r, at, part, &parameter))
            return false;
    }
    return part->name || malformed(r, at, "a part without a name");
}

static bool read_encoding(struct reader *r, size_t at, const struct bytes *value)
{
    static const char *const harmless[] = {"7bit", "8bit", "binary", NULL};
    const struct bytes word = header_word(value);

    for (const char *const *name = harmless; *name; name++)
        if (header_equal(&word, *name))
            return true;
    return malformed(r, at,
                     "a Content-Transfer-Encoding, which forms do not use (RFC 7578),");
}

static bool read_content_type(struct reader *r, size_t at, struct part *part,
                              const struct bytes *value)
{
    const struct bytes word = header_word(value);
    const struct bytes start = {word.data, word.size < 10 ? word.size : 10};

    if (header_equal(&start, "multipart/"))
        return malformed(r, at, "a multipart inside a part, which is not accepted,");
    if (part->content_type)
        return malformed(r, at, "a second Content-Type of a part");
    part->content_type = arena_copy(r->arena, value->data, value->size);
    return part->content_type ||
           error_set(r->err, ERROR_PLAN_TOO_LARGE,
                     "the form does not fit the memory of a request");
}

static bool read_header(struct reader *r, size_t at, struct part *part,
                        const struct bytes *line)
{
    size_t n = 0;

    while (n < line->size && header_is_token(line->data[n]))
        n++;
    if (n == 0 || n == line->size || line->data[n] != ':')
        return malformed(r, at, "a malformed header of a part");
    const struct bytes name = {line->data, n};
    struct bytes value = {line->data + n + 1, line->size - n - 1};
    while (value.size && (*value.data == ' ' || *value.data == '\t')) {
        value.data++;
        value.size--;
    }
    if (header_equal(&name, "Content-Disposition"))
        return read_disposition(r, at, part, &value);
    if (header_equal(&name, "Content-Type"))
        return read_content_type(r, at, part, &value);
    if (header_equal(&name, "Content-Transfer-Encoding"))
        return read_encoding(r, at, &value);
    return true; /* others mean nothing here (RFC 7578, section 4.8) */
}

static bool read_headers(struct reader *r, struct part *part)
{
    const size_t first = r->at;
    struct bytes line;

    for (;;) {
        const size_t at = r->at;
        if (!read_line(r, first, &line))
            return false;
        if (line.size == 0)
            return part->name ||
                   malformed(r, first, "a part without Content-Disposition");
        if (!read_header(r, at, part, &line))
            return false;
    }
}

static bool read_part(struct reader *r, bool *final)
{
    struct part *part = &r->form->parts[r->form->n];
    size_t end, next;

    if (r->form->n == MULTIPART_MAX_PARTS) {
        error_set(r->err, ERROR_MULTIPART_MALFORMED, "more than %d parts",
                  MULTIPART_MAX_PARTS);
        return fixed_limit_error(r->err, FIXED_LIMIT_PARTS, MULTIPART_MAX_PARTS + 1);
    }
    if (!read_headers(r, part))
        return false;
    const size_t start = r->at;
    r->at -= 2; /* an empty part's delimiter shares the CRLF of the empty line */
    if (!find_delimiter(r, &end, &next, final))
        return missing_delimiter(r, "the body ends before the final delimiter,");
    part->data = (struct bytes){r->body.data + start, end < start ? 0 : end - start};
    r->at = next;
    r->form->n++;
    return true;
}

bool multipart_read(struct multipart *form, const char *content_type,
                    const struct bytes *body, struct arena *arena, struct error *err)
{
    struct reader r = {.body = *body, .form = form, .arena = arena, .err = err};
    bool final = false;

    form->n = 0;
    form->parts = arena_alloc(arena, MULTIPART_MAX_PARTS, sizeof *form->parts);
    if (!form->parts)
        return error_set(err, ERROR_PLAN_TOO_LARGE,
                         "the form does not fit the memory of a request");
    if (!read_boundary(&r, content_type) || !skip_preamble(&r, &final))
        return false;
    while (!final)
        if (!read_part(&r, &final))
            return false;
    return true;
}
