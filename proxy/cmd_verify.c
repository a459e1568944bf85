/* sockwarden verify: is an image signed as a role of a policy wants it? Each step is a line, so
   that a refusal of the proxy can be followed. It asks no daemon, and what was found signed before
   does not count. */
#include "cmd.h"

#include "image.h"
#include "registry.h"
#include "registry_spawn.h"
#include "snapshot_load.h"
#include "trust_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct verify {
    struct config config;
    const char *image;    /* as given */
    const char *platform; /* NULL: this machine's */
    struct arena arena;
    struct policy *policy;
    const struct role *role;
    struct image_ref ref;
    struct fact fact;
    struct signature_question question;
    struct signed_entry entry;
    struct trust_rules *rules;
    struct loop loop;
    struct registry_lines lines;
    struct registry_line *line; /* NULL: no registry is asked */
    struct registry_logins *logins;
};

/* ---- options --------------------------------------------------------------------------------- */

/* Those of serve that say by what an image is judged. */
static bool is_option(struct str name)
{
    static const char *const names[] = {"--policy", "--role", "--key-dir", "--signature-store"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(name, names[i]))
            return true;
    return str_starts(name, STR("--registry-"));
}

/* Leaves in argv what config_read() is to have; *count of them. */
static int read_options(int argc, char **argv, struct verify *out, int *count)
{
    *count = 1;
    for (int i = 1; i < argc; i++) {
        struct str word = str_of(argv[i]);
        struct str name = str_head(word, str_find(word, '='));
        bool joined = name.n < word.n;
        if (word.n < 2 || word.p[0] != '-') {
            if (out->image)
                return cmd_fail(EXIT_USAGE, "verify takes one image, and %s is a second", argv[i]);
            out->image = argv[i];
            continue;
        }
        bool platform = str_is(name, "--platform");
        if (!platform && !is_option(name))
            return cmd_fail(EXIT_USAGE, "verify has no option %.*s", STR_ARG(name));
        if (!joined && i + 1 == argc)
            return cmd_fail(EXIT_USAGE, "%.*s wants a value", STR_ARG(name));
        if (platform) {
            out->platform = joined ? name.p + name.n + 1 : argv[++i];
            continue;
        }
        argv[(*count)++] = argv[i];
        if (!joined)
            argv[(*count)++] = argv[++i];
    }
    if (!out->image)
        return cmd_fail(EXIT_USAGE, "verify wants an image: sockwarden verify IMAGE --policy FILE");
    return EXIT_OK;
}

static int read_config(int argc, char **argv, struct verify *out)
{
    struct err err = {.set = false};
    int count = 0;
    int status = read_options(argc, argv, out, &count);
    if (status != EXIT_OK)
        return status;
    if (!config_read(count, argv, &out->config, &err))
        return cmd_fail(EXIT_USAGE, "%s", err.text);
    if (!out->config.policy)
        return cmd_fail(EXIT_USAGE,
                        "verify wants the policy whose images.signed decides: --policy FILE");
    return EXIT_OK;
}

/* ---- the question ---------------------------------------------------------------------------- */

/* NAME, NAME:TAG, NAME@DIGEST or NAME#ID, as people write them. */
static bool read_image(struct verify *verify)
{
    struct str given = str_of(verify->image);
    size_t hash = str_find(given, '#');
    struct str name = str_head(given, hash), id = str_skip(given, hash + 1);
    if (!image_parse(name, &verify->arena, &verify->ref) ||
        (hash < given.n && (verify->ref.tag.n || verify->ref.digest.n || !sign_digest_valid(id))))
        return false;
    const struct str tag = verify->ref.tag.n ? verify->ref.tag : STR("latest");
    struct str parts[] = {verify->ref.name, STR(":"), tag};
    if (hash < given.n) {
        parts[1] = STR("#");
        parts[2] = id;
    } else if (verify->ref.digest.n) {
        parts[1] = STR("@");
        parts[2] = verify->ref.digest;
    }
    verify->fact = (struct fact){.kind = FACT_SIGNATURE,
                                 .name = arena_join(&verify->arena, parts, ARRAY_LEN(parts))};
    return verify->fact.name.p && fact_signature(&verify->fact, &verify->question);
}

