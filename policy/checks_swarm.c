/* Secrets, configs, nodes and the swarm itself: their names, drivers, roles and peers. */
#include "checks.h"

#include "existing.h"

/* ---- references of services ------------------------------------------------------------------ */

/* Where the daemon puts the file: names that are not absolute stand below folder. */
static enum finding judge_file(struct check *check, struct str name, struct str folder)
{
    enum { FILE_NAME_MAX = 4096 };
    const struct str parts[] = {str_starts(name, STR("/")) ? STR("") : folder, name};
    if (name.n > FILE_NAME_MAX)
        return refuse_plain(check, name, NULL, NULL, "is longer than any path");
    struct str path = arena_join(check->arena, parts, ARRAY_LEN(parts));
    return path.p ? judge_target(check, path) : FINDING_UNSURE;
}

enum finding check_secret_file(struct check *check, const struct json_node *value)
{
    return judge_file(check, value->text, STR("/run/secrets/"));
}

enum finding check_config_file(struct check *check, const struct json_node *value)
{
    return judge_file(check, value->text, STR("/"));
}

/* kind: what they refer to. Swarm takes the ID alone. */
static enum finding judge_references(struct check *check, const struct json_node *list,
                                     enum key key, enum fact_kind kind)
{
    const char *member = kind == FACT_SECRET ? "SecretName" : "ConfigName";
    const char *id_member = kind == FACT_SECRET ? "SecretID" : "ConfigID";
    for (const struct json_node *n = json_child(check->body, list); n;
         n = json_next(check->body, n)) {
        const struct json_node *name = json_get(check->body, n, str_of(member));
        check->at = name ? name : n;
        struct str id;
        if (judge(check, key, member_text(check, n, member)) != FINDING_PASS ||
            judge_there(check, kind, member_text(check, n, id_member), &id) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

enum finding check_secret_refs(struct check *check, const struct json_node *value)
{
    return judge_references(check, value, KEY_SECRETS_NAMES, FACT_SECRET);
}

enum finding check_config_refs(struct check *check, const struct json_node *value)
{
    return judge_references(check, value, KEY_CONFIGS_NAMES, FACT_CONFIG);
}

/* It says something by being there at all. */
enum finding check_config_runtime(struct check *check, const struct json_node *value)
{
    (void)value;
    return refuse_unless_open(check, STR(""),
                              "is given: the daemon itself would read the config, for a credential "
                              "spec");
}

/* ---- secrets and configs --------------------------------------------------------------------- */

enum finding whole_secret(struct check *check)
{
    if (judge_member(check, KEY_SECRETS_NAMES, "Name") != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_member(check, KEY_SECRETS_DRIVERS, "Driver.Name");
}

enum finding whole_config(struct check *check)
{
    return judge_member(check, KEY_CONFIGS_NAMES, "Name");
}

/* ---- nodes and the swarm --------------------------------------------------------------------- */

enum finding whole_node(struct check *check)
{
    return judge_member(check, KEY_NODES_ROLES, "Role");
}

enum finding check_remotes(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_SWARM_REMOTES, value);
}
