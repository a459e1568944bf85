/* The sandbox from inside: each row is tried by a process of its own that has entered it. What must
   fail fails with this error or ends the process; what serving needs still works. */
#include "sandbox_helper.h"

/* ---- what is tried: 0, or the error ---------------------------------------------------------- */

static int result(long status)
{
    return status < 0 ? errno : 0;
}

static int opened(const char *name, int flags)
{
    int fd = open(name[0] == '/' ? name : in(name), flags | O_CLOEXEC, 0600);
    return result(fd);
}

static int try_execve(void)
{
    char *const argv[] = {(char *)"true", NULL};
    return result(execve("/bin/true", argv, argv + 1));
}
static int try_fork(void)
{
    return result(fork());
}
static int try_ptrace(void)
{
    return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}
static int try_setuid(void)
{
    return result(setuid(0));
}
static int try_setgroups(void)
{
    return result(syscall(SYS_setgroups, 0, NULL));
}
static int try_mount(void)
{
    return result(mount("none", "/tmp", "tmpfs", 0, NULL));
}
static int try_unshare(void)
{
    return result(unshare(CLONE_NEWUSER));
}
static int try_namespace_thread(void)
{
    return result(syscall(SYS_clone, CLONE_THREAD | CLONE_NEWUSER, 0, 0, 0, 0));
}
static int try_io_uring(void)
{
    return result(syscall(425, 8, NULL));
}
static int try_clone3(void)
{
    return result(syscall(435, NULL, 0));
}
static int try_inet(void)
{
    return result(socket(AF_INET, SOCK_STREAM, 0));
}
static int try_inet6(void)
{
    return result(socket(AF_INET6, SOCK_STREAM, 0));
}
static int try_netlink(void)
{
    return result(socket(AF_NETLINK, SOCK_RAW, 0));
}
static int try_datagram(void)
{
    return result(socket(AF_UNIX, SOCK_DGRAM, 0));
}
static int try_bind(void)
{
    struct sockaddr_un address = unix_address("run/new.sock");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return result(bind(fd, (struct sockaddr *)&address, sizeof(address)));
}
static int try_connect_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return result(connect(inet_fd, (struct sockaddr *)&address, sizeof(address)));
}
static int try_read_passwd(void)
{
    return opened("/etc/passwd", O_RDONLY);
}
static int try_write_passwd(void)
{
    return opened("/etc/passwd", O_RDWR);
}
static int try_append_passwd(void)
{
    return opened("/etc/passwd", O_WRONLY | O_APPEND);
}
static int try_read_secret(void)
{
    return opened("other/secret", O_RDONLY);
}
static int try_read_audit(void)
{
    return opened("audit/log", O_RDONLY);
}
static int listed(const char *name)
{
    DIR *dir = opendir(in(name));
    if (!dir)
        return errno;
    errno = 0;
    bool any = readdir(dir) != NULL;
    int error = errno;
    closedir(dir);
    return any ? 0 : error ? error : ENOENT;
}
static int try_list_policy(void)
{
    return listed("policy");
}
static int try_write_policy(void)
{
    return opened("policy/policy.json", O_WRONLY);
}
static int try_append_policy(void)
{
    return opened("policy/policy.json", O_WRONLY | O_APPEND);
}
static int try_create_policy(void)
{
    return opened("policy/more.json", O_WRONLY | O_APPEND | O_CREAT);
}
static int try_create(void)
{
    return opened("other/new", O_WRONLY | O_CREAT);
}
static int try_truncate_audit(void)
{
    return opened("audit/log", O_WRONLY | O_APPEND | O_TRUNC);
}
static int try_nameless(void)
{
    return opened("audit", O_WRONLY | O_APPEND | O_TMPFILE);
}
static int try_unlink_policy(void)
{
    return result(unlink(in("policy/next.json")));
}
static int try_rename(void)
{
    char from[108];
    snprintf(from, sizeof(from), "%s", in("audit/log"));
    return result(rename(from, in("audit/old")));
}
static int try_chmod(void)
{
    return result(chmod(in("policy/policy.json"), 0666));
}
static int try_mkdir(void)
{
    return result(mkdir(in("audit/new"), 0700));
}
static int try_symlink(void)
{
    return result(symlink("/etc", in("audit/etc")));
}
static int try_kill(void)
{
    return result(kill(getppid(), 0)); /* getppid() has no row either: -1 would be everybody */
}
static int try_tgkill(void)
{
    return result(syscall(SYS_tgkill, 1, 1, 0));
}
static int try_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}
static int try_make_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? ENOMEM : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}
static int try_memfd(void)
{
    return result(syscall(SYS_memfd_create, "x", 0));
}
static int try_ioctl(void)
{
    return result(ioctl(0, TIOCSTI, "x"));
}
static int try_prctl(void)
{
    return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}
