/* Services of a swarm: what is theirs alone. Everything that a container has too is judged by the
   checks of containers. What nodes, networks and volumes exist is not known here. */
#include "checks.h"

enum {
    GRACE_SECONDS_MAX = 600,
    API_LIMITS = 41, /* minor API versions: for older clients the daemon drops what came with it */
    API_CONFINE = 44,
    API_OLDEST = 41 /* of the oldest daemon, 20.10: what a request without a version may mean */
};

bool check_is_service(const struct check *check)
{
    enum operation op = check->request->route->op;
    return op == OP_ServiceCreate || op == OP_ServiceUpdate;
}

/* ---- templates ------------------------------------------------------------------------------- */

/* Where "{{" begins, or text.n. */
static size_t template_at(struct str text)
{
    for (size_t i = 0; i + 1 < text.n; i++)
        if (text.p[i] == '{' && text.p[i + 1] == '{')
            return i;
    return text.n;
}

bool text_is_template(const struct check *check, struct str text)
{
    return check_is_service(check) && template_at(text) < text.n;
}

/* What a plain template may say. The first ones become letters, digits, '-', '_' and '.'. */
static const char *const plain_words[] = {
    ".Service.ID",    ".Service.Name",     ".Node.ID",
    ".Task.ID",       ".Task.Name",        ".Task.Slot",
    ".Node.Hostname", ".Node.Platform.OS", ".Node.Platform.Architecture",
};
enum { WORDS_OF_NAMES = 6, WORDS_ALL = 9 };

/* The length of the template that text begins with, when it says one of the first count words; 0:
   another one. */
static size_t template_plain(struct str text, size_t count)
{
    struct str inner = str_skip(text, 2);
    size_t end = str_find(inner, '}');
    struct str word = str_trim(str_head(inner, end));
    if (!str_starts(str_skip(inner, end), STR("}}")))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (str_is(word, plain_words[i]))
            return 2 + end + 2;
    return 0;
}

static bool templates_plain(struct str text)
{
    for (size_t at = template_at(text); at < text.n; at = template_at(text)) {
        size_t length = template_plain(str_skip(text, at), WORDS_ALL);
        if (length == 0)
            return false;
        text = str_skip(text, at + length);
    }
    return true;
}

static enum finding judge_template(struct check *check, const struct json_node *at)
{
    if (!check_is_service(check) || templates_plain(at->text))
        return FINDING_PASS;
    SHOWN(shown, at->text);
    check->at = at;
    return refuse_unless_open(check, at->text,
                              "is \"%s\": a template is a program that the daemon runs, and may "
                              "never end; only plain ones such as {{.Node.Hostname}} pass",
                              shown);
}

enum finding check_template(struct check *check, const struct json_node *value)
{
    if (value->kind == JSON_STRING)
        return judge_template(check, value);
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n))
        if (judge_template(check, n) != FINDING_PASS)
            return FINDING_REFUSE;
    return FINDING_PASS;
}

enum finding check_service_env(struct check *check, const struct json_node *value)
{
    if (check_env(check, value) != FINDING_PASS)
        return FINDING_REFUSE;
    return check_template(check, value);
}

struct str template_filled(const struct check *check, struct str text)
{
    char *p = arena_alloc(check->arena, text.n + 1, 1);
    size_t n = 0;
    while (p && text.n > 0) {
        size_t at = template_at(text);
        size_t skip = at < text.n ? template_plain(str_skip(text, at), WORDS_OF_NAMES) : 0;
        if (at < text.n && skip == 0)
            return (struct str){NULL, 0};
        memcpy(p + n, text.p, at);
        n += at;
        if (at < text.n)
            p[n++] = '0';
        text = str_skip(text, at + skip);
    }
    return (struct str){p, p ? n : 0};
}

static enum finding refuse_template(struct check *check, const struct json_node *at)
{
    SHOWN(shown, at->text);
    check->at = at;
    return refuse_plain(check, at->text, NULL, NULL,
                        "is \"%s\": a template that the swarm fills in only once a task starts, so "
                        "it cannot be told what it becomes",
                        shown);
}

/* A role that may mount anything anyway. */
static bool mounts_anything(const struct check *check)
{
    static const enum key keys[] = {KEY_BINDS, KEY_VOLUMES, KEY_VOLUME_OPTIONS, KEY_TMPFS};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!check_key(check, keys[i])->any)
            return false;
    return check->role->unrestricted;
}

/* A volume's name may be a plain template where any name would pass. */
static bool source_passes(const struct check *check, const struct json_node *mount,
                          struct str source)
{
    return str_is(member_text(check, mount, "Type"), "volume") &&
           check_key(check, KEY_VOLUMES)->any && template_filled(check, source).p &&
           !volume_may_become_own(check->role, source);
}

/* The options of the volume driver, or NULL. */
static const struct json_node *driver_options(const struct check *check,
                                              const struct json_node *mount)
{
    const struct json_node *node = json_get(check->body, mount, STR("VolumeOptions"));
    node = json_get(check->body, node, STR("DriverConfig"));
    return json_get(check->body, node, STR("Options"));
}

