"""The proxy with a registry helper of its own: its verdicts, its start, its helper's death."""
import base64
import json
import os
import signal

from admin_env import AdminEnv
from behaviour_registry import the_world
from harness import ROOT, Env, Suite, check, equal, run_bin, settings, wait_for
from registry_world import PASSWORD, USER, digest_of, helper_path, store, store_name

suite = Suite()


def registry_test(function):
    """A test that needs docker-registry and the helper, which REGISTRY=0 leaves out."""
    def run():
        if os.access(helper_path(), os.X_OK) and the_world().basic:
            function(the_world())
    run.__name__, run.__doc__, run.__module__ = function.__name__, function.__doc__, function.__module__
    return suite.test(run)


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += [int(word) for word in file.read().split()]
    return found


def pull(env, host, tag, headers=()):
    answer = env.ask("POST", f"/images/create?fromImage={host}/acme/app&tag={tag}", b"", headers)
    return answer.status, answer.body.decode()


@registry_test
def verify_command(w):
    """sockwarden verify: signed, unsigned, absent, and a registry that may not be asked"""
    policy = w.policy(w.base + "/verify.json", w.basic.host, w.bearer.host, "10.255.255.1")
    options = ["--policy", policy, *w.options(w.basic, w.bearer, w.tokens)]
    rows = [(w.basic.host, "1.2", 0, "verdict   signed"), (w.bearer.host, "1.2", 0, w.digest),
            (w.bearer.host, "unsigned", 3, "no_signature"), (w.basic.host, "none", 3, "no such image"),
            ("10.255.255.1", "1", 3, "registry_error")]
    for host, tag, status, part in rows:
        done = run_bin("verify", f"{host}/acme/app:{tag}", *options)
        text = done.stdout.decode() + done.stderr.decode()
        check(part in text, f"{host}:{tag}: {part!r} is not in {text!r}")
        equal(done.returncode, status, f"{host}:{tag}: status of verify ({text})")
    os.chmod(w.base + "/config.json", 0o644)
    done = run_bin("verify", f"{w.basic.host}/acme/app:1.2", *options)
    equal((done.returncode, b"chmod 600" in done.stderr), (1, True), "logins that others may read")


VECTORS = os.path.join(ROOT, "tests", "signatures")
# Not for a registry to show: the index is asked for by its own digest there.
NOT_SHOWN = {"x23-child-not-in-signed-index"}


def read(*path):
    with open(os.path.join(VECTORS, *path), "rb") as file:
        return file.read()


def keep_vector(w, name, case):
    """Puts a vector into the registries' storage, each blob by the name that it bears."""
    folder = os.path.join(VECTORS, "cases", name)
    files = set(os.listdir(folder))
    blobs = {file: read(folder, "blobs", file) for file in
             (os.listdir(os.path.join(folder, "blobs")) if "blobs" in files else ())}
    stem = case["intended"]["digest"].replace(":", "-")
    manifests = [(file.removesuffix(".json"), read(folder, file)) for file in ("manifest.json", "child.json")
                 if file in files]
    if "sig.json" in files:
        manifests.append((stem + ".sig", read(folder, "sig.json")))
    if "referrers.json" in files:
        manifests.append((stem, read(folder, "referrers.json")))
    manifests += [("b" + file[:20], data) for file, data in blobs.items()]
    repository = "vectors/" + name
    store(w.base, repository, [], [("1.0" if tag == "manifest" else tag, data) for tag, data in manifests])
    for file, data in blobs.items():
        if digest_of(data) != "sha256:" + file:
            store_name(w.base, repository, file, data)


def vector_entry(w, name, case):
    entry = {"match": f"{w.basic.host}/vectors/{name}", "keys": [key + ".pub" for key in case["keys"]],
             "identity": case["identity"], "source": "registry"}
    if case["identity"] != "any":
        entry["signed_repository"] = case["intended"]["repository"]
    if case["kind"] == "bundle":
        entry["formats"] = ["sigstore-bundle"]
    return entry


