/* Look-ups over the lines to the daemon; see lookup.h. */
#include "lookup.h"

#include "exec_table.h"
#include "http_response.h"
#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FILLS_PER_STEP = 16,                  /* reads of one line in one turn */
    MESSAGE_MAX = 512,                    /* bytes of the daemon's own words that are kept */
    REQUEST_MAX = 3 * FACT_NAME_MAX + 256 /* bytes: every byte of the name encoded */
};

/* A connection to the daemon that asks one thing at a time. */
struct line {
    struct stream *stream; /* the client's own, or the one below */
    struct stream own;
    struct fact *fact; /* asked and not answered; NULL: free */
    struct head_scan scan;
    struct body body; /* of the answer */
    int status;       /* of the answer; 0: its head is awaited */
    bool keep_alive;  /* the daemon would take another request */
    bool fresh;       /* opened for this question */
    bool counted;     /* among the connections beside the clients' own */
};

struct lookup {
    struct lookup_plan plan;
    struct facts *facts;
    struct line lines[LOOKUP_LINES_MAX];
    struct body answers[FACTS_MAX]; /* of facts that were found */
    struct fact errand;             /* the container to be removed, or: */
    struct str request;             /* what is sent in its place; no text: none */
    size_t text;                    /* bytes of them */
    struct task retry;              /* the daemon's socket had no room */
};

struct lookup *lookup_new(const struct lookup_plan *plan, struct facts *facts)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    if (!lookup)
        return NULL;
    lookup->plan = *plan;
    lookup->facts = facts;
    lookup->retry = (struct task){.run = plan->on_ready, .arg = plan->arg};
    for (size_t i = 0; i < LOOKUP_LINES_MAX; i++) {
        lookup->lines[i].own.fd = -1;
        lookup->lines[i].stream = i == 0 ? plan->upstream : &lookup->lines[i].own;
    }
    return lookup;
}

void lookup_free(struct lookup *lookup)
{
    if (!lookup)
        return;
    loop_cancel(&lookup->plan.context->loop, &lookup->retry);
    for (size_t i = 0; i < LOOKUP_LINES_MAX; i++) {
        struct line *line = &lookup->lines[i];
        if (line->stream == &line->own || line->fact)
            stream_close(line->stream);
        body_free(&line->body);
        if (line->counted)
            atomic_fetch_sub(&lookup->plan.context->shared->lookup_lines, 1);
    }
    for (size_t i = 0; i < FACTS_MAX; i++)
        body_free(&lookup->answers[i]);
    free(lookup);
}

static void close_further(struct lookup *lookup, struct line *line)
{
    stream_close(&line->own);
    if (line->counted)
        atomic_fetch_sub(&lookup->plan.context->shared->lookup_lines, 1);
    line->counted = false;
}

void lookup_go_apart(struct lookup *lookup)
{
    for (size_t i = 1; i < LOOKUP_LINES_MAX; i++)
        close_further(lookup, &lookup->lines[i]);
    lookup->lines[0].stream = &lookup->lines[0].own;
}

static void stop_asking(struct lookup *lookup)
{
    for (size_t i = 0; i < LOOKUP_LINES_MAX; i++) {
        struct line *line = &lookup->lines[i];
        if (!line->fact)
            continue;
        stream_close(line->stream);
        body_free(&line->body);
        line->fact = NULL;
    }
}

void lookup_remove(struct lookup *lookup, struct str id)
{
    stop_asking(lookup);
    lookup->request = (struct str){NULL, 0};
    lookup->errand = (struct fact){.kind = FACT_CONTAINER, .name = id};
}

void lookup_send(struct lookup *lookup, struct str request)
{
    stop_asking(lookup);
    lookup->request = request;
    lookup->errand = (struct fact){.kind = FACT_IMAGE, .name = request};
}

bool lookup_sent(const struct lookup *lookup, struct str *why)
{
    *why = lookup->errand.text;
    return lookup->errand.state == FACT_FOUND;
}

bool lookup_removed(const struct lookup *lookup, struct str *why)
{
    *why = lookup->errand.text;
    return lookup->errand.state == FACT_FOUND || lookup->errand.state == FACT_MISSING;
}

