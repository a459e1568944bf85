"""Requests and answers: keep-alive, pipelining, Expect, HTTP/1.0, framing both ways, heads."""
import json

from fake_dockerd import response
from harness import Client, Env, Suite, check, equal, wait_for

suite = Suite()
CREATE = ("POST", "/v1.41/containers/create?name=a")
JSON = ["Content-Type: application/json"]
TAR = ["Content-Type: application/x-tar"]
BODY = b'{"Image":"registry.example.com/a:1"}'


def echo(conn, request):
    return conn.send(response(json.dumps({"target": request.target}).encode()))


@suite.test
def keep_alive():
    """twenty requests of one client use one connection to the daemon"""
    with Env() as env:
        client = env.client()
        for _ in range(20):
            equal(client.ask("GET", "/containers/json").status, 200, "status")
        for _ in range(5):
            equal(client.ask(*CREATE, BODY, JSON).status, 200, "status")
        equal(env.fake.used(), 1, "connections to the daemon")
        equal(len(env.fake.requests), 25, "requests at the daemon")


@suite.test
def one_client_each():
    """two clients at a time never share a connection to the daemon"""
    with Env() as env:
        first, second = env.client(), env.client()
        for _ in range(3):
            equal(first.ask("GET", "/version").status, 200, "status")
            equal(second.ask("GET", "/info").status, 200, "status")
        for conn in env.fake.connections:
            lines = {r.path for r in env.fake.requests if r.conn is conn}
            check(len(lines) <= 1, f"one connection carried {lines}")


@suite.test
def pipelining():
    """pipelined requests are answered in their order"""
    with Env() as env:
        for number in range(8):
            env.fake.handle(f"/containers/c{number}/json", echo)
        client = env.client()
        client.send(b"".join(b"GET /containers/c%d/json HTTP/1.1\r\nHost: d\r\n\r\n" % n for n in range(8)))
        for number in range(8):
            equal(json.loads(client.read_response().body)["target"], f"/containers/c{number}/json",
                  "answer")
        equal([r.path for r in env.fake.requests], [f"/containers/c{n}/json" for n in range(8)],
              "order")


@suite.test
def connection_close():
    """Connection: close is obeyed"""
    with Env() as env:
        client = env.client()
        answer = client.ask("GET", "/_ping", headers=["Connection: close"])
        equal(answer.status, 200, "status")
        check(client.at_end(), "stays open")


@suite.test
def client_half_close():
    """a client that ends its side behind the request still gets the answer"""
    with Env() as env:
        client = env.client()
        client.request("GET", "/containers/json")
        client.end_writing()
        equal(client.read_response().status, 200, "status")
        check(client.at_end(), "stays open")


