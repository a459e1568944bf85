"""What responses.redact keeps from a client stays out of every answer, and nothing else does.

Words that stand nowhere else are put into environments, labels and paths of the host, past the proxy;
then every answer that may hold them is read through it.
"""
import json
import time
import urllib.parse

import engine
from harness import Fail, Skip, check, holds, same, scenario
from test_swarm import Manager, name_for

KINDS = ("env", "labels", "binds")
ROLES = {"redact": KINDS, "redact-env": ("env",)}     # of the plain daemon
SWARM_ROLE = "redact-swarm"
VERSIONS = ("", "/v1.24", "/v1.41")


def words(t):
    return {kind: "%s-word-%s" % (kind, t.prefix.lower()) for kind in KINDS}


def ask(socket, method, target, body=None):
    """Status and text of an answer."""
    status, data = engine.call(socket, method, target, body)
    return status, data.decode("utf-8", "replace")


def in_order(items):
    """Mounts come in another order each time."""
    mounts = bool(items) and isinstance(items[0], dict) and "Destination" in items[0]
    return sorted(items, key=lambda x: x["Destination"]) if mounts else items


def only_emptied(told, got, path=""):
    """What a client got is what the daemon told, but for values that are empty."""
    if told == got or (got in ("", [], {}) and isinstance(got, type(told))):
        return
    if isinstance(told, dict) and isinstance(got, dict) and told.keys() == got.keys():
        for name in told:
            only_emptied(told[name], got[name], path + "." + name)
    elif isinstance(told, list) and isinstance(got, list) and len(told) == len(got):
        for i, pair in enumerate(zip(in_order(told), in_order(got))):
            only_emptied(*pair, "%s[%d]" % (path, i))
    else:
        raise Fail("%s: the daemon told %r, the client got %r" % (path, told, got))


def read_all(t, role, daemon, targets, word):
    """Each target through the proxy: nothing of what the role redacts, and the rest somewhere."""
    socket = t.world.proxies.get(role, daemon).socket
    redacted = ROLES.get(role, KINDS)
    shown, told = "", ""
    for target in targets:
        status, text = ask(socket, "GET", target)
        same("status of %s" % target, status, 200)
        for kind in redacted:
            check(word[kind] not in text, "%s as %s shows %s: %s", target, role, kind,
                  text[max(0, text.find(word[kind]) - 200):][:400])
        shown += text
        told += ask(daemon, "GET", target)[1]
    for kind in KINDS:
        check(word[kind] in told, "no answer of the daemon holds %s", word[kind])
        same("%s shown as %s" % (kind, role), word[kind] in shown, kind not in redacted)


