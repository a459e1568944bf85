/* What a container mounts: host paths, and what stands in Binds and Mounts. Sources are judged as
   text here, and by checks_host.c as what they are on the daemon's file system. Volumes and tmpfs
   have files of their own. */
#include "checks.h"

#include "existing.h"

enum {
    SOURCE_MAX = 4096,
    DEPTH_MAX = 64,    /* components that the restart rule looks at */
    MOUNTS_MAX = 1000, /* of Binds and Mounts together: each costs comparisons */
    PAIR_COST = 10     /* units of work to compare two entries */
};

/* ---- host paths ------------------------------------------------------------------------------ */

bool bind_listed(const struct check *check, const struct bind *bind, struct str source,
                 bool written, bool *only_read_only)
{
    const struct entries *allow = &check_key(check, KEY_BINDS)->allow;
    bool safe = bind->read_only && !bind->relabel && !bind->shallow;
    *only_read_only = false;
    const struct entry *entry;
    struct candidates candidates = candidates_of(allow, source, check->work);
    while ((entry = candidates_next(&candidates))) {
        if ((written && !entry->literal) || !entry_matches(entry, source, false, check->work))
            continue;
        if (!entry->read_only || safe)
            return true;
        *only_read_only = true;
    }
    return false;
}

/* May the role mount this very path read-write? */
static bool writable(const struct check *check, struct str path)
{
    const struct entries *allow = &check_key(check, KEY_BINDS)->allow;
    const struct entry *entry;
    struct candidates candidates = candidates_of(allow, path, check->work);
    while ((entry = candidates_next(&candidates)))
        if (!entry->read_only && entry_matches(entry, path, false, check->work))
            return true;
    return false;
}

/* Does this entry lie below one that may be mounted read-write? */
static bool entry_nests(const struct check *check, const struct entry *inner)
{
    const struct entries *allow = &check_key(check, KEY_BINDS)->allow;
    const struct entry *outer;
    struct candidates candidates = candidates_of(allow, inner->text, check->work);
    while ((outer = candidates_next(&candidates)))
        if (!outer->read_only && inner->text.n > outer->text.n &&
            path_is_within(inner->text, outer->text))
            return true;
    return !check_spend(check, (uint64_t)PAIR_COST * PREFIX_FROM);
}

bool binds_may_nest(const struct check *check, bool read_only)
{
    const struct entries *allow = &check_key(check, KEY_BINDS)->allow;
    bool writes = false;
    bool globs = false;
    for (size_t i = 0; i < allow->count; i++) {
        writes = writes || !allow->items[i].read_only;
        globs = globs || (!allow->items[i].literal && (read_only || !allow->items[i].read_only));
    }
    if (writes && globs)
        return true;
    for (size_t i = 0; writes && i < allow->count; i++)
        if ((read_only || !allow->items[i].read_only) && entry_nests(check, &allow->items[i]))
            return true;
    return false;
}

bool container_restarts(const struct check *check)
{
    if (check_is_service(check))
        return true;
    if (check->request->route->op != OP_ContainerCreate)
        return false;
    struct str policy = place_text(check, PLACE_RESTART);
    struct str top = text_at(check, "RestartPolicy.Name");
    return (policy.n > 0 && !str_is(policy, "no")) || (top.n > 0 && !str_is(top, "no"));
}

const char *restart_phrase(const struct check *check)
{
    return check_is_service(check) ? "cannot be a service's, whose tasks start at any time"
                                   : "goes only with restart policy \"no\"";
}

/* The daemon resolves sources again at each restart: what lies below a path that containers can
   write may be a link by then. */
enum finding judge_bind_restart(struct check *check, struct str source)
{
    int depth = 0;
    for (struct str p = path_parent(source); p.n > 0; p = path_parent(p)) {
        if (++depth <= DEPTH_MAX && !writable(check, p))
            continue;
        SHOWN(shown, source);
        return refuse_with(check, KEY_BINDS, source, NULL,
                           "mounts \"%s\", which lies below a path that containers can write "
                           "and so %s; to allow it, name such folders one by one in "
                           "containers.binds in place of the glob above them, or give that entry "
                           "\"read_only\": true",
                           shown, restart_phrase(check));
    }
    return FINDING_PASS;
}

