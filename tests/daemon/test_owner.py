"""Owners: two clients of one proxy, each of which sees and touches what it has made itself."""
import json
import os

import engine
from harness import Proc, Skip, check, holds, same, scenario
from test_who import SYSTEM, Shared

IMAGE = "busybox:test"
LABEL = "com.example.owner"
COMPOSE = "/usr/bin/docker-compose"
COMPOSE_FILE = """version: "3.7"
services:
  web:
    image: busybox:test
    command: ["sleep", "1000"]
    volumes: ["data:/data"]
    networks: [inner]
volumes: {data: {}}
networks: {inner: {driver: bridge}}
"""


class Tenant:
    """One of the clients, with the docker CLI."""

    def __init__(self, t, name):
        self.t, self.name = t, name
        socket = t.world.proxies.tenants(t.world.daemon.socket)[name]
        self.env = {"DOCKER_HOST": "unix://" + socket, "DOCKER_TLS_VERIFY": "",
                    "DOCKER_CERT_PATH": "", "DOCKER_BUILDKIT": "0"}

    def docker(self, *args, **more):
        return self.t.docker(*args, **more, **self.env)

    def ok(self, *args):
        return self.t.ok(*args, **self.env)

    def lines(self, *args):
        return self.ok(*args).split()

    def fails(self, words, *args):
        """It does not work, as if there were nothing, or for the reason told; words are what one of
        the clients says, or another."""
        done = self.docker(*args)
        check(done.code != 0, "docker %s works for %s: %s", " ".join(args), self.name, done.text)
        check(any(word in done.errors.lower() for word in words.split("|")),
              "docker %s: %r", " ".join(args), done.errors)

    def run(self, name, *more):
        self.ok("run", "-d", "--name", name, *more, IMAGE, "sleep", "1000")
        return name


def tenants(t):
    return Tenant(t, "red"), Tenant(t, "blue")


def owner_of(t, kind, name):
    """The label that the daemon itself tells."""
    found = t.engine("GET", "/%s/%s" % (kind, name), None, (200,))[1]
    return (found.get("Labels") or found.get("Config", {}).get("Labels") or {}).get(LABEL)


@scenario(proxy=True, timeout=120)
def owner_containers(t):
    red, blue = tenants(t)
    mine = red.run(t.name())
    theirs = blue.run(t.name())
    nobodys = t.made("sleep", "1000")
    same("label", owner_of(t, "containers", mine + "/json?"), "red")
    listed = red.lines("ps", "-a", "--format", "{{.Names}}")
    check(mine in listed and theirs not in listed and nobodys not in listed, "ps: %r", listed)
    same("ps --filter", red.ok("ps", "-aq", "--filter", "name=" + theirs), "")
    for mark in ("before", "since"):
        red.ok("ps", "-a", "--filter", mark + "=" + mine)
        for name in (theirs, t.inspect(theirs)["Id"], t.name("absent")):
            red.fails("no such", "ps", "-a", "--filter", mark + "=" + name)
    for name in (theirs, nobodys, t.inspect(theirs)["Id"], t.inspect(theirs)["Id"][:12]):
        red.fails("no such", "inspect", name)
        red.fails("no such", "logs", name)
        red.fails("no such", "exec", name, "true")
        red.fails("no such", "stop", name)
        red.fails("no such", "rm", name)
        red.docker("rm", "-f", name)
    for command in ("start", "restart", "kill", "pause", "unpause", "top", "wait", "export",
                    "attach", "diff", "stats", "port"):
        red.fails("no such", command, theirs)
    red.fails("no such", "rename", theirs, t.name("renamed"))
    red.fails("no such", "update", "--cpu-shares", "512", theirs)
    red.fails("no such", "commit", theirs, "stolen:1")
    red.fails("no such", "cp", theirs + ":/etc/hostname", "-")
    # the CLI takes a 404 for a missing image
    red.fails("no such|unable to find image", "run", "--rm", "--volumes-from", theirs, IMAGE, "true")
    red.fails("already in use", "run", "--name", theirs, IMAGE, "true")
    check(t.running(theirs) and t.running(nobodys), "it does not run any more")
    same("exec", red.ok("exec", mine, "echo", "in"), "in")
    red.ok("restart", "-t", "0", mine)
    other = t.name("renamed")
    red.ok("rename", mine, other)
    red.ok("stop", "-t", "0", other)
    red.ok("start", other)
    image = "%s:1" % t.name("image").lower()
    red.ok("commit", other, image)
    same("label of the image", json.loads(red.ok("image", "inspect", image))[0]["Config"]["Labels"]
         [LABEL], "red")
    # what is made of it by somebody else is his
    third = t.name()
    blue.ok("run", "-d", "--name", third, image, "sleep", "1000")
    same("label of a container of it", owner_of(t, "containers", third + "/json?"), "blue")
    blue.ok("rm", "-f", third)
    red.ok("rm", "-f", other)
    blue.ok("rm", "-f", theirs)


