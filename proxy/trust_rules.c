/* What images.signed of a policy demands, with the keys that it names: read from the folder of
   keys, once a snapshot. A key that cannot be trusted is an error of the policy, never a rule
   without it. */
#include "trust_parts.h"

#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert((int)SIGNED_COSIGN_SIMPLE == (int)SIGN_COSIGN_SIMPLE &&
                   (int)SIGNED_SIGSTORE_BUNDLE == (int)SIGN_SIGSTORE_BUNDLE &&
                   (int)SIGNED_NOTATION_JWS == (int)SIGN_NOTATION_JWS &&
                   (int)SIGNED_FORMATS == (int)SIGN_FORMATS,
               "formats have the same numbers in a policy as here");
_Static_assert((int)SIGNED_REPOSITORY == (int)SIGN_REPOSITORY &&
                   (int)SIGNED_EXACT == (int)SIGN_EXACT && (int)SIGNED_ANY == (int)SIGN_ANY,
               "and identities");
_Static_assert((int)SIGNED_KEYS_MAX <= (int)SIGN_KEYS_MAX, "all keys of an entry have room");

/* Rules while they are read. */
struct loading {
    const struct trust_options *options;
    const struct role *role;
    struct signed_entry entry; /* at hand */
    struct trust_rule *rule;
    struct err_list *errors;
    EVP_MD_CTX *hash;
    bool ok;
};

static void complain(struct loading *loading, const char *what, const char *why)
{
    loading->ok = false;
    err_list_add(loading->errors, false, 0, 0, "role %s, images.signed[%zu] (\"%.*s\"): %s%s",
                 role_name(loading->role), loading->entry.index,
                 STR_ARG(str_head(loading->entry.match, 128)), what, why);
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool read_whole(int fd, size_t max, char **text, size_t *length)
{
    char *p = malloc(max + 1);
    size_t n = 0;
    ssize_t got = 1;
    while (p && got != 0 && n <= max) {
        got = read(fd, p + n, max + 1 - n);
        if (got < 0 && errno != EINTR)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    if (p && got == 0) {
        *text = p;
        *length = n;
        return true;
    }
    free(p);
    errno = !p ? ENOMEM : n > max ? EFBIG : errno;
    return false;
}

/* A file of the folder of keys, or NULL: err says what is wrong and how to mend it. */
static char *read_file(const struct trust_options *options, struct str name, size_t max,
                       size_t *length, struct err *err)
{
    char path[PATH_MAX], *text = NULL;
    struct stat st;
    if (name.n == 0 || name.p[0] == '.' || str_find(name, '/') < name.n ||
        str_find(name, '\0') < name.n ||
        snprintf(path, sizeof path, "%s/%.*s", options->keys, STR_ARG(name)) >= (int)sizeof path) {
        err_set(err, 0, 0, "\"%.*s\" is no name of a file in --key-dir %s", STR_ARG(name),
                options->keys);
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        err_set(err, 0, 0, "cannot read the key file %s: %s%s", path, strerror(errno),
                errno == ENOENT ? "; put it there, or name the folder with --key-dir" : "");
        return NULL;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        err_set(err, 0, 0, "%s is not a file", path);
    else if (file_private_enough(path, options->uid, err) && !read_whole(fd, max, &text, length))
        err_set(err, 0, 0, "cannot read the key file %s: %s", path, strerror(errno));
    close(fd);
    return text;
}

static void add_to_hash(struct loading *loading, struct str bytes)
{
    uint64_t length = bytes.n;
    if (EVP_DigestUpdate(loading->hash, &length, sizeof length) != 1 ||
        EVP_DigestUpdate(loading->hash, bytes.p ? bytes.p : "", bytes.n) != 1)
        complain(loading, "cannot make its hash", "");
}

/* what: "key" or "trust store". opened: the file could be read, so that err is about its text and
   does not name it. */
static void complain_file(struct loading *loading, const char *what, struct str name, bool opened,
                          const struct err *err)
{
    char text[PATH_MAX + 256];
    snprintf(text, sizeof text, "the %s \"%.*s\": %s%s%.*s%s", what, STR_ARG(str_head(name, 128)),
             opened ? loading->options->keys : "", opened ? "/" : "",
             STR_ARG(str_head(name, opened ? name.n : 0)), opened ? ": " : "");
    complain(loading, text, err->text);
}

static void read_key(struct loading *loading, struct str name)
{
    struct err err = {.set = false};
    struct trust_rule *rule = loading->rule;
    size_t length = 0;
    char *text = read_file(loading->options, name, SIGN_KEY_FILE_MAX, &length, &err);
    struct sign_key *key = NULL;
    if (text) {
        key = sign_key_read((struct str){text, length}, NULL, &err);
        add_to_hash(loading, (struct str){text, length});
    }
    if (key)
        rule->keys[rule->sign.key_count++] = key;
    else
        complain_file(loading, "key", name, text != NULL, &err);
    free(text);
}

static void read_trust(struct loading *loading)
{
    struct err err = {.set = false};
    const struct signed_entry *entry = &loading->entry;
    size_t length = 0;
    char *text =
        read_file(loading->options, entry->trust_store, SIGN_TRUST_FILE_MAX, &length, &err);
    if (text) {
        loading->rule->trust =
            sign_trust_read((struct str){text, length}, entry->trusted_identities,
                            entry->identity_count, entry->authority, &err);
        add_to_hash(loading, (struct str){text, length});
    }
    if (!loading->rule->trust)
        complain_file(loading, "trust store", entry->trust_store, text != NULL, &err);
    free(text);
    loading->rule->sign.trust = loading->rule->trust;
}

/* ---- entries --------------------------------------------------------------------------------- */

static void free_rule(struct trust_rule *rule)
{
    for (size_t i = 0; i < SIGN_KEYS_MAX; i++)
        sign_key_free(rule->keys[i]);
    sign_trust_free(rule->trust);
}

static void check_sources(struct loading *loading, bool registry)
{
    const struct signed_entry *entry = &loading->entry;
    if (entry->formats == 0)
        return;
    if (entry->source == SIGNED_STORE && !loading->options->store)
        complain(loading, "its signatures are looked for in the signature store, and there is none",
                 "; name its folder with --signature-store, or set \"source\": \"registry\"");
    if (entry->source != SIGNED_STORE && !registry)
        complain(loading, "its source is a registry, and this program was built without",
                 " (REGISTRY=0): set \"source\": \"store\"");
}

static void finish_hash(struct loading *loading)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(loading->hash, digest, NULL) != 1) {
        complain(loading, "cannot make its hash", "");
        return;
    }
    for (size_t i = 0; i < TRUST_HASH_BYTES / 2; i++)
        snprintf(loading->rule->hash + 2 * i, 3, "%02x", digest[i]);
}

static void read_rule(struct loading *loading)
{
    const struct signed_entry *entry = &loading->entry;
    struct trust_rule *rule = loading->rule;
    rule->id = entry->text.p;
    rule->source = entry->source;
    rule->sign = (struct sign_rule){.formats = entry->formats,
                                    .identity = (enum sign_identity)entry->identity,
                                    .signed_repository = entry->signed_repository};
    if (EVP_DigestInit_ex(loading->hash, EVP_sha256(), NULL) != 1)
        complain(loading, "cannot make its hash", "");
    add_to_hash(loading, entry->text);
    for (size_t i = 0; i < entry->key_count && i < SIGN_KEYS_MAX; i++)
        read_key(loading, entry->keys[i]);
    if (entry->trust_store.p)
        read_trust(loading);
    finish_hash(loading);
}

/* Roles that extend others share their entries. */
static bool is_there(const struct trust_rules *rules, const struct signed_entry *entry)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->items[i].id == entry->text.p)
            return true;
    return false;
}

