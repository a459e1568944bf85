/* Namespaces: which of them a container may share, and with whom. */
#include "checks.h"

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

enum finding check_ipc_mode(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "none") || str_is(value->text, "private"))
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
    return judge_mode(check, KEY_CGROUPNS_MODE, value->text);
}
