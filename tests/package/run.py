#!/usr/bin/env python3
"""The container image, the compose files and the Debian package, as a user has them.

Builds the image by `make image`, starts each file of docker/ against a private real dockerd, with
stand-ins under the consumers' image names (consumer.py), and the package in a throwaway root
(throwaway.sh). Needs root, and what `make deps-test` installs. The last line counts.
"""
import argparse
import concurrent.futures
import functools
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "daemon"))
sys.dont_write_bytecode = True

import dockerd  # noqa: E402
import engine   # noqa: E402

DOCKER, COMPOSE = "/usr/bin/docker", "/usr/bin/docker-compose"
MAKE_CERTS = TOP + "/certs-example/make-certs.sh"
IMAGE = "sockwarden"
LIMIT = 8000000                     # bytes of the image
STANDINS = {"traefik:v3": "traefik", "prom/prometheus:v3.5.0": "prometheus",
            "portainer/portainer-ce:lts": "portainer", "gitlab/gitlab-runner:alpine": "gitlab-runner"}
JOB_IMAGE = "docker:cli"
CONSUMERS = (("compose.yaml", "traefik"), ("compose.prometheus.yaml", "prometheus"),
             ("compose.portainer.yaml", "portainer"), ("compose.gitlab-runner.yaml", "runner"))
HOST_PORT, STACK_PORT = 12376, 2376
WORKERS = 4


class Fail(Exception):
    """Something is not as it must be."""


def check(truth, why, *args):
    if not truth:
        raise Fail(why % args if args else why)


def until(what, look, seconds=40):
    end = time.monotonic() + seconds
    while True:
        value = look()
        if value:
            return value
        check(time.monotonic() < end, "%s: not within %d s", what, seconds)
        time.sleep(0.05)


class World:
    """The daemon, and commands that talk to it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="swp-", dir="/tmp")
        self.daemon = dockerd.Dockerd()
        os.chmod(self.daemon.base, 0o711)
        self.gid = os.stat(self.daemon.socket).st_gid
        self.env = {**os.environ, "DOCKER_HOST": "unix://" + self.daemon.socket, "DOCKER_SOCK": self.daemon.socket,
                    "DOCKER_GID": str(self.gid), "DOCKER_CONFIG": self.folder, "HOME": self.folder,
                    "DOCKER_BUILDKIT": "0", "PORT": str(HOST_PORT), "LC_ALL": "C.UTF-8"}
        for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "MAKEFLAGS", "BASE", "IMAGE", "DOCKER"):
            self.env.pop(name, None)

    def run(self, *argv, seconds=120, **env):
        return subprocess.run(argv, env={**self.env, **env}, cwd=TOP, capture_output=True, text=True,
                              errors="replace", timeout=seconds, stdin=subprocess.DEVNULL)

    def ok(self, *argv, **more):
        done = self.run(*argv, **more)
        check(done.returncode == 0, "%s: %d: %s", " ".join(argv)[:200], done.returncode,
              (done.stdout + done.stderr)[-900:])
        return done.stdout

    def inspect(self, name):
        return json.loads(self.ok(DOCKER, "inspect", name))[0]

    def healthy(self, name):
        def look():
            state = self.inspect(name)["State"]
            check(state["Running"] and not state.get("Restarting"), "%s does not run: %s", name,
                  self.run(DOCKER, "logs", name).stderr[-900:])
            return state["Health"]["Status"] == "healthy"
        until("%s is healthy" % name, look)

    def build(self, tag, *lines):
        """An image of a few lines and consumer.py."""
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            tar.add(HERE + "/consumer.py", "consumer.py")
            text = "\n".join(lines).encode()
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        status, body = engine.call(self.daemon.socket, "POST", "/build?t=" + tag, context.getvalue(), 60)
        check(status == 200 and b'"error"' not in body, "the stand-in %s: %d %s", tag, status, body[-300:])

    def remote(self, port, certs, *args):
        """The docker CLI in the daemon's network, by TCP."""
        return self.run(*self.daemon.inside(DOCKER, *args), DOCKER_HOST="tcp://127.0.0.1:%d" % port,
                        DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=certs)

    def close(self):
        self.daemon.close()
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder])


