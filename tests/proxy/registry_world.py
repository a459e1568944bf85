"""The registry helper alone, spoken to as the proxy does, and registries for it. No tests."""
import base64
import crypt
import fcntl
import hashlib
import http.server
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse

from harness import WAIT, check, equal, free_port, settings, wait_for

SETUP, READY, ASK, CANCEL, HEAD, DATA, GONE = range(1, 8)
MANIFEST, BLOB, REFERRERS = range(3)
GOT, ABSENT, LARGE, ERROR, DEAD = range(5)
OCI = "application/vnd.oci.image.manifest.v1+json"
USER, PASSWORD = "puller", "pass:word"


def helper_path():
    return os.path.join(os.path.dirname(settings["bin"]), "sockwarden-registry")


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(data)) + data


def ask_packet(number, kind, host, repository, reference, limit=1 << 20, login=("", "", "", "")):
    return (struct.pack("<BQBI", ASK, number, kind, limit) +
            b"".join(text(part) for part in (host, repository, reference, *login)))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Answer:
    def __init__(self, packet):
        self.number, self.outcome, self.size = struct.unpack_from("<QBI", packet, 1)
        rest, texts = packet[14:], []
        for _ in range(3):
            length, = struct.unpack_from("<I", rest)
            texts.append(rest[4:4 + length].decode())
            rest = rest[4 + length:]
        equal(rest, b"", "the end of a packet")
        self.media_type, self.digest, self.error = texts
        self.body = b""


def program(own_files):
    """The helper's path and arguments; own_files: by what lies in their places for it alone (root)."""
    if not own_files:
        return helper_path(), ["sockwarden-registry"]
    mounts = "".join(f"mount --bind '{mine}' '{place}' && " for mine, place in own_files.items())
    return shutil.which("unshare"), ["unshare", "-m", "sh", "-c", f"{mounts}exec '{helper_path()}'"]


