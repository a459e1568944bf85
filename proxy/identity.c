/* Who asks; see identity.h. */
#include "identity.h"

#include "log.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- numbers that stand for nobody ----------------------------------------------------------- */

/* In a user namespace the kernel tells of all users who have no number there by one and the same
   (user_namespaces(7)); who has it matches no entry, and owns nothing. Written once, at start. */
static uint32_t vague_uid = UINT32_MAX, vague_gid = UINT32_MAX;

/* The begin of a file of /proc; empty: it cannot be read. */
static void read_begin(const char *path, char *dst, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, dst, cap - 1);
    dst[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* Lines of three numbers: from where, to where, how many. */
static bool maps_all(const char *map)
{
    enum { FIELDS = 3 };
    uint64_t count = 0;
    char *end = NULL;
    for (unsigned field = 1;; field++, map = end) {
        uint64_t number = strtoull(map, &end, 10);
        if (end == map)
            return count >= UINT32_MAX;
        count += field % FIELDS == 0 ? number : 0;
    }
}

static uint32_t read_vague(const char *map, const char *overflow)
{
    enum { USUAL = 65534 };
    char text[4096];
    read_begin(map, text, sizeof(text));
    if (maps_all(text))
        return UINT32_MAX;
    read_begin(overflow, text, sizeof(text));
    return text[0] ? (uint32_t)strtoul(text, NULL, 10) : USUAL;
}

void identity_learn_numbers(void)
{
    vague_uid = read_vague("/proc/self/uid_map", "/proc/sys/kernel/overflowuid");
    vague_gid = read_vague("/proc/self/gid_map", "/proc/sys/kernel/overflowgid");
    if (vague_uid != UINT32_MAX)
        log_info("this is a user namespace, where uid %u stands for all who have no number in it: "
                 "it matches no entry of \"clients\", and is no owner",
                 (unsigned)vague_uid);
}

/* ---- who asks -------------------------------------------------------------------------------- */

/* Empty when it is of no kind that we know. */
static char *write_address(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    char text[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET)
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
    else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, sizeof(text));
    else if (address->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    return strdup(text);
}

const char *identity_address(const struct identity *identity)
{
    return identity->address ? identity->address : "";
}

bool identity_read(int fd, const struct sockaddr_storage *address, const char *listener,
                   struct identity *out)
{
    *out = (struct identity){.listener = listener, .fresh = true};
    if (address->ss_family == AF_UNIX) {
        struct ucred cred = {0, (uid_t)-1, (gid_t)-1};
        socklen_t length = sizeof(cred);
        out->unix_peer = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) == 0;
        out->uid = cred.uid;
        out->gid = cred.gid;
        out->pid = cred.pid;
        return out->unix_peer;
    }
    out->address = write_address(address);
    return out->address != NULL;
}

void identity_free(struct identity *identity)
{
    free(identity->address);
    identity->address = NULL;
    free(identity->certificate);
    identity->certificate = NULL;
    peer_container_free(identity->container);
    identity->container = NULL;
}

struct client_identity identity_client(const struct identity *identity)
{
    struct client_identity client = {.unix_peer = identity->unix_peer,
                                     .uid = identity->uid,
                                     .gid = identity->gid,
                                     .listener = str_of(identity->listener)};
    if (client.uid == vague_uid)
        client.uid = UINT32_MAX;
    if (client.gid == vague_gid)
        client.gid = UINT32_MAX;
    if (identity_address(identity)[0])
        client.address = str_of(identity->address);
    const struct certificate *certificate = identity->certificate;
    if (certificate) {
        client.cert_cn = certificate->cn;
        client.cert_ou = certificate->ou;
        client.cert_sans = certificate->sans;
        client.cert_san_count = certificate->san_count;
        client.cert_spki = certificate->spki;
    }
    const struct peer_container *container = identity->container;
    if (container && container->state == PEER_CONTAINER_KNOWN) {
        client.container_name = container->name;
        client.container_image = container->image;
        client.container_image_id = container->image_id;
        client.container_labels = container->labels;
        client.container_label_count = container->label_count;
    }
    return client;
}

static void write_label(const struct peer_container *container, const char *label, const char *name,
                        struct json_out *out)
{
    for (size_t i = 0; i < container->label_count; i++)
        if (str_is(container->labels[i].key, label))
            json_out_member(out, name, str_head(container->labels[i].value, 256));
}

/* What its cgroups claim is told as that; the name stands for what has proved true. */
static void write_container(const struct peer_container *container, struct json_out *out)
{
    if (!container || !container->id[0] || container->state == PEER_CONTAINER_NONE)
        return;
    json_out_member(out, container->state == PEER_CONTAINER_KNOWN ? "container" : "container_claim",
                    str_of(container->id));
    if (container->state != PEER_CONTAINER_KNOWN)
        return;
    json_out_member(out, "container_name", str_head(container->name, 256));
    write_label(container, "com.docker.compose.project", "compose_project", out);
    write_label(container, "com.docker.compose.service", "compose_service", out);
}

void identity_write(const struct identity *identity, struct json_out *out)
{
    if (identity->unix_peer) {
        json_out_key(out, "uid");
        json_out_uint(out, identity->uid);
        json_out_key(out, "gid");
        json_out_uint(out, identity->gid);
        json_out_key(out, "pid");
        json_out_int(out, identity->pid);
        write_container(identity->container, out);
    } else {
        json_out_member(out, "address", str_of(identity_address(identity)));
    }
    if (identity->certificate) {
        json_out_member(out, "cert_subject", identity->certificate->subject);
        json_out_member(out, "cert_cn", str_head(identity->certificate->cn, 256));
        json_out_member(out, "cert_spki", identity->certificate->spki);
    }
}
