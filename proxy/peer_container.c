/* Containers of processes, by /proc; see peer_container.h.
 *
 * What counts is the outermost container that a cgroup path names. A process in a container may
 * have cgroups of its own below the container's, named as it likes, but can leave the container's
 * only with rights on the host's tree. A second container below the first cannot be told from one
 * that was made with the first as its parent cgroup (cgroup_parent) and is no part of it: such a
 * path names nobody. A user of the host to whom systemd has delegated
 * a tree can name a cgroup after any container: so the claim holds only when the container's first
 * process, which the daemon names, is in the very same cgroups.
 *
 * The mounts of a peer say nothing: in a user and mount namespace of its own a process mounts what
 * it likes over /etc/hostname. Only of this very process they are read.
 */
#include "peer_container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD /* since Linux 6.5, include/uapi/asm-generic/socket.h */
#define SO_PEERPIDFD 77
#endif

enum {
    CGROUP_TEXT_MAX = 16 << 10, /* bytes: 13 hierarchies of v1, each with a path */
    MOUNTS_TEXT_MAX = 1 << 20,
    STAT_TEXT_MAX = 4 << 10,
    STAT_FLAGS_FIELD = 9, /* proc(5) */
    EXITING = 0x4,        /* PF_EXITING of the kernel's include/linux/sched.h */
};

/* ---- names --------------------------------------------------------------------------------- */

static bool is_id(struct str text)
{
    bool good = text.n == CONTAINER_ID_LENGTH;
    for (size_t i = 0; good && i < text.n; i++)
        good = ascii_digit(text.p[i]) || (text.p[i] >= 'a' && text.p[i] <= 'f');
    return good;
}

static void copy_id(char dst[CONTAINER_ID_LENGTH + 1], struct str id)
{
    memcpy(dst, id.p, CONTAINER_ID_LENGTH);
    dst[CONTAINER_ID_LENGTH] = '\0';
}

enum name { NAME_OTHER, NAME_DOCKER, NAME_FOREIGN };

/* One part of a cgroup path. Docker's is the ID by the cgroupfs driver and "docker-ID.scope" by
   that of systemd; "libpod-ID.scope", "cri-containerd-ID.scope" and the like are other engines'. */
static enum name name_of(struct str part, struct str *id)
{
    struct str scope = STR(".scope");
    bool scoped = str_ends(part, scope);
    struct str bare = scoped ? str_head(part, part.n - scope.n) : part;
    if (bare.n < CONTAINER_ID_LENGTH)
        return NAME_OTHER;
    struct str prefix = str_head(bare, bare.n - CONTAINER_ID_LENGTH);
    *id = str_skip(bare, prefix.n);
    if (!is_id(*id))
        return NAME_OTHER;
    if (prefix.n == 0)
        return scoped ? NAME_FOREIGN : NAME_DOCKER;
    if (str_is(prefix, "docker-"))
        return scoped ? NAME_DOCKER : NAME_FOREIGN;
    return prefix.p[prefix.n - 1] == '-' ? NAME_FOREIGN : NAME_OTHER;
}

/* The container that a path names first; *place: the path down to it. */
static enum name outermost(struct str path, struct str *id, struct str *place)
{
    size_t at = 0;
    while (at < path.n) {
        struct str rest = str_skip(path, at);
        size_t n = str_find(rest, '/');
        enum name name = name_of(str_head(rest, n), id);
        at += n;
        *place = str_head(path, at);
        if (name != NAME_OTHER)
            return name;
        at++;
    }
    return NAME_OTHER;
}

static bool names_container(struct str path)
{
    struct str id, place;
    return outermost(path, &id, &place) != NAME_OTHER;
}

/* ---- cgroups ------------------------------------------------------------------------------- */

struct reading {
    struct container_place *out;
    size_t used; /* of out->cgroups */
    bool foreign;
    const char *why; /* NULL: all is clear yet */
};

static bool unclear(struct reading *reading, const char *why)
{
    reading->why = why;
    return false;
}

