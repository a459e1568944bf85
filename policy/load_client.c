/* `clients`: who gets which role. Each entry is checked and parsed; the roles that they name are
   there already. Which entry somebody is, client.c says. */
#include "load.h"
#include "client.h"

#include <stdio.h>
#include <stdlib.h>

/* How the values of a key are written. */
enum form { FORM_GLOB, FORM_LABEL, FORM_SAN, FORM_SPKI, FORM_ID, FORM_CIDR };

static const struct {
    const char *name;
    enum form form;
} match_keys[CLIENT_KEY_COUNT] = {
    [CLIENT_CERT_CN] = {"cert_cn", FORM_GLOB},
    [CLIENT_CERT_OU] = {"cert_ou", FORM_GLOB},
    [CLIENT_CERT_SAN] = {"cert_san", FORM_SAN},
    [CLIENT_CERT_SPKI] = {"cert_spki", FORM_SPKI},
    [CLIENT_UID] = {"uid", FORM_ID},
    [CLIENT_GID] = {"gid", FORM_ID},
    [CLIENT_ADDRESS] = {"address", FORM_CIDR},
    [CLIENT_LISTENER] = {"listener", FORM_GLOB},
    [CLIENT_CONTAINER_NAME] = {"container_name", FORM_GLOB},
    [CLIENT_CONTAINER_LABEL] = {"container_label", FORM_LABEL},
    [CLIENT_CONTAINER_IMAGE] = {"container_image", FORM_GLOB},
    [CLIENT_COMPOSE_PROJECT] = {"compose_project", FORM_GLOB},
    [CLIENT_COMPOSE_SERVICE] = {"compose_service", FORM_GLOB},
};

/* ---- values ---------------------------------------------------------------------------------- */

static bool value_error(struct loader *loader, enum client_key key, const struct json_node *node,
                        const char *why)
{
    char shown[QUOTED_MAX];
    load_error(loader, node->offset, "%s: %s %s", match_keys[key].name, quoted(shown, node->text),
               why);
    return false;
}

static struct str lower_copy(struct loader *loader, struct str text)
{
    struct str copy = arena_copy(loader->arena, text);
    char *p = (char *)copy.p; /* our own copy */
    for (size_t i = 0; p && i < copy.n; i++)
        p[i] = ascii_lower(p[i]);
    return copy;
}

static bool keep_text(struct loader *loader, struct str text, bool lower, struct str *out)
{
    *out = lower ? lower_copy(loader, text) : arena_copy(loader->arena, text);
    return out->p ? true : (load_no_memory(loader), false);
}

static bool read_san(struct loader *loader, const struct json_node *node, struct client_value *out)
{
    struct str rest = {NULL, 0};
    out->san = client_san_kind(node->text, &rest);
    if (!out->san)
        return value_error(loader, CLIENT_CERT_SAN, node,
                           "begins with none of \"DNS:\", \"URI:\", \"IP:\" and \"email:\"");
    if (rest.n == 0)
        return value_error(loader, CLIENT_CERT_SAN, node, "holds nothing behind its prefix");
    if (out->san == 'I' && !cidr_parse(rest, &out->cidr))
        return value_error(loader, CLIENT_CERT_SAN, node,
                           "is no address such as \"IP:10.1.0.7\", nor a range");
    return keep_text(loader, rest, out->san == 'D' || out->san == 'e', &out->text);
}

static bool read_spki(struct loader *loader, const struct json_node *node, struct client_value *out)
{
    enum { HEX_DIGITS = 64 };
    struct str prefix = STR("sha256:");
    bool good = node->text.n == prefix.n + HEX_DIGITS && str_starts(node->text, prefix);
    for (size_t i = prefix.n; good && i < node->text.n; i++)
        good = ascii_hex(node->text.p[i]);
    if (!good)
        return value_error(loader, CLIENT_CERT_SPKI, node, "is not \"sha256:\" and 64 hex digits");
    return keep_text(loader, node->text, true, &out->text);
}

/* "key=value", the value a glob, or "key" alone. */
static bool read_label(struct loader *loader, const struct json_node *node,
                       struct client_value *out)
{
    size_t equals = str_find(node->text, '=');
    if (equals == 0)
        return value_error(loader, CLIENT_CONTAINER_LABEL, node,
                           "names no label: write \"key\" or \"key=value\"");
    return keep_text(loader, str_head(node->text, equals), false, &out->label) &&
           (equals == node->text.n ||
            keep_text(loader, str_skip(node->text, equals + 1), false, &out->text));
}

/* The daemon's names have a slash in front that nobody writes. */
static bool read_glob(struct loader *loader, enum client_key key, const struct json_node *node,
                      struct client_value *out)
{
    if (key == CLIENT_CONTAINER_NAME && node->text.p[0] == '/')
        return value_error(loader, key, node, "can match nothing: names have no slash in front");
    return keep_text(loader, node->text, false, &out->text);
}