static int try_limit(void)
{
    struct rlimit limit = {1, 1};
    return result(setrlimit(RLIMIT_CORE, &limit));
}
static int try_dup_over(void)
{
    return result(fcntl(0, F_DUPFD, 100));
}
static int try_splice_at(void)
{
    loff_t at = 0;
    return result(splice(audit_fd, &at, daemon_fd, NULL, 1, 0) < 0 ? -1 : 0);
}
static int try_other_pipe(void)
{
    int fds[2];
    return result(pipe2(fds, O_CLOEXEC));
}
static int try_abort(void)
{
    abort();
}

static int core_limit(void)
{
    struct rlimit limit = {1, 1};
    return getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0 ? EINVAL : 0;
}
static int read_policy(void)
{
    return opened("policy/policy.json", O_RDONLY);
}
static int read_new_policy(void)
{
    return opened("policy/next.json", O_RDONLY);
}
static int read_linked_policy(void)
{
    return opened("policy/link.json", O_RDONLY);
}
static int write_audit(void)
{
    return result(write(audit_fd, "{}\n", 3));
}
static int cut_audit(void)
{
    return result(ftruncate(audit_fd, 3));
}
static int ask_for_room(void)
{
    return result(fallocate(audit_fd, FALLOC_FL_KEEP_SIZE, 0, 4096));
}
static int try_punch_hole(void)
{
    return result(fallocate(audit_fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 1));
}
static int reopen_audit(void)
{
    int fd = open(in("audit/log"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    return fd < 0 ? errno : result(write(fd, "{}\n", 3)) ? errno : result(ftruncate(fd, 3));
}
static int rotate_audit(void)
{
    return opened("audit/log.new", O_WRONLY | O_APPEND | O_CREAT);
}
/* As a reload does with the places of the proxy itself. */
static int resolve_link(void)
{
    char real[PATH_MAX];
    return !realpath(in("policy/link.json"), real)      ? errno
           : strcmp(real, in("other/target.json")) == 0 ? 0
                                                        : EINVAL;
}
static int resolve_folder(void)
{
    char real[PATH_MAX];
    return realpath(in("policy/"), real) ? 0 : errno;
}
static int resolve_relative(void)
{
    char real[PATH_MAX];
    return realpath(".", real) ? 0 : errno;
}
static int mount_flags(void)
{
    struct statvfs mount;
    return result(statvfs(in("policy"), &mount));
}
static int remove_own_socket(void)
{
    return result(unlink(in("run/own.sock")));
}

/* To the daemon and back, by the loop. */
static int talk(void)
{
    struct sockaddr_un address = unix_address("other/daemon.sock");
    char byte = 'x';
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)) != 0)
        return errno;
    int server = accept4(daemon_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = server}};
    struct ucred cred;
    socklen_t length = sizeof(cred);
    if (server < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, server, &event) != 0 ||
        getsockopt(server, SOL_SOCKET, SO_PEERCRED, &cred, &length) != 0 ||
        send(client, &byte, 1, MSG_NOSIGNAL) != 1 || epoll_wait(epoll_fd, &event, 1, 1000) != 1 ||
        recv(server, &byte, 1, 0) != 1 || write(server, &byte, 1) != 1)
        return errno ? errno : EINVAL;
    struct pollfd poll_fd = {.fd = client, .events = POLLIN};
    if (poll(&poll_fd, 1, 1000) != 1 || read(client, &byte, 1) != 1)
        return errno ? errno : EINVAL;
    return result(shutdown(client, SHUT_WR)) || result(close(client)) ? errno : 0;
}

