/* test_json.c - JSON documents: what is let in, what is refused, and where. */
#include "api/json.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;
static struct error err;

static void set_up(void)
{
    cr_assert(arena_init(&arena, 256 << 20));
    error_init(&err);
}

static void tear_down(void)
{
    arena_release(&arena);
}

TestSuite(json, .init = set_up, .fini = tear_down);

static cJSON *parse_bytes(const char *text, size_t size)
{
    const struct bytes bytes = {(const unsigned char *)text, size};

    arena_reset(&arena, SIZE_MAX);
    error_init(&err);
    return json_parse("config", &bytes, NULL, &limits_default, &arena, &err);
}

static cJSON *parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

Test(json, accepts_what_the_grammar_allows)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "1.5e-3",
        "1E+2",
        "123456789012345678901234567890",
        "true",
        "null",
        "\"\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "\t\r\n{\"a\":{\"b\":[{}]}}\n",
        "{\"\":1,\"a\":2,\"aa\":3}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
        "\"\\ud834\\udd1e\"",
        "\"\xf0\x9d\x84\x9e \xc3\xa9 \xef\xbf\xbf\"",
        "[0.0000000000000000000000000000000000000000000000000000000000000000000000001]",
        "1e-999",
        "{\"a\":{\"a\":{\"a\":1}}}",
        "[{\"a\":1},{\"a\":1}]",
        "\"\x7f\"",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cJSON *json = parse(texts[i]);
        cr_assert(json, "%s: %s", texts[i], err.detail);
        cJSON_Delete(json);
    }
}

