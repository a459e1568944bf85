"""Attacks and what they may come to, through the proxy before the real daemon.

threats_rows.py holds requests that each stand alone, with the verdict and why; stateful.jsonl of
the cases is run by the same fixtures. What needs several steps is written out here. The proxy's own
container (J8) needs a proxy in a container: tests/unit/test_own.c; who a peer is (J9) is a matter of
sockets: tests/proxy/behaviour_clients.py; build output, costs and leaks have tests of their own.
"""
import json
import os
import subprocess
import threading
import urllib.parse

import engine
import proxies
import threats_rows
from harness import check, holds, same, scenario
from test_audit import read_lines

APP = threats_rows.APP
CASES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases")
LOCK = threading.Lock()
PRIV = {"CapAdd": ["SYS_ADMIN"], "Binds": ["/:/host"], "SecurityOpt": ["seccomp=unconfined"]}
SMALL = {"PidsLimit": 50, "Memory": 64 << 20, "SecurityOpt": ["no-new-privileges"]}


# ---- fixtures -----------------------------------------------------------------------------------

class Fixtures:
    """The objects that an administrator has made, and what stands for them in the rows."""

    def __init__(self, t):
        self.t = t
        self.root = os.path.join(t.world.base, "work", "threats")
        self.ci = self.root + "/srv/ci"
        self.folders()
        self.images()
        self.objects()
        priv, web = t.inspect("tt-priv")["Id"], t.inspect("tt-web")["Id"]
        self.words = {"@CI@": self.ci, "@PRIV@": priv, "@WEB@": web, "@PRIV12@": priv[:12],
                      "@WEB12@": web[:12], "@DAEMON@": t.world.daemon.socket,
                      "@IMG@": t.engine("GET", "/images/%s/json" % APP)[1]["Id"],
                      "@OTHER@": t.engine("GET", "/images/elsewhere:1/json")[1]["Id"],
                      "@PROXY@": t.socket("threats")}
        # Like its short ID, which it then hides.
        self.container(priv[:12], {}, start=True)

    def folders(self):
        for name in ("/ws/d", "/ro", "-evil"):
            os.makedirs(self.ci + name)
        os.symlink("/", self.ci + "/ws/rootlink")
        os.link(self.t.world.daemon.socket, self.ci + "/ws/daemon.sock")

    def images(self):
        with open(self.t.world.rootfs, "rb") as file:
            data = file.read()
        for name, change in (("registry.example.com/ci/labelled", "LABEL traefik.enable=true"),
                             ("elsewhere", "LABEL a=b")):
            status, body = engine.call(
                self.t.world.daemon.socket, "POST", "/images/create?fromSrc=-&tag=1&repo=%s&changes=%s"
                % (name, urllib.parse.quote(change)), data, timeout=60)
            check(status == 200 and b"error" not in body, "import: %d %r", status, body)

    def container(self, name, host, start, **body):
        self.t.engine("POST", "/containers/create?name=" + name, {
            "Image": APP, "Cmd": ["sleep", "1000"], "HostConfig": host, **body}, (201,))
        if start:
            self.t.engine("POST", "/containers/%s/start" % name, None, (204,))

    def objects(self):
        for name in ("tt-net", "tt-net2"):
            self.t.engine("POST", "/networks/create", {"Name": name}, (201,))
        self.t.engine("POST", "/volumes/create", {"Name": "tt-vol"}, (201,))
        self.t.engine("POST", "/volumes/create", {"Name": "tt-rootvol", "DriverOpts": {
            "type": "none", "o": "bind", "device": "/"}}, (201,))
        self.container("tt-web", {"NetworkMode": "tt-net", "Binds": [self.ci + "/ws:/ws"]}, True)
        self.container("tt-priv", PRIV, True)
        self.container("tt-linker", {"Links": ["tt-priv:p"]}, True)
        self.container("tt-idle", {}, False)
        self.container("tt-prividle", PRIV, False)
        self.container("tt-small", SMALL, True, User="1000")

    def fill(self, text):
        for word, value in self.words.items():
            text = text.replace(word, value)
        return text

    def clear(self):
        """What rows make is gone before the next one."""
        self.t.engine("DELETE", "/containers/tt-c?force=1&v=1")
        self.t.engine("DELETE", "/volumes/tt-v")
        self.t.engine("DELETE", "/networks/tt-n")


