/*
 * connections.c - see connections.h
 *
 * One mutex guards the table. A slot's descriptor is closed only after
 * connection_close has emptied the slot, so under the mutex it is never a number that
 * now belongs to somebody else. An event of the guard's epoll names its slot and the
 * slot's generation: one that comes late finds another generation and is dropped.
 */
#include "server/connections.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "server/clock.h"

enum { TICK_MS = 100, LOOK_MS = 500, EVENTS = 64 };

struct connection {
    struct connections *table;
    int fd; /* -1: the slot is free */
    uint32_t generation;
    enum connection_phase phase;
    int64_t opened, deadline;
    uint64_t received; /* bytes, when it became idle */
    bool late, spare;
    atomic_bool *gone;
    struct connection *next_free;
    char peer[INET6_ADDRSTRLEN];
    uint64_t client;
};

struct connections {
    pthread_mutex_t lock;
    size_t capacity, soft, count;
    struct connection *slots, *free;
    struct pollfd *polled; /* room for all */
    int64_t look_next;     /* for idle ones that were abandoned, or are idle no more */
    int64_t head_ns;
    uint64_t late[CONNECTION_PHASES];
    void (*tick)(void *context);
    void *context;
    int epoll, stop; /* stop: an eventfd that ends the guard */
    pthread_t guard;
    bool guarded;
};

/* Called with the lock held. */
static void cut(struct connection *connection)
{
    if (connection->fd >= 0)
        shutdown(connection->fd, SHUT_RDWR);
}

/* A client's FIN that comes with its last bytes is never told of by libmicrohttpd's
 * edge-triggered epoll: the connection would be kept for a client that has gone. Cut
 * those that wait for a request, have been closed, and have nothing left to be read.
 * Called with the lock held. */
static void cut_abandoned(struct connections *table)
{
    nfds_t n = 0;
    int unread;

    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].fd >= 0 && table->slots[i].phase == CONNECTION_IDLE)
            table->polled[n++] =
                (struct pollfd){.fd = table->slots[i].fd, .events = POLLRDHUP};
    if (!n || poll(table->polled, n, 0) <= 0)
        return;
    for (nfds_t i = 0; i < n; i++)
        if (table->polled[i].revents &&
            !ioctl(table->polled[i].fd, FIONREAD, &unread) && !unread)
            shutdown(table->polled[i].fd, SHUT_RDWR);
}

static uint64_t bytes_received(const struct connection *c)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size))
        return 0;
    return info.tcpi_bytes_received;
}

/* libmicrohttpd says nothing of a request before its first line is whole. Called with
 * the lock held. */
static void notice_begun(struct connections *table, int64_t now)
{
    for (size_t i = 0; i < table->capacity; i++) {
        struct connection *c = &table->slots[i];
        if (c->fd < 0 || c->phase != CONNECTION_IDLE ||
            bytes_received(c) == c->received)
            continue;
        c->phase = CONNECTION_HEADER;
        c->deadline = now + table->head_ns;
    }
}

static void reap(struct connections *table)
{
    const int64_t now = clock_ns();

    pthread_mutex_lock(&table->lock);
    if (now >= table->look_next) {
        cut_abandoned(table);
        notice_begun(table, now);
        table->look_next = now + (int64_t)LOOK_MS * NS_PER_MS;
    }
    const bool crowded = table->count > table->soft;
    const bool full = table->count > table->capacity - table->capacity / 8;
    for (size_t i = 0; i < table->capacity; i++) {
        struct connection *c = &table->slots[i];
        if (c->fd < 0 || c->late || c->phase == CONNECTION_WORK)
            continue;
        const bool needless = (crowded && c->phase == CONNECTION_IDLE) ||
                              (full && c->spare && c->phase == CONNECTION_HEADER &&
                               now - c->opened > (int64_t)TICK_MS * NS_PER_MS);
        if (now < c->deadline && !needless)
            continue;
        c->late = true;
        table->late[c->phase]++;
        cut(c);
    }
    pthread_mutex_unlock(&table->lock);
}

static uint64_t event_name(const struct connection *c)
{
    return (uint64_t)(c - c->table->slots) << 32 | c->generation;
}

static void mark_gone(struct connections *table, uint64_t name)
{
    pthread_mutex_lock(&table->lock);
    struct connection *c = &table->slots[name >> 32];
    if (c->gone && event_name(c) == name)
        atomic_store(c->gone, true);
    pthread_mutex_unlock(&table->lock);
}

static void *guard(void *arg)
{
    struct connections *table = arg;
    struct epoll_event events[EVENTS];
    int64_t next = clock_ns();

    for (;;) {
        const int n = epoll_wait(table->epoll, events, EVENTS, TICK_MS);

        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == UINT64_MAX)
                return NULL;
            mark_gone(table, events[i].data.u64);
        }
        if (clock_ns() >= next) {
            reap(table);
            next = clock_ns() + (int64_t)TICK_MS * NS_PER_MS;
        }
        table->tick(table->context);
    }
}

static bool start_guard(struct connections *table)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};

    table->epoll = epoll_create1(EPOLL_CLOEXEC);
    table->stop = eventfd(0, EFD_CLOEXEC);
    if (table->epoll < 0 || table->stop < 0 ||
        epoll_ctl(table->epoll, EPOLL_CTL_ADD, table->stop, &event))
        return false;
    return table->guarded = !pthread_create(&table->guard, NULL, guard, table);
}

