/* seccomp and Landlock; see sandbox.h. The table of system calls is the whole policy: what has no
   row fails with EPERM, and the kernel logs it; what only a hijacked process would try ends it. */
#include "sandbox.h"

#include "log.h"
#include "sandbox_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* ---- system calls -------------------------------------------------------------------------- */

/* Creates a file without a name; the flag holds O_DIRECTORY, which is harmless by itself. */
#define NAMELESS (O_TMPFILE & ~O_DIRECTORY)
#define NEW_SPACES                                                                                \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

// clang-format off
static const struct sandbox_call calls[] = {
    /* Connections: accepted ones, and Unix streams of our own to the daemon. No bind, no listen. */
    {"socket", ALLOW, {{IF(0, INT), IS AF_UNIX}, {IF(1, 0xf), IS SOCK_STREAM}, {IF(2, INT), IS 0}}},
    {"accept4", ALLOW, {{0}}}, {"connect", ALLOW, {{0}}}, {"shutdown", ALLOW, {{0}}},
    {"getsockopt", ALLOW, {{0}}}, {"setsockopt", ALLOW, {{0}}},
    {"getsockname", ALLOW, {{0}}}, {"getpeername", ALLOW, {{0}}},
    {"sendto", ALLOW, {{0}}}, {"sendmsg", ALLOW, {{0}}},
    {"recvfrom", ALLOW, {{0}}}, {"recvmsg", ALLOW, {{0}}},
    {"read", ALLOW, {{0}}}, {"readv", ALLOW, {{0}}},
    {"write", ALLOW, {{0}}}, {"writev", ALLOW, {{0}}}, {"close", ALLOW, {{0}}},
    {"fcntl", ALLOW, {{IF(1, INT), IS F_GETFL}}}, {"fcntl", ALLOW, {{IF(1, INT), IS F_SETFL}}},
    {"fcntl", ALLOW, {{IF(1, INT), IS F_GETFD}}}, {"fcntl", ALLOW, {{IF(1, INT), IS F_SETFD}}},

    /* Uploads past the process: between sockets and pipes, which have no offsets. */
    {"splice", ALLOW, {{IF(1, UINT64_MAX), IS 0}, {IF(3, UINT64_MAX), IS 0}}},
    {"pipe2", ALLOW, {{IF(1, INT), IS (O_CLOEXEC | O_NONBLOCK)}}},
    {"fcntl", ALLOW, {{IF(1, INT), IS F_SETPIPE_SZ}}},

    /* The loops. */
    {"epoll_ctl", ALLOW, {{0}}}, {"epoll_wait", ALLOW, {{0}}},
    {"epoll_pwait", ALLOW, {{0}}}, {"epoll_pwait2", ALLOW, {{0}}},
    {"poll", ALLOW, {{0}}}, {"ppoll", ALLOW, {{0}}},

    /* Files: opened for reading, or for writing at their end. Where, Landlock says. */
    {"openat", ALLOW, {{IF(2, O_ACCMODE | O_CREAT | O_TRUNC | NAMELESS), IS O_RDONLY}}},
    {"openat", ALLOW, {{IF(2, O_ACCMODE | O_TRUNC | O_APPEND | NAMELESS), IS (O_WRONLY | O_APPEND)}}},
    {"open", ALLOW, {{IF(1, O_ACCMODE | O_CREAT | O_TRUNC | NAMELESS), IS O_RDONLY}}},
    {"open", ALLOW, {{IF(1, O_ACCMODE | O_TRUNC | O_APPEND | NAMELESS), IS (O_WRONLY | O_APPEND)}}},
    {"fstat", ALLOW, {{0}}}, {"newfstatat", ALLOW, {{0}}}, {"statx", ALLOW, {{0}}},
    {"stat", ALLOW, {{0}}}, {"lstat", ALLOW, {{0}}}, {"lseek", ALLOW, {{0}}},
    {"pidfd_open", ALLOW, {{IF(1, INT), IS 0}}}, /* the peer of a Unix socket, before Linux 6.5 */
    /* A reload: where links lead, as realpath() asks, and whether a mount is read-only. */
    {"readlink", ALLOW, {{0}}}, {"readlinkat", ALLOW, {{0}}}, {"getcwd", ALLOW, {{0}}},
    {"access", ALLOW, {{0}}}, {"faccessat", ALLOW, {{0}}}, {"faccessat2", ALLOW, {{0}}},
    {"statfs", ALLOW, {{0}}},
    {"getdents64", ALLOW, {{0}}},               /* the signature store; elsewhere Landlock forbids it */
    {"fdatasync", ALLOW, {{0}}},                /* what was found signed outlives a crash */
    {"fstatfs", ALLOW, {{0}}},                  /* is a bind source's mount nosuid? */
    {"ftruncate", ALLOW, {{0}}},                /* takes half an audit line back */
    {"fallocate", ALLOW, {{IF(1, INT), IS FALLOC_FL_KEEP_SIZE}}},    /* is there room for the next one? */
    {"unlink", ALLOW, {{0}}},                   /* of the own sockets, at the end */
    {"unlinkat", ALLOW, {{IF(2, INT), IS 0}}},

    /* Memory, never executable. */
    {"mmap", ALLOW, {{IF(2, PROT_EXEC), IS 0}}}, {"mprotect", ALLOW, {{IF(2, PROT_EXEC), IS 0}}},
    {"munmap", ALLOW, {{0}}}, {"mremap", ALLOW, {{0}}}, {"madvise", ALLOW, {{0}}},
    {"brk", ALLOW, {{0}}}, {"getrandom", ALLOW, {{0}}},

    /* Threads, no processes. clone3 hides its flags in memory, where no filter can see them. */
    {"clone", ALLOW, {{IF(0, CLONE_THREAD | CLONE_PTRACE | NEW_SPACES), IS CLONE_THREAD}}},
    {"clone", KILL, {{IF(0, CLONE_THREAD), IS 0}}},
    {"clone3", ABSENT, {{0}}},
    {"futex", ALLOW, {{0}}}, {"futex_waitv", ALLOW, {{0}}}, {"set_robust_list", ALLOW, {{0}}},
    {"rseq", ALLOW, {{0}}}, {"sched_yield", ALLOW, {{0}}},
    {"sched_getaffinity", ALLOW, {{0}}},        /* malloc: how many processors? */
    {"sysinfo", ALLOW, {{0}}},                  /* qsort: how much memory? */
    {"exit", ALLOW, {{0}}}, {"exit_group", ALLOW, {{0}}},

    /* Clocks, where the kernel does not serve them without a call. */
    {"clock_gettime", ALLOW, {{0}}}, {"clock_getres", ALLOW, {{0}}}, {"gettimeofday", ALLOW, {{0}}},
    {"time", ALLOW, {{0}}}, {"clock_nanosleep", ALLOW, {{0}}}, {"nanosleep", ALLOW, {{0}}},

    /* Signals: to receive them; to send one only to the process itself, as abort() does. */
    {"rt_sigaction", ALLOW, {{0}}}, {"rt_sigprocmask", ALLOW, {{0}}}, {"rt_sigreturn", ALLOW, {{0}}},
    {"sigaltstack", ALLOW, {{0}}}, {"restart_syscall", ALLOW, {{0}}}, {"tgkill", OWN, {{0}}},
    {"getpid", ALLOW, {{0}}}, {"gettid", ALLOW, {{0}}},
    {"getuid", ALLOW, {{0}}}, {"geteuid", ALLOW, {{0}}}, {"getgid", ALLOW, {{0}}}, {"getegid", ALLOW, {{0}}},
    {"prlimit64", ALLOW, {{IF(2, UINT64_MAX), IS 0}}},    /* to read a limit, not to set one */

    /* What only somebody else's code would do here. */
    {"execve", KILL, {{0}}}, {"execveat", KILL, {{0}}}, {"fork", KILL, {{0}}}, {"vfork", KILL, {{0}}},
    {"ptrace", KILL, {{0}}}, {"process_vm_readv", KILL, {{0}}}, {"process_vm_writev", KILL, {{0}}},
    {"pidfd_getfd", KILL, {{0}}}, {"kcmp", KILL, {{0}}},
    {"setuid", KILL, {{0}}}, {"setgid", KILL, {{0}}}, {"setreuid", KILL, {{0}}}, {"setregid", KILL, {{0}}},
    {"setresuid", KILL, {{0}}}, {"setresgid", KILL, {{0}}}, {"setfsuid", KILL, {{0}}}, {"setfsgid", KILL, {{0}}},
    {"setgroups", KILL, {{0}}}, {"capset", KILL, {{0}}}, {"personality", KILL, {{0}}},
    {"mount", KILL, {{0}}}, {"umount2", KILL, {{0}}}, {"move_mount", KILL, {{0}}}, {"open_tree", KILL, {{0}}},
    {"fsopen", KILL, {{0}}}, {"mount_setattr", KILL, {{0}}}, {"pivot_root", KILL, {{0}}}, {"chroot", KILL, {{0}}},
    {"unshare", KILL, {{0}}}, {"setns", KILL, {{0}}}, {"open_by_handle_at", KILL, {{0}}}, {"mknodat", KILL, {{0}}},
    {"mknod", KILL, {{0}}}, {"io_uring_setup", KILL, {{0}}}, {"io_uring_enter", KILL, {{0}}},
    {"userfaultfd", KILL, {{0}}}, {"bpf", KILL, {{0}}}, {"perf_event_open", KILL, {{0}}},
    {"keyctl", KILL, {{0}}}, {"add_key", KILL, {{0}}}, {"request_key", KILL, {{0}}},
    {"init_module", KILL, {{0}}}, {"finit_module", KILL, {{0}}}, {"delete_module", KILL, {{0}}},
    {"kexec_load", KILL, {{0}}}, {"kexec_file_load", KILL, {{0}}}, {"reboot", KILL, {{0}}},
};
// clang-format on

