/* Plugins: what may be installed, under which names, with which privileges and settings. They run
   as root of the host; what is in them is not known here. */
#include "checks.h"

enum {
    HUB = 10, /* bytes of "docker.io/" and "library/" */
    LIBRARY = 8,
    GRANT_NAME_MAX = 256,
    GRANT_VALUE_MAX = 4096 /* a path */
};

/* ---- names ----------------------------------------------------------------------------------- */

/* As `docker plugin ls` shows it, without its tag: without "docker.io/" and "library/". */
static struct str familiar(const struct image_ref *ref)
{
    struct str name = ref->name;
    if (str_starts(name, STR("docker.io/")))
        name = str_skip(name, HUB);
    return str_starts(name, STR("library/")) ? str_skip(name, LIBRARY) : name;
}

static bool names_bound(const struct check *check)
{
    const struct constraint *names = check_key(check, KEY_PLUGINS_NAMES);
    return !names->any || names->deny.count > 0;
}

static enum finding judge_plugin_name(struct check *check, struct str name)
{
    struct image_ref ref;
    if (!names_bound(check))
        return FINDING_PASS;
    SHOWN(shown, name);
    if (image_is_id(name) && !written_out(check, KEY_PLUGINS_NAMES, name))
        return refuse(check, KEY_PLUGINS_NAMES, name,
                      "names the plugin \"%s\", which may be the ID of any; use its name, as "
                      "plugins.names has it",
                      shown);
    if (!image_parse(name, check->arena, &ref))
        return refuse_with(check, KEY_PLUGINS_NAMES, name, NULL,
                           "is \"%s\", which is not the name of a plugin", shown);
    const struct str parts[] = {familiar(&ref), STR(":"), ref.tag.n > 0 ? ref.tag : STR("latest")};
    struct str whole = arena_join(check->arena, parts, ARRAY_LEN(parts));
    if (key_passes(check, KEY_PLUGINS_NAMES, familiar(&ref)) ||
        (whole.p && key_passes(check, KEY_PLUGINS_NAMES, whole)))
        return FINDING_PASS;
    return refuse(check, KEY_PLUGINS_NAMES, familiar(&ref),
                  "names the plugin \"%s\", which plugins.names does not allow", shown);
}

enum finding param_plugin_name(struct check *check, struct str value)
{
    return judge_plugin_name(check, value);
}

enum finding param_plugin_asked(struct check *check, struct str value)
{
    return reference_listed(check, KEY_PLUGINS_ALLOW, value)
               ? FINDING_PASS
               : judge_image(check, value, IMAGE_NAME);
}

enum finding param_plugin_remote(struct check *check, struct str value)
{
    return judge_reference(check, KEY_PLUGINS_ALLOW, value);
}

/* ---- operations ------------------------------------------------------------------------------ */

/* Without a name of its own the plugin gets that of its origin. */
static enum finding judge_pull(struct check *check)
{
    if (request_param(check->request, "name").n > 0)
        return FINDING_PASS; /* judged by its row */
    check->field = "?remote";
    return judge_plugin_name(check, request_param(check->request, "remote"));
}

static enum finding judge_named(struct check *check)
{
    check->field = "the path";
    return judge_plugin_name(check, check->request->name);
}

