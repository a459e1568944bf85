"""The gate of images.signed before a daemon that says anything: what is sent on, what is refused, and
what the audit line tells. Signatures are those of tests/signatures, in a signature store."""
import json
import os

from facts import id_of
from harness import ROOT, Env, Suite, check, equal

suite = Suite()
JSON = ["Content-Type: application/json"]
CASE = os.path.join(ROOT, "tests", "signatures", "cases", "s01-p256")
REPOSITORY = "registry.example.com/team/app"


def read(*names):
    with open(os.path.join(*names), "rb") as file:
        return file.read()


with open(os.path.join(CASE, "case.json"), encoding="utf-8") as case_file:
    DIGEST = json.load(case_file)["intended"]["digest"]
ID = json.loads(read(CASE, "manifest.json"))["config"]["digest"]
OTHER = "sha256:" + "5e" * 32


def image(id_=ID, tags=(REPOSITORY + ":1.0",), digests=(REPOSITORY + "@" + DIGEST,)):
    return {"Id": id_, "RepoTags": list(tags), "RepoDigests": list(digests), "Config": {}, "RootFS": {}}


class Gate(Env):
    """A proxy that wants the key's signature for one registry, with the store that holds one."""

    def __init__(self, *options, entry=None, role=None, manifest=True):
        # By one loop the lines stand in the order of the requests.
        super().__init__("--workers", "1", *options, start=False)
        self.asked, self.info = 0, {"": {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]]}}
        self.keys, store = os.path.join(self.dir, "keys"), os.path.join(self.dir, "store")
        folder = os.path.join(store, *REPOSITORY.split("/"), DIGEST.replace(":", "-"))
        os.makedirs(self.keys)
        os.makedirs(folder)
        layer = json.loads(read(CASE, "sig.json"))["layers"][0]
        self.write(self.keys, "p256.pub", read(ROOT, "tests", "signatures", "keys", "p256.pub"))
        self.write(folder, "1.payload", read(CASE, "blobs", layer["digest"][7:]))
        self.write(folder, "1.sig", layer["annotations"]["dev.cosignproject.cosign/signature"].encode())
        if manifest:
            self.write(folder, "1.manifest.json", read(CASE, "manifest.json"))
        entry = entry or {"match": "registry.example.com/**", "keys": ["p256.pub"]}
        roles = {"default": {"allow": ["*"], "images": {"signed": [entry]}, **(role or {})}}
        self.write(self.dir, "policy.json", json.dumps({"version": 1, "roles": roles}).encode())
        at = self.args.index("--role")
        self.args[at:at + 2] = ["--policy", os.path.join(self.dir, "policy.json"), "--key-dir", self.keys,
                                "--signature-store", store]
        self.start()

    @staticmethod
    def write(folder, name, data):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o644)

    def create(self, reference=REPOSITORY + ":1.0", found=None, where="Image"):
        """Status and sentence of a create, or what the daemon got as the image."""
        self.fake.facts = {"image": {reference: image() if found is None else found}, "info": self.info}
        mounts = [{"Type": "image", "Source": reference, "Target": "/m"}]
        body = {"Image": reference} if where == "Image" else {"Image": "free", "HostConfig": {"Mounts": mounts}}
        before = len(self.fake.requests)
        answer = self.ask("POST", "/v1.48/containers/create", json.dumps(body).encode(), JSON)
        if answer.status != 200:
            equal(len(self.fake.requests), before, "requests that reach the daemon")
            return answer.status, answer.message()
        sent = json.loads(self.fake.wait_requests(before + 1)[-1].body)
        return 200, sent["Image"] if where == "Image" else sent["HostConfig"]["Mounts"][0]["Source"]

    def ask(self, *args, **kwargs):
        self.asked += 1
        return super().ask(*args, **kwargs)

    def line(self):
        """The line of the last request."""
        return self.wait_audit(self.asked, record="request")[-1]


@suite.test
def runs_by_id():
    """a signed image is made by its ID, whatever its name stands for by then; the line tells whose"""
    with Gate() as env:
        equal(env.create(), (200, ID), "what the daemon gets")
        line = env.line()
        equal((line["decision"], line["image"]), ("allow", REPOSITORY + ":1.0"), "the line")
        equal(line["uses"]["images.allow"], [REPOSITORY], "what a role must open for it")
        told = line["signature"]
        equal((told["reason"], told["digest"], told["format"]), ("ok", DIGEST, "cosign-simple"), "signature")
        check(told["key"].startswith("SHA256:") and len(told["key"]) == 71, f"{told}")
        equal({fact["fact"] for fact in line["facts"]}, {"image", "signature"}, "facts of the line")
        equal(env.create(where="Mounts"), (200, ID), "what is mounted")
        equal(env.create(ID), (200, ID), "by ID")
        equal(env.create(REPOSITORY + "@" + DIGEST), (200, ID), "by digest")
        equal(env.create("free:1", image(OTHER, ["free:1"], [])), (200, "free:1"), "what no entry covers")
        check("signature" not in env.line(), "a signature nobody asked for")


