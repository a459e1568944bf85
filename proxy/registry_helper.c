/* The program sockwarden-registry: asks registries for whoever has started it, over sockets that it
   inherits. The first process forks the helper, which alone meets the network, and starts another
   one when that has ended; it reads nothing that anybody else writes. Not for people to start. */
#include "registry_fetch.h"
#include "registry_sandbox.h"
#include "registry_spawn.h"

#include "arena.h"
#include "trust_source.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PAUSE_MS = 100, /* before a helper that has died is started again; doubles */
    PAUSE_MAX_MS = 30000,
    LIVED_MS = 60000, /* after which the pause is short again */
    STATUS_OVER = 0,  /* of the helper: nobody asks any more */
    STATUS_BROKEN = 1,
    STATUS_STALE = 20, /* it wants to see files that have been replaced */
    TURN_MS = 60000,
};

/* An answer that has not been written yet. */
struct parcel {
    struct parcel *next;
    size_t sent, size; /* bytes of the body */
    bool begun;
    uint64_t id;
    size_t head_length;
    char *head;
    char body[];
};

struct line {
    int fd; /* -1: closed */
    struct parcel *first, **last;
};

static struct helper {
    struct registry_setup setup;
    struct arena arena; /* holds its texts */
    struct registry_fetcher *fetcher;
    struct line lines[REGISTRY_LINES_MAX];
    unsigned count, open;
} helper;

/* ---- answers ------------------------------------------------------------------------------- */

static void parcel_free(struct parcel *parcel)
{
    free(parcel->head);
    free(parcel);
}

static void close_line(unsigned at)
{
    struct line *line = &helper.lines[at];
    registry_fetcher_drop(helper.fetcher, at);
    while (line->first) {
        struct parcel *parcel = line->first;
        line->first = parcel->next;
        parcel_free(parcel);
    }
    shutdown(line->fd, SHUT_RDWR); /* the starter has it open, too */
    close(line->fd);
    line->fd = -1;
    helper.open--;
}

static size_t next_packet(const struct parcel *parcel, char *packet)
{
    size_t left = parcel->size - parcel->sent;
    if (!parcel->begun) {
        memcpy(packet, parcel->head, parcel->head_length);
        return parcel->head_length;
    }
    const struct registry_data data = {
        .id = parcel->id,
        .bytes = {parcel->body + parcel->sent, left < REGISTRY_DATA_MAX ? left : REGISTRY_DATA_MAX},
    };
    return registry_write_data(&data, packet);
}

