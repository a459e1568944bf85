"""The audit log: written before the request goes on, complete, without secrets."""
import hashlib
import json
import os
import re
import signal
import subprocess
import time

from fake_dockerd import response
from harness import Env, Suite, check, equal, in_time, settings, shown, wait_for

suite = Suite()
JSON = ["Content-Type: application/json"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
KNOWN = {"time", "record", "id", "client", "role", "listener", "peer", "method", "path",
         "operation", "object",
         "decision", "reason", "field", "rule", "would_deny", "api", "policy", "status", "bytes_in", "bytes_out",
         "duration_ms", "body_sha256", "image", "uses", "uses_lack", "prev", "hash"}
RECORDS = ("request", "end", "refused", "lost", "torn")
SECRET = "c2VjcmV0LXNlY3JldA"


def check_lines(env):
    """The shape of every line, and the chain."""
    before = "0" * 64
    with open(env.audit_path, "rb") as file:
        # What is written meanwhile may be there in half.
        raw = [line for line in file.read().splitlines(True) if line.endswith(b"\n")]
    for line, fields in zip(raw, env.audit()):
        check(not set(fields) - KNOWN, f"unknown fields {set(fields) - KNOWN}")
        check(TIME.fullmatch(fields["time"]), f"time {fields['time']}")
        check(fields["record"] in RECORDS, f"record {fields['record']}")
        at = line.rindex(b',"hash"')
        equal(fields["hash"], hashlib.sha256(line[:at]).hexdigest(), "hash of a line")
        equal(fields["prev"], before, "hash of the line before")
        before = fields["hash"]


@suite.test
def line_before_request():
    """the line stands in the file when the daemon gets the request"""
    seen = []
    with Env() as env:
        def handler(conn, _):
            seen.append([x for x in env.audit() if x.get("operation") == "ContainerCreate"])
            return conn.send(response())
        env.fake.handle("/containers/create", handler)
        body = b'{"Image":"registry.example.com/a:1"}'
        equal(env.client().ask("POST", "/v1.41/containers/create?name=x", body, JSON).status, 200,
              "status")
        equal(len(seen[0]), 1, "lines when the request arrived")
        line = seen[0][0]
        equal((line["record"], line["decision"], line["method"]), ("request", "allow", "POST"),
              "the line")
        equal(line["path"].split("?")[0], "/v1.41/containers/create", "path")
        equal(line.get("body_sha256"), hashlib.sha256(body).hexdigest(), "body_sha256")
        equal(line.get("image"), "registry.example.com/a:1", "image")
        check(line["role"], "no role")
        check("proxy.sock" in line["listener"], f"listener {line.get('listener')}")
        equal((line["peer"]["uid"], line["peer"]["pid"]), (os.getuid(), os.getpid()), "peer")
        check_lines(env)


@suite.test
def denials():
    """a refusal has decision, reason, field and rule"""
    with Env(policy="reference.json") as env:
        body = b'{"Image":"registry.example.com/ci/app:1","HostConfig":{"Privileged":true}}'
        answer = env.client().ask("POST", "/containers/create", body, JSON)
        line = env.wait_audit(decision="deny")[0]
        equal((line["operation"], line["field"], line["rule"]),
              ("ContainerCreate", "HostConfig.Privileged", "containers.privileged"), "the line")
        equal(line["status"], 403, "status")
        check(line["reason"] and "containers.privileged" in answer.message(),
              "the key is not named")
        check_lines(env)


@suite.test
def end_records():
    """a write and a tunnel end with a line that counts their bytes"""
    switch = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    with Env() as env:
        def handler(conn, _):
            conn.send(switch + b"12345")
            conn.rest()
            return False
        env.fake.handle("/containers/a/attach", handler)
        client = env.client()
        equal(client.ask("POST", "/containers/a/stop", b"").status, 200, "a write")
        stop = env.wait_audit(record="end")[0]
        first = env.wait_audit(record="request", operation="ContainerStop")[0]
        equal((stop["id"], stop["status"]), (first["id"], 200), "end of the write")
        check("duration_ms" in stop, "no duration")
        client.request("POST", "/containers/a/attach?stream=1", b"",
                       ["Connection: Upgrade", "Upgrade: tcp"])
        equal(client.read_head().status, 101, "status")
        client.send(b"abc")
        client.end_writing()
        client.rest()
        tunnel = env.wait_audit(2, record="end")[-1]
        attach = env.wait_audit(record="request", operation="ContainerAttach")[0]
        equal((tunnel["id"], tunnel["status"]), (attach["id"], 101), "end of the tunnel")
        check(tunnel["bytes_in"] >= 3, f"bytes_in {tunnel['bytes_in']}")
        check(tunnel["bytes_out"] >= 5, f"bytes_out {tunnel['bytes_out']}")
        check_lines(env)


@suite.test
def refused_records():
    """what never became a request is there too, and cannot forge a line"""
    with Env() as env:
        client = env.client()
        client.send(b'GET /_ping HTTP/1.1\r\nA : "}\\n{"record":"x"}\r\n\r\n')
        equal(client.read_response().status, 400, "status")
        line = env.wait_audit(record="refused")[0]
        check(line.get("reason"), "no reason")
        check_lines(env)


@suite.test
def odd_names():
    """control characters and quotes of a request stay inside their line"""
    with Env() as env:
        equal(env.client().ask("GET", "/images/%22%7D%E2%80%A8a/json").status, 200, "status")
        env.wait_audit(operation="ImageInspect")
        check_lines(env)


@suite.test
def no_secrets():
    """credentials, build arguments and environment never reach log or audit"""
    with Env() as env:
        client = env.client()
        auth = [f"X-Registry-Auth: {SECRET}", f"X-Registry-Config: {SECRET}",
                f"Authorization: Basic {SECRET}"]
        equal(client.ask("POST", f"/images/create?fromImage=a&tag=1&authconfig={SECRET}", b"",
                         auth).status, 200, "pull")
        equal(client.ask("POST", f"/build?buildargs=%7B%22A%22%3A%22{SECRET}%22%7D&nosuch={SECRET}",
                         b"tar",
                         auth + ["Content-Type: application/x-tar"]).status, 200, "build")
        body = b'{"Image":"a","Env":["A=%s"]}' % SECRET.encode()
        equal(client.ask("POST", f"/containers/create?authconfig={SECRET}", body, JSON).status, 200,
              "create")
        equal(client.ask("POST", "/auth", b'{"username":"u","password":"%s"}' % SECRET.encode(),
                         JSON).status, 200, "auth")
        env.wait_audit(4, record="request")
        with open(env.audit_path, encoding="utf-8") as file:
            check(SECRET not in file.read(), "a secret is in the audit log")
        check(SECRET not in env.stderr(), "a secret is in the log")
        pull = [r for r in env.fake.requests if r.path == "/images/create"][0]
        equal(pull.get("X-Registry-Auth"), SECRET, "the daemon gets the credentials")


@suite.test
def denied_values_of_env():
    """a refusal does not repeat the environment"""
    with Env(policy="reference.json") as env:
        body = b'{"Image":"registry.example.com/ci/app:1","Env":["A=%s",null]}' % SECRET.encode()
        answer = env.client().ask("POST", "/containers/create", body, JSON)
        check(400 <= answer.status < 500 and SECRET.encode() not in answer.body, shown(answer.body))
        env.wait_audit(decision="deny")
        with open(env.audit_path, encoding="utf-8") as file:
            check(SECRET not in file.read(), "a secret is in the audit log")


@suite.test
def standard_output():
    """without --audit-log the lines go to standard output"""
    with Env(audit=False) as env:
        equal(env.ask("GET", "/_ping").status, 200, "status")
        wait_for(lambda: '"operation":"SystemPing"' in env.stderr().replace(" ", ""),
                 "the line on standard output")


@suite.test
def cannot_open():
    """an audit file that cannot be written stops the start, with a sentence"""
    for target in ("/nonexistent-folder/audit.jsonl", "/dev"):
        with Env(audit=False, start=False) as env:
            result = subprocess.run([settings["bin"], "serve"] + env.args + ["--audit-log", target],
                                    capture_output=True, timeout=5, check=False)
            equal(result.returncode, 1, "exit code")
            check(target.encode() in result.stderr, f"the file is not named: {result.stderr!r}")


@suite.test
def full_disk():
    """a line that cannot be written refuses the request: 503, and pings go on"""
    if not os.path.exists("/dev/full"):
        return
    with Env("--audit-log", "/dev/full", audit=False, policy="open.json") as env:
        answer = env.ask("POST", "/containers/a/stop", b"")
        equal(answer.status, 503, "status")
        answer.message()
        check(all(r.path == "/_ping" for r in env.fake.requests),
              "a request went on without its line")
        equal(env.ask("GET", "/_ping").status, 200, "ping")
    with Env("--audit-log", "/dev/full", "--audit-failure", "continue", audit=False,
             policy="open.json") as env:
        equal(env.ask("POST", "/containers/a/stop", b"").status, 200, "status when told to go on")


@suite.test
def load_keeps_lines_whole():
    """lines of several workers do not mix"""
    with Env("--workers", "4") as env:
        clients = [env.client() for _ in range(20)]
        for _ in range(10):
            for client in clients:
                client.request("GET", "/containers/json")
            for client in clients:
                equal(client.read_response().status, 200, "status")
        lines = env.wait_audit(200, record="request")
        equal(len({line["id"] for line in lines}), len(lines), "different ids")
        check_lines(env)


class AuditPipe:
    """An audit log more of the proxy that is a pipe, read only when told to."""
    PAGE = 4096

    def __init__(self, env):
        path = os.path.join(env.dir, "pipe")
        os.mkfifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        env.args += ["--audit-log", path]

    def fill(self, free=0):
        """Until there is no room but for so many pages."""
        pages = 0
        try:
            while os.write(self.writer, b"#" * (self.PAGE - 1) + b"\n"):
                pages += 1
        except BlockingIOError:
            check(pages > free, "the pipe was full before")
        for _ in range(free):
            os.read(self.reader, self.PAGE)

    def drain(self):
        """What it holds, without the filling."""
        data = b""
        try:
            while True:
                data += os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return data.replace(b"#" * (self.PAGE - 1) + b"\n", b"")

    def close(self):
        os.close(self.reader)
        os.close(self.writer)


@suite.test
def pipe_that_nobody_reads():
    """after 5 s: 503, pings go on, TERM works; read again: requests go on, no line is torn"""
    refused = b"POST /containers/a/stop HTTP/1.1\r\nHost: d\r\n\r\n"
    with Env("--workers", "1", audit=False, start=False, role="read-only") as env, \
            Env("--workers", "1", audit=False, start=False) as other:
        pipe, other_pipe = AuditPipe(env), AuditPipe(other)
        pipe.fill(free=1)
        other_pipe.fill()
        env.start()
        other.start()
        client = env.client()
        client.send(refused * 16)       # more than a page of lines, written at once
        other.client().request("GET", "/info")
        start = time.monotonic()
        time.sleep(0.2)
        other.process.send_signal(signal.SIGTERM)
        for _ in range(16):
            client.read_response()
        answer = env.ask("GET", "/info")
        equal(answer.status, 503, "status")
        answer.message()
        equal(env.ask("GET", "/_ping").status, 200, "ping")
        in_time(start, 9, "it is waited for again and again")
        data = pipe.drain()
        check(data and not data.endswith(b"\n"), "the pipe holds no half line, so nothing is shown")
        equal(env.ask("GET", "/_ping").status, 200, "a request whose line is written again")
        equal(env.ask("GET", "/info").status, 200, "status once it is read again")
        data += pipe.drain()
        check(data.endswith(b"\n"), f"ends in half a line: {shown(data[-300:])}")
        lines = [json.loads(line) for line in data.splitlines()]
        equal(lines[-1]["path"], "/info", "the last line")
        check(any(line["record"] == "lost" and line["lines"] > 0 for line in lines),
              "no line says how many are lost")
        check("is written again" in env.stderr(), "the log does not tell")
        equal(other.process.wait(2), 0, "exit code of TERM while the pipe is full")
        for each in (pipe, other_pipe):
            each.close()
        check(all(r.path != "/info" for r in other.fake.requests), "a request without its line")
