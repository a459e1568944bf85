/* What a container may be: environment, labels, kernel parameters, runtime and the like.
   Confinement, mounts, modes, networks, images, logs and resources have files of their own. */
#include "checks.h"

#include "existing.h"

#include <stdio.h>

enum {
    ADDRESS_MAX = 64, /* bytes; an address has 45 at most */
    HOST_MAX = 255,
    SYSCTL_MAX = 256,
    LABEL_COST = 8 /* units of work to pass one label by */
};

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

/* ---- what the image brings --------------------------------------------------------------------
 */

/* The image that an existing container was made of. LOOK_FOUND: it is in found. */
static enum look look_at_image(struct check *check, struct found *found)
{
    struct str image = check->made_of;
    return image.n > 0 ? check_look(check, FACT_IMAGE, image, found) : LOOK_MISSING;
}

/* Does an existing container have this member from its image, byte for byte? */
static bool image_brings(struct check *check, const char *path, const struct json_node *value)
{
    struct found found;
    enum look look = check_is_existing(check) ? look_at_image(check, &found) : LOOK_MISSING;
    const struct json_node *same = look == LOOK_FOUND ? fact_at(&found, path) : NULL;
    return look == LOOK_WAIT ||
           (same && str_eq(json_raw(&found.doc, same), json_raw(check->body, value)));
}

bool image_brings_name(struct check *check, const char *path, struct str name)
{
    struct found found;
    enum look look = check_is_existing(check) ? look_at_image(check, &found) : LOOK_MISSING;
    const struct json_node *object = look == LOOK_FOUND ? fact_at(&found, path) : NULL;
    return look == LOOK_WAIT || (object && check_spend(check, object->count * member_cost(name)) &&
                                 json_get(&found.doc, object, name));
}

/* Is this one of the image's own variables? */
static bool image_brings_env(struct check *check, struct str variable)
{
    struct found found;
    enum look look = check_is_existing(check) ? look_at_image(check, &found) : LOOK_MISSING;
    const struct json_node *list = look == LOOK_FOUND ? fact_at(&found, "Config.Env") : NULL;
    for (const struct json_node *n = list ? json_child(&found.doc, list) : NULL;
         n && check_spend(check, member_cost(variable)); n = json_next(&found.doc, n))
        if (str_eq(n->text, variable))
            return true;
    return look == LOOK_WAIT;
}

/* ---- environment, labels, sysctls ------------------------------------------------------------ */

static enum finding judge_env(struct check *check, enum key key, const struct json_node *list)
{
    if (key_passes_all(check, key))
        return FINDING_PASS;
    for (const struct json_node *item = json_child(check->body, list); item;
         item = json_next(check->body, item)) {
        check->at = item;
        struct str name = str_head(item->text, str_find(item->text, '='));
        if (key_passes(check, key, name) || image_brings_env(check, item->text))
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
    if (key_passes_all(check, KEY_LABELS))
        return FINDING_PASS;
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        if (key_passes(check, KEY_LABELS, n->key))
            continue;
        SHOWN(shown, n->key);
        return refuse_with(check, KEY_LABELS, n->key, NULL,
                           "sets \"%s\", which containers.labels does not allow", shown);
    }
    return FINDING_PASS;
}

/* Labels that the image brings are on the container, unless the request says otherwise. */
static enum finding judge_image_labels(struct check *check)
{
    struct found found;
    const struct json_node *own = place_node(check, PLACE_LABELS);
    bool ruled = !key_passes_all(check, KEY_LABELS);
    if (!ruled || check_is_existing(check) || check->request->route->op != OP_ContainerCreate ||
        place_text(check, PLACE_IMAGE).n == 0)
        return FINDING_PASS;
    const struct json_node *image = place_node(check, PLACE_IMAGE);
    enum look look = check_look(check, FACT_IMAGE, image->text, &found);
    if (bind_image(check, image, image->text) != FINDING_PASS)
        return FINDING_REFUSE;
    if (look != LOOK_FOUND)
        return FINDING_PASS;
    const struct json_node *labels = fact_at(&found, "Config.Labels");
    check->at = NULL;
    check->field = place_path(check, PLACE_LABELS);
    for (const struct json_node *n = labels ? json_child(&found.doc, labels) : NULL; n;
         n = json_next(&found.doc, n)) {
        bool afford = check_spend(check, own ? own->count * LABEL_COST : 0);
        if (key_passes(check, KEY_LABELS, n->key) ||
            (afford && own && json_get(check->body, own, n->key)))
            continue;
        SHOWN(shown, n->key);
        return refuse_with(check, KEY_LABELS, n->key, NULL,
                           "would get \"%s\" from its image, which containers.labels does not "
                           "allow",
                           shown);
    }
    return FINDING_PASS;
}

