/* The gate of images.signed. What runs is judged by its ID, since anybody who may tag, load, import
   or build can put any content under any local name; what is pulled, by the digest that its tag
   stands for. Who signed what is a fact (FACT_SIGNATURE), which others verify; here it is only
   compared with what the daemon says. */
#include "checks.h"

#include "existing.h"
#include "signed.h"

#include <stdio.h>

enum { NAME_COST = 200 /* units of work to read one name of an image */ };

/* One image on its way through the gate. */
struct gate {
    struct check *check;
    struct str asked; /* the reference */
    struct str id;    /* full ID of what it is here */
    struct found found;
    bool there;                       /* found is */
    bool failed;                      /* somebody could not be asked */
    const struct signed_entry *entry; /* that has refused it; NULL: none yet */
    struct str text;                  /* why */
    struct signed_note note;          /* likewise; its reason is empty while nobody has refused */
};

/* What an entry says of an image. */
enum gate_says { GATE_REFUSES, GATE_WAITS, GATE_PASSES };

/* ---- small things ---------------------------------------------------------------------------- */

static const struct signed_entry *entry_for(const struct check *check, struct str repository)
{
    const struct entries *list = &check_key(check, KEY_IMAGES_SIGNED)->allow;
    for (size_t i = 0; i < list->count; i++)
        if (entry_matches(&list->items[i], repository, false, check->work))
            return list->items[i].signature;
    return NULL;
}

static bool is_listed(const struct check *check, const struct str *list, size_t count,
                      struct str text)
{
    for (size_t i = 0; i < count && check_spend(check, LISTED_COST); i++)
        if (str_eq(list[i], text))
            return true;
    return false;
}

static void write_word(char *dst, size_t cap, struct str text)
{
    text_shorten(dst, cap, text);
}

static void note_pass(struct check *check, struct str digest, struct str key, struct str format)
{
    struct signed_note *note = &check->decision->signature;
    *note = (struct signed_note){.reason = "ok"};
    write_word(note->digest, sizeof(note->digest), digest);
    write_word(note->key, sizeof(note->key), key);
    write_word(note->format, sizeof(note->format), format);
}

static void note_answer(struct check *check, const struct signed_answer *answer)
{
    note_pass(check, fact_text(&answer->found, "Digest"), fact_text(&answer->found, "Key"),
              fact_text(&answer->found, "Format"));
}

/* ---- refusing -------------------------------------------------------------------------------- */

/* The first reason stays, but that nothing was found gives way to more. False: it stays. */
static bool blame(struct gate *gate, const struct signed_entry *entry, struct str reason,
                  struct str text, struct str digest)
{
    struct signed_note *note = &gate->note;
    if (note->reason[0] && strcmp(note->reason, "no_signature") != 0 &&
        strcmp(note->reason, "id_unknown") != 0)
        return false;
    *note = (struct signed_note){.key = ""};
    write_word(note->reason, sizeof(note->reason), reason.n > 0 ? reason : STR("no_signature"));
    write_word(note->digest, sizeof(note->digest), digest);
    gate->entry = entry;
    gate->text = text;
    return true;
}

static void blame_answer(struct gate *gate, const struct signed_entry *entry,
                         const struct signed_answer *answer, struct str digest)
{
    struct str reason = fact_text(&answer->found, "Reason");
    if (blame(gate, entry, reason, fact_text(&answer->found, "Text"), digest))
        write_word(gate->note.key, sizeof(gate->note.key), fact_text(&answer->found, "Key"));
}

/* Nobody could be asked: another try may pass. */
static void blame_failed(struct gate *gate, const struct signed_entry *entry, struct str repository,
                         const char *separator, struct str what)
{
    const struct str parts[] = {repository, str_of(separator), what};
    struct str name = arena_join(gate->check->arena, parts, ARRAY_LEN(parts));
    const struct fact *fact =
        name.p ? check_fact(gate->check, FACT_SIGNATURE, name) : (const struct fact *)NULL;
    gate->failed = true;
    gate->note.reason[0] = '\0'; /* this one is told */
    bool told = fact && fact->state == FACT_FAILED && fact->text.n > 0;
    blame(gate, entry, STR("not_asked"), told ? fact->text : STR("it cannot be told now"),
          separator[0] == '@' ? what : STR(""));
}