static uint32_t action_of(enum sandbox_answer answer)
{
    switch (answer) {
    case ALLOW:
    case OWN:
    case ABSENT:
        return SCMP_ACT_ALLOW;
    case KILL:
        break;
    }
    return SCMP_ACT_KILL_PROCESS;
}

/* A name that the library or the processor does not know stays without a row, which denies. */
static int add_call(scmp_filter_ctx filter, const struct sandbox_call *call, uint32_t action)
{
    struct scmp_arg_cmp tests[ARRAY_LEN(call->tests)];
    unsigned count = 0;
    int number = seccomp_syscall_resolve_name(call->name);
    if (number < 0)
        return 0;
    if (call->answer == OWN)
        tests[count++] = SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, INT, (uint64_t)getpid());
    for (size_t i = 0; i < ARRAY_LEN(call->tests) && call->tests[i].mask; i++)
        tests[count++] = SCMP_CMP64(call->tests[i].arg, SCMP_CMP_MASKED_EQ, call->tests[i].mask,
                                    call->tests[i].value);
    return seccomp_rule_add_array(filter, action, number, count, tests);
}

struct table {
    const struct sandbox_call *calls;
    size_t count;
};

/* What is absent is a filter of its own, since every new thread asks for it, and nobody wants to
   read that in the kernel's log. */
