/* base64.c - standard base64. */
#include "api/base64.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* ---- writing ---- */

static const unsigned char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 48 bits become eight bytes of six, by halves: 24, 12, 6. */
static uint64_t spread(uint64_t x)
{
    x = (x << 8 & 0x00ffffff00000000) | (x & 0x0000000000ffffff);
    x = (x << 4 & 0x0fff00000fff0000) | (x & 0x00000fff00000fff);
    return (x << 2 & 0x3f003f003f003f00) | (x & 0x003f003f003f003f);
}

/* The alphabet is five ranges; where one begins, the distance to the character jumps.
 * Sixteen characters at once; comparisons are all ones where they hold. */
typedef int8_t sixes16 __attribute__((vector_size(16)));

static sixes16 characters(sixes16 six)
{
    return six + 'A' + ((six > 25) & ('a' - 'Z' - 1)) - ((six > 51) & ('z' - '0' + 1)) -
           ((six > 61) & ('9' - '+' + 1)) + ((six > 62) & ('/' - '+' - 1));
}

size_t base64_size(size_t n)
{
    return n / 3 * 4 + (n % 3 ? 4 : 0);
}

enum { SIX = 6, EIGHT = 8, BLOCK = 64 }; /* so many times six bytes become eight */

/* Whole blocks, each in two loops; returns the bytes that were taken. Two bytes more
 * than these are looked at. */
static size_t encode_blocks(unsigned char *out, const unsigned char *bytes, size_t n)
{
    size_t i = 0;

    for (; n - i >= SIX * BLOCK + 2; out += EIGHT * BLOCK) {
        for (size_t k = 0; k < BLOCK; k++, i += SIX) {
            uint64_t x;
            memcpy(&x, bytes + i, sizeof x);
            x = htobe64(spread(be64toh(x) >> 16));
            memcpy(out + k * EIGHT, &x, sizeof x);
        }
        for (size_t k = 0; k < EIGHT * BLOCK; k += sizeof(sixes16)) {
            sixes16 six;
            memcpy(&six, out + k, sizeof six);
            six = characters(six);
            memcpy(out + k, &six, sizeof six);
        }
    }
    return i;
}

void base64_encode(unsigned char *out, const unsigned char *bytes, size_t n)
{
    size_t i = n < SIX * BLOCK + 2 ? 0 : encode_blocks(out, bytes, n);

    for (out += i / 3 * 4; i < n; i += 3, out += 4) {
        const size_t left = n - i;
        const unsigned group = (unsigned)bytes[i] << 16 |
                               (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                               (left > 2 ? bytes[i + 2] : 0);
        out[0] = digits[group >> 18];
        out[1] = digits[group >> 12 & 63];
        out[2] = left > 1 ? digits[group >> 6 & 63] : '=';
        out[3] = left > 2 ? digits[group & 63] : '=';
    }
}

/* ---- reading ---- */

/* The six bits of a character, plus one; 0 for what is none. */
static const unsigned char sixes[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
    ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
    ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
    ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
    ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
    ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
    ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
    ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
    ['/'] = 64,
};

size_t base64_bound(size_t text_size)
{
    return text_size / 4 * 3 + 3;
}

/* What follows the last whole group: "", "xx==" or "xxx=", without stray bits. */
static bool decode_end(const struct bytes *text, size_t i, uint32_t bits, size_t n,
                       unsigned char *out, size_t *size)
{
    static const char padding[] = "==";
    const size_t pads = n ? 4 - n : 0;

    if (n == 1 || text->size - i != pads || (n && bits & (n == 2 ? 0xf : 0x3)))
        return false;
    for (size_t p = 0; p < pads; p++)
        if (text->data[i + p] != (unsigned char)padding[p])
            return false;
    if (n == 2)
        out[(*size)++] = (unsigned char)(bits >> 4);
    if (n == 3) {
        out[(*size)++] = (unsigned char)(bits >> 10);
        out[(*size)++] = (unsigned char)(bits >> 2);
    }
    return true;
}

bool base64_decode(const struct bytes *text, unsigned char *out, size_t *size,
                   size_t *bad)
{
    uint32_t bits = 0;
    size_t i = 0, n = 0; /* characters in bits */

    *size = 0;
    for (; i < text->size; i++) {
        if (text->data[i] == '\\' && i + 1 < text->size && text->data[i + 1] == '/')
            i++;
        const unsigned six = sixes[text->data[i]];
        if (!six)
            break;
        bits = bits << 6 | (six - 1);
        if (++n < 4)
            continue;
        out[(*size)++] = (unsigned char)(bits >> 16);
        out[(*size)++] = (unsigned char)(bits >> 8);
        out[(*size)++] = (unsigned char)bits;
        bits = 0;
        n = 0;
    }
    *bad = i;
    return decode_end(text, i, bits, n, out, size);
}
