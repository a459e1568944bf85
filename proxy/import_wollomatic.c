/* The flags and SP_ variables of wollomatic/socket-proxy: an expression over paths for each method,
   who may connect, and where bind mounts may come from (internal/config/config.go,
   cmd/socket-proxy/bindmount.go of 1.12 and 1.13). */
#include "import_match.h"

#include <arpa/inet.h>

static const char *const gist = "What socket-proxy's expressions let through.";

enum { ADDRESSES_MAX = 64 };

/* Each expression of a method names the methods of its rule. */
static const char *const methods[][2] = {
    {"GET", NULL},    {"HEAD", NULL},    {"POST", NULL},  {"PUT", NULL},     {"PATCH", NULL},
    {"DELETE", NULL}, {"CONNECT", NULL}, {"TRACE", NULL}, {"OPTIONS", NULL},
};

struct reading {
    struct import *import;
    const struct import_settings *settings;
    struct import_rules *rules;
};

/* SP_ALLOW_GET, SP_ALLOW_GET_2. */
static bool is_variable_of(struct str name, const char *method)
{
    if (!str_starts(name, STR("SP_ALLOW_")))
        return false;
    name = str_skip(name, 9);
    return str_is(str_head(name, str_find(name, '_')), method);
}

/* -allowGET. */
static bool is_flag_of(struct str name, const char *method)
{
    return str_starts(name, STR("-allow")) && str_is(str_skip(name, 6), method);
}

static void add_rules(const struct reading *reading, size_t method)
{
    const char *name = methods[method][0];
    bool flags = false;
    for (size_t i = 0; i < reading->settings->count; i++)
        flags |= is_flag_of(reading->settings->items[i].name, name);
    for (size_t i = 0; i < reading->settings->count; i++) {
        const struct import_setting *setting = &reading->settings->items[i];
        const struct import_rule rule = {.methods = methods[method],
                                         .allow = true,
                                         .line = setting->line,
                                         .label = setting->name};
        bool variable = is_variable_of(setting->name, name);
        if (variable && flags)
            import_note(reading->import, IMPORT_TOLD, setting->line,
                        "%.*s is passed over, since -allow%s is given", STR_ARG(setting->name),
                        name);
        else if ((variable || is_flag_of(setting->name, name)) && setting->value.n > 0)
            import_rules_add_regexp(reading->import, reading->rules, &rule, setting->value);
    }
}

/* A flag wins over its variable. */
static const struct import_setting *find(const struct reading *reading, const char *flag,
                                         const char *variable)
{
    const struct import_setting *setting = import_find(reading->settings, flag);
    return setting ? setting : import_find(reading->settings, variable);
}

/* ---- who may connect ------------------------------------------------------------------------ */

static bool is_address(struct str text)
{
    char host[64];
    unsigned char bytes[16];
    size_t bar = str_find(text, '/');
    int64_t bits = 0;
    if (bar >= sizeof(host) || (bar < text.n && !str_to_int(str_skip(text, bar + 1), &bits)))
        return false;
    memcpy(host, text.p, bar);
    host[bar] = '\0';
    return (inet_pton(AF_INET, host, bytes) == 1 && bits >= 0 && bits <= 32) ||
           (inet_pton(AF_INET6, host, bytes) == 1 && bits >= 0 && bits <= 128);
}

static size_t read_addresses(const struct reading *reading, const struct import_setting *setting,
                             struct str *out)
{
    struct str rest = setting ? setting->value : STR("127.0.0.1/32");
    size_t count = 0;
    char shown[64];
    while (rest.n > 0) {
        struct str one = str_head(rest, str_find(rest, ','));
        rest = str_skip(rest, one.n + 1);
        one = str_trim(one);
        if (is_address(one) && count < ADDRESSES_MAX)
            out[count++] = one;
        else
            import_note(reading->import, IMPORT_LOST, setting ? setting->line : 0,
                        "%s is no IP address or network, and names are not looked up; write its "
                        "address in `clients`",
                        text_shorten(shown, sizeof(shown), one));
    }
    return count;
}

/* Where it serves a Unix socket it asks nobody who he is. */
static bool read_clients(const struct reading *reading, struct import_role *role)
{
    struct str addresses[ADDRESSES_MAX];
    const struct import_setting *socket =
        find(reading, "-proxysocketendpoint", "SP_PROXYSOCKETENDPOINT");
    if (socket && socket->value.n > 0)
        return true;
    size_t count = read_addresses(reading, find(reading, "-allowfrom", "SP_ALLOWFROM"), addresses);
    role->name = STR("socket-proxy");
    if (count == 0) {
        import_note(reading->import, IMPORT_STRICTER, 0,
                    "nobody may connect, until `clients` of the policy names an address");
        return true;
    }
    struct import_client *client =
        import_add_client(reading->import, STR("allowfrom"), role->name, 0);
    if (client)
        import_set_trait(reading->import, client, "address",
                         import_list(reading->import, addresses, count));
    return client != NULL;
}

