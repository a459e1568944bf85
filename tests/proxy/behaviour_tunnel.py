"""Hijacked connections: attach, exec start, websocket, h2c; half-close and early bytes."""
import contextlib
import hashlib
import signal
import socket
import threading
import time

from fake_dockerd import read_body, response
from harness import WAIT, Client, Env, Suite, check, equal, wait_for

suite = Suite()
UP = ["Connection: Upgrade", "Upgrade: tcp"]
RAW = "Content-Type: application/vnd.docker.raw-stream"
SWITCH = f"HTTP/1.1 101 UPGRADED\r\n{RAW}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode()
STREAM = f"HTTP/1.1 200 OK\r\n{RAW}\r\n\r\n".encode()
ATTACH = "/v1.41/containers/a/attach?stream=1&stdin=1&stdout=1"
SIZE = 10 * 1024 * 1024


def pump(conn):
    """Sends back what comes, until the peer ends its side."""
    while True:
        if conn.buffer:
            conn.send(conn.take(len(conn.buffer)))
        if not conn.fill():
            return False


@contextlib.contextmanager
def stopped(env):
    """The proxy finds all that happens in here at once, as on a busy machine."""
    env.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        env.process.send_signal(signal.SIGCONT)


def open_tunnel(env, handler, target=ATTACH, headers=tuple(UP), body=b"",
                path="/containers/a/attach"):
    env.fake.handle(path, handler)
    client = env.client(15)
    client.request("POST", target, body, headers)
    return client


@suite.test
def attach_101():
    """101, bytes both ways, the end of one side passed on, then the other's"""
    def handler(conn, _):
        conn.send(SWITCH)
        pump(conn)
        conn.send(b"last words")
        return False
    with Env() as env:
        client = open_tunnel(env, handler)
        answer = client.read_head()
        equal((answer.status, answer.get("Upgrade"), answer.get("Connection")),
              (101, "tcp", "Upgrade"), "head")
        equal(answer.get("Content-Type"), RAW.split(": ")[1], "Content-Type")
        client.send(b"hello")
        equal(client.exactly(5), b"hello", "echo")
        inner = b"GET /info HTTP/1.1\r\nHost: d\r\n\r\n"
        client.send(inner)
        equal(client.exactly(len(inner)), inner, "HTTP inside the tunnel is only bytes")
        client.end_writing()
        equal(client.rest(), b"last words", "after the client's end")
        request = env.fake.requests[0]
        equal((request.get("Connection"), request.get("Upgrade")), ("Upgrade", "tcp"),
              "upgrade sent on")
        equal(len(env.fake.requests), 1, "requests at the daemon")


@suite.test
def daemon_ends_first():
    """the daemon's end is passed on, and the client may go on writing"""
    got = []

    def handler(conn, _):
        conn.send(SWITCH + b"bye")
        conn.end_writing()
        got.append(conn.rest())
        return False
    with Env() as env:
        client = open_tunnel(env, handler)
        equal(client.read_head().status, 101, "status")
        equal(client.rest(), b"bye", "what the daemon said")
        client.send(b"still here")
        client.end_writing()
        wait_for(lambda: got, "the daemon sees the client's end")
        equal(got[0], b"still here", "what arrived after the daemon's end")


@suite.test
def early_bytes_are_held():
    """bytes sent before 101 wait for it, then arrive first"""
    early = {}

    def handler(conn, _):
        early["quiet"] = conn.nothing_for(0.2)
        conn.send(SWITCH)
        early["data"] = conn.exactly(5)
        return False
    with Env() as env:
        env.fake.handle("/containers/a/attach", handler)
        client = env.client()
        client.send(f"POST {ATTACH} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nEARLY".encode())
        equal(client.read_head().status, 101, "status")
        check(client.at_end(), "the tunnel stays")
        equal(early, {"quiet": True, "data": b"EARLY"}, "at the daemon")


@suite.test
def early_bytes_and_end():
    """echo data | docker exec -i: bytes and the end come before 101"""
    def handler(conn, _):
        check(conn.nothing_for(0.1), "early bytes came early")
        conn.send(SWITCH)
        conn.send(b"got " + conn.rest())
        return False
    body = b'{"Detach":false,"Tty":false}'
    with Env() as env:
        env.fake.handle("/exec/e/start", handler)
        client = env.client()
        client.request("POST", "/exec/e/start", body, UP + ["Content-Type: application/json"])
        client.send(b"data")
        client.end_writing()
        equal(client.read_head().status, 101, "status")
        equal(client.rest(), b"got data", "echo")
        equal(env.fake.requests[0].body, body, "body of the exec start")