/* As an upload does: a pipe that is made larger, filled and emptied. */
static int pass_through_pipe(void)
{
    int fds[2];
    char byte = 'x';
    struct sockaddr_un address = unix_address("other/daemon.sock");
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0 || fcntl(fds[1], F_SETPIPE_SZ, 1 << 17) < 0 ||
        write(fds[1], &byte, 1) != 1)
        return errno;
    ssize_t n = splice(fds[0], NULL, client, NULL, 1, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    int error = n == 1 ? 0 : errno;
    close(client);
    close(fds[0]);
    close(fds[1]);
    return error;
}

/* The peer of a Unix socket. */
static int hold_process(void)
{
    return result(syscall(SYS_pidfd_open, getpid(), 0));
}

static void *in_thread(void *arg)
{
    free(malloc(1 << 20));
    *(int *)arg = try_inet();
    return NULL;
}
/* A thread can be made, and is held as well. */
static int thread(void)
{
    pthread_t id;
    int error = 0;
    if (pthread_create(&id, NULL, in_thread, &error) != 0 || pthread_join(id, NULL) != 0)
        return EAGAIN;
    return error == EPERM ? 0 : EINVAL;
}
static int memory(void)
{
    char *p = malloc(64 << 20);
    for (size_t i = 0; p && i < 64 << 20; i += 4096)
        p[i] = 1;
    p = p ? realloc(p, 128 << 20) : NULL;
    free(p);
    return p ? result(getrandom(&p, sizeof(p), 0)) : ENOMEM;
}
/* Bind sources are looked at where nothing may be read. */
static int look_at_host(void)
{
    static const struct {
        const char *path;
        enum host_state state;
    } looks[] = {{"/etc/passwd", HOST_EXISTS},
                 {"/etc/link.json", HOST_EXISTS},
                 {"/other/daemon.sock", HOST_EXISTS},
                 {"/other/new/file", HOST_PARTLY},
                 {"/policy/link.json", HOST_LINK}};
    struct host_path look;
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        host_path_look(&host_root, str_of(looks[i].path), &look);
        if (look.state != looks[i].state)
            return EINVAL;
    }
    return 0;
}
static int list_store(void)
{
    return listed("store");
}
static int sync_audit(void)
{
    return result(fdatasync(audit_fd));
}
static int say(void)
{
    time_t now = time(NULL);
    struct tm tm;
    log_info("not shown");
    return strerror(EACCES) && gmtime_r(&now, &tm) ? 0 : EINVAL;
}

enum { ENDS = 1000, ABORTS };

#define ROW(expected, name)      \
    {                            \
#name, name, expected, 0 \
    }
#define NEED(version, expected, name)  \
    {                                  \
#name, name, expected, version \
    }
static const struct row {
    const char *name;
    int (*run)(void);
    int expected; /* 0: works; an errno; ENDS: the process does */
    long needs;   /* version of Landlock */
} rows[] = {
    ROW(ENDS, try_execve),
    ROW(ENDS, try_fork),
    ROW(ENDS, try_ptrace),
    ROW(ENDS, try_setuid),
    ROW(ENDS, try_setgroups),
    ROW(ENDS, try_mount),
    ROW(ENDS, try_unshare),
    ROW(ENDS, try_io_uring),
    ROW(EPERM, try_namespace_thread),
    ROW(ENOSYS, try_clone3),
    ROW(EPERM, try_inet),
    ROW(EPERM, try_inet6),
    ROW(EPERM, try_netlink),
    ROW(EPERM, try_datagram),
    ROW(EPERM, try_bind),
    NEED(4, EACCES, try_connect_tcp),
    NEED(1, EACCES, try_read_passwd),
    ROW(EPERM, try_write_passwd),
    NEED(1, EACCES, try_append_passwd),
    NEED(1, EACCES, try_read_audit),
    NEED(1, EACCES, try_list_policy),
    ROW(EPERM, try_write_policy),
    NEED(1, EACCES, try_append_policy),
    NEED(1, EACCES, try_create_policy),
    ROW(EPERM, try_create),
    ROW(EPERM, try_truncate_audit),
    ROW(EPERM, try_punch_hole),
    ROW(EPERM, try_nameless),
    NEED(1, EACCES, try_unlink_policy),
    ROW(EPERM, try_rename),
    ROW(EPERM, try_chmod),
    ROW(EPERM, try_mkdir),
    ROW(EPERM, try_symlink),
    ROW(EPERM, try_kill),
    ROW(EPERM, try_tgkill),
    ROW(EPERM, try_code),
    ROW(EPERM, try_make_code),
    ROW(EPERM, try_memfd),
    ROW(EPERM, try_ioctl),
    ROW(EPERM, try_prctl),
    ROW(EPERM, try_limit),
    ROW(EPERM, try_dup_over),
    ROW(EPERM, try_splice_at),
    ROW(EPERM, try_other_pipe),
    ROW(ABORTS, try_abort),
    ROW(0, core_limit),
    ROW(0, read_policy),
    ROW(0, read_new_policy),
    ROW(0, resolve_link),
    ROW(0, resolve_folder),
    ROW(0, resolve_relative),
    ROW(0, mount_flags),
    ROW(0, write_audit),
    ROW(0, cut_audit),
    ROW(0, ask_for_room),
    ROW(0, reopen_audit),
    ROW(0, rotate_audit),
    ROW(0, remove_own_socket),
    ROW(0, talk),
    ROW(0, pass_through_pipe),
    ROW(0, hold_process),
    ROW(0, thread),
    ROW(0, memory),
    ROW(0, look_at_host),
    ROW(0, list_store),
    ROW(0, sync_audit),
    ROW(0, say),
};

