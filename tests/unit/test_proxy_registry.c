/* What registries say, read from bytes: URLs, challenges, tokens, logins, addresses, packets. */
#include "registry_guard.h"
#include "registry_http.h"
#include "registry_login.h"
#include "trust_source.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEXT(text) (int)(text).n, (text).p

static void expect(const char *row, struct str got, const char *expected)
{
    if (!str_is(got, expected))
        fail_msg("%s: got \"%.*s\", expected \"%s\"", row, TEXT(got), expected);
}

/* ---- addresses ----------------------------------------------------------------------------- */

static void test_addresses(void **state)
{
    static const struct {
        const char *address;
        enum registry_reach reach;
    } rows[] = {
        {"1.1.1.1", REGISTRY_PUBLIC},
        {"127.0.0.1", REGISTRY_PRIVATE},
        {"127.255.0.1", REGISTRY_PRIVATE},
        {"128.0.0.1", REGISTRY_PUBLIC},
        {"10.1.2.3", REGISTRY_PRIVATE},
        {"11.1.2.3", REGISTRY_PUBLIC},
        {"172.15.0.1", REGISTRY_PUBLIC},
        {"172.16.0.1", REGISTRY_PRIVATE},
        {"172.31.255.255", REGISTRY_PRIVATE},
        {"172.32.0.1", REGISTRY_PUBLIC},
        {"192.168.1.1", REGISTRY_PRIVATE},
        {"192.169.1.1", REGISTRY_PUBLIC},
        {"100.64.0.1", REGISTRY_PRIVATE},
        {"100.63.0.1", REGISTRY_PUBLIC},
        {"100.100.100.200", REGISTRY_NEVER},
        {"169.254.169.254", REGISTRY_NEVER},
        {"169.254.0.1", REGISTRY_NEVER},
        {"168.63.129.16", REGISTRY_NEVER},
        {"192.0.0.192", REGISTRY_NEVER},
        {"0.0.0.0", REGISTRY_NEVER},
        {"0.1.2.3", REGISTRY_NEVER},
        {"224.0.0.1", REGISTRY_NEVER},
        {"240.0.0.1", REGISTRY_NEVER},
        {"255.255.255.255", REGISTRY_NEVER},
        {"198.18.0.1", REGISTRY_PRIVATE},
        {"203.0.113.1", REGISTRY_NEVER},
        {"2606:4700::1", REGISTRY_PUBLIC},
        {"::1", REGISTRY_PRIVATE},
        {"::", REGISTRY_NEVER},
        {"fe80::1", REGISTRY_NEVER},
        {"fc00::1", REGISTRY_PRIVATE},
        {"fd12::1", REGISTRY_PRIVATE},
        {"fd00:ec2::254", REGISTRY_NEVER},
        {"fd20:ce::254", REGISTRY_NEVER},
        {"ff02::1", REGISTRY_NEVER},
        {"fec0::1", REGISTRY_NEVER},
        {"::ffff:127.0.0.1", REGISTRY_PRIVATE},
        {"::ffff:1.1.1.1", REGISTRY_PUBLIC},
        {"::ffff:169.254.169.254", REGISTRY_NEVER},
        {"64:ff9b::a9fe:a9fe", REGISTRY_NEVER},
        {"64:ff9b::101:101", REGISTRY_PUBLIC},
        {"64:ff9b:1::101:101", REGISTRY_NEVER},
        {"2002:7f00:1::", REGISTRY_PRIVATE},
        {"2002:a9fe:a9fe::", REGISTRY_NEVER},
        {"2001::1", REGISTRY_NEVER},
        {"2001:db8::1", REGISTRY_NEVER},
        {"2001:4860::1", REGISTRY_PUBLIC},
        {"::127.0.0.1", REGISTRY_NEVER},
        {"4000::1", REGISTRY_NEVER},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } address = {.in = {.sin_family = AF_INET}};
        socklen_t length = sizeof(address.in);
        if (inet_pton(AF_INET, rows[i].address, &address.in.sin_addr) != 1) {
            address.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
            assert_int_equal(inet_pton(AF_INET6, rows[i].address, &address.in6.sin6_addr), 1);
            length = sizeof(address.in6);
        }
        if (registry_reach(&address.any, length) != rows[i].reach)
            fail_msg("%s: %d", rows[i].address, registry_reach(&address.any, length));
        assert_int_equal(registry_reach(&address.any, length - 1), REGISTRY_NEVER);
    }
    const struct sockaddr other = {.sa_family = AF_UNIX};
    assert_int_equal(registry_reach(&other, sizeof(other)), REGISTRY_NEVER);
}

