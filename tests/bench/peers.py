"""What the benchmark compares: each stands between one client-side address and the daemon's socket.
Configurations are our own; "plain" has the traits of the common HAProxy-based socket proxies (a rule
of regular expressions for each path, a new upstream connection for each request, a log line), "tuned"
is what a skilled operator gets out of the same program."""
import os
import signal
import socket
import subprocess
import time

# What the plain ones look at, one after another, until one allows.
SECTIONS = ("auth build commit configs containers distribution events exec grpc images info networks "
            "nodes _ping plugins secrets services session swarm system tasks version volumes").split()

MAX_CONNECTIONS = 4096       # that each is told to take; the limit of descriptors decides

HAPROXY_PLAIN = """
global
    log stdout format raw daemon info
    maxconn {maxconn}
defaults
    mode http
    log global
    option httplog
    option dontlognull
    option http-server-close
    option redispatch
    retries 3
    timeout http-request 10s
    timeout connect 10s
    timeout client 10m
    timeout server 10m
    timeout http-keep-alive 10s
    maxconn {maxconn}
backend docker
    server docker unix@{daemon}
backend docker-events
    server docker unix@{daemon}
    timeout server 0
frontend clients
    bind {bind}
    http-request deny if {{ path,url_dec -m reg -i ^(/v[\\d\\.]+)?/containers/prune }}
{rules}
    http-request deny
    default_backend docker
    use_backend docker-events if {{ path,url_dec -m reg -i ^(/v[\\d\\.]+)?/events }}
"""
PLAIN_RULE = "    http-request allow if {{ path,url_dec -m reg -i ^(/v[\\d\\.]+)?/{0} }}"

HAPROXY_TUNED = """
global
    maxconn {maxconn}
    nbthread {threads}
    tune.listener.multi-queue on
    tune.pool-high-fd-ratio 50
    maxpipes 64
defaults
    mode http
    option http-keep-alive
    option splice-auto
    http-reuse always
    timeout http-request 10s
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    timeout http-keep-alive 10m
backend docker
    server docker unix@{daemon} pool-purge-delay 1h
frontend clients
    bind {bind}
    http-request deny if {{ path_end /containers/prune }}
    default_backend docker
"""

NGINX_TUNED = """
user root;
daemon off;
worker_processes {threads};
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log error;
events {{ worker_connections 32768; multi_accept on; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_max_body_size 0;
    client_body_buffer_size 256k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $hop {{ default upgrade; "" ""; }}
    upstream docker {{
        server unix:{daemon};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen {bind};
        {tls}
        location ~ /containers/prune$ {{ return 403; }}
        location / {{
            proxy_pass http://docker;
            proxy_http_version 1.1;
            proxy_set_header Connection $hop;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Host docker;
            proxy_buffering off;
            proxy_buffer_size 64k;
            proxy_buffers 8 64k;
            proxy_busy_buffers_size 128k;
            proxy_request_buffering off;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"""
NGINX_TLS = """ssl_certificate {certs}/server-cert.pem;
        ssl_certificate_key {certs}/server-key.pem;
        ssl_client_certificate {certs}/ca.pem;
        ssl_verify_client on;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:bench:16m;
        ssl_buffer_size 16k;"""

POLICY = """{"version": 1, "roles": {"default": {"extends": "builtin:default", "allow": [
 "@ping", "@read", "ContainerLogs", "ContainerCreate", "ContainerAttach", "ContainerArchive*",
 "ImageLoad", "SystemEvents"], "archive": true}}}
"""


class Place:
    """Where a row is measured: folder, the daemon's socket, certificates, the built programs."""

    def __init__(self, folder, binary, build, certs):
        self.folder, self.binary, self.build, self.certs = folder, binary, build, certs
        self.daemon = folder + "/daemon.sock"
        self.policy = folder + "/policy.json"
        self.write("policy.json", POLICY)
        os.chmod(self.policy, 0o600)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "wb" if isinstance(text, bytes) else "w") as file:
            file.write(text)
        return path


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def haproxy(place, peer, template):
    bind = "127.0.0.1:%d" % peer.port if peer.transport != "unix" else "unix@" + peer.path
    if peer.transport == "tls":
        pem = ""
        for name in ("server-cert.pem", "server-key.pem"):
            with open(place.certs + "/" + name, encoding="ascii") as file:
                pem += file.read()
        bind += " ssl crt %s ca-file %s/ca.pem verify required ssl-min-ver TLSv1.2" % (
            place.write("haproxy.pem", pem), place.certs)
    text = template.format(bind=bind, daemon=place.daemon, maxconn=MAX_CONNECTIONS, threads=peer.threads,
                           rules="\n".join(PLAIN_RULE.format(name) for name in SECTIONS))
    return ["haproxy", "-db", "-f", place.write(peer.name.replace(" ", "-") + ".cfg", text)]


