"""What every test of the proxy needs: the program under test, a client, deadlines. No tests."""
import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time

from fake_dockerd import FakeDaemon

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASES = os.path.join(ROOT, "tests", "cases")
WAIT = float(os.environ.get("TEST_WAIT") or 15)     # seconds; every wait ends by then

settings = {"bin": os.path.join(ROOT, "build", "sockwarden"), "sanitized": False}


class Failure(Exception):
    """A test found something wrong; the text is what is shown."""


class Late(Failure):
    """Something did not come in time: on a busy machine that alone proves nothing (see run.py)."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, expected, what):
    if got != expected:
        raise Failure(f"{what}: got {shown(got)}, expected {shown(expected)}")


def shown(value):
    text = repr(value)
    return text if len(text) < 400 else text[:400] + "..."


def listens(host):
    """Does somebody serve on this --host? What is inherited does from the start. A listener takes connections
    before its program is ready for them, and a closed one is known to it later, so whoever looks ends
    his side and waits for the other's."""
    kind, _, where = host.partition("://")
    if kind == "fd":
        return True
    address, _, port = where.rpartition(":")
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET6 if "[" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.settimeout(WAIT)
            probe.connect(where if kind == "unix" else (address.strip("[]"), int(port)))
            probe.shutdown(socket.SHUT_WR)
            while probe.recv(4096):
                pass
            return True
        except OSError:
            return False


