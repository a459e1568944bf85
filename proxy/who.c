/* Containers of peers, and how refusals name who asks; see who.h. */
#include "who.h"

#include "lookup.h"
#include "peer_container.h"
#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What is needed until the container is known. */
struct peer_question {
    struct container_place place;
    struct facts facts;
    struct arena arena;
    struct lookup *lookup; /* NULL: not begun */
};

/* ---- the end of the question ----------------------------------------------------------------- */

static void question_free(struct peer_container *container)
{
    struct peer_question *question = container->question;
    if (!question)
        return;
    lookup_free(question->lookup);
    arena_free(&question->arena);
    free(question);
    container->question = NULL;
}

void peer_container_free(struct peer_container *container)
{
    if (!container)
        return;
    question_free(container);
    arena_free(&container->arena);
    free(container);
}

static void settle(struct peer_container *container, enum peer_container_state state)
{
    container->state = state;
    question_free(container);
}

static void settle_unclear(struct peer_container *container, int status, const char *why)
{
    container->status = status;
    snprintf(container->why, sizeof(container->why),
             "the policy asks in which container this client runs, and that cannot be told: %s",
             why);
    settle(container, PEER_CONTAINER_UNCLEAR);
}

/* ---- what the kernel says -------------------------------------------------------------------- */

/* A number of a process is only good for the moment where the kernel keeps no hold on it: not for a
   connection that has waited to be accepted, nor for one that is old. */
static bool is_fresh(const struct exchange *exchange)
{
    enum { DRAINED_MS = 2000 };
    uint64_t paused = atomic_load(&exchange->context->shared->paused_ms);
    return exchange->peer->fresh && (paused == 0 || clock_now_ms() - paused > DRAINED_MS);
}

static struct peer_container *read_cgroups(const struct exchange *exchange)
{
    struct identity *peer = exchange->peer;
    struct peer_container *container = calloc(1, sizeof(*container));
    struct peer_question *question = calloc(1, sizeof(*question));
    const char *why = NULL;
    if (!container || !question) {
        free(container);
        free(question);
        return NULL;
    }
    container->question = question;
    question->facts.arena = &question->arena;
    switch (peer_container_read(exchange->client->fd, peer->pid, is_fresh(exchange),
                                &question->place, &why)) {
    case CONTAINER_FOUND:
        snprintf(container->id, sizeof(container->id), "%s", question->place.id);
        break;
    case CONTAINER_NONE:
        settle(container, PEER_CONTAINER_NONE);
        break;
    case CONTAINER_UNCLEAR:
        settle_unclear(container, 403, why);
        break;
    }
    return container;
}

bool who_is_open(struct exchange *exchange, const struct client_identity *identity)
{
    struct identity *peer = exchange->peer;
    if (!peer->unix_peer || !policy_needs_container(exchange->context->snapshot->policy, identity))
        return false;
    if (!peer->container)
        peer->container = read_cgroups(exchange);
    return !peer->container || peer->container->state == PEER_CONTAINER_ASKED ||
           peer->container->state == PEER_CONTAINER_UNCLEAR;
}

bool who_must_ask(const struct exchange *exchange)
{
    const struct peer_container *container = exchange->peer->container;
    return exchange->nameless && container && container->state == PEER_CONTAINER_ASKED;
}

/* ---- what the daemon says -------------------------------------------------------------------- */

static const struct json_node *member(const struct json *doc, const char *outer, const char *inner)
{
    const struct json_node *node = json_get(doc, doc->nodes, str_of(outer));
    return inner && node ? json_get(doc, node, str_of(inner)) : node;
}

/* Kept for the connection; empty when it is no text. */
static struct str keep(struct peer_container *container, const struct json_node *node)
{
    return node && node->kind == JSON_STRING ? arena_copy(&container->arena, node->text)
                                             : (struct str){NULL, 0};
}

static bool keep_labels(struct peer_container *container, const struct json *doc)
{
    const struct json_node *labels = member(doc, "Config", "Labels");
    if (!labels || labels->kind != JSON_OBJECT || labels->count == 0)
        return true;
    container->labels = arena_alloc(&container->arena, labels->count, sizeof(*container->labels));
    if (!container->labels)
        return false;
    for (const struct json_node *n = json_child(doc, labels); n; n = json_next(doc, n)) {
        struct client_label *label = &container->labels[container->label_count++];
        label->key = arena_copy(&container->arena, n->key);
        label->value = keep(container, n);
        if (!label->key.p || !label->value.p)
            return false;
    }
    return true;
}

/* NULL, or why the answer says nothing of the peer. */
static const char *take_answer(struct peer_container *container, struct str text)
{
    struct peer_question *question = container->question;
    struct json doc;
    struct err err = {.set = false};
    int64_t pid = 0;
    const char *why = NULL;
    if (!json_scan(text, &question->arena, &doc, &err) || doc.nodes[0].kind != JSON_OBJECT)
        return "the daemon's answer is not understood";
    const struct json_node *id = member(&doc, "Id", NULL);
    const struct json_node *running = member(&doc, "State", "Running");
    const struct json_node *first = member(&doc, "State", "Pid");
    if (!id || id->kind != JSON_STRING || !str_is(id->text, container->id))
        return "the daemon answered for another container";
    if (!running || running->kind != JSON_TRUE || !first || !json_int(first, &pid))
        return "the container does not run";
    if (!container_confirm(&question->place, pid, &why))
        return why;
    struct str name = keep(container, member(&doc, "Name", NULL));
    container->name = str_starts(name, STR("/")) ? str_skip(name, 1) : name;
    container->image = keep(container, member(&doc, "Config", "Image"));
    container->image_id = keep(container, member(&doc, "Image", NULL));
    return keep_labels(container, &doc) ? NULL : "out of memory";
}

