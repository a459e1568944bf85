/* Image references: one normal form, and what is no reference. */
#include "role.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#define HEX16  "0123456789abcdef"
#define HEX32  HEX16 HEX16
#define HEX64  HEX32 HEX32
#define SHA256 "sha256:" HEX64
#define A50    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// clang-format off
static const struct image_row {
    const char *text;
    const char *name; /* NULL: refused */
    const char *tag, *digest;
} image_rows[] = {
    {"nginx", "docker.io/library/nginx", "", ""},
    {"nginx:1.25", "docker.io/library/nginx", "1.25", ""},
    {"library/nginx", "docker.io/library/nginx", "", ""},
    {"docker.io/nginx", "docker.io/library/nginx", "", ""},
    {"docker.io/library/nginx:latest", "docker.io/library/nginx", "latest", ""},
    {"index.docker.io/nginx", "docker.io/library/nginx", "", ""},
    {"index.docker.io/library/nginx", "docker.io/library/nginx", "", ""},
    {"foo/bar", "docker.io/foo/bar", "", ""},
    {"foo/bar/baz", "docker.io/foo/bar/baz", "", ""},
    {"docker.io", "docker.io/library/docker.io", "", ""},
    {"localhost", "docker.io/library/localhost", "", ""},
    {"localhost:5000", "docker.io/library/localhost", "5000", ""},
    {"localhost/x", "localhost/x", "", ""},
    {"localhost:5000/x:y", "localhost:5000/x", "y", ""},
    {"quay.io/prometheus/node-exporter:v1.8.1", "quay.io/prometheus/node-exporter", "v1.8.1", ""},
    {"registry.example.com:5000/a/b", "registry.example.com:5000/a/b", "", ""},
    {"registry:5000/a", "registry:5000/a", "", ""},
    {"registry/a", "docker.io/registry/a", "", ""},
    {"127.0.0.1:5000/a", "127.0.0.1:5000/a", "", ""},
    {"[::1]/a", "[::1]/a", "", ""},
    {"[fd00::1]:5000/a:t", "[fd00::1]:5000/a", "t", ""},
    {"nginx@" SHA256, "docker.io/library/nginx", "", SHA256},
    {"nginx:1.25@" SHA256, "docker.io/library/nginx", "1.25", SHA256},
    {"quay.io/a/b:c@sha512:" HEX64 HEX64, "quay.io/a/b", "c", "sha512:" HEX64 HEX64},
    {"x@sha384:" HEX64 HEX32, "docker.io/library/x", "", "sha384:" HEX64 HEX32},
    {"a.b_c__d-e---f/g", "a.b_c__d-e---f/g", NULL, NULL}, /* the registry is not a host name */
    {"x/a.b_c__d-e---f", "docker.io/x/a.b_c__d-e---f", "", ""},
    {"x:_A.b-C", "docker.io/library/x", "_A.b-C", ""},
    {"deadbeef", "docker.io/library/deadbeef", "", ""},
    {"xn--n3h.com/x", "xn--n3h.com/x", "", ""},
    {"a.com/" A50 A50 A50 A50 A50 "/bb", NULL, NULL, NULL},
    {"a.com/" A50 A50 A50 A50 "/" A50 "/bbb"  , NULL, NULL, NULL},
    {"a.com/" A50 A50 A50 A50 "/b", "a.com/" A50 A50 A50 A50 "/b", "", ""},

    {"", NULL, NULL, NULL}, {" ", NULL, NULL, NULL}, {"nginx ", NULL, NULL, NULL}, {" nginx", NULL, NULL, NULL},
    {"Nginx", NULL, NULL, NULL}, {"foo/Bar", NULL, NULL, NULL}, {"Foo/bar", NULL, NULL, NULL},
    {"Quay.io/a", NULL, NULL, NULL}, {"DOCKER.IO/nginx", NULL, NULL, NULL}, {"docker.io/Nginx", NULL, NULL, NULL},
    {"/nginx", NULL, NULL, NULL}, {"nginx/", NULL, NULL, NULL}, {"a//b", NULL, NULL, NULL}, {"docker.io/", NULL, NULL, NULL},
    {"docker.io//nginx", NULL, NULL, NULL}, {"//", NULL, NULL, NULL}, {"quay.io/", NULL, NULL, NULL},
    {"nginx:", NULL, NULL, NULL}, {":tag", NULL, NULL, NULL}, {"nginx::a", NULL, NULL, NULL}, {"nginx:a:b", NULL, NULL, NULL},
    {"nginx:-a", NULL, NULL, NULL}, {"nginx:.a", NULL, NULL, NULL}, {"nginx:a b", NULL, NULL, NULL}, {"nginx:a+b", NULL, NULL, NULL},
    {"nginx:" HEX64 HEX64, "docker.io/library/nginx", HEX64 HEX64, ""}, {"nginx:" HEX64 HEX64 "a", NULL, NULL, NULL},
    {"nginx@", NULL, NULL, NULL}, {"nginx@latest", NULL, NULL, NULL}, {"nginx@sha256:abc", NULL, NULL, NULL},
    {"nginx@" SHA256 "0", NULL, NULL, NULL}, {"nginx@" SHA256 ":x", NULL, NULL, NULL}, {"nginx@" SHA256 "@" SHA256, NULL, NULL, NULL},
    {"nginx@SHA256:" HEX64, NULL, NULL, NULL}, {"nginx@sha256:" HEX32 "0123456789ABCDEF" HEX16, NULL, NULL, NULL},
    {"nginx@md5:" HEX32, NULL, NULL, NULL}, {"nginx@sha512:" HEX64, NULL, NULL, NULL}, {"@" SHA256, NULL, NULL, NULL},
    {"nginx@" SHA256 ":tag", NULL, NULL, NULL}, {"a@b/c", NULL, NULL, NULL},
    {HEX64, NULL, NULL, NULL}, {"sha256:" HEX64, NULL, NULL, NULL}, {"sha256:abcd", NULL, NULL, NULL},
    {"-a", NULL, NULL, NULL}, {"a-", NULL, NULL, NULL}, {"a..b", NULL, NULL, NULL}, {"a___b", NULL, NULL, NULL}, {"a._b", NULL, NULL, NULL},
    {"_a", NULL, NULL, NULL}, {".a", NULL, NULL, NULL}, {"a/.b", NULL, NULL, NULL}, {"../a", NULL, NULL, NULL}, {"a/../b", NULL, NULL, NULL},
    {"a.com./x", NULL, NULL, NULL}, {".com/x", NULL, NULL, NULL}, {"-a.com/x", NULL, NULL, NULL}, {"a-.com/x", NULL, NULL, NULL},
    {"a_b.com/x", NULL, NULL, NULL}, {"a.com:/x", NULL, NULL, NULL}, {"a.com:x/x", NULL, NULL, NULL}, {"a.com:99999/x", NULL, NULL, NULL},
    {"a.com:080/x", NULL, NULL, NULL}, {"a.com:1-2/x", NULL, NULL, NULL}, {"a.com:1:2/x", NULL, NULL, NULL},
    {"::1/x", NULL, NULL, NULL}, {"[]/x", NULL, NULL, NULL}, {"[::1/x", NULL, NULL, NULL}, {"[::g]/x", NULL, NULL, NULL},
    {"[1.2.3.4]/x", NULL, NULL, NULL}, {"[FD00::1]:5000/a", NULL, NULL, NULL}, {"http://a.com/x", NULL, NULL, NULL},
    {"nginx:1.2/foo", NULL, NULL, NULL}, {"ngin\xC3\xA9", NULL, NULL, NULL}, {"a.com/x?y", NULL, NULL, NULL}, {"user@a.com/x", NULL, NULL, NULL},
};

