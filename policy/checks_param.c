/* Checks of query parameters, and of what an operation's name and parameters mean together. */
#include "checks.h"

#include "existing.h"

enum { REFERENCE_MAX = 1024 /* bytes; Docker's own limit of a name is 255 */ };

/* ---- names and times ------------------------------------------------------------------------- */

/* The daemon takes "/name" for "name". */
enum finding param_container_name(struct check *check, struct str value)
{
    struct str name = str_starts(value, STR("/")) ? str_skip(value, 1) : value;
    if (!name_shadows_id(name))
        return judge(check, KEY_NAMES, name);
    SHOWN(shown, name);
    return refuse_with(check, KEY_NAMES, name, NULL,
                       "is \"%s\": 12 to 64 characters of only hex digits would stand before "
                       "the ID of another container",
                       shown);
}

enum finding param_stop_timeout(struct check *check, struct str value)
{
    enum { STOP_SECONDS_MAX = 600 };
    int64_t seconds = -1;
    if (str_to_int(value, &seconds) && seconds >= 0 && seconds <= STOP_SECONDS_MAX)
        return FINDING_PASS;
    SHOWN(shown, value);
    return refuse_unless_open(
        check, value, "is %s: outside 0 to 600 seconds it keeps the daemon from stopping", shown);
}

/* ---- images ---------------------------------------------------------------------------------- */

/* What of a reference is its name: without tag and digest. */
static struct str name_of(struct str reference)
{
    reference = str_head(reference, str_find(reference, '@'));
    size_t slash = str_rfind(reference, '/');
    size_t path = slash < reference.n ? slash + 1 : 0;
    return str_head(reference, path + str_find(str_skip(reference, path), ':'));
}

/* The reference as the daemon builds it: a digest in tag replaces tag and digest, a tag replaces
   the tag. p NULL: cannot tell. */
static struct str with_tag(struct check *check, struct str reference, struct str tag)
{
    size_t at = str_find(reference, '@');
    if (tag.n == 0)
        return reference;
    if (reference.n > REFERENCE_MAX || tag.n > REFERENCE_MAX)
        return (struct str){NULL, 0};
    bool digest = str_find(tag, ':') < tag.n;
    const struct str parts[] = {name_of(reference), digest ? STR("@") : STR(":"), tag,
                                digest ? STR("") : str_skip(reference, at)};
    return arena_join(check->arena, parts, ARRAY_LEN(parts));
}

/* What is pulled by digest gets no tag, and where it must be signed the tag is not sent on. */
static struct str without_tag(struct check *check, struct str reference)
{
    size_t at = str_find(reference, '@');
    if (at == reference.n || !role_has_signed(check->role))
        return reference;
    const struct str parts[] = {name_of(reference), str_skip(reference, at)};
    return arena_join(check->arena, parts, ARRAY_LEN(parts));
}

