/* What it costs to name one thing many times: the answer is read once in a decision, whoever asks.
   Counted in bytes of the arena and by verdicts, never by a clock. */
#include "decide_helper.h"

#define NO  VERDICT_DENY
#define YES VERDICT_ALLOW

enum {
    TEXT_MAX = 4 << 20,
    ANSWER_VALUES = 60000, /* JSON_VALUES_MAX is the most */
    MANY = 100             /* EDITS_MAX is the most */
};

/* Text that grows; what does not fit is a fault of the test. */
struct page {
    char *p;
    size_t n;
};

static void put(struct page *page, const char *text)
{
    size_t n = strlen(text);
    assert_true(page->n + n < TEXT_MAX);
    memcpy(page->p + page->n, text, n + 1);
    page->n += n;
}

/* What of an answer is large. */
enum filling { LABELS, NUMBERS, VARIABLES };

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// clang-format off
static const struct cost {
    const char *name;
    const char *role;
    const char *method, *target;
    const char *before, *item, *after; /* of the body: item as often as it is named; "%d" counts */
    const char *answer_before, *answer_after; /* of every object's answer, around what is large */
    enum filling filling;
    int values;
    const char *says; /* of the refusal when it is named MANY times; NULL: allowed */
} costs[] = {
    {"binds of a volume", OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"HostConfig\":{\"Binds\":[", "\"big:/m%d\"", "]}}",
     "{\"Name\":\"big\",\"Driver\":\"local\",\"Options\":null,\"Labels\":{", "}}", LABELS, ANSWER_VALUES, NULL},
    {"binds of a volume that must be labelled", ROLE("\"objects\":{\"volumes\":{\"labels\":{\"l59999\":\"v\"}}}"), CREATE, "{\"Image\":\"img\",\"HostConfig\":{\"Binds\":[", "\"big:/m%d\"", "]}}",
     "{\"Name\":\"big\",\"Driver\":\"local\",\"Options\":null,\"Labels\":{", "}}", LABELS, ANSWER_VALUES, NULL},
    {"volumes of a container", ROLE("\"containers\":{\"volumes_from\":[\"web\"]}"), CREATE, "{\"Image\":\"img\",\"HostConfig\":{\"VolumesFrom\":[", "\"web\"", "]}}",
     "{\"Id\":\"" ID "\",\"Name\":\"/web\",\"HostConfig\":{},\"Config\":{\"Image\":\"img\",\"Labels\":{", "}}}", LABELS, 20000, NULL},
    {"networks of a service", ROLE("\"containers\":{\"network_mode\":[\"net\"]},\"networks\":{\"drivers\":[\"overlay\"]}"), "POST", "/v1.41/services/create",
     "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"nginx:1\"}},\"Networks\":[", "{\"Target\":\"net\"}", "]}",
     "{\"Id\":\"" ID "\",\"Name\":\"net\",\"Driver\":\"overlay\",\"Labels\":{", "}}", LABELS, ANSWER_VALUES, NULL},
    {"many large volumes", OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"HostConfig\":{\"Binds\":[", "\"big%d:/m%d\"", "]}}",
     "{\"Name\":\"big\",\"Driver\":\"local\",\"Options\":null,\"Labels\":{", "}}", LABELS, ANSWER_VALUES, "too much to be compared"},
    {"volumes of many values", OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"HostConfig\":{\"Binds\":[", "\"big%d:/m%d\"", "]}}",
     "{\"Name\":\"big\",\"Driver\":\"local\",\"Options\":null,\"X\":[", "]}", NUMBERS, ANSWER_VALUES, "more memory than one decision may take"},
};
// clang-format on

static struct str write_answer(const struct cost *cost, struct page *page)
{
    char text[64];
    put(page, cost->answer_before);
    for (int i = 0; i < cost->values; i++) {
        if (cost->filling == LABELS)
            snprintf(text, sizeof text, "%s\"l%d\":\"v\"", i ? "," : "", i);
        else if (cost->filling == VARIABLES)
            snprintf(text, sizeof text, "%s\"V%d=v\"", i ? "," : "", i);
        else
            snprintf(text, sizeof text, "%s0", i ? "," : "");
        put(page, text);
    }
    put(page, cost->answer_after);
    return (struct str){page->p, page->n};
}

static void write_body(const struct cost *cost, int times, struct page *page)
{
    char text[128];
    put(page, cost->before);
    for (int i = 0; i < times; i++) {
        struct str rest = str_of(cost->item);
        put(page, i ? "," : "");
        while (rest.n > 0) {
            bool counts = str_starts(rest, STR("%d"));
            if (counts)
                snprintf(text, sizeof text, "%d", i);
            else
                snprintf(text, sizeof text, "%.1s", rest.p);
            put(page, text);
            rest = str_skip(rest, counts ? 2 : 1);
        }
    }
    put(page, cost->after);
}

/* As facts_answer(), but that all which has no image has the one answer. */
static void answer(struct facts *facts, struct str large)
{
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->state != FACT_WANTED)
            continue;
        bool plain = fact->kind == FACT_IMAGE || fact->kind == FACT_INFO;
        fact->state = FACT_FOUND;
        fact->text = plain ? STR("{\"Id\":\"sha256:" ID "\",\"Config\":{}}") : large;
    }
}

