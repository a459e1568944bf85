"""Signed images, a real daemon and a registry: what is signed runs, and nothing else does.

The administrator, or somebody else with the daemon's own socket, does what he likes beside the
proxy: tags, loads, imports, builds. A race lasts SIGNED_SECONDS, 2 without it.
"""
import base64
import io
import json
import os
import tarfile
import threading
import time

import engine
import images
from harness import Skip, check, holds, same, scenario
from proxies import Proxy
from test_audit import read_lines

SECONDS = float(os.environ.get("SIGNED_SECONDS", "2"))
LOCK = threading.Lock()
WORLDS = {}


def policy_of(registry, keys):
    entry = {"formats": ["cosign-simple"], "keys": keys}
    return {"version": 1, "roles": {"ci": {
        "extends": "builtin:default", "allow": ["ServiceCreate"],
        "existing": "conforming",
        "images": {
            "allow": [registry.host + "/**", "docker.io/library/*"],
            "signed": [{**entry, "match": registry.host + "/signed/**", "source": "registry"},
                       {**entry, "match": registry.host + "/store/**", "source": "store"},
                       {"match": "**", "digests": []}]}}}}


class Signed:
    """A registry, two keys of which one is trusted, and a proxy that wants its signatures."""

    def __init__(self, t, name):
        self.t, self.name = t, name
        self.base = t.world.daemon.base
        self.registry = images.Registry(t.world.daemon, name, t.world.rootfs)
        if not self.registry.there:
            raise Skip("docker-registry is not installed")
        self.folder = os.path.join(self.base, name + "-trust")
        self.keys = os.path.join(self.folder, "keys")
        self.store = os.path.join(self.folder, "store")
        os.makedirs(self.store)
        self.team, self.other = images.Key(self.keys, "team"), images.Key(self.keys, "other")
        self.proxy = None
        self.serve(self.team)

    def serve(self, key, upstream=None, cache="trust.jsonl"):
        """A proxy that trusts that key; the run ends it."""
        host, name = self.registry.host, "%s-%s" % (self.name, time.monotonic_ns())
        policy = os.path.join(self.folder, name + ".json")
        with open(policy, "w") as file:
            json.dump(policy_of(self.registry, [key.public]), file)
        with self.t.world.proxies.lock:
            self.proxy = self.t.world.proxies.running[name] = Proxy(
                self.t.world.options.bin, self.base, upstream or self.t.world.daemon.socket, name,
                ["--policy", policy, "--role", "ci", "--key-dir", self.keys, "--signature-store",
                 self.store, "--trust-cache", os.path.join(self.folder, cache),
                 "--registry-private", host, "--registry-plain-http", host],
                wrapper=self.t.world.daemon.inside())
        return self.proxy

    def image(self, name, word, key=None, tag="1", directory="signed"):
        """An image in the registry, signed if there is a key."""
        made = self.registry.image("%s/%s" % (directory, name), tag, word)
        if key:
            self.registry.sign(made, key)
        return made

    def keep(self, image, key):
        """Its signature is put into the signature store."""
        folder = os.path.join(self.store, image.repository.replace(":", "_"),
                              image.digest.replace(":", "-"))
        payload, signature = key.sign(image.repository, image.digest)
        os.makedirs(folder)
        for name, data in (("1.payload", payload), ("1.sig", base64.b64encode(signature)),
                           ("1.manifest.json", image.manifest)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)

    def env(self):
        return {"DOCKER_HOST": "unix://" + self.proxy.socket, "DOCKER_TLS_VERIFY": ""}

    def pull(self, image, tag="1", socket=None, more=""):
        """What comes of a pull, by a tag or (None) by digest: (status, text)."""
        status, body = engine.call(socket or self.proxy.socket, "POST",
                                   "/images/create?fromImage=%s&tag=%s%s" % (
                                       image.repository, tag or image.digest, more))
        return status, body.decode()

    def create(self, reference, **more):
        """(status, the daemon's or the proxy's sentence, or the ID)."""
        status, body = engine.call(self.proxy.socket, "POST", "/containers/create",
                                   {"Image": reference, "Cmd": ["true"], **more})
        text = json.loads(body)
        return status, text.get("message") or text.get("Id")

    def runs(self, reference, image, start=False):
        """A container of that name can be made (and started), and has that image."""
        status, made = self.create(reference)
        same("status of a create from %s (%s)" % (reference, made), status, 201)
        _, found = self.t.engine("GET", "/containers/%s/json" % made, None, (200,))
        same("what %s runs" % reference, found["Image"], image.id)
        if start:
            status, text = self.start(made)
            same("status of a start (%s)" % text, status, 204)
        self.t.engine("DELETE", "/containers/%s?force=1" % made, None, (204,))

    def start(self, container):
        return engine.call(self.proxy.socket, "POST", "/containers/%s/start" % container)

    def refused(self, reference, *words):
        status, text = self.create(reference)
        same("status of a create from %s (%s)" % (reference, text), status, 403)
        for word in words:
            holds("the refusal of " + reference, text, word)


