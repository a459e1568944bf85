"""What the policy engine reads is what dockerd reads: odd inputs (differential_json.py, _rows.py)
go through sockwarden under builtin:all; what dockerd made of them is compared with what
tests/reading says the engine saw, and with what stricter roles would have allowed. A refusal is
always safe, but each row says what must become of it.
"""
import io
import ipaddress
import json
import re
import tarfile
import urllib.parse

import differential_json as bodies
import differential_rows as rows
import engine
from differential import (IMAGE, PROBE, RUN_CONFORM, Group, alike, below, ci_folder, compare,
                          conform, empty, readings, run_probe, send)
from harness import Skip, check, scenario


# ---- creates ------------------------------------------------------------------------------------

class Creates:
    """Sends rows of ContainerCreate and looks at what the daemon made."""

    def __init__(self, t, name):
        self.t, self.group = t, Group(t, name)
        self.folder = ci_folder(t)
        self.helper = t.inspect(t.made("sleep", "1000", word="helper"))["Id"]
        self.plain_run = run_probe(t, t.made("sh", "-c", PROBE, start=False, word="plain"))
        self.baseline = [self.plain({}), self.plain({"HostConfig": {}})]

    def plain(self, body):
        """What the daemon makes when nothing is asked for."""
        name = self.t.name("plain")
        self.t.engine("POST", "/containers/create?name=" + name, {"Image": IMAGE, **body}, (201,))
        made = self.t.inspect(name)
        made["Config"]["Hostname"] = ""
        return made

    def clean(self, ident):
        made = self.t.inspect(ident)
        self.t.engine("DELETE", "/containers/%s?force=1&v=1" % ident)
        for mount in made["Mounts"] if made else []:
            if mount["Type"] == "volume":
                self.t.engine("DELETE", "/volumes/%s?force=1" % mount["Name"])

    def direct(self, target, body):
        answer = send(self.group.daemon, "POST", target, body)
        if answer.status == 201:
            self.clean(answer.json()["Id"])
        return answer.status == 201

    def body(self, body, probe):
        if probe:
            cmd = '%s,"Cmd":%s' % (bodies.TINY, json.dumps(["sh", "-c", PROBE]))
            body = body.replace(bodies.TINY.encode(), cmd.encode())
        return body.replace(b"@CI@", self.folder.encode()).replace(b"@ID@", self.helper.encode())

    def run(self, table, probe=(), request=None, look=None):
        """probe: roles for which a container that they allow is started as well. request: makes
        target and body of a row, which else is the body."""
        target = "/v1.41/containers/create?name=" + self.t.name("row")
        request = request or (lambda row: (target, self.body(row, probe)))
        sent = [("POST", *request(row)) for _, row in table]
        for (fate, row), (_, path, body), reading in zip(table, sent, readings(self.t, sent)):
            answer = send(self.group.proxy, "POST", path, body)
            self.group.fate(row, fate, reading, answer, answer.status == 201,
                            lambda: self.direct(path, body))
            if answer.by_daemon and answer.status == 201:
                ident = answer.json()["Id"]
                (look or self.look)(row, reading, ident, probe)
                self.clean(ident)

    def look(self, row, reading, ident, probe):
        made = self.t.inspect(ident)
        body = reading.get("body")
        if not isinstance(body, dict):
            return self.group.complain(row, "was made, and the engine read no body")
        compare(self.group, row, body, made, self.baseline)
        conform(self.group, row, reading, made, self.baseline[0], self.folder)
        if any(reading["verdicts"][role] == "" for role in probe):
            self.look_inside(row, reading, ident)

    def look_inside(self, row, reading, ident):
        seen = run_probe(self.t, ident)
        if seen is None:
            return
        conform(self.group, row, reading, self.t.inspect(ident), self.baseline[0],
                self.folder)
        for role, bad in RUN_CONFORM.items():
            if reading["verdicts"][role]:
                continue
            self.group.judged["run " + role] = self.group.judged.get("run " + role, 0) + 1
            if bad(seen, self.plain_run):
                self.group.complain(row, "the role \"%s\" allows it, and inside it is %r", role,
                                    seen)


