/* Image references as Docker reads them: registry, repository, tag and digest in one normal form.
   It asks no registry, and does not know which images exist. The grammar:
   https://pkg.go.dev/github.com/distribution/reference */
#include "role.h"

enum { NAME_MAX_BYTES = 255, TAG_MAX_BYTES = 128, LABEL_MAX_BYTES = 63, ID_DIGITS = 64 };

static bool lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || ascii_digit(c);
}

static bool has_upper(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'Z')
            return true;
    return false;
}

static bool all_hex(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_hex(text.p[i]))
            return false;
    return text.n > 0;
}

/* ---- registry ------------------------------------------------------------------------------ */

static bool label_valid(struct str label)
{
    if (label.n == 0 || label.n > LABEL_MAX_BYTES || label.p[0] == '-' ||
        label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (!lower_or_digit(label.p[i]) && label.p[i] != '-')
            return false;
    return true;
}

static bool host_valid(struct str host)
{
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        uint8_t ip[16];
        struct str inside = {host.p + 1, host.n - 2};
        return str_find(inside, ':') < inside.n && ip_parse(inside, ip);
    }
    for (;;) {
        size_t dot = str_find(host, '.');
        if (!label_valid(str_head(host, dot)))
            return false;
        if (dot == host.n)
            return true;
        host = str_skip(host, dot + 1);
    }
}

/* Splits "host:port"; the port is empty, with p NULL, when there is none. */
static void split_port(struct str registry, struct str *host, struct str *port)
{
    size_t colon = str_rfind(registry, ':');
    bool bracketed = registry.n > 0 && registry.p[registry.n - 1] == ']';
    *host = registry;
    *port = (struct str){NULL, 0};
    if (colon == registry.n || bracketed)
        return;
    *host = str_head(registry, colon);
    *port = str_skip(registry, colon + 1);
}

static bool port_valid(struct str port)
{
    struct port_range range;
    return ports_parse(port, &range) && range.any_ip && range.proto == 0 &&
           str_find(port, '-') == port.n;
}

/* Upper case is refused: hosts are the same in any case, names in a policy are not. */
bool image_registry_valid(struct str registry)
{
    struct str host;
    struct str port;
    if (has_upper(registry))
        return false;
    split_port(registry, &host, &port);
    return host_valid(host) && (!port.p || port_valid(port));
}

/* Resolvers take "127.1", "0x7f.1" and "2130706433" for addresses: a host whose last label is a
   number is one. */
static bool ends_in_number(struct str host)
{
    size_t dot = str_rfind(host, '.');
    struct str label = dot < host.n ? str_skip(host, dot + 1) : host;
    bool hex = label.n >= 2 && label.p[0] == '0' && ascii_lower(label.p[1]) == 'x';
    if (hex)
        return label.n == 2 || all_hex(str_skip(label, 2));
    for (size_t i = 0; i < label.n; i++)
        if (!ascii_digit(label.p[i]))
            return false;
    return true;
}

bool image_registry_by_address(struct str registry)
{
    static const char *const local[] = {
        "localhost",    "localhost.localdomain", "localhost6.localdomain6", "ip6-localhost",
        "ip6-loopback", "host.docker.internal",  "gateway.docker.internal"};
    struct str host;
    struct str port;
    split_port(registry, &host, &port);
    if (port.p || (host.n > 0 && host.p[0] == '[') || ends_in_number(host))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(local); i++)
        if (str_ieq(host, str_of(local[i])))
            return true;
    struct str suffix = STR(".localhost");
    return host.n > suffix.n && str_ieq(str_skip(host, host.n - suffix.n), suffix);
}

/* Has the first part of a name the looks of a registry? */
static bool looks_like_registry(struct str part)
{
    if (str_find(part, '.') < part.n || str_find(part, ':') < part.n || str_is(part, "localhost"))
        return true;
    return has_upper(part);
}

/* ---- repository, tag, digest --------------------------------------------------------------- */

/* Bytes of the separator at the front of s: '.', '_', '__' or any number of '-'; 0 if none. */
static size_t separator_length(struct str s)
{
    if (s.p[0] == '.')
        return 1;
    if (s.p[0] == '_')
        return str_starts(s, STR("__")) ? 2 : 1;
    size_t n = 0;
    while (n < s.n && s.p[n] == '-')
        n++;
    return n;
}

