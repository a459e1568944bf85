/* What a decision may ask for, and how the answers are read; see facts.h. Nothing is looked up
   here: who asks for the decision does that. */
#include "facts.h"

#include "checks.h"

#include <stdio.h>

enum {
    BYTE_COST = 4,  /* units of work to read one byte of an answer, were it escaped */
    NODE_COST = 50, /* and to keep one value of it */
};

static const char *const kind_names[FACT_KIND_COUNT] = {
    [FACT_VOLUME_MADE] = "volume_made",
    [FACT_CONTAINER] = "container",
    [FACT_EXEC] = "exec",
    [FACT_VOLUME] = "volume",
    [FACT_NETWORK] = "network",
    [FACT_IMAGE] = "image",
    [FACT_SERVICE] = "service",
    [FACT_TASK] = "task",
    [FACT_SECRET] = "secret",
    [FACT_CONFIG] = "config",
    [FACT_INFO] = "info",
    [FACT_VERSION] = "version",
    [FACT_HOST_PATH] = "host_path",
    [FACT_OWN_EXEC] = "own_exec",
    [FACT_SIGNATURE] = "signature",
};

const char *fact_kind_name(enum fact_kind kind)
{
    return kind_names[kind];
}

bool fact_kind_find(struct str name, enum fact_kind *out)
{
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
        if (str_is(name, kind_names[i])) {
            *out = (enum fact_kind)i;
            return true;
        }
    return false;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* A pinned request names by full ID what was asked by name. */
static struct fact *find(struct facts *facts, enum fact_kind kind, struct str name)
{
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->kind == kind &&
            (str_eq(fact->name, name) || (fact->id.n > 0 && str_eq(fact->id, name))))
            return fact;
    }
    return NULL;
}

const struct fact *check_fact(const struct check *check, enum fact_kind kind, struct str name)
{
    return check->facts ? find(check->facts, kind, name) : NULL;
}

static enum look ask(struct check *check, enum fact_kind kind, struct str name, struct str body)
{
    struct facts *facts = check->facts;
    check->waits = true;
    if (!facts)
        return LOOK_WAIT;
    if (facts->count == FACTS_MAX || name.n > FACT_NAME_MAX) {
        SHOWN(shown, name);
        refuse_plain(check, name, NULL, NULL,
                     "needs a look at %s \"%s\" and at more objects than the %d that one request "
                     "may name",
                     fact_kind_name(kind), shown, FACTS_MAX);
        return LOOK_REFUSED;
    }
    struct str copy = arena_copy(facts->arena, name);
    if (!copy.p) {
        refuse_plain(check, name, NULL, NULL, "cannot be judged: out of memory");
        return LOOK_REFUSED;
    }
    facts->items[facts->count++] = (struct fact){.kind = kind, .name = copy, .body = body};
    return LOOK_WAIT;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Where an object's answer says which one it is. */
static const char *const id_members[FACT_KIND_COUNT] = {
    [FACT_VOLUME_MADE] = "Name", [FACT_CONTAINER] = "Id", [FACT_EXEC] = "ID",
    [FACT_VOLUME] = "Name",      [FACT_NETWORK] = "Id",   [FACT_IMAGE] = "Id",
    [FACT_SERVICE] = "ID",       [FACT_TASK] = "ID",      [FACT_SECRET] = "ID",
    [FACT_CONFIG] = "ID",
};

bool check_scanned(struct check *check, const struct json *doc)
{
    return check_spend(check, doc->source.n * BYTE_COST) &&
           check_spend(check, doc->count * NODE_COST);
}

static enum look unreadable(struct check *check, const struct fact *fact, const char *why)
{
    SHOWN(shown, fact->name);
    refuse_plain(check, fact->name, NULL, NULL, "needs a look at %s \"%s\", which failed: %s",
                 fact_kind_name(fact->kind), shown, why);
    return LOOK_REFUSED;
}

bool check_scan(struct check *check, struct str text, struct json *doc)
{
    struct err err = {0};
    return check_spend(check, text.n * BYTE_COST) && json_scan(text, check->arena, doc, &err) &&
           doc->count > 0 && doc->nodes[0].kind == JSON_OBJECT &&
           check_spend(check, doc->count * NODE_COST);
}

/* Kept for whoever judges the same request once more; NULL: the fact is too new. */
static struct answer *kept_answer(const struct check *check, const struct fact *fact)
{
    size_t at = (size_t)(fact - check->facts->items);
    if (at >= check->read->answer_count)
        return NULL;
    struct answer *answer = &check->read->answers[at];
    if (answer->of.p != fact->text.p || answer->of.n != fact->text.n)
        *answer = (struct answer){.of = fact->text};
    return answer;
}

static bool answer_scan(struct check *check, struct answer *answer, struct str text,
                        struct json *doc)
{
    if (answer && answer->doc.nodes) {
        *doc = answer->doc;
        return check_scanned(check, doc);
    }
    if (!check_scan(check, text, doc))
        return false;
    if (answer)
        answer->doc = *doc;
    return true;
}

static enum look read_answer(struct check *check, struct fact *fact, struct found *found)
{
    struct looked *looked = &check->looked[fact - check->facts->items];
    found->fact = fact;
    found->looked = looked;
    found->answer = kept_answer(check, fact);
    if (looked->doc.nodes) {
        found->doc = looked->doc;
        return LOOK_FOUND;
    }
    if (!answer_scan(check, found->answer, fact->text, &found->doc))
        return unreadable(check, fact, "the answer is not a JSON object");
    looked->doc = found->doc;
    if (!id_members[fact->kind])
        return LOOK_FOUND;
    struct str id = fact_text(found, id_members[fact->kind]);
    if (id.n == 0)
        return unreadable(check, fact, "the answer does not say which object it is about");
    /* Without escapes it is a slice of the answer, which lives as long as the fact. */
    if (id.p >= fact->text.p && id.p < fact->text.p + fact->text.n)
        fact->id = id;
    return fact->id.p ? LOOK_FOUND : unreadable(check, fact, "the answer's ID is escaped");
}

static enum look look_at(struct check *check, enum fact_kind kind, struct str name, struct str body,
                         struct found *found)
{
    struct fact *fact = check->facts ? find(check->facts, kind, name) : NULL;
    if (!fact)
        return ask(check, kind, name, body);
    switch (fact->state) {
    case FACT_WANTED:
        check->waits = true;
        return LOOK_WAIT;
    case FACT_FOUND:
        return read_answer(check, fact, found);
    case FACT_MISSING:
        return LOOK_MISSING;
    case FACT_FAILED:
        break;
    }
    char why[VALUE_MAX * 2];
    text_shorten(why, sizeof(why), fact->text);
    return unreadable(check, fact, why);
}

enum look check_look(struct check *check, enum fact_kind kind, struct str name, struct found *found)
{
    return look_at(check, kind, name, (struct str){NULL, 0}, found);
}

enum look check_make(struct check *check, enum fact_kind kind, struct str name, struct str body,
                     struct found *found)
{
    return look_at(check, kind, name, body, found);
}

size_t check_depth(const struct check *check)
{
    size_t depth = 0;
    for (; check->outer; check = check->outer)
        depth++;
    return depth;
}

bool passed_before(struct check *check, const struct passed *passed)
{
    if (!passed->role || passed->role != check->role || check->update ||
        passed->depth != check_depth(check))
        return false;
    check->waits |= passed->waits;
    return true;
}

void passed_note(const struct check *check, bool waits, struct passed *passed)
{
    *passed = (struct passed){
        .role = check->update ? NULL : check->role, .depth = check_depth(check), .waits = waits};
}

void facts_make_last(struct facts *facts)
{
    bool others = false;
    size_t kept = 0;
    for (size_t i = 0; facts && i < facts->count; i++)
        others = others || (facts->items[i].state == FACT_WANTED && !facts->items[i].body.p);
    for (size_t i = 0; others && i < facts->count; i++)
        if (facts->items[i].state != FACT_WANTED || !facts->items[i].body.p)
            facts->items[kept++] = facts->items[i];
    if (others)
        facts->count = kept;
}

const struct json_node *fact_at(const struct found *found, const char *path)
{
    const struct json_node *node = found->doc.nodes;
    struct str rest = str_of(path);
    while (node && rest.n > 0) {
        struct str name = str_head(rest, str_find(rest, '.'));
        rest = str_skip(rest, name.n + 1);
        node = json_get(&found->doc, node, name);
    }
    return node;
}

struct str fact_text(const struct found *found, const char *path)
{
    const struct json_node *node = fact_at(found, path);
    return node && node->kind == JSON_STRING ? node->text : (struct str){NULL, 0};
}

struct str name_as_asked(const struct check *check, enum fact_kind kind, struct str value)
{
    const struct facts *facts = check->facts;
    for (size_t i = 0; facts && i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == kind && fact->id.n > 0 && str_eq(fact->id, value))
            return fact->name;
    }
    return value;
}

