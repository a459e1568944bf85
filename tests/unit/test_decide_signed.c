/* The gate of images.signed: what runs, is mounted, pulled and given to services, by what the
   daemon and those who verify say of it; and what is sent on in its place. */
#include "decide_helper.h"

#define H(digit) "sha256:" digit digit digit digit digit digit digit digit
#define ID1      H("11111111")
#define ID2      H("22222222")
#define D1       H("aaaaaaaa")
#define D2       H("bbbbbbbb")
#define KEY   \
    "SHA256:" \
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define APP       "{\"match\":\"ghcr.io/acme/**\",\"keys\":[\"a.pub\"]}"
#define HUB       "{\"match\":\"acme/app\",\"keys\":[\"a.pub\"]}"
#define LISTED    "{\"match\":\"ghcr.io/acme/**\",\"digests\":[\"" D1 "\"],\"ids\":[\"" ID1 "\"]}"
#define BOTH      "{\"match\":\"ghcr.io/acme/**\",\"keys\":[\"a.pub\"],\"digests\":[\"" D1 "\"]}"
#define NO_OTHERS ",{\"match\":\"**\",\"digests\":[]}"

/* An image of the daemon's; tags and digests are lists. */
#define IMAGE(id, tags, digests)                                                              \
    "{\"Id\":\"" id "\",\"RepoTags\":[" tags "],\"RepoDigests\":[" digests "],\"Config\":{}," \
    "\"RootFS\":{}}"
#define IMAGES(members)     "\"image\":{" members "}"
#define SIGNATURES(members) ",\"signature\":{" members "}"
#define INFO(driver, status) \
    ",\"info\":{\"\":{\"Driver\":\"" driver "\",\"DriverStatus\":" status "}}"
#define OVERLAY2   INFO("overlay2", "[[\"Backing Filesystem\",\"extfs\"]]")
#define VFS        INFO("vfs", "null")
#define CONTAINERD INFO("overlayfs", "[[\"driver-type\",\"io.containerd.snapshotter.v1\"]]")
#define UNMAPPED \
    "{\"Verdict\":\"signed\",\"Digest\":\"" D1 "\",\"Ids\":[\"" D1 "\"],\"Mapped\":false}"
#define GOOD(digest, ids)                                                               \
    "{\"Verdict\":\"signed\",\"Reason\":\"ok\",\"Digest\":\"" digest "\",\"Ids\":[" ids \
    "],\"Key\":\"" KEY "\",\"Format\":\"cosign-simple\"}"
#define BAD(reason) \
    "{\"Verdict\":\"refused\",\"Reason\":\"" reason "\",\"Text\":\"the reason in words\"}"
#define PULLED IMAGE(ID1, "\"ghcr.io/acme/app:1\"", "\"ghcr.io/acme/app@" D1 "\"")
#define BUILT  IMAGE(ID1, "\"ghcr.io/acme/app:1\"", "")

#define RUN(image)   "POST", "/v1.41/containers/create", "{\"Image\":\"" image "\"}"
#define PULL(params) "POST", "/v1.41/images/create?" params, ""
#define SERVICE(image)                \
    "POST", "/v1.41/services/create", \
        "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"" image "\"}}}"
#define MOUNT(image)                                        \
    "POST", "/v1.48/containers/create",                     \
        "{\"Image\":\"free:1\",\"HostConfig\":{\"Mounts\":" \
        "[{\"Type\":\"image\",\"Source\":\"" image "\",\"Target\":\"/m\"}]}}"

struct gate_row {
    const char *entries;
    const char *method, *target, *body;
    const char *facts;
    int status;       /* 0: allowed */
    const char *part; /* of the sentence; of what is sent on where it is allowed; NULL: as asked */
    const char *reason; /* of the audit line */
};

