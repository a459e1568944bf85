"""In the place of a docker-socket-proxy: the commands of Tecnativa's own tests, by real docker CLIs on
plain TCP, with the same verdict under the same variables."""
import os
import signal
import socket
import subprocess
import time

import mtls
from harness import check, holds, same, scenario
from proxies import daemon_root

IMAGE = "busybox:test"
FORBIDDEN = "sockwarden: role"

# variables; what is let through; what is not. %c is a container that runs, %d an empty folder
SETS = (
    ({"POST": "0"}, ("version",),
     ("pull busybox:none", "run --rm busybox:test", "logs %c", "wait %c", "rm -f %c", "restart %c",
      "network ls", "config ls", "service ls", "stack ls", "secret ls", "plugin ls", "info",
      "system info", "build %d", "swarm init")),
    ({"CONTAINERS": "1"}, ("version", "logs %c", "inspect --type container %c", "ps -a", "top %c"),
     ("wait %c", "run --rm busybox:test", "rm -f %c", "restart %c", "exec %c true", "images")),
    ({"POST": "1"}, ("version",),
     ("rm -f %c", "pull busybox:none", "run --rm busybox:test", "network create %n")),
    ({"POST": "1", "NETWORKS": "1"}, ("network create %n", "network ls", "network rm %n"),
     ("ps", "volume ls")),
    ({"CONTAINERS": "1", "EXEC": "1", "POST": "1"},
     ("exec %c true", "run --rm busybox:test true", "restart -t 0 %c"),
     ("run --rm --privileged busybox:test", "run --rm -v /:/host busybox:test",
      "exec --privileged %c true", "network ls")),
    ({"ALLOW_RESTARTS": "1"}, ("restart -t 0 %c",), ("start %c", "rm -f %c")),
)


class Served:
    """A sockwarden that has these variables alone."""

    def __init__(self, t, variables):
        self.port = mtls.free_port()
        self.log_path = os.path.join(t.world.base, "dropin-%d.log" % self.port)
        env = {"PATH": os.environ["PATH"], "BIND_CONFIG": "127.0.0.1:%d" % self.port,
               "SOCKET_PATH": t.world.daemon.socket, **variables}
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen(
                [t.world.options.bin, "--host-root", daemon_root(t.world.daemon.socket)], env=env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        t.procs.append(self.popen)
        end = time.monotonic() + 15
        while not self.listens():
            check(self.popen.poll() is None and time.monotonic() < end, "it does not serve: %s",
                  self.log())
            time.sleep(0.03)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        same("exit code", self.popen.wait(20), 0)


@scenario(proxy=True, timeout=120)
def dropin(t):
    name, network, folder = t.made("sleep", "1000"), t.name(), t.folder()
    with open(folder + "/Dockerfile", "w") as file:
        file.write("FROM %s\n" % IMAGE)
    for variables, allowed, forbidden in SETS:
        served = Served(t, variables)
        for line in (*allowed, *forbidden):
            words = [word.replace("%c", name).replace("%d", folder).replace("%n", network)
                     for word in line.split()]
            done = t.docker(*words, seconds=30, DOCKER_HOST="tcp://127.0.0.1:%d" % served.port,
                            DOCKER_TLS_VERIFY="", DOCKER_BUILDKIT="0")
            told = FORBIDDEN in done.text + done.errors
            check(told == (line in forbidden), "%s: docker %s: %s %s", variables, line, done.text,
                  done.errors)
            check(told or done.code == 0, "%s: docker %s: %s", variables, line, done.errors)
        holds("log", served.log(), "docker-socket-proxy")
        served.stop()
