/* What lies around a sandbox that is tried from inside: a folder, and what is open before. */
#ifndef SANDBOX_HELPER_H
#define SANDBOX_HELPER_H

#include "sandbox.h"

#include "host_path.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sockwarden-sandbox-XXXXXX";
static struct host_root host_root;
static int daemon_fd, inet_fd, own_fd, audit_fd, epoll_fd; /* open before the sandbox is entered */

/* A path in the folder; good until the next call. */
static inline const char *in(const char *name)
{
    static char path[108];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static inline void write_file(const char *name)
{
    FILE *file = fopen(in(name), "w");
    assert_non_null(file);
    fputs("{}\n", file);
    fclose(file);
}

static inline struct sockaddr_un unix_address(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in(name));
    return address;
}

static inline int listen_on(const char *name)
{
    struct sockaddr_un address = unix_address(name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static inline int set_up(void **state)
{
    (void)state;
    static const char *const folders[] = {"policy", "audit", "run", "other", "etc", "store"};
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (!mkdtemp(folder))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        assert_int_equal(mkdir(in(folders[i]), 0700), 0);
    write_file("policy/policy.json");
    write_file("policy/next.json");
    write_file("audit/log");
    write_file("other/secret");
    write_file("other/target.json");
    assert_int_equal(symlink("../other/target.json", in("policy/link.json")), 0);
    write_file("etc/passwd");
    write_file("store/file");
    assert_int_equal(symlink("../other/target.json", in("etc/link.json")), 0);
    daemon_fd = listen_on("other/daemon.sock");
    own_fd = listen_on("run/own.sock");
    struct err err = {.set = false};
    assert_true(host_root_open(folder, NULL, &host_root, &err));
    inet_fd = socket(AF_INET, SOCK_STREAM, 0);
    epoll_fd = epoll_create1(0);
    audit_fd = open(in("audit/log"), O_WRONLY | O_APPEND);
    return audit_fd >= 0 ? 0 : -1;
}

static inline int clean_up(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

#endif
