"""The registry helper before Debian's docker-registry, and before servers that mean no good."""
import atexit
import os
import re
import shutil
import signal
import socket
import threading
import time

from harness import WAIT, Suite, check, equal, settings, wait_for
from registry_world import (ABSENT, BLOB, DEAD, LARGE, MANIFEST, OCI, PASSWORD, REFERRERS, USER, Helper, Server,
                            World, alive, ask_packet, digest_of, helper_path)

suite = Suite()
LOGIN = (USER, PASSWORD, "", "")
NO_LOGIN = ("", "", "", "")
WRONG = (USER, "wrong", "", "")
APP = ("acme/app", "1.2")
MANIFEST_PATH = "/v2/acme/app/manifests/1.2"
JSON_TEXT = b'{"schemaVersion":2}'
world = None


def the_world():
    """Made once for all tests of this file."""
    global world
    if not world:
        world = World()
        atexit.register(world.stop)
    return world


def registry_test(function):
    """A test that needs the helper, which REGISTRY=0 leaves out."""
    def run():
        if os.access(helper_path(), os.X_OK):
            function(the_world())
    run.__name__, run.__doc__, run.__module__ = function.__name__, function.__doc__, function.__module__
    return suite.test(run)


def helper_for(w, *servers, **more):
    return Helper(private=[server.host for server in servers], ca=more.pop("ca", w.ca), **more)


@registry_test
def docker_registry_by_password(w):
    """manifest by tag and digest, blob, referrers, what is absent: Basic, TLS with a CA of one's own"""
    if not w.basic:
        return
    with helper_for(w, w.basic) as helper:
        host, login = w.basic.host, {"login": LOGIN}
        answer = helper.got(MANIFEST, host, *APP, **login)
        equal((answer.body, answer.media_type, answer.digest), (w.manifest, OCI, w.digest), "by tag")
        equal(helper.got(MANIFEST, host, "acme/app", w.digest, **login).body, w.manifest, "by digest")
        equal(helper.got(BLOB, host, "acme/app", digest_of(w.blob), **login).body, w.blob, "blob")
        equal(helper.ask(MANIFEST, host, "acme/app", "none", **login).outcome, ABSENT, "no such tag")
        equal(helper.ask(REFERRERS, host, "acme/app", w.digest, **login).outcome, ABSENT, "no such route")
        helper.refused("wants a login", MANIFEST, host, *APP)
        helper.refused("wants another login", MANIFEST, host, *APP, login=WRONG)


@registry_test
def docker_registry_by_token(w):
    """tokens: by password, by identity token, kept for the same login and repository alone"""
    if not w.basic:
        return
    with helper_for(w, w.bearer, w.tokens, tokens=[w.tokens.host]) as helper:
        host = w.bearer.host
        equal(helper.got(MANIFEST, host, *APP, login=LOGIN).body, w.manifest, "by password")
        asked = len(w.tokens.seen)
        equal(helper.got(BLOB, host, "acme/app", digest_of(w.blob), login=LOGIN).body, w.blob, "with the token")
        equal(len(w.tokens.seen), asked, "the token is used again")
        helper.got(MANIFEST, host, *APP, login=("", "", "identity+/=", ""))
        equal(w.tokens.seen[-1][0], "POST", "a refresh token is sent in a body")
        helper.refused("wants a login", MANIFEST, host, *APP)
        helper.refused("wants another login", MANIFEST, host, *APP, login=WRONG)
        helper.refused("wants another login", MANIFEST, host, *APP, login=("", "", "", "not-a-token"))
    with helper_for(w, w.bearer, w.tokens) as helper:
        asked = len(w.tokens.seen)
        helper.refused("--registry-token-host", MANIFEST, w.bearer.host, *APP, login=LOGIN)
        equal(len(w.tokens.seen), asked, "a realm elsewhere is not asked")


# What a registry may answer to the manifest's request, and what is made of it.
WORDS = [
    ("429", (429, b"", {}), "asked too often"),
    ("500", (500, b"x" * 1000, {}), "status 500"),
    ("403", (403, b"", {}), "status 403"),
    ("206", (206, JSON_TEXT, {}), "status 206"),
    ("redirect to http", (302, b"", {"Location": "http://localhost:1/"}), "not followed"),
    ("redirect to a file", (302, b"", {"Location": "file:///etc/passwd"}), "not followed"),
    ("redirect with a user", (302, b"", {"Location": "https://u:p@localhost/"}), "not followed"),
    ("redirect to nowhere", (302, b"", {}), "not followed"),
    ("redirect to metadata", (307, b"", {"Location": "https://169.254.169.254/latest"}), "may not have"),
    ("redirect to itself", (307, b"", {"Location": MANIFEST_PATH}), "more than 3 times"),
    ("no challenge", (401, b"", {}), "wants another login"),
    ("realm of http", (401, b"", {"WWW-Authenticate": 'Bearer realm="http://localhost/t"'}), "token server"),
    ("realm elsewhere", (401, b"", {"WWW-Authenticate": 'Bearer realm="https://evil.example/t"'}), "evil.example"),
    ("realm twice", (401, b"", {"WWW-Authenticate": 'Bearer realm="https://a/",realm="https://b/"'}), "another login"),
    ("unknown scheme", (401, b"", {"WWW-Authenticate": 'Negotiate abc'}), "another login"),
    ("large head", (200, b"", {"X-Filler": "x" * 60000, "X-More": "x" * 8000}), "too large a head"),
    ("long error", (404, b"x" * 100000, {}), None),
]


