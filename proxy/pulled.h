/* The answer to an ImageCreate that a signature has decided: it passes as it comes, up to its end,
   which is held until the daemon has told which image that is, and until the image has its tag. See
   struct pull in policy.h. */
#ifndef PROXY_PULLED_H
#define PROXY_PULLED_H

#include "exchange.h"

/* The request is let through: keeps what its answer is followed by, when anything is. False: no
   memory; the request must not go on. */
bool pulled_keep(struct exchange *exchange, const struct decision *decision);
/* Is this answer, whose head has come, one that says what was pulled? Errors are not. */
bool pulled_wants(const struct exchange *exchange, const struct http_response *http);
/* It is; its head has length bytes, pending upstream. Returns the phase that follows. */
enum phase pulled_begin(struct exchange *exchange, struct http_response *http, size_t length);
/* Has it begun? Then the call below goes on with the answer. */
bool pulled_runs(const struct exchange *exchange);
enum phase pulled_pass(struct exchange *exchange);
/* PHASE_PULLED: looks at the image, gives it its tag or removes it, and ends the answer. */
enum phase pulled_step(struct exchange *exchange);
/* That took too long. */
enum phase pulled_late(struct exchange *exchange);
/* Seconds until then. */
unsigned pulled_seconds(const struct exchange *exchange);
/* Frees what was kept. Safe without any. */
void pulled_drop(struct exchange *exchange);

#endif
