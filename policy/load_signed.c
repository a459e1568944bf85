/* The entries of images.signed: whose signatures an image must have, or which digests and IDs are
   good without. Keys and certificates are named here, and read by whoever verifies with them. */
#include "load.h"

#include <stdio.h>

static const char *const format_names[SIGNED_FORMATS] = {
    [SIGNED_COSIGN_SIMPLE] = "cosign-simple",
    [SIGNED_SIGSTORE_BUNDLE] = "sigstore-bundle",
    [SIGNED_NOTATION_JWS] = "notation-jws",
};
static const char *const identity_names[] = {"repository", "exact", "any"};
static const char *const source_names[] = {"store", "registry", "store-then-registry"};

enum {
    BY_KEYS = BIT(SIGNED_COSIGN_SIMPLE) | BIT(SIGNED_SIGSTORE_BUNDLE),
    BY_TRUST = BIT(SIGNED_NOTATION_JWS),
};

/* One entry on its way. */
struct entry_text {
    struct loader *loader;
    const struct json_node *node;
    struct signed_entry *out;
    const struct json_node *formats, *keys, *trust_store, *identity, *repository, *source;
    bool match, digests, ids; /* is written */
    bool failed;
};

static bool fails(struct entry_text *reading)
{
    reading->failed = true;
    return false;
}

/* ---- texts and lists ------------------------------------------------------------------------- */

static bool take_text(struct entry_text *reading, const struct json_node *node, const char *what,
                      struct str *out)
{
    if (!load_expect(reading->loader, node, JSON_STRING, what, "text"))
        return fails(reading);
    *out = arena_copy(reading->loader->arena, node->text);
    if (!out->p)
        load_no_memory(reading->loader);
    return out->p ? true : fails(reading);
}

/* A folder holds them all, so a name leads nowhere else. */
static bool file_name(struct entry_text *reading, const struct json_node *node, const char *what,
                      struct str name)
{
    char shown[QUOTED_MAX];
    enum { NAME_BYTES_MAX = 255 };
    if (name.n > 0 && name.n <= NAME_BYTES_MAX && name.p[0] != '.' && str_find(name, '/') == name.n)
        return true;
    load_error(reading->loader, node->offset,
               "%s: %s is not the name of a file in the folder of keys; write it without '/', and "
               "not with a '.' in front",
               what, quoted(shown, name));
    return fails(reading);
}

/* "sha256:" and 64 digits. */
static bool digest_text(struct entry_text *reading, const struct json_node *node, const char *what,
                        struct str text)
{
    char shown[QUOTED_MAX];
    struct str digits = str_skip(text, strlen("sha256:"));
    bool good = text.n == SIGNED_DIGEST_MAX && str_starts(text, STR("sha256:"));
    for (size_t i = 0; i < digits.n; i++)
        good = good && ascii_hex(digits.p[i]) && ascii_lower(digits.p[i]) == digits.p[i];
    if (good)
        return true;
    load_error(reading->loader, node->offset,
               "%s: %s is not \"sha256:\" and 64 hex digits in lower case", what,
               quoted(shown, text));
    return fails(reading);
}

typedef bool item_check(struct entry_text *reading, const struct json_node *node, const char *what,
                        struct str text);

static bool any_text(struct entry_text *reading, const struct json_node *node, const char *what,
                     struct str text)
{
    if (text.n > 0)
        return true;
    load_error(reading->loader, node->offset, "%s: an entry is empty", what);
    return fails(reading);
}

