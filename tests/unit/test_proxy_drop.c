/* --user: who is found, and that there is no way back; and which files count as our own alone. */
#include "drop.h"

#include "cmd.h"
#include "log.h"

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sockwarden-drop-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/file", folder);
    FILE *file = fopen(path, "w");
    return file ? fclose(file) : -1;
}

static int clean_up(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* ---- names ----------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *error; /* a part of it; NULL: found */
    unsigned uid, gid;
} names[] = {
    {"nobody", NULL, 65534, 65534},
    {"65534", NULL, 65534, 65534},
    {"nobody:daemon", NULL, 65534, 1},
    {"nobody:77", NULL, 65534, 77},
    {"4000000:77", NULL, 4000000, 77},
    {"4000000", "needs a group: 4000000:GROUP", 0, 0},
    {"nosuchuser", "useradd --system --no-create-home", 0, 0},
    {"nobody:nosuchgroup", "groupadd --system nosuchgroup", 0, 0},
    {"nobody:", "there is no group", 0, 0},
    {":daemon", "there is no user", 0, 0},
    {"root", "is root", 0, 0},
    {"0:77", "is root", 0, 0},
    {"nobody:root", "root's group", 0, 0},
    {"4294967295:77", "there is no user", 0, 0},
    {"-1:77", "there is no user", 0, 0},
    {"nobody:4294967295", "there is no group", 0, 0},
    {"0123456789012345678901234567890123456789012345678901234567890123456789", "longer than", 0, 0},
};

static void test_names(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct err err = {.set = false};
        struct drop drop;
        bool found = drop_find(names[i].text, path, &drop, &err);
        if (found != !names[i].error)
            fail_msg("%s: %s", names[i].text, found ? "found" : err.text);
        if (names[i].error && !strstr(err.text, names[i].error))
            fail_msg("%s: %s", names[i].text, err.text);
        if (found && (!drop.wanted || drop.uid != names[i].uid || drop.gid != names[i].gid))
            fail_msg("%s: uid %u, gid %u", names[i].text, (unsigned)drop.uid, (unsigned)drop.gid);
    }
}

/* The group of the daemon's socket is kept, but for root's own. */
static void test_group(void **state)
{
    (void)state;
    static const struct {
        gid_t owner;
        bool kept;
    } groups[] = {{77, true}, {0, false}};
    struct err err = {.set = false};
    struct drop drop;
    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        assert_int_equal(chown(path, 0, groups[i].owner), 0);
        assert_true(drop_find("nobody", path, &drop, &err));
        assert_int_equal(drop.keeps_group, groups[i].kept);
        assert_true(!drop.keeps_group || drop.group == groups[i].owner);
    }
    const struct group *usual = getgrnam("docker");
    assert_true(drop_find("nobody", "/nonexistent/docker.sock", &drop, &err));
    assert_int_equal(drop.keeps_group, usual != NULL);
    assert_true(!usual || drop.group == usual->gr_gid);
}

static void test_stay(void **state)
{
    (void)state;
    struct err err = {.set = false};
    struct drop drop;
    assert_true(drop_find(NULL, path, &drop, &err));
    assert_false(drop.wanted);
    assert_int_equal(drop.uid, geteuid());
    assert_true(drop_privileges(&drop, &err));
}

/* ---- the way back ---------------------------------------------------------------------------- */

static int dropped(const struct drop *drop)
{
    struct err err = {.set = false};
    uid_t uid[3];
    gid_t gid[3], groups[8];
    if (!drop_privileges(drop, &err))
        return 1;
    if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
        return 2;
    for (int i = 0; i < 3; i++)
        if (uid[i] != drop->uid || gid[i] != drop->gid)
            return 3;
    int count = getgroups(8, groups);
    if (count != (drop->keeps_group ? 1 : 0) || (count == 1 && groups[0] != drop->group))
        return 4;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0)
        return 5;
    /* Another user from here: only root may. */
    struct drop again = {.wanted = true, .uid = 1, .gid = 1, .name = "daemon"};
    return drop_privileges(&again, &err) ? 6 : 0;
}

