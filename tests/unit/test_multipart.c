/* test_multipart.c - multipart forms: what is let in, what is refused, and where. */
#include "api/multipart.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;
static struct error err;
static struct multipart form;

static void set_up(void)
{
    cr_assert(arena_init(&arena, 64 << 20));
    error_init(&err);
}

static void tear_down(void)
{
    arena_release(&arena);
}

TestSuite(multipart, .init = set_up, .fini = tear_down);

/* From a block of exactly size bytes, so that a sanitizer sees a byte too many. */
static bool read_bytes(const char *content_type, const char *body, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);

    arena_reset(&arena, SIZE_MAX);
    error_init(&err);
    memcpy(copy, body, size);
    const bool ok =
        multipart_read(&form, content_type, &(struct bytes){copy, size}, &arena, &err);
    for (size_t i = 0; ok && i < form.n; i++) /* data lies in the copy */
        form.parts[i].data.data = (const unsigned char *)arena_copy(
            &arena, form.parts[i].data.data, form.parts[i].data.size);
    free(copy);
    cr_expect_eq(ok, err.code == ERROR_NONE);
    return ok;
}

static bool read_form(const char *content_type, const char *body)
{
    return read_bytes(content_type, body, strlen(body));
}

#define TYPE "multipart/form-data; boundary=XX"
#define NAME "Content-Disposition: form-data; name="
#define LINE "\r\n"

static void expect_part(size_t i, const char *name, bool is_file, const char *type,
                        const char *data)
{
    const struct part *part = &form.parts[i];

    cr_expect_str_eq(part->name, name);
    cr_expect_eq(part->is_file, is_file);
    if (type)
        cr_expect_str_eq(part->content_type, type);
    else
        cr_expect_null(part->content_type);
    cr_expect_eq(part->data.size, strlen(data), "%s has %zu bytes", name,
                 part->data.size);
    cr_expect(memcmp(part->data.data, data, strlen(data)) == 0, "%s", name);
}

/* What curl and browsers send. */
static const char plain[] =
    "--XX" LINE NAME "\"image\"; filename=\"in.png\"" LINE
    "Content-Type: image/png" LINE LINE "\x89PNG\r\n\x1a\n--X\r\n--X\r\nX" LINE
    "--XX" LINE NAME "\"gamma\"" LINE LINE "1.5" LINE "--XX" LINE NAME
    "\"empty\"" LINE LINE LINE "--XX--" LINE;

Test(multipart, reads_names_types_and_bytes)
{
    cr_assert(read_form(TYPE, plain), "%s", err.detail);
    cr_assert_eq(form.n, 3);
    expect_part(0, "image", true, "image/png", "\x89PNG\r\n\x1a\n--X\r\n--X\r\nX");
    expect_part(1, "gamma", false, NULL, "1.5");
    expect_part(2, "empty", false, NULL, "");
}

/* The body is complete with the second hyphen of the final delimiter: the line end
 * after it is optional. A lone CR there is neither. */
Test(multipart, refuses_a_body_cut_anywhere)
{
    const size_t size = sizeof plain - 1;
    char detail[160];

    for (size_t n = 0; n < size; n++) {
        if (n == size - 2)
            continue;
        cr_expect_not(read_bytes(TYPE, plain, n), "%zu bytes", n);
        cr_expect_eq(err.code, ERROR_MULTIPART_MALFORMED);
    }
    cr_expect(read_bytes(TYPE, plain, size - 2));
    cr_expect_not(read_bytes(TYPE, plain, size - 4));
    snprintf(detail, sizeof detail,
             "the body ends before the final delimiter, at byte %zu of the body",
             size - 4);
    cr_expect_str_eq(err.detail, detail);
}

