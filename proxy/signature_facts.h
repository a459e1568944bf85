/* What a decision asks about signatures, handed to those who verify them; see trust.h. */
#ifndef PROXY_SIGNATURE_FACTS_H
#define PROXY_SIGNATURE_FACTS_H

#include "exchange.h"

/* Asks for what is wanted of signatures and was not asked for. What is answered at once is no
   longer wanted; of the rest the client's on_ready tells. */
void signature_facts_ask(struct exchange *exchange);
/* Is an answer outstanding? */
bool signature_facts_wait(const struct exchange *exchange);
/* No answer is wanted any more. Before the facts end, and before others fill them in. */
void signature_facts_cancel(struct exchange *exchange);

#endif
