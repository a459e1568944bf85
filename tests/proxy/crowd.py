"""Thousands at once on two threads: a daemon, and clients that a table of requests drives. No tests.

The daemon answers /events with an open stream, attach with a tunnel that echoes, uploads when they
are whole, look-ups by facts.py, and anything else with 200. Clients send one request after the
other and read strictly; what is not answered as expected is kept in `wrong`.
"""
import json
import os
import resource
import select
import socket
import threading
import time

import facts
from admin_env import AdminEnv
from harness import Failure, check, equal, wait_for

EVENTS = b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n"
ATTACH = (b"POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
          b"Upgrade: tcp\r\nContent-Length: 0\r\n\r\n")
SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
SMALL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
EVENT = b'15\r\n{"Type":"container"}\n\r\n'


def raise_limit(wanted):
    """Lets this process, and what it starts, open as many descriptors; a Failure when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        raise Failure(f"{wanted} descriptors are needed, {hard} are allowed: ulimit -n") from None


class Peer:
    """One connection of the daemon, or of a client."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock = sock
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.tunnel = self.ended = False


class Poll:
    """What waits for thousands of sockets: on_data(peer) when bytes have come, on_end(peer)."""

    def __init__(self):
        self.epoll = select.epoll()
        self.peers = {}

    def add(self, sock):
        peer = Peer(sock)
        self.peers[sock.fileno()] = peer
        self.epoll.register(sock.fileno(), select.EPOLLIN)
        return peer

    def drop(self, peer):
        if self.peers.pop(peer.sock.fileno(), None):
            self.epoll.unregister(peer.sock.fileno())
            peer.sock.close()

    def send(self, peer, data=b""):
        peer.outbox += data
        try:
            sent = peer.sock.send(peer.outbox) if peer.outbox else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            return
        del peer.outbox[:sent]
        self.epoll.modify(peer.sock.fileno(),
                          select.EPOLLIN | (select.EPOLLOUT if peer.outbox else 0))

    def turn(self, timeout):
        for fd, what in self.epoll.poll(timeout, 1024):
            peer = self.peers.get(fd)
            if not peer:
                self.other(fd)
                continue
            if what & select.EPOLLOUT:
                self.send(peer)
            if what & ~select.EPOLLOUT:
                self.read(peer)

    def read(self, peer):
        try:
            data = peer.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        peer.inbox += data
        if data:
            self.on_data(peer)
        else:
            self.on_end(peer)

    def other(self, fd):
        raise AssertionError(fd)

    def close(self):
        for peer in list(self.peers.values()):
            self.drop(peer)
        self.epoll.close()


