/* Sockguard's request_body: switches by kind of request (app/internal/config/config.go). Ours are
   stricter from the start, so what is refused there by default needs nothing here. */
#include "import_sockguard.h"

#ifdef SOCKWARDEN_YAML

enum { TEXTS_MAX = IMPORT_FOLDERS_MAX };

enum switch_kind {
    OPENS,    /* true: the key gets the value */
    REQUIRES, /* the same, and it narrows */
    LISTS,    /* the key gets the list of texts */
    FOLDERS,  /* the key gets globs for what is in these folders */
    CLOSED,   /* refused here in any case: lost when it opens something */
    FORBIDS,  /* refused here in any case, and it only forbids */
    APART,    /* read elsewhere */
};

struct body_switch {
    const char *block, *name;
    enum switch_kind kind;
    const char *group, *key, *value;
};

// clang-format off
static const struct body_switch switches[] = {
    {"container_create", "allow_privileged", OPENS, "containers", "privileged", "true"},
    {"container_create", "allow_host_network", OPENS, "containers", "network_mode", "[\"**\",\"host\"]"},
    {"container_create", "allow_host_pid", OPENS, "containers", "pid_mode", "[\"host\"]"},
    {"container_create", "allow_host_ipc", OPENS, "containers", "ipc_mode", "[\"host\"]"},
    {"container_create", "allow_host_userns", OPENS, "containers", "userns_mode", "[\"host\"]"},
    {"container_create", "allow_host_cgroupns", OPENS, "containers", "cgroupns_mode", "[\"host\"]"},
    {"container_create", "allowed_bind_mounts", FOLDERS, "containers", "binds", NULL},
    {"container_create", "allow_all_devices", OPENS, "containers", "devices", "true"},
    {"container_create", "allowed_devices", LISTS, "containers", "devices", NULL},
    {"container_create", "allow_device_requests", CLOSED, NULL, NULL, NULL},
    {"container_create", "allowed_device_requests", CLOSED, NULL, NULL, NULL},
    {"container_create", "allow_device_cgroup_rules", CLOSED, NULL, NULL, NULL},
    {"container_create", "allowed_device_cgroup_rules", CLOSED, NULL, NULL, NULL},
    {"container_create", "require_no_new_privileges", REQUIRES, "containers", "security_opt", "{\"require\":[\"no-new-privileges\"]}"},
    {"container_create", "require_non_root_user", REQUIRES, "containers", "user", "{\"deny\":[\"root\"]}"},
    {"container_create", "require_readonly_rootfs", REQUIRES, "containers", "read_only", "{\"require\":true}"},
    {"container_create", "require_drop_all_capabilities", REQUIRES, "containers", "cap_drop", "{\"require\":[\"ALL\"]}"},
    {"container_create", "allow_all_capabilities", OPENS, "containers", "cap_add", "true"},
    {"container_create", "allowed_capabilities", LISTS, "containers", "cap_add", NULL},
    {"container_create", "require_memory_limit", REQUIRES, "containers", "mem_limit", "{\"require\":true}"},
    {"container_create", "require_cpu_limit", REQUIRES, "containers", "cpus", "{\"require\":true}"},
    {"container_create", "require_cpu_limit_hard", REQUIRES, "containers", "cpus", "{\"require\":true}"},
    {"container_create", "require_pids_limit", REQUIRES, "containers", "pids_limit", "{\"require\":true}"},
    {"container_create", "allowed_seccomp_profiles", CLOSED, NULL, NULL, NULL},
    {"container_create", "deny_unconfined_seccomp", FORBIDS, NULL, NULL, NULL},
    {"container_create", "allowed_apparmor_profiles", CLOSED, NULL, NULL, NULL},
    {"container_create", "deny_unconfined_apparmor", FORBIDS, NULL, NULL, NULL},
    {"container_create", "restrict_namespace_sharing", FORBIDS, NULL, NULL, NULL},
    {"container_create", "allowed_namespace_sharing_containers", CLOSED, NULL, NULL, NULL},
    {"container_create", "deny_namespace_path_mode", FORBIDS, NULL, NULL, NULL},
    {"container_create", "allow_sysctls", OPENS, "containers", "sysctls", "true"},
    {"container_create", "required_labels", APART, NULL, NULL, NULL},
    {"container_create", "allowed_runtimes", APART, NULL, NULL, NULL},
    {"container_create", "image_trust", APART, NULL, NULL, NULL},
    {"container_create", "deny_selinux_disable", FORBIDS, NULL, NULL, NULL},
    {"container_create", "deny_selinux_label_override", FORBIDS, NULL, NULL, NULL},
    {"container_create", "deny_unconfined_system_paths", FORBIDS, NULL, NULL, NULL},
    {"container_create", "allow_tmpfs_privileged_options", APART, NULL, NULL, NULL},
    {"container_remove", "allow_force", APART, NULL, NULL, NULL},
    {"container_remove", "allow_remove_volumes", APART, NULL, NULL, NULL},
    {"container_remove", "allow_remove_links", CLOSED, NULL, NULL, NULL},
    {"container_update", "allow_resource_updates", APART, NULL, NULL, NULL},
    {"container_update", "allow_restart_policy", APART, NULL, NULL, NULL},
    {"container_update", "allow_privileged", CLOSED, NULL, NULL, NULL},
    {"container_update", "allow_all_devices", CLOSED, NULL, NULL, NULL},
    {"container_update", "allow_capabilities", CLOSED, NULL, NULL, NULL},
    {"exec", "allow_privileged", OPENS, "exec", "privileged", "true"},
    {"exec", "allow_root_user", APART, NULL, NULL, NULL},
    {"exec", "allowed_commands", APART, NULL, NULL, NULL},
    {"image_pull", "allow_imports", APART, NULL, NULL, NULL},
    {"image_pull", "allow_all_registries", APART, NULL, NULL, NULL},
    {"image_pull", "allow_official", APART, NULL, NULL, NULL},
    {"image_pull", "allowed_registries", APART, NULL, NULL, NULL},
    {"build", "allow_remote_context", OPENS, "builds", "remote", "true"},
    {"build", "allow_host_network", OPENS, "builds", "network_mode", "[\"\",\"default\",\"none\",\"bridge\",\"host\"]"},
    {"build", "allow_run_instructions", APART, NULL, NULL, NULL},
    {"network", "allow_attachable", APART, NULL, NULL, NULL},
    {"network", "allow_config_only", APART, NULL, NULL, NULL},
    {"network", "allow_disable_ipv4", APART, NULL, NULL, NULL},
    {"network", "allow_disconnect_force", APART, NULL, NULL, NULL},
    {"service", "allow_all_registries", APART, NULL, NULL, NULL},
};
// clang-format on