static int fill_absent(scmp_filter_ctx filter, const struct table *table)
{
    int status = 0;
    for (size_t i = 0; i < table->count && status == 0; i++)
        if (table->calls[i].answer == ABSENT)
            status = add_call(filter, &table->calls[i], SCMP_ACT_ERRNO(ENOSYS));
    return status;
}

static int fill_calls(scmp_filter_ctx filter, const struct table *table)
{
    int status = 0;
    /* Where kernel or library are too old for one of these, the filter is as tight without it. */
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    for (size_t i = 0; i < table->count && status == 0; i++)
        status = add_call(filter, &table->calls[i], action_of(table->calls[i].answer));
    return status;
}

static int load_filter(uint32_t otherwise,
                       int (*fill)(scmp_filter_ctx filter, const struct table *table),
                       const struct table *table)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int status = filter ? fill(filter, table) : -ENOMEM;
    if (status == 0)
        status = seccomp_load(filter);
    seccomp_release(filter);
    return status;
}

bool sandbox_limit_calls(const struct sandbox_call *allowed, size_t count, struct err *err)
{
    const struct table table = {allowed, count};
    int status = load_filter(SCMP_ACT_ALLOW, fill_absent, &table);
    if (status == 0)
        status = load_filter(SCMP_ACT_ERRNO(EPERM), fill_calls, &table);
    return status == 0 ||
           err_set(err, 0, 0,
                   "cannot limit the system calls (seccomp): %s; nothing is served without it "
                   "unless --sandbox off is given",
                   strerror(-status));
}

/* ---- Landlock ------------------------------------------------------------------------------ */

/* The kernel's interface, written down here since the headers of a distribution are often older
   than the kernels that it runs on. */
struct ruleset_attr {
    uint64_t handled_fs, handled_net, scoped;
};

struct path_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

enum { GET_VERSION = 1, PATH_BENEATH = 1, CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT = 446 };

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_REG = 1 << 8,
    FS_ABI_1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* since 2 */
    FS_TRUNCATE = 1 << 14,  /* since 3 */
    FS_IOCTL_DEV = 1 << 15, /* since 5 */
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
    NET_BIND_TCP = 1 << 0, /* since 4 */
    NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_UNIX = 1 << 0, /* since 6 */
    SCOPE_SIGNAL = 1 << 1,
};

