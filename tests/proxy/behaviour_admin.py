"""--admin: metrics that Prometheus takes, on a listener that gives nothing else away."""
import calendar
import json
import os
import re
import socket
import stat
import subprocess
import time

from admin_env import CHUNKED, PROMETHEUS, TEXT, AdminEnv, AdminTlsEnv
from behaviour_sandbox import serve_as
from harness import (ROOT, Client, Env, Suite, check, equal, in_time, run_bin, settings, unread,
                     wait_for)
from prometheus import Metrics, refuses
from tls_client import TlsClient, certs, client_context, free_port, openssl

suite = Suite()
JSON = ["Content-Type: application/json"]
UPGRADE = ["Connection: Upgrade", "Upgrade: tcp"]
SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


def traffic(env):
    """Some of each decision, on several connections."""
    for _ in range(3):
        client = env.client()
        equal(client.ask("GET", "/v1.41/containers/json").status, 200, "a read")
        equal(client.ask("GET", "/_ping").status, 200, "a ping")
        equal(client.ask("POST", "/containers/create", b'{"Image":"a"}', JSON).status, 403,
              "a refusal")
        equal(client.ask("GET", "/nonsense").status, 403, "no operation")


# ---- what is there ------------------------------------------------------------------------------

@suite.test
def pages():
    """three pages by GET and HEAD, on connections that end; the rest is refused as text"""
    rows = [
        ("GET", "/healthz", (), None, 200), ("HEAD", "/healthz", (), None, 200),
        ("GET", "/readyz", (), None, 200), ("HEAD", "/readyz", (), None, 200),
        ("GET", "/metrics", (), None, 200), ("HEAD", "/metrics", (), None, 200),
        ("GET", "/metrics?name=x", (), None, 200),
        ("GET", "/metrics", ["Connection: keep-alive"], None, 200),
        ("GET", "/", (), None, 404), ("GET", "/metrics/", (), None, 404),
        ("GET", "/containers/json", (), None, 404), ("GET", "/Metrics", (), None, 404),
        ("GET", "http://a/metrics", (), None, 404),
        ("POST", "/metrics", (), b"x", 405), ("DELETE", "/healthz", (), None, 405),
        ("OPTIONS", "/metrics", (), None, 405),
        ("GET", "/metrics", (), b"x", 413),
        ("GET", "/metrics", ["Origin: http://evil.example"], None, 403),
        ("GET", "/metrics", ["Bad Name: x"], None, 400),
        ("GET", "/metrics", ["Host: twice"], None, 400),
        ("GET", "/metrics", ["X: " + "a" * 9000], None, 431),
    ]
    with AdminEnv() as env:
        for method, target, headers, body, expected in rows:
            row = (method, target, headers[:1], expected)
            answer = env.page(target, method, headers, body)
            equal(answer.status, expected, row)
            equal(answer.get("Connection"), "close", row)
            check(answer.get("Content-Type") in (TEXT, PROMETHEUS), f"{row}: {answer.head}")
            equal(answer.get("Allow"), "GET, HEAD" if expected == 405 else None, row)
            check(method == "HEAD" or answer.body.endswith(b"\n"), f"{row}: {answer.body!r}")
        with Client(env.admin) as client:
            client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
            equal(client.read_response().status, 200, "HTTP/1.0")
        with Client(env.admin) as client:
            client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
            equal(client.read_response().status, 200, "pipelined")
            check(client.at_end(), "a second answer")
        equal(env.audit(), [], "audit lines of it")
        equal(env.ask("GET", "/metrics").status, 403, "/metrics where clients are")


@suite.test
def pieces():
    """a head byte by byte, and one that stops in its middle"""
    with AdminEnv() as env:
        with Client(env.admin) as client:
            for byte in b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n":
                client.send(bytes([byte]))
            equal(client.read_response().body, b"alive\n", "answer")
        with Client(env.admin) as client:
            client.send(b"GET /healthz HT")
            client.end_writing()
            check(client.at_end(), "half a head is answered")