@suite.test
def many_early_bytes():
    """a megabyte sent before 101 is held in bounds and arrives whole"""
    data = bytes(range(256)) * 4096
    result = {}

    def handler(conn, _):
        check(conn.nothing_for(0.2), "early bytes came early")
        conn.send(SWITCH)
        result["hash"] = hashlib.sha256(conn.rest()).hexdigest()
        return False
    with Env() as env:
        client = open_tunnel(env, handler)
        client.send(data)
        client.end_writing()
        equal(client.read_head().status, 101, "status")
        wait_for(lambda: result, "the daemon has it all")
        equal(result["hash"], hashlib.sha256(data).hexdigest(), "hash")


def both_ways(switch, headers):
    part = bytes(range(256)) * 256
    count = SIZE // len(part)
    result = {}

    def handler(conn, _):
        conn.send(switch)
        sender = threading.Thread(target=lambda: [conn.send(part) for _ in range(count)] and conn.end_writing())
        sender.start()
        digest, size = hashlib.sha256(), 0
        while conn.buffer or conn.fill():
            data = conn.take(len(conn.buffer))
            digest.update(data)
            size += len(data)
        sender.join()
        result.update(hash=digest.hexdigest(), size=size)
        return False
    with Env() as env:
        client = open_tunnel(env, handler, headers=headers)
        check(client.read_head().status in (101, 200), "status")
        sender = threading.Thread(target=lambda: [client.send(part) for _ in range(count)] and client.end_writing())
        sender.start()
        data = client.rest()
        sender.join()
        wait_for(lambda: result, "the daemon has it all", 10)
        env.check_rss()
    wanted = hashlib.sha256(part * count).hexdigest()
    equal((len(data), hashlib.sha256(data).hexdigest()), (SIZE, wanted), "at the client")
    equal((result["size"], result["hash"]), (SIZE, wanted), "at the daemon")


@suite.test
def full_duplex():
    """10 MB each way at once after 101"""
    both_ways(SWITCH, UP)


@suite.test
def full_duplex_raw():
    """10 MB each way at once in a raw stream without upgrade"""
    both_ways(STREAM, [])


@suite.test
def raw_stream():
    """without Upgrade the daemon answers 200 and a raw stream, both ways"""
    def handler(conn, _):
        conn.send(STREAM)
        pump(conn)
        conn.send(b"end")
        return False
    for headers in ([], UP):
        with Env() as env:
            client = open_tunnel(env, handler, headers=headers)
            answer = client.read_head()
            equal((answer.status, answer.get("Content-Length"), answer.get("Transfer-Encoding")),
                  (200, None, None), "head")
            client.send(b"ping")
            equal(client.exactly(4), b"ping", "echo")
            client.end_writing()
            equal(client.rest(), b"end", "end")


@suite.test
def exec_detached():
    """a detached exec start is an ordinary request"""
    with Env() as env:
        client = env.client()
        for _ in range(2):
            equal(client.ask("POST", "/exec/e/start", b'{"Detach":true}',
                             ["Content-Type: application/json"]).status,
                  200, "status")
        equal(env.fake.used(), 1, "connections to the daemon")


@suite.test
def framed_error():
    """an ordinary error on a hijack route leaves the connection usable"""
    body = b'{"message":"No such exec instance: e"}'
    with Env() as env:
        env.fake.handle("/exec/e/start", lambda conn, _: conn.send(response(body, "404 Not Found")))
        client = env.client()
        answer = client.ask("POST", "/exec/e/start", b"{}", UP + ["Content-Type: application/json"])
        equal((answer.status, answer.body), (404, body), "answer")
        equal(client.ask("GET", "/_ping").status, 200, "the next request")


@suite.test
def unframed_error():
    """attach to nothing: the daemon's raw error comes through, then the end"""
    data = f"HTTP/1.1 404 Not Found\r\n{RAW}\r\n\r\nNo such container: a\r\n".encode()
    for headers in (UP, []):
        with Env() as env:
            client = open_tunnel(env, lambda conn, _: conn.send(data) and False, headers=headers)
            answer = client.read_head()
            equal(answer.status, 404, "status")
            equal(client.rest(), b"No such container: a\r\n", "body")


@suite.test
def denied_attach():
    """a refused attach is an ordinary refusal, with the sentence"""
    with Env(policy="read-only.json") as env:
        client = env.client()
        answer = client.ask("POST", ATTACH, b"", UP)
        equal(answer.status, 403, "status")
        check("ContainerAttach" in answer.message(), "the operation is not named")
        equal(env.fake.received(), 0, "bytes at the daemon")


