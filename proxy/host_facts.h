/* Answers of the proxy itself to what a decision asks about bind sources. */
#ifndef PROXY_HOST_FACTS_H
#define PROXY_HOST_FACTS_H

#include "host_root.h"
#include "policy.h"

/* Fills in the wanted facts of FACT_HOST_PATH; their texts live in the arena. root NULL: judged by
   name only. True: there was one, and nothing else is wanted, so the decision can be taken again.
 */
bool host_facts_answer(const struct host_root *root, struct facts *facts, struct arena *arena);

#endif
