/* The helper's sandbox; see registry_sandbox.h. It has no socket of the Unix family, so that the
   daemon's is out of reach whoever its user is; it executes nothing and forks nothing. */
#include "registry_sandbox.h"

#include "sandbox_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <openssl/x509.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILES_MAX = 256,        /* descriptors: 64 lines, 16 requests with their resolvers */
    MEMORY_MAX = 768 << 20, /* bytes of address space: 16 bodies, threads of resolvers */
};

#define SPACES                                                                                    \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)
#define NAMELESS (O_TMPFILE & ~O_DIRECTORY)

// clang-format off
static const struct sandbox_call calls[] = {
    /* The network: TCP to registries, UDP to resolvers. The rest is looked for by the C library,
       which does without. A pair of sockets wakes libcurl's own loop. */
    {"socket", ALLOW, {{IF(0, INT), IS AF_INET}, {IF(1, 0xf), IS SOCK_STREAM}}},
    {"socket", ALLOW, {{IF(0, INT), IS AF_INET}, {IF(1, 0xf), IS SOCK_DGRAM}}},
    {"socket", ALLOW, {{IF(0, INT), IS AF_INET6}, {IF(1, 0xf), IS SOCK_STREAM}}},
    {"socket", ALLOW, {{IF(0, INT), IS AF_INET6}, {IF(1, 0xf), IS SOCK_DGRAM}}},
    {"socket", ABSENT, {{IF(0, INT), IS AF_UNIX}}}, {"socket", ABSENT, {{IF(0, INT), IS AF_NETLINK}}},
    {"socketpair", ALLOW, {{IF(0, INT), IS AF_UNIX}, {IF(1, 0xf), IS SOCK_STREAM}}},
    {"connect", ALLOW, {{0}}}, {"shutdown", ALLOW, {{0}}},
    {"getsockopt", ALLOW, {{0}}}, {"setsockopt", ALLOW, {{0}}},
    {"getsockname", ALLOW, {{0}}}, {"getpeername", ALLOW, {{0}}},
    {"sendto", ALLOW, {{0}}}, {"sendmsg", ALLOW, {{0}}}, {"sendmmsg", ALLOW, {{0}}},
    {"recvfrom", ALLOW, {{0}}}, {"recvmsg", ALLOW, {{0}}}, {"ioctl", ALLOW, {{IF(1, INT), IS 0x541b}}}, /* FIONREAD */
    {"read", ALLOW, {{0}}}, {"readv", ALLOW, {{0}}},
    {"write", ALLOW, {{0}}}, {"writev", ALLOW, {{0}}}, {"close", ALLOW, {{0}}},
    {"fcntl", ALLOW, {{IF(1, INT), IS F_GETFL}}}, {"fcntl", ALLOW, {{IF(1, INT), IS F_SETFL}}},
    {"fcntl", ALLOW, {{IF(1, INT), IS F_GETFD}}}, {"fcntl", ALLOW, {{IF(1, INT), IS F_SETFD}}},
    {"poll", ALLOW, {{0}}}, {"ppoll", ALLOW, {{0}}}, {"pipe2", ALLOW, {{0}}}, {"eventfd2", ALLOW, {{0}}},

    /* Files, read only. Which, Landlock says. */
    {"openat", ALLOW, {{IF(2, O_ACCMODE | O_CREAT | O_TRUNC | NAMELESS), IS O_RDONLY}}},
    {"open", ALLOW, {{IF(1, O_ACCMODE | O_CREAT | O_TRUNC | NAMELESS), IS O_RDONLY}}},
    {"fstat", ALLOW, {{0}}}, {"newfstatat", ALLOW, {{0}}}, {"statx", ALLOW, {{0}}},
    {"stat", ALLOW, {{0}}}, {"lstat", ALLOW, {{0}}}, {"lseek", ALLOW, {{0}}},
    {"readlink", ALLOW, {{0}}}, {"readlinkat", ALLOW, {{0}}}, {"uname", ALLOW, {{0}}},
    {"access", ALLOW, {{0}}}, {"faccessat", ALLOW, {{0}}}, {"faccessat2", ALLOW, {{0}}},
    {"getdents64", ALLOW, {{0}}},               /* a folder of CAs */

    /* Memory, never executable. */
    {"mmap", ALLOW, {{IF(2, PROT_EXEC), IS 0}}}, {"mprotect", ALLOW, {{IF(2, PROT_EXEC), IS 0}}},
    {"munmap", ALLOW, {{0}}}, {"mremap", ALLOW, {{0}}}, {"madvise", ALLOW, {{0}}},
    {"brk", ALLOW, {{0}}}, {"getrandom", ALLOW, {{0}}},

    /* Threads of resolvers, no processes. clone3 hides its flags in memory. */
    {"clone", ALLOW, {{IF(0, CLONE_THREAD | CLONE_PTRACE | SPACES), IS CLONE_THREAD}}},
    {"clone", KILL, {{IF(0, CLONE_THREAD), IS 0}}},
    {"clone3", ABSENT, {{0}}},
    {"futex", ALLOW, {{0}}}, {"set_robust_list", ALLOW, {{0}}}, {"rseq", ALLOW, {{0}}},
    {"sched_yield", ALLOW, {{0}}}, {"sched_getaffinity", ALLOW, {{0}}}, {"sysinfo", ALLOW, {{0}}},
    {"exit", ALLOW, {{0}}}, {"exit_group", ALLOW, {{0}}},

    {"clock_gettime", ALLOW, {{0}}}, {"clock_getres", ALLOW, {{0}}}, {"gettimeofday", ALLOW, {{0}}},
    {"time", ALLOW, {{0}}}, {"clock_nanosleep", ALLOW, {{0}}}, {"nanosleep", ALLOW, {{0}}},

    {"rt_sigaction", ALLOW, {{0}}}, {"rt_sigprocmask", ALLOW, {{0}}}, {"rt_sigreturn", ALLOW, {{0}}},
    {"sigaltstack", ALLOW, {{0}}}, {"restart_syscall", ALLOW, {{0}}}, {"tgkill", OWN, {{0}}},
    {"getpid", ALLOW, {{0}}}, {"gettid", ALLOW, {{0}}}, {"getppid", ALLOW, {{0}}},
    {"getuid", ALLOW, {{0}}}, {"geteuid", ALLOW, {{0}}}, {"getgid", ALLOW, {{0}}}, {"getegid", ALLOW, {{0}}},
    {"prlimit64", ALLOW, {{IF(2, UINT64_MAX), IS 0}}},

    /* What only somebody else's code would do here. */
    {"execve", KILL, {{0}}}, {"execveat", KILL, {{0}}}, {"fork", KILL, {{0}}}, {"vfork", KILL, {{0}}},
    {"ptrace", KILL, {{0}}}, {"process_vm_readv", KILL, {{0}}}, {"process_vm_writev", KILL, {{0}}},
    {"pidfd_getfd", KILL, {{0}}},
    {"setuid", KILL, {{0}}}, {"setgid", KILL, {{0}}}, {"setresuid", KILL, {{0}}}, {"setresgid", KILL, {{0}}},
    {"setgroups", KILL, {{0}}}, {"capset", KILL, {{0}}}, {"personality", KILL, {{0}}},
    {"mount", KILL, {{0}}}, {"umount2", KILL, {{0}}}, {"pivot_root", KILL, {{0}}}, {"chroot", KILL, {{0}}},
    {"unshare", KILL, {{0}}}, {"setns", KILL, {{0}}}, {"open_by_handle_at", KILL, {{0}}},
    {"io_uring_setup", KILL, {{0}}}, {"userfaultfd", KILL, {{0}}}, {"bpf", KILL, {{0}}},
    {"perf_event_open", KILL, {{0}}}, {"keyctl", KILL, {{0}}}, {"add_key", KILL, {{0}}},
    {"request_key", KILL, {{0}}}, {"init_module", KILL, {{0}}}, {"finit_module", KILL, {{0}}},
    {"kexec_load", KILL, {{0}}}, {"reboot", KILL, {{0}}},
};

