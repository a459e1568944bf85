"""The audit log that stands up: its chain over restarts and rotation, `audit verify`, targets that
fail and come back, syslog and the journal."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from admin_env import AdminEnv
from behaviour_sandbox import root, serve_as
from harness import (Client, Env, Failure, Suite, check, equal, in_time, run_bin, settings, shown,
                     wait_for)

suite = Suite()
ZEROS = "0" * 64
JSON = ["Content-Type: application/json"]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def verify(*paths, stdin=b""):
    """(exit code, first line, last line) of `audit verify`."""
    done = run_bin("audit", "verify", *paths, stdin=stdin)
    lines = (done.stdout + done.stderr).decode().splitlines() or [""]
    return done.returncode, lines[0], lines[-1]


def whole(*paths):
    """Checks that these are one chain; the number of its lines."""
    code, _, last = verify(*paths)
    equal(code, 0, f"{last}: exit code")
    hashes = [json.loads(line)["hash"] for path in paths for line in read(path).splitlines()
              if line.endswith(b"}")]
    check(last.endswith(f" lines, chain whole, last hash {hashes[-1] if hashes else ZEROS}"), last)
    return int(last.split()[0])


def broken(expected, *paths, stdin=b""):
    code, first, _ = verify(*paths, stdin=stdin)
    equal(code, 1, f"{first}: exit code")
    check(first.startswith(expected), f"{first}\ndoes not begin with {expected}")


def hup(env):
    before = env.stderr().count("reloaded")
    env.process.send_signal(signal.SIGHUP)
    wait_for(lambda: env.stderr().count("reloaded") > before, "the end of the reload", 10)


def ask_all(env, count=3):
    client = env.client()
    for _ in range(count):
        equal(client.ask("GET", "/info").status, 200, "status")


def status_of(env, method="GET", target="/info"):
    return env.ask(method, target, b"" if method == "POST" else None).status


# ---- the chain ---------------------------------------------------------------------------------

@suite.test
def restart_and_rotation():
    """one chain over restarts and HUP; each file may be checked alone, all are checked in order"""
    with Env("--workers", "4") as env:
        files = []
        for turn in range(3):
            ask_all(env)
            env.stop()
            env.start()
            ask_all(env)
            files.append(f"{env.audit_path}.{turn}")
            os.rename(env.audit_path, files[-1])
            ask_all(env)
            hup(env)
        ask_all(env)
        env.stop()
        files.append(env.audit_path)
        equal(json.loads(read(files[0]).splitlines()[0])["prev"], ZEROS, "the first prev")
        check(whole(*files) >= 30, "lines are missing")
        whole(files[0])
        whole(files[2])
        check(verify(files[2])[1].startswith("the first line continues an older file"),
              "that it continues another is not said")
        broken(f"{files[2]}:1: its prev is not", files[0], files[2])
        broken(f"{files[0]}:1: a new chain begins here", files[1], files[0])
        code, _, last = verify("-", files[1], stdin=read(files[0]))
        equal(code, 0, f"{last}: from standard input")


@suite.test
def tampering():
    """each kind of break is named with its line"""
    with Env() as env:
        ask_all(env, 6)
        env.stop()
        path = env.audit_path
        lines = read(path).splitlines(True)
        deny = lines[2].replace(b'"allow"', b'"deny"')
        rows = (
            (lines[:2] + [deny] + lines[3:], 3, "it was changed"),
            (lines[:2] + lines[3:], 3, "its prev is not the hash of the line before it: lines"),
            ([lines[0], lines[2], lines[1], *lines[3:]], 2, "it is in wrong order"),
            (lines[:3] + lines[2:], 4, "it stands here a second time"),
            (lines[:2] + [lines[2][:40] + b"\n"] + lines[3:], 3, "it is torn"),
            (lines[:-1] + [lines[-1][:40]], len(lines), "it is torn"),
            (lines[:2] + [b"hello\n"] + lines[2:], 3, "it is not JSON"),
            (lines[:2] + [b"\n"] + lines[2:], 3, "it is empty"),
            (lines[:2] + [b'{"a":1}\n'] + lines[2:], 3, "it does not end in prev and hash"),
            (lines[:2] + [b"x" * 200000 + b"\n"] + lines[2:], 3, "it has more than"),
        )
        changed = os.path.join(env.dir, "changed")
        for given, line, expected in rows:
            write(changed, b"".join(given))
            broken(f"{changed}:{line}: {expected}", changed)
        write(changed, b"".join(lines)[:-1])
        whole(changed)


@suite.test
def verify_usage():
    """2: usage; 1: a file that is not there; 0: an empty one"""
    for args in ((), ("check",), ("verify",), ("verify", "--all", "x")):
        equal(run_bin("audit", *args).returncode, 2, f"exit code of audit {args}")
    equal(verify("/nonexistent")[0], 1, "a file that is not there")
    equal(verify("/tmp")[0], 1, "a folder")
    equal(verify("/dev/null")[::2], (0, f"0 lines, chain whole, last hash {ZEROS}"), "no lines")


@suite.test
def verify_is_bounded():
    """a large log streams: bounded memory, and as fast as it can be hashed"""
    with Env() as env:
        ask_all(env, 3)
        env.stop()
        path = os.path.join(env.dir, "large")
        write(path, read(env.audit_path))
        os.truncate(path, 256 << 20)    # a line as long as that, which takes no room on the disk
        limit = [] if settings["sanitized"] else ["prlimit", f"--as={64 << 20}"]
        done = subprocess.run([*limit, settings["bin"], "audit", "verify", path],
                              capture_output=True, timeout=60, check=False)
        check(done.returncode == 1 and b":4: it has more than" in done.stdout, shown(done))


@suite.test
def torn_at_start():
    """half a line of a crash stays, is said, and is explained to verify"""
    with Env() as env:
        ask_all(env)
        env.stop()
        with open(env.audit_path, "ab") as file:
            file.write(b'{"time":"2026-01-31T12:00:00.0000')
        before = read(env.audit_path)
        broken(f"{env.audit_path}:4: it is torn", env.audit_path)
        env.start()
        check("ends in half a line of 33 bytes" in env.stderr(), env.stderr())
        ask_all(env)
        env.stop()
        check(read(env.audit_path).startswith(before + b"\n"), "bytes were lost")
        code, first, _ = verify(env.audit_path)
        equal(code, 0, f"{first}: exit code")
        check(first.startswith("1 half lines") and first.endswith(f"{env.audit_path}:4"), first)


@suite.test
def killed_under_load():
    """after SIGKILL under load the next start goes on, and verify finds nothing wrong"""
    with Env("--workers", "2") as env:
        for _ in range(3):
            clients = [env.client() for _ in range(8)]
            for client in clients:
                for _ in range(20):
                    client.request("GET", "/info")
            env.wait_audit(1)
            env.process.kill()
            env.process.wait()
            env.start()
        ask_all(env)
        env.stop()
        equal(verify(env.audit_path)[0], 0, f"{verify(env.audit_path)}: exit code")


@suite.test
def hostile_bytes():
    """whatever clients send, from many at once: whole lines, no control character, one chain"""
    with Env("--workers", "8") as env:
        odd = [bytes([c]) for c in range(256) if c not in b"\n\r \0"]
        for k in range(0, len(odd), 16):
            clients = [Client(env.socket) for _ in odd[k:k + 16]]
            for client, byte in zip(clients, odd[k:]):
                client.request("GET", f"/images/a%{byte[0]:02x}%1b%9b%22%7d%0a/json")
            for client in clients:
                client.read_response()
                client.close()
        for byte in odd:
            raw = env.client()
            raw.send_if_open(b"GET /info" + byte + b"\x1b[2J\xc2\x9b HTTP/1.1\r\nHost: d\r\n\r\n")
            check(raw.read_response().status == 400, byte)
            raw.close()
        env.stop()
        data = read(env.audit_path)
        bad = [c for c in data.decode() if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) < 0xa0]
        equal(bad, [], "control characters")
        check(whole(env.audit_path) >= 2 * len(odd), "lines are missing")
        ids = [json.loads(line)["id"] for line in data.splitlines()]
        equal(len(ids), len(set(ids)), "ids")


# ---- files that fail ---------------------------------------------------------------------------

def refuses(env):
    """Everything but pings is refused, and /readyz says why."""
    answer = env.ask("POST", "/containers/a/stop", b"")
    equal(answer.status, 503, "status")
    check("audit log" in answer.message(), answer.body)
    equal(status_of(env, target="/_ping"), 200, "ping")
    code, text = env.ready()
    equal(code, 503, "/readyz")
    check("the audit log cannot be written" in text, text)
    return text


def serves(env):
    wait_for(lambda: env.ready()[0] == 200, "/readyz")
    equal(status_of(env), 200, "status")
    check("is written again" in env.stderr(), "the log does not say so")


def losses(data):
    return [json.loads(line) for line in data.splitlines() if b'"record":"lost"' in line]


@suite.test
def full_file_system():
    """ENOSPC on a small tmpfs: 503, /readyz tells; with room again it goes on and tells the loss"""
    if not root():
        return
    with AdminEnv(start=False, audit=False) as env:
        folder = os.path.join(env.dir, "log")
        os.mkdir(folder)
        env.args += ["--audit-log", folder + "/audit"]
        mount = f'mount -t tmpfs -o size=64k none {folder} && exec "$@"'
        env.start(wrapper=("unshare", "-m", "sh", "-c", mount, "sh"))
        inside = f"/proc/{env.process.pid}/root{folder}"
        ask_all(env)
        with open(inside + "/filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 512):
                pass
        for _ in range(40):      # what is left of the log's page
            if status_of(env) != 200:
                break
        check("No space left on device" in refuses(env), "the reason is not told")
        refused = [r for r in env.fake.requests if r.path == "/containers/a/stop"]
        equal(refused, [], "requests that went on without their line")
        os.unlink(inside + "/filler")
        serves(env)
        data = read(inside + "/audit")
        copy = os.path.join(env.dir, "copy")
        write(copy, data)
        whole(copy)
        check(sum(line["lines"] for line in losses(data)) >= 2, losses(data))
        equal(losses(data)[0]["reason"], "No space left on device", "reason")


@suite.test
def file_size_limit():
    """RLIMIT_FSIZE is a failed write, not the end of the process; rotation by HUP helps"""
    with AdminEnv(start=False) as env:
        env.start(wrapper=("prlimit", "--fsize=20000"))
        for _ in range(100):
            if status_of(env) != 200:
                break
        check("File too large" in refuses(env), "the reason is not told")
        os.rename(env.audit_path, env.audit_path + ".1")
        hup(env)
        serves(env)
        env.stop()
        whole(env.audit_path + ".1", env.audit_path)
        check(losses(read(env.audit_path)), "no line says what is lost")


@suite.test
def goes_on_when_told():
    """--audit-failure continue: requests go on, a counter counts, the log says what it lacks"""
    with AdminEnv("--audit-failure", "continue", start=False) as env:
        env.start(wrapper=("prlimit", "--fsize=3000"))
        ask_all(env, 30)
        equal(env.ready()[0], 200, "/readyz")
        metrics = env.metrics()
        equal(metrics.get("sockwarden_audit_failing"), 1, "gauge")
        lost = metrics.get("sockwarden_audit_failures_total")
        check(lost > 5, f"counted: {lost}")
        os.rename(env.audit_path, env.audit_path + ".1")
        hup(env)
        ask_all(env, 1)
        env.stop()
        whole(env.audit_path + ".1", env.audit_path)
        told = losses(read(env.audit_path + ".1") + read(env.audit_path))
        equal(sum(line["lines"] for line in told), lost, "lines that are lost")


@suite.test
def file_removed():
    """a file that is removed is made again at once, in the sandbox, and the chain goes on"""
    with AdminEnv() as env:
        ask_all(env)
        first = read(env.audit_path)
        os.unlink(env.audit_path)
        ask_all(env)
        check("was removed" in env.stderr(), env.stderr())
        equal(len(read(env.audit_path).splitlines()), 3, "lines of the new file")
        old = os.path.join(env.dir, "old")
        write(old, first)
        whole(old, env.audit_path)
        os.unlink(env.audit_path)
        os.mkdir(env.audit_path)
        check("Is a directory" in refuses(env), "the reason is not told")
        os.rmdir(env.audit_path)
        serves(env)
        whole(env.audit_path)


@suite.test
def copytruncate():
    """copytruncate is said; nothing is torn; lines that it loses are a break with a name"""
    with Env() as env:
        copy = os.path.join(env.dir, "copy")
        ask_all(env)
        write(copy, read(env.audit_path))
        ask_all(env)                            # between copy and truncation: lost
        os.truncate(env.audit_path, 0)
        ask_all(env)
        said = env.stderr()
        check("was cut by somebody" in said and "copytruncate" in said, said)
        whole(env.audit_path)
        broken(f"{env.audit_path}:1: its prev is not", copy, env.audit_path)


@suite.test
def logrotate_recipe():
    """the manual's recipe, with logrotate itself where it is installed: one chain, none lost"""
    with Env("--workers", "2") as env:
        with open(os.path.join(os.path.dirname(__file__), "../../proxy/sockwarden.8"),
                  encoding="utf-8") as file:
            recipe = file.read().split("/var/log/sockwarden/*.jsonl {")[1].split("\n}\n")[0]
        check("nocreate" in recipe and "delaycompress" in recipe and "copytruncate" not in recipe,
              recipe)
        config = os.path.join(env.dir, "logrotate.conf")
        recipe = recipe.replace("systemctl reload sockwarden.service",
                                f"kill -HUP {env.process.pid}")
        write(config, f"{env.audit_path} {{{recipe}\n}}\n".encode())
        for turn in range(3):
            ask_all(env)
            if shutil.which("logrotate"):
                before = env.stderr().count("reloaded")
                subprocess.run(["logrotate", "-f", "-s", env.dir + "/state", config], check=True,
                               timeout=20, capture_output=True)
                wait_for(lambda b=before: env.stderr().count("reloaded") > b, "the reload", 10)
            else:
                for number in range(turn, 0, -1):
                    os.rename(f"{env.audit_path}.{number}", f"{env.audit_path}.{number + 1}")
                os.rename(env.audit_path, env.audit_path + ".1")
                hup(env)
        ask_all(env)
        env.stop()
        names = sorted(n for n in os.listdir(env.dir) if n.startswith("audit.jsonl."))
        equal(len(names), 3, f"rotated files {names}")
        stream = b""
        for name in sorted(names, key=lambda n: -int(n.split(".")[2])):
            path = os.path.join(env.dir, name)
            stream += (subprocess.run(["zcat", path], check=True, capture_output=True).stdout
                       if name.endswith(".gz") else read(path))
        code, _, last = verify("-", env.audit_path, stdin=stream)
        equal((code, last.split()[0]), (0, "12"), f"{last}: exit code and lines")


