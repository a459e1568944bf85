/* Containers of processes: the texts of /proc in all layouts, forged ones among them, and real
   processes in real cgroups, where this machine lets root make some. */
#include "peer_container.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define A  "0a00000000000000000000000000000000000000000000000000000000000001"
#define B  "0b00000000000000000000000000000000000000000000000000000000000002"
#define UP "0B00000000000000000000000000000000000000000000000000000000000002"

/* ---- cgroups --------------------------------------------------------------------------------- */

static const struct {
    const char *name, *text;
    enum container_sign sign;
    const char *id;
    const char *cgroups; /* NULL: not compared */
} cgroup_rows[] = {
    /* Docker's layouts */
    {"v2, cgroupfs", "0::/docker/" A "\n", CONTAINER_FOUND, A, "0:/docker/" A "\n"},
    {"v2, systemd", "0::/system.slice/docker-" A ".scope\n", CONTAINER_FOUND, A,
     "0:/system.slice/docker-" A ".scope\n"},
    {"v2, rootless",
     "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A ".scope\n",
     CONTAINER_FOUND, A, NULL},
    {"v2, systemd in the container", "0::/docker/" A "/init.scope\n", CONTAINER_FOUND, A,
     "0:/docker/" A "\n"},
    {"v2, cgroup parent", "0::/ci.slice/ci-jobs.slice/docker-" A ".scope\n", CONTAINER_FOUND, A,
     NULL},
    {"v2, parent at the root", "0::/" A "\n", CONTAINER_FOUND, A, "0:/" A "\n"},
    {"v2, seen from a cgroup namespace beside it", "0::/../" A "\n", CONTAINER_FOUND, A,
     "0:/../" A "\n"},
    {"v2, the same by systemd", "0::/../docker-" A ".scope/sub\n", CONTAINER_FOUND, A, NULL},
    {"v1",
     "12:pids:/docker/" A "\n11:cpu,cpuacct:/docker/" A "\n1:name=systemd:/docker/" A "\n0::/\n",
     CONTAINER_FOUND, A, "12:/docker/" A "\n11:/docker/" A "\n1:/docker/" A "\n"},
    {"v1, systemd",
     "4:memory:/system.slice/docker-" A ".scope\n"
     "1:name=systemd:/system.slice/docker-" A ".scope\n"
     "0::/system.slice/containerd.service\n",
     CONTAINER_FOUND, A, NULL},
    {"v1, a colon in a path", "4:memory:/a:b/" A "\n", CONTAINER_FOUND, A, "4:/a:b/" A "\n"},
    {"Kubernetes with Docker", "0::/kubepods/besteffort/pod7f/" A "\n", CONTAINER_FOUND, A, NULL},
    {"Kubernetes with Docker, systemd",
     "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod7f.slice/docker-" A
     ".scope\n",
     CONTAINER_FOUND, A, NULL},

    /* no container of Docker's */
    {"the root", "0::/\n", CONTAINER_NONE, "", ""},
    {"a service", "0::/system.slice/ssh.service\n", CONTAINER_NONE, "", ""},
    {"podman", "0::/machine.slice/libpod-" A ".scope/container\n", CONTAINER_NONE, "", ""},
    {"podman, cgroupfs", "0::/libpod_parent/libpod-" A "\n", CONTAINER_NONE, "", ""},
    {"containerd", "0::/kubepods.slice/cri-containerd-" A ".scope\n", CONTAINER_NONE, "", ""},
    {"crio", "0::/kubepods.slice/crio-" A ".scope\n", CONTAINER_NONE, "", ""},
    {"Docker in podman", "0::/machine.slice/libpod-" A ".scope/docker/" B "\n", CONTAINER_NONE, "",
     ""},
    {"short ID", "0::/docker/0a0000000000\n", CONTAINER_NONE, "", ""},
    {"one digit too many", "0::/docker/" A "0\n", CONTAINER_NONE, "", ""},
    {"upper case", "0::/docker/" UP "\n", CONTAINER_NONE, "", ""},
    {"a removed cgroup", "0::/docker/" A " (deleted)\n", CONTAINER_NONE, "", ""},
    {"a scope without its prefix", "0::/" A ".scope\n", CONTAINER_NONE, "", ""},
    {"a prefix without its scope", "0::/docker-" A "\n", CONTAINER_NONE, "", ""},
    {"another prefix", "0::/docker-x" A ".scope\n", CONTAINER_NONE, "", ""},
    {"buildkit", "0::/docker/buildkit/6yzfz0ixexbjy1bq4x0e9q2ge\n", CONTAINER_NONE, "", ""},

    /* what a process may name below its container, and what does not fit together */
    {"docker in docker", "0::/docker/" A "/docker/" B "\n", CONTAINER_UNCLEAR, "", ""},
    {"docker in docker, systemd",
     "0::/system.slice/docker-" A ".scope/system.slice/docker-" B ".scope\n", CONTAINER_UNCLEAR, "",
     ""},
    {"a container as parent cgroup, v1",
     "4:memory:/docker/" A "/" B "\n1:name=systemd:/docker/" A "/" B "\n0::/\n", CONTAINER_UNCLEAR,
     "", ""},
    {"in one hierarchy alone", "4:memory:/docker/" A "\n3:pids:/docker/" A "/" B "\n",
     CONTAINER_UNCLEAR, "", ""},
    {"the same ID twice", "0::/docker/" A "/" A "\n", CONTAINER_UNCLEAR, "", ""},
    {"podman in docker", "0::/docker/" A "/machine.slice/libpod-" B ".scope\n", CONTAINER_UNCLEAR,
     "", ""},
    {"Docker in podman in docker", "0::/docker/" A "/x/libpod-" B "/y/" A "\n", CONTAINER_UNCLEAR,
     "", ""},
    {"a short ID below", "0::/docker/" A "/docker/0b0000000000\n", CONTAINER_FOUND, A,
     "0:/docker/" A "\n"},
    {"forged below the own", "0::/docker/" A "/system.slice/docker-" B ".scope\n",
     CONTAINER_UNCLEAR, "", ""},
    {"two containers", "4:memory:/docker/" A "\n3:pids:/docker/" B "\n", CONTAINER_UNCLEAR, "", ""},
    {"Docker's and another engine's", "4:memory:/docker/" A "\n3:pids:/libpod-" B ".scope\n",
     CONTAINER_UNCLEAR, "", ""},
    {"another engine's and Docker's", "4:memory:/libpod-" B ".scope\n3:pids:/docker/" A "\n",
     CONTAINER_UNCLEAR, "", ""},
    {"no text", "", CONTAINER_UNCLEAR, "", ""},
    {"cut off", "0::/docker/" A, CONTAINER_UNCLEAR, "", ""},
    {"no path", "0::/docker/" A "\n4:memory\n", CONTAINER_UNCLEAR, "", ""},
    {"no number", ":memory:/docker/" A "\n", CONTAINER_UNCLEAR, "", ""},
    {"an empty line", "0::/docker/" A "\n\n", CONTAINER_UNCLEAR, "", ""},
};