@suite.test
def expect_continue():
    """100 is sent when the body is awaited, and Expect does not go on"""
    with Env() as env:
        client = env.client()
        head = f"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n" \
               f"Expect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n"
        client.send(head.encode())
        equal(client.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n", "interim answer")
        equal(env.fake.received(), 0, "bytes at the daemon before the body")
        client.send(BODY)
        equal(client.read_head().status, 200, "status")
        request = env.fake.wait_requests(1)[0]
        equal((request.get("Expect"), request.body), (None, BODY), "what went on")


@suite.test
def expect_opaque():
    """100 for an upload that is streamed"""
    with Env() as env:
        client = env.client()
        client.send(b"PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n"
                    b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        check(client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "), "no interim answer")
        client.send(b"3\r\ntar\r\n0\r\n\r\n")
        equal(client.read_head().status, 200, "status")
        equal(env.fake.wait_requests(1)[0].body, b"tar", "body")


@suite.test
def expect_denied():
    """what is refused by its head gets the refusal instead of 100"""
    with Env(policy="read-only.json") as env:
        client = env.client()
        client.send(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                    b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n")
        answer = client.read_head()
        equal(answer.status, 403, "status")
        equal(env.fake.received(), 0, "bytes at the daemon")


@suite.test
def expect_too_large():
    """a body over the limit is refused by its length, without 100"""
    with Env("--max-body", "10000") as env:
        client = env.client()
        client.send(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                    b"Expect: 100-continue\r\nContent-Length: 10001\r\n\r\n")
        equal(client.read_head().status, 413, "status")


@suite.test
def http10():
    """an HTTP/1.0 client gets no chunks and sees the end by the close"""
    def chunked(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        return True
    with Env() as env:
        env.fake.handle("/events", chunked)
        for target, body in (("/events", b"hello world"), ("/containers/json", b"{}")):
            client = env.client()
            answer = client.ask("GET", target, version="1.0")
            equal((answer.status, answer.get("Transfer-Encoding"), answer.body), (200, None, body),
                  target)
            check(client.at_end(), "stays open")
        equal(env.fake.requests[0].version, "HTTP/1.1", "version sent on")


@suite.test
def json_is_reframed():
    """a chunked JSON body goes on with Content-Length, its bytes unchanged"""
    with Env() as env:
        client = env.client()
        client.send(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json; charset=utf-8\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(BODY), 7):
            part = BODY[at:at + 7]
            client.send(b"%x\r\n%s\r\n" % (len(part), part))
        client.send(b"0\r\n\r\n")
        equal(client.read_response().status, 200, "status")
        request = env.fake.wait_requests(1)[0]
        equal(request.all("Content-Length"), [str(len(BODY))], "Content-Length")
        equal(request.all("Transfer-Encoding"), [], "Transfer-Encoding")
        equal(request.all("Content-Type"), ["application/json"], "Content-Type")
        equal(request.body, BODY, "body")


@suite.test
def opaque_upload():
    """a tar goes on as it comes, by length and in chunks"""
    data = bytes(range(256)) * 64
    with Env() as env:
        client = env.client()
        equal(client.ask("PUT", "/containers/a/archive?path=/", data, TAR).status, 200, "status")
        client.send(b"PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(data), 3000):
            part = data[at:at + 3000]
            client.send(b"%x\r\n%s\r\n" % (len(part), part))
        client.send(b"0\r\n\r\n")
        equal(client.read_response().status, 200, "status of the chunked one")
        equal(client.ask("GET", "/_ping").status, 200, "status of the next request")
        first, second = env.fake.wait_requests(3)[:2]
        equal((first.body, first.get("Content-Type")), (data, "application/x-tar"), "by length")
        equal((second.body, second.get("Content-Type")), (data, "application/x-tar"), "in chunks")


@suite.test
def heads():
    """what goes on of a request's head, and what comes back of an answer's"""
    sent = ["User-Agent: test/1", "Accept: */*", "X-Registry-Auth: e30=",
            "X-Forwarded-For: 1.2.3.4",
            "X-Meta-A: b", "Cookie: c", "Keep-Alive: 5", "TE: trailers", "Accept-Encoding: gzip"]
    back = ["Api-Version: 1.41", "Server: Docker/20.10 (linux)", "Docker-Experimental: false",
            "X-Docker-Container-Path-Stat: e30=", "Keep-Alive: timeout=5", "Warning: x"]
    with Env() as env:
        env.fake.handle("/images/create", lambda conn, _: conn.send(response(headers=back)))
        client = env.client()
        answer = client.ask("POST", "/images/create?fromImage=a&tag=1", b"", sent)
        request = env.fake.wait_requests(1)[0]
        names = [name.lower() for name, _ in request.headers]
        for name in ("user-agent", "accept", "x-registry-auth", "host"):
            check(name in names, f"{name} is missing upstream: {names}")
        for name in ("x-forwarded-for", "x-meta-a", "cookie", "keep-alive", "te",
                     "accept-encoding"):
            check(name not in names, f"{name} went on")
        equal(request.get("X-Registry-Auth"), "e30=", "X-Registry-Auth")
        for line in back:
            name, value = line.split(": ", 1)
            equal(answer.get(name), None if name == "Keep-Alive" else value,
                  f"header {name} of the answer")


@suite.test
def no_body_answers():
    """HEAD, 204 and 304 have no body, and the connection goes on"""
    with Env() as env:
        env.fake.handle("/_ping", lambda conn, r: conn.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1234\r\n\r\n"
            if r.method == "HEAD" else response(b"OK")))
        env.fake.handle("/containers/a/start", lambda conn,
                        _: conn.send(b"HTTP/1.1 204 No Content\r\n\r\n"))
        env.fake.handle("/containers/b/start", lambda conn, _: conn.send(
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"))
        client = env.client()
        answer = client.ask("HEAD", "/_ping")
        equal((answer.status, answer.get("Content-Length")), (200, "1234"), "HEAD")
        equal(client.ask("POST", "/containers/a/start", b"").status, 204, "204")
        equal(client.ask("POST", "/containers/b/start", b"").status, 304, "304")
        equal(client.ask("GET", "/_ping").body, b"OK", "the request behind them")
        equal(env.fake.used(), 1, "connections to the daemon")


@suite.test
def head_chunked():
    """HEAD answered with Transfer-Encoding has no body either"""
    with Env() as env:
        env.fake.handle("/containers/a/archive", lambda conn, _: conn.send(
            b"HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: e30=\r\nTransfer-Encoding: chunked\r\n\r\n"))
        client = env.client()
        equal(client.ask("HEAD",
                         "/containers/a/archive?path=/").get("X-Docker-Container-Path-Stat"), "e30=", "stat")
        equal(client.ask("GET", "/_ping").status, 200, "the request behind it")


@suite.test
def interim_answers():
    """interim answers of the daemon do not confuse the final one"""
    def interim(conn, _):
        return conn.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
                         b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + response(b'"final"'))
    with Env() as env:
        env.fake.handle("/containers/create", interim)
        client = env.client()
        for _ in range(2):
            answer = client.ask(*CREATE, BODY, JSON)
            equal((answer.status, answer.body), (200, b'"final"'), "final answer")


@suite.test
def trailers():
    """trailers of a chunked answer do no harm"""
    def handler(conn, _):
        return conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
                         b"3\r\nabc\r\n0\r\nX: y\r\n\r\n")
    with Env() as env:
        env.fake.handle("/events", handler)
        client = env.client()
        for _ in range(2):
            equal(client.ask("GET", "/events").body, b"abc", "body")


@suite.test
def error_answers():
    """the daemon's own errors come through unchanged, and the connection goes on"""
    with Env() as env:
        body = b'{"message":"No such container: a"}\n'
        env.fake.handle("/containers/a/json", lambda conn,
                        _: conn.send(response(body, "404 Not Found")))
        env.fake.handle("/containers/b/json", lambda conn,
                        _: conn.send(response(body, "500 Internal Server Error")))
        client = env.client()
        equal(client.ask("GET", "/containers/a/json").body, body, "404")
        equal(client.ask("GET", "/containers/b/json").status, 500, "500")
        equal(client.ask("GET", "/_ping").status, 200, "the next one")


@suite.test
def denied_keeps_connection():
    """a refusal by policy leaves the connection usable, whatever body was sent"""
    with Env(policy="read-only.json") as env:
        client = env.client()
        for body in (b"", BODY, b"x" * 200000):
            answer = client.ask(*CREATE, body, JSON)
            equal(answer.status, 403, "status")
            check("ContainerCreate" in answer.message(),
                  f"the operation is not named: {answer.body!r}")
            equal(client.ask("GET", "/_ping").status, 200, "the next request")
        client.send(b"PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n3\r\ntar\r\n0\r\n\r\n")
        answer = client.read_response()
        equal(answer.status, 403, "chunked upload")
        if answer.get("Connection") == "close":
            check(client.at_end(), "Connection: close, but it stays open")
        else:
            equal(client.ask("GET", "/_ping").status, 200, "the request behind the upload")
        check(all(r.path == "/_ping" for r in env.fake.requests), "something else went on")


@suite.test
def denied_while_sending():
    """a client that is still sending 8 MB gets the refusal, not a broken pipe"""
    with Env(policy="read-only.json") as env:
        for coding in ("length", "chunks"):
            with Client(env.socket) as client:
                framing = b"Content-Length: 8388608" if coding == "length" else b"Transfer-Encoding: chunked"
                client.send(b"POST /build HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n" + framing + b"\r\n\r\n")
                part = b"x" * 65536
                data = part if coding == "length" else b"10000\r\n" + part + b"\r\n"
                for _ in range(128):
                    check(client.send_if_open(data), f"{coding}: the proxy stopped reading")
                if coding == "chunks":
                    client.send_if_open(b"0\r\n\r\n")
                equal(client.read_response().status, 403, coding)
        equal(env.fake.received(), 0, "bytes at the daemon")


@suite.test
def head_denied():
    """the refusal of a HEAD has no body"""
    with Env(policy="none.json") as env:
        client = env.client()
        client.request("HEAD", "/_ping")
        client.request("GET", "/_ping")
        equal(client.read_head().status, 403, "HEAD")
        answer = client.read_response()
        equal(answer.status, 403, "GET behind it")
        answer.message()


@suite.test
def malformed_closes():
    """what is not HTTP gets 400 and the connection is closed"""
    with Env() as env:
        client = env.client()
        client.send(b"GET /_ping HTTP/1.1\r\nHost: d\r\nA : b\r\n\r\nGET /version HTTP/1.1\r\nHost: d\r\n\r\n")
        answer = client.read_response()
        equal((answer.status, answer.get("Connection")), (400, "close"), "answer")
        answer.message()
        check(client.at_end(), "stays open")
        equal(env.fake.received(), 0, "bytes at the daemon")
        wait_for(lambda: [x for x in env.audit() if x["record"] == "refused"],
                 "a line in the audit")


@suite.test
def pipelining_and_end():
    """pipelined requests and the client's end in one: every one is answered"""
    with Env() as env:
        client = env.client()
        client.send(b"GET /version HTTP/1.1\r\nHost: d\r\n\r\n" * 3)
        client.end_writing()
        for number in range(3):
            equal(client.read_response().status, 200, f"answer {number}")
        check(client.at_end(), "more than three answers")
