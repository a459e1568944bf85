"""What a decision must know is asked of the daemon, and the request goes on with what was judged."""
import json
import os
import threading
import time
import urllib.parse

from facts import filled, find, id_of
from fake_dockerd import response
from harness import WAIT, Env, Suite, check, equal, wait_for

suite = Suite()
JSON = ["Content-Type: application/json"]
EXEC = b'{"Cmd": ["id"]}'
ONE = "/containers/web/exec"
WORDS = "No such container: web"
SECRET = "s3cr3t-of-the-container"


def env(*options, **kwargs):
    return Env(*options, role="default", **kwargs)


def ask_exec(client, path=ONE):
    return client.ask("POST", path, EXEC, JSON)


def connections(fake):
    """Connections that carried anything, look-ups too."""
    return sum(bool(conn.log) for conn in fake.connections)


def paths(requests):
    return [request.path for request in requests]


def inspect(name="web", **host):
    """The inspect of a container that conforms but for what is given."""
    document = filled(find("container", "*"), name)
    document["Id"] = id_of(name)
    document["HostConfig"].update(host)
    return document


def chunked(body, size=1000):
    parts = [b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size])
             for i in range(0, len(body), size)]
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(parts) +
            b"0\r\n\r\n")


# ---- what it costs ------------------------------------------------------------------------------

@suite.test
def none_needed():
    """a request that needs no fact asks for none"""
    with env() as e:
        client = e.client()
        for method, path, body in (("GET", "/_ping", None), ("GET", "/containers/json", None),
                                   ("POST", "/containers/web/stop", b""),
                                   ("POST", "/containers/create", b'{"Image": "a"}')):
            equal(client.ask(method, path, body, JSON if body else ()).status, 200, path)
        equal(paths(e.fake.lookups), [], "look-ups")
        check(all("facts" not in line for line in e.audit()), "facts in an audit line")


@suite.test
def one_fact():
    """one fact is one GET more over the same connection, and nothing else"""
    with env() as e:
        e.fake.facts = {"container": {"web": inspect(CgroupnsMode="private")}}
        client = e.client()
        for count in (1, 2, 3):
            equal(ask_exec(client).status, 200, "status")
            equal(len(e.fake.lookups), count, "look-ups")
        equal(connections(e.fake), 1, "connections to the daemon")
        request = e.fake.lookups[0]
        equal(request.line, "GET /containers/web/json HTTP/1.1", "look-up")
        equal([name for name, _ in request.headers], ["Host", "User-Agent"], "its headers")


@suite.test
def one_fact_on_open_connection():
    """the client's own connection is used when there is one already"""
    with env() as e:
        client = e.client()
        equal(client.ask("GET", "/_ping").status, 200, "ping")
        equal(ask_exec(client).status, 200, "exec")
        equal(client.ask("GET", "/_ping").status, 200, "ping")
        equal(connections(e.fake), 1, "connections to the daemon")


@suite.test
def daemon_itself_is_kept():
    """what the daemon says of itself is asked once in a while, what it says of objects always"""
    with env("--workers", "1") as e:
        for count in (1, 2, 3):
            equal(ask_exec(e.client()).status, 200, "status")
            equal(sorted(paths(e.fake.lookups)), ["/containers/web/json"] * count + ["/info"],
                  "look-ups")
        e.fake.stop()
        equal(ask_exec(e.client()).status, 502, "while it is away")
        e.fake.start()
        equal(ask_exec(e.client()).status, 200, "once it is back")
        equal(paths(e.fake.lookups).count("/info"), 2, "asked again")


@suite.test
def volumes_in_parallel():
    """more facts go over at most seven further connections, which are closed afterwards"""
    binds = [f"v{i}:/m{i}" for i in range(32)]
    body = json.dumps({"Image": "a", "HostConfig": {"Binds": binds}}).encode()
    with env() as e:
        client = e.client()
        equal(client.ask("POST", "/containers/create", body, JSON).status, 200, "status")
        equal(sorted(paths(e.fake.lookups)), sorted(f"/volumes/v{i}" for i in range(32)),
              "look-ups")
        used = connections(e.fake)
        check(2 <= used <= 8, f"{used} connections")
        wait_for(lambda: sum(not conn.ended.is_set() for conn in e.fake.connections) == 1,
                 "only the client's own connection is left")
        equal(client.ask("GET", "/_ping").status, 200, "the next request")
        line = e.wait_audit(operation="ContainerCreate")[0]
        equal(line["facts"][0], {"fact": "volume", "name": "v0", "missing": True}, "audit")
        equal(len(line["facts"]), 32, "facts of the audit line")