class Helper:
    """sockwarden-registry with some lines; one is used unless told."""

    def __init__(self, lines=1, private=(), plain=(), tokens=(), ca="", proxy="", direct=(), seconds=10,
                 sandbox=True, own_files=()):
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(lines + 1)]
        high = [fcntl.fcntl(theirs, fcntl.F_DUPFD, 200) for _, theirs in pairs]
        actions = [(os.POSIX_SPAWN_DUP2, fd, 3 + at) for at, fd in enumerate(high)]
        self.pid = os.posix_spawn(*program(own_files), {}, file_actions=actions)
        for fd, (mine, theirs) in zip(high, pairs):
            os.close(fd)
            theirs.close()
            mine.settimeout(WAIT)
        self.setup, *self.lines = [mine for mine, _ in pairs]
        self.number = 0
        root = os.geteuid() == 0
        self.setup.send(struct.pack("<BIIIBBI", SETUP, lines, 65534, 65534, root, sandbox, seconds) +
                        b"".join(map(text, (ca, proxy, " ".join(direct), " ".join(private),
                                            " ".join(plain), " ".join(tokens)))))
        ready = self.setup.recv(1 << 16)
        check(ready and ready[0] == READY, f"not ready: {ready!r}")
        self.problem = ready[5:].decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for line in self.lines:
            line.close()
        self.setup.close()
        if self.pid:
            wait_for(self.ended, "the end of sockwarden-registry")

    def ended(self):
        pid, self.status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.pid = 0
        return pid

    def child(self):
        """The process that asks."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            found = file.read().split()
        return int(found[0]) if found else 0

    def send(self, kind, host, repository, reference, line=0, **more):
        self.number += 1
        self.lines[line].send(ask_packet(self.number, kind, host, repository, reference, **more))
        return self.number

    def cancel(self, number, line=0):
        self.lines[line].send(struct.pack("<BQ", CANCEL, number))

    def receive(self, line=0):
        """The next answer, whole; None where the helper has died."""
        packet = self.lines[line].recv(1 << 16)
        check(packet, "the line has ended")
        if packet[0] == GONE:
            return None
        equal(packet[0], HEAD, "an answer begins with its head")
        answer = Answer(packet)
        while len(answer.body) < answer.size:
            packet = self.lines[line].recv(1 << 16)
            equal((packet[0], *struct.unpack_from("<Q", packet, 1)), (DATA, answer.number), "its body")
            answer.body += packet[13:]
        equal(len(answer.body), answer.size, "size of the body")
        return answer

    def ask(self, *words, **more):
        number = self.send(*words, **more)
        answer = self.receive(more.get("line", 0))
        equal(answer and answer.number, number, "the answer's number")
        return answer

    def got(self, *words, **more):
        answer = self.ask(*words, **more)
        equal((answer.outcome, answer.error), (GOT, ""), "what came of it")
        return answer

    def refused(self, part, *words, outcome=ERROR, **more):
        answer = self.ask(*words, **more)
        equal((answer.outcome, answer.body), (outcome, b""), f"what came of it ({answer.error})")
        check(part in answer.error, f"{part!r} is not in {answer.error!r}")
        return answer


# ---- certificates --------------------------------------------------------------------------------

def openssl(*words, data=None):
    done = subprocess.run(["openssl", *words], input=data, capture_output=True, timeout=WAIT)
    check(done.returncode == 0, f"openssl {words[0]}: {done.stderr.decode()}")
    return done.stdout


class Certificates:
    """Two CAs; certificates of the first for localhost and for another name."""

    def __init__(self, base):
        self.base = base
        for name in ("ca", "stranger"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=" + name, "-keyout", self.path(name + ".key"), "-out", self.path(name + ".pem"))
        self.issue("localhost", "DNS:localhost,IP:127.0.0.1")
        self.issue("elsewhere", "DNS:elsewhere.example")
        self.ca, self.stranger = self.path("ca.pem"), self.path("stranger.pem")

    def path(self, name):
        return os.path.join(self.base, name)

    def issue(self, name, names):
        key, request, out, extra = (self.path(name + end) for end in (".key", ".csr", ".pem", ".ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                "-keyout", key, "-out", request)
        with open(extra, "w", encoding="ascii") as file:
            file.write("subjectAltName=" + names)
        openssl("x509", "-req", "-in", request, "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
                "-CAcreateserial", "-days", "2", "-extfile", extra, "-out", out)


# ---- a registry of our own words -----------------------------------------------------------------

class Server(http.server.ThreadingHTTPServer):
    """Answers by a table: path -> function(handler). Records (method, path, Authorization)."""
    daemon_threads = True

    def __init__(self, certificates=None, name="localhost"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.seen, self.bodies = {}, [], []
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.path(name + ".pem"), certificates.path(name + ".key"))
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server_address[1]
        self.host = f"localhost:{self.port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, *_):
        pass

    def page(self, path, status=200, body=b"", **headers):
        self.pages[path] = lambda handler: handler.give(status, body, headers)

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = WAIT

    def log_message(self, *_):
        pass

    def give(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name.replace("_", "-"), one)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self):
        path, _, self.query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        self.server.bodies.append(self.rfile.read(length))
        self.server.seen.append((self.command, self.path, self.headers.get("Authorization")))
        page = self.server.pages.get(path)
        if page:
            page(self)
        else:
            self.give(404, b"404 page not found\n")

    do_GET = do_POST = answer


# ---- Debian's docker-registry --------------------------------------------------------------------

CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}", tls: {{certificate: {base}/localhost.pem, key: {base}/localhost.key}}}}
{auth}
"""


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class DockerRegistry:
    def __init__(self, base, name, auth):
        self.port = free_port()
        self.host = f"localhost:{self.port}"
        config = os.path.join(base, name + ".yml")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(root=os.path.join(base, "storage"), base=base, port=self.port, auth=auth))
        self.log = open(os.path.join(base, name + ".log"), "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=self.log, stderr=self.log)

    def wait(self):
        def listens():
            check(self.process.poll() is None, "docker-registry has ended")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for(listens, "docker-registry")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def store(base, repository, blobs, manifests):
    """Puts content into a registry's storage, as it lies there."""
    top = os.path.join(base, "storage", "docker", "registry", "v2")

    def put(path, data):
        path = os.path.join(top, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    for data in list(blobs) + [data for _, data in manifests]:
        name = digest_of(data)[7:]
        put(f"blobs/sha256/{name[:2]}/{name}/data", data)
        put(f"repositories/{repository}/_layers/sha256/{name}/link", digest_of(data).encode())
    for tag, data in manifests:
        digest = digest_of(data)
        own = f"repositories/{repository}/_manifests"
        put(f"{own}/revisions/sha256/{digest[7:]}/link", digest.encode())
        put(f"{own}/tags/{tag}/current/link", digest.encode())
        put(f"{own}/tags/{tag}/index/sha256/{digest[7:]}/link", digest.encode())


def store_name(base, repository, name, data):
    """A blob by a digest that is not its own: a registry that lies."""
    top = os.path.join(base, "storage", "docker", "registry", "v2")
    for path, text in ((f"blobs/sha256/{name[:2]}/{name}/data", data),
                       (f"repositories/{repository}/_layers/sha256/{name}/link", b"sha256:" + name.encode())):
        os.makedirs(os.path.dirname(os.path.join(top, path)), exist_ok=True)
        with open(os.path.join(top, path), "wb") as file:
            file.write(text)


def htpasswd(base):
    path = os.path.join(base, "htpasswd")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{USER}:{crypt.crypt(PASSWORD, '$2b$04$' + 'abcdefghijklmnopqrstuu')}\n")
    return f'auth: {{htpasswd: {{realm: "test", path: {path}}}}}'


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenServer(Server):
    """Gives tokens for docker-registry (JWT by RS256), to whoever has the password, by either way."""

    def __init__(self, certificates, base):
        super().__init__(certificates)
        self.key, self.pem = os.path.join(base, "jwt.key"), os.path.join(base, "jwt.pem")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=token",
                "-keyout", self.key, "-out", self.pem)
        self.der = openssl("x509", "-in", self.pem, "-outform", "der")
        self.pages["/token"] = self.answer_token

    def auth(self):
        return (f'auth: {{token: {{realm: "https://{self.host}/token", service: "test registry", '
                f'issuer: "test", rootcertbundle: {self.pem}}}}}')

    def make(self, scope):
        kind, name, actions = scope.split(":")
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(self.der).decode()]}
        claims = {"iss": "test", "sub": USER, "aud": "test registry", "exp": now + 120, "nbf": now - 60,
                  "iat": now, "jti": "1", "access": [{"type": kind, "name": name, "actions": actions.split(",")}]}
        signed = base64url(json.dumps(header).encode()) + "." + base64url(json.dumps(claims).encode())
        return signed + "." + base64url(openssl("dgst", "-sha256", "-sign", self.key, data=signed.encode()))

    def answer_token(self, handler):
        body = self.bodies[-1].decode()
        query = urllib.parse.parse_qs(body if handler.command == "POST" else handler.query)
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        known = (query.get("refresh_token") == ["identity+/="] if handler.command == "POST"
                 else handler.headers.get("Authorization") == basic)
        if not known or query.get("service") != ["test registry"]:
            return handler.give(401, b"{}")
        name = "access_token" if handler.command == "POST" else "token"
        answer = {name: self.make(query["scope"][0]), "expires_in": 120}
        return handler.give(200, json.dumps(answer).encode())


