"""Certificates made by certs-example/make-certs.sh, and a client that speaks TLS. No tests.

The client works on memory BIOs, so that it can end its side and read on, as Go's does."""
import atexit
import contextlib
import os
import random
import shutil
import socket
import ssl
import subprocess
import tempfile

from harness import ROOT, WAIT, Client, Env, Failure, shown

MAKE_CERTS = os.path.join(ROOT, "certs-example", "make-certs.sh")


def make_certs(folder, *args):
    done = subprocess.run([MAKE_CERTS, "--dir", folder, *args], capture_output=True, text=True,
                          timeout=30, check=False)
    if done.returncode:
        raise Failure(f"make-certs.sh {args}: {done.stdout}{done.stderr}")
    return done.stdout


def openssl(*args, given=""):
    done = subprocess.run(["openssl", *args], input=given, capture_output=True, text=True,
                          errors="replace", timeout=30, check=False)
    if done.returncode:
        raise Failure(f"openssl {args}: {done.stderr}")
    return done.stdout


class Certs:
    """A CA, a server and the clients of this run; made when first asked for."""

    def __init__(self):
        self.made = None

    @property
    def dir(self):
        if not self.made:
            self.made = tempfile.mkdtemp(prefix="sockwarden-certs-")
            atexit.register(shutil.rmtree, self.made, ignore_errors=True)
            make_certs(self.made, "ca")
            make_certs(self.made, "server", "localhost", "127.0.0.1")
            make_certs(self.made, "client", "alice", "--ou", "ops")
        return self.made

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def client(self, name, *options):
        """The folder of this client, made when it is not there."""
        folder = self.path("clients", name)
        if not os.path.exists(folder):
            make_certs(self.dir, "client", name, *options)
        return folder

    def odd(self, name, extensions="extendedKeyUsage=clientAuth", subject=None, start=None,
            end="20990101000000Z", issuer=None):
        """A client's certificate as no script makes it. issuer: the folder of another CA."""
        ca = issuer + "/cert.pem" if issuer else self.path("ca.pem")
        ca_key = issuer + "/key.pem" if issuer else self.path("ca-key.pem")
        folder = self.path("odd", name)
        os.makedirs(folder)
        key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        config = os.path.join(folder, "config")
        with open(os.path.join(folder, "index"), "w", encoding="ascii"):
            pass
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""[ca]
default_ca=here
[here]
database={folder}/index
new_certs_dir={folder}
certificate={ca}
private_key={ca_key}
default_md=sha256
rand_serial=yes
policy=any
x509_extensions=ext
[any]
[ext]
{extensions}
[req]
distinguished_name=dn
string_mask=utf8only
[dn]
""")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        request = openssl("req", "-new", "-key", key, "-config", config, "-utf8", "-subj",
                          subject or f"/CN={name}")
        with open(os.path.join(folder, "csr"), "w", encoding="ascii") as file:
            file.write(request)
        openssl("ca", "-batch", "-notext", "-preserveDN", "-config", config,
                "-in", os.path.join(folder, "csr"), "-out", cert, "-enddate", end,
                *(["-startdate", start] if start else []))
        return folder

    def chain(self):
        """(file with the root, folder of a client whose certificate an intermediate CA has signed)"""
        root = self.path("root")
        os.makedirs(root)
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                root + "/key.pem")
        openssl("req", "-x509", "-new", "-key", root + "/key.pem", "-subj", "/CN=root",
                "-days", "9", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out",
                root + "/cert.pem")
        middle = self.odd("middle", "basicConstraints=critical,CA:TRUE\n"
                          "keyUsage=critical,keyCertSign", issuer=root)
        client = self.odd("by-middle", issuer=middle)
        with open(middle + "/cert.pem", encoding="ascii") as more:
            with open(client + "/cert.pem", "a", encoding="ascii") as out:
                out.write(more.read())
        return root + "/cert.pem", client


certs = Certs()


def server_options(port, *more, folder=None):
    folder = folder or certs.dir
    return ["-H", f"tcp://127.0.0.1:{port}", "--tlscacert", os.path.join(folder, "ca.pem"),
            "--tlscert", os.path.join(folder, "server-cert.pem"),
            "--tlskey", os.path.join(folder, "server-key.pem"), *more]


def free_port():
    """One below those that the kernel gives out: nobody gets it meanwhile who only connects."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        given = int(file.read().split()[0])
    for _ in range(100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(10000, given) if given > 11000 else 0))
            return probe.getsockname()[1]
    raise Failure("no port is free")


def altered(name, change, **options):
    """Server options with a copy of the certificates in which one file was changed."""
    folder = certs.path("altered-" + name)
    os.makedirs(folder)
    for file in ("ca.pem", "server-cert.pem", "server-key.pem"):
        shutil.copy(certs.path(file), folder)
    change(folder)
    return server_options(free_port(), folder=folder, **options)


def client_context(folder=None, alpn=None, version=None, ciphers=None):
    """For a client with the certificate in this folder; None: without one."""
    context = ssl.create_default_context(cafile=certs.path("ca.pem"))
    if version:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    if folder:
        context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class TlsClient(Client):
    """The raw HTTP client over TLS. ssl.SSLError is what the server's alert makes of a call."""

    def __init__(self, port, context, session=None, timeout=WAIT, shake=True):
        super().__init__(("127.0.0.1", port), timeout)
        self.input, self.output = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.input, self.output, server_hostname="localhost",
                                    session=session)
        self.truncated = False
        if shake:
            self.handshake()

    def flush(self):
        data = self.output.read()
        if data:
            self.sock.sendall(data)

    def receive(self):
        data = self.sock.recv(262144)
        if data:
            self.input.write(data)
        else:
            self.input.write_eof()

    def handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                return
            except ssl.SSLWantReadError:
                self.flush()
                self.receive()
            except ssl.SSLError:
                self.flush()
                raise

    def send(self, data):
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view[:65536]):]
            self.flush()

    def end_writing(self):
        """close_notify, and no more: the connection below stays open. What has come is read first,
        since unwrap() takes what it finds for the other side's close_notify."""
        try:
            while data := self.tls.read(262144):
                self.buffer += data
        except ssl.SSLWantReadError:
            pass
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def cut(self):
        """Ends the connection below, without close_notify."""
        self.sock.shutdown(socket.SHUT_WR)

    def fill(self):
        while True:
            try:
                data = self.tls.read(262144)
                self.flush()
                self.buffer += data
                return bool(data)
            except ssl.SSLZeroReturnError:
                return False
            except ssl.SSLEOFError:
                self.truncated = True
                return False
            except ssl.SSLWantReadError:
                pass
            self.flush()
            try:
                self.receive()
            except ConnectionResetError:
                self.truncated = True
                return False
            except TimeoutError:
                raise Failure(f"nothing to read in time; so far {shown(self.buffer)}") from None


class TlsEnv(Env):
    """A proxy with a TLS listener at self.port beside the Unix one."""

    def __init__(self, *options, **kwargs):
        self.port = free_port()
        super().__init__(*server_options(self.port, *options), **kwargs)

    def is_ready(self):
        with socket.socket() as probe:
            return super().is_ready() and probe.connect_ex(("127.0.0.1", self.port)) == 0

    def tls(self, name="alice", **kwargs):
        """A client with that certificate: a name, or a folder; None: none."""
        timeout = kwargs.pop("timeout", WAIT)
        session = kwargs.pop("session", None)
        folder = name if name is None or "/" in name else certs.client(name)
        client = TlsClient(self.port, client_context(folder, **kwargs), session, timeout)
        self.clients.append(client)
        return client
