"""Containers that share one socket of the proxy: each is known by what the daemon says of it."""
import json
import os
import subprocess

import engine
from harness import check, holds, same, scenario

IMAGE = "busybox:test"
# The proxy and Python come into containers from the machine.
SYSTEM = ["/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro"]
ASK = """
import json, socket, sys
for target in sys.argv[1:]:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect("/who/docker.sock")
    sock.sendall(("GET %s HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n" % target).encode())
    answer = sock.makefile("rb").read()
    body = answer.split(b"\\r\\n\\r\\n", 1)[1] if b" 403 " in answer[:20] else b"{}"
    print(answer.split()[1].decode(), json.loads(body).get("message", ""), flush=True)
"""
# In namespaces of its own, where it is root, a process mounts what it likes over what Docker has mounted.
FORGE = """
set -e
mkdir -p /tmp/x/var/lib/docker/containers/$1
echo victim >/tmp/x/var/lib/docker/containers/$1/hostname
for f in hostname hosts resolv.conf; do
    cp /tmp/x/var/lib/docker/containers/$1/hostname /tmp/x/var/lib/docker/containers/$1/$f 2>/dev/null || true
    mount --bind /tmp/x/var/lib/docker/containers/$1/$f /etc/$f
done
grep -q "containers/$1/hostname /etc/hostname" /proc/self/mountinfo
shift
exec "$@"
"""
ROLES = {"reader": {"allow": ["@ping", "@read"]}, "pinger": {"allow": ["@ping"]},
         "default": {"allow": ["ContainerList"]}}
CLIENTS = [
    {"name": "web", "role": "reader", "match": {"compose_project": "shop", "compose_service": "web"}},
    {"name": "ci", "role": "pinger", "match": {"container_label": "tier=ci-*"}},
    {"name": "mixed", "role": "reader", "match": {"uid": 65534, "gid": 999, "container_name": "*-trusted*"}},
]
PROBES = ("/info", "/_ping", "/containers/json")
READER, PINGER, DEFAULT = ("200", "200", "200"), ("403", "200", "403"), ("403", "403", "200")


def service(name, project="shop"):
    return {"com.docker.compose.project": project, "com.docker.compose.service": name}


class Shared:
    """A proxy in the daemon's process namespace, as on a host, with a socket that containers get."""

    def __init__(self, t, start=True):
        self.t = t
        self.folder = t.folder()
        os.chmod(self.folder, 0o755)
        self.policy = self.folder + "/policy.json"
        with open(self.policy, "w") as file:
            json.dump({"version": 1, "clients": CLIENTS, "roles": ROLES}, file)
        self.socket = self.folder + "/docker.sock"
        self.first = t.world.daemon.inside()[2]
        self.popen = None
        if not start:
            return
        self.popen = subprocess.Popen(
            ["nsenter", "-t", self.first, "-m", "-p", t.world.options.bin, *self.serve(t.world.daemon.socket)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder + "/log", "wb"), start_new_session=True)
        t.procs.append(self.popen)
        t.until("the proxy serves", self.answers)

    def serve(self, upstream, folder=None):
        folder = folder or self.folder
        return ["serve", "-H", "unix://%s/docker.sock" % folder, "--socket-mode", "0666", "--policy",
                folder + "/policy.json", "--audit-log", folder + "/audit", "--upstream", "unix://" + upstream]

    def answers(self):
        try:
            return engine.call(self.socket, "GET", "/_ping", timeout=5)[0] > 0
        except OSError:
            return False

    def stop(self):
        with open("/proc/%d/task/%d/children" % (self.popen.pid, self.popen.pid)) as children:
            os.kill(int(children.read().split()[0]), 15)
        self.popen.wait(20)

    def lines(self):
        with open(self.folder + "/audit") as file:
            return [json.loads(line) for line in file]

    def run(self, command, word="c", targets=PROBES, **body):
        """What is answered to a container that runs this: [(status, message)] of the targets."""
        more = body.pop("HostConfig", {})
        name = self.t.made(*command, "/usr/bin/python3", "-c", ASK, *targets, word=word, Tty=True,
                           HostConfig={"Binds": SYSTEM + [self.folder + ":/who"], **more}, **body)
        self.t.engine("POST", "/containers/%s/wait" % name, None, (200,))
        _, out = self.t.engine("GET", "/containers/%s/logs?stdout=1&stderr=1" % name, None, (200,))
        text = out.decode() if isinstance(out, bytes) else str(out)
        rows = [line.split(" ", 1) for line in text.split("\r\n") if line]
        check(len(rows) == len(targets), "the container said %r", text)
        return [tuple(row) for row in rows]

    def statuses(self, *command, **body):
        return tuple(status for status, _ in self.run(command, **body))