/* As much as the socket takes. False: nobody is there any more. */
static bool send_some(struct line *line)
{
    static char packet[REGISTRY_PACKET_MAX];
    while (line->first) {
        struct parcel *parcel = line->first;
        size_t n = next_packet(parcel, packet);
        if (send(line->fd, packet, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
        if (parcel->begun)
            parcel->sent += parcel->size - parcel->sent < REGISTRY_DATA_MAX
                                ? parcel->size - parcel->sent
                                : REGISTRY_DATA_MAX;
        parcel->begun = true;
        if (parcel->sent < parcel->size)
            continue;
        line->first = parcel->next;
        if (!line->first)
            line->last = &line->first;
        parcel_free(parcel);
    }
    return true;
}

static void on_answer(void *arg, unsigned at, const struct registry_answer *answer)
{
    static char packet[REGISTRY_PACKET_MAX];
    struct line *line = &helper.lines[at];
    size_t n = registry_write_head(&answer->head, packet);
    struct parcel *parcel = malloc(sizeof(*parcel) + answer->body.n);
    char *head = malloc(n ? n : 1);
    (void)arg;
    if (!parcel || !head || n == 0)
        _exit(STATUS_BROKEN); /* an answer that is not given would be waited for */
    memcpy(head, packet, n);
    *parcel = (struct parcel){
        .id = answer->head.id, .size = answer->body.n, .head = head, .head_length = n};
    if (answer->body.n > 0)
        memcpy(parcel->body, answer->body.p, answer->body.n);
    *line->last = parcel;
    line->last = &parcel->next;
}

/* ---- questions ----------------------------------------------------------------------------- */

/* False: what came is no packet, or the end. */
static bool take_packet(unsigned at, struct str packet)
{
    struct registry_ask ask;
    uint64_t id;
    switch (registry_packet_kind(packet)) {
    case REGISTRY_ASK:
        if (!registry_read_ask(packet, &ask))
            return false;
        registry_fetcher_ask(helper.fetcher, at, &ask);
        return true;
    case REGISTRY_CANCEL:
        if (!registry_read_cancel(packet, &id))
            return false;
        registry_fetcher_cancel(helper.fetcher, at, id);
        return true;
    default:
        return false;
    }
}

static bool receive_some(unsigned at)
{
    static char packet[REGISTRY_PACKET_MAX + 1];
    for (;;) {
        ssize_t n = recv(helper.lines[at].fd, packet, sizeof(packet), MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0 || !take_packet(at, (struct str){packet, (size_t)n}))
            return false;
    }
}

static void serve_line(unsigned at, short ready)
{
    struct line *line = &helper.lines[at];
    bool ok = true;
    if (ready & (CURL_WAIT_POLLIN | CURL_WAIT_POLLPRI))
        ok = receive_some(at);
    if (ok && line->first)
        ok = send_some(line);
    if (!ok)
        close_line(at);
}

static unsigned collect(struct curl_waitfd *wanted, unsigned *which)
{
    unsigned count = 0;
    for (unsigned i = 0; i < helper.count; i++) {
        const struct line *line = &helper.lines[i];
        if (line->fd < 0)
            continue;
        short events = CURL_WAIT_POLLIN;
        if (line->first)
            events |= CURL_WAIT_POLLOUT;
        wanted[count] = (struct curl_waitfd){.fd = line->fd, .events = events};
        which[count++] = i;
    }
    return count;
}

static bool idle(void)
{
    for (unsigned i = 0; i < helper.count; i++)
        if (helper.lines[i].first)
            return false;
    return !registry_fetcher_busy(helper.fetcher);
}

/* Ends when nobody asks any more. What is replaced while nothing is asked is seen before the next
   question is read, which whoever comes then will find. */
static int serve(void)
{
    struct curl_waitfd wanted[REGISTRY_LINES_MAX];
    unsigned which[REGISTRY_LINES_MAX];
    while (helper.open > 0) {
        unsigned count = collect(wanted, which);
        if (!registry_fetcher_turn(helper.fetcher, wanted, count, TURN_MS))
            return STATUS_BROKEN;
        if (idle() && registry_sandbox_stale())
            return STATUS_STALE;
        for (unsigned i = 0; i < count; i++)
            serve_line(which[i], wanted[i].revents);
        for (unsigned i = 0; i < helper.count; i++)
            if (helper.lines[i].fd >= 0 && helper.lines[i].first)
                serve_line(i, 0);
    }
    return STATUS_OVER;
}

/* ---- processes ----------------------------------------------------------------------------- */

static bool say_ready(const struct err *err)
{
    char packet[REGISTRY_PACKET_MAX];
    size_t n = registry_write_ready(str_of(err->set ? err->text : ""), packet);
    return send(REGISTRY_SETUP_FD, packet, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* With its starter it ends, too; what a signal of the terminal or of systemd means is the starter's
   to say. */
static void tie_to_parent(pid_t parent)
{
    const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGXFSZ};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(STATUS_OVER);
}

static int run_helper(pid_t parent, bool first)
{
    struct err err = {.set = false};
    tie_to_parent(parent);
    bool ok = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    helper.fetcher = ok ? registry_fetcher_new(&helper.setup, on_answer, NULL) : NULL;
    if (!helper.fetcher)
        err_set(&err, 0, 0, "the registry helper cannot set up libcurl");
    ok = helper.fetcher && registry_sandbox_enter(&helper.setup, &err);
    if (first) {
        ok &= say_ready(&err);
        close(REGISTRY_SETUP_FD);
    }
    return ok ? serve() : STATUS_BROKEN;
}

static void tell_gone(int status)
{
    char packet[64];
    size_t n = registry_write_gone((uint32_t)status, packet);
    for (unsigned i = 0; i < helper.count; i++) {
        ssize_t ignored = send(helper.lines[i].fd, packet, n, MSG_NOSIGNAL);
        (void)ignored;
    }
}

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void pause_for(unsigned ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&ts, NULL);
}

/* Starts one helper after another, for as long as somebody asks. */
static int supervise(void)
{
    pid_t self = getpid();
    unsigned pause_ms = PAUSE_MS;
    for (bool first = true;; first = false) {
        uint64_t began = now_ms();
        int status = 0;
        pid_t child = fork();
        if (child == 0)
            _exit(run_helper(self, first));
        if (first)
            close(REGISTRY_SETUP_FD);
        while (child > 0 && waitpid(child, &status, 0) < 0)
            if (errno != EINTR)
                return STATUS_BROKEN;
        if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == STATUS_OVER)
            return STATUS_OVER;
        if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == STATUS_STALE) {
            pause_for(PAUSE_MS);
            continue;
        }
        tell_gone(status);
        pause_ms = now_ms() - began > LIVED_MS ? PAUSE_MS : pause_ms;
        pause_for(pause_ms);
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
}

/* ---- the start ----------------------------------------------------------------------------- */

static bool keep_setup(const struct registry_setup *setup)
{
    helper.setup = *setup;
    struct str *const texts[] = {&helper.setup.ca,          &helper.setup.proxy,
                                 &helper.setup.direct,      &helper.setup.private_hosts,
                                 &helper.setup.plain_hosts, &helper.setup.token_hosts};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = arena_copy(&helper.arena, *texts[i]);
        if (!texts[i]->p)
            return false;
    }
    return true;
}

static bool read_setup(void)
{
    static char packet[REGISTRY_PACKET_MAX + 1];
    struct registry_setup setup;
    ssize_t n = recv(REGISTRY_SETUP_FD, packet, sizeof(packet), 0);
    if (n <= 0 || !registry_read_setup((struct str){packet, (size_t)n}, &setup))
        return false;
    helper.count = helper.open = setup.lines;
    for (unsigned i = 0; i < helper.count; i++)
        helper.lines[i] =
            (struct line){.fd = REGISTRY_SETUP_FD + 1 + (int)i, .last = &helper.lines[i].first};
    return keep_setup(&setup);
}

static bool ca_readable(struct err *err)
{
    return helper.setup.ca.n == 0 || access(helper.setup.ca.p, R_OK) == 0 ||
           err_set(err, 0, 0,
                   "--registry-ca %s cannot be read by uid %u, as which registries are asked: %s; "
                   "`chmod a+r` helps, and its folder has to be open, too",
                   helper.setup.ca.p, (unsigned)geteuid(), strerror(errno));
}

int main(int argc, char **argv)
{
    struct err err = {.set = false};
    (void)argv;
    if (argc != 1 || !read_setup()) {
        fputs(
            "sockwarden-registry: sockwarden starts this by itself, when a policy wants a registry "
            "to be asked\n",
            stderr);
        return 2;
    }
    for (unsigned i = helper.count; i < REGISTRY_LINES_MAX; i++)
        helper.lines[i].fd = -1;
    if (!registry_sandbox_user(&helper.setup, &err) || !ca_readable(&err)) {
        say_ready(&err);
        return STATUS_BROKEN;
    }
    tie_to_parent(getppid());
    return supervise();
}
