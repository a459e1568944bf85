"""Built-in roles before a real daemon: what their programs do works, and what it is not for fails.
builtin:compose is in test_compose.py."""
import json

import engine
from harness import check, holds, same, scenario

WATCHED = {"com.centurylinklabs.watchtower.enable": "true"}
LIMITS = ("--user", "1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
          "--network", "none", "--memory", "64m", "--cpus", "1", "--pids-limit", "64")


class Client:
    """Requests as the role, without a CLI."""

    def __init__(self, t, role):
        self.path = t.socket(role)

    def call(self, method, target, body=None, want=(200, 201, 204)):
        status, data = engine.call(self.path, method, "/v1.41" + target, body)
        check(status in want, "%s %s: %d %r", method, target, status, data[-300:])
        return json.loads(data) if data else None


@scenario(cli=False)
def watchtower_recreates(t):
    client = Client(t, "role-watchtower")
    name = t.made("sleep", "1000", Labels=WATCHED,
                  HostConfig={"RestartPolicy": {"Name": "unless-stopped"}})
    old = client.call("GET", "/containers/%s/json" % name)
    copy = {**old["Config"], "HostConfig": old["HostConfig"], "NetworkingConfig": {
        "EndpointsConfig": {net: {} for net in old["NetworkSettings"]["Networks"]}}}
    client.call("POST", "/containers/%s/kill?signal=SIGKILL" % name)
    client.call("DELETE", "/containers/%s?force=1" % name)
    worse = {**copy, "HostConfig": {**copy["HostConfig"], "MaskedPaths": []}}
    client.call("POST", "/containers/create?name=" + name, worse, (403,))
    client.call("POST", "/containers/create?name=" + name, copy)
    client.call("POST", "/containers/%s/start" % name)
    new = t.inspect(name)
    check(new["Id"] != old["Id"] and new["State"]["Running"], "it does not run again")
    same("masked paths", new["HostConfig"]["MaskedPaths"], old["HostConfig"]["MaskedPaths"])
    same("label", new["Config"]["Labels"], old["Config"]["Labels"])


@scenario(cli=False)
def watchtower_leaves_others(t):
    client = Client(t, "role-watchtower")
    name = t.made("sleep", "1000", word="other")
    client.call("POST", "/containers/%s/kill" % name, want=(403,))
    client.call("DELETE", "/containers/%s?force=1" % name, want=(403,))
    check(t.inspect(name)["State"]["Running"], "it is gone")


@scenario()
def agent_role(t):
    same("uid", t.ok("run", "--rm", *LIMITS, "busybox:test", "id", "-u", role="agent"), "1000")
    other = t.made("sleep", "1000")
    for words, args in (
            ("containers.user", ("run", "--rm", *LIMITS[2:], "busybox:test", "id")),
            ("containers.binds", ("run", "--rm", *LIMITS, "-v", "/etc:/x:ro", "busybox:test", "id")),
            ("containers.network_mode", ("run", "--rm", *LIMITS, "--network", "host", "busybox:test", "id")),
            ("No such container", ("exec", other, "id"))):
        done = t.docker(*args, role="agent")
        check(done.code != 0, "docker %s works", " ".join(args))
        holds("docker " + " ".join(args), done.errors, words)


@scenario()
def ci_role(t):
    """A job makes, enters and removes its container; what others made is not there."""
    name, other = t.name(), t.made("sleep", "1000")
    t.ok("run", "-d", "--name", name, "-v", "/data", "busybox:test", "sleep", "1000", role="role-ci")
    same("exec", t.ok("exec", name, "echo", "hello", role="role-ci"), "hello")
    holds("ps", t.ok("ps", "-a", "--format", "{{.Names}}", role="role-ci"), name)
    check(other not in t.ok("ps", "-a", "--format", "{{.Names}}", role="role-ci"), "it sees what others made")
    check(t.docker("rm", "-f", other, role="role-ci").code != 0 or t.inspect(other)["State"]["Running"],
          "it removes what others made")
    check(t.docker("run", "--rm", "--privileged", "busybox:test", "id", role="role-ci").code != 0, "privileged")
    t.ok("rm", "-f", "-v", name, role="role-ci")