/* A list of texts; most: how many there may be, 0 for any number. */
static void take_list(struct entry_text *reading, const struct json_node *list, const char *what,
                      size_t most, item_check *check, const struct str **items, size_t *count)
{
    struct loader *loader = reading->loader;
    if (!load_expect(loader, list, JSON_ARRAY, what, "a list")) {
        fails(reading);
        return;
    }
    if (most > 0 && (list->count == 0 || list->count > most)) {
        load_error(loader, list->offset, "%s: a list of 1 to %zu, this one has %zu", what, most,
                   (size_t)list->count);
        fails(reading);
        return;
    }
    struct str *texts = arena_alloc(loader->arena, list->count ? list->count : 1, sizeof *texts);
    if (!texts) {
        load_no_memory(loader);
        fails(reading);
        return;
    }
    size_t n = 0;
    for (const struct json_node *m = json_child(loader->doc, list); m;
         m = json_next(loader->doc, m))
        if (take_text(reading, m, what, &texts[n]) && check(reading, m, what, texts[n]))
            n++;
    *items = texts;
    *count = n;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Which of the words is it? -1: none, and an error names them. */
static int take_word(struct entry_text *reading, const struct json_node *node, const char *what,
                     const char *const *words, size_t count)
{
    char shown[QUOTED_MAX], list[HINT_MAX] = "", hint[HINT_MAX];
    size_t at = 0;
    struct nearest nearest = {0};
    if (!load_expect(reading->loader, node, JSON_STRING, what, "text"))
        return fails(reading), -1;
    nearest = nearest_to(node->text);
    for (size_t i = 0; i < count; i++) {
        if (str_is(node->text, words[i]))
            return (int)i;
        nearest_offer(&nearest, str_of(words[i]));
        at +=
            (size_t)snprintf(list + at, sizeof list - at, "%s\"%s\"", i == 0 ? "" : ", ", words[i]);
    }
    load_error(reading->loader, node->offset, "%s is one of %s, not %s%s", what, list,
               quoted(shown, node->text), hint_of(hint, &nearest));
    return fails(reading), -1;
}

static void take_formats(struct entry_text *reading, const struct json_node *list)
{
    struct loader *loader = reading->loader;
    reading->formats = list;
    if (!load_expect(loader, list, JSON_ARRAY, "formats of images.signed", "a list")) {
        fails(reading);
        return;
    }
    for (const struct json_node *m = json_child(loader->doc, list); m;
         m = json_next(loader->doc, m)) {
        int format =
            take_word(reading, m, "a format of images.signed", format_names, SIGNED_FORMATS);
        if (format >= 0)
            reading->out->formats |= BIT((unsigned)format);
    }
    if (list->count == 0) {
        load_error(loader, list->offset,
                   "formats of images.signed is empty, so that no signature would count; leave it "
                   "out for all that the keys can have made");
        fails(reading);
    }
}

static void take_match(struct entry_text *reading, const struct json_node *node)
{
    struct entry entry = {0};
    reading->match = true;
    if (!take_text(reading, node, "match of images.signed", &entry.text))
        return;
    if (!load_image(reading->loader, KEY_IMAGES_SIGNED, node, &entry)) {
        fails(reading);
        return;
    }
    if (entry.text.n > GLOB_MAX) {
        load_error(reading->loader, node->offset, "match of images.signed is too long");
        fails(reading);
    }
    reading->out->match = entry.text;
}

static void take_repository(struct entry_text *reading, const struct json_node *node)
{
    struct image_ref ref;
    char shown[QUOTED_MAX];
    reading->repository = node;
    if (!load_expect(reading->loader, node, JSON_STRING, "signed_repository of images.signed",
                     "text")) {
        fails(reading);
        return;
    }
    if (!image_parse(node->text, reading->loader->arena, &ref) || ref.tag.n || ref.digest.n) {
        load_error(reading->loader, node->offset,
                   "signed_repository of images.signed: %s is not registry/repository, without "
                   "tag, digest and wildcards",
                   quoted(shown, node->text));
        fails(reading);
        return;
    }
    reading->out->signed_repository = ref.name;
}

/* "acme.pem", or "ca:acme.pem" and "signingAuthority:acme.pem" as Notation has it. */
static void take_store(struct entry_text *reading, const struct json_node *node)
{
    static const struct str kinds[] = {{"ca:", 3}, {"signingAuthority:", 17}};
    struct str name;
    reading->trust_store = node;
    if (!take_text(reading, node, "trust_store of images.signed", &name))
        return;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts(name, kinds[i])) {
            name = str_skip(name, kinds[i].n);
            reading->out->authority = i == 1;
            break;
        }
    if (file_name(reading, node, "trust_store of images.signed", name))
        reading->out->trust_store = name;
}

