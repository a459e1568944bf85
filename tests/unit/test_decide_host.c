/* Bind sources with facts: what a path is on the daemon's file system decides, wherever a request
   names one. Each row answers every look at a host path with one fact. */
#include "decide_helper.h"

#define BINDS(list)  ROLE("\"containers\":{\"binds\":" list "}")
#define TREE         BINDS("[\"/srv/ci/**\",\"/srv/sock\"]")
#define KNOWN        ROLE("\"existing\":\"conforming\",\"containers\":{\"binds\":[\"/srv/ci/**\"]}")
#define WRITTEN      BINDS("[\"/etc/localtime\",\"/etc/srv\",\"/srv/ci/**\",\"/var/run/docker.sock\"]")
#define GLOB         BINDS("[\"/etc/**\",\"/lib/**\"]")
#define BIND(path)   HOST("\"Binds\":[\"" path ":/x\"]")
#define EXISTS       "{\"State\":\"exists\",\"Type\":\"folder\"}"
#define PARTLY       "{\"State\":\"partly\",\"Existing\":\"/srv\",\"Type\":\"folder\"}"
#define LINK         "{\"State\":\"link\",\"Link\":\"/srv/ci/l\"}"
#define UNSEEN       "{\"State\":\"unseen\",\"Why\":\"it is not mounted here; mount it\"}"
#define VITAL        "{\"State\":\"exists\",\"Type\":\"socket\",\"Vital\":true}"
#define REAL(path)   "{\"State\":\"exists\",\"Real\":\"" path "\",\"Type\":\"file\"}"
#define VOLUME       "POST", "/v1.41/volumes/create"
#define SERVICE      "POST", "/v1.41/services/create"
#define DEVICE(path) "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"" path "\"}"
#define ID           "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TASK(mount)                                                                             \
    "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"img\",\"Mounts\":[" mount \
    "]}}}"
#define MOUNT(path) "{\"Type\":\"bind\",\"Source\":\"" path "\",\"Target\":\"/x\"}"

