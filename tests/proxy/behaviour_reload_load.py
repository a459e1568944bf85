"""A loop of HUPs beside busy clients and open streams: nothing is lost, broken or leaked."""
import os
import signal
import threading
import time

from behaviour_reload import PING, READ, said, write_policy
from behaviour_reload_tls import tls_serving
from harness import Suite, check, equal, settings, wait_for

suite = Suite()
CLIENTS, TLS_CLIENTS, STREAMS, SECONDS = 56, 8, 50, 6


class Busy(threading.Thread):
    """A keep-alive client that asks until it is told to stop."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.counts = {200: 0, 403: 0}
        self.ending = False
        self.error = None

    def run(self):
        try:
            while not self.ending:
                self.counts[self.client.ask("GET", "/info").status] += 1
                equal(self.client.ask("GET", "/_ping").status, 200, "what both policies allow")
        except Exception as error:  # the test's own thread tells it
            self.error = f"{type(error).__name__}: {error}"


def descriptors(env):
    """How many the proxy has open; None where that cannot be seen."""
    try:
        return len(os.listdir(f"/proc/{env.process.pid}/fd"))
    except PermissionError:
        return None


def open_streams(env, connect, folder):
    """(clients, the daemon's ends): streams whose pieces this test sends."""
    ends, guard = [], threading.Lock()

    def handler(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with guard:
            ends.append(conn)
        conn.rest()
        return False
    env.fake.handle("/events", handler)
    clients = [env.client() if i % 5 else connect(folder) for i in range(STREAMS)]
    for client in clients:
        client.request("GET", "/events")
        equal(client.read_head().status, 200, "a stream's head")
    wait_for(lambda: len(ends) == STREAMS, "all streams")
    return clients, ends


def hup_until(env, files, deadline, count, least):
    """Alternates two policies, and two revocation lists; each reload is over before the next. At
    least so many; how many there were."""
    while time.monotonic() < deadline or count < least:
        write_policy(env, PING if count % 2 else READ)
        files.replace("crl.pem", files.path("other.pem" if count % 8 < 4 else "first.pem"))
        env.process.send_signal(signal.SIGHUP)
        count += 1
        wait_for(lambda n=count: said(env).count("reloaded: policy") >= n, f"reload {count}", 20)
    return count


@suite.test
def load():
    """64 busy clients and 50 streams, some by TLS: no request lost, no stream broken, no leak"""
    with tls_serving(READ, "--workers", "3", "--log-level", "info") as (env, files, connect):
        folder = files.client("a1")
        files.replace("first.pem", files.path("crl.pem"))
        files.client("b1")
        files.revoke("b1")
        files.replace("other.pem", files.path("crl.pem"))
        with open(env.stderr_path, "wb"):   # from here on: the log is read over and over
            pass
        warm = [env.client() for _ in range(8)]
        for client in warm:
            client.ask("GET", "/_ping")
            client.close()
        wait_for(lambda: left(env), "the warming clients have left")
        before = wait_for(lambda: settled_descriptors(env), "a steady number of descriptors")
        streams, ends = open_streams(env, connect, folder)
        busy = [Busy(env.client()) for _ in range(CLIENTS)]
        busy += [Busy(connect(folder)) for _ in range(TLS_CLIENTS)]
        for thread in busy:
            thread.start()
        start = time.monotonic()
        count = hup_until(env, files, start + SECONDS / 3, 0, 7)
        memory = env.rss()
        for end in ends:
            check(end.send(b"5\r\nhello\r\n"), "a stream is gone")
        count = hup_until(env, files, start + SECONDS, count, 20)
        for thread in busy:
            thread.ending = True
        for thread in busy:
            thread.join(10)
        equal([x.error for x in busy if x.error], [], "what went wrong")
        for end, client in zip(ends, streams):
            check(end.send(b"5\r\nagain\r\n"), "a stream is gone")
        for client in streams:
            equal([client.chunk(), client.chunk()], [b"hello", b"again"], "a stream's pieces")
        for status in (200, 403):
            check(sum(x.counts[status] for x in busy) > 0, f"no answer {status}")
        if not settings["sanitized"]:
            check(env.rss() < memory + 8, f"memory grew from {memory:.1f} to {env.rss():.1f} MB")
        lines = env.audit()
        answered = sum(sum(x.counts.values()) for x in busy)
        recorded = sum(x.get("operation") == "SystemInfo" for x in lines)
        equal(recorded, answered, "audit lines of the requests")
        for client in env.clients:
            client.close()
        wait_for(lambda: left(env), "all clients have left")
        wait_for(lambda: settled_descriptors(env) == before,
                 f"{before} descriptors, as before")


def left(env):
    """Have the proxy's connections to the daemon ended, which it closes after the clients'?"""
    return env.fake.used() > 0 and all(conn.ended.is_set() for conn in env.fake.connections)


def settled_descriptors(env):
    """Their number when two looks agree and no client is left; without a right to look, a constant."""
    first = descriptors(env)
    if first is None:
        return True
    time.sleep(0.02)
    return first if descriptors(env) == first else None
