/* Warnings about the values of a role's lists: entries that can match nothing, and binds that give
   the host away. It looks only at what the file itself writes, and changes nothing. */
#include "checks.h"
#include "load.h"

#include <stdio.h>

/* An entry as the file has it: node is text, or the text behind "source". */
struct written {
    struct loader *loader;
    enum key key;
    const struct json_node *node;
};

static bool has_wildcard(struct str text)
{
    return str_find(text, '*') < text.n || str_find(text, '?') < text.n;
}

static void warn_of(const struct written *entry, const char *why)
{
    char shown[QUOTED_MAX];
    load_warning(entry->loader, entry->node->offset, "%s: %s %s", key_path(entry->key),
                 quoted(shown, entry->node->text), why);
}

/* ---- words ----------------------------------------------------------------------------------- */

static const char *const capabilities[] = {
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BPF",
    "BLOCK_SUSPEND",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "SYSLOG",
    "WAKE_ALARM",
};
static const char *const restarts[] = {"", "no", "always", "on-failure", "unless-stopped"};
static const char *const node_roles[] = {"", "worker", "manager"};

static const struct {
    enum key key;
    const char *const *words;
    size_t count;
    const char *what;
} vocabularies[] = {
    {KEY_CAP_ADD, capabilities, ARRAY_LEN(capabilities), "a capability"},
    {KEY_CAP_DROP, capabilities, ARRAY_LEN(capabilities), "a capability"},
    {KEY_RESTART, restarts, ARRAY_LEN(restarts), "a restart policy"},
    {KEY_NODES_ROLES, node_roles, ARRAY_LEN(node_roles), "a role of nodes"},
};

static void check_word(const struct written *entry, size_t at)
{
    struct str text = entry->node->text;
    bool folded = vocabularies[at].words == capabilities;
    if (folded && str_ieq(str_head(text, 4), STR("CAP_")))
        text = str_skip(text, 4);
    struct nearest nearest = nearest_to(text);
    for (size_t i = 0; i < vocabularies[at].count; i++) {
        struct str word = str_of(vocabularies[at].words[i]);
        if (folded ? str_ieq(text, word) : str_eq(text, word))
            return;
        nearest_offer(&nearest, word);
    }
    char why[HINT_MAX + 64], hint[HINT_MAX];
    snprintf(why, sizeof why, "is not the name of %s that this version knows%s",
             vocabularies[at].what, hint_of(hint, &nearest));
    warn_of(entry, why);
}

static void check_words(const struct written *entry)
{
    for (size_t i = 0; i < ARRAY_LEN(vocabularies); i++)
        if (vocabularies[i].key == entry->key && !has_wildcard(entry->node->text))
            check_word(entry, i);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool holds_names(enum key key)
{
    static const enum key keys[] = {KEY_NAMES,          KEY_LABELS,        KEY_ENV,
                                    KEY_EXEC_ENV,       KEY_VOLUMES,       KEY_NETWORKS_NAMES,
                                    KEY_SERVICES_NAMES, KEY_SECRETS_NAMES, KEY_CONFIGS_NAMES,
                                    KEY_PLUGINS_NAMES};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i] == key)
            return true;
    return false;
}

static void check_name(const struct written *entry)
{
    struct str text = entry->node->text;
    bool bracket = false;
    if (!holds_names(entry->key))
        return;
    for (size_t i = 0; i < text.n; i++)
        bracket = bracket || (text.p[i] != '\0' && strchr("[]{}", text.p[i]));
    if (bracket)
        warn_of(entry, "stands for itself: only *, ** and ? are globs");
    else if (text.n > 0 && text.p[0] == '/' && entry->key != KEY_LABELS)
        warn_of(entry, "can match nothing: names are compared without a '/' in front");
}

/* ---- address ranges -------------------------------------------------------------------------- */

static bool has_host_bits(const struct cidr *cidr)
{
    for (size_t i = 0; i < 128; i++)
        if (i >= cidr->bits && (cidr->ip[i / 8] & (0x80 >> i % 8)))
            return true;
    return false;
}

void load_warn_range(struct loader *loader, const struct json_node *node, const char *what)
{
    char shown[QUOTED_MAX];
    struct cidr cidr;
    if (node->kind == JSON_STRING && cidr_parse(node->text, &cidr) && has_host_bits(&cidr))
        load_warning(loader, node->offset,
                     "%s: %s is an address within its range, and means the whole range; write the "
                     "range's first address, or the address without \"/\"",
                     what, quoted(shown, node->text));
}

/* ---- binds ----------------------------------------------------------------------------------- */

/* Places of the host where whoever writes becomes root, or somebody of the host. */
static const char *const host_places[] = {"/etc",  "/root", "/usr",  "/boot",          "/bin",
                                          "/sbin", "/lib",  "/home", "/var/spool/cron"};

/* Does the entry open the place, a folder that holds it, or all that is in it? */
static bool opens(struct str entry, struct str place)
{
    char inside[32];
    int n = snprintf(inside, sizeof inside, "%.*s/x", STR_ARG(place));
    bool above = str_starts(place, entry) && (entry.n == 1 || place.p[entry.n] == '/');
    return glob_match(entry, place) || glob_match(entry, (struct str){inside, (size_t)n}) ||
           (above && !has_wildcard(entry));
}

static void check_bind(struct loader *loader, const struct json_node *node, struct str entry)
{
    enum { SHOWN_MAX = 3 };
    char list[64] = "", shown[QUOTED_MAX];
    size_t at = 0, count = 0;
    for (size_t i = 0; i < ARRAY_LEN(host_places) && count < SHOWN_MAX; i++)
        if (opens(entry, str_of(host_places[i])))
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", count++ ? ", " : "",
                                   host_places[i]);
    if (count > 0)
        load_warning(loader, node->offset,
                     "containers.binds: %s opens %s for writing, which gives the host away",
                     node->kind == JSON_TRUE ? "true" : quoted(shown, entry), list);
}

