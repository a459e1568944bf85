"""TLS listeners: who gets in, who does not and what he and the audit line are told, ends of both
kinds, sessions, and that nobody is hindered by those who only begin."""
import hashlib
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import time

from behaviour_tunnel import ATTACH, SWITCH, UP, pump
from fake_dockerd import response
from harness import Client, Env, Failure, Late, Suite, check, equal, settings, wait_for
from tls_client import (WAIT, TlsClient, TlsEnv, altered, certs, client_context, make_certs, openssl,
                        until_it_ends)

suite = Suite()
SIZE = 8 << 20
ROLES = {"reader": {"allow": ["@ping", "@read"]}, "default": {"allow": ["@ping"]}}


class Proxy(TlsEnv):
    """A TLS proxy with these clients in its policy."""

    def __init__(self, *clients, options=(), roles=None):
        super().__init__(*options, start=False)
        path = os.path.join(self.dir, "policy.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"version": 1, "clients": clients, "roles": roles or ROLES}, file)
        at = self.args.index("--role")
        self.args[at:at + 2] = ["--policy", path]
        self.start()


def entry(role="reader", **match):
    return {"name": "by-certificate", "match": match, "role": role}


def refused_with(env, client, alert, reason):
    """The client reads this alert, and the audit line has this reason."""
    try:
        made = client()
        made.request("GET", "/_ping")
        made.read_head()
    except ssl.SSLError as error:
        check(alert in str(error).lower().replace("_", " "), f"alert: {error}")
    except Failure as error:
        raise Failure(f"no alert but {error}") from None
    else:
        raise Failure("it is served")
    line = wait_for(lambda: [x for x in env.audit() if reason in x.get("reason", "")],
                    f"a line with {reason!r}; there are {env.audit()}")[-1]
    equal(line["record"], "refused", "record")
    check(reason in line["reason"], f"reason {line['reason']!r}, not {reason!r}")
    equal((line["peer"], line["decision"]), ({"address": "127.0.0.1"}, "deny"), "the line")
    check("status" not in line and "role" not in line, f"{line}")


# ---- who gets in ---------------------------------------------------------------------------------

@suite.test
def keep_alive():
    """requests one after the other on a connection, in TLS 1.3 and 1.2, big bodies both ways"""
    data = os.urandom(SIZE)
    with TlsEnv() as env:
        env.fake.handle("/containers/a/export", lambda conn, _: conn.send(response(data)))
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            client = env.tls(version=version, timeout=20)
            for _ in range(3):
                equal(client.ask("GET", "/_ping").status, 200, "ping")
            answer = client.ask("PUT", "/containers/a/archive?path=/", data,
                                ["Content-Type: application/x-tar"])
            equal(answer.status, 200, "upload")
            check(env.fake.requests[-1].body == data, "the upload is not what was sent")
            check(client.ask("GET", "/containers/a/export").body == data, "download")
            client.end_writing()
            check(client.at_end() and not client.truncated, "no close_notify in answer to ours")


@suite.test
def role_by_certificate():
    """CN, OU, SAN and key choose the role; who matches no entry gets default; the line names him"""
    san = certs.odd("san", "subjectAltName=URI:spiffe://x/ci,DNS:ci.example.com,IP:10.1.2.3,"
                    "email:a@example.com")
    key = openssl("pkey", "-in", os.path.join(certs.client("alice"), "key.pem"), "-pubout",
                  "-outform", "DER", "-out", certs.path("alice.der"))
    with open(certs.path("alice.der"), "rb") as file:
        key = "sha256:" + hashlib.sha256(file.read()).hexdigest()
    for match, name in (({"cert_cn": "ali*"}, "alice"), ({"cert_ou": "ops"}, "alice"),
                        ({"cert_spki": key}, "alice"), ({"cert_san": "URI:spiffe://x/*"}, san),
                        ({"cert_san": "DNS:ci.example.com"}, san),
                        ({"cert_san": "IP:10.1.0.0/16"}, san),
                        ({"cert_san": "email:a@example.com"}, san)):
        with Proxy(entry(**match)) as env:
            client = env.tls(name)
            equal(client.ask("GET", "/info").status, 200, f"{match}")
            line = env.wait_audit(record="request")[0]
            equal((line["client"], line["role"]), ("by-certificate", "reader"), f"{match}")
            if name == "alice":
                equal(line["peer"], {"address": "127.0.0.1", "cert_subject": "CN=alice,OU=ops",
                                     "cert_cn": "alice", "cert_spki": key}, "peer")
            other = env.tls("bob")
            equal(other.ask("GET", "/info").status, 403, "another one reads")
            equal(other.ask("GET", "/_ping").status, 200, "another one pings")
            check("client" not in env.wait_audit(3)[-1], "he is named")


@suite.test
def other_keys_and_versions():
    """an RSA client; AES-256 and ChaCha20; no TLS 1.2 without AEAD"""
    with TlsEnv() as env:
        certs.client("rsa", "--rsa")
        equal(env.tls("rsa").ask("GET", "/_ping").status, 200, "RSA")
        for cipher in ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            client = env.tls(version=ssl.TLSVersion.TLSv1_2, ciphers=cipher)
            equal(client.ask("GET", "/_ping").status, 200, cipher)
        refused_with(env, lambda: env.tls(version=ssl.TLSVersion.TLSv1_2,
                                          ciphers="ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256"),
                     "handshake failure", "no cipher")


@suite.test
def several_authorities():
    """CAs in one file, a client by an intermediate CA, and a server with an RSA key"""
    root, client = certs.chain()

    def change(folder):
        with open(root, encoding="ascii") as more:
            with open(folder + "/ca.pem", "a", encoding="ascii") as out:
                out.write(more.read())
        for name in ("server-cert.pem", "server-key.pem"):
            os.unlink(os.path.join(folder, name))
        shutil.copy(certs.path("ca-key.pem"), folder)
        make_certs(folder, "server", "--rsa", "localhost")
    options = altered("several", change)
    with Env(*options) as env:
        port = int(options[1].rsplit(":", 1)[1])
        for name in (client, certs.client("alice")):
            with TlsClient(port, client_context(name)) as made:
                equal(made.ask("GET", "/_ping").status, 200, name)
    with TlsEnv() as env:
        refused_with(env, lambda: env.tls(client), "unknown ca", "unknown CA")


@suite.test
def protocols():
    """http/1.1 is chosen where it is offered; h2 alone is refused; without an offer it goes on"""
    with TlsEnv() as env:
        for offer, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"),
                              (None, None)):
            client = env.tls(alpn=offer)
            equal(client.tls.selected_alpn_protocol(), chosen, f"{offer}")
            equal(client.ask("GET", "/_ping").status, 200, f"{offer}")
        refused_with(env, lambda: env.tls(alpn=["h2"]), "no application protocol",
                     "no application protocol")


