/* Addresses; see address.h. Nothing is looked up. */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

const char *address_unix_path(const char *address)
{
    return strncmp(address, "unix:///", 8) == 0 ? address + 7 : NULL;
}

bool address_parse_tcp(const char *text, struct sockaddr_storage *out, socklen_t *length,
                       bool *loopback)
{
    struct str address = str_of(text);
    size_t colon = str_rfind(address, ':');
    struct str host = str_head(address, colon);
    int64_t port;
    if (colon == address.n || !str_to_int(str_skip(address, colon + 1), &port) || port < 1 ||
        port > 65535)
        return false;
    bool brackets = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (brackets)
        host = (struct str){host.p + 1, host.n - 2};
    char name[64];
    if (host.n == 0 || host.n >= sizeof(name))
        return false;
    memcpy(name, host.p, host.n);
    name[host.n] = '\0';
    memset(out, 0, sizeof(*out));
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;
    if (!brackets && inet_pton(AF_INET, name, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        *length = sizeof(*in);
        *loopback = (ntohl(in->sin_addr.s_addr) >> 24) == 127;
        return true;
    }
    if (!brackets || inet_pton(AF_INET6, name, &in6->sin6_addr) != 1)
        return false;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    *length = sizeof(*in6);
    *loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    return true;
}