def signed(t, name="signed"):
    """The one that scenarios share, or one of its own."""
    with LOCK:
        if name not in WORLDS:
            WORLDS[name] = Signed(t, name)
        world = WORLDS[name]
    mine = object.__new__(Signed)
    mine.__dict__.update(world.__dict__, t=t)
    return mine


def here(t, reference):
    """What the daemon has by that name, or None."""
    status, found = t.engine("GET", "/images/%s/json" % reference)
    return found if status == 200 else None


def verified(proxy, image):
    """The lines of pulls of that image."""
    lines = map(json.loads, read_lines(proxy.audit))
    return [line for line in lines
            if line["record"] == "verify" and line.get("image") == image.by_digest()]


# ---- what is signed -----------------------------------------------------------------------------

@scenario(proxy=True)
def signed_runs(t):
    """docker pull and docker run of a signed image, by tag, by digest, and by what was not there"""
    s = signed(t)
    env = s.env()
    first, second = (s.image(t.name("app"), t.prefix + word, s.team) for word in ("1", "2"))
    out = t.ok("pull", first.repository + ":1", **env)
    holds("docker pull prints", out, first.repository + ":1")
    same("the tag stands for", here(t, first.repository + ":1")["Id"], first.id)
    line = t.until("its line", lambda: verified(s.proxy, first))[-1]
    same("the line", (line["decision"], line["image_id"], line["tag"], line["format"]),
         ("allow", first.id, "1", "cosign-simple"))
    holds("its key", line["key"], "SHA256:")
    same("docker run", t.ok("run", "--rm", first.repository + ":1", "echo", "hi", **env), "hi")
    same("of what must be pulled", t.ok("run", "--rm", second.repository + ":1", "echo", "two",
                                        **env), "two")
    same("by digest", t.ok("run", "--rm", first.by_digest(), "echo", "three", **env), "three")
    again = t.ok("pull", first.repository + ":1", **env)
    holds("docker pull prints", again, "up to date")
    t.ok("rmi", first.repository + ":1", **env)
    same("after docker rmi", here(t, first.by_digest()), None)


@scenario(cli=False, proxy=True)
def signed_index_runs(t):
    """a signed index: the daemon takes the child for its machine, whose ID is one of the index's"""
    s = signed(t)
    name = "signed/" + t.name("multi")
    children = [(s.registry.image(name, None, t.prefix + arch, arch), arch)
                for arch in (images.ARCH, images.FOREIGN)]
    index = s.registry.index(name, "1", *children)
    other = s.registry.index(name, "2", *reversed(children))
    unsigned = s.registry.index(name, "3", children[0])
    same("unsigned", s.pull(unsigned, "3")[0], 403)
    s.registry.sign(other, s.team)
    status, text = s.pull(other, "2")
    check(status == 200 and "error" not in text, "a signed index: %d %s", status, text)
    s.runs(other.repository + ":2", children[0][0])
    s.registry.sign(index, s.team)
    status, text = s.pull(index, more="&platform=linux/" + images.FOREIGN)
    check(status == 200 and "error" not in text, "another platform: %d %s", status, text)
    same("its tag stands for", here(t, index.repository + ":1")["Id"], children[1][0].id)


# ---- what is not --------------------------------------------------------------------------------

def by_other_key(s, image, _):
    s.registry.sign(image, s.other)


def of_other_image(s, image, other):
    s.registry.attach(image, *s.team.sign(image.repository, other.digest))


def of_other_name(s, image, other):
    s.registry.attach(image, *s.team.sign(other.repository, image.digest))


def tampered(s, image, _):
    payload, signature = s.team.sign(image.repository, image.digest)
    s.registry.attach(image, payload.replace(b"null", b"{}"), signature)


BAD = (("unsigned", None, "no_signature"), ("other-key", by_other_key, "bad_signature"),
       ("other-image", of_other_image, "digest_mismatch"),
       ("other-name", of_other_name, "identity_mismatch"), ("tampered", tampered, "bad_signature"))