Test(json, refuses_what_it_does_not)
{
    static const struct {
        const char *text, *detail;
    } rows[] = {
        {"", "config: line 1, column 1: the document is empty"},
        {" \n ", "config: line 1, column 1: the document is empty"},
        {"[1,\n 2,]", "config: line 2, column 4: ']' stands where a value should be"},
        {"[1 2]", "config: line 1, column 4: '2' stands where ',' or ']' should be"},
        {"{\"a\" 1}", "config: line 1, column 6: '1' stands where ':' should be"},
        {"{a:1}",
         "config: line 1, column 2: 'a' stands where a key in double quotes should be"},
        {"{'a':1}",
         "config: line 1, column 2: ''' stands where a key in double quotes should be"},
        {"{\"a\":1,}",
         "config: line 1, column 8: '}' stands where a key in double quotes should be"},
        {"{\"a\":", "config: line 1, column 6: the text ends where a value should be"},
        {"[1", "config: line 1, column 3: the text ends where ',' or ']' should be"},
        {"\"abc", "config: line 1, column 1: the string that begins here does not end"},
        {"01", "config: line 1, column 2: '1' stands where the end should be"},
        {"1.", "config: line 1, column 3: the text ends where a digit should be"},
        {"-", "config: line 1, column 2: the text ends where a digit should be"},
        {".5", "config: line 1, column 1: '.' stands where a value should be"},
        {"+1", "config: line 1, column 1: '+' stands where a value should be"},
        {"1e", "config: line 1, column 3: the text ends where a digit should be"},
        {"0x10", "config: line 1, column 2: 'x' stands where the end should be"},
        {"NaN", "config: line 1, column 1: 'N' stands where a value should be"},
        {"-Infinity", "config: line 1, column 2: 'I' stands where a digit should be"},
        {"tru", "config: line 1, column 1: 't' stands where a value should be"},
        {"1e400",
         "config: line 1, column 1: the number is beyond the range of a double"},
        {"[-1e400]",
         "config: line 1, column 2: the number is beyond the range of a double"},
        {"{} {}", "config: line 1, column 4: '{' stands where the end should be"},
        {"\xef\xbb\xbf{}",
         "config: line 1, column 1: a byte order mark is not accepted"},
        {"\f1", "config: line 1, column 1: byte 0x0c stands where a value should be"},
        {"\"a\tb\"", "config: line 1, column 3: control character 0x09 in a string"},
        {"\"\\x41\"", "config: line 1, column 2: invalid escape in a string"},
        {"\"\\u12g4\"", "config: line 1, column 2: \\u wants four hexadecimal digits"},
        {"\"\\ud800\"", "config: line 1, column 2: lone surrogate \\ud800"},
        {"\"\\udc00\"", "config: line 1, column 2: lone surrogate \\udc00"},
        {"\"\\ud800\\u0041\"", "config: line 1, column 2: lone surrogate \\ud800"},
        {"\"\xc3\"", "config: line 1, column 2: invalid UTF-8"},
        {"\"\xc0\xaf\"", "config: line 1, column 2: invalid UTF-8"},
        {"\"\xed\xa0\x80\"", "config: line 1, column 2: invalid UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "config: line 1, column 2: invalid UTF-8"},
        {"\"\xc3\xa9\xff\"", "config: line 1, column 3: invalid UTF-8"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_null(parse(rows[i].text), "%s", rows[i].text);
        cr_expect_eq(err.code, ERROR_JSON_MALFORMED, "%s", rows[i].text);
        cr_expect_str_eq(err.detail, rows[i].detail);
        cr_assert_eq(err.n_items, 1, "%s", rows[i].text);
        cr_expect_str_eq(err.items[0].pointer, "");
        cr_expect_str_eq(err.items[0].detail, rows[i].detail);
    }
}

Test(json, refuses_json_that_means_nothing_here)
{
    static const struct {
        const char *text, *pointer, *detail;
    } rows[] = {
        {"\"add\\u0000evil\"", "",
         "config: line 1, column 5: \\u0000 is not accepted in a string"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "/a",
         "config: line 1, column 14: the key \"a\" stands twice in an object"},
        {"{\"a\":1,\"\\u0061\":2}", "/a",
         "config: line 1, column 8: the key \"a\" stands twice in an object"},
        {"[{\"x\":{\"k\":1,\"k\":1}}]", "/0/x/k",
         "config: line 1, column 14: the key \"k\" stands twice in an object"},
        {"{\"8yn0iYCKYHlIj4-BwPqk\":1,\"GReLUrM4wMqfg9yzV3KQ\":2,"
         "\"8yn0iYCKYHlIj4-BwPqk\":3}",
         "/8yn0iYCKYHlIj4-BwPqk",
         "config: line 1, column 52: the key \"8yn0iYCKYHlIj4-BwPqk\" stands twice in "
         "an object"},
        {"{\"a\":[{\"b\":1},[],{\"c/d\":{\"\":0},\"c/d\":2}]}", "/a/2/c~1d",
         "config: line 1, column 32: the key \"c/d\" stands twice in an object"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_null(parse(rows[i].text), "%s", rows[i].text);
        cr_expect_eq(err.code, ERROR_CONFIG_INVALID, "%s", rows[i].text);
        cr_expect_str_eq(err.detail, rows[i].detail);
        cr_assert_eq(err.n_items, 1);
        cr_expect_str_eq(err.items[0].pointer, rows[i].pointer);
    }
}

Test(json, refuses_a_zero_byte_and_every_truncation)
{
    static const char text[] =
        "{\"layers\":[{\"a\\u00e9\":[1.5e3,true,null],\"b\":\"\xc3\xa9\"}]}";
    cJSON *json = parse(text);

    cr_assert(json);
    cJSON_Delete(json);
    for (size_t n = 0; n < sizeof text - 1; n++)
        cr_expect_null(parse_bytes(text, n), "%zu bytes", n);
    cr_expect_null(parse_bytes("1\0", 2));
    cr_expect_null(parse_bytes("\"\0\"", 3));
}

/* n times the text, between two others. */
static char *repeat(const char *before, const char *text, size_t n, const char *after)
{
    const size_t size = strlen(text);
    char *out = malloc(strlen(before) + n * size + strlen(after) + 1), *to = out;

    to = stpcpy(to, before);
    for (size_t i = 0; i < n; i++)
        to = stpcpy(to, text);
    stpcpy(to, after);
    return out;
}

static enum error_code code_of(char *text)
{
    cJSON *json = parse(text);

    cJSON_Delete(json);
    free(text);
    return err.code;
}

Test(json, nests_so_deep_and_no_deeper)
{
    char *closing = repeat("", "]", JSON_MAX_DEPTH, "");

    cr_expect_eq(code_of(repeat("", "[", JSON_MAX_DEPTH, closing)), ERROR_NONE);
    free(closing);
    closing = repeat("", "]", JSON_MAX_DEPTH + 1, "");
    cr_expect_eq(code_of(repeat("", "[", JSON_MAX_DEPTH + 1, closing)),
                 ERROR_JSON_MALFORMED);
    free(closing);
    cr_expect_eq(code_of(repeat("", "[", 1000000, "")), ERROR_JSON_MALFORMED);
    cr_expect_eq(code_of(repeat("", "{\"a\":", 100000, "")), ERROR_JSON_MALFORMED);
}

Test(json, counts_values_and_bytes)
{
    /* The array is a value too. */
    cr_expect_eq(code_of(repeat("[", "1,", JSON_MAX_VALUES - 2, "1]")), ERROR_NONE);
    cr_expect_eq(code_of(repeat("[", "1,", JSON_MAX_VALUES - 1, "1]")),
                 ERROR_CONFIG_TOO_LARGE);
    cr_expect_eq(err.limit.max, JSON_MAX_VALUES);
    cr_expect_eq(code_of(repeat("\"", "abcd", 1 << 20, "\"")), ERROR_CONFIG_TOO_LARGE);
    cr_expect_str_eq(err.limit.name, "max_config_bytes");
    cr_expect_eq(err.limit.actual, (4 << 20) + 2);
    cr_expect_str_eq(err.detail, "config has 4194306 bytes; the limit is 4194304 "
                                 "(CONVSCOPE_MAX_CONFIG_BYTES)");
}

Test(json, counts_keys_wherever_they_stand)
{
    cr_expect_eq(code_of(repeat("[", "{\"a\":1},", JSON_MAX_KEYS - 1, "{\"a\":1}]")),
                 ERROR_NONE);
    cr_expect_eq(code_of(repeat("[", "{\"a\":1},", JSON_MAX_KEYS, "{\"a\":1}]")),
                 ERROR_CONFIG_TOO_LARGE);
    cr_expect_str_eq(err.limit.name, "max_config_keys");
    cr_expect_eq(err.limit.actual, JSON_MAX_KEYS + 1);
    cr_expect_str_eq(err.detail, "config has more than 65536 keys");
}

Test(json, finds_a_duplicate_among_many_keys)
{
    enum { N = JSON_MAX_KEYS - 1 };
    char *text = malloc(N * 16), *to = text;

    *to++ = '{';
    for (int i = 0; i < N; i++)
        to += sprintf(to, "\"k%d\":0,", i);
    strcpy(to, "\"last\":0}");
    cJSON *json = parse(text);
    cr_expect(json, "%s", err.detail);
    cJSON_Delete(json);
    strcpy(to, "\"k77\":0}");
    cr_expect_eq(code_of(text), ERROR_CONFIG_INVALID);
}

/* Their hashes (FNV-1a, of 64 bits) are the same. */
Test(json, tells_keys_of_one_hash_apart)
{
    cr_expect_eq(code_of(strdup("{\"8yn0iYCKYHlIj4-BwPqk\":1,"
                                "\"GReLUrM4wMqfg9yzV3KQ\":2}")),
                 ERROR_NONE);
}

Test(json, cuts_blobs_out_before_the_limits_apply)
{
    static const char *const keys[] = {"b64", NULL};
    char *text = repeat("{\"x\":{\"\\u00624\":0,\"b\\u00364\":\"", "QUJD", 2 << 20,
                        "\"},\"y\":{\"b64\":\"\"},\"z\":\"b64\"}");
    const struct bytes bytes = {(unsigned char *)text, strlen(text)};
    struct json_blobs blobs = {.keys = keys};
    cJSON *json = json_parse("body", &bytes, &blobs, &limits_default, &arena, &err);

    cr_assert(json, "%s", err.detail);
    cr_expect_eq(blobs.n, 2);
    const struct bytes *blob =
        json_blob(&blobs, json_member(json_member(json, "x"), "b64"));
    cr_assert(blob);
    cr_expect_eq(blob->size, 8 << 20);
    cr_expect(memcmp(blob->data, "QUJDQUJD", 8) == 0);
    blob = json_blob(&blobs, json_member(json_member(json, "y"), "b64"));
    cr_expect(blob && blob->size == 0);
    cr_expect_null(json_blob(&blobs, json_member(json, "y")));
    cr_expect_str_eq(json_string(json_member(json, "z")), "b64");
    cJSON_Delete(json);
    free(text);
}

Test(json, limits_what_is_not_cut_out)
{
    static const char *const keys[] = {"b64", NULL};
    char *text = repeat("{\"b64\":\"QUJD\",\"x\":\"", "QUJD", 1 << 20, "\"}");
    const struct bytes bytes = {(unsigned char *)text, strlen(text)};
    struct json_blobs blobs = {.keys = keys};

    cr_expect_null(json_parse("body", &bytes, &blobs, &limits_default, &arena, &err));
    cr_expect_eq(err.code, ERROR_CONFIG_TOO_LARGE);
    free(text);
}

Test(json, tells_integers_from_other_numbers)
{
    static const struct {
        const char *text;
        bool integer;
        double value;
    } rows[] = {
        {"3", true, 3},      {"-2.0", true, -2},           {"1e3", true, 1000},
        {"1.5", false, 1.5}, {"2147483648", true, 0x1p31}, {"1e300", true, 1e300},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *json = parse(rows[i].text);
        double value = NAN;
        cr_expect_eq(json_integer(json, &value), rows[i].integer);
        cr_expect_eq(value, rows[i].value);
        cJSON_Delete(json);
    }
    static const char *const others[] = {"true", "null", "\"3\"", "[3]", "{}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        cJSON *json = parse(others[i]);
        double value;
        cr_expect_not(json_number(json, &value));
        cJSON_Delete(json);
    }
}

Test(json, escapes_pointers)
{
    char text[JSON_POINTER_SIZE], longer[600];

    cr_expect_str_eq(json_pointer("/a", "b/c~d", text), "/a/b~1c~0d");
    memset(longer, '/', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    cr_expect_lt(strlen(json_pointer("/a", longer, text)), JSON_POINTER_SIZE);
    cr_expect_lt(strlen(json_pointer(longer, "a", text)), JSON_POINTER_SIZE);
}

Test(json, shows_values_that_are_short)
{
    static const struct {
        const char *text, *value;
    } rows[] = {
        {"5", "5"},
        {"\"a\\\"b\"", "\"a\\\"b\""},
        {"[1,[2,null]]", "[1,[2,null]]"},
        {"\"0123456789012345678901234567890123456789012345678901234567890123456789\"",
         "\"012345678901234567890123456789012345678901234567890123456789...\""},
        {"[\"0123456789012345678901234567890123456789012345678901234567890\","
         "\"0123456789012345678901234567890123456789012345678901234567890\"]",
         ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *json = parse(rows[i].text);
        error_at(&err, ERROR_CONFIG_INVALID, "/x", "wrong");
        json_error_value(&err, json);
        cr_expect_str_eq(err.items[0].value, rows[i].value);
        cJSON_Delete(json);
    }
}

/* CONVSCOPE_JSON_SUITE names the test_parsing folder of a JSONTestSuite: y_ files are
 * JSON, n_ files are not, i_ files are up to the parser but must do no harm. */
Test(json, agrees_with_the_json_test_suite)
{
    const char *folder = getenv("CONVSCOPE_JSON_SUITE");
    DIR *dir = folder ? opendir(folder) : NULL;
    static char text[1 << 20];
    char path[1024];
    struct dirent *entry;

    if (!dir)
        cr_skip_test("CONVSCOPE_JSON_SUITE names no folder");
    while ((entry = readdir(dir))) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[1] == '_' ? fopen(path, "rb") : NULL;
        if (!file)
            continue;
        cJSON *json = parse_bytes(text, fread(text, 1, sizeof text, file));
        fclose(file);
        if (entry->d_name[0] == 'y')
            cr_expect(json || err.code == ERROR_CONFIG_INVALID, "%s: %s", entry->d_name,
                      err.detail);
        if (entry->d_name[0] == 'n')
            cr_expect(!json && err.code == ERROR_JSON_MALFORMED, "%s: %s",
                      entry->d_name, err.detail);
        cJSON_Delete(json);
    }
    closedir(dir);
}
