/* canvas_version.c - which cairo and which FreeType draw. */
#include "api/canvas.h"

#include <cairo/cairo-ft.h>
#include <stdio.h>

const char *canvas_version(void)
{
    return cairo_version_string();
}

const char *canvas_freetype_version(char text[CANVAS_VERSION_SIZE])
{
    FT_Int major = 0, minor = 0, patch = 0;
    FT_Library library;

    if (!FT_Init_FreeType(&library)) {
        FT_Library_Version(library, &major, &minor, &patch);
        FT_Done_FreeType(library);
    }
    snprintf(text, CANVAS_VERSION_SIZE, "%d.%d.%d", major, minor, patch);
    return text;
}
