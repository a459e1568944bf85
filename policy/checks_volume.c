/* Volumes: their names, drivers and driver options, of new ones and of those that exist. */
#include "checks.h"

#include "existing.h"

static bool volume_name_valid(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain = ascii_alpha(c) || ascii_digit(c);
        if (!plain && (i == 0 || (c != '_' && c != '.' && c != '-')))
            return false;
    }
    return name.n > 0;
}

/* "size=1m,mode=700": what a tmpfs may be given. */
static bool tmpfs_options_plain(struct str text)
{
    static const char *const known[] = {"size", "uid", "gid", "mode"};
    while (text.n > 0) {
        struct str part = str_head(text, str_find(text, ','));
        struct str name = str_head(part, str_find(part, '='));
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            found = found || str_is(name, known[i]);
        if (!found)
            return false;
        text = str_skip(text, part.n + 1);
    }
    return true;
}

struct volume_options {
    struct str type, o, device;
    bool others; /* there are more names than these */
    bool twice;  /* a name stands in two spellings */
};

/* Drivers may read names in any case; only the plain ones count as known. */
static struct volume_options options_read(const struct check *check,
                                          const struct json_node *options)
{
    struct volume_options out = {0};
    const struct {
        const char *name;
        struct str *value;
    } known[] = {{"type", &out.type}, {"o", &out.o}, {"device", &out.device}};
    for (const struct json_node *n = options ? json_child(check->body, options) : NULL; n;
         n = json_next(check->body, n)) {
        size_t i = 0;
        while (i < ARRAY_LEN(known) && !str_ieq(n->key, str_of(known[i].name)))
            i++;
        out.others = out.others || i == ARRAY_LEN(known) || !str_is(n->key, known[i].name);
        if (i == ARRAY_LEN(known))
            continue;
        out.twice = out.twice || known[i].value->p;
        *known[i].value = n->text;
    }
    return out;
}

static bool has_word(struct str list, const char *word)
{
    while (list.n > 0) {
        struct str part = str_head(list, str_find(list, ','));
        if (str_is(part, word))
            return true;
        list = str_skip(list, part.n + 1);
    }
    return false;
}

static bool holds(struct str text, struct str part)
{
    for (size_t i = 0; i + part.n <= text.n; i++)
        if (str_starts(str_skip(text, i), part))
            return true;
    return false;
}

/* Would these options, which are none of a bind, mount something of the host? */
static bool reaches_host(const struct volume_options *given, bool local)
{
    static const char *const remote[] = {"tmpfs", "nfs",  "nfs4",   "cifs",
                                         "smb3",  "ceph", "lustre", "beegfs"};
    bool share = (str_is(given->type, "cifs") || str_is(given->type, "smb3")) &&
                 str_starts(given->device, STR("//"));
    if (given->twice || (str_starts(given->device, STR("/")) && !share) ||
        holds(given->o, STR("=/")) || holds(given->o, STR(":/")))
        return true;
    if (!local || (given->type.n == 0 && given->device.n == 0 && given->o.n == 0))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(remote); i++)
        if (str_is(given->type, remote[i]))
            return false;
    return true; /* disks, overlays, the kernel's own trees: also by a relative path */
}

static enum finding judge_bind_words(struct check *check, struct str o)
{
    static const char *const spread[] = {"shared",  "rshared",    "slave",      "rslave",
                                         "remount", "unbindable", "runbindable"};
    for (size_t i = 0; i < ARRAY_LEN(spread); i++)
        if (has_word(o, spread[i]))
            return refuse_with(check, KEY_BINDS, o, NULL,
                               "binds with the option \"%s\", which reaches mounts of the host",
                               spread[i]);
    return FINDING_PASS;
}

static enum finding judge_host(struct check *check, const struct volume_options *given, bool bind,
                               bool local, bool restarts)
{
    if (check->role->unrestricted && check_key(check, KEY_VOLUME_OPTIONS)->any && !bind)
        return FINDING_PASS;
    if (bind) {
        struct bind as_bind = {.source = given->device, .restarts = restarts};
        if (!check->role->unrestricted && judge_bind_words(check, given->o) != FINDING_PASS)
            return FINDING_REFUSE;
        return judge_bind(check, &as_bind);
    }
    if (!check_key(check, KEY_VOLUME_OPTIONS)->any || !reaches_host(given, local))
        return FINDING_PASS;
    SHOWN(shown, given->type);
    return refuse_with(check, KEY_VOLUME_OPTIONS, given->device.n ? given->device : given->o, NULL,
                       "asks for a mount of type \"%s\" that names something of the host; host "
                       "paths are opened by containers.binds, for binds alone",
                       shown);
}

