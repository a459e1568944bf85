/* What a path is on the daemon's file system: a look that follows no link, and its result as the
   text of a fact. */
#ifndef PROXY_HOST_PATH_H
#define PROXY_HOST_PATH_H

#include "arena.h"
#include "host_root.h"

#include <limits.h>

enum host_state {
    HOST_UNSEEN = 0, /* cannot be told, for the reason in why */
    HOST_NONE,       /* judged by name only (--host-root none) */
    HOST_EXISTS,
    HOST_PARTLY, /* its first part does */
    HOST_LINK,   /* a symbolic link stands on the way, or at its end */
};

struct host_path {
    enum host_state state;
    const char *type;     /* of what exists: "folder", "file", "socket", "device", "fifo"; static */
    bool no_suid, no_dev; /* of its mount */
    bool vital;           /* a socket of the daemon or of this proxy, or the folder of one */
    bool moved;           /* links of the system led elsewhere: real is where it is */
    uint64_t device, inode; /* of what exists */
    size_t known;           /* bytes of real: that exist, or that name the link */
    size_t length;          /* of real */
    char real[PATH_MAX];    /* NUL-terminated */
    char why[400];          /* a phrase with its remedy; "" unless unseen */
};

/* path: absolute and in normal form; a trailing slash is taken. Links directly in /, /etc and /var
   are the system's (/var/run, /etc/localtime): they are followed, since whoever may put one there
   has the host already. Blocks as long as the file systems do. */
void host_path_look(const struct host_root *root, struct str path, struct host_path *out);

/* The same as JSON text in the arena: {"Path", "State": "exists" | "partly" | "link" | "unseen" |
   "none", "Real", "Existing", "Link", "Type", "NoSuid", "NoDev", "Vital", "Why"}, each where it
   applies. p NULL: out of memory. */
struct str host_path_fact(const struct host_root *root, struct str path, struct arena *arena);

#endif
