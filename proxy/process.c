/* The process's own state; see process.h. Folders of /proc cannot be listed in the sandbox, so open
   descriptors are found by asking for each. */
#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { ASKED_AT_ONCE = 256 };

static uint64_t read_clock(clockid_t clock)
{
    struct timespec ts;
    if (clock_gettime(clock, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void process_open(struct process *process, unsigned fds_limit)
{
    *process = (struct process){
        .statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC),
        .start_ns = read_clock(CLOCK_REALTIME),
        .fds_limit = fds_limit,
    };
}

void process_close(struct process *process)
{
    if (process->statm_fd >= 0)
        close(process->statm_fd);
    process->statm_fd = -1;
}

/* poll() marks what is not open, and looks at all of them in one call. */
static unsigned count_fds(unsigned limit)
{
    struct pollfd asked[ASKED_AT_ONCE];
    unsigned open_ones = 0;
    for (unsigned from = 0; from < limit; from += ASKED_AT_ONCE) {
        unsigned count = limit - from < ASKED_AT_ONCE ? limit - from : ASKED_AT_ONCE;
        for (unsigned i = 0; i < count; i++)
            asked[i] = (struct pollfd){.fd = (int)(from + i)};
        if (poll(asked, count, 0) < 0)
            break;
        for (unsigned i = 0; i < count; i++)
            open_ones += !(asked[i].revents & POLLNVAL);
    }
    return open_ones;
}

/* proc(5): sizes in pages, "total resident ...". */
static void read_statm(int fd, struct process_state *out)
{
    char text[128];
    unsigned long long total, resident;
    if (fd < 0 || lseek(fd, 0, SEEK_SET) != 0)
        return;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return;
    text[n] = '\0';
    long page = sysconf(_SC_PAGESIZE);
    if (page > 0 && sscanf(text, "%llu %llu", &total, &resident) == 2) {
        out->virtual_size = total * (uint64_t)page;
        out->resident = resident * (uint64_t)page;
    }
}

void process_read(const struct process *process, struct process_state *out)
{
    struct rlimit limit = {0, 0};
    *out = (struct process_state){
        .start_ns = process->start_ns,
        .cpu_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID),
    };
    read_statm(process->statm_fd, out);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        out->fds_max = limit.rlim_cur < UINT32_MAX ? (unsigned)limit.rlim_cur : UINT32_MAX;
    out->fds = count_fds(process->fds_limit < out->fds_max ? process->fds_limit : out->fds_max);
}
