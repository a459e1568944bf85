/* Reads facts that a person has written down, or that `docker inspect` has printed; see known.h.
   Whether they are true of any daemon is not known here. */
#include "known.h"

#include <stdio.h>

enum { SHORT_ID = 12 /* digits, as docker prints them */ };

/* ---- of what kind is the output of an inspect ------------------------------------------------ */

/* An object is of the first kind whose members it all has. Secrets and configs look alike, so they
   are told by "fact" only. */
static const struct {
    enum fact_kind kind;
    const char *members[3];
} looks[] = {
    {FACT_CONTAINER, {"Id", "Config", "HostConfig"}},
    {FACT_EXEC, {"ID", "ProcessConfig", "ContainerID"}},
    {FACT_IMAGE, {"Id", "RepoTags", "RootFS"}},
    {FACT_NETWORK, {"Id", "Name", "IPAM"}},
    {FACT_VOLUME, {"Name", "Driver", "Mountpoint"}},
    {FACT_TASK, {"ID", "ServiceID", "DesiredState"}},
    {FACT_SERVICE, {"ID", "Spec", "Endpoint"}},
    {FACT_INFO, {"ID", "ServerVersion", "DefaultRuntime"}},
    {FACT_VERSION, {"Version", "ApiVersion", "KernelVersion"}},
};

static bool has_all(const struct json *json, const struct json_node *node,
                    const char *const members[3])
{
    for (size_t i = 0; i < 3; i++)
        if (!json_get(json, node, str_of(members[i])))
            return false;
    return true;
}

static bool look_kind(const struct json *json, const struct json_node *node, enum fact_kind *out)
{
    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (has_all(json, node, looks[i].members)) {
            *out = looks[i].kind;
            return true;
        }
    return false;
}

/* ---- one fact -------------------------------------------------------------------------------- */

static bool is_nameless(enum fact_kind kind)
{
    return kind == FACT_INFO || kind == FACT_VERSION;
}

/* Does what was found say which one it is? */
static bool is_self_named(const struct known_fact *fact)
{
    return fact->state == FACT_FOUND && fact->kind != FACT_HOST_PATH &&
           fact->kind != FACT_OWN_EXEC && fact->kind != FACT_SIGNATURE;
}

static bool read_kind(struct document *document, const struct json_node *node, enum fact_kind *out)
{
    if (!node)
        return false; /* said already */
    if (fact_kind_find(node->text, out))
        return true;
    struct nearest nearest = nearest_to(node->text);
    char kinds[256] = "";
    for (int kind = 0; kind < FACT_KIND_COUNT; kind++) {
        const char *name = fact_kind_name((enum fact_kind)kind);
        size_t used = strlen(kinds);
        snprintf(kinds + used, sizeof(kinds) - used, "%s%s", kind ? ", " : "", name);
        nearest_offer(&nearest, str_of(name));
    }
    char shown[64];
    return document_fault(
        document, node->offset, "there is no kind of fact \"%s\"%s%.*s%s; there are: %s",
        text_shorten(shown, sizeof(shown), node->text), nearest.best.p ? ", did you mean \"" : "",
        STR_ARG(nearest.best), nearest.best.p ? "\"" : "", kinds);
}

enum fact_key { KEY_FACT, KEY_NAME, KEY_FOUND, KEY_MISSING, KEY_FAILED, KEYS };

static bool take_keys(struct document *document, const struct json_node *node,
                      const struct json_node *given[KEYS])
{
    static const struct {
        const char *name;
        enum json_kind kind;
    } keys[KEYS] = {{"fact", JSON_STRING},
                    {"name", JSON_STRING},
                    {"found", JSON_OBJECT},
                    {"missing", JSON_STRING},
                    {"failed", JSON_STRING}};
    bool good = true;
    for (const struct json_node *m = json_child(&document->json, node); m;
         m = json_next(&document->json, m)) {
        struct nearest nearest = nearest_to(m->key);
        size_t i = 0;
        for (size_t k = 0; k < KEYS; k++)
            nearest_offer(&nearest, str_of(keys[k].name));
        while (i < KEYS && !str_is(m->key, keys[i].name))
            i++;
        if (i == KEYS)
            good = document_unknown(document, m,
                                    "a fact, which has \"fact\", \"name\" and one of \"found\", "
                                    "\"missing\" and \"failed\"",
                                    &nearest);
        else if (document_expects(document, m, keys[i].name, (int)keys[i].kind))
            given[i] = m;
        else
            good = false;
    }
    return good;
}