class Objects:
    """A container, an image, a volume and a network that bear the words."""

    def __init__(self, t):
        self.t, self.word = t, words(t)
        self.began = int(time.time()) - 1
        labels = {self.word["labels"]: self.word["labels"]}
        folder = t.folder() + "/" + self.word["binds"]
        self.volume, self.network = t.name("v"), t.name("n")
        self.image = "%s:1" % t.name("image").lower()
        t.engine("POST", "/volumes/create", {
            "Name": self.volume, "Labels": labels,
            "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "uid=0"}}, (201,))
        t.engine("POST", "/networks/create", {"Name": self.network, "Labels": labels}, (201,))
        self.name = t.made(
            "sleep", "1000", Env=["A=" + self.word["env"]], Labels={**labels, "plain": "x"},
            HostConfig={"Binds": [folder + ":/bound", self.volume + ":/data"],
                        "Mounts": [{"Type": "volume", "Source": "", "Target": "/anonymous",
                                    "VolumeOptions": {"Labels": labels}}]})
        t.engine("POST", "/commit?container=%s&repo=%s&tag=1&changes=%s" % (
            self.name, self.image.split(":")[0],
            urllib.parse.quote("ENV B=%s\nLABEL c=%s\nONBUILD ENV C=%s" % (
                self.word["env"], self.word["labels"], self.word["env"]))), {}, (201,))
        self.until = int(time.time()) + 1

    def targets(self):
        for version in VERSIONS:
            for target in ("/containers/json?all=1&size=1", "/containers/%s/json?size=1" % self.name,
                           "/containers/%s/top" % self.name, "/containers/%s/changes" % self.name,
                           "/images/json?all=1", "/images/%s/json" % self.image,
                           "/images/%s/history" % self.image, "/volumes", "/networks", "/info",
                           "/volumes/" + self.volume, "/networks/" + self.network,
                           "/events?since=%d&until=%d" % (self.began, self.until)):
                yield version + target

    def remove(self):
        for target in ("/containers/%s?force=1&v=1" % self.name, "/images/" + self.image,
                       "/volumes/" + self.volume, "/networks/" + self.network):
            self.t.engine("DELETE", target)


@scenario(cli=False, proxy=True, timeout=60)
def redact_all_answers(t):
    objects = Objects(t)
    daemon = t.world.daemon.socket
    for role in ROLES:
        read_all(t, role, daemon, objects.targets(), objects.word)
        socket = t.world.proxies.get(role, daemon).socket
        for target in ("/containers/%s/json" % objects.name, "/images/%s/json" % objects.image,
                       "/images/%s/history" % objects.image, "/volumes/" + objects.volume,
                       "/networks/" + objects.network):
            status, text = ask(socket, "GET", "/v1.41" + target)
            same("status", status, 200)
            only_emptied(t.engine("GET", "/v1.41" + target)[1], json.loads(text), target)
        status, text = ask(socket, "GET", "/containers/%s/top?ps_args=axe" % objects.name)
        check(status == 403 and "responses.redact" in text, "ps_args: %d %s", status, text)
        # the bind is not one that the role would make
        status, text = ask(socket, "POST", "/containers/%s/restart?t=0" % objects.name)
        same("status of a restart", status, 403)
        holds("refusal", text, "is not as this role would have made it")
        same("bind in the refusal", objects.word["binds"] in text, "binds" not in ROLES[role])
        status, text = ask(socket, "GET", "/containers/no-such-container/json")
        same("status of what is missing", status, 404)
        holds("error", text, "No such container")
    for role in ROLES:
        made = t.name("made")
        status, text = ask(t.world.proxies.get(role, daemon).socket, "POST", "/volumes/create",
                           {"Name": made, "Labels": {"x": objects.word["labels"]}})
        same("status of a volume that is made", status, 201)
        same("its label as " + role, objects.word["labels"] in text, role == "redact-env")
        same("its path as " + role, bool(json.loads(text)["Mountpoint"]), role == "redact-env")
        t.engine("DELETE", "/volumes/" + made)
    objects.remove()


@scenario(cli=False, proxy=True, timeout=60)
def redact_log_details(t):
    """A container's log options may have its labels and environment told with each line."""
    word = words(t)
    name = t.made("echo", "said", Env=["A=" + word["env"]], Labels={"l": word["labels"]},
                  HostConfig={"LogConfig": {"Type": "json-file",
                                            "Config": {"env": "A", "labels": "l"}}})
    logs = "/containers/%s/logs?stdout=1" % name
    told = t.until("its line", lambda: ask(t.world.daemon.socket, "GET", logs + "&details=1")[1])
    check(word["env"] in told and word["labels"] in told, "the daemon tells %r", told)
    for role in ROLES:
        socket = t.world.proxies.get(role, t.world.daemon.socket).socket
        holds("its logs", ask(socket, "GET", logs + "&details=0")[1], "said")
        status, text = ask(socket, "GET", logs + "&details=1")
        check(status == 403 and "responses.redact" in text, "details: %d %s", status, text)
    t.engine("DELETE", "/containers/%s?force=1" % name)


@scenario(cli=False, proxy=True, timeout=60)
def redact_usage(t):
    objects = Objects(t)
    for role in ROLES:
        socket = t.world.proxies.get(role, t.world.daemon.socket).socket

        def usage(socket=socket):
            status, text = ask(socket, "GET", "/v1.41/system/df")
            return text if status == 200 else None      # a daemon does one at a time
        text = t.until("the usage", usage)
        for kind in ROLES[role]:
            check(objects.word[kind] not in text, "df shows %s", kind)
        check(objects.volume in text, "df lacks the volume")
    objects.remove()


@scenario(proxy=True, timeout=60)
def redact_docker(t):
    objects = Objects(t)
    word = objects.word
    everything = ""
    for command in (["inspect", objects.name], ["image", "inspect", objects.image],
                    ["volume", "inspect", objects.volume], ["network", "inspect", objects.network],
                    ["ps", "-a", "--no-trunc", "--format", "{{json .}}"],
                    ["ps", "--format", "{{.Names}}|{{.Labels}}|{{.Mounts}}|{{.LocalVolumes}}"],
                    ["history", "--no-trunc", objects.image], ["images", "--digests"],
                    ["volume", "ls", "--format", "{{.Name}} {{.Labels}} {{.Mountpoint}}"],
                    ["network", "ls", "--format", "{{.Name}} {{.Labels}}"], ["info"],
                    ["events", "--since", str(objects.began), "--until", str(objects.until),
                     "--format", "{{json .}}"]):
        said = t.ok(*command, role="redact")
        for kind in KINDS:
            check(word[kind] not in said, "docker %s shows %s: %s", command[0], kind, said[-600:])
        everything += said
    for name in (objects.name, objects.volume, objects.network, '"exec_create', "/bound"):
        check(name in everything or name.startswith('"'), "nothing shows %s", name)
    same("environment", t.ok("inspect", "-f", "{{.Config.Env}}", objects.name, role="redact"), "[]")
    holds("environment for others",
          t.ok("inspect", "-f", "{{.Config.Env}}", objects.name, role="default"), word["env"])
    same("label", t.ok("inspect", "-f", '{{index .Config.Labels "plain"}}', objects.name,
                       role="redact-env"), "x")
    # the work goes on as ever
    made = t.name("run")
    same("run", t.ok("run", "--name", made, "-e", "A=b", "busybox:test", "sh", "-c", "echo $A",
                     role="redact"), "b")
    t.ok("rm", made, role="redact")
    objects.remove()


@scenario(cli=False, proxy=True, timeout=60)
def redact_discovery(t):
    """A reverse proxy finds what to serve by labels and addresses, and is told of changes."""
    conn = t.raw("redact-env")
    conn.request("GET", "/v1.41/events?filters=" + urllib.parse.quote('{"type":["container"]}'))
    head = conn.head()
    same("status", head.status, 200)
    labels = {"traefik.enable": "true", "traefik.http.routers.r.rule": "Host(`%s`)" % t.prefix}
    name = t.made("sleep", "1000", Env=["SECRET=" + t.prefix], Labels=labels)
    socket, seen = t.socket("redact-env"), []

    def started():
        seen.append(json.loads(conn.chunk()))
        return seen[-1]["Action"] == "start" and seen[-1]["Actor"]["Attributes"]["name"] == name
    t.until("the event", started)
    for label, value in labels.items():
        same("attribute of the event", seen[-1]["Actor"]["Attributes"][label], value)
    listed = json.loads(ask(socket, "GET", "/v1.41/containers/json?all=1")[1])
    found = [c for c in listed if c["Labels"].get("traefik.enable") and "/" + name in c["Names"]]
    same("containers found", len(found), 1)
    inspected = json.loads(ask(socket, "GET", "/v1.41/containers/%s/json" % found[0]["Id"])[1])
    same("environment", inspected["Config"]["Env"], [])
    same("labels", inspected["Config"]["Labels"], labels)
    same("address", inspected["NetworkSettings"]["Networks"],
         t.inspect(name)["NetworkSettings"]["Networks"])
    check(inspected["State"]["Running"], "it does not run")


@scenario(proxy=True, timeout=90)
def redact_swarm(t):
    manager, word = Manager(t, SWARM_ROLE), words(t)
    if t.world.direct:
        raise Skip("there is no proxy")
    web, secret, config = name_for(t, "web"), name_for(t, "key"), name_for(t, "conf")
    labels = {word["labels"]: word["labels"]}
    for kind, name in (("secrets", secret), ("configs", config)):
        status, made = manager.engine("POST", "/%s/create" % kind,
                                      {"Name": name, "Data": "eA==", "Labels": labels})
        same("status", status, 201)
    spec = {"Name": web, "Labels": labels, "Mode": {"Replicated": {"Replicas": 1}},
            "TaskTemplate": {"ContainerSpec": {
                "Image": "busybox:test", "Command": ["sleep", "1000"], "Labels": labels,
                "Env": ["A=" + word["env"]], "StopGracePeriod": 1000000000,
                "Mounts": [{"Type": "bind", "Source": "/" + word["binds"], "Target": "/b"},
                           {"Type": "volume", "Source": web + "-data", "Target": "/v",
                            "VolumeOptions": {"Labels": labels, "DriverConfig": {
                                "Name": "local", "Options": {"device": word["binds"]}}}}]},
                "RestartPolicy": {"Condition": "none"}}}
    status, made = manager.engine("POST", "/services/create", spec)
    same("status", status, 201)
    version = manager.engine("GET", "/services/" + web)[1]["Version"]["Index"]
    spec["TaskTemplate"]["ForceUpdate"] = 1
    manager.engine("POST", "/services/%s/update?version=%d" % (web, version), spec)
    wanted = urllib.parse.quote('{"service":["%s"]}' % web)
    tasks = t.until("a task", lambda: manager.engine("GET", "/tasks?filters=" + wanted)[1])
    targets = [version + target for version in VERSIONS[1:] for target in (
        "/services", "/services/" + web, "/tasks?filters=" + wanted, "/tasks/" + tasks[0]["ID"],
        "/nodes")] + ["/secrets", "/secrets/" + secret, "/configs", "/configs/" + config, "/info"]
    read_all(t, SWARM_ROLE, manager.daemon.socket, targets, word)
    for command in (["service", "inspect", web], ["service", "ls"], ["service", "ps", web],
                    ["node", "inspect", "self"], ["secret", "inspect", secret],
                    ["config", "inspect", config], ["inspect", tasks[0]["ID"]]):
        said = manager.ok(*command)
        for kind in KINDS:
            check(word[kind] not in said, "docker %s shows %s: %s", " ".join(command), kind, said)
    holds("pretty", manager.ok("service", "inspect", "--pretty", web), web)
    for target in ("/services/" + web, "/secrets/" + secret, "/configs/" + config):
        manager.engine("DELETE", target)
