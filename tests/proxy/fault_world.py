"""A proxy whose system calls and allocations fail as a test asks (tests/fault/fault.c), what is done
with it meanwhile, and what must hold whatever has failed. No tests."""
import contextlib
import errno
import json
import mmap
import os
import signal
import ssl
import struct

from admin_env import AdminTlsEnv
from behaviour_verify import MADE
from facts import AGENT, id_of
from fake_dockerd import read_body, response
from harness import Client, Failure, check, equal, settings, shown, wait_for
from signed_image import SignedImage
from tls_client import certs, client_context, TlsClient

NAMES, NAME_LENGTH, PAGE = 32, 16, 4096
AT_CALL = NAMES * NAME_LENGTH
AT_SEEN = AT_CALL + 32
ALWAYS = 1 << 60
LATE = 4            # looks
HANG = 12.0         # seconds after which a step counts as hanging; a peer that is gone is noticed in 5

OWNED = "com.example.who"
JSON = ["Content-Type: application/json"]
UP = ["Connection: Upgrade", "Upgrade: tcp"]
SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
CREATE = json.dumps({"Image": "tool", "HostConfig": {"Binds": ["v:/x", "w:/y"]}}).encode()
PULLED = b'{"status":"Pulled"}\r\n'
BYTES = bytes(range(256)) * 600     # more than a socket or a buffer holds
LARGE = BYTES * 4                   # enough to go past the process


class Gone(Exception):
    """The proxy has closed the connection before the answer was whole."""


class Refused(Exception):
    """The proxy has answered by itself, in order."""


class Faults:
    """The page that is shared with the preloaded library."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "faults")
        with open(self.path, "wb") as file:
            file.write(b"\0" * PAGE)
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), PAGE)
        self.off()
        self.calls = None

    def names(self):
        if not self.calls:
            raw = [self.page[i * NAME_LENGTH:(i + 1) * NAME_LENGTH] for i in range(NAMES)]
            self.calls = [x.rstrip(b"\0").decode() for x in raw if x[0]]
        return self.calls

    def off(self):
        struct.pack_into("i", self.page, AT_CALL, -1)

    def clear(self):
        self.page[AT_SEEN:AT_SEEN + 8 * NAMES] = b"\0" * 8 * NAMES

    def seen(self):
        counts = struct.unpack_from(f"{NAMES}Q", self.page, AT_SEEN)
        return dict(zip(self.names(), counts))

    def on(self, call, at, error, times):
        self.clear()
        struct.pack_into("i", self.page, AT_CALL + 4, error)
        struct.pack_into("QQQ", self.page, AT_CALL + 8, at, times, 0)
        struct.pack_into("i", self.page, AT_CALL, self.names().index(call))

    def failed(self):
        return struct.unpack_from("Q", self.page, AT_CALL + 24)[0]


@contextlib.contextmanager
def breaking():
    """What a closed connection looks like from in here."""
    try:
        yield
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as error:
        raise Gone(str(error)) from None
    except Failure as error:
        if str(error).startswith("closed"):
            raise Gone(str(error)) from None
        raise


def judge(answer, status):
    """Returns what was expected; what the proxy says by itself is a Refused."""
    if answer.status == status:
        return answer
    check(400 <= answer.status < 600, f"status {answer.status}: {shown(answer.body)}")
    check(answer.message().startswith("sockwarden:"), f"not ours: {shown(answer.body)}")
    raise Refused(f"{answer.status} {answer.message()}")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def listed(count):
    """What the daemon lists: every second one is its owner's."""
    return json.dumps([{"ID": "%064x" % i, "Image": "x" * 200,
                        "Labels": {OWNED: f"uid-{os.getuid()}" if i % 2 else "uid-4077"}}
                       for i in range(count)]).encode()


