/*
 * font.h - DejaVu Sans, the font of figures, as part of the binary.
 *
 * Nothing is looked up when the service runs: a figure has the same letters in a bare
 * container as on a desktop.
 */
#ifndef API_FONT_H
#define API_FONT_H

#include <stdbool.h>

#include "api/bytes.h"

/* The TrueType file. */
struct bytes font_file(bool bold);

#endif
