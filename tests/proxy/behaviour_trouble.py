"""What runs out, or goes away, under load: descriptors, room for the audit log, the daemon. Nothing
crashes, nothing spins, it recovers without a restart, and the log says what to do, once."""
import contextlib
import os
import re
import subprocess
import threading
import time

from admin_env import AdminEnv
from behaviour_admin import ticks
from behaviour_audit_chain import losses, whole
from harness import Client, Failure, Suite, check, equal, wait_for

suite = Suite()


class Load:
    """Clients that ask without end, each on a connection of its own or kept; they count answers by status."""

    def __init__(self, env, clients=6, target="/containers/json", keep=True):
        self.env, self.target, self.keep = env, target, keep
        self.seen, self.odd, self.over = {}, [], threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(15)

    def run(self):
        while not self.over.is_set():
            try:
                with Client(self.env.socket, 10) as client:
                    while not self.over.is_set():
                        answer = client.ask("GET", self.target)
                        self.count(answer.status)
                        if answer.status != 200:
                            answer.message()
                        if not self.keep or answer.get("Connection") == "close":
                            break
            except (OSError, Failure) as error:
                self.odd.append(repr(error))
                return

    def count(self, status):
        with self.lock:
            self.seen[status] = self.seen.get(status, 0) + 1

    def more(self, status, count=50, seconds=10):
        """Waits for as many more answers with this status."""
        before = self.seen.get(status, 0)
        wait_for(lambda: self.seen.get(status, 0) >= before + count,
                 f"{count} more answers with {status}: {self.seen} {self.odd[:3]}", seconds)


def lines_with(env, words):
    with open(env.stderr_path, encoding="utf-8") as file:
        return [line for line in file if words in line]


# ---- the daemon ---------------------------------------------------------------------------------

@suite.test
def daemon_killed():
    """killed under load: 502 and a line or two; back again: 200 on the same connections, and a line"""
    with AdminEnv("--workers", "2") as env:
        with Load(env) as load:
            load.more(200)
            for how in ("no socket", "nobody listens"):
                listener = env.fake.listener
                if how == "no socket":
                    env.fake.stop()
                else:   # as a kill leaves it
                    env.fake.listener = None
                    listener.shutdown(2)
                    listener.close()
                    env.fake.drop_connections()
                load.more(502, 200)
                env.fake.start()
                load.more(200, 100)
        equal(load.odd, [], "what else clients saw")
        equal(set(load.seen), {200, 502}, "statuses")
        said = lines_with(env, "cannot reach the Docker daemon")
        check(1 <= len(said) <= 2, f"{len(said)} lines for {load.seen[502]} refusals: {said[:3]}")
        back = lines_with(env, "is there again")
        check(back, "nobody says that it is back")
        told = sum(int(re.search(r"; (\d+) requests", line).group(1)) for line in back)
        refused = env.metrics()
        total = sum(refused.get("sockwarden_upstream_errors_total", kind=kind)
                    for kind in ("missing", "refused"))
        check(total <= told <= load.seen[502], f"the log counts {told}, the metrics {total}")


