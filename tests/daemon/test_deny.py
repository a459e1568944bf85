"""What a role refuses, as the user of a real docker CLI sees it, and that nothing came of it."""
import json
import os

from harness import check, holds, same, scenario
from proxies import FILE_ROLES

IMAGE = "busybox:test"
PREFIX = "Error response from daemon: "

# role, options of `docker run`, field that the sentence names, key of the policy that it names
RUNS = (
    ("default", ["--privileged"], "HostConfig.Privileged", "containers.privileged"),
    ("default", ["-v", "/:/host"], "HostConfig.Binds", "containers.binds"),
    ("default", ["-v", "/var/run/docker.sock:/var/run/docker.sock"], "HostConfig.Binds",
     "containers.binds"),
    ("default", ["--mount", "type=bind,src=/etc,dst=/e"], "HostConfig.Mounts", "containers.binds"),
    ("default", ["--pid", "host"], "HostConfig.PidMode", "containers.pid_mode"),
    ("default", ["--net", "host"], "HostConfig.NetworkMode", "containers.network_mode"),
    ("default", ["--ipc", "host"], "HostConfig.IpcMode", "containers.ipc_mode"),
    ("default", ["--uts", "host"], "HostConfig.UTSMode", "containers.uts_mode"),
    ("default", ["--cap-add", "SYS_ADMIN"], "HostConfig.CapAdd", "containers.cap_add"),
    ("default", ["--device", "/dev/null:/dev/x"], "HostConfig.Devices", "containers.devices"),
    ("default", ["--security-opt", "seccomp=unconfined"], "HostConfig.SecurityOpt",
     "containers.security_opt"),
    ("default", ["--security-opt", "apparmor=unconfined"], "HostConfig.SecurityOpt",
     "containers.security_opt"),
    ("default", ["--cgroup-parent", "/x"], "HostConfig.CgroupParent", "containers.cgroup_parent"),
    ("default", ["--sysctl", "kernel.shm_rmid_forced=1"], "HostConfig.Sysctls",
     "containers.sysctls"),
    ("default", ["--runtime", "io.containerd.runtime.v1.linux"], "HostConfig.Runtime",
     "containers.runtimes"),
    ("default", ["--log-driver", "syslog"], "HostConfig.LogConfig", "containers.log_drivers"),
    ("default", ["--oom-score-adj", "-500"], "HostConfig.OomScoreAdj", "containers.oom"),
    ("default", ["-p", "80:80"], "HostConfig.PortBindings", "containers.ports"),
    ("default", ["--volumes-from", "some"], "HostConfig.VolumesFrom", "containers.volumes_from"),
    ("default", ["--link", "some:s"], "HostConfig.Links", "containers.links"),
    ("noroot", ["-m", "64m", "--security-opt", "no-new-privileges"], "User", "containers.user"),
    ("noroot", ["-m", "64m", "-u", "5"], "HostConfig.SecurityOpt", "containers.security_opt"),
    ("noroot", ["-u", "5", "--security-opt", "no-new-privileges"], "HostConfig.Memory",
     "containers.mem_limit"),
    ("noroot", ["-u", "5", "--security-opt", "no-new-privileges", "-m", "512m"],
     "HostConfig.Memory", "containers.mem_limit"),
)


def refused(t, done, code, *words):
    """A refusal as it must look: exit code, our sentence, nothing misleading."""
    same("exit code (stderr %r)" % done.errors[-300:], done.code, code)
    holds("stderr", done.errors, PREFIX)
    for word in words:
        holds("stderr", done.errors, word)
    for bad in ("<html", "<HTML", "unable to upgrade", "broken pipe", "EOF", "API version",
                "error during connect"):
        check(bad not in done.errors, "stderr has %r: %r", bad, done.errors[-400:])
    sentence = done.errors.split(PREFIX, 1)[1].split("\n")[0]
    check(len(sentence) > 20, "too short a sentence: %r", sentence)


def not_made(t, name):
    same("container of a refused request", t.inspect(name), None)


@scenario(proxy=True, timeout=90)
def denied_runs(t):
    for role, options, field, key in RUNS:
        name = t.name()
        done = t.docker("run", "--rm", "--name", name, *options, IMAGE, "true", role=role,
                        seconds=15)
        refused(t, done, 125, field, key)
        not_made(t, name)


@scenario(proxy=True)
def denied_create_names_role(t):
    name = t.name()
    done = t.docker("create", "--privileged", "--name", name, IMAGE, seconds=15)
    refused(t, done, 1, "HostConfig.Privileged", "containers.privileged", "default")
    not_made(t, name)
    done = t.docker("run", "-i", "--privileged", "--name", name, IMAGE, "cat", stdin=b"x" * 100000,
                    seconds=15)
    refused(t, done, 125, "HostConfig.Privileged")
    not_made(t, name)


