/*
 * font.c - DejaVu Sans as part of the binary.
 *
 * The Makefile says in FONTS where the package has put the files; the assembler reads
 * them in.
 */
#include "api/font.h"

#define FONT(name, file)                                                               \
    __asm__(".pushsection .rodata\n"                                                   \
            ".balign 16\n"                                                             \
            "font_" #name "_begin: .incbin \"" FONTS "/" file "\"\n"                   \
            "font_" #name "_end: .byte 0\n"                                            \
            ".popsection\n");                                                          \
    extern const unsigned char font_##name##_begin[], font_##name##_end[];
FONT(regular, "DejaVuSans.ttf")
FONT(bold, "DejaVuSans-Bold.ttf")
#undef FONT

struct bytes font_file(bool bold)
{
    const unsigned char *begin = bold ? font_bold_begin : font_regular_begin;
    const unsigned char *end = bold ? font_bold_end : font_regular_end;

    return (struct bytes){begin, (size_t)(end - begin)};
}
