/* What the tests of the audit log share: lines, and files of them read back. */
#ifndef AUDIT_HELPER_H
#define AUDIT_HELPER_H

#include "audit.h"
#include "audit_verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A line as the sink takes it. */
#define LINE(text) "{\"l\":\"" text "\"}\n"

static char *file_text(const char *path, size_t *length)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = malloc(1 << 22);
    assert_non_null(text);
    *length = fread(text, 1, (1 << 22) - 1, file);
    text[*length] = '\0';
    fclose(file);
    return text;
}

/* Are these bytes one chain? expected: NULL, or part of what is wrong with it. */
static void expect_chain(struct str bytes, const char *expected)
{
    struct audit_verifier verifier;
    assert_true(audit_verify_open(&verifier));
    audit_verify_file(&verifier, "log");
    audit_verify_feed(&verifier, bytes);
    audit_verify_file_end(&verifier);
    bool ok = audit_verify_verdict(&verifier);
    char why[500];
    snprintf(why, sizeof(why), "log:%d: %s", (int)verifier.broken.line, verifier.why);
    audit_verify_close(&verifier);
    if (!ok && (!expected || !strstr(why, expected)))
        fail_msg("%s; expected: %s", why, expected ? expected : "whole");
    if (ok && expected)
        fail_msg("whole; expected: %s", expected);
}

/* The lines without prev and hash, and without the times of notes; NUL behind. */
static size_t strip_chain(struct str bytes, char *dst)
{
    size_t n = 0;
    while (bytes.n > 0) {
        struct str line = str_head(bytes, str_find(bytes, '\n'));
        struct audit_link link;
        bytes = str_skip(bytes, line.n + 1);
        if (audit_link_read(line, &link)) {
            size_t keep = link.covered.n - AUDIT_LINK_BYTES / 2;
            struct str bare = str_head(line, keep);
            if (str_starts(bare, STR("{\"time\":\"")))
                bare = str_skip(bare, 9 + 27 + 2);
            memcpy(dst + n, bare.p, bare.n);
            n += bare.n;
            memcpy(dst + n, "}\n", 2);
            n += 2;
        } else {
            memcpy(dst + n, line.p, line.n);
            dst[n + line.n] = '\n';
            n += line.n + 1;
        }
    }
    dst[n] = '\0';
    return n;
}

/* The file holds these lines, and they are a chain of their own. */
static inline void expect_file(const char *path, const char *wanted)
{
    size_t length;
    char *text = file_text(path, &length);
    char *bare = malloc(length + 1);
    assert_non_null(bare);
    strip_chain((struct str){text, length}, bare);
    assert_string_equal(bare, wanted);
    expect_chain((struct str){text, length}, NULL);
    free(bare);
    free(text);
}

static inline struct audit_sink *open_sink(const char *first, const char *second)
{
    const char *targets[] = {first, second};
    struct err err = {.set = false};
    struct audit_sink *sink = audit_open(targets, second ? 2 : 1, &err);
    if (!sink)
        fail_msg("%s", err.text);
    return sink;
}

#endif
