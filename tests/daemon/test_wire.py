"""Bytes on the wire: heads in time, raw streams, half-close, keep-alive, pipelining, HTTP/1.0."""
import base64
import json
import os
import struct

import engine
from engine import demux
from harness import check, holds, same, scenario, sha

IMAGE = "busybox:test"
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "tcp")]
GATED = ("sh", "-c", "mkfifo /gate; read x </gate; exit 3")


def new_exec(t, name, *cmd, **more):
    """An exec made through the default proxy, so that starting it there is this client's right."""
    conn = t.raw()
    conn.request("POST", "/v1.41/containers/%s/exec" % name,
                 {"AttachStdout": True, "AttachStderr": True, "Cmd": list(cmd), **more})
    head = conn.head()
    body = conn.body(head)
    same("status of exec create (%r)" % body[:200], head.status, 201)
    conn.close()
    return json.loads(body)["Id"]


def start_exec(t, ident, headers=UPGRADE):
    conn = t.raw()
    conn.request("POST", "/v1.41/exec/%s/start" % ident, {"Detach": False, "Tty": False}, headers)
    return conn


@scenario(cli=False)
def wait_head_at_once(t):
    name = t.made(*GATED)
    conn = t.raw()
    conn.request("POST", "/v1.41/containers/%s/wait?condition=not-running" % name)
    head = conn.head(3)
    same("status", head.status, 200)
    check(t.running(name), "the container ended too early for this test")
    t.poke(name, "sh", "-c", "echo go >/gate")
    same("answer", json.loads(conn.body(head))["StatusCode"], 3)


@scenario(cli=False)
def events_http_1_0(t):
    name = t.name()
    conn = t.raw()
    conn.send(b"GET /events HTTP/1.0\r\n\r\n")
    head = conn.head(5)
    same("status", head.status, 200)
    same("Transfer-Encoding", head["transfer-encoding"], None)
    t.engine("POST", "/containers/create?name=" + name, {"Image": IMAGE, "Cmd": ["true"]}, (201,))
    t.until("event of the new container", lambda: json.loads(conn.until(b"\n", 5))[
        "Actor"]["Attributes"].get("name") == name)


@scenario(cli=False)
def exec_without_upgrade(t):
    name = t.made("sleep", "1000")
    conn = start_exec(t, new_exec(t, name, "sh", "-c", "echo raw; echo err >&2"), [])
    head = conn.head()
    same("status", head.status, 200)
    same("Content-Type", head["content-type"], "application/vnd.docker.raw-stream")
    same("Transfer-Encoding", head["transfer-encoding"], None)
    same("output", demux(conn.to_eof()), b"raw\n")
    ident = new_exec(t, name, "cat", AttachStdin=True)
    conn = start_exec(t, ident, [])
    same("status with stdin", conn.head().status, 200)
    conn.send(b"typed\n")
    same("echo", conn.exactly(14), b"\x01\0\0\0\0\0\0\x06typed\n")
    conn.half_close()
    same("end", conn.to_eof(), b"")


@scenario(cli=False)
def exec_upgrade(t):
    name = t.made("sleep", "1000")
    conn = start_exec(t, new_exec(t, name, "echo", "up"))
    head = conn.head()
    same("status", head.status, 101)
    same("Upgrade", head["upgrade"], "tcp")
    same("Connection", (head["connection"] or "").lower(), "upgrade")
    same("output", demux(conn.to_eof()), b"up\n")


@scenario(cli=False)
def half_close_by_client(t):
    name = t.made("sleep", "1000")
    data = os.urandom(3 << 20)
    conn = start_exec(t, new_exec(t, name, "sh", "-c", "cat >/file; sha256sum </file; cat /file",
                                  AttachStdin=True))
    same("status", conn.head().status, 101)
    conn.send(data)
    conn.half_close()
    out = demux(conn.to_eof(30))
    same("sha256 that the container saw", out[:64].decode(), sha(data))
    same("sha256 of what came back", sha(out.split(b"\n", 1)[1]), sha(data))


@scenario(cli=False)
def half_close_at_once(t):
    """The CLI closes its writing side at once for exec without -i; the output must still come."""
    name = t.made("sleep", "1000")
    conn = start_exec(t, new_exec(t, name, "sh", "-c", "sleep 1; echo late; head -c 500000 "
                                  "/dev/zero"))
    same("status", conn.head().status, 101)
    conn.half_close()
    same("length of the output", len(demux(conn.to_eof(20))), 500005)


@scenario(cli=False)
def end_by_daemon(t):
    """The daemon's end of a stream arrives although the client never closes its side."""
    name = t.made("sleep", "1000")
    conn = start_exec(t, new_exec(t, name, "echo", "bye", AttachStdin=True))
    same("status", conn.head().status, 101)
    same("output up to the end", demux(conn.to_eof(10)), b"bye\n")