@suite.test
def bounded():
    """sixteen connections at a time; the next waits for a place, and clients notice nothing"""
    with AdminEnv() as env:
        silent = [Client(env.admin) for _ in range(16)]
        for client in silent:
            client.send(b"GET ")
        wait_for(lambda: len(os.listdir(f"/proc/{env.process.pid}/fd")) > 20, "they are accepted")
        with Client(env.admin, 0.3) as late:
            late.request("GET", "/healthz")
            late.sock.settimeout(0.3)
            try:
                got = late.sock.recv(1)
            except TimeoutError:
                got = None
            equal(got, None, "answer to the seventeenth")
            equal(env.ask("GET", "/_ping").status, 200, "a client")
            silent.pop().close()
            late.sock.settimeout(9)     # in ten the silent ones would be cut
            equal(late.read_response().status, 200, "with a place")
        for client in silent:
            client.close()


@suite.test
def slow_ones_end():
    """who does not finish his request in ten seconds is cut"""
    with AdminEnv() as env:
        with Client(env.admin, 30) as client:
            begin = time.monotonic()
            client.send(b"GET /healthz HTTP/1.1\r\n")
            check(client.at_end(), "it is answered")
            check(8 < time.monotonic() - begin, f"after {time.monotonic() - begin:.1f} s")
            in_time(begin, 14, "until it is cut")


# ---- metrics ------------------------------------------------------------------------------------

@suite.test
def parser():
    """the check of the format sees what is wrong"""
    head = b"# HELP a_total x\n# TYPE a_total counter\n"
    equal(Metrics(head + b'a_total{b="c\\"\\\\\\n"} 1\n').get("a_total", b='c"\\\n'), 1, "a label")
    for text in (b"a_total 1\n", head + b"a_total 1\na_total 2\n", head + b"a_total 1",
                 head + b'a_total{b="\\x"} 1\n', head + b'a_total{b="c} 1\n', head + b"a_total x\n",
                 head + b"a_total 1\n" + head, b"# TYPE a gauge\na 1\n",
                 b"# HELP a x\n# TYPE a counter\na 1\n",
                 b'# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\n'
                 b"h_sum 1\nh_count 1\n",
                 b'# HELP h x\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n'):
        check(refuses(text), f"taken: {text!r}")


@suite.test
def requests():
    """each audit line of a request is counted, by operation, role, decision and listener"""
    with AdminEnv("--workers", "3", role="read-only") as env:
        env.metrics()
        traffic(env)
        env.ask("GET", "/_ping")
        lines = env.wait_audit(13, record="request")
        # An answer is counted behind its sending, and a line behind its writing.
        env.wait_metric(7, "sockwarden_request_duration_seconds_count")
        env.wait_metric(13, "sockwarden_audit_lines_total")
        metrics = env.metrics()
        equal(metrics.get("sockwarden_requests_total"), 13, "requests")
        for line in lines:
            labels = {"operation": line.get("operation", "other"), "role": "builtin:read-only",
                      "decision": line["decision"], "listener": line["listener"]}
            same = [x for x in lines if (x.get("operation", "other"), x["decision"]) ==
                    (labels["operation"], labels["decision"])]
            equal(metrics.get("sockwarden_requests_total", **labels), len(same), labels)
        equal(metrics.get("sockwarden_audit_lines_total"), len(env.audit()), "audit lines")
        equal(metrics.get("sockwarden_connections_total", listener=lines[0]["listener"]), 4 + 1,
              "connections, with the one that looked whether it listens")
        equal(metrics.get("sockwarden_decision_duration_seconds_count"), 7, "decisions")
        durations = "sockwarden_request_duration_seconds_count"
        equal([metrics.get(durations, **{"class": name}) for name in ("@ping", "@read", "@create")],
              [4, 3, 0], "answers that were timed")
        equal(metrics.get("sockwarden_policy_info", hash="builtin", version="1"), 1, "policy")
        equal(metrics.get("sockwarden_build_info"), 1, "build")
        later = env.metrics()
        for name, kind in metrics.types.items():
            equal(later.types.get(name), kind, name)
            if kind == "counter":
                check(later.get(name) >= metrics.get(name), f"{name} goes down")


