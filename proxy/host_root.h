/* Where the daemon's file system is seen (--host-root), opened once at start; immutable once the
   sockets are told, so that all threads may look. */
#ifndef PROXY_HOST_ROOT_H
#define PROXY_HOST_ROOT_H

#include "err.h"

enum {
    HOST_SOCKETS_MAX = 48, /* the daemon's, containerd's and one for each listener */
    HOST_HIDDEN_MAX = 16   /* folders of which this process has a copy of its own */
};

struct host_root {
    int fd;            /* of the root, O_PATH; -1: by name only */
    bool by_name;      /* --host-root none */
    bool foreign;      /* what lies on the root's own mount is not the daemon's: a container */
    uint64_t mount;    /* of the root, as statx() numbers it */
    const char *doubt; /* why this may not be the daemon's file system; NULL: nothing says so */
    struct {
        char path[128];
    } hidden[HOST_HIDDEN_MAX];
    size_t hidden_count;
    struct host_socket {
        int from; /* where its path begins: the root, or AT_FDCWD */
        char path[112];
    } sockets[HOST_SOCKETS_MAX]; /* whoever holds one of them holds the host */
    size_t socket_count;
};

/* path: of --host-root, absolute or "none". upstream: path of the daemon's socket, by which it is
   asked whether it lives in this mount namespace; NULL: not known. False: err names the remedy. */
bool host_root_open(const char *path, const char *upstream, struct host_root *out, struct err *err);
void host_root_close(struct host_root *root);

/* Another socket that containers get by an entry written out only; fd listens on it, others than
   Unix sockets with a path are left out. Before threads start. */
void host_root_add_listener(struct host_root *root, int fd);

/* Does the path lie in a folder of which this process has a copy of its own? */
bool host_root_hides(const struct host_root *root, struct str path);

#endif
