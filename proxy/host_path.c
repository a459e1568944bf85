/* What a path is on the daemon's file system; see host_path.h. Each component is opened by itself
   and never followed, from the descriptor of the one before: so no exchange of folders between two
   steps leads the look astray. openat2() would do it in one call, but hides its flags in memory,
   where the filter of system calls could not hold it to reading. */
#include "host_path.h"

#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    HOPS_MAX = 8,          /* links of the system that are followed */
    AUTOFS_MAGIC = 0x0187, /* statfs(2) */
    FLAG_NOSUID = 2,       /* ST_NOSUID, ST_NODEV of statfs(2) */
    FLAG_NODEV = 4
};

static void close_step(const struct host_root *root, int fd)
{
    if (fd >= 0 && fd != root->fd)
        close(fd);
}

/* ---- what cannot be seen --------------------------------------------------------------------- */

static struct str known_part(const struct host_path *path)
{
    return path->known ? (struct str){path->real, path->known} : STR("/");
}

static void unseen(struct host_path *path, const char *why)
{
    path->state = HOST_UNSEEN;
    snprintf(path->why, sizeof(path->why), "%s", why);
}

static void unseen_error(struct host_path *path, int error)
{
    char shown[128];
    text_shorten(shown, sizeof(shown), known_part(path));
    path->state = HOST_UNSEEN;
    if (error == EACCES || error == EPERM)
        snprintf(path->why, sizeof(path->why),
                 "the user that sockwarden runs as may not look into %s; let it enter that folder "
                 "(`setfacl -m u:USER:x`), or run sockwarden as root",
                 shown);
    else
        snprintf(path->why, sizeof(path->why), "%s below %s", strerror(error), shown);
}

/* A container's own files say nothing of the daemon's. */
static bool is_foreign(const struct host_root *root, const struct statx *st)
{
    return root->foreign && (!(st->stx_mask & STATX_MNT_ID) || st->stx_mnt_id == root->mount);
}

static void unseen_foreign(struct host_path *path)
{
    unseen(path, "it is not mounted in sockwarden's container; mount the allowed trees there at "
                 "the same paths, or the host's / somewhere with --host-root naming that folder");
}

static bool is_hidden(const struct host_root *root, struct host_path *path)
{
    if (!host_root_hides(root, (struct str){path->real, path->length}))
        return false;
    if (root->foreign)
        unseen_foreign(path);
    else
        unseen(path, "sockwarden's service has another folder in its place; leave out PrivateTmp= "
                     "in its unit, or set ProtectHome=read-only");
    return true;
}

/* ---- what is seen ---------------------------------------------------------------------------- */

static const char *type_of(unsigned mode)
{
    return S_ISDIR(mode)    ? "folder"
           : S_ISREG(mode)  ? "file"
           : S_ISSOCK(mode) ? "socket"
           : S_ISFIFO(mode) ? "fifo"
                            : "device";
}

static bool is_same(const struct statx *st, int from, const char *path)
{
    struct statx other;
    return statx(from, path, AT_EMPTY_PATH, STATX_INO, &other) == 0 &&
           other.stx_ino == st->stx_ino && other.stx_dev_major == st->stx_dev_major &&
           other.stx_dev_minor == st->stx_dev_minor;
}

/* A folder that holds the socket, which a bind mount can show elsewhere. */
static bool holds_socket(const struct statx *st, const struct host_socket *held)
{
    char path[sizeof(held->path)];
    snprintf(path, sizeof(path), "%s", held->path);
    for (char *slash; (slash = strrchr(path, '/')) && slash > path;) {
        *slash = '\0';
        if (is_same(st, held->from, path))
            return true;
    }
    return held->from != AT_FDCWD && is_same(st, held->from, "");
}

/* Under whatever name. A socket has a new inode each time it is bound, so it is asked each time. */
static bool is_vital(const struct host_root *root, const struct statx *st)
{
    for (size_t i = 0; i < root->socket_count; i++) {
        const struct host_socket *held = &root->sockets[i];
        if (S_ISSOCK(st->stx_mode) ? is_same(st, held->from, held->path)
                                   : S_ISDIR(st->stx_mode) && holds_socket(st, held))
            return true;
    }
    return false;
}

/* The end of the walk: fd is the last part that exists. */
static void describe(const struct host_root *root, int fd, const struct statx *st,
                     struct host_path *path)
{
    struct statfs mount;
    if (is_foreign(root, st)) {
        unseen_foreign(path);
        return;
    }
    if (fstatfs(fd, &mount) != 0) {
        unseen_error(path, errno);
        return;
    }
    if (mount.f_type == AUTOFS_MAGIC) {
        unseen(path, "it is mounted when it is used first; mount it before");
        return;
    }
    path->state = path->known == path->length ? HOST_EXISTS : HOST_PARTLY;
    path->type = type_of(st->stx_mode);
    path->no_suid = (mount.f_flags & FLAG_NOSUID) != 0;
    path->no_dev = (mount.f_flags & FLAG_NODEV) != 0;
    path->device = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
    path->inode = st->stx_ino;
    path->vital = path->state == HOST_EXISTS && is_vital(root, st);
}

/* ---- links of the system --------------------------------------------------------------------- */

/* Is this normal form, without a first '/'? */
static bool is_plain(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "/");
        if (n == 0 || (n == 1 && text[0] == '.') || (n == 2 && text[0] == '.' && text[1] == '.'))
            return false;
        text += n;
        if (*text == '/' && *++text == '\0')
            return false;
    }
    return true;
}

/* Puts the target in the link's place, the first path->known bytes of real. What stands before the
   link has no links, so that ".." can be taken from the text. */
