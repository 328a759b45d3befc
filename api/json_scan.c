/*
 * json_scan.c - the strict scan of a JSON text.
 *
 * A recursive descent; JSON_MAX_DEPTH bounds the recursion. The keys of all open
 * objects lie on one stack; when an object closes, its keys are sorted and neighbours
 * compared, so that n keys cost n log n. Each open object and array also has a step
 * that says where in it the scanner is: together they are the pointer of a fault.
 */
#include "api/json_scan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fixed_limit.h"
#include "api/json.h"
#include "api/json_utf8.h"
#include "engine/hash.h"

/* A key with its escapes undone. */
struct key {
    const char *text;
    size_t size;
    uint64_t hash;
    size_t at; /* where it stands */
};

/* Where the scanner is in an open object or array. */
struct step {
    const struct key *key; /* of an object's member; NULL in an array */
    size_t index;          /* of an array's element */
};

struct scanner {
    const char *what;
    const unsigned char *text;
    size_t size, at;
    size_t values, all_keys, depth;
    struct key *keys; /* of the open objects: n_keys of them */
    size_t n_keys;
    struct step steps[JSON_MAX_DEPTH]; /* depth of them */
    size_t cut;                        /* bytes of blobs so far */
    struct json_blobs *blobs;
    const struct limits *limits;
    struct arena *arena;
    struct error *err;
};

/* The JSON pointer of what is being scanned, into text of JSON_POINTER_SIZE bytes. */
static const char *place(const struct scanner *s, char *text)
{
    char outer[JSON_POINTER_SIZE], inner[JSON_POINTER_SIZE];

    text[0] = '\0';
    for (size_t i = 0; i < s->depth; i++) {
        const struct step *step = &s->steps[i];
        if (!step->key)
            snprintf(inner, sizeof inner, "%zu", step->index);
        else
            snprintf(inner, sizeof inner, "%.*s", (int)step->key->size,
                     step->key->text);
        memcpy(outer, text, sizeof outer);
        json_pointer(outer, inner, text);
    }
    return text;
}

/* Record what is wrong at an offset, told as line and column, and at a pointer. */
static bool fault(struct scanner *s, enum error_code code, size_t at,
                  const char *pointer, const char *format, va_list args)
{
    char reason[160];
    size_t line = 1, column = 1;

    vsnprintf(reason, sizeof reason, format, args);
    for (size_t i = 0; i < at; i++) {
        if (s->text[i] == '\n') {
            line++;
            column = 1;
        } else if ((s->text[i] & 0xc0) != 0x80) { /* columns are characters */
            column++;
        }
    }
    error_at(s->err, code, pointer, "%s: line %zu, column %zu: %s", s->what, line,
             column, reason);
    error_place(s->err, line, column);
    return false;
}

static bool malformed(struct scanner *s, size_t at, const char *format, ...)
    FORMATTED(3, 4);
static bool refused(struct scanner *s, size_t at, const char *pointer,
                    const char *format, ...) FORMATTED(4, 5);

/* It is not JSON. */
static bool malformed(struct scanner *s, size_t at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fault(s, ERROR_JSON_MALFORMED, at, "", format, args);
    va_end(args);
    return false;
}

/* It is JSON, but means nothing here. */
static bool refused(struct scanner *s, size_t at, const char *pointer,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fault(s, ERROR_CONFIG_INVALID, at, pointer, format, args);
    va_end(args);
    return false;
}

/* The byte at the scanner, 0 at the end: no byte of JSON is 0. */
static unsigned char peek(const struct scanner *s)
{
    return s->at < s->size ? s->text[s->at] : 0;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->size && memchr(" \t\n\r", s->text[s->at], 4))
        s->at++;
}

static bool unexpected(struct scanner *s, const char *wanted)
{
    const unsigned char c = peek(s);

    if (s->at == s->size)
        return malformed(s, s->at, "the text ends where %s should be", wanted);
    if (c > ' ' && c < 127)
        return malformed(s, s->at, "'%c' stands where %s should be", c, wanted);
    return malformed(s, s->at, "byte 0x%02x stands where %s should be", c, wanted);
}