@scenario(proxy=True)
def permitted_by_file_role(t):
    same("under noroot", t.ok("run", "--rm", "-u", "5", "-m", "64m", "--security-opt",
                              "no-new-privileges", IMAGE, "id", "-u", role="noroot"), "5")
    check("noroot" in FILE_ROLES, "the role is gone")


@scenario(proxy=True)
def denied_exec(t):
    name = t.made("sleep", "1000")
    for more in ([], ["-i"]):
        done = t.docker("exec", *more, "--privileged", name, "touch", "/made", seconds=15)
        refused(t, done, 1, "Privileged", "exec.privileged")
    check(t.inspect(name)["ExecIDs"] is None, "an exec was made")


@scenario(proxy=True)
def denied_builds(t):
    path, _ = t.world.blob(20)
    folder = t.folder()
    os.link(path, folder + "/blob")
    with open(folder + "/Dockerfile", "w") as file:
        file.write("FROM busybox:test\nCOPY blob /blob\n")
    for _ in range(3):                      # broken pipes come only sometimes
        done = t.docker("build", "--no-cache", "-t", "refused:1", folder, seconds=30,
                        DOCKER_BUILDKIT="0")
        refused(t, done, 1, "ImageBuild")
    if t.cli.major < 23:
        refused(t, t.docker("build", "-t", "refused:1", folder, seconds=30), 1, "ImageBuild")
        done = t.docker("build", "-t", "refused:1", folder, seconds=30, DOCKER_BUILDKIT="1")
        check(done.code == 1, "BuildKit build must fail, exit code %d", done.code)
        check("<html" not in done.errors, "HTML: %r", done.errors)
    check("refused:1" not in str(t.engine("GET", "/images/json")[1]), "an image was built")


@scenario(proxy=True)
def denied_copies(t):
    name, folder = t.made("sleep", "1000"), t.folder()
    with open(folder + "/file", "w") as file:
        file.write("data")
    path, _ = t.world.blob(20)
    refused(t, t.docker("cp", folder + "/file", name + ":/made", seconds=15), 1,
            "PutContainerArchive")
    refused(t, t.docker("cp", path, name + ":/made", seconds=30), 1, "PutContainerArchive")
    refused(t, t.docker("cp", name + ":/bin/busybox", folder, seconds=15), 1, "ContainerArchive")
    check(not os.path.exists(folder + "/busybox"), "a file came out")
    check(t.docker("exec", name, "test", "-e", "/made").code == 1, "a file went in")


@scenario(proxy=True)
def denied_content(t):
    name, folder = t.made("sleep", "1000"), t.folder()
    path, _ = t.world.blob(20)
    refused(t, t.docker("plugin", "install", "--grant-all-permissions", "x/y", seconds=15), 1)
    refused(t, t.docker("swarm", "init", seconds=15), 1, "SwarmInit")
    refused(t, t.docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/",
                        t.name("v"), seconds=15), 1, "DriverOpts")
    refused(t, t.docker("network", "create", "-d", "macvlan", t.name("n"), seconds=15), 1,
            "networks.drivers")
    refused(t, t.docker("top", name, "-o", "pid", seconds=15), 1, "ps_args")
    refused(t, t.docker("load", "-i", path, role="read-only", seconds=30), 1, "ImageLoad")
    refused(t, t.docker("export", "-o", folder + "/x", name, role="read-only", seconds=15), 1,
            "ContainerExport")


@scenario(proxy=True)
def denied_pulls(t):
    done = t.docker("pull", "alpine:3", role="ci", seconds=15)
    refused(t, done, 1, "images.allow", "alpine")
    done = t.docker("pull", "127.0.0.1:5000/ci/app:1", seconds=15)
    refused(t, done, 1, "images.allow", "127.0.0.1:5000")
    name = t.name()
    refused(t, t.docker("run", "--name", name, "evil.example.com/ci/app:1", role="ci", seconds=15),
            125, "images.allow")
    not_made(t, name)
    same("an image of the list", t.ok("run", "--rm", "registry.example.com/ci/app:1", "echo", "ci",
                                      role="ci"), "ci")
    passed_on = t.docker("pull", "registry.example.com/ci/none:1", seconds=40)
    check(passed_on.code == 1 and "images.allow" not in passed_on.errors,
          "a permitted pull must reach the daemon: %r", passed_on.errors)