struct connections *connections_new(size_t capacity, size_t soft, int64_t head_ns,
                                    void (*tick)(void *context), void *context)
{
    struct connections *table = calloc(1, sizeof *table);

    if (!table)
        return NULL;
    pthread_mutex_init(&table->lock, NULL);
    table->capacity = capacity;
    table->soft = soft;
    table->head_ns = head_ns;
    table->tick = tick;
    table->context = context;
    table->epoll = table->stop = -1;
    table->slots = calloc(capacity, sizeof *table->slots);
    table->polled = calloc(capacity, sizeof *table->polled);
    if (!table->slots || !table->polled)
        goto fail;
    for (size_t i = capacity; i-- > 0;) {
        table->slots[i] =
            (struct connection){.table = table, .fd = -1, .next_free = table->free};
        table->free = &table->slots[i];
    }
    if (start_guard(table))
        return table;

fail:
    connections_free(table);
    return NULL;
}

void connections_free(struct connections *table)
{
    if (!table)
        return;
    if (table->guarded) {
        eventfd_write(table->stop, 1);
        pthread_join(table->guard, NULL);
    }
    if (table->stop >= 0)
        close(table->stop);
    if (table->epoll >= 0)
        close(table->epoll);
    pthread_mutex_destroy(&table->lock);
    free(table->slots);
    free(table->polled);
    free(table);
}

static void set_peer(struct connection *c, const struct sockaddr *peer)
{
    const unsigned char *address = NULL;
    bool is_v4 = false;

    snprintf(c->peer, sizeof c->peer, "-");
    c->client = 0;
    if (peer && peer->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)peer;
        address = (const void *)&v4->sin_addr;
        is_v4 = true;
    } else if (peer && peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)peer;
        is_v4 = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        address = v6->sin6_addr.s6_addr + (is_v4 ? 12 : 0);
    }
    if (!address)
        return;
    inet_ntop(is_v4 ? AF_INET : AF_INET6, address, c->peer, sizeof c->peer);
    memcpy(&c->client, address, is_v4 ? 4 : 8);
    if (is_v4) /* apart from IPv6: no network is ::ffff:0:0:0/32 */
        c->client = c->client << 32 | 0xffff0000;
}

struct connection *connection_open(struct connections *table, int fd,
                                   const struct sockaddr *peer, int64_t deadline)
{
    pthread_mutex_lock(&table->lock);
    struct connection *c = table->free;
    if (c) {
        table->free = c->next_free;
        table->count++;
        c->fd = fd;
        c->generation++;
        c->late = false;
        c->spare = table->count > table->soft;
        c->phase = CONNECTION_HEADER;
        c->opened = clock_ns();
        c->deadline = deadline;
        set_peer(c, peer);
    }
    pthread_mutex_unlock(&table->lock);
    return c;
}

void connection_close(struct connection *c)
{
    struct connections *table = c->table;

    pthread_mutex_lock(&table->lock);
    c->fd = -1;
    c->gone = NULL;
    c->next_free = table->free;
    table->free = c;
    table->count--;
    pthread_mutex_unlock(&table->lock);
}

void connection_enter(struct connection *c, enum connection_phase phase,
                      int64_t deadline)
{
    const bool reading = phase == CONNECTION_HEADER || phase == CONNECTION_BODY;

    pthread_mutex_lock(&c->table->lock);
    c->phase = phase;
    if (phase == CONNECTION_IDLE)
        c->received = bytes_received(c);
    if (!(c->spare && reading) || deadline < c->deadline)
        c->deadline = deadline;
    pthread_mutex_unlock(&c->table->lock);
}

void connection_begin(struct connection *c, int64_t deadline)
{
    pthread_mutex_lock(&c->table->lock);
    if (c->phase != CONNECTION_HEADER)
        c->deadline = deadline;
    c->phase = CONNECTION_HEADER;
    pthread_mutex_unlock(&c->table->lock);
}

void connection_watch(struct connection *c, atomic_bool *gone)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET};

    pthread_mutex_lock(&c->table->lock);
    c->gone = gone;
    c->generation++;
    event.data.u64 = event_name(c);
    /* If this fails, a gone client is seen only when its reply is written. */
    epoll_ctl(c->table->epoll, EPOLL_CTL_ADD, c->fd, &event);
    pthread_mutex_unlock(&c->table->lock);
}

void connection_unwatch(struct connection *c)
{
    pthread_mutex_lock(&c->table->lock);
    if (c->gone)
        epoll_ctl(c->table->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->gone = NULL;
    pthread_mutex_unlock(&c->table->lock);
}

void connection_cut(struct connection *c)
{
    pthread_mutex_lock(&c->table->lock);
    cut(c);
    pthread_mutex_unlock(&c->table->lock);
}

bool connection_late(struct connection *c, enum connection_phase *phase)
{
    pthread_mutex_lock(&c->table->lock);
    const bool late = c->late;
    *phase = c->phase;
    pthread_mutex_unlock(&c->table->lock);
    return late;
}

bool connection_is_spare(const struct connection *c)
{
    return c->spare;
}

const char *connection_peer(const struct connection *c)
{
    return c->peer;
}

uint64_t connection_client(const struct connection *c)
{
    return c->client;
}

size_t connections_count(struct connections *table)
{
    pthread_mutex_lock(&table->lock);
    const size_t count = table->count;
    pthread_mutex_unlock(&table->lock);
    return count;
}

uint64_t connections_late(struct connections *table, enum connection_phase phase)
{
    pthread_mutex_lock(&table->lock);
    const uint64_t late = table->late[phase];
    pthread_mutex_unlock(&table->lock);
    return late;
}

void connections_cut(struct connections *table, bool all)
{
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->capacity; i++)
        if (all || table->slots[i].phase == CONNECTION_IDLE)
            cut(&table->slots[i]);
    pthread_mutex_unlock(&table->lock);
}
