/* What was found signed, kept over restarts: one JSON line an image ID, appended and synced. It is
   a cache: whatever of it is lost or unreadable is verified again. Who may write the file could
   have anything taken for signed, so nobody else may. */
#include "trust_parts.h"

#include "cmd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct trust_ledger {
    pthread_mutex_t lock;            /* guards all below */
    struct trust_entry *rows;        /* a ring of TRUST_LEDGER_MAX, each with its own repo */
    uint64_t *id_tags, *digest_tags; /* first digits of each row: to look for one is to go over
                                        these */
    size_t cap, count;               /* rows that there is room for; that are used */
    size_t oldest;                   /* once full: the one to be replaced next */
    unsigned ttl;                    /* s; 0: for ever */
    int fd;                          /* -1: no file */
    size_t lines;                    /* in the file */
    bool failing;                    /* the last write failed */
};

/* ---- lines ----------------------------------------------------------------------------------- */

static bool hex_only(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_digit(text.p[i]) && !(text.p[i] >= 'a' && text.p[i] <= 'f'))
            return false;
    return true;
}

static bool take_digest(struct str text, char dst[SIGN_DIGEST_BYTES + 1])
{
    if (!sign_digest_valid(text))
        return false;
    memcpy(dst, text.p, SIGN_DIGEST_BYTES);
    dst[SIGN_DIGEST_BYTES] = '\0';
    return true;
}

static bool take_hex(struct str text, struct str prefix, size_t digits, char *dst)
{
    if (text.n != prefix.n + digits || !str_starts(text, prefix) ||
        !hex_only(str_skip(text, prefix.n)))
        return false;
    memcpy(dst, text.p, text.n);
    dst[text.n] = '\0';
    return true;
}

/* What never ends has none. */
static bool take_until(const struct json *doc, const struct json_node *root, int64_t *out)
{
    const struct json_node *until = json_get(doc, root, STR("until"));
    return !until || (json_int(until, out) && *out > 0);
}

bool trust_entry_read(struct str line, struct arena *arena, struct trust_entry *out)
{
    struct json doc;
    struct err err = {.set = false};
    struct sign_verdict ignored;
    *out = (struct trust_entry){.at = 0};
    if (line.n > TRUST_LINE_MAX || !sign_json_scan(line, arena, &doc, &err))
        return false;
    const struct json_node *root = &doc.nodes[0];
    const struct json_node *at = sign_json_get(&doc, root, "at", JSON_NUMBER);
    out->repo = sign_json_text(&doc, root, "repo");
    return take_digest(sign_json_text(&doc, root, "id"), out->id) &&
           take_digest(sign_json_text(&doc, root, "digest"), out->digest) &&
           take_hex(sign_json_text(&doc, root, "rule"), STR(""), TRUST_HASH_BYTES, out->rule) &&
           take_hex(sign_json_text(&doc, root, "key"), STR("SHA256:"), SIGN_FINGERPRINT_BYTES - 7,
                    out->key) &&
           sign_format_find(sign_json_text(&doc, root, "format"), &out->format, &ignored) &&
           str_is(sign_json_text(&doc, root, "how"), "signature") && out->repo.n > 0 && at &&
           json_int(at, &out->at) && out->at >= 0 && take_until(&doc, root, &out->until);
}

size_t trust_entry_write(const struct trust_entry *entry, char *dst, size_t cap)
{
    struct json_out out = {.p = dst, .cap = cap};
    json_out_open(&out, '{');
    json_out_member(&out, "id", str_of(entry->id));
    json_out_member(&out, "digest", str_of(entry->digest));
    json_out_member(&out, "repo", entry->repo);
    json_out_member(&out, "how", STR("signature"));
    json_out_member(&out, "format", str_of(sign_format_name(entry->format)));
    json_out_member(&out, "key", str_of(entry->key));
    json_out_member(&out, "rule", str_of(entry->rule));
    json_out_key(&out, "at");
    json_out_int(&out, entry->at);
    if (entry->until > 0) {
        json_out_key(&out, "until");
        json_out_int(&out, entry->until);
    }
    json_out_close(&out, '}');
    json_out_raw(&out, STR("\n"));
    return out.len <= cap && out.len <= TRUST_LINE_MAX ? out.len : 0;
}

/* ---- in memory ------------------------------------------------------------------------------- */

