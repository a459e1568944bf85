/* The audit sink and a turn's batch of lines; see audit.h. What a line holds is exchange.c's. */
#include "audit.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
    int fd;
    bool regular; /* a half line can be cut off again */
    bool failing; /* the failure has been logged */
    char name[256];
};

struct audit_sink {
    pthread_mutex_t lock;
    struct output outputs[AUDIT_TARGETS_MAX];
    size_t count;
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
    output->regular = fstat(output->fd, &st) == 0 && S_ISREG(st.st_mode);
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
    for (size_t i = 0; i < sink->count; i++)
        if (sink->outputs[i].fd > STDERR_FILENO)
            close(sink->outputs[i].fd);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
}

/* Waits where the sink is a full pipe or a non-blocking terminal: a request does not go on before
   its line is written. */
static bool write_all(int fd, struct str bytes, size_t *done)
{
    while (*done < bytes.n) {
        ssize_t n = write(fd, bytes.p + *done, bytes.n - *done);
        if (n > 0) {
            *done += (size_t)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
            poll(&poll_fd, 1, -1);
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Takes the half line at the end of a file away again. done: bytes that were written. */
static void cut_half_line(struct output *output, struct str lines, size_t done)
{
    size_t newline = str_rfind(str_head(lines, done), '\n');
    size_t whole = newline == done ? 0 : newline + 1;
    off_t torn = (off_t)(done - whole);
    struct stat st;
    if (torn == 0 || !output->regular)
        return;
    if (fstat(output->fd, &st) != 0 || st.st_size < torn ||
        ftruncate(output->fd, st.st_size - torn) != 0)
        log_error("the audit log %s may end in half a line: %s", output->name, strerror(errno));
}

static bool output_write(struct output *output, struct str lines)
{
    size_t done = 0;
    bool ok = write_all(output->fd, lines, &done);
    int error = errno;
    if (!ok)
        cut_half_line(output, lines, done);
    if (!ok && !output->failing)
        log_error("cannot write the audit log %s: %s", output->name, strerror(error));
    if (ok && output->failing)
        log_info("the audit log %s is written again", output->name);
    output->failing = !ok;
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
    pthread_mutex_unlock(&sink->lock);
    return ok;
}

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