static void set_text(struct import *import, struct import_role *role, const struct body_switch *row)
{
    import_set_key(import, role, row->group, row->key, str_of(row->value));
}

size_t sockguard_texts(struct import *import, const struct yaml_tree *list, struct str *out,
                       size_t cap)
{
    size_t count = 0;
    char shown[48];
    for (const struct yaml_tree *item = list && list->kind == YAML_LIST ? list->child : NULL; item;
         item = item->next) {
        bool plain = item->kind == YAML_TEXT && item->text.n > 0 && count < cap;
        for (size_t i = 0; plain && i < item->text.n; i++)
            plain = item->text.p[i] > ' ' && item->text.p[i] < 0x7f;
        if (plain)
            out[count++] = item->text;
        else
            import_note(import, IMPORT_LOST, item->line, "%s of %.*s is not understood",
                        text_shorten(shown, sizeof(shown), item->text), STR_ARG(list->key));
    }
    return count;
}

/* What this row's pattern characters would mean here is not what they mean there. */
static size_t without_globs(struct import *import, const struct yaml_tree *list, struct str *texts,
                            size_t count)
{
    size_t kept = 0;
    char shown[48];
    for (size_t i = 0; i < count; i++)
        if (str_find(texts[i], '*') < texts[i].n || str_find(texts[i], '?') < texts[i].n)
            import_note(import, IMPORT_LOST, list->line, "%s of %.*s is no plain name",
                        text_shorten(shown, sizeof(shown), texts[i]), STR_ARG(list->key));
        else
            texts[kept++] = texts[i];
    return kept;
}

static void set_list(struct import *import, struct import_role *role, const struct body_switch *row,
                     const struct yaml_tree *list)
{
    struct str texts[TEXTS_MAX];
    size_t count = sockguard_texts(import, list, texts, TEXTS_MAX), kept = 0;
    char shown[64];
    count = without_globs(import, list, texts, count);
    for (size_t i = 0; i < count; i++) {
        while (row->kind == FOLDERS && texts[i].n > 1 && texts[i].p[texts[i].n - 1] == '/')
            texts[i].n--;
        bool path = row->kind == FOLDERS || strcmp(row->key, "devices") == 0;
        if (!path || import_is_folder(texts[i]))
            texts[kept++] = texts[i];
        else
            import_note(import, IMPORT_LOST, list->line, "%s of %.*s: write what is meant in %s.%s",
                        text_shorten(shown, sizeof(shown), texts[i]), STR_ARG(list->key),
                        row->group, row->key);
    }
    if (kept > 0)
        import_set_key(import, role, row->group, row->key,
                       row->kind == FOLDERS ? import_folders(import, texts, kept)
                                            : import_list(import, texts, kept));
}

