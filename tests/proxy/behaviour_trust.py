"""Signed images without a registry: `verify`, the signature store, the ledger, and the keys of a policy."""
import json
import os
import shutil
import signal
import tempfile

from admin_env import AdminEnv
from fake_dockerd import response
from harness import Env, Suite, check, equal, run_bin, wait_for

suite = Suite()
VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "signatures")
REPOSITORY = "registry.example.com/team/app"
ANNOTATION = "dev.cosignproject.cosign/signature"
KEY = "SHA256:499a196df5f87d5c1544db56ee935dc110e2d2dac50317224893d93a30771389"


def read(*names):
    with open(os.path.join(VECTORS, *names), "rb") as file:
        return file.read()


def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o644)


class Trust:
    """A folder with a policy, its keys, and a store with what a vector holds."""

    def __init__(self, folder, vector="s01-p256", **entry):
        self.vector = vector
        self.keys, self.store = os.path.join(folder, "keys"), os.path.join(folder, "store")
        self.policy, self.cache = os.path.join(folder, "signed.json"), os.path.join(folder, "trust.jsonl")
        os.makedirs(self.keys)
        os.makedirs(self.store)
        for name in ("p256.pub", "wrong.pub", "rsa1024.pub"):
            put(os.path.join(self.keys, name), read("keys", name))
        self.write(**entry)
        self.case = json.loads(read("cases", vector, "case.json"))
        self.digest = self.case["intended"]["digest"]
        self.manifest = json.loads(read("cases", vector, "manifest.json"))
        self.id = self.manifest.get("config", {}).get("digest")
        self.place = os.path.join(self.store, REPOSITORY, self.digest.replace(":", "-"))

    def write(self, **entry):
        entry = {"match": "registry.example.com/team/**", "formats": ["cosign-simple"], "keys": ["p256.pub"],
                 **entry}
        put(self.policy, json.dumps({"version": 1, "roles": {"default": {
            "extends": "builtin:default", "allow": ["@create"],
            "images": {"allow": ["registry.example.com/**"], "signed": [entry]}}}}).encode())

    def bring(self, manifest=True):
        if manifest:
            put(os.path.join(self.place, "1.manifest.json"), read("cases", self.vector, "manifest.json"))
        for number, layer in enumerate(json.loads(read("cases", self.vector, "sig.json"))["layers"]):
            digest = layer["digest"].removeprefix("sha256:")
            put(os.path.join(self.place, f"{number}.payload"), read("cases", self.vector, "blobs", digest))
            put(os.path.join(self.place, f"{number}.sig"), layer["annotations"][ANNOTATION].encode())

    @property
    def options(self):
        return ["--policy", self.policy, "--key-dir", self.keys, "--signature-store", self.store]

    def verify(self, image, *options):
        done = run_bin("verify", image, *(options or self.options))
        return done.returncode, done.stdout.decode(), done.stderr.decode()


class TrustEnv(AdminEnv):
    """A proxy with such a folder before a daemon that has the vector's image."""

    def __init__(self, vector="s01-p256", start=True, **entry):
        super().__init__(start=False)
        self.trust = Trust(self.dir, vector, **entry)
        at = self.args.index("--role")
        self.args[at:at + 2] = [*self.trust.options, "--trust-cache", self.trust.cache]
        self.has(self.trust.id, REPOSITORY + "@" + self.trust.digest)
        if start:
            self.start()

    def has(self, identity, *digests):
        """The daemon's image app:1.0."""
        image = response(json.dumps({"Id": identity, "RepoTags": [REPOSITORY + ":1.0"],
                                     "RepoDigests": list(digests), "Config": {}}).encode())
        for name in (REPOSITORY + ":1.0", identity):
            self.fake.handle(f"/images/{name}/json", lambda conn, _: conn.send(image))

    def create(self):
        answer = self.ask("POST", "/v1.41/containers/create", json.dumps(
            {"Image": REPOSITORY + ":1.0"}).encode(), ["Content-Type: application/json"])
        return answer.status, answer.body.decode()

    def reload(self):
        count = self.stderr().count("reloaded:") + self.stderr().count("not reloaded")
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.stderr().count("reloaded:") + self.stderr().count("not reloaded") > count,
                 "the reload has ended")


# ---- verify ------------------------------------------------------------------------------------