static const struct id_row {
    const char *text;
    bool id;
} id_rows[] = {
    {HEX64, true}, {SHA256, true}, {"a", true}, {"abc123", true}, {"ABC", true}, {"sha256:a", true}, {"", false},
    {"sha256:", false}, {HEX64 "0", false}, {SHA256 "0", false}, {"nginx", false}, {"sha512:ab", false}, {"abc:latest", false},
    {"a/b", false}, {"SHA256:ab", false}, {" ab", false},
};

static const struct address_row {
    const char *registry;
    bool by_address;
} address_rows[] = {
    {"docker.io", false}, {"quay.io", false}, {"registry.example.com", false}, {"1password.com", false}, {"a.1com", false},
    {"registry.example.com:5000", true}, {"registry:5000", true}, {"localhost", true}, {"localhost:5000", true},
    {"LOCALHOST", true}, {"a.localhost", true}, {"localhost.localdomain", true}, {"notlocalhost.com", false},
    {"10.0.0.1", true}, {"10.0.0.1:5000", true}, {"[::1]", true}, {"[::1]:5000", true}, {"127.1", true}, {"2130706433", true},
    {"0x7f.1", true}, {"1.0x7f", true}, {"a.0x7g", false}, {"1.2.3.4.example.com", false},
};
// clang-format on

static void check_image(const struct image_row *row)
{
    struct arena arena = {0};
    struct image_ref ref;
    bool wanted = row->tag != NULL;
    bool ok = image_parse(str_of(row->text), &arena, &ref);
    if (ok != wanted)
        fail_msg("\"%s\": wanted %d, got %d", row->text, wanted, ok);
    if (ok && (!str_is(ref.name, row->name) || !str_is(ref.tag, row->tag) ||
               !str_is(ref.digest, row->digest)))
        fail_msg("\"%s\": got %.*s:%.*s@%.*s", row->text, STR_ARG(ref.name), STR_ARG(ref.tag),
                 STR_ARG(ref.digest));
    if (ok && (ref.registry.n + 1 + ref.repository.n != ref.name.n ||
               !str_starts(ref.name, ref.registry) || !str_ends(ref.name, ref.repository)))
        fail_msg("\"%s\": parts %.*s and %.*s", row->text, STR_ARG(ref.registry),
                 STR_ARG(ref.repository));
    arena_free(&arena);
}

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(image_rows); i++)
        check_image(&image_rows[i]);
}

static void test_nul_byte(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct image_ref ref;
    assert_false(image_parse(STR("nginx\0"), &arena, &ref));
    assert_false(image_parse(STR("nginx:1\0x"), &arena, &ref));
    assert_false(image_parse((struct str){NULL, 0}, &arena, &ref));
    arena_free(&arena);
}

static void test_id(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(id_rows); i++)
        if (image_is_id(str_of(id_rows[i].text)) != id_rows[i].id)
            fail_msg("\"%s\": wanted %d", id_rows[i].text, id_rows[i].id);
}

static void test_by_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(address_rows); i++)
        if (image_registry_by_address(str_of(address_rows[i].registry)) !=
            address_rows[i].by_address)
            fail_msg("\"%s\": wanted %d", address_rows[i].registry, address_rows[i].by_address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_nul_byte),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_by_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