/* limit: of the arena, 0: none. Gives what the last of the decisions took of it. */
static size_t decide_times(const struct cost *cost, int times, size_t limit,
                           struct decision *decision)
{
    struct page body = {.p = calloc(1, TEXT_MAX)};
    struct page large = {.p = calloc(1, TEXT_MAX)};
    struct arena kept = {0};
    struct arena scratch = {.limit = limit};
    struct facts facts = {.arena = &kept};
    struct request request;
    const struct role *role = NULL;
    struct policy *policy = load_role_text(cost->role, &role);
    assert_true(body.p && large.p);
    struct str text = write_answer(cost, &large);
    write_body(cost, times, &body);
    assert_true(
        request_parse(str_of(cost->method), str_of(cost->target), &kept, &request, decision));
    request.body = (struct str){body.p, body.n};
    policy_decide(role, &request, &facts, &scratch, decision);
    for (int round = 0; decision->verdict == VERDICT_NEED && round < FACT_ROUNDS_MAX; round++) {
        answer(&facts, text);
        arena_reset(&scratch);
        policy_decide(role, &request, &facts, &scratch, decision);
    }
    size_t used = scratch.used;
    decision->edits.arena = NULL;
    arena_free(&scratch);
    arena_free(&kept);
    policy_free(policy);
    free(body.p);
    free(large.p);
    return used;
}

static void naming_again_costs_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(costs); i++) {
        const struct cost *cost = &costs[i];
        struct decision once, often;
        int many = strchr(cost->item, '%') && strstr(cost->item, "big%d") ? FACTS_MAX - 1 : MANY;
        size_t one = decide_times(cost, 1, 0, &once);
        size_t all = decide_times(cost, many, 0, &often);
        print_message("%s: %zu bytes once, %zu bytes %d times\n", cost->name, one, all, many);
        if (once.verdict != YES || often.verdict != (cost->says ? NO : YES) ||
            (cost->says && !strstr(often.reason, cost->says)))
            fail_msg("%s: %s / %s", cost->name, once.reason, often.reason);
        if (!cost->says && all > 2 * one)
            fail_msg("%s: %zu bytes once, %zu bytes %d times", cost->name, one, all, many);
        assert_true(all <= DECISION_BYTES_MAX);
    }
}

/* The variables that a container has from its image are many comparisons, which are work. */
static void variables_are_work(void **state)
{
    (void)state;
    static const struct {
        int count;
        enum verdict verdict;
    } rows[] = {{400, YES}, {10000, NO}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cost image = {.answer_before = "{\"Id\":\"sha256:" ID "\",\"Config\":{\"Env\":[",
                             .answer_after = "]}}",
                             .filling = VARIABLES,
                             .values = rows[i].count};
        struct cost web = image;
        web.answer_before = "{\"Id\":\"" ID "\",\"Name\":\"/web\",\"Image\":\"sha256:" ID
                            "\",\"HostConfig\":{},\"Config\":{\"Image\":\"img\",\"Env\":[";
        struct page pages[2] = {{.p = calloc(1, TEXT_MAX)}, {.p = calloc(1, TEXT_MAX)}};
        struct str image_text = write_answer(&image, &pages[0]);
        struct str web_text = write_answer(&web, &pages[1]);
        struct arena arena = {0};
        struct facts facts = {.arena = &arena};
        struct request request;
        struct decision decision;
        const struct role *role = NULL;
        struct policy *policy =
            load_role_text(ROLE("\"containers\":{\"env\":{\"deny\":[\"V*\"]}}"), &role);
        assert_true(request_parse(STR("POST"), STR("/v1.41/containers/web/start"), &arena, &request,
                                  &decision));
        policy_decide(role, &request, &facts, &arena, &decision);
        for (int round = 0; decision.verdict == VERDICT_NEED && round < FACT_ROUNDS_MAX; round++) {
            for (size_t k = 0; k < facts.count; k++) {
                facts.items[k].state = FACT_FOUND;
                facts.items[k].text = facts.items[k].kind == FACT_CONTAINER ? web_text : image_text;
            }
            policy_decide(role, &request, &facts, &arena, &decision);
        }
        if (decision.verdict != rows[i].verdict ||
            (rows[i].verdict == NO && !strstr(decision.reason, "too much to be compared")))
            fail_msg("%d variables: %s", rows[i].count, decision.reason);
        assert_true(arena.used < 64 * (image_text.n + web_text.n) + (1 << 20));
        arena_free(&arena);
        policy_free(policy);
        free(pages[0].p);
        free(pages[1].p);
    }
}

/* Wherever the arena ends, the refusal says so, and nothing is allowed. */
static void a_full_arena_refuses(void **state)
{
    (void)state;
    struct cost small = costs[0];
    struct decision decision;
    small.values = 40;
    size_t enough = decide_times(&small, 3, 0, &decision);
    assert_int_equal(decision.verdict, YES);
    for (size_t limit = 16; limit < enough; limit += 256) {
        decide_times(&small, 3, limit, &decision);
        assert_true(decision_sound(&decision));
        assert_int_equal(decision.verdict, NO);
        if (decision.status == 403)
            assert_non_null(strstr(decision.reason, "more memory than one decision may take"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(naming_again_costs_nothing),
        cmocka_unit_test(variables_are_work),
        cmocka_unit_test(a_full_arena_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
