/* What a decision costs as the policy grows: lists of binds and of images, and entries of
   `clients`, of one, a hundred and ten thousand, asked for what the last entry allows and for what
   none does. Prints a Markdown table of nanoseconds; "once BATCH" decides each so often, for
   callgrind. */
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TEXT_CAP = 2 << 20, ROUNDS = 30, BATCH_NS = 200000 };
static const size_t sizes[] = {1, 100, 10000};

struct text {
    char *p;
    size_t n;
};

static struct text text_new(void)
{
    struct text text = {malloc(TEXT_CAP), 0};
    if (!text.p)
        abort();
    return text;
}

/* Each '#' of the pattern becomes the number. */
static void add(struct text *text, const char *pattern, size_t number)
{
    for (; *pattern; pattern++) {
        if (TEXT_CAP - text->n < 32)
            abort();
        if (*pattern == '#')
            text->n += (size_t)sprintf(text->p + text->n, "%zu", number);
        else
            text->p[text->n++] = *pattern;
    }
    text->p[text->n] = 0;
}

/* ---- what is asked ----------------------------------------------------------------------------
 */

enum asked { ASKED_BIND, ASKED_IMAGE, ASKED_UID, ASKED_CN, ASKED_ADDRESS };
struct row {
    const char *name;
    enum asked asked;
    const char *head, *entry, *tail; /* of the policy */
    const char *hit, *miss;          /* with the number of the last entry */
};

#define ROLE_HEAD     "{\"version\":1,\"roles\":{\"default\":{\"extends\":\"builtin:default\","
#define ROLE_TAIL     "]}}}}"
#define CLIENT(match) "{\"name\":\"client-#\",\"match\":{" match "},\"role\":\"some\"}"
#define CLIENTS_HEAD  "{\"version\":1,\"clients\":["
#define CLIENTS_TAIL                                             \
    "],\"roles\":{\"some\":{\"extends\":\"builtin:read-only\"}," \
    "\"default\":{\"extends\":\"builtin:default\"}}}"

// clang-format off
static const struct row rows[] = {
    {"binds, globs", ASKED_BIND,
     ROLE_HEAD "\"containers\":{\"binds\":[",
     "\"/srv/projects/team-#/**\"", ROLE_TAIL, "/srv/projects/team-#/src", "/srv/projects/none-#/src"},
    {"binds, paths", ASKED_BIND,
     ROLE_HEAD "\"containers\":{\"binds\":[",
     "\"/srv/projects/team-#\"", ROLE_TAIL, "/srv/projects/team-#", "/srv/projects/none-#"},
    {"images", ASKED_IMAGE,
     ROLE_HEAD "\"images\":{\"allow\":[",
     "\"registry.example.com/team-#/*\"", ROLE_TAIL, "registry.example.com/team-#/app:1",
     "registry.example.com/none-#/app:1"},
    {"clients by uid", ASKED_UID, CLIENTS_HEAD, CLIENT("\"uid\":#"), CLIENTS_TAIL, "#", "1000000"},
    {"clients by cert_cn", ASKED_CN, CLIENTS_HEAD, CLIENT("\"cert_cn\":\"host-#.example.com\""),
     CLIENTS_TAIL, "host-#.example.com", "none-#.example.com"},
    {"clients by address", ASKED_ADDRESS, CLIENTS_HEAD, CLIENT("\"address\":\"fd00::#/128\""),
     CLIENTS_TAIL, "fd00::#", "fd01::#"},
};
// clang-format on

struct bench {
    const struct row *row;
    bool hit;
    size_t size;
    const struct policy *policy;
    struct text body;  /* of a create */
    struct text value; /* of a client */
};

static struct policy *load(const struct row *row, size_t size)
{
    struct err_list errors = {0};
    struct text text = text_new();
    add(&text, row->head, 0);
    for (size_t i = 0; i < size; i++) {
        add(&text, i ? "," : "", 0);
        add(&text, row->entry, i);
    }
    add(&text, row->tail, 0);
    struct policy *policy = policy_load((struct str){text.p, text.n}, &errors);
    if (!policy)
        fprintf(stderr, "bench-scale: %s: %s\n", row->name,
                errors.count ? errors.items[0].err.text : "not loaded");
    free(text.p);
    err_list_free(&errors);
    if (!policy)
        exit(1);
    return policy;
}

