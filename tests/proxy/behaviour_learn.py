"""learn makes a policy of what --mode audit has recorded; report says what is unused."""
import json
import os
import re
import stat

from harness import Client, Env, Suite, check, equal
from harness import run_bin as run_bytes

suite = Suite()
JSON = ["Content-Type: application/json"]
CREATE = "/v1.44/containers/create?name=x"
DIR = "unix://"


def run_bin(*args):
    """With what it has printed as text."""
    result = run_bytes(*args)
    result.stdout, result.stderr = result.stdout.decode(), result.stderr.decode()
    return result


def audit(*options, **kwargs):
    return Env("--mode", "audit", "--host-root", "none", *options, **kwargs)


def body(**members):
    return json.dumps({"Image": "nginx:1.27", **members}).encode()


def host(**members):
    return body(HostConfig=members)


def create(env, text, client=None):
    return (client or env).ask("POST", CREATE, text, JSON)


def requests(env):
    return [line for line in env.audit() if line["record"] == "request"]


def learn(env, *logs):
    """(policy file, policy, what was said)."""
    result = run_bin("learn", *(logs or [env.audit_path]))
    equal(result.returncode, 0, f"learn: {result.stderr}")
    path = os.path.join(env.dir, "learned.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(result.stdout)
    os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
    checked = run_bin("check", "--host-root", "none", path)
    equal(checked.returncode, 0, f"check: {checked.stderr}")
    return path, json.loads(result.stdout), result.stderr


class Learned(Env):
    """A proxy that serves a learned policy."""

    def __init__(self, path, *options):
        self.path = path
        super().__init__("--host-root", "none", *options, policy="learned.json")

    def own_copy(self, policy):
        return self.path


def asked(row):
    """Method, target and body of a row of replays."""
    target, text = row
    method = "POST" if text is not None else "GET"
    return method, target, text, JSON if text else []


# ---- learn --------------------------------------------------------------------------------------

ROWS = [
    ("/_ping", None), ("/v1.44/containers/json", None),
    ("/v1.44/containers/create?name=a", body()),
    ("/v1.44/containers/create?name=b", body(User="1000", HostConfig={
        "Binds": ["/srv/ci/ws:/ws", "/etc/localtime:/etc/localtime:ro", "data:/data"],
        "CapAdd": ["CAP_NET_ADMIN", "sys_time"], "NetworkMode": "none",
        "SecurityOpt": ["no-new-privileges", "apparmor=unconfined"],
        "Sysctls": {"net.core.somaxconn": "1", "net.ipv4.ip_forward": "1"},
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "80"}],
                         "53/udp": [{"HostPort": "5353"}], "9/tcp": [{}]},
        "RestartPolicy": {"Name": "always"}, "PidMode": "host", "IpcMode": "shareable",
        "Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse",
                     "CgroupPermissions": "rwm"}],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
        "Tmpfs": {"/tmp": "size=1m"}, "GroupAdd": ["docker"],
        "Mounts": [{"Type": "volume", "Source": "cache", "Target": "/cache"}]})),
    ("/v1.44/containers/create?name=c", json.dumps(
        {"Image": "localhost:5000/team/app:2", "HostConfig": {"Runtime": "runsc"}}).encode()),
    ("/v1.44/images/create?fromImage=ghcr.io/team/tool&tag=1", b""),
    ("/v1.44/networks/create", b'{"Name":"front","IPAM":{"Config":[{"Subnet":"10.9.0.0/24"}]}}'),
    ("/v1.44/volumes/create", b'{"Name":"data"}'),
    ("/v1.44/containers/a/start", b""),
    ("/v1.44/containers/a/exec", b'{"Cmd":["sh"],"Privileged":true}'),
    ("/v1.44/build?t=team%2Fbuilt&networkmode=host", b""),
    ("/v1.44/auth", b'{"username":"u","password":"p","serveraddress":"private.example.com"}'),
]


# What is made is not there yet.
FACTS = {"network": {"front": "network front not found"}}


