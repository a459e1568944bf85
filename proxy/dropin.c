/* Serving in the place of a docker-socket-proxy; see dropin.h. What its switches mean is in
   import_sections.c; here is the rest of its environment: BIND_CONFIG, DISABLE_IPV6, SOCKET_PATH,
   LOG_LEVEL, as its docker-entrypoint.sh and haproxy.cfg read them. */
#include "dropin.h"

#include "address.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    struct dropin *dropin;
    const struct import_settings *settings;
    struct config *config;
    struct err *err;
};

/* ---- addresses ----------------------------------------------------------------------------- */

/* Docker and Podman leave a file, others a variable. */
static bool in_container(const struct import_settings *settings)
{
    return getpid() == 1 || access("/.dockerenv", F_OK) == 0 ||
           access("/run/.containerenv", F_OK) == 0 || getenv("container") ||
           import_find(settings, "KUBERNETES_SERVICE_HOST");
}

/* Another network than the first process has is private, too. Who may not look has the host's. */
static bool in_own_network(void)
{
    struct stat own, first;
    return stat("/proc/self/ns/net", &own) == 0 && stat("/proc/1/ns/net", &first) == 0 &&
           (own.st_ino != first.st_ino || own.st_dev != first.st_dev);
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
    bool good = bind(fd, (const struct sockaddr *)(const void *)&any, sizeof(any)) == 0;
    close(fd);
    return good;
}

static const char *default_host(const struct import_settings *settings)
{
    const struct import_setting *off = import_find(settings, "DISABLE_IPV6");
    if (!in_container(settings) && !in_own_network())
        return "tcp://127.0.0.1:2375";
    bool ipv4 = off && (str_is(off->value, "1") || str_ieq(off->value, STR("true")) ||
                        str_ieq(off->value, STR("yes")));
    return ipv4 || !has_ipv6() ? "tcp://0.0.0.0:2375" : "tcp://[::]:2375";
}

static bool add_host(const struct place *place, const struct str *parts, size_t count)
{
    struct config *config = place->config;
    struct str host = arena_join(&place->dropin->import.arena, parts, count);
    if (!host.p)
        return err_set(place->err, 0, 0, "out of memory");
    if (config->host_count == CONFIG_HOSTS_MAX)
        return err_set(place->err, 0, 0, "BIND_CONFIG names more than %d addresses",
                       CONFIG_HOSTS_MAX);
    config->hosts[config->host_count++] = host.p;
    return true;
}

static bool not_understood(const struct place *place, const char *name, struct str value,
                           const char *remedy)
{
    char shown[64];
    return err_set(place->err, 0, 0, "%s: %s is not understood; %s", name,
                   text_shorten(shown, sizeof(shown), value), remedy);
}

/* `*:2375`, `:2375`, `0.0.0.0:2375`, `[::]:2375`, `:::2375`, `/path`, `unix@/path`. */
static bool bind_one(const struct place *place, struct str address)
{
    struct sockaddr_storage parsed;
    socklen_t length;
    bool loopback;
    if (str_starts(address, STR("unix@")))
        address = str_skip(address, 5);
    if (address.n && address.p[0] == '/')
        return add_host(place, (const struct str[]){STR("unix://"), address}, 2);
    size_t colon = str_rfind(address, ':');
    struct str host = str_head(address, colon), port = str_skip(address, colon + 1);
    bool bare = str_find(host, ':') < host.n && host.p[0] != '[';
    if (host.n == 0 || str_is(host, "*"))
        host = STR("0.0.0.0");
    const struct str parts[] = {
        STR("tcp://"), bare ? STR("[") : STR(""), host, bare ? STR("]") : STR(""), STR(":"), port};
    return (add_host(place, parts, ARRAY_LEN(parts)) &&
            address_parse_tcp(place->config->hosts[place->config->host_count - 1] + 6, &parsed,
                              &length, &loopback)) ||
           not_understood(place, "BIND_CONFIG", address, "name the address by --host");
}

