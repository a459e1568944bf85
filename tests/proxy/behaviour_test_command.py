"""The commands that answer without a daemon: `test` with its case files, `explain` with identities."""
import contextlib
import json
import os
import tempfile

from harness import Suite, check, equal, run_bin, shown

suite = Suite()
SOCKET = "unix:///run/sockwarden/ci.sock"
POLICY = {
    "version": 1,
    "clients": [
        {"name": "ci", "match": {"listener": SOCKET}, "role": "ci"},
        {"name": "people", "match": {"gid": 2000}, "role": "logs"},
    ],
    "roles": {
        "default": {"extends": "builtin:read-only"},
        "logs": {"extends": "default", "allow": ["ContainerLogs"],
                 "responses": {"redact": ["env", "labels"]}},
        "ci": {"allow": ["@ping", "ContainerCreate"], "images": {"allow": ["busybox"]}},
    },
}
WITH_CONTAINERS = {**POLICY, "clients": POLICY["clients"] + [
    {"name": "shipper", "match": {"compose_service": "ship*", "container_label": "tier=a"}, "role": "logs"},
    {"name": "boxes", "match": {"container_name": "box-?", "container_image": "busybox:*"}, "role": "logs"}]}
CREATE = {"name": "create", "request": "POST /containers/create?name=x", "role": "ci",
          "body": {"Image": "busybox", "HostConfig": {"Privileged": False}}, "expect": "allow"}
DENIED = {**CREATE, "name": "privileged", "body": {"Image": "busybox", "HostConfig": {"Privileged": True}},
          "expect": "deny"}
BINDS = {**DENIED, "name": "binds", "body": {"Image": "busybox", "HostConfig": {"Binds": ["/:/h"]}}}
LIST = {"name": "list", "request": "GET /containers/json", "expect": "allow"}


