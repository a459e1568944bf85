/* Bytes of registries and token servers; see registry_http.h.
   https://github.com/opencontainers/distribution-spec/blob/main/spec.md,
   https://distribution.github.io/distribution/spec/auth/token/ and /oauth/. */
#include "registry_http.h"

#include "image.h"
#include "sign_encoding.h"
#include "trust_source.h"

#include <openssl/evp.h>

/* ---- URLs ---------------------------------------------------------------------------------- */

static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    return true;
}

static bool is_host_char(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-';
}

/* A name or an address; IPv6 in brackets, by its characters only: whoever connects reads it. */
static bool name_valid(struct str name)
{
    bool bracketed = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    size_t from = bracketed ? 1 : 0, to = bracketed ? name.n - 1 : name.n;
    if (name.n == 0 || (!bracketed && (name.p[0] == '.' || name.p[0] == '-')))
        return false;
    for (size_t i = from; i < to; i++)
        if (bracketed ? !ascii_hex(name.p[i]) && name.p[i] != ':' && name.p[i] != '.'
                      : !is_host_char(name.p[i]))
            return false;
    return true;
}

static bool port_valid(struct str port)
{
    int64_t number = 0;
    return port.n > 0 && port.n <= 5 && str_to_int(port, &number) && number >= 1 && number <= 65535;
}

static bool read_authority(struct str authority, bool plain, struct arena *arena, struct str *host)
{
    struct str name = authority, port = {NULL, 0};
    size_t colon = str_rfind(authority, ':');
    if (colon < authority.n && authority.p[authority.n - 1] != ']') {
        name = str_head(authority, colon);
        port = str_skip(authority, colon + 1);
        if (!port_valid(port))
            return false;
    }
    if (!name_valid(name) || authority.n > REGISTRY_HOST_MAX)
        return false;
    bool usual = port.n == 0 || str_is(port, plain ? "80" : "443");
    struct str kept = arena_copy(arena, usual ? name : authority);
    for (size_t i = 0; kept.p && i < kept.n; i++)
        ((char *)(uintptr_t)kept.p)[i] = ascii_lower(kept.p[i]);
    *host = kept;
    return kept.p != NULL;
}

bool registry_url_read(struct str url, struct arena *arena, struct registry_url *out)
{
    *out = (struct registry_url){.plain = str_starts(url, STR("http://"))};
    if (url.n > REGISTRY_URL_MAX || !is_visible(url) ||
        (!out->plain && !str_starts(url, STR("https://"))))
        return false;
    struct str rest = str_skip(url, out->plain ? 7 : 8);
    size_t slash = str_find(rest, '/');
    out->rest = str_skip(rest, slash);
    if (out->rest.n == 0)
        out->rest = STR("/");
    /* A backslash is a slash to some who read URLs, and a "#" never reaches a server. */
    return str_find(url, '#') == url.n && str_find(url, '\\') == url.n &&
           read_authority(str_head(rest, slash), out->plain, arena, &out->host);
}

struct str registry_endpoint(struct str host)
{
    return str_is(host, "docker.io") ? STR("registry-1.docker.io") : host;
}

/* Lower case, digits and separators, as distribution/reference has it; no part is empty or dots
   alone, so that no URL is shortened on its way. */
static bool repository_valid(struct str repository)
{
    bool begins = true;
    for (size_t i = 0; i < repository.n; i++) {
        char c = repository.p[i];
        bool word = (c >= 'a' && c <= 'z') || ascii_digit(c);
        if (!word && (begins || (c != '.' && c != '_' && c != '-' && c != '/')))
            return false;
        begins = c == '/';
    }
    return repository.n > 0 && repository.n <= REGISTRY_NAME_MAX && !begins;
}