@suite.test
def connections_bounded():
    """all clients together have 64 connections for look-ups beside their own, and go on without"""
    binds = [f"v{i}:/m{i}" for i in range(16)]
    body = json.dumps({"Image": "a", "HostConfig": {"Binds": binds}}).encode()
    release = threading.Event()

    def handler(conn, _):
        release.wait(10)
        return conn.send(response(b'{"message":"no such volume"}', "404 Not Found"))

    with env() as e:
        for i in range(16):
            e.fake.handle(f"/volumes/v{i}", handler)
        clients = [e.client() for _ in range(20)]
        for client in clients:
            client.request("POST", "/containers/create", body, JSON)
        wait_for(lambda: len(e.fake.lookups) >= 84, "look-ups on all connections")
        equal(e.ask("GET", "/_ping").status, 200, "another client")
        equal(len(e.fake.lookups), 84, "look-ups at a time")
        release.set()
        for client in clients:
            equal(client.read_response().status, 200, "status")
        equal(len(e.fake.lookups), 320, "look-ups in all")


@suite.test
def too_much_together():
    """answers that are too large together refuse, and their memory is given back"""
    binds = [f"v{i}:/m{i}" for i in range(16)]
    body = json.dumps({"Image": "a", "HostConfig": {"Binds": binds}}).encode()
    volume = json.dumps(find("volume", "tt-vol")).encode()
    data = response(volume + b" " * ((4 << 20) - len(volume)))
    with env() as e:
        for i in range(16):
            e.fake.handle(f"/volumes/v{i}", lambda conn, _: conn.send(data))
        for _ in range(3):
            answer = e.ask("POST", "/containers/create", body, JSON)
            equal(answer.status, 403, "status")
            said = answer.message()
            check(any(why in said for why in ("larger", "too much to be compared",
                                              "too many answers are being read")), said)
        equal(e.fake.requests, [], "requests that were sent on")
        e.check_rss(80)


@suite.test
def thirty_three():
    """more objects than may be named are refused, and none is sent on"""
    binds = [f"v{i}:/m{i}" for i in range(33)]
    body = json.dumps({"Image": "a", "HostConfig": {"Binds": binds}}).encode()
    with env() as e:
        answer = e.ask("POST", "/containers/create", body, JSON)
        equal(answer.status, 403, "status")
        check("32" in answer.message(), answer.message())
        equal(e.fake.requests, [], "requests")


# ---- pinning ------------------------------------------------------------------------------------

@suite.test
def pinned_path():
    """the ID that was judged goes on in place of the name; the audit line holds both"""
    with env() as e:
        e.fake.facts = {"container": {"web": inspect(CgroupnsMode="private")}}
        client = e.client()
        for path in ("/v1.41/containers/web/start", "/containers/web/attach?stream=1"):
            equal(client.ask("POST", path, b"").status, 200, path)
        equal([request.target for request in e.fake.requests],
              [f"/v1.41/containers/{id_of('web')}/start",
               f"/containers/{id_of('web')}/attach?stream=1"], "what was sent on")
        line = e.wait_audit(operation="ContainerStart", record="request")[0]
        equal((line["object"], line["object_id"]), ("web", id_of("web")), "audit")
        equal(line["path"], "/v1.41/containers/web/start", "path of the audit line")
        equal(line["facts"], [{"fact": "container", "name": "web", "id": id_of("web")}], "facts")


@suite.test
def pinned_parameter():
    """a commit names its container by a parameter, which gets the ID"""
    with env(policy="build.json") as e:
        answer = e.ask("POST", "/commit?container=web&repo=registry.example.com/ci/x&tag=1", b"")
        equal(answer.status, 200, f"status, {answer.body}")
        query = urllib.parse.parse_qs(e.fake.requests[0].target.partition("?")[2])
        equal(query["container"], [id_of("web")], "container that was sent on")
        line = e.wait_audit(operation="ImageCommit")[0]
        equal((line["facts"][0]["id"], line["object_id"]), (id_of("web"), id_of("web")), "audit")


