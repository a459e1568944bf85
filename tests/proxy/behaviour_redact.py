"""Answers that are emptied on the way (responses.redact): connections that go on, what is refused, and
large or slow answers."""
import json

from fake_dockerd import response
from harness import Env, Suite, check, equal, wait_for

suite = Suite()
POLICY = "redact.json"
INSPECT = "/v1.41/containers/web/json"
FULL = (b'{"Id":"1","Config":{"Env":["A=secret"],"Labels":{"a":"secret"},"User":"u"},'
        b'"HostConfig":{"Binds":["/secret:/x"],"Memory":9007199254740993}}\n')
BARE = FULL.replace(b'["A=secret"]', b"[]").replace(b'{"a":"secret"}', b"{}") \
    .replace(b'["/secret:/x"]', b"[]")
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


@suite.test
def one_connection():
    """answers with a length, in chunks and as errors follow each other on one connection"""
    with Env(policy=POLICY) as env:
        def whole(conn, _):
            return conn.send(response(FULL))

        def pieces(conn, _):
            return conn.send(CHUNKED + b"".join(chunk(FULL[i:i + 7])
                                                for i in range(0, len(FULL), 7)) + b"0\r\n\r\n")

        def missing(conn, _):
            return conn.send(response(b'{"message":"no /secret"}', status="404 Not Found"))
        client = env.client()
        for handler, status, body in ((whole, 200, BARE), (pieces, 200, BARE),
                                      (missing, 404, b'{"message":"no /secret"}'), (whole, 200, BARE)):
            env.fake.handle("/containers/web/json", handler)
            answer = client.ask("GET", INSPECT)
            equal((answer.status, answer.body), (status, body), handler.__name__)
            equal(answer.get("Content-Length"), str(len(body)), "Content-Length")
        equal(env.fake.used(), 1, "connections to the daemon")


BAD = [
    ("compressed", response(FULL, headers=["Content-Encoding: gzip"])),
    ("cut", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + FULL),
    ("malformed", response(FULL[:-3])),
    ("no object", response(b'"secret"')),
    ("another shape", response(b'{"Config":"secret"}')),
    ("too large", response(b'{"Config":{"Env":["%s"]}}' % (b"secret" * 800000))),
    ("moved", response(b"secret", status="301 Moved Permanently")),
    ("without a length", b"HTTP/1.1 200 OK\r\n\r\n" + FULL),
]


@suite.test
def unclear():
    """an answer in which the places cannot be found is a 502 that says why, and shows nothing"""
    with Env(policy=POLICY) as env:
        for name, answer in BAD:
            def bad(conn, _, answer=answer):
                conn.send(answer)
                return False
            env.fake.handle("/containers/web/json", bad)
            got = env.ask("GET", INSPECT)
            equal(got.status, 502, name)
            check("cannot be passed on" in got.message() and b"secret" not in got.body,
                  f"{name}: {got.body[:300]}")


@suite.test
def long_list():
    """a list of 10 MB streams through, emptied, in bounded memory"""
    element = (b'{"Id":"%d","Labels":{"a":"' + b"secret" * 150 + b'"},"Mounts":[{"Source":"/secret"}]}')
    count = 10000
    with Env(policy=POLICY) as env:
        def many(conn, _):
            conn.send(CHUNKED + chunk(b"["))
            for i in range(count):
                if conn.send(chunk((b"," if i else b"") + element % i)) is False:
                    return False
            return conn.send(chunk(b"]\n") + b"0\r\n\r\n")
        env.fake.handle("/containers/json", many)
        answer = env.client(timeout=60).ask("GET", "/v1.41/containers/json?all=1")
        equal(json.loads(answer.body), [{"Id": str(i), "Labels": {}, "Mounts": [{"Source": ""}]}
                                        for i in range(count)], "the list")
        env.check_rss()