/* What the C library's resolver reads. */
static const char *const resolver_files[] = {
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf",
    "/etc/services", "/etc/protocols", "/etc/ssl/openssl.cnf",
};

/* Where the system keeps its CAs, whichever distribution it is. */
static const char *const system_cas[] = {
    "/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
    "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates",
};
// clang-format on

/* ---- the user ------------------------------------------------------------------------------ */

static bool limit(unsigned what, rlim_t value)
{
    const struct rlimit limit = {value, value};
    return setrlimit(what, &limit) == 0;
}

static bool become(const struct registry_setup *setup, struct err *err)
{
    if (!setup->switches)
        return true;
    if (setgroups(0, NULL) != 0 || setresgid(setup->gid, setup->gid, setup->gid) != 0 ||
        setresuid(setup->uid, setup->uid, setup->uid) != 0)
        return err_set(err, 0, 0, "the registry helper cannot become uid %u: %s%s", setup->uid,
                       strerror(errno),
                       errno == EPERM ? "; the capabilities SETUID and SETGID are needed for it, "
                                        "or start sockwarden as a user that is not root"
                                      : "");
    return setuid(0) != 0 ||
           err_set(err, 0, 0, "the registry helper could become root again, so it is not started");
}

bool registry_sandbox_user(const struct registry_setup *setup, struct err *err)
{
    mallopt(M_ARENA_MAX, 2); /* a thread's own would take 64 MiB of address space each */
    if (!become(setup, err))
        return false;
    bool ok = limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_MEMLOCK, 0) &&
              limit(RLIMIT_NOFILE, FILES_MAX) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              (!sandbox_is_built() || limit(RLIMIT_AS, MEMORY_MAX));
    return ok ||
           err_set(err, 0, 0, "the registry helper cannot give up privileges: %s", strerror(errno));
}