class World(AdminTlsEnv):
    """One proxy for all steps: what fails in one must not harm the next."""

    def __init__(self, library):
        role = {"extends": "builtin:default", "allow": ["PutContainerArchive"], "archive": True,
                "containers": {"binds": ["/**"]}}
        owner = {"extends": "default", "owner": {"label": OWNED, "value": "uid-${uid}"}}
        super().__init__("--workers", "1", "--log-level", "info", start=False, role="none")
        self.owned = os.path.join(self.dir, "owned.sock")
        self.image = SignedImage(self.dir, "registry.example.com/acme/app")
        store = os.path.join(self.dir, "store")
        self.image.keep(store)
        role["images"] = {"signed": [self.image.entry("store")]}
        policy = os.path.join(self.dir, "policy.json")
        with open(policy, "w", encoding="ascii") as file:
            json.dump({"version": 1, "roles": {"default": role, "owned": owner}, "clients": [
                {"name": "o", "match": {"listener": "unix://" + self.owned}, "role": "owned"}]}, file)
        os.chmod(policy, 0o644)
        at = self.args.index("--role")
        self.args[at:at + 2] = ["--policy", policy, "-H", "unix://" + self.owned, "--key-dir",
                                self.image.keys, "--signature-store", store, "--trust-cache",
                                os.path.join(self.dir, "trust.jsonl")]
        self.faults = Faults(self.dir)
        self.bound = os.path.join(self.dir, "bound", "data")
        os.makedirs(self.bound)
        self.context = client_context(certs.client("alice"))
        self.audit_at = self.requests_at = 0
        # Lines of the last looks whose requests have not been seen: the daemon may read them late.
        self.spare = {"GET": [], "POST": [], "PUT": []}
        self.answer_all()
        preload = ["env", f"LD_PRELOAD={library}", f"FAULT_PAGE={self.faults.path}"]
        if settings["sanitized"]:
            preload.append("ASAN_OPTIONS=verify_asan_link_order=0:allocator_may_return_null=1")
        self.start(wrapper=preload)
        wait_for(lambda: "sockwarden " in self.log(), "the start is over")

    # ---- the daemon ----------------------------------------------------------------------------

    def answer_all(self):
        self.bodies = []
        self.fake.handle("/containers/create", self.on_create)
        self.fake.handle("/containers/json", lambda conn, _: conn.send(response(listed(400))))
        self.fake.handle("/tasks", lambda conn, _: conn.send(response(listed(400))))
        self.fake.handle("/events", self.on_events)
        self.fake.handle(f"/containers/{id_of('a')}/archive", self.on_upload, early=True)
        self.fake.handle(f"/containers/{id_of('a')}/attach", self.on_attach)
        self.fake.handle("/images/create", lambda conn, _: conn.send(
            CHUNKED + chunk(PULLED) + b"0\r\n\r\n"))
        self.fake.handle(f"/images/{self.image.reference}/json", lambda conn, _: conn.send(
            response(json.dumps({"Id": self.image.id}).encode())))

    def on_create(self, conn, request):
        check(request.body == CREATE or "name=b" in request.target,
              f"the body that the daemon gets: {request.body}")
        return conn.send(MADE)

    @staticmethod
    def on_events(conn, _):
        pieces = [BYTES[:i] for i in (1, 10, 4000, 70000, 3)]
        return conn.send(CHUNKED + b"".join(chunk(x) for x in pieces) + b"0\r\n\r\n")

    @staticmethod
    def on_upload(conn, request):
        whole = read_body(conn, request)
        check(not whole or request.body in (BYTES, LARGE), "the upload is another")
        return whole and conn.send(response(b"", "200 OK"))

    @staticmethod
    def on_attach(conn, _):
        conn.send(SWITCH)
        while True:
            data = conn.take(len(conn.buffer))
            if data:
                conn.send(data)
            if not conn.fill():
                conn.end_writing()
                return False

    # ---- what is done --------------------------------------------------------------------------

    def asked(self, client, status, *args, **kwargs):
        with breaking():
            return judge(client.ask(*args, **kwargs), status)

    def connected(self, path=None):
        return Client(path or self.socket, HANG)

    def ping(self):
        with self.connected() as client:
            self.asked(client, 200, "GET", "/_ping")

    def several(self):
        """Requests on one connection, the last two at once; one of them is refused."""
        with self.connected() as client:
            body = self.asked(client, 200, "GET", "/containers/json").body
            check(body == listed(400), "another list")
            with breaking():
                client.request("GET", "/volumes")
                client.request("POST", "/containers/prune", b"")
                client.request("GET", "/networks")
                judge(client.read_response(), 200)
                equal(client.read_response().status, 403, "what nobody may")
                judge(client.read_response(), 200)

    def create(self):
        """A body in chunks, volumes that are looked up before and after."""
        with self.connected() as client:
            with breaking():
                client.send(b"POST /v1.41/containers/create?name=x HTTP/1.1\r\nHost: d\r\nContent-Type: "
                            b"application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
                            chunk(CREATE[:20]))
                client.send(chunk(CREATE[20:]) + b"0\r\n\r\n")
                answer = judge(client.read_response(), 201)
            check(answer.body in MADE, "another answer")

    def binds(self):
        """A bind whose source is walked on the host."""
        body = json.dumps({"Image": "tool", "HostConfig": {"Binds": [self.bound + ":/x:ro"]}}).encode()
        with self.connected() as client:
            with breaking():
                answer = client.ask("POST", "/v1.41/containers/create?name=b", body, JSON)
            judge(answer, 201)

    def denied(self):
        """What must never come to the daemon, whatever fails."""
        body = b'{"Image":"a","HostConfig":{"Privileged":true}}'
        with self.connected() as client:
            with breaking():
                answer = client.ask("POST", "/containers/create", body, JSON)
            judge(answer, 403)

    def execute(self):
        """An exec on a container that is looked up."""
        with self.connected() as client:
            self.asked(client, 200, "POST", "/containers/web/exec", b'{"Cmd":["id"]}', JSON)

    def pull(self):
        """A signed image, which is looked at before the answer ends."""
        image = self.image
        with self.connected() as client:
            target = f"/images/create?fromImage={image.name}&tag={image.digest}"
            body = self.asked(client, 200, "POST", target, b"").body
        said = json.loads(body.splitlines()[-1])
        if "error" in said:
            raise Refused(said["error"])
        equal(body, PULLED, "the answer")

    def filtered(self):
        """A list of which half is another's, and left out on the way."""
        with self.connected(self.owned) as client:
            body = self.asked(client, 200, "GET", "/tasks").body
            equal([int(x["ID"], 16) % 2 for x in json.loads(body)], [1] * 200, "what is shown")

    def upload(self):
        """A tar in chunks, passed on as it comes."""
        with self.connected() as client:
            with breaking():
                client.send(b"PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\nContent-Type: "
                            b"application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n")
                for i in range(0, len(BYTES), 50000):
                    client.send(chunk(BYTES[i:i + 50000]))
                client.send(b"0\r\n\r\n")
                judge(client.read_response(), 200)

    def upload_large(self):
        """A tar of which most is spliced."""
        with self.connected() as client:
            with breaking():
                judge(client.ask("PUT", "/containers/a/archive?path=/", LARGE,
                                 ["Content-Type: application/x-tar"]), 200)

    def events(self):
        """An endless answer, here with an end."""
        with self.connected() as client:
            with breaking():
                client.request("GET", "/events")
                answer = client.read_response()
            equal(len(judge(answer, 200).body), 1 + 10 + 4000 + 70000 + 3, "bytes of the stream")

    def through(self, client):
        """Bytes through a tunnel and back, with ends one after the other."""
        with breaking():
            client.request("POST", "/containers/a/attach?stream=1&stdin=1", b"", UP)
            answer = client.read_response()
            judge(answer, 101)
            client.send(BYTES[:40000])
            client.end_writing()
            back = client.rest()
        check(BYTES[:40000].startswith(back), "other bytes came back")
        if len(back) < 40000:
            raise Gone(f"{len(back)} bytes came back")

    def tunnel(self):
        with self.connected() as client:
            self.through(client)

    def tls(self):
        """A handshake, a list, a tunnel."""
        with breaking():
            client = TlsClient(self.port, self.context, timeout=HANG)
        with client:
            equal(self.asked(client, 200, "GET", "/containers/json").body, listed(400), "a list")
            self.through(client)

    def admin_pages(self):
        for path, word in (("/healthz", b"alive"), ("/readyz", b"ready"), ("/metrics", b"# HELP")):
            with self.connected(self.admin) as client:
                with breaking():
                    answer = client.ask("GET", path)
            check(answer.status in (200, 503), f"{path}: status {answer.status}")
            if answer.status == 503:
                raise Refused(shown(answer.body))
            check(word in answer.body, f"{path}: {shown(answer.body)}")

    def log(self):
        with open(self.stderr_path, "rb") as file:
            return file.read().decode(errors="replace")

    def reload(self):
        """HUP, which must come to an end, well or badly."""
        def count():
            text = self.log()
            return text.count("reloaded: policy"), text.count("not reloaded: mend")
        before = count()
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: sum(count()) > sum(before), "the end of the reload", HANG)
        if count()[1] > before[1]:
            raise Refused("not reloaded")

    # ---- what must hold ------------------------------------------------------------------------

    def check_audited(self):
        """Since the last look: what came to the daemon has a line each, but for pings."""
        requests = self.fake.requests[self.requests_at:]
        self.requests_at += len(requests)
        with open(self.audit_path, "rb") as file:
            file.seek(self.audit_at)
            text = file.read()
        self.audit_at += len(text)
        lines = [json.loads(line) for line in text.splitlines()]
        for method in ("GET", "POST", "PUT"):
            came = [x.target for x in requests if x.method == method and x.path != "/_ping"
                    and x.get("User-Agent") != AGENT]
            allowed = [x["path"] for x in lines if x["record"] == "request"
                       and x["decision"] == "allow" and x["method"] == method]
            spare, missing = [*self.spare[method], len(allowed)], len(came)
            for i, count in enumerate(spare):
                spare[i] -= min(count, missing)
                missing -= count - spare[i]
            check(missing == 0, f"came: {came}, audited: {allowed}")
            self.spare[method] = spare[-LATE:]
        check(not any("prune" in x.target or b"Privileged" in x.body for x in requests),
              "what is refused came to the daemon")

    def descriptors(self):
        """How many are open once no client is left; None where that cannot be seen."""
        try:
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except PermissionError:
            return None