static bool put_target(struct host_path *path, const char *target)
{
    char next[sizeof(path->real)];
    size_t folder = 0;
    if (target[0] != '/')
        folder = str_rfind((struct str){path->real, path->known}, '/');
    else
        target++;
    while (strncmp(target, "../", 3) == 0) {
        target += 3;
        folder = folder ? str_rfind((struct str){path->real, folder}, '/') : 0;
    }
    int n = snprintf(next, sizeof(next), "%.*s/%s%s", (int)folder, path->real, target,
                     path->real + path->known);
    if (!*target || !is_plain(target) || n <= 0 || (size_t)n >= sizeof(next))
        return false;
    memcpy(path->real, next, (size_t)n + 1);
    path->length = (size_t)n;
    path->moved = true;
    return true;
}

static bool is_system_folder(struct str path)
{
    return path.n == 0 || str_is(path, "/etc") || str_is(path, "/var");
}

/* fd is a link. True: it is the system's, and real has become where it leads. */
static bool follow(int fd, struct host_path *path)
{
    char target[PATH_MAX];
    size_t slash = str_rfind((struct str){path->real, path->known}, '/');
    if (!is_system_folder((struct str){path->real, slash}))
        return false;
    ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
    if (n <= 0 || (size_t)n >= sizeof(target) - 1)
        return false;
    target[n] = '\0';
    return put_target(path, target);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The component of real behind what is known; opened, never followed. -1: errno says why. */
static int open_next(int fd, const struct host_path *path, size_t *end)
{
    char name[NAME_MAX + 1];
    struct str rest = {path->real + path->known + 1, path->length - path->known - 1};
    struct str part = str_head(rest, str_find(rest, '/'));
    *end = path->known + 1 + part.n;
    if (part.n >= sizeof(name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, part.p, part.n);
    name[part.n] = '\0';
    return openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

enum step { STEP_ON, STEP_END, STEP_AGAIN };

/* One component on: *fd and *st become those of the next. */
static enum step walk_step(const struct host_root *root, struct host_path *path, int *fd,
                           struct statx *st)
{
    size_t end;
    int next = open_next(*fd, path, &end);
    if (next < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            describe(root, *fd, st, path);
        else
            unseen_error(path, errno);
        return STEP_END;
    }
    close_step(root, *fd);
    *fd = next;
    path->known = end;
    if (statx(next, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, st) != 0) {
        unseen_error(path, errno);
        return STEP_END;
    }
    if (!S_ISLNK(st->stx_mode))
        return STEP_ON;
    if (follow(next, path))
        return STEP_AGAIN;
    path->state = HOST_LINK;
    if (is_foreign(root, st))
        unseen_foreign(path);
    return STEP_END;
}

/* From the root to the end of real, or to what stands in the way. */
static enum step walk(const struct host_root *root, struct host_path *path)
{
    struct statx st;
    int fd = root->fd;
    enum step step = STEP_ON;
    path->known = 0;
    if (is_hidden(root, path))
        return STEP_END;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &st) != 0) {
        unseen_error(path, errno);
        return STEP_END;
    }
    while (step == STEP_ON && path->known < path->length)
        step = walk_step(root, path, &fd, &st);
    if (step == STEP_ON)
        describe(root, fd, &st, path);
    close_step(root, fd);
    return step;
}

void host_path_look(const struct host_root *root, struct str path, struct host_path *out)
{
    *out = (struct host_path){.state = root->by_name ? HOST_NONE : HOST_UNSEEN};
    if (root->by_name)
        return;
    if (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    if (path.n >= sizeof(out->real) || memchr(path.p, '\0', path.n)) {
        unseen(out, "it is longer than a path may be");
        return;
    }
    memcpy(out->real, path.p, path.n);
    out->length = path.n;
    for (int hops = 0; hops <= HOPS_MAX; hops++)
        if (walk(root, out) != STEP_AGAIN)
            return;
    unseen(out, "too many symbolic links follow one another");
}

/* ---- the fact -------------------------------------------------------------------------------- */

static void write_fact(const struct host_path *look, struct str path, struct json_out *out)
{
    static const char *const states[] = {[HOST_UNSEEN] = "unseen",
                                         [HOST_NONE] = "none",
                                         [HOST_EXISTS] = "exists",
                                         [HOST_PARTLY] = "partly",
                                         [HOST_LINK] = "link"};
    bool is_there = look->state == HOST_EXISTS || look->state == HOST_PARTLY;
    json_out_open(out, '{');
    json_out_member(out, "Path", path);
    json_out_member(out, "State", str_of(states[look->state]));
    if (is_there && look->moved)
        json_out_member(out, "Real",
                        look->length ? (struct str){look->real, look->length} : STR("/"));
    if (look->state == HOST_PARTLY)
        json_out_member(out, "Existing", known_part(look));
    if (look->state == HOST_LINK)
        json_out_member(out, "Link", known_part(look));
    if (is_there)
        json_out_member(out, "Type", str_of(look->type));
    const struct {
        const char *name;
        bool set;
    } flags[] = {{"NoSuid", look->no_suid}, {"NoDev", look->no_dev}, {"Vital", look->vital}};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].set) {
            json_out_key(out, flags[i].name);
            json_out_raw(out, STR("true"));
        }
    if (look->state == HOST_UNSEEN)
        json_out_member(out, "Why", str_of(look->why));
    json_out_close(out, '}');
}

struct str host_path_fact(const struct host_root *root, struct str path, struct arena *arena)
{
    struct host_path look;
    struct json_out measure = {.p = NULL};
    host_path_look(root, path, &look);
    write_fact(&look, path, &measure);
    struct json_out out = {.p = arena_alloc(arena, measure.len + 1, 1), .cap = measure.len};
    if (!out.p)
        return (struct str){NULL, 0};
    write_fact(&look, path, &out);
    return (struct str){out.p, out.len};
}
