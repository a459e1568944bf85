/* Sockguard's YAML: ordered rules of globs over paths, profiles with rules of their own, and who
   gets which (app/internal/config/config.go, app/internal/filter/rules.go). What narrows there and
   cannot be said here is an error, so that no policy comes out wider than its source. */
#include "import.h"

#ifdef SOCKWARDEN_YAML

#include "import_match.h"
#include "import_sockguard.h"

enum { TEXTS_MAX = 64, METHODS_MAX = 12 };

static const char *const gist = "What Sockguard's rules let through.";
static const char *const nothing = "nothing";

struct reading {
    struct import *import;
    const struct yaml_tree *root, *clients;
    bool unread; /* insecure_allow_body_blind_writes */
    bool opaque; /* insecure_accept_opaque_buildkit_tunnels */
    const struct yaml_tree *listeners;
};

static bool is_true(const struct yaml_tree *map, const char *name)
{
    bool on = false;
    return yaml_tree_switch(yaml_tree_get(map, name), &on) && on;
}

static struct str text_of(const struct yaml_tree *map, const char *name)
{
    const struct yaml_tree *node = yaml_tree_get(map, name);
    return node && node->kind == YAML_TEXT ? node->text : (struct str){NULL, 0};
}

static const struct yaml_tree *items_of(const struct yaml_tree *map, const char *name)
{
    const struct yaml_tree *list = yaml_tree_get(map, name);
    return list && list->kind == YAML_LIST ? list->child : NULL;
}

static bool wrong(const struct reading *reading, const struct yaml_tree *node, const char *why)
{
    char shown[64];
    return import_note(reading->import, IMPORT_WRONG, node->line, "%s %s",
                       text_shorten(shown, sizeof(shown), node->key), why);
}

/* ---- rules --------------------------------------------------------------------------------- */

/* "GET", "GET,HEAD" or a list of them; "*" is any, and gives NULL with *any set. */
static const char *const *methods_of(const struct reading *reading, const struct yaml_tree *node,
                                     bool *any)
{
    const char **out = arena_alloc(&reading->import->arena, METHODS_MAX + 1, sizeof(*out));
    size_t count = 0;
    *any = false;
    const struct yaml_tree *item = node && node->kind == YAML_LIST ? node->child : node;
    for (; item && out; item = node->kind == YAML_LIST ? item->next : NULL) {
        struct str rest = item->text;
        while (rest.n > 0) {
            struct str one = str_head(rest, str_find(rest, ','));
            rest = str_skip(rest, one.n + 1);
            struct str copy = arena_copy(&reading->import->arena, str_trim(one));
            char *p = arena_alloc(&reading->import->arena, copy.n + 1, 1);
            *any |= str_is(copy, "*");
            if (!copy.p || !p || count == METHODS_MAX)
                return NULL;
            for (size_t i = 0; i < copy.n; i++)
                p[i] = copy.p[i] >= 'a' && copy.p[i] <= 'z' ? (char)(copy.p[i] - 'a' + 'A')
                                                            : copy.p[i];
            out[count++] = p;
        }
    }
    return count && !*any ? out : NULL;
}

static bool read_rule(const struct reading *reading, struct import_rules *rules,
                      const struct yaml_tree *node)
{
    const struct yaml_tree *match = yaml_tree_get(node, "match");
    struct str action = text_of(node, "action"), path = text_of(match, "path");
    struct import_rule rule = {.line = node->line, .allow = str_is(action, "allow")};
    bool any;
    rule.methods = methods_of(reading, yaml_tree_get(match, "method"), &any);
    for (const struct yaml_tree *key = match ? match->child : NULL; key; key = key->next)
        if (!str_is(key->key, "method") && !str_is(key->key, "path"))
            return wrong(reading, key, "of a rule is not understood");
    if ((!rule.methods && !any) || path.n == 0 || (!rule.allow && !str_is(action, "deny")))
        return import_note(reading->import, IMPORT_WRONG, node->line,
                           "a rule wants match with method and path, and the action allow or deny");
    return import_rules_add_glob(reading->import, rules, &rule, path);
}

static bool read_rules(const struct reading *reading, const struct yaml_tree *owner,
                       struct import_role *role)
{
    struct import_rules *rules = import_rules_new(reading->import, false);
    const struct yaml_tree *list = yaml_tree_get(owner, "rules");
    if (!rules || (!yaml_tree_empty(list) && list->kind != YAML_LIST))
        return rules && wrong(reading, list, "wants a list");
    for (const struct yaml_tree *rule = items_of(owner, "rules"); rule; rule = rule->next)
        if (!read_rule(reading, rules, rule))
            return false;
    return import_rules_apply(reading->import, rules, role);
}

