"""In the place of a docker-socket-proxy: its variables alone, and the same verdicts."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from harness import Client, Env, Suite, check, equal, listens, run_bin, settings, wait_for
from tls_client import free_port

suite = Suite()
JSON = ["Content-Type: application/json"]
SECTIONS = {    # a request that only reads, and one that does not; None: there is none
    "AUTH": (None, "POST /auth"), "BUILD": (None, "POST /build/cancel"),
    "COMMIT": (None, "POST /commit?container=a"), "CONFIGS": ("GET /configs", "DELETE /configs/a"),
    "CONTAINERS": ("GET /v1.41/containers/json", "POST /containers/a/kill"),
    "DISTRIBUTION": ("GET /distribution/nginx/json", None), "EVENTS": ("GET /events", None),
    "EXEC": (None, "POST /exec/a/resize?h=1&w=1"), "GRPC": (None, "POST /grpc"),
    "IMAGES": ("GET /images/json", "DELETE /images/nginx"), "INFO": ("GET /v1.41/info", None),
    "NETWORKS": ("GET /networks", "DELETE /networks/a"), "NODES": ("GET /nodes", "DELETE /nodes/a"),
    "PING": ("GET /_ping", None), "PLUGINS": ("GET /plugins", "DELETE /plugins/a"),
    "SECRETS": ("GET /secrets", "DELETE /secrets/a"), "SERVICES": ("GET /services", "DELETE /services/a"),
    "SESSION": (None, "POST /session"), "SWARM": ("GET /swarm", "POST /swarm/leave"),
    "SYSTEM": ("GET /system/df", None), "TASKS": ("GET /tasks", None), "VERSION": ("GET /version", None),
    "VOLUMES": ("GET /volumes", "DELETE /volumes/a"),
}
DEFAULTS = ("EVENTS", "PING", "VERSION")
QUIET = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""), "PATH": os.environ["PATH"]}


def words(variables):
    return [f"{name}={value}" for name, value in {**QUIET, **variables}.items()]


class DropEnv(Env):
    """A proxy that gets variables and nothing that says what it serves, or where."""

    def __init__(self, *options, tcp=False, start=True, **variables):
        super().__init__(start=False)
        self.args = ["--stop-timeout", "2", "--audit-log", self.audit_path, *options]
        self.port = free_port() if tcp else None
        bind = f"127.0.0.1:{self.port}" if tcp else f"unix@{self.socket}"
        self.variables = {"BIND_CONFIG": bind, "SOCKET_PATH": self.upstream, **variables}
        if start:
            self.start(wrapper=["env", "-i", *words(self.variables)])

    def is_ready(self):
        if not self.port:
            return super().is_ready()
        check(self.process.poll() is None, f"the proxy ended: {self.stderr()}")
        return listens(f"tcp://127.0.0.1:{self.port}")

    def status(self, line, body=None, headers=()):
        method, target = line.split(" ")
        with Client(("127.0.0.1", self.port) if self.port else self.socket) as client:
            return client.ask(method, target, body, headers).status


@suite.test
def sections():
    """each section on and off, with POST and without, and the images' defaults"""
    names = sorted(SECTIONS)
    rows = [({}, DEFAULTS, False), ({"POST": "1"}, DEFAULTS, True)]
    for post in (False, True):
        for half in (names[::2], names[1::2]):
            rows.append(({"POST": str(int(post)), **{n: str(int(n in half)) for n in names}}, half, post))
    for variables, on, post in rows:
        with DropEnv(**(variables or {"EXEC": "0"})) as env:
            for name, (read, write) in SECTIONS.items():
                for line, expected in ((read, name in on), (write, name in on and post)):
                    if line:
                        equal(env.status(line) != 403, expected, (variables, line))


