"""The cases of tests/cases through a live proxy and through `explain`."""
import base64
import concurrent.futures
import glob
import json
import os
import re
import socket
import tempfile
import time
import urllib.parse

from facts import find, id_of
from fake_dockerd import response
from harness import (CASES, Client, Env, Failure, check, equal, run_bin, settings, shown, unread,
                     wait_for)

PAD = re.compile(r"%PAD(\d+)%")
FORWARDED = {"host", "user-agent", "accept", "content-type", "content-length", "x-registry-auth",
             "x-registry-config", "version", "transfer-encoding", "connection"}
HIJACK = {"upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
          "sec-websocket-extensions"}
FIXED_MODES = ("default", "bridge", "none", "host")
SPLIT_ALL = 300     # bytes; longer requests are split at samples
SPLIT_SAMPLES = 40
SPLIT_BATCH = 128   # connections at a time


class Case:
    def __init__(self, file, row):
        self.file = file
        self.name = f"{file}/{row['name']}"
        self.policy = row.get("policy", "reference.json")
        self.allow = row["expect"] == "allow"
        self.row = row
        self.is_raw = "raw" in row or "raw_base64" in row
        self.body = self.part("body") or b""
        self.data = self.part("raw") if self.is_raw else self.build()
        self.method = row.get("method") or self.data.split(b" ")[0].decode("latin-1")
        self.eof = row.get("eof", False)
        self.passed = row.get("passed")
        self.facts = row.get("facts", {})

    def part(self, key):
        if key + "_base64" in self.row:
            return base64.b64decode(self.row[key + "_base64"])
        text = self.row.get(key)
        return expand(text).encode() if text is not None else None

    def build(self):
        headers = self.row.get("headers")
        if headers is None:
            headers = {"Content-Type": "application/json"} if self.body else {}
        lines = [f"{self.row['method']} {expand(self.row['target'])} HTTP/1.1",
                 "Host: client.invalid"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self.body or self.row["method"] in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body

    def expected(self):
        """(method, target, body or None when unknown) of what an allowed case sends on."""
        if not self.is_raw:
            return [(self.row["method"], expand(self.row["target"]), self.body)]
        if self.passed:
            return [(*line.split(" "), None) for line in self.passed]
        head, _, rest = self.data.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode("latin-1").split(" ")
        return [(method, target, plain_body(head, rest))]


def expand(text):
    return PAD.sub(lambda match: "a" * int(match[1]), text)


def plain_body(head, rest):
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    parts = []
    while not rest.startswith(b"0"):
        size, _, rest = rest.partition(b"\r\n")
        parts.append(rest[:int(size, 16)])
        rest = rest[int(size, 16) + 2:]
    return b"".join(parts)


def load():
    """{file: [case]} of the whole corpus."""
    files = {}
    for path in sorted(glob.glob(os.path.join(CASES, "*.jsonl"))):
        name = os.path.basename(path)[:-6]
        with open(path, encoding="utf-8") as file:
            files[name] = [Case(name, json.loads(line)) for line in file]
    return files


# ---- what must be true of an answer and of what was sent on -------------------------------------

def check_denial(case, answer):
    check(400 <= answer.status < 500, f"status {answer.status}")
    if "status" in case.row:
        equal(answer.status, case.row["status"], "status")
    if answer.body or case.method != "HEAD":
        answer.message()


def query_of(target):
    return urllib.parse.parse_qsl(target.partition("?")[2], keep_blank_values=True)


def pinned_path(path):
    """The path with the ID of the container, or of the network that is joined, that it names."""
    return re.sub(r"(/containers/)([^/]+)(?=/|$)|(/networks/)([^/]+)(?=/(?:dis)?connect$)",
                  lambda m: (m[1] or m[3]) + id_of(m[2] or m[4]), path, count=1)


def pinned_mode(mode):
    """A mode that joins a container or a network, with its ID."""
    if mode.startswith("container:"):
        return "container:" + id_of(mode[len("container:"):])
    return mode if mode in FIXED_MODES else id_of(mode)


def pins(target, document):
    """[(place, member, text that goes to the daemon there)] of a body: IDs for names, and the
    member that makes the daemon refuse a second network of a name."""
    found = []
    for place in (document, document.get("HostConfig") or {}):
        volumes = place.get("VolumesFrom") or []
        found += [(volumes, at, ":".join([id_of(text.split(":")[0])] + text.split(":")[1:]))
                  for at, text in enumerate(volumes)]
        links = place.get("Links") or []
        found += [(links, at, ":".join([id_of(text.split(":")[0])] + text.split(":")[1:]))
                  for at, text in enumerate(links) if ":" in text]
        found += [(place, mode, pinned_mode(place[mode]))
                  for mode in ("NetworkMode", "PidMode", "IpcMode", "UTSMode")
                  if str(place.get(mode) or "").startswith("container:")]
    if "/services/" in target:
        for place in (document, document.get("TaskTemplate") or {}):
            found += [(net, "Target", id_of(net["Target"])) for net in place.get("Networks") or []
                      if net.get("Target", "host") != "host"]
    if re.search(r"/networks/[^/]+/(dis)?connect$", target):
        found.append((document, "Container", id_of(document["Container"])))
    if target.endswith("/networks/create") and not re.match(r"/v1\.(4[4-9]|5)", target):
        found.append((document, "CheckDuplicate", True))
    return found


def check_json(target, got, wanted):
    """What was sent on is what came to the byte, but for what was pinned, and each pin is there."""
    if got == wanted:
        return
    document, read = json.loads(wanted), json.loads(got)
    text = re.escape(wanted.decode())
    for place, member, value in pins(target, document):
        if value is True and member not in place:
            text = text[:-2] + ',"%s":true' % member + text[-2:]
        elif isinstance(value, str):
            old = re.escape(json.dumps(place[member]))
            text = text.replace(old, "(?:%s|%s)" % (old, re.escape(json.dumps(value))))
        place[member] = value
    if read != document or not re.fullmatch(text, got.decode()):
        equal(got, wanted, "JSON body that was sent on")


def check_target(case, sent, target):
    path = urllib.parse.unquote(target.partition("?")[0])
    got = urllib.parse.unquote(sent.partition("?")[0])
    if got != pinned_path(path):
        equal(got, path, "path that was sent on")
    if case.passed:
        return
    gone = set(case.row.get("dropped", []))
    wanted = [pair for pair in query_of(target) if pair[0] not in gone and pair[1]]
    pins_of = {"container": lambda v: id_of(v)} if "/commit?" in sent else \
              {"networkmode": pinned_mode} if "/build?" in sent else {}
    for name, pin in pins_of.items():
        given = dict(query_of(sent)).get(name)
        wanted = [(k, given if k == name and given == pin(v) else v) for k, v in wanted]
    got = [pair for pair in query_of(sent) if pair[1]]
    equal(got, [pair for pair in wanted], "query that was sent on")
    if "sent" in case.row:
        equal(got, [tuple(pair) for pair in case.row["sent"]], "query that was sent on")


def check_sent(case, request, expected):
    method, target, body = expected
    equal(request.method, method, "method that was sent on")
    equal(request.version, "HTTP/1.1", "version that was sent on")
    check_target(case, request.target, target)
    names = [name.lower() for name, _ in request.headers]
    equal(len(names), len(set(names)), "every header once")
    extra = set(names) - FORWARDED - (HIJACK if "attach" in target or "/exec/" in target else set())
    check(not extra, f"headers that do not belong on: {sorted(extra)}")
    check(request.get("Host") not in (None, "client.invalid", "d"),
          f"Host {request.get('Host')!r} was sent on")
    check(request.complete, "the body did not arrive whole")
    if method in ("POST", "PUT"):
        check(("content-length" in names) != ("transfer-encoding" in names), f"framing: {names}")
    if body is None:
        return
    kind = request.get("Content-Type")
    if kind == "application/json":
        check_json(target.partition("?")[0], request.body, body)
        check("content-length" in names, "JSON without Content-Length")
    elif kind == "application/x-tar":
        equal(request.body, body, "body that was sent on")
    else:
        equal((kind, request.body), (None, b""), "type and body where none belongs")


# ---- live ---------------------------------------------------------------------------------------

def host_tree(env):
    """What the facts of the cases say of bind sources, as a file system: /srv/ci/ws is a folder, with
    a link to / and a second name of the daemon's socket in it; all else is missing."""
    tree = os.path.join(env.dir, "host")
    os.makedirs(os.path.join(tree, "srv/ci/ws"))
    os.symlink("/", os.path.join(tree, "srv/ci/ws/rootlink"))
    os.link(env.upstream, os.path.join(tree, "srv/ci/ws/daemon.sock"))
    return tree


class Live:
    """One proxy per policy, kept for the whole run."""

    def __init__(self):
        self.envs = {}
        self.itself = {}    # policy -> what the daemon says of itself
        self.execs = set()  # (policy, ID) of commands that were made
        self.last = {}      # policy -> bytes at the daemon after the case before

    def __enter__(self):
        return self

    def __exit__(self, *args):
        for env in self.envs.values():
            env.__exit__(*args)

    def env(self, policy):
        if policy not in self.envs:
            self.envs[policy] = env = Env("--head-timeout", "30", policy=policy, start=False)
            env.args += ["--host-root", host_tree(env)]
            env.start()
        return self.envs[policy]

    def prepared(self, case):
        """The proxy of the case's policy, before a daemon that says what the case wants."""
        itself = [case.facts.get(kind) for kind in ("info", "version")]
        if self.itself.setdefault(case.policy, itself) != itself:
            # What the daemon says of itself is kept for a while: another one, another proxy.
            self.itself[case.policy] = itself
            self.execs = {made for made in self.execs if made[0] != case.policy}
            self.envs.pop(case.policy).__exit__(None, None, None)
            self.last.pop(case.policy, None)
        env = self.env(case.policy)
        env.fake.facts = case.facts
        for exec_id, told in case.facts.get("own_exec", {}).items():
            if told["Own"] and (case.policy, exec_id) not in self.execs:
                self.execs.add((case.policy, exec_id))
                self.make_exec(env, exec_id)
                self.last[case.policy] = env.fake.received()
        return env

    @staticmethod
    def make_exec(env, exec_id):
        """A command of that ID, made through the proxy."""
        env.fake.handle(f"/containers/{id_of('own')}/exec", lambda conn, _: conn.send(
            response(json.dumps({"Id": exec_id}).encode(), "201 Created")))
        facts, env.fake.facts = env.fake.facts, {}
        answer = env.ask("POST", "/containers/own/exec", b'{"Cmd": ["sh"]}',
                         ["Content-Type: application/json"])
        env.fake.facts = facts
        equal(answer.status, 201, f"the command that is to be made: {shown(answer.body)}")

    def run(self, case):
        env = self.prepared(case)
        before, count = env.fake.received(), len(env.fake.requests)
        trickle = before - self.last.get(case.policy, before)
        try:
            with Client(env.socket) as client:
                client.send_if_open(case.data)
                if case.eof:
                    client.end_writing()
                if case.allow:
                    self.check_allowed(case, client, env, count)
                else:
                    self.check_denied(case, client, env, before, count)
        finally:
            self.last[case.policy] = env.fake.received()
        equal(trickle, 0, "bytes that reached the daemon behind the case before")

    @staticmethod
    def check_allowed(case, client, env, count):
        expected = case.expected()
        for number, (method, _, _) in enumerate(expected):
            answer = client.read_response(method == "HEAD")
            if answer.status != 200:
                raise Failure(f"answer {number + 1}: {answer.status} {shown(answer.body)}")
        requests = env.fake.wait_requests(count + len(expected))[count:]
        equal(len(requests), len(expected), "requests that were sent on")
        for request, wanted in zip(requests, expected):
            check_sent(case, request, wanted)

    @staticmethod
    def check_denied(case, client, env, before, count):
        passed = [line.split(" ") for line in case.passed or []]
        refused = None
        for method in [line[0] for line in passed] + [None if passed else case.method]:
            if case.eof and client.at_end():
                break
            answer = client.read_response(method == "HEAD")
            if answer.status >= 300:
                refused = answer
                break
        if refused is None:
            check(case.eof, "nothing was refused")
        else:
            check_denial(case, refused)
            if (refused.get("Connection") or "").lower() == "close":
                check(client.at_end(), "Connection: close, but it stays open")
        requests = env.fake.requests[count:]
        if not passed:
            equal(env.fake.received() - before, 0, "bytes that reached the daemon")
        else:
            check(len(requests) <= len(passed), f"{len(requests)} requests reached the daemon")
        for request, (method, target) in zip(requests, passed):
            equal((request.method, request.target), (method, target), "request that was sent on")

    def settle(self, file, cases):
        """After a file: nothing has trickled to the daemon behind the answers, and the proxy lives."""
        failures = []
        for policy in sorted({case.policy for case in cases}):
            env = self.env(policy)
            if env.process.poll() is not None:
                failures.append((file, f"the proxy ended: {env.stderr()}"))
            elif env.fake.received() != self.last.get(policy, 0):
                failures.append((file, "bytes reached the daemon behind the last answer"))
        return failures

    # A batch of connections gets its first parts; only when the proxy has read them all, the second.
    def split_batch(self, case, positions):
        env = self.prepared(case)
        before = env.fake.received()
        clients = [Client(env.socket) for _ in positions]
        try:
            for client, at in zip(clients, positions):
                client.send_if_open(case.data[:at])
            for client in clients:
                wait_for(lambda c=client: unread(c.sock) == 0, "the first part is read")
            for client, at in zip(clients, positions):
                client.send_if_open(case.data[at:])
                if case.eof:
                    client.end_writing()
            for client, at in zip(clients, positions):
                self.check_split(case, client, f"split at {at}")
        finally:
            for client in clients:
                client.close()
        if not case.allow and not case.passed:
            equal(env.fake.received() - before, 0, f"bytes at the daemon, split in {positions}")

    @staticmethod
    def check_split(case, client, how):
        try:
            if case.eof and client.at_end():
                return
            passed = [line.split(" ")[0] for line in case.passed or []]
            for method in [wanted[0] for wanted in case.expected()] if case.allow else passed:
                answer = client.read_response(method == "HEAD")
                if not case.allow and answer.status >= 400:
                    return
                equal(answer.status, 200, "status")
            if not case.allow:
                answer = client.read_response(case.method == "HEAD" and not case.passed)
                check_denial(case, answer)
        except (Failure, OSError, ValueError) as error:
            raise Failure(f"{how}: {error}") from None

    def run_split(self, case):
        size = len(case.data)
        if size > 20000:
            return
        positions = list(range(1, size))
        if size > SPLIT_ALL:
            step = size / SPLIT_SAMPLES
            positions = sorted({max(1, int(i * step)) for i in range(1, SPLIT_SAMPLES)})
        for start in range(0, len(positions), SPLIT_BATCH):
            self.split_batch(case, positions[start:start + SPLIT_BATCH])
        self.run_bytes(case)

    def run_bytes(self, case):
        if len(case.data) > 1000:
            return
        env = self.prepared(case)
        before = env.fake.received()
        with Client(env.socket) as client:
            for at in range(len(case.data)):
                if not client.send_if_open(case.data[at:at + 1]):
                    break
                deadline = time.monotonic() + 5
                while unread(client.sock) and time.monotonic() < deadline:
                    time.sleep(0)
            if case.eof:
                client.end_writing()
            self.check_split(case, client, "byte by byte")
        if not case.allow and not case.passed:
            equal(env.fake.received() - before, 0, "bytes at the daemon, byte by byte")


# ---- explain ------------------------------------------------------------------------------------

def plain_field(field):
    return re.sub(r"\[[^\]]*\]", "", field or "")


def fact(case, kind, name=""):
    """One fact as explain reads it, from the case or from facts.json."""
    known = find(kind, name, case.facts)
    answer = {"missing": known} if isinstance(known, str) else {"found": known}
    return {"fact": kind, **({"name": name} if name else {}), **answer}


def given(case):
    """What explain would take for granted."""
    facts = [fact(case, "host_path", name) for name in case.facts.get("host_path", {})]
    start = re.search(rb"/exec/([^/ ]+)/start", case.data.partition(b"\r\n")[0])
    return facts + ([fact(case, "own_exec", start[1].decode())] if start else [])


def explain_with(case, facts):
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(facts, file)
        file.flush()
        return run_bin("explain", "--policy", os.path.join(CASES, case.policy),
                       *(["--facts", file.name] if facts else []), stdin=case.data)


def read_answer(result):
    try:
        return json.loads(result.stdout) if result.stdout else {}
    except ValueError:
        raise Failure(f"not JSON: {shown(result.stdout)}") from None


def explain(case):
    facts = given(case)
    result = explain_with(case, facts)
    answer = read_answer(result)
    while answer.get("decision") == "need":
        check(len(facts) < 64, f"asks without end: {shown(result.stdout)}")
        facts += [fact(case, need["fact"], need.get("name", "")) for need in answer["needs"]]
        result = explain_with(case, facts)
        answer = read_answer(result)
    what = f"exit {result.returncode}, {shown(result.stdout)} {shown(result.stderr)}"
    if case.allow:
        equal(result.returncode, 0, "explain: " + what)
        equal(answer.get("decision"), "allow", "explain: decision")
        return
    check(result.returncode in (1, 3), "explain: " + what)
    if result.returncode == 1:
        return
    equal(answer.get("decision"), "deny", "explain: decision")
    if "status" in case.row:
        equal(answer.get("status"), case.row["status"], "explain: status")
    if "field" in case.row:
        field, wanted = plain_field(answer.get("field")), case.row["field"]
        check(field == wanted or field.startswith(wanted + "."),
              f"explain: field {field!r}, expected {wanted!r}")
    if "rule" in case.row:
        equal(answer.get("rule"), case.row["rule"], "explain: rule")


# ---- the three runs -----------------------------------------------------------------------------

def each(cases, run):
    """[(name, text)] of the cases that fail."""
    failures = []
    for case in cases:
        try:
            run(case)
        except (Failure, OSError, ValueError, socket.timeout) as error:
            failures.append((case.name, f"{error}  -- {case.row['why']}"))
    return failures


def run_live(files, report, only=None):
    with Live() as live:
        for file, cases in files.items():
            # Verdicts on signatures are the proxy's own: tests/daemon/ makes real ones.
            chosen = [c for c in cases if "signature" not in c.facts and (not only or only in c.name)]
            if chosen:
                report(f"live {file}", len(chosen),
                       each(chosen, live.run) + live.settle(file, chosen))


def run_split(files, report, only=None):
    with Live() as live:
        cases = [c for c in files["framing"] + files["targets"] + files["benign"]
                 if c.is_raw and (not only or only in c.name)]
        if cases:
            report("split framing", len(cases), each(cases, live.run_split))


def run_explain(files, report, only=None):
    """A process for each case. Under sanitizers every eighth: the unit tests decide them all there."""
    step = 8 if settings["sanitized"] and not only else 1
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for file, cases in files.items():
            chosen = [c for c in cases if not only or only in c.name][::step]
            if chosen:
                lists = pool.map(lambda case: each([case], explain), chosen)
                report(f"explain {file}", len(chosen), [f for failed in lists for f in failed])