static uint64_t tag_of(const char *digest)
{
    uint64_t tag;
    memcpy(&tag, digest + strlen("sha256:"), sizeof tag);
    return tag;
}

static bool same(const struct trust_entry *a, const struct trust_entry *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->digest, b->digest) == 0 &&
           strcmp(a->rule, b->rule) == 0 && str_eq(a->repo, b->repo);
}

static struct trust_entry *find_row(const struct trust_ledger *ledger,
                                    const struct trust_entry *entry)
{
    const uint64_t tag = tag_of(entry->id), *tags = ledger->id_tags;
    for (size_t i = 0, count = ledger->count; i < count; i++)
        if (tags[i] == tag && same(&ledger->rows[i], entry))
            return &ledger->rows[i];
    return NULL;
}

static bool grow(void **array, size_t count, size_t size)
{
    void *larger = realloc(*array, count * size);
    if (!larger)
        return false;
    *array = larger;
    return true;
}

/* Room for one more; false: no memory. */
static bool has_room(struct trust_ledger *ledger)
{
    if (ledger->count < ledger->cap || ledger->count == TRUST_LEDGER_MAX)
        return true;
    size_t cap = ledger->cap ? ledger->cap * 2 : 16;
    cap = cap < TRUST_LEDGER_MAX ? cap : TRUST_LEDGER_MAX;
    void *rows = ledger->rows, *ids = ledger->id_tags, *digests = ledger->digest_tags;
    bool ok = grow(&rows, cap, sizeof *ledger->rows) && grow(&ids, cap, sizeof(uint64_t)) &&
              grow(&digests, cap, sizeof(uint64_t));
    ledger->rows = rows;
    ledger->id_tags = ids;
    ledger->digest_tags = digests;
    ledger->cap = ok ? cap : ledger->cap;
    return ok;
}

/* The oldest makes room once there are too many. repo is taken over. */
static void add_row(struct trust_ledger *ledger, const struct trust_entry *entry, char *repo)
{
    size_t at = ledger->count;
    if (at == TRUST_LEDGER_MAX) {
        at = ledger->oldest;
        ledger->oldest = (at + 1) % TRUST_LEDGER_MAX;
        free((void *)(uintptr_t)ledger->rows[at].repo.p);
    } else {
        ledger->count++;
    }
    memcpy(repo, entry->repo.p, entry->repo.n);
    ledger->rows[at] = *entry;
    ledger->rows[at].repo.p = repo;
    ledger->id_tags[at] = tag_of(entry->id);
    ledger->digest_tags[at] = tag_of(entry->digest);
}

/* 0 is later than all. */
static bool ends_later(const struct trust_entry *a, const struct trust_entry *b)
{
    return b->until > 0 && (a->until == 0 || a->until > b->until);
}

/* What is there already only becomes younger, and ends later. fresh says whether it is new. */
static bool put(struct trust_ledger *ledger, const struct trust_entry *entry, bool *fresh)
{
    struct trust_entry *row = find_row(ledger, entry);
    bool later = row && ends_later(entry, row);
    *fresh = !row || later || (ledger->ttl > 0 && entry->at > row->at);
    if (row) {
        row->at = entry->at > row->at ? entry->at : row->at;
        row->until = later ? entry->until : row->until;
        return true;
    }
    char *repo = has_room(ledger) ? malloc(entry->repo.n) : NULL;
    if (repo)
        add_row(ledger, entry, repo);
    return repo != NULL;
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool write_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_skip(bytes, (size_t)n);
    }
    return true;
}

/* The rows, oldest first, in the place of what the file holds. Losing it half-way costs no more
   than verifying again. */
static bool rewrite(struct trust_ledger *ledger)
{
    char *text = malloc(ledger->count * TRUST_LINE_MAX + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < ledger->count; i++)
        n += trust_entry_write(&ledger->rows[(ledger->oldest + i) % ledger->count], text + n,
                               TRUST_LINE_MAX);
    bool ok = text && ftruncate(ledger->fd, 0) == 0 && write_all(ledger->fd, (struct str){text, n});
    free(text);
    ledger->lines = ok ? ledger->count : ledger->lines;
    return ok;
}

static void say_failed(struct trust_ledger *ledger, bool ok)
{
    if (!ok && !ledger->failing)
        log_warn("--trust-cache cannot be written: %s; what is found signed is known until the "
                 "end of this process only",
                 strerror(errno));
    ledger->failing = !ok;
}