/* "4:memory:/docker/ID", "0::/system.slice/docker-ID.scope". */
static bool read_line(struct reading *reading, struct str line)
{
    struct container_place *out = reading->out;
    struct str id = {NULL, 0}, place = {NULL, 0};
    size_t number = str_find(line, ':');
    struct str rest = str_skip(line, number + 1);
    size_t controllers = str_find(rest, ':');
    if (number == 0 || number == line.n || controllers == rest.n)
        return unclear(reading, "its list of cgroups is not as the kernel writes it");
    struct str path = str_skip(rest, controllers + 1);
    enum name name = outermost(path, &id, &place);
    if (name == NAME_OTHER)
        return true;
    reading->foreign |= name == NAME_FOREIGN;
    if (reading->foreign && (name == NAME_DOCKER || out->id[0]))
        return unclear(reading, "its cgroups are of containers of two kinds");
    if (name == NAME_FOREIGN)
        return true;
    if (names_container(str_skip(path, place.n)))
        return unclear(reading, "its cgroup is of a container below another (docker in docker, or "
                                "a parent cgroup named after a container)");
    if (out->id[0] && !str_is(id, out->id))
        return unclear(reading, "its cgroups are of two containers");
    copy_id(out->id, id);
    size_t room = sizeof(out->cgroups) - reading->used;
    if (place.n + number + 3 > room)
        return unclear(reading, "its list of cgroups is too long");
    reading->used += (size_t)snprintf(out->cgroups + reading->used, room, "%.*s:%.*s\n",
                                      (int)number, line.p, (int)place.n, place.p);
    return true;
}

enum container_sign container_read_cgroups(struct str text, struct container_place *out,
                                           const char **why)
{
    struct reading reading = {.out = out, .why = NULL};
    bool good = true;
    out->id[0] = out->cgroups[0] = '\0';
    if (text.n == 0 || text.p[text.n - 1] != '\n')
        good = unclear(&reading, "its list of cgroups has no end");
    while (good && text.n > 0) {
        size_t n = str_find(text, '\n');
        good = read_line(&reading, str_head(text, n));
        text = str_skip(text, n + 1);
    }
    if (good)
        return out->id[0] ? CONTAINER_FOUND : CONTAINER_NONE;
    out->id[0] = out->cgroups[0] = '\0';
    *why = reading.why;
    return CONTAINER_UNCLEAR;
}

/* ---- mounts -------------------------------------------------------------------------------- */

/* The ID in ".../containers/ID/FILE". */
static bool id_of_file(struct str root, struct str file, struct str *id)
{
    struct str folder = STR("/containers/");
    if (!str_ends(root, file))
        return false;
    root = str_head(root, root.n - file.n); /* ends in a slash no more */
    if (root.n < folder.n + CONTAINER_ID_LENGTH)
        return false;
    *id = str_skip(root, root.n - CONTAINER_ID_LENGTH);
    return is_id(*id) && str_ends(str_head(root, root.n - CONTAINER_ID_LENGTH), folder);
}

/* The next word of a line. */
static struct str take_word(struct str *line)
{
    size_t n = str_find(*line, ' ');
    struct str word = str_head(*line, n);
    *line = str_skip(*line, n + 1);
    return word;
}

bool container_read_mounts(struct str mountinfo, char id[CONTAINER_ID_LENGTH + 1])
{
    static const char *const points[] = {"/etc/hostname", "/etc/resolv.conf", "/etc/hosts"};
    id[0] = '\0';
    while (mountinfo.n > 0) {
        size_t n = str_find(mountinfo, '\n');
        struct str line = str_head(mountinfo, n), found = {NULL, 0};
        mountinfo = str_skip(mountinfo, n + 1);
        for (int skipped = 0; skipped < 3; skipped++) /* mount, parent, device */
            take_word(&line);
        struct str root = take_word(&line), point = take_word(&line);
        for (size_t i = 0; i < ARRAY_LEN(points); i++) {
            struct str file = str_skip(str_of(points[i]), strlen("/etc"));
            if (!str_is(point, points[i]) || !id_of_file(root, file, &found))
                continue;
            if (id[0] && !str_is(found, id)) {
                id[0] = '\0';
                return false;
            }
            copy_id(id, found);
        }
    }
    return id[0] != '\0';
}

/* ---- processes ----------------------------------------------------------------------------- */

/* The whole file, or false: not readable, or larger than cap. */
static bool read_whole(const char *path, char *dst, size_t cap, struct str *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t used = 0;
    ssize_t n = -1;
    if (fd < 0)
        return false;
    while (used < cap && (n = read(fd, dst + used, cap - used)) > 0)
        used += (size_t)n;
    int error = errno;
    close(fd);
    errno = n > 0 || used == cap ? EFBIG : error;
    *out = (struct str){dst, used};
    return n == 0;
}