def fixtures(t):
    """Made once; its scenarios take turns, since they share names."""
    if not getattr(t.world, "threats", None):
        t.world.threats = Fixtures(t)
    t.world.threats.t = t
    return t.world.threats


# ---- one row ------------------------------------------------------------------------------------

def send(t, role, line, body, fields):
    """One request by itself; its status and body."""
    lines = [line + " HTTP/1.1", "Host: docker", *("%s: %s" % field for field in fields)]
    if body is not None or not line.startswith(("GET", "HEAD", "DELETE")):
        lines.append("Content-Length: %d" % len(body or b""))
    return exchange(t, role, "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""),
                    line.startswith("HEAD"))


def exchange(t, role, data, bare=False):
    conn = engine.Raw(t.socket(role), 30)
    try:
        conn.send(data)
        head = conn.head()
        return head.status, b"" if bare or head.status == 101 else conn.body(head)
    finally:
        conn.close()


def judged(t, role, known):
    """The line of the decision that has come behind the known ones: the last of the request."""
    path = t.world.proxies.running[role].audit

    def lines():
        new = [json.loads(line) for line in read_lines(path)[known:]]
        return [x for x in new if x["record"] in ("request", "refused", "verify")]
    return t.until("a line in the audit log", lines, 10)[-1]


def sent(t, role, *request, exchanging=send):
    t.socket(role)
    known = len(read_lines(t.world.proxies.running[role].audit))
    status, body = exchanging(t, role, *request)
    return status, body, judged(t, role, known)


def try_row(t, label, verdict, status, body, line):
    """The verdict, and that client and audit log agree on it; else a sentence."""
    if line["decision"] != verdict:
        return "%s: %s: %d %.300r" % (label, line["decision"], status, line.get("reason", body))
    if verdict == "deny" and not 400 <= status < 500:
        return "%s: refused with status %d" % (label, status)
    if verdict == "allow" and status >= 400 and status != 404:
        return "%s: the daemon answers %d %r" % (label, status, body[:200])
    return None


def run_rows(t, rows):
    with LOCK:
        world = fixtures(t)
        wrong = []
        for threat, role, verdict, ask, why in rows:
            world.clear()
            body = ask.body
            if body and body[:1] == b"{":
                body = world.fill(body.decode()).encode()
            status, answer, line = sent(t, role, world.fill(ask.line), body, ask.fields)
            wrong.append(try_row(t, "%s (%s)" % (threat, why), verdict, status, answer, line))
            if verdict == "deny" and t.inspect("tt-c"):
                wrong.append("%s (%s): a container is there" % (threat, why))
        world.clear()
    wrong = [text for text in wrong if text]
    check(not wrong, "%d of %d rows: %s", len(wrong), len(rows), "; ".join(wrong))


@scenario(cli=False, proxy=True, timeout=240)
def threats_names(t):
    """A7 to A10: names, IDs and aliases."""
    run_rows(t, threats_rows.NAMES)


@scenario(cli=False, proxy=True, timeout=240)
def threats_indirect(t):
    """E1 to E7: volumes, starts, updates, commands, images, copies."""
    run_rows(t, threats_rows.INDIRECT)


@scenario(cli=False, proxy=True, timeout=240)
def threats_second(t):
    """J1 to J20: sequences and resources."""
    run_rows(t, threats_rows.SECOND)


# ---- the cases that need a look -----------------------------------------------------------------