@suite.test
def pinned_upload():
    """an upload is judged before its body is sent on, and goes to the ID"""
    with env(policy="reference.json") as e:
        tar = b"x" * 300000
        client = e.client()
        answer = client.ask("PUT", "/containers/web/archive?path=/", tar,
                            ["Content-Type: application/x-tar", "Expect: 100-continue"])
        equal(answer.status, 200, "status")
        request = e.fake.requests[0]
        equal((request.path, request.body == tar), (f"/containers/{id_of('web')}/archive", True),
              "upload")
        equal(connections(e.fake), 1, "connections")


@suite.test
def head_and_pipeline():
    """HEAD and pipelined requests wait for their look-ups and keep their order"""
    with env(policy="reference.json") as e:
        client = e.client()
        client.send(b"HEAD /containers/web/archive?path=/x HTTP/1.1\r\nHost: d\r\n\r\n"
                    b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
                    b"POST /containers/web/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n")
        for is_head in (True, False, False):
            equal(client.read_response(is_head).status, 200, "status")
        equal(paths(e.fake.requests), [f"/containers/{id_of('web')}/archive", "/_ping",
                                       f"/containers/{id_of('web')}/start"], "order")
        equal(connections(e.fake), 1, "connections")


@suite.test
def expect_continue():
    """100 Continue is said before the look-up, which needs the body"""
    with env() as e:
        client = e.client()
        client.request("POST", ONE, None, JSON + ["Expect: 100-continue",
                                                  f"Content-Length: {len(EXEC)}"])
        equal(client.read_head().status, 100, "interim status")
        equal(e.fake.lookups, [], "look-ups before the body")
        client.send(EXEC)
        equal(client.read_response().status, 200, "status")


# ---- what the daemon says -----------------------------------------------------------------------

@suite.test
def missing():
    """what does not exist is answered in the daemon's words, and the connection stays"""
    with env() as e:
        e.fake.facts = {"container": {"web": WORDS + " (said so)"}}
        client = e.client()
        answer = ask_exec(client)
        equal((answer.status, answer.message()), (404, WORDS + " (said so)"), "answer")
        equal(client.ask("GET", "/_ping").status, 200, "the next request")
        equal(paths(e.fake.requests), ["/_ping"], "requests that were sent on")
        equal(connections(e.fake), 1, "connections")
        line = e.wait_audit(decision="deny")[0]
        equal(line["facts"], [{"fact": "container", "name": "web", "missing": True}], "audit")


@suite.test
def nonconforming():
    """a container that sees the host is refused, and what it holds is in no log"""
    with env() as e:
        document = inspect(Binds=["/:/host"])
        document["Config"]["Env"] = [f"TOKEN={SECRET}"]
        e.fake.facts = {"container": {"web": document}}
        answer = ask_exec(e.client())
        equal(answer.status, 403, "status")
        check("/" in answer.message(), answer.message())
        equal(e.fake.requests, [], "requests that were sent on")
        e.wait_audit(decision="deny")
        with open(e.audit_path, encoding="utf-8") as file:
            check(SECRET not in file.read() + e.stderr(), "the secret is in a log")


BAD = [
    ("500", response(b'{"message":"it broke"}', "500 Internal Server Error"), "500: it broke"),
    ("500 of no JSON", response(b"oh\r\nno", "500 Internal Server Error"), "answered 500"),
    ("301", response(b"", "301 Moved Permanently"), "answered 301"),
    ("not HTTP", b"hello\r\n\r\n", "not HTTP"),
    ("switch", b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "HTTP"),
    ("no length", b"HTTP/1.1 200 OK\r\n\r\n{}", "HTTP"),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
     "HTTP"),
    ("bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n", "chunks"),
    ("not JSON", response(b"<html>"), "not a JSON object"),
    ("a list", response(b"[]"), "not a JSON object"),
    ("nothing", response(b""), "not a JSON object"),
    ("no ID", response(b'{"Config":{},"HostConfig":{}}'), "which object"),
    ("short ID", response(b'{"Id":"abc","Config":{},"HostConfig":{}}'), "full ID"),
    ("too large", b"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n", "larger"),
    ("a chunk too large", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400001\r\n",
     "larger"),
    ("cut head", b"HTTP/1.1 200 O", "broke off"),
    ("cut body", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "broke off"),
    ("nothing at all", b"", "closed the connection"),
]