static enum finding require_labels(struct check *check)
{
    const struct entries *require = &check_key(check, KEY_LABELS)->require;
    check->at = NULL;
    check->field = place_path(check, PLACE_LABELS);
    for (size_t i = 0; i + 1 < require->count; i += 2) {
        struct str name = require->items[i].text;
        struct str pattern = require->items[i + 1].text;
        const struct json_node *labels = place_node(check, PLACE_LABELS);
        bool afford = check_spend(check, labels ? labels->count * LABEL_COST : 0);
        const struct json_node *label =
            labels && afford ? json_get(check->body, labels, name) : NULL;
        if (label && glob_find(pattern, label->text, false, check->work))
            continue;
        SHOWN(shown, name);
        SHOWN(wanted, pattern);
        return refuse_with(check, KEY_LABELS, name, NULL,
                           "lacks \"%s\" with a value like \"%s\", which containers.labels "
                           "requires; docker: --%s %s=VALUE",
                           shown, wanted, check_is_service(check) ? "container-label" : "label",
                           shown);
    }
    return FINDING_PASS;
}

/* "net/core/somaxconn" -> "net.core.somaxconn" in dst; false when it is no plain name. */
static bool sysctl_name(struct str text, char dst[SYSCTL_MAX], struct str *out)
{
    if (text.n == 0 || text.n > SYSCTL_MAX)
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

/* Newer daemons put those of one interface into a list with commas (handleSysctlBC). */
static bool sysctl_spreads(const struct check *check, struct str name, struct str value)
{
    static const char *const trees[] = {"net.ipv4.conf.", "net.ipv4.neigh.", "net.ipv6.conf.",
                                        "net.ipv6.neigh.", "net.mpls.conf."};
    bool interface = false;
    for (size_t i = 0; i < ARRAY_LEN(trees); i++)
        interface = interface || str_starts(name, str_of(trees[i]));
    return interface && str_find(value, ',') < value.n && !check_key(check, KEY_SYSCTLS)->any;
}

enum finding check_sysctls(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        char buffer[SYSCTL_MAX];
        struct str name = n->key;
        bool listed = sysctl_name(n->key, buffer, &name) && key_passes(check, KEY_SYSCTLS, name);
        if (listed && !sysctl_spreads(check, name, n->text))
            continue;
        SHOWN(shown, n->key);
        if (listed)
            return refuse_with(check, KEY_SYSCTLS, name, "\"containers\": {\"sysctls\": true}",
                               "sets \"%s\" to a value with a comma, behind which daemons read "
                               "another name",
                               shown);
        if (refuse(check, KEY_SYSCTLS, name, "sets \"%s\", which containers.sysctls does not allow",
                   shown) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* ---- everything else of HostConfig ----------------------------------------------------------- */

enum finding check_runtime(struct check *check, const struct json_node *value)
{
    if (check_is_existing(check) && !key_passes(check, KEY_RUNTIMES, value->text) &&
        info_says(check, "DefaultRuntime", value->text))
        return FINDING_PASS;
    return judge(check, KEY_RUNTIMES, value->text);
}

/* Does the text hold as many hex digits in a row as a container's full ID has? */
static bool holds_id(struct str text)
{
    enum { ID_LENGTH = 64 };
    size_t run = 0;
    for (size_t i = 0; i < text.n && run < ID_LENGTH; i++) {
        char c = ascii_lower(text.p[i]);
        run = ascii_digit(c) || (c >= 'a' && c <= 'f') ? run + 1 : 0;
    }
    return run == ID_LENGTH;
}

static bool climbs_out(struct str text)
{
    bool climbs = false;
    for (size_t i = 0; i + 1 < text.n; i++)
        climbs = climbs || (text.p[i] == '.' && text.p[i + 1] == '.');
    return climbs;
}

enum finding judge_cgroup_parent(struct check *check, enum key key, struct str text)
{
    char allow_with[ALLOW_WITH_MAX];
    SHOWN(shown, text);
    if (holds_id(text) && !check->role->unrestricted)
        return refuse_with(check, key, text, NULL,
                           "is \"%s\", which names a container: what runs below its cgroup could "
                           "pass for it",
                           shown);
    if (!climbs_out(text) || check_key(check, key)->any)
        return judge(check, key, text);
    snprintf(allow_with, sizeof(allow_with), "\"%s\": {\"%s\": true}", key_rows[key].group,
             key_rows[key].name);
    return refuse_with(check, key, text, allow_with, "is \"%s\", which climbs out with '..'",
                       shown);
}

enum finding check_cgroup_parent(struct check *check, const struct json_node *value)
{
    return judge_cgroup_parent(check, KEY_CGROUP_PARENT, value->text);
}

/* "NAME[:ALIAS]": its environment and address. Without an alias the name is one. */
static enum finding judge_link(struct check *check, struct str text)
{
    struct str name = str_head(text, str_find(text, ':'));
    struct str id;
    const struct str behind[] = {STR(":"), name};
    if (judge_container_name(check, name) != FINDING_PASS ||
        judge_container(check, name, false, &id) != FINDING_PASS)
        return FINDING_REFUSE;
    struct str alias = name.n < text.n ? str_skip(text, name.n)
                                       : arena_join(check->arena, behind, ARRAY_LEN(behind));
    return alias.p ? pin_text(check, STR(""), id, alias) : FINDING_UNSURE;
}

/* An inspect shows "/db:/web/alias" for what was asked for as "db:alias"; what is sent on has an ID
   in place of the name. */
static struct str link_as_asked(const struct check *check, struct str link)
{
    struct str name = str_head(link, str_find(link, ':'));
    struct str alias = str_skip(link, name.n + 1);
    struct str parts[] = {str_skip(name, 1), STR(":"), str_skip(alias, str_rfind(alias, '/') + 1)};
    const struct str asked[] = {name_as_asked(check, FACT_CONTAINER, name), str_skip(link, name.n)};
    if (!check_is_existing(check))
        return arena_join(check->arena, asked, ARRAY_LEN(asked));
    if (!str_starts(link, STR("/")) || !str_starts(alias, STR("/")))
        return link;
    return arena_join(check->arena, parts, ARRAY_LEN(parts));
}

enum finding check_links(struct check *check, const struct json_node *value)
{
    for (const struct json_node *item = json_child(check->body, value); item;
         item = json_next(check->body, item)) {
        check->at = item;
        if (judge(check, KEY_LINKS, link_as_asked(check, item->text)) != FINDING_PASS ||
            (!check_is_existing(check) && judge_link(check, item->text) != FINDING_PASS))
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
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

enum finding judge_restart_words(struct check *check, struct str words)
{
    return str_is(words, "no") ? FINDING_PASS : judge(check, KEY_RESTART, words);
}

enum finding check_restart(struct check *check, const struct json_node *value)
{
    return judge_restart_words(check, value->text);
}

enum finding check_dns(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_DNS, value);
}

enum finding check_extra_hosts(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_EXTRA_HOSTS, value);
}

/* The next word of a line, which is cut off it; empty at the end. */
static struct str next_word(struct str *line)
{
    while (line->n > 0 && memchr(" \t", line->p[0], 2))
        *line = str_skip(*line, 1);
    size_t n = 0;
    while (n < line->n && !memchr(" \t", line->p[n], 2))
        n++;
    struct str word = str_head(*line, n);
    *line = str_skip(*line, n);
    return word;
}

/* Bytes that may part words for others, or that are none of a line. */
static bool line_plain(struct str line)
{
    for (size_t i = 0; i < line.n; i++)
        if ((line.p[i] < ' ' && line.p[i] != '\t') || (unsigned char)line.p[i] >= 0x7f)
            return false;
    return true;
}

static enum finding refuse_line(struct check *check, struct str line)
{
    SHOWN(shown, line);
    return refuse_with(check, KEY_EXTRA_HOSTS, line, NULL,
                       "is \"%s\", which is not ADDRESS NAME [NAME...]", shown);
}

/* "ADDRESS NAME [NAME...]": each name as name:address, which is how containers have it. */
static enum finding judge_host_line(struct check *check, struct str line)
{
    struct str rest = line;
    struct str address = next_word(&rest);
    struct str name = next_word(&rest);
    if (!line_plain(line) || name.n == 0 || address.n > ADDRESS_MAX)
        return refuse_line(check, line);
    for (; name.n > 0; name = next_word(&rest)) {
        char pair[HOST_MAX + 1 + ADDRESS_MAX];
        if (name.n > HOST_MAX)
            return refuse_line(check, line);
        memcpy(pair, name.p, name.n);
        pair[name.n] = ':';
        memcpy(pair + name.n + 1, address.p, address.n);
        struct str whole = {pair, name.n + 1 + address.n};
        if (judge(check, KEY_EXTRA_HOSTS, whole) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

enum finding check_hosts(struct check *check, const struct json_node *value)
{
    if (check_key(check, KEY_EXTRA_HOSTS)->any)
        return FINDING_PASS;
    for (const struct json_node *item = json_child(check->body, value); item;
         item = json_next(check->body, item)) {
        check->at = item;
        if (judge_host_line(check, item->text) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

enum finding check_group_add(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_GROUP_ADD, value);
}

enum finding check_healthcheck(struct check *check, const struct json_node *value)
{
    if (check_key(check, KEY_HEALTHCHECK)->any || image_brings(check, "Config.Healthcheck", value))
        return FINDING_PASS;
    return refuse(check, KEY_HEALTHCHECK, STR(""), "is given, and containers.healthcheck is false");
}

/* Of the word alone daemons take the first argument and panic, outside of any request
   (cmdProbe.run; https://github.com/moby/moby/pull/52582). */
enum finding check_health_test(struct check *check, const struct json_node *value)
{
    const struct json_node *first = json_child(check->body, value);
    if (value->count != 1 || !first || !str_is(first->text, "CMD"))
        return FINDING_PASS;
    return refuse_unless_open(check, first->text,
                              "is [\"CMD\"] without a command, at which most daemons panic and "
                              "end");
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
    struct str id;
    if (judge_container_name(check, value->text) != FINDING_PASS)
        return FINDING_REFUSE;
    if (judge_container(check, value->text, true, &id) != FINDING_PASS)
        return FINDING_REFUSE;
    return pin_text(check, STR(""), id, STR(""));
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Fields that have a value although they are absent. */
static enum finding whole_absent(struct check *check)
{
    static const struct {
        enum place place;
        enum key key;
    } rows[] = {{PLACE_RUNTIME, KEY_RUNTIMES}, {PLACE_LOG_TYPE, KEY_LOG_DRIVERS}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (absent_passes(check, rows[i].key) || place_text(check, rows[i].place).n > 0)
            continue;
        check->at = NULL;
        check->field = place_path(check, rows[i].place);
        if (!check->field)
            return refuse(check, rows[i].key, STR(""),
                          "the body cannot name what %s is about, and the key has no \"\" for the "
                          "daemon's own choice",
                          key_path(rows[i].key));
        return refuse(check, rows[i].key, STR(""),
                      "is not given, and %s has no \"\" for the daemon's own choice",
                      key_path(rows[i].key));
    }
    return FINDING_PASS;
}

/* A mode as text, or a service's list of networks, which may stand in two places. */
static bool network_given(const struct check *check)
{
    const struct json_node *node = place_node(check, PLACE_NETWORK_MODE);
    if (check_is_service(check) && (!node || json_empty(node)))
        node = body_at(check, "Networks");
    return node && !json_empty(node);
}

static enum finding whole_network_mode(struct check *check)
{
    static const char *const same[] = {"", "default", "bridge"};
    const struct constraint *constraint = check_key(check, KEY_NETWORK_MODE);
    if (constraint->any || constraint->allow.count == 0 || network_given(check))
        return FINDING_PASS;
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (key_passes(check, KEY_NETWORK_MODE, str_of(same[i])))
            return FINDING_PASS;
    check->at = NULL;
    check->field = place_path(check, PLACE_NETWORK_MODE);
    return refuse(check, KEY_NETWORK_MODE, STR("default"),
                  "is not given, which means the default network, and containers.network_mode "
                  "does not allow that");
}

static enum finding whole_image(struct check *check)
{
    bool restricts = images_restrict(check->role), demands = role_has_signed(check->role);
    if ((!restricts && !demands) || place_text(check, PLACE_IMAGE).n > 0)
        return FINDING_PASS;
    check->at = NULL;
    check->field = place_path(check, PLACE_IMAGE);
    if (!restricts)
        return refuse_with(check, KEY_IMAGES_SIGNED, STR(""), NULL,
                           "is not given, and images.signed demands signed ones");
    return refuse_with(check, KEY_IMAGES_ALLOW, STR(""), NULL,
                       "is not given, and images.allow restricts what may run");
}

enum finding whole_container(struct check *check)
{
    static enum finding (*const parts[])(struct check *) = {
        whole_absent,    whole_network_mode, whole_image,       whole_security,
        whole_resources, require_labels,     judge_image_labels};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i](check) != FINDING_PASS)
            return FINDING_REFUSE;
    return FINDING_PASS;
}
