/* Addresses, networks and ports. */
#include "role.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

// clang-format off
static const char *const ip_rows[] = {
    "0.0.0.0", "10.0.0.1", "255.255.255.255", "1.2.3.4", "::", "::1", "fd00::1", "FD00::A", "1:2:3:4:5:6:7:8",
    "1::", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::ffff:10.0.0.1", "1:2:3:4:5:6:1.2.3.4", "64:ff9b::1.2.3.4",
    "::1.2.3.4", "0:0:0:0:0:0:0:0", "00ff::00ff",
    "", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.1.1.1", "01.2.3.4", "1.2.3.00", "1.2.3.4 ",
    " 1.2.3.4", "0x1.2.3.4", "1.2.3.a", "-1.2.3.4", "+1.2.3.4", "1.2.3.99999", ":", ":::", "1:2", ":1", "1:", "1::2::3",
    "::1::", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::", "fe80::1%eth0",
    "1.2.3.4::", "::1.2.3.4:5", "::1.2.3", "::01.2.3.4", "[::1]", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3::4:5:6:1.2.3.4:7",
};

static const struct cidr_row {
    const char *text;
    int bits; /* of 128; -1: refused */
} cidr_rows[] = {
    {"10.0.0.0/8", 104}, {"10.1.2.3", 128}, {"0.0.0.0/0", 96}, {"1.2.3.4/32", 128}, {"10.0.0.1/8", 104},
    {"fd00::/8", 8}, {"::/0", 0}, {"::1/128", 128}, {"::1", 128},
    {"10.0.0.0/33", -1}, {"10.0.0.0/", -1}, {"10.0.0.0/08", -1}, {"10.0.0.0/-1", -1}, {"10.0.0.0/8/8", -1},
    {"fd00::/129", -1}, {"/8", -1}, {"", -1}, {"10.0.0/8", -1}, {"10.0.0.0/a", -1}, {"10.0.0.0/255.0.0.0", -1},
    {"10.0.0.0 /8", -1}, {"10.0.0.0/99999999999", -1},
};

static const struct holds_row {
    const char *outer, *inner;
    bool holds;
} holds_rows[] = {
    {"10.0.0.0/8", "10.1.0.0/16", true}, {"10.0.0.0/8", "10.0.0.0/8", true}, {"10.0.0.0/8", "10.255.255.255", true},
    {"10.0.0.0/8", "11.0.0.0", false}, {"10.0.0.0/8", "10.0.0.0/7", false}, {"10.0.0.0/8", "0.0.0.0/0", false},
    {"10.0.0.9/8", "10.1.1.1", true}, {"0.0.0.0/0", "1.2.3.4", true}, {"172.16.0.0/12", "172.31.255.0/24", true},
    {"172.16.0.0/12", "172.32.0.0/24", false}, {"192.168.1.128/25", "192.168.1.127", false},
    {"192.168.1.128/25", "192.168.1.129", true}, {"1.2.3.4", "1.2.3.4", true}, {"1.2.3.4", "1.2.3.5", false},
    {"fd00::/8", "fd12:3456::/32", true}, {"fd00::/8", "fe00::1", false}, {"::/0", "fd00::1", true},
    {"::/0", "10.0.0.1", false}, {"0.0.0.0/0", "::1", false}, {"10.0.0.0/8", "::ffff:10.1.1.1", true},
    {"::/0", "::ffff:10.1.1.1", false}, {"::/95", "10.0.0.0/8", false}, {"::ffff:0:0/96", "10.0.0.0/8", true},
    {"2001:db8::/33", "2001:db8:8000::1", false}, {"2001:db8::/33", "2001:db8:7fff::1", true},
};