@scenario(cli=False, proxy=True, timeout=120)
def who_services(t):
    """Two services and a job behind one socket have three roles; others have the one of others."""
    shared = Shared(t)
    same("web", shared.statuses(Labels=service("web")), READER)
    same("job", shared.statuses(Labels={"tier": "ci-7"}), PINGER)
    same("no labels", shared.statuses(), DEFAULT)
    same("another project", shared.statuses(Labels=service("web", "evil")), DEFAULT)
    refused = shared.run((), Labels={"tier": "ci-8"}, targets=["/info"])[0]
    holds("message", refused[1], 'sockwarden: client "ci": role "pinger" refuses SystemInfo')
    line = [x for x in shared.lines() if x.get("client") == "web"][-1]
    found = t.inspect(line["peer"]["container_name"])
    same("container of the audit line", line["peer"]["container"], found["Id"])
    shared.stop()


@scenario(cli=False, proxy=True, timeout=120)
def who_users(t):
    """User 65534:999 of one container is not that of another (THREATS.md J9)."""
    shared = Shared(t)
    same("both", shared.statuses(User="65534:999", word="trusted"), READER)
    same("the user alone", shared.statuses(User="65534:999", word="evil"), DEFAULT)
    same("the container alone", shared.statuses(User="65533:999", word="trusted"), DEFAULT)
    shared.stop()


@scenario(cli=False, proxy=True, timeout=120)
def who_forges(t):
    """What a container can shape in namespaces of its own says nothing of it."""
    shared = Shared(t)
    victim = t.inspect(t.made("sleep", "1000", Labels=service("web")))["Id"]
    unconfined = {"SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"]}
    shell = ["/usr/bin/unshare", "-Urm", "/bin/sh", "-c", FORGE, "x", victim]
    same("mounts in a user namespace", shared.statuses(*shell, HostConfig=unconfined), DEFAULT)
    same("host name", shared.statuses(Hostname=victim[:12]), DEFAULT)
    shared.stop()


@scenario(cli=False, proxy=True, timeout=120)
def who_from_a_container(t):
    """The proxy as a container: in the host's process namespace it knows others, and hides itself."""
    shared = Shared(t, start=False)
    binds = SYSTEM + [shared.folder + ":/who", t.world.options.bin + ":/sockwarden:ro",
                      t.world.daemon.socket + ":/docker.sock"]
    start = ["/sockwarden", *shared.serve("/docker.sock", "/who")]
    own = t.made(*start, Labels=service("web"), HostConfig={"Binds": binds, "PidMode": "host"})
    t.until("the proxy serves", shared.answers)
    same("web", shared.statuses(Labels=service("web")), READER)
    full = t.inspect(own)["Id"]
    other = t.made("sleep", "1000")
    got = shared.run((), Labels=service("web"),
                     targets=["/containers/%s/json" % x for x in (own, full, full[:12], other)])
    same("inspect of itself and of another", [status for status, _ in got], ["404", "404", "404", "200"])
    t.engine("POST", "/containers/%s/stop" % own, None, (204,))
    os.unlink(shared.folder + "/audit")
    blind = t.made(*start, Tty=True, HostConfig={"Binds": binds})
    t.until("the proxy serves again", shared.answers)
    same("web, not visible", shared.statuses(Labels=service("web")), DEFAULT)
    _, log = t.engine("GET", "/containers/%s/logs?stdout=1&stderr=1" % blind, None, (200,))
    holds("warning", str(log), "pid: host")
