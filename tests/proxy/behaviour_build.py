"""Builds: what pings say of the builder, and what an upload of a context carries on."""
from fake_dockerd import response
from harness import Env, Suite, check, equal

suite = Suite()
TAR = b"\0" * 1024


def builder(policy=None, role="all"):
    """Builder-Version of both pings, where the daemon says 2."""
    def ping(conn, _):
        return conn.send(response(b"", headers=["Builder-Version: 2"]))
    with Env(policy=policy, role=role) as env:
        env.fake.handle("/_ping", ping)
        return {env.ask(method, "/_ping").get("Builder-Version") for method in ("GET", "HEAD")}


@suite.test
def builder_version():
    """pings say builder version 1 unless the role may use BuildKit: its key and Session"""
    equal(builder(), {"2"}, "builtin:all")
    equal(builder(policy="build-free.json"), {"2"}, "builds.buildkit and Session")
    equal(builder(role="default"), {"1"}, "builtin:default")
    equal(builder(policy="build.json"), {"1"}, "Session without builds.buildkit")
    equal(builder(policy="bare.json"), {"1"}, "every operation without builds.buildkit")


@suite.test
def context_upload():
    """a context goes on as application/x-tar with the registry's credentials, in chunks or not"""
    with Env(policy="build.json") as env:
        client = env.client()
        for number, kind in enumerate(("application/x-tar", "application/octet-stream", None)):
            headers = ["X-Registry-Config: e30="] + ([f"Content-Type: {kind}"] if kind else [])
            equal(client.ask("POST", "/v1.41/build?t=app&t=b&version=1", TAR, headers).status, 200,
                  "status")
            got = env.fake.requests[number]
            equal(got.target, "/v1.41/build?t=app&t=b&version=1", "target")
            equal(got.get("Content-Type"), "application/x-tar", "Content-Type")
            equal(got.get("X-Registry-Config"), "e30=", "X-Registry-Config")
            equal(got.body, TAR, "context")
        client.send(b"POST /build HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"3\r\ntar\r\n0\r\n\r\n")
        equal(client.read_response().status, 200, "chunked")
        equal((env.fake.requests[3].get("Content-Type"), env.fake.requests[3].body),
              ("application/x-tar", b"tar"), "chunked context")


@suite.test
def form_after_one_byte():
    """a form that begins with a chunk of one byte is refused: it would override the query"""
    with Env() as env:
        client = env.client()
        client.send(b"POST /v1.41/build?networkmode=none HTTP/1.1\r\nHost: d\r\n"
                    b"Content-Type: application/x-www-form-urlencoded\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        answer = client.read_response()
        equal(answer.status, 400, "status")
        check("form" in answer.message(), answer.message())
        equal(env.fake.received(), 0, "bytes at the daemon")


@suite.test
def secrets_stay_out():
    """passwords of logins, build arguments, addresses and changes are in no audit line"""
    with Env(policy="build.json") as env:
        for method, target, body in (
                ("POST", "/auth", b'{"username":"u","password":"hunter2"}'),
                ("POST", "/auth", b'{"password":"hunter2","serveraddress":"https://u:hunter2@a.b/"}'),
                ("POST", "/auth", b'{"password":["hunter2"]}'),
                ("POST", "/commit?container=a&repo=b&changes=LABEL+a%3Dhunter2", b"null"),
                ("POST", "/commit?container=a&repo=b&changes=CMD+hunter2", b"null")):
            env.ask(method, target, body, ["Content-Type: application/json"])
        for query in ("buildargs=%7B%22A%22%3A%22hunter2%22%7D",
                      "remote=https://u:hunter2@evil.example/hunter2?hunter2",
                      "remote=https://u:hunter2@git.example.com/x", "remote=hunter2"):
            env.ask("POST", "/build?" + query, TAR, ["Content-Type: application/x-tar"])
        lines = env.wait_audit(9, record="request")
        check("hunter2" not in str(lines), f"a secret in {lines}")