@suite.test
def own_tests():
    """what Tecnativa's own tests ask: defaults, CONTAINERS, POST, NETWORKS with POST, exec"""
    rows = [
        ({"POST": "0"}, "GET /v1.41/version", True), ({"POST": "0"}, "GET /containers/a/logs", False),
        ({"CONTAINERS": "1"}, "GET /containers/a/logs?stdout=1", True),
        ({"CONTAINERS": "1"}, "GET /containers/a/json", True),
        ({"CONTAINERS": "1"}, "POST /containers/a/wait", False),
        ({"CONTAINERS": "1"}, "DELETE /containers/a?force=1", False),
        ({"CONTAINERS": "1"}, "POST /containers/a/restart", False),
        ({"POST": "1"}, "POST /images/create?fromImage=alpine&tag=latest", False),
        ({"POST": "1", "NETWORKS": "1"}, "GET /networks", True),
        ({"POST": "1", "NETWORKS": "1"}, "DELETE /networks/foo", True),
        ({"ALLOW_START": "1", "POST": "0"}, "POST /containers/a/start", True),
        ({"ALLOW_START": "1", "POST": "0"}, "POST /containers/a/stop", False),
        ({"CONTAINERS": "1", "ALLOW_LOGS": "0"}, "GET /containers/a/logs?stdout=1", False),
        ({"CONTAINERS": "1"}, "GET /containers/a/attach/ws?stream=1", False),
    ]
    for variables in {json.dumps(row[0]): row[0] for row in rows}.values():
        with DropEnv(**variables) as env:
            for given, line, expected in rows:
                if given == variables:
                    equal(env.status(line) != 403, expected, (given, line))


@suite.test
def bodies():
    """harmless containers and commands go on, dangerous ones are refused by key; existing ones may be started"""
    with DropEnv(CONTAINERS="1", POST="1", NETWORKS="1", EXEC="1") as env:
        env.fake.handle("/containers/create", lambda conn, _: conn.send(
            b'HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{"Id":"abc"}'))
        equal(env.status("POST /containers/create", b'{"Image":"a"}', JSON), 201, "harmless")
        env.fake.facts = {"network": {"foo": "network foo not found"}}
        equal(env.status("POST /networks/create", b'{"Name":"foo"}', JSON), 200, "a network")
        equal(env.status("POST /containers/a/start"), 200, "start")
        equal(env.status("POST /containers/a/exec", b'{"Cmd":["ls"]}', JSON), 200, "a command")
        for line, body, key in (
                ("POST /containers/create", {"Image": "a", "HostConfig": {"Privileged": True}}, "privileged"),
                ("POST /containers/create", {"Image": "a", "HostConfig": {"Binds": ["/:/host"]}}, "binds"),
                ("POST /containers/create", {"Image": "a", "HostConfig": {"PidMode": "host"}}, "pid_mode"),
                ("POST /containers/a/exec", {"Cmd": ["ls"], "Privileged": True}, "exec.privileged")):
            answer = env.ask(*line.split(), json.dumps(body).encode(), JSON)
            equal(answer.status, 403, key)
            check(key in answer.message(), answer.message())
        hashes = {line["policy"] for line in env.audit() if line["record"] == "request"}
        check(len(hashes) == 1 and "builtin" not in hashes, hashes)


