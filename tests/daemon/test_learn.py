"""From nothing to a policy: a compose project is recorded, learnt from, and served by what was learnt."""
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