@scenario(cli=False, proxy=True, timeout=120)
def differential_json(t):
    creates = Creates(t, "json")
    creates.run(bodies.JSON_WHOLE)
    creates.run(bodies.JSON_CONFIG)
    creates.run(bodies.JSON_HOST)
    creates.group.end("limits", "env")


@scenario(cli=False, proxy=True, timeout=120)
def differential_mounts(t):
    creates = Creates(t, "mounts")
    creates.run(rows.BINDS)
    creates.run(rows.MOUNTS)
    creates.run(rows.TMPFS, probe=("shm",))
    creates.group.end("binds", "tmpfs", "shm", "run shm")


@scenario(cli=False, proxy=True, timeout=120)
def differential_powers(t):
    creates = Creates(t, "powers")
    creates.run(rows.CAPS, probe=("drops",))
    creates.run(rows.SECURITY, probe=("security",))
    creates.run(rows.SPACES)
    creates.run(rows.USERS, probe=("user",))
    creates.group.end("caps", "spaces", "run user", "run drops", "run security")


@scenario(cli=False, proxy=True, timeout=120)
def differential_values(t):
    creates = Creates(t, "values")
    creates.run(rows.SYSCTLS)
    creates.run(rows.ENV)
    creates.run(rows.PORTS, probe=("ports",))
    creates.group.end("sysctls", "env", "labels", "ports")


# ---- names and targets --------------------------------------------------------------------------

@scenario(cli=False, proxy=True, timeout=120)
def differential_names(t):
    """?name= of a create: the container has the name that was read, or one of the daemon's own."""
    creates = Creates(t, "names")

    def look(row, reading, ident, _):
        made = t.inspect(ident)
        name = reading["params"].get("name", {"value": ""})["value"]
        if name and made["Name"] != "/" + name.removeprefix("/") or \
                not name and re.search("ci-|other", made["Name"]):
            creates.group.complain(row, "the engine read %r, the daemon %r", name, made["Name"])
        conform(creates.group, row, reading, made, creates.baseline[0], creates.folder)

    body = b"{%s}" % bodies.TINY.encode()
    creates.run(rows.NAMES, look=look,
                request=lambda row: ("/v1.41/containers/create?" + row, body))
    creates.group.end("names")


def spelled(target, name, ident):
    twice = "".join("%%25%02x" % byte for byte in name.encode())
    values = {"NAMEDASH": name.replace("-", "%2D"), "NAMEDOT": name.replace(".", "%2E"),
              "NAMETWICE": twice, "NAMEUP": name.upper(), "NAME": name, "ID12": ident[:12],
              "ID8": ident[:8], "IDUP": ident.upper(), "ID": ident}
    for word, value in values.items():
        target = target.replace("@%s@" % word, value)
    return target


def takes(path, target):
    answer = send(path, "GET", target)
    return answer.status == 200 and isinstance(answer.json(), dict) and "Id" in answer.json()


@scenario(cli=False, proxy=True, timeout=120)
def differential_targets(t):
    """GET of an object by odd spellings: the object that comes is the one that was read."""
    group = Group(t, "targets")
    name = t.name() + ".x-y"
    _, made = t.engine("POST", "/containers/create?name=" + name, {"Image": IMAGE}, (201,))
    todo = [(fate, spelled(row, name, made["Id"]), "") for fate, row in rows.TARGETS]
    for network, spellings in rows.NETWORKS:
        t.engine("POST", "/networks/create", {"Name": network}, (201,))
        todo += [(fate, "/v1.41/networks/" + path, network) for fate, path in spellings]
    asked = readings(t, [("GET", target, None) for _, target, _ in todo])
    for (fate, target, network), reading in zip(todo, asked):
        answer = send(group.proxy, "GET", target)
        found = answer.json() if answer.status == 200 else {}
        group.fate(target, fate, reading, answer, "Id" in found,
                   lambda: takes(group.daemon, target))
        if not answer.by_daemon or "Id" not in found:
            continue
        read = reading["name"]
        by_id = reading["operation"] == "ContainerInspect" and found["Id"].startswith(read)
        if found["Name"] not in (read, "/" + read) and not by_id:
            group.complain(target, "the engine read %r, the daemon %r", read, found["Name"])
    for network, _ in rows.NETWORKS:
        t.engine("DELETE", "/networks/" + urllib.parse.quote(network, safe=""))
    group.end()