/* restarts: the restart rule of containers.binds holds for a bind. */
static enum finding judge_options(struct check *check, const struct json_node *options,
                                  struct str driver, bool restarts)
{
    if (!options || options->kind != JSON_OBJECT || options->count == 0)
        return FINDING_PASS;
    struct volume_options given = options_read(check, options);
    bool tmpfs = !given.others && str_is(given.type, "tmpfs") && str_is(given.device, "tmpfs") &&
                 tmpfs_options_plain(given.o);
    bool plain = !given.others && str_is(given.type, "none") && str_is(given.o, "bind");
    bool bind = plain || has_word(given.o, "bind") || has_word(given.o, "rbind");
    bool local = driver.n == 0 || str_is(driver, "local");
    check->at = options;
    if (tmpfs)
        return FINDING_PASS;
    if (judge_host(check, &given, bind, local, restarts) != FINDING_PASS)
        return FINDING_REFUSE;
    if (plain || check_key(check, KEY_VOLUME_OPTIONS)->any)
        return FINDING_PASS;
    return refuse(check, KEY_VOLUME_OPTIONS, json_child(check->body, options)->key,
                  "asks the volume driver for more than a plain tmpfs or a bind of a path that "
                  "containers.binds allows, and containers.volume_options is false");
}

static enum finding judge_driver(struct check *check, struct str driver)
{
    if (driver.n > 0 ? key_passes(check, KEY_VOLUME_DRIVERS, driver)
                     : absent_passes(check, KEY_VOLUME_DRIVERS))
        return FINDING_PASS;
    SHOWN(named, driver);
    return refuse(check, KEY_VOLUME_DRIVERS, driver,
                  "uses the volume driver \"%s\", which containers.volume_drivers does not allow",
                  named);
}

/* ---- volumes that exist ---------------------------------------------------------------------- */

/* Could there be a volume that this role would not have made? */
static bool stored_matters(const struct check *check)
{
    return check->role->existing == EXISTING_CONFORMING &&
           !(check->role->unrestricted && check_key(check, KEY_BINDS)->any &&
             check_key(check, KEY_VOLUME_OPTIONS)->any &&
             check_key(check, KEY_VOLUME_DRIVERS)->any);
}