static bool is_errand(const struct lookup *lookup, const struct fact *fact)
{
    return fact == &lookup->errand;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void answer_own_exec(const struct lookup *lookup, struct fact *fact)
{
    struct exec_table *execs = lookup->plan.context->shared->execs;
    fact->state = FACT_FOUND;
    fact->text = exec_table_has(execs, fact->name, lookup->plan.role) ? STR("{\"Own\":true}")
                                                                      : STR("{\"Own\":false}");
}

static struct kept *kept_of(struct context *context, enum fact_kind kind)
{
    return kind == FACT_INFO ? &context->info : kind == FACT_VERSION ? &context->version : NULL;
}

static void forget(struct kept *kept)
{
    arena_free(&kept->arena);
    kept->text = (struct str){NULL, 0};
}

void lookup_forget(struct context *context)
{
    forget(&context->info);
    forget(&context->version);
}

static void keep(struct context *context, enum fact_kind kind, struct str text)
{
    struct kept *kept = kept_of(context, kind);
    if (!kept || !str_starts(text, STR("{")) || text.n > LOOKUP_KEPT_MAX)
        return;
    arena_reset(&kept->arena);
    kept->text = arena_copy(&kept->arena, text);
    kept->until_ms = context->loop.now_ms + 1000 * (uint64_t)LOOKUP_KEPT_S;
}

static bool answer_kept(const struct lookup *lookup, struct fact *fact)
{
    struct context *context = lookup->plan.context;
    const struct kept *kept = kept_of(context, fact->kind);
    if (!kept || !kept->text.p || context->loop.now_ms >= kept->until_ms)
        return false;
    fact->text = arena_copy(lookup->facts->arena, kept->text);
    fact->state = fact->text.p ? FACT_FOUND : FACT_WANTED;
    return fact->text.p != NULL;
}

static void settle(struct lookup *lookup, struct fact *fact, enum fact_state state, struct str text)
{
    fact->state = state;
    fact->text = arena_copy(lookup->facts->arena, text);
}

/* The line is of no more use; its question has no answer. */
static void fail(struct lookup *lookup, struct line *line, const char *why)
{
    settle(lookup, line->fact, FACT_FAILED, str_of(why));
    stream_close(line->stream);
    body_free(&line->body);
    line->fact = NULL;
}

/* The sentence of {"message": "..."}, for people; empty when it is none. */
static void read_message(struct context *context, struct str text, char dst[MESSAGE_MAX])
{
    struct json doc;
    struct err err = {0};
    const struct json_node *message = NULL;
    if (json_scan(text, &context->scratch, &doc, &err) && doc.count > 0 &&
        doc.nodes[0].kind == JSON_OBJECT)
        message = json_get(&doc, doc.nodes, STR("message"));
    text_shorten(dst, MESSAGE_MAX,
                 message && message->kind == JSON_STRING ? message->text : STR(""));
    arena_reset(&context->scratch);
}

static void settle_refused(struct lookup *lookup, struct fact *fact, int status, struct str text)
{
    char message[MESSAGE_MAX], why[MESSAGE_MAX + 64];
    read_message(lookup->plan.context, text, message);
    if (status == 404) {
        settle(lookup, fact, FACT_MISSING, str_of(message));
        return;
    }
    snprintf(why, sizeof(why), "the daemon answered %d%s%s", status, message[0] ? ": " : "",
             message);
    settle(lookup, fact, FACT_FAILED, str_of(why));
}

/* The answer is whole. The line is free, and kept open if it can take another question. */
static void answered(struct lookup *lookup, struct line *line)
{
    struct fact *fact = line->fact;
    struct str text = {line->body.p, line->body.length};
    struct stream *stream = line->stream;
    line->fact = NULL;
    if (is_errand(lookup, fact) && line->status / 100 == 2) {
        fact->state = FACT_FOUND;
        body_free(&line->body);
    } else if (!is_errand(lookup, fact) &&
               (line->status == 200 || (line->status == 201 && fact->body.p))) {
        struct body *answer = &lookup->answers[fact - lookup->facts->items];
        body_free(answer); /* it was asked before */
        *answer = line->body;
        line->body = (struct body){.p = NULL};
        lookup->text += text.n;
        keep(lookup->plan.context, fact->kind, text);
        fact->state = FACT_FOUND;
        fact->text = text;
    } else {
        settle_refused(lookup, fact, line->status, text);
        body_free(&line->body);
    }
    if (!line->keep_alive || stream->eof || stream_pending(stream).n > 0)
        stream_close(stream);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool put_target(const struct lookup *lookup, const struct fact *fact, struct head_out *out)
{
    size_t length = 0;
    if (is_errand(lookup, fact) && lookup->request.n > 0) {
        head_put(out, lookup->request);
        return true;
    }
    if (is_errand(lookup, fact)) {
        head_put(out, STR("DELETE /containers/"));
        head_put(out, fact->name);
        head_put(out, STR("?force=1&v=1"));
        return true;
    }
    head_put(out, fact->body.p ? STR("POST ") : STR("GET "));
    bool ok = fact_target(fact, out->p + out->n, out->cap - out->n, &length);
    out->n += length;
    return ok;
}

static size_t write_request(const struct lookup *lookup, const struct fact *fact,
                            char dst[REQUEST_MAX])
{
    struct head_out out = {.p = dst, .cap = REQUEST_MAX};
    if (!put_target(lookup, fact, &out))
        return 0;
    head_put(&out, STR(" HTTP/1.1\r\nHost: docker\r\nUser-Agent: sockwarden\r\n"));
    if (fact->body.p) {
        char length[80];
        int n = snprintf(length, sizeof(length),
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n", fact->body.n);
        head_put(&out, (struct str){length, (size_t)n});
    }
    head_put(&out, STR("\r\n"));
    return out.n <= out.cap ? out.n : 0;
}

/* An idle connection that the daemon has closed, or on which it talks without being asked. */
static void drop_stale(struct stream *stream)
{
    if (stream_is_open(stream) && stream->can_read && stream_fill(stream) != STREAM_AGAIN)
        stream_close(stream);
}

/* Sends the line's question. UPSTREAM_OPEN: it is asked, or it has failed. */
static enum upstream_status ask(struct lookup *lookup, struct line *line)
{
    char request[REQUEST_MAX];
    size_t length = write_request(lookup, line->fact, request);
    const struct lookup_plan *plan = &lookup->plan;
    struct str body = line->fact->body;
    struct iovec pieces[2] = {{.iov_base = request, .iov_len = length},
                              {.iov_base = (void *)(uintptr_t)body.p, .iov_len = body.n}};
    if (length == 0) {
        fail(lookup, line, "it is not the name of an object");
        return UPSTREAM_OPEN;
    }
    line->scan = (struct head_scan){0, 0, 0};
    line->status = 0;
    drop_stale(line->stream);
    line->fresh = false;
    for (;;) {
        if (!stream_is_open(line->stream)) {
            enum upstream_status status =
                upstream_open(plan->context, line->stream, plan->on_ready, plan->arg);
            if (status != UPSTREAM_OPEN)
                return status;
            line->fresh = true;
        }
        if (stream_send(line->stream, pieces, body.p ? 2 : 1) != STREAM_BROKEN)
            return UPSTREAM_OPEN;
        stream_close(line->stream);
        if (line->fresh) {
            errno = EPIPE;
            return UPSTREAM_AWAY;
        }
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The daemon has ended the connection before the answer was whole. One that was idle until now has
   perhaps not taken the question at all: it is asked again, once. */
static enum upstream_status lost(struct lookup *lookup, struct line *line)
{
    bool begun = line->status != 0 || stream_pending(line->stream).n > 0;
    if (!begun && !line->fresh) {
        stream_close(line->stream);
        return ask(lookup, line);
    }
    fail(lookup, line,
         begun ? "the daemon broke off in the middle of its answer"
               : "the daemon closed the connection before it answered");
    return UPSTREAM_OPEN;
}

/* Reads the head that stands in the first length bytes. */
static void take_head(struct lookup *lookup, struct line *line, size_t length)
{
    struct http_response http;
    struct http_refusal refusal = {0, NULL};
    struct str bytes = str_head(stream_pending(line->stream), length);
    line->scan = (struct head_scan){0, 0, 0};
    if (!http_response_read(bytes, false, &http, &refusal) || http.head.status == 101 ||
        http.framing == FRAMING_EOF) {
        fail(lookup, line, "the daemon's answer is not one that HTTP wants here");
        return;
    }
    stream_consume(line->stream, length);
    if (http.head.status < 200) /* the answer is yet to come */
        return;
    line->status = http.head.status;
    line->keep_alive = http.keep_alive;
    line->body = (struct body){.framing = http.framing,
                               .announced = http.length,
                               .limit = lookup->text > LOOKUP_TEXT_MAX ? 0 : FACT_TEXT_MAX,
                               .held = &lookup->plan.context->shared->fact_bytes,
                               .held_max = LOOKUP_HELD_MAX,
                               .peer_held = lookup->plan.peer_held,
                               .peer_max = LOOKUP_PEER_MAX,
                               .chunked = {.trailers = true}};
    if (http.framing == FRAMING_NONE)
        answered(lookup, line);
}

static void take_body(struct lookup *lookup, struct line *line)
{
    switch (body_take(&line->body, line->stream)) {
    case BODY_MORE:
        return;
    case BODY_DONE:
        answered(lookup, line);
        return;
    case BODY_BAD:
        fail(lookup, line, "the chunks of the daemon's answer are broken");
        return;
    case BODY_LARGE:
        fail(lookup, line, "the daemon's answer is larger than this proxy reads");
        return;
    case BODY_CROWDED:
        fail(lookup, line, "too many answers are being read for this client just now");
        return;
    case BODY_NO_MEMORY:
        fail(lookup, line, "too many answers are being read just now");
        return;
    }
}

/* Takes what is pending. True: there may be more in it that can be taken at once. */
static bool take(struct lookup *lookup, struct line *line)
{
    struct str pending = stream_pending(line->stream);
    struct http_refusal refusal = {0, NULL};
    size_t length = 0;
    if (line->status) {
        take_body(lookup, line);
        return false;
    }
    if (pending.n == 0)
        return false;
    switch (head_scan(&line->scan, pending, false, lookup->plan.context->loop.buffer_size, &length,
                      &refusal)) {
    case HEAD_MORE:
        return false;
    case HEAD_DONE:
        take_head(lookup, line, length);
        return line->fact != NULL;
    case HEAD_BAD:
        break;
    }
    fail(lookup, line, "the daemon's answer is not HTTP");
    return false;
}

/* Reads until the question is answered or nothing more has come. */
static enum lookup_status read_line(struct lookup *lookup, struct line *line)
{
    if (stream_queued(line->stream) > 0)
        stream_flush(line->stream);
    for (int fills = 0; line->fact;) {
        while (take(lookup, line))
            ;
        if (!line->fact)
            break;
        if (++fills > FILLS_PER_STEP)
            return LOOKUP_YIELD;
        enum stream_status status = stream_fill(line->stream);
        if (status == STREAM_AGAIN)
            return LOOKUP_WAIT;
        if (status == STREAM_OK)
            continue;
        enum upstream_status again = lost(lookup, line);
        if (again == UPSTREAM_AWAY)
            return LOOKUP_AWAY;
        if (again == UPSTREAM_BUSY) {
            line->fact = NULL; /* still wanted, and asked again soon */
            loop_soon(&lookup->plan.context->loop, &lookup->retry);
        }
    }
    return LOOKUP_DONE;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool is_asked(const struct lookup *lookup, const struct fact *fact)
{
    for (size_t i = 0; i < LOOKUP_LINES_MAX; i++)
        if (lookup->lines[i].fact == fact)
            return true;
    return false;
}

/* The next fact that nobody asks for yet; those that are answered here are. */
static struct fact *next_wanted(struct lookup *lookup)
{
    struct facts *facts = lookup->facts;
    struct fact *errand = &lookup->errand;
    if (errand->name.n > 0)
        return errand->state == FACT_WANTED && !is_asked(lookup, errand) ? errand : NULL;
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->state != FACT_WANTED || fact->kind == FACT_SIGNATURE || is_asked(lookup, fact))
            continue;
        if (fact->kind == FACT_OWN_EXEC)
            answer_own_exec(lookup, fact);
        else if (!answer_kept(lookup, fact))
            return fact;
    }
    return NULL;
}

/* May this line be used? Each decision has one; those beside it are bounded. */
static bool line_is_ours(struct lookup *lookup, struct line *line)
{
    atomic_uint *lines = &lookup->plan.context->shared->lookup_lines;
    if (line->counted || line == lookup->lines)
        return true;
    line->counted = atomic_fetch_add(lines, 1) < LOOKUP_FURTHER_MAX;
    if (!line->counted)
        atomic_fetch_sub(lines, 1);
    return line->counted;
}

/* Gives every free line a question. A further line that cannot be opened leaves its question to the
   others. */
static enum lookup_status ask_all(struct lookup *lookup)
{
    for (size_t i = 0; i < LOOKUP_LINES_MAX; i++) {
        struct line *line = &lookup->lines[i];
        struct fact *fact = line->fact ? NULL : next_wanted(lookup);
        if (!fact)
            continue;
        if (!line_is_ours(lookup, line))
            break;
        line->fact = fact;
        enum upstream_status status = ask(lookup, line);
        if (status == UPSTREAM_OPEN)
            continue;
        if (status == UPSTREAM_AWAY)
            lookup_forget(lookup->plan.context);
        line->fact = NULL;
        if (i > 0)
            break;
        if (status == UPSTREAM_AWAY)
            return LOOKUP_AWAY;
        loop_soon(&lookup->plan.context->loop, &lookup->retry);
        break;
    }
    return LOOKUP_DONE;
}

enum lookup_status lookup_step(struct lookup *lookup)
{
    enum lookup_status worst = LOOKUP_DONE;
    if (lookup->retry.queued)
        return LOOKUP_WAIT;
    for (struct fact *wanted = next_wanted(lookup);; wanted = next_wanted(lookup)) {
        if (wanted && ask_all(lookup) == LOOKUP_AWAY)
            return LOOKUP_AWAY;
        bool freed = false;
        worst = LOOKUP_DONE;
        for (size_t i = 0; i < LOOKUP_LINES_MAX; i++) {
            if (!lookup->lines[i].fact)
                continue;
            enum lookup_status status = read_line(lookup, &lookup->lines[i]);
            freed |= status == LOOKUP_DONE;
            worst = status > worst ? status : worst;
        }
        if (worst == LOOKUP_AWAY || lookup->retry.queued)
            return worst == LOOKUP_AWAY ? worst : LOOKUP_WAIT;
        if (worst == LOOKUP_DONE ? !next_wanted(lookup) : !freed)
            return worst;
    }
}
