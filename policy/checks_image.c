/* Which images a request may name, and under which names other content may be put. References are
   judged as the daemon would build them, an image ID by the names that the daemon has for it. */
#include "checks.h"

#include "existing.h"
#include "uses.h"

#include <stdio.h>

enum { ENTRY_COST = 16 /* units of work to look at one entry */ };

static bool is_everything(const struct constraint *constraint)
{
    return constraint->any || entries_hold(&constraint->allow, STR("**"));
}

static bool switched_on(const struct constraint *constraint)
{
    return constraint->any || constraint->required;
}

enum key images_restricted_by(const struct role *role)
{
    static const enum key lists[] = {KEY_IMAGES_DENY, KEY_IMAGES_DENY_TAGS};
    if (!is_everything(&role->keys[KEY_IMAGES_ALLOW]))
        return KEY_IMAGES_ALLOW;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (role->keys[lists[i]].allow.count > 0)
            return lists[i];
    return switched_on(&role->keys[KEY_IMAGES_REQUIRE_DIGEST]) ? KEY_IMAGES_REQUIRE_DIGEST
                                                               : KEY_COUNT;
}

bool images_restrict(const struct role *role)
{
    return images_restricted_by(role) != KEY_COUNT;
}

/* Is it in a list of what is excluded? */
static bool excludes(const struct check *check, enum key key, struct str value)
{
    return entries_match(&check_key(check, key)->allow, value, true, check->work);
}

/* An entry whose part before the first '/' is this registry, literally, and that matches name (or
   any name, when that is empty). */
static bool registry_written_out(const struct check *check, enum key key, struct str registry,
                                 struct str name)
{
    const struct entries *allow = &check_key(check, key)->allow;
    for (size_t i = 0; i < allow->count && check_spend(check, ENTRY_COST); i++) {
        struct str entry = allow->items[i].text;
        if (str_eq(str_head(entry, str_find(entry, '/')), registry) &&
            (name.n == 0 || glob_find(entry, name, false, check->work)))
            return true;
    }
    return false;
}

static bool lifted(const struct check *check)
{
    return check->role->unrestricted && is_everything(check_key(check, KEY_IMAGES_ALLOW));
}

static enum finding refuse_address(struct check *check, enum key key, struct str registry)
{
    char allow_with[ALLOW_WITH_MAX], entry[VALUE_MAX + 4];
    SHOWN(shown, registry);
    int n = snprintf(entry, sizeof(entry), "%s/**", shown);
    suggest_entry(check, key, (struct str){entry, (size_t)n}, allow_with, sizeof(allow_with));
    return refuse_with(check, key, registry, allow_with,
                       "names the registry \"%s\" by address, which must be written out in %s",
                       shown, key_path(key));
}

static enum finding judge_name(struct check *check, const struct image_ref *ref)
{
    bool excluded = excludes(check, KEY_IMAGES_DENY, ref->name);
    if (!excluded && image_registry_by_address(ref->registry) && !lifted(check) &&
        !check->learning && /* the whole name is less than the registry's */
        !registry_written_out(check, KEY_IMAGES_ALLOW, ref->registry, ref->name))
        return refuse_address(check, KEY_IMAGES_ALLOW, ref->registry);
    if (!excluded && key_passes(check, KEY_IMAGES_ALLOW, ref->name))
        return FINDING_PASS;
    SHOWN(shown, ref->name);
    if (excluded)
        return refuse_with(check, KEY_IMAGES_DENY, ref->name, NULL,
                           "names the image \"%s\", which images.deny excludes", shown);
    return refuse(check, KEY_IMAGES_ALLOW, ref->name,
                  "names the image \"%s\", which is not in images.allow", shown);
}

/* Tag and digest of a reference whose name has passed. */
static enum finding judge_version(struct check *check, const struct image_ref *ref,
                                  enum image_use use)
{
    bool bare = ref->tag.n == 0 && ref->digest.n == 0;
    struct str tag = bare ? STR("latest") : ref->tag;
    bool every = bare && use == IMAGE_PULL && images_restrict(check->role);
    bool digest = ref->digest.n > 0 || !switched_on(check_key(check, KEY_IMAGES_REQUIRE_DIGEST));
    bool excluded = tag.n > 0 && excludes(check, KEY_IMAGES_DENY_TAGS, tag);
    if (digest && !every && !excluded)
        return FINDING_PASS;
    SHOWN(shown, ref->name);
    SHOWN(tag_shown, tag);
    if (!digest)
        return refuse_with(
            check, KEY_IMAGES_REQUIRE_DIGEST, ref->name, "\"images\": {\"require_digest\": false}",
            "names \"%s\" without the digest that images.require_digest demands; name it as "
            "IMAGE@sha256:...",
            shown);
    if (every)
        return refuse_with(check, KEY_IMAGES_ALLOW, ref->name, NULL,
                           "names \"%s\" with neither tag nor digest, which would pull every "
                           "tag; name one",
                           shown);
    return refuse_with(check, KEY_IMAGES_DENY_TAGS, tag, NULL,
                       "names the tag \"%s\", which images.deny_tags excludes", tag_shown);
}

