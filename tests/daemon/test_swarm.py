"""Services, secrets, configs, stacks, nodes and plugins of a real swarm, under roles that say what
may be. The swarm is one manager: a private daemon that the other scenarios do not use.
"""
import json
import os
import urllib.parse

import engine
from harness import Fail, check, holds, same, scenario
from test_deny import refused

IMAGE = "busybox:test"
# The swarm has changed the service since the CLI looked.
OTHER_VERSION = "update out of sequence"
STACK = """version: "3.8"
services:
  web:
    image: busybox:test
    command: sleep 1000
    stop_grace_period: 1s
    environment: {WORD: value}
    secrets: [key]
    deploy: {replicas: 1, restart_policy: {condition: on-failure}}
%s
secrets: {key: {external: true, name: %s}}
"""

# options of `docker service create`, field that the sentence names, key of the policy that it names
CREATES = (
    (["--mount", "type=bind,src=/,dst=/host"], "TaskTemplate.ContainerSpec.Mounts",
     "containers.binds"),
    (["--mount", "type=volume,src=v,dst=/v,volume-opt=type=none,volume-opt=o=bind,"
      "volume-opt=device=/etc"], "TaskTemplate.ContainerSpec.Mounts", "containers.binds"),
    (["--mount", "type=bind,src=/srv/{{.Task.Name}},dst=/s"], "TaskTemplate.ContainerSpec.Mounts",
     "template"),
    (["--cap-add", "SYS_ADMIN"], "TaskTemplate.ContainerSpec.CapabilityAdd", "containers.cap_add"),
    (["--network", "host"], "TaskTemplate.Networks[0].Target", "containers.network_mode"),
    (["--publish", "80:80"], "EndpointSpec.Ports", "containers.ports"),
    (["--publish", "mode=host,published=80,target=80"], "EndpointSpec.Ports", "containers.ports"),
    (["--secret", "prod-key"], "TaskTemplate.ContainerSpec.Secrets[0].SecretName",
     "secrets.names"),
    (["--config", "prod-conf"], "TaskTemplate.ContainerSpec.Configs[0].ConfigName",
     "configs.names"),
    (["--sysctl", "kernel.shm_rmid_forced=1"], "TaskTemplate.ContainerSpec.Sysctls",
     "containers.sysctls"),
    (["--log-driver", "syslog"], "TaskTemplate.LogDriver", "containers.log_drivers"),
)
# arguments behind `docker`, words of the refusal; NODE is the manager's ID
COMMANDS = (
    (["node", "update", "--role", "manager", "NODE"], ("Role", "nodes.roles")),
    (["swarm", "join-token", "worker"], ("SwarmInspect", '"allow"')),
    (["swarm", "leave", "--force"], ("SwarmLeave", '"allow"')),
    (["swarm", "update", "--task-history-limit", "3"], ("SwarmInspect", '"allow"')),
    (["plugin", "install", "--grant-all-permissions", "evil/x"], ("?remote", "plugins.allow")),
    (["secret", "create", "prod-other", "-"], ("Name", "secrets.names")),
    (["config", "create", "prod-other", "-"], ("Name", "configs.names")),
)


class Manager:
    """A scenario's CLI before the swarm, by way of a role."""

    def __init__(self, t, role="swarm"):
        self.t, self.daemon = t, t.world.need_swarm()
        self.socket = self.daemon.socket
        if not t.world.direct:
            self.socket = t.world.proxies.get(role, self.daemon.socket).socket
        self.env = {"DOCKER_HOST": "unix://" + self.socket, "DOCKER_TLS_VERIFY": ""}

    def docker(self, *args, **more):
        return self.t.docker(*args, seconds=30, **{**self.env, **more})

    def ok(self, *args, **more):
        done = self.docker(*args, **more)
        while OTHER_VERSION in done.errors and self.t.left() > 0:
            done = self.docker(*args, **more)
        check(done.code == 0, "docker %s: exit code %d: %s", " ".join(args[:12]), done.code,
              done.errors[-600:])
        return done.text

    def engine(self, method, target, body=None):
        """The daemon itself, past the proxy: status, decoded answer."""
        status, data = engine.call(self.daemon.socket, method, target, body)
        return status, json.loads(data) if data else None

    def make(self, kind, name):
        """A secret or config, past the proxy."""
        status, answer = self.engine("POST", "/%ss/create" % kind, {"Name": name, "Data": "eA=="})
        check(status in (201, 409), "%s %s: %d %r", kind, name, status, answer)

    def service(self, name):
        """The service's spec, or None."""
        status, answer = self.engine("GET", "/services/" + name)
        return answer["Spec"] if status == 200 else None

    def running(self, name):
        wanted = urllib.parse.quote('{"service":["%s"],"desired-state":["running"]}' % name)
        _, tasks = self.engine("GET", "/tasks?filters=" + wanted)
        for task in tasks:
            if task["Status"]["State"] in ("failed", "rejected"):
                raise Fail("a task of %s: %r" % (name, task["Status"]))
        return bool(tasks) and all(x["Status"]["State"] == "running" for x in tasks)

    def create(self, name, *options):
        """The arguments that make a service which runs and ends fast."""
        return ["service", "create", "--detach", "--name", name, "--stop-grace-period", "1s",
                "--no-resolve-image", *options, IMAGE, "sh", "-c",
                "cat /run/secrets/* /etc/conf; echo $WORD; exec sleep 1000"]


def name_for(t, word="c"):
    return t.name(word).replace(".", "-")


