"""Health by --admin: /readyz tells the truth and blocks nobody; the command healthcheck."""
import json
import os
import select
import signal
import socket
import subprocess
import time

from admin_env import CHUNKED, AdminEnv
from fake_dockerd import response
from harness import Client, Env, Suite, check, equal, in_time, run_bin, wait_for
from tls_client import TlsEnv

suite = Suite()


# ---- /readyz ------------------------------------------------------------------------------------

def told(env):
    """/readyz, once the daemon has had its second for a ping: a busy machine may not give it."""
    def said():
        status, text = env.ready()
        return None if "within one second" in text else (status, text)
    return wait_for(said, "the daemon answers in a second")


@suite.test
def ready():
    """/readyz follows the daemon: there, away, odd, and there again; /healthz does not"""
    with AdminEnv() as env:
        equal(told(env), (200, "ready\n"), "with a daemon")
        request = env.fake.requests[-1]
        equal((request.line, request.get("Connection")), ("GET /_ping HTTP/1.1", "close"), "the ping")
        rows = [
            (lambda conn, _: conn.send(response(b"", "500 No")) and False, "answers 500"),
            (lambda conn, _: conn.send(b"nonsense\r\n\r\n") and False, "not HTTP"),
            (lambda conn, _: False, "without an answer"),
        ]
        for handler, words in rows:
            env.fake.handle("/_ping", handler)
            status, text = told(env)
            check(status == 503 and words in text, f"{words}: {status} {text}")
        env.fake.handlers.clear()
        env.fake.stop()
        status, text = env.ready()
        check(status == 503 and "is the Docker daemon running" in text, f"{status} {text}")
        equal(env.page("/healthz").status, 200, "/healthz")
        env.fake.start()
        equal(told(env), (200, "ready\n"), "again")
        equal(env.audit(), [], "audit lines of it")


@suite.test
def daemon_hangs():
    """a daemon that accepts and is silent: 503 after a second, and the loop goes on meanwhile"""
    with AdminEnv("--workers", "1") as env:
        env.fake.handle("/_ping", lambda conn, _: conn.rest() and False)

        def served_meanwhile():
            with Client(env.admin) as client:
                asked, begin = len(env.fake.requests), time.monotonic()
                client.request("GET", "/readyz")
                wait_for(lambda: len(env.fake.requests) > asked, "the daemon is asked")
                equal(env.page("/healthz").status, 200, "/healthz meanwhile")
                equal(env.ask("GET", "/containers/json").status, 200, "a client meanwhile")
                is_first = not select.select([client.sock], [], [], 0)[0]
                answer = client.read_response()
                equal(answer.status, 503, "status")
                check(b"within one second" in answer.body, answer.body)
                check(time.monotonic() - begin > 0.9, "it gives up at once")
                in_time(begin, 3, "until it gives up")
                return is_first
        # On a busy machine the second may be over by then.
        wait_for(served_meanwhile, "they do not have to wait")
        with Client(env.admin) as client:
            client.request("GET", "/readyz")    # and leaves
        equal(env.page("/healthz").status, 200, "after one that left")


@suite.test
def draining():
    """TERM: not ready while what runs may finish, and still alive"""
    with AdminEnv("--stop-timeout", "30") as env:
        env.fake.handle("/events", lambda conn, _: conn.send(CHUNKED + b"1\r\na\r\n")
                        and conn.rest() and False)
        client = env.client()
        client.request("GET", "/events")
        client.read_head()
        env.process.send_signal(signal.SIGTERM)
        wait_for(lambda: env.ready()[0] == 503, "it is not ready")
        check("stops" in env.ready()[1], env.ready()[1])
        equal(env.page("/healthz").status, 200, "/healthz")
        equal(env.metrics().get("sockwarden_open_streams"), 1, "the stream")
        client.close()
        env.process.wait(5)
        check(not os.path.exists(env.admin), "the socket stays")


@suite.test
def audit_fails():
    """an audit log that cannot be written: not ready, unless --audit-failure continue"""
    if not os.path.exists("/dev/full"):
        return
    for failure, expected in (("deny", 503), ("continue", 200)):
        with AdminEnv("--audit-log", "/dev/full", "--audit-failure", failure, audit=False) as env:
            equal(told(env)[0], 200, "before the first line")
            env.ask("GET", "/containers/json")
            status, text = told(env)
            equal(status, expected, failure)
            check(status == 200 or "/dev/full: No space left" in text, text)
            metrics = env.metrics()
            equal(metrics.get("sockwarden_audit_failing"), 1, "failing")
            check(metrics.get("sockwarden_audit_failures_total") >= 1, "failures")
            equal(metrics.get("sockwarden_audit_lines_total"), 0, "lines")