/* Half a line may be in it since the last write failed. */
static bool append(struct trust_ledger *ledger, struct str lines)
{
    if (ledger->failing && !write_all(ledger->fd, STR("\n")))
        return false;
    return write_all(ledger->fd, lines);
}

/* Puts the entries into memory, and the lines of new ones into text. */
static bool put_all(struct trust_ledger *ledger, const struct trust_entry *entries, size_t count,
                    char *text, size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < count; i++) {
        bool fresh = false;
        if (!put(ledger, &entries[i], &fresh))
            return false;
        size_t n = fresh ? trust_entry_write(&entries[i], text + *length, TRUST_LINE_MAX) : 0;
        *length += n;
        ledger->lines += n > 0 && ledger->fd >= 0;
    }
    return true;
}

bool trust_ledger_add(struct trust_ledger *ledger, const struct trust_entry *entries, size_t count)
{
    char *text = malloc(count * TRUST_LINE_MAX + 1);
    size_t n = 0;
    if (!text)
        return false;
    pthread_mutex_lock(&ledger->lock);
    bool ok = put_all(ledger, entries, count, text, &n);
    bool written = n > 0 && ledger->fd >= 0;
    if (written) {
        written = ledger->lines > 2 * (size_t)TRUST_LEDGER_MAX
                      ? rewrite(ledger)
                      : append(ledger, (struct str){text, n});
        say_failed(ledger, written);
    }
    pthread_mutex_unlock(&ledger->lock);
    /* Others need not wait for the disk. */
    if (written && fdatasync(ledger->fd) != 0)
        log_warn("--trust-cache cannot be synced: %s", strerror(errno));
    free(text);
    return ok;
}

void trust_ledger_keep(struct trust_ledger *ledger, const struct trust_rule *rule, struct str repo,
                       const struct trust_verdict *verdict)
{
    struct trust_entry *entries = calloc(TRUST_IDS_MAX, sizeof *entries);
    int64_t at =
        verdict->at ? verdict->at : time(NULL); /* what is only found again gets no younger */
    for (size_t i = 0; entries && i < verdict->id_count; i++) {
        struct trust_entry *entry = &entries[i];
        *entry = (struct trust_entry){
            .format = verdict->format, .at = at, .until = verdict->until, .repo = repo};
        memcpy(entry->id, verdict->ids[i], sizeof entry->id);
        memcpy(entry->digest, verdict->digest, sizeof entry->digest);
        memcpy(entry->rule, rule->hash, sizeof entry->rule);
        memcpy(entry->key, verdict->key, sizeof entry->key);
    }
    if (entries)
        trust_ledger_add(ledger, entries, verdict->id_count);
    free(entries);
}

/* ---- finding --------------------------------------------------------------------------------- */

static bool holds(const struct trust_ledger *ledger, const struct trust_entry *entry,
                  struct str repo, const char *rule, int64_t now)
{
    return str_eq(str_of(entry->rule), str_of(rule)) && str_eq(entry->repo, repo) &&
           (ledger->ttl == 0 || entry->at + (int64_t)ledger->ttl > now) &&
           (entry->until == 0 || entry->until > now);
}

/* All IDs of the digest that this row names. */
static void gather(const struct trust_ledger *ledger, const struct trust_entry *found,
                   struct str repo, int64_t now, struct trust_verdict *out)
{
    uint64_t tag = tag_of(found->digest);
    *out = (struct trust_verdict){
        .reason = SIGN_OK, .format = found->format, .until = found->until, .at = found->at};
    memcpy(out->key, found->key, sizeof out->key);
    memcpy(out->digest, found->digest, sizeof out->digest);
    for (size_t i = 0; i < ledger->count; i++) {
        const struct trust_entry *entry = &ledger->rows[i];
        if (ledger->digest_tags[i] != tag || strcmp(entry->digest, found->digest) != 0 ||
            !holds(ledger, entry, repo, found->rule, now))
            continue;
        trust_add_id(out, str_of(entry->id));
        out->mapped |= strcmp(entry->id, entry->digest) != 0;
    }
}

