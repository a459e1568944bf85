/* The entries of a constraint's lists and its maximum: checked, brought to the one spelling that
   the checks compare with, and parsed where the key asks for it. */
#include "load.h"

#include <stdio.h>

enum { NANO = 1000000000 };

/* Bytes before the first wildcard. */
static size_t plain_length(struct str text)
{
    size_t star = str_find(text, '*');
    return str_find(str_head(text, star), '?');
}

static bool has_wildcard(struct str text)
{
    return plain_length(text) < text.n;
}

static bool entry_error(struct loader *loader, enum key key, const struct json_node *node,
                        const char *why)
{
    char text[QUOTED_MAX];
    load_error(loader, node->offset, "%s: %s %s", key_path(key), quoted(text, node->text), why);
    return false;
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The reason why the path is not in normal form, or NULL. */
static const char *path_fault(struct str path)
{
    if (path.n == 0 || path.p[0] != '/')
        return "is not an absolute path";
    if (path.n == 1)
        return NULL;
    for (size_t start = 1; start <= path.n;) {
        struct str part = str_skip(path, start);
        part = str_head(part, str_find(part, '/'));
        if (part.n == 0)
            return start == path.n ? "ends in '/'; write the path without it, or add '**' for "
                                     "everything below"
                                   : "holds '//'";
        if (str_is(part, ".") || str_is(part, ".."))
            return "holds a '.' or '..' part; write where it leads";
        start += part.n + 1;
    }
    return NULL;
}

static bool read_path(struct loader *loader, enum key key, const struct json_node *node,
                      struct entry *out)
{
    const char *fault = path_fault(out->text);
    return fault ? entry_error(loader, key, node, fault) : true;
}

/* ---- capabilities ---------------------------------------------------------------------------- */

static bool read_capability(struct loader *loader, enum key key, const struct json_node *node,
                            struct entry *out)
{
    struct str name = arena_copy(loader->arena, out->text);
    if (!name.p)
        return load_no_memory(loader), false;
    char *p = (char *)name.p; /* our own copy */
    for (size_t i = 0; i < name.n; i++) {
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - ('a' - 'A'));
        if (!ascii_alpha(p[i]) && p[i] != '_' && p[i] != '*' && p[i] != '?')
            return entry_error(loader, key, node, "is not the name of a capability");
    }
    if (str_starts(name, STR("CAP_")))
        name = str_skip(name, 4);
    if (name.n == 0)
        return entry_error(loader, key, node, "is not the name of a capability");
    out->text = name;
    return true;
}

/* ---- images ---------------------------------------------------------------------------------- */

static bool is_registry(struct str part)
{
    return str_find(part, '.') < part.n || str_find(part, ':') < part.n ||
           str_is(part, "localhost");
}

static bool image_chars(struct str part, bool registry)
{
    for (size_t i = 0; i < part.n; i++) {
        char c = part.p[i];
        bool common = (c >= 'a' && c <= 'z') || ascii_digit(c) || (c != '\0' && strchr("._-*?", c));
        bool more = registry ? (c >= 'A' && c <= 'Z') || (c != '\0' && strchr(":[]", c)) : c == '/';
        if (!common && !more)
            return false;
    }
    return true;
}

/* The reason why the entry cannot be one, or NULL. The parts are those of a name with a registry
   (registry.p NULL when the name has none). */
static const char *image_fault(struct str text, struct str registry, struct str rest)
{
    if (str_find(text, '@') < text.n)
        return "names a digest; an entry is registry/repository: demand digests with "
               "images.require_digest";
    if (str_find(rest, ':') < rest.n)
        return "names a tag; an entry is registry/repository: exclude tags with images.deny_tags "
               "or images.require_digest";
    if (rest.n == 0 || rest.p[0] == '/' || rest.p[rest.n - 1] == '/')
        return "is not registry/repository";
    if (!image_chars(registry, true) || !image_chars(rest, false))
        return "holds a character that no image name has (repositories are in lower case)";
    for (size_t i = 1; i < rest.n; i++)
        if (rest.p[i] == '/' && rest.p[i - 1] == '/')
            return "is not registry/repository";
    if (str_is(text, "*"))
        return "could mean two things; write \"**\" for every image, \"docker.io/library/*\" for "
               "Docker's own";
    size_t slash = str_find(text, '/');
    if (!registry.p && slash < text.n && !str_starts(text, STR("**")) &&
        has_wildcard(str_head(text, slash)))
        return "could mean a registry or a part of docker.io; write the registry out, or begin "
               "with \"**/\"";
    return NULL;
}

