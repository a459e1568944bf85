"""Limits of one client: requests a second, connections, streams, bodies; what is answered, recorded and
counted, and that a greedy client does not hinder a polite one."""
import functools
import json
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

from admin_env import AdminEnv
from facts import find
from fake_dockerd import response
from harness import Client, Failure, Late, Suite, check, equal, free_port, settings, wait_for
from tls_client import TlsEnv, certs

suite = Suite()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
EVERYTHING = {"extends": "builtin:all"}
JSON = ["Content-Type: application/json"]
CROWD = 16      # connections beyond the limit that are told so after their request


class Guest(Client):
    """A client on TCP from an address of this host's own choice."""

    def __init__(self, port, source="127.0.0.1", timeout=5.0):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout, (source, 0))
        self.buffer = b""


class Limited(AdminEnv):
    """A proxy whose role `default` has these limits; on a Unix socket, and on TCP for other peers."""

    def __init__(self, limits, *options, clients=(), roles=None, role=None):
        super().__init__(*options, start=False)
        self.port = free_port()
        at = self.args.index("--role")
        self.policy = os.path.join(self.dir, "policy.json")
        self.write(limits, clients, roles)
        self.args[at:at + 2] = ["--policy", self.policy] + (["--role", role] if role else [])
        self.args += ["-H", f"tcp://127.0.0.1:{self.port}", "--insecure-tcp"]
        self.start()

    def write(self, limits, clients=(), roles=None):
        document = {"version": 1, "roles": {"default": dict(EVERYTHING, limits=limits), **(roles or {})}}
        if clients:
            document["clients"] = clients
        with open(self.policy, "w", encoding="ascii") as file:
            json.dump(document, file)

    def guest(self, source="127.0.0.1"):
        client = Guest(self.port, source)
        self.clients.append(client)
        return client

    def refusals(self, limit):
        return self.metrics().get("sockwarden_limit_refusals_total", limit=limit)

    def told(self, limit):
        """How many refusals the audit lines stand for."""
        return sum(line["count"] for line in self.audit() if line.get("rule") == "limits." + limit)


def refused(answer, limit, status=429):
    equal(answer.status, status, "status")
    equal(answer.get("Retry-After"), "1" if status == 429 else None, "Retry-After")
    text = answer.message()
    check("limits." + limit in text, f"limits.{limit} is not in {text!r}")


def before_refill(seconds):
    """A test that what is over a rate is refused, which holds until so many seconds have given more: one
    that fails and took longer proves nothing, and is tried again."""
    def wrap(test):
        @functools.wraps(test)
        def run():
            for _ in range(5):
                start = time.monotonic()
                try:
                    return test()
                except Failure as error:
                    if time.monotonic() - start < seconds:
                        raise
                    last = error
            raise Late(f"always slow, and {last}") from last
        return run
    return wrap


# ---- look-ups -----------------------------------------------------------------------------------

@suite.test
def share_of_look_ups():
    """whose look-ups bring much has half of the room for their answers, and the others have the rest"""
    name = "tt-vol"
    volume = json.dumps(find("volume", name)).encode()
    data = response(volume + b" " * ((3 << 20) - len(volume)))
    release = threading.Event()
    told = []

    def tell(conn, _):
        try:
            return conn.send(data)
        finally:
            told.append(conn)

    def never(conn, _):
        release.wait(20)
        return conn.send(response(b'{"message":"no such volume"}', "404 Not Found"))

    def create(*names):
        binds = [f"{name}:/m{i}" for i, name in enumerate(names)]
        text = json.dumps({"Image": "a", "HostConfig": {"Binds": binds}}).encode()
        return "POST", "/containers/create", text, JSON

    with Limited({}, roles={"default": {"extends": "builtin:default"}}) as env:
        env.fake.handle(f"/volumes/{name}", tell)
        env.fake.handle("/volumes/never", never)
        greedy = [env.guest() for _ in range(20)]
        for client in greedy:
            client.request(*create(name, "never"))
        wait_for(lambda: len(env.fake.lookups) >= 40 and len(told) >= 20, "their look-ups")
        answer = env.guest("127.0.0.2").ask(*create(name))
        equal(answer.status, 200, answer.body)
        release.set()
        said = [client.read_response() for client in greedy]
        crowded = [answer for answer in said if answer.status != 200]
        check(5 < len(crowded) < 15, f"{len(crowded)} of 20 are refused")
        for answer in crowded:
            check("for this client" in answer.message(), answer.message())
        equal(env.guest().ask(*create(name)).status, 200, "when it is over")