@suite.test
def learn_then_replay():
    """the learned policy loads, allows each recorded request, and no privileged container"""
    with audit(role="read-only") as env:
        env.fake.facts = FACTS
        for row in ROWS:
            equal(env.ask(*asked(row)).status, 200, f"recorded {row[0]}")
        equal([x["uses_lack"] for x in requests(env) if "uses_lack" in x], [], "lacks")
        path, policy, said = learn(env)
        check("learnt from 12 requests of 1 client;" in said, said)
        equal(run_bin("learn", env.audit_path).stdout, run_bin("learn", env.audit_path).stdout,
              "learnt twice")
        role = policy["roles"][f"uid-{os.getuid()}"]
        check("@ping" not in role["allow"] and "SystemPing" in role["allow"], role["allow"])
        equal([{k: v for k, v in bind.items() if k != "description"}
               for bind in role["containers"]["binds"]],
              [{"source": "/etc/localtime", "read_only": True}, {"source": "/srv/ci/ws"}], "binds")
        check("privileged" not in role["containers"], "privileged")
        equal(role["containers"]["cap_add"], ["NET_ADMIN", "SYS_TIME"], "cap_add")
        equal(role["images"]["allow"],
              ["docker.io/library/nginx", "docker.io/team/built", "ghcr.io/team/tool",
               "localhost:5000/team/app", "private.example.com/-asked-only", "registry.example.com/ci/app"],
              "images")
        tested = run_bin("test", "--policy", path, env.audit_path)
        equal((tested.returncode, tested.stdout), (0, "12 passed, 0 failed\n"), "test")
        with Learned(path) as served:
            served.fake.facts = FACTS
            for row in ROWS:
                answer = served.ask(*asked(row))
                equal(answer.status, 200, f"replayed {row[0]}: {answer.body[:300]}")
            for text in (host(Privileged=True), host(Binds=["/srv/ci:/ws"]),
                         host(CapAdd=["SYS_ADMIN"]), host(NetworkMode="host"),
                         host(Binds=["/etc/localtime:/etc/localtime"]),
                         json.dumps({"Image": "evil"}).encode()):
                equal(create(served, text).status, 403, f"not seen: {text}")
            equal(served.ask("DELETE", "/v1.44/containers/a").status, 403, "not seen")


@suite.test
def two_listeners():
    """clients on two listeners get a role each, and entries that tell them apart"""
    with audit(role="read-only", start=False) as env:
        second = os.path.join(env.dir, "second.sock")
        env.args += ["-H", DIR + second]
        env.start()
        env.ask("GET", "/v1.44/containers/json")
        with Client(second) as client:
            equal(create(env, host(), client).status, 200, "create")
        path, policy, _ = learn(env)
        matches = [entry["match"] for entry in policy["clients"]]
        equal(matches, [{"uid": os.getuid(), "listener": DIR + env.socket},
                        {"uid": os.getuid(), "listener": DIR + second}], "matches")
        allows = [policy["roles"][entry["role"]]["allow"] for entry in policy["clients"]]
        equal(allows, [["ContainerList"], ["ContainerCreate"]], "allow")
        for listener, code in ((env.socket, 3), (second, 0)):
            raw = b"POST /v1.44/containers/create HTTP/1.1\r\nHost: d\r\n" \
                  b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
                      len(host()), host())
            file = os.path.join(env.dir, "request")
            with open(file, "wb") as out:
                out.write(raw)
            result = run_bin("explain", "--policy", path, "--uid", str(os.getuid()),
                             "--listener", DIR + listener, file)
            equal(result.returncode, code, f"explain on {listener}: {result.stdout}")


def line(peer, operation="ContainerList", **fields):
    return json.dumps({"time": "2026-01-01T00:00:00.000000Z", "record": "request",
                       "listener": "unix:///a.sock", "peer": peer, "operation": operation,
                       "decision": "allow", **fields}) + "\n"


def learn_text(env, text):
    path = os.path.join(env.dir, "log.jsonl")
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return learn(env, path)


