"""Bind sources as they are on the daemon's file system, which a folder of the test stands for."""
import json
import os
import shutil
import signal
import subprocess

from harness import Env, Suite, check, equal, listens, run_bin, settings, wait_for

suite = Suite()
JSON = ["Content-Type: application/json"]


class Host(Env):
    """A proxy with a host root of its own: /srv/ci may be bound, /srv/ci/l leads to /."""

    def __init__(self, *options, binds=("/srv/ci/**", "/srv/named.sock"), host_root=None, **kwargs):
        super().__init__(*options, role="default", start=False, **kwargs)
        self.root = os.path.join(self.dir, "root")
        for path in ("srv/ci/ws", "srv/closed/in", "run", "etc"):
            os.makedirs(self.at(path))
        os.symlink("/", self.at("srv/ci/l"))
        os.symlink("/srv/ci", self.at("etc/ci"))
        os.link(self.upstream, self.at("srv/ci/own.sock"))
        os.link(self.upstream, self.at("srv/named.sock"))
        policy = os.path.join(self.dir, "policy.json")
        with open(policy, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "roles": {"default": {"allow": ["@create"], "containers": {
                "binds": list(binds)}}}}, file)
        os.chmod(policy, 0o644)
        os.chmod(self.dir, 0o755)
        self.args += ["--policy", policy, "--host-root", host_root or self.root]
        self.policy = policy

    def at(self, path):
        return os.path.join(self.root, path)

    def bind(self, source):
        body = {"Image": "a", "HostConfig": {"Binds": [source + ":/x"]}}
        return self.ask("POST", "/v1.41/containers/create", json.dumps(body).encode(), JSON)

    def binds(self, source, words=None):
        """Binding the source passes, or is refused with these words."""
        before = len(self.fake.requests)
        answer = self.bind(source)
        equal(answer.status, 403 if words else 200, f"{source}: {answer.body!r}")
        equal(len(self.fake.requests) - before, 0 if words else 1, "requests that reach the daemon")
        check(not words or words in answer.body.decode(), f"{source}: {answer.body!r}")


@suite.test
def links():
    """a link on the way or at the end is refused, what is missing passes; looked at each time"""
    with Host() as env:
        env.start()
        env.binds("/srv/ci/ws")
        env.binds("/srv/ci/new/folder")
        env.binds("/srv/ci/l", "symbolic link")
        env.binds("/srv/ci/l/etc", "symbolic link")
        for _ in range(3):
            os.rename(env.at("srv/ci/ws"), env.at("srv/ci/away"))
            os.symlink("/etc", env.at("srv/ci/ws"))
            env.binds("/srv/ci/ws", "symbolic link")
            env.binds("/srv/ci/ws/more", "symbolic link")
            os.unlink(env.at("srv/ci/ws"))
            env.binds("/srv/ci/ws")
            os.rename(env.at("srv/ci/away"), env.at("srv/ci/ws"))
            env.binds("/srv/ci/ws")


@suite.test
def own_volume():
    """the volume that its socket lies in, by mount or by path, must be written out; after a reload too"""
    for mounted in (True, False):
        if mounted and (os.geteuid() != 0 or not shutil.which("unshare")):
            continue
        with Host(host_root="none") as env:
            folder, point = (os.path.join(env.dir, name) for name in ("volumes/p_run/_data", "run"))
            os.makedirs(folder)
            os.mkdir(point)
            with open(env.policy, "w", encoding="utf-8") as file:
                json.dump({"version": 1, "roles": {"default": {"allow": ["@create"], "existing": "any"}}}, file)
            at = env.args.index("unix://" + env.socket)
            env.socket = os.path.join(folder, "proxy.sock")
            env.args[at] = "unix://%s/proxy.sock" % (point if mounted else folder)
            mount = 'mount --bind "$0" "$1" && shift && exec "$@"'
            env.start(ready=False, wrapper=["unshare", "-m", "sh", "-c", mount, folder, point] if mounted else ())
            wait_for(lambda: listens("unix://" + env.socket), "the proxy listens", 10)
            for _ in range(2):
                for source, status in (("p_run", 403), ("p_other", 200)):
                    answer = env.bind(source)
                    equal(answer.status, status, f"{source}: {answer.body!r}")
                    check(status == 200 or b"written out in containers.volumes" in answer.body, answer.body)
                env.process.send_signal(signal.SIGHUP)
                wait_for(lambda: "reloaded: policy" in env.stderr(), "the reload", 10)