/* ---- roles --------------------------------------------------------------------------------- */

static void read_buildkit(const struct reading *reading, struct import_role *role)
{
    if (!role->allow[OP_Session] && !role->allow[OP_Grpc])
        return;
    if (reading->opaque) {
        import_set_key(reading->import, role, "builds", "buildkit", STR("true"));
        import_note(reading->import, IMPORT_TOLD, 0,
                    "BuildKit's tunnels are let through as there, and are not inspected");
        return;
    }
    role->allow[OP_Session] = role->allow[OP_Grpc] = false;
    import_note(reading->import, IMPORT_LOST, 0,
                "Session and Grpc: BuildKit is not mediated here, so it stays refused");
}

static void read_owner(const struct reading *reading, struct import_role *role)
{
    const struct yaml_tree *ownership = yaml_tree_get(reading->root, "ownership");
    struct str owner = text_of(ownership, "owner"), label = text_of(ownership, "label_key");
    if (owner.n == 0)
        return;
    if (str_find(owner, '$') < owner.n)
        wrong(reading, yaml_tree_get(ownership, "owner"), "of this name would mean another here");
    role->owner_label = label.n ? label : STR("com.sockguard.owner");
    role->owner_value = owner;
}

static bool is_false(const struct yaml_tree *map, const char *name)
{
    bool on = true;
    return yaml_tree_switch(yaml_tree_get(map, name), &on) && !on;
}

/* On unless switched off: by the profile, or by the whole where the profile says nothing. */
static void read_redaction(const struct reading *reading, const struct yaml_tree *owner,
                           struct import_role *role)
{
    const struct yaml_tree *response = yaml_tree_get(owner, "response");
    struct str kinds[2];
    size_t count = 0;
    if (!response)
        response = yaml_tree_get(reading->root, "response");
    if (!is_false(response, "redact_container_env"))
        kinds[count++] = STR("env");
    if (!is_false(response, "redact_mount_paths"))
        kinds[count++] = STR("binds");
    if (count > 0)
        import_set_key(reading->import, role, "responses", "redact",
                       import_list(reading->import, kinds, count));
}

/* What the answers leave out there is seen here. */
static bool read_response(const struct reading *reading, const struct yaml_tree *owner)
{
    static const char *const hiding[] = {"visible_resource_labels", "name_patterns",
                                         "image_patterns"};
    const struct yaml_tree *response = yaml_tree_get(owner, "response");
    for (size_t i = 0; i < ARRAY_LEN(hiding); i++) {
        const struct yaml_tree *node = yaml_tree_get(response, hiding[i]);
        if (!yaml_tree_empty(node))
            return wrong(reading, node,
                         "cannot be carried over, and more would be seen without it; take it out "
                         "here, and write `objects` or `owner` into the policy");
    }
    return true;
}

/* Parts of a profile, or of the whole, that are read somewhere, or are none of the policy's. */
static bool read_role(const struct reading *reading, const struct yaml_tree *owner,
                      struct import_role *role)
{
    bool profile = owner != reading->root;
    const struct yaml_tree *bodies = yaml_tree_get(owner, "request_body");
    if (!read_rules(reading, owner, role) || !read_response(reading, owner))
        return false;
    if (profile)
        sockguard_read_bodies(reading->import, role, yaml_tree_get(reading->root, "request_body"),
                              true);
    sockguard_read_bodies(reading->import, role, bodies, false);
    sockguard_close(reading->import, role, bodies, reading->unread);
    read_redaction(reading, owner, role);
    read_buildkit(reading, role);
    read_owner(reading, role);
    return true;
}

/* ---- clients ------------------------------------------------------------------------------- */

static bool is_in(const struct yaml_tree *list, struct str text)
{
    for (const struct yaml_tree *item = list; item; item = item->next)
        if (item->kind == YAML_TEXT && str_eq(item->text, text))
            return true;
    return false;
}

static struct str address_of(const struct reading *reading, const struct yaml_tree *listener)
{
    struct str socket = text_of(listener, "socket"), address = text_of(listener, "address");
    struct str parts[2] = {socket.n ? STR("unix://") : STR("tcp://"), socket.n ? socket : address};
    return arena_join(&reading->import->arena, parts, 2);
}

