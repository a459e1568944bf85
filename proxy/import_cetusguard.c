/* The rules files of hectorm/cetusguard: `METHOD[,METHOD] EXPRESSION` a line, with variables
   between percent signs, remarks behind `!`, and three rules that are built in
   (cetusguard/rule.go). */
#include "import_match.h"

#include <stdio.h>

static const char *const gist = "What CetusGuard's rules let through.";

enum { METHODS_MAX = 8, EXPANDED_MAX = REGEXP_LENGTH_MAX };

/* What the variables mean, in expressions of our own. Names of images and plugins may hold
   registries, ports, tags and digests. */
#define ID           "(?:[a-fA-F0-9]+)"
#define NAME         "(?:[a-zA-Z0-9][a-zA-Z0-9_.-]+)"
#define IMAGE        "(?:[a-zA-Z0-9][a-zA-Z0-9_.:@/-]*)"
#define HOST         "(?:[a-zA-Z0-9][a-zA-Z0-9_.-]*)"
#define IPV4         "(?:[0-9]{1,3}(?:\\.[0-9]{1,3}){3})"
#define IPV6         "(?:\\[[a-fA-F0-9:]+\\])"
#define TAG          "(?:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})"
#define EITHER(a, b) "(?:" a "|" b ")"
#define API          "(?:/v[0-9]+(?:\\.[0-9]+)*)?"

static const struct {
    const char *name, *text;
} variables[] = {
    {"API_PREFIX", API},
    {"HOST", HOST},
    {"IPV4", IPV4},
    {"IPV6", IPV6},
    {"IP", EITHER(IPV4, IPV6)},
    {"HOST_OR_IP", EITHER(HOST, EITHER(IPV4, IPV6))},
    {"HOST_OR_IP_WITH_PORT", EITHER(HOST, EITHER(IPV4, IPV6)) "(?::[0-9]+)?"},
    {"IMAGE_ID", "(?:(?:[a-zA-Z0-9_-]+:)?[a-fA-F0-9]+)"},
    {"IMAGE_COMPONENT", HOST},
    {"IMAGE_TAG", TAG},
    {"IMAGE_NAME", IMAGE},
    {"IMAGE_ID_OR_NAME", IMAGE},
    {"CONTAINER_ID", ID},
    {"CONTAINER_NAME", NAME},
    {"CONTAINER_ID_OR_NAME", EITHER(ID, NAME)},
    {"VOLUME_ID", ID},
    {"VOLUME_NAME", NAME},
    {"VOLUME_ID_OR_NAME", EITHER(ID, NAME)},
    {"NETWORK_ID", ID},
    {"NETWORK_NAME", "(?:[^/]+)"},
    {"NETWORK_ID_OR_NAME", "(?:[^/]+)"},
    {"PLUGIN_ID", ID},
    {"PLUGIN_NAME", IMAGE},
    {"PLUGIN_ID_OR_NAME", IMAGE},
};

static const char *const sections[] = {
    "AUTH",     "BUILD",   "COMMIT", "CONFIGS",  "CONTAINERS", "DISTRIBUTION", "EVENTS",  "EXEC",
    "GRPC",     "IMAGES",  "INFO",   "NETWORKS", "NODES",      "PING",         "PLUGINS", "SECRETS",
    "SERVICES", "SESSION", "SWARM",  "SYSTEM",   "TASKS",      "VERSION",      "VOLUMES",
};

static const char *const builtin_rules[] = {
    "GET,HEAD %API_PREFIX_PING%",
    "GET %API_PREFIX_VERSION%",
    "GET %API_PREFIX_INFO%",
};

struct buffer {
    char *p;
    size_t n;
    bool full;
};

static void put(struct buffer *buffer, struct str text)
{
    buffer->full |= text.n > EXPANDED_MAX - buffer->n;
    if (buffer->full)
        return;
    memcpy(buffer->p + buffer->n, text.p, text.n);
    buffer->n += text.n;
}

/* %API_PREFIX_CONTAINERS% is the prefix and the section's path. */
static bool put_section(struct buffer *buffer, struct str name)
{
    if (!str_starts(name, STR("API_PREFIX_")))
        return false;
    name = str_skip(name, 11);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (!str_is(name, sections[i]))
            continue;
        put(buffer, STR(API "/"));
        put(buffer, str_is(name, "PING") ? STR("_") : STR(""));
        for (const char *p = sections[i]; *p; p++)
            put(buffer, (struct str){(const char[]){ascii_lower(*p)}, 1});
        return true;
    }
    return false;
}

static bool put_variable(struct buffer *buffer, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        if (str_is(name, variables[i].name)) {
            put(buffer, str_of(variables[i].text));
            return true;
        }
    return put_section(buffer, name);
}