Test(multipart, takes_a_delimiter_only_as_a_whole_line)
{
    static const char *const data[] = {
        "\r\n--XXextra\r\n", "\r\n--XX-\r\n",    "\n--XX\r\n", "\r--XX\r\n",
        "\r\n--XX\rY",       "\r\n--XX--Y",      "\r\n-XX",    "\r\n--xx",
        "\r\n\r\n\r\n",      "\r\n--XX \tz\r\n", "\r\n--XX\n",
    };
    char body[256];

    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        snprintf(body, sizeof body, "--XX" LINE NAME "a" LINE LINE "%s" LINE "--XX--",
                 data[i]);
        cr_assert(read_form(TYPE, body), "row %zu: %s", i, err.detail);
        cr_assert_eq(form.n, 1);
        expect_part(0, "a", false, NULL, data[i]);
    }
}

Test(multipart, skips_what_is_before_and_after)
{
    cr_assert(read_form(TYPE, "a preamble\r\n--XXno\r\n--XX" LINE NAME "a" LINE LINE
                              "1\r\n--XX-- \r\nepilogue\r\n--XX\r\n"));
    cr_assert_eq(form.n, 1);
    expect_part(0, "a", false, NULL, "1");
    cr_assert(read_form(TYPE, "\r\n--XX \t" LINE NAME "a" LINE LINE "1\r\n--XX--"));
    cr_assert_eq(form.n, 1);
    cr_assert(read_form(TYPE, "--XX--\r\n"));
    cr_assert_eq(form.n, 0);
}

/* A part's own delimiter may share the line end of its empty line. */
Test(multipart, reads_a_part_without_a_body)
{
    cr_assert(read_form(TYPE, "--XX" LINE NAME "a" LINE LINE "--XX--"));
    cr_assert_eq(form.n, 1);
    expect_part(0, "a", false, NULL, "");
}

Test(multipart, undoes_escapes_in_names)
{
    static const struct {
        const char *sent, *name;
    } rows[] = {
        {"\"a b\"", "a b"},
        {"image", "image"},
        {"\"a\\\"b\"", "a\"b"},
        {"\"a\\\\b\"", "a\\b"},
        {"\"a%22b\"", "a\"b"},
        {"\"a%2522\"", "a%2522"},
        {"\"C:\\dir\"", "C:\\dir"},
        {"\"\xc3\xa9\"", "\xc3\xa9"},
        {"\"a;b=c\"", "a;b=c"},
        {"a; filename=\"../../etc/passwd\"", "a"},
        {"a ; filename*=UTF-8''%e2%82%ac", "a"},
        {"\"a\" ; x=\"\\\"; name=\\\"b\"", "a"},
    };
    char body[256];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(body, sizeof body, "--XX" LINE NAME "%s" LINE LINE "1" LINE "--XX--",
                 rows[i].sent);
        cr_assert(read_form(TYPE, body), "%s: %s", rows[i].sent, err.detail);
        expect_part(0, rows[i].name, strstr(rows[i].sent, "filename") != NULL, NULL,
                    "1");
    }
}

Test(multipart, reads_headers_in_any_case_and_order)
{
    cr_assert(read_form(
        TYPE, "--XX" LINE "content-TYPE:text/plain; charset=utf-8" LINE "X-Other:" LINE
              "CONTENT-disposition:\t FORM-data;NAME=a" LINE
              "Content-Transfer-Encoding: Binary" LINE LINE "1" LINE "--XX--"));
    expect_part(0, "a", false, "text/plain; charset=utf-8", "1");
}

