"""Volumes and names of images that change while a container is made: they are looked at once more
behind the create."""
import json
import os
import threading

from fake_dockerd import response
from harness import Env, Suite, check, equal, wait_for

suite = Suite()
JSON = ["Content-Type: application/json"]
ID = "c0ffee" + "0" * 58
CREATE = ("POST", "/v1.41/containers/create?name=x")
MADE = response(b'{"Id":"%s","Warnings":[]}' % ID.encode(), "201 Created")
PLAIN = {"Name": "v", "Driver": "local", "Options": None, "Labels": None}
ROOT = {**PLAIN, "Options": {"type": "none", "o": "bind", "device": "/"}}
BELOW = {**PLAIN, "Options": {"type": "none", "o": "bind", "device": "/srv/ci/a"}}
PLUGIN = {**PLAIN, "Driver": "evil"}
NONE = "get v: no such volume"
BINDS = {"Binds": ["v:/x"]}
MOUNTS = {"Mounts": [{"Type": "volume", "Source": "v", "Target": "/x"}]}


def body(host):
    return json.dumps({"Image": "registry.example.com/a:1", "HostConfig": host}).encode()


def told(answer):
    """The daemon's answer to a look."""
    if isinstance(answer, str):
        return response(json.dumps({"message": answer}).encode(), "404 Not Found")
    return response(json.dumps(answer).encode())


def volumes(env, *looks, path="/volumes/v"):
    """The daemon's answers to the looks at the volume, one after another; the last one stays."""
    left = list(looks)

    def handler(conn, _):
        return conn.send(told(left.pop(0) if len(left) > 1 else left[0]))
    env.fake.handle(path, handler)


def containers(env, made=MADE, removed=response(b"", "204 No Content")):
    env.fake.handle("/containers/create", lambda conn, _: conn.send(made))
    env.fake.handle("/containers/" + ID, lambda conn, _: conn.send(removed))