@scenario(cli=False, proxy=True)
def unsigned_refused(t):
    """neither pulled nor run, also when somebody else has pulled it: each with its reason"""
    s = signed(t)
    good = s.image(t.name("good"), t.prefix, s.team)
    for name, attach, reason in BAD:
        bad = s.image(t.name(name), t.prefix + name)
        if attach:
            attach(s, bad, good)
        status, text = s.pull(bad)
        same("status of a pull, " + name, status, 403)
        holds("its reason", text, reason)
        same("status by digest, " + name, s.pull(bad, None)[0], 403)
        same("what the daemon has, " + name, here(t, bad.id), None)
        same("status of a create, " + name, s.create(bad.repository + ":1")[0], 404)
        s.pull(bad, socket=t.world.daemon.socket)
        for reference in (bad.repository + ":1", bad.by_digest(), bad.id):
            s.refused(reference, reason if reference != bad.id else "images.signed")
        _, made = t.engine("POST", "/containers/create", {"Image": bad.id, "Cmd": ["true"]}, (201,))
        status, text = s.start(made["Id"])
        same("status of a start, %s (%s)" % (name, text), status, 403)
        t.engine("DELETE", "/containers/" + made["Id"], None, (204,))
    same("the good one", s.pull(good)[0], 200)
    s.runs(good.repository + ":1", good, start=True)


# Parameters of a pull, and names in a create: R is the repository, good and evil digests in it, of
# which good has the tag 1 and evil the tag 2.
PULLS = ("R:1&tag=2", "R:2&tag=1", "R@good&tag=2", "R@good&tag=evil", "R@evil&tag=1", "R:1@evil",
         "R:1@evil&tag=1", "R:2@good", "R:2:&tag=", "R&tag=", "R", "R:2&tag=good", "R&tag=1@evil",
         "R&tag=evil&tag=good", "R%402&tag=1", "R&tag=2&platform=linux/amd64", "//R&tag=1",
         "R/&tag=2", "R&tag=1:2", "R&tag=1&fromSrc=-", "R&Tag=2&tag=1", "R&repo=R&tag=2")
CREATES = ("R:1", "R:2", "R@good", "R@evil", "R:1@evil", "R:2@good", "R", "R:1@good", "R@good@evil",
           "https://R:1", "R:1 ", "evil", "evil-id", "evil-short", "sha256:evil-short")


@scenario(cli=False, proxy=True)
def two_names_in_one(t):
    """what could be read as two images: only the signed one is ever pulled, or run"""
    s = signed(t)
    name = t.name("app")
    good = s.image(name, t.prefix + "good", s.team)
    evil = s.image(name, t.prefix + "evil", tag="2")

    def filled(text):
        digits = evil.id.split(":")[1]
        for word, value in (("evil-short", digits[:16]), ("evil-id", digits), ("good", good.digest),
                            ("evil", evil.digest), ("R", good.repository)):
            text = text.replace(word, value)
        return text
    statuses = {}
    for row in PULLS:
        status, said = engine.call(s.proxy.socket, "POST", "/images/create?fromImage=" + filled(row))
        statuses[status] = statuses.get(status, 0) + 1
        check(status in (200, 400, 403, 404), "%s: %d %s", row, status, said)
        same("the evil one after %s (%s)" % (row, said), here(t, evil.id), None)
        for tag in ("1", "2"):
            found = here(t, "%s:%s" % (good.repository, tag))
            check(not found or found["Id"] == good.id, "%s: tag %s stands for another", row, tag)
    s.pull(good)
    s.pull(evil, "2", socket=t.world.daemon.socket)
    for row in CREATES:
        status, made = s.create(filled(row))
        statuses[status] = statuses.get(status, 0) + 1
        check(status in (201, 400, 403, 404), "%s: %d %s", row, status, made)
        if status == 201:
            _, found = t.engine("GET", "/containers/%s/json" % made, None, (200,))
            same("what %s runs" % row, found["Image"], good.id)
            t.engine("DELETE", "/containers/" + made, None, (204,))
    check(statuses[200] > 1 and statuses[201] > 2 and statuses[403] > 9, "statuses %r", statuses)


def tagged(t, repository):
    t.engine("POST", "/images/busybox:test/tag?repo=%s&tag=1" % repository, None, (201,))


def loaded(t, repository):
    tagged(t, repository)
    _, tar = engine.call(t.world.daemon.socket, "GET", "/images/get?names=%s:1" % repository)
    t.engine("DELETE", "/images/%s:1" % repository, None, (200,))
    t.engine("POST", "/images/load", tar, (200,))


