"""From nothing to a policy: what clients do is recorded, learnt from, and served by what was learnt."""
import json
import os
import subprocess

from harness import check, holds, same, scenario
from proxies import Proxy
from test_compose import Project, live

NOTHING = {"version": 1, "roles": {"default": {"description": "nothing", "allow": []}}}


def instance(t, name, *options):
    """One more proxy of the suite, which scenarios name as a role."""
    proxies = t.world.proxies
    proxies.running[name] = Proxy(proxies.binary, proxies.base, t.world.daemon.socket, name, options,
                                  proxies.certs)
    return proxies.running[name]


def command(t, *args, code=0):
    done = subprocess.run([t.world.proxies.binary, *args], capture_output=True, text=True,
                          timeout=30, check=False)
    check(done.returncode == code, "sockwarden %s: exit code %s: %s", args[0], done.returncode,
          done.stderr[-1500:])
    return done


def policy_file(t, name, text):
    path = os.path.join(t.world.proxies.base, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


def session(t, role, names, folder):
    """What a user does in a day, in a container of his own and in one that others made."""
    def docker(*args, code=0, **more):
        done = t.docker(*args, role=role, DOCKER_BUILDKIT="0", **more)
        check(done.code == code, "docker %s: exit code %s: %s", " ".join(args), done.code,
              done.errors[-600:])
        return done.text
    own, net, tag = names
    docker("network", "create", net)
    docker("volume", "create", net)
    docker("run", "-d", "--name", own, "--network", net, "--cap-add", "NET_ADMIN", "--init",
           "-p", "127.0.0.1::80", "-v", net + ":/data", "-v", folder + ":/work:ro",
           "--restart", "on-failure", "--log-opt", "max-size=1m", "--sysctl",
           "net.core.somaxconn=64", "--user", "1234", "--security-opt", "no-new-privileges",
           "--tmpfs", "/t", "--memory", "64m", "-e", "A=b", "--health-cmd", "true",
           "busybox:test", "sleep", "1000")
    same("id", docker("exec", "-u", "0", own, "id", "-u"), "0")
    with open(folder + "/file", "w") as file:
        file.write("text")
    for one in (own, names[0] + "-other"):
        docker("exec", one, "true")
        docker("inspect", one)
        docker("logs", one)
        docker("top", one)
        docker("diff", one)
        docker("export", "-o", folder + "/out.tar", one)
        docker("restart", "-t", "0", one)
        docker("stop", "-t", "0", one)
        docker("start", one)
        docker("update", "--memory", "128m", "--memory-swap", "-1", one)
        docker("cp", folder + "/file", one + ":/tmp/file")
        docker("cp", one + ":/tmp/file", folder + "/back")
        docker("rename", one, one + "-new")
        docker("rename", one + "-new", one)
        if one != own:
            docker("network", "connect", "--alias", "x", net, one)
        docker("network", "disconnect", net, one)
        docker("commit", one, tag + ":1")
    docker("tag", tag + ":1", tag + ":2")
    docker("history", tag + ":2")
    docker("save", "-o", folder + "/image.tar", tag + ":2")
    docker("load", "-i", folder + "/image.tar")
    docker("run", "--rm", docker("image", "inspect", "--format", "{{.Id}}", tag + ":2"), "true")
    docker("build", "-t", tag + ":3", folder)
    docker("ps", "-a")
    docker("images")
    docker("rmi", tag + ":1", tag + ":2", tag + ":3")
    docker("kill", own)
    docker("rm", "-f", own)
    docker("volume", "rm", net)
    docker("network", "rm", net)


@scenario(timeout=180, heavy=True, proxy=True)
def session_learnt(t):
    """all that a CLI does is recorded, learnt and served: nothing of it is refused, and nothing else passes"""
    nothing = policy_file(t, "nothing-%s.json" % t.cli.label, json.dumps(NOTHING))
    recorder = instance(t, "session-audit-" + t.cli.label, "--policy", nothing, "--mode", "audit")
    folder = t.folder()
    with open(folder + "/Dockerfile", "w") as file:
        file.write("FROM busybox:test\nRUN true\n")
    own = t.name()
    t.engine("POST", "/containers/create?name=" + own + "-other", {
        "Image": "busybox:test", "Cmd": ["sleep", "1000"], "HostConfig": {
            "CapAdd": ["SYS_TIME"], "PidMode": "host", "NetworkMode": "bridge"}}, (201,))
    t.engine("POST", "/containers/%s-other/start" % own, None, (204,))
    names = (own, t.name("net"), "ours/" + t.name("image").replace(".", "-"))
    session(t, recorder.name, names, folder)
    learnt = command(t, "learn", recorder.audit)
    check("may be refused" not in learnt.stderr, "learn: %s", learnt.stderr[-1500:])
    path = policy_file(t, "session-%s.json" % t.cli.label, learnt.stdout)
    command(t, "check", path)
    tested = command(t, "test", "--policy", path, recorder.audit)
    check(tested.stdout.endswith(" passed, 0 failed\n"), "test: %s", tested.stdout[-1500:])
    served = instance(t, "session-served-" + t.cli.label, "--policy", path)
    session(t, served.name, names, folder)
    for options in (["--privileged"], ["-v", "/:/host"], ["--cap-add", "SYS_ADMIN"],
                    ["--network", "host"], ["--uts", "host"], ["-v", folder + ":/work"],
                    ["-p", "80:80"], ["--user", "77"]):
        done = t.docker("run", "--rm", *options, "busybox:test", "true", role=served.name)
        check(done.code != 0, "docker run %s is let through", options)
        holds("docker run %s" % options, done.errors, "sockwarden: ")
    t.engine("DELETE", "/containers/%s-other?force=1" % own, None, (204,))


@scenario(cli=False, timeout=180, heavy=True, proxy=True)
def compose_learnt(t):
    """recorded under a role that allows nothing, learnt, served; a privileged container is refused"""
    nothing = policy_file(t, "nothing.json", json.dumps(NOTHING))
    recorder = instance(t, "learn-audit", "--policy", nothing, "--mode", "audit")
    project = Project(t, "learn-audit", True)
    live(t, project, True)
    learnt = command(t, "learn", recorder.audit)
    check("may be refused" not in learnt.stderr, "learn: %s", learnt.stderr[-1500:])
    path = policy_file(t, "learnt.json", learnt.stdout)
    command(t, "check", path)
    tested = command(t, "test", "--policy", path, recorder.audit)
    check(tested.stdout.endswith(" passed, 0 failed\n"), "test: %s", tested.stdout[-1500:])
    instance(t, "learn-served", "--policy", path)
    project.role = "learn-served"
    live(t, project, True)
    for options in (["--privileged"], ["-v", "/:/host"], ["--cap-add", "SYS_ADMIN"],
                    ["--network", "host"], ["--pid", "host"]):
        done = t.run(["/usr/bin/docker", "run", "--rm", *options, "busybox:test", "true"],
                     "learn-served")
        check(done.code != 0, "docker run %s is let through", options)
        holds("docker run %s" % options, done.errors, "sockwarden: ")
    report = json.loads(command(t, "report", "--policy", path, "--json",
                                t.world.proxies.running["learn-served"].audit).stdout)
    unused = [row for role in report["roles"] for row in role["unused"]]
    same("entries that the same project did not use again", unused, [])
    check(report["denied"], "the report holds no denial")
