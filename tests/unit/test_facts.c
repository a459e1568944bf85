/* What a decision asks the daemon, and what it makes of the answers: networks, images, users,
   labels, versions, what cannot be had, and what is then sent on. Containers that exist:
   test_existing.c. */
#include "decide_helper.h"

#include "existing.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NO   VERDICT_DENY
#define YES  VERDICT_ALLOW

#define C(members)       "\"containers\":{" members "}"
#define CREATED(members) "POST", "/v1.41/containers/create", "{\"Image\":\"img\"" members "}"
#define JOINS(name)      CREATED(",\"HostConfig\":{\"NetworkMode\":\"" name "\"}")
#define NET(name, real, driver)                                                                 \
    "\"network\":{\"" name "\":{\"Id\":\"" ID_A "\",\"Name\":\"" real "\",\"Driver\":\"" driver \
    "\"}}"
#define IMAGE(name, members) "\"image\":{\"" name "\":{\"Id\":\"sha256:" ID_A "\"" members "}}"
#define BY_ID                "POST", "/v1.41/containers/create", "{\"Image\":\"sha256:" ID_A "\"}"
#define TAGS(tags)           IMAGE("sha256:" ID_A, ",\"RepoTags\":[" tags "]")
#define DIGESTS(digests)     IMAGE("sha256:" ID_A, ",\"RepoTags\":null,\"RepoDigests\":[" digests "]")
#define LISTED                                                                        \
    "\"images\":{\"allow\":[\"reg.example.com/**\"],\"deny\":[\"reg.example.com/old/" \
    "*\"],\"deny_tags\":[\"dev\"]}"
#define NO_ROOT          C("\"user\":{\"deny\":[\"root\"]}")
#define SAFE             ",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}"
#define USER(user)       IMAGE("img", ",\"Config\":{\"User\":\"" user "\"}")
#define LABELS(labels)   IMAGE("img", ",\"Config\":{\"Labels\":{" labels "}}")
#define VERSION(version) "\"version\":{\"*\":{\"Version\":\"" version "\"}}"
#define COPY             "GET", "/v1.41/containers/web/archive?path=/x", ""
#define WEB                                                    \
    "\"container\":{\"web\":{\"Id\":\"" ID_A "\",\"Name\":\"/" \
    "web\",\"Config\":{\"Image\":\"img\",\"Labels\":{\"a\":\"1\"}},\"HostConfig\":{}}}"
#define OBJECT(kind, members) "\"objects\":{\"" kind "\":{" members "}}"
#define CI                    "\"names\":[\"ci-*\"]"

struct known {
    const char *role; /* members, or "builtin:NAME" */
    const char *method, *target, *body;
    const char *facts; /* members; NULL: the usual ones */
    enum verdict verdict;
    const char *rule, *part;    /* of a refusal: its key, and a part of the reason */
    const char *sent_to, *sent; /* target and body that go to the daemon; NULL: not compared */
};