def imported(t, repository):
    with open(t.world.rootfs, "rb") as tar:
        t.engine("POST", "/images/create?fromSrc=-&repo=%s&tag=1" % repository, tar.read(), (200,))


def committed(t, repository):
    made = t.made("true", start=False)
    t.engine("POST", "/commit?container=%s&repo=%s&tag=1" % (made, repository), {}, (201,))


def built(t, repository):
    out = io.BytesIO()
    text = b"FROM busybox:test\nLABEL a=b\n"
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    t.engine("POST", "/build?t=%s:1" % repository, out.getvalue(), (200,))


def pushed(t, repository):
    """Of which the daemon then says that it has the digest from that repository."""
    tagged(t, repository)
    conn = engine.Raw(t.world.daemon.socket)
    conn.request("POST", "/images/%s/push?tag=1" % repository, headers=[("X-Registry-Auth", "e30=")])
    said = conn.body(conn.head())
    conn.close()
    holds("docker push", said.decode(), "digest: sha256:")
    check(any(x.startswith(repository) for x in here(t, repository + ":1")["RepoDigests"]),
          "no digest of %s", repository)


@scenario(cli=False, proxy=True)
def names_prove_nothing(t):
    """any content under a signed image's name, and under none: retagged, loaded, built, pushed ..."""
    s = signed(t)
    good = s.image(t.name("app"), t.prefix, s.team)
    name = good.repository + ":1"
    for launder in (tagged, loaded, imported, committed, built, pushed):
        same("status of a pull", s.pull(good)[0], 200)
        s.runs(name, good)
        launder(t, good.repository)
        check(here(t, name)["Id"] != good.id, "%s has changed nothing", launder.__name__)
        s.refused(name, "images.signed")
        s.runs(good.by_digest(), good)
        s.runs(good.id, good)
    s.refused("busybox:test", "images.signed")
    with open(t.world.rootfs, "rb") as tar:
        _, said = engine.call(t.world.daemon.socket, "POST", "/images/create?fromSrc=-", tar.read())
    s.refused(json.loads(said.splitlines()[-1])["status"], "rules of images")


@scenario(cli=False, proxy=True)
def ids_and_shadows(t):
    """a short ID is the signed image, until somebody tags another one by the same letters"""
    s = signed(t)
    good = s.image(t.name("app"), t.prefix, s.team)
    same("status of a pull", s.pull(good)[0], 200)
    digits = good.id.split(":")[1]
    for short in (digits, digits[:12], digits[:20], "sha256:" + digits[:12]):
        s.runs(short, good)
    for shadow in (digits[:12], digits[:20]):
        t.engine("POST", "/images/busybox:test/tag?repo=%s&tag=latest" % shadow, None, (201,))
        s.refused(shadow, "images.signed")
        s.runs(good.id, good)
        t.engine("DELETE", "/images/%s:latest" % shadow, None, (200,))
        s.runs(shadow, good)


# ---- races --------------------------------------------------------------------------------------

class Flips:
    """Something that changes back and forth while a scenario goes on."""

    def __init__(self, *steps):
        self.steps, self.turns, self.problem = steps, 0, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            while not self.over.is_set():
                self.steps[self.turns % len(self.steps)]()
                self.turns += 1
        except Exception as problem:
            self.problem = problem

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(30)
        check(self.problem is None, "what flips: %s", self.problem)


def race(t, seen, step):
    """Steps until the time is over and both outcomes were seen."""
    end, patience = time.monotonic() + SECONDS, time.monotonic() + SECONDS + 30
    while time.monotonic() < end or (len(seen) < 2 and time.monotonic() < patience):
        outcome = step()
        seen[outcome] = seen.get(outcome, 0) + 1
    print("# %s: %s" % (t.label, seen))
    check(len(seen) == 2, "not both came, so nothing has been tried: %r", seen)


@scenario(cli=False, proxy=True, timeout=90)
def swapped_at_daemon(t):
    """a local tag that moves between check and use: no container gets the other image"""
    s = signed(t)
    good = s.image(t.name("app"), t.prefix, s.team)
    same("status of a pull", s.pull(good)[0], 200)
    name, made = good.repository + ":race", []

    def move(source):
        t.engine("POST", "/images/%s/tag?repo=%s&tag=race" % (source, good.repository), None,
                 (201,))

    def create():
        status, text = s.create(name)
        if status == 201:
            made.append(text)
        check(status in (201, 403), "status of a create: %d %s", status, text)
        return status
    move(good.id)
    with Flips(lambda: move("busybox:test"), lambda: move(good.id)):
        race(t, {}, create)
    for container in made:
        _, found = t.engine("GET", "/containers/%s/json" % container, None, (200,))
        same("image of a container", found["Image"], good.id)
        t.engine("DELETE", "/containers/%s" % container, None, (204,))


