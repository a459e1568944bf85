/* --user; see drop.h. */
#include "drop.h"

#include "log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* What dockerd gives its socket to unless it is told otherwise. */
static const char usual_group[] = "docker";

static bool find_group(const char *name, gid_t *out, struct err *err)
{
    int64_t number = 0;
    const struct group *group = getgrnam(name);
    if (group)
        *out = group->gr_gid;
    else if (str_to_int(str_of(name), &number) && number >= 0 && number < UINT32_MAX)
        *out = (gid_t)number;
    else
        return err_set(err, 0, 0,
                       "--user: there is no group %s; make it with `groupadd --system %s`", name,
                       name);
    return true;
}

static bool find_user(const char *name, const char *group, struct drop *out, struct err *err)
{
    int64_t number = 0;
    const struct passwd *user = getpwnam(name);
    bool numeric = str_to_int(str_of(name), &number) && number >= 0 && number < UINT32_MAX;
    if (!user && numeric)
        user = getpwuid((uid_t)number);
    if (!user && !numeric)
        return err_set(err, 0, 0,
                       "--user: there is no user %s; make it with `useradd --system "
                       "--no-create-home --shell /usr/sbin/nologin %s`",
                       name, name);
    out->uid = user ? user->pw_uid : (uid_t)number;
    if (group)
        return find_group(group, &out->gid, err);
    if (!user)
        return err_set(err, 0, 0,
                       "--user %s: this number has no name, so it needs a group: %s:GROUP", name,
                       name);
    out->gid = user->pw_gid;
    return true;
}

/* The group that may open the daemon's socket. */
static void find_kept_group(const char *upstream, struct drop *out)
{
    struct stat st;
    const struct group *group;
    if (stat(upstream, &st) == 0) {
        out->keeps_group = true;
        out->group = st.st_gid;
    } else if ((group = getgrnam(usual_group)) != NULL) {
        out->keeps_group = true;
        out->group = group->gr_gid;
        log_warn("--user: %s is not there yet, so the group that may open it is not known; keeping "
                 "the group %s",
                 upstream, usual_group);
    }
    /* Root's own group opens more than a socket. */
    if (out->keeps_group && out->group == 0) {
        out->keeps_group = false;
        log_warn("--user: %s belongs to root's group, which is not kept; give the socket a group "
                 "of its own (dockerd --group docker)",
                 upstream);
    }
}

bool drop_find(const char *text, const char *upstream, struct drop *out, struct err *err)
{
    char name[64];
    *out = (struct drop){.uid = geteuid(), .gid = getegid()};
    if (!text)
        return true;
    if (strlen(text) >= sizeof(name))
        return err_set(err, 0, 0, "--user: the name is longer than %zu bytes", sizeof(name) - 1);
    snprintf(name, sizeof(name), "%s", text);
    char *group = strchr(name, ':');
    if (group)
        *group++ = '\0';
    if (!find_user(name, group, out, err))
        return false;
    if (out->uid == 0 || out->gid == 0)
        return err_set(err, 0, 0,
                       "--user %s is root or of root's group: name a user without power, or leave "
                       "the option out",
                       text);
    if (geteuid() != 0)
        return out->uid == geteuid() ||
               err_set(err, 0, 0,
                       "--user %s: only root can become another user; start as root, or leave the "
                       "option out",
                       text);
    out->wanted = true;
    snprintf(out->name, sizeof(out->name), "%s", name);
    find_kept_group(upstream, out);
    return true;
}

/* The kernel is asked again: a capability, or a set-id bit that was left, would let it come back.
 */
static bool is_final(const struct drop *drop)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
        return false;
    for (size_t i = 0; i < 3; i++)
        if (uid[i] != drop->uid || gid[i] != drop->gid)
            return false;
    return setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0 && setegid(0) != 0 &&
           setgroups(0, NULL) != 0;
}

bool drop_privileges(const struct drop *drop, struct err *err)
{
    if (!drop->wanted)
        return true;
    size_t groups = drop->keeps_group && drop->group != drop->gid ? 1 : 0;
    if (setgroups(groups, &drop->group) != 0 || setresgid(drop->gid, drop->gid, drop->gid) != 0 ||
        setresuid(drop->uid, drop->uid, drop->uid) != 0)
        return err_set(err, 0, 0, "cannot become the user %s: %s%s", drop->name, strerror(errno),
                       errno == EPERM ? "; the capabilities SETUID and SETGID are needed for it"
                                      : "");
    if (!is_final(drop))
        return err_set(err, 0, 0,
                       "the user %s could become root again, so nothing is served; start without "
                       "ambient capabilities and securebits, or as that user",
                       drop->name);
    return true;
}
