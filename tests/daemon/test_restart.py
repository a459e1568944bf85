"""The daemon goes away and comes back behind the proxy; on a daemon of their own."""
import signal
import subprocess
import threading
import time

import dockerd
import engine
from harness import Late, check, holds, same, scenario
from proxies import Proxy

SLOW = ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")


class Own:
    """A second daemon, with a proxy of its own, for one scenario."""

    def __init__(self, t):
        self.t = t
        self.daemon = dockerd.Dockerd(rootfs=t.world.rootfs)
        try:
            self.proxy = Proxy(t.world.options.bin, self.daemon.base, self.daemon.socket, "own",
                               ["--role", "builtin:default"])
        except BaseException:
            self.daemon.close()
            raise
        self.env = {"DOCKER_HOST": "unix://" + self.proxy.socket, "DOCKER_TLS_VERIFY": ""}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proxy.popen.poll() is None:
            self.proxy.stop()
        self.daemon.close()

    def raw(self):
        conn = engine.Raw(self.proxy.socket)
        self.t.raws.append(conn)
        return conn


@scenario(timeout=120, proxy=True)
def daemon_restart(t):
    with Own(t) as own:
        t.ok("run", "-d", "--name", "slow", "busybox:test", *SLOW, **own.env)
        conn = own.raw()
        conn.request("POST", "/v1.41/containers/slow/stop?t=500")
        stop = t.spawn("stop", "-t", "500", "slow", **own.env)
        events = t.spawn("events", **own.env)
        attached = t.spawn("run", "-i", "--name", "cat", "busybox:test", "cat", **own.env)
        attached.send(b"echo\n")
        attached.expect("echo")
        idle = own.raw()
        idle.request("GET", "/_ping")
        idle.body(idle.head())
        own.daemon.stop(signal.SIGKILL)
        head = conn.head(10)
        body = conn.body(head)
        same("status of the running request", head.status, 502)
        same("its type", head["content-type"].split(";")[0], "application/json")
        holds("its body", body, b'"message"')
        check(stop.wait(10) != 0, "docker stop must fail when the daemon breaks off")
        holds("docker stop prints", stop.data, b"Error response from daemon: ")
        events.wait(10)
        attached.wait(10)
        down = t.docker("ps", seconds=15, **own.env)
        check(down.code == 1, "exit code %d of docker ps without a daemon", down.code)
        holds("docker ps prints", down.errors, own.daemon.socket)
        holds("docker ps prints", down.errors, "Error response from daemon: ")
        own.daemon.start()
        holds("docker ps -a afterwards", t.ok("ps", "-a", "--format", "{{.Names}}", **own.env),
              "slow")
        idle.request("GET", "/v1.41/containers/json?all=1")
        same("a kept connection after the restart", idle.head().status, 200)
        check(own.proxy.popen.poll() is None, "the proxy ended")


@scenario(cli=False, timeout=120, proxy=True)
def killed_under_load(t):
    """SIGKILL while clients list containers without end: 502 and a line of the log, then 200 again."""
    with Own(t) as own:
        seen, odd, over = {}, [], threading.Event()

        def ask():
            while not over.is_set():
                try:
                    status = engine.call(own.proxy.socket, "GET", "/v1.41/containers/json")[0]
                except OSError as error:
                    if "IncompleteRead" not in repr(error):     # that one was under way
                        odd.append(repr(error))
                    continue
                seen[status] = seen.get(status, 0) + 1
                if status != 200:
                    time.sleep(0.01)

        def more(status, count):
            before = seen.get(status, 0)
            t.until("%d more answers with %d: %r %r" % (count, status, seen, odd[:2]),
                    lambda: seen.get(status, 0) >= before + count)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        try:
            for thread in threads:
                thread.start()
            more(200, 50)
            own.daemon.stop(signal.SIGKILL)
            more(502, 100)
            own.daemon.start()
            more(200, 50)
        finally:
            over.set()
            for thread in threads:
                thread.join(20)
        same("what else clients saw", odd, [])
        same("statuses", sorted(seen), [200, 502])
        check(own.proxy.popen.poll() is None, "the proxy ended")
        said = own.proxy.tail(1000).count("cannot reach the Docker daemon")
        check(1 <= said <= 3, "%d lines for %d refusals", said, seen[502])
        holds("the log", own.proxy.tail(1000), "is there again")


@scenario(cli=False, timeout=90, proxy=True)
def daemon_stopped(t):
    with Own(t) as own:
        own.daemon.stop()
        for _ in range(3):
            conn = own.raw()
            conn.request("GET", "/v1.41/containers/json")
            head = conn.head(10)
            body = conn.body(head)
            same("status", head.status, 502)
            holds("sentence", body.decode(), own.daemon.socket)
            same("type", head["content-type"].split(";")[0], "application/json")
            check(b"<" not in body, "no HTML: %r", body)
        own.daemon.start()
        conn = own.raw()
        conn.request("GET", "/v1.41/containers/json")
        same("status after the daemon's return", conn.head().status, 200)


@scenario(cli=False, timeout=90, proxy=True)
def stop_while_streaming(t):
    """TERM with a stream open: the proxy ends within its stop timeout, exit code 0."""
    with Own(t) as own:
        own.proxy.stop()
        proxy = Proxy(t.world.options.bin, own.daemon.base, own.daemon.socket, "stop",
                      ["--role", "builtin:default", "--stop-timeout", "2"])
        conn = engine.Raw(proxy.socket)
        conn.request("GET", "/v1.41/events")
        same("status", conn.head(5).status, 200)
        proxy.popen.terminate()
        same("exit code", proxy.popen.wait(15), 0)
        conn.close()


@scenario(cli=False, timeout=120, proxy=True)
def health(t):
    """/readyz and healthcheck tell a daemon that works from one that hangs and one that is gone."""
    with Own(t) as own:
        own.proxy.stop()
        admin = own.daemon.base + "/admin.sock"
        proxy = Proxy(t.world.options.bin, own.daemon.base, own.daemon.socket, "health",
                      ["--role", "builtin:default", "--admin", "unix://" + admin])

        def reads(status, sentence):
            begin = time.monotonic()
            got, text = engine.call(admin, "GET", "/readyz")
            same("status of /readyz", got, status)
            holds("/readyz", text.decode(), sentence)
            if time.monotonic() - begin >= 4:
                raise Late("/readyz took %.1f s" % (time.monotonic() - begin))
            done = subprocess.run([t.world.options.bin, "healthcheck", "unix://" + admin],
                                  capture_output=True, timeout=10, check=False)
            same("exit code of healthcheck", done.returncode, 0 if status == 200 else 1)

        def recovers():     # a busy machine may take more than the second that a ping has
            t.until("the daemon answers", lambda: engine.call(admin, "GET", "/readyz")[0] == 200)
            reads(200, "ready")

        try:
            recovers()
            own.daemon.tell("kill", "dockerd", str(int(signal.SIGSTOP)))
            # Each of its threads stops when it is next scheduled.
            t.until("the daemon hangs", lambda: engine.call(admin, "GET", "/readyz")[0] == 503)
            reads(503, "does not answer a ping within one second")
            same("status of /healthz", engine.call(admin, "GET", "/healthz")[0], 200)
            own.daemon.tell("kill", "dockerd", str(int(signal.SIGCONT)))
            recovers()
            own.daemon.stop()
            reads(503, "is the Docker daemon running")
            own.daemon.start()
            recovers()
        finally:
            same("exit code", proxy.stop(), 0)