@suite.test
def events_at_once():
    """each event passes when it is whole, without its labels; one of no known shape ends the stream"""
    with Env(policy=POLICY) as env:
        streams = []

        def events(conn, _):
            streams.append(conn)
            conn.send(CHUNKED)
            wait_for(lambda: not streams, "the test has ended", 20)
            return False
        env.fake.handle("/events", events)
        client = env.client()
        client.request("GET", "/v1.41/events")
        equal(client.read_head().status, 200, "status")
        for i in range(3):
            streams[0].send(chunk(b'{"Actor":{"Attributes":{"secret":"x","name":"n%d"}}}\n' % i))
            equal(client.chunk(), b'{"Actor":{"Attributes":{"name":"n%d"}}}\n' % i, "event")
        streams[0].send(chunk(b'{"Actor":"secret"}\n'))
        check(client.at_end(), "something comes behind the last event")
        streams.clear()


@suite.test
def other_ways():
    """environments of processes and attestations are refused, whatever else the role allows"""
    with Env(policy=POLICY) as env:
        for target in ("/v1.41/containers/web/top?ps_args=axe", "/v1.55/images/busybox/attestations"):
            got = env.ask("GET", target)
            equal(got.status, 403, target)
            check("responses.redact" in got.message(), got.message())
        equal(env.fake.requests, [], "requests at the daemon")
        env.wait_audit(2, decision="deny", rule="responses.redact")


@suite.test
def unread():
    """what slow readers leave of large answers is bounded, and comes whole to who reads after all"""
    big = b'{"Id":"1","Config":{"Env":["A=secret"],"User":"' + b"u" * 3500000 + b'"}}'
    with Env(policy=POLICY) as env:
        for target, answer, body in ((INSPECT, big, big.replace(b'["A=secret"]', b"[]")),
                                     ("/v1.41/containers/json", b"[%s]" % big, b"[%s]" % big)):
            env.fake.handle(target[6:], lambda conn, _, answer=answer: conn.send(response(answer)) and False)
            slow = [env.client(timeout=30) for _ in range(30)]
            for client in slow:
                client.request("GET", target)
                status = client.read_head().status
                check(status in (200, 502), f"{target}: {status}")
            env.check_rss(80)
            for client in slow[1:]:
                client.close()
            got = (slow[0].exactly(len(body)) if target == INSPECT else b"".join(slow[0].chunks()))
            check(got == body, f"{target}: {len(got)} bytes of {len(body)}")
            wait_for(lambda target=target: env.ask("GET", target).status == 200, f"{target}: room again")


OWNED = {"version": 1, "roles": {"default": {
    "extends": "builtin:default", "owner": {"label": "com.example.who", "value": "uid-${uid}"}}}}
USED = (b'{"Id":"sha256:1","Config":{},"Manifests":[{"ID":"m","ImageData":{"Containers":["c1","c2"]}}]}')
UNUSED = USED.replace(b'["c1","c2"]', b"[]")


@suite.test
def users_of_images():
    """under `owner` no image tells which containers use it, listed or inspected, with redaction or not"""
    for more in ({}, {"responses": {"redact": ["labels"]}}):
        policy = json.loads(json.dumps(OWNED))
        policy["roles"]["default"].update(more)
        with Env(start=False) as env:
            path = env.dir + "/policy.json"
            with open(path, "w", encoding="ascii") as file:
                json.dump(policy, file)
            at = env.args.index("--role")
            env.args[at:at + 2] = ["--policy", path]
            env.start()
            env.fake.handle("/images/json", lambda conn, _: conn.send(response(b"[%s,%s]" % (USED, USED))))
            env.fake.handle("/images/one/json", lambda conn, _: conn.send(response(USED)))
            for target, expected in (("images/json", b"[%s,%s]" % (UNUSED, UNUSED)), ("images/one/json", UNUSED)):
                answer = env.ask("GET", f"/v1.49/{target}?manifests=1")
                equal((answer.status, answer.body), (200, expected), f"{target} {more}")