static void test_cgroups(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cgroup_rows); i++) {
        struct container_place place;
        const char *why = NULL;
        enum container_sign sign =
            container_read_cgroups(str_of(cgroup_rows[i].text), &place, &why);
        if (sign != cgroup_rows[i].sign || strcmp(place.id, cgroup_rows[i].id) != 0 ||
            (cgroup_rows[i].cgroups && strcmp(place.cgroups, cgroup_rows[i].cgroups) != 0) ||
            (sign == CONTAINER_UNCLEAR) != (why != NULL))
            fail_msg("%s: %d '%s' '%s' %s", cgroup_rows[i].name, (int)sign, place.id, place.cgroups,
                     why ? why : "");
    }
}

/* A list that is cut somewhere never names a container that the whole does not. */
static void test_cut_cgroups(void **state)
{
    (void)state;
    static const char text[] = "4:memory:/docker/" A "/x\n3:pids:/docker/" A "\n0::/\n";
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        struct container_place place;
        const char *why = NULL;
        enum container_sign sign = container_read_cgroups((struct str){text, n}, &place, &why);
        assert_int_equal(sign == CONTAINER_FOUND, n > 0 && text[n - 1] == '\n');
        assert_true(sign != CONTAINER_NONE);
    }
}

static void test_long_cgroups(void **state)
{
    (void)state;
    static char text[16384];
    size_t used = 0;
    for (int i = 0; i < 80; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%d:x:/docker/" A "\n", i);
    struct container_place place;
    const char *why = NULL;
    assert_int_equal(container_read_cgroups((struct str){text, used}, &place, &why),
                     CONTAINER_UNCLEAR);
    assert_string_equal(place.id, "");
}

/* ---- mounts of this process ------------------------------------------------------------------ */

#define MOUNT(root, point) "501 480 254:0 " root " " point " rw,relatime - ext4 /dev/vda rw\n"
#define FILE_OF(id, name)  "/var/lib/docker/containers/" id "/" name

static const struct {
    const char *name, *text, *id;
} mount_rows[] = {
    {"all three",
     MOUNT("/", "/") MOUNT(FILE_OF(A, "resolv.conf"), "/etc/resolv.conf")
         MOUNT(FILE_OF(A, "hostname"), "/etc/hostname") MOUNT(FILE_OF(A, "hosts"), "/etc/hosts"),
     A},
    {"one", MOUNT(FILE_OF(A, "hostname"), "/etc/hostname"), A},
    {"data root on a disk of its own", MOUNT("/containers/" A "/hostname", "/etc/hostname"), A},
    {"two containers",
     MOUNT(FILE_OF(A, "hostname"), "/etc/hostname") MOUNT(FILE_OF(B, "hosts"), "/etc/hosts"), ""},
    {"none", MOUNT("/", "/") MOUNT("/etc/hosts", "/etc/hosts"), ""},
    {"on the host", MOUNT(FILE_OF(A, "mounts/shm"), "/var/lib/docker/containers/" A "/mounts/shm"),
     ""},
    {"elsewhere", MOUNT(FILE_OF(A, "hostname"), "/mnt/etc/hostname"), ""},
    {"another file", MOUNT(FILE_OF(A, "hosts"), "/etc/hostname"), ""},
    {"another folder", MOUNT("/var/lib/x/" A "/hostname", "/etc/hostname"), ""},
    {"podman",
     MOUNT("/run/containers/storage/overlay-containers/" A "/userdata/hostname", "/etc/hostname"),
     ""},
    {"short ID", MOUNT("/containers/0a00/hostname", "/etc/hostname"), ""},
    {"nothing", "", ""},
    {"half a line", "501 480 254:0 " FILE_OF(A, "hostname"), ""},
};

static void test_mounts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mount_rows); i++) {
        char id[CONTAINER_ID_LENGTH + 1];
        bool found = container_read_mounts(str_of(mount_rows[i].text), id);
        if (strcmp(id, mount_rows[i].id) != 0 || found != (id[0] != '\0'))
            fail_msg("%s: '%s'", mount_rows[i].name, id);
    }
}

