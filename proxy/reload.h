/* HUP: policy, role, certificate, key, CAs and revocation lists are loaded anew, and audit files
   opened again. All or nothing: while anything is wrong, all stays as it is. */
#ifndef PROXY_RELOAD_H
#define PROXY_RELOAD_H

#include "snapshot_load.h"

struct reload {
    struct snapshot_source source;
    struct snapshot *snapshot; /* what new connections get; a reference */
    struct server *server;
    struct audit_sink *sink;
    const struct systemd_notifier *notifier;
    struct event *hup, *tick;
    bool registry;  /* there is who asks registries, since the start */
    bool waiting;   /* until all loops have the new set */
    bool again;     /* asked for meanwhile */
    bool stopping;  /* nothing is loaded any more */
    char said[320]; /* the line of the log, once all have it */
};

/* Reloads by SIGHUP from now on, in the main thread's loop. False when out of memory. */
bool reload_watch(struct reload *reload);
/* Frees events, source and the reference. */
void reload_close(struct reload *reload);

#endif
