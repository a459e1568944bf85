"""Pulls of signed images: the end of the daemon's answer waits until it is known what was pulled."""
import contextlib
import itertools
import json
import os
import threading

from admin_env import AdminEnv
from fake_dockerd import response
from harness import Suite, check, equal, wait_for
from registry_world import Server
from signed_image import SignedImage, document

suite = Suite()
LINE = b'{"status":"Pulling"}\r\n'
PIECE = b"%x\r\n%s\r\n" % (len(LINE), LINE)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
EVIL = "sha256:" + "e" * 64


class PullEnv(AdminEnv):
    """A registry with one image, app:1.2, that is signed, and a proxy that wants it to be."""

    def __init__(self, *options):
        self.registry = Server()
        host = f"127.0.0.1:{self.registry.port}"
        super().__init__(*options, "--registry-private", host, "--registry-plain-http", host,
                         start=False)
        self.image = image = SignedImage(self.dir, host + "/acme/app")
        self.name, self.digest, self.id = image.name, image.digest, image.id
        self.reference = image.reference
        image.publish(self.registry, "1.2")
        policy = os.path.join(self.dir, "policy.json")
        with open(policy, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "roles": {"ci": {"extends": "builtin:default", "images": {
                "allow": [image.name], "signed": [image.entry("registry")]}}}}, file)
        os.chmod(policy, 0o600)
        at = self.args.index("--role")
        self.args[at:at + 2] = ["--policy", policy, "--role", "ci", "--key-dir", image.keys]
        self.start()

    def __exit__(self, *args):
        try:
            super().__exit__(*args)
        finally:
            self.registry.stop()

    # -- the daemon
    def daemon(self, inspect=None, tag=None, removal=None, pull=None):
        """How it answers; None: as it should. inspect: an ID, or as the others a handler."""
        image = self.id if inspect is None else inspect
        if isinstance(image, str):
            def inspect(conn, _):
                return conn.send(response(document({"Id": image})))
        self.fake.handle("/images/create", pull or (
            lambda conn, _: conn.send(HEAD + PIECE) and conn.send(PIECE + END)))
        self.fake.handle(f"/images/{self.reference}/json", inspect)
        # A DELETE names the image by its digest, and the tag is given to the ID.
        self.fake.handle(f"/images/{self.reference}", removal or (
            lambda conn, _: conn.send(response(b"[]"))))
        self.fake.handle(f"/images/{image}/tag", tag or (
            lambda conn, _: conn.send(response(b"", "201 Created"))))

    def requests(self, word):
        return [r for r in self.fake.requests if r.path.endswith(word)]

    def removals(self):
        return [r for r in self.fake.requests if r.method == "DELETE"]

    # -- the client
    def pull(self, client, version="1.1"):
        client.request("POST", f"/v1.41/images/create?fromImage={self.name}&tag=1.2", b"",
                       version=version)

    def pulled(self, client=None):
        """A pull: its answer, and the sentence of an error in its stream."""
        client = client or self.client()
        self.pull(client)
        return self.outcome(client)

    @staticmethod
    def outcome(client):
        answer = client.read_response()
        last = answer.body.splitlines()[-1]
        return answer, json.loads(last).get("error", "") if answer.status == 200 else ""


def silent(conn, _):
    return conn.rest() and False


@suite.test
def is_tagged():
    """the pull goes on by digest, and ends when the image has its tag; the client goes on"""
    with PullEnv() as env:
        env.daemon()
        client = env.client()
        for turn in range(2):
            answer, error = env.pulled(client)
            equal((answer.status, answer.body, error), (200, LINE * 2, ""), "the answer")
            equal(env.requests("/images/create")[turn].target,
                  f"/v1.41/images/create?fromImage={env.name}&tag={env.digest}", "the pull")
            equal(env.requests("/tag")[turn].target,
                  f"/images/{env.id}/tag?repo={env.name}&tag=1.2", "the tag")
        equal(env.removals(), [], "removals")
        line = env.wait_audit(2, record="verify")[0]
        equal([line.get(key) for key in ("operation", "decision", "image", "image_id", "tag",
                                         "format", "removed")],
              ["ImageCreate", "allow", env.reference, env.id, "1.2", "cosign-simple", False],
              "the line")
        check(line["key"].startswith("SHA256:"), "its key")
        request = env.wait_audit(2, record="request")[0]
        equal(request["signature"]["digest"], env.digest, "digest of the request's line")
        env.wait_metric(2, "sockwarden_signed_pulls_total", outcome="verified")


@suite.test
def progress_streams():
    """what the daemon says of its progress is not held; its end is"""
    with PullEnv() as env:
        go, look = threading.Event(), threading.Event()

        def pull(conn, _):
            conn.send(HEAD + PIECE)
            go.wait(10)
            return conn.send(PIECE + END)

        def inspect(conn, _):
            look.wait(10)
            return conn.send(response(document({"Id": env.id})))
        env.daemon(pull=pull)
        env.fake.handle(f"/images/{env.reference}/json", inspect)
        client = env.client()
        env.pull(client)
        equal(client.read_head().status, 200, "status")
        equal(client.chunk(), LINE, "progress")
        go.set()
        equal(client.chunk(), LINE, "progress")
        wait_for(lambda: env.fake.lookups, "the look")
        equal(client.buffer, b"", "what has come of the end")
        equal(env.requests("/tag"), [], "tags so far")
        look.set()
        equal(client.chunk(), b"", "the end")
        equal(len(env.requests("/tag")), 1, "tags")


