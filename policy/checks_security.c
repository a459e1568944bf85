/* Confinement of a container: capabilities, security options, masked paths, and its user. */
#include "checks.h"

#include "existing.h"

enum {
    CAP_NAME_MAX = 64,
    OPTION_MAX = 256,
    UID_DIGITS_MAX = 10,
    ITEM_COST = 40 /* units of work */
};

/* ---- capabilities ---------------------------------------------------------------------------- */

/* "cap_chown" -> "CHOWN" in dst. False: no name that every reader upper-cases alike. */
static bool capability_name(struct str text, char dst[CAP_NAME_MAX], struct str *out)
{
    struct str prefix = STR("CAP_");
    if (str_ieq(str_head(text, prefix.n), prefix))
        text = str_skip(text, prefix.n);
    if (text.n == 0 || text.n > CAP_NAME_MAX)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!ascii_alpha(c) && !ascii_digit(c) && c != '_')
            return false;
        dst[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
    }
    *out = (struct str){dst, text.n};
    return true;
}

static enum finding judge_capability(struct check *check, struct str text)
{
    char buffer[CAP_NAME_MAX];
    struct str name = {NULL, 0};
    bool plain = capability_name(text, buffer, &name);
    bool all = str_is(name, "ALL");
    if (plain &&
        (all ? written_out(check, KEY_CAP_ADD, name) : key_passes(check, KEY_CAP_ADD, name)))
        return FINDING_PASS;
    SHOWN(shown, text);
    if (!plain)
        return refuse_with(check, KEY_CAP_ADD, text, NULL,
                           "is \"%s\", which is not the plain name of a capability", shown);
    return refuse(check, KEY_CAP_ADD, name, "is \"%s\", which %s", shown,
                  all ? "must be written out in containers.cap_add"
                      : "containers.cap_add does not allow");
}