@contextlib.contextmanager
def folder(*cases, content=POLICY, **document):
    """A folder with policies/p.json and cases/c.json; yields the latter's path."""
    with tempfile.TemporaryDirectory() as top:
        for name in ("policies", "cases"):
            os.mkdir(os.path.join(top, name))
        with open(os.path.join(top, "policies", "p.json"), "w", encoding="utf-8") as file:
            json.dump(content, file)
        path = os.path.join(top, "cases", "c.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"policy": "../policies/p.json", "cases": list(cases), **document}, file, indent=1)
        yield path


def outcome(result):
    return (f"exit {result.returncode}, {shown(result.stdout)} {shown(result.stderr)}")


def run(*argv, closing, status=0):
    result = run_bin("test", *argv)
    lines = result.stdout.decode().splitlines()
    equal(result.returncode, status, f"status; {outcome(result)}")
    equal(lines[-1:], [closing], f"closing line; {outcome(result)}")
    return lines[:-1], result.stderr.decode()


def wrong(path, *words, line=None):
    """The file has errors: told with place, counted as one that failed, and no case is run."""
    lines, errors = run(path, closing="0 passed, 1 failed", status=1)
    equal(lines, [], "lines about cases")
    for word in words:
        check(word in errors, f"{word!r} is not in {errors!r}")
    check(f"\n{path}:" in "\n" + errors or "policy" in errors, f"no place: {errors!r}")
    if line:
        check(f"{path}:{line}:" in errors, f"not line {line}: {errors!r}")


@suite.test
def passes():
    """all as expected: a closing line and nothing else; --verbose names each"""
    with folder(CREATE, DENIED, LIST) as path:
        equal(run(path, closing="3 passed, 0 failed"), ([], ""), "output")
        lines, _ = run("--verbose", path, closing="3 passed, 0 failed")
        equal([line.split(": ")[-1] for line in lines], ["create", "privileged", "list"], "names")
        check(all(line.startswith(f"ok {path}:") for line in lines), f"ok lines: {lines}")


@suite.test
def fails():
    """one line for each case that fails, with file, line, name, field and reason"""
    row = {**CREATE, "name": "shut", "expect": "deny", "field": "HostConfig.Privileged"}
    with folder(CREATE, row, {**DENIED, "expect": "allow"}) as path:
        lines, _ = run(path, closing="1 passed, 2 failed", status=1)
        with open(path, encoding="utf-8") as file:
            text = file.read().splitlines()
        at = text.index('   "name": "shut",')
        equal(lines[0], f'{path}:{at}: shut: expected deny of HostConfig.Privileged, got allow by role "ci"',
              "line")
        check(lines[1].startswith(f"{path}:") and "expected allow, got deny of HostConfig.Privileged by "
              "containers.privileged: sockwarden: role " in lines[1], f"line: {lines[1]}")


@suite.test
def several_files():
    """the closing line counts over all files; one that is wrong counts as failed"""
    with folder(CREATE) as first, folder(LIST, {**LIST, "name": "b"}) as second:
        run(first, second, closing="3 passed, 0 failed")
        run(first, second + ".none", second, closing="3 passed, 1 failed", status=1)


# name, the case, and the words that a failure must hold; "": it must pass
EXPECTATIONS = [
    ("status", {**DENIED, "status": 403}, ""),
    ("status that differs", {**DENIED, "status": 400}, "expected status 400, got 403"),
    ("field", {**DENIED, "field": "HostConfig.Privileged"}, ""),
    ("field above", {**DENIED, "field": "HostConfig"}, ""),
    ("field of a list", {**BINDS, "field": "HostConfig.Binds"}, ""),
    ("field with an index", {**BINDS, "field": "HostConfig.Binds[7]"}, ""),
    ("field that differs", {**DENIED, "field": "HostConfig.Priv"}, "expected deny of HostConfig.Priv, got"),
    ("field deeper", {**DENIED, "field": "HostConfig.Privileged.X"}, "got deny of HostConfig.Privileged"),
    ("rule", {**DENIED, "rule": "containers.privileged"}, ""),
    ("rule that differs", {**DENIED, "rule": "containers.binds"}, "expected rule containers.binds, got rule containers.privileged: "),
    ("operation", {**DENIED, "operation": "ContainerCreate"}, ""),
    ("operation of an allow", {**CREATE, "operation": "ContainerCreate"}, ""),
    ("operation that differs", {**CREATE, "operation": "ContainerList"},
     "expected operation ContainerList, got operation ContainerCreate"),
    ("nothing redacted", {**LIST, "redacted": ""}, ""),
    ("redacted", {**LIST, "client": {"gid": 2000}, "redacted": "env,labels"}, ""),
    ("redacted, that differs", {**LIST, "client": {"gid": 2000}, "redacted": "env"},
     "expected redaction env, got redaction env,labels"),
    ("redacted, but nothing is", {**LIST, "redacted": "env"}, "expected redaction env, got none"),
    ("role", {**LIST, "expect_role": "default"}, ""),
    ("role that differs", {**LIST, "expect_role": "ci"}, "expected role ci, got role default"),
    ("client", {**LIST, "client": {"gid": 2000}, "expect_client": "people", "expect_role": "logs"}, ""),
    ("client that differs", {**LIST, "client": {"uid": 2000}, "expect_client": "people"},
     "expected client people, got none"),
    ("broken request is no refusal", {"name": "x", "raw": "GET /containers/json\r\n\r\n", "expect": "deny"},
     "for the request itself"),
    ("unless it is meant", {"name": "x", "raw": "GET /containers/json\r\n\r\n", "expect": "deny",
                            "status": 400}, ""),
    ("unknown path is no refusal", {"name": "x", "request": "GET /contianers/json", "expect": "deny"},
     "for the request itself"),
    ("unknown path that is meant", {"name": "x", "request": "GET /nothing", "expect": "deny",
                                    "status": 403}, ""),
]


@suite.test
def expectations():
    """status, field, rule, operation, expect_role, expect_client, redacted: each passes and each can fail"""
    for name, case, words in EXPECTATIONS:
        with folder(case) as path:
            lines, _ = run(path, closing="0 passed, 1 failed" if words else "1 passed, 0 failed",
                           status=1 if words else 0)
            check(not words or words in lines[0], f"{name}: {words!r} is not in {lines}")


# name, the case (what passes says that the bytes were the ones meant)
REQUESTS = [
    ("text as a body", {**CREATE, "body_text": '{"Image":"busybox"}'}, "body"),
    ("a header of its own", {**CREATE, "headers": {"content-type": "application/json; charset=utf-8"}}, None),
    ("raw", {"name": "x", "role": "ci", "expect": "allow", "operation": "SystemPing",
             "raw": "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"}, None),
    ("chunked", {"name": "x", "role": "ci", "expect": "deny", "rule": "images.allow",
                 "request": "POST /containers/create", "headers": {"Transfer-Encoding": "chunked",
                                                                   "Content-Type": "application/json"},
                 "body_text": "8\r\n{\"Image\"\r\n9\r\n:\"nginx\"}\r\n0\r\n\r\n"}, None),
    ("form body", {**CREATE, "headers": {"Content-Type": "application/x-www-form-urlencoded"},
                   "expect": "deny", "status": 400}, None),
    ("no body", {"name": "x", "request": "POST /containers/x/start", "expect": "deny", "rule": "allow"}, None),
    ("role of the case", {**LIST, "role": "ci", "expect": "deny", "rule": "allow"}, None),
    ("listener", {"name": "x", "request": "GET /info", "client": {"listener": SOCKET}, "expect": "deny",
                  "expect_client": "ci"}, None),
    ("all that is known of a client", {**LIST, "client": {
        "uid": 1, "gid": 1, "address": "fd00::1", "listener": "x", "cert_cn": "a", "cert_ou": "b",
        "cert_san": ["DNS:a", "URI:spiffe://b"], "cert_spki": "sha256:" + "0a" * 32, "description": "x",
        "container_name": "x", "container_label": ["a=b", "c"], "container_image": "x:1",
        "compose_project": "p", "compose_service": "s"},
                                       "expect_role": "default"}, None),
]


@suite.test
def requests():
    """request, headers, body, body_text, raw, client, role: what is judged is what is written"""
    for name, case, without in REQUESTS:
        case = {key: value for key, value in case.items() if key != without}
        with folder(case) as path:
            lines, errors = run(path, closing="1 passed, 0 failed")
            equal((lines, errors), ([], ""), name)


@suite.test
def body_as_written():
    """the bytes of `body` are those of the file: a number keeps its digits, its blanks stay"""
    text = ('{"role": "builtin:default", "cases": [{"name": "big", "request": "POST /containers/create",\n'
            '"body": {"Image": "busybox",\t"HostConfig": {"Memory": 9007199254740993, "Memory2": 1}},\n'
            '"expect": "deny", "field": "HostConfig.Memory2"}]}')
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(text)
        file.flush()
        run(file.name, closing="1 passed, 0 failed")


# name, keyword arguments of folder() with the cases, words of the error
WRONG = [
    ("no case", [], {}, ["holds no case"]),
    ("unknown key of a case", [{**LIST, "expected": "allow"}], {},
     ['unknown key "expected" in a case; did you mean "expect"?']),
    ("unknown key of the file", [LIST], {"polcy": "x"}, ['unknown key "polcy"', 'did you mean "policy"?']),
    ("unknown trait", [{**LIST, "client": {"adress": "10.0.0.1"}}], {}, ['did you mean "address"?']),
    ("no name", [{"request": "GET /info", "expect": "allow"}], {}, ['a case needs a "name"']),
    ("two of a name", [LIST, LIST], {}, ["has this name already"]),
    ("no request", [{"name": "x", "expect": "allow"}], {}, ['a case needs "request"']),
    ("no method", [{**LIST, "request": "/containers/json"}], {}, ["wants a method and a path"]),
    ("version in the request", [{**LIST, "request": "GET /info HTTP/1.1"}], {}, ["wants a method and a path"]),
    ("two requests", [{**LIST, "raw": "GET / HTTP/1.1\r\n\r\n"}], {}, ['"request" has no place']),
    ("two bodies", [{**CREATE, "body_text": "{}"}], {}, ["one body"]),
    ("header of two lines", [{**LIST, "headers": {"A": "b\r\nC: d"}}], {}, ["text of one line"]),
    ("no expectation", [{"name": "x", "request": "GET /info"}], {}, ['a case needs "expect"']),
    ("wrong expectation", [{**LIST, "expect": "denied"}], {}, ['"expect" is "allow", "deny"']),
    ("field of an allow", [{**LIST, "field": "Image"}], {}, ['"field" is of a refusal']),
    ("status out of range", [{**DENIED, "status": 200}], {}, ["400 to 599"]),
    ("unknown operation", [{**LIST, "operation": "ContainerLists"}], {}, ['did you mean "ContainerList"?']),
    ("unknown rule", [{**DENIED, "rule": "deny"}], {}, ["there is no such rule"]),
    ("misspelt rule", [{**DENIED, "rule": "containers.bind"}], {},
     ['there is no such rule; did you mean "containers.binds"?']),
    ("unknown client", [{**LIST, "expect_client": "cii"}], {},
     ['there is no such client of the policy; did you mean "ci"?']),
    ("unknown expected role", [{**LIST, "expect_role": "defualt"}], {},
     ['there is no such role; did you mean "default"?']),
    ("role and client", [{**CREATE, "client": {"uid": 1}}], {}, ['"client" would have no effect']),
    ("unknown role", [{**CREATE, "role": "cii"}], {}, ["there is no role cii; did you mean ci?"]),
    ("wrong kind", [{**LIST, "name": 3}], {}, ['"name" wants text, and this is a number']),
    ("uid as text", [{**LIST, "client": {"uid": "1000"}}], {}, ['"uid" wants a number']),
    ("uid out of range", [{**LIST, "client": {"uid": -1}}], {}, ["is not a number from 0"]),
    ("no address", [{**LIST, "client": {"address": "10.0.0.0/8"}}], {}, ["is not an IP address"]),
    ("no policy", [LIST], {"policy": "none.json"}, ["none.json", "cannot be used"]),
    ("unknown role of the file", [LIST], {"role": "nobody"}, ["there is no role nobody"]),
]


@suite.test
def errors():
    """what a case file may not be: told with line and column and the nearest key, nothing is run"""
    for name, cases, document, words in WRONG:
        with folder(*cases, **document) as path:
            try:
                wrong(path, *words)
            except Exception as error:
                raise type(error)(f"{name}: {error}") from None


@suite.test
def error_places():
    """line and column are those of the value or key"""
    with folder({**LIST, "expect": "maybe"}) as path:
        with open(path, encoding="utf-8") as file:
            line = file.read().splitlines().index('   "expect": "maybe"') + 1
        wrong(path, line=f"{line}:14")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write('{\n"cases": [1,]}')
        file.flush()
        wrong(file.name, "remove the comma before it", line=2)


@suite.test
def wrong_policy():
    """a policy with an error is an error, never a pass of what expects deny"""
    with folder(DENIED, content={"version": 1, "roles": {"ci": {"allw": []}}}) as path:
        wrong(path, "cannot be used", 'did you mean "allow"?')


@suite.test
def builtin_role():
    """without a policy, the built-in role that the file names"""
    with folder({**LIST, "expect_role": "builtin:read-only"}) as path:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        del document["policy"]
        for role, status in (("builtin:read-only", 0), (None, 1)):
            with open(path, "w", encoding="utf-8") as file:
                json.dump({**document, **({"role": role} if role else {})}, file)
            run(path, closing="1 passed, 0 failed" if role else "0 passed, 1 failed", status=status)


@suite.test
def check_of_a_case_file():
    """check: a file of cases is told apart, with the command for it"""
    with folder(LIST) as path:
        result = run_bin("check", path)
        equal(result.returncode, 1, "status")
        equal(result.stderr.decode(),
              f"{path}:1:1: this looks like a file of cases: `sockwarden test` runs these\n", "errors")


@suite.test
def an_audit_log():
    """an audit log without --policy: told what is missing; what only looks alike gets no such hint"""
    line = '{"time":"2026-01-01T00:00:00.000000Z","record":"request","id":"1-0-1"}\n'
    for text, hint in ((line, True), (line * 2, True), ('{"time":"x"}\n', False),
                       ('{"time":"x"}\n"record":"y"', False), ("{}", False)):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write(text)
            file.flush()
            result = run_bin("test", file.name)
            equal((result.returncode, result.stdout), (1, b"0 passed, 1 failed\n"), f"{text!r}")
            said = f"{file.name}: this looks like an audit log" in result.stderr.decode()
            equal(said, hint, f"{text!r}: {result.stderr}")
            check(not hint or b"sockwarden test --policy FILE AUDITLOG" in result.stderr, f"{result.stderr}")


@suite.test
def usage():
    """no file or an unknown option: status 2"""
    for argv in ((), ("--verbose",), ("--fast", "x.json")):
        equal(run_bin("test", *argv).returncode, 2, f"status of test {argv}")


# ---- explain ------------------------------------------------------------------------------------

ASK = b"GET /containers/x/logs HTTP/1.1\r\nHost: d\r\n\r\n"
IDENTITIES = [  # options, decision, role, client
    ((), "deny", "default", None),
    (("--gid", "2000"), "allow", "logs", "people"),
    (("--uid", "2000"), "deny", "default", None),
    (("--uid", "7", "--gid", "2000"), "allow", "logs", "people"),
    (("--gid", "2000", "--listener", SOCKET), "deny", "ci", "ci"),
    (("--compose-service", "shipper", "--container-label", "tier=a"), "allow", "logs", "shipper"),
    (("--compose-service", "shipper", "--container-label", "tier=b"), "deny", "default", None),
    (("--compose-service", "shipper"), "deny", "default", None),
    (("--container-name", "box-1", "--container-image", "busybox:1", "--compose-project", "p"), "allow", "logs",
     "boxes"),
    (("--container-name", "box-1"), "deny", "default", None),
    (("--role", "default"), "deny", "default", None),
    (("--gid", "2000", "--role", "default"), "deny", "default", None),
    (("--cert-san", "DNS:a", "--cert-san", "IP:10.0.0.1", "--cert-cn", "a", "--cert-ou", "b",
      "--address", "10.0.0.1"), "deny", "default", None),
]


@suite.test
def explain_identity():
    """explain: who asks chooses the role as in `clients`; --role wins"""
    with folder(LIST, content=WITH_CONTAINERS) as path:
        policy = os.path.join(os.path.dirname(path), "..", "policies", "p.json")
        for options, *expected in IDENTITIES:
            result = run_bin("explain", "--policy", policy, *options, stdin=ASK)
            answer = json.loads(result.stdout)
            equal([answer["decision"], answer["role"], answer.get("client")], expected, f"answer to {options}")
            equal(result.returncode, 0 if expected[0] == "allow" else 3, f"status of {options}")


@suite.test
def explain_wrong_identity():
    """explain: values that nobody can have, and facts that cannot be read: status 1, no answer"""
    for options in (("--uid", "x"), ("--uid", "-1"), ("--gid", "4294967295"), ("--address", "a.example"),
                    ("--cert-san", "a.example"), ("--cert-spki", "sha256:00"), ("--cert-cn", ""),
                    ("--container-name", "/x"), ("--container-label", "=x"),
                    ("--compose-service", "a", "--compose-service", "b"),
                    ("--facts", "/nowhere/facts.json"), ("--role", "none")):
        result = run_bin("explain", *options, stdin=ASK)
        equal((result.returncode, result.stdout), (1, b""), f"explain {options}")
        check(any(word in result.stderr for word in (options[0].encode(), b"no role", b"/nowhere/facts.json")),
              shown(result.stderr))
    for options in (("--uid",), ("--cert_cn", "a"), ("a", "b")):
        equal(run_bin("explain", *options, stdin=ASK).returncode, 2, f"status of explain {options}")


WEB = {"Id": "ab" * 32, "Name": "/web", "Image": "sha256:" + "cd" * 32, "Config": {"Image": "busybox"},
       "HostConfig": {"NetworkMode": "default"}, "Mounts": [], "NetworkSettings": {"Networks": {"bridge": {}}}}
HOST = {**WEB, "Id": "12" * 32, "Name": "/host", "HostConfig": {"Binds": ["/:/h"]}}
VOLUME = {"Name": "v", "Driver": "local", "Mountpoint": "/x", "Options": {"type": "none", "o": "bind", "device": "/"}}
FOUND = {"fact": "container", "name": "web", "found": WEB}


def start(name):
    return f"POST /containers/{name}/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode()


def post(path, body):
    data = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode() + data


def explain(ask, *files, role="default"):
    """(exit status, answer, standard error) with these documents, or texts, as --facts."""
    with tempfile.TemporaryDirectory() as top:
        options = []
        for number, document in enumerate(files):
            path = os.path.join(top, f"{number}.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(document if isinstance(document, str) else json.dumps(document))
            options += ["--facts", path]
        result = run_bin("explain", "--role", role, *options, stdin=ask)
        errors = result.stderr.decode().replace(top + "/", "")
    return result.returncode, json.loads(result.stdout) if result.stdout else {}, errors


JOIN = post("/containers/create", {"Image": "busybox", "HostConfig": {"Binds": ["v:/h"], "VolumesFrom": []}})
# name, request, files of facts, what the answer holds
FACTS = [
    ("nothing is known", start("web"), (), {"decision": "need", "needs": [{"fact": "container", "name": "web"}]}),
    ("another is known", start("web"), ([{**FOUND, "name": "other", "found": HOST}],),
     {"decision": "need", "needs": [{"fact": "container", "name": "web"}]}),
    ("found", start("web"), ([FOUND],), {"decision": "allow", "pinned": WEB["Id"]}),
    ("one object alone", start("web"), (FOUND,), {"decision": "allow", "pinned": WEB["Id"]}),
    ("found bad", start("host"), ([{**FOUND, "name": "host", "found": HOST}],),
     {"decision": "deny", "status": 403, "rule": "containers.binds", "field": "HostConfig.Binds[0]"}),
    ("missing", start("web"), ([{"fact": "container", "name": "web", "missing": "No such container: web"}],),
     {"decision": "deny", "status": 404, "reason": "No such container: web"}),
    ("failed", start("web"), ([{"fact": "container", "name": "web", "failed": "it is away"}],),
     {"decision": "deny", "status": 403}),
    ("docker inspect", start("web"), ([WEB, HOST],), {"decision": "allow", "pinned": WEB["Id"]}),
    ("its ID", start(WEB["Id"]), ([WEB],), {"decision": "allow"}),
    ("its short ID", start(WEB["Id"][:12]), ([WEB],), {"decision": "allow"}),
    ("a shorter one is none", start(WEB["Id"][:11]), ([WEB],), {"decision": "need"}),
    ("a given name wins", start("web"), ([WEB, {**FOUND, "found": HOST}],), {"decision": "deny"}),
    ("the first file wins", start("web"), ([FOUND], [{**FOUND, "found": HOST}]), {"decision": "allow"}),
    ("the second file counts, too", start("web"), ([], [FOUND]), {"decision": "allow"}),
    ("a volume of docker volume inspect", JOIN, ([VOLUME],), {"decision": "deny", "rule": "containers.binds"}),
    ("a volume that is not there", JOIN, ([{"fact": "volume", "name": "v", "missing": ""}],), {"decision": "allow"}),
    ("an exec is one's own", post("/exec/e/start", {}),
     ([{"fact": "exec", "name": "e", "found": {"ID": "e", "ContainerID": WEB["Id"],
                                               "ProcessConfig": {"entrypoint": "sh", "privileged": False}}}],),
     {"decision": "allow"}),
    ("unless somebody says that it is not", post("/exec/e/start", {}),
     ([{"fact": "exec", "name": "e", "found": {"ID": "e", "ContainerID": WEB["Id"],
                                               "ProcessConfig": {"entrypoint": "sh", "privileged": False}}},
       {"fact": "own_exec", "name": "e", "found": {"Own": False}}],),
     {"decision": "deny", "rule": "existing"}),
    ("info of docker info", start("web"),
     ([{**WEB, "HostConfig": {"CgroupnsMode": "host"}}],
      {"ID": "A", "ServerVersion": "20.10", "DefaultRuntime": "runc", "CgroupVersion": "1"}),
     {"decision": "allow"}),
    ("info that is not known", start("web"), ([{**WEB, "HostConfig": {"CgroupnsMode": "host"}}],),
     {"decision": "need", "needs": [{"fact": "info"}]}),
]


@suite.test
def explain_facts():
    """explain --facts: what is known decides, what is not is named; docker's own output is taken"""
    for name, ask, files, wanted in FACTS:
        status, answer, errors = explain(ask, *files)
        got = {key: answer.get(key) for key in wanted}
        equal((got, errors), (wanted, ""), f"{name}: {answer}")
        equal(status, 0 if wanted["decision"] == "allow" else 3, f"{name}: status")
        check(("pinned" in answer) == (answer["decision"] == "allow" and b"/containers/" in ask
                                       and ask is not JOIN), f"{name}: {answer}")


# what stands in the file, and what is said of it
WRONG_FACTS = [
    ("7", "0.json:1:1: facts are a list of objects"),
    ("[7]", "0.json:1:2: \"a fact\" wants an object, and this is a number"),
    ("[{}]", "0.json:1:2: this is neither a fact"),
    ("[{\"Id\": \"x\"}]", "this is neither a fact"),
    ("[\n {\"fact\": \"contianer\"}]", "no kind of fact \"contianer\", did you mean \"container\"; there are: container, exec"),
    ("[{\"fact\": 1}]", "\"fact\" wants text, and this is a number"),
    ("[{\"fact\": \"info\", \"founds\": {}}]", "0.json:1:19: unknown key \"founds\" in a fact, which has \"fact\", "
     "\"name\" and one of \"found\", \"missing\" and \"failed\"; did you mean \"found\"?"),
    ("[{\"fact\": \"container\", \"name\": \"x\"}]", "a fact has one answer"),
    ("[{\"fact\": \"container\", \"name\": \"x\", \"missing\": \"\", \"failed\": \"\"}]", "a fact has one answer"),
    ("[{\"fact\": \"container\", \"found\": []}]", "\"found\" wants an object, and this is a list"),
    ("[{\"fact\": \"container\", \"missing\": \"\"}]", "a fact needs a \"name\""),
    ("[{\"fact\": \"host_path\", \"found\": {}}]", "a fact needs a \"name\""),
    ("[{\"fact\": \"info\", \"name\": \"x\", \"found\": {}}]", "\"info\" is of the whole daemon"),
    ("[{\"fact\": \"volume\", \"name\": \"x\", \"missing\": \"\"},\n{\"fact\": \"volume\", \"name\": \"x\", \"missing\": \"\"}]",
     "0.json:2:1: volume \"x\" is told twice"),
    ("[", "0.json:1:2: "),
    ("", "0.json:1:1: "),
]


@suite.test
def explain_wrong_facts():
    """explain --facts: a slip is told with its place, and nothing is decided"""
    for text, words in WRONG_FACTS:
        status, answer, errors = explain(start("web"), text)
        equal((status, answer), (1, {}), f"{text}: {errors}")
        check(words in errors, f"{text}: {words!r} is not in {errors!r}")


@suite.test
def case_facts():
    """facts of a case, of the file, of a file that it names; what is missing is named"""
    ask = {"name": "start", "request": "POST /containers/web/start", "expect": "allow"}
    other = {"version": 1, "roles": {"default": {"extends": "builtin:default"}}}
    with folder(ask, content=other) as path:
        lines, _ = run(path, closing="0 passed, 1 failed", status=1)
        check('expected allow, got need of container "web": give it in "facts"' in lines[0], f"{lines}")
    for cases, facts in (([{**ask, "facts": [FOUND]}], []), ([ask], [FOUND]), ([ask], [WEB]),
                         ([{**ask, "facts": FOUND}], [{**FOUND, "found": HOST}]),
                         ([{**ask, "expect": "need"}], []), ([{**ask, "expect": "need"}], [HOST]),
                         ([{**ask, "expect": "deny", "facts": {**FOUND, "found": HOST}, "rule": "containers.binds"}],
                          [FOUND])):
        with folder(*cases, content=other, facts=facts) as path:
            run(path, closing="1 passed, 0 failed")
    with folder(ask, {**ask, "name": "other", "facts": "none.json"}, content=other, facts="../web.json") as path:
        with open(os.path.join(os.path.dirname(path), "..", "web.json"), "w", encoding="utf-8") as file:
            json.dump([WEB], file)
        wrong(path, "cannot read", "none.json cannot be used")
        with open(os.path.join(os.path.dirname(path), "none.json"), "w", encoding="utf-8") as file:
            json.dump([], file)
        run(path, closing="2 passed, 0 failed")
    with folder({**ask, "expect": "need", "rule": "allow"}, content=other) as path:
        wrong(path, '"rule" is of a refusal, and this case expects "need"')
    with folder({**ask, "facts": [{"fact": "container"}]}, content=other) as path:
        wrong(path, "a fact has one answer")


@suite.test
def explain_bare_lf():
    """explain: a request with bare LF is refused, and the way to end its lines is named and works"""
    result = run_bin("explain", stdin=ASK.replace(b"\r\n", b"\n"))
    equal(result.returncode, 3, "status")
    check("LF" in json.loads(result.stdout)["reason"], shown(result.stdout))
    check(b"sed '1,/^$/s/$/\\r/'" in result.stderr, shown(result.stderr))
