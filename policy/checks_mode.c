/* Namespaces: which of them a container may share, and with whom. */
#include "checks.h"

#include "existing.h"

/* ---- networks -------------------------------------------------------------------------------- */

/* Names that stand for the same on every daemon, and modes that are none of a network. */
static bool needs_no_look(struct str name)
{
    static const char *const fixed[] = {"", "default", "bridge", "none", "host"};
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (str_is(name, fixed[i]))
            return true;
    return str_find(name, ':') < name.n;
}

/* The role joins whatever there is. */
static bool joins_all(const struct check *check)
{
    return sees_all(check, FACT_NETWORK) && check->role->unrestricted &&
           check_key(check, KEY_NETWORK_MODE)->any && check_key(check, KEY_NETWORKS_DRIVERS)->any;
}

static enum finding judge_driver(struct check *check, struct str network, struct str driver)
{
    if (key_passes(check, KEY_NETWORKS_DRIVERS, driver))
        return FINDING_PASS;
    SHOWN(named, network);
    SHOWN(shown, driver);
    return refuse(check, KEY_NETWORKS_DRIVERS, driver,
                  "joins the network \"%s\", whose driver \"%s\" networks.drivers does not allow",
                  named, shown);
}

static enum finding judge_named_network(struct check *check, struct str name);

/* By what the daemon says it is: an ID may stand for any network, also for the host's. */
static enum finding judge_looked_up(struct check *check, struct str asked,
                                    const struct found *found)
{
    struct str name = fact_text(found, "Name");
    struct str driver = fact_text(found, "Driver");
    if (str_is(driver, "host"))
        return judge_named_network(check, STR("host"));
    if (str_is(driver, "null"))
        return judge_named_network(check, STR("none"));
    if (str_is(name, "bridge"))
        return judge_named_network(check, name);
    if (name.n == 0 || needs_no_look(name))
        return refuse_value(check, KEY_NETWORK_MODE, asked);
    if (!written_out(check, KEY_NETWORK_MODE, asked) &&
        judge_named_network(check, name) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_driver(check, name, driver);
}

/* At a start the daemon looks for the container's networks once more, by what the create said. */
static bool resolves_again(const struct check *check)
{
    while (check->outer)
        check = check->outer;
    enum operation op = check->request->route->op;
    return op == OP_ContainerStart || op == OP_ContainerRestart;
}

enum finding judge_network(struct check *check, struct str name, struct joined *joined)
{
    struct found found;
    *joined = (struct joined){.name = name};
    if (needs_no_look(name) || (check_is_existing(check) && !resolves_again(check)) ||
        joins_all(check))
        return judge_named_network(check, name);
    *joined = (struct joined){.name = {NULL, 0}};
    switch (check_look(check, FACT_NETWORK, name, &found)) {
    case LOOK_WAIT:
        return FINDING_PASS;
    case LOOK_MISSING:
        return refuse_missing(check, FACT_NETWORK, name);
    case LOOK_FOUND:
        *joined = (struct joined){found.fact->id, fact_text(&found, "Name")};
        if (judge_visible(check, &found, name) != FINDING_PASS)
            return FINDING_REFUSE;
        return judge_looked_up(check, name, &found);
    case LOOK_REFUSED:
        break;
    }
    return FINDING_REFUSE;
}

static enum finding judge_named_network(struct check *check, struct str name)
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

/* The beginning of an ID could stand for another network when the container starts. */
static bool is_prefix(struct str asked, const struct joined *joined)
{
    return joined->id.n > 0 && !str_eq(asked, joined->id) && !str_eq(asked, joined->name);
}

enum finding check_network_mode(struct check *check, const struct json_node *value)
{
    struct joined joined;
    if (judge_network(check, value->text, &joined) != FINDING_PASS)
        return FINDING_REFUSE;
    return is_prefix(value->text, &joined) ? pin_text(check, STR(""), joined.id, STR(""))
                                           : FINDING_PASS;
}

enum finding check_endpoints(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        struct joined joined;
        check->at = n;
        if (judge_network(check, n->key, &joined) != FINDING_PASS)
            return FINDING_REFUSE;
        if (is_prefix(n->key, &joined))
            return refuse_with(check, KEY_NETWORK_MODE, n->key, NULL,
                               "names a network by the beginning of its ID, which may stand for "
                               "another one when the container starts; use its name");
    }
    return FINDING_PASS;
}

enum finding check_service_networks(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        const struct json_node *target = json_get(check->body, n, STR("Target"));
        check->at = target ? target : n;
        struct joined joined;
        if (judge_network(check, member_text(check, n, "Target"), &joined) != FINDING_PASS ||
            pin_text(check, STR(""), joined.id, STR("")) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

enum finding whole_connect(struct check *check)
{
    struct joined joined;
    check->at = NULL;
    check->field = "the network";
    if (judge_network(check, check->request->name, &joined) != FINDING_PASS)
        return FINDING_REFUSE;
    check->decision->pinned = joined.id;
    return joined.name.p ? judge(check, KEY_NETWORKS_NAMES, joined.name) : FINDING_PASS;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

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