static bool read_text(struct loader *loader, enum client_key key, const struct json_node *node,
                      struct client_value *out)
{
    if (!load_expect(loader, node, JSON_STRING, match_keys[key].name, "text or a list of texts"))
        return false;
    if (node->text.n == 0)
        return value_error(loader, key, node, "matches nobody");
    if (node->text.n > GLOB_MAX)
        return value_error(loader, key, node, "is too long");
    switch (match_keys[key].form) {
    case FORM_LABEL:
        return read_label(loader, node, out);
    case FORM_SAN:
        return read_san(loader, node, out);
    case FORM_SPKI:
        return read_spki(loader, node, out);
    case FORM_CIDR:
        return (cidr_parse(node->text, &out->cidr) ||
                value_error(loader, key, node,
                            "is neither an address nor a range such as \"10.1.0.0/16\"")) &&
               keep_text(loader, node->text, false, &out->text);
    default:
        return read_glob(loader, key, node, out);
    }
}

/* The highest number says "none" to the kernel. */
static bool read_id(struct loader *loader, enum client_key key, const struct json_node *node,
                    struct client_value *out)
{
    int64_t value = -1;
    char shown[QUOTED_MAX];
    bool text = node->kind == JSON_NUMBER || node->kind == JSON_STRING;
    if (node->kind == JSON_NUMBER && json_int(node, &value) && value >= 0 && value < UINT32_MAX) {
        out->id = (uint32_t)value;
        return true;
    }
    load_error(loader, node->offset,
               "%s expects a number from 0 to 4294967294 or a list of them, got %s",
               match_keys[key].name, text ? quoted(shown, node->text) : kind_name(node));
    return false;
}

static bool read_value(struct loader *loader, enum client_key key, const struct json_node *node,
                       struct client_value *out)
{
    return match_keys[key].form == FORM_ID ? read_id(loader, key, node, out)
                                           : read_text(loader, key, node, out);
}

/* ---- match ----------------------------------------------------------------------------------- */

/* One value, or a list of them. */
static void read_condition(struct loader *loader, enum client_key key, const struct json_node *node,
                           struct client_condition *out)
{
    bool list = node->kind == JSON_ARRAY;
    size_t room = list ? node->count : 1;
    if (room == 0) {
        load_error(loader, node->offset, "%s: the empty list matches nobody", match_keys[key].name);
        return;
    }
    struct client_value *values = arena_alloc(loader->arena, room, sizeof *values);
    if (!values) {
        load_no_memory(loader);
        return;
    }
    out->key = key;
    out->values = values;
    const struct json_node *n = list ? json_child(loader->doc, node) : node;
    for (; n; n = list ? json_next(loader->doc, n) : NULL)
        out->count += read_value(loader, key, n, &values[out->count]);
}

static void unknown_match_key(struct loader *loader, const struct json_node *member)
{
    static const struct nearest_word words[] = {
        {"ip", "address"},
        {"user", "uid"},
        {"group", "gid"},
        {"cn", "cert_cn"},
        {"ou", "cert_ou"},
        {"host", "listener"},
        {"socket", "listener"},
        {"container", "container_name"},
        {"label", "container_label"},
        {"image", "container_image"},
        {"project", "compose_project"},
        {"service", "compose_service"},
    };
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    for (enum client_key key = 0; key < CLIENT_KEY_COUNT; key++)
        nearest_offer(&nearest, str_of(match_keys[key].name));
    nearest_offer_words(&nearest, words, ARRAY_LEN(words));
    load_error(loader, member->key_offset, "unknown key %s in the match of a client%s",
               quoted(shown, member->key), hint_of(hint, &nearest));
}

static enum client_key match_key(struct str name)
{
    enum client_key key = 0;
    while (key < CLIENT_KEY_COUNT && !str_is(name, match_keys[key].name))
        key++;
    return key;
}

static void read_match(struct loader *loader, const struct json_node *node, struct client *out)
{
    if (!load_expect(loader, node, JSON_OBJECT, "match", "an object such as {\"uid\": [1000]}"))
        return;
    struct client_condition *conditions =
        arena_alloc(loader->arena, CLIENT_KEY_COUNT, sizeof *conditions);
    if (!conditions) {
        load_no_memory(loader);
        return;
    }
    size_t keys = 0;
    out->conditions = conditions;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        if (load_description(loader, m))
            continue;
        keys++;
        enum client_key key = match_key(m->key);
        if (key == CLIENT_KEY_COUNT)
            unknown_match_key(loader, m);
        else
            read_condition(loader, key, m, &conditions[out->condition_count++]);
    }
    if (keys == 0)
        load_error(loader, node->offset,
                   "this match is empty: it would take everybody; who is matched by no entry gets "
                   "the role \"default\"");
}

