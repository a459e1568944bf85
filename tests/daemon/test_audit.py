"""The audit log: lines in time, whole, chained, with reasons; at the end for all instances."""
import datetime
import hashlib
import json
import time
import threading

import engine
from harness import Fail, check, holds, same, scenario

ALWAYS = ("time", "record", "id", "decision", "method", "path", "operation")
JUDGED = ("ContainerCreate", "ContainerExec", "ImageCreate", "VolumeCreate", "NetworkCreate")
IMAGE = "busybox:test"


def read_lines(path):
    """A write is seen page by page, so whoever reads meanwhile may find half of it: he looks again."""
    end = time.monotonic() + 5
    data = None
    while data is None or data and not data.endswith(b"\n"):
        check(time.monotonic() < end, "%s: the last line is cut", path)
        with open(path, "rb") as file:
            data = file.read()
    return data.split(b"\n")[:-1]


@scenario(cli=False, proxy=True)
def audit_before_the_deed(t):
    """When the daemon reports the new container, its request stands in the log already."""
    own = t.world.proxies.get("default", t.world.daemon.socket, "audit-order")
    name = t.name()
    events = engine.Raw(t.world.daemon.socket)
    t.raws.append(events)
    events.request("GET", "/v1.41/events?filters="
                   "%%7B%%22container%%22:%%5B%%22%s%%22%%5D%%7D" % name)
    same("status of events", events.head().status, 200)
    seen = {}

    def look():
        seen["event"] = json.loads(events.chunk(20))
        seen["lines"] = [json.loads(line) for line in read_lines(own.audit)]

    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    status, body = engine.call(own.socket, "POST", "/v1.41/containers/create?name=" + name,
                               {"Image": IMAGE, "Cmd": ["true"]})
    same("status (%r)" % body[:200], status, 201)
    looker.join(20)
    check("lines" in seen, "no create event came")
    same("event", seen["event"]["Action"], "create")
    made = [line for line in seen["lines"] if line.get("operation") == "ContainerCreate"]
    same("first line of the create", made[0]["record"] if made else None, "request")
    written = datetime.datetime.fromisoformat(made[0]["time"]).timestamp()
    check(written * 1e9 <= seen["event"]["timeNano"], "the line is younger than the container")
    same("decision", made[0]["decision"], "allow")
    holds("path", made[0]["path"], "/containers/create")


@scenario(cli=False, proxy=True)
def audit_of_a_tunnel(t):
    """A tunnel has a second line, with bytes and duration, under the same id."""
    own = t.world.proxies.get("default", t.world.daemon.socket, "audit-tunnel")
    name = t.made("sleep", "1000")
    _, body = engine.call(own.socket, "POST", "/v1.41/containers/%s/exec" % name,
                          {"Cmd": ["echo", "hello"], "AttachStdout": True})
    conn = engine.Raw(own.socket)
    t.raws.append(conn)
    conn.request("POST", "/v1.41/exec/%s/start" % json.loads(body)["Id"], {"Detach": False},
                 [("Connection", "Upgrade"), ("Upgrade", "tcp")])
    same("status", conn.head().status, 101)
    holds("output", conn.to_eof(), b"hello")
    conn.close()

    def ended():
        lines = [json.loads(line) for line in read_lines(own.audit)]
        start = [x["id"] for x in lines
                 if x.get("operation") == "ExecStart" and x["record"] == "request"]
        return [x for x in lines if x["record"] == "end" and x["id"] in start]
    end = t.until("the line that closes the tunnel", ended, 10)[0]
    same("status", end["status"], 101)
    check(end["bytes_out"] >= 6, "bytes_out %r", end["bytes_out"])
    check(end["duration_ms"] >= 0, "duration_ms %r", end["duration_ms"])