@scenario(cli=False, proxy=True, timeout=90)
def swapped_at_registry(t):
    """a tag that moves in the registry while it is pulled: the daemon's tag is never the other's"""
    s = signed(t)
    name = t.name("app")
    good = s.image(name, t.prefix + "good", s.team)
    evil = s.image(name, t.prefix + "evil", tag="2")

    def pull():
        status, text = s.pull(good)
        check(status == 403 or "error" not in text, "a pull: %d %s", status, text)
        same("status of a pull that goes on", status in (200, 403), True)
        found = here(t, good.repository + ":1")
        check(not found or found["Id"] == good.id, "the tag is another image: %s", found)
        return status
    with Flips(lambda: s.registry.tag(evil, "1"), lambda: time.sleep(0.05),
               lambda: s.registry.tag(good, "1"), lambda: time.sleep(0.05)):
        race(t, {}, pull)
    same("the other one, at the daemon", here(t, evil.id), None)


# ---- without a registry -------------------------------------------------------------------------

@scenario(cli=False, proxy=True, timeout=90)
def registry_down(t):
    """what was verified still runs, over a restart of the proxy too; all else is refused"""
    s = signed(t, "offline")
    good = s.image(t.name("app"), t.prefix, s.team)
    late = s.image(t.name("late"), t.prefix + "late", s.team)
    same("status of a pull", s.pull(good)[0], 200)
    s.pull(late, socket=t.world.daemon.socket)
    t.world.daemon.stop_registry("offline")
    name = good.repository + ":1"
    s.runs(name, good, start=True)
    same("exit code", s.proxy.stop(), 0)
    s.serve(s.team)
    s.runs(name, good)
    s.runs(good.by_digest(), good)
    s.refused(late.repository + ":1", "registry_error")
    status, text = s.pull(good)
    same("status of a pull", status, 403)
    holds("its reason", text, "registry_error")
    tagged(t, good.repository)
    s.refused(name, "images.signed")
    s.proxy.stop()
    s.serve(s.other)    # another key: nothing that the first one has signed counts
    s.refused(good.by_digest(), "images.signed")


@scenario(cli=False, proxy=True)
def signature_store(t):
    """signatures in a folder: pulled and run by digest, and no registry is asked"""
    s = signed(t)
    good, bad = (s.image(t.name(word), t.prefix + word, directory="store")
                 for word in ("good", "bad"))
    s.keep(good, s.team)
    s.keep(bad, s.other)
    status, text = s.pull(good, None)
    check(status == 200 and "error" not in text, "a pull by digest: %d %s", status, text)
    s.runs(good.by_digest(), good)
    status, text = s.pull(bad, None)
    same("status of a pull", status, 403)
    holds("its reason", text, "bad_signature")
    status, text = s.pull(good, "1")
    same("status by tag, which no store resolves", status, 403)
    s.pull(bad, None, t.world.daemon.socket)
    s.refused(bad.by_digest(), "bad_signature")


@scenario(cli=False, proxy=True, timeout=90)
def signed_services(t):
    """services name what nodes pull by a signed digest"""
    s = signed(t)
    good, bad = (s.image(t.name(word), t.prefix + word, directory="store")
                 for word in ("good", "bad"))
    s.keep(good, s.team)
    manager = t.world.need_swarm()
    proxy = s.serve(s.team, manager.socket, "swarm.jsonl")
    made = []
    for image, status in ((good, 201), (bad, 403)):
        got, text = engine.call(proxy.socket, "POST", "/services/create", {
            "Name": t.name("svc"), "TaskTemplate": {"ContainerSpec": {
                "Image": image.by_digest()}}, "Mode": {"Replicated": {"Replicas": 0}}})
        same("status of a service (%s)" % text, got, status)
        made += [json.loads(text)["ID"]] if got == 201 else []
    _, text = engine.call(manager.socket, "GET", "/services/" + made[0])
    same("its image", json.loads(text)["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"],
         good.by_digest())
    engine.call(manager.socket, "DELETE", "/services/" + made[0])
