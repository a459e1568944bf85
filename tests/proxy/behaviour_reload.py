"""HUP: policy, certificates, revocation lists and audit files, all or nothing, under clients that
are there already."""
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import time

from behaviour_sandbox import NOBODY, root, serve_as
from behaviour_systemd import Manager, folder, listening
from harness import Client, Env, Suite, check, equal, settings, unread, wait_for
from tls_client import certs, free_port, server_options

suite = Suite()
READ = {"version": 1, "roles": {"default": {"extends": "builtin:read-only"}}}
PING = {"version": 1, "roles": {"default": {"allow": ["@ping"]}}}


def write_policy(env, policy, replace=True):
    """The policy of env, a document or a text, put in place as a tool would."""
    text = policy if isinstance(policy, str) else json.dumps(policy)
    path = os.path.join(env.dir, "policy.json")
    with open(path + ".new" if replace else path, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)
    if replace:
        os.rename(path + ".new", path)
    return path


def with_policy(kind, policy, *options, **kwargs):
    """An environment of this kind with a policy that can be written anew."""
    if kind is Env:
        kwargs["start"] = False
    env = kind(*options, role="none", **kwargs)
    at = env.args.index("--role")
    env.args[at:at + 2] = ["--policy", write_policy(env, policy)]
    return env


@contextlib.contextmanager
def serving(kind, policy, *options, **kwargs):
    with with_policy(kind, policy, *options, **kwargs) as env:
        env.start()
        yield env


def said(env):
    """The log so far, a message a line."""
    with open(env.stderr_path, encoding="utf-8", errors="replace") as file:
        lines = [line for line in file.read().split("\n")[:-1]]
    return "".join((json.loads(line)["msg"] if line.startswith("{") else line) + "\n"
                   for line in lines)


def hup(env, ok=True):
    """Reloads and waits for its end; what the log said meanwhile."""
    before = len(said(env))
    env.process.send_signal(signal.SIGHUP)

    def over():
        text = said(env)[before:]
        return text if "reloaded: policy" in text or "not reloaded" in text else None
    text = wait_for(over, "the end of the reload", 10)
    check(ok == ("not reloaded" not in text), text)
    return text


def stream(env, client, path="/events"):
    """Opens a stream on the client; a function that has the daemon send a piece, which arrives."""
    found = []

    def handler(conn, _):
        found.append(conn)
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        conn.ended.wait(30)
        return False
    env.fake.handle(path, handler)
    client.request("GET", path)
    equal(client.read_head().status, 200, "the stream's head")

    def piece():
        if not found[0].send(b"5\r\nhello\r\n"):
            return False
        return client.chunk() == b"hello"
    check(piece(), "the stream does not run")
    return piece


# ---- the policy ----------------------------------------------------------------------------------

@suite.test
def policy():
    """a new policy judges new requests on old connections; open streams go on; hashes are said"""
    with serving(Env, READ, "--workers", "3") as env:
        clients = [env.client() for _ in range(9)]
        for client in clients:
            equal(client.ask("GET", "/containers/json").status, 200, "by the first policy")
        watcher = env.client()
        piece = stream(env, watcher)
        first = env.wait_audit(1, operation="ContainerList")[0]["policy"]
        write_policy(env, PING)
        text = hup(env)
        for client in clients:
            equal(client.ask("GET", "/containers/json").status, 403, "by the second policy")
            equal(client.ask("GET", "/_ping").status, 200, "what it allows")
        second = env.wait_audit(9, operation="ContainerList", decision="deny")[0]["policy"]
        check(f"{first[:12]} -> {second[:12]}" in text, text)
        check(piece(), "the stream is cut")
        text = hup(env)
        check(f"unchanged ({second[:12]})" in text, text)
        check(piece(), "the stream is cut by a reload of nothing")
        watcher.close()
        equal(env.wait_audit(1, record="end", operation="SystemEvents")[0]["role"], "default",
              "role of the stream's end")


@suite.test
def policy_in_flight():
    """a request whose body is under way is decided, and recorded, by the policy that it began with"""
    document = {"version": 1, "roles": {"default": {"extends": "builtin:default"}}}
    with serving(Env, document) as env:
        client = env.client()
        body = b'{"Image":"a"}'
        head = "POST /containers/create HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" \
               f"Content-Length: {len(body)}\r\n\r\n"
        client.send(head.encode() + body[:5])
        wait_for(lambda: client.sock.fileno() >= 0 and settled(client), "the proxy reads the body")
        write_policy(env, PING)
        hup(env)
        client.send(body[5:])
        equal(client.read_response().status, 200, "the request in flight")
        equal(client.ask("POST", "/containers/create", body,
                         ["Content-Type: application/json"]).status, 403, "the next one")
        lines = env.wait_audit(2, operation="ContainerCreate", record="request")
        check(lines[0]["policy"] != lines[1]["policy"], f"{lines}")


