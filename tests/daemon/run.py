#!/usr/bin/env python3
"""The real docker CLIs through sockwarden, against a private real dockerd.

Needs root. `--direct` leaves the proxy out: that shows that a scenario itself is right. The last
line printed is `daemon: N passed, M failed`, with `, K skipped` when some were.
"""
import argparse
import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import dockerd  # noqa: E402
import engine  # noqa: E402
import harness  # noqa: E402
import proxies  # noqa: E402

MODULES = ("test_run", "test_stream", "test_objects", "test_content", "test_build", "test_wire",
           "test_deny", "test_hostpath", "test_race", "test_threats", "test_compose", "test_roles", "test_learn",
           "test_swarm", "test_restart", "test_audit", "test_differential", "test_tls", "test_who",
           "test_owner", "test_redact", "test_dropin", "test_signed")
WORKERS = 3
NEEDED = ("unshare", "nsenter", "ip", "mount", "dockerd", "/usr/bin/docker", "/bin/busybox")


class Cli:
    """A docker command line client."""

    def __init__(self, path):
        self.path = path
        words = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.split()
        self.version = words[2].rstrip(",") if len(words) > 2 else "unknown"
        self.label = ".".join(self.version.split(".")[:2])
        self.major = int(self.label.split(".")[0]) if self.label[:1].isdigit() else 0
        asked = subprocess.run([path, "buildx", "version"], capture_output=True)
        self.buildx = asked.returncode == 0


class World:
    """What all scenarios share: daemon, proxies, files."""

    def __init__(self, options):
        self.options = options
        self.direct = options.direct
        self.daemon = dockerd.Dockerd(keep=options.keep)
        self.base = self.daemon.base
        os.makedirs(self.base + "/home")
        os.makedirs(self.base + "/work")
        self.rootfs = self.base + "/rootfs.tar"
        self.lock = threading.Lock()
        self.blobs = {}
        self.registry = None
        self.swarm_lock = threading.Lock()
        self.swarm = None
        self.proxies = None if self.direct else proxies.Proxies(options.bin, self.base)

    def socket(self, role):
        if self.direct or role == "direct":
            return self.daemon.socket
        return self.proxies.get(role, self.daemon.socket).socket

    def client_env(self, role):
        """How a CLI reaches the proxy of this role."""
        if not self.options.tls or role == "direct":
            return {"DOCKER_HOST": "unix://" + self.socket(role)}
        return self.proxies.certs.env(self.proxies.get(role, self.daemon.socket).port)

    def blob(self, megabytes):
        """A file of random bytes, made once: (path, sha256)."""
        with self.lock:
            if megabytes not in self.blobs:
                path = "%s/blob-%d" % (self.base, megabytes)
                with open(path, "wb") as file:
                    for _ in range(megabytes):
                        file.write(os.urandom(1 << 20))
                self.blobs[megabytes] = (path, harness.sha_file(path))
            return self.blobs[megabytes]

    def need_registry(self):
        with self.lock:
            if self.registry is None:
                self.registry = self.daemon.start_registry()
            return self.registry

    def need_swarm(self):
        """A second daemon, which manages a swarm of its own."""
        with self.swarm_lock:
            if self.swarm is None:
                self.swarm = dockerd.Dockerd(self.rootfs, keep=self.options.keep)
                self.swarm.start_swarm()
            return self.swarm

    def close(self):
        if self.proxies:
            self.proxies.stop_all()
        if self.swarm:
            self.swarm.close()
        self.daemon.close()


class Job(threading.Thread):
    """One scenario with one CLI, in a thread of its own."""

    def __init__(self, world, row, cli, done):
        super().__init__(daemon=True)
        self.world, self.row, self.cli, self.done = world, row, cli, done
        self.context = None
        self.verdict, self.reason = None, ""
        self.seconds = 0.0

    @property
    def label(self):
        return self.row["name"] + ("[%s]" % self.cli.label if self.cli else "")

    def launch(self):
        self.context = harness.Context(self.world, self.row, self.cli)
        self.began = time.monotonic()
        self.start()

    def run(self):
        try:
            self.row["func"](self.context)
            verdict, reason = "ok", ""
        except harness.Skip as why:
            verdict, reason = "skip", str(why)
        except (harness.Late, engine.Late) as why:
            final = "again" in self.row or isinstance(why, engine.Ended)
            verdict, reason = "FAIL" if final else "LATE", str(why)
            self.context.trail.append(traceback.format_exc(limit=-4))
        except harness.Fail as why:
            verdict, reason = "FAIL", str(why)
        except Exception as why:
            verdict, reason = "FAIL", "%s: %s" % (type(why).__name__, why)
            if self.context.interrupted:
                reason = "hang, interrupted after %d s: %s" % (self.row["timeout"], reason)
            self.context.trail.append(traceback.format_exc(limit=-4))
        try:
            self.context.release()
        except Exception:
            traceback.print_exc()
        with self.done:
            if self.verdict is None:
                self.verdict, self.reason = verdict, reason
                self.seconds = time.monotonic() - self.began
            self.done.notify_all()

    def expire(self):
        """Called by the scheduler past the deadline: interrupt first, then give it up."""
        late = time.monotonic() - self.context.end
        if late > 2:
            self.context.interrupt()
        if late > 12:
            self.verdict, self.reason = "FAIL", "hang: no end within %d s" % self.row["timeout"]
            self.seconds = time.monotonic() - self.began