@suite.test
def told():
    """plain TCP as they serve it; the start says whose policy, and import, check and explain agree on it"""
    with DropEnv("--log-format", "text", tcp=True, CONTAINERS="1", POST="1", LOG_LEVEL="notice") as env:
        equal(env.status("GET /containers/json"), 200, "by TCP")
        equal(env.status("GET /images/json"), 403, "by TCP")
        text = env.stderr()
        for part in ("variables of a docker-socket-proxy are set", "sockwarden import", "of the environment",
                     f"tcp://127.0.0.1:{env.port}", "stricter than there: bodies are judged"):
            check(part in text, f"{part}: {text}")
        shown = subprocess.run(["env", "-i", *words(env.variables), settings["bin"], "import"],
                               capture_output=True, check=False, timeout=10)
        equal(shown.returncode, 0, shown.stderr)
        check(f"as policy {env.wait_audit(record='request')[0]['policy'][:12]}" in text, text)
        equal(run_bin("check", "-", stdin=shown.stdout).returncode, 0, "check")
        path = os.path.join(env.dir, "policy.json")
        with open(path, "wb") as file:
            file.write(shown.stdout)
        for target, code in (("/containers/json", 0), ("/images/json", 3)):
            request = f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            equal(run_bin("explain", "--policy", path, stdin=request).returncode, code, target)
            own = subprocess.run(["env", "-i", *words(env.variables), settings["bin"], "explain"],
                                 input=request, capture_output=True, check=False, timeout=10)
            equal(own.returncode, code, f"{target} by the environment")
        health = subprocess.run(["env", "-i", *words(env.variables), settings["bin"], "healthcheck"],
                                capture_output=True, check=False, timeout=10)
        equal((health.returncode, health.stderr), (0, b""), "healthcheck")


@suite.test
def port():
    """without BIND_CONFIG port 2375: of loopback alone where the network is the host's"""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return
    alone = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    shared = ["unshare", "-n", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c",
              'ip link set lo up && "$@"; exit $?', "sh"]     # the first process has the same network
    rows = [(shared, {}, "tcp://127.0.0.1:2375"), (alone, {}, "tcp://[::]:2375"),
            (shared, {"container": "podman"}, "tcp://[::]:2375"),
            (alone, {"DISABLE_IPV6": "1"}, "tcp://0.0.0.0:2375")]
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        rows = rows[1:]
    for wrapper, variables, expected in rows:
        with DropEnv("--log-format", "text", start=False) as env:
            given = {"SOCKET_PATH": env.upstream, "EVENTS": "1", **variables}
            env.is_ready = lambda: "listening on" in env.stderr()
            env.expected_code = -signal.SIGKILL if wrapper is shared else 0
            env.start(wrapper=["env", "-i", *words(given), *wrapper])
            check(f"listening on {expected}" in env.stderr(), f"{expected}: {env.stderr()}")
            health = subprocess.run(["nsenter", "-n", "-t", str(env.process.pid), "env", "-i", *words(given),
                                     "container=yes" if "127" not in expected else "BIND_CONFIG=127.0.0.1:2375",
                                     settings["bin"], "healthcheck"], capture_output=True, check=False, timeout=10)
            equal((health.returncode, health.stderr), (0, b""), expected)
            if wrapper is shared:   # which waits for its child, and ends it
                env.process.kill()
                env.process.wait(10)


@suite.test
def left_alone():
    """--role, --policy and --host, and variables that are no switches, leave everything as it is"""
    folder = tempfile.mkdtemp(prefix="sockwarden-test-")
    try:
        host = f"unix://{folder}/own.sock"
        rows = [(["--role", "read-only", "-H", host], {"CONTAINERS": "0", "POST": "1"}),
                (["-H", host], {"CONTAINERS": "0"}),
                (["-H", host], {"VERSION": "1.2.3", "BUILD": "4711", "LOG_LEVEL": "trace"})]
        for options, variables in rows:
            with DropEnv(*options, "--log-format", "text", start=False) as env:
                env.args += ["--upstream", "unix://" + env.upstream]
                env.start(wrapper=["env", "-i", *words(variables)])
                wait_for(lambda: listens(host), "it listens")
                with Client(folder + "/own.sock") as client:
                    equal(client.ask("GET", "/containers/json").status, 200, variables)
                check("docker-socket-proxy" not in env.stderr(), env.stderr())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@suite.test