static enum finding judge_push(struct check *check)
{
    if (judge_named(check) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_image(check, check->request->name, IMAGE_HERE);
}

static enum finding judge_archive(struct check *check)
{
    if (check_key(check, KEY_PLUGINS_UNCONSTRAINED)->any)
        return FINDING_PASS;
    check->field = "the archive";
    return refuse(check, KEY_PLUGINS_UNCONSTRAINED, STR(""),
                  "may hold any program, to run as root of the host, and "
                  "plugins.unconstrained is false");
}

enum finding judge_plugin_operation(struct check *check)
{
    switch (check->request->route->op) {
    case OP_PluginPull:
        return judge_pull(check);
    case OP_PluginCreate:
        return judge_archive(check);
    case OP_PluginPush:
        return judge_push(check);
    case OP_PluginEnable:
    case OP_PluginDisable:
    case OP_PluginUpgrade:
    case OP_PluginSet:
    case OP_PluginDelete:
        return judge_named(check);
    default:
        return FINDING_PASS;
    }
}

/* ---- bodies ---------------------------------------------------------------------------------- */

/* Where the value is a path, "..", "." and "//" in it match no glob. */
static bool value_listed(const struct check *check, enum key key, struct str pair)
{
    struct str value = str_skip(pair, str_find(pair, '=') + 1);
    bool path = str_starts(value, STR("/"));
    return path && !path_is_normal(value)
               ? constraint_names(check_key(check, key), pair, check->work)
               : key_passes(check, key, pair);
}

static enum finding judge_grant(struct check *check, struct str name, struct str value)
{
    char buffer[GRANT_NAME_MAX + 1 + GRANT_VALUE_MAX];
    struct str pair = name;
    bool fits = name.n <= GRANT_NAME_MAX && value.n <= GRANT_VALUE_MAX;
    if (fits && value.p) {
        memcpy(buffer, name.p, name.n);
        buffer[name.n] = '=';
        memcpy(buffer + name.n + 1, value.p, value.n);
        pair = (struct str){buffer, name.n + 1 + value.n};
    }
    if (fits && value_listed(check, KEY_PLUGINS_PRIVILEGES, pair))
        return FINDING_PASS;
    SHOWN(shown, pair);
    return refuse(check, KEY_PLUGINS_PRIVILEGES, pair,
                  "grants \"%s\", which plugins.privileges does not allow", shown);
}

static enum finding judge_grants(struct check *check, const struct json_node *privilege)
{
    struct str name = member_text(check, privilege, "Name");
    name = name.p ? name : STR("");
    const struct json_node *list = json_get(check->body, privilege, STR("Value"));
    const struct json_node *value = list ? json_child(check->body, list) : NULL;
    check->at = privilege;
    if (!value)
        return judge_grant(check, name, (struct str){NULL, 0});
    for (; value; value = json_next(check->body, value)) {
        check->at = value;
        if (judge_grant(check, name, value->text.p ? value->text : STR("")) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* Daemons before 29.3.1 do not compare the first of the privileges that are granted with what the
   plugin asks for (plugin/manager_linux.go, isEqual; CVE-2026-33997). */
static enum finding judge_any_grant(struct check *check, const struct json_node *list)
{
    if (list->count == 0 || check_key(check, KEY_PLUGINS_UNCONSTRAINED)->any)
        return FINDING_PASS;
    check->at = NULL;
    check->field = "the body";
    return refuse(check, KEY_PLUGINS_UNCONSTRAINED, STR(""),
                  "grants privileges, and daemons before 29.3.1 do not compare the first of them "
                  "with what the plugin gets, and plugins.unconstrained is false");
}

enum finding whole_grants(struct check *check)
{
    const struct json_node *list = check->body->nodes;
    for (const struct json_node *n = json_child(check->body, list); n;
         n = json_next(check->body, n))
        if (judge_grants(check, n) != FINDING_PASS)
            return FINDING_REFUSE;
    return judge_any_grant(check, list);
}

/* "NAME=VALUE"; the value may be a password, so it is not shown. */
enum finding check_plugin_setting(struct check *check, const struct json_node *value)
{
    struct str name = str_head(value->text, str_find(value->text, '='));
    if (key_passes(check, KEY_PLUGINS_SETTINGS, name) ||
        value_listed(check, KEY_PLUGINS_SETTINGS, value->text))
        return FINDING_PASS;
    SHOWN(shown, name);
    return refuse(check, KEY_PLUGINS_SETTINGS, name,
                  "sets \"%s\", which plugins.settings does not allow", shown);
}
