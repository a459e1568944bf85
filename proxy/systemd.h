/* What systemd hands to a service, and what it wants to hear, without its library: inherited
   sockets (sd_listen_fds) and the notify protocol (sd_notify). */
#ifndef PROXY_SYSTEMD_H
#define PROXY_SYSTEMD_H

#include "err.h"

enum { SYSTEMD_SOCKETS_MAX = 64, SYSTEMD_FIRST_FD = 3 };

struct systemd_sockets {
    struct {
        char name[256]; /* FileDescriptorName= */
        bool taken;     /* by a listener, which closes it */
    } sockets[SYSTEMD_SOCKETS_MAX];
    size_t count; /* descriptors SYSTEMD_FIRST_FD and up; 0 when none are meant for us */
};

/* Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, and marks the descriptors close-on-exec. */
bool systemd_read_sockets(struct systemd_sockets *out, struct err *err);
/* Is this descriptor a stream socket that listens? name is for the message. */
bool systemd_check_socket(int fd, const char *name, struct err *err);
/* Closes what no listener has taken, with a warning that says how to use it. */
void systemd_close_rest(struct systemd_sockets *sockets);

struct systemd_notifier {
    int fd;               /* -1: nobody listens */
    uint64_t watchdog_ms; /* 0: none; else systemd restarts us when it hears nothing for so long */
};

/* Connects to NOTIFY_SOCKET, so that no path has to be looked up later; reads WATCHDOG_USEC and
   WATCHDOG_PID. A socket that cannot be reached is warned about. */
void systemd_open_notifier(struct systemd_notifier *out);
/* Sends assignments, one a line: "READY=1\nSTATUS=...". */
void systemd_notify(const struct systemd_notifier *notifier, const char *state);
/* RELOADING=1 with the time, as Type=notify-reload wants it; READY=1 ends it. */
void systemd_notify_reloading(const struct systemd_notifier *notifier);
void systemd_close_notifier(struct systemd_notifier *notifier);

#endif
