"""systemd's side of the proxy, played by a small harness: inherited sockets, the notify protocol,
the watchdog, and the units themselves where systemd-analyze is there."""
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time

from harness import CASES, Client, Env, ROOT, Suite, check, equal, run_bin, settings, wait_for

suite = Suite()
# The shell's pid becomes the program's, as with systemd.
SHELL = 'export LISTEN_PID=${PID_OF_ANOTHER:-$$} WATCHDOG_PID=$$; n=3; ' \
        'for fd in $FDS; do eval "exec $n<&$fd $fd<&-"; n=$((n + 1)); done; exec "$@"'


class Manager(Env):
    """A fake daemon, and a proxy that is started as systemd would."""

    def __init__(self, *options, sockets=(), hosts=("fd://",), watchdog=0, **kwargs):
        super().__init__(start=False, **kwargs)
        at = self.args.index("-H")
        del self.args[at:at + 2]
        for host in hosts:
            self.args += ["-H", host]
        self.args += options
        self.fds, self.names, self.paths = [], [], {}
        for name, sock in sockets:
            # High, so that the shell can move it down to 3 and up.
            self.fds.append(fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 100))
            self.names.append(name)
            sock.close()
        self.notify_path = os.path.join(self.dir, "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        self.notify.setblocking(False)
        self.environment = dict(os.environ, NOTIFY_SOCKET=self.notify_path,
                                FDS=" ".join(map(str, self.fds)), LISTEN_FDS=str(len(self.fds)),
                                LISTEN_FDNAMES=":".join(self.names))
        if watchdog:
            self.environment["WATCHDOG_USEC"] = str(watchdog)
        self.messages = []

    def __exit__(self, *args):
        for fd in self.fds:
            os.close(fd)
        self.notify.close()
        super().__exit__(*args)

    def unix(self, name):
        path = os.path.join(self.dir, name)
        self.paths[name] = path
        return path

    def start(self, ready=True):
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                ["bash", "-c", SHELL, "bash", settings["bin"], "serve"] + self.args,
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, pass_fds=self.fds,
                env=self.environment)
        if ready:
            wait_for(lambda: self.heard("READY=1") or self.ended(), "READY=1", 10)
            check(not self.ended(), f"the proxy ended: {self.stderr()}")

    def ended(self):
        return self.process.poll() is not None

    def heard(self, line):
        """How often this line has come."""
        try:
            while True:
                self.messages += self.notify.recv(4096).decode().split("\n")
        except BlockingIOError:
            pass
        return self.messages.count(line)

    def run(self):
        """To its end: exit code and what it said."""
        self.start(ready=False)
        code = self.process.wait(10)
        self.expected_code = code
        return code, self.stderr()


def listening(address, family=socket.AF_UNIX, kind=socket.SOCK_STREAM, listen=True):
    sock = socket.socket(family, kind)
    sock.bind(address)
    if listen:
        sock.listen(16)
    return sock


def folder():
    """A folder for sockets, removed by the caller."""
    return subprocess.run(["mktemp", "-d"], capture_output=True, text=True,
                          check=True).stdout.strip()


@suite.test
def all_sockets():
    """fd:// serves every inherited socket; the socket's name is the listener's; files stay"""
    place = folder()
    paths = [f"{place}/a.sock", f"{place}/b.sock"]
    with Manager(sockets=[("ci", listening(paths[0])), ("ops", listening(paths[1]))]) as env:
        env.start()
        for name, path in zip(("ci", "ops"), paths):
            with Client(path) as client:
                equal(client.ask("GET", "/_ping").status, 200, name)
            env.wait_audit(1, listener=name)
        check(f"DOCKER_HOST=unix://{paths[0]}" in env.stderr(), env.stderr())
        env.stop()
        check(all(map(os.path.exists, paths)), "a socket of systemd's was removed")
    shutil.rmtree(place)