/* ---- processes ------------------------------------------------------------------------------- */

struct peer {
    pid_t pid;
    int fd; /* the accepted socket */
};

/* The process that connects to it is in the cgroup of this folder of the hierarchies, if any. */
static struct peer peer_start(const char *cgroup)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    /* An abstract name that the kernel chooses. */
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(listener, 1), 0);
    socklen_t length = sizeof(address);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    struct peer peer = {.pid = fork(), .fd = -1};
    if (peer.pid == 0) {
        char path[512];
        FILE *file = NULL;
        snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup ? cgroup : "");
        if (cgroup && (!(file = fopen(path, "w")) || fputs("0", file) < 0 || fclose(file) != 0))
            _exit(1);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, length) != 0)
            _exit(1);
        for (;;)
            pause();
    }
    assert_true(peer.pid > 0);
    peer.fd = accept(listener, NULL, NULL);
    assert_true(peer.fd >= 0);
    close(listener);
    return peer;
}

static void peer_end(struct peer *peer)
{
    kill(peer->pid, SIGKILL);
    assert_int_equal(waitpid(peer->pid, NULL, 0), peer->pid);
}

/* A folder for a cgroup in some hierarchy; false where none can be made. */
static bool cgroup_make(const char *id, char *dst, size_t cap)
{
    static const char *const tops[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified",
                                       "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/memory"};
    for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
        char procs[512];
        snprintf(dst, cap, "%s/%s", tops[i], id);
        if (mkdir(dst, 0755) != 0 && errno != EEXIST)
            continue;
        snprintf(procs, sizeof(procs), "%s/cgroup.procs", dst);
        if (access(procs, W_OK) == 0)
            return true;
        rmdir(dst);
    }
    return false;
}

