/* Builds: what a role must say before anything is built, and the parameters of ImageBuild. What a
   Dockerfile does is not read: it runs as root of a default container, whatever this file allows.
 */
#include "checks.h"

#include "existing.h"
#include "uses.h"

/* ---- what constrains containers -------------------------------------------------------------- */

enum key builds_get_round(const struct role *role)
{
    static const enum key keys[] = {KEY_USER,      KEY_CAP_DROP, KEY_READ_ONLY,  KEY_SECURITY_OPT,
                                    KEY_MEM_LIMIT, KEY_CPUS,     KEY_PIDS_LIMIT, KEY_COUNT};
    enum key images = images_restricted_by(role);
    if (images != KEY_COUNT)
        return images;
    if (role_has_signed(role))
        return KEY_IMAGES_SIGNED;
    for (size_t i = 0; keys[i] != KEY_COUNT; i++) {
        const struct constraint *constraint = &role->keys[keys[i]];
        bool listed = keys[i] == KEY_USER && (!constraint->any || constraint->deny.count > 0);
        if (listed || constraint->required || constraint->has_max || constraint->require.count > 0)
            return keys[i];
    }
    return KEY_COUNT;
}

static enum finding judge_unconstrained(struct check *check)
{
    enum key set = builds_get_round(check->role);
    if (set == KEY_COUNT || check_key(check, KEY_BUILDS_UNCONSTRAINED)->any)
        return FINDING_PASS;
    check->field = NULL;
    return refuse(check, KEY_BUILDS_UNCONSTRAINED, STR(""),
                  "the role sets %s, which no build obeys, and builds.unconstrained is false",
                  key_path(set));
}

/* ---- BuildKit -------------------------------------------------------------------------------- */

bool role_buildkit(const struct role *role)
{
    return role_allows(role, OP_Session) && role->keys[KEY_BUILDS_BUILDKIT].any;
}

/* what: the beginning of the sentence, behind the field. */
static enum finding judge_buildkit(struct check *check, struct str value, const char *what)
{
    if (check_key(check, KEY_BUILDS_BUILDKIT)->any)
        return FINDING_PASS;
    return refuse(check, KEY_BUILDS_BUILDKIT, value,
                  "%s BuildKit, which is not inspected, and builds.buildkit is false; for the "
                  "classic builder set DOCKER_BUILDKIT=0, which docker from version 23 on needs",
                  what);
}

enum finding param_build_version(struct check *check, struct str value)
{
    return str_is(value, "1") ? FINDING_PASS : judge_buildkit(check, value, "asks for");
}

enum finding param_build_session(struct check *check, struct str value)
{
    return judge_buildkit(check, value, "names a session of");
}