@suite.test
def bad_answers():
    """an answer that is none refuses with the reason, and the next request works"""
    with env() as e:
        client = e.client()
        for name, data, words in BAD:
            ends = name.startswith("cut") or not data
            e.fake.handle("/containers/web/json",
                          lambda conn, _, data=data, ends=ends: conn.send(data) and not ends)
            answer = ask_exec(client)
            equal(answer.status, 403, name)
            check(words in answer.message(), f"{name}: {answer.message()}")
            equal(client.ask("GET", "/_ping").status, 200, f"after {name}")
        equal(set(paths(e.fake.requests)), {"/_ping"}, "requests that were sent on")


@suite.test
def good_answers():
    """chunks, interim heads, a closing daemon, bytes one by one: all are understood"""
    body = json.dumps(inspect()).encode()

    def slowly(conn, _):
        for at, byte in enumerate(response(body)):
            conn.send(bytes([byte]))
            if at % 200 == 0:
                time.sleep(0.001)
        return True

    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
    # Four megabytes are just taken.
    large = body + b" " * ((4 << 20) - len(body))
    ways = {"chunked": lambda conn, _: conn.send(chunked(body)),
            "small chunks": lambda conn, _: conn.send(chunked(body, 3)),
            "interim": lambda conn, _: conn.send(interim + response(body)),
            "closing": lambda conn, _: conn.send(response(body, close=True)) and False,
            "one by one": slowly,
            "large": lambda conn, _: conn.send(response(large)),
            "more than asked": lambda conn, _: conn.send(response(body) + response(b"{}"))}
    with env() as e:
        client = e.client()
        for count, (name, handler) in enumerate(ways.items()):
            e.fake.handle("/containers/web/json", handler)
            answer = ask_exec(client)
            equal((answer.status, answer.body), (200, b"{}"), name)
            equal(len(e.fake.requests), count + 1, f"requests after {name}")


# ---- the daemon and the client going away -------------------------------------------------------

@suite.test
def daemon_away():
    """without a daemon: 502 with the remedy, and an audit line"""
    with env(daemon=False) as e:
        client = e.client()
        answer = ask_exec(client)
        equal(answer.status, 502, "status")
        check(e.upstream in answer.message(), answer.message())
        line = e.wait_audit(operation="ContainerExec")[0]
        equal((line["decision"], line["status"]), ("deny", 502), "audit")
        e.fake.start()
        equal(ask_exec(client).status, 200, "once it is there")


@suite.test
def daemon_closes_idle():
    """an idle connection that the daemon closed is replaced for the look-up"""
    with env() as e:
        client = e.client()
        for _ in range(5):
            equal(ask_exec(client).status, 200, "status")
            e.fake.drop_connections()
        equal(len(e.fake.requests), 5, "requests")


@suite.test
def daemon_closes_when_asked():
    """one that it closes when asked is tried once more on a new one"""
    tries = []

    def handler(conn, _):
        tries.append(conn)
        return len(tries) != 2 and conn.send(response(json.dumps(inspect()).encode()))

    with env() as e:
        client = e.client()
        e.fake.handle("/containers/web/json", handler)
        equal(ask_exec(client).status, 200, "first")
        equal(ask_exec(client).status, 200, "second")
        equal(len(tries), 3, "look-ups")
        check(tries[1] is not tries[2], "the same connection twice")


@suite.test
def daemon_silent():
    """no answer in time is 504; the connection with the open question is not used again"""
    with env("--upstream-timeout", "2") as e:
        e.fake.handle("/containers/web/json", lambda conn, _: conn.rest() and False)
        client = e.client(timeout=10)
        answer = ask_exec(client)
        equal(answer.status, 504, "status")
        check("in time" in answer.message(), answer.message())
        equal(client.ask("GET", "/_ping").status, 200, "the next request")
        equal(connections(e.fake), 2, "connections")
        equal(paths(e.fake.requests), ["/_ping"], "requests that were sent on")


@suite.test
def client_vanishes():
    """a client that leaves meanwhile takes its look-ups with it"""
    with env() as e:
        e.fake.handle("/containers/web/json", lambda conn, _: conn.rest() and False)
        clients = [e.client() for _ in range(20)]
        for client in clients:
            client.request("POST", ONE, EXEC, JSON)
        wait_for(lambda: len(e.fake.lookups) == 20, "all are asked for")
        for client in clients:
            client.close()
        wait_for(lambda: sum(conn.ended.is_set() for conn in e.fake.connections) >= 20,
                 "the connections end")
        equal(e.fake.requests, [], "requests that were sent on")
        equal(e.ask("GET", "/_ping").status, 200, "it lives")


