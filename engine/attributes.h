/*
 * attributes.h - the compiler attributes that the house uses.
 */
#ifndef ENGINE_ATTRIBUTES_H
#define ENGINE_ATTRIBUTES_H

/* A result that must not be ignored: false or NULL means that it failed. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* printf-like: the format is parameter f, its arguments start at parameter a. */
#define FORMATTED(f, a) __attribute__((format(printf, f, a)))

#endif