class Project:
    """One compose file, started."""

    def __init__(self, world, file):
        self.world, self.name = world, re.sub("[^a-z]", "", file.removesuffix(".yaml"))
        self.argv = [COMPOSE, "--no-ansi", "-p", self.name, "-f", "docker/" + file]

    def ok(self, *args, **more):
        return self.world.ok(*self.argv, *args, **more)

    def container(self, service):
        return "%s_%s_1" % (self.name, service)

    def up(self, **more):
        self.ok("up", "-d", **more)
        hardened(self.world, self.container("sockwarden"))

    def down(self, **more):
        self.ok("down", "-v", "-t", "1", **more)


def hardened(world, name, swarm=False):
    """No shell, no right, nothing to write, and the socket's group beside its own."""
    found = world.inspect(name)
    host = found["HostConfig"]
    check(host["ReadonlyRootfs"] is True, "%s: the root file system is writable", name)
    check(host["CapDrop"] in (["ALL"], ["CAP_ALL"]) and not host["CapAdd"] and not host["Privileged"],
          "%s has capabilities: %s", name, host["CapDrop"])
    if swarm:           # which knows neither group_add nor security_opt
        check(found["Config"]["User"] == "65534:%d" % world.gid, "%s runs as %s", name, found["Config"]["User"])
        return
    check(found["Config"]["User"] == "65534:65534", "%s runs as %s", name, found["Config"]["User"])
    check(host["GroupAdd"] == [str(world.gid)], "%s: groups %s", name, host["GroupAdd"])
    check(any(o.startswith("no-new-privileges") for o in host["SecurityOpt"]), "%s may gain privileges", name)


def refused(done, what):
    text = done.stdout + done.stderr
    check(done.returncode != 0 and "sockwarden: " in text and "refuses ContainerCreate" in text,
          "%s: exit %d: %s", what, done.returncode, text[-600:])


# ---- what there is to build ---------------------------------------------------------------------

def make_image(world):
    done = world.ok("make", "-s", "--no-print-directory", "image", seconds=400)
    return done.strip().split("\n")[-1]


def make_standins(world):
    """Python and the docker CLI of this machine, under the names of the consumers' images."""
    archive = world.folder + "/standin.tar"
    with open(archive, "wb") as file:
        subprocess.run([TOP + "/docker/base-image.sh", "python3", DOCKER], stdout=file, check=True, timeout=120)
    world.ok(DOCKER, "import", archive, "standin")
    os.unlink(archive)
    for tag, name in STANDINS.items():
        world.build(tag, "FROM standin", "COPY consumer.py /", 'ENTRYPOINT ["python3", "/consumer.py", "%s"]' % name)
    world.build(JOB_IMAGE, "FROM standin", "CMD sh")


def make_package(world):
    world.ok("make", "-s", "--no-print-directory", "deb", seconds=400)
    version = re.search(r"^VERSION := (\S+)", open(TOP + "/Makefile").read(), flags=re.M).group(1)
    first = re.match(r"sockwarden \((\S+)-\d+\)", open(TOP + "/docker/debian/changelog").read()).group(1)
    check(first == version, "docker/debian/changelog has version %s, the Makefile %s", first, version)
    names = [n for n in os.listdir(TOP + "/build") if re.fullmatch(r"sockwarden_%s-\d+_\w+\.deb" % re.escape(version), n)]
    check(len(names) == 1, "packages in build/: %s", names)
    return TOP + "/build/" + names[0]


# ---- scenarios ----------------------------------------------------------------------------------

