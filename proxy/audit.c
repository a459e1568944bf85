/* The audit sink and a turn's batch of lines; see audit.h. What a line holds is record.c's. */
#include "audit.h"

#include "audit_output.h"
#include "json.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each target has a chain of its own: one that has failed for a while is whole all the same, and
   says what it lacks. */
struct target {
    struct audit_output output;
    char last[AUDIT_HASH_LEN]; /* hash of its last line */
    bool resumed;              /* that was read from a file at start */
    uint64_t lost;             /* lines that it lacks since then */
    int lost_error;            /* errno of the first of them */
    uint64_t torn;             /* bytes of half a line that it ended in at start */
    char torn_hash[AUDIT_HASH_LEN];
};

struct audit_sink {
    pthread_mutex_t lock;
    struct target targets[AUDIT_TARGETS_MAX];
    size_t count;
    struct audit_hasher hasher;
    struct audit_text text;            /* the lines as they are written */
    struct str text_of;                /* what is in text: these lines, p NULL: nothing, */
    char text_last[AUDIT_HASH_LEN];    /* behind this hash */
    atomic_bool failing;               /* the last lines are not in all targets */
    _Atomic uint64_t written, lacking; /* lines, as audit_counts has them */
};

/* ---- opening ------------------------------------------------------------------------------- */

/* Does a target of this name take no lines at all? */
static bool is_none(const char *name)
{
    return strcmp(name, "none") == 0;
}

bool audit_target_is_file(const char *name)
{
    enum audit_protocol protocol;
    const char *path;
    return strcmp(name, "-") != 0 && !is_none(name) && !audit_socket_named(name, &protocol, &path);
}

/* Goes on with the chain of the lines that are there. */
static bool resume(struct audit_sink *sink, struct target *target, struct err *err)
{
    struct audit_output *output = &target->output;
    struct audit_end end;
    if (!audit_output_read_end(output, &sink->hasher, &end, err))
        return false;
    memcpy(target->last, end.last, sizeof(target->last));
    target->resumed = end.kind == AUDIT_END_LINK;
    if (!output->path)
        return true;
    output->unended = end.unended;
    target->torn = end.torn;
    memcpy(target->torn_hash, end.torn_hash, sizeof(target->torn_hash));
    if (end.torn)
        log_warn(
            "the audit log %s ends in half a line of %llu bytes, as after a crash; it is kept, "
            "and the next line says so",
            output->name, (unsigned long long)end.torn);
    if (end.edited)
        log_error("the last line of the audit log %s was changed: its hash does not hold; "
                  "`sockwarden audit verify` tells more",
                  output->name);
    if (end.kind == AUDIT_END_UNKNOWN)
        log_warn(
            "the last line of the audit log %s has no hash, so its chain begins anew: move the "
            "file away and reload, if the old lines matter",
            output->name);
    return true;
}

static bool open_target(struct audit_sink *sink, const char *name, struct err *err)
{
    struct target *target = &sink->targets[sink->count];
    if (sink->count == AUDIT_TARGETS_MAX)
        return err_set(err, 0, 0, "more than %d audit logs", AUDIT_TARGETS_MAX);
    if (!audit_output_open(&target->output, name, err))
        return false;
    sink->count++;
    for (size_t i = 0; i + 1 < sink->count; i++)
        if (audit_output_same_file(&sink->targets[i].output, &target->output))
            return err_set(err, 0, 0, "--audit-log %s and %s are one file: name it once",
                           sink->targets[i].output.name, target->output.name);
    return resume(sink, target, err);
}

/* What cannot be read back goes on with the first file that can: both then hold the same lines with
   the same hashes, so that one vouches for the other. */
static void share_chain(struct audit_sink *sink)
{
    size_t first = 0;
    while (first < sink->count && !sink->targets[first].resumed)
        first++;
    for (size_t i = 0; i < sink->count && first < sink->count; i++)
        if (!sink->targets[i].output.regular)
            memcpy(sink->targets[i].last, sink->targets[first].last, AUDIT_HASH_LEN);
}

struct audit_sink *audit_open(const char *const *targets, size_t count, struct err *err)
{
    struct audit_sink *sink = calloc(1, sizeof(*sink));
    if (!sink || !audit_hasher_open(&sink->hasher)) {
        err_set(err, 0, 0, "out of memory");
        free(sink);
        return NULL;
    }
    pthread_mutex_init(&sink->lock, NULL);
    for (size_t i = 0; i < count; i++)
        if (!is_none(targets[i]) && !open_target(sink, targets[i], err)) {
            audit_close(sink);
            return NULL;
        }
    share_chain(sink);
    return sink;
}

bool audit_target_is_regular(const struct audit_sink *sink, const char *name)
{
    for (size_t i = 0; i < sink->count; i++) {
        const struct audit_output *output = &sink->targets[i].output;
        if (output->path && strcmp(output->path, name) == 0)
            return output->regular;
    }
    return false;
}

