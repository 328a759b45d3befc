/* number.c - numbers as short text, for pictures. */
#include "api/number.h"

#include <math.h>
#include <stdio.h>

void number_print(char text[NUMBER_TEXT_SIZE], double value, int digits)
{
    const double v = value == 0 ? 0 : value; /* no -0 */
    int whole = 0;

    for (double size = fabs(v); size >= 1 && whole <= 5; size /= 10)
        whole++;
    if (whole <= 5 && whole >= digits) /* %.4g of 9999.9 is "1e+04" */
        snprintf(text, NUMBER_TEXT_SIZE, "%.0f", v);
    else
        snprintf(text, NUMBER_TEXT_SIZE, "%.*g", digits, isnan(v) ? fabs(v) : v);
}