def image_holds_the_program_alone(world):
    found = world.inspect(IMAGE)
    check(found["Size"] <= LIMIT, "the image has %d bytes", found["Size"])
    check(found["Config"]["User"] == "65534:65534", "user %s", found["Config"]["User"])
    check(found["Config"]["Healthcheck"]["Test"] == ["CMD", "/usr/bin/sockwarden", "healthcheck"], "no HEALTHCHECK")
    name = world.ok(DOCKER, "create", IMAGE).strip()
    dump = subprocess.run([DOCKER, "export", name], env=world.env, capture_output=True, check=True).stdout
    world.ok(DOCKER, "rm", "-v", name)
    program = world.folder + "/program"
    with tarfile.open(fileobj=io.BytesIO(dump)) as tar, open(program, "wb") as file:
        entries = tar.getmembers()
        file.write(tar.extractfile("usr/bin/sockwarden").read())
    os.chmod(program, 0o755)
    weak = [line for line in world.run("tests/unit/check-hardening", program).stdout.splitlines()
            if line.startswith("FAIL") and "control-flow" not in line]      # which takes symbols to see
    check(not weak, "the program: %s", weak)
    programs = [e.name for e in entries if e.isfile() and e.mode & 0o111 and e.size
                and ".so" not in e.name]
    check(programs == ["usr/bin/sockwarden"], "programs in the image: %s", programs)
    check(not any(e.mode & 0o6000 for e in entries), "something is set-uid")
    writable = [e.name for e in entries if not e.issym() and (e.mode & 0o002 or e.uid) and e.size == 0]
    check(sorted(writable) == ["run/sockwarden", "tmp"], "writable: %s", writable)
    for library in ("libssl3", "libc6", "libcjson1", "sockwarden"):
        check(any(e.name == "usr/share/doc/%s/copyright" % library for e in entries), "no licence of %s", library)


def image_before_a_daemon(world):
    """A second container with nothing but sockwarden's socket: works, and is held."""
    serve = ["run", "-d", "--name", "plain", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
             "--network", "none", "--group-add", str(world.gid), "--health-interval", "1s",
             "-v", world.daemon.socket + ":/var/run/docker.sock", "-v", "plain:/run/sockwarden", IMAGE]
    world.ok(DOCKER, *serve)
    hardened(world, "plain")
    client = ["run", "--rm", "--network", "none", "-v", "plain:/run/sockwarden", "-e",
              "DOCKER_HOST=unix:///run/sockwarden/docker.sock", JOB_IMAGE]
    until("it serves", lambda: world.run(DOCKER, *client, "docker", "version").returncode == 0)
    check("plain" not in world.ok(DOCKER, *client, "docker", "ps"), "sockwarden's own container is shown")
    check(world.ok(DOCKER, *client, "docker", "run", "--rm", "busybox:test", "echo", "works") == "works\n", "docker run")
    refused(world.run(DOCKER, *client, "docker", "run", "--rm", "--privileged", "-v", "/:/host", "busybox:test",
                      "cat", "/host/etc/shadow"), "docker run --privileged -v /:/host")
    world.healthy("plain")
    log = world.run(DOCKER, "logs", "plain")
    check("system calls are limited by seccomp" in log.stderr, "no sandbox: %s", log.stderr[:600])
    check(world.run(DOCKER, "exec", "plain", "sh", "-c", "true").returncode in (126, 127), "there is a shell")
    world.ok(DOCKER, "stop", "-t", "5", "plain")
    check(world.inspect("plain")["State"]["ExitCode"] == 0, "it does not end by TERM")
    world.ok(DOCKER, "rm", "-v", "plain")


def consumer(world, file, service):
    """The compose file with a stand-in of the consumer, which makes his calls and others."""
    project = Project(world, file)
    project.up()

    def ended():
        logs = world.run(DOCKER, "logs", project.container(service))
        return "consumer: " in logs.stdout and logs.stdout
    try:
        said = until("%s makes its calls" % service, ended)
        wrong = [line for line in said.split("\n") if line.startswith("WRONG")]
        right = re.search(r"consumer: (\d+) right, (\d+) wrong", said)
        check(not wrong and int(right.group(2)) == 0 and int(right.group(1)) >= 7, "%s: %s", service,
              " | ".join(wrong) or said)
        mounts = world.inspect(project.container(service))["Mounts"]
        check(not any(m.get("Source") == world.daemon.socket for m in mounts), "%s has the real socket", service)
    finally:
        project.down()


