/* Starts the program that asks registries, before threads and sandbox are there. */
#ifndef PROXY_REGISTRY_SPAWN_H
#define PROXY_REGISTRY_SPAWN_H

#include "config.h"
#include "registry_wire.h"

enum { REGISTRY_SETUP_FD = 3 /* in the helper; the lines' sockets come after it */ };

struct registry_lines {
    int fds[REGISTRY_LINES_MAX]; /* this side's; not blocking; -1 once somebody has taken it */
    size_t count;
};

/* Starts the helper with a socket for each of count event loops, and waits until it is ready. False
   with err set: what is missing, and the remedy. */
bool registry_spawn(const struct config *config, size_t count, struct registry_lines *out,
                    struct err *err);
void registry_lines_close(struct registry_lines *lines);

#endif
