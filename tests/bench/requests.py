#!/usr/bin/env python3
"""What a request costs the proxy: processor time and system calls, one request after another on one
connection, before a daemon that knows its answers. Prints a Markdown table, with a second program
(--before) beside it. It exits 1 when a request reaches the daemon more often than it must.

Time is what the kernel has accounted to the proxy's threads; the least of some rounds counts, which
a busy machine changes least. System calls are counted by strace in a round of their own, where it
may be used.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ID = "c0ffee" + "0" * 58
FACTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases", "facts.json")
HEAD = "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def answer(status, value):
    body = b"" if value is None else json.dumps(value).encode()
    return (HEAD % (status, len(body))).encode() + body


def inspects():
    """A harmless container and /info as the cases know them."""
    with open(FACTS, encoding="utf-8") as file:
        facts = json.loads(file.read().replace("%ID%", ID).replace("%NAME%", "web"))
    return facts["container"]["*"], facts["info"]["*"]


FOUND, INFO = inspects()
# What the daemon fills in is compared with what it says of itself.
PLAIN = {**FOUND, "HostConfig": {**FOUND["HostConfig"], "Runtime": "", "CgroupnsMode": "private"}}
VOLUME = answer("200 OK", {"Name": "v", "Driver": "local", "Options": None, "Labels": None})
CREATED = answer("201 Created", {"Id": ID, "Warnings": []})
ANSWERS = [(b"GET /_ping", answer("200 OK", "OK")), (b"GET /info", answer("200 OK", INFO)),
           (b"GET /containers/web", answer("200 OK", PLAIN)),
           (b"GET /containers/", answer("200 OK", FOUND)),
           (b"GET /volumes/", VOLUME), (b"POST /containers/create", CREATED),
           (b"POST /containers/", b"HTTP/1.1 204 No Content\r\n\r\n")]


def request(line, body=None):
    head = "%s HTTP/1.1\r\nHost: docker\r\n" % line
    data = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        head += "Content-Type: application/json\r\nContent-Length: %d\r\n" % len(data)
    elif line.startswith("POST"):
        head += "Content-Length: 0\r\n"
    return head.encode() + b"\r\n" + data


# name, how often the daemon is asked in all, request
ROWS = [
    ("`_ping`", 1, request("GET /_ping")),
    ("ContainerInspect, no fact", 1, request("GET /containers/web/json")),
    ("ContainerStart, one fact", 2, request("POST /containers/web/start")),
    ("ContainerStart, it and /info, which is kept", 2, request("POST /containers/real/start")),
    ("ContainerCreate, no fact", 1, request("POST /containers/create", {"Image": "a"})),
    ("ContainerCreate with a volume, looked at twice", 3,
     request("POST /containers/create", {"Image": "a", "HostConfig": {"Binds": ["v:/x"]}})),
]


class Daemon:
    """Answers by the request's first bytes, as fast as Python does."""

    def __init__(self, path):
        self.asked = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            conn, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        while True:
            data = conn.recv(65536)     # one request: they come one after another
            if not data:
                return
            self.asked += 1
            text = next((text for start, text in ANSWERS if data.startswith(start)), None)
            if not text:
                sys.stderr.write("requests.py: nobody expects %r\n" % data[:200])
                return
            conn.sendall(text)


class Proxy:
    def __init__(self, binary):
        self.folder = folder = tempfile.mkdtemp(prefix="sockwarden-bench-")
        self.path = folder + "/proxy.sock"
        self.daemon = Daemon(folder + "/daemon.sock")
        self.log = open(folder + "/log", "wb")
        self.popen = subprocess.Popen(
            [binary, "serve", "-H", "unix://" + self.path, "--upstream",
             "unix://" + folder + "/daemon.sock", "--audit-log", "none", "--role", "default"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + 10
        self.conn = socket.socket(socket.AF_UNIX)
        while self.conn.connect_ex(self.path) != 0:
            if self.popen.poll() is not None or time.monotonic() > end:
                with open(folder + "/log", encoding="utf-8") as log:
                    sys.exit("requests.py: %s does not serve: %s" % (binary, log.read()))
            time.sleep(0.01)

    def ask(self, data, times):
        for _ in range(times):
            self.conn.sendall(data)
            got = self.conn.recv(65536)
            if not got.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201", b"HTTP/1.1 204")):
                sys.exit("requests.py: %r is answered %r" % (data[:60], got[:300]))
            head, _, body = got.partition(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                           if line.startswith(b"content-length")), 0)
            while len(body) < length:
                body += self.conn.recv(65536)

    def cpu_ns(self):
        """Of all its threads, by the scheduler."""
        folder = "/proc/%d/task" % self.popen.pid
        total = 0
        for task in os.listdir(folder):
            with open("%s/%s/schedstat" % (folder, task), encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total

    def microseconds(self, data, times):
        """Of one request, in one round of so many."""
        before = self.cpu_ns()
        self.ask(data, times)
        return (self.cpu_ns() - before) / times / 1000

    def calls(self, data, times):
        """System calls of one request, or None."""
        if not shutil.which("strace"):
            return None
        out = self.folder + "/strace"
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-p", str(self.popen.pid), "-o", out],
                                  stderr=subprocess.DEVNULL)
        end = time.monotonic() + 5
        while not self.traced() and tracer.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if tracer.poll() is not None or not self.traced():
            tracer.kill()
            tracer.wait()
            return None
        self.ask(data, times)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        with open(out, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if "(" in line and "resumed>" not in line]
        return len(lines) / times

    def traced(self):
        folder = "/proc/%d/task" % self.popen.pid
        for task in os.listdir(folder):
            with open("%s/%s/status" % (folder, task), encoding="ascii") as file:
                if "TracerPid:\t0\n" in file.read():
                    return False
        return True

    def close(self):
        self.conn.close()
        self.popen.terminate()
        self.popen.wait(10)
        self.log.close()
        shutil.rmtree(self.folder)


def measure(proxies, data, options):
    """[(microseconds, system calls or None, what the daemon was asked)] of these proxies, which
    take turns, so that they find the same machine."""
    for proxy in proxies:
        proxy.ask(data, 20)
    asked = [proxy.daemon.asked for proxy in proxies]
    rounds = [[proxy.microseconds(data, options.times) for proxy in proxies]
              for _ in range(options.rounds)]
    each = options.times * options.rounds
    asked = [(proxy.daemon.asked - before) / each for proxy, before in zip(proxies, asked)]
    return [(min(row[i] for row in rounds), proxy.calls(data, 200), asked[i])
            for i, proxy in enumerate(proxies)]


def shown(value, form):
    return "?" if value is None else form % value


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--before", help="another program to compare with")
    parser.add_argument("--times", type=int, default=300, help="requests of a round")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    words = ["before: %s", "%s"] if options.before else ["%s"]
    names = [word % what for word in words for what in ("us", "system calls", "asked")]
    print("| request | " + " | ".join(names) + " |")
    print("|---|" + "---:|" * len(names))
    failed = False
    proxies = [Proxy(path) for path in (options.before, options.binary) if path]
    try:
        for name, asked, data in ROWS:
            found = measure(proxies, data, options)
            cells = [cell for spent, calls, times in found
                     for cell in ("%.1f" % spent, shown(calls, "%.1f"), "%.0f" % times)]
            print("| %s | %s |" % (name, " | ".join(cells)), flush=True)
            if abs(found[-1][2] - asked) > 0.1:     # what is kept is asked again, now and then
                print("%s: the daemon is asked %.2f times, not %d" % (name, found[-1][2], asked))
                failed = True
    finally:
        for proxy in proxies:
            proxy.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
