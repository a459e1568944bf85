/* What a daemon would say, for decisions in a test: tests/cases/facts.json, and before it facts of
   the same shape that a case brings. See tests/cases/README.md. */
#ifndef TESTS_FACT_HELPER_H
#define TESTS_FACT_HELPER_H

#include "policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- %ID% is the SHA-256 of the name (FIPS 180-4), in hex; of an ID itself ------------------- */

struct sha256 {
    uint32_t h[8];
};

static inline uint32_t sha256_turn(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline void sha256_block(struct sha256 *sum, const uint8_t *bytes)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};
    uint32_t w[64], s[8];
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 |
               (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    for (size_t i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] +
               (sha256_turn(w[i - 15], 7) ^ sha256_turn(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (sha256_turn(w[i - 2], 17) ^ sha256_turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, sum->h, sizeof s);
    for (size_t i = 0; i < 64; i++) {
        uint32_t t1 = s[7] +
                      (sha256_turn(s[4], 6) ^ sha256_turn(s[4], 11) ^ sha256_turn(s[4], 25)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
        uint32_t t2 = (sha256_turn(s[0], 2) ^ sha256_turn(s[0], 13) ^ sha256_turn(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (size_t i = 0; i < 8; i++)
        sum->h[i] += s[i];
}

static inline void sha256_hex(struct str text, char hex[65])
{
    struct sha256 sum = {{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                          0x1f83d9ab, 0x5be0cd19}};
    uint8_t last[128] = {0};
    struct str rest = text;
    for (; rest.n >= 64; rest = str_skip(rest, 64))
        sha256_block(&sum, (const uint8_t *)rest.p);
    if (rest.n)
        memcpy(last, rest.p, rest.n);
    last[rest.n] = 0x80;
    size_t blocks = rest.n < 56 ? 1 : 2;
    for (size_t i = 0; i < 8; i++)
        last[64 * blocks - 1 - i] = (uint8_t)((uint64_t)text.n * 8 >> 8 * i & 0xff);
    for (size_t i = 0; i < blocks; i++)
        sha256_block(&sum, last + 64 * i);
    for (size_t i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08x", (unsigned)sum.h[i]);
}

/* hex: the ID of what goes by that name. */
static inline void fact_id(struct str name, char hex[65])
{
    size_t digits = 0;
    while (digits < name.n &&
           (ascii_digit(name.p[digits]) || (name.p[digits] >= 'a' && name.p[digits] <= 'f')))
        digits++;
    if (digits == 64 && name.n == 64)
        snprintf(hex, 65, "%.*s", STR_ARG(name));
    else
        sha256_hex(name, hex);
}

/* ---- the answers ----------------------------------------------------------------------------- */

static inline const struct json *usual_facts(void)
{
    static struct arena arena;
    static struct json doc;
    char path[1024];
    struct err err = {0};
    if (doc.count)
        return &doc;
    const char *root = getenv("SRCDIR");
    snprintf(path, sizeof path, "%s/tests/cases/facts.json", root ? root : ".");
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s (SRCDIR is the root of the sources)", path);
    char *text = arena_alloc(&arena, 1 << 20, 1);
    size_t n = fread(text, 1, 1 << 20, file);
    fclose(file);
    if (!json_scan((struct str){text, n}, &arena, &doc, &err))
        fail_msg("%s:%d:%d: %s", path, err.line, err.column, err.text);
    return &doc;
}

/* The text with each %NAME% and %ID% filled in; json: within a JSON text. */
static inline struct str fact_expand(struct str text, struct str name, bool json,
                                     struct arena *arena)
{
    char id[65], *quoted = arena_alloc(arena, name.n * 6 + 2, 1);
    struct json_out written = {.p = quoted, .cap = name.n * 6 + 2};
    fact_id(name, id);
    json_out_str(&written, name);
    struct str inner = json ? (struct str){quoted + 1, written.len - 2} : name;
    size_t cap = 1;
    for (size_t i = 0; i < text.n; i++)
        cap += text.p[i] == '%' ? inner.n + 64 : 1;
    struct json_out out = {.p = arena_alloc(arena, cap, 1), .cap = cap};
    assert_non_null(out.p);
    while (text.n) {
        bool named = str_starts(text, STR("%NAME%")), numbered = str_starts(text, STR("%ID%"));
        json_out_raw(&out, named ? inner : numbered ? (struct str){id, 64} : str_head(text, 1));
        text = str_skip(text, named ? 6 : numbered ? 4 : 1);
    }
    return (struct str){out.p, out.len};
}

/* False: these facts have no such object. A text says that it is missing, a list with a text that
   it cannot be had. */
static inline bool fact_from(const struct json *doc, const struct json_node *facts,
                             struct fact *fact, struct arena *arena)
{
    const struct json_node *kind = json_get(doc, facts, str_of(fact_kind_name(fact->kind)));
    const struct json_node *found = json_get(doc, kind, fact->name);
    if (!found)
        found = json_get(doc, kind, STR("*"));
    if (!found)
        return false;
    const struct json_node *why = found->kind == JSON_ARRAY ? json_child(doc, found) : NULL;
    bool there = found->kind != JSON_STRING && !why;
    fact->state = there ? FACT_FOUND : why ? FACT_FAILED : FACT_MISSING;
    fact->text = fact_expand(there ? json_raw(doc, found)
                             : why ? why->text
                                   : found->text,
                             fact->name, there, arena);
    return true;
}

/* own: facts of the case, in doc, or NULL. Every kind has an answer. */
static inline void facts_answer(const struct request *request, struct facts *facts,
                                const struct json *doc, const struct json_node *own,
                                struct arena *arena)
{
    const struct json *usual = usual_facts();
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        bool is_new = request->route->op == OP_NetworkCreate && fact->kind == FACT_NETWORK;
        if (fact->state == FACT_WANTED && is_new && !(own && json_get(doc, own, STR("network")))) {
            fact->state = FACT_MISSING; /* what is made is not there yet */
            fact->text = STR("network not found");
        }
        if (fact->state == FACT_WANTED && !(own && fact_from(doc, own, fact, arena)) &&
            !fact_from(usual, usual->nodes, fact, arena))
            fail_msg("facts.json has no %s \"%.*s\"", fact_kind_name(fact->kind),
                     STR_ARG(fact->name));
    }
}

/* What is sent on must pass as it stands, and stay as it is. */
static inline void check_rewritten(const struct role *role, const struct request *request,
                                   struct facts *facts, const struct decision *decision,
                                   struct arena *arena)
{
    struct request sent = *request;
    struct decision again;
    assert_true(request_rewrite(&sent, decision, arena));
    policy_decide_again(role, &sent, facts, decision->read, arena, &again);
    if (again.verdict != VERDICT_ALLOW || decision_rewrites(&again, &sent))
        fail_msg("what is sent on is %s: %s\n%.*s",
                 again.verdict == VERDICT_ALLOW ? "rewritten again" : "not allowed", again.reason,
                 STR_ARG(sent.body));
}

/* What was read for a decision changes nothing of the next. */
static inline void check_again(const struct role *role, const struct request *request,
                               const struct facts *facts, const struct decision *decision,
                               struct arena *arena)
{
    struct decision again;
    struct facts known = *facts;
    policy_decide_again(role, request, &known, decision->read, arena, &again);
    if (again.verdict != decision->verdict || again.status != decision->status ||
        again.rule != decision->rule || strcmp(again.field, decision->field) != 0 ||
        strcmp(again.reason, decision->reason) != 0)
        fail_msg("once more: %d \"%s\", before: %d \"%s\"", again.verdict, again.reason,
                 decision->verdict, decision->reason);
}

/* policy_decide() as the proxy does it, with what the daemon says. Kept in the arena: what the
   decision holds slices of. */
static inline void decide_known(const struct role *role, const struct request *request,
                                const struct json *doc, const struct json_node *own,
                                struct arena *arena, struct decision *decision)
{
    struct facts *facts = arena_alloc(arena, 1, sizeof *facts);
    assert_non_null(facts);
    facts->arena = arena;
    policy_decide(role, request, facts, arena, decision);
    for (int round = 0; decision->verdict == VERDICT_NEED && round < FACT_ROUNDS_MAX; round++) {
        facts_answer(request, facts, doc, own, arena);
        policy_decide(role, request, facts, arena, decision);
    }
    check_again(role, request, facts, decision, arena);
    if (decision->verdict == VERDICT_ALLOW && decision_rewrites(decision, request))
        check_rewritten(role, request, facts, decision, arena);
}

#endif
