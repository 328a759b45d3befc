/* test_buffer.c - base64 by RFC 4648, JSON by RFC 8259. */
#include "tests/unit/codec.h"

#include "api/base64.h"
#include "api/buffer.h"

static char text[1 << 12];

/* What was written, as a string; the buffer is released. */
static const char *written(struct buffer *buffer)
{
    cr_assert(!buffer->failed);
    cr_assert_lt(buffer->size, sizeof text);
    if (buffer->size)
        memcpy(text, buffer->bytes, buffer->size);
    text[buffer->size] = '\0';
    buffer_release(buffer);
    return text;
}

Test(buffer, base64_is_that_of_the_rfc)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xef\xbe\xfb\xff\xfe", "/++++//+"},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct buffer buffer;
        buffer_init(&buffer, 100);
        buffer_base64(&buffer, vectors[i][0], strlen(vectors[i][0]));
        cr_assert_str_eq(written(&buffer), vectors[i][1]);
    }
}

/* By the strict reader, at every length; from bytes that end at an unmapped page. */
Test(buffer, base64_is_read_back)
{
    enum { MOST = 1200 };
    unsigned char *bytes = (unsigned char *)guarded_floats(MOST / 4), back[MOST + 3];
    uint64_t seed = 2;

    for (size_t i = 0; i < MOST; i++)
        bytes[i] = (unsigned char)(generate_uniform(&seed) * 256);
    for (size_t n = 0; n <= MOST; n++) {
        struct buffer buffer;
        size_t size, bad;
        buffer_init(&buffer, 4 * MOST);
        buffer_text(&buffer, "before");
        buffer_base64(&buffer, bytes + MOST - n, n);
        const struct bytes base64 = {buffer.bytes + 6, buffer.size - 6};
        cr_assert_eq(base64.size, base64_size(n));
        cr_assert(base64_decode(&base64, back, &size, &bad), "%zu bytes", n);
        cr_assert(size == n && memcmp(back, bytes + MOST - n, n) == 0, "%zu bytes", n);
        buffer_release(&buffer);
    }
}

Test(buffer, what_is_expected_is_not_moved)
{
    struct buffer buffer;

    buffer_init(&buffer, 100000);
    buffer_text(&buffer, "a");
    buffer_expect(&buffer, 50000);
    const unsigned char *bytes = buffer.bytes;
    for (size_t i = 0; i < 50000; i++)
        buffer_text(&buffer, "b");
    cr_assert_eq(buffer.bytes, bytes);
    buffer_expect(&buffer, 1000000); /* over the limit: not yet a failure */
    buffer_text(&buffer, "c");
    cr_assert_not(buffer.failed);
    cr_assert(buffer.size == 50002 && memcmp(buffer.bytes, "abb", 3) == 0);
    buffer_release(&buffer);
}

Test(buffer, json_strings_are_escaped_and_valid_utf8)
{
    static const char *const cases[][2] = {
        {"plain", "\"plain\""},
        {"a\"b\\c/d", "\"a\\\"b\\\\c/d\""},
        {"\x01\n\r\t\x1f\x7f", "\"\\u0001\\n\\r\\t\\u001f\\u007f\""},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", /* e acute, euro, a smile */
         "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                   /* overlong */
        {"\xed\xa0\x80!", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!\""}, /* surrogate */
        {"\xf4\x90\x80\x80", /* beyond U+10FFFF */
         "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* cut short */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer buffer;
        buffer_init(&buffer, 100);
        buffer_json_string(&buffer, cases[i][0]);
        cr_assert_str_eq(written(&buffer), cases[i][1]);
    }
}

Test(buffer, floats_survive_and_are_short)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0.0f, "0"},         {-0.0f, "-0"},
        {1.0f, "1"},         {-4.0f, "-4"},
        {0.1f, "0.1"},       {1.0f / 255, "0.003921569"},
        {1e10f, "1e+10"},    {16777216.0f, "16777216"},
        {NAN, "null"},       {INFINITY, "null"},
        {-INFINITY, "null"}, {1e-45f, "1.4013e-45"},
    };
    uint64_t seed = 1;
    struct buffer buffer;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer_init(&buffer, 100);
        buffer_json_float(&buffer, cases[i].value);
        cr_assert_str_eq(written(&buffer), cases[i].text);
    }
    for (int i = 0; i < 100000; i++) {
        const uint32_t bits = (uint32_t)(generate_uniform(&seed) * 0x1p32);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        buffer_init(&buffer, 100);
        buffer_json_float(&buffer, value);
        const float back = strtof(written(&buffer), NULL);
        cr_assert(same_bits(&value, &back, 1), "%a became %s", (double)value, text);
    }
}

Test(buffer, numbers_survive_and_whole_ones_have_no_point)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1e12, "1000000000000"},
        {0.1, "0.1"},
        {-2.5, "-2.5"},
        {NAN, "null"},
        {INFINITY, "null"},
        {1.0 / 3, "0.3333333333333333"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer buffer;
        buffer_init(&buffer, 100);
        buffer_json_number(&buffer, cases[i].value);
        cr_assert_str_eq(written(&buffer), cases[i].text);
    }
}

Test(buffer, the_limit_sticks)
{
    struct buffer buffer;

    buffer_init(&buffer, 10);
    buffer_text(&buffer, "0123456789");
    cr_assert(!buffer.failed);
    buffer_text(&buffer, "x");
    cr_assert(buffer.failed && buffer.over_limit);
    buffer_print(&buffer, "%d", 1);
    buffer_base64(&buffer, "abc", 3);
    buffer_json_string(&buffer, "abc");
    cr_assert_eq(buffer.size, 10);
    cr_assert_null(buffer_reserve(&buffer, 0));
    buffer_release(&buffer);
}

Test(buffer, long_texts_are_printed_whole)
{
    struct buffer buffer;

    buffer_init(&buffer, 1 << 20);
    for (int n = 0; n < 1000; n++)
        buffer_print(&buffer, "%*d", n, 7);
    cr_assert(!buffer.failed);
    cr_assert_eq(buffer.size, 1 + 999 * 1000 / 2); /* width 0 still shows the digit */
    cr_assert_eq(buffer.bytes[buffer.size - 1], '7');
    buffer_release(&buffer);
}

static bool from_the_third_question(void *self)
{
    return ++*(int *)self >= 3;
}

Test(buffer, what_nobody_wants_any_more_fails)
{
    static const char mebibyte[1 << 20];
    int asked = 0;
    const struct parallel parallel = {.cancelled = from_the_third_question,
                                      .self = &asked};

    for (int base64 = 0; base64 < 2; base64++) {
        struct buffer buffer;
        buffer_init(&buffer, 64 << 20);
        buffer_watch(&buffer, &parallel);
        asked = 0;
        cr_assert(buffer_wanted(&buffer));
        (base64 ? buffer_base64 : buffer_append)(&buffer, mebibyte, sizeof mebibyte);
        cr_assert(buffer.failed && !buffer.over_limit);
        cr_assert_leq(buffer.size, 1 << 19);
        cr_assert_not(buffer_wanted(&buffer));
        buffer_release(&buffer);
    }
}
