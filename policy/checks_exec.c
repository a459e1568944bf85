/* Commands in containers that exist: privileges, user and command. */
#include "checks.h"

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
