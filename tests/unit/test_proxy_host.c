/* What a path is on the daemon's file system: links, what is missing, sockets under other names,
   folders that may not be entered; and the warnings about allowed trees. In a folder that stands
   for the host's root. */
#include "host_warn.h"

#include "host_path.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sockwarden-host-XXXXXX";
static struct host_root root;
static int listener; /* at /run/own.sock */

/* A path in the folder; good until the fourth call from here. */
static const char *in(const char *name)
{
    static char paths[4][PATH_MAX];
    static int at;
    char *path = paths[at++ % 4];
    snprintf(path, PATH_MAX, "%s%s", folder, name);
    return path;
}

static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in(name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void make_links(void)
{
    static const char *const links[][2] = {
        {"/", "/srv/ci/rootlink"},
        {"file", "/srv/ci/filelink"},
        {"nosuch", "/srv/ci/dangling"},
        {"loop", "/srv/ci/loop"},
        {"/proc/self/root", "/srv/ci/magic"},
        {"/run", "/var/run"},
        {"../usr/zone", "/etc/localtime"},
        {"/srv/ci/rootlink/x", "/etc/through"},
        {"../usr/../srv", "/etc/back"},
        {"/etc/round", "/etc/round"},
        {"/etc/hop2", "/etc/hop1"},
        {"/usr/zone", "/etc/hop2"},
        {"usr", "/slash"},
    };
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        assert_int_equal(symlink(links[i][0], in(links[i][1])), 0);
}

static int set_up(void **state)
{
    (void)state;
    static const char *const folders[] = {"/srv",  "/srv/ci", "/srv/ci/ws", "/run",
                                          "/etc",  "/var",    "/usr",       "/run/containerd",
                                          "/proc", "/locked", "/locked/in"};
    static const char *const files[] = {"/srv/ci/file", "/usr/zone"};
    struct err err = {.set = false};
    if (!mkdtemp(folder))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        assert_int_equal(mkdir(in(folders[i]), 0755), 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_int_equal(close(creat(in(files[i]), 0644)), 0);
    make_links();
    assert_int_equal(mkfifo(in("/srv/ci/fifo"), 0600), 0);
    listener = listen_at("/run/own.sock");
    listen_at("/run/docker.sock");
    listen_at("/run/containerd/containerd.sock");
    listen_at("/srv/ci/other.sock");
    assert_int_equal(link(in("/run/own.sock"), in("/srv/ci/own2.sock")), 0);
    assert_int_equal(link(in("/run/docker.sock"), in("/srv/ci/docker2.sock")), 0);
    assert_int_equal(link(in("/run/containerd/containerd.sock"), in("/srv/ci/ctrd2.sock")), 0);
    assert_true(host_root_open(folder, NULL, &root, &err));
    host_root_add_listener(&root, listener);
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    char command[PATH_MAX];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    host_root_close(&root);
    return system(command);
}

/* ---- the fact -------------------------------------------------------------------------------- */

/* NoSuid and NoDev depend on where the tests run. */
static const char *mount_flags(void)
{
    struct statvfs st;
    assert_int_equal(statvfs(folder, &st), 0);
    bool suid = st.f_flag & ST_NOSUID, dev = st.f_flag & ST_NODEV;
    return suid && dev ? ",\"NoSuid\":true,\"NoDev\":true"
           : suid      ? ",\"NoSuid\":true"
           : dev       ? ",\"NoDev\":true"
                       : "";
}

/* expected: the fact behind its path; '#' stands for the flags of the mount. */
static const struct row {
    const char *path, *expected;
} rows[] = {
    {"/", "\"exists\",\"Type\":\"folder\"#,\"Vital\":true"},
    {"/srv/ci/ws", "\"exists\",\"Type\":\"folder\"#"},
    {"/srv/ci/ws/", "\"exists\",\"Type\":\"folder\"#"},
    {"/srv/ci/file", "\"exists\",\"Type\":\"file\"#"},
    {"/srv/ci/fifo", "\"exists\",\"Type\":\"fifo\"#"},
    {"/srv/ci/ws/new/more", "\"partly\",\"Existing\":\"/srv/ci/ws\",\"Type\":\"folder\"#"},
    {"/srv/ci/file/more", "\"partly\",\"Existing\":\"/srv/ci/file\",\"Type\":\"file\"#"},
    {"/new", "\"partly\",\"Existing\":\"/\",\"Type\":\"folder\"#"},

    {"/srv/ci/rootlink", "\"link\",\"Link\":\"/srv/ci/rootlink\""},
    {"/srv/ci/rootlink/etc", "\"link\",\"Link\":\"/srv/ci/rootlink\""},
    {"/srv/ci/filelink", "\"link\",\"Link\":\"/srv/ci/filelink\""},
    {"/srv/ci/dangling", "\"link\",\"Link\":\"/srv/ci/dangling\""},
    {"/srv/ci/dangling/x", "\"link\",\"Link\":\"/srv/ci/dangling\""},
    {"/srv/ci/loop", "\"link\",\"Link\":\"/srv/ci/loop\""},
    {"/srv/ci/magic/etc", "\"link\",\"Link\":\"/srv/ci/magic\""},

    /* Links of the system. */
    {"/var/run/x", "\"partly\",\"Real\":\"/run/x\",\"Existing\":\"/run\",\"Type\":\"folder\"#"},
    {"/var/run/docker.sock",
     "\"exists\",\"Real\":\"/run/docker.sock\",\"Type\":\"socket\"#,\"Vital\":true"},
    {"/etc/localtime", "\"exists\",\"Real\":\"/usr/zone\",\"Type\":\"file\"#"},
    {"/etc/hop1", "\"exists\",\"Real\":\"/usr/zone\",\"Type\":\"file\"#"},
    {"/slash/zone", "\"exists\",\"Real\":\"/usr/zone\",\"Type\":\"file\"#"},
    {"/etc/through", "\"link\",\"Link\":\"/srv/ci/rootlink\""},
    {"/etc/back/ci", "\"link\",\"Link\":\"/etc/back\""},
    {"/etc/round", "\"unseen\",\"Why\":\"too many symbolic links follow one another\""},

    /* Sockets by their inodes, and the folders that hold them. */
    {"/run", "\"exists\",\"Type\":\"folder\"#,\"Vital\":true"},
    {"/run/own.sock", "\"exists\",\"Type\":\"socket\"#,\"Vital\":true"},
    {"/srv/ci/own2.sock", "\"exists\",\"Type\":\"socket\"#,\"Vital\":true"},
    {"/srv/ci/docker2.sock", "\"exists\",\"Type\":\"socket\"#,\"Vital\":true"},
    {"/srv/ci/ctrd2.sock", "\"exists\",\"Type\":\"socket\"#,\"Vital\":true"},
    {"/srv/ci/other.sock", "\"exists\",\"Type\":\"socket\"#"},
};

static void expand(const char *pattern, const char *path, char dst[1024])
{
    const char *mark = strchr(pattern, '#');
    int before = mark ? (int)(mark - pattern) : (int)strlen(pattern);
    snprintf(dst, 1024, "{\"Path\":\"%s\",\"State\":%.*s%s%s}", path, before, pattern,
             mark ? mount_flags() : "", mark ? mark + 1 : "");
}

static void test_rows(void **state)
{
    (void)state;
    struct arena arena = {.head = NULL};
    int wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char expected[1024];
        expand(rows[i].expected, rows[i].path, expected);
        struct str fact = host_path_fact(&root, str_of(rows[i].path), &arena);
        if (str_is(fact, expected))
            continue;
        print_error("%s:\n got      %.*s\n expected %s\n", rows[i].path, STR_ARG(fact), expected);
        wrong++;
    }
    arena_free(&arena);
    assert_int_equal(wrong, 0);
}

/* A daemon that comes back has made its socket anew. */
static void test_new_socket(void **state)
{
    (void)state;
    struct host_path look;
    assert_int_equal(rename(in("/run/docker.sock"), in("/run/old.sock")), 0);
    int fd = listen_at("/run/docker.sock");
    assert_int_equal(link(in("/run/docker.sock"), in("/srv/ci/again.sock")), 0);
    host_path_look(&root, STR("/srv/ci/again.sock"), &look);
    assert_true(look.vital);
    host_path_look(&root, STR("/run/old.sock"), &look);
    assert_false(look.vital);
    close(fd);
}

static void test_odd_paths(void **state)
{
    (void)state;
    struct host_path look;
    char path[PATH_MAX + 16];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    host_path_look(&root, (struct str){path, sizeof(path)}, &look);
    assert_int_equal(look.state, HOST_UNSEEN);
    host_path_look(&root, (struct str){path, NAME_MAX + 5}, &look);
    assert_int_equal(look.state, HOST_UNSEEN);
    assert_non_null(strstr(look.why, strerror(ENAMETOOLONG)));
    host_path_look(&root, STR("/srv/ci\0/x"), &look);
    assert_int_equal(look.state, HOST_UNSEEN);
    host_path_look(&root, STR(""), &look);
    assert_int_equal(look.state, HOST_EXISTS);
}

/* Quotes and bytes of a name stay what they are in the fact. */
static void test_escapes(void **state)
{
    (void)state;
    struct arena arena = {.head = NULL};
    struct err err = {.set = false};
    struct json doc;
    struct str path = STR("/srv/ci/a\"b\\\xc3\xa9");
    struct str fact = host_path_fact(&root, path, &arena);
    assert_true(json_scan(fact, &arena, &doc, &err));
    assert_true(str_eq(json_get(&doc, &doc.nodes[0], STR("Path"))->text, path));
    arena_free(&arena);
}

static void test_by_name(void **state)
{
    (void)state;
    struct arena arena = {.head = NULL};
    struct err err = {.set = false};
    struct host_root none;
    assert_true(host_root_open("none", "/run/docker.sock", &none, &err));
    assert_int_equal(none.fd, -1);
    host_root_add_listener(&none, listener);
    assert_int_equal(none.socket_count, 0);
    assert_true(str_is(host_path_fact(&none, STR("/srv"), &arena),
                       "{\"Path\":\"/srv\",\"State\":\"none\"}"));
    host_root_close(&none);
    arena_free(&arena);
}

static void test_bad_roots(void **state)
{
    (void)state;
    static const char *const paths[] = {"nosuch", "", "/nosuch/root", "/etc/passwd"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct err err = {.set = false};
        struct host_root bad;
        assert_false(host_root_open(paths[i], NULL, &bad, &err));
        assert_non_null(strstr(err.text, "--host-root"));
        assert_int_equal(bad.fd, -1);
    }
}

/* ---- in processes of their own --------------------------------------------------------------- */

static bool look_fails(const struct host_root *at, const char *path, const char *words)
{
    struct host_path look;
    host_path_look(at, str_of(path), &look);
    if (look.state == HOST_UNSEEN && strstr(look.why, words))
        return true;
    fprintf(stderr, "%s: state %d, %s\n", path, (int)look.state, look.why);
    return false;
}

static int without_power(void)
{
    if (setgid(65534) != 0 || setuid(65534) != 0)
        return 2;
    return look_fails(&root, "/locked/in/x", "may not look into /locked;") &&
                   look_fails(&root, "/locked/in/x", "setfacl")
               ? 0
               : 1;
}

/* A container's own files are not the daemon's; what is mounted into it is. */
static int in_container(void)
{
    struct err err = {.set = false};
    struct host_root own;
    struct host_path look;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", in("/srv"), "tmpfs", MS_NOSUID | MS_NODEV, NULL) != 0 ||
        mkdir(in("/srv/ci"), 0755) != 0 || chroot(folder) != 0 || chdir("/") != 0 ||
        setenv("container", "test", 1) != 0 || symlink("x", "/srv/link") != 0 ||
        symlink("x", "/usr/link") != 0)
        return 2;
    if (!host_root_open("/", "/run/docker.sock", &own, &err) || !own.foreign || !own.doubt)
        return 3;
    bool ok = look_fails(&own, "/usr/zone", "not mounted in sockwarden's container") &&
              look_fails(&own, "/usr/new", "--host-root") &&
              look_fails(&own, "/usr/link", "not mounted") &&
              look_fails(&own, "/proc/1", "not mounted") && look_fails(&own, "/", "not mounted");
    host_path_look(&own, STR("/srv/ci"), &look);
    ok = ok && look.state == HOST_EXISTS && look.no_suid && look.no_dev;
    host_path_look(&own, STR("/srv/new"), &look);
    ok = ok && look.state == HOST_PARTLY;
    host_path_look(&own, STR("/srv/link/x"), &look);
    return ok && look.state == HOST_LINK ? 0 : 1;
}