# ---- several targets, sockets ------------------------------------------------------------------

class Receiver:
    """A datagram socket in the place of syslog or the journal."""

    def __init__(self, path):
        self.path = path
        self.listen()

    def listen(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)
        self.sock.settimeout(5)

    def take(self):
        try:
            return self.sock.recv(1 << 20)
        except TimeoutError:
            check(False, "no datagram in time")

    def close(self):
        self.sock.close()


@suite.test
def several_targets():
    """file, standard output, syslog and journal at once: the same lines, each a chain"""
    with Env("--audit-log", "-", start=False) as env:
        with contextlib.closing(Receiver(env.dir + "/log")) as syslog, \
                contextlib.closing(Receiver(env.dir + "/journal")) as journal:
            env.args += ["--audit-log", f"syslog:{syslog.path}",
                         "--audit-log", f"journald:{journal.path}"]
            env.start()
            ask_all(env)
            lines = read(env.audit_path).splitlines()
            equal(len(lines), 3, "lines")
            for line in lines:
                head, _, message = syslog.take().partition(b" - ")
                check(head.startswith(b"<86>1 ") and head.endswith(b" request"), head)
                equal(message, line, "syslog")
                fields = dict(field.split(b"=", 1) for field in journal.take().splitlines())
                equal(fields[b"MESSAGE"], line, "journal")
                equal((fields[b"PRIORITY"], fields[b"SYSLOG_IDENTIFIER"],
                       fields[b"SOCKWARDEN_OPERATION"], fields[b"SOCKWARDEN_DECISION"],
                       fields[b"SOCKWARDEN_PEER_PID"]),
                      (b"6", b"sockwarden", b"SystemInfo", b"allow", str(os.getpid()).encode()),
                      "fields")
                check(line.decode() in env.stderr(), "standard output")