@suite.test
def volumes():
    """a volume that binds a host path is held to the same"""
    with Host() as env:
        env.start()
        for device, status in (("/srv/ci/ws", 200), ("/srv/ci/l", 403), ("/srv/ci/own.sock", 403)):
            body = {"Name": "v", "DriverOpts": {"type": "none", "o": "bind", "device": device}}
            answer = env.ask("POST", "/v1.41/volumes/create", json.dumps(body).encode(), JSON)
            equal(answer.status, status, f"{device}: {answer.body!r}")


@suite.test
def sockets():
    """the daemon's and the own socket under another name must be written out"""
    with Host() as env:
        env.start()
        os.link(env.socket, env.at("srv/ci/proxy.sock"))
        env.binds("/srv/ci/own.sock", "under another name")
        env.binds("/srv/ci/proxy.sock", "under another name")
        env.binds("/srv/named.sock")
        os.unlink(env.at("srv/ci/own.sock"))     # another daemon takes its place
        env.fake.stop()
        env.fake.start()
        os.link(env.upstream, env.at("srv/ci/own.sock"))
        env.binds("/srv/ci/own.sock", "under another name")


@suite.test
def system_links():
    """links in /, /etc and /var pass for a source that is written out"""
    with Host(binds=["/etc/ci", "/srv/ci/**"]) as env:
        env.start()
        env.binds("/etc/ci")
    with Host(binds=["/etc/**"]) as env:
        env.start()
        env.binds("/etc/ci", "bind that, or write the source out")
        check("through the symbolic link" not in env.stderr(), env.stderr())


@suite.test
def by_name():
    """--host-root none judges by name, and says so"""
    with Host(host_root="none") as env:
        env.start()
        env.binds("/srv/ci/l")
        env.binds("/srv/ci/own.sock")
        check("--host-root none: bind sources are judged by name only" in env.stderr(), env.stderr())


@suite.test
def unseen():
    """what the user of --user may not look into is refused with the remedy"""
    if os.geteuid() != 0:
        return
    with Host("--user", "nobody", binds=["/srv/ci/**", "/srv/closed/**"]) as env:
        os.chmod(env.upstream, 0o666)
        os.chmod(env.at("srv/closed"), 0o700)
        env.start()
        env.binds("/srv/ci/ws")
        env.binds("/srv/closed/in", "may not look into /srv/closed; let it enter")
        os.chmod(env.at("srv/closed"), 0o711)
        env.binds("/srv/closed/in")


@suite.test
def warnings():
    """serve and check warn of trees without nosuid,nodev and of entries behind links"""
    with Host(binds=["/srv/ci/**", "/srv/ci/l/**", {"source": "/srv/closed/**", "read_only": True}]) as env:
        env.start()
        wait_for(lambda: "listening on" in env.stderr(), "the start is told")
        flags = os.statvfs(env.root).f_flag
        words = ["runs through the symbolic link /srv/ci/l, so it allows nothing"]
        if not flags & os.ST_NOSUID:
            words.append("lets containers write below /srv/ci, whose file system is not mounted nosuid")
        done = run_bin("check", "--host-root", env.root, env.policy)
        equal((done.returncode, done.stdout), (0, f"{env.policy}: valid\n".encode()), "check")
        for text in (env.stderr(), done.stderr.decode()):
            for word in words:
                equal(text.count(word), 1, f"{word}: {text}")
            check("/srv/closed" not in text, text)
        quiet = run_bin("check", env.policy, "--host-root=none")
        equal((quiet.returncode, quiet.stderr), (0, b""), "check --host-root none")
        for options in (["--host-root"], ["--host-root", "nosuch", env.policy], ["--nosuch", env.policy]):
            bad = run_bin("check", *options)
            equal(bad.returncode, 2, f"{options}: {bad.stderr!r}")


@suite.test
def bad_root():
    """a --host-root that is not there is an error of the start, with the remedy"""
    with Host(host_root="/nosuch/root") as env:
        done = run_bin("serve", *env.args, timeout=5)
        equal(done.returncode, 1, "exit code")
        check("--host-root /nosuch/root" in done.stderr.decode() and "none" in done.stderr.decode(),
              f"{done.stderr!r}")


@suite.test
def namespace():
    """mounts that are not the daemon's are doubted at the start, the daemon's own are not"""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return
    doubts = ("the daemon has mounts of its own", "sockwarden probably runs in a container")
    with Host(host_root="/") as env:
        env.start()
        wait_for(lambda: "listening on" in env.stderr(), "the start is told")
        check(not any(doubt in env.stderr() for doubt in doubts), env.stderr())
        env.stop()
        with open(env.stderr_path, "ab") as stderr:
            env.process = subprocess.Popen(
                ["unshare", "-m", settings["bin"], "serve"] + env.args,
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        wait_for(env.is_ready, "the proxy listens", 10)
        wait_for(lambda: any(doubt in env.stderr() for doubt in doubts), "the doubt", 10)