@suite.test
def duration_from_first_byte():
    """the clock of a request starts with its first byte"""
    with AdminEnv() as env:
        with Client(env.socket) as client:
            client.send(b"GET /_ping HTTP/1.1\r\n")
            wait_for(lambda: unread(client.sock) == 0, "the first bytes are read")
            time.sleep(0.3)     # not a wait: what is measured
            client.send(b"Host: a\r\n\r\n")
            equal(client.read_response().status, 200, "status")
            for _ in range(5):
                equal(client.ask("GET", "/_ping").status, 200, "status")
        # An answer is counted behind its sending.
        env.wait_metric(6, "sockwarden_request_duration_seconds_count")
        metrics = env.metrics()
        took = metrics.get("sockwarden_request_duration_seconds_sum")
        check(took >= 0.25, f"it took {took} s")
        check(metrics.get("sockwarden_request_duration_seconds_bucket", le="0.25") >= 2,
              "the others took as long")


@suite.test
def odd_names():
    """names of roles and listeners are escaped"""
    role = 'a"b\\c \u00e9{}=,'
    with AdminEnv(start=False) as env:
        policy = os.path.join(env.dir, "policy.json")
        with open(policy, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "roles": {role: {"allow": ["@ping"]}}}, file)
        listener = "unix://" + env.dir + '/q"u\\o\te.sock'
        env.args[env.args.index("--role") + 1] = role
        env.args += ["--policy", policy, "-H", listener]
        env.start()
        with Client(listener.removeprefix("unix://")) as client:
            equal(client.ask("GET", "/_ping").status, 200, "status")
        metrics = env.metrics()
        equal(metrics.get("sockwarden_requests_total", role=role), 1, "by role")
        shown = listener.replace("\t", "\\t")
        check(metrics.values("sockwarden_requests_total", "listener") <= {shown, listener.replace(
            "\t", "\\u0009")}, f"{metrics.values('sockwarden_requests_total', 'listener')}")


@suite.test
def refusals():
    """what never became a request, by class"""
    with AdminEnv("--max-body", "1024", "--max-head", "1024") as env:
        rows = [
            ("malformed", b"GET /_ping HTTP/1.1\r\nBad Name: x\r\n\r\n"),
            ("too_large", b"GET /_ping HTTP/1.1\r\nX: " + b"a" * 2000 + b"\r\n\r\n"),
            ("too_large", b"POST /containers/create HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n"
                          b"Content-Type: application/json\r\n\r\n"),
            ("origin", b"GET /_ping HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n"),
        ]
        for _, request in rows:
            with Client(env.socket) as client:
                client.send(request)
                client.read_response()
        metrics = env.metrics()
        for why in {why for why, _ in rows}:
            equal(metrics.get("sockwarden_refusals_total", reason=why),
                  sum(why == x for x, _ in rows), why)
        equal(metrics.get("sockwarden_refusals_total"), len(rows), "all of them")
        equal(metrics.get("sockwarden_requests_total"), 0, "requests")


@suite.test
def spans_and_bytes():
    """open connections, streams and tunnels rise and fall; bytes are counted while they flow"""
    with AdminEnv() as env:
        def events(conn, _):
            conn.send(CHUNKED + b"5\r\nhello\r\n")
            conn.rest()
            return False

        def attach(conn, _):
            conn.send(SWITCH)
            conn.rest()
            return False
        env.fake.handle("/events", events)
        env.fake.handle("/containers/a/attach", attach)
        stream, tunnel = env.client(), env.client()
        stream.request("GET", "/events")
        stream.read_head()
        equal(stream.chunk(), b"hello", "stream")
        tunnel.request("POST", "/containers/a/attach?stream=1", b"", UPGRADE)
        tunnel.read_head()
        for name, count in (("connections", 2), ("open_streams", 1), ("open_tunnels", 1)):
            env.wait_metric(count, f"sockwarden_{name}")
        before = env.metrics()
        tunnel.send(b"x" * 1000)
        env.wait_metric(before.get("sockwarden_client_received_bytes_total") + 1000,
                        "sockwarden_client_received_bytes_total")
        wait_for(lambda: env.metrics().get("sockwarden_client_sent_bytes_total") > 100, "bytes to clients")
        stream.close()
        tunnel.close()
        for name in ("connections", "open_streams", "open_tunnels"):
            env.wait_metric(0, f"sockwarden_{name}")