@scenario(cli=False)
def attach_raw(t):
    name = t.made("cat", start=False, OpenStdin=True, StdinOnce=True, AttachStdin=True,
                  AttachStdout=True)
    conn = t.raw()
    conn.request("POST", "/v1.41/containers/%s/attach?stream=1&stdin=1&stdout=1" % name, None,
                 UPGRADE)
    same("status", conn.head().status, 101)
    t.engine("POST", "/containers/%s/start" % name, None, (204,))
    conn.send(b"one\n")
    same("echo", conn.exactly(12), b"\x01\0\0\0\0\0\0\x04one\n")
    conn.send(b"two\n")
    conn.half_close()
    same("rest", conn.to_eof(), b"\x01\0\0\0\0\0\0\x04two\n")


@scenario(cli=False, proxy=True)
def early_bytes_are_kept(t):
    """A bare daemon loses what comes in one read with the request head; the proxy holds it back."""
    name = t.made("sleep", "1000")
    ident = new_exec(t, name, "cat", AttachStdin=True)
    body = b'{"Detach":false,"Tty":false}'
    conn = t.raw()
    conn.send(b"POST /v1.41/exec/%s/start HTTP/1.1\r\nHost: docker\r\n"
              b"Content-Type: application/json\r\nContent-Length: %d\r\n"
              b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n%searly\n"
              % (ident.encode(), len(body), body))
    conn.half_close()
    same("status", conn.head().status, 101)
    same("output", demux(conn.to_eof()), b"early\n")


@scenario(cli=False)
def attach_websocket(t):
    name = t.made("sh", "-c", "read x; echo ws $x; read y", OpenStdin=True)
    conn = t.raw("all")
    key = base64.b64encode(os.urandom(16)).decode()
    conn.request("GET", "/v1.41/containers/%s/attach/ws?stream=1&stdin=1&stdout=1" % name, None, [
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key), ("Origin", "http://docker")])
    head = conn.head()
    same("status", head.status, 101)
    same("Upgrade", (head["upgrade"] or "").lower(), "websocket")
    conn.send(b"\x81\x85" + bytes(4) + b"word\n")
    data = b""
    while b"ws word" not in data:
        _, size = struct.unpack("BB", conn.exactly(2))
        data += conn.exactly(size & 127)


@scenario(cli=False)
def keep_alive(t):
    name = t.made("sleep", "1000")
    conn = t.raw()
    for target, status in (("/_ping", 200), ("/v1.41/version", 200),
                           ("/containers/json?all=1", 200),
                           ("/v1.41/containers/none-such/json", 404), ("/images/json", 200),
                           ("/v1.41/containers/%s/json" % name, 200), ("/nothing/here", None)):
        conn.request("GET", target)
        head = conn.head()
        body = conn.body(head)
        check(head.status == status or status is None and head.status in (403, 404),
              "%s: status %d, body %r", target, head.status, body[:200])
        check(head["connection"] != "close", "the connection must stay after %s", target)
    conn.request("POST", "/v1.41/containers/%s/kill?signal=KILL" % name)
    head = conn.head()
    same("status without content", head.status, 204)
    conn.request("GET", "/_ping")
    same("after 204", (lambda h: (h.status, conn.body(h)))(conn.head()), (200, b"OK"))


@scenario(cli=False)
def pipelining(t):
    name = t.made("sleep", "1000")
    conn = t.raw()
    create = b'{"Cmd":["true"]}'
    conn.send(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
              b"POST /v1.41/containers/%s/exec HTTP/1.1\r\nHost: d\r\n"
              b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
              b"GET /v1.41/containers/json HTTP/1.1\r\nHost: d\r\n\r\n"
              b"GET /v1.41/containers/none-such/json HTTP/1.1\r\nHost: d\r\n\r\n"
              % (name.encode(), len(create), create))
    bodies = []
    for status in (200, 201, 200, 404):
        head = conn.head()
        bodies.append(conn.body(head))
        same("status", (head.status, bodies[-1][:80] if head.status != status else b""),
             (status, b""))
    same("first", bodies[0], b"OK")
    holds("second", bodies[1], b'"Id"')
    holds("third", bodies[2], name.encode())
    holds("fourth", bodies[3], b"none-such")


@scenario(cli=False)
def head_requests(t):
    name = t.made("sleep", "1000")
    conn = t.raw()
    for path in ("/_ping", "/v1.41/_ping"):
        conn.request("HEAD", path)
        head = conn.head()
        same("status of HEAD", head.status, 200)
        same("Api-Version", head["api-version"], "1.41")
        same("Ostype", head["ostype"], "linux")
        holds("Server", head["server"] or "", "Docker")
    conn.request("GET", "/_ping")
    same("GET after HEAD", (lambda h: (h.status, conn.body(h)))(conn.head()), (200, b"OK"))
    conn = t.raw("all")
    conn.request("HEAD", "/v1.41/containers/%s/archive?path=/bin/busybox" % name)
    head = conn.head()
    same("status of HEAD archive", head.status, 200)
    stat = json.loads(base64.b64decode(head["x-docker-container-path-stat"]))
    same("stat", stat["name"], "busybox")


