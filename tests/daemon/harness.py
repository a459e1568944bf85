"""What scenarios are made of: registration, the context with its helpers, and failing with words.

It starts no daemon and no proxy (dockerd.py, proxies.py) and schedules nothing (run.py).
"""
import fcntl
import hashlib
import json
import os
import pty
import shlex
import signal
import struct
import subprocess
import termios
import threading
import time

import engine


class Fail(Exception):
    """A scenario did not see what it must."""


class Late(Fail):
    """Something did not come in time: on a busy machine that alone proves nothing (see run.py)."""


class Skip(Exception):
    """A scenario cannot be tried here; the text says why."""


# ---- registration -------------------------------------------------------------------------------

SCENARIOS = []


def scenario(cli=True, timeout=60, proxy=False, background=False, heavy=False):
    """Register a scenario.

    cli: once for each docker CLI, else once. proxy: needs sockwarden, skipped with --direct.
    background: beside the worker threads, from the start. heavy: started early, as it takes long.
    """
    def register(func):
        SCENARIOS.append({"name": func.__name__, "func": func, "cli": cli, "timeout": timeout,
                          "proxy": proxy, "background": background, "heavy": heavy})
        return func
    return register


# ---- processes ----------------------------------------------------------------------------------

class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def text(self):
        return self.out.decode("utf-8", "replace").strip()

    @property
    def errors(self):
        return self.err.decode("utf-8", "replace").strip()


class Proc:
    """A running command whose output is collected while it comes; with a terminal if wanted."""

    def __init__(self, context, argv, env, terminal=False, size=(24, 80)):
        self.context, self.argv = context, argv
        self.data, self.ended = b"", False
        self.changed = threading.Condition()
        if terminal:
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            self.popen = subprocess.Popen(argv, env=env, stdin=slave, stdout=slave, stderr=slave,
                                          start_new_session=True)
            os.close(slave)
            self.read_fd = self.write_fd = master
        else:
            self.popen = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                          start_new_session=True)
            self.read_fd, self.write_fd = self.popen.stdout.fileno(), self.popen.stdin.fileno()
        context.procs.append(self.popen)
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self):
        while True:
            try:
                data = os.read(self.read_fd, 1 << 16)
            except OSError:                       # a terminal ends with EIO
                data = b""
            with self.changed:
                self.data += data
                self.ended = not data
                self.changed.notify_all()
            if not data:
                return

    def send(self, data):
        os.write(self.write_fd, data)

    def expect(self, text, seconds=20, start=0):
        """Wait until text has come; returns the offset behind it."""
        text = text.encode() if isinstance(text, str) else text
        end = time.monotonic() + min(seconds, self.context.left())
        with self.changed:
            while True:
                at = self.data.find(text, start)
                if at >= 0:
                    return at + len(text)
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    raise (Fail if self.ended else Late)("%s: %r did not come %s; output %r" % (
                        shlex.join(self.argv[1:]), text,
                        "before its end" if self.ended else "in %d s" % seconds, self.data[-600:]))
                self.changed.wait(left)

    def quiet(self, seconds):
        """Let time pass while nothing may come and the command must go on."""
        have = len(self.data)
        end = time.monotonic() + seconds
        with self.changed:
            while (left := end - time.monotonic()) > 0:
                if self.ended or len(self.data) != have:
                    raise Fail("%s: %s while it should be idle: %r" % (
                        shlex.join(self.argv[1:]), "ended" if self.ended else "output",
                        self.data[have:]))
                self.changed.wait(left)

    def wait(self, seconds=20):
        """The exit code; failing, with the output so far, when it does not end."""
        try:
            code = self.popen.wait(min(seconds, self.context.left()))
        except subprocess.TimeoutExpired:
            raise Late("%s: hangs; output %r" % (shlex.join(self.argv[1:]),
                                                 self.data[-600:])) from None
        with self.changed:
            self.changed.wait_for(lambda: self.ended, 5)
        self.context.note(self.argv, code, self.data, b"")
        return code

    def kill(self, number=signal.SIGKILL):
        self.popen.send_signal(number)


# ---- the context of one scenario ----------------------------------------------------------------