static void test_peer_without(void **state)
{
    (void)state;
    struct container_place place;
    const char *why = NULL;
    char own[CONTAINER_ID_LENGTH + 1];
    bool inside = own_container_id(own);
    struct peer peer = peer_start(NULL);
    enum container_sign sign = peer_container_read(peer.fd, peer.pid, true, &place, &why);
    if (!inside)
        assert_int_equal(sign, CONTAINER_NONE);
    else
        assert_true(sign == CONTAINER_NONE || strcmp(place.id, own) == 0);
    assert_int_equal(peer_container_read(peer.fd, 0, true, &place, &why), CONTAINER_NONE);
    peer_end(&peer);
    close(peer.fd);
}

static void test_peer_that_ended(void **state)
{
    (void)state;
    struct container_place place;
    const char *why = NULL;
    struct peer peer = peer_start(NULL);
    kill(peer.pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)peer.pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(peer_container_read(peer.fd, peer.pid, true, &place, &why), CONTAINER_UNCLEAR);
    assert_non_null(why);
    assert_int_equal(waitpid(peer.pid, NULL, 0), peer.pid);
    assert_int_equal(peer_container_read(peer.fd, peer.pid, true, &place, &why), CONTAINER_UNCLEAR);
    /* Its number is another's now: of one that lives. */
    why = NULL;
    assert_int_equal(peer_container_read(peer.fd, getpid(), true, &place, &why), CONTAINER_UNCLEAR);
    assert_string_equal(why, "it has ended");
    close(peer.fd);
}

static void test_peer_in_a_container(void **state)
{
    (void)state;
    char a[256], b[256], below[512], nested[512];
    const char *why = NULL;
    if (!cgroup_make(A, a, sizeof(a)) || !cgroup_make(B, b, sizeof(b))) {
        print_message("no cgroup can be made here: not tried\n");
        skip();
    }
    snprintf(below, sizeof(below), "%s/init.scope", a);
    snprintf(nested, sizeof(nested), "%s/" B, a);
    assert_true(mkdir(below, 0755) == 0 || errno == EEXIST);
    assert_true(mkdir(nested, 0755) == 0 || errno == EEXIST);
    struct peer first = peer_start(a), own = peer_start(below), forged = peer_start(nested),
                other = peer_start(b), none = peer_start(NULL);
    struct container_place place;
    assert_int_equal(peer_container_read(first.fd, first.pid, true, &place, &why), CONTAINER_FOUND);
    assert_string_equal(place.id, A);
    assert_int_equal(peer_container_read(own.fd, own.pid, true, &place, &why), CONTAINER_FOUND);
    assert_string_equal(place.id, A);
    assert_true(container_confirm(&place, first.pid, &why));
    assert_true(container_confirm(&place, own.pid, &why));
    assert_false(container_confirm(&place, forged.pid, &why));
    assert_false(container_confirm(&place, other.pid, &why));
    assert_string_equal(why, "its first process is in other cgroups");
    struct container_place nobody;
    assert_int_equal(peer_container_read(forged.fd, forged.pid, true, &nobody, &why),
                     CONTAINER_UNCLEAR);
    assert_non_null(strstr(why, "a container below another"));
    assert_false(container_confirm(&place, none.pid, &why));
    assert_false(container_confirm(&place, 0, &why));
    assert_non_null(strstr(why, "cannot be seen"));
    peer_end(&first);
    assert_false(container_confirm(&place, first.pid, &why));
    struct peer *const rest[] = {&own, &forged, &other, &none};
    for (size_t i = 0; i < ARRAY_LEN(rest); i++) {
        peer_end(rest[i]);
        close(rest[i]->fd);
    }
    close(first.fd);
    rmdir(below);
    rmdir(nested);
    rmdir(a);
    rmdir(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cgroups),
        cmocka_unit_test(test_cut_cgroups),
        cmocka_unit_test(test_long_cgroups),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_peer_without),
        cmocka_unit_test(test_peer_that_ended),
        cmocka_unit_test(test_peer_in_a_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