/* Is it the address of a registry alone? "redis:7" has a tag: ports are longer. */
static bool registry_alone(struct str text)
{
    enum { PORT_DIGITS = 4 };
    size_t colon = str_find(text, ':');
    struct str port = str_skip(text, colon + 1);
    bool digits = port.n > 0;
    for (size_t i = 0; i < port.n; i++)
        digits = digits && ascii_digit(port.p[i]);
    struct str host = str_head(text, colon);
    bool host_like = str_find(host, '.') < host.n || str_is(host, "localhost");
    return str_find(text, '/') == text.n && !str_starts(text, STR("**")) &&
           (colon == text.n ? host_like : digits && (host_like || port.n >= PORT_DIGITS));
}

/* Fills in docker.io and library/ as Docker does for a name. */
bool load_image(struct loader *loader, enum key key, const struct json_node *node,
                struct entry *out)
{
    struct str text = out->text;
    size_t slash = str_find(text, '/');
    struct str registry = str_head(text, slash);
    struct str rest = str_skip(text, slash + 1);
    if (slash == text.n || !is_registry(registry)) {
        registry = (struct str){0};
        rest = text;
    }
    if (registry_alone(text)) {
        char shown[QUOTED_MAX], whole[QUOTED_MAX];
        text_shorten(whole, sizeof whole - 4, text);
        load_error(loader, node->offset, "%s: %s is a registry; write \"%s/**\"", key_path(key),
                   quoted(shown, text), whole);
        return false;
    }
    const char *fault = image_fault(text, registry, rest);
    if (fault)
        return entry_error(loader, key, node, fault);
    if (!registry.p && str_starts(text, STR("**")))
        return true;
    if (!registry.p || str_is(registry, "index.docker.io"))
        registry = STR("docker.io");
    bool library = str_is(registry, "docker.io") && str_find(rest, '/') == rest.n &&
                   !(rest.n >= 2 && memcmp(rest.p, "**", 2) == 0);
    size_t size = registry.n + rest.n + sizeof "/library/";
    char *name = arena_alloc(loader->arena, size, 1);
    if (!name)
        return load_no_memory(loader), false;
    /* Both parts hold only plain ASCII by now. */
    int n = snprintf(name, size, "%.*s/%s%.*s", (int)registry.n, registry.p,
                     library ? "library/" : "", (int)rest.n, rest.p);
    out->text = (struct str){name, n > 0 ? (size_t)n : 0};
    return true;
}

/* ---- tags ------------------------------------------------------------------------------------ */

/* The part that a tag would be: of "nginx:latest" what stands behind the colon. */
static struct str tag_part(struct str text)
{
    text = str_head(text, str_find(text, '@'));
    size_t slash = str_rfind(text, '/');
    text = str_skip(text, slash < text.n ? slash + 1 : 0);
    return str_skip(text, str_find(text, ':') + 1);
}

static bool tag_possible(struct str text)
{
    bool good = text.n > 0 && text.p[0] != '.' && text.p[0] != '-';
    for (size_t i = 0; i < text.n; i++)
        good = good && (ascii_alpha(text.p[i]) || ascii_digit(text.p[i]) ||
                        (text.p[i] != '\0' && strchr("_.-*?", text.p[i])));
    return good;
}