/* A /tmp of the service's own, as systemd's PrivateTmp= mounts it. */
static int in_service(void)
{
    struct err err = {.set = false};
    struct host_root own = {.fd = -1};
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(in("/systemd-private-1"), 0700) != 0 ||
        mount(in("/systemd-private-1"), in("/usr"), NULL, MS_BIND, NULL) != 0)
        return 2;
    /* Who listens has stayed behind in the old one. */
    if (!host_root_open("/", in("/run/own.sock"), &own, &err) || !own.doubt)
        return 3;
    if (!host_root_hides(&own, str_of(in("/usr"))) ||
        !host_root_hides(&own, str_of(in("/usr/x"))) || host_root_hides(&own, str_of(in("/usr2"))))
        return 4;
    own.foreign = false;
    return look_fails(&own, in("/usr/x"), "PrivateTmp=") ? 0 : 1;
}

static int status_of(int (*run)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_without_power(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(in("/locked"), 0700), 0);
    assert_int_equal(chmod(in(""), 0755), 0);
    assert_int_equal(status_of(without_power), 0);
}

static void test_in_container(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(status_of(in_container), 0);
}

static void test_in_service(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(status_of(in_service), 0);
    /* Who listens has the same mounts: nothing is doubted, whatever the signs of a container. */
    struct err err = {.set = false};
    struct host_root own;
    assert_true(host_root_open("/", in("/run/own.sock"), &own, &err));
    assert_false(own.foreign);
    assert_null(own.doubt);
    assert_int_equal(own.hidden_count, 0);
    host_root_close(&own);
}