@scenario(proxy=True, timeout=90)
def owner_execs(t):
    red, blue = tenants(t)
    theirs = blue.run(t.name())
    made = t.engine("POST", "/containers/%s/exec" % theirs, {"Cmd": ["true"]}, (201,))[1]["Id"]
    socket = red.env["DOCKER_HOST"].removeprefix("unix://")
    for method, target, body in (("GET", "/exec/%s/json", None), ("POST", "/exec/%s/start", {}),
                                 ("POST", "/exec/%s/resize?h=5&w=5", None)):
        status, answer = engine.call(socket, method, target % made, body)
        same("%s %s (%r)" % (method, target, answer), status, 404)
    blue.ok("rm", "-f", theirs)


@scenario(proxy=True, timeout=90)
def owner_volumes(t):
    red, blue = tenants(t)
    mine, theirs, made = t.name("vol"), t.name("vol"), t.name("made")
    red.ok("volume", "create", mine)
    blue.ok("volume", "create", theirs)
    same("label", owner_of(t, "volumes", mine), "red")
    listed = red.lines("volume", "ls", "-q")
    check(mine in listed and theirs not in listed, "volume ls: %r", listed)
    red.fails("no such volume", "volume", "inspect", theirs)
    red.fails("no such volume", "volume", "rm", theirs)
    red.fails("somebody else's", "run", "--rm", "-v", theirs + ":/x", IMAGE, "true")
    red.fails("somebody else's", "run", "--rm", "--mount", "type=volume,src=%s,dst=/x" % theirs,
              IMAGE, "true")
    red.fails("exists already", "volume", "create", theirs)
    # a volume that a container brings into being has the label, its driver and its options
    red.ok("run", "--rm", "-v", made + ":/x", IMAGE, "true")
    same("label of a made one", owner_of(t, "volumes", made), "red")
    blue.fails("somebody else's", "run", "--rm", "-v", made + ":/x", IMAGE, "true")
    scratch = t.name("scratch")
    red.ok("run", "--rm", "--mount", "type=volume,src=%s,dst=/x,volume-opt=type=tmpfs,"
           "volume-opt=device=tmpfs,volume-label=a=b" % scratch, IMAGE, "grep", "-q",
           " /x tmpfs", "/proc/mounts")
    found = t.engine("GET", "/volumes/" + scratch, None, (200,))[1]
    same("labels", found["Labels"], {"a": "b", LABEL: "red"})
    same("options", found["Options"], {"type": "tmpfs", "device": "tmpfs"})
    # nothing is made by what is refused
    never = t.name("never")
    red.fails("somebody else's", "run", "--rm", "-v", never + ":/x", "-v", theirs + ":/y", IMAGE,
              "true")
    same("a refused one", t.engine("GET", "/volumes/" + never)[0], 404)
    red.ok("volume", "rm", mine, made, scratch)
    blue.ok("volume", "rm", theirs)