static enum finding gate_refuses(struct gate *gate)
{
    struct check *check = gate->check;
    struct decision *decision = check->decision;
    char text[REASON_MAX / 2], entry[VALUE_MAX + 48] = "images.signed";
    const char *digest = gate->note.digest;
    SHOWN(shown, gate->asked);
    if (decision->status != 0)
        return FINDING_REFUSE;
    if (gate->entry) {
        SHOWN(match, gate->entry->match);
        snprintf(entry, sizeof(entry), "images.signed[%zu] (\"%s\")", gate->entry->index, match);
    }
    decision->signature = gate->note;
    text_sentence(text, sizeof(text), gate->text);
    refuse_with(check, KEY_IMAGES_SIGNED, gate->asked, NULL,
                "names the image \"%s\"%s%s%s, which %s refuses: %s%s%s", shown,
                digest[0] ? " (" : "", digest, digest[0] ? ")" : "", entry, gate->note.reason,
                text[0] ? ": " : "", text);
    if (gate->failed && decision->status == 403)
        decision->status = 503;
    return FINDING_REFUSE;
}

/* ---- what is here, by its ID ----------------------------------------------------------------- */

/* Goes through the names of one list of the image; out gets the next one that is a name. */
static const struct json_node *next_name(struct gate *gate, const char *list,
                                         const struct json_node *before, struct image_ref *out)
{
    const struct json_node *names = gate->there ? fact_at(&gate->found, list) : NULL;
    const struct json_node *n = before  ? json_next(&gate->found.doc, before)
                                : names ? json_child(&gate->found.doc, names)
                                        : NULL;
    while (n && check_spend(gate->check, NAME_COST + n->text.n)) {
        if (image_parse(n->text, gate->check->arena, out))
            return n;
        n = json_next(&gate->found.doc, n);
    }
    return NULL;
}

/* Containerd's image store says "driver-type" of itself; the older ones say other things, or
   nothing. https://docs.docker.com/engine/storage/containerd/ */
static bool store_is_containerd(const struct check *check, const struct found *info)
{
    const struct json_node *status = fact_at(info, "DriverStatus");
    for (const struct json_node *row = status ? json_child(&info->doc, status) : NULL;
         row && check_spend(check, LISTED_COST); row = json_next(&info->doc, row)) {
        const struct json_node *name = row->kind == JSON_ARRAY ? json_child(&info->doc, row) : NULL;
        if (name && str_is(name->text, "driver-type"))
            return true;
    }
    return false;
}

/* Has the image been pulled or pushed by this digest of the daemon's list? Nothing else writes the
   list of the older stores. Containerd's makes it of names, and whoever may load an archive can
   name any image NAME@DIGEST; but there the ID is the digest.
   https://github.com/moby/moby/blob/master/daemon/containerd/image_inspect.go */
static enum gate_says digest_holds(struct gate *gate, const struct signed_entry *entry,
                                   struct str digest)
{
    struct found info;
    if (str_eq(digest, gate->id))
        return GATE_PASSES;
    enum look look = check_look(gate->check, FACT_INFO, STR(""), &info);
    if (look == LOOK_WAIT)
        return GATE_WAITS;
    if (look != LOOK_FOUND || fact_text(&info, "Driver").n == 0) {
        gate->failed = true;
        gate->note.reason[0] = '\0'; /* this one is told */
        blame(gate, entry, STR("not_asked"), STR("the daemon does not tell of its image store"),
              digest);
        return GATE_REFUSES;
    }
    if (!store_is_containerd(gate->check, &info))
        return GATE_PASSES;
    blame(gate, entry, STR("id_mismatch"),
          STR("an image of containerd's store has the ID of its digest, and this one has another"),
          digest);
    return GATE_REFUSES;
}