@suite.test
def names_prove_nothing():
    """another image under the name is refused with reference, digest, reason and entry"""
    rows = [("built", image(OTHER, digests=()), "no_digest"),
            ("pushed by others", image(OTHER, digests=[REPOSITORY + "@" + OTHER]), "no_signature"),
            ("the digest of another image", image(OTHER), "id_mismatch"),
            ("signed elsewhere", image(OTHER, digests=["free@" + DIGEST]), "no_digest")]
    with Gate() as env:
        for where in ("Image", "Mounts"):
            for name, found, reason in rows:
                status, text = env.create(found=found, where=where)
                equal(status, 403, f"{name}: {text}")
                for part in (REPOSITORY + ":1.0", 'images.signed[0] ("registry.example.com/**")', reason):
                    check(part in text, f"{name}: {part!r} is not in {text!r}")
                line = env.line()
                equal((line["rule"], line["signature"]["reason"]), ("images.signed", reason), name)
        equal(env.create(found=f"No such image: {REPOSITORY}:1.0")[0], 404, "what is not there")


@suite.test
def store_without_manifest():
    """the store has the signature alone: the daemon's own digest tells which image it is"""
    with Gate(manifest=False) as env:
        equal(env.create(), (200, ID), "what the daemon gets")
        equal(env.create(found=image(digests=()))[0], 403, "no digest of it")


@suite.test
def names_of_archives():
    """in containerd's image store an archive names any image NAME@DIGEST; there the digest is the ID"""
    forged = image(OTHER, [REPOSITORY + "@" + DIGEST])
    for entry in (None, {"match": "registry.example.com/**", "digests": [DIGEST]}):
        with Gate(manifest=False, entry=entry) as env:
            env.info = {"": {"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}}
            status, text = env.create(found=forged)
            equal(status, 403, text)
            check("id_mismatch" in text, text)
            equal(env.create(found=image(DIGEST)), (200, DIGEST), "what the daemon gets")


@suite.test
def existing_containers():
    """a container starts only when what it was made of is signed; its name then counts for nothing"""
    with Gate() as env:
        def start(made_of, named, images):
            web = {"Id": id_of("web"), "Name": "/web", "Image": made_of, "Config": {"Image": named},
                   "HostConfig": {}, "Mounts": [], "NetworkSettings": {"Networks": {}}}
            env.fake.facts = {"container": {"web": web}, "image": images}
            return env.ask("POST", "/v1.41/containers/web/start").status
        equal(start(ID, ID, {ID: image()}), 200, "made by ID")
        equal(start(ID, REPOSITORY + ":1.0", {ID: image()}), 200, "made by name")
        equal(start(OTHER, REPOSITORY + ":1.0", {REPOSITORY + ":1.0": image(), OTHER: image(OTHER, digests=())}),
              403, "the name stands for a signed one by now")
        check("is not as this role would have made it" in env.line()["reason"], f"{env.line()}")


@suite.test
def services_and_pulls():
    """a digest that is signed goes on; by tag a store cannot tell what it is"""
    with Gate() as env:
        def service(reference):
            body = {"Name": "s", "TaskTemplate": {"ContainerSpec": {"Image": reference}}}
            return env.ask("POST", "/v1.41/services/create", json.dumps(body).encode(), JSON).status
        equal(service(f"{REPOSITORY}:1.0@{DIGEST}"), 200, "by digest")
        equal(service(f"{REPOSITORY}@{OTHER}"), 403, "by another")
        equal(service(f"{REPOSITORY}:1.0"), 403, "by tag")
        equal(env.line()["signature"]["reason"], "tag_unresolved", "why")
        for target, reason in ((f"fromImage={REPOSITORY}&tag=1.0", "tag_unresolved"),
                               (f"fromImage={REPOSITORY}&tag={OTHER}", "no_signature"),
                               (f"fromImage={REPOSITORY}", "all_tags")):
            answer = env.ask("POST", "/v1.41/images/create?" + target)
            equal((answer.status, env.line()["signature"]["reason"]), (403, reason), target)
        equal(env.ask("POST", "/v1.41/build?t=x").status, 403, "a build")


@suite.test
def audit_mode():
    """--mode audit records what would be refused, and lets it through as it was asked"""
    with Gate("--mode", "audit") as env:
        equal(env.create(found=image(OTHER, digests=())), (200, REPOSITORY + ":1.0"), "as it was asked")
        line = env.line()
        equal((line["decision"], line["would_deny"], line["signature"]["reason"]), ("allow", True, "no_digest"),
              "the line")
        check("uses" in line, "what it needs of a role is told all the same")
        equal(env.create(), (200, ID), "what is signed goes on by its ID")


@suite.test
def lists_of_the_policy():
    """digests and IDs that the policy lists need no key and no folder"""
    entry = {"match": "registry.example.com/**", "digests": [DIGEST], "ids": [OTHER]}
    with Gate(entry=entry) as env:
        equal(env.create(), (200, ID), "by digest")
        equal(env.line()["signature"], {"reason": "ok", "digest": DIGEST, "format": "digests"}, "the line")
        equal(env.create(found=image(OTHER, digests=())), (200, OTHER), "by ID")
        equal(env.line()["signature"]["format"], "ids", "the line")
        equal(env.create(found=image("sha256:" + "77" * 32, digests=()))[0], 403, "neither")