/* An ID says as much as a digest, so none is demanded. */
bool image_name_passes(struct check *check, struct str reference)
{
    struct image_ref ref;
    return image_parse(reference, check->arena, &ref) &&
           !excludes(check, KEY_IMAGES_DENY, ref.name) &&
           !(ref.tag.n > 0 && excludes(check, KEY_IMAGES_DENY_TAGS, ref.tag)) &&
           (!image_registry_by_address(ref.registry) || lifted(check) ||
            registry_written_out(check, KEY_IMAGES_ALLOW, ref.registry, ref.name)) &&
           key_passes(check, KEY_IMAGES_ALLOW, ref.name);
}

static bool name_is_excluded(struct check *check, struct str reference)
{
    struct image_ref ref;
    return image_parse(reference, check->arena, &ref) &&
           (excludes(check, KEY_IMAGES_DENY, ref.name) ||
            (ref.tag.n > 0 && excludes(check, KEY_IMAGES_DENY_TAGS, ref.tag)));
}

/* One of its names must pass, and none may be excluded. */
static bool names_pass(struct check *check, const struct found *found)
{
    static const char *const lists[] = {"RepoTags", "RepoDigests"};
    bool passes = false;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct json_node *list = fact_at(found, lists[i]);
        for (const struct json_node *n = list ? json_child(&found->doc, list) : NULL; n;
             n = json_next(&found->doc, n)) {
            if (name_is_excluded(check, n->text))
                return false;
            passes = passes || image_name_passes(check, n->text);
        }
    }
    return passes;
}

/* While it is learnt what the image needs: its first name. */
static bool learn_name(struct check *check, const struct found *found)
{
    static const char *const lists[] = {"RepoTags", "RepoDigests"};
    for (size_t i = 0; check->learning && i < ARRAY_LEN(lists); i++) {
        const struct json_node *list = fact_at(found, lists[i]);
        const struct json_node *first = list ? json_child(&found->doc, list) : NULL;
        struct image_ref ref;
        if (first && image_parse(first->text, check->arena, &ref))
            return learning_note(check, KEY_IMAGES_ALLOW, ref.name);
    }
    return false;
}

/* Fewer digits than docker shows could stand for an image that comes a moment later. */
static bool id_is_short(struct str id)
{
    enum { SHOWN_DIGITS = 12 };
    size_t colon = str_find(id, ':');
    return (colon < id.n ? id.n - colon - 1 : id.n) < SHOWN_DIGITS;
}

/* Nobody can put content under a name that `import` does not allow, so the names that the daemon
   has for an ID tell where it came from. */
static enum finding judge_id(struct check *check, struct str id)
{
    struct found found;
    if (!images_restrict(check->role))
        return FINDING_PASS;
    if (id_is_short(id)) {
        SHOWN(digits, id);
        return refuse_with(check, KEY_IMAGES_ALLOW, id, NULL,
                           "names an image by \"%s\", which may be the beginning of several IDs; "
                           "use its name, or 12 digits at least",
                           digits);
    }
    switch (check_look(check, FACT_IMAGE, id, &found)) {
    case LOOK_WAIT:
        return FINDING_PASS;
    case LOOK_MISSING:
        return refuse_missing(check, FACT_IMAGE, id);
    case LOOK_REFUSED:
        return FINDING_REFUSE;
    case LOOK_FOUND:
        break;
    }
    found.looked->named = found.looked->named || names_pass(check, &found);
    if (found.looked->named || learn_name(check, &found))
        return FINDING_PASS;
    SHOWN(shown, id);
    return refuse_with(check, KEY_IMAGES_ALLOW, id, NULL,
                       "names an image by the ID \"%s\", and none of the names that the daemon has "
                       "for it passes the rules of images; use its name, as images.allow has it",
                       shown);
}

/* Where the daemon takes names alone digits are one: docker.io/library/0123456789ab. The nodes of a
   swarm try to pull what could be a name, before they take it for an ID. */
static bool is_name_too(const struct check *check, struct str id, enum image_use use)
{
    struct image_ref ref;
    if (!images_restrict(check->role))
        return false;
    return use == IMAGE_PULL || use == IMAGE_NAME ||
           (check_is_service(check) && image_parse(id, check->arena, &ref));
}