static bool is_true(const struct yaml_tree *block, const char *name)
{
    bool on = false;
    return yaml_tree_switch(yaml_tree_get(block, name), &on) && on;
}

static void read_row(struct import *import, struct import_role *role, const struct body_switch *row,
                     const struct yaml_tree *value, bool requirements_only)
{
    bool on = false;
    bool known = yaml_tree_switch(value, &on);
    if (row->kind == APART || row->kind == FORBIDS || yaml_tree_empty(value))
        return;
    if (row->kind != LISTS && row->kind != FOLDERS && row->kind != CLOSED && !known) {
        import_note(import, IMPORT_WRONG, value->line, "%.*s wants true or false",
                    STR_ARG(value->key));
        return;
    }
    if (row->kind == REQUIRES && on)
        set_text(import, role, row);
    if (requirements_only)
        return;
    if (row->kind == OPENS && on)
        set_text(import, role, row);
    else if (row->kind == LISTS || row->kind == FOLDERS)
        set_list(import, role, row, value);
    else if (row->kind == CLOSED && (on || !known))
        import_note(import, IMPORT_LOST, value->line, "%s.%.*s: it stays refused", row->block,
                    STR_ARG(value->key));
}

/* ---- switches that stand apart -------------------------------------------------------------- */

static void read_labels(struct import *import, struct import_role *role,
                        const struct yaml_tree *create)
{
    struct str names[TEXTS_MAX];
    const struct yaml_tree *list = yaml_tree_get(create, "required_labels");
    size_t count = sockguard_texts(import, list, names, TEXTS_MAX), cap = 32;
    for (size_t i = 0; i < count; i++)
        cap += names[i].n * 6 + 8;
    char *p = count ? arena_alloc(&import->arena, cap, 1) : NULL;
    if (count == 0)
        return;
    struct json_out out = {.p = p, .cap = p ? cap : 0};
    json_out_raw(&out, STR("{\"require\":{"));
    for (size_t i = 0; i < count; i++) {
        out.comma = i > 0;
        json_out_str(&out, names[i]);
        json_out_raw(&out, STR(":\"*\""));
    }
    json_out_raw(&out, STR("}}"));
    import_set_key(import, role, "containers", "labels", (struct str){p, out.len});
}

static void read_runtimes(struct import *import, struct import_role *role,
                          const struct yaml_tree *create)
{
    struct str names[TEXTS_MAX + 1] = {STR("")};
    const struct yaml_tree *list = yaml_tree_get(create, "allowed_runtimes");
    size_t count = sockguard_texts(import, list, names + 1, TEXTS_MAX);
    count = without_globs(import, list, names + 1, count);
    import_set_key(import, role, "containers", "runtimes", import_list(import, names, count + 1));
}

/* An image that nobody vouches for is no less an image here. */
static void read_trust(struct import *import, const struct yaml_tree *create)
{
    const struct yaml_tree *mode = yaml_tree_get(yaml_tree_get(create, "image_trust"), "mode");
    if (!yaml_tree_empty(mode) && !(mode->kind == YAML_TEXT && str_is(mode->text, "off")))
        import_note(import, IMPORT_WRONG, mode->line,
                    "image_trust cannot be carried over, and the policy would be wider without "
                    "it; turn it off here, and write images.signed into the policy");
}

static size_t registries_of(struct import *import, const struct yaml_tree *pull, struct str *out)
{
    struct str names[TEXTS_MAX];
    const struct yaml_tree *list = yaml_tree_get(pull, "allowed_registries");
    size_t count = sockguard_texts(import, list, names, TEXTS_MAX), kept = 0;
    count = without_globs(import, list, names, count);
    for (size_t i = 0; i < count; i++)
        out[kept++] = arena_join(&import->arena, (const struct str[]){names[i], STR("/**")}, 2);
    if (is_true(pull, "allow_official"))
        out[kept++] = STR("docker.io/library/**");
    return kept;
}