class CrowdDaemon(Poll):
    """Serves on a thread of its own until close()."""

    def __init__(self, path):
        super().__init__()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(4096)
        self.listener.setblocking(False)
        self.epoll.register(self.listener.fileno(), select.EPOLLIN)
        self.events = set()     # peers whose stream is open
        self.asked = 0
        self.orders = []        # what the thread is to do: functions
        self.running = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            self.turn(0.02)
            while self.orders:
                self.orders.pop(0)()

    def other(self, fd):
        while True:
            try:
                self.add(self.listener.accept()[0])
            except OSError:
                return

    def publish(self, data):
        """Sends these bytes to every open stream."""
        self.orders.append(lambda: [self.send(peer, data) for peer in list(self.events)])

    def on_end(self, peer):
        self.events.discard(peer)
        self.drop(peer)

    def on_data(self, peer):
        if peer.tunnel:
            data, peer.inbox = bytes(peer.inbox), bytearray()
            self.send(peer, data)
            return
        while not peer.tunnel:
            head, mark, rest = bytes(peer.inbox).partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            if not mark or len(rest) < length:
                return
            del peer.inbox[:len(head) + 4 + length]
            self.asked += 1
            self.answer(peer, head)

    def answer(self, peer, head):
        path = head.split(b" ", 2)[1].split(b"?")[0].decode()
        path = path[path.index("/", 1):] if path.startswith("/v1.") else path
        if path == "/events":
            self.events.add(peer)
            self.send(peer, CHUNKED)
        elif path.endswith("/attach"):
            peer.tunnel = True
            self.send(peer, SWITCH + bytes(peer.inbox))
            peer.inbox.clear()
        else:
            told = facts.answer(path, {}) if facts.AGENT.encode() in head else None
            body = told[1] if told else None
            self.send(peer, SMALL if body is None else b"HTTP/1.1 200 OK\r\nContent-Type: "
                      b"application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def close(self):
        self.running = False
        self.thread.join(10)
        self.listener.close()
        super().close()


class Crowd(Poll):
    """Clients of one address, on the caller's thread."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.wrong = []
        self.times = []     # seconds of each answered request

    def connect(self, count):
        made = []
        while len(made) < count:
            sock = socket.socket(socket.AF_UNIX)
            deadline = time.monotonic() + 20
            while sock.connect_ex(self.path):   # EAGAIN: the backlog is full
                check(time.monotonic() < deadline, f"{self.path} takes no more connections")
                time.sleep(0.001)
            made.append(self.add(sock))
        return made

    def until(self, condition, what, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            self.turn(0.02)
            if time.monotonic() > deadline:
                raise Failure(f"not within {seconds} s: {what}; {self.wrong[:3]}")

    # ---- mixed requests -----------------------------------------------------------------------

    def ask(self, peers, rows, rounds, seconds):
        """Each peer asks rounds requests, beginning at another row each; all at the same time.
        A row: (request, status)."""
        waiting = set(peers)
        for number, peer in enumerate(peers):
            peer.rows, peer.at, peer.left = rows, number, rounds
            self.next(peer)
        self.until(lambda: self.step(waiting), f"{len(peers)} clients are answered", seconds)

    def next(self, peer):
        peer.began = time.monotonic()
        self.send(peer, peer.rows[peer.at % len(peer.rows)][0])

    def step(self, waiting):
        for peer in [peer for peer in waiting if peer.left == 0 or peer.ended]:
            waiting.discard(peer)
        return not waiting

    def on_data(self, peer):
        if getattr(peer, "left", 0) == 0:
            return      # a stream: whoever waits for it looks into the inbox
        head, mark, rest = bytes(peer.inbox).partition(b"\r\n\r\n")
        if not mark:
            return
        length = next((int(line[15:]) for line in head.split(b"\r\n")
                       if line.startswith(b"Content-Length:")), 0)
        if len(rest) < length:
            return
        request, status = peer.rows[peer.at % len(peer.rows)]
        if int(head.split(b" ")[1]) != status or len(rest) > length:
            self.wrong.append((request[:60], bytes(peer.inbox[:300])))
        self.times.append(time.monotonic() - peer.began)
        peer.inbox.clear()
        peer.at, peer.left = peer.at + 1, peer.left - 1
        if peer.left:
            self.next(peer)

    def on_end(self, peer):
        peer.ended = True
        if getattr(peer, "left", 0):
            self.wrong.append(("closed", bytes(peer.inbox[:300])))
        self.epoll.modify(peer.sock.fileno(), 0)

    # ---- streams ------------------------------------------------------------------------------

    def open(self, peers, request, status, seconds):
        """Sends all the request and waits for the heads of the answers."""
        for peer in peers:
            self.send(peer, request)
        mark = b"HTTP/1.1 %d " % status
        self.until(lambda: all(b"\r\n\r\n" in peer.inbox for peer in peers),
                   f"{len(peers)} streams are open", seconds)
        for peer in peers:
            if not peer.inbox.startswith(mark):
                self.wrong.append((request[:60], bytes(peer.inbox[:300])))
            del peer.inbox[:peer.inbox.index(b"\r\n\r\n") + 4]

    def expect(self, peers, data, seconds):
        """Waits until each has got exactly these bytes."""
        self.until(lambda: all(len(peer.inbox) >= len(data) for peer in peers),
                   f"{len(data)} bytes for each of {len(peers)}", seconds)
        for peer in peers:
            if peer.inbox != data:
                self.wrong.append(("stream", bytes(peer.inbox[:300])))
            peer.inbox.clear()


# ---- all of it together -------------------------------------------------------------------------

def post(target, body):
    return (b"POST %s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (target, len(body), body))


MIXED = [
    (b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", 200),
    (b"GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: d\r\n\r\n", 200),
    (post(b"/v1.41/containers/create", b'{"Image": "a", "HostConfig": {"Privileged": true}}'), 403),
    (post(b"/v1.41/containers/create", b'{"Image": "a", "Cmd": ["id"]}'), 200),
    (post(b"/containers/web/exec", b'{"Cmd": ["id"]}'), 200),       # with a look-up
    (b"GET /nowhere HTTP/1.1\r\nHost: d\r\n\r\n", 403),
    (post(b"/containers/web/stop", b""), 200),
]
POLICY = {"version": 1, "roles": {"default": {
    "extends": "builtin:default", "limits": {"connections": 20000, "streams": 20000}}}}


class Scale:
    """A proxy with limits for many, before a CrowdDaemon; and the steps of the measurement."""

    def __init__(self, total, workers=2):
        self.env = env = AdminEnv("--max-connections", str(total + 100), "--workers", str(workers),
                                  daemon=False, start=False)
        path = os.path.join(env.dir, "policy.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump(POLICY, file)
        os.chmod(path, 0o644)
        at = env.args.index("--role")
        env.args[at:at + 2] = ["--policy", path]
        self.daemon = CrowdDaemon(env.upstream)
        # It raises its limit of descriptors itself.
        env.start(wrapper=("prlimit", f"--nofile=1024:{resource.getrlimit(resource.RLIMIT_NOFILE)[1]}"))
        self.crowd = Crowd(env.socket)
        self.streams, self.tunnels, self.clients = [], [], []
        env.metrics()       # who is answered sees what has been opened behind the listeners, too
        self.idle = self.descriptors()
        self.last = (time.monotonic(), 0)
        self.begun = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.crowd.close()
        try:
            return self.env.__exit__(kind, *rest)
        finally:
            self.daemon.close()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.env.process.pid}/fd"))

    def kib(self):
        return self.env.rss() * 1024

    def settled(self, seconds=4):
        """Has resident memory not grown or shrunk for a while? What a burst needed is given back three
        seconds later at most."""
        now, kib = time.monotonic(), self.kib()
        if abs(kib - self.last[1]) > 64:
            self.last = (now, kib)
        return now - self.last[0] > seconds

    def took(self):
        """Seconds since this was asked last."""
        now = time.monotonic()
        since, self.begun = now - self.begun, now
        return since

    def ask(self, count, rounds, seconds=60):
        """(seconds, answers, sorted times) of so many clients, all at once."""
        before = len(self.crowd.times)
        self.clients = self.crowd.connect(count)
        self.took()
        self.crowd.ask(self.clients, MIXED, rounds, seconds)
        took, times = self.took(), sorted(self.crowd.times[before:])
        equal(len(times), count * rounds, "answers")
        return took, times

    def leave(self):
        """The clients of ask() go."""
        for peer in self.clients:
            self.crowd.drop(peer)
        self.clients = []

    def follow(self, count, seconds=60):
        """Opens so many event streams; returns the seconds it took."""
        self.took()
        fresh = self.crowd.connect(count)
        self.crowd.open(fresh, EVENTS, 200, seconds)
        self.streams += fresh
        return self.took()

    def attach(self, count, seconds=60):
        self.took()
        self.tunnels = self.crowd.connect(count)
        self.crowd.open(self.tunnels, ATTACH, 101, seconds)
        return self.took()

    def echo(self, size, seconds=60):
        """As many bytes through each tunnel and back, all at once."""
        self.took()
        for number, peer in enumerate(self.tunnels):
            self.crowd.send(peer, b"%08d" % number * (size // 8))
        self.crowd.until(lambda: all(len(peer.inbox) >= size for peer in self.tunnels),
                         f"{size} bytes back from {len(self.tunnels)} tunnels", seconds)
        for number, peer in enumerate(self.tunnels):
            check(peer.inbox == b"%08d" % number * (size // 8), f"tunnel {number}: other bytes")
            peer.inbox.clear()
        return self.took()

    def event(self, seconds=60):
        """One event for every stream."""
        self.took()
        self.daemon.publish(EVENT)
        self.crowd.expect(self.streams, EVENT, seconds)
        return self.took()

    def is_open(self, streams, tunnels):
        metrics = self.env.metrics()
        equal((metrics.get("sockwarden_open_streams"), metrics.get("sockwarden_open_tunnels")),
              (streams, tunnels), "streams and tunnels of the metrics")

    def free(self, seconds=20):
        """All leave; returns the seconds until nothing of them is left."""
        self.took()
        for peer in list(self.crowd.peers.values()):
            self.crowd.drop(peer)
        wait_for(lambda: self.env.metrics().get("sockwarden_connections") == 0, "all are gone", seconds)
        wait_for(lambda: self.descriptors() <= self.idle, "descriptors are as before", seconds)
        wait_for(lambda: not self.daemon.peers, "the daemon's side is closed", seconds)
        self.is_open(0, 0)
        equal(self.crowd.wrong, [], "wrong answers")
        return self.took()
