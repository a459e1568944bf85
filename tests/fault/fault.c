/* A library to be preloaded (LD_PRELOAD) into the program under test: it counts the calls that can
   fail, and fails those that the test asks for by a page of memory that both share, the file named
   by FAULT_PAGE. A failed call does nothing, or, with errno 0, less than it was asked for.
   Where it pretends that a socket is full or empty, the descriptor's registration with epoll is
   renewed, since the kernel would report it again, too. It makes no system call of its own but
   that, so it lives inside the sandbox. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* The order is the page's, too: the test finds a call by its name. */
#define CALLS(row)                                                                             \
    row(alloc) row(recv) row(send) row(sendmsg) row(read) row(write) row(accept4) row(socket)  \
        row(connect) row(epoll_ctl) row(epoll_wait) row(open) row(openat) row(fstat) row(stat) \
            row(getsockopt) row(shutdown) row(poll) row(ftruncate) row(fallocate) row(fopen)   \
                row(readlink) row(getrandom) row(statx) row(statfs) row(splice) row(pipe2)

enum call {
#define ROW(name) CALL_##name,
    CALLS(ROW)
#undef ROW
        CALL_COUNT,
    CALL_MAX = 32
};

struct page {
    char names[CALL_MAX][16];
    _Atomic int32_t call;            /* which one fails; -1: none */
    _Atomic int32_t error;           /* errno; 0: it does less */
    _Atomic uint64_t at;             /* the first that fails, from 1 */
    _Atomic uint64_t times;          /* how many do, one after another */
    _Atomic uint64_t failed;         /* how many have */
    _Atomic uint64_t seen[CALL_MAX]; /* calls since the test has cleared this */
};

static struct page *page;

__attribute__((constructor)) static void open_page(void)
{
    static const char *const names[] = {
#define ROW(name) #name,
        CALLS(ROW)
#undef ROW
    };
    const char *path = getenv("FAULT_PAGE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return;
    struct page *shared = p;
    for (size_t i = 0; i < CALL_COUNT; i++)
        snprintf(shared->names[i], sizeof(shared->names[i]), "%s", names[i]);
    page = shared;
}

/* Is it this call that fails? Then errno is set; with 0 it is to do less. */
static bool fails(enum call call)
{
    if (!page)
        return false;
    uint64_t seen = atomic_fetch_add(&page->seen[call], 1) + 1;
    if (atomic_load(&page->call) != (int32_t)call)
        return false;
    uint64_t at = atomic_load(&page->at);
    if (seen < at || seen - at >= atomic_load(&page->times))
        return false;
    atomic_fetch_add(&page->failed, 1);
    errno = atomic_load(&page->error);
    return true;
}

/* As much as a call does that does less: a byte, or where all do, what still comes to an end. */
static size_t less(size_t n)
{
    size_t most = atomic_load(&page->times) > 1 ? 997 : 1;
    return n < most ? n : most;
}

/* The next definition of a name, looked up once. */
#define NEXT(result, name, ...)         \
    static result (*next)(__VA_ARGS__); \
    if (!next)                          \
    *(void **)&next = dlsym(RTLD_NEXT, name)

/* ---- what is watched ----------------------------------------------------------------------- */

enum { WATCHED_MAX = 4096 };

static struct {
    int epoll_fd; /* 0: not watched */
    struct epoll_event event;
} watched[WATCHED_MAX];

static int real_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    NEXT(int, "epoll_ctl", int, int, int, struct epoll_event *);
    return next(epoll_fd, op, fd, event);
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    if (op != EPOLL_CTL_DEL && fails(CALL_epoll_ctl))
        return -1;
    int result = real_epoll_ctl(epoll_fd, op, fd, event);
    if (result == 0 && fd >= 0 && fd < WATCHED_MAX) {
        watched[fd].epoll_fd = op == EPOLL_CTL_DEL ? 0 : epoll_fd;
        if (event)
            watched[fd].event = *event;
    }
    return result;
}

static void report_again(int fd)
{
    int error = errno;
    if (fd >= 0 && fd < WATCHED_MAX && watched[fd].epoll_fd)
        real_epoll_ctl(watched[fd].epoll_fd, EPOLL_CTL_MOD, fd, &watched[fd].event);
    errno = error;
}

