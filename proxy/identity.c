/* Who asks; see identity.h. */
#include "identity.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

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
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, out->address, sizeof(out->address));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out->address, sizeof(out->address));
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, out->address, sizeof(out->address));
    }
    return true;
}

void identity_free(struct identity *identity)
{
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
    if (identity->address[0])
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

/* What its cgroups claim is told as that; the name stands for what has proved true. */
static void write_container(const struct peer_container *container, struct json_out *out)
{
    if (!container || !container->id[0] || container->state == PEER_CONTAINER_NONE)
        return;
    json_out_member(out, container->state == PEER_CONTAINER_KNOWN ? "container" : "container_claim",
                    str_of(container->id));
    if (container->state == PEER_CONTAINER_KNOWN)
        json_out_member(out, "container_name", str_head(container->name, 256));
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
        json_out_member(out, "address", str_of(identity->address));
    }
    if (identity->certificate) {
        json_out_member(out, "cert_subject", identity->certificate->subject);
        json_out_member(out, "cert_spki", identity->certificate->spki);
    }
}