@suite.test
def named_sockets():
    """fd://NAME takes the sockets of that name, the others are closed with a warning"""
    place = folder()
    paths = [f"{place}/{i}.sock" for i in range(3)]
    sockets = [("ci", listening(paths[0])), ("other", listening(paths[1])),
               ("ci", listening(paths[2]))]
    with Manager(hosts=["fd://ci"], sockets=sockets) as env:
        env.start()
        for path in (paths[0], paths[2]):
            with Client(path) as client:
                equal(client.ask("GET", "/_ping").status, 200, path)
        check('the inherited socket \\"other\\" is not served' in env.stderr(), env.stderr())
        equal(len(env.wait_audit(2, listener="ci")), 2, "lines")
    shutil.rmtree(place)


@suite.test
def policy_by_name():
    """`listener` in a policy's clients is the socket's name"""
    place = folder()
    paths = {name: f"{place}/{name}.sock" for name in ("ci", "ops")}
    with Manager(sockets=[(n, listening(p)) for n, p in paths.items()]) as env:
        policy = os.path.join(env.dir, "policy.json")
        with open(policy, "w", encoding="ascii") as file:
            file.write('{"version": 1, "clients": [{"name": "the-ci", "match": {"listener": "ci"},'
                       '"role": "ci"}], "roles": {"default": {"allow": ["@ping"]},'
                       '"ci": {"allow": ["@ping", "ContainerList"]}}}')
        at = env.args.index("--role")
        env.args[at:at + 2] = ["--policy", policy]
        env.start()
        for name, code in (("ci", 200), ("ops", 403)):
            with Client(paths[name]) as client:
                equal(client.ask("GET", "/containers/json").status, code, name)
        env.wait_audit(1, client="the-ci", listener="ci")
    shutil.rmtree(place)


@suite.test
def own_places():
    """no container gets an inherited socket by a glob; a client whose listener is not there is told"""
    place = folder()
    path = f"{place}/ci.sock"
    with Manager(sockets=[("ci", listening(path))]) as env:
        policy = os.path.join(env.dir, "policy.json")
        with open(policy, "w", encoding="ascii") as file:
            file.write('{"version": 1, "clients": [{"name": "lost", "match": {"listener": "ops"},'
                       '"role": "default"}, {"name": "met", "match": {"listener": "ci"},'
                       '"role": "default"}], "roles": {"default": {"allow": ["@ping", '
                       '"ContainerCreate"], "containers": {"binds": ["/tmp/**"]}}}}')
        at = env.args.index("--role")
        env.args[at:at + 2] = ["--policy", policy]
        env.start()
        with Client(path) as client:
            for source, code in ((path, 403), (f"{place}/other", 200)):
                body = f'{{"Image":"a","HostConfig":{{"Binds":["{source}:/x"]}}}}'.encode()
                answer = client.ask("POST", "/containers/create", body,
                                    ["Content-Type: application/json"])
                equal(answer.status, code, f"{source}: {answer.body}")
        text = env.stderr()
        check('\\"lost\\" is never met' in text and '\\"met\\" is never' not in text, text)
    shutil.rmtree(place)


@suite.test
def unix_beside():
    """fd:// beside an address of its own; a name that was taken is not taken twice"""
    place = folder()
    with Manager(hosts=["fd://a", "fd://", f"unix://{place}/own.sock"],
                 sockets=[("a", listening(f"{place}/a.sock")),
                          ("b", listening(f"{place}/b.sock"))]) as env:
        env.start()
        for name in ("a", "b", "own"):
            with Client(f"{place}/{name}.sock") as client:
                equal(client.ask("GET", "/_ping").status, 200, name)
        env.stop()
        check(not os.path.exists(f"{place}/own.sock"), "the own socket stays")
    shutil.rmtree(place)


@suite.test
def tcp_socket():
    """an inherited TCP socket needs --insecure-tcp as another does"""
    for options, code in (((), 1), (("--insecure-tcp",), 0)):
        sock = listening(("127.0.0.1", 0), socket.AF_INET)
        port = sock.getsockname()[1]
        with Manager(*options, sockets=[("web", sock)]) as env:
            if code:
                got, text = env.run()
                equal(got, code, "exit code")
                check("--insecure-tcp" in text, text)
                continue
            env.start()
            with Client(("127.0.0.1", port)) as client:
                equal(client.ask("GET", "/_ping").status, 200, "status")