/* clang-format off */
static const struct gate_row gate_rows[] = {
    /* ---- what runs ---- */
    /* no entry covers it: nothing is asked */
    {APP, RUN("free:1"), "\"image\":{}", 0, NULL, ""},
    {APP, RUN("ghcr.io/other/app:1"), "\"image\":{}", 0, NULL, ""},
    {APP NO_OTHERS, RUN("free:1"), IMAGES("\"free:1\":" IMAGE(ID1, "\"free:1\"", "\"free@" D1 "\"")), 403, "images.signed[1] (\"**\") refuses: not_listed", "not_listed"},
    /* known by its ID */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "\"Image\":\"" ID1 "\"", "ok"},
    /* by the digest that it was pulled by */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID2 "\",\"" ID1 "\"")), 0, "\"Image\":\"" ID1 "\"", "ok"},
    {APP, RUN("ghcr.io/acme/app"), IMAGES("\"ghcr.io/acme/app\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "\"Image\":\"" ID1 "\"", "ok"},
    {APP, RUN("ghcr.io/acme/app@" D1), IMAGES("\"ghcr.io/acme/app@" D1 "\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "\"Image\":\"" ID1 "\"", "ok"},
    /* a store of containerd: the ID is the digest */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(D1, "\"ghcr.io/acme/app:1\"", "\"ghcr.io/acme/app@" D1 "\"")) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "")), 0, "\"Image\":\"" D1 "\"", "ok"},
    /* the second digest is the signed one */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(ID1, "", "\"ghcr.io/acme/old@" D2 "\",\"ghcr.io/acme/app@" D1 "\"")) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "\"Image\":\"" ID1 "\"", "ok"},
    /* the store has no manifest, and the daemon's own digests tell */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" UNMAPPED) OVERLAY2, 0, "\"Image\":\"" ID1 "\"", "ok"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" UNMAPPED) VFS, 0, "\"Image\":\"" ID1 "\"", "ok"},
    /* of names that an archive brings in a store of containerd they do not */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" UNMAPPED) CONTAINERD, 403, "id_mismatch: an image of containerd's store", "id_mismatch"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" UNMAPPED) INFO("", "null"), 503, "not_asked: the daemon does not tell of its image store", "not_asked"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(D1, "\"ghcr.io/acme/app:1\"", "\"ghcr.io/acme/app@" D1 "\"")) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" UNMAPPED) CONTAINERD, 0, "\"Image\":\"" D1 "\"", "ok"},
    /* names prove nothing */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" BUILT) SIGNATURES("\"ghcr.io/acme/app:1\":" GOOD(D1, "\"" ID1 "\"")), 403, "names the image \"ghcr.io/acme/app:1\", which images.signed[0] (\"ghcr.io/acme/**\") refuses: no_digest: the daemon has no digest of it", "no_digest"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(ID1, "", "\"free@" D1 "\"")) SIGNATURES("\"docker.io/library/free@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 403, "no_digest", "no_digest"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID2 "\"")), 403, "(" D1 "), which images.signed[0] (\"ghcr.io/acme/**\") refuses: id_mismatch", "id_mismatch"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" BAD("bad_signature")), 403, "(" D1 "), which images.signed[0] (\"ghcr.io/acme/**\") refuses: bad_signature: the reason in words", "bad_signature"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED), 403, "refuses: no_signature: nobody has signed it", "no_signature"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":{\"Verdict\":\"signed\"}"), 403, "no_signature", "no_signature"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":{}"), 403, "no_signature", "no_signature"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE("sha256:11", "", "")), 403, "no_id", "no_id"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":\"No such image: ghcr.io/acme/app:1\""), 404, "No such image: ghcr.io/acme/app:1", ""},
    /* the reason that tells most */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" BAD("id_unknown") ",\"ghcr.io/acme/app@" D1 "\":" BAD("bad_signature")), 403, "bad_signature", "bad_signature"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" BAD("bad_signature") ",\"ghcr.io/acme/app@" D1 "\":" BAD("no_signature")), 403, "bad_signature", "bad_signature"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(ID1, "", "\"not a name\",\"ghcr.io/acme/app:2\",\"ghcr.io/acme/app@" D1 "\"")) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "\"Image\":\"" ID1 "\"", "ok"},
    /* nobody could be asked */
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":[\"the helper has died\"]"), 503, "not_asked: the helper has died", "not_asked"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":[\"too many ask\"]"), 503, "not_asked: too many ask", "not_asked"},
    {APP, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(ID1, "", "\"ghcr.io/acme/old@" D2 "\",\"ghcr.io/acme/app@" D1 "\"")) SIGNATURES("\"ghcr.io/acme/old@" D2 "\":[\"away\"],\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "\"Image\":\"" ID1 "\"", "ok"},
    /* lists of the policy */
    {LISTED, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" BUILT), 0, "\"Image\":\"" ID1 "\"", "ok"},
    {LISTED, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(ID2, "", "\"ghcr.io/acme/app@" D1 "\"")) OVERLAY2, 0, "\"Image\":\"" ID2 "\"", "ok"},
    {LISTED, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(ID2, "", "\"ghcr.io/acme/app@" D1 "\"")) CONTAINERD, 403, "id_mismatch", "id_mismatch"},
    {LISTED, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(D1, "", "")), 0, "\"Image\":\"" D1 "\"", "ok"},
    {LISTED, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(ID2, "", "\"ghcr.io/acme/app@" D2 "\"")), 403, "not_listed", "not_listed"},
    {BOTH, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) OVERLAY2, 0, "\"Image\":\"" ID1 "\"", "ok"},
    {BOTH, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" PULLED) CONTAINERD, 403, "id_mismatch", "id_mismatch"},
    {BOTH, RUN("ghcr.io/acme/app:1"), IMAGES("\"ghcr.io/acme/app:1\":" IMAGE(ID2, "", "\"ghcr.io/acme/app@" D2 "\"")), 403, "no_signature", "no_signature"},
    /* by ID: under any of its names */
    {APP "],\"allow\":[\"ghcr.io/**\"", RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "\"free:1\",\"ghcr.io/acme/app:1\"", "")) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, NULL, "ok"},
    {APP "],\"allow\":[\"ghcr.io/**\"", RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "\"free:1\",\"ghcr.io/acme/app:1\"", "")), 403, "no_digest", "no_digest"},
    {APP "],\"allow\":[\"ghcr.io/**\"],\"deny_tags\":[\"old\"", RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "\"ghcr.io/acme/app:old\",\"ghcr.io/acme/app:1\"", "")), 403, "none of the names that the daemon has for it passes", ""},
    {APP, RUN(ID1), IMAGES("\"" ID1 "\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, NULL, "ok"},
    {APP, RUN("111111111111"), IMAGES("\"111111111111\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "\"Image\":\"" ID1 "\"", "ok"},
    {APP, RUN(ID1), IMAGES("\"" ID1 "\":" PULLED), 403, "no_signature", "no_signature"},
    {APP, RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "\"ghcr.io/acme/app:1\",\"free:1\"", "")), 0, NULL, ""},
    {APP, RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "", "")), 0, NULL, ""},
    {APP ",{\"match\":\"**/*\",\"digests\":[]}", RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "", "")), 403, "images.signed[1]", "not_listed"},
    {APP ",{\"match\":\"**/**\",\"keys\":[\"a.pub\"]}", RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "", "")), 403, "images.signed[1]", "not_listed"},
    {"{\"match\":\"127.0.0.1:5000/**\",\"keys\":[\"a.pub\"]}", RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "\"127.0.0.1:5000/a:1\"", "")), 403, "no_digest", "no_digest"},
    {APP, RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "\"127.0.0.1:5000/a:1\"", "")), 0, NULL, ""},
    {APP NO_OTHERS, RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "", "")), 403, "images.signed[1]", "not_listed"},
    {APP ",{\"match\":\"**\",\"ids\":[\"" ID1 "\"]}", RUN(ID1), IMAGES("\"" ID1 "\":" IMAGE(ID1, "", "")), 0, NULL, "ok"},
    {APP, RUN(""), "\"image\":{}", 403, "Image is not given, and images.signed demands", ""},
    {APP, "POST", "/v1.41/containers/create", "{}", "\"image\":{}", 403, "Image is not given", ""},
    {APP, RUN("no name"), "\"image\":{}", 403, "not the name of an image", ""},

    /* ---- what is mounted ---- */
    {APP, MOUNT("ghcr.io/acme/data:1"), IMAGES("\"ghcr.io/acme/data:1\":" IMAGE(ID1, "", "\"ghcr.io/acme/data@" D1 "\"")) SIGNATURES("\"ghcr.io/acme/data@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "\"Source\":\"" ID1 "\"", "ok"},
    {APP, MOUNT("ghcr.io/acme/data:1"), IMAGES("\"ghcr.io/acme/data:1\":" IMAGE(ID1, "", "\"ghcr.io/acme/data@" D1 "\"")), 403, "HostConfig.Mounts[0].Source names the image", "no_signature"},
    {APP, MOUNT("free:2"), "\"image\":{}", 0, NULL, ""},

    /* ---- what is pulled ---- */
    {APP, PULL("fromImage=free&tag=1"), "\"image\":{}", 0, NULL, ""},
    {APP, PULL("fromImage=ghcr.io/acme/app&tag=1"), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app:1\":" GOOD(D1, "\"" ID1 "\"")), 0, "?fromImage=ghcr.io/acme/app&tag=" D1, "ok"},
    {APP, PULL("fromImage=ghcr.io/acme/app:1"), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app:1\":" GOOD(D1, "\"" ID1 "\"")), 0, "?fromImage=ghcr.io/acme/app&tag=" D1, "ok"},
    {APP, PULL("fromImage=ghcr.io/acme/app&tag=" D1), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, NULL, "ok"},
    {APP, PULL("fromImage=ghcr.io/acme/app:7@" D1), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "?fromImage=ghcr.io/acme/app&tag=" D1, "ok"},
    {APP, PULL("fromImage=ghcr.io/acme/app&tag=1"), "\"image\":{}", 403, "?fromImage names the image \"ghcr.io/acme/app:1\", which images.signed[0] (\"ghcr.io/acme/**\") refuses: no_signature: nobody", "no_signature"},
    {APP, PULL("fromImage=ghcr.io/acme/app&tag=1"), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app:1\":[\"away\"]"), 503, "not_asked: away", "not_asked"},
    {APP, PULL("fromImage=ghcr.io/acme/app&tag=" D1), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D2, "\"" ID1 "\"")), 503, "not_asked: it cannot be told now", "not_asked"},
    {APP, PULL("fromImage=ghcr.io/acme/app"), "\"image\":{}", 403, "all_tags", "all_tags"},
    {APP, PULL("fromImage=" ID1), "\"image\":{}", 403, "no_name", "no_name"},
    {LISTED, PULL("fromImage=ghcr.io/acme/app&tag=" D1), "\"image\":{}", 0, NULL, "ok"},
    {LISTED, PULL("fromImage=ghcr.io/acme/app&tag=" D2), "\"image\":{}", 403, "not_listed: the digest is none of those in the entry", "not_listed"},
    {LISTED, PULL("fromImage=ghcr.io/acme/app&tag=1"), "\"image\":{}", 403, "not_listed: the entry lists digests; name the image by one of them", "not_listed"},
    {BOTH, PULL("fromImage=ghcr.io/acme/app&tag=1"), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app:1\":{\"Verdict\":\"refused\",\"Reason\":\"no_signature\",\"Digest\":\"" D1 "\"}"), 0, "tag=" D1, "ok"},
    {APP NO_OTHERS, PULL("fromImage=free&tag=1"), "\"image\":{}", 403, "images.signed[1] (\"**\") refuses: not_listed: the entry takes no signatures and lists no digests", "not_listed"},

    /* ---- services ---- */
    {APP, SERVICE("free:1"), "\"image\":{}", 0, NULL, ""},
    {APP, SERVICE("ghcr.io/acme/app:1"), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app:1\":" GOOD(D1, "")), 0, "\"Image\":\"ghcr.io/acme/app:1@" D1 "\"", "ok"},
    {APP, SERVICE("ghcr.io/acme/app"), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app:latest\":" GOOD(D1, "")), 0, "\"Image\":\"ghcr.io/acme/app:latest@" D1 "\"", "ok"},
    {APP, SERVICE("ghcr.io/acme/app:1@" D1), "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "")), 0, NULL, "ok"},
    {APP, SERVICE("ghcr.io/acme/app:1@" D1), "\"image\":{}", 403, "TaskTemplate.ContainerSpec.Image names the image", "no_signature"},
    {APP, SERVICE("ghcr.io/acme/app:1"), "\"image\":{}", 403, "no_signature", "no_signature"},
    {LISTED, SERVICE("ghcr.io/acme/app:1@" D1), "\"image\":{}", 0, NULL, "ok"},
    {APP, "POST", "/v1.41/services/s/update?version=1", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"ghcr.io/acme/app:1\"}}}", "\"image\":{}" SIGNATURES("\"ghcr.io/acme/app:1\":" GOOD(D1, "")), 0, "\"Image\":\"ghcr.io/acme/app:1@" D1 "\"", "ok"},

    /* ---- builds, and what is harmless ---- */
    {APP, "POST", "/v1.41/build?t=ghcr.io/acme/app:1", "", "\"image\":{}", 403, "the role sets images.signed, which no build obeys", ""},
    {APP, "POST", "/v1.41/images/free/tag?repo=ghcr.io/acme/app&tag=1", "", "\"image\":{}", 0, NULL, ""},
    {APP, "POST", "/v1.41/images/load", "", "\"image\":{}", 0, NULL, ""},
};
/* clang-format on */

