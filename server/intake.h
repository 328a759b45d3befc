/*
 * intake.h - a request comes in: is it admitted, and what becomes of its body.
 *
 * Every limit that needs no look into the body is enforced here, on the I/O thread. The
 * functions are what libmicrohttpd's handler does in its first call, in those with a
 * piece of the body, and when the body is complete.
 */
#ifndef SERVER_INTAKE_H
#define SERVER_INTAKE_H

#include "server/exchange.h"

/* When what has been received by now should have been followed by more. */
int64_t intake_deadline(const struct exchange *exchange);

enum MHD_Result intake_head(struct exchange *exchange, const char *method,
                            const char *version);
enum MHD_Result intake_body(struct exchange *exchange, const char *data, size_t n);
/* Answer, or hand the exchange to the workers. */
enum MHD_Result intake_complete(struct exchange *exchange);

#endif
