"""Times and sizes: 408, 413, 431, idle connections."""
import os
import signal
import socket
import subprocess
import sys
import time

from behaviour_audit import AuditPipe
from fake_dockerd import response
from harness import WAIT, Client, Env, Late, Suite, check, equal, wait_for

suite = Suite()
JSON = ["Content-Type: application/json"]
HEAD = b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"


def within(seconds, start, what):
    if time.monotonic() - start >= seconds:
        raise Late(f"{what} took {time.monotonic() - start:.1f} s")


@suite.test
def slow_head():
    """a head that does not come, or comes by drips, gets 408"""
    with Env("--head-timeout", "1") as env:
        start = time.monotonic()
        silent, drip = env.client(), env.client()
        silent.send(b"GET /_ping HT")
        drip.sock.settimeout(0.1)
        text = b"GET /_ping HTTP/1.1\r\nHost: d\r\nA: " + b"a" * 200
        for at in range(len(text)):
            if not drip.send_if_open(text[at:at + 1]):
                break
            try:
                if drip.fill():
                    break
            except Exception:  # nothing to read yet: send the next byte
                pass
            within(10, start, "the dripping head")
        drip.sock.settimeout(WAIT)
        for name, client in (("drip", drip), ("silent", silent)):
            answer = client.read_response()
            equal(answer.status, 408, name)
            answer.message()
            check(client.at_end(), f"{name} stays open")
        within(10, start, "the refusal")
        equal(env.fake.received(), 0, "bytes at the daemon")


@suite.test
def slow_body():
    """a body that stops gets 408, and nothing of it goes on"""
    with Env("--body-timeout", "1") as env:
        start = time.monotonic()
        by_length, in_chunks = env.client(), env.client()
        by_length.send(HEAD + b"Content-Length: 100\r\n\r\n{\"Image\":")
        in_chunks.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"Ima\r\n")
        for name, client in (("by length", by_length), ("in chunks", in_chunks)):
            answer = client.read_response()
            equal(answer.status, 408, name)
            check(client.at_end(), f"{name} stays open")
        within(10, start, "the refusal")
        equal(env.fake.received(), 0, "bytes at the daemon")


@suite.test
def slow_opaque_body():
    """an upload that stops ends, at the daemon too"""
    with Env("--body-timeout", "1") as env:
        client = env.client()
        client.send(b"PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\nabc")
        data = client.rest()
        check(not data or data.startswith(b"HTTP/1.1 408"), f"answer {data[:80]!r}")
        wait_for(lambda: all(c.ended.is_set() for c in env.fake.connections),
                 "the daemon's connection ends")


@suite.test
def steady_body():
    """the limit is between bytes: a slow but steady body is fine"""
    body = b'{"Image":"registry.example.com/a:1"}'
    with Env("--body-timeout", "1") as env:
        client = env.client()
        client.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        start = time.monotonic()
        for at in range(0, len(body), 3):
            client.send_if_open(body[at:at + 3])
            time.sleep(0.12)
        status = client.read_response().status
        if status == 408:
            within(2, start, "1.5 s of a steady body")      # else it was not steady
        equal(status, 200, "status")


@suite.test
def idle():
    """a keep-alive connection without a request is closed in silence"""
    with Env("--idle-timeout", "1") as env:
        start = time.monotonic()
        client = env.client()
        equal(client.ask("GET", "/_ping").status, 200, "status")
        check(client.at_end(), "bytes on an idle connection")
        within(10, start, "the close")


