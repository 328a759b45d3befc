/*
 * pages.h - the files of server/web, inside the binary.
 */
#ifndef SERVER_PAGES_H
#define SERVER_PAGES_H

#include <stdbool.h>
#include <stddef.h>

struct page {
    const char *path; /* "/index.html"; also found as "/" */
    const char *content_type;
    const char *bytes;
    size_t size;
};

/* False if there is no such page. */
bool page_find(const char *path, struct page *page);

/* A quoted entity tag of the page's bytes. */
void page_etag(const struct page *page, char etag[24]);

#endif