static int choose_role(struct verify *verify)
{
    char why[256];
    const char *name = verify->config.role;
    verify->role =
        name ? policy_want_role(verify->policy, str_of(name)) : policy_default_role(verify->policy);
    if (verify->role)
        return EXIT_OK;
    if (!name)
        return cmd_fail(EXIT_FAILED, "the policy %s has no role \"default\": name one by --role",
                        verify->config.policy);
    role_missing(verify->policy, name, why, sizeof why);
    return cmd_fail(EXIT_FAILED, "%s", why);
}

static int load(struct verify *verify)
{
    char hash[65];
    struct err_list errors = {NULL, 0, 0};
    const struct trust_options options = trust_options_of(&verify->config, geteuid());
    if (!read_image(verify))
        return cmd_fail(
            EXIT_USAGE,
            "%s is no image: NAME:TAG, NAME@sha256:DIGEST or NAME#sha256:ID is, with all "
            "64 hexadecimal digits",
            verify->image);
    verify->policy = policy_read(verify->config.policy, hash);
    if (!verify->policy)
        return EXIT_FAILED;
    int status = choose_role(verify);
    if (status != EXIT_OK)
        return status;
    bool ok = trust_rules_load(&options, verify->policy, true, &verify->rules, &errors);
    for (size_t i = 0; i < errors.count; i++)
        cmd_fail(0, "%s: %s", verify->config.policy, errors.items[i].err.text);
    err_list_free(&errors);
    return ok ? EXIT_OK : EXIT_FAILED;
}

/* ---- what is said ---------------------------------------------------------------------------- */

static void say_step(void *arg, const char *sentence)
{
    (void)arg;
    printf("step      %s\n", sentence);
}

static void say_formats(unsigned formats)
{
    const char *comma = " ";
    for (size_t i = 0; i < SIGN_FORMATS; i++) {
        if (!(formats & BIT(i)))
            continue;
        printf("%s%s", comma, sign_format_name((enum sign_format)i));
        comma = ", ";
    }
}

static void say_entry(const struct verify *verify)
{
    static const char *const identities[] = {"repository", "exact", "any"};
    static const char *const sources[] = {"store", "registry", "store-then-registry"};
    const struct signed_entry *entry = &verify->entry;
    const struct trust_rule *rule = trust_rules_find(verify->rules, entry);
    printf("entry     images.signed[%zu], match %.*s\n", entry->index, STR_ARG(entry->match));
    if (entry->formats) {
        printf("demands  ");
        say_formats(entry->formats);
        printf("; identity %s; source %s\n", identities[entry->identity], sources[entry->source]);
    }
    for (size_t i = 0; rule && i < entry->key_count; i++)
        printf("key       %.*s %s\n", STR_ARG(entry->keys[i]),
               sign_key_fingerprint(rule->sign.keys[i]));
    if (entry->trust_store.p)
        printf("key       trust store %.*s\n", STR_ARG(entry->trust_store));
}

static bool is_listed(const struct str *items, size_t count, struct str value)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(items[i], value))
            return true;
    return false;
}

/* What the policy lists needs no signature. */
static bool listed(const struct verify *verify)
{
    const struct signed_entry *entry = &verify->entry;
    struct str digest = verify->question.digest, id = verify->question.id;
    return (digest.n && is_listed(entry->digests, entry->digest_count, digest)) ||
           (id.n && is_listed(entry->ids, entry->id_count, id));
}

static void say_member(const struct json *doc, const char *label, const char *name)
{
    struct str text = sign_json_text(doc, &doc->nodes[0], name);
    if (text.n)
        printf("%-9s %.*s\n", label, STR_ARG(text));
}