@suite.test
def without_verify():
    """--tlsverify=false serves without a certificate, says so, and still knows who sends a good one"""
    with TlsEnv("--tlsverify=false") as env:
        equal(env.tls(None).ask("GET", "/_ping").status, 200, "none")
        equal(env.wait_audit(record="request")[0]["peer"], {"address": "127.0.0.1"}, "peer")
        env.tls("alice").ask("GET", "/_ping")
        check("cert_subject" in env.wait_audit(2, record="request")[1]["peer"], "she is not known")
        check("without a certificate" in env.stderr(), env.stderr())


# ---- who does not --------------------------------------------------------------------------------

def foreign():
    """A client of the same name, of a CA of the same name."""
    folder = certs.path("foreign")
    if not os.path.exists(folder):
        make_certs(folder, "ca")
        make_certs(folder, "client", "alice", "--ou", "ops")
    return os.path.join(folder, "clients", "alice")


@suite.test
def refused():
    """no certificate, foreign CA, expired, not yet valid, for servers only: alert, reason, address"""
    rows = [(None, "certificate required", "no certificate"),
            (foreign(), "unknown ca", "unknown CA"),
            (certs.odd("expired", start="20200101000000Z", end="20200201000000Z"), "expired",
             "has expired"),
            (certs.odd("future", start="20980101000000Z"), "bad certificate", "not yet valid"),
            (certs.odd("server-only", "extendedKeyUsage=serverAuth"), "certificate", "not for clients"),
            (certs.odd("many", "subjectAltName=" + ",".join(f"DNS:x{i}" for i in range(65))), None,
             "too many"),
            (certs.odd("two", subject="/CN=alice/CN=root"), None, "more than one common name")]
    for folder, alert, reason in rows:
        with TlsEnv() as env:
            if alert:
                refused_with(env, lambda: env.tls(folder), alert, reason)
            else:
                client = env.tls(folder)
                client.request("GET", "/_ping")
                check(client.at_end(), "it is served")
                check(reason in env.wait_audit(record="refused")[0]["reason"], env.audit())
            equal(env.fake.received(), 0, "bytes that the daemon got")
            equal(env.tls("alice").ask("GET", "/_ping").status, 200, "alice")


