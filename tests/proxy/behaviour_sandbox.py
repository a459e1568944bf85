"""The whole proxy in its sandbox: what the kernel says of it, --user, files that others may write."""
import ctypes
import errno
import os
import shutil
import struct
import subprocess
import time

from harness import CASES, Client, Env, Suite, check, equal, free_port, run_bin, settings, wait_for

suite = Suite()
JSON = ["Content-Type: application/json"]
NOBODY = 65534
GROUP = 4077     # a group without a name, that owns the daemon's socket
SECCOMP, PRCTL, LANDLOCK = 317, 157, 444     # system calls of x86-64
LOAD, EQUAL, GIVE = 0x20, 0x15, 0x06         # of a filter's program


def status(env, name):
    """A line of /proc/PID/status of every thread."""
    base = f"/proc/{env.process.pid}/task"
    values = set()
    for task in os.listdir(base):
        with open(f"{base}/{task}/status", encoding="ascii") as file:
            values |= {line.split(":", 1)[1].split("#")[0].strip() for line in file
                       if line.startswith(name + ":")}
    equal(len(values), 1, f"{name} differs among the threads: {values}")
    return values.pop()


def usual_traffic(env):
    """Reads, writes, streams and a tunnel."""
    env.fake.handle("/containers/a/attach", lambda conn, _: conn.send(
        b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        and conn.send(conn.exactly(5)) and False)
    client = env.client()
    for _ in range(3):
        equal(client.ask("GET", "/containers/json").status, 200, "a read")
        equal(client.ask("POST", "/containers/create", b'{"Image":"a"}', JSON).status, 200,
              "a write")
    equal(env.ask("POST", "/containers/a/start", b"").status, 200, "another client")
    tunnel = env.client()
    tunnel.request("POST", "/containers/a/attach?stream=1&stdin=1", b"",
                   ["Connection: Upgrade", "Upgrade: tcp"])
    equal(tunnel.read_head().status, 101, "a tunnel")
    tunnel.send(b"hello")
    equal(tunnel.exactly(5), b"hello", "through the tunnel")
    env.wait_audit(8, record="request")


def root():
    return os.geteuid() == 0


@suite.test
def confined():
    """on by default: no new privileges, a filter on all threads, no core, not dumpable"""
    with Env("--workers", "3") as env:
        usual_traffic(env)
        if settings["sanitized"]:
            check("no sandbox: this build has sanitizers" in env.stderr(), env.stderr())
            return
        equal(status(env, "Seccomp"), "2", "seccomp")
        equal(status(env, "NoNewPrivs"), "1", "no_new_privs")
        with open(f"/proc/{env.process.pid}/limits", encoding="ascii") as file:
            core = next(line for line in file if line.startswith("Max core file size"))
        equal(core.split()[4:6], ["0", "0"], "core limit")
        if not root():
            check(not os.access(f"/proc/{env.process.pid}/fd", os.R_OK), "it is dumpable")
        check("sandbox: system calls are limited by seccomp" in env.stderr(), env.stderr())


@suite.test
def off():
    """--sandbox off: no filter, and a warning that says so"""
    with Env("--sandbox", "off") as env:
        usual_traffic(env)
        equal(status(env, "Seccomp"), "0", "seccomp")
        equal(status(env, "NoNewPrivs"), "0", "no_new_privs")
        check("--sandbox off" in env.stderr() and "not limited" in env.stderr(), env.stderr())
    result = run_bin("serve", "--sandbox", "maybe")
    equal((result.returncode, b"on|off" in result.stderr), (2, True), "another word")


@suite.test
def daemon_restarts():
    """a daemon that comes back with another socket is found again, also one that came late"""
    with Env(daemon=False) as env:
        client = env.client()
        equal(client.ask("GET", "/_ping").status, 502, "no daemon yet")
        inodes = set()
        for _ in range(3):
            env.fake.start()
            os.rename(env.upstream, env.upstream + ".moved")   # so that the inode is not used again
            os.rename(env.upstream + ".moved", env.upstream)
            inodes.add(os.stat(env.upstream).st_ino)
            equal(client.ask("GET", "/_ping").status, 200, "the same client")
            equal(env.ask("GET", "/_ping").status, 200, "another client")
            os.link(env.upstream, f"{env.upstream}.{len(inodes)}")   # keeps the inode
            env.fake.stop()
        equal(len(inodes), 3, "inodes of the daemon's socket")


def serve_as(user, *options, **kwargs):
    """A proxy that becomes somebody, before a daemon's socket of a group of its own."""
    env = Env("--user", user, *options, start=False, **kwargs)
    os.chmod(env.dir, 0o755)
    os.chown(env.upstream, 0, GROUP)
    os.chmod(env.upstream, 0o660)
    return env


@suite.test
def user():
    """--user: uid and gid for good, the socket's group kept, the audit log handed over"""
    if not root():
        return
    with serve_as("nobody") as env:
        env.start()
        usual_traffic(env)
        equal(status(env, "Uid").split(), [str(NOBODY)] * 4, "Uid")
        equal(status(env, "Gid").split(), [str(NOBODY)] * 4, "Gid")
        equal(status(env, "Groups").split(), [str(GROUP)], "Groups")
        for line in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            equal(int(status(env, line), 16), 0, line)
        equal(os.stat(env.audit_path).st_uid, NOBODY, "owner of the audit log")
        env.fake.stop()
        env.fake.start()
        os.chown(env.upstream, 0, GROUP)
        os.chmod(env.upstream, 0o660)
        equal(env.ask("GET", "/_ping").status, 200, "after a restart of the daemon")
    with serve_as("nobody:daemon", "--sandbox", "off") as env:
        env.start()
        equal(status(env, "Gid").split(), ["1"] * 4, "a group of its own")
        equal(status(env, "Uid").split(), [str(NOBODY)] * 4, "also without the sandbox")


@suite.test
def user_own_folder():
    """--user: the socket in a folder that was made for it is removed at the end"""
    if not root():
        return
    with serve_as("nobody", audit=False) as env:
        env.socket = os.path.join(env.dir, "run", "proxy.sock")
        env.args += ["-H", "unix://" + env.socket, "--audit-log", "none"]
        env.start()
        equal(env.ask("GET", "/_ping").status, 200, "status")
        equal(os.stat(os.path.dirname(env.socket)).st_uid, NOBODY, "owner of the folder")
        env.stop()
        check(not os.path.exists(env.socket), "the socket stays")


@suite.test
def user_unknown():
    """--user: who does not exist, root, and a policy that the user cannot read again"""
    if not root():
        return
    for name, words in (("nosuchuser", "useradd"), ("root", "root"), ("nobody:nosuch", "groupadd")):
        with serve_as(name) as env:
            result = run_bin("serve", *env.args, timeout=5)
            equal(result.returncode, 1, name)
            check(words in result.stderr.decode(), f"{result.stderr!r}")
            check(not os.path.exists(env.socket), "it listens all the same")
    with serve_as("nobody") as env:
        policy = os.path.join(env.dir, "policy.json")
        shutil.copy(os.path.join(CASES, "open.json"), policy)
        os.chmod(policy, 0o600)
        env.args += ["--policy", policy]
        result = run_bin("serve", *env.args, timeout=5)
        equal(result.returncode, 1, "a policy that only root can read")
        check(f"{policy} could not be read again" in result.stderr.decode(), f"{result.stderr!r}")


@suite.test
def user_without_power():
    """--user needs root"""
    if not root():
        return
    done = subprocess.run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups",
                           settings["bin"], "serve", "--user", "daemon", "-H", "unix:///tmp/no.sock"],
                          capture_output=True, timeout=5, check=False)
    equal(done.returncode, 1, "exit code")
    check(b"only root can become another user" in done.stderr, f"{done.stderr!r}")