static int say_verdict(struct verify *verify)
{
    struct json doc;
    struct err err = {.set = false};
    if (verify->fact.state != FACT_FOUND ||
        !json_scan(verify->fact.text, &verify->arena, &doc, &err))
        return cmd_fail(EXIT_FAILED, "%.*s", STR_ARG(verify->fact.text));
    const struct json_node *ids = json_get(&doc, &doc.nodes[0], STR("Ids"));
    bool good = str_is(sign_json_text(&doc, &doc.nodes[0], "Verdict"), "signed");
    say_member(&doc, "digest", "Digest");
    say_member(&doc, "format", "Format");
    say_member(&doc, "signer", "Key");
    for (const struct json_node *id = ids ? json_child(&doc, ids) : NULL; id;
         id = json_next(&doc, id))
        printf("id        %.*s\n", STR_ARG(id->text));
    if (good && sign_json_get(&doc, &doc.nodes[0], "Mapped", JSON_FALSE))
        printf("note      the store has no manifest, so what the daemon says of its digests tells "
               "the IDs\n");
    if (!good) {
        say_member(&doc, "reason", "Reason");
        say_member(&doc, "why", "Text");
    }
    printf("verdict   %s\n", good ? "signed" : "refused");
    return good ? EXIT_OK : EXIT_REFUSED;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void on_ready(void *arg)
{
    struct verify *verify = arg;
    verify->loop.stop = true;
}

/* A wrong folder would else read as one without signatures. */
static int check_store(const struct verify *verify)
{
    const char *store = verify->config.signature_store;
    if (!store || verify->entry.source == SIGNED_REGISTRY)
        return EXIT_OK;
    int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cmd_fail(EXIT_FAILED, "--signature-store %s cannot be read: %s", store,
                        strerror(errno));
    close(fd);
    return EXIT_OK;
}

/* The same helper as that of serve. */
static int open_registry(struct verify *verify)
{
    const struct config *config = &verify->config;
    struct err err = {.set = false};
    if (verify->entry.source == SIGNED_STORE)
        return EXIT_OK;
    if (config->registry_auth) {
        verify->logins = registry_logins_read(config->registry_auth, geteuid(), &err);
        if (!verify->logins)
            return cmd_fail(EXIT_FAILED, "--registry-auth %s", err.text);
    }
    if (!registry_spawn(config, 1, &verify->lines, &err))
        return cmd_fail(EXIT_FAILED, "%s", err.text);
    verify->line =
        registry_line_open(&verify->loop, verify->lines.fds[0], 0, config->registry_timeout);
    registry_line_use(verify->line, verify->logins);
    return verify->line ? EXIT_OK : cmd_fail(EXIT_FAILED, "out of memory");
}

static int ask(struct verify *verify)
{
    struct err err = {.set = false};
    struct trust_options options = trust_options_of(&verify->config, geteuid());
    options.cache = NULL; /* each step is taken */
    struct trust *trust = trust_open(&options, &err);
    struct trust_desk *desk =
        trust ? trust_desk_open(trust, &verify->loop, registry_line_source(verify->line)) : NULL;
    const struct trust_question question = {
        .rules = verify->rules, .role = verify->role, .platform = str_of(verify->platform)};
    const struct trust_steps steps = {.say = say_step};
    if (desk) {
        trust_desk_tell(desk, &steps);
        if (trust_ask(desk, &question, &verify->fact, &verify->arena, on_ready, verify) ==
            TRUST_WAIT)
            loop_run(&verify->loop);
    }
    trust_desk_close(desk);
    trust_close(trust);
    return desk ? say_verdict(verify) : cmd_fail(EXIT_FAILED, "out of memory");
}

static int judge(struct verify *verify)
{
    printf("image     %.*s\nrole      %s\n", STR_ARG(verify->fact.name), role_name(verify->role));
    if (!role_signed_entry(verify->role, verify->ref.name, &verify->entry)) {
        printf("verdict   no signature is needed: no entry of images.signed covers %.*s\n",
               STR_ARG(verify->ref.name));
        return EXIT_OK;
    }
    say_entry(verify);
    if (listed(verify)) {
        printf("verdict   no signature is needed: the entry lists it\n");
        return EXIT_OK;
    }
    if (!verify->entry.formats) {
        printf("reason    not_listed\nwhy       the entry takes no signatures, and lists neither "
               "this digest nor this ID\nverdict   refused\n");
        return EXIT_REFUSED;
    }
    if (!loop_open(&verify->loop, 4096))
        return cmd_fail(EXIT_FAILED, "out of memory");
    int status = check_store(verify);
    if (status == EXIT_OK)
        status = open_registry(verify);
    if (status == EXIT_OK)
        status = ask(verify);
    registry_line_close(verify->line);
    registry_logins_free(verify->logins);
    loop_close(&verify->loop);
    return status;
}

int cmd_verify(int argc, char **argv)
{
    static struct verify verify;
    int status = read_config(argc, argv, &verify);
    if (status == EXIT_OK)
        status = load(&verify);
    if (status == EXIT_OK)
        status = judge(&verify);
    trust_rules_free(verify.rules);
    policy_free(verify.policy);
    arena_free(&verify.arena);
    config_free(&verify.config);
    return status;
}