@suite.test
def refused_in_tls12():
    """the same in TLS 1.2, where the client is told before its handshake ends"""
    with TlsEnv() as env:
        for folder, reason in ((certs.path("foreign/clients/alice"), "unknown CA"),
                               (None, "no certificate")):
            refused_with(env, lambda: env.tls(folder, version=ssl.TLSVersion.TLSv1_2),
                         "handshake failure" if folder is None else "unknown ca", reason)


@suite.test
def odd_names():
    """control characters make a name unknown, not somebody else's"""
    names = certs.odd("control", "subjectAltName=DNS:x", subject="/CN=al\x01ice/OU=o\x7fps")
    with Proxy(entry(cert_cn="al*"), dict(entry(cert_ou="o*"), name="by-unit")) as env:
        client = env.tls(names)
        equal(client.ask("GET", "/info").status, 403, "status")
        equal(env.wait_audit(record="request")[0]["peer"]["cert_subject"], "OU=o\\7Fps,CN=al\\01ice",
              "subject")


@suite.test
def old_protocol():
    """TLS 1.1 is refused"""
    hello = bytes.fromhex("16030100310100002d0302") + b"\x11" * 32 + bytes.fromhex(
        "000006c013c00a00350100") + b""
    with TlsEnv() as env:
        with Client(("127.0.0.1", env.port)) as client:
            client.send(hello)
            answer = client.rest()
            equal(answer[:1], b"\x15", "an alert")
            equal(answer[5:], b"\x02\x46", "fatal protocol_version")
        check("unsupported protocol" in env.wait_audit(record="refused")[0]["reason"], env.audit())


@suite.test
def garbage():
    """what is not TLS is refused; plain HTTP is told so in HTTP; a probe of the port is no refusal"""
    with TlsEnv() as env:
        rows = [(b"\0" * 64, "what came in is not TLS"), (b"SSH-2.0-x\r\n" * 9, "not TLS"),
                (b"\x16\x03\x01\xff\xff" + b"x" * 300, "not TLS"), (os.urandom(4096), "")]
        for what, _ in rows:
            with Client(("127.0.0.1", env.port)) as client:
                client.send_if_open(what)
                client.end_writing()
                check(b"HTTP" not in client.rest(), "an answer in HTTP")
        reasons = [line["reason"] for line in env.wait_audit(4, record="refused")]
        for _, reason in rows:
            check(any(reason in text for text in reasons), f"no {reason!r} in {reasons}")
        with Client(("127.0.0.1", env.port)) as client:
            answer = client.ask("GET", "/_ping")
            equal(answer.status, 400, "status")
            check("DOCKER_TLS_VERIFY" in answer.message(), answer.message())
        with Client(("127.0.0.1", env.port)):
            pass
        equal(env.tls().ask("GET", "/_ping").status, 200, "alice")
        equal(len(env.wait_audit(5, record="refused")), 5, "lines")


@suite.test
def revoked():
    """a revoked client is refused, others are served; without a list of its CA nobody is"""
    folder = certs.revoke("mallory")
    with TlsEnv("--tlscrl", certs.path("crl.pem")) as env:
        refused_with(env, lambda: env.tls(folder), "certificate revoked", "revoked")
        equal(env.tls("alice").ask("GET", "/_ping").status, 200, "alice")
    with TlsEnv("--tlscrl", certs.path("crl.pem"), start=False) as env:
        if not os.path.exists(certs.path("foreign/crl.pem")):
            make_certs(certs.path("foreign"), "crl")
        env.args[env.args.index("--tlscrl") + 1] = certs.path("foreign/crl.pem")
        env.start()
        refused_with(env, lambda: env.tls("alice"), "unknown", "")
    with TlsEnv("--tlscrl", certs.path("old.pem"), start=False) as env:
        openssl("ca", "-config", certs.odd("crl") + "/config", "-gencrl", "-crlsec", "1", "-out",
                certs.path("old.pem"))
        time.sleep(1.1)
        env.start()
        refused_with(env, lambda: env.tls("alice"), "expired",
                     "revocation list in --tlscrl has expired")
        check("a list has expired" in env.stderr(), env.stderr())


# ---- sessions ------------------------------------------------------------------------------------

def connect_twice(port, context, version):
    """(was the second one resumed, its client)"""
    first = TlsClient(port, context)
    equal(first.ask("GET", "/_ping").status, 200, "first")
    session = first.tls.session
    first.end_writing()
    first.close()
    second = TlsClient(port, context, session)
    return second.tls.session_reused, second


