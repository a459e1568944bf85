/* The audit sink and a turn's batch of lines; see audit.h. What a line holds is exchange.c's. */
#include "audit.h"

#include "log.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 5000 };

struct output {
    int fd;
    bool regular; /* a half line can be cut off again */
    bool polls;   /* poll() tells whether it has room: a pipe, a socket, a terminal */
    bool failing; /* the failure has been logged */
    int error;    /* errno of that */
    char *rest;   /* end of a line that a pipe took only in part; goes before the next; owned */
    size_t rest_length;
    char name[256];
};

struct audit_sink {
    pthread_mutex_t lock;
    struct output outputs[AUDIT_TARGETS_MAX];
    size_t count;
    atomic_bool failing; /* the last lines are not in all outputs */
};

static bool output_open(struct output *output, const char *target, struct err *err)
{
    text_shorten(output->name, sizeof(output->name), str_of(target));
    output->fd = strcmp(target, "-") == 0
                     ? STDOUT_FILENO
                     : open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (output->fd < 0)
        return err_set(err, 0, 0, "cannot open the audit log %s: %s%s", output->name,
                       strerror(errno), errno == ENOENT ? " (its folder must exist)" : "");
    struct stat st;
    bool known = fstat(output->fd, &st) == 0;
    output->regular = known && S_ISREG(st.st_mode);
    output->polls = known && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(output->fd));
    return true;
}

struct audit_sink *audit_open(const char *const *targets, size_t count, struct err *err)
{
    struct audit_sink *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        err_set(err, 0, 0, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&sink->lock, NULL);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(targets[i], "none") == 0)
            continue;
        if (sink->count == AUDIT_TARGETS_MAX ||
            !output_open(&sink->outputs[sink->count], targets[i], err)) {
            err_set(err, 0, 0, "more than %d audit logs", AUDIT_TARGETS_MAX);
            audit_close(sink);
            return NULL;
        }
        sink->count++;
    }
    return sink;
}

void audit_close(struct audit_sink *sink)
{
    if (!sink)
        return;
    for (size_t i = 0; i < sink->count; i++) {
        if (sink->outputs[i].fd > STDERR_FILENO)
            close(sink->outputs[i].fd);
        free(sink->outputs[i].rest);
    }
    pthread_mutex_destroy(&sink->lock);
    free(sink);
}

void audit_give(struct audit_sink *sink, uid_t uid, gid_t gid)
{
    struct stat st;
    for (size_t i = 0; i < sink->count; i++) {
        const struct output *output = &sink->outputs[i];
        if (output->fd > STDERR_FILENO && output->regular && fstat(output->fd, &st) == 0 &&
            st.st_uid == 0 && st.st_nlink == 1 && fchown(output->fd, uid, gid) != 0)
            log_warn("cannot give the audit log %s to uid %u: %s", output->name, (unsigned)uid,
                     strerror(errno));
    }
}

/* A request does not go on before its line is written, so a full pipe or terminal is waited for;
   one that nobody reads for WAIT_MS counts as broken, and is not waited for until it takes lines
   again. */
static bool has_room(const struct output *output)
{
    struct pollfd poll_fd = {.fd = output->fd, .events = POLLOUT};
    uint64_t now = clock_now_ms(), until = now + (output->failing ? 0 : WAIT_MS);
    if (output->regular)
        return true;
    for (;; now = clock_now_ms()) {
        int ready = poll(&poll_fd, 1, now < until ? (int)(until - now) : 0);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR) {
            errno = ready == 0 ? EAGAIN : errno;
            return false;
        }
    }
}

static bool write_all(const struct output *output, struct str bytes, size_t *done)
{
    *done = 0;
    while (*done < bytes.n) {
        /* A pipe that has room takes this much without blocking. */
        struct str piece = str_skip(bytes, *done);
        piece = output->regular ? piece : str_head(piece, PIPE_BUF);
        if (!has_room(output))
            return false;
        ssize_t n = write(output->fd, piece.p, piece.n);
        if (n > 0)
            *done += (size_t)n;
        else if (n == 0 || (errno != EINTR && errno != EAGAIN))
            return false;
    }
    return true;
}

/* Half a line is in the sink: cut off again in a file, and kept in mind for a pipe. done: bytes
   that were written. */
static void mend_half_line(struct output *output, struct str lines, size_t done)
{
    size_t newline = str_rfind(str_head(lines, done), '\n');
    size_t torn = newline == done ? done : done - newline - 1;
    struct stat st;
    if (torn == 0)
        return;
    if (output->regular && fstat(output->fd, &st) == 0 && st.st_size >= (off_t)torn &&
        ftruncate(output->fd, st.st_size - (off_t)torn) == 0)
        return;
    struct str rest = str_skip(lines, done);
    rest = str_head(rest, str_find(rest, '\n') + 1);
    if (rest.n == 0)
        return;
    output->rest = malloc(rest.n);
    output->rest_length = output->rest ? rest.n : 0;
    if (output->rest)
        memcpy(output->rest, rest.p, rest.n);
    else
        log_error("the audit log %s may hold half a line", output->name);
}