@suite.test
def socket_gone():
    """syslog goes away: 503 and /readyz; it comes back: all goes on, no restart, sandboxed"""
    for kind in ("syslog", "journald"):
        with AdminEnv(audit=False, start=False) as env:
            with contextlib.closing(Receiver(env.dir + "/log")) as receiver:
                env.args += ["--audit-log", f"{kind}:{receiver.path}"]
                env.start()
                ask_all(env)
                receiver.close()
                check("Connection refused" in refuses(env), "the reason is not told")
                os.unlink(receiver.path)
                refuses(env)
                receiver.listen()
                serves(env)
                check(b'"record":"lost"' in receiver.take(), "what is lost is not said")
                os.rename(receiver.path, receiver.path + ".old")
                other = Receiver(receiver.path)
                hup(env)
                ask_all(env, 1)
                check(b"SystemInfo" in other.take(), "a reload does not go to who listens now")
                other.close()


@suite.test
def socket_full():
    """a receiver that hangs does not hang the proxy: refused within a moment, pings go on"""
    with AdminEnv(audit=False, start=False) as env:
        with contextlib.closing(Receiver(env.dir + "/log")) as receiver:
            env.args += ["--audit-log", f"syslog:{receiver.path}"]
            env.start()
            count = 0
            while status_of(env) == 200:
                count += 1
                check(count < 2000, "it is never full")
            start = time.monotonic()
            check("nobody reads it" in refuses(env), "the reason is not told")
            in_time(start, 4, "the loops are held up")
            for _ in range(count):
                receiver.take()
            serves(env)