@suite.test
def resumption():
    """a session is resumed in both versions, with its identity, and again from there"""
    with Proxy(entry(cert_cn="alice")) as env:
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            context = client_context(certs.client("alice"), version=version)
            resumed, client = connect_twice(env.port, context, version)
            with client:
                check(resumed, f"not resumed in {version}")
                equal(client.ask("GET", "/info").status, 200, "reads")
                with TlsClient(env.port, context, client.tls.session) as third:
                    check(third.tls.session_reused, "not resumed a second time")
                    equal(third.ask("GET", "/info").status, 200, "reads")
        for line in env.wait_audit(6, record="request"):
            equal((line["client"], line["peer"]["cert_subject"]), ("by-certificate",
                                                                   "CN=alice,OU=ops"), "line")


@suite.test
def session_of_silent():
    """a client that asks nothing yet is given its session, too, which else goes with the first answer"""
    with TlsEnv() as env:
        client = env.tls(version=ssl.TLSVersion.TLSv1_3)
        check(select.select([client.sock], [], [], WAIT)[0], "nothing came behind the handshake")
        equal(client.ask("GET", "/_ping").status, 200, "then it asks")


@suite.test
def session_ends_with_certificate():
    """a session is not resumed once its certificate has ended, and the handshake then is refused"""
    def use(folder):
        made = []
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            context = client_context(folder, version=version)
            resumed, client = connect_twice(env.port, context, version)
            check(resumed, "not resumed while it is valid")
            equal(client.ask("GET", "/_ping").status, 200, "second")
            made.append((context, client.tls.session))
            client.close()
        return made
    with TlsEnv() as env:
        made, end = until_it_ends("brief", 4, use)
        time.sleep(max(0, end + 1.5 - time.time()))
        for context, session in made:
            refused_with(env, lambda: TlsClient(env.port, context, session), "expired", "has expired")


@suite.test
def session_after_revocation():
    """with the revocation list loaded, the session of before is worth nothing"""
    folder = certs.client("eve")
    context = client_context(folder)
    with TlsEnv() as env:
        with TlsClient(env.port, context) as client:
            client.ask("GET", "/_ping")
            session = client.tls.session
        certs.revoke("eve")
        env.stop()
        env.args += ["--tlscrl", certs.path("crl.pem")]
        env.start()
        refused_with(env, lambda: TlsClient(env.port, context, session), "revoked", "revoked")


# ---- ends ----------------------------------------------------------------------------------------

@suite.test
def tunnel():
    """attach over TLS: the client's end is passed on, all comes back, then the daemon's end"""
    data = os.urandom(SIZE)

    def handler(conn, _):
        conn.send(SWITCH)
        pump(conn)
        conn.send(b"last words")
        return False
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        with TlsEnv() as env:
            env.fake.handle("/containers/a/attach", handler)
            client = env.tls(version=version, timeout=20)
            client.request("POST", ATTACH, headers=UP)
            equal(client.read_head().status, 101, "status")
            # In one thread, since a TLS object is not for two.
            for at in range(0, len(data), 1 << 16):
                client.send(data[at:at + (1 << 16)])
                while len(client.buffer) < at - (1 << 20):
                    client.fill()
            client.end_writing()
            rest = client.rest()
            check(rest == data + b"last words", f"{len(rest)} bytes came back")
            check(not client.truncated, "no close_notify at the end")
            end = env.wait_audit(record="end")[0]
            check(end["bytes_in"] >= SIZE and end["bytes_out"] >= SIZE + 10, f"{end}")


@suite.test
def daemon_ends_first():
    """the daemon's end reaches the client as close_notify, and the client goes on writing"""
    got = []

    def handler(conn, _):
        conn.send(SWITCH + b"output")
        conn.end_writing()
        got.append(conn.rest())
        return False
    with TlsEnv() as env:
        env.fake.handle("/containers/a/attach", handler)
        client = env.tls()
        client.request("POST", ATTACH, headers=UP)
        client.read_head()
        equal(client.rest(), b"output", "output")
        check(not client.truncated, "cut off")
        client.send(b"input")
        client.end_writing()
        wait_for(lambda: got, "the daemon's end")
        equal(got[0], b"input", "input")