/* Four hexadecimal digits at offset at; -1 if they are none. */
static int hex4(const struct scanner *s, size_t at)
{
    int value = 0;

    if (s->size - at < 4)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        const unsigned char c = s->text[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool high_surrogate(int c)
{
    return c >= 0xd800 && c <= 0xdbff;
}

static bool low_surrogate(int c)
{
    return c >= 0xdc00 && c <= 0xdfff;
}

/* A \u escape; the scanner is at its backslash. *code is the character. */
static bool scan_unicode(struct scanner *s, int *code)
{
    const size_t at = s->at;

    *code = hex4(s, at + 2);
    if (*code < 0)
        return malformed(s, at, "\\u wants four hexadecimal digits");
    if (*code == 0)
        return refused(s, at, "", "\\u0000 is not accepted in a string");
    s->at += 6;
    if (low_surrogate(*code))
        return malformed(s, at, "lone surrogate \\u%04x", (unsigned)*code);
    if (!high_surrogate(*code))
        return true;

    const bool escape = s->size - s->at >= 2 && memcmp(s->text + s->at, "\\u", 2) == 0;
    const int low = escape ? hex4(s, s->at + 2) : -1;
    if (!low_surrogate(low))
        return malformed(s, at, "lone surrogate \\u%04x", (unsigned)*code);
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    s->at += 6;
    return true;
}

/* An escape of any kind; the scanner is at its backslash. */
static bool scan_escape(struct scanner *s, int *code)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const unsigned char c = s->at + 1 < s->size ? s->text[s->at + 1] : 0;

    if (c == 'u')
        return scan_unicode(s, code);
    const char *const letter = c ? strchr(letters, c) : NULL;
    if (!letter)
        return malformed(s, s->at, "invalid escape in a string");
    *code = meanings[letter - letters];
    s->at += 2;
    return true;
}

/* A string. *inside is its text without the quotes. */
static bool scan_string(struct scanner *s, struct bytes *inside, bool *escaped)
{
    const size_t start = s->at++;
    int code;

    *escaped = false;
    for (;;) {
        while (s->at < s->size && s->text[s->at] >= ' ' && s->text[s->at] < 0x80 &&
               s->text[s->at] != '"' && s->text[s->at] != '\\')
            s->at++;
        if (s->at == s->size)
            return malformed(s, start, "the string that begins here does not end");
        if (s->text[s->at] == '"')
            break;
        if (s->text[s->at] == '\\') {
            *escaped = true;
            if (!scan_escape(s, &code))
                return false;
            continue;
        }
        if (s->text[s->at] < ' ')
            return malformed(s, s->at, "control character 0x%02x in a string",
                             s->text[s->at]);
        const size_t length = json_utf8_length(s->text + s->at, s->size - s->at);
        if (length == 0)
            return malformed(s, s->at, "invalid UTF-8");
        s->at += length;
    }
    *inside = (struct bytes){s->text + start + 1, s->at - start - 1};
    s->at++;
    return true;
}

/* Undo the escapes of a scanned string, for comparing it. */
static bool unescape(struct scanner *s, const struct bytes *inside, struct key *key)
{
    char *out = arena_take(s->arena, inside->size, 1);
    struct scanner again = *s;
    size_t n = 0;

    if (!out)
        return json_no_memory(s->what, s->err);
    again.at = (size_t)(inside->data - s->text);
    for (const size_t end = again.at + inside->size; again.at < end;) {
        int code = 0;
        if (s->text[again.at] != '\\')
            out[n++] = (char)s->text[again.at++];
        else if (scan_escape(&again, &code))
            n += json_utf8_put(out + n, code);
        else
            return false;
    }
    key->text = out;
    key->size = n;
    return true;
}

/* There is one more than the limit allows. */
static bool too_many(struct scanner *s, const char *of, enum fixed_limit limit)
{
    const double max = fixed_limit_row(limit)->max;

    error_set(s->err, ERROR_CONFIG_TOO_LARGE, "%s has more than %.0f %s", s->what, max,
              of);
    return fixed_limit_error(s->err, limit, max + 1);
}

static bool scan_key(struct scanner *s)
{
    struct key *key = &s->keys[s->n_keys];
    struct bytes inside;
    bool escaped;

    if (peek(s) != '"')
        return unexpected(s, "a key in double quotes");
    if (++s->all_keys > JSON_MAX_KEYS)
        return too_many(s, "keys", FIXED_LIMIT_CONFIG_KEYS);
    key->at = s->at;
    if (!scan_string(s, &inside, &escaped))
        return false;
    key->text = (const char *)inside.data;
    key->size = inside.size;
    if (escaped && !unescape(s, &inside, key))
        return false;
    key->hash = hash_bytes(HASH_START, key->text, key->size);
    s->n_keys++;
    return true;
}

/* Equal ones side by side, the first that stands before the second. Who finds keys of
 * one hash has a slower comparison, and nothing else. */
static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    const int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);

    if (order != 0)
        return order;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The keys from the first-th on are those of the object that has just closed. */