enum finding judge_tunnel(struct check *check)
{
    check->field = NULL;
    if (judge_buildkit(check, STR(""), "it is a tunnel to") != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_unconstrained(check);
}

/* ---- the network ----------------------------------------------------------------------------- */

/* Three spellings of one network; a list that has one of them has it, and an empty list lets
   nothing but it pass. */
static bool default_network_passes(const struct check *check)
{
    static const char *const same[] = {"", "default", "bridge"};
    const struct constraint *constraint = check_key(check, KEY_BUILDS_NETWORK_MODE);
    if (constraint->any || constraint->allow.count == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (key_passes(check, KEY_BUILDS_NETWORK_MODE, str_of(same[i])))
            return true;
    return false;
}

/* Each step of a build joins the container anew, so that it is named by its ID. */
static enum finding join_container(struct check *check, struct str name)
{
    struct str id;
    if (judge_container(check, name, true, &id) != FINDING_PASS)
        return FINDING_REFUSE;
    const struct str parts[] = {STR("container:"), id};
    struct str mode = arena_join(check->arena, parts, ARRAY_LEN(parts));
    if (!mode.p)
        return FINDING_UNSURE;
    return id.n > 0 ? pin_param(check, "networkmode", mode) : FINDING_PASS;
}

static enum finding join_network(struct check *check, struct str name)
{
    struct joined joined;
    if (judge_network(check, name, &joined) != FINDING_PASS)
        return FINDING_REFUSE;
    return pin_param(check, "networkmode", joined.id);
}

enum finding param_build_network(struct check *check, struct str value)
{
    struct str container = STR("container:");
    bool plain = str_is(value, "default") || str_is(value, "bridge");
    bool fixed = str_is(value, "none") || str_is(value, "host") || str_find(value, ':') < value.n;
    if (plain && default_network_passes(check))
        return FINDING_PASS;
    if (judge_mode(check, KEY_BUILDS_NETWORK_MODE,
                   fixed ? value : name_as_asked(check, FACT_NETWORK, value)) != FINDING_PASS)
        return FINDING_REFUSE;
    if (str_starts(value, container))
        return join_container(check, str_skip(value, container.n));
    return plain || fixed ? FINDING_PASS : join_network(check, value);
}

static enum finding judge_absent_network(struct check *check)
{
    if (request_param(check->request, "networkmode").n > 0 || default_network_passes(check))
        return FINDING_PASS;
    check->field = "?networkmode";
    return refuse(check, KEY_BUILDS_NETWORK_MODE, STR("default"),
                  "is not given, which means the default network, and builds.network_mode does not "
                  "allow that");
}

/* ---- where the context comes from ------------------------------------------------------------ */

/* An address without the name and password that may stand before its host. */
struct remote {
    struct str scheme;
    struct str host; /* with port */
    struct str rest; /* from the first '/', '?' or '#' on */
};

static bool scheme_known(struct str scheme)
{
    static const char *const schemes[] = {"http", "https", "git", "ssh"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (str_is(scheme, schemes[i]))
            return true;
    return false;
}

/* False: git's short form, a file, or what only looks like an address. */
static bool remote_read(struct str text, struct remote *out)
{
    out->scheme = str_head(text, str_find(text, ':'));
    struct str rest = str_skip(text, out->scheme.n);
    if (!scheme_known(out->scheme) || !str_starts(rest, STR("://")))
        return false;
    rest = str_skip(rest, 3);
    size_t end = 0;
    while (end < rest.n && !memchr("/?#", rest.p[end], 3))
        end++;
    struct str authority = str_head(rest, end);
    size_t at = str_rfind(authority, '@');
    out->host = at < authority.n ? str_skip(authority, at + 1) : authority;
    out->rest = str_skip(rest, end);
    return out->host.n > 0;
}

/* Nothing that a server or git could read in another way than a pattern does. */
static bool remote_plain(const struct remote *remote)
{
    struct str text = remote->rest;
    for (size_t i = 0; i < remote->host.n; i++)
        if (!ascii_alpha(remote->host.p[i]) && !ascii_digit(remote->host.p[i]) &&
            !memchr(".:-_[]", remote->host.p[i], 6))
            return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '\\' || text.p[i] == '%' ||
            str_starts(str_skip(text, i), STR("..")))
            return false;
    return true;
}

static enum finding refuse_remote(struct check *check, const struct remote *remote)
{
    char allow_with[ALLOW_WITH_MAX];
    const struct str parts[] = {remote->scheme, STR("://"), remote->host, STR("/**")};
    struct str entry = arena_join(check->arena, parts, ARRAY_LEN(parts));
    struct str site = entry.p ? str_head(entry, entry.n - parts[3].n) : STR("");
    suggest_entry(check, KEY_BUILDS_REMOTE, entry, allow_with, sizeof(allow_with));
    if (learning_site(check, site))
        return FINDING_PASS;
    SHOWN(shown, site);
    return refuse_with(check, KEY_BUILDS_REMOTE, site, allow_with,
                       "makes the daemon fetch from %s, which builds.remote does not allow", shown);
}

enum finding param_build_remote(struct check *check, struct str value)
{
    struct remote remote;
    if (str_is(value, "client-session"))
        return judge_buildkit(check, value, "is the session of");
    if (check_key(check, KEY_BUILDS_REMOTE)->any)
        return FINDING_PASS;
    if (!remote_read(value, &remote) || !remote_plain(&remote))
        return refuse_with(check, KEY_BUILDS_REMOTE, STR(""), "\"builds\": {\"remote\": true}",
                           "is no plain address such as https://HOST/PATH, so no entry of "
                           "builds.remote names it");
    const struct str parts[] = {remote.scheme, STR("://"), remote.host, remote.rest};
    struct str address = arena_join(check->arena, parts, ARRAY_LEN(parts));
    if (address.p && key_passes(check, KEY_BUILDS_REMOTE, address))
        return FINDING_PASS;
    return refuse_remote(check, &remote);
}

/* ---- the other parameters -------------------------------------------------------------------- */

enum finding param_build_hosts(struct check *check, struct str value)
{
    return judge(check, KEY_BUILDS_EXTRA_HOSTS, value);
}

enum finding param_build_cgroup(struct check *check, struct str value)
{
    return judge_cgroup_parent(check, KEY_BUILDS_CGROUP_PARENT, value);
}

enum finding param_build_security(struct check *check, struct str value)
{
    return judge_security_option(check, KEY_BUILDS_SECURITY_OPT, value);
}

enum finding param_build_isolation(struct check *check, struct str value)
{
    if (str_ieq(value, STR("default")))
        return FINDING_PASS;
    SHOWN(shown, value);
    return refuse_unless_open(check, value, "is \"%s\", which only Windows knows", shown);
}

/* A parameter that holds JSON: a list, or null for none. */
static enum finding read_list(struct check *check, struct str value, struct json *doc)
{
    struct err err = {0};
    if (json_scan(value, check->arena, doc, &err) && doc->count > 0 &&
        (doc->nodes[0].kind == JSON_ARRAY || doc->nodes[0].kind == JSON_NULL))
        return FINDING_PASS;
    return refuse_unclear(check, value, "must be a JSON list");
}

enum finding param_build_outputs(struct check *check, struct str value)
{
    struct json doc;
    if (check_key(check, KEY_BUILDS_OUTPUTS)->any)
        return FINDING_PASS;
    if (read_list(check, value, &doc) != FINDING_PASS)
        return FINDING_REFUSE;
    if (doc.nodes[0].count == 0)
        return FINDING_PASS;
    return refuse(check, KEY_BUILDS_OUTPUTS, value,
                  "sends the result elsewhere, and builds.outputs is false");
}

enum finding param_build_cache(struct check *check, struct str value)
{
    struct json doc;
    if (!images_restrict(check->role))
        return FINDING_PASS;
    if (read_list(check, value, &doc) != FINDING_PASS)
        return FINDING_REFUSE;
    for (const struct json_node *n = json_child(&doc, &doc.nodes[0]); n; n = json_next(&doc, n)) {
        if (n->kind != JSON_STRING)
            return refuse_unclear(check, value, "must be a JSON list of names of images");
        if (judge_image(check, n->text, IMAGE_HERE) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* Limits of each process of RUN, which a build's own container has, too. Daemons take names of
   members in any case, so that each text is read as a name. */
enum finding param_build_ulimits(struct check *check, struct str value)
{
    struct json doc;
    if (read_list(check, value, &doc) != FINDING_PASS)
        return FINDING_REFUSE;
    for (size_t i = 0; i < doc.count; i++) {
        if (doc.nodes[i].kind != JSON_STRING || !ulimit_is_realtime(doc.nodes[i].text))
            continue;
        SHOWN(shown, doc.nodes[i].text);
        return refuse_unless_open(check, value,
                                  "sets \"%s\": real-time scheduling goes before the host's "
                                  "processes, and past limits of processors",
                                  shown);
    }
    return FINDING_PASS;
}

enum finding param_build_tag(struct check *check, struct str value)
{
    if (judge_import(check, value) != FINDING_PASS)
        return FINDING_REFUSE;
    if (judge_image(check, value, IMAGE_NAME) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_image_name_free(check, value, false);
}

enum finding judge_build(struct check *check)
{
    if (judge_unconstrained(check) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_absent_network(check);
}