void audit_give(struct audit_sink *sink, uid_t uid, gid_t gid)
{
    struct stat st;
    for (size_t i = 0; i < sink->count; i++) {
        const struct audit_output *output = &sink->targets[i].output;
        if (audit_output_is_replaced(output) && fstat(output->fd, &st) == 0 && st.st_uid == 0 &&
            st.st_nlink == 1 && fchown(output->fd, uid, gid) != 0)
            log_warn("cannot give the audit log %s to uid %u: %s", output->name, (unsigned)uid,
                     strerror(errno));
    }
}

/* ---- writing ------------------------------------------------------------------------------- */

static uint64_t count_lines(struct str lines)
{
    uint64_t count = 0;
    for (; lines.n > 0; count++)
        lines = str_skip(lines, str_find(lines, '\n') + 1);
    return count;
}

/* Targets whose chains are at the same place, as a rule all, share the work. */
static bool chain(struct audit_sink *sink, const struct target *target, struct str lines)
{
    if (sink->text_of.p == lines.p && sink->text_of.n == lines.n &&
        memcmp(sink->text_last, target->last, AUDIT_HASH_LEN) == 0)
        return true;
    sink->text.len = 0;
    sink->text_of = (struct str){NULL, 0};
    if (!audit_chain_lines(&sink->hasher, target->last, lines, &sink->text)) {
        errno = ENOMEM;
        return false;
    }
    sink->text_of = lines;
    memcpy(sink->text_last, target->last, AUDIT_HASH_LEN);
    return true;
}

/* left: lines that are not in it. */
static bool put(struct audit_sink *sink, struct target *target, struct str lines, uint64_t *left)
{
    size_t done = 0;
    bool ok = chain(sink, target, lines);
    struct str text = {sink->text.p, ok ? sink->text.len : 0};
    ok = ok && audit_output_write(&target->output, text, &done);
    int error = errno;
    if (done > 0)
        memcpy(target->last, text.p + done - AUDIT_HASH_FROM_END, AUDIT_HASH_LEN);
    *left = ok ? 0 : count_lines(text.n ? str_skip(text, done) : lines);
    errno = error;
    return ok;
}

static void begin_note(struct json_out *out, const char *record)
{
    char when[TIME_TEXT_LEN + 1];
    time_text(when);
    json_out_open(out, '{');
    json_out_member(out, "time", str_of(when));
    json_out_member(out, "record", str_of(record));
}

static bool put_note(struct audit_sink *sink, struct target *target, struct json_out *out)
{
    uint64_t left;
    json_out_close(out, '}');
    json_out_raw(out, STR("\n"));
    sink->text_of = (struct str){NULL, 0}; /* the note is on the stack */
    bool ok = put(sink, target, (struct str){out->p, out->len}, &left);
    sink->text_of = (struct str){NULL, 0};
    return ok || left == 0; /* a pipe that took half of it takes the rest first */
}

/* Half a line that was found at start: its bytes are in the chain by this line. */
static bool note_torn(struct audit_sink *sink, struct target *target)
{
    char bytes[512];
    struct json_out out = {.p = bytes, .cap = sizeof(bytes)};
    begin_note(&out, "torn");
    json_out_key(&out, "bytes");
    json_out_uint(&out, target->torn);
    json_out_member(&out, "sha256", (struct str){target->torn_hash, AUDIT_HASH_LEN});
    if (!put_note(sink, target, &out))
        return false;
    target->torn = 0;
    return true;
}

/* Lines that could not be written are gone; that they are is not. */
static bool note_lost(struct audit_sink *sink, struct target *target)
{
    char bytes[512];
    struct json_out out = {.p = bytes, .cap = sizeof(bytes)};
    begin_note(&out, "lost");
    json_out_key(&out, "lines");
    json_out_uint(&out, target->lost);
    json_out_member(&out, "reason", str_of(audit_output_why(target->lost_error)));
    if (!put_note(sink, target, &out))
        return false;
    target->lost = 0;
    return true;
}

static void target_lose(struct target *target, uint64_t lines, int error)
{
    if (lines > 0 && target->lost == 0)
        target->lost_error = error;
    target->lost += lines;
}

/* lacking grows to the lines that are not in it. */
static bool target_write(struct audit_sink *sink, struct target *target, struct str lines,
                         uint64_t *lacking)
{
    struct audit_output *output = &target->output;
    uint64_t left = 0;
    bool ready = audit_output_look(output) && (!target->torn || note_torn(sink, target)) &&
                 (!target->lost || note_lost(sink, target));
    bool ok = ready && put(sink, target, lines, &left);
    int error = ok ? 0 : errno ? errno : EIO;
    audit_output_tell(output, error);
    if (!ready)
        left = count_lines(lines);
    target_lose(target, left, error);
    *lacking = left > *lacking ? left : *lacking;
    return ok;
}