/* ---- members --------------------------------------------------------------------------------- */

static const char *const members[] = {"match",
                                      "formats",
                                      "keys",
                                      "identity",
                                      "signed_repository",
                                      "trust_store",
                                      "source",
                                      "trusted_identities",
                                      "digests",
                                      "ids",
                                      "description"};

static void unknown_member(struct entry_text *reading, const struct json_node *member)
{
    static const struct nearest_word words[] = {
        {"image", "match"},      {"images", "match"},
        {"repository", "match"}, {"key", "keys"},
        {"format", "formats"},   {"mode", "source"},
        {"digest", "digests"},   {"id", "ids"},
        {"allow_ids", "ids"},    {"mirror", "signed_repository"},
    };
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        nearest_offer(&nearest, str_of(members[i]));
    nearest_offer_words(&nearest, words, ARRAY_LEN(words));
    load_error(reading->loader, member->key_offset, "unknown key %s in an entry of images.signed%s",
               quoted(shown, member->key), hint_of(hint, &nearest));
    fails(reading);
}

/* Members that are lists of texts. True: it was one. */
static bool take_list_member(struct entry_text *reading, const struct json_node *member)
{
    struct signed_entry *out = reading->out;
    if (str_is(member->key, "keys")) {
        reading->keys = member;
        take_list(reading, member, "keys of images.signed", SIGNED_KEYS_MAX, file_name, &out->keys,
                  &out->key_count);
    } else if (str_is(member->key, "trusted_identities")) {
        take_list(reading, member, "trusted_identities of images.signed", SIGNED_IDENTITIES_MAX,
                  any_text, &out->trusted_identities, &out->identity_count);
    } else if (str_is(member->key, "digests")) {
        reading->digests = true;
        take_list(reading, member, "digests of images.signed", 0, digest_text, &out->digests,
                  &out->digest_count);
    } else if (str_is(member->key, "ids")) {
        reading->ids = true;
        take_list(reading, member, "ids of images.signed", 0, digest_text, &out->ids,
                  &out->id_count);
    } else {
        return false;
    }
    return true;
}

static void take_member(struct entry_text *reading, const struct json_node *member)
{
    int word;
    if (load_description(reading->loader, member) || take_list_member(reading, member))
        return;
    if (str_is(member->key, "match")) {
        take_match(reading, member);
    } else if (str_is(member->key, "formats")) {
        take_formats(reading, member);
    } else if (str_is(member->key, "identity")) {
        reading->identity = member;
        word = take_word(reading, member, "identity of images.signed", identity_names,
                         ARRAY_LEN(identity_names));
        reading->out->identity = word < 0 ? SIGNED_REPOSITORY : (enum signed_identity)word;
    } else if (str_is(member->key, "source")) {
        reading->source = member;
        word = take_word(reading, member, "source of images.signed", source_names,
                         ARRAY_LEN(source_names));
        reading->out->source = word < 0 ? SIGNED_STORE : (enum signed_source)word;
    } else if (str_is(member->key, "signed_repository")) {
        take_repository(reading, member);
    } else if (str_is(member->key, "trust_store")) {
        take_store(reading, member);
    } else {
        unknown_member(reading, member);
    }
}

/* ---- what they say together ------------------------------------------------------------------ */

static void clash(struct entry_text *reading, const struct json_node *node, const char *why)
{
    load_error(reading->loader, node->offset, "an entry of images.signed: %s", why);
    fails(reading);
}

static bool has_wildcard(struct str text)
{
    return str_find(text, '*') < text.n || str_find(text, '?') < text.n;
}