@suite.test
def told_apart():
    """by certificate, compose service, container, uid and address, the surest first"""
    peers = [({"address": "10.0.0.1"}, {"address": "10.0.0.1"}),
             ({"uid": 5, "gid": 5, "pid": 1}, {"uid": 5}),
             ({"uid": 0, "container_name": "box"}, {"container_name": "box"}),
             ({"uid": 0, "container_name": "p-web-1", "compose_project": "p",
               "compose_service": "web"}, {"compose_service": "web", "compose_project": "p"}),
             ({"address": "10.0.0.2", "cert_cn": "ci.example.com"}, {"cert_cn": "ci.example.com"})]
    with Env(start=False, daemon=False) as env:
        _, policy, _ = learn_text(env, "".join(line(peer) for peer, _ in peers))
        equal([entry["match"] for entry in policy["clients"]],
              [match for _, match in reversed(peers)], "matches")
        equal(len({entry["role"] for entry in policy["clients"]}), 5, "roles")
        for peer, match in (
                ({"uid": 0, "container_name": "box", "compose_project": "p",
                  "compose_service": "w?b"}, {"container_name": "box"}),
                ({"uid": 0, "container_name": "box", "compose_project": "*",
                  "compose_service": "web"}, {"container_name": "box"}),
                ({"uid": 0, "container_name": "box", "compose_project": "p" * 256,
                  "compose_service": "web"}, {"container_name": "box"}),
                ({"uid": 5, "container_name": "/box"}, {"uid": 5}),     # no policy can hold it
                ({"uid": 0xFFFFFFFF, "address": "10.0.0.2"}, {"address": "10.0.0.2"}),
                ({"address": "10.0.0.2", "cert_cn": "*.example.com"}, {"address": "10.0.0.2"})):
            _, policy, _ = learn_text(env, line(peer))
            equal([entry["match"] for entry in policy["clients"]], [match], f"match of {peer}")
        text = line({"uid": 1}, client="default") + line({"uid": 2}, client="default")
        _, policy, _ = learn_text(env, text)
        equal(list(policy["roles"]), ["client"], "one client of a log is one role, not the default")
        equal([entry["match"] for entry in policy["clients"]], [{"uid": [1, 2]}], "matches")
        text += line({"address": "10.0.0.1"}, client="default")
        _, policy, _ = learn_text(env, text)
        equal([(x["name"], x["match"], x["role"]) for x in policy["clients"]],
              [("client", {"uid": [1, 2]}, "client"),
               ("client/2", {"address": "10.0.0.1"}, "client")], "two entries of one role")


@suite.test
def classes_when_whole():
    """a class stands for its operations when all of them were seen"""
    ping = ("SystemPing", "SystemPingHead", "SystemVersion")
    with Env(start=False, daemon=False) as env:
        _, policy, _ = learn_text(env, "".join(line({"uid": 1}, op) for op in ping))
        equal(policy["roles"]["uid-1"]["allow"], ["@ping"], "allow")
        _, policy, _ = learn_text(env, "".join(line({"uid": 1}, op) for op in ping[:2]))
        equal(policy["roles"]["uid-1"]["allow"], list(ping[:2]), "allow")