enum finding judge_image(struct check *check, struct str reference, enum image_use use)
{
    struct image_ref ref;
    if (image_is_id(reference)) {
        enum finding finding = judge_id(check, reference);
        if (finding != FINDING_PASS || !is_name_too(check, reference, use))
            return finding;
    }
    if (!image_parse(reference, check->arena, &ref)) {
        if (lifted(check))
            return FINDING_PASS;
        SHOWN(shown, reference);
        return refuse_with(check, KEY_IMAGES_ALLOW, reference, NULL,
                           "is \"%s\", which is not the name of an image", shown);
    }
    if (judge_name(check, &ref) != FINDING_PASS)
        return FINDING_REFUSE;
    return use == IMAGE_NAME ? FINDING_PASS : judge_version(check, &ref, use);
}

/* An image that is not there yet is the daemon's to refuse. */
enum finding judge_image_there(struct check *check, struct str reference)
{
    struct found found;
    if (sees_all(check, FACT_IMAGE) || check_is_existing(check))
        return FINDING_PASS;
    switch (check_look(check, FACT_IMAGE, reference, &found)) {
    case LOOK_FOUND:
        return judge_visible(check, &found, reference);
    case LOOK_REFUSED:
        return FINDING_REFUSE;
    default:
        return FINDING_PASS;
    }
}

/* A full ID means the same to everybody, with "sha256:" and without. */
static bool is_id(struct str reference, struct str id)
{
    return str_eq(reference, id) ||
           (str_starts(id, STR("sha256:")) && str_eq(reference, str_skip(id, 7)));
}

enum finding bind_image(struct check *check, const struct json_node *value, struct str reference)
{
    struct found found;
    if (check_is_existing(check) || check->request->route->op != OP_ContainerCreate)
        return FINDING_PASS;
    bool mount = value != place_node(check, PLACE_IMAGE);
    switch (check_look(check, FACT_IMAGE, reference, &found)) {
    case LOOK_WAIT:
        return FINDING_PASS;
    case LOOK_MISSING: /* and may be there a moment later */
        check->decision->image = STR("");
        return mount ? refuse_missing(check, FACT_IMAGE, reference) : FINDING_PASS;
    case LOOK_REFUSED:
        return FINDING_REFUSE;
    case LOOK_FOUND:
        break;
    }
    struct str id = found.fact->id;
    check->at = value;
    if (mount)
        return pin_text(check, STR(""), id, STR(""));
    if (!is_id(value->text, id))
        check->decision->image = id;
    return FINDING_PASS;
}

/* Do the rules of names, or those of what is there, look at what the reference stands for? */
static bool looks_at_image(const struct check *check, struct str reference)
{
    return (image_is_id(reference) && images_restrict(check->role)) || !sees_all(check, FACT_IMAGE);
}

enum finding judge_image_run(struct check *check, const struct json_node *value, struct str made_of)
{
    /* What was judged by its name may have become an ID, in services it has a digest. */
    struct str reference = value->text;
    if (check_is_service(check))
        reference = signed_reference(check, reference);
    else
        reference = name_as_asked(check, FACT_IMAGE, reference);
    if (judge_image(check, reference, IMAGE_RUN) != FINDING_PASS ||
        judge_image_there(check, reference) != FINDING_PASS ||
        (looks_at_image(check, reference) && bind_image(check, value, reference) != FINDING_PASS))
        return FINDING_REFUSE;
    check->at = value;
    return judge_signed(check, reference, made_of);
}

enum finding check_image(struct check *check, const struct json_node *value)
{
    return judge_image_run(check, value, check->made_of);
}

enum finding judge_import(struct check *check, struct str name)
{
    const struct constraint *import = check_key(check, KEY_IMAGES_IMPORT);
    struct image_ref ref = {0};
    if (import->any) /* the loader has filled the default in */
        return FINDING_PASS;
    bool read = name.n > 0 && image_parse(name, check->arena, &ref);
    if (read && import->set && entries_match(&import->allow, ref.name, false, check->work))
        return FINDING_PASS;
    SHOWN(shown, name);
    if (!read)
        return refuse_with(check, KEY_IMAGES_IMPORT, name, "\"images\": {\"import\": true}",
                           "brings other content under names that are not known here (\"%s\"), "
                           "and images.import does not allow any",
                           shown);
    return refuse(check, KEY_IMAGES_IMPORT, ref.name,
                  "puts other content under the name \"%s\", which images.import does not allow",
                  shown);
}

/* Does images.deny have all of the registry ("evil.example/" followed by "**")? */
static bool registry_excluded(const struct check *check, struct str registry)
{
    const struct entries *deny = &check_key(check, KEY_IMAGES_DENY)->allow;
    for (size_t i = 0; i < deny->count && check_spend(check, ENTRY_COST); i++) {
        struct str entry = deny->items[i].text;
        struct str head = str_head(entry, str_find(entry, '/'));
        struct str rest = str_skip(entry, head.n);
        if ((rest.n == 0 || str_is(rest, "/**")) && glob_find(head, registry, true, check->work))
            return true;
    }
    return false;
}

