/*
 * option_value.h - one value of an option: checked and stored, by type.
 *
 * The workings of options.c; nobody else needs them.
 */
#ifndef API_OPTION_VALUE_H
#define API_OPTION_VALUE_H

#include "api/options.h"

/* A row of the table. */
struct option_rule {
    const char *name;
    enum option_type type;
    size_t offset; /* in struct options */
    double minimum, maximum;
    const char *const *names; /* of a choice or a generator */
    const char *what;
};

/* The option that is being set, and to what: text, or JSON at a pointer. */
struct option_setter {
    const struct option_rule *rule;
    struct options *options;
    const char *text;    /* NULL if it is JSON and no string */
    const cJSON *json;   /* NULL if it came as text */
    const char *pointer; /* NULL if it came as text */
    const char *within;  /* name of the option in whose text it stands, or NULL */
    struct arena *arena;
    struct error *err;
};

/* Check and store; ERROR_OPTION_INVALID. */
bool option_store(const struct option_setter *setter) MUST_CHECK;

/* In options.c: find the rule of this name and store, for the first time only. */
bool option_set(struct option_setter *setter, const char *name) MUST_CHECK;

#endif
