/* Answers that a client must not see whole: what is hidden from him is left out on the way, what is
   redacted is emptied. See filter.h for how, include/hide.h and include/redact.h for what. */
#ifndef PROXY_RESPOND_FILTER_H
#define PROXY_RESPOND_FILTER_H

#include "exchange.h"

/* The request is let through: keeps what its answer will be filtered by, when there is anything to
   hide in it. request: as it is sent on. False: no memory; the request must not go on. */
bool respond_filter_keep(struct exchange *exchange, const struct request *request);
/* Is this answer, whose head has come, one to filter? Errors are not. */
bool respond_filter_wants(const struct exchange *exchange, const struct http_response *http);
/* It is; its head has length bytes, pending upstream. Returns the phase that follows. */
enum phase respond_filter_begin(struct exchange *exchange, struct http_response *http,
                                size_t length);
/* Has it begun? Then the step below goes on with the answer, up to its end. */
bool respond_filter_runs(const struct exchange *exchange);
enum phase respond_filter_step(struct exchange *exchange);
/* Is all of it queued, and much of that not taken by the client yet? */
bool respond_filter_ended(const struct exchange *exchange);
/* Frees what was kept. Safe without any. */
void respond_filter_drop(struct exchange *exchange);

#endif
