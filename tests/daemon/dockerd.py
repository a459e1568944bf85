"""A private real dockerd in namespaces of its own (network, mounts, processes), for tests.

Imported, it gives class Dockerd. Run as `dockerd.py --hold DIR` inside fresh namespaces it is
their first process: it prepares them, starts and kills the daemon on command, reaps, and at the end
of its input kills all that lives there and removes the cgroups. Everything mounted vanishes with
the mount namespace. It never touches a daemon of the machine.
"""
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import engine

REGISTRIES = {"registry": 5000, "signed": 5001, "offline": 5002}    # names and ports
REGISTRY_PORT = REGISTRIES["registry"]
PROBE = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 3)"
REGISTRY_CONFIG = """version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: %s/%s}
  delete: {enabled: true}
http: {addr: 127.0.0.1:%d}
"""


class FixtureError(Exception):
    """The private daemon could not be set up."""


# ---- inside the namespaces ----------------------------------------------------------------------

def sh(*argv):
    """Run a set-up command, raising with its words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise FixtureError("%s: %s" % (" ".join(argv), done.stderr.strip()))


def cgroup_hierarchies():
    """Version 1 hierarchies in use, as mount options: "memory", "cpu,cpuacct", "name=systemd"."""
    with open("/proc/self/cgroup") as table:
        rows = [line.split(":", 2) for line in table]
    return [options for number, options, _ in rows if number != "0"]


def mounted_filesystems():
    with open("/proc/self/mounts") as mounts:
        return [line.split()[1:3] for line in mounts]


def mount_cgroups():
    """Mount the cgroup hierarchies when nobody has; only this mount namespace sees it.

    Hierarchies of version 1 that are in use are joined and no new ones made, since those would
    outlive the mount; where none is in use it is version 2.
    """
    root = "/sys/fs/cgroup"
    if any(kind in ("cgroup", "cgroup2") for _, kind in mounted_filesystems()):
        return
    joined = cgroup_hierarchies()
    if not joined:
        sh("mount", "-t", "cgroup2", "cgroup2", root)
        return
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
    for options in joined:
        where = os.path.join(root, options.removeprefix("name="))
        os.makedirs(where)
        sh("mount", "-t", "cgroup", "-o", options, "cgroup", where)


def rmdir_cgroups(name):
    """Remove the cgroups that the daemon made for its containers."""
    for top, dirs, _ in os.walk("/sys/fs/cgroup"):
        if name not in dirs:
            continue
        for below, _, _ in os.walk(os.path.join(top, name), topdown=False):
            try:
                os.rmdir(below)
            except OSError:
                pass
        dirs.remove(name)


def prepare_namespaces(base):
    sh("ip", "link", "set", "lo", "up")
    with open("/proc/sys/net/ipv4/ip_forward", "w") as forward:
        forward.write("1\n")
    # shim sockets, xtables.lock and the like have fixed names under /run, the trust key in
    # /etc/docker
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/etc/docker")
    mount_cgroups()
    for name, port in REGISTRIES.items():
        with open(os.path.join(base, name + ".yml"), "w") as config:
            config.write(REGISTRY_CONFIG % (base, name, port))


class Holder:
    """The first process of the namespaces, driven by lines on standard input."""

    def __init__(self, base):
        self.base = base
        self.cgroup = os.path.basename(base)
        self.children = {}
        self.lock = threading.Lock()

    def spawn(self, key, argv, log):
        out = os.open(os.path.join(self.base, log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open("/dev/null", os.O_RDONLY)
        actions = [(os.POSIX_SPAWN_DUP2, nothing, 0), (os.POSIX_SPAWN_DUP2, out, 1),
                   (os.POSIX_SPAWN_DUP2, out, 2)]
        with self.lock:
            self.children[key] = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)
        os.close(out)
        os.close(nothing)
        return "ok"

    def command(self, words):
        base = self.base
        if words[0] == "dockerd":
            return self.spawn("dockerd", [
                "dockerd", "--config-file", base + "/daemon.json", "--data-root", base + "/data",
                "--exec-root", base + "/exec", "--pidfile", base + "/dockerd.pid",
                "-H", "unix://" + base + "/docker.sock", "--cgroup-parent", "/" + self.cgroup,
                *words[1:]], "dockerd.log")
        if words[0] == "registry":
            return self.spawn(words[1], ["docker-registry", "serve", "%s/%s.yml" % (base, words[1])],
                              words[1] + ".log")
        if words[0] == "alive":
            return "yes" if words[1] in self.children else "no"
        if words[0] == "kill" and words[1] in self.children:
            os.kill(self.children[words[1]], int(words[2]))
            return "ok"
        return "what?"

    def reap(self):
        with self.lock:
            while True:
                try:
                    pid, _ = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    return
                if pid == 0:
                    return
                for key in [k for k, v in self.children.items() if v == pid]:
                    del self.children[key]

    def serve(self):
        lines = sys.stdin
        while True:
            line = lines.readline()
            if not line:
                break
            self.reap()
            print(self.command(line.split()), flush=True)

    def end(self):
        """Kill everything in this process namespace, then clear its cgroups."""
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass
        rmdir_cgroups(self.cgroup)


def hold(base):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        prepare_namespaces(base)
    except (FixtureError, OSError) as problem:
        print("failed: %s" % problem, flush=True)
        return
    holder = Holder(base)

    def reaper():
        while True:
            time.sleep(0.2)             # orphans of the namespace land here; nobody waits for this
            holder.reap()

    threading.Thread(target=reaper, daemon=True).start()
    print("ready", flush=True)
    try:
        holder.serve()
    finally:
        holder.end()


# ---- outside ------------------------------------------------------------------------------------

def busybox_tar(path):
    """Write a root file system of busybox and its applet links as a tar file."""
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True,
                             check=True).stdout.split()
    with tarfile.open(path, "w") as tar:
        for name in ("bin", "tmp", "etc", "root", "var", "var/www"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        tar.add("/bin/busybox", "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo("bin/" + applet)
                link.type, link.linkname, link.mode = tarfile.SYMTYPE, "busybox", 0o777
                tar.addfile(link)


class Dockerd:
    """A daemon with the image busybox:test, reached at .socket; start(), stop(), close()."""

    def __init__(self, rootfs=None, keep=False):
        self.keep = keep
        self.base = tempfile.mkdtemp(prefix="swd-", dir="/tmp")
        self.socket = self.base + "/docker.sock"
        self.lock = threading.Lock()
        self.made_etc = not os.path.isdir("/etc/docker")
        if self.made_etc:
            os.makedirs("/etc/docker")
        with open(self.base + "/daemon.json", "w") as config:
            json.dump({}, config)
        self.holder = subprocess.Popen(
            ["unshare", "-n", "-m", "-p", "--fork", "--kill-child", "--mount-proc",
             sys.executable, os.path.abspath(__file__), "--hold", self.base],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            word = self.holder.stdout.readline().strip()
            if word != "ready":
                raise FixtureError("cannot make namespaces for dockerd: %s" % (word or "no answer"))
            self.options = self.find_options()
            self.load_images(rootfs)
        except BaseException:
            self.close()
            raise

    def tell(self, *words):
        with self.lock:
            self.holder.stdin.write(" ".join(words) + "\n")
            self.holder.stdin.flush()
            return self.holder.stdout.readline().strip()

    def log_tail(self, lines=12):
        try:
            with open(self.base + "/dockerd.log", errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return "(no log)"

    def find_options(self):
        """Start the daemon with the first set of options that works here."""
        for driver in ("overlay2", "vfs"):
            for extra in ((), ("--iptables=false",)):
                options = ("-s", driver) + extra
                self.tell("dockerd", *options)
                if self.wait_answer(30):
                    return options
                self.tell("kill", "dockerd", str(int(signal.SIGKILL)))
                self.wait_gone(10)
        raise FixtureError("dockerd does not start:\n" + self.log_tail())

    def wait_answer(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if engine.call(self.socket, "GET", "/_ping", timeout=5)[0] == 200:
                    return True
            except OSError:
                pass
            if self.tell("alive", "dockerd") != "yes":
                return False
            time.sleep(0.05)
        return False

    def wait_gone(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.tell("alive", "dockerd") == "no":
                return True
            time.sleep(0.05)
        return False

    def start(self):
        self.tell("dockerd", *self.options)
        if not self.wait_answer(40):
            raise FixtureError("dockerd does not come back:\n" + self.log_tail())

    def stop(self, number=signal.SIGTERM):
        """End the daemon with a signal and wait until it is gone."""
        self.tell("kill", "dockerd", str(int(number)))
        if not self.wait_gone(40):
            raise FixtureError("dockerd does not end")

    def load_images(self, rootfs):
        path = rootfs or self.base + "/rootfs.tar"
        if not os.path.exists(path):
            busybox_tar(path)
        with open(path, "rb") as tar:
            status, body = engine.call(self.socket, "POST", "/images/create?fromSrc=-&repo=busybox"
                                       "&tag=test&changes=CMD%20sh", tar.read(), timeout=60)
        if status != 200 or b"error" in body:
            raise FixtureError("image import: %d %s" % (status, body[-200:]))
        self.tag("registry.example.com/ci/app", "1")

    def tag(self, repo, tag):
        status, body = engine.call(self.socket, "POST",
                                   "/images/busybox:test/tag?repo=%s&tag=%s" % (repo, tag))
        if status != 201:
            raise FixtureError("image tag: %d %s" % (status, body))

    def start_registry(self, name="registry"):
        """Serve a registry at its port on 127.0.0.1 of the daemon's network; False where there is
        no program for it."""
        if not any(os.access(os.path.join(d, "docker-registry"), os.X_OK)
                   for d in os.environ["PATH"].split(":")):
            return False
        self.tell("registry", name)
        end = time.monotonic() + 15
        while time.monotonic() < end and self.tell("alive", name) == "yes":
            probe = subprocess.run(self.inside(sys.executable, "-c", PROBE, str(REGISTRIES[name])),
                                   capture_output=True)
            if probe.returncode == 0:
                return True
            time.sleep(0.1)
        return False

    def start_swarm(self):
        """Make the daemon the manager of a swarm of one node."""
        status, body = engine.call(self.socket, "POST", "/swarm/init", {
            "ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1"}, timeout=60)
        if status != 200:
            raise FixtureError("swarm init: %d %s" % (status, body))

    def stop_registry(self, name):
        self.tell("kill", name, str(int(signal.SIGKILL)))
        end = time.monotonic() + 10
        while self.tell("alive", name) == "yes" and time.monotonic() < end:
            time.sleep(0.02)

    def first(self):
        """The first process of the daemon's namespaces, as a word."""
        with open("/proc/%d/task/%d/children" % (self.holder.pid, self.holder.pid)) as children:
            return children.read().split()[0]

    def inside(self, *argv):
        """The command line that runs argv in the daemon's network."""
        return ["nsenter", "-t", self.first(), "-n", *argv]

    def close(self):
        self.holder.stdin.close()
        try:
            self.holder.wait(30)
        except subprocess.TimeoutExpired:
            self.holder.kill()
            self.holder.wait()
        if self.made_etc:
            try:
                os.rmdir("/etc/docker")
            except OSError:
                pass
        if not self.keep:
            subprocess.run(["rm", "-rf", "--one-file-system", self.base])


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--hold":
        hold(sys.argv[2])
    else:
        sys.exit("usage: dockerd.py --hold DIR (in fresh namespaces)")
