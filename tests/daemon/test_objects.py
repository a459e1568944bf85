"""Containers, networks and volumes as objects: states, lists, inspection, publishing."""
import json
import subprocess
import sys

from harness import Skip, check, holds, same, scenario

IMAGE = "busybox:test"
# a static busybox of Debian has no name service outside of a container
FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=3).read().decode())"
SERVE = ("sh", "-c", "echo served >/var/www/index.html; exec httpd -f -p 80 -h /var/www")


@scenario()
def stop_kill_restart(t):
    name = t.made("sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done")
    t.ok("stop", "-t", "20", name)
    same("exit code after stop", t.inspect(name)["State"]["ExitCode"], 5)
    t.ok("start", name)
    check(t.running(name), "not running after start")
    began = t.inspect(name)["State"]["StartedAt"]
    t.ok("restart", "-t", "20", name)
    check(t.inspect(name)["State"]["StartedAt"] != began, "restart did not restart")
    t.ok("kill", "-s", "KILL", name)
    t.until("end after kill", lambda: not t.running(name), 5)
    same("exit code after kill", t.inspect(name)["State"]["ExitCode"], 137)


@scenario()
def pause_rename_remove(t):
    name, other = t.made("sleep", "1000"), t.name("renamed")
    t.ok("pause", name)
    check(t.inspect(name)["State"]["Paused"], "not paused")
    t.ok("unpause", name)
    t.ok("rename", name, other)
    same("old name", t.inspect(name), None)
    t.ok("rm", "-f", "-v", other)
    same("after rm -f", t.inspect(other), None)


@scenario()
def update(t):
    name = t.made("sleep", "1000")
    t.ok("update", "--cpu-shares", "512", "--restart", "on-failure:3", name)
    config = t.inspect(name)["HostConfig"]
    same("CpuShares", config["CpuShares"], 512)
    same("RestartPolicy", config["RestartPolicy"], {"Name": "on-failure", "MaximumRetryCount": 3})


@scenario()
def diff_inspect_ps(t):
    name = t.made("sh", "-c", "echo x >/added; rm /etc/gone 2>/dev/null; sleep 1000",
                  Labels={"suite": t.prefix})
    t.until("file in the container", lambda: "A /added" in t.ok("diff", name))
    found = json.loads(t.ok("inspect", name))
    same("Name", found[0]["Name"], "/" + name)
    same("inspect --format", t.ok("inspect", "-f", "{{.State.Running}}", name), "true")
    same("ps --filter label", t.ok("ps", "--filter", "label=suite=" + t.prefix, "--format",
                                   "{{.Names}}"), name)
    holds("ps -a -s", t.ok("ps", "-a", "-s"), name)
    done = t.docker("inspect", "no-such-" + name)
    same("exit code for a missing one", done.code, 1)
    holds("stderr", done.errors, "No such")


@scenario()
def system(t):
    holds("images", t.ok("images", "--format", "{{.Repository}}:{{.Tag}}"), IMAGE)
    holds("image inspect", t.ok("image", "inspect", "busybox:test"), "sha256:")
    # It asks for a container of that name first, and goes on when there is none.
    holds("inspect", t.ok("inspect", "registry.example.com/ci/app:1"), "sha256:")
    holds("of none", t.docker("inspect", "no/such/thing").errors, "No such object")
    holds("history", t.ok("history", "busybox:test"), "IMAGE")
    holds("info", t.ok("info"), "Server Version:")
    holds("version", t.ok("version"), "Server")
    same("api negotiated", t.ok("version", "-f", "{{.Server.APIVersion}}"), "1.41")
    holds("system df", t.ok("system", "df"), "Images")
    holds("search by filter", t.ok("images", "--filter", "reference=registry.example.com/*/*"),
          "registry.example.com/ci/app")


