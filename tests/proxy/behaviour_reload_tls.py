"""HUP where TLS is: certificates, authorities, revocation lists, under clients that are there already."""
import contextlib
import os
import shutil
import ssl
import time

from behaviour_reload import PING, READ, hup, stream, with_policy, write_policy
from harness import Env, Failure, Suite, check, equal, wait_for
from tls_client import TlsClient, certs, client_context, free_port, make_certs, server_options, until_it_ends

suite = Suite()


class Files:
    """A copy of the certificates below an environment, to be changed."""

    def __init__(self, where):
        self.dir = os.path.join(where, "tls")
        shutil.copytree(certs.dir, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def replace(self, name, source):
        shutil.copy(source, self.path(name + ".new"))
        os.rename(self.path(name + ".new"), self.path(name))

    def client(self, name):
        make_certs(self.dir, "client", name)
        return self.path("clients/" + name)

    def revoke(self, name):
        make_certs(self.dir, "revoke", name)


@contextlib.contextmanager
def tls_serving(document, *options, crl=True):
    """(environment, its files, a function that connects with a client's folder)"""
    with with_policy(Env, document) as env:
        files = Files(env.dir)
        port = free_port()
        env.args += server_options(port, folder=files.dir)
        if crl:
            make_certs(files.dir, "crl")
            env.args += ["--tlscrl", files.path("crl.pem")]
        env.args += options
        env.start()
        contexts = {}

        def connect(client, **kwargs):
            context = contexts.setdefault(client, client_context(client))   # sessions belong to it
            client = TlsClient(port, context, **kwargs)
            env.clients.append(client)
            return client
        yield env, files, connect


def refused(connect, *args):
    """Is a new connection refused? In TLS 1.3 that shows with the first answer."""
    try:
        return connect(*args).ask("GET", "/_ping").status != 200
    except (ssl.SSLError, Failure, OSError):
        return True


@suite.test
def revoked():
    """a revoked client loses its idle connections at once; its streams finish, the others stay"""
    with tls_serving(READ, "--workers", "2") as (env, files, connect):
        alice, bob = files.client("a1"), files.client("b1")
        idle = [connect(alice) for _ in range(3)]
        other = connect(bob)
        for client in idle + [other]:
            equal(client.ask("GET", "/info").status, 200, "before")
        silent = connect(alice)     # has not asked anything yet
        silent.wait_known()
        watcher = connect(alice)
        piece = stream(env, watcher)
        files.revoke("a1")
        log = hup(env)
        check("TLS files loaded, certificate until 20" in log, log)
        for client in idle + [silent]:
            check(client.at_end() and not client.truncated, "an idle connection stays")
        lines = env.wait_audit(4, record="refused")
        equal({x["reason"] for x in lines}, {"the client's certificate has been revoked"}, "reason")
        check(all("CN=a1" in x["peer"]["cert_subject"] for x in lines), f"{lines}")
        check(piece(), "the stream is cut")
        check(refused(connect, alice), "a new connection of hers")
        equal(other.ask("GET", "/info").status, 200, "the other client")
        equal(connect(bob).ask("GET", "/info").status, 200, "and a new one of his")
        watcher.close()


@suite.test
def revoked_close():
    """with "revoked": "close" streams and tunnels end as well; their last line says why"""
    document = dict(READ, revoked="close")
    document["roles"] = {"default": {"extends": "builtin:default", "existing": "any"}}
    with tls_serving(document) as (env, files, connect):
        alice, bob = files.client("a1"), files.client("b1")
        env.fake.handle("/containers/a/attach", lambda conn, _: conn.send(
            b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            and conn.ended.wait(30) and False)
        watcher, tunnel, theirs = connect(alice), connect(alice), connect(bob)
        stream(env, watcher, "/events")
        piece = stream(env, theirs, "/containers/b/logs")
        tunnel.request("POST", "/containers/a/attach?stream=1&stdin=1", b"",
                       ["Connection: Upgrade", "Upgrade: tcp"])
        equal(tunnel.read_head().status, 101, "a tunnel")
        half = connect(alice)
        half.send(b"POST /containers/create HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                  b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n")
        equal(half.read_head().status, 100, "its head is read")
        half.send(b"{")
        files.revoke("a1")
        hup(env)
        check(watcher.at_end(), "the stream stays")
        check(tunnel.at_end(), "the tunnel stays")
        check(piece(), "the other client's stream is cut")
        answer = half.read_response()
        equal(answer.status, 403, "a request that was not decided")
        check("revoked" in answer.message(), answer.message())
        for operation in ("SystemEvents", "ContainerAttach"):
            end = env.wait_audit(1, record="end", operation=operation)[0]
            equal(end["reason"], "the client's certificate has been revoked", operation)


@suite.test
def new_ca():
    """another CA: clients of the old one are closed, sessions are not resumed, new ones are taken"""
    with tls_serving(READ, crl=False) as (env, files, connect):
        alice = files.client("a1")
        first = connect(alice)
        equal(first.ask("GET", "/info").status, 200, "before")
        session = first.tls.session
        again = connect(alice, session=session)
        equal(again.ask("GET", "/info").status, 200, "resumed")
        check(again.tls.session_reused, "the session is not resumed before")
        hup(env)
        kept = connect(alice, session=again.tls.session)
        equal(kept.ask("GET", "/info").status, 200, "after a reload of the same files")
        check(kept.tls.session_reused, "the same files have lost their sessions")
        other = os.path.join(env.dir, "other")
        make_certs(other, "ca")
        make_certs(other, "client", "new")
        files.replace("ca.pem", other + "/ca.pem")
        hup(env)
        for client in (first, again, kept):
            check(client.at_end(), "a client of the old CA stays")
        for line in env.wait_audit(3, record="refused"):
            check(line["reason"].startswith("the client's certificate is of an unknown CA"), line)
        check(refused(connect, alice), "a new connection of the old CA")
        equal(connect(other + "/clients/new").ask("GET", "/info").status, 200, "the new CA")


@suite.test
def server_certificate():
    """a new certificate and key for new connections; a wrong pair, or a bad file, changes nothing"""
    with tls_serving(READ) as (env, files, connect):
        alice = files.client("a1")

        def serial(client):
            return client.tls.getpeercert()["serialNumber"]
        old = connect(alice)
        equal(old.ask("GET", "/info").status, 200, "before")
        fresh = os.path.join(env.dir, "fresh")
        os.makedirs(fresh)
        for name in ("ca.pem", "ca-key.pem"):
            shutil.copy(files.path(name), fresh)
        make_certs(fresh, "server", "localhost", "--days", "20")
        keep = files.path("kept.pem")
        shutil.copy(files.path("server-cert.pem"), keep)
        write_policy(env, PING)     # good by itself, and yet not taken
        for name, source, words in (
                ("server-cert.pem", fresh + "/server-cert.pem", "does not belong to the certificate"),
                ("server-cert.pem", files.path("ca-key.pem"), "no certificate in PEM"),
                ("crl.pem", files.path("ca.pem"), "no revocation list")):
            good = files.path(name + ".good")
            shutil.copy(files.path(name), good)
            files.replace(name, source)
            log = hup(env, ok=False)
            check(words in log and "--tls" in log, log)
            files.replace(name, good)
            equal(connect(alice).ask("GET", "/info").status, 200, "by the old set")
        equal(serial(connect(alice)), serial(old), "certificate after bad files")
        files.replace("server-cert.pem", fresh + "/server-cert.pem")
        files.replace("server-key.pem", fresh + "/server-key.pem")
        log = hup(env)
        check("the certificate expires on" in log, log)
        check(serial(connect(alice)) != serial(old), "certificate of a new connection")
        equal(old.ask("GET", "/info").status, 403, "the old connection is judged by the new policy")
        equal(old.ask("GET", "/_ping").status, 200, "and serves on")


@suite.test
def links():
    """files behind links that lead elsewhere now, as Kubernetes and certbot replace them"""
    with with_policy(Env, READ) as env:
        volume, archive, live = (os.path.join(env.dir, x) for x in ("volume", "archive", "live"))
        for turn, document in enumerate((READ, PING)):
            os.makedirs(f"{volume}/..{turn}")
            os.rename(write_policy(env, document), f"{volume}/..{turn}/policy.json")
        os.symlink("..0", volume + "/..data")
        os.symlink("..data/policy.json", volume + "/policy.json")
        env.args[env.args.index("--policy") + 1] = volume + "/policy.json"
        shutil.copytree(certs.dir, archive)
        os.unlink(archive + "/ca-key.pem")
        os.makedirs(live)
        names = ("ca.pem", "server-cert.pem", "server-key.pem")
        for name in names:
            os.rename(f"{archive}/{name}", f"{archive}/1{name}")
            shutil.copy(f"{archive}/1{name}", f"{archive}/2{name}")
            os.symlink(f"../archive/1{name}", f"{live}/{name}")
        with open(archive + "/2ca.pem", "a", encoding="ascii") as file:
            file.write("\n")
        port = free_port()
        env.args += server_options(port, folder=live)
        env.start()
        hup(env)
        for name in names:
            os.unlink(f"{live}/{name}")
            os.symlink(f"../archive/2{name}", f"{live}/{name}")
        os.symlink("..1", volume + "/..next")
        os.rename(volume + "/..next", volume + "/..data")
        log = hup(env)
        check(" -> " in log and "TLS files loaded" in log, log)
        equal(env.ask("GET", "/info").status, 403, "by the new policy")


@suite.test
def revoked_in_handshake():
    """a client that is revoked while it shakes hands is not served, though it began before"""
    with tls_serving(READ) as (env, files, connect):
        alice = files.client("a1")
        client = connect(alice, shake=False)
        files.revoke("a1")
        hup(env)
        client.handshake()
        client.request("GET", "/info")
        check(client.at_end(), "it is served")
        env.wait_audit(1, record="refused",
                       reason="TLS: the client's certificate has been revoked")


@suite.test
def client_expires():
    """a certificate that ends while its connection is idle is refused at the next request, no HUP"""
    with tls_serving(READ, crl=False) as (env, _, connect):
        def use(folder):
            client = connect(folder)
            equal(client.ask("GET", "/info").status, 200, "while it is valid")
            return client
        client, end = until_it_ends("soon", 2, use)
        wait_for(lambda: time.time() > end + 1.1, "the certificate ends", 60)
        answer = client.ask("GET", "/info")
        equal(answer.status, 403, "afterwards")
        equal(answer.message(), "sockwarden: the client's certificate has expired", "message")
        check(client.at_end(), "the connection stays")
        env.wait_audit(1, record="refused", reason="the client's certificate has expired")
