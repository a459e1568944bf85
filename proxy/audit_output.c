/* One target of the audit log; see audit_output.h. */
#include "audit_output.h"

#include "json.h"
#include "log.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WAIT_MS = 5000,       /* for room in a pipe */
    SOCKET_WAIT_MS = 100, /* for room in the queue of a socket */
};

static const int file_flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;

/* ---- opening ------------------------------------------------------------------------------- */

bool audit_output_open(struct audit_output *output, const char *path, struct err *err)
{
    enum audit_protocol protocol;
    const char *place;
    struct stat st;
    *output = (struct audit_output){.fd = -1};
    text_shorten(output->name, sizeof(output->name), str_of(path));
    if (audit_socket_named(path, &protocol, &place)) {
        output->is_socket = true;
        output->fd = audit_socket_open(&output->socket, protocol, place, err);
        return output->fd >= 0;
    }
    bool standard = strcmp(path, "-") == 0;
    output->fd = standard ? STDOUT_FILENO : open(path, file_flags, 0600);
    if (output->fd < 0)
        return err_set(err, 0, 0, "cannot open the audit log %s: %s%s", output->name,
                       strerror(errno), errno == ENOENT ? " (its folder must exist)" : "");
    bool known = fstat(output->fd, &st) == 0;
    output->regular = known && S_ISREG(st.st_mode);
    output->polls = known && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(output->fd));
    output->size = output->regular ? st.st_size : 0;
    output->path = standard ? NULL : path;
    return true;
}

void audit_output_close(struct audit_output *output)
{
    if (output->fd > STDERR_FILENO)
        close(output->fd);
    if (output->is_socket)
        audit_socket_free(&output->socket);
    free(output->rest);
    output->rest = NULL;
    output->fd = -1;
}

bool audit_output_read_end(struct audit_output *output, struct audit_hasher *hasher,
                           struct audit_end *end, struct err *err)
{
    struct stat st, own;
    struct err inner = {.set = false};
    *end = (struct audit_end){.kind = AUDIT_END_EMPTY};
    audit_hash_zero(end->last);
    if (!output->regular || output->size == 0)
        return true;
    int fd = open(output->path ? output->path : "/proc/self/fd/1",
                  O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool same = fd >= 0 && fstat(fd, &st) == 0 && fstat(output->fd, &own) == 0 &&
                st.st_dev == own.st_dev && st.st_ino == own.st_ino;
    bool ok = same
                  ? audit_end_read(hasher, fd, own.st_size, end, &inner)
                  : err_set(&inner, 0, 0, "its last line cannot be read: %s; let this user read it",
                            strerror(errno));
    if (fd >= 0)
        close(fd);
    if (ok)
        return true;
    /* What standard output leads to may be anybody's. */
    return !output->path || err_set(err, 0, 0, "the audit log %s: %s", output->name, inner.text);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* A request does not go on before its line is written, so a full pipe or terminal is waited for;
   one that nobody reads for WAIT_MS counts as broken, and is not waited for until it takes lines
   again. */
static bool has_room(const struct audit_output *output)
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

static bool write_all(struct audit_output *output, struct str bytes, size_t *done)
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
            return errno = n == 0 ? EIO : errno, false;
    }
    return true;
}

/* Cuts half a line off a file again. */
static bool cut(const struct audit_output *output, size_t torn)
{
    struct stat st;
    return output->regular && fstat(output->fd, &st) == 0 && st.st_size >= (off_t)torn &&
           ftruncate(output->fd, st.st_size - (off_t)torn) == 0;
}

/* Half a line is in it: cut off again in a file, and kept in mind for a pipe. Returns the bytes of
   the whole lines that are in it, or will be. */