static void take_fact(struct peer_container *container)
{
    const struct fact *fact = &container->question->facts.items[0];
    char said[160];
    switch (fact->state) {
    case FACT_FOUND: {
        const char *why = take_answer(container, fact->text);
        if (why)
            settle_unclear(container, 403, why);
        else
            settle(container, PEER_CONTAINER_KNOWN);
        return;
    }
    case FACT_MISSING: /* another daemon's, or a cgroup that is only called so */
        settle(container, PEER_CONTAINER_NONE);
        return;
    case FACT_WANTED:
    case FACT_FAILED:
        settle_unclear(container, 403, text_shorten(said, sizeof(said), fact->text));
        return;
    }
}

static bool begin(struct exchange *exchange, struct peer_question *question)
{
    struct lookup_plan plan = {.context = exchange->context,
                               .upstream = exchange->upstream,
                               .role = "",
                               .on_ready = exchange->client->on_ready,
                               .arg = exchange->client->arg};
    question->facts.items[0] = (struct fact){
        .kind = FACT_CONTAINER, .state = FACT_WANTED, .name = str_of(question->place.id)};
    question->facts.count = 1;
    question->lookup = lookup_new(&plan, &question->facts);
    return question->lookup != NULL;
}

/* The head that waits is read again, for the role that is known now. */
static enum phase done(struct exchange *exchange)
{
    exchange_choose_role(exchange);
    return PHASE_HEAD;
}

enum phase exchange_who(struct exchange *exchange)
{
    struct peer_container *container = exchange->peer->container;
    struct peer_question *question = container->question;
    char why[256];
    if (exchange_client_gone(exchange))
        return PHASE_CLOSED;
    if (!question->lookup && !begin(exchange, question)) {
        settle_unclear(container, 503, "out of memory");
        return done(exchange);
    }
    switch (lookup_step(question->lookup)) {
    case LOOKUP_WAIT:
        return PHASE_WAIT;
    case LOOKUP_YIELD:
        return PHASE_YIELD;
    case LOOKUP_DONE:
        take_fact(container);
        return done(exchange);
    case LOOKUP_AWAY:
        break;
    }
    int status = upstream_note_away(exchange->context, errno, why, sizeof(why));
    settle_unclear(container, status, why);
    return done(exchange);
}

enum phase exchange_who_late(struct exchange *exchange)
{
    settle_unclear(exchange->peer->container, 504, "the Docker daemon did not answer in time");
    return done(exchange);
}

/* ---- names for refusals ---------------------------------------------------------------------- */

static void name_asker(const struct exchange *exchange, char *dst, size_t cap)
{
    const struct snapshot *snapshot = exchange->context->snapshot;
    const struct identity *peer = exchange->peer;
    const struct peer_container *container = peer->container;
    char shown[128];
    dst[0] = '\0';
    if (snapshot->role || policy_client_count(snapshot->policy) == 0)
        return;
    if (exchange->served.client)
        snprintf(dst, cap, "client \"%s\": ",
                 text_shorten(shown, sizeof(shown), str_of(exchange->served.client)));
    else if (peer->certificate)
        snprintf(dst, cap, "\"%s\", who is none of \"clients\": ",
                 text_shorten(shown, sizeof(shown), peer->certificate->subject));
    else if (container && container->state == PEER_CONTAINER_KNOWN)
        snprintf(dst, cap, "container %s, which is none of \"clients\": ",
                 text_shorten(shown, sizeof(shown), container->name));
    else if (peer->unix_peer)
        snprintf(dst, cap, "uid %u, who is none of \"clients\": ", (unsigned)peer->uid);
    else
        snprintf(dst, cap, "%s, who is none of \"clients\": ", identity_address(peer));
}

/* What a key is written into, by who has no file, or none with that role. */
static void name_file(const struct exchange *exchange, const struct decision *decision, char *dst,
                      size_t cap)
{
    const char *role = exchange_role_name(exchange);
    dst[0] = '\0';
    if (decision->allow_with[0] && str_starts(str_of(role), STR("builtin:")))
        snprintf(dst, cap, ", in a file (--policy) whose role has \"extends\": \"%s\"", role);
}

void who_tell(const struct exchange *exchange, const struct decision *decision, char *dst,
              size_t cap)
{
    static const char own[] = "sockwarden: ";
    char asker[192] = "", file[128] = "";
    const char *said = decision->reason;
    bool ours = decision->status == 403 && str_starts(str_of(said), str_of(own));
    if (ours) {
        name_asker(exchange, asker, sizeof(asker));
        name_file(exchange, decision, file, sizeof(file));
        said += sizeof(own) - 1;
    }
    struct json_out out = {.p = dst, .cap = cap - 1};
    json_out_raw(&out, ours ? STR(own) : STR(""));
    json_out_raw(&out, str_of(asker));
    json_out_raw(&out, str_of(said));
    json_out_raw(&out, str_of(file));
    dst[out.len < out.cap ? out.len : out.cap] = '\0';
}
