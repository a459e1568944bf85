/* The variables of Tecnativa's and LinuxServer's docker-socket-proxy: a switch for each section of
   the API, one for all that is not GET or HEAD, and some for single operations. Both are HAProxy
   configurations whose rules run in order; what they let through is told here by operation:
   Tecnativa/docker-socket-proxy haproxy.cfg (0.1 to 0.5), linuxserver/docker-socket-proxy
   root/templates/haproxy.cfg. */
#include "import.h"

static const char *const gist = "What the variables of a docker-socket-proxy let through.";

/* A section is every path that begins with these bytes; without a variable it has the image's
   default. */
static const struct {
    const char *variable, *prefix;
    bool fallback;
} sections[] = {
    {"AUTH", "/auth", false},
    {"BUILD", "/build", false},
    {"COMMIT", "/commit", false},
    {"CONFIGS", "/configs", false},
    {"CONTAINERS", "/containers", false},
    {"DISTRIBUTION", "/distribution", false},
    {"EVENTS", "/events", true},
    {"EXEC", "/exec", false},
    {"GRPC", "/grpc", false},
    {"IMAGES", "/images", false},
    {"INFO", "/info", false},
    {"NETWORKS", "/networks", false},
    {"NODES", "/nodes", false},
    {"PING", "/_ping", true},
    {"PLUGINS", "/plugins", false},
    {"SECRETS", "/secrets", false},
    {"SERVICES", "/services", false},
    {"SESSION", "/session", false},
    {"SWARM", "/swarm", false},
    {"SYSTEM", "/system", false},
    {"TASKS", "/tasks", false},
    {"VERSION", "/version", true},
    {"VOLUMES", "/volumes", false},
};

/* Let through whatever the sections say. At LinuxServer these rules stand before the one of POST,
   at Tecnativa behind it. */
static const struct {
    const char *variable;
    enum operation ops[3];
    size_t count;
} openers[] = {
    {"ALLOW_RESTARTS", {OP_ContainerStop, OP_ContainerRestart, OP_ContainerKill}, 3},
    {"ALLOW_START", {OP_ContainerStart}, 1},
    {"ALLOW_STOP", {OP_ContainerStop}, 1},
    {"ALLOW_PAUSE", {OP_ContainerPause}, 1},
    {"ALLOW_UNPAUSE", {OP_ContainerUnpause}, 1},
};

/* Closed although their section is open, from some version on. One variable of a set means that
   version, so the others of the set, when absent, are off. */
enum gate_set { GATES_LINUXSERVER = 1, GATES_TECNATIVA = 2 };
static const struct {
    const char *variable;
    enum operation ops[3];
    size_t count;
    unsigned sets;  /* that it belongs to */
    unsigned means; /* that its presence tells */
} gates[] = {
    {"ALLOW_ARCHIVE",
     {OP_ContainerArchive, OP_ContainerArchiveInfo, OP_PutContainerArchive},
     3,
     GATES_LINUXSERVER | GATES_TECNATIVA,
     GATES_LINUXSERVER},
    {"ALLOW_CHANGES", {OP_ContainerChanges}, 1, GATES_LINUXSERVER, GATES_LINUXSERVER},
    {"ALLOW_EXPORT",
     {OP_ContainerExport},
     1,
     GATES_LINUXSERVER | GATES_TECNATIVA,
     GATES_LINUXSERVER},
    {"ALLOW_LOGS", {OP_ContainerLogs}, 1, GATES_LINUXSERVER | GATES_TECNATIVA, GATES_LINUXSERVER},
    {"ALLOW_TOP", {OP_ContainerTop}, 1, GATES_LINUXSERVER, GATES_LINUXSERVER},
    {"ALLOW_ATTACH",
     {OP_ContainerAttach, OP_ContainerAttachWebsocket},
     2,
     GATES_TECNATIVA,
     GATES_TECNATIVA},
    {"ALLOW_EXEC", {OP_ContainerExec}, 1, GATES_TECNATIVA, GATES_TECNATIVA},
    {"ALLOW_KILL", {OP_ContainerKill}, 1, GATES_TECNATIVA, GATES_TECNATIVA},
};

struct reading {
    struct import *import;
    const struct import_settings *settings;
    enum import_kind kind;
    bool post;
    unsigned gates; /* sets in force */
};

/* HAProxy reads a switch as a number, of which all but 0 is on; here it must be nothing else. */
static bool number_is_on(struct str value)
{
    bool digits = value.n > 0, zero = true;
    for (size_t i = 0; i < value.n; i++) {
        digits &= ascii_digit(value.p[i]);
        zero &= value.p[i] == '0';
    }
    return digits && !zero;
}

static bool number_is_off(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '0')
            return false;
    return true;
}

static bool is_on(const struct reading *reading, const char *variable, bool fallback)
{
    const struct import_setting *setting = import_find(reading->settings, variable);
    return setting ? number_is_on(setting->value) : fallback;
}