enum finding judge_registry(struct check *check, struct str registry)
{
    const struct constraint *allow = check_key(check, KEY_IMAGES_ALLOW);
    SHOWN(shown, registry);
    if (registry_excluded(check, registry))
        return refuse_with(check, KEY_IMAGES_DENY, registry, NULL,
                           "makes the daemon talk to the registry \"%s\", which images.deny "
                           "excludes",
                           shown);
    if (lifted(check))
        return FINDING_PASS;
    if (image_registry_by_address(registry))
        return registry_written_out(check, KEY_IMAGES_ALLOW, registry, STR("")) ||
                       learning_registry(check, registry)
                   ? FINDING_PASS
                   : refuse_address(check, KEY_IMAGES_ALLOW, registry);
    if (is_everything(allow))
        return FINDING_PASS;
    for (size_t i = 0; i < allow->allow.count; i++) {
        struct str entry = allow->allow.items[i].text;
        if (glob_find(str_head(entry, str_find(entry, '/')), registry, false, check->work))
            return FINDING_PASS;
    }
    if (learning_registry(check, registry))
        return FINDING_PASS;
    return refuse_with(check, KEY_IMAGES_ALLOW, registry, NULL,
                       "makes the daemon talk to the registry \"%s\", which no entry of "
                       "images.allow names",
                       shown);
}

bool reference_listed(const struct check *check, enum key key, struct str reference)
{
    struct image_ref ref;
    return !image_is_id(reference) && image_parse(reference, check->arena, &ref) &&
           (!image_registry_by_address(ref.registry) ||
            registry_written_out(check, key, ref.registry, ref.name)) &&
           key_passes(check, key, ref.name);
}

enum finding judge_reference(struct check *check, enum key key, struct str reference)
{
    struct image_ref ref;
    if ((check->role->unrestricted && is_everything(check_key(check, key))) ||
        reference_listed(check, key, reference))
        return FINDING_PASS;
    SHOWN(shown, reference);
    if (image_is_id(reference) || !image_parse(reference, check->arena, &ref))
        return refuse_with(check, key, reference, NULL,
                           "names \"%s\", which does not tell a registry and a repository, as %s "
                           "has them",
                           shown, key_path(key));
    if (image_registry_by_address(ref.registry) && !check->learning &&
        !registry_written_out(check, key, ref.registry, ref.name))
        return refuse_address(check, key, ref.registry);
    return refuse(check, key, ref.name, "names \"%s\", which is not in %s", shown, key_path(key));
}

/* ---- credentials ----------------------------------------------------------------------------- */

/* A path that every reader takes alike. */
static bool path_plain(struct str path)
{
    for (size_t i = 0; i < path.n; i++) {
        struct str rest = str_skip(path, i);
        if (!ascii_alpha(path.p[i]) && !ascii_digit(path.p[i]) && !memchr("._~/-", path.p[i], 5))
            return false;
        if (str_starts(rest, STR("//")) || str_starts(rest, STR("/.")))
            return false;
    }
    return true;
}

/* The host of "https://HOST[:PORT]/PATH", with or without scheme and path; false: none, or one that
   could be read in another way. */
static bool server_host(struct str address, struct str *out)
{
    static const struct str schemes[] = {{"https://", 8}, {"http://", 7}};
    struct str rest = address;
    for (size_t i = 0; i < ARRAY_LEN(schemes) && rest.n == address.n; i++)
        if (str_starts(address, schemes[i]))
            rest = str_skip(address, schemes[i].n);
    struct str host = str_head(rest, str_find(rest, '/'));
    *out = host;
    /* No image can name a registry that has no dot, so no entry could allow it. */
    bool named = str_find(host, '.') < host.n || image_registry_by_address(host);
    return named && image_registry_valid(host) && path_plain(str_skip(rest, host.n));
}

enum finding check_server_address(struct check *check, const struct json_node *value)
{
    struct str host;
    if (lifted(check))
        return FINDING_PASS;
    /* What is no plain address may hold a password, so it is not shown. */
    if (!server_host(value->text, &host))
        return refuse_with(check, KEY_IMAGES_ALLOW, STR(""), NULL,
                           "is no plain address of a registry, such as registry.example.com or "
                           "https://registry.example.com/v1/");
    return judge_registry(check, str_is(host, "index.docker.io") ? STR("docker.io") : host);
}

enum finding whole_auth(struct check *check)
{
    if (text_at(check, "serveraddress").n > 0)
        return FINDING_PASS; /* judged by its row */
    check->at = NULL;
    check->field = "serveraddress";
    return judge_registry(check, STR("docker.io"));
}
