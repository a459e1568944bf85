"""The real docker CLIs over mutual TLS. `run.py --tls` sends all other scenarios that way as well."""
import json
import os
import re
import shutil
import subprocess

import mtls
import proxies
from harness import Proc, check, holds, same, scenario, sha
from test_audit import read_lines

IMAGE = "busybox:test"
README = os.path.join(os.path.dirname(mtls.MAKE_CERTS), "README.md")


class Remote:
    """The proxy of a role, over TLS, by one CLI with a certificate of the CA."""

    def __init__(self, t, role="default", name="suite"):
        self.t = t
        self.proxy = t.world.proxies.get(role, t.world.daemon.socket)
        self.env = t.world.proxies.certs.env(self.proxy.port, name)

    def docker(self, *args, stdin=b"", seconds=40):
        return self.t.docker(*args, stdin=stdin, seconds=seconds, **self.env)

    def ok(self, *args, **more):
        done = self.docker(*args, **more)
        same("exit code (%s)" % done.errors[-300:], done.code, 0)
        return done.text

    def spawn(self, *args, terminal=False):
        return self.t.spawn(*args, terminal=terminal, **self.env)


@scenario(proxy=True)
def tls_run_and_exec(t):
    remote = Remote(t)
    done = remote.docker("run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2; exit 7")
    same("run", (done.code, done.text, done.errors), (7, "out", "err"))
    name = t.made("sleep", "1000")
    done = remote.docker("exec", "-i", name, "sh", "-c", "cat; exit 3", stdin=b"input\n")
    same("exec", (done.code, done.out), (3, b"input\n"))
    shell = remote.spawn("exec", "-it", name, "sh", terminal=True)
    shell.expect("# ")
    shell.send(b"echo hello$((1+1))\n")
    shell.expect("hello2")
    shell.send(b"exit 9\n")
    same("exit code of the shell", shell.wait(), 9)


@scenario(proxy=True)
def tls_stdin_is_complete(t):
    """The CLI ends its side with close_notify; all that it sent must come back."""
    remote = Remote(t)
    for data in (b"data\n", b"", os.urandom(10 << 20)):
        done = remote.docker("run", "--rm", "-i", IMAGE, "cat", stdin=data)
        same("exit code", done.code, 0)
        same("length", len(done.out), len(data))
        same("sha256", sha(done.out), sha(data))


@scenario(proxy=True)
def tls_follow(t):
    remote = Remote(t)
    name = t.made("sh", "-c", "mkfifo /gate; echo first; read x </gate; echo last")
    follow = remote.spawn("logs", "-f", name)
    follow.expect("first")
    check(follow.popen.poll() is None, "logs -f ended while the container runs")
    t.poke(name, "sh", "-c", "echo go >/gate")
    follow.expect("last")
    same("exit code", follow.wait(), 0)


@scenario(proxy=True)
def tls_copy(t):
    remote = Remote(t, "all")
    name, folder = t.made("sleep", "1000"), t.folder()
    path, digest = t.world.blob(20)
    remote.ok("cp", path, name + ":/blob")
    remote.ok("cp", name + ":/blob", folder + "/back")
    with open(folder + "/back", "rb") as file:
        same("what came back", sha(file.read()), digest)


@scenario(proxy=True)
def tls_wrong_certificates(t):
    """What people see: no certificate, of another CA, revoked, no TLS at all."""
    certs = t.world.proxies.certs
    remote = Remote(t)
    folder = t.folder()
    shutil.copy(certs.folder + "/ca.pem", folder)
    remote.env["DOCKER_CERT_PATH"] = folder
    done = remote.docker("ps")
    check(done.code != 0, "served without a certificate")
    holds("no certificate", done.errors, "certificate")
    other = mtls.Certs(t.folder())
    shutil.copytree(other.client("suite"), folder, dirs_exist_ok=True)
    shutil.copy(certs.folder + "/ca.pem", folder)
    done = remote.docker("ps")
    check(done.code != 0, "served with a certificate of another CA")
    holds("another CA", done.errors, "certificate")
    done = t.docker("-H", remote.env["DOCKER_HOST"], "version", DOCKER_TLS_VERIFY="")
    check(done.code != 0, "served without TLS")
    holds("without TLS", done.errors, "DOCKER_TLS_VERIFY")
    remote.env["DOCKER_CERT_PATH"] = other.client("suite")
    holds("the server's certificate", remote.docker("ps").errors, "unknown authority")
    reasons = {json.loads(line).get("reason") for line in read_lines(remote.proxy.audit) if b'"refused"' in line}
    for word in ("no certificate", "plain HTTP"):
        check(any(word in (reason or "") for reason in reasons), "no line says %r: %s", word, reasons)