@suite.test
def verify_tells_each_step():
    """what was looked at, whose signature counts, digest and IDs; the status is that of the verdict"""
    with tempfile.TemporaryDirectory() as folder:
        trust = Trust(folder)
        digest = f"{REPOSITORY}@{trust.digest}"
        status, told, _ = trust.verify(digest)
        equal((status, "no_signature" in told, trust.place in told), (3, True, True), "an empty store")
        trust.bring()
        rows = [(digest, 0, ["verdict   signed", KEY, trust.id, "0.payload: cosign-simple"]),
                (f"{REPOSITORY}#{trust.id}", 0, ["verdict   signed", trust.digest]),
                (f"{REPOSITORY}#sha256:{'0' * 64}", 3, ["id_unknown"]),
                (f"{REPOSITORY}:1.0", 3, ["tag_unresolved", "NAME@sha256:"]),
                (REPOSITORY, 3, [f"{REPOSITORY}:latest", "tag_unresolved"]),
                (f"{REPOSITORY}@sha256:{'0' * 64}", 3, ["no_signature"]),
                ("busybox", 0, ["docker.io/library/busybox", "no entry of images.signed covers"])]
        for image, expected, parts in rows:
            status, told, wrong = trust.verify(image)
            equal((status, wrong), (expected, ""), f"{image}: {told}")
            for part in parts:
                check(part in told, f"{image}: {part!r} is not in {told!r}")


@suite.test
def verify_judges_vectors():
    """the reason of a refusal"""
    for vector, reason in (("x02-wrong-key", "bad_signature"), ("x03-other-digest", "digest_mismatch"),
                           ("x04-wrong-reference", "identity_mismatch"), ("x10-wrong-type", "bad_payload"),
                           ("x29-prefix-repository", "identity_mismatch")):
        with tempfile.TemporaryDirectory() as folder:
            trust = Trust(folder, vector)
            trust.bring()
            status, told, wrong = trust.verify(f"{REPOSITORY}@{trust.digest}")
            equal((status, reason in told), (3, True), f"{vector}: {told} {wrong}")


@suite.test
def verify_wants_what_it_needs():
    """usage, policies and roles that are wrong"""
    with tempfile.TemporaryDirectory() as folder:
        trust = Trust(folder)
        listed = f"{REPOSITORY}@{trust.digest}"
        rows = [([], 2, "wants an image"), (["a", "b", *trust.options], 2, "is a second"),
                (["a"], 2, "--policy FILE"), (["a", "--host", "x"], 2, "no option --host"),
                (["a", "--policy"], 2, "wants a value"), (["A B", *trust.options], 2, "is no image"),
                ([REPOSITORY + "#12", *trust.options], 2, "is no image"),
                (["a", "--policy", folder + "/none"], 1, "cannot read"),
                (["a", *trust.options, "--role", "other"], 1, "there is no role other"),
                ([listed, *trust.options[:4]], 1, "--signature-store"),
                ([listed, *trust.options, "--key-dir", folder], 1, "p256.pub"),
                ([listed, *trust.options, "--signature-store", folder + "/none"], 1, "/none cannot be read: No such file")]
        for words, status, part in rows:
            done = run_bin("verify", *words)
            equal((done.returncode, part in done.stderr.decode()), (status, True),
                  f"{words}: {done.stderr.decode()}")
        trust.write(digests=[trust.digest])
        status, told, wrong = trust.verify(listed)
        equal((status, "the entry lists it" in told), (0, True), told + wrong)
        put(trust.policy, b'{"version":1,"roles":{"default":{"images":{"signed":[{"match":"**","digests":[]}]}}}}')
        for image in (listed, REPOSITORY + ":1.0"):
            status, told, wrong = trust.verify(image)
            equal((status, "reason    not_listed" in told), (3, True), told + wrong)


# ---- keys --------------------------------------------------------------------------------------

@suite.test
def check_reads_keys():
    """only where --key-dir names their folder; a missing one is an error with file and remedy"""
    with tempfile.TemporaryDirectory() as folder:
        trust = Trust(folder)
        rows = [([], 0, ""), (["--key-dir", trust.keys], 0, ""), (["--key-dir=" + trust.keys], 0, ""),
                (["--key-dir", folder + "/none"], 1, "/none/p256.pub: No such file"),
                (["--key-dir", folder], 1, "images.signed[0]"), (["--key-dir="], 1, "p256.pub")]
        for words, status, part in rows:
            done = run_bin("check", *words, trust.policy)
            equal((done.returncode, part in done.stderr.decode(), b"valid" in done.stdout),
                  (status, True, status == 0), f"{words}: {done.stderr.decode()}")
        done = run_bin("check", trust.policy, "--key-dir")
        equal((done.returncode, b"wants a value" in done.stderr), (2, True), done.stderr)


