"""Clients told by the container that they run in: processes in cgroups of that name, and a fake daemon
that tells of containers. Where no cgroup can be made (it takes root), nothing is tried, and a line says so."""
import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading

from harness import Env, Suite, check, equal, shown, wait_for

suite = Suite()
TOPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/memory")
PROCESS = """
import json, os, socket, sys
path, cgroup, uid = sys.argv[1:]
if cgroup:
    with open(cgroup + "/cgroup.procs", "w") as procs:
        procs.write("0")
if uid:
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
sock = socket.socket(socket.AF_UNIX)
if path:
    sock.connect(path)
print("ready", flush=True)
answers = sock.makefile("rb") if path else None
for line in sys.stdin:
    if line.startswith("fork"):
        if os.fork():
            os._exit(0)
        print(os.getpid(), flush=True)
        continue
    sock.sendall(("GET %s HTTP/1.1\\r\\nHost: d\\r\\n\\r\\n" % line.strip()).encode())
    status = int(answers.readline().split()[1])
    length = 0
    while (header := answers.readline().strip()):
        if header.lower().startswith(b"content-length:"):
            length = int(header.split(b":")[1])
    print(json.dumps([status, answers.read(length).decode()]), flush=True)
"""
ROLES = {"reader": {"allow": ["@ping", "@read"]}, "pinger": {"allow": ["@ping"]}}
WEB = {"name": "web", "match": {"compose_project": "shop", "compose_service": "web"}, "role": "reader"}
BATCH = {"name": "batch", "match": {"container_label": "tier=batch*"}, "role": "pinger"}
BOX = {"name": "box", "match": {"container_name": "box", "container_image": "busybox:1"}, "role": "pinger"}
ROOT = {"name": "root", "match": {"uid": os.getuid()}, "role": "pinger"}


