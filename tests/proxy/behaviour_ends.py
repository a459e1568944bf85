"""How a connection ends, in every state it can be in: the client vanishes, the daemon dies, the proxy
stops. A state is a function that brings a client there; STATES says what is seen at each end."""
import json
import os
import signal
import socket
import struct
import threading
import time

from admin_env import AdminEnv, AdminTlsEnv
from behaviour_limits import fill_backlog
from facts import id_of
from fake_dockerd import response
from harness import Client, Failure, Suite, check, equal, in_time, wait_for
from tls_client import TlsClient, client_context, certs, free_port

suite = Suite()
JSON = ["Content-Type: application/json"]
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
UP = ["Connection: Upgrade", "Upgrade: tcp"]
LARGE = 8 << 20
POLICY = {"version": 1, "roles": {"default": {
    "extends": "builtin:default", "allow": ["ImageLoad"], "archive": True,
    "limits": {"connections": 1000, "streams": 1000}}}}


class World:
    """A proxy, and what the daemon does: each state has a path of its own."""

    def __init__(self, *options, kind=AdminEnv):
        self.go = threading.Event()     # the daemon wakes up
        self.env = env = kind("--workers", "1", *options, start=False)
        path = os.path.join(env.dir, "policy.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump(POLICY, file)
        os.chmod(path, 0o644)
        at = env.args.index("--role")
        env.args[at:at + 2] = ["--policy", path]
        handle = env.fake.handle
        handle("/volumes", self.silent)
        handle("/networks", lambda conn, _: conn.send(b"HTTP/1.1 200 OK\r\nContent-Le") and self.silent(conn))
        handle("/containers/asked/json", self.silent)
        handle("/events", lambda conn, _: conn.send(CHUNKED + b"3\r\n{}\n\r\n") and self.silent(conn))
        handle("/containers/a/logs", lambda conn, _: conn.send(CHUNKED + b"3\r\nabc\r\n")
               and self.silent(conn))
        handle("/containers/torn/logs", lambda conn, _: conn.send(CHUNKED + b"64\r\nabc")
               and self.silent(conn))
        handle("/images/create", lambda conn, _: conn.send(CHUNKED + b"3\r\n{}\n\r\n")
               and self.silent(conn))
        handle("/images/json", lambda conn, _: conn.send(response(b"[" * 100)[:-50])
               and self.silent(conn))
        handle("/containers/many/logs", self.flood)
        handle("/images/load", self.silent, early=True)
        handle(f"/containers/{id_of('a')}/attach", self.attached)
        handle(f"/containers/{id_of('ended')}/attach", self.ended)
        env.start()
        env.metrics()       # who is answered sees what has been opened behind the listeners, too

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.go.set()
        return self.env.__exit__(*error)

    @staticmethod
    def silent(conn, _=None):
        conn.rest()
        return False

    def attached(self, conn, _):
        conn.send(SWITCH + b"abc")
        return self.silent(conn)

    def ended(self, conn, _):
        conn.send(SWITCH + b"abc")
        conn.end_writing()
        return self.silent(conn)

    @staticmethod
    def flood(conn, _):
        conn.send(CHUNKED)
        while conn.send(b"10000\r\n" + b"x" * 65536 + b"\r\n"):
            pass
        return False

    def asked(self, path):
        """How often the daemon has been asked for this path."""
        return sum(r.path == path for r in self.env.fake.requests + self.env.fake.lookups)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.env.process.pid}/fd"))

    def freed(self, before, what):
        """No connection of a client is left, none to the daemon, and the gauges say so."""
        env = self.env
        wait_for(lambda: env.metrics().get("sockwarden_connections") == 0, f"{what}: no client is left")
        metrics = env.metrics()
        for name in ("open_streams", "open_tunnels"):
            equal(metrics.get("sockwarden_" + name), 0, f"{what}: {name}")
        wait_for(lambda: self.descriptors() <= before, f"{what}: descriptors are as before, {before}; "
                 f"there are {self.descriptors()}")
        wait_for(lambda: all(conn.ended.is_set() or not conn.received for conn in env.fake.connections),
                 f"{what}: the daemon's side is closed")


# ---- the states ---------------------------------------------------------------------------------

