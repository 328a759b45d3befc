/*
 * pages.c - see pages.h
 *
 * The Makefile writes web.inc, a line PAGE(number, "name") for each file of server/web,
 * and makes this file depend on all of them; the assembler reads them in.
 */
#include "server/pages.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PAGE(n, name)                                                                  \
    __asm__(".pushsection .rodata\n"                                                   \
            "page_" #n "_begin: .incbin \"server/web/" name "\"\n"                     \
            "page_" #n "_end: .byte 0\n"                                               \
            ".popsection\n");                                                          \
    extern const char page_##n##_begin[], page_##n##_end[];
#include "web.inc"
#undef PAGE

struct file {
    const char *path, *begin, *end;
};

static const struct file files[] = {
#define PAGE(n, name) {"/" name, page_##n##_begin, page_##n##_end},
#include "web.inc"
#undef PAGE
    {0},
};

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".txt", "text/plain; charset=utf-8"},
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (!strcmp(dot, types[i][0]))
            return types[i][1];
    return "application/octet-stream";
}

bool page_find(const char *path, struct page *page)
{
    if (!strcmp(path, "/"))
        path = "/index.html";
    for (const struct file *file = files; file->path; file++) {
        if (strcmp(file->path, path))
            continue;
        *page = (struct page){file->path, type_of(file->path), file->begin,
                              (size_t)(file->end - file->begin)};
        return true;
    }
    return false;
}

/* FNV-1a */
void page_etag(const struct page *page, char etag[24])
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < page->size; i++)
        hash = (hash ^ (unsigned char)page->bytes[i]) * 0x100000001b3u;
    snprintf(etag, 24, "\"%016lx\"", hash);
}