@suite.test
def folders():
    """bind sources side by side become their folder, but where that would open or refuse more"""
    def binds(*sources, **more):
        uses = {"containers.binds": [s if s[0] == "/" else
                                     {"source": s[3:], "read_only": True} for s in sources], **more}
        return line({"uid": 1}, "ContainerCreate", uses=uses)
    rows = [
        (binds("/srv/ci/a", "/srv/ci/b"), [("/srv/ci/a", False), ("/srv/ci/b", False)]),
        (binds("/srv/ci/a", "/srv/ci/b", "/srv/ci/c"), [("/srv/ci/*", False)]),
        (binds("ro:/srv/ci/a", "ro:/srv/ci/b") + binds("ro:/srv/ci/c"), [("/srv/ci/*", True)]),
        (binds("ro:/srv/ci/a", "ro:/srv/ci/b", "/srv/ci/c"),
         [("/srv/ci/a", True), ("/srv/ci/b", True), ("/srv/ci/c", False)]),
        (binds("ro:/srv/ci/a", "/srv/ci/b", "/srv/ci/c") + binds("/srv/ci/a"),
         [("/srv/ci/*", False)]),
        (binds("/srv/a", "/srv/b", "/srv/c"),
         [("/srv/a", False), ("/srv/b", False), ("/srv/c", False)]),
        (binds("/srv/ci/a", "/srv/ci/b", "/srv/ci/c", **{"containers.restart": ["always"]}),
         [("/srv/ci/a", False), ("/srv/ci/b", False), ("/srv/ci/c", False)]),
        (binds("/var/lib/docker/a", "/var/lib/docker/b", "/var/lib/docker/c"),
         [(f"/var/lib/docker/{x}", False) for x in "abc"]),
        (binds("ro:/srv/ci/a") + binds("/srv/ci/a"), [("/srv/ci/a", False)]),
        (binds("ro:/srv/ci/a"), [("/srv/ci/a", True)]),
    ]
    with Env(start=False, daemon=False) as env:
        for text, expected in rows:
            _, policy, _ = learn_text(env, text)
            equal([(x["source"], x.get("read_only", False))
                   for x in policy["roles"]["uid-1"]["containers"]["binds"]], expected, text)


@suite.test
def logs_of_all_kinds():
    """a torn last line, lines of others and chained lines are read over, and said"""
    good = line({"uid": 1}, prev="0" * 64, hash="1" * 64)
    end = "".join(json.dumps({"record": name, "operation": "ExecStart", "decision": "allow"}) + "\n"
                  for name in ("end", "lost", "torn", "refused"))
    rows = [
        (good + good[:40], 0, "the last line is not whole"),
        (good + good.rstrip("\n"), 0, "learnt from 2 requests"),
        ("nonsense\n" + good, 0, ":1: is no audit line"),
        (good + "x" * 1400000 + "\n" + good, 0, "longer than any audit line"),
        (good + end + "\n\r\n" + good, 0, "learnt from 2 requests"),
        (good + "[1]\n{}\n\xff\n", 0, "3 of 4 lines are none"),
        (line({"uid": 1}, "Unheard") + good, 0, "left out"),
        (line({"uid": 1}, decision="deny"), 1, "no allowed request"),
        ("", 1, "no allowed request"),
        (end, 1, "no allowed request"),
    ]
    with Env(start=False, daemon=False) as env:
        path = os.path.join(env.dir, "log.jsonl")
        for text, code, said in rows:
            with open(path, "w", encoding="latin-1") as file:
                file.write(text)
            result = run_bin("learn", path)
            equal(result.returncode, code, f"{said}: {result.stderr}")
            check(said in result.stderr, f"{said} is not in {result.stderr}")
        equal(run_bin("learn", path + "-none").returncode, 1, "no file")
        equal(run_bin("learn").returncode, 2, "no argument")
        equal(run_bin("learn", "--x", path).returncode, 2, "an option")


@suite.test
def parts_in_any_order():
    """the parts of a rotated log, newest first as a shell lists them, tell from when to when"""
    with Env(start=False, daemon=False) as env:
        text = "".join(line({"uid": 1}, time=f"2026-01-0{day}T10:00:00.000000Z")
                       for day in (3, 4, 1, 2))
        _, policy, _ = learn_text(env, text)
        check("2026-01-01T10:00 to 2026-01-04T10:00;" in policy["roles"]["uid-1"]["description"],
              policy["roles"])