static size_t mend_half_line(struct audit_output *output, struct str lines, size_t written)
{
    size_t newline = str_rfind(str_head(lines, written), '\n');
    size_t whole = newline == written ? 0 : newline + 1;
    if (whole == written || cut(output, written - whole)) {
        output->size += (off_t)whole;
        return whole;
    }
    struct str rest = str_skip(lines, written);
    rest = str_head(rest, str_find(rest, '\n') + 1);
    output->size += (off_t)written;
    if (rest.n == 0)
        return whole;
    output->rest = malloc(rest.n);
    if (!output->rest) {
        log_error("the audit log %s holds half a line", output->name);
        output->unended = true;
        return whole;
    }
    output->rest_length = rest.n;
    memcpy(output->rest, rest.p, rest.n);
    return written + rest.n;
}

/* What a pipe did not take of the last line. */
static bool write_rest(struct audit_output *output)
{
    size_t done;
    struct str rest = {output->rest, output->rest_length};
    bool ok = write_all(output, rest, &done);
    output->size += (off_t)done;
    output->rest_length -= done;
    if (output->rest_length > 0) {
        memmove(output->rest, output->rest + done, output->rest_length);
    } else {
        free(output->rest);
        output->rest = NULL;
    }
    return ok;
}

static bool write_line_end(struct audit_output *output)
{
    size_t done;
    output->unended = !write_all(output, STR("\n"), &done);
    output->size += (off_t)done;
    return !output->unended;
}

bool audit_output_write(struct audit_output *output, struct str lines, size_t *done)
{
    *done = 0;
    if (output->is_socket)
        return audit_socket_send(&output->socket, output->fd, lines,
                                 output->failing ? 0 : SOCKET_WAIT_MS, done);
    if ((output->rest && !write_rest(output)) || (output->unended && !write_line_end(output)))
        return false;
    size_t written;
    bool ok = write_all(output, lines, &written);
    int error = errno;
    if (ok)
        output->size += (off_t)written;
    *done = ok ? written : mend_half_line(output, lines, written);
    errno = error;
    return ok;
}

/* ---- what happens to a file meanwhile ------------------------------------------------------ */

/* A pipe that has come in the file's place would keep us waiting for its reader. */
int audit_output_open_again(const struct audit_output *output, struct err *err)
{
    struct stat st;
    int fd = open(output->path, file_flags | O_NONBLOCK, 0600);
    if (fd < 0) {
        int error = errno;
        err_set(err, 0, 0, "cannot open the audit log %s again: %s%s", output->name,
                strerror(error),
                error == EACCES ? "; let the user that sockwarden runs as write it, or make files "
                                  "in its folder"
                                : "");
        errno = error;
    } else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(err, 0, 0, "the audit log %s is no file any more; move what is there away",
                output->name);
        close(fd);
        errno = ESTALE;
        return -1;
    }
    return fd;
}

/* Lines that only the removed file held are gone; those that follow are not. */
static bool make_again(struct audit_output *output)
{
    struct err err = {.set = false};
    int fd = audit_output_open_again(output, &err);
    if (fd < 0) {
        if (!output->failing)
            log_error("%s", err.text);
        return false;
    }
    log_error(
        "the audit log %s was removed, and the lines in it with it; it is made again, and the "
        "chain goes on from them",
        output->name);
    close(audit_output_replace(output, fd));
    return true;
}

/* A name such as /dev/stderr leads to the file even when it is removed. */
static bool still_leads_there(const struct audit_output *output, const struct stat *own)
{
    struct stat st;
    return stat(output->path, &st) == 0 && st.st_dev == own->st_dev && st.st_ino == own->st_ino;
}

bool audit_output_look(struct audit_output *output)
{
    struct stat st;
    if (!output->regular || fstat(output->fd, &st) != 0)
        return true;
    if (st.st_nlink == 0 && output->path && !still_leads_there(output, &st))
        return make_again(output);
    if (st.st_size < output->size) {
        log_error("the audit log %s was cut by somebody from %lld to %lld bytes; what was written "
                  "since it was copied is lost, and `sockwarden audit verify` names the break: "
                  "rotate it by renaming and HUP, without copytruncate",
                  output->name, (long long)output->size, (long long)st.st_size);
        output->unended = st.st_size > 0;
    } else if (st.st_size > output->size && output->path && !output->foreign) {
        log_error("somebody else writes the audit log %s, too, which breaks its chain: give each "
                  "proxy a file of its own",
                  output->name);
        output->foreign = true;
    }
    output->size = st.st_size;
    return true;
}