static bool write_to_all(struct audit_sink *sink, struct str lines, uint64_t *lacking)
{
    bool ok = true;
    pthread_mutex_lock(&sink->lock);
    sink->text_of = (struct str){NULL, 0};
    for (size_t i = 0; i < sink->count; i++)
        ok &= target_write(sink, &sink->targets[i], lines, lacking);
    atomic_fetch_add(&sink->lacking, *lacking);
    atomic_store(&sink->failing, !ok);
    pthread_mutex_unlock(&sink->lock);
    return ok;
}

/* What a target takes is the beginning of the lines, so the one that lacks most lacks all that any
   of them does. */
bool audit_write(struct audit_sink *sink, struct str lines)
{
    uint64_t lacking = 0;
    bool ok = sink->count == 0 || lines.n == 0 || write_to_all(sink, lines, &lacking);
    atomic_fetch_add(&sink->written, count_lines(lines) - lacking);
    return ok;
}

void audit_lose(struct audit_sink *sink, uint64_t lines)
{
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < sink->count; i++)
        target_lose(&sink->targets[i], lines, ENOMEM);
    atomic_fetch_add(&sink->lacking, lines);
    pthread_mutex_unlock(&sink->lock);
}

struct audit_counts audit_counts_read(const struct audit_sink *sink)
{
    return (struct audit_counts){atomic_load(&sink->written), atomic_load(&sink->lacking)};
}

bool audit_can_write(struct audit_sink *sink, char *why, size_t cap)
{
    bool ok = true;
    snprintf(why, cap, "it is being written");
    if (pthread_mutex_trylock(&sink->lock) != 0)
        return !atomic_load(&sink->failing);
    for (size_t i = 0; i < sink->count && ok; i++) {
        struct audit_output *output = &sink->targets[i].output;
        ok = audit_output_can_write(output);
        if (!ok)
            snprintf(why, cap, "%s: %s", output->name, audit_output_why(output->error));
    }
    pthread_mutex_unlock(&sink->lock);
    return ok;
}

/* ---- closing ------------------------------------------------------------------------------- */

void audit_close(struct audit_sink *sink)
{
    if (!sink)
        return;
    for (size_t i = 0; i < sink->count; i++) {
        struct target *target = &sink->targets[i];
        if (target->lost && audit_output_look(&target->output))
            note_lost(sink, target); /* the last occasion */
        audit_output_close(&target->output);
    }
    audit_hasher_close(&sink->hasher);
    free(sink->text.p);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
}

/* ---- opened again --------------------------------------------------------------------------- */

bool audit_has_files(const struct audit_sink *sink)
{
    bool any = false;
    for (size_t i = 0; i < sink->count; i++)
        any |= audit_output_is_replaced(&sink->targets[i].output);
    return any;
}

static bool open_all_again(const struct audit_sink *sink, int fds[AUDIT_TARGETS_MAX],
                           struct err *err)
{
    for (size_t i = 0; i < sink->count; i++) {
        const struct audit_output *output = &sink->targets[i].output;
        if (!audit_output_is_replaced(output))
            continue;
        fds[i] = audit_output_open_again(output, err);
        if (fds[i] < 0)
            return false;
    }
    return true;
}

/* Whoever listens at a socket's path now gets the lines; if nobody does, the next line will tell.
 */
static int take_again(struct audit_sink *sink, struct target *target, int fd)
{
    struct audit_output *output = &target->output;
    if (fd >= 0 && target->torn)
        note_torn(sink, target); /* it belongs into the old file, if anywhere */
    target->torn = fd >= 0 ? 0 : target->torn;
    if (fd >= 0)
        return audit_output_replace(output, fd);
    if (output->is_socket)
        audit_socket_connect(&output->socket, output->fd);
    return -1;
}

bool audit_reopen(struct audit_sink *sink, struct err *err)
{
    int fds[AUDIT_TARGETS_MAX];
    for (size_t i = 0; i < AUDIT_TARGETS_MAX; i++)
        fds[i] = -1;
    bool ok = open_all_again(sink, fds, err);
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < sink->count && ok; i++)
        fds[i] = take_again(sink, &sink->targets[i], fds[i]);
    pthread_mutex_unlock(&sink->lock);
    for (size_t i = 0; i < sink->count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return ok;
}

/* ---- the batch ------------------------------------------------------------------------------ */

char *audit_reserve(struct audit_batch *batch, size_t want)
{
    if (batch->cap - batch->len < want) {
        size_t cap = batch->cap ? batch->cap : 16384;
        while (cap - batch->len < want)
            cap *= 2;
        char *p = realloc(batch->p, cap);
        if (!p) {
            batch->failed = true;
            batch->lost++;
            return NULL;
        }
        batch->p = p;
        batch->cap = cap;
    }
    return batch->p + batch->len;
}

void audit_commit(struct audit_batch *batch, size_t length)
{
    batch->len += length;
}

void audit_batch_free(struct audit_batch *batch)
{
    free(batch->p);
    *batch = (struct audit_batch){.p = NULL};
}