HOSTILE = [
    ("/v1.44/containers/create?name=x", host(Binds=["/srv/**:/a"])),
    ("/v1.44/containers/create?name=x", host(Binds=["/srv/????:/a:ro"])),
    ("/v1.44/containers/create?name=x", host(Mounts=[{"Type": "bind", "Source": "/*",
                                                      "Target": "/a"}])),
    ("/v1.44/containers/create?name=x", host(Mounts=[{"Type": "volume", "Source": "**",
                                                      "Target": "/a"}])),
    ("/v1.44/containers/create?name=x", host(Binds=["/srv/b:/b:ro,rslave"])),
    ("/v1.44/containers/create?name=x", host(PortBindings={"1/tcp": [{"HostIp": "x",
                                                                      "HostPort": "22"}]})),
    ("/v1.44/containers/create?name=x", host(NetworkMode="**")),
    ("/v1.44/containers/create?name=x", host(CapAdd=["*"])),
    ("/v1.44/containers/create?name=x", host(Runtime="r*", SecurityOpt=["seccomp=*"])),
    ("/v1.44/containers/create?name=x", host(Sysctls={"net.*": "1"}, UsernsMode="??st")),
    ("/v1.44/containers/create?name=x", host(Devices=[{"PathOnHost": "/dev/*",
                                                       "PathInContainer": "/dev/x"}])),
    ("/v1.44/containers/create?name=x", body(User="*")),
    ("/v1.44/containers/web/exec", b'{"Cmd":["**"]}'),
    ("/v1.44/containers/web/exec", b'{"Cmd":["ba?h"],"User":"${uid}"}'),
    ("/v1.44/networks/create", b'{"Name":"**"}'),
    ("/v1.44/volumes/create", b'{"Name":"*"}'),
    ("/v1.44/auth", b'{"username":"u","password":"p","serveraddress":"evil.example.com"}'),
    ("/v1.44/auth", b'{}'),
    ("/v1.44/containers/create?name=%0A%7B%22record%22%3A%22request%22%7D%0A", body()),
    ("/v1.44/containers/create?name=x", host(Binds=[
        '/srv/a","uses":{"containers.privileged":true}}\n{"record":"request"}:/x'])),
]


@suite.test
def hostile_values():
    """globs, variables, line breaks and registries that are asked open nothing that was not seen"""
    with audit(role="read-only") as env:
        env.fake.facts = {"network": {"**": "network ** not found"}}
        for row in HOSTILE:
            with Client(env.socket) as client:
                client.ask(*asked(row))
        path, policy, _ = learn(env)
        for value in texts_of(policy["roles"]):
            check("*" not in value and "?" not in value, f"a wildcard is learnt: {value}")
        check("privileged" not in policy["roles"][f"uid-{os.getuid()}"]["containers"], policy)
        with Learned(path) as served:
            for text in (host(Binds=["/srv/a:/a"]), host(Binds=["/srv/abcd:/a:ro"]),
                         host(NetworkMode="host"), host(CapAdd=["SYS_ADMIN"]),
                         host(Privileged=True), host(Runtime="runsc"), host(UsernsMode="host"),
                         host(PortBindings={"1/tcp": [{"HostPort": "22"}]}),
                         body(User="root"), json.dumps({"Image": "evil.example.com/a"}).encode(),
                         json.dumps({"Image": "evil"}).encode()):
                equal(create(served, text).status, 403, f"not seen: {text}")
            equal(create(served, body()).status, 200, "what was seen")
            equal(served.ask("POST", "/v1.44/auth", HOSTILE[-4][1], JSON).status, 200, "login")