/* Does it name one registry, so that no user chooses which one is asked? */
static bool registry_literal(struct str match)
{
    size_t slash = str_find(match, '/');
    return slash < match.n && !has_wildcard(str_head(match, slash));
}

/* What the keys and the trust store can have made, where formats does not say. */
static void check_formats(struct entry_text *reading)
{
    struct signed_entry *out = reading->out;
    unsigned possible =
        (reading->keys ? (unsigned)BY_KEYS : 0) | (reading->trust_store ? (unsigned)BY_TRUST : 0);
    if (!reading->formats) {
        out->formats = possible;
        return;
    }
    if ((out->formats & BY_KEYS) && !reading->keys)
        clash(reading, reading->formats,
              "formats has one that is verified with keys, and there is no \"keys\"");
    if ((out->formats & BY_TRUST) && !reading->trust_store)
        clash(reading, reading->formats,
              "formats has \"notation-jws\", which needs \"trust_store\" and "
              "\"trusted_identities\"");
    if (reading->keys && !(out->formats & BY_KEYS))
        clash(reading, reading->keys, "keys have no effect, as formats names none that uses them");
    if (reading->trust_store && !(out->formats & BY_TRUST))
        clash(reading, reading->trust_store,
              "trust_store has no effect, as formats lacks \"notation-jws\"");
}

/* Only cosign's simple signatures hold a name. */
static void check_identity(struct entry_text *reading)
{
    const struct signed_entry *out = reading->out;
    if (out->formats != 0 && out->identity != SIGNED_ANY &&
        !(out->formats & BIT(SIGNED_COSIGN_SIMPLE)))
        clash(
            reading, reading->identity ? reading->identity : reading->node,
            "signatures of these formats hold no repository; write \"identity\": \"any\", and use "
            "keys that sign for nothing else");
    if (!reading->repository)
        return;
    if (out->identity == SIGNED_ANY)
        clash(reading, reading->repository,
              "signed_repository has no effect where identity is \"any\"");
    if (has_wildcard(out->match))
        clash(reading, reading->repository,
              "signed_repository is the name of one repository, so match names one, too, without "
              "wildcards");
}

static void check_together(struct entry_text *reading)
{
    const struct signed_entry *out = reading->out;
    if (!reading->match)
        clash(reading, reading->node, "\"match\" is missing");
    if (!reading->keys && !reading->trust_store && !reading->digests && !reading->ids)
        clash(reading, reading->node,
              "it has none of \"keys\", \"trust_store\", \"digests\" and \"ids\"; to refuse every "
              "image of it, write \"digests\": []");
    bool signatures = reading->keys || reading->trust_store;
    if (reading->trust_store && out->identity_count == 0)
        clash(reading, reading->trust_store,
              "trust_store needs \"trusted_identities\", such as [\"x509.subject: C=US, ST=WA, "
              "O=acme\"]");
    if (!reading->trust_store && out->identity_count > 0)
        clash(reading, reading->node, "trusted_identities needs \"trust_store\"");
    if (!signatures &&
        (reading->formats || reading->identity || reading->repository || reading->source)) {
        clash(reading, reading->node,
              "formats, identity, signed_repository and source speak of signatures, and there is "
              "neither \"keys\" nor \"trust_store\"");
        return;
    }
    if (reading->source && out->source != SIGNED_STORE && !registry_literal(out->match))
        clash(reading, reading->source,
              "a registry is asked only where match begins with its name, without wildcards, as in "
              "\"registry.example.com/**\"");
    check_formats(reading);
    check_identity(reading);
}