static enum gate_says lists_pass(struct gate *gate, const struct signed_entry *entry)
{
    struct check *check = gate->check;
    struct image_ref ref;
    bool by_digest = is_listed(check, entry->digests, entry->digest_count, gate->id);
    if (by_digest || is_listed(check, entry->ids, entry->id_count, gate->id)) {
        note_pass(check, gate->id, STR(""), by_digest ? STR("digests") : STR("ids"));
        return GATE_PASSES;
    }
    if (entry->digest_count == 0)
        return GATE_REFUSES;
    for (const struct json_node *n = next_name(gate, "RepoDigests", NULL, &ref); n;
         n = next_name(gate, "RepoDigests", n, &ref)) {
        if (!is_listed(check, entry->digests, entry->digest_count, ref.digest))
            continue;
        enum gate_says says = digest_holds(gate, entry, ref.digest);
        if (says == GATE_PASSES)
            note_pass(check, ref.digest, STR(""), STR("digests"));
        return says; /* what is told of one holds for all of them */
    }
    return GATE_REFUSES;
}

/* Is the ID known to be that of a signed image? */
static enum gate_says ask_id(struct gate *gate, const struct signed_entry *entry,
                             struct str repository)
{
    struct signed_answer answer;
    switch (ask_signature(gate->check, repository, "#", gate->id, &answer)) {
    case ASKED_WAITS:
        return GATE_WAITS;
    case ASKED_FAILED:
        blame_failed(gate, entry, repository, "#", gate->id);
        return GATE_REFUSES;
    case ASKED_ANSWERED:
        break;
    }
    if (!answer.is_signed) { /* the ID stands in the question */
        blame_answer(gate, entry, &answer, STR(""));
        return GATE_REFUSES;
    }
    note_answer(gate->check, &answer);
    return GATE_PASSES;
}

static enum gate_says ask_digest(struct gate *gate, const struct signed_entry *entry,
                                 const struct image_ref *ref)
{
    struct signed_answer answer;
    switch (ask_signature(gate->check, ref->name, "@", ref->digest, &answer)) {
    case ASKED_WAITS:
        return GATE_WAITS;
    case ASKED_FAILED:
        blame_failed(gate, entry, ref->name, "@", ref->digest);
        return GATE_REFUSES;
    case ASKED_ANSWERED:
        break;
    }
    if (!answer.is_signed) {
        blame_answer(gate, entry, &answer, ref->digest);
        return GATE_REFUSES;
    }
    enum gate_says says = GATE_PASSES;
    if (!answer_has_id(gate->check, &answer, gate->id)) {
        says = answer_unmapped(&answer) ? digest_holds(gate, entry, ref->digest) : GATE_REFUSES;
        if (says == GATE_REFUSES)
            blame(gate, entry, STR("id_mismatch"),
                  STR("the signed image of that digest is another one than the daemon has by it"),
                  ref->digest);
    }
    if (says == GATE_PASSES)
        note_answer(gate->check, &answer);
    return says;
}

/* The digests that the daemon has for it from repositories of the entry. */
static enum gate_says ask_digests(struct gate *gate, const struct signed_entry *entry)
{
    enum gate_says says = GATE_REFUSES;
    struct image_ref ref;
    size_t asked = 0;
    for (const struct json_node *n = next_name(gate, "RepoDigests", NULL, &ref);
         n && asked < SIGNED_LOOKS_MAX && says != GATE_PASSES;
         n = next_name(gate, "RepoDigests", n, &ref)) {
        if (ref.digest.n == 0 || entry_for(gate->check, ref.name) != entry)
            continue;
        enum gate_says one = ask_digest(gate, entry, &ref);
        says = one > says ? one : says;
        asked++;
    }
    if (asked == 0)
        blame(
            gate, entry, STR("no_digest"),
            STR("the daemon has no digest of it from a repository of the entry, as it has of what "
                "was pulled from there; pull it, or list its ID in \"ids\""),
            STR(""));
    return says;
}

