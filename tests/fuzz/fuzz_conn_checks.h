/* What must hold of the connection machine, whatever comes: what stands in the audit log before the
   daemon gets a request, what the daemon gets and how many at a time, and what the client gets.
   Linked with --wrap for the functions wrapped below. */
#ifndef FUZZ_CONN_CHECKS_H
#define FUZZ_CONN_CHECKS_H

#include "../unit/conn_helper.h"
#include "chunked.h"
#include "http_response.h"
#include "load.h"

static inline void must(bool holds)
{
    if (!holds)
        abort();
}

/* ---- memory that runs out ------------------------------------------------------------------ */

/* The allocation of that number fails, counted while a turn runs; 0: none. */
static struct {
    bool turning;
    unsigned at;
} memory;

static bool no_memory(void)
{
    return memory.turning && memory.at > 0 && --memory.at == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return no_memory() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return no_memory() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return no_memory() ? NULL : __real_realloc(p, n);
}

/* ---- what is written down ------------------------------------------------------------------ */

static struct {
    bool failing;               /* no line can be written */
    unsigned allowed[OP_COUNT]; /* lines of requests that the daemon has not been seen to get */
} written;

static bool member_is(const struct json *line, const char *name, const char *value)
{
    const struct json_node *member = json_get(line, line->nodes, str_of(name));
    return member && member->kind == JSON_STRING && str_is(member->text, value);
}

/* A line is one JSON object, and never two. */
static void note_line(struct str text)
{
    struct json line;
    struct err err = {.set = false};
    struct arena arena = {0};
    enum operation op;
    must(json_scan(text, &arena, &line, &err) && line.nodes[0].kind == JSON_OBJECT);
    if (member_is(&line, "record", "request") && member_is(&line, "decision", "allow")) {
        const struct json_node *name = json_get(&line, line.nodes, STR("operation"));
        must(name && operation_find(name->text, &op));
        written.allowed[op]++;
    }
    arena_free(&arena);
}

bool __wrap_audit_write(struct audit_sink *sink, struct str lines);

bool __wrap_audit_write(struct audit_sink *sink, struct str lines)
{
    (void)sink;
    bool turning = memory.turning;
    if (written.failing)
        return false;
    memory.turning = false; /* what this test takes does not count */
    while (lines.n) {
        struct str line = str_head(lines, str_find(lines, '\n'));
        must(line.n < lines.n);
        note_line(line);
        lines = str_skip(lines, line.n + 1);
    }
    memory.turning = turning;
    return true;
}

/* The daemon has got the head of such a request. */
static void must_be_written(enum operation op)
{
    if (operation_class(op) == CLASS_PING)
        return;
    must(written.allowed[op] > 0);
    written.allowed[op]--;
}

/* ---- how many at a time -------------------------------------------------------------------- */

/* How often a mark, whose first byte comes only once in it, has gone by, in one piece or several:
   there are no more heads than that. */
struct heads {
    unsigned count;
    size_t matched;
};

static void heads_count(struct heads *heads, const char *mark, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] != mark[heads->matched])
            heads->matched = 0;
        if (bytes.p[i] == mark[heads->matched])
            heads->matched++;
        heads->count += mark[heads->matched] == '\0';
        heads->matched = mark[heads->matched] == '\0' ? 0 : heads->matched;
    }
}

/* ---- what the client gets ------------------------------------------------------------------ */

/* Takes a body off the bytes. False: nothing can follow it. */
static bool take_answer_body(struct str *bytes, const struct http_response *http)
{
    struct chunked chunked = {.trailers = true};
    enum chunked_status status = CHUNKED_DATA;
    switch (http->framing) {
    case FRAMING_NONE:
        return true;
    case FRAMING_LENGTH:
        if (http->length > bytes->n)
            return false;
        *bytes = str_skip(*bytes, (size_t)http->length);
        return true;
    case FRAMING_CHUNKED:
        while (status == CHUNKED_DATA && bytes->n) {
            size_t taken = 0;
            struct str data;
            status = chunked_walk(&chunked, *bytes, &taken, &data);
            *bytes = str_skip(*bytes, taken);
        }
        must(status != CHUNKED_BAD);
        return status == CHUNKED_DONE;
    default:
        return false;
    }
}

/* Whole answers, one behind the other, each framed, no more than requests were sent; the last may
   be cut, or be a tunnel. asked: heads that the client has sent, at the most. */
static void check_answers(struct str bytes, unsigned asked)
{
    struct http_response http;
    for (unsigned answers = 0; bytes.n;) {
        struct head_scan scan = {0, 0, 0};
        struct http_refusal refusal;
        size_t length = 0;
        enum head_status status = head_scan(&scan, bytes, false, WORLD_ROOM, &length, &refusal);
        must(status != HEAD_BAD);
        if (status == HEAD_MORE)
            return;
        must(http_response_read(str_head(bytes, length), false, &http, &refusal));
        bytes = str_skip(bytes, length);
        if (http.head.status == 101)
            return;
        if (http.head.status < 200)
            continue;
        must(++answers <= asked + 1); /* what is no request at all is answered, too, and ends it */
        if (!take_answer_body(&bytes, &http))
            return;
    }
}

#endif
