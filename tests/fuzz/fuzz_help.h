/* What the fuzz targets of the policy share: failing, the one policy, putting bytes into JSON, and
   what every decision must look like. Each target includes it once. */
#ifndef FUZZ_HELP_H
#define FUZZ_HELP_H

#include "fuzz_facts.h"
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>

enum { FUZZ_TEXT_MAX = 1 << 20 };

static inline void must(bool holds)
{
    if (!holds)
        abort();
}

/* ALLOW has no status; a refusal has one, and one line that says why. */
static inline void check_decision(const struct decision *decision)
{
    if (decision->verdict == VERDICT_ALLOW) {
        must(decision->status == 0 && decision->reason[0] == '\0');
        return;
    }
    must(decision->verdict == VERDICT_DENY && decision->status >= 400 && decision->status < 600);
    must(decision->reason[0] && !strpbrk(decision->reason, "\r\n\x1b"));
}

static inline struct policy *load_once(const char *text)
{
    struct err_list errors = {0};
    struct policy *policy = policy_load(str_of(text), &errors);
    for (size_t i = 0; !policy && i < errors.count; i++)
        fprintf(stderr, "%s\n", errors.items[i].err.text);
    must(policy != NULL);
    err_list_free(&errors);
    return policy;
}

/* A growing text; what does not fit is a bug of the target. */
struct text {
    char p[FUZZ_TEXT_MAX];
    size_t n;
};

static inline void put_bytes(struct text *text, struct str s)
{
    must(s.n <= sizeof(text->p) - text->n);
    if (s.n)
        memcpy(text->p + text->n, s.p, s.n);
    text->n += s.n;
}

static inline void put(struct text *text, const char *literal)
{
    put_bytes(text, str_of(literal));
}

/* Quoted; bytes that JSON wants escaped are, all others stay, UTF-8 or not. */
static inline void put_string(struct text *text, struct str s)
{
    put(text, "\"");
    for (size_t i = 0; i < s.n; i++) {
        char escape[8];
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            snprintf(escape, sizeof(escape), "\\u%04x", c);
            put(text, escape);
        } else {
            put_bytes(text, (struct str){s.p + i, 1});
        }
    }
    put(text, "\"");
}

static inline struct str text_str(const struct text *text)
{
    return (struct str){text->p, text->n};
}

/* Takes the next line off the input. */
static inline struct str take_line(struct str *input)
{
    struct str line = str_head(*input, str_find(*input, '\n'));
    *input = str_skip(*input, line.n + 1);
    return line;
}

/* The verdict on a ContainerCreate with that body. */
static inline bool create_allowed(const struct role *role, struct str body)
{
    static struct request request;
    struct arena arena = {0};
    struct decision decision;
    must(role != NULL);
    must(request_parse(STR("POST"), STR("/v1.41/containers/create"), &arena, &request, &decision));
    request.body = body;
    fuzz_decide(role, &request, (struct str){NULL, 0}, &arena, &decision);
    check_decision(&decision);
    arena_free(&arena);
    return decision.verdict == VERDICT_ALLOW;
}

#endif