class World:
    """Certificates, registries of Debian's with one image in them, and servers of our own words."""

    def __init__(self):
        self.base = tempfile.mkdtemp(prefix="sockwarden-registry-")
        os.chmod(self.base, 0o755)
        self.stops = []
        try:
            self.fill()
        except BaseException:
            self.stop()
            raise

    def fill(self):
        self.certificates = Certificates(self.base)
        self.ca = self.certificates.ca
        self.blob = b"{}"
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI, "layers": [], "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(self.blob), "size": 2}}).encode()
        self.digest = digest_of(self.manifest)
        payload, signature = self.sign()
        store(self.base, "acme/app", [self.blob, payload],
              [("1.2", self.manifest), (self.digest.replace(":", "-") + ".sig", signature),
               ("unsigned", self.manifest + b"\n")])
        if not shutil.which("docker-registry"):
            self.basic = None
            return
        self.tokens = self.server(TokenServer(self.certificates, self.base))
        self.basic = self.server(DockerRegistry(self.base, "basic", htpasswd(self.base)))
        self.bearer = self.server(DockerRegistry(self.base, "bearer", self.tokens.auth()))
        self.basic.wait()
        self.bearer.wait()

    def sign(self):
        """cosign's payload and manifest for the image, by a key in keys/."""
        self.keys = os.path.join(self.base, "keys")
        os.mkdir(self.keys)
        secret = os.path.join(self.base, "team.key")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", secret)
        openssl("pkey", "-in", secret, "-pubout", "-out", os.path.join(self.keys, "team.pub"))
        payload = json.dumps({"critical": {
            "identity": {"docker-reference": "registry.example.com/acme/app"},
            "image": {"docker-manifest-digest": self.digest},
            "type": "cosign container image signature"}, "optional": None}).encode()
        signature = base64.b64encode(openssl("dgst", "-sha256", "-sign", secret, data=payload)).decode()
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(self.blob), "size": 2}
        layer = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest_of(payload),
                 "size": len(payload), "annotations": {"dev.cosignproject.cosign/signature": signature}}
        return payload, json.dumps({"schemaVersion": 2, "mediaType": OCI, "config": config,
                                    "layers": [layer]}).encode()

    def policy(self, path, *hosts, source="registry"):
        """Demands that signature at these hosts."""
        entries = [{"match": host + "/acme/app", "formats": ["cosign-simple"], "keys": ["team.pub"], "source": source,
                    "signed_repository": "registry.example.com/acme/app"} for host in hosts]
        with open(path, "w", encoding="ascii") as file:
            json.dump({"version": 1, "roles": {"default": {
                "extends": "builtin:all", "images": {"signed": entries}}}}, file)
        return path

    def logins(self):
        """The file of --registry-auth for both registries."""
        path = os.path.join(self.base, "config.json")
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        with open(path, "w", encoding="ascii") as file:
            json.dump({"auths": {self.basic.host: {"auth": auth}, self.bearer.host: {
                "username": USER, "password": PASSWORD}}}, file)
        os.chmod(path, 0o600)
        return path

    def options(self, *servers):
        words = ["--key-dir", self.keys, "--registry-ca", self.ca, "--registry-auth", self.logins(),
                 "--registry-timeout", "5", "--registry-token-host", self.tokens.host]
        for server in servers:
            words += ["--registry-private", server.host]
        return words

    def server(self, server):
        self.stops.append(server.stop)
        return server

    def fake(self, name="localhost"):
        return self.server(Server(self.certificates, name))

    def stop(self):
        for stop in reversed(self.stops):
            stop()
        shutil.rmtree(self.base)