class Runner:
    """Starts jobs, a few at a time, and prints a line for each."""

    def __init__(self):
        self.done = threading.Condition()
        self.count = {"ok": 0, "FAIL": 0, "skip": 0, "LATE": 0}

    def report(self, job):
        self.count[job.verdict] += 1
        if job.verdict == "ok":
            print("ok %s (%.1fs)" % (job.label, job.seconds))
        elif job.verdict == "skip":
            print("skip %s: %s" % (job.label, job.reason))
        else:
            print("%s %s: %s" % (job.verdict, job.label, " ".join(job.reason.split("\n"))))
            trail = "\n".join(job.context.trail[-6:]) if job.context else ""
            print("".join("    | %s\n" % line for line in trail.splitlines()), end="")
        sys.stdout.flush()

    def run_with_again(self, jobs):
        """A wrong answer is a failure; lateness may be the machine's: such jobs run once more."""
        self.run(jobs)
        late = [job for job in jobs if job.verdict == "LATE"]
        self.run([Job(job.world, {**job.row, "name": job.row["name"] + "_again", "again": True},
                      job.cli, self.done) for job in late])

    def run(self, jobs):
        waiting = sorted((j for j in jobs if not j.row["background"]),
                         key=lambda j: not j.row["heavy"])
        active = [j for j in jobs if j.row["background"]]
        for job in active:
            job.launch()
        while waiting or active:
            while waiting and sum(not j.row["background"] for j in active) < WORKERS:
                active.append(waiting.pop(0))
                active[-1].launch()
            with self.done:
                self.done.wait(0.5)
                for job in active:
                    if job.verdict is None:
                        job.expire()
            for job in [j for j in active if j.verdict]:
                active.remove(job)
                self.report(job)

    def extra(self, label, func, *args):
        """A check in this thread, reported as a scenario."""
        job = Job(None, {"name": label, "func": None}, None, self.done)
        began = time.monotonic()
        try:
            func(*args)
            job.verdict = "ok"
        except Exception as why:
            job.verdict, job.reason = "FAIL", str(why)
        job.seconds = time.monotonic() - began
        self.report(job)

    def summary(self):
        line = "daemon: %d passed, %d failed" % (self.count["ok"], self.count["FAIL"])
        return line + (", %d skipped" % self.count["skip"] if self.count["skip"] else "")


def find_clis():
    """Debian's docker, and the first on PATH where that is another program."""
    paths = ["/usr/bin/docker"]
    first = shutil.which("docker")
    if first and os.path.realpath(first) != os.path.realpath(paths[0]):
        paths.append(first)
    return [Cli(path) for path in paths]


def select(world, clis, pattern):
    jobs = []
    for row in harness.SCENARIOS:
        for cli in clis if row["cli"] else [None]:
            jobs.append(Job(world, row, cli, None))
    jobs = [job for job in jobs if pattern in job.label]
    if world.direct:
        jobs = [job for job in jobs if not job.row["proxy"]]
    return jobs


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default="build/sockwarden", help="the program to try")
    parser.add_argument("--direct", action="store_true", help="without the proxy")
    parser.add_argument("--tls", action="store_true", help="the CLIs come by mutual TLS")
    parser.add_argument("-k", metavar="PATTERN", default="",
                        help="only scenarios with it in the name")
    parser.add_argument("--cli", metavar="PATH", help="this docker command line client alone")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    if options.tls and options.direct:
        parser.error("--tls is about the proxy: not with --direct")
    if os.geteuid() != 0:
        parser.error("needs root: it makes namespaces and runs a dockerd")
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if missing:
        parser.error("missing: " + ", ".join(missing) + " (`make deps-test` installs them)")
    if not options.direct and not os.access(options.bin, os.X_OK):
        parser.error("no program at %s (build it with `make`, or use --direct)" % options.bin)
    return options


def main():
    options = arguments()
    for module in MODULES:
        importlib.import_module(module)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        world = World(options)
    except (dockerd.FixtureError, proxies.ProxyError) as problem:
        print("FAIL fixture: %s" % problem)
        print("daemon: 0 passed, 1 failed")
        return 1
    runner = Runner()
    try:
        clis = [cli for cli in find_clis() if options.cli in (None, cli.path)]
        print("# dockerd %s; clients: %s" % (" ".join(world.daemon.options), ", ".join(
            "%s (%s)" % (cli.path, cli.version) for cli in clis)))
        jobs = select(world, clis, options.k)
        for job in jobs:
            job.done = runner.done
        runner.run_with_again(jobs)
        if not options.direct:
            import test_audit
            stopped = world.proxies.stop_all()
            runner.extra("proxies_end", test_audit.proxies_ended, stopped)
            runner.extra("audit_logs", test_audit.audit_logs, stopped)
    except KeyboardInterrupt:
        print("# interrupted")
        runner.count["FAIL"] += 1
    finally:
        world.close()
        if options.keep:
            print("# kept: %s" % world.base)
    print("# %.0f seconds" % (time.monotonic() - began))
    print(runner.summary())
    return 1 if runner.count["FAIL"] or not runner.count["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
