/* In which container a process runs: the peer of a Unix socket, and this proxy itself. By what the
   kernel says of cgroups, which a process in a container cannot choose. It asks no daemon. */
#ifndef PROXY_PEER_CONTAINER_H
#define PROXY_PEER_CONTAINER_H

#include "base.h"

enum {
    CONTAINER_ID_LENGTH = 64,  /* hex digits, in lower case */
    CONTAINER_PLACE_MAX = 4096 /* bytes; beyond, nothing is known */
};

/* The cgroups of a process as far as they are those of one container. */
struct container_place {
    char id[CONTAINER_ID_LENGTH + 1];  /* full ID; "": in none */
    char cgroups[CONTAINER_PLACE_MAX]; /* "HIERARCHY:PATH\n" down to the container, of each that
                                          names it */
};

enum container_sign {
    CONTAINER_UNCLEAR = 0, /* cannot be told */
    CONTAINER_NONE,        /* in no container of Docker's, or not visible from here at all */
    CONTAINER_FOUND,       /* claimed by the cgroups; what the daemon says has to agree */
};

/* Reads the text of /proc/PID/cgroup (cgroups(7)), of cgroup v1 or v2, by the cgroupfs or the
   systemd driver. Only FOUND fills out; UNCLEAR sets why, a static phrase. */
enum container_sign container_read_cgroups(struct str text, struct container_place *out,
                                           const char **why);

/* The ID of the container whose files Docker has mounted over /etc/hostname, resolv.conf and hosts,
   from the text of /proc/self/mountinfo (proc(5)). False: none, or they differ. Not for other
   processes: who may mount in a namespace of its own chooses what stands there. */
bool container_read_mounts(struct str mountinfo, char id[CONTAINER_ID_LENGTH + 1]);

/* The container of the process that connected this socket, whose SO_PEERCRED says pid. pid 0, which
   is a process of a pid namespace that is not seen from here, is NONE. A process that has ended is
   UNCLEAR, since its number may be another's by now. fresh: it has connected this moment, so that
   the number is still its own; else a kernel before 6.5, which keeps no hold on it, cannot tell. */
enum container_sign peer_container_read(int fd, int32_t pid, bool fresh,
                                        struct container_place *out, const char **why);

/* Can the cgroups of this process be read? */
bool container_sees(int64_t pid);

/* Is the container's first process, as the daemon's inspect names it (State.Pid), in the cgroups of
   place? False: why says what is amiss. */
bool container_confirm(const struct container_place *place, int64_t first_pid, const char **why);

/* The full ID of the container that this process runs in. False: none that can be told. */
bool own_container_id(char id[CONTAINER_ID_LENGTH + 1]);

#endif
