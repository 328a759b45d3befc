/*
 * number.h - numbers as short text, for pictures.
 */
#ifndef API_NUMBER_H
#define API_NUMBER_H

enum { NUMBER_TEXT_SIZE = 32 };

/* With so many significant digits, but the whole of an integer part of up to five:
 * "0.061", "1235", "1.2e+06"; "nan", "inf". */
void number_print(char text[NUMBER_TEXT_SIZE], double value, int digits);

#endif
