/* libFuzzer target for single values of a create. The first byte picks the field, the lines behind
   it are its texts. Each is put into a body; what the role allows is read once more here, by the C
   library where that can, and must be what the role's key says. */
#include "fuzz_help.h"

#include <arpa/inet.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] =
    "{\"version\":1,\"roles\":{\"default\":{\"allow\":[\"ContainerCreate\"],\"containers\":{"
    "\"ports\":[\"127.0.0.1:8000-8010/tcp\"],\"cap_add\":[\"NET_ADMIN\"],"
    "\"sysctls\":[\"net.core.*\"],\"network_mode\":[\"default\",\"ci-*\"],"
    "\"env\":{\"deny\":[\"AWS_*\"]},\"mem_limit\":{\"max\":\"64m\"},\"shm_size\":{\"max\":\"64m\"},"
    "\"labels\":{\"deny\":[\"traefik.*\"]}}},"
    "\"unprivileged\":{\"allow\":[\"ContainerCreate\"],\"containers\":{\"user\":{\"deny\":"
    "[\"root\"]}}},"
    "\"limited\":{\"allow\":[\"ContainerCreate\"],\"containers\":{\"mem_limit\":{\"max\":\"64m\","
    "\"require\":true}}}}}";

enum { LIMIT = 64 << 20, TEXT_MAX = (1 << 16) + 1 };

static struct text body;
static struct policy *policy;

static const struct role *role_named(const char *name)
{
    return policy_role(policy, str_of(name));
}

/* A C string of the text; false when it holds NUL or is too long. */
static bool c_string(struct str text, char *dst, size_t cap)
{
    if (text.n >= cap || (text.n && memchr(text.p, '\0', text.n)))
        return false;
    snprintf(dst, cap, "%.*s", (int)text.n, text.p ? text.p : "");
    return true;
}

/* Only digits, as many as the C library reads into a value from low to high. */
static bool whole_number(const char *text, long long low, long long high)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value >= low &&
           value <= high;
}

static void put_member(const char *before, struct str text, const char *after)
{
    put(&body, before);
    put_string(&body, text);
    put(&body, after);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static bool is_local(const char *ip)
{
    unsigned char four[4], six[16];
    static const unsigned char mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1};
    if (inet_pton(AF_INET, ip, four) == 1)
        return memcmp(four, mapped + 12, 4) == 0;
    return inet_pton(AF_INET6, ip, six) == 1 && memcmp(six, mapped, 16) == 0;
}

static void try_ports(struct str input)
{
    static char key[TEXT_MAX];
    char ip[64], port[64];
    struct str texts[3];
    for (size_t i = 0; i < 3; i++)
        texts[i] = take_line(&input);
    put_member("{\"Image\":\"a\",\"HostConfig\":{\"PortBindings\":{", texts[0], ":[{\"HostIp\":");
    put_member("", texts[1], ",\"HostPort\":");
    put_member("", texts[2], "}]}}}");
    bool allowed = create_allowed(role_named("default"), text_str(&body));
    if (str_is(texts[0], "80/tcp") && str_is(texts[1], "127.0.0.1") && str_is(texts[2], "8005"))
        must(allowed);
    if (!allowed)
        return;
    must(c_string(texts[0], key, sizeof(key)) && c_string(texts[1], ip, sizeof(ip)) &&
         c_string(texts[2], port, sizeof(port)));
    const char *slash = strchr(key, '/');
    must((!slash || strcasecmp(slash, "/tcp") == 0) && is_local(ip));
    char *dash = strchr(port, '-');
    if (dash)
        *dash = '\0';
    must(whole_number(port, 8000, 8010) && (!dash || whole_number(dash + 1, 8000, 8010)));
}

static void try_user(struct str input)
{
    char user[64];
    struct str text = take_line(&input);
    put_member("{\"Image\":\"a\",\"User\":", text,
               ",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}}");
    bool allowed = create_allowed(role_named("unprivileged"), text_str(&body));
    must(!str_is(text, "1000:5") || allowed);
    struct str uid = str_head(text, str_find(text, ':'));
    if (allowed)
        must(c_string(uid, user, sizeof(user)) && whole_number(user, 1, INT32_MAX));
}

/* The text stands in the body as a number, as it is. */
static void try_sizes(struct str input, const char *field, bool required)
{
    char number[64];
    struct str text = take_line(&input);
    for (size_t i = 0; i < text.n; i++)
        if (!memchr("0123456789+-.eE", text.p[i], 15))
            return;
    put(&body, "{\"Image\":\"a\",\"HostConfig\":{\"");
    put(&body, field);
    put(&body, "\":");
    put_bytes(&body, text);
    put(&body, "}}");
    bool allowed = create_allowed(role_named(required ? "limited" : "default"), text_str(&body));
    if (!allowed)
        return;
    must(c_string(text, number, sizeof(number)));
    must(whole_number(number, required ? 1 : 0, LIMIT) || (!required && strcmp(number, "-0") == 0));
}