static bool read_state(struct document *document, const struct json_node *node,
                       const struct json_node *const given[KEYS], struct known_fact *out)
{
    const struct json_node *found = given[KEY_FOUND];
    const struct json_node *other = given[KEY_MISSING] ? given[KEY_MISSING] : given[KEY_FAILED];
    int answers = (found != NULL) + (given[KEY_MISSING] != NULL) + (given[KEY_FAILED] != NULL);
    if (answers != 1)
        return document_fault(document, node->offset,
                              "a fact has one answer: \"found\" with what an inspect shows, "
                              "\"missing\" or \"failed\" with a sentence");
    out->found = found;
    out->state = found ? FACT_FOUND : given[KEY_MISSING] ? FACT_MISSING : FACT_FAILED;
    out->text = found ? json_raw(&document->json, found) : other->text;
    if (found && out->text.n > FACT_TEXT_MAX)
        return document_fault(document, found->offset, "\"found\" is larger than %d bytes",
                              FACT_TEXT_MAX);
    return true;
}

static bool read_name(struct document *document, const struct json_node *node,
                      const struct json_node *name, struct known_fact *out)
{
    bool nameless = is_nameless(out->kind);
    out->name = name ? name->text : (struct str){NULL, 0};
    if (nameless && out->name.n > 0)
        return document_fault(document, name->offset,
                              "\"%s\" is of the whole daemon and has no "
                              "\"name\"",
                              fact_kind_name(out->kind));
    if (!nameless && out->name.n == 0 && (name || !is_self_named(out)))
        return document_fault(document, name ? name->offset : node->offset,
                              "a fact needs a \"name\": what the request calls it");
    return true;
}

static bool read_fact(struct document *document, const struct json_node *node,
                      struct known_fact *out)
{
    const struct json_node *given[KEYS] = {NULL};
    return take_keys(document, node, given) && read_kind(document, given[KEY_FACT], &out->kind) &&
           read_state(document, node, given, out) &&
           read_name(document, node, given[KEY_NAME], out);
}