/* ---- running them ---------------------------------------------------------------------------- */

static void enter(const char *policy)
{
    struct sandbox sandbox = {.count = 0};
    struct err err = {.set = false};
    sandbox_grant_folder_of(&sandbox, policy, SANDBOX_READ);
    sandbox_grant_folder_of(&sandbox, in("audit/log"), SANDBOX_APPEND);
    sandbox_grant_folder_of(&sandbox, in("run/own.sock"), SANDBOX_REMOVE);
    sandbox_grant(&sandbox, in("nosuch"), SANDBOX_READ);
    sandbox_grant(&sandbox, in("store"), SANDBOX_READ | SANDBOX_LIST);
    if (!sandbox_enter(&sandbox, &err)) {
        fprintf(stderr, "%s\n", err.text);
        _exit(255);
    }
}

static int tried(int (*run)(void), const char *policy)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        enter(policy);
        errno = 0;
        _exit(run());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? ENDS : WTERMSIG(status) == SIGABRT ? ABORTS : -1;
    return WEXITSTATUS(status);
}

static long landlock_version(void)
{
    long version = syscall(444, NULL, (size_t)0, 1);
    return version < 0 ? 0 : version;
}

static void test_rows(void **state)
{
    (void)state;
    long version = landlock_version();
    int wrong = 0;
    if (!sandbox_is_built())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char policy[108];
        snprintf(policy, sizeof(policy), "%s", in("policy/policy.json"));
        int got = version >= rows[i].needs ? tried(rows[i].run, policy) : rows[i].expected;
        if (got != rows[i].expected) {
            print_error("%s: got %d (%s), expected %d\n", rows[i].name, got, strerror(got),
                        rows[i].expected);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* The folder of a link's target is granted as well, and no other. */
static void test_link(void **state)
{
    (void)state;
    char policy[108];
    if (!sandbox_is_built() || landlock_version() == 0)
        skip();
    snprintf(policy, sizeof(policy), "%s", in("policy/link.json"));
    assert_int_equal(tried(read_linked_policy, policy), 0);
    snprintf(policy, sizeof(policy), "%s", in("policy/policy.json"));
    assert_int_equal(tried(read_linked_policy, policy), EACCES);
    assert_int_equal(tried(try_read_secret, policy), EACCES);
}

/* Grants beyond the table's size are not taken, and leave no descriptor behind. */
static void test_full(void **state)
{
    (void)state;
    struct sandbox sandbox = {.count = 0};
    int before = dup(0);
    close(before);
    for (int i = 0; i < SANDBOX_GRANTS_MAX + 5; i++)
        sandbox_grant(&sandbox, folder, SANDBOX_READ);
    assert_int_equal(sandbox.count, SANDBOX_GRANTS_MAX);
    for (size_t i = 0; i < sandbox.count; i++)
        close(sandbox.grants[i].fd);
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