/* ---- what is not there ----------------------------------------------------------------------- */

/* dockerd's sentences; clients look for "No such" and "not found" in them. */
// clang-format off
static const struct {
    const char *before, *behind;
} missing_words[FACT_KIND_COUNT] = {
    [FACT_CONTAINER] = {"No such container: ", ""},
    [FACT_EXEC] = {"No such exec instance: ", ""},
    [FACT_VOLUME] = {"get ", ": no such volume"},
    [FACT_VOLUME_MADE] = {"get ", ": no such volume"},
    [FACT_NETWORK] = {"network ", " not found"},
    [FACT_IMAGE] = {"No such image: ", ""},
    [FACT_SERVICE] = {"service ", " not found"},
    [FACT_TASK] = {"task ", " not found"},
    [FACT_SECRET] = {"secret ", " not found"},
    [FACT_CONFIG] = {"config ", " not found"},
};
// clang-format on

enum finding refuse_missing(struct check *check, enum fact_kind kind, struct str name)
{
    struct decision *decision = check->decision;
    if (decision->status != 0)
        return FINDING_REFUSE;
    const struct fact *fact = check->facts ? find(check->facts, kind, name) : NULL;
    const char *before = missing_words[kind].before;
    decision->verdict = VERDICT_DENY;
    /* To a create docker takes 404 for a missing image, and pulls it; the daemon itself tells of a
       missing network only at the start. */
    bool create = check->request->route->op == OP_ContainerCreate && kind == FACT_NETWORK;
    decision->status = create ? 409 : 404;
    text_shorten(decision->value, sizeof(decision->value), name);
    if (fact && fact->state == FACT_MISSING && fact->text.n > 0) {
        text_shorten(decision->reason, sizeof(decision->reason), fact->text);
        return FINDING_REFUSE;
    }
    SHOWN(shown, name);
    snprintf(decision->reason, sizeof(decision->reason), "%s%s%s", before ? before : "", shown,
             before ? missing_words[kind].behind : "not found");
    return FINDING_REFUSE;
}
