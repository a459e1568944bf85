/* Reading the cases of tests/cases and deciding them in-process, for the tests that run them and
   the one that counts what they cover. */
#ifndef TESTS_CASE_HELPER_H
#define TESTS_CASE_HELPER_H

#include "fact_helper.h"
#include "json.h"
#include "policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PATH_MAX_BYTES = 1024, POLICIES_MAX = 64 };

/* One line of a file, ready to be decided. */
struct case_row {
    const struct json *doc;
    const struct json_node *row;
    const struct role *role; /* NULL: the policy serves nobody */
    struct str method;
    struct str target;
    struct str type; /* Content-Type; p NULL: none */
    struct str body;
};

struct case_policy {
    char name[64];
    struct policy *policy;
};

struct case_policies {
    struct case_policy items[POLICIES_MAX];
    size_t count;
};

/* A path below the root of the sources. */
static inline const char *source_path(const char *folder, const char *name)
{
    static char path[PATH_MAX_BYTES];
    const char *root = getenv("SRCDIR");
    int length = snprintf(path, sizeof path, "%s/%s/%s", root ? root : ".", folder, name);
    assert_true(length > 0 && (size_t)length < sizeof path);
    return path;
}

static inline struct str source_file(const char *folder, const char *name, struct arena *arena)
{
    const char *path = source_path(folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s (SRCDIR is the root of the sources)", path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = arena_alloc(arena, size + 1, 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, file), size);
    fclose(file);
    return (struct str){text, size};
}

static inline const struct policy *case_policy(struct case_policies *loaded, struct str name)
{
    for (size_t i = 0; i < loaded->count; i++)
        if (str_is(name, loaded->items[i].name))
            return loaded->items[i].policy;
    assert_true(loaded->count < POLICIES_MAX);
    struct case_policy *slot = &loaded->items[loaded->count++];
    snprintf(slot->name, sizeof slot->name, "%.*s", STR_ARG(name));
    struct arena arena = {0};
    struct err_list errors = {0};
    slot->policy = policy_load(source_file("tests/cases", slot->name, &arena), &errors);
    for (size_t i = 0; i < errors.count; i++)
        print_error("%s:%d:%d: %s\n", slot->name, errors.items[i].err.line,
                    errors.items[i].err.column, errors.items[i].err.text);
    err_list_free(&errors);
    arena_free(&arena);
    assert_non_null(slot->policy);
    return slot->policy;
}

static inline void case_policies_free(struct case_policies *loaded)
{
    for (size_t i = 0; i < loaded->count; i++)
        policy_free(loaded->items[i].policy);
    loaded->count = 0;
}

/* ---- the texts of a case ------------------------------------------------------------------- */

static inline int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static inline struct str base64_decode(struct str text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.n + 1, 1);
    assert_non_null(out);
    size_t n = 0;
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < text.n && text.p[i] != '='; i++) {
        int value = base64_value(text.p[i]);
        assert_true(value >= 0);
        bits = (bits << 6 | (unsigned)value) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[n++] = (char)(unsigned char)(bits >> count & 0xff);
        }
    }
    return (struct str){out, n};
}

/* %PADn% stands for n times 'a'; a text holds it once at most. */
static inline struct str pad_expand(struct str text, struct arena *arena)
{
    for (size_t at = 0; at < text.n; at++) {
        struct str rest = str_skip(text, at);
        if (!str_starts(rest, STR("%PAD")))
            continue;
        struct str tail = str_skip(rest, 4);
        size_t digits = str_find(tail, '%');
        int64_t count = 0;
        if (digits == tail.n || !str_to_int(str_head(tail, digits), &count))
            continue;
        tail = str_skip(tail, digits + 1);
        size_t pad = (size_t)count;
        char *out = arena_alloc(arena, at + pad + tail.n + 1, 1);
        assert_non_null(out);
        memcpy(out, text.p, at);
        memset(out + at, 'a', pad);
        if (tail.n)
            memcpy(out + at + pad, tail.p, tail.n);
        return (struct str){out, at + pad + tail.n};
    }
    return text;
}

static inline struct str case_text(const struct case_row *row, const char *name)
{
    const struct json_node *node = json_get(row->doc, row->row, str_of(name));
    return node && node->kind == JSON_STRING ? node->text : (struct str){NULL, 0};
}

static inline struct str case_body(const struct case_row *row, struct arena *arena)
{
    struct str coded = case_text(row, "body_base64");
    if (coded.p)
        return base64_decode(coded, arena);
    struct str plain = case_text(row, "body");
    return plain.p ? pad_expand(plain, arena) : plain;
}

/* False when a header is one that only the proxy reads. */
static inline bool case_headers(struct case_row *row)
{
    const struct json_node *headers = json_get(row->doc, row->row, STR("headers"));
    row->type = (struct str){NULL, 0};
    if (!headers) {
        if (row->body.n)
            row->type = STR("application/json");
        return true;
    }
    for (const struct json_node *at = json_child(row->doc, headers); at;
         at = json_next(row->doc, at)) {
        if (str_ieq(at->key, STR("Content-Type")))
            row->type = at->text;
        else if (!str_ieq(at->key, STR("X-Registry-Auth")))
            return false;
    }
    return true;
}

/* False: a case for tests/proxy alone, given as raw bytes or with headers that the proxy reads. */
static inline bool case_read(struct case_policies *loaded, const struct json *doc,
                             struct arena *arena, struct case_row *out)
{
    *out = (struct case_row){.doc = doc, .row = &doc->nodes[0]};
    out->body = case_body(out, arena);
    out->method = case_text(out, "method");
    if (!out->method.p || !case_headers(out))
        return false;
    struct str policy = case_text(out, "policy");
    out->role = policy_default_role(case_policy(loaded, policy.p ? policy : STR("reference.json")));
    out->target = pad_expand(case_text(out, "target"), arena);
    return true;
}

/* The decision, as the proxy takes it. request keeps what was understood; its route is NULL when
   the target names none. */
static inline void case_decide(const struct case_row *row, struct arena *arena,
                               struct request *request, struct decision *decision)
{
    memset(request, 0, sizeof *request);
    memset(decision, 0, sizeof *decision);
    if (!request_parse(row->method, row->target, arena, request, decision) ||
        !policy_precheck(row->role, request, arena, decision) ||
        !request_check_content(request, row->type, row->body.n > 0, decision))
        return;
    if (request->route->body != BODY_OPAQUE && row->body.n > 0)
        request->body = row->body;
    decide_known(row->role, request, row->doc, json_get(row->doc, row->row, STR("facts")), arena,
                 decision);
}

/* Calls run for each line of a file. */
static inline void case_each(const char *name,
                             void (*run)(const char *file, const struct json *doc))
{
    struct arena text_arena = {0};
    struct str text = source_file("tests/cases", name, &text_arena);
    for (int line = 1; text.n; line++) {
        size_t n = str_find(text, '\n');
        struct arena arena = {0};
        struct json doc;
        struct err err = {0};
        if (!json_scan(str_head(text, n), &arena, &doc, &err))
            fail_msg("%s:%d:%d: %s", name, line, err.column, err.text);
        run(name, &doc);
        arena_free(&arena);
        text = str_skip(text, n + 1);
    }
    arena_free(&text_arena);
}

#endif