def compose_ci_job(world):
    project = Project(world, "compose.ci-job.yaml")
    script = ("test $(ls /var/run) = docker.sock && docker ps -q | wc -l; "
              "docker run --rm -m 64m busybox:test echo from the job; "
              "docker run --rm -m 64m --privileged -v /:/host busybox:test true; echo ended with $?; "
              "docker run --rm -m 64m -v /var/run/docker.sock:/var/run/docker.sock busybox:test true; echo ended with $?")
    try:
        done = world.run(*project.argv, "run", "--rm", "-T", "job", "sh", "-c", script)
        text = done.stdout + done.stderr
        hardened(world, project.container("sockwarden"))
        check("from the job" in text, "the job's container: %s", text[-900:])
        check(text.count("refuses ContainerCreate") == 2 and text.count("ended with 125") == 2, "refusals: %s", text[-900:])
    finally:
        project.down()


def make_certs(folder):
    for args in (("ca",), ("server", "localhost", "127.0.0.1"), ("client", "alice", "--ou", "operators"), ("client", "bob")):
        subprocess.run([MAKE_CERTS, "--dir", folder, *args], check=True, capture_output=True, timeout=30)
    subprocess.run([MAKE_CERTS, "--dir", folder + "/other", "ca"], check=True, capture_output=True, timeout=30)
    subprocess.run([MAKE_CERTS, "--dir", folder + "/other", "client", "alice", "--ou", "operators"], check=True,
                   capture_output=True, timeout=30)
    # A stranger who trusts this server.
    subprocess.run(["cp", folder + "/ca.pem", folder + "/other/clients/alice/ca.pem"], check=True)
    return folder


def by_certificate(world, port, certs):
    """Alice restarts, Bob looks on, a stranger is not heard, and nobody gets at the host."""
    target = "restarted%d" % port
    world.ok(DOCKER, "run", "-d", "--name", target, "busybox:test", "sleep", "600")
    alice, bob = certs + "/clients/alice", certs + "/clients/bob"
    until("it answers", lambda: world.remote(port, bob, "ps").returncode == 0)
    done = world.remote(port, alice, "restart", "-t", "0", target)
    check(done.returncode == 0, "alice: docker restart: %s", done.stderr)
    done = world.remote(port, bob, "restart", "-t", "0", target)
    check(done.returncode != 0 and "refuses ContainerRestart" in done.stderr, "bob: docker restart: %s", done.stderr)
    for name in (alice, bob):
        refused(world.remote(port, name, "run", "--rm", "--privileged", "-v", "/:/host", "busybox:test", "true"), name)
    done = world.remote(port, certs + "/other/clients/alice", "ps")
    check(done.returncode != 0 and "sockwarden:" not in done.stderr, "a stranger: %s", done.stdout + done.stderr)
    world.ok(DOCKER, "rm", "-f", target)


def compose_remote(world):
    certs = make_certs(world.folder + "/remote")
    os.chmod(world.folder, 0o711)
    with open(TOP + "/docker/compose.remote.yaml", encoding="utf-8") as file:
        steps = re.findall(r"^# +((?:install|chown) .*?)(?:   .*)?$", file.read(), flags=re.M)
    check(len(steps) == 2, "the head of compose.remote.yaml: %s", steps)
    for step in steps:
        step = step.replace("docker/certs", certs).replace("docker/tls", world.folder + "/tls")
        subprocess.run(["bash", "-c", step], check=True, timeout=30)
    project = Project(world, "compose.remote.yaml")
    project.up(TLS=world.folder + "/tls")
    try:
        world.healthy(project.container("sockwarden"))
        by_certificate(world, HOST_PORT, certs)
    finally:
        project.down(TLS=world.folder + "/tls")


def stack(world):
    """One on each node, with the policy and the keys from the swarm."""
    certs = make_certs(world.folder + "/fleet")
    world.ok(DOCKER, "stack", "deploy", "--resolve-image", "never", "-c", "docker/stack.yaml", "fleet", CERTS=certs)

    def task():
        return world.ok(DOCKER, "ps", "-q", "--filter", "label=com.docker.swarm.service.name=fleet_sockwarden").split()
    name = until("the node's task", task)[0]
    world.healthy(name)
    hardened(world, name, swarm=True)
    mounts = world.inspect(name)["Mounts"]
    check(not any("server-key" in m.get("Source", "") and m["Type"] != "tmpfs" and "/containers/" not in m["Source"]
                  for m in mounts), "the key: %s", mounts)
    by_certificate(world, STACK_PORT, certs)
    world.ok(DOCKER, "stack", "rm", "fleet")
    until("the stack is gone", lambda: not world.ok(DOCKER, "secret", "ls", "-q") and not task())