/* The listeners that admit the profile ("" for none), as --host has them. False: all do. */
static bool listeners_of(const struct reading *reading, struct str profile, struct str *json)
{
    struct str names[TEXTS_MAX];
    size_t count = 0;
    bool all = true;
    for (const struct yaml_tree *one = reading->listeners; one && count < TEXTS_MAX;
         one = one->next) {
        const struct yaml_tree *admitted = items_of(one, "allowed_profiles");
        bool admits = is_in(admitted, STR("*")) || (profile.n && is_in(admitted, profile));
        all &= admits;
        if (admits)
            names[count++] = address_of(reading, one);
    }
    *json = import_list(reading->import, names, count);
    return !all;
}

static struct str role_of(struct str profile)
{
    return str_is(profile, "default") ? STR("profile default") : profile;
}

/* Who has the trait gets the profile's role, where the profile is admitted; elsewhere nothing,
   since later entries are not for him either. */
static bool add_client(const struct reading *reading, const struct yaml_tree *node, const char *key,
                       struct str values, const char *second, struct str more)
{
    struct str profile = text_of(node, "profile"), listeners;
    bool bound = listeners_of(reading, profile, &listeners);
    bool known = false;
    for (const struct yaml_tree *one = items_of(reading->clients, "profiles"); one; one = one->next)
        known |= profile.n && str_eq(text_of(one, "name"), profile);
    if (!known)
        return import_note(reading->import, IMPORT_WRONG, node->line,
                           "there is no profile of that name");
    struct import_client *client =
        import_add_client(reading->import, profile, role_of(profile), node->line);
    for (int elsewhere = 0; elsewhere < (bound ? 2 : 1) && client; elsewhere++) {
        if (elsewhere)
            client = import_add_client(reading->import, STR("elsewhere"), str_of(nothing), 0);
        if (client && bound && !elsewhere)
            import_set_trait(reading->import, client, "listener", listeners);
        if (client)
            import_set_trait(reading->import, client, key, values);
        if (client && second)
            import_set_trait(reading->import, client, second, more);
    }
    return client != NULL;
}

/* Numbers as JSON; what is none is noted. */
static struct str number_list(const struct reading *reading, const struct yaml_tree *list,
                              const struct str *texts, size_t count)
{
    struct json_out out = {.p = arena_alloc(&reading->import->arena, count * 12 + 4, 1)};
    out.cap = out.p ? count * 12 + 4 : 0;
    json_out_open(&out, '[');
    for (size_t i = 0; i < count; i++) {
        int64_t number = -1;
        if (!str_to_int(texts[i], &number) || number < 0 || number > UINT32_MAX)
            wrong(reading, list, "wants numbers");
        json_out_uint(&out, (uint64_t)number & UINT32_MAX);
    }
    json_out_close(&out, ']');
    return (struct str){out.p, out.len};
}

/* A selector of ours for each of theirs; theirs that is not here is an error. */
struct selector {
    const char *theirs, *ours, *prefix;
};

static bool read_selector(const struct reading *reading, const struct yaml_tree *node,
                          const struct selector *selectors, const struct str *cidrs)
{
    const char *keys[2] = {NULL, cidrs ? "address" : NULL};
    struct str json[2] = {{NULL, 0}, cidrs ? *cidrs : (struct str){NULL, 0}};
    size_t count = 0;
    for (const struct yaml_tree *part = node->kind == YAML_MAP ? node->child : NULL; part;
         part = part->next) {
        const struct selector *row = selectors;
        struct str texts[TEXTS_MAX];
        if (str_is(part->key, "profile") || yaml_tree_empty(part))
            continue;
        while (row->theirs && !str_is(part->key, row->theirs))
            row++;
        if (!row->theirs || count == 1)
            return wrong(reading, part,
                         row->theirs ? "beside another selector is not understood"
                                     : "as a selector is not understood");
        size_t n = sockguard_texts(reading->import, part, texts, TEXTS_MAX);
        for (size_t i = 0; i < n; i++)
            texts[i] = arena_join(&reading->import->arena,
                                  (const struct str[]){str_of(row->prefix), texts[i]}, 2);
        bool numbers = strcmp(row->ours, "uid") == 0 || strcmp(row->ours, "gid") == 0;
        json[0] =
            numbers ? number_list(reading, part, texts, n) : import_list(reading->import, texts, n);
        keys[0] = row->ours;
        count++;
    }
    return count == 1 ? add_client(reading, node, keys[0], json[0], keys[1], json[1])
                      : wrong(reading, node, "an entry without a selector");
}