static void tell_value(const struct reading *reading, const char *variable)
{
    const struct import_setting *setting = import_find(reading->settings, variable);
    char shown[48];
    if (setting && !number_is_on(setting->value) && !number_is_off(setting->value))
        import_note(reading->import, IMPORT_STRICTER, setting->line,
                    "%s=%s is no number, so it is off; a switch is 1 or 0", variable,
                    text_shorten(shown, sizeof(shown), setting->value));
}

static void tell_values(const struct reading *reading)
{
    tell_value(reading, "POST");
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        tell_value(reading, sections[i].variable);
    for (size_t i = 0; i < ARRAY_LEN(openers); i++)
        tell_value(reading, openers[i].variable);
    for (size_t i = 0; i < ARRAY_LEN(gates); i++)
        tell_value(reading, gates[i].variable);
}

static unsigned gates_in_force(const struct reading *reading)
{
    unsigned sets = reading->kind == IMPORT_LINUXSERVER ? GATES_LINUXSERVER : 0;
    for (size_t i = 0; i < ARRAY_LEN(gates); i++)
        if (import_find(reading->settings, gates[i].variable))
            sets |= reading->kind == IMPORT_TECNATIVA     ? GATES_TECNATIVA
                    : reading->kind == IMPORT_LINUXSERVER ? GATES_LINUXSERVER
                                                          : gates[i].means;
    return sets;
}

/* ---- verdicts ------------------------------------------------------------------------------ */

static bool holds(const enum operation *ops, size_t count, enum operation op)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i] == op)
            return true;
    return false;
}

/* -1: no gate is in force for it; else whether it is open. */
static int gate_of(const struct reading *reading, enum operation op)
{
    for (size_t i = 0; i < ARRAY_LEN(gates); i++)
        if (gates[i].sets & reading->gates && holds(gates[i].ops, gates[i].count, op))
            return is_on(reading, gates[i].variable, false);
    return -1;
}

static bool opener_passes(const struct reading *reading, enum operation op)
{
    for (size_t i = 0; i < ARRAY_LEN(openers); i++)
        if (holds(openers[i].ops, openers[i].count, op) &&
            is_on(reading, openers[i].variable, false))
            return true;
    return false;
}

static bool section_passes(const struct reading *reading, const struct route *route)
{
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (str_starts(str_of(route->path), str_of(sections[i].prefix)))
            return is_on(reading, sections[i].variable, sections[i].fallback);
    return false;
}

static bool method_reads(const struct route *route)
{
    return strcmp(route->method, "GET") == 0 || strcmp(route->method, "HEAD") == 0;
}

/* Tecnativa's later versions have a switch for each method; there POST is for POST alone.
   LinuxServer's has none, so that one which is on opens nothing there. */
static bool method_passes(const struct reading *reading, const struct route *route)
{
    static const char *const own[] = {"DELETE", "PUT", "PATCH"};
    bool later = false;
    if (method_reads(route))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        later |= import_find(reading->settings, own[i]) != NULL;
    if (!later || strcmp(route->method, "POST") == 0)
        return reading->post;
    return is_on(reading, route->method, false) &&
           (reading->post || reading->kind != IMPORT_LINUXSERVER);
}

static bool route_passes(const struct reading *reading, const struct route *route)
{
    int gate = gate_of(reading, route->op);
    bool method = method_passes(reading, route);
    bool before_method = reading->kind != IMPORT_TECNATIVA;
    if (gate == 0)
        return false;
    if ((before_method || method) && opener_passes(reading, route->op))
        return true;
    /* At LinuxServer the variable of a gate opens it without the section, too. */
    if (gate == 1 && reading->gates & GATES_LINUXSERVER && method)
        return true;
    return method && section_passes(reading, route);
}

/* A GET that types into a container is none that only reads. */
static bool websocket_passes(const struct reading *reading, const struct route *route)
{
    if (route->op != OP_ContainerAttachWebsocket || reading->post)
        return true;
    return import_note(reading->import, IMPORT_STRICTER, 0,
                       "ContainerAttachWebsocket is a GET that types into containers, and POST is "
                       "off; it is let through with POST=1");
}

/* ---- what to tell -------------------------------------------------------------------------- */

static void tell_openers(const struct reading *reading)
{
    for (size_t i = 0; i < ARRAY_LEN(openers) && !reading->post; i++) {
        const struct import_setting *setting = import_find(reading->settings, openers[i].variable);
        if (!setting || !number_is_on(setting->value))
            continue;
        if (reading->kind == IMPORT_TECNATIVA)
            import_note(reading->import, IMPORT_TOLD, setting->line,
                        "%s=1 does nothing there without POST=1; --from linuxserver lets it "
                        "through",
                        openers[i].variable);
        else if (reading->kind == IMPORT_ENVIRONMENT)
            import_note(reading->import, IMPORT_TOLD, setting->line,
                        "%s=1 is let through without POST=1, as at LinuxServer's; Tecnativa's "
                        "refuses it: --from tecnativa, or %s=0",
                        openers[i].variable, openers[i].variable);
    }
}