static bool read_inspect(struct document *document, const struct json_node *node,
                         struct known_fact *out)
{
    if (!look_kind(&document->json, node, &out->kind))
        return document_fault(document, node->offset,
                              "this is neither a fact, which begins with \"fact\", nor what "
                              "`docker inspect` prints of a container, exec, image, network, "
                              "volume, service or task, nor `docker info` in JSON");
    out->state = FACT_FOUND;
    out->found = node;
    out->text = json_raw(&document->json, node);
    return true;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool is_told_twice(const struct known *known, const struct known_fact *fact)
{
    for (size_t i = 0; i < known->count; i++)
        if (known->items[i].kind == fact->kind && str_eq(known->items[i].name, fact->name) &&
            (fact->name.n > 0 || is_nameless(fact->kind)))
            return true;
    return false;
}

static bool take_fact(struct document *document, const struct json_node *node, struct known *out)
{
    struct known_fact fact = {.json = &document->json};
    char shown[96];
    if (!document_expects(document, node, "a fact", JSON_OBJECT))
        return false;
    bool good = json_get(&document->json, node, STR("fact")) ? read_fact(document, node, &fact)
                                                             : read_inspect(document, node, &fact);
    if (good && is_told_twice(out, &fact))
        return document_fault(document, node->offset, "%s \"%s\" is told twice",
                              fact_kind_name(fact.kind),
                              text_shorten(shown, sizeof(shown), fact.name));
    if (good)
        out->items[out->count++] = fact;
    return good;
}

bool known_read(struct document *document, const struct json_node *node, struct arena *arena,
                struct known *out)
{
    bool list = node->kind == JSON_ARRAY, good = true;
    out->count = 0;
    if (!list && node->kind != JSON_OBJECT)
        return document_fault(document, node->offset,
                              "facts are a list of objects {\"fact\": ..., \"name\": ..., "
                              "\"found\": {...}}, or what `docker inspect` prints");
    out->items = arena_alloc(arena, list ? node->count + 1 : 1, sizeof(*out->items));
    if (!out->items)
        return document_fault(document, node->offset, "out of memory");
    if (!list)
        return take_fact(document, node, out);
    for (const struct json_node *n = json_child(&document->json, node); n;
         n = json_next(&document->json, n))
        good &= take_fact(document, n, out);
    return good;
}

bool known_read_file(const char *path, struct arena *arena, struct document *document,
                     struct known *out)
{
    return document_read(path, KNOWN_FILE_MAX, arena, document) &&
           known_read(document, document->json.nodes, arena, out);
}

/* ---- names ----------------------------------------------------------------------------------- */

static struct str text_of(const struct known_fact *fact, const char *name)
{
    const struct json_node *node = json_get(fact->json, fact->found, str_of(name));
    return node && node->kind == JSON_STRING ? node->text : (struct str){NULL, 0};
}

/* A whole ID, also without "sha256:" before it, or its first digits as docker prints them. */
static bool is_id(struct str id, struct str name)
{
    struct str prefix = STR("sha256:");
    struct str digits = str_starts(id, prefix) ? str_skip(id, prefix.n) : id;
    return id.n > 0 && (str_eq(id, name) || str_eq(digits, name) ||
                        (digits.n > SHORT_ID && str_eq(str_head(digits, SHORT_ID), name)));
}

/* Does a list of references hold this one? Without a tag it means ":latest". */
static bool refers(const struct known_fact *fact, const char *list, struct str name)
{
    const struct json_node *node = json_get(fact->json, fact->found, str_of(list));
    for (const struct json_node *n = node ? json_child(fact->json, node) : NULL; n;
         n = json_next(fact->json, n))
        if (str_eq(n->text, name) ||
            (str_starts(n->text, name) && str_eq(str_skip(n->text, name.n), STR(":latest"))))
            return true;
    return false;
}

/* Is what was found called so by itself? */
static bool answers_to(const struct known_fact *fact, struct str name)
{
    struct str own = fact->found ? text_of(fact, "Name") : (struct str){NULL, 0};
    if (!fact->found || name.n == 0)
        return false;
    switch (fact->kind) {
    case FACT_CONTAINER:
        return is_id(text_of(fact, "Id"), name) || str_eq(str_skip(own, 1), name);
    case FACT_IMAGE:
        return is_id(text_of(fact, "Id"), name) || refers(fact, "RepoTags", name) ||
               refers(fact, "RepoDigests", name);
    case FACT_NETWORK:
        return is_id(text_of(fact, "Id"), name) || str_eq(own, name);
    case FACT_VOLUME:
        return str_eq(own, name);
    case FACT_EXEC:
    case FACT_TASK:
        return str_eq(text_of(fact, "ID"), name);
    case FACT_SERVICE:
    case FACT_SECRET:
    case FACT_CONFIG: {
        const struct json_node *spec = json_get(fact->json, fact->found, STR("Spec"));
        const struct json_node *called = spec ? json_get(fact->json, spec, STR("Name")) : NULL;
        return str_eq(text_of(fact, "ID"), name) || (called && str_eq(called->text, name));
    }
    default:
        return false;
    }
}

/* ---- answering ------------------------------------------------------------------------------- */

/* The name that was given counts more than the names that things have. */
static const struct known_fact *find(const struct known *known, const struct fact *wanted)
{
    for (size_t i = 0; i < known->count; i++)
        if (known->items[i].kind == wanted->kind && str_eq(known->items[i].name, wanted->name))
            return &known->items[i];
    for (size_t i = 0; i < known->count; i++)
        if (known->items[i].kind == wanted->kind && answers_to(&known->items[i], wanted->name))
            return &known->items[i];
    return NULL;
}

/* Answers that hold where nothing is given. */
static struct str usual_answer(enum fact_kind kind)
{
    return kind == FACT_HOST_PATH  ? STR("{\"State\":\"none\"}")
           : kind == FACT_OWN_EXEC ? STR("{\"Own\":true}")
                                   : (struct str){NULL, 0};
}

static bool answer_one(const struct known *known, struct fact *wanted)
{
    const struct known_fact *fact = NULL;
    for (; known && !fact; known = known->next)
        fact = find(known, wanted);
    wanted->text = fact ? fact->text : usual_answer(wanted->kind);
    wanted->state = fact ? fact->state : wanted->text.p ? FACT_FOUND : FACT_WANTED;
    return wanted->state != FACT_WANTED;
}

bool known_answer(const struct known *known, struct facts *facts)
{
    bool all = true;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].state == FACT_WANTED)
            all &= answer_one(known, &facts->items[i]);
    return all;
}