@scenario(cli=False, proxy=True)
def audit_keeps_secrets(t):
    """Credentials and environment values never reach the log."""
    own = t.world.proxies.get("default", t.world.daemon.socket, "audit-secret")
    name = t.name()
    conn = engine.Raw(own.socket)
    t.raws.append(conn)
    conn.request("POST", "/v1.41/containers/create?name=%s" % name,
                 {"Image": IMAGE, "Env": ["PASSWORD=topsecretenv"], "Cmd": ["topsecretcmd"]})
    same("status", conn.head().status, 201)
    conn = engine.Raw(own.socket)
    t.raws.append(conn)
    conn.request("POST", "/v1.41/images/create?fromImage=127.0.0.1:9/x&tag=1&authconfig=topsecretq",
                 None, [("X-Registry-Auth", "topsecrethdr")])
    conn.head(20)
    lines = read_lines(own.audit)
    check(len(lines) >= 2, "only %d lines for two requests", len(lines))
    for line in lines:
        check(b"topsecret" not in line, "a secret is in the log: %r", line)


def check_line(where, line, entry):
    record = entry.get("record")
    check(record in ("request", "end", "refused", "verify"), "%s: record is %r", where, record)
    for field in ("time", "record", "id"):
        check(field in entry, "%s: no %r: %r", where, field, line[:300])
    check(entry["time"].endswith("Z") and len(entry["time"]) == 27, "%s: time %r", where,
          entry["time"])
    if record == "request":
        # a path that is no known route has no operation
        absent = [f for f in ALWAYS if f not in entry
                  and not (f == "operation" and entry.get("decision") == "deny")]
        check(not absent, "%s: without %s: %r", where, ", ".join(absent), line[:300])
        check(entry["decision"] in ("allow", "deny"), "%s: decision %r", where, entry["decision"])
    if record == "request" and entry.get("decision") == "deny":
        check(entry.get("reason"), "%s: a denied request without reason: %r", where, line[:300])
        # malformed requests break no key of the policy, and no key opens what cannot be inspected
        # no key lifts the bounds of what is compared and looked up
        bound = "at most" in entry["reason"] or "at more objects than" in entry["reason"]
        if entry.get("operation") in JUDGED and entry.get("status") == 403 and not bound:
            check(entry.get("rule"), "%s: refused without rule: %r", where, line[:300])
            check(entry["rule"] in ("allow", "deny") or entry.get("field"),
                  "%s: refused without field: %r", where, line[:300])


def check_chain(where, line, entry, before):
    """hash covers the line's bytes up to the comma before it, prev is the hash before."""
    if "hash" not in entry:
        return None
    covered = line[:line.rindex(b',"hash"')]
    same(where + ": hash", entry["hash"], hashlib.sha256(covered).hexdigest())
    same(where + ": prev", entry["prev"], before or "0" * 64)
    return entry["hash"]


def audit_log(path):
    """Check one file; how many requests and refusals it holds."""
    before, requests, denied, ended = None, set(), [], set()
    for number, line in enumerate(read_lines(path), 1):
        where = "%s:%d" % (path.rsplit("/", 1)[1], number)
        try:
            entry = json.loads(line)
        except ValueError as problem:
            raise Fail("%s: not JSON (%s): %r" % (where, problem, line[:300])) from None
        check(isinstance(entry, dict), "%s: not an object", where)
        check_line(where, line, entry)
        before = check_chain(where, line, entry, before)
        if entry["record"] == "request":
            check(entry["id"] not in requests, "%s: id %r is there twice", where, entry["id"])
            requests.add(entry["id"])
            if entry["decision"] == "deny":
                denied.append(entry)
        if entry["record"] == "end":
            check(entry["id"] in requests, "%s: end without a request line", where)
            check(entry["id"] not in ended, "%s: a second end", where)
            ended.add(entry["id"])
    return requests, denied


def audit_logs(stopped):
    """All instances' logs, after they have ended."""
    total, refusals = 0, []
    for proxy, _ in stopped:
        requests, denied = audit_log(proxy.audit)
        total += len(requests)
        refusals += denied
    check(total > 0, "no request line at all")
    print("# audit: %d requests, %d refused, in %d logs" % (total, len(refusals), len(stopped)))


def proxies_ended(stopped):
    """Every instance ends at TERM with exit code 0, and no sanitizer had a word."""
    for proxy, code in stopped:
        check(code == 0, "sockwarden for %s: exit code %s: %s", proxy.name, code, proxy.tail())
        with open(proxy.log_path, errors="replace") as log:
            text = log.read()
        for word in ("AddressSanitizer", "runtime error:", "LeakSanitizer", "ThreadSanitizer"):
            check(word not in text, "sockwarden for %s: %s", proxy.name, text[-1500:])