static bool read_selectors(const struct reading *reading, const char *list,
                           const struct selector *selectors, const struct str *cidrs)
{
    for (const struct yaml_tree *node = items_of(reading->clients, list); node; node = node->next)
        if (!read_selector(reading, node, selectors, cidrs))
            return false;
    return true;
}

static bool read_clients(const struct reading *reading, const struct str *cidrs)
{
    static const struct selector certificates[] = {
        {"common_names", "cert_cn", ""},     {"dns_names", "cert_san", "DNS:"},
        {"ip_addresses", "cert_san", "IP:"}, {"uri_sans", "cert_san", "URI:"},
        {"spiffe_ids", "cert_san", "URI:"},  {NULL, NULL, NULL}};
    static const struct selector peers[] = {
        {"uids", "uid", ""}, {"gids", "gid", ""}, {NULL, NULL, NULL}};
    static const struct selector sources[] = {{"cidrs", "address", ""}, {NULL, NULL, NULL}};
    const struct yaml_tree *labels = yaml_tree_get(reading->clients, "container_labels");
    if (is_true(labels, "enabled"))
        return wrong(reading, labels,
                     "cannot be carried over, and the policy would be wider without it; name "
                     "containers in `clients` instead");
    if (cidrs && items_of(reading->clients, "source_ip_profiles"))
        return wrong(reading, yaml_tree_get(reading->clients, "source_ip_profiles"),
                     "beside allowed_cidrs is not understood: write the addresses that both allow");
    return read_selectors(reading, "client_certificate_profiles", certificates, cidrs) &&
           read_selectors(reading, "unix_peer_profiles", peers, NULL) &&
           read_selectors(reading, "source_ip_profiles", sources, NULL);
}

/* A part of another name could narrow. */
static bool knows_parts(const struct reading *reading, const struct yaml_tree *map,
                        const char *const *names, size_t count)
{
    for (const struct yaml_tree *part = map && map->kind == YAML_MAP ? map->child : NULL; part;
         part = part->next) {
        bool known = yaml_tree_empty(part);
        for (size_t i = 0; i < count; i++)
            known |= str_is(part->key, names[i]);
        if (!known)
            return wrong(reading, part, "is not understood");
    }
    return true;
}

static const char *const profile_parts[] = {"name",   "request_body", "rules",
                                            "limits", "response",     "mode"};
static const char *const client_parts[] = {
    "allowed_cidrs", "container_labels",   "source_ip_profiles", "client_certificate_profiles",
    "profiles",      "unix_peer_profiles", "default_profile"};

static bool read_profiles(const struct reading *reading)
{
    if (!knows_parts(reading, reading->clients, client_parts, ARRAY_LEN(client_parts)))
        return false;
    for (const struct yaml_tree *node = items_of(reading->clients, "profiles"); node;
         node = node->next) {
        struct str name = text_of(node, "name");
        if (!knows_parts(reading, node, profile_parts, ARRAY_LEN(profile_parts)))
            return false;
        if (name.n == 0 || name.n > POLICY_NAME_MAX - 16 || str_is(name, nothing))
            return import_note(reading->import, IMPORT_WRONG, node->line,
                               "this profile's name is not understood");
        const struct yaml_tree *limits = yaml_tree_get(node, "limits");
        const struct yaml_tree *mode = yaml_tree_get(node, "mode");
        if (!yaml_tree_empty(limits))
            import_note(reading->import, IMPORT_LOST, limits->line,
                        "limits: write them into `limits` of the role");
        if (mode && !str_is(text_of(node, "mode"), "enforce"))
            import_note(reading->import, IMPORT_STRICTER, mode->line,
                        "mode: what this profile forbids is refused");
        struct import_role *role =
            import_add_role(reading->import, role_of(name), gist, node->line);
        if (!role || !read_role(reading, node, role))
            return false;
    }
    return true;
}

