/* Deciding with bind sources judged by name, as `explain` does without facts. */
#ifndef TESTS_FACTS_HELPER_H
#define TESTS_FACTS_HELPER_H

#include "policy.h"

/* Answers the questions about host paths; true when there was one and no other is open. */
static inline bool facts_by_name(struct facts *facts)
{
    bool answered = false, others = false;
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->state != FACT_WANTED)
            continue;
        others |= fact->kind != FACT_HOST_PATH;
        answered |= fact->kind == FACT_HOST_PATH;
        if (fact->kind == FACT_HOST_PATH) {
            fact->state = FACT_FOUND;
            fact->text = STR("{\"State\":\"none\"}");
        }
    }
    return answered && !others;
}

static inline void decide_by_name(const struct role *role, const struct request *request,
                                  struct arena *arena, struct decision *decision)
{
    struct facts facts = {.arena = arena};
    do {
        policy_decide(role, request, &facts, arena, decision);
    } while (decision->verdict == VERDICT_NEED && facts_by_name(&facts));
}

#endif