# ---- queries ------------------------------------------------------------------------------------

@scenario(cli=False, proxy=True, timeout=120)
def differential_booleans(t):
    """all= of a list, v= of a delete: what is true for the daemon is true for the engine. (Not the
    other way: the daemon takes off blanks, so " 0" is false for it; the engine judges more.)"""
    group = Group(t, "booleans")
    t.made("true", start=False, Labels={"differential": t.prefix})
    label = urllib.parse.quote(json.dumps({"label": ["differential=" + t.prefix]}))
    lists = ["/v1.41/containers/json?filters=%s&all=%s" % (label, value)
             for _, value in rows.BOOLEANS]
    for (fate, value), path, reading in zip(rows.BOOLEANS, lists, readings(
            t, [("GET", path, None) for path in lists])):
        answer = send(group.proxy, "GET", path)
        group.fate(value, fate, reading, answer, answer.status == 200,
                   lambda: send(group.daemon, "GET", path).status == 200)
        if answer.status == 200 and answer.json() and reading["params"]["all"]["false"]:
            group.complain(value, "all= is %s for the engine", reading["params"]["all"])
    for fate, value in rows.BOOLEANS:
        boolean_delete(t, group, fate, value)
    group.end()


def boolean_delete(t, group, fate, value):
    """v=: the anonymous volume goes with its container, or stays."""
    name = t.made("true", start=False, Volumes={"/v": {}})
    volume = t.inspect(name)["Mounts"][0]["Name"]
    path = "/v1.41/containers/%s?v=%s" % (name, value)
    reading = readings(t, [("DELETE", path, None)])[0]
    answer = send(group.proxy, "DELETE", path)
    group.fate("v=" + value, fate, reading, answer, answer.status == 204,
               lambda: send(group.daemon, "DELETE", path).status == 204)
    if answer.status == 204:
        kept = t.engine("GET", "/volumes/" + volume)[0] == 200
        if not kept and reading["params"]["v"]["false"]:
            group.complain("v=" + value, "kept: %s, engine: %s", kept, reading["params"]["v"])
    t.engine("DELETE", "/containers/%s?force=1" % name)
    t.engine("DELETE", "/volumes/" + volume)


@scenario(cli=False, proxy=True, timeout=120)
def differential_queries(t):
    """comment= of a commit: the image holds the text that was read."""
    group = Group(t, "queries")
    name = t.made("true", start=False)
    start = "/v1.41/commit?container=%s&author=me&comment=" % name

    def commit(path, target):
        answer = send(path, "POST", target, b"null")
        if answer.status != 201:
            return answer, None
        image = t.engine("GET", "/images/%s/json" % answer.json()["Id"])[1]
        t.engine("DELETE", "/images/" + image["Id"])
        return answer, image

    asked = readings(t, [("POST", start + value, b"null") for _, value in rows.COMMENTS])
    for (fate, value), reading in zip(rows.COMMENTS, asked):
        answer, image = commit(group.proxy, start + value)
        group.fate(value, fate, reading, answer, image is not None,
                   lambda: commit(group.daemon, start + value)[1] is not None)
        if image and (image["Comment"] != reading["params"]["comment"]["value"]
                      or image["Author"] != "me"):
            group.complain(value, "the engine read %r, the daemon %r by %r",
                           reading["params"]["comment"]["value"], image["Comment"],
                           image["Author"])
    group.end()


# ---- references ---------------------------------------------------------------------------------

def tag_of(name):
    slash = name.rindex("/") + 1 if "/" in name else 0
    return name[:slash] + name[slash:].partition(":")[0], name[slash:].partition(":")[2]