/* What a pipe did not take of the last line. */
static bool write_rest(struct output *output)
{
    size_t done;
    struct str rest = {output->rest, output->rest_length};
    bool ok = write_all(output, rest, &done);
    output->rest_length -= done;
    if (output->rest_length > 0) {
        memmove(output->rest, output->rest + done, output->rest_length);
    } else {
        free(output->rest);
        output->rest = NULL;
    }
    return ok;
}

static bool output_write(struct output *output, struct str lines)
{
    size_t done = 0;
    bool ok = (!output->rest || write_rest(output)) && write_all(output, lines, &done);
    int error = errno;
    if (!ok && !output->rest)
        mend_half_line(output, lines, done);
    if (!ok && !output->failing)
        log_error("cannot write the audit log %s: %s", output->name,
                  error == EAGAIN ? "nobody reads it" : strerror(error));
    if (ok && output->failing)
        log_info("the audit log %s is written again", output->name);
    output->failing = !ok;
    output->error = ok ? 0 : error;
    return ok;
}

bool audit_write(struct audit_sink *sink, struct str lines)
{
    if (sink->count == 0 || lines.n == 0)
        return true;
    bool ok = true;
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < sink->count; i++)
        ok &= output_write(&sink->outputs[i], lines);
    atomic_store(&sink->failing, !ok);
    pthread_mutex_unlock(&sink->lock);
    return ok;
}

/* One that has failed may be mended although no line has been written since. A file gets room for
   its next line, without its size or its lines being touched; of a device only a line can tell. */
static bool output_can_write(const struct output *output)
{
    enum { ROOM = 4096 };
    struct pollfd poll_fd = {.fd = output->fd, .events = POLLOUT};
    struct stat st;
    if (!output->failing)
        return true;
    if (output->polls)
        return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLOUT;
    return output->regular && fstat(output->fd, &st) == 0 &&
           fallocate(output->fd, FALLOC_FL_KEEP_SIZE, st.st_size, ROOM) == 0;
}

bool audit_can_write(struct audit_sink *sink, char *why, size_t cap)
{
    bool ok = true;
    snprintf(why, cap, "it is being written");
    if (pthread_mutex_trylock(&sink->lock) != 0)
        return !atomic_load(&sink->failing);
    for (size_t i = 0; i < sink->count && ok; i++) {
        const struct output *output = &sink->outputs[i];
        ok = output_can_write(output);
        if (!ok)
            snprintf(why, cap, "%s: %s", output->name,
                     output->error == EAGAIN ? "nobody reads it" : strerror(output->error));
    }
    pthread_mutex_unlock(&sink->lock);
    return ok;
}

/* ---- opened again --------------------------------------------------------------------------- */

static bool is_replaced(const struct output *output)
{
    return output->regular && output->fd > STDERR_FILENO;
}

bool audit_has_files(const struct audit_sink *sink)
{
    bool any = false;
    for (size_t i = 0; i < sink->count; i++)
        any |= is_replaced(&sink->outputs[i]);
    return any;
}

/* A pipe that has come in the file's place would keep us waiting for its reader. */
static int open_again(const char *target, struct err *err)
{
    struct stat st;
    int fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd < 0) {
        err_set(err, 0, 0, "cannot open the audit log %s again: %s%s", target, strerror(errno),
                errno == EACCES ? "; let the user that sockwarden runs as write it, or make files "
                                  "in its folder"
                                : "");
    } else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(err, 0, 0, "the audit log %s is no file any more; move what is there away", target);
        close(fd);
        return -1;
    }
    return fd;
}

static bool open_all_again(const struct audit_sink *sink, const char *const *targets, size_t count,
                           int fds[AUDIT_TARGETS_MAX], struct err *err)
{
    bool ok = true;
    for (size_t i = 0, at = 0; i < count && at < sink->count; i++) {
        if (strcmp(targets[i], "none") == 0)
            continue;
        if (ok && is_replaced(&sink->outputs[at])) {
            fds[at] = open_again(targets[i], err);
            ok = fds[at] >= 0;
        }
        at++;
    }
    return ok;
}

/* With half a line that could not be cut off, its end belongs behind it, or nowhere: whoever wrote
   it was told that it failed. Returns the old file. */
static int replace(struct output *output, int fd)
{
    int old = output->fd;
    if (output->rest)
        write_rest(output);
    free(output->rest);
    output->rest = NULL;
    output->rest_length = 0;
    output->fd = fd;
    return old;
}

bool audit_reopen(struct audit_sink *sink, const char *const *targets, size_t count,
                  struct err *err)
{
    int fds[AUDIT_TARGETS_MAX];
    for (size_t i = 0; i < AUDIT_TARGETS_MAX; i++)
        fds[i] = -1;
    bool ok = open_all_again(sink, targets, count, fds, err);
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < sink->count && ok; i++)
        if (fds[i] >= 0)
            fds[i] = replace(&sink->outputs[i], fds[i]);
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
    *batch = (struct audit_batch){NULL, 0, 0, false};
}