@suite.test
def audit_recovers():
    """a disk that has room again: ready without a request that tries it, and the log is unharmed"""
    with AdminEnv(audit=False, start=False) as env:
        disk = os.path.join(env.dir, "disk")
        os.mkdir(disk)
        mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return
        try:
            env.audit_path = os.path.join(disk, "audit.jsonl")
            env.args += ["--audit-log", env.audit_path]
            env.start()
            filler = os.path.join(disk, "filler")
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 512)
                except OSError:
                    pass
            wait_for(lambda: env.ask("GET", "/containers/json").status == 503, "the disk is full")
            equal(env.ready()[0], 503, "while it is full")
            equal(env.ready()[0], 503, "and again")
            os.unlink(filler)
            equal(told(env), (200, "ready\n"), "with room")
            equal(env.metrics().get("sockwarden_audit_failing"), 0, "failing")
            equal(env.ask("GET", "/containers/json").status, 200, "a client")
            for line in open(env.audit_path, encoding="utf-8"):
                json.loads(line)
            env.stop()
        finally:
            subprocess.run(["umount", "-l", disk], check=False)


# ---- healthcheck --------------------------------------------------------------------------------

def health(*args, **env):
    done = run_bin("healthcheck", *args, env=env)
    return done.returncode, done.stderr.decode()


@suite.test
def healthcheck():
    """healthcheck: by address, by SOCKWARDEN_ADMIN, else a ping through the first --host"""
    with AdminEnv() as env:
        admin, host = "unix://" + env.admin, "unix://" + env.socket
        equal(health(admin), (0, ""), "by address")
        equal(health(SOCKWARDEN_ADMIN=admin), (0, ""), "by SOCKWARDEN_ADMIN")
        equal(env.audit(), [], "audit lines of it")
        equal(health(SOCKWARDEN_HOST=host + ",tcp://127.0.0.1:1"), (0, ""), "by the first host")
        equal(env.wait_audit(record="request")[0]["operation"], "SystemPing", "a ping")
        code, said = health(host)
        check(code == 1 and "not the proxy's --admin address" in said, f"{code} {said}")
        env.fake.stop()
        for how in ({"SOCKWARDEN_ADMIN": admin}, {"SOCKWARDEN_HOST": host}):
            code, said = health(**how)
            check(code == 1 and "is the Docker daemon running" in said, f"{how}: {code} {said}")
            check(said.count("\n") == 1, f"more than a line: {said!r}")
    rows = [((admin,), {}, 1, "is the proxy running"),
            ((), {"SOCKWARDEN_HOST": "tcp://127.0.0.1:1"}, 1, "speaks TLS"),
            ((), {"SOCKWARDEN_HOST": "tcp://127.0.0.1:1", "SOCKWARDEN_INSECURE_TCP": "1"}, 1,
             "is the proxy running"),
            ((), {"SOCKWARDEN_HOST": "fd://"}, 1, "--admin ADDRESS"),
            (("tcp://somewhere",), {}, 2, "no address"), (("/run/a.sock",), {}, 2, "no address"),
            (("--admin", "x"), {}, 2, "one address at most"),
            (("unix:///" + "a" * 200,), {}, 2, "no address")]
    for args, how, expected, words in rows:
        code, said = health(*args, **how)
        check((code, words in said) == (expected, True), f"{args} {how}: {code} {said}")


@suite.test
def healthcheck_refused():
    """healthcheck: a role without pings is told from a proxy that is down"""
    with Env(start=False) as env:
        policy = os.path.join(env.dir, "policy.json")
        with open(policy, "w", encoding="ascii") as file:
            json.dump({"version": 1, "roles": {"all": {"allow": ["ContainerList"]}}}, file)
        env.args += ["--policy", policy]
        env.start()
        code, said = health(SOCKWARDEN_HOST="unix://" + env.socket)
        check(code == 1 and "403" in said and '"@ping"' in said, f"{code} {said}")


@suite.test
def healthcheck_hangs():
    """healthcheck: who accepts and is silent is given three seconds; TLS is recognised"""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begin = time.monotonic()
        code, said = health(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        took = time.monotonic() - begin
        check(code == 1 and "within 3 seconds" in said, f"{code} {said}")
        check(took > 2.5, f"after {took:.1f} s")
        in_time(begin, 5, "until it gives up")
    with TlsEnv() as env:
        code, said = health(f"tcp://127.0.0.1:{env.port}")
        check(code == 1 and "to /readyz: it is not" in said, f"{code} {said}")