static bool read_of(int64_t pid, const char *file, char *dst, size_t cap, struct str *out)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%lld/%s", (long long)pid, file);
    return read_whole(path, dst, cap, out);
}

/* Of a process whose first thread is on its way out cgroup v1 says "/", which is no container. */
static bool is_exiting(int64_t pid)
{
    char text[STAT_TEXT_MAX];
    struct str stat;
    int64_t flags = 0;
    if (!read_of(pid, "stat", text, sizeof(text), &stat))
        return true;
    stat = str_skip(stat, str_rfind(stat, ')') + 2); /* the name may hold anything */
    for (int field = 3; field < STAT_FLAGS_FIELD; field++)
        take_word(&stat);
    return !str_to_int(take_word(&stat), &flags) || (flags & EXITING) != 0;
}

static enum container_sign place_of(int64_t pid, struct container_place *out, const char **why)
{
    char text[CGROUP_TEXT_MAX];
    struct str cgroups;
    if (!read_of(pid, "cgroup", text, sizeof(text), &cgroups)) {
        *why = errno == ENOENT || errno == ESRCH
                   ? "it has ended, or /proc does not show it (hidepid)"
               : errno == EACCES /* Landlock's; hidepid gives another */
                   ? "the sandbox keeps /proc closed; restart sockwarden with this policy"
                   : "its list of cgroups cannot be read";
        return CONTAINER_UNCLEAR;
    }
    enum container_sign sign = container_read_cgroups(cgroups, out, why);
    if (sign == CONTAINER_UNCLEAR || !is_exiting(pid))
        return sign;
    *why = "it has ended";
    return CONTAINER_UNCLEAR;
}

/* A hold on the process, by which its number cannot become another's unnoticed. Before Linux 6.5 it
   is taken now, and not as of the connect(). */
static int hold_peer(int fd, int32_t pid, bool fresh)
{
    int held = -1;
    socklen_t length = sizeof(held);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &held, &length) == 0)
        return held;
    return errno == ENOPROTOOPT && fresh ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static bool lives(int held)
{
    struct pollfd poll_fd = {.fd = held, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 0;
}

enum container_sign peer_container_read(int fd, int32_t pid, bool fresh,
                                        struct container_place *out, const char **why)
{
    out->id[0] = out->cgroups[0] = '\0';
    if (pid <= 0)
        return CONTAINER_NONE;
    int held = hold_peer(fd, pid, fresh);
    if (held < 0) {
        *why = errno == ENOSYS        ? "the kernel is older than 5.3"
               : errno == ENOPROTOOPT ? "it connected too long ago for a kernel older than 6.5"
                                      : "it has ended";
        return CONTAINER_UNCLEAR;
    }
    enum container_sign sign = place_of(pid, out, why);
    /* Still there: all that was read was of this process. */
    if (!lives(held)) {
        *why = "it has ended";
        sign = CONTAINER_UNCLEAR;
    }
    close(held);
    return sign;
}

bool container_sees(int64_t pid)
{
    char text[CGROUP_TEXT_MAX];
    struct str cgroups;
    return read_of(pid, "cgroup", text, sizeof(text), &cgroups);
}

bool container_confirm(const struct container_place *place, int64_t first_pid, const char **why)
{
    struct container_place first;
    *why = "its first process cannot be seen from here (another pid namespace)";
    if (first_pid <= 0 || place_of(first_pid, &first, why) == CONTAINER_UNCLEAR)
        return false;
    *why = "its first process is in other cgroups";
    return strcmp(first.id, place->id) == 0 && strcmp(first.cgroups, place->cgroups) == 0;
}

/* ---- this process -------------------------------------------------------------------------- */

bool own_container_id(char id[CONTAINER_ID_LENGTH + 1])
{
    static char text[MOUNTS_TEXT_MAX]; /* only at start, by one thread */
    struct container_place place;
    const char *why = NULL;
    struct str read;
    /* In docker in docker the cgroups may name the container on the outside, the mounts never. */
    if (read_whole("/proc/self/mountinfo", text, sizeof(text), &read) &&
        container_read_mounts(read, id))
        return true;
    id[0] = '\0';
    if (!read_whole("/proc/self/cgroup", text, sizeof(text), &read) ||
        container_read_cgroups(read, &place, &why) != CONTAINER_FOUND)
        return false;
    copy_id(id, str_of(place.id));
    return true;
}
