/* Volumes by paths and mounts; see own_volume.h. */
#include "own_volume.h"

#include <string.h>

/* The part of a path up to the next slash; it is cut off together with that. */
static struct str take_part(struct str *path)
{
    struct str part = str_head(*path, str_find(*path, '/'));
    *path = str_skip(*path, part.n + 1);
    return part;
}

bool own_volume_next(struct str *path, struct str *name)
{
    struct str before = take_part(path); /* the empty one before the first slash */
    bool rooted = before.n == 0;
    while (rooted && path->n > 0) {
        before = take_part(path);
        struct str rest = *path;
        *name = take_part(&rest);
        if (!str_is(before, "volumes") || name->n == 0 || !str_is(take_part(&rest), "_data"))
            continue;
        /* Back to the slash that rest may begin behind. */
        *path = rest.n > 0 ? (struct str){rest.p - 1, rest.n + 1} : rest;
        return true;
    }
    return false;
}

static bool is_octal(const char *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

/* Blanks and backslashes are written as three octal digits. */
static struct str unescape(char *word)
{
    char *to = word;
    for (const char *from = word; *from; from++) {
        if (*from == '\\' && is_octal(from + 1)) {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    return (struct str){word, (size_t)(to - word)};
}

static bool is_within(struct str path, struct str point)
{
    if (str_is(point, "/"))
        return true;
    return str_starts(path, point) && (path.n == point.n || path.p[point.n] == '/');
}

bool own_volume_mount(char *line, struct str path, struct str *root)
{
    enum { ROOT = 3, POINT = 4, WORDS }; /* after mount, parent and device */
    char *words[WORDS], *rest = NULL;
    for (size_t i = 0; i < WORDS; i++) {
        words[i] = strtok_r(i == 0 ? line : NULL, " \n", &rest);
        if (!words[i])
            return false;
    }
    *root = unescape(words[ROOT]);
    return is_within(path, unescape(words[POINT]));
}