static void read_pull(struct import *import, struct import_role *role, const struct yaml_tree *pull)
{
    struct str registries[TEXTS_MAX + 1];
    if (!role->allow[OP_ImageCreate])
        return;
    if (!is_true(pull, "allow_all_registries")) {
        size_t count = registries_of(import, pull, registries);
        role->allow[OP_ImageCreate] = count > 0;
        if (count == 0)
            import_note(import, IMPORT_LOST, 0,
                        "ImageCreate: image_pull names no registry, so no image is pulled");
        else
            import_set_key(import, role, "images", "allow", import_list(import, registries, count));
        if (count > 0)
            import_note(import, IMPORT_STRICTER, 0,
                        "the registries of image_pull hold for containers and services, too");
    }
    if (role->allow[OP_ImageCreate] && !is_true(pull, "allow_imports"))
        import_set_key(import, role, "images", "import", STR("false"));
}

/* ---- operations that stay closed ----------------------------------------------------------- */

static void close_one(struct import *import, struct import_role *role, enum operation op,
                      const char *why)
{
    if (role->allow[op])
        import_note(import, IMPORT_LOST, 0, "%s: %s", operation_name(op), why);
    role->allow[op] = false;
}

static void close_exec(struct import *import, struct import_role *role,
                       const struct yaml_tree *exec, bool unread)
{
    const char *why = NULL;
    if (!yaml_tree_empty(yaml_tree_get(exec, "allowed_commands")))
        why = "whole command lines cannot be carried over; exec.commands knows first words";
    else if (!unread)
        why = "without exec.allowed_commands every command is refused there";
    else if (!is_true(exec, "allow_root_user"))
        why = "commands of root are refused there, and no key of a command says that";
    else if (exec &&
             (yaml_tree_get(exec, "allowed_env_vars") || yaml_tree_get(exec, "denied_env_vars") ||
              yaml_tree_get(exec, "allowed_env_values")))
        why = "rules over the environment of commands are not carried over; see exec.env";
    if (!why)
        return;
    close_one(import, role, OP_ContainerExec, why);
    close_one(import, role, OP_ExecStart, why);
}

/* What an update demands is lost with the switches that let it through. */
static bool demands(const struct yaml_tree *block)
{
    bool on = false;
    for (const struct yaml_tree *value = block && block->kind == YAML_MAP ? block->child : NULL;
         value; value = value->next)
        if (str_starts(value->key, STR("require")) && (!yaml_tree_switch(value, &on) || on))
            return true;
    return false;
}

static bool opens_containers(const struct import_role *role)
{
    static const char *const harmless[] = {"security_opt", "user",     "read_only",  "cap_drop",
                                           "mem_limit",    "cpus",     "pids_limit", "extra_hosts",
                                           "labels",       "group_add"};
    for (size_t i = 0; i < role->key_count; i++) {
        bool opens = strcmp(role->keys[i].group, "containers") == 0;
        for (size_t at = 0; at < ARRAY_LEN(harmless); at++)
            opens &= strcmp(role->keys[i].name, harmless[at]) != 0;
        if (opens)
            return true;
    }
    return false;
}

/* A service names its image by request_body.service there, and images.allow would hold for
   containers, too. */
static void close_services(struct import *import, struct import_role *role,
                           const struct yaml_tree *service)
{
    const char *why = NULL;
    if (opens_containers(role))
        why = "container_create opens keys that would hold for services, too";
    else if (!is_true(service, "allow_all_registries"))
        why = "images of services are not let through from all registries, and no key says that "
              "of services alone";
    if (!why)
        return;
    close_one(import, role, OP_ServiceCreate, why);
    close_one(import, role, OP_ServiceUpdate, why);
}