static enum finding refuse_source(struct check *check, struct str source, bool only_read_only)
{
    SHOWN(shown, source);
    if (only_read_only)
        return refuse(check, KEY_BINDS, source,
                      "mounts the host path \"%s\", which containers.binds allows read-only, "
                      "without relabelling and with all mounts below it",
                      shown);
    if (path_is_vital(source))
        return refuse(
            check, KEY_BINDS, source,
            "mounts the host path \"%s\", which is or holds what rules the host (the "
            "daemon's sockets, state and settings, /proc, /sys, /dev) and must be written "
            "out in containers.binds",
            shown);
    if (path_is_own(check->role, source))
        return refuse(check, KEY_BINDS, source,
                      "mounts the host path \"%s\", which is or holds a socket, the policy or an "
                      "audit log of sockwarden itself and must be written out in containers.binds",
                      shown);
    return refuse(check, KEY_BINDS, source,
                  "mounts the host path \"%s\", which is not in containers.binds", shown);
}

enum finding judge_bind(struct check *check, const struct bind *bind)
{
    const struct constraint *binds = check_key(check, KEY_BINDS);
    if (check->role->unrestricted && binds->any)
        return FINDING_PASS;
    if (!path_is_normal(bind->source) || bind->source.n > SOURCE_MAX) {
        SHOWN(shown, bind->source);
        return refuse_with(check, KEY_BINDS, bind->source, NULL,
                           "mounts \"%s\", which is not a plain absolute path (no '..', '.' or "
                           "'//')",
                           shown);
    }
    struct str source = path_trim(bind->source);
    check->mounts_read_only = bind->read_only && !bind->relabel && !bind->shallow;
    bool vital = path_is_vital(source) || path_is_own(check->role, source);
    bool only_read_only = false;
    bool open = binds->any && !vital && key_passes(check, KEY_BINDS, source);
    if (!open && !bind_listed(check, bind, source, vital, &only_read_only))
        return refuse_source(check, source, only_read_only);
    if (!open && bind->restarts && judge_bind_restart(check, source) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_on_host(check, bind, source);
}

enum finding judge_propagation(struct check *check, struct str propagation)
{
    if (propagation.n == 0 || str_is(propagation, "private") || str_is(propagation, "rprivate") ||
        check_key(check, KEY_BINDS)->any)
        return FINDING_PASS;
    SHOWN(shown, propagation);
    return refuse_with(check, KEY_BINDS, propagation, "\"containers\": {\"binds\": true}",
                       "asks for the mount propagation \"%s\": only private and rprivate keep "
                       "mounts inside the container",
                       shown);
}

/* ---- Binds ----------------------------------------------------------------------------------- */

/* Propagation words are read as such; others that no daemon knows refuse. */
static bool bind_option(struct str word, struct bind *bind, struct str *propagation)
{
    static const char *const plain[] = {"rw", "nocopy", "consistent", "cached", "delegated"};
    static const char *const spread[] = {"private", "rprivate", "shared",
                                         "rshared", "slave",    "rslave"};
    bool relabel = str_is(word, "z") || str_is(word, "Z");
    bool known = relabel;
    bind->relabel = bind->relabel || relabel;
    if (str_is(word, "ro"))
        bind->read_only = known = true;
    if (known)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(spread); i++)
        if (str_is(word, spread[i])) {
            *propagation = word;
            known = true;
        }
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        known = known || str_is(word, plain[i]);
    return known;
}

static enum finding judge_bind_options(struct check *check, struct str options, struct bind *bind)
{
    while (options.n > 0) {
        struct str word = str_head(options, str_find(options, ','));
        struct str propagation = {NULL, 0};
        if (!bind_option(word, bind, &propagation)) {
            SHOWN(shown, word);
            return refuse_with(check, KEY_BINDS, word, NULL,
                               "has the option \"%s\", which is none of a bind", shown);
        }
        if (judge_propagation(check, propagation) != FINDING_PASS)
            return FINDING_REFUSE;
        options = str_skip(options, word.n + 1);
    }
    return FINDING_PASS;
}

