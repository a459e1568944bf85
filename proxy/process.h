/* What the kernel says of this process, as far as the sandbox lets it ask. */
#ifndef PROXY_PROCESS_H
#define PROXY_PROCESS_H

#include "base.h"

struct process {
    int statm_fd;       /* /proc/self/statm; -1: there is none. Owned */
    uint64_t start_ns;  /* since the epoch */
    unsigned fds_limit; /* no descriptor is expected at or above it */
};

struct process_state {
    uint64_t start_ns, cpu_ns;
    uint64_t resident, virtual_size; /* bytes; 0: unknown */
    unsigned fds, fds_max;
};

/* Before the sandbox is entered. fds_limit: how far open descriptors are looked for. */
void process_open(struct process *process, unsigned fds_limit);
void process_close(struct process *process);
void process_read(const struct process *process, struct process_state *out);

#endif