static void break_connection(int fd)
{
    NEXT(int, "shutdown", int, int);
    int error = errno;
    next(fd, SHUT_RDWR);
    errno = error;
}

/* The call fails as errno says: with -1, or by doing less than it might. True: -1. What tells of a
   broken connection tells the truth. */
static bool fails_whole(int fd)
{
    if (errno == EAGAIN || errno == 0)
        report_again(fd);
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        break_connection(fd);
    return errno != 0;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout)
{
    NEXT(int, "epoll_wait", int, struct epoll_event *, int, int);
    return fails(CALL_epoll_wait) && errno ? -1 : next(epoll_fd, events, max, timeout);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    NEXT(int, "poll", struct pollfd *, nfds_t, int);
    return fails(CALL_poll) && errno ? -1 : next(fds, count, timeout);
}

/* ---- sockets ------------------------------------------------------------------------------- */

ssize_t recv(int fd, void *p, size_t n, int flags)
{
    NEXT(ssize_t, "recv", int, void *, size_t, int);
    if (!fails(CALL_recv))
        return next(fd, p, n, flags);
    if (fails_whole(fd))
        return -1;
    ssize_t got = next(fd, p, less(n), flags);
    report_again(fd);
    return got;
}

ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags);
ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags)
{
    if (n > room)
        abort();
    return recv(fd, p, n, flags);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    NEXT(ssize_t, "send", int, const void *, size_t, int);
    if (!fails(CALL_send))
        return next(fd, p, n, flags);
    return fails_whole(fd) ? -1 : next(fd, p, less(n), flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    NEXT(ssize_t, "sendmsg", int, const struct msghdr *, int);
    if (!fails(CALL_sendmsg))
        return next(fd, message, flags);
    if (fails_whole(fd))
        return -1;
    struct msghdr part = *message;
    struct iovec first = part.msg_iov[0];
    first.iov_len = less(first.iov_len);
    part.msg_iov = &first;
    part.msg_iovlen = 1;
    return next(fd, &part, flags);
}

/* One end is a socket, which is watched, the other a pipe. */
ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags)
{
    NEXT(ssize_t, "splice", int, off64_t *, int, off64_t *, size_t, unsigned);
    if (!fails(CALL_splice))
        return next(from, from_at, to, to_at, n, flags);
    int fd = from < WATCHED_MAX && watched[from].epoll_fd ? from : to;
    if (fails_whole(fd))
        return -1;
    ssize_t moved = next(from, from_at, to, to_at, less(n), flags);
    report_again(fd);
    return moved;
}

int pipe2(int fds[2], int flags)
{
    NEXT(int, "pipe2", int *, int);
    return fails(CALL_pipe2) && errno ? -1 : next(fds, flags);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    NEXT(int, "accept4", int, struct sockaddr *, socklen_t *, int);
    return fails(CALL_accept4) && errno ? -1 : next(fd, address, length, flags);
}

int socket(int family, int type, int protocol)
{
    NEXT(int, "socket", int, int, int);
    return fails(CALL_socket) && errno ? -1 : next(family, type, protocol);
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    NEXT(int, "connect", int, const struct sockaddr *, socklen_t);
    return fails(CALL_connect) && errno ? -1 : next(fd, address, length);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    NEXT(int, "getsockopt", int, int, int, void *, socklen_t *);
    return fails(CALL_getsockopt) && errno ? -1 : next(fd, level, name, value, length);
}

int shutdown(int fd, int how)
{
    NEXT(int, "shutdown", int, int);
    return fails(CALL_shutdown) && fails_whole(fd) ? -1 : next(fd, how);
}

/* ---- files --------------------------------------------------------------------------------- */

static int real_fstat(int fd, struct stat *out)
{
    NEXT(int, "fstat", int, struct stat *);
    return next(fd, out);
}