static void test_no_way_back(void **state)
{
    (void)state;
    static const struct drop drops[] = {
        {.wanted = true, .uid = 65534, .gid = 65534, .name = "nobody"},
        {.wanted = true, .uid = 4000, .gid = 4001, .keeps_group = true, .group = 77, .name = "x"},
    };
    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(drops); i++) {
        int status;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0)
            _exit(dropped(&drops[i]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* ---- files that others may write ------------------------------------------------------------- */

static const struct {
    unsigned mode, folder_mode;
    unsigned uid, gid, self;
    const char *error;
} files[] = {
    {0644, 0755, 0, 0, 0, NULL},
    {0600, 0700, 65534, 77, 65534, NULL},
    {0644, 0755, 0, 0, 65534, NULL},
    {0664, 0755, 0, 0, 0, NULL}, /* root's own group */
    {0664, 0755, 0, 77, 0, "written by its group; `chmod go-w"},
    {0646, 0755, 0, 0, 0, "written by everybody; `chmod go-w"},
    {0666, 0755, 0, 77, 0, "written by everybody"},
    {0644, 0755, 1000, 0, 0, "belongs to uid 1000"},
    {0400, 0755, 1000, 0, 65534, "belongs to uid 1000"},
    {0644, 0777, 0, 0, 0, "`chmod o-w /tmp/sockwarden-drop-"},
    {0644, 01777, 0, 0, 0, NULL}, /* like /tmp: only the owner may replace a file */
    {0644, 0775, 0, 0, 0, NULL},
};

static const struct {
    unsigned mode, uid, gid, self;
    const char *error;
} folders[] = {
    {0755, 65534, 0, 65534, NULL},
    {0755, 65534, 0, 0, "by uid 65534, whose folder /tmp/sockwarden-drop-"},
    {01755, 65534, 0, 0, "`chown root /tmp/sockwarden-drop-"},
    {0775, 0, 77, 0, "by its group, since its group may write in /tmp/sockwarden-drop-"},
    {01775, 0, 77, 0, NULL},
    {0755, 0, 77, 0, NULL},
    {0777, 0, 77, 0, "`chmod o-w"},
};

static void test_folders(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 0, 0), 0);
    assert_int_equal(chmod(path, 0644), 0);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        struct err err = {.set = false};
        assert_int_equal(chown(folder, folders[i].uid, folders[i].gid), 0);
        assert_int_equal(chmod(folder, folders[i].mode), 0);
        bool good = file_private_enough(path, folders[i].self, &err);
        if (good != !folders[i].error || (!good && !strstr(err.text, folders[i].error)))
            fail_msg("row %zu: %s", i, good ? "passes" : err.text);
    }
    assert_int_equal(chown(folder, 0, 0), 0);
    assert_int_equal(chmod(folder, 0700), 0);
}

static void test_files(void **state)
{
    (void)state;
    char link[128];
    if (geteuid() != 0)
        skip();
    snprintf(link, sizeof(link), "/tmp/sockwarden-drop-link-%d", (int)getpid());
    assert_int_equal(symlink(path, link), 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        assert_int_equal(chown(path, files[i].uid, files[i].gid), 0);
        assert_int_equal(chmod(path, files[i].mode), 0);
        assert_int_equal(chmod(folder, files[i].folder_mode), 0);
        for (int linked = 0; linked < 2; linked++) {
            struct err err = {.set = false};
            bool good = file_private_enough(linked ? link : path, files[i].self, &err);
            if (good != !files[i].error || (!good && !strstr(err.text, files[i].error)))
                fail_msg("row %zu: %s", i, good ? "passes" : err.text);
        }
    }
    unlink(link);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_true(file_private_enough("/nonexistent/policy.json", 0, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_group),
        cmocka_unit_test(test_stay),  cmocka_unit_test(test_no_way_back),
        cmocka_unit_test(test_files), cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