def package(world, path):
    folder = world.folder + "/root"
    os.mkdir(folder)
    done = world.run("unshare", "-m", "--propagation", "private", HERE + "/throwaway.sh", path, folder,
                     world.daemon.socket, seconds=300)
    wrong = [line for line in done.stdout.split("\n") if line.startswith("WRONG")]
    right = sum(line.startswith("ok ") for line in done.stdout.split("\n"))
    check(not wrong and done.returncode == 0 and right >= 25, "%d right; %s %s", right, " | ".join(wrong), done.stderr[-600:])


# ---- all of it ----------------------------------------------------------------------------------

class Runner:
    def __init__(self, pattern):
        self.pattern, self.lock = pattern, threading.Lock()
        self.passed = self.failed = 0

    def wants(self, name):
        return self.pattern in name

    def run(self, name, func, *args):
        """What func gives; None when it fails."""
        began = time.monotonic()
        value, why = None, ""
        try:
            value = func(*args)
        except Exception as problem:
            why = " ".join(("%s: %s" % (type(problem).__name__, problem)).split("\n"))
        with self.lock:
            self.passed += not why
            self.failed += bool(why)
            print("%s %s%s (%.1fs)" % ("FAIL" if why else "ok", name, ": " + why if why else
                                       ": " + value if isinstance(value, str) else "", time.monotonic() - began), flush=True)
        return value if not why else None


def scenarios():
    yield "image_holds_the_program_alone", image_holds_the_program_alone
    yield "stack", stack
    yield "image_before_a_daemon", image_before_a_daemon
    yield "compose_remote", compose_remote
    for file, service in CONSUMERS:
        yield "compose_" + service, functools.partial(consumer, file=file, service=service)
    yield "compose_ci_job", compose_ci_job


def all_are_tried():
    """Each file in docker/ that can be started is started here, and shown in docker/README.md."""
    with open(TOP + "/docker/README.md", encoding="utf-8") as file:
        readme = file.read()
    tried = [file for file, _ in CONSUMERS] + ["compose.ci-job.yaml", "compose.remote.yaml", "stack.yaml", "sockwarden.yaml"]
    for name in sorted(n for n in os.listdir(TOP + "/docker") if n.endswith(".yaml")):
        check(name in tried, "docker/%s is not tried", name)
        check("](%s)" % name in readme, "docker/README.md does not name %s", name)


def deb(runner, world):
    path = runner.run("make_deb", make_package, world)
    if path:
        runner.run("deb_in_a_throwaway_root", package, world, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-k", metavar="PATTERN", default="", help="only scenarios with it in the name")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root: it makes namespaces and runs a dockerd")
    began = time.monotonic()
    runner, chosen = Runner(options.k), [row for row in scenarios() if options.k in row[0]]
    runner.run("all_are_tried", all_are_tried)
    world = World()
    try:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            jobs = []
            if runner.wants("make_deb deb_in_a_throwaway_root"):
                jobs.append(pool.submit(deb, runner, world))
            if chosen:
                world.daemon.start_swarm()
                image = pool.submit(runner.run, "make_image", make_image, world)
                standins = pool.submit(runner.run, "make_standins", make_standins, world)
                standins.result()
                if image.result():
                    jobs += [pool.submit(runner.run, name, func, world) for name, func in chosen]
            for job in jobs:
                job.result()
    finally:
        world.close()
    print("# %.0f seconds" % (time.monotonic() - began))
    print("package: %d passed, %d failed" % (runner.passed, runner.failed))
    return 1 if runner.failed or not runner.passed else 0


if __name__ == "__main__":
    sys.exit(main())