/* "src:dst[:options]", "name:dst[:options]" or "dst", split as the daemon splits it. */
static enum finding judge_bind_text(struct check *check, struct str text, struct str driver,
                                    bool restarts)
{
    struct str first = str_head(text, str_find(text, ':'));
    struct str rest = str_skip(text, first.n + 1);
    struct str target = str_head(rest, str_find(rest, ':'));
    struct str options = str_skip(rest, target.n + 1);
    struct bind bind = {.source = first, .restarts = restarts};
    if (first.n == text.n) { /* a target alone: an anonymous volume */
        if (judge_target(check, text) != FINDING_PASS)
            return FINDING_REFUSE;
        struct named_volume anonymous = {.driver = driver};
        return judge_volume(check, &anonymous, true);
    }
    if (first.n == 0 || target.n == 0 || str_find(options, ':') < options.n) {
        SHOWN(shown, text);
        return refuse_with(check, KEY_BINDS, text, NULL,
                           "is \"%s\", which is not source:target[:options]", shown);
    }
    if (judge_target(check, target) != FINDING_PASS ||
        judge_bind_options(check, options, &bind) != FINDING_PASS)
        return FINDING_REFUSE;
    struct named_volume volume = {.name = first, .driver = driver};
    return first.p[0] == '/' ? judge_bind(check, &bind) : judge_volume(check, &volume, true);
}

static size_t count_at(const struct check *check, const char *path)
{
    const struct json_node *list = body_at(check, path);
    return list ? list->count : 0;
}

static enum finding judge_count(struct check *check)
{
    static const char *const lists[] = {"HostConfig.Binds",
                                        "HostConfig.Mounts",
                                        "Binds",
                                        "Mounts",
                                        "TaskTemplate.ContainerSpec.Mounts",
                                        "Volumes"};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        count += count_at(check, lists[i]);
    if (count <= MOUNTS_MAX)
        return FINDING_PASS;
    return refuse_plain(check, (struct str){NULL, 0}, NULL, NULL,
                        "is one of %zu mounts; %d at most are compared with a policy", count,
                        MOUNTS_MAX);
}