def tiny_image(t, name):
    """An image with nothing but a name of its own; its ID."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    repo, tag = tag_of(name)
    t.engine("POST", "/images/create?" + urllib.parse.urlencode(
        {"fromSrc": "-", "repo": repo, "tag": tag, "changes": 'CMD ["%s"]' % name}),
        data.getvalue(), (200,))
    return t.engine("GET", "/images/%s/json" % name)[1]["Id"]


@scenario(cli=False, proxy=True, timeout=120)
def differential_images(t):
    """Image of a create: what was read as name, tag and digest is what the daemon takes."""
    creates = Creates(t, "images")
    ids = {name: tiny_image(t, name) for name in rows.TAGGED}
    hexes = ids["swd:latest"].removeprefix("sha256:")
    miss = hexes[:12] + ("1" if hexes[12] == "0" else "0")
    words = {"MISS": miss, "HEX12": hexes[:12], "HEX5": hexes[:5], "HEXUP": hexes.upper(),
             "HEX": hexes}

    def named(text):
        for word, value in words.items():
            text = text.replace(b"@%s@" % word.encode(), value.encode())
        return text

    def look(row, reading, ident, _):
        made, image = t.inspect(ident), reading["image"]
        same_text = made["Config"]["Image"] == image["text"]
        name = image.get("name", "") + (":" + image["tag"] if image.get("tag") else "") + (
            "@" + image["digest"] if image.get("digest") else "")
        if image["valid"] and not image["tag"] and not image["digest"]:
            name += ":latest"
        status, found = t.engine("GET", "/images/%s/json" % name) if image["valid"] else (0, {})
        found = found.get("Id") if status == 200 else None
        by_id = image["id"] and made["Image"].removeprefix("sha256:").startswith(
            image["text"].removeprefix("sha256:"))
        if not same_text or found != made["Image"] and not by_id:
            creates.group.complain(row, "the engine read %r, the daemon took %r", image,
                                   made["Image"])
        if reading["verdicts"]["images"] == "":
            creates.group.judged["images"] = creates.group.judged.get("images", 0) + 1
            if made["Image"] != ids["swd:latest"]:
                creates.group.complain(row, "allowed, and the daemon took %r", made["Image"])

    creates.run([(fate, named(body)) for fate, body in rows.IMAGES], look=look)
    for name in rows.TAGGED:
        t.engine("DELETE", "/images/" + name)
    creates.group.end("images")


APP = "127.0.0.1:5000/ci/app"


def push(t, name):
    """An image of that name goes to the registry; its digest there."""
    repo, tag = tag_of(name)
    conn = t.raw("direct", 30)
    conn.request("POST", "/v1.41/images/%s/push?tag=%s" % (repo, tag), None,
                 [("X-Registry-Auth", "e30=")])
    text = conn.body(conn.head())
    found = re.search(rb"digest: (sha256:[0-9a-f]{64})", text)
    check(found, "no push of %s: %r", name, text[-300:])
    return found[1].decode()


def pulled(t):
    """What is there of the registry's images."""
    return sorted(name for image in t.engine("GET", "/images/json")[1]
                  for name in (image["RepoTags"] or []) + (image["RepoDigests"] or [])
                  if name.startswith(APP) and "<none>" not in name)


@scenario(cli=False, proxy=True, timeout=120)
def differential_pulls(t):
    """fromImage and tag: what a role with only one image and tag allows brings nothing else."""
    if not t.world.need_registry():
        raise Skip("no docker-registry")
    group = Group(t, "pulls")
    digests = {}
    for tag in ("good", "evil"):
        tiny_image(t, "%s:%s" % (APP, tag))
        digests[tag] = push(t, "%s:%s" % (APP, tag))
    words = {"APPUP": APP.upper(), "APP": APP, "GOOD": digests["good"], "EVIL": digests["evil"]}

    def forget():
        for name in pulled(t):
            t.engine("DELETE", "/images/%s?force=1" % name)

    def brings(path, query):
        forget()
        answer = send(path, "POST", "/v1.41/images/create?" + query)
        return answer, pulled(t)

    todo = []
    for fate, query in rows.PULLS:
        for word, value in words.items():
            query = query.replace("@%s@" % word, value)
        todo.append((fate, query))
    asked = readings(t, [("POST", "/v1.41/images/create?" + query, None) for _, query in todo])
    for (fate, query), reading in zip(todo, asked):
        answer, names = brings(group.proxy, query)
        group.fate(query, fate, reading, answer, bool(names),
                   lambda: bool(brings(group.daemon, query)[1]))
        if names and reading["verdicts"]["pulls"] == "":
            group.judged["pulls"] = group.judged.get("pulls", 0) + 1
            if "%s:evil" % APP in names or not digest_asked(query, names, digests):
                group.complain(query, "allowed, and it brought %r", names)
    forget()
    group.end("pulls")


