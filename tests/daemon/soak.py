#!/usr/bin/env python3
"""A long mixed workload of real clients through one proxy to a private real dockerd: runs, execs,
logs, copies, builds, compose, events, TLS, clients that are killed, reloads all the while.

At its end the proxy must hold as many descriptors as after the warm-up, its memory must not have
grown, and the audit log must be one whole chain. Needs root. SOAK_SECONDS says how long.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import harness  # noqa: E402
import proxies  # noqa: E402
import run  # noqa: E402
import test_compose  # noqa: E402

ROLE = {
    "allow": ["@ping", "@read", "@content", "@control", "@exec", "@delete", "@create", "@build"],
    "archive": True,
    "containers": {"binds": ["@WORK@/**"], "volumes_from": True},
    "networks": {"drivers": ["", "bridge"]},
}
WARM_UP = 1 / 5         # part of the time
GROWTH_KB = 8 << 10     # what memory may have grown since then
IMAGE = "busybox:test"
DOCKERFILE = b"FROM busybox:test\nARG N\nRUN echo $N >/n\n"


# ---- what clients do, over and over -------------------------------------------------------------

def runs(t, role):
    harness.same("run", t.ok("run", "--rm", IMAGE, "echo", "hello", role=role), "hello")
    data = os.urandom(300000).hex().encode()
    out = t.docker("run", "--rm", "-i", IMAGE, "cat", stdin=data, role=role)
    harness.check(out.out == data, "%d of %d bytes came back", len(out.out), len(data))


def execs(t, role):
    name = t.made("sleep", "1000")
    try:
        for number in range(3):
            harness.same("exec", t.ok("exec", name, "echo", str(number), role=role), str(number))
        code = t.docker("exec", name, "sh", "-c", "exit 7", role=role).code
        harness.same("exit code of exec", code, 7)
    finally:
        t.ok("rm", "-f", name, role=role)


def follows(t, role):
    """logs -f, one to its end and one that is killed."""
    name = t.made("sh", "-c", "for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done")
    doomed = t.spawn("logs", "-f", name, role=role)
    doomed.expect("line 1")
    doomed.kill()
    text = t.ok("logs", "-f", name, role=role)
    harness.same("lines", text.count("line"), 5)
    t.ok("rm", "-f", name, role=role)


def copies(t, role):
    name = t.made("sleep", "1000")
    folder = t.folder()
    there, back = folder + "/there", folder + "/back"
    with open(there, "wb") as file:
        file.write(os.urandom(2 << 20))
    t.ok("cp", there, name + ":/copy", role=role)
    t.ok("cp", name + ":/copy", back, role=role)
    harness.same("the copy", harness.sha_file(back), harness.sha_file(there))
    t.ok("rm", "-f", name, role=role)


def builds(t, role):
    folder = t.folder()
    with open(folder + "/Dockerfile", "wb") as file:
        file.write(DOCKERFILE)
    name = t.name("image").lower()
    t.ok("build", "-q", "--build-arg", "N=" + name, "-t", name, folder, role=role,
         DOCKER_BUILDKIT="0")
    harness.same("what was built", t.ok("run", "--rm", name, "cat", "/n", role=role), name)
    t.ok("rmi", "-f", name, role=role)


def composes(t, role):
    project = test_compose.Project(t, role, False)
    project.ok("up", "-d")
    project.ok("ps")
    project.ok("down", "-v")


def killed(t, role):
    """Clients that die in the midst of what they do."""
    name = t.made("cat", Tty=False, OpenStdin=True)
    for args in (("attach", name), ("exec", "-i", name, "cat"), ("stats", name), ("events",)):
        doomed = t.spawn(*args, role=role)
        time.sleep(random.uniform(0, 0.4))      # wherever that meets them
        doomed.kill()
    t.ok("rm", "-f", name, role=role)


def refusals(t, role):
    harness.check(t.docker("run", "--rm", "--privileged", IMAGE, "true", role=role).code != 0,
                  "a privileged run is let through")
    harness.check(t.docker("run", "--rm", "-v", "/etc:/x", IMAGE, "true", role=role).code != 0,
                  "a bind of /etc is let through")


def lists(t, role):
    for args in (("ps", "-a"), ("images",), ("volume", "ls"), ("network", "ls"), ("info",)):
        t.ok(*args, role=role)


WORK = [runs, execs, follows, copies, builds, composes, killed, refusals, lists]


class Client(threading.Thread):
    """Does one thing after another, now by TLS and now by the Unix socket."""

    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.number = soak, number
        self.random = random.Random(number)

    def run(self):
        count = 0
        while time.monotonic() < self.soak.end and not self.soak.failures:
            count += 1
            work = self.random.choice(WORK)
            row = {"name": "soak%d-%d" % (self.number, count), "timeout": 120}
            t = harness.Context(self.soak.world, row, self.soak.cli)
            try:
                work(t, self.random.choice(("soak", "soak-tls")))
                self.soak.done[work.__name__] = self.soak.done.get(work.__name__, 0) + 1
            except Exception as problem:
                self.soak.failures.append("%s: %s" % (work.__name__, problem))
                self.soak.trail = t.trail[-3:]
            finally:
                t.release()


class World(run.World):
    """Both roles are the one proxy; by name they say how it is reached."""

    def proxy(self):
        return self.proxies.get("soak", self.daemon.socket)

    def client_env(self, role):
        if role == "soak-tls":
            return self.proxies.certs.env(self.proxy().port)
        return {"DOCKER_HOST": "unix://" + self.proxy().socket}


# ---- all of it ----------------------------------------------------------------------------------

class Soak:
    def __init__(self, world, cli, seconds):
        self.world, self.cli = world, cli
        self.proxy = world.proxy()
        self.seconds = seconds
        self.began = time.monotonic()
        self.end = self.began + seconds
        self.done, self.failures, self.trail, self.samples = {}, [], [], []
        self.reloads = 0

    def proc(self, name):
        return "/proc/%d/%s" % (self.proxy.popen.pid, name)

    def memory(self):
        with open(self.proc("status"), encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def descriptors(self):
        return len(os.listdir(self.proc("fd")))

    def idle_descriptors(self):
        """Their number when no client is left and two looks agree; the least of a while."""
        least, end = 1 << 30, time.monotonic() + 15
        while time.monotonic() < end:
            least = min(least, self.descriptors())
            time.sleep(0.2)
        return least

    def watch(self):
        """Reloads, and looks at what the proxy holds."""
        look = self.began
        while time.monotonic() < self.end and not self.failures:
            if self.proxy.popen.poll() is not None:
                self.failures.append("the proxy ended: " + self.proxy.tail())
                return
            self.proxy.popen.send_signal(signal.SIGHUP)
            self.reloads += 1
            if time.monotonic() >= look:
                look += max(5, self.seconds / 40)
                self.samples.append((time.monotonic() - self.began, self.memory(),
                                     self.descriptors()))
                print("# %4d s: %6d KB, %3d descriptors" % self.samples[-1], flush=True)
            time.sleep(2)

    def run(self, clients):
        warm = [Client(self, number) for number in range(clients)]
        rest = self.end
        self.end = self.began + self.seconds * WARM_UP
        self.work(warm)
        before = self.idle_descriptors(), self.memory()
        print("# after the warm-up: %d descriptors, %d KB" % before, flush=True)
        self.end = rest
        self.work([Client(self, 100 + number) for number in range(clients)])
        after = self.idle_descriptors(), self.memory()
        print("# at the end: %d descriptors, %d KB; %d reloads; %s" % (
            *after, self.reloads, ", ".join("%d %s" % (n, w) for w, n in sorted(self.done.items()))))
        return before, after

    def work(self, clients):
        row = {"name": "soak-events-%d" % len(self.samples), "timeout": self.seconds + 300}
        t = harness.Context(self.world, row, self.cli)
        streams = [t.spawn("events", role=role) for role in ("soak", "soak-tls")]
        for client in clients:
            client.start()
        self.watch()
        for client in clients:
            client.join(150)
            if client.is_alive():
                self.failures.append("a client hangs")
        for stream in streams:
            if stream.popen.poll() is not None:
                self.failures.append("events ended: %r" % stream.data[-300:])
        t.release()

    def verdicts(self, before, after):
        yield "all that clients did went as it must", self.failures == [], "; ".join(self.failures)
        yield ("each kind of work was done", len(self.done) == len(WORK) or self.seconds < 120,
               str(self.done))
        yield "as many descriptors as before", after[0] <= before[0], "%d, %d" % (before[0], after[0])
        yield "memory is stable", after[1] < before[1] + GROWTH_KB, "%d KB, %d KB" % (before[1], after[1])
        code = self.proxy.stop()
        yield "the proxy ends well", code == 0, "%s: %s" % (code, self.proxy.tail())
        checked = subprocess.run([self.world.options.bin, "audit", "verify", self.proxy.audit],
                                 capture_output=True, text=True)
        print("# " + checked.stdout.strip())
        yield "the audit chain is whole", checked.returncode == 0, checked.stdout + checked.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default="build/sockwarden", help="the program to try")
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    options.direct = options.keep = options.tls = False
    seconds = int(os.environ.get("SOAK_SECONDS") or 600)
    proxies.FILE_ROLES["soak"] = ROLE
    world = World(options)
    passed = failed = 0
    try:
        soak = Soak(world, run.find_clis()[0], seconds)
        before, after = soak.run(options.clients)
        for what, good, why in soak.verdicts(before, after):
            print("ok   %s" % what if good else "FAIL %s: %s" % (what, why))
            passed, failed = passed + good, failed + (not good)
        if failed:
            print("\n".join(soak.trail))
    finally:
        world.close()
    print("soak: %d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