@suite.test
def wrong_sockets():
    """what does not listen, is no stream, is missing or meant for another process: refused"""
    place = folder()
    rows = [
        ([("d", listening(f"{place}/d", kind=socket.SOCK_DGRAM, listen=False))], "fd://", {},
         "not a stream socket"),
        ([("s", listening(f"{place}/s", listen=False))], "fd://", {}, "does not listen"),
        ([("p", listening(f"{place}/p", kind=socket.SOCK_SEQPACKET))], "fd://", {},
         "not a stream socket"),
        ([], "fd://", {}, "no socket was inherited"),
        ([("x", listening(f"{place}/x"))], "fd://y", {}, "no inherited socket of this name"),
        ([("x", listening(f"{place}/z"))], "fd://", {"PID_OF_ANOTHER": "1"},
         "no socket was inherited"),
        ([("x", listening(f"{place}/q"))], "fd://", {"LISTEN_FDS": "65"}, "64 at most"),
        ([("x", listening(f"{place}/r"))], "fd://", {"LISTEN_FDS": "3"}, "is not open"),
    ]
    for sockets, host, more, words in rows:
        with Manager(hosts=[host], sockets=sockets) as env:
            env.environment.update(more)
            code, text = env.run()
            equal(code, 1, words)
            check(words in text, f"{words}: {text}")
    shutil.rmtree(place)


@suite.test
def own_socket_as_upstream():
    """an inherited socket that is the daemon's address is refused"""
    place = folder()
    path = f"{place}/docker.sock"
    with Manager("--upstream", "unix://" + path, sockets=[("x", listening(path))]) as env:
        code, text = env.run()
        equal((code, "ask itself" in text), (1, True), text)
    shutil.rmtree(place)


@suite.test
def notifications():
    """READY once it serves, STOPPING at TERM; a status line with each"""
    place = folder()
    with Manager(sockets=[("x", listening(f"{place}/x"))]) as env:
        env.start()
        check("STATUS=serves role builtin:all" in env.messages, env.messages)
        equal(env.heard("WATCHDOG=1"), 0, "nobody asked for the watchdog")
        env.process.send_signal(signal.SIGTERM)
        wait_for(lambda: env.heard("STOPPING=1"), "STOPPING=1")
        equal(env.process.wait(5), 0, "exit code")
        equal(env.heard("READY=1"), 1, "READY=1")
    with Manager("--policy", "/nonexistent", sockets=[("x", listening(f"{place}/y"))]) as env:
        env.run()
        equal(env.heard("READY=1"), 0, "READY=1 of one that does not serve")
    with Manager(sockets=[("x", listening(f"{place}/z"))]) as env:
        env.environment["NOTIFY_SOCKET"] = env.dir + "/nosuch"
        env.start(ready=False)
        wait_for(lambda: "cannot reach NOTIFY_SOCKET" in env.stderr(), "a warning")
        with Client(f"{place}/z") as client:
            equal(client.ask("GET", "/_ping").status, 200, "it serves all the same")
    shutil.rmtree(place)


@suite.test
def abstract_notify():
    """a notify socket in the abstract name space"""
    place = folder()
    name = f"sockwarden-test-{os.getpid()}"
    with Manager(sockets=[("x", listening(f"{place}/x"))], watchdog=400000) as env:
        env.notify.close()
        env.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        env.notify.bind("\0" + name)
        env.notify.setblocking(False)
        env.environment["NOTIFY_SOCKET"] = "@" + name
        env.start()
        wait_for(lambda: env.heard("WATCHDOG=1") >= 2, "WATCHDOG=1 from the sandbox")
    shutil.rmtree(place)


