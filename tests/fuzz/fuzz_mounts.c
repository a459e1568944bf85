/* libFuzzer target for what a container mounts. The first byte picks a form (Binds, a mount of type
   bind, a volume with driver options, Tmpfs), the lines behind it are its texts. Whatever the role
   allows is split once more here, in another way than the policy does it: host paths lie below
   /srv/ci or read-only below /srv/ro, and options of a tmpfs change no mount that is there. */
#include "fuzz_help.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] =
    "{\"version\":1,\"roles\":{\"default\":{\"allow\":[\"ContainerCreate\"],\"containers\":{"
    "\"binds\":[\"/srv/ci/**\",{\"source\":\"/srv/ro/**\",\"read_only\":true}]}}}}";

/* ---- reading anew ---------------------------------------------------------------------------- */

enum { PARTS_MAX = 4, INPUT_MAX = 6000 };

/* As Go's strings.Split; returns the number of parts, counting those beyond PARTS_MAX too. */
static size_t split(struct str text, char at, struct str parts[PARTS_MAX])
{
    size_t count = 0;
    const char *end = text.p + text.n;
    const char *from = text.p;
    for (const char *p = text.p;; p++) {
        if (p < end && *p != at)
            continue;
        if (count < PARTS_MAX)
            parts[count] = str_from(from, p);
        count++;
        if (p == end)
            return count;
        from = p + 1;
    }
}

/* Is there such a word between commas, whatever its case and the blanks around it? */
static bool has_word(struct str list, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= list.n; i++) {
        size_t k = 0;
        while (k < n && ascii_lower(list.p[i + k]) == word[k])
            k++;
        bool begins = i == 0 || list.p[i - 1] == ',' || list.p[i - 1] == ' ';
        bool ends = i + n == list.n || list.p[i + n] == ',' || list.p[i + n] == ' ';
        if (k == n && begins && ends)
            return true;
    }
    return false;
}

/* Below root, with nothing on the way that means another place. */
static bool lies_below(struct str path, const char *root)
{
    size_t n = strlen(root);
    if (path.n < n || memcmp(path.p, root, n) != 0 || (path.n > n && path.p[n] != '/'))
        return false;
    char text[4200];
    if (path.n + 3 > sizeof(text) || memchr(path.p, '\0', path.n))
        return false;
    snprintf(text, sizeof(text), "%.*s/", (int)path.n, path.p);
    if (path.p[path.n - 1] == '/')
        text[path.n] = '\0';
    return !strstr(text, "/../") && !strstr(text, "/./") && !strstr(text, "//");
}

/* The daemon cleans targets as text before it mounts. */
static bool is_kernel(struct str path)
{
    char text[INPUT_MAX + 1];
    char *first = NULL;
    char *rest = NULL;
    size_t depth = 0;
    snprintf(text, sizeof(text), "%.*s", (int)path.n, path.p ? path.p : "");
    for (char *part = strtok_r(text, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
        if (strcmp(part, "..") == 0)
            depth -= depth > 0;
        else if (strcmp(part, ".") != 0 && depth++ == 0)
            first = part;
    }
    return depth > 0 && (strcmp(first, "proc") == 0 || strcmp(first, "sys") == 0);
}

static bool spreads(struct str options)
{
    return has_word(options, "shared") || has_word(options, "rshared") ||
           has_word(options, "slave") || has_word(options, "rslave");
}

static void check_source(struct str source, bool read_only)
{
    must(lies_below(source, "/srv/ci") || (read_only && lies_below(source, "/srv/ro")));
}

/* ---- the forms ------------------------------------------------------------------------------- */

static struct text body;

static bool plain_letters(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < 'a' || text.p[i] > 'z')
            return false;
    return text.n > 0;
}