/* ---- the sandbox --------------------------------------------------------------------------- */

static struct {
    const char *path;
    dev_t device;
    ino_t inode;
} seen[ARRAY_LEN(resolver_files) + 1];
static size_t seen_count;

static void watch(const char *path)
{
    struct stat st;
    bool there = stat(path, &st) == 0;
    seen[seen_count].path = path;
    seen[seen_count].device = there ? st.st_dev : 0;
    seen[seen_count++].inode = there ? st.st_ino : 0;
}

bool registry_sandbox_stale(void)
{
    for (size_t i = 0; i < seen_count; i++) {
        struct stat st;
        if (stat(seen[i].path, &st) == 0 &&
            (st.st_dev != seen[i].device || st.st_ino != seen[i].inode))
            return true;
    }
    return false;
}

static void grant(struct sandbox *sandbox, const struct registry_setup *setup)
{
    for (size_t i = 0; i < ARRAY_LEN(resolver_files); i++) {
        sandbox_grant(sandbox, resolver_files[i], SANDBOX_READ);
        watch(resolver_files[i]);
    }
    if (setup->ca.n > 0) {
        sandbox_grant(sandbox, setup->ca.p, SANDBOX_READ);
        watch(setup->ca.p);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(system_cas); i++)
        sandbox_grant(sandbox, system_cas[i], SANDBOX_READ);
}

bool registry_sandbox_enter(const struct registry_setup *setup, struct err *err)
{
    struct sandbox sandbox = {.connects = true};
    grant(&sandbox, setup);
    bool ok = true;
    if (setup->sandbox && sandbox_is_built()) {
        sandbox_limit_files(&sandbox);
        ok = sandbox_limit_calls(calls, ARRAY_LEN(calls), err);
    }
    sandbox_release(&sandbox);
    return ok;
}
