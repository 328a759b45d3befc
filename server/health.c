/* health.c - see health.h */
#include "server/health.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/address.h"

static const char request[] = "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";

/* The beginning of the answer; false if there is none in time. */
static bool ask(int fd, char *answer, size_t size)
{
    const struct timeval patience = {.tv_sec = 3};
    size_t n = 0;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        return false;
    while (n < size - 1) {
        const ssize_t step = recv(fd, answer + n, size - 1 - n, 0);
        if (step <= 0)
            break;
        n += (size_t)step;
    }
    answer[n] = '\0';
    return n > 0;
}

int health_check(const struct options *options)
{
    const int fd = address_connect(options->bind);
    char answer[16] = "";

    if (fd < 0) {
        fprintf(stderr, "convscope health: nobody listens on %s\n", options->bind);
        return 1;
    }
    const bool answered = ask(fd, answer, sizeof answer);
    close(fd);
    if (answered && !strncmp(answer, "HTTP/1.", 7) && !strncmp(answer + 8, " 200", 4))
        return 0;
    fprintf(stderr, "convscope health: %s on %s\n",
            answered ? "the server is not ready" : "no answer in time", options->bind);
    return 1;
}