@registry_test
def words_of_registries(w):
    """statuses, redirects, realms, large heads: each refused with its reason"""
    fake = w.fake()
    with helper_for(w, fake) as helper:
        for name, (status, body, headers), part in WORDS:
            fake.page(MANIFEST_PATH, status, body, **headers)
            answer = helper.ask(MANIFEST, fake.host, *APP, login=LOGIN)
            if part is None:
                equal(answer.outcome, ABSENT, name)
                continue
            check(part in answer.error, f"{name}: {part!r} is not in {answer.error!r}")
            check(PASSWORD not in answer.error, f"{name}: the error holds the password")
    check(all(seen[2] is None for seen in fake.seen), f"a login was sent that nobody asked for: {fake.seen}")


@registry_test
def redirect_leaves_login_behind(w):
    """to another host without Authorization, back on the own host with it"""
    own, other = w.fake(), w.fake()
    path = "/v2/acme/app/blobs/" + digest_of(b"blob")
    own.pages[path] = lambda handler: (
        handler.give(307, b"", {"Location": f"https://{other.host}/store?sig=1"})
        if handler.headers.get("Authorization") else
        handler.give(401, b"", {"WWW-Authenticate": ['Negotiate', 'Basic realm="x"']}))
    other.page("/store", 200, b"blob")
    with helper_for(w, own, other) as helper:
        equal(helper.got(BLOB, own.host, "acme/app", digest_of(b"blob"), login=LOGIN).body, b"blob", "the blob")
        equal([seen[2] for seen in other.seen], [None], "what the other host has seen")
        check(own.seen[-1][2].startswith("Basic "), "the own host was shown the login")
        other.page("/store", 307, b"", Location=f"https://{own.host}/inner")
        own.page("/inner", 200, b"blob")
        helper.got(BLOB, own.host, "acme/app", digest_of(b"blob"), login=LOGIN)
        check(own.seen[-1][2].startswith("Basic "), "back on the own host")
        other.page("/store", 401, b"", WWW_Authenticate='Basic realm="give"')
        helper.refused("wants", BLOB, own.host, "acme/app", digest_of(b"blob"), login=LOGIN)
        equal({seen[2] for seen in other.seen}, {None}, "what the other host has seen in the end")
    with helper_for(w, own) as helper:
        other.page("/store", 200, b"blob")
        helper.refused("may not have", BLOB, own.host, "acme/app", digest_of(b"blob"), login=LOGIN)


@registry_test
def certificates(w):
    """a CA that is not trusted, a certificate of another name: nothing is asked"""
    good, elsewhere = w.fake(), w.fake("elsewhere")
    for server in (good, elsewhere):
        server.page(MANIFEST_PATH, 200, JSON_TEXT)
    with helper_for(w, good, elsewhere) as helper:
        helper.got(MANIFEST, good.host, *APP)
        helper.refused("certificate", MANIFEST, elsewhere.host, *APP)
    for ca in (w.certificates.stranger, ""):
        with helper_for(w, good, ca=ca) as helper:
            helper.refused("certificate", MANIFEST, good.host, *APP)
    equal((len(good.seen), len(elsewhere.seen)), (1, 0), "requests that came through")
    with helper_for(w, ca=w.base + "/missing.pem") as helper:
        check("--registry-ca" in helper.problem, f"a CA file that is not there: {helper.problem!r}")


@registry_test
def addresses(w):
    """this machine, private and link-local addresses, however they are written"""
    fake = w.fake()
    fake.page(MANIFEST_PATH, 200, JSON_TEXT)
    with helper_for(w) as helper:
        for host in (fake.host, f"127.0.0.1:{fake.port}", f"127.1:{fake.port}", f"2130706433:{fake.port}",
                     f"0.0.0.0:{fake.port}", "169.254.169.254", "10.0.0.1", "192.168.0.1:5000"):
            helper.refused("may not have", MANIFEST, host, *APP)
        helper.refused("be asked", MANIFEST, "registry.invalid", *APP)
        for repository, reference in (("../x", "1"), ("a//b", "1"), ("A", "1"), ("a?b", "1"), ("a", "../1"),
                                      ("a", "x y"), ("a", "sha256:123")):
            helper.refused("no name", MANIFEST, fake.host, repository, reference)
        helper.refused("no name", BLOB, fake.host, "a", "tag")
    equal(fake.seen, [], "what was asked")


