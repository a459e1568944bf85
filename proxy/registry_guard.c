/* The address guard; see registry_guard.h. The tables are IANA's registries of special addresses
   (https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-), and what clouds serve
   their metadata at. */
#include "registry_guard.h"

#include <netinet/in.h>

struct range {
    unsigned char address[16];
    unsigned bits;
    enum registry_reach reach;
};

// clang-format off
/* The first that matches counts. */
static const struct range ranges4[] = {
    {{169, 254}, 16, REGISTRY_NEVER},            /* link-local; metadata of most clouds */
    {{168, 63, 129, 16}, 32, REGISTRY_NEVER},    /* Azure's platform */
    {{100, 100, 100, 200}, 32, REGISTRY_NEVER},  /* Alibaba's metadata */
    {{192, 0, 0, 0}, 24, REGISTRY_NEVER},        /* protocols; Oracle's metadata */
    {{0}, 8, REGISTRY_NEVER},                    /* this host, when connected to */
    {{127}, 8, REGISTRY_PRIVATE},
    {{10}, 8, REGISTRY_PRIVATE},
    {{172, 16}, 12, REGISTRY_PRIVATE},
    {{192, 168}, 16, REGISTRY_PRIVATE},
    {{100, 64}, 10, REGISTRY_PRIVATE},           /* carriers' own */
    {{198, 18}, 15, REGISTRY_PRIVATE},           /* laboratories */
    {{192, 0, 2}, 24, REGISTRY_NEVER},           /* documentation */
    {{198, 51, 100}, 24, REGISTRY_NEVER},
    {{203, 0, 113}, 24, REGISTRY_NEVER},
    {{192, 88, 99}, 24, REGISTRY_NEVER},         /* 6to4 relays */
    {{224}, 3, REGISTRY_NEVER},                  /* multicast, reserved, broadcast */
    {{0}, 0, REGISTRY_PUBLIC},
};

static const struct range ranges6[] = {
    {{0xfd, 0, 0x0e, 0xc2}, 32, REGISTRY_NEVER}, /* metadata of AWS */
    {{0xfd, 0x20, 0, 0xce}, 32, REGISTRY_NEVER}, /* metadata of Google */
    {{0xfc}, 7, REGISTRY_PRIVATE},
    {{[15] = 1}, 128, REGISTRY_PRIVATE},         /* this machine */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, REGISTRY_NEVER},  /* documentation */
    {{0x20, 0x01}, 23, REGISTRY_NEVER},          /* Teredo and other protocols */
    {{0x3f, 0xff}, 20, REGISTRY_NEVER},          /* documentation */
    {{0x20}, 3, REGISTRY_PUBLIC},                /* all that is given out; 2000::/3 */
    {{0}, 0, REGISTRY_NEVER},
};

/* An IPv4 address stands behind these, at this byte. */
static const struct {
    unsigned char address[12];
    unsigned bits, at;
} embedded[] = {
    {{[10] = 0xff, [11] = 0xff}, 96, 12},        /* ::ffff:0:0/96 */
    {{0, 0x64, 0xff, 0x9b}, 96, 12},             /* 64:ff9b::/96, NAT64 */
    {{0x20, 0x02}, 16, 2},                       /* 6to4 */
};
// clang-format on

static bool within(const unsigned char *address, const unsigned char *prefix, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (whole > 0 && memcmp(address, prefix, whole) != 0)
        return false;
    unsigned char mask = (unsigned char)(0xff00u >> rest);
    return rest == 0 || (address[whole] & mask) == (prefix[whole] & mask);
}

static enum registry_reach find(const struct range *ranges, size_t count,
                                const unsigned char *address)
{
    for (size_t i = 0; i < count; i++)
        if (within(address, ranges[i].address, ranges[i].bits))
            return ranges[i].reach;
    return REGISTRY_NEVER;
}

static enum registry_reach reach6(const unsigned char *address)
{
    for (size_t i = 0; i < ARRAY_LEN(embedded); i++)
        if (within(address, embedded[i].address, embedded[i].bits))
            return find(ranges4, ARRAY_LEN(ranges4), address + embedded[i].at);
    return find(ranges6, ARRAY_LEN(ranges6), address);
}

enum registry_reach registry_reach(const struct sockaddr *address, socklen_t length)
{
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        unsigned char bytes[4];
        memcpy(&in, address, sizeof(in));
        memcpy(bytes, &in.sin_addr, sizeof(bytes));
        return find(ranges4, ARRAY_LEN(ranges4), bytes);
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return reach6(in6.sin6_addr.s6_addr);
    }
    return REGISTRY_NEVER;
}