class ByReadme:
    """The commands of certs-example/README.md, run as they stand there but for names and ports."""

    def __init__(self, t):
        self.t, self.home, self.port = t, t.folder(), mtls.free_port()
        with open(README, encoding="utf-8") as file:
            blocks = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", file.read(), flags=re.M)
        self.blocks = [re.sub("^    ", "", block, flags=re.M) for block in blocks]
        self.served = None
        for folder in ("bin", "host", "client"):
            os.mkdir(os.path.join(self.home, folder))
        with open(self.home + "/bin/scp", "w") as file:
            file.write('#!/bin/sh\ncp -r "$2" "%s/client/${3#*:}"\n' % self.home)
        os.chmod(self.home + "/bin/scp", 0o755)
        os.symlink(t.world.options.bin, self.home + "/bin/sockwarden")
        os.symlink(t.cli.path, self.home + "/bin/docker")
        os.symlink(os.path.dirname(os.path.abspath(mtls.MAKE_CERTS)),
                   self.home + "/host/certs-example")
        self.env = {"PATH": self.home + "/bin:/usr/bin:/bin", "HOME": self.home + "/client",
                    "SOCKWARDEN_UPSTREAM": "unix://" + t.world.daemon.socket,
                    "SOCKWARDEN_AUDIT_LOG": "none", "LC_ALL": "C.UTF-8"}

    def block(self, word):
        found = [block for block in self.blocks if word in block]
        check(found, "no block of the README holds %r", word)
        return found[0].replace("dockerhost.example.com", "localhost").replace(
            "192.0.2.10", "127.0.0.1").replace("0.0.0.0:2376", "127.0.0.1:%d" % self.port).replace(
                "2376", str(self.port))

    def run(self, word, where="host", before=""):
        """(exit code, output) of the block with that word."""
        done = subprocess.run(["bash", "-euc", before + self.block(word)], env=self.env, timeout=60,
                              cwd=os.path.join(self.home, where), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.t.trail.append(word + "\n" + done.stdout)
        return done.returncode, done.stdout

    def serve(self, word):
        if self.served:
            self.served.popen.terminate()
            self.served.wait()
        self.served = Proc(self.t, ["bash", "-c", "cd %s/host && exec %s" % (
            self.home, self.block(word))], self.env)
        self.served.expect("listening on tcp://")


@scenario(proxy=True)
def tls_by_the_readme(t):
    name = t.made("sleep", "1000")
    guide = ByReadme(t)

    def must(word, where="host", before="", holding=""):
        code, text = guide.run(word, where, before)
        same("exit code of %r (%s)" % (word, text[-300:]), code, 0)
        holds(word, text, holding)
    must("make-certs.sh ca\n")
    guide.serve("sockwarden serve")
    must("scp -r")
    must("export DOCKER_HOST", "client", holding=name)
    must("docker context create", "client", holding=name)
    must("--tlsverify --tlscacert $HOME", "client", holding=name)
    must("make-certs.sh revoke")
    guide.serve("--tlscrl")
    code, text = guide.run("export DOCKER_HOST", "client")
    check(code != 0, "served with a revoked certificate")
    holds("revoked", text, "revoked certificate")
    policy = os.path.join(guide.home, "policy.json")
    with open(policy, "w") as file:
        file.write(guide.block('"version"'))
    done = subprocess.run([t.world.options.bin, "check", policy], capture_output=True, timeout=20)
    same("check of the policy (%r)" % done.stderr, done.returncode, 0)


@scenario(proxy=True)
def tls_role_by_certificate(t):
    certs, base = t.world.proxies.certs, t.folder()
    policy = base + "/policy.json"
    with open(policy, "w") as file:
        json.dump({"version": 1, "clients": [
            {"name": "ops", "match": {"cert_ou": "ops"}, "role": "builtin:default"},
            {"name": "watch", "match": {"cert_cn": "watch*"}, "role": "builtin:read-only"}],
            "roles": {"nobody": {"allow": []}}}, file)
    own = proxies.Proxy(t.world.options.bin, base, t.world.daemon.socket, "roles",
                        ["--policy", policy], certs)
    try:
        ops = certs.env(own.port, "olga-" + t.cli.label, "--ou", "ops")
        watch = certs.env(own.port, "watch-" + t.cli.label)
        other = certs.env(own.port)
        same("ops", t.docker("run", "--rm", IMAGE, "echo", "x", **ops).text, "x")
        same("watch", t.docker("ps", **watch).code, 0)
        holds("watch runs", t.docker("run", "--rm", IMAGE, "true", **watch).errors, "read-only")
        check(t.docker("ps", **other).code != 0, "who matches no entry is served")
    finally:
        same("exit code of the proxy", own.stop(), 0)