STEPS = [World.ping, World.several, World.create, World.binds, World.denied, World.execute, World.pull,
         World.filtered, World.upload, World.upload_large, World.events, World.tunnel, World.tls,
         World.admin_pages, World.reload]

# What a call may fail with; 0: it does less than it was asked for. soft: nobody may notice.
SOFT = {"recv": [errno.EINTR, 0, errno.EAGAIN], "send": [errno.EINTR, 0, errno.EAGAIN],
        "sendmsg": [errno.EINTR, 0, errno.EAGAIN], "read": [errno.EINTR],
        "write": [errno.EINTR, 0], "accept4": [errno.EINTR, errno.ECONNABORTED, errno.EMFILE,
                                               errno.ENFILE, errno.ENOMEM, errno.ENOBUFS],
        "epoll_wait": [errno.EINTR], "poll": [errno.EINTR], "connect": [errno.EAGAIN],
        "getrandom": [errno.EINTR], "splice": [errno.EINTR, 0, errno.EAGAIN],
        "pipe2": [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EPERM]}
HARD = {"alloc": [errno.ENOMEM], "recv": [errno.ECONNRESET, errno.ENOMEM],
        "send": [errno.EPIPE, errno.ECONNRESET, errno.ENOBUFS],
        "sendmsg": [errno.EPIPE, errno.ECONNRESET, errno.ENOBUFS],
        "read": [errno.EIO], "write": [errno.ENOSPC, errno.EIO],
        "socket": [errno.EMFILE, errno.ENFILE, errno.ENOMEM],
        "connect": [errno.ECONNREFUSED, errno.ENOENT, errno.EACCES],
        "epoll_ctl": [errno.ENOMEM, errno.ENOSPC],
        "open": [errno.EMFILE, errno.ENFILE, errno.EIO, errno.EINTR],
        "openat": [errno.EMFILE, errno.ENFILE, errno.EIO, errno.EINTR],
        "fopen": [errno.EMFILE, errno.ENOMEM], "fstat": [errno.EIO, errno.ENOMEM],
        "stat": [errno.EIO, errno.ENOMEM], "getsockopt": [errno.ENOBUFS],
        "shutdown": [errno.ENOTCONN], "poll": [errno.ENOMEM], "ftruncate": [errno.EIO],
        "fallocate": [errno.ENOSPC], "readlink": [errno.EIO, errno.ENOMEM],
        "getrandom": [errno.EIO], "statx": [errno.EIO, errno.ENOMEM], "statfs": [errno.EIO],
        "splice": [errno.ENOSYS, errno.EPIPE, errno.ECONNRESET, errno.ENOMEM, errno.EINVAL]}