/* The pipes and counters by which loops are woken cannot fail: only files do. */
static bool is_file(int fd)
{
    struct stat st;
    return real_fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

ssize_t read(int fd, void *p, size_t n)
{
    NEXT(ssize_t, "read", int, void *, size_t);
    if (!is_file(fd) || !fails(CALL_read))
        return next(fd, p, n);
    return errno ? -1 : next(fd, p, less(n));
}

ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room)
{
    NEXT(ssize_t, "pread", int, void *, size_t, off_t);
    if (n > room)
        abort();
    if (!fails(CALL_read))
        return next(fd, p, n, at);
    return errno ? -1 : next(fd, p, less(n), at);
}

ssize_t write(int fd, const void *p, size_t n)
{
    NEXT(ssize_t, "write", int, const void *, size_t);
    if (!is_file(fd) || fd == STDERR_FILENO || !fails(CALL_write))
        return next(fd, p, n);
    return errno ? -1 : next(fd, p, less(n));
}

int open(const char *path, int flags, ...)
{
    NEXT(int, "open", const char *, int, ...);
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return fails(CALL_open) && errno ? -1 : next(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    NEXT(int, "openat", int, const char *, int, ...);
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return fails(CALL_openat) && errno ? -1 : next(folder, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    NEXT(FILE *, "fopen", const char *, const char *);
    return fails(CALL_fopen) && errno ? NULL : next(path, mode);
}

int fstat(int fd, struct stat *out)
{
    return fails(CALL_fstat) && errno ? -1 : real_fstat(fd, out);
}

int stat(const char *path, struct stat *out)
{
    NEXT(int, "stat", const char *, struct stat *);
    return fails(CALL_stat) && errno ? -1 : next(path, out);
}

int lstat(const char *path, struct stat *out)
{
    NEXT(int, "lstat", const char *, struct stat *);
    return fails(CALL_stat) && errno ? -1 : next(path, out);
}

ssize_t readlink(const char *path, char *p, size_t n)
{
    NEXT(ssize_t, "readlink", const char *, char *, size_t);
    return fails(CALL_readlink) && errno ? -1 : next(path, p, n);
}

ssize_t readlinkat(int folder, const char *path, char *p, size_t n)
{
    NEXT(ssize_t, "readlinkat", int, const char *, char *, size_t);
    return fails(CALL_readlink) && errno ? -1 : next(folder, path, p, n);
}

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *out)
{
    NEXT(int, "statx", int, const char *, int, unsigned, struct statx *);
    return fails(CALL_statx) && errno ? -1 : next(folder, path, flags, mask, out);
}

int fstatfs(int fd, struct statfs *out)
{
    NEXT(int, "fstatfs", int, struct statfs *);
    return fails(CALL_statfs) && errno ? -1 : next(fd, out);
}

int ftruncate(int fd, off_t size)
{
    NEXT(int, "ftruncate", int, off_t);
    return fails(CALL_ftruncate) && errno ? -1 : next(fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    NEXT(int, "fallocate", int, int, off_t, off_t);
    return fails(CALL_fallocate) && errno ? -1 : next(fd, mode, at, size);
}

ssize_t getrandom(void *p, size_t n, unsigned flags)
{
    NEXT(ssize_t, "getrandom", void *, size_t, unsigned);
    return fails(CALL_getrandom) && errno ? -1 : next(p, n, flags);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Looking a name up may allocate; what has no definition yet has no memory either. All are looked
   up before there are threads. */
static bool looking_up;

#define NEXT_ALLOC(result, name, ...)             \
    static result (*next)(__VA_ARGS__);           \
    if (!next) {                                  \
        if (looking_up)                           \
            return NULL;                          \
        looking_up = true;                        \
        *(void **)&next = dlsym(RTLD_NEXT, name); \
        looking_up = false;                       \
    }

void *malloc(size_t n)
{
    NEXT_ALLOC(void *, "malloc", size_t)
    return fails(CALL_alloc) ? NULL : next(n);
}

void *calloc(size_t count, size_t n)
{
    NEXT_ALLOC(void *, "calloc", size_t, size_t)
    return fails(CALL_alloc) ? NULL : next(count, n);
}

void *realloc(void *p, size_t n)
{
    NEXT_ALLOC(void *, "realloc", void *, size_t)
    return fails(CALL_alloc) ? NULL : next(p, n);
}