@suite.test
def watchdog():
    """WATCHDOG=1 comes several times an interval, and not while a loop hangs"""
    place = folder()
    with Manager("--workers", "3", sockets=[("x", listening(f"{place}/x"))],
                 watchdog=400000) as env:
        env.start()
        start = time.monotonic()
        wait_for(lambda: env.heard("WATCHDOG=1") >= 5, "WATCHDOG=1")
        took = time.monotonic() - start
        check(took < 10 and (took > 0.25 or settings["sanitized"]), f"5 messages in {took:.2f} s")
        with Client(f"{place}/x") as client:
            equal(client.ask("GET", "/_ping").status, 200, "status")
    # A loop that hangs: its audit line goes to a pipe that nobody reads.
    pipe = f"{place}/pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    os.write(reader, b"x" * fcntl.fcntl(reader, 1032))
    with Manager("--audit-log", pipe, "--workers", "1", sockets=[("x", listening(f"{place}/y"))],
                 audit=False, watchdog=400000) as env:
        env.start()
        wait_for(lambda: env.heard("WATCHDOG=1") >= 2, "WATCHDOG=1")
        client = Client(f"{place}/y", 10)
        client.request("GET", "/_ping")
        before = silence(env, "the loop")
        os.read(reader, 65536)
        client.read_response()
        wait_for(lambda: env.heard("WATCHDOG=1") > before, "WATCHDOG=1 again")
        client.close()
    os.close(reader)
    shutil.rmtree(place)


def silence(env, what):
    """Until no WATCHDOG=1 has come for 1 s, since this hangs; how many came before."""
    state = {"count": -1}

    def silent():
        count = env.heard("WATCHDOG=1")
        if count != state["count"]:
            state.update(count=count, since=time.monotonic())
        return time.monotonic() - state["since"] > 1
    wait_for(silent, f"messages end while {what} hangs")
    return state["count"]


@suite.test
def watchdog_of_threads():
    """the watchdog is silent while only another worker's loop hangs"""
    place = folder()
    pipe = f"{place}/pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    os.write(reader, b"x" * fcntl.fcntl(reader, 1032))
    with Manager("--audit-log", pipe, "--workers", "2", sockets=[("x", listening(f"{place}/x"))],
                 audit=False, watchdog=400000) as env:
        env.start()
        wait_for(lambda: env.heard("WATCHDOG=1") >= 2, "WATCHDOG=1")
        # The first client is the main loop's, idle; the second one's request hangs in its thread.
        idle, client = Client(f"{place}/x", 10), Client(f"{place}/x", 10)
        client.request("GET", "/_ping")
        before = silence(env, "a thread")
        os.read(reader, 65536)
        client.read_response()
        wait_for(lambda: env.heard("WATCHDOG=1") > before, "WATCHDOG=1 again")
        idle.close()
        client.close()
    os.close(reader)
    shutil.rmtree(place)


@suite.test
def without_systemd():
    """fd:// in a shell: a sentence that says what is missing"""
    result = run_bin("serve", "-H", "fd://", "--policy", os.path.join(CASES, "open.json"))
    equal(result.returncode, 1, "exit code")
    check(b"socket unit" in result.stderr, f"{result.stderr!r}")


@suite.test
def units():
    """the units in docker/ are what systemd-analyze verify accepts"""
    tool = shutil.which("systemd-analyze")
    if not tool:
        return
    place = folder()
    names = ("sockwarden.service", "sockwarden.socket", "sockwarden@.socket")
    for name in names:
        with open(os.path.join(ROOT, "docker", name), encoding="utf-8") as file:
            text = file.read().replace("/usr/bin/sockwarden", settings["bin"])
        with open(os.path.join(place, name), "w", encoding="utf-8") as file:
            file.write(text)
    done = subprocess.run([tool, "verify", "--man=no", *(f"{place}/{name}" for name in names)],
                          capture_output=True, text=True, timeout=60, check=False)
    ours = [x for x in (done.stdout + done.stderr).splitlines() if "sockwarden" in x]
    equal(ours, [], "what systemd-analyze says")
    shutil.rmtree(place)