/* What is sent on: the target, or the body where there is one. */
static struct str sent_on(const struct gate_row *row, const struct decision *decision,
                          struct arena *arena)
{
    struct request request;
    struct decision ignored;
    size_t cap = 4096, length = 0;
    char *target = arena_alloc(arena, cap, 1);
    assert_true(request_parse(str_of(row->method), str_of(row->target), arena, &request, &ignored));
    if (row->body[0])
        request.body = str_of(row->body);
    assert_true(request_rewrite(&request, decision, arena));
    if (row->body[0])
        return request.body;
    assert_true(request_target(&request, target, cap, &length));
    return (struct str){target, length};
}

static bool holds(struct str text, const char *part)
{
    char copy[4096];
    snprintf(copy, sizeof copy, "%.*s", STR_ARG(text));
    /* ':' need not be written as %3A. */
    return strstr(copy, part) != NULL;
}

static bool gate_row_right(const struct gate_row *row, const struct decision *decision,
                           struct arena *arena)
{
    if (decision->status != row->status || !decision_sound(decision) ||
        strcmp(decision->signature.reason, row->reason) != 0)
        return false;
    if (row->status)
        return strstr(decision->reason, row->part) &&
               (row->status == 404 || strcmp(decision->rule, "images.signed") == 0 ||
                strcmp(decision->rule, "builds.unconstrained") == 0 ||
                strcmp(decision->rule, "images.allow") == 0);
    bool as_asked = !row->part;
    return as_asked ? decision->edits.count == 0 && decision->change_count == 0
                    : holds(sent_on(row, decision, arena), row->part);
}