static void tell_lost(const struct reading *reading)
{
    for (size_t i = 0; i < reading->settings->count; i++) {
        const struct import_setting *setting = &reading->settings->items[i];
        char shown[64];
        if (str_starts(setting->name, STR("LIBPOD_")) ||
            (str_starts(setting->name, STR("ALLOW_LIBPOD"))))
            import_note(reading->import, IMPORT_LOST, setting->line,
                        "%s: Podman's own API is not served",
                        text_shorten(shown, sizeof(shown), setting->name));
        else if (str_is(setting->name, "ALLOW_DELETE") && reading->post)
            import_note(reading->import, IMPORT_LOST, setting->line,
                        "ALLOW_DELETE belongs to no release that is known here; set DELETE=0 to "
                        "refuse every DELETE");
    }
}

struct remark {
    enum operation op;
    enum import_gravity gravity;
    const char *text;
};

/* Printed where the operation is let through. */
static const struct remark remarks[] = {
    {OP_ContainerCreate, IMPORT_STRICTER,
     "bodies are judged: privileged containers, host paths, host namespaces, devices, added "
     "capabilities and the like are refused until a key of the policy opens them"},
    {OP_ServiceCreate, IMPORT_STRICTER,
     "services are judged as containers are: what `containers` does not open is refused"},
    {OP_ContainerExec, IMPORT_STRICTER,
     "commands with Privileged are refused until exec.privileged is true"},
    {OP_VolumeCreate, IMPORT_STRICTER,
     "volumes with other drivers or options are refused until containers.volume_drivers and "
     "containers.volume_options open them"},
    {OP_NetworkCreate, IMPORT_STRICTER,
     "networks with other drivers, options or subnets are refused until `networks` opens them"},
    {OP_PluginPull, IMPORT_STRICTER,
     "plugins are installed, upgraded and set only as `plugins` allows"},
    {OP_SwarmJoin, IMPORT_STRICTER, "a swarm is joined only at addresses in swarm.remotes"},
    {OP_ContainerArchive, IMPORT_STRICTER,
     "copies in and out of containers need a daemon of version 29.5.1 or newer, or \"archive\": "
     "true in the role"},
    {OP_ContainerTop, IMPORT_STRICTER,
     "ps_args of ContainerTop is refused until \"open\": [\"ContainerTop?ps_args\"]"},
    {OP_Session, IMPORT_TOLD, "BuildKit's tunnel is let through as there, and is not inspected"},
    {OP_Grpc, IMPORT_TOLD,
     "BuildKit's control tunnel is let through as there, and is not inspected"},
};

static void tell_remarks(struct import *import, const struct import_role *role)
{
    for (size_t i = 0; i < ARRAY_LEN(remarks); i++)
        if (role->allow[remarks[i].op])
            import_note(import, remarks[i].gravity, 0, "%s", remarks[i].text);
}

bool import_sections(struct import *import, const struct import_settings *settings,
                     enum import_kind kind)
{
    struct reading reading = {.import = import, .settings = settings, .kind = kind};
    reading.post = is_on(&reading, "POST", false);
    reading.gates = gates_in_force(&reading);
    struct import_role *role = import_add_role(import, STR("default"), gist, 0);
    if (!role)
        return false;
    bool refused[OP_COUNT] = {false};
    tell_values(&reading);
    tell_openers(&reading);
    for (size_t i = 0; i < routes_count; i++) {
        bool passes = route_passes(&reading, &routes[i]) && websocket_passes(&reading, &routes[i]);
        role->allow[routes[i].op] |= passes;
        refused[routes[i].op] |= !passes;
    }
    for (enum operation op = 0; op < OP_COUNT; op++)
        role->allow[op] &= !refused[op];
    if (role->allow[OP_Session] || role->allow[OP_Grpc])
        import_set_key(import, role, "builds", "buildkit", STR("true"));
    tell_remarks(import, role);
    tell_lost(&reading);
    return !import->wrong;
}

bool import_wants_sections(const struct import_settings *settings)
{
    static const char *const words[] = {"0", "1", "true", "false", "yes", "no", "on", "off"};
    for (size_t i = 0; i < settings->count; i++) {
        struct str name = settings->items[i].name;
        bool known = str_is(name, "POST"), reads = false;
        for (size_t at = 0; at < ARRAY_LEN(sections); at++)
            known |= str_is(name, sections[at].variable);
        for (size_t at = 0; at < ARRAY_LEN(openers); at++)
            known |= str_is(name, openers[at].variable);
        for (size_t at = 0; at < ARRAY_LEN(gates); at++)
            known |= str_is(name, gates[at].variable);
        for (size_t at = 0; known && at < ARRAY_LEN(words); at++)
            reads |= str_ieq(settings->items[i].value, str_of(words[at]));
        if (reads)
            return true;
    }
    return false;
}