static enum gate_says gate_entry(struct gate *gate, const struct signed_entry *entry,
                                 struct str repository)
{
    enum gate_says listed = lists_pass(gate, entry);
    if (listed != GATE_REFUSES || gate->failed)
        return listed;
    if (entry->formats == 0 || repository.n == 0) {
        blame(gate, entry, STR("not_listed"),
              STR("neither its ID nor a digest that the daemon has for it is in the entry"),
              STR(""));
        return GATE_REFUSES;
    }
    enum gate_says says = ask_id(gate, entry, repository);
    return says == GATE_REFUSES && !gate->failed ? ask_digests(gate, entry) : says;
}

/* ---- named by an ID -------------------------------------------------------------------------- */

/* Without a name it is of no repository: an entry for all of them is meant, however it is written;
   the second one is nobody's name. */
static const struct signed_entry *entry_for_nameless(const struct check *check)
{
    const struct signed_entry *entry = entry_for(check, STR(""));
    return entry ? entry : entry_for(check, STR("nameless.invalid/image"));
}

/* It may run under any of its names that the rules of names let pass. */
static enum gate_says gate_names(struct gate *gate)
{
    static const char *const lists[] = {"RepoTags", "RepoDigests"};
    struct str judged[SIGNED_LOOKS_MAX];
    size_t count = 0, names = 0;
    bool restricts = images_restrict(gate->check->role);
    enum gate_says says = GATE_REFUSES;
    struct image_ref ref;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (const struct json_node *n = next_name(gate, lists[i], NULL, &ref);
             n && count < ARRAY_LEN(judged) && says != GATE_PASSES;
             n = next_name(gate, lists[i], n, &ref)) {
            if (restricts && !image_name_passes(gate->check, n->text))
                continue;
            names++;
            if (is_listed(gate->check, judged, count, ref.name))
                continue;
            judged[count++] = ref.name;
            const struct signed_entry *entry = entry_for(gate->check, ref.name);
            enum gate_says one = entry ? gate_entry(gate, entry, ref.name) : GATE_PASSES;
            says = one > says ? one : says;
        }
    if (names > 0)
        return says;
    const struct signed_entry *all = entry_for_nameless(gate->check);
    if (all)
        return gate_entry(gate, all, STR(""));
    if (gate->there)
        return GATE_PASSES;
    blame(gate, NULL, STR("no_image"),
          STR("the daemon has that image no more, so nothing tells which names it had"), STR(""));
    return GATE_REFUSES;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* What the daemon has by that name. PASS: go on, or wait (*waits). */
static enum finding look_at_image(struct gate *gate, struct str name, bool made, bool *waits)
{
    struct check *check = gate->check;
    *waits = false;
    switch (check_look(check, FACT_IMAGE, name, &gate->found)) {
    case LOOK_WAIT:
        *waits = true;
        return FINDING_PASS;
    case LOOK_MISSING:
        gate->id = name;
        return made ? FINDING_PASS : refuse_missing(check, FACT_IMAGE, name);
    case LOOK_REFUSED:
        return FINDING_REFUSE;
    case LOOK_FOUND:
        break;
    }
    gate->there = true;
    gate->id = gate->found.fact->id;
    return FINDING_PASS;
}

static enum finding refuse_unknown(struct gate *gate, const struct signed_entry *entry,
                                   const char *reason, const char *text)
{
    blame(gate, entry, str_of(reason), str_of(text), STR(""));
    return gate_refuses(gate);
}

/* entry NULL: named by ID. */
static enum finding judge_here(struct gate *gate, const struct signed_entry *entry,
                               struct str repository, struct str made_of)
{
    struct check *check = gate->check;
    bool waits;
    bool made = check_is_existing(check);
    if (made && made_of.n == 0)
        made_of = gate->asked;
    if (made && !is_sha256(made_of))
        return refuse_unknown(gate, entry, "no_id",
                              "what an existing container has of it is told by a name, which may "
                              "stand for something else by now; make the container anew");
    if (look_at_image(gate, made ? made_of : gate->asked, made, &waits) != FINDING_PASS)
        return FINDING_REFUSE;
    if (waits)
        return FINDING_PASS;
    if (!is_sha256(gate->id))
        return refuse_unknown(gate, entry, "no_id", "the daemon does not tell its full ID");
    enum gate_says says = entry ? gate_entry(gate, entry, repository) : gate_names(gate);
    if (check->decision->status != 0)
        return FINDING_REFUSE; /* a look has failed, or the bounds are reached */
    if (says == GATE_WAITS)
        return FINDING_PASS;
    return says == GATE_PASSES ? pin_text(check, STR(""), gate->id, STR("")) : gate_refuses(gate);
}

/* A digest by the lists, or asked for. *digest: what it stands for, where it passes. */
static enum gate_says gate_resolves(struct gate *gate, const struct signed_entry *entry,
                                    const struct image_ref *ref, struct str tag,
                                    struct signed_answer *answer, struct str *digest)
{
    bool by_digest = ref->digest.n > 0;
    struct check *check = gate->check;
    *answer = (struct signed_answer){.is_signed = false};
    *digest = ref->digest;
    if (by_digest && is_listed(check, entry->digests, entry->digest_count, ref->digest)) {
        note_pass(check, ref->digest, STR(""), STR("digests"));
        return GATE_PASSES;
    }
    if (entry->formats == 0) {
        blame(gate, entry, STR("not_listed"),
              entry->digest_count == 0 ? STR("the entry takes no signatures and lists no digests")
              : by_digest              ? STR("the digest is none of those in the entry")
                          : STR("the entry lists digests; name the image by one of them, as "
                                "NAME@sha256:..."),
              ref->digest);
        return GATE_REFUSES;
    }
    const char *separator = by_digest ? "@" : ":";
    struct str what = by_digest ? ref->digest : tag;
    switch (ask_signature(check, ref->name, separator, what, answer)) {
    case ASKED_WAITS:
        return GATE_WAITS;
    case ASKED_FAILED:
        blame_failed(gate, entry, ref->name, separator, what);
        return GATE_REFUSES;
    case ASKED_ANSWERED:
        break;
    }
    struct str found = fact_text(&answer->found, "Digest");
    if (!by_digest && is_listed(check, entry->digests, entry->digest_count, found)) {
        note_pass(check, found, STR(""), STR("digests"));
        *digest = found;
        return GATE_PASSES;
    }
    if (!answer->is_signed) {
        blame_answer(gate, entry, answer, found.n > 0 ? found : ref->digest);
        return GATE_REFUSES;
    }
    note_answer(check, answer);
    *digest = found;
    return GATE_PASSES;
}

/* Nodes pull what a service names: by the digest they all get the same. It stays as it is written,
   and gets the digest behind it. */
static enum finding pin_digest(struct check *check, struct str digest)
{
    struct image_ref ref;
    struct str written = check->at->text;
    written = str_head(written, str_find(written, '@'));
    bool bare = !image_parse(written, check->arena, &ref) || ref.tag.n == 0;
    const struct str parts[] = {written, bare ? STR(":latest") : STR(""), STR("@")};
    struct str before = arena_join(check->arena, parts, ARRAY_LEN(parts));
    return before.p ? pin_text(check, before, digest, STR("")) : FINDING_UNSURE;
}

static enum finding judge_service(struct gate *gate, const struct signed_entry *entry,
                                  const struct image_ref *ref)
{
    struct signed_answer answer;
    struct str digest;
    switch (gate_resolves(gate, entry, ref, ref->tag, &answer, &digest)) {
    case GATE_REFUSES:
        return gate_refuses(gate);
    case GATE_WAITS:
        return FINDING_PASS;
    case GATE_PASSES:
        break;
    }
    return ref->digest.n > 0 ? FINDING_PASS : pin_digest(gate->check, digest);
}

struct str signed_reference(struct check *check, struct str reference)
{
    struct image_ref ref;
    struct signed_answer answer;
    if (!role_has_signed(check->role) || image_is_id(reference) ||
        !image_parse(reference, check->arena, &ref) || !entry_for(check, ref.name))
        return reference;
    if (ref.digest.n > 0 && find_by_digest(check, ref.name, ref.digest, &answer))
        return answer.found.fact->name;
    bool bare = ref.tag.n == 0 && ref.digest.n == 0;
    if (bare && !check_is_service(check))
        return reference; /* every tag is meant */
    const struct str parts[] = {ref.name, ref.tag.n > 0 || bare ? STR(":") : STR(""),
                                bare ? STR("latest") : ref.tag,
                                ref.digest.n > 0 ? STR("@") : STR(""), ref.digest};
    struct str whole = arena_join(check->arena, parts, ARRAY_LEN(parts));
    return whole.p ? whole : reference; /* and the arena is full */
}

enum finding judge_signed(struct check *check, struct str reference, struct str made_of)
{
    struct gate gate = {.check = check, .asked = reference};
    struct image_ref ref;
    if (!role_has_signed(check->role))
        return FINDING_PASS;
    if (image_is_id(reference))
        return judge_here(&gate, NULL, STR(""), made_of);
    if (!image_parse(reference, check->arena, &ref))
        return refuse_unknown(&gate, NULL, "no_name", "it is not the name of an image");
    const struct signed_entry *entry = entry_for(check, ref.name);
    if (!entry)
        return FINDING_PASS;
    return check_is_service(check) ? judge_service(&gate, entry, &ref)
                                   : judge_here(&gate, entry, ref.name, made_of);
}

/* ---- pulls ----------------------------------------------------------------------------------- */

/* What is sent on by digest gets its tag once the ID of what came is known. */
static enum finding pull_by_digest(struct check *check, const struct image_ref *ref,
                                   const struct signed_answer *answer, struct str digest)
{
    bool mapped = answer->is_signed && !answer_unmapped(answer);
    check->decision->pull = (struct pull){
        .name = ref->name,
        .digest = digest,
        .tag = ref->digest.n > 0 ? STR("") : ref->tag,
        .fact = mapped ? (size_t)(answer->found.fact - check->facts->items) : FACTS_MAX,
    };
    if (pin_param(check, "fromImage", ref->name) != FINDING_PASS)
        return FINDING_REFUSE;
    return pin_param(check, "tag", digest);
}

enum finding judge_signed_pull(struct check *check, struct str reference)
{
    struct gate gate = {.check = check, .asked = reference};
    struct image_ref ref;
    struct signed_answer answer;
    struct str digest;
    if (!role_has_signed(check->role))
        return FINDING_PASS;
    if (!image_parse(reference, check->arena, &ref))
        return refuse_unknown(&gate, NULL, "no_name", "it is not the name of an image");
    const struct signed_entry *entry = entry_for(check, ref.name);
    if (!entry)
        return FINDING_PASS;
    if (ref.tag.n == 0 && ref.digest.n == 0)
        return refuse_unknown(&gate, entry, "all_tags",
                              "without tag and digest every tag would be pulled; name one");
    switch (gate_resolves(&gate, entry, &ref, ref.tag, &answer, &digest)) {
    case GATE_REFUSES:
        return gate_refuses(&gate);
    case GATE_WAITS:
        return FINDING_PASS;
    case GATE_PASSES:
        break;
    }
    if (ref.digest.n > 0 && !answer.is_signed)
        return FINDING_PASS; /* listed, so that nothing is to be seen to afterwards */
    return pull_by_digest(check, &ref, &answer, digest);
}