static void try_binds(const struct role *role, struct str input)
{
    struct str text = take_line(&input);
    put(&body, "{\"Image\":\"a\",\"HostConfig\":{\"Binds\":[");
    put_string(&body, text);
    put(&body, "]}}");
    bool allowed = create_allowed(role, text_str(&body));
    struct str parts[PARTS_MAX] = {{0}};
    size_t count = split(text.n ? text : STR(""), ':', parts);
    bool inside = str_starts(parts[0], STR("/srv/ci/")) && plain_letters(str_skip(parts[0], 8));
    if (count == 2 && inside && str_is(parts[1], "/y"))
        must(allowed); /* or nothing is tried here */
    if (!allowed)
        return;
    must(count <= 3);
    must(!is_kernel(count == 1 ? parts[0] : parts[1]) && !spreads(parts[2]));
    if (count > 1 && parts[0].n > 0 && parts[0].p[0] == '/')
        check_source(parts[0], has_word(parts[2], "ro") && !has_word(parts[2], "z"));
    else if (count > 1)
        must(parts[0].n > 0 && !memchr(parts[0].p, '/', parts[0].n) && parts[0].p[0] != '.' &&
             parts[0].p[0] != '~');
}

static void try_mount(const struct role *role, struct str input, bool read_only)
{
    struct str type = take_line(&input);
    struct str source = take_line(&input);
    struct str target = take_line(&input);
    struct str propagation = take_line(&input);
    put(&body, "{\"Image\":\"a\",\"HostConfig\":{\"Mounts\":[{\"Type\":");
    put_string(&body, type);
    put(&body, ",\"Source\":");
    put_string(&body, source);
    put(&body, ",\"Target\":");
    put_string(&body, target);
    put(&body, read_only ? ",\"ReadOnly\":true" : "");
    put(&body, ",\"BindOptions\":{\"Propagation\":");
    put_string(&body, propagation);
    put(&body, "}}]}}");
    if (!create_allowed(role, text_str(&body)))
        return;
    must(!is_kernel(target) && !spreads(propagation));
    must(str_is(type, "bind") || str_is(type, "volume") || str_is(type, "tmpfs") ||
         str_is(type, "image"));
    if (str_is(type, "bind"))
        check_source(source, read_only);
    else if (!str_is(type, "image") && !str_is(type, "tmpfs"))
        must(source.n == 0 || !memchr(source.p, '/', source.n));
}

static void try_volume(const struct role *role, struct str input)
{
    struct str type = take_line(&input);
    struct str o = take_line(&input);
    struct str device = take_line(&input);
    put(&body,
        "{\"Image\":\"a\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/y\","
        "\"VolumeOptions\":{\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"type\":");
    put_string(&body, type);
    put(&body, ",\"o\":");
    put_string(&body, o);
    put(&body, ",\"device\":");
    put_string(&body, device);
    put(&body, "}}}}]}}");
    if (!create_allowed(role, text_str(&body)))
        return;
    must(!spreads(o) && !has_word(o, "remount") && !has_word(o, "move"));
    bool bind = has_word(o, "bind") || has_word(o, "rbind");
    if (bind)
        must(lies_below(device, "/srv/ci"));
    else
        must((str_is(type, "tmpfs") && str_is(device, "tmpfs")) ||
             (type.n == 0 && device.n == 0 && o.n == 0));
}

static void try_tmpfs(const struct role *role, struct str input)
{
    static const char *const bad[] = {"remount", "bind",     "rbind", "move",
                                      "shared",  "rshared",  "slave", "rslave",
                                      "private", "rprivate", "mand",  "unbindable"};
    struct str target = take_line(&input);
    struct str options = take_line(&input);
    put(&body, "{\"Image\":\"a\",\"HostConfig\":{\"Tmpfs\":{");
    put_string(&body, target);
    put(&body, ":");
    put_string(&body, options);
    put(&body, "}}}");
    if (!create_allowed(role, text_str(&body)))
        return;
    must(target.n > 0 && target.p[0] == '/' && !is_kernel(target));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        must(!has_word(options, bad[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy *policy;
    if (!policy)
        policy = load_once(policy_text);
    if (size < 1 || size > INPUT_MAX)
        return 0;
    const struct role *role = policy_default_role(policy);
    struct str input = {(const char *)data + 1, size - 1};
    body.n = 0;
    switch (data[0] % 5) {
    case 0:
        try_binds(role, input);
        break;
    case 1:
    case 2:
        try_mount(role, input, data[0] % 5 == 2);
        break;
    case 3:
        try_volume(role, input);
        break;
    default:
        try_tmpfs(role, input);
    }
    return 0;
}
