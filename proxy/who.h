/* Who asks, where the policy wants to know the container of a Unix peer: its cgroups when the
   connection is accepted, and before its first request what the daemon says of that container. No
   more is asked for the rest of the connection. It chooses no role. */
#ifndef PROXY_WHO_H
#define PROXY_WHO_H

#include "exchange.h"

/* Does the role depend on the peer's container, and is that not known (yet)? Reads its cgroups the
   first time. */
bool who_is_open(struct exchange *exchange, const struct client_identity *identity);
/* Is the daemon yet to be asked? */
bool who_must_ask(const struct exchange *exchange);
/* PHASE_WHO: asks, and chooses the role. Back to PHASE_HEAD, or PHASE_WAIT, PHASE_YIELD. */
enum phase exchange_who(struct exchange *exchange);
/* The daemon's time is over. */
enum phase exchange_who_late(struct exchange *exchange);

/* The sentence of a refusal as the client gets it: with who asks, as in "sockwarden: client \"ci\":
   role ...", where roles differ by that. */
void who_tell(const struct exchange *exchange, const struct decision *decision, char *dst,
              size_t cap);

#endif
