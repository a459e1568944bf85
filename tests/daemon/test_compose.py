"""docker-compose 1.29 through the proxy."""
import os
import shutil

from harness import Proc, Skip, check, holds, same, scenario

COMPOSE = "/usr/bin/docker-compose"
FILE = """version: "3.7"
services:
  web:
    image: busybox:test
    command: >
      sh -c 'echo web is up; echo served >/var/www/index.html; exec httpd -f -p 80 -h /var/www'
    volumes: ["data:/data"%s]
    networks: [inner]
    healthcheck: {test: ["CMD", "true"], interval: 2s}
    labels: {a: b}
  job:
    image: registry.example.com/ci/app:1
    command: >
      sh -c 'echo job says hello; until wget -qO- http://web/ 2>/dev/null; do sleep 0.2; done'
    depends_on: [web]
    networks: {inner: {aliases: [worker]}}
    environment: {WORD: value}
volumes: {data: {}}
networks: {inner: {driver: bridge}}
"""


class Project:
    def __init__(self, t, role, bind):
        if not os.access(COMPOSE, os.X_OK):
            raise Skip("docker-compose is not installed")
        self.t, self.role = t, role
        self.folder = t.folder()
        self.name = "".join(c for c in t.prefix if c.isalnum())
        with open(self.folder + "/shared.txt", "w") as file:
            file.write("from the host")
        more = ', "./shared.txt:/shared.txt:ro"' if bind else ""
        with open(self.folder + "/docker-compose.yml", "w") as file:
            file.write(FILE % more)

    def argv(self, *args):
        return [COMPOSE, "--no-ansi", "-p", self.name, "-f", self.folder + "/docker-compose.yml",
                *args]

    def ok(self, *args, stdin=b""):
        done = self.t.run(self.argv(*args), self.role, stdin, 60)
        check(done.code == 0, "docker-compose %s: exit code %s: %s", " ".join(args), done.code,
              done.errors[-600:])
        return done.text

    def spawn(self, *args):
        return Proc(self.t, self.argv(*args), self.t.env(self.role))


def life(t, role, bind):
    live(t, Project(t, role, bind), bind)


def live(t, project, bind):
    """All that a project does from up to down, as the project's role."""
    project.ok("up", "-d")
    listing = project.ok("ps")
    holds("ps", listing, project.name + "_web_1")
    same("exec -T", project.ok("exec", "-T", "web", "cat", "/var/www/index.html"), "served")
    if bind:
        same("bound file", project.ok("exec", "-T", "web", "cat", "/shared.txt"), "from the host")
    t.until("logs of both", lambda: all(
        word in project.ok("logs") for word in ("web is up", "job says hello", "served")))
    same("run", project.ok("run", "--rm", "-T", "--no-deps", "job", "sh", "-c", "echo $WORD"),
         "value")
    project.ok("restart", "-t", "1", "web")
    project.ok("stop", "-t", "1")
    project.ok("down", "-v", "-t", "1")
    left = t.engine("GET", "/containers/json?all=1&filters=%%7B%%22label%%22:%%5B%%22com.docker."
                    "compose.project=%s%%22%%5D%%7D" % project.name)[1]
    same("containers after down", left, [])
    volumes = t.engine("GET", "/volumes")[1]["Volumes"]
    check(not any(v["Name"].startswith(project.name) for v in volumes), "a volume is left")


@scenario(cli=False, timeout=120, heavy=True)
def compose_policy_file(t):
    """builtin:compose, with a folder of its own."""
    life(t, "role-compose", bind=True)


@scenario(cli=False, timeout=120, heavy=True)
def compose_default(t):
    life(t, "default", bind=False)


@scenario(cli=False, timeout=90)
def compose_attached(t):
    project = Project(t, "compose", False)
    front = project.spawn("up", "--abort-on-container-exit", "--exit-code-from", "job", "-t", "1")
    front.expect("job says hello", 40)
    front.expect("served", 20)
    same("exit code", front.wait(30), 0)
    project.ok("down", "-v", "-t", "1")
    shutil.rmtree(project.folder)