@suite.test
def websocket():
    """attach/ws: the handshake's headers go on, then bytes both ways"""
    sent = ["Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13", "Origin: http://client.invalid"]

    def handler(conn, _):
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        return pump(conn)
    with Env() as env:
        env.fake.handle("/containers/a/attach/ws", handler)
        client = env.client()
        client.request("GET", "/containers/a/attach/ws?stream=1", None, sent)
        answer = client.read_head()
        equal((answer.status, answer.get("Sec-WebSocket-Accept")),
              (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "head")
        client.send(b"\x81\x85abcdefghi")
        equal(client.exactly(11), b"\x81\x85abcdefghi", "echo")
        request = env.fake.requests[0]
        equal(request.get("Sec-WebSocket-Key"), "dGhlIHNhbXBsZSBub25jZQ==", "key")
        equal(request.get("Upgrade"), "websocket", "Upgrade")


@suite.test
def websocket_foreign_origin():
    """a websocket of a foreign page is refused"""
    with Env() as env:
        client = env.client()
        client.request("GET", "/containers/a/attach/ws", None,
                       ["Connection: Upgrade", "Upgrade: websocket", "Origin: http://evil.example"])
        check(400 <= client.read_response().status < 500, "not refused")
        equal(env.fake.received(), 0, "bytes at the daemon")


@suite.test
def h2c():
    """session and grpc under the open role, the daemon speaking first"""
    def handler(conn, _):
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n")
        return pump(conn)
    with Env() as env:
        for path in ("/session", "/grpc"):
            client = open_tunnel(env, handler, path, ["Connection: Upgrade", "Upgrade: h2c",
                                                      "X-Docker-Expose-Session-Uuid: u"], path=path)
            equal(client.read_head().status, 101, path)
            equal(client.exactly(18), b"PRI * HTTP/2.0\r\n\r\n", "preface of the daemon")
            client.send(b"\0\0\0\4\0\0\0\0\0")
            equal(client.exactly(9), b"\0\0\0\4\0\0\0\0\0", "echo")
        equal(env.fake.requests[0].get("X-Docker-Expose-Session-Uuid"), "u", "session header")


@suite.test
def client_vanishes():
    """a client that vanishes from a tunnel ends it at the daemon"""
    def handler(conn, _):
        conn.send(SWITCH)
        return pump(conn)
    with Env() as env:
        client = open_tunnel(env, handler)
        equal(client.read_head().status, 101, "status")
        client.close()
        check(env.fake.requests[0].conn.ended.wait(WAIT), "the daemon's side stays")


@suite.test
def daemon_vanishes():
    """a daemon that vanishes from a tunnel ends it at the client"""
    with Env() as env:
        client = open_tunnel(env, lambda conn, _: conn.send(SWITCH + b"x") and False)
        equal(client.read_head().status, 101, "status")
        equal(client.rest(), b"x", "last bytes")


@suite.test
def slow_daemon_in_tunnel():
    """a tunnel whose daemon does not read holds the client back, in bounded memory"""
    go = threading.Event()
    result = {}

    def handler(conn, _):
        conn.send(SWITCH)
        go.wait(20)
        result["size"] = len(conn.rest())
        return False
    with Env() as env:
        client = open_tunnel(env, handler)
        equal(client.read_head().status, 101, "status")
        client.sock.settimeout(0.3)
        sent = 0
        try:
            while sent < 4 * SIZE:
                sent += client.sock.send(b"x" * 65536)
        except TimeoutError:
            pass
        check(sent < 4 * SIZE, "nothing holds the client back")
        env.check_rss()
        client.sock.settimeout(10)
        go.set()
        client.end_writing()
        wait_for(lambda: result, "the daemon reads to the end", 10)
        equal(result["size"], sent, "bytes")


@suite.test
def many_tunnels():
    """fifty tunnels at a time keep their bytes apart"""
    def handler(conn, _):
        conn.send(SWITCH)
        return pump(conn)
    with Env() as env:
        clients = [open_tunnel(env, handler) for _ in range(50)]
        for client in clients:
            equal(client.read_head().status, 101, "status")
        for number, client in enumerate(clients):
            client.send(b"%08d" % number * 1000)
        for number, client in enumerate(clients):
            equal(client.exactly(8000), b"%08d" % number * 1000, "echo")
            client.end_writing()
        for client in clients:
            check(client.at_end(), "the tunnel stays")


@suite.test
def upload_then_tunnel():
    """one client connection: an upload, an exec create, then the tunnel"""
    def handler(conn, _):
        conn.send(SWITCH)
        return pump(conn)
    with Env() as env:
        env.fake.handle("/exec/e/start", handler)
        env.fake.handle("/containers/a/archive", lambda conn,
                        r: read_body(conn, r) and conn.send(response()), early=True)
        client = env.client()
        equal(client.ask("PUT", "/containers/a/archive?path=/", b"tar",
                         ["Content-Type: application/x-tar"]).status, 200, "upload")
        equal(client.ask("POST", "/containers/a/exec", b'{"Cmd":["id"]}',
                         ["Content-Type: application/json"]).status, 200, "create")
        client.request("POST", "/exec/e/start", b"{}", UP + ["Content-Type: application/json"])
        equal(client.read_head().status, 101, "start")
        client.send(b"abc")
        equal(client.exactly(3), b"abc", "echo")
        with Client(env.socket) as other:
            equal(other.ask("GET", "/_ping").status, 200, "another client beside the tunnel")


@suite.test
def daemon_closes_with_input_unread():
    """a process that ends without reading its input: last output, then the end, at once"""
    go = threading.Event()

    def handler(conn, _):
        conn.send(SWITCH)
        go.wait(5)
        with stopped(env):
            conn.send(b"last output")
            conn.close()
        return False
    with Env() as env:
        client = open_tunnel(env, handler)
        equal(client.read_head().status, 101, "status")
        client.send(b"input nobody reads")
        time.sleep(0.1)     # it is in the daemon's socket by then
        client.sock.settimeout(WAIT)
        go.set()
        equal(client.rest(), b"last output", "output up to the end")


@suite.test
def client_killed_with_output_unread():
    """a client that is killed with output unread ends the tunnel at the daemon, its input whole"""
    got = []

    def handler(conn, _):
        conn.send(SWITCH + b"output nobody reads")
        got.append(conn.rest())
        return False
    with Env() as env:
        client = open_tunnel(env, handler)
        wait_for(lambda: client.sock.recv(4096, socket.MSG_PEEK).endswith(b"reads"), "the output")
        with stopped(env):
            client.send(b"input")
            client.close()
        wait_for(lambda: got, "the daemon sees the end")
        equal(got[0], b"input", "input")


@suite.test
def input_then_close():
    """a client that writes much and closes at once: a slow daemon still gets all of it"""
    data = bytes(range(256)) * 1600
    go = threading.Event()
    got = []

    def handler(conn, _):
        conn.send(SWITCH)
        go.wait(5)
        got.append(conn.rest())
        return False
    with Env() as env:
        client = open_tunnel(env, handler)
        equal(client.read_head().status, 101, "status")
        client.send(data)
        client.close()
        time.sleep(0.2)     # the proxy knows that the client is gone
        go.set()
        wait_for(lambda: got, "the daemon sees the end")
        equal((len(got[0]), got[0] == data), (len(data), True), "input at the daemon")


@suite.test
def upgrade_is_the_routes():
    """the daemon is asked for the route's protocol, whatever the client's Upgrade says"""
    with Env() as env:
        client = open_tunnel(env, lambda conn, _: conn.send(SWITCH) and False, headers=[
            "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"])
        answer = client.read_head()
        equal((answer.status, answer.get("Upgrade")), (101, "tcp"), "the client is told")
        request = env.fake.requests[0]
        equal((request.all("Upgrade"), request.all("Connection"), request.get("HTTP2-Settings")),
              (["tcp"], ["Upgrade"], None), "upgrade sent on")


@suite.test
def foreign_upgrade():
    """a 101 to another protocol than the route's is a 502, and nothing behind it comes through"""
    for path, method, wanted, answered in (("/containers/a/attach", "POST", "tcp", "h2c"),
                                           ("/exec/e/start", "POST", "tcp", "websocket"),
                                           ("/session", "POST", "h2c", "tcp"),
                                           ("/containers/a/attach/ws", "GET", "websocket", "tcp"),
                                           ("/containers/a/attach", "POST", "tcp", "tcp, h2c")):
        switch = f"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: {answered}\r\n\r\ninner"
        with Env() as env:
            env.fake.handle(path, lambda conn, _: conn.send(switch.encode()) and False)
            client = env.client()
            answer = client.ask(method, path, b"{}" if "exec" in path else None, [
                "Content-Type: application/json", "Connection: Upgrade", f"Upgrade: {wanted}"])
            equal(answer.status, 502, f"{path} answered with {answered}")
            answer.message()
            check(b"inner" not in client.buffer, "the tunnel's bytes came through")