static void decide_row(const struct gate_row *row, const char *more, struct arena *arena,
                       struct decision *decision)
{
    char role[2048];
    const struct role *parsed = NULL;
    snprintf(role, sizeof role, "{\"allow\":[\"*\"]%s,\"images\":{\"signed\":[%s]}}", more,
             row->entries);
    struct policy *policy = load_role_text(role, &parsed);
    decide_facts(parsed, row->method, row->target, str_of(row->body), row->facts, arena, decision);
    policy_free(policy);
}

static void test_gate(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(gate_rows); i++) {
        const struct gate_row *row = &gate_rows[i];
        struct arena arena = {0};
        struct decision decision;
        decide_row(row, "", &arena, &decision);
        if (!gate_row_right(row, &decision, &arena)) {
            print_error("%zu: %s %s %s\n  %s\n  -> %d (%s) %s\n", i, row->method, row->target,
                        row->body, row->facts, decision.status, decision.signature.reason,
                        decision.reason);
            if (decision.verdict == VERDICT_ALLOW)
                print_error("  %.*s\n", STR_ARG(sent_on(row, &decision, &arena)));
            wrong++;
        }
        arena_free(&arena);
    }
    assert_int_equal(wrong, 0);
}

/* ---- containers that exist ------------------------------------------------------------------- */

