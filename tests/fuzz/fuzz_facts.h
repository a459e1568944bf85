/* What a daemon says in the fuzz targets of the policy: about everything the text that the input
   brings, or, where it brings none, that containers are harmless and nothing else is there. */
#ifndef FUZZ_FACTS_H
#define FUZZ_FACTS_H

#include "policy.h"

#include <stdlib.h>

#define FUZZ_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static inline struct str fuzz_found(enum fact_kind kind)
{
    switch (kind) {
    case FACT_CONTAINER:
        return STR("{\"Id\":\"" FUZZ_ID "\",\"Image\":\"sha256:" FUZZ_ID
                   "\",\"Config\":{\"Image\":\"good.example/a\"},\"HostConfig\":{}}");
    case FACT_EXEC:
        return STR("{\"ID\":\"" FUZZ_ID "\",\"ContainerID\":\"" FUZZ_ID
                   "\",\"ProcessConfig\":{\"entrypoint\":\"ls\",\"privileged\":false}}");
    case FACT_INFO:
        return STR("{\"DefaultRuntime\":\"runc\",\"LoggingDriver\":\"json-file\","
                   "\"CgroupVersion\":\"1\"}");
    case FACT_VERSION:
        return STR("{\"Version\":\"20.10.24\"}");
    case FACT_HOST_PATH:
        return STR("{\"State\":\"none\"}");
    case FACT_OWN_EXEC:
        return STR("{\"Own\":true}");
    case FACT_SIGNATURE:
        return STR("{\"Verdict\":\"signed\",\"Digest\":\"sha256:" FUZZ_ID
                   "\",\"Ids\":[\"sha256:" FUZZ_ID "\"],\"Key\":\"SHA256:" FUZZ_ID
                   "\",\"Format\":\"cosign-simple\"}");
    default:
        return (struct str){NULL, 0};
    }
}

/* said: p NULL for none. A decision that asks without end is a refusal, as in the proxy. */
static inline void fuzz_decide(const struct role *role, const struct request *request,
                               struct str said, struct arena *arena, struct decision *decision)
{
    struct facts facts = {.arena = arena};
    for (int round = 0; round <= FACT_ROUNDS_MAX; round++) {
        policy_decide(role, request, &facts, arena, decision);
        if (decision->verdict != VERDICT_NEED) {
            struct decision again;
            policy_decide_again(role, request, &facts, decision->read, arena, &again);
            if (again.verdict != decision->verdict || strcmp(again.reason, decision->reason) != 0)
                abort(); /* what was read for it changes nothing */
            return;
        }
        bool wanted = false;
        for (size_t i = 0; i < facts.count; i++) {
            struct fact *fact = &facts.items[i];
            if (fact->state != FACT_WANTED)
                continue;
            wanted = true;
            fact->text = said.p && fact->kind < FACT_HOST_PATH ? said : fuzz_found(fact->kind);
            fact->state = fact->text.p ? FACT_FOUND : FACT_MISSING;
        }
        if (!wanted || facts.count > FACTS_MAX)
            abort();
    }
    *decision = (struct decision){.status = 403, .reason = "too often"};
}

#endif