def wrong_variables():
    """what is not understood ends the start with its name"""
    rows = [({"BIND_CONFIG": ":2375 ssl crt /x"}, "BIND_CONFIG: ssl"), ({"BIND_CONFIG": "a:b"}, "BIND_CONFIG: a:b"),
            ({"BIND_CONFIG": "127.0.0.1:70000"}, "BIND_CONFIG"), ({"LOG_LEVEL": "trace"}, "LOG_LEVEL: trace"),
            ({"SOCKET_PATH": "tcp://a:1"}, "SOCKET_PATH: tcp://a:1")]
    for variables, part in rows:
        done = subprocess.run(["env", "-i", *words({"CONTAINERS": "1", **variables}), settings["bin"]],
                              capture_output=True, check=False, timeout=10)
        equal(done.returncode, 2, variables)
        check(part in done.stderr.decode(), done.stderr)


# ---- import -------------------------------------------------------------------------------------

def imported(source, *options, code=0):
    done = run_bin("import", *options, "-", stdin=source.encode())
    equal(done.returncode, code, (source, done.stderr))
    return done.stdout, done.stderr.decode()


SOURCES = [
    (["--from", "tecnativa"], "CONTAINERS=1\nLOG_LEVEL=info\n"),
    (["--from", "linuxserver"], "CONTAINERS=1\nALLOW_LOGS=0\n"),
    ([], "- CONTAINERS=1 # optional\n"),
    (["--from", "wollomatic"], "- '-allowGET=(/v1\\..{1,2})?/(version|_ping|containers/.*)'\n-proxysocketendpoint=/run/x\n"),
    (["--from=cetusguard"], "GET %API_PREFIX_CONTAINERS%(/.*)?\n"),
    (["--from", "sockguard"], "rules:\n  - match: {method: GET, path: /version}\n    action: allow\n"
     "  - match: {method: GET, path: /_ping}\n    action: allow\n"
     "  - match: {method: GET, path: \"/containers/**\"}\n    action: allow\n"),
]


@suite.test
def sources():
    """every source becomes a policy that check takes and explain decides by"""
    with tempfile.TemporaryDirectory(prefix="sockwarden-test-") as folder:
        path = os.path.join(folder, "policy.json")
        for options, source in SOURCES:
            done = run_bin("import", *options, "-", stdin=source.encode())
            if b"without libyaml" in done.stderr:
                continue
            text, _ = imported(source, *options)
            with open(path, "wb") as file:
                file.write(text)
            equal(run_bin("check", "-", stdin=text).returncode, 0, options)
            for line, code in (("GET /v1.41/containers/json", 0), ("GET /version", 0),
                               ("POST /containers/a/kill", 3), ("GET /images/json", 3)):
                done = run_bin("explain", "--policy", path, stdin=f"{line} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                equal(done.returncode, code, (options, line, done.stdout))


@suite.test
def notes():
    """what changes is said with its line; what cannot be read prints nothing"""
    _, said = imported("GET /info\nGET %X%/y\n", "--from", "cetusguard")
    check("-:2: not carried over: the variable %X% is not known" in said, said)
    _, said = imported("CONTAINERS=yes\n", "--from", "tecnativa")
    check("-:1: stricter: CONTAINERS=yes is no number" in said, said)
    text, said = imported("CONTAINERS=1\nservices:\n", code=1)
    equal(text, b"", "nothing is printed")
    check("-:2: services: is no NAME=value" in said, said)
    for options, code in ((["--from", "caddy"], 2), (["--from"], 2), (["--what"], 2), (["a", "b"], 2),
                          (["--from", "cetusguard"], 2), (["--no-builtin-rules"], 2), (["/no/such/file"], 1)):
        equal(run_bin("import", *options).returncode, code, options)
    rules = run_bin("import", "--from", "cetusguard", env={"CETUSGUARD_RULES": "GET /nodes"})
    check(b'"NodeList"' in rules.stdout and b'"SystemInfo"' in rules.stdout, rules.stderr)
    none = subprocess.run(["env", "-i", *words({}), settings["bin"], "import"], capture_output=True,
                          check=False, timeout=10)
    equal(none.returncode, 1, none.stderr)
    check(b"holds no variable of a docker-socket-proxy" in none.stderr, none.stderr)