@registry_test
def plain_http(w):
    """only of a host that is named for it"""
    plain = w.server(Server())
    plain.page(MANIFEST_PATH, 200, JSON_TEXT)
    with helper_for(w, plain) as helper:
        helper.refused("--registry-plain-http", MANIFEST, plain.host, *APP)
    with helper_for(w, plain, plain=[plain.host]) as helper:
        helper.got(MANIFEST, plain.host, *APP)


@registry_test
def through_a_proxy(w):
    """by CONNECT, with nothing of the login; a name of --registry-direct goes past it"""
    fake = w.fake()
    fake.page(MANIFEST_PATH, 200, JSON_TEXT)
    asked = []

    def connect(handler):
        asked.append((handler.path, handler.headers.get("Authorization")))
        handler.give(502)
    proxy = w.server(Server())
    proxy.RequestHandlerClass = type("Proxy", (proxy.RequestHandlerClass,), {"do_CONNECT": connect})
    with helper_for(w, fake, proxy=f"http://localhost:{proxy.port}") as helper:
        helper.refused("cannot be asked", MANIFEST, fake.host, *APP, login=LOGIN)
    equal(asked, [(fake.host, None)], "what the proxy was asked")
    with helper_for(w, fake, proxy=f"http://localhost:{proxy.port}", direct=[fake.host]) as helper:
        helper.got(MANIFEST, fake.host, *APP)