@scenario(proxy=True)
def read_only_role(t):
    name, made = t.made("sh", "-c", "echo secret; sleep 1000"), t.name("new")
    for args in (["ps", "-a"], ["inspect", name], ["images"], ["info"], ["version"],
                 ["network", "ls"], ["volume", "ls"], ["system", "df"], ["top", name],
                 ["diff", name]):
        t.ok(*args, role="read-only")
    same("events", t.ok("events", "--since", "1", "--until", "2", role="read-only"), "")
    holds("stats", t.ok("stats", "--no-stream", name, role="read-only"), name)
    refused(t, t.docker("run", "--name", made, IMAGE, role="read-only", seconds=15), 125,
            "ContainerCreate")
    not_made(t, made)
    for args, operation in ((["exec", name, "true"], "ContainerExec"),
                            (["rm", "-f", name], "ContainerDelete"),
                            (["logs", name], "ContainerLogs"),
                            (["stop", name], "ContainerStop"),
                            (["pull", "alpine:3"], "ImageCreate"),
                            (["volume", "create", made], "VolumeCreate"),
                            (["network", "create", made], "NetworkCreate"),
                            (["system", "prune", "-f"], "ContainerPrune")):
        refused(t, t.docker(*args, role="read-only", seconds=15), 1, operation)
    check(t.running(name), "the container was stopped through the read-only role")


def answer(conn, method, target, body=None, headers=()):
    conn.request(method, target, body, headers)
    head = conn.head(5)
    return head, conn.body(head)


@scenario(cli=False, proxy=True)
def refusal_on_the_wire(t):
    """403 with JSON and its length; the connection stays; a hijack refusal is not a stream."""
    name, made = t.made("sleep", "1000"), t.name("new")
    conn = t.raw()
    head, body = answer(conn, "POST", "/v1.41/containers/create?name=" + made,
                        {"Image": IMAGE, "HostConfig": {"Privileged": True}})
    same("status", head.status, 403)
    same("Content-Type", head["content-type"].split(";")[0], "application/json")
    message = json.loads(body)["message"]
    holds("message", message, "containers.privileged")
    check(not message.endswith((".", "\n")), "the sentence ends with a dot: %r", message)
    not_made(t, made)
    same("the connection stays", answer(conn, "GET", "/_ping")[1], b"OK")
    read_only = t.raw("read-only")
    head, body = answer(read_only, "POST", "/v1.41/containers/%s/attach?stream=1&stdout=1" % name,
                        None, [("Connection", "Upgrade"), ("Upgrade", "tcp")])
    same("status of a refused hijack", head.status, 403)
    check(head["upgrade"] is None, "a refusal must not carry Upgrade")
    holds("message", json.loads(body)["message"], "ContainerAttach")
    conn = t.raw("read-only")
    conn.request("HEAD", "/v1.41/containers/%s/archive?path=/" % name)
    same("refused HEAD", conn.head(5).status, 403)
    conn.request("GET", "/_ping")
    same("no body after a refused HEAD", conn.head(5).status, 200)


@scenario(cli=False, proxy=True)
def malformed_on_the_wire(t):
    made = t.name("new")
    body = b'{"Image":"busybox:test","HostConfig":{"Privileged":true}}'
    line = b"POST /v1.41/containers/create?name=" + made.encode() + b" HTTP/1.1\r\nHost: d\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nfromImage"
    both = (b"Content-Type: application/json\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    for what, data, status in (
            ("length and chunks", line + both + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
             {400}),
            ("not JSON", line + b"Content-Type: application/json\r\nContent-Length: 3\r\n\r\n{,}",
             {400}),
            ("a form", line + form, {400, 403}),
            ("key in another case", line + b"Content-Type: application/json\r\nContent-Length: %d"
             b"\r\n\r\n%s" % (len(body), body.replace(b"Privileged", b"privileGed")), {400, 403}),
            ("not HTTP", b"hello\r\n\r\n", {400}),
            ("unknown route", b"GET /v1.41/nothing HTTP/1.1\r\nHost: d\r\n\r\n", {403}),
            ("debug route", b"GET /debug/vars HTTP/1.1\r\nHost: d\r\n\r\n", {403}),
            ("path with dots", b"GET /v1.41/../v1.41/info HTTP/1.1\r\nHost: d\r\n\r\n", {400}),
            ("a web page", b"GET /v1.41/info HTTP/1.1\r\nHost: d\r\nOrigin: http://evil\r\n\r\n",
             {400, 403})):
        conn = t.raw()
        conn.send(data)
        head = conn.head(5)
        check(head.status in status, "%s: status %d", what, head.status)
        holds(what, json.loads(conn.body(head))["message"], " ")
    not_made(t, made)


@scenario(cli=False, proxy=True)
def ping_of_the_default_role(t):
    """Without builds by BuildKit the ping must not promise them to older clients."""
    conn = t.raw()
    conn.request("HEAD", "/_ping")
    check(conn.head(5)["builder-version"] != "2", "ping promises BuildKit, which the role refuses")