@scenario(timeout=90, heavy=True)
def swarm_service_life(t):
    manager = Manager(t)
    web, key, conf = name_for(t, "web"), "ci-" + name_for(t, "key"), "ci-" + name_for(t, "conf")
    os.makedirs(t.world.base + "/work/swarm", exist_ok=True)
    manager.ok("secret", "create", key, "-", stdin=b"secret words\n")
    manager.ok("config", "create", conf, "-", stdin=b"config words\n")
    manager.ok(*manager.create(
        web, "--secret", key, "--config", "source=%s,target=/etc/conf" % conf, "--env", "WORD=one",
        "--mount", "type=bind,src=%s/work/swarm,dst=/bound" % t.world.base,
        "--mount", "type=volume,src=%s-data,dst=/data" % web, "--mount", "type=tmpfs,dst=/scratch",
        "--limit-memory", "64m", "--limit-pids", "20", "--cap-drop", "NET_RAW", "--init",
        "--label", "team=ci", "--container-label", "a=b", "--health-cmd", "true",
        "--health-interval", "1s",
        "--publish", "%d:80" % (8080 + t.cli.major), "--hostname", "{{.Service.Name}}"))
    t.until("the service runs", lambda: manager.running(web), 30)
    t.until("its log", lambda: manager.ok("service", "logs", "--raw", web).split("\n") == [
        "secret words", "config words", "one"])
    holds("ls", manager.ok("service", "ls"), web)
    manager.ok("service", "update", "--detach", "--no-resolve-image", "--env-add", "WORD=two", web)
    spec = manager.service(web)
    same("environment", spec["TaskTemplate"]["ContainerSpec"]["Env"], ["WORD=two"])
    manager.ok("service", "scale", "--detach", web + "=2")
    same("replicas", manager.service(web)["Mode"]["Replicated"]["Replicas"], 2)
    manager.ok("service", "rm", web)
    manager.ok("secret", "rm", key)
    manager.ok("config", "rm", conf)
    same("service after rm", manager.service(web), None)


@scenario(timeout=90, proxy=True)
def swarm_service_refused(t):
    manager = Manager(t)
    manager.make("secret", "prod-key")
    manager.make("config", "prod-conf")
    for options, field, key in CREATES:
        name = name_for(t)
        refused(t, manager.docker(*manager.create(name, *options)), 1, field, key)
        same("service of a refused request", manager.service(name), None)


@scenario(timeout=90, proxy=True)
def swarm_update_refused(t):
    """What no create may ask for, no update may add."""
    manager = Manager(t)
    name = name_for(t)
    manager.ok(*manager.create(name, "--replicas", "0"))
    before = manager.service(name)
    for options, field, key in (
            (["--mount-add", "type=bind,src=/,dst=/host"], "TaskTemplate.ContainerSpec.Mounts",
             "containers.binds"),
            (["--cap-add", "SYS_ADMIN"], "TaskTemplate.ContainerSpec.CapabilityAdd",
             "containers.cap_add"),
            (["--publish-add", "80:80"], "EndpointSpec.Ports", "containers.ports")):
        done = manager.docker("service", "update", "--detach", "--no-resolve-image", *options, name)
        refused(t, done, 1, "ServiceUpdate", field, key)
    same("service after refused updates", manager.service(name), before)
    manager.ok("service", "rm", name)


@scenario(timeout=90, proxy=True)
def swarm_networks(t):
    """The CLI names networks by ID: it is judged by the name and driver that the swarm has for it."""
    manager = Manager(t)
    net, web = name_for(t, "net"), name_for(t, "web")
    manager.ok("network", "create", "--driver", "overlay", net)
    if not t.world.direct:
        refused(t, manager.docker(*manager.create(web, "--network", "host")), 1,
                "TaskTemplate.Networks[0].Target", "containers.network_mode", "host")
        same("service of a refused request", manager.service(web), None)
    manager.ok(*manager.create(web, "--network", net, "--replicas", "0"))
    check(manager.service(web)["TaskTemplate"]["Networks"][0]["Target"] != net,
          "this CLI sends a name")
    manager.ok("service", "rm", web)
    t.until("the network is free", lambda: manager.docker("network", "rm", net).code == 0)


@scenario(timeout=90, proxy=True)
def swarm_commands_refused(t):
    manager = Manager(t)
    node = manager.engine("GET", "/nodes")[1][0]
    for words, said in COMMANDS:
        words = [node["ID"] if word == "NODE" else word for word in words]
        refused(t, manager.docker(*words, stdin=b"x"), 1, *said)
    same("the node", manager.engine("GET", "/nodes")[1][0]["Spec"], node["Spec"])


@scenario(timeout=90)
def swarm_stack(t):
    manager = Manager(t)
    folder, stack, key = t.folder(), name_for(t, "stack"), "ci-" + name_for(t, "key")
    manager.make("secret", key)

    def deploy(word, more=""):
        with open("%s/%s.yml" % (folder, word), "w") as file:
            file.write(STACK % (more, key))
        args = ("stack", "deploy", "--resolve-image", "never", "-c", file.name, stack)
        done = manager.docker(*args)
        while OTHER_VERSION in done.errors and t.left() > 0:
            done = manager.docker(*args)
        return done
    for _ in range(2):                  # made, then updated
        done = deploy("plain")
        same("exit code of stack deploy (%r)" % done.errors[-400:], done.code, 0)
    t.until("the stack runs", lambda: manager.running(stack + "_web"), 30)
    if not t.world.direct:
        before = manager.service(stack + "_web")
        done = deploy("bind", "    volumes: ['/:/host']")
        check(done.code != 0, "a stack with / mounted was deployed")
        holds("stderr", done.errors, "containers.binds")
        same("service after a refused deploy", manager.service(stack + "_web"), before)
    manager.ok("stack", "rm", stack)
    same("service after rm", manager.service(stack + "_web"), None)