static bool read_bind(const struct place *place)
{
    const struct import_setting *setting = import_find(place->settings, "BIND_CONFIG");
    struct str rest = str_trim(setting ? setting->value : STR(""));
    place->config->host_count = 0;
    if (rest.n == 0)
        return add_host(place, (const struct str[]){str_of(default_host(place->settings))}, 1);
    struct str addresses = str_head(rest, str_find(rest, ' '));
    for (rest = str_trim(str_skip(rest, addresses.n)); rest.n > 0;) {
        struct str word = str_head(rest, str_find(rest, ' '));
        rest = str_trim(str_skip(rest, word.n));
        if (!str_is(word, "v4v6"))
            return not_understood(place, "BIND_CONFIG", word,
                                  "only addresses and v4v6 are; name the address by --host");
    }
    while (addresses.n > 0) {
        struct str one = str_head(addresses, str_find(addresses, ','));
        addresses = str_skip(addresses, one.n + 1);
        if (!bind_one(place, one))
            return false;
    }
    return true;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static bool read_upstream(const struct place *place)
{
    const struct import_setting *setting = import_find(place->settings, "SOCKET_PATH");
    if (!setting || setting->value.n == 0)
        return true;
    struct str path = setting->value;
    if (str_starts(path, STR("unix@")))
        path = str_skip(path, 5);
    if (path.n == 0 || path.p[0] != '/')
        return not_understood(place, "SOCKET_PATH", setting->value,
                              "it has to be the path of the daemon's Unix socket");
    struct str upstream =
        arena_join(&place->dropin->import.arena, (const struct str[]){STR("unix://"), path}, 2);
    place->config->upstream = upstream.p;
    return upstream.p || err_set(place->err, 0, 0, "out of memory");
}

static bool read_log_level(const struct place *place)
{
    static const struct {
        const char *theirs;
        enum log_level ours;
    } levels[] = {
        {"debug", LOG_LEVEL_DEBUG},  {"info", LOG_LEVEL_INFO},   {"notice", LOG_LEVEL_INFO},
        {"warning", LOG_LEVEL_WARN}, {"err", LOG_LEVEL_ERROR},   {"crit", LOG_LEVEL_ERROR},
        {"alert", LOG_LEVEL_ERROR},  {"emerg", LOG_LEVEL_ERROR},
    };
    const struct import_setting *setting = import_find(place->settings, "LOG_LEVEL");
    if (!setting || setting->value.n == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (str_ieq(setting->value, str_of(levels[i].theirs))) {
            place->config->log_level = levels[i].ours;
            return true;
        }
    return not_understood(place, "LOG_LEVEL", setting->value,
                          "debug, info, notice, warning, err, crit, alert and emerg are");
}

/* Whoever gives certificates gets TLS on that address. */
static void choose_transport(struct config *config)
{
    config->insecure_tcp |= !config->tls_cert && !config->tls_key;
}

static bool apply(const struct place *place, const struct dropin_given *given)
{
    struct dropin *dropin = place->dropin;
    if (!import_sections(&dropin->import, place->settings, IMPORT_ENVIRONMENT))
        return err_set(place->err, 0, 0, "the variables of a docker-socket-proxy: %s",
                       dropin->import.notes ? dropin->import.notes->text : "out of memory");
    dropin->policy = import_write(&dropin->import);
    if (!dropin->policy.p)
        return err_set(place->err, 0, 0, "out of memory");
    choose_transport(place->config);
    return read_bind(place) && (given->upstream || read_upstream(place)) &&
           (given->log_level || read_log_level(place));
}

bool dropin_read(char **environment, const struct dropin_given *given, struct config *config,
                 struct err *err)
{
    struct dropin *dropin = calloc(1, sizeof(*dropin));
    struct import_settings settings;
    if (!dropin)
        return err_set(err, 0, 0, "out of memory");
    import_open(&dropin->import);
    const struct place place = {dropin, &settings, config, err};
    if (!import_take_environment(&dropin->import, environment, &settings)) {
        dropin_free(dropin);
        return err_set(err, 0, 0, "out of memory");
    }
    if (!import_wants_sections(&settings)) {
        dropin_free(dropin);
        return true;
    }
    config->dropin = dropin;
    return apply(&place, given);
}

void dropin_free(struct dropin *dropin)
{
    if (dropin)
        import_free(&dropin->import);
    free(dropin);
}

void dropin_tell(const struct config *config, const char *hash)
{
    if (!config->dropin)
        return;
    log_warn("variables of a docker-socket-proxy are set, and no --policy, --role or --host: "
             "serving what they let through, as policy %.12s; `sockwarden import` prints it, to "
             "be given as --policy FILE",
             hash);
    for (const struct import_note *note = config->dropin->import.notes; note; note = note->next)
        log_at(note->gravity == IMPORT_LOST ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "%s%s",
               note->gravity == IMPORT_STRICTER ? "stricter than there: " : "", note->text);
}
