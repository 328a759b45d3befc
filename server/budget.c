/*
 * budget.c - see budget.h
 *
 * Two clients whose numbers share a place are taken for one.
 */
#include "server/budget.h"

void budget_init(struct budget *budget, size_t limit)
{
    *budget = (struct budget){.limit = limit};
    pthread_mutex_init(&budget->lock, NULL);
}

void budget_release(struct budget *budget)
{
    pthread_mutex_destroy(&budget->lock);
}

static size_t *find_share(struct budget *budget, uint64_t client)
{
    const uint64_t hash = client * 0x9e3779b97f4a7c15u; /* Fibonacci hashing */

    return &budget->shares[hash >> (64 - BUDGET_PLACES_LOG)];
}

/* Of limit, where all hold so much, this client share, and this request own. */
static enum budget_answer judge(size_t limit, size_t held, size_t share, size_t own,
                                size_t bytes)
{
    const size_t most = limit - limit / 4;
    const bool fits = bytes <= limit - held;
    const bool shares = share == own || (share <= most && bytes <= most - share);

    if (fits && shares)
        return BUDGET_GRANTED;
    return !shares && held > share ? BUDGET_GREEDY : BUDGET_SPENT;
}

enum budget_answer budget_take(struct budget *budget, uint64_t client, size_t own,
                               size_t bytes)
{
    pthread_mutex_lock(&budget->lock);
    size_t *share = find_share(budget, client);
    const enum budget_answer answer =
        judge(budget->limit, budget->held, *share, own, bytes);
    if (answer == BUDGET_GRANTED) {
        budget->held += bytes;
        *share += bytes;
    }
    pthread_mutex_unlock(&budget->lock);
    return answer;
}

void budget_give(struct budget *budget, uint64_t client, size_t bytes)
{
    pthread_mutex_lock(&budget->lock);
    budget->held -= bytes;
    *find_share(budget, client) -= bytes;
    pthread_mutex_unlock(&budget->lock);
}

enum budget_answer budget_ask(struct budget *budget, uint64_t client, size_t own)
{
    pthread_mutex_lock(&budget->lock);
    const enum budget_answer answer = judge(budget->limit, budget->held - own,
                                            *find_share(budget, client) - own, 0, 1);
    pthread_mutex_unlock(&budget->lock);
    return answer;
}

size_t budget_held(struct budget *budget)
{
    pthread_mutex_lock(&budget->lock);
    const size_t held = budget->held;
    pthread_mutex_unlock(&budget->lock);
    return held;
}