/* Refused there unless switched on, and here by no key: little enough to be said only. */
static void tell_wider(struct import *import, const struct import_role *role,
                       const struct yaml_tree *bodies)
{
    static const struct {
        enum operation op;
        const char *block, *name, *what;
    } rows[] = {
        {OP_ContainerCreate, "container_create", "allow_tmpfs_privileged_options",
         "exec, dev and suid of a tmpfs"},
        {OP_ContainerCreate, "network", "allow_endpoint_config", "addresses in a network"},
        {OP_NetworkConnect, "network", "allow_endpoint_config",
         "addresses in a network, and GwPriority"},
        {OP_NetworkDisconnect, "network", "allow_disconnect_force", "Force"},
        {OP_NetworkCreate, "network", "allow_attachable", "Attachable"},
        {OP_NetworkCreate, "network", "allow_config_only", "ConfigOnly"},
        {OP_NetworkCreate, "network", "allow_disable_ipv4", "EnableIPv4 false"},
        {OP_VolumeCreate, "volume", "allow_driver_opts",
         "a plain tmpfs, and a bind of what containers.binds allows"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (role->allow[rows[i].op] && !is_true(yaml_tree_get(bodies, rows[i].block), rows[i].name))
            import_note(import, IMPORT_LOST, 0, "%s: let through here without %s.%s, too: %s",
                        operation_name(rows[i].op), rows[i].block, rows[i].name, rows[i].what);
}

void sockguard_close(struct import *import, struct import_role *role,
                     const struct yaml_tree *bodies, bool unread)
{
    static const enum operation apart[] = {OP_SwarmInit,     OP_SwarmJoin,          OP_SwarmUpdate,
                                           OP_SwarmUnlock,   OP_NodeUpdate,         OP_PluginPull,
                                           OP_PluginUpgrade, OP_PluginSet,          OP_PluginCreate,
                                           OP_ImageLoad,     OP_PutContainerArchive};
    const struct yaml_tree *remove = yaml_tree_get(bodies, "container_remove");
    const struct yaml_tree *update = yaml_tree_get(bodies, "container_update");
    const struct yaml_tree *build = yaml_tree_get(bodies, "build");
    for (size_t i = 0; i < ARRAY_LEN(apart); i++)
        close_one(import, role, apart[i],
                  "what its switches there let through cannot be carried over");
    if (!is_true(remove, "allow_force") || !is_true(remove, "allow_remove_volumes"))
        close_one(import, role, OP_ContainerDelete,
                  "force and v are not let through both, and no key says that");
    if (!is_true(update, "allow_resource_updates") || !is_true(update, "allow_restart_policy") ||
        demands(update))
        close_one(import, role, OP_ContainerUpdate,
                  "not every change is let through, and no key says that");
    if (!is_true(build, "allow_run_instructions"))
        close_one(import, role, OP_ImageBuild, "RUN is refused there, and a build here may use it");
    close_exec(import, role, yaml_tree_get(bodies, "exec"), unread);
    read_pull(import, role, yaml_tree_get(bodies, "image_pull"));
    close_services(import, role, yaml_tree_get(bodies, "service"));
    tell_wider(import, role, bodies);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static const struct body_switch *find_switch(struct str block, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(switches); i++)
        if (str_is(block, switches[i].block) && str_is(name, switches[i].name))
            return &switches[i];
    return NULL;
}

/* What opens is closed here anyway; what narrows and is not known must not be lost. */
static void read_unknown(struct import *import, struct str block, const struct yaml_tree *value)
{
    bool on = false;
    bool off = yaml_tree_empty(value) || (yaml_tree_switch(value, &on) && !on);
    bool opens = str_starts(value->key, STR("allow")) && !str_starts(block, STR("libpod_"));
    char shown[64], of[64];
    if (off || str_starts(block, STR("libpod_")))
        return;
    text_shorten(shown, sizeof(shown), value->key);
    text_shorten(of, sizeof(of), block);
    bool aliases = true;
    if (yaml_tree_switch(yaml_tree_get(value, "allow_aliases"), &aliases) && !aliases)
        opens = false; /* forbids what is let through here */
    if (opens || (value->kind == YAML_MAP && aliases))
        import_note(import, IMPORT_LOST, value->line, "request_body.%s.%s is not carried over", of,
                    shown);
    else if (!str_is(block, "exec") && !str_is(block, "container_update"))
        import_note(import, IMPORT_WRONG, value->line,
                    "request_body.%s.%s cannot be carried over, and the policy may be wider "
                    "without it; take it out of the file if that is meant",
                    of, shown);
}

void sockguard_read_bodies(struct import *import, struct import_role *role,
                           const struct yaml_tree *bodies, bool requirements_only)
{
    const struct yaml_tree *create = yaml_tree_get(bodies, "container_create");
    for (const struct yaml_tree *block = bodies && bodies->kind == YAML_MAP ? bodies->child : NULL;
         block; block = block->next)
        for (const struct yaml_tree *value = block->kind == YAML_MAP ? block->child : NULL; value;
             value = value->next) {
            const struct body_switch *row = find_switch(block->key, value->key);
            if (row)
                read_row(import, role, row, value, requirements_only);
            else
                read_unknown(import, block->key, value);
        }
    read_trust(import, create);
    read_labels(import, role, create);
    if (requirements_only || !role->allow[OP_ContainerCreate])
        return;
    read_runtimes(import, role, create);
    import_set_key(import, role, "containers", "extra_hosts", STR("false"));
    import_set_key(import, role, "containers", "group_add", STR("false"));
}

#endif