@scenario(proxy=True, timeout=90)
def owner_networks(t):
    red, blue = tenants(t)
    net, other = t.name("net"), t.name("net")
    one, two = red.run(t.name()), blue.run(t.name())
    red.ok("network", "create", net)
    blue.ok("network", "create", other)
    listed = red.lines("network", "ls", "--format", "{{.Name}}")
    check(net in listed and other not in listed, "network ls: %r", listed)
    red.fails("not found|no such network", "network", "inspect", other)
    red.fails("not found|no such network", "network", "rm", other)
    red.fails("not found", "network", "connect", other, one)
    red.fails("no such container", "network", "connect", net, two)
    red.fails("not found", "run", "--rm", "--network", other, IMAGE, "true")
    red.fails("no such container", "network", "disconnect", "-f", "bridge", two)
    red.fails("exists already", "network", "create", other)
    red.ok("network", "connect", net, one)
    shown = json.loads(red.ok("network", "inspect", net))[0]["Containers"]
    same("containers of one's own network", [c["Name"] for c in shown.values()], [one])
    same("containers of the bridge", json.loads(red.ok("network", "inspect", "bridge"))[0]
         ["Containers"], {})
    red.ok("network", "disconnect", net, one)
    red.ok("network", "rm", net)
    red.ok("rm", "-f", one)
    blue.ok("rm", "-f", two)
    blue.ok("network", "rm", other)


@scenario(proxy=True, timeout=90)
def owner_events(t):
    red, blue = tenants(t)
    events = Proc(t, [t.cli.path, "events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"],
                  t.env("default", **red.env))
    first, theirs, last = t.name("first"), t.name("theirs"), t.name("last")
    # the stream stands when the first of our own has come
    t.until("events", lambda: (red.docker("rm", "-f", first), red.run(first),
                               b"start " + first.encode() in events.data)[2])
    blue.run(theirs)
    blue.ok("rm", "-f", theirs)
    red.run(last)
    events.expect("start " + last)
    check(theirs.encode() not in events.data, "events of others: %r", events.data)
    events.kill()
    red.ok("rm", "-f", first, last)


@scenario(proxy=True, timeout=90)
def owner_usage_and_prunes(t):
    # Green alone prunes, since that takes what others' scenarios have just stopped or made.
    red, blue = Tenant(t, "green"), Tenant(t, "blue")
    mine, theirs = t.name(), t.name()
    for tenant, name in ((red, mine), (blue, theirs)):
        tenant.ok("create", "--name", name, IMAGE, "true")
        tenant.ok("volume", "create", name)
        tenant.ok("network", "create", name)
    used = t.name()     # runs, so that no prune of another CLI's scenario takes it
    red.run(used)
    usage = red.ok("system", "df", "-v")
    check(used in usage and theirs not in usage, "system df: %s", usage)
    red.ok("rm", "-f", used)
    for kind in ("container", "network", "volume", "image"):   # others may prune just now
        t.until(kind + " prune", lambda: red.docker(kind, "prune", "-f").code == 0)
    same("mine", t.inspect(mine), None)
    check(t.inspect(theirs), "the container of the other is gone")
    same("the other's volume", t.engine("GET", "/volumes/" + theirs)[0], 200)
    same("the other's network", t.engine("GET", "/networks/" + theirs)[0], 200)
    red.fails("no owners", "builder", "prune", "-f")
    blue.ok("rm", theirs)
    blue.ok("volume", "rm", theirs)
    blue.ok("network", "rm", theirs)


