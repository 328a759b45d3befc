/* address.c - see address.h */
#include "server/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* Cut "host:port" in two; the host may be empty or in brackets. */
static bool split(const char *bind, char host[ADDRESS_SIZE], char port[8])
{
    const char *colon = strrchr(bind, ':');
    size_t n = colon ? (size_t)(colon - bind) : 0;

    if (!colon || n >= ADDRESS_SIZE || strlen(colon + 1) > 5 || !colon[1] ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    if (n >= 2 && bind[0] == '[' && bind[n - 1] == ']') {
        bind++;
        n -= 2;
    }
    snprintf(host, ADDRESS_SIZE, "%.*s", (int)n, bind);
    snprintf(port, 8, "%s", colon + 1);
    return true;
}

/* What the address means; NULL if it means nothing. The caller frees it. */
static struct addrinfo *resolve(const char *bind, int family, bool listening)
{
    const struct addrinfo hints = {.ai_family = family,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags =
                                       (listening ? AI_PASSIVE : 0) | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[ADDRESS_SIZE], port[8];

    if (!split(bind, host, port) ||
        getaddrinfo(*host ? host : NULL, port, &hints, &found))
        return NULL;
    return found;
}

static int listen_on(const struct addrinfo *at)
{
    const int on = 1, off = 0;
    const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, BACKLOG)) {
        const int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static int try_to_listen(const char *bind, int family)
{
    struct addrinfo *at = resolve(bind, family, true);
    int fd;

    if (!at) {
        errno = EINVAL;
        return -1;
    }
    fd = listen_on(at);
    freeaddrinfo(at);
    return fd;
}

int address_listen(const char *bind, char *message, size_t size)
{
    /* IPv6 first, because ":8080" there takes IPv4 in as well. */
    int fd = try_to_listen(bind, AF_INET6);

    if (fd < 0 && errno != EADDRINUSE && errno != EACCES)
        fd = try_to_listen(bind, AF_INET);
    if (fd >= 0)
        return fd;
    if (errno == EINVAL)
        snprintf(
            message, size,
            "cannot bind to '%s': it takes an address and a port, such as :8080 or "
            "127.0.0.1:8080",
            bind);
    else if (errno == EADDRINUSE)
        snprintf(message, size,
                 "%s is taken by another process; choose another port with --bind",
                 bind);
    else
        snprintf(message, size, "cannot bind to %s: %s", bind, strerror(errno));
    return -1;
}

int address_connect(const char *bind)
{
    struct addrinfo *all = resolve(bind, AF_UNSPEC, false);
    int fd = -1;

    for (const struct addrinfo *at = all; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || !connect(fd, at->ai_addr, at->ai_addrlen))
            continue;
        close(fd);
        fd = -1;
    }
    if (all)
        freeaddrinfo(all);
    return fd;
}

void address_url(int listening, char url[ADDRESS_SIZE])
{
    struct sockaddr_storage at = {0};
    socklen_t size = sizeof at;
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";

    getsockname(listening, (struct sockaddr *)&at, &size);
    getnameinfo((struct sockaddr *)&at, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    if (!strcmp(host, "::") || !strcmp(host, "0.0.0.0"))
        snprintf(host, sizeof host, "localhost");
    snprintf(url, ADDRESS_SIZE,
             strchr(host, ':') ? "http://[%.50s]:%.8s" : "http://%.50s:%.8s", host,
             port);
}
