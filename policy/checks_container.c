/* What a container may be: privileges, confinement, user, environment, labels, logs. Mounts, modes,
   networks, images and resources have files of their own. */
#include "checks.h"

#include <stdio.h>

enum { CAP_NAME_MAX = 64, OPTION_MAX = 256, UID_DIGITS_MAX = 10 };

enum finding check_by_parent(struct check *check, const struct json_node *value)
{
    (void)check;
    (void)value;
    return FINDING_PASS; /* the check of the object that holds this field reads it */
}

enum finding check_privileged(struct check *check, const struct json_node *value)
{
    (void)value;
    if (check_key(check, KEY_PRIVILEGED)->any)
        return FINDING_PASS;
    return refuse(check, KEY_PRIVILEGED, STR("true"),
                  "is true, and containers.privileged is false");
}

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
    if (plain && (all ? written_out(check, KEY_CAP_ADD, name)
                      : constraint_passes(check_key(check, KEY_CAP_ADD), name)))
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
        if (drops(check, body_at(check, "HostConfig.CapDrop"), wanted))
            continue;
        SHOWN(shown, wanted);
        check->field = "HostConfig.CapDrop";
        return refuse_with(check, KEY_CAP_DROP, wanted, NULL,
                           "does not drop \"%s\", which containers.cap_drop requires", shown);
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

static bool option_unconfined(const struct option *option)
{
    return str_is(option->value, "unconfined") || str_is(option->value, "disable");
}

static enum finding judge_option(struct check *check, struct str text)
{
    struct option option;
    option_read(text, &option);
    bool unconfined = option_unconfined(&option);
    if (unconfined ? written_out(check, KEY_SECURITY_OPT, option.text)
                   : constraint_passes(check_key(check, KEY_SECURITY_OPT), option.text))
        return FINDING_PASS;
    SHOWN(shown, text);
    return refuse(check, KEY_SECURITY_OPT, option.text, "is \"%s\", which %s", shown,
                  unconfined ? "must be written out in containers.security_opt"
                             : "containers.security_opt does not allow");
}

