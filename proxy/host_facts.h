/* The proxy's own answer to what a decision asks about a bind source. */
#ifndef PROXY_HOST_FACTS_H
#define PROXY_HOST_FACTS_H

#include "host_root.h"
#include "policy.h"

/* Fills in a fact of FACT_HOST_PATH; its text lives in the arena. root NULL: judged by name only.
 */
void host_fact_answer(const struct host_root *root, struct fact *fact, struct arena *arena);

#endif