Test(multipart, reads_the_boundary_of_the_content_type)
{
#define SEVENTY "0123456789012345678901234567890123456789012345678901234567890123456789"
    static const struct {
        const char *type, *boundary; /* NULL: refused */
    } rows[] = {
        {"multipart/form-data; boundary=XX", "XX"},
        {"Multipart/Form-Data;BOUNDARY=XX", "XX"},
        {"multipart/form-data; boundary=\"XX\"", "XX"},
        {"multipart/form-data; boundary=XX; charset=utf-8", "XX"},
        {"multipart/form-data; charset=\"utf-8\" ; boundary=XX", "XX"},
        {"multipart/form-data; boundary=\"a b'()+_,-./:=?c\"", "a b'()+_,-./:=?c"},
        {"multipart/form-data; boundary=----WebKitFormBoundaryAbC",
         "----WebKitFormBoundaryAbC"},
        {"multipart/form-data; boundary=1", "1"},
        {"multipart/form-data; boundary=" SEVENTY, SEVENTY},
        {"multipart/form-data; boundary=" SEVENTY "0", NULL},
        {"multipart/form-data", NULL},
        {"multipart/form-data; boundary=", NULL},
        {"multipart/form-data; boundary=\"\"", NULL},
        {"multipart/form-data; boundary=\"XX", NULL},
        {"multipart/form-data; boundary=\"XX \"", NULL},
        {"multipart/form-data; boundary=\"a\\\"b\"", NULL},
        {"multipart/form-data; boundary=XX; boundary=XX", NULL},
        {"multipart/form-data; boundary", NULL},
        {"multipart/form-data; =XX", NULL},
        {"multipart/form-data; boundary=X@X", NULL},
        {"multipart/form-data; boundary=X\xc3\xa9", NULL},
    };
    char body[256];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *boundary = rows[i].boundary ? rows[i].boundary : "XX";
        snprintf(body, sizeof body,
                 "--%s" LINE NAME "a" LINE LINE "1" LINE "--%s--" LINE, boundary,
                 boundary);
        cr_expect(multipart_accepts(rows[i].type));
        cr_expect_eq(read_form(rows[i].type, body), rows[i].boundary != NULL, "%s: %s",
                     rows[i].type, err.detail);
    }
    cr_expect_not(multipart_accepts("multipart/form-dataX; boundary=XX"));
    cr_expect_not(multipart_accepts("multipart/mixed; boundary=XX"));
    cr_expect_not(multipart_accepts(""));
}

Test(multipart, says_what_is_wrong_and_where)
{
#define PART(header) "--XX" LINE header LINE LINE "1" LINE "--XX--" LINE
    static const struct {
        const char *body, *detail;
    } rows[] = {
        {"", "no delimiter line of the boundary up to the end at byte 0"},
        {"rubbish", "no delimiter line of the boundary up to the end at byte 7"},
        {"--XY\r\n", "no delimiter line of the boundary up to the end at byte 6"},
        {"a\r\n--XX--\r\n", "a final delimiter before any part at byte 1"},
        {"--XX\n" NAME "a\n\n1\n--XX--\n",
         "lines must end with CRLF, but one ends with LF alone at byte 4"},
        {"--XX" LINE NAME "a\n\n1\n--XX--\n",
         "lines must end with CRLF, but one ends with LF alone at byte 44"},
        {"--XX" LINE NAME "a" LINE LINE "1\n--XX\n",
         "lines must end with CRLF, but one ends with LF alone at byte 54"},
        {PART(NAME "\"\""), "a part with an empty name at byte 6"},
        {PART(NAME "a; name=b"), "a part with two names at byte 6"},
        {PART(NAME "\"a"), "malformed Content-Disposition at byte 6"},
        {PART(NAME "a b"), "malformed Content-Disposition at byte 6"},
        {PART("Content-Disposition: form-data"), "a part without a name at byte 6"},
        {PART("Content-Disposition: attachment; name=a"),
         "Content-Disposition is not form-data at byte 6"},
        {PART(NAME "a" LINE NAME "b"), "a second Content-Disposition at byte 46"},
        {PART("Content-Type: text/plain"),
         "a part without Content-Disposition at byte 6"},
        {PART(NAME "a" LINE "no colon"), "a malformed header of a part at byte 46"},
        {PART(NAME "a" LINE ": empty"), "a malformed header of a part at byte 46"},
        {PART(NAME "a" LINE "b\xc3: c"), "a malformed header of a part at byte 46"},
        {PART(NAME "a" LINE " folded"), "a malformed header of a part at byte 46"},
        {PART(NAME "a" LINE "b: \x01"),
         "control character in a part's headers at byte 49"},
        {PART(NAME "a" LINE "b: c\rd"), "CR without LF in a part's headers at byte 50"},
        {PART(NAME "a" LINE "Content-Transfer-Encoding: base64"),
         "a Content-Transfer-Encoding, which forms do not use (RFC 7578), at byte 46"},
        {PART(NAME "a" LINE "Content-Transfer-Encoding: quoted-printable"),
         "a Content-Transfer-Encoding, which forms do not use (RFC 7578), at byte 46"},
        {PART(NAME "a" LINE "Content-Type: Multipart/mixed; boundary=YY"),
         "a multipart inside a part, which is not accepted, at byte 46"},
    };
    char detail[160];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_not(read_form(TYPE, rows[i].body), "row %zu", i);
        snprintf(detail, sizeof detail, "%s of the body", rows[i].detail);
        cr_expect_eq(err.code, ERROR_MULTIPART_MALFORMED);
        cr_expect_str_eq(err.detail, detail);
    }
}