def waits_for(path):
    """The daemon has been asked for this once more."""
    def decorate(function):
        def enter(world, client):
            before = world.asked(path)
            function(world, client)
            wait_for(lambda: world.asked(path) > before, f"{function.__name__}: the daemon is asked")
        enter.__name__ = function.__name__
        return enter
    return decorate


def idle(_, client):
    equal(client.ask("GET", "/_ping").status, 200, "status")


def head(_, client):
    client.send(b"GET /_ping HTTP/1.1\r\nHost: d\r\nA: ")


def body(_, client):
    client.send(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{")


def refused(_, client):
    client.send(b"POST /build HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n"
                b"Content-Length: 1000\r\n\r\nabc")
    equal(client.read_response().status, 403, "refusal")


@waits_for("/containers/asked/json")
def lookup(_, client):
    client.request("POST", "/containers/asked/exec", b'{"Cmd": ["id"]}', JSON)


@waits_for("/volumes")
def waiting(_, client):
    client.request("GET", "/volumes")


@waits_for("/networks")
def half_head(_, client):
    client.request("GET", "/networks")


@waits_for("/images/load")
def upload(_, client):
    client.send(b"POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n"
                b"Content-Length: 1000\r\n\r\nabc")


def follow(target):
    def enter(_, client):
        client.request("POST" if "create" in target else "GET", target,
                       b"" if "create" in target else None)
        equal(client.read_head().status, 200, "status")
    return enter


events = follow("/events")
logs = follow("/containers/a/logs?follow=1&stdout=1")
torn_logs = follow("/containers/torn/logs?follow=1&stdout=1")
unread_logs = follow("/containers/many/logs?follow=1&stdout=1")
pull = follow("/images/create?fromImage=registry.example.com/a&tag=1")
half_list = follow("/images/json")


def tunnel(_, client, name="a"):
    client.request("POST", f"/containers/{name}/attach?stream=1&stdin=1&stdout=1", b"", UP)
    equal(client.read_head().status, 101, "status")
    equal(client.exactly(3), b"abc", "output")


def tunnel_client_ended(world, client):
    tunnel(world, client)
    client.end_writing()


def tunnel_daemon_ended(world, client):
    tunnel(world, client, "ended")
    check(client.at_end(), "the daemon's end")


# state: what the client sees when the daemon dies, and when --stop-timeout is over. A number: an answer
# of ours; "end": as if it had ended well; "torn": an end that nobody takes for a whole answer.
STATES = {
    idle: (None, "closed"),
    head: (None, 503),
    body: (None, 503),
    refused: (None, "closed"),
    lookup: (403, 503),
    waiting: (502, 504),
    half_head: (502, 504),
    upload: (502, 504),
    events: ("torn", "end"),
    logs: ("torn", "end"),
    torn_logs: ("torn", "torn"),
    unread_logs: ("torn", None),
    pull: ("torn", "torn"),
    half_list: ("torn", "torn"),
    tunnel: ("closed", "closed"),
    tunnel_client_ended: ("closed", "closed"),
    tunnel_daemon_ended: ("closed", "closed"),
}
DAEMON, STOP = 0, 1


def rest(client, what):
    """All that comes, up to an end that is no reset."""
    if isinstance(client, TlsClient):
        data = client.rest()
        check(not client.truncated, f"{what}: TLS is cut without close_notify")
        return data
    data = client.take(len(client.buffer))
    try:
        while part := client.sock.recv(262144):
            data += part
    except ConnectionResetError:
        raise Failure(f"{what}: reset instead of an end") from None
    except TimeoutError:
        raise Failure(f"{what}: no end") from None
    return data


def sees(client, expected, what):
    if isinstance(expected, int):
        answer = client.read_response()
        equal(answer.status, expected, what)
        answer.message()
        if answer.get("Connection") == "close":
            equal(rest(client, what), b"", f"{what}: behind the answer")
    elif expected == "end":
        check(rest(client, what).endswith(b"\r\n0\r\n\r\n"), f"{what}: no last chunk")
    elif expected == "closed":
        equal(rest(client, what), b"", f"{what}: before the end")
    elif expected == "torn":
        client.buffer += client.rest()
        check(not client.buffer.endswith(b"0\r\n\r\n"), f"{what}: ends as if whole")


# ---- the client vanishes ------------------------------------------------------------------------

def vanish(client):
    """As the kernel ends a process that was killed with data unread: by a reset, on TCP."""
    if client.sock.family != socket.AF_UNIX:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def vanishes(world, connect, closes=tuple(STATES)):
    """closes: the states in which an ordinary end is tried, too."""
    before = world.descriptors()
    for state in STATES:
        for end in (vanish, Client.close) if state in closes else (vanish,):
            client = connect()
            state(world, client)
            end(client)
            world.freed(before, f"{state.__name__}, {end.__name__}")


@suite.test
def client_vanishes():
    """in every state, over a Unix socket: all is freed on both sides"""
    with World() as world:
        vanishes(world, lambda: Client(world.env.socket))


@suite.test
def client_vanishes_tcp():
    """the same over TCP, by an end and by a reset"""
    port = free_port()
    with World("-H", f"tcp://127.0.0.1:{port}", "--insecure-tcp") as world:
        # Over TCP a client that has only ended its side looks as if it were waiting.
        vanishes(world, lambda: Client(("127.0.0.1", port)), set(STATES) - {lookup})


@suite.test
def client_vanishes_tls():
    """the same over TLS, and in the middle of its handshake"""
    with World(kind=AdminTlsEnv) as world:
        before = world.descriptors()
        context = client_context(certs.client("alice"))
        for data in (b"", b"\x16\x03\x01\x02\x00\x01\x00"):
            for end in (vanish, Client.close):
                client = TlsClient(world.env.port, context, shake=False)
                client.sock.sendall(data)
                end(client)
                world.freed(before, f"handshake, {end.__name__}")
        vanishes(world, lambda: TlsClient(world.env.port, context), {head, upload, events, tunnel})


def send_until_full(client, limit=LARGE):
    client.sock.settimeout(0.2)
    sent = 0
    try:
        while sent < limit:
            sent += client.sock.send(b"x" * 65536)
    except TimeoutError:
        pass
    client.sock.settimeout(5)
    check(sent < limit, "nothing holds the client back")


@suite.test
def leaves_a_stuck_daemon():
    """who leaves while the daemon takes nothing of an upload, or of a tunnel, holds nothing there"""
    with World("--body-timeout", "1") as world:
        def stuck(conn, _):
            conn.send(SWITCH)
            world.go.wait(20)
            return False
        world.env.fake.handle("/images/load", lambda *_: world.go.wait(20) and False, early=True)
        world.env.fake.handle(f"/containers/{id_of('a')}/attach", stuck)
        before = world.descriptors()
        for name in ("upload", "tunnel"):
            with Client(world.env.socket) as client:
                if name == "upload":
                    client.send(b"POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar"
                                b"\r\nContent-Length: %d\r\n\r\n" % LARGE)
                else:
                    client.request("POST", "/containers/a/attach?stream=1&stdin=1", b"", UP)
                    equal(client.read_head().status, 101, "status")
                send_until_full(client)
            world.env.wait_metric(0, "sockwarden_connections")
            wait_for(lambda: world.descriptors() <= before, f"{name}: descriptors")


@suite.test
def leaves_a_busy_daemon():
    """who leaves while the daemon's socket has no room is forgotten, and never sent on"""
    with World() as world:
        env = world.env
        before = world.descriptors()
        env.fake.accepting.clear()
        fillers = fill_backlog(env.upstream)
        clients = [Client(env.socket) for _ in range(20)]
        for client in clients:
            client.request("GET", "/containers/json")
        env.wait_audit(20, operation="ContainerList", record="request")
        for client in clients:
            client.close()
        env.wait_metric(0, "sockwarden_connections")
        for filler in fillers:
            filler.close()
        env.fake.accepting.set()
        world.freed(before, "afterwards")
        # On a busy machine the daemon has accepted one or two before it stopped doing so.
        check(world.asked("/containers/json") <= 2, "requests are sent on")
        env.wait_audit(18, operation="ContainerList", record="end")


# ---- the daemon dies ----------------------------------------------------------------------------

@suite.test
def daemon_dies():
    """in every state: an answer that tells, or an end that nobody takes for a whole answer"""
    with World() as world:
        before = world.descriptors()
        for state, seen in STATES.items():
            if seen[DAEMON] is None:
                continue
            with Client(world.env.socket) as client:
                state(world, client)
                world.env.fake.drop_connections()
                sees(client, seen[DAEMON], f"{state.__name__}, the daemon dies")
            world.freed(before, state.__name__)
        equal(world.env.ask("GET", "/containers/json").status, 200, "afterwards")


# ---- the proxy stops ----------------------------------------------------------------------------

def stops(world, connect):
    env = world.env
    clients = []
    for state in STATES:
        client = connect()
        state(world, client)
        clients.append((state, client))
    begin = time.monotonic()
    env.process.send_signal(signal.SIGTERM)
    for state, client in clients:
        if state is not unread_logs:
            sees(client, STATES[state][STOP], f"{state.__name__}, TERM")
    for _, client in clients:
        client.close()
    equal(env.process.wait(10), 0, "exit code")
    in_time(begin, 5, "the stop")
    reasons = {line.get("operation"): line.get("reason") for line in env.audit()
               if line["record"] == "end"}
    for operation in ("SystemEvents", "ContainerLogs", "ContainerAttach", "ImageCreate", "VolumeList"):
        equal(reasons.get(operation), "the proxy is stopping", f"{operation} in the audit log")


@suite.test
def stop_cuts():
    """TERM, and --stop-timeout is over: every state ends as well as it can, at once and without a reset"""
    with World("--stop-timeout", "0") as world:
        stops(world, lambda: Client(world.env.socket))


@suite.test
def stop_cuts_tls():
    """the same over TLS, with close_notify"""
    with World("--stop-timeout", "0", kind=AdminTlsEnv) as world:
        context = client_context(certs.client("alice"))
        stops(world, lambda: TlsClient(world.env.port, context))


@suite.test
def second_term_ends_streams():
    """a second TERM ends at once, streams and tunnels as well as the end of --stop-timeout does"""
    with World("--stop-timeout", "60") as world:
        env = world.env
        clients = {state: Client(env.socket) for state in (events, logs, tunnel, waiting)}
        for state, client in clients.items():
            state(world, client)
        env.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not os.path.exists(env.socket), "the stop begins")
        env.process.send_signal(signal.SIGTERM)
        equal(env.process.wait(3), 0, "exit code")
        for state, client in clients.items():
            sees(client, STATES[state][STOP], f"{state.__name__}, second TERM")
            client.close()


@suite.test
def stop_takes_what_has_come():
    """requests that the kernel has at TERM are answered, whether their connection was accepted or not"""
    with World("--stop-timeout", "30") as world:
        env = world.env
        kept = [Client(env.socket) for _ in range(20)]
        for client in kept:
            idle(world, client)
        env.process.send_signal(signal.SIGSTOP)
        fresh = [Client(env.socket) for _ in range(100)]
        for client in kept + fresh:
            client.request("GET", "/containers/json")
        env.process.send_signal(signal.SIGTERM)
        env.process.send_signal(signal.SIGCONT)
        for client in kept + fresh:
            equal(client.read_response().status, 200, "status")  # the signal may be seen later
            check(client.at_end(), "the connection stays open")
            client.close()
        equal(env.process.wait(5), 0, "exit code")


@suite.test
def restart_under_load():
    """restarts while clients ask: each request is answered whole, or its connection was refused or closed"""
    with World("--stop-timeout", "5") as world:
        env = world.env
        answered, lost, wrong, over = [0], [0], [], threading.Event()

        def ask():
            while not over.is_set():
                try:
                    with Client(env.socket) as client:
                        while not over.is_set():
                            answer = client.ask("GET", "/containers/json")
                            answered[0] += 1
                            if answer.status != 200:
                                wrong.append(answer.status)
                            if answer.get("Connection") == "close":
                                break
                except (OSError, Failure) as error:
                    if isinstance(error, Failure) and "closed before" not in str(error):
                        wrong.append(error)
                    lost[0] += 1
                    time.sleep(0.005)
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = answered[0]
            wait_for(lambda: answered[0] > before + 100, "the load runs")
            env.process.send_signal(signal.SIGTERM)
            equal(env.process.wait(6), 0, "exit code")
            env.start()
        over.set()
        for thread in threads:
            thread.join(10)
        equal(wrong, [], "what else was seen")
