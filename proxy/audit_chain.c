/* The hash chain; see audit_chain.h. */
#include "audit_chain.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char prev_key[] = ",\"prev\":\"", hash_key[] = ",\"hash\":\"";

enum {
    KEY_BYTES = sizeof(prev_key) - 1,
    PART_BYTES = KEY_BYTES + AUDIT_HASH_LEN + 1, /* ,"prev":"..." */
};

_Static_assert(2 * PART_BYTES == AUDIT_LINK_BYTES, "what a link adds");

bool audit_hasher_open(struct audit_hasher *hasher)
{
    /* Fetched once: looking an algorithm up costs more than hashing a line. */
    hasher->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    return hasher->sha256 && hasher->context;
}

void audit_hasher_close(struct audit_hasher *hasher)
{
    EVP_MD_CTX_free(hasher->context);
    EVP_MD_free(hasher->sha256);
    *hasher = (struct audit_hasher){NULL, NULL};
}

bool audit_hash(struct audit_hasher *hasher, struct str bytes, char hex[AUDIT_HASH_LEN])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestInit_ex2(hasher->context, hasher->sha256, NULL) != 1 ||
        EVP_DigestUpdate(hasher->context, bytes.p, bytes.n) != 1 ||
        EVP_DigestFinal_ex(hasher->context, digest, NULL) != 1)
        return false;
    for (size_t i = 0; i < AUDIT_HASH_LEN / 2; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    return true;
}

void audit_hash_zero(char hex[AUDIT_HASH_LEN])
{
    memset(hex, '0', AUDIT_HASH_LEN);
}

bool audit_hash_is_zero(struct str hex)
{
    for (size_t i = 0; i < hex.n; i++)
        if (hex.p[i] != '0')
            return false;
    return hex.n == AUDIT_HASH_LEN;
}

/* ---- one line ------------------------------------------------------------------------------ */

/* Takes ,"key":"<64 digits>" off the end of a line. */
static bool take_part(struct str *line, const char *key, struct str *value)
{
    if (line->n < PART_BYTES || line->p[line->n - 1] != '"')
        return false;
    struct str part = str_skip(*line, line->n - PART_BYTES);
    *value = str_head(str_skip(part, KEY_BYTES), AUDIT_HASH_LEN);
    for (size_t i = 0; i < value->n; i++)
        if (!ascii_digit(value->p[i]) && !(value->p[i] >= 'a' && value->p[i] <= 'f'))
            return false;
    line->n -= PART_BYTES;
    return memcmp(part.p, key, KEY_BYTES) == 0;
}

bool audit_link_read(struct str line, struct audit_link *out)
{
    if (line.n < AUDIT_LINK_BYTES + 2 || line.p[0] != '{' || line.p[line.n - 1] != '}')
        return false;
    line.n--;
    if (!take_part(&line, hash_key, &out->hash))
        return false;
    out->covered = line;
    return take_part(&line, prev_key, &out->prev);
}

bool audit_link_holds(struct audit_hasher *hasher, const struct audit_link *link)
{
    char hex[AUDIT_HASH_LEN];
    return audit_hash(hasher, link->covered, hex) && memcmp(hex, link->hash.p, sizeof(hex)) == 0;
}

/* ---- many lines ---------------------------------------------------------------------------- */

static void put(struct audit_text *out, const char *p, size_t n)
{
    memcpy(out->p + out->len, p, n);
    out->len += n;
}

static bool reserve(struct audit_text *out, size_t want)
{
    if (out->cap - out->len >= want)
        return true;
    size_t cap = out->cap ? out->cap : 32 << 10;
    while (cap - out->len < want)
        cap *= 2;
    char *p = realloc(out->p, cap);
    if (!p)
        return false;
    out->p = p;
    out->cap = cap;
    return true;
}