// clang-format off
static const struct known rows[] = {
    /* networks that are joined */
    {C("\"network_mode\":[\"ci\"]"), JOINS("ci"), NET("ci", "ci", "bridge"), YES, NULL, NULL, NULL, NULL},
    {C("\"network_mode\":[\"ci\"]"), JOINS("c1"), NET("c1", "ci", "bridge"), YES, NULL, NULL, NULL, NULL},
    {C("\"network_mode\":[\"ci\"]"), JOINS("c1"), NET("c1", "prod", "bridge"), NO, "containers.network_mode", "prod", NULL, NULL},
    {"", JOINS("ci"), NET("ci", "ci", "overlay"), NO, "networks.drivers", "whose driver \"overlay\"", NULL, NULL},
    {"\"networks\":{\"drivers\":[\"overlay\"]}", JOINS("ci"), NET("ci", "ci", "overlay"), YES, NULL, NULL, NULL, NULL},
    {"", JOINS("c1"), NET("c1", "host", "host"), NO, "containers.network_mode", "host", NULL, NULL},
    {C("\"network_mode\":[\"host\"]"), JOINS("c1"), NET("c1", "host", "host"), YES, NULL, NULL, NULL, NULL},
    {C("\"network_mode\":[\"ci\"]"), JOINS("c1"), NET("c1", "none", "null"), NO, "containers.network_mode", "none", NULL, NULL},
    {C("\"network_mode\":[\"none\"]"), JOINS("c1"), NET("c1", "none", "null"), YES, NULL, NULL, NULL, NULL},
    {C("\"network_mode\":[\"bridge\"]"), JOINS("c1"), NET("c1", "bridge", "bridge"), YES, NULL, NULL, NULL, NULL},
    {C("\"network_mode\":[\"ci\"]"), JOINS("c1"), NET("c1", "bridge", "bridge"), NO, "containers.network_mode", NULL, NULL, NULL},
    {"", JOINS("c1"), NET("c1", "", "bridge"), NO, "containers.network_mode", NULL, NULL, NULL},
    {"", JOINS("c1"), NET("c1", "container:x", "bridge"), NO, "containers.network_mode", NULL, NULL, NULL},
    {"", JOINS("gone"), "\"network\":{\"gone\":\"network gone not found\"}", NO, NULL, "network gone not found", NULL, NULL},
    {"", JOINS("ci"), "\"network\":{\"ci\":[\"the daemon is away\"]}", NO, NULL, "which failed: the daemon is away", NULL, NULL},
    {"", JOINS("ci"), "\"network\":{\"ci\":1}", NO, NULL, "not a JSON object", NULL, NULL},
    {"", JOINS("ci"), "\"network\":{\"ci\":{\"Name\":\"ci\"}}", NO, NULL, "does not say which object", NULL, NULL},
    {"", JOINS("ci"), "\"network\":{\"ci\":{\"Name\":\"ci\",\"Id\":\"\\u0061a\"}}", NO, NULL, "escaped", NULL, NULL},
    {"builtin:all", JOINS("ci"), "\"network\":{\"ci\":[\"not asked\"]}", YES, NULL, NULL, NULL, NULL},
    {"", "POST", "/v1.41/networks/ci/connect", "{\"Container\":\"web\"}", NET("ci", "ci", "bridge"), YES, NULL, NULL, "/v1.41/networks/" ID_A "/connect", NULL},
    {"\"networks\":{\"names\":[\"ci\"]}", "POST", "/v1.41/networks/c1/connect", "{\"Container\":\"web\"}", NET("c1", "prod", "bridge"), NO, "networks.names", "prod", NULL, NULL},
    {"\"networks\":{\"names\":[\"ci\"]}", "POST", "/v1.41/networks/c1/connect", "{\"Container\":\"web\"}", NET("c1", "ci", "bridge"), YES, NULL, NULL, "/v1.41/networks/" ID_A "/connect", NULL},
    {"", "POST", "/v1.41/networks/gone/connect", "{\"Container\":\"web\"}", "\"network\":{\"gone\":\"\"}", NO, NULL, "network gone not found", NULL, NULL},
    {"", "POST", "/v1.41/services/create", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"img\"},\"Networks\":[{\"Target\":\"ci\"}]}}", NET("ci", "ci", "bridge"), YES, NULL, NULL, NULL,
     "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"img\"},\"Networks\":[{\"Target\":\"" ID_A "\"}]}}"},
    /* networks that are made */
    {"", "POST", "/v1.41/networks/create", "{\"Name\":\"ci\"}", NULL, YES, NULL, NULL, NULL, "{\"Name\":\"ci\",\"CheckDuplicate\":true}"},
    {"", "POST", "/v1.41/networks/create", "{\"Name\":\"ci\",\"CheckDuplicate\":true}", NULL, YES, NULL, NULL, NULL, "{\"Name\":\"ci\",\"CheckDuplicate\":true}"},
    {"", "POST", "/v1.44/networks/create", "{\"Name\":\"ci\"}", NULL, YES, NULL, NULL, NULL, "{\"Name\":\"ci\"}"},
    {"", "POST", "/v1.41/networks/create", "{\"Name\":\"ci\"}", NET("ci", "ci", "bridge"), NO, "networks.names", "exists already", NULL, NULL},
    {"", "POST", "/v1.41/networks/create", "{\"Name\":\"ci\"}", NET("ci", "cities", "bridge"), YES, NULL, NULL, NULL, NULL},
    {"", "POST", "/v1.41/networks/create", "{\"Name\":\"ci\"}", "\"network\":{\"ci\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    /* images by ID */
    {LISTED, BY_ID, TAGS("\"reg.example.com/a:1\""), YES, NULL, NULL, NULL, NULL},
    {LISTED, BY_ID, TAGS("\"other/a:1\",\"reg.example.com/a:1\""), YES, NULL, NULL, NULL, NULL},
    {LISTED, BY_ID, TAGS("\"other/a:1\""), NO, "images.allow", "none of the names", NULL, NULL},
    {LISTED, BY_ID, TAGS("\"<none>:<none>\""), NO, "images.allow", "none of the names", NULL, NULL},
    {LISTED, BY_ID, TAGS("\"reg.example.com/a:1\",\"reg.example.com/old/a:1\""), NO, "images.allow", NULL, NULL, NULL},
    {LISTED, BY_ID, TAGS("\"reg.example.com/a:1\",\"reg.example.com/a:dev\""), NO, "images.allow", NULL, NULL, NULL},
    {LISTED, BY_ID, DIGESTS("\"reg.example.com/a@sha256:" ID_A "\""), YES, NULL, NULL, NULL, NULL},
    {LISTED, BY_ID, DIGESTS(""), NO, "images.allow", NULL, NULL, NULL},
    {"\"images\":{\"deny\":[\"x\"]}", BY_ID, TAGS("\"10.0.0.1:5000/a:1\""), NO, "images.allow", NULL, NULL, NULL},
    {"\"images\":{\"allow\":[\"10.0.0.1:5000/*\"]}", BY_ID, TAGS("\"10.0.0.1:5000/a:1\""), YES, NULL, NULL, NULL, NULL},
    {LISTED, BY_ID, "\"image\":{\"*\":\"No such image: x\"}", NO, NULL, "No such image", NULL, NULL},
    {LISTED, BY_ID, "\"image\":{\"*\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    {"", BY_ID, "\"image\":{\"*\":[\"not asked\"]}", YES, NULL, NULL, NULL, NULL},
    /* the image's own user */
    {NO_ROOT, CREATED(SAFE), USER("1000"), YES, NULL, NULL, NULL, "{\"Image\":\"img\"" SAFE ",\"User\":\"1000\"}"},
    {NO_ROOT, CREATED(SAFE ",\"User\":\"\""), USER("7:8"), YES, NULL, NULL, NULL, "{\"Image\":\"img\"" SAFE ",\"User\":\"7:8\"}"},
    {NO_ROOT, CREATED(SAFE ",\"User\":\"5\""), USER("0"), YES, NULL, NULL, NULL, "{\"Image\":\"img\"" SAFE ",\"User\":\"5\"}"},
    {NO_ROOT, CREATED(SAFE), USER(""), NO, "containers.user", "denies root", NULL, NULL},
    {NO_ROOT, CREATED(SAFE), USER("nobody"), NO, "containers.user", "nobody", NULL, NULL},
    {NO_ROOT, CREATED(SAFE), "\"image\":{\"img\":\"No such image: img\"}", NO, NULL, "No such image: img", NULL, NULL},
    {NO_ROOT, CREATED(SAFE), "\"image\":{\"img\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    /* labels of the image */
    {C("\"labels\":{\"deny\":[\"traefik.*\"]}"), CREATED(""), LABELS("\"traefik.x\":\"1\""), NO, "containers.labels", "from its image", NULL, NULL},
    {C("\"labels\":{\"deny\":[\"traefik.*\"]}"), CREATED(""), LABELS("\"b\":\"1\""), YES, NULL, NULL, NULL, NULL},
    {C("\"labels\":[\"a\"]"), CREATED(",\"Labels\":{\"a\":\"2\"}"), LABELS("\"a\":\"1\""), YES, NULL, NULL, NULL, NULL},
    {C("\"labels\":[\"a\"]"), CREATED(",\"Labels\":{\"a\":\"2\"}"), LABELS("\"b\":\"1\""), NO, "containers.labels", "from its image", NULL, NULL},
    {C("\"labels\":[\"a\"]"), CREATED(""), "\"image\":{\"img\":\"No such image: img\"}", YES, NULL, NULL, NULL, NULL},
    {C("\"labels\":[\"a\"]"), CREATED(""), "\"image\":{\"img\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    /* daemons that copies are safe with */
    {"", COPY, VERSION("29.5.1"), YES, NULL, NULL, NULL, NULL},
    {"", COPY, VERSION("29.5.1-rc.1"), YES, NULL, NULL, NULL, NULL},
    {"", COPY, VERSION("29.6"), YES, NULL, NULL, NULL, NULL},
    {"", COPY, VERSION("29.5.10"), YES, NULL, NULL, NULL, NULL},
    {"", COPY, VERSION("30.0.0"), YES, NULL, NULL, NULL, NULL},
    {"", COPY, VERSION("29.5.0"), NO, "archive", "this one is \"29.5.0\"", NULL, NULL},
    {"", COPY, VERSION("29.5"), NO, "archive", NULL, NULL, NULL},
    {"", COPY, VERSION("29"), NO, "archive", NULL, NULL, NULL},
    {"", COPY, VERSION("29x5x1"), NO, "archive", NULL, NULL, NULL},
    {"", COPY, VERSION("29.4.99"), NO, "archive", NULL, NULL, NULL},
    {"", COPY, VERSION("20.10.24+dfsg1"), NO, "archive", NULL, NULL, NULL},
    {"", COPY, VERSION("v30"), NO, "archive", NULL, NULL, NULL},
    {"", COPY, VERSION(""), NO, "archive", NULL, NULL, NULL},
    {"", COPY, "\"version\":{\"*\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    {"\"archive\":false", COPY, VERSION("30.0.0"), NO, "archive", "is off", NULL, NULL},
    /* what may be touched */
    {OBJECT("containers", CI), "GET", "/v1.41/containers/web/json", "", WEB, NO, "objects.containers", "name is not", NULL, NULL},
    {OBJECT("containers", "\"names\":[\"w*\"]"), "GET", "/v1.41/containers/web/json", "", WEB, YES, NULL, NULL, "/v1.41/containers/" ID_A "/json", NULL},
    {OBJECT("containers", "\"labels\":{\"a\":\"1\"}"), "GET", "/v1.41/containers/web/json", "", WEB, YES, NULL, NULL, NULL, NULL},
    {OBJECT("containers", "\"labels\":{\"a\":\"2\"}"), "GET", "/v1.41/containers/web/json", "", WEB, NO, "objects.containers", "labels are not", NULL, NULL},
    {OBJECT("containers", "\"labels\":{\"b\":\"*\"}"), "GET", "/v1.41/containers/web/json", "", WEB, NO, "objects.containers", NULL, NULL, NULL},
    {OBJECT("containers", CI), "GET", "/v1.41/containers/web/json", "", "\"container\":{\"web\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    {OBJECT("containers", CI), "GET", "/v1.41/containers/gone/json", "", "\"container\":{\"gone\":\"No such container: gone\"}", NO, NULL, "No such container: gone", NULL, NULL},
    {OBJECT("containers", CI), "GET", "/v1.41/containers/web/json", "", "\"container\":{\"web\":{\"Id\":\"1\"}}", NO, NULL, "full ID", NULL, NULL},
    {"\"existing\":\"any\"," OBJECT("containers", CI), "GET", "/v1.41/exec/e1/json", "", WEB ",\"exec\":{\"e1\":{\"ID\":\"e1\",\"ContainerID\":\"web\"}}", NO, "objects.containers", NULL, NULL, NULL},
    {"\"existing\":\"any\"", "POST", "/v1.41/exec/e1/start", "{}", "\"exec\":{\"e1\":[\"not asked\"]}", YES, NULL, NULL, NULL, NULL},
    {"\"existing\":\"any\"," OBJECT("containers", "\"names\":[\"web\"]"), "POST", "/v1.41/exec/e1/start", "{}", WEB ",\"exec\":{\"e1\":{\"ID\":\"e1\",\"ContainerID\":\"web\"}}", YES, NULL, NULL, NULL, NULL},
    {"\"existing\":\"any\"," OBJECT("containers", "\"names\":[\"web\"]"), "POST", "/v1.41/containers/web/start", "", WEB, YES, NULL, NULL, NULL, NULL},
    {"", "GET", "/v1.41/exec/e1/json", "", "\"exec\":{\"e1\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    {"", "GET", "/v1.41/exec/e1/json", "", "\"exec\":{\"e1\":\"No such exec instance: e1\"}", NO, NULL, "No such exec instance: e1", NULL, NULL},
    {OBJECT("volumes", CI), "GET", "/v1.41/volumes/v", "", "\"volume\":{\"v\":{\"Name\":\"v\"}}", NO, "objects.volumes", NULL, NULL, NULL},
    {OBJECT("volumes", CI), "GET", "/v1.41/volumes/v", "", "\"volume\":{\"v\":\"get v: no such volume\"}", NO, NULL, "no such volume", NULL, NULL},
    {OBJECT("volumes", CI), "GET", "/v1.41/volumes/v", "", "\"volume\":{\"v\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    {OBJECT("volumes", CI), CREATED(",\"HostConfig\":{\"Binds\":[\"v:/v\"]}"), "\"volume\":{\"v\":{\"Name\":\"v\",\"Driver\":\"local\"}}", NO, "objects.volumes", NULL, NULL, NULL},
    {OBJECT("networks", CI), "GET", "/v1.41/networks/n", "", NET("n", "n", "bridge"), NO, "objects.networks", NULL, NULL, NULL},
    {OBJECT("networks", CI), "GET", "/v1.41/networks/n", "", NET("n", "ci-n", "bridge"), YES, NULL, NULL, "/v1.41/networks/" ID_A, NULL},
    {OBJECT("networks", CI), "GET", "/v1.41/networks/n", "", NET("n", "bridge", "bridge"), YES, NULL, NULL, NULL, NULL},
    {OBJECT("networks", CI), JOINS("n"), NET("n", "n", "bridge"), NO, "objects.networks", NULL, NULL, NULL},
    {OBJECT("networks", CI), JOINS("n"), NET("n", "ci-n", "bridge"), YES, NULL, NULL, NULL, NULL},
    {OBJECT("images", "\"names\":[\"reg.example.com/*\"]"), "GET", "/v1.41/images/img/json", "", IMAGE("img", ",\"RepoTags\":[\"reg.example.com/a:1\"]"), YES, NULL, NULL, "/v1.41/images/img/json", NULL},
    {OBJECT("images", "\"names\":[\"docker.io/library/a\"]"), "GET", "/v1.41/images/img/json", "", IMAGE("img", ",\"RepoTags\":[\"a:1\"]"), YES, NULL, NULL, NULL, NULL},
    {OBJECT("images", "\"names\":[\"b\"]"), "GET", "/v1.41/images/img/json", "", IMAGE("img", ",\"RepoTags\":[\"<none>\",\"a:1\"]"), NO, "objects.images", NULL, NULL, NULL},
    {OBJECT("images", "\"names\":[\"b\"]"), CREATED(""), IMAGE("img", ",\"RepoTags\":[\"a:1\"]"), NO, "objects.images", NULL, NULL, NULL},
    {OBJECT("images", "\"names\":[\"b\"]"), CREATED(""), "\"image\":{\"img\":[\"away\"]}", NO, NULL, "away", NULL, NULL},
    {OBJECT("services", CI), "GET", "/v1.41/services/s", "", "\"service\":{\"s\":{\"ID\":\"s1\",\"Spec\":{\"Name\":\"ci-s\"}}}", YES, NULL, NULL, "/v1.41/services/s1", NULL},
    {OBJECT("services", CI), "GET", "/v1.41/tasks/t", "", "\"task\":{\"t\":{\"ID\":\"t1\"}}", NO, "objects.services", NULL, NULL, NULL},
    {OBJECT("secrets", CI), "GET", "/v1.41/secrets/s", "", "\"secret\":{\"s\":{\"ID\":\"s1\",\"Spec\":{\"Name\":\"s\"}}}", NO, "objects.secrets", NULL, NULL, NULL},
    {OBJECT("configs", "\"labels\":{\"a\":\"*\"}"), "GET", "/v1.41/configs/s", "", "\"config\":{\"s\":{\"ID\":\"s1\",\"Spec\":{\"Name\":\"s\",\"Labels\":{\"a\":\"1\"}}}}", YES, NULL, NULL, "/v1.41/configs/s1", NULL},
    /* parameters that name containers */
    {"", "POST", "/v1.41/commit?container=web&repo=r", "", WEB, YES, NULL, NULL, "/v1.41/commit?container=" ID_A "&repo=r", NULL},
};
// clang-format on

static void load_row(const struct known *row, struct policy **policy, const struct role **role)
{
    char text[4096];
    bool builtin = strncmp(row->role, "builtin:", 8) == 0;
    snprintf(text, sizeof text, "{\"allow\":[\"*\"]%s%s}", row->role[0] ? "," : "", row->role);
    *policy = load_role_text(builtin ? row->role : text, role);
}

/* Is what goes to the daemon as the row says? */
static bool sent_right(const struct known *row, struct request *request,
                       const struct decision *decision, struct arena *arena)
{
    char target[1024];
    size_t len = 0;
    bool differs = decision_rewrites(decision, request);
    struct str name = request->name, body = request->body;
    if (!request_rewrite(request, decision, arena) ||
        !request_target(request, target, sizeof target, &len))
        return false;
    bool changed =
        !str_eq(name, request->name) || !str_eq(body, request->body) || decision->change_count > 0;
    return changed == differs &&
           (!row->sent_to || str_is((struct str){target, len}, row->sent_to)) &&
           (!row->sent || str_is(request->body, row->sent));
}

static bool row_right(const struct known *row)
{
    struct arena arena = {0};
    struct decision decision;
    struct request request;
    struct policy *policy;
    const struct role *role;
    struct json doc;
    struct err err = {0};
    load_row(row, &policy, &role);
    const struct str parts[] = {STR("{"), str_of(row->facts ? row->facts : ""), STR("}")};
    struct str text = arena_join(&arena, parts, ARRAY_LEN(parts));
    if (!json_scan(text, &arena, &doc, &err))
        fail_msg("%s\n%d: %s", text.p, err.column, err.text);
    bool parsed =
        request_parse(str_of(row->method), str_of(row->target), &arena, &request, &decision);
    if (parsed) {
        if (row->body[0])
            request.body = str_of(row->body);
        decide_known(role, &request, &doc, doc.nodes, &arena, &decision);
    }
    bool right = decision_sound(&decision) && decision.verdict == row->verdict &&
                 (!row->rule || (decision.rule && strcmp(decision.rule, row->rule) == 0)) &&
                 (!row->part || strstr(decision.reason, row->part));
    if (right)
        right = row->verdict == YES ? sent_right(row, &request, &decision, &arena)
                                    : !request_rewrite(&request, &decision, &arena);
    if (!right)
        print_error("{%s}\n  %s %s %s\n  {%s}\n  -> %d %d, rule %s: %s\n  sent %.*s %.*s\n",
                    row->role, row->method, row->target, row->body, row->facts ? row->facts : "",
                    decision.verdict, decision.status, decision.rule ? decision.rule : "-",
                    decision.reason, parsed ? (int)request.name.n : 0, request.name.p,
                    parsed ? (int)request.body.n : 0, request.body.p);
    arena_free(&arena);
    policy_free(policy);
    return right;
}

static void what_is_known_decides(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        wrong += !row_right(&rows[i]);
    assert_int_equal(wrong, 0);
}

/* Without any fact each of them asks, or needs none; none is refused for what is not known. */
static void nothing_known_allows_nothing_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct decision decision;
        struct request request;
        struct policy *policy;
        const struct role *role;
        load_row(&rows[i], &policy, &role);
        assert_true(request_parse(str_of(rows[i].method), str_of(rows[i].target), &arena, &request,
                                  &decision));
        if (rows[i].body[0])
            request.body = str_of(rows[i].body);
        policy_decide(role, &request, NULL, &arena, &decision);
        if (rows[i].verdict == NO && decision.verdict == YES)
            fail_msg("%s %s is allowed without a look", rows[i].method, rows[i].target);
        arena_free(&arena);
        policy_free(policy);
    }
}