# ---- requests ------------------------------------------------------------------------------------

@suite.test
@before_refill(0.5)
def requests_per_second():
    """over the rate 429, on a connection that stays; a new connection has no new bucket; then it goes on"""
    with Limited({"requests_per_second": 2, "burst": 5}) as env:
        client = env.client()
        for _ in range(5):
            equal(client.ask("GET", "/info").status, 200, "in the burst")
        before = env.fake.received()
        refused(client.ask("GET", "/info"), "requests_per_second")
        refused(client.ask("POST", "/containers/create", b'{"Image":"a"}', JSON), "requests_per_second")
        refused(client.ask("GET", "/nothing"), "requests_per_second")
        refused(env.ask("GET", "/info"), "requests_per_second")
        equal(env.fake.received(), before, "bytes at the daemon")
        equal(env.guest().ask("GET", "/info").status, 200, "another peer")
        wait_for(lambda: client.ask("GET", "/info").status == 200, "it goes on")
        line = env.wait_audit(record="refused")[0]
        equal([line[key] for key in ("decision", "rule", "status", "operation", "role", "count")],
              ["deny", "limits.requests_per_second", 429, "SystemInfo", "default", 1], "the line")

        def told():     # in a later second, with what else this client does
            client.ask("GET", "/_ping")
            return env.told("requests_per_second") == env.refusals("requests_per_second")
        wait_for(told, "each refusal is told")


@suite.test
@before_refill(1)
def head_requests():
    """a HEAD that is refused has no body, and a malformed request is refused before it is read on"""
    with Limited({"requests_per_second": 1, "burst": 1}) as env:
        client = env.client()
        equal(client.ask("GET", "/info").status, 200, "status")
        answer = client.ask("HEAD", "/containers/a/archive?path=/")
        equal((answer.status, answer.body), (429, b""), "HEAD")
        client.send(b"GET /info HTTP/1.1\r\nHost: d\r\nHost: e\r\n\r\n")
        refused(client.read_response(), "requests_per_second")
        check(client.at_end(), "it stays open")


@suite.test
@before_refill(1)
def pings_live_on():
    """who is over may still ping a little, and no more than that"""
    with Limited({"requests_per_second": 1, "burst": 2}) as env:
        client = env.client()
        statuses = [client.ask("GET", "/info").status for _ in range(3)]
        equal(statuses, [200, 200, 429], "info")
        pings = [client.ask("GET", "/_ping").status for _ in range(40)]
        equal(pings[:10], [200] * 10, "the first pings")
        check(pings.count(200) <= 12, f"pings {pings}")


@suite.test
@before_refill(1)
def role_by_option():
    """a role of the file that --role gives to everybody has its limits, too"""
    roles = {"few": dict(EVERYTHING, limits={"requests_per_second": 1, "burst": 1})}
    with Limited({}, roles=roles, role="few") as env:
        client = env.client()
        equal(client.ask("GET", "/info").status, 200, "status")
        refused(client.ask("GET", "/info"), "requests_per_second")