/* All that this version of the interface can forbid. */
static struct ruleset_attr handled_by(long abi, bool connects)
{
    struct ruleset_attr attr = {.handled_fs = FS_ABI_1};
    attr.handled_fs |= abi >= 2 ? FS_REFER : 0;
    attr.handled_fs |= abi >= 3 ? FS_TRUNCATE : 0;
    attr.handled_fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    attr.handled_net = abi < 4 ? 0 : connects ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP;
    attr.scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0;
    return attr;
}

static size_t attr_size(long abi)
{
    return abi >= 6   ? sizeof(struct ruleset_attr)
           : abi >= 4 ? offsetof(struct ruleset_attr, scoped)
                      : offsetof(struct ruleset_attr, handled_net);
}

/* What cannot be added (a pipe, say, has no place among the files) is not allowed. */
static void add_grant(int ruleset, int fd, unsigned access, uint64_t handled)
{
    struct stat st;
    struct path_attr rule = {.parent_fd = fd};
    rule.allowed |= access & SANDBOX_READ ? FS_READ_FILE : 0;
    rule.allowed |= access & SANDBOX_APPEND ? FS_WRITE_FILE | FS_MAKE_REG | FS_TRUNCATE : 0;
    rule.allowed |= access & SANDBOX_LIST ? FS_READ_DIR : 0;
    rule.allowed |= access & SANDBOX_REMOVE ? FS_REMOVE_FILE : 0;
    rule.allowed &= handled;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed &= FS_OF_FILES;
    syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0);
}

long sandbox_limit_files(const struct sandbox *sandbox)
{
    long abi = syscall(CREATE_RULESET, NULL, (size_t)0, GET_VERSION);
    if (abi <= 0)
        return 0;
    struct ruleset_attr attr = handled_by(abi, sandbox->connects);
    int ruleset = (int)syscall(CREATE_RULESET, &attr, attr_size(abi), 0);
    if (ruleset < 0)
        return 0;
    for (size_t i = 0; i < sandbox->count; i++)
        add_grant(ruleset, sandbox->grants[i].fd, sandbox->grants[i].access, attr.handled_fs);
    bool restricted = syscall(RESTRICT, ruleset, 0) == 0;
    int error = errno;
    close(ruleset);
    errno = error;
    return restricted ? abi : 0;
}

/* ---- all of it ----------------------------------------------------------------------------- */

bool sandbox_is_built(void)
{
    return !SANITIZED;
}

void sandbox_grant(struct sandbox *sandbox, const char *path, unsigned access)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return;
    if (sandbox->count == SANDBOX_GRANTS_MAX) {
        close(fd);
        return;
    }
    sandbox->grants[sandbox->count].fd = fd;
    sandbox->grants[sandbox->count++].access = access;
}

static void grant_parent(struct sandbox *sandbox, const char *path, unsigned access)
{
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
        return;
    char *slash = strrchr(folder, '/');
    if (!slash)
        snprintf(folder, sizeof(folder), ".");
    else
        slash[slash == folder ? 1 : 0] = '\0';
    sandbox_grant(sandbox, folder, access);
}

void sandbox_grant_folder_of(struct sandbox *sandbox, const char *path, unsigned access)
{
    char target[PATH_MAX];
    struct stat st;
    grant_parent(sandbox, path, access);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && realpath(path, target))
        grant_parent(sandbox, target, access);
}

void sandbox_release(struct sandbox *sandbox)
{
    for (size_t i = 0; i < sandbox->count; i++)
        close(sandbox->grants[i].fd);
    sandbox->count = 0;
}

bool sandbox_enter(struct sandbox *sandbox, struct err *err)
{
    if (!sandbox_is_built()) {
        sandbox_release(sandbox);
        log_warn("no sandbox: this build has sanitizers, which it would stop");
        return true;
    }
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        sandbox_release(sandbox);
        return err_set(err, 0, 0, "cannot give up privileges: %s", strerror(errno));
    }
    long abi = sandbox_limit_files(sandbox);
    int error = errno;
    sandbox_release(sandbox);
    if (!sandbox_limit_calls(calls, ARRAY_LEN(calls), err))
        return false;
    if (abi)
        log_info("sandbox: system calls are limited by seccomp, files by Landlock (version %ld)",
                 abi);
    else
        log_info("sandbox: system calls are limited by seccomp; files are not, since this kernel "
                 "has no Landlock: %s",
                 strerror(error));
    return true;
}