bool load_signed(struct loader *loader, const struct json_node *node, struct entry *out)
{
    struct signed_entry *entry = arena_alloc(loader->arena, 1, sizeof *entry);
    struct entry_text reading = {.loader = loader, .node = node, .out = entry};
    if (!entry)
        return load_no_memory(loader), false;
    if (!load_expect(loader, node, JSON_OBJECT, "an entry of images.signed",
                     "an object such as {\"match\": \"registry.example.com/**\", \"keys\": "
                     "[\"release.pub\"]}"))
        return false;
    entry->text = arena_copy(loader->arena, json_raw(loader->doc, node));
    if (!entry->text.p)
        return load_no_memory(loader), false;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m))
        take_member(&reading, m);
    if (!reading.failed)
        check_together(&reading);
    if (reading.failed)
        return false;
    out->text = entry->match;
    out->signature = entry;
    return true;
}

/* ---- the list -------------------------------------------------------------------------------- */

/* Does a cover all that b does? True only where that is plain to see. */
static bool covers(struct str a, struct str b)
{
    if (str_eq(a, b))
        return true;
    if (!str_ends(a, STR("**")) || has_wildcard(str_head(a, a.n - 2)))
        return !has_wildcard(b) && glob_match(a, b);
    struct str begin = str_head(a, a.n - 2);
    size_t star = str_find(b, '*'), mark = str_find(b, '?');
    struct str plain = str_head(b, star < mark ? star : mark);
    return str_starts(plain, begin) || (!has_wildcard(b) && glob_match(a, b));
}

enum { SHADOWS_MAX = 1000 /* entries that are compared: the work grows with the square */ };

void load_signed_list(struct loader *loader, const struct json_node *list,
                      const struct entries *entries)
{
    size_t at = 0;
    if (entries->count != list->count) /* an error is told, and places would be wrong */
        return;
    for (const struct json_node *n = json_child(loader->doc, list); n;
         n = json_next(loader->doc, n), at++) {
        char mine[QUOTED_MAX], other[QUOTED_MAX];
        /* Our own, made a moment ago. */
        ((struct signed_entry *)entries->items[at].signature)->index = at;
        for (size_t i = 0; i < at && at < SHADOWS_MAX; i++)
            if (covers(entries->items[i].text, entries->items[at].text)) {
                load_error(
                    loader, n->offset,
                    "images.signed: the entry for %s never matches, as the one for %s stands "
                    "before it; put it in front",
                    quoted(mine, entries->items[at].text), quoted(other, entries->items[i].text));
                break;
            }
    }
}

/* ---- warnings -------------------------------------------------------------------------------- */

static bool has_key(const struct signed_entry *entry, struct str key)
{
    for (size_t i = 0; i < entry->key_count; i++)
        if (str_eq(entry->keys[i], key))
            return true;
    return false;
}

/* The first key that the entry shares with an earlier one, while one of them takes any name. */
static const struct str *shared_key(const struct entries *entries, size_t at)
{
    const struct signed_entry *entry = entries->items[at].signature;
    for (size_t i = 0; i < at && at < SHADOWS_MAX; i++)
        for (size_t k = 0; k < entry->key_count; k++) {
            const struct signed_entry *before = entries->items[i].signature;
            bool any = entry->identity == SIGNED_ANY || before->identity == SIGNED_ANY;
            if (any && has_key(before, entry->keys[k]))
                return &entry->keys[k];
        }
    return NULL;
}

void load_warn_signed(struct loader *loader, const struct draft *draft)
{
    const struct entries *entries = &draft->own.role.keys[KEY_IMAGES_SIGNED].allow;
    const struct json_node *images = json_get(draft->doc, draft->node, STR("images"));
    const struct json_node *list = json_get(draft->doc, images, STR("signed"));
    size_t at = 0;
    for (const struct json_node *n = list ? json_child(draft->doc, list) : NULL;
         n && at < entries->count; n = json_next(draft->doc, n), at++) {
        char shown[QUOTED_MAX];
        const struct str *key = shared_key(entries, at);
        if (key)
            load_warning(loader, n->offset,
                         "images.signed: the key %s stands in several entries, and identity is "
                         "\"any\": what it has signed for one of their repositories passes under "
                         "the names of the others, too",
                         quoted(shown, *key));
    }
}