static bool tag_valid(struct str tag)
{
    for (size_t i = 0; i < tag.n; i++) {
        char c = tag.p[i];
        if (!ascii_alpha(c) && !ascii_digit(c) && c != '_' && (i == 0 || (c != '.' && c != '-')))
            return false;
    }
    return tag.n > 0 && tag.n <= 128;
}

static const char *kind_path(unsigned kind)
{
    return kind == TRUST_MANIFEST ? "/manifests/" : kind == TRUST_BLOB ? "/blobs/" : "/referrers/";
}

struct str registry_ask_url(const struct registry_ask *ask, bool plain, struct arena *arena)
{
    bool digest = sign_digest_valid(ask->reference);
    if (!image_registry_valid(ask->host) || !repository_valid(ask->repository) ||
        (!digest && (ask->kind != TRUST_MANIFEST || !tag_valid(ask->reference))))
        return (struct str){NULL, 0};
    const struct str parts[] = {plain ? STR("http://") : STR("https://"),
                                registry_endpoint(ask->host),
                                STR("/v2/"),
                                ask->repository,
                                str_of(kind_path(ask->kind)),
                                ask->reference};
    return arena_join(arena, parts, ARRAY_LEN(parts));
}

bool registry_list_has(struct str list, struct str host)
{
    while (list.n > 0) {
        size_t blank = str_find(list, ' ');
        if (blank > 0 && str_ieq(str_head(list, blank), host))
            return true;
        list = str_skip(list, blank + 1);
    }
    return false;
}

/* ---- WWW-Authenticate ---------------------------------------------------------------------- */

