/* What the proxy itself has on this host: no client gets its sockets, its policy, its audit logs or
   its ports without the policy naming them. Containers see the host's paths; a proxy in a container
   of its own knows only the paths there. */
#include "own_places.h"

#include "address.h"

#include <limits.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <stdio.h>
#include <stdlib.h>

/* The folder as it is on disk, and the file's name in it. False: the folder is not there. */
static bool in_real_folder(const char *path, char dst[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t n = (size_t)(name - path);
    char folder[PATH_MAX] = ".", real[PATH_MAX];
    if (n >= sizeof(folder))
        return false;
    if (n > 0)
        memcpy(folder, path, n);
    folder[n > 0 ? n : 1] = '\0';
    if (!realpath(folder, real))
        return false;
    int length = snprintf(dst, PATH_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
    return length > 0 && length < PATH_MAX;
}

/* As it is given, in its real folder, and where a link in its place leads. */
static bool tell_path(struct policy *policy, const char *path, struct err *err)
{
    char real[PATH_MAX];
    bool told = policy_own_path(policy, str_of(path));
    if (in_real_folder(path, real))
        told |= policy_own_path(policy, str_of(real));
    if (realpath(path, real))
        told |= policy_own_path(policy, str_of(real));
    return told || err_set(err, 0, 0,
                           "cannot keep %s from containers: its folder is not there, and the path "
                           "is not plain; write it from / on, without '..' and '//'",
                           path);
}

static bool tell_host(struct policy *policy, const char *host, struct err *err)
{
    struct sockaddr_storage address;
    socklen_t length;
    bool loopback;
    const char *path = address_unix_path(host);
    if (path)
        return tell_path(policy, path, err);
    if (strncmp(host, "tcp://", 6) != 0 ||
        !address_parse_tcp(host + 6, &address, &length, &loopback))
        return true;
    /* Both families have the port in the same place. */
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address;
    return policy_own_port(policy, ntohs(in->sin_port)) || err_set(err, 0, 0, "out of memory");
}

/* A socket that somebody else has made and named. */
static bool tell_inherited(struct policy *policy, int fd, struct err *err)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    memset(&address, 0, sizeof(address));
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return err_set(err, 0, 0, "descriptor %d was inherited and is no socket", fd);
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address;
    char path[sizeof(un->sun_path) + 1] = "";
    memcpy(path, un->sun_path, sizeof(un->sun_path));
    if (address.ss_family == AF_UNIX)
        return path[0] != '/' || tell_path(policy, path, err);
    if (address.ss_family != AF_INET && address.ss_family != AF_INET6)
        return true;
    return policy_own_port(policy, ntohs(in->sin_port)) || err_set(err, 0, 0, "out of memory");
}

static bool is_file(const char *audit_log)
{
    return strcmp(audit_log, "-") != 0 && strcmp(audit_log, "none") != 0;
}

bool own_places_tell(const struct config *config, const struct systemd_sockets *inherited,
                     struct policy *policy, struct err *err)
{
    for (size_t i = 0; i < inherited->count; i++)
        if (!tell_inherited(policy, SYSTEMD_FIRST_FD + (int)i, err))
            return false;
    for (size_t i = 0; i < config->host_count; i++)
        if (!tell_host(policy, config->hosts[i], err))
            return false;
    for (size_t i = 0; i < config->audit_count; i++)
        if (is_file(config->audit_logs[i]) && !tell_path(policy, config->audit_logs[i], err))
            return false;
    return tell_host(policy, config->upstream, err) &&
           (!config->policy || strcmp(config->policy, "-") == 0 ||
            tell_path(policy, config->policy, err));
}
