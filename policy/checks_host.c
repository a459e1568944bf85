/* Bind sources as they are on the daemon's file system, told by a fact: links, and what rules the
   host under another name. What the policy says of their text, checks_mount.c has judged. */
#include "checks.h"

#include "facts.h"

enum { WHY_MAX = 512 };

static bool is_written_out(const struct check *check, const struct bind *bind, struct str source)
{
    bool only_read_only;
    return bind_listed(check, bind, source, true, &only_read_only);
}

static enum finding refuse_link(struct check *check, const struct found *found, struct str source)
{
    SHOWN(shown, source);
    SHOWN(link, fact_text(found, "Link"));
    return refuse_with(check, KEY_BINDS, source, NULL,
                       "mounts \"%s\", where \"%s\" is a symbolic link on the daemon's file "
                       "system: bind the path that it leads to",
                       shown, link);
}

static enum finding refuse_unseen(struct check *check, const struct found *found, struct str source)
{
    char why[WHY_MAX];
    SHOWN(shown, source);
    text_shorten(why, sizeof(why), fact_text(found, "Why"));
    return refuse_with(check, KEY_BINDS, source, NULL,
                       "mounts \"%s\", which sockwarden cannot see on the daemon's file system: %s",
                       shown, why);
}

/* The system's own links lead to another place than the entry's author may have thought of. */
static enum finding judge_real(struct check *check, const struct bind *bind, struct str source,
                               struct str real)
{
    bool vital = path_is_vital(real) || path_is_own(check->role, real);
    bool vital_text = path_is_vital(source) || path_is_own(check->role, source);
    SHOWN(shown, source);
    SHOWN(led, real);
    if (vital && !vital_text)
        return refuse_with(check, KEY_BINDS, source, NULL,
                           "mounts \"%s\", which links of the system lead to \"%s\": that is or "
                           "holds what rules the host, and must be bound by that name",
                           shown, led);
    if (!check_key(check, KEY_BINDS)->any && !is_written_out(check, bind, source))
        return refuse(check, KEY_BINDS, source,
                      "mounts \"%s\", which links of the system lead to \"%s\": bind that, or "
                      "write the source out in containers.binds",
                      shown, led);
    return bind->restarts ? judge_bind_restart(check, real) : FINDING_PASS;
}

static enum finding judge_there(struct check *check, const struct bind *bind,
                                const struct found *found, struct str source)
{
    const struct json_node *vital = fact_at(found, "Vital");
    struct str real = fact_text(found, "Real");
    SHOWN(shown, source);
    if (vital && vital->kind != JSON_FALSE && !is_written_out(check, bind, source))
        return refuse(check, KEY_BINDS, source,
                      "mounts \"%s\", which is or holds a socket of the daemon, of containerd or "
                      "of sockwarden under another name, and must be written out in "
                      "containers.binds",
                      shown);
    return real.p ? judge_real(check, bind, source, real) : FINDING_PASS;
}

static enum finding judge_state(struct check *check, const struct bind *bind,
                                const struct found *found, struct str source)
{
    struct str state = fact_text(found, "State");
    if (str_is(state, "none"))
        return FINDING_PASS;
    if (str_is(state, "exists") || str_is(state, "partly"))
        return judge_there(check, bind, found, source);
    return str_is(state, "link") ? refuse_link(check, found, source)
                                 : refuse_unseen(check, found, source);
}

enum finding judge_on_host(struct check *check, const struct bind *bind, struct str source)
{
    struct found found;
    switch (check_look(check, FACT_HOST_PATH, source, &found)) {
    case LOOK_WAIT:
        return FINDING_PASS;
    case LOOK_FOUND:
        return judge_state(check, bind, &found, source);
    case LOOK_MISSING:
    case LOOK_REFUSED:
        break;
    }
    return FINDING_REFUSE;
}