static void try_capability(struct str input)
{
    char name[128];
    struct str text = take_line(&input);
    put_member("{\"Image\":\"a\",\"HostConfig\":{\"CapAdd\":[", text, "]}}");
    bool allowed = create_allowed(role_named("default"), text_str(&body));
    must(!str_is(text, "net_admin") || allowed);
    if (allowed)
        must(c_string(text, name, sizeof(name)) &&
             (strcasecmp(name, "NET_ADMIN") == 0 || strcasecmp(name, "CAP_NET_ADMIN") == 0));
}

static void try_sysctl(struct str input)
{
    char name[4096];
    struct str text = take_line(&input);
    put_member("{\"Image\":\"a\",\"HostConfig\":{\"Sysctls\":{", text, ":\"1\"}}}");
    bool allowed = create_allowed(role_named("default"), text_str(&body));
    must(!str_is(text, "net/core/somaxconn") || allowed);
    if (!allowed)
        return;
    must(c_string(text, name, sizeof(name)));
    for (char *p = name; *p; p++)
        *p = *p == '/' ? '.' : *p;
    must(strncmp(name, "net.core.", 9) == 0 && !strstr(name, "..") && text.p[text.n - 1] != '.');
}

/* "64k", "10MB": at least 64,000 bytes. */
static bool large_enough(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno)
        return false;
    const char *unit = strchr("kmg", ascii_lower(*end) ? ascii_lower(*end) : '?');
    for (long i = 0; unit && i <= unit - strchr("kmg", 'k'); i++)
        value = value > 1000000000000ULL ? value : value * 1000;
    end += unit != NULL;
    return value >= 64000 && (!*end || strcasecmp(end, "b") == 0 || strcasecmp(end, "ib") == 0);
}

/* No template but the two that say who it is. */
static bool tag_plain(const char *text)
{
    for (const char *p = strstr(text, "{{"); p; p = strstr(p + 2, "{{"))
        if (strncmp(p, "{{.ID}}", 7) != 0 && strncmp(p, "{{.Name}}", 9) != 0)
            return false;
    return true;
}

static void try_log_option(struct str input)
{
    char name[64], value[4096];
    struct str texts[2] = {take_line(&input), {NULL, 0}};
    texts[1] = take_line(&input);
    put_member(
        "{\"Image\":\"a\",\"HostConfig\":{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{",
        texts[0], ":");
    put_member("", texts[1], "}}}}");
    if (!create_allowed(role_named("default"), text_str(&body)) || texts[1].n >= sizeof(value))
        return;
    must(c_string(texts[0], name, sizeof(name)) && c_string(texts[1], value, sizeof(value)));
    if (strcmp(name, "max-size") == 0)
        must(large_enough(value));
    else if (strcmp(name, "max-file") == 0)
        must(whole_number(value, 1, 100));
    else if (strcmp(name, "tag") == 0)
        must(tag_plain(value));
    else
        must(strcmp(name, "compress") == 0 || strcmp(name, "mode") == 0 ||
             strcmp(name, "max-buffer-size") == 0);
}

static void try_security(struct str input)
{
    struct str text = take_line(&input);
    put_member("{\"Image\":\"a\",\"HostConfig\":{\"SecurityOpt\":[", text, "]}}");
    bool allowed = create_allowed(role_named("default"), text_str(&body));
    must(!str_is(text, "no-new-privileges") || allowed);
    if (allowed)
        must(str_is(text, "no-new-privileges") || str_is(text, "no-new-privileges=true") ||
             str_is(text, "no-new-privileges:true"));
}

static void try_names(struct str input)
{
    struct str label = take_line(&input);
    struct str env = take_line(&input);
    struct str mode = take_line(&input);
    put_member("{\"Image\":\"a\",\"Labels\":{", label, ":\"x\"},\"Env\":[");
    put_member("", env, "],\"HostConfig\":{\"NetworkMode\":");
    put_member("", mode, "}}");
    if (!create_allowed(role_named("default"), text_str(&body)))
        return;
    must(!str_starts(label, STR("traefik.")) && !str_starts(env, STR("AWS_")));
    must(mode.n == 0 || str_is(mode, "default") || str_is(mode, "bridge") ||
         str_starts(mode, STR("ci-")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!policy)
        policy = load_once(policy_text);
    if (size < 1 || size > 1 << 16)
        return 0;
    struct str input = {(const char *)data + 1, size - 1};
    body.n = 0;
    switch (data[0] % 10) {
    case 0:
        try_ports(input);
        break;
    case 1:
        try_user(input);
        break;
    case 2:
        try_sizes(input, "Memory", true);
        break;
    case 3:
        try_sizes(input, "Memory", false);
        break;
    case 4:
        try_sizes(input, "ShmSize", false);
        break;
    case 5:
        try_capability(input);
        break;
    case 6:
        try_sysctl(input);
        break;
    case 7:
        try_log_option(input);
        break;
    case 8:
        try_security(input);
        break;
    default:
        try_names(input);
    }
    return 0;
}
