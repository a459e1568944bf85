/* Stands in for those who verify signatures where they are not built in: nothing is known. */
#include "trust.h"

enum trust_status trust_ask(struct trust_desk *desk, const struct trust_question *question,
                            struct fact *fact, struct arena *arena, void (*on_ready)(void *arg),
                            void *arg)
{
    (void)desk;
    (void)question;
    (void)arena;
    (void)on_ready;
    (void)arg;
    fact->state = FACT_FAILED;
    fact->text = STR("signatures are not verified by this build");
    return TRUST_DONE;
}

void trust_cancel(struct trust_desk *desk, const void *arg)
{
    (void)desk;
    (void)arg;
}

void trust_rules_free(struct trust_rules *rules)
{
    (void)rules;
}