@suite.test
def streams_have_no_limit():
    """an idle stream outlives every timeout"""
    def handler(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        time.sleep(2.5)
        return conn.send(b"1\r\nx\r\n0\r\n\r\n")
    with Env("--idle-timeout", "1", "--head-timeout", "1", "--body-timeout", "1") as env:
        env.fake.handle("/events", handler)
        client = env.client()
        equal(client.ask("GET", "/events").body, b"x", "event")


@suite.test
def slow_answer_has_no_limit():
    """a daemon that takes its time is waited for"""
    def handler(conn, _):
        time.sleep(2.5)
        return conn.send(response())
    with Env("--idle-timeout", "1", "--head-timeout", "1", "--body-timeout", "1") as env:
        env.fake.handle("/containers/a/stop", handler)
        equal(env.client().ask("POST", "/containers/a/stop", b"").status, 200, "status")


@suite.test
def body_too_large():
    """inspected bodies over the limit: 413, by length and in chunks"""
    with Env("--max-body", "10000") as env:
        with Client(env.socket) as client:
            client.send(HEAD + b"Content-Length: 10001\r\n\r\n")
            answer = client.read_response()
            equal(answer.status, 413, "by its length, before the body")
            answer.message()
        with Client(env.socket) as client:
            client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(11):
                client.send_if_open(b"3e8\r\n" + b" " * 1000 + b"\r\n")
            equal(client.read_response().status, 413, "in chunks")
        equal(env.fake.received(), 0, "bytes at the daemon")
        body = b'{"Image":"registry.example.com/a:1"}' + b" " * 9000
        equal(env.ask("POST", "/containers/create", body, JSON).status, 200, "below the limit")
        big = b"t" * 100000
        equal(env.ask("PUT", "/containers/a/archive?path=/", big,
                      ["Content-Type: application/x-tar"]).status, 200,
              "an upload has no such limit")


@suite.test
def default_body_limit():
    """1 MiB unless told otherwise"""
    pad = b" " * (1024 * 1024 - 100)
    with Env() as env:
        body = b'{"Image":"registry.example.com/a:1"}'
        equal(env.ask("POST", "/containers/create", body + pad, JSON).status, 200, "just below")
        with Client(env.socket) as client:
            client.request("POST", "/containers/create", None, JSON + ["Content-Length: 1048577"])
            equal(client.read_response().status, 413, "just above")


@suite.test
def head_too_large():
    """431 for a head over the limit, whether it ends or not"""
    with Env("--max-head", "4096") as env:
        for tail in (b"\r\n\r\n", b""):
            with Client(env.socket) as client:
                client.send_if_open(b"GET /_ping HTTP/1.1\r\nHost: d\r\nA: " + b"a" * 5000 + tail)
                answer = client.read_response()
                equal(answer.status, 431, "status")
                answer.message()
        equal(env.ask("GET", "/_ping", headers=["A: " + "a" * 3000]).status, 200, "below the limit")


@suite.test
def too_many_connections():
    """above the limit of connections somebody waits or is told, and all is well afterwards"""
    with Env("--max-connections", "20") as env:
        clients = []
        for _ in range(40):
            clients.append(Client(env.socket))
            clients[-1].send_if_open(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        served = sum(1 for client in clients[:5] if client.read_response().status == 200)
        equal(served, 5, "the first ones are served")
        for client in clients:
            client.close()
        with Client(env.socket) as client:
            equal(client.ask("GET", "/_ping").status, 200, "afterwards")


REFUSED = b"POST /a HTTP/1.1\r\nHost: d\r\n\r\n"


@suite.test
def refusals_take_turns():
    """a hundred pipelined refusals do not go before another client's request"""
    with Env("--workers", "1", role="read-only") as env:
        greedy, other = env.client(), env.client()
        for client in (greedy, other):
            equal(client.ask("GET", "/_ping").status, 200, "status")
        env.process.send_signal(signal.SIGSTOP)
        greedy.send(REFUSED * 100)
        other.request("GET", "/version")
        env.process.send_signal(signal.SIGCONT)
        for _ in range(100):
            equal(greedy.read_response().status, 403, "refusal")
        equal(other.read_response().status, 200, "status")
        lines = [line["path"] for line in env.wait_audit(100, path="/a") and env.audit()]
        check(lines.index("/version") < 60, f"the other came as number {lines.index('/version')}")


POUR = """import socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
block = b"POST /a HTTP/1.1\\r\\nHost: d\\r\\n\\r\\n" * 20000
while True:
    sock.sendall(block)
"""
DRAIN = """import socket, sys
sock, room = socket.socket(fileno=int(sys.argv[1])), bytearray(1 << 20)
while sock.recv_into(room):
    pass
"""


@suite.test
def flood_of_refusals():
    """who pipelines refused requests without end stalls nobody and grows no memory"""
    with Env("--workers", "1", role="read-only") as env:
        greedy = env.client()
        greedy.sock.settimeout(None)
        fd = greedy.sock.fileno()
        runs = [subprocess.Popen([sys.executable, "-c", text, str(fd)], pass_fds=[fd],
                                 stderr=subprocess.DEVNULL) for text in (POUR, DRAIN)]
        try:
            wait_for(lambda: len(env.audit()) > 100, "the flood begins")
            for _ in range(3):
                time.sleep(0.1)
                start = time.monotonic()
                equal(env.ask("GET", "/_ping").status, 200, "status")
                within(10, start, "a ping beside the flood")
            env.check_rss(25)
        finally:
            for run in runs:
                run.kill()
                run.wait()


@suite.test
def waiting_for_the_daemon_costs_nothing():
    """requests that wait for room in the daemon's backlog hold the memory they began with"""
    with Env("--workers", "1", backlog=0) as env:
        env.fake.accepting.clear()
        fillers = fill_backlog(env.upstream)
        before = env.rss()
        clients = [env.client() for _ in range(10)]
        for client in clients:
            client.request("GET", "/_ping", headers=["User-Agent: " + "x" * 60000])
        time.sleep(1)
        env.check_rss(before + 15)
        for filler in fillers:
            filler.close()
        env.fake.accepting.set()
        for client in clients:
            equal(client.read_response().status, 200, "once there is room")


def fill_backlog(path):
    """Connections until the daemon takes no more."""
    fillers, deadline = [], time.monotonic() + 0.1
    while time.monotonic() < deadline:
        filler = socket.socket(socket.AF_UNIX)
        filler.setblocking(False)
        try:
            filler.connect(path)
            fillers.append(filler)
        except BlockingIOError:
            filler.close()
            time.sleep(0.01)
    return fillers


@suite.test
def limit_with_a_blocked_worker():
    """--max-connections counts those that a blocked worker has not taken over yet"""
    def descriptors():
        return len(os.listdir(f"/proc/{env.process.pid}/fd"))
    with Env("--workers", "2", "--max-connections", "20", start=False) as env:
        pipe = AuditPipe(env)
        env.start()
        others = []
        while not others or env.audit()[-1]["id"].split("-")[1] != "1":
            check(len(others) < 10, "no client got the second worker")
            others.append(env.client())
            equal(others[-1].ask("GET", "/_ping").status, 200, "status")
        pipe.fill()
        others[-1].request("GET", "/_ping")
        env.wait_audit(len(others) + 1, operation="SystemPing")     # this worker waits now
        before = descriptors()
        for _ in range(60):
            env.client()
        wait_for(lambda: descriptors() >= before + 20 - len(others), "as many as may be are taken")
        time.sleep(0.3)     # not a wait: more than those are not
        now = descriptors()
        check(before < now <= before + 20, f"{now} descriptors, {before} before")
        pipe.close()