@suite.test
def daemon_absent_costs_nothing():
    """clients that wait, streams and an absent daemon: nobody spins"""
    with AdminEnv("--workers", "2") as env:
        env.fake.handle("/events", lambda conn, _: conn.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") and conn.rest() and False)
        held = [env.client() for _ in range(50)]
        for client in held[:25]:
            client.request("GET", "/events")
            equal(client.read_head().status, 200, "status")
        env.fake.stop()
        for client in held[25:]:
            equal(client.ask("GET", "/containers/json").status, 502, "status")
        for client in held[:25]:
            check(b"0\r\n\r\n" not in client.rest(), "a stream ends as if whole")
        before = ticks(env)
        time.sleep(0.5)     # not a wait: what is measured
        check(ticks(env) - before < 5, f"{ticks(env) - before} hundredths of a second in 0.5 s")


# ---- descriptors --------------------------------------------------------------------------------

@suite.test
def descriptors_run_out():
    """RLIMIT_NOFILE at run time: refused or waiting, never spinning; with descriptors it goes on"""
    if os.geteuid() != 0:
        return
    with AdminEnv("--workers", "2", "--max-connections", "400") as env:
        pid = str(env.process.pid)

        def limit(count):
            subprocess.run(["prlimit", "--pid", pid, f"--nofile={count}:1000"], check=True)

        def used():
            return len(os.listdir(f"/proc/{pid}/fd"))
        kept = env.client()
        equal(kept.ask("GET", "/containers/json").status, 200, "before")
        idle = used()
        # Room for connections of clients, and none for those to the daemon.
        limit(idle + 10)
        held = [env.client() for _ in range(30)]
        wait_for(lambda: used() >= idle + 10, "none is left")
        for client in held:
            client.request("GET", "/containers/json")
        answer = held[0].read_response()
        equal(answer.status, 503, "without a descriptor for the daemon")
        check("open files" in answer.message() and "LimitNOFILE" in answer.message(), answer.message())
        equal(kept.ask("GET", "/containers/json").status, 200, "who has a connection to the daemon")
        before = ticks(env)
        time.sleep(0.5)     # not a wait: what is measured
        check(ticks(env) - before < 10, f"{ticks(env) - before} hundredths of a second in 0.5 s")
        limit(1000)
        for client in held[10:]:
            equal(client.read_response().status, 200, "accepted once there are descriptors")
        for words, most in (("new connections wait: too many open files; raise the limit", 1),
                            ("Too many open files; raise the limit", 1)):
            said = lines_with(env, words)
            equal(len(said), most, f"lines with {words}: {said[:3]}")
        for client in held:
            client.close()
        wait_for(lambda: used() <= idle, "descriptors are as before")


@suite.test
def descriptor_limit_is_raised():
    """--max-connections beyond the limit of open files: root raises both, others are told"""
    short = ("prlimit", "--nofile=200:300")
    may = subprocess.run([*short, "prlimit", "--nofile=400:400", "true"], capture_output=True,
                         check=False).returncode == 0
    less = ("setpriv", "--bounding-set", "-sys_resource") if may else ()
    for wrapper, expected in (((), 2 * 5000), (less, 300))[0 if may else 1:]:
        with AdminEnv("--max-connections", "5000", start=False) as env:
            env.start(wrapper=(*short, *wrapper))
            with open(f"/proc/{env.process.pid}/limits", encoding="ascii") as file:
                soft = next(int(x.split()[3]) for x in file if x.startswith("Max open files"))
            check(soft >= expected, f"{soft} descriptors, expected {expected}")
            equal(bool(lines_with(env, "too few for --max-connections")), expected == 300, "a warning")
            equal(env.ask("GET", "/_ping").status, 200, "it serves")


# ---- room for the audit log ---------------------------------------------------------------------

@contextlib.contextmanager
def small_disk(env, size="256k"):
    """A file system that only the proxy and its /proc see; yields its folder from outside."""
    folder = os.path.join(env.dir, "disk")
    os.mkdir(folder)
    env.audit_path = folder + "/audit.jsonl"
    env.args += ["--audit-log", env.audit_path]
    mount = f'mount -t tmpfs -o size={size} none {folder} && exec "$@"'
    env.start(wrapper=("unshare", "-m", "sh", "-c", mount, "sh"))
    yield f"/proc/{env.process.pid}/root{folder}"


def disk_full(mode, status):
    if os.geteuid() != 0:
        return
    with AdminEnv("--workers", "2", "--audit-failure", mode, start=False, audit=False) as env:
        with small_disk(env) as inside, Load(env, 4) as load:
            load.more(200)
            with open(inside + "/filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(b"x" * 4096):
                    pass
            wait_for(lambda: env.metrics().get("sockwarden_audit_failing") == 1, "the disk is full")
            load.more(status, 200)
            equal(env.ready()[0], status, "/readyz")
            equal(env.ask("GET", "/_ping").status, 200, "@ping")
            os.unlink(inside + "/filler")
            load.more(200)
            wait_for(lambda: env.metrics().get("sockwarden_audit_failing") == 0, "it is mended")
            lost = env.metrics().get("sockwarden_audit_failures_total")
            load.over.set()
            with open(inside + "/audit.jsonl", "rb") as file:
                wait_for(lambda: env.metrics().get("sockwarden_connections") == 0, "the load ends")
                data = file.read()
        equal(load.odd, [], "what else clients saw")
        copy = os.path.join(env.dir, "copy")
        with open(copy, "wb") as file:
            file.write(data)
        whole(copy)
        told = sum(line["lines"] for line in losses(data))
        check(0 < told == lost, f"the log tells of {told} lines that it lacks, the metrics of {lost}")
        said = lines_with(env, "cannot write the audit log")
        equal(len(said), 1, f"lines of the operator's log: {said[:3]}")
        check("make room" in said[0], said[0])
        check(len(lines_with(env, "is written again")) == 1, "nobody says that it is mended")


@suite.test
def disk_full_deny():
    """ENOSPC under load: 503 but for pings, one line that says what to do; with room again 200, and a whole chain"""
    disk_full("deny", 503)


@suite.test
def disk_full_continue():
    """the same with --audit-failure continue: 200 all the time, and the chain tells what it lacks"""
    disk_full("continue", 200)