def flood(handler):
    """A body without an end, in chunks."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    for _ in range(200):
        handler.wfile.write(chunk)


@registry_test
def large_and_slow(w):
    """a body beyond its limit, one of 4 MiB, one that never ends, one that never comes"""
    fake = w.fake()
    big = b"x" * (4 << 20)
    fake.page("/v2/acme/app/manifests/big", 200, big)
    fake.pages["/v2/acme/app/manifests/flood"] = flood
    fake.pages["/v2/acme/app/manifests/slow"] = lambda handler: time.sleep(3)
    with helper_for(w, fake) as helper:
        equal(helper.got(MANIFEST, fake.host, "acme/app", "big", limit=4 << 20).body, big, "4 MiB")
        for tag, limit in (("big", (4 << 20) - 1), ("big", 0), ("flood", 100000)):
            equal(helper.ask(MANIFEST, fake.host, "acme/app", tag, limit=limit).outcome, LARGE, tag)
    with helper_for(w, fake, seconds=1) as helper:
        helper.refused("too long", MANIFEST, fake.host, "acme/app", "slow")


@registry_test
def many_at_once(w):
    """8 of a registry are asked at a time, 48 wait, the rest is told so, and another registry is asked;
    what is cancelled is not answered"""
    fake, other = w.fake(), w.fake()
    gate, running = [], []

    def hold(handler):
        running.append(1)
        wait_for(lambda: gate, "the gate")
        handler.give(200, JSON_TEXT)
    fake.pages[MANIFEST_PATH] = hold
    other.page(MANIFEST_PATH, 200, JSON_TEXT)
    with helper_for(w, fake, other) as helper:
        numbers = [helper.send(MANIFEST, fake.host, *APP) for _ in range(8)]
        wait_for(lambda: len(running) == 8, "8 requests")
        numbers += [helper.send(MANIFEST, fake.host, *APP) for _ in range(50)]
        for _ in range(2):
            answer = helper.receive()
            equal((answer.outcome, answer.number in numbers[56:]), (DEAD, True), "beyond the queue")
        equal(helper.got(MANIFEST, other.host, *APP).body, JSON_TEXT, "another registry's")
        for number in (numbers[0], numbers[20]):
            helper.cancel(number)
        wait_for(lambda: len(running) == 9, "one that takes the place of the cancelled")
        gate.append(1)
        done = {helper.receive().number for _ in range(54)}
        equal(done, set(numbers[:56]) - {numbers[0], numbers[20]}, "those that were answered")


@registry_test
def cancelled_lookups(w):
    """a name that nobody tells holds up no other question when whoever asked for it has gone"""
    fake = w.fake()
    fake.page(MANIFEST_PATH, 200, JSON_TEXT)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        silent.bind(("127.0.0.9", 53))
    except OSError:
        return  # only root, and where nobody else answers
    settings_file = os.path.join(w.base, "resolv.conf")
    with open(settings_file, "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.9\noptions timeout:20\n")
    with silent, helper_for(w, fake, own_files={settings_file: "/etc/resolv.conf"}) as helper:
        number = helper.send(MANIFEST, "slow.example.com", *APP)
        silent.settimeout(WAIT)
        silent.recv(512)
        helper.cancel(number)
        began = time.monotonic()
        equal(helper.got(MANIFEST, fake.host, *APP).body, JSON_TEXT, "another registry's")
        check(time.monotonic() - began < 15, "it waited for the name")


@registry_test
def tokens_that_are_none(w):
    """answers of token servers: each refused, and what is long is cut off"""
    fake = w.fake()
    fake.page(MANIFEST_PATH, 401, b"", WWW_Authenticate=f'Bearer realm="https://{fake.host}/t",service="s"')
    with helper_for(w, fake) as helper:
        for answer in (b"", b"{}", b'{"token":""}', b'{"token":5}', b'{"token":"a\\nb"}', b'{"token":"a","token":"b"}',
                       b'{"token":"a"} x', b'["token"]', b"[" * 100, b'{"token":"' + b"x" * 20000 + b'"}'):
            fake.page("/t", 200, answer)
            helper.refused("without a token", MANIFEST, fake.host, *APP)
        fake.page("/t", 302, b"", Location=f"https://{fake.host}/other")
        helper.refused("status 302", MANIFEST, fake.host, *APP, login=LOGIN)
        fake.page("/t", 200, b"x" * 100000)
        helper.refused("", MANIFEST, fake.host, *APP)
        fake.page("/t", 200, b'{"token":"good","expires_in":300}')
        helper.refused("wants", MANIFEST, fake.host, *APP)
    equal([seen[1] for seen in fake.seen if "/other" in seen[1]], [], "a token server's redirect")


@registry_test
def death_is_survived(w):
    """killed, or broken: whoever waits is told, another helper is started, and ends with its asker"""
    fake = w.fake()
    fake.page(MANIFEST_PATH, 200, JSON_TEXT)
    killed = threading.Event()
    fake.pages["/v2/acme/app/manifests/slow"] = lambda handler: killed.wait(WAIT)
    with helper_for(w, fake, lines=2) as helper:
        for number in (signal.SIGKILL, signal.SIGSEGV):
            killed.clear()
            helper.send(MANIFEST, fake.host, "acme/app", "slow")
            wait_for(lambda: fake.seen and "slow" in fake.seen[-1][1], "the question")
            child = helper.child()
            os.kill(child, number)
            killed.set()
            equal([helper.receive(line) for line in (0, 1)], [None, None], "all lines are told")
            helper.got(MANIFEST, fake.host, *APP)
            helper.got(MANIFEST, fake.host, *APP, line=1)
            check(helper.child() != child, "another process")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(helper.child(), number)
            os.kill(helper.pid, number)
        helper.got(MANIFEST, fake.host, *APP)
        child = helper.child()
    equal(helper.status, 0, "its end, when nobody asks any more")
    check(not alive(child), "the helper lives on")


@registry_test
def bad_questions(w):
    """what is no packet ends its line and no other"""
    fake = w.fake()
    fake.page(MANIFEST_PATH, 200, JSON_TEXT)
    good = ask_packet(1, MANIFEST, "h", "r", "t")
    bad = [b"\x63", good[:-1], good + b"x", good[:9] + b"\x07" + good[10:], b"\x05" + good[1:]]
    with helper_for(w, fake, lines=len(bad) + 1) as helper:
        for line, packet in enumerate(bad):
            helper.lines[line].send(packet)
            equal(helper.lines[line].recv(100), b"", f"bad packet {line}")
        helper.got(MANIFEST, fake.host, *APP, line=len(bad))


@registry_test
def confined(w):
    """another user, no groups, a filter, none but its own descriptors; a new CA is seen"""
    fake = w.fake()
    fake.page(MANIFEST_PATH, 200, JSON_TEXT)
    ca = w.base + "/renewed.pem"
    shutil.copy(w.certificates.stranger, ca)
    with helper_for(w, fake, ca=ca) as helper:
        helper.refused("certificate", MANIFEST, fake.host, *APP)
        with open(f"/proc/{helper.child()}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        equal(status["NoNewPrivs"], "1", "NoNewPrivs")
        equal(status["Seccomp"], "0" if settings["sanitized"] else "2", "a filter of system calls")
        if os.geteuid() == 0:
            equal((status["Uid"].split(), status["Groups"].strip()), (["65534"] * 4, ""), "its user")
            equal(re.sub("[0f]", "", status["CapEff"] + status["CapPrm"]), "", "capabilities")
        shutil.copy(w.ca, ca + ".new")
        os.rename(ca + ".new", ca)
        helper.got(MANIFEST, fake.host, *APP)