/* A body of n parts like the given one. */
static char *parts(size_t n, const char *headers, const char *data)
{
    char *body = malloc(n * (strlen(headers) + strlen(data) + 16) + 16), *to = body;

    for (size_t i = 0; i < n; i++)
        to += sprintf(to, "--XX\r\n%s\r\n\r\n%s\r\n", headers, data);
    strcpy(to, "--XX--\r\n");
    return body;
}

Test(multipart, limits_parts_headers_and_names)
{
    static char name[MULTIPART_MAX_NAME + 64], headers[MULTIPART_MAX_HEADERS + 64];
    char *body = parts(MULTIPART_MAX_PARTS, NAME "a", "");

    cr_expect(read_form(TYPE, body));
    cr_expect_eq(form.n, MULTIPART_MAX_PARTS);
    free(body);
    body = parts(1000, NAME "a", "");
    cr_expect_not(read_form(TYPE, body));
    cr_expect_str_eq(err.detail, "more than 64 parts");
    free(body);

    for (size_t extra = 0; extra < 2; extra++) {
        const size_t n = (size_t)sprintf(name, "%s", NAME);
        memset(name + n, 'n', MULTIPART_MAX_NAME + extra);
        body = parts(1, name, "1");
        cr_expect_eq(read_form(TYPE, body), extra == 0);
        free(body);
    }
    const size_t n = (size_t)sprintf(headers, "%sa\r\nX: ", NAME);
    memset(headers + n, 'x', MULTIPART_MAX_HEADERS);
    body = parts(1, headers, "1");
    cr_expect_not(read_form(TYPE, body));
    cr_expect_str_eq(err.detail,
                     "the headers of a part are too long at byte 8198 of the body");
    free(body);
}

static bool has(const char *bytes, size_t n, const char *text)
{
    const size_t size = strlen(text);

    for (size_t i = 0; i + size <= n; i++)
        if (memcmp(bytes + i, text, size) == 0)
            return true;
    return false;
}

/* Any byte string between two delimiters comes back as it is. */
Test(multipart, returns_binary_data_unchanged)
{
    static const char alphabet[] = "\r\n-X\0z";
    static char body[256];
    const char head[] = "--XX" LINE NAME "a" LINE LINE, tail[] = LINE "--XX--";
    unsigned state = 1;

    for (int round = 0; round < 20000; round++) {
        size_t n = sizeof head - 1, size = (state >> 8) % 24;
        memcpy(body, head, n);
        char *data = body + n;
        for (size_t i = 0; i < size; i++) {
            state = state * 1664525 + 1013904223;
            data[i] = alphabet[(state >> 16) % (sizeof alphabet - 1)];
        }
        state = state * 1664525 + 1013904223;
        memcpy(data + size, tail, sizeof tail - 1);
        n += size + sizeof tail - 1;
        /* Unless it holds a delimiter itself, at its start or after a CRLF. */
        if (has(body + sizeof head - 3, size + 2, "\r\n--XX"))
            continue;
        cr_assert(read_bytes(TYPE, body, n), "%s", err.detail);
        cr_assert_eq(form.n, 1);
        cr_assert_eq(form.parts[0].data.size, size);
        cr_assert(memcmp(form.parts[0].data.data, data, size) == 0);
    }
}