#define C_ID "1234567812345678123456781234567812345678123456781234567812345678"
#define MADE(of, image, host)                                                       \
    "\"container\":{\"web\":{\"Id\":\"" C_ID "\",\"Name\":\"/web\",\"Image\":\"" of \
    "\",\"Config\":{\"Image\":\"" image "\"},\"HostConfig\":{" host "},\"Mounts\":[]}}"
#define START "POST", "/v1.41/containers/web/start", ""
#define EXEC  "POST", "/v1.41/containers/web/exec", "{\"Cmd\":[\"ls\"]}"
#define MOUNTED(source) \
    "\"Mounts\":[{\"Type\":\"image\",\"Source\":\"" source "\",\"Target\":\"/m\"}]"

/* clang-format off */
static const struct gate_row existing_rows[] = {
    {APP, START, MADE(ID1, "free:1", ""), 0, NULL, ""},
    {APP, START, MADE(ID1, "ghcr.io/acme/app:1", "") "," IMAGES("\"" ID1 "\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, NULL, "ok"},
    {APP, START, MADE(ID1, "ghcr.io/acme/app:1", "") "," IMAGES("\"" ID1 "\":" PULLED) SIGNATURES("\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, NULL, "ok"},
    {APP, EXEC, MADE(ID1, "ghcr.io/acme/app:1", "") "," IMAGES("\"" ID1 "\":" PULLED), 403, "the container \"web\" is not as this role would have made it: Image names the image", "no_signature"},
    {APP, START, MADE(ID1, "ghcr.io/acme/app:1", "") "," IMAGES("\"" ID1 "\":" PULLED), 403, "a policy with \"existing\": \"any\" would allow it", "no_signature"},
    /* the name stands for another image by now: it counts what the container was made of */
    {APP, START, MADE(ID2, "ghcr.io/acme/app:1", "") "," IMAGES("\"ghcr.io/acme/app:1\":" PULLED ",\"" ID2 "\":" IMAGE(ID2, "", "")) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 403, "no_digest", "no_digest"},
    /* the image is gone: what is known of its ID remains */
    {APP, START, MADE(ID1, "ghcr.io/acme/app:1", "") ",\"image\":{\"" ID1 "\":\"No such image\"}" SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, NULL, "ok"},
    {APP, START, MADE(ID1, "ghcr.io/acme/app:1", "") ",\"image\":{\"" ID1 "\":\"No such image\"}", 403, "no_digest", "no_digest"},
    /* made by ID, as the gate makes them */
    {APP, START, MADE(ID1, ID1, "") "," IMAGES("\"" ID1 "\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, NULL, "ok"},
    {APP, START, MADE(ID1, ID1, "") "," IMAGES("\"" ID1 "\":" PULLED), 403, "no_signature", "no_signature"},
    /* and nothing tells which names it had */
    {APP, START, MADE(ID1, ID1, "") ",\"image\":{\"" ID1 "\":\"No such image\"}", 403, "no_image", "no_image"},
    {LISTED, START, MADE(ID1, "ghcr.io/acme/app:1", "") "," IMAGES("\"" ID1 "\":" BUILT), 0, NULL, "ok"},
    {LISTED, START, MADE(ID2, "ghcr.io/acme/app:1", "") "," IMAGES("\"" ID2 "\":" IMAGE(ID2, "", "")), 403, "not_listed", "not_listed"},
    {APP, START, MADE("sha256:12", "ghcr.io/acme/app:1", "") ",\"image\":{}", 403, "no_id", "no_id"},
    {APP, START, MADE("", "ghcr.io/acme/app:1", "") ",\"image\":{}", 403, "no_id", "no_id"},
    {APP, START, MADE(ID1, "", "") ",\"image\":{}", 403, "Image is not given", ""},
    /* what it mounts */
    {APP, START, MADE(ID2, "free:1", MOUNTED(ID1)) "," IMAGES("\"" ID1 "\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, NULL, "ok"},
    {APP, START, MADE(ID2, "free:1", MOUNTED("ghcr.io/acme/app:1")) "," IMAGES("\"ghcr.io/acme/app:1\":" PULLED) SIGNATURES("\"ghcr.io/acme/app#" ID1 "\":" GOOD(D1, "\"" ID1 "\"")), 403, "make the container anew", "no_id"},
    {APP, START, MADE(ID2, "free:1", MOUNTED("free:2")) ",\"image\":{}", 0, NULL, ""},
};
/* clang-format on */

static void test_existing(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(existing_rows); i++) {
        const struct gate_row *row = &existing_rows[i];
        struct arena arena = {0};
        struct decision decision;
        decide_row(row, "", &arena, &decision);
        if (!gate_row_right(row, &decision, &arena)) {
            print_error("%zu: %s %s\n  -> %d (%s) %s\n", i, row->target, row->facts,
                        decision.status, decision.signature.reason, decision.reason);
            wrong++;
        }
        arena_reset(&arena);
        decide_row(row, ",\"existing\":\"any\"", &arena, &decision);
        assert_int_equal(decision.verdict, VERDICT_ALLOW);
        assert_string_equal(decision.signature.reason, "");
        arena_free(&arena);
    }
    assert_int_equal(wrong, 0);
}

/* ---- what follows a pull, and what a line tells ---------------------------------------------- */

static void test_pull(void **state)
{
    (void)state;
    static const struct {
        const char *entries, *params, *signatures;
        const char *tag; /* NULL: nothing follows */
        bool any_id;
    } pulls[] = {
        {APP, "fromImage=ghcr.io/acme/app&tag=1", "\"ghcr.io/acme/app:1\":" GOOD(D1, "\"" ID1 "\""),
         "1", false},
        {APP, "fromImage=ghcr.io/acme/app&tag=" D1,
         "\"ghcr.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\""), "", false},
        {APP, "fromImage=ghcr.io/acme/app&tag=" D1,
         "\"ghcr.io/acme/app@" D1 "\":{\"Verdict\":\"signed\",\"Digest\":\"" D1
         "\",\"Mapped\":false}",
         "", true},
        {BOTH, "fromImage=ghcr.io/acme/app&tag=1",
         "\"ghcr.io/acme/app:1\":{\"Verdict\":\"refused\",\"Digest\":\"" D1 "\"}", "1", true},
        {LISTED, "fromImage=ghcr.io/acme/app&tag=" D1, "", NULL, false},
        {APP, "fromImage=free&tag=1", "", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(pulls); i++) {
        char target[512], facts[2048];
        struct arena arena = {0};
        struct decision decision;
        snprintf(target, sizeof target, "/v1.41/images/create?%s", pulls[i].params);
        snprintf(facts, sizeof facts, "\"image\":{},\"signature\":{%s}", pulls[i].signatures);
        const struct gate_row row = {pulls[i].entries, "POST", target, "", facts, 0, NULL, ""};
        decide_row(&row, "", &arena, &decision);
        assert_int_equal(decision.verdict, VERDICT_ALLOW);
        const struct pull *pull = &decision.pull;
        assert_int_equal(pull->name.p != NULL, pulls[i].tag != NULL);
        if (pulls[i].tag) {
            assert_true(str_is(pull->name, "ghcr.io/acme/app") && str_is(pull->digest, D1));
            assert_true(str_is(pull->tag, pulls[i].tag));
            assert_int_equal(pull->fact, pulls[i].any_id ? FACTS_MAX : 0);
        }
        arena_free(&arena);
    }
}

static void test_note(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct decision decision;
    decide_row(&gate_rows[3], "", &arena, &decision);
    assert_string_equal(decision.signature.reason, "ok");
    assert_string_equal(decision.signature.digest, D1);
    assert_string_equal(decision.signature.key, KEY);
    assert_string_equal(decision.signature.format, "cosign-simple");
    arena_free(&arena);
}

/* What is sent on is judged once more, also where images have owners, whatever the spelling. */
#define NO_IMAGE "\"image\":{\"*\":\"No such image\"}"
#define OTHERS   "{\"Id\":\"" ID2 "\",\"Config\":{\"Labels\":{\"com.example.o\":\"other\"}}}"

/* clang-format off */
static const struct gate_row owned_rows[] = {
    {APP, PULL("fromImage=ghcr.io/acme/app&tag=1"), NO_IMAGE SIGNATURES("\"ghcr.io/acme/app:1\":" GOOD(D1, "\"" ID1 "\"")), 0, "tag=" D1, "ok"},
    {HUB, PULL("fromImage=acme/app&tag=1"), NO_IMAGE SIGNATURES("\"docker.io/acme/app:1\":" GOOD(D1, "\"" ID1 "\"")), 0, "fromImage=docker.io/acme/app&tag=" D1, "ok"},
    {HUB, PULL("fromImage=acme/app:7@" D1), NO_IMAGE SIGNATURES("\"docker.io/acme/app@" D1 "\":" GOOD(D1, "\"" ID1 "\"")), 0, "fromImage=docker.io/acme/app&tag=" D1, "ok"},
    {HUB, PULL("fromImage=acme/app&tag=1"), IMAGES("\"docker.io/acme/app:1\":" OTHERS) SIGNATURES("\"docker.io/acme/app:1\":" GOOD(D1, "\"" ID1 "\"")), 403, "takes the name \"docker.io/acme/app:1\" away", "ok"},
    {HUB, SERVICE("acme/app"), NO_IMAGE SIGNATURES("\"docker.io/acme/app:latest\":" GOOD(D1, "")), 0, "\"Image\":\"acme/app:latest@" D1 "\"", "ok"},
    {HUB, SERVICE("acme/app:1@" D1), NO_IMAGE SIGNATURES("\"docker.io/acme/app@" D1 "\":" GOOD(D1, "")), 0, "\"Image\":\"acme/app:1@" D1 "\"", "ok"},
    {HUB, RUN("acme/app:1"), IMAGES("\"acme/app:1\":" OTHERS) SIGNATURES("\"docker.io/acme/app#" ID2 "\":" GOOD(D1, "\"" ID2 "\"")), 404, "No such image", ""},
};
/* clang-format on */

/* decide_row() for a client whose name is known. */
static void decide_owned(const struct gate_row *row, struct arena *arena, struct decision *decision)
{
    static const char owner[] =
        "\"owner\":{\"label\":\"com.example.o\",\"value\":\"me\",\"images\":true}";
    char text[2048];
    const struct role *role = NULL;
    struct facts facts = {.arena = arena, .owner = STR("me")};
    struct request request;
    struct json doc;
    struct err err = {0};
    snprintf(text, sizeof text, "{\"allow\":[\"*\"],%s,\"images\":{\"signed\":[%s]}}", owner,
             row->entries);
    struct policy *policy = load_role_text(text, &role);
    const struct str parts[] = {STR("{"), str_of(row->facts), STR("}")};
    assert_true(json_scan(arena_join(arena, parts, 3), arena, &doc, &err));
    assert_true(request_parse(str_of(row->method), str_of(row->target), arena, &request, decision));
    if (row->body[0])
        request.body = str_of(row->body);
    policy_decide(role, &request, &facts, arena, decision);
    for (int round = 0; decision->verdict == VERDICT_NEED && round < FACT_ROUNDS_MAX; round++) {
        facts_answer(&request, &facts, &doc, doc.nodes, arena);
        policy_decide(role, &request, &facts, arena, decision);
    }
    if (decision->verdict == VERDICT_ALLOW)
        check_rewritten(role, &request, &facts, decision, arena);
    policy_free(policy);
}

static void test_owned(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(owned_rows); i++) {
        const struct gate_row *row = &owned_rows[i];
        struct arena arena = {0};
        struct decision decision;
        decide_owned(row, &arena, &decision);
        bool right = decision.status == row->status &&
                     (row->status ? strstr(decision.reason, row->part) != NULL
                                  : holds(sent_on(row, &decision, &arena), row->part));
        if (!right) {
            print_error("%zu: %s %s\n  -> %d %s\n", i, row->target, row->body, decision.status,
                        decision.reason);
            wrong++;
        }
        arena_free(&arena);
    }
    assert_int_equal(wrong, 0);
}

/* A role that demands nothing asks for nothing, whatever its images are. */
static void test_no_cost(void **state)
{
    (void)state;
    static const char *const roles[] = {OPEN_ROLE, "{\"allow\":[\"*\"],\"images\":{\"signed\":[]}}",
                                        "builtin:all"};
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        const struct role *role = NULL;
        struct policy *policy = load_role_text(roles[i], &role);
        struct arena arena = {0};
        struct facts facts = {.arena = &arena};
        struct decision decision;
        struct request request;
        assert_true(request_parse(STR("POST"), STR("/v1.41/containers/create"), &arena, &request,
                                  &decision));
        request.body = STR("{\"Image\":\"ghcr.io/acme/app:1\"}");
        policy_decide(role, &request, &facts, &arena, &decision);
        assert_int_equal(decision.verdict, VERDICT_ALLOW);
        assert_int_equal(facts.count, 0);
        assert_true(request_parse(STR("POST"),
                                  STR("/v1.41/images/create?fromImage=ghcr.io/acme/app&tag=1"),
                                  &arena, &request, &decision));
        policy_decide(role, &request, &facts, &arena, &decision);
        assert_int_equal(decision.verdict, VERDICT_ALLOW);
        assert_int_equal(facts.count, 0);
        assert_null(decision.pull.name.p);
        arena_free(&arena);
        policy_free(policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_existing), cmocka_unit_test(test_pull),
        cmocka_unit_test(test_note),     cmocka_unit_test(test_owned),
        cmocka_unit_test(test_no_cost),  cmocka_unit_test(test_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