def settled(client):
    """Has the other side of a Unix socket read all that was sent?"""
    return unread(client.sock) == 0


@suite.test
def bad_policy():
    """each error of a bad policy is a line of the log with its place; the old one goes on"""
    rows = [('{\n  "version": 1,\n  "roles": { "default": {\n    "alow": ["@ping"],\n'
             '    "containers": { "privleged": true } } }\n}\n',
             (":4:5: ", ":5:21: ", 'did you mean "allow"')),
            ("{", (":1:", )), ("", (":1:1: ", )),
            ({"version": 1, "roles": {"default": {}}, "revoked": "never"}, ('"close"', ":1:")),
            (None, ("could not be read again: No such file", ))]
    with serving(Env, READ) as env:
        client = env.client()
        for text, words in rows:
            if text is None:
                os.unlink(os.path.join(env.dir, "policy.json"))
            else:
                write_policy(env, text)
            log = hup(env, ok=False)
            for word in words:
                check(word in log, f"{word} is not in {log}")
            equal(client.ask("GET", "/containers/json").status, 200, "by the old policy")
            equal(env.ask("GET", "/containers/json").status, 200, "a new connection")
        write_policy(env, PING)
        if root():
            path = os.path.join(env.dir, "policy.json")
            os.chmod(path, 0o666)
            log = hup(env, ok=False)
            check("may be written by everybody" in log and "chmod go-w" in log, log)
            os.chmod(path, 0o644)
            os.chmod(env.dir, 0o777)
            check("chmod o-w" in hup(env, ok=False), "a folder that everybody may write")
            os.chmod(env.dir, 0o755)
        hup(env)
        equal(client.ask("GET", "/containers/json").status, 403, "once it is mended")


@suite.test
def role_missing():
    """--role that the new policy does not have is an error; so are two things at once both told"""
    document = {"version": 1, "roles": {"ci": {"extends": "builtin:read-only"}}}
    with with_policy(Env, document, "--role", "ci") as env:
        env.start()
        write_policy(env, {"version": 1, "roles": {"cy": {}}})
        log = hup(env, ok=False)
        check("there is no role ci; did you mean cy?" in log, log)
        write_policy(env, {"version": 1, "roles": {"other": {}}})
        log = hup(env, ok=False)
        check("there is no role ci in the policy; did you mean builtin:ci?" in log, log)
        equal(env.ask("GET", "/containers/json").status, 200, "by the old role")


@suite.test
def clients_chosen_again():
    """the entry of `clients` is chosen anew for each old connection, and warned of anew"""
    def document(role):
        return {"version": 1, "roles": {"a": {"extends": "builtin:read-only"},
                                        "b": {"allow": ["@ping"]}},
                "clients": [{"name": f"who-{role}", "match": {"uid": os.getuid()}, "role": role},
                            {"name": "lost", "match": {"listener": "nowhere"}, "role": "a"}]}
    with serving(Env, document("a")) as env:
        client = env.client()
        equal(client.ask("GET", "/info").status, 200, "as a")
        write_policy(env, document("b"))
        log = hup(env)
        check('the client "lost" is never met' in log, log)
        equal(client.ask("GET", "/info").status, 403, "as b")
        lines = env.wait_audit(2, operation="SystemInfo")
        equal([x["client"] for x in lines], ["who-a", "who-b"], "clients")


@suite.test
def own_places():
    """the proxy's own places are kept from containers by the new policy, too, links and all"""
    document = {"version": 1, "roles": {"default": {
        "extends": "builtin:default", "containers": {"binds": ["/**"]}}}}
    with with_policy(Env, document) as env:
        # The policy through a link: its target is one of the places, in a folder that realpath() finds.
        real = os.path.join(env.dir, "real")
        os.makedirs(real)
        path = os.path.join(env.dir, "policy.json")
        target = os.path.join(real, "p.json")
        shutil.move(path, target)
        os.symlink("real/p.json", path)
        env.start()

        def bind(source):
            body = json.dumps({"Image": "a", "HostConfig": {"Binds": [f"{source}:/x"]}}).encode()
            return env.ask("POST", "/containers/create", body,
                           ["Content-Type: application/json"])
        places = [env.socket, env.upstream, env.audit_path, path, target, env.dir, real]
        for turn in range(2):
            for place in places:
                equal(bind(place).status, 403, f"{place} in turn {turn}")
            equal(bind("/srv").status, 200, "another folder")
            with open(target, "a", encoding="ascii") as file:
                file.write("\n")
            hup(env)