static bool check_unique(struct scanner *s, size_t first)
{
    struct key *const keys = s->keys + first;
    const size_t n = s->n_keys - first;
    char pointer[JSON_POINTER_SIZE];

    if (n > 1)
        qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (keys[i].size == keys[i - 1].size &&
            memcmp(keys[i].text, keys[i - 1].text, keys[i].size) == 0) {
            s->steps[s->depth - 1].key = &keys[i];
            return refused(s, keys[i].at, place(s, pointer),
                           "the key \"%.*s\" stands twice in an object",
                           keys[i].size < 64 ? (int)keys[i].size : 64, keys[i].text);
        }
    s->n_keys = first;
    return true;
}

static bool is_blob(const struct scanner *s)
{
    const struct key *key = &s->keys[s->n_keys - 1];

    if (!s->blobs || peek(s) != '"')
        return false;
    for (const char *const *name = s->blobs->keys; *name; name++)
        if (strlen(*name) == key->size && memcmp(*name, key->text, key->size) == 0)
            return true;
    return false;
}

static bool scan_blob(struct scanner *s)
{
    struct json_blobs *blobs = s->blobs;
    bool escaped;

    if (blobs->n == JSON_MAX_BLOBS) {
        refused(s, s->at, "", "more than %d strings of base64", JSON_MAX_BLOBS);
        return fixed_limit_error(s->err, FIXED_LIMIT_BASE64_STRINGS,
                                 JSON_MAX_BLOBS + 1);
    }
    struct bytes *blob = &blobs->items[blobs->n++];
    if (!scan_string(s, blob, &escaped))
        return false;
    s->cut += blob->size;
    return true;
}

static size_t skip_digits(struct scanner *s)
{
    const size_t start = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at - start;
}

/* Only an exponent or very many digits can overflow; the text has no final NUL, which
 * strtod wants. */
static bool check_finite(struct scanner *s, size_t start, bool exponent)
{
    const size_t mark = s->arena->used;

    if (!exponent && s->at - start < 300)
        return true;
    char *number = arena_copy(s->arena, s->text + start, s->at - start);
    if (!number)
        return json_no_memory(s->what, s->err);
    const bool finite = isfinite(strtod(number, NULL));
    arena_rewind(s->arena, mark);
    return finite || malformed(s, start, "the number is beyond the range of a double");
}

static bool scan_number(struct scanner *s)
{
    const size_t start = s->at;
    bool exponent = false;

    s->at += peek(s) == '-';
    if (peek(s) == '0')
        s->at++;
    else if (skip_digits(s) == 0)
        return unexpected(s, "a digit");
    if (peek(s) == '.') {
        s->at++;
        if (skip_digits(s) == 0)
            return unexpected(s, "a digit");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        exponent = true;
        s->at++;
        s->at += peek(s) == '+' || peek(s) == '-';
        if (skip_digits(s) == 0)
            return unexpected(s, "a digit");
    }
    return check_finite(s, start, exponent);
}

static bool scan_word(struct scanner *s)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const size_t n = strlen(words[i]);
        if (s->size - s->at >= n && memcmp(s->text + s->at, words[i], n) == 0) {
            s->at += n;
            return true;
        }
    }
    return unexpected(s, "a value");
}

static bool scan_value(struct scanner *s);

static bool scan_array(struct scanner *s)
{
    s->at++;
    skip_space(s);
    if (peek(s) == ']') {
        s->at++;
        return true;
    }
    for (;;) {
        if (!scan_value(s))
            return false;
        const unsigned char c = peek(s);
        if (c != ',' && c != ']')
            return unexpected(s, "',' or ']'");
        s->at++;
        s->steps[s->depth - 1].index++;
        if (c == ']')
            return true;
    }
}

