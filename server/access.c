/*
 * access.c - see access.h
 *
 * The lock guards the keys, which a reload replaces.
 */
#include "server/access.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
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
    pthread_mutex_t lock;
    struct words keys, origins;
    const struct options *options;
};

/* Takes the text over; NULL is no words. A word that begins with comment is none. */
static bool split(struct words *words, char *text, const char *separators, char comment)
{
    char *rest = NULL;

    free(words->text);
    words->text = text;
    words->items = text ? calloc(strlen(text) / 2 + 1, sizeof *words->items) : NULL;
    if (!words->items)
        return false;
    for (char *word = strtok_r(text, separators, &rest); word;
         word = strtok_r(NULL, separators, &rest))
        if (*word != comment)
            words->items[words->n++] = word;
    return true;
}

/* The whole file; NULL, with errno set, if it cannot be read, is too large, or is no
 * text: behind a NUL its keys would be lost without a word. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file ? calloc(1, FILE_MAX + 2) : NULL;
    int error = errno;

    if (text) {
        const size_t n = fread(text, 1, FILE_MAX + 1, file);
        const bool failed = ferror(file);
        const bool is_text = !memchr(text, '\0', n);
        error = failed ? errno : n > FILE_MAX ? EFBIG : is_text ? 0 : EILSEQ;
    }
    if (file)
        fclose(file);
    if (text && error) {
        free(text);
        text = NULL;
    }
    errno = error;
    return text;
}

/* Editors leave blanks around a line, and a mark of the byte order before all. */
static void trim(char *text)
{
    static const char mark[] = "\xef\xbb\xbf", blanks[] = " \t", ends[] = "\r\n";
    const size_t n_mark = sizeof mark - 1;

    if (!strncmp(text, mark, n_mark))
        memmove(text, text + n_mark, strlen(text + n_mark) + 1);
    for (char *at = text; (at = strpbrk(at, blanks));) {
        const size_t n = strspn(at, blanks);
        if (at == text || strchr(ends, at[-1]) || strchr(ends, at[n]))
            memset(at, '\n', n);
        at += n;
    }
}

static bool read_key_file(struct words *keys, const char *path, char *message,
                          size_t size)
{
    char *text = read_file(path);

    if (!text) {
        snprintf(message, size, "the file of API keys %s: %s", path,
                 errno == EILSEQ ? "it holds a NUL byte" : strerror(errno));
        return false;
    }
    trim(text);
    if (split(keys, text, "\r\n", '#') && keys->n)
        return true;
    snprintf(message, size, "the file of API keys %s holds no key", path);
    return false;
}

/* No keys let everybody in, so a setting that yields none is refused. */
static bool read_keys(struct words *keys, const struct options *options, char *message,
                      size_t size)
{
    if (!*options->api_keys && !*options->api_keys_file)
        return true;
    if (!*options->api_keys)
        return read_key_file(keys, options->api_keys_file, message, size);
    if (*options->api_keys_file)
        snprintf(message, size, "API_KEYS and API_KEYS_FILE exclude each other");
    else if (split(keys, strdup(options->api_keys), ", ", '\0') && keys->n)
        return true;
    else
        snprintf(message, size, "API_KEYS is set but holds no key");
    return false;
}

/* As browsers send it: scheme://host or scheme://host:port in lower case; "null" comes
 * from files. Anything else would match nothing, without a word. */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");

    if (!strcmp(text, "*") || !strcmp(text, "null"))
        return true;
    for (const char *c = text; *c; c++)
        if (isupper((unsigned char)*c))
            return false;
    return host && host > text && host[3] && !strpbrk(host + 3, "/?#@");
}

static bool read_origins(struct words *origins, const struct options *options,
                         char *message, size_t size)
{
    if (!split(origins, strdup(options->cors_origins), ", ", '\0'))
        return false;
    for (size_t i = 0; i < origins->n; i++)
        if (!is_origin(origins->items[i])) {
            snprintf(message, size,
                     "CORS_ORIGINS '%.100s' is no origin: it takes *, or scheme://host "
                     "in lower case, with a :port but no path",
                     origins->items[i]);
            return false;
        }
    return true;
}

struct access *access_new(const struct options *options, char *message, size_t size)
{
    struct access *access = calloc(1, sizeof *access);

    snprintf(message, size, "out of memory");
    if (!access)
        return NULL;
    pthread_mutex_init(&access->lock, NULL);
    access->options = options;
    if (read_keys(&access->keys, options, message, size) &&
        read_origins(&access->origins, options, message, size))
        return access;
    access_free(access);
    return NULL;
}

static void release(struct words *words)
{
    free(words->text);
    free(words->items);
}

bool access_reload(struct access *access, size_t *n, char *message, size_t size)
{
    struct words keys = {0}, old = {0};

    snprintf(message, size, "out of memory");
    const bool read = read_keys(&keys, access->options, message, size);
    pthread_mutex_lock(&access->lock);
    if (read) {
        old = access->keys;
        access->keys = keys;
    }
    *n = access->keys.n;
    pthread_mutex_unlock(&access->lock);
    release(read ? &old : &keys);
    return read;
}

void access_free(struct access *access)
{
    if (!access)
        return;
    release(&access->keys);
    release(&access->origins);
    pthread_mutex_destroy(&access->lock);
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

/* The key that was sent; NULL if none was. */
static const char *bearer(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7))
        return NULL;
    return authorization + 7 + strspn(authorization + 7, " ");
}

/* FNV-1a */
static uint64_t number_of(const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
    return hash;
}

bool access_allowed(struct access *access, const char *authorization, uint64_t *client)
{
    const char *key = bearer(authorization);

    pthread_mutex_lock(&access->lock);
    const bool open = access->keys.n == 0;
    bool allowed = open;
    for (size_t i = 0; key && i < access->keys.n; i++)
        allowed |= same_secret(access->keys.items[i], key);
    pthread_mutex_unlock(&access->lock);
    if (allowed && !open)
        *client = number_of(key);
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