/* ---- URLs ---------------------------------------------------------------------------------- */

static void test_urls(void **state)
{
    static const struct {
        const char *url, *host, *rest; /* host NULL: refused */
        bool plain;
    } rows[] = {
        {"https://a.example/v2/", "a.example", "/v2/", false},
        {"https://A.Example:443/x?y=z", "a.example", "/x?y=z", false},
        {"https://a:5000/", "a:5000", "/", false},
        {"https://a", "a", "/", false},
        {"http://a:80/", "a", "/", true},
        {"http://a:443/", "a:443", "/", true},
        {"https://[::1]:5000/", "[::1]:5000", "/", false},
        {"https://[::1]/", "[::1]", "/", false},
        {"ftp://a/", NULL, NULL, false},
        {"HTTPS://a/", NULL, NULL, false},
        {"//a/", NULL, NULL, false},
        {"https:///x", NULL, NULL, false},
        {"https://a@b/", NULL, NULL, false},
        {"https://a:b@c/", NULL, NULL, false},
        {"https://a:0/", NULL, NULL, false},
        {"https://a:65536/", NULL, NULL, false},
        {"https://a:/", NULL, NULL, false},
        {"https://a:-1/", NULL, NULL, false},
        {"https://a?x", NULL, NULL, false},
        {"https://a/#x", NULL, NULL, false},
        {"https://a\\b/", NULL, NULL, false},
        {"https://a/\\b", NULL, NULL, false},
        {"https://a/ b", NULL, NULL, false},
        {"https://a/\nb", NULL, NULL, false},
        {"https://a/\xc3\xa4", NULL, NULL, false},
        {"https://-a/", NULL, NULL, false},
        {"https://a%41/", NULL, NULL, false},
        {"https://[a]b/", NULL, NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct registry_url url;
        bool good = registry_url_read(str_of(rows[i].url), &arena, &url);
        if (good != (rows[i].host != NULL))
            fail_msg("%s: %d", rows[i].url, good);
        if (good) {
            expect(rows[i].url, url.host, rows[i].host);
            expect(rows[i].url, url.rest, rows[i].rest);
            assert_int_equal(url.plain, rows[i].plain);
        }
        arena_free(&arena);
    }
}

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_ask_urls(void **state)
{
    static const struct {
        const char *host, *repository, *reference;
        unsigned kind;
        const char *url; /* NULL: refused */
    } rows[] = {
        {"docker.io", "library/a", "1", TRUST_MANIFEST,
         "https://registry-1.docker.io/v2/library/a/manifests/1"},
        {"ghcr.io", "a/b-c_d.e", "v1.2-x_Y", TRUST_MANIFEST,
         "https://ghcr.io/v2/a/b-c_d.e/manifests/v1.2-x_Y"},
        {"r:5000", "a", DIGEST, TRUST_BLOB, "https://r:5000/v2/a/blobs/" DIGEST},
        {"r", "a", DIGEST, TRUST_REFERRERS, "https://r/v2/a/referrers/" DIGEST},
        {"r", "a", "1", TRUST_BLOB, NULL},
        {"r", "a", "1", TRUST_REFERRERS, NULL},
        {"r", "a", "sha256:e3", TRUST_MANIFEST, NULL},
        {"r", "a", "", TRUST_MANIFEST, NULL},
        {"r", "a", "a/b", TRUST_MANIFEST, NULL},
        {"r", "a", "..", TRUST_MANIFEST, NULL},
        {"r", "a", "a?b", TRUST_MANIFEST, NULL},
        {"r", "../a", "1", TRUST_MANIFEST, NULL},
        {"r", "a/../b", "1", TRUST_MANIFEST, NULL},
        {"r", "a/", "1", TRUST_MANIFEST, NULL},
        {"r", "/a", "1", TRUST_MANIFEST, NULL},
        {"r", "A", "1", TRUST_MANIFEST, NULL},
        {"r", "a%2e", "1", TRUST_MANIFEST, NULL},
        {"", "a", "1", TRUST_MANIFEST, NULL},
        {"r/x", "a", "1", TRUST_MANIFEST, NULL},
        {"u@r", "a", "1", TRUST_MANIFEST, NULL},
        {"R", "a", "1", TRUST_MANIFEST, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        const struct registry_ask ask = {.kind = rows[i].kind,
                                         .host = str_of(rows[i].host),
                                         .repository = str_of(rows[i].repository),
                                         .reference = str_of(rows[i].reference)};
        struct str url = registry_ask_url(&ask, false, &arena);
        if ((url.p != NULL) != (rows[i].url != NULL))
            fail_msg("row %zu: \"%.*s\"", i, TEXT(url));
        if (url.p)
            expect("url", url, rows[i].url);
        arena_free(&arena);
    }
    assert_true(registry_list_has(STR("a b:1  c"), STR("b:1")));
    assert_true(registry_list_has(STR("a b:1  c"), STR("C")));
    assert_false(registry_list_has(STR("a b:1 c"), STR("b")));
    assert_false(registry_list_has(STR("abc"), STR("")));
    assert_false(registry_list_has(STR(""), STR("a")));
}

/* ---- challenges and tokens ----------------------------------------------------------------- */

static void test_challenges(void **state)
{
    static const struct {
        const char *value;
        int scheme; /* -1: cannot be read */
        const char *realm, *service;
    } rows[] = {
        {"Basic realm=\"x\"", REGISTRY_SCHEME_BASIC, "", ""},
        {"basic", REGISTRY_SCHEME_BASIC, "", ""},
        {"Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a:pull\"",
         REGISTRY_SCHEME_BEARER, "https://a/t", "s"},
        {"bearer Realm = \"r\" , Service=s", REGISTRY_SCHEME_BEARER, "r", "s"},
        {"Bearer realm=\"a\\\"b\\\\c\"", REGISTRY_SCHEME_BEARER, "a\"b\\c", ""},
        {"Basic realm=\"x\", Bearer realm=\"y\"", REGISTRY_SCHEME_BEARER, "y", ""},
        {"Bearer realm=\"y\", Basic realm=\"x\"", REGISTRY_SCHEME_BEARER, "y", ""},
        {"Negotiate, Basic realm=\"x\"", REGISTRY_SCHEME_BASIC, "", ""},
        {"Negotiate", REGISTRY_SCHEME_NONE, "", ""},
        {"Digest realm=\"x\", nonce=\"a,b\"", REGISTRY_SCHEME_NONE, "", ""},
        {"Digest realm=\"x\", Bearer realm=\"y\", service=\"z\"", REGISTRY_SCHEME_BEARER, "y", "z"},
        {"", -1, "", ""},
        {" , ", -1, "", ""},
        {"Bearer", -1, "", ""},
        {"Bearer service=\"s\"", -1, "", ""},
        {"Bearer realm=\"\"", -1, "", ""},
        {"Bearer realm=\"a\",realm=\"b\"", -1, "", ""},
        {"Bearer realm=\"a\", Bearer realm=\"b\"", -1, "", ""},
        {"Bearer realm=\"a", -1, "", ""},
        {"Bearer realm=\"a\\", -1, "", ""},
        {"Bearer realm=", -1, "", ""},
        {"realm=\"a\"", -1, "", ""},
        {"Bearer realm=\"a\" ;", -1, "", ""},
        {"=\"a\"", -1, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct registry_challenge challenge;
        bool good = registry_challenge_read(str_of(rows[i].value), &arena, &challenge);
        if (good != (rows[i].scheme >= 0) || (good && (int)challenge.scheme != rows[i].scheme))
            fail_msg("%s: %d, scheme %d", rows[i].value, good, challenge.scheme);
        if (good) {
            expect(rows[i].value, challenge.realm, rows[i].realm);
            expect(rows[i].value, challenge.service, rows[i].service);
        }
        arena_free(&arena);
    }
}

static void test_realms(void **state)
{
    static const struct {
        const char *host, *realm, *service;
        bool plain;
        const char *url; /* NULL: refused */
    } rows[] = {
        {"r.example", "https://r.example/t", "s p", false,
         "https://r.example/t?service=s%20p&scope=repository:a/b:pull"},
        {"r.example", "https://r.example/t?x=1", "", false,
         "https://r.example/t?x=1&scope=repository:a/b:pull"},
        {"r.example:443", "https://r.example/t", "", false,
         "https://r.example/t?scope=repository:a/b:pull"},
        {"r.example", "https://r.example:443/t", "", false,
         "https://r.example:443/t?scope=repository:a/b:pull"},
        {"r.example", "https://r.example", "s", false,
         "https://r.example/?service=s&scope=repository:a/b:pull"},
        {"docker.io", "https://auth.docker.io/token", "registry.docker.io", false,
         "https://auth.docker.io/token?service=registry.docker.io&scope=repository:a/b:pull"},
        {"docker.io", "https://docker.io/token", "", false, NULL},
        {"ghcr.io", "https://auth.docker.io/token", "", false, NULL},
        {"r.example", "https://known.example/t", "", false,
         "https://known.example/t?scope=repository:a/b:pull"},
        {"r.example", "http://known.example/t", "", true, NULL},
        {"r.example", "https://r.example:444/t", "", false, NULL},
        {"r.example", "https://x.r.example/t", "", false, NULL},
        {"r.example", "https://r.example.evil/t", "", false, NULL},
        {"r.example", "https://r.example@evil/t", "", false, NULL},
        {"r.example", "http://r.example/t", "", false, NULL},
        {"r.example", "/t", "", false, NULL},
        {"r:5000", "http://r:5000/t", "", true, "http://r:5000/t?scope=repository:a/b:pull"},
        {"r:80", "http://r/t", "", true, "http://r/t?scope=repository:a/b:pull"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct err err = {.set = false};
        const struct registry_ask ask = {.host = str_of(rows[i].host), .repository = STR("a/b")};
        const struct registry_challenge challenge = {.scheme = REGISTRY_SCHEME_BEARER,
                                                     .realm = str_of(rows[i].realm),
                                                     .service = str_of(rows[i].service)};
        struct str url = registry_token_url(&challenge, &ask, STR("x known.example"), rows[i].plain,
                                            &arena, &err);
        if ((url.p != NULL) != (rows[i].url != NULL) || err.set != (rows[i].url == NULL))
            fail_msg("%s: \"%.*s\" %s", rows[i].realm, TEXT(url), err.text);
        if (url.p)
            expect(rows[i].realm, url, rows[i].url);
        arena_free(&arena);
    }
}

static void test_tokens(void **state)
{
    static const struct {
        const char *answer, *token; /* NULL: none */
        unsigned seconds;
    } rows[] = {
        {"{\"token\":\"a.b-c_d~e+f/g==\"}", "a.b-c_d~e+f/g==", 60},
        {"{\"access_token\":\"a\",\"expires_in\":100}", "a", 100},
        {"{\"token\":\"a\",\"access_token\":\"b\",\"expires_in\":1e9}", "a", 60},
        {"{\"token\":\"\",\"access_token\":\"b\",\"expires_in\":86400}", "b", 300},
        {"{\"token\":\"a\",\"expires_in\":-5}", "a", 0},
        {"{\"token\":\"a\",\"expires_in\":\"7\"}", "a", 60},
        {"{\"token\":\"a b\"}", NULL, 0},
        {"{\"token\":\"a\\r\\nX: y\"}", NULL, 0},
        {"{\"token\":\"\xc3\xa4\"}", NULL, 0},
        {"{\"token\":1}", NULL, 0},
        {"{\"token\":\"a\",\"Token\":\"b\"}", NULL, 0},
        {"{}", NULL, 0},
        {"[]", NULL, 0},
        {"", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct registry_token token;
        bool good = registry_token_read(str_of(rows[i].answer), &arena, &token);
        if (good != (rows[i].token != NULL))
            fail_msg("%s: %d", rows[i].answer, good);
        if (good) {
            expect(rows[i].answer, token.text, rows[i].token);
            assert_int_equal(token.seconds, rows[i].seconds);
            assert_non_null(registry_bearer_header(token.text, &arena).p);
        }
        arena_free(&arena);
    }
}

static void test_headers(void **state)
{
    struct arena arena = {0};
    const struct registry_login login = {.user = STR("Aladdin"), .password = STR("open sesame")};
    (void)state;
    /* RFC 7617, 2 */
    expect("basic", registry_basic_header(&login, &arena),
           "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    expect("bearer", registry_bearer_header(STR("a.b"), &arena), "Authorization: Bearer a.b");
    assert_null(registry_bearer_header(STR("a\nb"), &arena).p);
    assert_null(registry_bearer_header(STR(""), &arena).p);
    const struct registry_challenge challenge = {.service = STR("a&\0")};
    const struct registry_ask ask = {.repository = STR("a/b"), .login = {.identity = STR("x=y+z")}};
    expect("body", registry_refresh_body(&challenge, &ask, &arena),
           "grant_type=refresh_token&client_id=sockwarden&service=a%26%00&scope=repository%3Aa%2Fb"
           "%3Apull&refresh_token=x%3Dy%2Bz");
    arena_free(&arena);
}

/* ---- logins -------------------------------------------------------------------------------- */

static void test_login_headers(void **state)
{
    static const struct {
        const char *header;
        bool good;
        const char *user, *password, *identity, *token;
    } rows[] = {
        {"", true, "", "", "", ""},
        {"e30=", true, "", "", "", ""}, /* {} */
        {"e30", true, "", "", "", ""},
        {"bnVsbA==", true, "", "", "", ""}, /* null */
        /* {"username":"u","password":"p:q"} */
        {"eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InA6cSJ9", true, "u", "p:q", "", ""},
        /* {"auth":"dTpwOnE="} */
        {"eyJhdXRoIjoiZFRwd09uRT0ifQ==", true, "u", "p:q", "", ""},
        /* {"identitytoken":"i"} */
        {"eyJpZGVudGl0eXRva2VuIjoiaSJ9", true, "", "", "i", ""},
        /* {"registrytoken":"t"} */
        {"eyJyZWdpc3RyeXRva2VuIjoidCJ9", true, "", "", "", "t"},
        /* {"registrytoken":"t\nX: y"} */
        {"eyJyZWdpc3RyeXRva2VuIjoidFxuWDogeSJ9", false, "", "", "", ""},
        /* {"username":"u:v","password":"p"} */
        {"eyJ1c2VybmFtZSI6InU6diIsInBhc3N3b3JkIjoicCJ9", false, "", "", "", ""},
        /* {"auth":"dQ=="} */
        {"eyJhdXRoIjoiZFE9PSJ9", false, "", "", "", ""},
        {"W10=", false, "", "", "", ""}, /* [] */
        {"!!!", false, "", "", "", ""},
        {"e30===", false, "", "", "", ""},
        {"e3", false, "", "", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct registry_login login;
        if (registry_login_of_header(str_of(rows[i].header), &arena, &login) != rows[i].good)
            fail_msg("%s: not %d", rows[i].header, rows[i].good);
        if (rows[i].good) {
            expect(rows[i].header, login.user, rows[i].user);
            expect(rows[i].header, login.password, rows[i].password);
            expect(rows[i].header, login.identity, rows[i].identity);
            expect(rows[i].header, login.token, rows[i].token);
        }
        arena_free(&arena);
    }
    char *large = calloc(1, REGISTRY_LOGIN_HEADER_MAX + 2);
    struct arena arena = {0};
    struct registry_login login;
    memset(large, 'e', REGISTRY_LOGIN_HEADER_MAX + 1);
    assert_false(registry_login_of_header(str_of(large), &arena, &login));
    arena_free(&arena);
    free(large);
}

static void test_login_files(void **state)
{
    static const char text[] =
        "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dTpw\"},"
        "\"r.example:5000\":{\"username\":\"a\",\"password\":\"b\"},"
        "\"https://q.example/v2/\":{\"identitytoken\":\"i\"},\"empty.example\":{}},"
        "\"credsStore\":\"x\",\"HttpHeaders\":{}}";
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"auths\":[]}",
        "{\"auths\":{\"a\":1}}",
        "{\"auths\":{\"a\":{\"auth\":\"%%\"}}}",
        "{\"auths\":{\"a\":{\"auth\":\"dQ==\"}}}",
        "{\"auths\":{\"a\":{}},\"Auths\":{}}",
        "{\"auths\":{\"a\":{},\"a\":{}}}",
    };
    struct err err = {.set = false};
    bool helpers = false;
    (void)state;
    struct registry_logins *logins = registry_logins_parse(str_of(text), &helpers, &err);
    assert_non_null(logins);
    assert_true(helpers);
    expect("docker.io", registry_logins_find(logins, STR("docker.io"))->password, "p");
    expect("port", registry_logins_find(logins, STR("r.example:5000"))->user, "a");
    expect("url", registry_logins_find(logins, STR("q.example"))->identity, "i");
    assert_null(registry_logins_find(logins, STR("r.example")));
    assert_null(registry_logins_find(logins, STR("empty.example")));
    assert_null(registry_logins_find(NULL, STR("r.example")));
    registry_logins_free(logins);
    registry_logins_free(NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err why = {.set = false};
        if (registry_logins_parse(str_of(bad[i]), &helpers, &why) || !why.set)
            fail_msg("%s is read", bad[i]);
    }
}

/* ---- packets ------------------------------------------------------------------------------- */

static char packet[REGISTRY_PACKET_MAX + 1];

/* No packet is read where a byte is missing or too many, or as another one. */
static void expect_strict(size_t n)
{
    assert_true(n > 0 && n < REGISTRY_PACKET_MAX);
    packet[n] = 0;
    for (size_t length = 0; length <= n + 1; length++) {
        struct str cut = {packet, length};
        struct registry_setup setup;
        struct registry_ask ask;
        struct registry_head head;
        struct registry_data data;
        struct str error;
        uint64_t id;
        uint32_t status;
        int read = registry_read_setup(cut, &setup) + registry_read_ready(cut, &error) +
                   registry_read_ask(cut, &ask) + registry_read_cancel(cut, &id) +
                   registry_read_head(cut, &head) + registry_read_data(cut, &data) +
                   registry_read_gone(cut, &status);
        if (read != (length == n))
            fail_msg("packet %u of %zu bytes: %d readings of %zu", registry_packet_kind(cut), n,
                     read, length);
    }
}

static void test_packets(void **state)
{
    const struct registry_setup setup = {
        .lines = 2, .uid = 1, .gid = 2, .sandbox = true, .seconds = 5, .ca = STR("/ca")};
    const struct registry_ask ask = {.id = UINT64_MAX,
                                     .kind = TRUST_REFERRERS,
                                     .max = REGISTRY_BODY_MAX,
                                     .host = STR("h"),
                                     .repository = STR("r"),
                                     .reference = STR("t"),
                                     .login = {.user = STR("u"), .token = STR("t")}};
    const struct registry_head head = {
        .id = 7, .outcome = TRUST_GOT, .size = 9, .media_type = STR("m"), .digest = STR("d")};
    const struct registry_data data = {.id = 7, .bytes = STR("bytes")};
    struct registry_setup setup_read;
    struct registry_ask ask_read;
    (void)state;
    expect_strict(registry_write_setup(&setup, packet));
    expect_strict(registry_write_ready(STR("no"), packet));
    expect_strict(registry_write_ask(&ask, packet));
    expect_strict(registry_write_cancel(5, packet));
    expect_strict(registry_write_head(&head, packet));
    expect_strict(registry_write_data(&data, packet));
    expect_strict(registry_write_gone(9, packet));
    size_t n = registry_write_ask(&ask, packet);
    assert_true(registry_read_ask((struct str){packet, n}, &ask_read));
    assert_true(ask_read.id == UINT64_MAX && ask_read.max == REGISTRY_BODY_MAX);
    expect("token", ask_read.login.token, "t");
    n = registry_write_setup(&setup, packet);
    assert_true(registry_read_setup((struct str){packet, n}, &setup_read));
    assert_true(setup_read.sandbox && !setup_read.switches && setup_read.seconds == 5);
    packet[13] = 2; /* a switch that is neither */
    assert_false(registry_read_setup((struct str){packet, n}, &setup_read));
}

static void test_packet_bounds(void **state)
{
    static char large[REGISTRY_PACKET_MAX];
    struct registry_head head = {.id = 1, .outcome = TRUST_ERROR, .error = STR("e")}, read;
    struct registry_data data = {.id = 1, .bytes = {large, REGISTRY_DATA_MAX + 1}};
    struct registry_ask ask = {.host = STR("h"), .repository = STR("r"), .reference = STR("t")};
    (void)state;
    assert_int_equal(registry_write_data(&data, packet), 0);
    data.bytes.n--;
    assert_true(registry_write_data(&data, packet) > 0);
    ask.login.user = (struct str){large, REGISTRY_LOGIN_MAX};
    ask.login.password = ask.login.identity = ask.login.user;
    assert_true(registry_write_ask(&ask, packet) > 0);
    ask.login.token = ask.login.user; /* four of them are more than a packet */
    assert_int_equal(registry_write_ask(&ask, packet), 0);
    static const struct {
        unsigned outcome;
        uint32_t size;
        struct str type, error;
        bool good;
    } rows[] = {
        {TRUST_ERROR, 0, {"", 0}, {"e", 1}, true},
        {TRUST_ERROR, 1, {"", 0}, {"e", 1}, false},
        {TRUST_ERROR, 0, {"t", 1}, {"e", 1}, false},
        {TRUST_ERROR, 0, {"", 0}, {"", 0}, false},
        {TRUST_ABSENT, 0, {"", 0}, {"", 0}, true},
        {TRUST_ABSENT, 0, {"", 0}, {"e", 1}, false},
        {TRUST_GOT, 5, {"t", 1}, {"", 0}, true},
        {TRUST_GOT, 5, {"t", 1}, {"e", 1}, false},
        {TRUST_GOT, REGISTRY_BODY_MAX, {"", 0}, {"", 0}, true},
        {TRUST_GOT, REGISTRY_BODY_MAX + 1, {"", 0}, {"", 0}, false},
        {TRUST_DEAD + 1, 0, {"", 0}, {"e", 1}, false},
        {255, 0, {"", 0}, {"e", 1}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        head.outcome = rows[i].outcome;
        head.size = rows[i].size;
        head.media_type = rows[i].type;
        head.error = rows[i].error;
        size_t n = registry_write_head(&head, packet);
        if (registry_read_head((struct str){packet, n}, &read) != rows[i].good)
            fail_msg("head %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),     cmocka_unit_test(test_urls),
        cmocka_unit_test(test_ask_urls),      cmocka_unit_test(test_challenges),
        cmocka_unit_test(test_realms),        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_headers),       cmocka_unit_test(test_login_headers),
        cmocka_unit_test(test_login_files),   cmocka_unit_test(test_packets),
        cmocka_unit_test(test_packet_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