static bool read_tag(struct loader *loader, enum key key, const struct json_node *node,
                     const struct entry *out)
{
    char shown[QUOTED_MAX], tag[QUOTED_MAX];
    if (tag_possible(out->text))
        return true;
    struct str part = tag_part(out->text);
    if (!tag_possible(part))
        part = STR("latest");
    load_error(loader, node->offset,
               "%s: %s is no tag, and would deny nothing; write the tag alone, such as %s",
               key_path(key), quoted(shown, out->text), quoted(tag, part));
    return false;
}

/* ---- spelling of some keys ------------------------------------------------------------------- */

/* A copy of text with the first `count` bytes `from` as `to`. */
static struct str respelled(struct loader *loader, struct str text, char from, char to,
                            size_t count)
{
    struct str copy = arena_copy(loader->arena, text);
    char *p = (char *)copy.p; /* our own copy */
    for (size_t i = 0; p && i < copy.n && count > 0; i++) {
        if (p[i] != from)
            continue;
        p[i] = to;
        count--;
    }
    return copy;
}

/* security_opt takes name:value for name=value, sysctls dots or slashes: one spelling of each. */
static bool read_glob(struct loader *loader, enum key key, struct entry *out)
{
    if (key == KEY_SECURITY_OPT && str_find(out->text, '=') == out->text.n)
        out->text = respelled(loader, out->text, ':', '=', 1);
    if (key == KEY_SYSCTLS)
        out->text = respelled(loader, out->text, '/', '.', out->text.n);
    return out->text.p ? true : (load_no_memory(loader), false);
}

/* ---- one entry ------------------------------------------------------------------------------- */

static bool read_text(struct loader *loader, enum key key, const struct json_node *node,
                      struct entry *out)
{
    switch (key_rows[key].entries) {
    case ENTRY_GLOB:
        if (key == KEY_IMAGES_DENY_TAGS)
            return read_tag(loader, key, node, out);
        return read_glob(loader, key, out);
    case ENTRY_PATH:
        return read_path(loader, key, node, out);
    case ENTRY_CAPABILITY:
        return read_capability(loader, key, node, out);
    case ENTRY_PORTS:
        return ports_parse(out->text, &out->ports) ||
               entry_error(loader, key, node, "is not [HOSTIP:]PORT[-PORT][/PROTO]");
    case ENTRY_CIDR:
        return cidr_parse(out->text, &out->cidr) ||
               entry_error(loader, key, node, "is not an address range such as \"10.1.0.0/16\"");
    case ENTRY_IMAGE:
        return load_image(loader, key, node, out);
    case ENTRY_SIGNED:
        break; /* no text */
    }
    return false;
}

/* {"source": ..., "read_only": true}: fills read_only and returns the source, or NULL. */
static const struct json_node *read_bind_object(struct loader *loader, const struct json_node *node,
                                                struct entry *out)
{
    static const char *const known[] = {"source", "read_only", "description"};
    static const struct nearest_word words[] = {
        {"path", "source"}, {"src", "source"}, {"host", "source"}, {"ro", "read_only"}};
    const struct json_node *source = NULL;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        if (load_description(loader, m))
            continue;
        if (str_is(m->key, "source")) {
            source = m;
        } else if (str_is(m->key, "read_only")) {
            out->read_only = m->kind == JSON_TRUE;
            if (m->kind != JSON_TRUE && m->kind != JSON_FALSE)
                load_error(loader, m->offset, "read_only of a bind expects true or false, got %s",
                           kind_name(m));
        } else {
            char name[QUOTED_MAX], hint[HINT_MAX];
            struct nearest nearest = nearest_to(m->key);
            for (size_t i = 0; i < ARRAY_LEN(known); i++)
                nearest_offer(&nearest, str_of(known[i]));
            nearest_offer_words(&nearest, words, ARRAY_LEN(words));
            load_error(loader, m->key_offset, "unknown key %s in an entry of containers.binds%s",
                       quoted(name, m->key), hint_of(hint, &nearest));
        }
    }
    if (!source)
        load_error(loader, node->offset, "an entry of containers.binds lacks its \"source\"");
    return source;
}