@scenario(cli=False, proxy=True, timeout=150, heavy=True)
def owner_compose(t):
    """The same project in both: the second meets names that are taken, and touches nothing."""
    if not os.access(COMPOSE, os.X_OK):
        raise Skip("docker-compose is not installed")
    red, blue = tenants(t)
    folder = t.folder()
    with open(folder + "/docker-compose.yml", "w") as file:
        file.write(COMPOSE_FILE)

    def compose(tenant, project, *args):
        return t.run([COMPOSE, "--no-ansi", "-p", project, "-f", folder + "/docker-compose.yml",
                      *args], "default", b"", 60, **tenant.env)

    def ok(tenant, project, *args):
        done = compose(tenant, project, *args)
        check(done.code == 0, "%s: docker-compose %s: %s", tenant.name, " ".join(args), done.errors)
        return done.text
    shared = "".join(c for c in t.prefix if c.isalnum())
    ok(red, shared, "up", "-d")
    holds("ps", ok(red, shared, "ps"), shared + "_web_1")
    before = t.inspect(shared + "_web_1")["Id"]
    check(shared + "_web_1" not in ok(blue, shared, "ps"), "the other sees it")
    done = compose(blue, shared, "up", "-d")
    check(done.code != 0, "up works for both: %s", done.errors)
    holds("why", done.errors, "exists already")
    ok(blue, shared, "down", "-v", "-t", "0")
    same("after all that", t.inspect(shared + "_web_1")["Id"], before)
    check(t.running(shared + "_web_1"), "it does not run any more")
    ok(blue, shared + "b", "up", "-d")
    check(shared + "_web_1" not in ok(blue, shared + "b", "ps"), "the other sees it")
    ok(blue, shared + "b", "down", "-v", "-t", "0")
    ok(red, shared, "down", "-v", "-t", "0")
    same("after down", t.inspect(shared + "_web_1"), None)
    for kind in ("volumes", "networks"):
        found = t.engine("GET", "/" + kind, None, (200,))[1]
        found = found["Volumes"] if kind == "volumes" else found
        check(not any(one["Name"].startswith(shared) for one in found or []), "%s are left", kind)


@scenario(cli=False, proxy=True, timeout=90)
def owner_own_container(t):
    """The container of the proxy is in no answer: lists, usage, networks and events."""
    shared = Shared(t, start=False)
    with open(shared.policy, "w") as file:
        json.dump({"version": 1, "roles": {"default": {"allow": ["@ping", "@read", "@control"]}}}, file)
    binds = SYSTEM + [shared.folder + ":/who", t.world.options.bin + ":/sockwarden:ro",
                      t.world.daemon.socket + ":/docker.sock"]
    own = t.made("/sockwarden", *shared.serve("/docker.sock", "/who"),
                 HostConfig={"Binds": binds, "PidMode": "host"})
    t.until("the proxy serves", shared.answers)
    other = t.made("sleep", "1000")
    ids = {name: t.inspect(name)["Id"] for name in (own, other)}

    def ask(target, method="GET"):
        status, body = engine.call(shared.socket, method, target)
        same("status of %s (%r)" % (target, body[:200]), status, 200)
        return body.decode()
    for target in ("/v1.41/containers/json?all=1", "/v1.41/system/df", "/v1.41/networks/bridge",
                   "/v1.24/networks"):
        body = ask(target)
        json.loads(body)
        check(ids[other] in body, "%s lacks the other container", target)
        check(ids[own] not in body, "%s shows the proxy's container", target)
    raw = engine.Raw(shared.socket)
    t.raws.append(raw)
    raw.request("GET", "/v1.41/events")
    same("status of events", raw.head().status, 200)
    for name in (own, other):
        t.engine("POST", "/containers/%s/rename?name=%s" % (name, t.name("renamed")), None, (204,))
    while True:  # what others do meanwhile is told, too
        event = raw.chunk(20)
        event = event if isinstance(event, str) else event.decode()
        check(ids[own] not in event, "an event tells of the proxy's container: %s", event)
        if ids[other] in event:
            break
    same("event", json.loads(event)["Action"], "rename")
    for path in ("stop", "restart", "pause", "kill", "update"):
        status, _ = engine.call(shared.socket, "POST", "/v1.41/containers/%s/%s" % (ids[own], path),
                                {} if path == "update" else None)
        same(path + " of the proxy's container", status, 404)