/* ---- questions ------------------------------------------------------------------------------- */

static void kinds_have_names(void **state)
{
    (void)state;
    enum fact_kind kind;
    for (int i = 0; i < FACT_KIND_COUNT; i++) {
        assert_true(fact_kind_find(str_of(fact_kind_name((enum fact_kind)i)), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(fact_kind_find(STR("containers"), &kind));
    assert_false(fact_kind_find(STR(""), &kind));
}

static void questions_have_targets(void **state)
{
    (void)state;
    // clang-format off
    static const struct {
        enum fact_kind kind;
        const char *name, *target; /* NULL: none */
    } targets[] = {
        {FACT_CONTAINER, "web", "/containers/web/json"}, {FACT_CONTAINER, "a/b", NULL},
        {FACT_CONTAINER, "", NULL}, {FACT_CONTAINER, "..", NULL}, {FACT_CONTAINER, ".", NULL},
        {FACT_CONTAINER, "a b?c#d%e", "/containers/a%20b%3Fc%23d%25e/json"},
        {FACT_EXEC, "e1", "/exec/e1/json"}, {FACT_VOLUME, "v", "/volumes/v"},
        {FACT_VOLUME_MADE, "v", "/volumes/create"}, {FACT_NETWORK, "n", "/networks/n"},
        {FACT_IMAGE, "reg:5000/a/b@sha256:1", "/images/reg:5000/a/b@sha256:1/json"},
        {FACT_IMAGE, "a//b", NULL}, {FACT_IMAGE, "a/../b", NULL}, {FACT_IMAGE, "/a", NULL},
        {FACT_IMAGE, "a/", NULL}, {FACT_SERVICE, "s", "/services/s"}, {FACT_TASK, "t", "/tasks/t"},
        {FACT_SECRET, "s", "/secrets/s"}, {FACT_CONFIG, "c", "/configs/c"},
        {FACT_INFO, "", "/info"}, {FACT_VERSION, "", "/version"}, {FACT_HOST_PATH, "/x", NULL},
        {FACT_OWN_EXEC, "e1", NULL},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        char dst[64];
        size_t len = 0;
        const struct fact fact = {.kind = targets[i].kind, .name = str_of(targets[i].name)};
        bool made = fact_target(&fact, dst, sizeof dst, &len);
        if (made != (targets[i].target != NULL))
            fail_msg("%s \"%s\"", fact_kind_name(fact.kind), targets[i].name);
        if (made && !str_is((struct str){dst, len}, targets[i].target))
            fail_msg("%s \"%s\": %.*s", fact_kind_name(fact.kind), targets[i].name, (int)len, dst);
        if (made)
            assert_false(fact_target(&fact, dst, len - 1, &len));
    }
}

/* More networks than one request may name, and a name that is too long. */
static void questions_are_bounded(void **state)
{
    (void)state;
    char body[16 << 10], name[FACT_NAME_MAX + 2];
    size_t n = (size_t)snprintf(body, sizeof body,
                                "{\"Image\":\"img\",\"NetworkingConfig\":{\"EndpointsConfig\":{");
    for (int i = 0; i <= FACTS_MAX; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, "%s\"n%d\":{}", i ? "," : "", i);
    snprintf(body + n, sizeof body - n, "}}}");
    const struct known many = {"", "POST", "/v1.41/containers/create", body, NULL,
                               NO, NULL,   "more objects than",        NULL, NULL};
    assert_true(row_right(&many));
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(body, sizeof body, "{\"Image\":\"img\",\"HostConfig\":{\"NetworkMode\":\"%s\"}}",
             name);
    assert_true(row_right(&many));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_decides),
        cmocka_unit_test(nothing_known_allows_nothing_more),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(questions_have_targets),
        cmocka_unit_test(questions_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