@suite.test
def upstream_errors():
    """what went wrong with the daemon, by kind"""
    with AdminEnv("--upstream-timeout", "1") as env:
        env.fake.handle("/info", lambda conn, _: False)
        env.fake.handle("/version", lambda conn, _: conn.send(b"HTTP/1.1 200 OK\r\n\r\n") and False)
        env.fake.handle("/containers/json", lambda conn, _: conn.rest() and False)
        env.fake.handle("/images/json", lambda conn, _: conn.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") and False)
        for target, kind, status in (("/info", "broken", 502), ("/version", "invalid", 502),
                                     ("/containers/json", "timeout", 504)):
            before = env.metrics().get("sockwarden_upstream_errors_total", kind=kind)
            equal(env.ask("GET", target).status, status, target)
            equal(env.metrics().get("sockwarden_upstream_errors_total", kind=kind), before + 1, kind)
        with Client(env.socket) as client:
            client.request("GET", "/images/json")
            client.rest()
        env.wait_metric(2, "sockwarden_upstream_errors_total", kind="broken")
        env.fake.stop()
        equal(env.ask("GET", "/_ping").status, 502, "without a daemon")
        equal(env.metrics().get("sockwarden_upstream_errors_total", kind="missing"), 1, "missing")
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(env.upstream)
        equal(env.ask("GET", "/_ping").status, 502, "a stale socket")
        equal(env.metrics().get("sockwarden_upstream_errors_total", kind="refused"), 1, "refused")


@suite.test
def tls():
    """handshakes full, resumed and failed by reason; when the certificate ends"""
    with AdminTlsEnv() as env:
        context = client_context(certs.client("alice"))
        with TlsClient(env.port, context) as client:
            equal(client.ask("GET", "/_ping").status, 200, "status")
            session = client.tls.session
        with TlsClient(env.port, context, session) as client:
            equal(client.ask("GET", "/_ping").status, 200, "again")
        with socket.create_connection(("127.0.0.1", env.port)) as plain:
            plain.sendall(b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n")
            plain.recv(1000)
        with socket.create_connection(("127.0.0.1", env.port)) as noise:
            noise.sendall(b"\x16\x03\x01nonsense and more of it")
            noise.recv(1000)
        # The alert is on its way before it is counted, last of all as a refusal.
        env.wait_metric(2, "sockwarden_refusals_total", reason="tls")
        metrics = env.metrics()
        results = [metrics.get("sockwarden_tls_handshakes_total", result=result)
                   for result in ("full", "resumed", "failed")]
        equal(results, [1, 1, 2], "handshakes")
        equal(metrics.get("sockwarden_tls_handshake_failures_total"), 2, "failures")
        equal(metrics.get("sockwarden_tls_handshake_failures_total", reason="plain_http"), 1,
              "plain HTTP")
        equal(metrics.get("sockwarden_refusals_total", reason="tls"), 2, "refused")
        end = openssl("x509", "-noout", "-enddate", "-in", certs.path("server-cert.pem"))
        end = time.strptime(end.strip().removeprefix("notAfter="), "%b %d %H:%M:%S %Y %Z")
        equal(metrics.get("sockwarden_tls_certificate_not_after_timestamp_seconds"),
              calendar.timegm(end), "the certificate's end")
    with AdminEnv() as env:
        check(not env.metrics().exports("sockwarden_tls_certificate_not_after_timestamp_seconds"),
              "an end without a certificate")


@suite.test
def process():
    """what the kernel says of the process, from within the sandbox"""
    with AdminEnv() as env:
        # Whoever asked before may still be there when the next is answered, but not five times.
        before = min(env.metrics().get("process_open_fds") for _ in range(5))
        wait_for(lambda: abs(before - len(os.listdir(f"/proc/{env.process.pid}/fd"))) <= 1,
                 f"{before} descriptors are open")
        metrics = env.metrics()
        clients = [env.client() for _ in range(10)]
        env.wait_metric(10, "sockwarden_connections")
        env.wait_metric(before + 10, "process_open_fds")
        for client in clients:
            client.close()
        check(0 < time.time() - metrics.get("process_start_time_seconds") < 60, "start")
        check(metrics.get("process_max_fds") >= 1024, "limit")
        if not settings["sanitized"]:
            resident = metrics.get("process_resident_memory_bytes") / 2**20
            check(abs(resident - env.rss()) < 5, f"{resident} MB are not {env.rss()}")


@suite.test
def dashboard():
    """the dashboard of Grafana names metrics and labels that there are, and no data source"""
    with open(os.path.join(ROOT, "docker", "grafana-dashboard.json"), encoding="utf-8") as file:
        text = file.read()
    document = json.loads(text)
    variables = {x["name"]: x for x in document["templating"]["list"]}
    equal(variables["datasource"]["type"], "datasource", "the variable of the data source")
    equal(set(re.findall(r'"uid": "([^"]*)"', text)), {"${datasource}", document["uid"]}, "uids")
    ids = [panel["id"] for panel in document["panels"]]
    equal(len(ids), len(set(ids)), "ids of panels that differ")
    expressions = [target["expr"] for panel in document["panels"]
                   for target in panel.get("targets", [])]
    expressions += [x["definition"] for x in variables.values() if "definition" in x]
    check(len(expressions) > 15, f"{len(expressions)} expressions")
    with AdminTlsEnv() as env:
        with TlsClient(env.port, client_context(certs.client("alice"))) as client:
            equal(client.ask("GET", "/_ping").status, 200, "status")
        metrics = env.metrics()
    used = set()
    for expression in expressions:
        equal(expression.count("("), expression.count(")"), f"brackets of {expression}")
        for name, labels in re.findall(r"\b((?:sockwarden|process)_\w+)(?:\{([^}]*)\})?", expression):
            check(metrics.exports(name), f"there is no {name}, in {expression}")
            used.add(metrics.family(name))
            there = {label for full, has in metrics.samples if metrics.family(full) ==
                     metrics.family(name) for label, _ in has}
            for label in re.findall(r"(\w+)\s*[=!]~?", labels or ""):
                check(label in there | {"job", "instance"}, f"{name} has no {label}")
        for label in re.findall(r"by \(([^)]*)\)", expression):
            known = {x for full, has in metrics.samples for x, _ in has} | {"instance"}
            check(set(re.findall(r"\w+", label)) <= known, f"by ({label})")
    idle = {"sockwarden_build_info", "process_virtual_memory_bytes", "process_cpu_seconds_total"}
    unused = {name for name in metrics.types} - used - idle
    equal(unused, set(), "metrics that no panel shows")


@suite.test
def documented():
    """each metric has its entry in the manual, and the manual names no other"""
    with open(os.path.join(ROOT, "proxy", "sockwarden.8"), encoding="utf-8") as file:
        section = file.read().split(".Sh HEALTH AND METRICS")[1].split("\n.Sh ")[0]
    entries = {name for line in re.findall(r"^\.It Li (.*)$", section, flags=re.M)
               for name in line.split(" , ")}
    with AdminTlsEnv() as env:
        metrics = env.metrics()
    equal(entries ^ set(metrics.types), set(), "metrics and their entries")
    for (name, labels) in metrics.samples:
        for label, value in labels:
            if label in ("reason", "kind", "result"):
                check(re.search(rf"\b{value}\b", section), f"{name}: {value} is not explained")


# ---- the listener -------------------------------------------------------------------------------

@suite.test
def tcp():
    """TCP: plain HTTP, warned about where others reach it"""
    for address, warned in (("127.0.0.1", False), ("[::1]", False), ("0.0.0.0", True)):
        if address == "[::1]" and not os.path.exists("/proc/net/if_inet6"):
            continue
        port = free_port()
        with Env("--admin", f"tcp://{address}:{port}") as env:
            done = run_bin("healthcheck", f"tcp://{address}:{port}")
            equal((done.returncode, done.stderr), (0, b""), address)
            equal("whoever reaches this address reads metrics" in env.stderr(), warned, address)


@suite.test
def wrong_addresses():
    """an address that is none, a client's, the daemon's or somebody else's is refused"""
    with Env() as env, Env(start=False) as other:
        rows = [("fd://", 2, "expected unix:///path"), ("tcp://localhost:1", 2, "expected"),
                ("unix://" + other.socket, 2, "one of the --host addresses"),
                ("unix://" + other.upstream, 2, "--upstream"),
                ("unix://" + env.socket, 1, "choose another --admin"),
                ("unix:///nonexistent/folder/a.sock", 1, "with --admin")]
        for address, code, words in rows:
            done = run_bin("serve", *other.args, "--admin", address)
            equal(done.returncode, code, address)
            check(words in done.stderr.decode(), f"{address}: {done.stderr!r}")
            check(not os.path.exists(other.socket), f"{address}: it left its socket")


@suite.test
def own_place():
    """its socket and its port are the proxy's own: no container gets them by a wide rule"""
    port = free_port()
    for own, body in (("unix", '{"HostConfig":{"Binds":["%s:/x"]}}'),
                      ("tcp", '{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"%s"}]}}}')):
        with Env(start=False) as env:
            folder = os.path.join(env.dir, "own")
            os.mkdir(folder)
            policy = os.path.join(env.dir, "policy.json")
            with open(policy, "w", encoding="ascii") as file:
                json.dump({"version": 1, "roles": {"all": {
                    "allow": ["*"], "containers": {"binds": ["/**"], "ports": True}}}}, file)
            env.args += ["--policy", policy]
            body = (body % (folder if own == "unix" else port)).encode()
            probe = body.replace(b"{", b'{"Image":"a",', 1)
            env.start()
            equal(env.ask("POST", "/containers/create", probe, JSON).status, 200, f"{own}: without")
            env.stop()
            env.args += ["--admin", f"unix://{folder}/a.sock" if own == "unix" else
                         f"tcp://127.0.0.1:{port}"]
            env.start()
            equal(env.ask("POST", "/containers/create", probe, JSON).status, 403, f"{own}: with")


@suite.test
def socket_file():
    """mode of the socket; removed at the end, also by another user; a stale one is replaced"""
    with AdminEnv("--socket-mode", "0600", start=False) as env:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(env.admin)
        env.start()
        equal(stat.S_IMODE(os.stat(env.admin).st_mode), 0o600, "mode")
        equal(env.ready()[0], 200, "ready")
    if os.geteuid() != 0:
        return
    with serve_as("nobody", audit=False) as env:
        path = os.path.join(env.dir, "run", "admin.sock")
        env.args += ["--admin", "unix://" + path, "--audit-log", "none"]
        env.start()
        equal(run_bin("healthcheck", "unix://" + path).returncode, 0, "as nobody")
        env.stop()
        check(not os.path.exists(path), "the socket stays")


@suite.test
def descriptors_run_out():
    """without a descriptor to accept with, it waits instead of spinning, and comes back"""
    if os.geteuid() != 0:
        return
    with AdminEnv("--workers", "1", "--max-connections", "200", start=False) as env:
        env.start()
        subprocess.run(["prlimit", "--pid", str(env.process.pid), "--nofile=40:40"], check=True)
        held = [env.client() for _ in range(60)]
        wait_for(lambda: len(os.listdir(f"/proc/{env.process.pid}/fd")) >= 40, "none is left")
        with Client(env.admin, 10) as client:
            client.request("GET", "/healthz")
            before = ticks(env)
            time.sleep(0.5)     # not a wait: what is measured
            check(ticks(env) - before < 20, "it spins")
            for one in held:
                one.close()
            equal(client.read_response().status, 200, "with descriptors")


def ticks(env):
    """Processor time of the proxy in hundredths of a second."""
    with open(f"/proc/{env.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