/* ---- warnings -------------------------------------------------------------------------------- */

struct heard {
    char text[4096];
    int count;
};

static void hear(const char *sentence, void *arg)
{
    struct heard *heard = arg;
    size_t n = strlen(heard->text);
    snprintf(heard->text + n, sizeof(heard->text) - n, "%s\n", sentence);
    heard->count++;
}

static struct heard hear_of(const char *binds, bool serving)
{
    char text[1024];
    struct heard heard = {.count = 0};
    struct err_list errors = {NULL, 0, 0};
    snprintf(text, sizeof(text),
             "{\"version\":1,\"roles\":{\"default\":{\"allow\":[\"@create\"],\"containers\":"
             "{\"binds\":%s}},\"other\":{\"extends\":\"default\"}}}",
             binds);
    struct policy *policy = policy_load(str_of(text), &errors);
    err_list_free(&errors);
    assert_non_null(policy);
    host_warn(&root, policy, serving, hear, &heard);
    policy_free(policy);
    return heard;
}

static const struct warning {
    const char *binds;
    int count;
    const char *words;
} warnings[] = {
    {"false", 0, ""},
    {"true", 0, ""},
    {"[\"/nosuch/**\"]", 0, ""},
    {"[\"/srv/ci/nosuch\"]", 0, ""},
    {"[{\"source\":\"/srv/ci/**\",\"read_only\":true}]", 0, ""},
    {"[\"/srv/ci/file\"]", 0, ""},
    {"[\"/srv/ci/**\"]", 1, "below /srv/ci, whose file system is not mounted nosuid"},
    {"[\"/srv/ci/**\",\"/srv/ci/*\",\"/srv/ci/ws-*\",\"/srv/ci\"]", 1, "below /srv/ci,"},
    {"[\"/srv/ci/**\",\"/srv/ci/ws/**\"]", 2, "below /srv/ci/ws,"},
    {"[\"/srv/ci/rootlink/x/**\"]", 1, "through the symbolic link /srv/ci/rootlink, so"},
    {"[{\"source\":\"/srv/ci/filelink\",\"read_only\":true}]", 1, "/srv/ci/filelink, so"},
    {"[{\"source\":\"/etc/localtime\",\"read_only\":true}]", 0, ""},
    {"[\"/var/run/docker.sock\"]", 0, ""},
    {"[\"/slash/**\"]", 1, "through the symbolic link"},
    {"[\"/etc/round\"]", 0, ""},
};

static void test_warnings(void **state)
{
    (void)state;
    bool suid = strcmp(mount_flags(), "") == 0;
    for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
        struct heard heard = hear_of(warnings[i].binds, false);
        if (!suid && strstr(warnings[i].words, "below"))
            continue;
        if (heard.count != warnings[i].count || !strstr(heard.text, warnings[i].words))
            fail_msg("%s: %d warnings, expected %d with '%s': %s", warnings[i].binds, heard.count,
                     warnings[i].count, warnings[i].words, heard.text);
    }
    struct heard heard = hear_of("[\"/etc/round\"]", true);
    assert_int_equal(heard.count, 1);
    assert_non_null(strstr(heard.text, "cannot be seen here, so it is refused: too many"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_new_socket),
        cmocka_unit_test(test_odd_paths),     cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_by_name),       cmocka_unit_test(test_bad_roots),
        cmocka_unit_test(test_without_power), cmocka_unit_test(test_in_container),
        cmocka_unit_test(test_in_service),    cmocka_unit_test(test_warnings),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