@suite.test
def piped():
    """a policy that came over standard input stays"""
    with Env(start=False, role="none") as env:
        at = env.args.index("--role")
        env.args[at:at + 2] = ["--policy", "-"]
        with open(env.stderr_path, "ab") as stderr:
            env.process = subprocess.Popen([settings["bin"], "serve"] + env.args,
                                           stdin=subprocess.PIPE, stdout=stderr, stderr=stderr)
        env.process.stdin.write(json.dumps(READ).encode())
        env.process.stdin.close()
        wait_for(env.is_ready, "the proxy listens", 10)
        check("unchanged" in hup(env), "log")
        equal(env.ask("GET", "/info").status, 200, "status")


@suite.test
def built_in():
    """without a policy and with nothing changed, too; HUPs in quick succession end with the last"""
    with Env(role="read-only") as env:
        text = hup(env)
        check("policy built in unchanged (builtin)" in text, text)
        equal(env.ask("GET", "/info").status, 200, "status")
    with serving(Env, READ, "--workers", "2") as env:
        client = env.client()
        for turn in range(10):
            write_policy(env, READ if turn % 2 else PING)
            for _ in range(3):
                env.process.send_signal(signal.SIGHUP)
        wait_for(lambda: client.ask("GET", "/info").status == 200, "the last policy")
        write_policy(env, PING)
        env.process.send_signal(signal.SIGHUP)
        wait_for(lambda: client.ask("GET", "/info").status == 403, "the very last policy")


@suite.test
def stopping():
    """HUP while it stops: said, and nothing else; HUP right after the start does not end it"""
    with serving(Env, READ, "--stop-timeout", "30") as env:
        client = env.client()
        piece = stream(env, client)
        env.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "SIGTERM" in said(env), "it stops")
        env.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "nothing is reloaded while stopping" in said(env), "a line")
        check(piece(), "the stream is cut")
        client.close()
        equal(env.process.wait(10), 0, "exit code")
    for _ in range(5):
        with with_policy(Env, READ) as env:
            env.start(ready=False)
            # As soon as the program runs; the shell's own start would not survive it.
            with open(f"/proc/{env.process.pid}/cmdline", "rb") as file:
                wait_for(lambda: b"serve" in file.read(), "it runs")
            wait_for(lambda: holds_hup(env), "HUP is held or handled")
            env.process.send_signal(signal.SIGHUP)
            wait_for(env.is_ready, "the proxy listens", 10)
            wait_for(lambda: "reloaded: policy" in said(env), "the reload")


def holds_hup(env):
    with open(f"/proc/{env.process.pid}/status", encoding="ascii") as file:
        masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigBlk", "SigCgt"))]
    return any(mask & 1 for mask in masks)


# ---- the audit log -------------------------------------------------------------------------------

@suite.test
def rotation():
    """a moved audit file gets no further line, the new one all; none is lost or torn"""
    with serving(Env, READ, "--workers", "2") as env:
        moved = []
        client = env.client()
        sent = 0
        for turn in range(6):
            for _ in range(20):
                equal(client.ask("GET", "/info").status, 200, "status")
                sent += 1
            moved.append(f"{env.audit_path}.{turn}")
            os.rename(env.audit_path, moved[-1])
            client.ask("GET", "/info")  # still into the moved one
            sent += 1
            hup(env)
            mode = os.stat(env.audit_path).st_mode
            equal(stat.S_IMODE(mode), 0o600, "mode of the new file")
            equal(os.path.getsize(env.audit_path), 0, "size of the new file")
        lines = []
        for path in moved:
            with open(path, "rb") as file:
                text = file.read()
            check(text.endswith(b"\n"), f"{path} ends in half a line")
            lines += [json.loads(line) for line in text.splitlines()]
            equal(len([x for x in lines if x["record"] == "request"]) % 21, 0, "lines in a file")
        equal(len([x for x in lines if x["record"] == "request"]), sent, "lines in all")