static bool is_among(struct str text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(text, list[i]))
            return true;
    return false;
}

/* Does a client come by the proxy's own socket at the place where the daemon's is elsewhere? */
static bool proxy_listens(const struct json *doc)
{
    static const char *const addresses[] = {"unix:///run/docker.sock",
                                            "unix:///var/run/docker.sock"};
    const struct json_node *clients = json_get(doc, doc->nodes, STR("clients"));
    for (const struct json_node *n = clients ? json_child(doc, clients) : NULL; n;
         n = json_next(doc, n)) {
        const struct json_node *listener =
            json_get(doc, json_get(doc, n, STR("match")), STR("listener"));
        bool list = listener && listener->kind == JSON_ARRAY;
        const struct json_node *one = list ? json_child(doc, listener) : listener;
        for (; one; one = list ? json_next(doc, one) : NULL)
            if (is_among(one->text, addresses, ARRAY_LEN(addresses)))
                return true;
    }
    return false;
}

/* The daemon's socket, and what holds it; these are opened by being written out alone. */
static void check_socket(struct loader *loader, const struct json_node *node)
{
    static const char *const sockets[] = {"/run/docker.sock", "/var/run/docker.sock"};
    static const char *const folders[] = {"/", "/run", "/var/run"};
    char shown[QUOTED_MAX];
    struct str path = path_trim(node->text);
    bool socket = is_among(path, sockets, ARRAY_LEN(sockets));
    if (socket ? proxy_listens(loader->doc) : !is_among(path, folders, ARRAY_LEN(folders)))
        return;
    load_warning(loader, node->offset,
                 "containers.binds: %s %s: with it a container asks the daemon past this policy, "
                 "read-only or not",
                 quoted(shown, node->text),
                 socket ? "is the daemon's socket, unless the proxy listens there"
                        : "holds the daemon's socket");
}

/* ---- commands -------------------------------------------------------------------------------- */

/* The loader of the system and shells look for code where such variables say; the first word of a
   command without a slash is looked for in PATH. */
static void check_command_env(struct loader *loader, const struct draft *draft,
                              const struct json_node *commands)
{
    const struct role *role = &draft->merged->role;
    const struct entries *limited = &role->keys[KEY_EXEC_COMMANDS].allow;
    bool searched = false;
    if (role->keys[KEY_EXEC_COMMANDS].any || limited->count == 0 ||
        !role_allows(role, OP_ContainerExec) || entries_hold(limited, STR("*")) ||
        entries_hold(limited, STR("**")))
        return;
    for (size_t i = 0; i < limited->count; i++)
        searched = searched || !str_starts(limited->items[i].text, STR("/"));
    bool preload = constraint_passes(&role->keys[KEY_EXEC_ENV], STR("LD_PRELOAD"), NULL);
    bool path = searched && constraint_passes(&role->keys[KEY_EXEC_ENV], STR("PATH"), NULL);
    if (preload || path)
        load_warning(loader, commands->offset,
                     "exec.commands limits what runs, and exec.env allows %s%s%s, by which a "
                     "command runs other code; list in exec.env what is needed",
                     preload ? "LD_PRELOAD" : "", preload && path ? " and " : "",
                     path ? "PATH" : "");
}

/* ---- all of a role --------------------------------------------------------------------------- */

static void check_entry(struct loader *loader, enum key key, const struct json_node *node)
{
    const struct json_node *text = node;
    bool writable = true;
    if (node->kind == JSON_OBJECT) {
        const struct json_node *read_only = json_get(loader->doc, node, STR("read_only"));
        text = json_get(loader->doc, node, STR("source"));
        writable = !read_only || read_only->kind != JSON_TRUE;
    }
    const struct written entry = {loader, key, text};
    check_words(&entry);
    check_name(&entry);
    if (key == KEY_NETWORKS_SUBNETS)
        load_warn_range(loader, text, key_path(key));
    if (key == KEY_BINDS && writable)
        check_bind(loader, text, text->text);
    if (key == KEY_BINDS)
        check_socket(loader, text);
}

static void check_list(struct loader *loader, enum key key, const struct json_node *list)
{
    for (const struct json_node *n = json_child(loader->doc, list); n;
         n = json_next(loader->doc, n))
        if (n->kind == JSON_STRING || n->kind == JSON_OBJECT)
            check_entry(loader, key, n);
}

/* A list, or an object of lists ("allow", "deny", "require"). */
static void check_constraint(struct loader *loader, enum key key, const struct json_node *node)
{
    if (key == KEY_BINDS && node->kind == JSON_TRUE)
        check_bind(loader, node, STR("/"));
    if (node->kind == JSON_ARRAY)
        check_list(loader, key, node);
    if (node->kind != JSON_OBJECT)
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m))
        if (m->kind == JSON_ARRAY)
            check_list(loader, key, m);
}

void load_warn_values(struct loader *loader, const struct draft *draft)
{
    for (enum key key = 0; key < KEY_COUNT; key++) {
        const struct json_node *group =
            json_get(draft->doc, draft->node, str_of(key_rows[key].group));
        const struct json_node *node = json_get(draft->doc, group, str_of(key_rows[key].name));
        if (node && key_rows[key].entries != ENTRY_SIGNED)
            check_constraint(loader, key, node);
        if (node && key == KEY_EXEC_COMMANDS)
            check_command_env(loader, draft, node);
    }
}
