/* screen.c - see screen.h */
#include "server/screen.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS  "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/*
 * libmicrohttpd 0.9 takes a line without a name (": x") for the end of the head, and
 * what follows for another request. It parses in place: between the last text of the
 * head and the end of the head there are two line ends, 4 bytes, unless there is such a
 * line. (After a bare LF two more bytes fit in and go unseen. Version 1 refuses such
 * heads itself.)
 */
enum { LINE_ENDS = 4, STRICT_VERSION = 0x01000000 };

/* Where target and arguments take more, its memory for a head does not suffice for an
 * answer: it prepares 431, and hangs. */
enum { ANSWERABLE_BYTES = 31500, ARGUMENT_BYTES = 64 };

/* What is found in one walk over the headers. */
struct findings {
    uintptr_t end, last; /* of the head, and of the last text in it */
    size_t hosts, lengths, encodings;
    const char *length, *encoding, *expect;
    bool bad_name, bad_value;
};

static bool is_token(const char *text, size_t n)
{
    return n > 0 && strlen(text) == n &&
           strspn(text, "!#$%&'*+-.^_`|~" DIGITS LETTERS) == n;
}

static bool has_control(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return true;
    return false;
}

static void note_end(struct findings *found, const char *text, size_t size)
{
    const uintptr_t end = (uintptr_t)text + size;

    if (end > found->last && end <= found->end)
        found->last = end;
}

static enum MHD_Result look_at(void *context, enum MHD_ValueKind kind, const char *name,
                               size_t name_size, const char *value, size_t value_size)
{
    struct findings *found = context;

    (void)kind;
    note_end(found, name, name_size);
    if (value)
        note_end(found, value, value_size);
    value = value ? value : "";
    found->bad_name |= !is_token(name, name_size);
    found->bad_value |= has_control(value, value_size);
    if (!strcasecmp(name, "Host")) {
        found->hosts++;
    } else if (!strcasecmp(name, "Content-Length")) {
        found->lengths++;
        found->length = value;
    } else if (!strcasecmp(name, "Transfer-Encoding")) {
        found->encodings++;
        found->encoding = value;
    } else if (!strcasecmp(name, "Expect")) {
        found->expect = value;
    }
    return MHD_YES;
}

/* What is wrong with the head, for a person; NULL if nothing is. */
static const char *fault(const struct findings *found, bool http_1_0)
{
    if (found->bad_name)
        return "the name of a header is not a token";
    if (found->bad_value)
        return "a header holds a control character";
    if (found->hosts > 1)
        return "there are several Host headers";
    if (!found->hosts && !http_1_0)
        return "the Host header is missing";
    if (found->lengths > 1)
        return "there are several Content-Length headers";
    if (found->lengths && (strspn(found->length, DIGITS) != strlen(found->length) ||
                           !*found->length || strlen(found->length) > 18))
        return "Content-Length is not a plausible number";
    if (found->encodings && found->lengths)
        return "there are both Content-Length and Transfer-Encoding";
    if (found->encodings > 1)
        return "there are several Transfer-Encoding headers";
    if (found->encodings && strcasecmp(found->encoding, "chunked"))
        return "the only Transfer-Encoding understood is chunked";
    if (found->encodings && http_1_0)
        return "HTTP/1.0 knows no Transfer-Encoding";
    return NULL;
}

static size_t count_arguments(const char *target)
{
    size_t n = 0;

    for (const char *at = target; *at; at++)
        n += *at == '&';
    return n;
}

bool screen_answerable(const char *target)
{
    return strlen(target) + ARGUMENT_BYTES * count_arguments(target) < ANSWERABLE_BYTES;
}

bool screen_target(const char *target, struct error *err)
{
    if (strlen(target) > TARGET_MAX)
        return error_set(err, ERROR_TARGET_TOO_LONG,
                         "the request target is longer than %d bytes; POST the options",
                         TARGET_MAX);
    if (count_arguments(target) > ARGUMENTS_MAX)
        return error_set(err, ERROR_REQUEST_MALFORMED,
                         "the query has more than %d arguments", ARGUMENTS_MAX);
    if (strstr(target, "%00"))
        return error_set(err, ERROR_REQUEST_MALFORMED,
                         "the request target holds an escaped NUL");
    return true;
}

bool screen_head(struct MHD_Connection *connection, const char *method,
                 const char *version, struct framing *framing, struct error *err)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const bool http_1_0 = !strcmp(version, "HTTP/1.0");
    struct findings found = {0};

    *framing = (struct framing){0};
    if (!http_1_0 && strcmp(version, "HTTP/1.1"))
        return error_set(err, ERROR_VERSION_UNSUPPORTED,
                         "only HTTP/1.0 and HTTP/1.1 are understood");
    found.end = size ? (uintptr_t)method + size->header_size : 0;
    note_end(&found, version, strlen(version));
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look_at, &found);
    if (MHD_VERSION < STRICT_VERSION && found.end > found.last + LINE_ENDS)
        found.bad_name = true;
    const char *wrong = fault(&found, http_1_0);
    if (wrong)
        return error_set(err, ERROR_REQUEST_MALFORMED, "%s", wrong);
    if (found.expect && strcasecmp(found.expect, "100-continue"))
        return error_set(err, ERROR_EXPECTATION_FAILED,
                         "the only expectation understood is 100-continue");
    framing->expects = found.expect && !http_1_0;
    framing->length = found.lengths ? strtoull(found.length, NULL, 10) : 0;
    return true;
}

bool screen_id(const char *id)
{
    const size_t n = id ? strnlen(id, ID_MAX + 1) : 0;

    return n > 0 && n <= ID_MAX && strspn(id, "._-" DIGITS LETTERS) == n;
}

/* n lower-case hexadecimal digits, then the character end. */
static bool is_hex(const char *text, size_t n, char end)
{
    return strspn(text, DIGITS "abcdef") == n && text[n] == end;
}

bool screen_trace(const char *trace)
{
    /* 00-<trace: 32>-<parent: 16>-<flags: 2>; ids of zeros alone are none */
    return trace && strlen(trace) == TRACE_SIZE - 1 && !strncmp(trace, "00-", 3) &&
           is_hex(trace + 3, 32, '-') && is_hex(trace + 36, 16, '-') &&
           is_hex(trace + 53, 2, '\0') && strspn(trace + 3, "0") != 32 &&
           strspn(trace + 36, "0") != 16;
}