bool load_entry(struct loader *loader, enum key key, const struct json_node *node,
                struct entry *out)
{
    const struct json_node *text = node;
    if (key_rows[key].entries == ENTRY_SIGNED)
        return load_signed(loader, node, out);
    if (key == KEY_BINDS && node->kind == JSON_OBJECT)
        text = read_bind_object(loader, node, out);
    if (!text)
        return false;
    if (text->kind != JSON_STRING) {
        load_error(loader, text->offset, "%s: an entry is text%s, got %s", key_path(key),
                   key == KEY_BINDS && text == node ? " or {\"source\": ..., \"read_only\": true}"
                                                    : "",
                   kind_name(text));
        return false;
    }
    out->text = arena_copy(loader->arena, text->text);
    if (!out->text.p)
        return load_no_memory(loader), false;
    if (!read_text(loader, key, text, out))
        return false;
    if (out->text.n > GLOB_MAX) /* it would match nothing, and a deny must */
        return entry_error(loader, key, text, "is too long");
    out->plain = plain_length(out->text);
    out->literal = out->plain == out->text.n;
    return true;
}

/* ---- maxima ---------------------------------------------------------------------------------- */

/* "2g": a whole number and a binary unit. */
bool load_bytes(struct str text, int64_t *out)
{
    size_t digits = 0;
    while (digits < text.n && ascii_digit(text.p[digits]))
        digits++;
    struct str unit = str_skip(text, digits);
    int64_t value;
    if (!str_to_int(str_head(text, digits), &value))
        return false;
    if (unit.n > 0 && !str_ieq(unit, STR("b"))) {
        const char *letters = "kmgt";
        char letter = ascii_lower(unit.p[0]);
        const char *at = letter ? strchr(letters, letter) : NULL;
        struct str tail = str_skip(unit, 1);
        if (!at || (tail.n > 0 && !str_ieq(tail, STR("b")) && !str_ieq(tail, STR("ib"))))
            return false;
        if (__builtin_mul_overflow(value, (int64_t)1 << (10 * (at - letters + 1)), &value))
            return false;
    }
    *out = value;
    return true;
}

/* "1.5" processors in billionths. */
static bool cpus_of(struct str text, int64_t *out)
{
    size_t dot = str_find(text, '.');
    struct str whole = str_head(text, dot);
    struct str part = str_skip(text, dot + 1);
    int64_t value, fraction = 0;
    if (whole.n == 0 || !ascii_digit(whole.p[0]) || !str_to_int(whole, &value))
        return false;
    if (dot < text.n) {
        if (part.n == 0 || part.n > 9 || !ascii_digit(part.p[0]) || !str_to_int(part, &fraction))
            return false;
        for (size_t i = part.n; i < 9; i++)
            fraction *= 10;
    }
    return !__builtin_mul_overflow(value, (int64_t)NANO, &value) &&
           !__builtin_add_overflow(value, fraction, out);
}

bool load_max(struct loader *loader, enum key key, const struct json_node *node, int64_t *out)
{
    bool text = node->kind == JSON_NUMBER || node->kind == JSON_STRING;
    const char *wanted = "";
    bool good = false;
    switch (key_rows[key].max) {
    case MAX_NONE:
        break;
    case MAX_BYTES:
        wanted = "a whole number of bytes, or text such as \"512m\" or \"2g\"";
        good = text && load_bytes(node->text, out);
        break;
    case MAX_CPUS:
        wanted = "a number of processors such as 1.5";
        good = text && cpus_of(node->text, out);
        break;
    case MAX_COUNT:
        wanted = "a whole number from 0";
        good = node->kind == JSON_NUMBER && json_int(node, out) && *out >= 0;
        break;
    }
    char shown[QUOTED_MAX];
    if (!good)
        load_error(loader, node->offset, "max of %s expects %s, got %s", key_path(key), wanted,
                   text ? quoted(shown, node->text) : kind_name(node));
    return good;
}