class Process:
    """A process of its own that asks over one connection."""

    def __init__(self, path="", cgroup="", uid=""):
        self.popen = subprocess.Popen([sys.executable, "-c", PROCESS, path, cgroup, str(uid)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        equal(self.popen.stdout.readline(), "ready\n", "a process")

    def tell(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline()

    def ask(self, target="/info"):
        """Status and message."""
        status, body = json.loads(self.tell(target))
        return status, json.loads(body or "{}").get("message", "")

    def end(self):
        self.popen.stdin.close()
        self.popen.wait(10)
        self.popen.stdout.close()


class World:
    """Containers of a fake daemon before which a proxy runs."""

    def __init__(self, *clients, roles=None, options=(), wrapper=()):
        self.top = next(top for top in TOPS if usable(top))
        self.processes, self.cgroups = [], []
        self.env = Env(start=False)
        os.chmod(self.env.dir, 0o711)
        os.chmod(self.env.upstream, 0o666)
        self.policy, self.roles = os.path.join(self.env.dir, "policy.json"), roles or ROLES
        self.write(*clients)
        at = self.env.args.index("--role")
        self.env.args[at:at + 2] = ["--policy", self.policy, "--socket-mode", "0666", *options]
        self.env.start(wrapper=wrapper)
        self.containers = self.env.fake.facts.setdefault("container", {})

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            process.end()
        for cgroup in reversed(self.cgroups):
            wait_for(lambda path=cgroup: removed(path), "a cgroup without processes")
        self.env.__exit__(*error)

    def write(self, *clients):
        with open(self.policy, "w", encoding="ascii") as file:
            json.dump({"version": 1, "clients": clients, "roles": self.roles}, file)

    def hup(self, word):
        self.env.process.send_signal(signal.SIGHUP)
        wait_for(lambda: word in self.env.stderr(), word)

    def cgroup(self, path):
        path = os.path.join(self.top, path)
        os.mkdir(path)
        self.cgroups.append(path)
        return path

    def process(self, cgroup="", uid="", connect=True):
        process = Process(self.env.socket if connect else "", cgroup, uid)
        self.processes.append(process)
        return process

    def container(self, number, name="", image="busybox:1", **labels):
        """A container with a first process; its cgroup."""
        ident = f"{os.getpid():032x}{number:032x}"
        cgroup = self.cgroup(ident)
        first = self.process(cgroup, connect=False)
        labels = {key.replace("__", "."): value for key, value in labels.items()}
        self.containers[ident] = {
            "Id": ident, "Name": "/" + (name or f"c{number}"), "Image": "sha256:" + "0" * 64,
            "State": {"Running": True, "Pid": first.popen.pid}, "Config": {"Image": image, "Labels": labels}}
        return cgroup

    def change(self, cgroup, **state):
        self.containers[os.path.basename(cgroup)]["State"].update(state)

    def lookups(self):
        return [x.path for x in self.env.fake.lookups]


def removed(path):
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.exists(path)
    return True


@functools.cache
def usable(top):
    path = os.path.join(top, f"who-{os.getpid()}")
    try:
        os.mkdir(path)
    except OSError:
        return False
    found = os.access(path + "/cgroup.procs", os.W_OK)
    os.rmdir(path)
    return found


def in_cgroups(test):
    """Only where cgroups can be made."""
    @functools.wraps(test)
    def run():
        if any(usable(top) for top in TOPS):
            return test()
        print(f"skip who.{test.__name__}: no cgroup can be made here")
        return None
    return suite.test(run)


def service(name, project="shop"):
    return {"com__docker__compose__project": project, "com__docker__compose__service": name}


@in_cgroups
def two_services():
    """one socket: each compose service has a role of its own, and the audit line names its container"""
    with World(WEB, BATCH, BOX) as world:
        web = world.container(1, "shop-web-1", **service("web"))
        batch = world.container(2, "shop-batch-1", tier="batch-7", **service("batch"))
        box = world.container(3, "box")
        equal(world.process(web).ask()[0], 200, "web reads")
        status, message = world.process(batch).ask()
        equal(status, 403, "batch reads")
        check(message.startswith('sockwarden: client "batch": role "pinger" refuses SystemInfo'), message)
        equal(world.process(box).ask("/_ping")[0], 200, "box pings")
        lines = world.env.wait_audit(3, record="request")
        got = [(x["client"], x["role"], x["peer"]["container"], x["peer"]["container_name"]) for x in lines]
        equal(got, [("web", "reader", os.path.basename(web), "shop-web-1"),
                    ("batch", "pinger", os.path.basename(batch), "shop-batch-1"),
                    ("box", "pinger", os.path.basename(box), "box")], "audit lines")


@in_cgroups
def others():
    """another project, another image, no container: none of them is taken for one that is named"""
    with World(WEB, BOX) as world:
        evil = world.container(1, "web", **service("web", "evil"))
        box = world.container(2, "box", "busybox:2")
        for cgroup, name in ((evil, "container web"), (box, "container box"), ("", f"uid {os.getuid()}")):
            status, message = world.process(cgroup).ask("/_ping")
            equal(status, 403, name)
            check(message.startswith(f"sockwarden: {name}, wh"), message)


@in_cgroups
def once():
    """the daemon is asked once for each connection, before the first request and not when it begins"""
    with World(WEB) as world:
        cgroup = world.container(1, **service("web"))
        process = world.process(cgroup)
        equal(world.lookups(), [], "look-ups at the beginning")
        for _ in range(3):
            equal(process.ask()[0], 200, "web")
        equal(len(world.lookups()), 1, "look-ups of a connection")
        equal(world.process(cgroup).ask()[0], 200, "web again")
        equal(len(world.lookups()), 2, "look-ups of two connections")


@in_cgroups
def not_asked():
    """whoever an entry before matches, or none could match, costs no look-up"""
    with World(ROOT, WEB) as world:
        cgroup = world.container(1, **service("web"))
        status, message = world.process(cgroup).ask()
        equal(status, 403, "by uid")
        check('client "root"' in message, message)
        equal(world.lookups(), [], "look-ups")
    mixed = {"name": "mixed", "match": {"compose_service": "web", "uid": 65534}, "role": "reader"}
    with World(mixed, ROOT) as world:
        cgroup = world.container(1, **service("web"))
        equal(world.process(cgroup).ask()[0], 403, "by uid")
        equal(world.lookups(), [], "look-ups")


@in_cgroups
def uid_of_a_container():
    """a uid that a container takes is worth nothing without the container (THREATS.md J9)"""
    mixed = {"name": "mixed", "match": {"compose_service": "web", "uid": 65534}, "role": "reader"}
    with World(mixed) as world:
        web = world.container(1, **service("web"))
        evil = world.container(2, **service("evil"))
        equal(world.process(web, 65534).ask()[0], 200, "both")
        equal(world.process(evil, 65534).ask()[0], 403, "the uid alone")
        equal(world.process(web).ask()[0], 403, "the service alone")
        equal(world.process("", 65534).ask()[0], 403, "the uid on the host")


@in_cgroups
def forged_cgroups():
    """a cgroup that is called after a container is not that container"""
    roles = dict(ROLES, default={"allow": ["@ping"]})
    with World(WEB, roles=roles) as world:
        web = world.container(1, **service("web"))
        evil = world.container(2, **service("evil"))
        ident = os.path.basename(web)
        beside = world.cgroup(f"user-{os.getpid()}")
        for name in (ident, f"docker-{ident}.scope"):
            status, message = world.process(world.cgroup(os.path.basename(beside) + "/" + name)).ask("/_ping")
            equal(status, 403, f"as {name} of a user")
            check("its first process is in other cgroups" in message, message)
        claim = world.env.wait_audit(2, record="refused")[0]["peer"]
        equal(claim.get("container_claim"), ident, "what is claimed")
        check("container" not in claim, claim)
        below = [(os.path.basename(evil), ident), (ident, os.path.basename(evil))]
        for outer, inner in below:  # named by itself, and made there by the daemon (cgroup_parent)
            status, message = world.process(world.cgroup(outer + "/" + inner)).ask("/_ping")
            equal(status, 403, f"{inner} below {outer}")
            check("of a container below another" in message, message)


@in_cgroups
def not_told():
    """where the daemon's word does not fit, nobody falls through to an entry for others"""
    roles = dict(ROLES, default={"allow": ["@ping"]})
    with World(WEB, roles=roles) as world:
        cgroup = world.container(1, **service("web"))
        pid = world.containers[os.path.basename(cgroup)]["State"]["Pid"]
        for state, why in (({"Running": False}, "does not run"), ({"Pid": 0}, "cannot be seen from here"),
                           ({"Pid": os.getpid()}, "in other cgroups"), ({"Pid": 1 << 40}, "it has ended"),
                           ({"Pid": "1"}, "does not run")):
            world.change(cgroup, Running=True, Pid=pid)
            world.change(cgroup, **state)
            status, message = world.process(cgroup).ask("/_ping")
            equal(status, 403, f"status with {state}")
            check(why in message, f"{state}: {message}")
        world.change(cgroup, Running=True, Pid=pid)
        equal(world.process(cgroup).ask()[0], 200, "as it was")
        target = f"/containers/{os.path.basename(cgroup)}/json"
        for answer, why in ((b"[]", "is not understood"), (b"{", "is not understood"),
                            (b'{"Id":"%s"}' % (b"0" * 64), "for another container")):
            world.env.fake.handle(target, lambda conn, _, body=answer: conn.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
            status, message = world.process(cgroup).ask("/_ping")
            equal(status, 403, f"status with {answer}")
            check(why in message, f"{answer}: {message}")


@in_cgroups
def other_daemons():
    """a container that the daemon does not know is no container: the role is that of others"""
    roles = dict(ROLES, default={"allow": ["@ping"]})
    with World(WEB, roles=roles) as world:
        cgroup = world.container(1, **service("web"))
        world.containers[os.path.basename(cgroup)] = "No such container"
        process = world.process(cgroup)
        equal(process.ask("/_ping")[0], 200, "ping")
        status, message = process.ask()
        equal(status, 403, "info")
        check(re.match(r"sockwarden: uid \d+, who is none", message), message)
        check("container" not in world.env.wait_audit(2, record="request")[0]["peer"], "a container")


@in_cgroups
def daemon_away():
    """without the daemon nobody is told, and nothing is let through"""
    with World(WEB) as world:
        cgroup = world.container(1, **service("web"))
        process = world.process(cgroup)
        world.env.fake.stop()
        status, message = process.ask("/_ping")
        equal(status, 502, message)
        check("cannot be told" in message, message)


@in_cgroups
def silent_daemon():
    """a daemon that does not answer about the container: 504 in time; who leaves meanwhile costs nothing"""
    with World(WEB, options=("--upstream-timeout", "1")) as world:
        cgroup = world.container(1, **service("web"))
        answered = threading.Event()
        world.env.fake.handle(f"/containers/{os.path.basename(cgroup)}/json",
                              lambda conn, _: answered.wait(20) and False)
        status, message = world.process(cgroup).ask()
        equal(status, 504, message)
        check("did not answer in time" in message, message)
        leaver = world.process(cgroup)
        asked = len(world.lookups())
        leaver.popen.stdin.write("/info\n")
        leaver.popen.stdin.flush()
        wait_for(lambda: len(world.lookups()) > asked, "a look-up")
        leaver.popen.kill()
        world.env.stop()        # in the middle of it
        answered.set()


@in_cgroups
def leaves_meanwhile():
    """who leaves while the daemon is asked for its container holds nothing, however long that takes"""
    with World(WEB) as world:
        cgroup = world.container(1, **service("web"))
        answered = threading.Event()
        world.env.fake.handle(f"/containers/{os.path.basename(cgroup)}/json",
                              lambda conn, _: answered.wait(20) and False)
        before = descriptors(world)
        leaver = world.process(cgroup)
        leaver.popen.stdin.write("/info\n")
        leaver.popen.stdin.flush()
        wait_for(lambda: len(world.lookups()) > 0, "a look-up")
        check(descriptors(world) > before, "its connection, while the daemon is asked")
        leaver.popen.kill()
        wait_for(lambda: descriptors(world) <= before, "it is forgotten, before the daemon is given up")
        answered.set()


def descriptors(world):
    return len(os.listdir(f"/proc/{world.env.process.pid}/fd"))


@in_cgroups
def ended_process():
    """who connects, hands the connection on and ends is not told by a number that may be another's"""
    roles = dict(ROLES, default={"allow": ["@ping"]})
    with World(WEB, roles=roles) as world:
        web = world.container(1, **service("web"))
        process = world.process(web)
        equal(process.ask()[0], 200, "before")
        child = int(process.tell("fork"))
        process.popen.wait(10)
        equal(process.ask()[0], 200, "the connection keeps what was found out")
        os.kill(child, 9)


@in_cgroups
def reload():
    """a reload may bring other entries for containers: open connections are told then; or be refused"""
    with World(ROOT, WEB, roles={**ROLES, "pinger": {"allow": ["@ping"]}}) as world:
        process = world.process(world.container(1, **service("web")))
        equal(process.ask()[0], 403, "by uid")
        world.write(WEB, ROOT)
        world.hup("reloaded: policy")
        equal(process.ask()[0], 200, "the next request on the same connection")
        equal(len(world.lookups()), 1, "look-ups")
    with World(ROOT) as world:
        process = world.process(world.container(1, **service("web")))
        if "no sandbox" in world.env.stderr():      # a build with sanitizers
            return
        world.write(WEB, ROOT)
        world.hup("not reloaded")
        check("restart sockwarden with this policy" in world.env.stderr(), world.env.stderr())
        equal(process.ask("/_ping")[0], 200, "by uid, as before")


@in_cgroups
def in_the_sandbox():
    """as another user, in the sandbox: /proc is read, and nothing else is"""
    with World(WEB, options=("--user", "65534:65534")) as world:
        cgroup = world.container(1, **service("web"))
        equal(world.process(cgroup).ask()[0], 200, shown(world.env.stderr()))
        check("ask for containers" not in world.env.stderr(), world.env.stderr())


@in_cgroups
def hidden_processes():
    """where /proc hides the processes of others, a warning says so and whoever depends on it is refused"""
    roles = dict(ROLES, default={"allow": ["@ping"]})
    hide = ["unshare", "-m", "sh", "-c", "mount -t proc -o hidepid=2 proc /proc && exec \"$@\"", "x"]
    if subprocess.run([*hide, "true"], capture_output=True, check=False).returncode != 0:
        print("skip who.hidden_processes: /proc cannot be mounted here")
        return
    with World(WEB, roles=roles, options=("--user", "65534:65534"), wrapper=hide) as world:
        wait_for(lambda: "ProtectProc=default" in world.env.stderr(), "a warning")
        cgroup = world.container(1, **service("web"))
        status, message = world.process(cgroup).ask("/_ping")
        equal(status, 403, message)
        check("hidepid" in message, message)
