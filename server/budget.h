/*
 * budget.h - the bytes that bodies and replies in flight may take, shared by clients.
 *
 * Beside others a client gets three quarters of them at most, whatever it has been
 * granted in one piece aside: so there is something left for whoever comes next.
 * Nothing is ever taken back. Every function may be called from any thread.
 */
#ifndef SERVER_BUDGET_H
#define SERVER_BUDGET_H

#include <pthread.h>
#include <stdint.h>

#include "api/api.h"

enum { BUDGET_PLACES_LOG = 12 };

struct budget {
    pthread_mutex_t lock; /* of the rest */
    size_t limit, held;
    size_t shares[1 << BUDGET_PLACES_LOG]; /* of held, by client */
};

enum budget_answer {
    BUDGET_GRANTED,
    BUDGET_SPENT,
    BUDGET_GREEDY /* others have something, and this client its share */
};

void budget_init(struct budget *budget, size_t limit);
void budget_release(struct budget *budget);

/* Take bytes for a request that has own bytes already. */
enum budget_answer budget_take(struct budget *budget, uint64_t client, size_t own,
                               size_t bytes) MUST_CHECK;
void budget_give(struct budget *budget, uint64_t client, size_t bytes);

/* Whether anything at all would be granted in place of own. */
enum budget_answer budget_ask(struct budget *budget, uint64_t client,
                              size_t own) MUST_CHECK;

size_t budget_held(struct budget *budget);

#endif