def texts_of(node):
    """Every text of a policy but descriptions."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, list):
        return [text for item in node for text in texts_of(item)]
    if isinstance(node, dict):
        return [text for key, item in node.items() if key != "description"
                for text in texts_of(item)]
    return []


# ---- test of logs -------------------------------------------------------------------------------

@suite.test
def much_is_left_out():
    """thousands of long values are learnt as far as a policy may hold them, and quickly"""
    with audit() as env:
        _, policy, told = learn_text(env, "".join(
            line({"uid": 7}, "ContainerCreate", uses={"containers.binds": [
                f"/srv/{i}/{k}/" + "x" * 480 for k in range(11)]}) for i in range(1200)))
        check("hold too many values" in told, told)
        check(len(policy["roles"]["uid-7"]["containers"]["binds"]) > 1000, "few binds")


@suite.test
def logs_are_tested():
    """a policy that would refuse what a log holds is told where and why"""
    policy = {"version": 1, "clients": [
        {"name": "a", "match": {"uid": 1}, "role": "a"},
        {"name": "b", "match": {"cert_cn": "ci", "listener": "unix:///a.sock"}, "role": "b"},
        {"name": "c", "match": {"compose_service": "web", "compose_project": "p"}, "role": "b"},
        {"name": "d", "match": {"gid": 9}, "role": "b"}],
              "roles": {"a": {"allow": ["ContainerCreate"], "containers": {"cap_add": ["SYS_TIME"]}},
                        "b": {"allow": ["ContainerList"]}}}
    rows = [
        (line({"uid": 1}, "ContainerCreate"), None),
        (line({"uid": 1}, "ContainerCreate", uses={"containers.cap_add": ["SYS_TIME"]}), None),
        (line({"uid": 1}, "ContainerCreate", uses={"containers.cap_add": ["SYS_ADMIN"]}),
         'ContainerCreate: role "a" does not open containers.cap_add to "SYS_ADMIN"'),
        (line({"uid": 1}, "ContainerCreate", uses={"containers.privileged": True}),
         'role "a" does not open containers.privileged\n'),
        (line({"uid": 1}, "ContainerCreate",
              uses={"containers.binds": [{"source": "/a", "read_only": True}]}),
         'does not open containers.binds to "/a", read-only'),
        (line({"uid": 1}, "ContainerCreate", uses_lack="it holds a field\u001b"),
         "may be refused: it holds a field\\x1b"),
        (line({"uid": 1}), 'role "a" does not allow the operation'),
        (line({"uid": 2}), 'no entry of "clients" matches who asked'),
        (line({"uid": 2, "gid": 9}), None),
        (line({"address": "10.0.0.1", "cert_cn": "ci"}), None),
        (line({"uid": 2, "compose_project": "p", "compose_service": "web"}), None),
        (line({"uid": 2, "compose_project": "p", "compose_service": "x"}), "no entry of"),
        (line({"uid": 1}, "Unheard"), "is an operation that this version does not know"),
        (line({"uid": 2}, decision="deny"), "0 passed, 0 failed"),
    ]
    with Env(start=False, daemon=False) as env:
        path, log = os.path.join(env.dir, "policy.json"), os.path.join(env.dir, "log.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(policy, file)
        for text, said in rows:
            with open(log, "w", encoding="utf-8") as file:
                file.write(text)
            result = run_bin("test", f"--policy={path}", "-v", log)
            equal(result.returncode, 1 if said else 0, f"{text}: {result.stdout}{result.stderr}")
            check((said or f"ok {log}:1: ") in result.stdout, f"{said} is not in {result.stdout}")
        for args, code, said in (([log], 1, "log.jsonl"), (["--policy"], 2, "--policy wants a value"),
                                 (["--policy", path], 2, "at least one file"),
                                 (["--policy", path + "-none", log], 1, "-none"),
                                 (["--policy", path, log + "-none"], 1, "cannot read"),
                                 (["--x", log], 2, "no option --x")):
            result = run_bin("test", *args)
            equal(result.returncode, code, f"{args}: {result.stderr}")
            check(said in result.stdout + result.stderr, f"{said} is not in {result.stderr}")


@suite.test
def lacks_are_told():
    """what no policy opens is said, and left out"""
    with audit(role="read-only") as env:
        equal(create(env, body(Unheard=1)).status, 200, "status")
        _, policy, said = learn(env)
        check("ContainerCreate may be refused by the policy all the same" in said, said)
        check("unknown_fields" not in json.dumps(policy["roles"]), policy)


# ---- report -------------------------------------------------------------------------------------

@suite.test
def report():
    """entries that nothing used, and refusals by their reasons"""
    policy = {"version": 1, "roles": {"default": {
        "allow": ["@ping", "ContainerCreate", "ContainerKill", "Image*"],
        "containers": {"binds": ["/srv/a/**", {"source": "/srv/b", "read_only": True}],
                       "cap_add": ["CAP_NET_ADMIN", "SYS_TIME"], "ports": ["1024-65535", "80"],
                       "security_opt": {"allow": ["no-new-privileges", "label=disable"]},
                       "privileged": True, "names": ["x*"], "env": {"deny": ["A*"]}},
        "images": {"allow": ["nginx", "other"], "import": False},
        "networks": {"subnets": ["10.0.0.0/8", "192.168.0.0/16"]}}}}
    with Env(start=False) as env:
        path = os.path.join(env.dir, "policy.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(policy, file)
        env.args += ["--policy", path, "--host-root", "none"]
        del env.args[env.args.index("--role"):env.args.index("--role") + 2]
        env.start()
        equal(create(env, host(Binds=["/srv/a/x:/x"], CapAdd=["NET_ADMIN"],
                               PortBindings={"80/tcp": [{"HostPort": "8080"}]})).status, 200, "a")
        for _ in range(2):
            equal(create(env, host(Binds=["/srv/c:/x"])).status, 403, "refused")
        result = run_bin("report", "--policy", path, "--json", env.audit_path)
        equal(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        role = found["roles"][0]
        equal((role["name"], role["requests"]), ("default", 1), "the role")
        equal([(x["key"], x["entry"]) for x in role["unused"]],
              [("allow", "@ping"), ("allow", "ContainerKill"), ("allow", "Image*"),
               ("containers.binds", "/srv/b"), ("containers.cap_add", "SYS_TIME"),
               ("containers.ports", "80"),
               ("containers.security_opt", "no-new-privileges"),
               ("containers.security_opt", "label=disable"), ("containers.privileged", "true"),
               ("images.allow", "other"), ("networks.subnets", "10.0.0.0/8"),
               ("networks.subnets", "192.168.0.0/16")], "unused")
        equal([(x["count"], x["operation"], x["rule"]) for x in found["denied"]],
              [(2, "ContainerCreate", "containers.binds")], "denied")
        text = run_bin("report", "--policy", path, env.audit_path).stdout
        check(re.search(r"never used\s+allow\s+\"ContainerKill\"", text), text)
        check("not all uses" not in text and role["lacking"] == 0, text)
        check(re.search(r"2\s+default\s+ContainerCreate\s+containers.binds", text), text)
        equal(found["other_roles"], [], "roles that are not in the policy")
        check("is not written" not in text, text)
        policy["roles"] = {"later": {"allow": ["@ping"]}}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(policy, file)
        result = run_bin("report", "--policy", path, "--json", env.audit_path)
        equal(json.loads(result.stdout)["other_roles"], [{"name": "default", "requests": 1}], "others")
        text = run_bin("report", "--policy", path, env.audit_path).stdout
        check("role default is not written in this policy: its 1 allowed requests" in text, text)
        equal(run_bin("report", env.audit_path).returncode, 2, "no policy")
        equal(run_bin("report", "--policy", path + "-none", env.audit_path).returncode, 1, "none")


@suite.test
def uses_off():
    """--audit-uses off: a line says that it tells none, and so do report and test"""
    policy = {"version": 1, "roles": {"default": {
        "allow": ["ContainerCreate"], "images": {"allow": ["nginx"]}}}}
    with Env(start=False) as env:
        path = os.path.join(env.dir, "policy.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(policy, file)
        env.args += ["--policy", path, "--host-root", "none", "--audit-uses", "off"]
        del env.args[env.args.index("--role"):env.args.index("--role") + 2]
        env.start()
        equal(create(env, host()).status, 200, "created")
        line = requests(env)[0]
        equal(("uses" in line, line.get("uses_lack")),
              (False, "it was not asked for (--audit-uses off)"), "line")
        result = run_bin("report", "--policy", path, "--json", env.audit_path)
        equal(json.loads(result.stdout)["roles"][0]["lacking"], 1, result.stderr)
        text = run_bin("report", "--policy", path, env.audit_path).stdout
        check("of 1 requests not all uses are known" in text, text)
        result = run_bin("test", "--policy", path, env.audit_path)
        check(result.returncode == 1 and "--audit-uses off" in result.stdout, result.stdout)
