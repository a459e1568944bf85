"""Large and slow bodies both ways: bounded memory, no buffering of streams, early answers."""
import hashlib
import signal
import socket
import threading
import time

from fake_dockerd import read_body, response
from harness import WAIT, Client, Env, Suite, check, equal, free_port, wait_for

suite = Suite()
BIG = 50 * 1024 * 1024
PART = bytes(range(256)) * 256      # 64 KiB
UPLOAD = b"PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Sender(threading.Thread):
    """Sends the same part again and again; counts what was taken."""

    def __init__(self, send, part, count, last=b""):
        super().__init__(daemon=True)
        self.send_part, self.part, self.count, self.last = send, part, count, last
        self.done = 0
        self.failed = False

    def run(self):
        try:
            for _ in range(self.count):
                if self.send_part(self.part) is False:
                    self.failed = True
                    return
                self.done += 1
            self.send_part(self.last)
        except OSError:
            self.failed = True


def wait_stalled(sender, seconds=20):
    """Until the sender has made no step for 0.3 s, which is what backpressure looks like."""
    state = {"done": -1, "since": time.monotonic()}

    def stalled():
        if sender.done != state["done"]:
            state.update(done=sender.done, since=time.monotonic())
        return sender.done > 0 and time.monotonic() - state["since"] > 0.3
    wait_for(stalled, "the sender is held back", seconds)


