/*
 * answer.h - what is sent for an exchange, and what is said of it in log and metrics.
 */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "server/exchange.h"

/* Send the exchange's reply, with the headers that every answer of ours has. */
enum MHD_Result answer_send(struct exchange *exchange);

/* The exchange has ended: log and count it. */
void answer_record(struct exchange *exchange, enum MHD_RequestTerminationCode how);

#endif