@suite.test
def socket_as_user():
    """--user: sockets stay, and are connected again, without root"""
    if not root():
        return
    with serve_as("nobody") as env:
        with contextlib.closing(Receiver(env.dir + "/log")) as receiver:
            env.args += ["--audit-log", f"syslog:{receiver.path}"]
            env.start()
            ask_all(env, 1)
            check(b"SystemInfo" in receiver.take(), "no line")
            receiver.close()
            receiver.listen()
            ask_all(env, 1)
            check(b"SystemInfo" in receiver.take(), "no line after it came back")


@suite.test
def socket_missing():
    """a start without the socket fails with a remedy; so does a path that is none"""
    with Env(start=False, audit=False) as env:
        for target, expected in (("syslog:/nonexistent/log", "is it running?"),
                                 ("journald:x", "no path of a socket")):
            done = run_bin("serve", *env.args, "--audit-log", target)
            equal(done.returncode, 1, "exit code")
            check(expected in done.stderr.decode(), done.stderr)


@suite.test
def slow_reader():
    """standard output that is read slowly: no line is lost or torn, every request is answered"""
    reader, writer = os.pipe()
    with Env(audit=False, start=False) as env:
        with open(env.stderr_path, "ab") as stderr:
            env.process = subprocess.Popen([settings["bin"], "serve", *env.args],
                                           stdin=subprocess.DEVNULL, stdout=writer, stderr=stderr)
        os.close(writer)
        wait_for(env.is_ready, "the proxy listens", 10)
        data = b""
        with Client(env.socket, 30) as client:
            for _ in range(400):
                client.request("GET", "/info")
            client.sock.settimeout(0.001)
            os.set_blocking(reader, False)
            deadline = time.monotonic() + 20
            while client.buffer.count(b"HTTP/1.1 200 OK") < 400:
                check(time.monotonic() < deadline, "not all are answered")
                with contextlib.suppress(BlockingIOError):
                    data += os.read(reader, 3000)
                with contextlib.suppress(Failure):
                    client.fill()
        env.stop()
        with contextlib.suppress(BlockingIOError):
            while part := os.read(reader, 1 << 16):
                data += part
        os.close(reader)
        copy = os.path.join(env.dir, "copy")
        write(copy, data)
        equal(whole(copy), 400, "lines")