/* ---- bind mounts --------------------------------------------------------------------------- */

static void read_binds(const struct reading *reading, struct import_role *role)
{
    const struct import_setting *setting =
        find(reading, "-allowbindmountfrom", "SP_ALLOWBINDMOUNTFROM");
    bool creates = role->allow[OP_ContainerCreate] || role->allow[OP_ServiceCreate] ||
                   role->allow[OP_ServiceUpdate];
    struct str folders[IMPORT_FOLDERS_MAX];
    size_t count = 0;
    char shown[64];
    for (struct str rest = setting ? setting->value : STR(""); rest.n > 0;) {
        struct str one = str_head(rest, str_find(rest, ','));
        rest = str_skip(rest, one.n + 1);
        while (one.n > 1 && one.p[one.n - 1] == '/')
            one.n--;
        if (import_is_folder(one) && count < IMPORT_FOLDERS_MAX)
            folders[count++] = one;
        else
            import_note(reading->import, IMPORT_LOST, setting->line,
                        "bind mounts from %s: write what is meant in containers.binds",
                        text_shorten(shown, sizeof(shown), one));
    }
    if (count > 0 && creates)
        import_set_key(reading->import, role, "containers", "binds",
                       import_folders(reading->import, folders, count));
    else if (creates)
        import_note(reading->import, IMPORT_STRICTER, 0,
                    "no host path may be mounted until containers.binds names it");
    if (creates)
        import_note(reading->import, IMPORT_STRICTER, 0,
                    "bodies are judged: privileged containers, host namespaces, devices, added "
                    "capabilities and the like are refused until a key of the policy opens them");
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void tell_rest(const struct reading *reading)
{
    static const struct {
        const char *flag, *variable, *text;
        enum import_gravity gravity;
    } rest[] = {
        {"-proxycontainername", "SP_PROXYCONTAINERNAME",
         "allowlists in labels of containers are not read; name containers in `clients`",
         IMPORT_LOST},
        {"-listenip", "SP_LISTENIP", "serve --host tcp://IP:PORT", IMPORT_TOLD},
        {"-proxyport", "SP_PROXYPORT", "serve --host tcp://IP:PORT", IMPORT_TOLD},
        {"-proxysocketendpoint", "SP_PROXYSOCKETENDPOINT", "serve --host unix:///PATH",
         IMPORT_TOLD},
        {"-proxysocketendpointfilemode", "SP_PROXYSOCKETENDPOINTFILEMODE",
         "serve --socket-mode MODE", IMPORT_TOLD},
        {"-socketpath", "SP_SOCKETPATH", "serve --upstream unix:///PATH", IMPORT_TOLD},
        {"-loglevel", "SP_LOGLEVEL", "serve --log-level LEVEL", IMPORT_TOLD},
        {"-logjson", "SP_LOGJSON", "serve --log-format json", IMPORT_TOLD},
        {"-shutdowngracetime", "SP_SHUTDOWNGRACETIME", "serve --stop-timeout SECONDS", IMPORT_TOLD},
        {"-allowhealthcheck", "SP_ALLOWHEALTHCHECK", "serve --admin ADDRESS, and healthcheck",
         IMPORT_TOLD},
    };
    for (size_t i = 0; i < ARRAY_LEN(rest); i++) {
        const struct import_setting *setting = find(reading, rest[i].flag, rest[i].variable);
        if (setting && setting->value.n > 0)
            import_note(reading->import, rest[i].gravity, setting->line, "%.*s: %s",
                        STR_ARG(setting->name), rest[i].text);
    }
}

bool import_wollomatic(struct import *import, const struct import_settings *settings)
{
    struct reading reading = {import, settings, import_rules_new(import, true)};
    if (!reading.rules)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        add_rules(&reading, i);
    if (reading.rules->program.rule_count == 0)
        return import_note(import, IMPORT_WRONG, 0,
                           "no expression can be carried over, neither -allowGET nor SP_ALLOW_GET "
                           "or the like");
    struct import_role *role = import_add_role(import, STR("default"), gist, 0);
    if (!role || !import_rules_apply(import, reading.rules, role) || !read_clients(&reading, role))
        return false;
    read_binds(&reading, role);
    tell_rest(&reading);
    return !import->wrong;
}