def wait_for(condition, what, seconds=WAIT):
    """Returns the condition's value once it is true; a Failure when it is not in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"not within {seconds} s: {what}")
        time.sleep(0.005)


def free_port():
    """A TCP port that nobody has, below those that the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(10240, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def in_time(begin, seconds, what):
    """Late when more than this has gone by since begin (of time.monotonic())."""
    took = time.monotonic() - begin
    if took >= seconds:
        raise Late(f"{what}: {took:.1f} s, not less than {seconds}")


class Response:
    def __init__(self, status, headers, head):
        self.status = status
        self.headers = headers
        self.head = head
        self.body = b""
        self.whole = True    # framed and complete

    def get(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def message(self):
        """The sentence of a refusal; a Failure when the answer is not shaped as one."""
        equal(self.get("Content-Type"), "application/json", "Content-Type of the refusal")
        equal(self.get("Content-Length"), str(len(self.body)), "Content-Length of the refusal")
        document = json.loads(self.body)
        equal(list(document), ["message"], "members of the refusal")
        text = document["message"]
        check(text and "\n" not in text and "\r" not in text, f"not one line: {text!r}")
        return text


class Client:
    """A raw HTTP client that sends what it is told and reads strictly."""

    def __init__(self, address, timeout=WAIT):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def send_if_open(self, data):
        """False when the other side does not take it any more."""
        try:
            self.sock.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def end_writing(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def request(self, method, target, body=None, headers=(), version="1.1"):
        lines = [f"{method} {target} HTTP/{version}", "Host: client.invalid"]
        lines += headers
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def ask(self, method, target, body=None, headers=(), version="1.1"):
        self.request(method, target, body, headers, version)
        return self.read_response(method == "HEAD")

    def fill(self):
        try:
            data = self.sock.recv(262144)
        except ConnectionResetError:
            data = b""
        except TimeoutError:
            raise Late(f"nothing to read in time; so far {shown(self.buffer)}") from None
        self.buffer += data
        return bool(data)

    def take(self, count):
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise Failure(f"closed before {mark!r}; got {shown(self.buffer)}")
        return self.take(self.buffer.index(mark) + len(mark))

    def exactly(self, count):
        parts = []
        while count:
            if not self.buffer and not self.fill():
                raise Failure(f"closed with {count} bytes missing")
            part = self.take(count)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def rest(self):
        """Everything until the other side ends."""
        parts = []
        while True:
            parts.append(self.take(len(self.buffer)))
            if not self.fill():
                return b"".join(parts)

    def at_end(self):
        """True when the other side has ended and nothing is left."""
        return not self.buffer and not self.fill()

    def read_head(self):
        head = self.until(b"\r\n\r\n")[:-4]
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ", 2)
        check(len(parts) >= 2 and parts[0].startswith("HTTP/1."),
              f"not a status line: {lines[0]!r}")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return Response(int(parts[1]), headers, head)

    def read_response(self, head_only=False):
        """The next final response; interim ones are skipped."""
        while True:
            answer = self.read_head()
            if answer.status >= 200 or answer.status == 101:
                break
        length = answer.get("Content-Length")
        coding = answer.get("Transfer-Encoding")
        check(not (length and coding), "answer has both Content-Length and Transfer-Encoding")
        if head_only or answer.status in (101, 204, 304):
            return answer
        if coding:
            equal(coding, "chunked", "Transfer-Encoding")
            answer.body = b"".join(self.chunks())
        elif length is not None:
            answer.body = self.exactly(int(length))
        else:
            answer.body = self.rest()
        return answer

    def chunk(self):
        """The next chunk's data; empty at the last one."""
        size = int(self.until(b"\r\n"), 16)
        if size == 0:
            while self.until(b"\r\n") != b"\r\n":
                pass
            return b""
        data = self.exactly(size)
        equal(self.exactly(2), b"\r\n", "end of a chunk")
        return data

    def chunks(self):
        while True:
            data = self.chunk()
            if not data:
                return
            yield data


def unread(sock):
    """Bytes that the peer of a Unix socket has not read yet (allocated size, so only zero counts)."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


class Env:
    """A fake daemon and a proxy before it, in a folder of their own."""

    def __init__(self, *options, role="all", policy=None, daemon=True, audit=True, start=True,
                 backlog=512):
        self.dir = tempfile.mkdtemp(prefix="sockwarden-test-")
        self.socket = os.path.join(self.dir, "proxy.sock")
        self.upstream = os.path.join(self.dir, "daemon.sock")
        self.audit_path = os.path.join(self.dir, "audit.jsonl")
        self.listening = set()
        self.stderr_path = os.path.join(self.dir, "stderr")
        self.fake = FakeDaemon(self.upstream, backlog)
        if daemon:
            self.fake.start()
        self.args = ["-H", "unix://" + self.socket, "--upstream", "unix://" + self.upstream,
                     "--stop-timeout", "2"]
        if audit:
            self.args += ["--audit-log", self.audit_path]
        self.args += ["--policy", self.own_copy(policy)] if policy else ["--role", role]
        self.args += options
        self.clients = []
        self.process = None
        self.expected_code = 0
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for client in self.clients:
            client.close()
        try:
            if self.process:
                self.stop(quiet=kind is not None)
            if kind is None:
                equal(self.fake.errors, [], "what went wrong in the fake daemon")
                self.check_stderr()
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.fake.stop()
            shutil.rmtree(self.dir, ignore_errors=True)

    def own_copy(self, policy):
        """A policy of the cases that nobody else may write, whoever owns the sources."""
        path = os.path.join(self.dir, policy)
        shutil.copyfile(os.path.join(CASES, policy), path)
        os.chmod(path, 0o644)
        return path

    def start(self, ready=True, wrapper=()):
        """wrapper: a command that runs the program in its own place."""
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen([*wrapper, settings["bin"], "serve"] + self.args,
                                            stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        self.listening = set()
        if ready:
            wait_for(self.is_ready, "the proxy listens", 10)

    def is_ready(self):
        """Each listener is tried until it listens, and then left alone: tests count connections."""
        if self.process.poll() is not None:
            raise Failure(f"the proxy ended with {self.process.returncode}: {self.stderr()}")
        hosts = [host for flag, host in zip(self.args, self.args[1:])
                 if flag in ("-H", "--host", "--admin")]
        hosts = set(hosts or ["unix://" + self.socket])
        self.listening |= {host for host in hosts - self.listening if listens(host)}
        return self.listening >= hosts

    def stop(self, quiet=False):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                if not quiet:
                    raise Failure("the proxy did not end within 10 s of TERM") from None
        if not quiet:
            code = self.process.returncode
            check(code == self.expected_code, f"the proxy ended with {code}: {self.stderr()}")

    def stderr(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]

    def check_stderr(self):
        if not os.path.exists(self.stderr_path):
            return
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        for word in ("Sanitizer", "runtime error"):
            at = text.find(word)
            check(at < 0, text[max(0, at - 200):at + 6000])

    def client(self, timeout=WAIT):
        client = Client(self.socket, timeout)
        self.clients.append(client)
        return client

    def ask(self, *args, **kwargs):
        """One request on a connection of its own."""
        with Client(self.socket) as client:
            return client.ask(*args, **kwargs)

    def rss(self):
        """Resident memory of the proxy, in MB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        raise Failure("no VmRSS")

    def check_rss(self, limit=40):
        if not settings["sanitized"]:
            rss = self.rss()
            check(rss < limit, f"the proxy holds {rss:.1f} MB, more than {limit}")

    def audit(self):
        """The audit lines so far, parsed."""
        if not os.path.exists(self.audit_path):
            return []
        with open(self.audit_path, "rb") as file:
            # What is written meanwhile is left out: a flood writes faster than this reads.
            text = file.read(os.fstat(file.fileno()).st_size)
        return [json.loads(line) for line in text.splitlines(True) if line.endswith(b"\n")]

    def wait_audit(self, count=1, **fields):
        """The audit lines with these fields, once there are count of them."""
        def found():
            lines = [x for x in self.audit() if all(x.get(k) == v for k, v in fields.items())]
            return lines if len(lines) >= count else None
        return wait_for(found,
                        f"{count} audit lines with {fields}; there are {shown(self.audit())}")


def run_bin(*args, stdin=b"", env=None, timeout=10):
    """Runs the program to its end."""
    full = dict(os.environ, **env) if env else None
    return subprocess.run([settings["bin"], *args], input=stdin, capture_output=True, env=full,
                          timeout=timeout, check=False)


class Suite:
    """Tests in the order of their writing."""

    def __init__(self):
        self.tests = []

    def test(self, function):
        self.tests.append(function)
        return function