def digest_asked(query, names, digests):
    """The other tag's content comes only where its digest is asked for: deny_tags is about tags."""
    return digests["evil"] in query or not any(digests["evil"] in name for name in names)


# ---- other bodies -------------------------------------------------------------------------------

class Others:
    """Rows of another operation: make() sends a body one way and gives the answer and what is there
    then, or None."""

    def __init__(self, t, name, table, target, make):
        self.group = Group(t, name)
        folder = ci_folder(t).encode()
        self.rows = [(fate, body.replace(b"@CI@", folder)) for fate, body in table]
        self.readings = readings(t, [("POST", target, body) for _, body in self.rows])
        self.make = make

    def made(self):
        """(row, body as read, verdicts, what the daemon made) of what was made."""
        for (fate, body), reading in zip(self.rows, self.readings):
            answer, found = self.make(self.group.proxy, body)
            self.group.fate(body, fate, reading, answer, found is not None,
                            lambda: self.make(self.group.daemon, body)[1] is not None)
            if found is not None:
                yield body, reading["body"] or {}, reading["verdicts"], found

    def same(self, row, what, mine, theirs):
        if not alike(what, mine, theirs):
            self.group.complain(row, "%s is %.200r for the daemon, the engine saw %.200r", what,
                                theirs, mine)


@scenario(cli=False, proxy=True, timeout=120)
def differential_updates(t):
    """Limits after an update are those that were read, or those of before."""
    before = {"Memory": 32 << 20, "MemorySwap": -1, "PidsLimit": 50}

    def make(path, body):
        name = t.made("true", start=False, HostConfig=before)
        answer = send(path, "POST", "/v1.41/containers/%s/update" % name, body)
        found = t.inspect(name)["HostConfig"]
        t.engine("DELETE", "/containers/" + name)
        return answer, found if answer.status == 200 else None

    name = t.made("true", start=False, HostConfig=before)
    plain = t.inspect(name)["HostConfig"]
    others = Others(t, "updates", bodies.UPDATES, "/v1.41/containers/%s/update" % name, make)
    for row, body, verdicts, found in others.made():
        for field, theirs in found.items():
            mine = body.get(field)
            # the one limit that 0 lifts
            lifts = field == "PidsLimit" and mine is not None and mine <= 0
            others.same(row, field, None if lifts else plain[field]
                        if empty(mine) or field not in UPDATABLE else mine, theirs)
        if verdicts["limits"] == "" and not 0 < found["Memory"] <= 64 << 20:
            others.group.complain(row, "allowed, and Memory is %d", found["Memory"])
    others.group.end()


UPDATABLE = ("Memory", "MemorySwap", "PidsLimit", "RestartPolicy", "CpuShares", "CpuQuota",
             "CpuPeriod", "NanoCpus")