static enum finding judge_stored(struct check *check, const struct found *found, bool restarts)
{
    struct str driver = fact_text(found, "Driver");
    check->at = fact_at(found, "Driver");
    if (judge_driver(check, driver) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_options(check, fact_at(found, "Options"), driver, restarts);
}

/* No 404: the daemon would have made a volume that is not there, and clients take that answer for
   an image that is to be pulled. */
static enum finding judge_volume_mine(struct check *check, const struct found *found,
                                      struct str name)
{
    if (found->looked->visible || owner_has(check, found))
        return judge_visible(check, found, name);
    SHOWN(shown, name);
    return refuse_plain(check, name, "owner", NULL,
                        "uses the volume \"%s\", and a volume of this name exists already that is "
                        "somebody else's",
                        shown);
}

enum finding judge_stored_volume(struct check *check, const struct named_volume *volume,
                                 bool restarts)
{
    struct found found;
    bool hidden = !check_is_existing(check) && !sees_all(check, FACT_VOLUME);
    enum look look = hidden || stored_matters(check)
                         ? check_look(check, FACT_VOLUME, volume->name, &found)
                         : LOOK_MISSING;
    if (look == LOOK_MISSING)
        look = look_missing_volume(check, volume, &found);
    if (look == LOOK_REFUSED)
        return FINDING_REFUSE;
    if (look != LOOK_FOUND)
        return FINDING_PASS; /* asked now; or the daemon makes it as the request says */
    if (hidden && judge_volume_mine(check, &found, volume->name) != FINDING_PASS)
        return FINDING_REFUSE;
    if (!stored_matters(check))
        return FINDING_PASS;
    struct passed *passed = &found.looked->stored[restarts];
    if (passed_before(check, passed))
        return FINDING_PASS;
    struct check inner = *check;
    inner.outer = check;
    inner.waits = false;
    inner.body = &found.doc;
    inner.schema = NULL;
    inner.subject = volume->name;
    inner.subject_kind = FACT_VOLUME;
    if (judge_stored(&inner, &found, restarts) != FINDING_PASS)
        return FINDING_REFUSE;
    check->waits |= inner.waits;
    passed_note(check, inner.waits, passed);
    return FINDING_PASS;
}

/* A volume of this name may have been made as a bind below a path that containers can write. The
   daemon resolves it again at each restart, as it does a bind. */
static enum finding judge_named(struct check *check, struct str name)
{
    if (!role_allows(check->role, OP_VolumeCreate) || !container_restarts(check) ||
        (check->role->unrestricted && check_key(check, KEY_BINDS)->any) ||
        !binds_may_nest(check, false))
        return FINDING_PASS;
    SHOWN(shown, name);
    return refuse_with(check, KEY_BINDS, name, NULL,
                       "uses the volume \"%s\", which this role could have bound below a path that "
                       "containers can write, and so %s; entries of containers.binds that are "
                       "read_only or written out lift this",
                       shown, restart_phrase(check));
}

enum finding judge_own_volume(struct check *check, struct str name)
{
    if (!volume_is_own(check->role, name) || written_out(check, KEY_VOLUMES, name))
        return FINDING_PASS;
    SHOWN(shown, name);
    return refuse(check, KEY_VOLUMES, name,
                  "is the volume \"%s\", which holds a socket, the policy or an audit log of "
                  "sockwarden itself and must be written out in containers.volumes",
                  shown);
}

/* One that is there is looked at: of a service, too, whose tasks may run here. What there is on
   other nodes nobody can tell. */
static enum finding judge_used(struct check *check, const struct named_volume *volume)
{
    bool service = check_is_service(check);
    bool looks = stored_matters(check) || !sees_all(check, FACT_VOLUME);
    if (service && judge_node_volume(check, volume->name) != FINDING_PASS)
        return FINDING_REFUSE;
    if ((service || !looks) && judge_named(check, volume->name) != FINDING_PASS)
        return FINDING_REFUSE;
    return looks ? judge_stored_volume(check, volume, container_restarts(check)) : FINDING_PASS;
}

enum finding judge_volume(struct check *check, const struct named_volume *volume,
                          bool inside_container)
{
    struct str name = volume->name;
    if (name.n > 0 && inside_container && !volume_name_valid(name)) {
        SHOWN(shown, name);
        return refuse_with(check, KEY_VOLUMES, name, NULL,
                           "names \"%s\", which is neither an absolute path nor a volume", shown);
    }
    if (!key_passes(check, KEY_VOLUMES, name)) {
        SHOWN(shown, name);
        return refuse(check, KEY_VOLUMES, name,
                      "uses the volume \"%s\", which containers.volumes does not allow", shown);
    }
    if (inside_container && judge_own_volume(check, name) != FINDING_PASS)
        return FINDING_REFUSE;
    if (judge_driver(check, volume->driver) != FINDING_PASS ||
        (name.n > 0 && inside_container && judge_used(check, volume) != FINDING_PASS))
        return FINDING_REFUSE;
    bool again = inside_container && (name.n > 0 || container_restarts(check));
    return judge_options(check, volume->options, volume->driver, again);
}

enum finding check_volume_driver(struct check *check, const struct json_node *value)
{
    return judge(check, KEY_VOLUME_DRIVERS, value->text);
}

enum finding check_volume_options(struct check *check, const struct json_node *value)
{
    return judge_options(check, value, text_at(check, "Driver"), false);
}

enum finding whole_volume(struct check *check)
{
    check->at = body_at(check, "Name");
    check->field = "Name";
    struct named_volume volume = {.name = text_at(check, "Name"),
                                  .driver = text_at(check, "Driver")};
    return judge_volume(check, &volume, false);
}
