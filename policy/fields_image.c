/* Field table: bodies about images made of containers, registries, and checkpoints. */
#include "fields.h"

// clang-format off
/* What an image runs is other content, which images.import governs. What would hold at the create
   of a container, and comes with the image instead, is judged by the same checks. */
static const struct field image_commit_fields[] = {
    HARM(1, "Hostname", T_STRING, "containers of an image get a name of their own"),
    HARM(1, "Domainname", T_STRING, "containers of an image get a name of their own"),
    HARM(1, "User", T_STRING, "of the image; under containers.user a create must give its own"),
    HARM(1, "AttachStdin", T_BOOL, "not taken from an image"),
    HARM(1, "AttachStdout", T_BOOL, "not taken from an image"),
    HARM(1, "AttachStderr", T_BOOL, "not taken from an image"),
    HARM(1, "ExposedPorts", T_MAP_EMPTY, "opens nothing; publishing is PortBindings, PublishAllPorts"),
    HARM(1, "Tty", T_BOOL, "a terminal"),
    HARM(1, "OpenStdin", T_BOOL, "input; sending it is ContainerAttach"),
    HARM(1, "StdinOnce", T_BOOL, "input ends with the first client"),
    RULE(1, "Env", T_STRINGS, check_env, "settings of what runs in containers of the image"),
    HARM(1, "Cmd", T_STRSLICE, "runs inside a container, with what that is given"),
    RULE(1, "Healthcheck", T_OBJECT, check_healthcheck, "a command that the daemon repeats inside"),
    HEALTHCHECK_ROWS(2),
    HARM(1, "ArgsEscaped", T_BOOL, "Windows only"),
    HARM(1, "Image", T_STRING, "a remark; the content is the container's"),
    RULE(1, "Volumes", T_MAP_EMPTY, check_volume_targets, "anonymous volumes at these places"),
    RULE(1, "WorkingDir", T_STRING, check_target, "below /proc it has led out of containers"),
    HARM(1, "Entrypoint", T_STRSLICE, "runs inside a container, with what that is given"),
    HARM(1, "NetworkDisabled", T_BOOL, "less than without it"),
    OPEN(1, "MacAddress", T_STRING, "may take over another container's traffic"),
    HARM(1, "OnBuild", T_STRINGS, "runs in builds, which are an operation of their own"),
    RULE(1, "Labels", T_MAP_STRING, check_labels, "containers of the image carry them; other programs act by labels"),
    HARM(1, "StopSignal", T_STRING, "a signal to the container's own process"),
    RULE(1, "StopTimeout", T_INT, check_stop_timeout, "without an end the daemon cannot stop"),
    HARM(1, "Shell", T_STRINGS, "runs inside a container"),
};

static const struct field system_auth_fields[] = {
    HARM(1, "username", T_STRING, "goes to the registry that serveraddress names"),
    HIDE(1, "password", T_STRING, "goes to the registry that serveraddress names"),
    HIDE(1, "auth", T_STRING, "name and password once more"),
    HARM(1, "email", T_STRING, "not used any more"),
    RULE(1, "serveraddress", T_STRING, check_server_address, "the daemon talks to it, and sends it the password"),
    HIDE(1, "identitytoken", T_STRING, "goes to the registry that serveraddress names"),
    HIDE(1, "registrytoken", T_STRING, "goes to the registry that serveraddress names"),
};

static const struct field checkpoint_create_fields[] = {
    RULE(1, "CheckpointID", T_STRING, check_checkpoint, "becomes a folder that the daemon writes as root"),
    OPEN(1, "CheckpointDir", T_STRING, "a host path that the daemon writes to as root"),
    HARM(1, "Exit", T_BOOL, "the container ends afterwards"),
};
// clang-format on

SCHEMA(image_commit, image_commit_fields, ImageCommit, T_OBJECT, true, NULL, NULL);
SCHEMA(system_auth, system_auth_fields, SystemAuth, T_OBJECT, false, NULL, whole_auth);
SCHEMA(checkpoint_create, checkpoint_create_fields, CheckpointCreate, T_OBJECT, false, NULL, NULL);