bool trust_ledger_find(struct trust_ledger *ledger, struct str repo, const char *rule,
                       struct str id_or_digest, int64_t now, struct trust_verdict *out)
{
    bool known = false;
    if (!sign_digest_valid(id_or_digest))
        return false;
    uint64_t tag = tag_of(id_or_digest.p);
    pthread_mutex_lock(&ledger->lock);
    for (size_t i = 0; i < ledger->count && !known; i++) {
        const struct trust_entry *row = &ledger->rows[i];
        known = ledger->id_tags[i] == tag && str_is(id_or_digest, row->id) &&
                holds(ledger, row, repo, rule, now);
        if (known)
            gather(ledger, row, repo, now, out);
    }
    pthread_mutex_unlock(&ledger->lock);
    return known;
}

size_t trust_ledger_size(struct trust_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    size_t count = ledger->count;
    pthread_mutex_unlock(&ledger->lock);
    return count;
}

/* ---- opening --------------------------------------------------------------------------------- */

static char *read_whole(int fd, size_t *length)
{
    struct stat st;
    size_t n = 0;
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        return NULL;
    size_t cap =
        (uint64_t)st.st_size < TRUST_LEDGER_FILE_MAX ? (size_t)st.st_size : TRUST_LEDGER_FILE_MAX;
    char *text = malloc(cap + 1);
    while (text && n < cap) {
        ssize_t got = pread(fd, text + n, cap - n, (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    *length = n;
    return text;
}

/* A clock that was wrong must not make a line younger than it is. */
static bool take_line(struct trust_ledger *ledger, struct str line, struct arena *arena)
{
    struct trust_entry entry;
    bool fresh;
    int64_t now = time(NULL);
    if (!trust_entry_read(line, arena, &entry))
        return false;
    entry.at = entry.at < now ? entry.at : now;
    return put(ledger, &entry, &fresh);
}

static bool read_lines(struct trust_ledger *ledger, const char *path)
{
    struct arena arena = {.limit = 1 << 20};
    size_t length = 0, bad = 0;
    char *text = read_whole(ledger->fd, &length);
    if (!text)
        return false;
    for (struct str rest = {text, length}; rest.n > 0;) {
        struct str line = str_head(rest, str_find(rest, '\n'));
        rest = str_skip(rest, line.n + 1);
        bad += line.n > 0 && !take_line(ledger, line, &arena);
        arena_reset(&arena);
    }
    arena_free(&arena);
    free(text);
    if (bad > 0)
        log_warn("--trust-cache %s: %zu lines are no lines of it, and are left out; what they held "
                 "is verified again",
                 path, bad);
    return true;
}

static bool open_file(struct trust_ledger *ledger, const char *path, uid_t uid, struct err *err)
{
    struct stat st;
    ledger->fd = open(
        path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, 0600);
    if (ledger->fd < 0)
        return err_set(err, 0, 0, "cannot open --trust-cache %s: %s%s", path, strerror(errno),
                       errno == ENOENT  ? " (its folder must exist)"
                       : errno == ELOOP ? " (it must not be a link)"
                                        : "");
    if (fstat(ledger->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(err, 0, 0, "--trust-cache %s is not a file", path);
    if (!file_private_enough(path, uid, err))
        return false;
    if (flock(ledger->fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, 0, 0,
                       "--trust-cache %s is in use by another process: give each sockwarden a "
                       "file of its own",
                       path);
    if (!read_lines(ledger, path) || !rewrite(ledger) || fdatasync(ledger->fd) != 0)
        return err_set(err, 0, 0, "cannot read and write --trust-cache %s: %s", path,
                       strerror(errno));
    return true;
}

struct trust_ledger *trust_ledger_open(const char *path, unsigned ttl, uid_t uid, struct err *err)
{
    struct trust_ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger) {
        err_set(err, 0, 0, "out of memory");
        return NULL;
    }
    ledger->fd = -1;
    ledger->ttl = ttl;
    pthread_mutex_init(&ledger->lock, NULL);
    if (!path || open_file(ledger, path, uid, err))
        return ledger;
    trust_ledger_close(ledger);
    return NULL;
}

void trust_ledger_close(struct trust_ledger *ledger)
{
    if (!ledger)
        return;
    if (ledger->fd >= 0)
        close(ledger->fd);
    for (size_t i = 0; i < ledger->count; i++)
        free((void *)(uintptr_t)ledger->rows[i].repo.p);
    free(ledger->rows);
    free(ledger->id_tags);
    free(ledger->digest_tags);
    pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}
