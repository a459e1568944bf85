"""Clients of one proxy with roles of their own: by listener, by user, by address."""
import json
import os
import shutil
import subprocess
import tempfile

from behaviour_who import Process
from harness import Client, Env, Suite, check, equal, shown, wait_for
from tls_client import free_port

suite = Suite()
ROLES = {"reader": {"allow": ["@ping", "@read"]}, "pinger": {"allow": ["@ping"]}}
BY_LISTENER = {"name": "by-listener", "match": {"listener": "unix://**/ci.sock"}, "role": "reader"}
BY_UID = {"name": "by-uid", "match": {"uid": os.getuid()}, "role": "pinger"}


class Proxy(Env):
    """A proxy with these clients, and with a second listener at self.second."""

    def __init__(self, *clients, options=(), roles=None):
        super().__init__(start=False)
        path = os.path.join(self.dir, "policy.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"version": 1, "clients": clients, "roles": roles or ROLES}, file)
        self.second = os.path.join(self.dir, "ci.sock")
        at = self.args.index("--role")
        self.args[at:at + 2] = ["--policy", path, "-H", "unix://" + self.second, *options]
        self.start()


def ask(address, target):
    with Client(address) as client:
        return client.ask("GET", target)


@suite.test
def two_roles():
    """one listener, one user: each with a role of its own, and the audit line names the client"""
    with Proxy(BY_LISTENER, BY_UID) as env:
        equal(ask(env.second, "/info").status, 200, "reader")
        equal(ask(env.socket, "/_ping").status, 200, "pinger")
        answer = ask(env.socket, "/info")
        equal(answer.status, 403, "pinger reads")
        check("pinger" in answer.message(), answer.message())
        reader, pinger, refused = env.wait_audit(3, record="request")
        equal((reader["client"], reader["role"]), ("by-listener", "reader"), "first line")
        check(reader["listener"].endswith("/ci.sock"), reader["listener"])
        equal((pinger["client"], pinger["role"]), ("by-uid", "pinger"), "second line")
        equal((refused["client"], refused["decision"]), ("by-uid", "deny"), "third line")
        check('no role "default"' not in env.stderr(), env.stderr())


@suite.test
def for_the_whole_connection():
    """the role is chosen once; every request of the connection has it, and its end line too"""
    with Proxy(BY_UID, roles={"pinger": {"allow": ["@ping", "ContainerStop"]}}) as env:
        client = env.client()
        for _ in range(3):
            equal(client.ask("GET", "/_ping").status, 200, "ping")
            equal(client.ask("GET", "/info").status, 403, "info")
        client.ask("POST", "/containers/x/stop")
        env.wait_audit(7, record="request", client="by-uid", role="pinger")
        env.wait_audit(1, record="end", client="by-uid", role="pinger")


@suite.test
def nobody():
    """whom no entry matches is refused without a role default, and no client is named"""
    other = {"name": "other", "match": {"uid": os.getuid() + 1}, "role": "pinger"}
    with Proxy(other) as env:
        equal(ask(env.socket, "/_ping").status, 403, "status")
        line = env.wait_audit(decision="deny")[0]
        check("client" not in line and "role" not in line, line)


@suite.test
def default():
    """whom no entry matches gets the role default"""
    roles = dict(ROLES, default={"allow": ["@ping"]})
    with Proxy(BY_LISTENER, roles=roles) as env:
        equal(ask(env.socket, "/_ping").status, 200, "default")
        equal(ask(env.socket, "/info").status, 403, "default reads")
        line = env.wait_audit(decision="allow")[0]
        equal((line.get("client"), line["role"]), (None, "default"), "the line")


@suite.test
def role_for_everybody():
    """--role is for everybody, whatever the clients say"""
    with Proxy(BY_UID, options=["--role", "reader"]) as env:
        equal(ask(env.socket, "/info").status, 200, "status")
        line = env.wait_audit(decision="allow")[0]
        equal((line.get("client"), line["role"]), (None, "reader"), "the line")


@suite.test
def remedy_of_a_builtin_role():
    """what a built-in role refuses is allowed by a file: the refusal says so; a role of a file has one"""
    body = json.dumps({"Image": "busybox:1", "HostConfig": {"Privileged": True}}).encode()
    create = ("POST", "/v1.41/containers/create", body, ["Content-Type: application/json"])
    ends = ' would allow it, in a file (--policy) whose role has "extends": "builtin:%s"'
    for role, name in (("ci", "ci"), ("builtin:ci", "ci"), ("default", "default")):
        with Env(role=role) as env:
            said = env.ask(*create).message()
            check('"containers": {"privileged": true}' in said and said.endswith(ends % name), f"{role}: {said}")
            check(not env.ask("GET", "/v1.41/nosuchthing").message().endswith(ends % name), "nothing would allow it")
    other = {"name": "b", "match": {"listener": "unix://**/ci.sock"}, "role": "builtin:ci"}
    with Proxy(other, roles={"default": {"extends": "builtin:ci"}}) as env:
        check(env.ask(*create).message().endswith(" would allow it"), "of the file's own role")
        with Client(env.second) as client:
            check(client.ask(*create).message().endswith(ends % "ci"), "of a built-in one of a file's client")


@suite.test
def by_address():
    """a TCP peer by its address; uid matches none"""
    port = free_port()
    lan = {"name": "lan", "match": {"address": ["10.0.0.0/8", "127.0.0.0/8"]}, "role": "reader"}
    tcp = ["-H", f"tcp://127.0.0.1:{port}", "--insecure-tcp"]
    with Proxy(BY_UID, lan, options=tcp) as env:
        equal(ask(("127.0.0.1", port), "/info").status, 200, "status")
        line = env.wait_audit(decision="allow")[0]
        equal((line["client"], line["role"]), ("lan", "reader"), "the line")
        wait_for(lambda: "address is as good as the network" in env.stderr(), "the warning")


@suite.test
def unheard():
    """a listener that no --host has is told at start, with one to write; others are not"""
    lost = {"name": "lost", "match": {"listener": "/run/ci.sock"}, "role": "pinger"}
    with Proxy(BY_LISTENER, BY_UID, lost) as env:
        wait_for(lambda: 'the client "lost" is never met' in env.stderr().replace('\\"', '"'), "the warning")
        check("unix://" + env.socket in env.stderr(), env.stderr())
        check("by-listener" not in env.stderr(), env.stderr())
    with Proxy(lost, options=["--role", "reader"]) as env:
        ask(env.socket, "/info")
        check("never met" not in env.stderr(), env.stderr())


def create(env, **host):
    body = json.dumps({"Image": "busybox", "HostConfig": host}).encode()
    with Client(env.socket) as client:
        return client.ask("POST", "/v1.41/containers/create", body, ["Content-Type: application/json"])


@suite.test
def own_places():
    """sockets, policy, audit log and folders that hold them are no bind sources; own ports are nobody's"""
    port = free_port()
    everything = {"default": {"allow": ["ContainerCreate"], "containers": {"binds": True, "ports": True}}}
    options = ["-H", f"tcp://127.0.0.1:{port}", "--insecure-tcp"]
    with Proxy(roles=everything, options=options) as env:
        for name in ("proxy.sock", "ci.sock", "daemon.sock", "policy.json", "audit.jsonl", ""):
            answer = create(env, Binds=[os.path.join(env.dir, name) + ":/x"])
            equal(answer.status, 403, f"{name!r}: {shown(answer.body)}")
            check("of sockwarden itself" in answer.message(), answer.message())
        equal(create(env, Binds=[os.path.join(env.dir, "other") + ":/x"]).status, 200, "another file")
        equal(create(env, Binds=[env.dir + "-other:/x"]).status, 200, "a path of its own")
        for published, status in ((port, 403), (port + 1 if port < 65535 else 1, 200)):
            binding = {"80/tcp": [{"HostPort": str(published)}]}
            equal(create(env, PortBindings=binding).status, status, f"port {published}")


@suite.test
def own_places_in_linked_folders():
    """a path through a link is kept from binds under its own name and under the real one"""
    folder = tempfile.mkdtemp(prefix="sockwarden-test-")
    real, link = os.path.join(folder, "real"), os.path.join(folder, "link")
    os.mkdir(real)
    os.symlink(real, link)
    everything = {"default": {"allow": ["ContainerCreate"], "containers": {"binds": True}}}
    try:
        with Proxy(roles=everything, options=["--audit-log", os.path.join(link, "a.jsonl")]) as env:
            for path in (link, real, os.path.join(link, "a.jsonl"), os.path.join(real, "a.jsonl")):
                equal(create(env, Binds=[path + ":/x"]).status, 403, path)
    finally:
        shutil.rmtree(folder)


HAS = {"match": {"uid": 65534}, "role": "all", "name": "nobody"}
OWNER = {"label": "com.example.who", "value": "uid-${uid}"}


@suite.test
def no_place_in_name_space():
    """in a user namespace the kernel says 65534 of all who have no number there: nobody is that one"""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-U", "-r", "true"], check=False).returncode:
        print("no user namespaces here: not tried")
        return
    with Env(start=False) as env:
        path = os.path.join(env.dir, "policy.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"version": 1, "clients": [HAS, {"name": "root", "match": {"uid": 0, "gid": 0}, "role": "all"}],
                       "roles": {"all": {"extends": "builtin:all"},
                                 "default": {"extends": "builtin:default", "owner": OWNER}}}, file)
        at = env.args.index("--role")
        env.args[at:at + 2] = ["--policy", path, "--socket-mode", "0666"]
        os.chmod(env.dir, 0o711)
        env.start(wrapper=("unshare", "-U", "-r"))
        equal(env.ask("GET", "/info").status, 200, "root, who has a number")
        for uid in (65534, 4001):
            process = Process(env.socket, uid=uid)
            status, why = process.ask("/info")
            process.end()
            equal(status, 403, f"uid {uid}")
            check("not known of this client" in why, f"uid {uid}: {why}")
