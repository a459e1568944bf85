/* What the process may still do once it serves: a list of system calls (seccomp) and of folders
   (Landlock). Entered once, after everything has been opened and before threads start. */
#ifndef PROXY_SANDBOX_H
#define PROXY_SANDBOX_H

#include "err.h"

enum { SANDBOX_GRANTS_MAX = 64 };

enum sandbox_access {
    SANDBOX_READ = 1,   /* read files */
    SANDBOX_APPEND = 2, /* make files, and write at their ends */
    SANDBOX_REMOVE = 4, /* remove files: sockets of our own */
    SANDBOX_LIST = 8,   /* list folders */
};

struct sandbox {
    struct {
        int fd; /* of the file or folder, which all below it shares */
        unsigned access;
    } grants[SANDBOX_GRANTS_MAX];
    size_t count;
    bool connects; /* to TCP ports, which is nothing that the proxy does */
};

/* Grants a file, or a folder with all that is below it. What cannot be opened is not granted. */
void sandbox_grant(struct sandbox *sandbox, const char *path, unsigned access);
/* Grants the folder that holds path, and where path is a link, also the one that holds its target:
   a file that is replaced by rename, as editors and log rotation do, stays within reach. */
void sandbox_grant_folder_of(struct sandbox *sandbox, const char *path, unsigned access);

/* Closes the sandbox behind this thread and those that it starts; there is no way out. Releases
   the grants. False: the kernel has no seccomp, and err names the remedy. A kernel without Landlock
   is a line in the log. */
bool sandbox_enter(struct sandbox *sandbox, struct err *err);

/* False in a build with sanitizers, which need more of the system than the sandbox leaves:
   sandbox_enter() then does nothing and says so. */
bool sandbox_is_built(void);

#endif