/* words: of the refusal; NULL: allowed. */
static const struct host_row {
    const char *role;
    const char *method, *target, *body;
    const char *fact;
    const char *words;
} rows[] = {
    {TREE, CREATE, BIND("/srv/ci/a"), EXISTS, NULL},
    {TREE, CREATE, BIND("/srv/ci/a"), PARTLY, NULL},
    {TREE, CREATE, BIND("/srv/ci/a"), "{\"State\":\"none\"}", NULL},
    {TREE, CREATE, BIND("/srv/ci/l/x"), LINK,
     "\"/srv/ci/l\" is a symbolic link on the daemon's file system: bind the path"},
    {TREE, CREATE, BIND("/srv/ci/a"), UNSEEN, "it is not mounted here; mount it"},
    {TREE, CREATE, BIND("/srv/ci/a"), VITAL, "under another name, and must be written out"},
    {TREE, CREATE, BIND("/srv/sock"), VITAL, NULL},
    {TREE, CREATE, BIND("/srv/ci/a"), REAL("/usr/a"), "bind that, or write the source out"},

    /* What says nothing that is understood, refuses. */
    {TREE, CREATE, BIND("/srv/ci/a"), "{}", "cannot see"},
    {TREE, CREATE, BIND("/srv/ci/a"), "{\"State\":true}", "cannot see"},
    {TREE, CREATE, BIND("/srv/ci/a"), "{\"state\":\"exists\"}", "cannot see"},
    {TREE, CREATE, BIND("/srv/ci/a"), "{\"State\":\"exists\",\"Vital\":1}", "written out"},
    {TREE, CREATE, BIND("/srv/ci/a"), "[]", "not a JSON object"},
    {TREE, CREATE, BIND("/srv/ci/a"), "exists", "not a JSON object"},

    /* Links of the system: a source that is written out may pass them, and not to what is vital. */
    {WRITTEN, CREATE, BIND("/etc/localtime"), REAL("/usr/share/zoneinfo/UTC"), NULL},
    {WRITTEN, CREATE, BIND("/var/run/docker.sock"),
     "{\"State\":\"exists\",\"Real\":\"/run/docker.sock\",\"Vital\":true}", NULL},
    {WRITTEN, CREATE, BIND("/etc/localtime"), REAL("/proc/1"), "must be bound by that name"},
    {WRITTEN, CREATE, BIND("/etc/localtime"), REAL("/"), "must be bound by that name"},
    {WRITTEN, CREATE, BIND("/etc/localtime"), REAL("/etc/sockwarden"), "must be bound"},
    {WRITTEN, CREATE, BIND("/etc/srv"), REAL("/srv/ci/a/b"), NULL},
    {WRITTEN, CREATE, HOST("\"Binds\":[\"/etc/srv:/x\"],\"RestartPolicy\":{\"Name\":\"always\"}"),
     REAL("/srv/ci/a/b"), "lies below a path that containers can write"},
    {GLOB, CREATE, BIND("/lib/a"), REAL("/usr/lib/a"), "bind that, or write the source out"},

    /* With true, only what must be written out is looked for, and what hides it. */
    {BINDS("true"), CREATE, BIND("/srv/a"), EXISTS, NULL},
    {BINDS("true"), CREATE, BIND("/etc/localtime"), REAL("/usr/share/zoneinfo/UTC"), NULL},
    {BINDS("true"), CREATE, BIND("/etc/localtime"), REAL("/run/docker.sock"), "by that name"},
    {BINDS("true"), CREATE, BIND("/srv/a"), VITAL, "must be written out"},
    {BINDS("true"), CREATE, BIND("/srv/ci/l"), LINK, "is a symbolic link"},
    {BINDS("true"), CREATE, BIND("/srv/a"), UNSEEN, "mount it"},
    {"builtin:all", CREATE, BIND("/"), UNSEEN, NULL},

    /* Wherever a source stands. */
    {TREE, CREATE, HOST("\"Mounts\":[" MOUNT("/srv/ci/a") "]"), EXISTS, NULL},
    {TREE, CREATE, HOST("\"Mounts\":[" MOUNT("/srv/ci/a") "]"), LINK, "symbolic link"},
    {TREE, CREATE,
     HOST("\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/x\",\"VolumeOptions\":{\"DriverConfig\":"
          "{\"Name\":\"local\",\"Options\":" DEVICE("/srv/ci/a") "}}}]"),
     LINK, "symbolic link"},
    {TREE, VOLUME, "{\"Name\":\"v\",\"DriverOpts\":" DEVICE("/srv/ci/a") "}", EXISTS, NULL},
    {TREE, VOLUME, "{\"Name\":\"v\",\"DriverOpts\":" DEVICE("/srv/ci/a") "}", LINK,
     "symbolic link"},
    {BINDS("[\"/srv/ci\"]"), SERVICE, TASK(MOUNT("/srv/ci")), EXISTS, NULL},
    {BINDS("[\"/srv/ci\"]"), SERVICE, TASK(MOUNT("/srv/ci")), LINK, "symbolic link"},

    /* What has been swapped since a container or a volume was made. */
    {KNOWN, "POST", "/v1.41/containers/c/start", "", EXISTS, NULL},
    {KNOWN, "POST", "/v1.41/containers/c/start", "", LINK, "symbolic link"},
    {KNOWN, "POST", "/v1.41/containers/c/start", "", UNSEEN, "mount it"},
    {KNOWN, "POST", "/v1.41/containers/c/restart", "", LINK, "symbolic link"},
    {KNOWN, CREATE, HOST("\"Binds\":[\"v:/x\"]"), EXISTS, NULL},
    {KNOWN, CREATE, HOST("\"Binds\":[\"v:/x\"]"), LINK, "symbolic link"},
};