/* Who is in no entry: default_profile, else the rules of the whole. */
static bool read_others(const struct reading *reading, const struct str *cidrs)
{
    struct import *import = reading->import;
    struct str profile = text_of(reading->clients, "default_profile"), listeners;
    const struct yaml_tree *owner = reading->root;
    for (const struct yaml_tree *node = items_of(reading->clients, "profiles"); node && profile.n;
         node = node->next)
        owner = str_eq(text_of(node, "name"), profile) ? node : owner;
    if (profile.n && owner == reading->root)
        return wrong(reading, yaml_tree_get(reading->clients, "default_profile"),
                     "is the name of no profile");
    bool bound = listeners_of(reading, profile, &listeners);
    if (bound && listeners.n <= 2)
        return true; /* no listener admits them */
    struct str name = bound || cidrs ? STR("others") : STR("default");
    struct import_role *role = import_add_role(import, name, gist, 0);
    if (!role || !read_role(reading, owner, role))
        return false;
    if (!bound && !cidrs)
        return true;
    struct import_client *client = import_add_client(import, STR("others"), name, 0);
    if (client && bound)
        import_set_trait(import, client, "listener", listeners);
    if (client && cidrs)
        import_set_trait(import, client, "address", *cidrs);
    return client != NULL;
}

static bool uses_nothing(const struct import *import)
{
    for (size_t i = 0; i < import->client_count; i++)
        if (str_is(import->clients[i].role, nothing))
            return true;
    return false;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static bool read_top(const struct reading *reading)
{
    static const char *const policy[] = {"rules",
                                         "request_body",
                                         "clients",
                                         "ownership",
                                         "response",
                                         "insecure_allow_body_blind_writes",
                                         "insecure_allow_read_exfiltration",
                                         "insecure_accept_opaque_buildkit_tunnels",
                                         "listeners"};
    static const char *const command[] = {"listen",  "upstream", "log",    "health",
                                          "metrics", "admin",    "reload", "server"};
    for (const struct yaml_tree *node = reading->root->child; node; node = node->next) {
        bool ours = false, theirs = false;
        for (size_t i = 0; i < ARRAY_LEN(policy); i++)
            ours |= str_is(node->key, policy[i]);
        for (size_t i = 0; i < ARRAY_LEN(command); i++)
            theirs |= str_is(node->key, command[i]);
        if (theirs)
            import_note(reading->import, IMPORT_TOLD, node->line,
                        "%.*s: see the options of serve in sockwarden(8)", STR_ARG(node->key));
        else if (!ours && !yaml_tree_empty(node) &&
                 !(node->kind == YAML_MAP && yaml_tree_get(node, "enabled") &&
                   !is_true(node, "enabled")))
            return import_note(reading->import, IMPORT_WRONG, node->line,
                               "a part of this name is not understood");
    }
    return true;
}

static void tell_redaction(const struct reading *reading)
{
    const struct yaml_tree *response = yaml_tree_get(reading->root, "response");
    if (!is_false(response, "redact_network_topology"))
        import_note(reading->import, IMPORT_LOST, response ? response->line : 0,
                    "addresses in answers are not redacted: who may inspect sees networks");
}

bool import_sockguard(struct import *import, struct str text)
{
    struct err err = {.set = false};
    struct reading reading = {.import = import, .root = yaml_tree_read(text, &import->arena, &err)};
    struct str texts[TEXTS_MAX], cidrs = {NULL, 0};
    if (!reading.root)
        return import_note(import, IMPORT_WRONG, err.line, "%s", err.text);
    if (reading.root->kind != YAML_MAP)
        return import_note(import, IMPORT_WRONG, 1, "this is no configuration of Sockguard");
    reading.clients = yaml_tree_get(reading.root, "clients");
    reading.listeners = items_of(reading.root, "listeners");
    reading.unread = is_true(reading.root, "insecure_allow_body_blind_writes");
    reading.opaque = is_true(reading.root, "insecure_accept_opaque_buildkit_tunnels");
    size_t count =
        sockguard_texts(import, yaml_tree_get(reading.clients, "allowed_cidrs"), texts, TEXTS_MAX);
    if (count > 0)
        cidrs = import_list(import, texts, count);
    const struct str *bound = count > 0 ? &cidrs : NULL;
    if (!read_top(&reading) || !read_profiles(&reading) || !read_clients(&reading, bound) ||
        !read_others(&reading, bound))
        return false;
    if (uses_nothing(import))
        import_add_role(import, str_of(nothing), "For clients where their profile is not admitted.",
                        0);
    tell_redaction(&reading);
    return !import->wrong;
}

bool import_has_yaml(void)
{
    return true;
}

#else

bool import_sockguard(struct import *import, struct str text)
{
    (void)text;
    return import_note(import, IMPORT_WRONG, 0,
                       "this program was built without libyaml, so it reads no YAML");
}

bool import_has_yaml(void)
{
    return false;
}

#endif