bool audit_output_same_file(const struct audit_output *a, const struct audit_output *b)
{
    struct stat first, second;
    return a->regular && b->regular && fstat(a->fd, &first) == 0 && fstat(b->fd, &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool audit_output_is_replaced(const struct audit_output *output)
{
    return output->regular && output->path;
}

/* With half a line that could not be cut off, its end belongs behind it, or nowhere: whoever wrote
   it was told that it failed. */
int audit_output_replace(struct audit_output *output, int fd)
{
    struct stat st, before;
    int old = output->fd;
    if (output->rest)
        write_rest(output);
    free(output->rest);
    output->rest = NULL;
    output->rest_length = 0;
    bool known = fstat(fd, &st) == 0;
    bool same = known && fstat(old, &before) == 0 && before.st_dev == st.st_dev &&
                before.st_ino == st.st_ino;
    output->fd = fd;
    if (same)
        return old;
    output->unended = false;
    output->foreign = false;
    output->size = known ? st.st_size : 0;
    if (output->size > 0)
        log_warn("the audit log %s holds lines already; the chain continues that of the file "
                 "before, so `sockwarden audit verify` names a break behind them",
                 output->name);
    return old;
}

/* ---- telling ------------------------------------------------------------------------------- */

const char *audit_output_why(int error)
{
    return error == EAGAIN     ? "nobody reads it"
           : error == EMSGSIZE ? "a line is longer than its socket takes; raise net.core.wmem_max"
                               : strerror(error);
}

static const char *remedy(int error)
{
    return error == ENOSPC || error == EDQUOT ? "make room; it goes on by itself"
           : error == EFBIG                   ? "rotate it, or raise the limit (ulimit -f)"
           : error == EAGAIN                  ? "read it, or log elsewhere (--audit-log)"
                                              : "once that is mended it goes on by itself";
}

/* Where some lines find room and others do not, both come with every request. */
void audit_output_tell(struct audit_output *output, int error)
{
    if (error && !output->failing)
        log_seldom(&output->said_failing, LOG_LEVEL_ERROR, "cannot write the audit log %s: %s; %s",
                   output->name, audit_output_why(error), remedy(error));
    if (!error && output->failing)
        log_seldom(&output->said_written, LOG_LEVEL_INFO, "the audit log %s is written again",
                   output->name);
    output->failing = error != 0;
    output->error = error;
}

enum { ROOM = 4096 }; /* bytes of a next line */

/* The limit of the process (ulimit -f), which fallocate() does not ask for. */
static bool is_below_limit(off_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           (rlim_t)size + ROOM <= limit.rlim_cur;
}

/* A file gets room for its next line, without its size or its lines being touched. */
static bool has_file_room(struct audit_output *output)
{
    struct stat st;
    return audit_output_look(output) && fstat(output->fd, &st) == 0 && is_below_limit(st.st_size) &&
           fallocate(output->fd, FALLOC_FL_KEEP_SIZE, st.st_size, ROOM) == 0;
}

/* One that has failed may be mended although no line has been written since; of a device only a
   line can tell. */
bool audit_output_can_write(struct audit_output *output)
{
    struct pollfd poll_fd = {.fd = output->fd, .events = POLLOUT};
    if (!output->failing)
        return true;
    if (output->is_socket && !audit_socket_connect(&output->socket, output->fd))
        return false;
    if (output->polls || output->is_socket)
        return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLOUT;
    return output->regular && has_file_room(output);
}