static bool is_token_char(char c)
{
    return c > ' ' && c <= '~' && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static struct str take_word(struct str *rest)
{
    size_t n = 0;
    while (n < rest->n && is_token_char(rest->p[n]))
        n++;
    struct str word = str_head(*rest, n);
    *rest = str_skip(*rest, n);
    return word;
}

static void skip_blanks(struct str *rest)
{
    while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = str_skip(*rest, 1);
}

static bool take_quoted(struct str *rest, struct arena *arena, struct str *out)
{
    char *text = arena_alloc(arena, rest->n + 1, 1);
    size_t n = 0, i = 1;
    for (; text && i < rest->n && rest->p[i] != '"'; i++) {
        i += rest->p[i] == '\\';
        if (i < rest->n)
            text[n++] = rest->p[i];
    }
    if (!text || i >= rest->n)
        return false;
    *rest = str_skip(*rest, i + 1);
    *out = (struct str){text, n};
    return true;
}

static bool take_value(struct str *rest, struct arena *arena, struct str *out)
{
    skip_blanks(rest);
    if (rest->n > 0 && rest->p[0] == '"')
        return take_quoted(rest, arena, out);
    *out = take_word(rest);
    return out->n > 0;
}

struct param {
    struct str name, value;
};

/* A word is a scheme, or with "=" behind it a parameter of the scheme before it. */
static bool take_item(struct str *rest, struct arena *arena, struct param *out, bool *is_param)
{
    out->name = take_word(rest);
    if (out->name.n == 0)
        return false;
    struct str behind = *rest;
    skip_blanks(&behind);
    *is_param = behind.n > 0 && behind.p[0] == '=';
    if (!*is_param)
        return true;
    *rest = str_skip(behind, 1);
    return take_value(rest, arena, &out->value);
}

static bool keep_param(const struct param *param, struct str *realm, struct str *service)
{
    struct str *slot = str_ieq(param->name, STR("realm"))     ? realm
                       : str_ieq(param->name, STR("service")) ? service
                                                              : NULL;
    if (slot && slot->p)
        return false; /* twice: whose word counts? */
    if (slot)
        *slot = param->value;
    return true;
}

static enum registry_scheme scheme_of(struct str name)
{
    return str_ieq(name, STR("Bearer"))  ? REGISTRY_SCHEME_BEARER
           : str_ieq(name, STR("Basic")) ? REGISTRY_SCHEME_BASIC
                                         : REGISTRY_SCHEME_NONE;
}

bool registry_challenge_read(struct str value, struct arena *arena, struct registry_challenge *out)
{
    enum registry_scheme scheme = REGISTRY_SCHEME_NONE;
    bool any = false;
    struct str ignored_realm = {NULL, 0}, ignored_service = {NULL, 0};
    *out = (struct registry_challenge){.scheme = REGISTRY_SCHEME_NONE};
    if (value.n > REGISTRY_CHALLENGE_MAX)
        return false;
    for (;;) {
        struct param param = {{NULL, 0}, {NULL, 0}};
        bool is_param = false;
        while (value.n > 0 && strchr(" \t,", value.p[0]) && value.p[0])
            value = str_skip(value, 1);
        if (value.n == 0)
            break;
        if (!take_item(&value, arena, &param, &is_param) || (is_param && !any))
            return false;
        bool bearer = scheme == REGISTRY_SCHEME_BEARER;
        if (is_param && !keep_param(&param, bearer ? &out->realm : &ignored_realm,
                                    bearer ? &out->service : &ignored_service))
            return false;
        if (is_param)
            continue;
        any = true;
        scheme = scheme_of(param.name);
        ignored_realm = ignored_service = (struct str){NULL, 0};
        if (scheme == REGISTRY_SCHEME_BEARER && out->scheme == REGISTRY_SCHEME_BEARER)
            return false;
        if (scheme > out->scheme)
            out->scheme = scheme;
    }
    return any && (out->scheme != REGISTRY_SCHEME_BEARER || out->realm.n > 0);
}

/* ---- tokens -------------------------------------------------------------------------------- */

/* Token servers that have another name than their registry, and belong to whoever runs it. */
static const struct {
    const char *registry, *server;
} token_servers[] = {
    {"docker.io", "auth.docker.io"},
    {"registry.gitlab.com", "gitlab.com"},
};

/* As registry_url_read() gives hosts: without the scheme's usual port. */
static struct str without_port(struct str host, bool plain)
{
    struct str usual = plain ? STR(":80") : STR(":443");
    return str_ends(host, usual) ? str_head(host, host.n - usual.n) : host;
}

static bool realm_allowed(const struct registry_url *realm, const struct registry_ask *ask,
                          struct str token_hosts, bool plain)
{
    for (size_t i = 0; i < ARRAY_LEN(token_servers); i++)
        if (!realm->plain && str_is(ask->host, token_servers[i].registry) &&
            str_is(realm->host, token_servers[i].server))
            return true;
    if (realm->plain && !plain)
        return false;
    return str_eq(realm->host, without_port(registry_endpoint(ask->host), realm->plain)) ||
           (!realm->plain && registry_list_has(token_hosts, realm->host));
}

struct str registry_refresh_url(const struct registry_challenge *challenge,
                                const struct registry_ask *ask, struct str token_hosts, bool plain,
                                struct arena *arena, struct err *err)
{
    struct registry_url realm;
    char shown[120];
    if (!registry_url_read(challenge->realm, arena, &realm)) {
        err_set(err, 0, 0, "the registry names a token server by something that is no URL");
        return (struct str){NULL, 0};
    }
    if (realm_allowed(&realm, ask, token_hosts, plain)) {
        /* A query needs a path before it. */
        const struct str parts[] = {challenge->realm,
                                    str_ends(challenge->realm, realm.rest) ? STR("") : realm.rest};
        return arena_join(arena, parts, ARRAY_LEN(parts));
    }
    err_set(err, 0, 0,
            "the registry names %s%s as its token server, which --registry-token-host does not",
            realm.plain ? "http://" : "", text_shorten(shown, sizeof(shown), realm.host));
    return (struct str){NULL, 0};
}

static struct str escaped(struct str text, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, text.n * 3 + 1, 1);
    size_t n = 0;
    for (size_t i = 0; out && i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (ascii_alpha((char)c) || ascii_digit((char)c) || (c != 0 && strchr("-._~", c))) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    return (struct str){out, n};
}

struct str registry_token_url(const struct registry_challenge *challenge,
                              const struct registry_ask *ask, struct str token_hosts, bool plain,
                              struct arena *arena, struct err *err)
{
    struct str realm = registry_refresh_url(challenge, ask, token_hosts, plain, arena, err);
    if (!realm.p)
        return realm;
    struct str service = escaped(challenge->service, arena);
    const struct str parts[] = {realm,
                                str_find(realm, '?') < realm.n ? STR("&") : STR("?"),
                                challenge->service.n > 0 ? STR("service=") : STR(""),
                                service,
                                challenge->service.n > 0 ? STR("&") : STR(""),
                                STR("scope=repository:"),
                                ask->repository,
                                STR(":pull")};
    return service.p ? arena_join(arena, parts, ARRAY_LEN(parts)) : service;
}

struct str registry_refresh_body(const struct registry_challenge *challenge,
                                 const struct registry_ask *ask, struct arena *arena)
{
    struct str service = escaped(challenge->service, arena);
    struct str identity = escaped(ask->login.identity, arena);
    const struct str parts[] = {STR("grant_type=refresh_token&client_id=sockwarden&service="),
                                service,
                                STR("&scope=repository%3A"),
                                escaped(ask->repository, arena),
                                STR("%3Apull&refresh_token="),
                                identity};
    return service.p && identity.p && parts[3].p ? arena_join(arena, parts, ARRAY_LEN(parts))
                                                 : (struct str){NULL, 0};
}

bool registry_token_read(struct str answer, struct arena *arena, struct registry_token *out)
{
    struct json doc;
    struct err err = {.set = false};
    int64_t seconds = 0;
    *out = (struct registry_token){.seconds = REGISTRY_TOKEN_S};
    if (answer.n > REGISTRY_TOKEN_ANSWER_MAX || !sign_json_scan(answer, arena, &doc, &err))
        return false;
    out->text = sign_json_text(&doc, &doc.nodes[0], "token");
    if (out->text.n == 0)
        out->text = sign_json_text(&doc, &doc.nodes[0], "access_token");
    const struct json_node *expires = sign_json_get(&doc, &doc.nodes[0], "expires_in", JSON_NUMBER);
    if (expires && json_int(expires, &seconds))
        out->seconds = seconds < 0                      ? 0
                       : seconds > REGISTRY_TOKEN_S_MAX ? REGISTRY_TOKEN_S_MAX
                                                        : (unsigned)seconds;
    return out->text.n > 0 && out->text.n <= REGISTRY_TOKEN_MAX && is_visible(out->text);
}

/* ---- headers ------------------------------------------------------------------------------- */

struct str registry_basic_header(const struct registry_login *login, struct arena *arena)
{
    static const struct str begin = {"Authorization: Basic ", 21};
    const struct str parts[] = {login->user, STR(":"), login->password};
    struct str text = arena_join(arena, parts, ARRAY_LEN(parts));
    if (!text.p || text.n > 2 * REGISTRY_LOGIN_MAX + 1)
        return (struct str){NULL, 0};
    size_t room = begin.n + (text.n + 2) / 3 * 4 + 1;
    char *out = arena_alloc(arena, room, 1);
    if (!out)
        return (struct str){NULL, 0};
    memcpy(out, begin.p, begin.n);
    int n =
        EVP_EncodeBlock((unsigned char *)out + begin.n, (const unsigned char *)text.p, (int)text.n);
    return (struct str){out, begin.n + (size_t)n};
}

struct str registry_bearer_header(struct str token, struct arena *arena)
{
    const struct str parts[] = {STR("Authorization: Bearer "), token};
    if (token.n == 0 || !is_visible(token))
        return (struct str){NULL, 0};
    return arena_join(arena, parts, ARRAY_LEN(parts));
}