def policy_of(env, document, role):
    path = os.path.join(env.dir, "policy.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    os.chmod(path, 0o600)
    at = env.args.index("--role")
    env.args[at:at + 2] = ["--policy", path, "--role", role]
    env.start()


def looks(env):
    return [r.path for r in env.fake.lookups]


def removals(env):
    return [r.target for r in env.fake.requests if r.method == "DELETE"]


STAYS = [("as it was", BINDS, PLAIN, PLAIN), ("as a mount", MOUNTS, PLAIN, PLAIN),
         ("made by the create", BINDS, NONE, PLAIN),
         ("another one that passes", BINDS, PLAIN, BELOW)]


@suite.test
def unchanged():
    """a volume that passes again: the daemon's answer goes on to the byte"""
    for name, host, *answers in STAYS:
        with Env(policy="reference.json") as env:
            volumes(env, *answers)
            containers(env)
            client = env.client()
            for _ in range(2):
                answer = client.ask(*CREATE, body(host), JSON)
                equal(answer.status, 201, name)
                equal(answer.body, MADE.split(b"\r\n\r\n", 1)[1], name)
            equal(looks(env), ["/volumes/v"] * 4, f"{name}: looks")
            equal(removals(env), [], f"{name}: removals")
            equal(env.wait_audit(2, record="end")[0]["status"], 201, "status of the end")
            equal([x for x in env.audit() if x["record"] == "verify"], [], f"{name}: audit")
            # The first look goes over the client's own connection, the second over another one.
            check(env.fake.lookups[0].conn is not env.fake.lookups[1].conn, f"{name}: one line")


CHANGES = [("to the root", BINDS, PLAIN, ROOT), ("as a mount", MOUNTS, PLAIN, ROOT),
           ("that was not there", BINDS, NONE, ROOT), ("to a plugin", BINDS, PLAIN, PLUGIN),
           ("from one that passes", BINDS, BELOW, ROOT),
           ("to what cannot be read", BINDS, PLAIN, [1])]


@suite.test
def changed():
    """a volume that was exchanged: the container is removed, 403, and the client goes on"""
    for name, host, *answers in CHANGES:
        with Env(policy="reference.json") as env:
            volumes(env, *answers)
            containers(env)
            client = env.client()
            answer = client.ask(*CREATE, body(host), JSON)
            equal(answer.status, 403, name)
            text = answer.message()
            check(text.endswith("; a volume changed while the container was made; the container "
                                "has been removed"), f"{name}: {text}")
            equal(removals(env), [f"/containers/{ID}?force=1&v=1"], f"{name}: removals")
            line = env.wait_audit(record="verify")[0]
            equal((line["decision"], line["status"], line["container"], line["removed"]),
                  ("deny", 403, ID, True), f"{name}: audit")
            equal(line["operation"], "ContainerCreate", f"{name}: operation")
            equal([x["decision"] for x in env.audit() if x["record"] == "request"], ["allow"],
                  "the first decision")
            equal(client.ask("GET", "/_ping").status, 200, f"{name}: the same client")
            equal(env.wait_audit(record="end")[0]["status"], 403, "status of the end")


@suite.test
def one_of_many():
    """of many volumes one that was exchanged is enough, also one of a container joined"""
    with Env(policy="reference.json") as env:
        containers(env)
        for i in range(20):
            volumes(env, PLAIN, ROOT if i == 13 else PLAIN, path=f"/volumes/v{i}")
        answer = env.ask(*CREATE, body({"Binds": [f"v{i}:/x{i}" for i in range(20)]}), JSON)
        equal(answer.status, 403, "status")
        equal(len(looks(env)), 40, "looks")
        equal(len(removals(env)), 1, "removals")


OWNED = {"version": 1, "roles": {"ci": {
    "extends": "builtin:default", "owner": {"label": "com.example.who", "value": "uid-${uid}"}}}}


@suite.test
def made_for_owner():
    """a volume that was made for its owner must be his when the container has it"""
    own = {**PLAIN, "Labels": {"com.example.who": f"uid-{os.getuid()}"}}
    cases = (("his", own, 201), ("not his", {**PLAIN, "Labels": {"com.example.who": "eve"}}, 403),
             ("nobody's", PLAIN, 403), ("gone", NONE, 403))
    for name, last, status in cases:
        with Env(start=False) as env:
            policy_of(env, OWNED, "ci")
            volumes(env, NONE, last)
            containers(env)
            env.fake.handle("/volumes/create", lambda conn, _: conn.send(
                response(json.dumps(own).encode(), "201 Created")))
            answer = env.ask(*CREATE, body({**BINDS, "NetworkMode": "none"}), JSON)
            equal(answer.status, status, f"{name}: {answer.body}")
            equal([r.path for r in env.fake.requests].count("/volumes/create"), 1, f"{name}: made")
            equal(len(removals(env)), 0 if status == 201 else 1, f"{name}: removals")


IMAGE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REFERENCE = "registry.example.com/a:1"
LABELS = {"version": 1, "roles": {"ci": {
    "extends": "builtin:default", "containers": {"labels": {"deny": ["traefik.*"]}}}}}
OWN_IMAGES = {"version": 1, "roles": {"ci": {
    "extends": "builtin:default", "images": {"allow": ["registry.example.com/**"]},
    "objects": {"images": {"labels": {"team": "web"}}}}}}


def image_of(identity=IMAGE, names=(REFERENCE,), **labels):
    return {"Id": identity, "RepoTags": list(names), "RepoDigests": [], "Config": {"Labels": labels}}


def made_of(env, image, *, inspect=None):
    """The daemon makes the container of this image, whatever was looked at before."""
    containers(env)
    env.fake.handle(f"/containers/{ID}/json", lambda conn, _: conn.send(
        told(inspect if inspect is not None else {"Id": ID, "Image": image})))


def image_says(env, answer, reference=REFERENCE):
    env.fake.handle(f"/images/{reference}/json", lambda conn, _: conn.send(told(answer)))


# name, policy, the daemon's image, of what the container is made, status
NAMES = [
    ("stays", LABELS, image_of(), IMAGE, 201),
    ("stays, told without the algorithm", LABELS, image_of(), IMAGE[7:], 201),
    ("moves", LABELS, image_of(), OTHER, 403),
    ("comes in between", LABELS, "No such image", IMAGE, 403),
    ("stays, by what is there", OWN_IMAGES, image_of(team="web"), IMAGE, 201),
    ("moves, by what is there", OWN_IMAGES, image_of(team="web"), OTHER, 403),
    ("comes in between, by what is there", OWN_IMAGES, "No such image", IMAGE, 403),
]


@suite.test
def name_moves():
    """a container of another image than the one that was judged is removed; the name goes on"""
    for name, document, image, made, status in NAMES:
        with Env(start=False) as env:
            policy_of(env, document, "ci")
            image_says(env, image)
            made_of(env, made)
            client = env.client()
            answer = client.ask(*CREATE, body({"NetworkMode": "none"}), JSON)
            equal(answer.status, status, f"{name}: {answer.body}")
            create = next(r for r in env.fake.requests if r.path.endswith("/containers/create"))
            equal(json.loads(create.body)["Image"], REFERENCE, f"{name}: the name is kept")
            equal(len(removals(env)), 0 if status == 201 else 1, f"{name}: removals")
            if status == 403:
                check("went to another one while" in answer.message(), f"{name}: {answer.body}")
                line = env.wait_audit(record="verify")[0]
                equal((line["decision"], line["status"], line["container"], line["removed"]),
                      ("deny", 403, ID, True), f"{name}: audit")
            equal(client.ask("GET", "/_ping").status, 200, f"{name}: the same client")


@suite.test
def image_cannot_be_told():
    """a new container that does not tell its image is removed"""
    for inspect in ({"Id": ID}, {"Id": ID, "Image": ""}, {"Id": ID, "Image": 1}, [IMAGE], "gone"):
        with Env(start=False) as env:
            policy_of(env, LABELS, "ci")
            image_says(env, image_of())
            made_of(env, None, inspect=inspect)
            answer = env.ask(*CREATE, body({"NetworkMode": "none"}), JSON)
            equal(answer.status, 403, f"{inspect}: {answer.body}")
            check("cannot be looked at again" in answer.message(), f"{inspect}: {answer.body}")
            equal(len(removals(env)), 1, f"{inspect}: removals")


@suite.test
def name_and_volume():
    """of a volume and a name either that changes is enough; both are looked at at once"""
    for last, made, status in ((PLAIN, IMAGE, 201), (PLAIN, OTHER, 403), (ROOT, IMAGE, 403)):
        with Env(start=False) as env:
            policy_of(env, LABELS, "ci")
            volumes(env, PLAIN, last)
            image_says(env, image_of())
            made_of(env, made)
            answer = env.ask(*CREATE, body({**BINDS, "NetworkMode": "none"}), JSON)
            equal(answer.status, status, f"{last} {made}: {answer.body}")
            equal(len(removals(env)), 0 if status == 201 else 1, "removals")


@suite.test
def no_room_to_look():
    """as many objects as one request may name leave no room for the new container: nothing is made"""
    for count, status in ((30, 201), (31, 403)):
        with Env(start=False) as env:
            policy_of(env, LABELS, "ci")
            for i in range(count):
                volumes(env, PLAIN, path=f"/volumes/v{i}")
            image_says(env, image_of())
            made_of(env, IMAGE)
            binds = [f"v{i}:/x{i}" for i in range(count)]
            answer = env.ask(*CREATE, body({"Binds": binds, "NetworkMode": "none"}), JSON)
            equal(answer.status, status, f"{count}: {answer.body}")
            made = [r for r in env.fake.requests if r.path.endswith("/containers/create")]
            equal(len(made), 1 if status == 201 else 0, f"{count}: made")


@suite.test
def no_name_to_move():
    """without a rule about what the image is, and where it is named by ID, the new one is not asked"""
    cases = (("no rule", {"version": 1, "roles": {"ci": {"extends": "builtin:default"}}}, REFERENCE),
             ("by ID", LABELS, IMAGE), ("by its digits", LABELS, IMAGE[7:]))
    for name, document, reference in cases:
        with Env(start=False) as env:
            policy_of(env, document, "ci")
            image_says(env, image_of(), reference)
            made_of(env, OTHER)
            sent = json.dumps({"Image": reference, "HostConfig": {"NetworkMode": "none"}}).encode()
            answer = env.ask(*CREATE, sent, JSON)
            equal(answer.status, 201, f"{name}: {answer.body}")
            check(not any(ID in path for path in looks(env)), f"{name}: {looks(env)}")


@suite.test
def mounted_image():
    """an image that is mounted goes on by its ID, and one that is not there is none"""
    for answer, status in ((image_of(team="web"), 201), (image_of(team="db"), 403),
                           ("No such image: x", 404)):
        with Env(start=False) as env:
            policy_of(env, OWN_IMAGES, "ci")
            image_says(env, image_of(OTHER, team="web"))
            image_says(env, answer, "registry.example.com/m:1")
            made_of(env, OTHER)
            mounts = {"NetworkMode": "none", "Mounts": [
                {"Type": "image", "Source": "registry.example.com/m:1", "Target": "/x"}]}
            got = env.ask("POST", "/v1.48/containers/create?name=x", body(mounts), JSON)
            equal(got.status, status, f"{got.body}")
            if status == 201:
                create = next(r for r in env.fake.requests if r.path.endswith("/containers/create"))
                equal(json.loads(create.body)["HostConfig"]["Mounts"][0]["Source"], IMAGE, "source")


@suite.test
def nothing_to_verify():
    """a create that looked at no volume, and one that failed, cost nothing more"""
    with Env(policy="reference.json") as env:
        containers(env)
        client = env.client()
        for host in ({}, {"Binds": ["/srv/ci/a:/x"]},
                     {"Mounts": [{"Type": "volume", "Target": "/x"}]}):
            equal(client.ask(*CREATE, body(host), JSON).status, 201, f"{host}")
        check(not any(path.startswith("/volumes") for path in looks(env)), f"looks: {looks(env)}")
        equal(env.fake.used(), 1, "connections to the daemon")
        volumes(env, PLAIN)
        containers(env, response(b'{"message":"in use"}', "409 Conflict"))
        answer = client.ask(*CREATE, body(BINDS), JSON)
        equal((answer.status, answer.message()), (409, "in use"), "the daemon's own refusal")
        equal(looks(env).count("/volumes/v"), 1, "looks")
        equal(removals(env), [], "removals")


@suite.test
def removal_fails():
    """when the container cannot be removed, status, sentence, log and audit say so"""
    cases = [("refused", response(b'{"message":"busy disk"}', "500 Internal Server Error"),
              "busy disk"), ("no answer", b"", "closed the connection")]
    for name, removed, why in cases:
        with Env(policy="reference.json") as env:
            volumes(env, PLAIN, ROOT)
            containers(env, removed=removed)
            if not removed:
                env.fake.handle("/containers/" + ID, lambda *_: False)
            answer = env.ask(*CREATE, body(BINDS), JSON)
            equal(answer.status, 502, name)
            text = answer.message()
            check(ID in text and why in text, f"{name}: {text}")
            check(ID in env.stderr(), f"{name}: not logged")
            line = env.wait_audit(record="verify")[0]
            equal((line["status"], line["removed"]), (502, False), f"{name}: audit")


@suite.test
def gone_already():
    """a container that somebody else has removed is gone, too"""
    with Env(policy="reference.json") as env:
        volumes(env, PLAIN, ROOT)
        containers(env, removed=told("No such container: " + ID))
        equal(env.ask(*CREATE, body(BINDS), JSON).status, 403, "status")
        equal(env.wait_audit(record="verify")[0]["removed"], True, "audit")


@suite.test
def daemon_does_not_say():
    """a volume that cannot be looked at again: the container is removed"""
    for name, handler in (("silent", lambda conn, _: conn.rest() and False),
                          ("hangs up", lambda *_: False)):
        with Env("--upstream-timeout", "1", policy="reference.json") as env:
            containers(env)
            first = threading.Event()

            def look(conn, request, handler=handler, first=first):
                if not first.is_set():
                    first.set()
                    return conn.send(told(PLAIN))
                return handler(conn, request)
            env.fake.handle("/volumes/v", look)
            answer = env.ask(*CREATE, body(BINDS), JSON)
            equal(answer.status, 403, name)
            check("removed" in answer.message(), f"{name}: {answer.message()}")
            equal(len(removals(env)), 1, f"{name}: removals")


@suite.test
def client_leaves():
    """a client that leaves while the container is made, or looked at, leaves none behind"""
    for where in ("/containers/create", "/volumes/v"):
        with Env(policy="reference.json") as env:
            volumes(env, PLAIN, ROOT)
            containers(env)
            inner, _ = env.fake.handlers[where]
            reached, left = threading.Event(), threading.Event()
            count = []

            def held(conn, request, inner=inner, count=count, reached=reached, left=left,
                     last=1 if where == "/containers/create" else 2):
                count.append(1)
                if len(count) == last:
                    reached.set()
                    left.wait(5)
                return inner(conn, request)
            env.fake.handle(where, held)
            client = env.client()
            client.request(*CREATE, body(BINDS), JSON)
            check(reached.wait(5), f"{where}: not reached")
            client.close()
            env.ask("GET", "/_ping")    # a turn of the loop, so that the end has been seen
            left.set()
            wait_for(lambda: removals(env), f"{where}: the removal")
            equal(env.wait_audit(record="verify")[0]["removed"], True, f"{where}: audit")


BAD = {
    "no ID": b"{}", "short ID": b'{"Id":"abc"}', "not JSON": b"x", "a list": b"[1]",
    "a path": b'{"Id":"%s"}' % (b"../" * 21 + b"a"), "nothing": b"",
    "large": b'{"Id":"%s","Warnings":["%s"]}' % (ID.encode(), b"a" * 20000),
}


@suite.test
def answers_without_id():
    """an answer that does not tell which container was made is not passed on"""
    for name, text in BAD.items():
        with Env(policy="reference.json") as env:
            volumes(env, PLAIN)
            containers(env, response(text, "201 Created"))
            answer = env.ask(*CREATE, body(BINDS), JSON)
            equal(answer.status, 502, name)
            answer.message()
            equal(removals(env), [], f"{name}: removals")
            equal(env.wait_audit(record="verify")[0]["removed"], False, f"{name}: audit")


@suite.test
def answers_in_pieces():
    """an answer that comes in chunks and byte by byte is held until it is whole"""
    text = MADE.split(b"\r\n\r\n", 1)[1]
    data = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n" \
        + b"".join(b"1\r\n%c\r\n" % c for c in text) + b"0\r\n\r\n"
    for last, status in ((PLAIN, 201), (ROOT, 403)):
        with Env(policy="reference.json") as env:
            volumes(env, PLAIN, last)
            containers(env)
            env.fake.handle("/containers/create", lambda conn, _: all(
                conn.send(data[i:i + 1]) for i in range(len(data))))
            answer = env.ask(*CREATE, body(BINDS), JSON)
            equal(answer.status, status, "status")
            if status == 201:
                equal(answer.body, text, "body")


@suite.test
def many_at_once():
    """many creates at a time whose volumes change, beside others: each gets its own verdict"""
    with Env(policy="reference.json") as env:
        containers(env)
        bad, good = set(range(0, 40, 3)), []
        for i in range(40):
            volumes(env, PLAIN, ROOT if i in bad else PLAIN, path=f"/volumes/w{i}")
        clients = [env.client() for _ in range(40)]
        for i, client in enumerate(clients):
            client.request(*CREATE, body({"Binds": [f"w{i}:/x"]}), JSON)
        for i, client in enumerate(clients):
            status = client.read_response().status
            equal(status, 403 if i in bad else 201, f"create {i}")
            good.append(status == 201)
        equal(len(removals(env)), len(bad), "removals")
        env.check_rss()
