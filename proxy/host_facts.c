/* Bind sources as facts; see host_facts.h. What the daemon knows, it is asked elsewhere. */
#include "host_facts.h"

#include "host_path.h"

static void answer(const struct host_root *root, struct fact *fact, struct arena *arena)
{
    fact->text = host_path_fact(root, fact->name, arena);
    fact->state = fact->text.p ? FACT_FOUND : FACT_FAILED;
    if (!fact->text.p)
        fact->text = STR("out of memory");
}

bool host_facts_answer(const struct host_root *root, struct facts *facts, struct arena *arena)
{
    static const struct host_root by_name = {.fd = -1, .by_name = true};
    bool answered = false, others = false;
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->state != FACT_WANTED)
            continue;
        if (fact->kind == FACT_HOST_PATH)
            answer(root ? root : &by_name, fact, arena);
        answered |= fact->kind == FACT_HOST_PATH;
        others |= fact->kind != FACT_HOST_PATH;
    }
    return answered && !others;
}
