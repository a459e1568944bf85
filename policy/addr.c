/* Addresses, networks and port ranges as they are written in policies and requests. Strict: one
   spelling of a number, no zones, no names; nothing is looked up. */
#include "role.h"

static const uint8_t ipv4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

/* A decimal number without leading zeros, up to max. */
static bool read_number(struct str text, unsigned max, unsigned *out)
{
    if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (!ascii_digit(text.p[i]))
            return false;
        value = value * 10 + (unsigned)(text.p[i] - '0');
    }
    *out = value;
    return value <= max;
}

static bool read_ipv4(struct str text, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        size_t dot = str_find(text, '.');
        unsigned value;
        if ((dot == text.n) != (i == 3) || !read_number(str_head(text, dot), 255, &value))
            return false;
        out[i] = (uint8_t)value;
        text = str_skip(text, dot + 1);
    }
    return true;
}

static bool read_group(struct str text, uint8_t out[2])
{
    if (text.n == 0 || text.n > 4)
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (!ascii_hex(text.p[i]))
            return false;
        value = value << 4 | ascii_hex_value(text.p[i]);
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)(value & 0xFF);
    return true;
}

/* Groups joined by ':', the last of which may be an IPv4 address when tail says so. Returns their
   bytes, 0 when text is empty, or -1. */
static int read_groups(struct str text, bool tail, uint8_t out[16])
{
    int n = 0;
    while (text.n > 0) {
        size_t colon = str_find(text, ':');
        struct str group = str_head(text, colon);
        bool last = colon == text.n;
        int size = last && tail && str_find(group, '.') < group.n ? 4 : 2;
        if (n + size > 16 || !(size == 4 ? read_ipv4(group, out + n) : read_group(group, out + n)))
            return -1;
        n += size;
        if (!last && colon + 1 == text.n)
            return -1;
        text = str_skip(text, colon + 1);
    }
    return n;
}

static bool read_ipv6(struct str text, uint8_t ip[16])
{
    size_t gap = 0;
    while (gap + 1 < text.n && !(text.p[gap] == ':' && text.p[gap + 1] == ':'))
        gap++;
    if (gap + 1 >= text.n)
        return read_groups(text, true, ip) == 16;
    uint8_t head[16];
    uint8_t tail[16];
    int head_n = read_groups(str_head(text, gap), false, head);
    int tail_n = read_groups(str_skip(text, gap + 2), true, tail);
    /* "::" stands for one group of zeros or more. */
    if (head_n < 0 || tail_n < 0 || head_n + tail_n > 14)
        return false;
    memset(ip, 0, 16);
    memcpy(ip, head, (size_t)head_n);
    memcpy(ip + 16 - tail_n, tail, (size_t)tail_n);
    return true;
}

bool ip_parse(struct str text, uint8_t ip[16])
{
    if (str_find(text, ':') < text.n)
        return read_ipv6(text, ip);
    memcpy(ip, ipv4_prefix, sizeof ipv4_prefix);
    return read_ipv4(text, ip + sizeof ipv4_prefix);
}

bool cidr_parse(struct str text, struct cidr *out)
{
    size_t slash = str_find(text, '/');
    struct str address = str_head(text, slash);
    unsigned width = str_find(address, ':') < address.n ? 128 : 32;
    unsigned bits = width;
    if (!ip_parse(address, out->ip) ||
        (slash < text.n && !read_number(str_skip(text, slash + 1), width, &bits)))
        return false;
    out->bits = (uint8_t)(bits + 128 - width);
    return true;
}

static bool same_bits(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
    unsigned bytes = bits / 8;
    unsigned mask = bits % 8 ? 0xFFu << (8 - bits % 8) & 0xFFu : 0;
    return memcmp(a, b, bytes) == 0 && (mask == 0 || ((a[bytes] ^ b[bytes]) & mask) == 0);
}

static bool is_ipv4(const struct cidr *net)
{
    return net->bits >= 96 && memcmp(net->ip, ipv4_prefix, sizeof ipv4_prefix) == 0;
}

bool cidr_holds(const struct cidr *outer, const struct cidr *inner)
{
    return is_ipv4(outer) == is_ipv4(inner) && inner->bits >= outer->bits &&
           same_bits(outer->ip, inner->ip, outer->bits);
}

bool cidr_is_mapped(struct str text, const struct cidr *parsed)
{
    return str_find(text, ':') < text.n && memcmp(parsed->ip, ipv4_prefix, sizeof ipv4_prefix) == 0;
}

/* Takes "[v6]:" or "v4:" off the front. */
static bool take_host(struct str *text, struct port_range *out)
{
    struct str host = str_head(*text, str_rfind(*text, ':'));
    out->any_ip = host.n == text->n;
    if (out->any_ip)
        return true;
    *text = str_skip(*text, host.n + 1);
    bool ipv6 = str_find(host, ':') < host.n;
    if (ipv6) {
        if (host.p[0] != '[' || host.p[host.n - 1] != ']')
            return false;
        host = (struct str){host.p + 1, host.n - 2};
    }
    return ip_parse(host, out->ip);
}

/* Takes "/tcp" and the like off the end. */
static bool take_protocol(struct str *text, char *proto)
{
    static const char *const names[] = {"tcp", "udp", "sctp"};
    size_t slash = str_find(*text, '/');
    if (slash == text->n)
        return true;
    struct str name = str_skip(*text, slash + 1);
    *text = str_head(*text, slash);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(name, names[i]))
            *proto = names[i][0];
    return *proto != 0;
}

bool ports_parse(struct str text, struct port_range *out)
{
    *out = (struct port_range){0};
    if (!take_protocol(&text, &out->proto) || !take_host(&text, out))
        return false;
    size_t dash = str_find(text, '-');
    unsigned first;
    if (!read_number(str_head(text, dash), UINT16_MAX, &first))
        return false;
    unsigned last = first;
    if (dash < text.n && !read_number(str_skip(text, dash + 1), UINT16_MAX, &last))
        return false;
    out->first = (uint16_t)first;
    out->last = (uint16_t)last;
    return first <= last;
}

bool ip_is_any(const uint8_t ip[16])
{
    static const uint8_t any6[16] = {0};
    static const uint8_t any4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
    return memcmp(ip, any6, sizeof(any6)) == 0 || memcmp(ip, any4, sizeof(any4)) == 0;
}