enum finding judge_mount_templates(struct check *check, const struct json_node *mount)
{
    const struct json_node *source = json_get(check->body, mount, STR("Source"));
    const struct json_node *target = json_get(check->body, mount, STR("Target"));
    const struct json_node *options = driver_options(check, mount);
    if (!check_is_service(check) || mounts_anything(check))
        return FINDING_PASS;
    if (source && text_is_template(check, source->text) &&
        !source_passes(check, mount, source->text))
        return refuse_template(check, source);
    if (target && text_is_template(check, target->text))
        return refuse_template(check, target);
    for (const struct json_node *n = options ? json_child(check->body, options) : NULL; n;
         n = json_next(check->body, n))
        if (text_is_template(check, n->text))
            return refuse_template(check, n);
    return FINDING_PASS;
}

/* ---- confinement ----------------------------------------------------------------------------- */

/* What the daemon makes of Privileges, as security options. */
static const struct {
    const char *object; /* in Privileges; NULL: Privileges itself */
    const char *member;
    const char *word; /* the text that gives the option; "": true does; NULL: any, put behind it */
    const char *option;
} confinement[] = {
    {"SELinuxContext", "Disable", "", "label=disable"},
    {NULL, "NoNewPrivileges", "", "no-new-privileges=true"},
    {"SELinuxContext", "User", NULL, "label=user:"},
    {"SELinuxContext", "Role", NULL, "label=role:"},
    {"SELinuxContext", "Type", NULL, "label=type:"},
    {"SELinuxContext", "Level", NULL, "label=level:"},
    {"Seccomp", "Mode", "default", "seccomp=builtin"},
    {"Seccomp", "Mode", "unconfined", "seccomp=unconfined"},
    {"Seccomp", "Mode", "custom", "seccomp=custom"},
    {"AppArmor", "Mode", "default", "apparmor=docker-default"},
    {"AppArmor", "Mode", "disabled", "apparmor=unconfined"},
};

size_t service_options_count(void)
{
    return ARRAY_LEN(confinement);
}

struct str service_option(const struct check *check, size_t index)
{
    const char *name = confinement[index].object, *member = confinement[index].member;
    const char *word = confinement[index].word, *option = confinement[index].option;
    const struct json_node *object = place_node(check, PLACE_SECURITY_OPT);
    if (name)
        object = json_get(check->body, object, str_of(name));
    struct str text = member_text(check, object, member);
    bool given = word && !word[0] ? member_true(check, object, member)
                                  : text.n > 0 && (!word || str_is(text, word));
    const struct str parts[] = {str_of(option), text};
    if (!given)
        return STR("");
    return word ? parts[0] : arena_join(check->arena, parts, ARRAY_LEN(parts));
}

enum finding check_selinux(struct check *check, const struct json_node *value)
{
    for (size_t i = 0; i < service_options_count(); i++) {
        struct str option = service_option(check, i);
        if (!option.p)
            return FINDING_UNSURE;
        if (!str_starts(option, STR("label=")))
            continue;
        check->at = value;
        if (judge_security_option(check, KEY_SECURITY_OPT, option) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* A mode that no table knows. */
static enum finding refuse_mode(struct check *check, struct str mode)
{
    if (check->role->unrestricted)
        return FINDING_PASS;
    SHOWN(shown, mode);
    return refuse_plain(check, mode, NULL, NULL,
                        "is \"%s\", which is no mode that this version knows", shown);
}

enum finding check_seccomp_mode(struct check *check, const struct json_node *value)
{
    /* A custom profile is judged by its own row. */
    if (str_is(value->text, "default") || str_is(value->text, "custom"))
        return FINDING_PASS;
    if (!str_is(value->text, "unconfined"))
        return refuse_mode(check, value->text);
    return judge_security_option(check, KEY_SECURITY_OPT, STR("seccomp=unconfined"));
}

enum finding check_apparmor_mode(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "default"))
        return FINDING_PASS;
    if (!str_is(value->text, "disabled"))
        return refuse_mode(check, value->text);
    return judge_security_option(check, KEY_SECURITY_OPT, STR("apparmor=unconfined"));
}

/* ---- other fields ---------------------------------------------------------------------------- */

enum finding check_service_runtime(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "container"))
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_unless_open(check, value->text,
                              "is \"%s\": tasks that are no containers run as root of the host",
                              shown);
}

/* why: what a larger number does. */
static enum finding judge_tasks(struct check *check, const struct json_node *value, const char *why)
{
    enum { TASKS_MAX = 1000 };
    int64_t count = -1;
    if (json_int(value, &count) && count >= 0 && count <= TASKS_MAX)
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_unless_open(check, value->text, "is %s: more than %d %s", shown, (int)TASKS_MAX,
                              why);
}

/* The manager makes a record of each task, whether nodes have room for it or not. */
enum finding check_replicas(struct check *check, const struct json_node *value)
{
    return judge_tasks(check, value, "tasks can fill the manager's memory");
}

