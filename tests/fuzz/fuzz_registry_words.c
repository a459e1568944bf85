/* libFuzzer target for what registries, token servers and clients write: the first byte says what
   the rest is. What is taken from them stands in headers and URLs, where it must not begin another.
 */
#include "registry_http.h"
#include "registry_login.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_visible(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ' || text.p[i] > '~')
            abort();
}

static void expect_url(struct str text, struct arena *arena)
{
    struct registry_url url;
    expect_visible(text);
    if (text.n <= REGISTRY_URL_MAX && !registry_url_read(text, arena, &url))
        abort();
}

static void read_challenge(struct str input, struct arena *arena)
{
    static const struct registry_ask ask = {
        .host = {"r.example", 9}, .repository = {"a/b", 3}, .login = {.identity = {"x", 1}}};
    struct registry_challenge challenge;
    struct err err = {.set = false};
    if (!registry_challenge_read(input, arena, &challenge) ||
        challenge.scheme != REGISTRY_SCHEME_BEARER)
        return;
    struct str url = registry_token_url(&challenge, &ask, STR("t.example"), false, arena, &err);
    if (url.p) {
        struct registry_url read;
        expect_url(url, arena);
        if (registry_url_read(url, arena, &read) &&
            (read.plain || (!str_is(read.host, "r.example") && !str_is(read.host, "t.example"))))
            abort();
    }
    expect_visible(registry_refresh_body(&challenge, &ask, arena));
}

static void read_login(struct str input, struct arena *arena)
{
    struct registry_login login;
    if (!registry_login_of_header(input, arena, &login))
        return;
    expect_visible(registry_basic_header(&login, arena));
    if (login.token.n > 0 && !registry_bearer_header(login.token, arena).p && !arena->full)
        abort();
}

static void read_file(struct str input)
{
    struct err err = {.set = false};
    bool helpers;
    struct registry_logins *logins = registry_logins_parse(input, &helpers, &err);
    if (!logins != err.set)
        abort();
    registry_logins_free(logins);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.limit = 4 << 20};
    struct registry_token token;
    struct registry_url url;
    if (size == 0)
        return 0;
    struct str input = {(const char *)data + 1, size - 1};
    switch (data[0] % 5) {
    case 0:
        read_challenge(input, &arena);
        break;
    case 1:
        if (registry_token_read(input, &arena, &token))
            expect_visible(registry_bearer_header(token.text, &arena));
        break;
    case 2:
        if (registry_url_read(input, &arena, &url))
            expect_visible(url.host);
        break;
    case 3:
        read_login(input, &arena);
        break;
    default:
        read_file(input);
    }
    arena_free(&arena);
    return 0;
}