static bool scan_member(struct scanner *s)
{
    skip_space(s);
    if (!scan_key(s))
        return false;
    s->steps[s->depth - 1].key = &s->keys[s->n_keys - 1];
    skip_space(s);
    if (peek(s) != ':')
        return unexpected(s, "':'");
    s->at++;
    skip_space(s);
    return is_blob(s) ? scan_blob(s) : scan_value(s);
}

static bool scan_object(struct scanner *s)
{
    const size_t first = s->n_keys;

    s->at++;
    skip_space(s);
    if (peek(s) == '}') {
        s->at++;
        return true;
    }
    for (;;) {
        if (!scan_member(s))
            return false;
        skip_space(s);
        const unsigned char c = peek(s);
        if (c != ',' && c != '}')
            return unexpected(s, "',' or '}'");
        s->at++;
        if (c == '}')
            return check_unique(s, first);
    }
}

static bool too_large(struct scanner *s, size_t bytes)
{
    return !limit_check(LIMIT(s->limits, max_config_bytes), (double)bytes,
                        ERROR_CONFIG_TOO_LARGE, s->err, "%s has %zu bytes", s->what,
                        bytes);
}

static bool nest(struct scanner *s, bool (*scan)(struct scanner *))
{
    if (s->depth == JSON_MAX_DEPTH) {
        malformed(s, s->at, "nested deeper than %d levels", JSON_MAX_DEPTH);
        return fixed_limit_error(s->err, FIXED_LIMIT_CONFIG_DEPTH, JSON_MAX_DEPTH + 1);
    }
    s->steps[s->depth++] = (struct step){0};
    const bool ok = scan(s);
    s->depth--;
    return ok;
}

/* A value and the white space around it. */
static bool scan_value(struct scanner *s)
{
    struct bytes inside;
    bool escaped, ok;

    skip_space(s);
    if (++s->values > JSON_MAX_VALUES)
        return too_many(s, "values", FIXED_LIMIT_CONFIG_VALUES);
    if (too_large(s, s->at - s->cut))
        return false;

    const unsigned char c = peek(s);
    if (c == '{')
        ok = nest(s, scan_object);
    else if (c == '[')
        ok = nest(s, scan_array);
    else if (c == '"')
        ok = scan_string(s, &inside, &escaped);
    else if (c == '-' || (c >= '0' && c <= '9'))
        ok = scan_number(s);
    else
        ok = scan_word(s);
    skip_space(s);
    return ok;
}

static bool scan_document(struct scanner *s)
{
    static const unsigned char mark[] = {0xef, 0xbb, 0xbf};

    if (s->size >= sizeof mark && memcmp(s->text, mark, sizeof mark) == 0)
        return malformed(s, 0, "a byte order mark is not accepted");
    if (!s->blobs && too_large(s, s->size))
        return false;
    skip_space(s);
    if (s->at == s->size)
        return malformed(s, 0, "the document is empty");
    if (!scan_value(s))
        return false;
    if (s->at < s->size)
        return unexpected(s, "the end");
    return !too_large(s, s->size - s->cut);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

bool json_scan(const char *what, const struct bytes *text, struct json_blobs *blobs,
               const struct limits *limits, struct arena *arena, struct error *err)
{
    struct scanner s = {.what = what,
                        .text = text->data,
                        .size = text->size,
                        .blobs = blobs,
                        .limits = limits,
                        .arena = arena,
                        .err = err};

    if (blobs) {
        blobs->n = 0;
        blobs->items = arena_take(arena, least(text->size / 4, JSON_MAX_BLOBS) + 1,
                                  sizeof *blobs->items);
        if (!blobs->items)
            return json_no_memory(what, err);
    }
    /* The stack of keys lives as long as the scan. A member takes at least four bytes:
     * `"":0`. */
    const size_t mark = arena->used;
    s.keys =
        arena_take(arena, least(text->size / 4, JSON_MAX_KEYS) + 1, sizeof *s.keys);
    if (!s.keys)
        return json_no_memory(what, err);
    const bool ok = scan_document(&s);
    arena_rewind(arena, mark);
    return ok;
}

bool json_no_memory(const char *what, struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE,
                     "%s does not fit the memory of a request", what);
}