/* An update starts that many workers, also for one task, and again when the manager boots
   (swarmkit's Updater.Run); of a number beyond int64 it panics. */
enum finding check_parallelism(struct check *check, const struct json_node *value)
{
    return judge_tasks(check, value,
                       "at once can fill the manager's memory, at each of its boots, too");
}

enum finding check_stop_grace(struct check *check, const struct json_node *value)
{
    int64_t nanoseconds = -1;
    if (json_int(value, &nanoseconds) && nanoseconds >= 0 &&
        nanoseconds <= (int64_t)GRACE_SECONDS_MAX * 1000000000)
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_unless_open(check, value->text,
                              "is %s nanoseconds: outside 0 to 600 seconds it keeps the daemon "
                              "from stopping",
                              shown);
}

/* What docker calls it. */
static struct str restart_words(struct str condition)
{
    if (str_is(condition, "none"))
        return STR("no");
    return condition.n == 0 || str_is(condition, "any") ? STR("always") : condition;
}

enum finding check_restart_condition(struct check *check, const struct json_node *value)
{
    struct str words = restart_words(value->text);
    bool known = str_is(words, "no") || str_is(words, "always") || str_is(words, "on-failure");
    if (!known && !check->role->unrestricted) {
        SHOWN(shown, value->text);
        return refuse_plain(check, value->text, NULL, NULL,
                            "is \"%s\", which is none of \"none\", \"on-failure\" and \"any\"",
                            shown);
    }
    return judge_restart_words(check, words);
}

enum finding check_swap_bytes(struct check *check, const struct json_node *value)
{
    const struct constraint *limit = check_key(check, KEY_MEM_LIMIT);
    const struct json_node *memory = place_node(check, PLACE_MEMORY);
    int64_t bytes = 0, swap = -1, sum = 0;
    if (!limit->has_max)
        return FINDING_PASS;
    if (memory && !json_int(memory, &bytes))
        bytes = 0; /* null; another type is refused by its row */
    if (json_int(value, &swap) && swap >= 0 && !__builtin_add_overflow(bytes, swap, &sum) &&
        sum <= limit->max)
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_with(check, KEY_MEM_LIMIT, value->text, NULL,
                       "is %s, and memory and swap together exceed containers.mem_limit", shown);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum finding whole_name(struct check *check)
{
    return judge_member(check, KEY_SERVICES_NAMES, "Name");
}

static enum finding whole_restart(struct check *check)
{
    struct str condition = place_text(check, PLACE_RESTART);
    if (condition.n > 0)
        return FINDING_PASS; /* judged by its row */
    check->at = NULL;
    check->field = place_path(check, PLACE_RESTART);
    if (key_passes(check, KEY_RESTART, STR("always")))
        return FINDING_PASS;
    return refuse(check, KEY_RESTART, STR("always"),
                  "is not given, which means \"always\", and containers.restart does not allow "
                  "that; \"none\" passes");
}

/* Does the role rely on a field that daemons drop for older clients? */
static bool relies_on(const struct check *check, enum key key)
{
    const struct constraint *constraint = check_key(check, key);
    bool relies = constraint->required || (key == KEY_USER && constraint->deny.count > 0);
    for (size_t i = 0; i < constraint->require.count; i++) /* labels are read by all */
        relies = relies || !str_starts(constraint->require.items[i].text, STR("label"));
    return relies;
}

static enum finding whole_version(struct check *check)
{
    static const struct {
        enum key key;
        enum place place;
        int from;
    } rows[] = {
        {KEY_CAP_DROP, PLACE_CAP_DROP, API_LIMITS},
        {KEY_PIDS_LIMIT, PLACE_PIDS_LIMIT, API_LIMITS},
        {KEY_USER, PLACE_SECURITY_OPT, API_CONFINE},
        {KEY_SECURITY_OPT, PLACE_SECURITY_OPT, API_CONFINE},
    };
    const struct request *request = check->request;
    const int minor = request->versioned ? request->api_minor : API_OLDEST;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (minor >= rows[i].from || !relies_on(check, rows[i].key))
            continue;
        check->at = NULL;
        check->field = place_path(check, rows[i].place);
        return refuse_with(check, rows[i].key, STR(""), NULL,
                           "loses what %s requires below API version 1.%d, as the daemon drops it "
                           "for older clients; name that version or a newer one in the path, as "
                           "/v1.%d/...",
                           key_path(rows[i].key), rows[i].from, rows[i].from);
    }
    return FINDING_PASS;
}

enum finding whole_service(struct check *check)
{
    /* A plugin's tasks have no container; both fields have been opened. */
    if (str_is(text_at(check, "TaskTemplate.Runtime"), "plugin"))
        return whole_name(check);
    if (whole_name(check) != FINDING_PASS || whole_restart(check) != FINDING_PASS ||
        whole_container(check) != FINDING_PASS)
        return FINDING_REFUSE;
    return whole_version(check);
}