bool audit_chain_lines(struct audit_hasher *hasher, const char last[AUDIT_HASH_LEN],
                       struct str lines, struct audit_text *out)
{
    char hash[AUDIT_HASH_LEN];
    memcpy(hash, last, sizeof(hash));
    while (lines.n > 0) {
        struct str line = str_head(lines, str_find(lines, '\n'));
        lines = str_skip(lines, line.n + 1);
        if (line.n < 2 || !reserve(out, line.n + AUDIT_LINK_BYTES + 1))
            return false;
        size_t begin = out->len;
        put(out, line.p, line.n - 1);
        put(out, prev_key, KEY_BYTES);
        put(out, hash, sizeof(hash));
        put(out, "\"", 1);
        if (!audit_hash(hasher, (struct str){out->p + begin, out->len - begin}, hash))
            return false;
        put(out, hash_key, KEY_BYTES);
        put(out, hash, sizeof(hash));
        put(out, "\"}\n", 3);
    }
    return true;
}

/* ---- the end of a file --------------------------------------------------------------------- */

static bool read_at(int fd, char *dst, size_t n, off_t at, struct err *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, dst + done, n - done, at + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set(err, 0, 0, "its last line cannot be read: %s",
                           got < 0 ? strerror(errno) : "it became shorter meanwhile");
        done += (size_t)got;
    }
    return true;
}

/* The last of the whole lines. */
static void read_last(struct audit_hasher *hasher, struct str lines, bool from_begin,
                      struct audit_end *out)
{
    struct audit_link link;
    if (lines.n == 0)
        return;
    lines.n--;
    size_t newline = str_rfind(lines, '\n');
    out->kind = AUDIT_END_UNKNOWN;
    if (newline == lines.n && !from_begin)
        return;
    struct str line = newline == lines.n ? lines : str_skip(lines, newline + 1);
    if (!audit_link_read(line, &link))
        return;
    out->kind = AUDIT_END_LINK;
    memcpy(out->last, link.hash.p, AUDIT_HASH_LEN);
    out->edited = !audit_link_holds(hasher, &link);
}

static bool judge_end(struct audit_hasher *hasher, struct str bytes, bool from_begin,
                      struct audit_end *out, struct err *err)
{
    struct audit_link link;
    size_t newline = str_rfind(bytes, '\n');
    struct str tail = newline == bytes.n ? bytes : str_skip(bytes, newline + 1);
    struct str lines = {bytes.p, bytes.n - tail.n};
    if (tail.n > AUDIT_LINE_MAX || (newline == bytes.n && !from_begin))
        return err_set(err, 0, 0,
                       "it holds no audit lines, so it cannot be continued; move it away, or name "
                       "another file");
    if (tail.n == 0) {
        read_last(hasher, lines, from_begin, out);
        return true;
    }
    out->unended = true;
    /* Whole but for its line end? */
    if (audit_link_read(tail, &link) && audit_link_holds(hasher, &link)) {
        out->kind = AUDIT_END_LINK;
        memcpy(out->last, link.hash.p, AUDIT_HASH_LEN);
        return true;
    }
    out->torn = tail.n;
    read_last(hasher, lines, from_begin, out);
    return audit_hash(hasher, tail, out->torn_hash) || err_set(err, 0, 0, "out of memory");
}

bool audit_end_read(struct audit_hasher *hasher, int fd, off_t size, struct audit_end *out,
                    struct err *err)
{
    *out = (struct audit_end){.kind = AUDIT_END_EMPTY};
    audit_hash_zero(out->last);
    if (size <= 0)
        return true;
    const off_t most = (off_t)2 * AUDIT_LINE_MAX;
    off_t from = size > most ? size - most : 0;
    size_t n = (size_t)(size - from);
    char *bytes = malloc(n);
    if (!bytes)
        return err_set(err, 0, 0, "out of memory");
    bool ok = read_at(fd, bytes, n, from, err) &&
              judge_end(hasher, (struct str){bytes, n}, from == 0, out, err);
    free(bytes);
    return ok;
}