def haproxy_plain(place, peer):
    return haproxy(place, peer, HAPROXY_PLAIN)


def haproxy_tuned(place, peer):
    return haproxy(place, peer, HAPROXY_TUNED)


def nginx_tuned(place, peer):
    bind = "127.0.0.1:%d backlog=4096" % peer.port if peer.transport != "unix" else "unix:" + peer.path
    tls = ""
    if peer.transport == "tls":
        bind, tls = bind + " ssl", NGINX_TLS.format(certs=place.certs)
    text = NGINX_TUNED.format(bind=bind, tls=tls, daemon=place.daemon, folder=place.folder,
                              threads=peer.threads)
    return ["nginx", "-e", place.folder + "/nginx-start.log", "-p", place.folder, "-c",
            place.write("nginx.conf", text)]


def pump(place, peer):
    to = [place.build + "/bench/pump", peer.address, "unix:" + place.daemon]
    if peer.transport == "tls":
        to += [place.certs + "/" + name for name in ("server-cert.pem", "server-key.pem", "ca.pem")]
    return to


def sockwarden(place, peer, audit=None):
    argv = [peer.binary or place.binary, "serve", "--upstream", "unix://" + place.daemon,
            "--policy", peer.policy or place.policy, "--log-level", "warn",
            "--max-connections", str(MAX_CONNECTIONS),
            "--audit-log", audit or "%s/%s-audit" % (place.folder, peer.name.replace(" ", "-"))]
    if peer.transport == "unix":
        return argv + ["--host", "unix://" + peer.path]
    argv += ["--host", "tcp://127.0.0.1:%d" % peer.port]
    if peer.transport == "tcp":
        return argv + ["--insecure-tcp"]
    return argv + ["--tlscert", place.certs + "/server-cert.pem", "--tlskey",
                   place.certs + "/server-key.pem", "--tlscacert", place.certs + "/ca.pem"]


def sockwarden_no_audit(place, peer):
    return sockwarden(place, peer, audit="none")


KINDS = {
    "direct": None,             # the daemon itself
    "floor": pump,
    "haproxy plain": haproxy_plain,
    "haproxy tuned": haproxy_tuned,
    "nginx tuned": nginx_tuned,
    "sockwarden": sockwarden,
    "sockwarden, no audit": sockwarden_no_audit,
    "before": sockwarden,
}


def descendants(pid):
    """pid and all that it has started."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, encoding="ascii", errors="replace") as file:
                parents.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
        except OSError:
            pass
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += parents.get(found[-1], [])
    return found


class Peer:
    """One of KINDS, running."""

    def __init__(self, place, name, transport, threads=2, policy=None, binary=None, wrap=(), more=(),
                 env=None):
        self.name, self.transport, self.threads = name, transport, threads
        self.policy, self.binary = policy, binary
        self.port = free_port()
        self.path = "%s/%s.sock" % (place.folder, name.replace(" ", "-").replace(",", ""))
        self.address = "unix:" + self.path if transport == "unix" else "tcp:%d" % self.port
        self.log_path = "%s/%s.log" % (place.folder, name.replace(" ", "-"))
        if os.path.exists(self.path):
            os.unlink(self.path)
        argv = list(wrap) + KINDS[name](place, self) + list(more)
        with open(self.log_path, "ab") as log:
            self.started = time.perf_counter()
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env={**os.environ, **(env or {})})
        self.wait(argv)

    def connect(self):
        if self.transport == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(self.path)
        else:
            sock = socket.create_connection(("127.0.0.1", self.port))
        return sock

    def wait(self, argv):
        end = time.monotonic() + 20
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                if self.popen.poll() is not None or time.monotonic() > end:
                    self.popen.kill()
                    with open(self.log_path, encoding="utf-8", errors="replace") as log:
                        raise SystemExit("bench: %s does not serve: %s" % (argv, log.read()[-2000:]))
                time.sleep(0.0002)

    def first_answer(self):
        """Milliseconds from the start to the first answer."""
        with self.connect() as sock:
            sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")
            if not sock.recv(4096):
                raise SystemExit("bench: %s does not answer" % self.name)
        return (time.perf_counter() - self.started) * 1000

    def pids(self):
        return descendants(self.popen.pid)

    def rss(self):
        """Bytes of memory: each page counted for who has it, shared ones in parts."""
        total = 0
        for pid in self.pids():
            with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        return total * 1024

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(3)
        except subprocess.TimeoutExpired:
            for pid in reversed(self.pids()):
                os.kill(pid, signal.SIGKILL)
            self.popen.wait()