static const struct ports_row {
    const char *text;
    bool ok, any_ip;
    const char *ip;
    unsigned first, last;
    char proto;
} ports_rows[] = {
    {"80", true, true, "", 80, 80, 0},
    {"1024-65535", true, true, "", 1024, 65535, 0},
    {"0", true, true, "", 0, 0, 0},
    {"8080/tcp", true, true, "", 8080, 8080, 't'},
    {"8080-8090/udp", true, true, "", 8080, 8090, 'u'},
    {"1/sctp", true, true, "", 1, 1, 's'},
    {"127.0.0.1:80", true, false, "127.0.0.1", 80, 80, 0},
    {"127.0.0.1:80-90/tcp", true, false, "127.0.0.1", 80, 90, 't'},
    {"0.0.0.0:80", true, false, "0.0.0.0", 80, 80, 0},
    {"[::1]:80", true, false, "::1", 80, 80, 0},
    {"[fd00::1]:1-2/udp", true, false, "fd00::1", 1, 2, 'u'},
    {.text = ""}, {.text = "65536"}, {.text = "99999"}, {.text = "100000"}, {.text = "080"}, {.text = "-1"},
    {.text = "1-"}, {.text = "-"}, {.text = "2-1"}, {.text = "1-2-3"}, {.text = "80/"}, {.text = "80/TCP"},
    {.text = "80/icmp"}, {.text = "80/tcp/udp"}, {.text = " 80"}, {.text = "80 "}, {.text = "+80"}, {.text = ":80"},
    {.text = "1.2.3.4:"}, {.text = "1.2.3:80"}, {.text = "localhost:80"}, {.text = "::1:80"}, {.text = "::80"},
    {.text = "[::1]"}, {.text = "[::1]80"}, {.text = "[::1:80"}, {.text = "::1]:80"}, {.text = "[]:80"},
    {.text = "[127.0.0.1]:80"}, {.text = "[:80"}, {.text = "[::1]:80:90"}, {.text = "0x50"}, {.text = "http"},
    {.text = "/tcp"}, {.text = "1.2.3.4:80:81"},
};
// clang-format on

/* The system's own reader is the second opinion. */
static bool system_ip(const char *text, uint8_t ip[16])
{
    if (strchr(text, ':'))
        return inet_pton(AF_INET6, text, ip) == 1;
    char mapped[64];
    uint8_t v4[4];
    snprintf(mapped, sizeof mapped, "::ffff:%s", text);
    return inet_pton(AF_INET, text, v4) == 1 && inet_pton(AF_INET6, mapped, ip) == 1;
}

static void test_ip(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ip_rows); i++) {
        uint8_t ours[16] = {0};
        uint8_t theirs[16] = {0};
        bool ok = system_ip(ip_rows[i], theirs);
        if (ip_parse(str_of(ip_rows[i]), ours) != ok || ok != (i < 18))
            fail_msg("\"%s\": wanted %d", ip_rows[i], ok);
        if (ok && memcmp(ours, theirs, 16) != 0)
            fail_msg("\"%s\": other bytes", ip_rows[i]);
    }
}

static void test_cidr(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cidr_rows); i++) {
        struct cidr net;
        bool ok = cidr_parse(str_of(cidr_rows[i].text), &net);
        if (ok != (cidr_rows[i].bits >= 0) || (ok && net.bits != cidr_rows[i].bits))
            fail_msg("\"%s\": wanted %d, got %d", cidr_rows[i].text, cidr_rows[i].bits,
                     ok ? net.bits : -1);
    }
}

static void test_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(holds_rows); i++) {
        struct cidr outer;
        struct cidr inner;
        assert_true(cidr_parse(str_of(holds_rows[i].outer), &outer));
        assert_true(cidr_parse(str_of(holds_rows[i].inner), &inner));
        if (cidr_holds(&outer, &inner) != holds_rows[i].holds)
            fail_msg("%s holds %s: wanted %d", holds_rows[i].outer, holds_rows[i].inner,
                     holds_rows[i].holds);
    }
}

static void test_ports(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ports_rows); i++) {
        const struct ports_row *row = &ports_rows[i];
        struct port_range range;
        uint8_t ip[16] = {0};
        bool ok = ports_parse(str_of(row->text), &range);
        if (ok != row->ok)
            fail_msg("\"%s\": wanted %d", row->text, row->ok);
        if (!ok)
            continue;
        assert_true(row->any_ip || ip_parse(str_of(row->ip), ip));
        if (range.any_ip != row->any_ip || range.first != row->first || range.last != row->last ||
            range.proto != row->proto || memcmp(ip, range.ip, 16) != 0)
            fail_msg("\"%s\": other values", row->text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ip),
        cmocka_unit_test(test_cidr),
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