static bool is_variable(struct str name)
{
    bool good = name.n > 0;
    for (size_t i = 0; i < name.n && good; i++)
        good = (name.p[i] >= 'A' && name.p[i] <= 'Z') || ascii_digit(name.p[i]) || name.p[i] == '_';
    return good;
}

/* The expression with its variables written out; p NULL: one is not known, or there is no room. */
static struct str expand(struct import *import, struct str pattern, int line)
{
    struct buffer buffer = {.p = arena_alloc(&import->arena, EXPANDED_MAX, 1)};
    char shown[64];
    if (!buffer.p) {
        import_note(import, IMPORT_WRONG, line, "out of memory");
        return (struct str){NULL, 0};
    }
    while (pattern.n > 0) {
        struct str text = str_head(pattern, str_find(pattern, '%'));
        put(&buffer, text);
        pattern = str_skip(pattern, text.n);
        struct str name = str_skip(pattern, 1);
        name = str_head(name, str_find(name, '%'));
        bool variable = pattern.n > name.n + 1 && is_variable(name);
        if (variable && !put_variable(&buffer, name)) {
            import_note(import, IMPORT_LOST, line, "the variable %%%s%% is not known",
                        text_shorten(shown, sizeof(shown), name));
            return (struct str){NULL, 0};
        }
        if (!variable)
            put(&buffer, str_head(pattern, 1));
        pattern = str_skip(pattern, variable ? name.n + 2 : 1);
    }
    if (buffer.full)
        import_note(import, IMPORT_LOST, line, "the expression is longer than %d bytes",
                    EXPANDED_MAX);
    return (struct str){buffer.full ? NULL : buffer.p, buffer.n};
}

/* "GET,HEAD" as a list until NULL; NULL: it is none. */
static const char *const *read_methods(struct import *import, struct str text)
{
    const char **out = arena_alloc(&import->arena, METHODS_MAX + 1, sizeof(*out));
    size_t count = 0;
    while (out && text.n > 0) {
        struct str one = str_head(text, str_find(text, ','));
        text = str_skip(text, one.n + 1);
        for (size_t i = 0; i < one.n; i++)
            if (one.p[i] < 'A' || one.p[i] > 'Z')
                return NULL;
        struct str copy = arena_copy(&import->arena, one);
        if (one.n == 0 || count == METHODS_MAX || !copy.p)
            return NULL;
        out[count++] = copy.p;
    }
    return count ? out : NULL;
}

static bool read_rule(struct import *import, struct import_rules *rules, struct str line,
                      int number)
{
    size_t blank = 0;
    while (blank < line.n && line.p[blank] != ' ' && line.p[blank] != '\t')
        blank++;
    struct str pattern = str_trim(str_skip(line, blank));
    struct import_rule rule = {
        .methods = read_methods(import, str_head(line, blank)), .allow = true, .line = number};
    char shown[64];
    if (!rule.methods || pattern.n == 0)
        return import_note(import, IMPORT_WRONG, number,
                           "%s is no rule: METHOD[,METHOD] and an "
                           "expression over paths",
                           text_shorten(shown, sizeof(shown), line));
    if (rules->program.rule_count == REGEXP_RULES_MAX)
        return import_note(import, IMPORT_WRONG, number, "more than %d rules are not read",
                           REGEXP_RULES_MAX);
    pattern = expand(import, pattern, number);
    if (pattern.p)
        import_rules_add_regexp(import, rules, &rule, pattern);
    return true;
}

static void read_builtin_rules(struct import *import, struct import_rules *rules)
{
    for (size_t i = 0; i < ARRAY_LEN(builtin_rules); i++)
        read_rule(import, rules, str_of(builtin_rules[i]), 0);
    import_note(import, IMPORT_TOLD, 0,
                "the rules that CetusGuard has built in let ping, version and info through; "
                "--no-builtin-rules leaves them out");
}

bool import_cetusguard(struct import *import, struct str text, bool builtin)
{
    struct import_rules *rules = import_rules_new(import, true);
    bool good = rules != NULL;
    for (int number = 1;
         text.n > 0 && rules && (good || rules->program.rule_count < REGEXP_RULES_MAX); number++) {
        struct str line = str_head(text, str_find(text, '\n'));
        text = str_skip(text, line.n + 1);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        line = str_trim(line);
        if (line.n > 0 && line.p[0] != '!' && line.p[0] != '#')
            good &= read_rule(import, rules, line, number);
    }
    if (!good)
        return false;
    if (builtin)
        read_builtin_rules(import, rules);
    struct import_role *role = import_add_role(import, STR("default"), gist, 0);
    if (!role || !import_rules_apply(import, rules, role))
        return false;
    if (role->allow[OP_ContainerCreate] || role->allow[OP_ServiceCreate])
        import_note(import, IMPORT_STRICTER, 0,
                    "bodies are judged: privileged containers, host paths, host namespaces, "
                    "devices, added capabilities and the like are refused until a key of the "
                    "policy opens them");
    return !import->wrong;
}