@scenario(cli=False)
def expect_continue(t):
    name = t.name()
    body = json.dumps({"Image": IMAGE, "Cmd": ["true"]}).encode()
    conn = t.raw()
    conn.send(b"POST /v1.41/containers/create?name=%s HTTP/1.1\r\nHost: d\r\n"
              b"Expect: 100-continue\r\n"
              b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
              % (name.encode(), len(body)))
    same("interim status", conn.head().status, 100)
    conn.send(body)
    head = conn.head()
    same("status", (head.status, conn.body(head)[:6]), (201, b'{"Id":'))


@scenario(cli=False)
def chunked_body(t):
    name = t.name()
    body = json.dumps({"Image": IMAGE, "Cmd": ["true"]}).encode()
    conn = t.raw()
    conn.send(b"POST /v1.41/containers/create?name=%s HTTP/1.1\r\nHost: d\r\nContent-Type: "
              b"application/json\r\nTransfer-Encoding: chunked\r\n\r\n" % name.encode())
    for at in range(0, len(body), 7):
        part = body[at:at + 7]
        conn.send(b"%x\r\n%s\r\n" % (len(part), part))
    conn.send(b"0\r\n\r\n")
    head = conn.head()
    same("status", head.status, 201)
    conn.body(head)
    conn.request("GET", "/_ping")
    same("next request", conn.head().status, 200)


@scenario(cli=False)
def slow_reader(t):
    """A client that does not read holds the daemon back and loses nothing."""
    name = t.made("sh", "-c", "dd if=/dev/zero bs=64k count=320 2>/dev/null; sleep 1000")
    t.until("logged output", lambda: len(t.engine(
        "GET", "/containers/%s/logs?stdout=1&tail=1" % name)[1] or b"") > 0)
    conn = t.raw()
    ident = new_exec(t, name, "sh", "-c", "dd if=/dev/zero bs=64k count=320 2>/dev/null")
    conn = start_exec(t, ident)
    same("status", conn.head().status, 101)
    other = t.raw()
    for _ in range(200):
        other.request("GET", "/_ping")
        same("meanwhile", other.body(other.head()), b"OK")
    same("length", len(demux(conn.to_eof(30))), 320 * 65536)


def resident(pid):
    with open("/proc/%d/status" % pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) >> 10


@scenario(cli=False, proxy=True)
def bounded_memory(t):
    """200 MB that nobody reads stay with the daemon, not in the proxy."""
    own = t.world.proxies.get("all", t.world.daemon.socket, "memory")
    name = t.made("sleep", "1000")
    _, body = engine.call(own.socket, "POST", "/containers/%s/exec" % name, {
        "AttachStdout": True, "Cmd": ["dd", "if=/dev/zero", "bs=64k", "count=3200"]})
    conn = engine.Raw(own.socket)
    t.raws.append(conn)
    before = resident(own.popen.pid)
    conn.request("POST", "/v1.41/exec/%s/start" % json.loads(body)["Id"], {"Detach": False},
                 UPGRADE)
    same("status", conn.head().status, 101)
    samples = []

    def settled():
        samples.append(resident(own.popen.pid))
        return len(samples) > 30 and len(set(samples[-30:])) == 1
    t.until("memory that stays", settled, 20)
    check(samples[-1] - before < 24, "the proxy grew by %d MB for a reader that waits",
          samples[-1] - before)
    total = 0
    while total < 3200 * 65536:
        size = struct.unpack(">xxxxL", conn.exactly(8))[0]
        total += len(conn.exactly(size))
    same("bytes in the end", total, 3200 * 65536)


@scenario(cli=False)
def raw_json_in_query(t):
    """autoheal and curl users send braces and quotes as they are."""
    name = t.made("sleep", "1000", Labels={"heal": t.prefix})
    conn = t.raw()
    conn.request("GET", '/containers/json?filters={"label":["heal=%s"]}' % t.prefix)
    head = conn.head()
    body = conn.body(head)
    same("status (%r)" % body[:200], head.status, 200)
    same("found", [c["Names"] for c in json.loads(body)], [["/" + name]])
    conn.request("GET", "/v1.41/images/registry.example.com%2Fci%2Fapp%3A1/json")
    head = conn.head()
    body = conn.body(head)
    same("escaped image name (%r)" % body[:200], head.status, 200)