@suite.test
def flood_of_refusals():
    """a flood leaves a line a second, whose counts are those of the metric, and nothing in the log but them"""
    with Limited({"requests_per_second": 1, "burst": 1}) as env:
        clients = [env.client() for _ in range(10)]
        start, asked, passed = time.monotonic(), 0, 0
        while time.monotonic() - start < 1.6:
            for client in clients:
                client.request("GET", "/info")
            for client in clients:
                asked += 1
                passed += client.read_response().status == 200
        for client in clients:
            client.close()
        time.sleep(1.1)     # not a wait: the last second's count is due in another one
        equal(env.ask("GET", "/_ping").status, 200, "a ping")
        equal(env.refusals("requests_per_second"), asked - passed, "the metric")
        wait_for(lambda: env.told("requests_per_second") == asked - passed, "each is told")
        lines = [line for line in env.audit() if "rule" in line]
        most = time.monotonic() - start + 2
        check(len(lines) <= most, f"{len(lines)} lines for {asked} requests, expected {most:.0f}")


# ---- connections ---------------------------------------------------------------------------------

@suite.test
def connections():
    """one too many is answered 429 and closed; far too many at once; then there is room again"""
    with Limited({"connections": 3}) as env:
        clients = [env.client() for _ in range(3)]
        for client in clients:
            equal(client.ask("GET", "/_ping").status, 200, "status")
        crowd = [env.client() for _ in range(CROWD)]
        wait_for(lambda: env.refusals("connections") == CROWD, "they are counted")
        away = env.client()
        refused(away.read_response(), "connections")
        check(away.at_end(), "it stays open")
        refused(crowd[0].ask("GET", "/info"), "connections")
        check(crowd[0].at_end(), "it stays open, too")
        equal(crowd[1].ask("GET", "/_ping").get("Connection"), "close", "a health check")
        check(crowd[1].at_end(), "it stays open after a ping")
        equal(env.guest().ask("GET", "/_ping").status, 200, "another peer")
        for client in crowd + clients[:1]:
            client.close()
        wait_for(lambda: env.ask("GET", "/info").status == 200, "there is room")
        for client in clients[1:]:
            equal(client.ask("GET", "/_ping").status, 200, "the others")
        line = env.wait_audit(record="refused", rule="limits.connections")[0]
        equal([line[key] for key in ("decision", "status", "count")], ["deny", 429, 1], "the line")
        check("operation" not in line, f"{line}")


@suite.test
def silent_crowd():
    """connections beyond the limit that say nothing are closed soon, and keep nobody's place"""
    with Limited({"connections": 1}, "--head-timeout", "0", "--idle-timeout", "0") as env:
        first = env.client()
        equal(first.ask("GET", "/_ping").status, 200, "status")
        silent = [env.client(timeout=15) for _ in range(3)]
        for client in silent:
            check(client.at_end(), "an answer without a request")
        equal(first.ask("GET", "/_ping").status, 200, "the first one")


@suite.test
def share():
    """by default a peer has a quarter of --max-connections, and the others have the rest"""
    with Limited({}, "--max-connections", "400") as env:
        held = [env.client() for _ in range(100)]
        for client in held:
            equal(client.ask("GET", "/_ping").status, 200, "status")
        answer = env.ask("GET", "/info")
        refused(answer, "connections")
        check("by default" in answer.message(), answer.message())
        for source in ("127.0.0.1", "127.0.0.2"):
            equal(env.guest(source).ask("GET", "/_ping").status, 200, source)
        many = [env.client() for _ in range(350)]   # more than there are
        wait_for(lambda: env.refusals("connections") >= 351 - CROWD, "they are refused")
        equal(env.guest("127.0.0.3").ask("GET", "/_ping").status, 200, "another one beside them")
        for client in many:
            client.close()