enum finding check_binds(struct check *check, const struct json_node *value)
{
    if (judge_count(check) != FINDING_PASS)
        return FINDING_REFUSE;
    struct str driver = place_text(check, PLACE_VOLUME_DRIVER);
    bool restarts = container_restarts(check);
    for (const struct json_node *item = json_child(check->body, value); item;
         item = json_next(check->body, item)) {
        check->at = item;
        if (judge_bind_text(check, item->text, driver, restarts) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* ---- Mounts ---------------------------------------------------------------------------------- */

static enum finding mount_bind(struct check *check, const struct json_node *mount)
{
    const struct json_node *options = json_get(check->body, mount, STR("BindOptions"));
    struct bind bind = {.source = member_text(check, mount, "Source"),
                        .read_only = member_true(check, mount, "ReadOnly"),
                        .restarts = container_restarts(check),
                        .shallow = member_true(check, options, "NonRecursive") ||
                                   member_true(check, options, "ReadOnlyNonRecursive")};
    return judge_bind(check, &bind);
}

static enum finding mount_volume(struct check *check, const struct json_node *mount)
{
    const struct json_node *options = json_get(check->body, mount, STR("VolumeOptions"));
    const struct json_node *driver = json_get(check->body, options, STR("DriverConfig"));
    struct str source = member_text(check, mount, "Source");
    if (text_is_template(check, source)) { /* judge_mount_templates has let it pass */
        struct str filled = template_filled(check, source);
        if (!filled.p && !check->role->unrestricted)
            return FINDING_UNSURE;
        source = filled.p ? filled : STR("0");
        if (check->role->existing == EXISTING_CONFORMING && !check->role->unrestricted)
            return refuse_with(check, KEY_VOLUMES, source, NULL,
                               "names a volume by a template, which may stand for any, also for "
                               "one that this role could not have made; name it without");
    }
    struct named_volume volume = {.name = source,
                                  .driver = member_text(check, driver, "Name"),
                                  .options = json_get(check->body, driver, STR("Options")),
                                  .labels = json_get(check->body, options, STR("Labels"))};
    if (judge_volume_labels(check, volume.labels) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_volume(check, &volume, true);
}

static enum finding mount_image(struct check *check, const struct json_node *mount)
{
    const struct json_node *source = json_get(check->body, mount, STR("Source"));
    if (source && source->kind == JSON_STRING && source->text.n > 0)
        return judge_image_run(check, source, (struct str){NULL, 0});
    return judge_image(check, STR(""), IMAGE_RUN);
}

/* check_mount_type has judged it. */
static enum finding mount_opened(struct check *check, const struct json_node *mount)
{
    (void)check;
    (void)mount;
    return FINDING_PASS;
}

enum finding check_mount_type(struct check *check, const struct json_node *value)
{
    if (!str_is(value->text, "cluster") && !str_is(value->text, "npipe"))
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_unless_open(
        check, value->text, "is \"%s\", a type that is refused unless the policy opens it", shown);
}

static enum finding judge_mount(struct check *check, const struct json_node *mount)
{
    static const struct {
        const char *type;
        enum finding (*judge)(struct check *check, const struct json_node *mount);
    } types[] = {{"bind", mount_bind},   {"volume", mount_volume},  {"tmpfs", mount_tmpfs},
                 {"image", mount_image}, {"cluster", mount_opened}, {"npipe", mount_opened}};
    struct str type = member_text(check, mount, "Type");
    const struct json_node *options = json_get(check->body, mount, STR("BindOptions"));
    if (judge_mount_templates(check, mount) != FINDING_PASS ||
        judge_propagation(check, member_text(check, options, "Propagation")) != FINDING_PASS)
        return FINDING_REFUSE;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_is(type, types[i].type))
            return types[i].judge(check, mount);
    if (check->role->unrestricted)
        return FINDING_PASS;
    SHOWN(shown, type);
    return refuse_plain(check, type, NULL, NULL,
                        "is of type \"%s\", which is no type of mount that this version knows",
                        shown);
}

enum finding check_mounts(struct check *check, const struct json_node *value)
{
    if (judge_count(check) != FINDING_PASS)
        return FINDING_REFUSE;
    for (const struct json_node *mount = json_child(check->body, value); mount;
         mount = json_next(check->body, mount)) {
        check->at = mount;
        if (judge_mount(check, mount) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* Volumes of the container's own configuration: targets of anonymous volumes. */
enum finding check_volume_targets(struct check *check, const struct json_node *value)
{
    struct str driver = place_text(check, PLACE_VOLUME_DRIVER);
    bool asked = !check_is_existing(check);
    if (judge_count(check) != FINDING_PASS)
        return FINDING_REFUSE;
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        if (judge_target(check, n->key) != FINDING_PASS)
            return FINDING_REFUSE;
        asked = asked || (!absent_passes(check, KEY_VOLUMES) &&
                          !image_brings_name(check, "Config.Volumes", n->key));
    }
    struct named_volume anonymous = {.driver = driver};
    return asked ? judge_volume(check, &anonymous, true) : FINDING_PASS;
}

/* "web" or "web:ro". */
enum finding check_volumes_from(struct check *check, const struct json_node *value)
{
    for (const struct json_node *item = json_child(check->body, value); item;
         item = json_next(check->body, item)) {
        struct str name = str_head(item->text, str_find(item->text, ':'));
        check->at = item;
        struct str id;
        if (judge_container_name(check, name) != FINDING_PASS ||
            judge(check, KEY_VOLUMES_FROM, name_as_asked(check, FACT_CONTAINER, name)) !=
                FINDING_PASS)
            return FINDING_REFUSE;
        /* What a container has got from others stands among its own mounts. */
        if (!check_is_existing(check) &&
            (judge_container(check, name, true, &id) != FINDING_PASS ||
             pin_text(check, STR(""), id, str_skip(item->text, name.n)) != FINDING_PASS))
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}