enum finding check_cap_add(struct check *check, const struct json_node *value)
{
    for (const struct json_node *item = item_first(check, value); item;
         item = item_next(check, value, item)) {
        check->at = item;
        if (judge_capability(check, item->text) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

static bool drops(const struct check *check, const struct json_node *list, struct str wanted)
{
    if (!list)
        return false;
    for (const struct json_node *item = item_first(check, list); item;
         item = item_next(check, list, item)) {
        char buffer[CAP_NAME_MAX];
        struct str name;
        if (!check_spend(check, ITEM_COST))
            return false;
        if (capability_name(item->text, buffer, &name) &&
            (str_eq(name, wanted) || str_is(name, "ALL")))
            return true;
    }
    return false;
}

static enum finding require_drops(struct check *check)
{
    const struct entries *require = &check_key(check, KEY_CAP_DROP)->require;
    for (size_t i = 0; i < require->count; i++) {
        struct str wanted = require->items[i].text;
        if (drops(check, place_node(check, PLACE_CAP_DROP), wanted))
            continue;
        SHOWN(shown, wanted);
        check->field = place_path(check, PLACE_CAP_DROP);
        return refuse_with(check, KEY_CAP_DROP, wanted, NULL,
                           "does not drop \"%s\", which containers.cap_drop requires; docker: "
                           "--cap-drop %s",
                           shown, shown);
    }
    return FINDING_PASS;
}

/* ---- security options ------------------------------------------------------------------------ */

/* The option as name=value: the daemon splits at the first '=', else at the first ':', and takes
   "disable" alone for "label=disable". */
struct option {
    struct str name;
    struct str value;
    char buffer[OPTION_MAX];
    struct str text; /* name=value; in buffer when that differs from what was written */
};

static void option_read(struct str text, struct option *out)
{
    size_t at = str_find(text, '=');
    if (at == text.n)
        at = str_find(text, ':');
    out->name = str_head(text, at);
    out->value = str_skip(text, at + 1);
    out->text = text;
    if (at < text.n && text.p[at] == ':' && text.n <= OPTION_MAX) {
        memcpy(out->buffer, text.p, text.n);
        out->buffer[at] = '=';
        out->text = (struct str){out->buffer, text.n};
    }
    if (str_is(text, "disable")) {
        out->name = STR("label");
        out->value = text;
        out->text = STR("label=disable");
    }
}

/* A seccomp profile of the client's own can allow everything; a type of its own can be one that
   SELinux does not confine. */
static bool option_unconfined(const struct option *option)
{
    if (str_is(option->name, "seccomp"))
        return !str_is(option->value, "builtin") && !str_is(option->value, "default");
    if (str_is(option->name, "label") && str_starts(option->value, STR("type:")))
        return true;
    return str_is(option->value, "unconfined") || str_is(option->value, "disable");
}

enum finding judge_security_option(struct check *check, enum key key, struct str text)
{
    struct option option;
    option_read(text, &option);
    bool unconfined = option_unconfined(&option);
    if (unconfined ? written_out(check, key, option.text) : key_passes(check, key, option.text))
        return FINDING_PASS;
    SHOWN(shown, text);
    if (unconfined)
        return refuse(check, key, option.text, "is \"%s\", which must be written out in %s", shown,
                      key_path(key));
    return refuse(check, key, option.text, "is \"%s\", which %s does not allow", shown,
                  key_path(key));
}

/* What the daemon adds by itself where no label could hold (generateSecurityOpt in moby's
   create_unix.go); the reason for it is judged for itself. */
static bool label_is_daemons(const struct check *check, struct str option)
{
    return check_is_existing(check) && str_is(option, "label=disable") &&
           (member_true(check, body_at(check, "HostConfig"), "Privileged") ||
            str_is(text_at(check, "HostConfig.PidMode"), "host") ||
            str_is(text_at(check, "HostConfig.IpcMode"), "host"));
}

enum finding check_security_opt(struct check *check, const struct json_node *value)
{
    for (const struct json_node *item = json_child(check->body, value); item;
         item = json_next(check->body, item)) {
        check->at = item;
        if (!label_is_daemons(check, item->text) &&
            judge_security_option(check, KEY_SECURITY_OPT, item->text) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

static bool option_same(const struct option *a, const struct option *b)
{
    if (!str_eq(a->name, b->name))
        return false;
    if (!str_is(a->name, "no-new-privileges"))
        return str_eq(a->value, b->value);
    bool on_a = a->value.n == 0 || str_is(a->value, "true");
    bool on_b = b->value.n == 0 || str_is(b->value, "true");
    return on_a == on_b;
}

static bool service_gives(const struct check *check, const struct option *want)
{
    for (size_t i = 0; i < service_options_count(); i++) {
        struct option option;
        option_read(service_option(check, i), &option);
        if (option_same(&option, want))
            return true;
    }
    return false;
}

/* Does the last option of that name say what is wanted? The daemon lets later ones win. */
static bool option_given(const struct check *check, struct str wanted)
{
    struct option want;
    option_read(wanted, &want);
    bool given = false;
    if (check_is_service(check))
        return service_gives(check, &want);
    const struct json_node *list = place_node(check, PLACE_SECURITY_OPT);
    for (const struct json_node *item = list ? json_child(check->body, list) : NULL; item;
         item = json_next(check->body, item)) {
        struct option option;
        if (!check_spend(check, ITEM_COST))
            return false;
        option_read(item->text, &option);
        if (str_eq(option.name, want.name))
            given = option_same(&option, &want);
    }
    return given;
}

static enum finding require_option(struct check *check, enum key key, struct str wanted)
{
    if (option_given(check, wanted))
        return FINDING_PASS;
    SHOWN(shown, wanted);
    bool service = check_is_service(check); /* docker has no option for one */
    check->field = place_path(check, PLACE_SECURITY_OPT);
    return refuse_with(check, key, wanted, NULL, "lacks \"%s\", which %s requires%s%s", shown,
                       key_path(key), service ? "" : "; docker: --security-opt ",
                       service ? "" : shown);
}

static enum finding require_options(struct check *check)
{
    const struct entries *require = &check_key(check, KEY_SECURITY_OPT)->require;
    for (size_t i = 0; i < require->count; i++)
        if (require_option(check, KEY_SECURITY_OPT, require->items[i].text) != FINDING_PASS)
            return FINDING_REFUSE;
    return FINDING_PASS;
}

/* What dockerd 20.10 masks and protects, and what newer ones mask besides (oci/defaults.go). */
static const char *const masked_paths[] = {
    "/proc/asound",        "/proc/acpi",    "/proc/kcore",      "/proc/keys",
    "/proc/latency_stats", "/proc/scsi",    "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug",   "/sys/firmware",
};
static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};
static const char *const newer_paths[] = {"/proc/interrupts", "/sys/devices/virtual/powercap"};

static bool list_holds(const struct check *check, const struct json_node *list, const char *text)
{
    for (const struct json_node *n = json_child(check->body, list); n;
         n = json_next(check->body, n))
        if (str_is(n->text, text))
            return true;
    return false;
}

/* Does the list hold all that the daemon's own does? */
static bool masks_enough(const struct check *check, const struct json_node *list)
{
    bool readonly = str_is(list->key, "ReadonlyPaths");
    const char *const *wanted = readonly ? readonly_paths : masked_paths;
    size_t count = readonly ? ARRAY_LEN(readonly_paths) : ARRAY_LEN(masked_paths);
    for (size_t i = 0; i < count; i++)
        if (!list_holds(check, list, wanted[i]))
            return false;
    return true;
}

static bool is_one_of(struct str text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(text, names[i]))
            return true;
    return false;
}

/* "/sys/devices/system/cpu/cpu12/thermal_throttle" */
static bool is_throttle(struct str path)
{
    struct str before = STR("/sys/devices/system/cpu/cpu"), behind = STR("/thermal_throttle");
    if (!str_starts(path, before) || !str_ends(path, behind) || path.n <= before.n + behind.n)
        return false;
    for (size_t i = before.n; i < path.n - behind.n; i++)
        if (!ascii_digit(path.p[i]))
            return false;
    return true;
}

/* A path of the client's own choice could be a link into which runc writes. */
static bool masks_usual(const struct check *check, const struct json_node *list)
{
    for (const struct json_node *n = json_child(check->body, list); n;
         n = json_next(check->body, n))
        if (!is_one_of(n->text, masked_paths, ARRAY_LEN(masked_paths)) &&
            !is_one_of(n->text, readonly_paths, ARRAY_LEN(readonly_paths)) &&
            !is_one_of(n->text, newer_paths, ARRAY_LEN(newer_paths)) && !is_throttle(n->text))
            return false;
    return true;
}

/* Who copies a container, as Watchtower does, copies the daemon's own lists. */
enum finding check_masked_paths(struct check *check, const struct json_node *value)
{
    if (check_key(check, KEY_MASKED_PATHS)->any ||
        (masks_enough(check, value) && (check_is_existing(check) || masks_usual(check, value))))
        return FINDING_PASS;
    return refuse(check, KEY_MASKED_PATHS, STR(""),
                  "replaces the daemon's own list, and containers.masked_paths is false");
}

/* ---- user ------------------------------------------------------------------------------------ */

/* A uid from 1 to 2147483647 without sign or leading zeros; a group may follow. */
static bool user_is_plain_uid(struct str user)
{
    struct str uid = str_head(user, str_find(user, ':'));
    int64_t value;
    return uid.n > 0 && uid.n <= UID_DIGITS_MAX && uid.p[0] != '0' && uid.p[0] != '-' &&
           str_to_int(uid, &value) && value <= INT32_MAX;
}

enum finding judge_user_text(struct check *check, struct str user)
{
    const struct constraint *constraint = check_key(check, KEY_USER);
    bool any_root = constraint->deny.count == 0;
    bool listed = user.n == 0 ? absent_passes(check, KEY_USER) : key_passes(check, KEY_USER, user);
    if (any_root ? listed : user_is_plain_uid(user))
        return FINDING_PASS;
    SHOWN(shown, user);
    if (any_root && user.n == 0)
        return refuse(check, KEY_USER, user,
                      "is not given, and containers.user has no \"\" for the image's own user");
    if (any_root)
        return refuse(check, KEY_USER, user, "is \"%s\", which containers.user does not allow",
                      shown);
    return refuse_with(check, KEY_USER, user, NULL,
                       "is \"%s\", and containers.user denies root: only a number above 0 shows "
                       "that it is not; docker: --user UID",
                       shown);
}

/* A container whose creation names no user gets the image's. That it is no root is seen there, and
   then written down, so that another image under the name changes nothing. */
static enum finding judge_image_user(struct check *check)
{
    struct found found;
    struct str image = place_text(check, PLACE_IMAGE);
    switch (check_look(check, FACT_IMAGE, image, &found)) {
    case LOOK_WAIT:
        return FINDING_PASS;
    case LOOK_MISSING:
        return refuse_missing(check, FACT_IMAGE, image);
    case LOOK_REFUSED:
        return FINDING_REFUSE;
    case LOOK_FOUND:
        break;
    }
    struct str user = fact_text(&found, "Config.User");
    if (!user_is_plain_uid(user))
        return judge_user_text(check, user);
    return set_in_body(check, "", STR("User"), user);
}

bool user_is_containers(const struct check *check, struct str user)
{
    return user.n == 0 && check->role->existing == EXISTING_CONFORMING &&
           check_key(check, KEY_USER)->deny.count > 0;
}

enum finding whole_user(struct check *check)
{
    bool no_root = check_key(check, KEY_USER)->deny.count > 0;
    check->at = NULL;
    check->field = place_path(check, PLACE_USER);
    if (no_root && check->request->route->op == OP_ContainerCreate && !check_is_existing(check) &&
        place_text(check, PLACE_USER).n == 0 && place_text(check, PLACE_IMAGE).n > 0)
        return judge_image_user(check);
    if (check->request->route->op == OP_ContainerExec &&
        user_is_containers(check, place_text(check, PLACE_USER)))
        return FINDING_PASS;
    return judge_user_text(check, place_text(check, PLACE_USER));
}

enum finding whole_security(struct check *check)
{
    check->at = NULL;
    if (require_drops(check) != FINDING_PASS || require_options(check) != FINDING_PASS ||
        whole_user(check) != FINDING_PASS)
        return FINDING_REFUSE;
    if (check_key(check, KEY_USER)->deny.count == 0)
        return FINDING_PASS;
    return require_option(check, KEY_USER, STR("no-new-privileges"));
}