static bool grow(struct trust_rules *rules, size_t *cap)
{
    if (rules->count < *cap)
        return true;
    size_t larger = *cap ? *cap * 2 : 8;
    struct trust_rule *items = realloc(rules->items, larger * sizeof *items);
    if (!items)
        return false;
    rules->items = items;
    *cap = larger;
    return true;
}

static void load_role(struct loading *loading, const struct policy *policy, size_t role,
                      bool registry, struct trust_rules *rules, size_t *cap)
{
    struct signed_entry *entry = &loading->entry;
    loading->role = policy_role_at(policy, role);
    for (size_t i = 0; policy_signed_entry(policy, role, i, entry); i++) {
        if (is_there(rules, entry))
            continue;
        if (!grow(rules, cap)) {
            complain(loading, "out of memory", "");
            return;
        }
        loading->rule = &rules->items[rules->count++];
        *loading->rule = (struct trust_rule){.id = NULL};
        read_rule(loading);
        check_sources(loading, registry);
        rules->registry |= entry->formats != 0 && entry->source != SIGNED_STORE;
    }
}

static int compare_rules(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const struct trust_rule *)a)->id;
    uintptr_t right = (uintptr_t)((const struct trust_rule *)b)->id;
    return left < right ? -1 : left > right;
}

/* Keys are borrowed by where they lie, so only once the array stays. */
static void settle(struct trust_rules *rules)
{
    if (rules->items)
        qsort(rules->items, rules->count, sizeof *rules->items, compare_rules);
    for (size_t i = 0; i < rules->count; i++)
        rules->items[i].sign.keys = (const struct sign_key *const *)rules->items[i].keys;
}

bool trust_rules_load(const struct trust_options *options, const struct policy *policy,
                      bool registry, struct trust_rules **out, struct err_list *errors)
{
    static atomic_ullong generations;
    size_t cap = 0;
    *out = NULL;
    bool wanted = false;
    for (size_t i = 0; i < policy_role_count(policy); i++)
        wanted = wanted || role_has_signed(policy_role_at(policy, i));
    if (!wanted)
        return true;
    struct trust_rules *rules = calloc(1, sizeof *rules);
    struct loading loading = {
        .options = options, .errors = errors, .hash = EVP_MD_CTX_new(), .ok = true};
    if (!rules || !loading.hash) {
        err_list_add(errors, false, 0, 0, "out of memory");
        loading.ok = false;
    }
    for (size_t i = 0; i < policy_role_count(policy) && rules && loading.hash; i++)
        load_role(&loading, policy, i, registry, rules, &cap);
    EVP_MD_CTX_free(loading.hash);
    if (!loading.ok) {
        trust_rules_free(rules);
        return false;
    }
    settle(rules);
    rules->generation = atomic_fetch_add(&generations, 1) + 1;
    *out = rules;
    return true;
}

void trust_rules_free(struct trust_rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->count; i++)
        free_rule(&rules->items[i]);
    free(rules->items);
    free(rules);
}

bool trust_rules_want_registry(const struct trust_rules *rules)
{
    return rules && rules->registry;
}

const struct trust_rule *trust_rules_find(const struct trust_rules *rules,
                                          const struct signed_entry *entry)
{
    size_t low = 0, high = rules ? rules->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uintptr_t at = (uintptr_t)rules->items[middle].id, wanted = (uintptr_t)entry->text.p;
        if (at == wanted)
            return &rules->items[middle];
        if (at < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
