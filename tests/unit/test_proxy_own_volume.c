/* Volumes that paths and mounts name. */
#include "own_volume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *path;
    const char *names[2];
} path_rows[] = {
    {"/var/lib/docker/volumes/sw_run/_data", {"sw_run", NULL}},
    {"/var/lib/docker/volumes/sw_run/_data/docker.sock", {"sw_run", NULL}},
    {"/volumes/run/_data", {"run", NULL}},
    {"/@/docker/volumes/run/_data/sub/x", {"run", NULL}},
    {"/a/volumes/out/_data/volumes/in/_data", {"out", "in"}},
    {"/volumes/volumes/x/_data", {"x", NULL}},
    {"/volumes/run/_data2", {NULL, NULL}},
    {"/volumes/run/data", {NULL, NULL}},
    {"/volumes/run", {NULL, NULL}},
    {"/volumes//_data", {NULL, NULL}},
    {"/volumes/", {NULL, NULL}},
    {"volumes/run/_data", {NULL, NULL}},
    {"/myvolumes/run/_data", {NULL, NULL}},
    {"/", {NULL, NULL}},
    {"", {NULL, NULL}},
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(path_rows); i++) {
        struct str path = str_of(path_rows[i].path), name;
        for (size_t k = 0; k < ARRAY_LEN(path_rows[i].names); k++) {
            const char *want = path_rows[i].names[k];
            bool found = own_volume_next(&path, &name);
            if (found != (want != NULL) || (found && !str_is(name, want)))
                fail_msg("%s: name %zu", path_rows[i].path, k);
        }
        assert_false(own_volume_next(&path, &name));
    }
}

#define RUN         "/var/lib/docker/volumes/run/_data"
#define MOUNT(r, p) "501 480 254:1 " r " " p " rw,relatime master:1 - ext4 /dev/vda1 rw\n"

static const struct {
    const char *line, *path, *root; /* root NULL: not there */
} mount_rows[] = {
    {MOUNT(RUN, "/run/sw"), "/run/sw/docker.sock", RUN},
    {MOUNT(RUN, "/run/sw"), "/run/sw", RUN},
    {MOUNT(RUN, "/run/sw"), "/run/sw2/docker.sock", NULL},
    {MOUNT(RUN, "/run/sw"), "/run/docker.sock", NULL},
    {MOUNT(RUN, "/run/sw"), "/run/s", NULL},
    {MOUNT(RUN, "/"), "/run/docker.sock", RUN},
    {MOUNT(RUN, "/run/a\\040b"), "/run/a b/docker.sock", RUN},
    {MOUNT("/a\\134b/volumes/x/_data", "/run/sw"), "/run/sw/d", "/a\\b/volumes/x/_data"},
    {MOUNT("/a\\9/x\\", "/run/sw"), "/run/sw/d", "/a\\9/x\\"},
    {"501 480 254:1 " RUN " /run/sw", "/run/sw/d", RUN},
    {"501 480 254:1 " RUN, "/run/sw/d", NULL},
    {"\n", "/run/sw/d", NULL},
};

static void test_mounts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mount_rows); i++) {
        char line[512];
        struct str root;
        snprintf(line, sizeof(line), "%s", mount_rows[i].line);
        bool there = own_volume_mount(line, str_of(mount_rows[i].path), &root);
        const char *want = mount_rows[i].root;
        if (there != (want != NULL) || (there && !str_is(root, want)))
            fail_msg("%s in %s: %d", mount_rows[i].path, mount_rows[i].line, (int)there);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_mounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