def case_request(case, world):
    """The bytes of a case, by the folders of this test."""
    def text(key):
        value = case.get(key)
        return None if value is None else world.fill(value.replace("/srv/ci", world.ci))
    if "raw" in case:
        return text("raw").encode()
    body = (text("body") or "").encode()
    fields = case.get("headers", {"Content-Type": "application/json"} if body else {})
    lines = ["%s %s HTTP/1.1" % (case["method"], text("target")), "Host: docker",
             *("%s: %s" % field for field in fields.items())]
    if body or case["method"] in ("POST", "PUT"):
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@scenario(cli=False, proxy=True, timeout=240)
def threats_cases(t):
    """tests/cases/stateful.jsonl."""
    with open(CASES + "/stateful.jsonl", encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    wrong = []
    with LOCK:
        world = fixtures(t)
        for case in cases:
            world.clear()
            status, body, line = sent(t, "threats", case_request(case, world), exchanging=exchange)
            wrong.append(try_row(t, case["name"], case["expect"], status, body, line))
        world.clear()
    wrong = [text for text in wrong if text]
    check(not wrong, "%d of %d cases: %s", len(wrong), len(cases), "; ".join(wrong))


# ---- steps --------------------------------------------------------------------------------------

def ask(t, role, ask_for, verdict, what):
    world = t.world.threats
    body = world.fill(ask_for.body.decode()).encode() if ask_for.body else None
    status, answer, line = sent(t, role, world.fill(ask_for.line), body, ask_for.fields)
    same("%s (%d %r)" % (what, status, line.get("reason", answer[:200])), line["decision"], verdict)
    return status, answer


@scenario(cli=False, proxy=True)
def threat_names_that_move(t):
    """A10: what was harmless under a name is no longer there under it."""
    with LOCK:
        fixtures(t)

        def rename(*pairs):
            for old, new in pairs:
                t.engine("POST", "/containers/%s/rename?name=%s" % (old, new), None, (204,))
        ask(t, "threats", threats_rows.command("tt-web"), "allow", "before")
        rename(("tt-web", "tt-web2"), ("tt-priv", "tt-web"))
        try:
            ask(t, "threats", threats_rows.command("tt-web"), "deny", "the other one by its name")
            ask(t, "threats", threats_rows.command("tt-web2"), "allow", "by its new name")
        finally:
            rename(("tt-web", "tt-priv"), ("tt-web2", "tt-web"))


@scenario(cli=False, proxy=True)
def threat_folder_that_becomes_a_link(t):
    """J1: a bind source is exchanged behind the create: no start, no restart, no copy."""
    with LOCK:
        world = fixtures(t)
        world.clear()
        folder = world.ci + "/ws/swap"
        os.mkdir(folder)
        ask(t, "threats", threats_rows.create({"Binds": ["@CI@/ws/swap:/h"]}), "allow", "create")
        ask(t, "threats", threats_rows.post("/v1.41/containers/tt-c/start"), "allow", "start")
        os.rename(folder, folder + "-away")
        os.symlink("/", folder)
        for what in ("start", "restart?t=0"):
            ask(t, "threats", threats_rows.post("/v1.41/containers/tt-c/" + what), "deny", what)
        ask(t, "threats", threats_rows.Ask("GET /v1.41/containers/tt-c/archive?path=/h/etc/hostname"),
            "deny", "a copy")
        ask(t, "threats", threats_rows.command("tt-c"), "deny", "a command")
        world.clear()


@scenario(cli=False, proxy=True)
def threat_commands_of_others(t):
    """J12 and E4: a command that somebody else has made is not started."""
    with LOCK:
        fixtures(t)
        for body in ({"Cmd": ["id"], "Privileged": True}, {"Cmd": ["id"]}):
            made = t.engine("POST", "/containers/tt-web/exec", body, (201,))[1]["Id"]
            ask(t, "threats", threats_rows.post("/v1.41/exec/%s/start" % made, {"Detach": True}),
                "deny", "%r of others" % body)
            same("its state", t.engine("GET", "/exec/%s/json" % made)[1]["ExitCode"], None)
        _, answer = ask(t, "threats", threats_rows.command("tt-web"), "allow", "an own one")
        made = json.loads(answer)["Id"]
        ask(t, "threats", threats_rows.post("/v1.41/exec/%s/start" % made, {"Detach": True}),
            "allow", "its start")
        ask(t, "threats-wide", threats_rows.post("/v1.41/exec/%s/start" % made, {"Detach": True}),
            "deny", "its start through another role")


@scenario(cli=False, proxy=True)
def threat_trees_that_keep_setuid(t):
    """J4: `check` warns of trees that are writable and not nosuid."""
    with LOCK:
        fixtures(t)
        done = subprocess.run([t.world.options.bin, "check", "--host-root",
                               proxies.daemon_root(t.world.daemon.socket),
                               t.world.proxies.policy], capture_output=True, text=True)
        same("exit code (%s)" % done.stderr[-300:], done.returncode, 0)
        holds("warnings", done.stdout + done.stderr, "nosuid")