/* Lower-case words with single separators between them. */
static bool component_valid(struct str part)
{
    for (;;) {
        size_t word = 0;
        while (word < part.n && lower_or_digit(part.p[word]))
            word++;
        if (word == 0)
            return false;
        part = str_skip(part, word);
        if (part.n == 0)
            return true;
        size_t separator = separator_length(part);
        if (separator == 0)
            return false;
        part = str_skip(part, separator);
    }
}

static bool repository_valid(struct str repository)
{
    for (;;) {
        size_t slash = str_find(repository, '/');
        if (!component_valid(str_head(repository, slash)))
            return false;
        if (slash == repository.n)
            return true;
        repository = str_skip(repository, slash + 1);
    }
}

static bool tag_valid(struct str tag)
{
    if (tag.n == 0 || tag.n > TAG_MAX_BYTES || tag.p[0] == '.' || tag.p[0] == '-')
        return false;
    for (size_t i = 0; i < tag.n; i++)
        if (!ascii_alpha(tag.p[i]) && !ascii_digit(tag.p[i]) && tag.p[i] != '_' &&
            tag.p[i] != '.' && tag.p[i] != '-')
            return false;
    return true;
}

static bool digest_valid(struct str digest)
{
    static const struct {
        const char *prefix;
        size_t digits;
    } algorithms[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        struct str prefix = str_of(algorithms[i].prefix);
        struct str digits = str_skip(digest, prefix.n);
        if (str_starts(digest, prefix))
            return digits.n == algorithms[i].digits && all_hex(digits) && !has_upper(digits);
    }
    return false;
}

/* ---- the whole ----------------------------------------------------------------------------- */

bool image_is_id(struct str text)
{
    struct str prefix = STR("sha256:");
    struct str digits = str_starts(text, prefix) ? str_skip(text, prefix.n) : text;
    return digits.n <= ID_DIGITS && all_hex(digits);
}

/* IDs that no reader takes for a name: with "sha256:", or of full length. */
static bool is_id_only(struct str text)
{
    return image_is_id(text) && (text.n == ID_DIGITS || str_find(text, ':') < text.n);
}

/* Takes ":tag" and "@digest" off the end of text. */
static bool split_suffixes(struct str *text, struct image_ref *out)
{
    size_t at = str_find(*text, '@');
    if (at < text->n) {
        out->digest = str_skip(*text, at + 1);
        *text = str_head(*text, at);
        if (!digest_valid(out->digest))
            return false;
    }
    size_t slash = str_rfind(*text, '/');
    size_t path = slash < text->n ? slash + 1 : 0;
    size_t colon = path + str_find(str_skip(*text, path), ':');
    if (colon == text->n)
        return true;
    out->tag = str_skip(*text, colon + 1);
    *text = str_head(*text, colon);
    return tag_valid(out->tag);
}

/* Writes registry, '/', prefix and repository into the arena and points out at the parts. */
static bool join_name(struct str prefix, struct str repository, struct arena *arena,
                      struct image_ref *out)
{
    struct str registry = out->registry;
    if (repository.n > NAME_MAX_BYTES || registry.n > NAME_MAX_BYTES)
        return false;
    size_t n = registry.n + 1 + prefix.n + repository.n;
    char *name = n <= NAME_MAX_BYTES ? arena_alloc(arena, n + 1, 1) : NULL;
    if (!name)
        return false;
    memcpy(name, registry.p, registry.n);
    name[registry.n] = '/';
    memcpy(name + registry.n + 1, prefix.p, prefix.n);
    memcpy(name + registry.n + 1 + prefix.n, repository.p, repository.n);
    out->name = (struct str){name, n};
    out->registry = str_head(out->name, registry.n);
    out->repository = str_skip(out->name, registry.n + 1);
    return true;
}

bool image_parse(struct str text, struct arena *arena, struct image_ref *out)
{
    *out = (struct image_ref){0};
    if (is_id_only(text) || !split_suffixes(&text, out))
        return false;
    size_t slash = str_find(text, '/');
    struct str first = str_head(text, slash);
    bool named = slash < text.n && looks_like_registry(first);
    struct str repository = named ? str_skip(text, slash + 1) : text;
    bool hub = !named || str_is(first, "docker.io") || str_is(first, "index.docker.io");
    out->registry = hub ? STR("docker.io") : first;
    bool alone = hub && str_find(repository, '/') == repository.n;
    return image_registry_valid(out->registry) && repository_valid(repository) &&
           join_name(alone ? STR("library/") : STR(""), repository, arena, out);
}