@suite.test
def files_of_others():
    """a policy that others may write is refused, with the path and the remedy"""
    if not root():
        return
    with Env(start=False) as env:
        policy = os.path.join(env.dir, "policy.json")
        shutil.copy(os.path.join(CASES, "open.json"), policy)
        env.args += ["--policy", policy, "--role", "default"]
        for owner, mode, folder, remedy in (
                (0, 0o666, 0o700, "chmod go-w"), (0, 0o646, 0o700, "chmod go-w"),
                (1000, 0o644, 0o700, "chown root"), (0, 0o644, 0o777, "chmod o-w")):
            os.chown(policy, owner, 0)
            os.chmod(policy, mode)
            os.chmod(env.dir, folder)
            result = run_bin("serve", *env.args, timeout=5)
            equal(result.returncode, 1, remedy)
            text = result.stderr.decode()
            check(remedy in text and policy in text, text)
        os.chmod(env.dir, 0o700)
        env.start()
        equal(env.ask("GET", "/_ping").status, 200, "once it is right")


@suite.test
def config_map():
    """a policy as Kubernetes mounts it: links in a folder of mode 0777 that is mounted read-only"""
    if not root() or not shutil.which("unshare"):
        return
    with Env(start=False) as env:
        volume = os.path.join(env.dir, "volume")
        os.makedirs(os.path.join(volume, "..2026_01"))
        shutil.copy(os.path.join(CASES, "open.json"), os.path.join(volume, "..2026_01", "p.json"))
        os.chmod(os.path.join(volume, "..2026_01", "p.json"), 0o644)
        os.symlink("..2026_01", os.path.join(volume, "..data"))
        os.symlink("..data/p.json", os.path.join(volume, "p.json"))
        os.chmod(volume, 0o777)
        at = env.args.index("--role")
        env.args[at:at + 2] = ["--policy", os.path.join(volume, "p.json")]
        result = run_bin("serve", *env.args, timeout=5)
        equal((result.returncode, b"chmod o-w" in result.stderr), (1, True), "not read-only")
        mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        with open(env.stderr_path, "ab") as stderr:
            env.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", mount, volume, settings["bin"], "serve"] + env.args,
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        wait_for(env.is_ready, "the proxy listens", 10)
        equal(env.ask("GET", "/_ping").status, 200, "status")