enum finding check_security_opt(struct check *check, const struct json_node *value)
{
    for (const struct json_node *item = json_child(check->body, value); item;
         item = json_next(check->body, item)) {
        check->at = item;
        if (judge_option(check, item->text) != FINDING_PASS)
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

/* Does the last option of that name say what is wanted? The daemon lets later ones win. */
static bool option_given(const struct check *check, struct str wanted)
{
    struct option want;
    option_read(wanted, &want);
    bool given = false;
    const struct json_node *list = body_at(check, "HostConfig.SecurityOpt");
    for (const struct json_node *item = list ? json_child(check->body, list) : NULL; item;
         item = json_next(check->body, item)) {
        struct option option;
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
    check->field = "HostConfig.SecurityOpt";
    return refuse_with(check, key, wanted, NULL, "lacks \"%s\", which %s requires", shown,
                       key_path(key));
}

static enum finding require_options(struct check *check)
{
    const struct entries *require = &check_key(check, KEY_SECURITY_OPT)->require;
    for (size_t i = 0; i < require->count; i++)
        if (require_option(check, KEY_SECURITY_OPT, require->items[i].text) != FINDING_PASS)
            return FINDING_REFUSE;
    return FINDING_PASS;
}

enum finding check_masked_paths(struct check *check, const struct json_node *value)
{
    (void)value;
    if (check_key(check, KEY_MASKED_PATHS)->any)
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

static enum finding judge_user(struct check *check, struct str user)
{
    const struct constraint *constraint = check_key(check, KEY_USER);
    bool any_root = constraint->deny.count == 0;
    if (any_root ? user.n == 0 || constraint_passes(constraint, user) : user_is_plain_uid(user))
        return FINDING_PASS;
    SHOWN(shown, user);
    if (any_root)
        return refuse(check, KEY_USER, user, "is \"%s\", which containers.user does not allow",
                      shown);
    return refuse_with(check, KEY_USER, user, NULL,
                       "is \"%s\", and containers.user denies root: only a number above 0 shows "
                       "that it is not",
                       shown);
}

/* Also for a command in a container: its own user is not known here. */
static enum finding whole_user(struct check *check)
{
    check->at = NULL;
    check->field = "User";
    return judge_user(check, text_at(check, "User"));
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

/* ---- environment, labels, sysctls ------------------------------------------------------------ */

static enum finding judge_env(struct check *check, enum key key, const struct json_node *list)
{
    for (const struct json_node *item = json_child(check->body, list); item;
         item = json_next(check->body, item)) {
        check->at = item;
        struct str name = str_head(item->text, str_find(item->text, '='));
        if (constraint_passes(check_key(check, key), name))
            continue;
        SHOWN(shown, name);
        return refuse_with(check, key, name, NULL, "sets %s, which %s does not allow", shown,
                           key_path(key));
    }
    return FINDING_PASS;
}

enum finding check_env(struct check *check, const struct json_node *value)
{
    return judge_env(check, KEY_ENV, value);
}

enum finding check_exec_env(struct check *check, const struct json_node *value)
{
    return judge_env(check, KEY_EXEC_ENV, value);
}

enum finding check_labels(struct check *check, const struct json_node *value)
{
    const struct constraint *constraint = check_key(check, KEY_LABELS);
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        if (constraint_passes(constraint, n->key))
            continue;
        SHOWN(shown, n->key);
        return refuse_with(check, KEY_LABELS, n->key, NULL,
                           "sets \"%s\", which containers.labels does not allow", shown);
    }
    return FINDING_PASS;
}

static enum finding require_labels(struct check *check)
{
    const struct entries *require = &check_key(check, KEY_LABELS)->require;
    check->at = NULL;
    check->field = "Labels";
    for (size_t i = 0; i + 1 < require->count; i += 2) {
        struct str name = require->items[i].text;
        struct str pattern = require->items[i + 1].text;
        const struct json_node *labels = body_at(check, "Labels");
        const struct json_node *label = labels ? json_get(check->body, labels, name) : NULL;
        if (label && glob_match(pattern, label->text))
            continue;
        SHOWN(shown, name);
        SHOWN(wanted, pattern);
        return refuse_with(check, KEY_LABELS, name, NULL,
                           "lacks \"%s\" with a value like \"%s\", which containers.labels "
                           "requires",
                           shown, wanted);
    }
    return FINDING_PASS;
}

/* "net/core/somaxconn" -> "net.core.somaxconn" in dst; false when it is no plain name. */
static bool sysctl_name(struct str text, char dst[OPTION_MAX], struct str *out)
{
    if (text.n == 0 || text.n > OPTION_MAX)
        return false;
    bool dot = true; /* an empty component would climb or vanish, whoever reads it */
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i] == '/' ? '.' : text.p[i];
        if (c == '.' && dot)
            return false;
        dot = c == '.';
        dst[i] = c;
    }
    *out = (struct str){dst, text.n};
    return !dot;
}

enum finding check_sysctls(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        char buffer[OPTION_MAX];
        struct str name = n->key;
        if (sysctl_name(n->key, buffer, &name) &&
            constraint_passes(check_key(check, KEY_SYSCTLS), name))
            continue;
        SHOWN(shown, n->key);
        return refuse(check, KEY_SYSCTLS, name,
                      "sets \"%s\", which containers.sysctls does not allow", shown);
    }
    return FINDING_PASS;
}

/* ---- everything else of HostConfig ----------------------------------------------------------- */

enum finding check_runtime(struct check *check, const struct json_node *value)
{
    return judge(check, KEY_RUNTIMES, value->text);
}

enum finding check_cgroup_parent(struct check *check, const struct json_node *value)
{
    struct str text = value->text;
    bool climbs = false;
    for (size_t i = 0; i + 1 < text.n; i++)
        climbs = climbs || (text.p[i] == '.' && text.p[i + 1] == '.');
    if (!climbs || check_key(check, KEY_CGROUP_PARENT)->any)
        return judge(check, KEY_CGROUP_PARENT, text);
    SHOWN(shown, text);
    return refuse_with(check, KEY_CGROUP_PARENT, text, "\"containers\": {\"cgroup_parent\": true}",
                       "is \"%s\", which climbs out with '..'", shown);
}

enum finding check_links(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_LINKS, value);
}

enum finding check_annotations(struct check *check, const struct json_node *value)
{
    return judge_names(check, KEY_ANNOTATIONS, value);
}

enum finding check_storage_opt(struct check *check, const struct json_node *value)
{
    return judge_names(check, KEY_STORAGE_OPT, value);
}

enum finding check_oom_kill(struct check *check, const struct json_node *value)
{
    (void)value;
    if (check_key(check, KEY_OOM)->any)
        return FINDING_PASS;
    return refuse(check, KEY_OOM, STR("true"), "is true, and containers.oom is false");
}

enum finding check_oom_score(struct check *check, const struct json_node *value)
{
    int64_t score = 0;
    bool read = json_int(value, &score);
    if ((read && score >= 0) || check_key(check, KEY_OOM)->any)
        return FINDING_PASS;
    return refuse(check, KEY_OOM, value->text,
                  "is below 0, which shields the container before the host's own processes, and "
                  "containers.oom is false");
}

enum finding check_restart(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "no"))
        return FINDING_PASS;
    return judge(check, KEY_RESTART, value->text);
}

enum finding check_dns(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_DNS, value);
}

enum finding check_extra_hosts(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_EXTRA_HOSTS, value);
}

enum finding check_group_add(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_GROUP_ADD, value);
}