@suite.test
def tls_connections():
    """by certificate: known after the handshake, each client on its own"""
    with TlsEnv(start=False) as env:
        path = os.path.join(env.dir, "policy.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"version": 1, "roles": {"default": dict(EVERYTHING, limits={"connections": 2})}}, file)
        at = env.args.index("--role")
        env.args[at:at + 2] = ["--policy", path]
        env.start()
        held = [env.tls("alice") for _ in range(2)]
        for client in held:
            equal(client.ask("GET", "/_ping").status, 200, "status")
        third = env.tls("alice")
        refused(third.ask("GET", "/info"), "connections")
        check(third.at_end(), "it stays open")
        certs.client("bob")
        equal(env.tls("bob").ask("GET", "/_ping").status, 200, "another certificate, the same address")
        line = env.wait_audit(rule="limits.connections")[0]
        equal(line["peer"]["cert_subject"], "CN=alice,OU=ops", "the line names him")


@suite.test
@before_refill(3)
def reload():
    """lower limits hold from the next request or connection on; what is open stays"""
    with Limited({}) as env:
        clients = [env.client() for _ in range(4)]
        for client in clients:
            equal(client.ask("GET", "/info").status, 200, "status")
        env.write({"connections": 2, "requests_per_second": 1, "burst": 6})
        env.process.send_signal(signal.SIGHUP)
        wait_for(lambda: env.metrics().get("sockwarden_reloads_total", result="success") == 1, "the reload")
        for client in clients:
            equal(client.ask("GET", "/info").status, 200, "an old connection")
        refused(env.ask("GET", "/info"), "connections")
        statuses = [clients[0].ask("GET", "/info").status for _ in range(5)]
        check(429 in statuses, f"statuses {statuses}")


# ---- streams -------------------------------------------------------------------------------------

@suite.test
def streams():
    """what follows or becomes a tunnel counts while it lasts; what ends by itself does not"""
    open_streams = []

    def follow(conn, _):
        open_streams.append(conn)
        conn.send(CHUNKED)
        conn.ended.wait(10)

    def tunnel(conn, _):
        open_streams.append(conn)
        conn.send(SWITCH)
        conn.rest()
    with Limited({"streams": 2}) as env:
        env.fake.handle("/events", follow)
        env.fake.handle("/containers/a/attach", tunnel)
        first, second, third = env.client(), env.client(), env.client()
        first.request("GET", "/events")
        equal(first.read_head().status, 200, "events")
        second.request("POST", "/containers/a/attach?stream=1", b"",
                       ["Connection: Upgrade", "Upgrade: tcp"])
        equal(second.read_head().status, 101, "attach")
        refused(third.ask("GET", "/events"), "streams")
        refused(third.ask("GET", "/containers/a/logs?stdout=1&follow=1"), "streams")
        refused(third.ask("GET", "/containers/a/stats"), "streams")
        equal(third.ask("GET", "/containers/a/logs?stdout=1").status, 200, "logs that end")
        equal(third.ask("GET", "/containers/a/stats?stream=0").status, 200, "stats that end")
        equal(env.refusals("streams"), 3, "refusals")
        first.close()

        def served():
            one = env.client()
            one.request("GET", "/events")
            return one.read_head().status == 200
        wait_for(served, "there is room for another stream")
        line = env.wait_audit(rule="limits.streams")[0]
        equal([line["operation"], line["status"]], ["SystemEvents", 429], "the line")
        equal(len(open_streams), 3, "streams at the daemon")


@suite.test
def no_streams():
    """limits.streams may be 0; a stream that the daemon refuses holds no place"""
    with Limited({"streams": 0}) as env:
        refused(env.ask("GET", "/events"), "streams")
    with Limited({"streams": 1}) as env:
        env.fake.handle("/events", lambda conn, _: conn.send(response(b'{"message":"no"}', "400 Bad")))
        client = env.client()
        for _ in range(3):
            equal(client.ask("GET", "/events").status, 400, "status")


# ---- bodies --------------------------------------------------------------------------------------

@suite.test
def bodies():
    """one body over the limit is 413; bodies that are over it together are 429"""
    head = b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
    body = b'{"Image":"a","Cmd":["' + b"x" * 600 + b'"]}'
    with Limited({"body_bytes": 1000}) as env:
        equal(env.ask("POST", "/containers/create", body, JSON).status, 200, "one that fits")
        long = env.client()
        long.send(head + b"Content-Length: 1001\r\n\r\n")
        refused(long.read_response(), "body_bytes", 413)
        chunked = env.client()
        chunked.send(head + b"Transfer-Encoding: chunked\r\n\r\n500\r\n")
        refused(chunked.read_response(), "body_bytes", 413)
        waiting = []

        def over():
            """Sends whole bodies beside one that waits for its last byte, until one is refused; the
            one that waits is sent again when it came while another was there, and was refused."""
            if not waiting or select.select([waiting[-1].sock], [], [], 0)[0]:
                waiting.append(env.client())
                waiting[-1].send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
            return all(env.ask("POST", "/containers/create", body, JSON).status == 429 for _ in range(3))
        wait_for(over, "the second one is over")
        other = env.client()
        other.request("POST", "/containers/create", body, JSON)
        refused(other.read_response(), "body_bytes")
        equal(env.guest().ask("POST", "/containers/create", body, JSON).status, 200, "another peer")
        waiting[-1].send(body[-1:])
        equal(waiting[-1].read_response().status, 200, "the first one")
        wait_for(lambda: env.ask("POST", "/containers/create", body, JSON).status == 200, "room again")
        upload = env.ask("PUT", "/containers/a/archive?path=/", b"t" * 5000,
                         ["Content-Type: application/x-tar"])
        check(upload.status != 413, "an upload is not held, and not limited")


# ---- fairness ------------------------------------------------------------------------------------

GREEDY = """
import select, socket, sys
port, count, line = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
ask = line + b" HTTP/1.1\\r\\nHost: d\\r\\n\\r\\n"
poll, socks = select.epoll(), {}
for _ in range(count):
    sock = socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.9", 0))
    sock.sendall(ask)
    sock.setblocking(False)
    socks[sock.fileno()] = sock
    poll.register(sock.fileno(), select.EPOLLIN)
print("ready", flush=True)
while True:
    for fd, _ in poll.poll():
        if not socks[fd].recv(65536):
            poll.unregister(fd)
            continue
        socks[fd].send(ask)
"""


class Greedy:
    """A process that asks over 200 connections, each time as soon as it is answered."""

    def __init__(self, env, line):
        self.run = subprocess.Popen([sys.executable, "-c", GREEDY, str(env.port), "200", line],
                                    stdout=subprocess.PIPE, text=True)
        equal(self.run.stdout.readline(), "ready\n", "the greedy client")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run.kill()
        self.run.wait()
        self.run.stdout.close()


def slowest(client, count=300):
    """Median and 99th percentile of as many pings, in ms."""
    times = []
    for _ in range(count):
        start = time.monotonic()
        equal(client.ask("GET", "/_ping").status, 200, "a polite ping")
        times.append((time.monotonic() - start) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def fair(limits, line, what):
    """The polite client's 99th percentile beside the greedy one stays within a bound."""
    with Limited(limits, "--workers", "1", "--audit-log", "none") as env:
        quiet = slowest(env.client())
        bound = (20 * quiet[1] + 250) * (5 if settings["sanitized"] else 1)
        with Greedy(env, line):
            polite = env.client()
            for _ in range(3):      # others have this machine, too
                beside = slowest(polite)
                if beside[1] <= bound:
                    break
            with Client(env.socket) as late:
                equal(late.ask("GET", "/_ping").status, 200, "a new connection")
        text = f"{what}: median and p99 of {quiet[0]:.2f} and {quiet[1]:.2f} ms alone, " \
               f"{beside[0]:.2f} and {beside[1]:.2f} ms beside it"
        print(f"     {text}", flush=True)
        if beside[1] > bound:
            raise Failure(f"{text}; more than {bound:.0f} ms")


@suite.test
def greedy_beyond_its_rate():
    """200 connections that hammer beyond their rate: the polite one's answers come as before"""
    fair({"requests_per_second": 500}, "GET /info", "beyond its rate")


@suite.test
def greedy_without_a_rate():
    """200 connections that hammer with what is refused, without a limit: others still get their turn"""
    fair({}, "GET /nothing", "without a rate")