@suite.test
def seccomp_missing():
    """without seccomp nothing is served, and --sandbox off is named; without Landlock it is said"""
    if settings["sanitized"] or not root() or os.uname().machine != "x86_64":
        return
    # A filter of ours in which these calls do not exist stands for an old kernel.
    for calls, code, words in (((SECCOMP, LANDLOCK), 1, "--sandbox off"), ((LANDLOCK,), 0, "has no Landlock")):
        with Env(start=False) as env:
            with open(env.stderr_path, "ab") as stderr:
                env.process = subprocess.Popen(
                    [settings["bin"], "serve"] + env.args, stdin=subprocess.DEVNULL, stdout=stderr,
                    stderr=stderr, preexec_fn=lambda denied=calls: deny(denied))
            env.expected_code = code
            if code == 0:
                wait_for(env.is_ready, "the proxy listens", 10)
                equal(env.ask("GET", "/_ping").status, 200, "status")
            else:
                env.process.wait(5)
                check(not os.path.exists(env.socket), "the socket stays")
            check(words in env.stderr(), env.stderr())


def deny(numbers):
    """ENOSYS for these system calls, in this process and what it starts (x86-64)."""
    program = struct.pack("HBBI", LOAD, 0, 0, 0)
    for number in numbers:
        program += struct.pack("HBBI", EQUAL, 0, 1, number)
        program += struct.pack("HBBI", GIVE, 0, 0, 0x00050000 | errno.ENOSYS)
        if number == SECCOMP:   # which libseccomp replaces by prctl(PR_SET_SECCOMP)
            program += struct.pack("HBBI", EQUAL, 0, 4, PRCTL)
            program += struct.pack("HBBI", LOAD, 0, 0, 16)
            program += struct.pack("HBBI", EQUAL, 0, 1, 22)
            program += struct.pack("HBBI", GIVE, 0, 0, 0x00050000 | errno.EINVAL)
            program += struct.pack("HBBI", LOAD, 0, 0, 0)
    program += struct.pack("HBBI", GIVE, 0, 0, 0x7FFF0000)
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, ctypes.c_char_p(head), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


@suite.test
def load():
    """many short connections on several workers, each connecting to the daemon"""
    with Env("--workers", "4") as env:
        start = time.monotonic()
        for _ in range(300):
            with Client(env.socket) as client:
                equal(client.ask("GET", "/_ping").status, 200, "status")
        check(time.monotonic() - start < 30, "slow")


@suite.test
def tcp():
    """a TCP listener is served from the sandbox, too"""
    port = free_port()
    with Env("-H", f"tcp://127.0.0.1:{port}", "--insecure-tcp"):
        with Client(("127.0.0.1", port)) as client:
            for _ in range(3):
                equal(client.ask("GET", "/_ping").status, 200, "status")
