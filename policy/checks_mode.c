/* Namespaces: which of them a container may share, and with whom. */
#include "checks.h"

#include "existing.h"

static enum finding judge_network(struct check *check, struct str name)
{
    const struct constraint *constraint = check_key(check, KEY_NETWORK_MODE);
    bool plain = str_is(name, "default") || str_is(name, "bridge");
    /* Three spellings of one network; a list that has one of them has it. */
    if (plain && ((!constraint->any && constraint->allow.count == 0) ||
                  key_passes(check, KEY_NETWORK_MODE, STR("default")) ||
                  key_passes(check, KEY_NETWORK_MODE, STR("bridge")) ||
                  key_passes(check, KEY_NETWORK_MODE, STR(""))))
        return FINDING_PASS;
    return judge_mode(check, KEY_NETWORK_MODE, name);
}

enum finding check_network_mode(struct check *check, const struct json_node *value)
{
    return judge_network(check, value->text);
}

enum finding check_endpoints(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        check->at = n;
        if (judge_network(check, n->key) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* Could it be an ID of a network, or the beginning of one? The swarm looks for both, and its
   network "host" has one. */
static bool may_be_network_id(struct str target)
{
    static const char *const names[] = {"host", "bridge", "none"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(target, names[i]))
            return false; /* names go first, and these are always there */
    for (size_t i = 0; i < target.n; i++)
        if (!ascii_digit(target.p[i]) && !(target.p[i] >= 'a' && target.p[i] <= 'z'))
            return false;
    return true;
}

static enum finding judge_attachment(struct check *check, struct str target)
{
    if (!may_be_network_id(target) || written_out(check, KEY_NETWORK_MODE, STR("host")))
        return judge_network(check, target);
    if (written_out(check, KEY_NETWORK_MODE, target))
        return FINDING_PASS;
    SHOWN(shown, target);
    return refuse(check, KEY_NETWORK_MODE, target,
                  "is \"%s\", which may be an ID of the host's network: name the network by a name "
                  "with a character other than a-z and 0-9, or write it out in "
                  "containers.network_mode",
                  shown);
}

enum finding check_service_networks(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        const struct json_node *target = json_get(check->body, n, STR("Target"));
        check->at = target ? target : n;
        if (judge_attachment(check, member_text(check, n, "Target")) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

enum finding whole_connect(struct check *check)
{
    struct str network = check->request->name;
    check->at = NULL;
    check->field = "the network";
    if (judge_network(check, network) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge(check, KEY_NETWORKS_NAMES, network);
}

enum finding check_pid_mode(struct check *check, const struct json_node *value)
{
    return judge_mode(check, KEY_PID_MODE, value->text);
}

/* Before this version an absent IpcMode means "shareable": to write it asks for nothing. */
static bool shareable_by_default(const struct request *request)
{
    enum { PRIVATE_SINCE = 40 };
    return request->versioned && request->api_minor < PRIVATE_SINCE;
}

enum finding check_ipc_mode(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "none") || str_is(value->text, "private") ||
        (str_is(value->text, "shareable") &&
         (check_is_existing(check) || shareable_by_default(check->request))))
        return FINDING_PASS;
    return judge_mode(check, KEY_IPC_MODE, value->text);
}

enum finding check_uts_mode(struct check *check, const struct json_node *value)
{
    return judge_mode(check, KEY_UTS_MODE, value->text);
}

enum finding check_userns_mode(struct check *check, const struct json_node *value)
{
    return judge_mode(check, KEY_USERNS_MODE, value->text);
}

enum finding check_cgroupns_mode(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "private"))
        return FINDING_PASS;
    if (check_is_existing(check) && !written_out(check, KEY_CGROUPNS_MODE, value->text) &&
        info_says(check, "CgroupVersion", STR("1")))
        return FINDING_PASS; /* there it is the default */
    return judge_mode(check, KEY_CGROUPNS_MODE, value->text);
}