@suite.test
def another_image():
    """an image that is not the signed one is removed, and the stream ends with an error"""
    with PullEnv() as env:
        env.daemon(inspect=EVIL)
        client = env.client()
        for version in ("1.1", "1.0"):
            env.pull(client, version)
            answer = client.read_response()
            last = json.loads(answer.body.splitlines()[-1])
            equal(last["errorDetail"]["message"], last["error"], "the two sentences")
            for word in (env.reference, EVIL, "id_mismatch", "it has been removed"):
                check(word in last["error"], f"no {word}: {last['error']}")
        equal([r.target for r in env.removals()], [f"/images/{env.reference}"] * 2, "removals")
        equal(env.requests("/tag"), [], "tags")
        line = env.wait_audit(2, record="verify")[0]
        equal((line["decision"], line["image_id"], line["removed"]), ("deny", EVIL, True), "line")
        env.wait_metric(2, "sockwarden_signed_pulls_total", outcome="refused")


@suite.test
def the_daemon_fails():
    """its own error ends the stream as it is, and nothing is looked at"""
    error = b'{"errorDetail":{"message":"disk full"},"error":"disk full"}\r\n'
    with PullEnv() as env:
        env.daemon(pull=lambda conn, _: conn.send(
            HEAD + PIECE + b"%x\r\n%s\r\n" % (len(error), error) + END))
        answer, said = env.pulled()
        equal((answer.body, said), (LINE + error, "disk full"), "the answer")
        equal((env.fake.lookups, env.removals()), ([], []), "what was asked")


@suite.test
def tag_fails():
    """what is signed stays where the daemon gives no tag; the client is told"""
    with PullEnv() as env:
        env.daemon(tag=lambda conn, _: conn.send(response(b'{"message":"read-only"}',
                                                          "500 Internal Server Error")))
        _, error = env.pulled()
        check("cannot be given its tag 1.2" in error and "read-only" in error, error)
        equal(env.removals(), [], "removals")
        env.wait_metric(1, "sockwarden_signed_pulls_total", outcome="untagged")


@suite.test
def too_late():
    """a look, a tag, a removal that the daemon does not do in time"""
    cases = (({"inspect": silent}, "cannot be looked at", 1),
             ({"tag": silent}, "cannot be given its tag", 0),
             ({"inspect": EVIL, "removal": silent}, "cannot be removed", 1))
    with contextlib.ExitStack() as stack:
        running = []
        for handlers, words, removals in cases:     # all of them wait at a time
            env = stack.enter_context(PullEnv("--upstream-timeout", "2"))
            env.daemon(**handlers)
            client = env.client()
            env.pull(client)
            running.append((env, client, words, removals))
        for env, client, words, removals in running:
            error = env.outcome(client)[1]
            check(words in error and "in time" in error, error)
            equal(len(env.removals()), removals, f"{words}: removals")


@suite.test
def client_leaves():
    """in the middle of the pull the daemon sees it; behind it what has begun is finished"""
    with PullEnv() as env:
        gone = threading.Event()

        def pull(conn, _):
            conn.send(HEAD + PIECE)
            conn.rest()
            gone.set()
            return False
        env.daemon(pull=pull)
        client = env.client()
        env.pull(client)
        client.read_head()
        client.close()
        check(gone.wait(10), "the daemon has not seen it leave")
        equal(env.fake.lookups, [], "looks")
        for image in (env.id, EVIL):
            reached, left = threading.Event(), threading.Event()

            def inspect(conn, _, image=image, reached=reached, left=left):
                reached.set()
                left.wait(10)
                return conn.send(response(document({"Id": image})))
            env.daemon()
            env.fake.handle(f"/images/{env.reference}/json", inspect)
            client = env.client()
            env.pull(client)
            check(reached.wait(10), "no look")
            client.close()
            env.ask("GET", "/_ping")    # a turn of the loop
            left.set()
            wait_for(lambda: env.requests("/tag") if image == env.id else env.removals(), "the end")
        equal((len(env.requests("/tag")), len(env.removals())), (1, 1), "tags and removals")


@suite.test
def term():
    """a stop while it is looked at: it is finished; in the middle of a pull: cut, not ended"""
    for held in ("inspect", "pull"):
        with PullEnv("--stop-timeout", "1" if held == "pull" else "30") as env:
            reached, go = threading.Event(), threading.Event()

            def late(conn, _, held=held, env=env, reached=reached, go=go):
                if held == "pull":
                    conn.send(HEAD + PIECE)
                reached.set()
                go.wait(10)
                return conn.send(response(document({"Id": env.id})))
            env.daemon(**({"pull": late} if held == "pull" else {}))
            if held == "inspect":
                env.fake.handle(f"/images/{env.reference}/json", late)
            client = env.client()
            env.pull(client)
            check(reached.wait(10), "not reached")
            env.process.terminate()
            if held == "inspect":
                go.set()
            client.read_head()
            text = client.rest()
            go.set()
            equal(text.endswith(END), held == "inspect", f"{held}: is it ended: {text!r}")
            equal(len(env.requests("/tag")), held == "inspect", f"{held}: tags")


@suite.test
def many_at_once():
    """many pulls at a time, of which one in three is another image"""
    with PullEnv() as env:
        count = itertools.count(1)

        def inspect(conn, _):
            return conn.send(response(document({"Id": EVIL if next(count) % 3 == 0 else env.id})))
        env.daemon()
        env.fake.handle(f"/images/{env.reference}/json", inspect)
        clients = [env.client() for _ in range(30)]
        for client in clients:
            env.pull(client)
        bad = sum(b'"errorDetail"' in client.read_response().body for client in clients)
        equal((bad, len(env.removals()), len(env.requests("/tag"))), (10, 10, 20), "outcomes")
        env.check_rss()
