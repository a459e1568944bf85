/* libFuzzer target for checking audit logs. The first byte says what the input is: a log as it is,
   or texts that become one, of which a byte is then changed. Bytes in pieces give the verdict that
   all at once give; a chain that was made is whole, and every change of it is found. */
#include "audit_verify.h"
#include "json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct verdict {
    bool whole;
    uint64_t line, lines;
    char why[400];
};

static struct verdict verify(struct str bytes, size_t step)
{
    struct audit_verifier verifier;
    struct verdict verdict = {.whole = false};
    must(audit_verify_open(&verifier));
    audit_verify_file(&verifier, "log");
    for (size_t at = 0; at < bytes.n; at += step) {
        struct str piece = str_head(str_skip(bytes, at), step);
        char *copy = malloc(piece.n);
        must(copy != NULL);
        memcpy(copy, piece.p, piece.n);
        bool more = audit_verify_feed(&verifier, (struct str){copy, piece.n});
        free(copy);
        if (!more)
            break;
    }
    audit_verify_file_end(&verifier);
    verdict.whole = audit_verify_verdict(&verifier);
    verdict.line = verifier.broken.line;
    verdict.lines = verifier.lines;
    memcpy(verdict.why, verifier.why, sizeof(verdict.why));
    must(verdict.whole == (verdict.line == 0) && verdict.whole == (verdict.why[0] == '\0'));
    audit_verify_close(&verifier);
    return verdict;
}

static struct verdict verify_twice(struct str bytes, size_t step)
{
    struct verdict whole = verify(bytes, bytes.n + 1), pieces = verify(bytes, step);
    must(whole.whole == pieces.whole && whole.line == pieces.line && whole.lines == pieces.lines &&
         strcmp(whole.why, pieces.why) == 0);
    return whole;
}

/* Each line of the input is the text of one of the log. */
static struct audit_text make_log(struct str input, uint64_t *count)
{
    static char bytes[1 << 20];
    char zero[AUDIT_HASH_LEN];
    struct json_out out = {.p = bytes, .cap = sizeof(bytes)};
    struct audit_hasher hasher;
    struct audit_text text = {NULL, 0, 0};
    for (*count = 0; input.n > 0; ++*count) {
        struct str line = str_head(input, str_find(input, '\n'));
        input = str_skip(input, line.n + 1);
        out.comma = false;
        json_out_open(&out, '{');
        json_out_member(&out, "text", line);
        json_out_close(&out, '}');
        json_out_raw(&out, STR("\n"));
    }
    must(out.len <= out.cap && audit_hasher_open(&hasher));
    audit_hash_zero(zero);
    must(audit_chain_lines(&hasher, zero, (struct str){out.p, out.len}, &text));
    audit_hasher_close(&hasher);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5)
        return 0;
    struct str input = {(const char *)data + 5, size - 5};
    size_t step = data[1] ? data[1] : 1;
    if (data[0] & 1) {
        verify_twice(input, step);
        return 0;
    }
    uint64_t count;
    struct audit_text log = make_log(input, &count);
    struct str bytes = {log.p ? log.p : "", log.len};
    struct verdict verdict = verify_twice(bytes, step);
    must(verdict.whole && verdict.lines == count);
    if (log.len > 0 && data[4]) {
        size_t at = (size_t)(data[2] << 8 | data[3]) % log.len;
        log.p[at] = (char)(log.p[at] ^ (char)data[4]);
        must(!verify_twice(bytes, step).whole);
    }
    free(log.p);
    return 0;
}