class Context:
    """Everything a scenario needs: its CLI, its names, its deadline, its record of what it did."""

    def __init__(self, world, row, cli):
        self.world, self.row, self.cli = world, row, cli
        self.label = row["name"] + ("[%s]" % cli.label if cli else "")
        self.prefix = self.label.replace("[", "-").replace("]", "").replace("_", "-")
        self.end = time.monotonic() + row["timeout"]
        self.procs, self.raws, self.trail = [], [], []
        self.names = 0
        self.interrupted = False

    # -- time and names
    def left(self):
        left = self.end - time.monotonic()
        if left <= 0:
            raise Late("out of time")
        return left

    def name(self, word="c"):
        self.names += 1
        return "%s-%s%d" % (self.prefix, word, self.names)

    def folder(self):
        path = os.path.join(self.world.base, "work", self.name("dir"))
        os.makedirs(path)
        return path

    def note(self, argv, code, out, err):
        self.trail.append("$ %s -> %s\n%s%s" % (
            shlex.join(argv[:24]), code, out[-1500:].decode("utf-8", "replace"),
            err[-1500:].decode("utf-8", "replace")))

    def until(self, what, check, seconds=20):
        """Wait until check() is true, looking often; what is said when it never is."""
        end = time.monotonic() + min(seconds, self.left())
        while True:
            value = check()
            if value:
                return value
            if time.monotonic() > end:
                raise Late("%s: not within %d s" % (what, seconds))
            time.sleep(0.03)

    # -- the docker CLI
    def env(self, role, **extra):
        home = os.path.join(self.world.base, "home")
        base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": home, "DOCKER_CONFIG": home, **self.world.client_env(role),
                "LC_ALL": "C.UTF-8", "DOCKER_CLI_HINTS": "false"}
        base.update(extra)
        return base

    def socket(self, role):
        return self.world.socket(role)

    def run(self, argv, role, stdin=b"", seconds=None, **env):
        popen = subprocess.Popen(argv, env=self.env(role, **env), stdout=subprocess.PIPE,
                                 stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                 start_new_session=True)
        self.procs.append(popen)
        try:
            out, err = popen.communicate(stdin, min(seconds or 600, self.left()))
        except subprocess.TimeoutExpired:
            popen.kill()
            out, err = popen.communicate()
            self.note(argv, "hang", out, err)
            raise Late("hangs: %s; stderr %r" % (shlex.join(argv[1:]), err[-300:])) from None
        self.note(argv, popen.returncode, out, err)
        return Result(popen.returncode, out, err)

    def docker(self, *args, role="default", stdin=b"", seconds=None, **env):
        """Run the CLI to its end, whatever its exit code."""
        return self.run([self.cli.path, *args], role, stdin, seconds, **env)

    def ok(self, *args, **more):
        """Run the CLI, demand exit code 0, give what it printed."""
        done = self.docker(*args, **more)
        while engine.DISKS_BUSY.decode() in done.errors and self.left() > 0:
            done = self.docker(*args, **more)   # of another scenario; a daemon does one at a time
        if done.code != 0:
            raise Fail("docker %s: exit code %d: %s" % (shlex.join(args[:12]), done.code,
                                                        done.errors[-600:]))
        return done.text

    def spawn(self, *args, role="default", terminal=False, size=(24, 80), **env):
        """Start the CLI and go on."""
        return Proc(self, [self.cli.path, *args], self.env(role, **env), terminal, size)

    # -- the daemon itself, past the proxy
    def engine(self, method, target, body=None, want=None, timeout=30):
        status, data = engine.call(self.world.daemon.socket, method, target, body, timeout)
        if want and status not in want:
            raise Fail("%s %s on the daemon itself: %d %r" % (method, target, status, data[-300:]))
        try:
            return status, json.loads(data) if data else None
        except ValueError:
            return status, data

    def made(self, *cmd, start=True, word="c", **body):
        """Make (and start) a container directly at the daemon; its name."""
        name = self.name(word)
        body = {"Image": "busybox:test", "Cmd": list(cmd), **body}
        self.engine("POST", "/containers/create?name=" + name, body, (201,))
        if start:
            self.engine("POST", "/containers/%s/start" % name, None, (204,))
        return name

    def poke(self, name, *cmd):
        """Run something in a container, directly at the daemon."""
        _, made = self.engine("POST", "/containers/%s/exec" % name, {"Cmd": list(cmd)}, (201,))
        self.engine("POST", "/exec/%s/start" % made["Id"], {"Detach": True}, (200,))

    def inspect(self, name):
        """The daemon's own inspect of a container, or None."""
        status, data = self.engine("GET", "/containers/%s/json" % name)
        return data if status == 200 else None

    def running(self, name):
        found = self.inspect(name)
        return bool(found and found["State"]["Running"])

    # -- the wire
    def raw(self, role="default", timeout=15):
        conn = engine.Raw(self.socket(role), timeout)
        self.raws.append(conn)
        return conn

    # -- ends
    def release(self):
        """End what the scenario left running here."""
        for popen in self.procs:
            if popen.poll() is None:
                popen.kill()
                popen.wait()
        for conn in self.raws:
            conn.close()

    def interrupt(self):
        """The hard timeout: wake whatever the scenario waits for."""
        self.interrupted = True
        for popen in list(self.procs):
            if popen.poll() is None:
                popen.kill()
        for conn in list(self.raws):
            try:
                conn.sock.shutdown(2)
            except OSError:
                pass


# ---- checks -------------------------------------------------------------------------------------

def check(truth, why, *args):
    if not truth:
        raise Fail(why % args if args else why)


def same(what, got, wanted):
    if got != wanted:
        raise Fail("%s: got %.300r, wanted %.300r" % (what, got, wanted))


def holds(what, text, needle):
    if needle not in text:
        raise Fail("%s: %r is not in %.600r" % (what, needle, text))


def sha(data):
    return hashlib.sha256(data).hexdigest()


def sha_file(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