/* ---- an entry -------------------------------------------------------------------------------- */

static void read_name(struct loader *loader, const struct json_node *node, struct client *out)
{
    if (!load_expect(loader, node, JSON_STRING, "the name of a client", "text"))
        return;
    const char *fault = node->text.n == 0                ? "a client needs a name"
                        : node->text.n > POLICY_NAME_MAX ? "the name of this client is too long"
                                                         : NULL;
    for (size_t i = 0; i < node->text.n && !fault; i++)
        if ((unsigned char)node->text.p[i] < 0x20 || node->text.p[i] == 0x7f)
            fault = "the name of a client holds a control character";
    if (fault) {
        load_error(loader, node->offset, "%s", fault);
        return;
    }
    out->name = arena_copy(loader->arena, node->text).p;
    if (!out->name)
        load_no_memory(loader);
}

static void read_role(struct loader *loader, const struct json_node *node, struct client *out)
{
    if (!load_expect(loader, node, JSON_STRING, "the role of a client", "the name of a role"))
        return;
    const struct draft *draft = load_want_draft(loader, node->text);
    if (draft)
        out->role = &draft->merged->role;
    else
        load_unknown_role(loader, node, "clients");
}

static void unknown_client_key(struct loader *loader, const struct json_node *member)
{
    static const char *const known[] = {"name", "match", "role", "description"};
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        nearest_offer(&nearest, str_of(known[i]));
    hint_of(hint, &nearest);
    if (!nearest.best.p && match_key(member->key) < CLIENT_KEY_COUNT)
        snprintf(hint, sizeof hint, "; it belongs into \"match\"");
    load_error(loader, member->key_offset, "unknown key %s in an entry of clients%s",
               quoted(shown, member->key), hint);
}

static void read_client(struct loader *loader, const struct json_node *node, struct client *out)
{
    static const struct {
        const char *name;
        void (*read)(struct loader *loader, const struct json_node *node, struct client *out);
    } keys[] = {{"name", read_name}, {"match", read_match}, {"role", read_role}};
    if (!load_expect(loader, node, JSON_OBJECT, "an entry of clients", "an object"))
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        size_t i = 0;
        while (i < ARRAY_LEN(keys) && !str_is(m->key, keys[i].name))
            i++;
        if (i < ARRAY_LEN(keys))
            keys[i].read(loader, m, out);
        else if (!load_description(loader, m))
            unknown_client_key(loader, m);
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!json_get(loader->doc, node, str_of(keys[i].name)))
            load_error(loader, node->offset, "an entry of clients lacks its \"%s\"", keys[i].name);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int load_node_order(const void *a, const void *b)
{
    const struct json_node *x = *(const struct json_node *const *)a;
    const struct json_node *y = *(const struct json_node *const *)b;
    size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
    int order = n ? memcmp(x->text.p, y->text.p, n) : 0;
    if (order == 0)
        order = (x->text.n > y->text.n) - (x->text.n < y->text.n);
    if (order == 0)
        order = (x->kind > y->kind) - (x->kind < y->kind);
    return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

static void check_names_differ(struct loader *loader, const struct json_node *clients)
{
    size_t count = 0;
    const struct json_node **names =
        arena_alloc(&loader->scratch, clients->count ? clients->count : 1, sizeof(void *));
    if (!names) {
        load_no_memory(loader);
        return;
    }
    for (const struct json_node *n = json_child(loader->doc, clients); n;
         n = json_next(loader->doc, n)) {
        const struct json_node *name = json_get(loader->doc, n, STR("name"));
        if (name && name->kind == JSON_STRING)
            names[count++] = name;
    }
    qsort(names, count, sizeof(void *), load_node_order);
    char shown[QUOTED_MAX];
    for (size_t i = 1; i < count; i++)
        if (str_eq(names[i]->text, names[i - 1]->text))
            load_error(loader, names[i]->offset, "there is a client %s already",
                       quoted(shown, names[i]->text));
}

void load_clients(struct loader *loader, const struct json *doc, const struct json_node *clients,
                  struct policy *policy)
{
    loader->doc = doc;
    loader->builtin = NULL;
    if (!load_expect(loader, clients, JSON_ARRAY, "clients", "a list of objects"))
        return;
    struct client *items =
        arena_alloc(loader->arena, clients->count ? clients->count : 1, sizeof *items);
    if (!items) {
        load_no_memory(loader);
        return;
    }
    policy->clients = items;
    for (const struct json_node *n = json_child(doc, clients); n; n = json_next(doc, n))
        read_client(loader, n, &items[policy->client_count++]);
    if (!client_index_new(items, policy->client_count, loader->arena, &policy->client_index))
        load_no_memory(loader);
    policy->asks_container = policy_needs_container(policy, NULL);
    check_names_differ(loader, clients);
}
