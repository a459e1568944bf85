"""The daemon's side going wrong: absent, restarted, answering nonsense, not answering."""
import threading

from fake_dockerd import response
from harness import Client, Env, Suite, check, equal, wait_for

suite = Suite()
JSON = ["Content-Type: application/json"]


@suite.test
def daemon_absent():
    """without a daemon: 502 with a sentence that helps; it works once there is one"""
    with Env(daemon=False) as env:
        client = env.client()
        answer = client.ask("GET", "/containers/json")
        equal(answer.status, 502, "status")
        text = answer.message()
        check(env.upstream in text, f"the socket is not named: {text}")
        check(len(text) > len(env.upstream) + 20, f"no remedy: {text}")
        env.fake.start()
        equal(client.ask("GET", "/containers/json").status, 200, "once it is there, same client")
        equal(env.ask("GET", "/containers/json").status, 200, "once it is there, other client")


@suite.test
def daemon_absent_refusals():
    """refusals need no daemon"""
    with Env(daemon=False, policy="read-only.json") as env:
        equal(env.ask("POST", "/containers/create", b"{}", JSON).status, 403, "status")


@suite.test
def daemon_restarts():
    """a restart between two requests of one client is not seen"""
    with Env() as env:
        client = env.client()
        equal(client.ask("GET", "/_ping").status, 200, "before")
        env.fake.stop()
        env.fake.start()
        equal(client.ask("GET", "/_ping").status, 200, "after")
        equal(client.ask("POST", "/containers/create", b'{"Image":"a"}', JSON).status, 200,
              "a write")
        env.fake.stop()
        env.fake.start()
        equal(client.ask("POST", "/containers/create", b'{"Image":"a"}', JSON).status, 200,
              "a write after")
        equal(sum(r.path == "/containers/create" for r in env.fake.requests), 2,
              "writes at the daemon")


@suite.test
def daemon_closes_idle():
    """an idle connection that the daemon closed is not used"""
    with Env() as env:
        client = env.client()
        for _ in range(5):
            equal(client.ask("POST", "/containers/a/stop", b"").status, 200, "status")
            for conn in env.fake.connections:
                conn.close()
        equal(len(env.fake.requests), 5, "requests at the daemon")


@suite.test
def daemon_says_close():
    """Connection: close of the daemon costs its connection, not the client's"""
    with Env() as env:
        env.fake.handle("/info", lambda conn, _: conn.send(response(close=True)) and False)
        client = env.client()
        for _ in range(3):
            equal(client.ask("GET", "/info").status, 200, "status")
        equal(env.fake.used(), 3, "connections to the daemon")


@suite.test
def daemon_dies_with_request():
    """a daemon that goes away before it answers: 502, and a write is not repeated"""
    with Env() as env:
        env.fake.handle("/containers/create", lambda *_: False)
        client = env.client()
        equal(client.ask("GET", "/_ping").status, 200, "a connection that was used before")
        answer = client.ask("POST", "/containers/create", b'{"Image":"a"}', JSON)
        equal(answer.status, 502, "status")
        answer.message()
        equal(sum(r.path == "/containers/create" for r in env.fake.requests), 1,
              "writes at the daemon")
        equal(env.ask("GET", "/_ping").status, 200, "another client")


BAD = {
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "empty line": b"\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
    "unframed": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
    "raw stream type": b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nabc",
    "101": b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nabc",
    "other coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "huge head": b"HTTP/1.1 200 OK\r\nA: " + b"a" * 300000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"Content-Length: 2\r\n\r\n{}",
    "head without end": b"HTTP/1.1 200 OK\r\nContent-Length: 2",
    "version": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "endless interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 100000,
    "nothing": b"",
}


@suite.test
def bad_answers():
    """answers that no daemon gives become 502, each with a sentence"""
    with Env() as env:
        for name, data in BAD.items():
            env.fake.handle("/info", lambda conn, _, data=data: conn.send(data) and False)
            with Client(env.socket) as client:
                answer = client.ask("GET", "/info")
                equal(answer.status, 502, name)
                answer.message()
            equal(env.ask("GET", "/_ping").status, 200, f"another client after {name}")


@suite.test
def unframed_is_not_waited_for():
    """an unframed answer on an ordinary route is refused at once, not at its end"""
    with Env() as env:
        env.fake.handle("/info", lambda conn,
                        _: conn.send(b"HTTP/1.1 200 OK\r\n\r\nabc") and conn.rest() and False)
        client = env.client()
        equal(client.ask("GET", "/info").status, 502, "status")


@suite.test
def http10_answer():
    """an HTTP/1.0 answer with a length is fine"""
    with Env() as env:
        env.fake.handle("/info", lambda conn,
                        _: conn.send(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}") and False)
        client = env.client()
        for _ in range(2):
            equal(client.ask("GET", "/info").body, b"{}", "body")


@suite.test
def extra_bytes_behind_answer():
    """bytes behind an answer never become the next one"""
    evil = response(b'"evil"')
    with Env() as env:
        env.fake.handle("/info", lambda conn, _: conn.send(response(b'"first"') + evil))
        client = env.client()
        equal(client.ask("GET", "/info").body, b'"first"', "first answer")
        client.send_if_open(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        data = client.rest() if client.fill() is False else client.read_response().body
        check(b"evil" not in data, f"the second request got {data!r}")


@suite.test
def upstream_timeout():
    """a daemon that never answers: 504 when a timeout is set"""
    with Env("--upstream-timeout", "1") as env:
        env.fake.handle("/info", lambda conn, _: conn.rest() and False)
        client = env.client()
        answer = client.ask("GET", "/info")
        equal(answer.status, 504, "status")
        answer.message()


@suite.test
def busy_backlog():
    """a daemon that is slow to accept loses nobody"""
    with Env(backlog=1, start=False) as env:
        env.fake.accepting.clear()
        env.start()
        clients = [env.client(15) for _ in range(20)]
        for client in clients:
            client.request("GET", "/_ping")
        threading.Timer(0.3, env.fake.accepting.set).start()
        for client in clients:
            equal(client.read_response().status, 200, "status")


@suite.test
def upstream_is_released():
    """when a client has gone, its connection to the daemon is closed or used again"""
    with Env() as env:
        for _ in range(30):
            env.ask("GET", "/_ping")
        open_now = lambda: sum(not c.ended.is_set() for c in env.fake.connections)
        wait_for(lambda: open_now() <= 4, "idle connections are given up")