enum finding param_from_image(struct check *check, struct str value)
{
    /* `docker pull -a` of old clients ends in a colon, which the daemon takes off. */
    struct str image = str_ends(value, STR(":")) ? str_head(value, value.n - 1) : value;
    struct str reference = with_tag(check, image, request_param(check->request, "tag"));
    if (!reference.p)
        return FINDING_UNSURE;
    reference = signed_reference(check, reference);
    struct str taken = without_tag(check, reference);
    if (!taken.p)
        return FINDING_UNSURE;
    if (judge_image(check, reference, IMAGE_PULL) != FINDING_PASS ||
        judge_image_name_free(check, taken, true) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_signed_pull(check, reference);
}

enum finding param_from_src(struct check *check, struct str value)
{
    struct str target = request_param(check->request, "repo");
    struct str tag = request_param(check->request, "tag");
    if (!str_is(value, "-") &&
        refuse_unless_open(check, (struct str){NULL, 0},
                           "is an address that the daemon would fetch from") != FINDING_PASS)
        return FINDING_REFUSE;
    struct str name = target.n > 0 ? with_tag(check, target, tag) : target;
    if (target.n > 0 && !name.p)
        return FINDING_UNSURE;
    if (judge_import(check, name) != FINDING_PASS)
        return FINDING_REFUSE;
    return name.n > 0 ? judge_image(check, name, IMAGE_NAME) : FINDING_PASS;
}

enum finding param_tag_repo(struct check *check, struct str value)
{
    struct str name = with_tag(check, value, request_param(check->request, "tag"));
    if (!name.p)
        return FINDING_UNSURE;
    if (judge_import(check, name) != FINDING_PASS ||
        judge_image(check, name, IMAGE_NAME) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_image_name_free(check, name, false);
}

/* Each of the images that are fetched together. */
enum finding param_image_names(struct check *check, struct str value)
{
    return judge_image_there(check, value);
}

/* What a client may look for; '%' and the like would change the address that the daemon makes of
   the term. */
static bool term_plain(struct str term)
{
    for (size_t i = 0; i < term.n; i++)
        if (!ascii_alpha(term.p[i]) && !ascii_digit(term.p[i]) && !memchr("._:/- ", term.p[i], 6))
            return false;
    return true;
}

enum finding param_search_term(struct check *check, struct str value)
{
    size_t slash = str_find(value, '/');
    struct str first = str_head(value, slash);
    bool registry =
        slash < value.n && (str_find(first, '.') < first.n || str_find(first, ':') < first.n ||
                            str_is(first, "localhost"));
    bool hub = !registry || str_is(first, "docker.io") || str_is(first, "index.docker.io");
    bool valid = term_plain(value) && (hub || image_registry_valid(first));
    if (!valid && !check->role->unrestricted) {
        SHOWN(shown, value);
        return refuse_with(check, KEY_IMAGES_ALLOW, value, NULL,
                           "is \"%s\", which is no plain [REGISTRY/]TERM", shown);
    }
    return judge_registry(check, hub ? STR("docker.io") : first);
}

/* ---- the operation --------------------------------------------------------------------------- */

/* A name that is not given counts as "". */
static enum finding judge_created_name(struct check *check)
{
    if (request_param(check->request, "name").n > 0)
        return FINDING_PASS; /* judged by its row */
    check->field = "?name";
    if (absent_passes(check, KEY_NAMES) || check_key(check, KEY_NAMES)->any)
        return FINDING_PASS;
    return refuse(check, KEY_NAMES, STR(""),
                  "is not given, and containers.names has no \"\" for containers without a name");
}

/* Without fromImage the daemon imports, whatever fromSrc says. */
static enum finding judge_create_image(struct check *check)
{
    struct str image = request_param(check->request, "fromImage");
    struct str source = request_param(check->request, "fromSrc");
    if (image.n > 0 && source.n > 0) {
        check->field = "?fromSrc";
        return refuse_unclear(check, (struct str){NULL, 0},
                              "could be understood in two ways: fromImage is given as well");
    }
    if (image.n == 0 && source.n == 0) {
        check->field = "?fromImage";
        return refuse_unclear(check, image, "is not given, and neither is fromSrc");
    }
    return FINDING_PASS;
}

static enum finding judge_named_image(struct check *check)
{
    check->field = "the path";
    return judge_image(check, check->request->name, IMAGE_NAME);
}

/* Else another name would let an image run that images.allow keeps out. Who builds can begin with
   any image, too. */
static enum finding judge_tagged_image(struct check *check)
{
    const struct role *role = check->role;
    bool builds =
        role_allows(role, OP_ImageBuild) && check_key(check, KEY_BUILDS_UNCONSTRAINED)->any;
    if (builds || (!images_restrict(role) && !check->learning))
        return FINDING_PASS;
    check->field = "the path";
    return judge_image(check, check->request->name, IMAGE_RUN);
}

/* The names of what is loaded stand in the tar. */
static enum finding judge_load(struct check *check)
{
    check->field = "the archive";
    return judge_import(check, STR(""));
}

enum finding judge_operation(struct check *check)
{
    switch (check->request->route->op) {
    case OP_ContainerCreate:
        return judge_created_name(check);
    case OP_ImageCreate:
        return judge_create_image(check);
    case OP_ImagePush:
    case OP_DistributionInspect:
        return judge_named_image(check);
    case OP_ImageTag:
        return judge_tagged_image(check);
    case OP_ImageLoad:
        return judge_load(check);
    case OP_ImageCommit:
        return judge_commit(check);
    case OP_ImageBuild:
        return judge_build(check);
    case OP_Session:
    case OP_Grpc:
        return judge_tunnel(check);
    default:
        return judge_plugin_operation(check);
    }
}
