/*
 * font.c - DejaVu Sans as part of the binary.
 *
 * The Makefile says in FONTS where the package has put the files; the assembler reads
 * them in.
 */
#include "api/font.h"

/* Hidden, as names of this file: else code for ARM looks their addresses up in a table
 * where the linker takes each for the start of the section. */
#define HIDDEN __attribute__((visibility("hidden")))

#define FONT(name, file)                                                               \
    __asm__(".pushsection .rodata\n"                                                   \
            ".balign 16\n"                                                             \
            "font_" #name "_begin: .incbin \"" FONTS "/" file "\"\n"                   \
            "font_" #name "_end: .byte 0\n"                                            \
            ".popsection\n");                                                          \
    extern HIDDEN const unsigned char font_##name##_begin[], font_##name##_end[];
FONT(regular, "DejaVuSans.ttf")
FONT(bold, "DejaVuSans-Bold.ttf")
#undef FONT

struct bytes font_file(bool bold)
{
    const unsigned char *begin = bold ? font_bold_begin : font_regular_begin;
    const unsigned char *end = bold ? font_bold_end : font_regular_end;

    return (struct bytes){begin, (size_t)(end - begin)};
}