@registry_test
def vectors(w):
    """every vector of tests/signatures through docker-registry: TLS, a login, and the verdict that it must get"""
    keys = os.path.join(w.base, "vector-keys")
    os.makedirs(keys, exist_ok=True)
    for file in os.listdir(os.path.join(VECTORS, "keys")):
        with open(os.path.join(keys, file), "wb") as copy:
            copy.write(read("keys", file))
        os.chmod(os.path.join(keys, file), 0o644)
    names = sorted(set(os.listdir(os.path.join(VECTORS, "cases"))) - NOT_SHOWN)
    options = ["--key-dir", keys, *w.options(w.basic)[2:]]
    wrong = []
    for name in names[::4 if settings["sanitized"] else 1]:
        case = json.loads(read("cases", name, "case.json"))
        keep_vector(w, name, case)
        path = os.path.join(w.base, "vector.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"version": 1, "roles": {"default": {
                "extends": "builtin:all", "images": {"signed": [vector_entry(w, name, case)]}}}}, file)
        done = run_bin("verify", f"{w.basic.host}/vectors/{name}:1.0", "--policy", path, *options)
        text = done.stdout.decode() + done.stderr.decode()
        weak = case["reason"] == "weak_key"     # refuses the policy
        status = 1 if weak else 0 if case["expect"] == "allow" else 3
        word = "2048" if weak else "verdict   signed" if status == 0 else case["reason"]
        if done.returncode != status or word not in text:
            wrong.append(f"{name}: status {done.returncode}, wanted {status} and {word!r}: {text}")
    check(not wrong, "\n".join(wrong))


@registry_test
def helper_of_serve(w):
    """asked by all workers; its death is logged, counted and survived; it ends with the proxy"""
    policy = w.policy(w.base + "/serve.json", w.bearer.host)
    with AdminEnv("--workers", "3", *w.options(w.bearer, w.tokens), start=False) as env:
        env.args[env.args.index("--role")] = "--policy"
        env.args[env.args.index("--policy") + 1] = policy
        env.start()
        starter, = children(env.process.pid)
        for _ in range(4):
            status, text = pull(env, w.bearer.host, "unsigned")
            equal((status, "no signature" in text or "no_signature" in text), (403, True), text)
        equal(env.metrics().get("sockwarden_registry_helper_deaths_total"), 0, "deaths")
        helper, = children(starter)
        os.kill(helper, signal.SIGKILL)
        env.wait_metric(1, "sockwarden_registry_helper_deaths_total")
        wait_for(lambda: "registry helper was ended by signal 9" in env.stderr(), "the log's word")
        status, text = pull(env, w.bearer.host, "other")
        equal((status, "no such image" in text), (403, True), f"after the helper's death: {text}")
        check(children(starter) != [helper], "the same helper")
        os.kill(starter, signal.SIGKILL)
        wait_for(lambda: "restart sockwarden" in env.stderr(), "the log's word on its starter")
        status, text = pull(env, w.bearer.host, "another")
        equal(status, 503, f"without a helper: {text}")
        equal(env.metrics().get("sockwarden_registry_helper_up"), 0, "helper_up")
    wait_for(lambda: not os.path.exists(f"/proc/{starter}/task"), "the helper's end")


@registry_test
def client_login(w):
    """X-Registry-Auth of the request, where the operator has given no login for the registry"""
    policy = w.policy(w.base + "/client.json", w.basic.host)
    options = w.options(w.basic)
    at = options.index("--registry-auth")
    with Env("--policy", policy, *options[:at], *options[at + 2:], start=False) as env:
        at = env.args.index("--role")
        del env.args[at:at + 2]
        env.start()
        rows = [({}, "wants a login"), ({"username": USER, "password": "no"}, "another login"),
                ({"username": USER, "password": PASSWORD, "serveraddress": "https://evil.example"}, "signature")]
        for tag, (login, part) in enumerate(rows):
            header = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
            status, text = pull(env, w.basic.host, ["1", "2", "unsigned"][tag], ["X-Registry-Auth: " + header])
            equal((status, part in text), (403, True), text)
        status, text = pull(env, w.basic.host, "4", ["X-Registry-Auth: !!!"])
        equal((status, "X-Registry-Auth" in text), (403, True), text)
        check(PASSWORD not in env.stderr() and PASSWORD not in json.dumps(env.audit()), "the password was told")


@registry_test
def no_rule_no_helper(w):
    """no process is started for it; a reload that wants one is refused, a start without it, too"""
    policy = w.policy(w.base + "/none.json", w.basic.host, source="store")
    options = ["--policy", policy, "--signature-store", w.keys, *w.options(w.basic)]
    with Env(*options, start=False) as env:
        at = env.args.index("--role")
        del env.args[at:at + 2]
        env.start()
        equal(children(env.process.pid), [], "processes")
        w.policy(policy, w.basic.host)
        env.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "no registry helper was started" in env.stderr(), "the refused reload")
    done = run_bin("serve", "-H", f"unix://{w.base}/s.sock", "--policy", policy, "--key-dir", w.keys,
                   "--registry-ca", w.base + "/missing.pem", "--audit-log", "none")
    equal((done.returncode, b"--registry-ca" in done.stderr), (1, True), done.stderr)
    for words in (["--registry-private", "https://x"], ["--registry-proxy", "x"], ["--registry-direct", "x.y"],
                  ["--registry-timeout", "0"]):
        done = run_bin("serve", *words)
        equal((done.returncode, words[0].encode() in done.stderr), (2, True), done.stderr)