@suite.test
def truncation():
    """a connection that is cut without close_notify is no end of a tunnel's input; idle, it is one"""
    ends = []

    def handler(conn, _):
        conn.send(SWITCH)
        conn.rest()
        ends.append(conn.send(b"x" * 65536) and conn.send(b"x" * 1048576))
        return False
    with TlsEnv() as env:
        env.fake.handle("/containers/a/attach", handler)
        client = env.tls()
        client.request("POST", ATTACH, headers=UP)
        client.read_head()
        client.send(b"half a comm")
        client.cut()
        wait_for(lambda: ends, "the daemon sees an end")
        equal(ends[0], False, "the daemon can still write, as after an ordinary end")
        idle = env.tls()
        equal(idle.ask("GET", "/_ping").status, 200, "ping")
        idle.cut()
        check(idle.at_end(), "an answer to nothing")
        upload = env.tls()
        upload.request("POST", "/containers/create", headers=[
            "Content-Length: 100", "Content-Type: application/json"])
        upload.send(b"{}")
        upload.cut()
        env.wait_audit(record="refused", reason="the client left in the middle of its body")


@suite.test
def daemon_breaks_off():
    """an answer that breaks off is cut, not ended: the client can tell"""
    def handler(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False
    with TlsEnv() as env:
        env.fake.handle("/info", handler)
        client = env.tls()
        client.request("GET", "/info")
        client.rest()
        check(client.truncated, "it got a close_notify")


@suite.test
def renegotiation():
    """a client of TLS 1.2 that wants another handshake is told no, and served on or cut"""
    with TlsEnv() as env:
        folder = certs.client("alice")
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{env.port}", "-tls1_2", "-cert",
             folder + "/cert.pem", "-key", folder + "/key.pem", "-CAfile", certs.path("ca.pem")],
            input=b"R\n", capture_output=True, timeout=20, check=False)
        text = (done.stdout + done.stderr).decode(errors="replace")
        check("Verify return code: 0" in text, text[-500:])
        check("no renegotiation" in text, text[-500:])
        equal(env.tls().ask("GET", "/_ping").status, 200, "alice")


# ---- who only begins -----------------------------------------------------------------------------

@suite.test
def slow_handshake():
    """a byte a second does not keep a handshake alive, and nobody else waits"""
    with TlsEnv("--head-timeout", "2", "--workers", "1") as env:
        slow = socket.create_connection(("127.0.0.1", env.port))
        silent = socket.create_connection(("127.0.0.1", env.port))
        hello = bytes.fromhex("1603010200010001fc0303") + b"\x22" * 200
        begin = time.monotonic()
        with slow, silent:
            for at in range(60):
                try:
                    slow.sendall(hello[at:at + 1])
                except OSError:
                    break
                equal(env.tls().ask("GET", "/_ping").status, 200, "alice")
                time.sleep(0.3)
            check(at < 59, f"it was served for {time.monotonic() - begin:.1f} s")
            silent.settimeout(WAIT)
            equal(silent.recv(1), b"", "the silent one")
        lines = env.wait_audit(2, record="refused")
        for line in lines:
            check("in time" in line["reason"], line["reason"])


@suite.test
def split_handshake():
    """a handshake whose bytes come one by one, in both directions of the split, is one"""
    with TlsEnv() as env:
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            client = TlsClient(env.port, client_context(certs.client("alice"), version=version),
                               shake=False)
            client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            whole = client.flush

            def flush():
                for byte in client.output.read():
                    client.sock.sendall(bytes([byte]))
            client.flush = flush
            client.handshake()
            equal(client.ask("GET", "/_ping").status, 200, "ping")
            client.flush = whole
            client.close()


@suite.test
def half_open():
    """1,000 handshakes that are only begun hinder nobody, end in time, and their memory comes back"""
    with TlsEnv("--head-timeout", "3", "--workers", "2") as env:
        busy = env.tls()
        for _ in range(20):
            busy.ask("GET", "/_ping")
        before = env.rss()
        begun = []
        hello = bytes.fromhex("1603010200010001fc0303") + b"\x22" * 100
        for _ in range(1000):
            sock = socket.create_connection(("127.0.0.1", env.port))
            sock.sendall(hello)
            begun.append(sock)
        slowest = 0
        for _ in range(50):
            start = time.monotonic()
            equal(busy.ask("GET", "/_ping").status, 200, "busy")
            slowest = max(slowest, time.monotonic() - start)
        if slowest > 1:
            raise Late(f"a ping took {slowest:.2f} s")
        equal(env.tls().ask("GET", "/_ping").status, 200, "a new one")
        wait_for(lambda: sum("in time" in x.get("reason", "") for x in env.audit()) == 1000,
                 "all are refused", 15)
        for sock in begun:
            sock.close()
        for _ in range(20):
            busy.ask("GET", "/_ping")
        if not settings["sanitized"]:
            wait_for(lambda: env.rss() < before + 12, f"memory back: {before:.1f} MB before, "
                     f"{env.rss():.1f} after", 5)
