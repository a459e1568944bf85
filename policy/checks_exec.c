/* Commands in containers that exist: privileges, user and command. */
#include "checks.h"

#include "existing.h"

enum finding check_exec_privileged(struct check *check, const struct json_node *value)
{
    (void)value;
    if (check_key(check, KEY_EXEC_PRIVILEGED)->any)
        return FINDING_PASS;
    return refuse(check, KEY_EXEC_PRIVILEGED, STR("true"), "is true, and exec.privileged is false");
}

static enum finding whole_exec_user(struct check *check)
{
    struct str user = text_at(check, "User");
    check->at = NULL;
    check->field = "User";
    if (user.n == 0 ? absent_passes(check, KEY_EXEC_USERS)
                    : key_passes(check, KEY_EXEC_USERS, user))
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

/* {"ProcessConfig": {"privileged", "user", "entrypoint", ...}, "ContainerID", ...} */
enum finding judge_exec_record(struct check *check, const struct found *found)
{
    const struct json_node *privileged = fact_at(found, "ProcessConfig.privileged");
    struct str user = fact_text(found, "ProcessConfig.user");
    struct str command = fact_text(found, "ProcessConfig.entrypoint");
    check->at = NULL;
    check->field = "the command's record";
    if (!fact_at(found, "ProcessConfig"))
        return refuse_plain(check, STR(""), NULL, NULL, "does not tell what the command may do");
    if (privileged && !json_empty(privileged) && !check_key(check, KEY_EXEC_PRIVILEGED)->any)
        return refuse(check, KEY_EXEC_PRIVILEGED, STR("true"),
                      "says privileged, and exec.privileged is false");
    if (user.n == 0 ? !absent_passes(check, KEY_EXEC_USERS)
                    : !key_passes(check, KEY_EXEC_USERS, user))
        return refuse_value(check, KEY_EXEC_USERS, user);
    if (judge(check, KEY_EXEC_COMMANDS, command) != FINDING_PASS)
        return FINDING_REFUSE;
    return user_is_containers(check, user) ? FINDING_PASS : judge_user_text(check, user);
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
    return whole_user(check);
}
