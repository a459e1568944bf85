/* Paths as text: normal form, containment, and the places of the host that a policy must name one
   by one. Nothing is looked up on a file system. */
#include "checks.h"

/* Sockets, state and settings of the daemon and of containerd, and the kernel's own trees. Whoever
   holds one of them holds the host. */
#define VITAL(path)            \
    {                          \
        path, sizeof(path) - 1 \
    }
static const struct str vital_paths[] = {
    VITAL("/var/run"),
    VITAL("/run"),
    VITAL("/var/lib/docker"),
    VITAL("/var/lib/containerd"),
    VITAL("/var/snap/docker"), /* data and settings of Ubuntu's snap */
    VITAL("/etc/docker"),
    VITAL("/proc"),
    VITAL("/sys"),
    VITAL("/dev"),
};

/* Does a '/' or a '.' stand behind a '/'? Most paths have neither. The two differ in one bit. */
static bool has_odd_part(struct str path)
{
    enum { BLOCK = 16 /* bytes; a fixed number, so that the compiler takes them at once */ };
    unsigned char odd = 0;
    while (path.n > BLOCK) {
        for (size_t i = 0; i < BLOCK; i++)
            odd |= (unsigned char)((path.p[i] == '/') & ((path.p[i + 1] | 1) == '/'));
        size_t left = path.n - BLOCK - 1;
        if (left == 0)
            return odd;
        path = str_skip(path, left < BLOCK ? left : BLOCK); /* the last block overlaps */
    }
    for (size_t i = 1; i < path.n; i++)
        odd |= (unsigned char)((path.p[i - 1] == '/') & ((path.p[i] | 1) == '/'));
    return odd;
}

bool path_is_normal(struct str path)
{
    if (path.n == 0 || path.p[0] != '/')
        return false;
    if (!has_odd_part(path))
        return true;
    for (size_t i = 1; i < path.n;) {
        struct str rest = str_skip(path, i);
        struct str part = str_head(rest, str_find(rest, '/'));
        if (part.n == 0 || str_is(part, ".") || str_is(part, ".."))
            return false;
        i += part.n + 1;
    }
    return true;
}

struct str path_trim(struct str path)
{
    return path.n > 1 && path.p[path.n - 1] == '/' ? str_head(path, path.n - 1) : path;
}

bool path_is_within(struct str path, struct str root)
{
    return root.n == 1 || (str_starts(path, root) && (path.n == root.n || path.p[root.n] == '/'));
}

struct str path_parent(struct str path)
{
    if (path.n <= 1)
        return (struct str){path.p, 0};
    size_t slash = str_rfind(path, '/');
    return str_head(path, slash ? slash : 1);
}

bool path_is_vital(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(vital_paths); i++) {
        if (path.n > 1 && path.p[1] != vital_paths[i].p[1])
            continue; /* neither holds the other */
        if (path_is_within(path, vital_paths[i]) || path_is_within(vital_paths[i], path))
            return true;
    }
    return false;
}

/* The next component of path from *at on; empty at the end. */
static struct str next_part(struct str path, size_t *at)
{
    while (*at < path.n && path.p[*at] == '/')
        (*at)++;
    struct str rest = str_skip(path, *at);
    struct str part = str_head(rest, str_find(rest, '/'));
    *at += part.n;
    return part;
}

bool path_is_kernel(struct str path)
{
    if (path.n > 0 && path.p[0] == '/' && !has_odd_part(path))
        return path_is_within(path, STR("/proc")) || path_is_within(path, STR("/sys"));
    /* Only the first component of the cleaned path matters: depth counts how many there are. */
    struct str first = {NULL, 0};
    size_t depth = 0;
    size_t at = 0;
    for (struct str part = next_part(path, &at); part.n > 0; part = next_part(path, &at)) {
        if (str_is(part, "."))
            continue;
        if (str_is(part, "..")) {
            depth -= depth > 0;
        } else if (depth++ == 0) {
            first = part;
        }
    }
    return depth > 0 && (str_is(first, "proc") || str_is(first, "sys"));
}

enum finding judge_target(struct check *check, struct str target)
{
    if (!path_is_kernel(target))
        return FINDING_PASS;
    SHOWN(shown, target);
    return refuse_unless_open(check, target,
                              "is \"%s\", at or below /proc or /sys, where a mount or a working "
                              "directory has led out of containers",
                              shown);
}