@suite.test
def bad_keys_refuse_the_policy():
    """at start and at a reload, which leaves the old policy in use"""
    with TrustEnv(start=False) as env:
        key = os.path.join(env.trust.keys, "p256.pub")
        os.chmod(key, 0o666)
        env.start(ready=False)
        equal(env.process.wait(10), 1, "status")
        check("chmod go-w" in env.stderr() and "p256.pub" in env.stderr(), env.stderr())
        os.chmod(key, 0o644)
        env.start()
        env.trust.bring()
        env.trust.write(keys=["rsa1024.pub"])
        env.reload()
        check("rsa1024.pub" in env.stderr() and "not reloaded" in env.stderr(), env.stderr())
        equal(env.create()[0], 200, "by the old key")
        env.trust.write(keys=["wrong.pub"])
        env.reload()
        status, text = env.create()
        equal((status, "bad_signature" in text or "none" in text), (403, True), text)


# ---- the gate ----------------------------------------------------------------------------------

@suite.test
def store_lets_through_what_is_signed():
    """a container is made by the ID; audit line and metrics tell by which key"""
    with TrustEnv() as env:
        status, text = env.create()
        equal((status, "images.signed" in text), (403, True), text)
        env.trust.bring()
        env.reload()  # else the refusal is remembered for a while
        equal(env.create()[0], 200, "with a signature")
        sent = [r for r in env.fake.requests if r.path.endswith("/containers/create")]
        equal(json.loads(sent[-1].body)["Image"], env.trust.id, "what is sent on")
        line = env.wait_audit(decision="allow")[-1]
        equal((line["signature"]["key"], line["signature"]["digest"]), (KEY, env.trust.digest), "the audit line")
        metrics = env.metrics()
        equal((metrics.get("sockwarden_signature_verdicts_total", reason="ok") > 0,
               metrics.get("sockwarden_signature_ledger_entries")), (True, 2), "metrics")


@suite.test
def other_contents_are_refused():
    """an image that has the name, or the digest, and another ID"""
    with TrustEnv() as env:
        env.trust.bring()
        env.has("sha256:" + "e" * 64, REPOSITORY + "@" + env.trust.digest)
        equal(env.create()[0], 403, "another ID than that of the manifest")
        env.has("sha256:" + "f" * 64)
        equal(env.create()[0], 403, "the name alone")


@suite.test
def store_without_manifests():
    """what the daemon says of the digest tells the ID then"""
    with TrustEnv() as env:
        env.trust.bring(manifest=False)
        equal(env.create()[0], 200, "with its digest")
        env.has(env.trust.id)
        equal(env.create()[0], 403, "without: saved and loaded")


# ---- the ledger --------------------------------------------------------------------------------

@suite.test
def ledger_outlives_the_proxy():
    """by ID, without the store; not when the entry is another; what somebody tore is left out"""
    with TrustEnv() as env:
        env.trust.bring()
        equal(env.create()[0], 200, "signed")
        equal(os.stat(env.trust.cache).st_mode & 0o777, 0o600, "its mode")
        env.stop()
        shutil.rmtree(env.trust.place)
        with open(env.trust.cache, "ab") as file:
            file.write(b'{"id":"sha256:\xff\n')
        env.has(env.trust.id)  # saved and loaded
        env.start()
        equal(env.create()[0], 200, "known by its ID")
        check("left out" in env.stderr(), env.stderr())
        done = run_bin("serve", "--host", "unix://" + env.dir + "/other.sock", *env.args[env.args.index("--policy"):])
        equal((done.returncode, b"in use by another process" in done.stderr), (1, True), "a second proxy")
        env.trust.write(identity="any")
        env.reload()
        equal(env.create()[0], 403, "under another entry")


@suite.test
def ledger_must_be_private():
    """who writes it could have anything taken for signed"""
    with TrustEnv(start=False) as env:
        put(env.trust.cache, b"")
        os.chmod(env.trust.cache, 0o666)
        env.start(ready=False)
        equal(env.process.wait(10), 1, "status")
        check("chmod go-w" in env.stderr(), env.stderr())
        env.process = None


@suite.test
def without_a_rule_nothing_is_needed():
    """no folder of keys has to be there"""
    with Env("--key-dir", "/nowhere/keys") as env:
        equal(env.ask("GET", "/_ping").status, 200, "a ping")
