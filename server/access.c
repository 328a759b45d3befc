/* access.c - see access.h */
#include "server/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 65536 };

/* Words of a text that is cut up in place. */
struct words {
    char *text;
    size_t n;
    char **items;
};

struct access {
    struct words keys, origins;
};

/* Takes the text over; NULL is no words. */
static bool split(struct words *words, char *text, const char *separators)
{
    char *rest = NULL;

    free(words->text);
    words->text = text;
    words->items = text ? calloc(strlen(text) / 2 + 1, sizeof *words->items) : NULL;
    if (!words->items)
        return false;
    for (char *word = strtok_r(text, separators, &rest); word;
         word = strtok_r(NULL, separators, &rest))
        if (*word != '#')
            words->items[words->n++] = word;
    return true;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file ? calloc(1, FILE_MAX + 1) : NULL;

    if (text && fread(text, 1, FILE_MAX, file) == 0 && ferror(file)) {
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

static bool read_keys(struct access *access, const struct options *options,
                      char *message, size_t size)
{
    const char *path = options->api_keys_file;
    char *text;

    if (!*path)
        return split(&access->keys, strdup(options->api_keys), ", ");
    if (*options->api_keys) {
        snprintf(message, size, "API_KEYS and API_KEYS_FILE exclude each other");
        return false;
    }
    text = read_file(path);
    if (!text)
        snprintf(message, size, "the file of API keys %s: %s", path, strerror(errno));
    else if (split(&access->keys, text, "\r\n") && access->keys.n)
        return true;
    else
        snprintf(message, size, "the file of API keys %s holds no key", path);
    return false;
}

struct access *access_new(const struct options *options, char *message, size_t size)
{
    struct access *access = calloc(1, sizeof *access);

    snprintf(message, size, "out of memory");
    if (access && read_keys(access, options, message, size) &&
        split(&access->origins, strdup(options->cors_origins), ", "))
        return access;
    access_free(access);
    return NULL;
}

void access_free(struct access *access)
{
    if (!access)
        return;
    free(access->keys.text);
    free(access->keys.items);
    free(access->origins.text);
    free(access->origins.items);
    free(access);
}

/* Time depends on the length of what the client sent only. */
static bool same_secret(const char *secret, const char *sent)
{
    const size_t n = strlen(secret);
    unsigned char differs = strlen(sent) != n;

    for (size_t i = 0; sent[i]; i++)
        differs |= (unsigned char)(sent[i] ^ secret[i % n]);
    return !differs;
}

bool access_allowed(const struct access *access, const char *authorization)
{
    bool allowed = access->keys.n == 0;

    if (allowed || !authorization || strncasecmp(authorization, "Bearer ", 7))
        return allowed;
    authorization += 7;
    authorization += strspn(authorization, " ");
    for (size_t i = 0; i < access->keys.n; i++)
        allowed |= same_secret(access->keys.items[i], authorization);
    return allowed;
}

const char *access_origin(const struct access *access, const char *origin)
{
    for (size_t i = 0; origin && i < access->origins.n; i++) {
        const char *allowed = access->origins.items[i];
        if (!strcmp(allowed, "*") || !strcmp(allowed, origin))
            return allowed;
    }
    return NULL;
}