def upload(framing, part, last):
    go = threading.Event()
    result = {}

    def slow(conn, request):
        check(go.wait(30), "never told to go on")
        whole = read_body(conn, request)
        result.update(whole=whole, hash=hashlib.sha256(request.body).hexdigest(),
                      size=len(request.body))
        return conn.send(response())
    with Env() as env:
        env.fake.handle("/containers/a/archive", slow, early=True)
        client = env.client(30)
        client.send(UPLOAD + framing + b"\r\n\r\n")
        sender = Sender(client.send, part, BIG // len(PART), last)
        sender.start()
        wait_stalled(sender)
        check(sender.done * len(PART) < BIG // 2,
              f"{sender.done * len(PART)} bytes were taken from the client")
        env.check_rss()
        go.set()
        equal(client.read_response().status, 200, "status")
        env.check_rss()
        equal((result["whole"], result["size"]), (True, BIG), "what arrived")
        equal(result["hash"], hashlib.sha256(PART * (BIG // len(PART))).hexdigest(), "its hash")
        equal(client.ask("GET", "/_ping").status, 200, "the next request")


@suite.test
def upload_slow_daemon():
    """50 MB by length to a slow daemon, in bounded memory"""
    upload(b"Content-Length: %d" % BIG, PART, b"")


@suite.test
def upload_slow_daemon_chunked():
    """50 MB in chunks to a slow daemon, in bounded memory"""
    upload(b"Transfer-Encoding: chunked", chunk(PART), b"0\r\n\r\n")


def download(head, part, last):
    senders = []

    def fast(conn, _):
        conn.send(head)
        sender = Sender(conn.send, part, BIG // len(PART), last)
        senders.append(sender)
        sender.run()
        return not sender.failed
    with Env() as env:
        env.fake.handle("/containers/a/export", fast)
        client = env.client(30)
        client.request("GET", "/containers/a/export")
        wait_for(lambda: senders, "the daemon answers")
        wait_stalled(senders[0])
        check(senders[0].done * len(PART) < BIG // 2, "the proxy took it all")
        env.check_rss()
        answer = client.read_response()
        equal(len(answer.body), BIG, "size")
        equal(hashlib.sha256(answer.body).hexdigest(),
              hashlib.sha256(PART * (BIG // len(PART))).hexdigest(), "hash")
        env.check_rss()
        equal(client.ask("GET", "/_ping").status, 200, "the next request")


@suite.test
def download_slow_client():
    """50 MB by length to a slow client, in bounded memory"""
    download(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG, PART, b"")


@suite.test
def download_slow_client_chunked():
    """50 MB in chunks to a slow client, in bounded memory"""
    download(CHUNKED, chunk(PART), b"0\r\n\r\n")


@suite.test
def stream_is_unbuffered():
    """a chunk arrives before the daemon sends the next one"""
    go = threading.Semaphore(0)

    def events(conn, _):
        conn.send(CHUNKED)
        for number in range(3):
            go.acquire(timeout=10)
            conn.send(chunk(b'{"n":%d}\n' % number))
        go.acquire(timeout=10)
        return conn.send(b"0\r\n\r\n")
    with Env() as env:
        env.fake.handle("/events", events)
        client = env.client()
        client.request("GET", "/events")
        equal(client.read_head().status, 200, "head before any event")
        for number in range(3):
            go.release()
            equal(client.chunk(), b'{"n":%d}\n' % number, "event")
        go.release()
        equal(client.chunk(), b"", "end")
        equal(client.ask("GET", "/_ping").status, 200, "the next request")


@suite.test
def wait_gets_head_at_once():
    """the head of a long poll comes before its body"""
    go = threading.Event()

    def handler(conn, _):
        conn.send(CHUNKED)
        go.wait(10)
        return conn.send(chunk(b'{"StatusCode":0}') + b"0\r\n\r\n")
    with Env() as env:
        env.fake.handle("/containers/a/wait", handler)
        client = env.client()
        client.request("POST", "/containers/a/wait?condition=next-exit", b"")
        equal(client.read_head().status, 200, "head")
        go.set()
        equal(client.chunk(), b'{"StatusCode":0}', "body")


@suite.test
def slow_drip():
    """an answer that comes byte by byte is the same answer"""
    data = response(b'{"slow":true}')

    def handler(conn, _):
        for at in range(len(data)):
            conn.send(data[at:at + 1])
            time.sleep(0.001)
        return True
    with Env() as env:
        env.fake.handle("/info", handler)
        client = env.client()
        for _ in range(2):
            equal(client.ask("GET", "/info").body, b'{"slow":true}', "body")


def early_answer(framing, part):
    def handler(conn, _):
        conn.exactly(100000)
        conn.send(response(b'{"message":"no space left"}', "500 Internal Server Error", close=True))
        conn.end_writing()
        conn.rest()             # a daemon reads a while, so that its answer is not lost
        return False
    with Env() as env:
        env.fake.handle("/containers/a/archive", handler, early=True)
        client = env.client(20)
        client.send(UPLOAD + framing + b"\r\n\r\n")
        sender = Sender(client.send, part, 20 * 16)
        sender.start()
        answer = client.read_response()
        equal((answer.status, answer.body), (500, b'{"message":"no space left"}'), "answer")
        client.close()
        sender.join(WAIT)
        check(not sender.is_alive(), "the sender hangs")
        equal(env.ask("GET", "/_ping").status, 200, "another client")


@suite.test
def early_answer_length():
    """the daemon answers while a body with a length is still being sent"""
    early_answer(b"Content-Length: %d" % (20 * 16 * len(PART)), PART)


@suite.test
def early_answer_chunked():
    """the daemon answers while a chunked body is still being sent"""
    early_answer(b"Transfer-Encoding: chunked", chunk(PART))


@suite.test
def early_answer_then_gone():
    """the daemon answers and closes at once, without reading the rest"""
    def handler(conn, _):
        conn.exactly(1000)
        conn.send(response(b'{"message":"no"}', "400 Bad Request", close=True))
        return False
    with Env() as env:
        env.fake.handle("/containers/a/archive", handler, early=True)
        client = env.client(20)
        client.send(UPLOAD + b"Content-Length: 1000000000\r\n\r\n")
        sender = Sender(client.send, PART, 200)
        sender.start()
        equal(client.read_response().status, 400, "status")
        client.close()
        sender.join(5)


@suite.test
def early_answer_interleaved():
    """a build writes its log while the context still comes, and both end well"""
    def build(conn, request):
        conn.send(CHUNKED)
        conn.send(chunk(b'{"stream":"Step 1"}\n'))
        whole = read_body(conn, request)
        return conn.send(chunk(b'{"size":%d,"whole":%d}' % (len(request.body),
                                                            whole)) + b"0\r\n\r\n")
    with Env() as env:
        env.fake.handle("/build", build, early=True)
        client = env.client()
        client.send(b"POST /build HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunk(PART))
        answer = client.read_head()
        equal(answer.status, 200, "head while sending")
        equal(client.chunk(), b'{"stream":"Step 1"}\n', "first line while sending")
        for _ in range(10):
            client.send(chunk(PART))
        client.send(b"0\r\n\r\n")
        equal(b"".join(client.chunks()), b'{"size":%d,"whole":1}' % (11 * len(PART)), "last line")
        if answer.get("Connection") == "close":
            check(client.at_end(), "Connection: close, but it stays open")
        else:
            equal(client.ask("GET", "/_ping").status, 200, "the next request")


def broken_upload(rest, end):
    """(what the client got, did the daemon see a whole body) of an upload that goes wrong."""
    result = {}

    def handler(conn, request):
        result["whole"] = read_body(conn, request)
        if result["whole"]:
            return conn.send(response())
        return False
    with Env() as env:
        env.fake.handle("/containers/a/archive", handler, early=True)
        client = env.client()
        client.send(UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n")
        env.fake.wait_requests(1)
        client.send_if_open(rest)
        if end:
            client.close()
        wait_for(lambda: "whole" in result, "the daemon's connection ends")
        equal(result["whole"], False, "the body counts as whole at the daemon")
        if not end:
            answer = client.rest()
            check(not answer or answer.startswith(b"HTTP/1.1 4"), f"answer {answer[:100]!r}")


@suite.test
def upload_bad_chunk():
    """a chunk that is not one ends the upload at the daemon too, without a last chunk"""
    for rest in (b"zz\r\n", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n",
                 b"0\r\nA: b\r\n\r\n",
                 b"00000000000000005\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n"):
        broken_upload(rest, False)


@suite.test
def client_gone_mid_upload():
    """a client that vanishes takes its upload with it"""
    broken_upload(b"ff\r\nabc", True)


@suite.test
def client_gone_mid_download():
    """a client that vanishes ends the daemon's connection"""
    ended = threading.Event()

    def handler(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
        sender = Sender(conn.send, PART, BIG // len(PART))
        sender.run()
        if sender.failed:
            ended.set()
        return False
    with Env() as env:
        env.fake.handle("/containers/a/export", handler)
        client = env.client()
        client.request("GET", "/containers/a/export")
        client.exactly(100000)
        client.close()
        check(ended.wait(WAIT), "the daemon goes on sending")


@suite.test
def client_gone_while_waiting():
    """a client that vanishes from an idle stream ends the daemon's connection"""
    def handler(conn, _):
        conn.send(CHUNKED)
        conn.rest()
        return False
    with Env() as env:
        env.fake.handle("/events", handler)
        client = env.client()
        client.request("GET", "/events")
        equal(client.read_head().status, 200, "status")
        client.close()
        check(env.fake.requests[0].conn.ended.wait(WAIT), "the daemon's connection stays")


@suite.test
def truncated_answer():
    """an answer that breaks off is not made whole"""
    def by_length(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        return False

    def in_chunks(conn, _):
        conn.send(CHUNKED + chunk(b"abc"))
        return False

    def bad_chunk(conn, _):
        conn.send(CHUNKED + chunk(b"abc") + b"zz\r\n")
        return False
    with Env() as env:
        for number, handler in enumerate((by_length, in_chunks, bad_chunk)):
            env.fake.handle(f"/containers/c{number}/json", handler)
            with Client(env.socket) as client:
                client.request("GET", f"/containers/c{number}/json")
                answer = client.read_head()
                if answer.status == 502:    # noticed before anything was passed on
                    continue
                data = client.rest()
                check(b"abc" in data, f"{handler.__name__}: {data!r}")
                check(not data.endswith(b"0\r\n\r\n"), f"{handler.__name__}: ends as if whole")



@suite.test
def many_streams():
    """a hundred idle event streams and one event for each"""
    go = threading.Event()

    def handler(conn, _):
        conn.send(CHUNKED)
        go.wait(20)
        return conn.send(chunk(b"{}\n") + b"0\r\n\r\n")
    with Env() as env:
        env.fake.handle("/events", handler)
        clients = [env.client(20) for _ in range(100)]
        for client in clients:
            client.request("GET", "/events")
        for client in clients:
            equal(client.read_head().status, 200, "status")
        go.set()
        for client in clients:
            equal(b"".join(client.chunks()), b"{}\n", "event")


@suite.test
def tcp_listener():
    """the same over loopback TCP"""
    port = free_port()
    with Env("-H", f"tcp://127.0.0.1:{port}", "--insecure-tcp") as env:
        with Client(("127.0.0.1", port)) as client:
            for _ in range(3):
                equal(client.ask("GET", "/containers/json").status, 200, "status")
            data = PART * 16
            equal(client.ask("PUT", "/containers/a/archive?path=/", data,
                             ["Content-Type: application/x-tar"]).status, 200, "upload")
            equal(env.fake.requests[-1].body, data, "body")


@suite.test
def slow_readers_lose_nothing():
    """who reads an answer only after --idle-timeout, or has half-closed, still gets all of it"""
    body = PART * 7
    with Env("--idle-timeout", "1") as env:
        env.fake.handle("/info", lambda conn, _: conn.send(response(body)))
        slow, half = env.client(), env.client()
        slow.request("GET", "/info")
        half.request("GET", "/info")
        time.sleep(0.2)
        half.end_writing()
        time.sleep(1.4)
        for name, client in (("idle", slow), ("half-closed", half)):
            check(client.read_response().body == body, name)


@suite.test
def early_bytes_then_gone():
    """a client of /events that has sent more, little or much, and vanishes ends the daemon's side"""
    ended = threading.Semaphore(0)

    def handler(conn, _):
        conn.send(CHUNKED)
        conn.rest()
        ended.release()
        return False
    with Env("--workers", "1") as env:
        env.fake.handle("/events", handler)
        for size in (0, 100, 70000, 200000):
            client = env.client()
            client.request("GET", "/events")
            equal(client.read_head().status, 200, "status")
            client.send((b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n" * 8000)[:size])
            client.close()
            check(ended.acquire(timeout=WAIT), f"the daemon's connection stays, {size} bytes early")


@suite.test
def refused_body_is_read_to_its_end():
    """the body of a refused request, larger than what is read in a turn, hides no later request"""
    with Env("--workers", "1", role="read-only") as env:
        for size in range(526000, 600000, 6000):
            data = (b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n" % size + b"{" * size)
            data += b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
            with Client(env.socket) as client:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
                env.process.send_signal(signal.SIGSTOP)     # so that much of it comes at once
                client.sock.setblocking(False)
                sent = client.sock.send(data)
                env.process.send_signal(signal.SIGCONT)
                client.sock.settimeout(WAIT)
                client.send(data[sent:])
                equal(client.read_response().status, 403, "refusal")
                equal(client.read_response().status, 200, f"request behind {size} bytes")