@suite.test
def stops_meanwhile():
    """a stop lets a request that is being looked up come to its end"""
    with env("--stop-timeout", "30") as e:
        asked, release = threading.Event(), threading.Event()

        def handler(conn, _):
            asked.set()
            release.wait(10)
            return conn.send(response(json.dumps(inspect()).encode()))

        e.fake.handle("/containers/web/json", handler)
        client = e.client()
        client.request("POST", ONE, EXEC, JSON)
        wait_for(asked.is_set, "the look-up comes")
        e.process.terminate()
        wait_for(lambda: not os.path.exists(e.socket), "it takes no more clients")
        release.set()
        answer = client.read_response()
        equal((answer.status, answer.get("Connection")), (200, "close"), "answer")


# ---- commands that were made through the proxy --------------------------------------------------

def made(exec_id, framing=response):
    body = json.dumps({"Id": exec_id}).encode() + b"\n"
    data = chunked(body, 7).replace(b"200 OK", b"201 Created") if framing is chunked else \
        response(body, "201 Created")
    return lambda conn, _: conn.send(data)


@suite.test
def own_exec():
    """a command starts only when it was made here through the same role"""
    path = f"/containers/{id_of('web')}/exec"
    with env() as e:
        client = e.client()
        for number, framing in enumerate((response, chunked)):
            exec_id = str(number) * 64
            start = f"/exec/{exec_id}/start"
            equal(client.ask("POST", start, b"{}", JSON).status, 403, "before it was made")
            e.fake.handle(path, made(exec_id, framing))
            answer = ask_exec(client)
            equal((answer.status, json.loads(answer.body)), (201, {"Id": exec_id}), "answer")
            equal(client.ask("POST", start, b"{}", JSON).status, 200, "its start")
            equal(e.ask("POST", start, b"{}", JSON).status, 200, "its start by another client")
        equal(client.ask("POST", "/exec/other/start", b"{}", JSON).status, 403, "another's")
        line = e.wait_audit(operation="ExecStart", decision="allow")[0]
        equal({fact["fact"] for fact in line["facts"]}, {"exec", "own_exec"}, "facts")


@suite.test
def own_exec_odd_answers():
    """other answers to the making of a command pass unchanged, and make nobody's command"""
    path = f"/containers/{id_of('web')}/exec"
    large = json.dumps({"Id": "a" * 64, "x": "y" * 100000}).encode()
    rows = [(response(b"{}", "201 Created"), b"{}"), (response(b"no", "201 Created"), b"no"),
            (response(large, "201 Created"), large), (response(b"", "201 Created"), b""),
            (chunked(large).replace(b"200 OK", b"201 Created"), large),
            (response(b'{"Id":"' + b"b" * 64 + b'"}'), b'{"Id":"' + b"b" * 64 + b'"}')]
    with env() as e:
        client = e.client()
        for data, body in rows:
            e.fake.handle(path, lambda conn, _, data=data: conn.send(data))
            equal(ask_exec(client).body, body, "body")
        for letter in "ab":
            equal(client.ask("POST", f"/exec/{letter * 64}/start", b"{}", JSON).status, 403,
                  "start")


@suite.test
def own_exec_held():
    """the answer is held until it is whole, and then is as it came"""
    path = f"/containers/{id_of('web')}/exec"
    body = json.dumps({"Id": "c" * 64}).encode()
    half, rest = threading.Event(), threading.Event()

    def handler(conn, _):
        data = response(body, "201 Created")
        conn.send(data[:-20])
        half.set()
        rest.wait(10)
        return conn.send(data[-20:])

    with env() as e:
        e.fake.handle(path, handler)
        client = e.client()
        client.request("POST", ONE, EXEC, JSON)
        wait_for(half.is_set, "half of it is sent")
        client.sock.settimeout(0.2)
        try:
            check(not client.sock.recv(1), "a part of it came")
        except TimeoutError:
            pass
        client.sock.settimeout(WAIT)
        rest.set()
        equal(client.read_response().body, body, "body")
        equal(client.ask("POST", f"/exec/{'c' * 64}/start", b"{}", JSON).status, 200, "start")


@suite.test
def own_exec_broken():
    """an answer that breaks off is 502"""
    with env() as e:
        data = response(b'{"Id":"d"}', "201 Created")
        e.fake.handle(f"/containers/{id_of('web')}/exec", lambda conn, _: conn.send(data[:-2]) and False)
        equal(ask_exec(e.client()).status, 502, "status")