enum finding check_healthcheck(struct check *check, const struct json_node *value)
{
    (void)value;
    if (check_key(check, KEY_HEALTHCHECK)->any)
        return FINDING_PASS;
    return refuse(check, KEY_HEALTHCHECK, STR(""), "is given, and containers.healthcheck is false");
}

enum finding check_isolation(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "default"))
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_unless_open(check, value->text, "is \"%s\", which only Windows knows", shown);
}

enum finding check_stop_timeout(struct check *check, const struct json_node *value)
{
    enum { STOP_SECONDS_MAX = 600 };
    int64_t seconds = -1;
    if (json_int(value, &seconds) && seconds >= 0 && seconds <= STOP_SECONDS_MAX)
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_unless_open(check, value->text,
                              "is %s: outside 0 to 600 seconds it keeps the daemon from stopping",
                              shown);
}

enum finding check_target(struct check *check, const struct json_node *value)
{
    return judge_target(check, value->text);
}

enum finding check_container_name(struct check *check, const struct json_node *value)
{
    return judge_container_name(check, value->text);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Fields that have a value although they are absent. */
static enum finding whole_absent(struct check *check)
{
    static const struct {
        const char *path;
        enum key key;
    } rows[] = {{"HostConfig.Runtime", KEY_RUNTIMES},
                {"HostConfig.LogConfig.Type", KEY_LOG_DRIVERS}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (absent_passes(check_key(check, rows[i].key)) || text_at(check, rows[i].path).n > 0)
            continue;
        check->at = NULL;
        check->field = rows[i].path;
        return refuse(check, rows[i].key, STR(""),
                      "is not given, and %s has no \"\" for the daemon's own choice",
                      key_path(rows[i].key));
    }
    return FINDING_PASS;
}

static enum finding whole_network_mode(struct check *check)
{
    static const char *const same[] = {"", "default", "bridge"};
    const struct constraint *constraint = check_key(check, KEY_NETWORK_MODE);
    if (constraint->any || constraint->allow.count == 0 ||
        text_at(check, "HostConfig.NetworkMode").n > 0)
        return FINDING_PASS;
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (constraint_passes(constraint, str_of(same[i])))
            return FINDING_PASS;
    check->at = NULL;
    check->field = "HostConfig.NetworkMode";
    return refuse(check, KEY_NETWORK_MODE, STR("default"),
                  "is not given, which means the default network, and containers.network_mode "
                  "does not allow that");
}

static enum finding whole_image(struct check *check)
{
    if (!images_restrict(check->role) || text_at(check, "Image").n > 0)
        return FINDING_PASS;
    check->at = NULL;
    check->field = "Image";
    return refuse_with(check, KEY_IMAGES_ALLOW, STR(""), NULL,
                       "is not given, and images.allow restricts what may run");
}

enum finding whole_container(struct check *check)
{
    static enum finding (*const parts[])(struct check *) = {
        whole_absent, whole_network_mode, whole_image,
        whole_security, whole_resources, require_labels};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i](check) != FINDING_PASS)
            return FINDING_REFUSE;
    return FINDING_PASS;
}

/* ---- a command in a container ---------------------------------------------------------------- */

enum finding check_exec_privileged(struct check *check, const struct json_node *value)
{
    (void)value;
    if (check_key(check, KEY_EXEC_PRIVILEGED)->any)
        return FINDING_PASS;
    return refuse(check, KEY_EXEC_PRIVILEGED, STR("true"),
                  "is true, and exec.privileged is false");
}

static enum finding whole_exec_user(struct check *check)
{
    const struct constraint *constraint = check_key(check, KEY_EXEC_USERS);
    struct str user = text_at(check, "User");
    check->at = NULL;
    check->field = "User";
    if (user.n == 0 ? absent_passes(constraint) : constraint_passes(constraint, user))
        return FINDING_PASS;
    return refuse_value(check, KEY_EXEC_USERS, user);
}

static enum finding whole_exec_command(struct check *check)
{
    const struct json_node *list = body_at(check, "Cmd");
    const struct json_node *first = list ? json_child(check->body, list) : NULL;
    struct str word = first ? first->text : (struct str){NULL, 0};
    check->at = NULL;
    check->field = "Cmd[0]";
    return judge(check, KEY_EXEC_COMMANDS, word);
}

enum finding whole_exec(struct check *check)
{
    const struct json_node *body = check->body->nodes;
    if (json_get(check->body, body, STR("detachKeys")) &&
        json_get(check->body, body, STR("DetachKeys"))) {
        check->at = json_get(check->body, body, STR("detachKeys"));
        return refuse_unclear(check, check->at->text,
                              "could be understood in two ways: DetachKeys is given as well");
    }
    if (whole_exec_user(check) != FINDING_PASS || whole_exec_command(check) != FINDING_PASS)
        return FINDING_REFUSE;
    return check_key(check, KEY_USER)->deny.count ? whole_user(check) : FINDING_PASS;
}
