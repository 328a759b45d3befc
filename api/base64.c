/* base64.c - standard base64, read strictly. */
#include "api/base64.h"

#include <stdint.h>

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
