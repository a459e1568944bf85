/* What the proxy itself has on this host: no client gets its sockets, its policy, its audit logs or
   its ports without the policy naming them. Containers see the host's paths; a proxy in a container
   of its own knows only the paths there, and the volumes that are mounted. */
#include "own_places.h"

#include "address.h"
#include "own_volume.h"
#include "peer_container.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

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

/* ---- volumes ------------------------------------------------------------------------------- */

/* Lines of mountinfo that speak of a volume, for as long as the process lives. */
static struct {
    struct arena arena;
    struct mount {
        struct mount *next;
        struct str line;
    } * first;
    bool read;
} mounts;

static bool keep_mount(struct str line)
{
    struct mount *mount = arena_alloc(&mounts.arena, 1, sizeof(*mount));
    if (!mount)
        return false;
    *mount = (struct mount){mounts.first, arena_copy(&mounts.arena, line)};
    mounts.first = mount;
    return mount->line.p != NULL;
}

/* Read once, by the main thread: from within the sandbox it cannot be read again. */
static bool read_mounts(void)
{
    char *line = NULL;
    size_t cap = 0;
    bool good = true;
    FILE *file = mounts.read ? NULL : fopen("/proc/self/mountinfo", "re");
    mounts.read = true;
    while (file && good && getline(&line, &cap, file) > 0)
        good = !strstr(line, "/volumes/") || keep_mount(str_of(line));
    free(line);
    if (file)
        fclose(file);
    return good;
}

static bool tell_volumes_of(struct policy *policy, struct str path)
{
    struct str name;
    while (own_volume_next(&path, &name))
        if (!policy_own_volume(policy, name))
            return false;
    return true;
}

/* The volumes that a real path lies in: it is in their folder, or on a mount of it, as in a
   container. */
static bool tell_volumes(struct policy *policy, const char *path)
{
    bool good = tell_volumes_of(policy, str_of(path));
    for (const struct mount *mount = mounts.first; good && mount; mount = mount->next) {
        char *line = strdup(mount->line.p);
        struct str root;
        good = line != NULL;
        if (good && own_volume_mount(line, str_of(path), &root))
            good = tell_volumes_of(policy, root);
        free(line);
    }
    return good;
}

/* ---- paths --------------------------------------------------------------------------------- */

/* As it is given, in its real folder, and where a link in its place leads. */
static bool tell_path(struct policy *policy, const char *path, struct err *err)
{
    char real[PATH_MAX];
    bool told = policy_own_path(policy, str_of(path)), volumes = read_mounts();
    if (in_real_folder(path, real)) {
        told |= policy_own_path(policy, str_of(real));
        volumes = volumes && tell_volumes(policy, real);
    }
    if (realpath(path, real)) {
        told |= policy_own_path(policy, str_of(real));
        volumes = volumes && tell_volumes(policy, real);
    }
    if (!volumes)
        return err_set(err, 0, 0, "out of memory");
    return told || err_set(err, 0, 0,
                           "cannot keep %s from containers: its folder is not there, and the path "
                           "is not plain; write it from / on, without '..' and '//'",
                           path);
}

bool own_places_tell_socket(struct policy *policy, int fd, struct err *err)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)(void *)&address, &length) != 0)
        return err_set(err, 0, 0, "cannot tell where a listener is: %s", strerror(errno));
    if (address.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address;
        bool named = length > offsetof(struct sockaddr_un, sun_path) && un->sun_path[0];
        return !named || tell_path(policy, un->sun_path, err);
    }
    if (address.ss_family != AF_INET && address.ss_family != AF_INET6)
        return true;
    /* Both families have the port in the same place. */
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address;
    return policy_own_port(policy, ntohs(in->sin_port)) || err_set(err, 0, 0, "out of memory");
}

/* Read once: from within the sandbox it cannot be read again. Only the main thread asks. */
static bool tell_container(struct policy *policy)
{
    static char id[CONTAINER_ID_LENGTH + 1];
    static bool read;
    if (!read)
        own_container_id(id);
    read = true;
    return !id[0] || policy_own_container(policy, str_of(id));
}

bool own_places_tell_trust(const struct config *config, struct policy *policy, struct err *err)
{
    return tell_path(policy, config->key_dir, err) &&
           (!config->registry_auth || tell_path(policy, config->registry_auth, err)) &&
           (!config->registry_ca || tell_path(policy, config->registry_ca, err)) &&
           (!config->trust_cache || tell_path(policy, config->trust_cache, err));
}

bool own_places_tell(const struct config *config, struct policy *policy, struct err *err)
{
    const char *upstream = address_unix_path(config->upstream);
    if (!tell_container(policy))
        return err_set(err, 0, 0, "out of memory");
    const char *const files[] = {config->tls_cert, config->tls_key, config->tls_ca,
                                 config->tls_crl};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (files[i] && !tell_path(policy, files[i], err))
            return false;
    for (size_t i = 0; i < config->audit_count; i++)
        if (audit_target_is_file(config->audit_logs[i]) &&
            !tell_path(policy, config->audit_logs[i], err))
            return false;
    return (!upstream || tell_path(policy, upstream, err)) &&
           (!config->policy || strcmp(config->policy, "-") == 0 ||
            tell_path(policy, config->policy, err));
}
