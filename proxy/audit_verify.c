/* Checking a chain; see audit_verify.h. */
#include "audit_verify.h"

#include "json.h"
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool audit_verify_open(struct audit_verifier *verifier)
{
    *verifier = (struct audit_verifier){.lines = 0};
    audit_hash_zero(verifier->last);
    verifier->seen = calloc(AUDIT_SEEN_MAX, sizeof(*verifier->seen));
    verifier->line = (struct audit_text){malloc(AUDIT_LINE_MAX), 0, AUDIT_LINE_MAX};
    return audit_hasher_open(&verifier->hasher) && verifier->seen && verifier->line.p;
}

void audit_verify_close(struct audit_verifier *verifier)
{
    audit_hasher_close(&verifier->hasher);
    free(verifier->seen);
    free(verifier->line.p);
}

PRINTF_LIKE(3, 4)
static void break_at(struct audit_verifier *verifier, struct audit_place at, const char *format,
                     ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(verifier->why, sizeof(verifier->why), format, args);
    va_end(args);
    verifier->broken = at;
}

/* ---- what a line is ------------------------------------------------------------------------ */

/* What stands behind the time; empty when the line does not begin as ours do. */
static struct str behind_time(struct str line)
{
    static const char begin[] = "{\"time\":\"";
    struct str rest = str_skip(line, sizeof(begin) - 1 + TIME_TEXT_LEN);
    return str_starts(line, STR(begin)) ? rest : (struct str){line.p, 0};
}

static const char *why_no_link(struct str line)
{
    struct arena arena = {.head = NULL};
    struct json doc;
    bool json = json_scan(line, &arena, &doc, NULL);
    arena_free(&arena);
    if (json)
        return "it does not end in prev and hash, so it is no line of this chain";
    if (line.n == 0 || !line.p)
        return "it is empty";
    if (line.p[0] == '{' && line.p[line.n - 1] != '}')
        return "it is torn: half a line, and no line behind it that explains it";
    return "it is not JSON";
}

/* Is that the line that the proxy writes when it starts behind half a line? */
static bool explains_half(const struct audit_verifier *verifier, const struct audit_link *link)
{
    char wanted[256];
    int n = snprintf(wanted, sizeof(wanted),
                     "\",\"record\":\"torn\",\"bytes\":%" PRIu64 ",\"sha256\":\"%.*s\",\"prev\":",
                     verifier->half_bytes, AUDIT_HASH_LEN, verifier->half_hash);
    return str_starts(behind_time(link->covered), (struct str){wanted, (size_t)n});
}

static void count_notes(struct audit_verifier *verifier, struct str covered)
{
    static const char lost[] = "\",\"record\":\"lost\",\"lines\":";
    struct str rest = behind_time(covered);
    int64_t lines = 0;
    if (!str_starts(rest, STR(lost)))
        return;
    rest = str_skip(rest, sizeof(lost) - 1);
    if (verifier->lost++ == 0)
        verifier->lost_at = verifier->at;
    if (str_to_int(str_head(rest, str_find(rest, ',')), &lines) && lines > 0)
        verifier->lost_lines += (uint64_t)lines;
}

/* ---- the order of lines -------------------------------------------------------------------- */

static void remember(struct audit_verifier *verifier)
{
    struct seen *seen = &verifier->seen[verifier->lines++ % AUDIT_SEEN_MAX];
    memcpy(seen->hash, verifier->last, AUDIT_HASH_LEN);
    seen->at = verifier->at;
}

static const struct seen *find_seen(const struct audit_verifier *verifier, struct str hash)
{
    size_t count = verifier->lines < AUDIT_SEEN_MAX ? (size_t)verifier->lines : AUDIT_SEEN_MAX;
    for (size_t i = 0; i < count; i++)
        if (memcmp(verifier->seen[i].hash, hash.p, AUDIT_HASH_LEN) == 0)
            return &verifier->seen[i];
    return NULL;
}

/* A line that is whole, but does not follow the one before it. */
static void judge_order(struct audit_verifier *verifier, const struct audit_link *link)
{
    const struct seen *same = find_seen(verifier, link->hash);
    const struct seen *before = find_seen(verifier, link->prev);
    if (same)
        break_at(verifier, verifier->at, "it stands here a second time, first at %s:%" PRIu64,
                 same->at.file, same->at.line);
    else if (audit_hash_is_zero(link->prev))
        break_at(verifier, verifier->at,
                 "a new chain begins here (prev is zeros), so lines before it may be missing");
    else if (before)
        break_at(verifier, verifier->at,
                 "it belongs behind %s:%" PRIu64
                 ", so lines are in wrong order, or others were put in between",
                 before->at.file, before->at.line);
    if (verifier->broken.line)
        return;
    break_at(verifier, verifier->at,
             "its prev is not the hash of the line before it: lines between them are missing, or "
             "that line was replaced%s",
             verifier->at.line == 1 ? ", or the files are not in this order" : "");
    verifier->searching = true;
    memcpy(verifier->wanted, link->prev.p, AUDIT_HASH_LEN);
}