@scenario()
def networks(t):
    net, one = t.name("net"), t.made("sleep", "1000")
    t.ok("network", "create", "--label", "x=y", net)
    holds("network ls", t.ok("network", "ls", "--format", "{{.Name}}"), net)
    t.ok("network", "connect", "--alias", "friend", net, one)
    found = json.loads(t.ok("network", "inspect", net))
    same("containers in the network", [c["Name"] for c in found[0]["Containers"].values()], [one])
    aliases = t.inspect(one)["NetworkSettings"]["Networks"][net]["Aliases"]
    check("friend" in aliases, "alias is missing: %r", aliases)
    t.ok("network", "disconnect", net, one)
    same("after disconnect", json.loads(t.ok("network", "inspect", net))[0]["Containers"], {})
    t.ok("network", "rm", net)
    check(t.docker("network", "inspect", net).code != 0, "network is still there after rm")


@scenario()
def network_names(t):
    if "--iptables=false" in t.world.daemon.options:
        raise Skip("names in a network need iptables")
    net, server = t.name("net"), t.name("web")
    t.ok("network", "create", net)
    t.ok("run", "-d", "--name", server, "--network", net, "--network-alias", "web", IMAGE, *SERVE)
    same("fetched by name", t.ok("run", "--rm", "--network", net, IMAGE, "sh", "-c",
         "until wget -qO- http://web/ 2>/dev/null; do sleep 0.1; done"), "served")


@scenario()
def publish_port(t):
    name = t.name()
    t.ok("run", "-d", "--name", name, "-p", "80", IMAGE, *SERVE)
    same("docker run -p HOST:CONTAINER", fetch(t, name), "served")
    chosen = t.name()
    port = str(20000 + sum(t.prefix.encode()) % 5000)
    t.ok("run", "-d", "--name", chosen, "-p", port + ":80", IMAGE, *SERVE)
    holds("docker port", t.ok("port", chosen), "0.0.0.0:" + port)
    same("fetched", fetch(t, chosen), "served")


def fetch(t, name):
    """What a container serves, over its published port."""
    ports = t.inspect(name)["NetworkSettings"]["Ports"]["80/tcp"]
    url = "http://127.0.0.1:%s/" % ports[0]["HostPort"]

    def try_it():
        done = subprocess.run(t.world.daemon.inside(sys.executable, "-c", FETCH, url),
                              capture_output=True)
        return done.stdout.decode().strip() if done.returncode == 0 else ""
    return t.until("answer over the published port", try_it)


@scenario()
def volumes(t):
    volume = t.name("vol")
    same("volume create", t.ok("volume", "create", "--label", "a=b", volume), volume)
    t.ok("run", "--rm", "-v", volume + ":/data", IMAGE, "sh", "-c", "echo kept >/data/file")
    same("data in the next container", t.ok("run", "--rm", "-v", volume + ":/data:ro", IMAGE, "cat",
                                            "/data/file"), "kept")
    same("with --mount", t.ok("run", "--rm", "--mount", "type=volume,src=%s,dst=/m" % volume, IMAGE,
                              "cat", "/m/file"), "kept")
    holds("volume ls", t.ok("volume", "ls", "-q"), volume)
    same("inspect", json.loads(t.ok("volume", "inspect", volume))[0]["Labels"], {"a": "b"})
    t.ok("volume", "rm", volume)
    check(volume not in t.ok("volume", "ls", "-q").split(), "volume is still there after rm")
    t.ok("run", "--rm", "-v", "/anonymous", "--tmpfs", "/scratch", IMAGE, "true")


@scenario()
def healthcheck(t):
    name = t.name()
    t.ok("run", "-d", "--name", name, "--health-cmd", "test -e /up", "--health-interval", "1s",
         "--health-retries", "1", IMAGE, "sh", "-c", "touch /up; sleep 1000")
    t.until("health", lambda: t.ok("inspect", "-f", "{{.State.Health.Status}}", name) == "healthy")
    holds("ps --filter health", t.ok("ps", "--filter", "health=healthy", "--format", "{{.Names}}"),
          name)