/* The only container and the only volume that there are: with a bind, and of a bind. */
static const char *answer_of(enum fact_kind kind, const char *host_path)
{
    switch (kind) {
    case FACT_HOST_PATH:
        return host_path;
    case FACT_CONTAINER:
        return "{\"Id\":\"" ID "\",\"Config\":{\"Image\":\"img\"},\"HostConfig\":{\"Binds\":"
               "[\"/srv/ci/a:/x\"],\"RestartPolicy\":{\"Name\":\"no\"}},\"Mounts\":[{\"Type\":"
               "\"bind\",\"Source\":\"/srv/ci/a\",\"Destination\":\"/x\",\"Mode\":\"\",\"RW\":true,"
               "\"Propagation\":\"rprivate\"}],\"NetworkSettings\":{\"Networks\":{}}}";
    case FACT_VOLUME:
        return "{\"Name\":\"v\",\"Driver\":\"local\",\"Options\":" DEVICE("/srv/ci/a") "}";
    default:
        return NULL;
    }
}

/* False: nothing was wanted, or something that nobody here knows. */
static bool answer_all(struct facts *facts, const char *host_path)
{
    bool answered = false;
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        const char *text = answer_of(fact->kind, host_path);
        if (fact->state != FACT_WANTED)
            continue;
        if (!text)
            return false;
        fact->state = FACT_FOUND;
        fact->text = str_of(text);
        answered = true;
    }
    return answered;
}

static size_t decide_row(const struct host_row *row, struct arena *arena, struct decision *decision)
{
    const struct role *role = NULL;
    struct policy *policy = load_role_text(row->role, &role);
    struct request request;
    struct facts facts = {.arena = arena};
    if (!request_parse(str_of(row->method), str_of(row->target), arena, &request, decision))
        fail();
    request.body = str_of(row->body);
    do {
        policy_decide(role, &request, &facts, arena, decision);
    } while (decision->verdict == VERDICT_NEED && answer_all(&facts, row->fact));
    policy_free(policy);
    return facts.count;
}

static void test_rows(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct host_row *row = &rows[i];
        struct arena arena = {0};
        struct decision decision = {0};
        decide_row(row, &arena, &decision);
        bool right =
            decision_sound(&decision) && (decision.verdict == VERDICT_ALLOW) == !row->words;
        if (right && row->words)
            right = strstr(decision.reason, row->words) &&
                    (!decision.rule || strcmp(decision.rule, "containers.binds") == 0);
        if (!right)
            print_error("%s\n  %s\n  %s\n  should be %s\n  -> %d %s\n", row->role, row->body,
                        row->fact, row->words ? row->words : "allowed", decision.status,
                        decision.reason);
        wrong += !right;
        arena_free(&arena);
    }
    assert_int_equal(wrong, 0);
}

/* Nobody looks where the text alone refuses, nor for who may do everything, nor twice. */
static void test_looks(void **state)
{
    (void)state;
    static const struct {
        struct host_row row;
        size_t looks;
    } looked[] = {
        {{TREE, CREATE, BIND("/opt"), EXISTS, ""}, 0},
        {{TREE, CREATE, BIND("/srv/ci/../x"), EXISTS, ""}, 0},
        {{TREE, CREATE, BIND("/var/run/docker.sock"), EXISTS, ""}, 0},
        {{BINDS("true"), CREATE, BIND("/run"), EXISTS, ""}, 0},
        {{"builtin:all", CREATE, BIND("/run"), EXISTS, NULL}, 0},
        {{TREE, CREATE, HOST("\"Tmpfs\":{\"/x\":\"\"}"), EXISTS, NULL}, 0},
        {{TREE, CREATE, HOST("\"Binds\":[\"/srv/ci/a:/x\",\"/srv/ci/a/:/y\",\"/srv/ci/b:/z\"]"),
          EXISTS, NULL},
         2},
    };
    for (size_t i = 0; i < ARRAY_LEN(looked); i++) {
        struct arena arena = {0};
        struct decision decision = {0};
        size_t looks = decide_row(&looked[i].row, &arena, &decision);
        if (looks != looked[i].looks || (decision.verdict == VERDICT_ALLOW) != !looked[i].row.words)
            fail_msg("%s %s: %zu looks, %s", looked[i].row.role, looked[i].row.body, looks,
                     decision.reason);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