/* Behind a break: does the missing line stand here? */
static void search(struct audit_verifier *verifier, struct str line)
{
    struct audit_link link;
    if (!audit_link_read(line, &link) || memcmp(link.hash.p, verifier->wanted, AUDIT_HASH_LEN) != 0)
        return;
    break_at(verifier, verifier->broken,
             "it is in wrong order: the line before it stands at %s:%" PRIu64, verifier->at.file,
             verifier->at.line);
    verifier->searching = false;
}

/* ---- one line ------------------------------------------------------------------------------ */

static void take_half(struct audit_verifier *verifier, struct str line)
{
    if (verifier->half.line) {
        break_at(verifier, verifier->half, "%s", verifier->half_why);
        return;
    }
    verifier->half = verifier->at;
    verifier->half_bytes = line.n;
    verifier->half_why = why_no_link(line);
    if (!audit_hash(&verifier->hasher, line, verifier->half_hash))
        break_at(verifier, verifier->at, "out of memory");
}

static void take_line(struct audit_verifier *verifier, struct str line)
{
    struct audit_link link;
    if (!audit_link_read(line, &link)) {
        take_half(verifier, line);
        return;
    }
    if (!audit_link_holds(&verifier->hasher, &link)) {
        if (verifier->half.line)
            break_at(verifier, verifier->half, "%s", verifier->half_why);
        else
            break_at(verifier, verifier->at, "it was changed: its hash does not hold");
        return;
    }
    bool follows = memcmp(link.prev.p, verifier->last, AUDIT_HASH_LEN) == 0;
    if (verifier->half.line) {
        if (!follows || !explains_half(verifier, &link)) {
            break_at(verifier, verifier->half, "%s", verifier->half_why);
            return;
        }
        if (verifier->torn++ == 0)
            verifier->torn_at = verifier->half;
        verifier->half.line = 0;
    }
    if (!follows && verifier->lines == 0) {
        verifier->behind = true;
        memcpy(verifier->before, link.prev.p, AUDIT_HASH_LEN);
    } else if (!follows) {
        judge_order(verifier, &link);
        return;
    }
    memcpy(verifier->last, link.hash.p, AUDIT_HASH_LEN);
    remember(verifier);
    count_notes(verifier, link.covered);
}

static void end_line(struct audit_verifier *verifier, struct str line)
{
    verifier->at.line++;
    if (verifier->searching)
        search(verifier, line);
    else if (verifier->too_long)
        break_at(verifier, verifier->half.line ? verifier->half : verifier->at,
                 "it has more than %d bytes, so it is no audit line", AUDIT_LINE_MAX);
    else
        take_line(verifier, line);
    verifier->too_long = false;
    verifier->line.len = 0;
}

/* ---- bytes --------------------------------------------------------------------------------- */

void audit_verify_file(struct audit_verifier *verifier, const char *name)
{
    verifier->at = (struct audit_place){name, 0};
}

/* Keeps what may be the begin of a line. */
static void keep(struct audit_verifier *verifier, struct str bytes)
{
    struct audit_text *line = &verifier->line;
    size_t n = line->cap - line->len;
    verifier->too_long |= bytes.n > n;
    n = bytes.n < n ? bytes.n : n;
    if (n && line->p)
        memcpy(line->p + line->len, bytes.p, n);
    line->len += n;
}

bool audit_verify_feed(struct audit_verifier *verifier, struct str bytes)
{
    while (bytes.n > 0 && (!verifier->broken.line || verifier->searching)) {
        size_t n = str_find(bytes, '\n');
        struct str line = str_head(bytes, n);
        if (n == bytes.n || verifier->line.len > 0 || verifier->too_long || n > AUDIT_LINE_MAX) {
            keep(verifier, line);
            line = (struct str){verifier->line.p, verifier->line.len};
        }
        if (n < bytes.n)
            end_line(verifier, line);
        bytes = str_skip(bytes, n + 1);
    }
    return !verifier->broken.line || verifier->searching;
}

void audit_verify_file_end(struct audit_verifier *verifier)
{
    bool goes_on = !verifier->broken.line || verifier->searching;
    if (goes_on && (verifier->line.len > 0 || verifier->too_long))
        end_line(verifier, (struct str){verifier->line.p, verifier->line.len});
    if (verifier->half.line && !verifier->broken.line)
        break_at(verifier, verifier->half, "%s", verifier->half_why);
}

bool audit_verify_verdict(struct audit_verifier *verifier)
{
    return verifier->broken.line == 0;
}
