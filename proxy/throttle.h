/* Limits of a client: what its role, or the default, lets it use at a time, and what becomes of a
   connection or request beyond that. Numbers are usage.c's, limits the policy's. */
#ifndef PROXY_THROTTLE_H
#define PROXY_THROTTLE_H

#include "exchange.h"

/* Counts the connection as one of its peer's, as far as that is known by now; again when more is
   known, or the role is another. exchange->place says whether it is one too many. */
void throttle_join(struct exchange *exchange);
/* The connection is closed, and the exchange has been finished. */
void throttle_leave(struct exchange *exchange);
/* Answers a connection that is one too many; it has been recorded when it joined. */
enum phase throttle_turn_away(struct exchange *exchange);

/* May the peer send one more request just now? On a connection that is one too many only a ping,
   which asks no more than whether we live; it is closed after it. */
bool throttle_admits(struct exchange *exchange, bool ping);
/* The same for a request that is allowed, should it be a stream: it counts until
   throttle_end_stream(), which is safe without one. */
bool throttle_admits_stream(struct exchange *exchange);
void throttle_end_stream(struct exchange *exchange);
/* Bounds a body that is about to be collected by what the peer may send and hold. */
void throttle_body(const struct exchange *exchange, struct body *body);

/* Records, at most once a second, and answers a request beyond this limit: 429, or 413 for a body
   that alone is too large. Or turns it away where its connection is one too many. */
enum phase throttle_refuse(struct exchange *exchange, enum limit limit, int status);

#endif