@scenario(cli=False, proxy=True, timeout=120)
def differential_execs(t):
    """Command, user and privileges of an exec are those that were read."""
    target = "/v1.41/containers/%s/exec" % t.made("sleep", "1000")

    def make(path, body):
        answer = send(path, "POST", target, body)
        if answer.status != 201:
            return answer, None
        return answer, t.engine("GET", "/exec/%s/json" % answer.json()["Id"])[1]["ProcessConfig"]

    others = Others(t, "execs", bodies.EXECS, target, make)
    judged = 0
    for row, body, verdicts, found in others.made():
        command = [found["entrypoint"], *(found["arguments"] or [])]
        others.same(row, "Cmd", body.get("Cmd"), command)
        others.same(row, "User", body.get("User"), found.get("user"))
        others.same(row, "Privileged", body.get("Privileged"), found["privileged"])
        others.same(row, "Tty", body.get("Tty"), found["tty"])
        if verdicts["exec"] == "":
            judged += 1
            if found["privileged"] or found.get("user") != "5" or command[0] != "ls":
                others.group.complain(row, "allowed, and it is %r", found)
    others.group.end()
    check(judged >= 4, "the role exec has allowed only %d rows", judged)


@scenario(cli=False, proxy=True, timeout=120)
def differential_volumes(t):
    """Name, driver and options of a volume are those that were read."""
    ci = ci_folder(t)

    def make(path, body):
        answer = send(path, "POST", "/v1.41/volumes/create", body)
        if answer.status != 201:
            return answer, None
        name = answer.json()["Name"]
        found = t.engine("GET", "/volumes/" + name)[1]
        t.engine("DELETE", "/volumes/" + name)
        return answer, found

    others = Others(t, "volumes", bodies.VOLUMES, "/v1.41/volumes/create", make)
    for row, body, verdicts, found in others.made():
        if not empty(body.get("Name")):
            others.same(row, "Name", body["Name"], found["Name"])
        elif found["Name"].startswith("dv"):
            others.group.complain(row, "is called %r", found["Name"])
        others.same(row, "Driver", body.get("Driver") or "local", found["Driver"])
        others.same(row, "Options", body.get("DriverOpts"), found["Options"])
        others.same(row, "Labels", body.get("Labels"), found["Labels"])
        options = found["Options"] or {}
        device = options.get("device", "").rstrip("/")
        if verdicts["binds"] == "" and options and options.get("type") != "tmpfs" and not below(
                device, ci):
            others.group.complain(row, "allowed, and it is %r", options)
    others.group.end()


def outside(found):
    """Addresses that a network takes, of the client's choice and not below 10.250."""
    mine = ipaddress.ip_network("10.250.0.0/16")
    texts = [text for config in found["IPAM"]["Config"] or [] for text in (
        config.get("Subnet"), config.get("IPRange"), config.get("Gateway"),
        *(config.get("AuxiliaryAddresses") or {}).values()) if text]
    nets = [ipaddress.ip_network(text, strict=False) for text in texts]
    return [str(net) for net in nets if net.version != 4 or not net.subnet_of(mine)]


@scenario(cli=False, proxy=True, timeout=120)
def differential_networks(t):
    """Name, driver, subnets of a network are those that were read."""
    def make(path, body):
        answer = send(path, "POST", "/v1.41/networks/create", body)
        if answer.status != 201:
            return answer, None
        found = t.engine("GET", "/networks/" + answer.json()["Id"])[1]
        t.engine("DELETE", "/networks/" + found["Id"])
        return answer, found

    others = Others(t, "networks", bodies.NETWORKS, "/v1.41/networks/create", make)
    judged = 0
    for row, body, verdicts, found in others.made():
        for field in ("Name", "Internal", "Attachable", "EnableIPv6", "Labels", "Options"):
            others.same(row, field, body.get(field), found[field])
        others.same(row, "Driver", body.get("Driver") or "bridge", found["Driver"])
        config = (body.get("IPAM") or {}).get("Config")
        if not empty(config) and len(config) == len(found["IPAM"]["Config"]):
            for mine, theirs in zip(config, found["IPAM"]["Config"]):
                for field in ("Subnet", "IPRange", "Gateway"):
                    if not empty(mine.get(field)):
                        others.same(row, field, mine[field], theirs.get(field))
        elif not empty(config):
            others.group.complain(row, "the daemon took %r", found["IPAM"]["Config"])
        if verdicts["networks"] == "":
            judged += 1
            if not empty(config) and outside(found):
                others.group.complain(row, "allowed, and it takes %r", outside(found))
    others.group.end()
    check(judged >= 4, "the role networks has allowed only %d rows", judged)