@suite.test
def audit_all_or_nothing():
    """the audit file is opened again only with a good set; one that cannot be is an error"""
    with serving(Env, READ) as env:
        os.rename(env.audit_path, env.audit_path + ".old")
        write_policy(env, "{")
        hup(env, ok=False)
        check(not os.path.exists(env.audit_path), "opened in spite of a bad policy")
        write_policy(env, PING)
        os.mkdir(env.audit_path)
        log = hup(env, ok=False)
        check("cannot open the audit log" in log and env.audit_path in log, log)
        equal(env.ask("GET", "/info").status, 200, "by the old policy")
        os.rmdir(env.audit_path)
        os.mkfifo(env.audit_path)
        log = hup(env, ok=False)
        check("audit log" in log, log)
        os.unlink(env.audit_path)
        hup(env)
        equal(env.ask("GET", "/info").status, 403, "by the new one")
        env.wait_audit(1, operation="SystemInfo", decision="deny")
        with open(env.audit_path + ".old", encoding="utf-8") as file:
            equal(file.read().count('"decision":"allow"'), 1, "lines of the old file")


def as_nobody(*options, **kwargs):
    return serve_as("nobody", *options, **kwargs)


@suite.test
def user():
    """--user with the sandbox on: all of it works as that user; what he cannot read is said"""
    if not root():
        return
    with with_policy(as_nobody, READ) as env:
        own = os.path.join(env.dir, "tls")
        shutil.copytree(certs.dir, own)
        for name in ("server-key.pem", "server-cert.pem", "ca.pem"):
            os.chown(os.path.join(own, name), NOBODY, 0)
        os.chmod(own, 0o755)
        os.makedirs(env.dir + "/log")
        os.chown(env.dir + "/log", NOBODY, 0)
        env.audit_path = env.dir + "/log/audit"
        port = free_port()
        at = env.args.index("--audit-log")
        env.args[at + 1] = env.audit_path
        env.args += server_options(port, folder=own)
        env.start()
        hup(env)
        for name, path in (("--tlskey", "server-key.pem"), ("--tlscacert", "ca.pem")):
            path = os.path.join(own, path)
            mode = os.stat(path).st_mode
            os.chown(path, 0, 0)
            os.chmod(path, 0o600)
            log = hup(env, ok=False)
            check(f"{name} {path} could not be read again: Permission denied" in log
                  and f"uid {NOBODY}" in log, log)
            os.chown(path, NOBODY, 0)
            os.chmod(path, mode)
        path = write_policy(env, PING)
        os.chmod(path, 0o600)
        check(f"the policy {path} could not be read again" in hup(env, ok=False), said(env))
        os.chmod(path, 0o644)
        os.rename(env.audit_path, env.audit_path + ".1")
        hup(env)
        equal(os.stat(env.audit_path).st_uid, NOBODY, "owner of the new audit file")
        equal(env.ask("GET", "/info").status, 403, "status")
        env.wait_audit(1, operation="SystemInfo")
    with with_policy(as_nobody, READ) as env:
        # The key is root's alone: nobody could load it again.
        own = os.path.join(env.dir, "tls")
        shutil.copytree(certs.dir, own)
        os.chmod(own, 0o755)
        for name in ("server-cert.pem", "ca.pem"):
            os.chmod(os.path.join(own, name), 0o644)
        env.args += server_options(free_port(), folder=own)
        env.expected_code = 1
        env.start(ready=False)
        equal(env.process.wait(10), 1, "exit code")
        check("server-key.pem could not be read again" in said(env), said(env))


# ---- systemd -------------------------------------------------------------------------------------

@suite.test
def systemd():
    """RELOADING=1 with the time, then READY=1, also when it fails; inherited sockets stay"""
    place = folder()
    with with_policy(Manager, READ, sockets=[("ci", listening(f"{place}/a.sock"))]) as env:
        env.start()
        ready = env.heard("READY=1")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        write_policy(env, PING)
        env.process.send_signal(signal.SIGHUP)
        wait_for(lambda: env.heard("READY=1") == ready + 1, "READY=1 again")
        equal(env.heard("RELOADING=1"), 1, "RELOADING=1")
        at = env.messages.index("RELOADING=1")
        name, _, value = env.messages[at + 1].partition("=")
        equal(name, "MONOTONIC_USEC", "what follows")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        check(before <= int(value) <= after, f"{before} {value} {after}")
        with Client(f"{place}/a.sock") as client:
            equal(client.ask("GET", "/info").status, 403, "when it is ready, it is new")
        write_policy(env, "{")
        env.process.send_signal(signal.SIGHUP)
        wait_for(lambda: env.heard("READY=1") == ready + 2, "READY=1 after a failure")
        check(any(x.startswith("STATUS=last reload failed") for x in env.messages), env.messages)
    shutil.rmtree(place)