static void prepare(struct bench *bench)
{
    const struct row *row = bench->row;
    bench->body = text_new();
    bench->value = text_new();
    add(&bench->value, bench->hit ? row->hit : row->miss, bench->size - 1);
    if (row->asked == ASKED_BIND) {
        add(&bench->body, "{\"Image\":\"busybox\",\"HostConfig\":{\"Binds\":[\"", 0);
        add(&bench->body, bench->value.p, 0);
        add(&bench->body, ":/data\"]}}", 0);
    } else if (row->asked == ASKED_IMAGE) {
        add(&bench->body, "{\"Image\":\"", 0);
        add(&bench->body, bench->value.p, 0);
        add(&bench->body, "\"}", 0);
    }
}

/* ---- deciding ---------------------------------------------------------------------------------
 */

static bool decide_client(const struct bench *bench)
{
    struct str value = {bench->value.p, bench->value.n};
    struct client_identity identity = {0};
    if (bench->row->asked == ASKED_UID) {
        identity.unix_peer = true;
        identity.uid = (uint32_t)strtoul(value.p, NULL, 10);
    } else if (bench->row->asked == ASKED_CN) {
        identity.cert_cn = value;
    } else {
        identity.address = value;
    }
    return policy_client(bench->policy, &identity).client != NULL;
}

static void answer(struct facts *facts)
{
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].state == FACT_WANTED) {
            facts->items[i].state = FACT_FOUND;
            facts->items[i].text = facts->items[i].kind == FACT_HOST_PATH
                                       ? STR("{\"State\":\"exists\"}")
                                       : STR("{\"Id\":\"sha256:0123\",\"Config\":{\"User\":\"\"}}");
        }
}

static bool decide_create(const struct bench *bench)
{
    static struct arena head, scratch;
    static struct decision decision;
    static struct request request;
    static struct facts facts;
    const struct role *role = policy_default_role(bench->policy);
    if (!request_parse(STR("POST"), STR("/v1.41/containers/create"), &head, &request, &decision))
        abort();
    request.body = (struct str){bench->body.p, bench->body.n};
    facts = (struct facts){.arena = &head};
    do {
        answer(&facts);
        arena_reset(&scratch);
        policy_decide(role, &request, &facts, &scratch, &decision);
    } while (decision.verdict == VERDICT_NEED);
    bool allowed = decision.verdict == VERDICT_ALLOW;
    if (allowed != bench->hit)
        fprintf(stderr, "bench-scale: %s\n", decision.reason);
    arena_reset(&scratch);
    arena_reset(&head);
    return allowed;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Nanoseconds of a batch. */
static uint64_t measure(const struct bench *bench, size_t batch)
{
    uint64_t began = now_ns();
    for (size_t i = 0; i < batch; i++) {
        bool found = bench->row->asked < ASKED_UID ? decide_create(bench) : decide_client(bench);
        if (found != bench->hit) {
            fprintf(stderr, "bench-scale: %s: not as expected\n", bench->row->name);
            exit(1);
        }
    }
    return now_ns() - began;
}

static void finish(struct bench *bench)
{
    free(bench->body.p);
    free(bench->value.p);
}

/* The least of some batches: what a busy machine changes least. */
static double nanoseconds(struct bench *bench)
{
    measure(bench, 1);
    uint64_t once = measure(bench, 1);
    size_t batch = (size_t)(BATCH_NS / (once ? once : 1)) + 1;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t took = measure(bench, batch);
        least = took < least ? took : least;
    }
    return (double)least / (double)batch;
}

static void print(const struct row *row, const char *asked, const double *took)
{
    printf("| %s | %s |", row->name, asked);
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
        printf(" %.0f |", took[k]);
    puts("");
    fflush(stdout);
}

static void run(const struct row *row)
{
    double took[2][ARRAY_LEN(sizes)]; /* missed, hit */
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        struct policy *policy = load(row, sizes[k]);
        for (int hit = 0; hit < 2; hit++) {
            struct bench bench = {.row = row, .hit = hit, .size = sizes[k], .policy = policy};
            prepare(&bench);
            took[hit][k] = nanoseconds(&bench);
            finish(&bench);
        }
        policy_free(policy);
    }
    print(row, "the last one", took[1]);
    print(row, "nothing of it", took[0]);
}

int main(void)
{
    printf("| policy | asked for | 1 | 100 | 10,000 |\n|---|---|---:|---:|---:|\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        run(&rows[i]);
    return 0;
}
